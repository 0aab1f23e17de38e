//! Loading programs: what execve(2) and the ELF specification ask for, with files made by hand.

mod machine;

use machine::with_machine;
use ncpu_linux::abi::auxv::*;
use ncpu_linux::abi::elf::*;
use ncpu_linux::image::Kernel;
use ncpu_linux::mm::{self, flag};
use ncpu_linux::{Block, Errno, exec, table};

/// A program header: type, flags, offset, address, bytes in the file, bytes in memory, alignment.
type Segment = (u32, u32, u64, u64, u64, u64, u64);

const RX: u32 = PF_R | PF_X;
const RW: u32 = PF_R | PF_W;

/// An ELF file of `size` bytes; byte `n` behind the headers is `n & 0xff`.
fn elf(kind: u16, entry: u64, segments: &[Segment], size: usize) -> Vec<u8> {
    let mut file: Vec<u8> = (0..size).map(|n| n as u8).collect();
    let mut header = vec![0x7f, b'E', b'L', b'F', 2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    header.extend(kind.to_le_bytes());
    header.extend(EM_AARCH64.to_le_bytes());
    header.extend(1u32.to_le_bytes());
    header.extend(entry.to_le_bytes());
    header.extend(64u64.to_le_bytes());
    header.extend(0u64.to_le_bytes());
    header.extend(0u32.to_le_bytes());
    for half in [64, 56, segments.len() as u16, 64, 0, 0] {
        header.extend(half.to_le_bytes());
    }
    for &(kind, flags, offset, address, in_file, in_memory, alignment) in segments {
        header.extend(kind.to_le_bytes());
        header.extend(flags.to_le_bytes());
        for word in [offset, address, address, in_file, in_memory, alignment] {
            header.extend(word.to_le_bytes());
        }
    }
    file[..header.len()].copy_from_slice(&header);
    file
}

/// Code at 4 MiB, and data of which 0x100 bytes are in the file and 0x2000 in memory.
fn program() -> Vec<u8> {
    let segments = [
        (PT_LOAD, RX, 0, 0x40_0000, 0x1000, 0x1000, 0x1000),
        (PT_LOAD, RW, 0x1000, 0x41_0000, 0x100, 0x2000, 0x1000),
    ];
    elf(ET_EXEC, 0x40_0200, &segments, 0x2000)
}

fn pie(interpreter: Option<u64>) -> Vec<u8> {
    let mut segments = vec![(PT_LOAD, RX, 0, 0, 0x1000, 0x1000, 0x10000)];
    if let Some(len) = interpreter {
        segments.push((PT_INTERP, PF_R, 0x800, 0x800, len, len, 1));
    }
    let mut file = elf(ET_DYN, 0x300, &segments, 0x1000);
    file[0x800..0x805].copy_from_slice(b"/ld.\0");
    file
}

fn word(k: &mut Kernel<'_>, address: u64) -> u64 {
    k.read_record(address).unwrap()
}

fn string(k: &mut Kernel<'_>, address: u64) -> Vec<u8> {
    let mut buffer = [0; 256];
    k.read_string(address, &mut buffer).unwrap().to_vec()
}

fn boot(files: &[(&str, &[u8])], argv: &[&[u8]]) -> Result<(), Errno> {
    with_machine(files, |k| exec::boot(k, b"/p", argv, &[]))
}

fn refuses(file: &[u8], errno: Errno) {
    assert_eq!(boot(&[("p", file)], &[b"p"]), Err(errno));
}

fn mapped(k: &Kernel<'_>) -> Vec<(u64, u64, u64)> {
    let mm = mm::current(k);
    mm::mappings(k, mm, 0).map(|v| (v.start, v.end, v.flags & flag::ACCESS)).collect()
}

#[test]
fn segments_are_mapped_and_bss_is_zero() {
    with_machine(&[("p", &program())], |k| {
        exec::boot(k, b"/p", &[b"p"], &[]).unwrap();
        let all = mapped(k);
        let expected =
            [(0x40_0000, 0x40_1000, 5), (0x41_0000, 0x41_1000, 3), (0x41_1000, 0x41_2000, 3)];
        assert_eq!(all[..3], expected);
        // 132 KiB of stack at the top of 39-bit addresses, as Linux makes it.
        assert_eq!(all.last(), Some(&((1 << 39) - 0x2_1000, 1 << 39, 3)));
        let task = k.current();
        assert_eq!(k.cores[task].pc, 0x40_0200);
        assert_eq!(k.cores[task].sp() % 16, 0);
        assert_eq!(word(k, 0x41_00f8), 0xfffe_fdfc_fbfa_f9f8);
        assert_eq!(word(k, 0x41_0100), 0);
        assert_eq!(word(k, 0x41_1ff8), 0);
        let mm = mm::current(k);
        assert_eq!(k.mms[mm].heap, [0x41_2000; 2]);
        // `mov x8, #139; svc #0`, readable and executable.
        let sigreturn = k.mms[mm].sigreturn;
        assert_eq!(word(k, sigreturn), 0xd400_0001_d280_1168);
    });
}

/// What GNU ld makes of .bss without .data: no bytes in the file, an address inside a page, and an
/// offset behind the end of the file.
#[test]
fn bss_alone_needs_no_bytes_of_the_file() {
    let segments = [
        (PT_LOAD, RX, 0, 0x40_0000, 0x1000, 0x1000, 0x1_0000),
        (PT_LOAD, RW, 0xfff0, 0x41_fff0, 0, 0x1020, 0x1_0000),
    ];
    with_machine(&[("p", &elf(ET_EXEC, 0x40_0200, &segments, 0x1000))], |k| {
        exec::boot(k, b"/p", &[b"p"], &[]).unwrap();
        let expected = [(0x40_0000, 0x40_1000, 5), (0x41_f000, 0x42_2000, 3)];
        assert_eq!(mapped(k)[..2], expected);
        assert_eq!(word(k, 0x41_fff0), 0);
        assert_eq!(word(k, 0x42_1008), 0);
    });
}

/// The order of Linux 6.1 on arm64 (create_elf_tables), without a vDSO image.
#[test]
fn stack_holds_strings_and_auxiliary_vector() {
    with_machine(&[("p", &program())], |k| {
        exec::boot(k, b"/p", &[b"one", b"two"], &[b"A=1"]).unwrap();
        let task = k.current();
        let mut at = k.cores[task].sp();
        let mut next = |k: &mut Kernel<'_>| {
            at += 8;
            word(k, at - 8)
        };
        assert_eq!(next(k), 2);
        for expected in [&b"one"[..], b"two"] {
            let pointer = next(k);
            assert_eq!(string(k, pointer), expected);
        }
        assert_eq!(next(k), 0);
        let pointer = next(k);
        assert_eq!(string(k, pointer), b"A=1");
        assert_eq!(next(k), 0);
        let vector: Vec<[u64; 2]> = (0..20).map(|_| [next(k), next(k)]).collect();
        let order = [
            AT_MINSIGSTKSZ,
            AT_HWCAP,
            AT_PAGESZ,
            AT_CLKTCK,
            AT_PHDR,
            AT_PHENT,
            AT_PHNUM,
            AT_BASE,
            AT_FLAGS,
            AT_ENTRY,
            AT_UID,
            AT_EUID,
            AT_GID,
            AT_EGID,
            AT_SECURE,
            AT_RANDOM,
            AT_HWCAP2,
            AT_EXECFN,
            AT_PLATFORM,
            AT_NULL,
        ];
        assert_eq!(vector.iter().map(|entry| entry[0]).collect::<Vec<_>>(), order);
        let value = |kind| vector.iter().find(|entry| entry[0] == kind).unwrap()[1];
        assert_eq!(value(AT_MINSIGSTKSZ), 4720);
        assert_eq!(value(AT_PHDR), 0x40_0040);
        assert_eq!((value(AT_PHENT), value(AT_PHNUM)), (56, 2));
        assert_eq!(value(AT_ENTRY), 0x40_0200);
        assert_eq!((value(AT_BASE), value(AT_CLKTCK), value(AT_SECURE)), (0, 100, 0));
        assert_eq!(string(k, value(AT_EXECFN)), b"/p");
        assert_eq!(string(k, value(AT_PLATFORM)), b"aarch64");
        assert_ne!(word(k, value(AT_RANDOM)), 0);
    });
}

/// Without an argument there is an empty one (Linux 5.18 and later).
#[test]
fn there_is_always_a_first_argument() {
    with_machine(&[("p", &program())], |k| {
        exec::boot(k, b"/p", &[], &[]).unwrap();
        let task = k.current();
        let stack = k.cores[task].sp();
        assert_eq!(word(k, stack), 1);
        let pointer = word(k, stack + 8);
        assert_eq!(string(k, pointer), b"");
    });
}

/// Two thirds of the address space, rounded down to the alignment; the interpreter is at the top.
#[test]
fn interpreter_runs_first() {
    with_machine(&[("p", &pie(Some(5))), ("ld.", &pie(None))], |k| {
        exec::boot(k, b"/p", &[b"p"], &[]).unwrap();
        let all = mapped(k);
        assert_eq!(all[0], (0x55_5555_0000, 0x55_5555_1000, 5));
        let task = k.current();
        let base = k.cores[task].pc - 0x300;
        assert_eq!((base % 0x10000, base > 0x7f_f000_0000), (0, true));
        let mm = mm::current(k);
        let value = |kind| k.mms[mm].auxiliary.iter().find(|entry| entry[0] == kind).unwrap()[1];
        assert_eq!((value(AT_BASE), value(AT_ENTRY)), (base, 0x55_5555_0300));
    });
}

#[test]
fn static_pie_is_placed_with_the_mappings() {
    with_machine(&[("p", &pie(None))], |k| {
        exec::boot(k, b"/p", &[b"p"], &[]).unwrap();
        let task = k.current();
        let base = k.cores[task].pc - 0x300;
        assert!(base > 0x7f_f000_0000 && base < 0x7f_f800_0000);
        let mm = mm::current(k);
        assert_eq!(k.mms[mm].heap[0], 0x55_5555_5000);
    });
}

#[test]
fn scripts_get_their_interpreters_arguments() {
    let files: [(&str, &[u8]); 3] = [("p", b"#!/q  x y \n"), ("q", b"#!/r\n"), ("r", &program())];
    with_machine(&files, |k| {
        exec::boot(k, b"/p", &[b"name", b"z"], &[]).unwrap();
        let task = k.current();
        let stack = k.cores[task].sp();
        assert_eq!(word(k, stack), 5);
        for (index, expected) in [&b"/r"[..], b"/q", b"x y", b"/p", b"z"].iter().enumerate() {
            let pointer = word(k, stack + 8 + 8 * index as u64);
            assert_eq!(string(k, pointer), *expected);
        }
        assert_eq!(&k.tasks[task].name[..2], b"p\0");
    });
}

#[test]
fn script_that_runs_itself_is_a_loop() {
    refuses(b"#!/p\n", Errno::ELOOP);
}

#[test]
fn what_is_no_program_is_refused() {
    refuses(b"", Errno::ENOEXEC);
    refuses(b"echo hello\n", Errno::ENOEXEC);
    refuses(b"#!\n", Errno::ENOEXEC);
    refuses(b"#!/missing\n", Errno::ENOENT);
    refuses(b"#!/dev\n", Errno::EACCES);
    refuses(&program()[..63], Errno::ENOEXEC);
    refuses(&program()[..100], Errno::ENOEXEC);
    let with = |at: usize, byte: u8| {
        let mut file = program();
        file[at] = byte;
        file
    };
    refuses(&with(0, 0x7e), Errno::ENOEXEC);
    // e_type ET_REL, e_machine x86-64, e_phentsize 57, e_phnum 0, e_phoff beyond the file.
    refuses(&with(16, 1), Errno::ENOEXEC);
    refuses(&with(18, 62), Errno::ENOEXEC);
    refuses(&with(54, 57), Errno::ENOEXEC);
    refuses(&with(56, 0), Errno::ENOEXEC);
    refuses(&with(39, 1), Errno::ENOEXEC);
}

#[test]
fn bad_interpreters_are_refused() {
    assert_eq!(boot(&[("p", &pie(Some(5)))], &[b"p"]), Err(Errno::ENOENT));
    assert_eq!(boot(&[("p", &pie(Some(4)))], &[b"p"]), Err(Errno::ENOEXEC));
    assert_eq!(boot(&[("p", &pie(Some(1)))], &[b"p"]), Err(Errno::ENOEXEC));
    assert_eq!(boot(&[("p", &pie(Some(5000)))], &[b"p"]), Err(Errno::ENOEXEC));
    let short: (&str, &[u8]) = ("ld.", b"\x7fELF");
    assert_eq!(boot(&[("p", &pie(Some(5))), short], &[b"p"]), Err(Errno::EIO));
    let text = [b'x'; 100];
    assert_eq!(boot(&[("p", &pie(Some(5))), ("ld.", &text)], &[b"p"]), Err(Errno::ELIBBAD));
}

/// In Linux these are fatal to the process, since the old program is gone by then; for the first
/// program the error is reported.
#[test]
fn absurd_segments_are_refused() {
    let single = |segment| elf(ET_EXEC, 0x40_0000, &[segment], 0x2000);
    let none: Segment = (PT_PHDR, RX, 0, 0x40_0000, 0x1000, 0x1000, 0x1000);
    refuses(&single(none), Errno::EINVAL);
    refuses(&single((PT_LOAD, RX, 0, 0x40_0000, 0x1000, 0x800, 0x1000)), Errno::EINVAL);
    refuses(&single((PT_LOAD, RX, 0, 0x40_0000, 0x1000, 1 << 40, 0x1000)), Errno::EINVAL);
    refuses(&single((PT_LOAD, RX, 0, 1 << 39, 0x1000, 0x1000, 0x1000)), Errno::EINVAL);
    refuses(&single((PT_LOAD, RX, 0x10, 0x40_0000, 0x1000, 0x1000, 0x1000)), Errno::EINVAL);
    refuses(&single((PT_LOAD, RX, 0, u64::MAX - 4095, 0x1000, 0x2000, 0x1000)), Errno::EINVAL);
    // In the place of the stack.
    refuses(&single((PT_LOAD, RX, 0, (1 << 39) - 0x1000, 0x800, 0x800, 0x1000)), Errno::EEXIST);
}

#[test]
fn long_arguments_are_refused() {
    let file = program();
    let files: [(&str, &[u8]); 1] = [("p", &file)];
    let string = vec![b'x'; 131_072];
    assert_eq!(boot(&files, &[&string]), Err(Errno::E2BIG));
    assert_eq!(boot(&files, &[&string[..131_071]]), Ok(()));
    // A quarter of the stack limit of 8 MiB.
    let many = vec![&string[..131_071]; 16];
    assert_eq!(boot(&files, &many), Err(Errno::E2BIG));
}

/// execve(2), mount(2): MS_NOSUID.
#[test]
fn set_user_id_bits_do_nothing_on_a_mount_without_them() {
    const DIRECTORY: u64 = -100i64 as u64;
    const REMOUNT: u64 = 32;
    const NOSUID: u64 = 2;
    with_machine(&[("p", &program())], |k| {
        exec::boot(k, b"/p", &[b"p"], &[]).unwrap();
        let (path, root) = (0x41_0000, 0x41_0010);
        let call = |k: &mut Kernel<'_>, number, arguments| {
            k.write_user(path, b"/p\0").unwrap();
            k.write_user(root, b"/\0").unwrap();
            table::call(k, number, arguments)
        };
        assert_eq!(call(k, 54, [DIRECTORY, path, 7, 8, 0, 0]), Ok(0)); // fchownat
        assert_eq!(call(k, 53, [DIRECTORY, path, 0o6755, 0, 0, 0]), Ok(0)); // fchmodat
        for (flags, user, group) in [(NOSUID, 0, 0), (0, 7, 8)] {
            assert_eq!(call(k, 40, [0, root, 0, REMOUNT | flags, 0, 0]), Ok(0)); // mount
            assert_eq!(call(k, 221, [path, 0, 0, 0, 0, 0]), Err(Block::NoReturn)); // execve
            let credentials = &k.processes[k.current_process()].credentials;
            assert_eq!((credentials.uid[1], credentials.gid[1]), (user, group));
        }
    });
}

#[test]
fn a_failed_execve_leaves_nothing_behind() {
    with_machine(&[("p", &program()), ("q", b"text")], |k| {
        exec::boot(k, b"/p", &[b"p"], &[]).unwrap();
        let used = k.mem.used_pages();
        assert_eq!(exec::boot(k, b"/q", &[b"q"], &[]), Err(Errno::ENOEXEC));
        assert_eq!(k.mem.used_pages(), used);
        assert_eq!(word(k, 0x41_00f8), 0xfffe_fdfc_fbfa_f9f8);
        exec::boot(k, b"/p", &[b"p"], &[]).unwrap();
        assert!(k.mem.used_pages() <= used);
    });
}
