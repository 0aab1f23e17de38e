//! Floating point in vectors and in the scalar forms of Advanced SIMD (Arm ARM DDI 0487, C4.1). A
//! format is numbered as an element size: 1 half, 2 single, 3 double; `sz` is 0 for single.

use super::Lifter;
use super::simd::lanes;
use super::simd_arguments::{FpBin, FpRounding, FpUn};
use ncpu_uop::{Lanes, Op};

/// A scalar of the format that `sz` means.
const fn scalar(sz: u32) -> Lanes {
    Lanes::scalar(2 + (sz & 1) as u8)
}

const HALF: Lanes = Lanes::scalar(1);

impl Lifter<'_> {
    pub(crate) fn fp_three_same(
        &mut self,
        op: FpBin,
        q: u32,
        sz: u32,
        rm: u32,
        rn: u32,
        rd: u32,
    ) -> Option<()> {
        self.emit_v(Op::FBin, rd, rn, rm, lanes(q, 2 + sz)?, op as u64)
    }

    pub(crate) fn fp_three_same_half(
        &mut self,
        op: FpBin,
        q: u32,
        rm: u32,
        rn: u32,
        rd: u32,
    ) -> Option<()> {
        self.emit_v(Op::FBin, rd, rn, rm, lanes(q, 1)?, op as u64)
    }

    pub(crate) fn fp_pairwise(
        &mut self,
        op: FpBin,
        q: u32,
        sz: u32,
        rm: u32,
        rn: u32,
        rd: u32,
    ) -> Option<()> {
        self.emit_v(Op::FPair, rd, rn, rm, lanes(q, 2 + sz)?, op as u64)
    }

    pub(crate) fn fp_pairwise_half(
        &mut self,
        op: FpBin,
        q: u32,
        rm: u32,
        rn: u32,
        rd: u32,
    ) -> Option<()> {
        self.emit_v(Op::FPair, rd, rn, rm, lanes(q, 1)?, op as u64)
    }

    pub(crate) fn fp_two_reg(&mut self, op: FpUn, q: u32, sz: u32, rn: u32, rd: u32) -> Option<()> {
        self.emit_v(Op::FUn, rd, rn, 0, lanes(q, 2 + sz)?, op as u64)
    }

    pub(crate) fn fp_two_reg_half(&mut self, op: FpUn, q: u32, rn: u32, rd: u32) -> Option<()> {
        self.emit_v(Op::FUn, rd, rn, 0, lanes(q, 1)?, op as u64)
    }

    /// URECPE, URSQRTE: lanes of 32 bits.
    pub(crate) fn estimate_unsigned(&mut self, op: FpUn, q: u32, rn: u32, rd: u32) -> Option<()> {
        self.emit_v(Op::FUn, rd, rn, 0, lanes(q, 2)?, op as u64)
    }

    pub(crate) fn fp_to_int(
        &mut self,
        rounding: FpRounding,
        unsigned: bool,
        q: u32,
        sz: u32,
        rn: u32,
        rd: u32,
    ) -> Option<()> {
        let lanes = lanes(q, 2 + sz)?;
        self.emit_v_small(Op::FToInt, rd, rn, rounding as u32, lanes, unsigned as u64)
    }

    pub(crate) fn fp_to_int_half(
        &mut self,
        rounding: FpRounding,
        unsigned: bool,
        q: u32,
        rn: u32,
        rd: u32,
    ) -> Option<()> {
        let lanes = lanes(q, 1)?;
        self.emit_v_small(Op::FToInt, rd, rn, rounding as u32, lanes, unsigned as u64)
    }

    pub(crate) fn int_to_fp(
        &mut self,
        unsigned: bool,
        q: u32,
        sz: u32,
        rn: u32,
        rd: u32,
    ) -> Option<()> {
        self.emit_v(Op::IntToF, rd, rn, 0, lanes(q, 2 + sz)?, unsigned as u64)
    }

    pub(crate) fn int_to_fp_half(
        &mut self,
        unsigned: bool,
        q: u32,
        rn: u32,
        rd: u32,
    ) -> Option<()> {
        self.emit_v(Op::IntToF, rd, rn, 0, lanes(q, 1)?, unsigned as u64)
    }

    /// FCVTN: to half (`sz` 0) or single.
    pub(crate) fn fcvtn(&mut self, q: u32, sz: u32, rn: u32, rd: u32) -> Option<()> {
        self.emit_v(Op::FConvertNarrow, rd, rn, 0, Lanes::vector(1 + sz as u8, q == 1), 0)
    }

    /// FCVTL: from half (`sz` 0) or single.
    pub(crate) fn fcvtl(&mut self, q: u32, sz: u32, rn: u32, rd: u32) -> Option<()> {
        self.emit_v(Op::FConvertLong, rd, rn, 0, Lanes::vector(1 + sz as u8, q == 1), 0)
    }

    pub(crate) fn fcvtxn(&mut self, q: u32, rn: u32, rd: u32) -> Option<()> {
        self.emit_v(Op::FConvertNarrow, rd, rn, 0, Lanes::vector(2, q == 1), 1)
    }

    /// FCVTXN Sd, Dn.
    pub(crate) fn scalar_fcvtxn(&mut self, rn: u32, rd: u32) -> Option<()> {
        self.emit_v(Op::FConvertNarrow, rd, rn, 0, Lanes::scalar(2), 1)
    }

    /// FMAXV and its kin: four lanes of single precision.
    pub(crate) fn fp_across(&mut self, op: FpBin, rn: u32, rd: u32) -> Option<()> {
        self.emit_v(Op::FAcross, rd, rn, 0, lanes(1, 2)?, op as u64)
    }

    pub(crate) fn fp_across_half(&mut self, op: FpBin, q: u32, rn: u32, rd: u32) -> Option<()> {
        self.emit_v(Op::FAcross, rd, rn, 0, lanes(q, 1)?, op as u64)
    }

    pub(crate) fn fp_scalar_three_same(
        &mut self,
        op: FpBin,
        sz: u32,
        rm: u32,
        rn: u32,
        rd: u32,
    ) -> Option<()> {
        self.emit_v(Op::FBin, rd, rn, rm, scalar(sz), op as u64)
    }

    pub(crate) fn fp_scalar_three_same_half(
        &mut self,
        op: FpBin,
        rm: u32,
        rn: u32,
        rd: u32,
    ) -> Option<()> {
        self.emit_v(Op::FBin, rd, rn, rm, HALF, op as u64)
    }

    pub(crate) fn fp_scalar_two_reg(&mut self, op: FpUn, sz: u32, rn: u32, rd: u32) -> Option<()> {
        self.emit_v(Op::FUn, rd, rn, 0, scalar(sz), op as u64)
    }

    pub(crate) fn fp_scalar_two_reg_half(&mut self, op: FpUn, rn: u32, rd: u32) -> Option<()> {
        self.emit_v(Op::FUn, rd, rn, 0, HALF, op as u64)
    }

    pub(crate) fn scalar_fp_to_int(
        &mut self,
        rounding: FpRounding,
        unsigned: bool,
        sz: u32,
        rn: u32,
        rd: u32,
    ) -> Option<()> {
        self.emit_v_small(Op::FToInt, rd, rn, rounding as u32, scalar(sz), unsigned as u64)
    }

    pub(crate) fn scalar_fp_to_int_half(
        &mut self,
        rounding: FpRounding,
        unsigned: bool,
        rn: u32,
        rd: u32,
    ) -> Option<()> {
        self.emit_v_small(Op::FToInt, rd, rn, rounding as u32, HALF, unsigned as u64)
    }

    pub(crate) fn scalar_int_to_fp(
        &mut self,
        unsigned: bool,
        sz: u32,
        rn: u32,
        rd: u32,
    ) -> Option<()> {
        self.emit_v(Op::IntToF, rd, rn, 0, scalar(sz), unsigned as u64)
    }

    pub(crate) fn scalar_int_to_fp_half(&mut self, unsigned: bool, rn: u32, rd: u32) -> Option<()> {
        self.emit_v(Op::IntToF, rd, rn, 0, HALF, unsigned as u64)
    }

    /// FADDP Sd, Vn.2S and its kin.
    pub(crate) fn scalar_fp_pairwise(
        &mut self,
        op: FpBin,
        sz: u32,
        rn: u32,
        rd: u32,
    ) -> Option<()> {
        self.emit_v(Op::FPair, rd, rn, rn, scalar(sz), op as u64)
    }

    pub(crate) fn scalar_fp_pairwise_half(&mut self, op: FpBin, rn: u32, rd: u32) -> Option<()> {
        self.emit_v(Op::FPair, rd, rn, rn, HALF, op as u64)
    }
}
