//! The state hash of a machine on the host.

use crate::machine::Machine;
use ncpu_linux::StateHasher;

/// A 128-bit hash of the machine's whole state, see [`StateHasher`].
pub fn state_hash(machine: &mut Machine) -> u128 {
    let mut hasher = StateHasher::default();
    hasher.image(machine.image(), machine.layout());
    machine.with_kernel(|kernel| hasher.memory(&kernel.mem));
    hasher.hash()
}
