//! Every row of `base.decode` against hand-reviewed micro-ops, one word a line.

use ncpu_a64::{Lifted, ROWS, Row, lift};
use ncpu_uop::{Op, condition_mask};
use std::collections::HashSet;

/// Address that the words of `golden.txt` stand at.
const PC: u64 = 0x1_0000;

/// Lines of `golden.txt`: `word  "disassembly"  => micro-op; micro-op`. The disassembly is that of
/// GNU objdump and is there for the reader.
fn cases() -> impl Iterator<Item = (u32, &'static str, &'static str)> {
    let lines = include_str!("golden.txt").lines();
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
        lift(word, PC, &mut lifted);
        let uops: Vec<String> = lifted.uops().iter().map(|uop| uop.to_string()).collect();
        assert_eq!(uops.join("; "), expected, "{word:08x} {text}");
    }
}

#[test]
fn every_base_row_has_a_case() {
    let covered: HashSet<&str> =
        cases().filter_map(|(word, ..)| Row::of(word)).map(|row| row.name).collect();
    let missing: Vec<&str> = ROWS
        .iter()
        .filter(|row| row.table == "base" && !covered.contains(row.name))
        .map(|row| row.name)
        .collect();
    assert!(missing.is_empty(), "no golden case for {missing:?}");
}

#[test]
fn conditional_branches_carry_the_truth_table() {
    let mut lifted = Lifted::new();
    for cond in 0..14 {
        lift(0x5400_0040 | cond, PC, &mut lifted);
        let [branch] = lifted.uops() else { panic!("one micro-op for B.cond") };
        assert_eq!(branch.op, Op::CondOut);
        assert_eq!(branch.branch_mask(), u64::from(condition_mask(cond as u8)));
        assert_eq!(branch.imm, PC + 8);
    }
}

/// The masks of the Arm ARM's examples and of the corners of `DecodeBitMasks`: elements of 2 bits,
/// a run across the element's end, all but one bit.
#[test]
fn logical_immediates() {
    let mut lifted = Lifted::new();
    for (word, imm) in [
        (0x9200_f020_u32, 0x5555_5555_5555_5555), // and x0, x1, #0x5555555555555555
        (0x9201_f020, 0xaaaa_aaaa_aaaa_aaaa),     // immr = 1 rotates it
        (0x9240_f820, 0x7fff_ffff_ffff_ffff),     // 63 ones
        (0x9241_f820, 0xbfff_ffff_ffff_ffff),     // ... rotated right by one
        (0x9200_9c20, 0x00ff_00ff_00ff_00ff),     // 8 ones in 16 bits
        (0x9204_9c20, 0xf00f_f00f_f00f_f00f),     // ... rotated right by four
        (0x1200_0020, 1),                         // and w0, w1, #1
        (0x1201_0020, 0x8000_0000),               // ... rotated within 32 bits
    ] {
        lift(word, PC, &mut lifted);
        assert_eq!(lifted.uops()[0].imm, imm, "{word:08x}");
    }
}
