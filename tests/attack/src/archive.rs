//! Archives and container images that are damaged or made to do harm.

use crate::mutate::mutate;
use crate::random::Rng;
use flate2::Compression;
use flate2::write::GzEncoder;
use ncpu_image::{Cache, Options, open};
use sha2::{Digest, Sha256};
use std::io::{Result, Write};
use std::path::Path;

const XZ: &[u8] = include_bytes!("../seeds/tree.tar.xz");
const ZSTD: &[u8] = include_bytes!("../seeds/tree.tar.zst");
/// Most bytes of an image.
const MOST: u64 = 1 << 22;

/// A small archive with every kind of entry.
pub fn tar() -> Result<Vec<u8>> {
    let mut builder = tar::Builder::new(Vec::new());
    let mut put = |kind, name: &str, link: &str, data: &[u8]| {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(kind);
        header.set_mode(0o755);
        header.set_size(data.len() as u64);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(1);
        if !link.is_empty() {
            header.set_link_name(link)?;
        }
        header.set_path(name)?;
        header.set_cksum();
        builder.append(&header, data)
    };
    use tar::EntryType::*;
    put(Directory, "d/", "", b"")?;
    put(Regular, "d/file", "", &[b'x'; 700])?;
    put(Symlink, "d/link", "../d/file", b"")?;
    put(Link, "hard", "d/file", b"")?;
    put(Fifo, "fifo", "", b"")?;
    put(Char, "null", "", b"")?;
    put(XHeader, "pax", "", b"19 path=another/one\n21 size=0000000000003\n")?;
    put(Regular, "renamed", "", b"abc")?;
    put(GNULongName, "././@LongLink", "", b"long/long/long\0")?;
    put(Regular, "short", "", b"")?;
    put(Regular, "d/.wh.file", "", b"")?;
    put(Regular, ".wh..wh..opq", "", b"")?;
    builder.into_inner()
}

fn gzip(bytes: &[u8]) -> Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes)?;
    encoder.finish()
}

/// Sums of the headers of an archive are made right again, so that changes are not refused for them.
fn seal(archive: &mut [u8]) {
    for block in archive.chunks_exact_mut(512) {
        // Contents may be taken for a header; only headers have this magic number.
        if &block[257..262] == b"ustar" {
            block[148..156].fill(b' ');
            let sum: u32 = block.iter().map(|&byte| u32::from(byte)).sum();
            block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        }
    }
}

/// Changes the bytes once in a while.
fn perhaps(rng: &mut Rng<'_>, mut bytes: Vec<u8>) -> Vec<u8> {
    if rng.one_in(3) {
        mutate(rng, &mut bytes, &[]);
    }
    bytes
}

fn changed_tar(rng: &mut Rng<'_>) -> Result<Vec<u8>> {
    let mut archive = tar()?;
    mutate(rng, &mut archive, &[0..512, 512..1024, 2048..2560, 3072..5120]);
    if !rng.one_in(4) {
        seal(&mut archive);
    }
    Ok(archive)
}

/// A container image whose digests are right and whose contents are not.
fn container(rng: &mut Rng<'_>, directory: &Path) -> Result<()> {
    let blobs = directory.join("blobs/sha256");
    std::fs::create_dir_all(&blobs)?;
    let put = |bytes: &[u8]| -> Result<String> {
        let hex: String = Sha256::digest(bytes).iter().map(|b| format!("{b:02x}")).collect();
        std::fs::write(blobs.join(&hex), bytes)?;
        Ok(format!(r#""digest":"sha256:{hex}","size":{}"#, bytes.len()))
    };
    let archive = if rng.one_in(2) { tar()? } else { changed_tar(rng)? };
    let archive = if rng.one_in(2) { archive } else { gzip(&archive)? };
    let layer = put(&perhaps(rng, archive))?;
    let config = br#"{"os":"linux","architecture":"arm64","config":{"Env":["A=b"],"Cmd":["x"]}}"#;
    let config = put(&perhaps(rng, config.to_vec()))?;
    let manifest = format!(
        r#"{{"schemaVersion":2,"config":{{{config}}},"layers":[{{{layer}}},{{{layer}}}]}}"#
    );
    let manifest = put(&perhaps(rng, manifest.into_bytes()))?;
    let index = format!(
        r#"{{"schemaVersion":2,"manifests":[{{"mediaType":"application/vnd.oci.image.manifest.v1+json",{manifest}}}]}}"#
    );
    std::fs::write(directory.join("index.json"), perhaps(rng, index.into_bytes()))?;
    let version = br#"{"imageLayoutVersion":"1.0.0"}"#.to_vec();
    std::fs::write(directory.join("oci-layout"), perhaps(rng, version))
}

/// Opens a source; what it is refused with does not matter. An accepted image is well-formed.
fn check(path: &Path) -> Result<()> {
    let options = Options { cache: Cache::None, max_bytes: MOST, ..Options::default() };
    if let Ok(image) = open(path, &options) {
        crate::rootfs::walk(image.bytes());
        assert!(image.bytes().len() as u64 <= MOST + (1 << 16), "more than the most bytes");
    }
    Ok(())
}

/// Opens bytes as a root file system.
pub fn fuzz(bytes: &[u8]) {
    let opened = tempfile::NamedTempFile::new().and_then(|mut file| {
        file.write_all(bytes)?;
        check(file.path())
    });
    if let Err(error) = opened {
        panic!("{error}");
    }
}

/// A case from a seed.
pub fn case(seed: u64) -> anyhow::Result<()> {
    let mut rng = Rng::seeded(seed);
    let directory = tempfile::tempdir()?;
    let (inside, path) = (directory.path().join("layout"), directory.path().join("archive"));
    match rng.below(6) {
        0 => {
            container(&mut rng, &inside)?;
            check(&inside)?;
        }
        1 => {
            container(&mut rng, &inside)?;
            let mut builder = tar::Builder::new(Vec::new());
            builder.append_dir_all(".", &inside)?;
            std::fs::write(&path, builder.into_inner()?)?;
            check(&path)?;
        }
        kind => {
            let bytes = match kind {
                2 => changed_tar(&mut rng)?,
                3 => {
                    let archive = gzip(&changed_tar(&mut rng)?)?;
                    perhaps(&mut rng, archive)
                }
                4 => {
                    let mut bytes = XZ.to_vec();
                    mutate(&mut rng, &mut bytes, &[]);
                    bytes
                }
                _ => {
                    let mut bytes = ZSTD.to_vec();
                    mutate(&mut rng, &mut bytes, &[]);
                    bytes
                }
            };
            std::fs::write(&path, bytes)?;
            check(&path)?;
        }
    }
    let mut left: Vec<_> = std::fs::read_dir(directory.path())?.collect::<Result<_>>()?;
    left.retain(|entry| entry.path() != inside && entry.path() != path);
    assert!(left.is_empty(), "an archive made {left:?} beside itself");
    Ok(())
}
