//! `ncpu`: runs ARM64 Linux programs in a machine of its own.
//!
//! - [`cli`]       the command line and its texts
//! - [`run`]       `run` and `resume`: from options to a machine, and from its end to a status
//! - [`batch`]     a program in many machines
//! - [`host`]      what a machine sees of this process: streams, or the terminal
//! - [`report`]    figures of a run
//! - [`front`]     nCPU assembly, MUXLEQ and SUBLEQ
//! - [`elf`]       `inspect` and `disasm`
//! - [`image`]     `image build` and `image ls`
//! - [`neural`]    `train alu` and `verify alu`
//! - [`math`]      `train math`, `verify math` and `math`
//! - [`tree`]      paths inside a root file system image
//!
//! Exit statuses are docker's: the program's own, 128 + n when signal n ended it, 125 when `ncpu`
//! itself failed, 126 when the program could not be executed, 127 when it was not found; 124 when
//! `--timeout` or `--fuel` ended the run; 141 when the reader of standard output is gone.

mod batch;
mod cli;
mod elf;
mod front;
mod host;
mod image;
mod math;
mod neural;
mod report;
mod run;
mod tree;

use clap::{CommandFactory, Parser};
use cli::{Command, TrainCommand, VerifyCommand};
use report::tell;
use run::status;
use std::io;
use std::process::ExitCode;

fn main() -> ExitCode {
    report::process_starts();
    let result = match cli::Cli::try_parse() {
        Ok(cli) => execute(cli.command),
        Err(message) if message.use_stderr() => {
            // Nobody is there to hear of a failure.
            _ = message.print();
            Ok(status::FAILED)
        }
        // Help and version are messages too.
        Err(message) => message.print().map(|()| 0).map_err(Into::into),
    };
    match result {
        Ok(status) => ExitCode::from(status),
        Err(error) if is_broken_pipe(&error) => ExitCode::from(status::BROKEN_PIPE),
        Err(error) => {
            tell!("ncpu: {}", explain(&error));
            ExitCode::from(status::FAILED)
        }
    }
}

/// Does what is asked for and returns the status to end with.
fn execute(command: Command) -> anyhow::Result<u8> {
    match command {
        Command::Run(arguments) => run::run(&arguments),
        Command::Batch(arguments) => batch::batch(&arguments),
        Command::Resume(arguments) => run::resume(&arguments),
        Command::Export(arguments) => run::export(&arguments),
        Command::Inspect(arguments) => elf::inspect(&arguments),
        Command::Disasm(arguments) => elf::disasm(&arguments),
        Command::Asm(command) => front::asm::main(&command),
        Command::Muxleq(command) => front::cells::muxleq(&command),
        Command::Subleq(command) => front::cells::subleq(&command),
        Command::Image(command) => image::main(&command),
        Command::Train(TrainCommand::Alu(arguments)) => neural::train(&arguments),
        Command::Train(TrainCommand::Math(arguments)) => math::train(&arguments),
        Command::Verify(VerifyCommand::Alu(arguments)) => neural::verify(&arguments),
        Command::Verify(VerifyCommand::Math(arguments)) => math::verify(&arguments),
        Command::Math(arguments) => math::evaluate(&arguments),
        Command::Completions { shell } => completions(shell),
    }
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        cause.downcast_ref::<io::Error>().is_some_and(|e| e.kind() == io::ErrorKind::BrokenPipe)
    })
}

fn completions(shell: clap_complete::Shell) -> anyhow::Result<u8> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut cli::Cli::command(), "ncpu", &mut script);
    io::Write::write_all(&mut io::stdout(), &script)?;
    Ok(0)
}

/// What went wrong, and its causes, of which many messages say the first themselves.
fn explain(error: &anyhow::Error) -> String {
    let mut text = error.to_string();
    for cause in error.chain().skip(1).map(ToString::to_string) {
        if !text.contains(&cause) {
            text = format!("{text}: {cause}");
        }
    }
    text
}
