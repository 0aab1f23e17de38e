//! ARMv8 stage-1 translation tables (Arm ARM DDI 0487, D8: VMSAv8-64, 4 KiB granule).
//!
//! User address spaces are 39 bits wide (three levels), a width that Linux offers for arm64
//! (CONFIG_ARM64_VA_BITS_39): a process needs one table page fewer than with 48 bits, and a refill
//! one load fewer.

use super::Mem;
use crate::addr::{Access, Fault, FaultKind, PAGE_SHIFT, Ppn};

/// Bits of a user virtual address.
pub const VA_BITS: u32 = 39;
/// End of the user address space.
pub const USER_END: u64 = 1 << VA_BITS;

/// A level-3 descriptor or a table descriptor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(transparent)]
pub struct Descriptor(pub u64);

impl Descriptor {
    /// Valid table or page (bits 1:0 both set; blocks are not used).
    pub const VALID: u64 = 0b11;
    /// AP\[1\]: accessible at EL0.
    pub const USER: u64 = 1 << 6;
    /// AP\[2\]: read-only.
    pub const READ_ONLY: u64 = 1 << 7;
    /// Access flag; hardware faults without it, so it is always set.
    pub const ACCESSED: u64 = 1 << 10;
    /// UXN: not executable at EL0.
    pub const NO_EXECUTE: u64 = 1 << 54;
    /// Software: this page is private and shared with another process until written.
    pub const COPY_ON_WRITE: u64 = 1 << 55;
    /// Software: this page belongs to a shared mapping.
    pub const SHARED: u64 = 1 << 56;
    const ADDRESS: u64 = 0x0000_ffff_ffff_f000;

    /// A descriptor of `page` with attribute bits.
    pub const fn page(page: Ppn, bits: u64) -> Self {
        Descriptor(page.address() | Self::VALID | Self::ACCESSED | bits)
    }
    /// Whether the descriptor maps anything.
    pub const fn is_valid(self) -> bool {
        self.0 & Self::VALID == Self::VALID
    }
    /// The page or table that it points to.
    pub const fn target(self) -> Ppn {
        Ppn(((self.0 & Self::ADDRESS) >> PAGE_SHIFT) as u32)
    }
    /// Whether it grants this access to a user program.
    pub const fn allows(self, access: Access) -> bool {
        self.0 & Self::USER != 0
            && match access {
                Access::Read => true,
                Access::Write => self.0 & Self::READ_ONLY == 0,
                Access::Execute => self.0 & Self::NO_EXECUTE == 0,
            }
    }
}

/// Index into the table of `level` (1 to 3) for an address.
pub const fn table_index(level: u32, address: u64) -> usize {
    (address >> (PAGE_SHIFT + 9 * (3 - level))) as usize & 511
}

impl Mem<'_> {
    /// The level-3 descriptor for `address` in the address space rooted at `root`, valid or not,
    /// with the page and index that hold it; `None` when a table on the way is missing.
    #[cfg_attr(target_arch = "nvptx64", inline(never))]
    pub fn descriptor(&self, root: Ppn, address: u64) -> Option<(Descriptor, Ppn, usize)> {
        if root == Ppn::NONE || address >= USER_END {
            return None;
        }
        let mut table = root;
        for level in 1..3 {
            let entry = Descriptor(self.read_word(table, table_index(level, address)));
            if !entry.is_valid() {
                return None;
            }
            table = entry.target();
        }
        let index = table_index(3, address);
        Some((Descriptor(self.read_word(table, index)), table, index))
    }

    /// Translates `address` for a user access of the address space rooted at `root`.
    #[cfg_attr(target_arch = "nvptx64", inline(never))]
    pub fn translate(&self, root: Ppn, address: u64, access: Access) -> Result<Ppn, Fault> {
        let fault = |kind| Fault { address, access, kind };
        match self.descriptor(root, address) {
            Some((entry, ..)) if entry.is_valid() => {
                if entry.allows(access) {
                    Ok(entry.target())
                } else {
                    Err(fault(FaultKind::Permission))
                }
            }
            _ => Err(fault(FaultKind::Translation)),
        }
    }
}
