//! Gradients through the compositions.

use burn_tensor::Tensor;
use ncpu_alu::{Alu, NativeAlu};
use ncpu_neural::Weights;
use ncpu_neural::soft::{Form, Plane, Real, SoftBits, bits, nearest, plane};
use ncpu_neural::specification::specification;
use ncpu_neural_alu::{CellId, Domain, Network, Operation};
use std::path::Path;
use std::sync::LazyLock;

static NETWORKS: LazyLock<Box<[Network; CellId::COUNT]>> = LazyLock::new(|| {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../models/alu");
    Weights::read(&folder).unwrap().networks
});

/// Numbers between 0 and 1 (a linear congruential generator, Knuth's MMIX).
fn random(state: &mut u64) -> f64 {
    *state = state.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
    (*state >> 11) as f64 / (1u64 << 53) as f64
}

/// A weighted sum of all result bits of all rows.
fn loss(operation: Operation, form: Form, a: &Plane, b: &Plane) -> Tensor<Real, 1> {
    let mut d = SoftBits::new(&NETWORKS, form);
    let carry = bits(&[0]);
    let [result, flags] = operation.compute(&mut d, a, b, &carry);
    let weights = plane((0..64).map(|at| 1.0 + f64::from(at % 7)));
    ((result + flags) * weights).sum()
}

fn value(sum: Tensor<Real, 1>) -> f64 {
    sum.into_scalar()
}

#[test]
fn gradients_are_those_of_finite_differences() {
    const STEP: f64 = 1e-5;
    let form = Form::Soft(1.5);
    for &operation in Operation::ALL {
        let mut state = operation as u64 + 1;
        let numbers: [Vec<f64>; 2] =
            std::array::from_fn(|_| (0..128).map(|_| random(&mut state)).collect());
        let [a, b] = numbers.clone().map(|numbers| plane(numbers).require_grad());
        let gradients = loss(operation, form, &a, &b).backward();
        for (which, operand) in [&a, &b].into_iter().enumerate() {
            // An operation of one operand has no gradient for the second.
            let gradient: Vec<f64> = match operand.grad(&gradients) {
                Some(gradient) => gradient.into_data().iter().collect(),
                None => vec![0.0; 128],
            };
            for at in [0, 5, 31, 64 + 32, 64 + 63] {
                let [more, less] = [STEP, -STEP].map(|step| {
                    let mut numbers = numbers.clone();
                    numbers[which][at] += step;
                    let [a, b] = numbers.map(plane);
                    value(loss(operation, form, &a, &b))
                });
                let difference = (more - less) / (2.0 * STEP);
                let error = (difference - gradient[at]).abs();
                assert!(
                    error <= 1e-6 * (1.0 + difference.abs()),
                    "{} operand {which} bit {at}: {}, but {difference} by differences",
                    operation.name(),
                    gradient[at]
                );
            }
        }
    }
}

/// A cell's derivatives on bits, one input after the other, are what its specification says of a flip.
fn derivatives_are_flips<const I: usize, const O: usize>(cell: CellId) {
    let bit = |input: u32, i: usize| f64::from(input >> i & 1);
    for i in 0..I {
        for output in 0..O {
            // Position `p` has the input `p`, of those that there are.
            let input = |p: u32| p % (1 << I);
            let planes: [Plane; I] =
                std::array::from_fn(|i| plane((0..64).map(|p| bit(input(p), i))).require_grad());
            let mut d = SoftBits::new(&NETWORKS, Form::Expected);
            let outputs: [Plane; O] = d.cell(cell, planes.each_ref());
            let gradients = outputs[output].clone().sum().backward();
            let found: Vec<f64> = match planes[i].grad(&gradients) {
                Some(gradient) => gradient.into_data().iter().collect(),
                None => vec![0.0; 64],
            };
            for p in 0..64 {
                let [without, with] = [input(p) & !(1 << i), input(p) | 1 << i]
                    .map(|input| bit(specification(cell, input), output));
                assert_eq!(found[p as usize], with - without, "{} of {p}", cell.name());
            }
        }
    }
}

#[test]
fn expected_cells_change_as_flips_do() {
    derivatives_are_flips::<2, 1>(CellId::Xor);
    derivatives_are_flips::<2, 2>(CellId::HalfAdder);
    derivatives_are_flips::<4, 2>(CellId::Combine);
    derivatives_are_flips::<3, 2>(CellId::FullAdder);
    derivatives_are_flips::<3, 8>(CellId::Attend);
    derivatives_are_flips::<3, 1>(CellId::Select);
}

#[test]
fn straight_through_results_are_exact() {
    let mut state = 7;
    let mut word = || (random(&mut state) * (1u64 << 32) as f64) as u64 * 0x1_0000_0001;
    for _ in 0..20 {
        let (a, b) = (word(), word() >> 9);
        let alu = NativeAlu;
        for (operation, expected) in [
            (Operation::Add, alu.add(a, b)),
            (Operation::Sub, alu.sub(a, b)),
            (Operation::Mul, alu.mul(a, b)),
            (Operation::And, alu.and(a, b)),
            (Operation::Xor, alu.xor(a, b)),
            (Operation::Shl, alu.shl(a, b)),
            (Operation::Ashr, alu.ashr(a, b)),
            (Operation::Ror, alu.ror(a, b)),
            (Operation::Clz, alu.clz(a)),
            (Operation::Popcount, alu.popcount(a)),
            (Operation::Ltu, alu.ltu(a, b).into()),
        ] {
            let mut d = SoftBits::new(&NETWORKS, Form::StraightThrough(2.0));
            let [result, _] = operation.compute(&mut d, &bits(&[a]), &bits(&[b]), &bits(&[0]));
            let is_truth = operation == Operation::Ltu;
            let found = nearest(&result)[0] & if is_truth { 1 } else { u64::MAX };
            assert_eq!(found, expected, "{} of {a:#x} and {b:#x}", operation.name());
        }
    }
}
