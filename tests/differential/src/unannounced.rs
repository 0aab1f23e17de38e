//! Extensions that qemu's `max` has and this machine does not announce: their instructions are
//! undefined here, as the Arm ARM (DDI 0487) says for processors without them.

use crate::known::{Known, undefined_here};

const fn extension(mask: u32, value: u32, reason: &'static str, source: &'static str) -> Known {
    Known { mask, value, when: undefined_here, reason, source }
}

/// Their encodings.
pub(crate) const UNANNOUNCED: &[Known] = &[
    extension(
        0xffff_fc00,
        0x1e63_4000,
        "BFCVT (FEAT_BF16) is not announced",
        "Arm ARM C7.2, BFCVT; HWCAP2_BF16 is clear",
    ),
    extension(
        0xff00_0000,
        0xce00_0000,
        "SHA3, SHA512, SM3, SM4 are not announced",
        "Arm ARM C4.1, cryptographic three- and four-register; HWCAP_SHA3, SHA512, SM3, SM4 are clear",
    ),
    extension(
        0xff20_0000,
        0xd920_0000,
        "tag loads and stores (FEAT_MTE) are not announced",
        "Arm ARM C4.1, load/store memory tags; HWCAP2_MTE is clear",
    ),
    extension(
        0xfc40_0000,
        0x6800_0000,
        "STGP (FEAT_MTE) is not announced",
        "Arm ARM C6.2, STGP; HWCAP2_MTE is clear",
    ),
    extension(
        0xbf80_0000,
        0x9180_0000,
        "ADDG and SUBG (FEAT_MTE) are not announced",
        "Arm ARM C4.1, add/subtract (immediate, with tags); HWCAP2_MTE is clear",
    ),
    extension(
        0xdfe0_fc00,
        0x9ac0_0000,
        "SUBP and SUBPS (FEAT_MTE) are not announced",
        "Arm ARM C6.2, SUBP; HWCAP2_MTE is clear",
    ),
    extension(
        0xffe0_f800,
        0x9ac0_1000,
        "IRG and GMI (FEAT_MTE) are not announced",
        "Arm ARM C6.2, IRG, GMI; HWCAP2_MTE is clear",
    ),
    extension(
        0xbf20_e400,
        0x2e00_c400,
        "FCMLA (FEAT_FCMA) is not announced",
        "Arm ARM C7.2, FCMLA; HWCAP_FCMA is clear",
    ),
    extension(
        0xbf20_ec00,
        0x2e00_e400,
        "FCADD (FEAT_FCMA) is not announced",
        "Arm ARM C7.2, FCADD; HWCAP_FCMA is clear",
    ),
    extension(
        0xbf00_9400,
        0x2f00_1000,
        "FCMLA by element (FEAT_FCMA) is not announced",
        "Arm ARM C7.2, FCMLA (by element); HWCAP_FCMA is clear",
    ),
    extension(
        0xbf20_fc00,
        0x2e00_fc00,
        "BFDOT, BFMLAL (FEAT_BF16) are not announced",
        "Arm ARM C7.2, BFDOT, BFMLAL; HWCAP2_BF16 is clear",
    ),
    extension(
        0xbfe0_fc00,
        0x2e40_ec00,
        "BFMMLA (FEAT_BF16) is not announced",
        "Arm ARM C7.2, BFMMLA; HWCAP2_BF16 is clear",
    ),
    extension(
        0xbfff_fc00,
        0x0ea1_6800,
        "BFCVTN (FEAT_BF16) is not announced",
        "Arm ARM C7.2, BFCVTN; HWCAP2_BF16 is clear",
    ),
    extension(
        0xbf00_f400,
        0x0f00_f000,
        "SUDOT, USDOT, BFDOT, BFMLAL by element (FEAT_I8MM, FEAT_BF16) are not announced",
        "Arm ARM C4.1, vector x indexed element; HWCAP2_I8MM, BF16 are clear",
    ),
    extension(
        0xbfe0_fc00,
        0x0e80_9c00,
        "USDOT (FEAT_I8MM) is not announced",
        "Arm ARM C7.2, USDOT; HWCAP2_I8MM is clear",
    ),
    extension(
        0x9fe0_f400,
        0x0e80_a400,
        "SMMLA, UMMLA, USMMLA (FEAT_I8MM) are not announced",
        "Arm ARM C7.2, SMMLA; HWCAP2_I8MM is clear",
    ),
    extension(
        0xbf60_fc00,
        0x0e20_ec00,
        "FMLAL, FMLSL (FEAT_FHM) are not announced",
        "Arm ARM C7.2, FMLAL; HWCAP_ASIMDFHM is clear",
    ),
    extension(
        0xbf60_fc00,
        0x2e20_cc00,
        "FMLAL2, FMLSL2 (FEAT_FHM) are not announced",
        "Arm ARM C7.2, FMLAL; HWCAP_ASIMDFHM is clear",
    ),
    extension(
        0xbfc0_b400,
        0x0f80_0000,
        "FMLAL, FMLSL by element (FEAT_FHM) are not announced",
        "Arm ARM C7.2, FMLAL (by element); HWCAP_ASIMDFHM is clear",
    ),
    extension(
        0xbfc0_b400,
        0x2f80_8000,
        "FMLAL2, FMLSL2 by element (FEAT_FHM) are not announced",
        "Arm ARM C7.2, FMLAL (by element); HWCAP_ASIMDFHM is clear",
    ),
    extension(
        0x9fbf_ec00,
        0x0e21_e800,
        "FRINT32 and FRINT64 of vectors (FEAT_FRINTTS) are not announced",
        "Arm ARM C7.2, FRINT32X (vector); HWCAP2_FRINT is clear",
    ),
    extension(
        0xffbe_7c00,
        0x1e28_4000,
        "FRINT32 and FRINT64 (FEAT_FRINTTS) are not announced",
        "Arm ARM C7.2, FRINT32X (scalar); HWCAP2_FRINT is clear",
    ),
    extension(
        0xffff_fc00,
        0x1e7e_0000,
        "FJCVTZS (FEAT_JSCVT) is not announced",
        "Arm ARM C7.2, FJCVTZS; HWCAP_JSCVT is clear",
    ),
    extension(
        0xffff_ffff,
        0xd503_30ff,
        "SB (FEAT_SB) is not announced",
        "Arm ARM C6.2, SB; HWCAP_SB is clear",
    ),
    extension(
        0xffff_ffc0,
        0xd53b_2400,
        "RNDR and RNDRRS (FEAT_RNG) are not announced",
        "Arm ARM D19.2, RNDR; HWCAP2_RNG is clear",
    ),
];
