//! The Forth of `guest/forth`: built from its source, and used on every engine and ALU.

mod support;

use ncpu_asm::cells::translate::{Ended, translate};
use ncpu_asm::cells::{Computer, Image, forth};
use support::{Streams, WAYS, run};

const SOURCE: &str = include_str!("../../../guest/forth/forth.fth");
const IMAGE: &str = include_str!("../../../guest/forth/forth.dec");
/// Instructions enough for all that is asked here.
const MOST: u64 = 20_000_000;

fn image() -> Image {
    forth::build("forth.fth", SOURCE).unwrap_or_else(|problems| panic!("{problems}"))
}

/// What Forth answers to lines of input, without the lines that it boots with.
fn answer(input: &str) -> String {
    let elf = translate(&image(), Computer::Muxleq, MOST, false);
    let mut answers = WAYS.iter().map(|(_, way)| {
        let mut streams = Streams { input: input.into(), ..Streams::default() };
        run(&elf, *way, &mut streams);
        let ended = Ended::parse(&streams.errors, MOST).unwrap();
        assert!(ended.halted, "{input}");
        (ended, String::from_utf8(streams.output).unwrap())
    });
    let first = answers.next().unwrap();
    answers.for_each(|other| assert_eq!(other, first));
    first.1.strip_prefix("nCPU Forth\n").unwrap().to_owned()
}

#[test]
fn the_image_in_the_tree_is_what_the_source_builds() {
    assert!(
        image().to_text() == IMAGE,
        "cargo run -- muxleq forth guest/forth/forth.fth -o guest/forth/forth.dec"
    );
}

#[test]
fn it_boots_to_its_prompt_and_adds() {
    assert_eq!(answer(""), "");
    assert_eq!(answer("2 3 + .\n"), "5 ok\n");
}

#[test]
fn words_lists_all_words_once() {
    let answer = answer("words\n");
    let listed: Vec<&str> = answer.strip_suffix("ok\n").unwrap().split_whitespace().collect();
    // The words that the source defines, newest first.
    let mut defined: Vec<&str> = SOURCE
        .lines()
        .filter_map(|line| {
            let mut words = line.split_whitespace();
            match (words.next()?, words.next()?) {
                (":" | "code" | "create", name) => Some(name),
                (_, "constant") => words.next(),
                _ => None,
            }
        })
        .collect();
    // Those inside definitions start no line.
    defined.reverse();
    assert_eq!(listed, defined);
}

#[test]
fn arithmetic() {
    for (input, output) in [
        ("7 2 - . -3 4 * . 100 7 /mod . .", "5 -12 14 2 "),
        ("-7 2 / . -7 2 mod . 7 -2 / .", "-3 -1 -3 "),
        ("32767 1 + . 65535 u. -1 u.", "-32768 65535 65535 "),
        ("300 300 um* u. u.", "1 24464 "), // 90000 = 65536 + 24464
        ("65535 65535 um* u. u.", "65534 1 "), // (2^16 - 1)^2 = (2^16 - 2) 2^16 + 1
        ("24464 1 300 um/mod u. u.", "300 0 "),
        ("65535 65534 65535 um/mod u. u.", "65535 65534 "), // 65534 * 65536 + 65535 = 65535^2 + 65534
        ("12 10 and . 12 10 or . 12 10 xor . 0 invert .", "8 14 6 -1 "),
        ("1 15 lshift u. 32768 15 rshift . 5 0 rshift . 5 16 rshift .", "32768 1 5 0 "),
        ("-8 2/ . 5 2* . 7 negate . -7 abs .", "-4 10 -7 7 "),
        ("1 2 < . 2 1 < . -32768 32767 < . 2 2 < .", "-1 0 -1 0 "),
        ("1 65535 u< . 65535 1 u< . 3 3 u< . 1 2 > .", "-1 0 0 0 "),
        ("0 0= . -32768 0= . 0 0< . -1 0< . 32767 0< .", "-1 0 0 -1 0 "),
        ("3 9 min . 3 9 max . 5 1 9 within . 9 1 9 within .", "3 9 -1 0 "),
        ("hex ff decimal . 255 hex . -ff . decimal", "255 ff -ff "),
    ] {
        assert_eq!(answer(&format!("{input}\n")), format!("{output}ok\n"), "{input}");
    }
}

#[test]
fn stacks() {
    for (input, output) in [
        ("1 2 3 .s", "1 2 3 "),
        ("1 2 3 rot .s", "2 3 1 "),
        ("1 2 swap over .s", "2 1 2 "),
        ("1 2 3 -rot .s", "3 1 2 "),
        ("1 2 nip .s 3 tuck .s", "2 3 2 3 "),
        ("1 2 2dup .s 2drop drop .s depth .", "1 2 1 2 1 1 "),
        ("5 6 7 2 pick .", "5 "),
        ("0 ?dup . 4 ?dup . .", "0 4 4 "),
        ("1 2 >r 3 r> .s", "1 3 2 "),
    ] {
        assert_eq!(answer(&format!("{input}\n")), format!("{output}ok\n"), "{input}");
    }
}

#[test]
fn definitions() {
    for (input, output) in [
        (": square dup * ; 12 square .", "144 "),
        (": sign 0< if 10 else 20 then ; -1 sign . 1 sign .", "10 20 "),
        (": down begin dup . 1- dup 0= until drop ; 3 down", "3 2 1 "),
        (": up 0 begin dup 3 < while dup . 1+ repeat drop ; up", "0 1 2 "),
        (": times 3 for r@ . next ; times", "3 2 1 0 "),
        (": fact dup 1 > if dup 1- recurse * then ; 7 fact .", "5040 "),
        ("variable v 5 v ! 3 v +! v @ . v ?", "8 8 "),
        ("42 constant answer answer .", "42 "),
        ("create table 10 , 20 , 30 , table 2 + @ .", "30 "),
        (": array create allot does> + ; 5 array a 7 3 a ! 3 a @ .", "7 "),
        (": greet .\" hello, \" s\" world\" type ; greet", "hello, world"),
        (".\" at once\" ( a comment ) \\ another", "at once"),
        (": unless postpone 0= postpone if ; immediate : t unless 1 . then ; 0 t 5 t", "1 "),
        (": a [char] A emit ; a char B emit", "AB"),
        (": seven [ 3 4 + ] literal ; seven .", "7 "),
        ("1 ' dup execute . .", "1 1 "),
        (": old 1 ; : new old ; : old 2 ; new . old .", "1 2 "),
        ("here 3 allot here swap - .", "3 "),
        ("create b 5 allot b 5 9 fill b 4 + @ . 1 b ! b b 1+ 2 move b 2 + @ .", "9 1 "),
    ] {
        assert_eq!(answer(&format!("{input}\n")), format!("{output}ok\n"), "{input}");
    }
}

#[test]
fn mistakes_are_said_and_forth_goes_on() {
    assert_eq!(answer("1 2 foo .\n3 .\n"), "foo ?\n3 ok\n");
    assert_eq!(answer("drop\n1 .\n"), "stack underflow\n1 ok\n");
    assert_eq!(answer("1 0 /\ndepth .\n"), "division by zero\n0 ok\n");
    // In a definition there is no "ok"; a mistake ends the definition, which is not found then.
    assert_eq!(answer(": f 1\nbar ;\nf\n2 .\n"), "\nbar ?\nf ?\n2 ok\n");
}

#[test]
fn what_the_cross_compiler_does_not_understand_is_said_with_its_place() {
    let start = "assembler\ndocol:\ndovar:\ndocon:\nend-assembler\ncode exit\nhalt\nend-code\n";
    for (text, expected) in [
        (": f exit nothing ;", "9:10 there is no word \"nothing\""),
        (": f then ;", "9:5 \"then\" has nothing to belong to"),
        (": f begin ;", "9:11 a control structure is not complete"),
        (": f", "9:1 ; is missing"),
        ("code f", "9:1 end-code is missing"),
        (":", "9:2 the name of the word is missing"),
        ("5", "9:1 a comma or constant has to follow \"5\""),
        (": f ( exit ;", "9:6 there is no ) in the rest of the line"),
        ("code f\n  sub nothing, 1\nend-code", "10:7 there is no name \"nothing\""),
    ] {
        let problems = forth::build("test", &format!("{start}{text}\n")).unwrap_err();
        let (problem, _) = &problems.list[0];
        let shown = format!("{}:{} {}", problem.line, problem.span.start + 1, problem.what);
        assert_eq!(shown, expected, "{text}");
    }
}
