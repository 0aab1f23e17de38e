//! Scenario files: one TOML file a group, one `[[scenario]]` table a scenario.
//!
//! ```toml
//! suite = "smoke"                 # which guests it needs: "smoke" or "full"
//!
//! [[scenario]]
//! name = "sort"
//! script = 'printf "b\na\n" | sort'
//! stdout = "a\nb\n"               # from here on: recorded
//! ```
//!
//! What to run is `argv`, or `script` for `shell` (default `sh`) to run with `-c`. `stdin`, `env`
//! and `workdir` are optional. `stdout`, `stderr` (default empty) and `exit` (default 0) are what
//! qemu-aarch64 gave. Where `ncpu` differs for a reason, `deviation` is a table with `why` and with
//! those of the three that differ.

use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use serde::Deserialize;
use similar::TextDiff;
use toml_edit::{DocumentMut, Table, value};

use super::child::Outcome;
use super::{ENVIRONMENT, WORKDIR};
use crate::guests::Suite;

/// What a scenario prints and how it ends.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Expectation {
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    pub(crate) exit: i32,
}

impl Expectation {
    /// How `outcome` differs, as unified diffs and a line on the status; empty if it does not.
    pub(crate) fn differences(&self, outcome: &Outcome) -> String {
        let mut text = String::new();
        for (name, expected, actual) in
            [("stdout", &self.stdout, &outcome.stdout), ("stderr", &self.stderr, &outcome.stderr)]
        {
            if expected.as_bytes() != actual {
                let actual = String::from_utf8_lossy(actual);
                let diff = TextDiff::from_lines(expected.as_str(), &actual);
                let mut diff = diff.unified_diff();
                let diff = diff.header(&format!("expected {name}"), &format!("actual {name}"));
                text.push_str(&diff.to_string());
            }
        }
        if self.exit != outcome.exit {
            text.push_str(&format!("expected exit {}, got {}\n", self.exit, outcome.exit));
        }
        text
    }
}

/// A known difference from qemu.
#[derive(Deserialize, Clone, Debug)]
#[serde(deny_unknown_fields)]
pub(crate) struct Deviation {
    /// The reason.
    pub(crate) why: String,
    stdout: Option<String>,
    stderr: Option<String>,
    exit: Option<i32>,
}

/// One scenario.
#[derive(Deserialize, Clone, Debug)]
#[serde(deny_unknown_fields)]
pub(crate) struct Scenario {
    pub(crate) name: String,
    argv: Option<Vec<String>>,
    script: Option<String>,
    shell: Option<String>,
    #[serde(default)]
    pub(crate) stdin: String,
    #[serde(default)]
    env: BTreeMap<String, String>,
    workdir: Option<String>,
    stdout: Option<String>,
    #[serde(default)]
    stderr: String,
    #[serde(default)]
    exit: i32,
    pub(crate) deviation: Option<Deviation>,
}

impl Scenario {
    /// The command line in the guest.
    pub(crate) fn argv(&self) -> Vec<&str> {
        match (&self.argv, &self.script) {
            (Some(argv), _) => argv.iter().map(String::as_str).collect(),
            (None, Some(script)) => vec![self.shell.as_deref().unwrap_or("sh"), "-c", script],
            (None, None) => Vec::new(),
        }
    }

    /// The script of a scenario that asks for nothing else than `sh`.
    pub(crate) fn plain_script(&self) -> Option<&str> {
        let is_plain = self.shell.is_none() && self.env.is_empty() && self.stdin.is_empty();
        self.script.as_deref().filter(|_| is_plain)
    }

    /// The whole environment in the guest, sorted by name.
    pub(crate) fn environment(&self) -> BTreeMap<&str, &str> {
        let mut environment: BTreeMap<&str, &str> = ENVIRONMENT.iter().copied().collect();
        environment.extend(self.env.iter().map(|(key, value)| (key.as_str(), value.as_str())));
        environment
    }

    pub(crate) fn workdir(&self) -> &str {
        self.workdir.as_deref().unwrap_or(WORKDIR)
    }

    /// What qemu gave, if the scenario was ever recorded.
    pub(crate) fn recorded(&self) -> Option<Expectation> {
        let stdout = self.stdout.clone()?;
        Some(Expectation { stdout, stderr: self.stderr.clone(), exit: self.exit })
    }

    /// What `ncpu` shall give: the recording, with a deviation's changes.
    pub(crate) fn expected(&self) -> Option<Expectation> {
        let mut expected = self.recorded()?;
        if let Some(deviation) = &self.deviation {
            if let Some(stdout) = &deviation.stdout {
                expected.stdout.clone_from(stdout);
            }
            if let Some(stderr) = &deviation.stderr {
                expected.stderr.clone_from(stderr);
            }
            expected.exit = deviation.exit.unwrap_or(expected.exit);
        }
        Some(expected)
    }

    fn check(&self) -> Result<()> {
        ensure!(
            self.argv.is_some() != self.script.is_some(),
            "a scenario has either `argv` or `script`"
        );
        ensure!(self.argv.as_ref().is_none_or(|argv| !argv.is_empty()), "`argv` is empty");
        ensure!(self.shell.is_none() || self.script.is_some(), "`shell` is for a `script`");
        let one_word = self.name.chars().all(|c| c.is_ascii_alphanumeric() || "-+._".contains(c));
        ensure!(!self.name.is_empty() && one_word, "`name` is one word of letters and digits");
        Ok(())
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Contents {
    suite: Suite,
    #[serde(default)]
    scenario: Vec<Scenario>,
}

/// The scenarios of one file.
pub(crate) struct Group {
    /// The file's name without `.toml`.
    pub(crate) name: String,
    pub(crate) suite: Suite,
    pub(crate) scenarios: Vec<Scenario>,
    path: PathBuf,
    document: DocumentMut,
}

impl Group {
    /// The scenario's name in listings and filters.
    pub(crate) fn path(&self, scenario: &Scenario) -> String {
        format!("{}/{}", self.name, scenario.name)
    }

    /// Stores what scenario `index` did under qemu.
    ///
    /// Fails if its output is not UTF-8: a scenario's script can print such bytes through `od`.
    pub(crate) fn set_recorded(&mut self, index: usize, outcome: &Outcome) -> Result<()> {
        let stdout = text(&outcome.stdout, "stdout")?;
        let stderr = text(&outcome.stderr, "stderr")?;
        let tables = self.document["scenario"].as_array_of_tables_mut();
        let table = tables.and_then(|tables| tables.get_mut(index)).context("no such scenario")?;
        set(table, "stdout", Some(stdout.into()));
        set(table, "stderr", (!stderr.is_empty()).then(|| stderr.into()));
        set(table, "exit", (outcome.exit != 0).then(|| i64::from(outcome.exit).into()));
        let scenario = &mut self.scenarios[index];
        scenario.stdout = Some(stdout.into());
        scenario.stderr = stderr.into();
        scenario.exit = outcome.exit;
        Ok(())
    }

    /// Writes the file back; comments and order stay.
    pub(crate) fn save(&self) -> Result<()> {
        fs::write(&self.path, self.document.to_string())
            .with_context(|| format!("cannot write {}", self.path.display()))
    }
}

fn text<'a>(bytes: &'a [u8], stream: &str) -> Result<&'a str> {
    std::str::from_utf8(bytes)
        .with_context(|| format!("{stream} is not UTF-8; print it through `od` or a checksum"))
}

fn set(table: &mut Table, key: &str, new: Option<toml_edit::Value>) {
    match new {
        Some(new) => table[key] = value(new),
        None => _ = table.remove(key),
    }
}

/// Reads every scenario file of a folder, or of tests/scenarios, sorted by name.
pub(crate) fn load_all(folder: Option<&Path>) -> Result<Vec<Group>> {
    let folder = folder.map_or_else(|| crate::root().join("tests/scenarios"), Path::to_path_buf);
    let mut paths = Vec::new();
    for entry in
        fs::read_dir(&folder).with_context(|| format!("cannot read {}", folder.display()))?
    {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "toml") {
            paths.push(path);
        }
    }
    paths.sort();
    paths.into_iter().map(load).collect()
}

fn load(path: PathBuf) -> Result<Group> {
    let text =
        fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    parse(path.clone(), &text).with_context(|| format!("in {}", path.display()))
}

fn parse(path: PathBuf, text: &str) -> Result<Group> {
    let document: DocumentMut = text.parse()?;
    let contents: Contents = toml_edit::de::from_str(text)?;
    let mut names = HashSet::new();
    for scenario in &contents.scenario {
        scenario.check().with_context(|| format!("scenario {:?}", scenario.name))?;
        ensure!(names.insert(&scenario.name), "two scenarios are named {:?}", scenario.name);
    }
    let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    Ok(Group { name, suite: contents.suite, scenarios: contents.scenario, path, document })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    const TEXT: &str = "suite = \"smoke\"\n\n# A comment.\n[[scenario]]\nname = \"a\"\n\
                        script = 'echo x'\n";

    fn group(text: &str) -> Result<Group> {
        parse(PathBuf::from("g.toml"), text)
    }

    #[test]
    fn a_script_runs_in_sh_and_is_unrecorded_at_first() {
        let group = group(TEXT).unwrap();
        assert_eq!(group.scenarios[0].argv(), ["sh", "-c", "echo x"]);
        assert_eq!(group.path(&group.scenarios[0]), "g/a");
        assert_eq!(group.scenarios[0].recorded(), None);
    }

    #[test]
    fn a_recording_is_written_back_and_read_again() {
        let mut first = group(TEXT).unwrap();
        let outcome = Outcome {
            stdout: b"x\n'''\\\t\n".to_vec(),
            stderr: Vec::new(),
            exit: 2,
            timed_out: false,
            took: Duration::ZERO,
        };
        first.set_recorded(0, &outcome).unwrap();
        let written = first.document.to_string();
        assert!(written.contains("# A comment."));
        let second = group(&written).unwrap().scenarios[0].recorded().unwrap();
        let stdout = "x\n'''\\\t\n".to_string();
        assert_eq!(second, Expectation { stdout, stderr: String::new(), exit: 2 });
    }

    #[test]
    fn a_difference_is_shown_by_lines() {
        let expected = Expectation { stdout: "a\nb\n".into(), stderr: String::new(), exit: 0 };
        let mut outcome = Outcome {
            stdout: b"a\nb\n".to_vec(),
            stderr: Vec::new(),
            exit: 0,
            timed_out: false,
            took: Duration::ZERO,
        };
        assert_eq!(expected.differences(&outcome), "");
        outcome.stdout = b"a\nc\n".to_vec();
        outcome.exit = 1;
        let text = expected.differences(&outcome);
        assert!(text.contains("-b\n+c\n") && text.contains("expected exit 0, got 1"), "{text}");
    }

    #[test]
    fn a_deviation_changes_only_what_it_names() {
        let text = format!("{TEXT}stdout = 'x'\nexit = 1\ndeviation = {{ why = 'w', exit = 0 }}\n");
        let scenario = &group(&text).unwrap().scenarios[0];
        assert_eq!(scenario.recorded().unwrap().exit, 1);
        assert_eq!(scenario.expected().unwrap().exit, 0);
        assert_eq!(scenario.expected().unwrap().stdout, "x");
    }

    #[test]
    fn a_file_with_mistakes_is_refused() {
        for bad in [
            "suite = 'smoke'\n[[scenario]]\nname = 'a'\n",
            "suite = 'smoke'\n[[scenario]]\nname = 'a b'\nscript = ''\n",
            "suite = 'other'\n",
            "suite = 'smoke'\n[[scenario]]\nname = 'a'\nargv = []\n",
            "suite = 'smoke'\n[[scenario]]\nname = 'a'\nscript = ''\nfoo = 1\n",
        ] {
            assert!(group(bad).is_err(), "{bad}");
        }
        assert!(group(&format!("{TEXT}{}", &TEXT[17..])).is_err());
    }

    #[test]
    fn every_scenario_file_is_well_formed() {
        assert!(!load_all(None).unwrap().is_empty());
    }
}
