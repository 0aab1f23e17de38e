//! Access to any address space, and names of places in memory.

use super::{Denied, PAGE, fault, flag, list};
use crate::Errno;
use crate::image::Kernel;
use ncpu_machine::mem::untag;
use ncpu_machine::{Access, PAGE_SIZE};

/// Reads from any address space and returns how many bytes could be read.
///
/// # Errors
/// EFAULT when not even the first could.
pub fn read_other(
    k: &mut Kernel<'_>,
    mm: usize,
    address: u64,
    out: &mut [u8],
) -> Result<usize, Errno> {
    let mut done = 0;
    while done < out.len() {
        let at = untag(address.wrapping_add(done as u64));
        let offset = (at % PAGE) as usize;
        let len = (PAGE_SIZE - offset).min(out.len() - done);
        match fault::touch(k, mm, at, Access::Read) {
            Ok(page) => k.mem.read_page(page, offset, &mut out[done..done + len]),
            Err(_) if done != 0 => break,
            Err(_) => return Err(Errno::EFAULT),
        }
        done += len;
    }
    Ok(done)
}

/// Writes to any address space and returns how many bytes could be written.
///
/// # Errors
/// EFAULT when not even the first could.
pub fn write_other(
    k: &mut Kernel<'_>,
    mm: usize,
    address: u64,
    bytes: &[u8],
) -> Result<usize, Errno> {
    let mut done = 0;
    while done < bytes.len() {
        let at = untag(address.wrapping_add(done as u64));
        let offset = (at % PAGE) as usize;
        let len = (PAGE_SIZE - offset).min(bytes.len() - done);
        let page = fault::touch(k, mm, at, Access::Write);
        match page {
            Ok(page) if k.mem.write_page(page, offset, &bytes[done..done + len]) => {}
            _ if done != 0 => break,
            _ => return Err(Errno::EFAULT),
        }
        done += len;
    }
    Ok(done)
}

/// Clears `len` bytes of an address space.
pub(crate) fn zero_other(
    k: &mut Kernel<'_>,
    mm: usize,
    address: u64,
    len: usize,
) -> Result<(), Errno> {
    const ZEROS: [u8; 512] = [0; 512];
    let mut done = 0;
    while done < len {
        let count = (len - done).min(ZEROS.len());
        let at = address.wrapping_add(done as u64);
        if write_other(k, mm, at, &ZEROS[..count])? != count {
            return Err(Errno::EFAULT);
        }
        done += count;
    }
    Ok(())
}

/// What identifies the futex at an address (`futex(2)`): for private ones and those in private
/// memory the address space and address; in shared memory, the page and the offset in it.
///
/// # Errors
/// EINVAL for an address that is not a multiple of four, EFAULT when nothing is mapped there.
pub fn futex_key(k: &mut Kernel<'_>, address: u64, shared: bool) -> Result<u64, Errno> {
    const IN_PAGE: u64 = 1 << 57;
    let address = untag(address);
    if !address.is_multiple_of(4) {
        return Err(Errno::EINVAL);
    }
    if address >= super::TASK_SIZE {
        return Err(Errno::EFAULT);
    }
    let mm = super::current(k);
    let private = (mm as u64) << ncpu_machine::mem::walk::VA_BITS | address;
    if !shared {
        return Ok(private);
    }
    let index = list::containing(k, mm, address).ok_or(Errno::EFAULT)?;
    let vma = k.vmas[index];
    if !vma.has(flag::SHARED) {
        return Ok(private);
    }
    // A page that may be written is asked for as such, so that it stays the same from now on.
    let access = if vma.has(flag::WRITE) { Access::Write } else { Access::Read };
    let page = fault::touch(k, mm, address, access).map_err(|_: Denied| Errno::EFAULT)?;
    Ok(IN_PAGE | page.address() | (address % PAGE))
}
