//! Small machines that see nothing of the host.

use ncpu_alu::NativeAlu;
use ncpu_engine::{
    Boot, Folders, Host, Input, Machine, Pause, Pool, Program, Reason, Rules, drive,
};
use ncpu_image::RootImage;
use ncpu_linux::Limits;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// Tables so small that a program can fill them all.
pub const SMALL: Limits = Limits {
    pages: 2048,
    tasks: 24,
    mappings: 256,
    files: 96,
    inodes: 128,
    dentries: 128,
    objects: 24,
    console: 4096,
};

/// Most instructions of a case.
pub const FUEL: u64 = 2_000_000;

/// Where the program under attack is in the machine.
pub const PROGRAM: &str = "/bin/program";

/// A host with nothing: no input, and no one to read the output.
pub struct Nothing;

impl Host for Nothing {
    fn output(&mut self, _stream: u8, _bytes: &[u8]) -> io::Result<()> {
        Ok(())
    }

    fn input(&mut self, buffer: &mut [u8], _wait: Option<Duration>) -> io::Result<Input> {
        // A full ring: the guest sleeps on something else, and no one will wake it.
        Ok(if buffer.is_empty() { Input::Quit } else { Input::End })
    }
}

/// The built-in root file system with programs of these contents, given as (guest path, bytes).
pub fn root(programs: &[(&str, &[u8])]) -> anyhow::Result<RootImage> {
    let directory = tempfile::tempdir()?;
    let mut files = Vec::new();
    for (index, (guest, bytes)) in programs.iter().enumerate() {
        let host = directory.path().join(index.to_string());
        std::fs::write(&host, bytes)?;
        files.push((Path::new(*guest), host));
    }
    let files: Vec<_> = files.iter().map(|(guest, host)| (*guest, host.as_path())).collect();
    Ok(ncpu_image::builtin_with(&files)?)
}

/// What a case starts: [`PROGRAM`] with two arguments and a variable.
pub fn program() -> Program {
    Program {
        path: PROGRAM.into(),
        arguments: vec![PROGRAM.into(), b"sh".to_vec(), b"-c".to_vec()],
        environment: vec![b"PATH=/bin".to_vec()],
        ..Program::default()
    }
}

/// A machine of a pool, booted; or why its program cannot be started.
pub fn booted(pool: &Arc<Pool>, limits: Limits) -> Result<Machine, ncpu_engine::BootError> {
    let mut machine = Machine::new(pool, limits)?;
    machine.with_kernel(|kernel| ncpu_engine::boot(kernel, &Boot::default(), &program()))?;
    Ok(machine)
}

/// Runs a machine until `fuel` instructions are retired since its boot.
pub fn run(machine: &mut Machine, fuel: u64) -> Reason {
    drive_by(machine, Rules { fuel: Some(fuel), ..Rules::default() })
}

/// Runs a machine until so many instructions are retired since its boot, to go on later as if it had
/// not been stopped.
pub fn pause(machine: &mut Machine, instructions: u64) -> Reason {
    drive_by(machine, Rules { pause: Some(Pause::At(instructions)), ..Rules::default() })
}

fn drive_by(machine: &mut Machine, rules: Rules) -> Reason {
    let mut folders = Folders::default();
    let rules = Rules { timeout: Some(Duration::from_secs(20)), ..rules };
    let ending =
        machine.with_kernel(|kernel| drive(kernel, &NativeAlu, &mut Nothing, &mut folders, rules));
    assert_eq!(folders.served(), 0, "the machine asked for files of the host, which has none");
    ending.reason
}

/// Runs the program in `elf` in a small machine and returns how it ended; `None` if it could not be
/// started.
pub fn run_elf(elf: &[u8], fuel: u64) -> anyhow::Result<Option<Reason>> {
    let pool = Pool::new(root(&[(PROGRAM, elf)])?, SMALL.pages)?;
    let Ok(mut machine) = booted(&pool, SMALL) else {
        assert_eq!(pool.used(), 0, "frames are lost when a program cannot be started");
        return Ok(None);
    };
    let reason = run(&mut machine, fuel);
    drop(machine);
    assert_eq!(pool.used(), 0, "frames are lost at the end of a machine");
    Ok(Some(reason))
}
