//! What differs between two outcomes of a case.

use crate::case::{BRK, Case};
use std::fmt;

/// Parts of an outcome that can differ, as a set.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Parts(u16);

impl Parts {
    /// Signal number.
    pub(crate) const SIGNAL: Parts = Parts(1);
    /// `si_code`.
    pub(crate) const CODE: Parts = Parts(2);
    /// `si_addr`.
    pub(crate) const ADDRESS: Parts = Parts(4);
    /// Program counter.
    pub(crate) const PC: Parts = Parts(8);
    /// General registers and SP.
    pub(crate) const X: Parts = Parts(16);
    /// Vector registers.
    pub(crate) const V: Parts = Parts(32);
    /// Condition flags.
    pub(crate) const NZCV: Parts = Parts(64);
    /// Floating-point control.
    pub(crate) const FPCR: Parts = Parts(128);
    /// Floating-point status.
    pub(crate) const FPSR: Parts = Parts(256);
    /// Memory.
    pub(crate) const MEMORY: Parts = Parts(512);

    /// Both.
    pub(crate) const fn and(self, other: Parts) -> Parts {
        Parts(self.0 | other.0)
    }

    /// Whether nothing beyond `other` is in here.
    pub(crate) const fn within(self, other: Parts) -> bool {
        self.0 & !other.0 == 0
    }
}

/// A case with different outcomes.
pub(crate) struct Seen {
    /// Name of the row.
    pub(crate) row: &'static str,
    /// What `qemu` is the outcome under.
    pub(crate) peer: &'static str,
    /// State before.
    pub(crate) before: Case,
    /// Outcome here.
    pub(crate) ours: Case,
    /// Outcome under qemu.
    pub(crate) qemu: Case,
    /// What differs.
    pub(crate) parts: Parts,
}

impl Seen {
    /// The difference, if there is one.
    pub(crate) fn find(row: &'static str, before: &Case, ours: &Case, qemu: &Case) -> Option<Seen> {
        let pairs = [
            (Parts::SIGNAL, ours.signal == qemu.signal),
            (Parts::CODE, ours.code == qemu.code),
            (Parts::ADDRESS, ours.address == qemu.address),
            (Parts::PC, ours.pc == qemu.pc),
            (Parts::X, ours.x == qemu.x && ours.sp == qemu.sp),
            (Parts::V, ours.v == qemu.v),
            (Parts::NZCV, ours.pstate >> 28 == qemu.pstate >> 28),
            (Parts::FPCR, ours.fpcr == qemu.fpcr),
            (Parts::FPSR, ours.fpsr == qemu.fpsr),
            (Parts::MEMORY, ours.memory == qemu.memory),
        ];
        let differing = pairs.into_iter().filter(|(_, same)| !same);
        let parts = differing.fold(Parts(0), |parts, (part, _)| parts.and(part));
        let (before, ours, qemu) = (*before, *ours, *qemu);
        (parts != Parts(0)).then_some(Seen { row, peer: "qemu", before, ours, qemu, parts })
    }

    /// Instructions of the case.
    pub(crate) fn words(&self) -> impl Iterator<Item = u32> + use<'_> {
        self.before.words.into_iter().filter(|&word| word != BRK)
    }
}

fn registers(f: &mut fmt::Formatter<'_>, name: &str, peer: &str, sets: [&[u64]; 3]) -> fmt::Result {
    let [before, ours, qemu] = sets;
    for n in (0..before.len()).filter(|&n| ours[n] != qemu[n]) {
        write!(f, "; {name}{n} {:x}: {:x}, {peer} {:x}", before[n], ours[n], qemu[n])?;
    }
    Ok(())
}

impl fmt::Display for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Seen { before, ours, qemu, peer, .. } = self;
        write!(f, "{}", self.row)?;
        for word in self.words() {
            write!(f, " {word:08x}")?;
        }
        write!(f, " at {:x}", before.pc)?;
        let end = |c: &Case| (c.signal, c.code, c.address, c.pc);
        let Parts(all) = Parts::SIGNAL.and(Parts::CODE).and(Parts::ADDRESS).and(Parts::PC);
        if self.parts.0 & all != 0 {
            write!(f, "; signal, code, address, pc: {:x?}, {peer} {:x?}", end(ours), end(qemu))?;
        }
        registers(f, "x", peer, [&before.x, &ours.x, &qemu.x])?;
        registers(f, "sp", peer, [&[before.sp], &[ours.sp], &[qemu.sp]])?;
        let halves = [&before.v, &ours.v, &qemu.v];
        for n in (0..64).filter(|&n| ours.v[n] != qemu.v[n]) {
            let [before, ours, qemu] = halves.map(|v| v[n]);
            write!(f, "; v{}.d[{}] {before:x}: {ours:x}, {peer} {qemu:x}", n / 2, n % 2)?;
        }
        let status = |c: &Case| [c.pstate >> 28, c.fpcr as u64, c.fpsr as u64];
        let statuses = [before, ours, qemu].map(status);
        for (n, name) in ["nzcv", "fpcr", "fpsr"].into_iter().enumerate() {
            let [before, ours, qemu] = statuses.map(|s| s[n]);
            if ours != qemu {
                write!(f, "; {name} {before:x}: {ours:x}, {peer} {qemu:x}")?;
            }
        }
        for n in (0..before.memory.len()).filter(|&n| ours.memory[n] != qemu.memory[n]).take(20) {
            let [before, ours, qemu] = [before, ours, qemu].map(|c| c.memory[n]);
            write!(
                f,
                "; [{:x}] {before:x}: {ours:x}, {peer} {qemu:x}",
                self.before.window + n as u64
            )?;
        }
        write!(f, " (fpcr {:x})", before.fpcr)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_is_compared() {
        type Change = (Parts, fn(&mut Case));
        let changes: [Change; 11] = [
            (Parts::SIGNAL, |c| c.signal = 4),
            (Parts::CODE, |c| c.code = 2),
            (Parts::ADDRESS, |c| c.address = 1),
            (Parts::PC, |c| c.pc = 4),
            (Parts::X, |c| c.x[30] = 1),
            (Parts::X, |c| c.sp = 1),
            (Parts::V, |c| c.v[63] = 1),
            (Parts::NZCV, |c| c.pstate = 1 << 28),
            (Parts::FPCR, |c| c.fpcr = 1),
            (Parts::FPSR, |c| c.fpsr = 1),
            (Parts::MEMORY, |c| c.memory[191] = 1),
        ];
        let case = Case::new();
        assert!(Seen::find("", &case, &case, &case).is_none());
        for (part, change) in changes {
            let mut other = case;
            change(&mut other);
            let seen = Seen::find("", &case, &case, &other).expect("a difference");
            assert!(seen.parts == part);
        }
    }
}
