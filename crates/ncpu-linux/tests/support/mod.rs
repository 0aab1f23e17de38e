//! A kernel over memory of the test, with one process that makes system calls but has no program.

// Every test binary uses a part of this.
#![allow(dead_code, unreachable_pub)]

#[path = "../machine/mod.rs"]
mod machine;

use ncpu_linux::{Block, Errno, Kernel, SysResult, file, process, table};
use ncpu_machine::Ppn;

/// Bytes of user memory that a [`Program`] has for its arguments.
const BUFFER: u64 = 1 << 18;

/// Runs `test` as the first process of a machine whose standard streams are a terminal or not.
pub(crate) fn boot(terminal: bool, test: impl FnOnce(&mut Program<'_, '_>)) {
    machine::with_machine(&[], |kernel| {
        kernel.header.console_flags = if terminal { 2 } else { 0 };
        let table = kernel.processes[kernel.current_process()].fd_table as usize;
        file::boot(kernel, table).unwrap();
        let mut program = Program { k: kernel, buffer: 0 };
        // MAP_PRIVATE | MAP_ANONYMOUS, readable and writable.
        program.buffer = program.ok(222, &[0, BUFFER, 3, 0x22, u64::MAX, 0]);
        test(&mut program);
    });
}

/// The current process, as a maker of system calls.
pub(crate) struct Program<'k, 'm> {
    /// The kernel.
    pub(crate) k: &'k mut Kernel<'m>,
    /// User memory for arguments.
    pub(crate) buffer: u64,
}

impl Program<'_, '_> {
    /// Makes a system call.
    pub(crate) fn call(&mut self, number: u32, arguments: &[u64]) -> SysResult {
        let task = self.k.current();
        let t = &mut self.k.tasks[task];
        (t.call, t.call_progress, t.call_state, t.call_deadline) = (number, 0, [0; 2], 0);
        self.again(number, arguments)
    }

    /// Tries a call that has slept again.
    pub(crate) fn again(&mut self, number: u32, arguments: &[u64]) -> SysResult {
        let mut six = [0; 6];
        six[..arguments.len()].copy_from_slice(arguments);
        let result = table::call(self.k, number, six);
        if !matches!(result, Err(Block::Sleep(..) | Block::SleepOnce(..))) {
            let task = self.k.current();
            self.k.tasks[task].call = process::NO_CALL;
        }
        result
    }

    /// Makes a system call that must succeed.
    pub(crate) fn ok(&mut self, number: u32, arguments: &[u64]) -> u64 {
        match self.call(number, arguments) {
            Ok(value) => value,
            Err(error) => panic!("call {number}: {error:?}"),
        }
    }

    /// Makes a system call that must fail.
    pub(crate) fn error(&mut self, number: u32, arguments: &[u64]) -> Errno {
        match self.call(number, arguments) {
            Err(Block::Error(errno)) => errno,
            other => panic!("call {number}: {other:?}"),
        }
    }

    /// Makes a system call that must sleep.
    pub(crate) fn sleeps(&mut self, number: u32, arguments: &[u64]) {
        let result = self.call(number, arguments);
        assert!(
            matches!(result, Err(Block::Sleep(..) | Block::SleepOnce(..))),
            "call {number}: {result:?}"
        );
    }

    /// Puts bytes into user memory, at an offset in the buffer.
    pub(crate) fn put(&mut self, offset: u64, bytes: &[u8]) -> u64 {
        self.k.write_user(self.buffer + offset, bytes).unwrap();
        self.buffer + offset
    }

    /// Bytes of user memory.
    pub(crate) fn get(&mut self, offset: u64, len: usize) -> Vec<u8> {
        let mut bytes = vec![0; len];
        self.k.read_user(self.buffer + offset, &mut bytes).unwrap();
        bytes
    }

    /// A word of user memory.
    pub(crate) fn get32(&mut self, offset: u64) -> u32 {
        u32::from_le_bytes(self.get(offset, 4).try_into().unwrap())
    }

    /// pipe2(2): the reading and the writing descriptor.
    pub(crate) fn pipe(&mut self, flags: u64) -> (u64, u64) {
        let buffer = self.buffer;
        self.ok(59, &[buffer, flags]);
        (self.get32(0).into(), self.get32(4).into())
    }

    /// openat(2).
    pub(crate) fn open(&mut self, path: &str, flags: u64) -> SysResult {
        let path = self.put(0, format!("{path}\0").as_bytes());
        self.call(56, &[-100i64 as u64, path, flags, 0o600])
    }

    /// read(2) that must succeed.
    pub(crate) fn read(&mut self, fd: u64, len: usize) -> Vec<u8> {
        let buffer = self.buffer;
        let count = self.ok(63, &[fd, buffer, len as u64]);
        self.get(0, count as usize)
    }

    /// read(2) that must fail.
    pub(crate) fn read_error(&mut self, fd: u64, len: u64) -> Errno {
        let buffer = self.buffer;
        self.error(63, &[fd, buffer, len])
    }

    /// read(2) that must sleep.
    pub(crate) fn read_sleeps(&mut self, fd: u64, len: u64) {
        let buffer = self.buffer;
        self.sleeps(63, &[fd, buffer, len]);
    }

    /// write(2).
    pub(crate) fn write(&mut self, fd: u64, bytes: &[u8]) -> SysResult {
        let buffer = self.put(0, bytes);
        self.call(64, &[fd, buffer, bytes.len() as u64])
    }

    /// ppoll(2) of one descriptor without waiting: the events.
    pub(crate) fn poll(&mut self, fd: u64, events: u16) -> u16 {
        let mut record = (fd as u32).to_le_bytes().to_vec();
        record.extend(events.to_le_bytes());
        record.extend([0; 2]);
        let record = self.put(0, &record);
        let timeout = self.put(16, &[0; 16]);
        self.ok(73, &[record, 1, timeout, 0, 8]);
        u16::from_le_bytes(self.get(6, 2).try_into().unwrap())
    }

    /// ioctl(2) with a word as argument, which it may change.
    pub(crate) fn ioctl(&mut self, fd: u64, request: u64, word: u32) -> Result<u32, Errno> {
        let argument = self.put(0, &word.to_le_bytes());
        match self.call(29, &[fd, request, argument]) {
            Ok(_) => Ok(self.get32(0)),
            Err(Block::Error(errno)) => Err(errno),
            Err(other) => panic!("ioctl {request:#x}: {other:?}"),
        }
    }

    /// Forks, and goes on as the child. Returns what [`Program::switch`] needs to go back.
    pub(crate) fn fork(&mut self) -> usize {
        let parent = self.k.current();
        self.ok(220, &[17, 0, 0, 0, 0]);
        let end = self.k.header.task_end as usize;
        let child = (0..end).rev().find(|&t| t != parent && self.k.tasks[t].state != 0).unwrap();
        self.switch(child);
        parent
    }

    /// Goes on as another task.
    pub(crate) fn switch(&mut self, task: usize) {
        self.k.header.current = task as u32;
        let mm = self.k.processes[self.k.tasks[task].process as usize].mm;
        let root = self.k.mms[mm as usize].root;
        self.k.mem.set_root(Ppn(root));
    }

    /// Whether a signal is pending for the current process.
    pub(crate) fn is_pending(&self, signal: u32) -> bool {
        let t = &self.k.tasks[self.k.current()];
        let pending = t.pending | self.k.processes[t.process as usize].pending;
        pending >> (signal - 1) & 1 != 0
    }
}
