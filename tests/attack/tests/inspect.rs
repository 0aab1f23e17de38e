//! `ncpu inspect` and `ncpu disasm` on files that lie: an error, never a panic or a signal.

use attack::{elf, random::Rng};
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// The command, built if it is not yet there.
fn ncpu() -> PathBuf {
    let built = Command::new(env!("CARGO")).args(["build", "--quiet", "-p", "ncpu"]).status();
    assert!(built.is_ok_and(|status| status.success()), "ncpu does not build");
    let test = std::env::current_exe().expect("the path of this test");
    let profile = test.ancestors().nth(2).expect("tests are in target/PROFILE/deps");
    profile.join("ncpu")
}

#[test]
fn of_files_that_lie() {
    let ncpu = ncpu();
    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = directory.path().join("file");
    let busybox = elf::busybox();
    for seed in 1..=200 {
        let mut rng = Rng::seeded(seed);
        let mut bytes = elf::seed();
        if let Some(large) = busybox.as_ref().filter(|_| seed % 16 == 0) {
            bytes.clone_from(large);
        }
        elf::change(&mut rng, &mut bytes);
        std::fs::write(&path, &bytes).expect("a temporary file");
        let command = rng.pick(&["inspect", "disasm"]);
        let status = Command::new(&ncpu)
            .arg(command)
            .arg(&path)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .expect("the command starts");
        assert!(matches!(status.code(), Some(0 | 1 | 2 | 125)), "seed {seed}, {command}: {status}");
    }
}
