//! The line discipline, seen from both sides of a pseudo-terminal and from the host. What is echoed
//! follows from termios(3) and the 80-column screen that a user sees.

mod support;

use ncpu_linux::tty::console;
use ncpu_linux::{Block, Errno};
use support::{Program, boot};

const O_RDWR: u64 = 2;
const O_NOCTTY: u64 = 0o400;
const O_NONBLOCK: u64 = 0o4000;
const TCGETS: u64 = 0x5401;
const TCSETS: u64 = 0x5402;
const TIOCSPTLCK: u64 = 0x4004_5431;
const TIOCGPTN: u64 = 0x8004_5430;
const TIOCSCTTY: u64 = 0x540e;
const TIOCGPGRP: u64 = 0x540f;
const FIONREAD: u64 = 0x541b;
const SIGINT: u32 = 2;

/// A pseudo-terminal: master and slave.
fn terminal(p: &mut Program<'_, '_>) -> (u64, u64) {
    let master = p.open("/dev/ptmx", O_RDWR | O_NOCTTY).unwrap();
    let number = p.ioctl(master, TIOCGPTN, 9).unwrap();
    let path = format!("/dev/pts/{number}");
    assert_eq!(p.open(&path, O_RDWR | O_NOCTTY), Err(Block::Error(Errno::EIO)), "locked");
    assert_eq!(p.ioctl(master, TIOCSPTLCK, 0), Ok(0));
    let slave = p.open(&path, O_RDWR | O_NOCTTY).unwrap();
    (master, slave)
}

/// Changes the attributes: flags, given as input, output, control, local, and special characters.
fn set(p: &mut Program<'_, '_>, fd: u64, change: impl FnOnce(&mut [u32; 4], &mut [u8])) {
    let buffer = p.buffer;
    p.ok(29, &[fd, TCGETS, buffer]);
    let mut bytes = p.get(0, 36);
    let mut flags = [0; 4];
    for (n, flag) in flags.iter_mut().enumerate() {
        *flag = u32::from_le_bytes(bytes[4 * n..4 * n + 4].try_into().unwrap());
    }
    change(&mut flags, &mut bytes[17..]);
    for (n, flag) in flags.iter().enumerate() {
        bytes[4 * n..4 * n + 4].copy_from_slice(&flag.to_le_bytes());
    }
    let address = p.put(0, &bytes);
    p.ok(29, &[fd, TCSETS, address]);
}

/// What typing `keys` makes a program read and the user see.
#[track_caller]
fn typed(keys: &[u8], line: &[u8], screen: &[u8]) {
    boot(false, |p| {
        let (master, slave) = terminal(p);
        check(p, (master, slave), keys, line, screen);
    });
}

#[track_caller]
fn check(p: &mut Program<'_, '_>, ends: (u64, u64), keys: &[u8], line: &[u8], screen: &[u8]) {
    let (master, slave) = ends;
    assert_eq!(p.write(master, keys), Ok(keys.len() as u64));
    assert_eq!(p.read(slave, 8192), line);
    if !screen.is_empty() {
        assert_eq!(p.read(master, 8192), screen);
    }
}

#[test]
fn lines_are_edited() {
    typed(b"abc\n", b"abc\n", b"abc\r\n");
    // Enter sends CR, which becomes NL.
    typed(b"abc\r", b"abc\n", b"abc\r\n");
    typed(b"abc\x7fd\n", b"abd\n", b"abc\x08 \x08d\r\n");
    // Nothing is left to erase.
    typed(b"\x7f\n", b"\n", b"\r\n");
    typed(b"abc\x15x\n", b"x\n", b"abc\x08 \x08\x08 \x08\x08 \x08x\r\n");
    let wipe = b"\x08 \x08".repeat(3);
    typed(b"foo bar\x17\n", b"foo \n", &[b"foo bar", &wipe[..], b"\r\n"].concat());
}

#[test]
fn control_characters_are_shown() {
    typed(b"\x01\n", b"\x01\n", b"^A\r\n");
    // Both columns of one are wiped.
    typed(b"\x01\x7f\n", b"\n", b"^A\x08 \x08\x08 \x08\r\n");
    // ^V takes the next character literally: here ^C.
    typed(b"\x16\x03\n", b"\x03\n", b"^\x08^C\r\n");
    typed(b"ab\x12c\n", b"abc\n", b"ab^R\r\nabc\r\n");
}

#[test]
fn tabs_are_erased_back_to_where_they_began() {
    // From column 8 back to column 1, then the letter.
    typed(b"a\tb\x7f\x7f\n", b"a\n", &[b"a\tb\x08 \x08", &[8; 7][..], b"\r\n"].concat());
}

#[test]
fn whole_characters_are_erased_with_iutf8() {
    boot(false, |p| {
        let ends = terminal(p);
        set(p, ends.1, |flags, _| flags[0] |= 0o40000);
        check(p, ends, "é\x7fe\n".as_bytes(), b"e\n", "é\x08 \x08e\r\n".as_bytes());
    });
}

#[test]
fn flags_change_the_echo() {
    // Input, output, control and local flags to set and to clear, keys, line, screen, as Linux 6.1
    // shows them.
    type Case = ([u32; 4], [u32; 4], &'static [u8], &'static [u8], &'static [u8]);
    const CASES: [Case; 8] = [
        // ECHOPRT.
        ([0, 0, 0, 0o2000], [0; 4], b"abc\x7f\x7fd\n", b"ad\n", b"abc\\cb/d\r\n"),
        // Without ECHOKE.
        ([0; 4], [0, 0, 0, 0o4000], b"abc\x15d\n", b"d\n", b"abc^U\r\nd\r\n"),
        // ECHONL without ECHO.
        ([0, 0, 0, 0o100], [0, 0, 0, 0o10], b"abc\x15d\n", b"d\n", b"\r\n"),
        // Without ECHOE.
        ([0; 4], [0, 0, 0, 0o20], b"abc\x7fd\n", b"abd\n", b"abc^?d\r\n"),
        // Without ECHOCTL.
        ([0; 4], [0, 0, 0, 0o1000], b"a\x01b\x16\x03\x7f\n", b"a\x01b\n", b"a\x01b\x03\r\n"),
        // IGNCR.
        ([0o200, 0, 0, 0], [0; 4], b"a\rb\n", b"ab\n", b"ab\r\n"),
        // INLCR without ICRNL.
        ([0o100, 0, 0, 0], [0o400, 0, 0, 0], b"a\nb\rc\x04", b"a\rb\rc", b"a^Mb^Mc"),
        // Without ICANON.
        ([0; 4], [0, 0, 0, 2], b"a\x7fb\r\x04\x16z", b"a\x7fb\n\x04\x16z", b"a^?b\r\n^D^Vz"),
    ];
    boot(false, |p| {
        let ends = terminal(p);
        for (add, remove, keys, line, screen) in CASES {
            let buffer = p.buffer;
            p.ok(29, &[ends.1, TCGETS, buffer]);
            let standard = p.get(0, 36);
            set(p, ends.1, |flags, _| {
                for (n, flag) in flags.iter_mut().enumerate() {
                    *flag = *flag & !remove[n] | add[n];
                }
            });
            check(p, ends, keys, line, screen);
            let standard = p.put(0, &standard);
            p.ok(29, &[ends.1, TCSETS, standard]);
        }
    });
}

#[test]
fn end_of_file_ends_a_read() {
    boot(false, |p| {
        let (master, slave) = terminal(p);
        assert_eq!(p.write(master, b"ab\x04"), Ok(3));
        assert_eq!(p.read(slave, 10), b"ab");
        assert_eq!(p.write(master, b"\x04"), Ok(1));
        assert_eq!(p.read(slave, 10), b"");
        // It is part of the line before it, even if that fills the reader's buffer.
        assert_eq!(p.write(master, b"cd\x04ef\n"), Ok(6));
        assert_eq!(p.read(slave, 2), b"cd");
        assert_eq!(p.ioctl(slave, FIONREAD, 0), Ok(3));
        assert_eq!(p.read(slave, 2), b"ef");
        assert_eq!(p.read(slave, 2), b"\n");
        p.read_sleeps(slave, 2);
    });
}

#[test]
fn lines_have_at_most_4096_characters() {
    boot(false, |p| {
        let (master, slave) = terminal(p);
        set(p, slave, |flags, _| flags[3] &= !0o10);
        assert_eq!(p.write(master, &[b'a'; 5000]), Ok(5000));
        assert_eq!(p.write(master, b"\n"), Ok(1));
        let line = p.read(slave, 8192);
        assert_eq!(line.len(), 4096);
        assert_eq!(line[4094..], *b"a\n");
    });
}

#[test]
fn reads_without_lines_follow_min_and_time() {
    boot(false, |p| {
        let (master, slave) = terminal(p);
        let mode = |p: &mut Program<'_, '_>, min: u8, time: u8| {
            set(p, slave, |flags, cc| {
                flags[3] &= !(0o2 | 0o10);
                (cc[6], cc[5]) = (min, time);
            });
        };
        mode(p, 0, 0);
        assert_eq!(p.read(slave, 10), b"");
        mode(p, 3, 0);
        assert_eq!(p.write(master, b"ab"), Ok(2));
        assert_eq!(p.poll(slave, 1), 0);
        p.read_sleeps(slave, 10);
        // Fewer than MIN are enough when the reader wants no more.
        assert_eq!(p.read(slave, 1), b"a");
        assert_eq!(p.write(master, b"cd"), Ok(2));
        assert_eq!(p.poll(slave, 1), 1);
        assert_eq!(p.read(slave, 10), b"bcd");

        // TIME without MIN is a limit for the whole read: 0.2 seconds.
        mode(p, 0, 2);
        let read = [slave, p.buffer, 10];
        p.sleeps(63, &read);
        p.k.header.skipped += 199_999_999;
        assert!(matches!(p.again(63, &read), Err(Block::Sleep(..))));
        p.k.header.skipped += 1;
        assert_eq!(p.again(63, &read), Ok(0));

        // With MIN it runs between bytes, and not before the first.
        mode(p, 3, 2);
        p.sleeps(63, &read);
        p.k.header.skipped += 1_000_000_000;
        assert!(matches!(p.again(63, &read), Err(Block::Sleep(_, None))));
        let task = p.k.current();
        let kept = p.k.tasks[task].call_state;
        assert_eq!(p.write(master, b"x"), Ok(1));
        p.k.tasks[task].call_state = kept;
        assert!(matches!(p.again(63, &read), Err(Block::Sleep(_, Some(_)))));
        p.k.header.skipped += 200_000_000;
        assert_eq!(p.again(63, &read), Ok(1));
    });
}

#[test]
fn output_is_processed() {
    boot(false, |p| {
        let (master, slave) = terminal(p);
        assert_eq!(p.write(slave, b"a\nb\n"), Ok(4));
        assert_eq!(p.read(master, 10), b"a\r\nb\r\n");
        // XTABS: a tab is spaces up to the next column that is a multiple of eight.
        set(p, slave, |flags, _| flags[1] |= 0o14000);
        assert_eq!(p.write(slave, b"ab\tc"), Ok(4));
        assert_eq!(p.read(master, 20), b"ab      c");
        set(p, slave, |flags, _| flags[1] &= !1);
        assert_eq!(p.write(slave, b"a\n"), Ok(2));
        assert_eq!(p.read(master, 10), b"a\n");
    });
}

#[test]
fn stopped_output_waits() {
    boot(false, |p| {
        let (master, slave) = terminal(p);
        assert_eq!(p.write(master, b"\x13"), Ok(1));
        let address = p.put(0, b"x");
        p.sleeps(64, &[slave, address, 1]);
        assert_eq!(p.poll(slave, 4), 0);
        assert_eq!(p.write(master, b"\x11"), Ok(1));
        assert_eq!(p.write(slave, b"x"), Ok(1));
        assert_eq!(p.read(master, 10), b"x");
    });
}

#[test]
fn interrupt_goes_to_the_foreground_and_flushes() {
    boot(false, |p| {
        let (master, slave) = terminal(p);
        p.ok(29, &[slave, TIOCSCTTY, 0]);
        assert_eq!(p.ioctl(slave, TIOCGPGRP, 0), Ok(1));
        assert_eq!(p.write(master, b"abc\x03"), Ok(4));
        assert!(p.is_pending(SIGINT));
        assert_eq!(p.read(master, 10), b"^C");
        assert_eq!(p.write(master, b"d\n"), Ok(2));
        assert_eq!(p.read(slave, 10), b"d\n");
    });
}

#[test]
fn closing_one_side_ends_the_other() {
    boot(false, |p| {
        let (master, slave) = terminal(p);
        assert_eq!(p.write(slave, b"last"), Ok(4));
        p.ok(57, &[slave]);
        assert_eq!(p.poll(master, 1), 1 | 16);
        assert_eq!(p.read(master, 10), b"last");
        assert_eq!(p.read_error(master, 10), Errno::EIO);
        let slave = p.open("/dev/pts/0", O_RDWR | O_NOCTTY).unwrap();
        p.read_sleeps(master, 10);
        p.ok(57, &[master]);
        assert_eq!(p.read(slave, 10), b"");
        assert_eq!(p.write(slave, b"x"), Err(Block::Error(Errno::EIO)));
        assert_eq!(p.open("/dev/pts/0", O_RDWR), Err(Block::Error(Errno::ENOENT)));
        p.ok(57, &[slave]);
        // The number is free again.
        let master = p.open("/dev/ptmx", O_RDWR).unwrap();
        assert_eq!(p.ioctl(master, TIOCGPTN, 9), Ok(0));
    });
}

/// Everything in the console's output ring: stream and bytes of each record.
fn drained(p: &mut Program<'_, '_>) -> Vec<(u8, Vec<u8>)> {
    let mut records = Vec::new();
    console::drain_output(p.k, |stream, bytes| records.push((stream, bytes.to_vec())));
    records
}

#[test]
fn standard_streams_are_rings() {
    boot(false, |p| {
        p.read_sleeps(0, 10);
        assert_eq!(console::push_input(p.k, b"hello\n"), 6);
        assert_eq!(p.read(0, 3), b"hel");
        assert_eq!(p.read(0, 30), b"lo\n");
        console::close_input(p.k);
        assert_eq!(p.read(0, 30), b"");
        assert_eq!(p.ioctl(0, TCGETS, 0), Err(Errno::ENOTTY));
        assert_eq!(p.write(1, b"out"), Ok(3));
        assert_eq!(p.write(1, b"put"), Ok(3));
        assert_eq!(p.write(2, b"error"), Ok(5));
        assert_eq!(drained(p), [(1, b"output".to_vec()), (2, b"error".to_vec())]);
        // The ring has 4096 bytes: a longer write waits for the host, and nothing is lost.
        let address = p.put(0, &[b'x'; 5000]);
        p.sleeps(64, &[1, address, 5000]);
        assert!(console::output_waiting(p.k));
        let front: usize = drained(p).iter().map(|(_, bytes)| bytes.len()).sum();
        assert!(front > 4000);
        assert_eq!(p.again(64, &[1, address, 5000]), Ok(5000));
        let rest: usize = drained(p).iter().map(|(_, bytes)| bytes.len()).sum();
        assert_eq!(front + rest, 5000);
    });
}

#[test]
fn the_console_is_a_controlling_terminal() {
    boot(true, |p| {
        console::set_window_size(p.k, 50, 132);
        let buffer = p.buffer;
        p.ok(29, &[1, 0x5413, buffer]);
        assert_eq!(p.get(0, 8), [50, 0, 132, 0, 0, 0, 0, 0]);
        p.read_sleeps(0, 10);
        assert_eq!(console::push_input(p.k, b"ls\r"), 3);
        assert_eq!(p.read(0, 10), b"ls\n");
        assert_eq!(p.write(2, b"a\n"), Ok(2));
        assert_eq!(drained(p), [(1, b"ls\r\na\r\n".to_vec())]);
        assert_eq!(p.ioctl(0, TIOCGPGRP, 0), Ok(1));
        let tty = p.open("/dev/tty", O_RDWR | O_NONBLOCK).unwrap();
        assert_eq!(p.read_error(tty, 1), Errno::EAGAIN);
        // The first pseudo-terminal is number 1.
        let master = p.open("/dev/ptmx", O_RDWR).unwrap();
        assert_eq!(p.ioctl(master, TIOCGPTN, 9), Ok(1));
        console::push_input(p.k, b"\x03");
        assert!(p.is_pending(SIGINT));
        console::hang_up(p.k);
        assert!(p.is_pending(1), "SIGHUP");
        assert_eq!(p.read(0, 10), b"");
    });
}

#[test]
fn background_processes_are_kept_from_the_terminal() {
    boot(true, |p| {
        let parent = p.fork();
        // A group of its own, in the background.
        p.ok(154, &[0, 0]);
        let buffer = p.buffer;
        assert_eq!(p.call(63, &[0, buffer, 1]), Err(Block::Interrupted));
        assert!(p.is_pending(21), "SIGTTIN");
        assert_eq!(p.write(1, b"x"), Ok(1));
        p.switch(parent);
        set(p, 0, |flags, _| flags[3] |= 0o400);
        let child = (0..8).find(|&task| task != parent && p.k.tasks[task].state != 0).unwrap();
        p.switch(child);
        assert_eq!(p.write(1, b"x"), Err(Block::Interrupted));
        assert!(p.is_pending(22), "SIGTTOU");
    });
}
