//! Files of /proc about a process or thread.

use super::system::TICK;
use super::{Subject, Text, descriptor, may_inspect, memory, mounts};
use crate::Errno;
use crate::image::Kernel;
use crate::mm;
use crate::process::{self, attribute, state};
use crate::vfs::stat::{FIRST_MOUNT_ID, object_number};
use crate::vfs::{Node, mount};

/// A row: a file, directory or link.
pub(super) struct Entry {
    pub row: P,
    pub parent: Option<P>,
    pub name: &'static [u8],
    pub mode: u32,
}

impl Entry {
    /// Whether the subject has the row: threads have no threads below them.
    pub(super) fn is_for(&self, subject: Subject) -> bool {
        self.row != P::Task || subject.task.is_none()
    }
}

macro_rules! table {
    ($($row:ident $parent:ident $name:literal $mode:literal;)*) => {
        /// Rows of [`TABLE`], in its order.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[repr(u32)]
        pub(super) enum P {
            Dir,
            $($row,)*
        }

        /// What is in the directory of a process: parent, name, mode. Rows without a name are those
        /// of numbered entries.
        pub(super) const TABLE: &[Entry] = &[
            Entry { row: P::Dir, parent: None, name: b"", mode: 0o40555 },
            $(Entry { row: P::$row, parent: Some(P::$parent), name: $name, mode: $mode },)*
        ];
    };
}

table! {
    Auxv Dir b"auxv" 0o100400;
    Cgroup Dir b"cgroup" 0o100444;
    Cmdline Dir b"cmdline" 0o100444;
    Comm Dir b"comm" 0o100644;
    Cwd Dir b"cwd" 0o120777;
    Environ Dir b"environ" 0o100400;
    Exe Dir b"exe" 0o120777;
    Fd Dir b"fd" 0o40500;
    Fdinfo Dir b"fdinfo" 0o40555;
    Io Dir b"io" 0o100400;
    Limits Dir b"limits" 0o100444;
    Maps Dir b"maps" 0o100444;
    Mem Dir b"mem" 0o100600;
    Mountinfo Dir b"mountinfo" 0o100444;
    Mounts Dir b"mounts" 0o100444;
    NetDir Dir b"net" 0o40555;
    Ns Dir b"ns" 0o40511;
    OomScore Dir b"oom_score" 0o100444;
    OomScoreAdj Dir b"oom_score_adj" 0o100444;
    Personality Dir b"personality" 0o100400;
    Root Dir b"root" 0o120777;
    Schedstat Dir b"schedstat" 0o100444;
    Smaps Dir b"smaps" 0o100444;
    SmapsRollup Dir b"smaps_rollup" 0o100444;
    Stat Dir b"stat" 0o100444;
    Statm Dir b"statm" 0o100444;
    Status Dir b"status" 0o100444;
    Task Dir b"task" 0o40555;
    Wchan Dir b"wchan" 0o100444;
    NetDev NetDir b"dev" 0o100444;
    NetTcp NetDir b"tcp" 0o100444;
    NetTcp6 NetDir b"tcp6" 0o100444;
    NetUdp NetDir b"udp" 0o100444;
    NetUdp6 NetDir b"udp6" 0o100444;
    NetUnix NetDir b"unix" 0o100444;
    NsCgroup Ns b"cgroup" 0o120777;
    NsIpc Ns b"ipc" 0o120777;
    NsMnt Ns b"mnt" 0o120777;
    NsNet Ns b"net" 0o120777;
    NsPid Ns b"pid" 0o120777;
    NsUser Ns b"user" 0o120777;
    NsUts Ns b"uts" 0o120777;
    FdLink Fd b"" 0o120700;
    FdinfoFile Fdinfo b"" 0o100444;
}

/// Number of a namespace (include/linux/proc_ns.h, and what follows at boot).
pub(super) const fn namespace(row: P) -> Option<u64> {
    Some(match row {
        P::NsCgroup => 0xefff_fffb,
        P::NsPid => 0xefff_fffc,
        P::NsUser => 0xefff_fffd,
        P::NsUts => 0xefff_fffe,
        P::NsIpc => 0xefff_ffff,
        P::NsNet => 0xf000_0000,
        P::NsMnt => 0xf000_0001,
        _ => return None,
    })
}

/// Process states of [`process::Process`].
const ALIVE: u32 = 1;

/// The thread that a file about the subject describes.
fn task_of(k: &Kernel<'_>, subject: Subject) -> Option<usize> {
    subject.task.or_else(|| process::main_task(k, subject.process))
}

/// The address space of a process that still has one.
pub(super) fn mm_of(k: &Kernel<'_>, subject: Subject) -> Option<usize> {
    let p = &k.processes[subject.process];
    (p.state == ALIVE && k.mms.get(p.mm as usize).is_some_and(|mm| mm.references != 0))
        .then_some(p.mm as usize)
}

/// Letter and word of the subject's state, as in `stat` and `status`.
fn state_of(k: &Kernel<'_>, subject: Subject) -> (u8, &'static [u8]) {
    let p = &k.processes[subject.process];
    let task = task_of(k, subject).map_or(0, |task| k.tasks[task].state);
    match task {
        _ if p.state != ALIVE => (b'Z', b"zombie"),
        state::STOPPED => (b'T', b"stopped"),
        _ if p.stopped != 0 => (b'T', b"stopped"),
        state::SLEEPING => (b'S', b"sleeping"),
        _ => (b'R', b"running"),
    }
}

fn name_of(k: &Kernel<'_>, subject: Subject) -> ([u8; 16], usize) {
    let name = match subject.task {
        Some(task) => k.tasks[task].name,
        None => process::exit::name_of(k, subject.process),
    };
    let length = name.iter().position(|&byte| byte == 0).unwrap_or(name.len());
    (name, length)
}

/// Process number of the parent, 0 for none.
fn parent_of(k: &Kernel<'_>, subject: Subject) -> u64 {
    let parent = k.processes[subject.process].parent as usize;
    k.processes.get(parent).map_or(0, |parent| u64::from(parent.pid))
}

/// Generates the text of a row. EACCES when the reader may not look into the process.
pub(super) fn write(
    k: &mut Kernel<'_>,
    subject: Subject,
    row: P,
    fd: u32,
    w: &mut Text,
) -> Result<(), Errno> {
    match row {
        P::Auxv | P::Environ | P::Io | P::Personality | P::Maps | P::Smaps | P::SmapsRollup => {
            may_inspect(k, subject.process)?;
        }
        _ => {}
    }
    match row {
        P::Auxv => {
            if let Some(mm) = mm_of(k, subject) {
                let pairs = k.mms[mm].auxiliary;
                let end = pairs.iter().position(|pair| pair[0] == 0).map_or(pairs.len(), |n| n + 1);
                for pair in &pairs[..end] {
                    w.put(k, &pair[0].to_le_bytes()).put(k, &pair[1].to_le_bytes());
                }
            }
        }
        P::Cgroup => _ = w.put(k, b"0::/\n"),
        P::Cmdline => strings(k, subject, w, 1),
        P::Environ => strings(k, subject, w, 3),
        P::Comm => {
            let (name, length) = name_of(k, subject);
            w.put(k, &name[..length]).put(k, b"\n");
        }
        P::FdinfoFile => fdinfo(k, subject, fd, w)?,
        P::Io => {
            for name in [
                b"rchar".as_slice(),
                b"wchar",
                b"syscr",
                b"syscw",
                b"read_bytes",
                b"write_bytes",
                b"cancelled_write_bytes",
            ] {
                w.put(k, name).put(k, b": 0\n");
            }
        }
        P::Limits => limits(k, subject, w),
        P::Maps => memory::maps(k, subject, w),
        P::Smaps => memory::smaps(k, subject, w),
        P::SmapsRollup => memory::rollup(k, subject, w),
        P::Mounts => mounts::mounts(k, w),
        P::Mountinfo => mounts::mountinfo(k, w),
        P::OomScore | P::OomScoreAdj => _ = w.put(k, b"0\n"),
        P::Personality => {
            let personality = u64::from(k.processes[subject.process].personality);
            w.hex(k, personality, 8).put(k, b"\n");
        }
        P::Schedstat => {
            let time = time_of(k, subject);
            w.dec(k, time).put(k, b" 0 0\n");
        }
        P::Stat => stat(k, subject, w),
        P::Statm => {
            let [size, resident] = mm_of(k, subject).map_or([0; 2], |mm| k.mms[mm].usage);
            let [text, data] = memory::text_and_data(k, subject);
            w.dec(k, size / 4096).put(k, b" ").dec(k, resident).put(k, b" 0 ");
            w.dec(k, text / 4096).put(k, b" 0 ").dec(k, data / 4096).put(k, b" 0\n");
        }
        P::Status => status(k, subject, w),
        P::Wchan => _ = w.put(k, b"0"),
        P::NetDev => {
            w.put(k, b"Inter-|   Receive                                                |  Tra");
            w.put(k, b"nsmit\n face |bytes    packets errs drop fifo frame compressed multicas");
            w.put(k, b"t|bytes    packets errs drop fifo colls carrier compressed\n    lo:    ");
            w.put(k, b"   0       0    0    0    0     0          0         0        0       0");
            w.put(k, b"    0    0    0     0       0          0\n");
        }
        P::NetTcp | P::NetTcp6 | P::NetUdp | P::NetUdp6 | P::NetUnix => {
            super::net::write(k, row, w);
        }
        _ => {}
    }
    Ok(())
}

/// Changes what can be changed: the name of a thread.
pub(super) fn set(k: &mut Kernel<'_>, subject: Subject, row: P, line: &[u8]) -> Result<(), Errno> {
    if row != P::Comm {
        return Err(Errno::EPERM);
    }
    // proc(5): only threads of the same process may.
    if subject.process != k.current_process() {
        return Err(Errno::EINVAL);
    }
    let task = task_of(k, subject).ok_or(Errno::ESRCH)?;
    let mut name = [0; 16];
    let length = line.len().min(name.len() - 1);
    name[..length].copy_from_slice(&line[..length]);
    k.tasks[task].name = name;
    Ok(())
}

/// The bytes between two addresses of [`mm::Mm::stack`].
fn strings(k: &mut Kernel<'_>, subject: Subject, w: &mut Text, from: usize) {
    let Some(mm) = mm_of(k, subject) else { return };
    let stack = k.mms[mm].stack;
    let (mut at, end) = (stack[from], stack[from + 1]);
    let mut buffer = [0; 256];
    while at < end {
        let wanted = (end - at).min(buffer.len() as u64) as usize;
        let Ok(count) = mm::read_other(k, mm, at, &mut buffer[..wanted]) else { return };
        if count == 0 {
            return;
        }
        w.put(k, &buffer[..count]);
        at += count as u64;
    }
}

fn fdinfo(k: &mut Kernel<'_>, subject: Subject, fd: u32, w: &mut Text) -> Result<(), Errno> {
    let file = descriptor(k, subject, fd).ok_or(Errno::ENOENT)?;
    let f = k.files[file];
    let table = k.processes[subject.process].fd_table as usize;
    let cloexec = crate::file::table::entry(k, table, fd as i32).is_some_and(|entry| entry.1);
    let flags = f.flags | if cloexec { crate::abi::fcntl::O_CLOEXEC } else { 0 };
    let (mount, ino) = match f.node {
        0 => (0, object_number(&f, file)),
        node => (mount::of(k, Node(node)), u64::from(node)),
    };
    w.put(k, b"pos:\t").dec(k, f.offset).put(k, b"\nflags:\t0").octal(k, u64::from(flags), 1);
    w.put(k, b"\nmnt_id:\t").dec(k, mount as u64 + FIRST_MOUNT_ID);
    w.put(k, b"\nino:\t").dec(k, ino).put(k, b"\n");
    Ok(())
}

/// Names and units of the limits (getrlimit(2)), by number.
const LIMITS: [(&[u8], &[u8]); 16] = [
    (b"Max cpu time", b"seconds"),
    (b"Max file size", b"bytes"),
    (b"Max data size", b"bytes"),
    (b"Max stack size", b"bytes"),
    (b"Max core file size", b"bytes"),
    (b"Max resident set", b"bytes"),
    (b"Max processes", b"processes"),
    (b"Max open files", b"files"),
    (b"Max locked memory", b"bytes"),
    (b"Max address space", b"bytes"),
    (b"Max file locks", b"locks"),
    (b"Max pending signals", b"signals"),
    (b"Max msgqueue size", b"bytes"),
    (b"Max nice priority", b""),
    (b"Max realtime priority", b""),
    (b"Max realtime timeout", b"us"),
];

fn limits(k: &mut Kernel<'_>, subject: Subject, w: &mut Text) {
    let values = k.processes[subject.process].limits;
    w.left(k, b"Limit", 26).left(k, b"Soft Limit", 21).left(k, b"Hard Limit", 21);
    w.left(k, b"Units", 10).put(k, b"\n");
    for ((name, unit), pair) in LIMITS.iter().zip(values) {
        w.left(k, name, 26);
        for value in pair {
            let start = w.length();
            if value == u64::MAX {
                w.put(k, b"unlimited");
            } else {
                w.dec(k, value);
            }
            let width = (w.length() - start) as usize;
            w.pad(k, b' ', 21 - width.min(21));
        }
        w.left(k, unit, 10).put(k, b"\n");
    }
}

/// User time of a process or thread.
fn time_of(k: &Kernel<'_>, subject: Subject) -> u64 {
    match subject.task {
        Some(task) => k.tasks[task].user_time,
        None => process::user_time(k, subject.process),
    }
}

/// Signals that are ignored and that have handlers.
fn dispositions(k: &Kernel<'_>, subject: Subject) -> (u64, u64) {
    let (mut ignored, mut caught) = (0, 0);
    for (bit, action) in k.processes[subject.process].actions.iter().enumerate() {
        match action.handler {
            0 => {}
            1 => ignored |= 1 << bit,
            _ => caught |= 1 << bit,
        }
    }
    (ignored, caught)
}

/// `stat`: 52 fields (proc(5)).
fn stat(k: &mut Kernel<'_>, subject: Subject, w: &mut Text) {
    let (name, length) = name_of(k, subject);
    let (letter, _) = state_of(k, subject);
    let task = task_of(k, subject);
    let id = task_id(k, subject);
    w.dec(k, id).put(k, b" (").put(k, &name[..length]).put(k, b") ").put(k, &[letter]);
    let parent = parent_of(k, subject);
    let p = &k.processes[subject.process];
    let (group, session, ended) = (p.group, p.session, p.ended_time[1]);
    let (nice, threads, start) = (i64::from(p.nice) - 20, p.threads, p.start_time);
    let (exit_signal, exit_code, stack_limit) = (p.exit_signal, p.status, p.limits[5][0]);
    w.put(k, b" ").dec(k, parent).put(k, b" ").dec(k, u64::from(group));
    w.put(k, b" ").dec(k, u64::from(session));
    let terminal = crate::tty::controlling_device(k, subject.process);
    let foreground = crate::tty::controlling_group(k, subject.process);
    w.put(k, b" ").dec(k, u64::from(terminal)).put(k, b" ").signed(k, i64::from(foreground));
    // Flags; minor and major faults, own and children's: not counted for each process.
    const PF_RANDOMIZE: u64 = 0x40_0000;
    w.put(k, b" ").dec(k, PF_RANDOMIZE).put(k, b" 0 0 0 0");
    let own = time_of(k, subject) / TICK;
    w.put(k, b" ").dec(k, own).put(k, b" 0 ").dec(k, ended / TICK).put(k, b" 0 ");
    w.signed(k, nice + 20).put(k, b" ").signed(k, nice).put(k, b" ").dec(k, u64::from(threads));
    let mm = mm_of(k, subject).map(|mm| k.mms[mm]).unwrap_or_default();
    w.put(k, b" 0 ").dec(k, start / TICK).put(k, b" ").dec(k, mm.usage[0]);
    w.put(k, b" ").dec(k, mm.usage[1]).put(k, b" ").dec(k, stack_limit);
    for value in [mm.code[0], mm.code[1], mm.stack[0]] {
        w.put(k, b" ").dec(k, value);
    }
    let (ignored, caught) = dispositions(k, subject);
    let t = task.map(|task| (k.tasks[task].pending, k.tasks[task].blocked));
    let (pending, blocked) = t.unwrap_or((0, 0));
    // Stack and instruction pointer are shown of dying processes only. Then the signal sets, as far
    // as they fit 31 bits.
    w.put(k, b" 0 0");
    for set in [pending, blocked, ignored, caught] {
        w.put(k, b" ").dec(k, set & 0x7fff_ffff);
    }
    let (policy, priority) = task.map_or((0, 0), |t| (k.tasks[t].policy, k.tasks[t].priority));
    w.put(k, b" 0 0 0 ").dec(k, u64::from(exit_signal)).put(k, b" 0 ");
    w.dec(k, u64::from(priority)).put(k, b" ").dec(k, u64::from(policy)).put(k, b" 0 0 0");
    let stack = mm.stack;
    for value in [mm.code[2], mm.code[3], mm.heap[0], stack[1], stack[2], stack[3], stack[4]] {
        w.put(k, b" ").dec(k, value);
    }
    w.put(k, b" ").dec(k, u64::from(exit_code)).put(k, b"\n");
}

fn task_id(k: &Kernel<'_>, subject: Subject) -> u64 {
    u64::from(match subject.task {
        Some(task) => k.tasks[task].tid,
        None => k.processes[subject.process].pid,
    })
}

fn status(k: &mut Kernel<'_>, subject: Subject, w: &mut Text) {
    let (name, length) = name_of(k, subject);
    let (letter, word) = state_of(k, subject);
    let id = task_id(k, subject);
    let parent = parent_of(k, subject);
    let p = k.processes[subject.process];
    w.put(k, b"Name:\t").put(k, &name[..length]).put(k, b"\nUmask:\t");
    w.octal(k, u64::from(p.umask), 4).put(k, b"\nState:\t").put(k, &[letter]);
    w.put(k, b" (").put(k, word).put(k, b")\nTgid:\t").dec(k, u64::from(p.pid));
    w.put(k, b"\nNgid:\t0\nPid:\t").dec(k, id).put(k, b"\nPPid:\t").dec(k, parent);
    w.put(k, b"\nTracerPid:\t0\nUid:");
    for uid in p.credentials.uid {
        w.put(k, b"\t").dec(k, u64::from(uid));
    }
    w.put(k, b"\nGid:");
    for gid in p.credentials.gid {
        w.put(k, b"\t").dec(k, u64::from(gid));
    }
    w.put(k, b"\nFDSize:\t64\nGroups:\t");
    let groups = (p.credentials.group_count as usize).min(p.credentials.groups.len());
    for &group in &p.credentials.groups[..groups] {
        w.dec(k, u64::from(group)).put(k, b" ");
    }
    w.put(k, b"\nNStgid:\t").dec(k, u64::from(p.pid)).put(k, b"\nNSpid:\t").dec(k, id);
    w.put(k, b"\nNSpgid:\t").dec(k, u64::from(p.group));
    w.put(k, b"\nNSsid:\t").dec(k, u64::from(p.session)).put(k, b"\n");
    if let Some(mm) = mm_of(k, subject) {
        memory::status(k, subject, mm, w);
    }
    w.put(k, b"Threads:\t").dec(k, u64::from(p.threads)).put(k, b"\nSigQ:\t0/");
    w.dec(k, p.limits[11][0].min(1 << 30));
    let (ignored, caught) = dispositions(k, subject);
    let t = task_of(k, subject).map(|task| (k.tasks[task].pending, k.tasks[task].blocked));
    let (pending, blocked) = t.unwrap_or((0, 0));
    for (name, set) in [
        (b"\nSigPnd:\t".as_slice(), pending),
        (b"\nShdPnd:\t", p.pending),
        (b"\nSigBlk:\t", blocked),
        (b"\nSigIgn:\t", ignored),
        (b"\nSigCgt:\t", caught),
        (b"\nCapInh:\t", p.capabilities[2]),
        (b"\nCapPrm:\t", p.capabilities[1]),
        (b"\nCapEff:\t", p.capabilities[0]),
        (b"\nCapBnd:\t", p.capabilities[3]),
        (b"\nCapAmb:\t", p.capabilities[4]),
    ] {
        w.put(k, name).hex(k, set, 16);
    }
    let no_new = u64::from(p.attributes[attribute::NO_NEW_PRIVILEGES]);
    w.put(k, b"\nNoNewPrivs:\t").dec(k, no_new).put(k, b"\nSeccomp:\t0\nSeccomp_filters:\t0\n");
    w.put(k, b"Cpus_allowed:\t1\nCpus_allowed_list:\t0\nMems_allowed:\t1\nMems_allowed_list:\t0");
    w.put(k, b"\nvoluntary_ctxt_switches:\t0\nnonvoluntary_ctxt_switches:\t0\n");
}
