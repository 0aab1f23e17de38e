//! The file system inside the machine: what it does when its tables and its memory are full, and
//! properties that no single program shows.

mod support;

use ncpu_linux::{Block, Errno};
use support::{Program, boot};

const AT_FDCWD: u64 = -100i64 as u64;
const O_RDWR: u64 = 2;
const O_CREAT: u64 = 0o100;
const O_DIRECTORY: u64 = 0o40000;
const CLOSE: u32 = 57;
const GETDENTS64: u32 = 61;
const LSEEK: u32 = 62;
const PWRITE64: u32 = 68;
const FTRUNCATE: u32 = 46;
const FALLOCATE: u32 = 47;
const UNLINKAT: u32 = 35;
const SEEK_DATA: u64 = 3;
const SEEK_HOLE: u64 = 4;

fn create(p: &mut Program<'_, '_>, path: &str) -> Result<u64, Errno> {
    match p.open(path, O_CREAT | O_RDWR) {
        Ok(fd) => Ok(fd),
        Err(Block::Error(errno)) => Err(errno),
        Err(other) => panic!("{other:?}"),
    }
}

fn unlink(p: &mut Program<'_, '_>, path: &str) {
    let path = p.put(0, format!("{path}\0").as_bytes());
    p.ok(UNLINKAT, &[AT_FDCWD, path, 0]);
}

#[test]
fn full_tables_are_enospc_and_recover() {
    boot(false, |p| {
        let mut made = 0;
        let errno = loop {
            match create(p, &format!("/tmp/f{made}")) {
                Ok(fd) => _ = p.ok(CLOSE, &[fd]),
                Err(errno) => break errno,
            }
            made += 1;
        };
        assert_eq!(errno, Errno::ENOSPC);
        assert!(made > 10);
        unlink(p, "/tmp/f3");
        let fd = create(p, "/tmp/again").unwrap();
        p.ok(CLOSE, &[fd]);
        for n in (0..made).filter(|&n| n != 3) {
            unlink(p, &format!("/tmp/f{n}"));
        }
        unlink(p, "/tmp/again");
    });
}

#[test]
fn full_memory_is_enospc_and_comes_back() {
    boot(false, |p| {
        let before = p.k.mem.used_pages();
        let fd = create(p, "/tmp/big").unwrap();
        let buffer = p.put(0, &[7; 65536]);
        let mut offset = 0;
        let errno = loop {
            match p.call(PWRITE64, &[fd, buffer, 65536, offset]) {
                Ok(count) => offset += count,
                Err(Block::Error(errno)) => break errno,
                Err(other) => panic!("{other:?}"),
            }
        };
        assert_eq!(errno, Errno::ENOSPC);
        assert!(offset > 1 << 20);
        p.ok(CLOSE, &[fd]);
        unlink(p, "/tmp/big");
        // What is left are the pages of the test's own buffer and their tables.
        assert!(p.k.mem.used_pages() - before < 32);
    });
}

#[test]
fn holes_far_out_cost_a_few_pages() {
    boot(false, |p| {
        let fd = create(p, "/tmp/sparse").unwrap();
        let byte = p.put(0, b"x");
        let before = p.k.mem.used_pages();
        for offset in [0, 1 << 22, 1 << 32, 1 << 42, (1 << 62) + 5] {
            assert_eq!(p.ok(PWRITE64, &[fd, byte, 1, offset]), 1);
        }
        // Each byte: its page, and at most one table on each of six levels.
        assert!(p.k.mem.used_pages() - before <= 5 * 7);
        assert_eq!(p.ok(LSEEK, &[fd, 1, SEEK_HOLE]), 4096);
        assert_eq!(p.ok(LSEEK, &[fd, 4096, SEEK_DATA]), 1 << 22);
        assert_eq!(p.ok(LSEEK, &[fd, (1 << 22) + 4096, SEEK_DATA]), 1 << 32);
        assert_eq!(p.ok(LSEEK, &[fd, (1 << 42) + 4096, SEEK_DATA]), 1 << 62);
        assert_eq!(p.error(LSEEK, &[fd, (1 << 62) + 6, SEEK_DATA]), Errno::ENXIO);
        // Punching all but the last page gives the others back; cutting to nothing gives all back.
        p.ok(FALLOCATE, &[fd, 3, 0, 1 << 62]);
        assert_eq!(p.ok(LSEEK, &[fd, 0, SEEK_DATA]), 1 << 62);
        p.ok(FTRUNCATE, &[fd, 0]);
        assert_eq!(p.k.mem.used_pages(), before);
    });
}

#[test]
fn entries_keep_their_positions_while_others_come_and_go() {
    boot(false, |p| {
        for n in 0..20 {
            let fd = create(p, &format!("/tmp/e{n:02}")).unwrap();
            p.ok(CLOSE, &[fd]);
        }
        let Ok(dir) = p.open("/tmp", O_DIRECTORY) else { panic!() };
        let mut names = Vec::new();
        for round in 0.. {
            // 32 bytes an entry: two at a time.
            let buffer = p.buffer;
            let count = p.ok(GETDENTS64, &[dir, buffer, 64]) as usize;
            if count == 0 {
                break;
            }
            let bytes = p.get(0, count);
            for record in bytes.chunks(u16::from_le_bytes([bytes[16], bytes[17]]) as usize) {
                let name = record[19..].split(|&b| b == 0).next().unwrap();
                names.push(String::from_utf8(name.to_vec()).unwrap());
            }
            // Each round one of those already seen goes, and a new one comes.
            if (1..=8).contains(&round) {
                let round = round - 1;
                unlink(p, &format!("/tmp/e{round:02}"));
                let fd = create(p, &format!("/tmp/n{round:02}")).unwrap();
                p.ok(CLOSE, &[fd]);
            }
        }
        let mut expected = vec![".".to_string(), "..".to_string()];
        expected.extend((0..20).map(|n| format!("e{n:02}")));
        expected.extend((0..8).map(|n| format!("n{n:02}")));
        assert_eq!(names, expected);
    });
}
