//! The interpreter: one loop over lifted micro-ops, for every engine and every ALU.
//!
//! Instructions are counted by their distance: a taken branch adds the number of guest instructions
//! since the last one, so straight-line code pays nothing. The budget is compared at taken branches
//! and at page ends; it is a point where execution may be cut that depends on the program alone,
//! never on how a caller slices its runs. An [`Observer`] can stop at any exact instruction.

use crate::addr::{Access, Fault, FaultKind, PAGE_SIZE};
use crate::code::{self, WORDS};
use crate::cpu::{Core, Vectors};
use crate::exec;
use crate::exec::{convert, hot};
use crate::lane::{Aside, fetch, fetch_anew, operation, unpack};
use crate::mem::{Mem, tlb, untag};
use crate::observe::{Flow, Observer};
use crate::scalar;
use crate::structures;
use crate::warp;
use core::ptr;
use ncpu_alu::Alu;
use ncpu_alu::fp::{Double, Single};
use ncpu_uop::{Op, Uop, slot};

/// Why [`run`] returned. `core.pc` is the next instruction to execute: for traps and faults the
/// instruction concerned, for a system call the one after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// The budget is used up, at a taken branch or a page end.
    Budget,
    /// The observer asked to stop.
    Stopped,
    /// The page of the next instruction has not been lifted yet ([`Mem::lift`]). As with
    /// [`Exit::Budget`], execution was cut at a taken branch or a page end, or has not begun.
    Unlifted,
    /// `SVC` with this immediate.
    SystemCall(u16),
    /// `BRK` with this immediate.
    Breakpoint(u16),
    /// A word that is not an instruction here.
    Undefined(u32),
    /// A memory access or instruction fetch was not possible.
    Fault(Fault),
}

/// What [`run`] did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// Why it returned.
    pub exit: Exit,
    /// Guest instructions retired.
    pub retired: u64,
    /// Micro-ops retired; a fused pair counts as its parts.
    pub uops: u64,
}

/// Runs `core` until something needs service or about `budget` instructions have retired, and lifts
/// code as it is reached. `counter` is the virtual counter's value now; it advances by one for each
/// instruction.
///
/// # Panics
/// When the memory is that of a lane of a GPU, whose engine lifts code itself.
pub fn run<A: Alu, O: Observer>(
    core: &mut Core,
    mem: &mut Mem<'_>,
    alu: &A,
    observer: &mut O,
    budget: u64,
    counter: u64,
) -> Outcome {
    let (mut retired, mut uops) = (0, 0);
    loop {
        let budget = budget.saturating_sub(retired);
        mem.counter = counter.wrapping_add(retired);
        let outcome =
            interpret::<A, O, _, false, false>(core, mem, alu, observer, &mut (), budget, true);
        retired += outcome.retired;
        uops += outcome.uops;
        match outcome.exit {
            Exit::Unlifted => mem.lift(core.pc),
            Exit::Budget if outcome.retired < budget => {}
            _ => return Outcome { retired, uops, ..outcome },
        }
    }
}

/// Most instructions that [`interpret`] executes, so that it can count in 32 bits.
const MOST: u64 = 1 << 24;

/// As [`run`], but returns for code that has not been lifted, and after some million instructions.
/// `SPREAD` says whether the memory's tables are spread ([`crate::words`]), because the machine is one of
/// the lanes of a warp.
///
/// With `MEET`, the lanes of a warp meet after every branch. One of them leads, each in its turn: it executes
/// up to its next branch, and so do those that are at the same place; the others wait. (A GPU executes
/// different operations one after the other, so that it is better to wait until many want the same.) A few
/// lanes do not wait. So all lanes have to call this at the same time, `active` or not, and none returns
/// before the last one can. Their vector registers may come late.
///
/// # Panics
/// When `SPREAD` is not what the memory's tables are.
#[expect(unused_assignments, reason = "what a call keeps may be set right after it")]
// Inlined so that a GPU's compiler sees that the registers are a thread's own memory.
#[inline(always)]
pub fn interpret<A: Alu, O: Observer, V: Vectors, const SPREAD: bool, const MEET: bool>(
    core: &mut Core,
    mem: &mut Mem<'_>,
    alu: &A,
    observer: &mut O,
    vectors: &mut V,
    budget: u64,
    active: bool,
) -> Outcome {
    let regs: *mut u64 = core.slots.as_mut_ptr();
    assert!(mem.tlb.is_spread() == SPREAD);
    let mut translations = mem.tlb.first().cast_const();
    let mut budget = Aside::new(budget.min(MOST) as i32);

    // What has been done is `clock` and `trail` less the present place in the page, so that straight
    // lines update neither. `clock` is the budget left plus the index of the instruction; `trail` is
    // the bytes of micro-ops retired less the address of the micro-op, modulo 2^32. Between two pages
    // both are the whole, and `core.pc` is where to go. In a page, `core.pc` is any address of it.
    let mut clock = budget.get();
    let mut trail = 0u32;
    // The flags, whose slot is up to date where others look at it.
    let mut flags = core.slots[slot::NZCV as usize] as u32;
    let mut code = mem.code.nowhere();
    let mut ip: *const Uop = code.uops();

    // Slot fields are below `slot::COUNT` in every micro-op that a lifter emits.
    macro_rules! get {
        ($slot:expr) => {
            // SAFETY: see above; `regs` points at the core's slots for the whole call.
            unsafe { *regs.add($slot as usize) }
        };
    }
    macro_rules! set {
        ($slot:expr, $value:expr) => {{
            let value = $value;
            // SAFETY: as in `get`.
            unsafe { *regs.add($slot as usize) = value }
        }};
    }
    macro_rules! slots {
        () => {
            // SAFETY: as in `get`; the reference ends with the expression.
            unsafe { &mut *regs.cast::<[u64; slot::COUNT]>() }
        };
    }
    macro_rules! set_vector {
        ($slot:expr, $value:expr) => {{
            let [low, high]: [u64; 2] = $value;
            set!($slot, low);
            set!($slot + 1, high);
        }};
    }

    // Calls a function with all that is known set aside. A GPU's functions use all registers, and its
    // compiler would give what lives across a call its place in memory all the time.
    let (mut kept_code, mut kept_place) = (Aside::new(code), Aside::new(ip));
    let (mut kept_clock, mut kept_trail) = (Aside::new(clock), Aside::new(trail));
    let mut kept_flags = Aside::new(flags);
    macro_rules! aside {
        ($place:ident, $call:expr) => {{
            if SPREAD {
                kept_code.set(code);
                kept_place.set($place);
                kept_clock.set(clock);
                kept_trail.set(trail);
                kept_flags.set(flags);
            }
            let value = $call;
            if SPREAD {
                code = kept_code.get();
                $place = kept_place.get();
                clock = kept_clock.get();
                trail = kept_trail.get();
                flags = kept_flags.get();
                translations = mem.tlb.first().cast_const();
            }
            value
        }};
    }

    // A lane fetches the micro-op at `ip` whole and before it is needed, for it takes a while to come: one
    // that is alone as soon as it knows `ip`, others when a step ends, which saves moving it. Other
    // processors do better with its fields where they are.
    let mut ahead = [0; 4];
    macro_rules! fetch_ahead {
        () => {
            // SAFETY: `ip` is a micro-op of the page, or follows its end, where the store has room.
            ahead = unsafe { fetch(ip, ahead) };
        };
    }
    macro_rules! fetch_early {
        () => {
            if SPREAD && !MEET {
                fetch_ahead!();
            }
        };
    }

    // What lanes execute that go on in another page.
    const ENTER: [u32; 4] = [Op::Enter as u32, 0, 0, 0];
    // Where those are that have stopped: no micro-op is at an odd address.
    const NOWHERE: *const Uop = ptr::without_provenance(1);
    let mut result = Aside::new(Outcome { exit: Exit::Budget, retired: 0, uops: 0 });
    // Whether the lanes are so few that none waits for another.
    let few = MEET && warp::lanes_that(active).count_ones() <= FEW;
    // The lane of the warp that leads, and how often more.
    let (mut leader, mut turn) = (0, TURN);
    // What the leader has left of its budget when the lane's own is used up, whatever the lane has executed:
    // a warp executes as many instructions as if its lanes had stayed together, so that no other warp has to
    // wait for it.
    let mut floor = Aside::new(0);
    if MEET {
        (ahead, ip) = (ENTER, if active { ip } else { NOWHERE });
        floor.set(warp::word_of(leader, clock as u32) as i32 - clock);
    }

    // Once for each page, or for each time that lanes meet.
    'outer: loop {
        // Enters the page of `core.pc`, or leaves by `$leave` with an outcome.
        macro_rules! enter {
            (|$outcome:ident| $leave:expr) => {
                let pc = core.pc;
                // SAFETY: the table is spread as asserted.
                let known = unsafe { code::look_up::<SPREAD>(mem.code.lookup().first(), pc) };
                let found = if pc & 3 != 0 {
                    let (access, kind) = (Access::Execute, FaultKind::Alignment);
                    Err(Exit::Fault(Fault { address: pc, access, kind }))
                } else if let Some(code) = known {
                    Ok(code)
                } else {
                    match aside!(ip, mem.code_page(pc)) {
                        Ok(Some(code)) => Ok(code),
                        Ok(None) => Err(Exit::Unlifted),
                        Err(fault) => Err(Exit::Fault(fault)),
                    }
                };
                match found {
                    Ok(found) => code = found,
                    Err(exit) => {
                        let retired = (budget.get() - clock) as u64;
                        let $outcome = Outcome { exit, retired, uops: (trail / UOP).into() };
                        $leave;
                    }
                }
                let index = (pc >> 2) & (WORDS as u64 - 1);
                // SAFETY: the entry table has `WORDS` entries, each the index of a micro-op of the page.
                ip = unsafe { code.uops().add(*code.entries().add(index as usize) as usize) };
                clock += index as i32;
                trail = trail.wrapping_sub(ip as u32);
                fetch_early!();
            };
        }
        // Leaves the registers as others may look at them. What is in the sink depends on the engine.
        macro_rules! settle {
            () => {{
                set!(slot::NZCV, u64::from(flags));
                set!(slot::SINK, 0);
            }};
        }
        if !MEET {
            enter!(|outcome| {
                settle!();
                return outcome;
            });
        } else if few {
            // All execute, until each of them has stopped.
            if warp::lanes_that(ip != NOWHERE) == 0 {
                return result.get();
            }
            if ip == NOWHERE {
                continue;
            }
        } else {
            let place = warp::word_of(leader, ip as u32);
            if turn == 0 || place == NOWHERE as u32 {
                let executing = warp::lanes_that(ip != NOWHERE);
                if executing == 0 {
                    return result.get();
                }
                let left = (clock - i32::from(unpack(ahead).index())) as u32;
                let own = warp::word_of(leader, left) as i32 - floor.get();
                (leader, turn) = (warp::next_lane(executing, leader + 1), TURN);
                floor.set(warp::word_of(leader, left) as i32 - own);
                if own <= 0 {
                    // The next branch is the last one.
                    budget.set(budget.get() - clock);
                    clock = 0;
                }
                continue;
            }
            turn -= 1;
            if place != ip as u32 {
                continue;
            }
        }
        if MEET && unpack(ahead).at & Uop::VECTORS != 0 {
            vectors.need(regs);
        }

        loop {
            // SAFETY: `ip` stays within the page's micro-ops: branch targets come from the entry
            // table and the last micro-op, `PageEnd`, leaves the loop.
            let whole: &Uop = unsafe { &*ip };
            let (mut fetched, mut this) = (ahead, ip);
            ip = this.wrapping_add(1);
            fetch_early!();

            // A field of the micro-op. Every use takes it apart anew: else a lane would have all fields in
            // registers, in whatever widths they are needed somewhere.
            macro_rules! u {
                ($($field:tt)*) => {
                    if SPREAD { unpack(fetched).$($field)* } else { whole.$($field)* }
                };
            }
            // A function of the whole micro-op.
            macro_rules! of_uop {
                ($function:path $(, $more:expr)?) => {
                    if SPREAD {
                        $function(alu, slots!(), &unpack(fetched) $(, $more)?)
                    } else {
                        $function(alu, slots!(), whole $(, $more)?)
                    }
                };
            }
            // Calls a function, after which the micro-op and the next one are there as before.
            macro_rules! call {
                ($call:expr) => {{
                    let value = aside!(this, $call);
                    if SPREAD {
                        ip = this.wrapping_add(1);
                        // SAFETY: as in `fetch_ahead`.
                        unsafe {
                            fetched = fetch_anew(this);
                            if !MEET {
                                ahead = fetch_anew(ip);
                            }
                        }
                    }
                    value
                }};
            }
            // Address of the instruction with an index in the page.
            macro_rules! pc {
                ($index:expr) => {
                    (core.pc & !(PAGE_SIZE as u64 - 1)) + 4 * u64::from($index)
                };
            }
            macro_rules! pc_after {
                () => {
                    pc!(u!(index())) + 4
                };
            }
            // Ends with an outcome.
            macro_rules! finish {
                ($outcome:expr) => {{
                    let outcome = $outcome;
                    settle!();
                    if !MEET {
                        return outcome;
                    }
                    result.set(outcome);
                    (ahead, ip) = (ENTER, NOWHERE);
                    continue 'outer;
                }};
            }
            // Leaves with `core.pc` set, `$left` of the budget and `$ip` the next micro-op.
            macro_rules! leave {
                ($exit:expr, $left:expr, $ip:expr) => {{
                    let left: i32 = $left;
                    let retired = (budget.get() - left) as u64;
                    let uops = (trail.wrapping_add($ip as u32) / UOP).into();
                    clock = left;
                    finish!(Outcome { exit: $exit, retired, uops })
                }};
            }
            // Stops in front of the instruction that `u` belongs to.
            macro_rules! stop {
                ($exit:expr) => {{
                    core.pc = pc!(u!(index()));
                    leave!($exit, clock - i32::from(u!(index())), this);
                }};
            }
            macro_rules! fault {
                ($fault:expr) => {
                    stop!(Exit::Fault($fault))
                };
            }
            // Goes on in the page of `core.pc`.
            macro_rules! go_on_elsewhere {
                () => {{
                    if MEET {
                        (ahead, ip) = (ENTER, this);
                    }
                    continue 'outer;
                }};
            }
            // Branches to an absolute address.
            macro_rules! go {
                ($target:expr) => {{
                    core.pc = $target;
                    if O::ACTIVE {
                        observer.branch(core.pc);
                    }
                    clock -= 1 + i32::from(u!(index()));
                    if clock <= 0 {
                        leave!(Exit::Budget, clock, ip);
                    }
                    trail = trail.wrapping_add(ip as u32);
                    go_on_elsewhere!();
                }};
            }
            // Branches within the page; `$imm` as the table of micro-ops says.
            macro_rules! go_in {
                ($imm:expr) => {{
                    let imm: u64 = $imm;
                    let index = (imm >> 32) as u16;
                    let left = clock - 1 - i32::from(u!(index()));
                    clock = left + i32::from(index);
                    // SAFETY: the page lifter took the index from the entry table.
                    let target = unsafe { code.uops().add(imm as u32 as usize) };
                    trail = trail.wrapping_add(ip as u32).wrapping_sub(target as u32);
                    ip = target;
                    fetch_early!();
                    if O::ACTIVE {
                        observer.branch(pc!(index));
                    }
                    if left <= 0 {
                        core.pc = pc!(index);
                        leave!(Exit::Budget, left, ip);
                    }
                }};
            }
            // Has the lanes of a warp meet.
            macro_rules! end_block {
                () => {
                    if MEET {
                        break;
                    }
                };
            }
            macro_rules! go_in_if {
                ($condition:expr) => {{
                    if $condition {
                        go_in!(u!(imm));
                    }
                    end_block!();
                }};
            }
            macro_rules! go_if {
                ($condition:expr) => {{
                    if $condition {
                        go!(u!(imm));
                    }
                    end_block!();
                }};
            }
            macro_rules! holds {
                ($mask:expr) => {
                    ($mask as u32 >> flags) & 1 != 0
                };
            }
            macro_rules! a {
                () => {
                    get!(u!(ra))
                };
            }
            macro_rules! b {
                () => {
                    get!(u!(rb))
                };
            }
            macro_rules! d {
                ($value:expr) => {
                    set!(u!(rd), $value)
                };
            }
            // Comparisons have no use for the value, and a lane's stores are dear.
            macro_rules! d_of_flags {
                ($value:expr) => {
                    if !SPREAD || u!(rd) != slot::SINK {
                        set!(u!(rd), $value);
                    }
                };
            }
            macro_rules! d_flags {
                ($result:expr) => {{
                    let (value, nzcv) = $result;
                    d_of_flags!(value);
                    flags = nzcv as u32;
                }};
            }
            // Floating point of which the host's own instruction does most; else out of line.
            macro_rules! at_once {
                ($op:ident, $format:ident, $else:path) => {
                    if !of_uop!(hot::at_once::<A, $format>, Op::$op) {
                        call!($else(alu, slots!(), whole));
                    }
                };
            }
            // Floating point with flags, out of line.
            macro_rules! compare {
                () => {{
                    set!(slot::NZCV, u64::from(flags));
                    call!(exec::float(alu, slots!(), whole));
                    flags = get!(slot::NZCV) as u32;
                }};
            }
            // The end of a fused comparison and branch. The pair counts as two micro-ops: the fused
            // one and one that is skipped or, when the branch is taken, one more than the distance.
            macro_rules! flags_then_branch {
                ($result:expr) => {{
                    d_flags!($result);
                    if holds!(u!(imm) >> 48) {
                        trail = trail.wrapping_add(UOP);
                        go_in!(u!(imm));
                    } else {
                        trail = trail.wrapping_sub(UOP);
                        ip = this.wrapping_add(3);
                        fetch_early!();
                    }
                    end_block!();
                }};
            }
            // Numbers that follow each other.
            macro_rules! loads {
                ($type:ty, $count:literal, $address:expr) => {{
                    let address: u64 = $address;
                    const SIZE: u64 = size_of::<$type>() as u64;
                    let place =
                        // SAFETY: the table is spread as asserted.
                        unsafe { tlb::place::<SPREAD, false, SIZE, $count>(translations, address) };
                    let numbers: [u64; $count] = if let Some(place) = place {
                        core::array::from_fn(|index| {
                            // SAFETY: the bytes are in one piece of a live frame.
                            let number = unsafe { read::<$type, SPREAD>(place.at(index)) };
                            <$type>::from_le(number) as u64
                        })
                    } else {
                        call!(mem.load_slow(address, SIZE, $count));
                        if let Some(fault) = mem.fault() {
                            fault!(fault);
                        }
                        core::array::from_fn(|index| mem.numbers[index])
                    };
                    if O::ACTIVE {
                        for index in 0..$count {
                            observer.load(address.wrapping_add(SIZE * index), SIZE);
                        }
                    }
                    numbers
                }};
            }
            macro_rules! load {
                ($type:ty, $address:expr) => {
                    loads!($type, 1, $address)[0]
                };
            }
            // The same for storing: all or none of them.
            macro_rules! stores {
                ($type:ty, $address:expr, [$($number:expr),*]) => {{
                    let address: u64 = $address;
                    let numbers = [$($number),*];
                    const SIZE: u64 = size_of::<$type>() as u64;
                    const COUNT: usize = [$(stringify!($number)),*].len();
                    let place =
                        // SAFETY: the table is spread as asserted.
                        unsafe { tlb::place::<SPREAD, true, SIZE, COUNT>(translations, address) };
                    if let Some(place) = place {
                        for index in 0..COUNT {
                            let number = (numbers[index] as $type).to_le();
                            // SAFETY: the bytes are in one piece of a frame of this machine alone.
                            unsafe { write::<$type, SPREAD>(place.at(index), number) };
                        }
                    } else {
                        mem.numbers[..COUNT].copy_from_slice(&numbers);
                        call!(mem.store_slow(address, SIZE, COUNT));
                        if let Some(fault) = mem.fault() {
                            fault!(fault);
                        }
                    }
                    if O::ACTIVE {
                        for index in 0..COUNT {
                            observer.store(address.wrapping_add(SIZE * index as u64), SIZE);
                        }
                    }
                }};
            }
            macro_rules! store {
                ($type:ty, $address:expr, $number:expr) => {
                    stores!($type, $address, [$number])
                };
            }
            macro_rules! displaced {
                () => {
                    alu.add(a!(), u!(imm))
                };
            }
            macro_rules! indexed {
                () => {
                    alu.add(a!(), alu.shl(b!(), u!(rc) as u64))
                };
            }
            // The address of an `X` form.
            macro_rules! extended {
                () => {{
                    let index = if u!(imm) == 0 { low(b!()) } else { sign32(b!()) };
                    alu.add(a!(), alu.shl(index, u!(rc) as u64))
                }};
            }
            // The address of a `Wb` form, and what it does after its access.
            macro_rules! moving {
                () => {
                    alu.add(a!(), sign32(u!(imm)))
                };
            }
            macro_rules! write_back {
                () => {
                    set!(u!(ra), alu.add(a!(), sign32(u!(imm) >> 32)))
                };
            }
            if O::ACTIVE {
                if u!(at) & Uop::FUSED != 0 {
                    // Its two instructions follow one by one; the fused form does not count.
                    trail = trail.wrapping_sub(UOP);
                    continue;
                }
                if u!(at) & Uop::FIRST != 0 {
                    core.pc = pc!(u!(index()));
                    set!(slot::NZCV, u64::from(flags));
                    if observer.insn(core) == Flow::Stop {
                        stop!(Exit::Stopped);
                    }
                }
            }

            // Not `u!(op)`, for a compiler would take all fields apart here that are needed anywhere below.
            match if SPREAD { operation(fetched) } else { whole.op } {
                Op::PageEnd => {
                    core.pc = pc!(WORDS as u16);
                    clock -= WORDS as i32;
                    if clock <= 0 {
                        leave!(Exit::Budget, clock, this);
                    }
                    trail = trail.wrapping_add(this as u32);
                    go_on_elsewhere!();
                }
                Op::Nop => {}
                Op::Enter => {
                    enter!(|outcome| finish!(outcome));
                    end_block!();
                }
                Op::Undefined => stop!(Exit::Undefined(u!(imm) as u32)),
                Op::Brk => stop!(Exit::Breakpoint(u!(imm) as u16)),
                Op::Svc => {
                    core.pc = pc_after!();
                    let left = clock - 1 - i32::from(u!(index()));
                    leave!(Exit::SystemCall(u!(imm) as u16), left, ip);
                }

                Op::Mov => d!(a!()),
                Op::MovI => d!(u!(imm)),
                // Placing an immediate field is wiring.
                Op::MovK => d!(get!(u!(rd)) & !(0xffff << u!(rc)) | u!(imm)),
                Op::MovKW => d!(low(get!(u!(rd)) & !(0xffff << u!(rc)) | u!(imm))),
                Op::Add => d!(alu.add(a!(), b!())),
                Op::AddW => d!(low(alu.add(a!(), b!()))),
                Op::AddI => d!(alu.add(a!(), u!(imm))),
                Op::AddIW => d!(low(alu.add(a!(), u!(imm)))),
                Op::Sub => d!(alu.sub(a!(), b!())),
                Op::SubW => d!(low(alu.sub(a!(), b!()))),
                Op::AddLsl => d!(alu.add(a!(), alu.shl(b!(), u!(rc) as u64))),
                Op::AddLslW => d!(low(alu.add(a!(), alu.shl(b!(), u!(rc) as u64)))),
                Op::SubLsl => d!(alu.sub(a!(), alu.shl(b!(), u!(rc) as u64))),
                Op::SubLslW => d!(low(alu.sub(a!(), alu.shl(b!(), u!(rc) as u64)))),
                Op::AddUxtw => d!(alu.add(a!(), alu.shl(low(b!()), u!(rc) as u64))),
                Op::AddSxtw => d!(alu.add(a!(), alu.shl(sign32(b!()), u!(rc) as u64))),
                Op::AddS => d_flags!(alu.add_with_carry(a!(), b!(), false)),
                Op::AddSW => d_flags!(alu.add_with_carry32(a!(), b!(), false)),
                Op::AddSI => d_flags!(alu.add_with_carry(a!(), u!(imm), false)),
                Op::AddSIW => d_flags!(alu.add_with_carry32(a!(), u!(imm), false)),
                Op::SubS => d_flags!(alu.add_with_carry(a!(), alu.not(b!()), true)),
                Op::SubSW => d_flags!(alu.add_with_carry32(a!(), alu.not(b!()), true)),
                Op::SubSI => d_flags!(alu.add_with_carry(a!(), alu.not(u!(imm)), true)),
                Op::SubSIW => d_flags!(alu.add_with_carry32(a!(), alu.not(u!(imm)), true)),
                Op::Adc => d!(alu.add_with_carry(a!(), b!(), flags & 2 != 0).0),
                Op::AdcW => d!(alu.add_with_carry32(a!(), b!(), flags & 2 != 0).0),
                Op::AdcS => d_flags!(alu.add_with_carry(a!(), b!(), flags & 2 != 0)),
                Op::AdcSW => d_flags!(alu.add_with_carry32(a!(), b!(), flags & 2 != 0)),
                Op::Sbc => {
                    d!(alu.add_with_carry(a!(), alu.not(b!()), flags & 2 != 0).0)
                }
                Op::SbcW => {
                    d!(alu.add_with_carry32(a!(), alu.not(b!()), flags & 2 != 0).0)
                }
                Op::SbcS => {
                    d_flags!(alu.add_with_carry(a!(), alu.not(b!()), flags & 2 != 0))
                }
                Op::SbcSW => {
                    d_flags!(alu.add_with_carry32(a!(), alu.not(b!()), flags & 2 != 0))
                }
                Op::And => d!(alu.and(a!(), b!())),
                Op::Or => d!(alu.or(a!(), b!())),
                Op::Xor => d!(alu.xor(a!(), b!())),
                Op::Bic => d!(alu.and(a!(), alu.not(b!()))),
                Op::Orn => d!(alu.or(a!(), alu.not(b!()))),
                Op::Eon => d!(alu.xor(a!(), alu.not(b!()))),
                Op::AndW => d!(low(alu.and(a!(), b!()))),
                Op::OrW => d!(low(alu.or(a!(), b!()))),
                Op::XorW => d!(low(alu.xor(a!(), b!()))),
                Op::BicW => d!(low(alu.and(a!(), alu.not(b!())))),
                Op::OrnW => d!(low(alu.or(a!(), alu.not(b!())))),
                Op::EonW => d!(low(alu.xor(a!(), alu.not(b!())))),
                Op::XorRor => d!(alu.xor(a!(), alu.ror(b!(), u!(rc) as u64))),
                Op::XorRorW => d!(low(alu.xor(a!(), alu.ror32(b!(), u!(rc) as u64)))),
                Op::OrLsl => d!(alu.or(a!(), alu.shl(b!(), u!(rc) as u64))),
                Op::OrLslW => d!(low(alu.or(a!(), alu.shl(b!(), u!(rc) as u64)))),
                Op::AndI | Op::AndIW => d!(alu.and(a!(), u!(imm))),
                Op::OrI => d!(alu.or(a!(), u!(imm))),
                Op::OrIW => d!(low(alu.or(a!(), u!(imm)))),
                Op::XorI => d!(alu.xor(a!(), u!(imm))),
                Op::XorIW => d!(low(alu.xor(a!(), u!(imm)))),
                Op::AndS => d_flags!(with_nz(alu, alu.and(a!(), b!()), 63)),
                Op::AndSW => d_flags!(with_nz(alu, low(alu.and(a!(), b!())), 31)),
                Op::AndSI => d_flags!(with_nz(alu, alu.and(a!(), u!(imm)), 63)),
                Op::AndSIW => d_flags!(with_nz(alu, low(alu.and(a!(), u!(imm))), 31)),
                Op::Lsl => d!(alu.shl(a!(), b!() & 63)),
                Op::LslW => d!(low(alu.shl(a!(), b!() & 31))),
                Op::Lsr => d!(alu.lshr(a!(), b!() & 63)),
                Op::LsrW => d!(alu.lshr(low(a!()), b!() & 31)),
                Op::Asr => d!(alu.ashr(a!(), b!() & 63)),
                Op::AsrW => d!(low(alu.ashr(sign32(a!()), b!() & 31))),
                Op::Ror => d!(alu.ror(a!(), b!() & 63)),
                Op::RorW => d!(alu.ror32(a!(), b!() & 31)),
                Op::RorI => d!(alu.ror(a!(), u!(rc) as u64)),
                Op::RorIW => d!(alu.ror32(a!(), u!(rc) as u64)),
                Op::LslAnd => d!(alu.and(alu.shl(a!(), u!(rc) as u64), u!(imm))),
                Op::LsrAnd => d!(alu.and(alu.lshr(a!(), u!(rc) as u64), u!(imm))),
                Op::LslAsr => d!(alu.ashr(alu.shl(a!(), u!(rb) as u64), u!(rc) as u64)),
                Op::LslAsrW => d!(low(alu.ashr(alu.shl(a!(), u!(rb) as u64), u!(rc) as u64))),
                Op::BitInsert | Op::BitInsertW => {
                    let field = alu.and(alu.ror(a!(), u!(rc) as u64), u!(imm));
                    let kept = alu.and(get!(u!(rd)), !u!(imm));
                    let value = alu.or(kept, field);
                    d!(if u!(op) == Op::BitInsertW { low(value) } else { value });
                }
                Op::Extr => d!(scalar::extract(alu, a!(), b!(), u!(rc) as u64)),
                Op::ExtrW => {
                    let pair = alu.or(alu.shl(a!(), 32), low(b!()));
                    d!(low(alu.lshr(pair, u!(rc) as u64)));
                }
                Op::Mul => d!(alu.mul(a!(), b!())),
                Op::MulW => d!(low(alu.mul(a!(), b!()))),
                Op::Madd => d!(alu.add(get!(u!(rc)), alu.mul(a!(), b!()))),
                Op::MaddW => d!(low(alu.add(get!(u!(rc)), alu.mul(a!(), b!())))),
                Op::Msub => d!(alu.sub(get!(u!(rc)), alu.mul(a!(), b!()))),
                Op::MsubW => d!(low(alu.sub(get!(u!(rc)), alu.mul(a!(), b!())))),
                Op::Smaddl => d!(alu.add(get!(u!(rc)), alu.mul(sign32(a!()), sign32(b!())))),
                Op::Smsubl => d!(alu.sub(get!(u!(rc)), alu.mul(sign32(a!()), sign32(b!())))),
                Op::Umaddl => d!(alu.add(get!(u!(rc)), alu.mul(low(a!()), low(b!())))),
                Op::Umsubl => d!(alu.sub(get!(u!(rc)), alu.mul(low(a!()), low(b!())))),
                Op::Smulh => d!(alu.smulh(a!(), b!())),
                Op::Umulh => d!(alu.umulh(a!(), b!())),
                Op::Udiv => d!(alu.udiv(a!(), b!())),
                Op::UdivW => d!(alu.udiv(low(a!()), low(b!()))),
                Op::Sdiv => d!(alu.sdiv(a!(), b!())),
                Op::SdivW => d!(low(alu.sdiv(sign32(a!()), sign32(b!())))),
                Op::Clz => d!(alu.clz(a!())),
                Op::ClzW => d!(alu.clz(a!() << 32 | 1 << 31)),
                Op::Cls => d!(scalar::leading_sign_bits(alu, a!())),
                Op::ClsW => d!(alu.sub(scalar::leading_sign_bits(alu, sign32(a!())), 32)),
                Op::Rbit => d!(alu.rbit(a!())),
                Op::RbitW => d!(alu.rbit(a!()) >> 32),
                // Byte reversals only move bits to fixed places.
                Op::Rev => d!(a!().swap_bytes()),
                Op::RevW => d!((a!() as u32).swap_bytes() as u64),
                Op::Rev16 => d!(swap_halves(a!())),
                Op::Rev16W => d!(low(swap_halves(a!()))),
                Op::Rev32 => d!(a!().swap_bytes().rotate_left(32)),
                Op::Crc32 => {
                    let sum = call!(scalar::checksum(alu, a!(), b!(), u!(rc)));
                    d!(sum);
                }

                Op::Csel => d!(if holds!(u!(imm)) { a!() } else { b!() }),
                Op::CselW => d!(low(if holds!(u!(imm)) { a!() } else { b!() })),
                Op::Csinc => d!(if holds!(u!(imm)) { a!() } else { alu.add(b!(), 1) }),
                Op::CsincW => d!(low(if holds!(u!(imm)) { a!() } else { alu.add(b!(), 1) })),
                Op::Csinv => d!(if holds!(u!(imm)) { a!() } else { alu.not(b!()) }),
                Op::CsinvW => d!(low(if holds!(u!(imm)) { a!() } else { alu.not(b!()) })),
                Op::Csneg => d!(if holds!(u!(imm)) { a!() } else { alu.sub(0, b!()) }),
                Op::CsnegW => d!(low(if holds!(u!(imm)) { a!() } else { alu.sub(0, b!()) })),
                Op::Ccmp | Op::CcmpW | Op::Ccmn | Op::CcmnW => {
                    flags = if holds!(u!(imm)) {
                        scalar::compare_flags(alu, u!(op), a!(), b!()) as u32
                    } else {
                        u!(rc).into()
                    };
                }
                Op::Cfinv => flags = alu.xor(flags.into(), 2) as u32,
                Op::Rmif => {
                    let taken = alu.and(alu.ror(a!(), u!(rc) as u64), u!(imm));
                    flags = alu.or(alu.and(flags.into(), !u!(imm)), taken) as u32;
                }
                Op::Setf8 => flags = scalar::set_flags(alu, flags.into(), a!(), 8) as u32,
                Op::Setf16 => flags = scalar::set_flags(alu, flags.into(), a!(), 16) as u32,
                Op::ReadNzcv => d!(u64::from(flags) << 28),
                Op::WriteNzcv => flags = (a!() >> 28) as u32 & 15,
                Op::ReadCounter => {
                    let done = budget.get() - (clock - i32::from(u!(index())));
                    d!(mem.counter.wrapping_add(done as u64));
                }

                Op::JumpIn => go_in_if!(true),
                Op::JumpOut => go!(u!(imm)),
                Op::LinkIn => {
                    d!(pc_after!());
                    go_in_if!(true);
                }
                Op::LinkOut => {
                    d!(pc_after!());
                    go!(u!(imm));
                }
                Op::JumpReg => go!(untag_target(a!())),
                Op::LinkReg => {
                    let target = untag_target(a!());
                    d!(pc_after!());
                    go!(target);
                }
                Op::CondIn => go_in_if!(holds!(u!(branch_mask()))),
                Op::CondOut => go_if!(holds!(u!(branch_mask()))),
                Op::ZeroIn => go_in_if!(alu.eq(a!(), 0)),
                Op::ZeroInW => go_in_if!(alu.eq(low(a!()), 0)),
                Op::NonZeroIn => go_in_if!(!alu.eq(a!(), 0)),
                Op::NonZeroInW => go_in_if!(!alu.eq(low(a!()), 0)),
                Op::BitClearIn => go_in_if!(a!() >> u!(rb) & 1 == 0),
                Op::BitSetIn => go_in_if!(a!() >> u!(rb) & 1 != 0),
                Op::ZeroOut => go_if!(alu.eq(a!(), 0)),
                Op::ZeroOutW => go_if!(alu.eq(low(a!()), 0)),
                Op::NonZeroOut => go_if!(!alu.eq(a!(), 0)),
                Op::NonZeroOutW => go_if!(!alu.eq(low(a!()), 0)),
                Op::BitClearOut => go_if!(a!() >> u!(rb) & 1 == 0),
                Op::BitSetOut => go_if!(a!() >> u!(rb) & 1 != 0),

                Op::Ld8 => d!(load!(u8, displaced!())),
                Op::Ld16 => d!(load!(u16, displaced!())),
                Op::Ld32 => d!(load!(u32, displaced!())),
                Op::Ld64 => d!(load!(u64, displaced!())),
                Op::LdS8 => d!(load!(u8, displaced!()) as i8 as u64),
                Op::LdS8W => d!(load!(u8, displaced!()) as i8 as u32 as u64),
                Op::LdS16 => d!(load!(u16, displaced!()) as i16 as u64),
                Op::LdS16W => d!(load!(u16, displaced!()) as i16 as u32 as u64),
                Op::LdS32 => d!(sign32(load!(u32, displaced!()))),
                Op::St8 => store!(u8, displaced!(), get!(u!(rd))),
                Op::St16 => store!(u16, displaced!(), get!(u!(rd))),
                Op::St32 => store!(u32, displaced!(), get!(u!(rd))),
                Op::St64 => store!(u64, displaced!(), get!(u!(rd))),
                Op::Ld8R => d!(load!(u8, indexed!())),
                Op::Ld16R => d!(load!(u16, indexed!())),
                Op::Ld32R => d!(load!(u32, indexed!())),
                Op::Ld64R => d!(load!(u64, indexed!())),
                Op::St8R => store!(u8, indexed!(), get!(u!(rd))),
                Op::St16R => store!(u16, indexed!(), get!(u!(rd))),
                Op::St32R => store!(u32, indexed!(), get!(u!(rd))),
                Op::St64R => store!(u64, indexed!(), get!(u!(rd))),
                Op::Ld8X => d!(load!(u8, extended!())),
                Op::Ld16X => d!(load!(u16, extended!())),
                Op::Ld32X => d!(load!(u32, extended!())),
                Op::Ld64X => d!(load!(u64, extended!())),
                Op::St8X => store!(u8, extended!(), get!(u!(rd))),
                Op::St16X => store!(u16, extended!(), get!(u!(rd))),
                Op::St32X => store!(u32, extended!(), get!(u!(rd))),
                Op::St64X => store!(u64, extended!(), get!(u!(rd))),
                Op::Ld8Wb => {
                    d!(load!(u8, moving!()));
                    write_back!();
                }
                Op::Ld32Wb => {
                    d!(load!(u32, moving!()));
                    write_back!();
                }
                Op::Ld64Wb => {
                    d!(load!(u64, moving!()));
                    write_back!();
                }
                Op::St8Wb => {
                    store!(u8, moving!(), get!(u!(rd)));
                    write_back!();
                }
                Op::St32Wb => {
                    store!(u32, moving!(), get!(u!(rd)));
                    write_back!();
                }
                Op::St64Wb => {
                    store!(u64, moving!(), get!(u!(rd)));
                    write_back!();
                }
                Op::Ldp64Wb => {
                    let [first, second] = loads!(u64, 2, moving!());
                    set!(u!(rd), first);
                    set!(u!(rc), second);
                    write_back!();
                }
                Op::Stp64Wb => {
                    stores!(u64, moving!(), [get!(u!(rd)), get!(u!(rc))]);
                    write_back!();
                }
                Op::Ldp64 => {
                    let [first, second] = loads!(u64, 2, displaced!());
                    set!(u!(rd), first);
                    set!(u!(rc), second);
                }
                Op::Ldp32 => {
                    let [first, second] = loads!(u32, 2, displaced!());
                    set!(u!(rd), first);
                    set!(u!(rc), second);
                }
                Op::LdpS32 => {
                    let [first, second] = loads!(u32, 2, displaced!());
                    set!(u!(rd), sign32(first));
                    set!(u!(rc), sign32(second));
                }
                Op::Stp64 => stores!(u64, displaced!(), [get!(u!(rd)), get!(u!(rc))]),
                Op::Stp32 => stores!(u32, displaced!(), [get!(u!(rd)), get!(u!(rc))]),
                Op::LdV8 => set_vector!(u!(rd), [load!(u8, displaced!()), 0]),
                Op::LdV16 => set_vector!(u!(rd), [load!(u16, displaced!()), 0]),
                Op::LdV32 => set_vector!(u!(rd), [load!(u32, displaced!()), 0]),
                Op::LdV64 => set_vector!(u!(rd), [load!(u64, displaced!()), 0]),
                Op::LdV128 => set_vector!(u!(rd), loads!(u64, 2, displaced!())),
                Op::StV128 => {
                    stores!(u64, displaced!(), [get!(u!(rd)), get!(u!(rd) + 1)]);
                }
                Op::LdpV32 => {
                    let [first, second] = loads!(u32, 2, displaced!());
                    set_vector!(u!(rd), [first, 0]);
                    set_vector!(u!(rc), [second, 0]);
                }
                Op::LdpV64 => {
                    let [first, second] = loads!(u64, 2, displaced!());
                    set_vector!(u!(rd), [first, 0]);
                    set_vector!(u!(rc), [second, 0]);
                }
                Op::LdpV128 => {
                    let [a, b, c, d] = loads!(u64, 4, displaced!());
                    set_vector!(u!(rd), [a, b]);
                    set_vector!(u!(rc), [c, d]);
                }
                Op::StpV128 => {
                    stores!(
                        u64,
                        displaced!(),
                        [get!(u!(rd)), get!(u!(rd) + 1), get!(u!(rc)), get!(u!(rc) + 1)]
                    );
                }
                Op::ClearExclusive => set!(slot::EXCLUSIVE_ADDR, u64::MAX),
                Op::DropCode => {
                    call!(mem.drop_code_at(a!()));
                    go!(pc_after!());
                }
                Op::LdMulti
                | Op::StMulti
                | Op::LdLane
                | Op::StLane
                | Op::LdRep
                | Op::LdExclusive
                | Op::LdpExclusive
                | Op::StExclusive
                | Op::StpExclusive
                | Op::Amo
                | Op::Cas
                | Op::Casp
                | Op::ZeroBlock
                | Op::CheckAlign
                | Op::Touch => {
                    call!(structures::execute(alu, slots!(), mem, observer, whole));
                    if let Some(fault) = mem.fault() {
                        fault!(fault);
                    }
                }

                Op::VMov => set_vector!(u!(rd), [a!(), get!(u!(ra) + 1)]),
                Op::VMovLow => set_vector!(u!(rd), [a!(), 0]),
                Op::VMovI => {
                    set_vector!(u!(rd), [u!(imm), if u!(rc) == 1 { u!(imm) } else { 0 }])
                }
                // A lane calls what takes many registers, for they would be missing elsewhere.
                Op::FAddS if SPREAD => at_once!(FAddS, Single, hot::call),
                Op::FAddD if SPREAD => at_once!(FAddD, Double, hot::call),
                Op::FSubS if SPREAD => at_once!(FSubS, Single, hot::call),
                Op::FSubD if SPREAD => at_once!(FSubD, Double, hot::call),
                Op::FMulS if SPREAD => at_once!(FMulS, Single, hot::call),
                Op::FMulD if SPREAD => at_once!(FMulD, Double, hot::call),
                Op::VCmEq | Op::FDivS | Op::FDivD if SPREAD => {
                    call!(hot::call(alu, slots!(), whole))
                }
                Op::VAdd | Op::VSub if SPREAD && !A::HOST_FLOAT => {
                    call!(hot::call(alu, slots!(), whole))
                }
                Op::VShift if SPREAD && A::HOST_FLOAT => {
                    if !of_uop!(hot::shift_at_once) {
                        call!(exec::vector(alu, slots!(), whole));
                    }
                }
                Op::VShiftLong if SPREAD && A::HOST_FLOAT => {
                    if !of_uop!(hot::widen_at_once) {
                        call!(exec::vector(alu, slots!(), whole));
                    }
                }
                Op::VAnd => of_uop!(hot::and),
                Op::VOr => of_uop!(hot::or),
                Op::VXor => of_uop!(hot::xor),
                Op::VAdd => of_uop!(hot::add),
                Op::VSub => of_uop!(hot::sub),
                Op::VCmEq => of_uop!(hot::cmeq),
                Op::FAddS => of_uop!(hot::fadd_s),
                Op::FAddD => of_uop!(hot::fadd_d),
                Op::FSubS => of_uop!(hot::fsub_s),
                Op::FSubD => of_uop!(hot::fsub_d),
                Op::FMulS => of_uop!(hot::fmul_s),
                Op::FMulD => of_uop!(hot::fmul_d),
                Op::FDivS => of_uop!(hot::fdiv_s),
                Op::FDivD => of_uop!(hot::fdiv_d),
                Op::VBin
                | Op::VPair
                | Op::VUn
                | Op::VShift
                | Op::VShiftNarrow
                | Op::VShiftLong
                | Op::VLong
                | Op::VWide
                | Op::VNarrowHigh
                | Op::VNarrow
                | Op::VAcross
                | Op::VPermute
                | Op::VExt
                | Op::VTable
                | Op::VDup
                | Op::VDupX
                | Op::VInsert
                | Op::VInsertX
                | Op::VLaneU
                | Op::VLaneS
                | Op::VLaneSW
                | Op::VAes
                | Op::VSha
                | Op::VPmull64 => call!(exec::vector(alu, slots!(), whole)),
                // The format, as `exec::float` takes it.
                Op::FMulAdd if SPREAD => match u!(imm) & 3 {
                    2 => at_once!(FMulAdd, Single, exec::float),
                    3 => at_once!(FMulAdd, Double, exec::float),
                    _ => call!(exec::float(alu, slots!(), whole)),
                },
                Op::IntToF if SPREAD => {
                    if !of_uop!(convert::from_int_at_once, Op::IntToF) {
                        call!(exec::float(alu, slots!(), whole));
                    }
                }
                Op::XToF if SPREAD => {
                    if !of_uop!(convert::from_int_at_once, Op::XToF) {
                        call!(exec::float(alu, slots!(), whole));
                    }
                }
                Op::FBin
                | Op::FUn
                | Op::FPair
                | Op::FAcross
                | Op::FMulAdd
                | Op::FConvert
                | Op::FConvertLong
                | Op::FConvertNarrow
                | Op::FToInt
                | Op::IntToF
                | Op::FToX
                | Op::XToF => call!(exec::float(alu, slots!(), whole)),

                Op::FCompare if SPREAD => match of_uop!(hot::compare_at_once) {
                    Some(found) => flags = found as u32,
                    None => compare!(),
                },
                Op::FCompare | Op::FCompareCond => compare!(),

                Op::SubSCondIn => {
                    flags_then_branch!(alu.add_with_carry(a!(), alu.not(b!()), true))
                }
                Op::SubSWCondIn => {
                    flags_then_branch!(alu.add_with_carry32(a!(), alu.not(b!()), true))
                }
                Op::SubSICondIn => {
                    flags_then_branch!(alu.add_with_carry(a!(), !(u!(rb) as u64), true))
                }
                Op::SubSIWCondIn => {
                    flags_then_branch!(alu.add_with_carry32(a!(), !(u!(rb) as u64), true))
                }
            }
            if MEET {
                fetch_ahead!();
            }
        }
        // Lanes come here after a branch.
        fetch_ahead!();
    }
}

/// Reads a number, which is aligned where tables are spread: see [`tlb::place`].
///
/// # Safety
/// `at` must be valid for reading.
#[inline(always)]
unsafe fn read<T: Copy, const SPREAD: bool>(at: *const u8) -> T {
    let at = at.cast::<T>();
    // SAFETY: the caller's promise.
    unsafe { if SPREAD { at.read() } else { at.read_unaligned() } }
}

/// Writes a number, likewise.
///
/// # Safety
/// `at` must be valid for writing.
#[inline(always)]
unsafe fn write<T: Copy, const SPREAD: bool>(at: *mut u8, value: T) {
    // SAFETY: the caller's promise.
    unsafe {
        if SPREAD { at.cast::<T>().write(value) } else { at.cast::<T>().write_unaligned(value) }
    }
}

/// So many times a lane leads the others of its warp up to a branch, before the next one does.
const TURN: u32 = 8;
/// So many lanes do not wait for a leader: the steps that each of them takes for itself would be more than
/// what executing their operations one after the other takes.
const FEW: u32 = 8;

/// Bytes of a micro-op.
const UOP: u32 = size_of::<Uop>() as u32;

#[inline(always)]
fn low(value: u64) -> u64 {
    value as u32 as u64
}

#[inline(always)]
fn sign32(value: u64) -> u64 {
    value as i32 as u64
}

/// Branch targets lose their tag byte like data addresses, unless bit 55 says that they belong to
/// the upper half, where Linux does not enable tags (Arm ARM, `AArch64.BranchAddr`).
#[inline(always)]
fn untag_target(target: u64) -> u64 {
    let upper_half = ((target << 8) as i64 >> 63) as u64;
    target & upper_half | untag(target)
}

fn swap_halves(value: u64) -> u64 {
    (value & 0x00ff_00ff_00ff_00ff) << 8 | (value >> 8) & 0x00ff_00ff_00ff_00ff
}

/// The value with N and Z for it (the sign is bit `sign`), C and V clear.
#[inline(always)]
fn with_nz<A: Alu>(alu: &A, value: u64, sign: u32) -> (u64, u64) {
    (value, (value >> sign) << 3 | (alu.eq(value, 0) as u64) << 2)
}
