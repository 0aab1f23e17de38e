//! Every operation on pairs of operands of 8 or 16 bits, beside Rust's operators.
//!
//! There are so many pairs of 16 bits that a check of all runs on many threads, of a processor or of a
//! GPU. What is compared for one pair, and what has to come of all, is here.

use crate::domain::Domain;
use crate::shift::{Kind, shift};
use crate::{adder, compare, count, divide, multiply};
use core::ops::RangeInclusive;

macro_rules! compared {
    ($($id:ident $name:literal;)*) => {
        /// A result that is compared.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[repr(u8)]
        pub enum Compared {
            $(#[doc = $name] $id,)*
        }

        impl Compared {
            /// All of them, in the order of their numbers.
            pub const ALL: &[Compared] = &[$(Compared::$id,)*];

            /// Its name in reports.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Compared::$id => $name,)*
                }
            }
        }
    };
}

compared! {
    AddWithCarry "add_with_carry";
    Flags "flags";
    Sub "sub";
    Eq "eq";
    Ltu "ltu";
    Lts "lts";
    Shl "shl";
    Lshr "lshr";
    Ashr "ashr";
    Ror "ror";
    Mul "mul";
    Smulh "smulh";
    Udiv "udiv";
    Sdiv "sdiv";
    Clz "clz";
    Popcount "popcount";
}

/// Numbers of results by what was compared. Plain words.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Counts([u64; Compared::ALL.len()]);

impl Counts {
    /// How many there are of one kind.
    pub const fn of(&self, compared: Compared) -> u64 {
        self.0[compared as usize]
    }

    /// Counts some more.
    #[inline(always)]
    pub fn bump(&mut self, compared: Compared, by: u64) {
        self.0[compared as usize] += by;
    }

    /// Adds what others have counted.
    pub fn add(&mut self, others: &Counts) {
        self.0.iter_mut().zip(others.0).for_each(|(count, more)| *count += more);
    }

    /// How many there are of all kinds together.
    pub fn total(&self) -> u64 {
        self.0.iter().sum()
    }
}

/// Pairs of operands of 16 bits: each of the first ones with each of the second ones. They come in the order
/// of the first ones, then of the second ones.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Operands {
    /// First operands.
    pub firsts: RangeInclusive<u16>,
    /// Second operands.
    pub seconds: RangeInclusive<u16>,
}

impl Operands {
    /// All pairs.
    pub const ALL: Operands = Operands { firsts: 0..=u16::MAX, seconds: 0..=u16::MAX };

    /// Results that [`of_16_bits`] compares for all of these pairs.
    pub fn results(&self) -> Counts {
        let firsts = self.firsts.len() as u64;
        let pairs = firsts * self.seconds.len() as u64;
        let mut counts = Counts::default();
        for &compared in Compared::ALL {
            let count = match compared {
                // Without and with a carry.
                Compared::AddWithCarry | Compared::Flags => 2 * pairs,
                // Of the first operand alone.
                Compared::Clz | Compared::Popcount if self.seconds.contains(&0) => firsts,
                Compared::Clz | Compared::Popcount => 0,
                _ => pairs,
            };
            counts.bump(compared, count);
        }
        counts
    }
}

/// A result that is not that of Rust's operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wrong {
    /// What was compared.
    pub compared: Compared,
    /// The first operand.
    pub a: u16,
    /// The second operand.
    pub b: u16,
    /// The result.
    pub found: u64,
    /// The right one.
    pub expected: u64,
}

/// A function that computes all results of a pair of operands of a width.
macro_rules! pair {
    ($name:ident, $width:literal, $unsigned:ty, $signed:ty, $wide:ty, $wide_signed:ty) => {
        /// Computes all results of a pair of operands. `compare` is given each in turn, with what Rust's
        /// operators say; what is of one operand alone comes with the second operand zero.
        ///
        /// # Errors
        /// The first that `compare` gives.
        #[inline(always)]
        pub fn $name<D: Domain<Plane = u64>, E>(
            d: &mut D,
            a: $unsigned,
            b: $unsigned,
            mut compare: impl FnMut(Compared, u64, u64) -> Result<(), E>,
        ) -> Result<(), E> {
            const W: u32 = $width;
            let (x, y) = (u64::from(a), u64::from(b));
            let (s, t) = (a as $signed, b as $signed);
            for carry in [0, 1] {
                let [sum, flags] = adder::add_with_flags::<_, W>(d, &x, &y, &carry);
                let wide = <$wide>::from(a) + <$wide>::from(b) + carry as $wide;
                let signed =
                    <$wide_signed>::from(s) + <$wide_signed>::from(t) + carry as $wide_signed;
                let expected = u64::from(wide as $unsigned);
                compare(Compared::AddWithCarry, sum, expected)?;
                let [n, z] = [expected >> (W - 1), u64::from(expected == 0)];
                let overflow = <$wide_signed>::from(signed as $signed) != signed;
                let [c, v] = [u64::from(wide >> W), u64::from(overflow)];
                compare(Compared::Flags, flags, n << 3 | z << 2 | c << 1 | v)?;
            }
            let mask = u64::from(<$unsigned>::MAX);
            let difference = adder::subtract::<_, W>(d, &x, &y).sum & mask;
            compare(Compared::Sub, difference, a.wrapping_sub(b).into())?;
            compare(Compared::Eq, compare::equal::<_, W>(d, &x, &y), (a == b).into())?;
            compare(Compared::Ltu, compare::less::<_, W>(d, &x, &y), (a < b).into())?;
            compare(Compared::Lts, compare::less_signed::<_, W>(d, &x, &y), (s < t).into())?;
            let n = u32::from(b);
            let shifts = [
                (Compared::Shl, Kind::Left, a.wrapping_shl(n)),
                (Compared::Lshr, Kind::Right, a.wrapping_shr(n)),
                (Compared::Ashr, Kind::RightSigned, s.wrapping_shr(n) as $unsigned),
                (Compared::Ror, Kind::Rotate, a.rotate_right(n)),
            ];
            for (compared, kind, expected) in shifts {
                compare(compared, shift::<_, W>(d, kind, &x, &y), expected.into())?;
            }
            let product = multiply::product::<_, W, false>(d, &x, &y)[0];
            compare(Compared::Mul, product, x * y)?;
            let signed = <$wide_signed>::from(s) * <$wide_signed>::from(t);
            let high = multiply::signed_high::<_, W>(d, &(product >> W), &x, &y);
            compare(Compared::Smulh, high, u64::from((signed >> W) as $unsigned))?;
            let quotient = divide::quotient::<_, W>(d, &x, &y);
            compare(Compared::Udiv, quotient, a.checked_div(b).unwrap_or(0).into())?;
            let expected = if b == 0 { 0 } else { s.wrapping_div(t) as $unsigned };
            compare(Compared::Sdiv, divide::quotient_signed::<_, W>(d, &x, &y), expected.into())?;
            if b == 0 {
                let zeros = count::leading_zeros::<_, W>(d, &x);
                compare(Compared::Clz, zeros, a.leading_zeros().into())?;
                compare(Compared::Popcount, count::ones::<_, W>(d, &x), a.count_ones().into())?;
            }
            Ok(())
        }
    };
}

pair!(of_8_bits, 8, u8, i8, u16, i16);
pair!(of_16_bits, 16, u16, i16, u32, i32);
