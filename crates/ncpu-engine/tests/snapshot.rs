//! Snapshots come back as they were, or not at all.

mod support;

use ncpu_engine::{Machine, Pool, SnapshotError, snapshot, state_hash};
use std::sync::Arc;
use support::{INSTRUCTIONS, MIDDLE, PROGRAM, booted, finish, pool, run_to};

fn save(machine: &mut Machine) -> Vec<u8> {
    let mut bytes = Vec::new();
    snapshot::save(machine, &mut bytes).unwrap();
    bytes
}

/// A snapshot of the program's middle, with the hash of the machine in it.
fn middle(pool: &Arc<Pool>) -> (Vec<u8>, u128) {
    let mut machine = booted(pool);
    run_to(&mut machine, MIDDLE);
    (save(&mut machine), state_hash(&mut machine))
}

#[test]
fn a_machine_goes_on_in_any_pool_with_the_same_root() {
    let pools = [pool(PROGRAM), pool(PROGRAM)];
    let undisturbed = finish(&mut booted(&pools[0]));
    for at in [0, 1, 4, 66, 67, 68, MIDDLE, INSTRUCTIONS - 4, INSTRUCTIONS - 1] {
        let mut machine = booted(&pools[0]);
        assert_eq!(run_to(&mut machine, at), b"");
        let bytes = save(&mut machine);
        let hash = state_hash(&mut machine);
        for pool in &pools {
            let mut copy = snapshot::restore(pool, &bytes[..]).unwrap();
            assert_eq!(state_hash(&mut copy), hash);
            assert_eq!(save(&mut copy), bytes);
            assert_eq!(finish(&mut copy), undisturbed);
        }
    }
    assert_eq!((pools[0].used(), pools[1].used()), (0, 0));
}

#[test]
fn a_snapshot_that_ends_early_is_refused() {
    let pool = pool(PROGRAM);
    let (bytes, _) = middle(&pool);
    // The last bytes hold the checksum and the end of the deflated stream, which says nothing.
    let most = bytes.len() - 8;
    for length in (0..most).step_by(31).chain((0..most).step_by(997)).chain([8, 11, 12, most]) {
        match snapshot::restore(&pool, &bytes[..length]) {
            Err(SnapshotError::Magic) => assert!(length < 12, "{length}"),
            Err(SnapshotError::Damaged(_)) => assert!(length >= 12, "{length}"),
            Err(error) => panic!("{length}: {error}"),
            Ok(_) => panic!("{length} of {} bytes are enough", bytes.len()),
        }
        assert_eq!(pool.used(), 0);
    }
}

#[test]
fn a_flipped_bit_never_gives_another_machine() {
    let pool = pool(PROGRAM);
    let (mut bytes, hash) = middle(&pool);
    let mut accepted = 0;
    let places: Vec<usize> = (0..bytes.len()).step_by(37).chain(0..32).collect();
    for &at in &places {
        let bit = 1 << (at % 8);
        bytes[at] ^= bit;
        match snapshot::restore(&pool, &bytes[..]) {
            Err(SnapshotError::Magic) => assert!(at < 8, "{at}"),
            Err(SnapshotError::Version(_)) => assert!((8..12).contains(&at), "{at}"),
            Err(_) => assert!(at >= 12, "{at}"),
            // A run of zeros repeats the byte before it or, as well, the one before that.
            Ok(mut machine) => {
                assert_eq!(state_hash(&mut machine), hash, "{at}");
                accepted += 1;
            }
        }
        bytes[at] ^= bit;
        assert_eq!(pool.used(), 0);
    }
    assert!(accepted < places.len() / 4, "{accepted} of {}", places.len());
    assert!(snapshot::restore(&pool, &bytes[..]).is_ok());
}

#[test]
fn a_snapshot_belongs_to_its_root_file_system() {
    let [one, other] = [pool(PROGRAM), pool(&PROGRAM[1..])];
    let identity = |pool: &Pool| pool.root().rom().unwrap().identity();
    let (bytes, _) = middle(&one);
    match snapshot::restore(&other, &bytes[..]) {
        Err(SnapshotError::Root { wanted, given }) => {
            assert_eq!((wanted, given), (identity(&one), identity(&other)));
            assert_ne!(wanted, given);
        }
        Err(error) => panic!("{error}"),
        Ok(_) => panic!("another root file system was accepted"),
    }
}
