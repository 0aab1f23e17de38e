//! Memory micro-ops beyond plain loads and stores: vector structures, exclusives and atomics.
//!
//! All of them check every byte they will touch before they change anything, so that faults are
//! precise. One hardware thread runs at a time, so atomicity needs no more than that.

use crate::addr::{Access, Fault, FaultKind};
use crate::mem::Mem;
use crate::observe::Observer;
use ncpu_alu::Alu;
use ncpu_uop::ops::AmoOp;
use ncpu_uop::{Lanes, Op, Uop, slot};

type Slots = [u64; slot::COUNT];

/// Executes one memory micro-op that [`crate::run()`] does not handle inline. A fault is left in `mem`.
#[inline(never)]
pub(crate) fn execute<A: Alu, O: Observer>(
    alu: &A,
    slots: &mut Slots,
    mem: &mut Mem<'_>,
    observer: &mut O,
    u: &Uop,
) {
    let result = one(alu, slots, mem, observer, u);
    mem.note(result);
}

fn one<A: Alu, O: Observer>(
    alu: &A,
    slots: &mut Slots,
    mem: &mut Mem<'_>,
    observer: &mut O,
    u: &Uop,
) -> Result<(), Fault> {
    let address = slots[u.ra as usize];
    match u.op {
        Op::CheckAlign => aligned(alu.add(address, u.imm), 1 << (u.rc & 7), Access::Read),
        Op::Touch => {
            mem.probe(address, u.imm, if u.rc == 1 { Access::Write } else { Access::Read })
        }
        Op::ZeroBlock => zero_block(mem, observer, address & !63),
        Op::LdMulti | Op::StMulti => structures(slots, mem, observer, u, address),
        Op::LdLane | Op::StLane | Op::LdRep => lanes(slots, mem, observer, u, address),
        Op::LdExclusive | Op::LdpExclusive => load_exclusive(slots, mem, observer, u, address),
        Op::StExclusive | Op::StpExclusive => store_exclusive(slots, mem, observer, u, address),
        Op::Amo => read_modify_write(alu, slots, mem, observer, u, address),
        _ => compare_and_swap(alu, slots, mem, observer, u, address),
    }
}

fn aligned(address: u64, size: u64, access: Access) -> Result<(), Fault> {
    if address & (size - 1) == 0 {
        Ok(())
    } else {
        Err(Fault { address, access, kind: FaultKind::Alignment })
    }
}

fn load<O: Observer>(
    mem: &mut Mem<'_>,
    observer: &mut O,
    address: u64,
    size: u64,
) -> Result<u64, Fault> {
    let value = mem.load(address, size)?;
    observer.load(address, size);
    Ok(value)
}

fn store<O: Observer>(
    mem: &mut Mem<'_>,
    observer: &mut O,
    address: u64,
    size: u64,
    value: u64,
) -> Result<(), Fault> {
    mem.store(address, size, value)?;
    observer.store(address, size);
    Ok(())
}

fn zero_block<O: Observer>(mem: &mut Mem<'_>, observer: &mut O, block: u64) -> Result<(), Fault> {
    for word in 0..8 {
        store(mem, observer, block.wrapping_add(8 * word), 8, 0)?;
    }
    Ok(())
}

/// Slot and bit position of a lane of the `step`-th vector register from slot `first` on; register
/// numbers wrap from V31 to V0.
fn lane_place(first: u8, step: u32, lanes: Lanes, lane: u32) -> (usize, u32) {
    let register = (first as u32 - slot::v(0) as u32) / 2 + step;
    let bit = lane * lanes.bits();
    ((slot::v((register & 31) as u8) as usize + (bit / 64) as usize) & 127, bit % 64)
}

fn lane_mask(lanes: Lanes) -> u64 {
    u64::MAX >> (64 - lanes.bits())
}

/// A lane's value in every lane of 64 bits.
fn replicate(lanes: Lanes, value: u64) -> u64 {
    (0..64 / lanes.bits()).fold(0, |copies, lane| copies | value << (lane * lanes.bits()))
}

fn set_lane(slots: &mut Slots, (place, bit): (usize, u32), lanes: Lanes, value: u64) {
    let mask = lane_mask(lanes);
    slots[place] = slots[place] & !(mask << bit) | (value & mask) << bit;
}

fn access_of(op: Op) -> Access {
    if matches!(op, Op::StMulti | Op::StLane) { Access::Write } else { Access::Read }
}

/// LD1 to LD4 and ST1 to ST4, multiple structures (Arm ARM C7.2, LD4 (multiple structures)).
fn structures<O: Observer>(
    slots: &mut Slots,
    mem: &mut Mem<'_>,
    observer: &mut O,
    u: &Uop,
    address: u64,
) -> Result<(), Fault> {
    let lanes = Lanes(u.rc);
    let registers = u.rb as u32;
    let size = lanes.bits() as u64 / 8;
    let count = lanes.count();
    mem.probe(address, size * count as u64 * registers as u64, access_of(u.op))?;
    let interleaved = u.imm == 1;
    if !interleaved {
        return whole_registers(slots, mem, observer, u, address);
    }
    if u.op == Op::LdMulti {
        for register in 0..registers {
            let (place, _) = lane_place(u.rd, register, lanes, 0);
            slots[place] = 0;
            slots[(place + 1) & 127] = 0;
        }
    }
    for n in 0..count * registers {
        let (register, lane) = (n % registers, n / registers);
        let place = lane_place(u.rd, register, lanes, lane);
        let at = address.wrapping_add(n as u64 * size);
        if u.op == Op::LdMulti {
            let value = load(mem, observer, at, size)?;
            set_lane(slots, place, lanes, value);
        } else {
            store(mem, observer, at, size, slots[place.0] >> place.1)?;
        }
    }
    Ok(())
}

/// Registers one after the other (LD1 and ST1), whatever their elements are.
fn whole_registers<O: Observer>(
    slots: &mut Slots,
    mem: &mut Mem<'_>,
    observer: &mut O,
    u: &Uop,
    address: u64,
) -> Result<(), Fault> {
    let lanes = Lanes(u.rc);
    let halves = if lanes.q() { 2 } else { 1 };
    for n in 0..u.rb as u32 * halves {
        let (place, _) = lane_place(u.rd, n / halves, Lanes::vector(3, true), n % halves);
        let at = address.wrapping_add(8 * n as u64);
        if u.op == Op::StMulti {
            store(mem, observer, at, 8, slots[place])?;
            continue;
        }
        slots[place] = load(mem, observer, at, 8)?;
        if halves == 1 {
            slots[(place + 1) & 127] = 0;
        }
    }
    Ok(())
}

/// Single structures: to or from one lane, or replicated to all.
fn lanes<O: Observer>(
    slots: &mut Slots,
    mem: &mut Mem<'_>,
    observer: &mut O,
    u: &Uop,
    address: u64,
) -> Result<(), Fault> {
    let lanes = Lanes(u.rc);
    let size = lanes.bits() as u64 / 8;
    mem.probe(address, size * u.rb as u64, access_of(u.op))?;
    for register in 0..u.rb as u32 {
        let at = address.wrapping_add(register as u64 * size);
        let place = lane_place(u.rd, register, lanes, u.imm as u32 & 15);
        match u.op {
            Op::LdLane => {
                let value = load(mem, observer, at, size)?;
                set_lane(slots, place, lanes, value);
            }
            Op::StLane => store(mem, observer, at, size, slots[place.0] >> place.1)?,
            _ => {
                let value = load(mem, observer, at, size)?;
                let (first, _) = lane_place(u.rd, register, lanes, 0);
                let copies = replicate(lanes, value);
                slots[first] = copies;
                slots[(first + 1) & 127] = if lanes.q() { copies } else { 0 };
            }
        }
    }
    Ok(())
}

fn load_exclusive<O: Observer>(
    slots: &mut Slots,
    mem: &mut Mem<'_>,
    observer: &mut O,
    u: &Uop,
    address: u64,
) -> Result<(), Fault> {
    let size = 1u64 << (u.rc & 3);
    let pair = u.op == Op::LdpExclusive;
    aligned(address, if pair { 2 * size } else { size }, Access::Read)?;
    let first = load(mem, observer, address, size)?;
    if pair {
        slots[u.rb as usize] = load(mem, observer, address.wrapping_add(size), size)?;
    }
    slots[u.rd as usize] = first;
    slots[slot::EXCLUSIVE_ADDR as usize] = address;
    Ok(())
}

fn store_exclusive<O: Observer>(
    slots: &mut Slots,
    mem: &mut Mem<'_>,
    observer: &mut O,
    u: &Uop,
    address: u64,
) -> Result<(), Fault> {
    let size = 1u64 << (u.rc & 3);
    let pair = u.op == Op::StpExclusive;
    let whole = if pair { 2 * size } else { size };
    aligned(address, whole, Access::Write)?;
    let marked = slots[slot::EXCLUSIVE_ADDR as usize] == address;
    if marked {
        mem.probe(address, whole, Access::Write)?;
        store(mem, observer, address, size, slots[u.rb as usize])?;
        if pair {
            let second = slots[u.imm as usize & 127];
            store(mem, observer, address.wrapping_add(size), size, second)?;
        }
    }
    slots[slot::EXCLUSIVE_ADDR as usize] = u64::MAX;
    slots[u.rd as usize] = !marked as u64;
    Ok(())
}

fn truncate(value: u64, size: u64) -> u64 {
    value & u64::MAX >> (64 - 8 * size)
}

fn sign_extend(value: u64, size: u64) -> u64 {
    let unused = 64 - 8 * size as u32;
    ((value << unused) as i64 >> unused) as u64
}

fn read_modify_write<A: Alu, O: Observer>(
    alu: &A,
    slots: &mut Slots,
    mem: &mut Mem<'_>,
    observer: &mut O,
    u: &Uop,
    address: u64,
) -> Result<(), Fault> {
    let size = 1u64 << (u.rc & 3);
    aligned(address, size, Access::Write)?;
    mem.probe(address, size, Access::Write)?;
    let old = load(mem, observer, address, size)?;
    let operand = truncate(slots[u.rb as usize], size);
    let signed = |x| sign_extend(x, size);
    let new = match AmoOp::from_u8(u.imm as u8) {
        Some(AmoOp::Add) => alu.add(old, operand),
        Some(AmoOp::Clear) => alu.and(old, alu.not(operand)),
        Some(AmoOp::Xor) => alu.xor(old, operand),
        Some(AmoOp::Set) => alu.or(old, operand),
        Some(AmoOp::Smax) if alu.lts(signed(old), signed(operand)) => operand,
        Some(AmoOp::Smin) if alu.lts(signed(operand), signed(old)) => operand,
        Some(AmoOp::Umax) if alu.ltu(old, operand) => operand,
        Some(AmoOp::Umin) if alu.ltu(operand, old) => operand,
        Some(AmoOp::Smax | AmoOp::Smin | AmoOp::Umax | AmoOp::Umin) => old,
        Some(AmoOp::Swap) | None => operand,
    };
    store(mem, observer, address, size, new)?;
    slots[u.rd as usize] = old;
    Ok(())
}

fn compare_and_swap<A: Alu, O: Observer>(
    alu: &A,
    slots: &mut Slots,
    mem: &mut Mem<'_>,
    observer: &mut O,
    u: &Uop,
    address: u64,
) -> Result<(), Fault> {
    let size = 1u64 << (u.rc & 3);
    let words = if u.op == Op::Casp { 2 } else { 1 };
    aligned(address, size * words, Access::Write)?;
    mem.probe(address, size * words, Access::Write)?;
    // The second register of a pair follows the first; register 31 is the zero register.
    let source = |slots: &Slots, first: u8, n: u64| {
        let value = slots[if n == 0 { first } else { second_of_pair(first, slot::ZERO) } as usize];
        truncate(value, size)
    };
    let mut old = [0; 2];
    let mut equal = true;
    for n in 0..words {
        let value = load(mem, observer, address.wrapping_add(n * size), size)?;
        equal &= alu.eq(value, source(slots, u.rd, n));
        old[n as usize] = value;
    }
    if equal {
        for n in 0..words {
            let value = source(slots, u.rb, n);
            store(mem, observer, address.wrapping_add(n * size), size, value)?;
        }
    }
    // `Cas` reads its destination, so XZR cannot be the sink there: a write to ZERO is dropped.
    let set = |slots: &mut Slots, place: u8, value| {
        slots[if place == slot::ZERO { slot::SINK } else { place } as usize] = value;
    };
    set(slots, u.rd, old[0]);
    if words == 2 {
        set(slots, second_of_pair(u.rd, slot::ZERO), old[1]);
    }
    Ok(())
}

/// The slot of X register `first + 1`, where register 31 is `zero`.
fn second_of_pair(first: u8, zero: u8) -> u8 {
    if first == 30 { zero } else { (first + 1) & 127 }
}
