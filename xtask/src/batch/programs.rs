//! `cargo xtask batch-programs`: compiles the programs and counts their instructions.

use super::{
    Case, FILTERS, Input, Known, MANIFEST, Manifest, PACKETS, WORKLOADS, Workload, counted, output,
};
use anyhow::{Context, Result, ensure};
use clap::Args as ClapArgs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Options of `cargo xtask batch-programs`.
#[derive(ClapArgs)]
pub(crate) struct Args {
    /// The `ncpu` that counts instructions [default: target/release/ncpu]
    #[arg(long)]
    ncpu: Option<PathBuf>,
}

/// Programs that are compiled for the guest, and for the host to compare with.
const SOURCES: &[&str] = &["integer", "sha256", "matrix", "sort", "strings", FILTERS, "packets"];
const CROSS: &str = "aarch64-linux-gnu-gcc";
/// ISO C, so that sums of products are not fused and every processor gives the same bits. Loops are
/// not turned into calls of `memset` and `memcpy`, which are such loops themselves.
const FLAGS: &[&str] = &[
    "-O2",
    "-std=c11",
    "-Wall",
    "-Wextra",
    "-static",
    "-nostdlib",
    "-ffreestanding",
    "-fno-tree-loop-distribute-patterns",
    "-fno-stack-protector",
];
/// How many machines' work one core does under qemu, as one process.
const MACHINES_A_CORE: u64 = 200;
const PACKET_COUNT: u64 = 100_000;

/// Compiles everything into `target/batch` and writes the manifest.
pub(crate) fn run(root: &Path, args: &Args) -> Result<()> {
    let ncpu = ncpu(root, args.ncpu.as_deref())?;
    let folder = compile(root)?;
    let compiler = compiler_version()?;
    let packets = output(
        Command::new(&ncpu).arg("run").arg(folder.join("packets")),
        Input::Bytes(format!("1 {PACKET_COUNT}\n").as_bytes()),
    )?;
    std::fs::write(folder.join(PACKETS), packets)?;

    println!("| workload | input | instructions | one core's instructions |\n|---|---|---|---|");
    let mut manifest = Manifest { compiler, workloads: Vec::new() };
    for workload in WORKLOADS {
        let machine = case(&ncpu, &folder, workload, workload.iterations)?;
        let core = case(&ncpu, &folder, workload, workload.iterations * MACHINES_A_CORE)?;
        println!(
            "| {} | `{}` | {} | {} |",
            workload.name,
            machine.input.trim_end(),
            machine.instructions,
            core.instructions
        );
        manifest.workloads.push(Known {
            name: workload.name.to_owned(),
            program: workload.program.to_owned(),
            last: workload.last.to_owned(),
            machine,
            core,
        });
    }
    let path = folder.join(MANIFEST);
    std::fs::write(&path, serde_json::to_string_pretty(&manifest)? + "\n")
        .with_context(|| path.display().to_string())?;
    Ok(())
}

/// The first line of the compiler's `--version`: another compiler, other instruction counts.
pub(super) fn compiler_version() -> Result<String> {
    let version = output(Command::new(CROSS).arg("--version"), Input::Bytes(b""))?;
    Ok(String::from_utf8_lossy(&version).lines().next().unwrap_or(CROSS).to_owned())
}

/// The `ncpu` to use, which has to be built already.
pub(super) fn ncpu(root: &Path, given: Option<&Path>) -> Result<PathBuf> {
    let path = given.map_or_else(|| root.join("target/release/ncpu"), Path::to_path_buf);
    ensure!(path.exists(), "{} is missing: cargo build --release", path.display());
    Ok(path)
}

fn case(ncpu: &Path, folder: &Path, workload: &Workload, iterations: u64) -> Result<Case> {
    let seed = 1;
    let input = workload.input(seed, iterations);
    let (output, instructions) = counted(ncpu, &folder.join(workload.program), &input)
        .with_context(|| workload.name.to_owned())?;
    Ok(Case { seed, iterations, input, output, instructions })
}

/// Compiles the programs into `target/batch` and, for the host, `target/batch/native`.
pub(super) fn compile(root: &Path) -> Result<PathBuf> {
    let folder = root.join("target/batch");
    let native = folder.join("native");
    std::fs::create_dir_all(&native)?;
    for name in SOURCES {
        let source = root.join(format!("benches/batch/{name}.c"));
        compiler(CROSS, "gcc-aarch64-linux-gnu", FLAGS, &source, &folder.join(name), &[])?;
        compiler("cc", "gcc", FLAGS, &source, &native.join(name), &[])?;
    }
    Ok(folder)
}

/// Compiles the program that asks libpcap.
pub(super) fn compile_libpcap(root: &Path, folder: &Path) -> Result<PathBuf> {
    ensure!(
        Path::new("/usr/include/pcap/pcap.h").exists(),
        "libpcap is missing: apt-get install libpcap-dev"
    );
    let out = folder.join("native/libpcap");
    let source = root.join("benches/batch/libpcap.c");
    let flags = ["-O2", "-std=gnu11", "-Wall", "-Wextra"];
    compiler("cc", "gcc libc6-dev", &flags, &source, &out, &["-lpcap"])?;
    Ok(out)
}

fn compiler(
    name: &str,
    package: &str,
    flags: &[&str],
    source: &Path,
    out: &Path,
    libraries: &[&str],
) -> Result<()> {
    let status = Command::new(name)
        .args(flags)
        .arg("-o")
        .arg(out)
        .arg(source)
        .args(libraries)
        .status()
        .with_context(|| format!("cannot run {name}: apt-get install {package}"))?;
    ensure!(status.success(), "{} does not compile", source.display());
    Ok(())
}
