/// Bytes of stack that a thread of any kernel gets. `xtask ptx` compares it with what the functions on
/// the deepest way through the operating system take; what is left is for those that recurse.
pub const STACK_BYTES: usize = 40 << 10;
