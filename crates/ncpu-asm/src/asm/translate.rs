//! Words to an ARM64 program that does the same.
//!
//! Each instruction becomes a few A64 instructions: its number goes to `W16`, `enter` counts it, then
//! comes what it does. R0 to R7 are `W20` to `W27`. The flags are kept as the last result, in `W28`: ZF
//! says that it is zero, SF that it is negative. It starts as 1, so that neither is set.

use super::isa::{Insn, MAX_CALLS, MAX_PROGRAM, MAX_SHIFT, MEMORY, Op};
use super::record::{self, Field, Kind};
use crate::a64::{Code, Cond, Label, ZR};
use crate::elf;

// Registers; W11 and W12 are free for each instruction.
/// Address that a memory access is for.
const ADDRESS: u32 = 9;
/// Kind of the record to be written.
const KIND: u32 = 10;
const OTHER: u32 = 11;
const LIMIT: u32 = 12;
const MEMORY_BASE: u32 = 13;
const CALLS: u32 = 14;
const RECORD: u32 = 15;
const PC: u32 = 16;
const STACK_BASE: u32 = 17;
const LEFT: u32 = 19;
const R0: u32 = 20;
const RESULT: u32 = 28;
const LINK: u32 = 29;
const RETURN: u32 = 30;

// Linux system calls (asm-generic/unistd.h).
const READ: u32 = 63;
const WRITE: u32 = 64;
const EXIT: u32 = 93;

/// Offsets in the data segment.
const STACK: u64 = 4 * MEMORY as u64;
const RECORDS: u64 = STACK + 8 * MAX_CALLS as u64;
const END: u64 = RECORDS + record::BYTES as u64 + 8;

/// Whether a program tells its state before each instruction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Watch {
    /// Only at its end.
    #[default]
    Off,
    /// Before each instruction.
    Trace,
    /// Before each instruction, for which it then waits: it reads a byte of standard input.
    Step,
}

/// Why words cannot be translated.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TranslateError {
    /// There are too many.
    #[error("a program has at most {MAX_PROGRAM} instructions, not {0}")]
    TooLong(usize),
}

/// Translates a program to an ARM64 ELF file, to be run for at most `max_cycles` instructions.
///
/// It writes [`record`]s to standard error and exits with 0 when it halts, and 1 when it is out of
/// cycles or traps. Words that are no instructions trap when they are reached.
///
/// # Errors
/// When the program is too long.
pub fn translate(words: &[u32], max_cycles: u64, watch: Watch) -> Result<Vec<u8>, TranslateError> {
    if words.len() > MAX_PROGRAM {
        return Err(TranslateError::TooLong(words.len()));
    }
    let mut code = Code::default();
    let places: Vec<Label> = (0..=words.len()).map(|_| code.label()).collect();
    let [enter, stop] = [code.label(), code.label()];
    code.set_x(MEMORY_BASE, elf::DATA);
    code.set_x(STACK_BASE, elf::DATA + STACK);
    code.set_x(RECORD, elf::DATA + RECORDS);
    code.set_x(LEFT, max_cycles);
    code.set_w(RESULT, 1);
    for register in (R0..R0 + 8).chain([CALLS, ADDRESS]) {
        code.set_w(register, 0);
    }
    let mut translation = Translation { code, places, stop };
    for (index, &word) in words.iter().enumerate() {
        let code = &mut translation.code;
        code.bind(translation.places[index]);
        code.set_w(PC, index as i32);
        code.bl(enter);
        match Insn::decode(word) {
            Some(insn) => translation.instruction(insn),
            None => translation.stop(Kind::Invalid),
        }
    }
    let Translation { mut code, places, stop } = translation;
    code.bind(places[words.len()]);
    code.set_w(PC, words.len() as i32);
    code.set_w(KIND, Kind::Halted as i32);
    code.b(stop);
    emit_support(&mut code, enter, stop, watch);
    Ok(elf::program(&code.finish(), &[], END))
}

/// What all instructions use: `enter`, which tells and counts, and `stop`, which ends the program.
fn emit_support(code: &mut Code, enter: Label, stop: Label, watch: Watch) {
    let [out, tell] = [code.label(), code.label()];
    code.bind(enter);
    code.cbz_x(LEFT, out);
    if watch != Watch::Off {
        code.mov_x(LINK, RETURN);
        code.set_w(KIND, Kind::Step as i32);
        code.bl(tell);
        if watch == Watch::Step {
            code.set_w(0, 0);
            code.add_x_imm(1, RECORD, record::BYTES as u32);
            code.set_w(2, 1);
            code.system_call(READ);
        }
        code.mov_x(RETURN, LINK);
    }
    code.sub_x_imm(LEFT, LEFT, 1);
    code.ret();

    code.bind(out);
    code.set_w(KIND, Kind::OutOfCycles as i32);
    code.bind(stop);
    code.mov_w(LINK, KIND);
    code.bl(tell);
    // The data memory follows, however it is cut into pieces.
    let [again, end] = [code.label(), code.label()];
    code.mov_x(1, MEMORY_BASE);
    code.set_w(2, 4 * MEMORY as i32);
    code.bind(again);
    code.set_w(0, 2);
    code.system_call(WRITE);
    code.tbnz(0, 31, end);
    code.add_x(1, 1, 0);
    code.sub_w(2, 2, 0);
    code.cbnz_w(2, again);
    code.bind(end);
    // Halted is 1; everything else exits with 1.
    code.sub_w_imm(0, LINK, Kind::Halted as u32);
    code.set_w(OTHER, 1);
    code.cmp_w(0, ZR);
    code.csel_w(0, ZR, OTHER, Cond::Eq);
    code.system_call(EXIT);

    code.bind(tell);
    for (field, register) in [
        (Field::Kind, KIND),
        (Field::Pc, PC),
        (Field::Result, RESULT),
        (Field::Calls, CALLS),
        (Field::Address, ADDRESS),
    ] {
        code.str_w(register, RECORD, field.offset());
    }
    code.str_x(LEFT, RECORD, Field::Left.offset());
    for register in 0..8 {
        code.str_w(R0 + register, RECORD, Field::Registers.offset() + 4 * register);
    }
    code.set_w(0, 2);
    code.mov_x(1, RECORD);
    code.set_w(2, record::BYTES as i32);
    code.system_call(WRITE);
    code.ret();
}

struct Translation {
    code: Code,
    /// The instructions, and the end.
    places: Vec<Label>,
    stop: Label,
}

impl Translation {
    fn stop(&mut self, kind: Kind) {
        self.code.set_w(KIND, kind as i32);
        self.code.b(self.stop);
    }

    /// Jumps to an instruction; all places behind the last one are the end.
    fn jump(&mut self, target: i16) {
        let last = self.places.len() - 1;
        self.code.b(self.places[(target as usize).min(last)]);
    }

    fn instruction(&mut self, insn: Insn) {
        let [d, n, m] = [insn.rd, insn.rs, insn.rm].map(|reg| R0 + u32::from(reg.number()));
        let imm = i32::from(insn.imm);
        let code = &mut self.code;
        let mut result = d;
        match insn.op {
            Op::Nop => {}
            Op::Halt => self.stop(Kind::Halted),
            Op::MovImm => code.set_w(d, imm),
            Op::MovReg => code.mov_w(d, n),
            Op::Add => code.add_w(d, n, m),
            Op::Sub => code.sub_w(d, n, m),
            Op::Mul => code.mul_w(d, n, m),
            Op::Div => code.sdiv_w(d, n, m),
            Op::And => code.and_w(d, n, m),
            Op::Or => code.orr_w(d, n, m),
            Op::Xor => code.eor_w(d, n, m),
            Op::ShlImm => code.lsl_w_imm(d, n, imm as u32),
            Op::ShrImm => code.lsr_w_imm(d, n, imm as u32),
            Op::ShlReg | Op::ShrReg => {
                // Negative amounts become 0, greater ones the greatest.
                code.bic_sign_w(OTHER, m, m);
                code.set_w(LIMIT, MAX_SHIFT);
                code.cmp_w(OTHER, LIMIT);
                code.csel_w(OTHER, OTHER, LIMIT, Cond::Lt);
                if insn.op == Op::ShlReg {
                    code.lsl_w(d, n, OTHER);
                } else {
                    code.lsr_w(d, n, OTHER);
                }
            }
            Op::Inc => code.add_w_imm(d, d, 1),
            Op::Dec => code.sub_w_imm(d, d, 1),
            Op::Cmp => {
                code.sub_w(RESULT, n, m);
                result = RESULT;
            }
            Op::Jmp => self.jump(insn.imm),
            Op::Jz | Op::Jnz | Op::Js | Op::Jns => {
                // Far targets are only in reach of an unconditional branch.
                let next = code.label();
                match insn.op {
                    Op::Jz => code.cbnz_w(RESULT, next),
                    Op::Jnz => code.cbz_w(RESULT, next),
                    Op::Js => code.tbz(RESULT, 31, next),
                    _ => code.tbnz(RESULT, 31, next),
                }
                self.jump(insn.imm);
                self.code.bind(next);
            }
            Op::Load => {
                self.address(n, imm, Kind::Load);
                self.code.ldr_w_indexed(d, MEMORY_BASE, ADDRESS);
            }
            Op::Store => {
                self.address(n, imm, Kind::Store);
                self.code.str_w_indexed(m, MEMORY_BASE, ADDRESS);
            }
            Op::Call => {
                let [room, next] = [code.label(), code.label()];
                code.tbz(CALLS, MAX_CALLS.trailing_zeros(), room);
                self.stop(Kind::TooManyCalls);
                let code = &mut self.code;
                code.bind(room);
                code.adr(OTHER, next);
                code.str_x_indexed(OTHER, STACK_BASE, CALLS);
                code.add_w_imm(CALLS, CALLS, 1);
                self.jump(insn.imm);
                self.code.bind(next);
            }
            Op::Ret => {
                let some = code.label();
                code.cbnz_w(CALLS, some);
                self.stop(Kind::NoCall);
                let code = &mut self.code;
                code.bind(some);
                code.sub_w_imm(CALLS, CALLS, 1);
                code.ldr_x_indexed(OTHER, STACK_BASE, CALLS);
                code.br(OTHER);
            }
        }
        if insn.op.sets_flags() && result != RESULT {
            self.code.mov_w(RESULT, result);
        }
    }

    /// The address of a memory access, which stops the program if it is out of range.
    fn address(&mut self, base: u32, imm: i32, kind: Kind) {
        let inside = self.code.label();
        self.code.set_w(OTHER, imm);
        self.code.add_w(ADDRESS, base, OTHER);
        self.code.lsr_w_imm(OTHER, ADDRESS, MEMORY.trailing_zeros());
        self.code.cbz_w(OTHER, inside);
        self.stop(kind);
        self.code.bind(inside);
    }
}

const _: () = assert!(MEMORY.is_power_of_two() && MAX_CALLS.is_power_of_two());
