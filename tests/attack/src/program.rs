//! Small ELF programs.

/// Where the payload of [`carrier`] is and how long.
pub const CODE: std::ops::Range<u64> = 0x40_0000..0x40_4000;
/// Writable memory of a carrier. Its first word counts wild jumps; the alternate signal stack is in
/// its second half.
pub const DATA: std::ops::Range<u64> = 0x50_0000..0x53_0000;
/// What drives the payload: an alternate stack, and for every signal a handler that goes on behind the
/// instruction that was interrupted, or somewhere in the payload when that was outside of it. Then one
/// child after the other starts at another place of the payload, since most come to grief or sleep for
/// ever soon; every eighth time all are killed.
const STUB_ADDRESS: u64 = 0x48_0000;

const STUB: &[u32] = &[
    0x1000_0880, // adr x0, stack_t
    0xd280_0001, // mov x1, #0
    0xd280_1088, // mov x8, #132: sigaltstack
    0xd400_0001, // svc #0
    0xd280_0034, // mov x20, #1
    0xaa14_03e0, // mov x0, x20: for each signal
    0x1000_0881, // adr x1, action
    0xd280_0002, // mov x2, #0
    0xd280_0103, // mov x3, #8
    0xd280_10c8, // mov x8, #134: rt_sigaction
    0xd400_0001, // svc #0
    0x9100_0694, // add x20, x20, #1
    0xf101_029f, // cmp x20, #64
    0x54ff_ff03, // b.lo 1b
    0xd280_0015, // mov x21, #0
    0xd280_0220, // mov x0, #17: for each child
    0xd280_0001, // mov x1, #0
    0xd280_0002, // mov x2, #0
    0xd280_0003, // mov x3, #0
    0xd280_0004, // mov x4, #0
    0xd280_1b88, // mov x8, #220: clone
    0xd400_0001, // svc #0
    0xb400_02a0, // cbz x0, child
    0x1000_0760, // adr x0, pause
    0xd280_0001, // mov x1, #0
    0xd280_0ca8, // mov x8, #101: nanosleep
    0xd400_0001, // svc #0
    0x9100_06b5, // add x21, x21, #1
    0xf240_0abf, // tst x21, #7
    0x5400_00a1, // b.ne 3f
    0x9280_0000, // mov x0, #-1: too many of them
    0xd280_0121, // mov x1, #9
    0xd280_1028, // mov x8, #129: kill
    0xd400_0001, // svc #0
    0x9280_0000, // mov x0, #-1
    0xd280_0001, // mov x1, #0
    0xd280_0022, // mov x2, #1
    0xd280_0003, // mov x3, #0
    0xd280_2088, // mov x8, #260: wait4
    0xd400_0001, // svc #0
    0xf100_001f, // cmp x0, #0
    0x54ff_ff2c, // b.gt 3b
    0x17ff_ffe5, // b 2b
    0xd280_2485, // mov x5, #292
    0x9b05_7ea5, // mul x5, x21, x5
    0x927e_2ca5, // and x5, x5, #0x3ffc
    0xd2a0_081e, // movz x30, #0x40, lsl #16
    0x8b05_03de, // add x30, x30, x5
    0xd61f_03c0, // br x30
    0xd2a0_0803, // movz x3, #0x40, lsl #16
    0xf940_dc44, // ldr x4, [x2, #440]: uc_mcontext.pc
    0xd350_fc86, // lsr x6, x4, #16
    0xf101_20df, // cmp x6, #0x48
    0x5400_0180, // b.eq 5f: in here: nothing to skip
    0xcb03_0085, // sub x5, x4, x3
    0xd34e_fca6, // lsr x6, x5, #14
    0xb400_00a6, // cbz x6, 4f: in the payload
    0xd2a0_0a07, // movz x7, #0x50, lsl #16
    0xf940_00e5, // ldr x5, [x7]
    0x9101_10a5, // add x5, x5, #68
    0xf900_00e5, // str x5, [x7]
    0x9100_10a5, // add x5, x5, #4
    0x927e_2ca5, // and x5, x5, #0x3ffc
    0x8b05_0064, // add x4, x3, x5
    0xf900_dc44, // str x4, [x2, #440]
    0xd280_1168, // mov x8, #139: rt_sigreturn
    0xd400_0001, // svc #0
    0xd503_201f, // nop
    0x0052_0000, // stack_t: ss_sp, ss_flags, ss_size
    0,
    0,
    0,
    0x0001_0000,
    0,
    0x0048_00c4, // action: the handler
    0,
    0x4800_0004, // SA_NODEFER | SA_ONSTACK | SA_SIGINFO
    0,
    0,
    0,
    0,
    0,
    0, // pause: 30 microseconds
    0,
    0x0000_7530,
    0,
];

const PF_X: u32 = 1;
const PF_W: u32 = 2;
const PF_R: u32 = 4;

/// A segment to load.
struct Segment<'a> {
    flags: u32,
    address: u64,
    bytes: &'a [u8],
    memory: u64,
}

/// A static executable (System V gABI, chapter 4; `elf(5)`).
fn executable(entry: u64, segments: &[Segment<'_>]) -> Vec<u8> {
    let mut file = vec![0; 4096];
    file[..20].copy_from_slice(b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x02\0\xb7\0");
    file[20] = 1;
    file[24..32].copy_from_slice(&entry.to_le_bytes());
    file[32] = 64;
    file[52] = 64;
    file[54] = 56;
    file[56] = segments.len() as u8;
    for (index, segment) in segments.iter().enumerate() {
        let at = 64 + 56 * index;
        let offset = file.len() as u64;
        file[at..at + 4].copy_from_slice(&1u32.to_le_bytes());
        file[at + 4..at + 8].copy_from_slice(&segment.flags.to_le_bytes());
        let length = segment.bytes.len() as u64;
        let numbers =
            [offset, segment.address, segment.address, length, segment.memory.max(length), 4096];
        for (n, number) in numbers.iter().enumerate() {
            file[at + 8 + 8 * n..at + 16 + 8 * n].copy_from_slice(&number.to_le_bytes());
        }
        file.extend_from_slice(segment.bytes);
        file.resize(file.len().next_multiple_of(4096), 0);
    }
    file
}

/// Words as bytes.
pub fn bytes(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_le_bytes()).collect()
}

/// A program that runs `payload`, which may write to itself, and survives what signals it can.
pub fn carrier(payload: &[u32]) -> Vec<u8> {
    let (payload, stub) = (bytes(payload), bytes(STUB));
    executable(
        STUB_ADDRESS,
        &[
            Segment {
                flags: PF_R | PF_W | PF_X,
                address: CODE.start,
                bytes: &payload,
                memory: CODE.end - CODE.start,
            },
            Segment { flags: PF_R | PF_X, address: STUB_ADDRESS, bytes: &stub, memory: 0 },
            Segment {
                flags: PF_R | PF_W,
                address: DATA.start,
                bytes: &[],
                memory: DATA.end - DATA.start,
            },
        ],
    )
}

/// A program that is `code` and some memory at [`DATA`], and dies of signals.
pub fn plain(code: &[u32]) -> Vec<u8> {
    let code = bytes(code);
    executable(
        CODE.start,
        &[
            Segment { flags: PF_R | PF_X, address: CODE.start, bytes: &code, memory: 0 },
            Segment {
                flags: PF_R | PF_W,
                address: DATA.start,
                bytes: &[],
                memory: DATA.end - DATA.start,
            },
        ],
    )
}

/// Instructions, one after the other.
#[derive(Default)]
pub struct Assembly {
    /// The words.
    pub words: Vec<u32>,
}

/// SVC #0.
pub const SVC: u32 = 0xd400_0001;

impl Assembly {
    /// Sets X register `register` to `value` (MOVZ, MOVN and MOVK; Arm ARM C6.2).
    pub fn set(&mut self, register: u32, value: u64) {
        let part = |n: u32| (value >> (16 * n)) as u32 & 0xffff;
        if value >> 16 == u64::MAX >> 16 {
            self.words.push(0x9280_0000 | (!value as u32 & 0xffff) << 5 | register);
            return;
        }
        self.words.push(0xd280_0000 | part(0) << 5 | register);
        for n in 1..4 {
            if part(n) != 0 {
                self.words.push(0xf280_0000 | n << 21 | part(n) << 5 | register);
            }
        }
    }

    /// A system call with these arguments.
    pub fn call(&mut self, number: u64, arguments: &[u64]) {
        for (register, &value) in arguments.iter().enumerate() {
            self.set(register as u32, value);
        }
        self.set(8, number);
        self.words.push(SVC);
    }

    /// Words as they are.
    pub fn put(&mut self, words: &[u32]) {
        self.words.extend_from_slice(words);
    }

    /// A place to branch to.
    pub fn here(&self) -> usize {
        self.words.len()
    }

    /// B to an earlier place.
    pub fn branch(&mut self, to: usize) {
        let offset = to as i64 - self.here() as i64;
        self.words.push(0x1400_0000 | offset as u32 & 0x3ff_ffff);
    }

    /// TBZ of bit 63 of X0, to an earlier place: taken unless X0 is an error.
    pub fn branch_unless_error(&mut self, to: usize) {
        let offset = to as i64 - self.here() as i64;
        self.words.push(0xb6f8_0000 | (offset as u32 & 0x3fff) << 5);
    }

    /// Ends the program with the error in X0 as its status.
    pub fn exit_with_errno(&mut self) {
        self.words.push(0xcb00_03e0); // neg x0, x0
        self.set(8, 94);
        self.words.push(SVC);
    }
}
