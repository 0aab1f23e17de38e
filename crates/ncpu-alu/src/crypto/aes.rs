//! AES (FIPS 197) by halves of a round: `AESE`, `AESD`, `AESMC`, `AESIMC`.
//!
//! The S-box is computed, not looked up: all sixteen bytes at once as eight *planes*, plane `i`
//! holding bit `i` of every byte. The inverse in GF(2^8) is taken in the tower of fields
//! GF(((2^2)^2)^2), where it comes down to a few products in GF(2^2) (J. Wolkerstorfer,
//! E. Oswald, M. Lamberger, *An ASIC Implementation of the AES SBoxes*, CT-RSA 2002). The tower is
//!
//! - GF(2^2): w² = w + 1,
//! - GF(2^4): x² = x + w,
//! - GF(2^8): y² = y + (w·x + 1),
//!
//! coordinates of lower powers in lower bits; AES's {02} is 0x6b there, which fixes the matrices
//! below. A matrix's row `i` selects the input bits whose sum is output bit `i`.

use crate::simd::V;
use crate::{Alu, Word};

type Planes<'a, A, const N: usize> = [Word<'a, A>; N];

/// From AES's basis to the tower's.
const TO_TOWER: [u8; 8] = [0x8f, 0x0a, 0x58, 0xc6, 0xdc, 0xd2, 0x7e, 0xa0];
/// From the tower's basis to AES's.
const FROM_TOWER: [u8; 8] = [0x17, 0xd0, 0x32, 0xd2, 0x1a, 0xa6, 0xcc, 0x26];
/// [`FROM_TOWER`], then the matrix of SubBytes (FIPS 197, equation 5.2).
const FROM_TOWER_AFFINE: [u8; 8] = [0x41, 0x8b, 0x1f, 0x01, 0x3d, 0x8c, 0x90, 0x84];
/// The inverse of that matrix, then [`TO_TOWER`].
const AFFINE_TO_TOWER: [u8; 8] = [0x08, 0x6c, 0x46, 0xa0, 0x86, 0x78, 0x09, 0xc6];
/// The constant of SubBytes in every byte.
const AFFINE_CONSTANT: u64 = 0x6363_6363_6363_6363;

/// `AESE`: AddRoundKey, ShiftRows and SubBytes of `state` with `key`.
#[inline]
pub fn aese<A: Alu>(alu: &A, state: V, key: V) -> V {
    let shifted = rotate_rows(xor(alu, state, key), 1);
    let inverse = invert(linear(&TO_TOWER, planes(alu, shifted)));
    let bytes = from_planes(linear(&FROM_TOWER_AFFINE, inverse));
    xor(alu, bytes, [AFFINE_CONSTANT; 2])
}

/// `AESD`: AddRoundKey, InvShiftRows and InvSubBytes of `state` with `key`.
#[inline]
pub fn aesd<A: Alu>(alu: &A, state: V, key: V) -> V {
    let shifted = rotate_rows(xor(alu, state, key), 3);
    let bytes = xor(alu, shifted, [AFFINE_CONSTANT; 2]);
    let inverse = invert(linear(&AFFINE_TO_TOWER, planes(alu, bytes)));
    from_planes(linear(&FROM_TOWER, inverse))
}

/// `AESMC`: MixColumns.
#[inline]
pub fn aesmc<A: Alu>(alu: &A, state: V) -> V {
    state.map(|half| mix_columns(Word::new(alu, half)).get())
}

/// `AESIMC`: InvMixColumns.
#[inline]
pub fn aesimc<A: Alu>(alu: &A, state: V) -> V {
    state.map(|half| {
        // {0b}x³ + {0d}x² + {09}x + {0e} = ({03}x³ + x² + x + {02}) × ({04}x² + {05}).
        let a = Word::new(alu, half);
        let a = a ^ double(double(a ^ rotate_columns(a, 2)));
        mix_columns(a).get()
    })
}

#[inline(always)]
fn xor<A: Alu>(alu: &A, a: V, b: V) -> V {
    [alu.xor(a[0], b[0]), alu.xor(a[1], b[1])]
}

/// MixColumns on two columns.
#[inline(always)]
fn mix_columns<A: Alu>(a: Word<'_, A>) -> Word<'_, A> {
    let next = rotate_columns(a, 1);
    let sum = a ^ next;
    double(sum) ^ next ^ rotate_columns(sum, 2)
}

/// Every byte doubled in AES's field.
#[inline(always)]
fn double<A: Alu>(a: Word<'_, A>) -> Word<'_, A> {
    let top = (a >> 7) & 0x0101_0101_0101_0101;
    ((a & 0x7f7f_7f7f_7f7f_7f7f) << 1) ^ (top * 0x1b)
}

/// In each of two columns, row `r` gets row `r + by`. Bits are only moved.
#[inline(always)]
fn rotate_columns<A: Alu>(a: Word<'_, A>, by: u32) -> Word<'_, A> {
    let (low, high) = (a.get() as u32, (a.get() >> 32) as u32);
    a.lit((low.rotate_right(8 * by) as u64) | (high.rotate_right(8 * by) as u64) << 32)
}

/// Row `r` rotated left by `r × by` columns: ShiftRows for 1, InvShiftRows for 3. Bits are only
/// moved.
#[inline(always)]
fn rotate_rows(state: V, by: usize) -> V {
    let columns = [state[0], state[0] >> 32, state[1], state[1] >> 32];
    let column = |c: usize| {
        columns[c] & 0xff
            | columns[(c + by) % 4] & 0xff00
            | columns[(c + 2 * by) % 4] & 0xff_0000
            | columns[(c + 3 * by) % 4] & 0xff00_0000
    };
    [column(0) | column(1) << 32, column(2) | column(3) << 32]
}

/// The eight bytes as the rows of a bit matrix, transposed. Bits are only moved (by exchanging
/// blocks of 1, 2 and 4 bits).
#[inline(always)]
const fn transpose(x: u64) -> u64 {
    const fn exchange(x: u64, mask: u64, by: u32) -> u64 {
        x & !(mask | mask << by) | (x >> by) & mask | (x & mask) << by
    }
    let x = exchange(x, 0x00aa_00aa_00aa_00aa, 7);
    let x = exchange(x, 0x0000_cccc_0000_cccc, 14);
    exchange(x, 0x0000_0000_f0f0_f0f0, 28)
}

/// The planes of sixteen bytes.
#[inline(always)]
fn planes<A: Alu>(alu: &A, bytes: V) -> Planes<'_, A, 8> {
    let (low, high) = (transpose(bytes[0]), transpose(bytes[1]));
    [0, 8, 16, 24, 32, 40, 48, 56]
        .map(|at| Word::new(alu, (low >> at) & 0xff | ((high >> at) & 0xff) << 8))
}

/// The sixteen bytes of planes.
#[inline(always)]
fn from_planes<A: Alu>(planes: Planes<'_, A, 8>) -> V {
    let mut v = [0, 0];
    for (i, plane) in planes.iter().enumerate() {
        v[0] |= (plane.get() & 0xff) << (8 * i);
        v[1] |= (plane.get() >> 8 & 0xff) << (8 * i);
    }
    v.map(transpose)
}

/// Every byte multiplied by a matrix.
#[inline(always)]
fn linear<'a, A: Alu>(matrix: &[u8; 8], bits: Planes<'a, A, 8>) -> Planes<'a, A, 8> {
    matrix.map(|row| {
        let mut sum = bits[0].lit(0);
        for (i, bit) in bits.iter().enumerate() {
            if row >> i & 1 != 0 {
                sum = sum ^ *bit;
            }
        }
        sum
    })
}

#[inline(always)]
fn sum<'a, A: Alu, const N: usize>(a: Planes<'a, A, N>, b: Planes<'a, A, N>) -> Planes<'a, A, N> {
    core::array::from_fn(|i| a[i] ^ b[i])
}

/// Product in GF(2^2).
#[inline(always)]
fn product2<'a, A: Alu>(
    [a0, a1]: Planes<'a, A, 2>,
    [b0, b1]: Planes<'a, A, 2>,
) -> Planes<'a, A, 2> {
    let low = a0 & b0;
    [low ^ (a1 & b1), ((a0 ^ a1) & (b0 ^ b1)) ^ low]
}

/// Product with w in GF(2^2).
#[inline(always)]
fn times_w<A: Alu>([a0, a1]: Planes<'_, A, 2>) -> Planes<'_, A, 2> {
    [a1, a0 ^ a1]
}

/// Square, which is the inverse too, in GF(2^2).
#[inline(always)]
fn square2<A: Alu>([a0, a1]: Planes<'_, A, 2>) -> Planes<'_, A, 2> {
    [a0 ^ a1, a1]
}

/// Product in GF(2^4).
#[inline(always)]
fn product4<'a, A: Alu>(a: Planes<'a, A, 4>, b: Planes<'a, A, 4>) -> Planes<'a, A, 4> {
    let ([a0, a1], [b0, b1]) = (split4(a), split4(b));
    let low = product2(a0, b0);
    let high = product2(a1, b1);
    let cross = sum(product2(sum(a0, a1), sum(b0, b1)), low);
    join4(sum(low, times_w(high)), cross)
}

/// Inverse in GF(2^4), zero for zero: the conjugate over the norm, which lies in GF(2^2).
#[inline(always)]
fn inverse4<A: Alu>(a: Planes<'_, A, 4>) -> Planes<'_, A, 4> {
    let [a0, a1] = split4(a);
    let conjugate = sum(a0, a1);
    let norm = sum(product2(a0, conjugate), times_w(square2(a1)));
    let over = square2(norm);
    join4(product2(conjugate, over), product2(a1, over))
}

/// Inverse in GF(2^8), zero for zero, likewise with the norm in GF(2^4).
#[inline(always)]
fn invert<A: Alu>([a, b, c, d, e, f, g, h]: Planes<'_, A, 8>) -> Planes<'_, A, 8> {
    let (low, high) = ([a, b, c, d], [e, f, g, h]);
    let conjugate = sum(low, high);
    let norm = sum(product4(low, conjugate), square_scaled(high));
    let over = inverse4(norm);
    let ([a, b, c, d], [e, f, g, h]) = (product4(conjugate, over), product4(high, over));
    [a, b, c, d, e, f, g, h]
}

/// (w·x + 1) times the square, in GF(2^4).
#[inline(always)]
fn square_scaled<A: Alu>(a: Planes<'_, A, 4>) -> Planes<'_, A, 4> {
    // a² = a1²·x + (a0² + w·a1²); times w·x + 1, with x² = x + w.
    let [a0, a1] = split4(a).map(square2);
    let low = sum(a0, times_w(a1));
    let w_high = times_w(a1);
    join4(sum(low, times_w(w_high)), sum(sum(w_high, times_w(low)), a1))
}

#[inline(always)]
fn split4<A: Alu>([a, b, c, d]: Planes<'_, A, 4>) -> [Planes<'_, A, 2>; 2] {
    [[a, b], [c, d]]
}

#[inline(always)]
fn join4<'a, A: Alu>([a, b]: Planes<'a, A, 2>, [c, d]: Planes<'a, A, 2>) -> Planes<'a, A, 4> {
    [a, b, c, d]
}
