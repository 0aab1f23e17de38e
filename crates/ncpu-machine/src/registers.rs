//! Where the register slots of a thread are while it executes.
//!
//! On the host's processor they are an array, that of its [`Core`]. On a GPU, what scalar
//! instructions use lies in the shared memory of the multiprocessor, spread over the lanes of the
//! warp: there, lanes that name different registers do not get in each other's way, and writes go no
//! further. (A thread's own memory writes through to the second-level cache, whose bandwidth bounded
//! the interpreter.) Vector registers are in spread global memory.

use crate::cpu::Core;
use crate::words::SPREAD_SHIFT;
use ncpu_uop::slot::{self, Slot};

/// Slots that scalar instructions use are below this.
pub const NEAR: usize = slot::EXCLUSIVE_ADDR as usize + 1;
/// Slots of vector registers are from this on.
pub const FAR: usize = slot::v(0) as usize;

/// Access to register slots.
pub(crate) trait Slots {
    /// The value of a slot.
    fn get(&self, slot: Slot) -> u64;
    /// Sets a slot.
    fn set(&mut self, slot: Slot, value: u64);
}

/// Access to register slots for the run loop, which knows of what kind they are.
#[allow(private_bounds, reason = "only this crate's registers can be executed on")]
pub trait Registers: Slots {
    /// A near slot.
    ///
    /// # Safety
    /// The slot must be one that a micro-op names; in spread memory, below [`NEAR`].
    unsafe fn near(&self, slot: Slot) -> u64;
    /// Sets a near slot.
    ///
    /// # Safety
    /// As for [`Registers::near`].
    unsafe fn set_near(&self, slot: Slot, value: u64);
    /// A slot of a vector register.
    ///
    /// # Safety
    /// The slot must be one.
    unsafe fn far(&self, slot: Slot) -> u64;
    /// Sets a slot of a vector register.
    ///
    /// # Safety
    /// As for [`Registers::far`].
    unsafe fn set_far(&self, slot: Slot, value: u64);
}

/// The registers of a core, where they are.
pub(crate) struct CoreRegisters(*mut [u64; slot::COUNT]);

impl CoreRegisters {
    /// They may be used as long as the core is.
    pub(crate) fn new(core: &mut Core) -> Self {
        CoreRegisters(&raw mut core.slots)
    }

    #[inline(always)]
    fn place(&self, slot: Slot) -> *mut u64 {
        self.0.cast::<u64>().wrapping_add(slot as usize)
    }
}

impl Slots for CoreRegisters {
    // Slots are below the count; the mask tells the compiler.
    #[inline(always)]
    fn get(&self, slot: Slot) -> u64 {
        // SAFETY: in bounds of an array that is valid, see `new`.
        unsafe { self.place(slot & 127).read() }
    }

    #[inline(always)]
    fn set(&mut self, slot: Slot, value: u64) {
        // SAFETY: as above.
        unsafe { self.place(slot & 127).write(value) }
    }
}

impl Registers for CoreRegisters {
    #[inline(always)]
    unsafe fn near(&self, slot: Slot) -> u64 {
        // SAFETY: the caller's promise.
        unsafe { self.place(slot).read() }
    }

    #[inline(always)]
    unsafe fn set_near(&self, slot: Slot, value: u64) {
        // SAFETY: the caller's promise.
        unsafe { self.place(slot).write(value) }
    }

    #[inline(always)]
    unsafe fn far(&self, slot: Slot) -> u64 {
        // SAFETY: the caller's promise.
        unsafe { self.place(slot).read() }
    }

    #[inline(always)]
    unsafe fn set_far(&self, slot: Slot, value: u64) {
        // SAFETY: the caller's promise.
        unsafe { self.place(slot).write(value) }
    }
}

#[cfg(test)]
impl Slots for [u64; slot::COUNT] {
    fn get(&self, slot: Slot) -> u64 {
        self[slot as usize]
    }

    fn set(&mut self, slot: Slot, value: u64) {
        self[slot as usize] = value;
    }
}

/// Where the slots of one lane are: slot `n` of the near ones is at `n << SPREAD_SHIFT` words.
#[derive(Clone, Copy, Debug)]
pub struct LaneRegisters {
    near: *mut u64,
    far: *mut u64,
    /// The address of `near` within shared memory.
    #[cfg(target_arch = "nvptx64")]
    window: u32,
}

impl LaneRegisters {
    /// Registers in spread memory: [`NEAR`] words at `near`, and those of the slots from [`FAR`] on at
    /// `far`. On a GPU, `near` has to be in shared memory.
    ///
    /// # Safety
    /// Both must be valid and used by nothing else as long as the result is used.
    pub unsafe fn new(near: *mut u64, far: *mut u64) -> Self {
        #[cfg(target_arch = "nvptx64")]
        let window = {
            let window: u64;
            // SAFETY: it only changes how the address is written.
            unsafe {
                core::arch::asm!(
                    "cvta.to.shared.u64 {window}, {near};",
                    window = out(reg64) window,
                    near = in(reg64) near,
                    options(pure, nomem, nostack),
                );
            }
            window as u32
        };
        LaneRegisters {
            near,
            far,
            #[cfg(target_arch = "nvptx64")]
            window,
        }
    }

    #[inline(always)]
    fn place(&self, slot: Slot) -> *mut u64 {
        let slot = slot as usize;
        if slot < FAR { self.near.wrapping_add(slot << SPREAD_SHIFT) } else { self.far_place(slot) }
    }

    #[inline(always)]
    fn far_place(&self, slot: usize) -> *mut u64 {
        self.far.wrapping_add((slot - FAR) << SPREAD_SHIFT)
    }

    /// Takes the registers from `slots`.
    pub fn load(&mut self, slots: &[u64; slot::COUNT]) {
        for slot in (0..NEAR).chain(FAR..slot::COUNT) {
            self.set(slot as Slot, slots[slot]);
        }
    }

    /// Puts the registers into `slots`.
    pub fn store(&self, slots: &mut [u64; slot::COUNT]) {
        for slot in (0..NEAR).chain(FAR..slot::COUNT) {
            slots[slot] = self.get(slot as Slot);
        }
    }
}

impl Slots for LaneRegisters {
    #[inline(always)]
    fn get(&self, slot: Slot) -> u64 {
        // SAFETY: `new` was promised that all slots are valid.
        unsafe { self.place(slot).read() }
    }

    #[inline(always)]
    fn set(&mut self, slot: Slot, value: u64) {
        // SAFETY: as above.
        unsafe { self.place(slot).write(value) }
    }
}

impl Registers for LaneRegisters {
    #[inline(always)]
    unsafe fn near(&self, slot: Slot) -> u64 {
        debug_assert!((slot as usize) < NEAR);
        #[cfg(target_arch = "nvptx64")]
        {
            let value;
            // SAFETY: the caller's promise.
            unsafe {
                core::arch::asm!(
                    "ld.shared.b64 {value}, [{at}];",
                    value = out(reg64) value,
                    at = in(reg32) self.window + ((slot as u32) << (SPREAD_SHIFT + 3)),
                    options(pure, readonly, nostack),
                );
            }
            value
        }
        #[cfg(not(target_arch = "nvptx64"))]
        // SAFETY: the caller's promise.
        unsafe {
            self.place(slot).read()
        }
    }

    #[inline(always)]
    unsafe fn set_near(&self, slot: Slot, value: u64) {
        debug_assert!((slot as usize) < NEAR);
        #[cfg(target_arch = "nvptx64")]
        // SAFETY: the caller's promise.
        unsafe {
            core::arch::asm!(
                "st.shared.b64 [{at}], {value};",
                at = in(reg32) self.window + ((slot as u32) << (SPREAD_SHIFT + 3)),
                value = in(reg64) value,
                options(nostack),
            );
        }
        #[cfg(not(target_arch = "nvptx64"))]
        // SAFETY: the caller's promise.
        unsafe {
            self.place(slot).write(value);
        }
    }

    #[inline(always)]
    unsafe fn far(&self, slot: Slot) -> u64 {
        debug_assert!((slot as usize) >= FAR);
        // SAFETY: the caller's promise.
        unsafe { self.far_place(slot as usize).read() }
    }

    #[inline(always)]
    unsafe fn set_far(&self, slot: Slot, value: u64) {
        debug_assert!((slot as usize) >= FAR);
        // SAFETY: the caller's promise.
        unsafe { self.far_place(slot as usize).write(value) }
    }
}
