//! The cells: one table of the small networks that everything is composed of.

macro_rules! cells {
    ($($(#[$doc:meta])* $id:ident $name:literal $inputs:literal => $outputs:literal;)*) => {
        /// A small network with a fixed task.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u8)]
        pub enum CellId {
            $($(#[$doc])* $id,)*
        }

        impl CellId {
            /// All cells, in the order of their numbers.
            pub const ALL: &[CellId] = &[$(CellId::$id,)*];

            /// Its name in weight files.
            pub const fn name(self) -> &'static str {
                match self {
                    $(CellId::$id => $name,)*
                }
            }

            /// Number of inputs.
            pub const fn inputs(self) -> usize {
                match self {
                    $(CellId::$id => $inputs,)*
                }
            }

            /// Number of outputs.
            pub const fn outputs(self) -> usize {
                match self {
                    $(CellId::$id => $outputs,)*
                }
            }
        }
    };
}

cells! {
    /// 0.
    False "false" 2 => 1;
    /// Neither.
    Nor "nor" 2 => 1;
    /// The second without the first.
    NotAAndB "not-a-and-b" 2 => 1;
    /// The complement of the first.
    NotA "not-a" 2 => 1;
    /// The first without the second.
    AAndNotB "a-and-not-b" 2 => 1;
    /// The complement of the second.
    NotB "not-b" 2 => 1;
    /// Exactly one.
    Xor "xor" 2 => 1;
    /// Not both.
    Nand "nand" 2 => 1;
    /// Both.
    And "and" 2 => 1;
    /// Both or neither.
    Xnor "xnor" 2 => 1;
    /// The second.
    B "b" 2 => 1;
    /// The second or not the first.
    NotAOrB "not-a-or-b" 2 => 1;
    /// The first.
    A "a" 2 => 1;
    /// The first or not the second.
    AOrNotB "a-or-not-b" 2 => 1;
    /// Any.
    Or "or" 2 => 1;
    /// 1.
    True "true" 2 => 1;
    /// Generate and propagate of two bits: their carry and their sum.
    HalfAdder "half-adder" 2 => 2;
    /// Generate and propagate of two adjacent groups, from those of the upper and the lower one
    /// (Kogge and Stone 1973).
    Combine "combine" 4 => 2;
    /// Carry and sum of three bits.
    FullAdder "full-adder" 3 => 2;
    /// Whether the first bit is less than the second, and whether they are equal.
    Compare "compare" 2 => 2;
    /// The second input if the first is set, else the third.
    Select "select" 3 => 1;
    /// Adds a weighted value to what an attention head has gathered: the first, or the second and the
    /// third.
    Mix "mix" 3 => 1;
    /// Attention over eight positions: which of them has the three bits of the query as its code.
    Attend "attend" 3 => 8;
    /// Whether a block of two halves has a one, and whether its upper half has none.
    Priority "priority" 2 => 2;
    /// The product of two digits of 4 bits, the first four inputs and the last four, each from its least
    /// bit: its 8 bits from the highest.
    Multiply "multiply" 8 => 8;
}

impl CellId {
    /// Number of cells.
    pub const COUNT: usize = CellId::ALL.len();
}
