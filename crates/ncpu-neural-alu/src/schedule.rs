//! Networks on planes: weighted sums of 64 instances at a time.
//!
//! A neuron's sum is an integer in two's complement whose bits are planes. Each weight's binary digits
//! say at which bits of the sum an input is added; a negative weight adds the complement of its input,
//! and the bias takes the rest. The additions are steps of one kind: a full adder of three planes. The
//! neuron's output is the plane of the sum's sign. Loading turns weights into steps, no more of them
//! than the neuron's range needs; nothing else of a network is left, and nothing is looked up.

use crate::cell::CellId;
use crate::network::{MAX_INPUTS, MAX_NEURONS, Network, NetworkError};
use core::array;
use core::cell::Cell;
use core::fmt;

/// Planes that hold inputs, neurons and partial sums.
const REGISTERS: usize = 128;
/// Most steps of all cells together.
const MAX_STEPS: usize = 2048;
/// Bits of the largest sum.
const MAX_COLUMNS: usize = 14;
/// Most planes that are added at one bit of a sum.
const MAX_COLUMN: usize = 64;
/// Most outputs of a cell.
const MAX_OUTPUTS: usize = 8;

const ZEROS: u8 = 0;
const ONES: u8 = 1;
const FIRST_INPUT: usize = 2;
const FIRST_NEURON: usize = FIRST_INPUT + MAX_INPUTS;
const FIRST_PARTIAL: usize = FIRST_NEURON + MAX_NEURONS;

/// Room for the planes of one evaluation.
pub struct Registers([Cell<u64>; REGISTERS]);

impl Default for Registers {
    fn default() -> Self {
        let registers = Registers(array::from_fn(|_| Cell::new(0)));
        registers.0[ONES as usize].set(u64::MAX);
        registers
    }
}

impl Registers {
    #[inline(always)]
    fn get(&self, register: u8) -> u64 {
        self.0[register as usize % REGISTERS].get()
    }
    #[inline(always)]
    fn set(&self, register: u8, plane: u64) {
        self.0[register as usize % REGISTERS].set(plane);
    }
}

/// A full adder of planes: which registers are added, and where sum and carry go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
struct Step {
    addends: [u8; 3],
    sum: u8,
    carry: u8,
}

/// The steps of one cell, and where its outputs are.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
struct Range {
    first: u16,
    count: u16,
    outputs: [u8; MAX_OUTPUTS],
}

/// The networks of all cells, ready to be evaluated. Plain data of fixed size, with the same layout for
/// every compiler.
#[derive(Clone, Debug)]
#[repr(C)]
pub struct Cells {
    steps: [Step; MAX_STEPS],
    ranges: [Range; CellId::COUNT],
}

/// Why networks cannot be evaluated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScheduleError {
    /// A network has other inputs or fewer neurons than its cell needs.
    Shape {
        /// The cell.
        cell: CellId,
        /// Inputs of the network.
        inputs: usize,
        /// Neurons of the network.
        neurons: usize,
    },
    /// A network needs more partial sums than there is room for.
    TooLarge(CellId),
    /// What is given is no network.
    Network(CellId, NetworkError),
}

impl fmt::Display for ScheduleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ScheduleError::Shape { cell, inputs, neurons } => write!(
                f,
                "cell {} has {inputs} inputs and {neurons} neurons, not {} and at least {}",
                cell.name(),
                cell.inputs(),
                cell.outputs()
            ),
            ScheduleError::TooLarge(cell) => {
                write!(f, "cell {} needs more partial sums than there is room for", cell.name())
            }
            ScheduleError::Network(cell, error) => write!(f, "cell {}: {error}", cell.name()),
        }
    }
}

impl core::error::Error for ScheduleError {}

impl Cells {
    /// Schedules the networks of all cells, in the order of [`CellId::ALL`].
    ///
    /// # Errors
    /// When a network does not fit its cell, or is too large.
    pub fn new(networks: &[Network; CellId::COUNT]) -> Result<Cells, ScheduleError> {
        let mut cells = Cells {
            steps: [Step::default(); MAX_STEPS],
            ranges: [Range::default(); CellId::COUNT],
        };
        let mut used = 0;
        for (&cell, network) in CellId::ALL.iter().zip(networks) {
            let (inputs, neurons) = (network.inputs(), network.neurons());
            if inputs != cell.inputs() || neurons < cell.outputs() {
                return Err(ScheduleError::Shape { cell, inputs, neurons });
            }
            let mut scheduler = Scheduler::new(&mut cells.steps, used);
            for neuron in 0..neurons {
                scheduler.neuron(network, neuron).ok_or(ScheduleError::TooLarge(cell))?;
            }
            let range = &mut cells.ranges[cell as usize];
            range.first = used as u16;
            used = scheduler.used;
            range.count = used as u16 - range.first;
            for (output, register) in range.outputs[..cell.outputs()].iter_mut().enumerate() {
                *register = (FIRST_NEURON + neurons - cell.outputs() + output) as u8;
            }
        }
        Ok(cells)
    }

    /// Number of additions of planes that one evaluation of a cell takes.
    pub fn steps(&self, cell: CellId) -> usize {
        self.ranges[cell as usize].count.into()
    }

    /// Evaluates a cell's network at 64 positions.
    #[inline(always)]
    pub fn evaluate<const I: usize, const O: usize>(
        &self,
        cell: CellId,
        registers: &Registers,
        inputs: [u64; I],
    ) -> [u64; O] {
        let range = &self.ranges[cell as usize];
        for (register, plane) in (FIRST_INPUT as u8..).zip(inputs) {
            registers.set(register, plane);
        }
        self.execute(range, registers);
        array::from_fn(|output| registers.get(range.outputs[output]))
    }

    #[inline(never)]
    fn execute(&self, range: &Range, registers: &Registers) {
        let (first, count) = (usize::from(range.first), usize::from(range.count));
        for step in &self.steps[first..first + count] {
            let [a, b, c] = step.addends.map(|register| registers.get(register));
            let differ = a ^ b;
            registers.set(step.carry, a & b | differ & c);
            registers.set(step.sum, differ ^ c);
        }
    }
}

/// Number of additions of planes that an evaluation of a network takes; `None` if it is too large.
pub fn additions(network: &Network) -> Option<usize> {
    let mut steps = [Step::default(); MAX_STEPS];
    let mut scheduler = Scheduler::new(&mut steps, 0);
    for neuron in 0..network.neurons() {
        scheduler.neuron(network, neuron)?;
    }
    Some(scheduler.used)
}

/// Planes to be added at one bit of a sum.
#[derive(Clone, Copy)]
struct Column {
    planes: [u8; MAX_COLUMN],
    count: usize,
}

impl Default for Column {
    fn default() -> Self {
        Column { planes: [ZEROS; MAX_COLUMN], count: 0 }
    }
}

impl Column {
    fn planes(&self) -> &[u8] {
        &self.planes[..self.count]
    }

    fn push(&mut self, plane: u8) -> Option<()> {
        *self.planes.get_mut(self.count)? = plane;
        self.count += 1;
        Some(())
    }
}

struct Scheduler<'a> {
    steps: &'a mut [Step; MAX_STEPS],
    used: usize,
    /// Registers that hold nothing of the present neuron that is still needed.
    free: [bool; REGISTERS],
    /// Where the complements of inputs and neurons are, if they are needed.
    complements: [Option<u8>; FIRST_PARTIAL],
}

impl<'a> Scheduler<'a> {
    fn new(steps: &'a mut [Step; MAX_STEPS], used: usize) -> Scheduler<'a> {
        let complements = [None; FIRST_PARTIAL];
        Scheduler { steps, used, free: [true; REGISTERS], complements }
    }

    fn push(&mut self, step: Step) -> Option<()> {
        *self.steps.get_mut(self.used)? = step;
        self.used += 1;
        Some(())
    }

    /// A register for a partial sum.
    fn partial(&mut self) -> Option<u8> {
        let register = (FIRST_PARTIAL..REGISTERS).find(|&register| self.free[register])?;
        self.free[register] = false;
        Some(register as u8)
    }

    /// Adds the steps of one neuron; `None` says that there is no room.
    fn neuron(&mut self, network: &Network, neuron: usize) -> Option<()> {
        self.free = [true; REGISTERS];
        for complement in self.complements.iter().flatten() {
            self.free[usize::from(*complement)] = false;
        }
        let output = (FIRST_NEURON + neuron) as u8;
        let weights = network.weights(neuron);
        // Twice the sum is odd: it is positive when the weighted inputs are at least this.
        let mut threshold = (1 - i32::from(network.bias(neuron))) / 2;
        // With the complement of its input, a negative weight is positive, and so is its share of the
        // threshold.
        threshold += weights.iter().map(|&w| (-i32::from(w)).max(0)).sum::<i32>();
        let most: i32 = weights.iter().map(|&w| i32::from(w).abs()).sum();
        if threshold <= 0 || threshold > most {
            let constant = if threshold <= 0 { ONES } else { ZEROS };
            return self.copy(constant, output);
        }
        // A common factor of all weights changes no decision.
        let factor = weights.iter().fold(0, |factor, &w| gcd(factor, i32::from(w).abs()));
        let (threshold, most) = ((threshold + factor - 1) / factor, most / factor);
        // Less the threshold, and 2^sign more, so that bit `sign` says that it is not negative.
        let sign = (0..).find(|&bit| 1 << bit >= threshold && most - threshold < 1 << bit)?;
        if sign as usize + 1 > MAX_COLUMNS {
            return None;
        }
        let mut columns = [Column::default(); MAX_COLUMNS];
        let start = (1 << sign) - threshold;
        for (bit, column) in columns[..=sign as usize].iter_mut().enumerate() {
            if start >> bit & 1 == 1 {
                column.push(ONES)?;
            }
        }
        for (i, &weight) in weights.iter().enumerate().filter(|&(_, &weight)| weight != 0) {
            let place = if i < network.inputs() {
                FIRST_INPUT + i
            } else {
                FIRST_NEURON + i - network.inputs()
            };
            let plane = if weight > 0 { place as u8 } else { self.complement(place as u8)? };
            let weight = i32::from(weight).abs() / factor;
            for (bit, column) in columns[..=sign as usize].iter_mut().enumerate() {
                if weight >> bit & 1 == 1 {
                    column.push(plane)?;
                }
            }
        }
        let mut carries = Column::default();
        for column in &columns[..sign as usize] {
            (_, carries) = self.add(column, &carries)?;
        }
        let (sum, _) = self.add(&columns[sign as usize], &carries)?;
        self.copy(sum, output)
    }

    /// Adds the planes of a column and the carries into it: their sum, and the carries out of it. What
    /// held carries and sums before may hold others then.
    fn add(&mut self, column: &Column, carried: &Column) -> Option<(u8, Column)> {
        let mut carries = Column::default();
        let mut planes = column.planes().iter().chain(carried.planes()).copied();
        let Some(mut total) = planes.next() else { return Some((ZEROS, carries)) };
        while let Some(second) = planes.next() {
            let third = planes.next().unwrap_or(ZEROS);
            let (sum, carry) = (self.partial()?, self.partial()?);
            self.push(Step { addends: [total, second, third], sum, carry })?;
            carries.push(carry)?;
            // The sum before is needed no more. The first one may be a weight's plane.
            if carries.count > 1 {
                self.free[usize::from(total)] = true;
            }
            total = sum;
        }
        for &plane in carried.planes() {
            self.free[usize::from(plane)] = plane != total;
        }
        Some((total, carries))
    }

    /// The complement of an input or a neuron.
    fn complement(&mut self, plane: u8) -> Option<u8> {
        if let Some(known) = self.complements[usize::from(plane)] {
            return Some(known);
        }
        let (sum, carry) = (self.partial()?, self.partial()?);
        self.push(Step { addends: [plane, ONES, ZEROS], sum, carry })?;
        self.free[usize::from(carry)] = true;
        self.complements[usize::from(plane)] = Some(sum);
        Some(sum)
    }

    /// Leaves a plane in a neuron's register: the step that made it puts it there.
    fn copy(&mut self, plane: u8, output: u8) -> Option<()> {
        if usize::from(plane) >= FIRST_PARTIAL
            && !self.complements.contains(&Some(plane))
            && let Some(last) = self.used.checked_sub(1)
        {
            let step = &mut self.steps[last];
            for place in [&mut step.sum, &mut step.carry] {
                if *place == plane {
                    *place = output;
                    return Some(());
                }
            }
        }
        let carry = self.partial()?;
        self.push(Step { addends: [plane, ZEROS, ZEROS], sum: output, carry })
    }
}

fn gcd(a: i32, b: i32) -> i32 {
    if b == 0 { a } else { gcd(b, a % b) }
}
