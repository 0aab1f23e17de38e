//! Times forks from a snapshot, and resets to it: `forking PROGRAM MACHINES [--emulated]`.
//!
//! The program is one of `benches/batch`. Machines are forked, run for a while, so that each has written
//! to memory of its own, and forked anew, which drops what they had written.

use anyhow::{Context, Result, ensure};
use ncpu_cuda::Device;
use ncpu_engine::{Boot, Machine, Pool, Program, boot};
use ncpu_gpu::{Emulation, Lanes, Plan, Purpose};
use ncpu_gpu_kernel::{Given, Lane};
use ncpu_linux::Limits;
use std::path::Path;
use std::time::Instant;

/// Repetitions, of which the median counts.
const RUNS: usize = 5;
/// Rounds before a reset, and instructions of each.
const ROUNDS: u32 = 40;
const SLICE: u32 = 10_000;
/// Frames for each machine.
const FRAMES: u64 = 32;

const LIMITS: Limits = Limits {
    pages: 128,
    tasks: 2,
    mappings: 32,
    files: 8,
    inodes: 32,
    dentries: 32,
    objects: 2,
    console: 4096,
};

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (program, machines) = match &arguments[..] {
        [program, machines, ..] => (Path::new(program), machines.parse()?),
        _ => anyhow::bail!("usage: forking PROGRAM MACHINES [--emulated]"),
    };
    if arguments.iter().any(|word| word == "--emulated") {
        return measure(Emulation::default(), program, machines);
    }
    measure(ncpu_gpu::open(Purpose::Many)?, program, machines)
}

fn measure<D: Device>(device: D, program: &Path, machines: u32) -> Result<()> {
    let root = ncpu_image::builtin_with(&[(Path::new("/bin/program"), program)])?;
    let pool = Pool::new(root, LIMITS.pages)?;
    let mut template = Machine::new(&pool, LIMITS)?;
    let name = Program {
        path: b"/bin/program".to_vec(),
        arguments: vec![b"program".to_vec()],
        ..Program::default()
    };
    template.with_kernel(|kernel| boot(kernel, &Boot::default(), &name))?;
    let plan = Plan {
        lanes: machines,
        spread: machines > 1,
        frames: u64::from(machines.next_multiple_of(32)) * FRAMES,
        staged: 0,
        output: 256,
    };
    let mut lanes = Lanes::new(device, &mut template, &plan)?;
    let input = b"1 1000000 alike\n";
    let at = lanes.device().alloc(input.len() as u64)?;
    lanes.device().upload(at, input)?;
    let record = Lane { limit: u64::MAX, stride: 10_000_000, input_ends: 1, ..Lane::default() };
    let all: Vec<u32> = (0..machines).collect();
    let given = vec![Given { input: at, input_length: input.len() as u64 }; machines as usize];
    let (mut forks, mut resets, mut dirty) = (Vec::new(), Vec::new(), 0);
    for _ in 0..=RUNS {
        forks.push(fork(&mut lanes, &all, &record, &given)?);
        for _ in 0..ROUNDS {
            ensure!(lanes.round(SLICE)?.0.stopped == 0, "the program ends too soon");
        }
        dirty = lanes.records(&all)?.iter().map(|lane| u64::from(lane.frames.used())).sum();
        resets.push(fork(&mut lanes, &all, &record, &given)?);
    }
    let middle = |mut times: Vec<f64>| {
        // The first round warms up.
        times.remove(0);
        times.sort_by(f64::total_cmp);
        times.get(times.len() / 2).copied().context("no runs")
    };
    println!(
        "{{\"machines\":{machines},\"fork_seconds\":{},\"dirty_pages\":{dirty},\"reset_seconds\":{},\
         \"image_bytes\":{}}}",
        middle(forks)?,
        middle(resets)?,
        template.layout().bytes(),
    );
    Ok(())
}

/// The seconds that it takes to make forks of all, from the call until they could run.
fn fork<D: Device>(
    lanes: &mut Lanes<D>,
    all: &[u32],
    record: &Lane,
    given: &[Given],
) -> Result<f64> {
    lanes.device().synchronize()?;
    let start = Instant::now();
    lanes.fork(all, record, given)?;
    lanes.device().synchronize()?;
    Ok(start.elapsed().as_secs_f64())
}
