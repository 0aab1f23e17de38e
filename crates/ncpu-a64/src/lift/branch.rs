//! Branches (Arm ARM DDI 0487, C4.1.65).

use super::{Lifter, dest, signed, source};
use ncpu_uop::{Op, Uop, condition_mask};

impl Lifter<'_> {
    /// The address `offset` words away.
    fn target(&self, offset: i64) -> u64 {
        self.pc.wrapping_add((offset as u64) << 2)
    }

    pub(crate) fn b(&mut self, imm26: u32) -> Option<()> {
        self.emit(Uop { imm: self.target(signed(imm26, 26)), ..Uop::new(Op::JumpOut) })
    }

    pub(crate) fn bl(&mut self, imm26: u32) -> Option<()> {
        self.emit(Uop { rd: 30, imm: self.target(signed(imm26, 26)), ..Uop::new(Op::LinkOut) })
    }

    pub(crate) fn b_cond(&mut self, imm19: u32, cond: u32) -> Option<()> {
        let imm = self.target(signed(imm19, 19));
        if cond >= 14 {
            return self.emit(Uop { imm, ..Uop::new(Op::JumpOut) });
        }
        let [rb, rc] = condition_mask(cond as u8).to_le_bytes();
        self.emit(Uop { rb, rc, imm, ..Uop::new(Op::CondOut) })
    }

    pub(crate) fn cbz(&mut self, sf: u32, nonzero: u32, imm19: u32, rt: u32) -> Option<()> {
        let op = match (sf, nonzero) {
            (0, 0) => Op::ZeroOutW,
            (0, _) => Op::NonZeroOutW,
            (_, 0) => Op::ZeroOut,
            _ => Op::NonZeroOut,
        };
        self.emit_imm(op, 0, source(rt), self.target(signed(imm19, 19)))
    }

    pub(crate) fn tbz(&mut self, b5: u32, set: u32, b40: u32, imm14: u32, rt: u32) -> Option<()> {
        let op = if set == 0 { Op::BitClearOut } else { Op::BitSetOut };
        let imm = self.target(signed(imm14, 14));
        self.emit(Uop { ra: source(rt), rb: (b5 << 5 | b40) as u8, imm, ..Uop::new(op) })
    }

    pub(crate) fn br(&mut self, rn: u32) -> Option<()> {
        self.emit(Uop { ra: source(rn), ..Uop::new(Op::JumpReg) })
    }

    pub(crate) fn blr(&mut self, rn: u32) -> Option<()> {
        self.emit(Uop { rd: dest(30), ra: source(rn), ..Uop::new(Op::LinkReg) })
    }
}
