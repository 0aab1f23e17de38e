//! A root file system from unpacked packages, without running their maintainer scripts.
//!
//! What those scripts would have done, as far as programs notice, is data here: the merged-usr
//! links, the user database, the alternatives. The result depends on nothing but the packages:
//! folders and files made here carry one fixed time.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result, bail, ensure};

use super::Suite;
use super::apt::{Apt, Archive};

/// Folders every root has, with their modes.
const FOLDERS: &[(&str, u32)] = &[
    ("dev", 0o755),
    ("etc", 0o755),
    ("home", 0o755),
    ("mnt", 0o755),
    ("proc", 0o555),
    ("root", 0o700),
    ("run", 0o755),
    ("run/lock", 0o1777),
    ("sys", 0o555),
    ("tmp", 0o1777),
    ("usr/bin", 0o755),
    ("usr/lib", 0o755),
    ("usr/sbin", 0o755),
    ("var/tmp", 0o1777),
];

/// Links of the merged-usr layout (`man 7 hier`), made before anything is unpacked.
const MERGED_USR: &[(&str, &str)] = &[("bin", "usr/bin"), ("lib", "usr/lib"), ("sbin", "usr/sbin")];

/// Links that `update-alternatives` or a maintainer script would make, where the target exists.
const LINKS: &[(&str, &str)] = &[
    ("usr/bin/awk", "mawk"),
    ("usr/bin/nawk", "mawk"),
    ("usr/bin/c89", "c89-gcc"),
    ("usr/bin/c99", "c99-gcc"),
    ("usr/bin/cc", "gcc"),
    ("usr/bin/editor", "vim.tiny"),
    ("usr/bin/ex", "vim.tiny"),
    ("usr/bin/lua", "lua5.4"),
    ("usr/bin/luac", "luac5.4"),
    ("usr/bin/pager", "less"),
    ("usr/bin/vi", "vim.tiny"),
    ("usr/bin/which", "which.debianutils"),
    ("usr/bin/python3", "python3.11"),
    ("etc/mtab", "../proc/self/mounts"),
    ("var/lock", "../run/lock"),
    ("var/run", "../run"),
];

/// Files that maintainer scripts copy from their package's masters.
const COPIES: &[(&str, &str)] = &[
    ("etc/passwd", "usr/share/base-passwd/passwd.master"),
    ("etc/group", "usr/share/base-passwd/group.master"),
    ("etc/nsswitch.conf", "usr/share/libc-bin/nsswitch.conf"),
    ("etc/profile", "usr/share/base-files/profile"),
    ("root/.bashrc", "usr/share/base-files/dot.bashrc"),
    ("root/.profile", "usr/share/base-files/dot.profile"),
];

/// Files of our own.
const FILES: &[(&str, &str)] = &[
    ("etc/hostname", "ncpu\n"),
    ("etc/hosts", "127.0.0.1\tlocalhost\n127.0.1.1\tncpu\n::1\tlocalhost\n"),
    ("etc/shells", "/bin/sh\n/bin/bash\n/bin/dash\n"),
];

/// Folders of packages that no program needs to run.
const UNUSED: &[&str] = &[
    "usr/share/bash-completion",
    "usr/share/bug",
    "usr/share/doc",
    "usr/share/doc-base",
    "usr/share/info",
    "usr/share/lintian",
    "usr/share/locale",
    "usr/share/man",
    "usr/share/perl/5.36.0/pod",
    "usr/share/ri",
];

/// Counts changes of this file's code that change what it builds.
const REVISION: &str = "1";

/// Made files and all folders carry this time: 2024-01-01 00:00:00 UTC, after every file packed
/// for the release's first edition and fixed for good.
const EPOCH: u64 = 1_704_067_200;

/// Everything that decides what is built from given packages, so that a stamp notices a change.
pub(super) fn recipe() -> impl Iterator<Item = &'static str> {
    let pairs = [MERGED_USR, LINKS, COPIES, FILES];
    let words = pairs.into_iter().flatten().flat_map(|(a, b)| [*a, *b]);
    let folders = FOLDERS.iter().map(|(path, _)| *path);
    folders.chain(words).chain(UNUSED.iter().copied()).chain([REVISION])
}

/// Builds the root file system in `target`, which must not exist.
pub(super) fn build(apt: &Apt, archives: &[Archive], suite: Suite, target: &Path) -> Result<()> {
    for (path, _) in FOLDERS {
        let path = target.join(path);
        fs::create_dir_all(&path).with_context(|| format!("cannot create {}", path.display()))?;
    }
    for (link, to) in MERGED_USR {
        make_link(&target.join(link), to)?;
    }
    println!("unpacking {} packages", archives.len());
    for archive in archives {
        unpack(&apt.archive_path(archive), target)?;
    }
    for (to, from) in COPIES {
        let from = target.join(from);
        if from.exists() {
            fs::copy(&from, target.join(to))
                .with_context(|| format!("cannot copy {}", from.display()))?;
            set_time(&target.join(to))?;
        }
    }
    for (path, text) in FILES {
        fs::write(target.join(path), text)?;
        set_time(&target.join(path))?;
    }
    for (link, to) in LINKS {
        make_link(&target.join(link), to)?;
    }
    if suite == Suite::Full {
        compile_python(target)?;
    }
    for (path, mode) in FOLDERS {
        fs::set_permissions(target.join(path), fs::Permissions::from_mode(*mode))?;
    }
    settle_folders(target)
}

/// Unpacks one `.deb` over `target`. `dpkg-deb --extract` would replace the merged-usr links by
/// folders, so `tar` unpacks and is told to keep them.
pub(super) fn unpack(archive: &Path, target: &Path) -> Result<()> {
    let mut members = Command::new("dpkg-deb")
        .arg("--fsys-tarfile")
        .arg(archive)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .context("cannot start dpkg-deb; install the package dpkg")?;
    let pipe = members.stdout.take().context("dpkg-deb has no output")?;
    let mut tar = Command::new("tar");
    tar.args(["--extract", "--keep-directory-symlink", "--preserve-permissions"]);
    tar.args(UNUSED.iter().map(|path| format!("--exclude=./{path}")));
    let unpacked = tar.arg("--directory").arg(target).stdin(pipe).output();
    let packed = members.wait()?;
    let unpacked = unpacked.context("cannot start tar")?;
    if !packed.success() || !unpacked.status.success() {
        let errors = String::from_utf8_lossy(&unpacked.stderr);
        bail!("cannot unpack {}:\n{}", archive.display(), errors.trim_end());
    }
    Ok(())
}

/// Makes the link `link -> to`, unless something is there or `to` would dangle.
fn make_link(link: &Path, to: &str) -> Result<()> {
    let folder = link.parent().context("a link lies in a folder")?;
    let dangling = !folder.join(to).exists() && !to.starts_with("../proc");
    if link.symlink_metadata().is_ok() || dangling {
        return Ok(());
    }
    symlink(to, link).with_context(|| format!("cannot link {}", link.display()))?;
    // Rust's library sets no times of links themselves.
    let status = Command::new("touch")
        .args(["--no-dereference", &format!("--date=@{EPOCH}")])
        .arg(link)
        .status()
        .context("cannot start touch")?;
    ensure!(status.success(), "cannot set the time of {}", link.display());
    Ok(())
}

/// Compiles Python's library as `py3compile` would, so that imports inside do not do it on every
/// start. Only the same minor version writes files that the guest accepts; without one on the
/// host, the guest compiles for itself, with the same results. The files carry the source's hash,
/// not its time, and are thus the same on every host.
fn compile_python(target: &Path) -> Result<()> {
    let library = target.join("usr/lib/python3.11");
    let version = Command::new("python3.11").arg("-V").stdin(Stdio::null()).output();
    if !library.exists() || !version.is_ok_and(|output| output.status.success()) {
        return Ok(());
    }
    println!("compiling Python's library");
    let status = Command::new("python3.11")
        .args(["-I", "-S", "-m", "compileall", "-q", "--invalidation-mode", "unchecked-hash"])
        .args(["-x", "/test/|/idlelib/|/lib2to3/"])
        .args([OsStr::new("-s"), target.as_os_str(), OsStr::new("-p"), OsStr::new("/")])
        .arg(&library)
        .status()
        .context("cannot start python3.11")?;
    ensure!(status.success(), "python3.11 could not compile {}", library.display());
    Ok(())
}

/// Gives every folder, and every file below a `__pycache__`, the fixed time: unpacking touches
/// folders in an order that should not show.
fn settle_folders(folder: &Path) -> Result<()> {
    let made_here = folder.file_name() == Some(OsStr::new("__pycache__"));
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let kind = entry.file_type()?;
        if kind.is_dir() {
            settle_folders(&entry.path())?;
        } else if made_here && kind.is_file() {
            set_time(&entry.path())?;
        }
    }
    set_time(folder)
}

fn set_time(path: &Path) -> Result<()> {
    let time = SystemTime::UNIX_EPOCH + Duration::from_secs(EPOCH);
    fs::File::open(path)
        .and_then(|file| file.set_times(fs::FileTimes::new().set_modified(time)))
        .with_context(|| format!("cannot set the time of {}", path.display()))
}
