//! Every input of a range, on all cores.

use std::ops::Range;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

/// Inputs that a thread takes at a time.
const CHUNK: u64 = 1 << 20;

/// The largest error, and the least input that has it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Worst {
    /// In whatever unit was measured.
    pub error: f64,
    /// The input.
    pub at: u64,
}

impl Worst {
    const NONE: Worst = Worst { error: -1.0, at: u64::MAX };

    /// Takes over what is worse. Errors are not NaN.
    fn merge(&mut self, other: Worst) {
        if other.error > self.error || (other.error == self.error && other.at < self.at) {
            *self = other;
        }
    }
}

/// Measures `N` errors of each input that `step` divides and gives the worst of each; `done` is told of
/// how much of the range was dealt with.
pub fn sweep<const N: usize>(
    inputs: Range<u64>,
    step: u64,
    threads: usize,
    measure: impl Fn(u64) -> [f64; N] + Sync,
    done: impl Fn(u64) + Sync,
) -> [Worst; N] {
    let next = AtomicU64::new(inputs.start);
    let all = Mutex::new([Worst::NONE; N]);
    std::thread::scope(|scope| {
        for _ in 0..threads.max(1) {
            scope.spawn(|| {
                let mut own = [Worst::NONE; N];
                loop {
                    let start = next.fetch_add(CHUNK, Ordering::Relaxed);
                    if start >= inputs.end {
                        break;
                    }
                    let end = inputs.end.min(start + CHUNK);
                    for at in (start.next_multiple_of(step)..end).step_by(step as usize) {
                        for (worst, error) in own.iter_mut().zip(measure(at)) {
                            if error > worst.error {
                                *worst = Worst { error, at };
                            }
                        }
                    }
                    done(end - start);
                }
                let mut all = all.lock().expect("no thread panics");
                all.iter_mut().zip(own).for_each(|(worst, own)| worst.merge(own));
            });
        }
    });
    all.into_inner().expect("no thread panics")
}

#[cfg(test)]
mod tests {
    use super::{Worst, sweep};
    use std::sync::atomic::{AtomicU64, Ordering};

    #[test]
    fn every_input_is_measured_once_and_the_worst_is_found() {
        let (sum, told) = (AtomicU64::new(0), AtomicU64::new(0));
        let inputs = 5..3_000_000;
        let measure = |at| {
            sum.fetch_add(at, Ordering::Relaxed);
            [if at == 2_345_678 || at == 2_900_000 { 7.0 } else { 1.0 }, at as f64]
        };
        let worst = sweep(inputs, 1, 2, measure, |count| {
            told.fetch_add(count, Ordering::Relaxed);
        });
        assert_eq!(worst[0], Worst { error: 7.0, at: 2_345_678 });
        assert_eq!(worst[1], Worst { error: 2_999_999.0, at: 2_999_999 });
        assert_eq!(told.into_inner(), 2_999_995);
        assert_eq!(sum.into_inner(), 3_000_000 * 2_999_999 / 2 - 10);
    }

    #[test]
    fn a_sample_is_the_multiples_of_its_step() {
        let [most] = sweep(1..2_097_160, 1000, 2, |at| [(at % 1000 + at) as f64], |_| {});
        assert_eq!(most, Worst { error: 2_097_000.0, at: 2_097_000 });
    }
}
