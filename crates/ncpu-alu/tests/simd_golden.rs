//! Every vector, cryptographic and CRC instruction form against recorded results of QEMU.
//!
//! `simd_golden.txt` describes the inputs, the digests and how they were made.

use ncpu_alu::simd::{self, Across, Bin, Esize, Long, Narrow, NarrowHigh, Pair, Permute, Shift};
use ncpu_alu::simd::{ShiftLong, ShiftNarrow, Un, V, Wide};
use ncpu_alu::{NativeAlu, crypto};

const GOLDEN: &str = include_str!("simd_golden.txt");
const INPUTS: u64 = 256;

/// The generator of operands that the header of the golden file specifies.
struct Operands(u64);

impl Operands {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    }
    fn lane(&mut self, bits: u32) -> u64 {
        let r = self.next();
        let lowest = 1 << (bits - 1);
        let value = match r & 7 {
            0 => 0,
            1 => 1,
            2 => lowest,
            3 => lowest - 1,
            4 => u64::MAX,
            5 => lowest + 1,
            6 => r >> 8,
            _ => (r >> 8 & 0x7f).wrapping_sub(64),
        };
        value & (u64::MAX >> (64 - bits))
    }
    fn half(&mut self, bits: u32) -> u64 {
        if bits == 0 {
            return self.next();
        }
        (0..64).step_by(bits as usize).fold(0, |half, at| half | self.lane(bits) << at)
    }
    fn triple(index: u64) -> [V; 3] {
        const LANES: [u32; 8] = [0, 8, 16, 32, 64, 0, 8, 16];
        let kind = index % 8;
        let mut operands = Operands(index);
        let mut triple = [(); 3].map(|()| [(); 2].map(|()| operands.half(LANES[kind as usize])));
        if kind == 5 {
            triple[2] = [operands.half(8), operands.half(8)];
        }
        if kind >= 6 && index / 8 % 2 == 1 {
            triple[2] = triple[1];
        }
        triple
    }
}

/// One line of the golden file.
#[derive(Clone, Copy)]
struct Form<'a> {
    family: &'a str,
    op: &'a str,
    e: Esize,
    /// 128-bit vectors.
    q: bool,
    /// One lane, whatever lies above it in the registers.
    scalar: bool,
    imm: u32,
}

fn find<T: Copy>(all: &[T], mnemonic: fn(T) -> &'static str, name: &str) -> T {
    *all.iter().find(|op| mnemonic(**op) == name).unwrap_or_else(|| panic!("no operation {name}"))
}

impl Form<'_> {
    fn compute(&self, [d, n, m]: [V; 3], qc: &mut bool) -> V {
        let Form { op, e, q, imm, .. } = *self;
        let alu = &NativeAlu;
        let lane = |e: Esize, v: V| if self.scalar { [e.trunc(v[0]), 0] } else { v };
        // A lane-wise operation on one or both halves.
        let halves = |f: &mut dyn FnMut(u64, u64, u64) -> u64| {
            let [d, n, m] = [lane(e, d), lane(e, n), lane(e, m)];
            [f(d[0], n[0], m[0]), if q { f(d[1], n[1], m[1]) } else { 0 }]
        };
        match self.family {
            "bin" => {
                let op = find(Bin::ALL, Bin::mnemonic, op);
                halves(&mut |d, n, m| simd::bin(alu, op, e, d, n, m, qc))
            }
            "un" => {
                let op = find(Un::ALL, Un::mnemonic, op);
                halves(&mut |d, n, _| simd::un(alu, op, e, d, n, qc))
            }
            "shift" => {
                let op = find(Shift::ALL, Shift::mnemonic, op);
                halves(&mut |d, n, _| simd::shift(alu, op, e, d, n, imm, qc))
            }
            "shift_narrow" => {
                let op = find(ShiftNarrow::ALL, ShiftNarrow::mnemonic, op);
                [simd::shift_narrow(alu, op, e, lane(e.double(), n), imm, qc), 0]
            }
            "shift_long" => {
                let op = find(ShiftLong::ALL, ShiftLong::mnemonic, op);
                simd::shift_long(alu, op, e, n[0], imm)
            }
            "shll" => simd::shll(e, n[0]),
            "long" => {
                let op = find(Long::ALL, Long::mnemonic, op);
                let [n, m] = [lane(e, n), lane(e, m)];
                simd::long(alu, op, e, lane(e.double(), d), n[0], m[0], qc)
            }
            "wide" => simd::wide(alu, find(Wide::ALL, Wide::mnemonic, op), e, n, m[0]),
            "narrow_high" => {
                let op = find(NarrowHigh::ALL, NarrowHigh::mnemonic, op);
                [simd::narrow_high(alu, op, e, n, m), 0]
            }
            "narrow" => {
                let op = find(Narrow::ALL, Narrow::mnemonic, op);
                [simd::narrow(alu, op, e, lane(e.double(), n), qc), 0]
            }
            "pair" => simd::pair(alu, find(Pair::ALL, Pair::mnemonic, op), e, q, n, m),
            "across" => [simd::across(alu, find(Across::ALL, Across::mnemonic, op), e, q, n), 0],
            "permute" => simd::permute(find(Permute::ALL, Permute::mnemonic, op), e, q, n, m),
            "ext" => simd::ext(q, n, m, imm),
            "table" => {
                let table = [n, m, d, [n[0] ^ m[0], n[1] ^ m[1]]];
                let table = &table[..imm as usize];
                let indices = m.map(|half| half & 0x7f7f_7f7f_7f7f_7f7f);
                let half = |i: usize| match op {
                    "tbl" => simd::tbl(alu, table, indices[i]),
                    _ => simd::tbx(alu, table, d[i], indices[i]),
                };
                [half(0), if q { half(1) } else { 0 }]
            }
            "crypto" => self.compute_crypto([d, n, m]),
            family => panic!("no family {family}"),
        }
    }

    fn compute_crypto(&self, [d, n, m]: [V; 3]) -> V {
        use crypto::Sha1Choice::{Choose, Majority, Parity};
        let alu = &NativeAlu;
        match self.op {
            "aese" => crypto::aese(alu, d, n),
            "aesd" => crypto::aesd(alu, d, n),
            "aesmc" => crypto::aesmc(alu, n),
            "aesimc" => crypto::aesimc(alu, n),
            "sha1c" => crypto::sha1_rounds(alu, Choose, d, n[0], m),
            "sha1p" => crypto::sha1_rounds(alu, Parity, d, n[0], m),
            "sha1m" => crypto::sha1_rounds(alu, Majority, d, n[0], m),
            "sha1h" => [crypto::sha1h(alu, n[0]), 0],
            "sha1su0" => crypto::sha1su0(alu, d, n, m),
            "sha1su1" => crypto::sha1su1(alu, d, n),
            "sha256h" => crypto::sha256h(alu, d, n, m),
            "sha256h2" => crypto::sha256h2(alu, d, n, m),
            "sha256su0" => crypto::sha256su0(alu, d, n),
            "sha256su1" => crypto::sha256su1(alu, d, n, m),
            "crc32" => [crypto::crc32(alu, n[0], m[0], self.e.bits()), 0],
            "crc32c" => [crypto::crc32c(alu, n[0], m[0], self.e.bits()), 0],
            op => panic!("no operation {op}"),
        }
    }

    /// FNV-1a over the results, low byte first, and the saturation flag.
    fn digest(&self) -> u64 {
        let mut hash = 0xcbf2_9ce4_8422_2325;
        for index in 0..INPUTS {
            let mut qc = false;
            let result = self.compute(Operands::triple(index), &mut qc);
            let bytes = result.iter().flat_map(|half| half.to_le_bytes());
            for byte in bytes.chain([qc as u8]) {
                hash = (hash ^ byte as u64).wrapping_mul(0x0000_0100_0000_01b3);
            }
        }
        hash
    }
}

#[test]
fn every_form_gives_qemus_results_and_saturation_flags() {
    let mut failed = Vec::new();
    let mut forms = 0;
    for line in GOLDEN.lines().filter(|line| !line.starts_with('#')) {
        let fields: Vec<&str> = line.split(' ').collect();
        let [family, op, e, q, imm, digest] = fields[..] else { panic!("malformed: {line}") };
        let code = ["b", "h", "s", "d"].iter().position(|name| *name == e).expect(line);
        let form = Form {
            family,
            op,
            e: Esize::from_code(code as u8),
            q: q == "1",
            scalar: q == "s",
            imm: imm.parse().expect(line),
        };
        if form.digest() != u64::from_str_radix(digest, 16).expect(line) {
            failed.push(line);
        }
        forms += 1;
    }
    assert!(failed.is_empty(), "{} of {forms} forms differ:\n{}", failed.len(), failed.join("\n"));
}

#[test]
fn every_operation_is_in_the_golden_file() {
    let in_file = |family: &str, mnemonic: &str| {
        GOLDEN.lines().any(|line| line.starts_with(&format!("{family} {mnemonic} ")))
    };
    let families: [(&str, Vec<&str>); 11] = [
        ("bin", Bin::ALL.iter().map(|op| op.mnemonic()).collect()),
        ("un", Un::ALL.iter().map(|op| op.mnemonic()).collect()),
        ("shift", Shift::ALL.iter().map(|op| op.mnemonic()).collect()),
        ("shift_narrow", ShiftNarrow::ALL.iter().map(|op| op.mnemonic()).collect()),
        ("shift_long", ShiftLong::ALL.iter().map(|op| op.mnemonic()).collect()),
        ("long", Long::ALL.iter().map(|op| op.mnemonic()).collect()),
        ("wide", Wide::ALL.iter().map(|op| op.mnemonic()).collect()),
        ("narrow_high", NarrowHigh::ALL.iter().map(|op| op.mnemonic()).collect()),
        ("narrow", Narrow::ALL.iter().map(|op| op.mnemonic()).collect()),
        ("pair", Pair::ALL.iter().map(|op| op.mnemonic()).collect()),
        ("across", Across::ALL.iter().map(|op| op.mnemonic()).collect()),
    ];
    for (family, mnemonics) in families {
        for mnemonic in mnemonics {
            assert!(in_file(family, mnemonic), "{family} {mnemonic}");
        }
    }
}
