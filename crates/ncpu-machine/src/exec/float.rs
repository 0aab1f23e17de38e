//! Floating-point arithmetic and comparison, lane by lane.

use super::{Slots, convert, esize, read, read_v, write, write_v};
use ncpu_alu::Alu;
use ncpu_alu::fp::{
    Double, Format, Fp, Half, Rounding, Single, unsigned_recip_estimate, unsigned_rsqrt_estimate,
};
use ncpu_alu::simd::V;
use ncpu_uop::{FpBin, FpUn, Lanes, Op, Uop, slot};

/// Evaluates an expression with `$format` the type of the format whose number (1 half, 2 single, 3
/// double, as an element size) is `$number`.
macro_rules! with_format {
    ($number:expr, $format:ident => $body:expr) => {
        match $number & 3 {
            1 => {
                type $format = Half;
                $body
            }
            2 => {
                type $format = Single;
                $body
            }
            _ => {
                type $format = Double;
                $body
            }
        }
    };
}
pub(super) use with_format;

/// Executes an `F*` micro-op other than those of [`super::hot`], or a conversion between floats
/// and integers.
#[inline(never)]
pub(crate) fn float<A: Alu>(alu: &A, regs: &mut Slots, u: &Uop) {
    let mut fp = Fp::new(alu, read(regs, slot::FPCR) as u32, read(regs, slot::FPSR) as u32);
    let lanes = Lanes(u.rc);
    let result = match u.op {
        Op::FBin => FpBin::from_u8(u.imm as u8).map(|op| {
            let (d, n, m) = (read_v(regs, u.rd), read_v(regs, u.ra), read_v(regs, u.rb));
            with_format!(lanes.log2(), F => lanewise::<A, F>(&mut fp, op, lanes, d, n, m))
        }),
        Op::FUn => FpUn::from_u8(u.imm as u8).map(|op| {
            let n = read_v(regs, u.ra);
            with_format!(lanes.log2(), F => map(lanes, |i| {
                unary::<A, F>(alu, &mut fp, op, esize(lanes).get(&n, i))
            }))
        }),
        Op::FPair => FpBin::from_u8(u.imm as u8).map(|op| {
            let (n, m) = (read_v(regs, u.ra), read_v(regs, u.rb));
            with_format!(lanes.log2(), F => pairwise::<A, F>(&mut fp, op, lanes, n, m))
        }),
        Op::FAcross => FpBin::from_u8(u.imm as u8).map(|op| {
            let n = read_v(regs, u.ra);
            with_format!(lanes.log2(), F => across::<A, F>(&mut fp, op, lanes, n))
        }),
        Op::FMulAdd => {
            let (n, m, a) = (read(regs, u.ra), read(regs, u.rb), read(regs, u.rc));
            with_format!(u.imm, F => {
                let n = if u.imm & 4 != 0 { fp.neg::<F>(n) } else { n & F::MASK };
                let a = if u.imm & 8 != 0 { fp.neg::<F>(a) } else { a & F::MASK };
                Some([fp.mul_add::<F>(a, n, m & F::MASK), 0])
            })
        }
        Op::FCompare => {
            let (n, m) = (read(regs, u.ra), read(regs, u.rb));
            let flags = compare(&mut fp, u.rc, n, m, u.imm & 1 != 0);
            write(regs, slot::NZCV, flags);
            None
        }
        Op::FCompareCond => {
            let (n, m) = (read(regs, u.ra), read(regs, u.rb));
            let holds = u.imm >> (read(regs, slot::NZCV) & 15) & 1 == 1;
            let flags = if holds {
                compare(&mut fp, u.rc, n, m, u.imm >> 20 & 1 == 1)
            } else {
                u.imm >> 16 & 15
            };
            write(regs, slot::NZCV, flags);
            None
        }
        Op::FToX => {
            let x = convert::to_x(&mut fp, u, read(regs, u.ra));
            write(regs, u.rd, x);
            None
        }
        Op::XToF => Some([convert::from_x(&mut fp, u, read(regs, u.ra)), 0]),
        _ => {
            let (d, n) = (read_v(regs, u.rd), read_v(regs, u.ra));
            convert::convert(&mut fp, u, d, n)
        }
    };
    if let Some(v) = result {
        write_v(regs, u.rd, v);
    }
    write(regs, slot::FPSR, fp.fpsr as u64);
}

/// A vector of `f`'s results, zero beyond the lanes in use.
#[inline(always)]
pub(super) fn map(lanes: Lanes, mut f: impl FnMut(u32) -> u64) -> V {
    let mut result = [0; 2];
    for i in 0..lanes.count() {
        esize(lanes).set(&mut result, i, f(i));
    }
    result
}

/// `f` on the lanes of a register, in an order and of a width that the compiler knows.
#[inline(always)]
fn each<F: Format>(lanes: Lanes, [d, n, m]: [V; 3], mut f: impl FnMut(u64, u64, u64) -> u64) -> V {
    if lanes.is_scalar() {
        return [f(d[0] & F::MASK, n[0] & F::MASK, m[0] & F::MASK), 0];
    }
    let mut half = |d: u64, n: u64, m: u64| {
        (0..64 / F::BITS).map(|i| i * F::BITS).fold(0, |lanes, at| {
            lanes | f(d >> at & F::MASK, n >> at & F::MASK, m >> at & F::MASK) << at
        })
    };
    let low = half(d[0], n[0], m[0]);
    [low, if lanes.q() { half(d[1], n[1], m[1]) } else { 0 }]
}

/// A member of `Op::FBin`. The arithmetic of inner loops is chosen once, not for every lane.
fn lanewise<A: Alu, F: Format>(fp: &mut Fp<'_, A>, op: FpBin, lanes: Lanes, d: V, n: V, m: V) -> V {
    let operands = [d, n, m];
    match op {
        FpBin::Add => each::<F>(lanes, operands, |_, n, m| fp.add::<F>(n, m)),
        FpBin::Sub => each::<F>(lanes, operands, |_, n, m| fp.sub::<F>(n, m)),
        FpBin::Mul => each::<F>(lanes, operands, |_, n, m| fp.mul::<F>(n, m)),
        FpBin::Div => each::<F>(lanes, operands, |_, n, m| fp.div::<F>(n, m)),
        FpBin::Mla => each::<F>(lanes, operands, |d, n, m| fp.mul_add::<F>(d, n, m)),
        FpBin::Mls => each::<F>(lanes, operands, |d, n, m| fp.mul_add::<F>(d, fp.neg::<F>(n), m)),
        _ => each::<F>(lanes, operands, |d, n, m| binary::<A, F>(fp, op, d, n, m) & F::MASK),
    }
}

/// A comparison's outcome as a lane.
fn mask(holds: bool) -> u64 {
    if holds { u64::MAX } else { 0 }
}

fn compare<A: Alu>(fp: &mut Fp<'_, A>, format: u8, n: u64, m: u64, signalling: bool) -> u64 {
    with_format!(format, F => fp.compare::<F>(n & F::MASK, m & F::MASK, signalling))
}

fn binary<A: Alu, F: Format>(fp: &mut Fp<'_, A>, op: FpBin, d: u64, n: u64, m: u64) -> u64 {
    match op {
        FpBin::Add => fp.add::<F>(n, m),
        FpBin::Sub => fp.sub::<F>(n, m),
        FpBin::Mul => fp.mul::<F>(n, m),
        FpBin::Div => fp.div::<F>(n, m),
        FpBin::Max => fp.max::<F>(n, m),
        FpBin::Min => fp.min::<F>(n, m),
        FpBin::MaxNum => fp.max_num::<F>(n, m),
        FpBin::MinNum => fp.min_num::<F>(n, m),
        FpBin::Mulx => fp.mulx::<F>(n, m),
        FpBin::Nmul => {
            let product = fp.mul::<F>(n, m);
            fp.neg::<F>(product)
        }
        FpBin::Abd => {
            let difference = fp.sub::<F>(n, m);
            fp.abs::<F>(difference)
        }
        FpBin::Mla => fp.mul_add::<F>(d, n, m),
        FpBin::Mls => fp.mul_add::<F>(d, fp.neg::<F>(n), m),
        FpBin::Recps => fp.recip_step::<F>(n, m),
        FpBin::Rsqrts => fp.rsqrt_step::<F>(n, m),
        FpBin::CmEq => mask(fp.compare_eq::<F>(n, m)),
        FpBin::CmGe => mask(fp.compare_ge::<F>(n, m)),
        FpBin::CmGt => mask(fp.compare_gt::<F>(n, m)),
        FpBin::AcGe => mask(fp.compare_ge::<F>(fp.abs::<F>(n), fp.abs::<F>(m))),
        FpBin::AcGt => mask(fp.compare_gt::<F>(fp.abs::<F>(n), fp.abs::<F>(m))),
    }
}

fn unary<A: Alu, F: Format>(alu: &A, fp: &mut Fp<'_, A>, op: FpUn, n: u64) -> u64 {
    let by_control = fp.rounding();
    match op {
        FpUn::Abs => fp.abs::<F>(n),
        FpUn::Neg => fp.neg::<F>(n),
        FpUn::Sqrt => fp.sqrt::<F>(n),
        FpUn::RintN => fp.round_int::<F>(n, Rounding::NearestEven, false),
        FpUn::RintP => fp.round_int::<F>(n, Rounding::TowardPositive, false),
        FpUn::RintM => fp.round_int::<F>(n, Rounding::TowardNegative, false),
        FpUn::RintZ => fp.round_int::<F>(n, Rounding::TowardZero, false),
        FpUn::RintA => fp.round_int::<F>(n, Rounding::NearestAway, false),
        FpUn::RintX => fp.round_int::<F>(n, by_control, true),
        FpUn::RintI => fp.round_int::<F>(n, by_control, false),
        FpUn::Recpe => fp.recip_estimate::<F>(n),
        FpUn::Rsqrte => fp.rsqrt_estimate::<F>(n),
        FpUn::Recpx => fp.recip_exponent::<F>(n),
        FpUn::CmGt0 => mask(fp.compare_gt::<F>(n, 0)),
        FpUn::CmGe0 => mask(fp.compare_ge::<F>(n, 0)),
        FpUn::CmEq0 => mask(fp.compare_eq::<F>(n, 0)),
        FpUn::CmLe0 => mask(fp.compare_ge::<F>(0, n)),
        FpUn::CmLt0 => mask(fp.compare_gt::<F>(0, n)),
        FpUn::UnsignedRecpe => unsigned_recip_estimate(alu, n),
        FpUn::UnsignedRsqrte => unsigned_rsqrt_estimate(alu, n),
    }
}

/// `op` on neighbours in the concatenation of `m` and `n`, or on the two lowest lanes of `n`.
fn pairwise<A: Alu, F: Format>(fp: &mut Fp<'_, A>, op: FpBin, lanes: Lanes, n: V, m: V) -> V {
    let e = esize(lanes);
    let count = lanes.count();
    map(lanes, |i| {
        let (source, at) =
            if 2 * i >= count && count > 1 { (&m, 2 * i - count) } else { (&n, 2 * i) };
        binary::<A, F>(fp, op, 0, e.get(source, at), e.get(source, at + 1))
    })
}

/// `op` on neighbours until one lane is left (Arm ARM, `Reduce`: halves are reduced first, then
/// combined, which pairs neighbours at every step).
fn across<A: Alu, F: Format>(fp: &mut Fp<'_, A>, op: FpBin, lanes: Lanes, n: V) -> V {
    let e = esize(lanes);
    let mut v = n;
    let mut count = lanes.count();
    while count > 1 {
        count /= 2;
        for i in 0..count {
            let x = binary::<A, F>(fp, op, 0, e.get(&v, 2 * i), e.get(&v, 2 * i + 1));
            e.set(&mut v, i, x);
        }
    }
    [e.trunc(v[0]), 0]
}
