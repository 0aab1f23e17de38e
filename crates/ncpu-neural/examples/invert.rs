//! Finds inputs of short programs by gradient descent through their execution: `invert WEIGHTS`.
//!
//! For each program, 50 results of random inputs of 32 bits are given, and inputs are sought that give
//! them. Each found one is run on the exact networks and by native arithmetic. Beside it, with native
//! arithmetic: as many random inputs; as many flips of single bits, kept if the same loss does not rise,
//! with as many attempts; and 32 times as many of these in attempts that are 32 times as long, since a
//! gradient says something of 32 bits.

use ncpu_neural::Weights;
use ncpu_neural::invert::{Found, Loss, Search, invert};
use ncpu_neural::program::Program;
use ncpu_neural::soft::Form;
use ncpu_neural_alu::{BitSliced, Bits, Cells};
use std::error::Error;
use std::path::Path;
use std::time::Instant;

const TARGETS: usize = 50;
const STEPS: u32 = 50;
const ATTEMPTS: u32 = 20;
const K: u32 = 0x79b9_5a5a;

/// `movz w1, #0x5a5a` and `movk w1, #0x79b9, lsl #16`.
const K_IN_W1: [u32; 2] = [0x528b_4b41, 0x72af_3721];

/// Text, words, and the same by native arithmetic.
type Row = (&'static str, &'static [u32], fn(u32) -> u32);

const PROGRAMS: &[Row] = &[
    ("x ^= x << 13; x ^= x >> 13", &[0x4a00_3400, 0x4a40_3400], |mut x| {
        x ^= x << 13;
        x ^ x >> 13
    }),
    ("ror(x + k, 9) ^ k", &[0x0b01_0000, 0x1380_2400, 0x4a01_0000], |x| {
        x.wrapping_add(K).rotate_right(9) ^ K
    }),
    (
        "x = ror(x + k, 9); x ^= x << 13; x ^ k",
        &[0x0b01_0000, 0x1380_2400, 0x4a00_3400, 0x4a01_0000],
        |x| {
            let x = x.wrapping_add(K).rotate_right(9);
            x ^ x << 13 ^ K
        },
    ),
    ("x * 3 + 7 ^ k", &[0x0b00_0400, 0x1100_1c00, 0x4a01_0000], |x| {
        x.wrapping_mul(3).wrapping_add(7) ^ K
    }),
    (
        "x ^= k; x ^= x >> 13; ror(x + k, 9)",
        &[0x4a01_0000, 0x4a40_3400, 0x0b01_0000, 0x1380_2400],
        |mut x| {
            x ^= K;
            (x ^ x >> 13).wrapping_add(K).rotate_right(9)
        },
    ),
];

fn main() -> Result<(), Box<dyn Error>> {
    let folder = std::env::args().nth(1).ok_or("usage: invert WEIGHTS")?;
    let networks = Weights::certified(Path::new(&folder))?.networks;
    let cells = Cells::new(&networks)?;
    println!("| program | cells by | loss | found | median runs | seconds |");
    println!("|---|---|---|---:|---:|---:|");
    for &(text, words, native) in PROGRAMS {
        let program = Program::new(&[&K_IN_W1, words].concat())?;
        let mut next = numbers(1);
        let targets: Vec<u64> = (0..TARGETS).map(|_| native(next()).into()).collect();
        for form in [Form::Expected, Form::StraightThrough(3.0)] {
            for loss in [Loss::Wrong, Loss::LowestFirst] {
                let search =
                    Search { width: 32, loss, form, steps: STEPS, attempts: ATTEMPTS, seed: 1 };
                let start = Instant::now();
                let found = invert(&networks, &program, &targets, &search);
                let seconds = start.elapsed().as_secs_f64();
                for (found, &target) in found.iter().zip(&targets) {
                    let Some(Found { input, .. }) = *found else { continue };
                    let exact = program.run(&mut Bits::new(&BitSliced::new(&cells)), &input);
                    assert_eq!([exact, native(input as u32).into()], [target; 2], "{input:#x}");
                }
                let mut runs: Vec<u32> = found.iter().flatten().map(|found| found.runs).collect();
                runs.sort_unstable();
                let median = runs.get(runs.len() / 2).map_or("-".into(), u32::to_string);
                let found = runs.len();
                println!("| {text} | {form:?} | {loss:?} | {found} | {median} | {seconds:.1} |");
            }
        }
        for (name, loss, steps, attempts) in [
            ("random", Loss::Wrong, 1, STEPS * ATTEMPTS),
            ("flips", Loss::Wrong, STEPS, ATTEMPTS),
            ("flips", Loss::LowestFirst, STEPS, ATTEMPTS),
            ("flips", Loss::Wrong, 32 * STEPS, ATTEMPTS),
            ("flips", Loss::LowestFirst, 32 * STEPS, ATTEMPTS),
        ] {
            let runs = steps * attempts;
            let found = |&&target: &&u64| by_flips(native, target, loss, steps, runs);
            let found = targets.iter().filter(found).count();
            println!("| {text} | none: {name}, {runs} runs | {loss:?} | {found} | | |");
        }
    }
    Ok(())
}

/// Whether an input is found by flips, with a new random one after each `steps` runs.
fn by_flips(native: fn(u32) -> u32, target: u64, loss: Loss, steps: u32, runs: u32) -> bool {
    let wrong = |input| {
        let wrong = native(input) ^ target as u32;
        match loss {
            Loss::Wrong => wrong.count_ones(),
            // The lowest bit counts the most.
            Loss::LowestFirst => wrong.reverse_bits(),
        }
    };
    let mut next = numbers(target);
    let mut input = 0;
    for run in 0..runs {
        let other = if run % steps == 0 { next() } else { input ^ 1 << (next() % 32) };
        if run % steps == 0 || wrong(other) <= wrong(input) {
            input = other;
        }
        if wrong(input) == 0 {
            return true;
        }
    }
    false
}

/// Random words (a linear congruential generator, Knuth's MMIX).
fn numbers(mut state: u64) -> impl FnMut() -> u32 {
    move || {
        state = state.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
        (state >> 32) as u32
    }
}
