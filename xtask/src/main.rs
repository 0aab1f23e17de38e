//! Project tasks, run as `cargo xtask <task>`.
//!
//! - `guests` fetches Debian's arm64 packages and unpacks a root file system of real programs.
//! - `scenarios` records what those programs do under `qemu-aarch64`, and compares `ncpu` with it.
//! - `batch-programs`, `batch-check` and `batch-peer` build, check and measure the programs of
//!   `benches/batch` for many machines; `batch-engines` compares engines on real programs.
//! - `gpu-check` checks and measures everything on a machine with an NVIDIA GPU, which needs no more
//!   than the folder that `gpu-pack` makes.
//! - `test` runs everything that has to pass, `bench` measures, `ptx` compiles the machine for a GPU.
//!
//! Nothing here links the machine's crates: the tasks drive the `ncpu` binary as a user would.

#![forbid(unsafe_code)]

mod batch;
mod bench;
mod checks;
mod gpu;
mod guests;
mod ptx;
mod scenarios;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Project tasks.
#[derive(Parser)]
#[command(name = "cargo xtask", disable_version_flag = true)]
struct Cli {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Fetch Debian's arm64 packages with apt and unpack them into guests/
    Guests(guests::Args),
    /// Compare real programs with what they did under qemu-aarch64
    #[command(subcommand)]
    Scenarios(scenarios::Command),
    /// Set up and run everything that has to pass
    Test,
    /// Measure speed beside qemu-aarch64
    Bench(bench::Args),
    /// Compile the programs for many machines and count their instructions
    BatchPrograms(batch::programs::Args),
    /// Compare those programs under ncpu, qemu and natively, and the packet filter with libpcap
    BatchCheck(batch::check::Args),
    /// Compare what real programs give in many machines on another engine than the processor
    BatchEngines(batch::engines::Args),
    /// Measure those programs under qemu on all cores
    BatchPeer(batch::peer::Args),
    /// Check and measure everything on a machine with an NVIDIA GPU
    GpuCheck(gpu::Args),
    /// Put all that gpu-check needs into one folder
    GpuPack(gpu::pack::Args),
    /// Compile the machine to the PTX modules in crates/ncpu-cuda/ptx
    Ptx(ptx::Args),
}

/// The workspace's root folder.
fn root() -> PathBuf {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    manifest.parent().expect("xtask/ is a folder of the workspace").to_path_buf()
}

fn main() -> ExitCode {
    let outcome = match Cli::parse().task {
        Task::Guests(args) => guests::run(&args).map(|()| true),
        Task::Scenarios(command) => scenarios::run(&command),
        Task::Test => checks::run(&root()).map(|()| true),
        Task::Bench(args) => bench::run(&root(), &args).map(|()| true),
        Task::BatchPrograms(args) => batch::programs::run(&root(), &args).map(|()| true),
        Task::BatchCheck(args) => batch::check::run(&root(), &args).map(|()| true),
        Task::BatchEngines(args) => batch::engines::run(&root(), &args).map(|()| true),
        Task::BatchPeer(args) => batch::peer::run(&args).map(|()| true),
        Task::GpuCheck(args) => gpu::run(&args),
        Task::GpuPack(args) => gpu::pack::run(&root(), &args).map(|()| true),
        Task::Ptx(args) => ptx::run(&root(), &args).map(|()| true),
    };
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}
