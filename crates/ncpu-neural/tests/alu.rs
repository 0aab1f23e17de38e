//! Every operation of the neural ALU beside the native one, on operands that are likely to be wrong.

mod support;

use ncpu_alu::{Alu, NativeAlu};
use ncpu_neural_alu::{Cells, NeuralAlu, Operation};
use proptest::prelude::*;
use std::sync::LazyLock;

static CELLS: LazyLock<Box<Cells>> = LazyLock::new(support::cells);

/// Corner cases, numbers of every length, and their complements.
fn operand() -> impl Strategy<Value = u64> {
    let corner = prop::sample::select(vec![
        0,
        1,
        2,
        0x7fff_ffff,
        0x8000_0000,
        0xffff_ffff,
        1 << 32,
        i64::MAX as u64,
        1 << 63,
        u64::MAX,
    ]);
    let long = (any::<u64>(), 0..64u32).prop_map(|(bits, by)| bits >> by);
    prop_oneof![corner, long.clone(), long.prop_map(|bits| !bits)]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn words_are_equal(a in operand(), b in operand()) {
        let (ours, native) = (&NeuralAlu::new(&CELLS), &NativeAlu);
        macro_rules! equal {
            ($($name:ident($($operand:expr),*);)*) => {$(
                prop_assert_eq!(
                    Alu::$name(ours, $($operand),*),
                    Alu::$name(native, $($operand),*),
                    "{}",
                    stringify!($name)
                );
            )*};
        }
        equal! {
            add(a, b); sub(a, b); mul(a, b); umulh(a, b); smulh(a, b); udiv(a, b); sdiv(a, b);
            and(a, b); or(a, b); xor(a, b); not(a); shl(a, b); lshr(a, b); ashr(a, b); ror(a, b);
            ror32(a, b); clz(a); rbit(a); popcount(a); eq(a, b); eq(a, a); ltu(a, b); lts(a, b);
            add_with_carry(a, b, false); add_with_carry(a, b, true);
            add_with_carry32(a, b, false); add_with_carry32(a, b, true);
        }
    }
}

#[test]
fn division_has_the_edges_of_a64() {
    let alu = NeuralAlu::new(&CELLS);
    // Arm ARM DDI 0487, C6.2 SDIV and UDIV.
    assert_eq!(alu.udiv(7, 0), 0);
    assert_eq!(alu.sdiv(-7i64 as u64, 0), 0);
    assert_eq!(alu.sdiv(1 << 63, u64::MAX), 1 << 63);
    assert_eq!(alu.sdiv(-7i64 as u64, 2), -3i64 as u64);
}

#[test]
fn flags_of_a_comparison_are_those_of_the_manual() {
    let alu = NeuralAlu::new(&CELLS);
    let [n, z, c, v] = [8, 4, 2, 1];
    let compare = |a: u64, b: u64| alu.add_with_carry(a, !b, true).1;
    assert_eq!(compare(5, 5), z | c);
    assert_eq!(compare(4, 5), n);
    assert_eq!(compare(6, 5), c);
    // The least number less one overflows.
    assert_eq!(compare(1 << 63, 1), c | v);
    assert_eq!(alu.add_with_carry32(0x7fff_ffff, 1, false), (0x8000_0000, n | v));
}

#[test]
fn results_are_counted_by_what_gave_them() {
    let alu = NeuralAlu::new(&CELLS);
    for a in 0..3 {
        alu.add(a, 1);
        alu.rbit(a);
    }
    let (add, rbit) = (alu.tallies().of(Operation::Add), alu.tallies().of(Operation::Rbit));
    assert_eq!((add.asked, add.by_network, add.by_wiring), (3, 3, 0));
    assert_eq!((rbit.asked, rbit.by_network, rbit.by_wiring), (3, 0, 3));
    // Half adders, six levels of carries, and the sum: eight evaluations for each addition.
    assert_eq!(alu.tallies().evaluated, 3 * 8);
}
