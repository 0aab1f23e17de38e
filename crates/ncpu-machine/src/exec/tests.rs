//! One instruction each of the shapes that lanes and halves come in, with results worked out by
//! hand. Comments give the instruction; arithmetic itself is tested in `ncpu-alu`.

extern crate std;

use super::{Slots, float, hot, vector};
use ncpu_a64::{Lifted, lift};
use ncpu_alu::NativeAlu;
use ncpu_uop::{Op, slot};

const ONE: u64 = 0x3ff0_0000_0000_0000;
const TWO: u64 = 0x4000_0000_0000_0000;
const THREE: u64 = 0x4008_0000_0000_0000;
const GARBAGE: u64 = 0xdead_beef_dead_beef;

/// A register file with garbage in V0 to V3 and the slot that is never read, `setup` applied.
fn slots(setup: &[(u8, u64)]) -> Slots {
    let mut regs = [0; slot::COUNT];
    regs[slot::v(0) as usize..slot::v(4) as usize].fill(GARBAGE);
    regs[slot::SINK as usize] = GARBAGE;
    for &(slot, value) in setup {
        regs[slot as usize] = value;
    }
    regs
}

fn execute(word: u32, regs: &mut Slots) {
    let mut lifted = Lifted::new();
    lift(word, 0, &mut lifted);
    for u in lifted.uops() {
        match u.op {
            Op::FAddS => hot::fadd_s(&NativeAlu, regs, u),
            op if op.name().starts_with('v') => vector(&NativeAlu, regs, u),
            _ => float(&NativeAlu, regs, u),
        }
    }
}

/// V0 after executing a word, and the status register.
fn v0(word: u32, setup: &[(u8, u64)]) -> ([u64; 2], u64) {
    let mut regs = slots(setup);
    execute(word, &mut regs);
    ([regs[slot::v(0) as usize], regs[slot::v(0) as usize + 1]], regs[slot::FPSR as usize])
}

const fn low(n: u8) -> u8 {
    slot::v(n)
}

const fn high(n: u8) -> u8 {
    slot::v(n) + 1
}

#[test]
fn scalars_use_one_lane_and_clear_the_rest() {
    // sqadd b0, b1, b2: 127 + 1 saturates. Lanes above would, too, but do not count.
    let saturating = [(low(1), 0x7f7f), (low(2), 0x0101)];
    assert_eq!(v0(0x5e22_0c20, &saturating), ([0x7f, 0], 1 << 27));
    // fadd h0, h1, h2: 1 + 1.
    let halves = [(low(1), 0xffff_3c00), (low(2), 0xffff_3c00)];
    assert_eq!(v0(0x1ee2_2820, &halves), ([0x4000, 0], 0));
    // sha1h s0, s1
    assert_eq!(v0(0x5e28_0820, &[(low(1), 0xffff_ffff_0000_0001)]).0, [0x4000_0000, 0]);
}

#[test]
fn short_vectors_clear_the_high_half() {
    // mul v0.4h, v1.4h, v2.h[7]
    let setup = [(low(1), 0x0004_0003_0002_0001), (high(2), 0x0003_0000_0000_0000)];
    assert_eq!(v0(0x0f72_8820, &setup).0, [0x000c_0009_0006_0003, 0]);
    // uaddlv h0, v1.8b
    assert_eq!(v0(0x2e30_3820, &[(low(1), u64::MAX)]).0, [8 * 0xff, 0]);
}

#[test]
fn second_half_forms_keep_the_low_half() {
    // xtn2 v0.8h, v1.4s
    let setup = [(low(1), 0x0003_0004_0001_0002), (high(1), 0x0007_0008_0005_0006)];
    assert_eq!(v0(0x4e61_2820, &setup).0, [GARBAGE, 0x0008_0006_0004_0002]);
    // fcvtn2 v0.4s, v1.2d
    let setup = [(low(1), ONE), (high(1), TWO | 1 << 63)];
    assert_eq!(v0(0x4e61_6820, &setup).0, [GARBAGE, 0xc000_0000_3f80_0000]);
    // pmull2 v0.1q, v1.2d, v2.2d: (x + 1)² = x² + 1
    assert_eq!(v0(0x4ee2_e020, &[(high(1), 3), (high(2), 3)]).0, [5, 0]);
}

#[test]
fn table_registers_wrap_around_and_stay_whole_while_the_first_is_written() {
    let setup = [
        (low(31), 0x0706_0504_0302_0100),
        (high(31), 0x0f0e_0d0c_0b0a_0908),
        (low(0), 0x1716_1514_1312_1110),
        (high(0), 0x1f1e_1d1c_1b1a_1918),
        (low(2), 0x201f_100f_00ff_0102),
    ];
    // tbl v0.8b, {v31.16b, v0.16b}, v2.8b
    assert_eq!(v0(0x0e02_23e0, &setup).0, [0x001f_100f_0000_0102, 0]);
    // tbx v3.16b, {v1.16b}, v2.16b: bytes beyond the table stay.
    let mut regs = slots(&[(low(1), 0x40), (low(2), 0xff00), (high(2), u64::MAX)]);
    execute(0x4e02_1023, &mut regs);
    assert_eq!(regs[low(3) as usize], 0x4040_4040_4040_be40);
    assert_eq!(regs[high(3) as usize], GARBAGE);
}

#[test]
fn pairs_come_from_the_first_operand_then_the_second() {
    // faddp v0.4s, v1.4s, v2.4s on (1, 2, 3, 4) and (10, 20, 30, 40)
    let setup = [
        (low(1), 0x4000_0000_3f80_0000),
        (high(1), 0x4080_0000_4040_0000),
        (low(2), 0x41a0_0000_4120_0000),
        (high(2), 0x4220_0000_41f0_0000),
    ];
    // 3, 7, 30, 70
    assert_eq!(v0(0x6e22_d420, &setup).0, [0x40e0_0000_4040_0000, 0x428c_0000_41f0_0000]);
}

#[test]
fn fused_multiplications_take_their_signs_and_their_element() {
    // fnmsub d0, d1, d2, d3: 2 * 3 - 1
    let setup = [(low(1), TWO), (low(2), THREE), (low(3), ONE)];
    assert_eq!(v0(0x1f62_8c20, &setup).0, [0x4014_0000_0000_0000, 0]);
    // fmla v0.2d, v1.2d, v2.d[1]: 1 + 3 * 2, 2 + 1 * 2
    let setup = [(low(0), ONE), (high(0), TWO), (low(1), THREE), (high(1), ONE), (high(2), TWO)];
    assert_eq!(v0(0x4fc2_1820, &setup).0, [0x401c_0000_0000_0000, 0x4010_0000_0000_0000]);
}

#[test]
fn comparisons_set_the_flags() {
    let flags = |word, setup: &[(u8, u64)]| {
        let mut regs = slots(setup);
        execute(word, &mut regs);
        regs[slot::NZCV as usize]
    };
    // fcmp s1, #0.0 with -0.0
    assert_eq!(flags(0x1e20_2028, &[(low(1), 0xffff_ffff_8000_0000)]), 0b0110);
    // fccmp d1, d2, #5, eq: not equal before, so 5; equal before, so the flags of 2 against 1.
    let operands = [(low(1), TWO), (low(2), ONE)];
    assert_eq!(flags(0x1e62_0425, &operands), 5);
    assert_eq!(flags(0x1e62_0425, &[operands[0], operands[1], (slot::NZCV, 4)]), 0b0010);
}

#[test]
fn conversions_round_saturate_and_report() {
    // fcvtxn s0, d1: 1 + 2^-30 rounds to odd, inexact.
    let setup = [(low(1), ONE | 1 << 22)];
    assert_eq!(v0(0x7e61_6820, &setup), ([0x3f80_0001, 0], 1 << 4));
    // frintx d0, d1: 2.5 to 2, inexact.
    assert_eq!(v0(0x1e67_4020, &[(low(1), 0x4004_0000_0000_0000)]), ([TWO, 0], 1 << 4));
    let x0 = |word, setup: &[(u8, u64)]| {
        let mut regs = slots(setup);
        execute(word, &mut regs);
        (regs[0], regs[slot::FPSR as usize])
    };
    // fcvtzs w0, d1: 2^62 saturates, invalid.
    assert_eq!(x0(0x1e78_0020, &[(low(1), 0x43d0_0000_0000_0000)]), (0x7fff_ffff, 1));
    // fcvtzu x0, s1, #4: 1.5 * 16
    assert_eq!(x0(0x9e19_f020, &[(low(1), 0x3fc0_0000)]), (24, 0));
}

#[test]
fn rounding_follows_the_control_register() {
    // fadd s0, s1, s2: 1 + 2^-30 towards plus infinity
    let setup = [(low(1), 0x3f80_0000), (low(2), 0x3080_0000), (slot::FPCR, 1 << 22)];
    assert_eq!(v0(0x1e22_2820, &setup), ([0x3f80_0001, 0], 1 << 4));
}
