//! Networks packed for the threads of a warp give what networks give.

use ncpu_gpu_kernel::packed::{PackError, PackedNetworks, see};
use ncpu_neural::Weights;
use ncpu_neural_alu::{CellId, Network};
use std::path::Path;

type Networks = [Network; CellId::COUNT];

fn trained() -> Networks {
    let weights = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../models/alu");
    *Weights::certified(&weights).unwrap().networks
}

/// Compares outputs for all inputs of a cell, those of the second position the other way round.
fn compare<const I: usize, const O: usize>(
    packed: &PackedNetworks,
    networks: &Networks,
    cell: CellId,
) {
    let network = &networks[cell as usize];
    let most = (1 << I) - 1;
    for input in 0..=most {
        let inputs = [input, most - input];
        // The sign of a word is the bit, and the rest is of no meaning.
        let signs =
            |bits: u32| see::<I>(std::array::from_fn(|at| !(bits >> at) << 31 ^ 0x8765_4321));
        let sums = packed.cell(cell).evaluate::<I, O>(cell, inputs.map(signs));
        for (input, sums) in inputs.into_iter().zip(sums) {
            let found = (0..O).fold(0, |bits, output| bits | u32::from(sums[output] < 0) << output);
            let expected = network.outputs(network.evaluate(input).0, O);
            assert_eq!(found, expected, "{} of {input:b}", cell.name());
        }
    }
}

fn compare_all(networks: &Networks) {
    let packed = PackedNetworks::new(networks).unwrap();
    for &cell in CellId::ALL {
        let compare = match (cell.inputs(), cell.outputs()) {
            (2, 1) => compare::<2, 1>,
            (2, 2) => compare::<2, 2>,
            (3, 1) => compare::<3, 1>,
            (3, 2) => compare::<3, 2>,
            (3, 8) => compare::<3, 8>,
            (4, 2) => compare::<4, 2>,
            (8, 8) => compare::<8, 8>,
            other => panic!("cell {} has inputs and outputs {other:?}", cell.name()),
        };
        compare(&packed, networks, cell);
    }
}

/// Networks of weights that mean nothing, each neuron with some for all that it may see (a linear
/// congruential generator, Knuth's MMIX).
fn arbitrary(mut state: u64, neurons: impl Fn(CellId) -> usize) -> Networks {
    let mut number = |below: u64| {
        state = state.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
        ((state >> 33) % below) as i16
    };
    std::array::from_fn(|index| {
        let cell = CellId::ALL[index];
        let mut network = Network::new(cell.inputs()).unwrap();
        for neuron in 0..neurons(cell) {
            let weights = (0..cell.inputs() + neuron).map(|_| number(256) - 128);
            let weights: Vec<i16> = weights.collect();
            network.push(&weights, 2 * number(256) - 255).unwrap();
        }
        network
    })
}

#[test]
fn trained_networks_are_the_same_packed() {
    compare_all(&trained());
}

#[test]
fn a_neuron_may_see_all_before_it_with_any_weight_of_a_byte() {
    for seed in 0..50 {
        let trained = trained();
        compare_all(&arbitrary(seed, |cell| trained[cell as usize].neurons()));
    }
}

#[test]
fn room_for_more_neurons_changes_nothing() {
    for seed in 0..50 {
        compare_all(&arbitrary(seed, CellId::outputs));
    }
}

#[test]
fn what_does_not_fit_is_refused() {
    let mut networks = trained();
    let mut xor = Network::new(2).unwrap();
    for neuron in 0..3 {
        xor.push(&[1; 4][..2 + neuron], 1).unwrap();
    }
    networks[CellId::Xor as usize] = xor;
    let error = PackedNetworks::new(&networks).unwrap_err();
    assert_eq!(error, PackError::Neurons { cell: CellId::Xor, neurons: 3 });
    assert_eq!(error.to_string(), "cell xor has 3 neurons, but a GPU has room for 2");

    let mut networks = trained();
    for (weight, fits) in [(127, true), (-128, true), (128, false), (-129, false)] {
        let mut and = Network::new(2).unwrap();
        and.push(&[1, weight], 1).unwrap();
        networks[CellId::And as usize] = and;
        let error = PackedNetworks::new(&networks).err();
        assert_eq!(error.is_none(), fits, "{weight}");
        assert!(fits || error == Some(PackError::Weight { cell: CellId::And, weight }));
    }
}
