//! What runs the machines. An engine is chosen here and nowhere else.

use crate::cli::Engine;
use crate::run::Guest;
use ncpu_cuda::{CudaError, Device};
use ncpu_engine::batch::{BatchEngine, CpuBatch, Rules, Template};
use ncpu_engine::{BootError, Pool};
use ncpu_gpu::{Emulation, GpuBatch, GpuError};
use ncpu_image::RootImage;
use ncpu_linux::Limits;
use std::num::{NonZeroU32, NonZeroUsize};
use std::thread::available_parallelism;

/// What was asked for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Choice {
    pub(super) engine: Engine,
    /// Machines at a time.
    pub(super) lanes: Option<NonZeroUsize>,
    /// How many machines there will be at most, if that is known.
    pub(super) machines: Option<u64>,
}

/// Boots the machine that all others start as, and the engine for it; the status to end with when
/// the program cannot be executed.
pub(super) fn start(
    root: RootImage,
    guest: &Guest,
    limits: Limits,
    rules: Rules,
    choice: Choice,
) -> anyhow::Result<Result<Box<dyn BatchEngine>, u8>> {
    let cores = available_parallelism().unwrap_or(NonZeroUsize::MIN);
    let threads = choice.lanes.map_or(cores, |lanes| lanes.min(cores));
    // Beside lanes of a GPU there is one machine at a time that is made here.
    let frames = Template::frames(limits, threads.get());
    let pool = Pool::new(root, frames)?;
    let mut template =
        match Template::boot(&pool, limits, guest.boot.clone(), guest.program.clone()) {
            Ok(template) => template,
            Err(error @ BootError::Execute { .. }) => {
                return Ok(Err(guest.refuse(error, pool.root())?));
            }
            Err(error) => return Err(error.into()),
        };
    let mut on_gpu = || gpu("gpu", ncpu_gpu::open()?, template.fork()?, rules, choice);
    Ok(Ok(match choice.engine {
        Engine::Cpu => Box::new(CpuBatch::new(template, rules, threads)),
        Engine::Gpu => on_gpu()?,
        Engine::GpuEmulated => gpu("gpu-emulated", Emulation::default(), template, rules, choice)?,
        Engine::Auto => match on_gpu() {
            Ok(engine) => {
                let device = engine.device().map(|figures| figures.device);
                eprintln!("ncpu: engine gpu: {}", device.unwrap_or_default());
                engine
            }
            Err(error) => {
                eprintln!("ncpu: engine cpu: {}", reason(&error));
                Box::new(CpuBatch::new(template, rules, threads))
            }
        },
    }))
}

fn gpu<D: Device + 'static>(
    name: &'static str,
    device: D,
    template: Template,
    rules: Rules,
    choice: Choice,
) -> Result<Box<dyn BatchEngine>, GpuError> {
    // No card has room for more.
    let lanes = |lanes| NonZeroU32::try_from(lanes).unwrap_or(NonZeroU32::MAX);
    let engine = GpuBatch::new(device, template, rules, choice.lanes.map(lanes), choice.machines)?;
    Ok(Box::new(engine.named(name)))
}

/// Why there is no GPU, for who has not asked for one.
fn reason(error: &GpuError) -> String {
    match error {
        GpuError::Cuda(CudaError::NoDriver { .. }) => "there is no NVIDIA driver".into(),
        GpuError::Cuda(CudaError::NoDevice { .. }) => "there is no NVIDIA GPU".into(),
        other => other.to_string(),
    }
}
