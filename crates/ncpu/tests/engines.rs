//! Every engine does the same, to the instruction and to the last byte of the machine's state.
//!
//! The GPU is the emulated one, whose lanes run the code that is compiled for cards.

mod support;

use std::fs;
use std::io::Read;
use std::path::Path;
use std::process::{Output, Stdio};
use std::time::{Duration, Instant};
use support::{
    CAT, FOREVER, Folder, HELLO, POLL, YES, count_then_hello, ncpu, report, text, with_input,
};

const ENGINES: [&str; 2] = ["cpu", "gpu-emulated"];

/// Runs a program on an engine.
fn run_on(engine: &str, options: &[&str], program: &Path, input: &[u8]) -> Output {
    let mut command = ncpu();
    command.args(["run", "--engine", engine, "--report", "json"]).args(options).arg(program);
    with_input(&mut command, input)
}

/// Runs a program on each engine and gives the output on the GPU, once it is compared.
fn on_both(options: &[&str], program: &Path, input: &[u8]) -> Output {
    let [cpu, gpu] = ENGINES.map(|engine| run_on(engine, options, program, input));
    assert_eq!(gpu.status.code(), cpu.status.code(), "{}", text(&gpu.stderr));
    assert!(gpu.stdout == cpu.stdout, "{options:?}");
    let (mine, theirs) = (report(&gpu), report(&cpu));
    assert_eq!((&mine["engine"], &theirs["engine"]), (&ENGINES[1].into(), &ENGINES[0].into()));
    for field in [
        "exit",
        "instructions",
        "micro_ops",
        "system_calls",
        "unimplemented",
        "page_faults",
        "page_copies",
        "context_switches",
        "host_round_trips",
        "pages",
        "virtual_seconds",
        "state_hash",
    ] {
        assert_eq!(mine[field], theirs[field], "{field}, {options:?}");
    }
    gpu
}

#[test]
fn programs_do_the_same() {
    let folder = Folder::new();
    let null = [0xd280_0001, 0xf900_0020]; // mov x1, #0; str x0, [x1]
    let input: Vec<u8> = (0..300_000_u32).map(|n| (n % 251) as u8).collect();
    for (words, options, input) in [
        (HELLO, &[][..], &b""[..]),
        (&count_then_hello(), &["--fuel", "60000"], b""),
        (FOREVER, &["--fuel", "25000001"], b""),
        (YES, &["--fuel", "3000000"], b""),
        (&[0], &[], b""),
        (&null, &[], b""),
        (CAT, &[], &input),
        (CAT, &["--mem", "1M", "--limit", "console=64"], &input),
        (CAT, &["-t"], b"one\ntwo\n"),
        (POLL, &[], b"x"),
        (CAT, &["--repeat", "2"], b"twice"),
    ] {
        let program = folder.program("program", words);
        on_both(options, &program, input);
    }
}

#[test]
fn the_gpu_says_what_it_did() {
    let folder = Folder::new();
    let output = run_on(ENGINES[1], &[], &folder.program("cat", CAT), b"abc");
    let gpu = report(&output)["gpu"].clone();
    // Two reads, the write between, and the exit. The host gave the block and the end of the input.
    assert_eq!((&gpu["system_calls"], &gpu["host_stops"]), (&4.into(), &2.into()));
    assert!(gpu["rounds"].as_u64().unwrap() > 4);
}

/// Copies `/mnt/from` to standard output, and makes `/mnt/to`, a folder.
const USE_FOLDER: &[u32] = &[
    0x9280_0c60, // mov x0, #-100 (AT_FDCWD)
    0x1000_02e1, // adr x1, from
    0xd280_0002, // mov x2, #0 (O_RDONLY)
    0xd280_0708, // mov x8, #56 (openat)
    0xd400_0001, // svc #0
    0xd108_03ff, // sub sp, sp, #512
    0x9100_03e1, // mov x1, sp
    0xd280_4002, // mov x2, #512
    0xd280_07e8, // mov x8, #63 (read)
    0xd400_0001, // svc #0
    0xaa00_03e2, // mov x2, x0
    0xd280_0020, // mov x0, #1
    0x9100_03e1, // mov x1, sp
    0xd280_0808, // mov x8, #64 (write)
    0xd400_0001, // svc #0
    0x9280_0c60, // mov x0, #-100
    0x1000_0181, // adr x1, to
    0xd280_3802, // mov x2, #0700
    0xd280_0448, // mov x8, #34 (mkdirat)
    0xd400_0001, // svc #0
    0xd280_0000, // mov x0, #0
    0xd280_0ba8, // mov x8, #93 (exit)
    0xd400_0001, // svc #0
    0x0000_0000,
    u32::from_le_bytes(*b"/mnt"),
    u32::from_le_bytes(*b"/fro"),
    u32::from_le_bytes(*b"m\0\0\0"),
    0x0000_0000,
    u32::from_le_bytes(*b"/mnt"),
    u32::from_le_bytes(*b"/to\0"),
];

#[test]
fn host_folders_are_used() {
    let folder = Folder::new();
    let program = folder.program("program", USE_FOLDER);
    for engine in ENGINES {
        let shared = folder.path(engine);
        fs::create_dir(&shared).unwrap();
        fs::write(shared.join("from"), b"of the host").unwrap();
        let volume = format!("{}:/mnt", shared.display());
        let output = run_on(engine, &["-v", &volume], &program, b"");
        assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
        assert_eq!(output.stdout, b"of the host");
        assert!(shared.join("to").is_dir());
        assert!(report(&output)["host_round_trips"].as_u64().unwrap() >= 3);
    }
}

#[test]
fn snapshots_are_the_same_and_go_on_anywhere() {
    let folder = Folder::new();
    let program = folder.program("program", &count_then_hello());
    let whole = run_on("cpu", &[], &program, b"");
    let snapshots = ENGINES.map(|engine| {
        let path = folder.path(engine);
        let options = ["--snapshot-at", "70001", "--snapshot", path.to_str().unwrap()];
        let output = on_both(&options, &program, b"");
        assert_eq!(report(&output)["state_hash"], report(&whole)["state_hash"]);
        let stopped = run_on(engine, &[&options[..], &["--stop"]].concat(), &program, b"");
        assert_eq!(report(&stopped)["instructions"], 70_001);
        path
    });
    assert!(fs::read(&snapshots[0]).unwrap() == fs::read(&snapshots[1]).unwrap());
    for engine in ENGINES {
        let mut command = ncpu();
        command
            .args(["resume", "--engine", engine, "--report", "json"])
            .args([snapshots[0].as_path(), program.as_path()]);
        let output = command.output().unwrap();
        assert_eq!((text(&output.stdout), output.status.code()), ("hello\n".into(), Some(7)));
        assert_eq!(report(&output)["state_hash"], report(&whole)["state_hash"]);
    }
}

#[test]
fn a_time_limit_ends_a_busy_program_on_a_gpu() {
    let folder = Folder::new();
    let start = Instant::now();
    let program = folder.program("forever", FOREVER);
    let output = run_on(ENGINES[1], &["--timeout", "300ms"], &program, b"");
    assert_eq!(output.status.code(), Some(124));
    assert_eq!(report(&output)["exit"]["reason"], "timeout");
    assert!(start.elapsed() < Duration::from_secs(10));
}

#[test]
fn a_reader_that_leaves_ends_the_run_quietly() {
    let folder = Folder::new();
    let mut child = ncpu()
        .args(["run", "--engine", ENGINES[1]])
        .arg(folder.program("yes", YES))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdout.take().unwrap().read_exact(&mut [0; 64]).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), text(&output.stderr)), (Some(128 + 13), String::new()));
}

#[test]
fn a_card_without_a_driver_is_an_error() {
    if Path::new("/dev/nvidiactl").exists() {
        return;
    }
    let folder = Folder::new();
    let output = ncpu()
        .args(["run", "--engine", "gpu"])
        .arg(folder.program("hello", HELLO))
        .output()
        .unwrap();
    let message = text(&output.stderr);
    assert_eq!(output.status.code(), Some(125), "{message}");
    assert!(message.contains("no NVIDIA driver") && message.contains("--engine cpu"), "{message}");
    assert_eq!(text(&output.stdout), "");
}
