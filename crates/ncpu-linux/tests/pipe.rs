//! Pipes and FIFOs, as pipe(7) and fifo(7) say.

mod support;

use ncpu_linux::{Block, Errno};
use support::boot;

const O_NONBLOCK: u64 = 0o4000;
const O_DIRECT: u64 = 0o200000;
const F_SETPIPE_SZ: u64 = 1031;
const F_GETPIPE_SZ: u64 = 1032;
const POLLIN: u16 = 1;
const POLLOUT: u16 = 4;
const POLLERR: u16 = 8;
const POLLHUP: u16 = 16;

#[test]
fn holds_sixteen_pages() {
    boot(false, |p| {
        let (reader, writer) = p.pipe(O_NONBLOCK);
        assert_eq!(p.write(writer, &[7; 70_000]), Ok(65_536));
        assert_eq!(p.write(writer, b"x"), Err(Block::Error(Errno::EAGAIN)));
        assert_eq!(p.read(reader, 100_000).len(), 65_536);
        assert_eq!(p.read_error(reader, 1), Errno::EAGAIN);
    });
}

#[test]
fn small_writes_are_whole_or_not_at_all() {
    boot(false, |p| {
        let (_, writer) = p.pipe(O_NONBLOCK);
        // Fifteen pages and a byte: PIPE_BUF bytes do not fit any more, one less does.
        assert_eq!(p.write(writer, &[1; 15 * 4096 + 1]), Ok(61_441));
        assert_eq!(p.write(writer, &[2; 4096]), Err(Block::Error(Errno::EAGAIN)));
        assert_eq!(p.write(writer, &[2; 4095]), Ok(4095));
    });
}

#[test]
fn a_writer_that_waits_goes_on_where_it_was() {
    boot(false, |p| {
        let (reader, writer) = p.pipe(0);
        let bytes: Vec<u8> = (0..70_000u32).map(|n| (n % 251) as u8).collect();
        let address = p.put(1 << 17, &bytes);
        p.sleeps(64, &[writer, address, 70_000]);
        let task = p.k.current();
        let kept = (p.k.tasks[task].call_progress, p.k.tasks[task].call_state);
        assert_eq!(kept.0, 65_536);
        let mut got = p.read(reader, 60_000);
        (p.k.tasks[task].call_progress, p.k.tasks[task].call_state) = kept;
        assert_eq!(p.again(64, &[writer, address, 70_000]), Ok(70_000));
        got.extend(p.read(reader, 20_000));
        assert_eq!(got, bytes);
    });
}

#[test]
fn packets_keep_their_ends() {
    boot(false, |p| {
        let (reader, writer) = p.pipe(O_DIRECT);
        assert_eq!(p.write(writer, b"abc"), Ok(3));
        assert_eq!(p.write(writer, b"defg"), Ok(4));
        // What does not fit the reader's buffer is lost.
        assert_eq!(p.read(reader, 2), b"ab");
        assert_eq!(p.read(reader, 10), b"defg");
    });
}

#[test]
fn bytes_without_packets_run_together() {
    boot(false, |p| {
        let (reader, writer) = p.pipe(0);
        assert_eq!(p.write(writer, b"abc"), Ok(3));
        assert_eq!(p.write(writer, b"defg"), Ok(4));
        assert_eq!(p.ioctl(reader, 0x541b, 0), Ok(7));
        assert_eq!(p.read(reader, 2), b"ab");
        assert_eq!(p.read(reader, 10), b"cdefg");
        p.read_sleeps(reader, 1);
    });
}

#[test]
fn ends_when_the_other_side_is_closed() {
    boot(false, |p| {
        let (reader, writer) = p.pipe(0);
        assert_eq!(p.write(writer, b"z"), Ok(1));
        assert_eq!(p.poll(reader, POLLIN), POLLIN);
        p.ok(57, &[writer]);
        assert_eq!(p.poll(reader, POLLIN), POLLIN | POLLHUP);
        assert_eq!(p.read(reader, 10), b"z");
        assert_eq!(p.read(reader, 10), b"");
        assert_eq!(p.poll(reader, POLLIN), POLLHUP);

        let (reader, writer) = p.pipe(0);
        assert_eq!(p.poll(writer, POLLOUT), POLLOUT);
        p.ok(57, &[reader]);
        assert_eq!(p.poll(writer, POLLOUT), POLLOUT | POLLERR);
        assert_eq!(p.write(writer, b"z"), Err(Block::Error(Errno::EPIPE)));
        assert!(p.is_pending(13), "SIGPIPE");
    });
}

#[test]
fn capacity_is_a_power_of_two_of_pages() {
    boot(false, |p| {
        let (reader, writer) = p.pipe(O_NONBLOCK);
        assert_eq!(p.ok(25, &[reader, F_GETPIPE_SZ]), 65_536);
        assert_eq!(p.ok(25, &[writer, F_SETPIPE_SZ, 5000]), 8192);
        assert_eq!(p.ok(25, &[reader, F_GETPIPE_SZ]), 8192);
        assert_eq!(p.write(writer, &[0; 10_000]), Ok(8192));
        assert_eq!(p.error(25, &[writer, F_SETPIPE_SZ, 4096]), Errno::EBUSY);
        assert_eq!(p.ok(25, &[writer, F_SETPIPE_SZ, 1 << 20]), 1 << 20);
    });
}

#[test]
fn unknown_flags_are_refused() {
    boot(false, |p| {
        let buffer = p.buffer;
        assert_eq!(p.error(59, &[buffer, 1]), Errno::EINVAL);
        assert_eq!(p.error(59, &[8, 0]), Errno::EFAULT);
        // Nothing is left of the failed call: the next descriptors are the first free ones.
        assert_eq!(p.pipe(0), (3, 4));
    });
}

#[test]
fn fifo_opens_wait_for_each_other() {
    boot(false, |p| {
        let path = p.put(0, b"/tmp/fifo\0");
        p.ok(33, &[-100i64 as u64, path, 0o010_600, 0]);
        assert_eq!(p.open("/tmp/fifo", 1 | O_NONBLOCK), Err(Block::Error(Errno::ENXIO)));
        let parent = p.fork();
        let child = p.k.current();
        p.switch(parent);
        let path = p.put(0, b"/tmp/fifo\0");
        let open_reader = [-100i64 as u64, path, 0, 0];
        p.sleeps(56, &open_reader);
        p.switch(child);
        let writer = p.open("/tmp/fifo", 1).unwrap();
        assert_eq!(p.write(writer, b"hello"), Ok(5));
        // The reader that waited is let in even if the writer is gone again.
        p.ok(57, &[writer]);
        p.switch(parent);
        let reader = p.again(56, &open_reader).unwrap();
        assert_eq!(p.read(reader, 10), b"hello");
        assert_eq!(p.read(reader, 10), b"");
    });
}
