//! System calls with arguments that make sense, most of the time.

use crate::program::{Assembly, DATA};
use crate::random::Rng;
use Kind::*;

/// What an argument is.
#[derive(Clone, Copy)]
enum Kind {
    /// A descriptor.
    Fd,
    /// A directory descriptor.
    Dir,
    /// A path.
    Path,
    /// Memory to read or write.
    Buffer,
    /// A number of bytes.
    Length,
    /// An address to map at, or in a mapping.
    Map,
    /// Bytes of a mapping.
    MapLength,
    /// A process, thread, or group.
    Pid,
    /// A signal.
    Signal,
    /// A small number: an identifier, index or count.
    Small,
    /// Any number.
    Any,
    /// One of these.
    One(&'static [u64]),
    /// Some of these bits.
    Bits(&'static [u64]),
    /// A record of this sort.
    Record(Sort),
}

/// Records in the data segment, a page of each sort.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(u64)]
enum Sort {
    Paths = 1,
    Times,
    Vectors,
    Addresses,
    Messages,
    Numbers,
    Polls,
    Attributes,
    Pointers,
    Events,
    Operations,
}

impl Sort {
    const ALL: [Sort; 11] = [
        Sort::Paths,
        Sort::Times,
        Sort::Vectors,
        Sort::Addresses,
        Sort::Messages,
        Sort::Numbers,
        Sort::Polls,
        Sort::Attributes,
        Sort::Pointers,
        Sort::Events,
        Sort::Operations,
    ];

    fn page(self) -> u64 {
        DATA.start + 4096 * self as u64
    }

    /// Bytes from one record to the next.
    const fn stride(self) -> u64 {
        match self {
            Sort::Numbers => 8,
            Sort::Times => 32,
            Sort::Paths => 64,
            _ => 128,
        }
    }
}

/// Where buffers are; the signal stack follows.
const BUFFERS: std::ops::Range<u64> = DATA.start + 0x1_0000..DATA.start + 0x2_0000;
/// Where mappings are asked for.
const MAPPINGS: u64 = 0x1000_0000;

const TIME: Kind = Record(Sort::Times);
const VECTOR: Kind = Record(Sort::Vectors);
const NUMBER: Kind = Record(Sort::Numbers);
const ADDRESS: Kind = Record(Sort::Addresses);
const MESSAGE: Kind = Record(Sort::Messages);
const POLL: Kind = Record(Sort::Polls);
const ATTRIBUTE: Kind = Record(Sort::Attributes);
const POINTER: Kind = Record(Sort::Pointers);
const EVENT: Kind = Record(Sort::Events);
const OPERATION: Kind = Record(Sort::Operations);
const AT: Kind = Bits(&[0x100, 0x200, 0x400, 0x800, 0x1000]);
const OPEN: Kind = Bits(&[
    1,
    2,
    0o100,
    0o100,
    0o200,
    0o1000,
    0o2000,
    0o4000,
    0o40_000,
    0o100_000,
    0o2_000_000,
    0o10_000_000,
    0o20_040_000,
]);
const MODE: Kind = One(&[0o644, 0o755, 0o777, 0, 0o4755, 0o1777, 0o100_644, 0o10_644, 0o20_666]);
const CLOEXEC: Kind = Bits(&[0x80000, 0x800, 1]);
const PROT: Kind = Bits(&[1, 1, 2, 4]);
const MAP: Kind = Bits(&[1, 2, 2, 0x10, 0x20, 0x20, 0x100, 0x4000, 0x8000, 0x10_0000]);
const ADVICE: Kind = One(&[0, 1, 2, 3, 4, 4, 8, 9, 10, 11, 14, 16, 17, 18, 19, 20, 21, 22, 23]);
const CLOCK: Kind = One(&[0, 1, 2, 3, 4, 5, 6, 7, 8, 11, u64::MAX, -6i64 as u64, -14i64 as u64]);
const FUTEX: Kind = One(&[
    0, 1, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 128, 129, 131, 132, 133, 134, 135, 136, 137, 138,
    139, 140, 141, 0x189,
]);
const CLONE: Kind = Bits(&[
    17, 17, 17, 0x100, 0x200, 0x400, 0x800, 0x1000, 0x4000, 0x8000, 0x1_0000, 0x4_0000, 0x8_0000,
    0x10_0000, 0x20_0000, 0x100_0000,
]);
const MESSAGE_FLAGS: Kind = Bits(&[1, 2, 0x20, 0x40, 0x40, 0x40, 0x100, 0x4000, 0x4000_0000]);
const FAMILY: Kind = One(&[1, 1, 2, 2, 10, 16]);
const TYPE: Kind = One(&[1, 1, 2, 2, 5, 3, 0x801, 0x802, 0x8_0001, 0x805]);
const FCNTL: Kind = One(&[
    0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 15, 16, 36, 37, 38, 1024, 1025, 1026, 1030, 1031, 1032,
    1033, 1034,
]);
const IOCTL: Kind = One(&[
    0x5401,
    0x5402,
    0x5403,
    0x5404,
    0x5409,
    0x540a,
    0x540b,
    0x540e,
    0x540f,
    0x5410,
    0x5411,
    0x5412,
    0x5413,
    0x5414,
    0x541b,
    0x5420,
    0x5421,
    0x5422,
    0x5429,
    0x5450,
    0x5451,
    0x5452,
    0x8004_5430,
    0x4004_5431,
    0x8912,
    0x8913,
    0x8915,
    0x8927,
    0x8933,
    0x5441,
    0x8004_6601,
    0x4020_9409,
]);

/// A call: its number and arguments.
type Call = (u64, &'static [Kind]);

const CALLS: &[Call] = &[
    (17, &[Buffer, Length]),
    (19, &[Any, CLOEXEC]),
    (20, &[CLOEXEC]),
    (21, &[Fd, One(&[1, 1, 2, 3]), Fd, POLL]),
    (21, &[Fd, One(&[1, 1, 2, 3]), Fd, POLL]),
    (22, &[Fd, POLL, Small, One(&[0, 0, 1, u64::MAX]), NUMBER, One(&[8])]),
    (23, &[Fd]),
    (24, &[Fd, Fd, CLOEXEC]),
    (25, &[Fd, FCNTL, Small]),
    (25, &[Fd, FCNTL, OPERATION]),
    (26, &[CLOEXEC]),
    (27, &[Fd, Path, Any]),
    (28, &[Fd, Small]),
    (29, &[Fd, IOCTL, Buffer]),
    (29, &[Fd, IOCTL, NUMBER]),
    (32, &[Fd, Bits(&[1, 2, 8, 4, 4])]),
    (33, &[Dir, Path, MODE, Small]),
    (34, &[Dir, Path, MODE]),
    (35, &[Dir, Path, Bits(&[0x200])]),
    (36, &[Path, Dir, Path]),
    (37, &[Dir, Path, Dir, Path, AT]),
    (38, &[Dir, Path, Dir, Path]),
    (39, &[Path, Bits(&[1, 2, 4, 8])]),
    (40, &[Path, Path, Path, Bits(&[1, 2, 4, 32, 4096, 8192]), Path]),
    (41, &[Path, Path]),
    (43, &[Path, Buffer]),
    (45, &[Path, Length]),
    (46, &[Fd, Length]),
    (46, &[Fd, Any]),
    (47, &[Fd, Bits(&[1, 2, 8, 16]), Length, Length]),
    (47, &[Fd, Bits(&[1, 2, 8, 16]), Any, Any]),
    (49, &[Path]),
    (50, &[Fd]),
    (51, &[Path]),
    (53, &[Dir, Path, MODE]),
    (54, &[Dir, Path, Small, Small, AT]),
    (56, &[Dir, Path, OPEN, MODE]),
    (56, &[Dir, Path, OPEN, MODE]),
    (56, &[Dir, Path, OPEN, MODE]),
    (56, &[Dir, Path, OPEN, MODE]),
    (57, &[Fd]),
    (59, &[NUMBER, CLOEXEC]),
    (59, &[NUMBER, CLOEXEC]),
    (61, &[Fd, Buffer, Length]),
    (62, &[Fd, Length, Small]),
    (62, &[Fd, Any, Small]),
    (63, &[Fd, Buffer, Length]),
    (63, &[Fd, Buffer, Length]),
    (64, &[Fd, Buffer, Length]),
    (64, &[Fd, Buffer, Length]),
    (65, &[Fd, VECTOR, Small]),
    (66, &[Fd, VECTOR, Small]),
    (67, &[Fd, Buffer, Length, Any]),
    (68, &[Fd, Buffer, Length, Length]),
    (68, &[Fd, Buffer, Length, Any]),
    (69, &[Fd, VECTOR, Small, Any]),
    (70, &[Fd, VECTOR, Small, Length]),
    (71, &[Fd, Fd, NUMBER, Length]),
    (72, &[Small, NUMBER, NUMBER, NUMBER, TIME, NUMBER]),
    (73, &[POLL, Small, TIME, NUMBER, One(&[8])]),
    (74, &[Fd, NUMBER, One(&[8]), CLOEXEC]),
    (75, &[Fd, VECTOR, Small, Bits(&[1, 2, 4, 8])]),
    (76, &[Fd, NUMBER, Fd, NUMBER, Length, Bits(&[1, 2, 2, 4])]),
    (76, &[Fd, One(&[0]), Fd, One(&[0]), Length, Bits(&[1, 2, 2, 4])]),
    (77, &[Fd, Fd, Length, Bits(&[2, 2])]),
    (78, &[Dir, Path, Buffer, Length]),
    (79, &[Dir, Path, Buffer, AT]),
    (80, &[Fd, Buffer]),
    (85, &[CLOCK, CLOEXEC]),
    (86, &[Fd, Bits(&[1, 2]), TIME, TIME]),
    (87, &[Fd, TIME]),
    (88, &[Dir, Path, TIME, AT]),
    (90, &[NUMBER, Buffer]),
    (91, &[NUMBER, Buffer]),
    (95, &[Small, Pid, Buffer, Bits(&[1, 1, 2, 4, 8, 0x0100_0000]), Buffer]),
    (96, &[NUMBER]),
    (97, &[CLONE]),
    (98, &[NUMBER, FUTEX, Small, TIME, NUMBER, Small]),
    (98, &[NUMBER, FUTEX, Small, TIME, NUMBER, Any]),
    (98, &[NUMBER, FUTEX, Small, Small, NUMBER, Small]),
    (99, &[NUMBER, One(&[24])]),
    (100, &[Pid, NUMBER, NUMBER]),
    (101, &[TIME, TIME]),
    (103, &[Small, TIME, TIME]),
    (102, &[Small, TIME]),
    (107, &[CLOCK, EVENT, NUMBER]),
    (108, &[Small, TIME]),
    (109, &[Small]),
    (110, &[Small, Bits(&[1]), TIME, TIME]),
    (111, &[Small]),
    (112, &[CLOCK, TIME]),
    (113, &[CLOCK, TIME]),
    (114, &[CLOCK, TIME]),
    (115, &[CLOCK, Bits(&[1]), TIME, TIME]),
    (116, &[Small, Buffer, Length]),
    (119, &[Pid, Small, NUMBER]),
    (122, &[Pid, Length, NUMBER]),
    (123, &[Pid, Length, NUMBER]),
    (124, &[]),
    (127, &[Pid, TIME]),
    (128, &[]),
    (129, &[Pid, Signal]),
    (130, &[Pid, Signal]),
    (131, &[Pid, Pid, Signal]),
    (132, &[NUMBER, NUMBER]),
    (133, &[NUMBER, One(&[8])]),
    (134, &[Signal, ATTRIBUTE, Buffer, One(&[8])]),
    (135, &[Small, NUMBER, NUMBER, One(&[8])]),
    (136, &[NUMBER, One(&[8])]),
    (137, &[NUMBER, Buffer, TIME, One(&[8])]),
    (138, &[Pid, Signal, Buffer]),
    (139, &[]),
    (140, &[Small, Pid, Any]),
    (141, &[Small, Pid]),
    (144, &[Small]),
    (147, &[Small, Small, Small]),
    (153, &[Buffer]),
    (154, &[Pid, Pid]),
    (155, &[Pid]),
    (157, &[]),
    (158, &[Small, Buffer]),
    (159, &[Small, Buffer]),
    (160, &[Buffer]),
    (161, &[Buffer, Length]),
    (163, &[Small, TIME]),
    (164, &[Small, TIME]),
    (165, &[Any, Buffer]),
    (166, &[MODE]),
    (167, &[Any, Any, Any, Any, Any]),
    (167, &[Small, Signal, Buffer, Buffer, Buffer]),
    (167, &[One(&[15, 16, 35, 36, 37, 38, 39]), Small, Buffer, Length, Small]),
    (168, &[NUMBER, NUMBER]),
    (169, &[TIME, TIME]),
    (170, &[TIME, One(&[0])]),
    (171, &[Buffer]),
    (179, &[Buffer]),
    (186, &[Small, Bits(&[0o1000, 0o2000, 0o666])]),
    (187, &[Small, One(&[0, 1, 2, 3, 11, 12]), Buffer]),
    (188, &[Small, Buffer, Length, Any, Bits(&[0o4000, 0o4000, 0o10_000, 0o20_000])]),
    (189, &[Small, Buffer, Length, Bits(&[0o4000, 0o4000])]),
    (190, &[Small, Small, Bits(&[0o1000, 0o2000, 0o666])]),
    (191, &[Small, Small, One(&[0, 1, 2, 3, 11, 12, 13, 14, 15, 16, 17, 18, 19]), NUMBER]),
    (191, &[Small, Small, One(&[0, 1, 2, 3, 11, 12, 13, 14, 15, 16, 17, 18, 19]), Small]),
    (192, &[Small, OPERATION, Small, TIME]),
    (193, &[Small, OPERATION, Small]),
    (194, &[Small, MapLength, Bits(&[0o1000, 0o2000, 0o666])]),
    (195, &[Small, One(&[0, 1, 2, 3, 11, 12, 13, 14, 15]), Buffer]),
    (196, &[Small, Map, Bits(&[0o10_000, 0o20_000, 0o40_000, 0o100_000])]),
    (197, &[Map]),
    (198, &[FAMILY, TYPE, Small]),
    (198, &[FAMILY, TYPE, One(&[0])]),
    (199, &[One(&[1]), TYPE, One(&[0]), NUMBER]),
    (200, &[Fd, ADDRESS, One(&[2, 16, 28, 110, 12, 0])]),
    (201, &[Fd, Small]),
    (202, &[Fd, Buffer, NUMBER]),
    (203, &[Fd, ADDRESS, One(&[2, 16, 28, 110, 12, 0])]),
    (204, &[Fd, Buffer, NUMBER]),
    (205, &[Fd, Buffer, NUMBER]),
    (206, &[Fd, Buffer, Length, MESSAGE_FLAGS, ADDRESS, One(&[0, 16, 28, 110, 12])]),
    (206, &[Fd, Buffer, Length, MESSAGE_FLAGS, One(&[0]), One(&[0])]),
    (207, &[Fd, Buffer, Length, MESSAGE_FLAGS, Buffer, NUMBER]),
    (208, &[Fd, One(&[1, 6, 0, 41, 17, 270]), Small, NUMBER, One(&[4, 8, 16, 0, 12])]),
    (209, &[Fd, One(&[1, 6, 0, 41, 17, 270]), Small, Buffer, NUMBER]),
    (210, &[Fd, One(&[0, 1, 2, 3])]),
    (211, &[Fd, MESSAGE, MESSAGE_FLAGS]),
    (212, &[Fd, MESSAGE, MESSAGE_FLAGS]),
    (213, &[Fd, Any, Length]),
    (214, &[One(&[0, 0x53_1000, 0x54_0000, 0x60_0000, 0x1000, u64::MAX])]),
    (215, &[Map, MapLength]),
    (216, &[Map, MapLength, MapLength, Bits(&[1, 1, 2, 4]), Map]),
    (220, &[CLONE, Buffer, NUMBER, NUMBER, NUMBER]),
    (220, &[CLONE, One(&[0]), NUMBER, NUMBER, NUMBER]),
    (220, &[One(&[17, 17, 0x4111]), One(&[0]), NUMBER, NUMBER, NUMBER]),
    (221, &[Path, POINTER, POINTER]),
    (222, &[Map, MapLength, PROT, MAP, Fd, MapLength]),
    (222, &[Map, MapLength, PROT, MAP, Fd, One(&[0])]),
    (222, &[Map, MapLength, One(&[3, 7]), One(&[0x22, 0x32, 0x21, 0x31]), Any, One(&[0])]),
    (223, &[Fd, Any, Any, Small]),
    (226, &[Map, MapLength, PROT]),
    (227, &[Map, MapLength, Bits(&[1, 2, 4])]),
    (228, &[Map, MapLength]),
    (229, &[Map, MapLength]),
    (230, &[Bits(&[1, 2, 4])]),
    (231, &[]),
    (232, &[Map, MapLength, Buffer]),
    (233, &[Map, MapLength, ADVICE]),
    (235, &[Map, MapLength, Small, NUMBER, Small, Small]),
    (236, &[NUMBER, NUMBER, Small, Map, Small]),
    (237, &[Small, NUMBER, Small]),
    (240, &[Pid, Pid, Signal, Buffer]),
    (242, &[Fd, Buffer, NUMBER, CLOEXEC]),
    (243, &[Fd, MESSAGE, Small, MESSAGE_FLAGS, TIME]),
    (260, &[Pid, NUMBER, Bits(&[1, 1, 2, 8, 0x4000_0000]), Buffer]),
    (261, &[Pid, Small, TIME, TIME]),
    (264, &[Dir, Path, NUMBER, NUMBER, AT]),
    (266, &[CLOCK, Buffer]),
    (269, &[Fd, MESSAGE, Small, MESSAGE_FLAGS]),
    (270, &[Pid, VECTOR, Small, VECTOR, Small, One(&[0])]),
    (271, &[Pid, VECTOR, Small, VECTOR, Small, One(&[0])]),
    (274, &[Pid, ATTRIBUTE, One(&[0])]),
    (275, &[Pid, Buffer, Length, One(&[0])]),
    (276, &[Dir, Path, Dir, Path, Bits(&[1, 2, 4])]),
    (277, &[Small, Small, Buffer]),
    (278, &[Buffer, Length, Bits(&[1, 2])]),
    (279, &[Path, Bits(&[1, 2, 2])]),
    (281, &[Dir, Path, POINTER, POINTER, AT]),
    (283, &[Bits(&[1, 2, 4, 8, 16]), Small, Small]),
    (284, &[Map, MapLength, Bits(&[1])]),
    (285, &[Fd, NUMBER, Fd, NUMBER, Length, One(&[0])]),
    (286, &[Fd, VECTOR, Small, Any, Any, Bits(&[1, 2, 4, 8, 16])]),
    (287, &[Fd, VECTOR, Small, Length, Any, Bits(&[1, 2, 4, 8, 16])]),
    (291, &[Dir, Path, AT, Any, Buffer]),
    (424, &[Fd, Signal, Buffer, One(&[0])]),
    (434, &[Pid, CLOEXEC]),
    (435, &[ATTRIBUTE, One(&[64, 80, 88])]),
    (436, &[Small, Small, Bits(&[2, 4])]),
    (437, &[Dir, Path, ATTRIBUTE, One(&[24])]),
    (438, &[Fd, Fd, One(&[0])]),
    (439, &[Dir, Path, Small, AT]),
    (441, &[Fd, POLL, Small, TIME, NUMBER, One(&[8])]),
    (449, &[ATTRIBUTE, Small, One(&[0]), TIME, Small]),
];

const PATHS: &[&str] = &[
    "/tmp/a",
    "/tmp/b",
    "/tmp/d",
    "/tmp/d/e",
    "/tmp/d/../d/f",
    "tmp/loop",
    ".",
    "..",
    "",
    "/",
    "//tmp//",
    "a",
    "b/",
    "/etc/passwd",
    "/etc",
    "/bin/program",
    "/bin/script",
    "/proc/self/maps",
    "/proc/self/fd",
    "/proc/self/fd/3",
    "/proc/self/mem",
    "/proc/self/stat",
    "/proc/self/status",
    "/proc/self/exe",
    "/proc/self/cwd",
    "/proc/self/task",
    "/proc/1/cmdline",
    "/proc/1/fdinfo/0",
    "/proc/self/mounts",
    "/proc/self/smaps",
    "/proc/self/pagemap",
    "/proc/self/comm",
    "/proc/self/oom_score_adj",
    "/proc",
    "/proc/meminfo",
    "/proc/stat",
    "/proc/sys/kernel/hostname",
    "/proc/net/tcp",
    "/proc/net/unix",
    "/dev/null",
    "/dev/zero",
    "/dev/full",
    "/dev/urandom",
    "/dev/ptmx",
    "/dev/pts/0",
    "/dev/pts",
    "/dev/tty",
    "/dev/shm/x",
    "/dev/shm",
    "/dev/fd/1",
    "/dev",
    "proc",
    "tmpfs",
    "/dev/stdin",
    "a/b/c/d/e/f/g/h/i/j/k/l/m/n/o/p/q/r/s/t",
    "/tmp/fifo",
    "/tmp/socket",
    "name",
    "\u{ff}\u{fe}",
];

fn record(rng: &mut Rng<'_>, sort: Sort) -> u64 {
    sort.page() + sort.stride() * rng.below(4096 / sort.stride() / 4)
}

fn buffer(rng: &mut Rng<'_>) -> u64 {
    match rng.below(16) {
        0 => 0,
        1 => rng.word(),
        2 => MAPPINGS + (rng.below(32) << 12) + rng.pick(&[0, 0xff8, 1]),
        3 => DATA.end - rng.below(16),
        4 => {
            let sort = rng.pick(&Sort::ALL);
            record(rng, sort)
        }
        _ => BUFFERS.start + (rng.below((BUFFERS.end - BUFFERS.start) / 64) << 6),
    }
}

fn argument(rng: &mut Rng<'_>, kind: Kind) -> u64 {
    if rng.one_in(24) {
        return rng.integer();
    }
    match kind {
        Fd => match rng.below(8) {
            0 => rng.below(3),
            1 => rng.below(64),
            _ => 3 + rng.below(12),
        },
        Dir => {
            if rng.one_in(4) {
                3 + rng.below(12)
            } else {
                -100i64 as u64
            }
        }
        Path => record(rng, Sort::Paths) + 64 * rng.pick(&[0, 16, 32, 48]),
        Buffer => buffer(rng),
        Length => match rng.below(4) {
            0 => rng.below(0x1_0000),
            1 => rng.pick(&[0, 4095, 4096, 4097, 65535, 65536, 65537, 1 << 20]),
            _ => rng.below(256),
        },
        Map => match rng.below(8) {
            0 => 0,
            1 => DATA.start + (rng.below(0x30) << 12),
            2 => rng.pick(&[0x40_0000, 0x48_0000, 0xffff_ffff_f000, 0x1_0000_0000_0000, 0x1000]),
            _ => MAPPINGS + (rng.below(32) << 12),
        },
        MapLength => match rng.below(8) {
            0 => rng.pick(&[0, 1, 4097, 0x20_0000, 0x1000_0000, 1 << 40, u64::MAX]),
            _ => (1 + rng.below(16)) << 12,
        },
        Pid => match rng.below(8) {
            0 => 0,
            1 => u64::MAX,
            2 => -(rng.below(8) as i64) as u64,
            _ => 1 + rng.below(12),
        },
        // Signals that no handler can hold back come seldom.
        Signal => match rng.below(64) {
            0 => rng.pick(&[9, 19]),
            _ => rng.pick(&[0, 1, 10, 12, 13, 14, 17, 18, 20, 23, 28, 32, 33, 34, 40, 64, 65]),
        },
        Small => rng.below(20),
        Any => rng.integer(),
        One(values) => rng.pick(values),
        Bits(bits) => (0..rng.below(4)).fold(0, |sum, _| sum | rng.pick(bits)),
        Record(sort) => {
            if rng.one_in(4) {
                0
            } else {
                record(rng, sort)
            }
        }
    }
}

/// Appends a call.
pub(crate) fn emit(rng: &mut Rng<'_>, out: &mut Assembly) {
    let (number, kinds) = CALLS[rng.index(CALLS.len())];
    let mut arguments = [0; 6];
    for (argument_slot, &kind) in arguments.iter_mut().zip(kinds) {
        *argument_slot = argument(rng, kind);
    }
    out.call(number, &arguments[..kinds.len()]);
}

/// Appends a call of any number with any arguments.
pub(crate) fn emit_any(rng: &mut Rng<'_>, out: &mut Assembly) {
    let mut arguments = [0; 6];
    for slot in &mut arguments {
        *slot = match rng.below(3) {
            0 => rng.integer(),
            1 => buffer(rng),
            _ => rng.below(20),
        };
    }
    // Neither exit nor exit_group, which end the case too soon.
    let number = match rng.below(460) {
        93 | 94 => 56,
        number => number,
    };
    out.call(number, &arguments);
}

/// The data segment's bytes.
pub(crate) fn data(rng: &mut Rng<'_>) -> Vec<u8> {
    let mut data = vec![0; (DATA.end - DATA.start) as usize / 2];
    for sort in Sort::ALL {
        let page = (sort.page() - DATA.start) as usize;
        for (index, at) in (page..page + 4096).step_by(sort.stride() as usize).enumerate() {
            let bytes = contents(rng, sort, index);
            let length = bytes.len().min(sort.stride() as usize);
            data[at..at + length].copy_from_slice(&bytes[..length]);
        }
    }
    data
}

fn words(numbers: &[u64]) -> Vec<u8> {
    numbers.iter().flat_map(|n| n.to_le_bytes()).collect()
}

fn time(rng: &mut Rng<'_>) -> [u64; 2] {
    match rng.below(8) {
        0 => [rng.integer(), rng.integer()],
        1 => [0, 0],
        2 => [rng.below(3), rng.below(1_000_000_000)],
        3 => [i64::MAX as u64, 999_999_999],
        _ => [0, rng.below(100_000)],
    }
}

fn contents(rng: &mut Rng<'_>, sort: Sort, index: usize) -> Vec<u8> {
    match sort {
        Sort::Paths => PATHS[index % PATHS.len()].as_bytes().to_vec(),
        Sort::Times => words(&[time(rng), time(rng)].concat()),
        Sort::Vectors => {
            let pairs = (0..8).flat_map(|_| [buffer(rng), argument(rng, Length)]);
            words(&pairs.collect::<Vec<_>>())
        }
        Sort::Addresses => address(rng),
        Sort::Messages => {
            let name = if rng.one_in(2) { 0 } else { record(rng, Sort::Addresses) };
            let control = Sort::Messages.page() + 128 * index as u64 + 64;
            let length = rng.pick(&[0, 24, 64, 20, 16, 0x1_0000]);
            let mut bytes = words(&[
                name,
                rng.pick(&[0, 16, 110, 28]),
                record(rng, Sort::Vectors),
                rng.below(9),
                control,
                length,
                0,
                0,
            ]);
            // A control message: descriptors (SCM_RIGHTS) or credentials, see `unix(7)`.
            let kind = 1 | rng.pick(&[1, 1, 2, 3]) << 32;
            let size = rng.pick(&[20, 24, 28, 16, 0, u64::MAX, 64]);
            bytes.extend(words(&[size, kind, rng.below(10) | rng.below(10) << 32, rng.below(9)]));
            bytes
        }
        Sort::Numbers => words(&[match rng.below(4) {
            0 => rng.integer(),
            1 => 1 << rng.below(64),
            _ => rng.below(64),
        }]),
        Sort::Polls => {
            let mut numbers = Vec::new();
            for _ in 0..16 {
                numbers.push(rng.below(16) | rng.pick(&[1, 4, 5, 0x2001, 0xffff]) << 32);
            }
            if rng.one_in(2) {
                // struct epoll_event: events, padding, data.
                numbers[0] = rng.pick(&[1, 4, 5, 0x8000_0001, 0x4000_0001, 0x1000_0001, 0x201d]);
            }
            words(&numbers)
        }
        Sort::Attributes => attributes(rng),
        Sort::Pointers => {
            let mut numbers: Vec<u64> = (0..8).map(|_| argument(rng, Path)).collect();
            if !rng.one_in(16) {
                numbers[rng.index(8)] = 0;
            }
            words(&numbers)
        }
        Sort::Events => {
            let signal = argument(rng, Signal);
            words(&[rng.word(), signal | rng.pick(&[0, 1, 4]) << 32, rng.below(12)])
        }
        Sort::Operations => {
            if rng.one_in(2) {
                // struct flock.
                let kind = rng.below(4) | rng.below(4) << 16;
                return words(&[kind, rng.integer(), rng.integer(), rng.below(9)]);
            }
            // struct sembuf, eight of them.
            (0..8)
                .flat_map(|_| {
                    let operation = rng.pick(&[0u16, 1, 2, 0xffff, 0xfffe, 0x7fff, 0x8000]);
                    let flags = rng.pick(&[0o4000u16, 0o4000, 0o14_000, 0]);
                    [rng.below(6) as u16, operation, flags]
                })
                .flat_map(u16::to_le_bytes)
                .collect()
        }
    }
}

fn address(rng: &mut Rng<'_>) -> Vec<u8> {
    let port = (8000 + rng.below(3) as u16).to_be_bytes();
    let mut bytes = Vec::new();
    match rng.below(5) {
        0 => bytes.extend(b"\x01\0/tmp/socket\0"),
        1 => bytes.extend([1, 0, 0, b'a' + rng.below(3) as u8]),
        2 => {
            bytes.extend([10, 0]);
            bytes.extend(port);
            bytes.extend([0; 4]);
            bytes.extend([0; 15]);
            bytes.push(rng.below(2) as u8);
            bytes.extend([0; 4]);
        }
        3 => bytes.extend([16, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]),
        _ => {
            bytes.extend([2, 0]);
            bytes.extend(port);
            bytes.extend(rng.pick(&[[127, 0, 0, 1], [0; 4], [10, 0, 0, 1], [255; 4]]));
            bytes.extend([0; 8]);
        }
    }
    bytes
}

/// Records that start with flags: `clone_args`, `sched_attr`, `open_how`, `sigaction`, `futex_waitv`.
fn attributes(rng: &mut Rng<'_>) -> Vec<u8> {
    match rng.below(4) {
        0 => {
            let stack = if rng.one_in(2) { 0 } else { buffer(rng) & !15 };
            words(&[
                argument(rng, CLONE) & !0xff,
                record(rng, Sort::Numbers),
                record(rng, Sort::Numbers),
                record(rng, Sort::Numbers),
                argument(rng, Signal),
                stack,
                if stack == 0 { 0 } else { 256 },
                record(rng, Sort::Numbers),
                0,
                0,
                0,
            ])
        }
        1 => words(&[argument(rng, OPEN), argument(rng, MODE), rng.pick(&[0, 1, 2, 4, 8, 16, 63])]),
        2 => {
            let flags = rng.pick(&[4, 0x1000_0004, 0x4800_0004, 0x8000_0004, 0x0800_0000]);
            let handler = rng.pick(&[0x48_0040, 0x40_0000, 0, 1, 0x40_1000]);
            words(&[handler, flags, 0, rng.integer()])
        }
        _ => {
            let waits = (0..5).flat_map(|_| {
                [rng.below(9), record(rng, Sort::Numbers), rng.pick(&[2, 0x82, 0x80, 3])]
            });
            words(&waits.collect::<Vec<_>>())
        }
    }
}
