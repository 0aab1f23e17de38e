//! `xtask batch-peer`: the same programs under qemu, on all cores.
//!
//! What many machines are compared with is the best that qemu can do with the same work: one process
//! for each core, with the work of [many machines](super::programs) put into its iteration count, so
//! that its start-up and its translation cost next to nothing. What qemu takes when each machine is a
//! process of its own is told beside that, and so is the time to start a process that does nothing.
//! The instructions are those that `ncpu run` counted; each output has to be the expected one.

use super::{FILTERS, Input, Known, MANIFEST, Manifest, PACKETS, output};
use crate::bench::processor;
use anyhow::{Context, Result, ensure};
use clap::Args as ClapArgs;
use serde::Serialize;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

/// Options of `xtask batch-peer`.
#[derive(ClapArgs)]
pub(crate) struct Args {
    /// The emulator, qemu-aarch64-static
    #[arg(long)]
    qemu: PathBuf,
    /// The folder with the programs, target/batch
    #[arg(long)]
    programs: PathBuf,
    /// Print JSON instead of tables
    #[arg(long)]
    json: bool,
    /// Runs of each measurement, of which the median counts
    #[arg(long, default_value_t = 3)]
    runs: usize,
    /// Processes at a time [default: one for each core]
    #[arg(long)]
    processes: Option<usize>,
    /// Only workloads whose name contains this
    filter: Option<String>,
}

/// Everything that was measured.
#[derive(Serialize)]
struct Report {
    peer: String,
    processor: String,
    processes: usize,
    runs: usize,
    compiler: String,
    workloads: Vec<Row>,
    packets: Vec<PacketRow>,
}

#[derive(Serialize)]
struct Row {
    name: String,
    /// What each process was given, and the instructions that it takes.
    input: String,
    instructions_per_process: u64,
    seconds: f64,
    /// Of all processes together.
    instructions_per_second: f64,
    /// Wall time of a process with no iterations, while every core runs such ones.
    startup_seconds: f64,
    /// With one process for each machine, each with another seed.
    machines: usize,
    machines_per_second: f64,
}

/// Packets in and verdicts out.
#[derive(Serialize)]
struct PacketRow {
    filter: &'static str,
    /// One process for each core, each given all packets.
    packets_per_second: f64,
    /// One process for each packet.
    process_per_packet_per_second: f64,
}

/// Processes for each core that the short measurements start.
const SHORT_RUNS: usize = 32;

/// Measures and prints.
pub(crate) fn run(args: &Args) -> Result<()> {
    ensure!(args.runs > 0, "--runs has to be at least 1");
    let path = args.programs.join(MANIFEST);
    let manifest = std::fs::read(&path)
        .with_context(|| format!("{}: cargo xtask batch-programs makes it", path.display()))?;
    let manifest: Manifest = serde_json::from_slice(&manifest)
        .with_context(|| format!("{} is not what this xtask writes", path.display()))?;
    let version = output(Command::new(&args.qemu).arg("--version"), Input::Bytes(b""))?;
    let version = String::from_utf8_lossy(&version);
    let cores = match args.processes {
        Some(processes) => processes,
        None => std::thread::available_parallelism()?.get(),
    };
    ensure!(cores > 0, "--processes has to be at least 1");
    let peer = Peer { qemu: &args.qemu, programs: &args.programs, cores, runs: args.runs };
    let wanted = |name: &str| args.filter.as_deref().is_none_or(|filter| name.contains(filter));
    let mut report = Report {
        peer: version.lines().next().unwrap_or("qemu").to_owned(),
        processor: processor(),
        processes: cores,
        runs: args.runs,
        compiler: manifest.compiler,
        workloads: Vec::new(),
        packets: Vec::new(),
    };
    for known in manifest.workloads.iter().filter(|known| wanted(&known.name)) {
        report.workloads.push(peer.measure(known).with_context(|| known.name.clone())?);
    }
    if wanted("packets") {
        for filter in ["0", "4"] {
            report.packets.push(peer.packets(filter)?);
        }
    }
    ensure!(
        !report.workloads.is_empty() || !report.packets.is_empty(),
        "no workload has that name"
    );
    if args.json {
        println!("{}", serde_json::to_string_pretty(&report)?);
    } else {
        print(&report);
    }
    Ok(())
}

struct Peer<'a> {
    qemu: &'a Path,
    programs: &'a Path,
    cores: usize,
    runs: usize,
}

impl Peer<'_> {
    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(self.qemu);
        command.arg(self.programs.join(program));
        command
    }

    /// The median wall time of `count` jobs of which one at a time runs on each core.
    fn time(&self, count: usize, job: impl Fn(usize) -> Result<()> + Sync) -> Result<f64> {
        let mut times = Vec::new();
        for _ in 0..self.runs {
            let (next, job) = (AtomicUsize::new(0), &job);
            let start = Instant::now();
            std::thread::scope(|scope| {
                let worker = || -> Result<()> {
                    loop {
                        let index = next.fetch_add(1, Ordering::Relaxed);
                        if index >= count {
                            return Ok(());
                        }
                        job(index)?;
                    }
                };
                let workers: Vec<_> = (0..self.cores).map(|_| scope.spawn(worker)).collect();
                workers.into_iter().try_for_each(|worker| worker.join().expect("no panic"))
            })?;
            times.push(start.elapsed().as_secs_f64());
        }
        times.sort_by(f64::total_cmp);
        Ok(times[times.len() / 2])
    }

    fn measure(&self, known: &Known) -> Result<Row> {
        let run =
            |input: &str| output(&mut self.command(&known.program), Input::Bytes(input.as_bytes()));
        let expect = |input: &str, expected: &str| {
            let printed = run(input)?;
            ensure!(
                printed == expected.as_bytes(),
                "qemu prints {:?} where ncpu prints {expected:?}",
                String::from_utf8_lossy(&printed)
            );
            Ok(())
        };
        expect(&known.machine.input, &known.machine.output)?;
        let seconds = self.time(self.cores, |_| expect(&known.core.input, &known.core.output))?;
        let short = SHORT_RUNS * self.cores;
        let nothing = format!("1 0 {}\n", known.last);
        let startup = self.time(short, |_| run(&nothing).map(|_| ()))?;
        let machines = self.time(short, |index| {
            run(&format!("{index} {} {}\n", known.machine.iterations, known.last)).map(|_| ())
        })?;
        let instructions = known.core.instructions;
        Ok(Row {
            name: known.name.clone(),
            input: known.core.input.trim_end().to_owned(),
            instructions_per_process: instructions,
            seconds,
            instructions_per_second: instructions as f64 * self.cores as f64 / seconds,
            startup_seconds: startup / SHORT_RUNS as f64,
            machines: short,
            machines_per_second: short as f64 / machines,
        })
    }

    fn packets(&self, filter: &'static str) -> Result<PacketRow> {
        let path = self.programs.join(PACKETS);
        let bytes = std::fs::read(&path).with_context(|| path.display().to_string())?;
        let expected = output(self.command(FILTERS).arg(filter), Input::File(&path))?;
        let verdicts: Vec<&[u8]> = expected.split_inclusive(|byte| *byte == b'\n').collect();
        let streamed = self.time(self.cores, |_| {
            let printed = output(self.command(FILTERS).arg(filter), Input::File(&path))?;
            ensure!(printed == expected, "filter {filter}: two runs differ");
            Ok(())
        })?;
        let mut rest = &bytes[..];
        let mut packets = Vec::new();
        while let Some((packet, others)) = split_packet(rest) {
            packets.push(packet);
            rest = others;
        }
        ensure!(packets.len() == verdicts.len(), "filter {filter}: a verdict is missing");
        let short = (SHORT_RUNS * self.cores).min(packets.len());
        let single = self.time(short, |index| {
            let printed = output(self.command(FILTERS).arg(filter), Input::Bytes(packets[index]))?;
            ensure!(printed == verdicts[index], "filter {filter}: packet {index} differs alone");
            Ok(())
        })?;
        Ok(PacketRow {
            filter,
            packets_per_second: (packets.len() * self.cores) as f64 / streamed,
            process_per_packet_per_second: short as f64 / single,
        })
    }
}

/// The first packet, with its length before it, and the bytes after it.
pub(crate) fn split_packet(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let length = u32::from_le_bytes(*bytes.first_chunk()?);
    bytes.split_at_checked(4 + length as usize)
}

fn print(report: &Report) {
    println!(
        "Peer: {}. Host: {}, {} processes at a time, median of {}.\n",
        report.peer, report.processor, report.processes, report.runs
    );
    if !report.workloads.is_empty() {
        println!("| workload | G instructions/s | start-up, ms | machines/s, a process each |");
        println!("|---|---|---|---|");
        for row in &report.workloads {
            println!(
                "| {} | {:.2} | {:.2} | {:.0} |",
                row.name,
                row.instructions_per_second / 1e9,
                row.startup_seconds * 1e3,
                row.machines_per_second
            );
        }
    }
    if !report.packets.is_empty() {
        println!("\n| filter | packets/s, streamed | packets/s, a process each |\n|---|---|---|");
        for row in &report.packets {
            println!(
                "| {} | {:.0} | {:.0} |",
                row.filter, row.packets_per_second, row.process_per_packet_per_second
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::split_packet;

    #[test]
    fn packets_are_taken_off_one_by_one() {
        let bytes = [2, 0, 0, 0, 7, 8, 0, 0, 0, 0];
        let (first, rest) = split_packet(&bytes).unwrap();
        assert_eq!(first, [2, 0, 0, 0, 7, 8]);
        assert_eq!(split_packet(rest), Some((&[0, 0, 0, 0][..], &[][..])));
        assert_eq!(split_packet(&[2, 0, 0, 0, 7]), None);
        assert_eq!(split_packet(&[2, 0, 0]), None);
    }
}
