//! Integer arithmetic on lanes.

use super::{FPSR_QC, Slots, crypto, esize, permute, read, read_v, write, write_v};
use ncpu_alu::Alu;
use ncpu_alu::simd::{
    Across, Bin, Esize, Long, Narrow, NarrowHigh, Pair, Shift, ShiftLong, ShiftNarrow, Un, V, Wide,
};
use ncpu_alu::simd::{
    across, bin, long, narrow, narrow_high, pair, shift, shift_long, shift_narrow, un, wide,
};
use ncpu_uop::{Lanes, Op, Uop, slot};

/// Executes a `V*` micro-op other than those of [`super::hot`].
#[inline(never)]
pub(crate) fn vector<A: Alu>(alu: &A, regs: &mut Slots, u: &Uop) {
    let lanes = Lanes(u.rc);
    let mut qc = false;
    let result = match u.op {
        Op::VBin | Op::VUn | Op::VShift => lanewise(alu, regs, u, lanes, &mut qc),
        Op::VLong | Op::VWide | Op::VShiftLong => widening(alu, regs, u, lanes, &mut qc),
        Op::VNarrow | Op::VNarrowHigh | Op::VShiftNarrow => narrowing(alu, regs, u, lanes, &mut qc),
        Op::VPair => Pair::from_u8(u.imm as u8).map(|op| {
            pair(alu, op, esize(lanes), lanes.q(), read_v(regs, u.ra), read_v(regs, u.rb))
        }),
        Op::VAcross => Across::from_u8(u.imm as u8)
            .map(|op| [across(alu, op, esize(lanes), lanes.q(), read_v(regs, u.ra)), 0]),
        Op::VAes | Op::VSha | Op::VPmull64 => crypto::crypto(alu, regs, u),
        _ => return permute::permute(alu, regs, u),
    };
    if let Some(v) = result {
        write_v(regs, u.rd, v);
    }
    if qc {
        let fpsr = read(regs, slot::FPSR);
        write(regs, slot::FPSR, fpsr | FPSR_QC);
    }
}

/// `f` on one or both halves of the destination and the sources, or on their lowest lanes.
#[inline(always)]
fn by_halves(lanes: Lanes, d: V, n: V, m: V, mut f: impl FnMut(u64, u64, u64) -> u64) -> V {
    if lanes.is_scalar() {
        let e = esize(lanes);
        return [e.trunc(f(e.trunc(d[0]), e.trunc(n[0]), e.trunc(m[0]))), 0];
    }
    let low = f(d[0], n[0], m[0]);
    [low, if lanes.q() { f(d[1], n[1], m[1]) } else { 0 }]
}

fn lanewise<A: Alu>(alu: &A, regs: &Slots, u: &Uop, lanes: Lanes, qc: &mut bool) -> Option<V> {
    let e = esize(lanes);
    let (d, n) = (read_v(regs, u.rd), read_v(regs, u.ra));
    let member = u.imm as u8;
    Some(match u.op {
        Op::VBin => {
            let op = Bin::from_u8(member)?;
            let m = read_v(regs, u.rb);
            by_halves(lanes, d, n, m, |d, n, m| bin(alu, op, e, d, n, m, qc))
        }
        Op::VUn => {
            let op = Un::from_u8(member)?;
            by_halves(lanes, d, n, n, |d, n, _| un(alu, op, e, d, n, qc))
        }
        _ => {
            let op = Shift::from_u8(member)?;
            by_halves(lanes, d, n, n, |d, n, _| shift(alu, op, e, d, n, u.rb as u32, qc))
        }
    })
}

/// Operations whose results are twice as wide as (one of) the sources.
fn widening<A: Alu>(alu: &A, regs: &Slots, u: &Uop, lanes: Lanes, qc: &mut bool) -> Option<V> {
    let e = esize(lanes);
    let n = read_v(regs, u.ra);
    let member = u.imm as u8;
    let half = lanes.q() as usize;
    Some(match u.op {
        Op::VLong => {
            let op = Long::from_u8(member)?;
            let (d, m) = (read_v(regs, u.rd), read_v(regs, u.rb));
            if lanes.is_scalar() {
                let wide = e.double();
                let d = [wide.trunc(d[0]), 0];
                let [low, _] = long(alu, op, e, d, e.trunc(n[0]), e.trunc(m[0]), qc);
                [wide.trunc(low), 0]
            } else {
                long(alu, op, e, d, n[half], m[half], qc)
            }
        }
        Op::VWide => wide(alu, Wide::from_u8(member)?, e, n, read_v(regs, u.rb)[half]),
        _ => shift_long(alu, ShiftLong::from_u8(member)?, e, n[half], u.rb as u32),
    })
}

/// Operations whose results are half as wide as the sources.
fn narrowing<A: Alu>(alu: &A, regs: &Slots, u: &Uop, lanes: Lanes, qc: &mut bool) -> Option<V> {
    let e = esize(lanes);
    let mut n = read_v(regs, u.ra);
    if lanes.is_scalar() {
        n = [e.double().trunc(n[0]), 0];
    }
    let member = u.imm as u8;
    let half = match u.op {
        Op::VNarrow => narrow(alu, Narrow::from_u8(member)?, e, n, qc),
        Op::VNarrowHigh => narrow_high(alu, NarrowHigh::from_u8(member)?, e, n, read_v(regs, u.rb)),
        _ => shift_narrow(alu, ShiftNarrow::from_u8(member)?, e, n, u.rb as u32, qc),
    };
    Some(into_half(regs, u, lanes, e, half))
}

/// A narrow result in its place: the low half (or lane) with zero above, or the high half.
fn into_half(regs: &Slots, u: &Uop, lanes: Lanes, e: Esize, half: u64) -> V {
    if lanes.is_scalar() {
        [e.trunc(half), 0]
    } else if lanes.q() {
        [read(regs, u.rd), half]
    } else {
        [half, 0]
    }
}
