//! A lane stops at its limit as a machine on the host's processor does.

#[path = "../../ncpu-engine/tests/support/mod.rs"]
mod support;

use ncpu_engine::{Pause, Reason, Rules, state_hash};
use ncpu_gpu::{Emulation, Lanes, Plan};
use ncpu_gpu_kernel::batch::stop;
use ncpu_gpu_kernel::{Given, Lane};
use support::{INSTRUCTIONS, MIDDLE, PROGRAM, STORED, booted, go_on, pool};

/// Writes "hello\n" before and after a loop of 39 × 65,536 lines of four instructions. The first such
/// line ends at the 10th instruction, so that the 10,000,000th, where output is taken, is the second of
/// one.
const LONG: &[u32] = &[
    0xd280_0020, // mov x0, #1
    0x1000_0221, // adr x1, message
    0xd280_00c2, // mov x2, #6
    0xd280_0808, // mov x8, #64 (write)
    0xd400_0001, // svc #0
    0xd2a0_04e3, // mov x3, #(39 << 16)
    0xf100_0463, // count: subs x3, x3, #1
    0xd503_201f, // nop
    0xd503_201f, // nop
    0x54ff_ffa1, // b.ne count
    0xd280_0020, // mov x0, #1
    0x1000_00e1, // adr x1, message
    0xd280_00c2, // mov x2, #6
    0xd280_0808, // mov x8, #64 (write)
    0xd400_0001, // svc #0
    0xd280_0000, // mov x0, #0
    0xd280_0ba8, // mov x8, #93 (exit)
    0xd400_0001, // svc #0
    0x6c6c_6568, // message: "hello\n"
    0x0000_0a6f,
];
const LONG_INSTRUCTIONS: u64 = 6 + 4 * 39 * 65_536 + 8;
/// Where output is taken.
const SLICE: u64 = 10_000_000;

/// The ends at these limits, on the host and on lanes.
fn compare(program: &[u32], limits: &[u64], pauses: bool) {
    let pool = pool(program);
    let mut template = booted(&pool);
    let plan =
        Plan { lanes: limits.len() as u32, spread: true, frames: 32 * 64, staged: 0, output: 0 };
    let fresh = |&limit| Lane {
        limit,
        stride: SLICE,
        input_ends: 1,
        pauses: pauses.into(),
        ..Lane::default()
    };
    let mut lanes = Lanes::new(Emulation::default(), &mut template, &plan).unwrap();
    let all: Vec<u32> = (0..plan.lanes).collect();
    for (&lane, limit) in all.iter().zip(limits) {
        lanes.fork(&[lane], &fresh(limit), &[Given::default()]).unwrap();
    }
    let mut stopped = 0;
    while stopped < plan.lanes {
        stopped += lanes.round(300_000).unwrap().0.stopped;
    }
    lanes.hash(&all).unwrap();
    for (&lane, &limit) in all.iter().zip(limits) {
        let rules = match pauses {
            true => Rules { pause: Some(Pause::At(limit)), ..Rules::default() },
            false => Rules { fuel: Some(limit), ..Rules::default() },
        };
        let mut machine = booted(&pool);
        let (reason, output) = go_on(&mut machine, rules);
        let record = lanes.lane(lane).unwrap();
        match reason {
            Reason::Ended(status) => {
                assert_eq!((record.stop, record.exit_status), (stop::ENDED, status), "{limit}");
            }
            Reason::Fuel | Reason::Paused => {
                assert_eq!((record.stop, record.total), (stop::LIMIT, limit));
            }
            other => panic!("{other:?} at {limit}"),
        }
        // Each record of output has a header of four bytes.
        assert_eq!(record.output_length, output.len() as u64 / 6 * 10, "{limit}");
        let [low, high] = record.hash.map(u128::from);
        assert_eq!(low | high << 64, state_hash(&mut machine), "{limit}");
    }
}

#[test]
fn fuel_is_used_up_to_the_instruction() {
    let end = INSTRUCTIONS;
    let limits =
        [0, 1, 3, 1024, 1025, MIDDLE, MIDDLE + 1, STORED, end - 3, end - 1, end, end + 1, u64::MAX];
    compare(PROGRAM, &limits, false);
}

#[test]
fn output_is_taken_where_it_is_on_the_host() {
    let limits = [
        SLICE - 1025,
        SLICE - 1,
        SLICE,
        SLICE + 1,
        SLICE + 2,
        SLICE + 1024,
        SLICE + 1025,
        LONG_INSTRUCTIONS - 1,
        u64::MAX,
    ];
    compare(LONG, &limits, false);
    compare(LONG, &limits[..7], true);
}
