//! How many instructions lanes execute in a round.

use crate::lanes::Spent;
use ncpu_gpu_kernel::Round;
use std::time::Duration;

/// Longest that lanes should execute in a round: the display, Ctrl-C and other users of the card wait
/// for it.
const LONG: Duration = Duration::from_millis(4);
/// The same when many lanes wait to be served, which do nothing until the others are through with their
/// slice. It is still many times what starting the kernels takes.
const SHORT: Duration = Duration::from_millis(1);
/// Lanes of which one is served in a round that many wait in.
const MANY: u32 = 4;
/// Least and most instructions: some lines of a program, and what one lane executes in 100 ms.
const SLICES: std::ops::RangeInclusive<u32> = 1 << 10..=1 << 20;
/// The most that rounds lead to in which lanes found their code missing: they say little of how long a slice takes.
const LIFTING: u32 = 1 << 15;

/// Instructions of the next round, from what the last ones took. Where rounds are cut is no part of a
/// machine's history.
pub(crate) struct Pace {
    slice: u32,
}

impl Pace {
    /// A pace to start with: no lane takes long for it.
    pub(crate) const fn new() -> Pace {
        Pace { slice: 1 << 13 }
    }

    /// Instructions of the next round.
    pub(crate) const fn slice(&self) -> u32 {
        self.slice
    }

    /// Takes a round into account, in which so many lanes had a machine that had not stopped.
    pub(crate) fn after(&mut self, round: &Round, spent: &Spent, running: u32) {
        let do_many_wait = round.waiting != 0 && round.waiting >= running / MANY;
        // Lanes that wait do not gain from a slice that is much shorter than what serving them takes,
        // and the others lose.
        let most = if do_many_wait { spent.serving.clamp(SHORT, LONG) } else { LONG };
        let could_be_longer = round.lifting == 0 || self.slice < LIFTING;
        self.slice = if spent.executing > most {
            self.slice / 2
        } else if spent.executing < most / 2 && round.waiting < running && could_be_longer {
            self.slice * 2
        } else {
            // It took as long as it should, or no lane would have gone further with more.
            self.slice
        };
        self.slice = self.slice.clamp(*SLICES.start(), *SLICES.end());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slice_after(rounds: u32, waiting: u32, executing: u64, serving: u64) -> u32 {
        let mut pace = Pace::new();
        let [executing, serving] = [executing, serving].map(Duration::from_micros);
        for _ in 0..rounds {
            let spent = Spent { executing, serving, ..Spent::default() };
            pace.after(&Round { waiting, ..Round::default() }, &spent, 100);
        }
        pace.slice()
    }

    #[test]
    fn slices_grow_and_shrink_to_some_milliseconds_whatever_serving_takes() {
        let first = Pace::new().slice();
        assert_eq!(slice_after(2, 1, 100, 50_000), 4 * first);
        assert_eq!(slice_after(2, 1, 5_000, 0), first / 4);
        assert_eq!(slice_after(2, 1, 3_000, 0), first);
        assert_eq!(slice_after(100, 0, 1, 0), *SLICES.end());
        assert_eq!(slice_after(100, 0, 9_000, 0), *SLICES.start());
    }

    #[test]
    fn slices_grow_to_some_length_while_code_is_missing() {
        let mut pace = Pace::new();
        let spent = Spent { executing: Duration::from_micros(10), ..Spent::default() };
        for _ in 0..100 {
            pace.after(&Round { lifting: 1, ..Round::default() }, &spent, 100);
        }
        assert_eq!(pace.slice(), LIFTING);
        pace.after(&Round::default(), &spent, 100);
        assert_eq!(pace.slice(), 2 * LIFTING);
    }

    #[test]
    fn where_many_wait_slices_are_as_long_as_serving() {
        let first = Pace::new().slice();
        assert_eq!(slice_after(1, 25, 1_500, 100), first / 2);
        assert_eq!(slice_after(1, 25, 1_500, 2_000), first);
        assert_eq!(slice_after(1, 25, 5_000, 90_000), first / 2);
        assert_eq!(slice_after(1, 100, 10, 100), first, "all of them wait");
    }
}
