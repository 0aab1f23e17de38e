//! A program in nCPU assembly as it runs: trace, steps, last state.

use ncpu_asm::asm::Program;
use ncpu_asm::asm::isa::Insn;
use ncpu_asm::asm::record::{Event, Reader, State};
use ncpu_asm::asm::{Watch, record::End};
use ncpu_engine::{Host, Input};
use std::io::{self, BufRead, Write};
use std::time::Duration;

/// What a watched program sees of the outside; it gathers and shows what the program tells.
pub(super) struct Watcher<'p> {
    program: &'p Program,
    reader: Reader,
    watch: Watch,
    /// The state before the instruction that is being executed.
    before: Option<State>,
    /// The user wants no more steps.
    runs_on: bool,
    /// How it ended.
    pub(super) ended: Option<(End, State, Vec<i32>)>,
}

impl<'p> Watcher<'p> {
    pub(super) fn new(program: &'p Program, watch: Watch, max_cycles: u64) -> Watcher<'p> {
        let reader = Reader::new(max_cycles);
        Watcher { program, reader, watch, before: None, runs_on: false, ended: None }
    }

    fn instruction(&self, pc: usize) -> String {
        match self.program.words.get(pc).map(|&word| Insn::decode(word)) {
            Some(Some(insn)) => insn.to_string(),
            Some(None) => "not an instruction".to_owned(),
            None => "the end of the program".to_owned(),
        }
    }

    /// The instruction that has been executed, and what it changed.
    fn show_done(&self, out: &mut dyn Write, before: &State, after: &State) -> io::Result<()> {
        // One that trapped or was not reached has no cycle.
        if after.cycles == before.cycles {
            return Ok(());
        }
        let changes: Vec<String> = (0..8)
            .filter(|&n| before.registers[n] != after.registers[n])
            .map(|n| format!("R{n}={}", after.registers[n]))
            .collect();
        let text = self.instruction(before.pc);
        let (cycle, pc, flags) = (after.cycles, before.pc, after.flags());
        let changes = changes.join(" ");
        let line = format!("{cycle:8} {pc:5}  {text:22} {flags:5}  {changes}");
        writeln!(out, "{}", line.trim_end())
    }

    fn event(&mut self, event: Event) -> io::Result<()> {
        let state = match &event {
            Event::Step(state) | Event::Ended(_, state, _) => *state,
        };
        if let Some(before) = self.before.replace(state)
            && self.watch != Watch::Off
            && !self.runs_on
        {
            self.show_done(&mut io::stdout().lock(), &before, &state)?;
        }
        if let Event::Ended(end, state, memory) = event {
            self.ended = Some((end, state, memory));
        }
        Ok(())
    }
}

impl Host for Watcher<'_> {
    fn output(&mut self, _stream: u8, bytes: &[u8]) -> io::Result<()> {
        self.reader.push(bytes);
        while let Some(event) = self.reader.next() {
            self.event(event)?;
        }
        Ok(())
    }

    /// The program waits for a byte before each step.
    fn input(&mut self, buffer: &mut [u8], _: Option<Duration>) -> io::Result<Input> {
        let Some(byte) = buffer.first_mut() else { return Ok(Input::Nothing) };
        *byte = b'\n';
        if self.runs_on {
            return Ok(Input::Bytes(1));
        }
        let pc = self.before.map_or(0, |state| state.pc);
        let line = self.program.lines.get(pc).copied().unwrap_or(0);
        let mut out = io::stdout().lock();
        write!(out, "line {line}: {}  (Enter, c, q) ", self.instruction(pc))?;
        out.flush()?;
        let mut answer = String::new();
        self.runs_on = io::stdin().lock().read_line(&mut answer)? == 0;
        // A terminal has shown the end of the line that was typed.
        if self.runs_on || !crate::host::stdin_is_terminal() {
            writeln!(out)?;
        }
        match answer.trim() {
            "q" | "quit" => return Ok(Input::Quit),
            "c" | "continue" => self.runs_on = true,
            _ => {}
        }
        Ok(Input::Bytes(1))
    }
}

/// Registers and words of memory that are not zero, flags, and cycles.
pub(super) fn last_state(out: &mut dyn Write, state: &State, memory: &[i32]) -> io::Result<()> {
    for (number, value) in state.registers.iter().enumerate().filter(|(_, value)| **value != 0) {
        writeln!(out, "R{number} = {value}")?;
    }
    for (address, value) in memory.iter().enumerate().filter(|(_, value)| **value != 0) {
        writeln!(out, "M[{address}] = {value}")?;
    }
    writeln!(out, "flags {}", state.flags())?;
    writeln!(out, "cycles {}", state.cycles)
}
