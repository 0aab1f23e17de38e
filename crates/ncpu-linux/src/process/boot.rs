//! The first process, and what execve does to a process besides its memory.

use super::{ALIVE, Action, NO_CALL, NO_PARENT, Process, Task, attribute, exit, identity, limits};
use super::{new_task, state};
use crate::Errno;
use crate::image::{Kernel, Record};
use crate::signal::{SIG_DFL, SIG_IGN};
use crate::vfs::Node;
use crate::{Channel, file, mm, time, vfs};
use ncpu_machine::{Core, Ppn};

/// Nice value 0, as kept in [`Process::nice`].
const NORMAL_NICE: u32 = 20;
/// Default timer slack: 50 microseconds.
pub(super) const TIMER_SLACK: u64 = 50_000;

/// Sets up the first process (number 1, leader of session 1) and makes its task the current one.
/// It runs as root in the root directory, with an empty address space and descriptor table; the
/// caller opens its standard streams and calls [`crate::exec::boot`]. Returns its process index.
pub fn boot(kernel: &mut Kernel<'_>) -> Result<usize, Errno> {
    let task = new_task(kernel).ok_or(Errno::EAGAIN)?;
    let process = kernel.processes.iter().position(|p| p.state == super::DEAD);
    let process = process.ok_or(Errno::EAGAIN)?;
    let space = mm::new(kernel)?;
    let table = file::new_table(kernel)?;
    let birth = kernel.next_order();
    let now = kernel.now();
    let p = &mut kernel.processes[process];
    *p = Process::free();
    p.state = ALIVE;
    p.pid = 1;
    p.parent = NO_PARENT;
    p.group = 1;
    p.session = 1;
    p.threads = 1;
    p.mm = space as u32;
    p.fd_table = table as u32;
    p.umask = 0o022;
    p.limits = limits::defaults(&kernel.header.limits);
    p.start_time = now;
    p.attributes[attribute::DUMPABLE] = 1;
    p.nice = NORMAL_NICE;
    p.birth = birth;
    p.capabilities = identity::ROOT_CAPABILITIES;
    p.cpu_deadline = u64::MAX;
    p.cwd = Node::ROOT.0;
    p.root = Node::ROOT.0;
    vfs::hold(kernel, Node::ROOT);
    vfs::hold(kernel, Node::ROOT);
    let t = &mut kernel.tasks[task];
    *t = Task::free();
    t.state = state::RUNNABLE;
    t.tid = 1;
    t.process = process as u32;
    t.call = NO_CALL;
    t.timer_slack = TIMER_SLACK;
    t.affinity = 1;
    kernel.cores[task] = Core::default();
    kernel.header.current = task as u32;
    kernel.header.quantum = crate::kernel::QUANTUM;
    kernel.header.last_pid = kernel.header.last_pid.max(1);
    kernel.header.next_deadline = u64::MAX;
    kernel.mem.set_root(Ppn(kernel.mms[space].root));
    Ok(process)
}

/// What execve does to the process besides its memory, to be called when it can no longer fail and
/// while the old address space is still current: ends the other threads, resets handlers, timers
/// and attributes, closes descriptors, names the task, lets a vfork parent go on (`execve(2)`,
/// "Effect on process attributes").
pub fn on_exec(kernel: &mut Kernel<'_>, name: &[u8]) {
    let task = kernel.current();
    let process = kernel.current_process();
    let mut from = 0;
    while let Some(other) = super::next_task(kernel, process, from) {
        if other != task {
            exit::end_task(kernel, other);
        }
        from = other + 1;
    }
    exit::leave_memory(kernel, task);
    time::timer::delete_all(kernel, process);
    let t = &mut kernel.tasks[task];
    t.clear_tid = 0;
    t.robust_list = 0;
    t.alternate_stack = [0; 3];
    t.fault_address = 0;
    t.fault_syndrome = 0;
    t.has_saved_mask = 0;
    let length = name.len().min(t.name.len() - 1);
    t.name = [0; 16];
    t.name[..length].copy_from_slice(&name[..length]);
    let p = &mut kernel.processes[process];
    // The thread that executes the program becomes the leader.
    kernel.tasks[task].tid = p.pid;
    for action in &mut p.actions {
        let handler = if action.handler == SIG_IGN { SIG_IGN } else { SIG_DFL };
        *action = Action { handler, ..Action::default() };
    }
    p.attributes[attribute::EXECUTED] = 1;
    p.attributes[attribute::KEEP_CAPABILITIES] = 0;
    p.attributes[attribute::DUMPABLE] = 1;
    p.exit_signal = if p.exit_signal == 0 { 0 } else { crate::signal::SIGCHLD };
    identity::capabilities_after_exec(p);
    let table = p.fd_table as usize;
    if kernel.fd_tables[table].references > 1
        && let Ok(own) = file::fork_table(kernel, table)
    {
        file::release_table(kernel, table);
        kernel.processes[process].fd_table = own as u32;
    }
    let table = kernel.processes[process].fd_table as usize;
    file::close_on_exec(kernel, table);
    end_vfork(kernel, process);
}

/// Lets the parent of a vfork child go on.
pub(super) fn end_vfork(kernel: &mut Kernel<'_>, process: usize) {
    if kernel.processes[process].vfork != 0 {
        kernel.processes[process].vfork = 0;
        kernel.wake(Channel::Vfork(process as u32));
    }
}
