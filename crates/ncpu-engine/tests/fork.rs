//! A forked machine shares what neither half has written, and both go on as one would have.

mod support;

use ncpu_engine::state_hash;
use support::{MIDDLE, PROGRAM, STORED, booted, finish, pool, run_to};

#[test]
fn both_halves_finish_as_the_whole_would_have() {
    let undisturbed = finish(&mut booted(&pool(PROGRAM)));
    let pool = pool(PROGRAM);
    let mut machine = booted(&pool);
    run_to(&mut machine, MIDDLE);
    let middle = state_hash(&mut machine);
    let mut copy = machine.fork().unwrap();
    assert_eq!(state_hash(&mut copy), middle);
    assert_eq!(finish(&mut machine), undisturbed);
    assert_eq!(state_hash(&mut copy), middle);
    assert_eq!(finish(&mut copy), undisturbed);
}

#[test]
fn frames_are_shared_until_they_are_written() {
    let pool = pool(PROGRAM);
    let mut machine = booted(&pool);
    run_to(&mut machine, MIDDLE);
    let used = pool.used();
    // The 16 pages of the stack that the program has written, at least.
    assert!(used >= 16);
    let mut copy = machine.fork().unwrap();
    assert_eq!(pool.used(), used);
    // One page of the stack is written from here to there.
    run_to(&mut machine, STORED);
    assert_eq!(pool.used(), used + 1);
    // What the copy writes is its own alone by now.
    run_to(&mut copy, STORED);
    assert_eq!(pool.used(), used + 1);
    assert_eq!(state_hash(&mut machine), state_hash(&mut copy));
    drop(machine);
    assert_eq!(pool.used(), used);
    finish(&mut copy);
    drop(copy);
    assert_eq!(pool.used(), 0);
}

#[test]
fn a_copy_outlives_the_machine_and_can_be_copied() {
    let undisturbed = finish(&mut booted(&pool(PROGRAM)));
    let pool = pool(PROGRAM);
    let mut machine = booted(&pool);
    for at in (10_000..=MIDDLE).step_by(9_999) {
        run_to(&mut machine, at);
        let copy = machine.fork().unwrap();
        machine = copy;
    }
    assert_eq!(finish(&mut machine), undisturbed);
    drop(machine);
    assert_eq!(pool.used(), 0);
}
