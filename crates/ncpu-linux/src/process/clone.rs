//! New processes and threads.

use super::{ALIVE, Action, DEAD, NO_CALL, NO_PARENT, Process, Task, attribute, boot, new_pid};
use super::{identity, limits, new_task, pidfd, state};
use crate::abi::sched::*;
use crate::image::{Kernel, Record};
use crate::signal::{SIG_DFL, SIG_IGN, SIGMAX};
use crate::vfs::Node;
use crate::{Block, Channel, Errno, SysResult, file, mm, vfs};
use ncpu_uop::slot;

/// What clone and clone3 have in common.
struct Request {
    flags: u64,
    exit_signal: u32,
    /// Stack pointer of the child, 0 to keep the parent's.
    stack: u64,
    parent_tid: u64,
    child_tid: u64,
    tls: u64,
    pidfd: u64,
}

/// clone(2), with the arguments in arm64's order.
pub fn clone(
    k: &mut Kernel<'_>,
    flags: u64,
    stack: u64,
    parent_tid: u64,
    tls: u64,
    child_tid: u64,
) -> SysResult {
    if k.task().call_state[0] != 0 {
        return wait_for_vfork(k);
    }
    // Only the low half counts, so that no flag of clone3 can be reached.
    let flags = u64::from(flags as u32);
    let exit_signal = (flags & CSIGNAL) as u32;
    let flags = flags & !CSIGNAL;
    if flags & CLONE_PIDFD != 0 && flags & CLONE_PARENT_SETTID != 0 {
        return Err(Errno::EINVAL.into());
    }
    make(k, &Request { flags, exit_signal, stack, parent_tid, child_tid, tls, pidfd: parent_tid })
}

/// clone3(2).
pub fn clone3(k: &mut Kernel<'_>, arguments: u64, size: u64) -> SysResult {
    const FIRST_SIZE: u64 = 64;
    const WORDS: usize = 11;
    if k.task().call_state[0] != 0 {
        return wait_for_vfork(k);
    }
    if size < FIRST_SIZE {
        return Err(Errno::EINVAL.into());
    }
    if size > 4096 {
        return Err(Errno::E2BIG.into());
    }
    let mut words = [0u64; WORDS];
    for n in 0..(size / 8) as usize {
        let word = k.read_record::<u64>(arguments.wrapping_add(8 * n as u64))?;
        match words.get_mut(n) {
            Some(place) => *place = word,
            None if word != 0 => return Err(Errno::E2BIG.into()),
            None => {}
        }
    }
    let [flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls, ..] = words;
    let (set_tid, set_tid_size, cgroup) = (words[8], words[9], words[10]);
    let known = u64::from(u32::MAX) | CLONE_CLEAR_SIGHAND | CLONE_INTO_CGROUP;
    let unusable = CLONE_DETACHED | CSIGNAL & !CLONE_NEWTIME;
    if flags & !known != 0
        || flags & unusable != 0
        || flags & CLONE_SIGHAND != 0 && flags & CLONE_CLEAR_SIGHAND != 0
        || flags & (CLONE_THREAD | CLONE_PARENT) != 0 && exit_signal != 0
        || exit_signal > u64::from(SIGMAX)
        || (stack == 0) != (stack_size == 0)
        || (set_tid == 0) != (set_tid_size == 0)
        || flags & CLONE_INTO_CGROUP != 0 && cgroup > i32::MAX as u64
    {
        return Err(Errno::EINVAL.into());
    }
    if flags & (CLONE_INTO_CGROUP | CLONE_NEWTIME) != 0 || set_tid != 0 {
        return Err(Errno::EPERM.into());
    }
    let stack = stack.wrapping_add(stack_size);
    let exit_signal = exit_signal as u32;
    make(k, &Request { flags, exit_signal, stack, parent_tid, child_tid, tls, pidfd })
}

fn check(k: &mut Kernel<'_>, request: &Request) -> Result<(), Errno> {
    let flags = request.flags;
    let has = |flag| flags & flag != 0;
    if has(CLONE_SIGHAND) && !has(CLONE_VM)
        || has(CLONE_THREAD) && !has(CLONE_SIGHAND)
        // Threads share what a process record holds, all of it.
        || has(CLONE_THREAD) && flags & (CLONE_FS | CLONE_FILES) != CLONE_FS | CLONE_FILES
        || has(CLONE_FS) && has(CLONE_NEWNS)
        || has(CLONE_PIDFD) && (has(CLONE_DETACHED) || has(CLONE_THREAD))
        || has(CLONE_PARENT) && k.process().parent == NO_PARENT
        || request.exit_signal > SIGMAX
    {
        return Err(Errno::EINVAL);
    }
    // Namespaces need a capability that the machine's root does not have, as root in a container.
    if flags & (CLONE_NEW | CLONE_NEWNS) != 0 {
        return Err(Errno::EPERM);
    }
    let user = k.process().credentials.uid[0];
    let limit = k.process().limits[limits::PROCESSES][0];
    let of_user = |k: &Kernel<'_>| {
        let processes = &k.processes;
        k.tasks
            .iter()
            .filter(|t| {
                t.state != state::FREE && processes[t.process as usize].credentials.uid[0] == user
            })
            .count() as u64
    };
    if user != 0 && !identity::capable(k, identity::CAP_SYS_RESOURCE) && of_user(k) >= limit {
        return Err(Errno::EAGAIN);
    }
    Ok(())
}

fn make(k: &mut Kernel<'_>, request: &Request) -> SysResult {
    check(k, request)?;
    let has = |flag| request.flags & flag != 0;
    let parent = k.current();
    let child = new_task(k).ok_or(Errno::EAGAIN)?;
    let process = if has(CLONE_THREAD) {
        k.current_process()
    } else {
        let record = k.processes.iter().position(|p| p.state == DEAD).ok_or(Errno::EAGAIN)?;
        new_process(k, request, record)?;
        record
    };
    let tid = new_pid(k);
    if has(CLONE_THREAD) {
        k.processes[process].threads += 1;
    } else {
        k.processes[process].pid = tid;
        if has(CLONE_PIDFD) {
            match pidfd::open(k, process, false) {
                Ok(fd) if k.write_record(request.pidfd, &fd).is_ok() => {}
                opened => {
                    if let Ok(fd) = opened {
                        pidfd::withdraw(k, fd);
                    }
                    undo_process(k, process);
                    return Err(opened.err().unwrap_or(Errno::EFAULT).into());
                }
            }
        }
    }
    new_thread(k, request, parent, child, process, tid);
    if has(CLONE_PARENT_SETTID) {
        // As in Linux, a bad address is not an error any more.
        let _ = k.write_record(request.parent_tid, &tid);
    }
    if has(CLONE_CHILD_SETTID) {
        let mm = k.processes[process].mm as usize;
        let _ = mm::write_other(k, mm, request.child_tid, &tid.to_le_bytes());
    }
    if has(CLONE_VFORK) {
        k.processes[process].vfork = 1;
        k.task().call_state = [process as u64 + 1, u64::from(tid)];
        return wait_for_vfork(k);
    }
    Ok(u64::from(tid))
}

/// The parent's wait in vfork, also when the call is tried again.
fn wait_for_vfork(k: &mut Kernel<'_>) -> SysResult {
    let [record, tid] = k.task().call_state;
    let process = record as usize - 1;
    let p = &k.processes[process];
    if p.state == ALIVE && u64::from(p.pid) == tid && p.vfork != 0 {
        return Err(Block::Sleep(Channel::Vfork(process as u32), None));
    }
    Ok(tid)
}

/// Fills the record of a new process, all but its number and threads.
fn new_process(k: &mut Kernel<'_>, request: &Request, process: usize) -> Result<(), Errno> {
    let has = |flag| request.flags & flag != 0;
    let own = k.current_process();
    let (from_mm, from_table) = (k.processes[own].mm as usize, k.processes[own].fd_table as usize);
    let space = if has(CLONE_VM) {
        k.mms[from_mm].references += 1;
        from_mm
    } else {
        mm::fork(k, from_mm)?
    };
    let table = if has(CLONE_FILES) {
        k.fd_tables[from_table].references += 1;
        Ok(from_table)
    } else {
        file::fork_table(k, from_table)
    };
    let table = match table {
        Ok(table) => table,
        Err(errno) => {
            mm::release(k, space);
            return Err(errno);
        }
    };
    let (birth, now) = (k.next_order(), k.now());
    let mut p: Process = k.processes[own];
    p.state = ALIVE;
    if !has(CLONE_PARENT) {
        p.parent = own as u32;
        p.adopted = 0;
    }
    p.threads = 1;
    (p.status, p.report, p.stopped, p.exiting, p.group_code, p.vfork) = (0, 0, 0, 0, 0, 0);
    p.exit_signal = if has(CLONE_PARENT) { p.exit_signal } else { request.exit_signal };
    p.mm = space as u32;
    p.fd_table = table as u32;
    p.pending = 0;
    p.timers = [[0; 2]; 3];
    p.cpu_deadline = u64::MAX;
    p.timer_serial = 0;
    p.start_time = now;
    p.ended_time = [0; 2];
    p.birth = birth;
    for inherited in [attribute::SUBREAPER, attribute::DEATH_SIGNAL, attribute::EXECUTED] {
        p.attributes[inherited] = 0;
    }
    if has(CLONE_CLEAR_SIGHAND) {
        for action in p.actions.iter_mut().filter(|action| action.handler != SIG_IGN) {
            *action = Action { handler: SIG_DFL, ..Action::default() };
        }
    }
    for node in [p.cwd, p.root, p.executable] {
        if node != 0 {
            vfs::hold(k, Node(node));
        }
    }
    k.processes[process] = p;
    Ok(())
}

/// Gives back what [`new_process`] took.
fn undo_process(k: &mut Kernel<'_>, process: usize) {
    let Process { mm, fd_table, cwd, root, executable, .. } = k.processes[process];
    k.processes[process] = Process::free();
    file::release_table(k, fd_table as usize);
    mm::release(k, mm as usize);
    for node in [cwd, root, executable] {
        if node != 0 {
            vfs::drop_node(k, Node(node));
        }
    }
}

fn new_thread(
    k: &mut Kernel<'_>,
    request: &Request,
    parent: usize,
    child: usize,
    process: usize,
    tid: u32,
) {
    let has = |flag| request.flags & flag != 0;
    let from = k.tasks[parent];
    let mut t = Task::free();
    t.state = state::RUNNABLE;
    t.tid = tid;
    t.process = process as u32;
    t.call = NO_CALL;
    t.blocked = if from.has_saved_mask != 0 { from.saved_mask } else { from.blocked };
    if !has(CLONE_VM) || has(CLONE_VFORK) {
        t.alternate_stack = from.alternate_stack;
    }
    t.clear_tid = if has(CLONE_CHILD_CLEARTID) { request.child_tid } else { 0 };
    t.name = from.name;
    if from.policy & SCHED_RESET_ON_FORK == 0 {
        t.policy = from.policy;
        t.priority = from.priority;
    }
    t.timer_slack = if from.timer_slack == 0 { boot::TIMER_SLACK } else { from.timer_slack };
    t.affinity = from.affinity;
    k.tasks[child] = t;
    let mut core = k.cores[parent];
    core.set_x(0, 0);
    core.clear_exclusive();
    if request.stack != 0 {
        core.set_sp(request.stack);
    }
    if has(CLONE_SETTLS) {
        core.slots[slot::TPIDR as usize] = request.tls;
    }
    k.cores[child] = core;
}

/// set_tid_address(2).
pub fn set_tid_address(k: &mut Kernel<'_>, address: u64) -> SysResult {
    k.task().clear_tid = address;
    Ok(u64::from(k.task().tid))
}

/// unshare(2): nothing can be unshared but the descriptor table and what a process does not share.
pub fn unshare(k: &mut Kernel<'_>, flags: u64) -> SysResult {
    const CLONE_SYSVSEM: u64 = 0x4_0000;
    let shares = CLONE_FS | CLONE_FILES | CLONE_SYSVSEM | CLONE_VM | CLONE_THREAD | CLONE_SIGHAND;
    if flags & !(shares | CLONE_NEW | CLONE_NEWNS | CLONE_NEWTIME) != 0 {
        return Err(Errno::EINVAL.into());
    }
    if flags & (CLONE_NEW | CLONE_NEWNS | CLONE_NEWTIME) != 0 {
        return Err(Errno::EPERM.into());
    }
    let process = k.current_process();
    let p = &k.processes[process];
    if flags & !CLONE_SYSVSEM != 0 && p.threads > 1 {
        return Err(Errno::EINVAL.into());
    }
    let table = p.fd_table as usize;
    if flags & CLONE_FILES != 0 && k.fd_tables[table].references > 1 {
        let own = file::fork_table(k, table)?;
        file::release_table(k, table);
        k.processes[process].fd_table = own as u32;
    }
    Ok(0)
}
