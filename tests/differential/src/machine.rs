//! Our side: the same code and data in a machine with real translation tables, and exits turned
//! into the signals that `ncpu-linux` makes of them.

use crate::case::{BRK, Case};
use crate::layout::{self, BATCH, DATA_PAGES, LANDINGS, PAGE, WINDOW};
use crate::qemu::DATA_BYTES;
use crate::soft::SoftAlu;
use ncpu_alu::{Alu, NativeAlu};
use ncpu_machine::code::{CodeCache, CodeStore, DirectoryEntry, Lookup};
use ncpu_machine::mem::walk::{Descriptor, table_index};
use ncpu_machine::mem::{Page, PageAllocator, Tlb, untag};
use ncpu_machine::{
    Core, Exit, FaultKind, FramePool, LaneWords, Mem, Observer, Outcome, PoolState, Ppn, run,
};
use ncpu_neural_alu::{Cells, NeuralAlu};
use ncpu_uop::{Uop, slot};
use std::alloc::{Layout, alloc_zeroed};
use std::sync::atomic::AtomicU32;

/// Frames of the pool.
const FRAMES: usize = 64;
/// Micro-ops of the code cache.
const AREA: usize = 1 << 18;
/// Instructions after which a case is given up.
const BUDGET: u64 = 1000;

/// What computes.
#[derive(Clone, Copy)]
pub(crate) enum Arithmetic {
    /// The host.
    Native,
    /// The host's integers.
    Soft,
    /// Networks.
    Neural(&'static Cells),
}

/// How cases are executed.
#[derive(Clone, Copy)]
pub(crate) struct Mode {
    /// What computes.
    pub(crate) alu: Arithmetic,
    /// With an observer, one micro-op at a time.
    pub(crate) observed: bool,
}

/// Watches everything and does nothing.
struct Watch;

impl Observer for Watch {}

/// A machine with the layout mapped. What it is made of lives as long as the program.
pub(crate) struct Machine {
    mem: Mem<'static>,
    core: Core,
    mode: Mode,
}

fn zeroed<T>() -> &'static mut T {
    // SAFETY: only used for types that are valid when all bytes are zero: numbers, atomics, and raw
    // pointers.
    Box::leak(unsafe { Box::<T>::new_zeroed().assume_init() })
}

impl Machine {
    /// A machine whose data area holds `data`.
    pub(crate) fn new(data: &[u8; DATA_BYTES], mode: Mode) -> Machine {
        let layout =
            Layout::from_size_align(FRAMES * PAGE as usize, PAGE as usize).expect("a power of two");
        // SAFETY: the size is not zero.
        let frames = unsafe { alloc_zeroed(layout) };
        assert!(!frames.is_null());
        let counts = zeroed::<[AtomicU32; FRAMES]>();
        let state = zeroed::<PoolState>();
        // SAFETY: all of it is zeroed, large enough and never freed.
        let pool = unsafe {
            FramePool::from_raw(frames, counts.as_ptr(), FRAMES as u32, state, frames, 0)
        };
        let area = vec![Uop::new(ncpu_uop::Op::Nop); AREA].leak();
        let directory = zeroed::<[DirectoryEntry; 64]>();
        let store = Box::new(
            // SAFETY: area and directory are leaked and used for nothing else.
            unsafe { CodeStore::new(area.as_mut_ptr(), AREA as u32, directory.as_mut_ptr(), 64) },
        );
        // SAFETY: the words are leaked and used for nothing else.
        let words =
            |count| unsafe { LaneWords::from_raw(vec![0; count].leak().as_mut_ptr(), false) };
        let lookup = Lookup::new(words(Lookup::words(false)));
        let code = CodeCache::new(Box::leak(store), lookup);
        let tlb = Tlb::new(words(Tlb::words(false)));
        let pages = vec![Page::default(); FRAMES].leak();
        let mem = Mem::new(pool, zeroed::<PageAllocator>(), pages, tlb, code);
        let mut machine = Machine { mem, core: Core::default(), mode };
        for page in LANDINGS {
            machine.map(page, Descriptor::READ_ONLY, &BRK.to_le_bytes().repeat(PAGE as usize / 4));
        }
        for page in [layout::CODE, layout::CODE + PAGE] {
            machine.map(page, Descriptor::READ_ONLY, &[]);
        }
        for (page, bytes) in DATA_PAGES.into_iter().zip(data.chunks(PAGE as usize)) {
            let right = if page == layout::READ_ONLY { Descriptor::READ_ONLY } else { 0 };
            machine.map(page, Descriptor::NO_EXECUTE | right, bytes);
        }
        machine
    }

    fn map(&mut self, address: u64, bits: u64, bytes: &[u8]) {
        const ROOM: &str = "the pool has a frame for every page";
        let mem = &mut self.mem;
        let mut table = mem.root();
        if table == Ppn::NONE {
            table = mem.alloc().expect(ROOM);
            mem.set_root(table);
        }
        for level in 1..3 {
            let index = table_index(level, address);
            let entry = Descriptor(mem.read_word(table, index));
            table = if entry.is_valid() {
                entry.target()
            } else {
                let next = mem.alloc().expect(ROOM);
                assert!(mem.write_word(table, index, Descriptor::page(next, 0).0));
                next
            };
        }
        let page = mem.alloc().expect(ROOM);
        let entry = Descriptor::page(page, Descriptor::USER | bits);
        assert!(mem.write_word(table, table_index(3, address), entry.0));
        assert!(mem.write_page(page, 0, bytes));
    }

    fn page(&self, address: u64) -> Ppn {
        let (entry, ..) =
            self.mem.descriptor(self.mem.root(), address).expect("the layout is mapped");
        entry.target()
    }

    /// Puts the instructions of a batch into their slots.
    pub(crate) fn load(&mut self, cases: &[Case]) {
        assert!(cases.len() <= BATCH);
        let mut code = vec![BRK; 2 * PAGE as usize / 4];
        for (index, case) in cases.iter().enumerate() {
            let at = (layout::slot_address(index) - layout::CODE) as usize / 4;
            code[at..at + 4].copy_from_slice(&case.words);
        }
        let bytes: Vec<u8> = code.iter().flat_map(|word| word.to_le_bytes()).collect();
        for (number, bytes) in bytes.chunks(PAGE as usize).enumerate() {
            let page = self.page(layout::CODE + number as u64 * PAGE);
            assert!(self.mem.write_page(page, 0, bytes));
        }
    }

    /// Executes a case of the batch loaded last.
    pub(crate) fn execute(&mut self, before: &Case) -> Case {
        self.set_window(before);
        // Translations are new to the machine now and then.
        if before.pc & 0x30 == 0 {
            self.mem.flush_translations();
        }
        let core = &mut self.core;
        *core = Core::default();
        core.slots[..31].copy_from_slice(&before.x);
        core.slots[slot::v(0) as usize..].copy_from_slice(&before.v);
        core.slots[slot::SP as usize] = before.sp;
        core.slots[slot::NZCV as usize] = before.pstate >> 28;
        core.slots[slot::FPCR as usize] = before.fpcr as u64;
        core.slots[slot::FPSR as usize] = before.fpsr as u64;
        // What these hold must not matter.
        for place in slot::TEMP.into_iter().chain([slot::SINK]) {
            core.slots[place as usize] = before.x[0] ^ 0x5555_aaaa_5555_aaaa;
        }
        core.pc = before.pc;
        let outcome = loop {
            let outcome = self.step();
            let Exit::SystemCall(_) = outcome.exit else { break outcome };
            // No system call has the number that the rules give.
            const ENOSYS: i64 = 38;
            self.core.set_x(0, -ENOSYS as u64);
            self.core.clear_exclusive();
        };
        let core = &self.core;
        let mut after = *before;
        after.x.copy_from_slice(&core.slots[..31]);
        after.v.copy_from_slice(&core.slots[slot::v(0) as usize..]);
        after.sp = core.sp();
        after.pstate = core.slots[slot::NZCV as usize] << 28;
        after.fpcr = core.slots[slot::FPCR as usize] as u32;
        after.fpsr = core.slots[slot::FPSR as usize] as u32;
        after.pc = core.pc;
        (after.signal, after.code, after.address) = signal(outcome.exit, core.pc);
        let page = before.window & !(PAGE - 1);
        let offset = (before.window - page) as usize;
        let first = (PAGE as usize - offset).min(WINDOW as usize);
        let (low, high) = after.memory.split_at_mut(first);
        self.mem.read_page(self.page(page), offset, low);
        if !high.is_empty() {
            self.mem.read_page(self.page(page + PAGE), 0, high);
        }
        after
    }

    fn step(&mut self) -> Outcome {
        let (core, mem) = (&mut self.core, &mut self.mem);
        fn with<A: Alu>(core: &mut Core, mem: &mut Mem<'_>, alu: &A, observed: bool) -> Outcome {
            match observed {
                false => run(core, mem, alu, &mut (), BUDGET, 0),
                true => run(core, mem, alu, &mut Watch, BUDGET, 0),
            }
        }
        let observed = self.mode.observed;
        match self.mode.alu {
            Arithmetic::Native => with(core, mem, &NativeAlu, observed),
            Arithmetic::Soft => with(core, mem, &SoftAlu, observed),
            Arithmetic::Neural(cells) => with(core, mem, &NeuralAlu::new(cells), observed),
        }
    }

    /// Puts the case's memory into its window.
    pub(crate) fn set_window(&mut self, case: &Case) {
        self.mem.write_user(case.window, &case.memory).expect("windows are writable");
    }

    /// The data area.
    pub(crate) fn data(&self) -> Box<[u8; DATA_BYTES]> {
        let mut data = Box::new([0; DATA_BYTES]);
        for (page, bytes) in DATA_PAGES.into_iter().zip(data.chunks_mut(PAGE as usize)) {
            self.mem.read_page(self.page(page), 0, bytes);
        }
        data
    }
}

/// The address in `si_addr`: Linux hides the tag (`man 2 sigaction`, SA_EXPOSE_TAGBITS), except for
/// addresses of the upper half (`untagged_addr` in arch/arm64/include/asm/memory.h).
fn si_addr(address: u64) -> u64 {
    if address >> 55 & 1 == 1 { address } else { untag(address) }
}

/// Signal, code and address that a program sees.
fn signal(exit: Exit, pc: u64) -> (u32, i32, u64) {
    const SIGILL: u32 = 4;
    const SIGTRAP: u32 = 5;
    const SIGBUS: u32 = 7;
    const SIGSEGV: u32 = 11;
    match exit {
        Exit::Fault(fault) => {
            let address = si_addr(fault.address);
            match fault.kind {
                FaultKind::Alignment => (SIGBUS, 1, address),
                FaultKind::Translation => (SIGSEGV, 1, address),
                FaultKind::Permission => (SIGSEGV, 2, address),
                FaultKind::OutOfMemory => (9, 0, address),
            }
        }
        Exit::Breakpoint(_) => (SIGTRAP, 1, pc),
        Exit::Undefined(_) => (SIGILL, 1, pc),
        // Signal 0: the case did not end.
        Exit::Budget | Exit::Stopped | Exit::Unlifted | Exit::SystemCall(_) => (0, 0, 0),
    }
}
