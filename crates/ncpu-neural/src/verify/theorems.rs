//! Operations that are proved equal to their references outright, as decision diagrams.

use super::Refuted;
use super::reference as r;
use super::reference::Logic;
use super::symbolic::{Bit, Plane, Space};
use ncpu_neural_alu::domain::Domain;
use ncpu_neural_alu::shift::{Kind, shift};
use ncpu_neural_alu::{CellId, adder, compare, count, divide};

/// A theorem and its proof.
pub(super) struct Theorem {
    /// The operation.
    pub(super) name: &'static str,
    /// What holds.
    pub(super) statement: &'static str,
    /// Checks it.
    pub(super) prove: fn(&'static str) -> Result<(), Refuted>,
}

/// Sees that two numbers are the same for all operands that `assuming` admits.
pub(super) fn same(
    name: &'static str,
    space: &Space,
    assuming: &Bit,
    found: &[Bit],
    expected: &[Bit],
) -> Result<(), Refuted> {
    if found.len() != expected.len() {
        let why = format!("{} bits, not {}", found.len(), expected.len());
        return Err(Refuted::Operation { name, bit: 0, operands: why });
    }
    for (bit, (found, expected)) in found.iter().zip(expected).enumerate() {
        if let Some(valuation) = found.xor(expected).and(assuming).sat_witness() {
            return Err(Refuted::Operation { name, bit, operands: space.describe(&valuation) });
        }
    }
    Ok(())
}

/// As [`same`], for all operands.
fn always(
    name: &'static str,
    space: &Space,
    found: &[Bit],
    expected: &[Bit],
) -> Result<(), Refuted> {
    same(name, space, &space.value(true), found, expected)
}

/// A result of some bits in a plane whose other positions are clear.
fn padded(space: &Space, mut bits: Vec<Bit>) -> Plane {
    bits.resize(64, space.value(false));
    bits
}

const PAIR: [(&str, u32); 2] = [("a", 64), ("b", 64)];

/// All of them.
pub(super) const THEOREMS: &[Theorem] = &[
    Theorem {
        name: "and",
        statement: "a & b",
        prove: |name| logic(name, CellId::And, |s, a, b| s.and(a, b)),
    },
    Theorem {
        name: "or",
        statement: "a | b",
        prove: |name| logic(name, CellId::Or, |s, a, b| s.or(a, b)),
    },
    Theorem {
        name: "xor",
        statement: "a ^ b",
        prove: |name| logic(name, CellId::Xor, |s, a, b| s.xor(a, b)),
    },
    Theorem {
        name: "not",
        statement: "!a",
        prove: |name| logic(name, CellId::NotA, |s, a, _| s.not(a)),
    },
    Theorem { name: "add", statement: "a + b modulo 2^64", prove: add },
    Theorem { name: "sub", statement: "a - b modulo 2^64", prove: sub },
    Theorem {
        name: "add_with_carry",
        statement: "a + b + carry modulo 2^64, and N, Z, C, V",
        prove: add_with_carry::<64>,
    },
    Theorem {
        name: "add_with_carry32",
        statement: "a + b + carry modulo 2^32, and N, Z, C, V",
        prove: add_with_carry::<32>,
    },
    Theorem {
        name: "eq",
        statement: "a == b",
        prove: |name| comparison(name, |d, a, b| compare::equal::<_, 64>(d, a, b), r::equal),
    },
    Theorem {
        name: "ltu",
        statement: "a < b, unsigned",
        prove: |name| comparison(name, |d, a, b| compare::less::<_, 64>(d, a, b), r::less),
    },
    Theorem {
        name: "lts",
        statement: "a < b, signed",
        prove: |name| {
            comparison(name, |d, a, b| compare::less_signed::<_, 64>(d, a, b), r::less_signed)
        },
    },
    Theorem {
        name: "shl",
        statement: "a << n % 64, for each n % 64",
        prove: |name| shifts::<64>(name, Kind::Left),
    },
    Theorem {
        name: "lshr",
        statement: "a >> n % 64, for each n % 64",
        prove: |name| shifts::<64>(name, Kind::Right),
    },
    Theorem {
        name: "ashr",
        statement: "a >> n % 64 with copies of the sign, for each n % 64",
        prove: |name| shifts::<64>(name, Kind::RightSigned),
    },
    Theorem {
        name: "ror",
        statement: "a rotated right by n % 64, for each n % 64",
        prove: |name| shifts::<64>(name, Kind::Rotate),
    },
    Theorem {
        name: "ror32",
        statement: "32 bits rotated right by n % 32, for each n % 32",
        prove: |name| shifts::<32>(name, Kind::Rotate),
    },
    Theorem { name: "clz", statement: "number of leading zeros; 64 for 0", prove: leading_zeros },
    Theorem { name: "popcount", statement: "number of ones", prove: ones },
    Theorem { name: "rbit", statement: "bits in reverse order", prove: reversed },
    Theorem { name: "negation", statement: "s ? -a : a modulo 2^64", prove: negation },
];

fn logic(
    name: &'static str,
    cell: CellId,
    reference: fn(&Space, &Bit, &Bit) -> Bit,
) -> Result<(), Refuted> {
    let space = Space::new(&PAIR);
    let (a, b) = (space.plane(0, 0), space.plane(1, 0));
    let [found] = (&space).cell(cell, [&a, &b]);
    let expected: Vec<Bit> = a.iter().zip(&b).map(|(a, b)| reference(&space, a, b)).collect();
    always(name, &space, &found, &expected)
}

fn add(name: &'static str) -> Result<(), Refuted> {
    let space = Space::new(&PAIR);
    let found = adder::add::<_, 64>(&mut &space, &space.plane(0, 0), &space.plane(1, 0), None);
    let (expected, _) = r::add(&space, &space.bits(0), &space.bits(1), &space.value(false));
    always(name, &space, &found.sum, &expected)
}

fn sub(name: &'static str) -> Result<(), Refuted> {
    let space = Space::new(&PAIR);
    let found = adder::subtract::<_, 64>(&mut &space, &space.plane(0, 0), &space.plane(1, 0));
    always(name, &space, &found.sum, &r::subtract(&space, &space.bits(0), &space.bits(1)))
}

fn add_with_carry<const W: u32>(name: &'static str) -> Result<(), Refuted> {
    // Bits of the operands beyond the width must not matter: they are variables too.
    let space = Space::new(&[("a", 64), ("b", 64), ("carry", 1)]);
    let (a, b, carry) = (space.bits(0), space.bits(1), space.bit(2, 0));
    let (planes, carry_plane) = ((space.plane(0, 0), space.plane(1, 0)), space.plane(2, 0));
    let [sum, flags] =
        adder::add_with_flags::<_, W>(&mut &space, &planes.0, &planes.1, &carry_plane);
    let (a, b) = (&a[..W as usize], &b[..W as usize]);
    let (expected, out) = r::add(&space, a, b, &carry);
    let expected_flags = r::flags(&space, (a, b), (&expected, &out));
    always(name, &space, &flags, &padded(&space, expected_flags))?;
    always(name, &space, &sum, &padded(&space, expected))
}

fn comparison(
    name: &'static str,
    composed: fn(&mut &Space, &Plane, &Plane) -> Plane,
    reference: fn(&Space, &[Bit], &[Bit]) -> Bit,
) -> Result<(), Refuted> {
    let space = Space::new(&PAIR);
    let found = composed(&mut &space, &space.plane(0, 0), &space.plane(1, 0));
    let expected = reference(&space, &space.bits(0), &space.bits(1));
    always(name, &space, &found, &padded(&space, vec![expected]))
}

fn shifts<const W: u32>(name: &'static str, kind: Kind) -> Result<(), Refuted> {
    let space = Space::new(&[("a", 64), ("n", 64)]);
    let value = &space.bits(0)[..W as usize];
    for by in 0..W as usize {
        // The amount's other bits must not matter.
        let mut amount = space.plane(1, 0);
        for (bit, place) in amount[..W.ilog2() as usize].iter_mut().enumerate() {
            *place = space.value(by >> bit & 1 == 1);
        }
        let found = shift::<_, W>(&mut &space, kind, &space.plane(0, 0), &amount);
        let expected = match kind {
            Kind::Left => r::left(&space, value, by),
            Kind::Right => r::right::<Space>(value, by, &space.value(false)),
            Kind::RightSigned => r::right::<Space>(value, by, &value[W as usize - 1]),
            Kind::Rotate => r::rotated::<Space>(value, by),
        };
        always(name, &space, &found, &padded(&space, expected))?;
    }
    Ok(())
}

fn leading_zeros(name: &'static str) -> Result<(), Refuted> {
    let space = Space::new(&[("a", 64)]);
    let found = count::leading_zeros::<_, 64>(&mut &space, &space.plane(0, 0));
    always(name, &space, &found, &r::leading_zeros(&space, &space.bits(0), 64))
}

fn ones(name: &'static str) -> Result<(), Refuted> {
    let space = Space::new(&[("a", 64)]);
    let found = count::ones::<_, 64>(&mut &space, &space.plane(0, 0));
    always(name, &space, &found, &r::ones(&space, &space.bits(0), 64))
}

fn reversed(name: &'static str) -> Result<(), Refuted> {
    let space = Space::new(&[("a", 64)]);
    let found = (&space).reverse(&space.plane(0, 0));
    let expected: Vec<Bit> = (0..64).map(|bit| space.bit(0, 63 - bit)).collect();
    always(name, &space, &found, &expected)
}

fn negation(name: &'static str) -> Result<(), Refuted> {
    let space = Space::new(&[("a", 64), ("s", 1)]);
    let sign = space.bit(1, 0);
    let found =
        divide::negate_if::<_, 64>(&mut &space, &space.plane(0, 0), &vec![sign.clone(); 64]);
    always(name, &space, &found, &r::negated_if(&space, &space.bits(0), &sign))
}

#[cfg(test)]
mod tests {
    use super::super::reference as r;
    use super::super::reference::Logic;
    use super::super::symbolic::Space;
    use super::{PAIR, Refuted, always, same};
    use ncpu_neural_alu::domain::Domain;
    use ncpu_neural_alu::{CellId, adder};

    #[test]
    fn an_adder_without_its_last_level_is_refuted_with_operands() {
        let space = Space::new(&PAIR);
        let (a, b) = (space.plane(0, 0), space.plane(1, 0));
        // Carries of a 32-bit adder reach no further than 32 positions.
        let found = adder::add::<_, 32>(&mut &space, &a, &b, None);
        let (expected, _) = r::add(&space, &space.bits(0), &space.bits(1), &space.value(false));
        let refuted = always("add", &space, &found.sum, &expected);
        let Err(Refuted::Operation { name: "add", bit: 33, operands }) = refuted else {
            panic!("{refuted:?}");
        };
        assert!(operands.starts_with("a = 0x") && operands.contains(", b = 0x"), "{operands}");
    }

    #[test]
    fn a_wrong_cell_is_refuted() {
        let space = Space::new(&PAIR);
        let (a, b) = (space.plane(0, 0), space.plane(1, 0));
        let [found] = (&space).cell(CellId::Xor, [&a, &b]);
        let expected: Vec<_> = a.iter().zip(&b).map(|(a, b)| space.or(a, b)).collect();
        assert!(always("or", &space, &found, &expected).is_err());
    }

    #[test]
    fn what_holds_only_for_some_operands_needs_the_assumption() {
        let space = Space::new(&PAIR);
        let (a, b) = (space.bits(0), space.bits(1));
        let less = r::less(&space, &a, &b);
        let differs = space.not(&r::equal(&space, &a, &b));
        let yes = [space.value(true)];
        assert!(same("differs", &space, &less, std::slice::from_ref(&differs), &yes).is_ok());
        assert!(always("differs", &space, &[differs], &yes).is_err());
    }
}
