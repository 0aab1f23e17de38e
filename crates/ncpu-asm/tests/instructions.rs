//! Encodings, and what instructions do at the edges: values worked out by hand.

mod support;

use ncpu_asm::asm::isa::{Insn, Op};
use ncpu_asm::asm::record::{End, Event, State, Trap};
use ncpu_asm::asm::{Watch, assemble};
use proptest::prelude::*;
use std::collections::BTreeSet;
use support::{WAYS, end, events};

fn words(text: &str) -> Vec<u32> {
    assemble("test", text).unwrap_or_else(|problems| panic!("{problems}")).words
}

/// How a text ends: the same on every engine and ALU.
fn run(text: &str) -> (End, State, Vec<i32>) {
    let words = words(text);
    let mut results = WAYS.iter().map(|(_, way)| end(&words, 5_000, *way));
    let first = results.next().unwrap();
    results.for_each(|other| assert_eq!(other, first, "{text}"));
    first
}

/// Register R7 after a text.
fn r7(text: &str) -> i32 {
    let (end, state, _) = run(text);
    assert_eq!(end, End::Halted);
    state.registers[7]
}

/// `[31:24] op | [23:21] rd | [20:18] rs | [17:15] rm | [14:0] imm`, by hand.
#[test]
fn encodings() {
    for (text, word) in [
        ("NOP", 0x0000_0000),
        ("HALT", 0x0100_0000),
        ("MOV R1, 5", 0x1020_0005),
        ("MOV R7, -1", 0x10e0_7fff),
        ("MOV R0, -16384", 0x1000_4000),
        ("MOV R3, R4", 0x1170_0000),
        ("ADD R1, R2, R3", 0x2029_8000),
        ("SUB R7, R7, R7", 0x21ff_8000),
        ("MUL R0, R1, R0", 0x2204_0000),
        ("DIV R0, R0, R1", 0x2300_8000),
        ("AND R4, R5, R6", 0x3097_0000),
        ("OR R4, R5, R6", 0x3197_0000),
        ("XOR R4, R5, R6", 0x3297_0000),
        ("SHL R1, R2, 31", 0x3328_001f),
        ("SHL R1, R2, R0", 0x3328_4000),
        ("SHR R1, R2, 0", 0x3428_0000),
        ("SHR R1, R2, R7", 0x342b_c000),
        ("INC R2", 0x4040_0000),
        ("DEC R3", 0x4160_0000),
        ("CMP R1, R2", 0x5005_0000),
        ("a: b: JMP a", 0x6000_0000),
        ("JZ 1", 0x6100_0001),
        ("JNZ 1", 0x6200_0001),
        ("JS 1", 0x6300_0001),
        ("JNS 1", 0x6400_0001),
        ("LOAD R1, [R2 + 3]", 0x7028_0003),
        ("STORE R1, [R2 - 1]", 0x7108_ffff),
        ("CALL 0", 0x8000_0000),
        ("RET", 0x8100_0000),
    ] {
        assert_eq!(words(text), [word], "{text}");
    }
}

/// The table in the documentation has the names and codes of all instructions, and no others.
#[test]
fn the_documentation_lists_every_instruction() {
    let text = include_str!("../../../docs/asm.md");
    let (_, section) = text.split_once("\n## Instructions\n").unwrap();
    let (section, _) = section.split_once("\n## ").unwrap();
    let mut listed = BTreeSet::new();
    for row in section.lines().filter_map(|line| line.strip_prefix("| ")) {
        let mut columns = row.split(" | ");
        let (names, codes) = (columns.next().unwrap(), columns.next().unwrap());
        let codes = codes.split(", ").filter_map(|code| u8::from_str_radix(code, 16).ok());
        listed.extend(names.split(", ").zip(codes));
    }
    let all: BTreeSet<_> = Op::ALL.iter().map(|op| (op.name(), op.code())).collect();
    assert_eq!(listed, all);
}

#[test]
fn words_with_more_than_an_instruction_are_none() {
    for word in [
        0x0000_0001, // NOP with an immediate
        0x1028_0005, // MOV Rd, imm with Rs
        0x2029_8001, // ADD with an immediate
        0x3328_0020, // SHL by 32
        0x3329_0001, // SHL by an amount, with Rm
        0x6000_4000, // JMP to a negative address
        0x02 << 24,
        0x72 << 24,
        0xff00_0000,
    ] {
        assert_eq!(Insn::decode(word), None, "{word:08x}");
    }
}

#[test]
fn arithmetic_wraps_at_32_bits() {
    let max = "MOV R0, -1\n SHR R0, R0, 1\n"; // 2^31 - 1
    let min = "MOV R0, 1\n SHL R0, R0, 31\n"; // -2^31
    assert_eq!(r7(&format!("{max} MOV R7, R0")), i32::MAX);
    assert_eq!(r7(&format!("{max} INC R0\n MOV R7, R0")), i32::MIN);
    assert_eq!(r7(&format!("{min} DEC R0\n MOV R7, R0")), i32::MAX);
    assert_eq!(r7(&format!("{max} ADD R7, R0, R0")), -2);
    assert_eq!(r7(&format!("{max} MUL R7, R0, R0")), 1);
    assert_eq!(r7(&format!("{min} MOV R1, -1\n DIV R7, R0, R1")), i32::MIN);
    assert_eq!(r7(&format!("{min} MOV R1, 0\n SUB R7, R1, R0")), i32::MIN);
}

#[test]
fn division_goes_towards_zero_and_by_zero_gives_zero() {
    assert_eq!(r7("MOV R0, -7\n MOV R1, 2\n DIV R7, R0, R1"), -3);
    assert_eq!(r7("MOV R0, 7\n MOV R1, -2\n DIV R7, R0, R1"), -3);
    assert_eq!(r7("MOV R7, 7\n MOV R0, 5\n MOV R1, 0\n DIV R7, R0, R1"), 0);
}

#[test]
fn shift_amounts_in_registers_are_clamped() {
    for (amount, left, right) in
        [(0, -3, -3), (1, -6, 0x7fff_fffe), (31, i32::MIN, 1), (32, i32::MIN, 1), (-1, -3, -3)]
    {
        let start = format!("MOV R0, -3\n MOV R1, {amount}\n");
        assert_eq!(r7(&format!("{start} SHL R7, R0, R1")), left, "{amount}");
        assert_eq!(r7(&format!("{start} SHR R7, R0, R1")), right, "{amount}");
    }
    // R0 as the amount is a register, not the amount 0.
    assert_eq!(r7("MOV R0, 3\n MOV R1, 5\n SHL R7, R1, R0"), 40);
}

#[test]
fn flags_are_those_of_the_last_result() {
    let flags = |text: &str| {
        let (_, state, _) = run(text);
        (state.zero, state.sign)
    };
    assert_eq!(flags("HALT"), (false, false));
    assert_eq!(flags("MOV R0, 0"), (true, false));
    assert_eq!(flags("MOV R0, -1\n MOV R1, R0"), (false, true));
    assert_eq!(flags("MOV R0, 3\n MOV R1, 3\n CMP R0, R1"), (true, false));
    // The difference wraps: -2^31 - 1 is positive.
    assert_eq!(flags("MOV R0, 1\n SHL R0, R0, 31\n MOV R1, 1\n CMP R0, R1"), (false, false));
    assert_eq!(flags("MOV R0, -1\n MOV R1, 0\n STORE R0, [R1]\n JMP 5\n NOP"), (true, false));
    assert_eq!(flags("MOV R0, -1\n MOV R1, 0\n STORE R0, [R1]\n LOAD R2, [R1]"), (false, true));
}

#[test]
fn what_cannot_be_done_traps_where_it_is() {
    let trap = |text: &str| match run(text) {
        (End::Trap(trap), state, _) => (trap, state.pc, state.cycles),
        (end, ..) => panic!("{text}: {end:?}"),
    };
    assert_eq!(trap("NOP\n RET"), (Trap::NoCall, 1, 2));
    assert_eq!(trap("a: CALL a"), (Trap::TooManyCalls, 0, 1025));
    assert_eq!(trap("LOAD R0, [R1 - 1]"), (Trap::Load { address: -1 }, 0, 1));
    assert_eq!(trap("LOAD R0, [R1 + 4096]"), (Trap::Load { address: 4096 }, 0, 1));
    // The sum wraps like every other.
    assert_eq!(
        trap("MOV R1, -1\n SHR R1, R1, 1\n STORE R0, [R1 + 1]"),
        (Trap::Store { address: i32::MIN }, 2, 3)
    );
    let (how, _, memory) = run("MOV R1, 4095\n STORE R1, [R1]\n LOAD R2, [R1]");
    assert_eq!((how, memory[4095]), (End::Halted, 4095));
    for (_, way) in WAYS {
        let (how, state, _) = end(&[0, 0xff00_0000], 10, *way);
        assert_eq!((how, state.pc, state.cycles), (End::Trap(Trap::Invalid), 1, 2));
    }
}

#[test]
fn cycles_are_counted_to_the_last() {
    let halts = words("MOV R0, 3\n next: DEC R0\n JNZ next\n HALT"); // 1 + 3 * 2 + 1
    for (_, way) in WAYS {
        let (how, state, _) = end(&halts, 8, *way);
        assert_eq!((how, state.cycles, state.pc), (End::Halted, 8, 3));
        let (how, state, _) = end(&halts, 7, *way);
        assert_eq!((how, state.cycles, state.pc), (End::OutOfCycles, 7, 3));
        // The end of the program halts it, and is no instruction.
        let (how, state, _) = end(&halts[..3], 7, *way);
        assert_eq!((how, state.cycles, state.pc), (End::Halted, 7, 3));
    }
}

#[test]
fn a_watched_program_does_the_same_and_tells_every_step() {
    let words = words("MOV R0, 2\n next: DEC R0\n JNZ next\n HALT");
    for (_, way) in WAYS {
        let plain = end(&words, 100, *way);
        for watch in [Watch::Trace, Watch::Step] {
            let mut events = events(&words, 100, watch, *way);
            let Some(Event::Ended(how, state, memory)) = events.pop() else { panic!() };
            assert_eq!((how, state, memory), plain);
            let steps = events.iter().map(|event| match event {
                Event::Step(state) => (state.cycles, state.pc, state.registers[0]),
                other => panic!("{other:?}"),
            });
            assert!(steps.eq([(0, 0, 0), (1, 1, 2), (2, 2, 1), (3, 1, 1), (4, 2, 0), (5, 3, 0)]));
        }
    }
}

proptest! {
    #[test]
    fn every_word_is_one_instruction_or_none(word: u32, op in 0..Op::ALL.len()) {
        let word = word & 0x00ff_ffff | u32::from(Op::ALL[op].code()) << 24;
        if let Some(insn) = Insn::decode(word) {
            prop_assert_eq!(insn.encode(), word);
        }
    }

    #[test]
    fn what_is_printed_assembles_to_the_same_word(fields: u32, op in 0..Op::ALL.len()) {
        let op = Op::ALL[op];
        // Random fields, of which those are cleared that the operation does not have.
        let word = [0x00ff_ffff, 0x00e0_7fff, 0x00fc_0000, 0x00ff_8000, 0x00fc_001f, 0x0003_8000]
            .iter()
            .chain(&[0x00ff_c000, 0x00e0_0000, 0x001f_8000, 0x0000_3fff, 0x001f_ffff, 0x00fc_7fff, 0])
            .map(|mask| u32::from(op.code()) << 24 | fields & mask)
            .find(|&word| Insn::decode(word).is_some());
        let insn = Insn::decode(word.unwrap()).unwrap();
        // A jump has to stay in the program.
        let fill = if insn.op.form() == ncpu_asm::asm::isa::Form::Target { insn.imm } else { 0 };
        let text = format!("{insn}\n{}", "NOP\n".repeat(fill as usize));
        prop_assert_eq!(words(&text)[0], insn.encode(), "{}", insn);
    }
}
