//! Advanced SIMD on integers, lane by lane and across lanes of one size (Arm ARM DDI 0487, C4.1,
//! "three same", "two-register miscellaneous", "across lanes" and their scalar forms).

use super::simd_arguments::{Across, BHS, Bin, Pair, Sizes, Un};
use super::{Lifter, vector};
use ncpu_uop::{Lanes, Op, Uop, slot};

/// A vector temporary: a slot and the one after it.
pub(super) const TEMP: slot::Slot = slot::TEMP[0];

/// Lanes of `8 << size` bits, of which 64 need a 128-bit vector ("size:Q = 110 is reserved").
pub(super) const fn lanes(q: u32, size: u32) -> Option<Lanes> {
    if size > 3 || size == 3 && q == 0 { None } else { Some(Lanes::vector(size as u8, q == 1)) }
}

/// As [`lanes`], for an instruction that has these sizes only.
pub(super) const fn lanes_among(sizes: Sizes, q: u32, size: u32) -> Option<Lanes> {
    if sizes >> size & 1 == 0 { None } else { lanes(q, size) }
}

/// A scalar of `8 << size` bits, for an instruction that has these sizes only.
pub(super) const fn scalar_among(sizes: Sizes, size: u32) -> Option<Lanes> {
    if sizes >> size & 1 == 0 { None } else { Some(Lanes::scalar(size as u8)) }
}

impl Lifter<'_> {
    /// Appends `op` on vector registers, lanes in `rc`, a family's member in the immediate.
    pub(super) fn emit_v(
        &mut self,
        op: Op,
        rd: u32,
        rn: u32,
        rm: u32,
        lanes: Lanes,
        imm: u64,
    ) -> Option<()> {
        let (rd, ra, rb) = (vector(rd), vector(rn), vector(rm));
        self.emit(Uop { rd, ra, rb, rc: lanes.0, imm, ..Uop::new(op) })
    }

    /// Appends `op` on two vector registers, a small number in `rb`, lanes in `rc`.
    pub(super) fn emit_v_small(
        &mut self,
        op: Op,
        rd: u32,
        rn: u32,
        small: u32,
        lanes: Lanes,
        imm: u64,
    ) -> Option<()> {
        let (rd, ra, rb) = (vector(rd), vector(rn), small as u8);
        self.emit(Uop { rd, ra, rb, rc: lanes.0, imm, ..Uop::new(op) })
    }

    pub(crate) fn three_same(
        &mut self,
        op: Bin,
        sizes: Sizes,
        q: u32,
        size: u32,
        rm: u32,
        rn: u32,
        rd: u32,
    ) -> Option<()> {
        self.emit_v(Op::VBin, rd, rn, rm, lanes_among(sizes, q, size)?, op as u64)
    }

    /// The most frequent operations, which are micro-ops of their own.
    pub(crate) fn three_same_op(
        &mut self,
        op: Op,
        q: u32,
        size: u32,
        rm: u32,
        rn: u32,
        rd: u32,
    ) -> Option<()> {
        self.emit_v(op, rd, rn, rm, lanes(q, size)?, 0)
    }

    pub(crate) fn pairwise(
        &mut self,
        op: Pair,
        sizes: Sizes,
        q: u32,
        size: u32,
        rm: u32,
        rn: u32,
        rd: u32,
    ) -> Option<()> {
        self.emit_v(Op::VPair, rd, rn, rm, lanes_among(sizes, q, size)?, op as u64)
    }

    pub(crate) fn bitwise_v(&mut self, op: Bin, q: u32, rm: u32, rn: u32, rd: u32) -> Option<()> {
        self.emit_v(Op::VBin, rd, rn, rm, lanes(q, 0)?, op as u64)
    }

    pub(crate) fn bitwise_v_op(&mut self, op: Op, q: u32, rm: u32, rn: u32, rd: u32) -> Option<()> {
        let (rd, ra, rb) = (vector(rd), vector(rn), vector(rm));
        self.emit(Uop { rd, ra, rb, rc: (q == 0) as u8, ..Uop::new(op) })
    }

    /// ORR of a register with itself is MOV.
    pub(crate) fn orr_v(&mut self, q: u32, rm: u32, rn: u32, rd: u32) -> Option<()> {
        if rn != rm {
            return self.bitwise_v_op(Op::VOr, q, rm, rn, rd);
        }
        let op = if q == 1 { Op::VMov } else { Op::VMovLow };
        self.emit(Uop { rd: vector(rd), ra: vector(rn), ..Uop::new(op) })
    }

    /// SDOT, UDOT: lanes of 32 bits, each the sum of four products of bytes.
    pub(crate) fn dot(&mut self, op: Bin, q: u32, rm: u32, rn: u32, rd: u32) -> Option<()> {
        self.emit_v(Op::VBin, rd, rn, rm, lanes(q, 2)?, op as u64)
    }

    pub(crate) fn two_reg(
        &mut self,
        op: Un,
        sizes: Sizes,
        q: u32,
        size: u32,
        rn: u32,
        rd: u32,
    ) -> Option<()> {
        self.emit_v(Op::VUn, rd, rn, 0, lanes_among(sizes, q, size)?, op as u64)
    }

    /// NOT and RBIT, whose size field is part of the opcode.
    pub(crate) fn two_reg_bytes(&mut self, op: Un, q: u32, rn: u32, rd: u32) -> Option<()> {
        self.emit_v(Op::VUn, rd, rn, 0, lanes(q, 0)?, op as u64)
    }

    /// SUQADD, USQADD: the destination is the other operand.
    pub(crate) fn accumulate_saturating(
        &mut self,
        op: Bin,
        q: u32,
        size: u32,
        rn: u32,
        rd: u32,
    ) -> Option<()> {
        self.emit_v(Op::VBin, rd, rn, rn, lanes(q, size)?, op as u64)
    }

    pub(crate) fn across(&mut self, op: Across, q: u32, size: u32, rn: u32, rd: u32) -> Option<()> {
        // Two lanes of 32 bits are reserved.
        if size == 2 && q == 0 {
            return None;
        }
        self.emit_v(Op::VAcross, rd, rn, 0, lanes_among(BHS, q, size)?, op as u64)
    }

    pub(crate) fn scalar_three_same(
        &mut self,
        op: Bin,
        sizes: Sizes,
        size: u32,
        rm: u32,
        rn: u32,
        rd: u32,
    ) -> Option<()> {
        self.emit_v(Op::VBin, rd, rn, rm, scalar_among(sizes, size)?, op as u64)
    }

    /// Operations whose scalar form is of 64 bits only.
    pub(crate) fn scalar_three_same_d(&mut self, op: Bin, rm: u32, rn: u32, rd: u32) -> Option<()> {
        self.emit_v(Op::VBin, rd, rn, rm, Lanes::scalar(3), op as u64)
    }

    pub(crate) fn scalar_three_same_op(&mut self, op: Op, rm: u32, rn: u32, rd: u32) -> Option<()> {
        self.emit_v(op, rd, rn, rm, Lanes::scalar(3), 0)
    }

    pub(crate) fn scalar_two_reg(&mut self, op: Un, size: u32, rn: u32, rd: u32) -> Option<()> {
        self.emit_v(Op::VUn, rd, rn, 0, Lanes::scalar(size as u8), op as u64)
    }

    pub(crate) fn scalar_two_reg_d(&mut self, op: Un, rn: u32, rd: u32) -> Option<()> {
        self.emit_v(Op::VUn, rd, rn, 0, Lanes::scalar(3), op as u64)
    }

    pub(crate) fn scalar_accumulate_saturating(
        &mut self,
        op: Bin,
        size: u32,
        rn: u32,
        rd: u32,
    ) -> Option<()> {
        self.emit_v(Op::VBin, rd, rn, rn, Lanes::scalar(size as u8), op as u64)
    }

    /// ADDP Dd, Vn.2D: the sum of the two halves.
    pub(crate) fn scalar_addp(&mut self, rn: u32, rd: u32) -> Option<()> {
        self.emit3(Op::Add, TEMP, vector(rn), vector(rn) + 1)?;
        self.emit(Uop { rd: vector(rd), ra: TEMP, ..Uop::new(Op::VMovLow) })
    }
}
