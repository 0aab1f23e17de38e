//! Advanced SIMD on integers: what every vector instruction computes, by operation shape.
//!
//! A 128-bit register is [`V`], its two 64-bit halves; operations that treat every lane alike work
//! on one half, so a 64-bit vector costs one call and a 128-bit vector two. Each shape of operation
//! is one enumeration with one function, so that a decoder needs only (operation, element size):
//!
//! | shape | operation | function |
//! |---|---|---|
//! | half, half, accumulator → half | [`Bin`] | [`bin`] |
//! | half, accumulator → half | [`Un`] | [`un`] |
//! | half, immediate → half | [`Shift`] | [`shift`] |
//! | vector, immediate → half of narrow lanes | [`ShiftNarrow`] | [`shift_narrow`] |
//! | half, immediate → vector of wide lanes | [`ShiftLong`] | [`shift_long`] |
//! | half, half, accumulator → vector of wide lanes | [`Long`] | [`long`] |
//! | vector, half → vector of wide lanes | [`Wide`] | [`wide`] |
//! | vector, vector → half of narrow lanes | [`NarrowHigh`] | [`narrow_high`] |
//! | vector → half of narrow lanes | [`Narrow`] | [`narrow`] |
//! | neighbours of two vectors | [`Pair`] | [`pair`] |
//! | all lanes → one | [`Across`] | [`across`] |
//! | lanes moved | [`Permute`], [`ext`], [`tbl`], [`tbx`] | |
//!
//! Where lanes of two widths meet, the [`Esize`] argument is the narrower one. Lanes are computed
//! side by side in one 64-bit word wherever that is exact (module `swar`), else one by one.
//!
//! **Saturation.** `qc` is set when any lane saturates and never cleared (`FPSR.QC`).
//!
//! **Scalar forms** (`SQADD Bd, Bn, Bm`) are the half-word functions on operands cut to their lane
//! with [`Esize::trunc`], accumulator included: zero lanes never saturate and, for every operation
//! that has a scalar form narrower than 64 bits, give zero. **By-element forms** are the same
//! functions on a lane spread with [`Esize::splat`]. **Second-half forms** (`SADDL2`) are the same
//! functions given, or their result put in, the other half.
//!
//! Functions are total: a combination of operation and element size that A64 leaves unallocated
//! gives some value and does not panic. What does not belong here: floating-point lanes, which are
//! [`crate::fp`] applied lane by lane, and decoding.
//!
//! Source of all semantics: Arm ARM DDI 0487, C7.2.

mod long;
mod narrow;
mod permute;
mod poly;
mod reduce;
mod same;
mod shift;
mod swar;
mod unary;

pub use long::{Long, Wide, long, wide};
pub use narrow::{Narrow, NarrowHigh, ShiftNarrow, narrow, narrow_high, shift_narrow};
pub use permute::{Permute, ext, permute, tbl, tbx};
pub use poly::carryless_mul;
pub use reduce::{Across, Pair, across, pair};
pub use same::{Bin, bin};
pub use shift::{Shift, ShiftLong, shift, shift_long, shll};
pub use unary::{Un, un};

/// A 128-bit vector register: bits 63:0, then bits 127:64.
pub type V = [u64; 2];

/// The size of a lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Esize {
    /// 8 bits.
    B = 0,
    /// 16 bits.
    H = 1,
    /// 32 bits.
    S = 2,
    /// 64 bits.
    D = 3,
}

/// Everything here moves bits to places known from the size alone, or makes constants from it.
impl Esize {
    /// The size of `8 << code` bits; only the low two bits of `code` count (the `size` field).
    #[inline(always)]
    pub const fn from_code(code: u8) -> Self {
        match code & 3 {
            0 => Esize::B,
            1 => Esize::H,
            2 => Esize::S,
            _ => Esize::D,
        }
    }
    /// Width of a lane in bits.
    #[inline(always)]
    pub const fn bits(self) -> u32 {
        8 << self as u32
    }
    /// Lanes in one 64-bit half.
    #[inline(always)]
    pub const fn lanes(self) -> u32 {
        8 >> self as u32
    }
    /// The size twice as wide; 64 bits stay 64.
    #[inline(always)]
    pub const fn double(self) -> Self {
        match self {
            Esize::B => Esize::H,
            Esize::H => Esize::S,
            Esize::S | Esize::D => Esize::D,
        }
    }
    /// A one in every bit of the lowest lane.
    #[inline(always)]
    pub const fn mask(self) -> u64 {
        u64::MAX >> (64 - self.bits())
    }
    /// The lowest bit of every lane.
    #[inline(always)]
    pub const fn low_bits(self) -> u64 {
        match self {
            Esize::B => 0x0101_0101_0101_0101,
            Esize::H => 0x0001_0001_0001_0001,
            Esize::S => 0x0000_0001_0000_0001,
            Esize::D => 1,
        }
    }
    /// The highest bit of every lane.
    #[inline(always)]
    pub const fn high_bits(self) -> u64 {
        self.low_bits() << (self.bits() - 1)
    }
    /// The low half of every lane, all ones (for 64-bit lanes, bits 31:0).
    #[inline(always)]
    pub const fn low_halves(self) -> u64 {
        match self {
            Esize::B => 0x0f0f_0f0f_0f0f_0f0f,
            Esize::H => 0x00ff_00ff_00ff_00ff,
            Esize::S => 0x0000_ffff_0000_ffff,
            Esize::D => 0x0000_0000_ffff_ffff,
        }
    }
    /// The lowest lane of `x`, zero-extended to 64 bits.
    #[inline(always)]
    pub const fn trunc(self, x: u64) -> u64 {
        x & self.mask()
    }
    /// The lowest lane of `x`, sign-extended to 64 bits.
    #[inline(always)]
    pub const fn sext(self, x: u64) -> u64 {
        let unused = 64 - self.bits();
        (((x << unused) as i64) >> unused) as u64
    }
    /// The lowest lane of `x` in every lane (`DUP`).
    #[inline(always)]
    pub const fn splat(self, x: u64) -> u64 {
        let x = self.trunc(x);
        match self {
            Esize::B => x << 56 | x << 48 | x << 40 | x << 32 | x << 24 | x << 16 | x << 8 | x,
            Esize::H => x << 48 | x << 32 | x << 16 | x,
            Esize::S => x << 32 | x,
            Esize::D => x,
        }
    }
    /// Lane `index` of a vector, zero-extended; the index wraps at the number of lanes.
    #[inline(always)]
    pub const fn get(self, v: &V, index: u32) -> u64 {
        let half = v[((index / self.lanes()) & 1) as usize];
        self.trunc(half >> (index % self.lanes() * self.bits()))
    }
    /// Replaces lane `index` of a vector by the lowest lane of `x` (`INS`); the index wraps at the
    /// number of lanes.
    #[inline(always)]
    pub const fn set(self, v: &mut V, index: u32, x: u64) {
        let half = &mut v[((index / self.lanes()) & 1) as usize];
        let at = index % self.lanes() * self.bits();
        *half = *half & !(self.mask() << at) | self.trunc(x) << at;
    }
    /// `f` on every lane (zero-extended), lowest first; the low bits of its results become the
    /// lanes.
    #[inline(always)]
    pub fn map(self, n: u64, mut f: impl FnMut(u64) -> u64) -> u64 {
        self.map3(0, n, 0, |_, n, _| f(n))
    }
    /// As [`Esize::map`] with two operands.
    #[inline(always)]
    pub fn map2(self, n: u64, m: u64, mut f: impl FnMut(u64, u64) -> u64) -> u64 {
        self.map3(0, n, m, |_, n, m| f(n, m))
    }
    /// As [`Esize::map`] with three operands.
    #[inline(always)]
    pub fn map3(self, d: u64, n: u64, m: u64, mut f: impl FnMut(u64, u64, u64) -> u64) -> u64 {
        let mut result = 0;
        let mut at = 0;
        while at < 64 {
            let lane = |x: u64| self.trunc(x >> at);
            result |= self.trunc(f(lane(d), lane(n), lane(m))) << at;
            at += self.bits();
        }
        result
    }
}

/// Declares the operations of one shape: a byte-sized enumeration with its codes and mnemonics.
macro_rules! operations {
    ($(#[$meta:meta])* $name:ident { $($op:ident $mnemonic:literal $doc:literal;)* }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[repr(u8)]
        pub enum $name {
            $(#[doc = concat!("`", $mnemonic, "`: ", $doc)] $op,)*
        }
        impl $name {
            /// Every operation, in the order of the codes.
            pub const ALL: &'static [Self] = &[$(Self::$op),*];
            /// The operation whose code (`op as u8`) this is.
            #[inline(always)]
            pub const fn from_u8(code: u8) -> Option<Self> {
                match code {
                    $(x if x == Self::$op as u8 => Some(Self::$op),)*
                    _ => None,
                }
            }
            /// The A64 mnemonic, in lower case.
            pub const fn mnemonic(self) -> &'static str {
                match self {
                    $(Self::$op => $mnemonic,)*
                }
            }
        }
    };
}
use operations;
