//! `cargo xtask gpu-pack`: one folder with all that `gpu-check` needs.

use anyhow::{Context, Result, ensure};
use clap::Args as ClapArgs;
use lzma_rust2::{XzOptions, XzWriter};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Options of `cargo xtask gpu-pack`.
#[derive(ClapArgs)]
pub(crate) struct Args {
    /// The folder to make
    #[arg(long, default_value = "target/gpu")]
    out: PathBuf,
    /// The peer to pack
    #[arg(long, default_value = "/usr/bin/qemu-aarch64-static")]
    qemu: PathBuf,
    /// Take the programs that are there instead of building them
    #[arg(long)]
    no_build: bool,
}

/// The root file system's name in the folder.
pub(super) const ROOTFS: &str = "rootfs.tar.xz";

/// What no scenario of the smoke suite needs of the packages that bash, Python and the others depend on.
const UNUSED: &[&str] = &[
    "./usr/bin/perl*",
    "./usr/lib/aarch64-linux-gnu/gconv",
    "./usr/lib/aarch64-linux-gnu/libperl*",
    "./usr/lib/aarch64-linux-gnu/perl*",
    "./usr/share/perl",
];

/// Programs that measure the card itself: examples of `ncpu-gpu`.
const EXAMPLES: [&str; 3] = ["forking", "neural", "opening"];

/// Packs everything and says how large it is.
pub(crate) fn run(root: &Path, args: &Args) -> Result<()> {
    let target = match std::env::var_os("CARGO_TARGET_DIR") {
        Some(folder) => root.join(folder),
        None => root.join("target"),
    };
    if !args.no_build {
        build(root)?;
    }
    let out = root.join(&args.out);
    let release = target.join("release");
    fs::create_dir_all(out.join("differential-runner"))?;
    for name in ["ncpu", "xtask", "differential"] {
        strip(&release.join(name), &out.join(name))?;
    }
    for name in EXAMPLES {
        strip(&release.join("examples").join(name), &out.join(name))?;
    }
    runner(&out)?;
    ensure!(
        args.qemu.exists(),
        "{} is missing: apt-get install qemu-user-static",
        args.qemu.display()
    );
    strip(&args.qemu, &out.join("qemu-aarch64-static"))?;
    let programs = target.join("batch");
    ensure!(programs.exists(), "{} is missing: cargo xtask batch-programs", programs.display());
    copy_folder(&programs, &out.join("batch"))?;
    copy_folder(&root.join("tests/scenarios"), &out.join("scenarios"))?;
    copy_folder(&root.join("models"), &out.join("models"))?;
    rootfs(&root.join("guests/rootfs"), &out.join(ROOTFS))?;
    let mut total = 0;
    for entry in fs::read_dir(&out)? {
        let entry = entry?;
        let bytes = size(&entry.path())?;
        println!("{:>9} KiB  {}", bytes.div_ceil(1024), entry.file_name().to_string_lossy());
        total += bytes;
    }
    println!("{:>9} KiB  {}", total.div_ceil(1024), out.display());
    Ok(())
}

fn build(root: &Path) -> Result<()> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    for arguments in [
        &["-p", "ncpu", "-p", "xtask", "-p", "differential"][..],
        &["-p", "ncpu-gpu", "--examples"],
    ] {
        let status = Command::new(&cargo)
            .args(["build", "--release", "--locked"])
            .args(arguments)
            .current_dir(root)
            .status()
            .context("cannot start cargo")?;
        ensure!(status.success(), "cargo build {}: failed", arguments.join(" "));
    }
    Ok(())
}

/// Copies a program without its symbols.
fn strip(from: &Path, to: &Path) -> Result<()> {
    ensure!(from.exists(), "{} is missing", from.display());
    let status = Command::new("strip").arg("-o").arg(to).arg(from).status();
    let status = status.context("cannot run strip: apt-get install binutils")?;
    ensure!(status.success(), "cannot strip {}", from.display());
    Ok(())
}

/// Has the instruction cases' runner built beside their program, by a run of one case.
fn runner(out: &Path) -> Result<()> {
    let output = Command::new(out.join("differential"))
        .args(["--engine", "lanes", "--no-qemu", "--row", "ADD_imm", "--cases", "1"])
        .output()?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "differential: {}", said.trim_end());
    ensure!(out.join("differential-runner/runner").exists(), "differential built no runner");
    Ok(())
}

fn copy_folder(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from).with_context(|| from.display().to_string())? {
        let entry = entry?;
        let to = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_folder(&entry.path(), &to)?;
        } else {
            fs::copy(entry.path(), &to).with_context(|| to.display().to_string())?;
        }
    }
    Ok(())
}

/// Packs the smoke suite's root file system, as if root owned it, without what is [`UNUSED`].
fn rootfs(from: &Path, to: &Path) -> Result<()> {
    ensure!(from.exists(), "{} is missing: cargo xtask guests --suite smoke", from.display());
    let mut tar = Command::new("tar")
        .args(["--create", "--sort=name", "--owner=0", "--group=0", "--numeric-owner"])
        .args(["--format=pax", "--pax-option=delete=atime,delete=ctime"])
        .args(UNUSED.iter().map(|path| format!("--exclude={path}")))
        .arg("--directory")
        .arg(from)
        .arg(".")
        .stdout(Stdio::piped())
        .spawn()
        .context("cannot start tar")?;
    let mut pipe = tar.stdout.take().context("tar has no output")?;
    let mut writer = XzWriter::new(File::create(to)?, XzOptions::with_preset(6))?;
    std::io::copy(&mut pipe, &mut writer)?;
    writer.finish()?;
    ensure!(tar.wait()?.success(), "cannot pack {}", from.display());
    Ok(())
}

fn size(path: &Path) -> Result<u64> {
    let metadata = fs::metadata(path)?;
    if !metadata.is_dir() {
        return Ok(metadata.len());
    }
    fs::read_dir(path)?.map(|entry| size(&entry?.path())).sum()
}
