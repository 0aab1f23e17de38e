//! Straight-line programs of A64 words, on the planes of any domain.
//!
//! Words are lifted by the machine's front end. Each micro-op asks for the results that the machine's
//! interpreter asks its arithmetic unit for, shifts by constants among them. Few micro-ops are there: what
//! short mixes of a register need. Not here: memory, flags and branches.

use ncpu_a64::{Lifted, lift};
use ncpu_neural_alu::domain::low;
use ncpu_neural_alu::{Domain, Operation};
use ncpu_uop::{Op, Uop, slot};

/// A word with a micro-op that programs here cannot have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{word:#010x} lifts to {}, which is not for straight-line programs", op.name())]
pub struct Unsupported {
    /// The word.
    pub word: u32,
    /// Its micro-op.
    pub op: Op,
}

/// A function of X0 that leaves its result in X0.
pub struct Program {
    uops: Vec<Uop>,
}

impl Program {
    /// Lifts these words.
    ///
    /// # Errors
    /// When there is a micro-op that [`Program::run`] does not know.
    pub fn new(words: &[u32]) -> Result<Program, Unsupported> {
        let (mut uops, mut lifted) = (Vec::new(), Lifted::new());
        for &word in words {
            lift(word, 0, &mut lifted);
            for &uop in lifted.uops() {
                if kind(uop.op).is_none() {
                    return Err(Unsupported { word, op: uop.op });
                }
                uops.push(uop);
            }
        }
        Ok(Program { uops })
    }

    /// X0 after the program, of X0 before it. Other registers begin as zero.
    pub fn run<D: Domain>(&self, d: &mut D, x0: &D::Plane) -> D::Plane {
        let mut registers = vec![d.constant(0); slot::COUNT];
        registers[0] = x0.clone();
        for uop in &self.uops {
            // (`new` let no other micro-op in.)
            let Some((kind, width)) = kind(uop.op) else { continue };
            let a = registers[usize::from(uop.ra)].clone();
            let b = registers[usize::from(uop.rb)].clone();
            let imm = d.constant(uop.imm);
            let amount = d.constant(uop.rc.into());
            let mut of = |operation: Operation, a: &D::Plane, b: &D::Plane| {
                let carry = d.constant(0);
                let [result, _] = operation.compute(d, a, b, &carry);
                result
            };
            let result = match kind {
                Kind::Constant => imm,
                Kind::Insert => {
                    let old = registers[usize::from(uop.rd)].clone();
                    d.splice(0xffff << uop.rc, &imm, &old)
                }
                Kind::Registers(operation) => of(operation, &a, &b),
                Kind::Immediate(operation) => of(operation, &a, &imm),
                Kind::Amount(operation) => of(operation, &a, &amount),
                Kind::Masked(shift) => {
                    let moved = of(shift, &a, &amount);
                    of(Operation::And, &moved, &imm)
                }
                Kind::Shifted(operation, shift) => {
                    let moved = of(shift, &b, &amount);
                    of(operation, &a, &moved)
                }
            };
            registers[usize::from(uop.rd)] = d.keep(low(width), &result);
        }
        registers.swap_remove(0)
    }
}

/// What a micro-op computes.
enum Kind {
    /// The immediate.
    Constant,
    /// The destination with 16 bits of the immediate.
    Insert,
    /// Of the two registers.
    Registers(Operation),
    /// Of a register and the immediate.
    Immediate(Operation),
    /// Of a register and the small number.
    Amount(Operation),
    /// A shift by the small number, and the immediate.
    Masked(Operation),
    /// Of a register and another that is shifted by the small number.
    Shifted(Operation, Operation),
}

/// What it computes, and the width of the result.
fn kind(op: Op) -> Option<(Kind, u32)> {
    use Operation::{Add, And, Lshr, Mul, Or, Ror, Ror32, Shl, Sub, Xor};
    Some(match op {
        Op::MovI => (Kind::Constant, 64),
        Op::MovK => (Kind::Insert, 64),
        Op::MovKW => (Kind::Insert, 32),
        Op::Add => (Kind::Registers(Add), 64),
        Op::AddW => (Kind::Registers(Add), 32),
        Op::AddI => (Kind::Immediate(Add), 64),
        Op::AddIW => (Kind::Immediate(Add), 32),
        Op::AddLsl => (Kind::Shifted(Add, Shl), 64),
        Op::AddLslW => (Kind::Shifted(Add, Shl), 32),
        Op::Sub => (Kind::Registers(Sub), 64),
        Op::SubW => (Kind::Registers(Sub), 32),
        Op::And => (Kind::Registers(And), 64),
        Op::AndW => (Kind::Registers(And), 32),
        Op::Or => (Kind::Registers(Or), 64),
        Op::OrW => (Kind::Registers(Or), 32),
        Op::Xor => (Kind::Registers(Xor), 64),
        Op::XorW => (Kind::Registers(Xor), 32),
        Op::XorRor => (Kind::Shifted(Xor, Ror), 64),
        Op::XorRorW => (Kind::Shifted(Xor, Ror32), 32),
        Op::RorI => (Kind::Amount(Ror), 64),
        Op::RorIW => (Kind::Amount(Ror32), 32),
        Op::LslAnd => (Kind::Masked(Shl), 64),
        Op::LsrAnd => (Kind::Masked(Lshr), 64),
        Op::Mul => (Kind::Registers(Mul), 64),
        Op::MulW => (Kind::Registers(Mul), 32),
        _ => return None,
    })
}
