//! A root file system image with the right hash, and a program in it.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| attack::rootfs::fuzz(bytes));
