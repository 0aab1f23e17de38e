//! Networks on pairs of operands of 16 bits: the emulated device finds what the processor does.

use ncpu_gpu::{CheckedPairs, Emulation, check_pairs};
use ncpu_neural::Weights;
use ncpu_neural::verify::pairs_of_16_bits;
use ncpu_neural_alu::pairs::{Compared, Operands, Wrong};
use ncpu_neural_alu::{CellId, Cells, Network};
use std::num::NonZeroUsize;
use std::path::Path;

type Networks = [Network; CellId::COUNT];

fn trained() -> Networks {
    let weights = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../models/alu");
    *Weights::certified(&weights).unwrap().networks
}

/// Networks of which one has a weight, the first of its last neuron, with the other sign.
fn flipped(cell: CellId) -> Cells {
    let mut networks = trained();
    let old = &networks[cell as usize];
    let mut new = Network::new(old.inputs()).unwrap();
    for neuron in 0..old.neurons() {
        let mut weights = old.weights(neuron).to_vec();
        if neuron == old.neurons() - 1 {
            let first = weights.iter_mut().find(|weight| **weight != 0).unwrap();
            *first = -*first;
        }
        new.push(&weights, old.bias(neuron)).unwrap();
    }
    networks[cell as usize] = new;
    Cells::new(&networks).unwrap()
}

fn emulated(cells: &Cells, operands: &Operands) -> (CheckedPairs, u32) {
    let mut through = 0;
    let checked = check_pairs(&Emulation::default(), cells, operands, |firsts| through += firsts);
    (checked.unwrap(), through)
}

fn on_the_processor(cells: &Cells, operands: &Operands) -> Wrong {
    pairs_of_16_bits(cells, operands, NonZeroUsize::new(3).unwrap(), || ()).unwrap_err()
}

#[test]
fn trained_networks_are_right_and_nothing_is_left_out() {
    let cells = Cells::new(&trained()).unwrap();
    let operands = Operands { firsts: 0x7ffd..=0x8004, seconds: 0..=499 };
    let (checked, through) = emulated(&cells, &operands);
    assert_eq!((checked.wrong, through), (None, 8));
    // 4,000 pairs.
    assert_eq!(checked.right.of(Compared::AddWithCarry), 8_000);
    assert_eq!(checked.right.of(Compared::Udiv), 4_000);
    assert_eq!(checked.right.of(Compared::Clz), 8);
    assert_eq!(checked.right.total(), 16 * 4_000 + 2 * 8);
}

#[test]
fn both_ends_of_all_operands_are_reached() {
    let cells = Cells::new(&trained()).unwrap();
    let (checked, _) =
        emulated(&cells, &Operands { firsts: u16::MAX..=u16::MAX, seconds: 0xfff0..=u16::MAX });
    assert_eq!((checked.wrong, checked.right.of(Compared::Sdiv)), (None, 16));
    assert_eq!(checked.right.of(Compared::Popcount), 0, "of a second operand of zero only");
}

#[test]
fn a_flipped_weight_is_found_where_the_processor_finds_it() {
    let operands = Operands { firsts: 0x00fe..=0x0107, seconds: 0x0e..=0x8d };
    let flips = [
        // Bits of the first operand alone, which the sum of 0xfe and 0xe does not add.
        (CellId::Xor, Compared::Eq),
        (CellId::Combine, Compared::AddWithCarry),
        (CellId::Compare, Compared::Ltu),
        // Its last output, for amounts of 7 modulo 8: 0xfe by 15 is zero unless it is rotated.
        (CellId::Attend, Compared::Ror),
        (CellId::Mix, Compared::Shl),
        (CellId::Multiply, Compared::Mul),
        (CellId::FullAdder, Compared::Mul),
        (CellId::Select, Compared::Udiv),
    ];
    for (cell, compared) in flips {
        let cells = flipped(cell);
        let (checked, _) = emulated(&cells, &operands);
        let wrong = checked.wrong.unwrap();
        assert_eq!(wrong, on_the_processor(&cells, &operands), "{}", cell.name());
        assert_eq!(wrong.compared, compared, "{}", cell.name());
        assert_ne!(wrong.found, wrong.expected);
        assert!(checked.right.total() < operands.results().total());
    }
}

#[test]
fn what_is_wrong_late_is_found_after_what_is_right() {
    // Leading zeros are counted with a second operand of zero only, after all else.
    let cells = flipped(CellId::Priority);
    let operands = Operands { firsts: 0..=40, seconds: 0..=3 };
    let (checked, _) = emulated(&cells, &operands);
    let wrong = checked.wrong.unwrap();
    assert_eq!(wrong, on_the_processor(&cells, &operands));
    assert_eq!((wrong.compared, wrong.b), (Compared::Clz, 0));
    let pairs = checked.right.of(Compared::Sdiv);
    assert!(pairs > u64::from(wrong.a) * 4, "{pairs} pairs, and then {wrong:?}");
}
