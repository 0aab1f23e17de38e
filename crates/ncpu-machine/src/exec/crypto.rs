//! Cryptographic steps on whole registers.

use super::{Slots, read_v};
use ncpu_alu::Alu;
use ncpu_alu::crypto::{
    Sha1Choice, aesd, aese, aesimc, aesmc, sha1_rounds, sha1h, sha1su0, sha1su1, sha256h, sha256h2,
    sha256su0, sha256su1,
};
use ncpu_alu::simd::{V, carryless_mul};
use ncpu_uop::{Aes, Op, Sha, Uop};

/// The result of a cryptographic micro-op.
pub(super) fn crypto<A: Alu>(alu: &A, regs: &Slots, u: &Uop) -> Option<V> {
    let (d, n, m) = (read_v(regs, u.rd), read_v(regs, u.ra), read_v(regs, u.rb));
    let member = u.imm as u8;
    let low_word = n[0] & 0xffff_ffff;
    Some(match u.op {
        Op::VAes => match Aes::from_u8(member)? {
            Aes::Encrypt => aese(alu, n, m),
            Aes::Decrypt => aesd(alu, n, m),
            Aes::MixColumns => aesmc(alu, n),
            Aes::InverseMixColumns => aesimc(alu, n),
        },
        Op::VSha => match Sha::from_u8(member)? {
            Sha::Sha1C => sha1_rounds(alu, Sha1Choice::Choose, d, low_word, m),
            Sha::Sha1P => sha1_rounds(alu, Sha1Choice::Parity, d, low_word, m),
            Sha::Sha1M => sha1_rounds(alu, Sha1Choice::Majority, d, low_word, m),
            Sha::Sha1H => [sha1h(alu, low_word), 0],
            Sha::Sha1Su0 => sha1su0(alu, d, n, m),
            Sha::Sha1Su1 => sha1su1(alu, d, n),
            Sha::Sha256H => sha256h(alu, d, n, m),
            Sha::Sha256H2 => sha256h2(alu, d, n, m),
            Sha::Sha256Su0 => sha256su0(alu, d, n),
            Sha::Sha256Su1 => sha256su1(alu, d, n, m),
        },
        _ => {
            let half = (u.rc & 1) as usize;
            carryless_mul(alu, n[half], m[half])
        }
    })
}
