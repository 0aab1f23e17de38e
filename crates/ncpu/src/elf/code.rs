//! The executable ranges of an ELF file, the symbols in them, and their instructions as text.

use super::{Elf, LE};
use object::elf;
use object::read::elf::{ProgramHeader, SectionHeader, Sym};
use serde::Serialize;
use yaxpeax_arch::{Decoder, U8Reader};
use yaxpeax_arm::armv8::a64::InstDecoder;

/// A symbol that names an address.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Symbol {
    pub(super) name: String,
    pub(super) address: u64,
    pub(super) size: u64,
    pub(super) kind: &'static str,
    /// Section that it is defined in.
    #[serde(skip)]
    section: usize,
}

/// What a symbol named `$x` or `$d` says: instructions or data start here (Arm ELF, IHI 0056,
/// "Mapping symbols").
#[derive(Clone, Copy, Debug)]
struct Mapping {
    address: u64,
    section: usize,
    data: bool,
}

/// Bytes that can be executed.
pub(super) struct Range<'d> {
    pub(super) name: String,
    pub(super) address: u64,
    pub(super) bytes: &'d [u8],
    section: usize,
}

/// The code of a file.
pub(super) struct Code<'d> {
    pub(super) ranges: Vec<Range<'d>>,
    /// Symbols with an address, by address.
    pub(super) symbols: Vec<Symbol>,
    mappings: Vec<Mapping>,
    /// Addresses start anew in each section.
    relocatable: bool,
}

/// An instruction at its place.
pub(super) struct Word {
    pub(super) address: u64,
    pub(super) word: u32,
    /// Symbols say that it is data.
    pub(super) is_data: bool,
}

impl<'d> Code<'d> {
    pub(super) fn of(elf: &mut Elf<'d>) -> Code<'d> {
        let mut ranges = Vec::new();
        for (index, section) in elf.sections() {
            let executable = section.sh_flags(LE).contains(elf::SHF_EXECINSTR);
            if executable && section.sh_type(LE) == elf::SHT_PROGBITS {
                let name = elf.section_name(section);
                match section.data(LE, elf.data) {
                    Ok(bytes) => ranges.push(Range {
                        name,
                        address: section.sh_addr(LE),
                        bytes,
                        section: index.0,
                    }),
                    Err(error) => ranges.push(Range {
                        name: format!("{name} ({error})"),
                        address: section.sh_addr(LE),
                        bytes: &[],
                        section: index.0,
                    }),
                }
            }
        }
        if ranges.is_empty() {
            for segment in elf.segments {
                let executable = segment.p_flags(LE).contains(elf::PF_X);
                if executable
                    && segment.p_type(LE) == elf::PT_LOAD
                    && let Ok(bytes) = segment.data(LE, elf.data)
                {
                    ranges.push(Range {
                        name: "executable segment".into(),
                        address: segment.p_vaddr(LE),
                        bytes,
                        section: 0,
                    });
                }
            }
        }
        let mut code = Code {
            ranges,
            symbols: Vec::new(),
            mappings: Vec::new(),
            relocatable: elf.is_relocatable(),
        };
        for kind in [elf::SHT_SYMTAB, elf::SHT_DYNSYM] {
            if let Err(error) = code.add_symbols(elf, kind) {
                elf.problems.push(format!("symbols: {error}"));
            }
        }
        code.symbols.sort_by(|a, b| (a.address, &a.name).cmp(&(b.address, &b.name)));
        code.symbols.dedup_by(|a, b| a.address == b.address && a.name == b.name);
        code.mappings.sort_by_key(|mapping| (mapping.section, mapping.address));
        code
    }

    fn add_symbols(&mut self, elf: &Elf<'d>, kind: elf::SectionType) -> object::Result<()> {
        let table = elf.sections.symbols(LE, elf.data, kind)?;
        for symbol in table.iter() {
            let Ok(name) = symbol.name(LE, table.strings()) else { continue };
            if symbol.is_undefined(LE) || name.is_empty() {
                continue;
            }
            let (address, section) = (symbol.st_value(LE), usize::from(symbol.st_shndx(LE).0));
            if let [b'$', kind @ (b'x' | b'd')] | [b'$', kind @ (b'x' | b'd'), b'.', ..] = name {
                self.mappings.push(Mapping { address, section, data: *kind == b'd' });
                continue;
            }
            let kind = match symbol.st_type() {
                elf::STT_FUNC => "function",
                elf::STT_GNU_IFUNC => "indirect function",
                elf::STT_OBJECT => "object",
                elf::STT_NOTYPE => "label",
                elf::STT_TLS => "thread-local",
                _ => continue,
            };
            self.symbols.push(Symbol {
                name: String::from_utf8_lossy(name).into_owned(),
                address,
                size: symbol.st_size(LE),
                kind,
                section,
            });
        }
        Ok(())
    }

    fn in_section(&self, symbol: &Symbol, range: &Range<'_>) -> bool {
        !self.relocatable || symbol.section == range.section
    }

    /// The symbols of `range` at `address`.
    pub(super) fn at(&self, range: &Range<'_>, address: u64) -> impl Iterator<Item = &Symbol> {
        let start = self.symbols.partition_point(|symbol| symbol.address < address);
        let here = self.symbols[start..].iter().take_while(move |s| s.address == address);
        here.filter(|symbol| is_code(symbol) && self.in_section(symbol, range))
    }

    /// The last symbol of `range` at or before `address`, as `name+0x10`.
    pub(super) fn nearest(&self, range: &Range<'_>, address: u64) -> Option<String> {
        let end = self.symbols.partition_point(|symbol| symbol.address <= address);
        let symbol = self.symbols[..end]
            .iter()
            .rev()
            .take_while(|symbol| symbol.address >= range.address)
            .find(|symbol| is_code(symbol) && self.in_section(symbol, range))?;
        Some(match address - symbol.address {
            0 => symbol.name.clone(),
            offset => format!("{}+{offset:#x}", symbol.name),
        })
    }

    /// The words of a range.
    pub(super) fn words(&self, range: &Range<'d>) -> impl Iterator<Item = Word> + use<'d> {
        let mut mappings: Vec<Mapping> = self
            .mappings
            .iter()
            .copied()
            .filter(|m| range.section == 0 || m.section == range.section)
            .collect();
        mappings.reverse();
        let (start, mut is_data) = (range.address, false);
        // A range need not start at a word's address; instructions do.
        let skip = (start.wrapping_neg() & 3) as usize;
        let words = range.bytes.get(skip..).unwrap_or(&[]).chunks_exact(4);
        words.enumerate().map(move |(index, bytes)| {
            let address = start.wrapping_add((skip + 4 * index) as u64);
            while let Some(mapping) = mappings.pop_if(|m| m.address <= address) {
                is_data = mapping.data;
            }
            let word = u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
            Word { address, word, is_data }
        })
    }
}

fn is_code(symbol: &Symbol) -> bool {
    matches!(symbol.kind, "function" | "indirect function" | "label")
}

/// The instruction in text, with branch targets as addresses; `None` if it is not allocated.
pub(super) fn text(word: u32, address: u64) -> Option<String> {
    let bytes = word.to_le_bytes();
    let instruction = InstDecoder::default().decode(&mut U8Reader::new(&bytes)).ok()?;
    let text = instruction.to_string();
    // The library writes targets relative to the instruction, as $+0x10.
    let Some((before, offset)) = text.rsplit_once('$') else { return Some(text) };
    let (sign, digits) = offset.split_at_checked(1)?;
    let digits_end = digits
        .strip_prefix("0x")?
        .find(|c: char| !c.is_ascii_hexdigit())
        .map_or(digits.len(), |n| n + 2);
    let (digits, after) = digits.split_at(digits_end);
    let distance = u64::from_str_radix(&digits[2..], 16).ok()?;
    // Targets of ADRP are relative to the instruction's page (Arm ARM, C6.2.13).
    let base = if text.starts_with("adrp") { address & !0xfff } else { address };
    let target = match sign {
        "-" => base.wrapping_sub(distance),
        _ => base.wrapping_add(distance),
    };
    Some(format!("{before}{target:#x}{after}"))
}

/// What a word belongs to that does not disassemble (Arm ARM, C4.1, table C4-1: bits 31 and 28:25).
pub(super) fn class(word: u32) -> &'static str {
    match (word >> 31, word >> 25 & 0xf) {
        _ if word == 0 => "zero padding",
        (0, 0b0000) if word >> 16 == 0 => "udf",
        (1, 0b0000) => "SME",
        (_, 0b0010) => "SVE",
        (_, 0b0111 | 0b1111) => "unallocated SIMD or floating point",
        _ => "unallocated",
    }
}
