//! The machine's source of random bytes: a seeded generator, part of the state.
//!
//! The generator is xoroshiro128++ of David Blackman and Sebastiano Vigna ("Scrambled Linear
//! Pseudorandom Number Generators", ACM TOMS 47(4), 2021), seeded through SplitMix64 as they
//! recommend. It is repeatable, not secret: a program inside cannot tell the difference, but no key
//! made inside protects anything outside.

use crate::{Errno, Kernel, SysResult};

/// getrandom: fail with EAGAIN rather than wait for entropy.
const GRND_NONBLOCK: u32 = 1;
/// getrandom: take from the blocking source.
const GRND_RANDOM: u32 = 2;
/// getrandom: take from an unseeded source.
const GRND_INSECURE: u32 = 4;

/// Generator state for a seed; never all zero, which would be a fixed point.
pub const fn seed(seed: u64) -> [u64; 2] {
    const fn split_mix(state: u64) -> u64 {
        let z = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
    const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;
    [split_mix(seed.wrapping_add(GOLDEN)), split_mix(seed.wrapping_add(GOLDEN.wrapping_mul(2)))]
}

/// The generator's next 64 bits.
pub const fn next(state: &mut [u64; 2]) -> u64 {
    let [s0, mut s1] = *state;
    let result = s0.wrapping_add(s1).rotate_left(17).wrapping_add(s0);
    s1 ^= s0;
    *state = [s0.rotate_left(49) ^ s1 ^ (s1 << 21), s1.rotate_left(28)];
    result
}

impl Kernel<'_> {
    /// Fills `out` with random bytes.
    pub fn entropy(&mut self, out: &mut [u8]) {
        if self.header.entropy == [0; 2] {
            self.header.entropy = seed(0);
        }
        for chunk in out.chunks_mut(8) {
            let bytes = next(&mut self.header.entropy).to_le_bytes();
            for (to, from) in chunk.iter_mut().zip(bytes) {
                *to = from;
            }
        }
    }
}

/// getrandom(2).
pub fn getrandom(k: &mut Kernel<'_>, buffer: u64, len: u64, flags: u32) -> SysResult {
    if flags & !(GRND_NONBLOCK | GRND_RANDOM | GRND_INSECURE) != 0
        || flags & (GRND_RANDOM | GRND_INSECURE) == GRND_RANDOM | GRND_INSECURE
    {
        return Err(Errno::EINVAL.into());
    }
    let len = len.min(i32::MAX as u64 & !4095);
    let mut done = 0;
    let mut bytes = [0; 256];
    while done < len {
        let count = (len - done).min(bytes.len() as u64) as usize;
        k.entropy(&mut bytes[..count]);
        match k.write_user(buffer.wrapping_add(done), &bytes[..count]) {
            Ok(()) => done += count as u64,
            Err(errno) if done == 0 => return Err(errno.into()),
            Err(_) => break,
        }
    }
    Ok(done)
}

#[cfg(test)]
mod tests {
    use super::{next, seed};

    /// The first outputs from the state (1, 2): the recurrence of the paper by hand. The first is
    /// rotl(1 + 2, 17) + 1.
    #[test]
    fn first_output_is_the_definition() {
        let mut state = [1, 2];
        assert_eq!(next(&mut state), (3 << 17) + 1);
        assert_eq!(state, [(1 << 49) ^ 3 ^ (3 << 21), 3 << 28]);
    }

    /// SplitMix64's published first two outputs for seed 1234567.
    #[test]
    fn seeding_is_split_mix() {
        assert_eq!(seed(1_234_567), [6_457_827_717_110_365_317, 3_203_168_211_198_807_973]);
    }
}
