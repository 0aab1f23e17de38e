//! Timers and clocks, as setitimer(2), timer_create(2) and nanosleep(2) say.

mod support;

use ncpu_linux::{Errno, time};
use support::{Program, boot};

const MILLISECOND: u64 = 1_000_000;
const SIGALRM: u32 = 14;
const NANOSLEEP: u32 = 101;

fn words(values: &[u64]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_le_bytes()).collect()
}

/// Lets virtual time pass and fires what is due.
fn pass(p: &mut Program<'_, '_>, nanoseconds: u64) {
    p.k.header.skipped += nanoseconds;
    if p.k.now() >= p.k.header.next_deadline {
        time::expire(p.k);
    }
}

#[test]
fn expiries_are_counted_without_looping() {
    // Due at 10, every 3: by 19 at 10, 13, 16 and 19; next at 22.
    assert_eq!(time::repeat(19, 10, 3), (4, 22));
    assert_eq!(time::repeat(9, 10, 3), (0, 10));
    assert_eq!(time::repeat(10, 10, 0), (1, 0));
    assert_eq!(time::repeat(u64::MAX, 1, 1), (u64::MAX, u64::MAX));
}

#[test]
fn an_interval_timer_fires_when_it_is_due() {
    boot(false, |p| {
        p.k.tasks[0].blocked = u64::MAX;
        // First after 20 ms, then every 5 ms.
        let value = p.put(0, &words(&[0, 5_000, 0, 20_000]));
        p.ok(103, &[0, value, 0]);
        pass(p, 20 * MILLISECOND - 1);
        assert!(!p.is_pending(SIGALRM));
        pass(p, 1);
        assert!(p.is_pending(SIGALRM));
        assert_eq!(p.k.header.next_deadline, p.k.now() + 5 * MILLISECOND);
        assert_eq!(p.error(103, &[3, value, 0]), Errno::EINVAL);
        let wrong = p.put(0, &words(&[0, 0, 0, 1_000_000]));
        assert_eq!(p.error(103, &[0, wrong, 0]), Errno::EINVAL);
    });
}

#[test]
fn a_posix_timer_counts_what_its_signal_missed() {
    boot(false, |p| {
        p.k.tasks[0].blocked = u64::MAX;
        // sigevent: value 77, signal 34, SIGEV_SIGNAL.
        let event = p.put(0, &words(&[77, 34, 0]));
        let id = p.buffer + 64;
        p.ok(107, &[1, event, id]);
        let timer = u64::from(p.get32(64));
        let value = p.put(128, &words(&[0, MILLISECOND, 0, MILLISECOND]));
        p.ok(110, &[timer, 0, value, 0]);
        pass(p, 3 * MILLISECOND);
        pass(p, 7 * MILLISECOND);
        let set = p.put(0, &words(&[1 << 33]));
        let info = p.buffer + 256;
        assert_eq!(p.ok(137, &[set, info, 0, 8]), 34);
        // SI_TIMER; ten expiries, one signal: an overrun of nine; the value.
        assert_eq!(p.get32(256 + 8) as i32, -2);
        assert_eq!([p.get32(256 + 20), p.get32(256 + 24)], [9, 77]);
        assert_eq!(p.ok(109, &[timer]), 9);
        p.ok(111, &[timer]);
        assert_eq!(p.error(109, &[timer]), Errno::EINVAL);
    });
}

#[test]
fn sleeping_keeps_its_end() {
    boot(false, |p| {
        let time = p.put(0, &words(&[0, 10 * MILLISECOND]));
        p.sleeps(NANOSLEEP, &[time, 0]);
        pass(p, 4 * MILLISECOND);
        // Tried again, it does not start anew.
        assert!(p.again(NANOSLEEP, &[time, 0]).is_err());
        let task = p.k.current();
        p.k.tasks[task].call = NANOSLEEP;
        pass(p, 6 * MILLISECOND);
        assert_eq!(p.again(NANOSLEEP, &[time, 0]), Ok(0));
        let wrong = p.put(0, &words(&[0, 1_000_000_000]));
        assert_eq!(p.error(NANOSLEEP, &[wrong, 0]), Errno::EINVAL);
        // CPU clocks: no sleep on the thread's, EINVAL; unknown clocks too.
        assert_eq!(p.error(115, &[3, 0, time, 0]), Errno::EINVAL);
        assert_eq!(p.error(113, &[77, time]), Errno::EINVAL);
    });
}

#[test]
fn the_wall_clock_can_be_set_by_root_only() {
    boot(false, |p| {
        let time = p.put(0, &words(&[2_000_000_000, 0]));
        p.ok(112, &[0, time]);
        assert_eq!(p.k.wall_time() / 1_000_000_000, 2_000_000_000);
        assert_eq!(p.error(112, &[1, time]), Errno::EINVAL);
        p.ok(146, &[1000]);
        assert_eq!(p.error(112, &[0, time]), Errno::EPERM);
    });
}
