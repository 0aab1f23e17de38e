//! A new machine: its root file system and how it is booted.

use super::{explain, program, status};
use crate::cli::GuestOptions;
use crate::report::tell;
use anyhow::bail;
use ncpu_engine::{Boot, BootError, Program};
use ncpu_image::RootImage;
use ncpu_linux::{Errno, Limits};
use std::path::{Path, PathBuf};

/// What a machine is booted with.
pub(crate) struct Guest {
    /// Its first program.
    pub(crate) program: Program,
    /// The rest.
    pub(crate) boot: Boot,
    /// The file of the host that the program is, without a root file system of the user's.
    host_program: Option<PathBuf>,
}

impl Guest {
    /// Opens the root file system and composes what is executed in it, or says what is wrong with
    /// the program and gives the status to end with.
    pub(crate) fn open(
        options: &GuestOptions,
        words: &[String],
        terminal: bool,
    ) -> anyhow::Result<Result<(RootImage, Guest), u8>> {
        let (root, host_program) = match &options.rootfs {
            Some(path) => (ncpu_image::open(path, &ncpu_image::Options::default())?, None),
            None => {
                let Some(name) = words.first() else {
                    bail!(
                        "there is nothing to run: give a program, or --rootfs with a root file \
                         system to start a shell of; see `ncpu help run`"
                    );
                };
                let path = PathBuf::from(name);
                if let Some(status) = refuse_host_program(&path) {
                    return Ok(Err(status));
                }
                (built_in(&path)?, Some(path))
            }
        };
        let program = program::compose(options, words, terminal, &root, host_program.as_deref())?;
        let default = Boot::default();
        let boot = Boot {
            seed: options.seed,
            time: options.time.unwrap_or(default.time),
            terminal,
            host_name: options.hostname.clone().unwrap_or_default().into_bytes(),
            ..default
        };
        Ok(Ok((root, Guest { program, boot, host_program })))
    }

    /// The command line, for reports.
    pub(crate) fn name(&self, words: &[String]) -> Vec<String> {
        if words.is_empty() {
            let arguments = &self.program.arguments;
            arguments.iter().map(|a| String::from_utf8_lossy(a).into_owned()).collect()
        } else {
            words.to_vec()
        }
    }

    /// Says why the program cannot be executed and gives the status to end with.
    ///
    /// # Errors
    /// The error itself, if it is another one.
    pub(crate) fn refuse(&self, error: BootError, root: &RootImage) -> anyhow::Result<u8> {
        let BootError::Execute { path, errno } = error else { return Err(error.into()) };
        let why = root
            .rom()
            .ok()
            .and_then(|rom| explain::in_root(&rom, &self.program, self.host_program.is_none()));
        let path = self.host_program.as_ref().map_or(path, |host| host.display().to_string());
        match why {
            Some(why) => tell!("ncpu: cannot execute {path:?}: {why}"),
            None => tell!("ncpu: {}", BootError::Execute { path, errno }),
        }
        Ok(if errno == Errno::ENOENT { status::NOT_FOUND } else { status::NOT_EXECUTABLE })
    }
}

/// Table sizes with those that the user gives.
pub(crate) fn limits(options: &GuestOptions, mut limits: Limits) -> Limits {
    options.limit.iter().for_each(|limit| limit.apply(&mut limits));
    limits
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
    tell!("ncpu: {}: {why}; without --rootfs, the program is a file of the host", path.display());
    Some(status)
}

/// The built-in root file system with a program of the host in it.
pub(super) fn built_in(path: &Path) -> anyhow::Result<RootImage> {
    let guest = program::guest_path(path)?;
    Ok(ncpu_image::builtin_with(&[(Path::new(&guest), path)])?)
}
