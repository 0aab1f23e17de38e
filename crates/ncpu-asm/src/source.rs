//! Where in a text something is wrong, and how that is shown.

use std::fmt;
use std::ops::Range;

/// Something that is wrong at one place of a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Line, from 1.
    pub line: usize,
    /// Characters of the line that it is about, from 0.
    pub span: Range<usize>,
    /// What is wrong.
    pub what: String,
    /// What to do about it, or what was expected.
    pub help: Option<String>,
}

/// Problems after which no more are looked for.
pub const MAX_PROBLEMS: usize = 100;

/// All that is wrong in a text, or the first [`MAX_PROBLEMS`] found, in the order of its lines.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct Problems {
    /// Name of the text, for messages.
    pub name: String,
    /// Each with the text of its line.
    pub list: Vec<(Problem, String)>,
}

impl Problems {
    /// The problems of `text`, with its lines.
    pub fn new(name: &str, text: &str, mut list: Vec<Problem>) -> Problems {
        list.truncate(MAX_PROBLEMS);
        list.sort_by_key(|problem| (problem.line, problem.span.start));
        let lines: Vec<&str> = text.lines().collect();
        let line = |problem: &Problem| lines.get(problem.line - 1).copied().unwrap_or("");
        let list = list.into_iter().map(|problem| (line(&problem).to_owned(), problem));
        Problems {
            name: name.to_owned(),
            list: list.map(|(line, problem)| (problem, line)).collect(),
        }
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (Problem { line, span, what, help }, text) in &self.list {
            writeln!(f, "{}:{line}:{}: {what}", self.name, span.start + 1)?;
            // Tabs stay tabs, so that the marks stand below what they mean.
            let shown = |c: char| if c.is_control() && c != '\t' { ' ' } else { c };
            let before = text.chars().take(span.start);
            let indent: String = before.map(|c| if c == '\t' { '\t' } else { ' ' }).collect();
            let marks = "^".repeat(span.len().max(1));
            writeln!(f, "{line:5} | {}", text.chars().map(shown).collect::<String>())?;
            writeln!(f, "      | {indent}{marks}")?;
            if let Some(help) = help {
                writeln!(f, "      = {help}")?;
            }
        }
        match self.list.len() {
            1 => write!(f, "{}: 1 error", self.name),
            MAX_PROBLEMS.. => write!(f, "{}: at least {MAX_PROBLEMS} errors", self.name),
            count => write!(f, "{}: {count} errors", self.name),
        }
    }
}

/// Longest name that is taken for a misspelt one.
const LONGEST: usize = 32;

/// The candidate that is nearest to a name, if it is near enough to be what was meant.
pub(crate) fn nearest<'c>(
    name: &str,
    candidates: impl IntoIterator<Item = &'c str>,
) -> Option<&'c str> {
    let length = name.chars().count();
    if length > LONGEST {
        return None;
    }
    let name = name.to_ascii_lowercase();
    let distance =
        |candidate: &str| strsim::damerau_levenshtein(&name, &candidate.to_ascii_lowercase());
    let candidates = candidates.into_iter().filter(|candidate| candidate.len() <= LONGEST);
    let nearest = candidates.map(|candidate| (distance(candidate), candidate)).min()?;
    (nearest.0 <= 1 + length / 4).then_some(nearest.1)
}
