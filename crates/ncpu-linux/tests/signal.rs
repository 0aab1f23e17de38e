//! Signals: queueing, frames and stacks, as signal(7), sigaction(2) and the arm64 layout of
//! `struct rt_sigframe` say.

mod support;

use ncpu_linux::signal::{self, Info};
use ncpu_linux::{Errno, process};
use ncpu_uop::slot;
use support::{Program, boot};

const KILL: u32 = 129;
const SIGALTSTACK: u32 = 132;
const SIGACTION: u32 = 134;
const SIGPROCMASK: u32 = 135;
const SIGTIMEDWAIT: u32 = 137;
const SIGQUEUE: u32 = 138;
const SIGUSR1: u32 = 10;
const SIGTSTP: u32 = 20;
const SIGCONT: u32 = 18;
const SA_SIGINFO: u64 = 4;
const SA_RESTORER: u64 = 0x0400_0000;

fn bit(signal: u32) -> u64 {
    1 << (signal - 1)
}

fn words(values: &[u64]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_le_bytes()).collect()
}

fn block(p: &mut Program<'_, '_>, set: u64) {
    let set = p.put(0, &words(&[set]));
    p.ok(SIGPROCMASK, &[0, set, 0, 8]);
}

/// rt_sigtimedwait without waiting.
fn take(p: &mut Program<'_, '_>, set: u64) -> Result<u64, Errno> {
    let set = p.put(0, &words(&[set]));
    let timeout = p.put(16, &[0; 16]);
    let info = p.buffer + 256;
    match p.call(SIGTIMEDWAIT, &[set, info, timeout, 8]) {
        Ok(signal) => Ok(signal),
        Err(ncpu_linux::Block::Error(errno)) => Err(errno),
        Err(other) => panic!("{other:?}"),
    }
}

#[test]
fn siginfo_has_its_members_where_programs_expect_them() {
    let word = |bytes: &[u8], at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap());
    // Signal, errno and code; then by kind: process and user, status; address; timer and overrun.
    let sent = Info::user(SIGUSR1, 0, 7, 1000).to_user();
    assert_eq!([0, 4, 8, 16, 20].map(|at| word(&sent, at)), [10, 0, 0, 7, 1000]);
    let fault = Info::fault(signal::SIGSEGV, 1, 0x1234_5678_9abc).to_user();
    assert_eq!([0, 8, 16, 20].map(|at| word(&fault, at)), [11, 1, 0x5678_9abc, 0x1234]);
    let child = Info { signal: 17, code: 1, pid: 9, uid: 8, status: 3, value: 55, errno: 0 };
    let child = child.to_user();
    assert_eq!([16, 20, 24, 32].map(|at| word(&child, at)), [9, 8, 3, 55]);
    let timer = Info { signal: 14, code: -2, pid: 1, uid: 2, status: 0, value: 3, errno: 0 };
    assert_eq!([16, 20, 24].map(|at| word(&timer.to_user(), at)), [1, 2, 3]);
    assert_eq!(Info::from_user(14, &timer.to_user()), timer);
}

#[test]
fn standard_signals_merge_and_real_time_signals_queue() {
    boot(false, |p| {
        block(p, u64::MAX);
        // A timeout of zero is over at any time but zero.
        p.k.header.skipped = 1;
        for _ in 0..3 {
            p.ok(KILL, &[1, SIGUSR1.into()]);
        }
        assert_eq!(take(p, bit(SIGUSR1)), Ok(SIGUSR1.into()));
        assert_eq!(take(p, bit(SIGUSR1)), Err(Errno::EAGAIN));
        // SI_QUEUE with values 1 to 3 for signal 40, and 4 for signal 35, which has precedence.
        for (signal, value) in [(40u64, 1u64), (40, 2), (40, 3), (35, 4)] {
            let mut info = [0; 128];
            info[8..12].copy_from_slice(&(-1i32).to_le_bytes());
            info[24..32].copy_from_slice(&value.to_le_bytes());
            let info = p.put(512, &info);
            p.ok(SIGQUEUE, &[1, signal, info]);
        }
        for (signal, value) in [(35, 4), (40, 1), (40, 2), (40, 3)] {
            assert_eq!(take(p, u64::MAX), Ok(signal));
            assert_eq!(p.get32(256 + 24), value);
        }
        assert_eq!(take(p, u64::MAX), Err(Errno::EAGAIN));
    });
}

#[test]
fn continuing_discards_stops_and_the_other_way_round() {
    boot(false, |p| {
        block(p, u64::MAX);
        p.ok(KILL, &[1, SIGTSTP.into()]);
        assert!(p.is_pending(SIGTSTP));
        p.ok(KILL, &[1, SIGCONT.into()]);
        assert!(!p.is_pending(SIGTSTP) && p.is_pending(SIGCONT));
        p.ok(KILL, &[1, SIGTSTP.into()]);
        assert!(p.is_pending(SIGTSTP) && !p.is_pending(SIGCONT));
    });
}

#[test]
fn some_signals_cannot_be_caught() {
    boot(false, |p| {
        let action = p.put(0, &words(&[0x1000, 0, 0, 0]));
        for signal in [9, 19, 0, 65] {
            assert_eq!(p.error(SIGACTION, &[signal, action, 0, 8]), Errno::EINVAL);
        }
        assert_eq!(p.error(SIGACTION, &[10, action, 0, 4]), Errno::EINVAL);
        assert_eq!(p.error(SIGPROCMASK, &[3, action, 0, 8]), Errno::EINVAL);
        block(p, u64::MAX);
        assert_eq!(p.k.tasks[p.k.current()].blocked, !(bit(9) | bit(19)));
    });
}

#[test]
fn a_small_alternate_stack_is_refused() {
    boot(false, |p| {
        // MINSIGSTKSZ is 5120 on arm64.
        let stack = p.put(0, &words(&[0x10000, 0, 5119]));
        assert_eq!(p.error(SIGALTSTACK, &[stack, 0]), Errno::ENOMEM);
        let stack = p.put(0, &words(&[0x10000, 0, 5120]));
        p.ok(SIGALTSTACK, &[stack, 0]);
        let stack = p.put(0, &words(&[0x10000, 4, 5120]));
        assert_eq!(p.error(SIGALTSTACK, &[stack, 0]), Errno::EINVAL);
    });
}

#[test]
fn a_handler_gets_the_frame_of_arm64_and_returns_through_it() {
    boot(false, |p| {
        let action = words(&[0x40_0000, SA_SIGINFO | SA_RESTORER, 0x50_0000, bit(12)]);
        let action = p.put(0, &action);
        p.ok(SIGACTION, &[SIGUSR1.into(), action, 0, 8]);
        let task = p.k.current();
        let stack = p.buffer + 0x10008;
        let core = &mut p.k.cores[task];
        for n in 0..31 {
            core.set_x(n, 1000 + n as u64);
        }
        core.set_sp(stack);
        core.pc = 0x12_3450;
        // Z and C: bits 30 and 29 of PSTATE.
        core.slots[slot::NZCV as usize] = 0b0110;
        core.slots[slot::v(5) as usize + 1] = 0xdead_beef;
        let before = *core;
        p.ok(KILL, &[1, SIGUSR1.into()]);
        assert!(signal::deliver(p.k, task));

        // A frame record of 16 bytes and a frame of 4,688 below the aligned stack pointer.
        let record = (stack & !15) - 16;
        let frame = record - 4688;
        let core = p.k.cores[task];
        assert_eq!((core.pc, core.sp(), core.x(29)), (0x40_0000, frame, record));
        assert_eq!([0, 1, 2, 30].map(|n| core.x(n)), [10, frame, frame + 128, 0x50_0000]);
        assert_eq!(p.k.tasks[task].blocked, bit(10) | bit(12));
        let mut read = |at: u64| p.k.read_record::<u64>(frame + at).unwrap();
        // siginfo; uc_sigmask; x7, sp, pc, pstate; fpsimd_context's head and V5's high half; the
        // terminator behind its 528 bytes.
        assert_eq!(read(0), 10);
        assert_eq!(read(128 + 40), 0);
        assert_eq!([312 + 56, 560, 568, 576].map(&mut read), [1007, stack, 0x12_3450, 0x6000_0000]);
        assert_eq!(read(592), 528 << 32 | 0x4650_8001);
        assert_eq!(read(592 + 16 + 16 * 5 + 8), 0xdead_beef);
        assert_eq!(read(592 + 528), 0);
        assert_eq!(p.k.read_record::<[u64; 2]>(record).unwrap(), [1029, 1030]);

        p.k.cores[task].slots[slot::v(5) as usize + 1] = 0;
        assert!(p.call(139, &[]).is_err());
        let core = p.k.cores[task];
        assert_eq!(core.slots[..32], before.slots[..32]);
        assert_eq!(core.slots[64..], before.slots[64..]);
        assert_eq!((core.pc, core.slots[slot::NZCV as usize]), (0x12_3450, 0b0110));
        assert_eq!(p.k.tasks[task].blocked, 0);
    });
}

#[test]
fn a_frame_that_makes_no_sense_is_a_segmentation_fault() {
    boot(false, |p| {
        p.put(0, &[0xff; 8192]);
        let task = p.k.current();
        p.k.cores[task].set_sp(p.buffer);
        assert!(p.call(139, &[]).is_err());
        assert!(p.is_pending(signal::SIGSEGV));
        assert!(signal::deliver(p.k, task));
        assert_eq!((p.k.header.ended, p.k.header.exit_status), (1, signal::SIGSEGV));
    });
}

#[test]
fn the_machines_init_ignores_what_it_has_no_handler_for() {
    boot(false, |p| {
        p.k.header.first_is_init = 1;
        for signal in [1, 9, 15, 19] {
            p.ok(KILL, &[1, signal]);
        }
        let task = p.k.current();
        signal::deliver(p.k, task);
        assert_eq!(p.k.tasks[task].state, process::state::RUNNABLE);
        // A fault of its own is fatal all the same.
        signal::force(p.k, task, Info::fault(signal::SIGSEGV, 1, 0));
        signal::deliver(p.k, task);
        assert_eq!(p.k.header.exit_status, signal::SIGSEGV);
    });
}
