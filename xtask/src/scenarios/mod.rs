//! The scenario suite: what real programs print, recorded under `qemu-aarch64`, expected of `ncpu`.
//!
//! - [`mod@file`]     scenario files, `tests/scenarios/*.toml`: reading, and writing recordings back
//! - [`record`]   runs scenarios under `qemu-aarch64` in a chroot and stores what they print
//! - [`compare`]  runs scenarios through `ncpu` and compares
//! - [`machine`]  a scenario as a command line of `ncpu`
//! - [`snapshot`] runs a scenario again with a snapshot from its middle
//! - [`child`]    a child process with input, output, and a time limit

pub(crate) mod child;
mod compare;
pub(crate) mod file;
mod machine;
mod record;
mod snapshot;

use anyhow::Result;
use clap::Subcommand;

/// The environment of every scenario, before its own `env`.
const ENVIRONMENT: &[(&str, &str)] =
    &[("HOME", "/root"), ("LC_ALL", "C"), ("PATH", "/usr/sbin:/usr/bin:/sbin:/bin"), ("TZ", "UTC")];

/// The folder every scenario starts in, unless it names another.
const WORKDIR: &str = "/root";

/// What to do with the scenarios.
#[derive(Subcommand)]
pub(crate) enum Command {
    /// List the scenarios
    List(Selection),
    /// Run scenarios under qemu-aarch64 and store their outputs in tests/scenarios (needs root)
    Record(record::Args),
    /// Run scenarios through ncpu and compare with the recorded outputs
    Run(compare::Args),
}

/// Which scenarios a command works on.
#[derive(clap::Args)]
pub(crate) struct Selection {
    /// Only scenarios whose GROUP/NAME contains one of these
    filter: Vec<String>,
}

impl Selection {
    fn admits(&self, path: &str) -> bool {
        self.filter.is_empty() || self.filter.iter().any(|part| path.contains(part.as_str()))
    }
}

/// Runs the command; `Ok(false)` says that scenarios failed.
pub(crate) fn run(command: &Command) -> Result<bool> {
    match command {
        Command::List(selection) => list(selection),
        Command::Record(args) => record::run(args),
        Command::Run(args) => compare::run(args),
    }
}

fn list(selection: &Selection) -> Result<bool> {
    for group in file::load_all(None)? {
        for scenario in &group.scenarios {
            let path = group.path(scenario);
            if selection.admits(&path) {
                let state = if scenario.recorded().is_some() { "" } else { " (not recorded)" };
                println!("{path}{state}");
            }
        }
    }
    Ok(true)
}
