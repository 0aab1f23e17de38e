//! The file system inside the machine: what it does when its tables and its memory are full, and
//! properties that no single program shows.

mod support;

use ncpu_linux::{Block, Errno};
use support::{Program, boot};

const AT_FDCWD: u64 = -100i64 as u64;
const O_RDWR: u64 = 2;
const O_CREAT: u64 = 0o100;
const O_DIRECTORY: u64 = 0o40000;
const GETCWD: u32 = 17;
const DUP: u32 = 23;
const MKNODAT: u32 = 33;
const MKDIRAT: u32 = 34;
const UMOUNT2: u32 = 39;
const MOUNT: u32 = 40;
const STATFS: u32 = 43;
const TRUNCATE: u32 = 45;
const FACCESSAT: u32 = 48;
const CHDIR: u32 = 49;
const FCHMOD: u32 = 52;
const CLOSE: u32 = 57;
const READLINKAT: u32 = 78;
const EXECVE: u32 = 221;
const MMAP: u32 = 222;
const MPROTECT: u32 = 226;
const MEMFD_CREATE: u32 = 279;
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

/// execve(2) that must fail.
fn execute(p: &mut Program<'_, '_>, path: &str) -> Errno {
    let path = p.put(0, format!("{path}\0").as_bytes());
    let none = p.put(64, &[0; 8]);
    p.error(EXECVE, &[path, none, none])
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

/// ETXTBSY: execve(2), open(2), truncate(2). A file of memfd_create(2) may be executed all the same.
#[test]
fn programs_are_not_written_and_what_is_written_is_no_program() {
    const EXECVEAT: u32 = 281;
    boot(false, |p| {
        let fd = create(p, "/tmp/p").unwrap();
        p.ok(FCHMOD, &[fd, 0o700]);
        p.write(fd, b"?").unwrap();
        assert_eq!(execute(p, "/tmp/p"), Errno::ETXTBSY);
        let copy = p.ok(DUP, &[fd]);
        p.ok(CLOSE, &[fd]);
        assert_eq!(execute(p, "/tmp/p"), Errno::ETXTBSY);
        let node = p.k.files[ncpu_linux::file::get(p.k, copy as i32).unwrap()].node;
        p.ok(CLOSE, &[copy]);
        assert_eq!(execute(p, "/tmp/p"), Errno::ENOEXEC);

        let process = p.k.current_process();
        p.k.processes[process].executable = node;
        assert_eq!(create(p, "/tmp/p"), Err(Errno::ETXTBSY));
        let path = p.put(0, b"/tmp/p\0");
        assert_eq!(p.error(TRUNCATE, &[path, 0]), Errno::ETXTBSY);
        p.k.processes[process].executable = 0;
        p.ok(TRUNCATE, &[path, 0]);

        let name = p.put(0, b"m\0");
        let memory = p.ok(MEMFD_CREATE, &[name, 0]);
        p.write(memory, b"?").unwrap();
        let empty = p.put(0, &[0; 16]);
        let flags = 0x1000; // AT_EMPTY_PATH
        assert_eq!(
            p.error(EXECVEAT, &[memory, empty, empty + 8, empty + 8, flags]),
            Errno::ENOEXEC
        );
    });
}

/// mount(2), mmap(2), mprotect(2), access(2).
#[test]
fn mounts_forbid_programs_and_devices() {
    const NODEV: u64 = 4;
    const NOEXEC: u64 = 8;
    boot(false, |p| {
        let point = p.put(8192, b"/tmp\0");
        let kind = p.put(8208, b"tmpfs\0");
        p.ok(MOUNT, &[0, point, kind, NODEV | NOEXEC, 0]);
        let fd = create(p, "/tmp/p").unwrap();
        p.ok(FCHMOD, &[fd, 0o700]);
        p.write(fd, &[0; 4096]).unwrap();
        assert_eq!(p.error(MMAP, &[0, 4096, 5, 2, fd, 0]), Errno::EPERM);
        let mapped = p.ok(MMAP, &[0, 4096, 1, 2, fd, 0]);
        p.ok(MPROTECT, &[mapped, 4096, 3]);
        assert_eq!(p.error(MPROTECT, &[mapped, 4096, 5]), Errno::EACCES);
        p.ok(CLOSE, &[fd]);
        assert_eq!(execute(p, "/tmp/p"), Errno::EACCES);
        let path = p.put(0, b"/tmp/p\0");
        assert_eq!(p.error(FACCESSAT, &[AT_FDCWD, path, 1]), Errno::EACCES);
        p.ok(FACCESSAT, &[AT_FDCWD, path, 6]);
        p.ok(STATFS, &[path, p.buffer + 256]);
        // ST_VALID, and ST_NODEV and ST_NOEXEC, which are the same bits as in mount(2).
        assert_eq!(u64::from(p.get32(256 + 80)), 0x20 | NODEV | NOEXEC);
        let null = p.put(0, b"/tmp/null\0");
        p.ok(MKNODAT, &[AT_FDCWD, null, 0o020_666, 0x103]);
        assert_eq!(create(p, "/tmp/null"), Err(Errno::EACCES));
        // MS_REMOUNT without the flags.
        p.ok(MOUNT, &[0, point, kind, 32, 0]);
        create(p, "/tmp/null").unwrap();
        assert_eq!(execute(p, "/tmp/p"), Errno::ENOEXEC);
    });
}

/// Wherever it is mounted, there is one tree of /proc, in one place, not inside of itself.
#[test]
fn proc_is_mounted_on_proc() {
    boot(false, |p| {
        let kind = p.put(8192, b"proc\0");
        for point in ["/proc", "/proc/1", "/tmp", "/tmp/sys"] {
            let path = p.put(8208, format!("{point}\0").as_bytes());
            p.ok(MOUNT, &[0, path, kind, 0, 0]);
            p.ok(CHDIR, &[path]);
            let length = p.ok(GETCWD, &[p.buffer, 100]);
            assert_eq!(p.get(0, length as usize), b"/proc\0", "{point}");
        }
        let path = p.put(8208, b"/proc\0");
        for _ in 0..5 {
            p.ok(UMOUNT2, &[path, 0]);
        }
        assert_eq!(p.error(UMOUNT2, &[path, 0]), Errno::EINVAL);
        p.ok(MOUNT, &[0, path, kind, 0, 0]);
        p.ok(CHDIR, &[path]);
        let length = p.ok(GETCWD, &[p.buffer, 100]);
        assert_eq!(p.get(0, length as usize), b"/proc\0");
    });
}

fn link_target(p: &mut Program<'_, '_>, path: &str) -> String {
    let path = p.put(0, format!("{path}\0").as_bytes());
    let length = p.ok(READLINKAT, &[AT_FDCWD, path, p.buffer + 512, 512]);
    String::from_utf8(p.get(512, length as usize)).unwrap()
}

/// proc(5), getcwd(2). Above a deleted directory there may be other deleted ones.
#[test]
fn deleted_directories_keep_their_paths() {
    boot(false, |p| {
        let mut path = String::from("/tmp");
        for name in ["/a", "/b", "/c"] {
            path += name;
            let path = p.put(0, format!("{path}\0").as_bytes());
            p.ok(MKDIRAT, &[AT_FDCWD, path, 0o700]);
        }
        let used = p.k.header.vfs.inode_used;
        let c = p.put(0, b"/tmp/a/b/c\0");
        p.ok(CHDIR, &[c]);
        for path in ["/tmp/a/b/c", "/tmp/a/b", "/tmp/a"] {
            let path = p.put(0, format!("{path}\0").as_bytes());
            p.ok(UNLINKAT, &[AT_FDCWD, path, 0x200]);
        }
        assert_eq!(link_target(p, "/proc/self/cwd"), "/tmp/a/b/c (deleted)");
        assert_eq!(p.error(GETCWD, &[p.buffer, 100]), Errno::ENOENT);
        assert_eq!(create(p, "f"), Err(Errno::ENOENT));
        // What is made meanwhile does not take the place of the directories above.
        for n in 0..4 {
            create(p, &format!("/tmp/f{n}")).unwrap();
            unlink(p, &format!("/tmp/f{n}"));
        }
        let up = p.put(8192, b"..\0");
        p.ok(CHDIR, &[up]);
        assert_eq!(link_target(p, "/proc/self/cwd"), "/tmp/a/b (deleted)");
        p.ok(CHDIR, &[up]);
        p.ok(CHDIR, &[up]);
        assert_eq!(link_target(p, "/proc/self/cwd"), "/tmp");
        // The files are still open.
        assert_eq!(p.k.header.vfs.inode_used, used - 3 + 4);
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

/// Lines that are aligned in columns, of which a part is lost.
#[test]
fn maps_of_a_full_memory_end_with_an_error() {
    boot(false, |p| {
        let fd = create(p, "/tmp/big").unwrap();
        let buffer = p.put(0, &[7; 65536]);
        for _ in 0..20 {
            p.ok(MMAP, &[0, 4096, 1, 2, fd, 4096]);
            p.ok(MMAP, &[0, 4096, 0, 2, fd, 4096]);
        }
        let maps = p.open("/proc/self/maps", 0).unwrap();
        let mut offset = 0;
        while let Ok(count) = p.call(PWRITE64, &[fd, buffer, 4096, offset]) {
            offset += count;
        }
        assert_eq!(p.read_error(maps, 4096), Errno::ENOMEM);
        p.ok(FTRUNCATE, &[fd, 0]);
        assert!(p.read(maps, 4096).starts_with(b"7f"));
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
