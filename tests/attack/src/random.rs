//! Choices, from a seed or from a fuzzer's bytes.

/// A source of choices. A fuzzer's bytes are used up first, so that it can steer each choice; then a
/// seeded generator (SplitMix64) goes on.
pub struct Rng<'a> {
    bytes: &'a [u8],
    state: u64,
}

impl<'a> Rng<'a> {
    /// Choices that follow from a number.
    pub fn seeded(seed: u64) -> Rng<'static> {
        // The sequences of neighbouring states are each other's, shifted by one.
        Rng { bytes: &[], state: mix(mix(seed)) }
    }

    /// Choices that follow from bytes.
    pub fn from_bytes(bytes: &'a [u8]) -> Rng<'a> {
        // FNV-1a.
        let state = bytes.iter().fold(0xcbf2_9ce4_8422_2325, |h: u64, &b| {
            (h ^ u64::from(b)).wrapping_mul(0x100_0000_01b3)
        });
        Rng { bytes, state }
    }

    /// 64 bits.
    pub fn word(&mut self) -> u64 {
        if let Some((word, rest)) = self.bytes.split_first_chunk() {
            self.bytes = rest;
            return u64::from_le_bytes(*word);
        }
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mix(self.state)
    }

    /// A number below `n`, which is not 0.
    pub fn below(&mut self, n: u64) -> u64 {
        if !self.bytes.is_empty() && n <= 256 {
            let (&first, rest) = self.bytes.split_first().unwrap_or((&0, &[]));
            self.bytes = rest;
            return u64::from(first) % n;
        }
        self.word() % n
    }

    /// An index into `len` things, at least one.
    pub fn index(&mut self, len: usize) -> usize {
        self.below(len as u64) as usize
    }

    /// True once in `n` times.
    pub fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }

    /// One of `choices`.
    pub fn pick<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.index(choices.len())]
    }

    /// An integer as programs get them wrong: small, around powers of two, extreme, or anything.
    pub fn integer(&mut self) -> u64 {
        match self.below(8) {
            0 => self.word(),
            1 => (1u64 << self.below(64)).wrapping_add(self.below(5)).wrapping_sub(2),
            2 => !(1u64 << self.below(64)).wrapping_add(self.below(5)).wrapping_sub(2),
            3 => self.pick(&[0, u64::MAX, i64::MAX as u64, i64::MIN as u64, 0x7fff_ffff, 1 << 31]),
            4 => self.below(4096) << 12,
            _ => self.below(70).wrapping_sub(3),
        }
    }
}

/// SplitMix64's output function.
fn mix(mut z: u64) -> u64 {
    z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ z >> 31
}
