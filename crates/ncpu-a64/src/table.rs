//! The decoder made from `tables/*.decode` by the build script.

use crate::lift::Lifter;
use crate::lift::simd_arguments::*;

/// A named group of bits of an instruction word.
#[derive(Clone, Copy, Debug)]
pub struct Field {
    /// Its name in the table.
    pub name: &'static str,
    /// Place of its lowest bit.
    pub shift: u32,
    /// Number of bits.
    pub width: u32,
}

/// A row of a decode table. A word belongs to it when `word & mask == value` and no more specific
/// row (one that fixes these bits and others) matches.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// Name, unique among the rows.
    pub name: &'static str,
    /// Table that it stands in: `base` or `simd`.
    pub table: &'static str,
    /// Bits that the row fixes.
    pub mask: u32,
    /// Their values.
    pub value: u32,
    /// Named fields, most significant first.
    pub fields: &'static [Field],
}

impl Row {
    /// The row that `word` belongs to, if any. Slow: for tests and tools, decoding has its own way.
    pub fn of(word: u32) -> Option<&'static Row> {
        let matching = ROWS.iter().filter(|row| word & row.mask == row.value);
        matching.max_by_key(|row| row.mask.count_ones())
    }
}

include!(concat!(env!("OUT_DIR"), "/decode.rs"));
