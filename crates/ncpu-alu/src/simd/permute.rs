//! Operations that only move lanes. None needs an ALU but the table look-ups, whose indices are
//! guest data and are compared with the size of the table.

use super::{Esize, V, operations, swar};
use crate::{Alu, Word};

operations! {
    /// Permutations of the lanes of two vectors.
    Permute {
        Zip1 "zip1" "the low halves, interleaved.";
        Zip2 "zip2" "the high halves, interleaved.";
        Uzp1 "uzp1" "the even lanes of both.";
        Uzp2 "uzp2" "the odd lanes of both.";
        Trn1 "trn1" "the even lanes, interleaved.";
        Trn2 "trn2" "the odd lanes, interleaved.";
    }
}

/// A permutation of `n` and `m`. `q` says whether the vectors are 128 bits; if not, only their low
/// halves count and the result's high half is zero. Lanes of 64 bits need `q`.
#[inline]
pub const fn permute(op: Permute, e: Esize, q: bool, n: V, m: V) -> V {
    if matches!(e, Esize::D) {
        return match op {
            Permute::Zip1 | Permute::Uzp1 | Permute::Trn1 => [n[0], m[0]],
            Permute::Zip2 | Permute::Uzp2 | Permute::Trn2 => [n[1], m[1]],
        };
    }
    let full = match op {
        Permute::Zip1 => [zip(e, n[0], m[0]), zip(e, n[0] >> 32, m[0] >> 32)],
        Permute::Zip2 if q => [zip(e, n[1], m[1]), zip(e, n[1] >> 32, m[1] >> 32)],
        Permute::Zip2 => [zip(e, n[0] >> 32, m[0] >> 32), 0],
        Permute::Uzp1 if q => [swar::truncate(e, n), swar::truncate(e, m)],
        Permute::Uzp1 => [swar::truncate(e, [n[0], m[0]]), 0],
        Permute::Uzp2 => {
            let by = e.bits();
            let (n, m) = ([n[0] >> by, n[1] >> by], [m[0] >> by, m[1] >> by]);
            if q {
                [swar::truncate(e, n), swar::truncate(e, m)]
            } else {
                [swar::truncate(e, [n[0], m[0]]), 0]
            }
        }
        Permute::Trn1 => [trn(e, n[0], m[0]), trn(e, n[1], m[1])],
        Permute::Trn2 => {
            let by = e.bits();
            [trn(e, n[0] >> by, m[0] >> by), trn(e, n[1] >> by, m[1] >> by)]
        }
    };
    if q { full } else { [full[0], 0] }
}

/// The low 32 bits of two halves, interleaved lane by lane.
#[inline(always)]
const fn zip(e: Esize, n: u64, m: u64) -> u64 {
    swar::spread(e, n) | swar::spread(e, m) << e.bits()
}

/// The even lanes of two halves, interleaved.
#[inline(always)]
const fn trn(e: Esize, n: u64, m: u64) -> u64 {
    let even = e.double().low_halves();
    n & even | (m & even) << e.bits()
}

/// `EXT`: the bytes of `m:n` from byte `index` on. `q` as for [`permute`]; the index wraps at the
/// vector's length.
#[inline]
pub const fn ext(q: bool, n: V, m: V, index: u32) -> V {
    let [low, middle, high] = match (q, index & 8 != 0) {
        (true, false) => [n[0], n[1], m[0]],
        (true, true) => [n[1], m[0], m[1]],
        (false, _) => [n[0], m[0], 0],
    };
    let by = index % 8 * 8;
    if by == 0 {
        return [low, if q { middle } else { 0 }];
    }
    let first = low >> by | middle << (64 - by);
    [first, if q { middle >> by | high << (64 - by) } else { 0 }]
}

/// `TBL`: for each byte of `indices` that byte of the `table`, zero where it is outside. One to
/// four registers make the table.
#[inline]
pub fn tbl<A: Alu>(alu: &A, table: &[V], indices: u64) -> u64 {
    tbx(alu, table, 0, indices)
}

/// `TBX`: as [`tbl`], but bytes of `d` stay where the index is outside.
#[inline]
pub fn tbx<A: Alu>(alu: &A, table: &[V], d: u64, indices: u64) -> u64 {
    let length = table.len() as u64 * 16;
    Esize::B.map2(indices, d, |index, old| match table.get(index as usize / 16) {
        Some(register) if Word::new(alu, index) < length => {
            Esize::B.get(register, index as u32 % 16)
        }
        _ => old,
    })
}
