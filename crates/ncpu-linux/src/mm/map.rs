//! Making and removing mappings (`mmap(2)`, `munmap(2)`).

use super::{
    GUARD_GAP, MAX_MAPPINGS, MIN_ADDRESS, PAGE, STACK_TOP, TASK_SIZE, Vma, fault, flag, limit,
    list, page_down, page_up, tables,
};
use crate::abi::fcntl::{F_SEAL_FUTURE_WRITE, F_SEAL_WRITE};
use crate::abi::mman::*;
use crate::file::{self, kind};
use crate::image::Kernel;
use crate::vfs::{self, Node};
use crate::{Errno, SysResult};
use ncpu_machine::Access;
use ncpu_machine::mem::untag;

/// Flags that every kind of mapping accepts (LEGACY_MAP_MASK in include/linux/mman.h); others are
/// ignored, except with MAP_SHARED_VALIDATE.
const LEGACY_FLAGS: u32 = MAP_SHARED
    | MAP_PRIVATE
    | MAP_FIXED
    | MAP_ANONYMOUS
    | MAP_DENYWRITE
    | MAP_EXECUTABLE
    | MAP_GROWSDOWN
    | MAP_LOCKED
    | MAP_NORESERVE
    | MAP_POPULATE
    | MAP_NONBLOCK
    | MAP_STACK
    | MAP_HUGETLB
    | 0x3f << MAP_HUGE_SHIFT;
/// Device number of /dev/zero.
const DEV_ZERO: u32 = crate::rom::makedev(1, 5);

/// Where mappings start downwards for a stack limit: below the room that the stack may take, which
/// is at least 128 MiB and at most five sixths of the address space (`mmap_base` in mm/util.c).
pub(super) fn base(stack_limit: u64) -> u64 {
    let gap = stack_limit.saturating_add(GUARD_GAP).clamp(128 << 20, STACK_TOP / 6 * 5);
    (STACK_TOP - gap).next_multiple_of(PAGE)
}

/// Pages of the whole machine: what one mapping can ask for at most (heuristic overcommit).
pub(super) fn total_pages(k: &Kernel<'_>) -> u64 {
    u64::from(k.mem.limit_pages())
}

/// A range of `len` bytes that is free: the highest below `mmap_base`, else the lowest above it.
pub(crate) fn find_free(k: &Kernel<'_>, mm: usize, len: u64) -> Result<u64, Errno> {
    if len > TASK_SIZE - MIN_ADDRESS {
        return Err(Errno::ENOMEM);
    }
    let base = k.mms[mm].mmap_base;
    let (mut below, mut above) = (None, None);
    let mut floor = MIN_ADDRESS;
    let mut consider = |floor: u64, ceiling: u64| {
        let top = ceiling.min(base);
        if top > floor && top - floor >= len {
            below = Some(top - len);
        }
        let bottom = floor.max(base);
        if above.is_none() && ceiling > bottom && ceiling - bottom >= len {
            above = Some(bottom);
        }
    };
    for vma in list::mappings(k, mm, 0) {
        consider(floor, vma.guarded_start());
        floor = vma.end.max(MIN_ADDRESS);
    }
    consider(floor, TASK_SIZE);
    below.or(above).ok_or(Errno::ENOMEM)
}

/// Whether `start..end` is free, with room for the guard gap of a stack above it.
pub(super) fn is_free(k: &Kernel<'_>, mm: usize, start: u64, end: u64) -> bool {
    let (_, next) = list::around(k, mm, start);
    next == 0 || k.vmas[next as usize - 1].guarded_start() >= end
}

/// Enters a mapping where nothing is; takes over the reference to the node if it succeeds.
pub(crate) fn add(k: &mut Kernel<'_>, mm: usize, vma: Vma) -> Result<(), Errno> {
    let (previous, _) = list::around(k, mm, vma.start);
    list::insert(k, mm, previous, vma)?;
    list::merge(k, mm, vma.start, vma.end);
    Ok(())
}

/// Removes whatever is mapped in a range of whole pages.
pub(crate) fn unmap(k: &mut Kernel<'_>, mm: usize, start: u64, end: u64) -> Result<(), Errno> {
    list::split(k, mm, start)?;
    list::split(k, mm, end)?;
    let (previous, mut next) = list::around(k, mm, start);
    let mut removed = false;
    while next != 0 {
        let vma = k.vmas[next as usize - 1];
        if vma.start >= end {
            break;
        }
        tables::clear(k, mm, vma.start, vma.end);
        list::remove_after(k, mm, previous);
        removed = true;
        next = vma.next;
    }
    if removed {
        let floor = if previous != 0 { k.vmas[previous as usize - 1].end } else { 0 };
        let ceiling = if next != 0 { k.vmas[next as usize - 1].start } else { TASK_SIZE };
        tables::free_unused(k, mm, start, end, floor, ceiling);
    }
    Ok(())
}

/// What a new mapping is to be.
pub(crate) struct Request {
    /// Where, or a wish.
    pub(crate) address: u64,
    /// Bytes.
    pub(crate) len: u64,
    /// Bits of [`flag`].
    pub(crate) flags: u64,
    /// MAP_FIXED, MAP_FIXED_NOREPLACE, or 0.
    pub(crate) placement: u32,
    /// File, or [`Node::NONE`]; a reference of its own is added.
    pub(crate) node: Node,
    /// Offset in the file, a multiple of the page size.
    pub(crate) offset: u64,
}

/// Makes a mapping and returns its address.
///
/// # Errors
/// EINVAL for an empty or unaligned range, ENOMEM when it does not fit, EPERM below the lowest
/// address, EEXIST with MAP_FIXED_NOREPLACE, EOVERFLOW for offsets beyond 64 bits.
pub(crate) fn map(k: &mut Kernel<'_>, mm: usize, request: &Request) -> Result<u64, Errno> {
    if request.len == 0 {
        return Err(Errno::EINVAL);
    }
    let len = page_up(request.len).ok_or(Errno::ENOMEM)?;
    request.offset.checked_add(len).ok_or(Errno::EOVERFLOW)?;
    if k.mms[mm].count > MAX_MAPPINGS || len > TASK_SIZE {
        return Err(Errno::ENOMEM);
    }
    let start = place(k, mm, request.address, len, request.placement)?;
    let data = request.flags & (flag::WRITE | flag::SHARED | flag::GROWS_DOWN) == flag::WRITE;
    let end = start + len;
    let replaced = replaced_bytes(k, mm, start, end);
    if !list::may_grow(k, mm, len - replaced, data) {
        return Err(Errno::ENOMEM);
    }
    let private_writable = request.flags & (flag::WRITE | flag::SHARED) == flag::WRITE;
    if private_writable && request.flags & flag::NO_RESERVE == 0 && len / PAGE > total_pages(k) {
        return Err(Errno::ENOMEM);
    }
    if replaced != 0 {
        unmap(k, mm, start, end)?;
    }
    let Node(node) = request.node;
    let flags = request.flags | u64::from(k.mms[mm].future_flags);
    if node != Node::NONE.0 {
        vfs::hold(k, request.node);
    }
    let vma = Vma { start, end, flags, offset: request.offset, node, next: 0 };
    if let Err(errno) = add(k, mm, vma) {
        if node != Node::NONE.0 {
            vfs::drop_node(k, request.node);
        }
        return Err(errno);
    }
    Ok(start)
}

/// Chooses or checks the address of a mapping.
pub(super) fn place(
    k: &Kernel<'_>,
    mm: usize,
    address: u64,
    len: u64,
    placement: u32,
) -> Result<u64, Errno> {
    if placement == 0 {
        let wish = page_up(address.max(if address == 0 { 0 } else { MIN_ADDRESS })).unwrap_or(0);
        let fits = wish != 0 && wish <= TASK_SIZE - len && is_free(k, mm, wish, wish + len);
        return if fits { Ok(wish) } else { find_free(k, mm, len) };
    }
    if address > TASK_SIZE - len {
        return Err(Errno::ENOMEM);
    }
    if !address.is_multiple_of(PAGE) {
        return Err(Errno::EINVAL);
    }
    if address < MIN_ADDRESS && !super::is_capable(k, super::CAP_SYS_RAWIO) {
        return Err(Errno::EPERM);
    }
    if placement == MAP_FIXED_NOREPLACE && replaced_bytes(k, mm, address, address + len) != 0 {
        return Err(Errno::EEXIST);
    }
    Ok(address)
}

/// Bytes of a range that are mapped.
fn replaced_bytes(k: &Kernel<'_>, mm: usize, start: u64, end: u64) -> u64 {
    list::mappings(k, mm, start)
        .take_while(|vma| vma.start < end)
        .map(|vma| vma.end.min(end) - vma.start.max(start))
        .sum()
}

/// Brings in the pages of a range as far as that is possible.
pub(super) fn populate(k: &mut Kernel<'_>, mm: usize, start: u64, end: u64) {
    let mut at = start;
    while at < end {
        let Some(index) = list::containing(k, mm, at) else { return };
        let vma = k.vmas[index];
        let access = if vma.flags & (flag::WRITE | flag::SHARED) == flag::WRITE {
            Access::Write
        } else {
            Access::Read
        };
        if fault::touch(k, mm, at, access).is_err() {
            return;
        }
        at += PAGE;
    }
}

/// mmap.
pub fn mmap(
    k: &mut Kernel<'_>,
    address: u64,
    len: u64,
    prot: u32,
    flags: u32,
    fd: i32,
    offset: u64,
) -> SysResult {
    if !offset.is_multiple_of(PAGE) {
        return Err(Errno::EINVAL.into());
    }
    let mut file = None;
    if flags & MAP_ANONYMOUS == 0 {
        file = Some(file::get(k, fd)?);
        if flags & MAP_HUGETLB != 0 {
            return Err(Errno::EINVAL.into());
        }
    } else if flags & MAP_HUGETLB != 0 {
        // Sizes of arm64 with 4 KiB pages; there are no such pages to be had.
        let known = matches!(flags >> MAP_HUGE_SHIFT & 0x3f, 0 | 16 | 21 | 25 | 30);
        return Err(if known { Errno::ENOMEM } else { Errno::EINVAL }.into());
    }
    let mm = super::current(k);
    let placement = match flags & (MAP_FIXED | MAP_FIXED_NOREPLACE) {
        0 => 0,
        MAP_FIXED => MAP_FIXED,
        _ => MAP_FIXED_NOREPLACE,
    };
    let address = if placement == 0 { page_down(untag(address)) } else { untag(address) };
    // Errors of the range come before errors of the file.
    if len == 0 {
        return Err(Errno::EINVAL.into());
    }
    let pages = page_up(len).filter(|&len| len != 0 && len <= TASK_SIZE).ok_or(Errno::ENOMEM)?;
    offset.checked_add(pages).ok_or(Errno::EOVERFLOW)?;
    place(k, mm, address, pages, placement)?;
    let mut bits = u64::from(prot) & flag::ACCESS | flag::MAY_WRITE;
    if flags & MAP_NORESERVE != 0 {
        bits |= flag::NO_RESERVE;
    }
    if flags & MAP_GROWSDOWN != 0 {
        bits |= flag::GROWS_DOWN;
    }
    if flags & MAP_LOCKED != 0 {
        super::lock::check(k, mm, pages)?;
        bits |= flag::LOCKED;
    }
    let (node, bits) = match file {
        Some(file) => file_kind(k, file, bits, prot, flags, pages)?,
        None => anonymous_kind(k, bits, flags, pages)?,
    };
    let offset = if file.is_some() { offset } else { 0 };
    let request = Request { address, len: pages, flags: bits, placement, node, offset };
    let made = map(k, mm, &request);
    if node != Node::NONE && (file.is_none() || is_zero(k, file)) {
        // The mapping holds the node of shared anonymous memory; the maker's reference goes.
        vfs::drop_node(k, node);
    }
    let start = made?;
    let locked = bits | u64::from(k.mms[mm].future_flags);
    if flags & (MAP_POPULATE | MAP_NONBLOCK) == MAP_POPULATE
        || locked & (flag::LOCKED | flag::LOCK_ON_FAULT) == flag::LOCKED
    {
        populate(k, mm, start, start + pages);
    }
    Ok(start)
}

fn is_zero(k: &Kernel<'_>, file: Option<usize>) -> bool {
    file.is_some_and(|file| k.files[file].kind == kind::DEVICE && k.files[file].device == DEV_ZERO)
}

/// A file without a name for shared anonymous memory, with one reference.
fn shared_memory(k: &mut Kernel<'_>, len: u64) -> Result<Node, Errno> {
    const REGULAR: u32 = 0o100_777;
    let node = vfs::open::anonymous(k, REGULAR).map_err(|_| Errno::ENOMEM)?;
    if vfs::data::truncate(k, node, len).is_err() {
        vfs::drop_node(k, node);
        return Err(Errno::ENOMEM);
    }
    Ok(node)
}

/// Node and flags of an anonymous mapping. Shared memory is a file without a name.
fn anonymous_kind(
    k: &mut Kernel<'_>,
    bits: u64,
    flags: u32,
    len: u64,
) -> Result<(Node, u64), Errno> {
    match flags & MAP_TYPE {
        MAP_SHARED if flags & MAP_GROWSDOWN != 0 => Err(Errno::EINVAL),
        MAP_SHARED => Ok((shared_memory(k, len)?, bits | flag::SHARED)),
        MAP_PRIVATE => Ok((Node::NONE, bits)),
        _ => Err(Errno::EINVAL),
    }
}

/// Node and flags of a mapping of a file.
fn file_kind(
    k: &mut Kernel<'_>,
    file: usize,
    mut bits: u64,
    prot: u32,
    flags: u32,
    len: u64,
) -> Result<(Node, u64), Errno> {
    let access = k.files[file].flags & 3;
    let (reads, writes) = (access == 0 || access == 2, access == 1 || access == 2);
    let open = k.files[file];
    if open.kind == kind::PATH {
        return Err(Errno::EBADF);
    }
    let shared = match flags & MAP_TYPE {
        MAP_SHARED => true,
        MAP_SHARED_VALIDATE if flags & !(LEGACY_FLAGS | MAP_SHARED_VALIDATE) != 0 => {
            return Err(Errno::EOPNOTSUPP);
        }
        MAP_SHARED_VALIDATE => true,
        MAP_PRIVATE => false,
        _ => return Err(Errno::EINVAL),
    };
    if shared {
        if prot & PROT_WRITE != 0 && !writes {
            return Err(Errno::EACCES);
        }
        bits |= flag::SHARED;
        if !writes {
            bits &= !flag::MAY_WRITE;
        }
    }
    if !reads {
        return Err(Errno::EACCES);
    }
    if vfs::mount::has(k, Node(open.node), vfs::mount::NOEXEC) {
        if prot & PROT_EXEC != 0 {
            return Err(Errno::EPERM);
        }
        bits |= flag::NEVER_EXEC;
    }
    if shared && writes && open.kind == kind::REGULAR {
        bits = check_seals(k, Node(open.node), bits)?;
    }
    let node = match open.kind {
        kind::REGULAR => Node(open.node),
        kind::DEVICE if open.device == DEV_ZERO && shared => shared_memory(k, len)?,
        kind::DEVICE if open.device == DEV_ZERO => Node::NONE,
        _ => return Err(Errno::ENODEV),
    };
    if node.0 & Node::HOST == Node::PROC {
        return Err(Errno::ENODEV);
    }
    if flags & MAP_GROWSDOWN != 0 {
        return Err(Errno::EINVAL);
    }
    Ok((node, bits))
}

/// Flags that the seals of a memfd leave to a shared mapping (`fcntl(2)`, "File Sealing").
fn check_seals(k: &Kernel<'_>, node: Node, bits: u64) -> Result<u64, Errno> {
    let seals = vfs::inode::view(k, node).map_or(0, |inode| inode.seals);
    if seals & F_SEAL_WRITE != 0 {
        return Err(Errno::EPERM);
    }
    match seals & F_SEAL_FUTURE_WRITE {
        0 => Ok(bits),
        _ if bits & flag::WRITE != 0 => Err(Errno::EPERM),
        _ => Ok(bits & !flag::MAY_WRITE),
    }
}

/// munmap.
pub fn munmap(k: &mut Kernel<'_>, address: u64, len: u64) -> SysResult {
    let start = untag(address);
    if !start.is_multiple_of(PAGE) || start > TASK_SIZE || len > TASK_SIZE - start || len == 0 {
        return Err(Errno::EINVAL.into());
    }
    let mm = super::current(k);
    unmap(k, mm, start, start + len.next_multiple_of(PAGE))?;
    Ok(0)
}

/// The limit on the stack of the process that runs.
pub(crate) fn stack_limit(k: &Kernel<'_>) -> u64 {
    k.processes[k.current_process()].limits[limit::STACK][0]
}

/// Gives the stack of a new program its first size, where nothing else is mapped, and its rights.
pub(crate) fn resize_stack(
    k: &mut Kernel<'_>,
    mm: usize,
    index: usize,
    size: u64,
    executable: bool,
) {
    let vma = k.vmas[index];
    let start = vma.end.saturating_sub(size & !(PAGE - 1));
    let (below, _) = list::around(k, mm, vma.start);
    let floor = if below == 0 { MIN_ADDRESS } else { k.vmas[below as usize - 1].end };
    if start < vma.start && start >= floor {
        k.vmas[index].start = start;
        k.mms[mm].usage[0] += vma.start - start;
    }
    if executable {
        k.vmas[index].flags |= flag::EXEC;
        super::protect::rewrite(k, mm, index);
    }
}
