//! Turns `tables/*.decode` into the decoder: nested matches on groups of bits, as a decision tree,
//! and a list of the rows for tests and tools. The tables' format is described at the top of
//! `base.decode`.

use std::fmt::Write as _;
use std::path::Path;
use std::{env, fs, process};

struct Field {
    name: String,
    shift: u32,
    width: u32,
}

struct Row {
    name: String,
    table: &'static str,
    line: usize,
    mask: u32,
    value: u32,
    fields: Vec<Field>,
    handler: String,
}

/// Rows left when the tree stops matching bit groups and compares them one after the other.
const CHAIN: usize = 2;
/// Widest group of bits in one `match`.
const GROUP: u32 = 10;

fn main() {
    let mut rows = Vec::new();
    for table in ["base", "simd"] {
        let path = format!("tables/{table}.decode");
        println!("cargo::rerun-if-changed={path}");
        let text = fs::read_to_string(&path).unwrap_or_else(|e| fail(&format!("{path}: {e}")));
        for (index, line) in text.lines().enumerate() {
            let line = line.split('#').next().unwrap_or_default();
            if line.trim().is_empty() {
                continue;
            }
            match parse_row(line, table, index + 1) {
                Ok(row) => rows.push(row),
                Err(why) => fail(&format!("{path}:{}: {why}", index + 1)),
            }
        }
    }
    // Stable, so that equally specific rows keep the order of the tables.
    rows.sort_by_key(|row| std::cmp::Reverse(row.mask.count_ones()));
    check_overlaps(&rows);

    let mut code = String::from(
        "/// Finds the row that `word` belongs to and calls its handler.\n\
         pub(crate) fn decode(lifter: &mut Lifter<'_>, word: u32) -> Option<()> {\n",
    );
    write_tree(&mut code, &rows.iter().collect::<Vec<_>>(), 0, 1);
    code.push_str("}\n\n");
    rows.sort_by_key(|row| (row.table, row.line));
    write_rows(&mut code, &rows);

    let out = env::var_os("OUT_DIR").expect("cargo sets OUT_DIR");
    let path = Path::new(&out).join("decode.rs");
    fs::write(&path, code).unwrap_or_else(|e| fail(&format!("{}: {e}", path.display())));
}

fn fail(why: &str) -> ! {
    eprintln!("{why}");
    process::exit(1)
}

fn parse_row(line: &str, table: &'static str, number: usize) -> Result<Row, String> {
    let (pattern, handler) = line.split_once("=>").ok_or("`=> handler` is missing")?;
    let mut tokens = pattern.split_whitespace();
    let name = tokens.next().ok_or("the row has no name")?.to_string();
    let (mut mask, mut value, mut left) = (0u32, 0u32, 32u32);
    let mut fields: Vec<Field> = Vec::new();
    for token in tokens {
        let bits = token.bytes().all(|b| matches!(b, b'0' | b'1' | b'-'));
        let (field, width) = match token.split_once(':') {
            _ if bits => (None, token.len() as u32),
            None => (Some(token), 1),
            Some((field, width)) => {
                (Some(field), width.parse().map_err(|_| format!("`{token}`: bad width"))?)
            }
        };
        left = left.checked_sub(width).ok_or_else(|| format!("`{token}` is beyond 32 bits"))?;
        match field {
            None => {
                for (place, bit) in token.bytes().rev().enumerate() {
                    mask |= u32::from(bit != b'-') << (left + place as u32);
                    value |= u32::from(bit == b'1') << (left + place as u32);
                }
            }
            Some(field) if width == 0 || fields.iter().any(|f| f.name == field) => {
                return Err(format!("`{token}`: empty or repeated field"));
            }
            Some(field) => fields.push(Field { name: field.into(), shift: left, width }),
        }
    }
    if left != 0 {
        return Err(format!("row `{name}` has {} bits, not 32", 32 - left));
    }
    Ok(Row { name, table, line: number, mask, value, fields, handler: handler.trim().into() })
}

/// Two rows may share words only when one of them is the more specific: it fixes all the bits that
/// the other fixes, and more.
fn check_overlaps(rows: &[Row]) {
    for (index, a) in rows.iter().enumerate() {
        for b in &rows[index + 1..] {
            let apart = (a.value ^ b.value) & a.mask & b.mask != 0;
            let nested = a.mask != b.mask && a.mask & b.mask == b.mask;
            if !apart && !nested {
                fail(&format!(
                    "rows `{}` ({}.decode:{}) and `{}` ({}.decode:{}) overlap",
                    a.name, a.table, a.line, b.name, b.table, b.line
                ));
            }
        }
    }
}

/// Writes an expression of type `Option<()>` that picks among `rows` (most specific first), given
/// that the bits `known` of the word agree with all of them.
fn write_tree(code: &mut String, rows: &[&Row], known: u32, depth: usize) {
    let pad = "    ".repeat(depth);
    let certain = rows.first().is_some_and(|row| row.mask & !known == 0);
    if rows.len() <= CHAIN || certain {
        return write_chain(code, rows, known, &pad);
    }
    let common = rows.iter().fold(!known, |common, row| common & row.mask);
    let (low, width) = if common != 0 { longest_run(common) } else { (best_bit(rows, known), 1) };
    let group = (1u32 << width) - 1;
    let shifted = if low == 0 { "word".into() } else { format!("word >> {low}") };
    let _ = writeln!(code, "{pad}match {shifted} & {group:#b} {{");
    for bits in 0..=group {
        let inside: Vec<&Row> = rows
            .iter()
            .copied()
            .filter(|row| (row.value >> low ^ bits) & row.mask >> low & group == 0)
            .collect();
        if !inside.is_empty() {
            let _ = writeln!(code, "{pad}{bits:#b} => {{");
            write_tree(code, &inside, known | group << low, depth + 1);
            let _ = writeln!(code, "{pad}}}");
        }
    }
    let _ = writeln!(code, "{pad}_ => None,\n{pad}}}");
}

fn write_chain(code: &mut String, rows: &[&Row], known: u32, pad: &str) {
    for row in rows {
        let arguments: Vec<String> = row
            .fields
            .iter()
            .map(|f| match f.shift {
                0 => format!("word & {:#x}", mask_of(f.width)),
                shift => format!("word >> {shift} & {:#x}", mask_of(f.width)),
            })
            .collect();
        // Arguments that the row itself gives come before the fields.
        let (handler, given) = row.handler.split_once('(').unwrap_or((&row.handler, ""));
        let given = given.trim_end_matches(')').split(',').map(str::trim).filter(|a| !a.is_empty());
        let arguments: Vec<&str> = given.chain(arguments.iter().map(String::as_str)).collect();
        let call = format!("lifter.{handler}({})", arguments.join(", "));
        let mask = row.mask & !known;
        if mask == 0 {
            let _ = writeln!(code, "{pad}{call}");
            return;
        }
        let value = row.value & mask;
        let _ = writeln!(code, "{pad}if word & {mask:#x} == {value:#x} {{ return {call}; }}");
    }
    let _ = writeln!(code, "{pad}None");
}

fn mask_of(width: u32) -> u32 {
    u32::MAX >> (32 - width)
}

/// The lowest bit and the width of the longest run of ones, cut to [`GROUP`] bits.
fn longest_run(bits: u32) -> (u32, u32) {
    let mut best = (0, 0);
    let mut low = 0;
    while low < 32 {
        let width = (bits >> low).trailing_ones().min(GROUP);
        if width >= best.1 && width > 0 {
            best = (low, width);
        }
        low += width.max(1);
    }
    best
}

/// The unknown bit that is fixed by most rows.
fn best_bit(rows: &[&Row], known: u32) -> u32 {
    let fixed = |bit: u32| rows.iter().filter(|row| row.mask >> bit & 1 == 1).count();
    (0..32).filter(|bit| known >> bit & 1 == 0).max_by_key(|&bit| fixed(bit)).unwrap_or(0)
}

fn write_rows(code: &mut String, rows: &[Row]) {
    code.push_str(
        "/// Every row of the decode tables, in their order.\npub const ROWS: &[Row] = &[\n",
    );
    for row in rows {
        let _ = write!(
            code,
            "    Row {{ name: {:?}, table: {:?}, mask: {:#010x}, value: {:#010x}, fields: &[",
            row.name, row.table, row.mask, row.value
        );
        for f in &row.fields {
            let _ = write!(
                code,
                "Field {{ name: {:?}, shift: {}, width: {} }}, ",
                f.name, f.shift, f.width
            );
        }
        code.push_str("] },\n");
    }
    code.push_str("];\n");
}
