//! Members of the floating-point families of micro-ops, kept in the immediate or a small field.

/// Declares a family: a byte-sized enumeration and the way back from its number.
macro_rules! family {
    ($(#[$meta:meta])* $name:ident { $($member:ident $doc:literal;)* }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[repr(u8)]
        pub enum $name { $(#[doc = $doc] $member,)* }

        impl $name {
            /// Every member, in numbering order.
            pub const ALL: &'static [Self] = &[$(Self::$member),*];

            /// The member with this number.
            #[inline(always)]
            pub const fn from_u8(n: u8) -> Option<Self> {
                match n {
                    $(x if x == Self::$member as u8 => Some(Self::$member),)*
                    _ => None,
                }
            }
        }
    };
}
pub(crate) use family;

family! {
    /// Operations on two floating-point numbers ([`Op::FBin`](crate::Op::FBin)): `n` from `ra`, `m`
    /// from `rb`, `d` from `rd`. Comparisons give all ones or zero.
    FpBin {
        Add "n + m.";
        Sub "n - m.";
        Mul "n * m.";
        Div "n / m.";
        Max "The larger; a NaN wins.";
        Min "The smaller; a NaN wins.";
        MaxNum "The larger; a number wins over a quiet NaN.";
        MinNum "The smaller; a number wins over a quiet NaN.";
        Mulx "n * m, where infinity times zero is two.";
        Nmul "-(n * m).";
        Abd "|n - m|.";
        Mla "d + n * m, rounded once.";
        Mls "d - n * m, rounded once.";
        Recps "2 - n * m, rounded once.";
        Rsqrts "(3 - n * m) / 2, rounded once.";
        CmEq "n = m.";
        CmGe "n >= m.";
        CmGt "n > m.";
        AcGe "|n| >= |m|.";
        AcGt "|n| > |m|.";
    }
}

family! {
    /// Operations on one floating-point number ([`Op::FUn`](crate::Op::FUn)). Comparisons give all
    /// ones or zero.
    FpUn {
        Abs "Sign bit cleared.";
        Neg "Sign bit inverted.";
        Sqrt "Square root.";
        RintN "To an integral value: nearest, ties to even.";
        RintP "To an integral value: towards plus infinity.";
        RintM "To an integral value: towards minus infinity.";
        RintZ "To an integral value: towards zero.";
        RintA "To an integral value: nearest, ties away from zero.";
        RintX "To an integral value as FPCR says; a change is inexact.";
        RintI "To an integral value as FPCR says.";
        Recpe "Estimate of the reciprocal.";
        Rsqrte "Estimate of the reciprocal square root.";
        Recpx "Power of two with the complement of the exponent.";
        CmGt0 "Above zero.";
        CmGe0 "Above or equal to zero.";
        CmEq0 "Equal to zero.";
        CmLe0 "Below or equal to zero.";
        CmLt0 "Below zero.";
        UnsignedRecpe "URECPE: the estimate for an unsigned 32-bit fraction.";
        UnsignedRsqrte "URSQRTE: the estimate for an unsigned 32-bit fraction.";
    }
}

family! {
    /// Rounding of a conversion to integer that does not ask FPCR; the first four as
    /// `FPCR.RMode` numbers them.
    FpRounding {
        NearestEven "To nearest, ties to even.";
        TowardPositive "Towards plus infinity.";
        TowardNegative "Towards minus infinity.";
        TowardZero "Towards zero.";
        NearestAway "To nearest, ties away from zero.";
    }
}
