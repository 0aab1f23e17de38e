//! Training again gives the committed files.

mod support;

use ncpu_neural::Weights;
use ncpu_neural::train::train;
use support::models;

#[test]
fn the_committed_weights_are_those_of_seed_1() {
    let (mut trained, curves) = train(1, |_, _| ()).unwrap();
    let committed = Weights::read(&models()).unwrap();
    for (new, old) in trained.cards.iter_mut().zip(&committed.cards) {
        new.certificate = old.certificate.clone();
    }
    assert!(trained == committed);
    let table = std::fs::read_to_string(models().join("curves.csv")).unwrap();
    assert!(ncpu_neural::train::curves::table(&curves) == table);
}
