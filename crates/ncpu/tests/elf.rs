//! `ncpu inspect` and `ncpu disasm`.

mod support;

use attack::elf;
use attack::random::Rng;
use serde_json::{Value, json};
use std::process::Stdio;
use support::{Folder, HELLO, START, ncpu, text};

fn inspect(words: &[u32]) -> Value {
    let folder = Folder::new();
    let output = ncpu().args(["inspect", "--json"]).arg(folder.program("p", words)).output();
    serde_json::from_slice(&output.unwrap().stdout).unwrap()
}

#[test]
fn a_static_program_is_described() {
    let report = inspect(&HELLO[..8]);
    assert_eq!(report["kind"], "EXEC");
    assert_eq!(report["entry"], START);
    assert_eq!(report["static_linked"], true);
    assert_eq!((&report["interpreter"], &report["needed"]), (&Value::Null, &json!([])));
    let segment = json!({
        "kind": "LOAD", "flags": "r-x", "offset": 0, "address": 0x40_0000,
        "file_size": 0x98, "memory_size": 0x98, "align": 0x1000,
    });
    assert_eq!(report["segments"], json!([segment]));
    assert_eq!(report["security"]["position_independent"], false);
    assert_eq!(report["security"]["no_execute_stack"], false);
    assert_eq!(report["security"]["relro"], "none");
    assert_eq!(report["security"]["writable_or_executable"], true);
}

/// Without sections, the whole segment is taken for code, with the file's header in front.
#[test]
fn words_that_trap_are_grouped() {
    // SVE: ptrue p0.b and rdvl x0, #1 (Arm ARM, C8.2). UDF #5 (C6.2).
    let report = inspect(&[0xd503_201f, 0x2518_e3e0, 0x04bf_5020, 0x0000_0005]);
    let traps = report["traps"].as_array().unwrap();
    let of = |name: &str| traps.iter().find(|trap| trap["instruction"] == name).cloned();
    let sve = of("SVE").unwrap();
    assert_eq!((&sve["count"], &sve["first_address"]), (&json!(2), &json!(START + 4)));
    assert_eq!(sve["words"], json!({"2518e3e0": 1, "04bf5020": 1}));
    let nop = traps.iter().any(|trap| trap["words"].get("d503201f").is_some());
    assert!(!nop);
    let udf = traps.iter().any(|trap| trap["words"].get("00000005").is_some());
    assert!(udf);
}

#[test]
fn instructions_come_as_text_with_their_micro_ops() {
    let folder = Folder::new();
    let program = folder.program("hello", HELLO);
    let mut command = ncpu();
    command.args(["disasm", "--start", "0x400078", "--end", "0x400098"]).arg(&program);
    let lines: Vec<String> = text(&command.output().unwrap().stdout)
        .lines()
        .filter(|line| line.starts_with("  "))
        .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
        .collect();
    assert_eq!(
        lines,
        [
            "400078: d2800020 mov x0, #0x1",
            "40007c: 100000e1 adr x1, 0x400098",
            "400080: d28000c2 mov x2, #0x6",
            "400084: d2800808 mov x8, #0x40",
            "400088: d4000001 svc #0x0",
            "40008c: d28000e0 mov x0, #0x7",
            "400090: d2800ba8 mov x8, #0x5d",
            "400094: d4000001 svc #0x0",
        ]
    );
    command.args(["--uops", "--json"]);
    let output = text(&command.output().unwrap().stdout);
    let lines: Vec<Value> =
        output.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 8);
    assert!(lines.iter().all(|line| !line["uops"].as_array().unwrap().is_empty()));
    assert_eq!(lines[1]["address"], 0x40_007c);
}

#[test]
fn a_symbol_that_is_not_there_is_an_error() {
    let folder = Folder::new();
    let program = folder.program("hello", HELLO);
    let output = ncpu().args(["disasm", "--symbol", "main"]).arg(program).output().unwrap();
    assert_eq!(output.status.code(), Some(125));
    assert!(text(&output.stderr).contains("no symbols"));
}

#[test]
fn files_that_lie_give_an_error_and_never_a_panic() {
    let folder = Folder::new();
    let busybox = elf::busybox();
    for seed in 1..=200 {
        let mut rng = Rng::seeded(seed);
        let mut bytes = elf::seed();
        if let Some(large) = busybox.as_ref().filter(|_| seed % 16 == 0) {
            bytes.clone_from(large);
        }
        elf::change(&mut rng, &mut bytes);
        let subcommand = rng.pick(&["inspect", "disasm"]);
        let mut command = ncpu();
        command.arg(subcommand).arg(folder.file("file", &bytes));
        command.stdout(Stdio::null()).stderr(Stdio::null());
        let status = command.status().unwrap();
        assert!(matches!(status.code(), Some(0 | 1 | 2 | 125)), "{subcommand}, {seed}: {status}");
    }
}
