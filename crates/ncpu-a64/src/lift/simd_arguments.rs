//! What rows of `simd.decode` pass to their handlers besides fields: members of families and the
//! element sizes that are allocated.

pub(crate) use ncpu_alu::simd::{
    Across, Bin, Long, Narrow, NarrowHigh, Pair, Permute, Shift, ShiftLong, ShiftNarrow, Un, Wide,
};
pub(crate) use ncpu_uop::{Aes, FpBin, FpRounding, FpUn, Op, Sha};

/// Element sizes of an instruction: bit `n` for `8 << n` bits.
pub(crate) type Sizes = u32;

/// 8 bits only.
pub(crate) const B: Sizes = 0b0001;
/// 8 and 16 bits.
pub(crate) const BH: Sizes = 0b0011;
/// 16 and 32 bits.
pub(crate) const HS: Sizes = 0b0110;
/// 8, 16 and 32 bits.
pub(crate) const BHS: Sizes = 0b0111;
/// All sizes; 64 bits only in 128-bit vectors and scalars.
pub(crate) const BHSD: Sizes = 0b1111;
