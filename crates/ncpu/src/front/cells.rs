//! `ncpu muxleq` and `ncpu subleq`.

use super::machine::{self, Done};
use crate::cli::{CellsBuildArguments, CellsRunArguments, MuxleqCommand, SubleqCommand};
use crate::host::{self, Streams};
use crate::report::{self, NeuralFigures, tell};
use crate::run::status;
use anyhow::{Context, anyhow};
use ncpu_asm::cells::translate::{Ended, translate};
use ncpu_asm::cells::{Computer, Image, assemble, forth};
use ncpu_asm::source::Problems;
use ncpu_engine::{Host, Input};
use serde::Serialize;
use std::fmt;
use std::io;
use std::path::Path;
use std::rc::Rc;
use std::time::Duration;

/// Bytes of an image or a source that are read at most; all cells with a comment each are less.
const MAX_TEXT: u64 = 4 << 20;

/// Does what the command says and returns the status to end with.
pub(crate) fn muxleq(command: &MuxleqCommand) -> anyhow::Result<u8> {
    match command {
        MuxleqCommand::Run(arguments) => run(arguments, Computer::Muxleq),
        MuxleqCommand::Asm(arguments) => {
            build(arguments, |name, text| assemble::assemble(name, text, Computer::Muxleq))
        }
        MuxleqCommand::Forth(arguments) => build(arguments, forth::build),
    }
}

/// Does what the command says and returns the status to end with.
pub(crate) fn subleq(command: &SubleqCommand) -> anyhow::Result<u8> {
    match command {
        SubleqCommand::Run(arguments) => run(arguments, Computer::Subleq),
        SubleqCommand::Asm(arguments) => {
            build(arguments, |name, text| assemble::assemble(name, text, Computer::Subleq))
        }
    }
}

fn build(
    arguments: &CellsBuildArguments,
    build: impl Fn(&str, &str) -> Result<Image, Problems>,
) -> anyhow::Result<u8> {
    let text = super::read_text(&arguments.source, MAX_TEXT)?;
    let image = build(&arguments.source.display().to_string(), &text)
        .map_err(|problems| anyhow!("cannot build the image\n{problems}"))?;
    write_image(&image, &arguments.output)?;
    Ok(0)
}

fn write_image(image: &Image, path: &Path) -> anyhow::Result<()> {
    std::fs::write(path, image.to_text())
        .with_context(|| format!("cannot write {}", path.display()))
}

fn run(arguments: &CellsRunArguments, computer: Computer) -> anyhow::Result<u8> {
    let name = arguments.image.display().to_string();
    let text = super::read_text(&arguments.image, MAX_TEXT)?;
    let image = Image::parse(&text).with_context(|| format!("{name}: no image"))?;
    let most = arguments.max_instructions.unwrap_or(u64::MAX);
    let elf = translate(&image, computer, most, arguments.save.is_some());
    let is_live = host::stdin_is_terminal();
    let mut console =
        Console { streams: Streams::new(Rc::default(), !is_live, false), told: Vec::new() };
    let done = machine::run(&elf, &arguments.execution, is_live, &mut console)?;
    let (ended, status) = match done.cut()? {
        Some(cut) => {
            cut.tell(&name);
            (cut.word, cut.status)
        }
        None => ("halted", 0),
    };
    let end = Ended::parse(&console.told, most);
    if let Some(path) = &arguments.save {
        let cells = end.as_ref().and_then(|end| end.cells.clone()).and_then(Image::new);
        let image =
            cells.context("the machine did not end by itself, so that there is nothing to save")?;
        write_image(&image, path)?;
    }
    let (ended, status) = match &end {
        Some(Ended { halted: false, .. }) if status == 0 => {
            tell!("ncpu: {name}: stopped: {most} instructions are used up (--max-instructions)");
            ("instructions", status::CUT)
        }
        _ => (ended, status),
    };
    if let Some(format) = arguments.report.format {
        let report = Report::new(name, ended, status, &done, end.as_ref());
        report::write(&report, format, arguments.report.file.as_deref())?;
    }
    Ok(status)
}

/// Standard streams for the machine's console; what the program tells at its end is kept.
struct Console {
    streams: Streams,
    told: Vec<u8>,
}

impl Host for Console {
    fn output(&mut self, stream: u8, bytes: &[u8]) -> io::Result<()> {
        if stream == 2 {
            self.told.extend(bytes);
            return Ok(());
        }
        self.streams.output(stream, bytes)
    }
    fn input(&mut self, buffer: &mut [u8], wait: Option<Duration>) -> io::Result<Input> {
        self.streams.input(buffer, wait)
    }
    fn poll_input(&mut self, buffer: &mut [u8]) -> io::Result<Input> {
        self.streams.poll_input(buffer)
    }
    fn has_news(&mut self, room: usize) -> io::Result<bool> {
        self.streams.has_news(room)
    }
}

/// The report on a run.
#[derive(Debug, Serialize)]
struct Report {
    schema: u32,
    engine: &'static str,
    alu: String,
    program: String,
    /// `halted`, `instructions`, `fuel`, `timeout` or `broken-pipe`.
    ended: &'static str,
    status: u8,
    /// Instructions of the machine.
    machine_instructions: Option<u64>,
    machine_instructions_per_second: Option<f64>,
    pc: Option<u16>,
    /// ARM64 instructions that they took.
    instructions: u64,
    wall_seconds: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    neural: Option<NeuralFigures>,
    state_hash: String,
}

impl Report {
    fn new(
        program: String,
        ended: &'static str,
        status: u8,
        done: &Done,
        end: Option<&Ended>,
    ) -> Report {
        Report {
            schema: 1,
            engine: done.engine,
            alu: done.alu.clone(),
            program,
            ended,
            status,
            machine_instructions: end.map(|end| end.instructions),
            machine_instructions_per_second: end
                .map(|end| end.instructions as f64 / done.wall_seconds.max(1e-9)),
            pc: end.map(|end| end.pc),
            instructions: done.instructions,
            wall_seconds: done.wall_seconds,
            neural: done.neural.clone(),
            state_hash: done.state_hash.clone(),
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "program              {}", self.program)?;
        writeln!(f, "engine               {}, {} ALU", self.engine, self.alu)?;
        writeln!(f, "ended                {}, status {}", self.ended, self.status)?;
        if let (Some(instructions), Some(speed)) =
            (self.machine_instructions, self.machine_instructions_per_second)
        {
            writeln!(f, "machine instructions {instructions}")?;
            writeln!(f, "speed                {speed:.0} a second")?;
        }
        writeln!(f, "ARM64 instructions   {}", self.instructions)?;
        writeln!(f, "wall time            {:.3} s", self.wall_seconds)?;
        if let Some(neural) = &self.neural {
            neural.fmt(f)?;
        }
        writeln!(f, "state hash           {}", self.state_hash)
    }
}
