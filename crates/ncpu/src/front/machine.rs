//! A machine for a translated program, on any engine.

use crate::cli::Execution;
use crate::report::{NeuralFigures, tell};
use crate::run::{engine, status};
use anyhow::{Context, bail};
use clap::ValueEnum;
use ncpu_engine::{Boot, Folders, Host, Machine, Pool, Program, Reason, Rules, boot, state_hash};
use ncpu_linux::Limits;
use std::io::Write;
use std::path::Path;

/// Small tables: there is one process, which does nothing but read and write.
const LIMITS: Limits = Limits {
    pages: 1024,
    tasks: 4,
    mappings: 64,
    files: 64,
    inodes: 64,
    dentries: 64,
    objects: 4,
    console: 1 << 14,
};

/// What ended a run before the program ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Cut {
    /// A word for reports.
    pub(super) word: &'static str,
    /// The status to end with.
    pub(super) status: u8,
}

impl Cut {
    /// Says so, unless it is the reader of standard output that has seen enough.
    pub(super) fn tell(self, name: &str) {
        if self.word != BROKEN_PIPE {
            tell!("ncpu: {name}: the run ended before the program did: {}", self.word);
        }
    }
}

const BROKEN_PIPE: &str = "broken-pipe";

/// How a translated program ended, and what it took.
#[derive(Debug)]
pub(super) struct Done {
    pub(super) reason: Reason,
    /// ARM64 instructions retired.
    pub(super) instructions: u64,
    pub(super) wall_seconds: f64,
    /// 128 bits in hexadecimal.
    pub(super) state_hash: String,
    pub(super) engine: &'static str,
    pub(super) alu: String,
    /// What networks computed.
    pub(super) neural: Option<NeuralFigures>,
}

/// Runs an ELF file that a front end made. `is_live` says that its input comes when it comes.
pub(super) fn run(
    elf: &[u8],
    execution: &Execution,
    is_live: bool,
    host: &mut dyn Host,
) -> anyhow::Result<Done> {
    let mut engine = engine::open(execution)?;
    let mut file = tempfile::NamedTempFile::new().context("cannot make a temporary file")?;
    file.write_all(elf).context("cannot write a temporary file")?;
    let root = ncpu_image::builtin_with(&[(Path::new("/bin/program"), file.path())])?;
    let pool = Pool::new(root, engine::frames(execution.engine, LIMITS.pages))?;
    let mut machine = Machine::new(&pool, LIMITS)?;
    let program = Program {
        path: b"/bin/program".to_vec(),
        arguments: vec![b"program".to_vec()],
        ..Program::default()
    };
    machine.with_kernel(|kernel| boot(kernel, &Boot::default(), &program))?;
    let rules = Rules { fuel: execution.fuel, pause: None, timeout: execution.timeout };
    let ending = engine.drive(&mut machine, is_live, host, &mut Folders::default(), rules)?;
    let alu = execution.alu.to_possible_value().map(|value| value.get_name().to_owned());
    Ok(Done {
        reason: ending.reason,
        instructions: machine.with_kernel(|kernel| kernel.header.retired),
        wall_seconds: ending.wall.as_secs_f64(),
        state_hash: format!("{:032x}", state_hash(&mut machine)),
        engine: engine.name(),
        alu: alu.unwrap_or_default(),
        neural: engine.neural(),
    })
}

impl Done {
    /// What cut the run, if the program did not end by itself.
    ///
    /// # Errors
    /// When it was an error.
    pub(super) fn cut(&self) -> anyhow::Result<Option<Cut>> {
        let cut = |word, status| Some(Cut { word, status });
        Ok(match &self.reason {
            Reason::Ended(status) if status & 0x7f == 0 => None,
            Reason::Fuel => cut("fuel", status::CUT),
            Reason::Timeout => cut("timeout", status::CUT),
            Reason::Quit => cut("quit", status::SIGNAL + 2),
            Reason::BrokenPipe => cut(BROKEN_PIPE, status::BROKEN_PIPE),
            Reason::Stream(error) => bail!("standard streams: {error}"),
            Reason::Engine(error) => bail!("the engine failed: {error}"),
            Reason::Ended(wait) => {
                bail!("the translated program was ended by signal {}", wait & 0x7f)
            }
            Reason::Paused | Reason::Deadlock => bail!("the translated program waits for nothing"),
        })
    }
}
