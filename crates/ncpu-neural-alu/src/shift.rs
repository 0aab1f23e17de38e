//! Shifts and rotations by attention.
//!
//! Two heads attend to eight positions each: the coarse one moves a value by a multiple of eight, the
//! fine one by less. The query of a head is three bits of the amount, the key of a position its code;
//! [`CellId::Attend`] scores all keys and gives a weight of one to the position that matches. Values
//! are the operand moved by each constant distance, and [`CellId::Mix`] gathers them by their weights.

use crate::cell::CellId;
use crate::domain::{Domain, low};

/// What follows the bits that a shift moves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// To the left; zeros follow.
    Left,
    /// To the right; zeros follow.
    Right,
    /// To the right; copies of the sign follow.
    RightSigned,
    /// To the right; what falls out follows.
    Rotate,
}

/// Moves the lowest `W` positions by a constant, below `W`.
#[inline(always)]
fn moved<D: Domain, const W: u32>(
    d: &mut D,
    kind: Kind,
    value: &D::Plane,
    sign: &D::Plane,
    by: u32,
) -> D::Plane {
    if by == 0 {
        return value.clone();
    }
    let kept = low(W - by);
    match kind {
        Kind::Left => {
            let up = d.up(value, by);
            d.keep(low(W), &up)
        }
        Kind::Right => d.down(value, by),
        Kind::RightSigned => {
            let down = d.down(value, by);
            d.splice(kept, &down, sign)
        }
        Kind::Rotate => {
            let (down, up) = (d.down(value, by), d.up(value, W - by));
            d.splice(kept, &down, &up)
        }
    }
}

/// One head: `value` moved by `unit` times the position that has weight one.
#[inline(always)]
fn head<D: Domain, const W: u32>(
    d: &mut D,
    kind: Kind,
    value: &D::Plane,
    sign: &D::Plane,
    weights: &[D::Plane; 8],
    (unit, at): (u32, u32),
) -> D::Plane {
    let mut gathered = d.constant(0);
    for (position, weight) in (0..).zip(weights) {
        if unit * position < W {
            let (weight, value) =
                (d.spread(weight, at), moved::<D, W>(d, kind, value, sign, unit * position));
            gathered = d.bit(CellId::Mix, [&gathered, &weight, &value]);
        }
    }
    gathered
}

/// The lowest `W` bits of `value` moved by the amount in the lowest bits of `amount`, modulo `W`; zeros
/// above. `W` is 8, 16, 32 or 64.
#[inline(always)]
pub fn shift<D: Domain, const W: u32>(
    d: &mut D,
    kind: Kind,
    value: &D::Plane,
    amount: &D::Plane,
) -> D::Plane {
    const COARSE: u32 = 0;
    const FINE: u32 = 32;
    let value = d.keep(low(W), value);
    let sign = d.spread(&value, W - 1);
    // Both heads have their queries in one plane.
    let queries: [D::Plane; 3] = core::array::from_fn(|bit| {
        let bit = bit as u32;
        let coarse = if 8 << bit < W { d.spread(amount, 3 + bit) } else { d.constant(0) };
        let fine = d.spread(amount, bit);
        d.splice(low(FINE), &coarse, &fine)
    });
    let [first, second, third] = &queries;
    let weights: [D::Plane; 8] = d.cell(CellId::Attend, [first, second, third]);
    let coarse = head::<D, W>(d, kind, &value, &sign, &weights, (8, COARSE));
    let fine = head::<D, W>(d, kind, &coarse, &sign, &weights, (1, FINE));
    d.keep(low(W), &fine)
}
