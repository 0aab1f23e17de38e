//! Recording: scenarios run by `qemu-aarch64` in a chroot of `guests/rootfs`.
//!
//! The kernel's binfmt_misc starts qemu for every arm64 program, also for those that the guest's
//! programs execute (qemu's user mode does not follow `execve`). Each scenario runs in namespaces
//! of its own: process ids start afresh, the network is a loopback device, the root is an overlay
//! over `guests/rootfs` on a tmpfs. All of it ends with the scenario; nothing is left to unmount.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};

use super::Selection;
use super::child::{self, Input, Outcome};
use super::file::{self, Expectation, Scenario};

const BINFMT: &str = "/proc/sys/fs/binfmt_misc";
/// Names of our entries there begin with this; a process id follows.
const FORMAT: &str = "ncpu-record-aarch64-";
/// Written to an entry, it removes the entry (Documentation/admin-guide/binfmt-misc.rst).
const UNREGISTER: &str = "-1";

/// ELF, 64 bits, little-endian, version 1; ET_EXEC or ET_DYN (the mask hides bit 0);
/// EM_AARCH64 = 183. Flags: keep `argv[0]`, open the binary for qemu, use its credentials, and
/// keep the interpreter open so that it is found from within the chroot.
const MAGIC: &str = r"\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\xb7\x00";
const MASK: &str =
    r"\xff\xff\xff\xff\xff\xff\xff\x00\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff\xff";
const FLAGS: &str = "POCF";

/// Sets up a scenario's root and runs `"$@"` in it. Descriptor 3 is the guest's stderr, and only
/// the subshell has it as its own, so that what this shell says of a killed child stays apart.
///
/// The devices are the ones a container has (man 7 runc's default list); /dev is a tmpfs because
/// the host's holds what the host happens to have.
const SETUP: &str = r#"
exec 3>&2 2>"$SCRATCH/setup.log"
set -e
mount -t tmpfs -o mode=755 tmpfs "$SCRATCH/top"
cd "$SCRATCH/top"
mkdir upper work root
mount -t overlay -o "lowerdir=$ROOTFS,upperdir=upper,workdir=work" overlay root
mount -t proc proc root/proc
mount -t tmpfs -o mode=755 tmpfs root/dev
for device in 'null 1 3' 'zero 1 5' 'full 1 7' 'random 1 8' 'urandom 1 9' 'tty 5 0'; do
    set -- $device "$@"
    mknod -m 666 "root/dev/$1" c "$2" "$3"
    shift 3
done
mkdir root/dev/pts root/dev/shm
mount -t devpts -o newinstance,ptmxmode=0666,mode=620,gid=5 devpts root/dev/pts
mount -t tmpfs -o mode=1777 tmpfs root/dev/shm
ln -s pts/ptmx root/dev/ptmx
ln -s /proc/self/fd root/dev/fd
ln -s /proc/self/fd/0 root/dev/stdin
ln -s /proc/self/fd/1 root/dev/stdout
ln -s /proc/self/fd/2 root/dev/stderr
hostname ncpu
chroot root busybox ifconfig lo 127.0.0.1 up
ulimit -c 0
ulimit -n 1024
umask 022
set +e
(exec chroot root "$@" 2>&3 3>&-)
exit $?
"#;

/// Arguments of `cargo xtask scenarios record`.
#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    selection: Selection,
    /// Only scenarios that have no recording yet
    #[arg(long)]
    missing: bool,
    /// Compare with the stored recordings and write nothing
    #[arg(long)]
    check: bool,
    /// How often to run each scenario; one that differs between runs is not stored
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..))]
    times: u32,
    /// The time limit of one run, in seconds
    #[arg(long, default_value_t = 300)]
    timeout: u64,
    /// The emulator: a static qemu-aarch64
    #[arg(long, default_value = "/usr/bin/qemu-aarch64-static")]
    qemu: PathBuf,
}

/// Records; `Ok(false)` says that some scenario could not be.
pub(super) fn run(args: &Args) -> Result<bool> {
    let guests = crate::root().join("guests");
    let held = crate::guests::installed_suite(&guests)
        .context("guests/rootfs is missing or incomplete; run `cargo xtask guests` first")?;
    let _format = Registration::new(&args.qemu)?;
    let limit = Duration::from_secs(args.timeout);

    let (mut stored, mut failed) = (0, 0);
    for mut group in file::load_all(None)? {
        if group.suite > held {
            println!("{}: needs `cargo xtask guests --suite full`", group.name);
            continue;
        }
        for index in 0..group.scenarios.len() {
            let scenario = group.scenarios[index].clone();
            let path = group.path(&scenario);
            let wanted = !args.missing || scenario.recorded().is_none();
            if !wanted || !args.selection.admits(&path) {
                continue;
            }
            let result = observe(&guests, &scenario, limit, args.times).and_then(|outcome| {
                if args.check {
                    let recorded = scenario.recorded().context("there is no recording")?;
                    let differences = recorded.differences(&outcome);
                    ensure!(differences.is_empty(), "it differs:\n{differences}");
                } else {
                    group.set_recorded(index, &outcome)?;
                    group.save()?;
                }
                Ok(outcome)
            });
            match result {
                Ok(outcome) => {
                    stored += 1;
                    println!("{path}: exit {}, {:.1?}", outcome.exit, outcome.took);
                }
                Err(error) => {
                    failed += 1;
                    println!("{path}: FAILED: {error:#}");
                }
            }
        }
    }
    println!("{stored} {}, {failed} failed", if args.check { "checked" } else { "recorded" });
    Ok(failed == 0)
}

/// Runs a scenario `times` times; an error says that the runs differ, or that one hung.
fn observe(guests: &Path, scenario: &Scenario, limit: Duration, times: u32) -> Result<Outcome> {
    let first = run_once(guests, scenario, limit)?;
    let expected = Expectation {
        stdout: String::from_utf8_lossy(&first.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&first.stderr).into_owned(),
        exit: first.exit,
    };
    for _ in 1..times {
        let next = run_once(guests, scenario, limit)?;
        if (&next.stdout, &next.stderr, next.exit) != (&first.stdout, &first.stderr, first.exit) {
            bail!("two runs differ:\n{}", expected.differences(&next));
        }
    }
    Ok(first)
}

fn run_once(guests: &Path, scenario: &Scenario, limit: Duration) -> Result<Outcome> {
    let scratch = std::env::temp_dir().join(format!("ncpu-record-{}", std::process::id()));
    fs::create_dir_all(scratch.join("top"))?;
    // A session of its own: the guest has no controlling terminal, whoever records.
    let mut command = Command::new("setsid");
    command.args(["unshare", "--mount", "--pid", "--ipc", "--net", "--uts", "--fork"]);
    command.args(["--kill-child", "sh", "-c", SETUP, "setup", "env", "--ignore-environment"]);
    command.args(["--chdir", scenario.workdir()]);
    command.args(scenario.environment().iter().map(|(key, value)| format!("{key}={value}")));
    command.args(scenario.argv());
    command.env("SCRATCH", &scratch).env("ROOTFS", guests.join("rootfs"));
    let outcome = child::run(&mut command, Input::Bytes(scenario.stdin.as_bytes()), limit);
    let log = fs::read_to_string(scratch.join("setup.log")).unwrap_or_default();
    fs::remove_dir_all(&scratch)?;
    let outcome = outcome?;
    ensure!(!outcome.timed_out, "it ran longer than {} s", limit.as_secs());
    let setup_failed = log.lines().find(|line| {
        ["mount:", "mknod:", "unshare:", "chroot:", "ln:", "mkdir:"]
            .iter()
            .any(|tool| line.contains(tool))
    });
    if let Some(line) = setup_failed {
        bail!("cannot set the scenario up (this needs root): {line}");
    }
    Ok(outcome)
}

/// The kernel's registration of qemu for arm64 programs, removed when dropped.
///
/// It carries this process's id: two recordings at once have one each.
struct Registration {
    entry: PathBuf,
}

impl Registration {
    fn new(qemu: &Path) -> Result<Self> {
        let qemu = fs::canonicalize(qemu).with_context(|| {
            format!("{} is missing; install the package qemu-user-static", qemu.display())
        })?;
        let register = Path::new(BINFMT).join("register");
        if !register.exists() {
            let status = Command::new("mount")
                .args(["-t", "binfmt_misc", "binfmt_misc", BINFMT])
                .status()
                .context("cannot start mount")?;
            ensure!(status.success(), "cannot mount {BINFMT}; recording needs root");
        }
        remove_stale()?;
        let name = format!("{FORMAT}{}", std::process::id());
        let line = format!(":{name}:M::{MAGIC}:{MASK}:{}:{FLAGS}", qemu.display());
        fs::write(&register, line)
            .with_context(|| format!("cannot register {} in {BINFMT}", qemu.display()))?;
        Ok(Self { entry: Path::new(BINFMT).join(name) })
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        // Nothing more can be done about a failure here; the next recording tries again.
        _ = fs::write(&self.entry, UNREGISTER);
    }
}

/// Removes what recordings left behind that were killed.
fn remove_stale() -> Result<()> {
    for entry in fs::read_dir(BINFMT).with_context(|| format!("cannot read {BINFMT}"))? {
        let entry = entry?;
        let name = entry.file_name();
        let owner = name.to_str().and_then(|name| name.strip_prefix(FORMAT));
        if owner.is_some_and(|pid| !Path::new("/proc").join(pid).exists()) {
            _ = fs::write(entry.path(), UNREGISTER);
        }
    }
    Ok(())
}
