//! Arithmetic by networks: how fast, and that machines come to the same state with it.

use super::batch::{Batch, difference};
use super::{Check, Section};
use crate::scenarios::child::{self, Input};
use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

/// Additions a second of many threads, and instructions a second of one machine.
const ADDITIONS: f64 = 300e6;
const INSTRUCTIONS: f64 = 500e3;
/// Microseconds that an operation took the research project before this one, on a GPU, by its own
/// figures.
const EARLIER: &[(&str, f64)] = &[
    ("add", 248.0),
    ("sub", 248.0),
    ("mul", 21.0),
    ("and", 21.0),
    ("or", 21.0),
    ("xor", 21.0),
    ("shl", 437.0),
    ("lshr", 431.0),
];

/// A program, in the root file system if it says so, and its input.
struct Program {
    name: &'static str,
    in_root: bool,
    command: &'static [&'static str],
    input: &'static str,
}

const PROGRAMS: &[Program] = &[
    Program { name: "integer", in_root: false, command: &["integer"], input: "1 4 alike\n" },
    Program { name: "sort", in_root: false, command: &["sort"], input: "1 1 alike\n" },
    Program { name: "strings", in_root: false, command: &["strings"], input: "1 2 alike\n" },
    Program { name: "matrix", in_root: false, command: &["matrix"], input: "1 1 alike\n" },
    Program {
        name: "busybox",
        in_root: true,
        command: &[
            "busybox",
            "sh",
            "-c",
            "echo $((6*7)); seq 1 50 | sort -rn | head -3 | sha256sum",
        ],
        input: "",
    },
];

pub(super) fn run(check: &Check, section: &mut Section) -> Result<()> {
    section.line("## Arithmetic by networks\n");
    operations(check, section)?;
    section.line(
        "\n| program, one machine | instructions | seconds executing | instructions/s | target |\n\
         |---|---|---|---|---|",
    );
    for program in PROGRAMS {
        let native = machine(check, program, "cpu", "native")?;
        let neural = machine(check, program, &check.engine, "neural")?;
        let same = ["instructions", "state_hash"].map(|key| native[key] == neural[key]);
        if same != [true, true] {
            section.fail(format!("{}: not the state of native arithmetic", program.name));
        }
        let others = &neural["neural"]["by_native_arithmetic"];
        ensure!(others == 0, "{}: {others} results by native arithmetic", program.name);
        let count = neural["instructions"].as_f64().context("no count of instructions")?;
        let seconds = neural["gpu"]["executing_seconds"].as_f64().context("no time")?;
        let missed = if count / seconds < INSTRUCTIONS { ", missed" } else { "" };
        section.line(format!(
            "| {} | {count} | {seconds:.2} | {:.0} | {INSTRUCTIONS:.0}{missed} |",
            program.name,
            count / seconds
        ));
    }
    batch(check, section)
}

/// Many machines, each with an input of its own.
fn batch(check: &Check, section: &mut Section) -> Result<()> {
    let lanes = check.pick(4096, 4);
    let cases =
        check.write_cases((1..=lanes).map(|n| json!({ "stdin": format!("{n} 1 diverse\n") })))?;
    let program = check.programs.join("sort");
    let run = |engine, lanes, alu: &[String]| {
        let cases = ["--jsonl".to_owned(), cases.display().to_string()];
        let options = [&cases, alu].concat();
        check.batch(&Batch {
            engine,
            lanes,
            options,
            program: vec![program.as_os_str()],
            seconds: 120,
        })
    };
    let weights = check.weights.display().to_string();
    let networks = ["--alu".to_owned(), "neural".to_owned(), "--weights".to_owned(), weights];
    let neural = run(&check.engine, lanes, &networks)?;
    let native = run("cpu", 0, &[])?;
    if let Some((count, first)) = difference(&neural.rows, &native.rows) {
        section.fail(format!("batch: {count} rows are not those of native arithmetic: {first}"));
    }
    section.line(format!(
        "\n`sort` on {lanes} machines with inputs of their own, rows beside native arithmetic's: {} \
         instructions, {:.1} million a second end to end, {:.1} while executing.",
        neural.report.instructions,
        neural.report.instructions_per_second / 1e6,
        neural.report.executing_mips(),
    ));
    Ok(())
}

/// Runs a program with its input and gives the report.
fn machine(check: &Check, program: &Program, engine: &str, alu: &str) -> Result<Value> {
    let report = check.scratch.path().join("neural.json");
    let mut command = Command::new(&check.ncpu);
    command.args(["run", "--engine", engine, "--alu", alu, "--weights"]).arg(&check.weights);
    command.args(["--report", "json", "--report-file"]).arg(&report);
    let (first, rest) = program.command.split_first().context("no program")?;
    if program.in_root {
        command.arg("--rootfs").arg(&check.rootfs).arg(first);
    } else {
        command.arg(check.programs.join(Path::new(first)));
    }
    command.args(rest);
    let input = Input::Bytes(program.input.as_bytes());
    let outcome = child::run(&mut command, input, Duration::from_secs(120))?;
    let said = String::from_utf8_lossy(&outcome.stderr);
    ensure!(outcome.exit == 0, "{}: {}", program.name, said.trim_end());
    Ok(serde_json::from_slice(&std::fs::read(&report)?)?)
}

/// What the example `neural` measures.
fn operations(check: &Check, section: &mut Section) -> Result<()> {
    let mut command = Command::new(&check.neural);
    command.arg(&check.weights);
    if check.engine != "gpu" {
        command.arg("--emulated");
    }
    let outcome = check.command(&mut command, 120)?;
    let said = String::from_utf8_lossy(&outcome.stderr);
    ensure!(outcome.exit == 0, "neural: {}", said.trim_end());
    let report: Value = serde_json::from_slice(&outcome.stdout).context("what neural says")?;
    section.line(format!(
        "Chains of results that depend on each other, each compared with native arithmetic: of one \
         thread, of a warp whose threads evaluate together, and of {} threads.\n\n\
         | operation | one thread, µs | one warp, µs | all, million a second | before, µs |\n\
         |---|---|---|---|---|",
        report["chains"],
    ));
    for row in report["operations"].as_array().context("no operations")? {
        let name = row["operation"].as_str().unwrap_or_default();
        let number = |key: &str| row[key].as_f64().with_context(|| format!("no {key}"));
        let all = number("results_per_second")?;
        let earlier = EARLIER.iter().find(|(earlier, _)| *earlier == name);
        section.line(format!(
            "| {name} | {:.2} | {:.2} | {:.1}{} | {} |",
            number("thread_microseconds")?,
            number("warp_microseconds")?,
            all / 1e6,
            if name == "add" && all < ADDITIONS { ", of 300 wanted" } else { "" },
            earlier.map_or_else(String::new, |(_, microseconds)| format!("{microseconds:.0}")),
        ));
    }
    Ok(())
}
