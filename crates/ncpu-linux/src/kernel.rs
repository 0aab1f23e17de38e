//! The main loop: schedule, execute, serve.

use crate::image::Kernel;
use crate::process::state;
use crate::{Block, Channel, Errno, mm, process, signal, table, time};
use ncpu_alu::Alu;
use ncpu_machine::mem::untag;
use ncpu_machine::mem::walk::USER_END;
use ncpu_machine::{Access, Exit, Fault, FaultKind, Observer, Outcome, run};

/// Most instructions of a straight line, which ends with its page at the latest.
pub const LONGEST_LINE: u64 = ncpu_machine::code::WORDS as u64;
/// Instructions that a task runs before others get their turn.
pub(crate) const QUANTUM: i64 = 1_000_000;
/// `Task::call` for a number that has no row in the table.
const NO_SUCH_CALL: u32 = u32::MAX - 1;
/// Traps and retried calls in a row that cost nothing: many times what any instruction needs.
const MOST_FRUITLESS: u32 = 4096;
/// What each further one costs, in instructions.
const FRUITLESS_COST: u64 = 1000;
/// Idle periods that are skipped before [`Kernel::step`] returns, so that a machine that only ticks
/// does not keep its host for ever.
const SKIPS: u32 = 1 << 16;

/// A system call's result for an error.
fn negated(errno: Errno) -> u64 {
    -i64::from(errno.0) as u64
}

/// Why [`Kernel::step`] returned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// The budget of the call is used up.
    Budget,
    /// The observer asked to stop.
    Observer,
    /// Tasks wait for the host's answers to their requests.
    Host,
    /// The console's output ring has to be drained before the machine can go on.
    Output,
    /// Nothing can run before the host gives input or closes it.
    Input,
    /// Nothing can run before the next deadline, and the host paces the clock.
    Idle,
    /// Every task sleeps on something that can never happen.
    Deadlock,
    /// The first process is gone; its wait status.
    Ended(u32),
}

/// What an engine is to execute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slice {
    /// Index of the task, and of its registers in the table of cores.
    pub task: usize,
    /// For how many instructions, until the next taken branch or page end.
    pub budget: u64,
    /// The virtual counter at the start.
    pub counter: u64,
}

impl Kernel<'_> {
    /// Index of the running task.
    pub fn current(&self) -> usize {
        self.header.current as usize
    }

    /// Process index of the running task.
    pub fn current_process(&self) -> usize {
        self.tasks[self.current()].process as usize
    }

    /// Virtual nanoseconds since boot: one for each retired instruction, and skipped idle time.
    pub fn now(&self) -> u64 {
        self.header.retired.wrapping_add(self.header.skipped)
    }

    /// The machine's wall clock in nanoseconds since 1970.
    pub fn wall_time(&self) -> u64 {
        self.header.boot_time.wrapping_add(self.now())
    }

    /// Runs the machine for about `budget` instructions.
    pub fn step<A: Alu, O: Observer>(&mut self, alu: &A, observer: &mut O, budget: u64) -> Stop {
        let end = self.header.retired.saturating_add(budget);
        loop {
            let Slice { task, budget, counter } = match self.next(end) {
                Ok(slice) => slice,
                Err(stop) => return stop,
            };
            let core = &mut self.cores[task];
            let outcome = run(core, &mut self.mem, alu, observer, budget, counter);
            self.complete(task, &outcome);
            if outcome.exit == Exit::Stopped {
                return Stop::Observer;
            }
        }
    }

    /// Serves what can be served and finds what is to be executed next, until `end` instructions have
    /// retired since boot. The engine executes the slice, in one run or in several, and calls
    /// [`Kernel::complete`].
    ///
    /// # Errors
    /// Why there is nothing to execute.
    pub fn next(&mut self, end: u64) -> Result<Slice, Stop> {
        while self.header.inside_line == 0 {
            if self.header.ended != 0 {
                return Err(Stop::Ended(self.header.exit_status));
            }
            if self.header.host_requests != 0 {
                return Err(Stop::Host);
            }
            if crate::tty::console::is_asked(self) {
                return Err(Stop::Input);
            }
            if self.header.retired >= end {
                return Err(Stop::Budget);
            }
            if self.now() >= self.header.next_deadline {
                time::expire(self);
            }
            self.schedule()?;
            let task = self.current();
            if self.tasks[task].call != process::NO_CALL {
                self.charge_fruitless();
                self.resume_call(task);
                continue;
            }
            // The task may die or stop.
            if signal::deliver(self, task) && self.tasks[task].state != state::RUNNABLE {
                continue;
            }
            break;
        }
        let slice = end.saturating_sub(self.header.retired);
        let until_deadline = self.header.next_deadline.saturating_sub(self.now());
        let quantum = self.header.quantum.max(0) as u64;
        let budget = slice.min(until_deadline).min(quantum);
        let budget = budget.min(time::cpu::budget(self, self.current_process()));
        Ok(Slice { task: self.current(), budget, counter: self.now() })
    }

    /// Takes note of what was executed of a slice, and serves what ended it.
    pub fn complete(&mut self, task: usize, outcome: &Outcome) {
        self.header.retired += outcome.retired;
        self.header.quantum -= outcome.retired as i64;
        self.tasks[task].user_time += outcome.retired;
        self.header.counters.uops += outcome.uops;
        self.header.inside_line = (outcome.exit == Exit::Stopped) as u32;
        if self.header.inside_line == 0 {
            let process = self.tasks[task].process as usize;
            time::cpu::expire(self, process);
        }
        if outcome.retired != 0 {
            self.header.fruitless = 0;
        }
        match outcome.exit {
            Exit::Budget | Exit::Stopped | Exit::Unlifted => {}
            Exit::SystemCall(_) => {
                self.cores[task].clear_exclusive();
                self.begin_call(task);
            }
            exit => {
                self.cores[task].clear_exclusive();
                self.charge_fruitless();
                self.trap(task, exit);
            }
        }
    }

    /// Makes a runnable task the current one.
    fn schedule(&mut self) -> Result<(), Stop> {
        let count = self.header.task_end as usize;
        let current = self.header.current as usize;
        let runs = |k: &Self, task: usize| k.tasks[task].state == state::RUNNABLE;
        if current < count
            && runs(self, current)
            && self.header.quantum > 0
            && self.header.reschedule == 0
        {
            return Ok(());
        }
        for _ in 0..SKIPS {
            self.header.reschedule = 0;
            let start = if current < count { current + 1 } else { 0 };
            if let Some(next) =
                (0..count).map(|n| (start + n) % count).find(|&task| runs(self, task))
            {
                self.header.quantum = QUANTUM;
                if next != current {
                    self.header.counters.switches += 1;
                    self.header.current = next as u32;
                    self.cores[next].clear_exclusive();
                }
                let mm = self.processes[self.tasks[next].process as usize].mm;
                let root = self.mms[mm as usize].root;
                self.mem.set_root(ncpu_machine::Ppn(root));
                return Ok(());
            }
            // Idle: the clock jumps to the next timer, unless the host may still say something.
            if self.header.host_requests != 0 {
                return Err(Stop::Host);
            }
            if crate::tty::console::waits_for_room(self) {
                return Err(Stop::Output);
            }
            if crate::tty::console::waits_for_input(self) {
                return Err(Stop::Input);
            }
            if self.header.next_deadline == u64::MAX {
                return Err(Stop::Deadlock);
            }
            if self.header.paced != 0 {
                return Err(Stop::Idle);
            }
            self.skip_to_deadline();
        }
        Err(Stop::Budget)
    }

    /// Moves the clock of an idle machine to its next deadline, if there is one.
    pub fn skip_to_deadline(&mut self) {
        let deadline = self.header.next_deadline;
        if deadline != u64::MAX {
            self.header.skipped += deadline.saturating_sub(self.now());
            time::expire(self);
        }
    }

    fn begin_call(&mut self, task: usize) {
        let core = &self.cores[task];
        let number = core.x(8);
        let t = &mut self.tasks[task];
        t.call = if number < table::NUMBERS as u64 { number as u32 } else { NO_SUCH_CALL };
        t.call_slept = 0;
        t.call_deadline = 0;
        t.call_progress = 0;
        t.call_state = [0; 2];
        t.call_arguments = [core.x(0), core.x(1), core.x(2), core.x(3), core.x(4), core.x(5)];
        table::count(self, number);
        self.resume_call(task);
    }

    /// Runs the system call that the task is in, from the start or again after it slept.
    ///
    /// A signal ends a call only where it would sleep: what can be had at once is had.
    fn resume_call(&mut self, task: usize) {
        let t = &self.tasks[task];
        let (number, arguments) = (t.call, t.call_arguments);
        match table::call(self, number, arguments) {
            Ok(value) => self.finish_call(task, value),
            Err(Block::Error(errno)) => self.finish_call(task, negated(errno)),
            Err(Block::Sleep(channel, deadline)) => {
                self.sleep_or_interrupt(task, channel, deadline, process::SLEPT);
            }
            Err(Block::SleepOnce(channel, deadline)) => {
                self.sleep_or_interrupt(task, channel, deadline, process::SLEPT_ONCE);
            }
            Err(Block::Interrupted) => self.interrupt(task, process::SLEPT),
            Err(Block::InterruptedNoRestart) => self.interrupt(task, process::SLEPT_ONCE),
            Err(Block::NoReturn) => {
                // The task may be gone.
                if self.tasks[task].state != state::FREE {
                    self.end_call(task);
                }
            }
        }
    }

    /// Ends the call that the task is in with a value.
    fn finish_call(&mut self, task: usize, value: u64) {
        self.end_call(task);
        let t = &mut self.tasks[task];
        if t.has_saved_mask != 0 {
            t.has_saved_mask = 0;
            t.blocked = t.saved_mask;
        }
        self.cores[task].set_x(0, value);
    }

    fn sleep_or_interrupt(
        &mut self,
        task: usize,
        channel: Channel,
        deadline: Option<u64>,
        slept: u32,
    ) {
        let interrupted = match channel {
            // An answer of the host comes soon, and must not be lost.
            Channel::Host => false,
            // Only death interrupts the parent of a vfork child (`vfork(2)`).
            Channel::Vfork(_) => self.has_pending(task, signal::bit(signal::SIGKILL)),
            _ => signal::is_pending(self, task),
        };
        if interrupted {
            self.interrupt(task, slept);
        } else {
            self.sleep(task, channel, deadline);
        }
    }

    fn has_pending(&self, task: usize, set: u64) -> bool {
        let t = &self.tasks[task];
        (t.pending | self.processes[t.process as usize].pending) & set != 0
    }

    /// A signal comes while the task is in a call that would sleep. A handler ends the call; without
    /// one, the call goes on as if nothing had happened (`signal(7)`, "Interruption of system calls
    /// and library functions by signal handlers").
    fn interrupt(&mut self, task: usize, slept: u32) {
        let progress = self.tasks[task].call_progress;
        if progress != 0 {
            return self.finish_call(task, progress);
        }
        self.tasks[task].call_slept = slept;
        if !signal::deliver(self, task) {
            self.finish_call(task, negated(Errno::EINTR));
        }
    }

    fn sleep(&mut self, task: usize, channel: Channel, deadline: Option<u64>) {
        let t = &mut self.tasks[task];
        t.state = state::SLEEPING;
        t.channel = channel.key();
        t.deadline = deadline.unwrap_or(u64::MAX);
        self.header.next_deadline = self.header.next_deadline.min(t.deadline);
    }

    /// Whether any task sleeps on `channel`.
    pub fn is_anyone_on(&self, channel: Channel) -> bool {
        let key = channel.key();
        let end = self.header.task_end as usize;
        self.tasks[..end].iter().any(|t| t.state == state::SLEEPING && t.channel == key)
    }

    /// Makes every task that sleeps on `channel`, or on [`Channel::Any`], look again.
    pub fn wake(&mut self, channel: Channel) {
        let (key, any) = (channel.key(), Channel::Any.key());
        let end = self.header.task_end as usize;
        for task in &mut self.tasks[..end] {
            if task.state == state::SLEEPING && (task.channel == key || task.channel == any) {
                task.state = state::RUNNABLE;
            }
        }
    }

    /// Makes one task look again, whatever it sleeps on.
    pub fn wake_task(&mut self, task: usize) {
        if self.tasks[task].state == state::SLEEPING {
            self.tasks[task].state = state::RUNNABLE;
        }
    }

    /// The absolute deadline of the current call for a timeout given in nanoseconds from its start;
    /// the same on every retry of the call.
    pub fn call_deadline(&mut self, timeout: u64) -> u64 {
        let now = self.now();
        let task = self.current();
        let t = &mut self.tasks[task];
        if t.call_deadline == 0 {
            t.call_deadline = now.saturating_add(timeout).max(1);
        }
        t.call_deadline
    }

    /// Counts a trap or a retried call. A handler of SIGSEGV that cannot be executed traps for ever, as
    /// it does on Linux, without ever retiring an instruction; what goes on like that costs time, so
    /// that others get their turn and fuel ends.
    fn charge_fruitless(&mut self) {
        self.header.fruitless = self.header.fruitless.saturating_add(1);
        if self.header.fruitless > MOST_FRUITLESS {
            self.header.retired = self.header.retired.saturating_add(FRUITLESS_COST);
            self.header.quantum -= FRUITLESS_COST as i64;
        }
    }

    /// Serves what is not a system call: page faults, traps.
    fn trap(&mut self, task: usize, exit: Exit) {
        let pc = self.cores[task].pc;
        let (info, address, syndrome) = match exit {
            Exit::Fault(fault) => {
                let address = reported(fault.address);
                let info = if fault.kind == FaultKind::Alignment {
                    signal::Info::fault(signal::SIGBUS, signal::BUS_ADRALN, address)
                } else {
                    match mm::fault(self, fault.address, fault.access) {
                        Ok(()) => return,
                        Err(mm::Denied::Wait) => return self.sleep(task, Channel::Host, None),
                        Err(denied) => denied.info(address),
                    }
                };
                (info, fault.address, syndrome(&fault, info))
            }
            Exit::Breakpoint(_) => {
                let info = signal::Info::fault(signal::SIGTRAP, signal::TRAP_BRKPT, pc);
                let t = &self.tasks[task];
                (info, t.fault_address, t.fault_syndrome)
            }
            _ => (signal::Info::fault(signal::SIGILL, signal::ILL_ILLOPC, pc), 0, 0),
        };
        self.tasks[task].fault_address = address;
        self.tasks[task].fault_syndrome = syndrome;
        signal::force(self, task, info);
    }
}

/// The address that a signal's `si_addr` has for a fault: without its tag, which only addresses of the
/// lower half have (`untagged_addr` in arch/arm64/include/asm/memory.h; `man 2 sigaction`,
/// SA_EXPOSE_TAGBITS).
fn reported(address: u64) -> u64 {
    if address >> 55 & 1 == 1 { address } else { untag(address) }
}

/// ESR_EL1 for a fault, as signal frames show it (Arm ARM D17.2.37: exception class, IL, and the
/// fault status code of an abort from a lower exception level).
fn syndrome(fault: &Fault, info: signal::Info) -> u64 {
    const PC_ALIGNMENT: u64 = 0x22;
    const INSTRUCTION_ABORT: u64 = 0x20;
    const DATA_ABORT: u64 = 0x24;
    const IL: u64 = 1 << 25;
    const WRITE: u64 = 1 << 6;
    const LEVEL_0: u64 = 0x04;
    const TRANSLATION: u64 = 0x07;
    const PERMISSION: u64 = 0x0f;
    const ALIGNMENT: u64 = 0x21;
    let status = match fault.kind {
        FaultKind::Alignment if fault.access == Access::Execute => return PC_ALIGNMENT << 26 | IL,
        FaultKind::Alignment => ALIGNMENT,
        _ if untag(fault.address) >= USER_END => LEVEL_0,
        _ if info.signal == signal::SIGSEGV && info.code == signal::SEGV_ACCERR => PERMISSION,
        _ => TRANSLATION,
    };
    let class = if fault.access == Access::Execute { INSTRUCTION_ABORT } else { DATA_ABORT };
    let write = if fault.access == Access::Write { WRITE } else { 0 };
    class << 26 | IL | write | status
}

#[cfg(test)]
mod tests {
    use super::reported;

    /// `untagged_addr(addr)` is `sign_extend64(addr, 55) & addr`.
    #[test]
    fn only_addresses_of_the_lower_half_lose_their_tag() {
        assert_eq!(reported(0xab12_3456_789a_bcde), 0x0012_3456_789a_bcde);
        assert_eq!(reported(0xab92_3456_789a_bcde), 0xab92_3456_789a_bcde);
    }
}
