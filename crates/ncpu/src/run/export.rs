//! `--export` and `ncpu export`: what a machine changed, as a tar archive.

use super::restore;
use crate::cli::ExportArguments;
use anyhow::{Context, ensure};
use ncpu_engine::Machine;
use rustix::stdio;
use std::fs::Permissions;
use std::io::{BufWriter, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// Exports from a snapshot and returns the status to end with.
pub(crate) fn export(arguments: &ExportArguments) -> anyhow::Result<u8> {
    let root = ncpu_image::open(&arguments.rootfs, &ncpu_image::Options::default())?;
    let mut machine = restore(root, &arguments.snapshot_file, |limits| limits.pages)?;
    match &arguments.output {
        Some(path) => to_file(&mut machine, path)?,
        None => {
            ensure!(
                !rustix::termios::isatty(stdio::stdout()),
                "the archive would go to the terminal; give -o FILE, or redirect standard output"
            );
            let mut out = BufWriter::new(std::io::stdout().lock());
            machine.with_kernel(|kernel| ncpu_engine::export(kernel, &mut out))?;
            out.flush()?;
        }
    }
    Ok(0)
}

/// Writes the archive, which appears under its name when it is complete.
pub(super) fn to_file(machine: &mut Machine, path: &Path) -> anyhow::Result<()> {
    write_whole(path, |out| Ok(machine.with_kernel(|kernel| ncpu_engine::export(kernel, out))?))
        .with_context(|| format!("cannot export to {}", path.display()))
}

/// Writes a file that appears under its name when it is complete.
pub(super) fn write_whole(
    path: &Path,
    write: impl FnOnce(&mut dyn Write) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    // Less the umask, as for any file that a program makes.
    let mode = Permissions::from_mode(0o666);
    let file = tempfile::Builder::new().permissions(mode).tempfile_in(folder)?;
    let mut out = BufWriter::new(file);
    write(&mut out)?;
    out.flush()?;
    out.into_inner().map_err(|error| error.into_error())?.persist(path)?;
    Ok(())
}
