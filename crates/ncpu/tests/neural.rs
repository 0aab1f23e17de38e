//! `--alu neural`, `ncpu verify`, and `ncpu train` without its feature.

mod support;

use std::fs;
use std::path::{Path, PathBuf};
use support::{CAT, Folder, HELLO, count_then_hello, ncpu, report, text};

fn models() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../models/alu")
}

#[test]
fn networks_give_the_same_machine_and_nothing_else_computes() {
    let folder = Folder::new();
    let program = folder.program("count", &count_then_hello());
    let run = |options: &[&str]| {
        let mut command = ncpu();
        command.args(["run", "--report", "json"]).args(options).arg("--weights").arg(models());
        command.arg(&program).output().unwrap()
    };
    let (native, neural) = (run(&[]), run(&["--alu", "neural"]));
    assert_eq!(text(&neural.stdout), "hello\n");
    assert_eq!(neural.status.code(), Some(7));
    let (native, neural) = (report(&native), report(&neural));
    assert_eq!(neural["alu"], "neural");
    assert_eq!(neural["instructions"], 1 + 2 * 65_536 + 8);
    assert_eq!(neural["instructions"], native["instructions"]);
    assert_eq!(neural["state_hash"], native["state_hash"]);
    let figures = &neural["neural"];
    assert_eq!(figures["by_native_arithmetic"], 0);
    // Each SUBS is a sum with flags.
    assert!(figures["results"]["add_with_carry"].as_u64().unwrap() >= 65_536);
    assert!(native["neural"].is_null() && native["alu"] == "native");
}

#[test]
fn machines_of_a_batch_have_networks_too() {
    let folder = Folder::new();
    let program = folder.program("cat", CAT);
    let run = |options: &[&str]| {
        let mut command = ncpu();
        command.args(["batch", "--stdin-range", "0..3", "--report", "json", "--weights"]);
        let output = command.arg(models()).args(options).arg(&program).output().unwrap();
        let mut rows: Vec<String> = text(&output.stdout).lines().map(str::to_owned).collect();
        rows.sort_unstable();
        (rows, report(&output))
    };
    let (expected, native) = run(&["--engine", "cpu"]);
    assert_eq!(expected.len(), 3);
    assert!(native["neural"].is_null() && native["alu"] == "native");
    let mut results = Vec::new();
    for engine in ["cpu", "gpu-emulated"] {
        let (rows, report) = run(&["--engine", engine, "--alu", "neural"]);
        assert_eq!(rows, expected, "{engine}");
        assert_eq!(report["alu"], "neural");
        assert_eq!(report["neural"]["by_native_arithmetic"], 0);
        results.push(report["neural"]["results"].clone());
    }
    assert!(results[0]["add_with_carry"].as_u64() > Some(0), "{results:?}");
    assert_eq!(results[0]["add_with_carry"], results[1]["add_with_carry"]);
}

#[test]
fn a_snapshot_goes_on_with_networks() {
    let folder = Folder::new();
    let program = folder.program("count", &count_then_hello());
    let snapshot = folder.path("half.snap");
    let whole = ncpu().args(["run", "--report", "json"]).arg(&program).output().unwrap();
    let first = ncpu()
        .args(["run", "--alu", "neural", "--snapshot-at", "1001", "--stop", "--snapshot"])
        .arg(&snapshot)
        .arg("--weights")
        .arg(models())
        .arg(&program)
        .output()
        .unwrap();
    assert_eq!(first.status.code(), Some(0), "{}", text(&first.stderr));
    let rest = ncpu()
        .args(["resume", "--alu", "neural", "--report", "json", "--weights"])
        .arg(models())
        .arg(&snapshot)
        .arg(&program)
        .output()
        .unwrap();
    assert_eq!(text(&rest.stdout), "hello\n");
    assert_eq!(report(&rest)["state_hash"], report(&whole)["state_hash"]);
}

#[test]
fn without_proved_weights_nothing_runs() {
    let folder = Folder::new();
    let program = folder.program("hello", HELLO);
    let weights = folder.path("weights");
    fs::create_dir(&weights).unwrap();
    let run = || {
        let mut command = ncpu();
        command.args(["run", "--alu", "neural", "--weights"]).arg(&weights).arg(&program);
        let output = command.output().unwrap();
        assert_eq!((output.status.code(), text(&output.stdout)), (Some(125), String::new()));
        text(&output.stderr)
    };
    let message = run();
    assert!(message.contains("logic.safetensors is missing"), "{message}");
    assert!(message.contains("ncpu train alu --out"), "{message}");
    for file in fs::read_dir(models()).unwrap() {
        let file = file.unwrap();
        fs::copy(file.path(), weights.join(file.file_name())).unwrap();
    }
    // The last tensor of the file is a matrix of weights; one of them is changed.
    let path = weights.join("compare.safetensors");
    let mut bytes = fs::read(&path).unwrap();
    let first = bytes.len() - 16;
    bytes[first] = 3;
    bytes[first + 1] = 0;
    fs::write(&path, bytes).unwrap();
    let message = run();
    assert!(message.contains("changed after they were proved"), "{message}");
    assert!(message.contains("ncpu verify alu --weights"), "{message}");
    let output = ncpu().args(["verify", "alu", "--weights"]).arg(&weights).output().unwrap();
    let message = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{message}");
    assert!(message.contains("cell compare is wrong on the input 0b"), "{message}");
}

#[test]
fn the_proof_of_the_committed_weights_is_said_with_what_it_rests_on() {
    let output =
        ncpu().args(["verify", "alu", "--check", "--weights"]).arg(models()).output().unwrap();
    let words = text(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    for expected in ["Theorem.", "rests on", "biodivine-lib-bdd", "have this certificate"] {
        assert!(words.contains(expected), "{words}");
    }
}

#[test]
fn networks_are_run_on_operands_of_16_bits_by_any_engine() {
    let verify = |options: &[&str]| {
        let mut command = ncpu();
        command.args(["verify", "alu", "--check", "--weights"]).arg(models());
        command.args(options).output().unwrap()
    };
    for engine in ["cpu", "gpu-emulated"] {
        let options = ["--exhaustive", "--first-operands", "65535..65536", "--engine", engine];
        let output = verify(&[&options[..], &["--verbose"]].concat());
        let words = text(&output.stdout);
        assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
        for expected in [
            "flags             on operands of 16 bits: 131072 results equal",
            "udiv              on operands of 16 bits: 65536 results equal",
            "clz               on operands of 16 bits: 1 results equal",
            "on operands of 16 bits, the first from 65535 to 65535: 1048578 results equal",
        ] {
            assert!(words.contains(expected), "{engine}: {words}");
        }
    }
    for (options, complaint) in [
        (&["--engine", "cpu"][..], "--exhaustive"),
        (&["--exhaustive", "--first-operands", "9..65537"], "9..65537 ends beyond 65536"),
        (&["--exhaustive", "--first-operands", "9..9"], "no number is in 9..9"),
    ] {
        let output = verify(options);
        assert_eq!(output.status.code(), Some(125), "{options:?}");
        assert!(text(&output.stderr).contains(complaint), "{}", text(&output.stderr));
    }
}

#[cfg(not(feature = "train"))]
#[test]
fn a_build_that_cannot_train_says_which_can() {
    let output = ncpu().args(["train", "alu"]).output().unwrap();
    assert_eq!(output.status.code(), Some(125));
    assert!(text(&output.stderr).contains("--features train"));
}
