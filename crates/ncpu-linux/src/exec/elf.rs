//! ELF programs: what is checked and how segments are mapped (fs/binfmt_elf.c).

use super::{PATH_MAX, Program, check_executable};
use crate::Errno;
use crate::abi::elf::*;
use crate::abi::mman::{MAP_FIXED, MAP_FIXED_NOREPLACE};
use crate::image::Kernel;
use crate::mm::{self, PAGE, TASK_SIZE, Vma, flag, map};
use crate::scratch::{PageScratch, zeroed};
use crate::vfs::{self, AT_FDCWD, Node};

/// Where position-independent programs with an interpreter are loaded (ELF_ET_DYN_BASE).
const DYNAMIC_BASE: u64 = (TASK_SIZE / 3 * 2) & !(PAGE - 1);
/// The code that returns from signal handlers: `mov x8, #139` (rt_sigreturn), `svc #0`. Unwinders
/// know it by these words.
const SIGRETURN: [u8; 8] = [0x68, 0x11, 0x80, 0xd2, 0x01, 0x00, 0x00, 0xd4];

/// An ELF file with usable headers.
#[derive(Clone, Copy)]
pub(super) struct Image {
    node: Node,
    /// Its header.
    pub(super) header: Header,
}

impl Image {
    /// Reads the header; `None` for anything that is not a program for this machine.
    pub(super) fn open(k: &mut Kernel<'_>, node: Node) -> Result<Option<Image>, Errno> {
        let mut bytes = [0; HEADER_BYTES];
        if read(k, node, 0, &mut bytes).is_err() {
            return Ok(None);
        }
        let Some(header) = Header::decode(&bytes) else { return Ok(None) };
        // At most a page of program headers.
        let size = usize::from(header.count) * PROGRAM_HEADER_BYTES;
        if size == 0 || size > PAGE as usize {
            return Ok(None);
        }
        let image = Image { node, header };
        let readable = image.segment(k, header.count - 1).is_ok();
        Ok(readable.then_some(image))
    }

    /// Program header `index`.
    fn segment(&self, k: &mut Kernel<'_>, index: u16) -> Result<ProgramHeader, Errno> {
        let mut bytes = [0; PROGRAM_HEADER_BYTES];
        let offset = u64::from(index) * PROGRAM_HEADER_BYTES as u64;
        let at = self.header.program_headers.checked_add(offset).ok_or(Errno::ENOEXEC)?;
        read(k, self.node, at, &mut bytes).map_err(|_| Errno::ENOEXEC)?;
        Ok(ProgramHeader::decode(&bytes))
    }

    /// The first program header of a kind.
    fn find(&self, k: &mut Kernel<'_>, kind: u32) -> Result<Option<ProgramHeader>, Errno> {
        for index in 0..self.header.count {
            let segment = self.segment(k, index)?;
            if segment.kind == kind {
                return Ok(Some(segment));
            }
        }
        Ok(None)
    }

    /// The interpreter that the program asks for.
    ///
    /// # Errors
    /// ENOEXEC for a bad path, EIO for a truncated file, ELIBBAD for an interpreter that is no
    /// program; whatever looking it up gives.
    pub(super) fn interpreter(&self, k: &mut Kernel<'_>) -> Result<Option<Image>, Errno> {
        let Some(segment) = self.find(k, PT_INTERP)? else { return Ok(None) };
        if segment.file_size > PATH_MAX as u64 || segment.file_size < 2 {
            return Err(Errno::ENOEXEC);
        }
        let mut scratch = PageScratch::uninit();
        let path = zeroed(&mut scratch);
        let path = &mut path[..segment.file_size as usize];
        read(k, self.node, segment.offset, path)?;
        if path.last() != Some(&0) {
            return Err(Errno::ENOEXEC);
        }
        let end = path.iter().position(|&byte| byte == 0).unwrap_or(0);
        if end == 0 {
            return Err(Errno::ENOENT);
        }
        let node = vfs::resolve(k, AT_FDCWD, &path[..end], vfs::FOLLOW)?;
        check_executable(k, node)?;
        let mut probe = [0; HEADER_BYTES];
        read(k, node, 0, &mut probe)?;
        Image::open(k, node)?.map(Some).ok_or(Errno::ELIBBAD)
    }

    /// Bytes from the first to the last that segments take, the first one's page, and the largest
    /// alignment.
    fn extent(&self, k: &mut Kernel<'_>) -> Result<Extent, Errno> {
        let (mut low, mut high, mut alignment) = (u64::MAX, 0, PAGE);
        for index in 0..self.header.count {
            let segment = self.segment(k, index)?;
            if segment.kind == PT_LOAD {
                low = low.min(mm::page_down(segment.address));
                high = high.max(segment.address.wrapping_add(segment.memory_size));
                if segment.alignment.is_power_of_two() {
                    alignment = alignment.max(segment.alignment);
                }
            }
        }
        match high.checked_sub(low) {
            Some(size) if size != 0 => Ok(Extent { low, size, alignment }),
            _ => Err(Errno::EINVAL),
        }
    }
}

struct Extent {
    low: u64,
    size: u64,
    alignment: u64,
}

/// Reads exactly the bytes asked for; EIO when the file ends before.
fn read(k: &mut Kernel<'_>, node: Node, offset: u64, out: &mut [u8]) -> Result<(), Errno> {
    let mut done = 0;
    while done < out.len() {
        let at = offset.checked_add(done as u64).ok_or(Errno::EIO)?;
        match vfs::read_node(k, node, at, &mut out[done..])? {
            0 => return Err(Errno::EIO),
            count => done += count,
        }
    }
    Ok(())
}

/// A program in its address space.
pub(super) struct Loaded {
    /// Where execution starts: in the interpreter, if there is one.
    pub(super) entry: u64,
    /// The program's own entry point.
    pub(super) program_entry: u64,
    /// Address of the program headers.
    pub(super) headers: u64,
    /// Base of the interpreter.
    pub(super) base: u64,
    /// Whether the stack is executable.
    pub(super) executable_stack: bool,
}

/// Maps program, interpreter and `[vdso]`, and sets up the heap.
pub(super) fn map_program(
    k: &mut Kernel<'_>,
    space: usize,
    program: &Program,
) -> Result<Loaded, Errno> {
    let image = &program.image;
    let stack = image.find(k, PT_GNU_STACK)?;
    let has_interpreter = program.interpreter.is_some();
    let own = map_segments(k, space, image, has_interpreter)?;
    let [code_start, code_end, data_start, data_end] = own.ranges;
    let is_static_pie = image.header.kind == ET_DYN && !has_interpreter;
    let heap = if is_static_pie { DYNAMIC_BASE } else { own.end.next_multiple_of(PAGE) };
    let record = &mut k.mms[space];
    record.code = [code_start, code_end, data_start, data_end];
    record.heap = [heap, heap];
    let program_entry = image.header.entry.wrapping_add(own.bias);
    let (entry, base) = match &program.interpreter {
        Some(interpreter) => {
            let mapped = map_segments(k, space, interpreter, false)?;
            (interpreter.header.entry.wrapping_add(mapped.bias), mapped.bias)
        }
        None => (program_entry, 0),
    };
    if entry >= TASK_SIZE {
        return Err(Errno::EINVAL);
    }
    map_vdso(k, space)?;
    Ok(Loaded {
        entry,
        program_entry,
        headers: own.headers,
        base,
        executable_stack: stack.is_some_and(|stack| stack.flags & PF_X != 0),
    })
}

/// A mapped image.
struct Mapped {
    /// What is added to the addresses in the file.
    bias: u64,
    /// Address of the program headers.
    headers: u64,
    /// Start and end of code, and of data.
    ranges: [u64; 4],
    /// End of the last segment.
    end: u64,
}

/// Maps the segments of an image. Position-independent ones go to [`DYNAMIC_BASE`] if `low` (it
/// has an interpreter), else where there is room.
fn map_segments(
    k: &mut Kernel<'_>,
    space: usize,
    image: &Image,
    low: bool,
) -> Result<Mapped, Errno> {
    let extent = image.extent(k)?;
    let bias = if image.header.kind == ET_EXEC {
        0
    } else if low {
        (DYNAMIC_BASE & !(extent.alignment - 1)).wrapping_sub(extent.low)
    } else {
        let room = extent.size.checked_add(extent.alignment - PAGE).ok_or(Errno::ENOMEM)?;
        let size = room.checked_next_multiple_of(PAGE).ok_or(Errno::ENOMEM)?;
        let free = map::find_free(k, space, size)?;
        let highest = free + (size - extent.size.next_multiple_of(PAGE));
        (highest & !(extent.alignment - 1)).wrapping_sub(extent.low)
    };
    let mut mapped = Mapped { bias, headers: 0, ranges: [u64::MAX, 0, 0, 0], end: 0 };
    let mut placement = MAP_FIXED_NOREPLACE;
    for index in 0..image.header.count {
        let segment = image.segment(k, index)?;
        if segment.kind == PT_LOAD {
            map_segment(k, space, image.node, &segment, bias, placement)?;
            note(&mut mapped, image, &segment);
            placement = MAP_FIXED;
        }
    }
    if mapped.ranges[0] == u64::MAX {
        mapped.ranges[0] = 0;
    }
    Ok(mapped)
}

/// Takes the ranges of a segment into account.
fn note(mapped: &mut Mapped, image: &Image, segment: &ProgramHeader) {
    let start = segment.address.wrapping_add(mapped.bias);
    let file_end = start.wrapping_add(segment.file_size);
    let [code_start, code_end, data_start, data_end] = &mut mapped.ranges;
    if segment.flags & PF_X != 0 {
        *code_start = start.min(*code_start);
        *code_end = file_end.max(*code_end);
    }
    *data_start = start.max(*data_start);
    *data_end = file_end.max(*data_end);
    mapped.end = mapped.end.max(start.wrapping_add(segment.memory_size));
    let inside = image.header.program_headers.wrapping_sub(segment.offset);
    if image.header.program_headers >= segment.offset && inside < segment.file_size {
        mapped.headers = start.wrapping_add(inside);
    }
}

fn map_segment(
    k: &mut Kernel<'_>,
    space: usize,
    node: Node,
    segment: &ProgramHeader,
    bias: u64,
    placement: u32,
) -> Result<(), Errno> {
    if segment.address >= TASK_SIZE
        || segment.file_size > segment.memory_size
        || segment.memory_size > TASK_SIZE
        || TASK_SIZE - segment.memory_size < segment.address
    {
        return Err(Errno::EINVAL);
    }
    let start = segment.address.wrapping_add(bias);
    if start >= TASK_SIZE || TASK_SIZE - segment.memory_size < start {
        return Err(Errno::ENOMEM);
    }
    let in_page = start % PAGE;
    let file_end = start + segment.file_size;
    // A segment without bytes in the file may name an offset behind the file's end: linkers make such
    // of .bss alone, and `elf_load` gives it zeros from the start of its first page.
    let file_size = if segment.file_size == 0 { 0 } else { segment.file_size + in_page };
    if file_size != 0 {
        let offset = segment.offset.wrapping_sub(in_page);
        if !offset.is_multiple_of(PAGE) {
            return Err(Errno::EINVAL);
        }
        let mut flags = flag::MAY_WRITE;
        for (bit, right) in [(PF_R, flag::READ), (PF_W, flag::WRITE), (PF_X, flag::EXEC)] {
            if segment.flags & bit != 0 {
                flags |= right;
            }
        }
        let address = start - in_page;
        let request = map::Request { address, len: file_size, flags, placement, node, offset };
        map::map(k, space, &request)?;
    }
    if segment.memory_size == segment.file_size {
        return Ok(());
    }
    let tail = if file_size == 0 { start - in_page } else { file_end.next_multiple_of(PAGE) };
    if file_size != 0 && tail != file_end && segment.flags & PF_W != 0 {
        mm::zero_other(k, space, file_end, (tail - file_end) as usize)?;
    }
    let end = (start + segment.memory_size).next_multiple_of(PAGE);
    if end > tail {
        // Always writable, as `vm_brk_flags` makes it.
        let mut flags = flag::READ | flag::WRITE | flag::MAY_WRITE;
        if segment.flags & PF_X != 0 {
            flags |= flag::EXEC;
        }
        let request = map::Request {
            address: tail,
            len: end - tail,
            flags,
            placement: MAP_FIXED,
            node: Node::NONE,
            offset: 0,
        };
        map::map(k, space, &request)?;
    }
    Ok(())
}

/// Maps the page with the code that returns from signal handlers, which all processes share.
fn map_vdso(k: &mut Kernel<'_>, space: usize) -> Result<(), Errno> {
    if k.header.vdso == 0 {
        let page = k.mem.alloc().ok_or(Errno::ENOMEM)?;
        if !k.mem.write_page(page, 0, &SIGRETURN) {
            k.mem.release(page);
            return Err(Errno::ENOMEM);
        }
        k.header.vdso = page.0;
    }
    let start = map::find_free(k, space, PAGE)?;
    let flags = flag::READ | flag::EXEC | flag::MAY_WRITE | flag::VDSO;
    map::add(k, space, Vma { start, end: start + PAGE, flags, ..Vma::default() })?;
    k.mms[space].sigreturn = start;
    Ok(())
}
