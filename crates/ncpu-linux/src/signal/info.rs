//! `siginfo_t`.

use super::{CLD_CONTINUED, CLD_EXITED, SI_KERNEL, SI_TIMER, SI_TKILL, SI_USER};
use super::{SIGCHLD, SIGIO, SYNCHRONOUS, bit};

/// Details of a signal, as in `siginfo_t`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Info {
    /// Signal number.
    pub signal: u32,
    /// `si_code`.
    pub code: i32,
    /// `si_errno`.
    pub errno: i32,
    /// Sender (`si_pid`), or the timer for SI_TIMER, or the descriptor for SIGIO.
    pub pid: u32,
    /// Sender's user (`si_uid`), or the overrun count for SI_TIMER.
    pub uid: u32,
    /// `si_status` for SIGCHLD.
    pub status: i32,
    /// `si_addr`, `si_value`, `si_band`, or `si_utime` for SIGCHLD.
    pub value: u64,
}

/// Which members of `siginfo_t` mean something.
#[derive(PartialEq, Eq)]
enum Form {
    Sender,
    Fault,
    Child,
    Timer,
    Poll,
}

impl Info {
    /// Bytes of `siginfo_t`.
    pub const BYTES: usize = 128;

    /// A fault at an address.
    pub const fn fault(signal: u32, code: i32, address: u64) -> Info {
        Info { signal, code, errno: 0, pid: 0, uid: 0, status: 0, value: address }
    }

    /// A signal from the kernel itself (SI_KERNEL).
    pub const fn kernel(signal: u32) -> Info {
        Info { signal, code: SI_KERNEL, errno: 0, pid: 0, uid: 0, status: 0, value: 0 }
    }

    /// A signal sent by a process.
    pub const fn user(signal: u32, code: i32, pid: u32, uid: u32) -> Info {
        Info { signal, code, errno: 0, pid, uid, status: 0, value: 0 }
    }

    /// The layout that goes with signal and code (`siginfo_layout` in `man 2 sigaction`'s terms:
    /// positive codes belong to the signal, others to the way of sending).
    fn form(&self) -> Form {
        match self.code {
            SI_TIMER => Form::Timer,
            code if code > SI_USER && code < SI_KERNEL => match self.signal {
                SIGCHLD if (CLD_EXITED..=CLD_CONTINUED).contains(&code) => Form::Child,
                SIGIO if code <= 6 => Form::Poll,
                signal if SYNCHRONOUS & bit(signal) != 0 => Form::Fault,
                _ => Form::Sender,
            },
            _ => Form::Sender,
        }
    }

    /// The bytes of `siginfo_t`.
    pub fn to_user(&self) -> [u8; Self::BYTES] {
        let mut out = [0; Self::BYTES];
        let mut put = |at: usize, bytes: &[u8]| out[at..at + bytes.len()].copy_from_slice(bytes);
        put(0, &self.signal.to_le_bytes());
        put(4, &self.errno.to_le_bytes());
        put(8, &self.code.to_le_bytes());
        match self.form() {
            Form::Fault => put(16, &self.value.to_le_bytes()),
            Form::Poll => {
                put(16, &self.value.to_le_bytes());
                put(24, &self.pid.to_le_bytes());
            }
            form => {
                put(16, &self.pid.to_le_bytes());
                put(20, &self.uid.to_le_bytes());
                if form == Form::Child {
                    put(24, &self.status.to_le_bytes());
                    put(32, &self.value.to_le_bytes());
                } else {
                    put(24, &self.value.to_le_bytes());
                }
            }
        }
        out
    }

    /// The details that a program gives to rt_sigqueueinfo for `signal`.
    pub fn from_user(signal: u32, bytes: &[u8; Self::BYTES]) -> Info {
        let word = |at: usize| {
            u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
        };
        let double = |at: usize| u64::from(word(at)) | u64::from(word(at + 4)) << 32;
        let mut info =
            Info { signal, errno: word(4) as i32, code: word(8) as i32, ..Info::default() };
        match info.form() {
            Form::Fault => info.value = double(16),
            Form::Poll => {
                info.value = double(16);
                info.pid = word(24);
            }
            form => {
                info.pid = word(16);
                info.uid = word(20);
                if form == Form::Child {
                    info.status = word(24) as i32;
                    info.value = double(32);
                } else if info.code != SI_USER && info.code != SI_TKILL {
                    info.value = double(24);
                }
            }
        }
        info
    }
}
