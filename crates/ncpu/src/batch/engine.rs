//! What runs the machines. An engine is chosen here and nowhere else.

use crate::cli::{AluKind, Engine, Execution};
use crate::report::tell;
use crate::run::{Guest, restore};
use anyhow::{Context, ensure};
use ncpu_cuda::{CudaError, Device};
use ncpu_engine::batch::{BatchEngine, CpuBatch, Networks, Rules, Template};
use ncpu_engine::{BootError, Machine, Pool};
use ncpu_gpu::{Emulation, GpuBatch, Opening, Purpose};
use ncpu_gpu_kernel::packed::PackedNetworks;
use ncpu_image::RootImage;
use ncpu_linux::Limits;
use ncpu_linux::tty::console;
use ncpu_neural::Certified;
use std::num::{NonZeroU32, NonZeroUsize};
use std::path::Path;
use std::thread::available_parallelism;

/// What was asked for.
pub(super) struct Choice {
    pub(super) engine: Engine,
    /// What does the arithmetic, if it is not the engine itself.
    pub(super) networks: Option<Certified>,
    /// Machines at a time.
    pub(super) lanes: Option<NonZeroUsize>,
    /// How many machines there will be at most, if that is known.
    pub(super) machines: Option<u64>,
    /// The GPU, if it may be used.
    pub(super) opening: Option<Opening>,
}

/// Begins to open the GPU, if it may be used: beside what is done before there is a machine.
pub(super) fn begin(execution: &Execution) -> anyhow::Result<Option<Opening>> {
    let purpose = match execution.alu {
        AluKind::Native => Purpose::Many,
        AluKind::Neural => Purpose::Neural,
    };
    let is_wanted = matches!(execution.engine, Engine::Gpu | Engine::Auto);
    let opening = is_wanted.then(|| Opening::begin(purpose)).transpose();
    opening.context("cannot start a thread")
}

/// How the machine is made that all others start as.
pub(super) enum Origin<'a> {
    /// It is booted.
    Boot(Box<Guest>, Limits),
    /// It is in this snapshot.
    Snapshot(&'a Path),
}

/// Makes the machine that all others start as, and the engine for it; the status to end with when
/// the program cannot be executed.
pub(super) fn start(
    root: RootImage,
    origin: &Origin<'_>,
    rules: Rules,
    mut choice: Choice,
) -> anyhow::Result<Result<Box<dyn BatchEngine>, u8>> {
    let cores = available_parallelism().unwrap_or(NonZeroUsize::MIN);
    let threads = choice.lanes.map_or(cores, |lanes| lanes.min(cores));
    // Beside lanes of a GPU there is one machine at a time that is made here.
    let frames = |limits| Template::frames(limits, threads.get());
    let mut template = match origin {
        Origin::Boot(guest, limits) => {
            let pool = Pool::new(root, frames(*limits))?;
            match Template::boot(&pool, *limits, guest.boot.clone(), guest.program.clone()) {
                Ok(template) => template,
                Err(error @ BootError::Execute { .. }) => {
                    return Ok(Err(guest.refuse(error, pool.root())?));
                }
                Err(error) => return Err(error.into()),
            }
        }
        Origin::Snapshot(path) => {
            let mut machine = restore(root, path, frames)?;
            check_snapshot(&mut machine).with_context(|| path.display().to_string())?;
            Template::restored(machine)
        }
    };
    let opening = choice.opening.take();
    let on_gpu = |template: &mut Template, choice: &Choice| {
        let card = opening.context("no GPU was asked for")?.wait()?;
        gpu("gpu", card, template.fork()?, rules, choice)
    };
    Ok(Ok(match choice.engine {
        Engine::Cpu => on_cpu(template, rules, threads, choice.networks),
        Engine::Gpu => on_gpu(&mut template, &choice)?,
        Engine::GpuEmulated => gpu("gpu-emulated", Emulation::default(), template, rules, &choice)?,
        Engine::Auto => match on_gpu(&mut template, &choice) {
            Ok(engine) => {
                let device = engine.device().map(|figures| figures.device);
                tell!("ncpu: engine gpu: {}", device.unwrap_or_default());
                engine
            }
            Err(error) => {
                tell!("ncpu: engine cpu: {}", reason(&error));
                on_cpu(template, rules, threads, choice.networks)
            }
        },
    }))
}

/// Whether a batch can give the machine of a snapshot inputs, and take its outputs.
fn check_snapshot(machine: &mut Machine) -> anyhow::Result<()> {
    let (flags, paced) =
        machine.with_kernel(|kernel| (kernel.header.console_flags, kernel.header.paced));
    ensure!(
        flags & console::CLOSED == 0,
        "the machine's standard input has ended: take the snapshot before the program reads its end"
    );
    ensure!(
        flags & console::TERMINAL == 0,
        "the machine has a terminal, which a batch has not: make the snapshot without -t"
    );
    ensure!(
        paced == 0,
        "the machine's clock follows the host's: make the snapshot with --clock virtual"
    );
    Ok(())
}

fn on_cpu(
    template: Template,
    rules: Rules,
    threads: NonZeroUsize,
    networks: Option<Certified>,
) -> Box<dyn BatchEngine> {
    let native = CpuBatch::new(template, rules, threads);
    match networks {
        None => Box::new(native),
        Some(networks) => Box::new(native.with(Networks::new(networks.cells))),
    }
}

fn gpu<D: Device + 'static>(
    name: &'static str,
    device: D,
    template: Template,
    rules: Rules,
    choice: &Choice,
) -> anyhow::Result<Box<dyn BatchEngine>> {
    // No card has room for more.
    let lanes = |lanes| NonZeroU32::try_from(lanes).unwrap_or(NonZeroU32::MAX);
    let mut engine =
        GpuBatch::new(device, template, rules, choice.lanes.map(lanes), choice.machines)?;
    if let Some(networks) = &choice.networks {
        engine.use_networks(&PackedNetworks::new(&networks.networks)?)?;
    }
    Ok(Box::new(engine.named(name)))
}

/// Why there is no GPU, for who has not asked for one.
fn reason(error: &anyhow::Error) -> String {
    match error.downcast_ref() {
        Some(CudaError::NoDriver { .. }) => "there is no NVIDIA driver".into(),
        Some(CudaError::NoDevice { .. }) => "there is no NVIDIA GPU".into(),
        _ => error.to_string(),
    }
}
