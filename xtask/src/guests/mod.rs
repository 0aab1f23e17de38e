//! Test guests: programs from Debian's arm64 archive, which no one here wrote.
//!
//! `apt` resolves, downloads and verifies (it alone knows the archive's signatures); `dpkg-deb`
//! unpacks. Everything lives in `guests/`, which git ignores: the host's own packages, lists and
//! files are neither read nor changed, and root is not needed.
//!
//! - `guests/apt/`     apt's lists, archives and configuration ([`apt`])
//! - `guests/rootfs/`  the root file system ([`rootfs`]); `rootfs.stamp` beside it says what it holds
//! - `guests/busybox`  Debian's static BusyBox alone

mod apt;
pub(crate) mod packages;
mod rootfs;

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};
use clap::ValueEnum;

use apt::Apt;

/// Which set of packages the root file system holds.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, ValueEnum, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Suite {
    /// Shells, text tools, Lua, SQLite, jq and a small Python
    Smoke,
    /// Everything: also compilers, Perl, Ruby, Python's test-suite, git and servers
    Full,
}

/// A single program that can be had alone.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Single {
    /// Debian's busybox-static, as guests/busybox
    Busybox,
}

/// Arguments of `cargo xtask guests`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The set of packages to unpack into guests/rootfs
    #[arg(long, value_enum, default_value = "full")]
    suite: Suite,
    /// Fetch one static program instead of a root file system
    #[arg(long, value_enum, conflicts_with = "suite")]
    only: Option<Single>,
    /// Ask the archive for newer versions and unpack afresh
    #[arg(long)]
    update: bool,
}

/// Fetches and unpacks what `args` ask for; does nothing when it is already there.
pub(crate) fn run(args: &Args) -> Result<()> {
    let folder = crate::root().join("guests");
    match args.only {
        Some(Single::Busybox) => fetch_busybox(&folder, args.update),
        None => fetch_rootfs(&folder, args.suite, args.update),
    }
}

/// The suite that `guests/rootfs` holds, if it is complete and of this recipe.
pub(crate) fn installed_suite(folder: &Path) -> Option<Suite> {
    let stamp = fs::read_to_string(folder.join("rootfs.stamp")).ok()?;
    let first = stamp.lines().next()?;
    [Suite::Full, Suite::Smoke].into_iter().find(|suite| first == recipe(*suite))
}

/// The first line of a stamp: it changes when the package set or the way to unpack it does.
fn recipe(suite: Suite) -> String {
    let mut hash = Fnv::default();
    for part in packages::of(suite).chain(rootfs::recipe()) {
        hash.write(part.as_bytes());
        hash.write(b"\0");
    }
    format!("{suite:?} {:016x}", hash.0)
}

fn fetch_busybox(folder: &Path, update: bool) -> Result<()> {
    let target = folder.join("busybox");
    if target.exists() && !update {
        println!("{} is up to date", target.display());
        return Ok(());
    }
    let apt = Apt::prepare(folder, update)?;
    let archives = apt.download(&["busybox-static"])?;
    let archive = archives
        .iter()
        .find(|archive| archive.package == "busybox-static")
        .context("apt resolved busybox-static to no archive")?;
    let scratch = folder.join("busybox.part");
    remove_tree(&scratch)?;
    fs::create_dir_all(&scratch)?;
    rootfs::unpack(&apt.archive_path(archive), &scratch)?;
    let program = ["bin/busybox", "usr/bin/busybox"]
        .iter()
        .map(|path| scratch.join(path))
        .find(|path| path.exists())
        .with_context(|| format!("{} holds no busybox", archive.file))?;
    fs::rename(&program, &target)?;
    remove_tree(&scratch)?;
    println!("{} ({} {})", target.display(), archive.package, archive.version);
    Ok(())
}

fn fetch_rootfs(folder: &Path, suite: Suite, update: bool) -> Result<()> {
    let target = folder.join("rootfs");
    let stamp = folder.join("rootfs.stamp");
    let held = installed_suite(folder);
    // The full suite is a superset of the smoke suite, and the outputs agree.
    if !update && target.exists() && held.is_some_and(|held| held >= suite) {
        println!("{} is up to date", target.display());
        return Ok(());
    }
    let apt = Apt::prepare(folder, update)?;
    let wanted: Vec<&str> = packages::of(suite).collect();
    let archives = apt.download(&wanted)?;
    let scratch = folder.join("rootfs.part");
    remove_tree(&scratch)?;
    rootfs::build(&apt, &archives, suite, &scratch)?;
    // The stamp goes first and comes last: an interrupted run is never taken for a finished one.
    if stamp.exists() {
        fs::remove_file(&stamp)?;
    }
    remove_tree(&target)?;
    fs::rename(&scratch, &target)?;
    let mut text = recipe(suite);
    for archive in &archives {
        text.push_str(&format!("\n{} {}", archive.package, archive.version));
    }
    text.push('\n');
    fs::write(&stamp, text)?;
    println!("{}: {} packages", target.display(), archives.len());
    Ok(())
}

/// Removes a folder of ours and all below it, if it exists.
fn remove_tree(path: &Path) -> Result<()> {
    match fs::remove_dir_all(path) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(error) => bail!("cannot remove {}: {error}", path.display()),
    }
}

/// FNV-1a, 64 bits: enough to notice that a list changed.
struct Fnv(u64);

impl Default for Fnv {
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl Fnv {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The test vectors of draft-eastlake-fnv, appendix C: "" and "a".
    #[test]
    fn fnv_1a_matches_the_published_vectors() {
        assert_eq!(Fnv::default().0, 0xcbf2_9ce4_8422_2325);
        let mut hash = Fnv::default();
        hash.write(b"a");
        assert_eq!(hash.0, 0xaf63_dc4c_8601_ec8c);
    }

    #[test]
    fn the_full_suite_holds_the_smoke_suite() {
        let full: Vec<_> = packages::of(Suite::Full).collect();
        assert!(packages::of(Suite::Smoke).all(|package| full.contains(&package)));
    }
}
