//! What a row's random fields need so that a case does something: addresses that lead to the data
//! area, branch targets that lead to a landing, partners for exclusives and flag-setting.

use crate::case::{BRK, Case};
use crate::layout::{self, DATA, DATA_END, HIGH, HIGH_END, LANDINGS, PAGE, READ_ONLY};
use crate::operands::Rng;
use ncpu_a64::{Field, Lifted, Row, lift};
use ncpu_machine::mem::untag;
use ncpu_uop::Op;

const CLREX: u32 = 0xd503_3f5f;
const MSR_TPIDR: u32 = 0xd51b_d040;
const MRS_TPIDR: u32 = 0xd53b_d040;
const B_NE: u32 = 0x5400_0001;

/// A number that no system call has.
const NO_SYSTEM_CALL: u64 = 0xffff_fff0;

/// A case of `row` for slot `index` of a batch.
pub(crate) fn case(row: &Row, index: usize, rng: &mut Rng) -> Case {
    let mut case = rng.state();
    case.pc = layout::slot_address(index);
    case.window = DATA + 64;
    let word = instruction(row, rng);
    case.words[0] = word;
    if field(row, "imm26").or(field(row, "imm14")).is_some() || is_branch_19(row) {
        branch(row, &mut case, rng);
    } else if is_load_store(row) {
        load_store(row, &mut case, rng);
    }
    match row.name {
        "BR" | "BLR" | "RET" => {
            let n = word >> 5 & 31;
            if n != 31 && !rng.one_in(16) {
                let misaligned = if rng.one_in(8) { rng.below(4) } else { 0 };
                case.x[n as usize] = branch_target(case.pc, rng) | misaligned | tag(rng);
            }
        }
        "DC_ZVA" | "DC_CVAC" | "DC_CVAU" | "DC_CVAP" | "DC_CIVAC" | "IC_IVAU" => {
            let target = data_target(rng);
            case.window = layout::window_around(target);
            if word & 31 != 31 {
                case.x[(word & 31) as usize] = target;
            }
        }
        "CAS" if rng.one_in(2) => expect(&mut case, 1 << (word >> 30), 1),
        "CASP" if rng.one_in(2) => expect(&mut case, 4 << (word >> 30), 2),
        "SVC" => case.x[8] = NO_SYSTEM_CALL,
        "MSR_TPIDR" => case.words[1] = MRS_TPIDR | rng.below(31) as u32,
        "MRS_TPIDR" => case.words = [MSR_TPIDR | rng.below(31) as u32, word, BRK, BRK],
        "STXR" | "STXP" if !rng.one_in(5) => {
            let load = word | 1 << 22 | 31 << 16;
            exclusive(&mut case, load, word, rng);
        }
        "LDXR" | "LDXP" => {
            let store = word & !(1 << 22 | 31 << 16) | (rng.below(32) as u32) << 16;
            exclusive(&mut case, word, with_low(store, rng), rng);
        }
        // A comparison and the branch after it may be one micro-op.
        "SUBS_imm" | "SUBS_reg" if rng.one_in(2) => {
            let pc = case.pc + 4;
            let offset = branch_target_within(19, pc, rng).wrapping_sub(pc) >> 2;
            case.words[1] = B_NE & !1 | rng.below(16) as u32 | (offset as u32 & 0x7_ffff) << 5;
        }
        _ => {}
    }
    case
}

/// A word of the row; of those that are unallocated only some.
fn instruction(row: &Row, rng: &mut Rng) -> u32 {
    let mut lifted = Lifted::new();
    loop {
        let mut word = row.value | rng.next() as u32 & !row.mask;
        for (from, to) in [("rm", "rn"), ("rn", "rd"), ("rn", "ra")] {
            if let (Some(from), Some(to)) = (field(row, from), field(row, to))
                && rng.one_in(5)
            {
                word = with(word, to, get(word, from));
            }
        }
        // Number 31, which is special, more often than once in 32 times.
        for name in ["rn", "rd", "rt"] {
            if let Some(field) = field(row, name)
                && rng.one_in(16)
            {
                word = with(word, field, 31);
            }
        }
        lift(word, layout::CODE, &mut lifted);
        if lifted.uops()[0].op != Op::Undefined || rng.one_in(4) {
            return word;
        }
    }
}

/// Words that stop qemu 7.2 with "code should not be reached" in `disas_simd_two_reg_misc_fp16`:
/// unallocated ones of the half-precision two-register group.
const fn stops_qemu(word: u32) -> bool {
    word & 0x8f7e_0c00 == 0x0e78_0800
}

/// Any word at all, with registers that point to data or to nothing.
pub(crate) fn random_word(index: usize, rng: &mut Rng) -> Case {
    let mut case = rng.state();
    case.pc = layout::slot_address(index);
    let target = data_target(rng);
    case.window = layout::window_around(target);
    case.x.fill_with(|| if rng.one_in(2) { target } else { rng.below(256) });
    case.sp = target & !15;
    case.x[8] = NO_SYSTEM_CALL;
    loop {
        let word = rng.next() as u32;
        // A direct branch could lead into another case, or nowhere but to itself.
        let branches = ["B", "BL", "B_cond", "CBZ", "TBZ"];
        let row = Row::of(word);
        if row.is_some_and(|row| branches.contains(&row.name)) || stops_qemu(word) {
            continue;
        }
        // A store of an extension that is not there must not change memory under qemu.
        if row.is_none() && word & LOAD_STORE == 1 << 27 {
            case.set_base(word >> 5 & 31, 0x100);
        }
        case.words[0] = word;
        return case;
    }
}

fn field(row: &Row, name: &str) -> Option<Field> {
    row.fields.iter().find(|field| field.name == name).copied()
}

fn get(word: u32, field: Field) -> u32 {
    word >> field.shift & (u32::MAX >> (32 - field.width))
}

fn with(word: u32, field: Field, value: u32) -> u32 {
    let ones = u32::MAX >> (32 - field.width);
    word & !(ones << field.shift) | (value & ones) << field.shift
}

fn with_low(word: u32, rng: &mut Rng) -> u32 {
    word & !31 | rng.below(32) as u32
}

/// B.cond, CBZ and CBNZ.
fn is_branch_19(row: &Row) -> bool {
    row.name == "B_cond" || row.name == "CBZ"
}

/// The encodings "Loads and Stores" have bit 27 set and bit 25 clear (C4.1).
const LOAD_STORE: u32 = 1 << 27 | 1 << 25;

fn is_load_store(row: &Row) -> bool {
    row.mask & LOAD_STORE == LOAD_STORE && row.value & LOAD_STORE == 1 << 27
}

/// An address in or near the data area: aligned or not, across pages, next to what is not mapped or
/// not writable; rarely with a tag.
fn data_target(rng: &mut Rng) -> u64 {
    let alignment = rng.pick(&[15, 15, 15, 7, 3, 1, 0, 0]);
    let target = match rng.below(20) {
        0 | 1 => DATA + PAGE - 64 + rng.below(128),
        2 => DATA_END - 72 + rng.below(80),
        3 => (DATA - 8) + rng.below(16),
        4 => READ_ONLY - 72 + rng.below(80),
        5 => HIGH_END - 72 + rng.below(80),
        6 => READ_ONLY + rng.below(PAGE - 256),
        7 => DATA_END + rng.below(PAGE),
        8 => HIGH + rng.below(PAGE - 256),
        _ => DATA + rng.below(2 * PAGE - 256),
    };
    target & !alignment | tag(rng)
}

/// Rarely a tag in the top byte, which addresses ignore.
fn tag(rng: &mut Rng) -> u64 {
    if rng.one_in(16) { rng.next() << 56 } else { 0 }
}

/// A place to branch to from `pc`: BRK words near and far; rarely what cannot be executed.
fn branch_target(pc: u64, rng: &mut Rng) -> u64 {
    let page = pc & !(PAGE - 1);
    match rng.below(16) {
        0..=3 => page + rng.below(16) * 4,
        4..=6 => page + PAGE - 64 + rng.below(16) * 4,
        7 => (pc & !15) + 12,
        8..=13 => rng.pick(&LANDINGS) + rng.below(PAGE / 4) * 4,
        14 => DATA + rng.below(PAGE / 4) * 4,
        // Nothing is there.
        _ => layout::CODE + 0x1_0000 + rng.below(1024) * 4,
    }
}

/// A place that a branch offset of `width` bits reaches.
fn branch_target_within(width: u32, pc: u64, rng: &mut Rng) -> u64 {
    let reach = 1u64 << (width + 1);
    loop {
        let target = branch_target(pc, rng);
        if target.wrapping_sub(pc).wrapping_add(reach) < 2 * reach {
            return target;
        }
    }
}

/// Sets the offset of a direct branch, or leaves it random where that leads to nothing mapped.
fn branch(row: &Row, case: &mut Case, rng: &mut Rng) {
    let offset = ["imm26", "imm19", "imm14"].into_iter().find_map(|name| field(row, name));
    let Some(offset) = offset else { return };
    let target = branch_target_within(offset.width, case.pc, rng);
    case.words[0] = with(case.words[0], offset, (target.wrapping_sub(case.pc) >> 2) as u32);
    if let Some(rt) = field(row, "rt").map(|f| get(case.words[0], f)).filter(|&rt| rt != 31) {
        let x = &mut case.x[rt as usize];
        match rng.below(3) {
            0 => *x = 0,
            1 => *x &= 0xffff_ffff_0000_0000,
            _ => {}
        }
    }
    // Random offsets must not lead into other cases.
    if rng.one_in(8) {
        let random = rng.next() as u32;
        let word = with(case.words[0], offset, random);
        let distance =
            ((get(word, offset) << (32 - offset.width)) as i32 >> (32 - offset.width)) as i64;
        if !layout::is_slot(case.pc.wrapping_add_signed(distance * 4)) {
            case.words[0] = word;
        }
    }
}

/// Logarithm of the access size of a load or store of one register.
fn scale(word: u32) -> u32 {
    let size = word >> 30;
    if word >> 26 & 1 == 1 && word >> 23 & 1 == 1 && size == 0 { 4 } else { size }
}

/// Logarithm of the scale of a pair's offset.
fn pair_scale(word: u32) -> u32 {
    let opc = word >> 30;
    match word >> 26 & 1 {
        1 => 2 + opc,
        _ => 2 + (opc >> 1),
    }
}

/// Points a load or store at the data area.
fn load_store(row: &Row, case: &mut Case, rng: &mut Rng) {
    let target = data_target(rng);
    case.window = layout::window_around(untag(target));
    let word = case.words[0];
    if let Some(imm19) = field(row, "imm19") {
        let offset = (untag(target)).wrapping_sub(case.pc) >> 2;
        case.words[0] = with(word, imm19, offset as u32);
        return;
    }
    let Some(rn) = field(row, "rn").map(|f| get(word, f)) else { return };
    let mode = field(row, "mode").map(|f| get(word, f));
    let post_indexed = mode == Some(1) || field(row, "pre").is_some_and(|f| get(word, f) == 0);
    let signed = |field: Field| {
        let value = get(word, field) << (32 - field.width);
        (value as i32 >> (32 - field.width)) as i64 as u64
    };
    let offset = if post_indexed {
        0
    } else if let Some(imm12) = field(row, "imm12") {
        (get(word, imm12) as u64) << scale(word)
    } else if let Some(imm9) = field(row, "imm9") {
        signed(imm9)
    } else if let Some(imm7) = field(row, "imm7") {
        signed(imm7) << pair_scale(word)
    } else if let (Some(rm), Some(sxt)) = (field(row, "rm"), field(row, "sxt")) {
        index(case, get(word, rm), get(word, sxt) == 1, rng)
    } else {
        0
    };
    case.set_base(rn, target.wrapping_sub(offset));
}

/// Makes `rm` a small index and returns its value as the word extends and scales it.
fn index(case: &mut Case, rm: u32, sign_extended: bool, rng: &mut Rng) -> u64 {
    let word = case.words[0];
    let shift = if word >> 12 & 1 == 1 { scale(word) } else { 0 };
    let extended = |value: u64| match (word >> 13 & 1 == 1, sign_extended) {
        (true, _) => value,
        (false, true) => value as u32 as i32 as u64,
        (false, false) => value as u32 as u64,
    };
    if rm != 31 {
        let small = rng.below(8192).wrapping_sub(4096);
        let high = if word >> 13 & 1 == 1 { 0 } else { rng.next() << 32 };
        case.x[rm as usize] = (if high == 0 { small } else { small as u32 as u64 }) | high;
    }
    extended(if rm == 31 { 0 } else { case.x[rm as usize] }) << shift
}

/// Makes memory hold what a compare-and-swap of `count` registers of `size` bytes compares with.
fn expect(case: &mut Case, size: usize, count: usize) {
    let word = case.words[0];
    let base = match word >> 5 & 31 {
        31 => case.sp,
        n => case.x[n as usize],
    };
    let first = (word >> 16 & 31) as usize;
    let offset = untag(base).wrapping_sub(case.window) as usize;
    let Some(memory) = case.memory.get_mut(offset..) else { return };
    for (n, place) in memory.chunks_exact_mut(size).take(count).enumerate() {
        let value = case.x.get(first + n).copied().unwrap_or(0);
        place.copy_from_slice(&value.to_le_bytes()[..size]);
    }
}

/// An exclusive load followed by a store, now and then with something in between or of another
/// size.
fn exclusive(case: &mut Case, load: u32, store: u32, rng: &mut Rng) {
    let base = store >> 5 & 31;
    let mut load = load;
    if load & 31 == base || rng.one_in(2) {
        let other = (base + 1 + rng.below(30) as u32) % 31;
        load = load & !31 | other;
    }
    if rng.one_in(10) {
        load ^= 1 << 30;
    }
    case.words = match rng.below(8) {
        0 => [load, CLREX, store, BRK],
        1 => [load, store, store, BRK],
        _ => [load, store, BRK, BRK],
    };
}
