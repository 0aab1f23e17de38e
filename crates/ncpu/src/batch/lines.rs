//! Rows as lines of JSON: several threads encode them, and write them in the order in which machines ended.
//!
//! Rows that come while others are written are written together, so each is there soon, and many take few
//! writes.

use super::results::{Results, Row};
use ncpu_engine::batch::Finished;
use std::fs::File;
use std::io::{self, Seek, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{Builder, JoinHandle, available_parallelism};

/// Threads at most: more encode faster than files are written.
const THREADS: usize = 4;
/// Rows that wait at most, rows and bytes of output that are taken at a time.
const WAITING: usize = 1024;
const ROWS: usize = 256;
const BYTES: usize = 1 << 20;

/// Lines of JSON.
pub(super) struct Lines {
    give: SyncSender<Finished>,
    writer: Arc<Writer>,
    threads: Vec<JoinHandle<()>>,
}

struct Writer {
    taken: Mutex<Taken>,
    out: Mutex<Out>,
    /// Another thread may write.
    turn: Condvar,
    has_failed: AtomicBool,
}

/// Where rows come from, and the number of those that come next.
struct Taken {
    from: Receiver<Finished>,
    next: u64,
}

struct Out {
    to: Box<dyn Write + Send>,
    /// The file that it is, if that is one that can be cut.
    file: Option<File>,
    /// Number of the rows that are to be written now.
    next: u64,
    rows: u64,
    error: Option<io::Error>,
}

/// What a panic elsewhere left is still in order.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Lines {
    pub(super) fn new(to: Box<dyn Write + Send>, file: Option<File>) -> io::Result<Lines> {
        let file = file.filter(|file| file.metadata().is_ok_and(|metadata| metadata.is_file()));
        let (give, from) = sync_channel(WAITING);
        let writer = Arc::new(Writer {
            taken: Mutex::new(Taken { from, next: 0 }),
            out: Mutex::new(Out { to, file, next: 0, rows: 0, error: None }),
            turn: Condvar::new(),
            has_failed: AtomicBool::new(false),
        });
        let count = available_parallelism().map_or(1, |threads| threads.get().min(THREADS));
        let thread = |_| {
            let writer = Arc::clone(&writer);
            Builder::new().name("write-rows".into()).spawn(move || while writer.write_some() {})
        };
        let threads = (0..count).map(thread).collect::<io::Result<_>>()?;
        Ok(Lines { give, writer, threads })
    }

    /// Waits until everything is written; how many rows that is, and what went wrong.
    fn end(self) -> (u64, Option<io::Error>) {
        drop(self.give);
        for thread in self.threads {
            if thread.join().is_err() {
                self.writer.has_failed.store(true, Ordering::Relaxed);
            }
        }
        let mut out = lock(&self.writer.out);
        (out.rows, out.error.take())
    }
}

impl Results for Lines {
    fn push(&mut self, finished: Finished) -> io::Result<()> {
        let unsaid = || io::Error::other("the threads that write have ended");
        if self.writer.has_failed.load(Ordering::Relaxed) {
            return Err(lock(&self.writer.out).error.take().unwrap_or_else(unsaid));
        }
        self.give.send(finished).map_err(|_| unsaid())
    }

    fn finish(self: Box<Self>) -> Result<u64, (u64, io::Error)> {
        match self.end() {
            (rows, None) => Ok(rows),
            (rows, Some(error)) => Err((rows, error)),
        }
    }

    fn abandon(self: Box<Self>) -> u64 {
        self.end().0
    }
}

impl Writer {
    /// Writes the rows that wait, or waits for one; false when there will be no more.
    fn write_some(&self) -> bool {
        let mut rows = Vec::new();
        let number = {
            let mut taken = lock(&self.taken);
            let Ok(first) = taken.from.recv() else { return false };
            let mut bytes = first.stdout.bytes.len() + first.stderr.bytes.len();
            rows.push(first);
            while rows.len() < ROWS
                && bytes < BYTES
                && let Ok(more) = taken.from.try_recv()
            {
                bytes += more.stdout.bytes.len() + more.stderr.bytes.len();
                rows.push(more);
            }
            taken.next += 1;
            taken.next - 1
        };
        let (mut text, mut ends) = (Vec::new(), Vec::with_capacity(rows.len()));
        let encoded = rows.iter().try_for_each(|row| {
            serde_json::to_writer(&mut text, &Row::of(row))?;
            text.push(b'\n');
            ends.push(text.len());
            Ok(())
        });
        let mut out = lock(&self.out);
        while out.next != number {
            out = self.turn.wait(out).unwrap_or_else(PoisonError::into_inner);
        }
        if !self.has_failed.load(Ordering::Relaxed)
            && let Err(error) = encoded.and_then(|()| out.write(&text, &ends))
        {
            out.error = Some(error);
            self.has_failed.store(true, Ordering::Relaxed);
        }
        out.next += 1;
        self.turn.notify_all();
        true
    }
}

impl Out {
    /// Writes rows that end at these places. Where that fails, the file has whole rows only.
    fn write(&mut self, text: &[u8], ends: &[usize]) -> io::Result<()> {
        let start = self.file.as_mut().map(|file| file.stream_position()).transpose()?;
        let result = self.to.write_all(text).and_then(|()| self.to.flush());
        let (Err(_), Some(file), Some(start)) = (&result, &self.file, start) else {
            self.rows += if result.is_ok() { ends.len() as u64 } else { 0 };
            return result;
        };
        let written = file.metadata().map_or(0, |metadata| metadata.len().saturating_sub(start));
        let whole = ends.iter().take_while(|&&end| end as u64 <= written).count();
        let end = whole.checked_sub(1).map_or(0, |last| ends[last]);
        // If that fails too, --resume cuts the torn line off.
        _ = file.set_len(start + end as u64);
        self.rows += whole as u64;
        result
    }
}
