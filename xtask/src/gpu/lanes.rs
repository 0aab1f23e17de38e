//! Real programs on thousands of lanes, each with an input of its own, beside the CPU engine.

use super::batch::{Batch, difference};
use super::{Check, Section};
use crate::scenarios::file;
use anyhow::{Result, ensure};
use serde_json::json;
use std::ffi::OsStr;
use std::process::Command;

/// A program, and what machine `n` is given.
struct Program {
    name: &'static str,
    command: &'static [&'static str],
    /// `{n}` stands for the number.
    stdin: &'static str,
    /// Whether all machines start from a snapshot of one that waits for its input.
    started: bool,
}

const LANES: usize = 4096;
/// Instructions that no program comes near. Long scripts are cut earlier, at the same instruction
/// everywhere.
const FUEL: &str = "1g";
/// Tables of the size that a batch gives its machines.
const TABLES: &str =
    "tasks=32,mappings=1024,files=256,inodes=1024,dentries=1024,objects=32,console=4096";

const PROGRAMS: &[Program] = &[
    Program {
        name: "busybox pipeline",
        command: &["busybox", "sh", "-c", "read n; seq 1 $((n % 256)) | sort -rn | sha256sum; echo $n"],
        stdin: "{n}\n",
        started: false,
    },
    Program {
        name: "bash",
        command: &[
            "bash",
            "-c",
            "read n; a=(); for ((i = 0; i < n % 40 + 5; i++)); do a+=($((i * n))); done
             declare -A h=([x]=$n); s=$(printf '%s,' \"${a[@]}\"); echo ${#s} ${s: -9} ${h[x]}
             [[ $n =~ ^([0-9])(.*)$ ]] && echo ${BASH_REMATCH[2]:-none}; cat <<< \"$n\" | tr 0-9 a-j",
        ],
        stdin: "{n}\n",
        started: false,
    },
    Program {
        name: "lua",
        command: &[
            "lua5.4",
            "-e",
            "local n = io.read('n'); local t = {}
             for i = 1, 200 + n % 100 do t[i] = (i * n) % 1009 end
             table.sort(t); print(t[1], t[#t], string.format('%.17g', math.sin(n)), n / 7)",
        ],
        stdin: "{n}\n",
        started: false,
    },
    Program {
        name: "sqlite3",
        command: &["sqlite3", ":memory:"],
        stdin: "create table t(a, b); with recursive c(n) as (select 1 union all select n+1 from c \
                where n < 60) insert into t select n * {n} % 101, 'row ' || n from c; create index i \
                on t(a); select count(*), sum(a), max(b), avg(a * 1.5) from t where a > 20;\n",
        started: false,
    },
    Program {
        name: "job control",
        command: &[
            "bash",
            "-c",
            "set -m; read n; (sleep 0.$((n % 7)); echo slept) & seq $n | sort -rn | head -2 &
             wait %2; (kill -STOP $BASHPID; echo continued) & sleep 0.01; jobs | wc -l
             kill -CONT %3; wait; (exit $((n % 5))) & wait $!; echo $?",
        ],
        stdin: "{n}\n",
        started: false,
    },
    Program {
        name: "python3",
        command: &[
            "python3",
            "-I",
            "-S",
            "-c",
            "n = int(input()); d = {i: i * n % 97 for i in range(50)}
print(sorted(d.values())[:5], 2 ** n % 1000003, n / 7, f'{n ** 0.5:.12f}', hash(str(n)) is not None)",
        ],
        stdin: "{n}\n",
        started: true,
    },
];

pub(super) fn run(check: &Check, section: &mut Section) -> Result<()> {
    let lanes = check.pick(LANES, 24);
    section.line(format!("## Real programs on {lanes} lanes\n"));
    section.line(
        "`ncpu batch` on the GPU and on the CPU engine of the same host: each row, with its instruction \
         count and state hash, has to be the same.\n\n\
         | program | machines | instructions | wall, s | executing / serving / lifting, s; rounds | \
         MIPS | CPU engine, s | rows that differ |\n\
         |---|---|---|---|---|---|---|---|",
    );
    scripts(check, section, lanes)?;
    for program in PROGRAMS {
        let inputs: Vec<String> =
            (0..lanes).map(|lane| program.stdin.replace("{n}", &(lane + 10).to_string())).collect();
        let result = snapshot(check, program)
            .and_then(|start| compare(check, section, program.name, &start, &inputs, FUEL));
        if let Err(error) = result {
            section.fail(format!("{}: {error:#}", program.name));
        }
    }
    Ok(())
}

/// How the machines of a batch start.
struct Start {
    /// Options for it.
    options: Vec<String>,
    program: Vec<String>,
}

/// The program's command line, or the snapshot of a machine that has executed it until it waits for input.
fn snapshot(check: &Check, program: &Program) -> Result<Start> {
    let command: Vec<String> = program.command.iter().map(|&word| word.to_owned()).collect();
    if !program.started {
        return Ok(Start { options: Vec::new(), program: command });
    }
    let file = check.scratch.path().join("started");
    let mut run = Command::new(&check.ncpu);
    run.args(["run", "--mem", "16M", "--limit", TABLES, "--rootfs"]).arg(&check.rootfs);
    run.args(["--snapshot-at", "input", "--stop", "--snapshot"]).arg(&file).args(&command);
    let outcome = check.command(&mut run, 120)?;
    ensure!(outcome.exit == 0, "{}", String::from_utf8_lossy(&outcome.stderr).trim_end());
    let options = vec!["--snapshot".to_owned(), file.display().to_string()];
    Ok(Start { options, program: Vec::new() })
}

/// The scripts of the scenarios, several machines with each, as the standard input of shells.
fn scripts(check: &Check, section: &mut Section, lanes: usize) -> Result<()> {
    let groups = file::load_all(Some(&check.scenario_files))?;
    let scenarios = groups.iter().filter(|group| group.suite == crate::guests::Suite::Smoke);
    let scripts: Vec<&str> =
        scenarios.flat_map(|group| &group.scenarios).filter_map(|one| one.plain_script()).collect();
    let inputs: Vec<String> = (0..lanes)
        .map(|lane| format!("cd; lane={lane}\n{}\n", scripts[lane % scripts.len()].trim()))
        .collect();
    let name = format!("scripts of {} scenarios", scripts.len().min(lanes));
    let start = Start { options: Vec::new(), program: vec!["sh".to_owned()] };
    compare(check, section, &name, &start, &inputs, "6m")
}

fn compare(
    check: &Check,
    section: &mut Section,
    name: &str,
    start: &Start,
    inputs: &[String],
    fuel: &str,
) -> Result<()> {
    let rootfs = check.rootfs.display().to_string();
    let cases = check.write_cases(inputs.iter().map(|stdin| json!({ "stdin": stdin })))?;
    let cases = cases.display().to_string();
    let run = |engine, lanes| {
        let options = ["--jsonl", &cases, "--rootfs", &rootfs, "--fuel", fuel].map(str::to_owned);
        check.batch(&Batch {
            engine,
            lanes,
            options: [&options, &start.options[..]].concat(),
            program: start.program.iter().map(OsStr::new).collect(),
            seconds: 120,
        })
    };
    let ours = run(check.engine.as_str(), inputs.len() as u32)?;
    let cpu = run("cpu", 0)?;
    let difference = difference(&ours.rows, &cpu.rows);
    section.line(format!(
        "| {name} | {} | {} | {:.2} | {} | {:.0} | {:.2} | {} |",
        ours.report.machines,
        ours.report.instructions,
        ours.report.wall_seconds,
        ours.report.spent(),
        ours.report.instructions_per_second / 1e6,
        cpu.report.wall_seconds,
        difference.as_ref().map_or(0, |(count, _)| *count),
    ));
    if let Some((count, first)) = difference {
        section.fail(format!("{name}: {count} rows differ from the CPU engine's: {first}"));
    }
    let failed = cpu.rows.iter().filter(|row| row.error.is_some()).count();
    if failed > 0 {
        section.fail(format!("{name}: {failed} machines failed on the CPU engine"));
    }
    Ok(())
}
