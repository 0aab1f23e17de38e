//! Where a run is paused leaves no trace in it, also where the host takes output anyway.

mod support;

use ncpu_engine::{Reason, Rules, state_hash};
use std::time::Duration;
use support::{PROGRAM, booted, go_on, pool, run_to};

/// How often the program writes.
const WRITES: usize = 11_100;
/// Where output is taken when nothing else stops the machine, at the end of the straight line.
const SLICE: u64 = 10_000_000;

/// Writes two bytes, the instruction that gives their address, and goes on for 900 instructions in a
/// straight line; [`WRITES`] times.
fn program() -> Vec<u32> {
    let mut words = vec![
        0xd285_6b83, // mov x3, #11100
        0xd280_0020, // again: mov x0, #1
        0x1000_0001, // adr x1, .
        0xd280_0042, // mov x2, #2
        0xd280_0808, // mov x8, #64 (write)
        0xd400_0001, // svc #0
    ];
    words.extend([0xd503_201f; 900]); // nop
    words.push(0xf100_0463); // subs x3, x3, #1
    let back = 1 - words.len() as i32;
    words.push(0x5400_0001 | (back as u32 & 0x7_ffff) << 5); // b.ne again
    words.extend([0xd280_0000, 0xd280_0ba8, 0xd400_0001]); // mov x0, #0; mov x8, #93; svc #0
    words
}

#[test]
fn a_pause_anywhere_leaves_no_trace() {
    let pool = pool(&program());
    let expected = [1, 0].repeat(WRITES);
    let mut machine = booted(&pool);
    let (reason, output) = go_on(&mut machine, Rules::default());
    assert!(matches!(reason, Reason::Ended(0)), "{reason:?}");
    assert!(output == expected);
    let instructions = machine.with_kernel(|kernel| kernel.header.retired);
    assert_eq!(instructions, 1 + 907 * WRITES as u64 + 3);
    let hash = state_hash(&mut machine);

    // In one line with the multiple: 10,000,000 = 1 + 11,025 × 907 + 324.
    for pauses in [[SLICE - 1, SLICE], [SLICE, SLICE + 1], [SLICE + 300, SLICE + 481]] {
        let mut machine = booted(&pool);
        let mut output = Vec::new();
        for at in pauses {
            output.extend(run_to(&mut machine, at));
            // As if it had been saved.
            machine = machine.fork().unwrap();
        }
        let (reason, rest) = go_on(&mut machine, Rules::default());
        assert!(matches!(reason, Reason::Ended(0)), "{reason:?}");
        output.extend(rest);
        assert!(output == expected);
        assert_eq!(machine.with_kernel(|kernel| kernel.header.retired), instructions);
        assert_eq!(state_hash(&mut machine), hash, "{pauses:?}");
    }
}

#[test]
fn fuel_ends_a_run_exactly() {
    let pool = pool(&program());
    for fuel in [1, 7, 5_000, SLICE, SLICE + 1] {
        let mut machine = booted(&pool);
        let (reason, _) = go_on(&mut machine, Rules { fuel: Some(fuel), ..Rules::default() });
        assert!(matches!(reason, Reason::Fuel), "{reason:?}");
        assert_eq!(machine.with_kernel(|kernel| kernel.header.retired), fuel);
    }
}

#[test]
fn what_has_ended_is_not_cut_by_the_time() {
    let late = Rules { timeout: Some(Duration::ZERO), ..Rules::default() };
    let (reason, output) = go_on(&mut booted(&pool(PROGRAM)), late);
    assert!(matches!(reason, Reason::Ended(0x2a00)), "{reason:?}");
    assert_eq!(output, b"hello\n");
    // Its 22,200 bytes stop it at least five times before its end.
    let (reason, _) = go_on(&mut booted(&pool(&program())), late);
    assert!(matches!(reason, Reason::Timeout), "{reason:?}");
}
