//! Keeps what is written apart from what is read.

use super::cases::Source;
use crate::cli::BatchArguments;
use anyhow::{bail, ensure};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Where bytes are kept.
#[derive(PartialEq, Eq)]
enum Place {
    /// A file by device and inode, as several names may lead to it.
    Inode(u64, u64),
    /// A file that would be made.
    New(PathBuf),
}

impl Place {
    /// Nothing for pipes and devices, which keep nothing.
    fn of(path: &Path) -> Option<Place> {
        match path.metadata() {
            Ok(file) => file.is_file().then(|| Place::Inode(file.dev(), file.ino())),
            Err(_) => Some(Place::New(folder(path).canonicalize().ok()?.join(path.file_name()?))),
        }
    }
}

/// The folder that a file is in.
fn folder(path: &Path) -> &Path {
    path.parent().filter(|folder| *folder != "").unwrap_or(Path::new("."))
}

/// Whether both paths lead to the same folder.
fn is_same_folder(a: &Path, b: &Path) -> bool {
    let inode = |path| fs::metadata(path).map(|folder| (folder.dev(), folder.ino()));
    matches!((inode(a), inode(b)), (Ok(a), Ok(b)) if a == b)
}

/// Checks the files of a command line before any of them is opened to be written to.
///
/// # Errors
/// When two things would go to one file, or one to a file that is an input or would become one.
pub(super) fn check(arguments: &BatchArguments, source: &Source) -> anyhow::Result<()> {
    let out = arguments.out.as_deref().unwrap_or(Path::new("/dev/stdout"));
    let report = arguments.report.file.as_deref();
    let both = [("--out", Some(out)), ("--report-file", report)];
    let written: Vec<_> = both
        .into_iter()
        .filter_map(|(option, path)| Some((option, path?, Place::of(path?)?)))
        .collect();
    if let [(_, out, place), (_, report, other)] = &written[..] {
        ensure!(
            place != other,
            "--report-file: {} is where results go ({}); give another file",
            report.display(),
            out.display()
        );
    }
    let lines = arguments.jsonl.as_deref();
    let lines = lines.map(|path| if path == "-" { Path::new("/dev/stdin") } else { path });
    for (option, path, place) in &written {
        let name = path.display();
        if let Some(inputs) = &arguments.input_dir {
            ensure!(
                !is_same_folder(folder(path), inputs),
                "{option}: {name} would be an input of the next batch, as it is in the --input-dir; \
                 give a file in another folder"
            );
        }
        // What is not there yet is no input.
        if matches!(place, Place::New(_)) {
            continue;
        }
        let mut inputs = source.files().iter().map(PathBuf::as_path).chain(lines);
        if let Some(input) = inputs.find(|input| Place::of(input).as_ref() == Some(place)) {
            let input = input.display();
            bail!("{option}: {name} is an input of this batch ({input}); give another file");
        }
    }
    Ok(())
}
