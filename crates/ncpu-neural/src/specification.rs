//! What each cell has to compute.

use ncpu_neural_alu::CellId;

/// The outputs of a cell, the first in the lowest bit, for inputs in the same order.
pub fn specification(cell: CellId, input: u32) -> u32 {
    let bit = |i: u32| input >> i & 1;
    let pair = |first: u32, second: u32| first | second << 1;
    match cell {
        CellId::HalfAdder => pair(bit(0) & bit(1), bit(0) ^ bit(1)),
        // The upper group generates, or propagates what the lower one generates.
        CellId::Combine => pair(bit(0) | bit(1) & bit(2), bit(1) & bit(3)),
        CellId::FullAdder => {
            let total = bit(0) + bit(1) + bit(2);
            pair(total >> 1, total & 1)
        }
        CellId::Compare => pair(u32::from(bit(0) < bit(1)), u32::from(bit(0) == bit(1))),
        CellId::Select => {
            if bit(0) == 1 {
                bit(1)
            } else {
                bit(2)
            }
        }
        CellId::Mix => bit(0) | bit(1) & bit(2),
        CellId::Attend => 1 << input,
        CellId::Priority => pair(bit(0) | bit(1), 1 - bit(0)),
        CellId::Multiply => ((input & 15) * (input >> 4)).reverse_bits() >> 24,
        // The functions of two inputs are listed by their tables: bit 2a + b of a function's number is
        // its value.
        logic => logic as u32 >> (2 * bit(0) + bit(1)) & 1,
    }
}

#[cfg(test)]
mod tests {
    use super::specification;
    use ncpu_neural_alu::CellId;

    /// Values of a cell of two inputs for (a, b) = (0, 0), (0, 1), (1, 0), (1, 1).
    fn table(cell: CellId) -> [u32; 4] {
        [0b00, 0b10, 0b01, 0b11].map(|input| specification(cell, input))
    }

    #[test]
    fn logic_functions_are_what_their_names_say() {
        let expected = [
            (CellId::False, [0, 0, 0, 0]),
            (CellId::Nor, [1, 0, 0, 0]),
            (CellId::NotAAndB, [0, 1, 0, 0]),
            (CellId::NotA, [1, 1, 0, 0]),
            (CellId::AAndNotB, [0, 0, 1, 0]),
            (CellId::NotB, [1, 0, 1, 0]),
            (CellId::Xor, [0, 1, 1, 0]),
            (CellId::Nand, [1, 1, 1, 0]),
            (CellId::And, [0, 0, 0, 1]),
            (CellId::Xnor, [1, 0, 0, 1]),
            (CellId::B, [0, 1, 0, 1]),
            (CellId::NotAOrB, [1, 1, 0, 1]),
            (CellId::A, [0, 0, 1, 1]),
            (CellId::AOrNotB, [1, 0, 1, 1]),
            (CellId::Or, [0, 1, 1, 1]),
            (CellId::True, [1, 1, 1, 1]),
        ];
        for (cell, values) in expected {
            assert_eq!(table(cell), values, "{}", cell.name());
        }
    }

    #[test]
    fn seven_times_nine_is_63() {
        // 0011_1111, from the highest bit.
        assert_eq!(specification(CellId::Multiply, 7 | 9 << 4), 0b1111_1100);
    }
}
