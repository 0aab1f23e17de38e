//! Data processing with immediates (Arm ARM DDI 0487, C4.1.64).

use super::{Lifter, dest, ones, or_sp, signed, sized, source};
use ncpu_uop::{Op, Slot, Uop};

/// The immediate of logical instructions (`DecodeBitMasks`, J1.1.3): a run of ones, rotated, in
/// elements of 2 to 64 bits that are repeated. `None` for the reserved combinations.
fn bit_mask(sf: u32, n: u32, immr: u32, imms: u32) -> Option<u64> {
    if sf == 0 && n != 0 {
        return None;
    }
    let length = (n << 6 | !imms & 0x3f).checked_ilog2()?;
    if length < 1 {
        return None;
    }
    let (size, levels) = (1 << length, (1 << length) - 1);
    let (run, rotation) = (imms & levels, immr & levels);
    if run == levels {
        return None;
    }
    let mut mask = ones(run + 1);
    if rotation != 0 {
        mask = (mask >> rotation | mask << (size - rotation)) & ones(size);
    }
    let mut width = size;
    while width < 64 {
        mask |= mask << width;
        width *= 2;
    }
    Some(if sf == 0 { mask & ones(32) } else { mask })
}

impl Lifter<'_> {
    pub(crate) fn adr(&mut self, immlo: u32, immhi: u32, rd: u32) -> Option<()> {
        let offset = signed(immhi << 2 | immlo, 21) as u64;
        self.emit(Uop { rd: dest(rd), imm: self.pc.wrapping_add(offset), ..Uop::new(Op::MovI) })
    }

    pub(crate) fn adrp(&mut self, immlo: u32, immhi: u32, rd: u32) -> Option<()> {
        let offset = (signed(immhi << 2 | immlo, 21) as u64) << 12;
        let imm = (self.pc & !0xfff).wrapping_add(offset);
        self.emit(Uop { rd: dest(rd), imm, ..Uop::new(Op::MovI) })
    }

    /// rd = ra + imm, modulo 2^32 if `sf` is 0.
    fn add_constant(&mut self, sf: u32, rd: Slot, ra: Slot, imm: u64) -> Option<()> {
        match sf {
            0 => self.emit_imm(Op::AddIW, rd, ra, imm & ones(32)),
            _ if imm == 0 => self.emit(Uop { rd, ra, ..Uop::new(Op::Mov) }),
            _ => self.emit_imm(Op::AddI, rd, ra, imm),
        }
    }

    pub(crate) fn add_imm(&mut self, sf: u32, sh: u32, imm12: u32, rn: u32, rd: u32) -> Option<()> {
        self.add_constant(sf, or_sp(rd), or_sp(rn), (imm12 as u64) << (12 * sh))
    }

    pub(crate) fn sub_imm(&mut self, sf: u32, sh: u32, imm12: u32, rn: u32, rd: u32) -> Option<()> {
        let imm = ((imm12 as u64) << (12 * sh)).wrapping_neg();
        self.add_constant(sf, or_sp(rd), or_sp(rn), imm)
    }

    pub(crate) fn adds_imm(
        &mut self,
        sf: u32,
        sh: u32,
        imm12: u32,
        rn: u32,
        rd: u32,
    ) -> Option<()> {
        let op = sized(sf, Op::AddSI, Op::AddSIW);
        self.emit_imm(op, dest(rd), or_sp(rn), (imm12 as u64) << (12 * sh))
    }

    pub(crate) fn subs_imm(
        &mut self,
        sf: u32,
        sh: u32,
        imm12: u32,
        rn: u32,
        rd: u32,
    ) -> Option<()> {
        let op = sized(sf, Op::SubSI, Op::SubSIW);
        self.emit_imm(op, dest(rd), or_sp(rn), (imm12 as u64) << (12 * sh))
    }

    pub(crate) fn and_imm(
        &mut self,
        sf: u32,
        n: u32,
        immr: u32,
        imms: u32,
        rn: u32,
        rd: u32,
    ) -> Option<()> {
        let imm = bit_mask(sf, n, immr, imms)?;
        self.emit_imm(sized(sf, Op::AndI, Op::AndIW), or_sp(rd), source(rn), imm)
    }

    pub(crate) fn orr_imm(
        &mut self,
        sf: u32,
        n: u32,
        immr: u32,
        imms: u32,
        rn: u32,
        rd: u32,
    ) -> Option<()> {
        let imm = bit_mask(sf, n, immr, imms)?;
        if rn == 31 {
            return self.emit(Uop { rd: or_sp(rd), imm, ..Uop::new(Op::MovI) });
        }
        self.emit_imm(sized(sf, Op::OrI, Op::OrIW), or_sp(rd), source(rn), imm)
    }

    pub(crate) fn eor_imm(
        &mut self,
        sf: u32,
        n: u32,
        immr: u32,
        imms: u32,
        rn: u32,
        rd: u32,
    ) -> Option<()> {
        let imm = bit_mask(sf, n, immr, imms)?;
        self.emit_imm(sized(sf, Op::XorI, Op::XorIW), or_sp(rd), source(rn), imm)
    }

    pub(crate) fn ands_imm(
        &mut self,
        sf: u32,
        n: u32,
        immr: u32,
        imms: u32,
        rn: u32,
        rd: u32,
    ) -> Option<()> {
        let imm = bit_mask(sf, n, immr, imms)?;
        self.emit_imm(sized(sf, Op::AndSI, Op::AndSIW), dest(rd), source(rn), imm)
    }

    pub(crate) fn movz(&mut self, sf: u32, hw: u32, imm16: u32, rd: u32) -> Option<()> {
        let imm = wide(sf, hw, imm16)?;
        self.emit(Uop { rd: dest(rd), imm, ..Uop::new(Op::MovI) })
    }

    pub(crate) fn movn(&mut self, sf: u32, hw: u32, imm16: u32, rd: u32) -> Option<()> {
        let imm = !wide(sf, hw, imm16)? & ones(32 << sf);
        self.emit(Uop { rd: dest(rd), imm, ..Uop::new(Op::MovI) })
    }

    pub(crate) fn movk(&mut self, sf: u32, hw: u32, imm16: u32, rd: u32) -> Option<()> {
        let imm = wide(sf, hw, imm16)?;
        if rd == 31 {
            return self.nop();
        }
        let op = sized(sf, Op::MovK, Op::MovKW);
        self.emit(Uop { rd: dest(rd), rc: (16 * hw) as u8, imm, ..Uop::new(op) })
    }

    pub(crate) fn sbfm(&mut self, immr: u32, imms: u32, rn: u32, rd: u32) -> Option<()> {
        // The field's top bit goes to bit 63, then back to its place.
        let left = 63 - imms;
        let right = if imms >= immr { left + immr } else { immr - imms - 1 };
        self.shift_signed(Op::LslAsr, dest(rd), source(rn), left, right)
    }

    pub(crate) fn sbfm_w(&mut self, immr: u32, imms: u32, rn: u32, rd: u32) -> Option<()> {
        let left = 63 - imms;
        let right = if imms >= immr { left + immr } else { left + immr - 32 };
        self.shift_signed(Op::LslAsrW, dest(rd), source(rn), left, right)
    }

    fn shift_signed(&mut self, op: Op, rd: Slot, ra: Slot, left: u32, right: u32) -> Option<()> {
        self.emit(Uop { rd, ra, rb: left as u8, rc: right as u8, ..Uop::new(op) })
    }

    pub(crate) fn ubfm(&mut self, immr: u32, imms: u32, rn: u32, rd: u32) -> Option<()> {
        self.bit_field(64, immr, imms, rn, rd)
    }

    pub(crate) fn ubfm_w(&mut self, immr: u32, imms: u32, rn: u32, rd: u32) -> Option<()> {
        self.bit_field(32, immr, imms, rn, rd)
    }

    /// UBFM for registers of `size` bits. The mask keeps 32-bit results to their half.
    fn bit_field(&mut self, size: u32, immr: u32, imms: u32, rn: u32, rd: u32) -> Option<()> {
        let (rd, ra) = (dest(rd), source(rn));
        if imms < immr {
            let shift = size - immr;
            let imm = ones(imms + 1) << shift;
            return self.emit(Uop { rd, ra, rc: shift as u8, imm, ..Uop::new(Op::LslAnd) });
        }
        let imm = ones(imms - immr + 1);
        match immr {
            0 if imms == 63 => self.emit(Uop { rd, ra, ..Uop::new(Op::Mov) }),
            0 if size == 32 => self.emit_imm(Op::AndIW, rd, ra, imm),
            0 => self.emit_imm(Op::AndI, rd, ra, imm),
            _ => self.emit(Uop { rd, ra, rc: immr as u8, imm, ..Uop::new(Op::LsrAnd) }),
        }
    }

    pub(crate) fn bfm(&mut self, immr: u32, imms: u32, rn: u32, rd: u32) -> Option<()> {
        self.insert(Op::BitInsert, 64, immr, imms, rn, rd)
    }

    pub(crate) fn bfm_w(&mut self, immr: u32, imms: u32, rn: u32, rd: u32) -> Option<()> {
        self.insert(Op::BitInsertW, 32, immr, imms, rn, rd)
    }

    fn insert(&mut self, op: Op, size: u32, immr: u32, imms: u32, rn: u32, rd: u32) -> Option<()> {
        if rd == 31 {
            return self.nop();
        }
        // BFXIL takes bits from `immr` on; BFI moves the low bits up by `size - immr`, which is a
        // rotation of the 64-bit register the other way.
        let (rotation, imm) = if imms >= immr {
            (immr, ones(imms - immr + 1))
        } else {
            (64 - (size - immr), ones(imms + 1) << (size - immr))
        };
        self.emit(Uop { rd: dest(rd), ra: source(rn), rc: rotation as u8, imm, ..Uop::new(op) })
    }

    pub(crate) fn extr(&mut self, rm: u32, lsb: u32, rn: u32, rd: u32) -> Option<()> {
        self.extract_pair(Op::RorI, Op::Extr, rm, lsb, rn, rd)
    }

    pub(crate) fn extr_w(&mut self, rm: u32, lsb: u32, rn: u32, rd: u32) -> Option<()> {
        self.extract_pair(Op::RorIW, Op::ExtrW, rm, lsb, rn, rd)
    }

    fn extract_pair(
        &mut self,
        rotate: Op,
        extract: Op,
        rm: u32,
        lsb: u32,
        rn: u32,
        rd: u32,
    ) -> Option<()> {
        let (rd, ra, rb, rc) = (dest(rd), source(rn), source(rm), lsb as u8);
        if rn == rm {
            return self.emit(Uop { rd, ra, rc, ..Uop::new(rotate) });
        }
        self.emit(Uop { rd, ra, rb, rc, ..Uop::new(extract) })
    }
}

/// The 16-bit immediate at its place; only the low two places exist in 32 bits.
fn wide(sf: u32, hw: u32, imm16: u32) -> Option<u64> {
    if sf == 0 && hw > 1 {
        return None;
    }
    Some((imm16 as u64) << (16 * hw))
}
