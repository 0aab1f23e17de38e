//! The weights of the tree, and copies of them to be damaged.

#![allow(dead_code, reason = "each test file uses a part")]

use ncpu_neural::Weights;
use ncpu_neural_alu::Cells;
use std::fs;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// The committed weights.
pub(crate) fn models() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../models/alu")
}

/// Their networks.
pub(crate) fn cells() -> Box<Cells> {
    Weights::certified(&models()).unwrap().cells
}

/// A copy of the committed weight files.
pub(crate) fn copy() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for file in fs::read_dir(models()).unwrap() {
        let file = file.unwrap();
        fs::copy(file.path(), folder.path().join(file.file_name())).unwrap();
    }
    folder
}

/// Negates a number of a tensor in a weight file.
pub(crate) fn negate(file: &Path, tensor: &str, index: usize) {
    let mut bytes = fs::read(file).unwrap();
    let header = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    let json: serde_json::Value = serde_json::from_slice(&bytes[8..8 + header]).unwrap();
    let offset = json[tensor]["data_offsets"][0].as_u64().unwrap() as usize;
    let at = 8 + header + offset + 2 * index;
    let number = i16::from_le_bytes([bytes[at], bytes[at + 1]]);
    assert_ne!(number, 0);
    bytes[at..at + 2].copy_from_slice(&(-number).to_le_bytes());
    fs::write(file, bytes).unwrap();
}
