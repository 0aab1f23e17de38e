//! Every row of `simd.decode` against its micro-ops, one word a line, and reserved combinations.

use ncpu_a64::{Lifted, ROWS, Row, lift};
use std::collections::HashSet;

/// Lines of `golden_simd.txt`: `word  "disassembly"  => micro-op; micro-op`. The disassembly is that
/// of GNU objdump and is there for the reader.
fn cases() -> impl Iterator<Item = (u32, &'static str, &'static str)> {
    let lines = include_str!("golden_simd.txt").lines();
    lines.filter(|line| !line.is_empty() && !line.starts_with('#')).map(|line| {
        let (left, uops) = line.split_once("=>").expect("micro-ops after =>");
        let (word, text) = left.split_once('"').expect("a word, then the quoted text");
        let word = u32::from_str_radix(word.trim(), 16).expect("a hexadecimal word");
        (word, text.trim().trim_end_matches('"'), uops.trim())
    })
}

#[test]
fn words_lift_to_their_micro_ops() {
    let mut lifted = Lifted::new();
    for (word, text, expected) in cases() {
        lift(word, 0, &mut lifted);
        let uops: Vec<String> = lifted.uops().iter().map(|uop| uop.to_string()).collect();
        assert_eq!(uops.join("; "), expected, "{word:08x} {text}");
    }
}

#[test]
fn every_simd_row_has_an_allocated_case() {
    let covered: HashSet<&str> = cases()
        .filter(|(.., uops)| !uops.starts_with("undefined"))
        .filter_map(|(word, ..)| Row::of(word))
        .map(|row| row.name)
        .collect();
    let missing: Vec<&str> = ROWS
        .iter()
        .filter(|row| row.table == "simd" && !covered.contains(row.name))
        .map(|row| row.name)
        .collect();
    assert!(missing.is_empty(), "no golden case for {missing:?}");
}

/// Instructions of later architectures, one word of each that GNU binutils assembles: not announced
/// by the hardware capabilities, hence undefined.
#[test]
fn features_that_are_not_announced_are_undefined() {
    let mut lifted = Lifted::new();
    for (word, text) in [
        (0x1e7e_0020, "fjcvtzs w0, d1"),
        (0x6e42_c420, "fcmla v0.8h, v1.8h, v2.8h, #0"),
        (0x6e82_e420, "fcadd v0.4s, v1.4s, v2.4s, #90"),
        (0x1e28_4020, "frint32z s0, s1"),
        (0x1e63_4020, "bfcvt h0, s1"),
        (0x6e42_fc20, "bfdot v0.4s, v1.8h, v2.8h"),
        (0x4e82_a420, "smmla v0.4s, v1.16b, v2.16b"),
        (0x4e82_9c20, "usdot v0.4s, v1.16b, v2.16b"),
        (0x4e22_ec20, "fmlal v0.4s, v1.4h, v2.4h"),
        (0xce02_0c20, "eor3 v0.16b, v1.16b, v2.16b, v3.16b"),
        (0xce62_8020, "sha512h q0, q1, v2.2d"),
        (0xce42_0c20, "sm3ss1 v0.4s, v1.4s, v2.4s, v3.4s"),
        (0xcec0_8420, "sm4e v0.4s, v1.4s"),
    ] {
        lift(word, 0, &mut lifted);
        assert_eq!(lifted.uops()[0].op, ncpu_uop::Op::Undefined, "{word:08x} {text}");
    }
}
