//! Observers: analyses that ride along with execution.

use crate::cpu::Core;

/// What an observer wants after seeing an instruction about to execute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flow {
    /// Execute it.
    Continue,
    /// Stop in front of it.
    Stop,
}

/// Called by the interpreter; every method has an empty default. The plain run uses `()`, for which
/// [`Observer::ACTIVE`] is false and no call is even compiled.
pub trait Observer {
    /// Whether instructions have to be executed one by one, without fused micro-ops.
    const ACTIVE: bool = true;

    /// Before the guest instruction at `core.pc`.
    fn insn(&mut self, core: &Core) -> Flow {
        let _ = core;
        Flow::Continue
    }
    /// A load of `size` bytes at `address` has been done.
    fn load(&mut self, address: u64, size: u64) {
        let _ = (address, size);
    }
    /// A store of `size` bytes at `address` has been done.
    fn store(&mut self, address: u64, size: u64) {
        let _ = (address, size);
    }
    /// A branch was taken to `target`.
    fn branch(&mut self, target: u64) {
        let _ = target;
    }
}

impl Observer for () {
    const ACTIVE: bool = false;
}

/// Stops after an exact number of instructions.
#[derive(Clone, Copy, Debug)]
pub struct StopAfter(pub u64);

impl Observer for StopAfter {
    fn insn(&mut self, _: &Core) -> Flow {
        if self.0 == 0 {
            return Flow::Stop;
        }
        self.0 -= 1;
        Flow::Continue
    }
}
