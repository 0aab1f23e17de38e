//! Descriptors of processes (`pidfd_open(2)`).

use super::{ALIVE, DEAD, by_pid};
use crate::file::{self, kind};
use crate::image::Kernel;
use crate::signal::kill;
use crate::signal::send::Target;
use crate::signal::{Info, SI_USER};
use crate::{Errno, SysResult};

/// O_NONBLOCK, which is also PIDFD_NONBLOCK.
const NONBLOCK: u32 = 0o4000;
/// O_RDWR, the access mode of every pidfd.
const READ_WRITE: u32 = 2;

/// A new descriptor of a process, closed by execve.
pub(super) fn open(k: &mut Kernel<'_>, process: usize, no_block: bool) -> Result<i32, Errno> {
    let file = file::alloc(k)?;
    let birth = k.processes[process].birth;
    let f = &mut k.files[file];
    f.kind = kind::PIDFD;
    f.flags = READ_WRITE | if no_block { NONBLOCK } else { 0 };
    f.object = process as u32;
    f.state[0] = birth;
    file::install(k, file, true, 0).inspect_err(|_| file::release(k, file))
}

/// Takes a descriptor back that the program has not seen.
pub(super) fn withdraw(k: &mut Kernel<'_>, fd: i32) {
    let Ok(file) = file::get(k, fd) else { return };
    let table = k.process().fd_table as usize;
    k.fd_tables[table].entries[fd as usize] = 0;
    file::release(k, file);
}

/// The process that an open file stands for, unless it has been waited for.
fn target(k: &Kernel<'_>, file: usize) -> Option<usize> {
    let f = &k.files[file];
    let process = f.object as usize;
    let p = k.processes.get(process)?;
    (p.state != DEAD && p.birth == f.state[0]).then_some(process)
}

/// The process of a descriptor, if it still exists, and whether the descriptor is non-blocking;
/// EBADF when it is no pidfd.
pub(super) fn process_of(k: &mut Kernel<'_>, fd: i32) -> Result<(Option<usize>, bool), Errno> {
    let file = file::get(k, fd)?;
    if k.files[file].kind != kind::PIDFD {
        return Err(Errno::EBADF);
    }
    Ok((target(k, file), k.files[file].flags & NONBLOCK != 0))
}

/// pidfd_open(2).
pub fn pidfd_open(k: &mut Kernel<'_>, pid: i32, flags: u32) -> SysResult {
    if flags & !NONBLOCK != 0 || pid <= 0 {
        return Err(Errno::EINVAL.into());
    }
    let Some(process) = by_pid(k, pid as u32) else {
        let is_thread = super::task_by_tid(k, pid as u32).is_some();
        return Err(if is_thread { Errno::EINVAL } else { Errno::ESRCH }.into());
    };
    Ok(open(k, process, flags & NONBLOCK != 0)? as u64)
}

/// pidfd_send_signal(2).
pub fn pidfd_send_signal(
    k: &mut Kernel<'_>,
    fd: i32,
    signal: i32,
    info: u64,
    flags: u32,
) -> SysResult {
    if flags != 0 {
        return Err(Errno::EINVAL.into());
    }
    let (process, _) = process_of(k, fd)?;
    let own = k.current_process();
    let details = if info == 0 {
        if !(0..=64).contains(&signal) {
            return Err(Errno::EINVAL.into());
        }
        let p = k.process();
        Info::user(signal as u32, SI_USER, p.pid, p.credentials.uid[0])
    } else {
        let number = k.read_record::<u32>(info)?;
        if number != signal as u32 {
            return Err(Errno::EINVAL.into());
        }
        kill::read_info(k, signal, info, process == Some(own))?
    };
    let process = process.ok_or(Errno::ESRCH)?;
    kill::deliver_to(k, Target::Process(process), details)?;
    Ok(0)
}

/// pidfd_getfd(2).
pub fn pidfd_getfd(k: &mut Kernel<'_>, fd: i32, other: i32, flags: u32) -> SysResult {
    if flags != 0 {
        return Err(Errno::EINVAL.into());
    }
    let (process, _) = process_of(k, fd)?;
    let process = process.filter(|&p| k.processes[p].state == ALIVE).ok_or(Errno::ESRCH)?;
    let [own, target] = [k.current_process(), process].map(|p| k.processes[p].credentials.uid);
    if own[1] != 0 && target.iter().any(|&id| id != own[0]) {
        return Err(Errno::EPERM.into());
    }
    let table = &k.fd_tables[k.processes[process].fd_table as usize];
    let entry = usize::try_from(other).ok().and_then(|index| table.entries.get(index));
    let entry = entry.map_or(0, |entry| entry & !file::FdTable::CLOSE_ON_EXEC);
    let file = (entry as usize).checked_sub(1).ok_or(Errno::EBADF)?;
    file::share(k, file);
    let fd = file::install(k, file, true, 0).inspect_err(|_| file::release(k, file))?;
    Ok(fd as u64)
}

/// A pidfd is readable (EPOLLIN) once its process has ended.
pub fn poll(k: &mut Kernel<'_>, file: usize) -> u32 {
    const EPOLLIN: u32 = 1;
    const EPOLLRDNORM: u32 = 0x40;
    match target(k, file) {
        Some(process) if k.processes[process].state == ALIVE => 0,
        _ => EPOLLIN | EPOLLRDNORM,
    }
}
