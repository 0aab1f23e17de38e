//! What is deflated in a snapshot, with the right checksum.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| attack::snapshot::fuzz(bytes));
