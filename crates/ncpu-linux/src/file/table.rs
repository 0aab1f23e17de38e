//! Descriptor tables and the table of open files.

use super::{DESCRIPTORS, FdTable, File, dispatch, lock};
use crate::abi::fcntl::O_CLOEXEC;
use crate::image::Kernel;
use crate::{Errno, SysResult};

/// RLIMIT_NOFILE's index in the limits of a process.
const RLIMIT_NOFILE: usize = 7;

fn table_of(k: &Kernel<'_>) -> usize {
    k.processes[k.current_process()].fd_table as usize
}

/// The entry of a descriptor in a table: the open file and whether it is closed by execve.
pub(crate) fn entry(k: &Kernel<'_>, table: usize, fd: i32) -> Option<(usize, bool)> {
    let entry = *k.fd_tables.get(table)?.entries.get(usize::try_from(fd).ok()?)?;
    let file = (entry & !FdTable::CLOSE_ON_EXEC).checked_sub(1)?;
    Some((file as usize, entry & FdTable::CLOSE_ON_EXEC != 0))
}

/// The open file of a descriptor of the current process; EBADF.
pub fn get(k: &Kernel<'_>, fd: i32) -> Result<usize, Errno> {
    entry(k, table_of(k), fd).map(|(file, _)| file).ok_or(Errno::EBADF)
}

/// As [`get`], but EBADF also for O_PATH.
pub(crate) fn get_usable(k: &Kernel<'_>, fd: i32) -> Result<usize, Errno> {
    let file = get(k, fd)?;
    if k.files[file].kind == super::kind::PATH { Err(Errno::EBADF) } else { Ok(file) }
}

/// A new open file with one reference, to be filled in by the caller; ENFILE.
pub fn alloc(k: &mut Kernel<'_>) -> Result<usize, Errno> {
    let start = (k.header.vfs.file_hint as usize).min(k.files.len());
    let free = k.files[start..].iter().position(|file| file.references == 0);
    let file = start + free.ok_or(Errno::ENFILE)?;
    k.files[file] = File { references: 1, ..File::default() };
    k.header.vfs.file_hint = file as u32 + 1;
    k.header.vfs.file_end = k.header.vfs.file_end.max(file as u32 + 1);
    Ok(file)
}

/// Descriptors that the current process may have.
fn limit(k: &Kernel<'_>) -> usize {
    let limit = k.processes[k.current_process()].limits[RLIMIT_NOFILE][0];
    limit.min(DESCRIPTORS as u64) as usize
}

/// Gives an open file (and the caller's reference) the lowest free descriptor not below `lowest`;
/// EMFILE, and then the reference stays the caller's.
pub fn install(
    k: &mut Kernel<'_>,
    file: usize,
    close_on_exec: bool,
    lowest: i32,
) -> Result<i32, Errno> {
    let limit = limit(k);
    let lowest = usize::try_from(lowest).map_err(|_| Errno::EINVAL)?.min(limit);
    let table = table_of(k);
    let entries = &mut k.fd_tables[table].entries;
    let free = entries[lowest..limit].iter().position(|&entry| entry == 0);
    let fd = lowest + free.ok_or(Errno::EMFILE)?;
    entries[fd] = value(file, close_on_exec);
    Ok(fd as i32)
}

fn value(file: usize, close_on_exec: bool) -> u32 {
    (file as u32 + 1) | if close_on_exec { FdTable::CLOSE_ON_EXEC } else { 0 }
}

/// Adds a reference to an open file.
pub fn share(k: &mut Kernel<'_>, file: usize) {
    k.files[file].references += 1;
}

/// Marks an open file's record as free.
pub(super) fn free(k: &mut Kernel<'_>, file: usize) {
    k.files[file] = File::default();
    k.header.vfs.file_hint = k.header.vfs.file_hint.min(file as u32);
}

/// An empty descriptor table with one reference; ENOMEM.
pub fn new_table(k: &mut Kernel<'_>) -> Result<usize, Errno> {
    let free = k.fd_tables.iter().position(|table| table.references == 0);
    let table = free.ok_or(Errno::ENOMEM)?;
    let fresh = &mut k.fd_tables[table];
    fresh.references = 1;
    fresh.entries.fill(0);
    Ok(table)
}

/// A copy of a descriptor table; ENOMEM.
pub fn fork_table(k: &mut Kernel<'_>, from: usize) -> Result<usize, Errno> {
    let table = new_table(k)?;
    for fd in 0..DESCRIPTORS {
        let entry = k.fd_tables[from].entries[fd];
        if let Some(file) = (entry & !FdTable::CLOSE_ON_EXEC).checked_sub(1) {
            share(k, file as usize);
            k.fd_tables[table].entries[fd] = entry;
        }
    }
    Ok(table)
}

/// Takes a descriptor out of a table and closes it.
fn remove(k: &mut Kernel<'_>, table: usize, fd: usize) {
    let entry = core::mem::take(&mut k.fd_tables[table].entries[fd]);
    if let Some(file) = (entry & !FdTable::CLOSE_ON_EXEC).checked_sub(1) {
        lock::closed(k, table, file as usize);
        dispatch::release(k, file as usize);
    }
}

/// Drops a reference to a descriptor table; the last one closes its descriptors.
pub fn release_table(k: &mut Kernel<'_>, table: usize) {
    let references = &mut k.fd_tables[table].references;
    *references = references.saturating_sub(1);
    if *references == 0 {
        for fd in 0..DESCRIPTORS {
            remove(k, table, fd);
        }
    }
}

/// Closes what is marked close-on-exec in a table.
pub fn close_on_exec(k: &mut Kernel<'_>, table: usize) {
    for fd in 0..DESCRIPTORS {
        if k.fd_tables[table].entries[fd] & FdTable::CLOSE_ON_EXEC != 0 {
            remove(k, table, fd);
        }
    }
}

/// Opens the standard streams of the first process in its descriptor table.
pub fn boot(k: &mut Kernel<'_>, table: usize) -> Result<(), Errno> {
    for stream in 0..3 {
        let file = crate::tty::console::open_standard(k, stream)?;
        k.fd_tables[table].entries[stream as usize] = value(file, false);
    }
    Ok(())
}

/// `close(2)`.
pub fn close(k: &mut Kernel<'_>, fd: i32) -> SysResult {
    get(k, fd)?;
    remove(k, table_of(k), fd as usize);
    Ok(0)
}

/// `dup(2)`.
pub fn dup(k: &mut Kernel<'_>, fd: i32) -> SysResult {
    duplicate(k, fd, 0, false)
}

/// Another descriptor for an open file, not below `lowest`.
pub(super) fn duplicate(k: &mut Kernel<'_>, fd: i32, lowest: i32, cloexec: bool) -> SysResult {
    let file = get(k, fd)?;
    let new = install(k, file, cloexec, lowest)?;
    share(k, file);
    Ok(new as u64)
}

/// `dup3(2)`.
pub fn dup3(k: &mut Kernel<'_>, old: i32, new: i32, flags: u32) -> SysResult {
    if flags & !O_CLOEXEC != 0 || old == new {
        return Err(Errno::EINVAL.into());
    }
    if usize::try_from(new).map_or(true, |fd| fd >= limit(k)) {
        return Err(Errno::EBADF.into());
    }
    let file = get(k, old)?;
    share(k, file);
    let table = table_of(k);
    remove(k, table, new as usize);
    k.fd_tables[table].entries[new as usize] = value(file, flags & O_CLOEXEC != 0);
    Ok(new as u64)
}

/// Sets or clears close-on-exec of a descriptor that is open.
pub(super) fn set_close_on_exec(k: &mut Kernel<'_>, fd: i32, set: bool) -> Result<(), Errno> {
    let file = get(k, fd)?;
    let table = table_of(k);
    k.fd_tables[table].entries[fd as usize] = value(file, set);
    Ok(())
}

/// Whether a descriptor of the current process is closed by execve; EBADF.
pub(super) fn closes_on_exec(k: &Kernel<'_>, fd: i32) -> Result<bool, Errno> {
    entry(k, table_of(k), fd).map(|(_, cloexec)| cloexec).ok_or(Errno::EBADF)
}

/// `close_range(2)`.
pub fn close_range(k: &mut Kernel<'_>, first: u32, last: u32, flags: u32) -> SysResult {
    const UNSHARE: u32 = 2;
    const CLOEXEC: u32 = 4;
    if flags & !(UNSHARE | CLOEXEC) != 0 || first > last {
        return Err(Errno::EINVAL.into());
    }
    if flags & UNSHARE != 0 {
        let process = k.current_process();
        let old = table_of(k);
        if k.fd_tables[old].references > 1 {
            let copy = fork_table(k, old)?;
            k.processes[process].fd_table = copy as u32;
            release_table(k, old);
        }
    }
    let table = table_of(k);
    let end = (u64::from(last) + 1).min(DESCRIPTORS as u64) as usize;
    for fd in first as usize..end {
        if flags & CLOEXEC == 0 {
            remove(k, table, fd);
        } else if k.fd_tables[table].entries[fd] != 0 {
            k.fd_tables[table].entries[fd] |= FdTable::CLOSE_ON_EXEC;
        }
    }
    Ok(0)
}
