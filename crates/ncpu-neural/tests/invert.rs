//! Programs on planes, and descent through them.

use ncpu_neural::Weights;
use ncpu_neural::invert::{Loss, Search, invert};
use ncpu_neural::program::Program;
use ncpu_neural::soft::Form;
use ncpu_neural_alu::{BitSliced, Bits, Cells};

mod support;

/// `movz w1, #0x5a5a`, `movk w1, #0x79b9, lsl #16`, `add w0, w0, w1`, `ror w0, w0, #9`,
/// `eor w0, w0, w0, lsl #13` and `eor w0, w0, w1`.
const MIX: [u32; 6] =
    [0x528b_4b41, 0x72af_3721, 0x0b01_0000, 0x1380_2400, 0x4a00_3400, 0x4a01_0000];

fn mix(x: u32) -> u32 {
    let x = x.wrapping_add(0x79b9_5a5a).rotate_right(9);
    x ^ x << 13 ^ 0x79b9_5a5a
}

fn words() -> impl Iterator<Item = u32> {
    (1..21u32).map(|number| number.wrapping_mul(0x9e37_79b9).rotate_left(number))
}

#[test]
fn programs_compute_what_their_words_say() {
    // add w0, w0, w0, lsl #1; add w0, w0, #7; movz w1, #0x5a5a; movk w1, #0x79b9, lsl #16;
    // eor w0, w0, w1; ror w0, w0, #9; eor w0, w0, w0, ror #7; mul w0, w0, w1; sub w0, w1, w0
    let program = Program::new(&[
        0x0b00_0400,
        0x1100_1c00,
        0x528b_4b41,
        0x72af_3721,
        0x4a01_0000,
        0x1380_2400,
        0x4ac0_1c00,
        0x1b01_7c00,
        0x4b00_0020,
    ])
    .unwrap();
    let cells = support::cells();
    for x in words() {
        let k = 0x79b9_5a5au32;
        let mut y = (x.wrapping_mul(3).wrapping_add(7) ^ k).rotate_right(9);
        y = k.wrapping_sub((y ^ y.rotate_right(7)).wrapping_mul(k));
        let found = program.run(&mut Bits::new(&BitSliced::new(&cells)), &x.into());
        assert_eq!(found, u64::from(y), "{x:#x}");
    }
}

#[test]
fn memory_is_not_for_programs() {
    // ldr x0, [x0]
    assert!(Program::new(&[0xf940_0000]).is_err());
}

#[test]
fn descent_finds_inputs_of_32_bits() {
    let networks = Weights::read(&support::models()).unwrap().networks;
    let cells = Cells::new(&networks).unwrap();
    let program = Program::new(&MIX).unwrap();
    let targets: Vec<u64> = words().map(|input| mix(input).into()).collect();
    let search = Search {
        width: 32,
        loss: Loss::LowestFirst,
        form: Form::Expected,
        steps: 50,
        attempts: 10,
        seed: 1,
    };
    let found = invert(&networks, &program, &targets, &search);
    for (found, &target) in found.iter().zip(&targets) {
        let Some(found) = found else { continue };
        let exact = program.run(&mut Bits::new(&BitSliced::new(&cells)), &found.input);
        assert_eq!(exact, target);
        assert_eq!(u64::from(mix(found.input as u32)), target);
    }
    // The program is one to one, so that 20 times 500 random inputs would find one with a probability
    // of 2^-18.
    let count = found.iter().flatten().count();
    assert!(count >= 15, "{count} of 20");
    assert_eq!(invert(&networks, &program, &targets, &search), found, "not the same again");
}
