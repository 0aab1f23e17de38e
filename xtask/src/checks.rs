//! `cargo xtask test`: sets up and runs everything that has to pass, fast things first.

use crate::ptx;
use anyhow::{Context, Result, bail, ensure};
use std::path::Path;
use std::process::Command;
use std::time::Instant;

/// Debian packages that the tests use, with a file that shows each to be there.
const PACKAGES: &[(&str, &str)] = &[
    ("qemu-user-static", "/usr/bin/qemu-aarch64-static"),
    ("binutils-aarch64-linux-gnu", "/usr/bin/aarch64-linux-gnu-as"),
    ("gcc-aarch64-linux-gnu", "/usr/bin/aarch64-linux-gnu-gcc"),
    ("libpcap-dev", "/usr/include/pcap/pcap.h"),
    ("rustc-web", "/usr/bin/rustc"),
    ("cargo-web", "/usr/bin/cargo"),
    ("rust-web-src", "/usr/lib/rustlib/src/rust/library/core/src/lib.rs"),
    ("xz-utils", "/usr/bin/xz"),
    ("zstd", "/usr/bin/zstd"),
];

/// One step: what it is called and the arguments for cargo.
const STEPS: &[(&str, &[&str])] = &[
    ("formatting", &["fmt", "--all", "--check"]),
    ("lints", &["clippy", "--workspace", "--all-targets", "--locked", "--", "-D", "warnings"]),
    ("documentation", &["doc", "--workspace", "--no-deps", "--locked"]),
    (
        "unit and integration tests",
        &["test", "--workspace", "--locked", "--features", "ncpu/parquet"],
    ),
    ("release build", &["build", "--release", "--locked", "-p", "ncpu", "-p", "differential"]),
    ("guest programs", &["xtask", "guests", "--suite", "smoke"]),
    ("real programs, twice each", &["xtask", "scenarios", "run", "--suite", "smoke", "--twice"]),
    (
        "real programs on lanes, emulated",
        &[
            "xtask",
            "scenarios",
            "run",
            "--suite",
            "smoke",
            "--sample",
            "20",
            "--engine",
            "gpu-emulated",
            "--beside",
            "cpu",
        ],
    ),
    (
        "proof of the neural ALU",
        &["run", "--release", "--locked", "-p", "ncpu", "--", "verify", "alu", "--check"],
    ),
    (
        "all training again, and gradients through the neural ALU",
        &[
            "test",
            "--release",
            "--locked",
            "-p",
            "ncpu-neural",
            "-p",
            "ncpu-neural-math",
            "--features",
            "ncpu-neural/train,ncpu-neural-math/train",
            "--test",
            "training",
            "--test",
            "soft",
            "--test",
            "invert",
        ],
    ),
    (
        "elementary functions, a sample of inputs",
        &["run", "--release", "--locked", "-p", "ncpu", "--", "verify", "math", "--sample", "101"],
    ),
    (
        "real programs with the neural ALU",
        &["xtask", "scenarios", "run", "busybox/", "--alu", "neural", "--beside-alu", "native"],
    ),
    ("programs for many machines", &["xtask", "batch-check"]),
    ("lanes beside the processor", &["xtask", "batch-engines"]),
    (
        "what is said to bad input",
        &[
            "xtask",
            "gpu-check",
            "--small",
            "--engine",
            "gpu-emulated",
            "--only",
            "inputs",
            "--programs",
            "target/batch",
            "--out",
            "target/inputs.md",
        ],
    ),
    ("instructions against qemu", &["run", "--release", "--locked", "-p", "differential"]),
    (
        "instructions with the neural ALU",
        &["run", "--release", "--locked", "-p", "differential", "--", "--alu", "neural"],
    ),
    (
        "instructions on lanes",
        &["run", "--release", "--locked", "-p", "differential", "--", "--engine", "lanes"],
    ),
];

/// Runs every step and stops at the first that fails.
pub(crate) fn run(root: &Path) -> Result<()> {
    install_packages()?;
    for (name, arguments) in STEPS {
        let start = Instant::now();
        println!("== {name}");
        let status = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
            .current_dir(root)
            .env("RUSTDOCFLAGS", "-D warnings")
            .args(*arguments)
            .status()
            .context("cannot run cargo")?;
        ensure!(status.success(), "{name}: failed (cargo {})", arguments.join(" "));
        println!("== {name}: {:.0} s", start.elapsed().as_secs_f64());
    }
    println!("== the machine as PTX");
    ptx::check(root)?;
    println!("all checks passed");
    Ok(())
}

fn install_packages() -> Result<()> {
    let missing: Vec<&str> = PACKAGES
        .iter()
        .filter(|(_, file)| !Path::new(file).exists())
        .map(|(name, _)| *name)
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    if !is_root() {
        bail!("Debian packages are missing: sudo apt-get install {}", missing.join(" "));
    }
    println!("== installing Debian packages: {}", missing.join(" "));
    for arguments in [&["update", "-qq"][..], &["install", "-y", "-qq"]] {
        let mut apt = Command::new("apt-get");
        apt.env("DEBIAN_FRONTEND", "noninteractive").args(arguments);
        if arguments[0] == "install" {
            apt.args(&missing);
        }
        let status = apt.status().context("cannot run apt-get; this needs Debian")?;
        ensure!(status.success(), "apt-get {} failed", arguments[0]);
    }
    Ok(())
}

/// Whether this process may install packages.
fn is_root() -> bool {
    Command::new("id").arg("-u").output().is_ok_and(|out| out.stdout == b"0\n")
}
