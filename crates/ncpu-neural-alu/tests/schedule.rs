//! Networks on planes give what their integers give.

use ncpu_neural_alu::network::{MAX_WEIGHT, NetworkError};
use ncpu_neural_alu::schedule::{Registers, ScheduleError, additions};
use ncpu_neural_alu::{CellId, Cells, Network};
use proptest::prelude::*;

/// Networks for all cells: the given one for its cell, and for the others neurons that never fire.
fn cells(cell: CellId, network: &Network) -> Result<Cells, ScheduleError> {
    let networks: Vec<Network> = CellId::ALL
        .iter()
        .map(|&other| {
            if other == cell {
                return network.clone();
            }
            let mut quiet = Network::new(other.inputs()).unwrap();
            for neuron in 0..other.outputs() {
                quiet.push(&vec![0; other.inputs() + neuron], -1).unwrap();
            }
            quiet
        })
        .collect();
    Cells::new(&networks.try_into().unwrap())
}

/// A network of three inputs and some neurons, the last two of which are outputs.
fn network() -> impl Strategy<Value = Network> {
    let neuron = (prop::collection::vec(-9i16..=9, 3 + 6), -20i16..=20);
    prop::collection::vec(neuron, 2..=6).prop_map(|neurons| {
        let mut network = Network::new(3).unwrap();
        for (index, (weights, bias)) in neurons.iter().enumerate() {
            network.push(&weights[..3 + index], 2 * bias + 1).unwrap();
        }
        network
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn planes_and_integers_agree(network in network()) {
        let cells = cells(CellId::FullAdder, &network).unwrap();
        // Position p has input p modulo 8.
        let inputs = [0xaaaa_aaaa_aaaa_aaaa, 0xcccc_cccc_cccc_cccc, 0xf0f0_f0f0_f0f0_f0f0];
        let outputs: [u64; 2] = cells.evaluate(CellId::FullAdder, &Registers::default(), inputs);
        for position in 0..64 {
            let (neurons, _) = network.evaluate(position % 8);
            let expected = network.outputs(neurons, 2);
            let found = (outputs[0] >> position & 1) | (outputs[1] >> position & 1) << 1;
            prop_assert_eq!(found, u64::from(expected), "input {}", position % 8);
        }
    }
}

#[test]
fn a_majority_takes_one_addition_and_its_sum_is_right() {
    let mut majority = Network::new(3).unwrap();
    // a + b + c - 3/2 > 0
    majority.push(&[1, 1, 1], -3).unwrap();
    assert_eq!(majority.evaluate(0b011), (1, 1));
    assert_eq!(majority.evaluate(0b111), (1, 3));
    assert_eq!(majority.evaluate(0b100), (0, 1));
    assert_eq!(majority.parameters(), 4);
    // 2 is subtracted by adding 2 modulo 4: nothing in the lowest bit, so that the carry of a + b + c
    // and a one make the sign.
    assert_eq!(additions(&majority), Some(1));
}

#[test]
fn numbers_that_are_no_network_are_refused() {
    let mut network = Network::new(2).unwrap();
    assert_eq!(Network::new(9), Err(NetworkError::Inputs(9)));
    let fan_in = NetworkError::FanIn { neuron: 0, weights: 3 };
    assert_eq!(network.push(&[1, 1, 1], 1), Err(fan_in));
    // An even number of halves could make a sum zero.
    assert_eq!(network.push(&[1, 1], 2), Err(NetworkError::Bias { neuron: 0, bias: 2 }));
    let most = MAX_WEIGHT as i16;
    assert_eq!(network.push(&[most, 1], 1), Err(NetworkError::Weights { neuron: 0 }));
    assert_eq!(network.push(&[1, 1], 1), Ok(()));
    let shape = ScheduleError::Shape { cell: CellId::FullAdder, inputs: 2, neurons: 1 };
    assert_eq!(cells(CellId::FullAdder, &network).err(), Some(shape));
}
