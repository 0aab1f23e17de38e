//! A shell pipeline on ten thousand lanes, and what it asks of the host.

use super::batch::Batch;
use super::{Check, Section};
use anyhow::{Context, Result};
use std::ffi::OsStr;

const PIPELINE: &str = "seq 1 100 | sort -rn | head -3 | sha256sum";
/// What coreutils print for it.
const OUTPUT: &str = "504335c33cd8d63553bb06f0b7529692baceb621b3dd17d21ba1a3c837908172  -\n";

pub(super) fn run(check: &Check, section: &mut Section) -> Result<()> {
    let lanes: u32 = check.pick(10_000, 16);
    section.line("## Host round trips\n");
    let done = check.batch(&Batch {
        engine: &check.engine,
        lanes,
        options: ["--stdin-range", &format!("0..{lanes}"), "--rootfs"]
            .map(str::to_owned)
            .into_iter()
            .chain([check.rootfs.display().to_string()])
            .collect(),
        program: ["busybox", "sh", "-c", PIPELINE].map(OsStr::new).to_vec(),
        seconds: 120,
    })?;
    let wrong = done.rows.iter().filter(|row| row.stdout.as_deref() != Some(OUTPUT)).count();
    if wrong > 0 {
        section.fail(format!("{wrong} machines printed something else: {:?}", done.rows[0]));
    }
    let report = &done.report;
    section.line(format!(
        "`busybox sh -c '{PIPELINE}'` on {lanes} lanes: {} instructions in {:.2} s.",
        report.instructions, report.wall_seconds
    ));
    let gpu = report.gpu.as_ref().context("the report says nothing of the GPU")?;
    let share = gpu.host_stops as f64 / gpu.system_calls.max(1) as f64;
    section.line(format!(
        "{} system calls were served on the GPU; machines stopped {} times for what only the host can do: {:.4}% (at most 1%).",
        gpu.system_calls,
        gpu.host_stops,
        share * 100.0,
    ));
    if gpu.system_calls == 0 || share > 0.01 {
        section.fail("more than 1% of the system calls went to the host");
    }
    Ok(())
}
