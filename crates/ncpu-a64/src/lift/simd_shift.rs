//! Advanced SIMD shifts by an immediate and conversions to and from fixed point (Arm ARM DDI 0487,
//! C4.1, "shift by immediate" and "scalar shift by immediate"). The place of the highest one in
//! `immh` is the element size, `immh:immb` the amount beyond it.

use super::Lifter;
use super::simd::lanes;
use super::simd_arguments::{FpRounding, Shift, ShiftLong, ShiftNarrow};
use ncpu_uop::{Lanes, Op};

/// Element size and `immh:immb`; none for `immh` = 0.
const fn split(immh: u32, immb: u32) -> Option<(u32, u32)> {
    match immh.checked_ilog2() {
        Some(size) => Some((size, immh << 3 | immb)),
        None => None,
    }
}

/// The amount of a shift to the right: 1 to the element's width.
const fn right(size: u32, imm: u32) -> u32 {
    (16 << size) - imm
}

/// The amount of a shift to the left: 0 to the element's width less 1.
const fn left(size: u32, imm: u32) -> u32 {
    imm - (8 << size)
}

impl Lifter<'_> {
    pub(crate) fn shift_right(
        &mut self,
        op: Shift,
        q: u32,
        immh: u32,
        immb: u32,
        rn: u32,
        rd: u32,
    ) -> Option<()> {
        let (size, imm) = split(immh, immb)?;
        self.emit_v_small(Op::VShift, rd, rn, right(size, imm), lanes(q, size)?, op as u64)
    }

    pub(crate) fn shift_left(
        &mut self,
        op: Shift,
        q: u32,
        immh: u32,
        immb: u32,
        rn: u32,
        rd: u32,
    ) -> Option<()> {
        let (size, imm) = split(immh, immb)?;
        self.emit_v_small(Op::VShift, rd, rn, left(size, imm), lanes(q, size)?, op as u64)
    }

    pub(crate) fn shift_narrow(
        &mut self,
        op: ShiftNarrow,
        q: u32,
        immh: u32,
        immb: u32,
        rn: u32,
        rd: u32,
    ) -> Option<()> {
        let (size @ 0..=2, imm) = split(immh, immb)? else { return None };
        self.emit_v_small(Op::VShiftNarrow, rd, rn, right(size, imm), lanes(q, size)?, op as u64)
    }

    pub(crate) fn shift_long(
        &mut self,
        op: ShiftLong,
        q: u32,
        immh: u32,
        immb: u32,
        rn: u32,
        rd: u32,
    ) -> Option<()> {
        let (size @ 0..=2, imm) = split(immh, immb)? else { return None };
        self.emit_v_small(Op::VShiftLong, rd, rn, left(size, imm), lanes(q, size)?, op as u64)
    }

    /// SCVTF, UCVTF from fixed point; there are no 8-bit floats.
    pub(crate) fn fixed_to_fp(
        &mut self,
        unsigned: bool,
        q: u32,
        immh: u32,
        immb: u32,
        rn: u32,
        rd: u32,
    ) -> Option<()> {
        let (size @ 1..=3, imm) = split(immh, immb)? else { return None };
        let imm = unsigned as u64 | (right(size, imm) as u64) << 1;
        self.emit_v(Op::IntToF, rd, rn, 0, lanes(q, size)?, imm)
    }

    /// FCVTZS, FCVTZU to fixed point.
    pub(crate) fn fp_to_fixed(
        &mut self,
        unsigned: bool,
        q: u32,
        immh: u32,
        immb: u32,
        rn: u32,
        rd: u32,
    ) -> Option<()> {
        let (size @ 1..=3, imm) = split(immh, immb)? else { return None };
        let imm = unsigned as u64 | (right(size, imm) as u64) << 1;
        let rounding = FpRounding::TowardZero as u32;
        self.emit_v_small(Op::FToInt, rd, rn, rounding, lanes(q, size)?, imm)
    }

    /// Scalar shifts to the right of 64 bits (`immh` = 1xxx); `shift` is the rest of `immh:immb`.
    pub(crate) fn scalar_shift_right(
        &mut self,
        op: Shift,
        shift: u32,
        rn: u32,
        rd: u32,
    ) -> Option<()> {
        self.emit_v_small(Op::VShift, rd, rn, 64 - shift, Lanes::scalar(3), op as u64)
    }

    pub(crate) fn scalar_shift_left(
        &mut self,
        op: Shift,
        shift: u32,
        rn: u32,
        rd: u32,
    ) -> Option<()> {
        self.emit_v_small(Op::VShift, rd, rn, shift, Lanes::scalar(3), op as u64)
    }

    /// The saturating shifts to the left, which have all sizes.
    pub(crate) fn scalar_shift_saturating(
        &mut self,
        op: Shift,
        immh: u32,
        immb: u32,
        rn: u32,
        rd: u32,
    ) -> Option<()> {
        let (size, imm) = split(immh, immb)?;
        let lanes = Lanes::scalar(size as u8);
        self.emit_v_small(Op::VShift, rd, rn, left(size, imm), lanes, op as u64)
    }

    pub(crate) fn scalar_shift_narrow(
        &mut self,
        op: ShiftNarrow,
        immh: u32,
        immb: u32,
        rn: u32,
        rd: u32,
    ) -> Option<()> {
        let (size @ 0..=2, imm) = split(immh, immb)? else { return None };
        let lanes = Lanes::scalar(size as u8);
        self.emit_v_small(Op::VShiftNarrow, rd, rn, right(size, imm), lanes, op as u64)
    }

    pub(crate) fn scalar_fixed_to_fp(
        &mut self,
        unsigned: bool,
        immh: u32,
        immb: u32,
        rn: u32,
        rd: u32,
    ) -> Option<()> {
        let (size @ 1..=3, imm) = split(immh, immb)? else { return None };
        let imm = unsigned as u64 | (right(size, imm) as u64) << 1;
        self.emit_v(Op::IntToF, rd, rn, 0, Lanes::scalar(size as u8), imm)
    }

    pub(crate) fn scalar_fp_to_fixed(
        &mut self,
        unsigned: bool,
        immh: u32,
        immb: u32,
        rn: u32,
        rd: u32,
    ) -> Option<()> {
        let (size @ 1..=3, imm) = split(immh, immb)? else { return None };
        let imm = unsigned as u64 | (right(size, imm) as u64) << 1;
        let rounding = FpRounding::TowardZero as u32;
        self.emit_v_small(Op::FToInt, rd, rn, rounding, Lanes::scalar(size as u8), imm)
    }
}
