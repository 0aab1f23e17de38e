//! Processes: creation, waiting, groups and limits, as the man pages of the calls say.

mod support;

use ncpu_linux::{Errno, process};
use support::{Program, boot};

const CLONE: u32 = 220;
const WAIT4: u32 = 260;
const WAITID: u32 = 95;
const KILL: u32 = 129;
const SETPGID: u32 = 154;
const GETPPID: u32 = 173;
const SIGCHLD: u64 = 17;
const ANY: u64 = u64::MAX;
const WNOHANG: u64 = 1;
const WUNTRACED: u64 = 2;
const WEXITED: u64 = 4;
const WCONTINUED: u64 = 8;
const WNOWAIT: u64 = 0x0100_0000;
const STATUS: u64 = 4096;

/// wait4 for any child: process number and status.
fn wait(p: &mut Program<'_, '_>, options: u64) -> (u64, u32) {
    let status = p.buffer + STATUS;
    let pid = p.ok(WAIT4, &[ANY, status, options, 0]);
    (pid, p.get32(STATUS))
}

/// Ends the current process with an exit code and goes on as `task`.
fn exit(p: &mut Program<'_, '_>, code: u32, task: usize) {
    let process = p.k.current_process();
    process::exit_group(p.k, process, code << 8);
    p.switch(task);
}

#[test]
fn a_child_is_a_zombie_until_it_is_waited_for() {
    boot(false, |p| {
        assert_eq!(p.error(WAIT4, &[ANY, 0, 0, 0]), Errno::ECHILD);
        let parent = p.fork();
        let pid = p.ok(172, &[]);
        assert_eq!(p.ok(GETPPID, &[]), 1);
        p.switch(parent);
        assert_eq!(p.ok(WAIT4, &[pid, 0, WNOHANG, 0]), 0);
        p.sleeps(WAIT4, &[pid, 0, 0, 0]);
        let child = process::task_by_tid(p.k, pid as u32).unwrap();
        p.switch(child);
        exit(p, 0x2a, parent);
        // A zombie still has its number.
        assert_eq!(p.ok(KILL, &[pid, 0]), 0);
        // WNOWAIT leaves it: si_pid, si_status, si_code CLD_EXITED.
        let info = p.buffer;
        p.ok(WAITID, &[0, 0, info, WEXITED | WNOWAIT, 0]);
        assert_eq!([p.get32(8), p.get32(16), p.get32(24)], [1, pid as u32, 0x2a]);
        assert_eq!(wait(p, 0), (pid, 0x2a00));
        assert_eq!(p.error(WAIT4, &[ANY, 0, 0, 0]), Errno::ECHILD);
        assert_eq!(p.error(KILL, &[pid, 0]), Errno::ESRCH);
    });
}

#[test]
fn stops_and_continues_are_reported_once() {
    boot(false, |p| {
        let parent = p.fork();
        let (pid, child) = (p.ok(172, &[]), p.k.current());
        p.switch(parent);
        p.ok(KILL, &[pid, 19]);
        p.switch(child);
        assert!(ncpu_linux::signal::deliver(p.k, child));
        assert_eq!(p.k.tasks[child].state, process::state::STOPPED);
        p.switch(parent);
        assert_eq!(wait(p, WUNTRACED), (pid, 0x137f));
        assert_eq!(wait(p, WUNTRACED | WNOHANG).0, 0);
        p.ok(KILL, &[pid, 18]);
        assert_eq!(p.k.tasks[child].state, process::state::RUNNABLE);
        assert_eq!(wait(p, WCONTINUED), (pid, 0xffff));
        // A signal without a handler kills: the status is its number.
        p.ok(KILL, &[pid, 15]);
        p.switch(child);
        assert!(ncpu_linux::signal::deliver(p.k, child));
        p.switch(parent);
        assert_eq!(wait(p, 0), (pid, 15));
    });
}

#[test]
fn who_ignores_sigchld_has_no_zombies() {
    boot(false, |p| {
        let action = [1u64, 0, 0, 0].map(u64::to_le_bytes).concat();
        let action = p.put(0, &action);
        p.ok(134, &[SIGCHLD, action, 0, 8]);
        let parent = p.fork();
        exit(p, 1, parent);
        assert_eq!(p.error(WAIT4, &[ANY, 0, 0, 0]), Errno::ECHILD);
        assert!(!p.is_pending(SIGCHLD as u32));
    });
}

#[test]
fn orphans_go_to_the_nearest_subreaper() {
    const PR_SET_CHILD_SUBREAPER: u64 = 36;
    boot(false, |p| {
        p.ok(167, &[PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0]);
        let first = p.fork();
        p.fork();
        let (grandchild, pid) = (p.k.current(), p.ok(172, &[]));
        let middle = process::by_pid(p.k, 2).unwrap();
        process::exit_group(p.k, middle, 0);
        p.switch(grandchild);
        assert_eq!(p.ok(GETPPID, &[]), 1);
        exit(p, 5, first);
        assert_eq!(wait(p, 0).0, 2);
        assert_eq!(wait(p, 0), (pid, 0x500));
    });
}

#[test]
fn flags_of_clone_that_contradict_each_other() {
    const VM: u64 = 0x100;
    const SIGHAND: u64 = 0x800;
    const THREAD: u64 = 0x1_0000;
    const NEWPID: u64 = 0x2000_0000;
    boot(false, |p| {
        assert_eq!(p.error(CLONE, &[SIGHAND | SIGCHLD, 0, 0, 0, 0]), Errno::EINVAL);
        assert_eq!(p.error(CLONE, &[THREAD | VM, 0, 0, 0, 0]), Errno::EINVAL);
        assert_eq!(p.error(CLONE, &[NEWPID | SIGCHLD, 0, 0, 0, 0]), Errno::EPERM);
        // clone3's first version has 64 bytes.
        let arguments = p.put(0, &[0; 88]);
        assert_eq!(p.error(435, &[arguments, 63]), Errno::EINVAL);
        let too_new = p.put(0, &[[0; 88].as_slice(), &[1; 8]].concat());
        assert_eq!(p.error(435, &[too_new, 96]), Errno::E2BIG);
    });
}

#[test]
fn a_full_table_of_tasks_is_eagain() {
    boot(false, |p| {
        let tasks = p.k.tasks.len();
        for _ in 1..tasks {
            p.ok(CLONE, &[SIGCHLD, 0, 0, 0, 0]);
        }
        assert_eq!(p.error(CLONE, &[SIGCHLD, 0, 0, 0, 0]), Errno::EAGAIN);
    });
}

#[test]
fn groups_stay_in_their_session() {
    boot(false, |p| {
        // The leader of a session can neither leave its group nor start another session.
        assert_eq!(p.error(SETPGID, &[0, 0]), Errno::EPERM);
        assert_eq!(p.error(157, &[]), Errno::EPERM);
        let parent = p.fork();
        let pid = p.ok(172, &[]);
        assert_eq!(p.error(SETPGID, &[0, 9999]), Errno::EPERM);
        assert_eq!(p.error(SETPGID, &[1, 0]), Errno::ESRCH);
        assert_eq!(p.error(SETPGID, &[0, ANY]), Errno::EINVAL);
        p.switch(parent);
        p.ok(SETPGID, &[pid, pid]);
        assert_eq!(p.ok(155, &[pid]), pid);
        let child = process::task_by_tid(p.k, pid as u32).unwrap();
        p.switch(child);
        assert_eq!(p.error(157, &[]), Errno::EPERM);
    });
}

#[test]
fn a_user_cannot_become_root_again() {
    boot(false, |p| {
        // setresuid(1000, 1001, 1002): then only these three can be chosen.
        p.ok(147, &[1000, 1001, 1002]);
        assert_eq!(p.error(146, &[0]), Errno::EPERM);
        p.ok(146, &[1002]);
        assert_eq!(p.ok(175, &[]), 1002);
        assert_eq!(p.ok(174, &[]), 1000);
        // The hard limits can be lowered, not raised again.
        let limits = [10u64, 20].map(u64::to_le_bytes).concat();
        let limits = p.put(0, &limits);
        p.ok(164, &[7, limits]);
        let more = [10u64, 21].map(u64::to_le_bytes).concat();
        let more = p.put(0, &more);
        assert_eq!(p.error(164, &[7, more]), Errno::EPERM);
    });
}
