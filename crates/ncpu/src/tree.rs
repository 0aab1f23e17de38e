//! Paths inside a root file system image, as its own programs would walk them.

use ncpu_linux::rom::{Ino, Rom};

/// Most symbolic links on the way, as in `man 7 path_resolution`.
const MOST_LINKS: u32 = 40;

/// The inode that an absolute path names. Links are followed, the last one only if `follow`.
pub(crate) fn resolve(rom: &Rom<'_>, path: &[u8], follow: bool) -> Option<Ino> {
    let mut links = 0;
    let mut at = vec![Ino::ROOT];
    // What is left to walk, in reverse.
    let mut rest: Vec<Vec<u8>> = components(path);
    while let Some(name) = rest.pop() {
        let here = *at.last()?;
        match name.as_slice() {
            b"." => continue,
            b".." => {
                if at.len() > 1 {
                    at.pop();
                }
                continue;
            }
            _ => {}
        }
        let next = rom.lookup(here, &name)?;
        let is_link = rom.inode(next)?.is_symlink();
        if is_link && (follow || !rest.is_empty()) {
            links += 1;
            if links > MOST_LINKS {
                return None;
            }
            let target = rom.symlink(next);
            if target.starts_with(b"/") {
                at.truncate(1);
            }
            rest.extend(components(target));
        } else {
            at.push(next);
        }
    }
    at.last().copied()
}

fn components(path: &[u8]) -> Vec<Vec<u8>> {
    let parts = path.split(|&b| b == b'/').filter(|part| !part.is_empty());
    parts.rev().map(<[u8]>::to_vec).collect()
}

/// The contents of the regular file at a path.
pub(crate) fn read<'r>(rom: &Rom<'r>, path: &[u8]) -> Option<&'r [u8]> {
    let ino = resolve(rom, path, true)?;
    rom.inode(ino).filter(|inode| inode.is_file())?;
    Some(rom.contents(ino))
}
