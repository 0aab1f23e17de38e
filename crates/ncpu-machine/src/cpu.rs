//! The register state of one hardware thread.

use ncpu_uop::slot;

/// Registers and program counter; plain data, 1,032 bytes.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct Core {
    /// Register slots, see [`ncpu_uop::slot`].
    pub slots: [u64; slot::COUNT],
    /// Address of the next instruction.
    pub pc: u64,
}

/// Vector registers of a core that may come when they are needed.
pub trait Vectors {
    /// They are needed in these slots, of [`slot::COUNT`].
    fn need(&mut self, slots: *mut u64);
}

/// They are there.
impl Vectors for () {
    fn need(&mut self, _: *mut u64) {}
}

impl Default for Core {
    fn default() -> Self {
        let mut slots = [0; slot::COUNT];
        slots[slot::EXCLUSIVE_ADDR as usize] = u64::MAX;
        Core { slots, pc: 0 }
    }
}

impl Core {
    /// X register `n`, 0 to 30.
    pub const fn x(&self, n: usize) -> u64 {
        self.slots[n]
    }

    /// Sets X register `n`, 0 to 30.
    pub const fn set_x(&mut self, n: usize, value: u64) {
        self.slots[n] = value;
    }

    /// The stack pointer.
    pub const fn sp(&self) -> u64 {
        self.slots[slot::SP as usize]
    }

    /// Sets the stack pointer.
    pub const fn set_sp(&mut self, value: u64) {
        self.slots[slot::SP as usize] = value;
    }

    /// Drops the exclusive monitor's mark, as every exception return does.
    pub const fn clear_exclusive(&mut self) {
        self.slots[slot::EXCLUSIVE_ADDR as usize] = u64::MAX;
    }
}
