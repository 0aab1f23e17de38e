//! Networks as the threads of a warp evaluate them: at one position, four weights at a time.
//!
//! What a neuron sees is bytes in a queue: each neuron's output is put in front of those before it, and
//! the cell's inputs are behind them. Weights are packed in the same order, so that every byte and its
//! weight are at places that are known when this is compiled, and stay in registers.

use core::fmt;
use ncpu_neural_alu::network::{MAX_INPUTS, MAX_NEURONS};
use ncpu_neural_alu::{CellId, Network};

/// Weights in a word.
const LANES: usize = 4;
/// Words of a neuron's weights, and of those of a small cell.
const WORDS: usize = (MAX_INPUTS + MAX_NEURONS).div_ceil(LANES);
const FEW: usize = 3;

/// A neuron fires when its weighted inputs are at least its threshold.
#[repr(C, align(16))]
#[derive(Clone, Copy, Debug, Default)]
struct Neuron {
    threshold: i32,
    /// Signed bytes: of the neurons before, the last one first, then of the cell's inputs.
    weights: [u32; WORDS],
}

/// The network of a cell.
#[repr(C, align(16))]
#[derive(Clone, Copy, Debug, Default)]
pub struct PackedCell {
    count: u32,
    /// 1 if no neuron sees more than [`FEW`] words.
    is_small: u32,
    neurons: [Neuron; MAX_NEURONS],
}

/// The networks of all cells. Plain data of fixed size.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct PackedNetworks([PackedCell; CellId::COUNT]);

/// A weight does not fit a byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WideWeight {
    /// The cell that has it.
    pub cell: CellId,
    /// The weight.
    pub weight: i16,
}

impl fmt::Display for WideWeight {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let WideWeight { cell, weight } = self;
        write!(f, "cell {} has a weight of {weight}, but a GPU takes bytes", cell.name())
    }
}

impl core::error::Error for WideWeight {}

impl PackedNetworks {
    /// Packs networks, which are in the order of [`CellId::ALL`].
    ///
    /// # Errors
    /// When a weight does not fit a byte.
    pub fn new(networks: &[Network; CellId::COUNT]) -> Result<PackedNetworks, WideWeight> {
        let mut cells = [PackedCell::default(); CellId::COUNT];
        for ((packed, network), &cell) in cells.iter_mut().zip(networks).zip(CellId::ALL) {
            packed.count = network.neurons() as u32;
            packed.is_small = (network.inputs() + network.neurons() <= FEW * LANES).into();
            for (number, neuron) in packed.neurons[..network.neurons()].iter_mut().enumerate() {
                // Twice the sum, which is odd with the bias, is positive.
                neuron.threshold = (1 - i32::from(network.bias(number))) / 2;
                let (inputs, before) = network.weights(number).split_at(network.inputs());
                for (at, &weight) in before.iter().rev().chain(inputs).enumerate() {
                    let byte = i8::try_from(weight).map_err(|_| WideWeight { cell, weight })?;
                    neuron.weights[at / LANES] |= u32::from(byte as u8) << (8 * (at % LANES));
                }
            }
        }
        Ok(PackedNetworks(cells))
    }

    /// The network of a cell.
    #[inline(always)]
    pub fn cell(&self, cell: CellId) -> &PackedCell {
        &self.0[cell as usize]
    }
}

impl PackedCell {
    /// Evaluates the network at two positions, whose inputs are bytes, the first one lowest: the last
    /// neuron's output is the lowest bit, the one before it the next.
    #[inline(always)]
    pub fn evaluate(&self, inputs: [u64; 2]) -> [u32; 2] {
        let [low, high] = inputs;
        let fired = if self.is_small != 0 {
            self.fire::<FEW>(low, high)
        } else {
            self.fire_many(low, high)
        };
        [fired as u32, (fired >> 32) as u32]
    }

    #[inline(never)]
    fn fire_many(&self, low: u64, high: u64) -> u64 {
        self.fire::<WORDS>(low, high)
    }

    /// The neurons that fire, for the second position in the upper half.
    #[inline(always)]
    fn fire<const WORDS: usize>(&self, low: u64, high: u64) -> u64 {
        let queue = |inputs: u64| {
            let mut queue = [0; WORDS];
            (queue[0], queue[1]) = (inputs as u32, (inputs >> 32) as u32);
            queue
        };
        let mut queues = [low, high].map(queue);
        let mut fired = [0; 2];
        for neuron in &self.neurons[..(self.count as usize).min(MAX_NEURONS)] {
            for (queue, fired) in queues.iter_mut().zip(&mut fired) {
                // The word that changes comes last.
                let sum =
                    (0..WORDS).rev().fold(0, |sum, at| dot(neuron.weights[at], queue[at], sum));
                let fires = u32::from(sum >= neuron.threshold);
                *fired = *fired << 1 | fires;
                for at in (1..WORDS).rev() {
                    queue[at] = queue[at] << 8 | queue[at - 1] >> 24;
                }
                queue[0] = queue[0] << 8 | fires;
            }
        }
        u64::from(fired[0]) | u64::from(fired[1]) << 32
    }
}

/// `sum` and the products of four signed bytes each (PTX ISA, `dp4a`).
#[inline(always)]
fn dot(a: u32, b: u32, sum: i32) -> i32 {
    #[cfg(target_arch = "nvptx64")]
    {
        let result: i32;
        // SAFETY: arithmetic on registers.
        unsafe {
            core::arch::asm!(
                "dp4a.s32.s32 {result}, {a}, {b}, {sum};",
                result = out(reg32) result,
                a = in(reg32) a,
                b = in(reg32) b,
                sum = in(reg32) sum,
                options(pure, nomem, nostack),
            );
        }
        result
    }
    #[cfg(not(target_arch = "nvptx64"))]
    a.to_le_bytes()
        .into_iter()
        .zip(b.to_le_bytes())
        .fold(sum, |sum, (a, b)| sum + i32::from(a as i8) * i32::from(b as i8))
}
