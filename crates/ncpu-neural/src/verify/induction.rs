//! Multiplication and division: arguments by induction, each of whose steps is checked.
//!
//! **Multiplication.** Let `b = sum_j d_j 16^j` with digits of 4 bits.
//! 1. *Rows*: for each `j`, the composition makes two rows that depend on `a` and `d_j` alone and whose
//!    sum is `a d_j 16^j` modulo 2^128 ([`digit_rows`]). So the sum of all rows is `a b`.
//! 2. *Saving*: three rows become two with the same sum modulo 2^128, or 2^64 ([`saving`]).
//! 3. *Reduction*: the tree of such steps takes each row once and leaves two with the sum of all
//!    ([`reduction`]).
//! 4. *Total*: the addition at the end is that of 128, or 64, bits ([`total`]).
//! 5. *Wiring*: that these are put together so is shown by whole products of all factors with some factors
//!    ([`products`]).
//! 6. *Sign*: the signed high half is the unsigned one less `b` if `a` is negative, and less `a` if `b`
//!    is ([`signed_high`]); for signed values `a - 2^64 s_a` and `b - 2^64 s_b` that is the product's.
//!
//! **Division.** Let `b` be not zero.
//! 1. *Start*: the remainder is 0, less than `b`.
//! 2. *Step*: if `r < b`, a step with the next bit `x` of the dividend gives `q` and `r'` with
//!    `2r + x = q b + r'` and `r' < b` ([`division_step`]). By induction over the bits from the highest,
//!    the dividend's bits so far are the quotient's times `b` plus the remainder.
//! 3. *Wiring*: that the steps take and leave bits at their places is shown by whole divisions of all
//!    dividends by some divisors ([`divisions`]), and by zero.
//! 4. *Sign*: the signed quotient is the negated one if the signs differ, of operands negated if they are
//!    negative; the negation is a theorem of its own, and whole divisions show the wiring
//!    ([`signed_divisions`]).

use super::Refuted;
use super::reference as r;
use super::reference::Logic;
use super::symbolic::{Bit, Space};
use super::theorems::{Theorem, same};
use ncpu_neural_alu::divide;
use ncpu_neural_alu::multiply::{self, CarrySave, MAX_ROWS, Rows, Wide};
use std::collections::BTreeMap;

/// The steps.
pub(super) const STEPS: &[Theorem] = &[
    Theorem {
        name: "mul: rows",
        statement: "for each digit d_j of b, two rows with the sum a d_j 16^j modulo 2^128",
        prove: digit_rows,
    },
    Theorem {
        name: "mul: saving",
        statement: "three rows become two with the same sum, modulo 2^64 and 2^128",
        prove: saving,
    },
    Theorem {
        name: "mul: reduction",
        statement: "the tree leaves two rows with the sum of all",
        prove: reduction,
    },
    Theorem {
        name: "mul: total",
        statement: "the sum of two rows, modulo 2^64 and 2^128",
        prove: total,
    },
    Theorem {
        name: "mul: sign",
        statement: "high half less (a < 0 ? b : 0) less (b < 0 ? a : 0) modulo 2^64",
        prove: signed_high,
    },
    Theorem {
        name: "mul: whole",
        statement: "a b modulo 2^128 for all a and b in 0, 1, 10, 15 2^28, 2^32, 2^63",
        prove: products,
    },
    Theorem {
        name: "div: step",
        statement: "r < b implies 2r + x = q b + r' and r' < b",
        prove: division_step,
    },
    Theorem {
        name: "div: whole",
        statement: "a / b for all a and b in 0, 1, 3, 10, 2^32, 2^63, 2^64 - 1; a / 0 = 0",
        prove: divisions,
    },
    Theorem {
        name: "sdiv: whole",
        statement: "a / b, signed, for all a and b in 0, 1, -1, 3, -10, -2^63",
        prove: signed_divisions,
    },
];

/// 128 bits of two planes.
fn flat(row: &Wide<Vec<Bit>>) -> Vec<Bit> {
    row.iter().flatten().cloned().collect()
}

fn digit_rows(name: &'static str) -> Result<(), Refuted> {
    let space = Space::new(&[("a", 64), ("b", 64)]);
    let (rows, count) =
        multiply::digit_rows::<_, 64>(&mut &space, &space.plane(0, 0), &space.plane(1, 0));
    let refuted = |why: String| Refuted::Operation { name, bit: 0, operands: why };
    if count != 32 {
        return Err(refuted(format!("{count} rows, not 32")));
    }
    let wide = |bits: Vec<Bit>| -> Vec<Bit> {
        bits.into_iter().chain(std::iter::repeat_n(space.value(false), 64)).collect()
    };
    let a = wide(space.bits(0));
    for value in 0..16u64 {
        let product = r::times(&space, &a, value.into());
        let mut first: Option<[Vec<Bit>; 2]> = None;
        for digit in 0..16 {
            // With the digit fixed, nothing but `a` is left in its rows.
            let known: Vec<_> = (0..4)
                .map(|bit| (space.variable(1, 4 * digit + bit), value >> bit & 1 == 1))
                .collect();
            let fixed = [2 * digit, 2 * digit + 1].map(|row| -> Vec<Bit> {
                flat(&rows[row]).iter().map(|bit| bit.restrict(&known).into()).collect()
            });
            for row in &fixed {
                let support = row.iter().flat_map(|bit| bit.support_set());
                let factor: Vec<_> = (0..64).map(|bit| space.variable(0, bit)).collect();
                if let Some(foreign) = support.into_iter().find(|v| !factor.contains(v)) {
                    return Err(refuted(format!("rows of digit {digit} depend on {foreign}")));
                }
            }
            // The rows of a digit are those of the first, in their place.
            match &first {
                Some(first) => {
                    for (own, first) in fixed.iter().zip(first) {
                        let moved = r::left(&space, first, 4 * digit);
                        same(name, &space, &space.value(true), own, &moved)?;
                    }
                }
                None => {
                    let (sum, _) = r::add(&space, &fixed[0], &fixed[1], &space.value(false));
                    same(name, &space, &space.value(true), &sum, &product)?;
                    first = Some(fixed);
                }
            }
        }
    }
    Ok(())
}

fn saving(name: &'static str) -> Result<(), Refuted> {
    let space = Space::new(&[("x", 128), ("y", 128), ("z", 128)]);
    let rows = [0, 1, 2].map(|row| [space.plane(row, 0), space.plane(row, 64)]);
    let bits = [0, 1, 2].map(|row| space.bits(row));
    let zero = space.value(false);
    let sum = |numbers: &[&[Bit]]| {
        numbers[1..]
            .iter()
            .fold(numbers[0].to_vec(), |sum, next| r::add(&space, &sum, next, &zero).0)
    };
    let expected = sum(&[&bits[0], &bits[1], &bits[2]]);
    let [x, y, z] = &rows;
    let mut domain = &space;
    let [a, b] = Rows::<_, true>(&mut domain).save([x, y, z]);
    same(name, &space, &space.value(true), &sum(&[&flat(&a), &flat(&b)]), &expected)?;
    let [a, b] = Rows::<_, false>(&mut domain).save([x, y, z]);
    let found = sum(&[&a[0], &b[0]]);
    same(name, &space, &space.value(true), &found, &expected[..64])
}

/// Rows as sums of rows that are not known further.
struct Ledger {
    unknowns: usize,
}

/// How often each unknown is in a row.
type Entry = BTreeMap<usize, i64>;

impl CarrySave for Ledger {
    type Row = Entry;

    fn save(&mut self, rows: [&Entry; 3]) -> [Entry; 2] {
        // One is new, and the other what is left of the sum: that is all that is known.
        let new = Entry::from([(self.unknowns, 1)]);
        self.unknowns += 1;
        let rest = rows.into_iter().fold(Entry::new(), |sum, row| plus(sum, row, 1));
        [plus(rest, &new, -1), new]
    }
}

fn plus(mut sum: Entry, other: &Entry, times: i64) -> Entry {
    for (&unknown, &count) in other {
        *sum.entry(unknown).or_default() += times * count;
    }
    sum.retain(|_, count| *count != 0);
    sum
}

fn reduction(name: &'static str) -> Result<(), Refuted> {
    for count in 2..=MAX_ROWS {
        let mut rows: [Entry; MAX_ROWS] = std::array::from_fn(|row| Entry::from([(row, 1)]));
        let [a, b] = multiply::reduce(&mut Ledger { unknowns: MAX_ROWS }, &mut rows, count);
        let all: Entry = (0..count).map(|row| (row, 1)).collect();
        if plus(a, &b, 1) != all {
            let operands = format!("{count} rows lose or repeat some");
            return Err(Refuted::Operation { name, bit: 0, operands });
        }
    }
    Ok(())
}

fn total(name: &'static str) -> Result<(), Refuted> {
    let space = Space::new(&[("x", 128), ("y", 128)]);
    let [x, y] = [0, 1].map(|row| [space.plane(row, 0), space.plane(row, 64)]);
    let (expected, _) = r::add(&space, &space.bits(0), &space.bits(1), &space.value(false));
    let found = flat(&multiply::total::<_, true>(&mut &space, &x, &y));
    same(name, &space, &space.value(true), &found, &expected)?;
    let [found, _] = multiply::total::<_, false>(&mut &space, &x, &y);
    same(name, &space, &space.value(true), &found, &expected[..64])
}

fn signed_high(name: &'static str) -> Result<(), Refuted> {
    let space = Space::new(&[("h", 64), ("a", 64), ("b", 64)]);
    let [h, a, b] = [0, 1, 2].map(|operand| space.bits(operand));
    let found = multiply::signed_high::<_, 64>(&mut &space, &h, &a, &b);
    let once = r::subtract(&space, &h, &r::only_if(&space, &b, &a[63]));
    let expected = r::subtract(&space, &once, &r::only_if(&space, &a, &b[63]));
    same(name, &space, &space.value(true), &found, &expected)
}

fn division_step(name: &'static str) -> Result<(), Refuted> {
    let space = Space::new(&[("r", 64), ("b", 64), ("x", 1)]);
    let (remainder, divisor, bit) = (space.bits(0), space.bits(1), space.plane(2, 0));
    let complement = r::complement(&space, &divisor);
    let [fits, next] = divide::step::<_, 64>(&mut &space, &space.plane(0, 0), &complement, &bit);
    let assuming = r::less(&space, &remainder, &divisor);
    let fits = &fits[63];
    // Of 65 bits, so that nothing is lost.
    let long =
        |bits: &[Bit]| -> Vec<Bit> { bits.iter().cloned().chain([space.value(false)]).collect() };
    let moved: Vec<Bit> = [bit[0].clone()].into_iter().chain(remainder).collect();
    let taken = r::only_if(&space, &long(&divisor), fits);
    let (sum, _) = r::add(&space, &taken, &long(&next), &space.value(false));
    same(name, &space, &assuming, &sum, &moved)?;
    let holds = r::less(&space, &next, &divisor);
    same(name, &space, &assuming, &[holds], &[space.value(true)])
}

/// The bits of a constant.
fn constant(space: &Space, value: u64) -> Vec<Bit> {
    (0..64).map(|i| space.value(value >> i & 1 == 1)).collect()
}

fn products(name: &'static str) -> Result<(), Refuted> {
    let space = Space::new(&[("a", 64)]);
    let a = space.plane(0, 0);
    let wide = flat(&[a.clone(), constant(&space, 0)]);
    // Factors with digits far apart add bits of `a` that are far apart, whose diagrams are too large.
    for factor in [0, 1, 10, 15 << 28, 1 << 32, 1 << 63] {
        let b = constant(&space, factor);
        let expected = r::times(&space, &wide, factor.into());
        let found = flat(&multiply::product::<_, 64, true>(&mut &space, &a, &b));
        same(name, &space, &space.value(true), &found, &expected)?;
        let [found, _] = multiply::product::<_, 64, false>(&mut &space, &a, &b);
        same(name, &space, &space.value(true), &found, &expected[..64])?;
    }
    Ok(())
}

fn signed_divisions(name: &'static str) -> Result<(), Refuted> {
    let space = Space::new(&[("a", 64)]);
    let a = space.bits(0);
    let magnitude = r::negated_if(&space, &a, &a[63]);
    for divisor in [0, 1, -1, 3, -10, i64::MIN] {
        let b = constant(&space, divisor as u64);
        let found = divide::quotient_signed::<_, 64>(&mut &space, &a, &b);
        let expected = if divisor == 0 {
            b
        } else {
            let divisor_bits = constant(&space, divisor.unsigned_abs());
            let (quotient, _) = r::divided(&space, &magnitude, &divisor_bits);
            r::negated_if(&space, &quotient, &space.xor(&a[63], &b[63]))
        };
        same(name, &space, &space.value(true), &found, &expected)?;
    }
    Ok(())
}

fn divisions(name: &'static str) -> Result<(), Refuted> {
    let space = Space::new(&[("a", 64)]);
    let a = space.bits(0);
    for divisor in [0, 1, 3, 10, 1 << 32, 1 << 63, u64::MAX] {
        let divisor_bits = constant(&space, divisor);
        let found = divide::quotient::<_, 64>(&mut &space, &a, &divisor_bits);
        let expected = if divisor == 0 {
            constant(&space, 0)
        } else {
            r::divided(&space, &a, &divisor_bits).0
        };
        same(name, &space, &space.value(true), &found, &expected)?;
    }
    Ok(())
}
