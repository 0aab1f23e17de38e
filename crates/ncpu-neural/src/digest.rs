//! What of the networks a certificate is about: all weights and biases, in one digest.

use ncpu_neural_alu::{CellId, Network};
use sha2::{Digest, Sha256};

/// SHA-256, in hexadecimal, over all networks in the order of [`CellId::ALL`]: for each the numbers of
/// inputs and neurons (a byte each), then for each neuron its weights and its bias (little-endian, 16
/// bits each).
pub fn digest(networks: &[Network; CellId::COUNT]) -> String {
    let mut hash = Sha256::new();
    for network in networks {
        hash.update([network.inputs() as u8, network.neurons() as u8]);
        for neuron in 0..network.neurons() {
            for &weight in network.weights(neuron) {
                hash.update(weight.to_le_bytes());
            }
            hash.update(network.bias(neuron).to_le_bytes());
        }
    }
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}
