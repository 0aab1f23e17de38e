//! The compositions as the machine's arithmetic unit.

use crate::adder::{add, add_with_flags, subtract};
use crate::bits::Bits;
use crate::cell::CellId;
use crate::domain::Domain;
use crate::schedule::{Cells, Registers};
use crate::shift::{Kind, shift};
use crate::{compare, count, divide, multiply};
use core::array;
use core::cell::Cell;
use ncpu_alu::{Alu, Nzcv};

/// What the networks have computed.
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

/// An arithmetic unit whose results are those of networks.
pub struct NeuralAlu<'a> {
    cells: &'a Cells,
    registers: Registers,
    asked: [Cell<u64>; OPERATIONS],
    by_network: [Cell<u64>; OPERATIONS],
    evaluated: Cell<u64>,
}

impl<'a> NeuralAlu<'a> {
    /// An arithmetic unit with these networks, that has computed nothing.
    pub fn new(cells: &'a Cells) -> NeuralAlu<'a> {
        let zeros = || array::from_fn(|_| Cell::new(0));
        NeuralAlu {
            cells,
            registers: Registers::default(),
            asked: zeros(),
            by_network: zeros(),
            evaluated: Cell::new(0),
        }
    }

    /// What was computed of an operation.
    pub fn tally(&self, operation: Operation) -> Tally {
        let asked = self.asked[operation as usize].get();
        let by_network = self.by_network[operation as usize].get();
        let by_wiring = if operation == Operation::Rbit { asked - by_network } else { 0 };
        Tally { asked, by_network, by_wiring }
    }

    /// Evaluations of cells, each at 64 positions.
    pub fn evaluated(&self) -> u64 {
        self.evaluated.get()
    }

    /// Computes a result on planes, and counts it.
    #[inline(always)]
    fn compute<R>(&self, operation: Operation, f: impl FnOnce(&mut Bits<'_>) -> R) -> R {
        let bump = |count: &Cell<u64>, by: u64| count.set(count.get() + by);
        bump(&self.asked[operation as usize], 1);
        let mut bits = Bits::new(self.cells, &self.registers);
        let result = f(&mut bits);
        let evaluated = bits.evaluated();
        bump(&self.by_network[operation as usize], u64::from(evaluated != 0));
        bump(&self.evaluated, evaluated);
        result
    }

    #[inline(always)]
    fn shift<const W: u32>(&self, operation: Operation, kind: Kind, a: u64, n: u64) -> u64 {
        self.compute(operation, |d| shift::<_, W>(d, kind, &a, &n))
    }
}

/// The lowest position, as a truth value.
fn is_set(plane: u64) -> bool {
    plane & 1 != 0
}

// Each out of line: an interpreter calls them from many places.
impl Alu for NeuralAlu<'_> {
    #[inline(never)]
    fn add(&self, a: u64, b: u64) -> u64 {
        self.compute(Operation::Add, |d| add::<_, 64>(d, &a, &b, None).sum)
    }
    #[inline(never)]
    fn sub(&self, a: u64, b: u64) -> u64 {
        self.compute(Operation::Sub, |d| subtract::<_, 64>(d, &a, &b).sum)
    }
    #[inline(never)]
    fn add_with_carry(&self, a: u64, b: u64, carry: bool) -> (u64, Nzcv) {
        let carry = u64::from(carry);
        let [sum, flags] =
            self.compute(Operation::AddWithCarry, |d| add_with_flags::<_, 64>(d, &a, &b, &carry));
        (sum, flags)
    }
    #[inline(never)]
    fn add_with_carry32(&self, a: u64, b: u64, carry: bool) -> (u64, Nzcv) {
        let carry = u64::from(carry);
        let [sum, flags] =
            self.compute(Operation::AddWithCarry32, |d| add_with_flags::<_, 32>(d, &a, &b, &carry));
        (sum, flags)
    }
    #[inline(never)]
    fn mul(&self, a: u64, b: u64) -> u64 {
        self.compute(Operation::Mul, |d| multiply::product::<_, 64, false>(d, &a, &b)[0])
    }
    #[inline(never)]
    fn umulh(&self, a: u64, b: u64) -> u64 {
        self.compute(Operation::Umulh, |d| multiply::product::<_, 64, true>(d, &a, &b)[1])
    }
    #[inline(never)]
    fn smulh(&self, a: u64, b: u64) -> u64 {
        self.compute(Operation::Smulh, |d| {
            let [_, high] = multiply::product::<_, 64, true>(d, &a, &b);
            multiply::signed_high::<_, 64>(d, &high, &a, &b)
        })
    }
    #[inline(never)]
    fn udiv(&self, a: u64, b: u64) -> u64 {
        self.compute(Operation::Udiv, |d| divide::quotient::<_, 64>(d, &a, &b))
    }
    #[inline(never)]
    fn sdiv(&self, a: u64, b: u64) -> u64 {
        self.compute(Operation::Sdiv, |d| divide::quotient_signed::<_, 64>(d, &a, &b))
    }
    #[inline(never)]
    fn and(&self, a: u64, b: u64) -> u64 {
        self.compute(Operation::And, |d| d.bit(CellId::And, [&a, &b]))
    }
    #[inline(never)]
    fn or(&self, a: u64, b: u64) -> u64 {
        self.compute(Operation::Or, |d| d.bit(CellId::Or, [&a, &b]))
    }
    #[inline(never)]
    fn xor(&self, a: u64, b: u64) -> u64 {
        self.compute(Operation::Xor, |d| d.bit(CellId::Xor, [&a, &b]))
    }
    #[inline(never)]
    fn not(&self, a: u64) -> u64 {
        self.compute(Operation::Not, |d| d.not(&a))
    }
    #[inline(never)]
    fn shl(&self, a: u64, n: u64) -> u64 {
        self.shift::<64>(Operation::Shl, Kind::Left, a, n)
    }
    #[inline(never)]
    fn lshr(&self, a: u64, n: u64) -> u64 {
        self.shift::<64>(Operation::Lshr, Kind::Right, a, n)
    }
    #[inline(never)]
    fn ashr(&self, a: u64, n: u64) -> u64 {
        self.shift::<64>(Operation::Ashr, Kind::RightSigned, a, n)
    }
    #[inline(never)]
    fn ror(&self, a: u64, n: u64) -> u64 {
        self.shift::<64>(Operation::Ror, Kind::Rotate, a, n)
    }
    #[inline(never)]
    fn ror32(&self, a: u64, n: u64) -> u64 {
        self.shift::<32>(Operation::Ror32, Kind::Rotate, a, n)
    }
    #[inline(never)]
    fn clz(&self, a: u64) -> u64 {
        self.compute(Operation::Clz, |d| count::leading_zeros::<_, 64>(d, &a))
    }
    #[inline(never)]
    fn rbit(&self, a: u64) -> u64 {
        self.compute(Operation::Rbit, |d| d.reverse(&a))
    }
    #[inline(never)]
    fn popcount(&self, a: u64) -> u64 {
        self.compute(Operation::Popcount, |d| count::ones::<_, 64>(d, &a))
    }
    #[inline(never)]
    fn eq(&self, a: u64, b: u64) -> bool {
        is_set(self.compute(Operation::Eq, |d| compare::equal::<_, 64>(d, &a, &b)))
    }
    #[inline(never)]
    fn ltu(&self, a: u64, b: u64) -> bool {
        is_set(self.compute(Operation::Ltu, |d| compare::less::<_, 64>(d, &a, &b)))
    }
    #[inline(never)]
    fn lts(&self, a: u64, b: u64) -> bool {
        is_set(self.compute(Operation::Lts, |d| compare::less_signed::<_, 64>(d, &a, &b)))
    }
}
