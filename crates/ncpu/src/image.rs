//! `ncpu image`.

use crate::cli::ImageCommand;
use crate::report::tell;
use crate::tree;
use anyhow::Context;
use ncpu_image::{Options, Owners};
use ncpu_linux::rom::{self, Ino, Rom, RomInode};
use std::io::{BufWriter, Write};
use std::path::Path;

/// Runs the command and returns the status to end with.
pub(crate) fn main(command: &ImageCommand) -> anyhow::Result<u8> {
    match command {
        ImageCommand::Build { source, output, root_owned, reference } => {
            let owners = root_owned.then_some(Owners::Root);
            let options = Options { owners, reference: reference.clone(), ..Options::default() };
            let image = ncpu_image::build(source, output, &options)?;
            let rom = image.rom()?;
            tell!(
                "{}: {} files and folders, {} bytes, identity {:016x}",
                output.display(),
                rom.inode_count(),
                image.bytes().len(),
                rom.identity()
            );
        }
        ImageCommand::Ls { image, path, recursive } => list(image, path, *recursive)?,
    }
    Ok(0)
}

fn list(image: &Path, path: &str, recursive: bool) -> anyhow::Result<()> {
    let image = ncpu_image::open(image, &Options::default())?;
    let rom = image.rom()?;
    let ino = tree::resolve(&rom, path.as_bytes(), true)
        .with_context(|| format!("{path}: no such file in the root file system"))?;
    let mut out = BufWriter::new(std::io::stdout().lock());
    let is_dir = rom.inode(ino).is_some_and(|inode| inode.is_dir());
    if is_dir {
        let prefix = path.trim_matches('/').as_bytes().to_vec();
        directory(&rom, ino, if recursive { prefix } else { Vec::new() }, recursive, &mut out)?;
    } else {
        entry(&rom, ino, path.as_bytes(), &mut out)?;
    }
    Ok(out.flush()?)
}

/// Lists a directory; subdirectories too, each before what is in it, if `recursive`.
fn directory(
    rom: &Rom<'_>,
    top: Ino,
    prefix: Vec<u8>,
    recursive: bool,
    out: &mut impl Write,
) -> anyhow::Result<()> {
    // A stack of directories being listed, as deep as the tree is.
    let mut stack = vec![(top, 0, prefix)];
    while let Some((ino, index, prefix)) = stack.last_mut() {
        let Some((name, child, _)) = rom.entry(*ino, *index) else {
            stack.pop();
            continue;
        };
        *index += 1;
        let separator: &[u8] = if prefix.is_empty() { b"" } else { b"/" };
        let path = [prefix.as_slice(), separator, name].concat();
        entry(rom, child, &path, out)?;
        if recursive && rom.inode(child).is_some_and(|inode| inode.is_dir()) {
            stack.push((child, 0, path));
        }
    }
    Ok(())
}

/// One line, as `ls -l --numeric-uid-gid --time-style=+%s` has it.
fn entry(rom: &Rom<'_>, ino: Ino, path: &[u8], out: &mut impl Write) -> anyhow::Result<()> {
    let inode = rom.inode(ino).context("the image is damaged")?;
    let size = match inode.kind() {
        rom::S_IFCHR | rom::S_IFBLK => {
            // The encoding of `man 3 makedev`, undone.
            let (major, minor) =
                (inode.rdev >> 8 & 0xfff, inode.rdev & 0xff | inode.rdev >> 12 & 0xf_ff00);
            format!("{major},{minor}")
        }
        _ => inode.size.to_string(),
    };
    let RomInode { mode, nlink, uid, gid, mtime_s, .. } = inode;
    write!(out, "{} {nlink:3} {uid:5} {gid:5} {size:>10} {mtime_s:10} ", permissions(mode))?;
    out.write_all(path)?;
    if inode.is_symlink() {
        out.write_all(b" -> ")?;
        out.write_all(rom.symlink(ino))?;
    }
    Ok(out.write_all(b"\n")?)
}

/// The ten characters of a mode.
fn permissions(mode: u32) -> String {
    let kind = match mode & rom::S_IFMT {
        rom::S_IFDIR => 'd',
        rom::S_IFLNK => 'l',
        rom::S_IFCHR => 'c',
        rom::S_IFBLK => 'b',
        rom::S_IFIFO => 'p',
        rom::S_IFSOCK => 's',
        _ => '-',
    };
    let mut text = String::from(kind);
    for (shift, special, letter) in [(6, 0o4000, 's'), (3, 0o2000, 's'), (0, 0o1000, 't')] {
        let bits = mode >> shift;
        text.push(if bits & 4 != 0 { 'r' } else { '-' });
        text.push(if bits & 2 != 0 { 'w' } else { '-' });
        text.push(match (bits & 1 != 0, mode & special != 0) {
            (true, true) => letter,
            (false, true) => letter.to_ascii_uppercase(),
            (true, false) => 'x',
            (false, false) => '-',
        });
    }
    text
}

#[cfg(test)]
mod tests {
    use super::permissions;

    /// As GNU `ls -l` shows these modes.
    #[test]
    fn modes() {
        assert_eq!(permissions(0o100_755), "-rwxr-xr-x");
        assert_eq!(permissions(0o104_711), "-rws--x--x");
        assert_eq!(permissions(0o102_644), "-rw-r-Sr--");
        assert_eq!(permissions(0o041_777), "drwxrwxrwt");
        assert_eq!(permissions(0o120_777), "lrwxrwxrwx");
    }
}
