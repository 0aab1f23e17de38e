//! Root file system images whose tables lie.

use crate::machine::{self, FUEL, PROGRAM, SMALL};
use crate::mutate::mutate;
use crate::program::{self, Assembly, DATA};
use crate::random::Rng;
use ncpu_engine::Pool;
use ncpu_image::{Cache, Options, open};
use ncpu_linux::rom::{HEADER_BYTES, Ino, PAGE, Rom, metadata_hash};
use std::io::Write;

/// Bytes of the header before its hash.
const HASHED: usize = 48;
/// Directories are nested less deeply than this in an image of a few pages.
const DEEPEST: usize = 1 << 16;

/// Visits everything in an image that the check accepts.
pub fn walk(bytes: &[u8]) {
    let Ok(rom) = Rom::check(bytes) else { return };
    let mut directories = vec![(rom.root(), 0)];
    let mut seen = 0u64;
    while let Some((directory, depth)) = directories.pop() {
        assert!(depth < DEEPEST, "an accepted image has a cycle");
        for index in 0.. {
            let Some((name, ino, _)) = rom.entry(directory, index) else { break };
            assert_eq!(rom.lookup(directory, name), Some(ino), "an entry that is not found");
            let inode = rom.inode(ino).expect("an accepted image's entry has an inode");
            seen += rom.contents(ino).len() as u64 + rom.symlink(ino).len() as u64;
            if inode.is_dir() {
                assert_eq!(inode.parent, directory.0, "a directory whose parent is another");
                directories.push((ino, depth + 1));
            }
        }
    }
    for number in 0..=rom.inode_count() {
        seen += u64::from(rom.inode(Ino(number)).is_some());
    }
    std::hint::black_box(seen);
}

/// Makes the hash of an image right again.
fn seal(bytes: &mut [u8]) {
    let page = bytes.get(12..16).and_then(|field| field.try_into().ok()).map(u32::from_le_bytes);
    let start = page.unwrap_or(0) as usize * PAGE;
    if let (Some(&header), Some(tables)) = (bytes.first_chunk::<HEADER_BYTES>(), bytes.get(start..))
    {
        let hash = metadata_hash(&header, tables);
        bytes[HASHED..HASHED + 8].copy_from_slice(&hash.to_le_bytes());
    }
}

/// A program that opens and lists its root, and runs itself.
fn lister() -> Vec<u8> {
    let mut code = Assembly::default();
    code.set(9, u64::from_le_bytes(*b"/\0..\0.\0\0"));
    code.set(10, DATA.start);
    code.put(&[0xf900_0149]); // str x9, [x10]
    code.call(56, &[-100i64 as u64, DATA.start, 0o40_000]);
    let again = code.here();
    code.set(0, 3);
    code.set(1, DATA.start + 4096);
    code.set(2, 4096);
    code.set(8, 61);
    code.put(&[program::SVC]);
    code.branch_unless_error(again);
    code.exit_with_errno();
    program::plain(&code.words)
}

/// Opens an image file and runs a program of it, if it is accepted.
fn check(bytes: &[u8]) -> anyhow::Result<()> {
    walk(bytes);
    let mut file = tempfile::NamedTempFile::new()?;
    file.write_all(bytes)?;
    let options = Options { cache: Cache::None, max_bytes: 1 << 22, ..Options::default() };
    let Ok(root) = open(file.path(), &options) else { return Ok(()) };
    let pool = Pool::new(root, SMALL.pages)?;
    if let Ok(mut machine) = machine::booted(&pool, SMALL) {
        machine::run(&mut machine, FUEL / 20);
    }
    Ok(())
}

/// Takes bytes for an image, with its hash made right.
pub fn fuzz(bytes: &[u8]) {
    let mut bytes = bytes.to_vec();
    seal(&mut bytes);
    if let Err(error) = check(&bytes) {
        panic!("{error:#}");
    }
}

/// A valid image.
pub fn seed() -> anyhow::Result<Vec<u8>> {
    Ok(machine::root(&[(PROGRAM, &lister())])?.bytes().to_vec())
}

/// A case from a seed.
pub fn case(seed: u64) -> anyhow::Result<()> {
    let mut rng = Rng::seeded(seed);
    let mut bytes = self::seed()?;
    let length = bytes.len();
    let tables = length.saturating_sub(4 * PAGE)..length;
    mutate(&mut rng, &mut bytes, &[0..64, tables.clone(), tables]);
    // Insertions shift what follows; a file is whole pages all the same.
    if !rng.one_in(8) {
        bytes.resize(length, 0);
    }
    if !rng.one_in(8) {
        seal(&mut bytes);
    }
    check(&bytes)
}
