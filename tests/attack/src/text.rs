//! Sources in nCPU assembly, assembly for cells and Forth, and images of cells.

use crate::random::Rng;
use anyhow::{Context, ensure};
use ncpu_asm::asm::isa::Insn;
use ncpu_asm::asm::{Watch, assemble, translate};
use ncpu_asm::cells::{self, Computer, Image, forth};

/// Kinds of text.
pub const KINDS: u8 = 5;

/// Valid texts, one of each kind.
const SEEDS: [&str; KINDS as usize] = [
    include_str!("../../../guest/asm/instruction_test.ncpu"),
    include_str!("../../../guest/muxleq/upper.mux"),
    include_str!("../../../guest/subleq/hello.sub"),
    include_str!("../../../guest/forth/forth.fth"),
    "-1 65535, 0\n-32768\n",
];

/// What texts are changed into; most are signs of one language or another.
const PIECES: &[&str] = &[
    ":",
    ";",
    ",",
    "#",
    "'",
    "-",
    "+",
    "=",
    "[",
    "]",
    "(",
    ")",
    "\\",
    "\"",
    "\n",
    "\t",
    "0x",
    "0b1",
    "99999999999999999999",
    "-32769",
    "65536",
    "R8",
    "R0",
    "MOV",
    "LOAD",
    "space 65535\n",
    "cell",
    "end",
    "x = x\n",
    "a:",
    "mux 1, 2, 32767\n",
    ": a ;",
    "code",
    "if",
    "then",
    "[char]",
    "['] ",
    "immediate",
    "constant",
    "é",
    "\u{0}",
    "\u{1f980}",
    "\r",
];

/// The kind of text that a fuzzer's first byte chooses, as bytes for [`fuzz`].
pub fn seed(kind: u8) -> Vec<u8> {
    let text = SEEDS[usize::from(kind) % SEEDS.len()];
    [&[kind], text.as_bytes()].concat()
}

/// Assembles or reads a text of the kind that the first byte says. What is taken has to be sound.
pub fn fuzz(bytes: &[u8]) {
    let Some((&kind, text)) = bytes.split_first() else { return };
    if let Err(error) = check(usize::from(kind) % SEEDS.len(), &String::from_utf8_lossy(text)) {
        panic!("{error:#}");
    }
}

fn check(kind: usize, text: &str) -> anyhow::Result<()> {
    // What is refused has to be shown without a panic too.
    let show = |problems: ncpu_asm::source::Problems| drop(problems.to_string());
    let image = match kind {
        0 => {
            let Ok(program) = assemble("text", text).map_err(show) else { return Ok(()) };
            for &word in &program.words {
                let insn = Insn::decode(word).context("a word that is no instruction")?;
                ensure!(insn.encode() == word, "{insn} has two words");
            }
            translate(&program.words, 1, Watch::Off)?;
            return Ok(());
        }
        1 => cells::assemble::assemble("text", text, Computer::Muxleq).map_err(show),
        2 => cells::assemble::assemble("text", text, Computer::Subleq).map_err(show),
        3 => forth::build("text", text).map_err(show),
        _ => Image::parse(text).map_err(|error| drop(error.to_string())),
    };
    let Ok(image) = image else { return Ok(()) };
    ensure!(image.cells().len() <= cells::image::CELLS, "an image that is too large");
    let again = Image::parse(&image.to_text())?;
    ensure!(image.cells().starts_with(again.cells()), "an image that changes when it is written");
    cells::translate::translate(&image, Computer::Muxleq, 1, false);
    Ok(())
}

/// A case from a seed.
pub fn case(seed: u64) -> anyhow::Result<()> {
    let mut rng = Rng::seeded(seed);
    let kind = rng.index(SEEDS.len());
    let mut text: Vec<char> = SEEDS[kind].chars().collect();
    for _ in 0..=rng.below(6) {
        let at = rng.index(text.len().max(1));
        let length = rng.index(12).min(text.len() - at.min(text.len()));
        let piece: Vec<char> = match rng.below(4) {
            0 => Vec::new(),
            1 => vec![char::from_u32(rng.below(0x250) as u32).unwrap_or('?')],
            _ => rng.pick(PIECES).chars().collect(),
        };
        text.splice(at..at + length, piece);
    }
    check(kind, &text.into_iter().collect::<String>())
}
