//! `ncpu run` and `ncpu resume`.
//!
//! - [`guest`]    a new machine: its root file system and how it is booted
//! - [`program`]  what to execute: command line, environment, user
//! - [`mod@export`] what a machine changed, as an archive
//! - [`explain`]  why something cannot be executed
//! - [`engine`]   what runs it
//! - [`session`]  one machine from its start to its end
//! - [`repeat`]   many of them, compared

pub(crate) mod engine;
mod explain;
mod export;
mod guest;
mod program;
mod repeat;
mod session;

use crate::cli::{Clock, DriveOptions, ResumeArguments, RunArguments};
use crate::host::{self, Streams, Tape, Terminal};
use crate::report;
use anyhow::{Context, bail, ensure};
pub(crate) use export::export;
pub(crate) use guest::{Guest, limits};
use ncpu_engine::{Folders, Host, Machine, Pool, snapshot};
use ncpu_image::RootImage;
use ncpu_linux::Limits;
use ncpu_linux::tty::console;
use session::{Session, Started};
use std::cell::RefCell;
use std::fs::File;
use std::io::BufReader;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::rc::Rc;

/// Exit statuses of `ncpu` itself.
pub(crate) mod status {
    /// `ncpu` failed.
    pub(crate) const FAILED: u8 = 125;
    /// The run was cut by `--timeout` or `--fuel`.
    pub(crate) const CUT: u8 = 124;
    /// The program was found but could not be executed.
    pub(crate) const NOT_EXECUTABLE: u8 = 126;
    /// The program was not found.
    pub(crate) const NOT_FOUND: u8 = 127;
    /// What a shell gives for signal `n`, less `n`.
    pub(crate) const SIGNAL: u8 = 128;
    /// Whoever read our output has seen enough: what a shell gives for SIGPIPE.
    pub(crate) const BROKEN_PIPE: u8 = SIGNAL + 13;
}

/// Runs a program and returns the status to end with.
pub(crate) fn run(arguments: &RunArguments) -> anyhow::Result<u8> {
    let kind = arguments.drive.execution.engine;
    // Each of several runs opens its own.
    let is_single = arguments.repeat <= 1;
    let engine = is_single.then(|| engine::open(&arguments.drive.execution)).transpose()?;
    let folders = open_folders(&arguments.drive)?;
    let (root, mut guest) = match Guest::open(&arguments.guest, &arguments.command, arguments.tty)?
    {
        Ok(opened) => opened,
        Err(status) => return Ok(status),
    };
    let limits = limits(&arguments.guest, Limits { pages: arguments.mem, ..Limits::default() });
    let at_terminal = arguments.tty && host::stdin_is_terminal();
    ensure!(
        at_terminal || !(arguments.tty && arguments.drive.interactive),
        "-it needs a terminal as standard input; without -i, the guest's terminal takes its keys \
         from any file or pipe"
    );
    guest.boot.paced = match arguments.clock {
        Some(clock) => clock == Clock::Host,
        None => at_terminal,
    };
    guest.boot.folders = arguments
        .drive
        .volumes
        .iter()
        .map(|volume| (volume.guest.clone().into_bytes(), volume.read_only))
        .collect();
    let pool = Pool::new(root, engine::frames(kind, limits.pages))?;
    let start = || -> anyhow::Result<Started> {
        let mut machine = Machine::new(&pool, limits)?;
        match machine.with_kernel(|kernel| ncpu_engine::boot(kernel, &guest.boot, &guest.program)) {
            Ok(()) => Ok(Started::Machine(Box::new(machine))),
            Err(error) => Ok(Started::Not(guest.refuse(error, pool.root())?)),
        }
    };
    let name = guest.name(&arguments.command);
    let Some(engine) = engine else {
        return repeat::run(arguments.repeat, &arguments.drive, name, start);
    };
    let mut machine = match start()? {
        Started::Machine(machine) => *machine,
        Started::Not(status) => return Ok(status),
    };
    let host = console_host(&arguments.drive, &mut machine)?;
    let live = is_live(&arguments.drive, &mut machine);
    let options = &arguments.drive;
    finish(Session { options, engine, machine, live, folders, program: name }, host)
}

/// Goes on from a snapshot and returns the status to end with.
pub(crate) fn resume(arguments: &ResumeArguments) -> anyhow::Result<u8> {
    let kind = arguments.drive.execution.engine;
    let engine = engine::open(&arguments.drive.execution)?;
    let path = &arguments.snapshot_file;
    let root = root_of_snapshot(arguments.rootfs.as_deref(), arguments.program.as_deref())?;
    let frames = |limits: Limits| engine::frames(kind, limits.pages);
    let mut machine = restore(root, path, frames)?;
    let taken = machine.with_kernel(|kernel| console::input_given(kernel));
    host::skip_input(taken).context("standard input")?;
    let host = console_host(&arguments.drive, &mut machine)?;
    let program = vec![path.display().to_string()];
    let folders = open_folders(&arguments.drive)?;
    // A checksum does not keep anyone from making a snapshot whose tables contradict each other.
    let live = is_live(&arguments.drive, &mut machine);
    let session = Session { options: &arguments.drive, engine, machine, live, folders, program };
    catch_unwind(AssertUnwindSafe(|| finish(session, host))).unwrap_or_else(|_| {
        bail!("cannot go on from {}: the machine in it is damaged", path.display())
    })
}

/// Opens the host folders that the machine may use.
fn open_folders(options: &DriveOptions) -> anyhow::Result<Folders> {
    let mut folders = Folders::default();
    for volume in &options.volumes {
        folders
            .add(&volume.host, volume.read_only)
            .with_context(|| format!("--volume: cannot open {}", volume.host.display()))?;
    }
    Ok(folders)
}

/// The root file system of a snapshot's machine, which was run with this --rootfs or this program.
pub(crate) fn root_of_snapshot(
    rootfs: Option<&Path>,
    program: Option<&Path>,
) -> anyhow::Result<RootImage> {
    Ok(match (rootfs, program) {
        (Some(path), _) => ncpu_image::open(path, &ncpu_image::Options::default())?,
        (None, Some(program)) => guest::built_in(program)?,
        (None, None) => bail!("give the --rootfs or the program that the machine was run with"),
    })
}

/// Makes a machine from a snapshot file, in a pool of so many frames for its limits.
pub(crate) fn restore(
    root: RootImage,
    path: &Path,
    frames: impl FnOnce(Limits) -> u32,
) -> anyhow::Result<Machine> {
    let open = || File::open(path).map(BufReader::new);
    let again = || -> anyhow::Result<Machine> {
        let pool = Pool::new(root, frames(snapshot::limits(open()?)?))?;
        Ok(snapshot::restore(&pool, open()?)?)
    };
    again().with_context(|| format!("cannot go on from {}", path.display()))
}

/// What the machine's console is connected to.
fn console_host(options: &DriveOptions, machine: &mut Machine) -> anyhow::Result<Box<dyn Host>> {
    let flags = machine.with_kernel(|kernel| kernel.header.console_flags);
    if flags & console::TERMINAL != 0 && host::stdin_is_terminal() {
        return Ok(Box::new(Terminal::new().context("cannot set up the terminal")?));
    }
    Ok(Box::new(streams(options, machine, Rc::new(RefCell::new(Tape::default())))))
}

/// Standard streams as the machine's console.
fn streams(options: &DriveOptions, machine: &mut Machine, tape: Rc<RefCell<Tape>>) -> Streams {
    let flags = machine.with_kernel(|kernel| kernel.header.console_flags);
    Streams::new(tape, !is_live(options, machine), flags & console::TERMINAL != 0)
}

/// Whether standard input is live, not in whole blocks: where nothing is the same in every run anyhow.
fn is_live(options: &DriveOptions, machine: &mut Machine) -> bool {
    let paced = machine.with_kernel(|kernel| kernel.header.paced != 0);
    options.interactive || host::stdin_is_terminal() || paced
}

/// Drives a machine to its end and reports.
fn finish(mut session: Session<'_>, mut host: Box<dyn Host>) -> anyhow::Result<u8> {
    let outcome = session.run(&mut *host)?;
    // The terminal is itself again before anything is said.
    drop(host);
    if session.options.strict {
        session.list_missing();
    }
    if let Some(format) = session.options.report.format {
        let report = session.report(&outcome);
        report::write(&report, format, session.options.report.file.as_deref())?;
    }
    let options = session.options;
    // The end of the process gives back in one go what a GPU has.
    std::mem::forget(session.engine);
    outcome.tell(options)
}
