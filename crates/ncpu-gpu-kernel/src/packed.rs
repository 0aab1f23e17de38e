//! Networks as the threads of a warp evaluate them: at one position, four weights at a time.
//!
//! What a neuron sees is signed bytes: the cell's inputs, then the neurons before it. A set bit is -1, so
//! that a neuron's sum, begun with its bound, is negative where it fires: the sign is its output, and is
//! spread over the byte that neurons after it see. How many neurons a cell has room for is known when this
//! is compiled. Every byte and its weight are then at known places, nothing branches, and all of it stays
//! in registers.

use core::fmt;
use ncpu_neural_alu::network::{MAX_INPUTS, MAX_NEURONS};
use ncpu_neural_alu::{CellId, Network};

/// Bytes of a word.
const BYTES: usize = 4;
/// Words of what the last neuron of the largest cell sees.
const WORDS: usize = (MAX_INPUTS + MAX_NEURONS).div_ceil(BYTES);

/// Most hidden neurons of a cell.
const MOST_HIDDEN: usize = 16;

/// What a cell's neurons see at one position.
pub type Seen = [u32; WORDS];

/// A neuron fires when its weighted inputs are more than its bound.
#[repr(C, align(16))]
#[derive(Clone, Copy, Debug, Default)]
struct Neuron {
    bound: i32,
    /// Signed bytes; zeros for what it does not see.
    weights: [u32; WORDS],
}

/// The network of a cell. Its last neurons are the outputs; neurons that the network does not have never
/// fire.
#[repr(C, align(16))]
#[derive(Clone, Copy, Debug)]
pub struct PackedCell([Neuron; MAX_NEURONS]);

/// The networks of all cells. Plain data of fixed size.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct PackedNetworks([PackedCell; CellId::COUNT]);

/// Why a network cannot be packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PackError {
    /// A weight does not fit a byte.
    Weight {
        /// The cell that has it.
        cell: CellId,
        /// The weight.
        weight: i16,
    },
    /// There are more neurons than room for them.
    Neurons {
        /// The cell that has them.
        cell: CellId,
        /// Their number.
        neurons: usize,
    },
}

impl fmt::Display for PackError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            PackError::Weight { cell, weight } => {
                write!(f, "cell {} has a weight of {weight}, but a GPU takes bytes", cell.name())
            }
            PackError::Neurons { cell, neurons } => write!(
                f,
                "cell {} has {neurons} neurons, but a GPU has room for {}",
                cell.name(),
                cell.outputs() + hidden(cell)
            ),
        }
    }
}

impl core::error::Error for PackError {}

/// Hidden neurons that a cell has room for: as many as its function takes. (A parity is no threshold of
/// its inputs, and a choice neither.)
#[inline(always)]
const fn hidden(cell: CellId) -> usize {
    match cell {
        CellId::Xor | CellId::Xnor | CellId::Select => 1,
        CellId::Multiply => MOST_HIDDEN,
        _ => 0,
    }
}

impl PackedNetworks {
    /// Packs networks, which are in the order of [`CellId::ALL`].
    ///
    /// # Errors
    /// When a weight does not fit a byte, or a cell has more neurons than there is room for.
    pub fn new(networks: &[Network; CellId::COUNT]) -> Result<PackedNetworks, PackError> {
        let mut cells = [PackedCell([Neuron::default(); MAX_NEURONS]); CellId::COUNT];
        for ((packed, network), &cell) in cells.iter_mut().zip(networks).zip(CellId::ALL) {
            let (inputs, neurons) = (network.inputs(), network.neurons());
            let absent = (cell.outputs() + hidden(cell))
                .checked_sub(neurons)
                .ok_or(PackError::Neurons { cell, neurons })?;
            for (number, neuron) in packed.0[absent..absent + neurons].iter_mut().enumerate() {
                // Twice the sum of the weighted inputs and the bias is odd, and positive if it fires.
                neuron.bound = (-1 - i32::from(network.bias(number))) / 2;
                for (at, &weight) in network.weights(number).iter().enumerate() {
                    let at = if at < inputs { at } else { at + absent };
                    let byte =
                        i8::try_from(weight).map_err(|_| PackError::Weight { cell, weight })?;
                    neuron.weights[at / BYTES] |= u32::from(byte as u8) << (8 * (at % BYTES));
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

/// What is seen of a cell's inputs, each of which is the sign of a word. Bytes behind them hold anything.
#[inline(always)]
pub fn see<const I: usize>(inputs: [u32; I]) -> Seen {
    let mut seen = [0; WORDS];
    for (at, word) in seen[..I.div_ceil(BYTES)].iter_mut().enumerate() {
        let sign = |byte: usize| inputs[(BYTES * at + byte).min(I - 1)];
        let (lower, upper) = (pick(sign(0), sign(1), SIGNS), pick(sign(2), sign(3), SIGNS));
        *word = if I > BYTES * at + 2 { pick(lower, upper, HALVES) } else { lower };
    }
    seen
}

impl PackedCell {
    /// Evaluates the network, which is that of `cell`, at two positions. An output is set where its number
    /// is negative.
    #[inline(always)]
    pub fn evaluate<const I: usize, const O: usize>(
        &self,
        cell: CellId,
        seen: [Seen; 2],
    ) -> [[i32; O]; 2] {
        let [low, high] = seen;
        match hidden(cell) {
            0 => [self.fire::<I, O, 0>(low), self.fire::<I, O, 0>(high)],
            1 => [self.fire::<I, O, 1>(low), self.fire::<I, O, 1>(high)],
            _ => self.fire_many::<I, O>([low[0], low[1]], [high[0], high[1]]).map(|signs| {
                core::array::from_fn(|output| (signs << (i32::BITS as usize - O + output)) as i32)
            }),
        }
    }

    /// Large networks, out of line: the signs of the outputs, the last one lowest.
    #[inline(never)]
    fn fire_many<const I: usize, const O: usize>(&self, low: [u32; 2], high: [u32; 2]) -> [u32; 2] {
        let fired = |inputs: [u32; 2]| {
            let mut seen = [0; WORDS];
            [seen[0], seen[1]] = inputs;
            let sums = self.fire::<I, O, MOST_HIDDEN>(seen);
            sums.iter().fold(0, |signs, &sum| signs << 1 | u32::from(sum < 0))
        };
        [fired(low), fired(high)]
    }

    /// The sums of the outputs, which come after `H` hidden neurons.
    #[inline(always)]
    fn fire<const I: usize, const O: usize, const H: usize>(&self, mut seen: Seen) -> [i32; O] {
        let mut sums = [0; O];
        // No loop, which may stay one.
        macro_rules! neurons {
            ($($number:literal)*) => {
                $(if $number < H + O {
                    let sum = self.sum::<$number, I>(&mut seen);
                    if $number >= H {
                        sums[$number - H] = sum;
                    }
                })*
            };
        }
        neurons!(0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23);
        const { assert!(MAX_NEURONS == 24) };
        sums
    }

    /// The sum of one neuron, whose sign those after it see.
    #[inline(always)]
    fn sum<const NUMBER: usize, const I: usize>(&self, seen: &mut Seen) -> i32 {
        let (neuron, place) = (&self.0[NUMBER], I + NUMBER);
        // The word that changed last comes last.
        let sees = neuron.weights.iter().zip(&*seen).take(place.div_ceil(BYTES));
        let sum = sees.fold(neuron.bound, |sum, (&weights, &seen)| dot(weights, seen, sum));
        let word = &mut seen[place / BYTES];
        // Digit 15 is the sign of the sum.
        *word = pick(*word, sum as u32, OWN | 0xf << (4 * (place % BYTES)));
        sum
    }
}

/// For [`pick`]: the word itself; the signs of two words; the lower halves of two words.
const OWN: u32 = 0x3210;
const SIGNS: u32 = 0xfbfb;
const HALVES: u32 = 0x5410;

/// A word of bytes that the digits of `which` choose, the lowest first: 0 to 3 are those of `a`, 4 to 7
/// those of `b`, and 8 more is the sign of that byte in all of its bits (PTX ISA, `prmt`).
#[inline(always)]
fn pick(a: u32, b: u32, which: u32) -> u32 {
    #[cfg(target_arch = "nvptx64")]
    {
        unsafe extern "unadjusted" {
            #[link_name = "llvm.nvvm.prmt"]
            fn permute(a: u32, b: u32, which: u32) -> u32;
        }
        // SAFETY: arithmetic on registers.
        unsafe { permute(a, b, which) }
    }
    #[cfg(not(target_arch = "nvptx64"))]
    {
        let bytes = (u64::from(b) << 32 | u64::from(a)).to_le_bytes();
        u32::from_le_bytes(core::array::from_fn(|at| {
            let digit = (which >> (4 * at)) as usize;
            let byte = bytes[digit % 8];
            if digit & 8 == 0 { byte } else { (byte as i8 >> 7) as u8 }
        }))
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
