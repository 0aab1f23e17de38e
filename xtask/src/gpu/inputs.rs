//! What is said to bad input.

use super::{Check, Section};
use anyhow::Result;
use std::process::Command;

/// A call that has to fail, and what it has to say.
struct Case {
    what: &'static str,
    arguments: Vec<String>,
    /// Environment variable to set.
    variable: Option<(&'static str, &'static str)>,
    status: i32,
    says: &'static str,
}

pub(super) fn run(check: &Check, section: &mut Section) -> Result<()> {
    section.line("## Bad input\n");
    section.line("| input | status | message |\n|---|---|---|");
    for case in cases(check)? {
        let mut command = Command::new(&check.ncpu);
        command.args(&case.arguments);
        if let Some((name, value)) = case.variable {
            command.env(name, value);
        }
        let outcome = check.command(&mut command, 60)?;
        let said = String::from_utf8_lossy(&outcome.stderr);
        let line = said.lines().find(|line| line.contains(case.says));
        let shown = line.or(said.lines().next()).unwrap_or("nothing").replace('|', "\\|");
        section.line(format!("| {} | {} | `{shown}` |", case.what, outcome.exit));
        if outcome.exit != case.status || line.is_none() {
            section.fail(format!(
                "{}: expected status {} and {:?}, got {}: {}",
                case.what,
                case.status,
                case.says,
                outcome.exit,
                said.trim_end()
            ));
        }
    }
    Ok(())
}

fn cases(check: &Check) -> Result<Vec<Case>> {
    let program = check.programs.join("integer").display().to_string();
    let folder = check.scratch.path().join("inputs");
    std::fs::create_dir_all(&folder)?;
    std::fs::write(folder.join("good"), "1 1 alike\n")?;
    let dangling = folder.join("missing");
    if dangling.symlink_metadata().is_err() {
        std::os::unix::fs::symlink("nowhere", dangling)?;
    }
    let folder = folder.display().to_string();
    let batch = |words: &[&str]| -> Vec<String> {
        let head = ["batch", "--engine", &check.engine];
        head.iter().chain(words).chain(&["--", &program]).map(|word| (*word).to_owned()).collect()
    };
    let case =
        |what, arguments, status, says| Case { what, arguments, variable: None, status, says };
    let mut cases = vec![
        case("no lanes", batch(&["--lanes", "0", "--stdin-range", "0..1"]), 125, "give 1 or more"),
        case(
            "a file that cannot be read",
            batch(&["--input-dir", &folder, "--out", "/dev/null"]),
            125,
            "cannot read",
        ),
        case(
            "a full disk",
            batch(&["--stdin-range", "0..4", "--out", "/dev/full"]),
            125,
            "No space left",
        ),
        case(
            "Parquet, which the default build leaves out",
            batch(&["--stdin-range", "0..4", "--out", "rows.parquet"]),
            125,
            "--features parquet",
        ),
        case(
            "a program that is not there",
            ["batch", "--engine", &check.engine, "--stdin-range", "0..1", "/nowhere"]
                .map(str::to_owned)
                .to_vec(),
            127,
            "/nowhere",
        ),
    ];
    if check.engine != "cpu" {
        cases.push(case(
            "more lanes than fit",
            batch(&["--lanes", "50000000", "--mem", "1G", "--stdin-range", "0..50000000"]),
            125,
            "at most",
        ));
    }
    if check.engine == "gpu" {
        cases.push(Case {
            variable: Some(("CUDA_VISIBLE_DEVICES", "")),
            ..case("no card", batch(&["--stdin-range", "0..1"]), 125, "the NVIDIA driver finds 0")
        });
        cases.push(Case {
            variable: Some(("CUDA_VISIBLE_DEVICES", "")),
            ..case(
                "no card, one machine",
                ["run", "--engine", "gpu", &program].map(str::to_owned).to_vec(),
                125,
                "the NVIDIA driver finds 0",
            )
        });
    }
    Ok(cases)
}
