//! What is announced is what is there: `AT_HWCAP`, the identification registers and the decode
//! tables agree.

use ncpu_a64::features::*;
use ncpu_a64::{Lifted, lift};
use ncpu_uop::Op;

/// Linux's rule for each `AT_HWCAP` bit (arch/arm64/kernel/cpufeature.c, `arm64_elf_hwcaps`): a
/// field of a register and its least value; and an instruction that needs the feature.
const RULES: &[(u32, u64, u32, u64, u32)] = &[
    (3, ID_AA64ISAR0_EL1, 4, 1, 0x4e28_4820), // aese v0.16b, v1.16b
    (4, ID_AA64ISAR0_EL1, 4, 2, 0x0ee2_e020), // pmull v0.1q, v1.1d, v2.1d
    (5, ID_AA64ISAR0_EL1, 8, 1, 0x5e02_0020), // sha1c q0, s1, v2.4s
    (6, ID_AA64ISAR0_EL1, 12, 1, 0x5e02_4020), // sha256h q0, q1, v2.4s
    (7, ID_AA64ISAR0_EL1, 16, 1, 0x1ac2_4020), // crc32b w0, w1, w2
    (8, ID_AA64ISAR0_EL1, 20, 2, 0xf820_0041), // ldadd x0, x1, [x2]
    (9, ID_AA64PFR0_EL1, 16, 1, 0x1ee2_2820), // fadd h0, h1, h2
    (10, ID_AA64PFR0_EL1, 20, 1, 0x4e42_1420), // fadd v0.8h, v1.8h, v2.8h
    (12, ID_AA64ISAR0_EL1, 28, 1, 0x6e82_8420), // sqrdmlah v0.4s, v1.4s, v2.4s
    (13, ID_AA64ISAR1_EL1, 12, 1, 0x1e7e_0020), // fjcvtzs w0, d1
    (14, ID_AA64ISAR1_EL1, 16, 1, 0x6e82_e420), // fcadd v0.4s, v1.4s, v2.4s, #90
    (15, ID_AA64ISAR1_EL1, 20, 1, 0xf8bf_c020), // ldapr x0, [x1]
    (16, ID_AA64ISAR1_EL1, 0, 1, 0xd50b_7c20), // dc cvap, x0
    (17, ID_AA64ISAR0_EL1, 32, 1, 0xce02_0c20), // eor3 v0.16b, v1.16b, v2.16b, v3.16b
    (18, ID_AA64ISAR0_EL1, 36, 1, 0xce62_c020), // sm3partw1 v0.4s, v1.4s, v2.4s
    (19, ID_AA64ISAR0_EL1, 40, 1, 0xcec0_8420), // sm4e v0.4s, v1.4s
    (20, ID_AA64ISAR0_EL1, 44, 1, 0x6e82_9420), // udot v0.4s, v1.16b, v2.16b
    (21, ID_AA64ISAR0_EL1, 12, 2, 0xce62_8020), // sha512h q0, q1, v2.2d
    (22, ID_AA64PFR0_EL1, 32, 1, 0x2518_e3e0), // ptrue p0.b
    (23, ID_AA64ISAR0_EL1, 48, 1, 0x4e22_ec20), // fmlal v0.4s, v1.4h, v2.4h
    (24, ID_AA64PFR0_EL1, 48, 1, 0xd503_415f), // msr dit, #1
    (26, ID_AA64ISAR1_EL1, 20, 2, 0xd940_8020), // ldapur x0, [x1, #8]
    (27, ID_AA64ISAR0_EL1, 52, 1, 0xd500_401f), // cfinv
    (29, ID_AA64ISAR1_EL1, 36, 1, 0xd503_30ff), // sb
    (30, ID_AA64ISAR1_EL1, 4, 1, 0xdac1_0020), // pacia x0, x1
    (31, ID_AA64ISAR1_EL1, 24, 1, 0x9ac2_3020), // pacga x0, x1, x2
];

/// Instructions of features that `AT_HWCAP2` would announce.
const SECOND_WORD: &[u32] = &[
    0xd50b_7d20, // dc cvadp, x0
    0xd500_403f, // xaflag
    0x1e68_4020, // frint32z d0, d1
    0x4e82_a420, // smmla v0.4s, v1.16b, v2.16b
    0x6e42_fc20, // bfdot v0.4s, v1.8h, v2.8h
    0xd53b_2400, // mrs x0, rndr
    0x9adf_1020, // irg x0, x1
];

fn allocated(word: u32) -> bool {
    let mut lifted = Lifted::new();
    lift(word, 0, &mut lifted);
    lifted.uops()[0].op != Op::Undefined
}

#[test]
fn hwcap_registers_and_tables_agree() {
    for &(bit, register, shift, least, word) in RULES {
        let announced = HWCAP >> bit & 1 == 1;
        assert_eq!(register >> shift & 15 >= least, announced, "HWCAP bit {bit}: its register");
        assert_eq!(allocated(word), announced, "HWCAP bit {bit}: {word:08x}");
    }
    assert_eq!(HWCAP2, 0);
    for &word in SECOND_WORD {
        assert!(!allocated(word), "{word:08x}");
    }
}

#[test]
fn cache_geometry_is_that_of_dc_zva() {
    // DCZID_EL0.BS and CTR_EL0.DminLine are logarithms of words: 64 bytes both, and DC ZVA allowed.
    assert_eq!(4 << (DCZID_EL0 & 15), 64);
    assert_eq!(4 << (CTR_EL0 >> 16 & 15), 64);
    assert_eq!(DCZID_EL0 >> 4 & 1, 0);
}
