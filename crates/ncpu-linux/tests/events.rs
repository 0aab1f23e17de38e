//! Descriptors that are waited for, and waiting for them: eventfd(2), timerfd_create(2),
//! signalfd(2), epoll(7), poll(2), select(2), inotify(7).

mod support;

use ncpu_linux::{Block, Errno, time};
use support::{Program, boot};

const O_NONBLOCK: u64 = 0o4000;
const EPOLLIN: u32 = 1;
const EPOLLOUT: u32 = 4;
const EPOLLHUP: u32 = 0x10;
const EPOLLET: u32 = 1 << 31;
const EPOLLONESHOT: u32 = 1 << 30;
const ADD: u64 = 1;
const MOD: u64 = 3;
const FDCWD: u64 = -100i64 as u64;

fn word(value: u64) -> [u8; 8] {
    value.to_le_bytes()
}

#[test]
fn event_counters_add_up() {
    boot(false, |p| {
        let fd = p.ok(19, &[3, O_NONBLOCK]);
        assert_eq!(p.poll(fd, 5), 5);
        assert_eq!(p.write(fd, &word(4)), Ok(8));
        assert_eq!(p.read(fd, 8), word(7));
        assert_eq!(p.read_error(fd, 8), Errno::EAGAIN);
        assert_eq!(p.read_error(fd, 4), Errno::EINVAL);
        // The counter is at most 2^64 - 2.
        assert_eq!(p.write(fd, &word(u64::MAX - 1)), Ok(8));
        assert_eq!(p.poll(fd, 5), 1);
        assert_eq!(p.write(fd, &word(1)), Err(Block::Error(Errno::EAGAIN)));
        assert_eq!(p.write(fd, &word(u64::MAX)), Err(Block::Error(Errno::EINVAL)));

        let semaphore = p.ok(19, &[2, 1 | O_NONBLOCK]);
        assert_eq!(p.read(semaphore, 8), word(1));
        assert_eq!(p.read(semaphore, 8), word(1));
        assert_eq!(p.read_error(semaphore, 8), Errno::EAGAIN);
    });
}

/// `struct itimerspec` in nanoseconds: interval and value.
fn timer(interval: u64, value: u64) -> Vec<u8> {
    [0, interval, 0, value].iter().flat_map(|field| field.to_le_bytes()).collect()
}

#[test]
fn timers_count_expiries() {
    boot(false, |p| {
        let fd = p.ok(85, &[1, O_NONBLOCK]);
        let setting = p.put(64, &timer(100, 250));
        p.ok(86, &[fd, 0, setting, 0]);
        let due = p.k.now() + 250;
        assert_eq!(p.k.header.next_deadline, due);
        p.k.header.skipped += 249;
        assert_eq!(p.read_error(fd, 8), Errno::EAGAIN);
        p.k.header.skipped += 1;
        time::expire(p.k);
        assert_eq!(p.poll(fd, 1), 1);
        assert_eq!(p.k.header.next_deadline, due + 100);
        // At 350, 450 and 550 too.
        p.k.header.skipped += 320;
        assert_eq!(p.read(fd, 8), word(4));
        let now = p.buffer;
        p.ok(87, &[fd, now]);
        assert_eq!(p.get(0, 32), timer(100, 80));
        // Zero disarms.
        let setting = p.put(64, &timer(100, 0));
        p.ok(86, &[fd, 0, setting, 0]);
        p.k.header.skipped += 1000;
        assert_eq!(p.read_error(fd, 8), Errno::EAGAIN);
    });
}

#[test]
fn absolute_timers_of_the_wall_clock() {
    boot(false, |p| {
        p.k.header.boot_time = 500_000;
        let fd = p.ok(85, &[0, O_NONBLOCK]);
        let late = p.k.wall_time() + 40;
        let setting = p.put(64, &timer(0, late));
        p.ok(86, &[fd, 1, setting, 0]);
        p.k.header.skipped += 39;
        assert_eq!(p.poll(fd, 1), 0);
        p.k.header.skipped += 1;
        assert_eq!(p.read(fd, 8), word(1));
    });
}

#[test]
fn signals_are_read_as_records() {
    boot(false, |p| {
        // SIGUSR1 and SIGUSR2, blocked.
        let mask = 1u64 << 9 | 1 << 11;
        let address = p.put(64, &word(mask));
        p.ok(135, &[0, address, 0, 8]);
        let fd = p.ok(74, &[u64::MAX, address, 8, O_NONBLOCK]);
        assert_eq!(p.read_error(fd, 128), Errno::EAGAIN);
        p.ok(129, &[1, 12]);
        p.ok(129, &[1, 10]);
        assert_eq!(p.poll(fd, 1), 1);
        let records = p.read(fd, 1024);
        assert_eq!(records.len(), 256);
        // Lower numbers first; the sender is process 1, user 0.
        assert_eq!(records[..4], 10u32.to_le_bytes());
        assert_eq!(records[12..16], 1u32.to_le_bytes());
        assert_eq!(records[128..132], 12u32.to_le_bytes());
        assert_eq!(p.poll(fd, 1), 0);
        assert_eq!(p.read_error(fd, 127), Errno::EINVAL);
    });
}

/// epoll_ctl(2) with the descriptor as the program's value.
fn control(p: &mut Program<'_, '_>, epoll: u64, operation: u64, fd: u64, events: u32) -> Errno {
    let event = [&events.to_le_bytes()[..], &[0; 4], &word(fd)].concat();
    let event = p.put(0, &event);
    match p.call(21, &[epoll, operation, fd, event]) {
        Ok(_) => Errno(0),
        Err(Block::Error(errno)) => errno,
        other => panic!("epoll_ctl: {other:?}"),
    }
}

/// epoll_pwait(2) without waiting: descriptors and events.
fn ready(p: &mut Program<'_, '_>, epoll: u64, max: u64) -> Vec<(u64, u32)> {
    let buffer = p.buffer;
    let count = p.ok(22, &[epoll, buffer, max, 0, 0, 8]);
    let bytes = p.get(0, 16 * count as usize);
    let record = |b: &[u8]| {
        let data = u64::from_le_bytes(b[8..].try_into().unwrap());
        (data, u32::from_le_bytes(b[..4].try_into().unwrap()))
    };
    bytes.chunks(16).map(record).collect()
}

#[test]
fn level_triggered_entries_take_turns() {
    boot(false, |p| {
        let epoll = p.ok(20, &[0]);
        let (first, first_end) = p.pipe(0);
        let (second, second_end) = p.pipe(0);
        assert_eq!(control(p, epoll, ADD, first, EPOLLIN), Errno(0));
        assert_eq!(control(p, epoll, ADD, second, EPOLLIN), Errno(0));
        assert_eq!(control(p, epoll, ADD, second, EPOLLIN), Errno::EEXIST);
        assert_eq!(ready(p, epoll, 4), []);
        assert_eq!(p.poll(epoll, 1), 0);
        p.write(first_end, b"x").unwrap();
        p.write(second_end, b"x").unwrap();
        assert_eq!(p.poll(epoll, 1), 1);
        assert_eq!(ready(p, epoll, 4), [(first, EPOLLIN), (second, EPOLLIN)]);
        assert_eq!(ready(p, epoll, 1), [(first, EPOLLIN)]);
        assert_eq!(ready(p, epoll, 1), [(second, EPOLLIN)]);
        p.ok(57, &[first_end]);
        assert_eq!(ready(p, epoll, 4), [(first, EPOLLIN | EPOLLHUP), (second, EPOLLIN)]);
        // A closed file is gone from the list.
        p.ok(57, &[first]);
        assert_eq!(ready(p, epoll, 4), [(second, EPOLLIN)]);
        assert_eq!(p.error(22, &[epoll, 0, 0, 0, 0, 8]), Errno::EINVAL);
    });
}

#[test]
fn edges_and_one_shots() {
    boot(false, |p| {
        let epoll = p.ok(20, &[0]);
        let (reader, writer) = p.pipe(0);
        assert_eq!(control(p, epoll, ADD, reader, EPOLLIN | EPOLLET), Errno(0));
        p.write(writer, b"2k").unwrap();
        assert_eq!(ready(p, epoll, 4), [(reader, EPOLLIN)]);
        // The example of epoll(7): half is read, and no event follows until more is written.
        assert_eq!(p.read(reader, 1), b"2");
        assert_eq!(ready(p, epoll, 4), []);
        p.write(writer, b"x").unwrap();
        assert_eq!(ready(p, epoll, 4), [(reader, EPOLLIN)]);
        // Emptied and filled between two looks.
        assert_eq!(p.read(reader, 9), b"kx");
        p.write(writer, b"yz").unwrap();
        assert_eq!(ready(p, epoll, 4), [(reader, EPOLLIN)]);
        assert_eq!(ready(p, epoll, 4), []);

        assert_eq!(control(p, epoll, MOD, reader, EPOLLIN | EPOLLONESHOT), Errno(0));
        assert_eq!(ready(p, epoll, 4), [(reader, EPOLLIN)]);
        assert_eq!(ready(p, epoll, 4), []);
        p.write(writer, b"x").unwrap();
        assert_eq!(ready(p, epoll, 4), []);
        assert_eq!(control(p, epoll, MOD, reader, EPOLLIN | EPOLLONESHOT), Errno(0));
        assert_eq!(ready(p, epoll, 4), [(reader, EPOLLIN)]);
    });
}

#[test]
fn instances_nest_four_deep_and_not_in_circles() {
    boot(false, |p| {
        let instances: Vec<u64> = (0..6).map(|_| p.ok(20, &[0])).collect();
        let (reader, writer) = p.pipe(0);
        assert_eq!(control(p, instances[0], ADD, instances[0], EPOLLIN), Errno::EINVAL);
        for pair in instances[..5].windows(2) {
            assert_eq!(control(p, pair[1], ADD, pair[0], EPOLLIN), Errno(0));
        }
        assert_eq!(control(p, instances[5], ADD, instances[4], EPOLLIN), Errno::ELOOP);
        assert_eq!(control(p, instances[0], ADD, instances[1], EPOLLIN), Errno::ELOOP);
        assert_eq!(control(p, instances[0], ADD, reader, EPOLLIN), Errno(0));
        assert_eq!(ready(p, instances[4], 4), []);
        p.write(writer, b"x").unwrap();
        assert_eq!(ready(p, instances[4], 4), [(instances[3], EPOLLIN)]);
        // Regular files are always ready, and refused.
        let file = p.open("/tmp/file", 0o102).unwrap();
        assert_eq!(control(p, instances[0], ADD, file, EPOLLIN), Errno::EPERM);
    });
}

#[test]
fn waiting_ends_at_its_time() {
    boot(false, |p| {
        let epoll = p.ok(20, &[0]);
        let wait = [epoll, p.buffer, 4, 5, 0, 8];
        p.sleeps(22, &wait);
        p.k.header.skipped += 4_999_999;
        assert!(matches!(p.again(22, &wait), Err(Block::SleepOnce(..))));
        p.k.header.skipped += 1;
        assert_eq!(p.again(22, &wait), Ok(0));
    });
}

#[test]
fn select_changes_its_sets_and_time() {
    boot(false, |p| {
        let (reader, writer) = p.pipe(0);
        let sets = [word(1 << reader | 1 << writer), word(1 << writer)].concat();
        let sets = p.put(256, &sets);
        let time = p.put(512, &[word(2), word(0)].concat());
        let none = p.put(600, &[word(0), word(8)].concat());
        let select = [writer + 1, sets, sets + 8, 0, time, none];
        assert_eq!(p.ok(72, &select), 1);
        assert_eq!(p.get(256, 16), [word(0), word(1 << writer)].concat());
        assert_eq!(p.get(512, 16), [word(2), word(0)].concat());

        p.put(256, &[word(1 << reader), word(0)].concat());
        p.sleeps(72, &select);
        p.k.header.skipped += 500_000_000;
        let task = p.k.current();
        let kept = p.k.tasks[task].call_deadline;
        p.write(writer, b"x").unwrap();
        p.k.tasks[task].call_deadline = kept;
        assert_eq!(p.again(72, &select), Ok(1));
        assert_eq!(p.get(256, 8), word(1 << reader));
        assert_eq!(p.get(512, 16), [word(1), word(500_000_000)].concat());
        assert_eq!(p.error(72, &[1, 8, 0, 0, 0, 0]), Errno::EFAULT);
        p.put(256, &word(1 << 40));
        assert_eq!(p.error(72, &[41, sets, 0, 0, 0, 0]), Errno::EBADF);
    });
}

#[test]
fn poll_says_what_is_not_open() {
    boot(false, |p| {
        let (_, writer) = p.pipe(0);
        assert_eq!(p.poll(writer, 4), EPOLLOUT as u16);
        assert_eq!(p.poll(77, 1), 0x20);
        assert_eq!(p.poll(u64::from(u32::MAX), 1), 0);
    });
}

/// Events read from an inotify descriptor: watch, mask, whether it has a cookie, name.
fn events(p: &mut Program<'_, '_>, fd: u64) -> Vec<(u32, u32, bool, String)> {
    let bytes = p.read(fd, 4096);
    let (mut at, mut events) = (0, Vec::new());
    while at < bytes.len() {
        let word =
            |n: usize| u32::from_le_bytes(bytes[at + 4 * n..at + 4 * n + 4].try_into().unwrap());
        let (watch, mask, cookie, len) = (word(0), word(1), word(2), word(3) as usize);
        let name = &bytes[at + 16..at + 16 + len];
        let name = String::from_utf8(name.split(|&b| b == 0).next().unwrap().to_vec()).unwrap();
        events.push((watch, mask, cookie != 0, name));
        at += 16 + len;
    }
    events
}

#[test]
fn directories_report_their_entries() {
    const CREATE: u32 = 0x100;
    const DELETE: u32 = 0x200;
    const MOVED_FROM: u32 = 0x40;
    const MOVED_TO: u32 = 0x80;
    const MODIFY: u32 = 2;
    const IGNORED: u32 = 0x8000;
    const ISDIR: u32 = 0x4000_0000;
    boot(false, |p| {
        let fd = p.ok(26, &[O_NONBLOCK]);
        let path = p.put(0, b"/tmp\0");
        let mask = u64::from(CREATE | DELETE | MOVED_FROM | MOVED_TO | MODIFY);
        assert_eq!(p.ok(27, &[fd, path, mask]), 1);
        assert_eq!(p.read_error(fd, 4096), Errno::EAGAIN);
        let file = p.open("/tmp/a", 0o102).unwrap();
        p.write(file, b"x").unwrap();
        // The same event again is not queued twice.
        p.write(file, b"x").unwrap();
        let path = p.put(0, b"/tmp/d\0");
        p.ok(34, &[FDCWD, path, 0o700]);
        let old = p.put(0, b"/tmp/a\0");
        let new = p.put(64, b"/tmp/b\0");
        p.ok(276, &[FDCWD, old, FDCWD, new, 0]);
        p.ok(35, &[FDCWD, new, 0]);
        assert_eq!(p.poll(fd, 1), 1);
        let event = |mask, cookie, name: &str| (1, mask, cookie, name.to_string());
        assert_eq!(
            events(p, fd),
            [
                event(CREATE, false, "a"),
                event(MODIFY, false, "a"),
                event(CREATE | ISDIR, false, "d"),
                event(MOVED_FROM, true, "a"),
                event(MOVED_TO, true, "b"),
                event(DELETE, false, "b"),
            ]
        );
        p.ok(28, &[fd, 1]);
        assert_eq!(events(p, fd), [event(IGNORED, false, "")]);
        assert_eq!(p.error(28, &[fd, 1]), Errno::EINVAL);
    });
}

/// Not when the last name goes but when the last use ends, and before the directory's own event.
#[test]
fn a_watched_file_is_gone_when_it_is_closed() {
    const ATTRIB: u32 = 4;
    const CLOSE_WRITE: u32 = 8;
    const DELETE: u32 = 0x200;
    const DELETE_SELF: u32 = 0x400;
    const UNMOUNT: u32 = 0x2000;
    const IGNORED: u32 = 0x8000;
    const ISDIR: u32 = 0x4000_0000;
    boot(false, |p| {
        let event = |watch: u32, mask: u32, name: &str| (watch, mask, false, name.to_string());
        let fd = p.ok(26, &[O_NONBLOCK]);
        let file = p.open("/tmp/a", 0o102).unwrap();
        let path = p.put(0, b"/tmp/a\0");
        assert_eq!(p.ok(27, &[fd, path, u64::from(ATTRIB | CLOSE_WRITE | DELETE_SELF)]), 1);
        let directory = p.put(16, b"/tmp\0");
        assert_eq!(p.ok(27, &[fd, directory, u64::from(DELETE)]), 2);
        p.ok(35, &[FDCWD, path, 0]);
        assert_eq!(events(p, fd), [event(1, ATTRIB, ""), event(2, DELETE, "a")]);
        p.ok(57, &[file]);
        assert_eq!(
            events(p, fd),
            [event(1, CLOSE_WRITE, ""), event(1, DELETE_SELF, ""), event(1, IGNORED, "")]
        );

        let path = p.put(0, b"/tmp/d\0");
        p.ok(34, &[FDCWD, path, 0o700]);
        assert_eq!(p.ok(27, &[fd, path, u64::from(DELETE_SELF)]), 3);
        p.ok(35, &[FDCWD, path, 0x200]);
        assert_eq!(
            events(p, fd),
            [event(3, DELETE_SELF, ""), event(3, IGNORED, ""), event(2, DELETE | ISDIR, "d")]
        );

        let path = p.put(0, b"/tmp/d\0");
        p.ok(34, &[FDCWD, path, 0o700]);
        let kind = p.put(16, b"tmpfs\0");
        p.ok(40, &[0, path, kind, 0, 0]);
        assert_eq!(p.ok(27, &[fd, path, u64::from(ATTRIB)]), 4);
        p.ok(39, &[path, 0]);
        assert_eq!(events(p, fd), [event(4, UNMOUNT, ""), event(4, IGNORED, "")]);
    });
}

#[test]
fn a_look_at_input_that_may_be_there_asks_for_it() {
    use ncpu_linux::tty::console::{close_input, push_input, set_live};
    boot(false, |p| {
        let asks = |result| result == Err(Block::SleepOnce(ncpu_linux::Channel::Host, None));
        let record = p.put(512, &[0, 0, 0, 0, 1, 0, 0, 0]);
        let time = p.put(528, &[0; 16]);
        let set = p.put(544, &word(1));
        let epoll = p.ok(20, &[0]);
        assert_eq!(control(p, epoll, ADD, 0, EPOLLIN | EPOLLONESHOT), Errno(0));
        let buffer = p.buffer;
        p.ok(25, &[0, 4, O_NONBLOCK]);
        let looks: [(u32, &[u64]); 5] = [
            (73, &[record, 1, time, 0, 8]),
            (72, &[1, set, 0, 0, time, 0]),
            (22, &[epoll, buffer, 1, 0, 0, 8]),
            (29, &[0, 0x541b, buffer]), // FIONREAD
            (63, &[0, buffer, 1]),
        ];
        for (number, arguments) in looks {
            assert!(asks(p.call(number, arguments)), "{number}");
            assert_eq!(push_input(p.k, b"x"), 1);
            let value = p.again(number, arguments).unwrap();
            assert_eq!(value, u64::from(number != 29), "{number}");
            if number != 63 {
                assert_eq!(p.read(0, 8), b"x");
            }
        }
        // What is live has come or not.
        set_live(p.k, true);
        assert_eq!(p.poll(0, 1), 0);
        set_live(p.k, false);
        assert!(asks(p.call(73, &[record, 1, time, 0, 8])));
        close_input(p.k);
        assert_eq!(p.poll(0, 1), 0x10);
        assert_eq!(p.read(0, 8), b"");
    });
}

#[test]
fn only_those_who_wait_for_it_ask_the_host_for_input() {
    use ncpu_linux::tty::console::waits_for_input;
    boot(false, |p| {
        let task = p.k.current();
        let sleep = |p: &mut Program<'_, '_>, number, arguments: &[u64]| {
            let Err(Block::SleepOnce(channel, _)) = p.call(number, arguments) else {
                panic!("call {number} does not sleep");
            };
            (p.k.tasks[task].state, p.k.tasks[task].channel) = (2, channel.key());
        };
        let (reader, _) = p.pipe(0);
        let time = p.put(512, &[word(1), word(0)].concat());
        let on = |fd: u64| [&(fd as u32).to_le_bytes()[..], &[1, 0, 0, 0]].concat();
        let records = p.put(0, &on(reader));
        sleep(p, 73, &[records, 1, time, 0, 8]);
        assert!(!waits_for_input(p.k));
        p.put(0, &on(0));
        sleep(p, 73, &[records, 1, time, 0, 8]);
        assert!(waits_for_input(p.k));
        let epoll = p.ok(20, &[0]);
        let buffer = p.buffer;
        sleep(p, 22, &[epoll, buffer, 1, 100, 0, 8]);
        assert!(!waits_for_input(p.k));
        assert_eq!(control(p, epoll, ADD, 0, EPOLLIN), Errno(0));
        sleep(p, 22, &[epoll, buffer, 1, 100, 0, 8]);
        assert!(waits_for_input(p.k));
        ncpu_linux::tty::console::close_input(p.k);
        assert!(!waits_for_input(p.k));
    });
}
