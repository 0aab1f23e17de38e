//! A program file, run in a small machine.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| attack::elf::fuzz(bytes));
