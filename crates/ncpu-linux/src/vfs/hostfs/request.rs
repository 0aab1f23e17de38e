//! What the host is asked, and its answers.

use super::stamp;
use crate::Errno;
use crate::host::Request;
use crate::image::Kernel;
use crate::rom::{HASH_SEED, hash};
use crate::scratch::{PageScratch, zeroed};
use ncpu_machine::{PAGE_SIZE, Ppn};

/// A path for the host, written from the end of a buffer, and what follows it.
pub(super) struct Question<'b> {
    bytes: &'b mut [u8],
    pub(super) length: usize,
}

impl<'b> Question<'b> {
    /// Nothing yet.
    pub(super) fn new(scratch: &'b mut PageScratch) -> Question<'b> {
        Question { bytes: zeroed(scratch), length: 0 }
    }

    /// Appends the path of a node, or of a name below it if that is not empty, and its terminator.
    pub(super) fn path(&mut self, k: &Kernel<'_>, index: usize, name: &[u8]) -> Result<(), Errno> {
        // Once to measure, once to write back to front.
        let mut total = name.len();
        let mut at = index;
        while let Some(above) = (k.host_nodes[at].parent as usize).checked_sub(1) {
            total += k.host_nodes[at].get_name().len() + usize::from(total != 0);
            at = above;
        }
        let end = self.length + total;
        if end + 1 >= self.bytes.len() {
            return Err(Errno::ENAMETOOLONG);
        }
        let mut start = end - name.len();
        self.bytes[start..end].copy_from_slice(name);
        at = index;
        while let Some(above) = (k.host_nodes[at].parent as usize).checked_sub(1) {
            if start != end {
                start -= 1;
                self.bytes[start] = b'/';
            }
            let name = k.host_nodes[at].get_name();
            start -= name.len();
            self.bytes[start..start + name.len()].copy_from_slice(name);
            at = above;
        }
        self.bytes[end] = 0;
        self.length = end + 1;
        Ok(())
    }

    /// Appends so many bytes, which the caller fills.
    pub(super) fn append(&mut self, count: usize) -> Result<&mut [u8], Errno> {
        let start = self.length;
        let room = self.bytes.get_mut(start..start + count).ok_or(Errno::ENAMETOOLONG)?;
        self.length = start + count;
        Ok(room)
    }

    pub(super) fn get(&self) -> &[u8] {
        &self.bytes[..self.length]
    }
}

/// An answer of the host. Its page is the caller's.
pub(super) struct Answer {
    pub(super) value: u64,
    pub(super) page: Ppn,
    pub(super) length: usize,
}

impl Answer {
    /// Copies the bytes out and gives the page back.
    pub(super) fn finish(self, k: &mut Kernel<'_>, out: &mut [u8]) -> usize {
        let length = self.length.min(out.len());
        k.mem.read_page(self.page, 0, &mut out[..length]);
        k.mem.release(self.page);
        length
    }

    /// Gives the page back unread; the value.
    pub(super) fn value(self, k: &mut Kernel<'_>) -> u64 {
        k.mem.release(self.page);
        self.value
    }
}

/// As [`ask`], about the path of a node, or of a name below it if that is not empty. Out of line, so
/// that the page is not on the stack while the answer is dealt with.
#[inline(never)]
pub(super) fn ask_about(
    k: &mut Kernel<'_>,
    index: usize,
    name: &[u8],
    what: u32,
    arguments: [u64; 4],
) -> Result<Answer, Errno> {
    let mut scratch = PageScratch::uninit();
    let mut question = Question::new(&mut scratch);
    question.path(k, index, name)?;
    ask(k, index, what, arguments, question.get())
}

/// The host's answer to a question, if it is there; else asks, and the call waits.
pub(super) fn ask(
    k: &mut Kernel<'_>,
    index: usize,
    what: u32,
    arguments: [u64; 4],
    question: &[u8],
) -> Result<Answer, Errno> {
    let task = k.current();
    let mount = k.host_nodes[index].mount as usize - 1;
    let host = u64::from(k.mounts[mount].host);
    let [a, b, c, d] = arguments;
    let arguments = [host, a, b, c, d];
    let mut key = hash(HASH_SEED, question);
    for value in [u64::from(what), stamp(k)].iter().chain(&arguments) {
        key = hash(key, &value.to_le_bytes());
    }
    let request = k.requests[task];
    if request.operation != 0 {
        if request.done == 0 && request.key == key {
            return Err(Errno::HOST_WAIT);
        }
        k.requests[task] = Request::default();
        if request.done == 0 {
            k.header.host_requests = k.header.host_requests.saturating_sub(1);
        } else if request.key == key {
            let page = Ppn(request.page);
            if request.result < 0 {
                k.mem.release(page);
                return Err(Errno(request.result.unsigned_abs() as u16));
            }
            let length = (request.length as usize).min(PAGE_SIZE);
            return Ok(Answer { value: request.result as u64, page, length });
        }
        k.mem.release(Ppn(request.page));
    }
    let page = k.mem.alloc().ok_or(Errno::ENOMEM)?;
    if !k.mem.write_page(page, 0, question) {
        k.mem.release(page);
        return Err(Errno::ENOMEM);
    }
    k.requests[task] = Request {
        operation: what,
        done: 0,
        arguments,
        result: 0,
        page: page.0,
        length: question.len() as u32,
        key,
    };
    k.header.host_requests += 1;
    Err(Errno::HOST_WAIT)
}

/// As [`ask_about`], for answers without bytes.
pub(super) fn command(
    k: &mut Kernel<'_>,
    index: usize,
    name: &[u8],
    what: u32,
    arguments: [u64; 4],
) -> Result<u64, Errno> {
    ask_about(k, index, name, what, arguments).map(|answer| answer.value(k))
}
