//! Arguments and environment on their way to the new stack.

use crate::Errno;
use crate::image::Kernel;
use crate::mm::{self, PAGE, STACK_TOP, Vma, flag, map};

/// Longest single string with its NUL (MAX_ARG_STRLEN).
const MAX_STRING: u64 = 32 * PAGE;
/// Room for strings and pointers that every program has (ARG_MAX).
const MIN_ROOM: u64 = 131_072;
/// And at most: three quarters of the usual stack.
const MAX_ROOM: u64 = (8 << 20) / 4 * 3;

/// Where strings come from.
pub(super) enum Source<'a> {
    /// A NULL-terminated array of pointers in user memory; 0 for an empty one.
    User(u64),
    /// The kernel's own, for the first program.
    Kernel(&'a [&'a [u8]]),
}

impl Source<'_> {
    fn count(&self, k: &mut Kernel<'_>) -> Result<u64, Errno> {
        match self {
            Source::User(0) => Ok(0),
            Source::User(array) => {
                let mut count = 0;
                while k.read_record::<u64>(array.wrapping_add(8 * count))? != 0 {
                    count += 1;
                    if 8 * count > MAX_ROOM {
                        return Err(Errno::E2BIG);
                    }
                }
                Ok(count)
            }
            Source::Kernel(strings) => Ok(strings.len() as u64),
        }
    }
}

/// The strings on the new stack.
pub(super) struct Strings {
    /// The new address space.
    mm: usize,
    /// Lowest byte in use: the first argument.
    pub(super) top: u64,
    /// `top` must not get below this.
    floor: u64,
    /// Address of the program's name.
    pub(super) name: u64,
    /// Number of arguments.
    pub(super) arguments: u64,
    /// Number of environment strings.
    pub(super) environment: u64,
}

impl Strings {
    /// Makes a stack in the new address space and copies name, environment and arguments to it.
    ///
    /// # Errors
    /// EFAULT, E2BIG, ENOMEM.
    pub(super) fn copy(
        k: &mut Kernel<'_>,
        space: usize,
        name: &[u8],
        argv: &Source<'_>,
        envp: &Source<'_>,
    ) -> Result<Strings, Errno> {
        let flags = flag::READ | flag::WRITE | flag::MAY_WRITE | flag::GROWS_DOWN;
        let stack = Vma { start: STACK_TOP - PAGE, end: STACK_TOP, flags, ..Vma::default() };
        map::add(k, space, stack)?;
        let (arguments, environment) = (argv.count(k)?, envp.count(k)?);
        let room = (map::stack_limit(k) / 4).clamp(MIN_ROOM, MAX_ROOM);
        let pointers = (arguments.max(1) + environment) * 8;
        if room <= pointers {
            return Err(Errno::E2BIG);
        }
        let top = STACK_TOP - 8;
        let floor = top - (room - pointers);
        let mut strings = Strings { mm: space, top, floor, name: 0, arguments, environment };
        strings.push(k, name)?;
        strings.name = strings.top;
        strings.push_all(k, envp, environment)?;
        strings.push_all(k, argv, arguments)?;
        if arguments == 0 {
            // Programs rely on a first argument (CVE-2021-4034).
            strings.push_argument(k, b"")?;
        }
        Ok(strings)
    }

    /// Puts a string in front of the arguments.
    pub(super) fn push_argument(&mut self, k: &mut Kernel<'_>, string: &[u8]) -> Result<(), Errno> {
        self.push(k, string)?;
        self.arguments += 1;
        Ok(())
    }

    /// Takes the first argument away.
    pub(super) fn remove_first(&mut self, k: &mut Kernel<'_>) -> Result<(), Errno> {
        if self.arguments != 0 {
            self.top = end_of_string(k, self.mm, self.top)?;
            self.arguments -= 1;
        }
        Ok(())
    }

    fn reserve(&mut self, len: u64) -> Result<(), Errno> {
        if len > MAX_STRING || self.top - self.floor < len {
            return Err(Errno::E2BIG);
        }
        self.top -= len;
        Ok(())
    }

    fn put(&self, k: &mut Kernel<'_>, address: u64, bytes: &[u8]) -> Result<(), Errno> {
        match mm::write_other(k, self.mm, address, bytes) {
            Ok(count) if count == bytes.len() => Ok(()),
            // The stack could not grow.
            _ => Err(Errno::E2BIG),
        }
    }

    fn push(&mut self, k: &mut Kernel<'_>, string: &[u8]) -> Result<(), Errno> {
        self.reserve(string.len() as u64 + 1)?;
        self.put(k, self.top, string)?;
        self.put(k, self.top + string.len() as u64, &[0])
    }

    fn push_all(
        &mut self,
        k: &mut Kernel<'_>,
        source: &Source<'_>,
        count: u64,
    ) -> Result<(), Errno> {
        for index in (0..count).rev() {
            match source {
                Source::User(array) => {
                    let pointer = k.read_record(array.wrapping_add(8 * index))?;
                    self.push_user(k, pointer)?;
                }
                Source::Kernel(strings) => {
                    let string = strings.get(index as usize).copied().unwrap_or(b"");
                    self.push(k, string)?;
                }
            }
        }
        Ok(())
    }

    fn push_user(&mut self, k: &mut Kernel<'_>, pointer: u64) -> Result<(), Errno> {
        let mut buffer = [0; 512];
        let mut len = 0;
        loop {
            let at = pointer.wrapping_add(len);
            let chunk = (PAGE - at % PAGE).min(buffer.len() as u64) as usize;
            k.read_user(at, &mut buffer[..chunk])?;
            if let Some(end) = buffer[..chunk].iter().position(|&byte| byte == 0) {
                len += end as u64 + 1;
                break;
            }
            len += chunk as u64;
            if len >= MAX_STRING {
                return Err(Errno::E2BIG);
            }
        }
        self.reserve(len)?;
        let mut done = 0;
        while done < len {
            let chunk = (len - done).min(buffer.len() as u64) as usize;
            k.read_user(pointer.wrapping_add(done), &mut buffer[..chunk])?;
            self.put(k, self.top + done, &buffer[..chunk])?;
            done += chunk as u64;
        }
        Ok(())
    }
}

/// Address after the NUL of the string at `start` in address space `mm`.
pub(super) fn end_of_string(k: &mut Kernel<'_>, mm: usize, start: u64) -> Result<u64, Errno> {
    let mut buffer = [0; 256];
    let mut at = start;
    while at < STACK_TOP {
        let chunk = (PAGE - at % PAGE).min(buffer.len() as u64) as usize;
        if mm::read_other(k, mm, at, &mut buffer[..chunk])? != chunk {
            break;
        }
        if let Some(end) = buffer[..chunk].iter().position(|&byte| byte == 0) {
            return Ok(at + end as u64 + 1);
        }
        at += chunk as u64;
    }
    Err(Errno::EFAULT)
}
