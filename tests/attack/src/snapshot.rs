//! Snapshot files that are damaged or forged.

use crate::code::{Mix, Payload};
use crate::machine::{self, FUEL};
use crate::mutate::mutate;
use crate::random::Rng;
use anyhow::{bail, ensure};
use flate2::Compression;
use flate2::read::DeflateDecoder;
use flate2::write::DeflateEncoder;
use ncpu_engine::snapshot;
use siphasher::sip128::{Hasher128, SipHasher13};
use std::hash::Hasher;
use std::io::{Read, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc;
use std::time::Duration;

/// Bytes before what is deflated: magic and version.
const PLAIN: usize = 12;
/// Bytes of the checksum at the end.
const CHECKSUM: usize = 16;
/// How long a machine is waited for.
const LONGEST: Duration = Duration::from_secs(3);
/// Identity and limits, at the start of what is deflated.
const START: usize = 8 + 4 * 8;

/// A snapshot of a machine in the middle of many system calls.
pub fn seed(seed: u64) -> anyhow::Result<Vec<u8>> {
    let mut rng = Rng::seeded(seed);
    let payload = Payload::new(&mut rng, Mix::Calls);
    let mut machine = crate::code::start(&crate::code::pool()?, &payload)?;
    machine::run(&mut machine, 2000 + rng.below(50_000));
    let mut file = Vec::new();
    snapshot::save(&mut machine, &mut file)?;
    Ok(file)
}

/// What is deflated in a snapshot, without its checksum.
pub fn open(file: &[u8]) -> anyhow::Result<Vec<u8>> {
    let mut body = Vec::new();
    DeflateDecoder::new(&file[PLAIN..]).read_to_end(&mut body)?;
    body.truncate(body.len() - CHECKSUM);
    Ok(body)
}

/// A snapshot with this inside and the right checksum.
fn seal(body: &[u8]) -> anyhow::Result<Vec<u8>> {
    let mut file = b"NCPUSNAP\x01\0\0\0".to_vec();
    let mut hasher = SipHasher13::new();
    hasher.write(body);
    let mut encoder = DeflateEncoder::new(&mut file, Compression::fast());
    encoder.write_all(body)?;
    encoder.write_all(&hasher.finish128().as_u128().to_le_bytes())?;
    encoder.finish()?;
    Ok(file)
}

/// Restores a file; if it is accepted, runs the machine. Tables that contradict each other may make
/// it panic or keep it busy, which its driver has to expect, but not reach other machines of the pool.
fn check(file: Vec<u8>) -> anyhow::Result<()> {
    let (done, wait) = mpsc::channel();
    std::thread::spawn(move || done.send(restore_and_run(&file)));
    match wait.recv_timeout(LONGEST) {
        Ok(result) => result,
        Err(mpsc::RecvTimeoutError::Timeout) => Ok(()),
        Err(mpsc::RecvTimeoutError::Disconnected) => bail!("restoring a snapshot panics"),
    }
}

fn restore_and_run(file: &[u8]) -> anyhow::Result<()> {
    let pool = crate::code::pool()?;
    if let Ok(mut machine) = snapshot::restore(&pool, file) {
        drop(catch_unwind(AssertUnwindSafe(|| machine::run(&mut machine, FUEL / 10))));
    }
    ensure!(pool.used() == 0, "a forged snapshot loses frames or takes those of others");
    Ok(())
}

/// Takes bytes for what is deflated in a snapshot.
pub fn fuzz(bytes: &[u8]) {
    if let Err(error) = seal(bytes).and_then(check) {
        panic!("{error:#}");
    }
}

/// A case from a seed.
pub fn case(seed: u64) -> anyhow::Result<()> {
    let mut rng = Rng::seeded(seed);
    let mut file = self::seed(seed % 16)?;
    if rng.one_in(4) {
        mutate(&mut rng, &mut file, &[]);
        return check(file);
    }
    let mut body = open(&file)?;
    let length = body.len();
    // Limits stay valid, or nothing behind them is reached.
    let tables = START..length;
    for _ in 0..1 + rng.below(4) {
        let at = tables.start + rng.index(tables.len() & !7);
        let number = rng.integer().to_le_bytes();
        let size = 1 << rng.below(4);
        let at = (at & !(size - 1)).min(length - size);
        body[at..at + size].copy_from_slice(&number[..size]);
    }
    if rng.one_in(8) {
        mutate(&mut rng, &mut body, &[0..START, START..START + 8192]);
    }
    check(seal(&body)?)
}
