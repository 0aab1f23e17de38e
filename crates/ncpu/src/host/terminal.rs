//! The user's terminal, handed to the guest.
//!
//! It is in raw mode for as long as a [`Terminal`] lives: keys arrive as bytes, and the guest's own
//! line discipline makes signals of them. Whatever ends this process restores it: the end of the
//! run, a panic, and the signals that can be caught.

use super::{stream, wait_for, write_all};
use crate::report::tell;
use ncpu_engine::{Host, Input};
use rustix::event::{PollFd, PollFlags};
use rustix::io::Errno;
use rustix::stdio::{stderr, stdin, stdout};
use rustix::termios::{OptionalActions, Termios, isatty, tcgetattr, tcgetwinsize, tcsetattr};
use signal_hook::consts::{SIGCONT, SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGTSTP, SIGWINCH};
use signal_hook::low_level::{emulate_default_handler, pipe};
use std::collections::VecDeque;
use std::io;
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, Once, PoisonError};
use std::time::{Duration, Instant};

/// Ctrl-], which ends the machine when it comes three times within a second; the same as in
/// `man 1 systemd-nspawn`.
const ESCAPE: u8 = 0x1d;
const ESCAPES: usize = 3;
const ESCAPE_TIME: Duration = Duration::from_secs(1);
/// Keys that may wait for the guest to take them.
const MOST_PENDING: usize = 1 << 16;

/// The settings to restore; `None` while the terminal is as it was.
static SAVED: Mutex<Option<Termios>> = Mutex::new(None);

fn restore() {
    let mut saved = SAVED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(termios) = saved.take() {
        // There is no one to tell of a failure: the terminal is gone.
        _ = tcsetattr(stdin(), OptionalActions::Now, &termios);
    }
}

fn make_raw() -> io::Result<()> {
    let termios = tcgetattr(stdin())?;
    let mut raw = termios.clone();
    raw.make_raw();
    *SAVED.lock().unwrap_or_else(PoisonError::into_inner) = Some(termios);
    tcsetattr(stdin(), OptionalActions::Drain, &raw)?;
    Ok(())
}

/// A signal to this process that ends it.
#[derive(Debug, thiserror::Error)]
#[error("ended by signal {0}")]
pub(crate) struct Interruption(i32);

impl Interruption {
    /// The signal that an error of a [`Terminal`] stands for.
    pub(crate) fn of(error: &io::Error) -> Option<&Interruption> {
        error.get_ref()?.downcast_ref()
    }

    /// Ends this process as the signal would have.
    pub(crate) fn end_process(&self) -> ! {
        restore();
        _ = emulate_default_handler(self.0);
        std::process::exit(128 + self.0)
    }
}

/// The terminal in raw mode.
pub(crate) struct Terminal {
    pending: VecDeque<u8>,
    /// When the last escapes were typed.
    escapes: VecDeque<Instant>,
    quit: bool,
    ended: bool,
    end_told: bool,
    /// Becomes readable when a signal arrives.
    wake: UnixStream,
    /// The signal that shall end this process, 0 for none.
    fatal: Arc<AtomicUsize>,
    resized: Arc<AtomicBool>,
    suspended: Arc<AtomicBool>,
    continued: Arc<AtomicBool>,
}

impl Terminal {
    pub(crate) fn new() -> io::Result<Terminal> {
        static HOOK: Once = Once::new();
        HOOK.call_once(|| {
            let before = std::panic::take_hook();
            std::panic::set_hook(Box::new(move |panic| {
                restore();
                before(panic);
            }));
        });
        let (wake, waker) = UnixStream::pair()?;
        wake.set_nonblocking(true)?;
        let terminal = Terminal {
            pending: VecDeque::new(),
            escapes: VecDeque::new(),
            quit: false,
            ended: false,
            end_told: false,
            wake,
            fatal: Arc::default(),
            resized: Arc::new(AtomicBool::new(true)),
            suspended: Arc::default(),
            continued: Arc::default(),
        };
        for signal in [SIGHUP, SIGINT, SIGQUIT, SIGTERM] {
            let flag = Arc::clone(&terminal.fatal);
            signal_hook::flag::register_usize(signal, flag, signal as usize)?;
            pipe::register(signal, waker.try_clone()?)?;
        }
        for (signal, flag) in [
            (SIGWINCH, &terminal.resized),
            (SIGTSTP, &terminal.suspended),
            (SIGCONT, &terminal.continued),
        ] {
            signal_hook::flag::register(signal, Arc::clone(flag))?;
            pipe::register(signal, waker.try_clone()?)?;
        }
        if isatty(stderr()) {
            tell!("ncpu: press Ctrl-] three times within a second to end the machine");
        }
        make_raw()?;
        Ok(terminal)
    }

    /// Does what the signals ask that have arrived.
    fn obey_signals(&mut self) -> io::Result<()> {
        while matches!(io::Read::read(&mut &self.wake, &mut [0; 64]), Ok(count) if count != 0) {}
        let fatal = self.fatal.load(Ordering::Relaxed);
        if fatal != 0 {
            return Err(io::Error::other(Interruption(fatal as i32)));
        }
        if self.suspended.swap(false, Ordering::Relaxed) {
            restore();
            emulate_default_handler(SIGTSTP)?;
            self.continued.store(true, Ordering::Relaxed);
        }
        if self.continued.swap(false, Ordering::Relaxed) {
            // Whoever had the terminal meanwhile may have left it in another state and size.
            restore();
            make_raw()?;
            self.resized.store(true, Ordering::Relaxed);
        }
        Ok(())
    }

    /// Reads keys, waiting at most for `wait`.
    fn fill(&mut self, wait: Option<Duration>) -> io::Result<()> {
        self.obey_signals()?;
        let keys = stdin();
        let mut fds = vec![PollFd::new(&self.wake, PollFlags::IN)];
        if !self.ended && self.pending.len() < MOST_PENDING {
            fds.push(PollFd::new(&keys, PollFlags::IN));
        }
        wait_for(&mut fds, wait)?;
        let ready = fds.get(1).is_some_and(|fd| !fd.revents().is_empty());
        drop(fds);
        self.obey_signals()?;
        if !ready {
            return Ok(());
        }
        let mut buffer = [0; 4096];
        match rustix::io::read(keys, &mut buffer) {
            // A terminal that is gone says EIO.
            Ok(0) | Err(Errno::IO) => self.ended = true,
            Ok(count) => buffer[..count].iter().for_each(|&key| self.key(key)),
            Err(Errno::INTR | Errno::AGAIN) => {}
            Err(error) => return Err(error.into()),
        }
        Ok(())
    }

    fn key(&mut self, key: u8) {
        if key == ESCAPE {
            let now = Instant::now();
            self.escapes.push_back(now);
            self.escapes.retain(|&then| now.duration_since(then) <= ESCAPE_TIME);
            self.quit |= self.escapes.len() >= ESCAPES;
        } else {
            self.escapes.clear();
        }
        self.pending.push_back(key);
    }

    fn take(&mut self, buffer: &mut [u8]) -> Input {
        if self.quit {
            return Input::Quit;
        }
        let count = buffer.len().min(self.pending.len());
        for (to, key) in buffer.iter_mut().zip(self.pending.drain(..count)) {
            *to = key;
        }
        if count != 0 {
            Input::Bytes(count)
        } else if self.ended && self.pending.is_empty() && !self.end_told {
            self.end_told = true;
            Input::End
        } else {
            Input::Nothing
        }
    }
}

impl Host for Terminal {
    fn output(&mut self, number: u8, bytes: &[u8]) -> io::Result<()> {
        write_all(stream(number), bytes, || self.obey_signals())
    }

    fn input(&mut self, buffer: &mut [u8], wait: Option<Duration>) -> io::Result<Input> {
        let at_once = !self.pending.is_empty() && !buffer.is_empty();
        self.fill(if at_once { Some(Duration::ZERO) } else { wait })?;
        Ok(self.take(buffer))
    }

    fn poll_input(&mut self, buffer: &mut [u8]) -> io::Result<Input> {
        self.fill(Some(Duration::ZERO))?;
        Ok(self.take(buffer))
    }

    fn has_news(&mut self, room: usize) -> io::Result<bool> {
        self.fill(Some(Duration::ZERO))?;
        let has_keys = room != 0 && !self.pending.is_empty();
        let is_over = self.quit || self.ended && !self.end_told;
        Ok(has_keys || is_over || self.resized.load(Ordering::Relaxed))
    }

    fn window_size(&mut self) -> Option<(u16, u16)> {
        if !self.resized.swap(false, Ordering::Relaxed) {
            return None;
        }
        let size = tcgetwinsize(stdin()).or_else(|_| tcgetwinsize(stdout())).ok()?;
        Some((size.ws_row, size.ws_col))
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        restore();
    }
}
