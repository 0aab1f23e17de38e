//! `mounts` and `mountinfo`.

use super::Text;
use crate::image::Kernel;
use crate::vfs::stat::FIRST_MOUNT_ID;
use crate::vfs::{Node, mount, path};

/// The path of a mount's point, with the characters escaped that separate fields (getmntent(3)).
fn point(k: &mut Kernel<'_>, at: usize, w: &mut Text) {
    let mut buffer = [0; 1024];
    let point = match k.mounts[at].point {
        0 => Node::ROOT,
        point => Node(point),
    };
    let path = path::path_of(k, point, &mut buffer).map_or(0, <[u8]>::len);
    for &byte in &buffer[..path] {
        if matches!(byte, b' ' | b'\t' | b'\n' | b'\\') {
            w.put(k, b"\\").octal(k, u64::from(byte), 3);
        } else {
            w.put(k, &[byte]);
        }
    }
}

/// Source, type and own options of a mount.
const fn words(kind: u32) -> (&'static [u8], &'static [u8], &'static [u8]) {
    match kind {
        mount::kind::TMPFS => (b"tmpfs", b"tmpfs", b""),
        mount::kind::PROC => (b"proc", b"proc", b""),
        mount::kind::DEVPTS => (b"devpts", b"devpts", b",gid=5,mode=620,ptmxmode=000"),
        mount::kind::SYSFS => (b"sysfs", b"sysfs", b""),
        mount::kind::HOST => (b"host", b"9p", b""),
        _ => (b"overlay", b"overlay", b""),
    }
}

fn options(k: &mut Kernel<'_>, at: usize, w: &mut Text) {
    use mount::{NODEV, NOEXEC, NOSUID};
    let flags = k.mounts[at].flags;
    w.put(k, if flags & mount::RDONLY != 0 { b"ro" } else { b"rw" });
    for (bit, word) in [(NOSUID, b",nosuid".as_slice()), (NODEV, b",nodev"), (NOEXEC, b",noexec")] {
        if flags & bit != 0 {
            w.put(k, word);
        }
    }
    w.put(k, b",noatime");
}

pub(super) fn mounts(k: &mut Kernel<'_>, w: &mut Text) {
    for at in 0..k.mounts.len() {
        if k.mounts[at].kind == 0 {
            continue;
        }
        let (source, name, own) = words(k.mounts[at].kind);
        w.put(k, source).put(k, b" ");
        point(k, at, w);
        w.put(k, b" ").put(k, name).put(k, b" ");
        options(k, at, w);
        w.put(k, own).put(k, b" 0 0\n");
    }
}

pub(super) fn mountinfo(k: &mut Kernel<'_>, w: &mut Text) {
    for at in 0..k.mounts.len() {
        let m = k.mounts[at];
        if m.kind == 0 {
            continue;
        }
        let (source, name, own) = words(m.kind);
        let parent = match m.point {
            0 => FIRST_MOUNT_ID - 1,
            point => mount::of(k, Node(point)) as u64 + FIRST_MOUNT_ID,
        };
        w.dec(k, at as u64 + FIRST_MOUNT_ID).put(k, b" ").dec(k, parent).put(k, b" 0:");
        w.dec(k, u64::from(m.device & 0xff)).put(k, b" / ");
        point(k, at, w);
        w.put(k, b" ");
        options(k, at, w);
        w.put(k, b" - ").put(k, name).put(k, b" ").put(k, source);
        w.put(k, if m.flags & mount::RDONLY != 0 { b" ro" } else { b" rw" });
        w.put(k, own).put(k, b"\n");
    }
}
