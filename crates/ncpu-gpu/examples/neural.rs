//! Times results of networks on a GPU: `neural WEIGHTS [--emulated]`.
//!
//! For each operation, chains of results that depend on each other: of one thread, of one warp whose
//! threads compute together, and of as many threads as give the most results. Each chain's last result
//! is compared with that of the processor's own arithmetic.

use anyhow::{Context, Result, ensure};
use ncpu_alu::{Alu, NativeAlu};
use ncpu_cuda::Device;
use ncpu_gpu::Emulation;
use ncpu_gpu_kernel::neural::Chains;
use ncpu_gpu_kernel::packed::PackedNetworks;
use ncpu_neural::Weights;
use ncpu_neural_alu::{Cells, Operation};
use std::path::Path;

/// Threads of a block.
const BLOCK: u32 = 128;
/// Threads of a warp.
const WARP: u32 = 32;

/// How many chains, and of how many results.
#[derive(Clone, Copy)]
struct Shape {
    count: u32,
    length: u32,
    together: bool,
}

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let folder = arguments.first().context("usage: neural WEIGHTS [--emulated]")?;
    let networks = Weights::certified(Path::new(folder))?.networks;
    let cells = Cells::new(&networks)?;
    let packed = PackedNetworks::new(&networks)?;
    if arguments.iter().any(|word| word == "--emulated") {
        return measure(&Emulation::default(), &cells, &packed, [2, 3, 5]);
    }
    measure(&ncpu_gpu::open(ncpu_gpu::Purpose::Neural)?, &cells, &packed, [1 << 18, 1000, 200])
}

/// Measures with so many chains at a time, and so many results of a chain alone and of each of many.
fn measure<D: Device>(
    device: &D,
    cells: &Cells,
    packed: &PackedNetworks,
    [many, alone, each]: [u32; 3],
) -> Result<()> {
    let bench = Bench { device, cells: put(device, cells)?, networks: put(device, packed)? };
    let mut rows = Vec::new();
    for &operation in Operation::ALL {
        let time =
            |count, length, together| bench.time(operation, Shape { count, length, together });
        // Dividing takes a hundred times what others take.
        let part = if matches!(operation, Operation::Udiv | Operation::Sdiv) { 20 } else { 1 };
        let (alone, each) = ((alone / part).max(1), (each / part).max(1));
        let thread = time(1, alone, false)? / f64::from(alone);
        let warp = time(1, alone, true)? / f64::from(alone);
        let all = f64::from(many) * f64::from(each) / time(many, each, false)?;
        rows.push(serde_json::json!({
            "operation": operation.name(),
            "thread_microseconds": thread * 1e6,
            "warp_microseconds": warp * 1e6,
            "results_per_second": all,
        }));
    }
    let report =
        serde_json::json!({ "device": device.describe(), "chains": many, "operations": rows });
    println!("{report:#}");
    Ok(())
}

struct Bench<'d, D> {
    device: &'d D,
    cells: u64,
    networks: u64,
}

impl<D: Device> Bench<'_, D> {
    /// Seconds that chains take, the second time they are computed. The results are checked.
    fn time(&self, operation: Operation, shape: Shape) -> Result<f64> {
        let Shape { count, length, together } = shape;
        let (a, b) = operands(count);
        let [to_a, to_b] = [put_words(self.device, &a)?, put_words(self.device, &b)?];
        let chains = Chains {
            cells: pointer(self.cells),
            networks: pointer(self.networks),
            operation: operation as u32,
            length,
            count,
            together: together.into(),
            a: pointer::<u64>(to_a).cast_mut(),
            b: pointer(to_b),
        };
        let record = put(self.device, &chains)?;
        let threads = if together { count * WARP } else { count };
        let mut seconds = 0.0;
        for _ in 0..2 {
            self.device.upload(to_a, bytes(&a))?;
            let start = self.device.mark()?;
            // SAFETY: the record leads to what was allocated above.
            unsafe { self.device.launch("ncpu_neural_chain", threads, BLOCK, record)? };
            let end = self.device.mark()?;
            seconds = f64::from(self.device.elapsed(&start, &end)?) / 1e3;
        }
        let mut results = vec![0u8; 8 * a.len()];
        self.device.download(to_a, &mut results)?;
        for (number, result) in results.as_chunks().0.iter().enumerate() {
            let mut expected = a[number];
            for _ in 0..length {
                expected = natively(operation, expected, b[number]);
            }
            let result = u64::from_le_bytes(*result);
            ensure!(
                result == expected,
                "{} of chain {number}: {result:#x}, not {expected:#x}",
                operation.name()
            );
        }
        for address in [to_a, to_b, record] {
            self.device.free(address);
        }
        Ok(seconds)
    }
}

/// Operands of chains: words of all lengths (a linear congruential generator, Knuth's MMIX).
fn operands(count: u32) -> (Vec<u64>, Vec<u64>) {
    let mut state = 1u64;
    let mut word = || {
        state = state.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
        state.rotate_left(32) >> (state >> 58)
    };
    (0..count).map(|_| (word(), word())).unzip()
}

/// What the processor's arithmetic gives.
fn natively(operation: Operation, a: u64, b: u64) -> u64 {
    let alu = NativeAlu;
    match operation {
        Operation::Add => alu.add(a, b),
        Operation::Sub => alu.sub(a, b),
        Operation::AddWithCarry => alu.add_with_carry(a, b, false).0,
        Operation::AddWithCarry32 => alu.add_with_carry32(a, b, false).0,
        Operation::Mul => alu.mul(a, b),
        Operation::Umulh => alu.umulh(a, b),
        Operation::Smulh => alu.smulh(a, b),
        Operation::Udiv => alu.udiv(a, b),
        Operation::Sdiv => alu.sdiv(a, b),
        Operation::And => alu.and(a, b),
        Operation::Or => alu.or(a, b),
        Operation::Xor => alu.xor(a, b),
        Operation::Not => alu.not(a),
        Operation::Shl => alu.shl(a, b),
        Operation::Lshr => alu.lshr(a, b),
        Operation::Ashr => alu.ashr(a, b),
        Operation::Ror => alu.ror(a, b),
        Operation::Ror32 => alu.ror32(a, b),
        Operation::Clz => alu.clz(a),
        Operation::Rbit => alu.rbit(a),
        Operation::Popcount => alu.popcount(a),
        Operation::Eq => Alu::eq(&alu, a, b).into(),
        Operation::Ltu => alu.ltu(a, b).into(),
        Operation::Lts => alu.lts(a, b).into(),
    }
}

fn pointer<T>(address: u64) -> *const T {
    std::ptr::with_exposed_provenance(address as usize)
}

fn bytes<T>(words: &[T]) -> &[u8] {
    // SAFETY: plain numbers. (Padding is never looked at.)
    unsafe { std::slice::from_raw_parts(words.as_ptr().cast(), size_of_val(words)) }
}

fn put<T>(device: &impl Device, value: &T) -> Result<u64> {
    put_words(device, std::slice::from_ref(value))
}

fn put_words<T>(device: &impl Device, words: &[T]) -> Result<u64> {
    let address = device.alloc(size_of_val(words) as u64)?;
    device.upload(address, bytes(words))?;
    Ok(address)
}
