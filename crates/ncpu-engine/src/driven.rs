//! A machine as the drive loop sees it, wherever it runs; and one on the host's processor.

use crate::folders::Folders;
use ncpu_alu::Alu;
use ncpu_linux::tty::console;
use ncpu_linux::{Kernel, Stop};
use ncpu_machine::StopAfter;

/// Why a machine cannot be driven any further: its engine has failed, not the machine.
pub type Fault = Box<dyn std::error::Error + Send + Sync>;

/// What the drive loop asks about between two advances.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Status {
    /// Instructions retired since boot.
    pub retired: u64,
    /// Virtual nanoseconds since boot.
    pub now: u64,
    /// When the next sleeper or timer is due; `u64::MAX` for never.
    pub next_deadline: u64,
    /// Whether the host paces the clock.
    pub is_paced: bool,
    /// Flags of [`console`].
    pub console_flags: u32,
    /// Bytes of input that the machine would take.
    pub input_room: usize,
    /// Whether execution was cut inside a straight line at whose end output is due.
    pub is_output_due: bool,
    /// Wait status of the first process once it has ended.
    pub exit_status: u32,
}

impl Status {
    /// What a machine's tables say.
    pub fn of(kernel: &Kernel<'_>) -> Status {
        let header = &kernel.header;
        Status {
            retired: header.retired,
            now: kernel.now(),
            next_deadline: header.next_deadline,
            is_paced: header.paced != 0,
            console_flags: header.console_flags,
            input_room: console::input_room(kernel),
            is_output_due: header.inside_line == console::OUTPUT_DUE,
            exit_status: header.exit_status,
        }
    }

    /// Whether the standard streams are a terminal that has not been hung up.
    pub fn has_terminal(&self) -> bool {
        self.console_flags & (console::TERMINAL | console::CLOSED) == console::TERMINAL
    }
}

/// A machine that can be driven. What it is told takes effect before it next advances, in the order in
/// which it was told.
pub trait Driven {
    /// How it stands.
    fn status(&self) -> Status;

    /// Runs for about `left` instructions, to the end of a straight line; with a limit, not one
    /// instruction further than that. [`Stop::Observer`] says that the limit was met inside a line.
    ///
    /// Where much time passes, `look` is asked every few milliseconds whether to return before `left`
    /// instructions have retired, with [`Stop::Budget`].
    ///
    /// # Errors
    /// When the engine has failed.
    fn advance(
        &mut self,
        left: u64,
        limit: Option<u64>,
        look: &mut dyn FnMut() -> bool,
    ) -> Result<Stop, Fault>;

    /// Moves the clock forward.
    fn skip(&mut self, nanoseconds: u64);

    /// Sets the size of the console terminal.
    fn set_window_size(&mut self, rows: u16, columns: u16);

    /// Gives bytes of standard input, at most as many as there is room for.
    fn push_input(&mut self, bytes: &[u8]);

    /// Ends standard input.
    fn close_input(&mut self);

    /// Takes the output that waits: stream (1 or 2) and bytes.
    fn drain_output(&mut self, take: &mut dyn FnMut(u8, &[u8]));

    /// Has the requests answered that wait for the host.
    ///
    /// # Errors
    /// When the engine has failed.
    fn serve(&mut self, folders: &mut Folders) -> Result<(), Fault>;
}

/// A machine that the host's processor runs.
pub(crate) struct OnHost<'k, 'm, A> {
    pub(crate) kernel: &'k mut Kernel<'m>,
    pub(crate) alu: &'k A,
}

impl<A: Alu> Driven for OnHost<'_, '_, A> {
    fn status(&self) -> Status {
        Status::of(self.kernel)
    }

    fn advance(
        &mut self,
        left: u64,
        limit: Option<u64>,
        _look: &mut dyn FnMut() -> bool,
    ) -> Result<Stop, Fault> {
        let Some(limit) = limit else { return Ok(self.kernel.step(self.alu, &mut (), left)) };
        let start = self.kernel.header.retired;
        let mut done = 0;
        let stop = loop {
            let mut observer = StopAfter(limit - done);
            let budget = left.min(limit).saturating_sub(done);
            let stop = self.kernel.step(self.alu, &mut observer, budget);
            done = self.kernel.header.retired - start;
            // The observer has counted an instruction that faulted each time that it was tried.
            if stop != Stop::Observer || done >= limit {
                break stop;
            }
        };
        if stop == Stop::Observer && done >= left {
            self.kernel.header.inside_line = console::OUTPUT_DUE;
        }
        Ok(stop)
    }

    fn skip(&mut self, nanoseconds: u64) {
        self.kernel.header.skipped += nanoseconds;
    }

    fn set_window_size(&mut self, rows: u16, columns: u16) {
        console::set_window_size(self.kernel, rows, columns);
    }

    fn push_input(&mut self, bytes: &[u8]) {
        console::push_input(self.kernel, bytes);
    }

    fn close_input(&mut self) {
        console::close_input(self.kernel);
    }

    fn drain_output(&mut self, take: &mut dyn FnMut(u8, &[u8])) {
        console::drain_output(self.kernel, take);
    }

    fn serve(&mut self, folders: &mut Folders) -> Result<(), Fault> {
        folders.serve(self.kernel);
        Ok(())
    }
}
