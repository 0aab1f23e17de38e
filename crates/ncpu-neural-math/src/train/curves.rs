//! The largest error over the steps.

use crate::NetworkId;
use std::fmt::Write;

/// The way of one network.
pub struct Curve {
    id: NetworkId,
    points: Vec<(u32, f64)>,
}

impl Curve {
    pub(super) fn new(id: NetworkId) -> Curve {
        Curve { id, points: Vec::new() }
    }

    pub(super) fn push(&mut self, step: u32, error: f64) {
        self.points.push((step, error));
    }
}

/// All curves as comma-separated values: network, step, and the least largest error up to it, before
/// rounding.
pub fn table(curves: &[Curve]) -> String {
    let mut text = "network,step,error\n".to_owned();
    for Curve { id, points } in curves {
        for (step, error) in points {
            _ = writeln!(text, "{},{step},{error:.3e}", id.name());
        }
    }
    text
}
