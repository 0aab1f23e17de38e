//! Message data in user memory: one piece, or many of them (`struct iovec`).

use crate::Errno;
use crate::abi::socket::{MAX_RW_COUNT, UIO_MAXIOV};
use crate::image::Kernel;
use crate::user::{Dest, Source};

/// A cursor over the pieces of a scattered buffer.
pub(super) struct Vector {
    /// The next `struct iovec`, and how many are left.
    next: u64,
    pieces: u64,
    /// The rest of the current piece.
    address: u64,
    here: u64,
    /// Bytes left in all.
    left: u64,
}

impl Vector {
    /// The buffer that `count` records at `iov` describe. EINVAL for a negative length, EMSGSIZE for
    /// too many pieces.
    pub(super) fn new(k: &mut Kernel<'_>, iov: u64, count: u64) -> Result<Vector, Errno> {
        if count > UIO_MAXIOV {
            return Err(Errno::EMSGSIZE);
        }
        let mut left = 0u64;
        for index in 0..count {
            let [_, len]: [u64; 2] = k.read_record(iov.wrapping_add(16 * index))?;
            if len as i64 <= -1 {
                return Err(Errno::EINVAL);
            }
            left = left.saturating_add(len).min(MAX_RW_COUNT);
        }
        Ok(Vector { next: iov, pieces: count, address: 0, here: 0, left })
    }

    /// Address of the next byte, and how many follow it in its piece.
    fn piece(&mut self, k: &mut Kernel<'_>) -> Result<(u64, u64), Errno> {
        while self.here == 0 && self.pieces != 0 {
            let [address, len]: [u64; 2] = k.read_record(self.next)?;
            self.next = self.next.wrapping_add(16);
            self.pieces -= 1;
            (self.address, self.here) = (address, len);
        }
        if self.here == 0 {
            // The records changed under us.
            return Err(Errno::EFAULT);
        }
        Ok((self.address, self.here.min(self.left)))
    }

    fn advance(&mut self, count: u64) {
        self.address = self.address.wrapping_add(count);
        self.here -= count;
        self.left -= count;
    }

    fn skip(&mut self, k: &mut Kernel<'_>, mut count: u64) -> Result<(), Errno> {
        while count != 0 {
            let (_, here) = self.piece(k)?;
            let step = here.min(count);
            self.advance(step);
            count -= step;
        }
        Ok(())
    }
}

/// Where the bytes of a message to send come from.
pub(super) enum Outgoing<'a, 'b> {
    /// One piece.
    Plain(&'a mut Source<'b>),
    /// Many.
    Vector(Vector),
}

impl Outgoing<'_, '_> {
    /// Bytes that are left.
    pub(super) fn left(&self) -> u64 {
        match self {
            Outgoing::Plain(source) => source.left(),
            Outgoing::Vector(vector) => vector.left,
        }
    }

    /// Takes exactly `out.len()` bytes; so many must be left.
    pub(super) fn take(&mut self, k: &mut Kernel<'_>, out: &mut [u8]) -> Result<(), Errno> {
        match self {
            Outgoing::Plain(source) => source.take(k, out),
            Outgoing::Vector(vector) => {
                let mut done = 0;
                while done < out.len() {
                    let (address, here) = vector.piece(k)?;
                    let step = here.min((out.len() - done) as u64);
                    k.read_user(address, &mut out[done..done + step as usize])?;
                    vector.advance(step);
                    done += step as usize;
                }
                Ok(())
            }
        }
    }

    /// Passes over bytes that an earlier try has sent.
    pub(super) fn skip(&mut self, k: &mut Kernel<'_>, count: u64) -> Result<(), Errno> {
        let count = count.min(self.left());
        match self {
            Outgoing::Plain(Source::User(address, left)) => {
                *address = address.wrapping_add(count);
                *left -= count;
                Ok(())
            }
            Outgoing::Plain(Source::Kernel(bytes)) => {
                *bytes = &bytes[count as usize..];
                Ok(())
            }
            Outgoing::Vector(vector) => vector.skip(k, count),
        }
    }
}

/// Where the bytes of a received message go.
pub(super) enum Incoming<'a, 'b> {
    /// One piece.
    Plain(&'a mut Dest<'b>),
    /// Many.
    Vector(Vector),
}

impl Incoming<'_, '_> {
    /// Bytes that still fit.
    pub(super) fn room(&self) -> u64 {
        match self {
            Incoming::Plain(dest) => dest.room(),
            Incoming::Vector(vector) => vector.left,
        }
    }

    /// Appends bytes; they must fit.
    pub(super) fn put(&mut self, k: &mut Kernel<'_>, bytes: &[u8]) -> Result<(), Errno> {
        match self {
            Incoming::Plain(dest) => dest.put(k, bytes),
            Incoming::Vector(vector) => {
                let mut done = 0;
                while done < bytes.len() {
                    let (address, here) = vector.piece(k)?;
                    let step = here.min((bytes.len() - done) as u64);
                    k.write_user(address, &bytes[done..done + step as usize])?;
                    vector.advance(step);
                    done += step as usize;
                }
                Ok(())
            }
        }
    }

    /// Passes over room: for what an earlier try has filled, or for bytes that are discarded.
    pub(super) fn skip(&mut self, k: &mut Kernel<'_>, count: u64) -> Result<(), Errno> {
        let count = count.min(self.room());
        match self {
            Incoming::Plain(Dest::User(address, left)) => {
                *address = address.wrapping_add(count);
                *left -= count;
                Ok(())
            }
            Incoming::Plain(Dest::Kernel(_, filled)) => {
                *filled += count as usize;
                Ok(())
            }
            Incoming::Vector(vector) => vector.skip(k, count),
        }
    }
}
