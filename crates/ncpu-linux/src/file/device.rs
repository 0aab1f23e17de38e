//! Character devices (null(4), zero(4), full(4), random(4), tty(4), pts(4)).

use super::File;
use crate::image::Kernel;
use crate::rom::makedev;
use crate::scratch::{Scratch, zeroed};
use crate::user::{Dest, Source};
use crate::{Errno, SysResult, tty, vfs};

const NULL: u32 = makedev(1, 3);
const ZERO: u32 = makedev(1, 5);
const FULL: u32 = makedev(1, 7);
const RANDOM: u32 = makedev(1, 8);
const URANDOM: u32 = makedev(1, 9);
const KMSG: u32 = makedev(1, 11);
const TTY: u32 = makedev(5, 0);
const CONSOLE: u32 = makedev(5, 1);
const PTMX: u32 = makedev(5, 2);

/// Opens the device with this number as `file`, which has the node and the flags already; ENXIO when
/// there is no such device.
pub(crate) fn open(k: &mut Kernel<'_>, file: usize, device: u32, flags: u32) -> Result<(), Errno> {
    match device {
        NULL | ZERO | FULL | RANDOM | URANDOM | KMSG => Ok(()),
        _ => open_terminal(k, file, device, flags),
    }
}

/// Opens the terminal with this device number.
pub(crate) fn open_terminal(
    k: &mut Kernel<'_>,
    file: usize,
    device: u32,
    flags: u32,
) -> Result<(), Errno> {
    let major = (device >> 8) & 0xfff;
    match device {
        TTY => tty::open_controlling(k, file),
        CONSOLE => tty::open_console(k, file, flags),
        PTMX => {
            tty::open_master(k, file)?;
            let number = k.files[file].object;
            vfs::mount::add_terminal(k, number)?;
            Ok(())
        }
        _ if (136..144).contains(&major) => {
            let number = (major - 136) << 8 | device & 0xff;
            tty::open_slave(k, file, number, flags)
        }
        _ => Err(Errno::ENXIO),
    }
}

/// Bytes moved at a time.
const CHUNK: usize = 1024;
/// Most that one read of a random device gives, so that a call ends in good time.
const RANDOM_MAX: u64 = 1 << 20;

pub(super) fn read(k: &mut Kernel<'_>, file: &File, to: &mut Dest<'_>) -> SysResult {
    let limit = match file.device {
        NULL => return Ok(0),
        ZERO | FULL => u64::MAX,
        RANDOM | URANDOM => RANDOM_MAX,
        // There is no kernel log to read.
        KMSG => return Err(Errno::EAGAIN.into()),
        _ => return Err(Errno::EINVAL.into()),
    };
    let random = matches!(file.device, RANDOM | URANDOM);
    let mut scratch = Scratch::<{ CHUNK / 8 }>::uninit();
    let buffer = zeroed(&mut scratch);
    let mut done = 0;
    while to.room() != 0 && done < limit {
        let mut len = to.room().min(CHUNK as u64) as usize;
        if let Dest::User(address, _) = to {
            len = len.min(4096 - (*address as usize & 4095));
        }
        if random {
            k.entropy(&mut buffer[..len]);
        }
        match to.put(k, &buffer[..len]) {
            Ok(()) => done += len as u64,
            Err(error) if done == 0 => return Err(error.into()),
            Err(_) => break,
        }
    }
    Ok(done)
}

pub(super) fn write(k: &mut Kernel<'_>, file: &File, from: &mut Source<'_>) -> SysResult {
    let _ = k;
    let count = from.left();
    match file.device {
        NULL | ZERO | RANDOM | URANDOM | KMSG => {
            match from {
                Source::User(address, left) => {
                    *address = address.wrapping_add(*left);
                    *left = 0;
                }
                Source::Kernel(bytes) => *bytes = &[],
            }
            Ok(count)
        }
        FULL => Err(Errno::ENOSPC.into()),
        _ => Err(Errno::EINVAL.into()),
    }
}

pub(super) fn ioctl(k: &mut Kernel<'_>, file: usize, request: u32, argument: u64) -> SysResult {
    /// RNDGETENTCNT (random(4)).
    const GET_ENTROPY_COUNT: u32 = 0x8004_5200;
    const POOL_BITS: u32 = 256;
    let device = k.files[file].device;
    if matches!(device, RANDOM | URANDOM) && request == GET_ENTROPY_COUNT {
        k.write_record(argument, &POOL_BITS)?;
        return Ok(0);
    }
    Err(Errno::ENOTTY.into())
}
