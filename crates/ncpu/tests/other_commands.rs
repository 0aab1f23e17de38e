//! Images, help and completions.

mod support;

use std::fs;
use std::io;
use std::os::unix::fs::{PermissionsExt, symlink};
use support::{FOREVER, Folder, HELLO, elf, ncpu, text};

#[test]
fn an_image_is_built_listed_and_run() {
    let folder = Folder::new();
    let root = folder.path("root");
    fs::create_dir_all(root.join("bin")).unwrap();
    fs::write(root.join("bin/hello"), elf(HELLO)).unwrap();
    fs::set_permissions(root.join("bin/hello"), PermissionsExt::from_mode(0o750)).unwrap();
    symlink("hello", root.join("bin/link")).unwrap();
    let image = folder.path("image");
    let build = ncpu()
        .args(["image", "build", "--root-owned"])
        .arg(&root)
        .arg("-o")
        .arg(&image)
        .output()
        .unwrap();
    assert!(build.status.success(), "{}", text(&build.stderr));
    let list = |arguments: &[&str]| {
        let output = ncpu().args(["image", "ls"]).arg(&image).args(arguments).output().unwrap();
        (output.status.code().unwrap(), text(&output.stdout))
    };
    let (_, lines) = list(&["/bin"]);
    let lines: Vec<&str> = lines.lines().collect();
    assert_eq!(lines.len(), 2);
    assert!(lines[0].starts_with("-rwxr-x---   1     0     0        160 "), "{lines:?}");
    assert!(lines[0].ends_with(" hello"));
    assert!(lines[1].starts_with("lrwxrwxrwx") && lines[1].ends_with(" link -> hello"));
    let (_, lines) = list(&["-R"]);
    let names: Vec<&str> = lines.lines().filter_map(|line| line.split(' ').next_back()).collect();
    assert_eq!(names, ["bin", "bin/hello", "hello"]);
    assert_eq!(list(&["/nowhere"]).0, 125);
    let run = ncpu().args(["run", "--rootfs"]).arg(&image).arg("/bin/link").output().unwrap();
    assert_eq!((run.status.code(), text(&run.stdout)), (Some(7), "hello\n".into()));
}

#[test]
fn help_explains_statuses_and_the_escape() {
    for arguments in [&["help", "run"][..], &["run", "--help"]] {
        let output = ncpu().args(arguments).output().unwrap();
        let help = text(&output.stdout);
        assert_eq!(output.status.code(), Some(0));
        for part in ["Exit status", "124", "125", "126", "127", "Ctrl-]", "--rootfs", "HOSTNAME"] {
            assert!(help.contains(part), "{part}");
        }
    }
}

#[test]
fn completions_are_there_for_each_shell() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let output = ncpu().args(["completions", shell]).output().unwrap();
        let script = text(&output.stdout);
        assert!(script.contains("rootfs") && script.contains("ncpu"), "{shell}");
    }
}

#[test]
fn a_reader_of_messages_that_leaves_changes_no_status() {
    let folder = Folder::new();
    let program = folder.program("forever", FOREVER).display().to_string();
    let cases: [(&[&str], i32); 4] = [
        (&["run", "--timeout", "0s", &program], 124),
        (&["run", "/nowhere"], 127),
        (&["inspect", "/nowhere"], 125),
        (&["run", "--nonsense"], 125),
    ];
    for (arguments, status) in cases {
        let (reader, writer) = io::pipe().unwrap();
        drop(reader);
        let ended = ncpu().args(arguments).stderr(writer).status().unwrap();
        assert_eq!(ended.code(), Some(status), "{arguments:?}");
    }
}

#[test]
fn a_reader_that_leaves_ends_every_command_quietly() {
    let folder = Folder::new();
    let program = folder.program("hello", HELLO).display().to_string();
    for arguments in [&["--help"][..], &["completions", "zsh"], &["inspect", &program]] {
        let (reader, writer) = io::pipe().unwrap();
        drop(reader);
        let output = ncpu().args(arguments).stdout(writer).output().unwrap();
        assert_eq!((output.status.code(), text(&output.stderr)), (Some(141), String::new()));
    }
}
