//! What is trained: how large each network is, and on which inputs and outputs.

use super::descent::SAMPLES;
use super::target::target;
use crate::NetworkId;
use crate::network::ONE;

/// A network's size.
#[derive(Clone, Copy, Debug)]
pub(super) struct Plan {
    pub(super) id: NetworkId,
    /// Hidden units: the fewest with which the error stays near or below 2^-27.
    pub(super) units: usize,
}

/// All networks.
pub(super) const PLANS: [Plan; NetworkId::COUNT] = [
    Plan { id: NetworkId::Sin, units: 8 },
    Plan { id: NetworkId::Cos, units: 8 },
    Plan { id: NetworkId::Sqrt, units: 10 },
    Plan { id: NetworkId::Exp, units: 8 },
    Plan { id: NetworkId::Log, units: 14 },
    Plan { id: NetworkId::Atan, units: 12 },
];

impl Plan {
    /// The inputs, evenly over the domain with both ends.
    pub(super) fn inputs(&self) -> impl Iterator<Item = i32> {
        let [low, high] = self.id.domain().map(i64::from);
        let last = SAMPLES as i64 - 1;
        (0..=last).map(move |i| (low + (high - low) * i / last) as i32)
    }

    /// The outputs that they should have.
    pub(super) fn outputs(&self) -> Vec<f64> {
        self.inputs().map(|t| target(self.id, f64::from(t) / ONE as f64)).collect()
    }
}
