//! The standard streams of a machine of a batch.

use super::{Captured, Rules};
use crate::drive::{Host, Input};
use std::io;
use std::thread;
use std::time::Duration;

/// How long to wait when the guest waits for nothing in particular.
const PAUSE: Duration = Duration::from_millis(20);

/// Gives an input in whole blocks, as `ncpu run` gives a file or a pipe: as many bytes as the
/// machine has room for each time that it waits for input, then the end. How many and when is part
/// of the machine's state.
pub struct CaseStreams<'c> {
    input: &'c [u8],
    ended: bool,
    limit: usize,
    is_stopped: &'c dyn Fn() -> bool,
    /// Standard output so far.
    pub stdout: Captured,
    /// Standard error so far.
    pub stderr: Captured,
}

impl<'c> CaseStreams<'c> {
    /// Streams with this input. `is_stopped` is asked now and then; once it says so, the machine
    /// is left.
    pub fn new(input: &'c [u8], rules: &Rules, is_stopped: &'c dyn Fn() -> bool) -> Self {
        CaseStreams {
            input,
            ended: false,
            limit: rules.output,
            is_stopped,
            stdout: Captured::default(),
            stderr: Captured::default(),
        }
    }
}

impl Host for CaseStreams<'_> {
    fn output(&mut self, stream: u8, bytes: &[u8]) -> io::Result<()> {
        let captured = if stream == 2 { &mut self.stderr } else { &mut self.stdout };
        captured.append(bytes, self.limit);
        Ok(())
    }

    fn input(&mut self, buffer: &mut [u8], wait: Option<Duration>) -> io::Result<Input> {
        if (self.is_stopped)() {
            return Ok(Input::Quit);
        }
        if buffer.is_empty() || self.ended {
            thread::sleep(wait.unwrap_or(PAUSE).min(PAUSE));
            return Ok(Input::Nothing);
        }
        let (now, later) = self.input.split_at(self.input.len().min(buffer.len()));
        if now.is_empty() {
            self.ended = true;
            return Ok(Input::End);
        }
        buffer[..now.len()].copy_from_slice(now);
        self.input = later;
        Ok(Input::Bytes(now.len()))
    }

    fn poll_input(&mut self, _: &mut [u8]) -> io::Result<Input> {
        Ok(if (self.is_stopped)() { Input::Quit } else { Input::Nothing })
    }
}
