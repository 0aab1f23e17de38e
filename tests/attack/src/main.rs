//! Attacks for as long as one likes: `attack TARGET --seed N --seconds N`; and `attack seeds FOLDER`,
//! which writes valid inputs for a coverage-guided fuzzer to start from.

use clap::Parser;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Hostile input for everything that reads untrusted bytes.
#[derive(Parser)]
struct Arguments {
    /// Which target.
    #[arg(value_enum)]
    target: Target,
    /// Where `seeds` writes to.
    #[arg(default_value = "fuzz/corpus")]
    folder: PathBuf,
    /// First seed; the cases after it have those that follow.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Cases to run at most.
    #[arg(long, default_value_t = u64::MAX)]
    cases: u64,
    /// Seconds to run at most.
    #[arg(long, default_value_t = 60)]
    seconds: u64,
}

#[derive(Clone, Copy, clap::ValueEnum)]
enum Target {
    /// Programs whose headers lie.
    Elf,
    /// Archives and container images.
    Archive,
    /// Root file system images.
    Rootfs,
    /// Snapshot files.
    Snapshot,
    /// Random code with random system calls.
    Code,
    /// Sources in assembly and Forth, and images of cells.
    Text,
    /// No target: valid inputs of the others, a folder each.
    Seeds,
}

thread_local! {
    static PLACE: RefCell<String> = const { RefCell::new(String::new()) };
}

/// The case that runs, and the number of cases that have ended.
static CASE: AtomicU64 = AtomicU64::new(0);
/// A case that takes longer hangs.
const LONGEST: Duration = Duration::from_secs(60);

fn watch() {
    std::thread::spawn(|| {
        let mut last = (u64::MAX, Instant::now());
        loop {
            std::thread::sleep(Duration::from_secs(1));
            let case = CASE.load(Ordering::Relaxed);
            if case != last.0 {
                last = (case, Instant::now());
            } else if last.1.elapsed() > LONGEST {
                eprintln!("seed {case} hangs");
                std::process::exit(1);
            }
        }
    });
}

/// Writes the valid inputs that cases are made of.
fn write_seeds(folder: &Path) -> anyhow::Result<()> {
    let inputs = [
        ("elf", attack::elf::seed()),
        ("archive", attack::archive::tar()?),
        ("rootfs", attack::rootfs::seed()?),
        ("snapshot", attack::snapshot::open(&attack::snapshot::seed(1)?)?),
    ];
    for (name, bytes) in inputs {
        let folder = folder.join(name);
        std::fs::create_dir_all(&folder)?;
        std::fs::write(folder.join("seed"), bytes)?;
    }
    for kind in 0..attack::text::KINDS {
        let folder = folder.join("text");
        std::fs::create_dir_all(&folder)?;
        std::fs::write(folder.join(format!("seed-{kind}")), attack::text::seed(kind))?;
    }
    Ok(())
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    if let Target::Seeds = arguments.target {
        return write_seeds(&arguments.folder);
    }
    std::panic::set_hook(Box::new(|info| PLACE.set(info.to_string())));
    watch();
    let start = Instant::now();
    let mut found: BTreeMap<String, (u64, u64)> = BTreeMap::new();
    let mut count = 0;
    while count < arguments.cases && start.elapsed().as_secs() < arguments.seconds {
        let seed = arguments.seed + count;
        CASE.store(seed, Ordering::Relaxed);
        let result = catch_unwind(AssertUnwindSafe(|| match arguments.target {
            Target::Elf => attack::elf::case(seed),
            Target::Archive => attack::archive::case(seed),
            Target::Rootfs => attack::rootfs::case(seed),
            Target::Snapshot => attack::snapshot::case(seed),
            Target::Code => attack::code::case(seed),
            Target::Text => attack::text::case(seed),
            Target::Seeds => Ok(()),
        }));
        let what = match result {
            Ok(Ok(())) => None,
            Ok(Err(error)) => Some(format!("{error:#}")),
            Err(_) => Some(PLACE.take()),
        };
        if let Some(what) = what {
            let entry = found.entry(what.clone()).or_insert((seed, 0));
            entry.1 += 1;
            if entry.1 == 1 {
                eprintln!("seed {seed}: {what}");
            }
        }
        count += 1;
    }
    println!("{count} cases in {:?}", start.elapsed());
    for (what, (seed, times)) in &found {
        println!("{times} times, first with seed {seed}: {what}");
    }
    std::process::exit(i32::from(!found.is_empty()));
}
