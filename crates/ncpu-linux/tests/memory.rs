//! Address spaces: what the calls of the mmap family do and refuse, checked against mmap(2),
//! munmap(2), mprotect(2), mremap(2), brk(2), madvise(2) and fork(2).

mod machine;

use machine::with_machine;
use ncpu_linux::abi::mman::*;
use ncpu_linux::image::Kernel;
use ncpu_linux::mm::{self, advise, flag, heap, lock, map, protect, remap};
use ncpu_linux::{Block, Errno, SysResult, file, vfs};

const PAGE: u64 = 4096;
const RW: u32 = PROT_READ | PROT_WRITE;
const PRIVATE: u32 = MAP_PRIVATE | MAP_ANONYMOUS;

fn anonymous(k: &mut Kernel<'_>, pages: u64) -> u64 {
    map::mmap(k, 0, pages * PAGE, RW, PRIVATE, -1, 0).unwrap()
}

fn byte(k: &mut Kernel<'_>, address: u64) -> Result<u8, Errno> {
    let mut byte = [0];
    k.read_user(address, &mut byte).map(|()| byte[0])
}

fn put(k: &mut Kernel<'_>, address: u64, value: u8) -> Result<(), Errno> {
    k.write_user(address, &[value])
}

fn fails(result: SysResult, errno: Errno) {
    assert_eq!(result, Err(Block::Error(errno)));
}

fn ranges(k: &Kernel<'_>) -> Vec<(u64, u64, u64)> {
    let mm = mm::current(k);
    mm::mappings(k, mm, 0).map(|v| (v.start, v.end, v.flags & flag::ACCESS)).collect()
}

fn become_user(k: &mut Kernel<'_>) {
    let process = k.current_process();
    k.processes[process].credentials.uid = [1000; 4];
    k.processes[process].capabilities = [0; 5];
}

/// A descriptor of a file of the image, opened with these O_* flags.
fn open(k: &mut Kernel<'_>, path: &[u8], flags: u32) -> i32 {
    let node = vfs::resolve(k, vfs::AT_FDCWD, path, vfs::FOLLOW).unwrap();
    let file = file::alloc(k).unwrap();
    vfs::hold(k, node);
    k.files[file].kind = file::kind::REGULAR;
    k.files[file].node = node.0;
    k.files[file].flags = flags;
    file::install(k, file, false, 3).unwrap()
}

/// mmap_base: 128 MiB below the end of 39-bit addresses with a stack limit of 8 MiB; mappings are
/// placed downwards from there.
#[test]
fn mappings_go_down_from_the_base() {
    with_machine(&[], |k| {
        let first = anonymous(k, 1);
        assert_eq!(first, (1 << 39) - (128 << 20) - PAGE);
        assert_eq!(anonymous(k, 2), first - 2 * PAGE);
        // Alike neighbours are one mapping.
        assert_eq!(ranges(k), [(first - 2 * PAGE, first + PAGE, 3)]);
    });
}

#[test]
fn anonymous_memory_is_zero_and_private() {
    with_machine(&[], |k| {
        let at = anonymous(k, 2);
        assert_eq!(byte(k, at), Ok(0));
        put(k, at + PAGE, 7).unwrap();
        assert_eq!(byte(k, at + PAGE), Ok(7));
    });
}

/// mmap(2), ERRORS.
#[test]
fn mmap_refuses_what_linux_refuses() {
    with_machine(&[], |k| {
        fails(map::mmap(k, 0, 0, RW, PRIVATE, -1, 0), Errno::EINVAL);
        fails(map::mmap(k, 0, PAGE, RW, PRIVATE, -1, 1), Errno::EINVAL);
        fails(map::mmap(k, 0, PAGE, RW, MAP_ANONYMOUS, -1, 0), Errno::EINVAL);
        fails(map::mmap(k, 1, PAGE, RW, PRIVATE | MAP_FIXED, -1, 0), Errno::EINVAL);
        fails(map::mmap(k, 0, PAGE, RW, MAP_PRIVATE, 9, 0), Errno::EBADF);
        fails(map::mmap(k, 0, u64::MAX, RW, PRIVATE, -1, 0), Errno::ENOMEM);
        fails(map::mmap(k, 1 << 39, PAGE, RW, PRIVATE | MAP_FIXED, -1, 0), Errno::ENOMEM);
        fails(map::mmap(k, 0, 1 << 30, RW, PRIVATE, -1, 0), Errno::ENOMEM);
        assert!(map::mmap(k, 0, 1 << 30, RW, PRIVATE | MAP_NORESERVE, -1, 0).is_ok());
        fails(map::mmap(k, 0, PAGE, RW, PRIVATE | MAP_HUGETLB, -1, 0), Errno::ENOMEM);
        let odd = PRIVATE | MAP_HUGETLB | 17 << MAP_HUGE_SHIFT;
        fails(map::mmap(k, 0, PAGE, RW, odd, -1, 0), Errno::EINVAL);
        become_user(k);
        fails(map::mmap(k, PAGE, PAGE, RW, PRIVATE | MAP_FIXED, -1, 0), Errno::EPERM);
    });
}

#[test]
fn fixed_replaces_and_noreplace_does_not() {
    with_machine(&[], |k| {
        let at = anonymous(k, 3);
        put(k, at + PAGE, 5).unwrap();
        let exact = PRIVATE | MAP_FIXED_NOREPLACE;
        fails(map::mmap(k, at + PAGE, PAGE, RW, exact, -1, 0), Errno::EEXIST);
        let fixed = PRIVATE | MAP_FIXED;
        assert_eq!(map::mmap(k, at + PAGE, PAGE, PROT_READ, fixed, -1, 0), Ok(at + PAGE));
        assert_eq!(byte(k, at + PAGE), Ok(0));
        let end = at + 3 * PAGE;
        let expected = [(at, at + PAGE, 3), (at + PAGE, end - PAGE, 1), (end - PAGE, end, 3)];
        assert_eq!(ranges(k), expected);
    });
}

#[test]
fn munmap_splits_and_frees() {
    with_machine(&[], |k| {
        let at = anonymous(k, 5);
        for page in 0..5 {
            put(k, at + page * PAGE, 1).unwrap();
        }
        let used = k.mem.used_pages();
        assert_eq!(map::munmap(k, at + PAGE, PAGE + 1), Ok(0));
        assert_eq!(k.mem.used_pages(), used - 2);
        assert_eq!(ranges(k), [(at, at + PAGE, 3), (at + 3 * PAGE, at + 5 * PAGE, 3)]);
        assert_eq!(byte(k, at + PAGE), Err(Errno::EFAULT));
        // "It is not an error if the indicated range does not contain any mapped pages."
        assert_eq!(map::munmap(k, at + PAGE, PAGE), Ok(0));
        fails(map::munmap(k, at + 1, PAGE), Errno::EINVAL);
        fails(map::munmap(k, at, 0), Errno::EINVAL);
    });
}

#[test]
fn mprotect_takes_rights_away_and_gives_them_back() {
    with_machine(&[], |k| {
        let at = anonymous(k, 3);
        put(k, at + PAGE, 9).unwrap();
        assert_eq!(protect::mprotect(k, at + PAGE, PAGE, PROT_READ), Ok(0));
        assert_eq!(put(k, at + PAGE, 1), Err(Errno::EFAULT));
        assert_eq!(byte(k, at + PAGE), Ok(9));
        assert_eq!(protect::mprotect(k, at + PAGE, PAGE, PROT_NONE), Ok(0));
        assert_eq!(byte(k, at + PAGE), Err(Errno::EFAULT));
        assert_eq!(ranges(k).len(), 3);
        assert_eq!(protect::mprotect(k, at, 3 * PAGE, RW), Ok(0));
        assert_eq!(ranges(k).len(), 1);
        assert_eq!(byte(k, at + PAGE), Ok(9));
        put(k, at + PAGE, 8).unwrap();
        fails(protect::mprotect(k, at, 4 * PAGE, RW), Errno::ENOMEM);
        fails(protect::mprotect(k, at + 1, PAGE, RW), Errno::EINVAL);
        fails(protect::mprotect(k, at, PAGE, 0x40), Errno::EINVAL);
    });
}

const PROT_NONE: u32 = 0;

/// A shared mapping of a file opened for reading cannot become writable (mprotect(2), EACCES).
#[test]
fn rights_to_a_file_are_those_of_its_descriptor() {
    with_machine(&[("f", b"text")], |k| {
        let fd = open(k, b"/f", 0);
        fails(map::mmap(k, 0, PAGE, RW, MAP_SHARED, fd, 0), Errno::EACCES);
        let shared = map::mmap(k, 0, PAGE, PROT_READ, MAP_SHARED, fd, 0).unwrap();
        fails(protect::mprotect(k, shared, PAGE, RW), Errno::EACCES);
        let unknown = MAP_SHARED_VALIDATE | MAP_SYNC;
        fails(map::mmap(k, 0, PAGE, PROT_READ, unknown, fd, 0), Errno::EOPNOTSUPP);
        let fd = open(k, b"/f", 1);
        fails(map::mmap(k, 0, PAGE, PROT_READ, MAP_PRIVATE, fd, 0), Errno::EACCES);
    });
}

#[test]
fn private_stores_do_not_reach_the_file_and_shared_ones_do() {
    with_machine(&[("f", b"text")], |k| {
        let fd = open(k, b"/f", 2);
        let private = map::mmap(k, 0, PAGE, RW, MAP_PRIVATE, fd, 0).unwrap();
        let reader = map::mmap(k, 0, PAGE, PROT_READ, MAP_SHARED, fd, 0).unwrap();
        let writer = map::mmap(k, 0, PAGE, RW, MAP_SHARED, fd, 0).unwrap();
        assert_eq!(byte(k, reader), Ok(b't'));
        put(k, private, b'p').unwrap();
        assert_eq!(byte(k, reader), Ok(b't'));
        put(k, writer, b's').unwrap();
        assert_eq!(byte(k, reader), Ok(b's'));
        assert_eq!(byte(k, private), Ok(b'p'));
        let node = vfs::resolve(k, vfs::AT_FDCWD, b"/f", vfs::FOLLOW).unwrap();
        let mut text = [0; 8];
        assert_eq!(vfs::read_node(k, node, 0, &mut text), Ok(4));
        assert_eq!(&text[..4], b"sext");
    });
}

/// The rest of the last page reads as zeros; the page after it is SIGBUS (mmap(2)).
#[test]
fn file_ends_within_a_page() {
    with_machine(&[("f", b"text")], |k| {
        let fd = open(k, b"/f", 0);
        let at = map::mmap(k, 0, 2 * PAGE, PROT_READ, MAP_PRIVATE, fd, 0).unwrap();
        assert_eq!(byte(k, at + 3), Ok(b't'));
        assert_eq!(byte(k, at + PAGE - 1), Ok(0));
        let beyond = mm::fault(k, at + PAGE, ncpu_machine::Access::Read);
        assert_eq!(beyond, Err(mm::Denied::BeyondFile));
        assert_eq!(beyond.unwrap_err().info(at + PAGE).signal, 7);
    });
}

#[test]
fn fork_copies_private_memory_and_shares_the_rest() {
    with_machine(&[], |k| {
        let private = anonymous(k, 1);
        let shared = map::mmap(k, 0, PAGE, RW, MAP_SHARED | MAP_ANONYMOUS, -1, 0).unwrap();
        put(k, private, 1).unwrap();
        let parent = mm::current(k);
        let before = k.mem.used_pages();
        let child = mm::fork(k, parent).unwrap();
        put(k, private, 2).unwrap();
        put(k, shared, 3).unwrap();
        let mut seen = [0];
        assert_eq!(mm::read_other(k, child, private, &mut seen), Ok(1));
        assert_eq!(seen, [1]);
        assert_eq!(mm::read_other(k, child, shared, &mut seen), Ok(1));
        assert_eq!(seen, [3]);
        assert_eq!(mm::write_other(k, child, private, &[4]), Ok(1));
        assert_eq!(byte(k, private), Ok(2));
        mm::release(k, child);
        // What stays is the page of the shared object and the table that holds it.
        assert!(k.mem.used_pages() <= before + 2);
    });
}

/// madvise(2): MADV_WIPEONFORK and MADV_DONTFORK.
#[test]
fn fork_follows_advice() {
    with_machine(&[], |k| {
        let wiped = anonymous(k, 1);
        put(k, wiped, 1).unwrap();
        assert_eq!(advise::madvise(k, wiped, PAGE, advice::WIPEONFORK), Ok(0));
        let kept_back = anonymous(k, 1);
        put(k, kept_back, 1).unwrap();
        assert_eq!(advise::madvise(k, kept_back, PAGE, advice::DONTFORK), Ok(0));
        let parent = mm::current(k);
        let child = mm::fork(k, parent).unwrap();
        let mut seen = [9];
        assert_eq!(mm::read_other(k, child, wiped, &mut seen), Ok(1));
        assert_eq!(seen, [0]);
        assert_eq!(mm::read_other(k, child, kept_back, &mut seen), Err(Errno::EFAULT));
    });
}

#[test]
fn advice_that_drops_pages() {
    with_machine(&[], |k| {
        let at = anonymous(k, 2);
        put(k, at, 1).unwrap();
        assert_eq!(advise::madvise(k, at, PAGE, advice::DONTNEED), Ok(0));
        assert_eq!(byte(k, at), Ok(0));
        // Gaps are skipped and reported.
        put(k, at, 1).unwrap();
        fails(advise::madvise(k, at - PAGE, 2 * PAGE, advice::DONTNEED), Errno::ENOMEM);
        assert_eq!(byte(k, at), Ok(0));
        fails(advise::madvise(k, at, PAGE, 77), Errno::EINVAL);
        fails(advise::madvise(k, at + 1, PAGE, advice::DONTNEED), Errno::EINVAL);
        assert_eq!(lock::mlock(k, at, PAGE), Ok(0));
        fails(advise::madvise(k, at, PAGE, advice::DONTNEED), Errno::EINVAL);
    });
}

/// As the tables of a forged snapshot may ask for: its record would name another machine's frame.
#[test]
fn a_free_page_is_not_shared() {
    with_machine(&[], |k| {
        let pages = [k.mem.alloc().unwrap(), k.mem.alloc().unwrap()];
        for page in pages {
            k.mem.release(page);
        }
        let used = k.mem.used_pages();
        k.mem.share(pages[1]);
        assert_eq!(k.mem.references(pages[1]), 0);
        k.mem.release(pages[1]);
        assert_eq!(k.mem.used_pages(), used);
        let again = [k.mem.alloc().unwrap(), k.mem.alloc().unwrap()];
        assert_eq!(again, [pages[1], pages[0]]);
    });
}

#[test]
fn mremap_grows_moves_and_shrinks() {
    with_machine(&[], |k| {
        let upper = anonymous(k, 1);
        let at = map::mmap(k, 0, 2 * PAGE, PROT_READ | PROT_WRITE, PRIVATE, -1, 0).unwrap();
        assert_eq!(at, upper - 2 * PAGE);
        assert_eq!(protect::mprotect(k, upper, PAGE, PROT_READ), Ok(0));
        put(k, at, 1).unwrap();
        put(k, at + PAGE, 2).unwrap();
        fails(remap::mremap(k, at, 2 * PAGE, 3 * PAGE, 0, 0), Errno::ENOMEM);
        let moved = remap::mremap(k, at, 2 * PAGE, 3 * PAGE, MREMAP_MAYMOVE, 0).unwrap();
        assert_eq!(moved, at - 3 * PAGE);
        assert_eq!((byte(k, moved), byte(k, moved + PAGE)), (Ok(1), Ok(2)));
        assert_eq!(byte(k, at), Err(Errno::EFAULT));
        // There is room above now.
        assert_eq!(remap::mremap(k, moved, 3 * PAGE, 5 * PAGE, 0, 0), Ok(moved));
        assert_eq!(remap::mremap(k, moved, 5 * PAGE, PAGE, 0, 0), Ok(moved));
        assert_eq!(byte(k, moved + PAGE), Err(Errno::EFAULT));
        let fixed = MREMAP_MAYMOVE | MREMAP_FIXED;
        assert_eq!(remap::mremap(k, moved, PAGE, PAGE, fixed, upper), Ok(upper));
        assert_eq!(byte(k, upper), Ok(1));
        put(k, upper, 3).unwrap();
        let keep = MREMAP_MAYMOVE | MREMAP_DONTUNMAP;
        let copy = remap::mremap(k, upper, PAGE, PAGE, keep, 0).unwrap();
        assert_eq!((byte(k, copy), byte(k, upper)), (Ok(3), Ok(0)));
        fails(remap::mremap(k, copy, PAGE, 0, 0, 0), Errno::EINVAL);
        let pages = remap::mremap(k, copy, PAGE, 3 * PAGE, MREMAP_MAYMOVE, 0).unwrap();
        let most = u64::MAX - PAGE + 1;
        fails(remap::mremap(k, pages + PAGE, PAGE, most, MREMAP_MAYMOVE, 0), Errno::ENOMEM);
        let copy = remap::mremap(k, pages, 3 * PAGE, PAGE, 0, 0).unwrap();
        fails(remap::mremap(k, copy - 64 * PAGE, PAGE, PAGE, 0, 0), Errno::EFAULT);
        fails(remap::mremap(k, copy, PAGE, PAGE, MREMAP_FIXED, 0), Errno::EINVAL);
    });
}

#[test]
fn heap_grows_and_shrinks_and_stops_at_mappings() {
    with_machine(&[], |k| {
        let mm = mm::current(k);
        let start = 0x10_0000;
        k.mms[mm].heap = [start; 2];
        assert_eq!(heap::brk(k, 0), Ok(start));
        assert_eq!(heap::brk(k, start + 5000), Ok(start + 5000));
        put(k, start + 4999, 1).unwrap();
        assert_eq!(ranges(k), [(start, start + 2 * PAGE, 3)]);
        assert_eq!(heap::brk(k, start + 10), Ok(start + 10));
        assert_eq!(byte(k, start + PAGE), Err(Errno::EFAULT));
        let wall = start + 8 * PAGE;
        map::mmap(k, wall, PAGE, RW, PRIVATE | MAP_FIXED, -1, 0).unwrap();
        assert_eq!(heap::brk(k, wall), Ok(start + 10));
        assert_eq!(heap::brk(k, wall - PAGE), Ok(wall - PAGE));
        let process = k.current_process();
        k.processes[process].limits[2] = [PAGE, PAGE];
        assert_eq!(heap::brk(k, start + PAGE + 1), Ok(wall - PAGE));
    });
}

/// A mapping made with MAP_GROWSDOWN grows to the page that is touched, up to the stack limit and
/// not next to another mapping.
#[test]
fn stacks_grow_down() {
    with_machine(&[], |k| {
        let process = k.current_process();
        k.processes[process].limits[3] = [64 * PAGE, u64::MAX];
        let top = 0x4000_0000;
        let flags = PRIVATE | MAP_FIXED | MAP_GROWSDOWN;
        map::mmap(k, top, PAGE, RW, flags, -1, 0).unwrap();
        put(k, top - 10 * PAGE, 1).unwrap();
        assert_eq!(ranges(k), [(top - 10 * PAGE, top + PAGE, 3)]);
        assert_eq!(put(k, top - 64 * PAGE, 1), Err(Errno::EFAULT));
        map::mmap(k, top - 400 * PAGE, PAGE, RW, PRIVATE | MAP_FIXED, -1, 0).unwrap();
        k.processes[process].limits[3] = [1024 * PAGE, u64::MAX];
        assert_eq!(put(k, top - 200 * PAGE, 1), Err(Errno::EFAULT));
        put(k, top - 143 * PAGE, 1).unwrap();
    });
}

#[test]
fn limits_on_address_space_and_locks() {
    with_machine(&[], |k| {
        let process = k.current_process();
        k.processes[process].limits[9] = [4 * PAGE, u64::MAX];
        let at = anonymous(k, 3);
        fails(map::mmap(k, 0, 2 * PAGE, RW, PRIVATE, -1, 0), Errno::ENOMEM);
        // Replacing needs no more.
        assert!(map::mmap(k, at, 3 * PAGE, RW, PRIVATE | MAP_FIXED, -1, 0).is_ok());
        become_user(k);
        k.processes[process].limits[8] = [2 * PAGE, u64::MAX];
        assert_eq!(lock::mlock(k, at, PAGE), Ok(0));
        fails(lock::mlock(k, at, 3 * PAGE), Errno::ENOMEM);
        k.processes[process].limits[8] = [0, 0];
        fails(lock::mlock(k, at, PAGE), Errno::EPERM);
        assert_eq!(lock::munlock(k, at, PAGE), Ok(0));
    });
}

#[test]
fn used_up_memory_is_an_error_and_comes_back() {
    with_machine(&[], |k| {
        let at = map::mmap(k, 0, 1 << 30, RW, PRIVATE | MAP_NORESERVE, -1, 0).unwrap();
        let before = k.mem.used_pages();
        let mut page = 0;
        while put(k, at + page * PAGE, 1).is_ok() {
            page += 1;
        }
        assert_eq!(k.mem.used_pages(), machine::PAGES);
        let denied = mm::fault(k, at + page * PAGE, ncpu_machine::Access::Write);
        assert_eq!(denied, Err(mm::Denied::OutOfMemory));
        assert_eq!(map::munmap(k, at, 1 << 30), Ok(0));
        assert!(k.mem.used_pages() <= before + 1);
    });
}

#[test]
fn residence_and_barriers() {
    with_machine(&[], |k| {
        let at = anonymous(k, 3);
        put(k, at + PAGE, 1).unwrap();
        let vector = anonymous(k, 1);
        assert_eq!(advise::mincore(k, at, 3 * PAGE, vector), Ok(0));
        let seen = [byte(k, vector), byte(k, vector + 1), byte(k, vector + 2)];
        assert_eq!(seen, [Ok(0), Ok(1), Ok(0)]);
        fails(advise::mincore(k, at + 3 * PAGE, PAGE, vector), Errno::ENOMEM);
        fails(advise::msync(k, at, PAGE, MS_SYNC | MS_ASYNC), Errno::EINVAL);
        // membarrier(2): private expedited barriers need registration.
        fails(advise::membarrier(k, 8, 0, 0), Errno::EPERM);
        assert_eq!(advise::membarrier(k, 16, 0, 0), Ok(0));
        assert_eq!(advise::membarrier(k, 8, 0, 0), Ok(0));
    });
}
