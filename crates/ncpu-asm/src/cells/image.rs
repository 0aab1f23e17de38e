//! The cells that a machine starts with, and `.dec` files of them: decimal numbers, separated by
//! spaces, commas or line ends.

use std::fmt::Write;

/// Cells of a machine, of 16 bits.
pub const CELLS: usize = 1 << 16;

/// The first cells; those behind them are zero.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Image {
    cells: Vec<u16>,
}

/// What is wrong with an image.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ImageError {
    /// Something that is no number.
    #[error("line {line}, column {column}: {text:?} is not a decimal number")]
    NotANumber {
        /// Line, from 1.
        line: usize,
        /// Character of the line, from 1.
        column: usize,
        /// The start of it.
        text: String,
    },
    /// A number that does not fit a cell.
    #[error("line {line}, column {column}: {text} does not fit a cell: -32768 to 65535")]
    OutOfRange {
        /// Line, from 1.
        line: usize,
        /// Character of the line, from 1.
        column: usize,
        /// The number.
        text: String,
    },
    /// More cells than a machine has.
    #[error("line {line}, column {column}: the image is too large: a machine has {CELLS} cells")]
    TooLarge {
        /// Line of the first cell too many, from 1.
        line: usize,
        /// Character of the line, from 1.
        column: usize,
    },
    /// No cells at all.
    #[error("there are no numbers in it")]
    Empty,
}

/// Most characters of a text that are shown.
const SHOWN: usize = 24;

impl Image {
    /// An image of these cells; more than [`CELLS`] are refused.
    pub fn new(cells: Vec<u16>) -> Option<Image> {
        (cells.len() <= CELLS).then_some(Image { cells })
    }

    /// The cells.
    pub fn cells(&self) -> &[u16] {
        &self.cells
    }

    /// Reads a `.dec` file.
    ///
    /// # Errors
    /// When there is anything but numbers of 16 bits in it, or too many of them.
    pub fn parse(text: &str) -> Result<Image, ImageError> {
        let mut cells = Vec::new();
        for (index, content) in text.lines().enumerate() {
            let line = index + 1;
            let mut column = 1;
            for word in content.split(|c: char| c.is_whitespace() || c == ',') {
                if !word.is_empty() {
                    cells.push(parse_cell(word, line, column)?);
                    if cells.len() > CELLS {
                        return Err(ImageError::TooLarge { line, column });
                    }
                }
                column += word.chars().count() + 1;
            }
        }
        if cells.is_empty() { Err(ImageError::Empty) } else { Ok(Image { cells }) }
    }

    /// The image as a `.dec` file: a signed number a line. Zeros at the end are left out.
    pub fn to_text(&self) -> String {
        let mut text = String::new();
        let length = self.cells.iter().rposition(|&cell| cell != 0).unwrap_or(0) + 1;
        for &cell in self.cells.iter().take(length) {
            // Writing to a string does not fail.
            _ = writeln!(text, "{}", cell as i16);
        }
        text
    }
}

fn parse_cell(word: &str, line: usize, column: usize) -> Result<u16, ImageError> {
    let digits = word.strip_prefix(['-', '+']).unwrap_or(word);
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        let text = word.chars().take(SHOWN).collect();
        return Err(ImageError::NotANumber { line, column, text });
    }
    let value = word.parse::<i64>().ok().filter(|value| (-32_768..=65_535).contains(value));
    value.map(|value| value as u16).ok_or_else(|| {
        let text = word.chars().take(SHOWN).collect();
        ImageError::OutOfRange { line, column, text }
    })
}
