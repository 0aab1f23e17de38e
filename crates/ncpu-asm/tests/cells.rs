//! MUXLEQ and SUBLEQ: images, instructions, assembly; on every engine and ALU.

mod support;

use ncpu_asm::cells::assemble::assemble;
use ncpu_asm::cells::image::{CELLS, ImageError};
use ncpu_asm::cells::translate::{Ended, translate};
use ncpu_asm::cells::{Computer, Image};
use proptest::prelude::*;
use support::{Streams, WAYS, Way, run};

/// Runs a machine; gives how it ended, with all cells, and its output.
fn machine(
    image: &Image,
    computer: Computer,
    most: u64,
    input: &[u8],
    way: Way,
) -> (Ended, Vec<u8>) {
    let mut streams = Streams { input: input.to_vec(), ..Streams::default() };
    let status = run(&translate(image, computer, most, true), way, &mut streams);
    let ended = Ended::parse(&streams.errors, most).unwrap();
    assert_eq!(status == 0, ended.halted);
    (ended, streams.output)
}

/// The same on every engine and ALU.
fn everywhere(image: &Image, computer: Computer, most: u64, input: &[u8]) -> (Ended, Vec<u8>) {
    let mut results = WAYS.iter().map(|(_, way)| machine(image, computer, most, input, *way));
    let first = results.next().unwrap();
    results.for_each(|other| assert!(other == first));
    first
}

/// Cell `address` after one instruction of a machine that starts with these cells; and where it goes.
fn step(computer: Computer, cells: &[u16], address: usize) -> (u16, u16) {
    let (ended, _) = everywhere(&Image::new(cells.to_vec()).unwrap(), computer, 1, b"");
    (ended.cells.unwrap()[address], ended.pc)
}

#[test]
fn subleq_subtracts_and_branches_unless_positive() {
    for computer in [Computer::Muxleq, Computer::Subleq] {
        let step = |a: u16, b: u16| step(computer, &[3, 4, 9, a, b], 4);
        assert_eq!(step(2, 5), (3, 3));
        assert_eq!(step(5, 5), (0, 9));
        assert_eq!(step(5, 2), (0xfffd, 9));
        // -32768 - 1 wraps to 32767, which is positive; 32767 + 1 to -32768.
        assert_eq!(step(1, 0x8000), (0x7fff, 3));
        assert_eq!(step(0xffff, 0x7fff), (0x8000, 9));
    }
}

#[test]
fn mux_takes_bits_of_b_where_the_mask_has_ones() {
    let cells = [3, 4, 0x8005, 0b1100, 0b1010, 0b0110];
    // Worked out bit by bit: from A where the mask has 0, from B where it has 1.
    assert_eq!(step(Computer::Muxleq, &cells, 4), (0b1010, 3));
    assert_eq!(step(Computer::Muxleq, &[3, 4, 0x8005, 0b1100, 0b1010, 0], 4), (0b1100, 3));
    // To SUBLEQ the same cells say where to go.
    assert_eq!(step(Computer::Subleq, &cells, 4), (0xfffe, 0x8005));
    // With C = FFFF it is no MUX: 3 - 5 is negative, and FFFF halts the machine.
    assert_eq!(step(Computer::Muxleq, &[3, 4, 0xffff, 5, 3], 4), (0xfffe, 0xffff));
}

#[test]
fn the_console_is_address_ffff() {
    let echo = assemble("echo", "a: in x\n out x\n jmp a\nx: cell 0", Computer::Subleq).unwrap();
    for computer in [Computer::Muxleq, Computer::Subleq] {
        let (ended, output) = everywhere(&echo, computer, 8, b"h\xe9");
        assert_eq!((ended.halted, ended.instructions), (false, 8));
        // At the end of input comes FFFF, of which the low byte is written.
        assert_eq!(output, b"h\xe9\xff");
    }
}

#[test]
fn a_machine_halts_above_7fff_and_is_counted_to_the_last_instruction() {
    let halt = assemble("halt", "jmp on\non: halt", Computer::Muxleq).unwrap();
    let (ended, _) = everywhere(&halt, Computer::Muxleq, 2, b"");
    assert_eq!((ended.halted, ended.instructions, ended.pc), (true, 2, 0xffff));
    let (ended, _) = everywhere(&halt, Computer::Muxleq, 1, b"");
    assert_eq!((ended.halted, ended.instructions, ended.pc), (false, 1, 3));
    // Zeros subtract cell 0 from itself and go to 0.
    let (ended, _) = everywhere(&Image::default(), Computer::Subleq, 1000, b"");
    assert_eq!((ended.halted, ended.instructions, ended.pc), (false, 1000, 0));
}

#[test]
fn output_comes_whole_however_much_there_is() {
    let text = "loop: out c\n sub #1, n, done\n jmp loop\ndone: halt\nc: cell 'x'\nn: cell 5000";
    let image = assemble("x", text, Computer::Subleq).unwrap();
    assert_eq!(everywhere(&image, Computer::Subleq, 100_000, b"").1, [b'x'; 5000]);
}

#[test]
fn statements_do_what_they_say() {
    let text = "
        mov a, b                ; b = 7
        add #-9, b              ; b = -2
        jneg b, one
        halt
one:    jzero #0, two
        halt
two:    jzero b, fail
        jneg #0, fail
        jneg #0x7fff, fail
        jzero #0x8000, fail
        load pointer, c         ; c = 30
        store b, pointer        ; table + 2 = -2
        mux #0xff00, d, #0x0ff0 ; d = (ff00 & f00f) | (1234 & 0ff0)
        jump where
fail:   halt
three:  sub #1, e, four         ; 1 - 1 is not positive
        halt
four:   mov #5, e
        halt
a:      cell 7
b:      cell 0
c:      cell 0
d:      cell 0x1234
e:      cell 1
pointer: cell table + 2
where:  cell three
size = 3
table:  cell 10, 20, 30
        space size - 1
last:   cell end - last";
    let image = assemble("t", text, Computer::Muxleq).unwrap();
    let (ended, _) = everywhere(&image, Computer::Muxleq, 1000, b"");
    assert!(ended.halted);
    let cells = ended.cells.unwrap();
    let a = cells.iter().position(|&cell| cell == 7).unwrap();
    assert_eq!(cells[a..a + 5], [7, 0xfffe, 30, 0xf230, 5]);
    assert_eq!(cells[a + 7..a + 12], [10, 20, 0xfffe, 0, 0]);
}

#[test]
fn what_cannot_be_assembled_is_said_with_its_place() {
    let problems = |text: &str, computer| {
        let problems = assemble("test", text, computer).unwrap_err();
        let shown = problems.list.iter().map(|(problem, _)| {
            format!("{}:{} {}", problem.line, problem.span.start + 1, problem.what)
        });
        shown.collect::<Vec<_>>()
    };
    let text = "sub a, 1\n subb 1, 2\nx: x: halt\n  mov 1\n cell 70000\nmux 0, 0, 0x7fff\n cell $";
    assert_eq!(
        problems(text, Computer::Muxleq),
        [
            "2:2 there is no statement \"subb\"",
            "3:4 \"x\" is defined twice",
            "4:3 \"mov\" does not take 1 operands",
            "7:7 '$' means nothing here",
        ]
    );
    let text = "sub a, 1\n cell 70000\nmux 0, 0, 0x7fff\n";
    assert_eq!(
        problems(text, Computer::Muxleq),
        [
            "1:5 there is no name \"a\"",
            "2:7 70000 does not fit a cell: -32768 to 65535",
            "3:11 a mask has to be below address 32767, not 32767",
        ]
    );
    assert_eq!(
        problems("mov 1, 2", Computer::Subleq),
        ["1:1 \"mov\" needs MUX, which SUBLEQ does not have"]
    );
    assert_eq!(
        problems("space 60000\nspace 6000", Computer::Subleq),
        ["2:1 the program is too large: a machine has 65536 cells"]
    );
}

#[test]
fn images_are_decimal_numbers_between_spaces_commas_and_line_ends() {
    let image = Image::parse("1 -1,65535\r\n\t+2, ,-32768\n\n").unwrap();
    assert_eq!(image.cells(), [1, 0xffff, 0xffff, 2, 0x8000]);
    assert_eq!(image.to_text(), "1\n-1\n-1\n2\n-32768\n");
}

#[test]
fn junk_in_an_image_is_said_with_its_place() {
    let error = |text: &str| Image::parse(text).unwrap_err();
    let text = |text: &str| text.to_owned();
    assert_eq!(
        error("1 2\n3, 0x4"),
        ImageError::NotANumber { line: 2, column: 4, text: text("0x4") }
    );
    assert_eq!(error("é 1 -"), ImageError::NotANumber { line: 1, column: 1, text: text("é") });
    assert_eq!(
        error("1 65536"),
        ImageError::OutOfRange { line: 1, column: 3, text: text("65536") }
    );
    assert_eq!(
        error("-32769"),
        ImageError::OutOfRange { line: 1, column: 1, text: text("-32769") }
    );
    assert_eq!(error(" \n,"), ImageError::Empty);
    let most = "7 ".repeat(CELLS);
    assert_eq!(Image::parse(&most).unwrap().cells().len(), CELLS);
    assert_eq!(error(&format!("{most}\n 8")), ImageError::TooLarge { line: 2, column: 2 });
}

/// What `docs/muxleq.md` says, written down once more.
fn model(image: &[u16], computer: Computer, most: u64, input: &[u8]) -> (Ended, Vec<u8>) {
    let mut m = vec![0_u16; CELLS];
    m[..image.len()].copy_from_slice(image);
    let (mut pc, mut instructions) = (0_u16, 0);
    let (mut input, mut output) = (input.iter(), Vec::new());
    while pc < 0x8000 && instructions < most {
        instructions += 1;
        let at = usize::from(pc);
        let [a, b, c] = [m[at], m[at + 1], m[at + 2]];
        pc += 3;
        let (from, to) = (usize::from(a), usize::from(b));
        if a == 0xffff {
            m[to] = input.next().map_or(0xffff, |&byte| byte.into());
        } else if b == 0xffff {
            output.push(m[from] as u8);
        } else if computer == Computer::Muxleq && c & 0x8000 != 0 && c != 0xffff {
            let mask = m[usize::from(c & 0x7fff)];
            m[to] = m[from] & !mask | m[to] & mask;
        } else {
            m[to] = m[to].wrapping_sub(m[from]);
            if m[to] as i16 <= 0 {
                pc = c;
            }
        }
    }
    (Ended { halted: pc >= 0x8000, pc, instructions, cells: Some(m) }, output)
}

/// Cells that are mostly addresses near by, and often the console, a mask, or anything.
fn cell() -> impl Strategy<Value = u16> {
    prop_oneof![
        8 => 0_u16..48,
        1 => Just(0xffff_u16),
        2 => (0_u16..48).prop_map(|address| address | 0x8000),
        1 => any::<u16>(),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn random_images_do_as_the_model_says(
        image in proptest::collection::vec(cell(), 3..48),
        is_muxleq: bool,
    ) {
        let computer = if is_muxleq { Computer::Muxleq } else { Computer::Subleq };
        let expected = model(&image, computer, 200, b"input");
        let image = Image::new(image).unwrap();
        for (name, way) in WAYS {
            let got = machine(&image, computer, 200, b"input", *way);
            prop_assert!(got == expected, "on {}", name);
        }
    }

    #[test]
    fn images_survive_being_written(cells in proptest::collection::vec(any::<u16>(), 1..300)) {
        let image = Image::new(cells).unwrap();
        let again = Image::parse(&image.to_text()).unwrap();
        let written = again.cells().len();
        prop_assert_eq!(again.cells(), &image.cells()[..written]);
        prop_assert!(image.cells()[written..].iter().all(|&cell| cell == 0));
    }
}
