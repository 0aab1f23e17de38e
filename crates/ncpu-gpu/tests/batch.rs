//! What a batch on lanes gives for a case is what a batch on the host's processor gives.

#[path = "../../ncpu-engine/tests/support/mod.rs"]
mod support;

use ncpu_engine::Boot;
use ncpu_engine::batch::{
    BatchEngine, BatchError, Case, CpuBatch, Finished, GuestFile, Outcome, Rules, Summary, Template,
};
use ncpu_gpu::{Emulation, GpuBatch, GpuError, Plan, plan_batch};
use std::io;
use std::num::{NonZeroU32, NonZeroUsize};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use support::{CAT, CAT_FILE, CLOSE, INSTRUCTIONS, LIMITS, PROGRAM, STEPS, pool_of, program};

/// Waits for no file descriptor, and for ever (ppoll).
const WAIT: &[u32] = &[
    0xd280_0000, // mov x0, #0
    0xd280_0001, // mov x1, #0
    0xd280_0002, // mov x2, #0
    0xd280_0003, // mov x3, #0
    0xd280_0928, // mov x8, #73 (ppoll)
    0xd400_0001, // svc #0
];

/// As [`PROGRAM`], but with 200 pages, and no more than a loop of 16 steps; ends with status 226.
fn large() -> Vec<u32> {
    let mut words = PROGRAM.to_vec();
    words[0] = 0xd143_23ff; // sub sp, sp, #(200 << 12)
    words[2] = 0xd280_1902; // mov x2, #200
    words[7] = 0xd280_0203; // mov x3, #16
    words
}

fn template(words: &[u32]) -> Template {
    let pool = pool_of(words, Template::frames(LIMITS, 3));
    Template::boot(&pool, LIMITS, Boot::default(), program()).unwrap()
}

fn on_lanes(words: &[u32], rules: Rules, lanes: u32) -> GpuBatch<Emulation> {
    on_device(Emulation::default(), words, rules, lanes)
}

fn on_device(device: Emulation, words: &[u32], rules: Rules, lanes: u32) -> GpuBatch<Emulation> {
    GpuBatch::new(device, template(words), rules, NonZeroU32::new(lanes), None).unwrap()
}

fn inputs(inputs: impl IntoIterator<Item = Vec<u8>>) -> Vec<Case> {
    let case =
        |(index, input)| Case { index, label: format!("case {index}"), input, ..Case::default() };
    (0..).zip(inputs).map(case).collect()
}

fn bytes(count: usize) -> Vec<u8> {
    (0..count as u32).map(|n| (n.wrapping_mul(n) >> 3) as u8).collect()
}

/// Runs a batch to its end; the ends in the order of the cases.
fn run(engine: &mut dyn BatchEngine, cases: Vec<Case>) -> (Vec<Finished>, Summary) {
    let mut all = Vec::new();
    let mut sink = |finished| -> io::Result<()> {
        all.push(finished);
        Ok(())
    };
    let summary = engine.run(&mut cases.into_iter(), &AtomicBool::new(false), &mut sink).unwrap();
    all.sort_by_key(|finished: &Finished| finished.index);
    (all, summary)
}

/// Runs the cases on the host and on so many lanes, and gives the ends, which must be the same.
fn same(words: &[u32], rules: Rules, lanes: &[u32], cases: &[Case]) -> Vec<Finished> {
    let threads = NonZeroUsize::new(2).unwrap();
    let mut host = CpuBatch::new(template(words), rules, threads);
    let (expected, summary) = run(&mut host, cases.to_vec());
    assert_eq!(expected.len(), cases.len());
    for &lanes in lanes {
        let mut engine = on_lanes(words, rules, lanes);
        // The second time, on lanes that have been used.
        for _ in 0..2 {
            let (ends, whole) = run(&mut engine, cases.to_vec());
            assert_ends(&ends, &expected, lanes);
            assert_eq!(whole, summary);
        }
    }
    expected
}

fn assert_ends(ends: &[Finished], expected: &[Finished], lanes: u32) {
    for (end, expected) in ends.iter().zip(expected) {
        let figures = |end: &Finished| (end.outcome.clone(), end.instructions);
        assert_eq!(figures(end), figures(expected), "{lanes} lanes");
        let written = (end.stdout == expected.stdout, end.stderr == expected.stderr);
        assert_eq!(written, (true, true), "{lanes} lanes");
        assert_eq!(end.state_hash, expected.state_hash, "{lanes} lanes");
        assert_eq!((end.index, &end.label), (expected.index, &expected.label));
    }
    assert_eq!(ends.len(), expected.len());
}

#[test]
fn lanes_of_warps_that_go_ways_of_their_own_end_as_on_the_host() {
    let cases = inputs((0..45).map(|n| vec![n * 5]));
    let threads = NonZeroUsize::new(1).unwrap();
    let (expected, _) =
        run(&mut CpuBatch::new(template(STEPS), Rules::default(), threads), cases.clone());
    // From 51, steps 1, 3, 7, 11, 13, 16 and 20 come from odd numbers.
    assert_eq!(
        (&expected[0].outcome, &expected[10].outcome),
        (&Outcome::Exited(0), &Outcome::Exited(71))
    );
    // Warps of 2 lanes, and of 16 and a part of them.
    for lanes in [7, 41] {
        let mut engine = on_device(Emulation::with_warps(), STEPS, Rules::default(), lanes);
        let (ends, _) = run(&mut engine, cases.clone());
        assert_ends(&ends, &expected, lanes);
    }
}

#[test]
fn more_machines_than_lanes_end_as_on_the_host() {
    let ends = same(PROGRAM, Rules::default(), &[1, 33], &inputs(vec![Vec::new(); 70]));
    for end in &ends {
        assert_eq!((&end.outcome, end.instructions), (&Outcome::Exited(42), INSTRUCTIONS));
        assert_eq!(end.stdout.bytes, b"hello\n");
    }
}

#[test]
fn input_beyond_a_block_and_output_beyond_the_room_are_whole() {
    let sizes = [0, 1, 4095, 4096, 4097, 8192, 70_000];
    let cases = inputs((0..40).map(|n| bytes(sizes[n % sizes.len()] + n / sizes.len())));
    // On the last, some machines wait until more have stopped.
    let ends = same(CAT, Rules::default(), &[1, 5, 200], &cases);
    for (end, case) in ends.iter().zip(&cases) {
        assert!(end.stdout.bytes == case.input);
    }
    let rules = Rules { output: 10, ..Rules::default() };
    let ends = same(CAT, rules, &[3], &cases);
    assert_eq!((ends[6].stdout.bytes.len(), ends[6].stdout.written), (10, 70_000));
}

#[test]
fn fuel_ends_a_machine_at_the_same_instruction() {
    for fuel in [7, 54_321] {
        let rules = Rules { fuel: Some(fuel), ..Rules::default() };
        let ends = same(CLOSE, rules, &[2, 50], &inputs((0..9).map(|n| vec![255 - n % 3])));
        assert_eq!((&ends[0].outcome, ends[0].instructions), (&Outcome::Fuel, fuel));
    }
    same(CAT, Rules { fuel: Some(100), ..Rules::default() }, &[4], &inputs([bytes(70_000)]));
}

#[test]
fn a_machine_that_can_only_sleep_is_in_a_deadlock() {
    let ends = same(WAIT, Rules::default(), &[2], &inputs([vec![], vec![1]]));
    assert_eq!(ends[1].outcome, Outcome::Deadlock);
}

#[test]
fn a_machine_that_takes_too_long_is_ended() {
    let rules = Rules { timeout: Some(Duration::from_millis(200)), ..Rules::default() };
    let (ends, _) = run(&mut on_lanes(CLOSE, rules, 2), inputs([vec![255], vec![3], vec![255]]));
    let outcomes: Vec<_> = ends.iter().map(|end| &end.outcome).collect();
    assert_eq!(outcomes, [&Outcome::Timeout, &Outcome::Exited(3), &Outcome::Timeout]);
    assert!(ends[0].instructions > 1000 && ends[0].state_hash != 0);
}

#[test]
fn arguments_and_files_are_a_machines_own() {
    let case = |index, path: &str, text: &str| Case {
        index,
        arguments: (index % 2 == 0).then(|| vec![path.into()]),
        environment: (index % 3 == 0).then(|| b"NAME=value".to_vec()).into_iter().collect(),
        files: vec![GuestFile { path: path.into(), mode: 0o600, bytes: text.into() }],
        ..Case::default()
    };
    let mut cases = vec![
        case(0, "/tmp/a", "first"),
        case(1, "/tmp/a", "not read"),
        case(2, "/new/folder/a", "second"),
        case(3, "tmp", ""),
        case(4, "/dev", ""),
        case(5, "/proc/x", ""),
        case(6, "/tmp/long", &"x".repeat(300 * 4096)),
        Case { index: 7, ..Case::default() },
    ];
    // Two of these have room on the device at a time.
    cases.extend((8..40).map(|index| case(index, "/tmp/b", &format!("{index} ").repeat(30_000))));
    let ends = same(CAT_FILE, Rules::default(), &[1, 6], &cases);
    assert_eq!((&ends[0].outcome, &*ends[0].stdout.bytes), (&Outcome::Exited(0), &b"first"[..]));
    assert_eq!(ends[2].stdout.bytes, b"second");
    assert!(matches!(ends[6].outcome, Outcome::Failed(_)));
    assert!(ends[38].stdout.bytes.starts_with(b"38 38 "));
}

#[test]
fn machines_that_are_refused_memory_run_again() {
    let words = large();
    let cases = inputs(vec![Vec::new(); 70]);
    let expected = same(&words, Rules::default(), &[], &cases);
    assert_eq!(expected[0].outcome, Outcome::Exited(226));
    // Enough for one of the two warps.
    let plan = Plan { lanes: 64, spread: true, frames: 32 * 300, staged: 0, output: 0 };
    let device = Emulation::default();
    let mut engine = GpuBatch::planned(device, template(&words), Rules::default(), &plan).unwrap();
    let (ends, _) = run(&mut engine, cases.clone());
    assert!(ends == expected);
    // Not enough even for one.
    let plan = Plan { frames: 32 * 100, ..plan };
    let device = Emulation::default();
    let mut engine = GpuBatch::planned(device, template(&words), Rules::default(), &plan).unwrap();
    let (ends, _) = run(&mut engine, cases);
    let failed = ends.iter().filter(|end| matches!(end.outcome, Outcome::Failed(_)));
    assert_eq!((ends.len(), failed.count()), (70, 70));
}

#[test]
fn a_stop_keeps_what_is_finished() {
    let mut engine = on_lanes(CLOSE, Rules::default(), 2);
    let stop = AtomicBool::new(false);
    // The first machine never ends; there is no end of cases either.
    let mut cases = (0..).map(|index| Case {
        index,
        input: vec![if index == 0 { 255 } else { 3 }],
        ..Case::default()
    });
    let mut kept = Vec::new();
    let mut sink = |finished: Finished| {
        kept.push(finished.index);
        stop.store(kept.len() >= 20, Ordering::Relaxed);
        Ok(())
    };
    let summary = engine.run(&mut cases, &stop, &mut sink).unwrap();
    assert!(summary.stopped && summary.finished == 20);
    assert_eq!(kept, (1..21).collect::<Vec<_>>());
    // Nothing is left of it.
    let (ends, _) = run(&mut engine, inputs([vec![3]]));
    assert_eq!(ends[0].outcome, Outcome::Exited(3));
}

#[test]
fn a_sink_that_fails_ends_the_batch() {
    let mut engine = on_lanes(CLOSE, Rules::default(), 2);
    let mut cases = inputs([vec![255], vec![3], vec![3]]).into_iter();
    let mut sink = |_| Err(io::Error::from(io::ErrorKind::StorageFull));
    match engine.run(&mut cases, &AtomicBool::new(false), &mut sink) {
        Err(BatchError::Sink(error)) => assert_eq!(error.kind(), io::ErrorKind::StorageFull),
        other => panic!("{other:?}"),
    }
}

#[test]
fn too_many_lanes_are_refused_with_how_many_fit() {
    let mut template = template(CLOSE);
    let mut plan = |lanes, free| plan_batch(template.machine(), lanes, None, free);
    for free in [1 << 28, 1 << 30, 1 << 34, 1 << 37] {
        let Err(GpuError::Memory { lanes: 1_000_000, most, needed, .. }) =
            plan(Some(1_000_000), free)
        else {
            panic!("a million lanes in {free} bytes")
        };
        assert!(needed > free && most < 1_000_000);
        let Ok(most) = u32::try_from(most) else { panic!("{most}") };
        if most != 0 {
            assert_eq!(plan(Some(most), free).unwrap().lanes, most);
        }
        assert!(most == 0 || plan(Some(2 * most + 64), free).is_err(), "{most} in {free}");
    }
    let many = NonZeroU32::new(1_000_000);
    assert!(
        GpuBatch::new(Emulation::default(), self::template(CLOSE), Rules::default(), many, None)
            .is_err()
    );
}
