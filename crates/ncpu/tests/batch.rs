//! `ncpu batch`.

mod support;

use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};
use support::{CAT, FOREVER, Folder, HELLO, ncpu, report, text, with_input};

/// Table sizes and memory of a batch's machines, for `ncpu run`.
const COMPACT: [&str; 4] = [
    "--mem",
    "16M",
    "--limit",
    "tasks=32,mappings=1024,files=256,inodes=1024,dentries=1024,objects=32,console=4096",
];

fn rows(lines: &[u8]) -> BTreeMap<u64, Value> {
    let rows =
        text(lines).lines().map(|line| serde_json::from_str(line).unwrap()).collect::<Vec<_>>();
    let count = rows.len();
    let by_index: BTreeMap<_, _> =
        rows.into_iter().map(|row: Value| (row["index"].as_u64().unwrap(), row)).collect();
    assert_eq!(by_index.len(), count, "an index comes twice");
    by_index
}

/// Runs a batch where no GPU is seen, whether there is one or not.
fn batch(options: &[&str], program: &Path) -> Output {
    ncpu().env("CUDA_VISIBLE_DEVICES", "").arg("batch").args(options).arg(program).output().unwrap()
}

#[test]
fn each_machine_gives_what_run_gives_with_its_input() {
    let folder = Folder::new();
    let program = folder.program("cat", CAT);
    fs::create_dir(folder.path("inputs")).unwrap();
    let inputs: Vec<Vec<u8>> =
        [0, 1, 4095, 4096, 4097, 20_000].map(|size| vec![b'x'; size]).to_vec();
    for (number, input) in inputs.iter().enumerate() {
        folder.file(&format!("inputs/{number}"), input);
    }
    let inputs_folder = folder.path("inputs");
    let mut all = Vec::new();
    for lanes in ["1", "2", "64"] {
        let options = ["--lanes", lanes, "--input-dir", inputs_folder.to_str().unwrap()];
        let output = batch(&options, &program);
        assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
        all.push(rows(&output.stdout));
    }
    assert!(all[0] == all[1] && all[0] == all[2]);
    for (number, input) in inputs.iter().enumerate() {
        let mut command = ncpu();
        command.args(["run", "--report", "json"]).args(COMPACT).arg(&program);
        let alone = with_input(&mut command, input);
        let report = report(&alone);
        let row = &all[0][&(number as u64)];
        assert_eq!(row["label"], number.to_string());
        assert_eq!((&row["ended"], &row["exit"]), (&json!("exited"), &json!(0)));
        assert_eq!(row["instructions"], report["instructions"]);
        assert_eq!(row["state_hash"], report["state_hash"], "{} bytes", input.len());
        assert_eq!(row["stdout"].as_str().unwrap().as_bytes(), alone.stdout);
        assert_eq!((&row["stderr"], &row["truncated"]), (&json!(""), &json!(false)));
    }
}

#[test]
fn numbers_are_inputs_too() {
    let folder = Folder::new();
    let program = folder.program("cat", CAT);
    let output = batch(&["--stdin-range", "98..101", "--report", "json"], &program);
    let stdout: Vec<_> =
        rows(&output.stdout).into_values().map(|row| row["stdout"].clone()).collect();
    assert_eq!(stdout, ["98\n", "99\n", "100\n"]);
    let report = report(&output);
    assert_eq!((&report["machines"], &report["engine"]), (&json!(3), &json!("cpu")));
    assert_eq!(report["ended"]["exited"], 3);
    // A block is 13 instructions, and 11 are around them.
    assert_eq!(report["instructions"], 3 * 24);
    assert!(text(&output.stderr).contains("3 machines in "));
}

#[test]
fn lanes_give_what_the_processor_gives() {
    let folder = Folder::new();
    let program = folder.program("cat", CAT);
    let lines = [
        json!({"stdin": "text"}),
        json!({"stdin": "x".repeat(50_000)}),
        json!({"args": ["a"], "env": {"A": "b"}}),
        json!({"files": {"/proc/no": ""}}),
        json!({"id": "with a file", "stdin": "y", "files": {"/tmp/a": "b"}}),
    ];
    let lines: String = lines.iter().map(|line| format!("{line}\n")).collect();
    let file = folder.file("cases", lines.as_bytes());
    let run = |engine| {
        let options = ["--jsonl", file.to_str().unwrap(), "--engine", engine, "--report", "json"];
        let output = batch(&[&options[..], &["--lanes", "3"]].concat(), &program);
        assert_eq!(output.status.code(), Some(125));
        (rows(&output.stdout), report(&output))
    };
    let (expected, _) = run("cpu");
    let (found, report) = run("gpu-emulated");
    assert_eq!(expected.len(), 5);
    assert_eq!(found, expected);
    assert_eq!((&report["engine"], &report["lanes"]), (&json!("gpu-emulated"), &json!(3)));
    // Reads, writes and an exit: "x" comes in 13 blocks, which the rooms for output do not hold.
    let gpu = &report["gpu"];
    assert!(gpu["rounds"].as_u64() > Some(3) && gpu["host_stops"].as_u64() > Some(0), "{gpu}");
    assert_eq!(gpu["system_calls"], (2 + 2) + (2 * 13 + 2) + 2 + (2 + 2));
}

/// Takes a snapshot of a machine of `program`, with `input`, where `--snapshot-at` says.
fn snapshot(folder: &Folder, program: &Path, input: &[u8], options: &[&str], at: &str) -> String {
    let path = folder.path(&format!("{}{at}", options.join(""))).display().to_string();
    let mut command = ncpu();
    command.arg("run").args(COMPACT).args(options);
    command.args(["--snapshot", &path, "--snapshot-at", at, "--stop"]).arg(program);
    let output = with_input(&mut command, input);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    path
}

#[test]
fn machines_start_from_a_snapshot_too() {
    let folder = Folder::new();
    let program = folder.program("cat", CAT);
    let starts = [(&[][..], "2"), (&[], "input"), (&["--engine", "gpu-emulated"], "input")]
        .map(|(options, at)| snapshot(&folder, &program, b"", options, at));
    let inputs = ["--stdin-range", "7..10"];
    let booted = batch(&inputs, &program);
    let booted = rows(&booted.stdout);
    assert_eq!(booted.len(), 3);
    for engine in ["cpu", "gpu-emulated"] {
        for start in &starts {
            let options = ["--snapshot", start, "--engine", engine, "--lanes", "2"];
            let output = batch(&[&inputs[..], &options].concat(), &program);
            assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
            assert_eq!(rows(&output.stdout), booted, "{engine}, {start}");
        }
    }
    // What it was given before comes before what it is given now.
    let first = rows(&batch(&["--stdin-range", "0..1"], &program).stdout);
    let all = first[&0]["instructions"].as_u64().unwrap();
    let read = snapshot(&folder, &program, &[b'x'; 5000], &[], &(all / 2).to_string());
    let output = batch(&["--stdin-range", "7..8", "--snapshot", &read], &program);
    let stdout = rows(&output.stdout)[&0]["stdout"].as_str().unwrap().to_owned();
    assert_eq!(stdout, format!("{}7\n", "x".repeat(4096)));
}

#[test]
fn snapshots_that_a_batch_cannot_use() {
    let folder = Folder::new();
    let program = folder.program("cat", CAT);
    let first = rows(&batch(&["--stdin-range", "0..1"], &program).stdout);
    let all = first[&0]["instructions"].as_u64().unwrap();
    let ended = snapshot(&folder, &program, b"0\n", &[], &(all - 1).to_string());
    let on_terminal = snapshot(&folder, &program, b"", &["-t"], "1");
    let paced = snapshot(&folder, &program, b"", &["--clock", "host"], "2");
    let other = folder.program("other", HELLO);
    let cases: &[(&[&str], &Path, &str)] = &[
        (&["--snapshot", &ended], &program, "standard input has ended"),
        (&["--snapshot", &on_terminal], &program, "without -t"),
        (&["--snapshot", &paced], &program, "--clock virtual"),
        (&["--snapshot", &ended], &other, "root file system"),
        (&["--snapshot", "/no/such/file"], &program, "No such file"),
        (&["--snapshot", &ended, "--mem", "1M"], &program, "cannot be used with"),
        (&["--snapshot", &ended, "--rootfs", "/"], &program, "no program"),
    ];
    for (options, program, expected) in cases {
        let output = batch(&[&["--stdin-range", "0..1"], *options].concat(), program);
        let message = text(&output.stderr);
        assert_eq!(output.status.code(), Some(125), "{options:?}: {message}");
        assert!(message.contains(expected), "{options:?}: {message}");
    }
}

#[test]
fn lines_of_json_are_inputs_too() {
    let folder = Folder::new();
    let program = folder.program("cat", CAT);
    let lines = folder.file(
        "cases",
        b"{\"id\": \"a\", \"stdin\": \"text\"}\n\n{\"stdin_base64\": \"/wAK\"}\n{}\n{\"files\": {\"/proc/no\": \"\"}}",
    );
    let output = batch(&["--jsonl", lines.to_str().unwrap(), "--output-limit", "2"], &program);
    // The last one could not be made.
    assert_eq!(output.status.code(), Some(125));
    let rows = rows(&output.stdout);
    assert_eq!(rows.len(), 4);
    assert_eq!(rows[&0]["label"], "a");
    assert_eq!((&rows[&0]["stdout"], &rows[&0]["truncated"]), (&json!("te"), &json!(true)));
    // 0xff and 0, by `printf '\377\0' | base64`.
    assert_eq!((&rows[&1]["stdout_base64"], &rows[&1]["stdout"]), (&json!("/wA="), &Value::Null));
    assert_eq!((&rows[&2]["stdout"], &rows[&2]["truncated"]), (&json!(""), &json!(false)));
    assert_eq!((&rows[&3]["ended"], &rows[&3]["exit"]), (&json!("failed"), &Value::Null));
    assert!(rows[&3]["error"].as_str().unwrap().contains("/proc/no"));

    let lines = folder.file("cases", b"{\"stdin\": \"x\"}\n\n{\"stdin\": 1}\n");
    let output = batch(&["--jsonl", lines.to_str().unwrap()], &program);
    assert_eq!(output.status.code(), Some(125));
    assert!(text(&output.stderr).contains("cases:3: "), "{}", text(&output.stderr));
    assert_eq!(text(&output.stdout).lines().count(), 1);

    let mut command = ncpu();
    let output = with_input(command.args(["batch", "--jsonl", "-"]).arg(&program), b"{}\n{}\n");
    assert_eq!((output.status.code(), text(&output.stdout).lines().count()), (Some(0), 2));
}

#[test]
fn statuses() {
    let folder = Folder::new();
    let range = ["--stdin-range", "0..3", "--fuel", "1000"];
    for (name, words, status, ended) in [
        ("hello", HELLO, 0, "exited"),
        ("signal", &[0], 0, "signalled"),
        ("forever", FOREVER, 124, "fuel"),
    ] {
        let output = batch(&range, &folder.program(name, words));
        assert_eq!(output.status.code(), Some(status), "{name}");
        for row in rows(&output.stdout).values() {
            assert_eq!(row["ended"], ended);
        }
    }
    let output = batch(&range, &folder.path("nothing"));
    assert_eq!((output.status.code(), output.stdout.len()), (Some(127), 0));
    let output = batch(&range, &folder.file("text", b"text"));
    assert_eq!((output.status.code(), output.stdout.len()), (Some(126), 0));
}

#[test]
fn an_unreadable_input_fails_alone() {
    let folder = Folder::new();
    let program = folder.program("cat", CAT);
    fs::create_dir_all(folder.path("inputs/folder")).unwrap();
    folder.file("inputs/a", b"A");
    symlink("nowhere", folder.path("inputs/b")).unwrap();
    folder.file("inputs/c", b"C");
    let output = batch(&["--input-dir", folder.path("inputs").to_str().unwrap()], &program);
    assert_eq!(output.status.code(), Some(125));
    let rows = rows(&output.stdout);
    let labels: Vec<_> = rows.values().map(|row| (&row["label"], &row["ended"])).collect();
    let expected = [("a", "exited"), ("b", "failed"), ("c", "exited")];
    assert_eq!(
        labels,
        expected.map(|(label, ended)| (json!(label), json!(ended))).each_ref().map(|(a, b)| (a, b))
    );
    assert!(text(&output.stderr).contains("inputs/b"));
}

#[test]
fn a_batch_is_gone_on_with() {
    let folder = Folder::new();
    let program = folder.program("cat", CAT);
    let out = folder.path("out.jsonl");
    let options = |range: &'static str| {
        vec![
            "--stdin-range".to_owned(),
            range.to_owned(),
            "--out".to_owned(),
            out.display().to_string(),
        ]
    };
    let run =
        |options: &[String]| ncpu().arg("batch").args(options).arg(&program).output().unwrap();
    assert_eq!(run(&options("0..10")).status.code(), Some(0));
    let whole = rows(&fs::read(&out).unwrap());
    assert_eq!(whole.len(), 10);

    let refused = run(&options("0..10"));
    assert_eq!(refused.status.code(), Some(125));
    assert!(text(&refused.stderr).contains("--resume"));

    // Three rows and a torn one.
    let lines = text(&fs::read(&out).unwrap());
    let lines: Vec<_> = lines.split_inclusive('\n').collect();
    fs::write(&out, lines[..3].concat() + &lines[3][..20]).unwrap();
    let resume =
        [options("0..10"), vec!["--resume".to_owned(), "--report".to_owned(), "json".to_owned()]]
            .concat();
    let output = run(&resume);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let report = report(&output);
    assert_eq!((&report["machines"], &report["earlier"]), (&json!(7), &json!(3)));
    assert_eq!(rows(&fs::read(&out).unwrap()), whole);

    let other = run(&[options("5..15"), vec!["--resume".to_owned()]].concat());
    assert_eq!(other.status.code(), Some(125));
    assert!(text(&other.stderr).contains("other inputs"), "{}", text(&other.stderr));

    assert!(text(&other.stderr).contains("10 results kept"), "{}", text(&other.stderr));
}

#[test]
fn a_file_of_anything_else_is_left_alone() {
    let folder = Folder::new();
    let program = folder.program("cat", CAT);
    let row = |index| format!("{{\"index\":{index},\"label\":\"{index}\",\"ended\":\"exited\"}}\n");
    let (first, second) = (row(0), row(1));
    for (text_before, expected) in [
        ("no result\n".into(), "line 1 is no result"),
        ("no result".into(), "line 1 is no result"),
        (format!("{first}no result"), "line 2 is no result"),
        (format!("{first}{{\"index\":1}}\n"), "line 2 is no result"),
        (format!("{first}{second}{first}"), "line 3: machine 0"),
        (format!("{first}{}{{\"index\":1", row(2)), "machine 2, and 2 inputs"),
    ] {
        let out = folder.file("out", text_before.as_bytes());
        let options = ["--stdin-range", "0..2", "--resume", "--out", out.to_str().unwrap()];
        let output = batch(&options, &program);
        let message = text(&output.stderr);
        assert_eq!(output.status.code(), Some(125), "{text_before:?}: {message}");
        assert!(message.contains(expected), "{text_before:?}: {message}");
        assert!(!message.contains("kept"), "{message}");
        assert_eq!(fs::read_to_string(&out).unwrap(), text_before);
    }
    for torn in ["", "{", "{\"index\":", "{\"index\":1,\"label\""] {
        let out = folder.file("out", format!("{first}{torn}").as_bytes());
        let options = ["--stdin-range", "0..2", "--resume", "--out", out.to_str().unwrap()];
        assert_eq!(batch(&options, &program).status.code(), Some(0));
        assert_eq!(rows(&fs::read(&out).unwrap()).len(), 2);
    }
    // How many lines there are is known at their end.
    let cases = folder.file("cases", b"{}\n{}\n");
    let out = folder.file("out", row(2).as_bytes());
    let options = ["--jsonl", cases.to_str().unwrap(), "--resume", "--out", out.to_str().unwrap()];
    let output = batch(&options, &program);
    let message = text(&output.stderr);
    assert_eq!(output.status.code(), Some(125));
    assert!(message.contains("3 results kept") && message.contains("2 inputs"), "{message}");
    assert_eq!(rows(&fs::read(&out).unwrap()).len(), 3);
}

#[test]
fn a_file_is_written_by_one_batch_at_a_time() {
    let folder = Folder::new();
    let out = folder.path("out");
    let file = File::create(&out).unwrap();
    file.lock().unwrap();
    let options = ["--stdin-range", "0..1", "--out", out.to_str().unwrap()];
    let program = folder.program("cat", CAT);
    let output = batch(&options, &program);
    assert_eq!(output.status.code(), Some(125));
    assert!(text(&output.stderr).contains("another batch"), "{}", text(&output.stderr));
    drop(file);
    assert_eq!(batch(&options, &program).status.code(), Some(0));
}

#[test]
fn inputs_are_not_written_over() {
    let folder = Folder::new();
    let program = folder.program("cat", CAT);
    let path = |name: &str| folder.path(name).display().to_string();
    fs::create_dir(folder.path("inputs")).unwrap();
    folder.file("inputs/a", b"A");
    folder.file("cases", b"{}\n");
    folder.file("linked", b"");
    symlink(path("cases"), path("link")).unwrap();
    symlink(path("linked"), path("inputs/b")).unwrap();
    fs::hard_link(path("inputs/a"), path("hard")).unwrap();
    let (folder_of, lines) = (["--input-dir", &path("inputs")], ["--jsonl", &path("cases")]);
    let range = ["--stdin-range", "0..1"];
    for (inputs, out, report, expected) in [
        (lines, "out", "inputs/../out", "where results go"),
        (lines, "cases", "report", "--out"),
        (lines, "link", "report", "--out"),
        (lines, "out", "link", "--report-file"),
        (range, "linked", "inputs/b", "where results go"),
        (folder_of, "hard", "report", "input of this batch"),
        (folder_of, "linked", "report", "input of this batch"),
        (folder_of, "out", "hard", "--report-file"),
        (folder_of, "inputs/a", "report", "--input-dir"),
        (folder_of, "inputs/new", "report", "--input-dir"),
        (folder_of, "out", "inputs/new", "--input-dir"),
    ] {
        let (out, report) = (path(out), path(report));
        let options = ["--resume", "--out", &out, "--report", "json", "--report-file", &report];
        let output = batch(&[&inputs[..], &options].concat(), &program);
        let message = text(&output.stderr);
        assert_eq!(output.status.code(), Some(125), "{out}, {report}: {message}");
        assert!(message.contains(expected), "{out}, {report}: {message}");
    }
    // Whoever sends results on by the shell means files too.
    let out = File::options().append(true).open(path("cases")).unwrap();
    let output = ncpu().arg("batch").args(lines).arg(&program).stdout(out).output().unwrap();
    assert_eq!(output.status.code(), Some(125));
    for (name, contents) in [("cases", "{}\n"), ("inputs/a", "A"), ("linked", "")] {
        assert_eq!(fs::read_to_string(path(name)).unwrap(), contents);
    }
    assert!(!["out", "report", "inputs/new"].iter().any(|name| folder.path(name).exists()));
}

#[test]
fn a_reader_that_leaves_ends_the_batch() {
    let folder = Folder::new();
    let (reader, writer) = io::pipe().unwrap();
    drop(reader);
    let file = folder.path("report");
    let mut command = ncpu();
    command.args(["batch", "--engine", "cpu", "--stdin-range", "0..100000", "--report", "json"]);
    command.arg("--report-file").arg(&file).arg(folder.program("cat", CAT)).stdout(writer);
    let output = command.output().unwrap();
    let message = text(&output.stderr);
    assert_eq!(output.status.code(), Some(141), "{message}");
    assert!(message.contains(" machines in ") && message.lines().count() == 1, "{message}");
    let report: Value = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
    assert!((1..100_000).contains(&report["ended"]["exited"].as_u64().unwrap()), "{report}");
    assert_eq!(report["stopped"], json!(true));

    let (reader, writer) = io::pipe().unwrap();
    drop(reader);
    command.stdout(writer.try_clone().unwrap()).stderr(writer);
    assert_eq!(command.status().unwrap().code(), Some(141));
}

#[test]
fn a_full_disk_is_told_of_whatever_row_it_kept_away() {
    let folder = Folder::new();
    fs::create_dir(folder.path("inputs")).unwrap();
    // Rows of inputs that cannot be read come in between.
    for number in 0..400 {
        let input = folder.path(&format!("inputs/{number}"));
        match number % 8 {
            0 => fs::write(input, "A").unwrap(),
            _ => symlink("nowhere", input).unwrap(),
        }
    }
    let inputs = folder.path("inputs").display().to_string();
    let options = ["--engine", "cpu", "--input-dir", &inputs, "--out", "/dev/full"];
    let output = batch(&options, &folder.program("cat", CAT));
    let message = text(&output.stderr);
    assert_eq!(output.status.code(), Some(125), "{message}");
    assert!(message.contains("cannot write /dev/full"), "{message}");
    assert!(message.contains("No space left on device"), "{message}");
}

#[test]
fn a_machine_that_has_ended_is_not_late() {
    let folder = Folder::new();
    let options = ["--stdin-range", "0..3", "--timeout", "0s"];
    for (name, words, status) in [("hello", HELLO, 0), ("forever", FOREVER, 124)] {
        let program = folder.program(name, words);
        let output = batch(&options, &program);
        assert_eq!(output.status.code(), Some(status), "{}", text(&output.stdout));
        let run = ncpu().args(["run", "--timeout", "0s"]).arg(program).output().unwrap();
        assert_eq!(run.status.code(), Some(if status == 0 { 7 } else { status }));
    }
}

fn interrupt(child: &Child) {
    let pid = child.id().to_string();
    assert!(Command::new("kill").args(["-INT", &pid]).status().unwrap().success());
}

#[test]
fn an_interrupt_keeps_results() {
    let folder = Folder::new();
    let (out, program) = (folder.path("out.jsonl"), folder.program("forever", FOREVER));
    // Machines of 10,000 instructions without number.
    let mut command = ncpu();
    command.args(["batch", "--stdin-range", "0..1000000000", "--fuel", "10000", "--out"]);
    let mut child = command.arg(&out).arg(&program).stderr(Stdio::piped()).spawn().unwrap();
    let start = Instant::now();
    while fs::metadata(&out).map_or(0, |file| file.len()) < 1000 {
        assert!(start.elapsed() < Duration::from_secs(60));
        sleep(Duration::from_millis(10));
    }
    interrupt(&child);
    assert_eq!(child.wait().unwrap().code(), Some(130));
    let rows = rows(&fs::read(&out).unwrap());
    assert!(!rows.is_empty() && rows.values().all(|row| row["instructions"] == 10_000));

    let mut command = ncpu();
    command.args(["batch", "--engine", "cpu", "--jsonl", "-"]).arg(&program);
    let mut child = command.stdin(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut input = child.stdin.take().unwrap();
    // More than a pipe holds (`man 7 pipe`): the batch has begun to read.
    input.write_all(&[b'\n'; 1 << 17]).unwrap();
    interrupt(&child);
    let output = child.wait_with_output().unwrap();
    drop(input);
    let message = text(&output.stderr);
    assert_eq!(output.status.code(), Some(130));
    assert!(message.contains("none has ended"), "{message}");
}

#[test]
fn rows_come_while_input_is_waited_for() {
    for engine in ["cpu", "gpu-emulated"] {
        let folder = Folder::new();
        let (out, program) = (folder.path("out.jsonl"), folder.program("cat", CAT));
        let mut command = ncpu();
        command.args(["batch", "--engine", engine, "--lanes", "3", "--jsonl", "-", "--out"]);
        command.arg(&out).arg(&program).stdin(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().unwrap();
        let mut input = child.stdin.take().unwrap();
        let start = Instant::now();
        for count in 1..=2 {
            input.write_all(b"{\"stdin\": \"x\"}\n").unwrap();
            while fs::read(&out).map_or(0, |rows| rows.split(|&byte| byte == b'\n').count() - 1)
                < count
            {
                assert!(start.elapsed() < Duration::from_secs(60), "{engine}: no row {count}");
                sleep(Duration::from_millis(10));
            }
        }
        drop(input);
        assert_eq!(child.wait().unwrap().code(), Some(0), "{engine}");
    }
}

#[test]
fn a_full_disk_is_told() {
    let folder = Folder::new();
    let output =
        batch(&["--stdin-range", "0..9", "--out", "/dev/full"], &folder.program("cat", CAT));
    assert_eq!(output.status.code(), Some(125));
    let message = text(&output.stderr);
    assert!(message.contains("/dev/full") && message.contains("No space left"), "{message}");
    assert!(message.contains("0 results before are kept"), "{message}");
}

#[test]
fn parquet_is_a_feature() {
    let folder = Folder::new();
    let (out, program) = (folder.path("out.parquet"), folder.program("cat", CAT));
    let options = ["--stdin-range", "0..9", "--out", out.to_str().unwrap()];
    let output = batch(&options, &program);
    if cfg!(feature = "parquet") {
        assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
        let file = fs::read(&out).unwrap();
        assert!(file.starts_with(b"PAR1") && file.ends_with(b"PAR1"));
    } else {
        assert_eq!(output.status.code(), Some(125));
        assert!(text(&output.stderr).contains("--features parquet"), "{}", text(&output.stderr));
    }
}

#[test]
fn options_that_make_no_sense() {
    let folder = Folder::new();
    let program = folder.program("cat", CAT);
    let empty = folder.path("empty");
    fs::create_dir(&empty).unwrap();
    let range = ["--stdin-range", "0..1"];
    let cases: &[(&[&str], &str)] = &[
        (&[], "--input-dir"),
        (&["--stdin-range", "0..1", "--input-dir", "/tmp"], "cannot be used with"),
        (&["--stdin-range", "5..5"], "no number"),
        (&["--stdin-range", "5"], "range"),
        (&["--input-dir", "/no/such/folder"], "No such file"),
        (&["--input-dir", empty.to_str().unwrap()], "no file"),
        (&["--jsonl", "/no/such/file"], "No such file"),
        (&[range[0], range[1], "--lanes", "0"], "1 or more"),
        (&[range[0], range[1], "--resume"], "--out"),
        (&[range[0], range[1], "--out", "/no/such/folder/x"], "No such file"),
        (&[range[0], range[1], "--out", "/tmp/nothing/"], "Is a directory"),
        (&[range[0], range[1], "--out", "x.parquet", "--resume"], "jsonl"),
        (&[range[0], range[1], "--engine", "gpu"], "--engine cpu"),
        (&[range[0], range[1], "--engine", "gpu-emulated", "--lanes", "9999999"], "at most"),
        (
            &[range[0], range[1], "--alu", "neural", "--weights", "/no/such/folder"],
            "/no/such/folder",
        ),
    ];
    for (options, expected) in cases {
        let output = batch(options, &program);
        let message = text(&output.stderr);
        assert_eq!(output.status.code(), Some(125), "{options:?}: {message}");
        assert!(message.contains(expected), "{options:?}: {message}");
        assert_eq!(text(&output.stdout), "", "{options:?}");
    }
}
