//! Whole algorithms, built from the instructions as software builds them, against the answers
//! printed in their standards.

use ncpu_alu::NativeAlu;
use ncpu_alu::crypto::{self, Sha1Choice};
use ncpu_alu::simd::{V, carryless_mul};

const ALU: &NativeAlu = &NativeAlu;

/// A vector from 32 hexadecimal digits, first byte lowest.
fn bytes(hex: &str) -> V {
    let byte = |i: usize| u64::from_str_radix(&hex[2 * i..2 * i + 2], 16).unwrap();
    let half = |from: usize| (0..8).fold(0, |half, i| half | byte(from + i) << (8 * i));
    [half(0), half(8)]
}

fn xor(a: V, b: V) -> V {
    [a[0] ^ b[0], a[1] ^ b[1]]
}

/// SubBytes of one byte: with the same byte everywhere ShiftRows changes nothing.
fn sub_byte(x: u64) -> u64 {
    crypto::aese(ALU, [x * 0x0101_0101_0101_0101; 2], [0; 2])[0] & 0xff
}

/// Product in AES's field by the definition (FIPS 197, §4.2).
fn field_product(mut a: u32, b: u32) -> u32 {
    let mut product = 0;
    for i in 0..8 {
        if b >> i & 1 == 1 {
            product ^= a;
        }
        a = a << 1 ^ if a & 0x80 != 0 { 0x11b } else { 0 };
    }
    product
}

#[test]
fn the_s_box_is_the_affine_map_of_the_inverse() {
    for x in 0..256u32 {
        let inverse = (0..256).find(|y| field_product(x, *y) == 1).unwrap_or(0);
        // FIPS 197, equation 5.1.
        let expected = (0..8).fold(0x63, |sum, i| {
            let bit = [0, 4, 5, 6, 7].iter().fold(0, |b, k| b ^ inverse >> ((i + k) % 8));
            sum ^ (bit & 1) << i
        });
        assert_eq!(sub_byte(x as u64), expected as u64, "{x:#04x}");
        let back = crypto::aesd(ALU, [expected as u64 * 0x0101_0101_0101_0101; 2], [0; 2]);
        assert_eq!(back, [x as u64 * 0x0101_0101_0101_0101; 2], "{x:#04x}");
    }
}

/// The eleven round keys of AES-128 (FIPS 197, §5.2).
fn round_keys(key: V) -> [V; 11] {
    let mut keys = [key; 11];
    let mut constant = 1;
    for round in 1..11 {
        let old = keys[round - 1];
        let last = (old[1] >> 32) as u32;
        let word = (0..4).fold(0, |word, i| {
            word | (sub_byte(last.rotate_right(8) as u64 >> (8 * i) & 0xff) as u32) << (8 * i)
        });
        let w0 = old[0] as u32 ^ word ^ constant;
        let w1 = w0 ^ (old[0] >> 32) as u32;
        let w2 = w1 ^ old[1] as u32;
        let w3 = w2 ^ last;
        keys[round] = [w0 as u64 | (w1 as u64) << 32, w2 as u64 | (w3 as u64) << 32];
        constant = field_product(constant, 2);
    }
    keys
}

fn aes128_encrypt(key: V, block: V) -> V {
    let keys = round_keys(key);
    let mut state = block;
    for key in &keys[..9] {
        state = crypto::aesmc(ALU, crypto::aese(ALU, state, *key));
    }
    xor(crypto::aese(ALU, state, keys[9]), keys[10])
}

fn aes128_decrypt(key: V, block: V) -> V {
    let keys = round_keys(key);
    let mut state = crypto::aesimc(ALU, crypto::aesd(ALU, block, keys[10]));
    for key in keys[2..10].iter().rev() {
        state = crypto::aesimc(ALU, crypto::aesd(ALU, state, crypto::aesimc(ALU, *key)));
    }
    xor(crypto::aesd(ALU, state, crypto::aesimc(ALU, keys[1])), keys[0])
}

#[test]
fn aes128_as_in_fips_197() {
    // Appendix B, then appendix C.1.
    for (key, plain, cipher) in [
        (
            "2b7e151628aed2a6abf7158809cf4f3c",
            "3243f6a8885a308d313198a2e0370734",
            "3925841d02dc09fbdc118597196a0b32",
        ),
        (
            "000102030405060708090a0b0c0d0e0f",
            "00112233445566778899aabbccddeeff",
            "69c4e0d86a7b0430d8cdb78070b4c55a",
        ),
    ] {
        assert_eq!(aes128_encrypt(bytes(key), bytes(plain)), bytes(cipher));
        assert_eq!(aes128_decrypt(bytes(key), bytes(cipher)), bytes(plain));
    }
}

fn vector(w: [u32; 4]) -> V {
    [w[0] as u64 | (w[1] as u64) << 32, w[2] as u64 | (w[3] as u64) << 32]
}

fn words(v: V) -> [u32; 4] {
    [v[0] as u32, (v[0] >> 32) as u32, v[1] as u32, (v[1] >> 32) as u32]
}

fn add(a: V, b: V) -> V {
    let (a, b) = (words(a), words(b));
    vector(core::array::from_fn(|i| a[i].wrapping_add(b[i])))
}

/// The message "abc" padded to one block, as four vectors of big-endian words.
const ABC: [[u32; 4]; 4] = [[0x6162_6380, 0, 0, 0], [0; 4], [0; 4], [0, 0, 0, 24]];

#[test]
fn sha1_of_abc_as_in_fips_180() {
    let initial = vector([0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476]);
    let (mut abcd, mut e) = (initial, 0xc3d2_e1f0);
    let mut w = ABC.map(vector);
    for group in 0..20 {
        let (f, k) = [
            (Sha1Choice::Choose, 0x5a82_7999),
            (Sha1Choice::Parity, 0x6ed9_eba1),
            (Sha1Choice::Majority, 0x8f1b_bcdc),
            (Sha1Choice::Parity, 0xca62_c1d6),
        ][group / 5];
        let next_e = crypto::sha1h(ALU, abcd[0]);
        abcd = crypto::sha1_rounds(ALU, f, abcd, e, add(w[0], vector([k; 4])));
        e = next_e;
        let next = crypto::sha1su1(ALU, crypto::sha1su0(ALU, w[0], w[1], w[2]), w[3]);
        w = [w[1], w[2], w[3], next];
    }
    assert_eq!(words(add(abcd, initial)), [0xa999_3e36, 0x4706_816a, 0xba3e_2571, 0x7850_c26c]);
    assert_eq!((e as u32).wrapping_add(0xc3d2_e1f0), 0x9cd0_d89d);
}

#[test]
fn sha256_of_abc_as_in_fips_180() {
    // §4.2.2 and §5.3.3: fractional parts of cube and square roots of the first primes.
    let primes: Vec<u32> =
        (2..).filter(|n| (2..*n).all(|divisor| n % divisor != 0)).take(64).collect();
    let fraction = |root: f64| (root.fract() * 4_294_967_296.0) as u32;
    let k: Vec<u32> = primes.iter().map(|p| fraction((*p as f64).cbrt())).collect();
    let h: Vec<u32> = primes[..8].iter().map(|p| fraction((*p as f64).sqrt())).collect();
    let initial = [vector([h[0], h[1], h[2], h[3]]), vector([h[4], h[5], h[6], h[7]])];
    let [mut abcd, mut efgh] = initial;
    let mut w = ABC.map(vector);
    for k in k.chunks(4) {
        let wk = add(w[0], vector([k[0], k[1], k[2], k[3]]));
        (abcd, efgh) =
            (crypto::sha256h(ALU, abcd, efgh, wk), crypto::sha256h2(ALU, efgh, abcd, wk));
        let next = crypto::sha256su1(ALU, crypto::sha256su0(ALU, w[0], w[1]), w[2], w[3]);
        w = [w[1], w[2], w[3], next];
    }
    assert_eq!(
        [words(add(abcd, initial[0])), words(add(efgh, initial[1]))],
        [
            [0xba78_16bf, 0x8f01_cfea, 0x4141_40de, 0x5dae_2223],
            [0xb003_61a3, 0x9617_7a9c, 0xb410_ff61, 0xf200_15ad]
        ]
    );
}

#[test]
fn crcs_give_their_check_values_at_every_width() {
    let message = b"123456789";
    // The check values of the catalogue of CRC algorithms (CRC-32/ISO-HDLC, CRC-32/ISCSI).
    type Step = fn(&NativeAlu, u64, u64, u32) -> u64;
    for (step, check) in [(crypto::crc32 as Step, 0xcbf4_3926), (crypto::crc32c, 0xe306_9283)] {
        for width in [1, 2, 4, 8] {
            let mut crc = 0xffff_ffff;
            let chunks = message.chunks_exact(width);
            let rest = chunks.remainder();
            for chunk in chunks {
                let value = chunk.iter().rev().fold(0, |value, byte| value << 8 | *byte as u64);
                crc = step(ALU, crc, value, 8 * width as u32);
            }
            for byte in rest {
                // Bits above the byte do not count.
                crc = step(ALU, crc, *byte as u64 | 0xabcd_ef00, 8);
            }
            assert_eq!(crc ^ 0xffff_ffff, check, "in steps of {width}");
        }
    }
}

#[test]
fn carryless_products() {
    // Squaring spreads the bits: the square of all ones has every even bit.
    assert_eq!(carryless_mul(ALU, u64::MAX, u64::MAX), [0x5555_5555_5555_5555; 2]);
    assert_eq!(carryless_mul(ALU, 1 << 63, 1 << 63), [0, 1 << 62]);
    assert_eq!(carryless_mul(ALU, 0b111, 0b101), [0b11011, 0]);
    // S. Gueron, M. Kounavis, "Intel Carry-Less Multiplication Instruction and its Usage for
    // Computing the GCM Mode", the example of the instruction.
    let (a, b) = (0x6374_6f72_5d53_475d, 0x5b47_7565_726f_6e5d);
    assert_eq!(carryless_mul(ALU, a, b), [0x9296_33d5_d36f_0451, 0x1d4d_84c8_5c34_40c0]);
}
