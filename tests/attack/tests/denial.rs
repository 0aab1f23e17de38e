//! Programs that take all they can get. The machine stays within its limits, and its kernel answers
//! as Linux does; each program ends with the error number as its status.

use attack::machine::{self, FUEL, PROGRAM, SMALL};
use attack::program::{Assembly, DATA, SVC, plain};
use ncpu_engine::{Boot, Machine, Pool, Reason};

const ENOMEM: u32 = 12;
const EAGAIN: u32 = 11;
const EMFILE: u32 = 24;
const ENOSPC: u32 = 28;
const ELOOP: u32 = 40;
const E2BIG: i32 = 7;
const SIGSEGV: u32 = 11;
const SIGKILL: u32 = 9;
const AT_FDCWD: u64 = -100i64 as u64;

/// Exit status `code` as wait(2) encodes it.
fn exited(code: u32) -> u32 {
    code << 8
}

/// Runs a program with fuel for a while and returns its wait status.
fn status(code: &Assembly) -> Option<u32> {
    match machine::run_elf(&plain(&code.words), 20 * FUEL) {
        Ok(Some(Reason::Ended(status))) => Some(status),
        Ok(Some(Reason::Fuel)) => None,
        other => panic!("{other:?}"),
    }
}

/// Appends stores of a string to the start of the data segment.
fn string(code: &mut Assembly, at: u64, text: &[u8]) {
    code.set(10, DATA.start + at);
    for chunk in text.chunks(8) {
        let mut word = [0; 8];
        word[..chunk.len()].copy_from_slice(chunk);
        code.set(9, u64::from_le_bytes(word));
        code.put(&[0xf800_8549]); // str x9, [x10], #8
    }
}

/// Calls until one fails; its error is the status.
fn until_error(mut code: Assembly, number: u64, arguments: &[u64]) -> Option<u32> {
    let again = code.here();
    code.call(number, arguments);
    code.branch_unless_error(again);
    code.exit_with_errno();
    status(&code)
}

#[test]
fn fork_bomb() {
    // Children fork too; the first to be refused ends, and in the end the first process is.
    let ended = until_error(Assembly::default(), 220, &[17, 0, 0, 0, 0]);
    assert_eq!(ended, Some(exited(EAGAIN)));
}

#[test]
fn open_files() {
    let mut code = Assembly::default();
    string(&mut code, 0, b"/\0");
    // RLIMIT_NOFILE is below the machine's own limit.
    string(&mut code, 64, &[32u64.to_le_bytes(), 32u64.to_le_bytes()].concat());
    code.call(261, &[0, 7, DATA.start + 64, 0]);
    assert_eq!(until_error(code, 56, &[AT_FDCWD, DATA.start, 0]), Some(exited(EMFILE)));
}

#[test]
fn more_open_files_than_the_machine_has() {
    let mut code = Assembly::default();
    string(&mut code, 0, b"/\0");
    // ENFILE of `man 2 open`: the limit of the whole system.
    assert_eq!(until_error(code, 56, &[AT_FDCWD, DATA.start, 0]), Some(exited(23)));
}

#[test]
fn mappings() {
    let map = [0, 4096, 1, 0x22, u64::MAX, 0];
    // Mappings that cannot be merged: every other page has other rights.
    let mut code = Assembly::default();
    let again = code.here();
    code.call(222, &map);
    code.put(&[0xb7f8_0000 | 5 << 5]); // tbnz x0, #63, +20
    code.set(2, 3);
    code.set(8, 222);
    code.put(&[SVC]);
    code.branch_unless_error(again);
    code.exit_with_errno();
    let ended = status(&code);
    assert_eq!(ended, Some(exited(ENOMEM)));
}

#[test]
fn memory() {
    // 1 GiB of anonymous memory, written page by page, in a machine of 8 MiB: the out-of-memory
    // killer's SIGKILL.
    let mut code = Assembly::default();
    code.call(222, &[0, 1 << 30, 3, 0x4022, u64::MAX, 0]);
    let again = code.here();
    code.put(&[0xf900_0000, 0x9140_0400]); // str x0, [x0]; add x0, x0, #1, lsl #12
    code.branch(again);
    assert_eq!(status(&code), Some(SIGKILL));
}

#[test]
fn signals_in_signals() {
    // A handler of SIGSEGV that faults, on a stack that ends.
    let mut code = Assembly::default();
    let handler = attack::program::CODE.start + 4 * 40;
    string(&mut code, 0, &[handler, 0x4000_0004, 0, 0].map(u64::to_le_bytes).concat());
    code.call(134, &[11, DATA.start, 0, 8]);
    while code.here() < 40 {
        code.put(&[0xd503_201f]); // nop
    }
    code.set(1, 0);
    code.put(&[0xf940_0020]); // ldr x0, [x1]
    assert_eq!(status(&code), Some(SIGSEGV));
}

#[test]
fn a_handler_that_can_never_run_uses_up_fuel() {
    // On an alternate stack in the middle of writable memory, a handler at address 0 is entered for
    // ever: on arm64, Linux starts again at the top of the stack that it has left.
    let mut code = Assembly::default();
    let action = [8u64, 0x4800_0004, 0, 0].map(u64::to_le_bytes).concat();
    let stack = [DATA.start + 0x1_0000, 0, 0x4000].map(u64::to_le_bytes).concat();
    string(&mut code, 0, &action);
    string(&mut code, 64, &stack);
    code.call(132, &[DATA.start + 64, 0]);
    code.call(134, &[11, DATA.start, 0, 8]);
    code.set(1, 0);
    code.put(&[0xf940_0020]); // ldr x0, [x1]
    assert_eq!(status(&code), None);
}

#[test]
fn files_of_the_overlay() {
    // mkdirat and chdir into it, deeper and deeper.
    let mut code = Assembly::default();
    string(&mut code, 0, b"/tmp\0");
    code.call(49, &[DATA.start]);
    string(&mut code, 0, b"d\0\0\0\0");
    let again = code.here();
    code.call(34, &[AT_FDCWD, DATA.start, 0o755]);
    code.put(&[0xb7f8_0000 | 5 << 5]); // tbnz x0, #63, +20
    code.set(0, DATA.start);
    code.set(8, 49);
    code.put(&[SVC]);
    code.branch_unless_error(again);
    code.exit_with_errno();
    assert_eq!(status(&code), Some(exited(ENOSPC)));
}

#[test]
fn bytes_of_the_overlay() {
    let mut code = Assembly::default();
    string(&mut code, 0, b"/tmp/f\0");
    code.call(56, &[AT_FDCWD, DATA.start, 0o101, 0o644]);
    let again = code.here();
    code.call(64, &[3, DATA.start, 0x1_0000]);
    code.branch_unless_error(again);
    code.exit_with_errno();
    assert_eq!(status(&code), Some(exited(ENOSPC)));
}

#[test]
fn links_that_never_end() {
    let mut code = Assembly::default();
    string(&mut code, 0, b"/tmp/l\0");
    code.call(36, &[DATA.start, AT_FDCWD, DATA.start]);
    code.call(56, &[AT_FDCWD, DATA.start, 0]);
    code.exit_with_errno();
    assert_eq!(status(&code), Some(exited(ELOOP)));
}

#[test]
fn arguments_without_end() {
    let Ok(root) = machine::root(&[(PROGRAM, &attack::elf::seed())]) else { panic!("no root") };
    let Ok(pool) = Pool::new(root, SMALL.pages) else { panic!("no pool") };
    let Ok(mut machine) = Machine::new(&pool, SMALL) else { panic!("no machine") };
    let mut program = machine::program();
    // One string longer than MAX_ARG_STRLEN, 32 pages (`man 2 execve`).
    program.arguments.push(vec![b'x'; 1 << 18]);
    let result = machine.with_kernel(|k| ncpu_engine::boot(k, &Boot::default(), &program));
    match result {
        Err(ncpu_engine::BootError::Execute { errno, .. }) => assert_eq!(errno.0 as i32, E2BIG),
        other => panic!("{other:?}"),
    }
}
