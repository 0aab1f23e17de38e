//! Training again gives the committed files.

use ncpu_neural_math::train::{curves, train};
use ncpu_neural_math::weights::Weights;
use std::path::Path;

#[test]
fn the_committed_weights_are_those_of_seed_1() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../models/math");
    let (mut trained, ways) = train(1, 2, || ()).unwrap();
    let committed = Weights::read(&folder).unwrap();
    for (new, old) in trained.cards.iter_mut().zip(&committed.cards) {
        new.certificate = old.certificate.clone();
    }
    assert!(trained == committed);
    let table = std::fs::read_to_string(folder.join("curves.csv")).unwrap();
    assert!(curves::table(&ways) == table);
}
