//! Counting: leading zeros by a tree of priority steps, ones by a tree of adders.

use crate::cell::CellId;
use crate::domain::{Domain, gather};

/// Number of zeros above the highest one of the lowest `W` bits; `W` for none. `W` is a power of two
/// from 4 to 64.
#[inline(always)]
pub fn leading_zeros<D: Domain, const W: u32>(d: &mut D, value: &D::Plane) -> D::Plane {
    // Of each block, in its highest position: whether it has a one, and the bits of how many zeros are
    // above it.
    let mut any = value.clone();
    let mut count: [D::Plane; 6] = core::array::from_fn(|_| d.constant(0));
    let mut bits = 0;
    while 1 << bits < W {
        let half = 1 << bits;
        let upper = any;
        let lower = d.up(&upper, half);
        let [either, skip] = d.cell(CellId::Priority, [&upper, &lower]);
        for bit in &mut count[..bits as usize] {
            let lower = d.up(bit, half);
            *bit = d.bit(CellId::Select, [&upper, bit, &lower]);
        }
        count[bits as usize] = skip;
        any = either;
        bits += 1;
    }
    // Without a one, the bits above are all set, and should be one more.
    let count = count.map(|bit| d.bit(CellId::And, [&bit, &any]));
    let none = d.not(&any);
    let [b0, b1, b2, b3, b4, b5] = &count;
    let all = gather(d, [b0, b1, b2, b3, b4, b5].map(|bit| (bit, W - 1)));
    let moved = d.down(&none, W - 1 - bits);
    d.splice(1 << bits, &moved, &all)
}

/// Number of ones among the lowest `W` bits. `W` is a power of two, at most 64.
#[inline(always)]
pub fn ones<D: Domain, const W: u32>(d: &mut D, value: &D::Plane) -> D::Plane {
    // Of each block, in its lowest position: the bits of its number of ones. Adjacent blocks are added
    // bit by bit.
    let zero = d.constant(0);
    let mut count: [D::Plane; 7] = core::array::from_fn(|_| zero.clone());
    count[0] = value.clone();
    let mut bits = 0;
    while 1 << bits < W {
        let mut carry = zero.clone();
        for bit in &mut count[..=bits as usize] {
            let upper = d.down(bit, 1 << bits);
            let [out, sum] = d.cell(CellId::FullAdder, [bit, &upper, &carry]);
            (*bit, carry) = (sum, out);
        }
        bits += 1;
        count[bits as usize] = carry;
    }
    let [b0, b1, b2, b3, b4, b5, b6] = &count;
    gather(d, [b0, b1, b2, b3, b4, b5, b6].map(|bit| (bit, 0)))
}
