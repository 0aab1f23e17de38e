//! Development: runs a program on lanes and times it.

use ncpu_cuda::{Cuda, Device, Options, Ptx};
use ncpu_engine::{Boot, Machine, Pool, Program, boot, state_hash};
use ncpu_gpu::{Emulation, Lanes, Plan};
use ncpu_gpu_kernel::Lane;
use ncpu_linux::Limits;
use std::path::Path;
use std::time::Instant;

fn leak(path: &str) -> &'static str {
    Box::leak(std::fs::read_to_string(path).unwrap().into_boxed_str())
}

fn main() {
    let mut args = std::env::args().skip(1);
    let run = args.next().unwrap();
    let service = args.next().unwrap();
    let program = args.next().unwrap();
    let tail = args.next().unwrap();
    let slice: u32 = args.next().unwrap().parse().unwrap();
    let regs: u32 = std::env::var("REGS").map_or(0, |r| r.parse().unwrap());
    let counts: Vec<u32> = args.map(|a| a.parse().unwrap()).collect();
    if run == "emulate" {
        for count in counts {
            go(Emulation::default(), &program, &tail, slice, count);
        }
        return;
    }
    let _ = (leak, service);
    let modules = [
        Ptx { max_registers: (regs != 0).then_some(regs), ..Ptx::RUN },
        Ptx {
            max_registers: Some(128),
            optimization: std::env::var("SOPT").map_or(4, |r| r.parse().unwrap()),
            ..Ptx::SERVICE
        },
        Ptx::EXACT,
        Ptx::ALONE,
    ];
    for count in counts {
        let start = Instant::now();
        let options = Options { stack_bytes: Some(32 << 10), ..Options::default() };
        let cuda = Cuda::open(0, &modules, &options).unwrap();
        eprintln!("{} open {:?}\n {:?}", cuda.describe(), start.elapsed(), cuda.timings());
        for entry in ["ncpu_execute", "ncpu_serve", "ncpu_lift_decode"] {
            eprintln!("{entry}: {:?}", cuda.kernel_use(entry).unwrap());
        }
        go(cuda, &program, &tail, slice, count);
    }
}

fn go<D: Device>(device: D, program: &str, tail: &str, slice: u32, count: u32) {
    let limits = Limits {
        pages: 256,
        tasks: 4,
        mappings: 64,
        files: 64,
        inodes: 64,
        dentries: 64,
        objects: 4,
        console: 4096,
    };
    let root =
        ncpu_image::builtin_with(&[(Path::new("/bin/program"), Path::new(program))]).unwrap();
    let pool = Pool::new(root, 1 << 14).unwrap();
    let mut template = Machine::new(&pool, limits).unwrap();
    let name = Program {
        path: b"/bin/program".to_vec(),
        arguments: vec![b"program".to_vec()],
        ..Program::default()
    };
    template.with_kernel(|kernel| boot(kernel, &Boot::default(), &name)).unwrap();
    let mut copy = template.fork().unwrap();
    eprintln!("image {} bytes", template.layout().bytes());
    let spread = count > 1;
    let plan = Plan {
        lanes: count,
        spread,
        frames: u64::from(count.next_multiple_of(32)) * 40,
        staged: 0,
        output: 1 << 14,
        has_folders: false,
    };
    let mut lanes = Lanes::new(device, &mut template, &plan).unwrap();
    let inputs: Vec<Vec<u8>> =
        (0..count).map(|n| format!("{} {tail}\n", n + 1).into_bytes()).collect();
    let whole = inputs.concat();
    let at = lanes.device().alloc(whole.len() as u64).unwrap();
    lanes.device().upload(at, &whole).unwrap();
    let mut offset = 0;
    let records: Vec<Lane> = inputs
        .iter()
        .map(|input| {
            let record = Lane {
                limit: u64::MAX,
                stride: 10_000_000,
                input_ends: 1,
                input: at + offset,
                input_length: input.len() as u64,
                ..Lane::default()
            };
            offset += input.len() as u64;
            record
        })
        .collect();
    let all: Vec<u32> = (0..count).collect();
    lanes.device().synchronize().unwrap();
    let start = Instant::now();
    lanes.fork(&all, &records).unwrap();
    lanes.device().synchronize().unwrap();
    let forked = start.elapsed();
    let start = Instant::now();
    let mut ended = 0;
    let mut rounds = 0;
    let mut first = None;
    while ended < count {
        let r0 = Instant::now();
        let round = lanes.round(slice).unwrap();
        if std::env::var("TRACE").is_ok() {
            eprintln!("round {:?} {:?}", r0.elapsed(), round);
        }
        ended += round.stopped;
        rounds += 1;
        if round.stopped != 0 && first.is_none() {
            first = Some(start.elapsed());
        }
    }
    lanes.device().synchronize().unwrap();
    let wall = start.elapsed();
    let records = lanes.records(&all).unwrap();
    let total: u64 = records.iter().map(|r| r.total).sum();
    let start = Instant::now();
    lanes.hash(&all).unwrap();
    lanes.device().synchronize().unwrap();
    let hashed = start.elapsed();
    println!(
        "{count} lanes: {:.1} MIPS, {total} instructions, wall {wall:?} (first end {first:?}), {rounds} rounds, fork {forked:?}, hash {hashed:?}, frames peak {:?}",
        total as f64 / wall.as_secs_f64() / 1e6,
        records[0].frames
    );
    // Lane 0 and the last beside the host.
    let mut host = Tape(inputs[0].clone(), 0);
    copy.with_kernel(|kernel| {
        ncpu_engine::drive(
            kernel,
            &ncpu_alu::NativeAlu,
            &mut host,
            &mut ncpu_engine::Folders::default(),
            ncpu_engine::Rules::default(),
        )
    });
    let expected = state_hash(&mut copy);
    let r = lanes.lane(0).unwrap();
    let [low, high] = r.hash.map(u128::from);
    println!(
        "   stop {} status {:#x} hash {}",
        r.stop,
        r.exit_status,
        if low | high << 64 == expected { "equal" } else { "DIFFERENT" }
    );
}

struct Tape(Vec<u8>, usize);
impl ncpu_engine::Host for Tape {
    fn output(&mut self, _: u8, bytes: &[u8]) -> std::io::Result<()> {
        print!("   {}", String::from_utf8_lossy(bytes));
        Ok(())
    }
    fn input(
        &mut self,
        buffer: &mut [u8],
        _: Option<std::time::Duration>,
    ) -> std::io::Result<ncpu_engine::Input> {
        let left = &self.0[self.1..];
        let n = left.len().min(buffer.len());
        buffer[..n].copy_from_slice(&left[..n]);
        self.1 += n;
        Ok(if n == 0 { ncpu_engine::Input::End } else { ncpu_engine::Input::Bytes(n) })
    }
}
