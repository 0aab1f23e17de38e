//! Times what a process takes to open the card and to end: `opening [RUNS]`.
//!
//! Each time is that of a process of its own, which starts this program again with the way to end: that
//! the driver is initialised counts, as it does for who runs one machine.

#![allow(unsafe_code)]

use anyhow::{Context, Result, ensure};
use ncpu_gpu::{Purpose, open};
use serde_json::{Value, json};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Ways to end: giving everything back; leaving that to the end of the process, where the driver's own
/// handler runs; and without the handler.
const ENDS: [&str; 3] = ["destroy", "leave", "exit"];

unsafe extern "C" {
    /// `man 2 _exit`
    fn _exit(status: i32) -> !;
}

fn main() -> Result<()> {
    let start = Instant::now();
    let argument = std::env::args().nth(1);
    if let Some(end) = argument.as_deref().filter(|word| ENDS.contains(word)) {
        return child(end, start);
    }
    let runs =
        argument.map_or(Ok(5), |word| word.parse::<usize>()).context("usage: opening [RUNS]")?;
    let this = std::env::current_exe()?;
    let mut report = serde_json::Map::new();
    for end in ENDS {
        let mut times = Vec::new();
        // The first run fills the cache of compiled modules.
        for _ in 0..=runs {
            let start = Instant::now();
            let output = Command::new(&this).arg(end).stderr(Stdio::inherit()).output()?;
            let whole = ms(start.elapsed());
            ensure!(output.status.success(), "opening {end}: {}", output.status);
            let mut said: Value = serde_json::from_slice(&output.stdout)?;
            said["whole_ms"] = whole.into();
            times.push((whole, said));
        }
        times.remove(0);
        times.sort_by(|(a, _), (b, _)| a.total_cmp(b));
        let (_, middle) = times.swap_remove(times.len() / 2);
        report.insert(end.to_owned(), middle);
    }
    println!("{}", Value::from(report));
    Ok(())
}

/// Opens the card, says what that took, and ends.
fn child(end: &str, start: Instant) -> Result<()> {
    let cuda = open(Purpose::One)?;
    let timings = cuda.timings();
    let modules: Vec<Value> = timings
        .modules
        .iter()
        .map(|m| json!({ "name": m.module, "cached": m.cached, "obtain_ms": ms(m.obtain), "load_ms": ms(m.load) }))
        .collect();
    let report = json!({
        "library_ms": ms(timings.library),
        "init_ms": ms(timings.init),
        "card_ms": ms(timings.card),
        "context_ms": ms(timings.context),
        "stack_ms": ms(timings.stack),
        "load_ms": ms(timings.load),
        "open_ms": ms(timings.total),
        "modules": modules,
        "open_at_ms": ms(start.elapsed()),
    });
    println!("{report}");
    match end {
        "destroy" => drop(cuda),
        "leave" => std::mem::forget(cuda),
        // SAFETY: what was printed ended with a newline, so nothing waits to be written.
        _ => unsafe { _exit(0) },
    }
    Ok(())
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}
