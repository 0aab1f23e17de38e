//! Every name in an image, for listings and exports.

use ncpu_linux::rom::{Ino, Rom};

/// All names below the root directory with their inodes, directories before their contents, names in
/// byte order, without a leading slash. A file with several names comes several times.
pub fn paths(rom: Rom<'_>) -> Paths<'_> {
    Paths { rom, stack: vec![(Ino::ROOT, 0, 0)], path: Vec::new() }
}

/// The iterator that [`paths`] returns.
#[derive(Clone, Debug)]
pub struct Paths<'a> {
    rom: Rom<'a>,
    /// Directories being read: inode, next entry, and bytes of their own path.
    stack: Vec<(Ino, u32, usize)>,
    path: Vec<u8>,
}

impl Iterator for Paths<'_> {
    type Item = (Vec<u8>, Ino);

    fn next(&mut self) -> Option<(Vec<u8>, Ino)> {
        loop {
            let (directory, index, length) = self.stack.last_mut()?;
            self.path.truncate(*length);
            let Some((name, ino, _)) = self.rom.entry(*directory, *index) else {
                self.stack.pop();
                continue;
            };
            *index += 1;
            if !self.path.is_empty() {
                self.path.push(b'/');
            }
            self.path.extend(name);
            if self.rom.inode(ino).is_some_and(|inode| inode.is_dir()) {
                self.stack.push((ino, 0, self.path.len()));
            }
            return Some((self.path.clone(), ino));
        }
    }
}
