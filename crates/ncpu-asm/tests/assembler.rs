//! What the assembler takes, and what it says about the rest.

mod support;

use ncpu_asm::asm::assemble;

/// The problems of a text as `line:column what`.
fn problems(text: &str) -> Vec<String> {
    let problems = assemble("test", text).expect_err(text);
    let shown = problems.list.iter().map(|(problem, _)| {
        format!("{}:{} {}", problem.line, problem.span.start + 1, problem.what)
    });
    shown.collect()
}

fn help(text: &str) -> String {
    let problems = assemble("test", text).expect_err(text);
    problems.list[0].0.help.clone().unwrap_or_default()
}

#[test]
fn case_commas_and_comments_make_no_difference() {
    let plain = assemble("a", "Loop: MOV R0, 5\nADD R1, R1, R0\nJMP Loop").unwrap();
    let other = assemble("b", "; c\nlOOP:\n  mov r0 5 # c\nadd r1 r1,R0;c\n\n jmp LOOP").unwrap();
    assert_eq!(plain.words, other.words);
    assert_eq!(plain.words, [0x1000_0005, 0x2024_0000, 0x6000_0000]);
    assert_eq!(other.lines, [3, 4, 6]);
    assert_eq!(other.labels, [("loop".to_owned(), 0)]);
}

#[test]
fn numbers_are_decimal_hexadecimal_or_binary() {
    let words = assemble("a", "MOV R0, 0x1F\nMOV R0, 0b101\nMOV R0, -0X10\nMOV R0, - 1").unwrap();
    assert_eq!(words.words, [0x1000_001f, 0x1000_0005, 0x1000_7ff0, 0x1000_7fff]);
}

#[test]
fn all_that_is_wrong_is_said_with_its_place() {
    let text =
        "start: MOV R0, 16384\n\tADD R1, R9, R2\nSTART: NOP\n  JMP nowhere\n  FOO R1\nMOV R1, 3x";
    assert_eq!(
        problems(text),
        [
            "1:16 16384 does not fit: immediates are -16384 to 16383",
            "2:10 a register, R0 to R7, was expected here",
            "3:1 the label \"START\" is defined twice",
            "4:7 there is no label \"nowhere\"",
            "5:3 there is no instruction \"FOO\"",
            "6:9 \"3x\" is not a number",
        ]
    );
}

#[test]
fn each_operand_is_checked() {
    for (text, expected) in [
        ("MOV R0, -16385", "1:9 -16385 does not fit: immediates are -16384 to 16383"),
        ("SHL R0, R1, 32", "1:13 the shift amount 32 is not in 0..31"),
        ("SHR R0, R1, -1", "1:13 the shift amount -1 is not in 0..31"),
        ("SHR R0, R1", "1:11 a register, R0 to R7, is missing"),
        ("INC 5", "1:5 a register, R0 to R7, was expected here"),
        ("RET R1", "1:5 there is more than RET takes"),
        ("JMP", "1:4 a label is missing"),
        ("JMP 2", "1:5 a jump cannot go to 2: here, addresses are 0 to 1"),
        ("JMP -1", "1:5 a jump cannot go to -1: here, addresses are 0 to 1"),
        ("LOAD R1, R2", "1:10 [ was expected here"),
        ("LOAD R1, [R2 + R3]", "1:16 a number was expected here"),
        ("STORE R1, [R2", "1:14 a number is missing"),
        ("R1: NOP", "1:1 \"R1\" cannot be a label"),
        ("halt: NOP", "1:1 \"halt\" cannot be a label"),
        ("MOV R0, 5 @", "1:11 \"@\" means nothing here"),
        (
            "MOV R0, 99999999999999999999",
            "1:9 9223372036854775807 does not fit: immediates are -16384 to 16383",
        ),
        (": NOP", "1:1 an instruction or a label was expected here"),
    ] {
        assert_eq!(problems(text), [expected], "{text}");
    }
}

#[test]
fn help_says_what_to_write() {
    assert_eq!(help("JPM 0"), "did you mean JMP?");
    assert_eq!(help("loop: JMP lop"), "did you mean loop?");
    assert_eq!(help("ADD R1, R2"), "it is written ADD Rd, Rs, Rm");
    assert!(help("MOV R0, 0xFFFFFFFF").ends_with("MOV R0, -1"));
}

/// The steps that the help gives for a wide constant make it.
#[test]
fn wide_constants_are_built_as_the_help_says() {
    for value in [16_384, 40_000, -16_385, 65_536, 0x1234_5678, i32::MAX, i32::MIN, -1_000_000_007]
    {
        let help = help(&format!("MOV R3, {value}"));
        let (_, steps) = help.split_once(": ").unwrap_or_else(|| panic!("{help}"));
        let program = assemble("test", &steps.replace("; ", "\n")).unwrap();
        let (_, state, _) = support::end(&program.words, 100, support::WAYS[0].1);
        assert_eq!(state.registers[3], value, "{steps}");
    }
}

#[test]
fn a_program_that_is_too_long_is_said_where() {
    let most = "NOP\n".repeat(16_384);
    assert_eq!(assemble("test", &most).unwrap().words.len(), 16_384);
    // An address has 14 bits, so that the end of the longest program is out of reach.
    let end = "JMP end\n".to_owned() + &"NOP\n".repeat(16_383) + "end:";
    assert_eq!(problems(&end), ["1:5 a jump cannot go to 16384: here, addresses are 0 to 16383"]);
    let too_long = format!("{most}NOP\n");
    assert_eq!(problems(&too_long), ["16385:1 a program has at most 16384 instructions"]);
}

#[test]
fn a_problem_is_shown_below_its_line() {
    let problems = assemble("a.ncpu", "NOP\n\tADD R1, R9, R2\n").unwrap_err();
    assert_eq!(
        problems.to_string(),
        "a.ncpu:2:10: a register, R0 to R7, was expected here\n    2 | \tADD R1, R9, R2\n      \
         | \t        ^^\n      = it is written ADD Rd, Rs, Rm\na.ncpu: 1 error"
    );
}

#[test]
fn after_a_hundred_problems_no_more_are_looked_for() {
    let problems = assemble("test", &"JMP nowhere\n".repeat(101)).unwrap_err();
    assert_eq!(problems.list.len(), 100);
    assert!(problems.to_string().ends_with("test: at least 100 errors"));
}
