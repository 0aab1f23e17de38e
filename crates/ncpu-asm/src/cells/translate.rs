//! An image to an ARM64 program that is a machine with this image.
//!
//! The program is an interpreter: a machine's code changes itself all the time, so that translating it
//! in advance is of no use. All its arithmetic is that of the engine that runs it.

use super::{Computer, Image};
use crate::a64::{Code, Cond, Label, ZR};
use crate::elf;

/// Bytes of the cells.
const MEMORY: u64 = 2 * super::image::CELLS as u64;
/// Output that has not been written yet.
const BUFFER: u64 = MEMORY;
/// Logarithm of the bytes of output that are held back at most.
const BUFFER_BITS: u32 = 10;
const RECORD: u64 = BUFFER + (1 << BUFFER_BITS);
/// Bytes of what is told at the end: program counter and instructions left.
const RECORD_BYTES: usize = 16;
const END: u64 = RECORD + RECORD_BYTES as u64 + 8;

// Registers; W9 to W14 are the instruction's.
const A: u32 = 9;
const B: u32 = 10;
const C: u32 = 11;
const VALUE: u32 = 12;
const RESULT: u32 = 13;
const OTHER: u32 = 14;
const BASE: u32 = 19;
const PC: u32 = 20;
const LEFT: u32 = 21;
/// Address FFFF, which stands for the console.
const CONSOLE: u32 = 22;
const OUTPUT: u32 = 23;
/// Bytes of output that wait.
const WAITING: u32 = 24;
const LAST: u32 = 25;
const SAVED: u32 = 26;
/// Where `write` writes to.
const STREAM: u32 = 27;

// Linux system calls (asm-generic/unistd.h).
const READ: u32 = 63;
const WRITE: u32 = 64;
const EXIT: u32 = 93;

/// Code point of the end of a line.
const LINE_END: i32 = 10;

/// How a machine ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ended {
    /// Whether it halted; if not, the given number of instructions is used up.
    pub halted: bool,
    /// Address of the next instruction; where it halted, what it went to.
    pub pc: u16,
    /// Instructions executed.
    pub instructions: u64,
    /// All cells, if they were asked for.
    pub cells: Option<Vec<u16>>,
}

impl Ended {
    /// Reads what the program wrote to standard error, if that is complete.
    pub fn parse(bytes: &[u8], max_instructions: u64) -> Option<Ended> {
        let (record, cells) = bytes.split_first_chunk::<RECORD_BYTES>()?;
        let [p0, p1, ..] = *record;
        let left = u64::from_le_bytes(record[8..].try_into().ok()?);
        let pc = u16::from_le_bytes([p0, p1]);
        let instructions = max_instructions.wrapping_sub(left);
        let cells = match cells.len() {
            0 => None,
            length if length as u64 == MEMORY => {
                Some(cells.chunks_exact(2).map(|b| u16::from_le_bytes([b[0], b[1]])).collect())
            }
            _ => return None,
        };
        Some(Ended { halted: pc >= 1 << 15, pc, instructions, cells })
    }
}

/// Makes an ARM64 ELF file that is a machine with this image and runs for at most `max_instructions`.
///
/// Its console is standard input and output: output is written when a line ends, when input is asked
/// for, when a kilobyte waits, and at the end. To standard error it writes how it [`Ended`], and exits
/// with 0 when the machine halts, else with 1. With `tell_cells`, all cells follow.
pub fn translate(
    image: &Image,
    computer: Computer,
    max_instructions: u64,
    tell_cells: bool,
) -> Vec<u8> {
    let mut code = Code::default();
    let [next, go_on, halt, input, output, flush, write] = [(); 7].map(|()| code.label());
    code.set_x(BASE, elf::DATA);
    code.set_x(OUTPUT, elf::DATA + BUFFER);
    code.set_x(LEFT, max_instructions);
    code.set_w(CONSOLE, 0xffff);
    code.set_w(PC, 0);
    code.set_w(WAITING, 0);

    code.bind(next);
    code.tbnz(PC, 15, halt);
    code.cbz_x(LEFT, halt);
    code.sub_x_imm(LEFT, LEFT, 1);
    // The program counter is below 8000, so that the three cells do not wrap.
    code.add_x_uxtw1(OTHER, BASE, PC);
    code.ldrh(A, OTHER, 0);
    code.ldrh(B, OTHER, 2);
    code.ldrh(C, OTHER, 4);
    code.add_w_imm(PC, PC, 3);
    code.cmp_w(A, CONSOLE);
    code.b_cond(Cond::Eq, input);
    code.cmp_w(B, CONSOLE);
    code.b_cond(Cond::Eq, output);
    code.ldrh_indexed(VALUE, BASE, A);
    code.ldrh_indexed(RESULT, BASE, B);
    if computer == Computer::Muxleq {
        emit_mux(&mut code, next);
    }
    code.sub_w(RESULT, RESULT, VALUE);
    code.strh_indexed(RESULT, BASE, B);
    // What was stored has 16 bits; nothing above them counts.
    code.and_w(RESULT, RESULT, CONSOLE);
    code.cbz_w(RESULT, go_on);
    code.tbz(RESULT, 15, next);
    code.bind(go_on);
    code.mov_w(PC, C);
    code.b(next);

    emit_console(&mut code, input, output, flush, next);
    emit_write(&mut code, flush, write);

    code.bind(halt);
    code.bl(flush);
    code.set_x(1, elf::DATA + RECORD);
    code.str_x(PC, 1, 0);
    code.str_x(LEFT, 1, 8);
    code.set_w(2, RECORD_BYTES as i32);
    code.set_w(STREAM, 2);
    code.bl(write);
    if tell_cells {
        code.mov_x(1, BASE);
        code.set_w(2, MEMORY as i32);
        code.bl(write);
    }
    code.lsr_w_imm(0, PC, 15);
    code.set_w(OTHER, 1);
    code.eor_w(0, 0, OTHER);
    code.system_call(EXIT);
    let cells: Vec<u8> = image.cells().iter().flat_map(|cell| cell.to_le_bytes()).collect();
    elf::program(&code.finish(), &cells, END)
}

/// `m[b] = m[a] & !m[mask] | m[b] & m[mask]`, when the top bit of C is set and C is not FFFF.
fn emit_mux(code: &mut Code, next: Label) {
    let subtract = code.label();
    code.tbz(C, 15, subtract);
    code.cmp_w(C, CONSOLE);
    code.b_cond(Cond::Eq, subtract);
    code.set_w(OTHER, 0x7fff);
    code.and_w(C, C, OTHER);
    code.ldrh_indexed(OTHER, BASE, C);
    code.bic_w(VALUE, VALUE, OTHER);
    code.and_w(RESULT, RESULT, OTHER);
    code.orr_w(RESULT, RESULT, VALUE);
    code.strh_indexed(RESULT, BASE, B);
    code.b(next);
    code.bind(subtract);
}

fn emit_console(code: &mut Code, input: Label, output: Label, flush: Label, next: Label) {
    // m[b] = a byte of input, FFFF at its end.
    let some = code.label();
    code.bind(input);
    code.mov_w(SAVED, B);
    code.bl(flush);
    code.set_w(0, 0);
    code.mov_x(1, OUTPUT);
    code.set_w(2, 1);
    code.system_call(READ);
    code.ldrb(VALUE, OUTPUT, 0);
    code.cmp_w(0, ZR);
    code.csel_w(VALUE, CONSOLE, VALUE, Cond::Eq);
    code.tbz(0, 31, some);
    // A stream that cannot be read has ended.
    code.mov_w(VALUE, CONSOLE);
    code.bind(some);
    code.strh_indexed(VALUE, BASE, SAVED);
    code.b(next);

    // The low byte of m[a] is written.
    let written = code.label();
    code.bind(output);
    code.ldrh_indexed(VALUE, BASE, A);
    code.strb_indexed(VALUE, OUTPUT, WAITING);
    code.add_w_imm(WAITING, WAITING, 1);
    code.set_w(OTHER, 0xff);
    code.and_w(VALUE, VALUE, OTHER);
    code.set_w(LAST, LINE_END);
    code.tbnz(WAITING, BUFFER_BITS, written);
    code.cmp_w(VALUE, LAST);
    code.b_cond(Cond::Eq, written);
    code.b(next);
    code.bind(written);
    code.bl(flush);
    code.b(next);
}

/// `flush` writes the output that waits. `write` writes W2 bytes from X1 to a stream, however they are
/// cut into pieces; a reader that is gone has seen enough.
fn emit_write(code: &mut Code, flush: Label, write: Label) {
    let done = code.label();
    code.bind(flush);
    code.mov_x(1, OUTPUT);
    code.mov_w(2, WAITING);
    code.set_w(WAITING, 0);
    code.set_w(STREAM, 1);
    code.bind(write);
    code.cbz_w(2, done);
    code.mov_w(0, STREAM);
    code.system_call(WRITE);
    code.tbnz(0, 31, done);
    code.add_x(1, 1, 0);
    code.sub_w(2, 2, 0);
    code.b(write);
    code.bind(done);
    code.ret();
}
