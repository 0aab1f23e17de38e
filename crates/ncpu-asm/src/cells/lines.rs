//! Words, numbers and signs of a line of assembly for cells.

use crate::source::Problem;
use std::ops::Range;

/// What a token is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A statement, label or constant.
    Name(String),
    /// A number or the code of a character.
    Number(i64),
    /// One of `:,#+-=`.
    Sign(char),
}

/// A token and the characters of its line that it is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Token {
    pub(super) kind: Kind,
    pub(super) span: Range<usize>,
}

fn number(text: &str) -> Option<i64> {
    match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        Some(digits) => i64::from_str_radix(digits, 16).ok(),
        None => text.parse().ok(),
    }
}

/// The tokens of a line, up to a comment.
pub(super) fn tokens(line: usize, text: &str) -> Result<Vec<Token>, Problem> {
    let characters: Vec<char> = text.chars().collect();
    let mut tokens = Vec::new();
    let mut at = 0;
    while let Some(&c) = characters.get(at) {
        let start = at;
        at += 1;
        let kind = match c {
            ';' => break,
            c if c.is_whitespace() => continue,
            ':' | ',' | '#' | '+' | '-' | '=' => Kind::Sign(c),
            '\'' => match characters.get(at..at + 2) {
                Some(&[c, '\'']) if u32::from(c) < 1 << 16 => {
                    at += 2;
                    Kind::Number(u32::from(c).into())
                }
                _ => {
                    let what = "a character is written as in 'a'".to_owned();
                    return Err(Problem { line, span: start..at, what, help: None });
                }
            },
            c if c.is_ascii_alphanumeric() || c == '_' || c == '.' => {
                let belongs = |c: &&char| c.is_ascii_alphanumeric() || **c == '_' || **c == '.';
                at += characters[at..].iter().take_while(belongs).count();
                let text: String = characters[start..at].iter().collect();
                if c.is_ascii_digit() {
                    let number = number(&text).ok_or_else(|| {
                        let what = format!("{text:?} is not a number");
                        let help = Some("numbers are decimal, or hexadecimal with 0x".to_owned());
                        Problem { line, span: start..at, what, help }
                    })?;
                    Kind::Number(number)
                } else {
                    Kind::Name(text)
                }
            }
            _ => {
                let what = format!("{c:?} means nothing here");
                return Err(Problem { line, span: start..at, what, help: None });
            }
        };
        tokens.push(Token { kind, span: start..at });
    }
    Ok(tokens)
}
