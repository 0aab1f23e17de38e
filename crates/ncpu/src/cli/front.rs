//! Options of the front ends besides A64.

use super::{Execution, ReportOptions, values};
use clap::{Args, Subcommand, ValueEnum};
use std::path::PathBuf;

#[derive(Subcommand, Debug)]
pub(crate) enum AsmCommand {
    /// Run a program and show its registers
    ///
    /// The language is described in docs/asm.md. Exit status: 0 when the program halts, 1 when it does
    /// what cannot be done (an access outside the data memory, RET without CALL), 124 when the cycles,
    /// fuel or time are used up, 125 when it cannot be assembled.
    Run(Box<AsmRunArguments>),
    /// Assemble a program into a file
    Build {
        /// The program
        file: PathBuf,
        /// The file to write
        #[arg(short, long, value_name = "FILE")]
        output: PathBuf,
        /// What to write
        #[arg(long, value_enum, default_value_t = ProgramFormat::Words)]
        format: ProgramFormat,
        /// Instructions after which a program that is written as elf ends
        #[arg(long, value_name = "N", default_value = "1m", value_parser = values::count)]
        max_cycles: u64,
    },
    /// List a program: addresses, words and instructions
    Dump {
        /// The program
        file: PathBuf,
        /// FILE has words, as `build` writes them, not text
        #[arg(long)]
        words: bool,
    },
}

/// What an assembled program is written as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ProgramFormat {
    /// Its words of 32 bits, little-endian
    Words,
    /// A static ARM64 Linux program that writes its last state to standard error, in binary
    Elf,
}

#[derive(Args, Debug)]
pub(crate) struct AsmRunArguments {
    /// The program
    #[arg(value_name = "FILE")]
    pub(crate) source: PathBuf,

    /// Show each instruction with what it changed
    #[arg(long, help_heading = "Watching")]
    pub(crate) trace: bool,

    /// Wait before each instruction: Enter goes on by one, c to the end, q quits
    #[arg(long, conflicts_with = "trace", help_heading = "Watching")]
    pub(crate) step: bool,

    /// End the program after N instructions, with status 124
    ///
    /// k, m and g multiply by powers of 1,000. (--fuel counts the ARM64 instructions that the program
    /// is translated to.)
    #[arg(long, value_name = "N", default_value = "1m", value_parser = values::count)]
    #[arg(help_heading = "Execution")]
    pub(crate) max_cycles: u64,

    #[command(flatten)]
    pub(crate) execution: Execution,

    #[command(flatten)]
    pub(crate) report: ReportOptions,
}

#[derive(Subcommand, Debug)]
pub(crate) enum MuxleqCommand {
    /// Run an image; its console is standard input and output
    Run(Box<CellsRunArguments>),
    /// Assemble an image
    Asm(CellsBuildArguments),
    /// Build the image of a Forth system from its source
    Forth(CellsBuildArguments),
}

#[derive(Subcommand, Debug)]
pub(crate) enum SubleqCommand {
    /// Run an image; its console is standard input and output
    Run(Box<CellsRunArguments>),
    /// Assemble an image
    Asm(CellsBuildArguments),
}

#[derive(Args, Debug)]
pub(crate) struct CellsBuildArguments {
    /// The source
    #[arg(value_name = "FILE")]
    pub(crate) source: PathBuf,
    /// The image to write, as decimal numbers
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: PathBuf,
}

#[derive(Args, Debug)]
pub(crate) struct CellsRunArguments {
    /// The image: decimal numbers of 16 bits, separated by spaces, commas or line ends
    pub(crate) image: PathBuf,

    /// End the machine after N of its instructions, with status 124
    ///
    /// k, m and g multiply by powers of 1,000. (--fuel counts ARM64 instructions.)
    #[arg(long, value_name = "N", value_parser = values::count, help_heading = "Execution")]
    pub(crate) max_instructions: Option<u64>,

    /// When the machine has ended, write its cells to FILE as an image
    #[arg(long, value_name = "FILE")]
    pub(crate) save: Option<PathBuf>,

    #[command(flatten)]
    pub(crate) execution: Execution,

    #[command(flatten)]
    pub(crate) report: ReportOptions,
}
