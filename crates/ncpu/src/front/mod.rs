//! Front ends besides A64: what they are translated to runs as any other program.
//!
//! - [`asm`]      `ncpu asm`
//! - [`cells`]    `ncpu muxleq` and `ncpu subleq`
//! - [`show`]     a program in nCPU assembly as it runs: trace, steps, last state
//! - [`machine`]  a machine for a translated program, on any engine

pub(crate) mod asm;
pub(crate) mod cells;
mod machine;
mod show;

use anyhow::{Context, ensure};
use std::fs::File;
use std::io::Read;
use std::path::Path;

/// Reads a file of at most `limit` bytes.
fn read_file(path: &Path, limit: u64) -> anyhow::Result<Vec<u8>> {
    let open = || -> std::io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        File::open(path)?.take(limit + 1).read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    let bytes = open().with_context(|| format!("cannot read {}", path.display()))?;
    ensure!(
        bytes.len() as u64 <= limit,
        "{}: the file is too large: at most {limit} bytes are read",
        path.display()
    );
    Ok(bytes)
}

/// Reads a text file of at most `limit` bytes.
fn read_text(path: &Path, limit: u64) -> anyhow::Result<String> {
    String::from_utf8(read_file(path, limit)?).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        let line = 1 + error.as_bytes()[..at].iter().filter(|&&byte| byte == b'\n').count();
        anyhow::anyhow!("{}:{line}: byte {at} is no text (UTF-8)", path.display())
    })
}
