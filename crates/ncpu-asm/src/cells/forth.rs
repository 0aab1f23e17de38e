//! Forth to assembly for MUXLEQ: a cross compiler for a Forth system's own source.
//!
//! It knows code words and colon definitions with the usual control structures, variables, constants
//! and tables; what words do is in the source alone. The words that it compiles for are looked up by
//! their names: `lit`, `branch`, `?branch`, `(next)`, `>r`, `exit`, `(s")` and `(.")`. The assembly that
//! a source begins with has the labels `docol`, `dovar`, `docon` and `next`.
//!
//! | in assembly      | is                                        |
//! |------------------|-------------------------------------------|
//! | `x.NAME`         | the address that executes a word          |
//! | `body.NAME`      | the first cell of a table                 |
//! | `last`           | the header of the last word               |
//! | `end`            | the first cell behind everything          |

use super::assemble::assemble_lines;
use super::{Computer, Image};
use crate::source::{Problem, Problems, nearest};
use std::collections::HashMap;
use std::ops::Range;

/// Added to the length in the header of an immediate word.
const IMMEDIATE: usize = 64;
/// Longest name.
const MAX_NAME: usize = 31;

/// Builds the image of a Forth system from its source; `name` is for messages.
///
/// # Errors
/// Everything that is wrong with it, each with line and column.
pub fn build(name: &str, text: &str) -> Result<Image, Problems> {
    let problems = |list| Problems::new(name, text, list);
    let mut compiler = Compiler::default();
    for (index, line) in text.lines().enumerate() {
        compiler.line(index + 1, line).map_err(|problem| problems(vec![problem]))?;
    }
    let lines = compiler.finish(text.lines().count()).map_err(|p| problems(vec![p]))?;
    assemble_lines(lines, Computer::Muxleq).map_err(problems)
}

/// What lines are part of.
#[derive(Debug, Default)]
enum Mode {
    /// Nothing in particular.
    #[default]
    Outside,
    /// Assembly, up to this word.
    Assembly(&'static str),
    /// A colon definition; places that are branched to and from.
    Definition(Vec<Place>),
}

/// A place of a control structure that is not complete.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// Of `if` or `else`: a branch forward to this label.
    Forward(usize),
    /// Of `begin`: a label that is branched back to.
    Backward(usize),
    /// Of `while`: a branch forward, in a loop that began at the other.
    While(usize, usize),
    /// Of `for`.
    Counted(usize),
}

#[derive(Debug, Default)]
struct Compiler {
    mode: Mode,
    /// Assembly, with the lines of the source that it comes from.
    lines: Vec<(usize, String)>,
    /// Numbers of words by name; a later one hides an earlier one.
    words: HashMap<String, usize>,
    count: usize,
    labels: usize,
    /// The length of the last word's name and where its header is among the lines.
    last: Option<(usize, usize)>,
}

/// A word of the source.
#[derive(Clone, Debug)]
struct Word {
    text: String,
    span: Range<usize>,
}

/// The words of a line, one after the other.
struct Source {
    line: usize,
    characters: Vec<char>,
    at: usize,
}

impl Source {
    fn word(&mut self) -> Option<Word> {
        while self.characters.get(self.at)?.is_whitespace() {
            self.at += 1;
        }
        let start = self.at;
        let length = self.characters[start..].iter().take_while(|c| !c.is_whitespace()).count();
        self.at += length;
        let text = self.characters[start..self.at].iter().collect();
        Some(Word { text, span: start..self.at })
    }

    /// The text up to a character, from behind the space that ends the word before.
    fn up_to(&mut self, end: char) -> Result<Vec<char>, Problem> {
        let start = (self.at + 1).min(self.characters.len());
        let rest = &self.characters[start..];
        let Some(length) = rest.iter().position(|&c| c == end) else {
            return Err(
                self.problem(self.at..start, format!("there is no {end} in the rest of the line"))
            );
        };
        self.at = start + length + 1;
        Ok(rest[..length].to_vec())
    }

    fn expect(&mut self, what: &str) -> Result<Word, Problem> {
        let end = self.characters.len();
        self.word().ok_or_else(|| self.problem(end..end + 1, format!("{what} is missing")))
    }

    fn problem(&self, span: Range<usize>, what: String) -> Problem {
        Problem { line: self.line, span, what, help: None }
    }
}

fn number(text: &str) -> Option<i64> {
    let (digits, negative) = match text.strip_prefix('-') {
        Some(digits) => (digits, true),
        None => (text, false),
    };
    let value = match digits.strip_prefix("0x") {
        Some(digits) => i64::from_str_radix(digits, 16).ok()?,
        None if digits.starts_with(|c: char| c.is_ascii_digit()) => digits.parse().ok()?,
        None => return None,
    };
    Some(if negative { -value } else { value })
}

/// Whether a name can be part of a label.
fn is_plain(name: &str) -> bool {
    name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '.')
}

impl Compiler {
    fn line(&mut self, number: usize, text: &str) -> Result<(), Problem> {
        if let Mode::Assembly(end) = self.mode {
            if text.trim() == end {
                self.mode = Mode::Outside;
            } else {
                self.lines.push((number, text.to_owned()));
            }
            return Ok(());
        }
        let mut source = Source { line: number, characters: text.chars().collect(), at: 0 };
        while let Some(word) = source.word() {
            match word.text.as_str() {
                "\\" => break,
                "(" => drop(source.up_to(')')?),
                _ if matches!(self.mode, Mode::Outside) => self.outside(&word, &mut source)?,
                _ => self.inside(&word, &mut source)?,
            }
        }
        Ok(())
    }

    fn emit(&mut self, source: &Source, text: String) {
        self.lines.push((source.line, text));
    }

    fn outside(&mut self, word: &Word, source: &mut Source) -> Result<(), Problem> {
        match word.text.as_str() {
            "assembler" => self.mode = Mode::Assembly("end-assembler"),
            "code" => {
                self.header(source)?;
                self.mode = Mode::Assembly("end-code");
            }
            ":" => {
                self.header(source)?;
                self.emit(source, "jmp docol".to_owned());
                self.mode = Mode::Definition(Vec::new());
            }
            "create" => {
                let name = self.header(source)?;
                self.emit(source, "jmp dovar".to_owned());
                if is_plain(&name) {
                    self.emit(source, format!("body.{name}:"));
                }
            }
            "immediate" => match self.last.take() {
                Some((at, length)) => {
                    let header = &mut self.lines[at].1;
                    *header = header.replacen(
                        &format!(", {length},"),
                        &format!(", {},", length + IMMEDIATE),
                        1,
                    );
                }
                None => {
                    let what = "there is no word before that could be immediate".to_owned();
                    return Err(source.problem(word.span.clone(), what));
                }
            },
            value => {
                let what = format!("a comma or constant has to follow {value:?}");
                match source.word() {
                    Some(next) if next.text == "," => self.emit(source, format!("cell {value}")),
                    Some(next) if next.text == "constant" => {
                        self.header(source)?;
                        self.emit(source, "jmp docon".to_owned());
                        self.emit(source, format!("cell {value}"));
                    }
                    _ => return Err(source.problem(word.span.clone(), what)),
                }
            }
        }
        Ok(())
    }

    /// Emits the header of a word whose name comes next, and the label of what executes it.
    fn header(&mut self, source: &mut Source) -> Result<String, Problem> {
        let word = source.expect("the name of the word")?;
        let name = word.text;
        let length = name.chars().count();
        if length > MAX_NAME {
            let what = format!("a name has at most {MAX_NAME} characters");
            return Err(source.problem(word.span, what));
        }
        let number = self.count;
        self.count += 1;
        let link = match number {
            0 => "0".to_owned(),
            _ => format!("header.{}", number - 1),
        };
        let letters: Vec<String> = name.chars().map(|c| u32::from(c).to_string()).collect();
        self.last = Some((self.lines.len(), length));
        self.emit(
            source,
            format!("header.{number}: cell {link}, {length}, {}", letters.join(", ")),
        );
        self.emit(source, format!("word.{number}:"));
        if is_plain(&name) && !self.words.contains_key(&name) {
            self.emit(source, format!("x.{name}:"));
        }
        self.words.insert(name.clone(), number);
        Ok(name)
    }

    /// A cell that executes a word.
    fn compile(&mut self, name: &str, span: &Range<usize>, source: &Source) -> Result<(), Problem> {
        let Some(number) = self.words.get(name) else {
            let mut known: Vec<&str> = self.words.keys().map(String::as_str).collect();
            known.sort_unstable();
            let help = nearest(name, known).map(|meant| format!("did you mean {meant}?"));
            let what = format!("there is no word {name:?}");
            return Err(Problem { help, ..source.problem(span.clone(), what) });
        };
        self.emit(source, format!("cell word.{number}"));
        Ok(())
    }

    fn new_label(&mut self) -> usize {
        self.labels += 1;
        self.labels
    }

    fn branch(
        &mut self,
        with: &str,
        word: &Word,
        source: &Source,
        to: usize,
    ) -> Result<(), Problem> {
        self.compile(with, &word.span, source)?;
        self.emit(source, format!("cell place.{to}"));
        Ok(())
    }

    fn place(&mut self, source: &Source, label: usize) {
        self.emit(source, format!("place.{label}:"));
    }

    fn string(&mut self, with: &str, word: &Word, source: &mut Source) -> Result<(), Problem> {
        let text = source.up_to('"')?;
        self.compile(with, &word.span, source)?;
        let cells: Vec<String> = std::iter::once(text.len().to_string())
            .chain(text.iter().map(|&c| u32::from(c).to_string()))
            .collect();
        self.emit(source, format!("cell {}", cells.join(", ")));
        Ok(())
    }

    fn inside(&mut self, word: &Word, source: &mut Source) -> Result<(), Problem> {
        let Mode::Definition(places) = &mut self.mode else { return Ok(()) };
        let open = matches!(
            word.text.as_str(),
            "then" | "else" | "until" | "again" | "while" | "repeat" | "next"
        );
        let place = if open { places.pop() } else { None };
        let unfinished = !places.is_empty();
        match (word.text.as_str(), place) {
            (";", _) => {
                if unfinished {
                    let what = "a control structure is not complete".to_owned();
                    return Err(source.problem(word.span.clone(), what));
                }
                self.compile("exit", &word.span, source)?;
                self.mode = Mode::Outside;
            }
            ("if", _) => {
                let label = self.new_label();
                self.branch("?branch", word, source, label)?;
                self.open(Place::Forward(label));
            }
            ("else", Some(Place::Forward(from))) => {
                let label = self.new_label();
                self.branch("branch", word, source, label)?;
                self.place(source, from);
                self.open(Place::Forward(label));
            }
            ("then", Some(Place::Forward(from))) => self.place(source, from),
            ("begin", _) => {
                let label = self.new_label();
                self.place(source, label);
                self.open(Place::Backward(label));
            }
            ("until", Some(Place::Backward(to))) => self.branch("?branch", word, source, to)?,
            ("again", Some(Place::Backward(to))) => self.branch("branch", word, source, to)?,
            ("while", Some(Place::Backward(to))) => {
                let label = self.new_label();
                self.branch("?branch", word, source, label)?;
                self.open(Place::While(label, to));
            }
            ("repeat", Some(Place::While(from, to))) => {
                self.branch("branch", word, source, to)?;
                self.place(source, from);
            }
            ("for", _) => {
                self.compile(">r", &word.span, source)?;
                let label = self.new_label();
                self.place(source, label);
                self.open(Place::Counted(label));
            }
            ("next", Some(Place::Counted(to))) => self.branch("(next)", word, source, to)?,
            (name, _) if open => {
                let what = format!("{name:?} has nothing to belong to");
                return Err(source.problem(word.span.clone(), what));
            }
            ("[char]", _) => {
                let character = source.expect("the character")?;
                let code = character.text.chars().next().map_or(0, u32::from);
                self.compile("lit", &word.span, source)?;
                self.emit(source, format!("cell {code}"));
            }
            ("[']", _) => {
                let name = source.expect("the name of the word")?;
                self.compile("lit", &word.span, source)?;
                self.compile(&name.text, &name.span, source)?;
            }
            (".\"", _) => self.string("(.\")", word, source)?,
            ("s\"", _) => self.string("(s\")", word, source)?,
            (name, _) if self.words.contains_key(name) => self.compile(name, &word.span, source)?,
            (text, _) => match number(text) {
                Some(number) => {
                    self.compile("lit", &word.span, source)?;
                    self.emit(source, format!("cell {number}"));
                }
                None => self.compile(text, &word.span, source)?,
            },
        }
        Ok(())
    }

    fn open(&mut self, place: Place) {
        if let Mode::Definition(places) = &mut self.mode {
            places.push(place);
        }
    }

    fn finish(mut self, last_line: usize) -> Result<Vec<(usize, String)>, Problem> {
        let what = match self.mode {
            Mode::Outside if self.count != 0 => {
                self.lines.push((last_line, format!("last = header.{}", self.count - 1)));
                return Ok(self.lines);
            }
            Mode::Outside => "there is no word in it".to_owned(),
            Mode::Assembly(end) => format!("{end} is missing"),
            Mode::Definition(_) => "; is missing".to_owned(),
        };
        Err(Problem { line: last_line.max(1), span: 0..1, what, help: None })
    }
}
