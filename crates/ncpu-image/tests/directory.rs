//! Host directories as sources, and the cache.

mod support;

use std::fs::{self, Permissions};
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt, symlink};
use std::path::Path;
use std::time::{Duration, SystemTime};

use ncpu_image::{Cache, ImageError, Options, Owners};
use ncpu_linux::rom::{S_IFDIR, S_IFIFO, S_IFLNK, S_IFREG, S_IFSOCK};
use rustix::fs::{CWD, FileType, Mode};
use support::{contents, find, inode, names};
use tempfile::TempDir;

fn sample() -> TempDir {
    let scratch = support::scratch();
    let top = scratch.path();
    let make = |name: &str, mode: u32, data: &[u8]| {
        fs::write(top.join(name), data).expect("a temporary directory");
        fs::set_permissions(top.join(name), Permissions::from_mode(mode)).expect("own file");
    };
    fs::create_dir_all(top.join("bin")).expect("a temporary directory");
    fs::create_dir_all(top.join("tmp")).expect("a temporary directory");
    fs::set_permissions(top.join("tmp"), Permissions::from_mode(0o1777)).expect("own directory");
    make("bin/su", 0o4755, &[7; 10_000]);
    make("bin/empty", 0o600, b"");
    make("bin.x", 0o644, b"sorts after bin, before bin/");
    fs::hard_link(top.join("bin/su"), top.join("tmp/su")).expect("a hard link");
    symlink("/etc/passwd", top.join("outside")).expect("a link");
    symlink("../nowhere", top.join("dangling")).expect("a link");
    symlink("..", top.join("bin/up")).expect("a link");
    rustix::fs::mknodat(CWD, top.join("fifo"), FileType::Fifo, Mode::from(0o640), 0)
        .expect("a FIFO");
    drop(std::os::unix::net::UnixListener::bind(top.join("socket")).expect("a socket"));
    let time = SystemTime::UNIX_EPOCH + Duration::new(1_234_567_890, 123_456_789);
    fs::File::open(top.join("bin/su")).and_then(|file| file.set_modified(time)).expect("own file");
    scratch
}

#[test]
fn a_directory_comes_back_as_it_was() {
    let source = sample();
    let image = support::open(source.path()).expect("a readable directory");
    let rom = image.rom().expect("a checked image");
    rom.check_contents().expect("sound contents");
    assert_eq!(
        names(rom),
        [
            "bin",
            "bin/empty",
            "bin/su",
            "bin/up",
            "bin.x",
            "dangling",
            "fifo",
            "outside",
            "socket",
            "tmp",
            "tmp/su",
        ]
    );
    for (name, kind) in [
        ("bin", S_IFDIR),
        ("bin/su", S_IFREG),
        ("bin/up", S_IFLNK),
        ("fifo", S_IFIFO),
        ("socket", S_IFSOCK),
        ("tmp", S_IFDIR),
        ("outside", S_IFLNK),
    ] {
        let host = fs::symlink_metadata(source.path().join(name)).expect("made above");
        let found = inode(rom, name);
        assert_eq!(found.mode, host.mode(), "{name}");
        assert_eq!(found.kind(), kind, "{name}");
        assert_eq!(u64::from(found.nlink), host.nlink(), "{name}");
        assert_eq!((found.mtime_s, i64::from(found.mtime_ns)), (host.mtime(), host.mtime_nsec()));
    }
    let su = inode(rom, "bin/su");
    assert_eq!((su.mode & 0o7777, su.size, su.nlink), (0o4755, 10_000, 2));
    assert_eq!((su.mtime_s, su.mtime_ns), (1_234_567_890, 123_456_789));
    assert_eq!(find(rom, "bin/su"), find(rom, "tmp/su"));
    assert_eq!(inode(rom, "tmp").mode & 0o7777, 0o1777);
    assert_eq!(contents(rom, "bin/su"), [7; 10_000]);
    assert_eq!(support::symlink(rom, "outside"), b"/etc/passwd");
    assert_eq!(support::symlink(rom, "dangling"), b"../nowhere");
}

#[test]
fn owners_are_kept_or_given_to_root() {
    let source = sample();
    let host = fs::metadata(source.path().join("bin")).expect("made above");
    for (owners, uid, gid) in [(Owners::Keep, host.uid(), host.gid()), (Owners::Root, 0, 0)] {
        let options = Options { owners: Some(owners), ..support::uncached() };
        let image = ncpu_image::open(source.path(), &options).expect("a readable directory");
        let found = inode(image.rom().expect("a checked image"), "bin");
        assert_eq!((found.uid, found.gid), (uid, gid));
    }
}

#[test]
fn the_same_source_gives_the_same_bytes() {
    let (source, scratch) = (sample(), support::scratch());
    let build = |name: &str, from: &Path| {
        let out = scratch.path().join(name);
        ncpu_image::build(from, &out, &Options::default()).expect("a readable source");
        fs::read(out).expect("the image just built")
    };
    let first = build("first", source.path());
    assert_eq!(first, build("second", source.path()));
    // An image is a source too, and is copied.
    assert_eq!(first, build("third", &scratch.path().join("first")));
    let mapped = support::open(&scratch.path().join("first")).expect("an image");
    assert_eq!(mapped.bytes(), first);
}

#[test]
fn trouble_names_the_file() {
    let scratch = support::scratch();
    let missing = scratch.path().join("missing");
    let error = support::open(&missing).expect_err("nothing there");
    assert!(error.to_string().contains("missing"), "{error}");
    let fifo = scratch.path().join("fifo");
    rustix::fs::mknodat(CWD, &fifo, FileType::Fifo, Mode::from(0o600), 0).expect("a FIFO");
    assert!(fs::metadata(&fifo).expect("made above").file_type().is_fifo());
    assert!(matches!(support::open(&fifo), Err(ImageError::Unrecognized { .. })));
    let empty = support::write(&scratch, "empty", b"");
    assert!(matches!(support::open(&empty), Err(ImageError::Unrecognized { .. })));

    let source = sample();
    let secret = source.path().join("secret");
    fs::write(&secret, b"x").expect("a temporary directory");
    fs::set_permissions(&secret, Permissions::from_mode(0o000)).expect("own file");
    match support::open(source.path()) {
        Err(error) => assert!(error.to_string().contains("secret"), "{error}"),
        Ok(_) => assert!(rustix::process::geteuid().is_root(), "only root may read it"),
    }
}

#[test]
fn a_damaged_image_is_refused_with_the_place() {
    let scratch = support::scratch();
    let out = scratch.path().join("image");
    ncpu_image::build(sample().path(), &out, &Options::default()).expect("a readable source");
    let mut bytes = fs::read(&out).expect("the image just built");
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    let damaged = support::write(&scratch, "damaged", &bytes);
    assert!(matches!(support::open(&damaged), Err(ImageError::Damaged { .. })));
    let again = scratch.path().join("again");
    assert!(ncpu_image::build(&damaged, &again, &Options::default()).is_err());
    assert!(!again.exists());
}

fn cached(cache: &TempDir) -> Vec<(String, u64)> {
    let entries = fs::read_dir(cache.path()).expect("the cache");
    entries
        .map(|entry| {
            let entry = entry.expect("the cache");
            let name = entry.file_name().into_string().expect("UTF-8 names");
            (name, entry.metadata().expect("the cache").ino())
        })
        .collect()
}

#[test]
fn images_are_kept_until_their_source_changes() {
    let (source, cache) = (sample(), support::scratch());
    let options =
        Options { cache: Cache::Directory(cache.path().to_owned()), ..Options::default() };
    let open = || ncpu_image::open(source.path(), &options).expect("a readable directory");
    let first = open();
    let before = cached(&cache);
    assert_eq!(before.len(), 1);
    assert_eq!(open().bytes(), first.bytes());
    assert_eq!(cached(&cache), before, "the image was used again");

    fs::write(source.path().join("new"), b"new").expect("a temporary directory");
    let second = open();
    assert_eq!(contents(second.rom().expect("a checked image"), "new"), b"new");
    let after = cached(&cache);
    assert_eq!(after.len(), 1, "the former image is gone");
    assert_ne!(after, before);
    // The machine that runs on it does not notice.
    first.rom().expect("a checked image").check_contents().expect("sound contents");

    let path = cache.path().join(&after[0].0);
    let left = |name: &str, age: u64| {
        let left = support::write(&cache, name, b"half an image");
        let time = SystemTime::now() - Duration::from_secs(age);
        fs::File::options()
            .write(true)
            .open(&left)
            .and_then(|file| file.set_modified(time))
            .expect("own file");
        left
    };
    let abandoned = left(".packing-1.rootfs", 2 * 24 * 60 * 60);
    let running = left(".packing-2.rootfs", 60);
    let mut bytes = fs::read(&path).expect("the cached image");
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    fs::remove_file(&path).expect("the cached image");
    fs::write(&path, &bytes).expect("the cache");
    assert_eq!(open().bytes(), second.bytes(), "a damaged image is packed again");
    assert_eq!(fs::read(&path).expect("the cached image"), second.bytes());
    assert!(!abandoned.exists() && running.exists());
}

#[test]
fn concurrent_runs_do_not_disturb_each_other() {
    let (source, cache) = (sample(), support::scratch());
    let options =
        Options { cache: Cache::Directory(cache.path().to_owned()), ..Options::default() };
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                let image = ncpu_image::open(source.path(), &options).expect("readable");
                image.rom().expect("checked").check_contents().expect("sound contents");
            });
        }
    });
    assert_eq!(cached(&cache).len(), 1);
}
