//! The root file system of a machine that was given none.

mod support;

use std::path::Path;

use ncpu_image::{ImageError, TreeError};
use support::{contents, find, inode, symlink};

#[test]
fn holds_what_programs_expect() {
    let image = ncpu_image::builtin().expect("a built-in image");
    let rom = image.rom().expect("a checked image");
    rom.check_contents().expect("sound contents");
    for (name, mode) in [
        ("/", 0o755),
        ("dev", 0o755),
        ("proc", 0o555),
        ("sys", 0o555),
        ("tmp", 0o1777),
        ("root", 0o700),
        ("etc", 0o755),
        ("usr/bin", 0o755),
        ("var/tmp", 0o1777),
    ] {
        let found = inode(rom, name);
        assert!(found.is_dir(), "{name}");
        assert_eq!((found.mode & 0o7777, found.uid, found.mtime_s), (mode, 0, 0), "{name}");
    }
    assert_eq!(symlink(rom, "bin"), b"usr/bin");
    assert!(contents(rom, "etc/passwd").starts_with(b"root:x:0:0:root:/root:/bin/sh\n"));
    assert_eq!(contents(rom, "etc/hostname"), b"ncpu\n");
    assert_eq!(contents(rom, "etc/resolv.conf"), b"");
}

#[test]
fn takes_host_files_at_guest_paths() {
    let scratch = support::scratch();
    let program = support::write(&scratch, "program", b"\x7fELF and so on");
    let pairs: [(&Path, &Path); 2] =
        [(Path::new("/bin/program"), &program), (Path::new("/a/b/c"), &program)];
    let image = ncpu_image::builtin_with(&pairs).expect("a built-in image");
    let rom = image.rom().expect("a checked image");
    for name in ["usr/bin/program", "a/b/c"] {
        let found = inode(rom, name);
        assert_eq!((found.mode & 0o7777, found.uid, found.mtime_s), (0o755, 0, 0));
        assert_eq!(contents(rom, name), b"\x7fELF and so on");
    }
    assert!(find(rom, "bin/program").is_none(), "bin is a link");
    let again = ncpu_image::builtin_with(&pairs).expect("a built-in image");
    assert_eq!(image.bytes(), again.bytes());
}

#[test]
fn refuses_guest_paths_that_lead_nowhere() {
    let scratch = support::scratch();
    let program = support::write(&scratch, "program", b"");
    for (guest, expected) in [
        ("/../x", TreeError::ParentComponent),
        ("/", TreeError::Top),
        ("/etc/passwd/x", TreeError::NotADirectory("passwd".into())),
    ] {
        match ncpu_image::builtin_with(&[(Path::new(guest), &program)]) {
            Err(ImageError::GuestPath { error, .. }) => assert_eq!(error, expected),
            other => panic!("expected a refusal of {guest}, got {other:?}"),
        }
    }
    let missing = ncpu_image::builtin_with(&[(Path::new("/x"), Path::new("/nonexistent/file"))]);
    assert!(matches!(missing, Err(ImageError::Io { .. })));
}
