//! Operand values: corner cases far more often than chance would give.

use crate::case::Case;

/// A seeded generator (SplitMix64), so that a row's cases can be repeated.
pub(crate) struct Rng(u64);

impl Rng {
    /// The generator for a row's name and the seed of the run.
    pub(crate) fn new(name: &str, seed: u64) -> Self {
        // FNV-1a of the name.
        let hash = name
            .bytes()
            .fold(0xcbf2_9ce4_8422_2325, |h: u64, b| (h ^ b as u64).wrapping_mul(0x100_0000_01b3));
        Rng(hash ^ seed.wrapping_mul(0x9e37_79b9_7f4a_7c15))
    }

    /// 64 random bits.
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    }

    /// A number below `n`.
    pub(crate) fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }

    /// True once in `n` times.
    pub(crate) fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }

    /// One of `choices`.
    pub(crate) fn pick<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len() as u64) as usize]
    }

    /// An integer of `bits` bits: around powers of two, small, extreme, or anything.
    pub(crate) fn integer(&mut self, bits: u32) -> u64 {
        let ones = u64::MAX >> (64 - bits);
        let near_power = |rng: &mut Rng| {
            (1u64 << rng.below(bits as u64)).wrapping_add(rng.below(5)).wrapping_sub(2)
        };
        ones & match self.below(6) {
            0 => self.next(),
            1 => near_power(self),
            2 => !near_power(self),
            3 => self.below(70).wrapping_sub(35),
            4 => self.pick(&[
                0,
                1,
                ones,
                ones >> 1,
                (ones >> 1) + 1,
                ones - 1,
                0x5555_5555_5555_5555,
                0xaaaa_aaaa_aaaa_aaaa,
            ]),
            _ => self.next() >> self.below(64),
        }
    }

    /// A floating-point number of `bits` bits (16, 32, 64): zeros, denormals, infinities, quiet and
    /// signalling NaNs, the largest and smallest numbers, numbers around one, around the limits of
    /// integers and halfway between representable results, or anything.
    pub(crate) fn float(&mut self, bits: u32) -> u64 {
        let (exponent, fraction) = match bits {
            16 => (5, 10),
            32 => (8, 23),
            _ => (11, 52),
        };
        let sign = self.below(2) << (bits - 1);
        let last = (1u64 << exponent) - 1;
        let ones = (1u64 << fraction) - 1;
        let bias = last >> 1;
        let digits = match self.below(5) {
            0 => 0,
            1 => ones,
            2 => self.below(4),
            3 => (1 << self.below(fraction)) | self.below(2),
            _ => self.next() & ones,
        };
        sign | match self.below(12) {
            0 => 0,
            1 => digits,
            2 => last << fraction,
            3 => last << fraction | 1 << (fraction - 1) | digits,
            4 => last << fraction | (digits & (ones >> 1)).max(1),
            5 => (last - 1) << fraction | digits,
            6 => 1 << fraction | digits,
            7 => bias << fraction | digits,
            8 => (bias + self.below(fraction + 12).min(bias)) << fraction | digits,
            9 => (bias - self.below(fraction + 6).min(bias)) << fraction | digits,
            10 => self.below(last) << fraction | digits,
            _ => self.next() & (u64::MAX >> (64 - bits)) & !(1 << (bits - 1)),
        }
    }

    /// 64 bits of lanes of one width, of integers or floating-point numbers.
    pub(crate) fn lanes(&mut self) -> u64 {
        let bits = self.pick(&[8, 16, 32, 64]);
        let float = bits > 8 && self.below(3) > 0;
        (0..64).step_by(bits as usize).fold(0, |lanes, at| {
            lanes | (if float { self.float(bits) } else { self.integer(bits) }) << at
        })
    }

    /// FPCR: the default, or any of RMode, FZ, DN, AHP and FZ16 (C5.2.8).
    fn fpcr(&mut self) -> u32 {
        if self.one_in(2) {
            return 0;
        }
        let common = self.below(4) << 22 | self.below(2) << 24 | self.below(2) << 25;
        let half = if self.one_in(2) { self.below(2) << 26 | self.below(2) << 19 } else { 0 };
        (common | half) as u32
    }

    /// A processor state; PC, SP and instructions are left to the row's rules.
    pub(crate) fn state(&mut self) -> Case {
        let mut case = Case::new();
        // From a pool of few values, so that comparisons are equal at times.
        let integers: [u64; 20] = std::array::from_fn(|n| match n % 3 {
            0 => self.integer(64),
            1 => self.integer(32),
            _ => self.lanes(),
        });
        let vectors: [u64; 24] = std::array::from_fn(|_| self.lanes());
        case.x.fill_with(|| self.pick(&integers));
        case.sp = self.pick(&integers);
        case.v.fill_with(|| self.pick(&vectors));
        for bytes in case.memory.chunks_mut(8) {
            bytes.copy_from_slice(&self.pick(&vectors).to_le_bytes());
        }
        case.pstate = self.below(16) << 28;
        case.fpcr = self.fpcr();
        case.fpsr = match self.below(3) {
            0 => 0,
            1 => 0x10,
            _ => self.next() as u32 & 0x0800_009f,
        };
        case
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floats_are_of_every_kind() {
        let mut rng = Rng::new("test", 1);
        let mut found = [0; 6];
        for _ in 0..2000 {
            let value = f64::from_bits(rng.float(64));
            let quiet = value.to_bits() >> 51 & 1 == 1;
            found[match value.classify() {
                std::num::FpCategory::Nan if quiet => 0,
                std::num::FpCategory::Nan => 1,
                std::num::FpCategory::Infinite => 2,
                std::num::FpCategory::Zero => 3,
                std::num::FpCategory::Subnormal => 4,
                std::num::FpCategory::Normal => 5,
            }] += 1;
        }
        // One twelfth of 2,000 is 167.
        assert!(found.iter().all(|&n| n > 80), "{found:?}");
    }

    #[test]
    fn a_seed_repeats() {
        let states = [1, 1, 2].map(|seed| Rng::new("ADD_imm", seed).state());
        assert!(states[0] == states[1] && states[0] != states[2]);
    }
}
