//! Conversions between floating-point formats, integers and fixed point.

use super::float::{map, with_format};
use super::{Slots, esize, read, write_v};
use ncpu_alu::Alu;
use ncpu_alu::fp::{Double, Format, Fp, Half, Rounding, Single};
use ncpu_alu::simd::{Esize, V};
use ncpu_uop::{FpRounding, Lanes, Op, Uop, slot};

fn rounding(number: u8) -> Rounding {
    match FpRounding::from_u8(number) {
        Some(FpRounding::TowardPositive) => Rounding::TowardPositive,
        Some(FpRounding::TowardNegative) => Rounding::TowardNegative,
        Some(FpRounding::TowardZero) => Rounding::TowardZero,
        Some(FpRounding::NearestAway) => Rounding::NearestAway,
        Some(FpRounding::NearestEven) | None => Rounding::NearestEven,
    }
}

/// `FToX`: the low end of a vector register to a general register.
pub(super) fn to_x<A: Alu>(fp: &mut Fp<'_, A>, u: &Uop, n: u64) -> u64 {
    let (signed, width, fraction) = x_form(u);
    let mode = rounding(u.rb);
    with_format!(u.rc, F => fp.convert_to_int::<F>(n & F::MASK, fraction, width, signed, mode))
}

/// `XToF`: a general register to a scalar.
pub(super) fn from_x<A: Alu>(fp: &mut Fp<'_, A>, u: &Uop, n: u64) -> u64 {
    let (signed, width, fraction) = x_form(u);
    with_format!(u.rc, F => fp.convert_from_int::<F>(n, fraction, width, signed))
}

/// `op`, `IntToF` of a scalar or `XToF`, if the host gives its result and it raises no new flag; false if nothing
/// has been done.
#[inline(always)]
pub(crate) fn from_int_at_once<A: Alu>(alu: &A, regs: &mut Slots, u: &Uop, op: Op) -> bool {
    let lanes = Lanes(u.rc);
    let (signed, width, fraction) = match op {
        Op::XToF => x_form(u),
        _ => (u.imm & 1 == 0, lanes.bits(), (u.imm >> 1) as u32),
    };
    if fraction != 0 || op != Op::XToF && !lanes.is_scalar() {
        return false;
    }
    let fp = Fp::new(alu, read(regs, slot::FPCR) as u32, read(regs, slot::FPSR) as u32);
    let n = read(regs, u.ra);
    let result = match lanes.log2() {
        2 => fp.convert_from_int_at_once::<Single>(n, width, signed),
        3 => fp.convert_from_int_at_once::<Double>(n, width, signed),
        _ => None,
    };
    result.map(|result| write_v(regs, u.rd, [result, 0])).is_some()
}

/// Signedness, width and fraction bits in the immediate of `FToX` and `XToF`.
fn x_form(u: &Uop) -> (bool, u32, u32) {
    let width = if u.imm & 2 != 0 { 32 } else { 64 };
    (u.imm & 1 == 0, width, (u.imm >> 2 & 0x7f) as u32)
}

/// The result of a conversion between vectors or within one.
pub(super) fn convert<A: Alu>(fp: &mut Fp<'_, A>, u: &Uop, d: V, n: V) -> Option<V> {
    let lanes = Lanes(u.rc);
    let e = esize(lanes);
    let signed = u.imm & 1 == 0;
    let fraction = (u.imm >> 1 & 0x7f) as u32;
    Some(match u.op {
        Op::FConvert => [between(fp, u.rb, u.rc, n[0])?, 0],
        Op::FConvertLong => lengthen(fp, lanes, n),
        Op::FConvertNarrow => shorten(fp, lanes, u.imm & 1 == 1, d, n),
        Op::FToInt => {
            let mode = rounding(u.rb);
            with_format!(lanes.log2(), F => map(lanes, |i| {
                fp.convert_to_int::<F>(e.get(&n, i), fraction, F::BITS, signed, mode)
            }))
        }
        Op::IntToF => with_format!(lanes.log2(), F => map(lanes, |i| {
            fp.convert_from_int::<F>(e.get(&n, i), fraction, F::BITS, signed)
        })),
        _ => return None,
    })
}

/// One format to another.
fn between<A: Alu>(fp: &mut Fp<'_, A>, from: u8, to: u8, value: u64) -> Option<u64> {
    let value = Esize::from_code(from).trunc(value);
    Some(match (from, to) {
        (1, 2) => fp.convert::<Half, Single>(value),
        (1, 3) => fp.convert::<Half, Double>(value),
        (2, 1) => fp.convert::<Single, Half>(value),
        (2, 3) => fp.convert::<Single, Double>(value),
        (3, 1) => fp.convert::<Double, Half>(value),
        (3, 2) => fp.convert::<Double, Single>(value),
        _ => return None,
    })
}

/// FCVTL: the low or high half of the lanes, each to twice its width.
fn lengthen<A: Alu>(fp: &mut Fp<'_, A>, lanes: Lanes, n: V) -> V {
    let e = esize(lanes);
    let first = if lanes.q() { e.lanes() } else { 0 };
    map(Lanes::vector(lanes.log2() + 1, true), |i| {
        let value = e.get(&n, first + i);
        match e {
            Esize::H => fp.convert::<Half, Single>(value),
            _ => fp.convert::<Single, Double>(value),
        }
    })
}

/// FCVTN and, rounding to odd, FCVTXN: all lanes to half their width, into the low or high half.
fn shorten<A: Alu>(fp: &mut Fp<'_, A>, lanes: Lanes, to_odd: bool, d: V, n: V) -> V {
    let e = esize(lanes);
    let one_half = if lanes.is_scalar() { lanes } else { Lanes::vector(lanes.log2(), false) };
    let [half, _] = map(one_half, |i| {
        let value = e.double().get(&n, i);
        match e {
            Esize::H => fp.convert::<Single, Half>(value),
            _ if to_odd => fp.convert_to_odd::<Double, Single>(value),
            _ => fp.convert::<Double, Single>(value),
        }
    });
    if lanes.q() { [d[0], half] } else { [half, 0] }
}
