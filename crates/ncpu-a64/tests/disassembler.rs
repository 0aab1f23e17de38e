//! A second opinion on what is allocated: the disassembler of the yaxpeax project.
//!
//! What lifts must disassemble. The converse holds only within the rows of `base.decode`, since a
//! disassembler knows extensions that the machine does not announce, and not where the disassembler
//! is laxer than the Arm ARM.

use ncpu_a64::{Lifted, ROWS, lift};
use ncpu_uop::Op;
use std::collections::BTreeSet;
use yaxpeax_arch::{Decoder, U8Reader};
use yaxpeax_arm::armv8::a64::InstDecoder;

/// Words per row.
const COUNT: u32 = 2_000;

/// Rows with reserved combinations that the disassembler accepts.
const LAX: &[&str] = &[
    // Wide moves and shifts beyond bit 31 of 32-bit registers; ROR where there is none.
    "MOVN", "MOVZ", "MOVK", "AND_reg", "BIC_reg", "ORR_reg", "ORN_reg", "EOR_reg", "EON_reg",
    "ANDS_reg", "BICS_reg", // Extensions shifted by more than 4.
    "ADD_ext", "ADDS_ext", "SUB_ext", "SUBS_ext",
    // Logical immediates whose run of ones fills the element.
    "AND_imm", "ORR_imm", "EOR_imm", "ANDS_imm",
    // Registers that Linux does not emulate.
    "MRS_ID",
];

fn disassembles(decoder: &InstDecoder, word: u32) -> bool {
    decoder.decode(&mut U8Reader::new(&word.to_le_bytes())).is_ok()
}

#[test]
fn allocated_words_are_those_of_the_disassembler() {
    let decoder = InstDecoder::default();
    let mut lifted = Lifted::new();
    let mut lax = BTreeSet::new();
    let mut state = 1_u32;
    for row in ROWS.iter().filter(|row| row.table == "base") {
        for _ in 0..COUNT {
            // A full-period linear congruence (Numerical Recipes, 7.1), its high bits spread.
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let word = (state ^ state >> 15) & !row.mask | row.value;
            lift(word, 0, &mut lifted);
            let allocated = lifted.uops()[0].op != Op::Undefined;
            match (allocated, disassembles(&decoder, word)) {
                (true, false) => panic!("{word:08x} of {} does not disassemble", row.name),
                (false, true) => _ = lax.insert(row.name),
                _ => {}
            }
        }
    }
    assert_eq!(lax, LAX.iter().copied().collect());
}
