//! Signal numbers, action flags and `siginfo_t` codes (`signal(7)`, `sigaction(2)`, asm-generic).

macro_rules! numbers {
    ($($name:ident $number:literal $text:literal;)*) => {
        $(#[doc = $text] pub const $name: u32 = $number;)*
    };
}

numbers! {
    SIGHUP 1 "Hangup of the controlling terminal.";
    SIGINT 2 "Interrupt from the keyboard.";
    SIGQUIT 3 "Quit from the keyboard.";
    SIGILL 4 "Illegal instruction.";
    SIGTRAP 5 "Breakpoint trap.";
    SIGABRT 6 "Abort.";
    SIGBUS 7 "Bus error.";
    SIGFPE 8 "Arithmetic error.";
    SIGKILL 9 "Kill; cannot be caught.";
    SIGUSR1 10 "User-defined.";
    SIGSEGV 11 "Invalid memory reference.";
    SIGUSR2 12 "User-defined.";
    SIGPIPE 13 "Write to a pipe that no one reads.";
    SIGALRM 14 "Timer of alarm(2).";
    SIGTERM 15 "Termination.";
    SIGCHLD 17 "A child stopped, continued or ended.";
    SIGCONT 18 "Continue if stopped.";
    SIGSTOP 19 "Stop; cannot be caught.";
    SIGTSTP 20 "Stop typed at the terminal.";
    SIGTTIN 21 "Terminal input for a background process.";
    SIGTTOU 22 "Terminal output for a background process.";
    SIGURG 23 "Urgent data on a socket.";
    SIGXCPU 24 "CPU time limit exceeded.";
    SIGXFSZ 25 "File size limit exceeded.";
    SIGVTALRM 26 "Virtual alarm clock.";
    SIGPROF 27 "Profiling timer.";
    SIGWINCH 28 "Window size change.";
    SIGIO 29 "I/O is possible.";
    SIGPWR 30 "Power failure.";
    SIGSYS 31 "Bad system call.";
    SIGRTMIN 32 "First real-time signal.";
    SIGMAX 64 "Last signal.";
}

/// Handler value: default action.
pub const SIG_DFL: u64 = 0;
/// Handler value: ignore.
pub const SIG_IGN: u64 = 1;

/// No SIGCHLD when children stop.
pub const SA_NOCLDSTOP: u64 = 1;
/// Children do not become zombies.
pub const SA_NOCLDWAIT: u64 = 2;
/// The handler takes three arguments.
pub const SA_SIGINFO: u64 = 4;
/// The action has a restorer.
pub const SA_RESTORER: u64 = 0x0400_0000;
/// Use the alternate stack.
pub const SA_ONSTACK: u64 = 0x0800_0000;
/// Restart interrupted system calls.
pub const SA_RESTART: u64 = 0x1000_0000;
/// Do not block the signal in its handler.
pub const SA_NODEFER: u64 = 0x4000_0000;
/// Reset to the default action on delivery.
pub const SA_RESETHAND: u64 = 0x8000_0000;
/// Flags that a program can set; others are cleared, as `SA_UNSUPPORTED` promises.
pub const SA_KNOWN: u64 = SA_NOCLDSTOP
    | SA_NOCLDWAIT
    | SA_SIGINFO
    | SA_RESTORER
    | SA_ONSTACK
    | SA_RESTART
    | SA_NODEFER
    | SA_RESETHAND;

/// `si_code`: sent by kill(2).
pub const SI_USER: i32 = 0;
/// `si_code`: sent by the kernel.
pub const SI_KERNEL: i32 = 0x80;
/// `si_code`: sent by sigqueue(3).
pub const SI_QUEUE: i32 = -1;
/// `si_code`: a POSIX timer expired.
pub const SI_TIMER: i32 = -2;
/// `si_code`: sent by tkill(2).
pub const SI_TKILL: i32 = -6;

/// `si_code` for SIGILL: illegal opcode.
pub const ILL_ILLOPC: i32 = 1;
/// `si_code` for SIGTRAP: breakpoint instruction.
pub const TRAP_BRKPT: i32 = 1;
/// `si_code` for SIGSEGV: address not mapped.
pub const SEGV_MAPERR: i32 = 1;
/// `si_code` for SIGSEGV: no permission.
pub const SEGV_ACCERR: i32 = 2;
/// `si_code` for SIGBUS: invalid address alignment.
pub const BUS_ADRALN: i32 = 1;
/// `si_code` for SIGBUS: no such physical page (access beyond the end of a mapped file).
pub const BUS_ADRERR: i32 = 2;

/// `si_code` for SIGCHLD: the child has exited.
pub const CLD_EXITED: i32 = 1;
/// `si_code` for SIGCHLD: the child was killed by a signal.
pub const CLD_KILLED: i32 = 2;
/// `si_code` for SIGCHLD: the child has stopped.
pub const CLD_STOPPED: i32 = 5;
/// `si_code` for SIGCHLD: the child has continued.
pub const CLD_CONTINUED: i32 = 6;

/// `ss_flags`: on the alternate stack now.
pub const SS_ONSTACK: u32 = 1;
/// `ss_flags`: there is no alternate stack.
pub const SS_DISABLE: u32 = 2;
/// `ss_flags`: the alternate stack is forgotten while a handler runs.
pub const SS_AUTODISARM: u32 = 1 << 31;
/// Smallest alternate stack on arm64.
pub const MINSIGSTKSZ: u64 = 5120;

/// The set that holds one signal.
pub const fn bit(signal: u32) -> u64 {
    1 << (signal.wrapping_sub(1) & 63)
}

/// Signals whose default action is to stop the process.
pub const STOP_SIGNALS: u64 = bit(SIGSTOP) | bit(SIGTSTP) | bit(SIGTTIN) | bit(SIGTTOU);
/// Signals whose default action is to do nothing.
pub const IGNORED_SIGNALS: u64 = bit(SIGCONT) | bit(SIGCHLD) | bit(SIGWINCH) | bit(SIGURG);
/// Signals that cannot be caught, blocked or ignored.
pub const KERNEL_ONLY: u64 = bit(SIGKILL) | bit(SIGSTOP);
/// Signals that the current instruction itself can cause; they are delivered first.
pub const SYNCHRONOUS: u64 =
    bit(SIGSEGV) | bit(SIGBUS) | bit(SIGILL) | bit(SIGTRAP) | bit(SIGFPE) | bit(SIGSYS);
