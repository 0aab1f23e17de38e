//! Static ARM64 Linux programs (`man 5 elf`): a segment of code and one of data.

/// Where the code's segment starts.
const TEXT: u64 = 0x40_0000;
/// Where the data are.
pub(crate) const DATA: u64 = 0x4000_0000;
/// Bytes of the file header and two program headers.
const HEADERS: u64 = 64 + 2 * 56;
const PAGE: u64 = 4096;

/// A program that starts with its first word. `data` lie at [`DATA`], and `memory` bytes from there
/// can be used, those behind `data` zero.
pub(crate) fn program(code: &[u32], data: &[u8], memory: u64) -> Vec<u8> {
    let text = HEADERS + 4 * code.len() as u64;
    let at = text.next_multiple_of(PAGE);
    let mut file = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0".to_vec();
    let half = |file: &mut Vec<u8>, value: u16| file.extend(value.to_le_bytes());
    let word = |file: &mut Vec<u8>, value: u32| file.extend(value.to_le_bytes());
    let long = |file: &mut Vec<u8>, value: u64| file.extend(value.to_le_bytes());
    half(&mut file, 2); // ET_EXEC
    half(&mut file, 183); // EM_AARCH64
    word(&mut file, 1);
    long(&mut file, TEXT + HEADERS); // e_entry
    long(&mut file, 64); // e_phoff
    long(&mut file, 0);
    word(&mut file, 0);
    for value in [64, 56, 2, 64, 0, 0] {
        half(&mut file, value);
    }
    // PT_LOAD each: flags, offset, address, bytes in the file, bytes in memory.
    for (flags, offset, address, bytes, memory) in [
        (5, 0, TEXT, text, text), // PF_R | PF_X
        (6, at, DATA, data.len() as u64, memory.max(data.len() as u64)), // PF_R | PF_W
    ] {
        word(&mut file, 1);
        word(&mut file, flags);
        for value in [offset, address, address, bytes, memory, PAGE] {
            long(&mut file, value);
        }
    }
    code.iter().for_each(|&value| word(&mut file, value));
    file.resize(at as usize, 0);
    file.extend(data);
    file
}
