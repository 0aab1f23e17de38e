//! AES, SHA-1 and SHA-256 (Arm ARM DDI 0487, C4.1, "Cryptographic AES" and "SHA").

use super::simd_arguments::{Aes, Sha};
use super::{Lifter, vector};
use ncpu_uop::{Op, Uop};

impl Lifter<'_> {
    /// AESE, AESD: the destination is the state, the source the round key.
    pub(crate) fn aes_round(&mut self, op: Aes, rn: u32, rd: u32) -> Option<()> {
        let (rd, rb) = (vector(rd), vector(rn));
        self.emit(Uop { rd, ra: rd, rb, imm: op as u64, ..Uop::new(Op::VAes) })
    }

    /// AESMC, AESIMC.
    pub(crate) fn aes_mix(&mut self, op: Aes, rn: u32, rd: u32) -> Option<()> {
        let (rd, ra) = (vector(rd), vector(rn));
        self.emit(Uop { rd, ra, rb: ra, imm: op as u64, ..Uop::new(Op::VAes) })
    }

    pub(crate) fn sha_three(&mut self, op: Sha, rm: u32, rn: u32, rd: u32) -> Option<()> {
        let (rd, ra, rb) = (vector(rd), vector(rn), vector(rm));
        self.emit(Uop { rd, ra, rb, imm: op as u64, ..Uop::new(Op::VSha) })
    }

    pub(crate) fn sha_two(&mut self, op: Sha, rn: u32, rd: u32) -> Option<()> {
        self.sha_three(op, rn, rn, rd)
    }
}
