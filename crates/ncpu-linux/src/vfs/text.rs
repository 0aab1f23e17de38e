//! Writing text without a formatter: what /proc files are made of.

use super::{Node, data};
use crate::Errno;
use crate::image::Kernel;

/// The decimal digits of a number.
pub(crate) fn decimal(value: u64, buffer: &mut [u8]) -> &[u8] {
    let mut value = value;
    let mut start = buffer.len();
    loop {
        if start == 0 {
            return &buffer[..];
        }
        start -= 1;
        buffer[start] = b'0' + (value % 10) as u8;
        value /= 10;
        if value == 0 {
            return &buffer[start..];
        }
    }
}

/// The number that decimal digits stand for; `None` for anything else and for leading zeros.
pub(crate) fn parse(digits: &[u8]) -> Option<u32> {
    if digits.is_empty() || digits.len() > 1 && digits[0] == b'0' {
        return None;
    }
    digits.iter().try_fold(0u32, |value, &digit| {
        let digit = digit.checked_sub(b'0').filter(|&digit| digit < 10)?;
        value.checked_mul(10)?.checked_add(u32::from(digit))
    })
}

/// Appends text to a node's contents through a small buffer.
pub(crate) struct Text {
    node: Node,
    offset: u64,
    buffer: [u8; 256],
    filled: usize,
    failed: Option<Errno>,
}

impl Text {
    /// A writer to the start of an empty node.
    pub(crate) fn new(node: Node) -> Text {
        Text { node, offset: 0, buffer: [0; 256], filled: 0, failed: None }
    }

    /// Appends bytes.
    #[inline(never)]
    pub(crate) fn put(&mut self, k: &mut Kernel<'_>, bytes: &[u8]) -> &mut Self {
        let mut bytes = bytes;
        while !bytes.is_empty() {
            let count = bytes.len().min(self.buffer.len() - self.filled);
            let (front, rest) = bytes.split_at(count);
            self.buffer[self.filled..self.filled + count].copy_from_slice(front);
            self.filled += count;
            bytes = rest;
            if self.filled == self.buffer.len() {
                self.flush(k);
            }
        }
        self
    }

    #[inline(never)]
    fn flush(&mut self, k: &mut Kernel<'_>) {
        let bytes = &self.buffer[..self.filled];
        if let Err(error) = data::write_node(k, self.node, self.offset, bytes) {
            self.failed = self.failed.or(Some(error));
        }
        // What is lost counts too: columns are told by the length.
        self.offset += self.filled as u64;
        self.filled = 0;
    }

    /// Appends a decimal number.
    #[inline(never)]
    pub(crate) fn dec(&mut self, k: &mut Kernel<'_>, value: u64) -> &mut Self {
        let mut digits = [0; 20];
        self.put(k, decimal(value, &mut digits))
    }

    /// Appends a signed decimal number.
    #[inline(never)]
    pub(crate) fn signed(&mut self, k: &mut Kernel<'_>, value: i64) -> &mut Self {
        if value < 0 {
            self.put(k, b"-");
        }
        self.dec(k, value.unsigned_abs())
    }

    /// Appends a decimal number, right-aligned in `width` columns.
    #[inline(never)]
    pub(crate) fn right(&mut self, k: &mut Kernel<'_>, value: u64, width: usize) -> &mut Self {
        let mut digits = [0; 20];
        let digits = decimal(value, &mut digits);
        self.pad(k, b' ', width.saturating_sub(digits.len())).put(k, digits)
    }

    /// Appends a decimal number with leading zeros.
    #[inline(never)]
    pub(crate) fn zeros(&mut self, k: &mut Kernel<'_>, value: u64, width: usize) -> &mut Self {
        let mut digits = [0; 20];
        let digits = decimal(value, &mut digits);
        self.pad(k, b'0', width.saturating_sub(digits.len())).put(k, digits)
    }

    /// Appends text, left-aligned in `width` columns.
    #[inline(never)]
    pub(crate) fn left(&mut self, k: &mut Kernel<'_>, text: &[u8], width: usize) -> &mut Self {
        self.put(k, text).pad(k, b' ', width.saturating_sub(text.len()))
    }

    /// Appends a byte `count` times.
    #[inline(never)]
    pub(crate) fn pad(&mut self, k: &mut Kernel<'_>, byte: u8, count: usize) -> &mut Self {
        for _ in 0..count {
            self.put(k, &[byte]);
        }
        self
    }

    /// Appends a hexadecimal number of at least `width` digits.
    pub(crate) fn hex(&mut self, k: &mut Kernel<'_>, value: u64, width: usize) -> &mut Self {
        self.power_of_two(k, value, width, 4)
    }

    /// Appends an octal number of at least `width` digits.
    pub(crate) fn octal(&mut self, k: &mut Kernel<'_>, value: u64, width: usize) -> &mut Self {
        self.power_of_two(k, value, width, 3)
    }

    #[inline(never)]
    fn power_of_two(
        &mut self,
        k: &mut Kernel<'_>,
        value: u64,
        width: usize,
        bits: u32,
    ) -> &mut Self {
        let mut digits = [0; 22];
        let mut start = digits.len();
        let mut value = value;
        while start > 0 && (value != 0 || digits.len() - start < width.max(1)) {
            start -= 1;
            digits[start] = b"0123456789abcdef"[(value & ((1 << bits) - 1)) as usize];
            value >>= bits;
        }
        self.put(k, &digits[start..])
    }

    /// Bytes appended so far.
    pub(crate) fn length(&self) -> u64 {
        self.offset + self.filled as u64
    }

    /// Writes what is left; the first error of all writing.
    #[inline(never)]
    pub(crate) fn finish(&mut self, k: &mut Kernel<'_>) -> Result<(), Errno> {
        self.flush(k);
        self.failed.map_or(Ok(()), Err)
    }
}
