//! What a translated program writes to standard error about its state: a record before each
//! instruction when it is watched, and one at the end, which its data memory follows.

use super::isa::{MEMORY, Reg};
use std::fmt;

/// Bytes of a record: little-endian words of 32 bits, in the order of [`Field`].
pub(crate) const BYTES: usize = 4 * Field::COUNT;

/// Places in a record, in words.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Field {
    /// A [`Kind`].
    Kind = 0,
    /// Instruction that is next.
    Pc = 1,
    /// Cycles left, 64 bits.
    Left = 2,
    /// R0 to R7.
    Registers = 4,
    /// The last result, whose zero and sign are the flags.
    Result = 12,
    /// Open calls.
    Calls = 13,
    /// Address of a memory access that failed.
    Address = 14,
}

impl Field {
    pub(crate) const COUNT: usize = 16;

    /// Offset in bytes.
    pub(crate) const fn offset(self) -> u32 {
        4 * self as u32
    }
}

/// Why a record was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub(crate) enum Kind {
    Step = 0,
    Halted = 1,
    OutOfCycles = 2,
    Load = 3,
    Store = 4,
    TooManyCalls = 5,
    NoCall = 6,
    Invalid = 7,
}

/// Registers, flags and counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct State {
    /// Instruction that is next; when the program has trapped, the one that did.
    pub pc: usize,
    /// Instructions executed, `HALT` included.
    pub cycles: u64,
    /// R0 to R7.
    pub registers: [i32; 8],
    /// Zero flag: the last result was 0.
    pub zero: bool,
    /// Sign flag: the last result was negative.
    pub sign: bool,
    /// Calls that have not returned.
    pub calls: u32,
}

impl State {
    /// The value of a register.
    pub const fn register(&self, reg: Reg) -> i32 {
        self.registers[reg.number() as usize]
    }

    /// The flags that are set, as in `ZF SF`; `-` when there is none.
    pub fn flags(&self) -> &'static str {
        match (self.zero, self.sign) {
            (false, false) => "-",
            (true, false) => "ZF",
            (false, true) => "SF",
            (true, true) => "ZF SF",
        }
    }
}

/// Why a program ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// `HALT`, or the end of the program.
    Halted,
    /// The given number of cycles is used up.
    OutOfCycles,
    /// It did what cannot be done.
    Trap(Trap),
}

/// What cannot be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trap {
    /// A load from outside the data memory.
    Load {
        /// From where.
        address: i32,
    },
    /// A store to outside the data memory.
    Store {
        /// To where.
        address: i32,
    },
    /// More open calls than there is room for.
    TooManyCalls,
    /// A return without a call.
    NoCall,
    /// A word that is no instruction.
    Invalid,
}

impl fmt::Display for Trap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let last = MEMORY - 1;
        match self {
            Trap::Load { address } => {
                write!(f, "LOAD from address {address}; data memory is 0 to {last}")
            }
            Trap::Store { address } => {
                write!(f, "STORE to address {address}; data memory is 0 to {last}")
            }
            Trap::TooManyCalls => {
                write!(
                    f,
                    "CALL with {} calls open already, which is the most",
                    super::isa::MAX_CALLS
                )
            }
            Trap::NoCall => write!(f, "RET without a CALL"),
            Trap::Invalid => write!(f, "the word is no instruction"),
        }
    }
}

/// What was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// The state before an instruction.
    Step(State),
    /// The last state, and the words of the data memory.
    Ended(End, State, Vec<i32>),
}

/// Puts records together from pieces of a stream.
#[derive(Debug)]
pub struct Reader {
    bytes: Vec<u8>,
    max_cycles: u64,
}

impl Reader {
    /// A reader for a program that was translated for so many cycles.
    pub fn new(max_cycles: u64) -> Reader {
        Reader { bytes: Vec::new(), max_cycles }
    }

    /// Takes a piece of the stream.
    pub fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend(bytes);
    }
}

impl Iterator for Reader {
    type Item = Event;

    /// The next event, if all of it has come.
    fn next(&mut self) -> Option<Event> {
        let word = |index: usize| -> Option<u32> {
            let bytes = self.bytes.get(4 * index..4 * index + 4)?;
            Some(u32::from_le_bytes(bytes.try_into().ok()?))
        };
        word(Field::COUNT - 1)?;
        let at = |field: Field| word(field as usize);
        let (left, result) = (Field::Left as usize, at(Field::Result)? as i32);
        let left = u64::from(word(left)?) | u64::from(word(left + 1)?) << 32;
        let mut registers = [0; 8];
        for (index, register) in registers.iter_mut().enumerate() {
            *register = word(Field::Registers as usize + index)? as i32;
        }
        let state = State {
            pc: at(Field::Pc)? as usize,
            cycles: self.max_cycles.wrapping_sub(left),
            registers,
            zero: result == 0,
            sign: result < 0,
            calls: at(Field::Calls)?,
        };
        let address = at(Field::Address)? as i32;
        let kind = at(Field::Kind)?;
        let end = match kind {
            k if k == Kind::Step as u32 => {
                self.bytes.drain(..BYTES);
                return Some(Event::Step(state));
            }
            k if k == Kind::Halted as u32 => End::Halted,
            k if k == Kind::OutOfCycles as u32 => End::OutOfCycles,
            k if k == Kind::Load as u32 => End::Trap(Trap::Load { address }),
            k if k == Kind::Store as u32 => End::Trap(Trap::Store { address }),
            k if k == Kind::TooManyCalls as u32 => End::Trap(Trap::TooManyCalls),
            k if k == Kind::NoCall as u32 => End::Trap(Trap::NoCall),
            _ => End::Trap(Trap::Invalid),
        };
        let memory = self.bytes.get(BYTES..BYTES + 4 * MEMORY)?.chunks_exact(4);
        let memory = memory.map(|word| i32::from_le_bytes([word[0], word[1], word[2], word[3]]));
        let event = Event::Ended(end, state, memory.collect());
        self.bytes.clear();
        Some(event)
    }
}
