//! Weight files that are missing, damaged or changed.

mod support;

use ncpu_neural::verify::{Refuted, VerifyError, verify};
use ncpu_neural::{Weights, WeightsError};
use std::fs;
use std::path::Path;
use support::{copy, models, negate};

fn error(folder: &Path) -> WeightsError {
    Weights::certified(folder).err().expect("an error")
}

#[test]
fn the_committed_weights_are_the_proved_ones() {
    let weights = Weights::read(&models()).unwrap();
    let certificate = verify(&weights, &models(), |_| ()).unwrap();
    for card in &weights.cards {
        assert_eq!(card.certificate.as_ref(), Some(&certificate));
    }
}

#[test]
fn writing_gives_the_same_bytes() {
    let folder = tempfile::tempdir().unwrap();
    Weights::read(&models()).unwrap().write(folder.path()).unwrap();
    for family in ncpu_neural::weights::FAMILIES {
        let (ours, theirs) = (family.path(folder.path()), family.path(&models()));
        assert!(fs::read(ours).unwrap() == fs::read(theirs).unwrap(), "{}", family.name);
    }
}

#[test]
fn a_missing_file_is_named_with_the_command_that_makes_it() {
    let folder = copy();
    fs::remove_file(folder.path().join("shift.safetensors")).unwrap();
    let message = error(folder.path()).to_string();
    assert!(message.contains("shift.safetensors is missing"), "{message}");
    assert!(message.contains("ncpu train alu --out"), "{message}");
}

#[test]
fn a_file_cut_anywhere_is_an_error() {
    let folder = copy();
    let file = folder.path().join("adder.safetensors");
    let bytes = fs::read(&file).unwrap();
    for length in (0..bytes.len()).step_by(7) {
        fs::write(&file, &bytes[..length]).unwrap();
        let error = error(folder.path());
        assert!(matches!(error, WeightsError::Format { .. }), "{length}: {error}");
    }
}

#[test]
fn a_foreign_file_is_an_error() {
    let folder = copy();
    let file = folder.path().join("adder.safetensors");
    fs::write(&file, b"GIF89a").unwrap();
    assert!(matches!(error(folder.path()), WeightsError::Format { .. }));
    // Another family's file has other tensors.
    fs::copy(models().join("shift.safetensors"), &file).unwrap();
    let message = error(folder.path()).to_string();
    assert!(message.contains("tensor half-adder.biases is missing"), "{message}");
    // A file of the right form by someone else has no card.
    let header = br#"{"x":{"dtype":"I16","shape":[1],"data_offsets":[0,2]}}  "#;
    let bytes = [&(header.len() as u64).to_le_bytes()[..], header, &[0, 0]].concat();
    fs::write(&file, bytes).unwrap();
    assert!(matches!(error(folder.path()), WeightsError::Card { .. }));
}

#[test]
fn a_weight_that_was_changed_is_refused_and_refuted_with_its_input() {
    let folder = copy();
    // And fires for both of its inputs alone; with a negative weight, it never does.
    negate(&folder.path().join("logic.safetensors"), "and.weights", 0);
    let error = error(folder.path());
    assert!(matches!(error, WeightsError::Digest { .. }), "{error}");
    let weights = Weights::read(folder.path()).unwrap();
    let refuted = verify(&weights, folder.path(), |_| ()).unwrap_err();
    let VerifyError::Refuted(Refuted::Cell { cell: "and", input: 0b11, expected: 1, found: 0 }) =
        refuted
    else {
        panic!("{refuted}");
    };
}

#[test]
fn each_weight_of_the_adder_matters() {
    for (tensor, index) in [
        ("half-adder.weights", 0),
        ("half-adder.biases", 0),
        ("combine.weights", 0),
        ("combine.biases", 1),
        ("full-adder.weights", 2),
    ] {
        let folder = copy();
        negate(&folder.path().join("adder.safetensors"), tensor, index);
        let weights = Weights::read(folder.path()).unwrap();
        let refuted = verify(&weights, folder.path(), |_| ()).unwrap_err();
        assert!(matches!(refuted, VerifyError::Refuted(Refuted::Cell { .. })), "{tensor} {index}");
    }
}

#[test]
fn a_certificate_that_was_taken_away_is_missed() {
    let folder = copy();
    let mut weights = Weights::read(folder.path()).unwrap();
    weights.cards[2].certificate = None;
    weights.write(folder.path()).unwrap();
    let message = error(folder.path()).to_string();
    assert!(message.contains("compare.safetensors has no certificate"), "{message}");
    assert!(message.contains("ncpu verify alu"), "{message}");
}

#[test]
fn any_byte_may_change_and_no_wrong_network_runs() {
    let folder = copy();
    let file = folder.path().join("compare.safetensors");
    let bytes = fs::read(&file).unwrap();
    let networks = Weights::read(folder.path()).unwrap().networks;
    for at in 0..bytes.len() {
        let mut bytes = bytes.clone();
        bytes[at] ^= 0x15;
        fs::write(&file, &bytes).unwrap();
        // Words of the card may be others; the networks may not.
        if Weights::certified(folder.path()).is_ok() {
            assert_eq!(Weights::read(folder.path()).unwrap().networks, networks, "byte {at}");
        }
    }
}

#[test]
fn a_certificate_that_was_made_up_lets_no_wrong_network_run() {
    let folder = copy();
    negate(&folder.path().join("adder.safetensors"), "full-adder.weights", 0);
    let mut weights = Weights::read(folder.path()).unwrap();
    let digest = ncpu_neural::digest::digest(&weights.networks);
    for card in &mut weights.cards {
        card.certificate.as_mut().unwrap().networks = digest.clone();
    }
    weights.write(folder.path()).unwrap();
    let message = error(folder.path()).to_string();
    assert!(message.contains("cell full-adder is wrong on the input 0b"), "{message}");
}
