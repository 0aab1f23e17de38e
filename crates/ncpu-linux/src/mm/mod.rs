//! Address spaces: mappings, translation tables, page faults.
//!
//! An address space ([`Mm`]) is a sorted list of mappings ([`Vma`], kept by `list`) and a root of
//! ARMv8 translation tables, which are pages of the machine's memory (`tables`). Mappings say what
//! may be there; descriptors are filled in by page faults (`fault`) and can be dropped at any time
//! where the bytes are also kept elsewhere. The calls of the `mmap(2)` family change mappings
//! (`map`, `protect`, `remap`, `heap`, `advise`, `lock`).
//!
//! A private page is writable through its descriptor only while this address space owns it alone;
//! [`Descriptor::COPY_ON_WRITE`] marks a descriptor whose page has to be asked about before it is
//! written: shared with a forked process, with a file, or mapped from a shared file for reading.
//!
//! [`Descriptor::COPY_ON_WRITE`]: ncpu_machine::mem::walk::Descriptor::COPY_ON_WRITE
//!
//! Layout, without randomisation and with 39-bit addresses, as Linux computes it: programs at
//! 0x5555550000 (position-independent) or where they want to be, then their heap; mappings downwards
//! from 0x7ff8000000 with the usual stack limit; the stack downwards from 0x8000000000.

pub mod advise;
mod fault;
mod fork;
pub mod heap;
mod list;
pub mod lock;
pub mod map;
mod other;
pub mod policy;
pub mod protect;
pub mod remap;
mod tables;
pub mod transfer;

use crate::Errno;
use crate::image::{Kernel, Record};
use crate::signal::{self, Info};
use crate::vfs::{self, Node};
pub use fault::fault;
pub use fork::fork;
pub use list::{containing, mappings};
use ncpu_machine::Ppn;
pub(crate) use other::zero_other;
pub use other::{futex_key, read_other, write_other};
pub use tables::forget_pages;

/// Bytes in a page, as addresses are counted.
pub const PAGE: u64 = 4096;
/// End of user addresses.
pub const TASK_SIZE: u64 = ncpu_machine::mem::walk::USER_END;
/// Top of the stack of a program.
pub const STACK_TOP: u64 = TASK_SIZE;
/// Bytes kept free below a mapping that grows down (`stack_guard_gap`, 256 pages).
const GUARD_GAP: u64 = 256 * PAGE;
/// Below this only privileged programs can map (`vm.mmap_min_addr`).
const MIN_ADDRESS: u64 = 65536;
/// Mappings that an address space may have (`vm.max_map_count`).
const MAX_MAPPINGS: u32 = 65530;

/// Indices of the resource limits used here (`getrlimit(2)`, asm-generic/resource.h).
mod limit {
    pub(super) const DATA: usize = 2;
    pub(super) const STACK: usize = 3;
    pub(super) const MEMLOCK: usize = 8;
    pub(super) const AS: usize = 9;
}

/// Bits of [`Vma::flags`].
pub mod flag {
    /// PROT_READ.
    pub const READ: u64 = 1;
    /// PROT_WRITE.
    pub const WRITE: u64 = 2;
    /// PROT_EXEC.
    pub const EXEC: u64 = 4;
    /// READ, WRITE and EXEC.
    pub const ACCESS: u64 = 7;
    /// MAP_SHARED.
    pub const SHARED: u64 = 1 << 3;
    /// WRITE may be set later: not so for shared mappings of files opened for reading.
    pub const MAY_WRITE: u64 = 1 << 4;
    /// MAP_GROWSDOWN.
    pub const GROWS_DOWN: u64 = 1 << 5;
    /// Locked in memory.
    pub const LOCKED: u64 = 1 << 6;
    /// Locked once pages are touched.
    pub const LOCK_ON_FAULT: u64 = 1 << 7;
    /// MAP_NORESERVE.
    pub const NO_RESERVE: u64 = 1 << 8;
    /// MADV_DONTFORK.
    pub const DONT_FORK: u64 = 1 << 9;
    /// MADV_WIPEONFORK.
    pub const WIPE_ON_FORK: u64 = 1 << 10;
    /// MADV_DONTDUMP.
    pub const DONT_DUMP: u64 = 1 << 11;
    /// The page of `[vdso]`.
    pub const VDSO: u64 = 1 << 12;
    /// MADV_SEQUENTIAL.
    pub const SEQUENTIAL: u64 = 1 << 13;
    /// MADV_RANDOM.
    pub const RANDOM: u64 = 1 << 14;
    /// MADV_HUGEPAGE.
    pub const HUGE_PAGE: u64 = 1 << 15;
    /// MADV_NOHUGEPAGE.
    pub const NO_HUGE_PAGE: u64 = 1 << 16;
    /// MADV_MERGEABLE.
    pub const MERGEABLE: u64 = 1 << 17;
    /// EXEC may not be set: a file of a mount with MS_NOEXEC.
    pub const NEVER_EXEC: u64 = 1 << 18;
}

/// An address space.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct Mm {
    /// Processes that use it, 0 when free.
    pub references: u32,
    /// Physical page of the root translation table.
    pub root: u32,
    /// First mapping in address order: index + 1 into the table of mappings, 0 for none.
    pub first: u32,
    /// Number of mappings.
    pub count: u32,
    /// Start and end of the heap.
    pub heap: [u64; 2],
    /// Start and end of code, and of data.
    pub code: [u64; 4],
    /// Start of the stack, and the ranges of arguments and environment.
    pub stack: [u64; 5],
    /// Where the next mapping is looked for, downwards.
    pub mmap_base: u64,
    /// Bytes mapped, and resident pages.
    pub usage: [u64; 2],
    /// Address of the code that returns from signal handlers (`[vdso]`).
    pub sigreturn: u64,
    /// Auxiliary vector as given to the program, for /proc.
    pub auxiliary: [[u64; 2]; 24],
    /// The mapping that was found last (index + 1), 0 for none.
    pub hint: u32,
    /// Flags that new mappings get (mlockall with MCL_FUTURE).
    pub future_flags: u32,
    /// Commands that membarrier has been registered for.
    pub barriers: u32,
    /// Memory policy.
    pub policy: u32,
}

/// A mapping.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct Vma {
    /// First byte.
    pub start: u64,
    /// Byte after the last; 0 when the record is free.
    pub end: u64,
    /// Bits of [`flag`].
    pub flags: u64,
    /// Offset in the file of `start`.
    pub offset: u64,
    /// Node of the mapped file, or `vfs::Node::NONE`.
    pub node: u32,
    /// Next mapping in address order (index + 1), 0 for the last.
    pub next: u32,
}

// SAFETY: integers only.
unsafe impl Record for Mm {}
// SAFETY: integers only.
unsafe impl Record for Vma {}

impl Vma {
    /// Whether all bits of `flags` are set.
    pub const fn has(&self, flags: u64) -> bool {
        self.flags & flags == flags
    }

    /// Whether it maps no file.
    pub const fn is_anonymous(&self) -> bool {
        self.node == Node::NONE.0
    }

    /// The page of the file at `address`.
    const fn file_page(&self, address: u64) -> u64 {
        address.wrapping_sub(self.start).wrapping_add(self.offset) / PAGE
    }

    /// Lowest address that has to stay free for it.
    const fn guarded_start(&self) -> u64 {
        if self.has(flag::GROWS_DOWN) { self.start.saturating_sub(GUARD_GAP) } else { self.start }
    }

    /// Whether its pages count against RLIMIT_DATA.
    const fn is_data(&self) -> bool {
        self.flags & (flag::WRITE | flag::SHARED | flag::GROWS_DOWN) == flag::WRITE
    }
}

/// Why a page fault cannot be served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Denied {
    /// Nothing is mapped there.
    NotMapped,
    /// The mapping does not allow it.
    NoRight,
    /// It is beyond the end of the mapped file.
    BeyondFile,
    /// Memory is used up.
    OutOfMemory,
    /// The host has been asked for the page: the task waits for it and tries again.
    Wait,
}

impl Denied {
    /// The signal that the program gets for an access to `address`, as it is to be reported. When memory
    /// is used up it is killed, as by Linux's out-of-memory killer.
    pub const fn info(self, address: u64) -> Info {
        const SIGKILL: u32 = 9;
        const SI_KERNEL: i32 = 0x80;
        match self {
            Denied::NotMapped => Info::fault(signal::SIGSEGV, signal::SEGV_MAPERR, address),
            Denied::NoRight => Info::fault(signal::SIGSEGV, signal::SEGV_ACCERR, address),
            Denied::BeyondFile | Denied::Wait => {
                Info::fault(signal::SIGBUS, signal::BUS_ADRERR, address)
            }
            Denied::OutOfMemory => Info::fault(SIGKILL, SI_KERNEL, 0),
        }
    }
}

/// The address space of the current process.
pub fn current(k: &Kernel<'_>) -> usize {
    k.processes[k.current_process()].mm as usize
}

/// Makes an empty address space with one reference.
pub fn new(k: &mut Kernel<'_>) -> Result<usize, Errno> {
    let mm = k.mms.iter().position(|mm| mm.references == 0).ok_or(Errno::ENOMEM)?;
    let root = k.mem.alloc().ok_or(Errno::ENOMEM)?;
    k.mms[mm] = Mm { references: 1, root: root.0, ..Mm::default() };
    k.mms[mm].mmap_base = map::base(resource_limit(k, mm, limit::STACK));
    Ok(mm)
}

/// Drops a reference to an address space; the last one frees it.
pub fn release(k: &mut Kernel<'_>, mm: usize) {
    let Some(record) = k.mms.get_mut(mm).filter(|record| record.references != 0) else { return };
    record.references -= 1;
    if record.references != 0 {
        return;
    }
    let root = Ppn(record.root);
    let mut next = record.first;
    while next != 0 {
        let vma = k.vmas[next as usize - 1];
        tables::clear(k, mm, vma.start, vma.end);
        list::free_record(k, next as usize - 1);
        next = vma.next;
        if vma.node != Node::NONE.0 {
            vfs::drop_node(k, Node(vma.node));
        }
    }
    tables::free_all(k, mm);
    if k.mem.root() == root {
        k.mem.set_root(Ppn::NONE);
    }
    k.mms[mm] = Mm::default();
}

/// The current value of a resource limit for the process that uses this address space.
fn resource_limit(k: &Kernel<'_>, mm: usize, which: usize) -> u64 {
    let current = k.current_process();
    let owner = if k.processes[current].mm as usize == mm {
        current
    } else {
        let uses = |p: &crate::process::Process| p.state == 1 && p.mm as usize == mm;
        k.processes.iter().position(uses).unwrap_or(current)
    };
    k.processes[owner].limits[which][0]
}

/// Capability to map below [`MIN_ADDRESS`].
const CAP_SYS_RAWIO: u32 = 17;
/// Capability to lock memory beyond the limit.
const CAP_IPC_LOCK: u32 = 14;
/// Capability to look into other processes.
const CAP_SYS_PTRACE: u32 = 19;

/// Whether the current process has a capability in effect.
fn is_capable(k: &Kernel<'_>, capability: u32) -> bool {
    k.processes[k.current_process()].capabilities[0] >> capability & 1 != 0
}

/// `address` rounded up to a page; `None` past the end of 64 bits.
const fn page_up(address: u64) -> Option<u64> {
    match address.checked_add(PAGE - 1) {
        Some(end) => Some(end & !(PAGE - 1)),
        None => None,
    }
}

/// `address` rounded down to a page.
pub(crate) const fn page_down(address: u64) -> u64 {
    address & !(PAGE - 1)
}
