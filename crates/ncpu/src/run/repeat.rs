//! `--repeat`: the same run several times, compared.

use super::session::{Session, Started};
use super::{engine, is_live, open_folders, streams};
use crate::cli::DriveOptions;
use crate::host::Tape;
use crate::report::{self, Report, Runs, tell};
use std::cell::RefCell;
use std::rc::Rc;

/// Runs `count` machines that `start` boots, and reports on the first and on all.
pub(super) fn run(
    count: u32,
    options: &DriveOptions,
    program: Vec<String>,
    start: impl Fn() -> anyhow::Result<Started>,
) -> anyhow::Result<u8> {
    let tape = Rc::new(RefCell::new(Tape::kept()));
    let mut reports: Vec<(Report, u64)> = Vec::new();
    let mut status = 0;
    for index in 0..count {
        let mut machine = match start()? {
            Started::Machine(machine) => *machine,
            Started::Not(status) => return Ok(status),
        };
        let mut host = streams(options, &mut machine, Rc::clone(&tape));
        if index > 0 {
            host = host.discard_output();
        }
        let mut session = Session {
            options,
            engine: engine::open(&options.execution)?,
            live: is_live(options, &mut machine),
            machine,
            folders: open_folders(options)?,
            program: program.clone(),
        };
        let outcome = session.run(&mut host)?;
        reports.push((session.report(&outcome), host.output_hash()));
        if index == 0 {
            if options.strict {
                session.list_missing();
            }
            status = outcome.tell(options)?;
        }
    }
    let runs = Runs::of(&reports);
    let (mut report, _) = reports.swap_remove(0);
    if options.report.format.is_none() {
        tell!("{}", runs.to_string().trim_end());
    }
    report.runs = Some(runs);
    if let Some(format) = options.report.format {
        report::write(&report, format, options.report.file.as_deref())?;
    }
    Ok(status)
}
