//! The programs of `guest/asm` give what their headers say, on every engine and ALU.

mod support;

use ncpu_asm::asm::record::{End, State};
use ncpu_asm::asm::{assemble, isa::Insn};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use support::{WAYS, end};

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../guest/asm");

fn programs(folder: &Path) -> Vec<PathBuf> {
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<PathBuf> =
        files.filter(|path| path.extension().is_some_and(|ext| ext == "ncpu")).collect();
    files.sort();
    files
}

/// Checks `; expect R1 = 5, M[10] = 3, cycles = 11`.
fn check(name: &str, text: &str, state: &State, memory: &[i32]) {
    let expected: Vec<&str> =
        text.lines().filter_map(|line| line.strip_prefix("; expect ")).collect();
    let [expected] = expected[..] else { panic!("{name}: one line says what is expected") };
    for pair in expected.split(", ") {
        let (what, value) = pair.split_once(" = ").unwrap_or_else(|| panic!("{name}: {pair}"));
        let got = if what == "cycles" {
            state.cycles as i64
        } else if let Some(address) = what.strip_prefix("M[").and_then(|a| a.strip_suffix("]")) {
            memory[address.parse::<usize>().unwrap()].into()
        } else {
            state.registers[what.strip_prefix('R').unwrap().parse::<usize>().unwrap()].into()
        };
        assert_eq!(got, value.parse::<i64>().unwrap(), "{name}: {what}");
    }
}

fn check_folder(folder: &Path) {
    for path in programs(folder) {
        let name = path.display().to_string();
        let text = fs::read_to_string(&path).unwrap();
        let program = assemble(&name, &text).unwrap_or_else(|problems| panic!("{problems}"));
        let results: Vec<_> =
            WAYS.iter().map(|(_, way)| end(&program.words, 10_000, *way)).collect();
        for ((way, _), result) in WAYS.iter().zip(&results) {
            assert_eq!(result, &results[0], "{name} on {way}");
        }
        let (how, state, memory) = &results[0];
        assert_eq!(*how, End::Halted, "{name}");
        check(&name, &text, state, memory);
    }
}

#[test]
fn the_62_programs_use_all_21_codes_and_give_their_results() {
    let folder = Path::new(FOLDER);
    assert_eq!(programs(folder).len(), 62);
    let mut used = BTreeSet::new();
    for path in programs(folder) {
        let program = assemble("", &fs::read_to_string(&path).unwrap()).unwrap();
        used.extend(program.words.iter().map(|&w| Insn::decode(w).unwrap().op.code()));
    }
    assert_eq!(used.len(), 21, "{used:?}");
    check_folder(folder);
}

#[test]
fn programs_with_memory_and_subroutines_give_their_results() {
    check_folder(&Path::new(FOLDER).join("extension"));
}
