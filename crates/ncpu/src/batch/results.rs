//! Rows: one for each machine.
//!
//! Lines of JSON ([`super::lines`]) are the default. A stream of bytes is text in `stdout` and `stderr` if it is UTF-8,
//! and otherwise stands in `stdout_base64` or `stderr_base64` instead. See `docs/batch.md`.

use super::figures::{Tally, ended};
use super::lines::Lines;
use anyhow::{Context, bail, ensure};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use ncpu_engine::batch::{Captured, Finished, Outcome};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, BufRead, BufReader, Seek, SeekFrom};
use std::path::Path;

/// Takes rows.
pub(super) trait Results {
    /// Takes a row, and writes it soon. That a row before could not be written is an error too.
    fn push(&mut self, finished: Finished) -> io::Result<()>;

    /// Completes what was written; how many rows that is, whether something went wrong or not.
    fn finish(self: Box<Self>) -> Result<u64, (u64, io::Error)>;

    /// Makes the best of what was written when writing has failed; how many rows that is.
    fn abandon(self: Box<Self>) -> u64;
}

/// Rows of a batch that is gone on with.
#[derive(Debug, Default)]
pub(super) struct Earlier {
    labels: HashMap<u64, String>,
    pub(super) tally: Tally,
}

impl Earlier {
    /// How many there are.
    pub(super) fn len(&self) -> u64 {
        self.labels.len() as u64
    }

    /// Whether there is a row for a case.
    ///
    /// # Errors
    /// When it has another label: it is of another batch.
    pub(super) fn has(&self, index: u64, label: &str) -> anyhow::Result<bool> {
        match self.labels.get(&index) {
            Some(other) if other == label => Ok(true),
            Some(other) => bail!(
                "--resume: the results are of other inputs: machine {index} was {other:?} and \
                 would now be {label:?}"
            ),
            None => Ok(false),
        }
    }

    /// Checks that each is of one of so many cases.
    ///
    /// # Errors
    /// When one is not: it is of another batch.
    pub(super) fn check_count(&self, count: u64) -> anyhow::Result<()> {
        match self.labels.keys().max() {
            Some(last) if *last >= count => bail!(
                "--resume: the results are of other inputs: there is one of machine {last}, and \
                 {count} inputs are given now, from 0"
            ),
            _ => Ok(()),
        }
    }

    /// Reads a file of rows to append to, and cuts a last one off that is not whole.
    ///
    /// # Errors
    /// When it is no such file, or not of so many cases. It stays as it is then.
    fn read(file: &mut File, count: Option<u64>) -> anyhow::Result<Earlier> {
        let mut earlier = Earlier::default();
        let mut lines = BufReader::new(&*file);
        let (mut line, mut whole) = (Vec::new(), 0);
        for number in 1.. {
            line.clear();
            let length = lines.read_until(b'\n', &mut line)?;
            let no_row = || format!("line {number} is no result of a batch");
            if line.last() != Some(&b'\n') {
                ensure!(line.starts_with(ROW) || ROW.starts_with(&line), no_row());
                break;
            }
            let known: Known = serde_json::from_slice(&line).with_context(no_row)?;
            let Known { index, label, ended } = known;
            ensure!(earlier.tally.count(&ended), "line {number}: no machine ends by {ended}");
            ensure!(
                earlier.labels.insert(index, label).is_none(),
                "line {number}: machine {index} has a result in a line before"
            );
            whole += length as u64;
        }
        if let Some(count) = count {
            earlier.check_count(count)?;
        }
        file.set_len(whole)?;
        file.seek(SeekFrom::Start(whole))?;
        Ok(earlier)
    }
}

/// Opens the place where rows go, and finds those that are there already. `count` is how many cases
/// there are, if that is known.
pub(super) fn open(
    path: Option<&Path>,
    resume: bool,
    count: Option<u64>,
) -> anyhow::Result<(Box<dyn Results>, Earlier)> {
    let mut earlier = Earlier::default();
    let Some(path) = path else {
        return Ok((Box::new(Lines::new(Box::new(io::stdout()), None)?), earlier));
    };
    let name = path.display();
    let is_parquet = path.extension().is_some_and(|extension| extension == "parquet");
    ensure!(
        !(is_parquet && resume),
        "--resume: a Parquet file cannot be gone on with; use --out FILE.jsonl, which can"
    );
    #[cfg(not(feature = "parquet"))]
    ensure!(
        !is_parquet,
        "--out {name}: this build writes no Parquet; use FILE.jsonl, or build it with \
         `cargo build --release --features parquet`"
    );
    let context = || format!("--out {name}");
    // What is no file has no rows, and may not be readable.
    let is_file = path.metadata().map_or(true, |there| there.is_file());
    let mut options = OpenOptions::new();
    options.read(is_file).write(true).create(true).truncate(false);
    let mut file = options.open(path).with_context(context)?;
    if is_file {
        // Where a file system has no locks, users have to take care.
        ensure!(
            !matches!(file.try_lock(), Err(TryLockError::WouldBlock)),
            "--out {name}: another batch writes there; wait for its end, or give another --out"
        );
        ensure!(
            resume || file.metadata()?.len() == 0,
            "{name} has results already; give --resume to go on with them, or another --out"
        );
        earlier = Earlier::read(&mut file, count).with_context(context)?;
    }
    #[cfg(feature = "parquet")]
    if is_parquet {
        return Ok((Box::new(super::parquet::Parquet::new(file)?), earlier));
    }
    Ok((Box::new(Lines::new(Box::new(file.try_clone()?), Some(file))?), earlier))
}

/// How a row begins as a line of JSON.
const ROW: &[u8] = b"{\"index\":";

/// A row as a line of JSON.
#[derive(Serialize)]
pub(super) struct Row<'r> {
    index: u64,
    label: &'r str,
    ended: &'static str,
    exit: Option<u8>,
    signal: Option<u8>,
    instructions: u64,
    /// 128 bits in hexadecimal.
    state_hash: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stdout: Option<&'r str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stdout_base64: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stderr: Option<&'r str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stderr_base64: Option<String>,
    truncated: bool,
    error: Option<&'r str>,
}

fn text_or_base64(stream: &Captured) -> (Option<&str>, Option<String>) {
    match std::str::from_utf8(&stream.bytes) {
        Ok(text) => (Some(text), None),
        Err(_) => (None, Some(BASE64_STANDARD.encode(&stream.bytes))),
    }
}

/// Exit status, signal and error of an outcome.
pub(super) fn details(outcome: &Outcome) -> (Option<u8>, Option<u8>, Option<&str>) {
    match outcome {
        Outcome::Exited(status) => (Some(*status), None, None),
        Outcome::Signalled(signal) => (None, Some(*signal), None),
        Outcome::Failed(why) => (None, None, Some(why)),
        Outcome::Fuel | Outcome::Timeout | Outcome::Deadlock => (None, None, None),
    }
}

/// The state's hash in hexadecimal, if there was a machine.
pub(super) fn hash(finished: &Finished) -> Option<String> {
    let there = !matches!(finished.outcome, Outcome::Failed(_));
    there.then(|| format!("{:032x}", finished.state_hash))
}

pub(super) fn is_truncated(finished: &Finished) -> bool {
    finished.stdout.is_truncated() || finished.stderr.is_truncated()
}

impl<'r> Row<'r> {
    pub(super) fn of(finished: &'r Finished) -> Row<'r> {
        let (exit, signal, error) = details(&finished.outcome);
        let (stdout, stdout_base64) = text_or_base64(&finished.stdout);
        let (stderr, stderr_base64) = text_or_base64(&finished.stderr);
        Row {
            index: finished.index,
            label: &finished.label,
            ended: ended(&finished.outcome),
            exit,
            signal,
            instructions: finished.instructions,
            state_hash: hash(finished),
            stdout,
            stdout_base64,
            stderr,
            stderr_base64,
            truncated: is_truncated(finished),
            error,
        }
    }
}

/// What has to be known of a row that is there already.
#[derive(Deserialize)]
struct Known {
    index: u64,
    label: String,
    ended: String,
}
