//! Nothing panics: every operation with every lane size and shift amount, allocated or not.

use ncpu_alu::NativeAlu;
use ncpu_alu::simd::{self, Across, Bin, Esize, Long, Narrow, NarrowHigh, Pair, Permute, Shift};
use ncpu_alu::simd::{ShiftLong, ShiftNarrow, Un, V, Wide};

const ALU: &NativeAlu = &NativeAlu;
const SIZES: [Esize; 4] = [Esize::B, Esize::H, Esize::S, Esize::D];
const HALVES: [u64; 6] =
    [0, u64::MAX, 0x8080_8080_8080_8080, 0x7f7f_7fff_7fff_ffff, 1 << 63, 0x0123_4567_89ab_cdef];

#[test]
fn every_combination_gives_some_value() {
    let mut qc = false;
    for e in SIZES {
        for n in HALVES {
            for m in HALVES {
                let (nv, mv): (V, V) = ([n, m], [m, !n]);
                for op in Bin::ALL {
                    simd::bin(ALU, *op, e, !n, n, m, &mut qc);
                }
                for op in Un::ALL {
                    simd::un(ALU, *op, e, m, n, &mut qc);
                }
                for op in Long::ALL {
                    simd::long(ALU, *op, e, nv, n, m, &mut qc);
                }
                for op in Wide::ALL {
                    simd::wide(ALU, *op, e, nv, m);
                }
                for op in NarrowHigh::ALL {
                    simd::narrow_high(ALU, *op, e, nv, mv);
                }
                for op in Narrow::ALL {
                    simd::narrow(ALU, *op, e, nv, &mut qc);
                }
                for q in [false, true] {
                    for op in Pair::ALL {
                        simd::pair(ALU, *op, e, q, nv, mv);
                    }
                    for op in Across::ALL {
                        simd::across(ALU, *op, e, q, nv);
                    }
                    for op in Permute::ALL {
                        simd::permute(*op, e, q, nv, mv);
                    }
                }
                simd::shll(e, n);
                simd::tbl(ALU, &[], n);
                simd::tbx(ALU, &[nv; 5], n, m);
            }
            for amount in (0..=130).chain([u32::MAX]) {
                for op in Shift::ALL {
                    simd::shift(ALU, *op, e, !n, n, amount, &mut qc);
                }
                for op in ShiftNarrow::ALL {
                    simd::shift_narrow(ALU, *op, e, [n, !n], amount, &mut qc);
                }
                for op in ShiftLong::ALL {
                    simd::shift_long(ALU, *op, e, n, amount);
                }
                simd::ext(true, [n, n], [n, n], amount);
                simd::ext(false, [n, n], [n, n], amount);
                e.set(&mut [n, n], amount, e.get(&[n, n], amount));
            }
        }
    }
}

#[test]
fn zero_lanes_do_not_saturate() {
    // What lets scalar forms use the vector functions on operands cut to one lane.
    let mut qc = false;
    for e in SIZES {
        for op in Bin::ALL {
            simd::bin(ALU, *op, e, 0, 0, 0, &mut qc);
        }
        for op in Un::ALL {
            simd::un(ALU, *op, e, 0, 0, &mut qc);
        }
        for op in Shift::ALL {
            simd::shift(ALU, *op, e, 0, 0, 1, &mut qc);
        }
        for op in Long::ALL {
            simd::long(ALU, *op, e, [0; 2], 0, 0, &mut qc);
        }
        for op in Narrow::ALL {
            simd::narrow(ALU, *op, e, [0; 2], &mut qc);
        }
        for op in ShiftNarrow::ALL {
            simd::shift_narrow(ALU, *op, e, [0; 2], 1, &mut qc);
        }
    }
    assert!(!qc);
}

#[test]
fn codes_name_operations_and_no_more() {
    for (code, op) in Bin::ALL.iter().enumerate() {
        assert_eq!(*op as usize, code);
        assert_eq!(Bin::from_u8(code as u8), Some(*op));
    }
    assert_eq!(Bin::from_u8(Bin::ALL.len() as u8), None);
    assert_eq!(Bin::from_u8(255), None);
}

#[test]
fn lanes_are_found_spread_and_replaced() {
    let mut v = [0x0706_0504_0302_0100, 0x0f0e_0d0c_0b0a_0908];
    assert_eq!(Esize::B.get(&v, 9), 0x09);
    assert_eq!(Esize::H.get(&v, 3), 0x0706);
    assert_eq!(Esize::S.get(&v, 2), 0x0b0a_0908);
    assert_eq!(Esize::D.get(&v, 1), 0x0f0e_0d0c_0b0a_0908);
    assert_eq!(Esize::H.get(&v, 8), 0x0100);
    Esize::H.set(&mut v, 6, 0xff_abcd);
    assert_eq!(v, [0x0706_0504_0302_0100, 0x0f0e_abcd_0b0a_0908]);
    assert_eq!(Esize::H.splat(0xff_1234), 0x1234_1234_1234_1234);
    assert_eq!(Esize::S.sext(0x1_8000_0000), 0xffff_ffff_8000_0000);
}
