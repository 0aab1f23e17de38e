//! Advanced SIMD that moves bits: copy, modified immediate, permute, extract, table look-up (Arm ARM
//! DDI 0487, C4.1 and, for the immediates, the shared pseudocode `AdvSIMDExpandImm`).

use super::simd::{TEMP, lanes};
use super::simd_arguments::Permute;
use super::{Lifter, dest, source, vector};
use ncpu_uop::{Lanes, Op, Uop};

/// Element size and lane that `imm5` names: the lowest one bit marks the size.
const fn size_and_lane(imm5: u32) -> Option<(u32, u32)> {
    let size = imm5.trailing_zeros();
    if size > 3 { None } else { Some((size, imm5 >> (size + 1))) }
}

/// The 64-bit pattern of a modified immediate (`AdvSIMDExpandImm`, without the inversion of MVNI).
const fn expand(op: u32, cmode: u32, imm8: u64) -> u64 {
    const WORDS: u64 = 0x0000_0001_0000_0001;
    const HALVES: u64 = 0x0001_0001_0001_0001;
    const BYTES: u64 = 0x0101_0101_0101_0101;
    match cmode {
        0..=7 => (imm8 << (8 * (cmode >> 1))) * WORDS,
        8..=11 => (imm8 << (8 * (cmode >> 1 & 1))) * HALVES,
        12 => (imm8 << 8 | 0xff) * WORDS,
        13 => (imm8 << 16 | 0xffff) * WORDS,
        14 if op == 0 => imm8 * BYTES,
        14 => {
            let (mut pattern, mut bit) = (0, 0);
            while bit < 8 {
                if imm8 >> bit & 1 == 1 {
                    pattern |= 0xff << (8 * bit);
                }
                bit += 1;
            }
            pattern
        }
        _ if op == 0 => float_immediate(2, imm8) * WORDS,
        _ => float_immediate(3, imm8),
    }
}

/// The float of `8 << format` bits that FMOV's immediate abcdefgh means (`VFPExpandImm`): sign a,
/// exponent b' b...b cd, fraction efgh.
pub(super) const fn float_immediate(format: u32, imm8: u64) -> u64 {
    let (bits, exponent) = match format {
        1 => (16, 5),
        2 => (32, 8),
        _ => (64, 11),
    };
    let b = imm8 >> 6 & 1;
    let repeated = if b == 1 { (1 << (exponent - 3)) - 1 } else { 0 };
    let exponent_field = (b ^ 1) << (exponent - 1) | repeated << 2 | imm8 >> 4 & 3;
    let fraction_bits = bits - 1 - exponent;
    (imm8 >> 7) << (bits - 1) | exponent_field << fraction_bits | (imm8 & 15) << (fraction_bits - 4)
}

impl Lifter<'_> {
    pub(crate) fn dup_element(&mut self, q: u32, imm5: u32, rn: u32, rd: u32) -> Option<()> {
        let (size, lane) = size_and_lane(imm5)?;
        self.emit_v_small(Op::VDup, rd, rn, lane, lanes(q, size)?, 0)
    }

    pub(crate) fn dup_scalar(&mut self, imm5: u32, rn: u32, rd: u32) -> Option<()> {
        let (size, lane) = size_and_lane(imm5)?;
        self.emit_v_small(Op::VDup, rd, rn, lane, Lanes::scalar(size as u8), 0)
    }

    pub(crate) fn dup_general(&mut self, q: u32, imm5: u32, rn: u32, rd: u32) -> Option<()> {
        let (size, _) = size_and_lane(imm5)?;
        let rc = lanes(q, size)?.0;
        self.emit(Uop { rd: vector(rd), ra: source(rn), rc, ..Uop::new(Op::VDupX) })
    }

    pub(crate) fn smov(&mut self, q: u32, imm5: u32, rn: u32, rd: u32) -> Option<()> {
        let (size, lane) = size_and_lane(imm5)?;
        // To 32 bits from fewer, to 64 bits from fewer.
        if size > 1 + q {
            return None;
        }
        let op = if q == 1 { Op::VLaneS } else { Op::VLaneSW };
        let (rb, rc) = (lane as u8, Lanes::vector(size as u8, true).0);
        self.emit(Uop { rd: dest(rd), ra: vector(rn), rb, rc, ..Uop::new(op) })
    }

    pub(crate) fn umov(&mut self, q: u32, imm5: u32, rn: u32, rd: u32) -> Option<()> {
        let (size, lane) = size_and_lane(imm5)?;
        if (size == 3) != (q == 1) {
            return None;
        }
        if size == 3 {
            return self.emit(Uop {
                rd: dest(rd),
                ra: vector(rn) + lane as u8,
                ..Uop::new(Op::Mov)
            });
        }
        let (rb, rc) = (lane as u8, Lanes::vector(size as u8, true).0);
        self.emit(Uop { rd: dest(rd), ra: vector(rn), rb, rc, ..Uop::new(Op::VLaneU) })
    }

    pub(crate) fn ins_general(&mut self, imm5: u32, rn: u32, rd: u32) -> Option<()> {
        let (size, lane) = size_and_lane(imm5)?;
        if size == 3 {
            let (rd, ra) = (vector(rd) + lane as u8, source(rn));
            return self.emit(Uop { rd, ra, ..Uop::new(Op::Mov) });
        }
        let (rc, imm) = (Lanes::vector(size as u8, true).0, lane as u64);
        self.emit(Uop { rd: vector(rd), ra: source(rn), rc, imm, ..Uop::new(Op::VInsertX) })
    }

    pub(crate) fn ins_element(&mut self, imm5: u32, imm4: u32, rn: u32, rd: u32) -> Option<()> {
        let (size, lane) = size_and_lane(imm5)?;
        let from = imm4 >> size;
        if size == 3 {
            let (rd, ra) = (vector(rd) + lane as u8, vector(rn) + from as u8);
            return self.emit(Uop { rd, ra, ..Uop::new(Op::Mov) });
        }
        let lanes = Lanes::vector(size as u8, true);
        self.emit_v_small(Op::VInsert, rd, rn, from, lanes, lane as u64)
    }

    /// MOVI, MVNI and FMOV.
    pub(crate) fn move_immediate(
        &mut self,
        op: u32,
        cmode: u32,
        q: u32,
        abc: u32,
        defgh: u32,
        rd: u32,
    ) -> Option<()> {
        let pattern = expand(op, cmode, (abc << 5 | defgh) as u64);
        let imm = if op == 1 && cmode < 14 { !pattern } else { pattern };
        self.emit(Uop { rd: vector(rd), rc: q as u8, imm, ..Uop::new(Op::VMovI) })
    }

    /// FMOV Vd.2D, which has no 64-bit form.
    pub(crate) fn fmov_2d(&mut self, abc: u32, defgh: u32, rd: u32) -> Option<()> {
        self.move_immediate(1, 15, 1, abc, defgh, rd)
    }

    pub(crate) fn fmov_vector_half(&mut self, q: u32, abc: u32, defgh: u32, rd: u32) -> Option<()> {
        let imm = float_immediate(1, (abc << 5 | defgh) as u64) * 0x0001_0001_0001_0001;
        self.emit(Uop { rd: vector(rd), rc: q as u8, imm, ..Uop::new(Op::VMovI) })
    }

    pub(crate) fn orr_vector_immediate(
        &mut self,
        cmode: u32,
        q: u32,
        abc: u32,
        defgh: u32,
        rd: u32,
    ) -> Option<()> {
        let pattern = expand(0, cmode, (abc << 5 | defgh) as u64);
        self.combine_immediate(Op::VOr, q, pattern, rd)
    }

    pub(crate) fn bic_vector_immediate(
        &mut self,
        cmode: u32,
        q: u32,
        abc: u32,
        defgh: u32,
        rd: u32,
    ) -> Option<()> {
        let pattern = expand(1, cmode, (abc << 5 | defgh) as u64);
        self.combine_immediate(Op::VAnd, q, !pattern, rd)
    }

    fn combine_immediate(&mut self, op: Op, q: u32, imm: u64, rd: u32) -> Option<()> {
        self.emit(Uop { rd: TEMP, rc: 1, imm, ..Uop::new(Op::VMovI) })?;
        let rd = vector(rd);
        self.emit(Uop { rd, ra: rd, rb: TEMP, rc: (q == 0) as u8, ..Uop::new(op) })
    }

    pub(crate) fn permute(
        &mut self,
        op: Permute,
        q: u32,
        size: u32,
        rm: u32,
        rn: u32,
        rd: u32,
    ) -> Option<()> {
        self.emit_v(Op::VPermute, rd, rn, rm, lanes(q, size)?, op as u64)
    }

    pub(crate) fn extract_bytes(
        &mut self,
        q: u32,
        rm: u32,
        imm4: u32,
        rn: u32,
        rd: u32,
    ) -> Option<()> {
        if q == 0 && imm4 >= 8 {
            return None;
        }
        self.emit_v(Op::VExt, rd, rn, rm, lanes(q, 0)?, imm4 as u64)
    }

    /// TBL, or TBX where `extend` is 1.
    pub(crate) fn table_lookup(
        &mut self,
        extend: u64,
        q: u32,
        rm: u32,
        len: u32,
        rn: u32,
        rd: u32,
    ) -> Option<()> {
        let rc = ((len + 1) | q << 3) as u8;
        let (rd, ra, rb) = (vector(rd), vector(rn), vector(rm));
        self.emit(Uop { rd, ra, rb, rc, imm: extend, ..Uop::new(Op::VTable) })
    }
}
