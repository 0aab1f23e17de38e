//! Words and signs of a line.

use crate::source::Problem;
use std::ops::Range;

/// What a token is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A mnemonic, register or label.
    Word(String),
    /// A number; greater ones than any use for them are cut to `i64`.
    Number(i64),
    /// One of `:[]+-`.
    Sign(char),
}

/// A token and the characters of its line that it is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Token {
    pub(crate) kind: Kind,
    pub(crate) span: Range<usize>,
}

/// Reads digits with the prefixes `0x` and `0b`.
fn number(text: &str) -> Option<i64> {
    let lower = text.to_ascii_lowercase();
    let (digits, radix) = match lower.get(..2) {
        Some("0x") => (&lower[2..], 16),
        Some("0b") => (&lower[2..], 2),
        _ => (&lower[..], 10),
    };
    // 64 bits are enough to say that a number is too large.
    let sound = !digits.is_empty() && digits.chars().all(|c| c.is_digit(radix));
    sound.then(|| i64::from_str_radix(digits, radix).unwrap_or(i64::MAX))
}

/// The tokens of a line, up to a comment. Commas separate, like spaces.
pub(crate) fn tokens(line: usize, text: &str, problems: &mut Vec<Problem>) -> Vec<Token> {
    let characters: Vec<char> = text.chars().collect();
    let mut tokens = Vec::new();
    let mut at = 0;
    while let Some(&c) = characters.get(at) {
        let start = at;
        at += 1;
        if c == ';' || c == '#' {
            break;
        }
        if c.is_whitespace() || c == ',' {
            continue;
        }
        if c.is_alphanumeric() || c == '_' || c == '.' {
            let belongs = |c: &&char| c.is_alphanumeric() || **c == '_' || **c == '.';
            at += characters[at..].iter().take_while(belongs).count();
        }
        let text: String = characters[start..at].iter().collect();
        let mut problem = |what, help: &str| {
            problems.push(Problem { line, span: start..at, what, help: Some(help.to_owned()) });
        };
        let kind = match c {
            ':' | '[' | ']' | '+' | '-' => Kind::Sign(c),
            '0'..='9' => match number(&text) {
                Some(number) => Kind::Number(number),
                None => {
                    let help = "numbers are decimal, or binary with 0b, or hexadecimal with 0x";
                    problem(format!("{text:?} is not a number"), help);
                    continue;
                }
            },
            'a'..='z' | 'A'..='Z' | '_' | '.' if text.is_ascii() => Kind::Word(text),
            _ => {
                problem(
                    format!("{text:?} means nothing here"),
                    "names are made of the letters A to Z, digits, _ and .; comments start with ; or #",
                );
                continue;
            }
        };
        tokens.push(Token { kind, span: start..at });
    }
    tokens
}
