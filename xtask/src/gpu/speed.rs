//! Programs for many machines beside qemu on all cores of the same host; packets; forks; start-up.
//!
//! Every machine's output is checked: seeds repeat after [`SEEDS`] machines, and for each the same
//! program, compiled for the host, says what is right.

use super::batch::{Batch, Done};
use super::{Check, Section};
use crate::batch::peer::split_packet;
use crate::batch::{FILTERS, Input, PACKETS, WORKLOADS, Workload, output};
use anyhow::{Context, Result, ensure};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

/// Different seeds of a workload's machines, all of the same length: machines whose work is alike read them alike.
const SEEDS: usize = 1024;
const FIRST_SEED: u64 = 1000;
/// Small machines, for the programs need no more.
pub(super) const MACHINE: &[&str] = &[
    "--mem",
    "1M",
    "--limit",
    "tasks=2,mappings=32,files=8,inodes=32,dentries=32,objects=2,console=4096",
    "--output-limit",
    "4K",
];

/// So many lanes, and what is to be reached where they are alike and where they differ.
struct Size {
    lanes: u32,
    alike: Aim,
    diverse: Aim,
    /// As `diverse`, for packet filters, which are slow where they differ.
    filters: Aim,
}

/// The work of a lane in percent of the workload's, and the instructions a second to be reached.
struct Aim {
    work: u64,
    speed: f64,
}

/// A speed that the card keeps up shows where it has some seconds of work, beside which opening it weighs
/// little.
const SIZES: &[Size] = &[
    size(1, (400, 8e6), (400, 400, 8e6)),
    size(16_384, (400, 100e9), (100, 30, 100e9)),
    size(131_072, (500, 400e9), (200, 30, 120e9)),
];
const SMALL: &[Size] = &[size(1, (4, 8e6), (4, 4, 8e6)), size(12, (4, 8e6), (4, 4, 8e6))];

const fn size(lanes: u32, alike: (u64, f64), (diverse, filters, speed): (u64, u64, f64)) -> Size {
    let alike = Aim { work: alike.0, speed: alike.1 };
    let [diverse, filters] = [Aim { work: diverse, speed }, Aim { work: filters, speed }];
    Size { lanes, alike, diverse, filters }
}

impl Size {
    fn aim(&self, workload: &Workload) -> &Aim {
        match (workload.program, workload.last) {
            (FILTERS, _) => &self.filters,
            (_, "alike") => &self.alike,
            _ => &self.diverse,
        }
    }
}

pub(super) fn run(check: &Check, section: &mut Section) -> Result<()> {
    section.line("## Speed\n");
    let peer = peer(check, section)?;
    // What goes wrong with one leaves the others. The longest comes last.
    for result in [
        forks(check, section),
        start_up(check, section),
        packets(check, section, peer.as_ref()),
        workloads(check, section, peer.as_ref()),
    ] {
        if let Err(error) = result {
            section.fail(format!("{error:#}"));
        }
    }
    Ok(())
}

/// What `xtask batch-peer` says, if there is a peer.
fn peer(check: &Check, section: &mut Section) -> Result<Option<Value>> {
    if !check.qemu.exists() {
        section.line(format!("No peer: {} is missing.\n", check.qemu.display()));
        return Ok(None);
    }
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["batch-peer", "--json", "--runs", "1", "--qemu"]).arg(&check.qemu);
    command.arg("--programs").arg(&check.programs);
    if check.small {
        command.arg("integer");
    }
    let outcome = check.command(&mut command, 200)?;
    let said = String::from_utf8_lossy(&outcome.stderr);
    ensure!(outcome.exit == 0, "xtask batch-peer: {}", said.trim_end());
    let report: Value = serde_json::from_slice(&outcome.stdout)?;
    section.line(format!(
        "Peer: {}, {} processes at a time on {}, each with the work of 200 machines.\n",
        report["peer"].as_str().unwrap_or_default(),
        report["processes"],
        report["processor"].as_str().unwrap_or_default(),
    ));
    Ok(Some(report))
}

/// A figure of the peer's: the entry of `list` whose `key` is `name`.
fn figure(peer: Option<&Value>, list: &str, key: &str, name: &str, figure: &str) -> Option<f64> {
    let entries = peer?[list].as_array()?;
    entries.iter().find(|entry| entry[key] == name)?[figure].as_f64()
}

/// Runs a workload on so many lanes, with every machine's output checked.
pub(super) fn measure(
    check: &Check,
    workload: &Workload,
    lanes: u32,
    iterations: u64,
) -> Result<Done> {
    let seeds = SEEDS.min(lanes as usize);
    let inputs: Vec<String> =
        (0..seeds).map(|seed| workload.input(FIRST_SEED + seed as u64, iterations)).collect();
    let expected = natively(check, workload.program, &inputs)?;
    let cases = check
        .write_cases((0..lanes as usize).map(|lane| json!({ "stdin": inputs[lane % seeds] })))?;
    let mut options: Vec<String> = MACHINE.iter().map(|word| (*word).to_owned()).collect();
    options.extend(["--jsonl".to_owned(), cases.display().to_string()]);
    let program = check.programs.join(workload.program);
    let done = check.batch(&Batch {
        engine: &check.engine,
        lanes,
        options,
        program: vec![program.as_os_str()],
        seconds: 60,
    })?;
    let wrong = |row: &super::batch::Row| row.stdout.as_ref() != Some(&expected[row.index % seeds]);
    let count = done.rows.iter().filter(|row| wrong(row)).count();
    if let Some(row) = done.rows.iter().find(|row| wrong(row)) {
        anyhow::bail!(
            "{} on {lanes} lanes: {count} machines are wrong: {row:?}, but expected {:?}",
            workload.name,
            expected[row.index % seeds]
        );
    }
    Ok(done)
}

/// What the program prints when it is compiled for the host.
fn natively(check: &Check, program: &str, inputs: &[String]) -> Result<Vec<String>> {
    let program = check.programs.join("native").join(program);
    let next = AtomicUsize::new(0);
    let results = Mutex::new(vec![String::new(); inputs.len()]);
    let worker = || -> Result<()> {
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            let Some(input) = inputs.get(index) else { return Ok(()) };
            let printed = output(&mut Command::new(&program), Input::Bytes(input.as_bytes()))?;
            let printed = String::from_utf8(printed)?;
            results.lock().expect("no worker panics with the lock")[index] = printed;
        }
    };
    std::thread::scope(|scope| {
        let threads = std::thread::available_parallelism()?.get();
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(worker)).collect();
        workers.into_iter().try_for_each(|worker| worker.join().expect("no panic"))
    })?;
    Ok(results.into_inner().expect("the workers are gone"))
}

fn workloads(check: &Check, section: &mut Section, peer: Option<&Value>) -> Result<()> {
    section.line(
        "Instructions a second of all machines together, end to end: inputs in, results out, every \
         output checked; and in brackets while the card executed.\n\n\
         | workload | lanes | instructions | wall, s | MIPS | target | qemu, all cores, MIPS | ratio |\n\
         |---|---|---|---|---|---|---|---|",
    );
    let (mut reached, mut targets) = (0, 0);
    for workload in WORKLOADS {
        for size in check.pick(SIZES, SMALL) {
            let aim = size.aim(workload);
            let iterations = (workload.iterations * aim.work / 100).max(1);
            let done = match measure(check, workload, size.lanes, iterations) {
                Ok(done) => done,
                Err(error) => {
                    section.fail(format!("{error:#}"));
                    continue;
                }
            };
            let speed = done.report.instructions_per_second;
            let name = workload.name;
            let qemu = figure(peer, "workloads", "name", name, "instructions_per_second");
            targets += 1;
            reached += u32::from(speed >= aim.speed);
            section.line(format!(
                "| {name} | {} | {} | {:.2} | {:.1} ({:.1}) | {:.0}{} | {} | {} |",
                size.lanes,
                done.report.instructions,
                done.report.wall_seconds,
                speed / 1e6,
                done.report.executing_mips(),
                aim.speed / 1e6,
                if speed >= aim.speed { "" } else { ", missed" },
                qemu.map_or_else(String::new, |qemu| format!("{:.0}", qemu / 1e6)),
                qemu.map_or_else(String::new, |qemu| format!("{:.2}", speed / qemu)),
            ));
        }
    }
    section.note = format!(", {reached} of {targets} targets reached");
    Ok(())
}

/// Packets in, verdicts out.
fn packets(check: &Check, section: &mut Section, peer: Option<&Value>) -> Result<()> {
    section.line(
        "\nPackets a second, end to end: packets in as standard input, verdicts out, all checked; and in \
         brackets while the card executed. One packet each comes from lines of JSON, many from files. \
         The published bars are 8.4 million on a T4 and about 700 million on a server of 192 threads.\n\n\
         | filter | machines | packets a machine | bytes | packets/s | wall, s | executing / serving / lifting, s; rounds | start of the process to its report, s | qemu, all cores, packets/s |\n\
         |---|---|---|---|---|---|---|---|---|",
    );
    let path = check.programs.join(PACKETS);
    let bytes = std::fs::read(&path).with_context(|| path.display().to_string())?;
    let (mut rest, mut packets) = (&bytes[..], Vec::new());
    while let Some((packet, others)) = split_packet(rest) {
        packets.push(packet);
        rest = others;
    }
    for filter in ["0", "4"] {
        let native = check.programs.join("native").join(FILTERS);
        let verdicts = output(Command::new(native).arg(filter), Input::File(&path))?;
        let verdicts = String::from_utf8(verdicts)?;
        let verdicts: Vec<&str> = verdicts.split_inclusive('\n').collect();
        ensure!(verdicts.len() == packets.len(), "filter {filter}: a verdict is missing");
        for (machines, each, alone) in
            check.pick([(100_000, 1, true), (65_536, 1024, false)], [(20, 1, true), (4, 64, false)])
        {
            // Machine n has the packets from n * each on, in a ring.
            let mine = |n: usize| (n * each..(n + 1) * each).map(|at| at % packets.len());
            let input =
                |machine: usize| mine(machine).map(|at| packets[at]).collect::<Vec<_>>().concat();
            let bytes: usize = (0..machines).flat_map(mine).map(|at| packets[at].len()).sum();
            let (option, cases) = if alone {
                let cases = (0..machines).map(
                    |machine| json!({ "stdin_base64": BASE64_STANDARD.encode(input(machine)) }),
                );
                ("--jsonl", check.write_cases(cases)?)
            } else {
                let same = |machine: usize| machine * each % packets.len();
                ("--input-dir", input_files(check, machines, same, input)?)
            };
            let limit = ["--output-limit", "16K", option];
            let options = MACHINE[..MACHINE.len() - 2].iter().chain(&limit);
            let mut options: Vec<String> = options.map(|word| (*word).to_owned()).collect();
            options.push(cases.display().to_string());
            let program = check.programs.join(FILTERS);
            let done = check.batch(&Batch {
                engine: &check.engine,
                lanes: machines as u32,
                options,
                program: vec![program.as_os_str(), filter.as_ref()],
                seconds: 120,
            })?;
            let wrong = done.rows.iter().filter(|row| {
                let expected: String = mine(row.index).map(|at| verdicts[at]).collect();
                row.stdout.as_ref() != Some(&expected)
            });
            let wrong = wrong.count();
            if wrong > 0 {
                section.fail(format!("filter {filter}: verdicts of {wrong} machines are wrong"));
            }
            let key = if alone { "process_per_packet_per_second" } else { "packets_per_second" };
            let qemu = figure(peer, "packets", "filter", filter, key);
            let (count, report) = ((machines * each) as f64, &done.report);
            let executing =
                report.gpu.as_ref().map_or(report.wall_seconds, |g| g.executing_seconds);
            section.line(format!(
                "| {filter} | {machines} | {each} | {bytes} | {:.0} ({:.0}) | {:.2} | {} | {:.2} | {} |",
                count / report.wall_seconds,
                count / executing,
                report.wall_seconds,
                report.spent(),
                report.process_seconds,
                qemu.map_or_else(String::new, |qemu| format!("{qemu:.0}")),
            ));
        }
    }
    section.line(
        "\nMachines that make their packets themselves are the workloads `bpf-…` below, with 10,000 \
         packets each at 16,384 lanes.\n",
    );
    Ok(())
}

/// A folder with an input for each machine. Machines whose inputs are the `same` share a file: the disk need
/// not hold it more than once.
fn input_files(
    check: &Check,
    machines: usize,
    same: impl Fn(usize) -> usize,
    input: impl Fn(usize) -> Vec<u8>,
) -> Result<PathBuf> {
    let folder = check.scratch.path().join("inputs");
    if folder.exists() {
        std::fs::remove_dir_all(&folder)?;
    }
    std::fs::create_dir(&folder)?;
    let mut written = HashMap::new();
    for machine in 0..machines {
        let path = folder.join(format!("{machine:08}"));
        match written.entry(same(machine)) {
            Entry::Occupied(first) => std::fs::hard_link(first.get(), &path)?,
            Entry::Vacant(none) => {
                std::fs::write(&path, input(machine))?;
                none.insert(path);
            }
        }
    }
    Ok(folder)
}

/// Forks from a snapshot, and resets to it.
fn forks(check: &Check, section: &mut Section) -> Result<()> {
    let mut command = Command::new(&check.forking);
    command.arg(check.programs.join("sort")).arg(check.pick("100000", "40"));
    if check.engine != "gpu" {
        command.arg("--emulated");
    }
    let outcome = check.command(&mut command, 60)?;
    let said = String::from_utf8_lossy(&outcome.stderr);
    ensure!(outcome.exit == 0, "forking: {}", said.trim_end());
    let figures: Value = serde_json::from_slice(&outcome.stdout).context("what forking says")?;
    let number = |name: &str| figures[name].as_f64().with_context(|| format!("no {name}"));
    let (fork, reset) = (number("fork_seconds")?, number("reset_seconds")?);
    let rate = number("dirty_pages")? / reset;
    section.line(format!(
        "\n| | measured | target |\n|---|---|---|\n\
         | fork {} machines from a snapshot | {:.1} ms | 50 ms |\n\
         | reset {} dirty pages of theirs | {:.1} ms, {:.1} million a second | 100 million a second |",
        figures["machines"],
        fork * 1e3,
        figures["dirty_pages"],
        reset * 1e3,
        rate / 1e6,
    ));
    Ok(())
}

/// A process that opens the card and ends, and `ncpu run` without what the machine itself takes.
fn start_up(check: &Check, section: &mut Section) -> Result<()> {
    if check.engine == "gpu" {
        let outcome = check.command(&mut Command::new(&check.opening), 120)?;
        let said = String::from_utf8_lossy(&outcome.stderr);
        ensure!(outcome.exit == 0, "opening: {}", said.trim_end());
        let figures: Value =
            serde_json::from_slice(&outcome.stdout).context("what opening says")?;
        let parts = ["library", "init", "card", "context", "stack", "load", "open_at", "whole"];
        section.line(format!(
            "\nMilliseconds of a process that opens the card with its modules cached, and ends; cuInit \
             counts. `open` is when the card is open, from the start of `main`.\n\n\
             | end | {} |\n|---|{}",
            parts.join(" | ").replace("_at", ""),
            "---|".repeat(parts.len())
        ));
        for end in ["destroy", "leave", "exit"] {
            let ms = |part: &&str| figures[end][format!("{part}_ms")].as_f64().unwrap_or(f64::NAN);
            let cells: Vec<_> = parts.iter().map(|part| format!("{:.1}", ms(part))).collect();
            section.line(format!("| {end} | {} |", cells.join(" | ")));
        }
    }
    let report = check.scratch.path().join("start.json");
    let mut times = Vec::new();
    let mut last = Value::Null;
    for round in 0..check.pick(6, 2) {
        let mut command = Command::new(&check.ncpu);
        command.args(["run", "--engine", &check.engine, "--report", "json", "--report-file"]);
        command.arg(&report).arg(check.programs.join("integer"));
        let start = Instant::now();
        output(&mut command, Input::Bytes(b"1 0 alike\n"))?;
        let whole = start.elapsed().as_secs_f64();
        let report: Value = serde_json::from_slice(&std::fs::read(&report)?)?;
        let inside = report["wall_seconds"].as_f64().context("the report has no wall time")?;
        let until_report = report["process_seconds"].as_f64().context("no process time")?;
        // The first one fills the caches.
        if round > 0 {
            times.push(((whole - inside) * 1e3, (whole - until_report) * 1e3));
        }
        last = report;
    }
    times.sort_by(|(a, _), (b, _)| a.total_cmp(b));
    let (middle, end) = times[times.len() / 2];
    section.line(format!(
        "\n`ncpu run` from a warm cache, without the machine's own time: {middle:.0} ms (median of {}; \
         target 150 ms), of which {end:.0} ms before `main` and after the report. Milliseconds of \
         the last: {}.",
        times.len(),
        last["gpu"]["opening"]
    ));
    Ok(())
}
