//! Tasks and processes: records, and the calls that make, end and describe them.
//!
//! A [`Process`] is a thread group; a [`Task`] is one of its threads. Both tables are indexed by
//! position; process and thread numbers as programs see them are fields.

mod boot;
pub mod clone;
pub mod exit;
pub mod futex;
pub mod group;
pub mod identity;
pub mod limits;
pub mod pidfd;
pub mod prctl;
pub mod sched;
pub mod system;
pub mod wait;

pub use boot::{boot, on_exec};
pub use exit::exit_group;

use crate::image::{Kernel, Record};

/// States of a task.
pub mod state {
    /// The record is free.
    pub const FREE: u32 = 0;
    /// It can run.
    pub const RUNNABLE: u32 = 1;
    /// It sleeps on a channel, see [`crate::Channel`].
    pub const SLEEPING: u32 = 2;
    /// It is stopped by a signal; `resume_state` says what it was.
    pub const STOPPED: u32 = 3;
}

/// `Process::state` of a free record.
pub const DEAD: u32 = 0;
/// `Process::state` while it has threads.
pub const ALIVE: u32 = 1;
/// `Process::state` between its end and its parent's wait.
pub const ZOMBIE: u32 = 2;
/// `Process::report`: it has stopped and no wait has told so.
pub const REPORT_STOPPED: u32 = 1;
/// `Process::report`: it has continued and no wait has told so.
pub const REPORT_CONTINUED: u32 = 2;
/// `Process::parent` of the first process.
pub const NO_PARENT: u32 = u32::MAX;

/// `Task::call` when the task is not in a system call.
pub const NO_CALL: u32 = u32::MAX;
/// `Task::call_slept`: the call has slept and is restarted after handlers with SA_RESTART.
pub const SLEPT: u32 = 1;
/// `Task::call_slept`: the call has slept and is never restarted after a handler.
pub const SLEPT_ONCE: u32 = 2;
/// A thread. Its registers are the entry of the same index in the table of cores.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct Task {
    /// One of [`state`].
    pub state: u32,
    /// Thread number.
    pub tid: u32,
    /// Index of its process.
    pub process: u32,
    /// What it was before it was stopped.
    pub resume_state: u32,
    /// Key of the channel that it sleeps on.
    pub channel: u64,
    /// When it wakes at the latest (virtual nanoseconds), `u64::MAX` for never.
    pub deadline: u64,
    /// Number of the system call that it is in, or [`NO_CALL`].
    pub call: u32,
    /// 0, [`SLEPT`] or [`SLEPT_ONCE`].
    pub call_slept: u32,
    /// Arguments of the call.
    pub call_arguments: [u64; 6],
    /// Absolute deadline of the call's own timeout, 0 when it has none yet.
    pub call_deadline: u64,
    /// Bytes that the call has transferred so far.
    pub call_progress: u64,
    /// Whatever else the call has to remember between tries; zero at its start.
    pub call_state: [u64; 2],
    /// Parameters of the scheduling policy: SCHED_* number.
    pub policy: u32,
    /// Whether the mask in `saved_mask` is to be restored (sigsuspend, ppoll, ...).
    pub has_saved_mask: u32,
    /// Blocked signals, bit `n - 1` for signal `n`.
    pub blocked: u64,
    /// The mask to return to.
    pub saved_mask: u64,
    /// Signals pending for this thread.
    pub pending: u64,
    /// Alternate signal stack: base, size, flags.
    pub alternate_stack: [u64; 3],
    /// Address to clear and wake at exit (CLONE_CHILD_CLEARTID).
    pub clear_tid: u64,
    /// Head of the robust futex list.
    pub robust_list: u64,
    /// Name (`comm`), NUL-padded.
    pub name: [u8; 16],
    /// Instructions retired in user mode.
    pub user_time: u64,
    /// Exit code when the thread alone ends.
    pub exit_code: u32,
    /// Real-time priority of the scheduling policy.
    pub priority: u32,
    /// Futex that it waits for, as a key; meaningful while `futex_order` is not 0.
    pub futex_key: u64,
    /// Place in the queue of waiters, 0 when it waits for none.
    pub futex_order: u64,
    /// Bits that a wake must share.
    pub futex_bits: u32,
    /// Set by the wake that chose this waiter.
    pub futex_woken: u32,
    /// Address of the last fault, for signal frames.
    pub fault_address: u64,
    /// Syndrome of the last fault (Arm ARM D17.2.37, ESR_EL1), 0 for none.
    pub fault_syndrome: u64,
    /// Timer slack (PR_SET_TIMERSLACK).
    pub timer_slack: u64,
    /// CPUs that it may run on (sched_setaffinity); there is one.
    pub affinity: u64,
}

/// What a process does on a signal.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct Action {
    /// Handler address, or SIG_DFL (0), SIG_IGN (1).
    pub handler: u64,
    /// SA_* flags.
    pub flags: u64,
    /// Signals blocked while the handler runs.
    pub mask: u64,
    /// Where the handler returns to, with SA_RESTORER.
    pub restorer: u64,
}

/// Identities (credentials(7)).
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct Credentials {
    /// Real, effective, saved and file-system user.
    pub uid: [u32; 4],
    /// Real, effective, saved and file-system group.
    pub gid: [u32; 4],
    /// Number of supplementary groups.
    pub group_count: u32,
    /// Supplementary groups.
    pub groups: [u32; 31],
}

/// A thread group.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct Process {
    /// 0 free, 1 alive, 2 zombie.
    pub state: u32,
    /// Process number.
    pub pid: u32,
    /// Index of the parent process, `u32::MAX` for none.
    pub parent: u32,
    /// Process group number.
    pub group: u32,
    /// Session number.
    pub session: u32,
    /// Controlling terminal (tty index + 1), 0 for none.
    pub terminal: u32,
    /// Live threads.
    pub threads: u32,
    /// Wait status once it is a zombie; while stopped or continued, what waitpid reports.
    pub status: u32,
    /// 1 stopped and not yet reported, 2 continued and not yet reported.
    pub report: u32,
    /// 1 while stopped by job control.
    pub stopped: u32,
    /// Set when the whole group is exiting, with the code in `group_code`.
    pub exiting: u32,
    /// Wait status of the group exit.
    pub group_code: u32,
    /// Signal to send to the parent at exit.
    pub exit_signal: u32,
    /// 1 until execve or exit when the parent waits in vfork.
    pub vfork: u32,
    /// Index of the address space.
    pub mm: u32,
    /// Index of the descriptor table.
    pub fd_table: u32,
    /// Node of the current directory.
    pub cwd: u32,
    /// Node of the root directory.
    pub root: u32,
    /// File mode creation mask.
    pub umask: u32,
    /// Node of the executable.
    pub executable: u32,
    /// Signals pending for the process.
    pub pending: u64,
    /// Actions of signals 1 to 64.
    pub actions: [Action; 64],
    /// Identities.
    pub credentials: Credentials,
    /// Resource limits: soft and hard.
    pub limits: [[u64; 2]; 16],
    /// ITIMER_REAL, _VIRTUAL, _PROF: next expiry and interval in nanoseconds, 0 when off.
    pub timers: [[u64; 2]; 3],
    /// Virtual time at start.
    pub start_time: u64,
    /// User time of threads that have ended, and of waited-for children.
    pub ended_time: [u64; 2],
    /// PR_SET_* state and the like, see [`attribute`].
    pub attributes: [u32; 8],
    /// Personality (`personality(2)`).
    pub personality: u32,
    /// Scheduling priority (nice value plus 20).
    pub nice: u32,
    /// Order of birth: tells a process from a later one in the same record.
    pub birth: u64,
    /// Effective, permitted, inheritable, bounding and ambient capabilities.
    pub capabilities: [u64; 5],
    /// Virtual user time at which a CPU-time timer or limit is next due, `u64::MAX` for never.
    pub cpu_deadline: u64,
    /// Number of the next POSIX timer.
    pub timer_serial: u32,
    /// I/O priority (ioprio_set).
    pub io_priority: u32,
    /// Name of a zombie, NUL-padded.
    pub name: [u8; 16],
    /// Whether it is an orphan of the init that stands behind the first process, see
    /// [`crate::image::Header::first_is_init`].
    pub adopted: u32,
    /// Keeps the record free of padding.
    pub reserved: u32,
}

/// Entries of [`Process::attributes`].
pub mod attribute {
    /// PR_SET_CHILD_SUBREAPER.
    pub const SUBREAPER: usize = 0;
    /// PR_SET_NO_NEW_PRIVS.
    pub const NO_NEW_PRIVILEGES: usize = 1;
    /// PR_SET_DUMPABLE.
    pub const DUMPABLE: usize = 2;
    /// PR_SET_PDEATHSIG.
    pub const DEATH_SIGNAL: usize = 3;
    /// PR_SET_KEEPCAPS.
    pub const KEEP_CAPABILITIES: usize = 4;
    /// Whether it has called execve since it was forked.
    pub const EXECUTED: usize = 5;
    /// PR_SET_SECUREBITS.
    pub const SECURE_BITS: usize = 6;
    /// PR_SET_THP_DISABLE.
    pub const NO_HUGE_PAGES: usize = 7;
}

/// Index of the process with this number, alive or zombie.
pub fn by_pid(kernel: &Kernel<'_>, pid: u32) -> Option<usize> {
    kernel.processes.iter().position(|p| p.state != DEAD && p.pid == pid)
}

/// Index of the task with this thread number.
pub fn task_by_tid(kernel: &Kernel<'_>, tid: u32) -> Option<usize> {
    let end = kernel.header.task_end as usize;
    kernel.tasks[..end].iter().position(|t| t.state != state::FREE && t.tid == tid)
}

impl Kernel<'_> {
    /// A number that no event before this one had.
    pub fn next_order(&mut self) -> u64 {
        self.header.order += 1;
        self.header.order
    }

    /// The task is no longer in a system call.
    pub(crate) fn end_call(&mut self, task: usize) {
        let t = &mut self.tasks[task];
        t.call = NO_CALL;
        t.call_slept = 0;
        if t.futex_order != 0 || t.futex_woken != 0 || self.header.vector_waiters != 0 {
            futex::forget(self, task);
        }
    }

    /// The record of the running task's process.
    pub fn process(&mut self) -> &mut Process {
        let process = self.current_process();
        &mut self.processes[process]
    }

    /// The record of the running task.
    pub fn task(&mut self) -> &mut Task {
        let task = self.current();
        &mut self.tasks[task]
    }
}

/// Index of a live task of the process at or after index `from`.
pub fn next_task(kernel: &Kernel<'_>, process: usize, from: usize) -> Option<usize> {
    let end = kernel.header.task_end as usize;
    (from..end).find(|&task| {
        let t = &kernel.tasks[task];
        t.state != state::FREE && t.process as usize == process
    })
}

/// Index of the process's first thread, or of another one when that has ended.
pub fn main_task(kernel: &Kernel<'_>, process: usize) -> Option<usize> {
    let pid = kernel.processes[process].pid;
    match task_by_tid(kernel, pid) {
        Some(task) if kernel.tasks[task].process as usize == process => Some(task),
        _ => next_task(kernel, process, 0),
    }
}

/// User time of a process in nanoseconds: its live threads and those that have ended.
pub fn user_time(kernel: &Kernel<'_>, process: usize) -> u64 {
    let end = kernel.header.task_end as usize;
    let live = kernel.tasks[..end]
        .iter()
        .filter(|t| t.state != state::FREE && t.process as usize == process)
        .map(|t| t.user_time)
        .sum::<u64>();
    live + kernel.processes[process].ended_time[0]
}

/// Process numbers wrap here (the default of /proc/sys/kernel/pid_max on small machines).
pub const PID_MAX: u32 = 32768;
/// Numbers below this are not given out again after wrapping.
const RESERVED_PIDS: u32 = 300;

/// A number that no process, thread, group or session has.
fn new_pid(kernel: &mut Kernel<'_>) -> u32 {
    let mut pid = kernel.header.last_pid;
    loop {
        pid = if pid + 1 >= PID_MAX { RESERVED_PIDS } else { pid + 1 };
        let used = kernel.tasks.iter().any(|t| t.state != state::FREE && t.tid == pid)
            || kernel
                .processes
                .iter()
                .any(|p| p.state != DEAD && (p.pid == pid || p.group == pid || p.session == pid));
        if !used {
            kernel.header.last_pid = pid;
            return pid;
        }
    }
}

/// A free task record, with `task_end` moved past it.
fn new_task(kernel: &mut Kernel<'_>) -> Option<usize> {
    let task = kernel.tasks.iter().position(|t| t.state == state::FREE)?;
    kernel.header.task_end = kernel.header.task_end.max(task as u32 + 1);
    Some(task)
}

// SAFETY: integers only.
unsafe impl Record for Task {}
// SAFETY: integers only.
unsafe impl Record for Process {}
