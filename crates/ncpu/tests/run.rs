//! `ncpu run` and `ncpu resume`.

mod support;

use serde_json::json;
use std::fs;
use std::io::{Read, Write};
use std::process::Stdio;
use std::time::{Duration, Instant};
use support::{CAT, FOREVER, Folder, HELLO, POLL, YES, count_then_hello, ncpu, report, run, text};

#[test]
fn output_and_status_are_the_programs() {
    let folder = Folder::new();
    let output = run(&["run".into(), folder.program("hello", HELLO)]);
    assert_eq!(output.status.code(), Some(7));
    assert_eq!((text(&output.stdout), text(&output.stderr)), ("hello\n".into(), String::new()));
}

#[test]
fn a_report_counts_what_the_program_did() {
    let folder = Folder::new();
    let program = folder.program("hello", HELLO);
    let output = ncpu().args(["run", "--report", "json"]).arg(&program).output().unwrap();
    let report = report(&output);
    assert_eq!(report["instructions"], 8);
    assert_eq!(report["system_calls"], json!({"write": 1, "exit": 1}));
    assert_eq!(report["unimplemented"], json!({}));
    assert_eq!(report["exit"], json!({"reason": "exited", "status": 7, "signal": null}));
    assert_eq!((&report["engine"], &report["alu"]), (&json!("cpu"), &json!("native")));
    assert_eq!(report["state_hash"].as_str().unwrap().len(), 32);

    let file = folder.path("report.json");
    let mut command = ncpu();
    command.args(["run", "--report", "json", "--report-file"]).arg(&file).arg(&program);
    assert_eq!(text(&command.output().unwrap().stderr), "");
    let again: serde_json::Value = serde_json::from_slice(&fs::read(file).unwrap()).unwrap();
    assert_eq!(again["state_hash"], report["state_hash"]);
}

#[test]
fn the_hash_is_the_same_however_input_would_come() {
    let folder = Folder::new();
    let program = folder.program("hello", HELLO);
    let hash = |options: &[&str]| {
        let mut command = ncpu();
        let output = command.args(["run", "--report", "json"]).args(options).arg(&program).output();
        report(&output.unwrap())["state_hash"].clone()
    };
    assert_eq!(hash(&["--interactive"]), hash(&[]));
}

#[test]
fn signals_become_128_and_more() {
    let folder = Folder::new();
    let null = [0xd280_0001, 0xf900_0020]; // mov x1, #0; str x0, [x1]
    for (words, status) in [(&[0][..], 128 + 4), (&null, 128 + 11)] {
        let output = run(&["run".into(), folder.program("p", words)]);
        assert_eq!(output.status.code(), Some(status));
    }
}

#[test]
fn fuel_ends_a_run_at_an_exact_instruction() {
    let folder = Folder::new();
    let program = folder.program("forever", FOREVER);
    for fuel in ["1", "1000", "12345678"] {
        let mut command = ncpu();
        let output = command.args(["run", "--report", "json", "--fuel", fuel]).arg(&program);
        let output = output.output().unwrap();
        assert_eq!(output.status.code(), Some(124));
        assert_eq!(report(&output)["instructions"].to_string(), fuel);
        assert!(text(&output.stderr).contains("fuel"));
    }
}

/// However late input comes, a program that looks for it once and again sees it at its first look
/// (4 instructions and 15), or with --interactive at some later one.
#[test]
fn a_look_at_standard_input_asks_for_it() {
    let folder = Folder::new();
    let program = folder.program("poll", POLL);
    for options in [&[][..], &["--interactive"], &["--clock", "host"]] {
        let mut command = ncpu();
        command.args(["run", "--report", "json"]).args(options).arg(&program);
        command.stdin(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        std::thread::sleep(Duration::from_millis(200));
        child.stdin.take().unwrap().write_all(b"*").unwrap();
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(42), "{options:?}");
        let instructions = report(&output)["instructions"].as_u64().unwrap();
        assert_eq!(instructions == 19, options.is_empty(), "{instructions}");
    }
}

#[test]
fn a_time_limit_ends_a_busy_program_and_one_that_waits() {
    let folder = Folder::new();
    for words in [FOREVER, CAT, POLL] {
        let start = Instant::now();
        let mut command = ncpu();
        command.args(["run", "--timeout", "200ms"]).arg(folder.program("p", words));
        let mut child = command.stdin(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        // Standard input stays open, and nothing comes.
        let input = child.stdin.take();
        assert_eq!(child.wait().unwrap().code(), Some(124));
        drop(input);
        assert!(start.elapsed() < Duration::from_secs(20));
    }
}

#[test]
fn standard_input_goes_in_whole() {
    let folder = Folder::new();
    let program = folder.program("cat", CAT);
    let input: Vec<u8> = (0..300_000_u32).map(|n| (n.wrapping_mul(n) >> 3) as u8).collect();
    for option in ["--interactive", "--strict"] {
        let mut command = ncpu();
        let output = support::with_input(command.args(["run", option]).arg(&program), &input);
        assert_eq!(output.status.code(), Some(0));
        assert!(output.stdout == input);
    }
}

#[test]
fn repeated_runs_are_identical() {
    let folder = Folder::new();
    let program = folder.program("cat", CAT);
    let mut command = ncpu();
    command.args(["run", "--repeat", "3", "--report", "json"]).arg(&program);
    let output = support::with_input(&mut command, b"some input");
    assert_eq!(text(&output.stdout), "some input");
    let runs = &report(&output)["runs"];
    assert_eq!(runs["count"], 3);
    let all = json!({"exit": true, "instructions": true, "output": true, "state_hash": true});
    assert_eq!(runs["identical"], all);
}

#[test]
fn a_machine_goes_on_from_a_snapshot_as_if_nothing_had_been() {
    let folder = Folder::new();
    let program = folder.program("count", &count_then_hello());
    let plain = ncpu().args(["run", "--report", "json"]).arg(&program).output().unwrap();
    let expected = report(&plain);
    assert_eq!(expected["instructions"], 1 + 2 * 65_536 + 8);
    let snapshot = folder.path("snapshot");
    // The last one lies between the write and the exit.
    for at in ["0", "1", "50000", "131079"] {
        for stop in [false, true] {
            let mut command = ncpu();
            command.args(["run", "--report", "json", "--snapshot-at", at, "--snapshot"]);
            command.arg(&snapshot).args(stop.then_some("--stop")).arg(&program);
            let first = command.output().unwrap();
            if stop {
                assert_eq!(first.status.code(), Some(0));
                assert_eq!(report(&first)["instructions"].to_string(), at);
            } else {
                assert_eq!(first.status.code(), Some(7));
                assert_eq!(report(&first)["state_hash"], expected["state_hash"]);
            }
            let mut command = ncpu();
            command.args(["resume", "--report", "json"]).arg(&snapshot).arg(&program);
            let second = command.output().unwrap();
            assert_eq!(second.status.code(), Some(7));
            assert_eq!(text(&second.stdout), "hello\n");
            assert_eq!(report(&second)["instructions"], expected["instructions"]);
            assert_eq!(report(&second)["state_hash"], expected["state_hash"]);
        }
    }
}

#[test]
fn a_machine_goes_on_with_the_input_that_it_has_not_had() {
    let folder = Folder::new();
    let program = folder.program("cat", CAT);
    // More than a console ring holds, so that some is left.
    let input: Vec<u8> = (0..200_000_u32).map(|n| (n.wrapping_mul(n) >> 3) as u8).collect();
    let file = folder.file("input", &input);
    let snapshot = folder.path("snapshot");
    let mut command = ncpu();
    command.args(["run", "--snapshot-at", "100", "--stop", "--snapshot"]).arg(&snapshot);
    let first = support::with_input(command.arg(&program), &input);
    assert_eq!(first.status.code(), Some(0));
    let resume = || {
        let mut command = ncpu();
        command.arg("resume").arg(&snapshot).arg(&program);
        command
    };
    let whole = resume().stdin(fs::File::open(&file).unwrap()).output().unwrap();
    // A ring of 65,536 bytes was filled once (`Limits::default`).
    let rest = support::with_input(&mut resume(), &input[65_536..]);
    for second in [whole, rest] {
        assert_eq!(second.status.code(), Some(0));
        assert!([&first.stdout[..], &second.stdout].concat() == input);
    }
}

#[test]
fn a_snapshot_that_is_never_reached_is_an_error() {
    let folder = Folder::new();
    let snapshot = folder.path("snapshot");
    let mut command = ncpu();
    command.args(["run", "--snapshot-at", "1g", "--snapshot"]).arg(&snapshot);
    let output = command.arg(folder.program("hello", HELLO)).output().unwrap();
    assert_eq!(output.status.code(), Some(125));
    assert!(text(&output.stderr).contains("after 8 instructions"));
    assert!(!snapshot.exists());
}

#[test]
fn snapshots_that_cannot_be_used_are_refused() {
    let folder = Folder::new();
    let program = folder.program("count", &count_then_hello());
    let other = folder.program("hello", HELLO);
    let good = folder.path("good");
    let mut command = ncpu();
    command.args(["run", "--snapshot-at", "50", "--stop", "--snapshot"]).arg(&good).arg(&program);
    assert!(command.status().unwrap().success());
    let bytes = fs::read(&good).unwrap();
    let resume = |bytes: &[u8], program| {
        let file = folder.file("bad", bytes);
        let output = ncpu().arg("resume").arg(file).arg(program).output().unwrap();
        assert_eq!(output.status.code(), Some(125), "{}", text(&output.stderr));
        text(&output.stderr)
    };
    assert!(resume(&bytes, &other).contains("root file system"));
    assert!(resume(b"", &program).contains("not an nCPU snapshot"));
    assert!(resume(b"\x7fELF and more bytes", &program).contains("not an nCPU snapshot"));
    for length in (12..bytes.len()).step_by(bytes.len() / 13) {
        assert!(resume(&bytes[..length], &program).contains("damaged"));
    }
}

#[test]
fn a_reader_that_leaves_ends_the_run_quietly() {
    let folder = Folder::new();
    let mut command = ncpu();
    command.arg("run").arg(folder.program("yes", YES));
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdout.take().unwrap().read_exact(&mut [0; 4]).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), text(&output.stderr)), (Some(141), String::new()));
}

#[test]
fn a_terminal_can_be_fed_from_a_pipe() {
    let folder = Folder::new();
    let mut command = ncpu();
    command.args(["run", "-t"]).arg(folder.program("cat", CAT));
    let output = support::with_input(&mut command, b"line\n");
    assert_eq!(output.status.code(), Some(0));
    // The terminal's echo, then the program's copy; ONLCR makes line ends two bytes.
    assert_eq!(text(&output.stdout), "line\r\nline\r\n");
    let output = support::with_input(ncpu().args(["run", "-it", "/bin/true"]), b"");
    assert_eq!(output.status.code(), Some(125));
    assert!(text(&output.stderr).contains("terminal"));
}

#[test]
fn a_root_file_system_comes_from_a_folder() {
    let folder = Folder::new();
    let root = folder.path("root");
    fs::create_dir_all(root.join("usr/bin")).unwrap();
    let program = root.join("usr/bin/hello");
    fs::write(&program, support::elf(HELLO)).unwrap();
    let make_executable = |mode| {
        fs::set_permissions(&program, std::os::unix::fs::PermissionsExt::from_mode(mode)).unwrap();
    };
    make_executable(0o755);
    let status = |arguments: &[&str]| {
        let mut command = ncpu();
        let output = command.args(["run", "--rootfs"]).arg(&root).args(arguments).output().unwrap();
        (output.status.code().unwrap(), text(&output.stderr))
    };
    assert_eq!(status(&["hello"]), (7, String::new()));
    assert_eq!(status(&["/usr/bin/../bin/hello"]), (7, String::new()));
    assert_eq!(status(&["-w", "/usr", "--", "bin/hello"]), (7, String::new()));
    let (code, message) = status(&["goodbye"]);
    assert_eq!(code, 127, "{message}");
    let (code, message) = status(&["/usr"]);
    assert!(code == 126 && message.contains("directory"), "{message}");
    let (code, message) = status(&["-w", "/nowhere", "hello"]);
    assert!(code == 125 && message.contains("/nowhere"), "{message}");
    let (code, message) = status(&[]);
    assert!(code == 125 && message.contains("shell"), "{message}");
    make_executable(0o644);
    let (code, message) = status(&["/usr/bin/hello"]);
    assert!(code == 126 && message.contains("execute permission"), "{message}");
}
