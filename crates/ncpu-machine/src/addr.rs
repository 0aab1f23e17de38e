//! Addresses and counts that must not be mixed up.

/// Bytes in a page and in a frame.
pub const PAGE_SIZE: usize = 4096;
/// Logarithm of [`PAGE_SIZE`].
pub const PAGE_SHIFT: u32 = 12;

/// A guest-physical page number. Pages below the machine's RAM limit are RAM; pages from
/// [`Ppn::ROM`] on are the root file system image, which the guest can map but never change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(transparent)]
pub struct Ppn(pub u32);

impl Ppn {
    /// Page 0 is never allocated: it stands for "no page" in tables.
    pub const NONE: Ppn = Ppn(0);
    /// First page of the root file system image.
    pub const ROM: Ppn = Ppn(1 << 30);

    /// The page of the root file system image with this index.
    pub const fn rom(page: u32) -> Ppn {
        Ppn(Self::ROM.0 + page)
    }
    /// Whether this is a page of the root file system image.
    pub const fn is_rom(self) -> bool {
        self.0 >= Self::ROM.0
    }
    /// Physical address of the page's first byte.
    pub const fn address(self) -> u64 {
        (self.0 as u64) << PAGE_SHIFT
    }
}

/// A frame: of those that machines share, of a lane's own from [`FrameId::LOCAL`] on, or a page of the
/// root file system image from [`FrameId::ROM`] on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(transparent)]
pub struct FrameId(pub u32);

impl FrameId {
    /// First frame number that stands for a lane's own frames.
    pub const LOCAL: u32 = 1 << 30;
    /// First frame number that stands for a page of the root file system image.
    pub const ROM: u32 = 1 << 31;

    /// Whether this is one of a lane's own frames.
    pub const fn is_local(self) -> bool {
        Self::LOCAL <= self.0 && self.0 < Self::ROM
    }
}

/// How memory is touched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// A load.
    Read,
    /// A store.
    Write,
    /// An instruction fetch.
    Execute,
}

/// Why memory could not be touched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaultKind {
    /// No valid translation.
    Translation,
    /// A translation without the right.
    Permission,
    /// The address is not a multiple of what the instruction needs.
    Alignment,
    /// The machine's RAM or the frame pool is used up.
    OutOfMemory,
}

impl FaultKind {
    /// All of them.
    pub(crate) const ALL: [FaultKind; 4] = [
        FaultKind::Translation,
        FaultKind::Permission,
        FaultKind::Alignment,
        FaultKind::OutOfMemory,
    ];
}

/// A precise memory fault: the instruction had no effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The address that could not be accessed.
    pub address: u64,
    /// What was attempted.
    pub access: Access,
    /// What was wrong.
    pub kind: FaultKind,
}
