//! `cargo xtask ptx`: the machine as PTX.
//!
//! Compiles `ncpu-gpu-kernel` and everything under it for `nvptx64-nvidia-cuda` with Debian's
//! compiler, which can build `core` from its packaged sources. Only the last crate's code is emitted,
//! with other crates' functions inlined or instantiated into it; a function or static that is left
//! behind shows up as an `.extern`, which would fail or read as zero on the GPU.

use anyhow::{Context, Result, bail, ensure};
use std::path::{Path, PathBuf};
use std::process::Command;

const RUSTC: &str = "/usr/bin/rustc";
const CARGO: &str = "/usr/bin/cargo";
/// Panics trap at once: their messages would bring in the statics of `core::fmt`.
const FLAGS: &str = "-Ctarget-cpu=sm_80 -Zcross-crate-inline-threshold=always \
                     -Zunstable-options -Cpanic=immediate-abort";
/// Debian packages that bring the compiler and the sources of `core`.
pub(crate) const PACKAGES: [&str; 3] = ["rustc-web", "cargo-web", "rust-web-src"];

/// Compiles the machine to PTX and returns the file.
pub(crate) fn build(root: &Path) -> Result<PathBuf> {
    for tool in [RUSTC, CARGO] {
        ensure!(
            Path::new(tool).exists(),
            "{tool} is missing: apt-get install {}",
            PACKAGES.join(" ")
        );
    }
    let target = root.join("target/ptx");
    let status = Command::new(CARGO)
        .current_dir(root)
        .env_remove("RUSTUP_TOOLCHAIN")
        .env_remove("CARGO_ENCODED_RUSTFLAGS")
        .env("RUSTC", RUSTC)
        .env("RUSTC_BOOTSTRAP", "1")
        .env("RUSTFLAGS", FLAGS)
        .env("CARGO_TARGET_DIR", &target)
        .args(["rustc", "--release", "--locked", "-p", "ncpu-gpu-kernel", "--lib"])
        .args(["-Zbuild-std=core", "-Zbuild-std-features=compiler-builtins-mem"])
        .args(["--target", "nvptx64-nvidia-cuda", "--"])
        .args(["--emit=asm", "-Ccodegen-units=1", "-Cdebuginfo=0"])
        .status()
        .with_context(|| format!("cannot run {CARGO}"))?;
    ensure!(status.success(), "the machine does not compile for the GPU");
    let folder = target.join("nvptx64-nvidia-cuda/release/deps");
    let newest = std::fs::read_dir(&folder)
        .with_context(|| folder.display().to_string())?
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .filter(|path| {
            path.extension().is_some_and(|e| e == "s")
                && path
                    .file_name()
                    .is_some_and(|n| n.to_string_lossy().starts_with("ncpu_gpu_kernel"))
        })
        .max_by_key(|path| path.metadata().and_then(|m| m.modified()).ok());
    newest.with_context(|| format!("the compiler left no PTX in {}", folder.display()))
}

/// `cargo xtask ptx`: compiles and checks that nothing is left undefined.
pub(crate) fn check(root: &Path) -> Result<()> {
    let path = build(root)?;
    let text = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    let undefined: Vec<&str> = text.lines().filter(|line| line.starts_with(".extern")).collect();
    if !undefined.is_empty() {
        bail!("PTX with undefined symbols:\n{}", undefined.join("\n"));
    }
    ensure!(text.contains(".entry ncpu_step"), "the PTX has no entry point ncpu_step");
    println!("{}: {} KiB, no undefined symbols", path.display(), text.len() / 1024);
    Ok(())
}
