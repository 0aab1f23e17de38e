//! Addition: a parallel prefix adder (Kogge and Stone 1973) and the flags of its sum.

use crate::cell::CellId;
use crate::domain::{Domain, gather, low};

/// What an addition gives.
pub struct Sum<P> {
    /// The sum; positions beyond the width are of no meaning.
    pub sum: P,
    /// The carry out of each position.
    pub carries: P,
}

/// `a + b`, and one more if `carry` has position 0 set. Other positions of `carry` are clear.
#[inline(always)]
pub fn add<D: Domain, const W: u32>(
    d: &mut D,
    a: &D::Plane,
    b: &D::Plane,
    carry: Option<&D::Plane>,
) -> Sum<D::Plane> {
    let [generate, propagate] = d.cell(CellId::HalfAdder, [a, b]);
    let (mut g, mut p) = (generate, propagate.clone());
    if let Some(carry) = carry {
        // The carry is a group below position 0. Above it, there is nothing to add.
        let ones = d.constant(u64::MAX);
        [g, p] = d.cell(CellId::Combine, [&g, &p, carry, &ones]);
    }
    let mut distance = 1;
    while distance < W {
        let (lower_g, lower_p) = (d.up(&g, distance), d.up(&p, distance));
        [g, p] = d.cell(CellId::Combine, [&g, &p, &lower_g, &lower_p]);
        distance *= 2;
    }
    let mut carried = d.up(&g, 1);
    if let Some(carry) = carry {
        carried = d.splice(1, carry, &carried);
    }
    let sum = d.bit(CellId::Xor, [&propagate, &carried]);
    Sum { sum, carries: g }
}

/// `a - b`: the sum with the complement and one. A carry out of the top says that there was no borrow.
#[inline(always)]
pub fn subtract<D: Domain, const W: u32>(d: &mut D, a: &D::Plane, b: &D::Plane) -> Sum<D::Plane> {
    let complement = d.not(b);
    let one = d.constant(1);
    add::<D, W>(d, a, &complement, Some(&one))
}

/// Whether any of the lowest `W` positions is set, in position 0.
#[inline(always)]
pub fn any<D: Domain, const W: u32>(d: &mut D, plane: &D::Plane) -> D::Plane {
    let mut any = plane.clone();
    let mut distance = W / 2;
    while distance > 0 {
        let upper = d.down(&any, distance);
        any = d.bit(CellId::Or, [&any, &upper]);
        distance /= 2;
    }
    any
}

/// N, Z, C and V of a sum, in positions 3 to 0.
#[inline(always)]
pub fn flags<D: Domain, const W: u32>(d: &mut D, sum: &Sum<D::Plane>) -> D::Plane {
    let any = any::<D, W>(d, &sum.sum);
    let zero = d.not(&any);
    let below = d.up(&sum.carries, 1);
    let overflow = d.bit(CellId::Xor, [&sum.carries, &below]);
    gather(d, [(&overflow, W - 1), (&sum.carries, W - 1), (&zero, 0), (&sum.sum, W - 1)])
}

/// Sum of `W` bits, and its flags.
#[inline(always)]
pub fn add_with_flags<D: Domain, const W: u32>(
    d: &mut D,
    a: &D::Plane,
    b: &D::Plane,
    carry: &D::Plane,
) -> [D::Plane; 2] {
    let sum = add::<D, W>(d, a, b, Some(carry));
    let flags = flags::<D, W>(d, &sum);
    [d.keep(low(W), &sum.sum), flags]
}
