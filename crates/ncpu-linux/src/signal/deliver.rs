//! Acting on pending signals.

use super::send::{self, Target, is_protected};
use super::{IGNORED_SIGNALS, Info, KERNEL_ONLY, SIG_DFL, SIG_IGN, SIGSTOP, STOP_SIGNALS};
use super::{SYNCHRONOUS, bit, frame};
use crate::image::Kernel;
use crate::process::{self, state};

/// Whether a signal that would be delivered now is pending for the task.
pub fn is_pending(kernel: &Kernel<'_>, task: usize) -> bool {
    let t = &kernel.tasks[task];
    (t.pending | kernel.processes[t.process as usize].pending) & !t.blocked != 0
}

/// Takes the next pending signal of `set` from the task or its process, for rt_sigtimedwait and
/// signalfd.
pub fn dequeue(kernel: &mut Kernel<'_>, task: usize, set: u64) -> Option<Info> {
    let process = kernel.tasks[task].process as usize;
    send::take(kernel, Target::Task(task), set)
        .or_else(|| send::take(kernel, Target::Process(process), set))
}

/// Blocks `mask` instead of the current mask until the current system call ends (ppoll, pselect6,
/// epoll_pwait, rt_sigsuspend); a handler that interrupts it returns to the old mask. May be called
/// on every retry of the call.
pub fn set_temporary_mask(kernel: &mut Kernel<'_>, mask: u64) {
    let t = kernel.task();
    if t.has_saved_mask == 0 {
        t.has_saved_mask = 1;
        t.saved_mask = t.blocked;
    }
    t.blocked = mask & !KERNEL_ONLY;
}

/// Delivers pending signals to the task before it returns to user mode; true when anything was done.
/// The task may then be in a handler, stopped or gone.
pub fn deliver(kernel: &mut Kernel<'_>, task: usize) -> bool {
    let mut acted = false;
    while is_pending(kernel, task) {
        let allowed = !kernel.tasks[task].blocked;
        // A fault of the task itself comes before anything that others sent.
        let faults = allowed & SYNCHRONOUS;
        let info = send::take(kernel, Target::Task(task), faults)
            .or_else(|| dequeue(kernel, task, allowed));
        let Some(info) = info else { break };
        acted = true;
        if !act(kernel, task, info) {
            break;
        }
    }
    acted
}

/// Acts on one signal; false when the task does not run on.
fn act(kernel: &mut Kernel<'_>, task: usize, info: Info) -> bool {
    let process = kernel.tasks[task].process as usize;
    let action = kernel.processes[process].actions[(info.signal as usize - 1) & 63];
    match action.handler {
        SIG_IGN => true,
        SIG_DFL => default_action(kernel, process, info),
        _ => {
            frame::enter(kernel, task, action, info);
            kernel.tasks[task].state == state::RUNNABLE
        }
    }
}

fn default_action(kernel: &mut Kernel<'_>, process: usize, info: Info) -> bool {
    let set = bit(info.signal);
    if IGNORED_SIGNALS & set != 0 {
        return true;
    }
    // A fault is fatal for the first process too; what others send is not.
    let is_fault = SYNCHRONOUS & set != 0 && info.code > 0;
    if is_protected(kernel, process) && !is_fault {
        return true;
    }
    if STOP_SIGNALS & set != 0 {
        let group = kernel.processes[process].group;
        if info.signal != SIGSTOP && process::group::is_orphaned(kernel, group, None) {
            return true;
        }
        send::stop(kernel, process, info.signal);
        return false;
    }
    process::exit_group(kernel, process, info.signal);
    false
}
