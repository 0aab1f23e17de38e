//! Files and options that cannot be used: a message and a status, never a panic.

mod support;

use std::path::Path;
use support::{Folder, HELLO, elf, ncpu, text};

/// Changes bytes of a good program.
fn changed(changes: &[(usize, u8)]) -> Vec<u8> {
    let mut file = elf(HELLO);
    changes.iter().for_each(|&(offset, value)| file[offset] = value);
    file
}

/// Runs a subcommand on a file and returns status and message.
fn status(command: &str, path: &Path) -> (i32, String) {
    let output = ncpu().args([command]).arg(path).output().unwrap();
    let message = text(&output.stderr);
    assert!(!message.contains("panicked"), "{message}");
    (output.status.code().unwrap(), message)
}

#[test]
fn files_that_are_no_programs() {
    let folder = Folder::new();
    let cases: &[(&str, Vec<u8>, &str)] = &[
        ("text", b"just text\n".to_vec(), "neither an ELF file nor a script"),
        ("script", b"#!/bin/sh\necho\n".to_vec(), "/bin/sh"),
        ("empty", Vec::new(), "empty"),
        ("magic", b"\x7fELF".to_vec(), "truncated"),
        ("header", elf(HELLO)[..40].to_vec(), "truncated"),
        ("arm", changed(&[(4, 1), (18, 40)]), "32-bit"),
        ("order", changed(&[(5, 2), (18, 0), (19, 183)]), "big-endian"),
        ("x86", changed(&[(18, 62)]), "x86-64"),
        ("riscv", changed(&[(18, 243)]), "AArch64"),
        ("object", changed(&[(16, 1)]), "object file"),
        ("core", changed(&[(16, 4)]), "core dump"),
    ];
    for (name, contents, expected) in cases {
        let (code, message) = status("run", &folder.file(name, contents));
        assert!([126, 127].contains(&code), "{name}: {code}: {message}");
        assert!(message.contains(expected), "{name}: {message}");
        assert_eq!(message.lines().count(), 1, "{name}: {message}");
    }
}

#[test]
fn a_missing_interpreter_is_named() {
    let folder = Folder::new();
    let mut file = elf(HELLO);
    // A second program header, PT_INTERP, over the first words of the code.
    file[56] = 2;
    let name = b"/lib/ld-none.so.1\0";
    file.truncate(0x78);
    file.extend(3_u32.to_le_bytes());
    file.extend(4_u32.to_le_bytes());
    for value in [0xb0_u64, 0x40_00b0, 0x40_00b0, name.len() as u64, name.len() as u64, 1] {
        file.extend(value.to_le_bytes());
    }
    file.extend(name);
    let size = (file.len() as u64).to_le_bytes();
    file[0x60..0x68].copy_from_slice(&size);
    file[0x68..0x70].copy_from_slice(&size);
    let (code, message) = status("run", &folder.file("dynamic", &file));
    assert_eq!(code, 127, "{message}");
    assert!(message.contains("/lib/ld-none.so.1") && message.contains("--rootfs"), "{message}");
}

#[test]
fn every_prefix_of_a_program_is_survived() {
    let folder = Folder::new();
    let file = elf(HELLO);
    for length in (0..file.len()).step_by(3) {
        let path = folder.file("prefix", &file[..length]);
        for command in ["inspect", "disasm"] {
            let (code, message) = status(command, &path);
            assert!([0, 125].contains(&code), "{command} {length}: {code}: {message}");
        }
        let (code, message) = status("run", &path);
        // As on Linux, a file that lacks instructions leaves zeros to execute: SIGILL. If only
        // the text is cut, the program is whole.
        assert!([126, 132, 7].contains(&code), "{length}: {code}: {message}");
    }
}

#[test]
fn every_damaged_header_is_survived() {
    let folder = Folder::new();
    for offset in 16..0x78 {
        for value in [0xff, 0x80] {
            let path = folder.file("damaged", &changed(&[(offset, value)]));
            for command in ["inspect", "disasm"] {
                let (code, message) = status(command, &path);
                assert!([0, 125].contains(&code), "{command} {offset}: {code}: {message}");
            }
        }
    }
}

#[test]
fn paths_that_are_no_files() {
    let folder = Folder::new();
    let (code, message) = status("run", &folder.path("nothing"));
    assert!(code == 127 && message.contains("No such file"), "{message}");
    let (code, message) = status("run", &folder.path("."));
    assert!(code == 126 && message.contains("folder"), "{message}");
    for command in ["inspect", "disasm"] {
        let (code, message) = status(command, &folder.path("nothing"));
        assert!(code == 125 && message.contains("No such file"), "{message}");
        let (code, message) = status(command, Path::new("/"));
        assert!(code == 125 && message.contains("directory"), "{message}");
    }
}

#[test]
fn options_that_make_no_sense() {
    let folder = Folder::new();
    let program = folder.program("hello", HELLO);
    let cases: &[(&[&str], &str)] = &[
        (&["--mem", "1X"], "suffix"),
        (&["--mem", "4K"], "between 1M and 1T"),
        (&["--fuel", "many"], "count"),
        (&["--timeout", "1y"], "unit"),
        (&["--time", "yesterday"], "date"),
        (&["--limit", "dentries=1000"], "power of two"),
        (&["--limit", "wheels=4"], "no limit"),
        (&["--hostname", "a b"], "host name"),
        (&["-w", "relative"], "absolute"),
        (&["-e", "=x"], "NAME=VALUE"),
        (&["-u", "nosuchuser"], "/etc/passwd"),
        (&["-u", "0:nosuchgroup"], "/etc/group"),
        (&["--env-file", "/no/such/file"], "No such file"),
        (&["--rootfs", "/no/such/file"], "No such file"),
        (&["-v", "/no/such/file:/mnt"], "No such file"),
        (&["-v", "/tmp"], "HOST:GUEST"),
        (&["-v", "/tmp:relative"], "absolute"),
        (&["--alu", "neural", "--weights", "/no/such/folder"], "ncpu train alu"),
        (&["--engine", "abacus"], "possible values"),
        (&["--snapshot-at", "1"], "--snapshot"),
        (&["--stop"], "--snapshot"),
        (&["--repeat", "0"], "0"),
        (&["--repeat", "2", "-t"], "cannot be used with"),
        (&["--report-file", "x"], "--report"),
        (&["--wings"], "unexpected argument"),
    ];
    for (options, expected) in cases {
        let output = ncpu().arg("run").args(*options).arg(&program).output().unwrap();
        let message = text(&output.stderr);
        assert_eq!(output.status.code(), Some(125), "{options:?}: {message}");
        assert!(message.contains(expected), "{options:?}: {message}");
        assert_eq!(text(&output.stdout), "", "{options:?}");
    }
    let output = ncpu().arg("run").output().unwrap();
    assert_eq!(output.status.code(), Some(125));
    assert!(text(&output.stderr).contains("nothing to run"));
}

#[test]
fn limits_that_leave_no_room_are_an_error_and_no_crash() {
    let folder = Folder::new();
    let program = folder.program("hello", HELLO);
    for limit in ["tasks=1", "mappings=1", "files=1", "inodes=1", "dentries=1", "objects=1"] {
        let output = ncpu().args(["run", "--limit", limit]).arg(&program).output().unwrap();
        let message = text(&output.stderr);
        let code = output.status.code().unwrap();
        assert!(!message.contains("panicked"), "{limit}: {message}");
        assert!([7, 125, 126].contains(&code), "{limit}: {code}: {message}");
    }
}
