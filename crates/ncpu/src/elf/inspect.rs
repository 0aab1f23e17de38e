//! `ncpu inspect`.

use super::code::{self, Code, Symbol};
use super::{Elf, LE};
use crate::cli::InspectArguments;
use ncpu_a64::{Lifted, lift};
use ncpu_uop::Op;
use object::elf;
use object::read::elf::{Dyn, FileHeader, ProgramHeader, SectionHeader};
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt::Debug;
use std::io::{BufWriter, Write};

/// Different words of a group that are named in text.
const MOST_WORDS: usize = 4;

#[derive(Serialize)]
struct Segment {
    kind: String,
    flags: String,
    offset: u64,
    address: u64,
    file_size: u64,
    memory_size: u64,
    align: u64,
}

#[derive(Serialize)]
struct Section {
    name: String,
    kind: String,
    flags: String,
    address: u64,
    offset: u64,
    size: u64,
}

#[derive(Serialize)]
struct Note {
    owner: String,
    kind: String,
    /// What is known of the contents, else the bytes in hexadecimal.
    value: String,
}

/// How a file is hardened.
#[derive(Default, Serialize)]
struct Security {
    /// Loaded at any address.
    position_independent: bool,
    /// The stack cannot be executed.
    no_execute_stack: bool,
    /// `none`, `partial`, or `full` when all relocations are done before the program starts.
    relro: &'static str,
    /// Branch targets are marked (BTI).
    branch_targets: bool,
    /// Return addresses are signed (PAC).
    signed_returns: bool,
    /// No segment can be both written and executed.
    writable_or_executable: bool,
}

/// Words that trap, of one mnemonic or class.
#[derive(Default, Serialize)]
struct Trap {
    instruction: String,
    count: u64,
    first_address: u64,
    /// Symbol at or before that address.
    first_symbol: Option<String>,
    /// The words and how often each occurs.
    words: BTreeMap<String, u64>,
}

#[derive(Serialize)]
struct Report {
    file: String,
    kind: String,
    entry: u64,
    static_linked: bool,
    interpreter: Option<String>,
    needed: Vec<String>,
    library_name: Option<String>,
    run_path: Vec<String>,
    segments: Vec<Segment>,
    sections: Vec<Section>,
    notes: Vec<Note>,
    security: Security,
    symbol_count: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    symbols: Option<Vec<Symbol>>,
    code_words: u64,
    data_words: u64,
    traps: Vec<Trap>,
    problems: Vec<String>,
}

/// Runs the command and returns the status to end with.
pub(crate) fn main(arguments: &InspectArguments) -> anyhow::Result<u8> {
    let data = super::read(&arguments.elf)?;
    let elf = super::parse(&arguments.elf, &data)?;
    let report = examine(elf, arguments);
    let mut out = BufWriter::new(std::io::stdout().lock());
    if arguments.json {
        writeln!(out, "{}", serde_json::to_string(&report)?)?;
    } else {
        print(&report, &mut out)?;
    }
    out.flush()?;
    Ok(0)
}

/// The name that `man 5 elf` has for a constant, without its prefix.
fn short(value: impl Debug, prefix: &str) -> String {
    let name = format!("{value:?}");
    name.strip_prefix(prefix).unwrap_or(&name).to_owned()
}

fn letters(flags: impl IntoIterator<Item = (bool, char)>) -> String {
    flags.into_iter().map(|(set, letter)| if set { letter } else { '-' }).collect()
}

fn examine(mut elf: Elf<'_>, arguments: &InspectArguments) -> Report {
    let code = Code::of(&mut elf);
    let dynamic = Dynamic::of(&mut elf);
    let notes = notes(&mut elf);
    let security = security(&elf, &dynamic, &notes);
    let (code_words, data_words, traps) = traps(&code);
    let interpreter = super::interpreter(elf.data);
    Report {
        file: arguments.elf.display().to_string(),
        kind: short(elf.header.e_type(LE), "ET_"),
        entry: elf.header.e_entry(LE),
        static_linked: interpreter.is_none() && dynamic.needed.is_empty(),
        interpreter: interpreter.map(|name| String::from_utf8_lossy(name).into_owned()),
        needed: dynamic.needed,
        library_name: dynamic.name,
        run_path: dynamic.run_path,
        segments: elf.segments.iter().map(segment).collect(),
        sections: elf.sections().map(|(_, s)| section(&elf, s)).collect(),
        notes,
        security,
        symbol_count: code.symbols.len(),
        symbols: arguments.symbols.then(|| code.symbols.clone()),
        code_words,
        data_words,
        traps,
        problems: elf.problems,
    }
}

fn segment(segment: &elf::ProgramHeader64<object::LittleEndian>) -> Segment {
    let flags = segment.p_flags(LE);
    Segment {
        kind: short(segment.p_type(LE), "PT_"),
        flags: letters([
            (flags.contains(elf::PF_R), 'r'),
            (flags.contains(elf::PF_W), 'w'),
            (flags.contains(elf::PF_X), 'x'),
        ]),
        offset: segment.p_offset(LE),
        address: segment.p_vaddr(LE),
        file_size: segment.p_filesz(LE),
        memory_size: segment.p_memsz(LE),
        align: segment.p_align(LE),
    }
}

fn section(elf: &Elf<'_>, section: &elf::SectionHeader64<object::LittleEndian>) -> Section {
    let flags = section.sh_flags(LE);
    Section {
        name: elf.section_name(section),
        kind: short(section.sh_type(LE), "SHT_"),
        flags: letters([
            (flags.contains(elf::SHF_ALLOC), 'a'),
            (flags.contains(elf::SHF_WRITE), 'w'),
            (flags.contains(elf::SHF_EXECINSTR), 'x'),
        ]),
        address: section.sh_addr(LE),
        offset: section.sh_offset(LE),
        size: section.sh_size(LE),
    }
}

/// What the dynamic section says.
#[derive(Default)]
struct Dynamic {
    present: bool,
    needed: Vec<String>,
    name: Option<String>,
    run_path: Vec<String>,
    bind_now: bool,
}

impl Dynamic {
    fn of(elf: &mut Elf<'_>) -> Dynamic {
        let mut dynamic = Dynamic::default();
        let found = elf.segments.iter().find_map(|s| s.dynamic(LE, elf.data).transpose());
        let entries = match found {
            None => return dynamic,
            Some(Ok(entries)) => entries,
            Some(Err(error)) => {
                elf.problems.push(format!("dynamic section: {error}"));
                return dynamic;
            }
        };
        dynamic.present = true;
        let entries = || {
            let all = entries.iter().map(|entry| (entry.tag(LE), entry.val(LE)));
            all.take_while(|&(tag, _)| tag != elf::DT_NULL)
        };
        let names = entries().find(|&(tag, _)| tag == elf::DT_STRTAB).map(|(_, at)| at);
        let string = |offset: u64| match names.and_then(|at| string_at(elf, at, offset)) {
            Some(name) => name,
            None => "?".to_owned(),
        };
        for (tag, value) in entries() {
            match tag {
                elf::DT_NEEDED => dynamic.needed.push(string(value)),
                elf::DT_SONAME => dynamic.name = Some(string(value)),
                elf::DT_RUNPATH | elf::DT_RPATH => {
                    dynamic.run_path.extend(string(value).split(':').map(str::to_owned));
                }
                elf::DT_BIND_NOW => dynamic.bind_now = true,
                elf::DT_FLAGS => dynamic.bind_now |= value & elf::DF_BIND_NOW.0 != 0,
                elf::DT_FLAGS_1 => dynamic.bind_now |= value & elf::DF_1_NOW.0 != 0,
                _ => {}
            }
        }
        dynamic
    }
}

/// The string at `offset` of the table that is loaded at `table`.
fn string_at(elf: &Elf<'_>, table: u64, offset: u64) -> Option<String> {
    let address = table.checked_add(offset)?;
    let segment = elf.segments.iter().find(|segment| {
        let start = segment.p_vaddr(LE);
        segment.p_type(LE) == elf::PT_LOAD
            && (start..start.saturating_add(segment.p_filesz(LE))).contains(&address)
    })?;
    let bytes = segment.data(LE, elf.data).ok()?;
    let bytes = bytes.get(usize::try_from(address - segment.p_vaddr(LE)).ok()?..)?;
    let end = bytes.iter().position(|&byte| byte == 0)?;
    Some(String::from_utf8_lossy(&bytes[..end]).into_owned())
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn notes(elf: &mut Elf<'_>) -> Vec<Note> {
    let mut found = Vec::new();
    for segment in elf.segments {
        let mut notes = match segment.notes(LE, elf.data) {
            Ok(Some(notes)) => notes,
            Ok(None) => continue,
            Err(error) => {
                elf.problems.push(format!("notes: {error}"));
                continue;
            }
        };
        loop {
            match notes.next() {
                Ok(Some(note)) => found.push(describe(&note)),
                Ok(None) => break,
                Err(error) => {
                    elf.problems.push(format!("notes: {error}"));
                    break;
                }
            }
        }
    }
    found
}

type NoteOf<'d> = object::read::elf::Note<'d, elf::FileHeader64<object::LittleEndian>>;

fn describe(note: &NoteOf<'_>) -> Note {
    let owner = String::from_utf8_lossy(note.name()).into_owned();
    let number = note.n_type(LE);
    let desc = note.desc();
    let (kind, value) = if owner != "GNU" {
        (format!("{number}"), hexadecimal(desc))
    } else if let Some(mut properties) = note.gnu_properties(LE) {
        let mut words = Vec::new();
        while let Ok(Some(property)) = properties.next() {
            let bits = property.data_u32(LE).unwrap_or(0);
            if property.pr_type() == elf::GNU_PROPERTY_AARCH64_FEATURE_1_AND {
                words.extend((bits & 1 != 0).then(|| "BTI".to_owned()));
                words.extend((bits & 2 != 0).then(|| "PAC".to_owned()));
            } else {
                words.push(format!(
                    "{:#x}={}",
                    property.pr_type(),
                    hexadecimal(property.pr_data())
                ));
            }
        }
        ("properties".to_owned(), words.join(" "))
    } else if number == elf::NT_GNU_BUILD_ID {
        ("build ID".to_owned(), hexadecimal(desc))
    } else if number == elf::NT_GNU_ABI_TAG {
        let words = desc.chunks_exact(4).map(|b| u32::from_le_bytes([b[0], b[1], b[2], b[3]]));
        let version: Vec<String> = words.skip(1).map(|word| word.to_string()).collect();
        ("least Linux version".to_owned(), version.join("."))
    } else {
        (format!("{number}"), hexadecimal(desc))
    };
    Note { owner, kind, value }
}

fn security(elf: &Elf<'_>, dynamic: &Dynamic, notes: &[Note]) -> Security {
    let of_kind = |kind| elf.segments.iter().find(move |segment| segment.p_type(LE) == kind);
    let properties = |word| {
        notes.iter().any(|note| {
            note.kind == "properties" && note.value.split(' ').any(|value| value == word)
        })
    };
    Security {
        position_independent: elf.header.e_type(LE) == elf::ET_DYN,
        no_execute_stack: of_kind(elf::PT_GNU_STACK)
            .is_some_and(|stack| !stack.p_flags(LE).contains(elf::PF_X)),
        relro: match (of_kind(elf::PT_GNU_RELRO), dynamic.bind_now || !dynamic.present) {
            (None, _) => "none",
            (Some(_), false) => "partial",
            (Some(_), true) => "full",
        },
        branch_targets: properties("BTI"),
        signed_returns: properties("PAC"),
        writable_or_executable: !elf.segments.iter().any(|segment| {
            segment.p_type(LE) == elf::PT_LOAD
                && segment.p_flags(LE).contains(elf::PF_W.with(elf::PF_X))
        }),
    }
}

/// Counts words of code and of data, and groups the words that trap.
fn traps(code: &Code<'_>) -> (u64, u64, Vec<Trap>) {
    let (mut words, mut data) = (0, 0);
    let mut groups: BTreeMap<String, Trap> = BTreeMap::new();
    let mut lifted = Lifted::new();
    for range in &code.ranges {
        for code::Word { address, word, is_data } in code.words(range) {
            if is_data {
                data += 1;
                continue;
            }
            words += 1;
            lift(word, address, &mut lifted);
            if lifted.uops().first().is_none_or(|uop| uop.op != Op::Undefined) {
                continue;
            }
            let name = match code::text(word, address) {
                Some(text) => text.split_whitespace().next().unwrap_or("?").to_owned(),
                None => code::class(word).to_owned(),
            };
            let group = groups.entry(name.clone()).or_insert_with(|| Trap {
                instruction: name,
                first_address: address,
                first_symbol: code.nearest(range, address),
                ..Trap::default()
            });
            group.count += 1;
            *group.words.entry(format!("{word:08x}")).or_default() += 1;
        }
    }
    let mut traps: Vec<Trap> = groups.into_values().collect();
    traps.sort_by_key(|trap| std::cmp::Reverse(trap.count));
    (words, data, traps)
}

fn print(report: &Report, out: &mut impl Write) -> std::io::Result<()> {
    let yes = |yes| if yes { "yes" } else { "no" };
    writeln!(out, "{}: {} for AArch64, entry {:#x}", report.file, report.kind, report.entry)?;
    match &report.interpreter {
        Some(interpreter) => writeln!(out, "interpreter  {interpreter}")?,
        None if report.static_linked => writeln!(out, "interpreter  none: statically linked")?,
        None => {}
    }
    for (title, values) in [
        ("needs", &report.needed),
        ("run path", &report.run_path),
        ("name", &report.library_name.iter().cloned().collect()),
    ] {
        if !values.is_empty() {
            writeln!(out, "{title:12} {}", values.join(" "))?;
        }
    }
    let security = &report.security;
    writeln!(
        out,
        "security     position-independent {}, no-execute stack {}, RELRO {}, W^X {}, BTI {}, PAC {}",
        yes(security.position_independent),
        yes(security.no_execute_stack),
        security.relro,
        yes(security.writable_or_executable),
        yes(security.branch_targets),
        yes(security.signed_returns)
    )?;
    for note in &report.notes {
        writeln!(out, "note         {} {}: {}", note.owner, note.kind, note.value)?;
    }
    if !report.segments.is_empty() {
        writeln!(out, "\nsegments")?;
        writeln!(
            out,
            "  type               flags   offset            address  in file   in memory"
        )?;
    }
    for s in &report.segments {
        writeln!(
            out,
            "  {:18} {:5} {:#9x} {:#18x} {:#8x} {:#11x}",
            s.kind, s.flags, s.offset, s.address, s.file_size, s.memory_size
        )?;
    }
    if !report.sections.is_empty() {
        writeln!(out, "\nsections")?;
        writeln!(
            out,
            "  name               type          flags   offset            address     size"
        )?;
    }
    for s in &report.sections {
        writeln!(
            out,
            "  {:18} {:13} {:5} {:#9x} {:#18x} {:#8x}",
            s.name, s.kind, s.flags, s.offset, s.address, s.size
        )?;
    }
    writeln!(out, "\nsymbols      {}", report.symbol_count)?;
    for symbol in report.symbols.iter().flatten() {
        writeln!(
            out,
            "  {:#18x} {:8} {:17} {}",
            symbol.address, symbol.size, symbol.kind, symbol.name
        )?;
    }
    writeln!(out, "code         {} words, and {} of data", report.code_words, report.data_words)?;
    if report.traps.is_empty() {
        writeln!(out, "traps        none: the machine knows every instruction")?;
    } else {
        let count: u64 = report.traps.iter().map(|trap| trap.count).sum();
        writeln!(out, "traps        {count} words that the machine does not know")?;
    }
    for trap in &report.traps {
        let place = trap.first_symbol.as_deref().unwrap_or("no symbol");
        let mut words: Vec<(&String, &u64)> = trap.words.iter().collect();
        words.sort_by_key(|&(word, count)| (std::cmp::Reverse(count), word));
        let more = if words.len() > MOST_WORDS { ", ..." } else { "" };
        let words: Vec<&str> =
            words.iter().take(MOST_WORDS).map(|(word, _)| word.as_str()).collect();
        writeln!(
            out,
            "  {:8} {:14} first at {:#x} ({place}): {}{more}",
            trap.count,
            trap.instruction,
            trap.first_address,
            words.join(", ")
        )?;
    }
    for problem in &report.problems {
        writeln!(out, "damaged      {problem}")?;
    }
    Ok(())
}
