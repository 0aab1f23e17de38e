//! Micro-ops: the one language that every front end lowers to and every engine executes.
//!
//! [`Op`] is declared by a single table ([`ops`]); its printer and its def/use sets
//! ([`Role`], [`Op::roles`]) derive from that table. A [`Uop`] is 16 bytes: an operation, four
//! small operand fields, the place of its guest instruction within the page, and a 64-bit immediate.
//! [`slot`] names the register slots that operand fields index.
//!
//! Not here: what an operation computes (that is the interpreter, in `ncpu-machine`, on the
//! arithmetic of `ncpu-alu`) and where it comes from (the front ends).
#![no_std]
#![forbid(unsafe_code)]

mod cond;
mod crypto;
mod float;
pub mod ops;
mod print;
pub mod slot;

pub use cond::condition_mask;
pub use crypto::{Aes, Sha};
pub use float::{FpBin, FpRounding, FpUn};
pub use ops::{Op, Role};
pub use slot::Slot;

/// Lanes of vector micro-ops, packed into an operand field: element size and shape.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lanes(pub u8);

impl Lanes {
    /// Lanes of `8 << log2` bits (`log2` 0 to 3) filling 64 (`q` false) or 128 bits.
    pub const fn vector(log2: u8, q: bool) -> Self {
        Lanes(log2 & 3 | (q as u8) << 2)
    }
    /// One lane of `8 << log2` bits; the rest of the destination becomes zero.
    pub const fn scalar(log2: u8) -> Self {
        Lanes(log2 & 3 | 1 << 3)
    }
    /// Element size as the logarithm of its bytes.
    pub const fn log2(self) -> u8 {
        self.0 & 3
    }
    /// Element size in bits.
    pub const fn bits(self) -> u32 {
        8 << (self.0 & 3)
    }
    /// Whether all 128 bits are used.
    pub const fn q(self) -> bool {
        self.0 & 4 != 0
    }
    /// Whether only the lowest lane is used.
    pub const fn is_scalar(self) -> bool {
        self.0 & 8 != 0
    }
    /// Number of lanes in use.
    pub const fn count(self) -> u32 {
        if self.is_scalar() { 1 } else { (if self.q() { 128 } else { 64 }) / self.bits() }
    }
}

/// One micro-op.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C, align(16))]
pub struct Uop {
    /// What to do.
    pub op: Op,
    /// Destination slot (or stored value, see the operation's [`Role`]s).
    pub rd: u8,
    /// First source slot.
    pub ra: u8,
    /// Second source slot, or a small parameter.
    pub rb: u8,
    /// Third source slot, second destination, or a small parameter.
    pub rc: u8,
    /// Index of the guest instruction within its page, with [`Uop::FIRST`] and [`Uop::FUSED`].
    pub at: u16,
    /// Immediate operand.
    pub imm: u64,
}

const _: () = assert!(size_of::<Uop>() == 16);

impl Uop {
    /// Set in [`Uop::at`] on the first micro-op of a guest instruction.
    pub const FIRST: u16 = 1 << 15;
    /// Set in [`Uop::at`] when the micro-op does the work of the next two micro-ops, which are two
    /// whole guest instructions; [`Uop::at`] is then the index of the second one.
    pub const FUSED: u16 = 1 << 14;
    /// Set in [`Uop::at`] when this micro-op, or one that follows it up to the next branch, names a
    /// vector register.
    pub const VECTORS: u16 = 1 << 13;
    /// The index bits of [`Uop::at`]: 0 to 1023, or 1024 for the end of the page.
    pub const INDEX: u16 = (1 << 11) - 1;

    /// A micro-op with every operand field zero.
    pub const fn new(op: Op) -> Self {
        Uop { op, rd: 0, ra: 0, rb: 0, rc: 0, at: 0, imm: 0 }
    }

    /// Index of the guest instruction within its page.
    #[inline(always)]
    pub const fn index(&self) -> u16 {
        self.at & Self::INDEX
    }

    /// Whether an operand is a vector register.
    pub fn names_vector(&self) -> bool {
        self.op.roles().iter().any(|role| role.field(self).is_some_and(|slot| slot >= slot::v(0)))
    }

    /// The 16-bit truth table of a condition, kept in `rb` (low byte) and `rc` (high byte) by
    /// conditional branches: bit `n` is the outcome for NZCV = `n`.
    #[inline(always)]
    pub const fn branch_mask(&self) -> u64 {
        self.rb as u64 | (self.rc as u64) << 8
    }
}
