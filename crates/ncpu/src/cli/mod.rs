//! The command line.

mod front;
mod text;
mod values;

use clap::{ArgGroup, Args, Parser, Subcommand, ValueEnum};
pub(crate) use front::{
    AsmCommand, AsmRunArguments, CellsBuildArguments, CellsRunArguments, MuxleqCommand,
    ProgramFormat, SubleqCommand,
};
use ncpu_engine::Pause;
use std::num::NonZeroUsize;
use std::ops::{Range, RangeInclusive};
use std::path::PathBuf;
use std::time::Duration;
pub(crate) use values::{Limit, Volume};

/// A whole computer for ARM64 Linux programs: every run gives the same bytes, the same instruction
/// count and the same state hash.
#[derive(Parser, Debug)]
#[command(name = "ncpu", version, propagate_version = true)]
#[command(long_about = text::ABOUT, after_long_help = text::AFTER)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Subcommand, Debug)]
pub(crate) enum Command {
    /// Run a program in a new machine
    #[command(long_about = text::RUN, after_long_help = text::AFTER_RUN)]
    Run(Box<RunArguments>),
    /// Run a program in many machines, each with an input of its own
    #[command(long_about = text::BATCH, after_long_help = text::AFTER_BATCH)]
    Batch(Box<BatchArguments>),
    /// Go on from a snapshot
    #[command(long_about = text::RESUME, after_long_help = text::AFTER_RUN)]
    Resume(Box<ResumeArguments>),
    /// Write what a snapshot's machine changed in its root file system as a tar archive
    #[command(long_about = text::EXPORT)]
    Export(ExportArguments),
    /// Show what an ELF file is and which of its instructions the machine does not know
    #[command(long_about = text::INSPECT)]
    Inspect(InspectArguments),
    /// Disassemble an ELF file
    #[command(long_about = text::DISASM)]
    Disasm(DisasmArguments),
    /// Run, build and list programs in nCPU assembly
    #[command(subcommand)]
    Asm(AsmCommand),
    /// Run and build images of MUXLEQ, a computer of two instructions
    ///
    /// The computer, its assembly and its Forth are described in docs/muxleq.md.
    #[command(subcommand)]
    Muxleq(MuxleqCommand),
    /// Run and build images of SUBLEQ, a computer of one instruction
    ///
    /// The computer and its assembly are described in docs/muxleq.md.
    #[command(subcommand)]
    Subleq(SubleqCommand),
    /// Make and look into root file system images
    #[command(subcommand)]
    Image(ImageCommand),
    /// Train the networks of the neural ALU
    #[command(subcommand)]
    Train(TrainCommand),
    /// Prove that the networks of the neural ALU are right for all operands
    #[command(subcommand)]
    Verify(VerifyCommand),
    /// Compute an elementary function by its trained network
    #[command(long_about = text::MATH)]
    Math(MathArguments),
    /// Print a completion script for a shell
    #[command(long_about = text::COMPLETIONS)]
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
}

/// What a report is written as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ReportFormat {
    /// One JSON object
    Json,
    /// Lines for people
    Text,
}

/// What executes the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Engine {
    /// This computer's processor
    Cpu,
    /// An NVIDIA graphics processor
    Gpu,
    /// Its emulation on the processor, for development
    #[value(hide = true)]
    GpuEmulated,
    /// The best there is
    Auto,
}

/// What computes the machine's arithmetic.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum AluKind {
    /// Arithmetic of the engine
    Native,
    /// Trained networks
    Neural,
}

/// Where weights are unless an option says otherwise.
const WEIGHTS: &str = "models/alu";
/// The same for elementary functions.
const MATH_WEIGHTS: &str = "models/math";

/// What the machine's clock follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Clock {
    /// The instruction count; idle time is skipped
    Virtual,
    /// Real time
    Host,
}

/// What executes a machine, and for how long.
#[derive(Args, Debug)]
pub(crate) struct Execution {
    /// What executes the machine
    ///
    /// The results are the same. For a single machine, auto takes the processor, which runs one faster;
    /// for a batch, the GPU if there is one.
    #[arg(long, value_enum, default_value_t = Engine::Auto, help_heading = "Execution")]
    pub(crate) engine: Engine,

    /// What computes its arithmetic
    ///
    /// The results are the same. With neural, all of them come from trained networks that `ncpu verify
    /// alu` has proved right; floating point and vectors are made of integer operations.
    #[arg(long, value_enum, default_value_t = AluKind::Native, help_heading = "Execution")]
    pub(crate) alu: AluKind,

    /// Folder with the weights of --alu neural
    #[arg(long, value_name = "DIR", default_value = WEIGHTS, help_heading = "Execution")]
    pub(crate) weights: PathBuf,

    /// End a machine after COUNT instructions, with status 124
    ///
    /// They are counted from the machine's boot. k, m and g multiply by powers of 1,000.
    #[arg(long, value_name = "COUNT", value_parser = values::count, help_heading = "Execution")]
    pub(crate) fuel: Option<u64>,

    /// End a machine after this time (as in 10s, 500ms, 2m), with status 124
    #[arg(long, value_name = "TIME", value_parser = values::duration, help_heading = "Execution")]
    pub(crate) timeout: Option<Duration>,
}

/// Whether and where figures are written.
#[derive(Args, Debug)]
pub(crate) struct ReportOptions {
    /// Write a report to standard error
    ///
    /// The fields of the JSON form are described in docs/report.md.
    #[arg(long = "report", value_name = "FORMAT", help_heading = "Reports")]
    pub(crate) format: Option<ReportFormat>,

    /// Write the report to FILE instead
    #[arg(long = "report-file", value_name = "FILE", requires = "format")]
    #[arg(help_heading = "Reports")]
    pub(crate) file: Option<PathBuf>,
}

/// How a machine is driven, new or from a snapshot.
#[derive(Args, Debug)]
pub(crate) struct DriveOptions {
    #[command(flatten)]
    pub(crate) execution: Execution,

    /// Pass standard input on as it arrives, instead of in whole blocks
    ///
    /// Whole blocks make the guest's reads the same in every run, however slowly the input comes.
    /// They are not used when standard input is a terminal, nor with the host's clock.
    #[arg(short, long)]
    pub(crate) interactive: bool,

    #[command(flatten)]
    pub(crate) report: ReportOptions,

    /// List system calls that were made but are not implemented
    #[arg(long, help_heading = "Reports")]
    pub(crate) strict: bool,

    /// Mount a folder of the host (repeatable)
    ///
    /// Changes of the host show at once, and the guest's show on the host unless `:ro` is given. No
    /// path or link leads out of the folder. What the host changes meanwhile is not repeatable.
    #[arg(short = 'v', long = "volume", value_name = "HOST:GUEST[:ro]", help_heading = "Files")]
    pub(crate) volumes: Vec<Volume>,

    /// When the run is over, write what the machine changed in its root file system to FILE, as a tar
    /// archive in the form of a container image's layer
    #[arg(long, value_name = "FILE", help_heading = "Files")]
    pub(crate) export: Option<PathBuf>,

    /// Write a snapshot of the machine to FILE, when --snapshot-at says
    #[arg(long, value_name = "FILE", requires = "snapshot_at", help_heading = "Snapshots")]
    pub(crate) snapshot: Option<PathBuf>,

    /// Take the snapshot when exactly COUNT instructions have retired, counted from boot; or when the
    /// machine first waits for input
    #[arg(long, value_name = "COUNT|input", value_parser = values::pause, requires = "snapshot")]
    #[arg(help_heading = "Snapshots")]
    pub(crate) snapshot_at: Option<Pause>,

    /// End the run when the snapshot is written, with status 0
    #[arg(long, requires = "snapshot", help_heading = "Snapshots")]
    pub(crate) stop: bool,
}

/// What a new machine is made of.
#[derive(Args, Debug)]
pub(crate) struct GuestOptions {
    /// Root file system: a directory, a tar archive (plain, gz, xz, zst), an OCI image, or an image
    /// made by `ncpu image build`
    ///
    /// Without it, PROGRAM is a file of the host, put into a small built-in root file system. The
    /// machine never changes it: what programs write stays in the machine.
    #[arg(long, value_name = "PATH", help_heading = "Files")]
    pub(crate) rootfs: Option<PathBuf>,

    /// Set an environment variable of the program (repeatable)
    ///
    /// NAME alone passes on the host's value, or unsets the variable if the host has none.
    #[arg(short = 'e', long = "env", value_name = "NAME[=VALUE]", help_heading = "Program")]
    pub(crate) env: Vec<String>,

    /// Read environment variables from a file: a line each, as for --env; # starts a comment
    #[arg(long, value_name = "FILE", help_heading = "Program")]
    pub(crate) env_file: Vec<PathBuf>,

    /// Directory inside the machine to start in
    #[arg(short = 'w', long = "workdir", value_name = "DIR", help_heading = "Program")]
    pub(crate) workdir: Option<String>,

    /// Whom the program runs as: names of the guest's /etc/passwd and /etc/group, or numbers
    #[arg(short, long, value_name = "USER[:GROUP]", help_heading = "Program")]
    pub(crate) user: Option<String>,

    /// Replace the entry point of a container image; an empty one removes it
    #[arg(long, value_name = "PROGRAM", help_heading = "Program")]
    pub(crate) entrypoint: Option<String>,

    /// Host name of the machine
    #[arg(long, value_name = "NAME", value_parser = values::host_name, help_heading = "Machine")]
    pub(crate) hostname: Option<String>,

    /// Sizes of kernel tables: tasks, mappings, files, inodes, dentries, objects, console
    ///
    /// A program that needs more gets the error that Linux gives: EAGAIN, ENFILE, ENOSPC, ...
    #[arg(long, value_name = "NAME=COUNT,...", value_delimiter = ',', help_heading = "Machine")]
    pub(crate) limit: Vec<Limit>,

    /// Seed of the machine's entropy (/dev/urandom, getrandom)
    #[arg(long, value_name = "N", default_value_t = 0, help_heading = "Machine")]
    pub(crate) seed: u64,

    /// Wall clock at boot: RFC 3339, seconds since 1970, or now [default: 2024-01-01T00:00:00Z]
    #[arg(long, value_name = "DATE", value_parser = values::date, help_heading = "Machine")]
    pub(crate) time: Option<u64>,
}

#[derive(Args, Debug)]
pub(crate) struct RunArguments {
    #[command(flatten)]
    pub(crate) guest: GuestOptions,

    /// Give the guest a terminal, and with -i connect it to this one
    #[arg(short, long)]
    pub(crate) tty: bool,

    /// Memory of the machine, as in 256M or 2G
    #[arg(long, value_name = "SIZE", default_value = "1G", value_parser = values::pages)]
    #[arg(help_heading = "Machine")]
    pub(crate) mem: u32,

    /// What the machine's clock follows [default: host at an interactive terminal, else virtual]
    #[arg(long, value_enum, hide_default_value = true, help_heading = "Machine")]
    pub(crate) clock: Option<Clock>,

    /// Run the program N times, each in a new machine, and report how the runs compare
    ///
    /// The output of the first run is shown. All get the same standard input.
    #[arg(long, value_name = "N", default_value_t = 1, hide_default_value = true)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..), help_heading = "Reports")]
    #[arg(conflicts_with_all = ["tty", "snapshot"])]
    pub(crate) repeat: u32,

    #[command(flatten)]
    pub(crate) drive: DriveOptions,

    /// The program and its arguments [default with --rootfs: what a container image says, else a
    /// shell]
    #[arg(trailing_var_arg = true, num_args = 0..)]
    #[arg(value_names = ["PROGRAM", "ARG"])]
    pub(crate) command: Vec<String>,
}

#[derive(Args, Debug)]
#[command(group = ArgGroup::new("inputs").required(true))]
pub(crate) struct BatchArguments {
    /// One machine for each regular file of FOLDER, in the order of their names; the file is its
    /// standard input
    #[arg(long, value_name = "FOLDER", group = "inputs", help_heading = "Inputs")]
    pub(crate) input_dir: Option<PathBuf>,

    /// One machine for each line of FILE, a JSON object that says what it is given (- for standard
    /// input)
    #[arg(long, value_name = "FILE", group = "inputs", help_heading = "Inputs")]
    pub(crate) jsonl: Option<PathBuf>,

    /// One machine for each number from A up to, but not including, B; the number and a newline are
    /// its standard input
    #[arg(long, value_name = "A..B", group = "inputs", value_parser = values::range)]
    #[arg(help_heading = "Inputs")]
    pub(crate) stdin_range: Option<Range<u64>>,

    /// Write the results to FILE [default: standard output]
    ///
    /// Its name says in which form: Parquet if it ends in .parquet, else a JSON object a line.
    #[arg(short, long, value_name = "FILE", help_heading = "Results")]
    pub(crate) out: Option<PathBuf>,

    /// Go on with a batch that was interrupted: leave out machines whose results are in FILE already
    #[arg(long, requires = "out", help_heading = "Results")]
    pub(crate) resume: bool,

    /// Bytes of a machine's standard output to keep, and as many of its standard error
    #[arg(long, value_name = "SIZE", default_value = "1M", value_parser = values::bytes)]
    #[arg(help_heading = "Results")]
    pub(crate) output_limit: usize,

    /// Machines that run at a time [default: one for each processor core, or as many as fit a GPU]
    ///
    /// On the processor, more than it has cores bring nothing, and so many are used at most. The
    /// results do not depend on it.
    #[arg(long, value_name = "N", value_parser = values::lanes, help_heading = "Execution")]
    pub(crate) lanes: Option<NonZeroUsize>,

    /// Memory of each machine, as in 16M or 1G
    #[arg(long, value_name = "SIZE", default_value = "16M", value_parser = values::pages)]
    #[arg(help_heading = "Machine")]
    pub(crate) mem: u32,

    /// Start all machines from the snapshot in FILE, which `ncpu run --snapshot` wrote
    ///
    /// With the --rootfs or the PROGRAM that it was made with. Inputs come after what the program had read
    /// by then; fuel counts from boot.
    #[arg(long, value_name = "FILE", help_heading = "Machine", conflicts_with_all = [
        "mem", "env", "env_file", "workdir", "user", "entrypoint", "hostname", "limit", "seed", "time",
    ])]
    pub(crate) snapshot: Option<PathBuf>,

    #[command(flatten)]
    pub(crate) execution: Execution,

    #[command(flatten)]
    pub(crate) guest: GuestOptions,

    #[command(flatten)]
    pub(crate) report: ReportOptions,

    /// The program and its arguments [default with --rootfs: what a container image says, else a
    /// shell]
    #[arg(trailing_var_arg = true, num_args = 0..)]
    #[arg(value_names = ["PROGRAM", "ARG"])]
    pub(crate) command: Vec<String>,
}

#[derive(Args, Debug)]
pub(crate) struct ExportArguments {
    /// The snapshot
    #[arg(value_name = "SNAPSHOT")]
    pub(crate) snapshot_file: PathBuf,

    /// Root file system that the machine was run with
    #[arg(long, value_name = "PATH")]
    pub(crate) rootfs: PathBuf,

    /// The archive to write [default: standard output]
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
}

#[derive(Args, Debug)]
pub(crate) struct ResumeArguments {
    /// The snapshot
    pub(crate) snapshot_file: PathBuf,

    /// The root file system that the machine was run with
    #[arg(long, value_name = "PATH", conflicts_with = "program")]
    pub(crate) rootfs: Option<PathBuf>,

    #[command(flatten)]
    pub(crate) drive: DriveOptions,

    /// The host file that was run, if that was without --rootfs
    #[arg(value_name = "PROGRAM", required_unless_present = "rootfs")]
    pub(crate) program: Option<PathBuf>,
}

#[derive(Args, Debug)]
pub(crate) struct InspectArguments {
    /// The file
    pub(crate) elf: PathBuf,
    /// Write one JSON object
    #[arg(long)]
    pub(crate) json: bool,
    /// List all symbols instead of counting them
    #[arg(long)]
    pub(crate) symbols: bool,
}

#[derive(Args, Debug)]
pub(crate) struct DisasmArguments {
    /// The file
    pub(crate) elf: PathBuf,
    /// Only this function
    #[arg(long, value_name = "NAME", conflicts_with_all = ["start", "end"])]
    pub(crate) symbol: Option<String>,
    /// Only from this address
    #[arg(long, value_name = "ADDRESS", value_parser = values::address)]
    pub(crate) start: Option<u64>,
    /// Only below this address
    #[arg(long, value_name = "ADDRESS", value_parser = values::address)]
    pub(crate) end: Option<u64>,
    /// Show the micro-ops of each instruction
    #[arg(long)]
    pub(crate) uops: bool,
    /// Write one JSON object a line
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Subcommand, Debug)]
pub(crate) enum ImageCommand {
    /// Pack a root file system into an image file, which starts without being read
    Build {
        /// A directory, tar archive or OCI image
        source: PathBuf,
        /// The image file to write
        #[arg(short, long, value_name = "FILE")]
        output: PathBuf,
        /// Give all files to root
        #[arg(long)]
        root_owned: bool,
        /// Which image to take of several in a container archive, by its tag
        #[arg(long, value_name = "TAG")]
        reference: Option<String>,
    },
    /// List files of a root file system
    Ls {
        /// An image file, or anything else that --rootfs takes
        image: PathBuf,
        /// Path inside
        #[arg(default_value = "/")]
        path: String,
        /// Go into subdirectories
        #[arg(short = 'R', long)]
        recursive: bool,
    },
}

#[derive(Subcommand, Debug)]
pub(crate) enum TrainCommand {
    /// Train every cell of the neural ALU and write its weight files
    #[command(long_about = text::TRAIN)]
    Alu(TrainAluArguments),
    /// Train the networks of elementary functions and write their weight files
    #[command(long_about = text::TRAIN_MATH)]
    Math(TrainMathArguments),
}

#[derive(Args, Debug)]
pub(crate) struct TrainAluArguments {
    /// Folder for the weight files
    #[arg(long, value_name = "DIR", default_value = WEIGHTS)]
    pub(crate) out: PathBuf,
    /// Seed of the initial weights
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(crate) seed: u64,
}

#[derive(Args, Debug)]
pub(crate) struct TrainMathArguments {
    /// Folder for the weight files
    #[arg(long, value_name = "DIR", default_value = MATH_WEIGHTS)]
    pub(crate) out: PathBuf,
    /// Seed of the initial weights
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(crate) seed: u64,
}

#[derive(Subcommand, Debug)]
pub(crate) enum VerifyCommand {
    /// Prove the weight files right and write the certificate into them
    #[command(long_about = text::VERIFY)]
    Alu(VerifyAluArguments),
    /// Check the error bounds of elementary functions on every input and write the certificate into the
    /// weight files
    #[command(long_about = text::VERIFY_MATH)]
    Math(VerifyMathArguments),
}

#[derive(Args, Debug)]
pub(crate) struct VerifyAluArguments {
    /// Folder with the weight files
    #[arg(long, value_name = "DIR", default_value = WEIGHTS)]
    pub(crate) weights: PathBuf,
    /// Leave the files as they are, and fail if they have another certificate
    #[arg(long)]
    pub(crate) check: bool,
    /// Print a line for each cell and theorem
    #[arg(short, long)]
    pub(crate) verbose: bool,
    /// Run the networks on all operands of 16 bits too, beside the proof, which takes a processor hours
    #[arg(long)]
    pub(crate) exhaustive: bool,
    /// What runs them on all operands
    ///
    /// The results are the same. Auto takes the GPU if there is one.
    #[arg(long, value_enum, default_value_t = Engine::Cpu, requires = "exhaustive")]
    pub(crate) engine: Engine,
    /// Of all operands, take only first ones from START to before END
    #[arg(long, value_name = "START..END", value_parser = values::operands)]
    #[arg(requires = "exhaustive")]
    pub(crate) first_operands: Option<RangeInclusive<u16>>,
}

#[derive(Args, Debug)]
pub(crate) struct VerifyMathArguments {
    /// Folder with the weight files
    #[arg(long, value_name = "DIR", default_value = MATH_WEIGHTS)]
    pub(crate) weights: PathBuf,
    /// Leave the files as they are, and fail if they have another certificate
    #[arg(long)]
    pub(crate) check: bool,
    /// Try only one input in N, which shows nothing of the others, and leave the files as they are
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(2..1 << 24))]
    #[arg(conflicts_with = "check")]
    pub(crate) sample: Option<u64>,
    /// Write a chart of the errors over the range to FILE, in SVG
    #[arg(long, value_name = "FILE")]
    pub(crate) chart: Option<PathBuf>,
}

#[derive(Args, Debug)]
pub(crate) struct MathArguments {
    /// The function
    #[arg(value_parser = values::function)]
    pub(crate) function: ncpu_neural_math::Function,
    /// Its argument, and for atan2 y and then x
    #[arg(required = true, num_args = 1..=2, allow_negative_numbers = true, value_name = "X")]
    pub(crate) arguments: Vec<f32>,
    /// Folder with the weight files
    #[arg(long, value_name = "DIR", default_value = MATH_WEIGHTS)]
    pub(crate) weights: PathBuf,
    /// Write one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}
