//! Advanced SIMD by indexed element (Arm ARM DDI 0487, C4.1, "vector x indexed element" and its
//! scalar form): the element goes to every lane of a temporary, then the ordinary operation runs.

use super::simd::{TEMP, lanes, lanes_among, scalar_among};
use super::simd_arguments::{Bin, FpBin, HS, Long};
use super::{Lifter, vector};
use ncpu_uop::{Lanes, Op, Uop};

/// Register and lane that `size`, L, M, Rm and H name.
const fn element(size: u32, l: u32, m: u32, rm: u32, h: u32) -> Option<(u32, u32)> {
    match size {
        1 => Some((rm, h << 2 | l << 1 | m)),
        2 => Some((m << 4 | rm, h << 1 | l)),
        3 if l == 0 => Some((m << 4 | rm, h)),
        _ => None,
    }
}

impl Lifter<'_> {
    /// Appends `op` on `rn` and the element of `8 << size` bits.
    fn by_element(
        &mut self,
        op: Op,
        member: u64,
        lanes: Lanes,
        [size, l, m, rm, h]: [u32; 5],
        rn: u32,
        rd: u32,
    ) -> Option<()> {
        let (register, index) = element(size, l, m, rm, h)?;
        let every = Lanes::vector(size as u8, true).0;
        let (ra, rb) = (vector(register), index as u8);
        self.emit(Uop { rd: TEMP, ra, rb, rc: every, ..Uop::new(Op::VDup) })?;
        let (rd, ra, rb, rc) = (vector(rd), vector(rn), TEMP, lanes.0);
        self.emit(Uop { rd, ra, rb, rc, imm: member, ..Uop::new(op) })
    }

    pub(crate) fn element(
        &mut self,
        op: Bin,
        q: u32,
        size: u32,
        l: u32,
        m: u32,
        rm: u32,
        h: u32,
        rn: u32,
        rd: u32,
    ) -> Option<()> {
        let lanes = lanes_among(HS, q, size)?;
        self.by_element(Op::VBin, op as u64, lanes, [size, l, m, rm, h], rn, rd)
    }

    pub(crate) fn element_long(
        &mut self,
        op: Long,
        q: u32,
        size: u32,
        l: u32,
        m: u32,
        rm: u32,
        h: u32,
        rn: u32,
        rd: u32,
    ) -> Option<()> {
        let lanes = lanes_among(HS, q, size)?;
        self.by_element(Op::VLong, op as u64, lanes, [size, l, m, rm, h], rn, rd)
    }

    /// SDOT, UDOT: the element is four bytes.
    pub(crate) fn element_dot(
        &mut self,
        op: Bin,
        q: u32,
        l: u32,
        m: u32,
        rm: u32,
        h: u32,
        rn: u32,
        rd: u32,
    ) -> Option<()> {
        self.by_element(Op::VBin, op as u64, lanes(q, 2)?, [2, l, m, rm, h], rn, rd)
    }

    pub(crate) fn fp_element(
        &mut self,
        op: FpBin,
        q: u32,
        sz: u32,
        l: u32,
        m: u32,
        rm: u32,
        h: u32,
        rn: u32,
        rd: u32,
    ) -> Option<()> {
        let lanes = lanes(q, 2 + sz)?;
        self.by_element(Op::FBin, op as u64, lanes, [2 + sz, l, m, rm, h], rn, rd)
    }

    pub(crate) fn fp_element_half(
        &mut self,
        op: FpBin,
        q: u32,
        l: u32,
        m: u32,
        rm: u32,
        h: u32,
        rn: u32,
        rd: u32,
    ) -> Option<()> {
        self.by_element(Op::FBin, op as u64, lanes(q, 1)?, [1, l, m, rm, h], rn, rd)
    }

    pub(crate) fn scalar_element(
        &mut self,
        op: Bin,
        size: u32,
        l: u32,
        m: u32,
        rm: u32,
        h: u32,
        rn: u32,
        rd: u32,
    ) -> Option<()> {
        let lanes = scalar_among(HS, size)?;
        self.by_element(Op::VBin, op as u64, lanes, [size, l, m, rm, h], rn, rd)
    }

    pub(crate) fn scalar_element_long(
        &mut self,
        op: Long,
        size: u32,
        l: u32,
        m: u32,
        rm: u32,
        h: u32,
        rn: u32,
        rd: u32,
    ) -> Option<()> {
        let lanes = scalar_among(HS, size)?;
        self.by_element(Op::VLong, op as u64, lanes, [size, l, m, rm, h], rn, rd)
    }

    pub(crate) fn scalar_fp_element(
        &mut self,
        op: FpBin,
        sz: u32,
        l: u32,
        m: u32,
        rm: u32,
        h: u32,
        rn: u32,
        rd: u32,
    ) -> Option<()> {
        let lanes = Lanes::scalar(2 + sz as u8);
        self.by_element(Op::FBin, op as u64, lanes, [2 + sz, l, m, rm, h], rn, rd)
    }

    pub(crate) fn scalar_fp_element_half(
        &mut self,
        op: FpBin,
        l: u32,
        m: u32,
        rm: u32,
        h: u32,
        rn: u32,
        rd: u32,
    ) -> Option<()> {
        self.by_element(Op::FBin, op as u64, Lanes::scalar(1), [1, l, m, rm, h], rn, rd)
    }
}
