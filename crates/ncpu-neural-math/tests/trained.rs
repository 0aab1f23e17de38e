//! The weights of the tree: what is claimed of them, and what happens to others.
#![cfg(feature = "std")]

use ncpu_neural_math::verify::verify;
use ncpu_neural_math::weights::{Weights, WeightsError, path};
use ncpu_neural_math::{Network, NetworkId, Networks};
use std::f32::consts::{FRAC_PI_2, FRAC_PI_4, PI};
use std::path::Path;

fn folder() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../models/math"))
}

fn networks() -> Networks {
    Weights::certified(folder()).expect("the weights are in the tree")
}

/// A network with one weight of its output changed.
fn changed(network: &Network, by: i64) -> Network {
    let mut units = network.units().to_vec();
    units[0].weight += by;
    Network::new(&units, network.bias(), network.domain()).expect("it is still a network")
}

#[test]
fn a_sample_of_inputs_is_within_the_bounds() {
    // All inputs take `ncpu verify math`.
    for checked in verify(&networks(), 9973, 2, |_| {}, |_| {}) {
        assert!(checked.passed(), "{checked:?}");
    }
}

#[test]
fn a_wrong_weight_breaks_just_the_bounds_of_its_functions() {
    let mut networks = networks();
    let log = networks.get(NetworkId::Log);
    networks.0[NetworkId::Log as usize] = changed(log, 1 << 24);
    let failed: Vec<&str> = verify(&networks, 99_991, 2, |_| {}, |_| {})
        .iter()
        .filter(|checked| !checked.passed())
        .map(|checked| checked.function.name())
        .collect();
    assert_eq!(failed, ["log"]);
}

#[test]
fn a_weight_changed_in_its_last_bit_loses_the_certificate() {
    let mut weights = Weights::read(folder()).expect("the weights are in the tree");
    let exp = weights.networks.get(NetworkId::Exp);
    weights.networks.0[NetworkId::Exp as usize] = changed(exp, 1);
    let folder = tempfile::tempdir().expect("a folder for the files");
    weights.write(folder.path()).expect("the files can be written");
    let error = Weights::certified(folder.path()).expect_err("the weights were changed");
    assert!(matches!(error, WeightsError::Digest { .. }), "{error}");
}

#[test]
fn files_come_back_as_they_were_written() {
    let weights = Weights::read(folder()).expect("the weights are in the tree");
    let copy = tempfile::tempdir().expect("a folder for the files");
    weights.write(copy.path()).expect("the files can be written");
    for id in NetworkId::ALL {
        let bytes = |folder| std::fs::read(path(folder, id)).expect("the file is there");
        assert_eq!(bytes(folder()), bytes(copy.path()), "{}", id.name());
    }
}

#[test]
fn missing_truncated_and_foreign_files_are_named() {
    let weights = Weights::read(folder()).expect("the weights are in the tree");
    let copy = tempfile::tempdir().expect("a folder for the files");
    weights.write(copy.path()).expect("the files can be written");
    let file = path(copy.path(), NetworkId::Sqrt);
    let bytes = std::fs::read(&file).expect("the file is there");
    let error = |bytes: &[u8]| {
        std::fs::write(&file, bytes).expect("the file can be written");
        let error = Weights::read(copy.path()).expect_err("the file is bad");
        let text = error.to_string();
        assert!(text.contains("sqrt.safetensors") && text.contains("ncpu train math"), "{text}");
        error
    };
    for length in [0, 7, 100, bytes.len() - 1] {
        assert!(matches!(error(&bytes[..length]), WeightsError::Format { .. }), "{length} bytes");
    }
    let log = std::fs::read(path(folder(), NetworkId::Log)).expect("the file is there");
    // More units, and another domain: those that are too large there are found.
    assert!(matches!(error(&log), WeightsError::Network { .. } | WeightsError::Card { .. }));
    let other = String::from_utf8_lossy(&bytes).replace("ncpu-math-1", "ncpu-math-9");
    assert!(matches!(
        error(other.as_bytes()),
        WeightsError::Format { .. } | WeightsError::Card { .. }
    ));
    std::fs::remove_file(&file).expect("the file is there");
    let error = Weights::read(copy.path()).expect_err("the file is missing");
    assert!(matches!(error, WeightsError::Missing { .. }));
}

/// ISO C23, F.10.
#[test]
fn special_arguments_have_the_results_of_the_c_standard() {
    let n = networks();
    let (inf, nan, tiny) = (f32::INFINITY, f32::NAN, f32::from_bits(1));
    let cases = [
        (n.sin(-0.0), -0.0),
        (n.sin(inf), nan),
        (n.cos(0.0), 1.0),
        (n.cos(-inf), nan),
        (n.sqrt(-0.0), -0.0),
        (n.sqrt(-tiny), nan),
        (n.sqrt(inf), inf),
        (n.exp(-inf), 0.0),
        (n.exp(inf), inf),
        (n.exp(0.0), 1.0),
        (n.exp(89.0), inf),
        (n.exp(-104.0), 0.0),
        (n.log(1.0), 0.0),
        (n.log(-0.0), -inf),
        (n.log(-1.0), nan),
        (n.log(inf), inf),
        (n.atan2(0.0, 0.0), 0.0),
        (n.atan2(-0.0, 0.0), -0.0),
        (n.atan2(0.0, -0.0), PI),
        (n.atan2(-0.0, -1.0), -PI),
        (n.atan2(1.0, 0.0), FRAC_PI_2),
        (n.atan2(-tiny, -0.0), -FRAC_PI_2),
        (n.atan2(inf, inf), FRAC_PI_4),
        (n.atan2(-inf, -inf), -3.0 * FRAC_PI_4),
        (n.atan2(1.0, -inf), PI),
        (n.atan2(-1.0, inf), -0.0),
        (n.atan2(inf, f32::MAX), FRAC_PI_2),
        (n.atan2(tiny, tiny), FRAC_PI_4),
        (n.atan2(tiny, f32::MAX), 0.0),
        (n.atan2(nan, 1.0), nan),
        (n.atan2(1.0, nan), nan),
    ];
    for (number, (result, wanted)) in cases.into_iter().enumerate() {
        let same = result.to_bits() == wanted.to_bits() || (result.is_nan() && wanted.is_nan());
        assert!(same, "case {number}: {result:?}, not {wanted:?}");
    }
}

/// Worked out with 110 decimal digits and rounded to nearest. The second argument is the one nearest
/// to an odd multiple of pi/2 here, the third is the largest.
#[test]
fn large_angles_are_reduced_exactly() {
    let n = networks();
    assert_eq!(n.sin(1e22).to_bits(), 0xbf3b_ecc4);
    assert_eq!(n.cos(16_367_173.0 * 2f32.powi(72)).to_bits(), 0xb0dd_eea9);
    assert_eq!(n.cos(f32::MAX).to_bits(), 0x3f5a_5f96);
}
