//! Multiplication: products of digits, rows added without carrying, and one addition at the end.

use crate::adder::{add, subtract};
use crate::cell::CellId;
use crate::domain::{Domain, low};

/// Bits of a digit.
const DIGIT: u32 = 4;
/// Digits of one factor that are multiplied at a time with all of the other.
const GROUP: u32 = 4;
/// The lowest position of each digit.
const FIRSTS: u64 = 0x1111_1111_1111_1111;
/// Most rows of a product.
pub const MAX_ROWS: usize = 32;

/// A number of 128 bits: its low and its high half.
pub type Wide<P> = [P; 2];

/// Adds rows without carrying: three become two with the same sum.
pub trait CarrySave {
    /// A number.
    type Row: Clone;

    /// Two numbers with the sum of three.
    fn save(&mut self, rows: [&Self::Row; 3]) -> [Self::Row; 2];
}

/// Rows as planes of a domain, modulo 2^128; modulo 2^64 without `HIGH`.
pub struct Rows<'d, D, const HIGH: bool>(pub &'d mut D);

impl<D: Domain, const HIGH: bool> CarrySave for Rows<'_, D, HIGH> {
    type Row = Wide<D::Plane>;

    #[inline(always)]
    fn save(&mut self, rows: [&Self::Row; 3]) -> [Self::Row; 2] {
        let d = &mut *self.0;
        let [carries, sum] = d.cell(CellId::FullAdder, rows.map(|row| &row[0]));
        let low = d.up(&carries, 1);
        if !HIGH {
            let none = d.constant(0);
            return [[sum, none.clone()], [low, none]];
        }
        let [upper_carries, upper_sum] = d.cell(CellId::FullAdder, rows.map(|row| &row[1]));
        let (up, across) = (d.up(&upper_carries, 1), d.down(&carries, 63));
        let high = d.splice(1, &across, &up);
        [[sum, upper_sum], [low, high]]
    }
}

/// Reduces the first `count` rows to two with the same sum, a layer of threes at a time.
#[inline(always)]
pub fn reduce<C: CarrySave>(
    c: &mut C,
    rows: &mut [C::Row; MAX_ROWS],
    mut count: usize,
) -> [C::Row; 2] {
    while count > 2 {
        let (mut from, mut to) = (0, 0);
        while from + 3 <= count {
            let [sum, carries] = c.save([&rows[from], &rows[from + 1], &rows[from + 2]]);
            (rows[to], rows[to + 1]) = (sum, carries);
            (from, to) = (from + 3, to + 2);
        }
        while from < count {
            rows[to] = rows[from].clone();
            (from, to) = (from + 1, to + 1);
        }
        count = to;
    }
    [rows[0].clone(), rows[1].clone()]
}

/// Moves a row of 64 positions up into 128.
#[inline(always)]
fn placed<D: Domain>(d: &mut D, row: D::Plane, by: u32) -> Wide<D::Plane> {
    if by == 0 {
        return [row, d.constant(0)];
    }
    if by == 64 {
        return [d.constant(0), row];
    }
    [d.up(&row, by), d.down(&row, 64 - by)]
}

/// Rows whose sum is the product of `W`-bit numbers, `W` a multiple of 8, and their number: for each
/// digit of `b` from the lowest, the low and the high digits of its products with the digits of `a`.
/// Positions of the operands beyond `W` are clear.
#[inline(always)]
pub fn digit_rows<D: Domain, const W: u32>(
    d: &mut D,
    a: &D::Plane,
    b: &D::Plane,
) -> ([Wide<D::Plane>; MAX_ROWS], usize) {
    let zero = d.constant(0);
    let mut rows: [Wide<D::Plane>; MAX_ROWS] =
        core::array::from_fn(|_| [zero.clone(), zero.clone()]);
    let mut count = 0;
    // The product of digit i of `a` with digit j of a group is computed at position 4i + j.
    let bits_a: [D::Plane; 4] = core::array::from_fn(|bit| {
        let down = d.down(a, bit as u32);
        let mut all = d.keep(FIRSTS, &down);
        for offset in [1, 2] {
            let up = d.up(&all, offset);
            all = d.splice((FIRSTS << offset) | (FIRSTS << (2 * offset - 1)), &up, &all);
        }
        all
    });
    for group in 0..W.div_ceil(DIGIT * GROUP) {
        let bits_b: [D::Plane; 4] = core::array::from_fn(|bit| {
            let mut all = d.constant(0);
            for digit in 0..GROUP {
                let bit = d.spread(b, DIGIT * (GROUP * group + digit) + bit as u32);
                all = d.splice(FIRSTS << digit, &bit, &all);
            }
            all
        });
        let ([a0, a1, a2, a3], [b0, b1, b2, b3]) = (&bits_a, &bits_b);
        let product: [D::Plane; 8] = d.cell(CellId::Multiply, [a0, a1, a2, a3, b0, b1, b2, b3]);
        for digit in 0..GROUP {
            for half in [0, DIGIT] {
                let mut row = d.constant(0);
                for bit in 0..DIGIT {
                    let plane = &product[(7 - half - bit) as usize];
                    let moved = if bit < digit {
                        d.down(plane, digit - bit)
                    } else {
                        d.up(plane, bit - digit)
                    };
                    row = d.splice(FIRSTS << bit, &moved, &row);
                }
                rows[count] = placed(d, row, DIGIT * (GROUP * group + digit) + half);
                count += 1;
            }
        }
    }
    (rows, count)
}

/// The product of `W`-bit numbers, `W` a multiple of 8: its low 64 bits and, with `HIGH`, those above.
/// Positions of the operands beyond `W` are clear.
#[inline(always)]
pub fn product<D: Domain, const W: u32, const HIGH: bool>(
    d: &mut D,
    a: &D::Plane,
    b: &D::Plane,
) -> Wide<D::Plane> {
    let (mut rows, count) = digit_rows::<D, W>(d, a, b);
    let [first, second] = reduce(&mut Rows::<D, HIGH>(d), &mut rows, count);
    total::<D, HIGH>(d, &first, &second)
}

/// The sum of two rows.
#[inline(always)]
pub fn total<D: Domain, const HIGH: bool>(
    d: &mut D,
    first: &Wide<D::Plane>,
    second: &Wide<D::Plane>,
) -> Wide<D::Plane> {
    let lower = add::<D, 64>(d, &first[0], &second[0], None);
    if !HIGH {
        return [lower.sum, d.constant(0)];
    }
    let carry = d.take(&lower.carries, 63);
    let upper = add::<D, 64>(d, &first[1], &second[1], Some(&carry));
    [lower.sum, upper.sum]
}

/// The high half of a signed product, from that of the unsigned one: less `b` if `a` is negative, and
/// less `a` if `b` is.
#[inline(always)]
pub fn signed_high<D: Domain, const W: u32>(
    d: &mut D,
    high: &D::Plane,
    a: &D::Plane,
    b: &D::Plane,
) -> D::Plane {
    let (sign_a, sign_b) = (d.spread(a, W - 1), d.spread(b, W - 1));
    let (less_b, less_a) = (d.bit(CellId::And, [&sign_a, b]), d.bit(CellId::And, [&sign_b, a]));
    let once = subtract::<D, W>(d, high, &less_b);
    let twice = subtract::<D, W>(d, &once.sum, &less_a);
    d.keep(low(W), &twice.sum)
}
