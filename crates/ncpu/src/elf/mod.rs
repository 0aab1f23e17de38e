//! ELF files, as far as people want to know about them: `inspect` and `disasm`.
//!
//! - [`inspect`](fn@inspect)  everything about a file, and the words that would trap
//! - [`disasm`](fn@disasm)    instructions in text, with their micro-ops
//! - [`code`]     executable ranges and the symbols in them
//!
//! What the guest runs is loaded by the machine's own kernel, not by this.

mod code;
mod disasm;
mod inspect;

pub(crate) use disasm::main as disasm;
pub(crate) use inspect::main as inspect;

use anyhow::Context;
use object::elf::{self, FileHeader64, ProgramHeader64, SectionHeader64};
use object::read::elf::{FileHeader, ProgramHeader, SectionHeader, SectionTable};
use object::{LittleEndian, SectionIndex};
use std::path::Path;

/// Byte order of every file read here.
const LE: LittleEndian = LittleEndian;

/// Why a file is not a program for the machine.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refusal {
    /// It does not start as an ELF file does.
    #[error("it is not an ELF file")]
    NotElf,
    /// It is too short for its own header.
    #[error("it is a truncated ELF file of {0} bytes: the header alone has 64")]
    Truncated(usize),
    /// It is for 32-bit processors.
    #[error("it is a 32-bit ELF file, and the machine runs 64-bit programs only")]
    Class,
    /// It is big-endian.
    #[error("it is a big-endian ELF file, and the machine is little-endian")]
    Order,
    /// It is for another processor.
    #[error("it is an ELF file for {0}, and the machine is AArch64")]
    Machine(String),
    /// It is no program.
    #[error("it is {0}, not an executable file")]
    Kind(&'static str),
    /// Its tables do not make sense.
    #[error("it is a damaged ELF file: {0}")]
    Damaged(String),
}

/// The header, if it is one of a 64-bit AArch64 file.
fn header(data: &[u8]) -> Result<&FileHeader64<LittleEndian>, Refusal> {
    const HEADER: usize = 64;
    if !data.starts_with(b"\x7fELF") {
        return Err(Refusal::NotElf);
    }
    // Arm ELF (IHI 0056), and e_ident as in `man 5 elf`.
    match (data.get(4), data.get(5)) {
        (Some(2), Some(1)) => {}
        (Some(1), _) => return Err(Refusal::Class),
        (Some(2), Some(2)) => return Err(Refusal::Order),
        (Some(_), Some(_)) => {
            return Err(Refusal::Damaged("unknown class or byte order".into()));
        }
        _ => return Err(Refusal::Truncated(data.len())),
    }
    if data.len() < HEADER {
        return Err(Refusal::Truncated(data.len()));
    }
    let header = FileHeader64::<LittleEndian>::parse(data)
        .map_err(|error| Refusal::Damaged(error.to_string()))?;
    match header.e_machine(LE) {
        elf::EM_AARCH64 => Ok(header),
        elf::EM_X86_64 => Err(Refusal::Machine("x86-64".into())),
        machine => Err(Refusal::Machine(format!("another processor ({machine:?})"))),
    }
}

/// Why a file cannot be executed, as far as its header tells.
pub(crate) fn refusal(data: &[u8]) -> Option<Refusal> {
    let header = match header(data) {
        Ok(header) => header,
        Err(refusal) => return Some(refusal),
    };
    match header.e_type(LE) {
        elf::ET_EXEC | elf::ET_DYN => {}
        elf::ET_REL => return Some(Refusal::Kind("an object file, which has to be linked")),
        elf::ET_CORE => return Some(Refusal::Kind("a core dump")),
        _ => return Some(Refusal::Kind("an ELF file of unknown type")),
    }
    match header.program_headers(LE, data) {
        Ok([]) => Some(Refusal::Damaged("it has no program headers".into())),
        Ok(segments) => {
            let beyond = segments.iter().any(|segment| {
                segment.p_type(LE) == elf::PT_LOAD && segment.data(LE, data).is_err()
            });
            beyond.then(|| Refusal::Damaged("a segment goes beyond the end of the file".into()))
        }
        Err(error) => Some(Refusal::Damaged(error.to_string())),
    }
}

/// The interpreter that a file asks for.
pub(crate) fn interpreter(data: &[u8]) -> Option<&[u8]> {
    let segments = header(data).ok()?.program_headers(LE, data).ok()?;
    segments.iter().find_map(|segment| segment.interpreter(LE, data).ok()?)
}

/// An ELF file, with what could be read of it.
struct Elf<'d> {
    data: &'d [u8],
    header: &'d FileHeader64<LittleEndian>,
    segments: &'d [ProgramHeader64<LittleEndian>],
    sections: SectionTable<'d, FileHeader64<LittleEndian>>,
    /// What could not be read.
    problems: Vec<String>,
}

impl<'d> Elf<'d> {
    fn parse(data: &'d [u8]) -> Result<Elf<'d>, Refusal> {
        let header = header(data)?;
        let mut problems = Vec::new();
        let segments = header.program_headers(LE, data).unwrap_or_else(|error| {
            problems.push(format!("program headers: {error}"));
            &[]
        });
        let sections = header.sections(LE, data).unwrap_or_else(|error| {
            problems.push(format!("section headers: {error}"));
            SectionTable::default()
        });
        Ok(Elf { data, header, segments, sections, problems })
    }

    fn section_name(&self, section: &SectionHeader64<LittleEndian>) -> String {
        let name = self.sections.section_name(LE, section).unwrap_or(b"?");
        String::from_utf8_lossy(name).into_owned()
    }

    fn is_relocatable(&self) -> bool {
        self.header.e_type(LE) == elf::ET_REL
    }

    fn sections(
        &self,
    ) -> impl Iterator<Item = (SectionIndex, &'d SectionHeader64<LittleEndian>)> + use<'d, '_> {
        let all = self.sections.enumerate();
        all.filter(|(_, section)| section.sh_type(LE) != elf::SHT_NULL)
    }
}

/// Reads a host file whole.
fn read(path: &Path) -> anyhow::Result<Vec<u8>> {
    std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))
}

/// Parses what was read of a host file.
fn parse<'d>(path: &Path, data: &'d [u8]) -> anyhow::Result<Elf<'d>> {
    Elf::parse(data).map_err(|refusal| anyhow::anyhow!("{}: {refusal}", path.display()))
}
