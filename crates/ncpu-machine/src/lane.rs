//! What the interpreter of a GPU's lane does to need few registers.

use ncpu_uop::{Op, Uop};

/// The words of a micro-op, in one access of the GPU's read-only path: no interpreter runs while code is
/// written. They come into the registers that the words before are in, which keeps the compiler from
/// moving them there, and waiting for them, at once.
///
/// # Safety
/// `ip` must be valid for reading.
#[inline(always)]
pub(crate) unsafe fn fetch(ip: *const Uop, _before: [u32; 4]) -> [u32; 4] {
    #[cfg(target_arch = "nvptx64")]
    {
        let [mut a, mut b, mut c, mut d] = _before;
        // SAFETY: the caller's promise; code is in global memory.
        unsafe {
            core::arch::asm!(
                "ld.global.nc.v4.b32 {{{a}, {b}, {c}, {d}}}, [{ip}];",
                a = inout(reg32) a,
                b = inout(reg32) b,
                c = inout(reg32) c,
                d = inout(reg32) d,
                ip = in(reg64) ip,
                options(pure, readonly, nostack),
            );
        }
        [a, b, c, d]
    }
    #[cfg(not(target_arch = "nvptx64"))]
    // SAFETY: the caller's promise.
    unsafe {
        fetch_anew(ip)
    }
}

/// The words of a micro-op, whatever has been read before.
///
/// # Safety
/// `ip` must be valid for reading.
#[inline(always)]
pub(crate) unsafe fn fetch_anew(ip: *const Uop) -> [u32; 4] {
    #[cfg(target_arch = "nvptx64")]
    {
        let (a, b, c, d);
        // SAFETY: the caller's promise; code is in global memory.
        unsafe {
            core::arch::asm!(
                "ld.global.nc.v4.b32 {{{a}, {b}, {c}, {d}}}, [{ip}];",
                a = out(reg32) a,
                b = out(reg32) b,
                c = out(reg32) c,
                d = out(reg32) d,
                ip = in(reg64) ip,
                options(nostack),
            );
        }
        [a, b, c, d]
    }
    #[cfg(not(target_arch = "nvptx64"))]
    // SAFETY: the caller's promise.
    unsafe {
        ip.cast::<[u32; 4]>().read()
    }
}

/// The operation of the micro-op that four words are.
#[inline(always)]
pub(crate) fn operation([first, ..]: [u32; 4]) -> Op {
    // SAFETY: the words are those of a micro-op, whose first field is its operation.
    unsafe { core::mem::transmute::<u16, Op>(first as u16) }
}

/// The micro-op that four words are. (Fields of words of 64 bits take a GPU twice the instructions.)
#[inline(always)]
pub(crate) fn unpack(words: [u32; 4]) -> Uop {
    let [first, second, low, high] = words;
    Uop {
        op: operation(words),
        rd: (first >> 16) as u8,
        ra: (first >> 24) as u8,
        rb: second as u8,
        rc: (second >> 8) as u8,
        at: (second >> 16) as u16,
        imm: u64::from(low) | u64::from(high) << 32,
    }
}

/// A value that stays in memory, for it would take registers all the time.
#[derive(Debug)]
pub struct Aside<T: Copy>(T);

impl<T: Copy> Aside<T> {
    /// Puts a value aside.
    #[inline(always)]
    pub fn new(value: T) -> Self {
        let mut aside = Aside(value);
        aside.set(value);
        aside
    }

    /// The value.
    #[inline(always)]
    pub fn get(&self) -> T {
        // SAFETY: a valid place.
        unsafe { (&raw const self.0).read_volatile() }
    }

    /// Puts another value aside.
    #[inline(always)]
    pub fn set(&mut self, value: T) {
        // SAFETY: a valid place.
        unsafe { (&raw mut self.0).write_volatile(value) }
    }
}
