//! The vector and floating-point operations that ordinary programs execute most. Each is small
//! enough to be a case of the run loop. (Copies are the loop's own.)

use super::{Slots, esize, read, read_v, write, write_v};
use ncpu_alu::fp::{Double, Format, Fp, Single};
use ncpu_alu::simd::{Bin, Shift, ShiftLong, bin, shift, shift_long};
use ncpu_alu::{Alu, Nzcv};
use ncpu_uop::{Lanes, Op, Uop, slot};

/// Any of them, out of line.
#[inline(never)]
pub(crate) fn call<A: Alu>(alu: &A, regs: &mut Slots, u: &Uop) {
    match u.op {
        Op::VAnd => and(alu, regs, u),
        Op::VOr => or(alu, regs, u),
        Op::VXor => xor(alu, regs, u),
        Op::VAdd => add(alu, regs, u),
        Op::VSub => sub(alu, regs, u),
        Op::VCmEq => cmeq(alu, regs, u),
        Op::FAddS => fadd_s(alu, regs, u),
        Op::FAddD => fadd_d(alu, regs, u),
        Op::FSubS => fsub_s(alu, regs, u),
        Op::FSubD => fsub_d(alu, regs, u),
        Op::FMulS => fmul_s(alu, regs, u),
        Op::FMulD => fmul_d(alu, regs, u),
        Op::FDivS => fdiv_s(alu, regs, u),
        _ => fdiv_d(alu, regs, u),
    }
}

/// A scalar addition, subtraction, multiplication or fused multiplication and addition, if the host
/// gives its result and it raises no new flag; false if nothing has been done.
#[inline(always)]
pub(crate) fn at_once<A: Alu, F: Format>(alu: &A, regs: &mut Slots, u: &Uop, op: Op) -> bool {
    let fp = Fp::new(alu, read(regs, slot::FPCR) as u32, read(regs, slot::FPSR) as u32);
    let (n, m) = (read(regs, u.ra) & F::MASK, read(regs, u.rb) & F::MASK);
    let negated =
        |value: u64, is_negated: bool| if is_negated { fp.neg::<F>(value) } else { value };
    let result = match op {
        Op::FAddS | Op::FAddD => fp.at_once::<F>(Some(m), n, None),
        Op::FSubS | Op::FSubD => fp.at_once::<F>(Some(negated(m, true)), n, None),
        Op::FMulS | Op::FMulD => fp.at_once::<F>(None, n, Some(m)),
        _ => {
            let n = negated(n, u.imm & 4 != 0);
            let z = negated(read(regs, u.rc) & F::MASK, u.imm & 8 != 0);
            fp.at_once::<F>(Some(z), n, Some(m))
        }
    };
    result.map(|result| write_v(regs, u.rd, [result, 0])).is_some()
}

/// The flags of a comparison of single or double precision, if the host gives them.
#[inline(always)]
pub(crate) fn compare_at_once<A: Alu>(alu: &A, regs: &Slots, u: &Uop) -> Option<Nzcv> {
    let fp = Fp::new(alu, read(regs, slot::FPCR) as u32, 0);
    let (n, m) = (read(regs, u.ra), read(regs, u.rb));
    match u.rc {
        2 => fp.compare_at_once::<Single>(n & Single::MASK, m & Single::MASK),
        3 => fp.compare_at_once::<Double>(n, m),
        _ => None,
    }
}

#[inline(always)]
fn bitwise(regs: &mut Slots, u: &Uop, f: impl Fn(u64, u64) -> u64) {
    let (n, m) = (read_v(regs, u.ra), read_v(regs, u.rb));
    let high = if u.rc & 1 == 1 { 0 } else { f(n[1], m[1]) };
    write_v(regs, u.rd, [f(n[0], m[0]), high]);
}

/// `Op::VAnd`.
#[inline(always)]
pub(crate) fn and<A: Alu>(alu: &A, regs: &mut Slots, u: &Uop) {
    bitwise(regs, u, |n, m| alu.and(n, m));
}

/// `Op::VOr`.
#[inline(always)]
pub(crate) fn or<A: Alu>(alu: &A, regs: &mut Slots, u: &Uop) {
    bitwise(regs, u, |n, m| alu.or(n, m));
}

/// `Op::VXor`.
#[inline(always)]
pub(crate) fn xor<A: Alu>(alu: &A, regs: &mut Slots, u: &Uop) {
    bitwise(regs, u, |n, m| alu.xor(n, m));
}

/// A lanewise operation that neither accumulates nor saturates. Scalars are of 64 bits.
#[inline(always)]
fn lanewise<A: Alu>(alu: &A, regs: &mut Slots, u: &Uop, op: Bin) {
    let lanes = Lanes(u.rc);
    let e = esize(lanes);
    let (n, m) = (read_v(regs, u.ra), read_v(regs, u.rb));
    let mut qc = false;
    let low = bin(alu, op, e, 0, n[0], m[0], &mut qc);
    let high = if lanes.q() { bin(alu, op, e, 0, n[1], m[1], &mut qc) } else { 0 };
    write_v(regs, u.rd, [low, high]);
}

/// `Op::VShift`, if it only moves bits, or those of one word; false if it is another shift, and nothing has been
/// done.
#[inline(always)]
pub(crate) fn shift_at_once<A: Alu>(alu: &A, regs: &mut Slots, u: &Uop) -> bool {
    const LEFT: u64 = Shift::Shl as u64;
    const RIGHT: u64 = Shift::Ushr as u64;
    const SIGNED: u64 = Shift::Sshr as u64;
    let (lanes, n) = (Lanes(u.rc), read_v(regs, u.ra));
    if lanes == Lanes::scalar(3) && u.imm == SIGNED {
        write_v(regs, u.rd, [alu.ashr(n[0], u.rb.min(63).into()), 0]);
        return true;
    }
    let moved = |op, n| shift(alu, op, esize(lanes), 0, n, u.rb.into(), &mut false);
    let half = |n| if u.imm == LEFT { moved(Shift::Shl, n) } else { moved(Shift::Ushr, n) };
    if lanes.is_scalar() || !matches!(u.imm, LEFT | RIGHT) {
        return false;
    }
    write_v(regs, u.rd, [half(n[0]), if lanes.q() { half(n[1]) } else { 0 }]);
    true
}

/// `Op::VShiftLong` of unsigned lanes; false if they are signed, and nothing has been done.
#[inline(always)]
pub(crate) fn widen_at_once<A: Alu>(alu: &A, regs: &mut Slots, u: &Uop) -> bool {
    if u.imm != ShiftLong::Ushll as u64 {
        return false;
    }
    let lanes = Lanes(u.rc);
    let n = read(regs, u.ra + u8::from(lanes.q()));
    write_v(regs, u.rd, shift_long(alu, ShiftLong::Ushll, esize(lanes), n, u.rb.into()));
    true
}

/// `Op::VAdd`.
#[inline(always)]
pub(crate) fn add<A: Alu>(alu: &A, regs: &mut Slots, u: &Uop) {
    lanewise(alu, regs, u, Bin::Add);
}

/// `Op::VSub`.
#[inline(always)]
pub(crate) fn sub<A: Alu>(alu: &A, regs: &mut Slots, u: &Uop) {
    lanewise(alu, regs, u, Bin::Sub);
}

/// `Op::VCmEq`.
#[inline(always)]
pub(crate) fn cmeq<A: Alu>(alu: &A, regs: &mut Slots, u: &Uop) {
    lanewise(alu, regs, u, Bin::Cmeq);
}

#[inline(always)]
fn scalar<'a, A: Alu, F: Format>(
    alu: &'a A,
    regs: &mut Slots,
    u: &Uop,
    f: impl FnOnce(&mut Fp<'a, A>, u64, u64) -> u64,
) {
    let mut fp = Fp::new(alu, read(regs, slot::FPCR) as u32, read(regs, slot::FPSR) as u32);
    let (n, m) = (read(regs, u.ra) & F::MASK, read(regs, u.rb) & F::MASK);
    let result = f(&mut fp, n, m);
    write(regs, slot::FPSR, fp.fpsr as u64);
    write_v(regs, u.rd, [result, 0]);
}

/// `Op::FAddS`.
#[inline(always)]
pub(crate) fn fadd_s<A: Alu>(alu: &A, regs: &mut Slots, u: &Uop) {
    scalar::<A, Single>(alu, regs, u, |fp, n, m| fp.add::<Single>(n, m));
}

/// `Op::FAddD`.
#[inline(always)]
pub(crate) fn fadd_d<A: Alu>(alu: &A, regs: &mut Slots, u: &Uop) {
    scalar::<A, Double>(alu, regs, u, |fp, n, m| fp.add::<Double>(n, m));
}

/// `Op::FSubS`.
#[inline(always)]
pub(crate) fn fsub_s<A: Alu>(alu: &A, regs: &mut Slots, u: &Uop) {
    scalar::<A, Single>(alu, regs, u, |fp, n, m| fp.sub::<Single>(n, m));
}

/// `Op::FSubD`.
#[inline(always)]
pub(crate) fn fsub_d<A: Alu>(alu: &A, regs: &mut Slots, u: &Uop) {
    scalar::<A, Double>(alu, regs, u, |fp, n, m| fp.sub::<Double>(n, m));
}

/// `Op::FMulS`.
#[inline(always)]
pub(crate) fn fmul_s<A: Alu>(alu: &A, regs: &mut Slots, u: &Uop) {
    scalar::<A, Single>(alu, regs, u, |fp, n, m| fp.mul::<Single>(n, m));
}

/// `Op::FMulD`.
#[inline(always)]
pub(crate) fn fmul_d<A: Alu>(alu: &A, regs: &mut Slots, u: &Uop) {
    scalar::<A, Double>(alu, regs, u, |fp, n, m| fp.mul::<Double>(n, m));
}

/// `Op::FDivS`.
#[inline(always)]
pub(crate) fn fdiv_s<A: Alu>(alu: &A, regs: &mut Slots, u: &Uop) {
    scalar::<A, Single>(alu, regs, u, |fp, n, m| fp.div::<Single>(n, m));
}

/// `Op::FDivD`.
#[inline(always)]
pub(crate) fn fdiv_d<A: Alu>(alu: &A, regs: &mut Slots, u: &Uop) {
    scalar::<A, Double>(alu, regs, u, |fp, n, m| fp.div::<Double>(n, m));
}
