//! Why a program cannot be executed.
//!
//! Only asked when the machine's kernel has refused it: here is guesswork for people, there is the
//! decision.

use crate::elf::{self, Refusal};
use crate::tree;
use ncpu_engine::Program;
use ncpu_linux::rom::Rom;

/// What is wrong with the program, if that can be told. `given` says that the root file system was
/// the user's.
pub(super) fn in_root(rom: &Rom<'_>, program: &Program, given: bool) -> Option<String> {
    let path = find(rom, program)?;
    let ino = tree::resolve(rom, &path, true)?;
    let inode = rom.inode(ino)?;
    if inode.is_dir() {
        return Some("it is a directory".into());
    }
    if !inode.is_file() {
        return Some("it is not a regular file".into());
    }
    let contents = rom.contents(ino);
    if contents.is_empty() {
        return Some("it is empty".into());
    }
    if let Some(line) = contents.strip_prefix(b"#!") {
        let line = line.split(|&b| b == b'\n').next().unwrap_or(&[]).trim_ascii();
        let interpreter = line.split(u8::is_ascii_whitespace).next().unwrap_or(&[]);
        return match tree::resolve(rom, interpreter, true) {
            Some(_) => not_permitted(inode.mode),
            None => Some(missing("it is a script for", interpreter, given)),
        };
    }
    match elf::refusal(contents) {
        Some(Refusal::NotElf) => Some(
            "it is neither an ELF file nor a script that starts with #!; to run a shell script, \
             name the shell: sh FILE"
                .into(),
        ),
        Some(refusal) => Some(refusal.to_string()),
        None => match elf::interpreter(contents) {
            Some(interpreter) if tree::resolve(rom, interpreter, true).is_none() => {
                Some(missing("it is dynamically linked and needs", interpreter, given))
            }
            _ => not_permitted(inode.mode),
        },
    }
}

fn not_permitted(mode: u32) -> Option<String> {
    (mode & 0o111 == 0).then(|| "it has no execute permission (chmod +x)".into())
}

fn missing(what: &str, interpreter: &[u8], given: bool) -> String {
    let name = String::from_utf8_lossy(interpreter);
    if given {
        format!("{what} {name}, which the root file system does not have")
    } else {
        format!(
            "{what} {name}, which the built-in root file system does not have: give --rootfs with \
             a system that has it, or link the program statically"
        )
    }
}

/// The path that the kernel was given.
fn find(rom: &Rom<'_>, program: &Program) -> Option<Vec<u8>> {
    let name = &program.path;
    let exists = |path: &Vec<u8>| tree::resolve(rom, path, true).is_some();
    if name.starts_with(b"/") {
        return Some(name.clone());
    }
    if name.contains(&b'/') {
        return Some([&program.directory, b"/".as_slice(), name].concat());
    }
    let path = program.environment.iter().find_map(|e| e.strip_prefix(b"PATH="))?;
    path.split(|&b| b == b':').map(|folder| [folder, b"/", name].concat()).find(exists)
}
