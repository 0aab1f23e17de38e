//! A root file system as an archive, a container archive or an image.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| attack::archive::fuzz(bytes));
