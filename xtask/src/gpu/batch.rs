//! `ncpu batch`, its report and its rows.

use super::Check;
use anyhow::{Context, Result, ensure};
use serde::Deserialize;
use std::ffi::OsStr;
use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, Write};
use std::path::PathBuf;
use std::process::Command;

/// What `ncpu batch --report json` says. What only a GPU has is optional.
#[derive(Deserialize, Clone, Debug)]
pub(super) struct Report {
    pub(super) machines: u64,
    pub(super) instructions: u64,
    pub(super) wall_seconds: f64,
    pub(super) process_seconds: f64,
    pub(super) instructions_per_second: f64,
    pub(super) gpu: Option<Gpu>,
}

/// The part of the report that is about the GPU.
#[derive(Deserialize, Clone, Debug)]
pub(super) struct Gpu {
    /// System calls served on the GPU.
    pub(super) system_calls: u64,
    /// How often machines stopped for what only the host can do.
    pub(super) host_stops: u64,
    /// What the card spent on guest instructions, on the operating system, and on lifting code.
    pub(super) executing_seconds: f64,
    pub(super) serving_seconds: f64,
    pub(super) lifting_seconds: f64,
    /// Rounds that it spent them in.
    pub(super) rounds: u64,
}

impl Report {
    /// Seconds of executing, serving and lifting, and rounds, for a table; nothing without a card.
    pub(super) fn spent(&self) -> String {
        self.gpu.as_ref().map_or_else(String::new, |gpu| {
            let Gpu { executing_seconds, serving_seconds, lifting_seconds, rounds, .. } = gpu;
            let seconds = [executing_seconds, serving_seconds, lifting_seconds];
            let [executing, serving, lifting] = seconds.map(|seconds| format!("{seconds:.2}"));
            format!("{executing} / {serving} / {lifting}; {rounds}")
        })
    }

    /// Million instructions a second while the card executed.
    pub(super) fn executing_mips(&self) -> f64 {
        let seconds = self.gpu.as_ref().map_or(self.wall_seconds, |gpu| gpu.executing_seconds);
        self.instructions as f64 / seconds / 1e6
    }
}

/// One machine's row.
#[derive(Deserialize, PartialEq, Eq, Clone, Debug, Default)]
pub(super) struct Row {
    pub(super) index: usize,
    pub(super) label: String,
    pub(super) ended: String,
    pub(super) exit: Option<u8>,
    pub(super) signal: Option<u8>,
    pub(super) instructions: u64,
    pub(super) state_hash: Option<String>,
    pub(super) stdout: Option<String>,
    pub(super) stdout_base64: Option<String>,
    pub(super) stderr: Option<String>,
    pub(super) error: Option<String>,
}

/// A batch to run.
pub(super) struct Batch<'b> {
    /// `--engine`.
    pub(super) engine: &'b str,
    /// `--lanes`; the engine's own choice if it is 0.
    pub(super) lanes: u32,
    /// More options, the inputs among them.
    pub(super) options: Vec<String>,
    /// Program and arguments.
    pub(super) program: Vec<&'b OsStr>,
    /// Time limit.
    pub(super) seconds: u64,
}

/// What came of it; rows by index.
pub(super) struct Done {
    pub(super) report: Report,
    pub(super) rows: Vec<Row>,
}

impl Check {
    fn scratch_file(&self, name: &str) -> PathBuf {
        self.scratch.path().join(name)
    }

    /// Writes a line for each case, in the order of the machines.
    pub(super) fn write_cases(
        &self,
        lines: impl IntoIterator<Item = serde_json::Value>,
    ) -> Result<PathBuf> {
        let path = self.scratch_file("cases.jsonl");
        let mut file = BufWriter::new(File::create(&path)?);
        for line in lines {
            serde_json::to_writer(&mut file, &line)?;
            file.write_all(b"\n")?;
        }
        file.flush()?;
        Ok(path)
    }

    /// Runs a batch. That a machine ended badly is no error here.
    pub(super) fn batch(&self, batch: &Batch<'_>) -> Result<Done> {
        let (rows, report) = (self.scratch_file("rows.jsonl"), self.scratch_file("report.json"));
        for path in [&rows, &report] {
            if path.exists() {
                std::fs::remove_file(path)?;
            }
        }
        let mut command = Command::new(&self.ncpu);
        command.args(["batch", "--engine", batch.engine, "--report", "json"]);
        command.arg("--report-file").arg(&report).arg("--out").arg(&rows).args(&batch.options);
        if batch.lanes > 0 {
            command.args(["--lanes", &batch.lanes.to_string()]);
        }
        command.arg("--").args(&batch.program);
        let outcome = self.command(&mut command, batch.seconds)?;
        let said = String::from_utf8_lossy(&outcome.stderr);
        let text = std::fs::read(&report)
            .with_context(|| format!("ncpu batch gave no report: {}", said.trim_end()))?;
        let report = serde_json::from_slice(&text).context("the report of ncpu batch")?;
        Ok(Done { report, rows: read_rows(&rows)? })
    }
}

fn read_rows(path: &PathBuf) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    for line in BufReader::new(File::open(path)?).lines() {
        rows.push(serde_json::from_str::<Row>(&line?).context("a row of ncpu batch")?);
    }
    rows.sort_by_key(|row| row.index);
    let whole = rows.iter().enumerate().all(|(index, row)| row.index == index);
    ensure!(whole, "rows are missing: there are {}", rows.len());
    Ok(rows)
}

/// The first of the rows that differ, and how many do.
pub(super) fn difference<'r>(ours: &'r [Row], theirs: &'r [Row]) -> Option<(usize, String)> {
    let differing: Vec<_> = ours.iter().zip(theirs).filter(|(a, b)| a != b).collect();
    let count = differing.len() + ours.len().abs_diff(theirs.len());
    let first = differing.first().map(|(a, b)| format!("{a:?}, but expected {b:?}"));
    (count > 0).then(|| (count, first.unwrap_or_else(|| "rows are missing".to_owned())))
}
