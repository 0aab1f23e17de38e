//! An arithmetic unit without the host's floating point, so that the integer algorithms of
//! `ncpu_alu::fp` are compared too.

use ncpu_alu::{Alu, NativeAlu, Nzcv};

/// [`NativeAlu`], except that floating point is computed with integers.
pub(crate) struct SoftAlu;

macro_rules! forward {
    ($($name:ident($($operand:ident: $type:ty),*) -> $result:ty;)*) => {
        impl Alu for SoftAlu {
            $(fn $name(&self, $($operand: $type),*) -> $result {
                Alu::$name(&NativeAlu, $($operand),*)
            })*
        }
    };
}

forward! {
    add(a: u64, b: u64) -> u64;
    sub(a: u64, b: u64) -> u64;
    add_with_carry(a: u64, b: u64, carry: bool) -> (u64, Nzcv);
    add_with_carry32(a: u64, b: u64, carry: bool) -> (u64, Nzcv);
    mul(a: u64, b: u64) -> u64;
    umulh(a: u64, b: u64) -> u64;
    smulh(a: u64, b: u64) -> u64;
    udiv(a: u64, b: u64) -> u64;
    sdiv(a: u64, b: u64) -> u64;
    and(a: u64, b: u64) -> u64;
    or(a: u64, b: u64) -> u64;
    xor(a: u64, b: u64) -> u64;
    not(a: u64) -> u64;
    shl(a: u64, n: u64) -> u64;
    lshr(a: u64, n: u64) -> u64;
    ashr(a: u64, n: u64) -> u64;
    ror(a: u64, n: u64) -> u64;
    ror32(a: u64, n: u64) -> u64;
    clz(a: u64) -> u64;
    rbit(a: u64) -> u64;
    popcount(a: u64) -> u64;
    eq(a: u64, b: u64) -> bool;
    ltu(a: u64, b: u64) -> bool;
    lts(a: u64, b: u64) -> bool;
}
