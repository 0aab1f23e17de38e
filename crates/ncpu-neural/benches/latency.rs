//! Latency of each operation of the neural ALU, one core, with operands that the compiler does not know.

#![allow(missing_docs, reason = "a bench has no users")]

use criterion::{Criterion, criterion_group, criterion_main};
use ncpu_alu::Alu;
use ncpu_neural::Weights;
use ncpu_neural_alu::NeuralAlu;
use std::hint::black_box;
use std::path::Path;

fn latency(criterion: &mut Criterion) {
    let models = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../models/alu");
    let cells = Weights::certified(&models).expect("the weights are in the tree").cells;
    let alu = NeuralAlu::new(&cells);
    let (a, b) = (0x0123_4567_89ab_cdef, 0x0000_0000_dead_beef);
    macro_rules! measure {
        ($($name:ident($($operand:expr),*);)*) => {$(
            criterion.bench_function(stringify!($name), |bencher| {
                bencher.iter(|| Alu::$name(&alu, $(black_box($operand)),*));
            });
        )*};
    }
    measure! {
        add(a, b); sub(a, b); add_with_carry(a, b, true); add_with_carry32(a, b, true);
        mul(a, b); umulh(a, b); smulh(a, b); udiv(a, b); sdiv(a, b);
        and(a, b); or(a, b); xor(a, b); not(a);
        shl(a, b); lshr(a, b); ashr(a, b); ror(a, b); ror32(a, b);
        clz(a); rbit(a); popcount(a); eq(a, b); ltu(a, b); lts(a, b);
    }
}

criterion_group!(benches, latency);
criterion_main!(benches);
