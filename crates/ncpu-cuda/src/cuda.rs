//! A GPU: its context, modules, memory and one stream of work.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::ffi::{CString, c_char, c_int, c_uint, c_void};
use std::path::PathBuf;
use std::ptr::null_mut;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use cudarc::driver::sys::CUdevice_attribute as Attribute;
use cudarc::driver::sys::CUfunction_attribute as FunctionAttribute;
use cudarc::driver::sys::{
    CUcontext, CUctx_flags, CUdevice, CUevent, CUevent_flags, CUfunc_cache, CUfunction, CUlimit,
    CUmodule, CUstream, CUstream_flags,
};

use crate::cache::{Cache, Key};
use crate::device::{Device, MARKS_KEPT, Mark};
use crate::driver::{Driver, version};
use crate::ptx::target;
use crate::staging::{Bulk, HALF, Staging, fill};
use crate::{CudaError, Failure, Ptx, Result, link};

/// Results by which the driver tells that a kernel went wrong (`cuda.h`, `cudaError_enum`): assertion,
/// then illegal address, resources, timeout, and from hardware stack error to launch failure.
const KERNEL_FAULTS: [u32; 10] = [700, 701, 702, 710, 714, 715, 716, 717, 718, 719];
const OUT_OF_MEMORY: u32 = 2;
const NO_DEVICE: u32 = 100;

/// How [`Cuda::open`] sets things up.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Where compiled modules are kept; `$XDG_CACHE_HOME/ncpu`, else `~/.cache/ncpu`, if none is given.
    pub cache_dir: Option<PathBuf>,
    /// Stack that each thread needs at least: where kernels recurse or call through pointers, the
    /// compiler cannot tell. The driver sets aside as much for every thread that the card can hold at
    /// a time, 270,336 on an H200, whatever is launched.
    pub stack_bytes: Option<usize>,
    /// How the host waits.
    pub waiting: Waiting,
    /// Modules that are loaded, in this order, when a kernel is launched that those before do not have.
    /// What has not been compiled before is loaded at once, so that compiling is side by side.
    pub later: Vec<Ptx>,
}

/// How the host waits for the device.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Waiting {
    /// By looking again and again: the shortest delay, at the cost of a core.
    #[default]
    Spin,
    /// Likewise, but letting other threads have the core.
    Yield,
    /// Asleep until the device interrupts, some 10 µs later.
    Sleep,
}

impl Waiting {
    fn context_flags(self) -> u32 {
        match self {
            Waiting::Spin => CUctx_flags::CU_CTX_SCHED_SPIN as u32,
            Waiting::Yield => CUctx_flags::CU_CTX_SCHED_YIELD as u32,
            Waiting::Sleep => CUctx_flags::CU_CTX_SCHED_BLOCKING_SYNC as u32,
        }
    }

    fn event_flags(self) -> u32 {
        match self {
            Waiting::Spin | Waiting::Yield => 0,
            Waiting::Sleep => CUevent_flags::CU_EVENT_BLOCKING_SYNC as u32,
        }
    }
}

/// What a card is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Card {
    /// Its name.
    pub name: String,
    /// Compute capability, as 10 × major + minor.
    pub capability: u32,
    /// Multiprocessors.
    pub multiprocessors: u32,
    /// Threads that a multiprocessor can hold at a time.
    pub threads_per_multiprocessor: u32,
    /// Release of the driver, such as 580.95.05, or the CUDA version that it supports.
    pub driver: String,
}

/// What a kernel takes of the card.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KernelUse {
    /// Registers of a thread.
    pub registers: u32,
    /// Bytes of local memory of a thread, calls whose depth is unknown not counted.
    pub local_bytes: u32,
    /// The most threads in a block.
    pub block: u32,
}

/// How long the parts of [`Cuda::open`] took.
#[derive(Clone, Debug, Default)]
pub struct Timings {
    /// Loading the driver's library.
    pub library: Duration,
    /// `cuInit`; little if another card has been opened before.
    pub init: Duration,
    /// Asking what the card is.
    pub card: Duration,
    /// Making the context.
    pub context: Duration,
    /// Having stacks set aside.
    pub stack: Duration,
    /// All modules, side by side.
    pub load: Duration,
    /// Each of them. Those that were loaded later follow.
    pub modules: Vec<ModuleTiming>,
    /// All of it, without what was loaded later.
    pub total: Duration,
}

/// How long a module took.
#[derive(Clone, Debug)]
pub struct ModuleTiming {
    /// Its name.
    pub module: &'static str,
    /// Whether it was in the cache.
    pub cached: bool,
    /// Reading it, for the first ones beside making the context, or compiling it.
    pub obtain: Duration,
    /// Loading it onto the card.
    pub load: Duration,
    /// Size of its machine code.
    pub bytes: usize,
}

/// A context of its own on a card.
struct Context {
    driver: &'static Driver,
    handle: CUcontext,
}

// SAFETY: contexts and what is made in them may be used by any thread, which enters first.
unsafe impl Send for Context {}
// SAFETY: likewise; the driver's functions lock.
unsafe impl Sync for Context {}

impl Context {
    fn new(driver: &'static Driver, device: CUdevice, waiting: Waiting) -> Result<Context> {
        // Two modules with different needs of local memory take turns: keep what the larger took.
        let flags = waiting.context_flags() | CUctx_flags::CU_CTX_LMEM_RESIZE_TO_MAX as u32;
        let mut handle = null_mut();
        // SAFETY: it writes one handle.
        unsafe { driver.context_create(&mut handle, flags, device)? };
        Ok(Context { driver, handle })
    }

    /// Makes this the calling thread's context.
    fn enter(&self) -> Result<(), Failure> {
        // SAFETY: the context exists until it is dropped.
        unsafe { self.driver.context_set_current(self.handle) }
    }

    fn reserve_stack(&self, bytes: usize) -> Result<(), Failure> {
        let limit = CUlimit::CU_LIMIT_STACK_SIZE;
        let mut present = 0;
        // SAFETY: it writes one number.
        unsafe { self.driver.context_get_limit(&mut present, limit)? };
        if present < bytes {
            // SAFETY: it takes a number.
            unsafe { self.driver.context_set_limit(limit, bytes)? };
        }
        Ok(())
    }
}

impl Drop for Context {
    fn drop(&mut self) {
        // SAFETY: the owner is gone, and with it all that was made in the context.
        let _ = unsafe { self.driver.context_destroy(self.handle) };
    }
}

/// A module or kernel of a context, which any thread may use.
#[derive(Clone, Copy)]
struct Handle<T>(T);

// SAFETY: handles are the driver's pointers to things that it locks itself.
unsafe impl<T> Send for Handle<T> {}
// SAFETY: likewise.
unsafe impl<T> Sync for Handle<T> {}

/// Modules, and what was found in them.
struct Modules {
    loaded: Vec<Handle<CUmodule>>,
    /// What is left of [`Options::later`].
    later: VecDeque<Ptx>,
    kernels: HashMap<&'static str, Handle<CUfunction>>,
}

/// The events of the latest marks, in turn.
#[derive(Default)]
struct Marks {
    events: Vec<Handle<CUevent>>,
    next: u64,
}

impl Marks {
    fn event(&self, mark: &Mark) -> Result<CUevent> {
        if mark.0 >= self.next || mark.0 + MARKS_KEPT < self.next {
            return Err(CudaError::NoMark { number: mark.0 });
        }
        Ok(self.events[(mark.0 % MARKS_KEPT) as usize].0)
    }
}

/// An NVIDIA GPU.
pub struct Cuda {
    context: Context,
    card: Card,
    waiting: Waiting,
    cache: Cache,
    timings: Mutex<Timings>,
    stream: Handle<CUstream>,
    modules: Mutex<Modules>,
    /// The kernel that was launched last, which a fault that shows later is put down to.
    launched: Mutex<&'static str>,
    /// Lengths of allocations by address. Where the card can reach the host's memory, an address that
    /// is not the card's could name anything.
    allocations: Mutex<BTreeMap<u64, u64>>,
    staging: Mutex<Option<Handle<Staging>>>,
    bulk: Mutex<Option<Handle<Bulk>>>,
    marks: Mutex<Marks>,
}

impl Cuda {
    /// Opens the device of a number, from 0, and loads modules.
    ///
    /// # Errors
    /// If there is no driver or device, if either is too old, or if a module does not compile.
    pub fn open(ordinal: u32, modules: &[Ptx], options: &Options) -> Result<Cuda> {
        let mut timings = Timings::default();
        let start = Instant::now();
        let mut lap = start;
        let mut part = || std::mem::replace(&mut lap, Instant::now()).elapsed();

        let driver = Driver::load()?;
        timings.library = part();
        // SAFETY: it takes no flags.
        unsafe { driver.init(0) }.map_err(|failure| match failure.code {
            NO_DEVICE => CudaError::NoDevice { ordinal, count: 0 },
            _ => failure.into(),
        })?;
        timings.init = part();
        let device = device(driver, ordinal)?;
        let card = card(driver, device)?;
        let cuda = driver.cuda_version()?;
        timings.card = part();
        let cache = Cache::new(options.cache_dir.clone());
        let key = |ptx: &Ptx| key(ptx, &card, cuda);
        let is_missing = |ptx: &&Ptx| !cache.has(&key(ptx));
        let now = modules.iter().chain(options.later.iter().filter(is_missing));
        let now: Vec<Ptx> = now.copied().collect();
        let loaded = |ptx: &&Ptx| !now.iter().any(|now| now.name == ptx.name);
        let later = options.later.iter().filter(loaded).copied().collect();
        let read = &|ptx| Code::read(&cache, key(ptx));
        let (context, stream, codes) = std::thread::scope(|scope| -> Result<_> {
            let codes: Vec<_> = now.iter().map(|ptx| scope.spawn(move || read(ptx))).collect();
            let context = Context::new(driver, device, options.waiting)?;
            timings.context = part();
            if let Some(bytes) = options.stack_bytes {
                context.reserve_stack(bytes)?;
            }
            timings.stack = part();
            let mut stream = null_mut();
            let flags = CUstream_flags::CU_STREAM_NON_BLOCKING as c_uint;
            // SAFETY: it writes one handle.
            unsafe { driver.stream_create(&mut stream, flags)? };
            let codes: Vec<Code> = codes.into_iter().map(joined).collect();
            Ok((context, Handle(stream), codes))
        })?;
        let loaded = load_all(&context, &card, &cache, &now, codes)?;
        let (loaded, module_timings) = loaded.into_iter().unzip();
        (timings.load, timings.modules) = (part(), module_timings);
        timings.total = start.elapsed();
        Ok(Cuda {
            context,
            card,
            waiting: options.waiting,
            cache,
            timings: Mutex::new(timings),
            stream,
            modules: Mutex::new(Modules { loaded, later, kernels: HashMap::new() }),
            launched: Mutex::new("(none)"),
            allocations: Mutex::default(),
            staging: Mutex::default(),
            bulk: Mutex::default(),
            marks: Mutex::default(),
        })
    }

    /// What the card is.
    pub fn card(&self) -> &Card {
        &self.card
    }

    /// How long opening took, and loading modules since.
    pub fn timings(&self) -> Timings {
        lock(&self.timings).clone()
    }

    /// What a kernel takes of the card.
    pub fn kernel_use(&self, entry: &'static str) -> Result<KernelUse> {
        let driver = self.enter()?;
        let kernel = self.kernel(entry)?;
        let attribute = |attribute| {
            let mut value: c_int = 0;
            // SAFETY: it writes one number.
            unsafe { driver.function_attribute(&mut value, attribute, kernel)? };
            Ok::<_, CudaError>(u32::try_from(value).unwrap_or(0))
        };
        Ok(KernelUse {
            registers: attribute(FunctionAttribute::CU_FUNC_ATTRIBUTE_NUM_REGS)?,
            local_bytes: attribute(FunctionAttribute::CU_FUNC_ATTRIBUTE_LOCAL_SIZE_BYTES)?,
            block: attribute(FunctionAttribute::CU_FUNC_ATTRIBUTE_MAX_THREADS_PER_BLOCK)?,
        })
    }

    fn enter(&self) -> Result<&'static Driver> {
        self.context.enter().map_err(|failure| self.error(failure))?;
        Ok(self.context.driver)
    }

    /// A failed call, put down to the last kernel where it is one that went wrong.
    fn error(&self, failure: Failure) -> CudaError {
        if KERNEL_FAULTS.contains(&failure.code) {
            return CudaError::Launch { kernel: *lock(&self.launched), failure };
        }
        failure.into()
    }

    fn check_allocated(&self, address: u64, bytes: u64) -> Result<()> {
        let allocations = lock(&self.allocations);
        let within = allocations.range(..=address).next_back().is_some_and(|(start, length)| {
            let offset = address - start;
            offset <= *length && bytes <= length - offset
        });
        if within { Ok(()) } else { Err(CudaError::NotAllocated { address, bytes }) }
    }

    fn kernel(&self, entry: &'static str) -> Result<CUfunction> {
        let mut modules = lock(&self.modules);
        if let Some(kernel) = modules.kernels.get(entry) {
            return Ok(kernel.0);
        }
        let driver = self.context.driver;
        let missing = CudaError::NoKernel { entry };
        let Ok(name) = CString::new(entry) else { return Err(missing) };
        let mut kernel = null_mut();
        let mut is_in = |module: &Handle<CUmodule>| {
            // SAFETY: the module is loaded, and the name ends with a zero byte.
            unsafe { driver.module_function(&mut kernel, module.0, name.as_ptr()) }.is_ok()
        };
        let mut is_found = modules.loaded.iter().any(&mut is_in);
        while !is_found {
            let Some(ptx) = modules.later.pop_front() else { return Err(missing) };
            let code = Code::read(&self.cache, key(&ptx, &self.card, driver.cuda_version()?));
            let (module, timing) = load(&self.context, &self.card, &self.cache, &ptx, code)?;
            lock(&self.timings).modules.push(timing);
            is_found = is_in(&module);
            modules.loaded.push(module);
        }
        // Threads keep their state in local and global memory: all that shared memory leaves is cache.
        let carveout = FunctionAttribute::CU_FUNC_ATTRIBUTE_PREFERRED_SHARED_MEMORY_CARVEOUT;
        // SAFETY: the kernel was found above.
        unsafe {
            driver.function_set_cache(kernel, CUfunc_cache::CU_FUNC_CACHE_PREFER_L1)?;
            driver.function_set_attribute(kernel, carveout, 0)?;
        }
        modules.kernels.insert(entry, Handle(kernel));
        Ok(kernel)
    }

    /// Copies through page-locked memory, which is allocated when first needed.
    fn with_staging(
        &self,
        copy: impl FnOnce(&mut Staging, &Driver) -> Result<(), Failure>,
    ) -> Result<()> {
        let driver = self.enter()?;
        let mut guard = lock(&self.staging);
        let staging = match &mut *guard {
            Some(staging) => staging,
            none => {
                let flags =
                    self.waiting.event_flags() | CUevent_flags::CU_EVENT_DISABLE_TIMING as u32;
                let staging = Staging::new(driver, flags).map_err(|failure| self.error(failure))?;
                none.insert(Handle(staging))
            }
        };
        copy(&mut staging.0, driver).map_err(|failure| self.error(failure))
    }
}

impl Device for Cuda {
    fn opening(&self) -> Option<Timings> {
        Some(self.timings())
    }

    fn describe(&self) -> String {
        let Card { name, capability, multiprocessors, driver, .. } = &self.card;
        let (major, minor) = (capability / 10, capability % 10);
        format!(
            "{name} (compute capability {major}.{minor}, {multiprocessors} multiprocessors, \
             driver {driver})"
        )
    }

    fn processors(&self) -> u32 {
        self.card.multiprocessors
    }

    fn memory(&self) -> Result<(u64, u64)> {
        let driver = self.enter()?;
        let (mut free, mut total) = (0, 0);
        // SAFETY: it writes two numbers.
        unsafe { driver.memory_info(&mut free, &mut total) }.map_err(|f| self.error(f))?;
        Ok((free as u64, total as u64))
    }

    fn alloc(&self, bytes: u64) -> Result<u64> {
        let address = self.reserve(bytes)?;
        self.fill(address, 0, bytes.max(1))?;
        Ok(address)
    }

    fn reserve(&self, bytes: u64) -> Result<u64> {
        let driver = self.enter()?;
        // The driver refuses to allocate nothing.
        let length = bytes.max(1);
        let mut address = 0;
        // SAFETY: it writes one address.
        unsafe { driver.memory_alloc(&mut address, length as usize) }.map_err(|failure| {
            match failure.code {
                OUT_OF_MEMORY => {
                    let free = self.memory().map_or(0, |(free, _)| free);
                    CudaError::OutOfMemory { asked: bytes, free }
                }
                _ => self.error(failure),
            }
        })?;
        lock(&self.allocations).insert(address, length);
        Ok(address)
    }

    fn free(&self, address: u64) {
        if lock(&self.allocations).remove(&address).is_some()
            && let Ok(driver) = self.enter()
        {
            // SAFETY: it was allocated, and is so no longer. The driver waits for what uses it.
            let _ = unsafe { driver.memory_free(address) };
        }
    }

    fn upload(&self, to: u64, bytes: &[u8]) -> Result<()> {
        self.check_allocated(to, bytes.len() as u64)?;
        let stream = self.stream.0;
        // SAFETY: the range was checked, and the context entered.
        self.with_staging(|staging, driver| unsafe { staging.upload(driver, stream, to, bytes) })
    }

    fn upload_parts(&self, to: u64, parts: &[&[u8]], alignment: u64) -> Result<()> {
        let mut total = 0;
        let places = parts.iter().map(|&part| {
            let at = total;
            total += part.len().next_multiple_of(alignment as usize);
            (at, part)
        });
        let places: Vec<_> = places.collect();
        let length = places.last().map_or(0, |(at, part)| at + part.len());
        if length <= HALF {
            // Page-locking what large uploads go through takes milliseconds.
            let mut bytes = vec![0; length];
            fill(&mut bytes, 0, &places);
            return self.upload(to, &bytes);
        }
        self.check_allocated(to, length as u64)?;
        let driver = self.enter()?;
        let mut guard = lock(&self.bulk);
        let bulk = match &mut *guard {
            Some(bulk) => bulk,
            none => {
                let flags =
                    self.waiting.event_flags() | CUevent_flags::CU_EVENT_DISABLE_TIMING as u32;
                none.insert(Handle(Bulk::new(driver, flags).map_err(|f| self.error(f))?))
            }
        };
        // SAFETY: the range was checked, and the context entered.
        unsafe { bulk.0.upload(driver, to, &places, length) }.map_err(|failure| self.error(failure))
    }

    fn download(&self, from: u64, bytes: &mut [u8]) -> Result<()> {
        self.check_allocated(from, bytes.len() as u64)?;
        let stream = self.stream.0;
        self.with_staging(|staging, driver| {
            // SAFETY: the range was checked, and the context is the calling thread's.
            unsafe { staging.download(driver, stream, from, bytes) }
        })
    }

    fn fill(&self, at: u64, byte: u8, bytes: u64) -> Result<()> {
        self.check_allocated(at, bytes)?;
        if bytes == 0 {
            return Ok(());
        }
        let driver = self.enter()?;
        // SAFETY: the range was checked.
        unsafe { driver.fill(at, byte, bytes as usize, self.stream.0) }.map_err(|f| self.error(f))
    }

    unsafe fn launch(
        &self,
        entry: &'static str,
        threads: u32,
        block: u32,
        mut parameter: u64,
    ) -> Result<()> {
        let driver = self.enter()?;
        let kernel = self.kernel(entry)?;
        if threads == 0 {
            return Ok(());
        }
        let blocks = threads.div_ceil(block.max(1));
        let mut parameters = [(&raw mut parameter).cast::<c_void>()];
        let parameters = parameters.as_mut_ptr();
        let stream = self.stream.0;
        // SAFETY: kernels take one word, which is copied before this returns; where it leads is the
        // caller's promise.
        unsafe {
            driver.launch(kernel, blocks, 1, 1, block, 1, 1, 0, stream, parameters, null_mut())
        }
        .map_err(|failure| match failure.code {
            // What a kernel before did may show here.
            code if KERNEL_FAULTS.contains(&code) && code != 701 => self.error(failure),
            _ => CudaError::Launch { kernel: entry, failure },
        })?;
        *lock(&self.launched) = entry;
        Ok(())
    }

    fn synchronize(&self) -> Result<()> {
        let driver = self.enter()?;
        // SAFETY: the stream is of this context.
        unsafe { driver.stream_synchronize(self.stream.0) }.map_err(|f| self.error(f))
    }

    fn mark(&self) -> Result<Mark> {
        let driver = self.enter()?;
        let mut marks = lock(&self.marks);
        let number = marks.next;
        if number < MARKS_KEPT {
            let mut event = null_mut();
            // SAFETY: it writes one handle.
            unsafe { driver.event_create(&mut event, self.waiting.event_flags()) }
                .map_err(|f| self.error(f))?;
            marks.events.push(Handle(event));
        }
        let event = marks.events[(number % MARKS_KEPT) as usize].0;
        marks.next += 1;
        // SAFETY: event and stream are of this context.
        unsafe { driver.event_record(event, self.stream.0) }.map_err(|f| self.error(f))?;
        Ok(Mark(number))
    }

    fn elapsed(&self, from: &Mark, to: &Mark) -> Result<f32> {
        let driver = self.enter()?;
        let marks = lock(&self.marks);
        let (from, to) = (marks.event(from)?, marks.event(to)?);
        let mut milliseconds = 0.0;
        // SAFETY: both events are of this context and were recorded.
        unsafe {
            driver
                .event_synchronize(from)
                .and_then(|()| driver.event_synchronize(to))
                .and_then(|()| driver.event_elapsed(&mut milliseconds, from, to))
        }
        .map_err(|f| self.error(f))?;
        Ok(milliseconds)
    }
}

/// What a panic elsewhere left is still in order: each lock covers one change.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn device(driver: &Driver, ordinal: u32) -> Result<CUdevice> {
    let mut count = 0;
    // SAFETY: it writes one number.
    unsafe { driver.device_count(&mut count)? };
    let number = c_int::try_from(ordinal).ok().filter(|&number| number < count);
    let count = u32::try_from(count).unwrap_or(0);
    let number = number.ok_or(CudaError::NoDevice { ordinal, count })?;
    let mut device = 0;
    // SAFETY: it writes one number.
    unsafe { driver.device(&mut device, number)? };
    Ok(device)
}

fn card(driver: &Driver, device: CUdevice) -> Result<Card> {
    let attribute = |attribute| {
        let mut value = 0;
        // SAFETY: it writes one number.
        unsafe { driver.device_attribute(&mut value, attribute, device)? };
        Ok::<_, CudaError>(u32::try_from(value).unwrap_or(0))
    };
    let mut name = [0u8; 256];
    // SAFETY: it writes as many bytes at most.
    unsafe {
        driver.device_name(name.as_mut_ptr().cast::<c_char>(), name.len() as c_int, device)?;
    }
    let length = name.iter().position(|&byte| byte == 0).unwrap_or(name.len());
    let major = attribute(Attribute::CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR)?;
    let minor = attribute(Attribute::CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR)?;
    let threads = Attribute::CU_DEVICE_ATTRIBUTE_MAX_THREADS_PER_MULTIPROCESSOR;
    let cuda = version(driver.cuda_version()?);
    Ok(Card {
        name: String::from_utf8_lossy(&name[..length]).into_owned(),
        capability: 10 * major + minor,
        multiprocessors: attribute(Attribute::CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT)?,
        threads_per_multiprocessor: attribute(threads)?,
        driver: driver_release().unwrap_or_else(|| format!("for CUDA {cuda}")),
    })
}

/// The driver's release as its kernel module tells it; Windows' Linux has no such module.
fn driver_release() -> Option<String> {
    let release = std::fs::read_to_string("/sys/module/nvidia/version").ok()?;
    Some(release.trim().to_owned()).filter(|release| !release.is_empty())
}

/// What a module is kept under: all that goes into its compilation.
fn key(ptx: &Ptx, card: &Card, cuda: u32) -> Key {
    let numbers = [cuda, card.capability, ptx.max_registers.unwrap_or(u32::MAX), ptx.optimization];
    let numbers = numbers.map(u32::to_le_bytes);
    Key::new(ptx.name, &[ptx.text.bytes(), card.driver.as_bytes(), numbers.as_flattened()])
}

/// Machine code of a module, if the cache has it.
struct Code {
    key: Key,
    kept: Option<Vec<u8>>,
    took: Duration,
}

impl Code {
    fn read(cache: &Cache, key: Key) -> Code {
        let start = Instant::now();
        let kept = cache.load(&key);
        Code { key, kept, took: start.elapsed() }
    }
}

type Loaded = (Handle<CUmodule>, ModuleTiming);

fn joined<T>(thread: std::thread::ScopedJoinHandle<'_, T>) -> T {
    thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

/// Loads modules side by side.
fn load_all(
    context: &Context,
    card: &Card,
    cache: &Cache,
    modules: &[Ptx],
    codes: Vec<Code>,
) -> Result<Vec<Loaded>> {
    std::thread::scope(|scope| {
        let modules = modules.iter().zip(codes);
        let threads: Vec<_> = modules
            .map(|(ptx, code)| scope.spawn(move || load(context, card, cache, ptx, code)))
            .collect();
        threads.into_iter().map(joined).collect()
    })
}

fn load(context: &Context, card: &Card, cache: &Cache, ptx: &Ptx, code: Code) -> Result<Loaded> {
    let driver = context.driver;
    context.enter()?;
    let Code { key, kept, took } = code;
    let start = Instant::now();
    let cached = kept.is_some();
    let code = match kept {
        Some(code) => code,
        None => {
            let mut text = ptx.terminated()?;
            if let Some(target) = target(&text).filter(|&target| target > card.capability) {
                let (module, capability) = (ptx.name, card.capability);
                return Err(CudaError::CardTooOld { module, target, capability });
            }
            let code = link::compile(driver, ptx, &mut text)?;
            cache.store(&key, &code);
            code
        }
    };
    let obtain = took + start.elapsed();
    let start = Instant::now();
    let mut module = null_mut();
    // SAFETY: the code is what the driver's compiler made, whole.
    unsafe { driver.module_load(&mut module, code.as_ptr().cast())? };
    let timing =
        ModuleTiming { module: ptx.name, cached, obtain, load: start.elapsed(), bytes: code.len() };
    Ok((Handle(module), timing))
}
