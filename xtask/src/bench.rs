//! `cargo xtask bench`: speed beside `qemu-aarch64`, on the same binaries, in the same run.
//!
//! Each workload runs in turn under both, several times; the table gives medians of the whole
//! process's wall time and the ratio of qemu's to ours (1 means as fast as qemu). Outputs have to be
//! equal.

use anyhow::{Context, Result, bail, ensure};
use clap::Args as ClapArgs;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

/// Options of `cargo xtask bench`.
#[derive(ClapArgs)]
pub(crate) struct Args {
    /// Runs of each workload under each engine
    #[arg(long, default_value_t = 5)]
    runs: usize,
    /// Write the table to this file as well
    #[arg(long)]
    out: Option<PathBuf>,
    /// Only workloads whose name contains this
    filter: Option<String>,
}

/// A program of the guest root file system with its arguments, or a compiled C program.
struct Workload {
    name: &'static str,
    what: &'static str,
    command: &'static [&'static str],
}

/// C programs in `benches/guest`, compiled with Debian's cross compiler.
const COMPILED: &[(&str, &str)] = &[
    ("integer", "integer loops: Collatz, sieve, gcd (C, -O2)"),
    ("sort", "qsort and heap sort of 400,000 keys (C, -O2)"),
    ("sha256", "SHA-256 of 6.4 MB in plain C (-O2)"),
    ("matrix", "product of matrices of doubles, 220 x 220, three times (C, -O2)"),
    ("strings", "the C library's string functions and snprintf (C, -O2)"),
];

const PROGRAMS: &[Workload] = &[
    Workload {
        name: "lua",
        what: "lua5.4: Fibonacci, tables, string building",
        command: &[
            "/usr/bin/lua5.4",
            "-e",
            "local function f(n) if n<2 then return n end return f(n-1)+f(n-2) end \
             local t={} for i=1,200000 do t[i]=i*i%1009 end table.sort(t) \
             local s={} for i=1,50000 do s[#s+1]=tostring(i)..';' end \
             print(f(25), t[100000], #table.concat(s))",
        ],
    },
    Workload {
        name: "sqlite3",
        what: "sqlite3: 20,000 rows in memory, an index, aggregates and a join",
        command: &[
            "/usr/bin/sqlite3",
            ":memory:",
            "create table t(a integer, b text); \
             with recursive c(n) as (select 1 union all select n+1 from c where n<20000) \
             insert into t select n*7919%10007, 'row '||n from c; create index i on t(a); \
             select count(*), sum(a), max(b) from t; \
             select count(*) from t x join t y on x.a=y.a+1;",
        ],
    },
    Workload {
        name: "fork",
        what: "busybox sh: 500 forked subshells",
        command: &[
            "/usr/bin/busybox",
            "sh",
            "-c",
            "i=0; while [ $i -lt 500 ]; do (exit 3); i=$((i+1)); done; echo $i",
        ],
    },
    Workload { name: "start-up", what: "busybox true", command: &["/usr/bin/busybox", "true"] },
];

/// Runs the workloads and prints the table.
pub(crate) fn run(root: &Path, args: &Args) -> Result<()> {
    let ncpu = root.join("target/release/ncpu");
    let rootfs = root.join("guests/rootfs");
    ensure!(ncpu.exists(), "{} is missing: cargo build --release", ncpu.display());
    ensure!(rootfs.exists(), "{} is missing: cargo xtask guests --suite smoke", rootfs.display());
    let qemu = ["/usr/bin/qemu-aarch64-static", "/usr/bin/qemu-aarch64"]
        .into_iter()
        .find(|path| Path::new(path).exists())
        .context("qemu-aarch64 is missing: apt-get install qemu-user-static")?;
    let image = root.join("target/bench/rootfs.img");
    let folder = root.join("target/bench");
    std::fs::create_dir_all(&folder)?;
    let status = Command::new(&ncpu)
        .args(["image", "build"])
        .arg(&rootfs)
        .arg("-o")
        .arg(&image)
        .stdout(Stdio::null())
        .status()?;
    ensure!(status.success(), "cannot pack {}", rootfs.display());

    let wanted = |name: &str| args.filter.as_deref().is_none_or(|f| name.contains(f));
    let mut rows = String::new();
    let mut logarithms = Vec::new();
    for (name, what) in COMPILED.iter().filter(|(name, _)| wanted(name)) {
        let program = compile(root, &folder, name)?;
        let ours = [ncpu.as_os_str(), "run".as_ref(), program.as_os_str()];
        let theirs = [qemu.as_ref(), program.as_os_str()];
        let row = measure(args.runs, &ours, &theirs)?;
        let mips = instructions(&ours)? as f64 / row.0 / 1e6;
        writeln!(
            rows,
            "| {name} | {what} | {:.3} | {:.3} | {:.2} | {mips:.0} |",
            row.0,
            row.1,
            row.1 / row.0
        )?;
        logarithms.push((row.1 / row.0).ln());
    }
    for workload in PROGRAMS.iter().filter(|workload| wanted(workload.name)) {
        let program = rootfs.join(workload.command[0].trim_start_matches('/'));
        let mut ours: Vec<&std::ffi::OsStr> =
            vec![ncpu.as_os_str(), "run".as_ref(), "--rootfs".as_ref(), image.as_os_str()];
        ours.extend(workload.command.iter().map(std::ffi::OsStr::new));
        let mut theirs: Vec<&std::ffi::OsStr> =
            vec![qemu.as_ref(), "-L".as_ref(), rootfs.as_os_str(), program.as_os_str()];
        theirs.extend(workload.command[1..].iter().map(std::ffi::OsStr::new));
        let row = measure(args.runs, &ours, &theirs)?;
        let mips = instructions(&ours)? as f64 / row.0 / 1e6;
        let (name, what) = (workload.name, workload.what);
        writeln!(
            rows,
            "| {name} | {what} | {:.3} | {:.3} | {:.2} | {mips:.0} |",
            row.0,
            row.1,
            row.1 / row.0
        )?;
        logarithms.push((row.1 / row.0).ln());
    }
    if logarithms.is_empty() {
        bail!("no workload has that name");
    }
    let mean = (logarithms.iter().sum::<f64>() / logarithms.len() as f64).exp();
    let version = Command::new(qemu).arg("--version").output()?;
    let version = String::from_utf8_lossy(&version.stdout);
    let table = format!(
        "Command: `cargo xtask bench --runs {}`. Peer: {}. Host: {}, one core.\n\n\
         | workload | what | ncpu, s | qemu, s | qemu / ncpu | ncpu, MIPS |\n|---|---|---|---|---|---|\n{rows}\n\
         Geometric mean of qemu / ncpu: {mean:.2}\n",
        args.runs,
        version.lines().next().unwrap_or("qemu"),
        processor(),
    );
    print!("{table}");
    if let Some(out) = &args.out {
        std::fs::write(out, format!("# Speed beside qemu-aarch64\n\n{table}"))
            .with_context(|| out.display().to_string())?;
    }
    Ok(())
}

/// The host's processor by name.
pub(crate) fn processor() -> String {
    let info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name = info.lines().find_map(|line| line.strip_prefix("model name")?.split(": ").nth(1));
    name.unwrap_or("unknown processor").to_owned()
}

fn compile(root: &Path, folder: &Path, name: &str) -> Result<PathBuf> {
    let out = folder.join(name);
    let status = Command::new("aarch64-linux-gnu-gcc")
        .args(["-O2", "-static", "-o"])
        .arg(&out)
        .arg(root.join(format!("benches/guest/{name}.c")))
        .status()
        .context("aarch64-linux-gnu-gcc is missing: apt-get install gcc-aarch64-linux-gnu")?;
    ensure!(status.success(), "{name}.c does not compile");
    Ok(out)
}

/// Runs both commands in turn and returns the median wall times in seconds.
fn measure<S: AsRef<std::ffi::OsStr>>(runs: usize, ours: &[S], theirs: &[S]) -> Result<(f64, f64)> {
    let (mut a, mut b) = (Vec::new(), Vec::new());
    for round in 0..=runs {
        let (ours, our_output) = time(ours)?;
        let (theirs, their_output) = time(theirs)?;
        ensure!(
            our_output == their_output,
            "outputs differ:\n{}\n{}",
            String::from_utf8_lossy(&our_output),
            String::from_utf8_lossy(&their_output)
        );
        // The first round warms the caches.
        if round > 0 {
            a.push(ours);
            b.push(theirs);
        }
    }
    a.sort_by(f64::total_cmp);
    b.sort_by(f64::total_cmp);
    Ok((a[a.len() / 2], b[b.len() / 2]))
}

fn time<S: AsRef<std::ffi::OsStr>>(command: &[S]) -> Result<(f64, Vec<u8>)> {
    let start = Instant::now();
    let output = Command::new(&command[0])
        .args(&command[1..])
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("cannot run {:?}", command[0].as_ref()))?;
    let wall = start.elapsed().as_secs_f64();
    ensure!(
        output.status.success(),
        "{:?} failed: {}",
        command[0].as_ref(),
        String::from_utf8_lossy(&output.stderr)
    );
    Ok((wall, output.stdout))
}

/// Instructions that the machine retires for a command that starts with `ncpu run`.
fn instructions<S: AsRef<std::ffi::OsStr>>(command: &[S]) -> Result<u64> {
    let output = Command::new(&command[0])
        .args(["run", "--report", "json"])
        .args(command[2..].iter())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .output()?;
    let report: serde_json::Value =
        serde_json::from_slice(&output.stderr).context("the report of ncpu run is not JSON")?;
    report["instructions"].as_u64().context("the report has no instruction count")
}
