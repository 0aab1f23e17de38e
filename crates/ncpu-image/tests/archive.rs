//! Tar archives: what they may say, and what they may not.

mod support;

use std::io::Write;
use std::path::Path;

use ncpu_image::{EntryProblem, ImageError, Options, TreeError};
use ncpu_linux::rom::{S_IFBLK, S_IFCHR, S_IFIFO, S_IFREG};
use support::{Entry, contents, dir, file, find, hard_link, inode, link, names, symlink, tar};

fn unpack(bytes: &[u8]) -> Result<ncpu_image::RootImage, ImageError> {
    let scratch = support::scratch();
    support::open(&support::write(&scratch, "archive", bytes))
}

fn problem(bytes: &[u8]) -> (String, u64, EntryProblem) {
    match unpack(bytes) {
        Err(ImageError::Archive { error, .. }) => (error.entry, error.offset, error.problem),
        other => panic!("expected a refusal, got {other:?}"),
    }
}

/// The fixture's facts come from the commands in `data/README.md`.
fn check_small(path: &str) {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(path);
    let image = support::open(&data).expect("a sound archive");
    let rom = image.rom().expect("a checked image");
    rom.check_contents().expect("sound contents");
    let long = format!("etc/{}", "n".repeat(150));
    assert_eq!(
        names(rom),
        ["bin", "bin/motd", "etc", "etc/motd", "etc/motd.hard", long.as_str(), "sparse"]
    );
    let motd = inode(rom, "etc/motd");
    assert_eq!((motd.mode, motd.uid, motd.gid, motd.nlink), (S_IFREG | 0o4755, 0, 0, 2));
    assert_eq!((motd.mtime_s, motd.mtime_ns), (1_700_000_000, 0));
    assert_eq!(find(rom, "etc/motd"), find(rom, "etc/motd.hard"));
    assert_eq!(contents(rom, "etc/motd"), b"hello\n");
    assert_eq!(contents(rom, &long), b"long\n");
    assert_eq!(symlink(rom, "bin/motd"), b"../etc/motd");
    let sparse = contents(rom, "sparse");
    assert_eq!(sparse.len(), (1 << 20) + 3);
    assert!(sparse[..1 << 20].iter().all(|&byte| byte == 0));
    assert_eq!(&sparse[1 << 20..], b"end");
}

#[test]
fn gnu_tar_with_gzip() {
    check_small("small.tar.gz");
}

#[test]
fn gnu_tar_with_xz() {
    check_small("small.tar.xz");
}

#[test]
fn gnu_tar_with_zstd() {
    check_small("small.tar.zst");
}

#[test]
fn compressed_archives_that_are_cut_or_damaged_are_refused() {
    for name in ["small.tar.gz", "small.tar.xz", "small.tar.zst"] {
        let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(name);
        let whole = std::fs::read(data).expect("a fixture");
        for cut in 1..whole.len() {
            let error = unpack(&whole[..cut]).expect_err("half an archive").to_string();
            assert!(cut < 100 || error.contains("cut short"), "{name} cut to {cut}: {error}");
        }
        // A bit in the middle of the compressed data: every one of the formats has a checksum.
        let mut damaged = whole.clone();
        let middle = damaged.len() / 2;
        damaged[middle] ^= 0x10;
        assert!(unpack(&damaged).is_err(), "{name} with a damaged byte");
        // Two streams in a row are one stream; the second is behind the archive's end.
        let twice = [whole.as_slice(), whole.as_slice()].concat();
        assert!(unpack(&twice).is_ok(), "{name} twice");
    }
}

#[test]
fn every_kind_of_entry() {
    let node = |kind, name, device| Entry { kind, device, ..file(name, b"") };
    let image = unpack(&tar(&[
        Entry { mode: 0o700, ..dir("./") },
        Entry { mode: 0o1777, ..dir("./tmp/") },
        file("./implied/parents/x", b"x"),
        node(tar::EntryType::Char, "./dev/null", (1, 3)),
        node(tar::EntryType::Block, "./dev/sda300", (259, 300)),
        node(tar::EntryType::Fifo, "./fifo", (0, 0)),
        file("./empty", b""),
        hard_link("./implied/y", "./implied/parents/x"),
    ]))
    .expect("a sound archive");
    let rom = image.rom().expect("a checked image");
    assert_eq!(inode(rom, "/").mode & 0o7777, 0o700);
    assert_eq!((inode(rom, "/").uid, inode(rom, "/").nlink), (7, 5));
    assert_eq!(inode(rom, "tmp").mode & 0o7777, 0o1777);
    let implied = inode(rom, "implied");
    assert_eq!((implied.mode & 0o7777, implied.uid, implied.mtime_s), (0o755, 0, 0));
    assert_eq!((inode(rom, "dev/null").kind(), inode(rom, "dev/null").rdev), (S_IFCHR, 0x103));
    // new_encode_dev(259, 300): 0x2c | 0x103 << 8 | 0x100 << 12.
    let block = inode(rom, "dev/sda300");
    assert_eq!((block.kind(), block.rdev), (S_IFBLK, 0x11_032c));
    assert_eq!(inode(rom, "fifo").kind(), S_IFIFO);
    assert_eq!((inode(rom, "empty").size, inode(rom, "empty").first), (0, 0));
    assert_eq!(inode(rom, "implied/y").nlink, 2);
    assert_eq!(contents(rom, "implied/y"), b"x");
}

#[test]
fn pax_headers_give_long_names_and_fractions_of_seconds() {
    let mut builder = tar::Builder::new(Vec::new());
    let name = format!("{}/{}", "d".repeat(200), "f".repeat(200));
    builder
        .append_pax_extensions([
            ("path", name.as_bytes()),
            ("mtime", b"-1.25"),
            ("uid", b"3000000000"),
        ])
        .expect("writing to memory");
    let mut header = tar::Header::new_ustar();
    header.set_size(2);
    header.set_mode(0o600);
    header.set_cksum();
    builder.append(&header, &b"ok"[..]).expect("writing to memory");
    let image = unpack(&builder.into_inner().expect("writing to memory")).expect("sound");
    let rom = image.rom().expect("a checked image");
    let found = inode(rom, &name);
    assert_eq!((found.mtime_s, found.mtime_ns, found.uid), (-2, 750_000_000, 3_000_000_000));
    assert_eq!(contents(rom, &name), b"ok");
}

/// The library would hand out the sparse map as if it were contents.
#[test]
fn sparse_files_in_pax_format_are_refused() {
    let mut builder = tar::Builder::new(Vec::new());
    builder
        .append_pax_extensions([("GNU.sparse.major", &b"1"[..]), ("GNU.sparse.minor", b"0")])
        .expect("writing to memory");
    let entry = tar(&[file("GNUSparseFile.1/x", b"1\n0\n")]);
    let bytes = [builder.get_ref().clone(), entry].concat();
    let (entry, _, found) = problem(&bytes);
    assert_eq!(entry, "GNUSparseFile.1/x");
    assert!(matches!(found, EntryProblem::PaxSparse), "{found:?}");
}

#[test]
fn later_entries_replace_earlier_ones_and_leave_no_gaps() {
    let big = vec![b'b'; 3 * 4096];
    let image = unpack(&tar(&[
        file("a", &big),
        file("b", b"stays"),
        dir("d"),
        file("d/inside", &big),
        dir("kept"),
        file("kept/x", b"x"),
        file("a", b"new"),
        file("d", b"no longer a directory"),
        Entry { mode: 0o711, ..dir("kept") },
    ]))
    .expect("a sound archive");
    let rom = image.rom().expect("a checked image");
    rom.check_contents().expect("sound contents");
    assert_eq!(names(rom), ["a", "b", "d", "kept", "kept/x"]);
    assert_eq!(contents(rom, "a"), b"new");
    assert_eq!(contents(rom, "b"), b"stays");
    assert_eq!(contents(rom, "d"), b"no longer a directory");
    assert_eq!(inode(rom, "kept").mode & 0o7777, 0o711);
    // The header's page, a page for each of a, b, d and x, then the tables.
    assert_eq!(rom.header().inode_page, 5);
}

#[test]
fn links_among_parents_stay_inside_the_tree() {
    let scratch = support::scratch();
    let outside = scratch.path().join("outside");
    std::fs::create_dir(&outside).expect("a temporary directory");
    let target = outside.to_str().expect("a UTF-8 path");
    let image = unpack(&tar(&[
        link("lib", "usr/lib"),
        file("lib/x", b"x"),
        link("up", "../../../../usr"),
        file("up/y", b"y"),
        link("escape", target),
        file("escape/z", b"z"),
    ]))
    .expect("a sound archive");
    let rom = image.rom().expect("a checked image");
    assert_eq!(contents(rom, "usr/lib/x"), b"x");
    assert_eq!(contents(rom, "usr/y"), b"y");
    assert_eq!(contents(rom, &format!("{target}/z")), b"z");
    assert_eq!(std::fs::read_dir(&outside).expect("a directory").count(), 0);
}

#[test]
fn hostile_names_are_refused_with_their_place() {
    let cases: &[(&str, TreeError)] = &[
        ("../evil", TreeError::ParentComponent),
        ("a/../../evil", TreeError::ParentComponent),
        ("/etc/passwd", TreeError::Absolute),
        ("fine/x", TreeError::NotADirectory("fine".into())),
        ("loop/x", TreeError::TooManyLinks),
    ];
    for (name, expected) in cases {
        let entries = [file("fine", b"1"), link("loop", "loop"), file(name, b"2")];
        let (entry, offset, found) = problem(&tar(&entries));
        // The third header follows one of 512 bytes with 512 of contents, and one of 512.
        assert_eq!((entry.as_str(), offset), (*name, 1536));
        assert!(matches!(&found, EntryProblem::Name(error) if error == expected), "{found:?}");
    }
}

#[test]
fn hard_links_need_a_file_inside() {
    let links = [
        ("missing", TreeError::NoTarget("missing".into())),
        ("../etc/passwd", TreeError::ParentComponent),
        ("/etc/passwd", TreeError::Absolute),
        ("d", TreeError::DirectoryTarget("d".into())),
    ];
    for (target, expected) in links {
        let (.., found) = problem(&tar(&[dir("d"), hard_link("x", target)]));
        assert!(matches!(&found, EntryProblem::Name(error) if *error == expected), "{found:?}");
    }
}

#[test]
fn plain_archives_cut_anywhere_are_refused() {
    let whole = tar(&[file("a", &[1; 700]), dir("d"), file("d/b", &[2; 512])]);
    // The first zero block ends the archive; what may be missing is the second.
    let end = whole.len() - 512;
    for cut in (512..end).step_by(128) {
        assert!(unpack(&whole[..cut]).is_err(), "cut to {cut} bytes");
    }
    assert!(unpack(&whole[..end]).is_ok());
    let (entry, offset, found) = problem(&whole[..1024]);
    assert_eq!((entry.as_str(), offset), ("a", 0));
    assert!(matches!(found, EntryProblem::Truncated), "{found:?}");
}

#[test]
fn sizes_beyond_everything_are_refused() {
    for (octal, name) in
        [(&b"77777777777\0"[..], "8 GiB"), (b"\x80\0\0\0\x7f\xff\xff\xff\xff\xff\xff\xff", "8 EiB")]
    {
        let mut bytes = tar(&[file("big", b"")]);
        bytes[124..136].copy_from_slice(octal);
        let mut header = tar::Header::from_byte_slice(&bytes[..512]).clone();
        header.set_cksum();
        bytes[..512].copy_from_slice(header.as_bytes());
        let (entry, _, found) = problem(&bytes);
        assert_eq!(entry, "big", "{name}");
        assert!(matches!(found, EntryProblem::Truncated | EntryProblem::TooLarge(_)), "{found:?}");
    }
}

/// A gigabyte of name in a megabyte of gzip must not reach memory.
#[test]
fn long_names_have_a_limit() {
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(tar::EntryType::GNULongName);
    header.set_size(1 << 30);
    header.set_cksum();
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(header.as_bytes()).expect("writing to memory");
    for _ in 0..16 {
        encoder.write_all(&[b'n'; 1 << 20]).expect("writing to memory");
    }
    let (_, offset, found) = problem(&encoder.finish().expect("writing to memory"));
    assert!(matches!(found, EntryProblem::Read(_)), "{found:?}");
    assert_eq!(offset, 4 << 20);
}

#[test]
fn the_size_limit_holds() {
    let scratch = support::scratch();
    let path = support::write(&scratch, "archive", &tar(&[file("a", &[1; 100_000])]));
    let fits = Options { max_bytes: 1 << 20, ..support::uncached() };
    assert!(ncpu_image::open(&path, &fits).is_ok());
    let tight = Options { max_bytes: 64 << 10, ..support::uncached() };
    let refused = ncpu_image::open(&path, &tight);
    assert!(
        matches!(&refused, Err(ImageError::Archive { error, .. })
            if matches!(error.problem, EntryProblem::TooLarge(65_536))),
        "{refused:?}"
    );
}

#[test]
fn directories_cannot_be_nested_without_end() {
    // Each link leads 40 directories deeper than the one before.
    let step = "d/".repeat(40);
    let links: Vec<(String, String, String)> = (0..40)
        .map(|n| {
            let previous = if n == 0 { String::new() } else { format!("l{}/", n - 1) };
            (format!("l{n}"), format!("{previous}{step}"), format!("l{n}/x"))
        })
        .collect();
    let mut entries = Vec::new();
    for (name, target, inside) in &links {
        entries.push(link(name, target));
        entries.push(file(inside, b""));
    }
    let (.., found) = problem(&tar(&entries));
    assert!(matches!(found, EntryProblem::Name(TreeError::TooDeep)), "{found:?}");
}

#[test]
fn other_formats_are_named() {
    let cases: [(&[u8], &str); 4] = [
        (b"BZh91AY&SY", "bzip2"),
        (b"PK\x03\x04rest", "zip"),
        (b"\x7fELF\x02\x01\x01", "a program"),
        (b"just text", "none of the formats"),
    ];
    for (bytes, expected) in cases {
        let message = unpack(bytes).expect_err("not a root file system").to_string();
        assert!(message.contains(expected), "{message}");
    }
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(&[b't'; 1000]).expect("writing to memory");
    let text = encoder.finish().expect("writing to memory");
    let message = unpack(&text).expect_err("not a root file system").to_string();
    assert!(message.contains("not a tar archive inside"), "{message}");
}

/// Whatever an archive holds, it is read or refused; a panic would fail the test.
#[test]
fn damaged_archives_do_not_panic() {
    let sound = tar(&[
        file("a", &[1; 600]),
        dir("d"),
        link("d/l", "../a"),
        hard_link("h", "a"),
        file("d/b", b"b"),
    ]);
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut random = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    let mut refused = 0;
    for _ in 0..3000 {
        let mut bytes = sound.clone();
        for _ in 0..1 + random() % 4 {
            let header = [0, 1536, 2048, 2560, 3072][(random() % 5) as usize];
            bytes[header + (random() % 512) as usize] = random() as u8;
        }
        // Most damage would stop at the checksum otherwise.
        for at in [0, 1536, 2048, 2560, 3072] {
            let mut header = tar::Header::from_byte_slice(&bytes[at..at + 512]).clone();
            header.set_cksum();
            bytes[at..at + 512].copy_from_slice(header.as_bytes());
        }
        match unpack(&bytes) {
            Ok(image) => drop(image.rom().expect("a checked image").check_contents()),
            Err(_) => refused += 1,
        }
    }
    assert!(refused > 0);
}
