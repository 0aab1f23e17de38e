//! A case: the state of a processor before or after, some memory, and how it ended.

use crate::layout::WINDOW;

/// The word after a case's instructions, `BRK #0`.
pub(crate) const BRK: u32 = 0xd420_0000;

/// What goes to the runner and comes back; the layout is that of `runner/runner.s`.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(C)]
pub(crate) struct Case {
    /// X0 to X30.
    pub(crate) x: [u64; 31],
    /// Stack pointer.
    pub(crate) sp: u64,
    /// Program counter.
    pub(crate) pc: u64,
    /// NZCV in bits 31 to 28.
    pub(crate) pstate: u64,
    /// Floating-point status.
    pub(crate) fpsr: u32,
    /// Floating-point control.
    pub(crate) fpcr: u32,
    /// V0 to V31, low half first.
    pub(crate) v: [u64; 64],
    /// Address of `memory`.
    pub(crate) window: u64,
    /// Bytes there.
    pub(crate) memory: [u8; WINDOW as usize],
    /// Signal that ended the case.
    pub(crate) signal: u32,
    /// Its `si_code`.
    pub(crate) code: i32,
    /// Its `si_addr`.
    pub(crate) address: u64,
    /// Instructions.
    pub(crate) words: [u32; 4],
}

impl Case {
    /// Bytes of a case.
    pub(crate) const BYTES: usize = 1024;

    /// Nothing set.
    pub(crate) const fn new() -> Self {
        Case {
            x: [0; 31],
            sp: 0,
            pc: 0,
            pstate: 0,
            fpsr: 0,
            fpcr: 0,
            v: [0; 64],
            window: 0,
            memory: [0; WINDOW as usize],
            signal: 0,
            code: 0,
            address: 0,
            words: [BRK; 4],
        }
    }

    /// General register `n`, where 31 is the stack pointer.
    pub(crate) fn set_base(&mut self, n: u32, value: u64) {
        match n {
            31 => self.sp = value,
            n => self.x[n as usize] = value,
        }
    }

    /// The bytes that the runner reads.
    pub(crate) fn as_bytes(&self) -> [u8; Self::BYTES] {
        let mut out = [0; Self::BYTES];
        let mut rest = &mut out[..];
        let mut put = |bytes: &[u8]| {
            let (head, tail) = std::mem::take(&mut rest).split_at_mut(bytes.len());
            head.copy_from_slice(bytes);
            rest = tail;
        };
        self.x.iter().chain(&[self.sp, self.pc, self.pstate]).for_each(|w| put(&w.to_le_bytes()));
        put(&self.fpsr.to_le_bytes());
        put(&self.fpcr.to_le_bytes());
        self.v.iter().for_each(|w| put(&w.to_le_bytes()));
        put(&self.window.to_le_bytes());
        put(&self.memory);
        put(&self.signal.to_le_bytes());
        put(&self.code.to_le_bytes());
        put(&self.address.to_le_bytes());
        self.words.iter().for_each(|w| put(&w.to_le_bytes()));
        out
    }

    /// What the runner wrote.
    pub(crate) fn from_bytes(bytes: &[u8; Self::BYTES]) -> Self {
        let mut rest = &bytes[..];
        let mut take = |n: usize| {
            let (head, tail) = rest.split_at(n);
            rest = tail;
            head
        };
        let double = |b: &[u8]| u64::from_le_bytes(b.try_into().expect("eight bytes"));
        let single = |b: &[u8]| u32::from_le_bytes(b.try_into().expect("four bytes"));
        let mut case = Case::new();
        case.x.fill_with(|| double(take(8)));
        case.sp = double(take(8));
        case.pc = double(take(8));
        case.pstate = double(take(8));
        case.fpsr = single(take(4));
        case.fpcr = single(take(4));
        case.v.fill_with(|| double(take(8)));
        case.window = double(take(8));
        case.memory.copy_from_slice(take(WINDOW as usize));
        case.signal = single(take(4));
        case.code = single(take(4)) as i32;
        case.address = double(take(8));
        case.words.fill_with(|| single(take(4)));
        case
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_where_the_runner_has_them() {
        let mut case = Case::new();
        (case.pc, case.fpsr, case.window) = (0x11, 0x22, 0x33);
        (case.signal, case.code, case.address, case.words[0]) = (0x44, 0x55, 0x66, 0x77);
        let bytes = case.as_bytes();
        // The `.equ` lines of runner.s; PC is the 33rd of a sigcontext's registers.
        let places = [(8 * 32, 0x11), (272, 0x22), (792, 0x33), (992, 0x44), (996, 0x55)];
        for (place, value) in places.into_iter().chain([(1000, 0x66), (1008, 0x77)]) {
            assert_eq!(bytes[place], value, "at {place}");
        }
        assert!(Case::from_bytes(&bytes) == case);
    }
}
