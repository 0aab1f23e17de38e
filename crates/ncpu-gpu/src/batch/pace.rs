//! How many instructions lanes execute in a round.

use ncpu_gpu_kernel::Round;
use std::time::Duration;

/// Longest that a round should take: the display, Ctrl-C and other users of the card wait for it.
const LONG: Duration = Duration::from_millis(4);
/// The same when lanes wait to be served, which do nothing until the others are through with their
/// slice. It is still many times what starting the kernels takes.
const SHORT: Duration = Duration::from_millis(1);
/// Lanes of which one is served in a round that many wait in.
const MANY: u32 = 4;
/// Least and most instructions: some lines of a program, and what one lane executes in 100 ms.
const SLICES: std::ops::RangeInclusive<u32> = 1 << 10..=1 << 20;

/// Instructions of the next round, from what the last ones took.
pub(super) struct Pace {
    slice: u32,
}

impl Pace {
    /// A pace to start with: no lane takes long for it.
    pub(super) const fn new() -> Pace {
        Pace { slice: 1 << 13 }
    }

    /// Instructions of the next round.
    pub(super) const fn slice(&self) -> u32 {
        self.slice
    }

    /// Takes a round into account, with so many lanes that had a machine.
    pub(super) fn after(&mut self, round: &Round, wall: Duration, running: u32) {
        let most = if round.served >= running / MANY { SHORT } else { LONG };
        let slice = if wall > most {
            self.slice / 2
        } else if wall < most / 2 && round.served < running {
            self.slice * 2
        } else {
            // It took as long as it should, or no lane would have gone further with more.
            self.slice
        };
        self.slice = slice.clamp(*SLICES.start(), *SLICES.end());
    }
}
