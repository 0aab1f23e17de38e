//! Choices of a random program.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| attack::code::fuzz(bytes));
