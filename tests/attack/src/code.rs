//! Random programs: instructions of every row of the decode table, words of none, and system calls.

use crate::calls;
use crate::machine::{self, PROGRAM, SMALL};
use crate::program::{self, Assembly, CODE, DATA};
use crate::random::Rng;
use ncpu_a64::ROWS;
use ncpu_engine::{Machine, Pool, Reason, snapshot, state_hash};
use std::cell::OnceCell;
use std::sync::Arc;

/// How much of a payload is what.
#[derive(Clone, Copy, Debug)]
pub enum Mix {
    /// Mostly instructions.
    Instructions,
    /// Mostly system calls with plausible arguments.
    Calls,
}

/// A payload and its data.
pub struct Payload {
    words: Vec<u32>,
    data: Vec<u8>,
    registers: Vec<u64>,
}

impl Payload {
    /// The payload that follows from `rng`.
    pub fn new(rng: &mut Rng<'_>, mix: Mix) -> Payload {
        let data = calls::data(rng);
        let registers = (0..31).map(|_| value(rng)).collect();
        let mut out = Assembly::default();
        let most = ((CODE.end - CODE.start) / 4) as usize;
        while out.words.len() + 40 < most {
            match (mix, rng.below(32)) {
                (Mix::Calls, 0..28) | (Mix::Instructions, 0..2) => calls::emit(rng, &mut out),
                (_, 28) | (Mix::Instructions, 2) => calls::emit_any(rng, &mut out),
                (Mix::Instructions, 3..8) => {
                    let register = rng.below(31) as u32;
                    out.set(register, value(rng));
                }
                (Mix::Instructions, 8..10) => out.put(&[rng.word() as u32]),
                _ => {
                    let row = &ROWS[rng.index(ROWS.len())];
                    let word = row.value | rng.word() as u32 & !row.mask;
                    // Memory is at the stack pointer or where X0 to X15 point, most of the time.
                    out.put(&[word]);
                }
            }
        }
        // From the start once more, until the fuel is used up.
        out.branch(0);
        Payload { words: out.words, data, registers }
    }
}

/// A register's value: an address more often than not.
fn value(rng: &mut Rng<'_>) -> u64 {
    match rng.below(4) {
        0 => rng.integer(),
        1 => CODE.start + rng.below(CODE.end - CODE.start),
        _ => DATA.start + (rng.below(DATA.end - DATA.start) & !7),
    }
}

thread_local! {
    static POOL: OnceCell<Arc<Pool>> = const { OnceCell::new() };
}

/// The thread's pool, so that nothing else uses its frames.
pub(crate) fn pool() -> anyhow::Result<Arc<Pool>> {
    if let Some(pool) = POOL.with(|pool| pool.get().cloned()) {
        return Ok(pool);
    }
    // The program as its file has it ends at once, so that what executes itself comes to an end.
    let mut exit = Assembly::default();
    exit.call(94, &[0]);
    let elf = program::carrier(&exit.words);
    let root = machine::root(&[(PROGRAM, &elf), ("/bin/script", b"#!/bin/program x\n")])?;
    let pool = Pool::new(root, 4 * SMALL.pages)?;
    Ok(POOL.with(|first| Arc::clone(first.get_or_init(|| pool))))
}

pub(crate) fn start(pool: &Arc<Pool>, payload: &Payload) -> anyhow::Result<Machine> {
    let mut machine = machine::booted(pool, SMALL)?;
    machine.with_kernel(|kernel| {
        for (n, &value) in payload.registers.iter().enumerate() {
            kernel.cores[0].set_x(n, value);
        }
        let fits = kernel.write_user(CODE.start, &program::bytes(&payload.words)).is_ok()
            && kernel.write_user(DATA.start, &payload.data).is_ok();
        assert!(fits, "the carrier has no room for the payload");
    });
    Ok(machine)
}

/// Runs a payload. With `again`, runs it a second time, cut in the middle by a snapshot, and compares
/// the ends.
pub fn check(payload: &Payload, fuel: u64, again: bool) -> anyhow::Result<Reason> {
    let pool = pool()?;
    let used = pool.used();
    let mut first = start(&pool, payload)?;
    let reason = machine::run(&mut first, fuel);
    if again && !matches!(reason, Reason::Timeout) {
        let hash = state_hash(&mut first);
        let mut second = start(&pool, payload)?;
        machine::pause(&mut second, fuel / 2);
        let mut file = Vec::new();
        snapshot::save(&mut second, &mut file)?;
        drop(second);
        let mut second = snapshot::restore(&pool, file.as_slice())?;
        machine::run(&mut second, fuel);
        assert_eq!(state_hash(&mut second), hash, "a snapshot in the middle changes the end");
    }
    drop(first);
    assert_eq!(pool.used(), used, "frames are lost at the end of a machine");
    Ok(reason)
}

/// System calls, by number, that the programs of some seeds make.
pub fn reach(seeds: std::ops::Range<u64>) -> anyhow::Result<Vec<u32>> {
    let pool = pool()?;
    let mut reached = std::collections::BTreeSet::new();
    for seed in seeds {
        let mut machine = start(&pool, &Payload::new(&mut Rng::seeded(seed), Mix::Calls))?;
        machine::run(&mut machine, machine::FUEL / 4);
        machine.with_kernel(|kernel| {
            let calls = kernel.header.counters.calls.iter().enumerate();
            reached.extend(calls.filter(|(_, count)| **count != 0).map(|(n, _)| n as u32));
        });
    }
    Ok(reached.into_iter().collect())
}

/// A case from a seed.
pub fn case(seed: u64) -> anyhow::Result<()> {
    let mut rng = Rng::seeded(seed);
    let mix = if seed.is_multiple_of(2) { Mix::Calls } else { Mix::Instructions };
    let payload = Payload::new(&mut rng, mix);
    let fuel = machine::FUEL / 20 + rng.below(machine::FUEL / 20 * 18);
    check(&payload, fuel, seed % 8 < 2).map(drop)
}

/// A case from a fuzzer's bytes.
pub fn fuzz(bytes: &[u8]) {
    let mut rng = Rng::from_bytes(bytes);
    let mix = if rng.one_in(2) { Mix::Calls } else { Mix::Instructions };
    let payload = Payload::new(&mut rng, mix);
    if let Err(error) = check(&payload, machine::FUEL / 10, false) {
        panic!("{error:#}");
    }
}
