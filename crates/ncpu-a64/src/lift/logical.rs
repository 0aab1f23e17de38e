//! Logical instructions on registers (Arm ARM DDI 0487, C4.1.68).

use super::{Lifter, T0, dest, ones, sized, source};
use ncpu_uop::{Op, Slot, Uop, slot};

impl Lifter<'_> {
    /// Register `rm` shifted: `kind` is 0 LSL, 1 LSR, 2 ASR, 3 ROR. The result is in the first
    /// temporary, or is the register itself when nothing is to be shifted.
    pub(super) fn shifted(&mut self, sf: u32, rm: u32, kind: u32, amount: u32) -> Option<Slot> {
        let ra = source(rm);
        if sf == 0 && amount >= 32 {
            return None;
        }
        if amount == 0 || ra == slot::ZERO {
            return Some(ra);
        }
        let width = 32 << sf;
        let rc = amount as u8;
        let uop = match kind {
            0 => Uop { rc, imm: ones(width - amount) << amount, ..Uop::new(Op::LslAnd) },
            1 => Uop { rc, imm: ones(width - amount), ..Uop::new(Op::LsrAnd) },
            2 if sf == 0 => Uop { rb: 32, rc: 32 + rc, ..Uop::new(Op::LslAsrW) },
            2 => Uop { rc, ..Uop::new(Op::LslAsr) },
            _ => Uop { rc, ..Uop::new(sized(sf, Op::RorI, Op::RorIW)) },
        };
        self.emit(Uop { rd: T0, ra, ..uop })?;
        Some(T0)
    }

    fn logical(
        &mut self,
        op: Op,
        sf: u32,
        kind: u32,
        rm: u32,
        amount: u32,
        rn: u32,
        rd: u32,
    ) -> Option<()> {
        let rb = self.shifted(sf, rm, kind, amount)?;
        self.emit3(op, dest(rd), source(rn), rb)
    }

    pub(crate) fn and_reg(
        &mut self,
        sf: u32,
        shift: u32,
        rm: u32,
        imm6: u32,
        rn: u32,
        rd: u32,
    ) -> Option<()> {
        let op = sized(sf, Op::And, Op::AndW);
        self.logical(op, sf, shift, rm, imm6, rn, rd)
    }

    pub(crate) fn bic_reg(
        &mut self,
        sf: u32,
        shift: u32,
        rm: u32,
        imm6: u32,
        rn: u32,
        rd: u32,
    ) -> Option<()> {
        let op = sized(sf, Op::Bic, Op::BicW);
        self.logical(op, sf, shift, rm, imm6, rn, rd)
    }

    pub(crate) fn orn_reg(
        &mut self,
        sf: u32,
        shift: u32,
        rm: u32,
        imm6: u32,
        rn: u32,
        rd: u32,
    ) -> Option<()> {
        let op = sized(sf, Op::Orn, Op::OrnW);
        self.logical(op, sf, shift, rm, imm6, rn, rd)
    }

    pub(crate) fn eon_reg(
        &mut self,
        sf: u32,
        shift: u32,
        rm: u32,
        imm6: u32,
        rn: u32,
        rd: u32,
    ) -> Option<()> {
        let op = sized(sf, Op::Eon, Op::EonW);
        self.logical(op, sf, shift, rm, imm6, rn, rd)
    }

    pub(crate) fn ands_reg(
        &mut self,
        sf: u32,
        shift: u32,
        rm: u32,
        imm6: u32,
        rn: u32,
        rd: u32,
    ) -> Option<()> {
        let op = sized(sf, Op::AndS, Op::AndSW);
        self.logical(op, sf, shift, rm, imm6, rn, rd)
    }

    /// MOV of a register, and shifts written as ORR, need one micro-op.
    pub(crate) fn orr_reg(
        &mut self,
        sf: u32,
        shift: u32,
        rm: u32,
        imm6: u32,
        rn: u32,
        rd: u32,
    ) -> Option<()> {
        if rn == 31 {
            return self.move_shifted(sf, shift, rm, imm6, rd);
        }
        if shift == 0 && imm6 != 0 && (sf == 1 || imm6 < 32) {
            let op = sized(sf, Op::OrLsl, Op::OrLslW);
            return self.emit_shift(op, rd, rn, rm, imm6);
        }
        self.logical(sized(sf, Op::Or, Op::OrW), sf, shift, rm, imm6, rn, rd)
    }

    fn move_shifted(&mut self, sf: u32, shift: u32, rm: u32, imm6: u32, rd: u32) -> Option<()> {
        let (ra, rd) = (self.shifted(sf, rm, shift, imm6)?, dest(rd));
        if ra == T0 {
            // The shift itself can have the destination.
            return self.redirect(rd);
        }
        match sf {
            0 => self.emit_imm(Op::AndIW, rd, ra, ones(32)),
            _ => self.emit(Uop { rd, ra, ..Uop::new(Op::Mov) }),
        }
    }

    pub(crate) fn eor_reg(
        &mut self,
        sf: u32,
        shift: u32,
        rm: u32,
        imm6: u32,
        rn: u32,
        rd: u32,
    ) -> Option<()> {
        if shift == 3 && imm6 != 0 && (sf == 1 || imm6 < 32) {
            let op = sized(sf, Op::XorRor, Op::XorRorW);
            return self.emit_shift(op, rd, rn, rm, imm6);
        }
        self.logical(sized(sf, Op::Xor, Op::XorW), sf, shift, rm, imm6, rn, rd)
    }

    pub(crate) fn bics_reg(
        &mut self,
        sf: u32,
        shift: u32,
        rm: u32,
        imm6: u32,
        rn: u32,
        rd: u32,
    ) -> Option<()> {
        let shifted = self.shifted(sf, rm, shift, imm6)?;
        self.emit3(Op::Orn, T0, slot::ZERO, shifted)?;
        self.emit3(sized(sf, Op::AndS, Op::AndSW), dest(rd), source(rn), T0)
    }

    /// `op rd, rn, rm` with a shift amount that the operation applies itself.
    pub(super) fn emit_shift(
        &mut self,
        op: Op,
        rd: u32,
        rn: u32,
        rm: u32,
        amount: u32,
    ) -> Option<()> {
        let (rd, ra, rb) = (dest(rd), source(rn), source(rm));
        self.emit(Uop { rd, ra, rb, rc: amount as u8, ..Uop::new(op) })
    }
}
