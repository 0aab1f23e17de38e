//! `ncpu asm`.

use super::machine::{self, Done};
use super::show::{self, Watcher};
use crate::cli::{AsmCommand, AsmRunArguments, ProgramFormat};
use crate::report::{self, NeuralFigures, tell};
use crate::run::status;
use anyhow::{Context, bail, ensure};
use ncpu_asm::asm::isa::Insn;
use ncpu_asm::asm::record::{End, State};
use ncpu_asm::asm::{Program, Watch, assemble, translate};
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, Write};
use std::path::Path;

/// Bytes of text that are read at most; the largest program with a long comment a line is smaller.
const MAX_SOURCE: u64 = 4 << 20;

/// Does what the command says and returns the status to end with.
pub(crate) fn main(command: &AsmCommand) -> anyhow::Result<u8> {
    match command {
        AsmCommand::Run(arguments) => run(arguments),
        AsmCommand::Build { file, output, format, max_cycles } => {
            let program = read(file)?;
            let bytes = match format {
                ProgramFormat::Words => {
                    program.words.iter().flat_map(|w| w.to_le_bytes()).collect()
                }
                ProgramFormat::Elf => translate(&program.words, *max_cycles, Watch::Off)?,
            };
            std::fs::write(output, bytes)
                .with_context(|| format!("cannot write {}", output.display()))?;
            Ok(0)
        }
        AsmCommand::Dump { file, words: false } => dump(&read(file)?),
        AsmCommand::Dump { file, words: true } => {
            let bytes = super::read_file(file, MAX_SOURCE)?;
            ensure!(
                bytes.len() % 4 == 0,
                "{}: {} bytes are no whole number of words",
                file.display(),
                bytes.len()
            );
            let words = bytes.chunks_exact(4).map(|b| u32::from_le_bytes([b[0], b[1], b[2], b[3]]));
            dump(&Program { words: words.collect(), ..Program::default() })
        }
    }
}

fn read(file: &Path) -> anyhow::Result<Program> {
    let text = super::read_text(file, MAX_SOURCE)?;
    assemble(&file.display().to_string(), &text)
        .map_err(|problems| anyhow::anyhow!("cannot assemble\n{problems}"))
}

fn dump(program: &Program) -> anyhow::Result<u8> {
    let mut out = io::BufWriter::new(io::stdout().lock());
    let mut labels = program.labels.iter().peekable();
    for index in 0..=program.words.len() {
        while let Some((name, _)) = labels.next_if(|(_, at)| usize::from(*at) == index) {
            writeln!(out, "{name}:")?;
        }
        if let Some(&word) = program.words.get(index) {
            match Insn::decode(word) {
                Some(insn) => writeln!(out, "{index:5}  {word:08x}  {insn}")?,
                None => writeln!(out, "{index:5}  {word:08x}  not an instruction")?,
            }
        }
    }
    out.flush()?;
    Ok(0)
}

fn run(arguments: &AsmRunArguments) -> anyhow::Result<u8> {
    let program = read(&arguments.source)?;
    let watch = match (arguments.trace, arguments.step) {
        (true, _) => Watch::Trace,
        (_, true) => Watch::Step,
        _ => Watch::Off,
    };
    let elf = translate(&program.words, arguments.max_cycles, watch)?;
    let mut watcher = Watcher::new(&program, watch, arguments.max_cycles);
    let done = machine::run(&elf, &arguments.execution, arguments.step, &mut watcher)?;
    let cut = done.cut()?;
    let ended = watcher.ended.take();
    if let Some((_, state, memory)) = &ended {
        show::last_state(&mut io::stdout().lock(), state, memory)?;
    }
    let name = arguments.source.display();
    let (word, status) = match (&ended, cut) {
        (_, Some(cut)) => {
            cut.tell(&name.to_string());
            (cut.word, cut.status)
        }
        (None, None) => bail!("the translated program did not say how it ended"),
        (Some((End::Halted, ..)), None) => ("halted", 0),
        (Some((End::OutOfCycles, ..)), None) => {
            let cycles = arguments.max_cycles;
            tell!("ncpu: {name}: stopped: {cycles} cycles are used up (--max-cycles)");
            ("cycles", status::CUT)
        }
        (Some((End::Trap(trap), state, _)), None) => {
            let line = program.lines.get(state.pc).copied().unwrap_or(0);
            tell!("ncpu: {name}:{line}: {trap}");
            ("trap", 1)
        }
    };
    if let Some(format) = arguments.report.format {
        let report = Report::new(name.to_string(), word, status, &done, ended.as_ref());
        report::write(&report, format, arguments.report.file.as_deref())?;
    }
    Ok(status)
}

/// The report on a run.
#[derive(Debug, Serialize)]
struct Report {
    schema: u32,
    engine: &'static str,
    alu: String,
    program: String,
    /// `halted`, `trap`, `cycles`, `fuel`, `timeout` or `quit`.
    ended: &'static str,
    status: u8,
    /// Instructions of the program.
    cycles: Option<u64>,
    /// ARM64 instructions that they took.
    instructions: u64,
    wall_seconds: f64,
    cycles_per_second: Option<f64>,
    pc: Option<usize>,
    registers: Option<[i32; 8]>,
    zero: Option<bool>,
    sign: Option<bool>,
    /// Words of the data memory that are not zero, by address.
    memory: BTreeMap<usize, i32>,
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
        end: Option<&(End, State, Vec<i32>)>,
    ) -> Report {
        let state = end.map(|(_, state, _)| state);
        let memory = end.map_or(&[][..], |(_, _, memory)| memory).iter().copied().enumerate();
        Report {
            schema: 1,
            engine: done.engine,
            alu: done.alu.clone(),
            program,
            ended,
            status,
            cycles: state.map(|state| state.cycles),
            instructions: done.instructions,
            wall_seconds: done.wall_seconds,
            cycles_per_second: state.map(|s| s.cycles as f64 / done.wall_seconds.max(1e-9)),
            pc: state.map(|state| state.pc),
            registers: state.map(|state| state.registers),
            zero: state.map(|state| state.zero),
            sign: state.map(|state| state.sign),
            memory: memory.filter(|(_, value)| *value != 0).collect(),
            neural: done.neural.clone(),
            state_hash: done.state_hash.clone(),
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "program            {}", self.program)?;
        writeln!(f, "engine             {}, {} ALU", self.engine, self.alu)?;
        writeln!(f, "ended              {}, status {}", self.ended, self.status)?;
        if let (Some(cycles), Some(speed)) = (self.cycles, self.cycles_per_second) {
            writeln!(f, "cycles             {cycles}")?;
            writeln!(f, "speed              {speed:.0} cycles/s")?;
        }
        writeln!(f, "ARM64 instructions {}", self.instructions)?;
        writeln!(f, "wall time          {:.3} s", self.wall_seconds)?;
        if let Some(neural) = &self.neural {
            neural.fmt(f)?;
        }
        writeln!(f, "state hash         {}", self.state_hash)
    }
}
