//! The machine image: every record of a machine, and the view over it.
//!
//! The tables are listed once, below. An image is their concatenation, all of it plain data without
//! pointers; a record that is all zero is free. Copying an image and sharing its frames forks the
//! machine.

use crate::file::lock::Lock;
use crate::file::{FdTable, File};
use crate::host::Request;
use crate::ipc::epoll::EpollItem;
use crate::ipc::inotify::{Inotify, Watch};
use crate::ipc::pipe::Pipe;
use crate::ipc::sysv::Object;
use crate::ipc::sysv::semaphore::Undo;
use crate::mm::{Mm, Vma};
use crate::net::Socket;
use crate::process::futex::Vector;
use crate::process::{Process, Task};
use crate::rom::Rom;
use crate::signal::Queued;
use crate::time::Timer;
use crate::tty::Tty;
use crate::vfs::{Dentry, Inode, Mount};
use ncpu_machine::Core;
use ncpu_machine::mem::{Mem, Page, PageAllocator};

/// Sizes of a machine's tables, fixed at boot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct Limits {
    /// Physical pages of RAM.
    pub pages: u32,
    /// Tasks (threads), and also processes, address spaces and descriptor tables.
    pub tasks: u32,
    /// Mappings of all address spaces together.
    pub mappings: u32,
    /// Open files of all processes together.
    pub files: u32,
    /// Nodes of the writable overlay.
    pub inodes: u32,
    /// Directory entries of the writable overlay; a power of two.
    pub dentries: u32,
    /// Pipes, sockets and other kernel objects of each kind.
    pub objects: u32,
    /// Bytes of each console ring; a power of two.
    pub console: u32,
}

impl Default for Limits {
    /// A desktop-sized machine with 1 GiB of RAM.
    fn default() -> Self {
        Limits {
            pages: 1 << 18,
            tasks: 512,
            mappings: 1 << 15,
            files: 1 << 13,
            inodes: 1 << 16,
            dentries: 1 << 16,
            objects: 1 << 10,
            console: 1 << 16,
        }
    }
}

impl Limits {
    /// The sizes in the order of the fields.
    pub const fn to_array(self) -> [u32; 8] {
        let Limits { pages, tasks, mappings, files, inodes, dentries, objects, console } = self;
        [pages, tasks, mappings, files, inodes, dentries, objects, console]
    }

    /// The limits with these sizes, if a machine can have them: each at least 1 and small enough
    /// that no table passes 4 GiB, and powers of two where that is asked for.
    pub fn from_array(sizes: [u32; 8]) -> Option<Limits> {
        let [pages, tasks, mappings, files, inodes, dentries, objects, console] = sizes;
        let in_range = |n: u32, most: u32| (1..=most).contains(&n);
        let fine = in_range(pages, 1 << 28)
            && in_range(tasks, 1 << 16)
            && in_range(mappings, 1 << 24)
            && in_range(files, 1 << 20)
            && in_range(inodes, 1 << 24)
            && in_range(dentries, 1 << 23)
            && in_range(objects, 1 << 16)
            && in_range(console, 1 << 24)
            && dentries.is_power_of_two()
            && console.is_power_of_two();
        fine.then_some(Limits { pages, tasks, mappings, files, inodes, dentries, objects, console })
    }
}

/// What a machine has one of.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct Header {
    /// The limits that the image was laid out with.
    pub limits: Limits,
    /// Instructions retired by all tasks since boot.
    pub retired: u64,
    /// Nanoseconds by which the clock is ahead of `retired` (idle time that was skipped).
    pub skipped: u64,
    /// CLOCK_REALTIME at boot, in nanoseconds since 1970.
    pub boot_time: u64,
    /// State of the entropy generator.
    pub entropy: [u64; 2],
    /// The task that runs, as an index; `u32::MAX` for none.
    pub current: u32,
    /// Set when another task should run before the quantum is over.
    pub reschedule: u32,
    /// Instructions left of the running task's quantum.
    pub quantum: i64,
    /// Last process number given out.
    pub last_pid: u32,
    /// Whether the machine has ended.
    pub ended: u32,
    /// Wait status of the first process once the machine has ended.
    pub exit_status: u32,
    /// Next serial number for whatever needs a unique one (inotify cookies, socket names, ...).
    pub serial: u32,
    /// Console rings: bytes ever written to and read from each; see [`crate::tty::console`].
    pub console: [u64; 4],
    /// State of the console: flags of [`crate::tty::console`].
    pub console_flags: u32,
    /// Set when execution was cut inside a straight line, where nothing may be scheduled; 2 when a
    /// driver that met a limit there has to take output at the line's end.
    pub inside_line: u32,
    /// No sleeping task or timer is due before this time; `u64::MAX` when there is none.
    pub next_deadline: u64,
    /// Tasks in use are below this index.
    pub task_end: u32,
    /// Whether the host paces the clock: idle time is then not skipped.
    pub paced: u32,
    /// Requests to the host that wait for an answer.
    pub host_requests: u32,
    /// First free record of the table of mappings (index + 1), 0 for none.
    pub mapping_free: u32,
    /// Records of that table that have ever been used.
    pub mapping_fresh: u32,
    /// Physical page of `[vdso]`, 0 before the first program is loaded.
    pub vdso: u32,
    /// Where the last record of the console output ring starts, in bytes ever written.
    pub console_record: u64,
    /// Figures for reports.
    pub counters: Counters,
    /// Allocation state of the file system's tables.
    pub vfs: crate::vfs::State,
    /// Number of the last event that had its order recorded.
    pub order: u64,
    /// Host name, NUL-padded; empty for the default.
    pub host_name: [u8; 64],
    /// NIS domain name, NUL-padded; empty for the default.
    pub domain_name: [u8; 64],
    /// Whether the first process is the init of the machine, as that of a PID namespace is: it
    /// ignores signals that it has no handler for and waits for orphans. Otherwise it is an ordinary
    /// program, and an init that no one sees takes the orphans.
    pub first_is_init: u32,
    /// POSIX timers are below this index.
    pub timer_end: u32,
    /// Records in use in the table of futexes that are waited for several at a time.
    pub vector_waiters: u32,
    /// Traps and retried calls since the last instruction that was retired.
    pub fruitless: u32,
    /// Port that was given out last to a socket that asked for none.
    pub ephemeral_port: u32,
    /// First socket that is to be closed (index + 1).
    pub sockets_buried: u32,
    /// Set while sockets are being closed.
    pub sockets_closing: u32,
}

/// Figures for reports; part of the state, so that they are repeatable too.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct Counters {
    /// Calls by number.
    pub calls: [u32; crate::table::NUMBERS],
    /// Calls that returned ENOSYS because they are not implemented, by number.
    pub missing: [u32; crate::table::NUMBERS],
    /// Micro-ops retired.
    pub uops: u64,
    /// Page faults served by mapping a page.
    pub faults: u64,
    /// Page copies made for copy-on-write.
    pub copies: u64,
    /// Context switches.
    pub switches: u64,
}

/// A record of an image.
///
/// # Safety
/// Every bit pattern must be a valid value (integers and arrays of them, no padding that matters,
/// no `bool`, enum, reference or pointer), and all zero must mean "free".
pub unsafe trait Record: Copy {
    /// A free record.
    fn free() -> Self {
        // SAFETY: the implementor's promise that all zero is a valid value.
        unsafe { core::mem::zeroed() }
    }
}

macro_rules! plain { ($($type:ty)*) => { $(
    // SAFETY: built of integers only.
    unsafe impl Record for $type {}
)* } }
plain! { u8 u32 Header Request Page PageAllocator Core }

macro_rules! tables {
    ($($(#[$doc:meta])* $field:ident: $type:ty = |$limits:ident| $count:expr;)*) => {
        /// A view over a machine image for the time it runs.
        pub struct Kernel<'m> {
            /// Memory, bound to its pool and caches.
            pub mem: Mem<'m>,
            /// The root file system image.
            pub rom: Rom<'m>,
            /// What there is one of.
            pub header: &'m mut Header,
            $($(#[$doc])* pub $field: &'m mut [$type],)*
        }

        /// Where each table of an image is, in bytes from its start.
        #[derive(Clone, Copy, Debug)]
        #[repr(C)]
        pub struct Layout {
            limits: Limits,
            allocator: usize,
            pages: usize,
            $($field: usize,)*
            bytes: usize,
        }

        impl Layout {
            /// The layout for these limits.
            pub const fn new(limits: Limits) -> Layout {
                let mut at = round_up(size_of::<Header>());
                let allocator = at;
                at += round_up(size_of::<PageAllocator>());
                let pages = at;
                at += round_up(size_of::<Page>() * (limits.pages as usize + 1));
                $(
                    let $field = at;
                    let $limits = &limits;
                    at += round_up(size_of::<$type>() * ($count) as usize);
                )*
                Layout { limits, allocator, pages, $($field,)* bytes: at }
            }

            /// The limits that it is for.
            pub const fn limits(&self) -> Limits {
                self.limits
            }

            /// Bytes of an image.
            pub const fn bytes(&self) -> usize {
                self.bytes
            }

            /// Where the table of physical pages is and how long, in bytes: it holds frame numbers,
            /// which mean something in one pool only.
            pub const fn page_table(&self) -> core::ops::Range<usize> {
                self.pages..self.pages + size_of::<Page>() * (self.limits.pages as usize + 1)
            }

            /// Where the registers of a task are, in bytes from the start of an image.
            pub const fn core(&self, task: usize) -> usize {
                self.cores + task * size_of::<Core>()
            }

            /// The allocation state and the table of physical pages of an image.
            pub fn memory(&self, image: *mut u8) -> (*mut PageAllocator, *mut [Page]) {
                let pages = image.wrapping_add(self.pages).cast::<Page>();
                let count = self.limits.pages as usize + 1;
                let pages = core::ptr::slice_from_raw_parts_mut(pages, count);
                (image.wrapping_add(self.allocator).cast(), pages)
            }

            /// Splits an image into its tables. `bind` makes the memory from the allocation state
            /// and the table of pages.
            ///
            /// # Safety
            /// `image` must be aligned to 64 bytes and valid for [`Layout::bytes`] bytes, all zero or
            /// an image of the same limits, and used by nothing else while the result lives.
            pub unsafe fn view<'m>(
                &self,
                image: *mut u8,
                rom: Rom<'m>,
                bind: impl FnOnce(&'m mut PageAllocator, &'m mut [Page]) -> Mem<'m>,
            ) -> Kernel<'m> {
                // SAFETY: the caller's promise; the tables do not overlap.
                unsafe {
                    let allocator = &mut carve(image, self.allocator, 1)[0];
                    let pages = carve(image, self.pages, self.limits.pages as usize + 1);
                    let header: &mut Header = &mut carve(image, 0, 1)[0];
                    header.limits = self.limits;
                    Kernel {
                        mem: bind(allocator, pages),
                        rom,
                        header,
                        $($field: {
                            let $limits = &self.limits;
                            carve(image, self.$field, ($count) as usize)
                        },)*
                    }
                }
            }
        }
    };
}

const fn round_up(bytes: usize) -> usize {
    bytes.next_multiple_of(64)
}

/// # Safety
/// The range must be inside the image, hold valid records, and be used by nothing else.
unsafe fn carve<'m, T: Record>(image: *mut u8, at: usize, count: usize) -> &'m mut [T] {
    // SAFETY: the caller's promise.
    unsafe { core::slice::from_raw_parts_mut(image.add(at).cast::<T>(), count) }
}

tables! {
    /// Threads.
    tasks: Task = |l| l.tasks;
    /// Registers of each task.
    cores: Core = |l| l.tasks;
    /// Requests to the host, one a task.
    requests: Request = |l| l.tasks;
    /// Thread groups.
    processes: Process = |l| l.tasks;
    /// Queued signals with their details.
    signals: Queued = |l| 4 * l.tasks;
    /// Futexes of tasks that wait for several at a time.
    futex_vectors: Vector = |_l| 256;
    /// POSIX timers.
    timers: Timer = |l| 2 * l.tasks;
    /// Address spaces.
    mms: Mm = |l| l.tasks;
    /// Mappings.
    vmas: Vma = |l| l.mappings;
    /// Descriptor tables.
    fd_tables: FdTable = |l| l.tasks;
    /// Open files.
    files: File = |l| l.files;
    /// Nodes of the overlay.
    inodes: Inode = |l| l.inodes;
    /// Hash heads of the records that shadow image inodes.
    shadow_hash: u32 = |l| l.inodes;
    /// Directory entries of the overlay.
    dentries: Dentry = |l| l.dentries;
    /// Hash heads of the directory entries.
    dentry_hash: u32 = |l| l.dentries;
    /// Files of host folders that are in use.
    host_nodes: crate::vfs::hostfs::HostNode = |l| l.files / 2 + 1;
    /// File locks that are held.
    locks: Lock = |l| l.objects;
    /// The file lock that each task waits for.
    lock_waits: Lock = |l| l.tasks;
    /// Mounts.
    mounts: Mount = |_l| 32;
    /// Pipes and FIFOs.
    pipes: Pipe = |l| l.objects;
    /// Entries of epoll interest lists.
    epoll_items: EpollItem = |l| 4 * l.objects;
    /// inotify instances.
    inotifies: Inotify = |_l| 128;
    /// Watches of inotify instances.
    watches: Watch = |l| 4 * l.objects;
    /// System V semaphore sets, message queues and shared memory segments.
    sysv_objects: Object = |l| l.objects;
    /// What the end of processes does to System V semaphores.
    sysv_undos: Undo = |l| l.objects;
    /// Terminals.
    ttys: Tty = |_l| crate::tty::TERMINALS;
    /// Sockets.
    sockets: Socket = |l| l.objects;
    /// Bytes to the guest's standard input.
    console_in: u8 = |l| l.console;
    /// Records from the guest's standard output and error.
    console_out: u8 = |l| l.console;
}
