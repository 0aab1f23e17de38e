//! A small machine with a root file system of a few files, for tests that call the kernel directly.

use ncpu_linux::image::{Kernel, Layout, Limits};
use ncpu_linux::rom::{self, Header, Ino, PAGE, Rom, RomDirent, RomInode};
use ncpu_linux::{process, vfs};
use ncpu_machine::code::{CodeCache, CodeStore, DirectoryEntry, Lookup};
use ncpu_machine::mem::{Mem, Tlb};
use ncpu_machine::{FramePool, LaneWords, PoolState};
use ncpu_uop::Uop;
use std::sync::atomic::AtomicU32;

/// Physical pages of the machine.
pub(crate) const PAGES: u32 = 2048;
const CODE: usize = 1 << 18;
const DIRECTORIES: [&str; 5] = ["dev", "proc", "run", "sys", "tmp"];

/// Zeroed memory, aligned to a page, that lives as long as the test.
fn zeroed(bytes: usize) -> *mut u8 {
    let layout = std::alloc::Layout::from_size_align(bytes.next_multiple_of(PAGE), PAGE).unwrap();
    // SAFETY: the size is not zero.
    unsafe { std::alloc::alloc_zeroed(layout) }
}

/// A root file system image with these files (name, contents) in its root directory, mode 0755.
fn image(files: &[(&str, &[u8])]) -> &'static [u8] {
    let mut entries: Vec<(&str, Option<&[u8]>)> = DIRECTORIES.iter().map(|&d| (d, None)).collect();
    entries.extend(files.iter().map(|&(name, contents)| (name, Some(contents))));
    entries.sort();
    let (mut data, mut strings) = (Vec::new(), Vec::new());
    let count = entries.len() as u32;
    let inode = |mode, nlink| RomInode {
        mode,
        uid: 0,
        gid: 0,
        nlink,
        size: 0,
        mtime_s: 0,
        mtime_ns: 0,
        rdev: 0,
        first: 0,
        count: 0,
        parent: 0,
        content: 0,
    };
    let directory = rom::S_IFDIR | 0o755;
    let links = 2 + DIRECTORIES.len() as u32;
    let mut inodes = vec![RomInode { count, parent: 1, ..inode(directory, links) }];
    let mut dirents = Vec::new();
    for &(name, contents) in &entries {
        let node = match contents {
            None => RomInode { first: count, parent: 1, ..inode(directory, 2) },
            Some(contents) => {
                let first = 1 + (data.len() / PAGE) as u32;
                data.extend_from_slice(contents);
                data.resize(data.len().next_multiple_of(PAGE), 0);
                let size = contents.len() as u64;
                RomInode { size, first, ..inode(rom::S_IFREG | 0o755, 1) }
            }
        };
        inodes.push(node);
        dirents.push(RomDirent {
            name: strings.len() as u32,
            name_len: name.len() as u16,
            kind: node.dirent_type(),
            ino: Ino(inodes.len() as u32),
        });
        strings.extend_from_slice(name.as_bytes());
    }
    let pages = (data.len() / PAGE) as u32;
    let header = Header::lay_out(pages, inodes.len() as u32, count, strings.len() as u32).unwrap();
    let mut bytes = vec![0; header.total_pages as usize * PAGE];
    let mut put = |page: u32, section: &[u8]| {
        let start = page as usize * PAGE;
        bytes[start..start + section.len()].copy_from_slice(section);
    };
    put(0, &header.encode());
    put(1, &data);
    put(header.inode_page, &inodes.iter().flat_map(RomInode::encode).collect::<Vec<_>>());
    put(header.dirent_page, &dirents.iter().flat_map(RomDirent::encode).collect::<Vec<_>>());
    put(header.string_page, &strings);
    let copy = zeroed(bytes.len());
    // SAFETY: as many bytes have been allocated, and nothing else refers to them.
    unsafe {
        copy.copy_from_nonoverlapping(bytes.as_ptr(), bytes.len());
        std::slice::from_raw_parts(copy, bytes.len())
    }
}

/// Runs `test` on a machine whose first process exists, as root and without a program.
pub(crate) fn with_machine<R>(
    files: &[(&str, &[u8])],
    test: impl FnOnce(&mut Kernel<'_>) -> R,
) -> R {
    let rom = image(files);
    let limits = Limits {
        pages: PAGES,
        tasks: 16,
        mappings: 512,
        files: 64,
        inodes: 256,
        dentries: 256,
        objects: 16,
        console: 4096,
    };
    let layout = Layout::new(limits);
    let state = PoolState::default();
    // SAFETY: all memory is zeroed, page-aligned, large enough, and outlives the kernel view.
    let mut kernel = unsafe {
        let pool = FramePool::from_raw(
            zeroed((PAGES as usize + 1) * PAGE),
            zeroed((PAGES as usize + 1) * size_of::<AtomicU32>()).cast(),
            PAGES + 1,
            &state,
            rom.as_ptr(),
            (rom.len() / PAGE) as u32,
        );
        let words = |count| LaneWords::from_raw(zeroed(8 * count).cast(), false);
        let tlb = Tlb::new(words(Tlb::words(false)));
        let directory = zeroed(1024 * size_of::<DirectoryEntry>()).cast();
        let area = zeroed(CODE * size_of::<Uop>()).cast();
        let store = Box::leak(Box::new(CodeStore::new(area, CODE as u32, directory, 1024)));
        let code = CodeCache::new(store, Lookup::new(words(Lookup::words(false))));
        layout.view(zeroed(layout.bytes()), Rom::open(rom).unwrap(), |allocator, pages| {
            Mem::new(pool, allocator, pages, tlb, code)
        })
    };
    kernel.header.next_deadline = u64::MAX;
    kernel.header.limits = limits;
    vfs::boot(&mut kernel);
    process::boot(&mut kernel).unwrap();
    test(&mut kernel)
}
