//! Random programs end alike on every engine and ALU, and as a model in plain Rust says.

mod support;

use ncpu_asm::asm::isa::{Form, Insn, MAX_CALLS, MEMORY, Op, Reg};
use ncpu_asm::asm::record::{End, State, Trap};
use proptest::prelude::*;
use support::{WAYS, end};

const MAX_CYCLES: u64 = 300;

/// What `docs/asm.md` says, written down once more.
fn model(program: &[Insn], max_cycles: u64) -> (End, State, Vec<i32>) {
    let mut memory = vec![0_i32; MEMORY];
    let mut r = [0_i32; 8];
    let (mut pc, mut cycles, mut last) = (0, 0, 1_i32);
    let mut calls = Vec::new();
    let end = loop {
        let Some(&Insn { op, rd, rs, rm, imm }) = program.get(pc) else { break End::Halted };
        if cycles == max_cycles {
            break End::OutOfCycles;
        }
        cycles += 1;
        let (a, b) = (r[rs.number() as usize], r[rm.number() as usize]);
        let imm = i32::from(imm);
        let own = r[rd.number() as usize];
        let address = a.wrapping_add(imm);
        let cell = usize::try_from(address).ok().filter(|&at| at < MEMORY);
        let mut next = pc + 1;
        let result = match op {
            Op::Nop => None,
            Op::Halt => break End::Halted,
            Op::MovImm => Some(imm),
            Op::MovReg => Some(a),
            Op::Add => Some(a.wrapping_add(b)),
            Op::Sub => Some(a.wrapping_sub(b)),
            Op::Mul => Some(a.wrapping_mul(b)),
            Op::Div => Some(if b == 0 { 0 } else { a.wrapping_div(b) }),
            Op::And => Some(a & b),
            Op::Or => Some(a | b),
            Op::Xor => Some(a ^ b),
            Op::ShlImm => Some(a << imm),
            Op::ShlReg => Some(a << b.clamp(0, 31)),
            Op::ShrImm => Some((a as u32 >> imm) as i32),
            Op::ShrReg => Some((a as u32 >> b.clamp(0, 31)) as i32),
            Op::Inc => Some(own.wrapping_add(1)),
            Op::Dec => Some(own.wrapping_sub(1)),
            Op::Cmp => {
                last = a.wrapping_sub(b);
                None
            }
            Op::Jmp | Op::Jz | Op::Jnz | Op::Js | Op::Jns => {
                let taken = match op {
                    Op::Jz => last == 0,
                    Op::Jnz => last != 0,
                    Op::Js => last < 0,
                    Op::Jns => last >= 0,
                    _ => true,
                };
                if taken {
                    next = imm as usize;
                }
                None
            }
            Op::Load => match cell {
                Some(cell) => Some(memory[cell]),
                None => break End::Trap(Trap::Load { address }),
            },
            Op::Store => match cell {
                Some(cell) => {
                    memory[cell] = b;
                    None
                }
                None => break End::Trap(Trap::Store { address }),
            },
            Op::Call if calls.len() == MAX_CALLS => break End::Trap(Trap::TooManyCalls),
            Op::Call => {
                calls.push(next);
                next = imm as usize;
                None
            }
            Op::Ret => match calls.pop() {
                Some(back) => {
                    next = back;
                    None
                }
                None => break End::Trap(Trap::NoCall),
            },
        };
        if let Some(result) = result {
            r[rd.number() as usize] = result;
            last = result;
        }
        pc = next;
    };
    // Places behind the end are the end.
    let (pc, calls) = (pc.min(program.len()), calls.len() as u32);
    let state = State { pc, cycles, registers: r, zero: last == 0, sign: last < 0, calls };
    (end, state, memory)
}

/// An instruction with operands from random bits. Immediates are often extreme.
fn insn(op: Op, bits: u32, length: usize) -> Insn {
    let reg = |shift: u32| Reg::new((bits >> shift & 7) as u8).unwrap();
    let imm = match bits >> 9 & 7 {
        0 => 16_383,
        1 => -16_384,
        2 => -1,
        3 => 0,
        _ => (bits >> 12 & 0x3fff) as i32 - 0x2000,
    };
    let zero = Insn::new(op);
    let (rd, rs, rm) = (reg(0), reg(3), reg(6));
    match op.form() {
        Form::None => zero,
        Form::Rd => Insn { rd, ..zero },
        Form::RdImm => Insn { rd, imm: imm as i16, ..zero },
        Form::RdRs => Insn { rd, rs, ..zero },
        Form::RdRsRm | Form::RdRsRmAmount => Insn { rd, rs, rm, ..zero },
        Form::RdRsAmount => Insn { rd, rs, imm: (bits >> 12 & 31) as i16, ..zero },
        Form::RsRm => Insn { rs, rm, ..zero },
        // Some jumps go beyond the end.
        Form::Target => Insn { imm: ((bits >> 12) as usize % (length + 2)) as i16, ..zero },
        Form::Load => Insn { rd, rs, imm: imm as i16 & 0xfff, ..zero },
        Form::Store => Insn { rs, rm, imm: imm as i16 & 0xfff, ..zero },
    }
}

fn program() -> impl Strategy<Value = Vec<Insn>> {
    let pick = (0..4 * Op::ALL.len(), any::<u32>());
    proptest::collection::vec(pick, 20..80).prop_map(|picks| {
        let length = picks.len();
        // Computations more often than what jumps or ends a program.
        let op = |pick: usize| {
            let op = Op::ALL[pick % Op::ALL.len()];
            let computes = op.sets_flags() && op != Op::Load;
            if computes || pick < Op::ALL.len() { op } else { Op::MovImm }
        };
        picks.iter().map(|&(pick, bits)| insn(op(pick), bits, length)).collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn random_programs_do_as_the_model_says(program in program()) {
        let expected = model(&program, MAX_CYCLES);
        let words: Vec<u32> = program.iter().map(|insn| insn.encode()).collect();
        for (name, way) in WAYS {
            let got = end(&words, MAX_CYCLES, *way);
            prop_assert!(got == expected, "on {}: {:?}\nexpected {:?}\n{:?}", name,
                (got.0, got.1), (expected.0, expected.1), program);
        }
    }
}
