//! Lanes on the emulated device end as machines on the host's processor do.

#[path = "../../ncpu-engine/tests/support/mod.rs"]
mod support;

use ncpu_cuda::Device;
use ncpu_engine::state_hash;
use ncpu_gpu::{Emulation, Lanes, Plan};
use ncpu_gpu_kernel::batch::{WARP, stop};
use ncpu_gpu_kernel::grouping::REGION;
use ncpu_gpu_kernel::{Given, Lane};
use ncpu_machine::BlockLayout;
use support::{INSTRUCTIONS, PROGRAM, STEPS, booted, finish, pool};

fn fresh() -> Lane {
    Lane { limit: u64::MAX, stride: 10_000_000, input_ends: 1, ..Lane::default() }
}

fn ends_as_on_the_host(count: u32, spread: bool, slice: u32) {
    let expected = finish(&mut booted(&pool(PROGRAM)));
    let mut template = booted(&pool(PROGRAM));
    let plan = Plan {
        lanes: count,
        spread,
        frames: u64::from(count.next_multiple_of(32)) * 64,
        staged: 0,
        output: 1 << 16,
    };
    let mut lanes = Lanes::new(Emulation::default(), &mut template, &plan).unwrap();
    let all: Vec<u32> = (0..count).collect();
    lanes.fork(&all, &fresh(), &vec![Given::default(); count as usize]).unwrap();
    let mut ended = Vec::new();
    for _ in 0..1_000_000 {
        let (round, _) = lanes.round(slice).unwrap();
        ended.extend(lanes.stopped(&round).unwrap());
        if ended.len() == count as usize {
            break;
        }
    }
    lanes.hash(&all).unwrap();
    for &lane in &all {
        let record = lanes.lane(lane).unwrap();
        assert_eq!((record.stop, record.exit_status), (stop::ENDED, 42 << 8));
        assert_eq!(record.total, INSTRUCTIONS);
        let [low, high] = record.hash.map(u128::from);
        assert_eq!(low | high << 64, expected, "lane {lane}");
        if lane == 0 || lane == count - 1 {
            let mut machine = lanes.fetch(lane).unwrap();
            assert_eq!(state_hash(&mut machine), expected);
        }
    }
}

fn check_ends(lanes: &mut Lanes<Emulation>, all: &[u32]) {
    let expected = finish(&mut booted(&pool(PROGRAM)));
    lanes.hash(all).unwrap();
    for record in lanes.records(all).unwrap() {
        assert_eq!((record.exit_status, record.total), (42 << 8, INSTRUCTIONS));
        let [low, high] = record.hash.map(u128::from);
        assert_eq!(low | high << 64, expected);
    }
}

/// What [`STEPS`] gives for a number.
fn sum_of_odd_steps(byte: u8) -> u32 {
    let (mut number, mut sum) = (u32::from(byte) + 1, 0);
    for step in 1.. {
        number = match number {
            1 => break,
            odd if odd % 2 == 1 => {
                sum += step;
                3 * odd + 1
            }
            even => even / 2,
        };
    }
    sum % 256
}

#[test]
fn lanes_of_warps_keep_registers_from_round_to_round() {
    // Two whole warps, and one lane more.
    let count = 65;
    let plan = Plan { lanes: count, spread: true, frames: 96 * 64, staged: 0, output: 1 << 16 };
    let mut lanes = Lanes::new(Emulation::with_warps(), &mut booted(&pool(STEPS)), &plan).unwrap();
    let all: Vec<u32> = (0..count).collect();
    let input = lanes.device().alloc(8 * u64::from(count)).unwrap();
    let given = |lane: u32| {
        let at = input + 8 * u64::from(lane);
        lanes.device().upload(at, &[lane as u8]).unwrap();
        Given { input: at, input_length: 1 }
    };
    let given: Vec<_> = all.iter().map(|&lane| given(lane)).collect();
    lanes.fork(&all, &fresh(), &given).unwrap();
    let mut ended = 0;
    while ended < count {
        ended += lanes.round(100).unwrap().0.stopped;
    }
    for (lane, record) in all.iter().zip(lanes.records(&all).unwrap()) {
        let expected = sum_of_odd_steps(*lane as u8);
        assert_eq!((record.stop, record.exit_status), (stop::ENDED, expected << 8), "lane {lane}");
    }
}

#[test]
fn lanes_that_are_at_the_same_place_are_put_together_and_end_as_on_the_host() {
    const COUNT: u32 = 70;
    let mut template = booted(&pool(PROGRAM));
    let plan = Plan { lanes: COUNT, spread: true, frames: 96 * 64, staged: 0, output: 1 << 16 };
    let mut lanes = Lanes::new(Emulation::default(), &mut template, &plan).unwrap();
    let all: Vec<u32> = (0..COUNT).collect();
    let (even, odd): (Vec<u32>, Vec<u32>) = all.iter().partition(|&lane| lane % 2 == 0);
    let mut ended = 0;
    let mut rounds = |lanes: &mut Lanes<Emulation>, count| {
        for _ in 0..count {
            let (round, _) = lanes.round(500).unwrap();
            ended += lanes.stopped(&round).unwrap().len();
        }
        ended
    };
    // Half of them are ahead of the others.
    lanes.fork(&even, &fresh(), &vec![Given::default(); even.len()]).unwrap();
    rounds(&mut lanes, 3);
    lanes.fork(&odd, &fresh(), &vec![Given::default(); odd.len()]).unwrap();
    assert_eq!(lanes.order().unwrap(), all);
    lanes.group().unwrap();
    let order = lanes.order().unwrap();
    let mut sorted = order.clone();
    sorted.sort_unstable();
    assert_eq!(sorted, all);
    let changes = order.windows(2).filter(|pair| pair[0] % 2 != pair[1] % 2).count();
    assert_eq!(changes, 1, "{order:?}");
    while rounds(&mut lanes, 1) < COUNT as usize {
        lanes.group().unwrap();
    }
    check_ends(&mut lanes, &all);
}

#[test]
fn lanes_whose_frames_are_laid_out_anew_end_as_on_the_host() {
    const COUNT: u32 = 70;
    let mut template = booted(&pool(PROGRAM));
    let plan = Plan { lanes: COUNT, spread: true, frames: 96 * 64, staged: 0, output: 1 << 16 };
    let mut lanes = Lanes::new(Emulation::default(), &mut template, &plan).unwrap();
    let all: Vec<u32> = (0..COUNT).collect();
    lanes.fork(&all, &fresh(), &vec![Given::default(); all.len()]).unwrap();
    let layouts = [BlockLayout::Pieces, BlockLayout::Spread];
    let (mut ended, mut rounds) = (0, 0);
    while ended < COUNT as usize {
        let (round, _) = lanes.round(500).unwrap();
        ended += lanes.stopped(&round).unwrap().len();
        lanes.lay_out(layouts[rounds % 2], 2 * COUNT.div_ceil(WARP)).unwrap();
        rounds += 1;
    }
    assert!(rounds > 3);
    check_ends(&mut lanes, &all);
}

#[test]
fn one_lane_ends_as_on_the_host() {
    ends_as_on_the_host(1, false, 1_000_000);
}

#[test]
fn lanes_with_spread_frames_end_as_on_the_host() {
    ends_as_on_the_host(35, true, 30_000);
}

#[test]
fn lanes_stay_in_their_region_when_they_are_put_together() {
    const COUNT: u32 = REGION + 40;
    let mut template = booted(&pool(PROGRAM));
    let plan = Plan { lanes: COUNT, spread: true, frames: 8 * 2_112, staged: 0, output: 1 << 12 };
    let mut lanes = Lanes::new(Emulation::default(), &mut template, &plan).unwrap();
    // The others have no machine.
    let some: Vec<u32> = (0..COUNT).filter(|lane| lane % 3 == 0).collect();
    lanes.fork(&some, &fresh(), &vec![Given::default(); some.len()]).unwrap();
    lanes.round(500).unwrap();
    lanes.group().unwrap();
    let order = lanes.order().unwrap();
    for (region, order) in order.chunks(REGION as usize).enumerate() {
        let first = region as u32 * REGION;
        let mut sorted = order.to_vec();
        sorted.sort_unstable();
        assert!(sorted.into_iter().eq(first..first + order.len() as u32));
        let have_one = order.iter().take_while(|&lane| lane % 3 == 0).count();
        assert_eq!(have_one, order.iter().filter(|&lane| lane % 3 == 0).count());
    }
}

#[test]
fn records_of_lanes_that_are_far_from_each_other_are_theirs() {
    let mut template = booted(&pool(PROGRAM));
    let plan = Plan { lanes: 300, spread: true, frames: 320 * 64, staged: 0, output: 1 << 16 };
    let mut lanes = Lanes::new(Emulation::default(), &mut template, &plan).unwrap();
    let all: Vec<u32> = (0..300).collect();
    let given = |&lane: &u32| Given { input: 0, input_length: lane.into() };
    lanes.fork(&all, &fresh(), &all.iter().map(given).collect::<Vec<_>>()).unwrap();
    for some in [&all[..], &[7], &[0, 2, 299], &[0, 1, 298, 299], &[1, 100, 101, 299]] {
        let records = lanes.records(some).unwrap();
        let found: Vec<u64> = records.iter().map(|record| record.input_length).collect();
        assert_eq!(found, some.iter().map(|&lane| lane.into()).collect::<Vec<u64>>());
    }
}
