//! The check of what is claimed: results for every input compared with exact values.
//!
//! - [`reference`](mod@reference)  the measure of errors
//! - [`sweep`](mod@sweep)          every input of a range, on all cores
//! - [`chart`]                    errors over the range
//! - [`arctangent`]                the argument for the one function of two arguments
//!
//! `sin` and `cos` are evaluated for every `x` that is not negative, and compared with those of `-x` for
//! one in [`SIGN_STEP`]: the code uses a sign in one place. The others take every bit pattern of 32.

mod arctangent;
pub mod chart;
pub mod reference;
pub mod sweep;

use crate::weights::{Certificate, Finding, digest};
use crate::{Function, Networks};
use reference::{exact, units};
use std::time::{Duration, Instant};
use sweep::{Worst, sweep};

/// One in how many numbers is evaluated with the other sign too, for sine and cosine.
pub const SIGN_STEP: u64 = 1021;
/// All bit patterns of single precision.
const PATTERNS: u64 = 1 << 32;
/// Those without the sign.
const MAGNITUDES: u64 = 1 << 31;

/// Inputs of all sweeps together.
pub const INPUTS: u64 = MAGNITUDES + 3 * PATTERNS + arctangent::INPUTS + arctangent::PAIRS;

/// What was found of one function.
#[derive(Clone, Debug)]
pub struct Checked {
    /// The function.
    pub function: Function,
    /// What goes into the certificate.
    pub finding: Finding,
    /// How long it took; for sine and cosine, together.
    pub took: Duration,
}

impl Checked {
    /// Whether no result had a larger error than is claimed.
    pub fn passed(&self) -> bool {
        self.finding.worst <= self.finding.bound
    }
}

/// Rounded up, so that it is still a bound.
fn rounded_up(error: f64) -> f64 {
    (error * 1e4).ceil() / 1e4
}

fn argument(bits: u64) -> f32 {
    f32::from_bits(bits as u32)
}

/// A number as the shortest decimal that is it, and its bits.
fn shown(x: f32) -> String {
    format!("{x:e} ({:#010x})", x.to_bits())
}

fn unary(function: Function, inputs: u64, method: String, worst: Worst) -> Finding {
    Finding {
        range: function.range().to_owned(),
        inputs,
        method,
        worst: rounded_up(worst.error),
        at: shown(argument(worst.at)),
        bound: function.bound(),
    }
}

/// Sine and cosine of a number that is not negative: their errors.
fn sine_and_cosine(networks: &Networks, bits: u64) -> [f64; 2] {
    let x = argument(bits);
    let (sin, cos) = (networks.sin(x), networks.cos(x));
    if bits.is_multiple_of(SIGN_STEP) {
        let same = |a: f32, b: f32| a.to_bits() == b.to_bits() || (a.is_nan() && b.is_nan());
        if !same(networks.sin(-x), -sin) || !same(networks.cos(-x), cos) {
            return [f64::INFINITY; 2];
        }
    }
    if !x.is_finite() {
        return [units(sin, f64::NAN), units(cos, f64::NAN)];
    }
    let (exact_sin, exact_cos) = libm::sincos(x.into());
    [units(sin, exact_sin), units(cos, exact_cos)]
}

/// Checks all functions with `threads` threads, of which the findings do not depend; `done` is told how
/// many of [`INPUTS`] were dealt with, and `checked` of each function. A `step` other than 1 takes a
/// sample, of one input in so many, which shows nothing of the others.
pub fn verify(
    networks: &Networks,
    step: u64,
    threads: usize,
    done: impl Fn(u64) + Sync,
    mut checked: impl FnMut(&Checked),
) -> Vec<Checked> {
    let of = |inputs: &str| match step {
        1 => format!("all {inputs}"),
        _ => format!("a sample of {inputs}, one in {step}"),
    };
    let mut all = Vec::new();
    let mut push = |function, finding, start: Instant| {
        let one = Checked { function, finding, took: start.elapsed() };
        checked(&one);
        all.push(one);
    };
    let start = Instant::now();
    let both = sweep(0..MAGNITUDES, step, threads, |bits| sine_and_cosine(networks, bits), &done);
    for (function, worst) in [Function::Sin, Function::Cos].into_iter().zip(both) {
        let finding =
            unary(function, MAGNITUDES / step, of("numbers that are not negative"), worst);
        push(function, finding, start);
    }
    for function in [Function::Sqrt, Function::Exp, Function::Log] {
        let start = Instant::now();
        let measure = |bits| {
            let x = argument(bits);
            [units(networks.evaluate(function, x, 0.0), exact(function, x.into(), 0.0))]
        };
        let [worst] = sweep(0..PATTERNS, step, threads, measure, &done);
        push(function, unary(function, PATTERNS / step, of("bit patterns"), worst), start);
    }
    let start = Instant::now();
    let measured = arctangent::measure(networks, step, threads, &done);
    let (y, x) = arctangent::pair(measured.pair.at);
    let finding = Finding {
        range: Function::Atan2.range().to_owned(),
        inputs: (arctangent::INPUTS + arctangent::PAIRS) / step,
        method: format!(
            "{} (largest relative error {:.3e} at {}/2^30) and the argument of docs/math.md; the worst of \
             {} pairs has {:.4}",
            of("inputs of the network"),
            measured.network.error,
            measured.network.at,
            arctangent::PAIRS / step,
            rounded_up(measured.pair.error)
        ),
        worst: rounded_up(measured.bound.max(measured.pair.error)),
        at: format!("y = {}, x = {}", shown(y), shown(x)),
        bound: Function::Atan2.bound(),
    };
    push(Function::Atan2, finding, start);
    all
}

/// The certificate of findings that all passed; none if one did not.
pub fn certificate(networks: &Networks, all: &[Checked]) -> Option<Certificate> {
    all.iter().all(Checked::passed).then(|| Certificate {
        networks: digest(networks),
        checker: concat!("ncpu ", env!("CARGO_PKG_VERSION")).to_owned(),
        functions: all
            .iter()
            .map(|one| (one.function.name().to_owned(), one.finding.clone()))
            .collect(),
    })
}
