//! Lanes moved: between registers, within them, to and from general registers.

use super::{Slots, esize, read, read_v, write, write_v};
use ncpu_alu::Alu;
use ncpu_alu::simd::{Permute, V, ext, permute as permuted, tbl, tbx};
use ncpu_uop::{Lanes, Op, Uop, slot};

/// Executes a micro-op that moves lanes.
pub(super) fn permute<A: Alu>(alu: &A, regs: &mut Slots, u: &Uop) {
    let lanes = Lanes(u.rc);
    let e = esize(lanes);
    let lane = u.rb as u32;
    match u.op {
        Op::VPermute => {
            let Some(op) = Permute::from_u8(u.imm as u8) else { return };
            let (n, m) = (read_v(regs, u.ra), read_v(regs, u.rb));
            write_v(regs, u.rd, permuted(op, e, lanes.q(), n, m));
        }
        Op::VExt => {
            let (n, m) = (read_v(regs, u.ra), read_v(regs, u.rb));
            write_v(regs, u.rd, ext(lanes.q(), n, m, u.imm as u32));
        }
        Op::VTable => table(alu, regs, u),
        Op::VDup => {
            let x = e.get(&read_v(regs, u.ra), lane);
            write_v(regs, u.rd, spread(lanes, x));
        }
        Op::VDupX => {
            let x = read(regs, u.ra);
            write_v(regs, u.rd, spread(lanes, x));
        }
        Op::VInsert => {
            let x = e.get(&read_v(regs, u.ra), lane);
            insert(regs, u, x);
        }
        Op::VInsertX => insert(regs, u, read(regs, u.ra)),
        Op::VLaneU => {
            let x = e.get(&read_v(regs, u.ra), lane);
            write(regs, u.rd, x);
        }
        Op::VLaneS => {
            let x = e.get(&read_v(regs, u.ra), lane);
            write(regs, u.rd, e.sext(x));
        }
        Op::VLaneSW => {
            let x = e.get(&read_v(regs, u.ra), lane);
            write(regs, u.rd, e.sext(x) & 0xffff_ffff);
        }
        _ => {}
    }
}

/// The lowest lane of `x` in every lane in use.
fn spread(lanes: Lanes, x: u64) -> V {
    let e = esize(lanes);
    if lanes.is_scalar() {
        return [e.trunc(x), 0];
    }
    let half = e.splat(x);
    [half, if lanes.q() { half } else { 0 }]
}

/// The lowest lane of `x` as lane `imm` of `rd`.
fn insert(regs: &mut Slots, u: &Uop, x: u64) {
    let mut d = read_v(regs, u.rd);
    esize(Lanes(u.rc)).set(&mut d, u.imm as u32, x);
    write_v(regs, u.rd, d);
}

fn table<A: Alu>(alu: &A, regs: &mut Slots, u: &Uop) {
    // Table registers follow one another, V0 after V31.
    let first = u.ra.wrapping_sub(slot::v(0)) >> 1;
    let registers = [0, 1, 2, 3].map(|i| read_v(regs, slot::v(first.wrapping_add(i))));
    let used = registers.get(..(u.rc & 7) as usize).unwrap_or(&registers);
    let (d, indices) = (read_v(regs, u.rd), read_v(regs, u.rb));
    let half = |half: usize| match u.imm {
        0 => tbl(alu, used, indices[half]),
        _ => tbx(alu, used, d[half], indices[half]),
    };
    let result = [half(0), if u.rc & 8 != 0 { half(1) } else { 0 }];
    write_v(regs, u.rd, result);
}
