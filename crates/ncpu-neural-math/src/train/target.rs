//! What each network has to compute, in double precision.

use crate::NetworkId;
use core::f64::consts::FRAC_PI_2;

/// The value for a real input in the network's domain.
pub fn target(id: NetworkId, t: f64) -> f64 {
    match id {
        NetworkId::Sin => {
            let r = t.sqrt() / 2.0;
            if r == 0.0 { FRAC_PI_2 } else { libm::sin(FRAC_PI_2 * r) / r }
        }
        NetworkId::Cos => libm::cos(FRAC_PI_2 * t.sqrt() / 2.0),
        NetworkId::Sqrt => t.sqrt(),
        NetworkId::Exp => libm::exp2(t),
        NetworkId::Log => {
            let s = t - 0.25;
            if s == 0.0 { 1.0 } else { libm::log1p(s) / s }
        }
        NetworkId::Atan => {
            let q = t.sqrt();
            if q == 0.0 { 1.0 } else { libm::atan(q) / q }
        }
    }
}
