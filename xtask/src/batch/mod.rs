//! The programs of `benches/batch`, for measuring many machines at once.
//!
//! [`programs`] compiles them into `target/batch` and writes `workloads.json` beside them: what each
//! machine is given, what it prints and how many instructions that takes, counted by `ncpu run`.
//! [`check`] shows the programs to be right: alike under `ncpu`, under qemu and natively, and the
//! packet filter like libpcap. [`engines`] compares engines on real programs. [`peer`] runs them under qemu on all cores; it needs nothing but
//! `target/batch` and a qemu, so that it can run beside a GPU on a machine without a compiler.

pub(crate) mod check;
pub(crate) mod engines;
pub(crate) mod peer;
pub(crate) mod programs;

use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

/// A program with its variant or filter, and how much of it makes one machine's work.
pub(crate) struct Workload {
    pub(crate) name: &'static str,
    pub(crate) program: &'static str,
    /// The last word of the parameter line.
    pub(crate) last: &'static str,
    /// Iterations, or packets, of one machine: about six million instructions.
    pub(crate) iterations: u64,
}

impl Workload {
    const fn new(
        name: &'static str,
        program: &'static str,
        last: &'static str,
        iterations: u64,
    ) -> Self {
        Self { name, program, last, iterations }
    }

    /// The parameter line.
    pub(crate) fn input(&self, seed: u64, iterations: u64) -> String {
        format!("{seed} {iterations} {}\n", self.last)
    }
}

pub(crate) const WORKLOADS: &[Workload] = &[
    Workload::new("integer-alike", "integer", "alike", 70),
    Workload::new("integer-diverse", "integer", "diverse", 70),
    Workload::new("sha256-alike", "sha256", "alike", 100),
    Workload::new("sha256-diverse", "sha256", "diverse", 200),
    Workload::new("matrix-alike", "matrix", "alike", 40),
    Workload::new("matrix-diverse", "matrix", "diverse", 70),
    Workload::new("sort-alike", "sort", "alike", 16),
    Workload::new("sort-diverse", "sort", "diverse", 16),
    Workload::new("strings-alike", "strings", "alike", 100),
    Workload::new("strings-diverse", "strings", "diverse", 150),
    Workload::new("bpf-port", FILTERS, "0", 10_000),
    Workload::new("bpf-ports", FILTERS, "4", 10_000),
    Workload::new("bpf-arithmetic", FILTERS, "6", 10_000),
];

/// The program of the workloads that are packet filters.
pub(crate) const FILTERS: &str = "bpf";
/// The file that [`programs`] leaves beside the programs.
const MANIFEST: &str = "workloads.json";
/// Generated packets, each a 32-bit little-endian length and its bytes.
pub(crate) const PACKETS: &str = "packets.bin";

/// What is known of the compiled programs.
#[derive(Serialize, Deserialize)]
struct Manifest {
    /// The compiler's first line of `--version`.
    compiler: String,
    workloads: Vec<Known>,
}

/// One workload with what `ncpu run` said of it.
#[derive(Serialize, Deserialize)]
struct Known {
    name: String,
    program: String,
    /// The last word of the parameter line.
    last: String,
    /// The work of one machine.
    machine: Case,
    /// Enough for a second or so of one core under qemu.
    core: Case,
}

/// One run.
#[derive(Serialize, Deserialize)]
struct Case {
    seed: u64,
    iterations: u64,
    /// The parameter line.
    input: String,
    output: String,
    instructions: u64,
}

/// Where a run's standard input comes from.
#[derive(Clone, Copy)]
pub(crate) enum Input<'a> {
    /// A few bytes, which fit a pipe.
    Bytes(&'a [u8]),
    File(&'a Path),
}

/// Runs a command to its end, and returns what it printed if it exited with 0.
pub(crate) fn output(command: &mut Command, input: Input<'_>) -> Result<Vec<u8>> {
    Ok(outputs(command, input)?.0)
}

/// Like [`output`], with standard error.
fn outputs(command: &mut Command, input: Input<'_>) -> Result<(Vec<u8>, Vec<u8>)> {
    let name = command.get_program().to_string_lossy().into_owned();
    let stdin = match input {
        Input::Bytes(_) => Stdio::piped(),
        Input::File(path) => File::open(path).with_context(|| path.display().to_string())?.into(),
    };
    let mut child = command
        .stdin(stdin)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot run {name}"))?;
    if let (Input::Bytes(bytes), Some(mut pipe)) = (input, child.stdin.take()) {
        pipe.write_all(bytes).with_context(|| format!("{name} does not read its input"))?;
    }
    let output = child.wait_with_output()?;
    ensure!(
        output.status.success(),
        "{name}: {}: {}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
    Ok((output.stdout, output.stderr))
}

/// Runs a program in a machine: its output, and the instructions that it took.
fn counted(ncpu: &Path, program: &Path, input: &str) -> Result<(String, u64)> {
    let mut command = Command::new(ncpu);
    command.args(["run", "--report", "json"]).arg(program);
    let (stdout, report) = outputs(&mut command, Input::Bytes(input.as_bytes()))?;
    let report: serde_json::Value =
        serde_json::from_slice(&report).context("the report of ncpu run is not JSON")?;
    let count = report["instructions"].as_u64().context("the report has no instruction count")?;
    Ok((String::from_utf8(stdout)?, count))
}
