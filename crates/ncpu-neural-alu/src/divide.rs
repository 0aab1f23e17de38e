//! Division: restoring, a bit of the quotient a step.

use crate::adder::{add, any};
use crate::cell::CellId;
use crate::domain::{Domain, low};

/// One step: takes the next bit of the dividend, in position 0 of `bit`, to a `remainder` less than
/// the divisor, and subtracts the divisor if it can. Gives the bit of the quotient, in position
/// `W - 1`, and the new remainder. `complement` is the divisor's.
#[inline(always)]
pub fn step<D: Domain, const W: u32>(
    d: &mut D,
    remainder: &D::Plane,
    complement: &D::Plane,
    bit: &D::Plane,
) -> [D::Plane; 2] {
    let up = d.up(remainder, 1);
    let moved = d.splice(1, bit, &up);
    let one = d.constant(1);
    let difference = add::<D, W>(d, &moved, complement, Some(&one));
    // The bit that left at the top makes it greater than any divisor.
    let fits = d.bit(CellId::Or, [remainder, &difference.carries]);
    let subtracts = d.spread(&fits, W - 1);
    let next = d.bit(CellId::Select, [&subtracts, &difference.sum, &moved]);
    [fits, d.keep(low(W), &next)]
}

/// Quotient of `W`-bit numbers; zero when `b` is.
#[inline(always)]
pub fn quotient<D: Domain, const W: u32>(d: &mut D, a: &D::Plane, b: &D::Plane) -> D::Plane {
    let complement = d.not(b);
    let mut remainder = d.constant(0);
    let mut quotient = d.constant(0);
    for position in (0..W).rev() {
        let bit = d.take(a, position);
        let [fits, next] = step::<D, W>(d, &remainder, &complement, &bit);
        let placed = d.down(&fits, W - 1 - position);
        quotient = d.splice(1 << position, &placed, &quotient);
        remainder = next;
    }
    // By zero, every step could subtract.
    let any = any::<D, W>(d, b);
    let divides = d.spread(&any, 0);
    d.bit(CellId::And, [&quotient, &divides])
}

/// `value`, or its negative where `sign`, the same at all positions, is set; `W` bits.
#[inline(always)]
pub fn negate_if<D: Domain, const W: u32>(
    d: &mut D,
    value: &D::Plane,
    sign: &D::Plane,
) -> D::Plane {
    let complement = d.bit(CellId::Xor, [value, sign]);
    let (zero, one) = (d.constant(0), d.keep(1, sign));
    let sum = add::<D, W>(d, &complement, &zero, Some(&one));
    d.keep(low(W), &sum.sum)
}

/// Signed quotient of `W`-bit numbers, rounded towards zero; zero when `b` is.
#[inline(always)]
pub fn quotient_signed<D: Domain, const W: u32>(d: &mut D, a: &D::Plane, b: &D::Plane) -> D::Plane {
    let (sign_a, sign_b) = (d.spread(a, W - 1), d.spread(b, W - 1));
    let (a, b) = (negate_if::<D, W>(d, a, &sign_a), negate_if::<D, W>(d, b, &sign_b));
    let magnitude = quotient::<D, W>(d, &a, &b);
    let sign = d.bit(CellId::Xor, [&sign_a, &sign_b]);
    negate_if::<D, W>(d, &magnitude, &sign)
}
