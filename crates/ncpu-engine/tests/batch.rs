//! What a batch gives for a case is what the case's machine alone gives.

mod support;

use ncpu_alu::NativeAlu;
use ncpu_engine::batch::{
    BatchEngine, BatchError, Case, CpuBatch, Finished, GuestFile, Outcome, Rules, Summary, Template,
};
use ncpu_engine::{
    Boot, Folders, Host, Input, Machine, Pause, Pool, Program, Reason, User, drive, state_hash,
};
use std::io;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use support::{CAT, CAT_FILE, CLOSE, INSTRUCTIONS, LIMITS, PROGRAM, booted, pool_of, program};

const MOST_LANES: usize = 7;

fn lanes_pool(words: &[u32]) -> Arc<Pool> {
    pool_of(words, Template::frames(LIMITS, MOST_LANES))
}

fn engine(pool: &Arc<Pool>, rules: Rules, lanes: usize) -> CpuBatch {
    let template = Template::boot(pool, LIMITS, Boot::default(), program()).unwrap();
    CpuBatch::new(template, rules, NonZeroUsize::new(lanes).unwrap())
}

fn inputs(inputs: impl IntoIterator<Item = Vec<u8>>) -> Vec<Case> {
    let case =
        |(index, input)| Case { index, label: format!("case {index}"), input, ..Case::default() };
    (0..).zip(inputs).map(case).collect()
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

fn bytes(count: usize) -> Vec<u8> {
    (0..count as u32).map(|n| (n.wrapping_mul(n) >> 3) as u8).collect()
}

/// Gives a file in whole blocks and keeps standard output.
struct File(io::Cursor<Vec<u8>>, Vec<u8>);

impl Host for File {
    fn output(&mut self, _: u8, bytes: &[u8]) -> io::Result<()> {
        self.1.extend(bytes);
        Ok(())
    }
    fn input(&mut self, buffer: &mut [u8], _: Option<Duration>) -> io::Result<Input> {
        Ok(match io::Read::read(&mut self.0, buffer)? {
            0 => Input::End,
            count => Input::Bytes(count),
        })
    }
}

#[test]
fn every_case_ends_as_its_machine_alone_whatever_the_lanes() {
    let sizes = [0, 1, 4095, 4096, 4097, 8192, 70_000];
    let cases = inputs((0..40).map(|n| bytes(sizes[n % sizes.len()] + n / sizes.len())));
    let alone: Vec<_> = cases
        .iter()
        .map(|case| {
            let mut machine = booted(&lanes_pool(CAT));
            let mut host = File(io::Cursor::new(case.input.clone()), Vec::new());
            machine.with_kernel(|kernel| {
                drive(kernel, &NativeAlu, &mut host, &mut Folders::default(), Default::default())
            });
            (host.1, state_hash(&mut machine))
        })
        .collect();
    for lanes in [1, 2, MOST_LANES] {
        let (ends, summary) =
            run(&mut engine(&lanes_pool(CAT), Rules::default(), lanes), cases.clone());
        assert_eq!(ends.len(), 40);
        let mut instructions = 0;
        for ((case, end), (output, hash)) in cases.iter().zip(&ends).zip(&alone) {
            assert_eq!((end.index, &end.label), (case.index, &case.label));
            assert_eq!(end.outcome, Outcome::Exited(0));
            // Seven instructions find the end and three exit; a block takes 13.
            let blocks = case.input.len().div_ceil(4096) as u64;
            assert_eq!(end.instructions, 1 + 13 * blocks + 7 + 3, "{}", case.input.len());
            assert!(end.stdout.bytes == case.input && *output == case.input);
            assert_eq!(end.state_hash, *hash);
            instructions += end.instructions;
        }
        assert_eq!(summary, Summary { finished: 40, instructions, stopped: false });
    }
}

#[test]
fn machines_share_nothing_that_they_write() {
    let pool = lanes_pool(PROGRAM);
    let mut engine = engine(&pool, Rules::default(), 3);
    let used = pool.used();
    let (ends, _) = run(&mut engine, inputs(vec![Vec::new(); 30]));
    for end in &ends {
        assert_eq!((&end.outcome, end.instructions), (&Outcome::Exited(42), INSTRUCTIONS));
        assert_eq!(end.stdout.bytes, b"hello\n");
        assert_eq!(end.state_hash, ends[0].state_hash);
    }
    assert_eq!(pool.used(), used);
    drop(engine);
    assert_eq!(pool.used(), 0);
}

/// Executes eight bytes of input, and ends with what they return.
const EXECUTE: &[u32] = &[
    0xd280_0000, // mov x0, #0
    0xd282_0001, // mov x1, #4096
    0xd280_00e2, // mov x2, #7
    0xd280_0443, // mov x3, #34
    0x9280_0004, // mov x4, #-1
    0xd280_0005, // mov x5, #0
    0xd280_1bc8, // mov x8, #222 (mmap)
    0xd400_0001, // svc #0
    0xaa00_03f3, // mov x19, x0
    0xd280_0000, // mov x0, #0
    0xaa13_03e1, // mov x1, x19
    0xd280_0102, // mov x2, #8
    0xd280_07e8, // mov x8, #63 (read)
    0xd400_0001, // svc #0
    0xd63f_0260, // blr x19
    0xd280_0ba8, // mov x8, #93 (exit)
    0xd400_0001, // svc #0
];

#[test]
fn code_of_a_machine_before_is_used_again_unless_it_was_its_own() {
    let pool = lanes_pool(EXECUTE);
    let run = |machine: &mut Machine, status: u32, pause| {
        // mov x0, #status; ret
        let code = [0xd280_0000 | status << 5, 0xd65f_03c0].map(u32::to_le_bytes).concat();
        let mut host = File(io::Cursor::new(code), Vec::new());
        let rules = ncpu_engine::Rules { pause, ..Default::default() };
        machine.with_kernel(|kernel| {
            let folders = &mut Folders::default();
            let ending = drive(kernel, &NativeAlu, &mut host, folders, rules);
            (ending.reason, kernel.mem.lifted_pages())
        })
    };
    // The program's page and the one that it was given, and then the latter alone, however many there were.
    for lifted in std::iter::once(2).chain(std::iter::repeat_n(1, 3700)) {
        let (reason, found) = run(&mut booted(&pool), 7, None);
        assert!(matches!(reason, Reason::Ended(0x700)), "{reason:?}");
        assert_eq!(found, lifted);
    }
    // Machines are given frames that others had, and forks of them, with the caches of those, execute what is there.
    // (Which frames come back depends on how many machines there were in between.)
    let mut template = booted(&pool);
    for between in 0..8 {
        let mut first = template.fork().unwrap();
        let other = template.fork().unwrap();
        run(&mut first, 99, Some(Pause::At(16)));
        drop(first);
        drop(other);
        for _ in 0..between {
            run(&mut template.fork().unwrap(), 98, Some(Pause::At(16)));
        }
        let mut second = template.fork().unwrap();
        run(&mut second, between, Some(Pause::At(15)));
        let (reason, _) = run(&mut second.fork().unwrap(), 0, None);
        assert!(matches!(reason, Reason::Ended(end) if end == between << 8), "{reason:?}");
    }
}

#[test]
fn arguments_and_files_are_a_machines_own() {
    let pool = lanes_pool(CAT_FILE);
    let mut engine = engine(&pool, Rules::default(), 2);
    let case = |index, path: &str, text: &str| Case {
        index,
        arguments: Some(vec![path.into()]),
        files: vec![GuestFile { path: path.into(), mode: 0o600, bytes: text.into() }],
        ..Case::default()
    };
    let mut cases = vec![
        case(0, "/tmp/a", "first"),
        case(1, "/new/folder/a", "second"),
        case(2, "/tmp/a", "third"),
        case(3, "tmp", ""),
        case(4, "/dev", ""),
        case(5, "/proc/x", ""),
        case(6, "/tmp/long", &"x".repeat(300 * 4096)),
    ];
    // Without arguments, the name that is opened is the null pointer.
    cases.push(Case { index: 7, ..Case::default() });
    let (ends, _) = run(&mut engine, cases);
    for (end, text) in ends.iter().zip(["first", "second", "third"]) {
        assert_eq!(end.outcome, Outcome::Exited(0));
        assert_eq!(end.stdout.bytes, text.as_bytes());
    }
    for (end, why) in
        ends[3..].iter().zip(["Invalid argument", "Is a directory", "not permitted", "No space"])
    {
        let Outcome::Failed(message) = &end.outcome else { panic!("{end:?}") };
        assert!(message.contains(why), "{message}");
    }
    assert_eq!(ends[7].outcome, Outcome::Exited(0));
    assert_eq!(ends[7].stdout.written, 0);
}

#[test]
fn files_belong_to_the_user_who_need_not_be_allowed_to_make_them() {
    let pool = lanes_pool(CAT_FILE);
    let user = User { uid: 1000, gid: 1000, groups: Vec::new() };
    let program = Program { user, ..program() };
    let template = Template::boot(&pool, LIMITS, Boot::default(), program).unwrap();
    let mut engine = CpuBatch::new(template, Rules::default(), NonZeroUsize::MIN);
    let text = b"for the user's eyes";
    let file = GuestFile { path: b"/made/by/root".to_vec(), mode: 0o400, bytes: text.to_vec() };
    let arguments = Some(vec![file.path.clone()]);
    let (ends, _) =
        run(&mut engine, vec![Case { arguments, files: vec![file], ..Case::default() }]);
    assert_eq!((&ends[0].outcome, &*ends[0].stdout.bytes), (&Outcome::Exited(0), &text[..]));
}

#[test]
fn fuel_time_and_output_are_bounded() {
    let forever = inputs([vec![255], vec![3]]);
    let rules = Rules { fuel: Some(54_321), ..Rules::default() };
    let (ends, _) = run(&mut engine(&lanes_pool(CLOSE), rules, 2), forever.clone());
    assert_eq!((&ends[0].outcome, ends[0].instructions), (&Outcome::Fuel, 54_321));
    assert_eq!(ends[1].outcome, Outcome::Exited(3));
    let rules = Rules { timeout: Some(Duration::from_millis(50)), ..Rules::default() };
    let (ends, _) = run(&mut engine(&lanes_pool(CLOSE), rules, 1), forever);
    assert_eq!((&ends[0].outcome, &ends[1].outcome), (&Outcome::Timeout, &Outcome::Exited(3)));
    let rules = Rules { output: 10, ..Rules::default() };
    let (ends, _) = run(&mut engine(&lanes_pool(CAT), rules, 1), inputs([bytes(10), bytes(5000)]));
    assert_eq!((&*ends[0].stdout.bytes, ends[0].stdout.is_truncated()), (&bytes(10)[..], false));
    assert_eq!((&*ends[1].stdout.bytes, ends[1].stdout.is_truncated()), (&bytes(10)[..], true));
    assert_eq!(ends[1].stdout.written, 5000);
}

#[test]
fn a_stop_keeps_what_is_finished() {
    let mut engine = engine(&lanes_pool(CLOSE), Rules::default(), 2);
    let stop = AtomicBool::new(false);
    let start = Instant::now();
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
    assert!(summary.stopped && summary.finished == kept.len() as u64);
    assert!((20..24).contains(&kept.len()) && !kept.contains(&0), "{kept:?}");
    assert!(start.elapsed() < Duration::from_secs(20));
}

#[test]
fn a_sink_that_fails_ends_the_batch() {
    let mut engine = engine(&lanes_pool(CLOSE), Rules::default(), 2);
    let mut cases = inputs([vec![255], vec![3], vec![3]]).into_iter();
    let mut sink = |_| Err(io::Error::from(io::ErrorKind::StorageFull));
    match engine.run(&mut cases, &AtomicBool::new(false), &mut sink) {
        Err(BatchError::Sink(error)) => assert_eq!(error.kind(), io::ErrorKind::StorageFull),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_machine_that_panics_fails_alone() {
    let pool = lanes_pool(CLOSE);
    let mut machine = booted(&pool);
    // A descriptor whose open file lies outside the table, as only a forged snapshot can have it.
    // Whoever ends closes it.
    machine.with_kernel(|kernel| kernel.fd_tables[0].entries[7] = LIMITS.files + 1000);
    let lanes = NonZeroUsize::new(2).unwrap();
    let rules = Rules { fuel: Some(1000), ..Rules::default() };
    let mut engine = CpuBatch::new(Template::restored(machine), rules, lanes);
    let (ends, _) =
        run(&mut engine, inputs((0..10).map(|n| vec![if n % 3 == 0 { 255 } else { n }])));
    assert_eq!(ends.len(), 10);
    for end in &ends {
        match &end.outcome {
            Outcome::Failed(why) => assert!(end.index % 3 != 0 && why.contains("out of bounds")),
            outcome => assert_eq!((outcome, end.index % 3), (&Outcome::Fuel, 0)),
        }
    }
    let case = Case { arguments: Some(Vec::new()), ..Case::default() };
    let (ends, _) = run(&mut engine, vec![case]);
    assert!(matches!(&ends[0].outcome, Outcome::Failed(why) if why.contains("snapshot")));
}
