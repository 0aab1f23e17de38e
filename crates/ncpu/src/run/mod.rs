//! `ncpu run` and `ncpu resume`.
//!
//! - [`program`]  what to execute: command line, environment, user
//! - [`mod@export`] what a machine changed, as an archive
//! - [`explain`]  why something cannot be executed
//! - [`session`]  one machine from its start to its end
//! - [`repeat`]   many of them, compared

mod explain;
mod export;
mod program;
mod repeat;
mod session;

use crate::cli::{AluKind, Clock, DriveOptions, Engine, ResumeArguments, RunArguments};
use crate::host::{self, Streams, Tape, Terminal};
use crate::report;
use anyhow::{Context, bail, ensure};
pub(crate) use export::export;
use ncpu_engine::{Boot, BootError, Folders, Host, Machine, Pool, snapshot};
use ncpu_image::RootImage;
use ncpu_linux::tty::console;
use ncpu_linux::{Errno, Limits};
use session::{Session, Started};
use std::cell::RefCell;
use std::fs::File;
use std::io::BufReader;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
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
}

/// Runs a program and returns the status to end with.
pub(crate) fn run(arguments: &RunArguments) -> anyhow::Result<u8> {
    check_execution(&arguments.drive)?;
    let folders = open_folders(&arguments.drive)?;
    let (root, host_program) = match &arguments.rootfs {
        Some(path) => (ncpu_image::open(path, &ncpu_image::Options::default())?, None),
        None => {
            let Some(name) = arguments.command.first() else {
                bail!(
                    "there is nothing to run: give a program, or --rootfs with a root file system \
                     to start a shell of; see `ncpu help run`"
                );
            };
            let path = PathBuf::from(name);
            if let Some(status) = refuse_host_program(&path) {
                return Ok(status);
            }
            (built_in(&path)?, Some(path))
        }
    };
    let program = program::compose(arguments, &root, host_program.as_deref())?;
    let mut limits = Limits { pages: arguments.mem, ..Limits::default() };
    arguments.limit.iter().for_each(|limit| limit.apply(&mut limits));
    let at_terminal = arguments.tty && host::stdin_is_terminal();
    ensure!(
        at_terminal || !(arguments.tty && arguments.drive.interactive),
        "-it needs a terminal as standard input; without -i, the guest's terminal takes its keys \
         from any file or pipe"
    );
    let mut boot = Boot {
        seed: arguments.seed,
        terminal: arguments.tty,
        paced: match arguments.clock {
            Some(clock) => clock == Clock::Host,
            None => at_terminal,
        },
        folders: arguments
            .drive
            .volumes
            .iter()
            .map(|volume| (volume.guest.clone().into_bytes(), volume.read_only))
            .collect(),
        host_name: arguments.hostname.clone().unwrap_or_default().into_bytes(),
        ..Boot::default()
    };
    boot.time = arguments.time.unwrap_or(boot.time);
    let command = arguments.command.clone();
    let pool = Pool::new(root, limits.pages)?;
    let start = || -> anyhow::Result<Started> {
        let mut machine = Machine::new(&pool, limits)?;
        match machine.with_kernel(|kernel| ncpu_engine::boot(kernel, &boot, &program)) {
            Ok(()) => Ok(Started::Machine(Box::new(machine))),
            Err(BootError::Execute { path, errno }) => {
                let why =
                    pool.root().rom().ok().and_then(|rom| {
                        explain::in_root(&rom, &program, arguments.rootfs.is_some())
                    });
                let path = host_program.as_ref().map_or(path, |host| host.display().to_string());
                match why {
                    Some(why) => eprintln!("ncpu: cannot execute {path:?}: {why}"),
                    None => eprintln!("ncpu: {}", BootError::Execute { path, errno }),
                }
                Ok(Started::Not(if errno == Errno::ENOENT {
                    status::NOT_FOUND
                } else {
                    status::NOT_EXECUTABLE
                }))
            }
            Err(error) => Err(error.into()),
        }
    };
    let name = if command.is_empty() {
        program.arguments.iter().map(|a| String::from_utf8_lossy(a).into_owned()).collect()
    } else {
        command
    };
    if arguments.repeat > 1 {
        return repeat::run(arguments.repeat, &arguments.drive, name, start);
    }
    let mut machine = match start()? {
        Started::Machine(machine) => *machine,
        Started::Not(status) => return Ok(status),
    };
    let host = console_host(&arguments.drive, &mut machine)?;
    let live = is_live(&arguments.drive, &mut machine);
    let session = Session { options: &arguments.drive, machine, live, folders, program: name };
    finish(session, host)
}

/// Goes on from a snapshot and returns the status to end with.
pub(crate) fn resume(arguments: &ResumeArguments) -> anyhow::Result<u8> {
    check_execution(&arguments.drive)?;
    let path = &arguments.snapshot_file;
    let root = match (&arguments.rootfs, &arguments.program) {
        (Some(path), _) => ncpu_image::open(path, &ncpu_image::Options::default())?,
        (None, Some(program)) => built_in(program)?,
        (None, None) => bail!("give the --rootfs or the program that the machine was run with"),
    };
    let mut machine = restore(root, path)?;
    let taken = machine.with_kernel(|kernel| console::input_given(kernel));
    host::skip_input(taken).context("standard input")?;
    let host = console_host(&arguments.drive, &mut machine)?;
    let program = vec![path.display().to_string()];
    let folders = open_folders(&arguments.drive)?;
    // A checksum does not keep anyone from making a snapshot whose tables contradict each other.
    let live = is_live(&arguments.drive, &mut machine);
    let session = Session { options: &arguments.drive, machine, live, folders, program };
    catch_unwind(AssertUnwindSafe(|| finish(session, host))).unwrap_or_else(|_| {
        bail!("cannot go on from {}: the machine in it is damaged", path.display())
    })
}

/// Says that a path of the host is no file to run, and gives the status to end with.
fn refuse_host_program(path: &Path) -> Option<u8> {
    let (why, status) = match std::fs::metadata(path) {
        Ok(metadata) if metadata.is_file() => return None,
        Ok(metadata) if metadata.is_dir() => ("it is a folder".into(), status::NOT_EXECUTABLE),
        Ok(_) => ("it is not a regular file".into(), status::NOT_EXECUTABLE),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            (error.to_string(), status::NOT_FOUND)
        }
        Err(error) => (error.to_string(), status::NOT_EXECUTABLE),
    };
    eprintln!(
        "ncpu: {}: {why}; without --rootfs, the program is a file of the host",
        path.display()
    );
    Some(status)
}

/// The built-in root file system with a program of the host in it.
fn built_in(path: &Path) -> anyhow::Result<RootImage> {
    let guest = program::guest_path(path)?;
    Ok(ncpu_image::builtin_with(&[(Path::new(&guest), path)])?)
}

/// Refuses what this build cannot do.
fn check_execution(options: &DriveOptions) -> anyhow::Result<()> {
    ensure!(
        options.engine != Engine::Gpu,
        "--engine gpu: this build has no GPU engine; use --engine cpu, which gives the same results"
    );
    ensure!(
        options.alu != AluKind::Neural,
        "--alu neural: this build has no neural ALU; use --alu native, which gives the same results"
    );
    Ok(())
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

/// Makes a machine from a snapshot file.
fn restore(root: RootImage, path: &Path) -> anyhow::Result<Machine> {
    let open = || File::open(path).map(BufReader::new);
    let again = || -> anyhow::Result<Machine> {
        let pool = Pool::new(root, snapshot::limits(open()?)?.pages)?;
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
    if let Some(format) = session.options.report {
        let report = session.report(&outcome);
        report::write(&report, format, session.options.report_file.as_deref())?;
    }
    outcome.tell(session.options)
}
