//! Exclusive, ordered and atomic accesses (Arm ARM DDI 0487, C4.1.66).
//!
//! Memory is sequentially consistent, so acquire and release ask for nothing, except that these
//! accesses must be aligned (B2.5.2, without FEAT_LSE2). Micro-ops for exclusives and atomics check
//! that themselves.

use super::memory::{load, load_signed, store};
use super::{Lifter, dest, or_sp, signed, source};
use ncpu_uop::{Op, Slot, Uop, ops::AmoOp, slot};

impl Lifter<'_> {
    pub(crate) fn stxr(&mut self, size: u32, rs: u32, rn: u32, rt: u32) -> Option<()> {
        let (rd, ra, rb) = (dest(rs), or_sp(rn), source(rt));
        self.emit(Uop { rd, ra, rb, rc: size as u8, ..Uop::new(Op::StExclusive) })
    }

    pub(crate) fn stxp(&mut self, sz: u32, rs: u32, rt2: u32, rn: u32, rt: u32) -> Option<()> {
        let (rd, ra, rb, imm) = (dest(rs), or_sp(rn), source(rt), source(rt2) as u64);
        self.emit(Uop { rd, ra, rb, rc: 2 + sz as u8, imm, ..Uop::new(Op::StpExclusive) })
    }

    pub(crate) fn ldxr(&mut self, size: u32, rn: u32, rt: u32) -> Option<()> {
        let (rd, ra) = (dest(rt), or_sp(rn));
        self.emit(Uop { rd, ra, rc: size as u8, ..Uop::new(Op::LdExclusive) })
    }

    pub(crate) fn ldxp(&mut self, sz: u32, rt2: u32, rn: u32, rt: u32) -> Option<()> {
        // Two loads into one register are CONSTRAINED UNPREDICTABLE; QEMU keeps the second.
        let rd = if rt == rt2 { slot::SINK } else { dest(rt) };
        let (ra, rb) = (or_sp(rn), dest(rt2));
        self.emit(Uop { rd, ra, rb, rc: 2 + sz as u8, ..Uop::new(Op::LdpExclusive) })
    }

    /// An aligned access of `1 << size` bytes.
    fn ordered(&mut self, op: Op, size: u32, rd: Slot, rn: u32, imm9: u32) -> Option<()> {
        let (ra, imm) = (or_sp(rn), signed(imm9, 9) as u64);
        if size != 0 {
            self.emit(Uop { ra, rc: size as u8, imm, ..Uop::new(Op::CheckAlign) })?;
        }
        self.emit_imm(op, rd, ra, imm)
    }

    pub(crate) fn stlr(&mut self, size: u32, rn: u32, rt: u32) -> Option<()> {
        self.ordered(store(size), size, source(rt), rn, 0)
    }

    pub(crate) fn ldar(&mut self, size: u32, rn: u32, rt: u32) -> Option<()> {
        self.ordered(load(size), size, dest(rt), rn, 0)
    }

    pub(crate) fn stlur(&mut self, size: u32, imm9: u32, rn: u32, rt: u32) -> Option<()> {
        self.ordered(store(size), size, source(rt), rn, imm9)
    }

    pub(crate) fn ldapur(&mut self, size: u32, imm9: u32, rn: u32, rt: u32) -> Option<()> {
        self.ordered(load(size), size, dest(rt), rn, imm9)
    }

    pub(crate) fn ldapurs_x(&mut self, half: u32, imm9: u32, rn: u32, rt: u32) -> Option<()> {
        self.ordered(load_signed(half, true), half, dest(rt), rn, imm9)
    }

    pub(crate) fn ldapurs_w(&mut self, half: u32, imm9: u32, rn: u32, rt: u32) -> Option<()> {
        self.ordered(load_signed(half, false), half, dest(rt), rn, imm9)
    }

    pub(crate) fn ldapursw(&mut self, imm9: u32, rn: u32, rt: u32) -> Option<()> {
        self.ordered(Op::LdS32, 2, dest(rt), rn, imm9)
    }

    /// Copies X`n` to the temporary `to`; 31 is zero.
    fn stage(&mut self, to: Slot, n: u32) -> Option<()> {
        self.emit(Uop { rd: to, ra: source(n), ..Uop::new(Op::Mov) })
    }

    pub(crate) fn cas(&mut self, size: u32, rs: u32, rn: u32, rt: u32) -> Option<()> {
        let mut rd = dest(rs);
        if rs == 31 {
            // The compared register is read too, which the sink cannot be.
            rd = slot::TEMP[0];
            self.stage(rd, rs)?;
        }
        self.emit(Uop { rd, ra: or_sp(rn), rb: source(rt), rc: size as u8, ..Uop::new(Op::Cas) })
    }

    pub(crate) fn casp(&mut self, sz: u32, rs: u32, rn: u32, rt: u32) -> Option<()> {
        if rs & 1 != 0 || rt & 1 != 0 {
            return None;
        }
        // X30 pairs with XZR, whose slot is not the next one.
        let [t0, t1, t2, t3] = slot::TEMP;
        let (mut rd, mut rb) = (dest(rs), source(rt));
        if rs == 30 {
            rd = t0;
            self.stage(t0, 30)?;
            self.stage(t1, 31)?;
        }
        if rt == 30 {
            rb = t2;
            self.stage(t2, 30)?;
            self.stage(t3, 31)?;
        }
        self.emit(Uop { rd, ra: or_sp(rn), rb, rc: 2 + sz as u8, ..Uop::new(Op::Casp) })?;
        if rs == 30 { self.emit(Uop { rd: 30, ra: t0, ..Uop::new(Op::Mov) }) } else { Some(()) }
    }
}

/// Read-modify-write instructions; the old value of memory goes to the last register.
macro_rules! read_modify_write {
    ($($handler:ident $op:ident;)*) => {
        impl Lifter<'_> {$(
            pub(crate) fn $handler(&mut self, size: u32, rs: u32, rn: u32, rt: u32) -> Option<()> {
                let (rd, ra, rb) = (dest(rt), or_sp(rn), source(rs));
                let imm = AmoOp::$op as u64;
                self.emit(Uop { rd, ra, rb, rc: size as u8, imm, ..Uop::new(Op::Amo) })
            }
        )*}
    };
}

read_modify_write! {
    ldadd Add;
    ldclr Clear;
    ldeor Xor;
    ldset Set;
    ldsmax Smax;
    ldsmin Smin;
    ldumax Umax;
    ldumin Umin;
    swp Swap;
}
