//! A machine in host memory.

#![allow(unsafe_code)]

use memmap2::{MmapMut, MmapOptions};
use ncpu_image::RootImage;
use ncpu_linux::{Errno, Kernel, Layout, Limits, exec, file, is_zero, process, vfs};
use ncpu_machine::code::{CodeCache, CodeExtent, CodeStore, DirectoryEntry, Lookup};
use ncpu_machine::mem::{Mem, Tlb};
use ncpu_machine::{FramePool, LaneWords, PAGE_SIZE, PoolState, Ppn};
use ncpu_uop::Uop;
use std::sync::atomic::AtomicU32;
use std::sync::{Arc, Mutex, PoisonError};

/// Micro-ops that the code cache has room for: 64 MiB, of which only what is used is ever touched.
const CODE_UOPS: usize = 4 << 20;
/// Entries of the directory of lifted pages.
const CODE_DIRECTORY: usize = 1 << 13;
/// Bytes from which on a table is put into large pages.
#[cfg(target_os = "linux")]
const LARGE: usize = 16 << 20;

/// The first program of a machine.
#[derive(Clone, Debug, Default)]
pub struct Program {
    /// Path inside the machine; without a slash it is looked for in PATH.
    pub path: Vec<u8>,
    /// Arguments, the program's name first.
    pub arguments: Vec<Vec<u8>>,
    /// Environment as `NAME=value`.
    pub environment: Vec<Vec<u8>>,
    /// Directory to start in.
    pub directory: Vec<u8>,
    /// Whom it runs as.
    pub user: User,
}

/// A user and groups, by number; root by default.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct User {
    /// User.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Supplementary groups, of which the first 31 count.
    pub groups: Vec<u32>,
}

/// Why a machine could not be started.
#[derive(Debug, thiserror::Error)]
pub enum BootError {
    /// The host could not give the memory.
    #[error("cannot reserve {bytes} bytes for the machine: {source}; try a smaller --mem")]
    Memory {
        /// How much was asked for.
        bytes: usize,
        /// What the host said.
        source: std::io::Error,
    },
    /// The kernel tables could not be set up.
    #[error("cannot set up the machine: {}", name(*.0))]
    Setup(Errno),
    /// A host folder cannot be mounted.
    #[error("cannot mount on {path:?}: {}", name(*.errno))]
    Mount {
        /// Where.
        path: String,
        /// The error that the machine's kernel gave.
        errno: Errno,
    },
    /// The working directory cannot be entered.
    #[error("cannot enter the working directory {path:?}: {}", name(*.errno))]
    Directory {
        /// The directory.
        path: String,
        /// The error that the machine's kernel gave.
        errno: Errno,
    },
    /// The program cannot be executed.
    #[error("cannot execute {path:?}: {}", name(*.errno))]
    Execute {
        /// The program.
        path: String,
        /// The error that the machine's kernel gave.
        errno: Errno,
    },
}

fn name(errno: Errno) -> String {
    std::io::Error::from_raw_os_error(errno.0 as i32).to_string()
}

/// Frames and a root file system that any number of machines share.
pub struct Pool {
    frames: MmapMut,
    counts: MmapMut,
    state: PoolState,
    capacity: u32,
    root: RootImage,
    /// Caches of machines that are gone.
    spare: Mutex<Vec<Caches>>,
}

impl Pool {
    /// A pool of `frames` frames of 4 KiB. Memory is only taken from the host as it is used.
    ///
    /// # Errors
    /// When the host cannot reserve the address space.
    pub fn new(root: RootImage, frames: u32) -> Result<Arc<Pool>, BootError> {
        // Frame 0 stands for "none".
        let capacity = frames.saturating_add(1);
        Ok(Arc::new(Pool {
            frames: reserve(capacity as usize * PAGE_SIZE)?,
            counts: reserve(capacity as usize * size_of::<AtomicU32>())?,
            state: PoolState::default(),
            capacity,
            root,
            spare: Mutex::default(),
        }))
    }

    /// The root file system that machines of this pool see.
    pub fn root(&self) -> &RootImage {
        &self.root
    }

    /// Frames in use by all machines of the pool.
    pub fn used(&self) -> u32 {
        self.handle().used()
    }

    /// Calls a function with the spare caches.
    fn with_spare<R>(&self, f: impl FnOnce(&mut Vec<Caches>) -> R) -> R {
        // Nothing panics with the lock held.
        f(&mut self.spare.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn handle(&self) -> FramePool {
        let rom = self.root.bytes();
        // SAFETY: the mappings are owned by `self` and page-aligned; machines keep the pool alive
        // while they hold a handle; the root file system image is whole pages. The frames are
        // written through the handle only, by the one machine that holds the only reference.
        unsafe {
            FramePool::from_raw(
                self.frames.as_ptr().cast_mut(),
                self.counts.as_ptr().cast(),
                self.capacity,
                &self.state,
                rom.as_ptr(),
                (rom.len() / PAGE_SIZE) as u32,
            )
        }
    }
}

/// A machine's own memory: its image and its caches.
pub struct Machine {
    limits: Limits,
    layout: Layout,
    image: MmapMut,
    pool: Arc<Pool>,
    /// There until the machine is gone.
    caches: Option<Caches>,
}

/// What a machine is faster with. Code lifted from the root file system stays from one machine of a pool to the next.
struct Caches {
    tlb: MmapMut,
    lookup: MmapMut,
    code: MmapMut,
    directory: MmapMut,
    /// What of the code is good; nothing while it is in use.
    extent: Option<CodeExtent>,
}

impl Caches {
    fn new() -> Result<Caches, BootError> {
        Ok(Caches {
            tlb: reserve(Tlb::words(false) * size_of::<u64>())?,
            lookup: reserve(Lookup::words(false) * size_of::<u64>())?,
            code: reserve(CODE_UOPS * size_of::<Uop>())?,
            directory: reserve(CODE_DIRECTORY * size_of::<DirectoryEntry>())?,
            extent: Some(CodeExtent::default()),
        })
    }
}

fn reserve(bytes: usize) -> Result<MmapMut, BootError> {
    MmapOptions::new()
        .len(bytes)
        .no_reserve_swap()
        .map_anon()
        .map_err(|source| BootError::Memory { bytes, source })
}

/// Memory that is read from end to end though little of it is ever written.
fn reserve_table(bytes: usize) -> Result<MmapMut, BootError> {
    let memory = reserve(bytes)?;
    // A fault for every 4 KiB that was never written takes longer than to read them. Hosts without
    // large pages go on with small ones.
    #[cfg(target_os = "linux")]
    if bytes >= LARGE {
        _ = memory.advise(memmap2::Advice::HugePage);
    }
    Ok(memory)
}

impl Machine {
    /// An empty machine.
    ///
    /// # Errors
    /// When the host cannot reserve the memory.
    pub fn new(pool: &Arc<Pool>, limits: Limits) -> Result<Machine, BootError> {
        let layout = Layout::new(limits);
        Ok(Machine {
            limits,
            layout,
            image: reserve_table(layout.bytes())?,
            pool: Arc::clone(pool),
            caches: Some(match pool.with_spare(Vec::pop) {
                Some(caches) => caches,
                None => Caches::new()?,
            }),
        })
    }

    /// A copy of the machine that shares all its frames until either writes to them.
    ///
    /// # Errors
    /// When the host cannot reserve the memory.
    pub fn fork(&mut self) -> Result<Machine, BootError> {
        let mut copy = Machine::new(&self.pool, self.limits)?;
        for (to, from) in copy.image.chunks_mut(PAGE_SIZE).zip(self.image.chunks(PAGE_SIZE)) {
            if !is_zero(from) {
                to.copy_from_slice(from);
            }
        }
        self.with_kernel(|kernel| kernel.mem.share_all());
        Ok(copy)
    }

    /// A machine from an image of the same layout, whose frame numbers are of another pool. `fill` puts
    /// it into zeroed memory; `bytes` gives the bytes of the physical pages that are in use, one page
    /// after the other.
    ///
    /// # Errors
    /// When the host cannot reserve the memory, or the pool is used up; and those of both functions.
    pub fn rebuild<E: From<BootError>>(
        pool: &Arc<Pool>,
        layout: &Layout,
        fill: impl FnOnce(&mut [u8]) -> Result<(), E>,
        bytes: impl FnOnce(&[u32]) -> Result<Vec<u8>, E>,
    ) -> Result<Machine, E> {
        let mut machine = Machine::new(pool, layout.limits())?;
        if let Err(error) = fill(&mut machine.image) {
            // What is there of it leads to frames that are not the pool's.
            machine.image.fill(0);
            return Err(error);
        }
        let mut used = Vec::new();
        machine.with_kernel(|kernel| kernel.mem.unback(|page| used.push(page.0)));
        let bytes = bytes(&used)?;
        let complete = machine.with_kernel(|kernel| {
            used.iter()
                .zip(bytes.as_chunks::<PAGE_SIZE>().0)
                .all(|(&page, bytes)| kernel.mem.restore_page(Ppn(page), bytes))
        });
        if complete { Ok(machine) } else { Err(BootError::Setup(Errno::ENOMEM).into()) }
    }

    /// Lends the machine as a kernel view. Its caches are empty, but for code of the root file system.
    pub fn with_kernel<R>(&mut self, f: impl FnOnce(&mut Kernel<'_>) -> R) -> R {
        let rom = match self.pool.root.rom() {
            Ok(rom) => rom,
            Err(error) => panic!("a mapped root file system image was changed: {error:?}"),
        };
        let pool = self.pool.handle();
        let Some(caches) = &mut self.caches else { unreachable!("the machine is gone") };
        let (area, directory) = (caches.code.as_mut_ptr(), caches.directory.as_mut_ptr());
        let (area, directory) = (area.cast(), directory.cast());
        let (capacity, slots) = (CODE_UOPS as u32, CODE_DIRECTORY as u32);
        let extent = caches.extent.take();
        let start = extent.unwrap_or_default();
        // SAFETY: the mappings are page-aligned, large enough, and unshared, and as they were left.
        let store = unsafe { CodeStore::go_on(area, capacity, directory, slots, start) };
        if extent.is_none() {
            // SAFETY: nothing uses the store yet. Whoever did before has panicked.
            unsafe { store.clear() };
        }
        // SAFETY: as above; `Mem::new` flushes both tables.
        let mut kernel = unsafe {
            let words = |table: &mut MmapMut| LaneWords::from_raw(table.as_mut_ptr().cast(), false);
            let tlb = Tlb::new(words(&mut caches.tlb));
            let code = CodeCache::new(&store, Lookup::new(words(&mut caches.lookup)));
            self.layout.view(self.image.as_mut_ptr(), rom, |allocator, pages| {
                Mem::new(pool, allocator, pages, tlb, code)
            })
        };
        let result = f(&mut kernel);
        // SAFETY: the view is not used any more.
        caches.extent = Some(unsafe { store.leave(start) });
        result
    }

    /// The limits that the machine was made with.
    pub fn limits(&self) -> Limits {
        self.limits
    }

    /// The pool that the machine's frames are in.
    pub fn pool(&self) -> &Arc<Pool> {
        &self.pool
    }

    /// The layout of the machine's image.
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// The bytes of the machine's image.
    pub fn image(&self) -> &[u8] {
        &self.image
    }

    /// The bytes of the machine's image, to be filled with those of another one.
    pub(crate) fn image_mut(&mut self) -> &mut [u8] {
        &mut self.image
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        self.with_kernel(|kernel| kernel.mem.release_all());
        if let Some(caches) = self.caches.take() {
            self.pool.with_spare(|spare| spare.push(caches));
        }
    }
}

/// What a machine starts with.
#[derive(Clone, Debug)]
pub struct Boot {
    /// Seed of its entropy.
    pub seed: u64,
    /// Its wall clock at the start, in nanoseconds since 1970.
    pub time: u64,
    /// Whether its standard streams are a terminal.
    pub terminal: bool,
    /// Whether its clock keeps to the host's pace.
    pub paced: bool,
    /// Mount points of host folders, by the folders' numbers, and whether the guest may only read.
    pub folders: Vec<(Vec<u8>, bool)>,
    /// Its host name, of which the first 63 bytes count; empty for the default.
    pub host_name: Vec<u8>,
}

impl Default for Boot {
    /// Seed 0, the first second of 2024, no terminal, virtual time.
    fn default() -> Self {
        Boot {
            seed: 0,
            time: 1_704_067_200_000_000_000,
            terminal: false,
            paced: false,
            folders: Vec::new(),
            host_name: Vec::new(),
        }
    }
}

/// Boots a machine: file systems, the first process, its standard streams and its program.
///
/// # Errors
/// When the tables are too small, or the directory or program is not there or not usable.
pub fn boot(kernel: &mut Kernel<'_>, boot: &Boot, program: &Program) -> Result<(), BootError> {
    let header = &mut kernel.header;
    header.boot_time = boot.time;
    header.entropy = ncpu_linux::entropy::seed(boot.seed);
    header.next_deadline = u64::MAX;
    header.console_flags = if boot.terminal { 2 } else { 0 };
    header.paced = boot.paced as u32;
    let name = &boot.host_name[..boot.host_name.len().min(header.host_name.len() - 1)];
    header.host_name[..name.len()].copy_from_slice(name);
    vfs::boot(kernel);
    let first = process::boot(kernel).map_err(BootError::Setup)?;
    let table = kernel.processes[first].fd_table as usize;
    file::boot(kernel, table).map_err(BootError::Setup)?;
    for (number, (path, read_only)) in boot.folders.iter().enumerate() {
        vfs::mount::mount_host(kernel, number as u32, path, *read_only).map_err(|errno| {
            BootError::Mount { path: String::from_utf8_lossy(path).into_owned(), errno }
        })?;
    }
    become_user(&mut kernel.processes[first], &program.user);
    if !program.directory.is_empty() {
        vfs::enter(kernel, &program.directory).map_err(|errno| BootError::Directory {
            path: String::from_utf8_lossy(&program.directory).into_owned(),
            errno,
        })?;
    }
    let arguments: Vec<&[u8]> = program.arguments.iter().map(Vec::as_slice).collect();
    let environment: Vec<&[u8]> = program.environment.iter().map(Vec::as_slice).collect();
    execute(kernel, program, &arguments, &environment).map_err(|errno| BootError::Execute {
        path: String::from_utf8_lossy(&program.path).into_owned(),
        errno,
    })
}

/// Gives a process of root the identity of a user, who has no capabilities unless it is root.
fn become_user(process: &mut process::Process, user: &User) {
    let credentials = &mut process.credentials;
    credentials.uid = [user.uid; 4];
    credentials.gid = [user.gid; 4];
    let count = user.groups.len().min(credentials.groups.len());
    credentials.group_count = count as u32;
    credentials.groups[..count].copy_from_slice(&user.groups[..count]);
    if user.uid != 0 {
        let [effective, permitted, ..] = &mut process.capabilities;
        (*effective, *permitted) = (0, 0);
    }
}

/// Executes the program, looking it up in PATH as `execvp(3)` does when its name has no slash.
fn execute(
    kernel: &mut Kernel<'_>,
    program: &Program,
    arguments: &[&[u8]],
    environment: &[&[u8]],
) -> Result<(), Errno> {
    if program.path.contains(&b'/') {
        return exec::boot(kernel, &program.path, arguments, environment);
    }
    let path =
        environment.iter().find_map(|e| e.strip_prefix(b"PATH=")).unwrap_or(b"/bin:/usr/bin");
    let mut result = Err(Errno::ENOENT);
    for directory in path.split(|&b| b == b':') {
        let candidate = [directory, b"/", &program.path].concat();
        match exec::boot(kernel, &candidate, arguments, environment) {
            Err(Errno::ENOENT | Errno::ENOTDIR) => {}
            Err(Errno::EACCES) => result = Err(Errno::EACCES),
            other => return other,
        }
    }
    result
}
