//! One machine on the emulated device does what it does on the host's processor.

#[path = "../../ncpu-engine/tests/support/mod.rs"]
mod support;

use ncpu_engine::{Folders, Host, Input, Machine, Reason, Rules, drive_machine, state_hash};
use ncpu_gpu::{Emulation, GpuMachine};
use std::io;
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
fn uploaded(mut machine: Machine) -> GpuMachine<Emulation> {
    GpuMachine::new(Emulation::default(), &mut machine, false).unwrap()
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
    assert_eq!(machine.calls(), 2);
    let (instructions, _, hash) = figures(&mut machine.fetch().unwrap());
    assert_eq!((instructions, hash), (INSTRUCTIONS, expected));
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
                let rules = Rules { pause: Some(pause), ..Rules::default() };
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
    let input: Vec<u8> = (0..50_000_u32).map(|n| (n * n >> 7) as u8).collect();
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
