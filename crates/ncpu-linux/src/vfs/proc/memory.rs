//! Files of /proc about the memory of a process: maps and what is counted from them.

use super::process::mm_of;
use super::system::PAGE_KIB;
use super::{Subject, Text};
use crate::image::Kernel;
use crate::mm::{Vma, flag};
use crate::vfs::{self, Node, path};
use ncpu_machine::Ppn;

const PAGE: u64 = 4096;
/// Column of the name in `maps`.
const NAME_COLUMN: u64 = 73;

/// Calls `each` with every mapping of the process in address order.
fn for_each(
    k: &mut Kernel<'_>,
    subject: Subject,
    mut each: impl FnMut(&mut Kernel<'_>, usize, &Vma),
) {
    let Some(mm) = mm_of(k, subject) else { return };
    let mut next = k.mms[mm].first;
    while let Some(vma) = (next as usize).checked_sub(1).and_then(|at| k.vmas.get(at)).copied() {
        each(k, mm, &vma);
        next = vma.next;
    }
}

/// One line of `maps`, as fs/proc/task_mmu.c prints it.
fn line(k: &mut Kernel<'_>, mm: usize, vma: &Vma, w: &mut Text) {
    let start = w.length();
    w.hex(k, vma.start, 8).put(k, b"-").hex(k, vma.end, 8).put(k, b" ");
    for (bit, letter) in [(flag::READ, b"r"), (flag::WRITE, b"w"), (flag::EXEC, b"x")] {
        w.put(k, if vma.has(bit) { letter } else { b"-" });
    }
    w.put(k, if vma.has(flag::SHARED) { b"s " } else { b"p " });
    let node = Node(vma.node);
    let status = match node {
        Node::NONE => None,
        node => vfs::status(k, node).ok(),
    };
    let (device, ino) = status.map_or((0, 0), |status| (status.device, status.ino));
    let offset = if node == Node::NONE { 0 } else { vma.offset };
    w.hex(k, offset, 8).put(k, b" ").hex(k, u64::from(device >> 8 & 0xfff), 2).put(k, b":");
    w.hex(k, u64::from(device & 0xff), 2).put(k, b" ").dec(k, ino).put(k, b" ");
    let record = &k.mms[mm];
    let heap = vma.start < record.heap[1] && vma.end > record.heap[0];
    let stack = vma.start <= record.stack[0] && record.stack[0] < vma.end;
    let mut buffer = [0; 1024];
    let name: &[u8] = if node != Node::NONE {
        path::path_of(k, node, &mut buffer).unwrap_or(b"?")
    } else if vma.has(flag::VDSO) {
        b"[vdso]"
    } else if heap {
        b"[heap]"
    } else if stack {
        b"[stack]"
    } else {
        b""
    };
    if !name.is_empty() {
        let width = NAME_COLUMN.saturating_sub(w.length() - start);
        w.pad(k, b' ', width as usize).put(k, name);
    }
    w.put(k, b"\n");
}

/// `maps`.
pub(super) fn maps(k: &mut Kernel<'_>, subject: Subject, w: &mut Text) {
    for_each(k, subject, |k, mm, vma| line(k, mm, vma, w));
}

/// Pages of a mapping: present, and of those, how many only this mapping refers to, how many are
/// pages of no file, and how many are pages of no file that others refer to.
#[derive(Clone, Copy, Default)]
struct Pages {
    present: u64,
    private: u64,
    anonymous: u64,
    shared_anonymous: u64,
}

fn pages_of(k: &Kernel<'_>, mm: usize, vma: &Vma) -> Pages {
    let root = Ppn(k.mms[mm].root);
    let mut pages = Pages::default();
    let mut address = vma.start;
    while address < vma.end {
        let Some((entry, ..)) = k.mem.descriptor(root, address) else {
            // No table: nothing in the 2 MiB that it would cover.
            const COVERED: u64 = 512 * PAGE;
            address = (address & !(COVERED - 1)) + COVERED;
            continue;
        };
        if entry.is_valid() {
            let page = entry.target();
            pages.present += 1;
            let is_private = k.mem.references(page) == 1;
            pages.private += u64::from(is_private);
            pages.anonymous += u64::from(vma.is_anonymous());
            pages.shared_anonymous += u64::from(vma.is_anonymous() && !is_private);
        }
        address += PAGE;
    }
    pages
}

fn row(k: &mut Kernel<'_>, w: &mut Text, name: &[u8], pages: u64) {
    w.left(k, name, 16).right(k, pages * PAGE_KIB, 8).put(k, b" kB\n");
}

/// Pages of no file and private copies count as dirty: nothing else holds their bytes.
fn figures(k: &mut Kernel<'_>, w: &mut Text, pages: Pages) {
    let shared = pages.present - pages.private;
    row(k, w, b"Rss:", pages.present);
    row(k, w, b"Pss:", pages.present);
    row(k, w, b"Shared_Clean:", shared - pages.shared_anonymous);
    row(k, w, b"Shared_Dirty:", pages.shared_anonymous);
    row(k, w, b"Private_Clean:", 0);
    row(k, w, b"Private_Dirty:", pages.private);
    row(k, w, b"Referenced:", pages.present);
    row(k, w, b"Anonymous:", pages.anonymous);
    row(k, w, b"Swap:", 0);
    row(k, w, b"Locked:", 0);
}

/// `smaps`.
pub(super) fn smaps(k: &mut Kernel<'_>, subject: Subject, w: &mut Text) {
    for_each(k, subject, |k, mm, vma| {
        line(k, mm, vma, w);
        let pages = pages_of(k, mm, vma);
        row(k, w, b"Size:", (vma.end - vma.start) / PAGE);
        row(k, w, b"KernelPageSize:", 1);
        row(k, w, b"MMUPageSize:", 1);
        figures(k, w, pages);
        w.put(k, b"VmFlags:");
        for (bit, word) in [
            (flag::READ, b" rd"),
            (flag::WRITE, b" wr"),
            (flag::EXEC, b" ex"),
            (flag::SHARED, b" sh"),
            (flag::GROWS_DOWN, b" gd"),
            (flag::LOCKED, b" lo"),
        ] {
            if vma.has(bit) {
                w.put(k, word);
            }
        }
        w.put(k, b" \n");
    });
}

/// `smaps_rollup`.
pub(super) fn rollup(k: &mut Kernel<'_>, subject: Subject, w: &mut Text) {
    let mut sum = Pages::default();
    let (mut first, mut last) = (u64::MAX, 0);
    for_each(k, subject, |k, mm, vma| {
        let pages = pages_of(k, mm, vma);
        sum.present += pages.present;
        sum.private += pages.private;
        sum.anonymous += pages.anonymous;
        sum.shared_anonymous += pages.shared_anonymous;
        first = first.min(vma.start);
        last = last.max(vma.end);
    });
    let start = w.length();
    w.hex(k, first.min(last), 8).put(k, b"-").hex(k, last, 8).put(k, b" ---p 00000000 00:00 0 ");
    let width = NAME_COLUMN.saturating_sub(w.length() - start);
    w.pad(k, b' ', width as usize).put(k, b"[rollup]\n");
    figures(k, w, sum);
}

/// Bytes of code, and of writable private memory with the stack.
pub(super) fn text_and_data(k: &mut Kernel<'_>, subject: Subject) -> [u64; 2] {
    let [mut text, mut data] = [0; 2];
    for_each(k, subject, |_, _, vma| {
        let size = vma.end - vma.start;
        if vma.has(flag::WRITE) && !vma.has(flag::SHARED) {
            data += size;
        } else if vma.has(flag::EXEC) && !vma.is_anonymous() {
            text += size;
        }
    });
    [text, data]
}

/// The memory lines of `status`.
pub(super) fn status(k: &mut Kernel<'_>, subject: Subject, mm: usize, w: &mut Text) {
    let m = k.mms[mm];
    let [text, data] = text_and_data(k, subject);
    let (mut stack, mut locked, mut anonymous) = (0, 0, 0);
    for_each(k, subject, |k, mm, vma| {
        if vma.start <= m.stack[0] && m.stack[0] < vma.end {
            stack = vma.end - vma.start;
        }
        if vma.has(flag::LOCKED) {
            locked += vma.end - vma.start;
        }
        anonymous += pages_of(k, mm, vma).anonymous;
    });
    let own = m.code[1].saturating_sub(m.code[0]).next_multiple_of(PAGE).min(text);
    let rows: [(&[u8], u64); 14] = [
        (b"VmPeak:\t", m.usage[0]),
        (b"VmSize:\t", m.usage[0]),
        (b"VmLck:\t", locked),
        (b"VmPin:\t", 0),
        (b"VmHWM:\t", m.usage[1] * PAGE),
        (b"VmRSS:\t", m.usage[1] * PAGE),
        (b"RssAnon:\t", anonymous * PAGE),
        (b"RssFile:\t", m.usage[1].saturating_sub(anonymous) * PAGE),
        (b"RssShmem:\t", 0),
        (b"VmData:\t", data.saturating_sub(stack)),
        (b"VmStk:\t", stack),
        (b"VmExe:\t", own),
        (b"VmLib:\t", text - own),
        (b"VmSwap:\t", 0),
    ];
    for (name, bytes) in rows {
        w.put(k, name).right(k, bytes / 1024, 8).put(k, b" kB\n");
    }
}
