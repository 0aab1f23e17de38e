//! The interpreter on hand-assembled programs, with results and counts worked out by hand.

use ncpu_alu::NativeAlu;
use ncpu_machine::code::{CodeCache, CodeStore, DirectoryEntry, Lookup};
use ncpu_machine::mem::walk::{Descriptor, table_index};
use ncpu_machine::mem::{Mem, Page, PageAllocator, Tlb};
use ncpu_machine::{
    Access, Core, Exit, Fault, FaultKind, FramePool, LaneWords, PAGE_SIZE, PoolState, Ppn,
    StopAfter, run,
};
use ncpu_uop::{Uop, slot};
use std::sync::atomic::AtomicU32;

/// An odd page, so that the address of what follows has a carry.
const CODE: u64 = 0x40_1000;
const DATA: u64 = 0x50_0000;

/// Runs `test` with a machine whose code page holds `words` and which has two data pages.
fn with_program(words: &[u32], test: impl FnOnce(&mut Core, &mut Mem<'_>)) {
    const FRAMES: usize = 16;
    let mut frames = vec![[0u64; PAGE_SIZE / 8]; FRAMES];
    let counts: Vec<AtomicU32> = (0..FRAMES).map(|_| AtomicU32::new(0)).collect();
    let state = PoolState::default();
    let mut allocator = PageAllocator::default();
    let mut pages = vec![Page::default(); FRAMES];
    let mut code = vec![Uop::new(ncpu_uop::Op::Nop); 4 * CodeStore::MIN_AREA];
    let mut directory: Vec<_> = (0..64).map(|_| DirectoryEntry::default()).collect();
    let mut lookup = vec![0; Lookup::words(false)];
    let mut tlb = vec![0; Tlb::words(false)];
    // SAFETY: all parts outlive the pool and the memory, which end with this function.
    let (pool, store, lookup, tlb) = unsafe {
        (
            FramePool::from_raw(
                frames.as_mut_ptr().cast(),
                counts.as_ptr(),
                FRAMES as u32,
                &state,
                std::ptr::null(),
                0,
            ),
            CodeStore::new(code.as_mut_ptr(), code.len() as u32, directory.as_mut_ptr(), 64),
            Lookup::new(LaneWords::from_raw(lookup.as_mut_ptr(), false)),
            Tlb::new(LaneWords::from_raw(tlb.as_mut_ptr(), false)),
        )
    };
    let cache = CodeCache::new(&store, lookup);
    let mut mem = Mem::new(pool, &mut allocator, &mut pages, tlb, cache);
    let root = mem.alloc().unwrap();
    for (address, bits) in [
        (CODE, Descriptor::USER | Descriptor::READ_ONLY),
        (DATA, Descriptor::USER | Descriptor::NO_EXECUTE),
        (DATA + 4096, Descriptor::USER | Descriptor::NO_EXECUTE),
    ] {
        let mut table = root;
        for level in 1..3 {
            let entry = Descriptor(mem.read_word(table, table_index(level, address)));
            table = if entry.is_valid() {
                entry.target()
            } else {
                let next = mem.alloc().unwrap();
                let entry = Descriptor::page(next, 0);
                assert!(mem.write_word(table, table_index(level, address), entry.0));
                next
            };
        }
        let page = mem.alloc().unwrap();
        let entry = Descriptor::page(page, bits);
        assert!(mem.write_word(table, table_index(3, address), entry.0));
        if address == CODE {
            let bytes: Vec<u8> = words.iter().flat_map(|w| w.to_le_bytes()).collect();
            assert!(mem.write_page(page, 0, &bytes));
        }
    }
    mem.set_root(root);
    assert_ne!(root, Ppn::NONE);
    let mut core = Core { pc: CODE, ..Core::default() };
    test(&mut core, &mut mem);
}

/// Sum of 1 to x0: `mov x1, #0; loop: add x1, x1, x0; subs x0, x0, #1; b.ne loop; svc #0`.
const SUM: [u32; 5] = [0xd280_0001, 0x8b00_0021, 0xf100_0400, 0x54ff_ffc1, 0xd400_0001];

#[test]
fn a_loop_gives_its_sum_and_its_exact_count() {
    with_program(&SUM, |core, mem| {
        core.set_x(0, 1000);
        let outcome = run(core, mem, &NativeAlu, &mut (), u64::MAX, 0);
        assert_eq!(outcome.exit, Exit::SystemCall(0));
        assert_eq!(core.x(1), 500_500);
        assert_eq!(outcome.retired, 1 + 3 * 1000 + 1);
        assert_eq!(outcome.uops, outcome.retired, "one micro-op an instruction, fused or not");
        assert_eq!(core.pc, CODE + 20);
    });
}

#[test]
fn a_comparison_leaves_nothing_but_flags() {
    // `cmp x0, #35; svc #0`.
    with_program(&[0xf100_8c1f, 0xd400_0001], |core, mem| {
        let before = core.slots;
        let outcome = run(core, mem, &NativeAlu, &mut (), u64::MAX, 0);
        assert_eq!((outcome.exit, outcome.retired), (Exit::SystemCall(0), 2));
        // 0 - 35: negative, and a borrow.
        let mut after = before;
        after[slot::NZCV as usize] = 8;
        assert_eq!(core.slots, after);
    });
}

#[test]
fn the_budget_cuts_at_the_first_taken_branch() {
    with_program(&SUM, |core, mem| {
        core.set_x(0, 1000);
        // The first taken branch at or after 5 instructions is the second pass's: 1 + 3 + 3.
        let outcome = run(core, mem, &NativeAlu, &mut (), 5, 0);
        assert_eq!((outcome.exit, outcome.retired), (Exit::Budget, 7));
        assert_eq!((core.pc, core.x(0)), (CODE + 4, 998));
    });
}

#[test]
fn an_observer_stops_at_any_instruction() {
    for count in 0..10 {
        with_program(&SUM, |core, mem| {
            core.set_x(0, 1000);
            let outcome = run(core, mem, &NativeAlu, &mut StopAfter(count), u64::MAX, 0);
            assert_eq!((outcome.exit, outcome.retired), (Exit::Stopped, count));
            let expected = if count == 0 { CODE } else { CODE + 4 + (count - 1) % 3 * 4 };
            assert_eq!(core.pc, expected);
            let rest = run(core, mem, &NativeAlu, &mut (), u64::MAX, 0);
            assert_eq!(rest.retired + count, 3002);
            assert_eq!(core.x(1), 500_500);
        });
    }
}

#[test]
fn faults_are_precise() {
    // `ldp x0, x1, [x2]` across the end of the data pages: x0 keeps its value.
    with_program(&[0xd503_201f, 0xa940_0440], |core, mem| {
        core.set_x(0, 7);
        core.set_x(2, DATA + 2 * 4096 - 8);
        let outcome = run(core, mem, &NativeAlu, &mut (), u64::MAX, 0);
        let fault =
            Fault { address: DATA + 2 * 4096, access: Access::Read, kind: FaultKind::Translation };
        assert_eq!(outcome.exit, Exit::Fault(fault));
        assert_eq!((core.pc, core.x(0), outcome.retired), (CODE + 4, 7, 1));
    });
    // `str x0, [x2]` to the code page, which is read-only.
    with_program(&[0xf900_0040], |core, mem| {
        core.set_x(2, CODE);
        let outcome = run(core, mem, &NativeAlu, &mut (), u64::MAX, 0);
        let fault = Fault { address: CODE, access: Access::Write, kind: FaultKind::Permission };
        assert_eq!(outcome.exit, Exit::Fault(fault));
        assert_eq!((core.pc, outcome.retired), (CODE, 0));
    });
}

#[test]
fn the_next_page_follows_a_page() {
    const NOP: u32 = 0xd503_201f;
    with_program(&[NOP; 1024], |core, mem| {
        let outcome = run(core, mem, &NativeAlu, &mut (), 1_000_000, 0);
        let (access, kind) = (Access::Execute, FaultKind::Translation);
        assert_eq!(outcome.exit, Exit::Fault(Fault { address: CODE + 4096, access, kind }));
        assert_eq!((core.pc, outcome.retired), (CODE + 4096, 1024));
    });
}

#[test]
fn stores_across_pages_land_on_both() {
    // `str x0, [x2]; ldr x1, [x2]; svc #0`.
    with_program(&[0xf900_0040, 0xf940_0041, 0xd400_0001], |core, mem| {
        core.set_x(0, 0x1122_3344_5566_7788);
        core.set_x(2, DATA + 4096 - 3);
        let outcome = run(core, mem, &NativeAlu, &mut (), u64::MAX, 0);
        assert_eq!(outcome.exit, Exit::SystemCall(0));
        assert_eq!(core.x(1), 0x1122_3344_5566_7788);
        let mut byte = [0];
        mem.read_user(DATA + 4096, &mut byte).unwrap();
        assert_eq!(byte, [0x55]);
    });
}
