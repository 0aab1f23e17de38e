//! Inputs of programs, found by gradient descent through their execution.
//!
//! Each bit of the unknown input has a number between -1 and 1, and is its sign. The program runs on these
//! bits, so that what it gives is exact and a found input is one; the gradient says for each bit where its
//! number should go (a straight-through estimator). After some steps without success, a new attempt
//! begins at random numbers. All targets descend together, a row each.

use crate::program::Program;
use crate::random::Random;
use crate::soft::{Form, SoftBits, bits, nearest, plane};
use ncpu_neural_alu::{CellId, Network};

/// What wrong outputs cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loss {
    /// Each wrong bit the same. Bits that are right pull at nothing.
    Wrong,
    /// The lowest wrong bit the most, and each above it half of the one below. Bits below it, which are
    /// right, hold on to what they are: carries go up, so that this is the order in which sums come right.
    LowestFirst,
}

/// How to search.
#[derive(Clone, Copy, Debug)]
pub struct Search {
    /// Unknown bits of the input, from the lowest; those above are zero. At most 64.
    pub width: u32,
    /// What wrong outputs cost.
    pub loss: Loss,
    /// How cells are differentiated. Results have to be exact on bits, so not [`Form::Soft`].
    pub form: Form,
    /// Steps of an attempt; each runs the program once, and back.
    pub steps: u32,
    /// Attempts at each target.
    pub attempts: u32,
    /// Where random numbers begin.
    pub seed: u64,
}

/// An input that gives the target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Found {
    /// The input.
    pub input: u64,
    /// How many times the program was run for it.
    pub runs: u32,
}

const RATE: f64 = 0.5;
const BETAS: (f64, f64) = (0.5, 0.5);
const POSITIONS: usize = 64;

/// An input on its way: Adam (Kingma and Ba 2015), with a short memory, since a step changes much.
struct Descent {
    target: usize,
    numbers: Vec<f64>,
    first: Vec<f64>,
    second: Vec<f64>,
}

impl Descent {
    fn new(target: usize, width: usize, random: &mut Random) -> Descent {
        let numbers = (0..width).map(|_| f64::from(random.signed_unit())).collect();
        Descent { target, numbers, first: vec![0.0; width], second: vec![0.0; width] }
    }

    fn input(&self) -> u64 {
        let set = self.numbers.iter().enumerate().filter(|&(_, &number)| number > 0.0);
        set.fold(0, |word, (position, _)| word | 1 << position)
    }

    fn step(&mut self, gradient: &[f64], step: i32) {
        for (i, &gradient) in gradient.iter().take(self.numbers.len()).enumerate() {
            self.first[i] = BETAS.0 * self.first[i] + (1.0 - BETAS.0) * gradient;
            self.second[i] = BETAS.1 * self.second[i] + (1.0 - BETAS.1) * gradient * gradient;
            let first = self.first[i] / (1.0 - BETAS.0.powi(step));
            let second = self.second[i] / (1.0 - BETAS.1.powi(step));
            let number = self.numbers[i] - RATE * first / (second.sqrt() + 1e-8);
            self.numbers[i] = number.clamp(-1.0, 1.0);
        }
    }
}

/// The derivative of the loss by each bit of an output; of no meaning for the target itself.
fn pulls(loss: Loss, output: u64, target: u64) -> impl Iterator<Item = f64> {
    let wrong = output ^ target;
    let lowest = wrong.trailing_zeros() as i32;
    (0..POSITIONS as i32).map(move |at| {
        let size = match loss {
            Loss::Wrong => (wrong >> at & 1) as f64,
            Loss::LowestFirst => 0.5f64.powi((at - lowest).max(-2)),
        };
        if target >> at & 1 == 1 { -size } else { size }
    })
}

/// An input for each target, where one was found.
pub fn invert(
    networks: &[Network; CellId::COUNT],
    program: &Program,
    targets: &[u64],
    search: &Search,
) -> Vec<Option<Found>> {
    let width = (search.width as usize).min(POSITIONS);
    let mut random = Random(search.seed);
    let mut found = vec![None; targets.len()];
    let mut runs = 0;
    for _ in 0..search.attempts {
        let left = (0..targets.len()).filter(|&target| found[target].is_none());
        let mut rows: Vec<Descent> =
            left.map(|target| Descent::new(target, width, &mut random)).collect();
        for step in 1..=search.steps {
            if rows.is_empty() {
                return found;
            }
            runs += 1;
            let inputs: Vec<u64> = rows.iter().map(Descent::input).collect();
            let input = bits(&inputs).require_grad();
            let output = program.run(&mut SoftBits::new(networks, search.form), &input);
            let outputs = nearest(&output);
            let of_row =
                |(row, &output): (&Descent, &u64)| pulls(search.loss, output, targets[row.target]);
            let pulls = plane(rows.iter().zip(&outputs).flat_map(of_row));
            let gradients = (output * pulls).sum().backward();
            let gradient: Vec<f64> = match input.grad(&gradients) {
                Some(gradient) => gradient.into_data().iter().collect(),
                // The output does not depend on the input.
                None => return found,
            };
            for (row, (descent, gradient)) in
                rows.iter_mut().zip(gradient.chunks(POSITIONS)).enumerate()
            {
                if outputs[row] == targets[descent.target] {
                    found[descent.target] = Some(Found { input: inputs[row], runs });
                } else {
                    descent.step(gradient, step as i32);
                }
            }
            rows.retain(|row| found[row.target].is_none());
        }
    }
    found
}
