//! `ncpu math` and `ncpu verify math`.

mod support;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;
use support::{Folder, ncpu, text};

fn models() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../models/math")
}

fn math(arguments: &[&str], weights: &Path) -> Output {
    ncpu().arg("math").args(arguments).arg("--weights").arg(weights).output().unwrap()
}

/// A copy of the weights with a bit of the last byte of this file flipped.
fn tampered(folder: &Folder, name: &str) -> PathBuf {
    let copy = folder.path("weights");
    fs::create_dir(&copy).unwrap();
    for file in fs::read_dir(models()).unwrap() {
        let file = file.unwrap();
        fs::copy(file.path(), copy.join(file.file_name())).unwrap();
    }
    let path = copy.join(name);
    let mut bytes = fs::read(&path).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(&path, bytes).unwrap();
    copy
}

#[test]
fn results_are_within_their_bounds_of_the_exact_ones() {
    let cases: [(&[&str], f64); 6] = [
        (&["sin", "1e9"], 1e9_f64.sin()),
        (&["cos", "-3"], (-3_f64).cos()),
        (&["sqrt", "2"], 2_f64.sqrt()),
        (&["exp", "-10.5"], (-10.5_f64).exp()),
        (&["log", "1e-40"], f64::from(1e-40_f32).ln()),
        (&["atan2", "-1", "2"], (-1_f64).atan2(2.0)),
    ];
    for (arguments, exact) in cases {
        let output = math(&[arguments, &["--json"]].concat(), &models());
        assert!(output.status.success(), "{}", text(&output.stderr));
        let said: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        let number = |name: &str| said[name].as_f64().unwrap();
        assert!((number("exact") - exact).abs() <= exact.abs() * 1e-15, "{said}");
        assert!((number("result") - exact).abs() <= exact.abs() * 1e-7, "{said}");
        assert!(number("error_ulp").abs() <= number("bound_ulp"), "{said}");
    }
}

#[test]
fn what_makes_no_sense_is_said() {
    let output = math(&["atan2", "1"], &models());
    assert_eq!(output.status.code(), Some(125));
    assert_eq!(text(&output.stderr), "ncpu: atan2 takes two arguments, y and x\n");
    let output = math(&["sqrt", "2"], Path::new("/nowhere"));
    assert_eq!(output.status.code(), Some(125));
    let said = text(&output.stderr);
    assert!(
        said.contains("/nowhere/") && said.contains("ncpu train math --out /nowhere"),
        "{said}"
    );
}

#[test]
fn weights_that_were_changed_compute_nothing() {
    let folder = Folder::new();
    let weights = tampered(&folder, "sqrt.safetensors");
    let output = math(&["sqrt", "2"], &weights);
    assert_eq!(output.status.code(), Some(125));
    assert!(output.stdout.is_empty());
    let said = text(&output.stderr);
    assert!(said.contains("sqrt.safetensors: ") && said.contains("`ncpu train math"), "{said}");
    let reason = said.rsplit(": ").next().unwrap().trim();
    assert_eq!(said.matches(reason).count(), 1, "{said}");
}

#[test]
fn a_sample_is_checked_and_certifies_nothing() {
    let output = ncpu()
        .args(["verify", "math", "--sample", "1000003", "--weights"])
        .arg(models())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
    let said = text(&output.stdout);
    for function in ["sin", "cos", "sqrt", "exp", "log", "atan2"] {
        assert!(said.contains(&format!("{function:5} PASS")), "{said}");
    }
    assert!(said.contains("this was a sample, of one input in 1000003"), "{said}");
}
