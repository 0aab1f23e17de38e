//! The compositions as the machine's arithmetic unit.

use crate::adder::{add, add_with_flags, subtract};
use crate::bits::{BitSliced, Bits, Evaluate};
use crate::cell::CellId;
use crate::domain::Domain;
use crate::schedule::Cells;
use crate::shift::{Kind, shift};
use crate::{compare, count, divide, multiply};
use core::array;
use core::cell::Cell;
use ncpu_alu::{Alu, Nzcv};

/// What was computed of an operation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Results that were asked for.
    pub asked: u64,
    /// Results that at least one cell was evaluated for.
    pub by_network: u64,
    /// Results that are their operand's bits in other places, which takes no cell.
    pub by_wiring: u64,
}

macro_rules! operations {
    ($($(#[$doc:meta])* $id:ident $name:literal;)*) => {
        /// A kind of result that is counted.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[repr(u8)]
        pub enum Operation {
            $($(#[$doc])* $id,)*
        }

        impl Operation {
            /// All of them.
            pub const ALL: &[Operation] = &[$(Operation::$id,)*];

            /// The one with this number.
            #[inline(always)]
            pub const fn from_number(number: u32) -> Option<Operation> {
                $(if number == Operation::$id as u32 {
                    return Some(Operation::$id);
                })*
                None
            }

            /// Its name in reports.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Operation::$id => $name,)*
                }
            }
        }
    };
}

operations! {
    /// [`Alu::add`].
    Add "add";
    /// [`Alu::sub`].
    Sub "sub";
    /// [`Alu::add_with_carry`].
    AddWithCarry "add_with_carry";
    /// [`Alu::add_with_carry32`].
    AddWithCarry32 "add_with_carry32";
    /// [`Alu::mul`].
    Mul "mul";
    /// [`Alu::umulh`].
    Umulh "umulh";
    /// [`Alu::smulh`].
    Smulh "smulh";
    /// [`Alu::udiv`].
    Udiv "udiv";
    /// [`Alu::sdiv`].
    Sdiv "sdiv";
    /// [`Alu::and`].
    And "and";
    /// [`Alu::or`].
    Or "or";
    /// [`Alu::xor`].
    Xor "xor";
    /// [`Alu::not`].
    Not "not";
    /// [`Alu::shl`].
    Shl "shl";
    /// [`Alu::lshr`].
    Lshr "lshr";
    /// [`Alu::ashr`].
    Ashr "ashr";
    /// [`Alu::ror`].
    Ror "ror";
    /// [`Alu::ror32`].
    Ror32 "ror32";
    /// [`Alu::clz`].
    Clz "clz";
    /// [`Alu::rbit`].
    Rbit "rbit";
    /// [`Alu::popcount`].
    Popcount "popcount";
    /// [`Alu::eq`].
    Eq "eq";
    /// [`Alu::ltu`].
    Ltu "ltu";
    /// [`Alu::lts`].
    Lts "lts";
}

/// Number of operations.
const OPERATIONS: usize = Operation::ALL.len();

/// What networks have computed. Plain words.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Tallies {
    asked: [u64; OPERATIONS],
    by_network: [u64; OPERATIONS],
    /// Evaluations of cells, each at 64 positions.
    pub evaluated: u64,
}

impl Tallies {
    /// What was computed of an operation.
    pub fn of(&self, operation: Operation) -> Tally {
        let asked = self.asked[operation as usize];
        let by_network = self.by_network[operation as usize];
        let by_wiring = if operation == Operation::Rbit { asked - by_network } else { 0 };
        Tally { asked, by_network, by_wiring }
    }

    /// Adds what others have computed.
    pub fn add(&mut self, others: &Tallies) {
        for index in 0..OPERATIONS {
            self.asked[index] += others.asked[index];
            self.by_network[index] += others.by_network[index];
        }
        self.evaluated += others.evaluated;
    }
}

impl Operation {
    /// Computes a result of two words, where there are two, and a carry in position 0. The second plane
    /// is the flags, where there are some; a truth value is in position 0.
    #[inline(always)]
    pub fn compute<D: Domain>(
        self,
        d: &mut D,
        a: &D::Plane,
        b: &D::Plane,
        carry: &D::Plane,
    ) -> [D::Plane; 2] {
        let result = match self {
            Operation::AddWithCarry => return add_with_flags::<_, 64>(d, a, b, carry),
            Operation::AddWithCarry32 => return add_with_flags::<_, 32>(d, a, b, carry),
            Operation::Add => add::<_, 64>(d, a, b, None).sum,
            Operation::Sub => subtract::<_, 64>(d, a, b).sum,
            Operation::Mul => {
                let [low, _] = multiply::product::<_, 64, false>(d, a, b);
                low
            }
            Operation::Umulh => {
                let [_, high] = multiply::product::<_, 64, true>(d, a, b);
                high
            }
            Operation::Smulh => {
                let [_, high] = multiply::product::<_, 64, true>(d, a, b);
                multiply::signed_high::<_, 64>(d, &high, a, b)
            }
            Operation::Udiv => divide::quotient::<_, 64>(d, a, b),
            Operation::Sdiv => divide::quotient_signed::<_, 64>(d, a, b),
            Operation::And => d.bit(CellId::And, [a, b]),
            Operation::Or => d.bit(CellId::Or, [a, b]),
            Operation::Xor => d.bit(CellId::Xor, [a, b]),
            Operation::Not => d.not(a),
            Operation::Shl => shift::<_, 64>(d, Kind::Left, a, b),
            Operation::Lshr => shift::<_, 64>(d, Kind::Right, a, b),
            Operation::Ashr => shift::<_, 64>(d, Kind::RightSigned, a, b),
            Operation::Ror => shift::<_, 64>(d, Kind::Rotate, a, b),
            Operation::Ror32 => shift::<_, 32>(d, Kind::Rotate, a, b),
            Operation::Clz => count::leading_zeros::<_, 64>(d, a),
            Operation::Rbit => d.reverse(a),
            Operation::Popcount => count::ones::<_, 64>(d, a),
            Operation::Eq => compare::equal::<_, 64>(d, a, b),
            Operation::Ltu => compare::less::<_, 64>(d, a, b),
            Operation::Lts => compare::less_signed::<_, 64>(d, a, b),
        };
        [result, d.constant(0)]
    }
}

/// What computes results.
pub trait Compute {
    /// [`Operation::compute`] of words, and how many evaluations of cells it took.
    fn compute(&self, operation: Operation, a: u64, b: u64, carry: u64) -> ([u64; 2], u64);
}

impl<E: Evaluate> Compute for E {
    #[inline(always)]
    fn compute(&self, operation: Operation, a: u64, b: u64, carry: u64) -> ([u64; 2], u64) {
        let mut bits = Bits::new(self);
        let result = operation.compute(&mut bits, &a, &b, &carry);
        (result, bits.evaluated())
    }
}

/// An arithmetic unit whose results are those of networks.
pub struct NeuralAlu<C> {
    computer: C,
    asked: [Cell<u64>; OPERATIONS],
    by_network: [Cell<u64>; OPERATIONS],
    evaluated: Cell<u64>,
}

impl<'a> NeuralAlu<BitSliced<'a>> {
    /// An arithmetic unit with these networks, that has computed nothing.
    pub fn new(cells: &'a Cells) -> Self {
        NeuralAlu::with(BitSliced::new(cells))
    }
}

impl<C: Compute> NeuralAlu<C> {
    /// An arithmetic unit that has computed nothing.
    pub fn with(computer: C) -> NeuralAlu<C> {
        let zeros = || array::from_fn(|_| Cell::new(0));
        NeuralAlu { computer, asked: zeros(), by_network: zeros(), evaluated: Cell::new(0) }
    }

    /// What was computed so far.
    pub fn tallies(&self) -> Tallies {
        Tallies {
            asked: self.asked.each_ref().map(Cell::get),
            by_network: self.by_network.each_ref().map(Cell::get),
            evaluated: self.evaluated.get(),
        }
    }

    /// Computes a result, and counts it.
    #[inline(always)]
    fn compute(&self, operation: Operation, a: u64, b: u64, carry: u64) -> [u64; 2] {
        let bump = |count: &Cell<u64>, by: u64| count.set(count.get() + by);
        let (result, evaluated) = self.computer.compute(operation, a, b, carry);
        // All counts together: where they are in memory, that is waited for once.
        bump(&self.asked[operation as usize], 1);
        bump(&self.by_network[operation as usize], u64::from(evaluated != 0));
        bump(&self.evaluated, evaluated);
        result
    }

    #[inline(always)]
    fn of_one(&self, operation: Operation, a: u64) -> u64 {
        self.compute(operation, a, 0, 0)[0]
    }

    #[inline(always)]
    fn of_two(&self, operation: Operation, a: u64, b: u64) -> u64 {
        self.compute(operation, a, b, 0)[0]
    }

    #[inline(always)]
    fn says(&self, operation: Operation, a: u64, b: u64) -> bool {
        self.of_two(operation, a, b) & 1 != 0
    }
}

// Each out of line: an interpreter calls them from many places.
impl<C: Compute> Alu for NeuralAlu<C> {
    #[inline(never)]
    fn add(&self, a: u64, b: u64) -> u64 {
        self.of_two(Operation::Add, a, b)
    }
    #[inline(never)]
    fn sub(&self, a: u64, b: u64) -> u64 {
        self.of_two(Operation::Sub, a, b)
    }
    #[inline(never)]
    fn add_with_carry(&self, a: u64, b: u64, carry: bool) -> (u64, Nzcv) {
        let [sum, flags] = self.compute(Operation::AddWithCarry, a, b, carry.into());
        (sum, flags)
    }
    #[inline(never)]
    fn add_with_carry32(&self, a: u64, b: u64, carry: bool) -> (u64, Nzcv) {
        let [sum, flags] = self.compute(Operation::AddWithCarry32, a, b, carry.into());
        (sum, flags)
    }
    #[inline(never)]
    fn mul(&self, a: u64, b: u64) -> u64 {
        self.of_two(Operation::Mul, a, b)
    }
    #[inline(never)]
    fn umulh(&self, a: u64, b: u64) -> u64 {
        self.of_two(Operation::Umulh, a, b)
    }
    #[inline(never)]
    fn smulh(&self, a: u64, b: u64) -> u64 {
        self.of_two(Operation::Smulh, a, b)
    }
    #[inline(never)]
    fn udiv(&self, a: u64, b: u64) -> u64 {
        self.of_two(Operation::Udiv, a, b)
    }
    #[inline(never)]
    fn sdiv(&self, a: u64, b: u64) -> u64 {
        self.of_two(Operation::Sdiv, a, b)
    }
    #[inline(never)]
    fn and(&self, a: u64, b: u64) -> u64 {
        self.of_two(Operation::And, a, b)
    }
    #[inline(never)]
    fn or(&self, a: u64, b: u64) -> u64 {
        self.of_two(Operation::Or, a, b)
    }
    #[inline(never)]
    fn xor(&self, a: u64, b: u64) -> u64 {
        self.of_two(Operation::Xor, a, b)
    }
    #[inline(never)]
    fn not(&self, a: u64) -> u64 {
        self.of_one(Operation::Not, a)
    }
    #[inline(never)]
    fn shl(&self, a: u64, n: u64) -> u64 {
        self.of_two(Operation::Shl, a, n)
    }
    #[inline(never)]
    fn lshr(&self, a: u64, n: u64) -> u64 {
        self.of_two(Operation::Lshr, a, n)
    }
    #[inline(never)]
    fn ashr(&self, a: u64, n: u64) -> u64 {
        self.of_two(Operation::Ashr, a, n)
    }
    #[inline(never)]
    fn ror(&self, a: u64, n: u64) -> u64 {
        self.of_two(Operation::Ror, a, n)
    }
    #[inline(never)]
    fn ror32(&self, a: u64, n: u64) -> u64 {
        self.of_two(Operation::Ror32, a, n)
    }
    #[inline(never)]
    fn clz(&self, a: u64) -> u64 {
        self.of_one(Operation::Clz, a)
    }
    #[inline(never)]
    fn rbit(&self, a: u64) -> u64 {
        self.of_one(Operation::Rbit, a)
    }
    #[inline(never)]
    fn popcount(&self, a: u64) -> u64 {
        self.of_one(Operation::Popcount, a)
    }
    #[inline(never)]
    fn eq(&self, a: u64, b: u64) -> bool {
        self.says(Operation::Eq, a, b)
    }
    #[inline(never)]
    fn ltu(&self, a: u64, b: u64) -> bool {
        self.says(Operation::Ltu, a, b)
    }
    #[inline(never)]
    fn lts(&self, a: u64, b: u64) -> bool {
        self.says(Operation::Lts, a, b)
    }
}
