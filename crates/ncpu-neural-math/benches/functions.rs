//! Time of one evaluation of each function with the trained weights, one after the other.
//!
//! `cargo bench -p ncpu-neural-math --features std --bench functions`

use criterion::{Criterion, criterion_group, criterion_main};
use ncpu_neural_math::Function;
use ncpu_neural_math::weights::Weights;
use std::hint::black_box;
use std::path::Path;

/// Arguments (y, x) in the middle of the functions' ranges; `sin` and `cos` reduce them too.
const ARGUMENTS: [(f32, f32); 4] = [(0.7, 1.5), (1.25, 0.3), (3.0, 20.0), (11.5, 11.0)];

fn functions(criterion: &mut Criterion) {
    let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../models/math"));
    let networks = Weights::read(folder).expect("the weights are in the tree").networks;
    for function in Function::ALL {
        let mut next = ARGUMENTS.iter().cycle();
        criterion.bench_function(function.name(), |bencher| {
            bencher.iter(|| {
                let &(y, x) = next.next().expect("a cycle has no end");
                networks.evaluate(black_box(function), black_box(y), black_box(x))
            });
        });
    }
}

criterion_group!(benches, functions);
criterion_main!(benches);
