//! Access to the running program's memory.

use crate::image::Kernel;
use crate::{Errno, mm};
use ncpu_machine::Access;

/// A record of the ABI that is copied to and from user memory as bytes.
///
/// # Safety
/// Every bit pattern must be valid and there must be no padding.
pub unsafe trait UserRecord: Copy + Default {}

macro_rules! plain { ($($type:ty)*) => { $(
    // SAFETY: an integer.
    unsafe impl UserRecord for $type {}
)* } }
plain! { u8 u16 u32 u64 i16 i32 i64 [u32; 2] [u64; 2] [i32; 2] [i64; 2] [u64; 4] }

/// The error of a call whose memory cannot be reached.
fn refused(denied: mm::Denied) -> Errno {
    if denied == mm::Denied::Wait { Errno::HOST_WAIT } else { Errno::EFAULT }
}

impl Kernel<'_> {
    /// Copies from user memory; EFAULT when a byte cannot be read.
    pub fn read_user(&mut self, address: u64, out: &mut [u8]) -> Result<(), Errno> {
        loop {
            let Err(fault) = self.mem.read_user(address, out) else { return Ok(()) };
            mm::fault(self, fault.address, Access::Read).map_err(refused)?;
        }
    }

    /// Copies to user memory; EFAULT when a byte cannot be written.
    pub fn write_user(&mut self, address: u64, bytes: &[u8]) -> Result<(), Errno> {
        loop {
            let Err(fault) = self.mem.write_user(address, bytes) else { return Ok(()) };
            mm::fault(self, fault.address, Access::Write).map_err(refused)?;
        }
    }

    /// Reads a record from user memory.
    pub fn read_record<T: UserRecord>(&mut self, address: u64) -> Result<T, Errno> {
        let mut value = T::default();
        // SAFETY: any bytes make a valid `T`, and it has no padding.
        let bytes = unsafe {
            core::slice::from_raw_parts_mut((&raw mut value).cast::<u8>(), size_of::<T>())
        };
        self.read_user(address, bytes)?;
        Ok(value)
    }

    /// Writes a record to user memory.
    pub fn write_record<T: UserRecord>(&mut self, address: u64, value: &T) -> Result<(), Errno> {
        // SAFETY: `T` has no padding, so all its bytes are initialised.
        let bytes = unsafe {
            core::slice::from_raw_parts((&raw const *value).cast::<u8>(), size_of::<T>())
        };
        self.write_user(address, bytes)
    }

    /// Reads a NUL-terminated string into `out` and returns it without the NUL. ENAMETOOLONG when
    /// it does not fit.
    pub fn read_string<'b>(&mut self, address: u64, out: &'b mut [u8]) -> Result<&'b [u8], Errno> {
        let mut length = 0;
        loop {
            if length == out.len() {
                return Err(Errno::ENAMETOOLONG);
            }
            // Up to the end of the page at a time, so that no byte past the string's page is read.
            let at = address.wrapping_add(length as u64);
            let chunk = (4096 - (at & 4095) as usize).min(64).min(out.len() - length);
            self.read_user(at, &mut out[length..length + chunk])?;
            if let Some(end) = out[length..length + chunk].iter().position(|&b| b == 0) {
                return Ok(&out[..length + end]);
            }
            length += chunk;
        }
    }
}

/// Where a transfer's bytes go: user memory or a kernel buffer.
pub enum Dest<'b> {
    /// User memory: next address and bytes left.
    User(u64, u64),
    /// A buffer, of which the front is filled.
    Kernel(&'b mut [u8], usize),
}

impl Dest<'_> {
    /// Bytes that still fit.
    pub fn room(&self) -> u64 {
        match self {
            Dest::User(_, left) => *left,
            Dest::Kernel(buffer, filled) => (buffer.len() - filled) as u64,
        }
    }

    /// Appends bytes; they must fit.
    pub fn put(&mut self, kernel: &mut Kernel<'_>, bytes: &[u8]) -> Result<(), Errno> {
        match self {
            Dest::User(address, left) => {
                kernel.write_user(*address, bytes)?;
                *address += bytes.len() as u64;
                *left -= bytes.len() as u64;
            }
            Dest::Kernel(buffer, filled) => {
                buffer[*filled..*filled + bytes.len()].copy_from_slice(bytes);
                *filled += bytes.len();
            }
        }
        Ok(())
    }
}

/// Where a transfer's bytes come from.
pub enum Source<'b> {
    /// User memory: next address and bytes left.
    User(u64, u64),
    /// The rest of a buffer.
    Kernel(&'b [u8]),
}

impl Source<'_> {
    /// Bytes that are left.
    pub fn left(&self) -> u64 {
        match self {
            Source::User(_, left) => *left,
            Source::Kernel(bytes) => bytes.len() as u64,
        }
    }

    /// Takes exactly `out.len()` bytes; so many must be left.
    pub fn take(&mut self, kernel: &mut Kernel<'_>, out: &mut [u8]) -> Result<(), Errno> {
        match self {
            Source::User(address, left) => {
                kernel.read_user(*address, out)?;
                *address += out.len() as u64;
                *left -= out.len() as u64;
            }
            Source::Kernel(bytes) => {
                let (front, rest) = bytes.split_at(out.len());
                out.copy_from_slice(front);
                *bytes = rest;
            }
        }
        Ok(())
    }
}
