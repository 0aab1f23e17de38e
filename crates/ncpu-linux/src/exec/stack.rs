//! What a program finds on its stack: argument and environment pointers and the auxiliary vector
//! (`create_elf_tables` in fs/binfmt_elf.c, order of entries included).

use super::Program;
use super::arguments::{Strings, end_of_string};
use super::elf::Loaded;
use crate::Errno;
use crate::abi::auxv::*;
use crate::abi::elf::PROGRAM_HEADER_BYTES;
use crate::image::Kernel;
use crate::mm::{self, PAGE, map};
use ncpu_a64::features::{HWCAP, HWCAP2};

/// The platform's name.
const PLATFORM: &[u8; 8] = b"aarch64\0";
/// Bytes of a signal frame with general and vector registers (`signal_minsigstksz` without SVE).
const SIGNAL_FRAME: u64 = 4720;
/// Pages below the strings that a new stack has from the start (`setup_arg_pages`).
const STACK_EXPAND: u64 = 131_072;

/// Writes everything below the strings; returns entry point and stack pointer.
pub(super) fn finish(
    k: &mut Kernel<'_>,
    space: usize,
    program: &Program,
    strings: &Strings,
    loaded: &Loaded,
) -> Result<(u64, u64), Errno> {
    let mut top = strings.top & !15;
    top -= PLATFORM.len() as u64;
    let platform = top;
    write(k, space, platform, PLATFORM)?;
    top -= 16;
    let random = top;
    let mut bytes = [0; 16];
    k.entropy(&mut bytes);
    write(k, space, random, &bytes)?;

    let secure = program.user[0] != program.user[1] || program.group[0] != program.group[1];
    let vector = [
        [AT_MINSIGSTKSZ, SIGNAL_FRAME],
        [AT_HWCAP, HWCAP],
        [AT_PAGESZ, PAGE],
        [AT_CLKTCK, 100],
        [AT_PHDR, loaded.headers],
        [AT_PHENT, PROGRAM_HEADER_BYTES as u64],
        [AT_PHNUM, u64::from(program.image.header.count)],
        [AT_BASE, loaded.base],
        [AT_FLAGS, 0],
        [AT_ENTRY, loaded.program_entry],
        [AT_UID, u64::from(program.user[0])],
        [AT_EUID, u64::from(program.user[1])],
        [AT_GID, u64::from(program.group[0])],
        [AT_EGID, u64::from(program.group[1])],
        [AT_SECURE, u64::from(secure)],
        [AT_RANDOM, random],
        [AT_HWCAP2, HWCAP2],
        [AT_EXECFN, strings.name],
        [AT_PLATFORM, platform],
        [AT_NULL, 0],
    ];
    let words = 1 + strings.arguments + 1 + strings.environment + 1;
    let stack = (top - 16 * vector.len() as u64 - 8 * words) & !15;

    let mut at = stack;
    put(k, space, &mut at, strings.arguments)?;
    let arguments = strings.top;
    let environment = pointers(k, space, &mut at, arguments, strings.arguments)?;
    let end = pointers(k, space, &mut at, environment, strings.environment)?;
    for [kind, value] in vector {
        put(k, space, &mut at, kind)?;
        put(k, space, &mut at, value)?;
    }
    let record = &mut k.mms[space];
    record.auxiliary[..vector.len()].copy_from_slice(&vector);
    record.stack = [stack, arguments, environment, environment, end];
    expand(k, space, loaded.executable_stack);
    Ok((loaded.entry, stack))
}

fn write(k: &mut Kernel<'_>, space: usize, address: u64, bytes: &[u8]) -> Result<(), Errno> {
    match mm::write_other(k, space, address, bytes) {
        Ok(count) if count == bytes.len() => Ok(()),
        _ => Err(Errno::EFAULT),
    }
}

fn put(k: &mut Kernel<'_>, space: usize, at: &mut u64, word: u64) -> Result<(), Errno> {
    write(k, space, *at, &word.to_le_bytes())?;
    *at += 8;
    Ok(())
}

/// Writes pointers to `count` strings from `string` on, and a null pointer; returns the end of the
/// strings.
fn pointers(
    k: &mut Kernel<'_>,
    space: usize,
    at: &mut u64,
    mut string: u64,
    count: u64,
) -> Result<u64, Errno> {
    for _ in 0..count {
        put(k, space, at, string)?;
        string = end_of_string(k, space, string)?;
    }
    put(k, space, at, 0)?;
    Ok(string)
}

/// Gives the stack its first size and its rights.
fn expand(k: &mut Kernel<'_>, space: usize, executable: bool) {
    let limit = map::stack_limit(k);
    let Some(index) = mm::containing(k, space, mm::STACK_TOP - 1) else { return };
    let used = k.vmas[index].end - k.vmas[index].start;
    let size = (used + STACK_EXPAND).min(mm::page_down(limit)).max(used);
    map::resize_stack(k, space, index, size, executable);
}
