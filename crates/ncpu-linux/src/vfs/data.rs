//! Contents of regular files, a page at a time.
//!
//! The pages that a file has of its own hang in a tree of tables of 1,024 page numbers. Where there
//! is none, the file shows its image page within `origin_size`, and zeros beyond (a hole).

use super::inode::{self, Place};
use super::{Inode, Node};
use crate::image::Kernel;
use crate::rom::{Ino, S_IFLNK, S_IFMT, S_IFREG};
use crate::scratch::{PageScratch, zeroed};
use crate::user::{Dest, Source};
use crate::{Errno, mm};
use ncpu_machine::{PAGE_SIZE, Ppn};

const PAGE: u64 = PAGE_SIZE as u64;
/// Entries of a table, as a power of two.
const FANOUT_SHIFT: u32 = 10;
const FANOUT: usize = 1 << FANOUT_SHIFT;
/// Levels that reach every page of a file of 2^63 bytes.
const MAX_LEVELS: usize = 6;

fn entry(k: &Kernel<'_>, table: Ppn, index: usize) -> u32 {
    (k.mem.read_word(table, index / 2) >> (32 * (index & 1))) as u32
}

fn set_entry(k: &mut Kernel<'_>, table: Ppn, index: usize, value: u32) -> Result<(), Errno> {
    let word = k.mem.read_word(table, index / 2);
    let shift = 32 * (index & 1);
    let word = (word & !(0xffff_ffff << shift)) | (u64::from(value) << shift);
    if k.mem.write_word(table, index / 2, word) { Ok(()) } else { Err(Errno::ENOSPC) }
}

const fn reach(levels: u32) -> u64 {
    1 << (FANOUT_SHIFT * levels)
}

const fn part(index: u64, level: u32) -> usize {
    (index >> (FANOUT_SHIFT * level)) as usize & (FANOUT - 1)
}

/// The page of its own that a file has at `index`.
fn own(k: &Kernel<'_>, inode: &Inode, index: u64) -> Option<Ppn> {
    if inode.pages == 0 || index >= reach(inode.levels) {
        return None;
    }
    let mut table = Ppn(inode.pages);
    for level in (0..inode.levels).rev() {
        match entry(k, table, part(index, level)) {
            0 => return None,
            next => table = Ppn(next),
        }
    }
    Some(table)
}

/// The page that a file shows at `index`, if it is not a hole.
fn shown(k: &Kernel<'_>, inode: &Inode, index: u64) -> Option<Ppn> {
    own(k, inode, index).or_else(|| {
        if index >= inode.origin_size.div_ceil(PAGE) {
            return None;
        }
        let (first, _) = k.rom.data(Ino(inode.origin))?;
        let page = Ppn::rom(first.checked_add(index as u32)?);
        k.mem.is_mapped(page).then_some(page)
    })
}

/// Whether a node of the overlay has a page of its own at `index`.
pub(crate) fn has_page(k: &Kernel<'_>, node: Node, index: u64) -> bool {
    inode::record(k, node).is_some_and(|at| own(k, &k.inodes[at], index).is_some())
}

/// The page of its own at `index` of record `at`, made if needed with what the file shows there.
fn make(k: &mut Kernel<'_>, at: usize, index: u64) -> Result<Ppn, Errno> {
    let inode = k.inodes[at];
    if let Some(page) = own(k, &inode, index) {
        return Ok(page);
    }
    let mut levels = inode.levels.max(1);
    let mut root = inode.pages;
    if root == 0 {
        while index >= reach(levels) {
            levels += 1;
        }
        root = k.mem.alloc().ok_or(Errno::ENOSPC)?.0;
    }
    while index >= reach(levels) {
        let above = k.mem.alloc().ok_or(Errno::ENOSPC)?;
        if let Err(error) = set_entry(k, above, 0, root) {
            k.mem.release(above);
            return Err(error);
        }
        root = above.0;
        levels += 1;
        k.inodes[at].pages = root;
        k.inodes[at].levels = levels;
    }
    k.inodes[at].pages = root;
    k.inodes[at].levels = levels;
    let mut table = Ppn(root);
    for level in (1..levels).rev() {
        let next = entry(k, table, part(index, level));
        table = if next != 0 {
            Ppn(next)
        } else {
            let fresh = k.mem.alloc().ok_or(Errno::ENOSPC)?;
            if let Err(error) = set_entry(k, table, part(index, level), fresh.0) {
                k.mem.release(fresh);
                return Err(error);
            }
            fresh
        };
    }
    let source = shown(k, &inode, index);
    let page = match source {
        Some(source) => k.mem.alloc_copy(source),
        None => k.mem.alloc(),
    }
    .ok_or(Errno::ENOSPC)?;
    if let Err(error) = set_entry(k, table, part(index, 0), page.0) {
        k.mem.release(page);
        return Err(error);
    }
    k.inodes[at].page_count += 1;
    if source.is_some() && inode.references != 0 {
        // Mappings show the page of the image and must see the new one from now on.
        mm::forget_pages(k, inode::node_of(&inode, at), index, index + 1, false);
    }
    Ok(page)
}

/// The first page of its own at or after `index`.
fn next_own(k: &Kernel<'_>, inode: &Inode, index: u64) -> Option<(u64, Ppn)> {
    let mut index = index;
    'descend: while inode.pages != 0 && index < reach(inode.levels) {
        let mut table = Ppn(inode.pages);
        for level in (0..inode.levels).rev() {
            let start = part(index, level);
            let found = (start..FANOUT).find(|&slot| entry(k, table, slot) != 0);
            let Some(slot) = found else {
                // Nothing in the rest of this table: go on behind what it covers.
                let covered = reach(level + 1);
                index = (index & !(covered - 1)).checked_add(covered)?;
                continue 'descend;
            };
            if slot != start {
                index = (index & !(reach(level + 1) - 1)) + slot as u64 * reach(level);
            }
            table = Ppn(entry(k, table, slot));
        }
        return Some((index, table));
    }
    None
}

/// Drops the pages of its own in `[from, to)` of record `at`.
fn drop_pages(k: &mut Kernel<'_>, at: usize, from: u64, to: u64) {
    let mut index = from;
    while let Some((found, page)) = next_own(k, &k.inodes[at], index) {
        if found >= to {
            return;
        }
        let inode = k.inodes[at];
        let mut table = Ppn(inode.pages);
        for level in (1..inode.levels).rev() {
            table = Ppn(entry(k, table, part(found, level)));
        }
        if set_entry(k, table, part(found, 0), 0).is_err() {
            return;
        }
        k.mem.release(page);
        k.inodes[at].page_count -= 1;
        index = found + 1;
    }
}

/// Drops all pages and tables of record `at`.
pub(crate) fn free(k: &mut Kernel<'_>, at: usize) {
    let inode = k.inodes[at];
    if inode.pages != 0 {
        let mut tables = [(0u32, 0usize); MAX_LEVELS + 1];
        let mut depth = 0;
        tables[0] = (inode.pages, 0);
        loop {
            let (table, slot) = tables[depth];
            if slot == FANOUT {
                k.mem.release(Ppn(table));
                if depth == 0 {
                    break;
                }
                depth -= 1;
                continue;
            }
            tables[depth].1 += 1;
            match entry(k, Ppn(table), slot) {
                0 => {}
                page if depth + 1 == inode.levels as usize => k.mem.release(Ppn(page)),
                page => {
                    depth += 1;
                    tables[depth] = (page, 0);
                }
            }
        }
    }
    let inode = &mut k.inodes[at];
    inode.pages = 0;
    inode.levels = 0;
    inode.page_count = 0;
    inode.origin_size = 0;
}

fn has_data(inode: &Inode) -> bool {
    matches!(inode.mode & S_IFMT, S_IFREG | S_IFLNK)
}

/// Bytes up to the end of the page that user memory at the transfer's address lies in, so that a
/// transfer stops exactly where memory ends.
fn run(address: u64) -> u64 {
    PAGE - (address & (PAGE - 1))
}

/// Reads from a file into a transfer, up to its end or as much as fits; what was read before user
/// memory ended.
pub(crate) fn read(
    k: &mut Kernel<'_>,
    node: Node,
    offset: u64,
    to: &mut Dest<'_>,
) -> Result<u64, Errno> {
    if let Place::Host(_) = node.place() {
        return super::hostfs::read(k, node, offset, to);
    }
    match to {
        Dest::User(address, left) => read_to_user(k, node, offset, address, left),
        Dest::Kernel(buffer, filled) => {
            let count = read_kept(k, node, offset, &mut buffer[*filled..])?;
            *filled += count;
            Ok(count as u64)
        }
    }
}

/// Out of line: the page is not on the stack of those who read into their own buffers.
#[inline(never)]
fn read_to_user(
    k: &mut Kernel<'_>,
    node: Node,
    offset: u64,
    address: &mut u64,
    left: &mut u64,
) -> Result<u64, Errno> {
    let inode = contents(k, node)?;
    let mut done = 0;
    let mut scratch = PageScratch::uninit();
    let buffer = zeroed(&mut scratch);
    while *left != 0 {
        let position = offset.saturating_add(done);
        let room = (PAGE - (position & (PAGE - 1))).min(*left).min(run(*address));
        let count = read_inode(k, &inode, position, &mut buffer[..room as usize]);
        if count == 0 {
            break;
        }
        match k.write_user(*address, &buffer[..count]) {
            Ok(()) => {}
            Err(error) if done == 0 => return Err(error),
            Err(_) => break,
        }
        done += count as u64;
        *address += count as u64;
        *left -= count as u64;
    }
    Ok(done)
}

/// The inode of a node that the machine keeps itself, which must have contents.
fn contents(k: &mut Kernel<'_>, node: Node) -> Result<Inode, Errno> {
    let inode = inode::view(k, node).ok_or(Errno::ESTALE)?;
    if has_data(&inode) { Ok(inode) } else { Err(Errno::EINVAL) }
}

/// Reads from a file that the machine keeps itself; 0 at and beyond its end.
pub(crate) fn read_kept(
    k: &mut Kernel<'_>,
    node: Node,
    offset: u64,
    out: &mut [u8],
) -> Result<usize, Errno> {
    let inode = contents(k, node)?;
    Ok(read_inode(k, &inode, offset, out))
}

fn read_inode(k: &Kernel<'_>, inode: &Inode, offset: u64, out: &mut [u8]) -> usize {
    let count = inode.size.saturating_sub(offset).min(out.len() as u64) as usize;
    let mut done = 0;
    while done < count {
        let position = offset + done as u64;
        let within = (position & (PAGE - 1)) as usize;
        let end = count.min(done + PAGE_SIZE - within);
        let bytes = &mut out[done..end];
        match shown(k, inode, position / PAGE) {
            Some(page) => k.mem.read_page(page, within, bytes),
            None => bytes.fill(0),
        }
        done = end;
    }
    count
}

/// Reads from a regular file into a kernel buffer; 0 at and beyond its end.
pub fn read_node(
    k: &mut Kernel<'_>,
    node: Node,
    offset: u64,
    out: &mut [u8],
) -> Result<usize, Errno> {
    read(k, node, offset, &mut Dest::Kernel(out, 0)).map(|count| count as usize)
}

/// Writes a transfer to a file, extending it; what was written before user memory or the machine's
/// memory ended.
pub(crate) fn write(
    k: &mut Kernel<'_>,
    node: Node,
    offset: u64,
    from: &mut Source<'_>,
) -> Result<u64, Errno> {
    if let Place::Host(_) = node.place() {
        return super::hostfs::write(k, node, offset, from);
    }
    match from {
        Source::User(..) => write_from_user(k, node, offset, from),
        Source::Kernel(bytes) => {
            let count = write_kept(k, node, offset, bytes)?;
            *bytes = &bytes[count as usize..];
            Ok(count)
        }
    }
}

/// Out of line: the page is not on the stack of those who write what they have.
#[inline(never)]
fn write_from_user(
    k: &mut Kernel<'_>,
    node: Node,
    offset: u64,
    from: &mut Source<'_>,
) -> Result<u64, Errno> {
    let mut done = 0;
    let mut scratch = PageScratch::uninit();
    let buffer = zeroed(&mut scratch);
    while let Source::User(address, left) = *from
        && left != 0
    {
        let position = offset + done;
        let count = (PAGE - (position & (PAGE - 1))).min(left).min(run(address));
        let bytes = &mut buffer[..count as usize];
        match from.take(k, bytes).and_then(|()| write_kept(k, node, position, bytes)) {
            Ok(_) => done += count,
            Err(error) if done == 0 => return Err(error),
            Err(_) => break,
        }
    }
    Ok(done)
}

/// Writes to a file that the machine keeps itself, extending it; what was written before the machine's
/// memory ended.
pub(crate) fn write_kept(
    k: &mut Kernel<'_>,
    node: Node,
    offset: u64,
    bytes: &[u8],
) -> Result<u64, Errno> {
    if bytes.is_empty() {
        return Ok(0);
    }
    let at = inode::change(k, node)?;
    let mut done = 0;
    let mut result = Ok(());
    while done < bytes.len() && result.is_ok() {
        let position = offset + done as u64;
        let within = (position & (PAGE - 1)) as usize;
        let end = bytes.len().min(done + PAGE_SIZE - within);
        result = make(k, at, position / PAGE).and_then(|page| {
            let written = k.mem.write_page(page, within, &bytes[done..end]);
            if written { Ok(()) } else { Err(Errno::ENOSPC) }
        });
        if result.is_ok() {
            done = end;
            let inode = &mut k.inodes[at];
            inode.size = inode.size.max(offset + done as u64);
        }
    }
    if done != 0 {
        inode::touch(k, at);
        super::access::drop_privilege_bits(k, at);
        return Ok(done as u64);
    }
    result.map(|()| 0)
}

/// Writes kernel bytes to a file that the machine keeps itself; ENOSPC also for a part.
pub(crate) fn write_node(
    k: &mut Kernel<'_>,
    node: Node,
    offset: u64,
    bytes: &[u8],
) -> Result<(), Errno> {
    let written = write_kept(k, node, offset, bytes)?;
    if written == bytes.len() as u64 { Ok(()) } else { Err(Errno::ENOSPC) }
}

/// Zeroes `[from, to)` of one page of the file, if it shows anything there.
fn zero_within(k: &mut Kernel<'_>, at: usize, from: u64, to: u64) -> Result<(), Errno> {
    if from >= to || shown(k, &k.inodes[at], from / PAGE).is_none() {
        return Ok(());
    }
    let page = make(k, at, from / PAGE)?;
    let mut scratch = PageScratch::uninit();
    let zeros = zeroed(&mut scratch);
    let within = (from & (PAGE - 1)) as usize;
    let written = k.mem.write_page(page, within, &zeros[..(to - from) as usize]);
    if written { Ok(()) } else { Err(Errno::ENOSPC) }
}

/// Sets the size of a file; what is cut off reads as zeros when it grows again.
pub(crate) fn truncate(k: &mut Kernel<'_>, node: Node, size: u64) -> Result<(), Errno> {
    if let Place::Host(_) = node.place() {
        return super::hostfs::truncate(k, node, size);
    }
    let at = inode::change(k, node)?;
    let old = k.inodes[at].size;
    if size == 0 {
        free(k, at);
    } else if size < old {
        // Also what a shared mapping left behind the end must not come back.
        zero_within(k, at, size, size.next_multiple_of(PAGE))?;
        drop_pages(k, at, size.div_ceil(PAGE), u64::MAX);
        let inode = &mut k.inodes[at];
        inode.origin_size = inode.origin_size.min(size);
    } else if size > old {
        zero_within(k, at, old, old.checked_next_multiple_of(PAGE).unwrap_or(old))?;
    }
    k.inodes[at].size = size;
    if size < old {
        mm::forget_pages(k, node, size.div_ceil(PAGE), u64::MAX, true);
    }
    inode::touch(k, at);
    super::access::drop_privilege_bits(k, at);
    Ok(())
}

/// Makes `[from, to)` read as zeros, giving back whole pages that it covers.
pub(crate) fn punch(k: &mut Kernel<'_>, node: Node, from: u64, to: u64) -> Result<(), Errno> {
    let at = inode::change(k, node)?;
    let (first, last) = (from.div_ceil(PAGE), to / PAGE);
    if first > last {
        zero_within(k, at, from, to)?;
    } else {
        zero_within(k, at, from, first * PAGE)?;
        zero_within(k, at, last * PAGE, to)?;
        drop_pages(k, at, first, last);
        // Image pages cannot be given back, only covered.
        let shown_pages = k.inodes[at].origin_size.div_ceil(PAGE);
        if last >= shown_pages && first < shown_pages {
            k.inodes[at].origin_size = first * PAGE;
        } else {
            for index in first..last.min(shown_pages) {
                zero_within(k, at, index * PAGE, (index + 1) * PAGE)?;
            }
        }
    }
    if k.inodes[at].references != 0 {
        mm::forget_pages(k, node, from / PAGE, to.div_ceil(PAGE), false);
    }
    inode::touch(k, at);
    Ok(())
}

/// Gives `[from, to)` pages of its own, so that writing there cannot fail for lack of memory.
pub(crate) fn reserve(k: &mut Kernel<'_>, node: Node, from: u64, to: u64) -> Result<(), Errno> {
    let at = inode::change(k, node)?;
    let (first, end) = (from / PAGE, to.div_ceil(PAGE));
    let free = u64::from(k.mem.limit_pages().saturating_sub(k.mem.used_pages()));
    if (end - first).saturating_sub(u64::from(k.inodes[at].page_count)) > free {
        return Err(Errno::ENOSPC);
    }
    for index in first..end {
        make(k, at, index)?;
    }
    Ok(())
}

/// The next offset from `offset` on that is data, or a hole (`SEEK_DATA`, `SEEK_HOLE` in lseek(2));
/// ENXIO at and beyond the end of the file.
pub(crate) fn seek(k: &Kernel<'_>, node: Node, offset: u64, hole: bool) -> Result<u64, Errno> {
    let inode = inode::view(k, node).ok_or(Errno::ENXIO)?;
    if offset >= inode.size {
        return Err(Errno::ENXIO);
    }
    let mut index = offset / PAGE;
    if hole {
        while index * PAGE < inode.size && shown(k, &inode, index).is_some() {
            index += 1;
        }
        return Ok((index * PAGE).max(offset).min(inode.size));
    }
    if index >= inode.origin_size.div_ceil(PAGE) {
        index = next_own(k, &inode, index).ok_or(Errno::ENXIO)?.0;
    }
    let found = (index.saturating_mul(PAGE)).max(offset);
    if found < inode.size { Ok(found) } else { Err(Errno::ENXIO) }
}

/// The page of a regular file for a mapping, with a reference for the caller; `write` for stores of
/// a shared mapping. ENXIO beyond the end, ENOSPC when memory is used up. Mappings are told by
/// [`crate::mm::forget_pages`] when the file gets another page there or ends before it.
pub fn map_page(k: &mut Kernel<'_>, node: Node, index: u64, write: bool) -> Result<Ppn, Errno> {
    if let Place::Host(_) = node.place() {
        return super::hostfs::map_page(k, node, index);
    }
    let inode = inode::view(k, node).ok_or(Errno::ENXIO)?;
    if inode.mode & S_IFMT != S_IFREG || index >= inode.size.div_ceil(PAGE) {
        return Err(Errno::ENXIO);
    }
    let page = match shown(k, &inode, index) {
        Some(page) if !write || !page.is_rom() => page,
        _ => {
            let at = inode::change(k, node)?;
            if write {
                inode::touch(k, at);
            }
            make(k, at, index)?
        }
    };
    k.mem.share(page);
    Ok(page)
}
