//! Programs made of words, and the command run on them.

#![allow(dead_code, reason = "each test file uses a part")]

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// Where [`elf`] puts the first word.
pub(crate) const START: u64 = 0x40_0078;

/// A static AArch64 program of one segment, readable and executable: header, one program header and
/// `words` behind it (`man 5 elf`).
pub(crate) fn elf(words: &[u32]) -> Vec<u8> {
    let mut file = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0".to_vec();
    let size = 0x78 + 4 * words.len() as u64;
    let half = |file: &mut Vec<u8>, value: u16| file.extend(value.to_le_bytes());
    let word = |file: &mut Vec<u8>, value: u32| file.extend(value.to_le_bytes());
    let long = |file: &mut Vec<u8>, value: u64| file.extend(value.to_le_bytes());
    half(&mut file, 2); // ET_EXEC
    half(&mut file, 183); // EM_AARCH64
    word(&mut file, 1);
    long(&mut file, START);
    long(&mut file, 64); // e_phoff
    long(&mut file, 0);
    word(&mut file, 0);
    for value in [64, 56, 1, 64, 0, 0] {
        half(&mut file, value);
    }
    word(&mut file, 1); // PT_LOAD
    word(&mut file, 5); // PF_R | PF_X
    for value in [0, 0x40_0000, 0x40_0000, size, size, 0x1000] {
        long(&mut file, value);
    }
    words.iter().for_each(|&value| word(&mut file, value));
    file
}

/// Writes "hello\n" and exits with 7: 8 instructions.
pub(crate) const HELLO: &[u32] = &[
    0xd280_0020, // mov x0, #1
    0x1000_00e1, // adr x1, message
    0xd280_00c2, // mov x2, #6
    0xd280_0808, // mov x8, #64 (write)
    0xd400_0001, // svc #0
    0xd280_00e0, // mov x0, #7
    0xd280_0ba8, // mov x8, #93 (exit)
    0xd400_0001, // svc #0
    0x6c6c_6568, // message: "hello\n"
    0x0000_0a6f,
];

/// Copies standard input to standard output.
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

/// Polls standard input with a zero timeout, over and over, until there is some; then exits with its
/// first byte.
pub(crate) const POLL: &[u32] = &[
    0xd100_c3ff, // sub sp, sp, #48
    0xa900_7fff, // stp xzr, xzr, [sp] (struct timespec)
    0xd2c0_0021, // mov x1, #0x1_0000_0000 (struct pollfd: fd 0, POLLIN)
    0xf900_0be1, // str x1, [sp, #16]
    0x9100_43e0, // again: add x0, sp, #16
    0xd280_0021, // mov x1, #1
    0x9100_03e2, // mov x2, sp
    0xd280_0003, // mov x3, #0
    0xd280_0928, // mov x8, #73 (ppoll)
    0xd400_0001, // svc #0
    0xb4ff_ff40, // cbz x0, again
    0xd280_0000, // mov x0, #0
    0x9100_83e1, // add x1, sp, #32
    0xd280_0022, // mov x2, #1
    0xd280_07e8, // mov x8, #63 (read)
    0xd400_0001, // svc #0
    0x3940_83e0, // ldrb w0, [sp, #32]
    0xd280_0ba8, // mov x8, #93 (exit)
    0xd400_0001, // svc #0
];

/// Counts down from 65,536, then does as [`HELLO`]: 1 + 2 × 65,536 + 8 instructions.
pub(crate) fn count_then_hello() -> Vec<u32> {
    let count = [
        0xd2a0_0023, // mov x3, #65536
        0xf100_0463, // again: subs x3, x3, #1
        0x54ff_ffe1, // b.ne again
    ];
    [&count, HELLO].concat()
}

/// `b .`
pub(crate) const FOREVER: &[u32] = &[0x1400_0000];

/// Writes without end.
pub(crate) const YES: &[u32] = &[
    0xd280_0020, // again: mov x0, #1
    0x10ff_ffe1, // adr x1, again
    0xd280_0082, // mov x2, #4
    0xd280_0808, // mov x8, #64 (write)
    0xd400_0001, // svc #0
    0x17ff_fffb, // b again
];

/// A folder with files, gone when dropped.
pub(crate) struct Folder(tempfile::TempDir);

impl Folder {
    pub(crate) fn new() -> Folder {
        Folder(tempfile::tempdir().unwrap())
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub(crate) fn file(&self, name: &str, contents: &[u8]) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, contents).unwrap();
        path
    }

    pub(crate) fn program(&self, name: &str, words: &[u32]) -> PathBuf {
        self.file(name, &elf(words))
    }
}

/// The command, which keeps no cache.
pub(crate) fn ncpu() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ncpu"));
    command.env("XDG_CACHE_HOME", "/dev/null/none").stdin(Stdio::null());
    command
}

/// Runs `ncpu` with arguments, some of which are paths.
pub(crate) fn run<A: AsRef<Path>>(arguments: &[A]) -> Output {
    ncpu().args(arguments.iter().map(AsRef::as_ref)).output().unwrap()
}

/// Runs a command with an input.
pub(crate) fn with_input(command: &mut Command, input: &[u8]) -> Output {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut pipe = child.stdin.take().unwrap();
    let input = input.to_vec();
    // Apart, because the program may write before it has read everything; and it may read nothing.
    let writer = std::thread::spawn(move || _ = pipe.write_all(&input));
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    output
}

pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The report at the end of what a command wrote to standard error.
pub(crate) fn report(output: &Output) -> serde_json::Value {
    let text = text(&output.stderr);
    let line = text.lines().find(|line| line.starts_with('{')).unwrap_or_else(|| panic!("{text}"));
    serde_json::from_str(line).unwrap()
}
