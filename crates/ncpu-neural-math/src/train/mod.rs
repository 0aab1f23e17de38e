//! Training: each network by descent on samples of its function, then rounded to integers.
//!
//! - [`target`]   what each network has to compute
//! - [`plan`]     how large it is, and its samples
//! - [`model`]    the network in real numbers, with gradients by Burn
//! - [`squares`]  damped linear least squares
//! - [`descent`]  descent towards the least maximal error
//! - [`rounding`] from real weights to integers
//! - [`curves`]   the error over the steps
//!
//! Everything is seeded and made of operations in a fixed order that IEEE 754 defines to the last bit;
//! other functions are the library `libm`'s, in Rust, which are the same on every machine.

pub mod curves;
mod descent;
mod model;
mod plan;
mod rounding;
mod squares;
pub mod target;

use crate::network::{Network, NetworkError};
use crate::weights::{Card, FORMAT, Training, Weights};
use crate::{NetworkId, Networks};
use curves::Curve;
use plan::{PLANS, Plan};
use std::sync::Mutex;

/// Attempts at a network, from different initial weights.
const ATTEMPTS: u32 = 4;

/// Attempts at all networks.
pub const STEPS: usize = ATTEMPTS as usize * NetworkId::COUNT;

/// Why there is no network.
#[derive(Debug, thiserror::Error)]
pub enum TrainError {
    /// What was learned cannot be evaluated in integers.
    #[error("network {network}, attempt {attempt}: {source}; try another --seed")]
    Rounding {
        /// The network.
        network: &'static str,
        /// The attempt.
        attempt: u32,
        /// What is wrong.
        source: NetworkError,
    },
}

struct Trained {
    network: Network,
    error: f64,
    curve: Curve,
}

fn attempt(plan: &Plan, seed: u64, attempt: u32) -> Result<Trained, TrainError> {
    let mut curve = Curve::new(plan.id);
    let model = descent::descend(plan, seed, attempt, &mut curve);
    let network = rounding::round(plan, &model).map_err(|source| TrainError::Rounding {
        network: plan.id.name(),
        attempt,
        source,
    })?;
    let error = rounding::error(plan, &network);
    Ok(Trained { network, error, curve })
}

/// The attempt with the least error; the first of equal ones.
fn best(plan: &Plan, seed: u64, done: &(impl Fn() + Sync)) -> Result<Trained, TrainError> {
    let mut best: Option<Trained> = None;
    let mut failure = None;
    for number in 0..ATTEMPTS {
        match attempt(plan, seed, number) {
            Ok(trained) if best.as_ref().is_none_or(|best| trained.error < best.error) => {
                best = Some(trained);
            }
            Ok(_) => {}
            Err(error) => failure = Some(error),
        }
        done();
    }
    match (best, failure) {
        (Some(best), _) => Ok(best),
        (None, Some(failure)) => Err(failure),
        (None, None) => unreachable!("there is at least one attempt"),
    }
}

/// Rounded to three significant digits.
fn three_digits(error: f64) -> f64 {
    format!("{error:.2e}").parse().expect("a number's text is a number")
}

fn card(plan: &Plan, seed: u64, trained: &Trained) -> Card {
    let training = Training {
        function: plan.id.formula().to_owned(),
        architecture: format!("1 input, {} hidden units max(0, w t + b)^5, 1 output", plan.units),
        data: format!("{} inputs, evenly over the domain", descent::SAMPLES),
        seed,
        optimiser: descent::OPTIMISER.to_owned(),
        steps: descent::STEPS,
        parameters: trained.network.parameters(),
        error: three_digits(trained.error),
    };
    Card {
        format: FORMAT.to_owned(),
        description: format!("nCPU neural mathematics, network {}", plan.id.name()),
        training,
        certificate: None,
    }
}

/// Trains all networks with `threads` threads, of which the result does not depend; `seed` sets the
/// initial weights, and `done` is called after each of [`STEPS`] attempts. Gives the weights, without a
/// certificate, and how each was reached.
///
/// # Errors
/// When a network cannot be trained with this seed.
pub fn train(
    seed: u64,
    threads: usize,
    done: impl Fn() + Sync,
) -> Result<(Weights, Vec<Curve>), TrainError> {
    let next = Mutex::new(PLANS.iter().enumerate());
    let results: Mutex<[Option<Result<Trained, TrainError>>; NetworkId::COUNT]> = Mutex::default();
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let Some((i, plan)) = next.lock().expect("no thread panics").next() else {
                        break;
                    };
                    let result = best(plan, seed, &done);
                    results.lock().expect("no thread panics")[i] = Some(result);
                }
            });
        }
    });
    let (mut networks, mut cards, mut curves) = (Vec::new(), Vec::new(), Vec::new());
    let results = results.into_inner().expect("no thread panics");
    for (plan, result) in PLANS.iter().zip(results.into_iter().flatten()) {
        let trained = result?;
        cards.push(card(plan, seed, &trained));
        networks.push(trained.network);
        curves.push(trained.curve);
    }
    let networks = networks.try_into().expect("every plan has a result");
    Ok((Weights { networks: Networks(networks), cards }, curves))
}
