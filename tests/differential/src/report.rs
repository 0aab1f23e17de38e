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
    /// Files a difference.
    pub(crate) fn add(&mut self, seen: &Seen) {
        match explain(seen) {
            Some(index) => {
                self.explained.resize(known::all().count(), 0);
                self.explained[index] += 1;
            }
            None => {
                self.unexplained += 1;
                if self.unexplained <= SHOWN {
                    println!("{seen}");
                }
            }
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
    for row in rows {
        sum.cases += row.cases;
        sum.undefined += row.undefined;
        sum.faults += row.faults;
        sum.unexplained += row.unexplained;
        sum.explained.iter_mut().zip(&row.explained).for_each(|(sum, n)| *sum += n);
    }
    sum
}

/// Known differences that were met, with the number of cases.
fn met(sum: &RowResult) -> impl Iterator<Item = (u64, &'static Known)> {
    sum.explained.iter().copied().zip(known::all()).filter(|(n, _)| *n > 0)
}

/// The report as Markdown.
pub(crate) fn markdown(rows: &[RowResult], command: &str, qemu: &str, seed: u64) -> String {
    let sum = total(rows);
    let mut out = String::new();
    let failed = rows.iter().filter(|row| !row.passed()).count();
    let _ = writeln!(out, "Command: `{command}`, seed {seed}, against {qemu}.\n");
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
