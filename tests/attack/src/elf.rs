//! Programs whose headers lie.

use crate::machine::{self, FUEL};
use crate::mutate::mutate;
use crate::program::{self, Assembly};
use crate::random::Rng;
use std::path::Path;

/// A small valid program that says hello.
pub fn seed() -> Vec<u8> {
    let mut hello = Assembly::default();
    hello.set(9, u64::from_le_bytes(*b"hello!\n\0"));
    hello.set(10, program::DATA.start);
    hello.put(&[0xf900_0149]); // str x9, [x10]
    hello.call(64, &[1, program::DATA.start, 7]);
    hello.call(94, &[0]);
    program::plain(&hello.words)
}

/// Debian's static BusyBox, where `cargo xtask guests` has fetched it.
pub fn busybox() -> Option<Vec<u8>> {
    let path = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../guests/busybox"));
    std::fs::read(path).ok()
}

/// Changes a program: its header, program headers and section headers most of all, some of its code.
pub fn change(rng: &mut Rng<'_>, elf: &mut Vec<u8>) {
    let number = |at: usize| {
        let bytes = elf.get(at..at + 8).and_then(|bytes| bytes.try_into().ok());
        usize::try_from(bytes.map_or(0, u64::from_le_bytes)).unwrap_or(0)
    };
    let (programs, sections) = (number(32), number(40));
    let hot = [0..64, programs..programs + 56 * 8, programs..programs + 56 * 2, 4096..4200];
    if rng.one_in(4) {
        mutate(rng, elf, &[sections..sections + 64 * 40, 0..64]);
    } else {
        mutate(rng, elf, &hot);
    }
}

/// Runs a file as a program in a small machine, which must neither panic nor lose memory.
pub fn fuzz(elf: &[u8]) {
    if let Err(error) = machine::run_elf(elf, FUEL) {
        panic!("{error:#}");
    }
}

/// A case from a seed.
pub fn case(seed: u64) -> anyhow::Result<()> {
    let mut rng = Rng::seeded(seed);
    let mut elf = self::seed();
    if let Some(large) = busybox().filter(|_| seed.is_multiple_of(4)) {
        elf = large;
    }
    change(&mut rng, &mut elf);
    machine::run_elf(&elf, FUEL).map(drop)
}
