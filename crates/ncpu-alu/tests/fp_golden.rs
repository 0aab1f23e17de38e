//! Every floating-point instruction against vectors recorded from QEMU (`fp_golden.txt` says how).

mod integer_alu;

use integer_alu::IntegerAlu;
use ncpu_alu::fp::{
    Double, FPSR_IXC, Format, Fp, Half, Rounding, Single, unsigned_recip_estimate,
    unsigned_rsqrt_estimate,
};
use ncpu_alu::{Alu, NativeAlu};

fn rounding(letter: char) -> Rounding {
    match letter {
        'n' => Rounding::NearestEven,
        'p' => Rounding::TowardPositive,
        'm' => Rounding::TowardNegative,
        'z' => Rounding::TowardZero,
        'a' => Rounding::NearestAway,
        _ => panic!("no rounding mode {letter}"),
    }
}

/// Executes the instruction named by the words of a heading, in format `F`.
fn execute<F: Format, A: Alu>(fp: &mut Fp<A>, alu: &A, words: &[&str], v: &[u64]) -> u64 {
    let mask = |holds| if holds { F::MASK } else { 0 };
    let current = fp.rounding();
    match words[0] {
        "fadd" => fp.add::<F>(v[0], v[1]),
        "fsub" => fp.sub::<F>(v[0], v[1]),
        "fmul" => fp.mul::<F>(v[0], v[1]),
        "fmulx" => fp.mulx::<F>(v[0], v[1]),
        "fdiv" => fp.div::<F>(v[0], v[1]),
        "fsqrt" => fp.sqrt::<F>(v[0]),
        "fmadd" => fp.mul_add::<F>(v[2], v[0], v[1]),
        "fmsub" => {
            let n = fp.neg::<F>(v[0]);
            fp.mul_add::<F>(v[2], n, v[1])
        }
        "fnmadd" => {
            let [n, z] = [v[0], v[2]].map(|v| fp.neg::<F>(v));
            fp.mul_add::<F>(z, n, v[1])
        }
        "fnmsub" => {
            let z = fp.neg::<F>(v[2]);
            fp.mul_add::<F>(z, v[0], v[1])
        }
        "fmax" => fp.max::<F>(v[0], v[1]),
        "fmin" => fp.min::<F>(v[0], v[1]),
        "fmaxnm" => fp.max_num::<F>(v[0], v[1]),
        "fminnm" => fp.min_num::<F>(v[0], v[1]),
        "fcmp" => fp.compare::<F>(v[0], v[1], false),
        "fcmpe" => fp.compare::<F>(v[0], v[1], true),
        "fcmeq" => mask(fp.compare_eq::<F>(v[0], v[1])),
        "fcmge" => mask(fp.compare_ge::<F>(v[0], v[1])),
        "fcmgt" => mask(fp.compare_gt::<F>(v[0], v[1])),
        "fneg" => fp.neg::<F>(v[0]),
        "fabs" => fp.abs::<F>(v[0]),
        "frinti" => fp.round_int::<F>(v[0], current, false),
        "frintx" => fp.round_int::<F>(v[0], current, true),
        "frecpe" => fp.recip_estimate::<F>(v[0]),
        "frsqrte" => fp.rsqrt_estimate::<F>(v[0]),
        "frecpx" => fp.recip_exponent::<F>(v[0]),
        "frecps" => fp.recip_step::<F>(v[0], v[1]),
        "frsqrts" => fp.rsqrt_step::<F>(v[0], v[1]),
        "urecpe" => unsigned_recip_estimate(alu, v[0]),
        "ursqrte" => unsigned_rsqrt_estimate(alu, v[0]),
        "fcvtxn" => fp.convert_to_odd::<F, Single>(v[0]),
        "fcvt" => match words[2] {
            "h" => fp.convert::<F, Half>(v[0]),
            "s" => fp.convert::<F, Single>(v[0]),
            _ => fp.convert::<F, Double>(v[0]),
        },
        name => {
            if let Some(mode) = name.strip_prefix("frint") {
                return fp.round_int::<F>(v[0], rounding(mode.chars().next().unwrap()), false);
            }
            let width = match words[2] {
                "h" => 16,
                "w" => 32,
                _ => 64,
            };
            let fraction_bits = words[3].parse().unwrap();
            if let Some(mode) = name.strip_prefix("fcvt") {
                let signed = mode.ends_with('s');
                let mode = rounding(mode.chars().next().unwrap());
                fp.convert_to_int::<F>(v[0], fraction_bits, width, signed, mode)
            } else {
                let signed = name.starts_with('s');
                assert!(name.ends_with("cvtf"), "unknown instruction {name}");
                fp.convert_from_int::<F>(v[0], fraction_bits, width, signed)
            }
        }
    }
}

fn run<A: Alu>(alu: &A, words: &[&str], fpcr: u32, fpsr: u32, operands: &[u64]) -> (u64, u32) {
    let mut fp = Fp::new(alu, fpcr, fpsr);
    let result = match words[1] {
        "h" => execute::<Half, A>(&mut fp, alu, words, operands),
        "s" => execute::<Single, A>(&mut fp, alu, words, operands),
        _ => execute::<Double, A>(&mut fp, alu, words, operands),
    };
    (result, fp.fpsr)
}

/// Each vector holds with and without the host's floating point, and whether or not FPSR already
/// records an inexact result.
#[test]
fn instructions_give_what_qemu_gives() {
    let hex = |word: &str| u64::from_str_radix(word, 16).unwrap();
    let mut heading = Vec::new();
    let mut vectors = 0;
    for line in include_str!("fp_golden.txt").lines() {
        if line.starts_with('#') {
            continue;
        }
        if !line.starts_with(' ') {
            heading = line.split(' ').collect();
            continue;
        }
        let (inputs, outputs) = line.trim().split_once(" = ").unwrap();
        let inputs: Vec<u64> = inputs.split(' ').map(hex).collect();
        let (result, fpsr) = outputs.split_once(' ').unwrap();
        let (result, fpsr) = (hex(result), hex(fpsr) as u32);
        let fpcr = inputs[0] as u32;
        for before in [0, FPSR_IXC] {
            let expected = (result, fpsr | before);
            let host = run(&NativeAlu, &heading, fpcr, before, &inputs[1..]);
            assert_eq!(host, expected, "{heading:?} {line} (host, FPSR {before:x} before)");
            let integer = run(&IntegerAlu, &heading, fpcr, before, &inputs[1..]);
            assert_eq!(integer, expected, "{heading:?} {line} (integer, FPSR {before:x} before)");
        }
        vectors += 1;
    }
    assert!(vectors > 3000, "only {vectors} vectors were read");
}
