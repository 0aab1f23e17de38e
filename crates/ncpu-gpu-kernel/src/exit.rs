//! [`Exit`] as three words: the module that executes and the one that serves are compiled apart.

use ncpu_machine::{Access, Exit, Fault, FaultKind};

const BUDGET: u64 = 0;
const SYSTEM_CALL: u64 = 1;
const BREAKPOINT: u64 = 2;
const UNDEFINED: u64 = 3;
const FAULT: u64 = 4;
const STOPPED: u64 = 5;

/// The words of an exit.
pub fn encode(exit: Exit) -> [u64; 3] {
    match exit {
        // What has not been lifted is lifted between slices.
        Exit::Budget | Exit::Unlifted => [BUDGET, 0, 0],
        Exit::Stopped => [STOPPED, 0, 0],
        Exit::SystemCall(immediate) => [SYSTEM_CALL, immediate.into(), 0],
        Exit::Breakpoint(immediate) => [BREAKPOINT, immediate.into(), 0],
        Exit::Undefined(word) => [UNDEFINED, word.into(), 0],
        Exit::Fault(fault) => {
            let access = match fault.access {
                Access::Read => 0,
                Access::Write => 1,
                Access::Execute => 2,
            };
            let kind = match fault.kind {
                FaultKind::Translation => 0,
                FaultKind::Permission => 1,
                FaultKind::Alignment => 2,
                FaultKind::OutOfMemory => 3,
            };
            [FAULT | access << 8 | kind << 16, fault.address, 0]
        }
    }
}

/// The exit with these words.
pub fn decode([what, value, _]: [u64; 3]) -> Exit {
    match what & 0xff {
        SYSTEM_CALL => Exit::SystemCall(value as u16),
        BREAKPOINT => Exit::Breakpoint(value as u16),
        UNDEFINED => Exit::Undefined(value as u32),
        FAULT => {
            let access = match what >> 8 & 0xff {
                0 => Access::Read,
                1 => Access::Write,
                _ => Access::Execute,
            };
            let kind = match what >> 16 & 0xff {
                0 => FaultKind::Translation,
                1 => FaultKind::Permission,
                2 => FaultKind::Alignment,
                _ => FaultKind::OutOfMemory,
            };
            Exit::Fault(Fault { address: value, access, kind })
        }
        STOPPED => Exit::Stopped,
        _ => Exit::Budget,
    }
}
