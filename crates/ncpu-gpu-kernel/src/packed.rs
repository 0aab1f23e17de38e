//! Networks as the threads of a warp evaluate them: at one position, four weights at a time.

use core::fmt;
use ncpu_neural_alu::network::{MAX_INPUTS, MAX_NEURONS};
use ncpu_neural_alu::{CellId, Network};

/// Weights in a word.
const LANES: usize = 4;
/// Words of a neuron's weights.
const WORDS: usize = (MAX_INPUTS + MAX_NEURONS).div_ceil(LANES);
/// Inputs and neurons that two words hold.
const FEW: usize = 2 * LANES;

/// A neuron fires when its weighted inputs are at least its threshold.
#[repr(C, align(16))]
#[derive(Clone, Copy, Debug, Default)]
struct Neuron {
    threshold: i32,
    /// Signed bytes: of the cell's inputs, then of the neurons before.
    weights: [u32; WORDS],
}

/// The network of a cell.
#[repr(C, align(16))]
#[derive(Clone, Copy, Debug, Default)]
pub struct PackedCell {
    inputs: u32,
    count: u32,
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
            packed.inputs = network.inputs() as u32;
            packed.count = network.neurons() as u32;
            for (number, neuron) in packed.neurons[..network.neurons()].iter_mut().enumerate() {
                // Twice the sum, which is odd with the bias, is positive.
                neuron.threshold = (1 - i32::from(network.bias(number))) / 2;
                for (at, &weight) in network.weights(number).iter().enumerate() {
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
    /// Evaluates the network at two positions, whose inputs are in the lowest bits: the outputs, the
    /// first of `outputs` in the lowest bit.
    #[inline(always)]
    pub fn evaluate(&self, inputs: [u32; 2], outputs: u32) -> [u32; 2] {
        let (count, first) = (self.count as usize, self.inputs as usize);
        let fired = if first + count <= FEW {
            self.fire_few(inputs, first, count)
        } else {
            self.fire(inputs, first, count)
        };
        fired.map(|fired| fired >> (self.count - outputs))
    }

    /// The neurons that fire, where there are few.
    #[inline(always)]
    fn fire_few(&self, inputs: [u32; 2], first: usize, count: usize) -> [u32; 2] {
        let mut seen = inputs.map(|bits| spread(bits, first));
        let mut fired = [0; 2];
        for (number, neuron) in self.neurons[..count].iter().enumerate() {
            for (seen, fired) in seen.iter_mut().zip(&mut fired) {
                let sum = dot(neuron.weights[0], *seen as u32, 0);
                let sum = dot(neuron.weights[1], (*seen >> 32) as u32, sum);
                let fires = u32::from(sum >= neuron.threshold);
                *fired |= fires << number;
                *seen |= u64::from(fires) << (8 * (first + number));
            }
        }
        fired
    }

    /// The neurons that fire.
    #[inline(never)]
    fn fire(&self, inputs: [u32; 2], first: usize, count: usize) -> [u32; 2] {
        let mut fired = [0; 2];
        for (fired, bits) in fired.iter_mut().zip(inputs) {
            let mut seen = [0; WORDS];
            let low = spread(bits, first);
            (seen[0], seen[1]) = (low as u32, (low >> 32) as u32);
            for (number, neuron) in self.neurons[..count].iter().enumerate() {
                let at = first + number;
                let words = at.div_ceil(LANES);
                let pairs = neuron.weights.iter().zip(&seen).take(words);
                let sum = pairs.fold(0, |sum, (&weights, &seen)| dot(weights, seen, sum));
                let fires = u32::from(sum >= neuron.threshold);
                *fired |= fires << number;
                seen[at / LANES] |= fires << (8 * (at % LANES));
            }
        }
        fired
    }
}

/// The lowest `count` bits, up to eight, each in a byte.
#[inline(always)]
fn spread(bits: u32, count: usize) -> u64 {
    (0..count).fold(0, |bytes, at| bytes | u64::from(bits >> at & 1) << (8 * at))
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
