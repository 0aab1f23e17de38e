//! Cases read ahead: several threads read and parse them, and they come out in order.

use super::cases::{Pending, Source};
use super::results::Earlier;
use anyhow::anyhow;
use ncpu_engine::batch::{Case, Finished};
use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::Poll;
use std::thread::{Builder, available_parallelism};
use std::time::{Duration, Instant};

/// Bytes of input that wait, about, before no more is read.
const AHEAD: usize = 256 << 20;
/// Threads at most: memory does not get faster by more.
const THREADS: usize = 16;
/// How often a wait for input looks whether the batch is to stop.
const LOOK: Duration = Duration::from_millis(50);

/// A case, or the end of one that cannot be read.
pub(super) type Read = Result<Case, Box<Finished>>;

/// Cases on their way. The threads end when this is dropped, or with the process if they wait for a
/// terminal or a pipe.
pub(super) struct Reading {
    shared: Arc<Shared>,
    ready: VecDeque<anyhow::Result<Read>>,
}

struct Shared {
    source: Mutex<Numbered>,
    earlier: Arc<Earlier>,
    read: Mutex<Chunks>,
    changed: Condvar,
}

/// The source, and the number of the chunk that comes next from it.
struct Numbered {
    source: Source,
    next: u64,
}

/// What was read and not taken, by number.
#[derive(Default)]
struct Chunks {
    chunks: BTreeMap<u64, Vec<anyhow::Result<Read>>>,
    bytes: usize,
    taken: u64,
    /// Number of the chunk that does not exist any more.
    end: Option<u64>,
    is_abandoned: bool,
}

/// What a panic elsewhere left is still in order: nothing panics with these locks held.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Reading {
    /// Starts to read the cases that have no result yet.
    pub(super) fn start(source: Source, earlier: Arc<Earlier>) -> io::Result<Reading> {
        let shared = Arc::new(Shared {
            source: Mutex::new(Numbered { source, next: 0 }),
            earlier,
            read: Mutex::default(),
            changed: Condvar::new(),
        });
        for _ in 0..available_parallelism().map_or(1, |threads| threads.get().min(THREADS)) {
            let shared = Arc::clone(&shared);
            Builder::new()
                .name("read-inputs".into())
                .spawn(move || while shared.read_chunk() {})?;
        }
        Ok(Reading { shared, ready: VecDeque::new() })
    }

    /// The next case, if one comes in so long; `None` after the last one, and when the batch is to stop.
    ///
    /// # Errors
    /// When there is no telling what would come next.
    pub(super) fn next(
        &mut self,
        stop: &AtomicBool,
        patience: Duration,
    ) -> anyhow::Result<Poll<Option<Read>>> {
        let until = Instant::now() + patience;
        loop {
            if let Some(next) = self.ready.pop_front() {
                return next.map(|read| Poll::Ready(Some(read)));
            }
            let mut read = lock(&self.shared.read);
            let number = read.taken;
            if let Some(chunk) = read.chunks.remove(&number) {
                read.bytes -= chunk.iter().map(bytes).sum::<usize>();
                read.taken += 1;
                self.shared.changed.notify_all();
                self.ready.extend(chunk);
            } else if read.end == Some(number) || stop.load(Ordering::Relaxed) {
                return Ok(Poll::Ready(None));
            } else {
                let left = until.saturating_duration_since(Instant::now());
                if left.is_zero() {
                    return Ok(Poll::Pending);
                }
                let waited = self.shared.changed.wait_timeout(read, left.min(LOOK));
                drop(waited.unwrap_or_else(PoisonError::into_inner));
            }
        }
    }
}

impl Drop for Reading {
    fn drop(&mut self) {
        lock(&self.shared.read).is_abandoned = true;
        self.shared.changed.notify_all();
    }
}

fn bytes(read: &anyhow::Result<Read>) -> usize {
    match read {
        Ok(Ok(case)) => case.input.len() + size_of::<Case>(),
        _ => 0,
    }
}

impl Shared {
    /// Reads the next chunk once there is room for it; false when there is nothing more to do. Whoever
    /// has begun a chunk completes it, so the one that is waited for always comes.
    fn read_chunk(&self) -> bool {
        let mut read = lock(&self.read);
        while read.bytes >= AHEAD && !read.is_abandoned {
            read = self.changed.wait(read).unwrap_or_else(PoisonError::into_inner);
        }
        if read.is_abandoned || read.end.is_some() {
            return false;
        }
        drop(read);
        let (number, pending) = {
            let mut source = lock(&self.source);
            source.next += 1;
            (source.next - 1, source.source.chunk())
        };
        let load = |pending: Vec<Pending>| -> Vec<_> {
            pending.into_iter().filter_map(|one| one.load(&self.earlier).transpose()).collect()
        };
        let chunk = match pending {
            Ok(None) => None,
            Ok(Some(pending)) => Some(
                catch_unwind(AssertUnwindSafe(|| load(pending)))
                    .unwrap_or_else(|_| vec![Err(anyhow!("reading an input panicked"))]),
            ),
            Err(error) => Some(vec![Err(error)]),
        };
        let mut read = lock(&self.read);
        let is_last = chunk.is_none();
        match chunk {
            Some(chunk) => {
                read.bytes += chunk.iter().map(bytes).sum::<usize>();
                read.chunks.insert(number, chunk);
            }
            // Several threads may come to the end.
            None => read.end = Some(read.end.map_or(number, |end| end.min(number))),
        }
        self.changed.notify_all();
        !is_last
    }
}

#[cfg(test)]
mod tests {
    use super::Reading;
    use crate::batch::cases::Source;
    use std::sync::Arc;
    use std::sync::atomic::AtomicBool;
    use std::task::Poll;
    use std::time::Duration;

    #[test]
    fn cases_come_in_order_and_then_nothing() {
        let source = Source::Range { numbers: 7..20_007, start: 7 };
        let mut reading = Reading::start(source, Arc::default()).unwrap();
        let go_on = AtomicBool::new(false);
        let long = Duration::from_secs(60);
        for index in 0..20_000 {
            let Poll::Ready(Some(Ok(case))) = reading.next(&go_on, long).unwrap() else {
                panic!("case {index} is missing")
            };
            assert_eq!((case.index, case.label), (index, (index + 7).to_string()));
        }
        for _ in 0..2 {
            assert!(matches!(reading.next(&go_on, long), Ok(Poll::Ready(None))));
        }
    }
}
