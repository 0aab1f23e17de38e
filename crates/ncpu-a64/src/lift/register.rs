//! Arithmetic on registers (Arm ARM DDI 0487, C4.1.68); logical instructions are in `logical`.

use super::{Lifter, T0, dest, ones, or_sp, sized, source};
use ncpu_uop::{Op, Slot, Uop, condition_mask, slot};

/// Operations that come in a 64-bit and a 32-bit form and take two registers.
macro_rules! two_sources {
    ($($handler:ident $x:ident $w:ident;)*) => {
        impl Lifter<'_> {
            $(pub(crate) fn $handler(&mut self, sf: u32, rm: u32, rn: u32, rd: u32) -> Option<()> {
                self.emit3(sized(sf, Op::$x, Op::$w), dest(rd), source(rn), source(rm))
            })*
        }
    };
}

two_sources! {
    udiv Udiv UdivW;
    sdiv Sdiv SdivW;
    lslv Lsl LslW;
    lsrv Lsr LsrW;
    asrv Asr AsrW;
    rorv Ror RorW;
    adc Adc AdcW;
    adcs AdcS AdcSW;
    sbc Sbc SbcW;
    sbcs SbcS SbcSW;
}

/// Operations that come in a 64-bit and a 32-bit form and take one register.
macro_rules! one_source {
    ($($handler:ident $x:ident $w:ident;)*) => {
        impl Lifter<'_> {
            $(pub(crate) fn $handler(&mut self, sf: u32, rn: u32, rd: u32) -> Option<()> {
                self.unary(sized(sf, Op::$x, Op::$w), rn, rd)
            })*
        }
    };
}

one_source! {
    rbit Rbit RbitW;
    rev16 Rev16 Rev16W;
    clz Clz ClzW;
    cls Cls ClsW;
}

/// Selections; the condition's truth table is the immediate.
macro_rules! selects {
    ($($handler:ident $x:ident $w:ident;)*) => {
        impl Lifter<'_> {
            $(pub(crate) fn $handler(
                &mut self,
                sf: u32,
                rm: u32,
                cond: u32,
                rn: u32,
                rd: u32,
            ) -> Option<()> {
                let (rd, ra, rb) = (dest(rd), source(rn), source(rm));
                let imm = condition_mask(cond as u8) as u64;
                self.emit(Uop { rd, ra, rb, imm, ..Uop::new(sized(sf, Op::$x, Op::$w)) })
            })*
        }
    };
}

selects! {
    csel Csel CselW;
    csinc Csinc CsincW;
    csinv Csinv CsinvW;
    csneg Csneg CsnegW;
}

impl Lifter<'_> {
    fn unary(&mut self, op: Op, rn: u32, rd: u32) -> Option<()> {
        self.emit(Uop { rd: dest(rd), ra: source(rn), ..Uop::new(op) })
    }

    pub(crate) fn rev_w(&mut self, rn: u32, rd: u32) -> Option<()> {
        self.unary(Op::RevW, rn, rd)
    }

    pub(crate) fn rev(&mut self, rn: u32, rd: u32) -> Option<()> {
        self.unary(Op::Rev, rn, rd)
    }

    pub(crate) fn rev32(&mut self, rn: u32, rd: u32) -> Option<()> {
        self.unary(Op::Rev32, rn, rd)
    }

    fn crc32(&mut self, size: u32, castagnoli: u32, rm: u32, rn: u32, rd: u32) -> Option<()> {
        self.emit_shift(Op::Crc32, rd, rn, rm, castagnoli << 2 | size)
    }

    pub(crate) fn crc32b(&mut self, rm: u32, c: u32, rn: u32, rd: u32) -> Option<()> {
        self.crc32(0, c, rm, rn, rd)
    }

    pub(crate) fn crc32h(&mut self, rm: u32, c: u32, rn: u32, rd: u32) -> Option<()> {
        self.crc32(1, c, rm, rn, rd)
    }

    pub(crate) fn crc32w(&mut self, rm: u32, c: u32, rn: u32, rd: u32) -> Option<()> {
        self.crc32(2, c, rm, rn, rd)
    }

    pub(crate) fn crc32x(&mut self, rm: u32, c: u32, rn: u32, rd: u32) -> Option<()> {
        self.crc32(3, c, rm, rn, rd)
    }

    /// `plain` on shifted registers, or `left` where that applies the shift itself.
    fn add_sub(
        &mut self,
        plain: Op,
        left: Option<Op>,
        sf: u32,
        kind: u32,
        rm: u32,
        amount: u32,
        rn: u32,
        rd: u32,
    ) -> Option<()> {
        // ROR is reserved here.
        if kind == 3 || sf == 0 && amount >= 32 {
            return None;
        }
        if let (Some(op), 0, 1..) = (left, kind, amount) {
            return self.emit_shift(op, rd, rn, rm, amount);
        }
        let rb = self.shifted(sf, rm, kind, amount)?;
        self.emit3(plain, dest(rd), source(rn), rb)
    }

    /// Register `rm` extended as `option` says and shifted left (`ExtendReg`, J1.1.3), in the first
    /// temporary, or the register itself when the low half or all of it is the operand.
    fn extended(&mut self, sf: u32, rm: u32, option: u32, amount: u32) -> Option<Slot> {
        let width = 8 << (option & 3);
        let ra = source(rm);
        if amount == 0 && width >= 32 << sf || ra == slot::ZERO {
            return Some(ra);
        }
        let uop = if option < 4 || width == 64 {
            Uop { rc: amount as u8, imm: ones(width) << amount, ..Uop::new(Op::LslAnd) }
        } else {
            let left = 64 - width;
            Uop { rb: left as u8, rc: (left - amount) as u8, ..Uop::new(Op::LslAsr) }
        };
        self.emit(Uop { rd: T0, ra, ..uop })?;
        Some(T0)
    }

    pub(crate) fn add_ext(
        &mut self,
        sf: u32,
        rm: u32,
        option: u32,
        imm3: u32,
        rn: u32,
        rd: u32,
    ) -> Option<()> {
        let op = match option & 3 {
            2 if sf == 1 && option == 2 => Op::AddUxtw,
            2 if sf == 1 => Op::AddSxtw,
            2 | 3 => sized(sf, Op::AddLsl, Op::AddLslW),
            _ => {
                return self.extended_binary(
                    Op::Add,
                    Op::AddW,
                    sf,
                    rm,
                    option,
                    imm3,
                    rn,
                    or_sp(rd),
                );
            }
        };
        self.extended_by_op(op, sized(sf, Op::Add, Op::AddW), rm, imm3, rn, rd)
    }

    pub(crate) fn sub_ext(
        &mut self,
        sf: u32,
        rm: u32,
        option: u32,
        imm3: u32,
        rn: u32,
        rd: u32,
    ) -> Option<()> {
        if option & 3 == 3 || sf == 0 && option & 3 == 2 {
            let op = sized(sf, Op::SubLsl, Op::SubLslW);
            return self.extended_by_op(op, sized(sf, Op::Sub, Op::SubW), rm, imm3, rn, rd);
        }
        self.extended_binary(Op::Sub, Op::SubW, sf, rm, option, imm3, rn, or_sp(rd))
    }

    pub(crate) fn adds_ext(
        &mut self,
        sf: u32,
        rm: u32,
        option: u32,
        imm3: u32,
        rn: u32,
        rd: u32,
    ) -> Option<()> {
        self.extended_binary(Op::AddS, Op::AddSW, sf, rm, option, imm3, rn, dest(rd))
    }

    pub(crate) fn subs_ext(
        &mut self,
        sf: u32,
        rm: u32,
        option: u32,
        imm3: u32,
        rn: u32,
        rd: u32,
    ) -> Option<()> {
        self.extended_binary(Op::SubS, Op::SubSW, sf, rm, option, imm3, rn, dest(rd))
    }

    fn extended_binary(
        &mut self,
        x: Op,
        w: Op,
        sf: u32,
        rm: u32,
        option: u32,
        amount: u32,
        rn: u32,
        rd: Slot,
    ) -> Option<()> {
        if amount > 4 {
            return None;
        }
        let rb = self.extended(sf, rm, option, amount)?;
        self.emit3(sized(sf, x, w), rd, or_sp(rn), rb)
    }

    /// An operation that extends and shifts by itself, or `plain` when it has nothing to do.
    fn extended_by_op(
        &mut self,
        op: Op,
        plain: Op,
        rm: u32,
        amount: u32,
        rn: u32,
        rd: u32,
    ) -> Option<()> {
        if amount > 4 {
            return None;
        }
        let (rd, ra, rb) = (or_sp(rd), or_sp(rn), source(rm));
        let idle = amount == 0 && !matches!(op, Op::AddUxtw | Op::AddSxtw);
        if idle {
            return self.emit3(plain, rd, ra, rb);
        }
        self.emit(Uop { rd, ra, rb, rc: amount as u8, ..Uop::new(op) })
    }

    pub(crate) fn rmif(&mut self, imm6: u32, rn: u32, mask: u32) -> Option<()> {
        self.emit(Uop { ra: source(rn), rc: imm6 as u8, imm: mask as u64, ..Uop::new(Op::Rmif) })
    }

    pub(crate) fn setf8(&mut self, rn: u32) -> Option<()> {
        self.emit(Uop { ra: source(rn), ..Uop::new(Op::Setf8) })
    }

    pub(crate) fn setf16(&mut self, rn: u32) -> Option<()> {
        self.emit(Uop { ra: source(rn), ..Uop::new(Op::Setf16) })
    }

    fn compare_if(&mut self, op: Op, rb: Slot, cond: u32, rn: u32, nzcv: u32) -> Option<()> {
        let imm = condition_mask(cond as u8) as u64;
        self.emit(Uop { ra: source(rn), rb, rc: nzcv as u8, imm, ..Uop::new(op) })
    }

    pub(crate) fn ccmn_reg(
        &mut self,
        sf: u32,
        rm: u32,
        cond: u32,
        rn: u32,
        nzcv: u32,
    ) -> Option<()> {
        self.compare_if(sized(sf, Op::Ccmn, Op::CcmnW), source(rm), cond, rn, nzcv)
    }

    pub(crate) fn ccmp_reg(
        &mut self,
        sf: u32,
        rm: u32,
        cond: u32,
        rn: u32,
        nzcv: u32,
    ) -> Option<()> {
        self.compare_if(sized(sf, Op::Ccmp, Op::CcmpW), source(rm), cond, rn, nzcv)
    }

    /// A slot that holds a small constant.
    fn constant(&mut self, imm: u32) -> Option<Slot> {
        if imm == 0 {
            return Some(slot::ZERO);
        }
        self.emit(Uop { rd: T0, imm: imm as u64, ..Uop::new(Op::MovI) })?;
        Some(T0)
    }

    pub(crate) fn ccmn_imm(
        &mut self,
        sf: u32,
        imm5: u32,
        cond: u32,
        rn: u32,
        nzcv: u32,
    ) -> Option<()> {
        let rb = self.constant(imm5)?;
        self.compare_if(sized(sf, Op::Ccmn, Op::CcmnW), rb, cond, rn, nzcv)
    }

    pub(crate) fn ccmp_imm(
        &mut self,
        sf: u32,
        imm5: u32,
        cond: u32,
        rn: u32,
        nzcv: u32,
    ) -> Option<()> {
        let rb = self.constant(imm5)?;
        self.compare_if(sized(sf, Op::Ccmp, Op::CcmpW), rb, cond, rn, nzcv)
    }

    fn three_sources(&mut self, op: Op, rm: u32, ra: u32, rn: u32, rd: u32) -> Option<()> {
        let (rd, rc) = (dest(rd), source(ra));
        self.emit(Uop { rd, ra: source(rn), rb: source(rm), rc, ..Uop::new(op) })
    }

    pub(crate) fn madd(&mut self, sf: u32, rm: u32, ra: u32, rn: u32, rd: u32) -> Option<()> {
        if ra == 31 {
            return self.emit3(sized(sf, Op::Mul, Op::MulW), dest(rd), source(rn), source(rm));
        }
        self.three_sources(sized(sf, Op::Madd, Op::MaddW), rm, ra, rn, rd)
    }

    pub(crate) fn msub(&mut self, sf: u32, rm: u32, ra: u32, rn: u32, rd: u32) -> Option<()> {
        self.three_sources(sized(sf, Op::Msub, Op::MsubW), rm, ra, rn, rd)
    }

    pub(crate) fn smaddl(&mut self, rm: u32, ra: u32, rn: u32, rd: u32) -> Option<()> {
        self.three_sources(Op::Smaddl, rm, ra, rn, rd)
    }

    pub(crate) fn smsubl(&mut self, rm: u32, ra: u32, rn: u32, rd: u32) -> Option<()> {
        self.three_sources(Op::Smsubl, rm, ra, rn, rd)
    }

    pub(crate) fn umaddl(&mut self, rm: u32, ra: u32, rn: u32, rd: u32) -> Option<()> {
        self.three_sources(Op::Umaddl, rm, ra, rn, rd)
    }

    pub(crate) fn umsubl(&mut self, rm: u32, ra: u32, rn: u32, rd: u32) -> Option<()> {
        self.three_sources(Op::Umsubl, rm, ra, rn, rd)
    }

    pub(crate) fn smulh(&mut self, rm: u32, rn: u32, rd: u32) -> Option<()> {
        self.emit3(Op::Smulh, dest(rd), source(rn), source(rm))
    }

    pub(crate) fn umulh(&mut self, rm: u32, rn: u32, rd: u32) -> Option<()> {
        self.emit3(Op::Umulh, dest(rd), source(rn), source(rm))
    }

    pub(crate) fn add_reg(
        &mut self,
        sf: u32,
        shift: u32,
        rm: u32,
        imm6: u32,
        rn: u32,
        rd: u32,
    ) -> Option<()> {
        let plain = sized(sf, Op::Add, Op::AddW);
        let left = Some(sized(sf, Op::AddLsl, Op::AddLslW));
        self.add_sub(plain, left, sf, shift, rm, imm6, rn, rd)
    }

    pub(crate) fn adds_reg(
        &mut self,
        sf: u32,
        shift: u32,
        rm: u32,
        imm6: u32,
        rn: u32,
        rd: u32,
    ) -> Option<()> {
        let plain = sized(sf, Op::AddS, Op::AddSW);
        self.add_sub(plain, None, sf, shift, rm, imm6, rn, rd)
    }

    pub(crate) fn sub_reg(
        &mut self,
        sf: u32,
        shift: u32,
        rm: u32,
        imm6: u32,
        rn: u32,
        rd: u32,
    ) -> Option<()> {
        let plain = sized(sf, Op::Sub, Op::SubW);
        let left = Some(sized(sf, Op::SubLsl, Op::SubLslW));
        self.add_sub(plain, left, sf, shift, rm, imm6, rn, rd)
    }

    pub(crate) fn subs_reg(
        &mut self,
        sf: u32,
        shift: u32,
        rm: u32,
        imm6: u32,
        rn: u32,
        rd: u32,
    ) -> Option<()> {
        let plain = sized(sf, Op::SubS, Op::SubSW);
        self.add_sub(plain, None, sf, shift, rm, imm6, rn, rd)
    }
}
