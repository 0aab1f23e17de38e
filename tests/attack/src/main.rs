//! Attacks for as long as one likes: `attack TARGET --seed N --seconds N`.

use clap::Parser;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

#[derive(Parser)]
struct Arguments {
    /// Which target.
    #[arg(value_enum)]
    target: Target,
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
    /// Random code with random system calls.
    Code,
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

fn main() {
    let arguments = Arguments::parse();
    std::panic::set_hook(Box::new(|info| PLACE.set(info.to_string())));
    watch();
    let start = Instant::now();
    let mut found: BTreeMap<String, (u64, u64)> = BTreeMap::new();
    let mut count = 0;
    while count < arguments.cases && start.elapsed().as_secs() < arguments.seconds {
        let seed = arguments.seed + count;
        CASE.store(seed, Ordering::Relaxed);
        let result = catch_unwind(AssertUnwindSafe(|| match arguments.target {
            Target::Code => attack::code::case(seed),
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
