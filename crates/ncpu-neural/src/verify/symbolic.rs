//! Planes of binary decision diagrams: compositions run on all operands at once.

use super::reference::Logic;
use crate::specification::specification;
use biodivine_lib_bdd::{Bdd, BddValuation, BddVariable, BddVariableSet};
use ncpu_neural_alu::{CellId, Domain};
use std::rc::Rc;

/// A truth value that depends on operands.
pub(super) type Bit = Rc<Bdd>;

/// Operands of a theorem, as variables: position `i` of all operands is decided together, the highest
/// first, which keeps the diagrams of carries small.
pub(super) struct Space {
    set: BddVariableSet,
    variables: Vec<BddVariable>,
    operands: Vec<(&'static str, u32)>,
    zero: Bit,
    one: Bit,
}

impl Space {
    /// Operands by name, each of so many bits.
    pub(super) fn new(operands: &[(&'static str, u32)]) -> Space {
        let rows = operands.iter().map(|&(_, width)| width).max().unwrap_or(0);
        let count = rows as usize * operands.len();
        let set = BddVariableSet::new_anonymous(count as u16);
        let (zero, one) = (Rc::new(set.mk_false()), Rc::new(set.mk_true()));
        Space { variables: set.variables(), set, operands: operands.to_vec(), zero, one }
    }

    fn rows(&self) -> usize {
        self.variables.len() / self.operands.len().max(1)
    }

    /// The variable of a bit of an operand.
    pub(super) fn variable(&self, operand: usize, bit: usize) -> BddVariable {
        self.variables[(self.rows() - 1 - bit) * self.operands.len() + operand]
    }

    /// A bit of an operand; zero beyond its width.
    pub(super) fn bit(&self, operand: usize, bit: usize) -> Bit {
        if bit < self.operands[operand].1 as usize {
            Rc::new(self.set.mk_var(self.variable(operand, bit)))
        } else {
            self.zero.clone()
        }
    }

    /// The bits of an operand, the lowest first.
    pub(super) fn bits(&self, operand: usize) -> Vec<Bit> {
        (0..self.operands[operand].1 as usize).map(|bit| self.bit(operand, bit)).collect()
    }

    /// 64 positions with the lowest bits of an operand, from bit `from` on.
    pub(super) fn plane(&self, operand: usize, from: usize) -> Plane {
        (from..from + 64).map(|bit| self.bit(operand, bit)).collect()
    }

    /// The operands of an assignment, for messages.
    pub(super) fn describe(&self, valuation: &BddValuation) -> String {
        let words = self.operands.iter().enumerate().map(|(operand, &(name, width))| {
            let bits = (0..width as usize).rev();
            let value = bits.fold(0u128, |value, bit| {
                value << 1 | u128::from(valuation.value(self.variable(operand, bit)))
            });
            format!("{name} = {value:#x}")
        });
        words.collect::<Vec<_>>().join(", ")
    }
}

/// One bit at each of 64 positions.
pub(super) type Plane = Vec<Bit>;

/// Compositions on a space's operands; each cell is what it was proved to be.
impl Domain for &Space {
    type Plane = Plane;

    fn cell<const I: usize, const O: usize>(
        &mut self,
        cell: CellId,
        inputs: [&Plane; I],
    ) -> [Plane; O] {
        let mut outputs: [Plane; O] = std::array::from_fn(|_| Vec::with_capacity(64));
        for position in 0..64 {
            let inputs: Vec<&Bit> = inputs.iter().map(|plane| &plane[position]).collect();
            for (output, plane) in outputs.iter_mut().enumerate() {
                let table: Vec<bool> = (0..1u32 << I)
                    .map(|input| specification(cell, input) >> output & 1 == 1)
                    .collect();
                plane.push(self.function(&table, &inputs));
            }
        }
        outputs
    }

    fn constant(&mut self, bits: u64) -> Plane {
        (0..64).map(|i| self.value(bits >> i & 1 == 1)).collect()
    }

    fn up(&mut self, plane: &Plane, by: u32) -> Plane {
        let zeros = std::iter::repeat_n(&self.zero, by as usize);
        zeros.chain(plane).take(64).cloned().collect()
    }

    fn down(&mut self, plane: &Plane, by: u32) -> Plane {
        let zeros = std::iter::repeat_n(&self.zero, by as usize);
        plane[by as usize..].iter().chain(zeros).cloned().collect()
    }

    fn splice(&mut self, mask: u64, inside: &Plane, outside: &Plane) -> Plane {
        let from = |i: usize| if mask >> i & 1 == 1 { inside } else { outside };
        (0..64).map(|i| from(i)[i].clone()).collect()
    }

    fn spread(&mut self, plane: &Plane, position: u32) -> Plane {
        vec![plane[position as usize].clone(); 64]
    }

    fn reverse(&mut self, plane: &Plane) -> Plane {
        plane.iter().rev().cloned().collect()
    }
}

impl Space {
    /// The function with this truth table, whose last input is the table's highest bit.
    fn function(&self, table: &[bool], inputs: &[&Bit]) -> Bit {
        if table.iter().all(|&value| value == table[0]) {
            return self.value(table[0]);
        }
        let (low, high) = table.split_at(table.len() / 2);
        let Some((last, rest)) = inputs.split_last() else { return self.value(table[0]) };
        match last.as_bool() {
            Some(false) => self.function(low, rest),
            Some(true) => self.function(high, rest),
            None if low == high => self.function(low, rest),
            None => {
                let (low, high) = (self.function(low, rest), self.function(high, rest));
                Rc::new(Bdd::if_then_else(last, &high, &low))
            }
        }
    }
}

impl Logic for Space {
    type Bit = Bit;

    fn value(&self, value: bool) -> Bit {
        if value { self.one.clone() } else { self.zero.clone() }
    }
    fn and(&self, a: &Bit, b: &Bit) -> Bit {
        Rc::new(a.and(b))
    }
    fn or(&self, a: &Bit, b: &Bit) -> Bit {
        Rc::new(a.or(b))
    }
    fn xor(&self, a: &Bit, b: &Bit) -> Bit {
        Rc::new(a.xor(b))
    }
    fn not(&self, a: &Bit) -> Bit {
        Rc::new(a.not())
    }
}
