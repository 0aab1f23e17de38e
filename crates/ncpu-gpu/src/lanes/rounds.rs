//! Rounds: lanes execute and are served.

use super::{Lanes, in_order};
use crate::error::Result;
use crate::memory::places_bytes;
use crate::plain::Plain;
use ncpu_cuda::{Device, Mark};
use ncpu_gpu_kernel::batch::{LIFTS, WARP};
use ncpu_gpu_kernel::{Round, lifting};
use ncpu_machine::BlockLayout;
use std::time::Duration;

/// Time that a device spent on lanes.
#[derive(Clone, Copy, Debug, Default)]
pub struct Spent {
    /// Executing guest instructions, and having lanes and frames lie well for it.
    pub executing: Duration,
    /// Serving system calls, faults and signals, and scheduling.
    pub serving: Duration,
    /// Lifting code.
    pub lifting: Duration,
}

/// A round on its way.
pub(crate) struct Begun {
    start: Mark,
    executed: Mark,
    served: Mark,
}

/// Warps of a multiprocessor from which on lanes fill the warps up: lanes that go ways of their own wait
/// less for each other in fewer to a warp, but where all go the same way, more warps are no faster
/// (docs/measurements/lanes.md).
const BUSY: u32 = 4;

/// Lanes of a warp, for so many that have a machine on so many multiprocessors.
pub(super) fn width(lanes: u32, processors: u32) -> u32 {
    lanes.div_ceil(BUSY * processors).next_power_of_two().min(WARP)
}

/// The part of the lanes with a machine that may be in warps whose lanes are at different places before they are
/// grouped anew.
const APART: u32 = 8;

/// The part of all lanes that may be without a machine and stay where they are.
const IDLE: u32 = 16;

/// Rounds in which lanes do the same before frames are laid out for that, and what a round counts in which they
/// go ways of their own. (To lay them out takes as long as some rounds.)
pub(super) const LONG: u32 = 16;
const PARTING: u32 = 4;

/// Blocks of frames that are laid out at a time, so that a launch takes some milliseconds.
const MOVED: u32 = 1 << 14;

/// Warps of a multiprocessor that serve at a time, for the registers that serving takes.
const SERVING: u32 = 8;

impl<D: Device> Lanes<D> {
    /// Lets every lane execute up to `slice` instructions and be served, and lifts the code that was
    /// missing. A lane that comes to its limit stops there, to the instruction. Says what has come of it
    /// and what it took.
    ///
    /// # Errors
    /// When a call of the driver fails.
    pub fn round(&mut self, slice: u32) -> Result<(Round, Spent)> {
        let begun = self.begin(slice, self.lanes)?;
        self.finish(&begun)
    }

    /// The first half of [`Lanes::round`]: the device has been told what to do. So many lanes have a machine.
    ///
    /// # Errors
    /// When a call of the driver fails.
    pub(crate) fn begin(&mut self, slice: u32, alive: u32) -> Result<Begun> {
        // Warps of one lane have an interpreter of their own, which is not loaded for those that are left.
        let width = match self.record.width {
            1 => 1,
            _ => width(alive, self.device.processors()).max(2),
        };
        let is_spread_anew = width != self.record.width;
        if self.record.slice != slice || is_spread_anew {
            (self.record.slice, self.record.width) = (slice, width);
            self.send()?;
        }
        let start = self.device.mark()?;
        let are_apart = self.apart > alive / APART;
        // In that order, lanes that execute nothing come last in their region.
        if is_spread_anew || are_apart {
            self.group()?;
        }
        self.rounds_apart = match are_apart {
            true => LONG.min(self.rounds_apart + PARTING),
            false => self.rounds_apart.saturating_sub(1),
        };
        match (self.rounds_apart, self.record.block_layout) {
            (LONG, BlockLayout::Spread) => self.lay_out(BlockLayout::Pieces, MOVED)?,
            (0, BlockLayout::Pieces) => self.lay_out(BlockLayout::Spread, MOVED)?,
            // Spread frames are best in the order of memory, unless lanes without a machine are to come last.
            (0, BlockLayout::Spread) if self.lanes - alive <= self.lanes / IDLE => {
                self.put_in_order()?
            }
            _ => {}
        }
        let at = self.record.round.addr() as u64;
        self.device.fill(at, 0, size_of::<Round>() as u64)?;
        self.execute()?;
        let executed = self.device.mark()?;
        self.serve()?;
        let served = self.device.mark()?;
        Ok(Begun { start, executed, served })
    }

    /// The second half: it has done it.
    ///
    /// # Errors
    /// When a call of the driver fails.
    pub(crate) fn finish(&mut self, begun: &Begun) -> Result<(Round, Spent)> {
        let Begun { start, executed, mut served } = *begun;
        let at = self.record.round.addr() as u64;
        let mut round = Round::default();
        self.device.download(at, round.bytes_mut())?;
        if round.served < round.waiting {
            while round.served < round.waiting {
                self.serve()?;
                self.device.download(at, round.bytes_mut())?;
            }
            served = self.device.mark()?;
        }
        self.rounds += 1;
        self.exact = round.exact != 0;
        self.apart = round.apart;
        let mut spent = Spent {
            executing: self.between(start, executed)?,
            serving: self.between(executed, served)?,
            lifting: Duration::ZERO,
        };
        if round.lifting != 0 {
            self.launch("ncpu_lift_decode", lifting::WORD_THREADS)?;
            self.launch("ncpu_lift_place", LIFTS)?;
            self.launch("ncpu_lift_emit", lifting::WORD_THREADS)?;
            self.launch("ncpu_lift_end", LIFTS)?;
            let lifted = self.device.mark()?;
            self.device.download(at, round.bytes_mut())?;
            spent.lifting = self.between(served, lifted)?;
        }
        self.spent.executing += spent.executing;
        self.spent.serving += spent.serving;
        self.spent.lifting += spent.lifting;
        if round.full != 0 {
            self.drop_code()?;
        }
        Ok((round, spent))
    }

    /// Has warps execute those lanes together that are near each other in the code. This has no part in any
    /// result.
    ///
    /// # Errors
    /// When a call of the driver fails.
    pub fn group(&mut self) -> Result<()> {
        self.is_in_order = false;
        let places = self.record.places.addr() as u64;
        self.device.fill(places, 0, places_bytes(self.lanes))?;
        self.launch("ncpu_count", self.lanes)?;
        self.launch("ncpu_arrange", self.lanes)
    }

    /// Lays the frames of all lanes out, about so many blocks in a launch: in pieces where lanes go ways of their
    /// own, else spread, and then in the order of their memory. This has no part in any result.
    ///
    /// # Errors
    /// When a call of the driver fails.
    ///
    /// # Panics
    /// When blocks are single frames.
    pub fn lay_out(&mut self, layout: BlockLayout, blocks: u32) -> Result<()> {
        assert!(self.record.movers != 0, "blocks are single frames");
        if self.record.block_layout == layout {
            return Ok(());
        }
        self.record.block_layout = layout;
        if layout == BlockLayout::Spread {
            self.put_in_order()?;
        }
        let numbers = (blocks / self.lanes.div_ceil(WARP)).max(1);
        let (at, mut round) = (self.record.round.addr() as u64, Round::default());
        let mut end = 1;
        loop {
            let first = end;
            end = self.record.frame_limit.min(first + numbers);
            self.record.moving = [first, end];
            self.send()?;
            self.device.fill(at, 0, size_of::<Round>() as u64)?;
            self.launch("ncpu_lay_out", self.record.movers * WARP)?;
            self.device.download(at, round.bytes_mut())?;
            if round.moving == 0 {
                return Ok(());
            }
        }
    }

    /// Has warps execute lanes in the order of their memory.
    fn put_in_order(&mut self) -> Result<()> {
        if !self.is_in_order {
            self.device.upload(self.record.order.addr() as u64, &in_order(self.lanes))?;
            self.is_in_order = true;
        }
        Ok(())
    }

    /// All lanes, as warps execute them.
    ///
    /// # Errors
    /// When a call of the driver fails.
    pub fn order(&self) -> Result<Vec<u32>> {
        self.numbers(self.record.order.addr() as u64, self.lanes)
    }

    /// Numbers that are somewhere in the device's memory.
    pub(super) fn numbers(&self, at: u64, count: u32) -> Result<Vec<u32>> {
        let mut bytes = vec![0; 4 * count as usize];
        self.device.download(at, &mut bytes)?;
        let (numbers, _) = bytes.as_chunks();
        Ok(numbers.iter().copied().map(u32::from_le_bytes).collect())
    }

    fn execute(&self) -> Result<()> {
        if !self.record.networks.is_null() {
            return self.launch("ncpu_execute_neural", self.lanes * WARP);
        }
        let threads = self.record.threads();
        let execute = if self.record.width == 1 { "ncpu_execute_alone" } else { "ncpu_execute" };
        self.launch(execute, threads)?;
        if self.exact {
            self.launch("ncpu_execute_exactly", threads)?;
        }
        Ok(())
    }

    /// Serves lanes that wait, for some milliseconds.
    fn serve(&self) -> Result<()> {
        let servers = self.lanes.min(SERVING * self.device.processors());
        self.launch("ncpu_serve", servers * WARP)
    }

    fn between(&self, from: Mark, to: Mark) -> Result<Duration> {
        let milliseconds = self.device.elapsed(&from, &to)?;
        Ok(Duration::from_secs_f32(milliseconds.max(0.0) / 1e3))
    }
}
