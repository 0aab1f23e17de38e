//! Where code and data of the cases are, for both sides. `runner/runner.s` has the same numbers.
//!
//! Code and data are close enough for literal loads and short branches. Nothing else is mapped
//! within reach of a branch.

/// Bytes in a page.
pub(crate) const PAGE: u64 = 4096;
/// The two pages that hold the cases' instructions.
pub(crate) const CODE: u64 = 0x1000_0000;
/// Bytes of a slot: four words, of which unused ones are BRK.
pub(crate) const SLOT: u64 = 16;
/// Slots start after so many bytes, which are BRK, as are as many at the page's end.
pub(crate) const MARGIN: u64 = 64;
/// Slots in a page.
pub(crate) const SLOTS_PER_PAGE: u64 = (PAGE - 2 * MARGIN) / SLOT;
/// Most cases that run together.
pub(crate) const BATCH: usize = 2 * SLOTS_PER_PAGE as usize;
/// Pages full of BRK: next to the code, within reach of 19-bit and of 26-bit branch offsets.
pub(crate) const LANDINGS: [u64; 6] = [
    CODE - PAGE,
    CODE + 2 * PAGE,
    CODE - 0x8_0000,
    CODE + 0x8_0000,
    CODE - 0x400_0000,
    CODE + 0x400_0000,
];

/// Two writable pages, with nothing before and behind.
pub(crate) const DATA: u64 = CODE + 0x4_0000;
/// End of the two.
pub(crate) const DATA_END: u64 = DATA + 2 * PAGE;
/// A writable page, followed by [`READ_ONLY`].
pub(crate) const HIGH: u64 = DATA + 3 * PAGE;
/// A read-only page, with nothing behind.
pub(crate) const READ_ONLY: u64 = DATA + 4 * PAGE;
/// End of the data area.
pub(crate) const HIGH_END: u64 = DATA + 5 * PAGE;
/// The data pages in order.
pub(crate) const DATA_PAGES: [u64; 4] = [DATA, DATA + PAGE, HIGH, READ_ONLY];
/// Bytes of a case's window of memory.
pub(crate) const WINDOW: u64 = 192;

/// Address of slot `index` of a batch.
pub(crate) const fn slot_address(index: usize) -> u64 {
    let (page, place) = (index as u64 / SLOTS_PER_PAGE, index as u64 % SLOTS_PER_PAGE);
    CODE + page * PAGE + MARGIN + place * SLOT
}

/// Whether the address is where cases' instructions are.
pub(crate) const fn is_slot(address: u64) -> bool {
    let offset = address.wrapping_sub(CODE);
    offset < 2 * PAGE && offset % PAGE >= MARGIN && offset % PAGE < PAGE - MARGIN
}

/// A window of writable memory around `target`.
pub(crate) fn window_around(target: u64) -> u64 {
    let (low, high) =
        if target < DATA_END + PAGE / 2 { (DATA, DATA_END) } else { (HIGH, READ_ONLY) };
    (target.saturating_sub(WINDOW / 3) & !15).clamp(low, high - WINDOW)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_are_writable() {
        for target in DATA - 64..HIGH_END + 64 {
            let window = window_around(target);
            let low = window >= DATA && window + WINDOW <= DATA_END;
            let high = window >= HIGH && window + WINDOW <= READ_ONLY;
            assert!(low || high, "{target:x}");
        }
    }

    #[test]
    fn slots_keep_clear_of_margins() {
        assert_eq!(slot_address(0), CODE + 64);
        assert_eq!(slot_address(247) + SLOT, CODE + PAGE - 64);
        assert_eq!(slot_address(BATCH - 1) + SLOT, CODE + 2 * PAGE - 64);
        assert!((0..BATCH).all(|n| is_slot(slot_address(n))));
    }
}
