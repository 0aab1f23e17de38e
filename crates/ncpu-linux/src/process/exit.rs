//! The end of threads and processes.

use super::{ALIVE, DEAD, NO_PARENT, Process, Task, ZOMBIE, attribute, boot, futex, group, wait};
use super::{main_task, next_task, state};
use crate::host::Request;
use crate::image::{Kernel, Record};
use crate::signal::send::{self, Target};
use crate::signal::{self, CLD_EXITED, CLD_KILLED, Info, SA_NOCLDWAIT, SI_USER, SIG_IGN};
use crate::signal::{SIGCHLD, SIGCONT, SIGHUP};
use crate::vfs::Node;
use crate::{Block, Channel, SysResult, file, ipc, mm, time, tty, vfs};
use ncpu_machine::{Core, Ppn};

/// exit(2): ends the calling thread.
pub fn exit(k: &mut Kernel<'_>, code: i32) -> SysResult {
    let task = k.current();
    k.tasks[task].exit_code = wait::exited(code);
    end_task(k, task);
    Err(Block::NoReturn)
}

/// exit_group(2).
pub fn exit_group_call(k: &mut Kernel<'_>, code: i32) -> SysResult {
    let process = k.current_process();
    exit_group(k, process, wait::exited(code));
    Err(Block::NoReturn)
}

/// Ends all threads of the process with this wait status.
pub fn exit_group(kernel: &mut Kernel<'_>, process: usize, status: u32) {
    let p = &mut kernel.processes[process];
    if p.state != ALIVE {
        return;
    }
    p.exiting = 1;
    p.group_code = status;
    // The calling thread last, since the others' futexes are in the memory that it runs in.
    let current = kernel.header.current as usize;
    let mut from = 0;
    while let Some(task) = next_task(kernel, process, from) {
        if task != current {
            end_task(kernel, task);
        }
        from = task + 1;
    }
    if let Some(task) = next_task(kernel, process, 0) {
        end_task(kernel, task);
    }
}

/// What a thread tells others through memory when it stops using it: robust futexes, and the word
/// of CLONE_CHILD_CLEARTID.
pub(super) fn leave_memory(kernel: &mut Kernel<'_>, task: usize) {
    let process = kernel.tasks[task].process as usize;
    let mm = kernel.processes[process].mm as usize;
    if kernel.mem.root() != Ppn(kernel.mms[mm].root) {
        return;
    }
    futex::leave_robust_list(kernel, task);
    let clear = kernel.tasks[task].clear_tid;
    let shared = kernel.mms[mm].references > 1 || kernel.processes[process].threads > 1;
    if clear != 0 && shared && kernel.write_record(clear, &0u32).is_ok() {
        futex::wake_at(kernel, clear, 1);
    }
}

/// Ends one thread, and with the last one its process.
pub(super) fn end_task(kernel: &mut Kernel<'_>, task: usize) {
    leave_memory(kernel, task);
    cancel_request(kernel, task);
    send::remove(kernel, Target::Task(task), u64::MAX);
    let ended = kernel.tasks[task];
    let process = ended.process as usize;
    kernel.tasks[task] = Task::free();
    kernel.cores[task] = Core { slots: [0; ncpu_uop::slot::COUNT], pc: 0 };
    let p = &mut kernel.processes[process];
    p.ended_time[0] += ended.user_time;
    p.threads = p.threads.saturating_sub(1);
    if ended.tid == p.pid && p.exiting == 0 {
        // The status of a process whose threads end one by one is that of its first thread.
        p.group_code = ended.exit_code;
    }
    if p.threads == 0 {
        let status = p.group_code;
        end_process(kernel, process, &ended, status);
    }
}

/// Withdraws what the task has asked the host for.
fn cancel_request(kernel: &mut Kernel<'_>, task: usize) {
    let request = core::mem::take(&mut kernel.requests[task]);
    if request.operation == Request::default().operation {
        return;
    }
    if request.done == 0 {
        kernel.header.host_requests = kernel.header.host_requests.saturating_sub(1);
    }
    if request.page != 0 {
        kernel.mem.release(Ppn(request.page));
    }
}

fn end_process(kernel: &mut Kernel<'_>, process: usize, last: &Task, status: u32) {
    time::timer::delete_all(kernel, process);
    let p = &mut kernel.processes[process];
    p.timers = [[0; 2]; 3];
    p.cpu_deadline = u64::MAX;
    p.stopped = 0;
    p.report = 0;
    let Process { pid, fd_table, mm, cwd, root, executable, session, .. } = *p;
    send::remove(kernel, Target::Process(process), u64::MAX);
    file::release_table(kernel, fd_table as usize);
    mm::release(kernel, mm as usize);
    ipc::sysv::process_ends(kernel, process);
    boot::end_vfork(kernel, process);
    for node in [cwd, root, executable] {
        if node != 0 {
            vfs::drop_node(kernel, Node(node));
        }
    }
    if session == pid {
        tty::leader_exits(kernel, process);
    }
    if pid == 1 {
        end_machine(kernel, status);
        return;
    }
    let p = &mut kernel.processes[process];
    (p.fd_table, p.mm, p.cwd, p.root, p.executable) = (0, 0, 0, 0, 0);
    p.state = ZOMBIE;
    p.status = status;
    let parent = p.parent;
    hand_over_children(kernel, process);
    group::hang_up_if_orphaned(kernel, process, parent);
    // The name stays visible in /proc until the process is waited for.
    kernel.processes[process].name = last.name;
    announce(kernel, process);
}

/// The first process is gone: nothing runs any more.
pub(super) fn end_machine(kernel: &mut Kernel<'_>, status: u32) {
    kernel.header.ended = 1;
    kernel.header.exit_status = status;
    for task in kernel.tasks.iter_mut() {
        task.state = state::FREE;
    }
    for process in kernel.processes.iter_mut() {
        process.state = DEAD;
    }
}

/// Whom orphans go to: the nearest ancestor that is a subreaper (`PR_SET_CHILD_SUBREAPER`), or the
/// first process.
fn reaper_of(kernel: &Kernel<'_>, process: usize) -> Option<usize> {
    let mut parent = kernel.processes[process].parent;
    // A chain of parents has no more members than there are processes.
    for _ in 0..kernel.processes.len() {
        if parent == NO_PARENT {
            break;
        }
        let p = &kernel.processes[parent as usize];
        if p.state == ALIVE && p.attributes[attribute::SUBREAPER] != 0 {
            return Some(parent as usize);
        }
        parent = p.parent;
    }
    super::by_pid(kernel, 1)
}

fn hand_over_children(kernel: &mut Kernel<'_>, process: usize) {
    let Some(reaper) = reaper_of(kernel, process) else { return };
    for child in 0..kernel.processes.len() {
        let c = &kernel.processes[child];
        if c.state == DEAD || c.parent as usize != process {
            continue;
        }
        let (state, death_signal) = (c.state, c.attributes[attribute::DEATH_SIGNAL]);
        let to_init = kernel.processes[reaper].pid == 1
            && kernel.processes[reaper].attributes[attribute::SUBREAPER] == 0;
        let adopted = to_init && kernel.header.first_is_init == 0;
        kernel.processes[child].parent = reaper as u32;
        kernel.processes[child].adopted = adopted as u32;
        kernel.processes[child].exit_signal = SIGCHLD;
        if state == ZOMBIE {
            announce(kernel, child);
            continue;
        }
        if death_signal != 0 {
            let p = &kernel.processes[process];
            let info = Info::user(death_signal, SI_USER, p.pid, p.credentials.uid[0]);
            signal::send_process(kernel, child, info);
        }
        group::hang_up_if_orphaned(kernel, child, process as u32);
    }
}

/// Tells the parent of a zombie, which goes away at once when the parent does not want to know.
fn announce(kernel: &mut Kernel<'_>, process: usize) {
    let p = &kernel.processes[process];
    let (parent, exit_signal, status) = (p.parent, p.exit_signal, p.status);
    let init_reaps = p.adopted != 0;
    if parent == NO_PARENT || init_reaps || kernel.processes[parent as usize].state != ALIVE {
        release(kernel, process);
        // Who polls a descriptor of the process sleeps on every channel.
        kernel.wake(Channel::Child(parent));
        return;
    }
    let parent = parent as usize;
    let action = kernel.processes[parent].actions[SIGCHLD as usize - 1];
    let unwanted =
        exit_signal == SIGCHLD && (action.handler == SIG_IGN || action.flags & SA_NOCLDWAIT != 0);
    if exit_signal != 0 && !(exit_signal == SIGCHLD && action.handler == SIG_IGN) {
        let (code, value) = match wait::signal_of(status) {
            0 => (CLD_EXITED, status >> 8 & 0xff),
            signal => (CLD_KILLED, signal),
        };
        let info = send::child_info(kernel, process, exit_signal, code, value as i32);
        signal::send_process(kernel, parent, info);
    }
    if unwanted {
        release(kernel, process);
    }
    kernel.wake(Channel::Child(parent as u32));
}

/// Frees the record of a process that has been waited for.
pub(super) fn release(kernel: &mut Kernel<'_>, process: usize) {
    kernel.processes[process] = Process::free();
}

/// Sends SIGHUP and SIGCONT to the members of a group.
pub(super) fn hang_up_group(kernel: &mut Kernel<'_>, group: u32) {
    signal::send_group(kernel, group, Info::kernel(SIGHUP));
    signal::send_group(kernel, group, Info::kernel(SIGCONT));
}

/// Name of a process: that of its first thread, or what it was when it ended.
pub fn name_of(kernel: &Kernel<'_>, process: usize) -> [u8; 16] {
    match main_task(kernel, process) {
        Some(task) => kernel.tasks[task].name,
        None => kernel.processes[process].name,
    }
}
