//! Comparison: bits compared side by side, and the results combined in a tree.

use crate::adder::any;
use crate::cell::CellId;
use crate::domain::Domain;

/// Whether `a` is less than `b`, unsigned, in position 0.
#[inline(always)]
pub fn less<D: Domain, const W: u32>(d: &mut D, a: &D::Plane, b: &D::Plane) -> D::Plane {
    // A block is less where its upper half is, or where that is equal and its lower half is less: the
    // rule by which groups of carries combine.
    let [mut less, mut equal] = d.cell(CellId::Compare, [a, b]);
    let mut distance = 1;
    while distance < W {
        let (lower_less, lower_equal) = (d.up(&less, distance), d.up(&equal, distance));
        [less, equal] = d.cell(CellId::Combine, [&less, &equal, &lower_less, &lower_equal]);
        distance *= 2;
    }
    d.take(&less, W - 1)
}

/// Whether `a` is less than `b`, signed, in position 0.
#[inline(always)]
pub fn less_signed<D: Domain, const W: u32>(d: &mut D, a: &D::Plane, b: &D::Plane) -> D::Plane {
    // A set sign makes a number less, not greater: sign bits change places.
    let sign = 1 << (W - 1);
    let (first, second) = (d.splice(sign, b, a), d.splice(sign, a, b));
    less::<D, W>(d, &first, &second)
}

/// Whether `a` equals `b`, in position 0.
#[inline(always)]
pub fn equal<D: Domain, const W: u32>(d: &mut D, a: &D::Plane, b: &D::Plane) -> D::Plane {
    let differing = d.bit(CellId::Xor, [a, b]);
    let differs = any::<D, W>(d, &differing);
    let equal = d.not(&differs);
    d.take(&equal, 0)
}
