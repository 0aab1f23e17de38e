//! Changes to valid bytes.

use crate::random::Rng;

/// Numbers that lengths, offsets and counts are checked against too seldom.
const NUMBERS: &[u64] = &[
    0,
    1,
    0x7f,
    0xff,
    0xfff,
    0x1000,
    0x7fff,
    0xffff,
    0x7fff_ffff,
    0x8000_0000,
    0xffff_ffff,
    0xffff_f000,
    0x0000_7fff_ffff_ffff,
    0x7fff_ffff_ffff_ffff,
    0x8000_0000_0000_0000,
    0xffff_ffff_ffff_f000,
    u64::MAX,
];

/// Changes `bytes` in a few places, the front of them more often; `at` gives where changes count
/// most, in ranges.
pub(crate) fn mutate(rng: &mut Rng<'_>, bytes: &mut Vec<u8>, hot: &[std::ops::Range<usize>]) {
    for _ in 0..=rng.below(6) {
        if bytes.is_empty() {
            return;
        }
        let len = bytes.len();
        let at = match rng.below(4) {
            0 => rng.index(len),
            1 => rng.index(len.min(512)),
            _ if hot.is_empty() => rng.index(len),
            _ => {
                let range = &hot[rng.index(hot.len())];
                range.start + rng.index(range.len().max(1))
            }
        };
        let at = at.min(len - 1);
        match rng.below(10) {
            0 => bytes[at] ^= 1 << rng.below(8),
            1 => bytes[at] = rng.word() as u8,
            2..=5 => {
                let size = 1usize << rng.below(4);
                let at = if rng.one_in(3) { at } else { at & !(size - 1) };
                let number = if rng.one_in(2) { rng.pick(NUMBERS) } else { rng.integer() };
                let end = (at + size).min(len);
                bytes[at..end].copy_from_slice(&number.to_le_bytes()[..end - at]);
            }
            6 => {
                let size = 1usize << rng.below(4);
                if let Some(field) = bytes.get_mut(at..at + size) {
                    let mut word = [0; 8];
                    word[..size].copy_from_slice(field);
                    let delta = rng.below(9).wrapping_sub(4);
                    let word = u64::from_le_bytes(word).wrapping_add(delta).to_le_bytes();
                    field.copy_from_slice(&word[..size]);
                }
            }
            7 => {
                let from = rng.index(len);
                let count = (1 + rng.index(64)).min(len - from).min(len - at);
                bytes.copy_within(from..from + count, at);
            }
            8 if rng.one_in(4) => bytes.truncate(at),
            8 => {
                let end = (at + 1 + rng.index(64)).min(len);
                bytes.drain(at..end);
            }
            _ => {
                let count = rng.index(64);
                let byte = if rng.one_in(2) { 0 } else { rng.word() as u8 };
                bytes.splice(at..at, std::iter::repeat_n(byte, count));
            }
        }
    }
}
