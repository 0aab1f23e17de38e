//! `cargo xtask batch-engines`: whether real programs give the same on every engine.
//!
//! Each program runs in some machines with standard inputs of their own, by `ncpu batch` with the CPU
//! engine and with another one. All of a machine's row has to be the same: how it ended, its output, its
//! instruction count and its state hash.

use super::programs;
use anyhow::{Context, Result, ensure};
use clap::Args as ClapArgs;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Options of `cargo xtask batch-engines`.
#[derive(ClapArgs)]
pub(crate) struct Args {
    /// The `ncpu` to check [default: target/release/ncpu]
    #[arg(long)]
    ncpu: Option<PathBuf>,
    /// The root file system [default: guests/rootfs]
    #[arg(long)]
    rootfs: Option<PathBuf>,
    /// The engine to compare with the CPU's: gpu, or gpu-emulated, which needs no GPU
    #[arg(long, default_value = "gpu-emulated")]
    engine: String,
    /// Machines of each program
    #[arg(long, default_value_t = 5)]
    machines: u64,
    /// Lanes of the engine, of which there may be fewer than machines
    #[arg(long, default_value_t = 3)]
    lanes: u64,
}

/// Real programs. Each reads a number.
const PROGRAMS: &[(&str, &[&str])] = &[
    (
        "a pipeline of busybox",
        &["busybox", "sh", "-c", "read n; seq 1 $((n * 30)) | sort -rn | head -3 | sha256sum"],
    ),
    (
        "bash, dynamically linked, and its children",
        &[
            "bash",
            "-c",
            "read n; for i in 1 2 3; do (exit $((n + i))); echo $? $(wc -c < /etc/passwd); done",
        ],
    ),
    (
        "Lua",
        &[
            "lua5.4",
            "-e",
            "local n, t = io.read('n'), {} for i = 1, 200 do t[i] = i * n * 7919 % 1009 end \
             table.sort(t) print(t[1], t[100], t[200] / n)",
        ],
    ),
    (
        "sqlite3",
        &[
            "sh",
            "-c",
            "read n; sqlite3 :memory: \"create table t(a); with recursive c(x) as (select 1 union all \
             select x + $n from c limit 50) insert into t select x from c; select sum(a), max(a) from t;\"",
        ],
    ),
    (
        "Python",
        &["python3", "-S", "-c", "n = int(input())\nprint({i: n ** i % 97 for i in range(9)})"],
    ),
    (
        "output for ever, cut by fuel",
        &["busybox", "sh", "-c", "read n; while echo $n $((n += 1)); do :; done"],
    ),
];

/// Ends machines that go on for ever, and Python, after output has been taken at 10,000,000 instructions.
const FUEL: &str = "40000003";
/// Console output of a machine that is kept.
const OUTPUT: &str = "64K";

/// Runs every comparison.
pub(crate) fn run(root: &Path, args: &Args) -> Result<()> {
    let ncpu = programs::ncpu(root, args.ncpu.as_deref())?;
    let rootfs = args.rootfs.clone().unwrap_or_else(|| root.join("guests/rootfs"));
    ensure!(rootfs.exists(), "{} is missing: cargo xtask guests --suite smoke", rootfs.display());
    let lanes = args.lanes.to_string();
    for (name, command) in PROGRAMS {
        let rows = |options: &[&str]| {
            let mut batch = Command::new(&ncpu);
            batch.args(["batch", "--fuel", FUEL, "--output-limit", OUTPUT]).args(options);
            batch.args(["--stdin-range", &format!("1..{}", args.machines + 1), "--rootfs"]);
            rows(batch.arg(&rootfs).arg("--").args(*command)).with_context(|| (*name).to_owned())
        };
        let expected = rows(&["--engine", "cpu"])?;
        let found = rows(&["--engine", &args.engine, "--lanes", &lanes])?;
        ensure!(expected.len() as u64 == args.machines, "{name}: {} rows", expected.len());
        for (index, row) in &expected {
            let other = found.get(index).with_context(|| format!("{name}: no row {index}"))?;
            ensure!(row == other, "{name}: {} gives\n{other}\ninstead of\n{row}", args.engine);
        }
        let hashes: BTreeSet<_> = expected.values().map(|row| row["state_hash"].as_str()).collect();
        ensure!(hashes.len() == expected.len(), "{name}: machines with other inputs end alike");
        println!("{name}: {} machines alike on cpu and {}", found.len(), args.engine);
    }
    Ok(())
}

/// The rows of a batch by index. Machines may have been cut, which is status 124.
fn rows(batch: &mut Command) -> Result<BTreeMap<u64, Value>> {
    let output = batch.stdin(Stdio::null()).output().context("cannot run ncpu")?;
    ensure!(
        matches!(output.status.code(), Some(0 | 124)),
        "{}: {}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
    let row = |line: &[u8]| -> Result<(u64, Value)> {
        let row: Value = serde_json::from_slice(line).context("a row is not JSON")?;
        Ok((row["index"].as_u64().context("a row has no index")?, row))
    };
    output.stdout.split(|&byte| byte == b'\n').filter(|line| !line.is_empty()).map(row).collect()
}
