//! A machine with a program made of words, and a host that keeps its output.

#![allow(dead_code, reason = "each test file uses a part")]

use ncpu_alu::NativeAlu;
use ncpu_engine::{
    Boot, Folders, Host, Input, Machine, Pause, Pool, Program, Reason, Rules, boot, drive,
    state_hash,
};
use ncpu_linux::Limits;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// Small tables, so that a machine is quickly made.
pub(crate) const LIMITS: Limits = Limits {
    pages: 256,
    tasks: 4,
    mappings: 64,
    files: 64,
    inodes: 64,
    dentries: 64,
    objects: 4,
    console: 4096,
};

/// Writes a word to each of 16 pages of the stack, counts down from 65,536, changes the word of the
/// first page from 16 to 42, writes "hello\n" and exits with that word.
pub(crate) const PROGRAM: &[u32] = &[
    0xd140_43ff, // sub sp, sp, #65536
    0x9100_03e1, // mov x1, sp
    0xd280_0202, // mov x2, #16
    0xf900_0022, // fill: str x2, [x1]
    0x9140_0421, // add x1, x1, #4096
    0xf100_0442, // subs x2, x2, #1
    0x54ff_ffa1, // b.ne fill
    0xd2a0_0023, // mov x3, #65536
    0xf100_0463, // count: subs x3, x3, #1
    0x54ff_ffe1, // b.ne count
    0x9100_03e1, // mov x1, sp
    0xf940_0024, // ldr x4, [x1]
    0x9100_6884, // add x4, x4, #26
    0xf900_0024, // str x4, [x1]
    0xd280_0020, // mov x0, #1
    0x1000_00e1, // adr x1, message
    0xd280_00c2, // mov x2, #6
    0xd280_0808, // mov x8, #64 (write)
    0xd400_0001, // svc #0
    0xf940_03e0, // ldr x0, [sp]
    0xd280_0ba8, // mov x8, #93 (exit)
    0xd400_0001, // svc #0
    0x6c6c_6568, // message: "hello\n"
    0x0000_0a6f,
];
/// What it retires: before the loops and between them, in them, and after them.
pub(crate) const INSTRUCTIONS: u64 = (3 + 1) + (4 * 16 + 2 * 65_536) + (4 + 8);
/// An instruction in the second loop.
pub(crate) const MIDDLE: u64 = 65_537;
/// The first instruction after the store to the first page.
pub(crate) const STORED: u64 = INSTRUCTIONS - 8;

/// From its input, a byte, plus 1, to 1: the next number is half of an even one, or 1 more than three times an odd
/// one. Ends with the sum of the numbers of the steps that come from odd ones, which is in a vector register.
pub(crate) const STEPS: &[u32] = &[
    0xd100_43ff, // sub sp, sp, #16
    0xd280_0000, // mov x0, #0
    0x9100_03e1, // mov x1, sp
    0xd280_0022, // mov x2, #1
    0xd280_07e8, // mov x8, #63 (read)
    0xd400_0001, // svc #0
    0x3940_03e3, // ldrb w3, [sp]
    0x6f00_e400, // movi v0.2d, #0
    0x9100_0461, // add x1, x3, #1
    0xd280_0002, // mov x2, #0
    0xf100_043f, // step: cmp x1, #1
    0x5400_0140, // b.eq done
    0x9100_0442, // add x2, x2, #1
    0x3600_00c1, // tbz w1, #0, even
    0x8b01_0421, // add x1, x1, x1, lsl #1
    0x9100_0421, // add x1, x1, #1
    0x4e08_0c41, // dup v1.2d, x2
    0x4ee1_8400, // add v0.2d, v0.2d, v1.2d
    0x17ff_fff8, // b step
    0xd341_fc21, // even: lsr x1, x1, #1
    0x17ff_fff6, // b step
    0xd280_1588, // done: mov x8, #172 (getpid)
    0xd400_0001, // svc #0
    0x1400_0001, // b last
    0x4e18_3c00, // last: mov x0, v0.d[1]
    0xd280_0ba8, // mov x8, #93 (exit)
    0xd400_0001, // svc #0
];

/// Copies standard input to standard output, 4,096 bytes at a time.
pub(crate) const CAT: &[u32] = &[
    0xd140_07ff, // sub sp, sp, #4096
    0xd280_0000, // again: mov x0, #0
    0x9100_03e1, // mov x1, sp
    0xd282_0002, // mov x2, #4096
    0xd280_07e8, // mov x8, #63 (read)
    0xd400_0001, // svc #0
    0xf100_001f, // cmp x0, #0
    0x5400_00ed, // b.le end
    0xaa00_03e2, // mov x2, x0
    0xd280_0020, // mov x0, #1
    0x9100_03e1, // mov x1, sp
    0xd280_0808, // mov x8, #64 (write)
    0xd400_0001, // svc #0
    0x17ff_fff4, // b again
    0xd280_0000, // end: mov x0, #0
    0xd280_0ba8, // mov x8, #93 (exit)
    0xd400_0001, // svc #0
];

/// Reads a byte, closes the descriptor of that number, and exits with the number; at 255, it never
/// ends.
pub(crate) const CLOSE: &[u32] = &[
    0xd140_07ff, // sub sp, sp, #4096
    0xd280_0000, // mov x0, #0
    0x9100_03e1, // mov x1, sp
    0xd280_0022, // mov x2, #1
    0xd280_07e8, // mov x8, #63 (read)
    0xd400_0001, // svc #0
    0x3940_03e0, // ldrb w0, [sp]
    0x7103_fc1f, // forever: cmp w0, #255
    0x54ff_ffe0, // b.eq forever
    0xd280_0728, // mov x8, #57 (close)
    0xd400_0001, // svc #0
    0x3940_03e0, // ldrb w0, [sp]
    0xd280_0ba8, // mov x8, #93 (exit)
    0xd400_0001, // svc #0
];

/// Copies up to 4,096 bytes of the file that its first argument names.
pub(crate) const CAT_FILE: &[u32] = &[
    0xf940_0be1, // ldr x1, [sp, #16] (argv[1])
    0x9280_0c60, // mov x0, #-100 (AT_FDCWD)
    0xd280_0002, // mov x2, #0
    0xd280_0708, // mov x8, #56 (openat)
    0xd400_0001, // svc #0
    0xd140_07ff, // sub sp, sp, #4096
    0x9100_03e1, // mov x1, sp
    0xd282_0002, // mov x2, #4096
    0xd280_07e8, // mov x8, #63 (read)
    0xd400_0001, // svc #0
    0xaa00_03e2, // mov x2, x0
    0xd280_0020, // mov x0, #1
    0x9100_03e1, // mov x1, sp
    0xd280_0808, // mov x8, #64 (write)
    0xd400_0001, // svc #0
    0xd280_0000, // mov x0, #0
    0xd280_0ba8, // mov x8, #93 (exit)
    0xd400_0001, // svc #0
];

/// A static AArch64 program of one segment, readable and executable (`man 5 elf`).
fn elf(words: &[u32]) -> Vec<u8> {
    let mut file = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0".to_vec();
    let size = 0x78 + 4 * words.len() as u64;
    file.extend([2, 0, 183, 0, 1, 0, 0, 0]); // ET_EXEC, EM_AARCH64, version 1
    for value in [0x40_0078_u64, 64, 0] {
        file.extend(value.to_le_bytes()); // e_entry, e_phoff, e_shoff
    }
    file.extend([0; 4]);
    for value in [64_u16, 56, 1, 64, 0, 0] {
        file.extend(value.to_le_bytes());
    }
    file.extend([1, 0, 0, 0, 5, 0, 0, 0]); // PT_LOAD, PF_R | PF_X
    for value in [0, 0x40_0000, 0x40_0000, size, size, 0x1000] {
        file.extend(value.to_le_bytes());
    }
    words.iter().for_each(|word| file.extend(word.to_le_bytes()));
    file
}

/// A pool whose root file system has `words` as `/bin/program`.
pub(crate) fn pool(words: &[u32]) -> Arc<Pool> {
    pool_of(words, 4 * LIMITS.pages)
}

/// The same with so many frames.
pub(crate) fn pool_of(words: &[u32], frames: u32) -> Arc<Pool> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("program");
    std::fs::write(&path, elf(words)).unwrap();
    let root = ncpu_image::builtin_with(&[(Path::new("/bin/program"), &path)]).unwrap();
    Pool::new(root, frames).unwrap()
}

/// The program, without arguments.
pub(crate) fn program() -> Program {
    Program {
        path: b"/bin/program".to_vec(),
        arguments: vec![b"program".to_vec()],
        ..Program::default()
    }
}

/// A machine that is about to execute the program.
pub(crate) fn booted(pool: &Arc<Pool>) -> Machine {
    let mut machine = Machine::new(pool, LIMITS).unwrap();
    machine.with_kernel(|kernel| boot(kernel, &Boot::default(), &program())).unwrap();
    machine
}

/// A host that keeps standard output and has no input.
#[derive(Default)]
struct Recorder(Vec<u8>);

impl Host for Recorder {
    fn output(&mut self, stream: u8, bytes: &[u8]) -> io::Result<()> {
        assert_eq!(stream, 1);
        self.0.extend(bytes);
        Ok(())
    }
    fn input(&mut self, _: &mut [u8], _: Option<Duration>) -> io::Result<Input> {
        Ok(Input::End)
    }
}

/// Runs a machine; gives the reason of its end and its output.
pub(crate) fn go_on(machine: &mut Machine, rules: Rules) -> (Reason, Vec<u8>) {
    let mut host = Recorder::default();
    let ending = machine
        .with_kernel(|kernel| drive(kernel, &NativeAlu, &mut host, &mut Folders::default(), rules));
    (ending.reason, host.0)
}

/// Runs to an instruction, which has to be met exactly. Gives the output until there.
pub(crate) fn run_to(machine: &mut Machine, instruction: u64) -> Vec<u8> {
    let (reason, output) =
        go_on(machine, Rules { pause: Some(Pause::At(instruction)), ..Rules::default() });
    assert!(matches!(reason, Reason::Paused), "{reason:?}");
    assert_eq!(machine.with_kernel(|kernel| kernel.header.retired), instruction);
    output
}

/// Runs to the end, which has to be as [`PROGRAM`] says, and returns the state's hash.
pub(crate) fn finish(machine: &mut Machine) -> u128 {
    let (reason, output) = go_on(machine, Rules::default());
    // `man 2 wait4`: the exit status is in the second byte.
    assert!(matches!(reason, Reason::Ended(0x2a00)), "{reason:?}");
    assert_eq!(machine.with_kernel(|kernel| kernel.header.retired), INSTRUCTIONS);
    assert_eq!(output, b"hello\n");
    state_hash(machine)
}
