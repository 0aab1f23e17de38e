//! prctl(2).

use super::{attribute, boot, identity};
use crate::image::Kernel;
use crate::signal::SIGMAX;
use crate::{Errno, SysResult};

const PR_SET_PDEATHSIG: u32 = 1;
const PR_GET_PDEATHSIG: u32 = 2;
const PR_GET_DUMPABLE: u32 = 3;
const PR_SET_DUMPABLE: u32 = 4;
const PR_GET_KEEPCAPS: u32 = 7;
const PR_SET_KEEPCAPS: u32 = 8;
const PR_GET_TIMING: u32 = 13;
const PR_SET_TIMING: u32 = 14;
const PR_SET_NAME: u32 = 15;
const PR_GET_NAME: u32 = 16;
const PR_GET_SECCOMP: u32 = 21;
const PR_CAPBSET_READ: u32 = 23;
const PR_CAPBSET_DROP: u32 = 24;
const PR_GET_SECUREBITS: u32 = 27;
const PR_SET_SECUREBITS: u32 = 28;
const PR_SET_TIMERSLACK: u32 = 29;
const PR_GET_TIMERSLACK: u32 = 30;
const PR_MCE_KILL: u32 = 33;
const PR_MCE_KILL_GET: u32 = 34;
const PR_SET_CHILD_SUBREAPER: u32 = 36;
const PR_GET_CHILD_SUBREAPER: u32 = 37;
const PR_SET_NO_NEW_PRIVS: u32 = 38;
const PR_GET_NO_NEW_PRIVS: u32 = 39;
const PR_GET_TID_ADDRESS: u32 = 40;
const PR_SET_THP_DISABLE: u32 = 41;
const PR_GET_THP_DISABLE: u32 = 42;
const PR_CAP_AMBIENT: u32 = 47;

/// prctl(2). What needs hardware or kernel options that the machine does not have is EINVAL.
pub fn prctl(k: &mut Kernel<'_>, option: u32, a2: u64, a3: u64, a4: u64, a5: u64) -> SysResult {
    let unused = |values: &[u64]| {
        if values.iter().all(|&value| value == 0) { Ok(()) } else { Err(Errno::EINVAL) }
    };
    match option {
        PR_SET_PDEATHSIG => {
            if a2 > u64::from(SIGMAX) {
                return Err(Errno::EINVAL.into());
            }
            set(k, attribute::DEATH_SIGNAL, a2)
        }
        PR_GET_PDEATHSIG => {
            let signal = k.process().attributes[attribute::DEATH_SIGNAL];
            k.write_record(a2, &signal)?;
            Ok(0)
        }
        PR_GET_DUMPABLE => get(k, attribute::DUMPABLE),
        PR_SET_DUMPABLE => set_flag(k, attribute::DUMPABLE, a2),
        PR_GET_KEEPCAPS => get(k, attribute::KEEP_CAPABILITIES),
        PR_SET_KEEPCAPS => set_flag(k, attribute::KEEP_CAPABILITIES, a2),
        // Statistical timing, the only kind.
        PR_GET_TIMING => Ok(0),
        PR_SET_TIMING => Ok(unused(&[a2]).map(|()| 0)?),
        PR_SET_NAME => {
            let mut name = [0u8; 16];
            // At most 15 bytes count, and those behind the end need not be readable.
            for n in 0..name.len() - 1 {
                let byte = k.read_record::<u8>(a2.wrapping_add(n as u64))?;
                if byte == 0 {
                    break;
                }
                name[n] = byte;
            }
            k.task().name = name;
            Ok(0)
        }
        PR_GET_NAME => {
            let name = k.task().name;
            k.write_user(a2, &name)?;
            Ok(0)
        }
        // Not in secure computing mode.
        PR_GET_SECCOMP => Ok(0),
        PR_CAPBSET_READ => Ok(u64::from(identity::in_bounding_set(k, a2)?)),
        PR_CAPBSET_DROP => Ok(identity::drop_from_bounding_set(k, a2).map(|()| 0)?),
        PR_GET_SECUREBITS => get(k, attribute::SECURE_BITS),
        PR_SET_SECUREBITS => {
            if !identity::capable(k, identity::CAP_SETPCAP) || a2 > 0xff {
                return Err(Errno::EPERM.into());
            }
            set(k, attribute::SECURE_BITS, a2)
        }
        PR_SET_TIMERSLACK => {
            k.task().timer_slack = if a2 as i64 <= 0 { boot::TIMER_SLACK } else { a2 };
            Ok(0)
        }
        PR_GET_TIMERSLACK => Ok(k.task().timer_slack),
        // The policy is the default one and, there being no memory errors, does not matter.
        PR_MCE_KILL => Ok(unused(&[a2, a4, a5]).map(|()| 0)?),
        PR_MCE_KILL_GET => {
            const PR_MCE_KILL_DEFAULT: u64 = 2;
            Ok(unused(&[a2, a3, a4, a5]).map(|()| PR_MCE_KILL_DEFAULT)?)
        }
        PR_SET_CHILD_SUBREAPER => set(k, attribute::SUBREAPER, u64::from(a2 != 0)),
        PR_GET_CHILD_SUBREAPER => {
            let value = k.process().attributes[attribute::SUBREAPER];
            k.write_record(a2, &value)?;
            Ok(0)
        }
        PR_SET_NO_NEW_PRIVS => {
            unused(&[a3, a4, a5])?;
            if a2 != 1 {
                return Err(Errno::EINVAL.into());
            }
            set(k, attribute::NO_NEW_PRIVILEGES, 1)
        }
        PR_GET_NO_NEW_PRIVS => {
            unused(&[a2, a3, a4, a5])?;
            get(k, attribute::NO_NEW_PRIVILEGES)
        }
        PR_GET_TID_ADDRESS => {
            let address = k.task().clear_tid;
            k.write_record(a2, &address)?;
            Ok(0)
        }
        // There are no huge pages to disable, only the state.
        PR_SET_THP_DISABLE => {
            unused(&[a3, a4, a5])?;
            set(k, attribute::NO_HUGE_PAGES, u64::from(a2 != 0))
        }
        PR_GET_THP_DISABLE => {
            unused(&[a2, a3, a4, a5])?;
            get(k, attribute::NO_HUGE_PAGES)
        }
        PR_CAP_AMBIENT => {
            unused(&[a4, a5])?;
            identity::ambient(k, a2, a3)
        }
        _ => Err(Errno::EINVAL.into()),
    }
}

fn get(k: &mut Kernel<'_>, which: usize) -> SysResult {
    Ok(u64::from(k.process().attributes[which]))
}

fn set(k: &mut Kernel<'_>, which: usize, value: u64) -> SysResult {
    k.process().attributes[which] = value as u32;
    Ok(0)
}

fn set_flag(k: &mut Kernel<'_>, which: usize, value: u64) -> SysResult {
    if value > 1 {
        return Err(Errno::EINVAL.into());
    }
    set(k, which, value)
}
