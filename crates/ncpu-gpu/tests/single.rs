//! One machine on the emulated device does what it does on the host's processor.

#![allow(unsafe_code)]

#[path = "../../ncpu-engine/tests/support/mod.rs"]
mod support;

use ncpu_cuda::{CudaError, Device, Failure, Mark, Result as CudaResult};
use ncpu_engine::{Folders, Host, Input, Machine, Pause, Reason, Rules, drive_machine, state_hash};
use ncpu_gpu::{Emulation, GpuMachine};
use ncpu_gpu_kernel::packed::PackedNetworks;
use ncpu_neural::Weights;
use ncpu_neural_alu::Operation;
use ncpu_neural_alu::alu::Tally;
use std::cell::Cell;
use std::io;
use std::path::Path;
use std::time::Duration;
use support::{INSTRUCTIONS, PROGRAM, booted, finish, pool, pool_of};

/// Where output is taken when nothing else stops the machine, at the end of the straight line.
const SLICE: u64 = 10_000_000;

/// A host whose standard input is `input`, given in pieces of `piece` bytes.
struct Tape {
    input: Vec<u8>,
    piece: usize,
    output: Vec<u8>,
}

impl Tape {
    fn new(input: &[u8], piece: usize) -> Tape {
        Tape { input: input.to_vec(), piece, output: Vec::new() }
    }
}

impl Host for Tape {
    fn output(&mut self, _: u8, bytes: &[u8]) -> io::Result<()> {
        self.output.extend(bytes);
        Ok(())
    }
    fn input(&mut self, buffer: &mut [u8], _: Option<Duration>) -> io::Result<Input> {
        let count = self.piece.min(self.input.len()).min(buffer.len());
        buffer[..count].copy_from_slice(&self.input[..count]);
        self.input.drain(..count);
        Ok(if count == 0 { Input::End } else { Input::Bytes(count) })
    }
}

/// A machine on the emulated device, of the machine that it was booted as.
fn uploaded(machine: Machine) -> GpuMachine<Emulation> {
    uploaded_to(Emulation::default(), machine)
}

fn uploaded_to(device: Emulation, mut machine: Machine) -> GpuMachine<Emulation> {
    GpuMachine::new(device, &mut machine, false).unwrap()
}

fn go_on(machine: &mut GpuMachine<Emulation>, host: &mut Tape, rules: Rules) -> Reason {
    drive_machine(machine, host, &mut Folders::default(), rules).reason
}

/// What there is to compare of a machine: instructions, time, and state.
fn figures(machine: &mut Machine) -> (u64, u64, u128) {
    let (retired, now) = machine.with_kernel(|kernel| (kernel.header.retired, kernel.now()));
    (retired, now, state_hash(machine))
}

/// Writes two bytes, the instruction that gives their address, and goes on for 900 instructions in a
/// straight line; `writes` times.
fn writer(writes: u16) -> Vec<u32> {
    let mut words = vec![
        0xd280_0003 | u32::from(writes) << 5, // mov x3, #writes
        0xd280_0020,                          // again: mov x0, #1
        0x1000_0001,                          // adr x1, .
        0xd280_0042,                          // mov x2, #2
        0xd280_0808,                          // mov x8, #64 (write)
        0xd400_0001,                          // svc #0
    ];
    words.extend([0xd503_201f; 900]); // nop
    words.push(0xf100_0463); // subs x3, x3, #1
    let back = 1 - words.len() as i32;
    words.push(0x5400_0001 | (back as u32 & 0x7_ffff) << 5); // b.ne again
    words.extend([0xd280_0000, 0xd280_0ba8, 0xd400_0001]); // mov x0, #0; mov x8, #93; svc #0
    words
}

/// Copies standard input to standard output, 512 bytes at a time.
const COPY: &[u32] = &[
    0xd108_03ff, // sub sp, sp, #512
    0xd280_0000, // again: mov x0, #0
    0x9100_03e1, // mov x1, sp
    0xd280_4002, // mov x2, #512
    0xd280_07e8, // mov x8, #63 (read)
    0xd400_0001, // svc #0
    0xb400_00e0, // cbz x0, end
    0xaa00_03e2, // mov x2, x0
    0xd280_0020, // mov x0, #1
    0x9100_03e1, // mov x1, sp
    0xd280_0808, // mov x8, #64 (write)
    0xd400_0001, // svc #0
    0x17ff_fff5, // b again
    0xd280_0ba8, // end: mov x8, #93 (exit)
    0xd400_0001, // svc #0
];

#[test]
fn a_program_ends_as_on_the_host() {
    let expected = finish(&mut booted(&pool(PROGRAM)));
    let mut machine = uploaded(booted(&pool(PROGRAM)));
    let mut host = Tape::new(b"", 1);
    let reason = go_on(&mut machine, &mut host, Rules::default());
    assert!(matches!(reason, Reason::Ended(0x2a00)), "{reason:?}");
    assert_eq!(host.output, b"hello\n");
    assert_eq!(machine.figures().system_calls, 2);
    let (instructions, _, hash) = figures(&mut machine.fetch().unwrap());
    assert_eq!((instructions, hash), (INSTRUCTIONS, expected));
}

/// The networks in the tree, as GPUs evaluate them.
fn networks() -> PackedNetworks {
    let weights = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../models/alu");
    PackedNetworks::new(&Weights::certified(&weights).unwrap().networks).unwrap()
}

#[test]
fn networks_give_the_same_state_and_every_result() {
    let expected = finish(&mut booted(&pool(PROGRAM)));
    let mut machine = uploaded(booted(&pool(PROGRAM)));
    machine.use_networks(&networks()).unwrap();
    let mut host = Tape::new(b"", 1);
    go_on(&mut machine, &mut host, Rules::default());
    assert_eq!(host.output, b"hello\n");
    let (instructions, _, hash) = figures(&mut machine.fetch().unwrap());
    assert_eq!((instructions, hash), (INSTRUCTIONS, expected));
    let tallies = machine.tallies().unwrap().unwrap();
    for &operation in Operation::ALL {
        let Tally { asked, by_network, by_wiring } = tallies.of(operation);
        assert_eq!(asked, by_network + by_wiring, "{}", operation.name());
    }
    assert!(tallies.evaluated > 0);
}

/// Accesses whose order matters if several threads make them: a number that grows in memory, swapped with
/// others, atomically and not; code that jumps to its page and drops it; and a fault at the end.
const MEMORY: &[u32] = &[
    0xd280_3202, // mov x2, #400
    0xf81f_0fe2, // again: str x2, [sp, #-16]!
    0xf940_03e1, // ldr x1, [sp]
    0xf900_03e2, // str x2, [sp]
    0x9100_0421, // add x1, x1, #1
    0xf900_03e1, // str x1, [sp]
    0x9100_0508, // add x8, x8, #1
    0xf822_83e3, // swp x2, x3, [sp]
    0xf821_03e4, // ldadd x1, x4, [sp]
    0xc85f_7fe5, // ldxr x5, [sp]
    0xc806_7fe4, // stxr w6, x4, [sp]
    0xa9be_0fe5, // stp x5, x3, [sp, #-32]!
    0xa940_07e0, // ldp x0, x1, [sp]
    0x1000_0007, // adr x7, .
    0x1400_0001, // b next
    0xd50b_7527, // next: ic ivau, x7
    0xd503_3fdf, // isb
    0xf100_1042, // subs x2, x2, #4
    0x54ff_fdec, // b.gt again
    0xf940_0008, // ldr x8, [x0]
];

#[test]
fn threads_that_execute_a_machine_together_end_as_one() {
    // Before it ends, when its registers and its memory are given up; and when it has.
    for fuel in [1_650, 10_000] {
        let rules = Rules { fuel: Some(fuel), ..Rules::default() };
        let mut expected = booted(&pool(MEMORY));
        support::go_on(&mut expected, rules);
        let mut machine = uploaded_to(Emulation::with_warps(), booted(&pool(MEMORY)));
        machine.use_networks(&networks()).unwrap();
        go_on(&mut machine, &mut Tape::new(b"", 1), rules);
        assert_eq!(figures(&mut machine.fetch().unwrap()), figures(&mut expected), "{fuel}");
    }
}

#[test]
fn what_comparisons_throw_away_is_no_part_of_the_state() {
    let words = [
        0xf100_8c1f, // cmp x0, #35
        0xd280_0ba8, // mov x8, #93 (exit)
        0xd400_0001, // svc #0
    ];
    for fuel in [1, 2, 3] {
        let rules = Rules { fuel: Some(fuel), ..Rules::default() };
        let mut expected = booted(&pool(&words));
        support::go_on(&mut expected, rules);
        let mut machine = uploaded(booted(&pool(&words)));
        go_on(&mut machine, &mut Tape::new(b"", 1), rules);
        assert_eq!(figures(&mut machine.fetch().unwrap()), figures(&mut expected), "{fuel}");
    }
}

#[test]
fn fuel_ends_a_run_as_on_the_host() {
    let pool = pool(&writer(11_100));
    for fuel in [1, 7, 906, 5_000, 1_000_000, SLICE, SLICE + 1, SLICE + 700] {
        let rules = Rules { fuel: Some(fuel), ..Rules::default() };
        let mut expected = booted(&pool);
        let (_, output) = support::go_on(&mut expected, rules);
        let mut machine = uploaded(booted(&pool));
        let mut host = Tape::new(b"", 1);
        let reason = go_on(&mut machine, &mut host, rules);
        assert!(matches!(reason, Reason::Fuel), "{reason:?}");
        assert!(host.output == output);
        let figures = figures(&mut machine.fetch().unwrap());
        assert_eq!(figures.0, fuel);
        assert_eq!(figures, self::figures(&mut expected), "{fuel}");
    }
}

#[test]
fn a_pause_anywhere_leaves_no_trace_on_either_side() {
    // In one line with the multiple: 10,000,000 = 1 + 11,025 × 907 + 324.
    let program = writer(11_100);
    let mut expected = booted(&pool(&program));
    let (_, output) = support::go_on(&mut expected, Rules::default());
    let expected = figures(&mut expected);
    // The machine that is fetched, and the one that it is made of.
    let pool = pool_of(&program, 8 * 256);
    for pauses in
        [[4_000, 4_001], [SLICE - 1, SLICE], [SLICE, SLICE + 1], [SLICE + 300, SLICE + 481]]
    {
        for moves in [false, true] {
            let mut machine = uploaded(booted(&pool));
            let mut host = Tape::new(b"", 1);
            for pause in pauses {
                let rules = Rules { pause: Some(Pause::At(pause)), ..Rules::default() };
                let reason = go_on(&mut machine, &mut host, rules);
                assert!(matches!(reason, Reason::Paused), "{reason:?}");
                let mut copy = machine.fetch().unwrap();
                assert_eq!(figures(&mut copy).0, pause);
                if moves {
                    machine = uploaded(copy);
                }
            }
            let reason = go_on(&mut machine, &mut host, Rules::default());
            assert!(matches!(reason, Reason::Ended(0)), "{reason:?}");
            assert!(host.output == output);
            assert_eq!(figures(&mut machine.fetch().unwrap()), expected, "{pauses:?} {moves}");
        }
    }
}

#[test]
fn input_and_output_pass_as_on_the_host() {
    // More than the console holds, which is 4,096 bytes.
    let input: Vec<u8> = (0..50_000_u32).map(|n| ((n * n) >> 7) as u8).collect();
    for piece in [1_000, 4_096, 1 << 16] {
        let mut expected = booted(&pool(COPY));
        let mut host = Tape::new(&input, piece);
        let folders = &mut Folders::default();
        expected.with_kernel(|kernel| {
            let alu = &ncpu_alu::NativeAlu;
            ncpu_engine::drive(kernel, alu, &mut host, folders, Rules::default())
        });
        assert!(host.output == input);
        let mut machine = uploaded(booted(&pool(COPY)));
        let mut host = Tape::new(&input, piece);
        let reason = go_on(&mut machine, &mut host, Rules::default());
        assert!(matches!(reason, Reason::Ended(0)), "{reason:?}");
        assert!(host.output == input);
        assert_eq!(figures(&mut machine.fetch().unwrap()), figures(&mut expected), "{piece}");
    }
}

/// Writes "hello\n", then counts.
const HELLO_FOREVER: &[u32] = &[
    0xd280_0020, // mov x0, #1
    0x1000_00c1, // adr x1, message
    0xd280_00c2, // mov x2, #6
    0xd280_0808, // mov x8, #64 (write)
    0xd400_0001, // svc #0
    0x9100_0421, // count: add x1, x1, #1
    0x17ff_ffff, // b count
    0x6c6c_6568, // message: "hello\n"
    0x0000_0a6f,
];

/// A host that always has news; its user leaves while the machine is busy, when asked so many times.
struct Leaving(u32);

impl Host for Leaving {
    fn output(&mut self, _: u8, _: &[u8]) -> io::Result<()> {
        Ok(())
    }
    fn input(&mut self, _: &mut [u8], _: Option<Duration>) -> io::Result<Input> {
        Ok(Input::End)
    }
    fn poll_input(&mut self, _: &mut [u8]) -> io::Result<Input> {
        self.0 -= 1;
        Ok(if self.0 == 0 { Input::Quit } else { Input::Nothing })
    }
    fn has_news(&mut self, _: usize) -> io::Result<bool> {
        Ok(true)
    }
}

#[test]
fn a_host_with_news_does_not_wait_for_the_slice() {
    for times in [1, 9] {
        let mut machine = uploaded(booted(&pool(HELLO_FOREVER)));
        let (host, folders) = (&mut Leaving(times), &mut Folders::default());
        let reason = drive_machine(&mut machine, host, folders, Rules::default()).reason;
        assert!(matches!(reason, Reason::Quit), "{reason:?}");
        let mut fetched = machine.fetch().unwrap();
        // What it would have been at the end of that slice. (It does not get there in 5 ms each.)
        let (retired, ..) = figures(&mut fetched);
        assert!(retired < u64::from(times) * SLICE);
        // It goes on as if nobody had looked.
        let machines = [&mut booted(&pool(HELLO_FOREVER)), &mut fetched];
        let [expected, found] = machines.map(|machine| {
            support::run_to(machine, retired.next_multiple_of(SLICE) + SLICE);
            figures(machine)
        });
        assert_eq!(found, expected);
    }
}

/// A device that fails at a launch. Its memory can still be read if `answers`.
struct Failing {
    device: Emulation,
    launches: Cell<u32>,
    answers: bool,
}

impl Failing {
    fn failure() -> CudaError {
        CudaError::Launch {
            kernel: "ncpu_serve",
            failure: Failure {
                call: "cuLaunchKernel",
                code: 719,
                name: "CUDA_ERROR_LAUNCH_FAILED".into(),
                text: "unspecified launch failure".into(),
            },
        }
    }
}

impl Device for Failing {
    fn describe(&self) -> String {
        self.device.describe()
    }
    fn processors(&self) -> u32 {
        self.device.processors()
    }
    fn memory(&self) -> CudaResult<(u64, u64)> {
        self.device.memory()
    }
    fn alloc(&self, bytes: u64) -> CudaResult<u64> {
        self.device.alloc(bytes)
    }
    fn free(&self, address: u64) {
        self.device.free(address);
    }
    fn upload(&self, to: u64, bytes: &[u8]) -> CudaResult<()> {
        self.device.upload(to, bytes)
    }
    fn download(&self, from: u64, bytes: &mut [u8]) -> CudaResult<()> {
        if self.launches.get() == 0 && !self.answers {
            return Err(Failing::failure());
        }
        self.device.download(from, bytes)
    }
    fn fill(&self, at: u64, byte: u8, bytes: u64) -> CudaResult<()> {
        self.device.fill(at, byte, bytes)
    }
    unsafe fn launch(
        &self,
        entry: &'static str,
        threads: u32,
        block: u32,
        parameter: u64,
    ) -> CudaResult<()> {
        let left = self.launches.get();
        if left == 0 && entry.starts_with("ncpu_execute") {
            return Err(Failing::failure());
        }
        self.launches.set(left.saturating_sub(1));
        // SAFETY: the caller's promise.
        unsafe { self.device.launch(entry, threads, block, parameter) }
    }
    fn synchronize(&self) -> CudaResult<()> {
        self.device.synchronize()
    }
    fn mark(&self) -> CudaResult<Mark> {
        self.device.mark()
    }
    fn elapsed(&self, from: &Mark, to: &Mark) -> CudaResult<f32> {
        self.device.elapsed(from, to)
    }
}

#[test]
fn a_failed_device_is_a_reason_and_what_it_still_has_can_be_fetched() {
    for (launches, answers) in (50..62).map(|launches| (launches, launches < 61)) {
        let launches = Cell::new(launches);
        let device = Failing { device: Emulation::default(), launches, answers };
        let mut template = booted(&pool_of(HELLO_FOREVER, 8 * 256));
        let mut machine = GpuMachine::new(device, &mut template, false).unwrap();
        let mut host = Tape::new(b"", 1);
        let folders = &mut Folders::default();
        let reason = drive_machine(&mut machine, &mut host, folders, Rules::default()).reason;
        let Reason::Engine(error) = reason else { panic!("{reason:?}") };
        assert!(error.to_string().contains("cuLaunchKernel"), "{error}");
        match machine.fetch() {
            Ok(mut fetched) => {
                assert!(answers);
                // The write, and the instructions before it.
                assert!(figures(&mut fetched).0 >= 5);
                let rules = Rules { fuel: Some(30_000_000), ..Rules::default() };
                let (_, rest) = support::go_on(&mut fetched, rules);
                let (_, output) = support::go_on(&mut template, rules);
                assert_eq!([host.output, rest].concat(), output);
                assert_eq!(figures(&mut fetched), figures(&mut template));
            }
            Err(error) => assert!(!answers, "{error}"),
        }
    }
}
