//! Translated programs run on every engine and ALU.

#![allow(dead_code, reason = "each test file uses a part")]

use ncpu_alu::{Alu, NativeAlu};
use ncpu_asm::asm::record::{End, Event, Reader, State};
use ncpu_asm::asm::{Watch, translate};
use ncpu_engine::{Boot, Folders, Host, Input, Machine, Pool, Program, Reason, Rules, boot, drive};
use ncpu_gpu::{Emulation, GpuMachine};
use ncpu_linux::Limits;
use ncpu_neural::{Certified, Weights};
use ncpu_neural_alu::NeuralAlu;
use std::io::{self, Write};
use std::path::Path;
use std::sync::LazyLock;
use std::time::Duration;

const LIMITS: Limits = Limits {
    pages: 1024,
    tasks: 4,
    mappings: 64,
    files: 64,
    inodes: 64,
    dentries: 64,
    objects: 4,
    console: 1 << 14,
};

/// An engine with an ALU.
pub(crate) type Way = fn(&mut Machine, &mut dyn Host) -> Reason;

/// All of them, by name.
pub(crate) const WAYS: &[(&str, Way)] = &[
    ("cpu, native", |machine, host| on_cpu(machine, host, &NativeAlu)),
    ("cpu, neural", on_networks),
    ("gpu, native", on_gpu),
];

/// The trained networks of this tree.
fn on_networks(machine: &mut Machine, host: &mut dyn Host) -> Reason {
    static NETWORKS: LazyLock<Certified> = LazyLock::new(|| {
        Weights::certified(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../models/alu")))
            .unwrap()
    });
    on_cpu(machine, host, &NeuralAlu::new(&NETWORKS.cells))
}

fn on_cpu<A: Alu>(machine: &mut Machine, host: &mut dyn Host, alu: &A) -> Reason {
    machine.with_kernel(|kernel| {
        drive(kernel, alu, host, &mut Folders::default(), Rules::default()).reason
    })
}

/// A lane of the emulated GPU, whose code is that of a card.
fn on_gpu(machine: &mut Machine, host: &mut dyn Host) -> Reason {
    let mut gpu = GpuMachine::new(Emulation::default(), machine, false).unwrap();
    ncpu_engine::drive_machine(&mut gpu, host, &mut Folders::default(), Rules::default()).reason
}

/// Standard streams in memory.
#[derive(Debug, Default)]
pub(crate) struct Streams {
    pub(crate) input: Vec<u8>,
    pub(crate) output: Vec<u8>,
    pub(crate) errors: Vec<u8>,
}

impl Host for Streams {
    fn output(&mut self, stream: u8, bytes: &[u8]) -> io::Result<()> {
        if stream == 2 { &mut self.errors } else { &mut self.output }.extend(bytes);
        Ok(())
    }
    fn input(&mut self, buffer: &mut [u8], _: Option<Duration>) -> io::Result<Input> {
        let count = buffer.len().min(self.input.len());
        buffer[..count].copy_from_slice(&self.input[..count]);
        self.input.drain(..count);
        Ok(if count == 0 { Input::End } else { Input::Bytes(count) })
    }
}

/// Runs an ELF file and gives its exit status.
pub(crate) fn run(elf: &[u8], way: Way, streams: &mut Streams) -> u32 {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(elf).unwrap();
    let root = ncpu_image::builtin_with(&[(Path::new("/bin/program"), file.path())]).unwrap();
    let pool = Pool::new(root, 2 * LIMITS.pages).unwrap();
    let mut machine = Machine::new(&pool, LIMITS).unwrap();
    let program = Program { path: b"/bin/program".to_vec(), ..Program::default() };
    machine.with_kernel(|kernel| boot(kernel, &Boot::default(), &program)).unwrap();
    match way(&mut machine, streams) {
        // `man 2 wait4`: the exit status is in the second byte.
        Reason::Ended(status) if status & 0x7f == 0 => status >> 8,
        reason => panic!("{reason:?}"),
    }
}

/// Runs words of nCPU assembly and gives all that they tell.
pub(crate) fn events(words: &[u32], max_cycles: u64, watch: Watch, way: Way) -> Vec<Event> {
    let mut streams = Streams { input: vec![b'\n'; max_cycles as usize], ..Streams::default() };
    run(&translate(words, max_cycles, watch).unwrap(), way, &mut streams);
    assert_eq!(streams.output, b"");
    let mut reader = Reader::new(max_cycles);
    reader.push(&streams.errors);
    reader.collect()
}

/// Runs words of nCPU assembly and gives how they end.
pub(crate) fn end(words: &[u32], max_cycles: u64, way: Way) -> (End, State, Vec<i32>) {
    match events(words, max_cycles, Watch::Off, way).pop() {
        Some(Event::Ended(end, state, memory)) => (end, state, memory),
        other => panic!("{other:?}"),
    }
}
