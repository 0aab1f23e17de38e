//! Differences that are explained: what qemu does otherwise, and why this machine stays.
//!
//! A difference is explained by the first entry whose bits one of the case's instructions matches
//! and whose `when` holds. What differs only because this machine does not announce an extension is
//! in [`unannounced`](crate::unannounced). "Arm ARM" is DDI 0487.

use crate::compare::{Parts, Seen};
use crate::unannounced::UNANNOUNCED;

/// An explained difference.
pub(crate) struct Known {
    /// Bits of the instruction that the entry looks at.
    pub(crate) mask: u32,
    /// Their values.
    pub(crate) value: u32,
    /// Whether the difference is of this kind.
    pub(crate) when: fn(&Seen) -> bool,
    /// What differs and why.
    pub(crate) reason: &'static str,
    /// Where that is written.
    pub(crate) source: &'static str,
}

/// All explained differences.
pub(crate) fn all() -> impl Iterator<Item = &'static Known> {
    KNOWN.iter().chain(UNANNOUNCED)
}

/// The index in [`all`] of the entry that explains a difference.
pub(crate) fn explain(seen: &Seen) -> Option<usize> {
    all().position(|known| {
        seen.words().any(|word| word & known.mask == known.value) && (known.when)(seen)
    })
}

const SIGILL: u32 = 4;
const SIGTRAP: u32 = 5;
const SIGBUS: u32 = 7;
const SIGSEGV: u32 = 11;

/// The case had no effect here.
fn unchanged(seen: &Seen) -> bool {
    let (ours, before) = (&seen.ours, &seen.before);
    ours.x == before.x
        && ours.sp == before.sp
        && ours.v == before.v
        && ours.memory == before.memory
        && ours.pstate == before.pstate
        && ours.fpsr == before.fpsr
        && ours.fpcr == before.fpcr
}

/// Both are undefined, with different codes.
fn both_undefined(seen: &Seen) -> bool {
    seen.ours.signal == SIGILL && seen.parts.within(Parts::CODE)
}

/// An instruction is undefined here and executed, or faults, there.
pub(crate) fn undefined_here(seen: &Seen) -> bool {
    seen.ours.signal == SIGILL && seen.qemu.signal != SIGILL && unchanged(seen)
}

/// An instruction is undefined there and executed, or faults, here.
fn undefined_there(seen: &Seen) -> bool {
    seen.ours.signal != SIGILL && seen.qemu.signal == SIGILL
}

/// Only the register in the lowest field of the case's one instruction differs.
fn general_register(seen: &Seen) -> bool {
    let written = seen.before.words[0] as usize & 31;
    let same = |n: usize| seen.ours.x[n] == seen.qemu.x[n];
    seen.parts.within(Parts::X)
        && seen.ours.sp == seen.qemu.sp
        && (0..31).filter(|&n| n != written).all(same)
}

/// The case got to its end there, and a data access faulted here.
fn faults_here(seen: &Seen) -> bool {
    seen.ours.signal == SIGSEGV && seen.qemu.signal == SIGTRAP && unchanged(seen)
}

fn misaligned_here(seen: &Seen) -> bool {
    seen.ours.signal == SIGBUS
        && seen.ours.code == 1
        && seen.qemu.signal != SIGBUS
        && seen.ours.memory == seen.before.memory
}

/// A branch to a misaligned address is another signal there.
fn misaligned_and_unmapped(seen: &Seen) -> bool {
    let expected = [(SIGBUS, 1), (SIGSEGV, 1), (SIGSEGV, 2)];
    seen.ours.pc & 3 != 0
        && (seen.ours.signal, seen.ours.code) == expected[0]
        && expected[1..].contains(&(seen.qemu.signal, seen.qemu.code))
        && seen.parts.within(Parts::SIGNAL.and(Parts::CODE))
}

/// The same fault; here nothing was changed by then, there some of the transfer was done.
fn partial_transfer(seen: &Seen) -> bool {
    seen.ours.signal == SIGSEGV
        && unchanged(seen)
        && seen.parts.within(Parts::X.and(Parts::V).and(Parts::MEMORY))
}

/// Size and number of registers of an exclusive access.
fn exclusive_size(word: u32) -> Option<(u32, bool)> {
    (word & 0x3f80_0000 == 0x0800_0000).then_some((word >> 30, word >> 21 & 1 == 1))
}

/// An exclusive load and an exclusive store of different sizes follow each other.
fn mixed_exclusives(seen: &Seen) -> bool {
    let mut sizes = seen.words().filter_map(exclusive_size);
    let first = sizes.next();
    let ending = Parts::SIGNAL.and(Parts::CODE).and(Parts::ADDRESS).and(Parts::PC);
    sizes.any(|size| Some(size) != first)
        && seen.parts.within(ending.and(Parts::X).and(Parts::MEMORY))
}

/// The fault address is one that x86-64 calls non-canonical.
fn lost_address(seen: &Seen) -> bool {
    let address = seen.ours.address as i64;
    seen.parts.within(Parts::ADDRESS)
        && seen.qemu.address == 0
        && (address >> 47 != 0 && address >> 47 != -1)
}

const KNOWN: &[Known] = &[
    Known {
        mask: 0,
        value: 0,
        when: both_undefined,
        reason: "si_code of SIGILL is ILL_ILLOPC here and ILL_ILLOPN in qemu",
        source: "Linux, arch/arm64/kernel/traps.c, do_el0_undef",
    },
    Known {
        mask: 0,
        value: 0,
        when: lost_address,
        reason: "the host does not tell qemu the address of a non-canonical access, so si_addr is 0",
        source: "Intel SDM volume 1, 3.3.7.1: a general-protection exception, not a page fault",
    },
    Known {
        mask: 0xff9f_fc1f,
        value: 0xd61f_0000,
        when: misaligned_and_unmapped,
        reason: "a branch to a misaligned address that cannot be executed either is SIGBUS here; \
                 qemu's user mode looks at the mapping first",
        source: "Arm ARM D1.3, prioritization of synchronous exceptions: a PC alignment \
                 fault comes before an Instruction Abort",
    },
    Known {
        mask: 0x0a00_0000,
        value: 0x0800_0000,
        when: partial_transfer,
        reason: "a load or store that faults in its second part has no effect here; qemu has done \
                 the first part",
        source: "Arm ARM D1.3, Data Abort exceptions: registers loaded and memory stored \
                 become UNKNOWN",
    },
    Known {
        mask: 0x3f40_0000,
        value: 0x0800_0000,
        when: mixed_exclusives,
        reason: "a store-exclusive of another size than the load-exclusive succeeds here; qemu \
                 compares the value it loaded",
        source: "Arm ARM B2.9, Load-Exclusive and Store-Exclusive: CONSTRAINED UNPREDICTABLE whether the store succeeds",
    },
    Known {
        mask: 0x3f40_0000,
        value: 0x0800_0000,
        when: misaligned_here,
        reason: "a misaligned store-exclusive faults here even without a mark; qemu looks at the \
                 mark first",
        source: "Arm ARM, shared pseudocode AArch64.ExclusiveMonitorsPass checks alignment first",
    },
    Known {
        mask: 0x3fff_fc00,
        value: 0x38bf_c000,
        when: misaligned_here,
        reason: "a misaligned LDAPR faults here as LDAR does; qemu 7.2 loads",
        source: "Arm ARM B2.5, alignment: acquire accesses must be aligned without FEAT_LSE2",
    },
    Known {
        mask: 0xffff_f0e0,
        value: 0xd50b_7020,
        when: faults_here,
        reason: "DC CVAC, CVAU and CIVAC of an address that is not mapped fault here; qemu's \
                 user mode ignores them",
        source: "Arm ARM D7.5, faults of data cache maintenance at EL0",
    },
    Known {
        mask: 0xffff_ffe0,
        value: 0xd50b_7c20,
        when: undefined_there,
        reason: "DC CVAP is there for programs (HWCAP_DCPOP); qemu has it in system mode only",
        source: "Arm ARM C5.3, DC CVAP; Linux, arch/arm64/kernel/cpufeature.c",
    },
    Known {
        mask: 0xffff_f000,
        value: 0xd538_0000,
        when: undefined_there,
        reason: "ID registers with CRm 2 and 3 read as zero here, as Linux emulates all of CRm 2 \
                 to 7; qemu traps",
        source: "Linux, arch/arm64/kernel/cpufeature.c, emulate_id_reg",
    },
    Known {
        mask: 0xffff_f000,
        value: 0xd538_0000,
        when: general_register,
        reason: "ID registers announce this machine's features, not those of qemu's `max`",
        source: "Arm ARM D19.2: values are those of the implementation",
    },
    Known {
        mask: 0xffff_ffe0,
        value: 0xd53b_0020,
        when: general_register,
        reason: "CTR_EL0 describes this machine's caches",
        source: "Arm ARM D19.2, CTR_EL0: IMPLEMENTATION DEFINED fields",
    },
    Known {
        mask: 0xffff_ffe0,
        value: 0xd53b_00e0,
        when: general_register,
        reason: "DCZID_EL0: DC ZVA clears 64 bytes here, 512 in qemu's `max` (the row DC_ZVA is \
                 compared with qemu's `neoverse-n1`, where it is 64 too)",
        source: "Arm ARM D19.2, DCZID_EL0: IMPLEMENTATION DEFINED block size",
    },
    Known {
        mask: 0xffff_ffe0,
        value: 0xd53b_e000,
        when: general_register,
        reason: "CNTFRQ_EL0: the counter has 1 GHz here, 62.5 MHz in qemu",
        source: "Arm ARM D19.12, CNTFRQ_EL0: the frequency is the system's",
    },
    Known {
        mask: 0xffff_ffe0,
        value: 0xd53b_e040,
        when: general_register,
        reason: "CNTVCT_EL0 counts virtual time here and the host's time in qemu",
        source: "Arm ARM D11.1, the virtual counter",
    },
    Known {
        mask: 0xbff8_fc00,
        value: 0x2f00_fc00,
        when: undefined_here,
        reason: "op 1, cmode 1111, o2 1 of the modified-immediate group is unallocated; qemu 7.2 \
                 executes FMOV of half precision, whose op is 0",
        source: "Arm ARM C4.1, Advanced SIMD modified immediate; fixed by qemu commit \
                 c0ca7ed049c4, \"Fix decode of FMOV (hp) vs MOVI\"",
    },
    Known {
        mask: 0xfff0_fc00,
        value: 0x5f10_fc00,
        when: |seen| seen.parts.within(Parts::V),
        reason: "FCVTZS (scalar, fixed-point) to 16 bits zeroes the rest of the register; qemu 7.2 \
                 sign-extends to 32",
        source: "Arm ARM C7.2, FCVTZS (vector, fixed-point); fixed by qemu commit fe84877ed440, \
                 \"Zero-extend writeback for fp16 FCVTZS\"",
    },
    Known {
        mask: 0xbf7f_cc00,
        value: 0x0e70_c800,
        when: undefined_here,
        reason: "FMAXNMV, FMINNMV, FMAXV, FMINV of half precision with bit 22 set are unallocated; \
                 qemu 7.2 ignores the bit",
        source: "Arm ARM C4.1, Advanced SIMD across lanes",
    },
    Known {
        mask: 0xff7f_cc00,
        value: 0x5e70_c800,
        when: undefined_here,
        reason: "FMAXNMP, FMINNMP, FADDP, FMAXP, FMINP of a half-precision pair with bit 22 set are \
                 unallocated; qemu 7.2 ignores the bit",
        source: "Arm ARM C4.1, Advanced SIMD scalar pairwise; fixed by qemu commit \
                 5d874e5da238, \"Verify sz=0 for Advanced SIMD scalar pairwise (fp16)\"",
    },
];
