//! Speed from one lane to the most that fit.

use super::{Check, Section, beside, chart, speed};
use crate::batch::{WORKLOADS, Workload};
use anyhow::{Context, Result};
use std::fmt::Write as _;

const NAMES: [&str; 2] = ["integer-alike", "integer-diverse"];
/// Lanes beyond which nothing is tried.
const MOST: u32 = 1 << 19;

pub(super) fn run(check: &Check, section: &mut Section) -> Result<()> {
    section.line("## Scaling\n");
    let workload = |name| WORKLOADS.iter().find(|workload| workload.name == name);
    let mut table = "lanes,workload,instructions,seconds,mips,executing_mips\n".to_owned();
    let mut series: Vec<chart::Series> = Vec::new();
    for name in NAMES {
        let points = curve(check, section, workload(name).context(name)?, &mut table)?;
        series.push(chart::Series { name, points });
    }
    let (csv, svg) = (beside(&check.out, "-scaling.csv"), beside(&check.out, "-scaling.svg"));
    let labels = chart::Labels {
        title: "Instructions a second of all machines together",
        x: "lanes",
        y: "million instructions a second",
    };
    std::fs::write(&csv, &table).with_context(|| csv.display().to_string())?;
    std::fs::write(&svg, chart::log_log(&labels, &series))
        .with_context(|| svg.display().to_string())?;
    let name = |path: &std::path::Path| {
        path.file_name().unwrap_or_default().to_string_lossy().into_owned()
    };
    section.line(format!("![Instructions a second over lanes]({})\n", name(&svg)));
    section.line(format!("The numbers are in [{0}]({0}).\n", name(&csv)));
    section.line(format!(
        "| lanes | {} |\n|---|---|---|",
        NAMES.map(|n| format!("{n}, MIPS")).join(" | ")
    ));
    let rows = series.iter().map(|one| one.points.len()).max().unwrap_or(0);
    for row in 0..rows {
        let mut line = format!("| {} |", 1u64 << row);
        for one in &series {
            match one.points.get(row) {
                Some((_, mips)) => write!(line, " {mips:.1} |")?,
                None => line.push_str(" |"),
            }
        }
        section.line(line);
    }
    Ok(())
}

/// Lanes and million instructions a second, up to the most that fit.
fn curve(
    check: &Check,
    section: &mut Section,
    workload: &Workload,
    table: &mut String,
) -> Result<Vec<(f64, f64)>> {
    let mut points = Vec::new();
    let mut lanes = 1u32;
    while lanes <= check.pick(MOST, 8) {
        let work = if lanes >= 1 << 10 { 15 } else { 60 };
        let iterations = (workload.iterations * check.pick(work, 4) / 100).max(1);
        let done = match speed::measure(check, workload, lanes, iterations) {
            Ok(done) => done,
            // More do not fit; the error says how many do.
            Err(error) if lanes > 1 && format!("{error:#}").contains("at most") => break,
            Err(error) => {
                section.fail(format!("{error:#}"));
                break;
            }
        };
        let report = &done.report;
        let mips = report.instructions_per_second / 1e6;
        let (name, count, seconds) = (workload.name, report.instructions, report.wall_seconds);
        writeln!(
            table,
            "{lanes},{name},{count},{seconds:.6},{mips:.3},{:.3}",
            report.executing_mips()
        )?;
        points.push((f64::from(lanes), mips));
        lanes *= 2;
    }
    Ok(points)
}
