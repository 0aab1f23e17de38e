//! Inputs of a batch.

use super::results::Earlier;
use crate::cli::BatchArguments;
use anyhow::{Context, anyhow, bail, ensure};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use ncpu_engine::batch::{Case, Finished, GuestFile};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Read};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Numbers and files that are taken from a source at a time.
const NUMBERS: usize = 1024;
const FILES: usize = 32;
/// Bytes of lines that are read at a time.
const LINES: usize = 1 << 20;

/// Where cases come from, in order.
pub(super) enum Source {
    /// Files, each a standard input.
    Folder { files: std::vec::IntoIter<PathBuf>, index: u64 },
    /// Lines of JSON.
    Lines(Lines),
    /// Numbers.
    Range { numbers: std::ops::Range<u64>, start: u64 },
}

/// Lines of JSON on their way.
pub(super) struct Lines {
    from: BufReader<Box<dyn Read + Send>>,
    name: Arc<str>,
    line: u64,
    index: u64,
    is_over: bool,
    /// What comes after the lines that could be read.
    failed: Option<io::Error>,
}

/// A case that has to be read yet.
pub(super) struct Pending {
    index: u64,
    what: What,
}

enum What {
    Number(u64),
    /// Standard input is this file.
    File(PathBuf),
    /// A line of JSON, with its file and number.
    Line(Vec<u8>, Arc<str>, u64),
    /// There are no more: the index is how many there were.
    End,
}

impl Pending {
    /// The case, or its end if it cannot be read; nothing if it has a result.
    ///
    /// # Errors
    /// When the line makes no sense, or a result is that of another case.
    pub(super) fn load(
        self,
        earlier: &Earlier,
    ) -> anyhow::Result<Option<Result<Case, Box<Finished>>>> {
        let index = self.index;
        let case = match self.what {
            What::Number(number) => Case {
                index,
                label: number.to_string(),
                input: format!("{number}\n").into_bytes(),
                ..Case::default()
            },
            What::File(path) => {
                let label = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
                if earlier.has(index, &label)? {
                    return Ok(None);
                }
                match fs::read(&path) {
                    Ok(input) => Case { index, label, input, ..Case::default() },
                    Err(error) => {
                        let why = format!("cannot read {}: {error}", path.display());
                        return Ok(Some(Err(Box::new(Finished::failed(index, label, why)))));
                    }
                }
            }
            What::Line(bytes, name, line) => {
                case_of(&bytes, index).map_err(|error| anyhow!("{name}:{line}: {error:#}"))?
            }
            What::End => return earlier.check_count(index).map(|()| None),
        };
        Ok((!earlier.has(index, &case.label)?).then_some(Ok(case)))
    }
}

impl Source {
    /// The source that the command line names.
    pub(super) fn open(arguments: &BatchArguments) -> anyhow::Result<Source> {
        if let Some(folder) = &arguments.input_dir {
            let files = files_of(folder)
                .with_context(|| format!("--input-dir: cannot list {}", folder.display()))?;
            ensure!(!files.is_empty(), "--input-dir: no file is in {}", folder.display());
            return Ok(Source::Folder { files: files.into_iter(), index: 0 });
        }
        if let Some(path) = &arguments.jsonl {
            let from: Box<dyn Read + Send> = if path == Path::new("-") {
                Box::new(io::stdin())
            } else {
                let file = File::open(path)
                    .with_context(|| format!("--jsonl: cannot open {}", path.display()))?;
                Box::new(file)
            };
            let from = BufReader::with_capacity(LINES, from);
            let name = path.display().to_string().into();
            return Ok(Source::Lines(Lines {
                from,
                name,
                line: 0,
                index: 0,
                is_over: false,
                failed: None,
            }));
        }
        let numbers = arguments.stdin_range.clone().context("no inputs are given")?;
        Ok(Source::Range { start: numbers.start, numbers })
    }

    /// How many cases there are, if that can be told beforehand.
    pub(super) fn count(&self) -> Option<u64> {
        match self {
            Source::Folder { files, .. } => Some(files.len() as u64),
            Source::Lines(_) => None,
            Source::Range { numbers, .. } => Some(numbers.end - numbers.start),
        }
    }

    /// Files that are inputs one by one.
    pub(super) fn files(&self) -> &[PathBuf] {
        match self {
            Source::Folder { files, .. } => files.as_slice(),
            Source::Lines(_) | Source::Range { .. } => &[],
        }
    }

    /// The next cases; `None` after the last ones. Waits for one, and for no more.
    ///
    /// # Errors
    /// When there is no telling what would come next.
    pub(super) fn chunk(&mut self) -> anyhow::Result<Option<Vec<Pending>>> {
        let chunk: Vec<Pending> = match self {
            Source::Folder { files, index } => files
                .take(FILES)
                .map(|path| {
                    *index += 1;
                    Pending { index: *index - 1, what: What::File(path) }
                })
                .collect(),
            Source::Range { numbers, start } => {
                let pending =
                    |number| Pending { index: number - *start, what: What::Number(number) };
                numbers.take(NUMBERS).map(pending).collect()
            }
            Source::Lines(lines) => lines.chunk()?,
        };
        Ok((!chunk.is_empty()).then_some(chunk))
    }
}

impl Lines {
    fn chunk(&mut self) -> anyhow::Result<Vec<Pending>> {
        let name = || format!("cannot read {}", self.name);
        if let Some(error) = self.failed.take() {
            return Err(error).with_context(name);
        }
        let (mut chunk, mut total) = (Vec::new(), 0);
        // Lines that have come already are taken along.
        while !self.is_over
            && (chunk.is_empty() || total < LINES && self.from.buffer().contains(&b'\n'))
        {
            let mut bytes = Vec::new();
            match self.from.read_until(b'\n', &mut bytes) {
                Ok(0) => {
                    self.is_over = true;
                    chunk.push(Pending { index: self.index, what: What::End });
                    break;
                }
                Ok(count) => total += count,
                Err(error) if chunk.is_empty() => return Err(error).with_context(name),
                Err(error) => {
                    self.failed = Some(error);
                    break;
                }
            }
            self.line += 1;
            if !bytes.trim_ascii().is_empty() {
                let what = What::Line(bytes, Arc::clone(&self.name), self.line);
                chunk.push(Pending { index: self.index, what });
                self.index += 1;
            }
        }
        Ok(chunk)
    }
}

/// The regular files of a folder and what cannot be looked at, in the order of their names.
fn files_of(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let path = entry.path();
        let is_regular = entry.file_type().is_ok_and(|kind| kind.is_file());
        if is_regular || fs::metadata(&path).map_or(true, |metadata| metadata.is_file()) {
            files.push(path);
        }
    }
    files.sort_by(|a, b| a.as_os_str().as_bytes().cmp(b.as_os_str().as_bytes()));
    Ok(files)
}

/// A line of a `--jsonl` file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    id: Option<Id>,
    stdin: Option<String>,
    stdin_base64: Option<String>,
    args: Option<Vec<String>>,
    #[serde(default)]
    env: BTreeMap<String, String>,
    #[serde(default)]
    files: BTreeMap<String, Contents>,
}

#[derive(Deserialize)]
#[serde(untagged, expecting = "an id has to be a string or a whole number")]
enum Id {
    Name(String),
    Number(i64),
}

#[derive(Deserialize)]
#[serde(untagged, expecting = "a file has to be a string, or an object with text or base64")]
enum Contents {
    Text(String),
    Object(FileObject),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FileObject {
    text: Option<String>,
    base64: Option<String>,
    /// In octal.
    mode: Option<String>,
}

/// The case that a line describes.
fn case_of(line: &[u8], index: u64) -> anyhow::Result<Case> {
    let line: Line = serde_json::from_slice(line).map_err(|error| {
        // Of the position, only the column says something.
        let message = error.to_string();
        let end = message.rfind(" at line ").unwrap_or(message.len());
        anyhow!("{} (column {})", &message[..end], error.column())
    })?;
    let label = match line.id {
        Some(Id::Name(name)) => name,
        Some(Id::Number(number)) => number.to_string(),
        None => index.to_string(),
    };
    let input = bytes_of("stdin", line.stdin, line.stdin_base64)?.unwrap_or_default();
    let arguments = line.args.map(|words| {
        words.into_iter().map(|word| no_nul("args", word)).collect::<anyhow::Result<Vec<_>>>()
    });
    let mut environment = Vec::new();
    for (name, value) in line.env {
        ensure!(!name.is_empty() && !name.contains('='), "env: {name:?} is not a variable's name");
        environment.push(no_nul("env", format!("{name}={value}"))?);
    }
    let mut files = Vec::new();
    for (path, contents) in line.files {
        ensure!(path.starts_with('/'), "files: {path:?} is not an absolute path");
        let object = match contents {
            Contents::Text(text) => FileObject { text: Some(text), base64: None, mode: None },
            Contents::Object(object) => object,
        };
        let mode = match &object.mode {
            Some(digits) => match u32::from_str_radix(digits, 8) {
                Ok(mode) if mode <= 0o7777 => mode,
                _ => bail!("files: the mode {digits:?} is not octal, as in \"0755\""),
            },
            None => 0o644,
        };
        let bytes = bytes_of("text", object.text, object.base64)
            .with_context(|| format!("files: {path}"))?
            .with_context(|| format!("files: {path} has neither text nor base64"))?;
        files.push(GuestFile { path: no_nul("files", path)?, mode, bytes });
    }
    Ok(Case { index, label, input, arguments: arguments.transpose()?, environment, files })
}

/// Bytes that are given as text or in base64.
fn bytes_of(
    name: &str,
    text: Option<String>,
    base64: Option<String>,
) -> anyhow::Result<Option<Vec<u8>>> {
    match (text, base64) {
        (Some(_), Some(_)) => bail!("{name} is given both as text and in base64"),
        (Some(text), None) => Ok(Some(text.into_bytes())),
        (None, Some(base64)) => {
            let bytes = BASE64_STANDARD.decode(base64);
            Ok(Some(bytes.with_context(|| format!("{name}: not base64"))?))
        }
        (None, None) => Ok(None),
    }
}

fn no_nul(what: &str, text: String) -> anyhow::Result<Vec<u8>> {
    ensure!(!text.contains('\0'), "{what}: {text:?} contains a NUL");
    Ok(text.into_bytes())
}

#[cfg(test)]
mod tests {
    use super::case_of;
    use ncpu_engine::batch::{Case, GuestFile};

    #[test]
    fn a_line_says_what_a_machine_is_given() {
        let line = br#"{"id": "a", "stdin_base64": "/wA=", "args": ["-x", "1"], "env": {"B": "2"},
            "files": {"/a": "text", "/b": {"base64": "AP8=", "mode": "0755"}}}"#;
        let file = |path: &str, mode, bytes: &[u8]| GuestFile {
            path: path.into(),
            mode,
            bytes: bytes.to_vec(),
        };
        let expected = Case {
            index: 3,
            label: "a".into(),
            input: vec![0xff, 0],
            arguments: Some(vec![b"-x".to_vec(), b"1".to_vec()]),
            environment: vec![b"B=2".to_vec()],
            files: vec![file("/a", 0o644, b"text"), file("/b", 0o755, &[0, 0xff])],
        };
        assert_eq!(case_of(line, 3).unwrap(), expected);
        let plain = case_of(br#"{"stdin": "x"}"#, 7).unwrap();
        assert_eq!((plain.label.as_str(), &*plain.input), ("7", &b"x"[..]));
    }

    #[test]
    fn lines_that_say_nothing_sensible() {
        for (line, why) in [
            ("[1]", "invalid"),
            (r#"{"stdn": "x"}"#, "stdn"),
            (r#"{"stdin": 1}"#, "string"),
            (r#"{"stdin": "a", "stdin_base64": "YQ=="}"#, "both"),
            (r#"{"stdin_base64": "?"}"#, "base64"),
            (r#"{"id": []}"#, "id"),
            (r#"{"files": {"a": ""}}"#, "absolute"),
            (r#"{"files": {"/a": {}}}"#, "neither"),
            (r#"{"files": {"/a": {"text": "", "mode": "9"}}}"#, "octal"),
            (r#"{"env": {"A=": ""}}"#, "variable"),
            (r#"{"args": ["\u0000"]}"#, "NUL"),
        ] {
            let message = format!("{:#}", case_of(line.as_bytes(), 0).unwrap_err());
            assert!(message.contains(why), "{line}: {message}");
        }
    }
}
