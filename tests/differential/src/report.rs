//! What the run found, for the terminal and for a file.

use crate::compare::Seen;
use crate::known::{self, Known, explain};
use std::fmt::Write;

/// Differences of a row that are printed.
const SHOWN: u64 = 3;

/// Results of one row.
#[derive(Default)]
pub(crate) struct RowResult {
    /// Its name.
    pub(crate) name: &'static str,
    /// Cases executed.
    pub(crate) cases: u64,
    /// Cases that are undefined here.
    pub(crate) undefined: u64,
    /// Cases that ended in another signal than that of the final BRK.
    pub(crate) faults: u64,
    /// Cases with each of the known differences, or nothing.
    pub(crate) explained: Vec<u64>,
    /// Cases with other differences.
    pub(crate) unexplained: u64,
}

impl RowResult {
    /// Nothing yet.
    pub(crate) fn of(name: &'static str) -> RowResult {
        RowResult { name, ..RowResult::default() }
    }

    /// Files a difference that nothing explains.
    pub(crate) fn unequal(&mut self, seen: &Seen) {
        self.unexplained += 1;
        if self.unexplained <= SHOWN {
            println!("{seen}");
        }
    }

    /// Adds what another machine found of the same row.
    pub(crate) fn merge(&mut self, other: &RowResult) {
        self.cases += other.cases;
        self.undefined += other.undefined;
        self.faults += other.faults;
        self.unexplained += other.unexplained;
        if !other.explained.is_empty() {
            self.explained.resize(known::all().count(), 0);
        }
        self.explained.iter_mut().zip(&other.explained).for_each(|(sum, n)| *sum += n);
    }

    /// Files a difference.
    pub(crate) fn add(&mut self, seen: &Seen) {
        match explain(seen) {
            Some(index) => {
                self.explained.resize(known::all().count(), 0);
                self.explained[index] += 1;
            }
            None => self.unequal(seen),
        }
    }

    /// Whether the row is as it should be: nothing unexplained, and, where there were enough cases
    /// to say, some were allocated.
    pub(crate) fn passed(&self) -> bool {
        self.unexplained == 0 && (self.undefined < self.cases || self.cases < 100)
    }
}

/// Sums over all rows.
pub(crate) fn total(rows: &[RowResult]) -> RowResult {
    let mut sum = RowResult { explained: vec![0; known::all().count()], ..RowResult::default() };
    rows.iter().for_each(|row| sum.merge(row));
    sum
}

/// Known differences that were met, with the number of cases.
fn met(sum: &RowResult) -> impl Iterator<Item = (u64, &'static Known)> {
    sum.explained.iter().copied().zip(known::all()).filter(|(n, _)| *n > 0)
}

/// The report as Markdown; `peer` is what the machine was compared with.
pub(crate) fn markdown(rows: &[RowResult], command: &str, peer: &str, seed: u64) -> String {
    let sum = total(rows);
    let mut out = String::new();
    let failed = rows.iter().filter(|row| !row.passed()).count();
    let _ = writeln!(out, "Command: `{command}`, seed {seed}, against {peer}.\n");
    let _ = writeln!(
        out,
        "{} rows, {} cases: {} undefined instructions, {} ended in another signal, {} differ \
         as explained below, {} differ otherwise; {} rows passed, {failed} failed.\n",
        rows.len(),
        sum.cases,
        sum.undefined,
        sum.faults,
        sum.explained.iter().sum::<u64>(),
        sum.unexplained,
        rows.len() - failed,
    );
    out.push_str("| Cases | Difference | Source |\n|---:|---|---|\n");
    for (cases, known) in met(&sum) {
        let _ = writeln!(out, "| {cases} | {} | {} |", known.reason, known.source);
    }
    out
}
