//! Scalar floating point (Arm ARM DDI 0487, C4.1, "Data Processing -- Scalar Floating-Point"). A
//! format is numbered as an element size: 1 half, 2 single, 3 double.

use super::simd::TEMP;
use super::simd_arguments::{FpBin, FpRounding, FpUn};
use super::simd_move::float_immediate;
use super::{Lifter, dest, source, vector};
use ncpu_uop::{Lanes, Op, Uop, condition_mask, slot};

/// The format that a `ptype` (or FCVT's `opc`) field means.
const fn format(ptype: u32) -> Option<u32> {
    match ptype {
        0 => Some(2),
        1 => Some(3),
        3 => Some(1),
        _ => None,
    }
}

/// Immediate of conversions between a scalar and an X or W register.
const fn x_conversion(unsigned: bool, sf: u32, fraction_bits: u32) -> u64 {
    unsigned as u64 | ((sf ^ 1) << 1) as u64 | (fraction_bits << 2) as u64
}

/// Fraction bits of a fixed-point number; at most 32 in a W register.
const fn fraction_bits(sf: u32, scale: u32) -> Option<u32> {
    if sf == 0 && scale < 32 { None } else { Some(64 - scale) }
}

impl Lifter<'_> {
    pub(crate) fn fp_two(
        &mut self,
        op: FpBin,
        ptype: u32,
        rm: u32,
        rn: u32,
        rd: u32,
    ) -> Option<()> {
        let format = format(ptype)?;
        let direct = match (op, format) {
            (FpBin::Add, 2) => Op::FAddS,
            (FpBin::Add, 3) => Op::FAddD,
            (FpBin::Sub, 2) => Op::FSubS,
            (FpBin::Sub, 3) => Op::FSubD,
            (FpBin::Mul, 2) => Op::FMulS,
            (FpBin::Mul, 3) => Op::FMulD,
            (FpBin::Div, 2) => Op::FDivS,
            (FpBin::Div, 3) => Op::FDivD,
            _ => {
                let lanes = Lanes::scalar(format as u8);
                return self.emit_v(Op::FBin, rd, rn, rm, lanes, op as u64);
            }
        };
        self.emit3(direct, vector(rd), vector(rn), vector(rm))
    }

    pub(crate) fn fp_one(&mut self, op: FpUn, ptype: u32, rn: u32, rd: u32) -> Option<()> {
        self.emit_v(Op::FUn, rd, rn, 0, Lanes::scalar(format(ptype)? as u8), op as u64)
    }

    /// FMADD and its kin; the flags say whether the product and the addend are negated.
    pub(crate) fn fp_three(
        &mut self,
        product: bool,
        addend: bool,
        ptype: u32,
        rm: u32,
        ra: u32,
        rn: u32,
        rd: u32,
    ) -> Option<()> {
        let imm = format(ptype)? as u64 | (product as u64) << 2 | (addend as u64) << 3;
        let (rd, rc) = (vector(rd), vector(ra));
        self.emit(Uop { rd, ra: vector(rn), rb: vector(rm), rc, imm, ..Uop::new(Op::FMulAdd) })
    }

    pub(crate) fn fmov(&mut self, ptype: u32, rn: u32, rd: u32) -> Option<()> {
        match format(ptype)? {
            3 => self.emit(Uop { rd: vector(rd), ra: vector(rn), ..Uop::new(Op::VMovLow) }),
            format => self.emit_v_small(Op::VDup, rd, rn, 0, Lanes::scalar(format as u8), 0),
        }
    }

    pub(crate) fn fmov_immediate(&mut self, ptype: u32, imm8: u32, rd: u32) -> Option<()> {
        let imm = float_immediate(format(ptype)?, imm8 as u64);
        self.emit(Uop { rd: vector(rd), imm, ..Uop::new(Op::VMovI) })
    }

    pub(crate) fn fcvt(&mut self, ptype: u32, opc: u32, rn: u32, rd: u32) -> Option<()> {
        let (from, to) = (format(ptype)?, format(opc)?);
        if from == to {
            return None;
        }
        let (rd, ra) = (vector(rd), vector(rn));
        self.emit(Uop { rd, ra, rb: from as u8, rc: to as u8, ..Uop::new(Op::FConvert) })
    }

    pub(crate) fn fcmp(&mut self, signalling: u64, ptype: u32, rm: u32, rn: u32) -> Option<()> {
        let rc = format(ptype)? as u8;
        let (ra, rb) = (vector(rn), vector(rm));
        self.emit(Uop { ra, rb, rc, imm: signalling, ..Uop::new(Op::FCompare) })
    }

    pub(crate) fn fcmp_zero(&mut self, signalling: u64, ptype: u32, rn: u32) -> Option<()> {
        let rc = format(ptype)? as u8;
        let (ra, rb) = (vector(rn), slot::ZERO);
        self.emit(Uop { ra, rb, rc, imm: signalling, ..Uop::new(Op::FCompare) })
    }

    pub(crate) fn fccmp(
        &mut self,
        signalling: u64,
        ptype: u32,
        rm: u32,
        cond: u32,
        rn: u32,
        nzcv: u32,
    ) -> Option<()> {
        let rc = format(ptype)? as u8;
        let imm = condition_mask(cond as u8) as u64 | (nzcv as u64) << 16 | signalling << 20;
        let (ra, rb) = (vector(rn), vector(rm));
        self.emit(Uop { ra, rb, rc, imm, ..Uop::new(Op::FCompareCond) })
    }

    pub(crate) fn fcsel(&mut self, ptype: u32, rm: u32, cond: u32, rn: u32, rd: u32) -> Option<()> {
        let format = format(ptype)?;
        let (ra, rb) = (vector(rn), vector(rm));
        let imm = condition_mask(cond as u8) as u64;
        let select = if format == 3 { Op::Csel } else { Op::CselW };
        self.emit(Uop { rd: TEMP, ra, rb, imm, ..Uop::new(select) })?;
        let rd = vector(rd);
        match format {
            1 => {
                let rc = Lanes::scalar(1).0;
                self.emit(Uop { rd, ra: TEMP, rc, ..Uop::new(Op::VDupX) })
            }
            _ => self.emit(Uop { rd, ra: TEMP, ..Uop::new(Op::VMovLow) }),
        }
    }

    pub(crate) fn fmov_to_x(&mut self, sf: u32, ptype: u32, rn: u32, rd: u32) -> Option<()> {
        let (rd, ra) = (dest(rd), vector(rn));
        match (sf, format(ptype)?) {
            (_, 1) => self.emit_imm(Op::AndI, rd, ra, 0xffff),
            (0, 2) => self.emit_imm(Op::AndI, rd, ra, 0xffff_ffff),
            (1, 3) => self.emit(Uop { rd, ra, ..Uop::new(Op::Mov) }),
            _ => None,
        }
    }

    pub(crate) fn fmov_from_x(&mut self, sf: u32, ptype: u32, rn: u32, rd: u32) -> Option<()> {
        let (rd, ra) = (vector(rd), source(rn));
        match (sf, format(ptype)?) {
            (1, 3) => self.emit(Uop { rd, ra, ..Uop::new(Op::VMovLow) }),
            (_, format @ 1) | (0, format @ 2) => {
                let rc = Lanes::scalar(format as u8).0;
                self.emit(Uop { rd, ra, rc, ..Uop::new(Op::VDupX) })
            }
            _ => None,
        }
    }

    /// FMOV Xd, Vn.D\[1\].
    pub(crate) fn fmov_top_to_x(&mut self, rn: u32, rd: u32) -> Option<()> {
        self.emit(Uop { rd: dest(rd), ra: vector(rn) + 1, ..Uop::new(Op::Mov) })
    }

    /// FMOV Vd.D\[1\], Xn.
    pub(crate) fn fmov_top_from_x(&mut self, rn: u32, rd: u32) -> Option<()> {
        self.emit(Uop { rd: vector(rd) + 1, ra: source(rn), ..Uop::new(Op::Mov) })
    }

    pub(crate) fn fp_to_x(
        &mut self,
        rounding: FpRounding,
        unsigned: bool,
        sf: u32,
        ptype: u32,
        rn: u32,
        rd: u32,
    ) -> Option<()> {
        let (rb, rc) = (rounding as u8, format(ptype)? as u8);
        let imm = x_conversion(unsigned, sf, 0);
        self.emit(Uop { rd: dest(rd), ra: vector(rn), rb, rc, imm, ..Uop::new(Op::FToX) })
    }

    pub(crate) fn x_to_fp(
        &mut self,
        unsigned: bool,
        sf: u32,
        ptype: u32,
        rn: u32,
        rd: u32,
    ) -> Option<()> {
        let (rc, imm) = (format(ptype)? as u8, x_conversion(unsigned, sf, 0));
        self.emit(Uop { rd: vector(rd), ra: source(rn), rc, imm, ..Uop::new(Op::XToF) })
    }

    pub(crate) fn fp_to_x_fixed(
        &mut self,
        unsigned: bool,
        sf: u32,
        ptype: u32,
        scale: u32,
        rn: u32,
        rd: u32,
    ) -> Option<()> {
        let (rb, rc) = (FpRounding::TowardZero as u8, format(ptype)? as u8);
        let imm = x_conversion(unsigned, sf, fraction_bits(sf, scale)?);
        self.emit(Uop { rd: dest(rd), ra: vector(rn), rb, rc, imm, ..Uop::new(Op::FToX) })
    }

    pub(crate) fn x_to_fp_fixed(
        &mut self,
        unsigned: bool,
        sf: u32,
        ptype: u32,
        scale: u32,
        rn: u32,
        rd: u32,
    ) -> Option<()> {
        let rc = format(ptype)? as u8;
        let imm = x_conversion(unsigned, sf, fraction_bits(sf, scale)?);
        self.emit(Uop { rd: vector(rd), ra: source(rn), rc, imm, ..Uop::new(Op::XToF) })
    }
}
