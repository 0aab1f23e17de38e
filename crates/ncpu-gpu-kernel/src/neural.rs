//! Machines whose arithmetic is that of networks: a warp for each.
//!
//! All threads of the warp execute the machine, each the same with registers of its own. A result they compute
//! together: each evaluates a cell's network at two of a plane's 64 positions, and votes put the outputs
//! together to planes. What must happen once, the first thread does ([`Mem::execute_together`]).
//!
//! Where many results are wanted that do not depend on each other, a thread alone computes each, with
//! networks evaluated in additions of planes ([`ncpu_neural_alu::schedule`]).
//!
//! [`Mem::execute_together`]: ncpu_machine::mem::Mem::execute_together

use crate::batch::{Batch, WARP, state};
use crate::execute;
use crate::packed::{self, PackedNetworks};
use core::convert::Infallible;
use core::sync::atomic::{AtomicU32, Ordering};
use ncpu_machine::{StopAfter, warp};
use ncpu_neural_alu::alu::Compute;
use ncpu_neural_alu::bits::Evaluate;
use ncpu_neural_alu::pairs::{Counts, of_16_bits};
use ncpu_neural_alu::{BitSliced, Bits, CellId, Cells, NeuralAlu, Operation};

/// Executes the machine of the thread's warp, as far as its record says.
///
/// # Safety
/// The batch must be complete, with networks, and no other warp may use the machine.
pub unsafe fn execute(batch: &Batch, thread: u32) {
    let (lane, place) = (thread / WARP, thread % WARP);
    if lane >= batch.lanes || warp::is_missing() && place != 0 {
        return;
    }
    // SAFETY: the caller's promise.
    unsafe {
        let alu = NeuralAlu::with(Together(&*batch.networks));
        let record = batch.record(lane);
        let (wanted, left) = match record.state {
            state::EXACT => {
                (state::EXACT, record.limit.saturating_sub(record.total + record.retired))
            }
            _ => (state::RUN, u64::MAX),
        };
        let observer = &mut StopAfter(left);
        execute::execute::<_, _, false, true>(batch, lane, wanted, &alu, observer);
        if warp::lane() == 0 {
            (*batch.tallies.add(lane as usize)).add(&alu.tallies());
        }
    }
}

/// Results that all threads of a warp compute.
struct Together<'n>(&'n PackedNetworks);

impl Compute for Together<'_> {
    #[inline(always)]
    fn compute(&self, operation: Operation, a: u64, b: u64, carry: u64) -> ([u64; 2], u64) {
        let (result, rest) = compute(self.0, operation, a, b, carry);
        ([result, u64::from(rest as u32)], rest >> 32)
    }
}

/// Computes a result in all threads of the warp: the result, and its flags with the number of evaluations of
/// cells above. Out of line, so that votes of all threads are the same instruction.
#[inline(never)]
fn compute(
    networks: &PackedNetworks,
    operation: Operation,
    a: u64,
    b: u64,
    carry: u64,
) -> (u64, u64) {
    warp::meet();
    let ([result, flags], evaluated) = Positions(networks).compute(operation, a, b, carry);
    (result, flags | evaluated << 32)
}

/// Networks evaluated by all threads of a warp, each at two positions.
struct Positions<'n>(&'n PackedNetworks);

impl Positions<'_> {
    /// Evaluates a cell as the thread at this place does: at this position and the one a warp above. An
    /// output is set where its number is negative.
    #[inline(always)]
    fn at<const I: usize, const O: usize>(
        &self,
        place: u32,
        cell: CellId,
        inputs: [u64; I],
    ) -> [[i32; O]; 2] {
        let raise = WARP - 1 - place;
        let low = packed::see(inputs.map(|plane| (plane as u32) << raise));
        let high = packed::see(inputs.map(|plane| ((plane >> WARP) as u32) << raise));
        self.0.cell(cell).evaluate::<I, O>(cell, [low, high])
    }
}

impl Evaluate for Positions<'_> {
    #[inline(always)]
    fn evaluate<const I: usize, const O: usize>(&self, cell: CellId, inputs: [u64; I]) -> [u64; O] {
        #[cfg(target_arch = "nvptx64")]
        {
            // SAFETY: reading this register has no conditions.
            let place = unsafe { core::arch::nvptx::_thread_idx_x() } as u32 % WARP;
            let [low, high] = self.at::<I, O>(place, cell, inputs);
            let vote = |sum: i32| u64::from(warp::lanes_that(sum < 0));
            core::array::from_fn(|output| vote(low[output]) | vote(high[output]) << WARP)
        }
        #[cfg(not(target_arch = "nvptx64"))]
        {
            let mut planes = [0; O];
            for place in 0..WARP {
                let both = self.at::<I, O>(place, cell, inputs);
                for (sums, position) in both.into_iter().zip([place, place + WARP]) {
                    for (sum, plane) in sums.into_iter().zip(&mut planes) {
                        *plane |= u64::from(sum < 0) << position;
                    }
                }
            }
            planes
        }
    }
}

/// Results that depend on each other, and how fast they come: the parameter of [`chain`].
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Chains {
    /// Networks of a thread alone.
    pub cells: *const Cells,
    /// Networks of the threads of a warp.
    pub networks: *const PackedNetworks,
    /// Number of the [`Operation`].
    pub operation: u32,
    /// Results of each chain.
    pub length: u32,
    /// Chains.
    pub count: u32,
    /// 1 for a warp for each chain, 0 for a thread.
    pub together: u32,
    /// First operands; then the last results.
    pub a: *mut u64,
    /// Second operands, the same for all results of a chain.
    pub b: *const u64,
}

/// Computes `a = a op b` as often as `chains` says, for each of its chains.
///
/// # Safety
/// What `chains` leads to must be as it says, and used by nothing else.
pub unsafe fn chain(chains: &Chains, thread: u32) {
    let Some(operation) = Operation::from_number(chains.operation) else { return };
    let number = if chains.together != 0 { thread / WARP } else { thread } as usize;
    // On the host, one thread does the work of all.
    let is_needed =
        cfg!(target_arch = "nvptx64") || chains.together == 0 || thread.is_multiple_of(WARP);
    if number >= chains.count as usize || !is_needed {
        return;
    }
    // SAFETY: the caller's promise. Threads of a warp write the same result.
    unsafe {
        let (a, b) = (chains.a.add(number), *chains.b.add(number));
        let mut result = *a;
        if chains.together != 0 {
            let networks = &*chains.networks;
            for _ in 0..chains.length {
                (result, _) = compute(networks, operation, result, b, 0);
            }
        } else {
            let alone = BitSliced::new(&*chains.cells);
            for _ in 0..chains.length {
                [result, _] = alone.compute(operation, result, b, 0).0;
            }
        }
        *a = result;
    }
}

/// Pairs of operands of 16 bits: the parameter of [`check`]. They are numbered in their order.
#[repr(C)]
#[derive(Debug)]
pub struct Pairs {
    /// Networks.
    pub cells: *const Cells,
    /// Least of the first operands.
    pub first: u32,
    /// Least of the second operands.
    pub second: u32,
    /// How many second operands there are, from 1.
    pub seconds: u32,
    /// Pairs; with the threads, less than 2^32.
    pub count: u32,
    /// Threads that they are spread over, from 1.
    pub threads: u32,
    /// Whether a result is wrong: not zero if one is.
    pub is_wrong: AtomicU32,
    /// What each thread has found.
    pub found: *mut Checked,
}

/// What a thread has found of its pairs, of this launch and those before. Plain words.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct Checked {
    /// Results that are right.
    pub right: Counts,
    /// The first that is wrong: one more than the number of what was compared; zero if none is.
    pub wrong: u32,
    /// Its first operand.
    pub a: u16,
    /// Its second operand.
    pub b: u16,
    /// It.
    pub result: u64,
    /// What it should be.
    pub expected: u64,
}

/// Computes all results of every pair that is the thread's, and compares them with what they should be.
///
/// # Safety
/// What `pairs` leads to must be as it says, and used by nothing else.
pub unsafe fn check(pairs: &Pairs, thread: u32) {
    if thread >= pairs.threads {
        return;
    }
    // SAFETY: the caller's promise; no other thread has this number.
    let (cells, checked) = unsafe { (&*pairs.cells, &mut *pairs.found.add(thread as usize)) };
    let evaluator = BitSliced::new(cells);
    let mut number = thread;
    while number < pairs.count {
        let a = (pairs.first + number / pairs.seconds) as u16;
        let b = (pairs.second + number % pairs.seconds) as u16;
        let d = &mut Bits::new(&evaluator);
        let Ok(()) = of_16_bits(d, a, b, |compared, result, expected| {
            let is_right = result == expected;
            checked.right.bump(compared, is_right.into());
            if !is_right && checked.wrong == 0 {
                let wrong = compared as u32 + 1;
                *checked = Checked { right: checked.right, wrong, a, b, result, expected };
                pairs.is_wrong.store(1, Ordering::Relaxed);
            }
            Ok::<(), Infallible>(())
        });
        number += pairs.threads;
    }
}
