//! The register file: 128 slots of 64 bits.
//!
//! Slots 0 to 30 are X0 to X30; 64 to 127 are V0 to V31 as low and high halves. Slots between hold
//! the rest of the state that a user program sees, one slot that reads as zero, one that swallows
//! writes, and temporaries of the lifters, which carry nothing from one guest instruction to the
//! next.

/// Index of a register slot, always below [`COUNT`].
pub type Slot = u8;

/// Number of slots in a core.
pub const COUNT: usize = 128;

/// The stack pointer.
pub const SP: Slot = 31;
/// Always zero: the source that XZR and WZR name. Never a destination.
pub const ZERO: Slot = 32;
/// Never read: the destination that XZR and WZR name.
pub const SINK: Slot = 33;
/// Condition flags in the low four bits: N = 8, Z = 4, C = 2, V = 1.
pub const NZCV: Slot = 34;
/// Floating-point control register.
pub const FPCR: Slot = 35;
/// Floating-point status register.
pub const FPSR: Slot = 36;
/// EL0 thread pointer.
pub const TPIDR: Slot = 37;
/// Lifters' temporaries.
pub const TEMP: [Slot; 4] = [38, 39, 40, 41];
/// Exclusive monitor: the address marked, or all ones.
pub const EXCLUSIVE_ADDR: Slot = 42;

/// The low half of vector register `n` (0 to 31); the high half is the slot after it.
pub const fn v(n: u8) -> Slot {
    64 + 2 * (n & 31)
}

/// X register `n` as a source, with 31 the zero register.
pub const fn x_or_zero(n: u8) -> Slot {
    if n & 31 == 31 { ZERO } else { n & 31 }
}

/// X register `n` as a destination, with 31 the zero register.
pub const fn x_or_sink(n: u8) -> Slot {
    if n & 31 == 31 { SINK } else { n & 31 }
}
