//! The frame that a signal handler returns through: `struct rt_sigframe` of arm64
//! (`arch/arm64/include/uapi/asm/sigcontext.h` gives the layout that programs may rely on).
//!
//! ```text
//!   0  siginfo            128
//! 128  uc_flags, uc_link   16
//! 144  uc_stack            24   base, flags, size
//! 168  uc_sigmask           8   (and room for 1,024 signals)
//! 304  fault_address        8
//! 312  x0 ... x30         248
//! 560  sp, pc, pstate      24
//! 592  records           4096   fpsimd_context, esr_context after a fault, terminator
//! ```

use super::{Info, SA_NODEFER, SA_ONSTACK, SA_RESETHAND, SA_RESTART, SA_RESTORER, SA_SIGINFO};
use super::{KERNEL_ONLY, SEGV_ACCERR, SEGV_MAPERR, SIG_DFL, SIGSEGV, bit};
use super::{SS_AUTODISARM, SS_DISABLE, SS_ONSTACK, calls, force};
use crate::image::Kernel;
use crate::process::{self, Action, NO_CALL};
use crate::{Block, Errno, SysResult};
use ncpu_machine::{Core, PAGE_SIZE};
use ncpu_uop::slot;

const UC: usize = 128;
const STACK: usize = UC + 16;
const MASK: usize = UC + 40;
const CONTEXT: usize = UC + 176;
const X: usize = CONTEXT + 8;
const SP: usize = X + 31 * 8;
const PC: usize = SP + 8;
const PSTATE: usize = PC + 8;
const RECORDS: usize = CONTEXT + 288;
/// Size of the whole frame.
const BYTES: usize = RECORDS + 4096;

const FPSIMD_MAGIC: u32 = 0x4650_8001;
const FPSIMD_BYTES: u32 = 528;
const ESR_MAGIC: u32 = 0x4553_5201;
const ESR_BYTES: u32 = 16;
/// Bytes of the frame that are ever written; the rest is room for future records.
const USED: usize = RECORDS + FPSIMD_BYTES as usize + ESR_BYTES as usize + 8;

/// Mode, interrupt mask and execution-state bits of PSTATE that a program must leave zero.
const PSTATE_FORBIDDEN: u64 = 0x1f | 0xf << 6;

struct Bytes<'b>(&'b mut [u8]);

impl Bytes<'_> {
    fn put32(&mut self, at: usize, value: u32) {
        self.0[at..at + 4].copy_from_slice(&value.to_le_bytes());
    }
    fn put64(&mut self, at: usize, value: u64) {
        self.0[at..at + 8].copy_from_slice(&value.to_le_bytes());
    }
    fn get32(&self, at: usize) -> u32 {
        self.get64(at) as u32
    }
    fn get64(&self, at: usize) -> u64 {
        let mut bytes = [0; 8];
        bytes.copy_from_slice(&self.0[at..at + 8]);
        u64::from_le_bytes(bytes)
    }
}

/// Makes the task enter the handler of `action`, after ending the system call that it sleeps in.
pub fn enter(kernel: &mut Kernel<'_>, task: usize, action: Action, info: Info) {
    let process = kernel.tasks[task].process as usize;
    if action.flags & SA_RESETHAND != 0 {
        kernel.processes[process].actions[(info.signal as usize - 1) & 63].handler = SIG_DFL;
    }
    end_call(kernel, task, action.flags & SA_RESTART != 0);
    let t = &mut kernel.tasks[task];
    let mask = if t.has_saved_mask != 0 { t.saved_mask } else { t.blocked };
    t.has_saved_mask = 0;
    if push(kernel, task, action, info, mask).is_err() {
        // No stack for the frame: SIGSEGV, and when that is the signal itself, there is no handler
        // for it any more (`man 2 sigaction`, `getrlimit(2)` on RLIMIT_STACK).
        if info.signal == SIGSEGV {
            kernel.processes[process].actions[SIGSEGV as usize - 1].handler = SIG_DFL;
        }
        kernel.tasks[task].blocked = mask;
        force(kernel, task, Info::kernel(SIGSEGV));
        return;
    }
    let t = &mut kernel.tasks[task];
    t.blocked |= action.mask;
    if action.flags & SA_NODEFER == 0 {
        t.blocked |= bit(info.signal);
    }
    t.blocked &= !KERNEL_ONLY;
}

/// A handler interrupts the system call that the task is in: it fails with EINTR, or starts again
/// after the handler.
fn end_call(kernel: &mut Kernel<'_>, task: usize, restart: bool) {
    let t = &mut kernel.tasks[task];
    if t.call == NO_CALL {
        return;
    }
    let core = &mut kernel.cores[task];
    if restart && t.call_slept == process::SLEPT {
        core.set_x(0, t.call_arguments[0]);
        core.pc = core.pc.wrapping_sub(4);
    } else {
        core.set_x(0, -i64::from(Errno::EINTR.0) as u64);
    }
    kernel.end_call(task);
}

/// Whether `sp` is on the task's alternate stack.
fn is_on_alternate(stack: [u64; 3], sp: u64) -> bool {
    let [base, size, flags] = stack;
    flags as u32 & SS_AUTODISARM == 0 && sp > base && sp - base <= size
}

/// `ss_flags` as sigaltstack reports them for a stack pointer.
pub fn stack_flags(stack: [u64; 3], sp: u64) -> u32 {
    let state = match stack[1] {
        0 => SS_DISABLE,
        _ if is_on_alternate(stack, sp) => SS_ONSTACK,
        _ => 0,
    };
    state | stack[2] as u32 & SS_AUTODISARM
}

fn push(
    kernel: &mut Kernel<'_>,
    task: usize,
    action: Action,
    info: Info,
    mask: u64,
) -> Result<(), Errno> {
    let core: Core = kernel.cores[task];
    let t = &kernel.tasks[task];
    let stack = t.alternate_stack;
    let (fault_address, syndrome) = (t.fault_address, t.fault_syndrome);
    let mut sp = core.sp();
    if action.flags & SA_ONSTACK != 0 && stack[1] != 0 && !is_on_alternate(stack, sp) {
        sp = stack[0].wrapping_add(stack[1]);
    }
    let record = (sp & !15).wrapping_sub(16);
    let base = record.wrapping_sub(BYTES as u64);

    let mut buffer = [0u8; USED];
    let mut frame = Bytes(&mut buffer);
    if action.flags & SA_SIGINFO != 0 {
        frame.0[..Info::BYTES].copy_from_slice(&info.to_user());
    }
    frame.put64(STACK, stack[0]);
    frame.put32(STACK + 8, if stack[1] == 0 { SS_DISABLE } else { stack[2] as u32 });
    frame.put64(STACK + 16, stack[1]);
    frame.put64(MASK, mask);
    frame.put64(CONTEXT, fault_address);
    for n in 0..31 {
        frame.put64(X + 8 * n, core.x(n));
    }
    frame.put64(SP, core.sp());
    frame.put64(PC, core.pc);
    frame.put64(PSTATE, core.slots[slot::NZCV as usize] << 28);
    frame.put32(RECORDS, FPSIMD_MAGIC);
    frame.put32(RECORDS + 4, FPSIMD_BYTES);
    frame.put32(RECORDS + 8, core.slots[slot::FPSR as usize] as u32);
    frame.put32(RECORDS + 12, core.slots[slot::FPCR as usize] as u32);
    for half in 0..64 {
        frame.put64(RECORDS + 16 + 8 * half, core.slots[slot::v(0) as usize + half]);
    }
    let after = RECORDS + FPSIMD_BYTES as usize;
    if syndrome != 0 {
        frame.put32(after, ESR_MAGIC);
        frame.put32(after + 4, ESR_BYTES);
        frame.put64(after + 8, syndrome);
    }
    // The last 8 bytes are zero: the terminator.
    kernel.write_user(base, &buffer)?;
    kernel.write_record(record, &[core.x(29), core.x(30)])?;

    if stack[2] as u32 & SS_AUTODISARM != 0 {
        kernel.tasks[task].alternate_stack = [0, 0, u64::from(SS_DISABLE)];
    }
    let process = kernel.tasks[task].process as usize;
    let mm = kernel.processes[process].mm as usize;
    let trampoline = kernel.mms[mm].sigreturn;
    let core = &mut kernel.cores[task];
    core.set_x(0, u64::from(info.signal));
    if action.flags & SA_SIGINFO != 0 {
        core.set_x(1, base);
        core.set_x(2, base + UC as u64);
    }
    core.set_x(29, record);
    core.set_x(30, if action.flags & SA_RESTORER != 0 { action.restorer } else { trampoline });
    core.set_sp(base);
    core.pc = action.handler;
    Ok(())
}

/// rt_sigreturn: restores what [`enter`] saved. A frame that makes no sense is a SIGSEGV.
pub fn rt_sigreturn(kernel: &mut Kernel<'_>) -> SysResult {
    let task = kernel.current();
    let sp = kernel.cores[task].sp();
    if restore(kernel, task, sp).is_err() {
        let mapped = kernel.read_record::<u64>(sp).is_ok();
        let code = if mapped { SEGV_ACCERR } else { SEGV_MAPERR };
        force(kernel, task, Info::fault(SIGSEGV, code, sp));
    }
    Err(Block::NoReturn)
}

fn restore(kernel: &mut Kernel<'_>, task: usize, sp: u64) -> Result<(), Errno> {
    if sp & 15 != 0 {
        return Err(Errno::EFAULT);
    }
    let mut buffer = [0u8; RECORDS];
    kernel.read_user(sp, &mut buffer)?;
    let frame = Bytes(&mut buffer);
    let mut core = kernel.cores[task];
    read_records(kernel, sp, &mut core)?;
    for n in 0..31 {
        core.set_x(n, frame.get64(X + 8 * n));
    }
    core.set_sp(frame.get64(SP));
    core.pc = frame.get64(PC);
    let pstate = frame.get64(PSTATE);
    if pstate & PSTATE_FORBIDDEN != 0 {
        return Err(Errno::EINVAL);
    }
    core.slots[slot::NZCV as usize] = pstate >> 28 & 15;
    core.clear_exclusive();
    kernel.tasks[task].blocked = frame.get64(MASK) & !KERNEL_ONLY;
    let stack = [frame.get64(STACK), frame.get64(STACK + 16), u64::from(frame.get32(STACK + 8))];
    let new_sp = core.sp();
    kernel.cores[task] = core;
    // As in Linux, a stack that cannot be set is not an error here.
    let _ = calls::set_alternate_stack(kernel, task, stack, new_sp);
    Ok(())
}

/// Reads the records behind the general registers; the floating-point state must be among them.
fn read_records(kernel: &mut Kernel<'_>, sp: u64, core: &mut Core) -> Result<(), Errno> {
    let end = sp.wrapping_add(BYTES as u64);
    let mut at = sp.wrapping_add(RECORDS as u64);
    let mut has_fpsimd = false;
    // A record has at least 16 bytes, so that this many is more than fit.
    for _ in 0..PAGE_SIZE / 16 {
        if end.wrapping_sub(at) < 8 {
            return Err(Errno::EINVAL);
        }
        let [magic, size] = kernel.read_record::<[u32; 2]>(at)?;
        if magic == 0 && size == 0 {
            return if has_fpsimd { Ok(()) } else { Err(Errno::EINVAL) };
        }
        if size < 16 || size & 15 != 0 || u64::from(size) > end.wrapping_sub(at) {
            return Err(Errno::EINVAL);
        }
        match magic {
            FPSIMD_MAGIC if !has_fpsimd && size == FPSIMD_BYTES => {
                let mut buffer = [0u8; FPSIMD_BYTES as usize];
                kernel.read_user(at, &mut buffer)?;
                let record = Bytes(&mut buffer);
                // Bits that the registers do not have stay zero (Arm ARM C5.2.8 and C5.2.10).
                core.slots[slot::FPSR as usize] = u64::from(record.get32(8)) & 0xf800_009f;
                core.slots[slot::FPCR as usize] = u64::from(record.get32(12)) & FPCR_WRITABLE;
                for half in 0..64 {
                    core.slots[slot::v(0) as usize + half] = record.get64(16 + 8 * half);
                }
                has_fpsimd = true;
            }
            ESR_MAGIC => {}
            _ => return Err(Errno::EINVAL),
        }
        at = at.wrapping_add(u64::from(size));
    }
    Err(Errno::EINVAL)
}

/// AHP, DN, FZ, RMode, FZ16, and the AArch32 fields Stride and Len, which hold their value.
const FPCR_WRITABLE: u64 = 0x07ff_0000;
