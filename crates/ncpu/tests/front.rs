//! `ncpu asm`, `ncpu muxleq` and `ncpu subleq`.

mod support;

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use support::{Folder, ncpu, report, run, text, with_input};

/// Options for every engine with every ALU, and how a report names them.
const WAYS: [(&[&str], &str, &str); 3] = [
    (&["--engine", "cpu"], "cpu", "native"),
    (
        &["--alu", "neural", "--weights", concat!(env!("CARGO_MANIFEST_DIR"), "/../../models/alu")],
        "cpu",
        "neural",
    ),
    (&["--engine", "gpu-emulated"], "gpu-emulated", "native"),
];

fn guest(name: &str) -> PathBuf {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../guest")).join(name)
}

/// Runs `ncpu` with options, a file and an input.
fn ncpu_on(options: &[&str], file: &Path, input: &[u8]) -> Output {
    let mut command = ncpu();
    with_input(command.args(options).arg(file), input)
}

/// Exit status, standard output and standard error.
fn all(output: &Output) -> (Option<i32>, String, String) {
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

#[test]
fn a_program_ends_alike_on_every_engine() {
    let outputs = WAYS.map(|(way, ..)| {
        let options = [&["asm", "run", "--report", "json"], way].concat();
        let output = ncpu_on(&options, &guest("asm/gcd.ncpu"), b"");
        assert_eq!(text(&output.stdout), "R0 = 12\nR1 = 12\nflags ZF\ncycles 20\n");
        assert_eq!(output.status.code(), Some(0));
        report(&output)
    });
    for ((_, engine, alu), report) in WAYS.iter().zip(&outputs) {
        assert_eq!((&report["engine"], &report["alu"]), (&(*engine).into(), &(*alu).into()));
        assert_eq!((&report["ended"], &report["cycles"]), (&"halted".into(), &20.into()));
        assert_eq!(report["registers"], serde_json::json!([12, 12, 0, 0, 0, 0, 0, 0]));
        for field in ["instructions", "state_hash"] {
            assert_eq!(report[field], outputs[0][field], "{field}");
        }
    }
}

#[test]
fn a_trace_shows_each_instruction_and_what_it_changed() {
    let folder = Folder::new();
    let file = folder.file("t.ncpu", b"MOV R1, 2\nn: DEC R1\nJNZ n\n");
    for (way, ..) in WAYS {
        let output = ncpu_on(&[&["asm", "run", "--trace"], way].concat(), &file, b"");
        let expected = "       1     0  MOV R1, 2              -      R1=2\n       \
                        2     1  DEC R1                 -      R1=1\n       \
                        3     2  JNZ 1                  -\n       \
                        4     1  DEC R1                 ZF     R1=0\n       \
                        5     2  JNZ 1                  ZF\n\
                        flags ZF\ncycles 5\n";
        assert_eq!(all(&output), (Some(0), expected.into(), String::new()), "{way:?}");
    }
}

#[test]
fn steps_wait_for_the_user() {
    let folder = Folder::new();
    let file = folder.file("t.ncpu", b"MOV R1, 2\n\nINC R1\nHALT\n");
    for (way, ..) in WAYS {
        let step = |input| ncpu_on(&[&["asm", "run", "--step"], way].concat(), &file, input);
        let expected = "line 1: MOV R1, 2  (Enter, c, q) \n       \
                        1     0  MOV R1, 2              -      R1=2\n\
                        line 3: INC R1  (Enter, c, q) \nR1 = 3\nflags -\ncycles 3\n";
        assert_eq!(all(&step(b"\nc\n")), (Some(0), expected.into(), String::new()));
        // The end of input is no reason to stop.
        assert_eq!(all(&step(b"\n")), (Some(0), expected.into(), String::new()));
        let (status, shown, said) = all(&step(b"q\n"));
        assert_eq!((status, shown), (Some(130), "line 1: MOV R1, 2  (Enter, c, q) \n".into()));
        assert!(said.contains("ended before the program did: quit"), "{said}");
    }
}

#[test]
fn programs_are_built_and_listed() {
    let folder = Folder::new();
    let file = folder.file("t.ncpu", b"Start: MOV R1, -1\nJMP start\n");
    let listing = "    0  10207fff  MOV R1, -1\n    1  60000000  JMP 0\n";
    assert_eq!(all(&ncpu_on(&["asm", "dump"], &file, b"")).1, format!("start:\n{listing}"));
    let words = folder.path("t.bin");
    let built = run(&["asm".as_ref(), "build".as_ref(), file.as_path(), "-o".as_ref(), &words]);
    assert_eq!(built.status.code(), Some(0), "{}", text(&built.stderr));
    assert_eq!(fs::read(&words).unwrap(), [0xff, 0x7f, 0x20, 0x10, 0, 0, 0, 0x60]);
    assert_eq!(all(&ncpu_on(&["asm", "dump", "--words"], &words, b"")).1, listing);
    let odd = folder.file("odd", &[0; 5]);
    let (status, _, said) = all(&ncpu_on(&["asm", "dump", "--words"], &odd, b""));
    assert_eq!(status, Some(125));
    assert!(said.contains("5 bytes are no whole number of words"), "{said}");
}

#[test]
fn a_program_built_as_elf_is_one_like_others() {
    let folder = Folder::new();
    let elf = folder.path("gcd");
    let mut build = ncpu();
    build.args(["asm", "build", "--format", "elf", "-o"]).arg(&elf).arg(guest("asm/gcd.ncpu"));
    assert_eq!(build.status().unwrap().code(), Some(0));
    let output = ncpu_on(&["run"], &elf, b"");
    assert_eq!((output.status.code(), output.stdout.len()), (Some(0), 0));
    // Kind 1 (halted), instruction 9, 20 cycles of a million, R0 and R1 (docs/asm.md).
    let record: Vec<u8> =
        [1_u32, 9, 999_980, 0, 12, 12].iter().flat_map(|w| w.to_le_bytes()).collect();
    assert_eq!(output.stderr[..24], record);
}

#[test]
fn programs_that_do_not_halt_say_why() {
    let folder = Folder::new();
    for (source, options, status, expected) in [
        ("NOP\n\n RET", &[][..], 1, ":3: RET without a CALL"),
        ("MOV R1, -3\nLOAD R0, [R1]", &[], 1, ":2: LOAD from address -3; data memory is 0 to 4095"),
        ("a: JMP a", &["--max-cycles", "5"], 124, ": stopped: 5 cycles are used up (--max-cycles)"),
        ("a: JMP a", &["--fuel", "2k"], 124, ": the run ended before the program did: fuel"),
    ] {
        let file = folder.file("t.ncpu", source.as_bytes());
        let output = ncpu_on(&[&["asm", "run"][..], options].concat(), &file, b"");
        let expected = format!("ncpu: {}{expected}\n", file.display());
        assert_eq!((output.status.code(), text(&output.stderr)), (Some(status), expected));
    }
}

#[test]
fn bad_programs_are_refused_with_their_place() {
    let folder = Folder::new();
    let file = folder.file("t.ncpu", b"NOP\n ADD R1, R8, R2\n JMP nowhere\n");
    let (status, shown, said) = all(&ncpu_on(&["asm", "run"], &file, b""));
    let path = file.display();
    let expected = format!(
        "ncpu: cannot assemble\n\
         {path}:2:10: a register, R0 to R7, was expected here\n    \
         2 |  ADD R1, R8, R2\n      \
         |          ^^\n      \
         = it is written ADD Rd, Rs, Rm\n\
         {path}:3:6: there is no label \"nowhere\"\n    \
         3 |  JMP nowhere\n      \
         |      ^^^^^^^\n\
         {path}: 2 errors\n"
    );
    assert_eq!((status, shown, said), (Some(125), String::new(), expected));
    for (name, contents, expected) in [
        ("missing", None, "No such file or directory"),
        ("binary", Some(&b"NOP\n\xff"[..]), ":2: byte 4 is no text (UTF-8)"),
        (
            "large",
            Some(&vec![b'\n'; (4 << 20) + 1]),
            "the file is too large: at most 4194304 bytes",
        ),
    ] {
        let path = folder.path(name);
        if let Some(contents) = contents {
            folder.file(name, contents);
        }
        for command in [["asm", "run"], ["muxleq", "run"], ["subleq", "run"]] {
            let (status, _, said) = all(&ncpu_on(&command, &path, b""));
            assert_eq!(status, Some(125), "{said}");
            assert!(said.contains(expected) && said.contains(name), "{said}");
        }
    }
}

#[test]
fn forth_answers_and_lists_its_words() {
    let image = guest("forth/forth.dec");
    let reports = WAYS.map(|(way, ..)| {
        let options = [&["muxleq", "run", "--report", "json"], way].concat();
        let output = ncpu_on(&options, &image, b"2 3 + .\nwords\n");
        let shown = text(&output.stdout);
        assert!(shown.starts_with("nCPU Forth\n5 ok\nwords \\ ( "), "{shown}");
        assert!(shown.ends_with("lit execute exit \nok\n"), "{shown}");
        report(&output)
    });
    assert_eq!(reports[0]["ended"], "halted");
    assert!(reports[0]["machine_instructions"].as_u64().unwrap() > 100_000);
    assert!(reports[0]["machine_instructions_per_second"].as_f64().unwrap() > 0.0);
    for report in &reports {
        for field in ["machine_instructions", "instructions", "state_hash"] {
            assert_eq!(reports[0][field], report[field], "{field}");
        }
    }
}

#[test]
fn what_was_defined_in_forth_can_be_saved() {
    let folder = Folder::new();
    let saved = folder.path("saved.dec");
    let mut command = ncpu();
    command.args(["muxleq", "run", "--save"]).arg(&saved).arg(guest("forth/forth.dec"));
    assert_eq!(with_input(&mut command, b": square dup * ;\n").status.code(), Some(0));
    let output = ncpu_on(&["muxleq", "run"], &saved, b"12 square .\n");
    assert_eq!(text(&output.stdout), "nCPU Forth\n144 ok\n");
}

#[test]
fn images_are_assembled_and_run() {
    let folder = Folder::new();
    for (computer, source, input, expected) in [
        ("subleq", "subleq/hello.sub", "", "Hello, SUBLEQ!\n"),
        ("muxleq", "muxleq/upper.mux", "az AZ\n{`", "AZ AZ\n{`"),
    ] {
        let image = folder.path("image.dec");
        let mut build = ncpu();
        build.args([computer, "asm", "-o"]).arg(&image).arg(guest(source));
        assert_eq!(build.status().unwrap().code(), Some(0));
        for (way, ..) in WAYS {
            let output = ncpu_on(&[&[computer, "run"], way].concat(), &image, input.as_bytes());
            assert_eq!(all(&output), (Some(0), expected.into(), String::new()));
        }
    }
}

#[test]
fn bad_images_are_refused_with_their_place() {
    let folder = Folder::new();
    for (contents, expected) in [
        ("1 2\n 3 x4", "line 2, column 4: \"x4\" is not a decimal number"),
        ("70000", "line 1, column 1: 70000 does not fit a cell: -32768 to 65535"),
        ("", "there are no numbers in it"),
        (
            &"0\n".repeat(65_537),
            "line 65537, column 1: the image is too large: a machine has 65536 cells",
        ),
    ] {
        let file = folder.file("t.dec", contents.as_bytes());
        let expected = format!("ncpu: {}: no image: {expected}\n", file.display());
        let output = ncpu_on(&["muxleq", "run"], &file, b"");
        assert_eq!(all(&output), (Some(125), String::new(), expected));
    }
    let file = folder.file("t.dec", b"0 0 0");
    let output = ncpu_on(&["subleq", "run", "--max-instructions", "9"], &file, b"");
    let expected = format!(
        "ncpu: {}: stopped: 9 instructions are used up (--max-instructions)\n",
        file.display()
    );
    assert_eq!(all(&output), (Some(124), String::new(), expected));
}

#[test]
fn a_reader_that_leaves_ends_a_run_quietly() {
    let folder = Folder::new();
    let program = folder.file("t.ncpu", b"a: INC R0\nJMP a\n");
    let image = folder.path("t.dec");
    let source = folder.file("t.mux", b"a: out c\njmp a\nc: cell 10\n");
    let mut build = ncpu();
    build.args(["muxleq", "asm", "-o"]).arg(&image).arg(source);
    assert_eq!(build.status().unwrap().code(), Some(0));
    for (options, file) in
        [(&["asm", "run", "--trace"][..], &program), (&["muxleq", "run"], &image)]
    {
        let mut child = ncpu()
            .args(options)
            .arg(file)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdout.take().unwrap().read_exact(&mut [0; 64]).unwrap();
        let output = child.wait_with_output().unwrap();
        assert_eq!((output.status.code(), text(&output.stderr)), (Some(141), String::new()));
    }
}

#[test]
fn networks_compute_everything_when_they_are_asked_to() {
    let (way, ..) = WAYS[1];
    for (options, file) in
        [(["asm", "run"], "asm/instruction_test.ncpu"), (["muxleq", "run"], "forth/forth.dec")]
    {
        let options = [&options, &["--report", "json"], way].concat();
        let neural = report(&ncpu_on(&options, &guest(file), b"2 3 + .\n"))["neural"].clone();
        assert!(neural["by_network"].as_u64().unwrap() > 50, "{neural}");
        assert_eq!(neural["by_native_arithmetic"], 0);
    }
}
