//! `cargo xtask batch-check`: whether the programs do what they should.
//!
//! Each workload prints the same under `ncpu`, under qemu and compiled for the host. Machines of an
//! alike workload take the same number of instructions whatever their seed, and machines of a diverse
//! one do not. The packet filter's verdicts are libpcap's: `benches/batch/libpcap.c` has libpcap
//! compile each expression and filter the same packets, and runs random programs through both.

use super::{FILTERS, Input, PACKETS, WORKLOADS, counted, output, programs};
use anyhow::{Context, Result, ensure};
use clap::Args as ClapArgs;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Options of `cargo xtask batch-check`.
#[derive(ClapArgs)]
pub(crate) struct Args {
    /// The `ncpu` to check [default: target/release/ncpu]
    #[arg(long)]
    ncpu: Option<PathBuf>,
    /// The qemu to compare with
    #[arg(long, default_value = "/usr/bin/qemu-aarch64-static")]
    qemu: PathBuf,
    /// Packets for each filter
    #[arg(long, default_value_t = 20_000)]
    packets: u64,
    /// Write the tables to this file as well
    #[arg(long)]
    out: Option<PathBuf>,
}

/// The three ways to run a program.
struct Ways<'a> {
    ncpu: &'a Path,
    qemu: &'a Path,
    folder: &'a Path,
}

impl Ways<'_> {
    /// Runs a program every way and returns what all of them printed.
    fn agree(&self, program: &str, arguments: &[&str], input: Input<'_>) -> Result<Vec<u8>> {
        let guest = self.folder.join(program);
        let native = self.folder.join("native").join(program);
        let ours = output(Command::new(self.ncpu).arg("run").arg(&guest).args(arguments), input)?;
        let qemu = output(Command::new(self.qemu).arg(&guest).args(arguments), input)?;
        let host = output(Command::new(native).args(arguments), input)?;
        ensure!(ours == qemu, "{program} {arguments:?}: ncpu and qemu differ");
        ensure!(ours == host, "{program} {arguments:?}: ncpu and the host differ");
        Ok(ours)
    }
}

/// Runs every comparison and prints what was compared.
pub(crate) fn run(root: &Path, args: &Args) -> Result<()> {
    let ncpu = programs::ncpu(root, args.ncpu.as_deref())?;
    let qemu = &args.qemu;
    ensure!(
        qemu.exists(),
        "{} is missing: apt-get install qemu-user-static, or give --qemu",
        qemu.display()
    );
    let folder = programs::compile(root)?;
    let libpcap = programs::compile_libpcap(root, &folder)?;
    let ways = Ways { ncpu: &ncpu, qemu, folder: &folder };
    let mut text = workloads(&ways)?;
    text.push('\n');
    text += &filters(&ways, &libpcap, args.packets)?;
    print!("{text}");
    if let Some(out) = &args.out {
        let title = "# Programs for many machines\n\nCommand: `cargo xtask batch-check`.\n\n";
        std::fs::write(out, format!("{title}{text}")).with_context(|| out.display().to_string())?;
    }
    Ok(())
}

fn workloads(ways: &Ways<'_>) -> Result<String> {
    let mut text = format!(
        "Each program prints the same under ncpu, under qemu and compiled for the host, for three \
         seeds. Compiled with {}.\n\n| workload | input, with seed 1 | instructions with seeds 1, 2, 3 |\n|---|---|---|\n",
        programs::compiler_version()?
    );
    for workload in WORKLOADS {
        let mut counts = Vec::new();
        for seed in 1..=3 {
            let input = workload.input(seed, workload.iterations);
            let expected = ways.agree(workload.program, &[], Input::Bytes(input.as_bytes()))?;
            let program = ways.folder.join(workload.program);
            let (output, count) = counted(ways.ncpu, &program, &input)?;
            ensure!(output.as_bytes() == expected, "{}: two runs differ", workload.name);
            counts.push(count);
        }
        let alike = counts.iter().all(|count| *count == counts[0]);
        ensure!(
            alike == (workload.last == "alike"),
            "{}: instructions are {counts:?}",
            workload.name
        );
        let input = workload.input(1, workload.iterations);
        let counts: Vec<String> = counts.iter().map(u64::to_string).collect();
        writeln!(
            text,
            "| {} | `{}` | {} |",
            workload.name,
            input.trim_end(),
            if alike { counts[0].clone() } else { counts.join(", ") }
        )?;
    }
    Ok(text)
}

fn filters(ways: &Ways<'_>, libpcap: &Path, packets: u64) -> Result<String> {
    let seed = 7;
    let (expected, remarks) = super::outputs(
        Command::new(libpcap).args([seed.to_string(), packets.to_string()]),
        Input::Bytes(b""),
    )?;
    let expected = String::from_utf8(expected)?;
    let expected: Vec<&str> = expected.lines().collect();
    ensure!(!expected.is_empty(), "libpcap ran no filter");

    // The same packets, all but the wire's lengths, as input instead of made by the guest.
    let parameters = format!("{seed} {packets}\n");
    let bytes = ways.agree("packets", &[], Input::Bytes(parameters.as_bytes()))?;
    let given = ways.folder.join(format!("check-{PACKETS}"));
    std::fs::write(&given, &bytes)?;

    let mut text = format!(
        "The packet filter's verdicts on {packets} generated packets are libpcap's for each filter; \
         {}.\n\n| filter | accepted |\n|---|---|\n",
        String::from_utf8_lossy(&remarks).trim_end()
    );
    for (number, line) in expected.iter().enumerate() {
        let (expected, filter) = line.split_once('\t').context("libpcap names no filter")?;
        let input = format!("{seed} {packets} {number}\n");
        let ours = ways.agree(FILTERS, &[], Input::Bytes(input.as_bytes()))?;
        let ours = String::from_utf8(ours)?;
        ensure!(
            ours.trim_end() == expected,
            "{filter}: {}, but libpcap says {expected}",
            ours.trim_end()
        );
        let number = number.to_string();
        let verdicts = ways.agree(FILTERS, &[&number], Input::File(&given))?;
        let verdicts = String::from_utf8(verdicts)?;
        ensure!(verdicts.lines().count() as u64 == packets, "{filter}: a verdict is missing");
        let accepted = expected.split(' ').next().unwrap_or_default();
        // Only the last filter asks for the length on the wire.
        if !filter.contains("len") {
            let kept = verdicts.lines().filter(|verdict| *verdict != "0").count();
            ensure!(kept.to_string() == accepted, "{filter}: {kept} of the given packets accepted");
        }
        one_by_one(ways, &number, &bytes, &verdicts)?;
        writeln!(text, "| `{filter}` | {accepted} |")?;
    }
    std::fs::remove_file(given)?;
    Ok(text)
}

/// A machine that is given one packet comes to the verdict that it has among the others.
fn one_by_one(ways: &Ways<'_>, filter: &str, mut bytes: &[u8], verdicts: &str) -> Result<()> {
    for expected in verdicts.lines().take(20) {
        let (packet, rest) = super::peer::split_packet(bytes).context("too few packets")?;
        let mut command = Command::new(ways.ncpu);
        let verdict = output(
            command.arg("run").arg(ways.folder.join(FILTERS)).arg(filter),
            Input::Bytes(packet),
        )?;
        ensure!(verdict == format!("{expected}\n").as_bytes(), "filter {filter}: verdicts differ");
        bytes = rest;
    }
    Ok(())
}
