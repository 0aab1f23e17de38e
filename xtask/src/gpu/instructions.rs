//! The cases of every decode row on lanes, beside the CPU engine and qemu.

use super::{Check, Section};
use anyhow::Result;
use std::process::Command;

pub(super) fn run(check: &Check, section: &mut Section) -> Result<()> {
    section.line("## Instructions\n");
    let engine = if check.engine == "gpu" { "gpu" } else { "lanes" };
    let threads = std::thread::available_parallelism()?.to_string();
    let mut command = Command::new(&check.differential);
    command.args(["--engine", engine, "--jobs", &threads]);
    command.args(["--cases", check.pick("2000", "20"), "--random", check.pick("200000", "500")]);
    command.args(["--lanes", check.pick("2048", "64")]);
    if check.qemu.exists() {
        command.arg("--qemu").arg(&check.qemu);
    } else {
        command.arg("--no-qemu");
    }
    let outcome = check.command(&mut command, 120)?;
    let (stdout, stderr) =
        (String::from_utf8_lossy(&outcome.stdout), String::from_utf8_lossy(&outcome.stderr));
    section.line(
        "Each lane runs the program that executes cases under qemu, with cases of one row. Output, \
         instruction count and state hash have to be those of the CPU engine; what the program saw of \
         each case, registers, flags, NaN bits, FPSR, memory and signals, is compared with qemu too.\n",
    );
    // From the line that says how it was called on.
    match stdout.find("Command: ") {
        Some(at) if outcome.exit == 0 => section.line(&stdout[at..]),
        _ => section.fail(format!("{}\n{}", stdout.trim_end(), stderr.trim_end())),
    }
    Ok(())
}
