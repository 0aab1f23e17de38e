//! Bytes by the words that they make up. Compilers for GPUs make a loop over bytes of every copy, and what
//! is far away takes hundreds of cycles to come, whatever its size.

/// Whether all bytes are zero.
pub fn is_zero(bytes: &[u8]) -> bool {
    // SAFETY: every bit pattern is an integer.
    let (head, words, tail) = unsafe { bytes.align_to::<u64>() };
    // A group at a time: a loop that may end with each word takes many times as long.
    let is_group_zero = |group: &[u64]| group.iter().fold(0, |all, word| all | word) == 0;
    head.iter().chain(tail).all(|&byte| byte == 0) && words.chunks(64).all(is_group_zero)
}

/// Copies bytes.
///
/// # Panics
/// When there are not as many on both sides.
pub fn copy(to: &mut [u8], from: &[u8]) {
    if cfg!(target_arch = "nvptx64") {
        copy_by_groups(to, from);
    } else {
        to.copy_from_slice(from);
    }
}

/// Copies in the largest words that are aligned on both sides.
fn copy_by_groups(to: &mut [u8], from: &[u8]) {
    assert!(to.len() == from.len());
    let apart = to.as_ptr().addr() ^ from.as_ptr().addr();
    // SAFETY: the lengths are the same; words are aligned on both sides behind the head.
    unsafe {
        match apart % 8 {
            0 => copy_as::<u64>(to, from),
            4 => copy_as::<u32>(to, from),
            _ => groups(to.as_mut_ptr(), from.as_ptr(), to.len()),
        }
    }
}

/// # Safety
/// Both must have the same length, and the same offset from a multiple of the word.
unsafe fn copy_as<T: Copy>(to: &mut [u8], from: &[u8]) {
    let (size, length) = (size_of::<T>(), to.len());
    let head = (to.as_ptr().addr().wrapping_neg() % size).min(length);
    let words = (length - head) / size;
    let tail = head + words * size;
    let (to, from) = (to.as_mut_ptr(), from.as_ptr());
    // SAFETY: all three parts are within both slices, and the middle one is aligned.
    unsafe {
        groups(to, from, head);
        groups(to.add(head).cast::<T>(), from.add(head).cast::<T>(), words);
        groups(to.add(tail), from.add(tail), length - tail);
    }
}

/// Copies eight at a time, all of which are fetched before the first is needed.
///
/// # Safety
/// Both must be aligned and valid for so many, and not overlap.
#[inline(always)]
unsafe fn groups<T: Copy>(to: *mut T, from: *const T, count: usize) {
    let mut at = 0;
    // SAFETY: below the count.
    unsafe {
        while at + 8 <= count {
            let (to, from) = (to.add(at), from.add(at));
            let read = |step: usize| from.add(step).read();
            let [a, b, c, d] = [read(0), read(1), read(2), read(3)];
            let [e, f, g, h] = [read(4), read(5), read(6), read(7)];
            to.write(a);
            to.add(1).write(b);
            to.add(2).write(c);
            to.add(3).write(d);
            to.add(4).write(e);
            to.add(5).write(f);
            to.add(6).write(g);
            to.add(7).write(h);
            at += 8;
        }
        while at < count {
            // What is volatile is not made a copy of bytes.
            to.add(at).write_volatile(from.add(at).read());
            at += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{copy_by_groups, is_zero};

    #[test]
    fn every_length_and_alignment_is_copied_and_nothing_beyond() {
        let source: [u8; 200] = core::array::from_fn(|at| at as u8 + 1);
        for (to, from) in (0..8).flat_map(|to| (0..8).map(move |from| (to, from))) {
            for length in (0..40).chain([64, 100, 150]) {
                let mut room = [0; 200];
                copy_by_groups(&mut room[to..to + length], &source[from..from + length]);
                assert_eq!(room[to..to + length], source[from..from + length]);
                assert!(is_zero(&room[..to]) && is_zero(&room[to + length..]));
            }
        }
    }

    #[test]
    fn a_single_bit_is_not_zero() {
        let mut bytes = [0; 1111];
        assert!(is_zero(&bytes) && is_zero(&[]));
        for at in 0..bytes.len() {
            bytes[at] = 0x80;
            assert!(!is_zero(&bytes), "{at}");
            assert!(is_zero(&bytes[at + 1..]));
            bytes[at] = 0;
        }
    }
}
