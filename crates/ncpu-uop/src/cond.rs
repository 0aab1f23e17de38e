//! A64 conditions as truth tables over NZCV.

/// The outcome of condition `cond` (0 to 15, Arm ARM DDI 0487 C1.2.4) for each of the sixteen
/// values of NZCV: bit `n` of the result is set when the condition holds for NZCV = `n`.
pub const fn condition_mask(cond: u8) -> u16 {
    let mut mask = 0;
    let mut nzcv = 0;
    while nzcv < 16 {
        let (n, z, c, v) = (nzcv & 8 != 0, nzcv & 4 != 0, nzcv & 2 != 0, nzcv & 1 != 0);
        let holds = match cond >> 1 & 7 {
            0 => z,
            1 => c,
            2 => n,
            3 => v,
            4 => c && !z,
            5 => n == v,
            6 => n == v && !z,
            _ => true,
        };
        // Odd conditions are the inverse of the even ones, but 15 is "always" as 14 is.
        let inverted = cond & 1 == 1 && cond & 15 != 15;
        if holds != inverted {
            mask |= 1 << nzcv;
        }
        nzcv += 1;
    }
    mask
}

#[cfg(test)]
mod tests {
    use super::condition_mask;

    #[test]
    fn conditions_match_their_names() {
        const Z: u32 = 4;
        const C: u32 = 2;
        let holds = |cond: u8, nzcv: u32| condition_mask(cond) >> nzcv & 1 == 1;
        assert!(holds(0, Z) && !holds(0, 0), "EQ is Z set");
        assert!(holds(1, 0) && !holds(1, Z), "NE is Z clear");
        assert!(holds(8, C) && !holds(8, C | Z), "HI is C set and Z clear");
        assert!(holds(9, C | Z) && holds(9, 0), "LS is its inverse");
        assert!(holds(10, 9) && !holds(10, 8), "GE is N equal to V");
        assert!(holds(13, Z) && holds(13, 1), "LE is Z set or N unlike V");
        assert_eq!((condition_mask(14), condition_mask(15)), (0xffff, 0xffff));
    }
}
