//! Standard streams as the machine's console.

use super::{readable, stream, write_all};
use ncpu_engine::{Host, Input};
use rustix::io::Errno;
use std::cell::RefCell;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;
use std::rc::Rc;
use std::thread;
use std::time::{Duration, Instant};

/// Ctrl-D, which ends input at a terminal (`man 3 termios`, VEOF).
const END_OF_FILE: u8 = 4;
/// How often it is typed before the line is cut: every nested shell takes one.
const MOST_ENDS: u32 = 64;
/// How long to wait when the guest waits for nothing in particular.
const PAUSE: Duration = Duration::from_millis(20);

/// Standard input as read so far, so that several runs can have the same.
#[derive(Debug, Default)]
pub(crate) struct Tape {
    bytes: Vec<u8>,
    ended: bool,
    keep: bool,
}

impl Tape {
    /// A tape that keeps what was read for the next run.
    pub(crate) fn kept() -> Tape {
        Tape { keep: true, ..Tape::default() }
    }
}

/// Where the guest's output goes.
enum Output {
    /// On to this process's streams.
    Through,
    /// Into a hash.
    Away,
}

/// Standard streams of this process, as they are.
pub(crate) struct Streams {
    tape: Rc<RefCell<Tape>>,
    position: usize,
    /// Fill whole blocks, so that the machine sees the same reads in every run.
    whole_blocks: bool,
    /// The guest has a terminal: at the end of input, type Ctrl-D.
    terminal: bool,
    ends: u32,
    output: Output,
    hasher: DefaultHasher,
}

impl Streams {
    pub(crate) fn new(tape: Rc<RefCell<Tape>>, whole_blocks: bool, terminal: bool) -> Streams {
        Streams {
            tape,
            position: 0,
            whole_blocks,
            terminal,
            ends: 0,
            output: Output::Through,
            hasher: DefaultHasher::new(),
        }
    }

    /// Keeps the guest's output from this process's streams.
    pub(crate) fn discard_output(mut self) -> Streams {
        self.output = Output::Away;
        self
    }

    /// A hash of the guest's output so far.
    pub(crate) fn output_hash(&self) -> u64 {
        self.hasher.finish()
    }

    fn end(&mut self, buffer: &mut [u8]) -> Input {
        self.ends += 1;
        if self.terminal && self.ends <= MOST_ENDS {
            buffer[0] = END_OF_FILE;
            return Input::Bytes(1);
        }
        Input::End
    }
}

impl Host for Streams {
    fn output(&mut self, number: u8, bytes: &[u8]) -> io::Result<()> {
        // One byte at a time: how output is cut into pieces is of no matter.
        for byte in bytes {
            (number, byte).hash(&mut self.hasher);
        }
        match self.output {
            Output::Through => write_all(stream(number), bytes, || Ok(())),
            Output::Away => Ok(()),
        }
    }

    fn input(&mut self, buffer: &mut [u8], wait: Option<Duration>) -> io::Result<Input> {
        let most = if self.terminal { MOST_ENDS } else { 0 };
        if buffer.is_empty() || self.ends > most {
            thread::sleep(wait.unwrap_or(PAUSE));
            return Ok(Input::Nothing);
        }
        let deadline = wait.map(|wait| Instant::now() + wait);
        let tape = Rc::clone(&self.tape);
        let mut tape = tape.borrow_mut();
        let recorded = tape.bytes.get(self.position..).unwrap_or(&[]);
        let mut filled = recorded.len().min(buffer.len());
        buffer[..filled].copy_from_slice(&recorded[..filled]);
        while filled < buffer.len() && !tape.ended && (filled == 0 || self.whole_blocks) {
            let stdin = rustix::stdio::stdin();
            if !readable(stdin, deadline)? {
                break;
            }
            match rustix::io::read(stdin, &mut buffer[filled..]) {
                Ok(0) => tape.ended = true,
                Ok(count) => {
                    if tape.keep {
                        tape.bytes.extend_from_slice(&buffer[filled..filled + count]);
                    }
                    filled += count;
                }
                Err(Errno::INTR | Errno::AGAIN) => {}
                // A stream that was closed has nothing to read.
                Err(Errno::BADF) => tape.ended = true,
                Err(error) => return Err(error.into()),
            }
        }
        if filled != 0 {
            self.position += if tape.keep { filled } else { 0 };
            return Ok(Input::Bytes(filled));
        }
        Ok(if tape.ended { self.end(buffer) } else { Input::Nothing })
    }

    fn has_news(&mut self, room: usize) -> io::Result<bool> {
        let comes_unasked = !self.whole_blocks && !self.terminal;
        if !comes_unasked || room == 0 || self.ends != 0 {
            return Ok(false);
        }
        readable(rustix::stdio::stdin(), Some(Instant::now()))
    }

    fn poll_input(&mut self, buffer: &mut [u8]) -> io::Result<Input> {
        // A terminal without a person has its keys typed when the guest waits for them.
        if self.whole_blocks || self.terminal {
            return Ok(Input::Nothing);
        }
        self.input(buffer, Some(Duration::ZERO))
    }
}
