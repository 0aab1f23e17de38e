//! The other side: a small program under qemu-aarch64 that executes batches of cases.

use crate::case::Case;
use crate::layout::{DATA_PAGES, PAGE};
use anyhow::{Context, Result, bail, ensure};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::io::{ErrorKind, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

/// Names under which distributions install it.
const EMULATORS: [&str; 2] = ["qemu-aarch64", "qemu-aarch64-static"];

const ASSEMBLER: &str = "aarch64-linux-gnu-as";

/// Longest that a batch of cases takes qemu, on a busy machine.
const LONGEST: Duration = Duration::from_secs(60);

/// Bytes of the data area that the runner reports.
pub(crate) const DATA_BYTES: usize = DATA_PAGES.len() * PAGE as usize;

/// Processor model for most rows: all that qemu has, less the extensions that the machine does not
/// announce and that qemu can leave out.
pub(crate) const MAX: &str = "max,sve=off,sme=off,pauth=off";
/// Model for `DC ZVA`, whose block has 512 bytes in qemu's `max`, but 64 here.
pub(crate) const SMALL_BLOCKS: &str = "neoverse-n1";

/// The emulator and the program for it.
pub(crate) struct Tools {
    emulator: PathBuf,
    /// The program that executes cases.
    pub(crate) runner: PathBuf,
    /// First line of the emulator's `--version`.
    pub(crate) version: String,
}

impl Tools {
    /// Finds qemu, on PATH unless one is given, for a runner.
    pub(crate) fn new(given: Option<&Path>, runner: &Path) -> Result<Tools> {
        let candidates = match given {
            Some(path) => vec![path],
            None => EMULATORS.iter().map(Path::new).collect(),
        };
        let found = candidates.into_iter().find_map(|emulator| {
            let output = Command::new(emulator).arg("--version").output().ok()?;
            let text = String::from_utf8_lossy(&output.stdout).into_owned();
            Some((emulator.to_owned(), text.lines().next().unwrap_or_default().to_owned()))
        });
        let Some((emulator, version)) = found else {
            if let Some(path) = given {
                bail!("{} does not run", path.display());
            }
            bail!(
                "neither qemu-aarch64 nor qemu-aarch64-static is on PATH (Debian: apt install qemu-user-static)"
            );
        };
        Ok(Tools { emulator, runner: runner.to_owned(), version })
    }
}

/// Builds the runner into `folder`. Without an assembler, one that was built before is taken, as on a
/// machine that the folder was copied to.
pub(crate) fn runner(folder: &Path) -> Result<PathBuf> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("runner/runner.s");
    let (object, runner) = (folder.join("runner.o"), folder.join("runner"));
    if runner.exists() && Command::new(ASSEMBLER).arg("--version").output().is_err() {
        return Ok(runner);
    }
    std::fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
    binutils(ASSEMBLER, &[&source, Path::new("-o"), &object])?;
    // No power of two, nor near one: operands are, and a branch must not end up in the runner.
    let base = Path::new("-Ttext-segment=0x5a5a0000");
    binutils("aarch64-linux-gnu-ld", &[base, &object, Path::new("-o"), &runner])?;
    Ok(runner)
}

fn binutils(tool: &str, arguments: &[&Path]) -> Result<()> {
    match Command::new(tool).args(arguments).status() {
        Ok(status) => {
            ensure!(status.success(), "{tool}: {status}");
            Ok(())
        }
        Err(error) if error.kind() == ErrorKind::NotFound => {
            bail!("{tool} is not on PATH (Debian: apt install binutils-aarch64-linux-gnu)")
        }
        Err(error) => Err(error).context(tool.to_owned()),
    }
}

/// A running runner.
pub(crate) struct Qemu {
    child: Child,
    input: ChildStdin,
    output: ChildStdout,
}

impl Qemu {
    /// Starts the runner on a processor model with these contents of the data area.
    pub(crate) fn start(tools: &Tools, model: &str, data: &[u8; DATA_BYTES]) -> Result<Qemu> {
        let mut child = Command::new(&tools.emulator)
            .args(["-cpu", model])
            .arg(&tools.runner)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| tools.emulator.display().to_string())?;
        let mut input = child.stdin.take().context("no standard input")?;
        let output = child.stdout.take().context("no standard output")?;
        input.write_all(data)?;
        Ok(Qemu { child, input, output })
    }

    /// Executes a batch and returns it with the data area afterwards.
    pub(crate) fn run(&mut self, cases: &[Case]) -> Result<(Vec<Case>, Box<[u8; DATA_BYTES]>)> {
        let mut request = (cases.len() as u64).to_le_bytes().to_vec();
        request.extend(cases.iter().flat_map(|case| case.as_bytes()));
        let died = "the runner under qemu died";
        // The runner reads all before it writes.
        self.input.write_all(&request).and_then(|()| self.input.flush()).context(died)?;
        let mut bytes = [0; Case::BYTES];
        let mut after = Vec::with_capacity(cases.len());
        for (number, case) in cases.iter().enumerate() {
            ensure!(
                self.has_output()?,
                "qemu is not through with case {number} of {} after {} s: words {:08x?} at {:#x}",
                cases.len(),
                LONGEST.as_secs(),
                case.words,
                case.pc
            );
            self.output.read_exact(&mut bytes).context(died)?;
            after.push(Case::from_bytes(&bytes));
        }
        let mut data = Box::new([0; DATA_BYTES]);
        self.output.read_exact(&mut data[..]).context(died)?;
        Ok((after, data))
    }
}

impl Qemu {
    /// Waits until the runner has said something or has ended; false if it does neither.
    fn has_output(&self) -> Result<bool> {
        let limit = Timespec::try_from(LONGEST).context("the time limit")?;
        let mut asked = [PollFd::new(&self.output, PollFlags::IN)];
        Ok(poll(&mut asked, Some(&limit))? != 0)
    }
}

impl Drop for Qemu {
    fn drop(&mut self) {
        // It may be stuck in a case; its result is of no use any more.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
