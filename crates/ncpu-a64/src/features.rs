//! What the processor announces to programs: `AT_HWCAP` and the registers that EL0 may read.
//!
//! Both say exactly what the decode tables contain. The identification registers are those of
//! Linux's emulation (Documentation/arch/arm64/cpu-feature-registers.rst), with the fields that it
//! hides at their safe values.

/// Single and double precision floating point.
pub const HWCAP_FP: u64 = 1 << 0;
/// Advanced SIMD.
pub const HWCAP_ASIMD: u64 = 1 << 1;
/// AESE, AESD, AESMC, AESIMC.
pub const HWCAP_AES: u64 = 1 << 3;
/// PMULL of 64-bit polynomials.
pub const HWCAP_PMULL: u64 = 1 << 4;
/// SHA1C to SHA1SU1.
pub const HWCAP_SHA1: u64 = 1 << 5;
/// SHA256H to SHA256SU1.
pub const HWCAP_SHA2: u64 = 1 << 6;
/// CRC32B to CRC32CX.
pub const HWCAP_CRC32: u64 = 1 << 7;
/// Large system extension: LDADD, SWP, CAS and their kin.
pub const HWCAP_ATOMICS: u64 = 1 << 8;
/// Half-precision scalar arithmetic.
pub const HWCAP_FPHP: u64 = 1 << 9;
/// Half-precision vector arithmetic.
pub const HWCAP_ASIMDHP: u64 = 1 << 10;
/// MRS of the identification registers.
pub const HWCAP_CPUID: u64 = 1 << 11;
/// SQRDMLAH and SQRDMLSH.
pub const HWCAP_ASIMDRDM: u64 = 1 << 12;
/// LDAPR.
pub const HWCAP_LRCPC: u64 = 1 << 15;
/// DC CVAP.
pub const HWCAP_DCPOP: u64 = 1 << 16;
/// SDOT and UDOT.
pub const HWCAP_ASIMDDP: u64 = 1 << 20;
/// LDAPUR and STLUR.
pub const HWCAP_ILRCPC: u64 = 1 << 26;
/// CFINV, RMIF, SETF8, SETF16.
pub const HWCAP_FLAGM: u64 = 1 << 27;

/// Value of `AT_HWCAP`.
pub const HWCAP: u64 = HWCAP_FP
    | HWCAP_ASIMD
    | HWCAP_AES
    | HWCAP_PMULL
    | HWCAP_SHA1
    | HWCAP_SHA2
    | HWCAP_CRC32
    | HWCAP_ATOMICS
    | HWCAP_FPHP
    | HWCAP_ASIMDHP
    | HWCAP_CPUID
    | HWCAP_ASIMDRDM
    | HWCAP_LRCPC
    | HWCAP_DCPOP
    | HWCAP_ASIMDDP
    | HWCAP_ILRCPC
    | HWCAP_FLAGM;

/// Value of `AT_HWCAP2`.
pub const HWCAP2: u64 = 0;

/// Main ID: implementer 0 (software), architecture 15 (by ID registers), part number 0x4e0.
pub const MIDR_EL1: u64 = 0x000f_4e00;
/// Affinity: only bit 31, which is always one; Linux shows no more.
pub const MPIDR_EL1: u64 = 1 << 31;
/// Revision ID.
pub const REVIDR_EL1: u64 = 0;
/// EL0 and EL1 in AArch64 only; FP and Advanced SIMD with half precision.
pub const ID_AA64PFR0_EL1: u64 = 0x11 | 1 << 16 | 1 << 20;
/// AES with PMULL, SHA1, SHA256, CRC32, LSE atomics, RDM, dot product, FlagM.
pub const ID_AA64ISAR0_EL1: u64 =
    2 << 4 | 1 << 8 | 1 << 12 | 1 << 16 | 2 << 20 | 1 << 28 | 1 << 44 | 1 << 52;
/// DC CVAP, and LDAPR with its LDAPUR forms.
pub const ID_AA64ISAR1_EL1: u64 = 1 | 2 << 20;
/// Debug architecture 6, the value that Linux shows in place of the real one.
pub const ID_AA64DFR0_EL1: u64 = 6;
/// No 4 KiB and 64 KiB granule announced: the safe values of hidden fields.
pub const ID_AA64MMFR0_EL1: u64 = 0xff00_0000;

/// Cache type: 64-byte lines, PIPT instruction cache, cleaning not needed before `IC IVAU` (IDC).
pub const CTR_EL0: u64 = 1 << 31 | 1 << 28 | 4 << 24 | 4 << 20 | 4 << 16 | 3 << 14 | 4;
/// `DC ZVA` is permitted and zeroes 16 words.
pub const DCZID_EL0: u64 = 4;
/// The virtual counter counts nanoseconds.
pub const CNTFRQ_EL0: u64 = 1_000_000_000;

/// The value that EL0 reads from the identification register S3_0_C0_C`crm`_`op2`, if Linux
/// emulates it: CRm 0 and 2 to 7. Registers of this space without meaning, and those of AArch32,
/// which is not there, read as zero.
pub const fn id_register(crm: u32, op2: u32) -> Option<u64> {
    Some(match (crm, op2) {
        (0, 0) => MIDR_EL1,
        (0, 5) => MPIDR_EL1,
        (0, 6) => REVIDR_EL1,
        (4, 0) => ID_AA64PFR0_EL1,
        (5, 0) => ID_AA64DFR0_EL1,
        (6, 0) => ID_AA64ISAR0_EL1,
        (6, 1) => ID_AA64ISAR1_EL1,
        (7, 0) => ID_AA64MMFR0_EL1,
        (2..=7, _) => 0,
        _ => return None,
    })
}
