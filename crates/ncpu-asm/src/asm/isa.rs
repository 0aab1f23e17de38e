//! The instructions: one table, from which encoding, decoding, parsing and printing derive.

use std::fmt;

/// Most instructions of a program: addresses have 14 bits.
pub const MAX_PROGRAM: usize = 1 << 14;
/// Words of data memory, of 32 bits.
pub const MEMORY: usize = 4096;
/// Calls that can be open at a time.
pub const MAX_CALLS: usize = 1024;
/// Least immediate of 15 bits.
pub const MIN_IMMEDIATE: i32 = -(1 << 14);
/// Greatest immediate of 15 bits.
pub const MAX_IMMEDIATE: i32 = (1 << 14) - 1;
/// Greatest shift amount; greater ones act like it, and negative ones like 0.
pub const MAX_SHIFT: i32 = 31;

/// What marks the shift amount as a register's: bit 14, which no amount needs.
const BY_REGISTER: i16 = MIN_IMMEDIATE as i16;

/// A register, R0 to R7.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Reg(u8);

impl Reg {
    /// Register `number`, if there is one.
    pub const fn new(number: u8) -> Option<Reg> {
        if number < 8 { Some(Reg(number)) } else { None }
    }

    /// Its number, 0 to 7.
    pub const fn number(self) -> u8 {
        self.0
    }

    /// The register named in three bits of a word.
    const fn at(word: u32, bit: u32) -> Reg {
        Reg((word >> bit & 7) as u8)
    }
}

impl fmt::Display for Reg {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "R{}", self.0)
    }
}

/// Operands of an instruction, in the order in which they are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// None.
    None,
    /// `Rd`
    Rd,
    /// `Rd, imm`
    RdImm,
    /// `Rd, Rs`
    RdRs,
    /// `Rd, Rs, Rm`
    RdRsRm,
    /// `Rd, Rs, amount`
    RdRsAmount,
    /// `Rd, Rs, Rm`, where Rm is a shift amount
    RdRsRmAmount,
    /// `Rs, Rm`
    RsRm,
    /// `label`
    Target,
    /// `Rd, [Rs + imm]`
    Load,
    /// `Rm, [Rs + imm]`
    Store,
}

impl Form {
    /// The operands in text, with the instruction's own spelling of them.
    pub const fn text(self) -> &'static str {
        match self {
            Form::None => "",
            Form::Rd => "Rd",
            Form::RdImm => "Rd, imm",
            Form::RdRs => "Rd, Rs",
            Form::RdRsRm | Form::RdRsRmAmount => "Rd, Rs, Rm",
            Form::RdRsAmount => "Rd, Rs, amount",
            Form::RsRm => "Rs, Rm",
            Form::Target => "label",
            Form::Load => "Rd, [Rs + imm]",
            Form::Store => "Rm, [Rs + imm]",
        }
    }

    /// Which of rd, rs, rm are operands.
    const fn registers(self) -> [bool; 3] {
        match self {
            Form::None | Form::Target => [false, false, false],
            Form::Rd | Form::RdImm => [true, false, false],
            Form::RdRs | Form::RdRsAmount | Form::Load => [true, true, false],
            Form::RdRsRm | Form::RdRsRmAmount => [true, true, true],
            Form::RsRm | Form::Store => [false, true, true],
        }
    }

    /// Whether `imm` can be the immediate field of a word.
    const fn allows(self, imm: i16) -> bool {
        match self {
            Form::RdImm | Form::Load | Form::Store => true,
            Form::RdRsAmount => 0 <= imm && imm as i32 <= MAX_SHIFT,
            Form::RdRsRmAmount => imm == BY_REGISTER,
            Form::Target => imm >= 0,
            Form::None | Form::Rd | Form::RdRs | Form::RdRsRm | Form::RsRm => imm == 0,
        }
    }
}

macro_rules! operations {
    ($($op:ident $name:literal $code:literal $form:ident $meaning:literal)*) => {
        /// Operations.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[expect(missing_docs, reason = "the table says what they do")]
        pub enum Op { $($op),* }

        impl Op {
            /// All of them, in the order of their codes.
            pub const ALL: &[Op] = &[$(Op::$op),*];

            /// The mnemonic, which some share.
            pub const fn name(self) -> &'static str {
                match self { $(Op::$op => $name),* }
            }
            /// Bits 31 to 24 of the word, which some share.
            pub const fn code(self) -> u8 {
                match self { $(Op::$op => $code),* }
            }
            /// Its operands.
            pub const fn form(self) -> Form {
                match self { $(Op::$op => Form::$form),* }
            }
            /// What it does, in a line.
            pub const fn meaning(self) -> &'static str {
                match self { $(Op::$op => $meaning),* }
            }
        }
    };
}

operations! {
    Nop    "NOP"   0x00 None         "does nothing"
    Halt   "HALT"  0x01 None         "ends the program"
    MovImm "MOV"   0x10 RdImm        "Rd = imm"
    MovReg "MOV"   0x11 RdRs         "Rd = Rs"
    Add    "ADD"   0x20 RdRsRm       "Rd = Rs + Rm"
    Sub    "SUB"   0x21 RdRsRm       "Rd = Rs - Rm"
    Mul    "MUL"   0x22 RdRsRm       "Rd = Rs * Rm"
    Div    "DIV"   0x23 RdRsRm       "Rd = Rs / Rm, towards zero; 0 when Rm is 0"
    And    "AND"   0x30 RdRsRm       "Rd = Rs & Rm"
    Or     "OR"    0x31 RdRsRm       "Rd = Rs | Rm"
    Xor    "XOR"   0x32 RdRsRm       "Rd = Rs ^ Rm"
    ShlImm "SHL"   0x33 RdRsAmount   "Rd = Rs << amount"
    ShlReg "SHL"   0x33 RdRsRmAmount "Rd = Rs << clamp(Rm)"
    ShrImm "SHR"   0x34 RdRsAmount   "Rd = Rs >> amount, zeros come in"
    ShrReg "SHR"   0x34 RdRsRmAmount "Rd = Rs >> clamp(Rm), zeros come in"
    Inc    "INC"   0x40 Rd           "Rd = Rd + 1"
    Dec    "DEC"   0x41 Rd           "Rd = Rd - 1"
    Cmp    "CMP"   0x50 RsRm         "flags of Rs - Rm"
    Jmp    "JMP"   0x60 Target       "goes to label"
    Jz     "JZ"    0x61 Target       "goes to label if ZF"
    Jnz    "JNZ"   0x62 Target       "goes to label if not ZF"
    Js     "JS"    0x63 Target       "goes to label if SF"
    Jns    "JNS"   0x64 Target       "goes to label if not SF"
    Load   "LOAD"  0x70 Load         "Rd = M[Rs + imm]"
    Store  "STORE" 0x71 Store        "M[Rs + imm] = Rm"
    Call   "CALL"  0x80 Target       "goes to label, RET comes back"
    Ret    "RET"   0x81 None         "goes back behind the last CALL"
}

impl Op {
    /// The operations of a mnemonic, in any case.
    pub fn named(name: &str) -> impl Iterator<Item = Op> + use<'_> {
        Op::ALL.iter().copied().filter(move |op| op.name().eq_ignore_ascii_case(name))
    }

    /// Whether the flags become those of its result.
    pub const fn sets_flags(self) -> bool {
        matches!(
            self.form(),
            Form::Rd
                | Form::RdImm
                | Form::RdRs
                | Form::RdRsRm
                | Form::RdRsAmount
                | Form::RdRsRmAmount
                | Form::RsRm
                | Form::Load
        )
    }
}

/// An instruction. Fields that its [`Form`] does not have are zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Insn {
    /// What it does.
    pub op: Op,
    /// Destination.
    pub rd: Reg,
    /// First source, or base address.
    pub rs: Reg,
    /// Second source, shift amount or stored value.
    pub rm: Reg,
    /// Immediate of 15 bits; address for jumps.
    pub imm: i16,
}

impl Insn {
    /// An instruction without operands.
    pub const fn new(op: Op) -> Insn {
        Insn { op, rd: Reg(0), rs: Reg(0), rm: Reg(0), imm: 0 }
    }

    /// The word: operation in bits 31 to 24, rd in 23 to 21, rs in 20 to 18, rm in 17 to 15, and the
    /// immediate in 14 to 0.
    pub const fn encode(self) -> u32 {
        let imm = match self.op.form() {
            Form::RdRsRmAmount => BY_REGISTER,
            _ => self.imm,
        };
        (self.op.code() as u32) << 24
            | (self.rd.0 as u32) << 21
            | (self.rs.0 as u32) << 18
            | (self.rm.0 as u32) << 15
            | (imm as u32 & 0x7fff)
    }

    /// The instruction of a word, if it is one: fields that are not used have to be zero.
    pub fn decode(word: u32) -> Option<Insn> {
        let (rd, rs, rm) = (Reg::at(word, 21), Reg::at(word, 18), Reg::at(word, 15));
        let imm = ((word << 17) as i32 >> 17) as i16;
        let fits = |op: Op| {
            let used = op.form().registers();
            let zero = [rd, rs, rm].iter().zip(used).all(|(reg, used)| used || reg.0 == 0);
            u32::from(op.code()) == word >> 24 && zero && op.form().allows(imm)
        };
        let op = Op::ALL.iter().copied().find(|&op| fits(op))?;
        let imm = if op.form() == Form::RdRsRmAmount { 0 } else { imm };
        Some(Insn { op, rd, rs, rm, imm })
    }
}

impl fmt::Display for Insn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Insn { op, rd, rs, rm, imm } = self;
        let name = op.name();
        match op.form() {
            Form::None => write!(f, "{name}"),
            Form::Rd => write!(f, "{name} {rd}"),
            Form::RdImm => write!(f, "{name} {rd}, {imm}"),
            Form::RdRs => write!(f, "{name} {rd}, {rs}"),
            Form::RdRsRm | Form::RdRsRmAmount => write!(f, "{name} {rd}, {rs}, {rm}"),
            Form::RdRsAmount => write!(f, "{name} {rd}, {rs}, {imm}"),
            Form::RsRm => write!(f, "{name} {rs}, {rm}"),
            Form::Target => write!(f, "{name} {imm}"),
            Form::Load | Form::Store => {
                let value = if *op == Op::Load { rd } else { rm };
                match imm {
                    0 => write!(f, "{name} {value}, [{rs}]"),
                    1.. => write!(f, "{name} {value}, [{rs} + {imm}]"),
                    _ => write!(f, "{name} {value}, [{rs} - {}]", i32::from(*imm).abs()),
                }
            }
        }
    }
}
