//! `ncpu disasm`.

use super::code::{self, Code};
use crate::cli::DisasmArguments;
use crate::report::tell;
use anyhow::{bail, ensure};
use ncpu_a64::{Lifted, lift};
use serde::Serialize;
use std::io::{BufWriter, Write};
use std::ops::Range;

#[derive(Serialize)]
struct Line {
    address: u64,
    word: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    symbol: Option<String>,
    /// Text, absent for data and words that are not allocated.
    text: Option<String>,
    data: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    uops: Option<Vec<String>>,
}

/// Runs the command and returns the status to end with.
pub(crate) fn main(arguments: &DisasmArguments) -> anyhow::Result<u8> {
    let data = super::read(&arguments.elf)?;
    let mut elf = super::parse(&arguments.elf, &data)?;
    let code = Code::of(&mut elf);
    for problem in &elf.problems {
        tell!("ncpu: {}: {problem}", arguments.elf.display());
    }
    let wanted = wanted(arguments, &code)?;
    let mut out = BufWriter::new(std::io::stdout().lock());
    let mut lifted = Lifted::new();
    let mut any = false;
    for range in &code.ranges {
        let mut titled = arguments.json;
        for code::Word { address, word, is_data } in code.words(range) {
            if !wanted.contains(&address) {
                continue;
            }
            any = true;
            if !titled {
                writeln!(out, "{}:", range.name)?;
                titled = true;
            }
            let uops = (arguments.uops && !is_data).then(|| {
                lift(word, address, &mut lifted);
                lifted.uops().iter().map(ToString::to_string).collect::<Vec<String>>()
            });
            let text = if is_data { None } else { code::text(word, address) };
            let symbols: Vec<_> = code.at(range, address).map(|s| s.name.as_str()).collect();
            if arguments.json {
                let symbol = symbols.first().map(|name| (*name).to_owned());
                let line = Line { address, word, symbol, text, data: is_data, uops };
                writeln!(out, "{}", serde_json::to_string(&line)?)?;
                continue;
            }
            for symbol in symbols {
                writeln!(out, "\n{address:016x} <{symbol}>:")?;
            }
            let text = match text {
                Some(text) => text,
                None if is_data => format!(".word {word:#010x}"),
                None => format!(".inst {word:#010x}  // {}", code::class(word)),
            };
            writeln!(out, "{address:8x}:  {word:08x}  {text}")?;
            for uop in uops.iter().flatten() {
                writeln!(out, "{:20}  | {uop}", "")?;
            }
        }
    }
    out.flush()?;
    ensure!(any, "{}: there is no code to show", arguments.elf.display());
    Ok(0)
}

/// The addresses to show.
fn wanted(arguments: &DisasmArguments, code: &Code<'_>) -> anyhow::Result<Range<u64>> {
    let Some(name) = &arguments.symbol else {
        return Ok(arguments.start.unwrap_or(0)..arguments.end.unwrap_or(u64::MAX));
    };
    let Some(symbol) = code.symbols.iter().find(|symbol| symbol.name == *name) else {
        let close = code.symbols.iter().find(|s| s.name.contains(name.as_str()));
        let hint = match close {
            Some(symbol) => format!("; did you mean {}?", symbol.name),
            None if code.symbols.is_empty() => "; the file has no symbols: use --start".into(),
            None => String::new(),
        };
        bail!("{}: there is no symbol {name:?}{hint}", arguments.elf.display());
    };
    let start = symbol.address;
    let end = match symbol.size {
        0 => {
            // A label goes on until the next one.
            let next = code.symbols.iter().map(|s| s.address).find(|&address| address > start);
            next.unwrap_or(u64::MAX)
        }
        size => start.saturating_add(size),
    };
    Ok(start..end)
}
