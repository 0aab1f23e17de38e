//! Files of /proc about the whole machine.

use super::Text;
use crate::Errno;
use crate::entropy;
use crate::image::Kernel;
use crate::process::{PID_MAX, state, system};

/// A row: a file, directory or link.
pub(super) struct Entry {
    pub row: G,
    pub parent: Option<G>,
    pub name: &'static [u8],
    pub mode: u32,
}

macro_rules! table {
    ($($row:ident $parent:ident $name:literal $mode:literal;)*) => {
        /// Rows of [`TABLE`], in its order.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[repr(u32)]
        pub(super) enum G {
            Root,
            $($row,)*
        }

        /// What is in /proc besides processes: parent, name, mode.
        pub(super) const TABLE: &[Entry] = &[
            Entry { row: G::Root, parent: None, name: b"", mode: 0o40555 },
            $(Entry { row: G::$row, parent: Some(G::$parent), name: $name, mode: $mode },)*
        ];
    };
}

table! {
    SelfLink Root b"self" 0o120777;
    ThreadSelf Root b"thread-self" 0o120777;
    Mounts Root b"mounts" 0o120777;
    Net Root b"net" 0o120777;
    Cmdline Root b"cmdline" 0o100444;
    Cpuinfo Root b"cpuinfo" 0o100444;
    Devices Root b"devices" 0o100444;
    Filesystems Root b"filesystems" 0o100444;
    Loadavg Root b"loadavg" 0o100444;
    Meminfo Root b"meminfo" 0o100444;
    Modules Root b"modules" 0o100444;
    Partitions Root b"partitions" 0o100444;
    Stat Root b"stat" 0o100444;
    Swaps Root b"swaps" 0o100444;
    Uptime Root b"uptime" 0o100444;
    Version Root b"version" 0o100444;
    Vmstat Root b"vmstat" 0o100444;
    Sys Root b"sys" 0o40555;
    SysFs Sys b"fs" 0o40555;
    SysKernel Sys b"kernel" 0o40555;
    SysNet Sys b"net" 0o40555;
    SysVm Sys b"vm" 0o40555;
    FileMax SysFs b"file-max" 0o100444;
    FileNr SysFs b"file-nr" 0o100444;
    InotifyDir SysFs b"inotify" 0o40555;
    NrOpen SysFs b"nr_open" 0o100444;
    PipeMaxSize SysFs b"pipe-max-size" 0o100444;
    InotifyEvents InotifyDir b"max_queued_events" 0o100444;
    InotifyInstances InotifyDir b"max_user_instances" 0o100444;
    InotifyWatches InotifyDir b"max_user_watches" 0o100444;
    CapLastCap SysKernel b"cap_last_cap" 0o100444;
    Domainname SysKernel b"domainname" 0o100444;
    Hostname SysKernel b"hostname" 0o100644;
    NgroupsMax SysKernel b"ngroups_max" 0o100444;
    Osrelease SysKernel b"osrelease" 0o100444;
    Ostype SysKernel b"ostype" 0o100444;
    OverflowGid SysKernel b"overflowgid" 0o100444;
    OverflowUid SysKernel b"overflowuid" 0o100444;
    PidMax SysKernel b"pid_max" 0o100444;
    RandomDir SysKernel b"random" 0o40555;
    RandomizeVa SysKernel b"randomize_va_space" 0o100444;
    ThreadsMax SysKernel b"threads-max" 0o100444;
    KernelVersion SysKernel b"version" 0o100444;
    BootId RandomDir b"boot_id" 0o100444;
    EntropyAvail RandomDir b"entropy_avail" 0o100444;
    PoolSize RandomDir b"poolsize" 0o100444;
    Uuid RandomDir b"uuid" 0o100444;
    NetCore SysNet b"core" 0o40555;
    Somaxconn NetCore b"somaxconn" 0o100444;
    MaxMapCount SysVm b"max_map_count" 0o100444;
    OvercommitMemory SysVm b"overcommit_memory" 0o100444;
    Swappiness SysVm b"swappiness" 0o100444;
}

/// Nanoseconds in a clock tick of /proc (100 a second).
pub(super) const TICK: u64 = 10_000_000;
const SECOND: u64 = 1_000_000_000;
/// KiB in a page.
pub(super) const PAGE_KIB: u64 = 4;

/// Generates the text of a row.
pub(super) fn write(k: &mut Kernel<'_>, row: G, w: &mut Text) {
    match row {
        G::Cmdline => _ = w.put(k, b"\n"),
        G::Cpuinfo => cpuinfo(k, w),
        G::Devices => {
            w.put(k, b"Character devices:\n  1 mem\n  5 /dev/tty\n  5 /dev/console\n");
            w.put(k, b"  5 /dev/ptmx\n136 pts\n\nBlock devices:\n");
        }
        G::Filesystems => {
            for name in
                [b"sysfs".as_slice(), b"tmpfs", b"proc", b"devpts", b"devtmpfs", b"overlay", b"9p"]
            {
                w.put(k, b"nodev\t").put(k, name).put(k, b"\n");
            }
        }
        G::Loadavg => {
            let (running, total) = task_counts(k);
            w.put(k, b"0.00 0.00 0.00 ").dec(k, running).put(k, b"/").dec(k, total);
            let last = u64::from(k.header.last_pid);
            w.put(k, b" ").dec(k, last).put(k, b"\n");
        }
        G::Meminfo => meminfo(k, w),
        G::Partitions => _ = w.put(k, b"major minor  #blocks  name\n\n"),
        G::Stat => stat(k, w),
        G::Swaps => _ = w.put(k, b"Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n"),
        G::Uptime => {
            let (now, idle) = (k.now(), k.header.skipped);
            hundredths(k, w, now);
            w.put(k, b" ");
            hundredths(k, w, idle);
            w.put(k, b"\n");
        }
        G::Version => {
            w.put(k, b"Linux version ").put(k, system::RELEASE).put(k, b" ");
            w.put(k, system::VERSION).put(k, b"\n");
        }
        G::Vmstat => {
            let faults = k.header.counters.faults;
            let free = free_pages(k);
            w.put(k, b"nr_free_pages ").dec(k, free).put(k, b"\npgfault ").dec(k, faults);
            w.put(k, b"\n");
        }
        G::FileMax => number(k, w, k.files.len() as u64),
        G::FileNr => {
            let used = k.files.iter().filter(|file| file.references != 0).count() as u64;
            let all = k.files.len() as u64;
            w.dec(k, used).put(k, b"\t0\t").dec(k, all).put(k, b"\n");
        }
        G::NrOpen => number(k, w, crate::file::DESCRIPTORS as u64),
        G::PipeMaxSize => number(k, w, 1 << 20),
        G::InotifyEvents => number(k, w, 16384),
        G::InotifyInstances => number(k, w, 128),
        G::InotifyWatches => number(k, w, u64::from(k.header.limits.objects)),
        G::CapLastCap => number(k, w, 40),
        G::Domainname => _ = w.put(k, b"(none)\n"),
        G::Hostname => {
            let mut name = [0; 64];
            let stored = system::host_name(k);
            let length = stored.len().min(name.len());
            name[..length].copy_from_slice(&stored[..length]);
            w.put(k, &name[..length]).put(k, b"\n");
        }
        G::NgroupsMax => number(k, w, 65536),
        G::Osrelease => _ = w.put(k, system::RELEASE).put(k, b"\n"),
        G::Ostype => _ = w.put(k, b"Linux\n"),
        G::OverflowGid | G::OverflowUid => number(k, w, 65534),
        G::PidMax => number(k, w, u64::from(PID_MAX)),
        G::RandomizeVa => number(k, w, 0),
        G::ThreadsMax => number(k, w, k.tasks.len() as u64),
        G::KernelVersion => _ = w.put(k, system::VERSION).put(k, b"\n"),
        G::BootId => {
            // The same for all of a machine's life, and another one for another start.
            let mut state = entropy::seed(k.header.boot_time ^ k.rom.identity());
            let (high, low) = (entropy::next(&mut state), entropy::next(&mut state));
            uuid(k, w, high, low);
        }
        G::Uuid => {
            let mut bytes = [[0; 8]; 2];
            k.entropy(&mut bytes[0]);
            k.entropy(&mut bytes[1]);
            uuid(k, w, u64::from_le_bytes(bytes[0]), u64::from_le_bytes(bytes[1]));
        }
        G::EntropyAvail | G::PoolSize => number(k, w, 256),
        G::Somaxconn => number(k, w, 4096),
        G::MaxMapCount => number(k, w, 65530.min(k.vmas.len() as u64)),
        G::OvercommitMemory => number(k, w, 1),
        G::Swappiness => number(k, w, 60),
        // Directories, links and empty files.
        G::Root
        | G::SelfLink
        | G::ThreadSelf
        | G::Mounts
        | G::Net
        | G::Modules
        | G::Sys
        | G::SysFs
        | G::SysKernel
        | G::SysNet
        | G::SysVm
        | G::InotifyDir
        | G::RandomDir
        | G::NetCore => {}
    }
}

/// Changes a setting; EPERM for those that are fixed.
pub(super) fn set(k: &mut Kernel<'_>, row: G, line: &[u8]) -> Result<(), Errno> {
    match row {
        G::Hostname => {
            system::set_host_name(k, line);
            Ok(())
        }
        _ => Err(Errno::EPERM),
    }
}

fn number(k: &mut Kernel<'_>, w: &mut Text, value: u64) {
    w.dec(k, value).put(k, b"\n");
}

/// A time in seconds with two decimals.
fn hundredths(k: &mut Kernel<'_>, w: &mut Text, time: u64) {
    w.dec(k, time / SECOND).put(k, b".").zeros(k, time % SECOND / TICK, 2);
}

/// A random (version 4) UUID of 128 bits (RFC 9562 §5.4).
fn uuid(k: &mut Kernel<'_>, w: &mut Text, high: u64, low: u64) {
    let high = high & !0xf000 | 0x4000;
    let low = low & !(3 << 62) | 1 << 63;
    w.hex(k, high >> 32, 8).put(k, b"-").hex(k, high >> 16 & 0xffff, 4).put(k, b"-");
    w.hex(k, high & 0xffff, 4).put(k, b"-").hex(k, low >> 48, 4).put(k, b"-");
    w.hex(k, low & 0xffff_ffff_ffff, 12).put(k, b"\n");
}

/// Names of the HWCAP bits (arch/arm64/kernel/cpuinfo.c), by number.
const FEATURES: [&[u8]; 32] = [
    b"fp",
    b"asimd",
    b"evtstrm",
    b"aes",
    b"pmull",
    b"sha1",
    b"sha2",
    b"crc32",
    b"atomics",
    b"fphp",
    b"asimdhp",
    b"cpuid",
    b"asimdrdm",
    b"jscvt",
    b"fcma",
    b"lrcpc",
    b"dcpop",
    b"sha3",
    b"sm3",
    b"sm4",
    b"asimddp",
    b"sha512",
    b"sve",
    b"asimdfhm",
    b"dit",
    b"uscat",
    b"ilrcpc",
    b"flagm",
    b"ssbs",
    b"sb",
    b"paca",
    b"pacg",
];

/// As arch/arm64/kernel/cpuinfo.c prints it.
fn cpuinfo(k: &mut Kernel<'_>, w: &mut Text) {
    use ncpu_a64::features::{CNTFRQ_EL0, HWCAP, MIDR_EL1};
    // The delay loop counts timer ticks: two a "bogus" instruction.
    const BOGOMIPS: u64 = CNTFRQ_EL0 / 500_000;
    w.put(k, b"processor\t: 0\nBogoMIPS\t: ").dec(k, BOGOMIPS).put(k, b".00\nFeatures\t:");
    for (bit, name) in FEATURES.iter().enumerate() {
        if HWCAP >> bit & 1 != 0 {
            w.put(k, b" ").put(k, name);
        }
    }
    // Arm ARM D17.2.100: MIDR_EL1.
    w.put(k, b"\nCPU implementer\t: 0x").hex(k, MIDR_EL1 >> 24 & 0xff, 2);
    w.put(k, b"\nCPU architecture: 8\nCPU variant\t: 0x").hex(k, MIDR_EL1 >> 20 & 0xf, 1);
    w.put(k, b"\nCPU part\t: 0x").hex(k, MIDR_EL1 >> 4 & 0xfff, 3);
    w.put(k, b"\nCPU revision\t: ").dec(k, MIDR_EL1 & 0xf).put(k, b"\n\n");
}

fn free_pages(k: &Kernel<'_>) -> u64 {
    u64::from(k.mem.limit_pages().saturating_sub(k.mem.used_pages()))
}

fn meminfo(k: &mut Kernel<'_>, w: &mut Text) {
    let total = u64::from(k.mem.limit_pages());
    let free = free_pages(k);
    let end = (k.header.vfs.inode_fresh as usize).min(k.inodes.len());
    let cached = k.inodes[..end].iter().map(|inode| u64::from(inode.page_count)).sum::<u64>();
    let mapped = k.mms.iter().map(|mm| mm.usage[1]).sum::<u64>();
    let rows: [(&[u8], u64); 15] = [
        (b"MemTotal:       ", total),
        (b"MemFree:        ", free),
        (b"MemAvailable:   ", free),
        (b"Buffers:        ", 0),
        (b"Cached:         ", cached),
        (b"SwapCached:     ", 0),
        (b"Active:         ", mapped),
        (b"Inactive:       ", cached),
        (b"SwapTotal:      ", 0),
        (b"SwapFree:       ", 0),
        (b"Dirty:          ", 0),
        (b"Writeback:      ", 0),
        (b"AnonPages:      ", mapped),
        (b"Mapped:         ", mapped),
        (b"Shmem:          ", cached),
    ];
    for (name, pages) in rows {
        w.put(k, name).right(k, pages * PAGE_KIB, 8).put(k, b" kB\n");
    }
    let space = (ncpu_machine::mem::walk::USER_END) >> 10;
    w.put(k, b"CommitLimit:    ").right(k, total * PAGE_KIB, 8).put(k, b" kB\n");
    w.put(k, b"VmallocTotal:   ").right(k, space, 8).put(k, b" kB\n");
}

/// Runnable and all tasks.
fn task_counts(k: &Kernel<'_>) -> (u64, u64) {
    let count = |f: fn(&u32) -> bool| k.tasks.iter().map(|t| t.state).filter(f).count() as u64;
    (count(|&s| s == state::RUNNABLE), count(|&s| s != state::FREE))
}

fn stat(k: &mut Kernel<'_>, w: &mut Text) {
    let (user, idle) = (k.header.retired / TICK, k.header.skipped / TICK);
    for name in [b"cpu  ".as_slice(), b"cpu0 "] {
        w.put(k, name).dec(k, user).put(k, b" 0 0 ").dec(k, idle).put(k, b" 0 0 0 0 0 0\n");
    }
    let switches = k.header.counters.switches;
    let boot = k.header.boot_time / SECOND;
    let (running, _) = task_counts(k);
    let made = u64::from(k.header.last_pid);
    w.put(k, b"intr 0\nctxt ").dec(k, switches).put(k, b"\nbtime ").dec(k, boot);
    w.put(k, b"\nprocesses ").dec(k, made).put(k, b"\nprocs_running ").dec(k, running);
    w.put(k, b"\nprocs_blocked 0\nsoftirq 0 0 0 0 0 0 0 0 0 0 0\n");
}
