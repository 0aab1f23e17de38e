//! Advanced SIMD between lanes of two widths (Arm ARM DDI 0487, C4.1, "three different" and the
//! narrowing members of "two-register miscellaneous"). Lanes are those of the narrower width.

use super::Lifter;
use super::simd::{lanes, lanes_among, scalar_among};
use super::simd_arguments::{BHS, HS, Long, Narrow, NarrowHigh, ShiftLong, Sizes, Wide};
use super::vector;
use ncpu_uop::{Op, Uop};

impl Lifter<'_> {
    pub(crate) fn long(
        &mut self,
        op: Long,
        sizes: Sizes,
        q: u32,
        size: u32,
        rm: u32,
        rn: u32,
        rd: u32,
    ) -> Option<()> {
        // There is no 64-bit source, so that no combination with Q is reserved.
        self.emit_v(Op::VLong, rd, rn, rm, lanes_among(sizes, q, size)?, op as u64)
    }

    pub(crate) fn pmull(&mut self, q: u32, rm: u32, rn: u32, rd: u32) -> Option<()> {
        self.emit_v(Op::VLong, rd, rn, rm, lanes(q, 0)?, Long::Pmull as u64)
    }

    pub(crate) fn pmull64(&mut self, q: u32, rm: u32, rn: u32, rd: u32) -> Option<()> {
        let (rd, ra, rb) = (vector(rd), vector(rn), vector(rm));
        self.emit(Uop { rd, ra, rb, rc: q as u8, ..Uop::new(Op::VPmull64) })
    }

    pub(crate) fn wide(
        &mut self,
        op: Wide,
        q: u32,
        size: u32,
        rm: u32,
        rn: u32,
        rd: u32,
    ) -> Option<()> {
        self.emit_v(Op::VWide, rd, rn, rm, lanes_among(BHS, q, size)?, op as u64)
    }

    pub(crate) fn narrow_high(
        &mut self,
        op: NarrowHigh,
        q: u32,
        size: u32,
        rm: u32,
        rn: u32,
        rd: u32,
    ) -> Option<()> {
        self.emit_v(Op::VNarrowHigh, rd, rn, rm, lanes_among(BHS, q, size)?, op as u64)
    }

    pub(crate) fn narrow(&mut self, op: Narrow, q: u32, size: u32, rn: u32, rd: u32) -> Option<()> {
        self.emit_v(Op::VNarrow, rd, rn, 0, lanes_among(BHS, q, size)?, op as u64)
    }

    /// SHLL shifts by the width of the source's lanes.
    pub(crate) fn shll(&mut self, q: u32, size: u32, rn: u32, rd: u32) -> Option<()> {
        let lanes = lanes_among(BHS, q, size)?;
        self.emit_v_small(Op::VShiftLong, rd, rn, 8 << size, lanes, ShiftLong::Ushll as u64)
    }

    pub(crate) fn scalar_long(
        &mut self,
        op: Long,
        size: u32,
        rm: u32,
        rn: u32,
        rd: u32,
    ) -> Option<()> {
        self.emit_v(Op::VLong, rd, rn, rm, scalar_among(HS, size)?, op as u64)
    }

    pub(crate) fn scalar_narrow(&mut self, op: Narrow, size: u32, rn: u32, rd: u32) -> Option<()> {
        self.emit_v(Op::VNarrow, rd, rn, 0, scalar_among(BHS, size)?, op as u64)
    }
}
