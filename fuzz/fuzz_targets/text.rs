//! A source in assembly or Forth, or an image of cells; the first byte says which.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| attack::text::fuzz(bytes));
