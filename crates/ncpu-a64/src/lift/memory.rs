//! Loads and stores of one or two registers, general and vector (Arm ARM DDI 0487, C4.1.66).
//!
//! The access comes first and the write-back of the base after it. Loading the base register of a
//! write-back form is CONSTRAINED UNPREDICTABLE (K1.1); here as in QEMU the write-back stays.

use super::{Lifter, T0, dest, or_sp, signed, sized, source, vector};
use ncpu_uop::{Op, Slot, Uop, slot};

/// Post-indexed, in the `mode` fields of the table.
const POST: u32 = 1;
/// Pre-indexed.
const PRE: u32 = 3;

/// Loads of `1 << size` bytes, zero-extended.
pub(super) const fn load(size: u32) -> Op {
    match size {
        0 => Op::Ld8,
        1 => Op::Ld16,
        2 => Op::Ld32,
        _ => Op::Ld64,
    }
}

/// Stores of `1 << size` bytes.
pub(super) const fn store(size: u32) -> Op {
    match size {
        0 => Op::St8,
        1 => Op::St16,
        2 => Op::St32,
        _ => Op::St64,
    }
}

/// Loads of a byte or a half-word, sign-extended to 64 or 32 bits.
pub(super) const fn load_signed(half: u32, x: bool) -> Op {
    match (half, x) {
        (0, true) => Op::LdS8,
        (0, false) => Op::LdS8W,
        (_, true) => Op::LdS16,
        (_, false) => Op::LdS16W,
    }
}

/// Loads of `1 << size` bytes to a vector register.
const fn load_vector(size: u32) -> Op {
    match size {
        0 => Op::LdV8,
        1 => Op::LdV16,
        2 => Op::LdV32,
        3 => Op::LdV64,
        _ => Op::LdV128,
    }
}

/// The form of a load or store with a register offset, where there is one.
const fn register_form(op: Op) -> Option<Op> {
    Some(match op {
        Op::Ld8 => Op::Ld8R,
        Op::Ld16 => Op::Ld16R,
        Op::Ld32 => Op::Ld32R,
        Op::Ld64 => Op::Ld64R,
        Op::St8 => Op::St8R,
        Op::St16 => Op::St16R,
        Op::St32 => Op::St32R,
        Op::St64 => Op::St64R,
        _ => return None,
    })
}

/// The form with an extended 32-bit register offset, where there is one.
const fn extended_form(op: Op) -> Option<Op> {
    Some(match op {
        Op::Ld8 => Op::Ld8X,
        Op::Ld16 => Op::Ld16X,
        Op::Ld32 => Op::Ld32X,
        Op::Ld64 => Op::Ld64X,
        Op::St8 => Op::St8X,
        Op::St16 => Op::St16X,
        Op::St32 => Op::St32X,
        Op::St64 => Op::St64X,
        _ => return None,
    })
}

/// The form that writes the base register back, where there is one.
const fn write_back_form(op: Op) -> Option<Op> {
    Some(match op {
        Op::Ld8 => Op::Ld8Wb,
        Op::Ld32 => Op::Ld32Wb,
        Op::Ld64 => Op::Ld64Wb,
        Op::St8 => Op::St8Wb,
        Op::St32 => Op::St32Wb,
        Op::St64 => Op::St64Wb,
        Op::Ldp64 => Op::Ldp64Wb,
        Op::Stp64 => Op::Stp64Wb,
        _ => return None,
    })
}

/// Index register of an access: `rm`, its extension (`sxt` signed, `x` all 64 bits) and scale.
struct Index {
    rm: u32,
    sxt: u32,
    x: u32,
    shift: u32,
}

impl Lifter<'_> {
    /// `op` on register slot `rd` at [rn + offset].
    fn access(&mut self, op: Op, rd: Slot, rn: u32, offset: u64) -> Option<()> {
        self.emit_imm(op, rd, or_sp(rn), offset)
    }

    /// `op` on `rd` (and `rc`, for pairs) in one of the forms with a signed offset.
    fn moving(
        &mut self,
        op: Op,
        (rd, rc): (Slot, Slot),
        rn: u32,
        by: u64,
        mode: u32,
    ) -> Option<()> {
        let ra = or_sp(rn);
        let offset = if mode == POST { 0 } else { by };
        if mode != POST && mode != PRE {
            return self.emit(Uop { rd, rc, ra, imm: offset, ..Uop::new(op) });
        }
        if let Some(op) = write_back_form(op) {
            let imm = by << 32 | offset as u32 as u64;
            return self.emit(Uop { rd, rc, ra, imm, ..Uop::new(op) });
        }
        self.emit(Uop { rd, rc, ra, imm: offset, ..Uop::new(op) })?;
        self.emit_imm(Op::AddI, ra, ra, by)
    }

    /// `op` on `rd` in one of the forms with a 9-bit signed offset.
    fn indexed(&mut self, op: Op, rd: Slot, rn: u32, imm9: u32, mode: u32) -> Option<()> {
        self.moving(op, (rd, 0), rn, signed(imm9, 9) as u64, mode)
    }

    /// Destination `rt` of a load, unless the write-back of `rn` is to replace it.
    fn loaded(&self, rt: u32, rn: u32, mode: u32) -> Slot {
        if rt == rn && (mode == POST || mode == PRE) { slot::SINK } else { dest(rt) }
    }

    /// `op` on `rd` at [rn + extended and scaled index].
    fn offset_by(&mut self, op: Op, rd: Slot, rn: u32, index: Index) -> Option<()> {
        let (ra, rb, rc) = (or_sp(rn), source(index.rm), index.shift as u8);
        let (form, imm) = match index.x {
            0 => (extended_form(op), index.sxt as u64),
            _ => (register_form(op), 0),
        };
        if let Some(op) = form {
            return self.emit(Uop { rd, ra, rb, rc, imm, ..Uop::new(op) });
        }
        let add = match (index.x, index.sxt) {
            (0, 0) => Op::AddUxtw,
            (0, _) => Op::AddSxtw,
            _ if index.shift == 0 => Op::Add,
            _ => Op::AddLsl,
        };
        self.emit(Uop { rd: T0, ra, rb, rc, ..Uop::new(add) })?;
        self.emit_imm(op, rd, T0, 0)
    }
}

/// Loads and stores in their three addressing forms. A row gives the handlers for an unsigned, a
/// signed and a register offset, the field that they have before the offset, the micro-op, the
/// logarithm of the access size, and what the register is.
macro_rules! transfers {
    ($($imm:ident $indexed:ident $reg:ident ($($field:ident)?) $op:expr, $scale:expr, $kind:ident;)*) => {
        impl Lifter<'_> {$(
            pub(crate) fn $imm(&mut self, $($field: u32,)? imm12: u32, rn: u32, rt: u32) -> Option<()> {
                let offset = (imm12 as u64) << $scale;
                self.access($op, transfers!(@$kind self rt rn 0), rn, offset)
            }

            pub(crate) fn $indexed(
                &mut self,
                $($field: u32,)?
                imm9: u32,
                mode: u32,
                rn: u32,
                rt: u32,
            ) -> Option<()> {
                transfers!(@check $kind mode);
                let rd = transfers!(@$kind self rt rn mode);
                self.indexed($op, rd, rn, imm9, mode)
            }

            pub(crate) fn $reg(
                &mut self,
                $($field: u32,)?
                rm: u32,
                sxt: u32,
                x: u32,
                s: u32,
                rn: u32,
                rt: u32,
            ) -> Option<()> {
                let index = Index { rm, sxt, x, shift: if s == 0 { 0 } else { $scale } };
                self.offset_by($op, transfers!(@$kind self rt rn 0), rn, index)
            }
        )*}
    };
    (@load $self:ident $rt:ident $rn:ident $mode:expr) => { $self.loaded($rt, $rn, $mode) };
    (@store $self:ident $rt:ident $rn:ident $mode:expr) => { source($rt) };
    (@vector $self:ident $rt:ident $rn:ident $mode:expr) => { vector($rt) };
    // Vector registers have no unprivileged forms.
    (@check vector $mode:ident) => { if $mode == 2 { return None } };
    (@check $kind:ident $mode:ident) => {};
}

transfers! {
    str_imm stur str_reg (size) store(size), size, store;
    ldr_imm ldur ldr_reg (size) load(size), size, load;
    ldrs_x_imm ldurs_x ldrs_x_reg (half) load_signed(half, true), half, load;
    ldrs_w_imm ldurs_w ldrs_w_reg (half) load_signed(half, false), half, load;
    ldrsw_imm ldursw ldrsw_reg () Op::LdS32, 2, load;
    str_fp_imm stur_fp str_fp_reg (size) store(size), size, vector;
    ldr_fp_imm ldur_fp ldr_fp_reg (size) load_vector(size), size, vector;
    str_q_imm stur_q str_q_reg () Op::StV128, 4, vector;
    ldr_q_imm ldur_q ldr_q_reg () Op::LdV128, 4, vector;
}

impl Lifter<'_> {
    /// `op` on `rd` at an address relative to PC.
    fn literal(&mut self, op: Op, rd: Slot, imm19: u32) -> Option<()> {
        let address = self.pc.wrapping_add((signed(imm19, 19) as u64) << 2);
        self.emit_imm(op, rd, slot::ZERO, address)
    }

    pub(crate) fn ldr_lit(&mut self, sf: u32, imm19: u32, rt: u32) -> Option<()> {
        self.literal(sized(sf, Op::Ld64, Op::Ld32), dest(rt), imm19)
    }

    pub(crate) fn ldrsw_lit(&mut self, imm19: u32, rt: u32) -> Option<()> {
        self.literal(Op::LdS32, dest(rt), imm19)
    }

    pub(crate) fn ldr_lit_s(&mut self, imm19: u32, rt: u32) -> Option<()> {
        self.literal(Op::LdV32, vector(rt), imm19)
    }

    pub(crate) fn ldr_lit_d(&mut self, imm19: u32, rt: u32) -> Option<()> {
        self.literal(Op::LdV64, vector(rt), imm19)
    }

    pub(crate) fn ldr_lit_q(&mut self, imm19: u32, rt: u32) -> Option<()> {
        self.literal(Op::LdV128, vector(rt), imm19)
    }

    /// `op` on two register slots at an offset of `imm7 << scale`.
    fn pair(
        &mut self,
        op: Op,
        registers: (Slot, Slot),
        rn: u32,
        imm7: u32,
        scale: u32,
        mode: u32,
    ) -> Option<()> {
        self.moving(op, registers, rn, (signed(imm7, 7) as u64) << scale, mode)
    }

    /// Destinations of a load of two registers. If they are the same one, QEMU keeps the first
    /// word; the case is CONSTRAINED UNPREDICTABLE.
    fn loaded_pair(&self, rt: u32, rt2: u32, rn: u32, mode: u32) -> (Slot, Slot) {
        let second = if rt2 == rt { slot::SINK } else { self.loaded(rt2, rn, mode) };
        (self.loaded(rt, rn, mode), second)
    }

    pub(crate) fn stp(
        &mut self,
        sf: u32,
        mode: u32,
        imm7: u32,
        rt2: u32,
        rn: u32,
        rt: u32,
    ) -> Option<()> {
        let op = sized(sf, Op::Stp64, Op::Stp32);
        self.pair(op, (source(rt), source(rt2)), rn, imm7, 2 + sf, mode)
    }

    pub(crate) fn ldp(
        &mut self,
        sf: u32,
        mode: u32,
        imm7: u32,
        rt2: u32,
        rn: u32,
        rt: u32,
    ) -> Option<()> {
        let op = sized(sf, Op::Ldp64, Op::Ldp32);
        self.pair(op, self.loaded_pair(rt, rt2, rn, mode), rn, imm7, 2 + sf, mode)
    }

    pub(crate) fn ldpsw(&mut self, imm7: u32, rt2: u32, rn: u32, rt: u32) -> Option<()> {
        self.pair(Op::LdpS32, self.loaded_pair(rt, rt2, rn, 2), rn, imm7, 2, 2)
    }

    pub(crate) fn ldpsw_index(
        &mut self,
        pre: u32,
        imm7: u32,
        rt2: u32,
        rn: u32,
        rt: u32,
    ) -> Option<()> {
        let mode = if pre == 0 { POST } else { PRE };
        self.pair(Op::LdpS32, self.loaded_pair(rt, rt2, rn, mode), rn, imm7, 2, mode)
    }
}

/// Pairs of vector registers.
macro_rules! vector_pairs {
    ($($handler:ident $op:ident $scale:literal;)*) => {
        impl Lifter<'_> {$(
            pub(crate) fn $handler(
                &mut self,
                mode: u32,
                imm7: u32,
                rt2: u32,
                rn: u32,
                rt: u32,
            ) -> Option<()> {
                self.pair(Op::$op, (vector(rt), vector(rt2)), rn, imm7, $scale, mode)
            }
        )*}
    };
}

vector_pairs! {
    stp_s Stp32 2;
    ldp_s LdpV32 2;
    stp_d Stp64 3;
    ldp_d LdpV64 3;
    stp_q StpV128 4;
    ldp_q LdpV128 4;
}
