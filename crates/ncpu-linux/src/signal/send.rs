//! Making signals pending.

use super::{CLD_CONTINUED, CLD_STOPPED, SI_TIMER};
use super::{IGNORED_SIGNALS, Info, KERNEL_ONLY, Queued, SA_NOCLDSTOP, SIG_DFL, SIG_IGN};
use super::{SIGCHLD, SIGCONT, SIGKILL, SIGMAX, SIGRTMIN, STOP_SIGNALS, SYNCHRONOUS, bit};
use crate::image::Kernel;
use crate::process::{self, ALIVE, NO_PARENT, REPORT_CONTINUED, REPORT_STOPPED, state};
use crate::{Channel, Errno};

/// Whom a signal is pending for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// One thread (task index).
    Task(usize),
    /// Any thread of a process (process index).
    Process(usize),
}

impl Target {
    fn owner(self) -> u32 {
        match self {
            Target::Task(task) => task as u32 + 1,
            Target::Process(process) => (process as u32 + 1) | Queued::PROCESS,
        }
    }

    fn process(self, kernel: &Kernel<'_>) -> usize {
        match self {
            Target::Task(task) => kernel.tasks[task].process as usize,
            Target::Process(process) => process,
        }
    }

    pub(super) fn pending<'k>(self, kernel: &'k mut Kernel<'_>) -> &'k mut u64 {
        match self {
            Target::Task(task) => &mut kernel.tasks[task].pending,
            Target::Process(process) => &mut kernel.processes[process].pending,
        }
    }
}

/// Sends a signal to a process: any of its threads that does not block it takes it.
pub fn send_process(kernel: &mut Kernel<'_>, process: usize, info: Info) {
    // A kernel-made signal that cannot be queued is delivered without details.
    let _ = send(kernel, Target::Process(process), info);
}

/// Sends a signal to one thread.
pub fn send_task(kernel: &mut Kernel<'_>, task: usize, info: Info) {
    // As above.
    let _ = send(kernel, Target::Task(task), info);
}

/// Sends a signal to all processes of a group.
pub fn send_group(kernel: &mut Kernel<'_>, group: u32, info: Info) {
    for process in 0..kernel.processes.len() {
        let p = &kernel.processes[process];
        if p.state == ALIVE && p.group == group {
            send_process(kernel, process, info);
        }
    }
}

/// Sends a signal that cannot be blocked or ignored (a fault of the task itself).
pub fn force(kernel: &mut Kernel<'_>, task: usize, info: Info) {
    let process = kernel.tasks[task].process as usize;
    let set = bit(info.signal);
    let action = &mut kernel.processes[process].actions[(info.signal as usize - 1) & 63];
    if action.handler == SIG_IGN || kernel.tasks[task].blocked & set != 0 {
        action.handler = SIG_DFL;
        kernel.tasks[task].blocked &= !set;
    }
    if kernel.tasks[task].pending & set == 0 {
        let record = free_record(kernel, 0);
        enqueue(kernel, record, Target::Task(task), info);
        kernel.tasks[task].pending |= set;
    }
}

/// Whether the signal would have no effect on the process at all. A blocked signal is never ignored,
/// since its action may change before it is unblocked.
fn is_ignored(kernel: &Kernel<'_>, process: usize, blocked: u64, signal: u32) -> bool {
    if blocked & bit(signal) != 0 {
        return false;
    }
    let handler = kernel.processes[process].actions[signal as usize - 1].handler;
    if is_protected(kernel, process) && handler == SIG_DFL {
        return true;
    }
    handler == SIG_IGN || handler == SIG_DFL && IGNORED_SIGNALS & bit(signal) != 0
}

/// Whether default actions do not apply to the process (`pid_namespaces(7)`, "The namespace init
/// process").
pub(super) fn is_protected(kernel: &Kernel<'_>, process: usize) -> bool {
    kernel.header.first_is_init != 0 && kernel.processes[process].pid == 1
}

/// Sends a signal; EAGAIN when a real-time signal with details cannot be queued.
pub fn send(kernel: &mut Kernel<'_>, target: Target, info: Info) -> Result<(), Errno> {
    let signal = info.signal;
    let process = target.process(kernel);
    if !(1..=SIGMAX).contains(&signal) || kernel.processes[process].state != ALIVE {
        return Ok(());
    }
    let chosen = match target {
        Target::Task(task) => Some(task),
        Target::Process(process) => process::main_task(kernel, process),
    };
    let Some(chosen) = chosen else { return Ok(()) };
    prepare(kernel, process, signal);
    let blocked = kernel.tasks[chosen].blocked;
    if is_ignored(kernel, process, blocked, signal) {
        return Ok(());
    }
    let set = bit(signal);
    if signal < SIGRTMIN && *target.pending(kernel) & set != 0 {
        return Ok(());
    }
    // The last records are kept for faults, whose details a handler cannot do without.
    let reserve = kernel.signals.len() / 8;
    let record = free_record(kernel, reserve);
    let limit = kernel.processes[process].limits[process::limits::SIGNALS][0];
    if record.is_none() || record.is_some_and(|record| record as u64 >= limit) {
        if signal >= SIGRTMIN && info.code != super::SI_USER {
            return Err(Errno::EAGAIN);
        }
    } else {
        enqueue(kernel, record, target, info);
    }
    *target.pending(kernel) |= set;
    wake_for(kernel, target, chosen, signal);
    Ok(())
}

/// Wakes a thread that can take the signal, and whoever reads signals as data.
fn wake_for(kernel: &mut Kernel<'_>, target: Target, chosen: usize, signal: u32) {
    let process = target.process(kernel);
    kernel.wake(Channel::Signal(process as u32));
    let takes = |k: &Kernel<'_>, task: usize| k.tasks[task].blocked & bit(signal) == 0;
    if takes(kernel, chosen) {
        kernel.wake_task(chosen);
    } else if matches!(target, Target::Process(_)) {
        let mut from = 0;
        while let Some(task) = process::next_task(kernel, process, from) {
            if takes(kernel, task) {
                kernel.wake_task(task);
                break;
            }
            from = task + 1;
        }
    }
}

/// What sending does even when the signal is blocked or ignored: stop signals and SIGCONT cancel
/// each other, and SIGCONT and SIGKILL let a stopped process run.
fn prepare(kernel: &mut Kernel<'_>, process: usize, signal: u32) {
    if STOP_SIGNALS & bit(signal) != 0 {
        cancel(kernel, process, bit(SIGCONT));
    } else if signal == SIGCONT {
        cancel(kernel, process, STOP_SIGNALS);
        if kernel.processes[process].stopped != 0 {
            resume(kernel, process);
            let p = &mut kernel.processes[process];
            p.report = REPORT_CONTINUED;
            p.status = process::wait::CONTINUED;
            notify_parent(kernel, process, CLD_CONTINUED, SIGCONT as i32);
        }
    } else if signal == SIGKILL && kernel.processes[process].stopped != 0 {
        resume(kernel, process);
        kernel.processes[process].report = 0;
    }
}

fn resume(kernel: &mut Kernel<'_>, process: usize) {
    kernel.processes[process].stopped = 0;
    let mut from = 0;
    while let Some(task) = process::next_task(kernel, process, from) {
        if kernel.tasks[task].state == state::STOPPED {
            // A system call that it was in looks at the state anew.
            kernel.tasks[task].state = state::RUNNABLE;
        }
        from = task + 1;
    }
}

/// Stops all threads of a process on `signal`.
pub(super) fn stop(kernel: &mut Kernel<'_>, process: usize, signal: u32) {
    let mut from = 0;
    while let Some(task) = process::next_task(kernel, process, from) {
        kernel.tasks[task].state = state::STOPPED;
        from = task + 1;
    }
    let p = &mut kernel.processes[process];
    p.stopped = 1;
    p.status = process::wait::stopped(signal);
    p.report = REPORT_STOPPED;
    notify_parent(kernel, process, CLD_STOPPED, signal as i32);
}

/// Tells the parent that a child has stopped or continued.
fn notify_parent(kernel: &mut Kernel<'_>, process: usize, code: i32, status: i32) {
    let p = &kernel.processes[process];
    let parent = p.parent;
    if parent == NO_PARENT || p.adopted != 0 {
        return;
    }
    let info = child_info(kernel, process, SIGCHLD, code, status);
    let action = kernel.processes[parent as usize].actions[SIGCHLD as usize - 1];
    if action.handler != SIG_IGN && action.flags & SA_NOCLDSTOP == 0 {
        send_process(kernel, parent as usize, info);
    }
    kernel.wake(Channel::Child(parent));
}

/// Details of a SIGCHLD about `process`.
pub fn child_info(
    kernel: &Kernel<'_>,
    process: usize,
    signal: u32,
    code: i32,
    status: i32,
) -> Info {
    let p = &kernel.processes[process];
    let ticks = process::user_time(kernel, process) / process::limits::NANOSECONDS_PER_TICK;
    Info { signal, code, errno: 0, pid: p.pid, uid: p.credentials.uid[0], status, value: ticks }
}

/// Removes pending signals of `set` from a process and all its threads.
pub fn cancel(kernel: &mut Kernel<'_>, process: usize, set: u64) {
    remove(kernel, Target::Process(process), set);
    let mut from = 0;
    while let Some(task) = process::next_task(kernel, process, from) {
        remove(kernel, Target::Task(task), set);
        from = task + 1;
    }
}

/// Removes pending signals of `set`, with their details.
pub fn remove(kernel: &mut Kernel<'_>, target: Target, set: u64) {
    let pending = target.pending(kernel);
    if *pending & set == 0 {
        return;
    }
    *pending &= !set;
    let owner = target.owner();
    for record in kernel.signals.iter_mut() {
        if record.owner == owner && bit(record.info.signal) & set != 0 {
            *record = Queued::default();
        }
    }
}

/// Takes the next signal of `set` that is pending there: faults first, then by number, and real-time
/// signals of one number in order of arrival.
pub(super) fn take(kernel: &mut Kernel<'_>, target: Target, set: u64) -> Option<Info> {
    let ready = *target.pending(kernel) & set;
    if ready == 0 {
        return None;
    }
    let first = if ready & SYNCHRONOUS != 0 { ready & SYNCHRONOUS } else { ready };
    let first = if ready & KERNEL_ONLY & bit(SIGKILL) != 0 { bit(SIGKILL) } else { first };
    let signal = first.trailing_zeros() + 1;
    let owner = target.owner();
    let mut oldest: Option<usize> = None;
    let mut more = false;
    for (index, record) in kernel.signals.iter().enumerate() {
        if record.owner == owner && record.info.signal == signal {
            more |= oldest.is_some();
            if oldest.is_none_or(|best| record.order < kernel.signals[best].order) {
                oldest = Some(index);
            }
        }
    }
    if !more {
        *target.pending(kernel) &= !bit(signal);
    }
    Some(match oldest {
        Some(index) => core::mem::take(&mut kernel.signals[index]).info,
        None => Info::user(signal, super::SI_USER, 0, 0),
    })
}

fn free_record(kernel: &Kernel<'_>, reserve: usize) -> Option<usize> {
    let end = kernel.signals.len() - reserve;
    kernel.signals[..end].iter().position(|record| record.owner == 0)
}

fn enqueue(kernel: &mut Kernel<'_>, record: Option<usize>, target: Target, info: Info) {
    if let Some(record) = record {
        let order = kernel.next_order();
        kernel.signals[record] = Queued { owner: target.owner(), reserved: 0, order, info };
    }
}

/// The queued signal of a POSIX timer, while it has not been delivered.
pub fn pending_from_timer<'k>(
    kernel: &'k mut Kernel<'_>,
    target: Target,
    signal: u32,
    timer: u32,
) -> Option<&'k mut Info> {
    let owner = target.owner();
    kernel
        .signals
        .iter_mut()
        .map(|record| (record.owner, &mut record.info))
        .find(|(of, info)| {
            *of == owner && info.signal == signal && info.code == SI_TIMER && info.pid == timer
        })
        .map(|(_, info)| info)
}
