//! What runs a machine. The engine for one is chosen here and nowhere else.

use crate::cli::{self, AluKind, Execution};
use crate::neural;
use crate::report::NeuralFigures;
use anyhow::Context;
use ncpu_alu::{Alu, NativeAlu};
use ncpu_cuda::{CudaError, Device};
use ncpu_engine::batch::DeviceFigures;
use ncpu_engine::{Ending, Folders, Host, Machine, Reason, Rules, drive};
use ncpu_gpu::{Emulation, GpuMachine, Opening, Purpose};
use ncpu_gpu_kernel::packed::PackedNetworks;
use ncpu_linux::tty::console;
use ncpu_neural::Certified;
use ncpu_neural::weights::Certificate;
use ncpu_neural_alu::NeuralAlu;

/// Runs one machine, in one drive or several.
pub(crate) trait Engine {
    /// Its name, as in `--engine`.
    fn name(&self) -> &'static str;

    /// Drives the machine until it ends or a rule says stop; it is in host memory before and after.
    /// `is_live` says that its input comes when it comes.
    ///
    /// # Errors
    /// When the machine cannot be put where the engine runs it.
    fn drive(
        &mut self,
        machine: &mut Machine,
        is_live: bool,
        host: &mut dyn Host,
        folders: &mut Folders,
        rules: Rules,
    ) -> anyhow::Result<Ending>;

    /// Pages of code that it has lifted.
    fn lifted_pages(&self) -> u64;

    /// What a GPU has to say.
    fn gpu(&self) -> Option<DeviceFigures>;

    /// What networks have computed.
    fn neural(&self) -> Option<NeuralFigures>;
}

/// Opens an engine for one machine. A GPU is opened beside what is done before the machine is driven,
/// and is missing only then.
pub(crate) fn open(execution: &Execution) -> anyhow::Result<Box<dyn Engine>> {
    let networks = match execution.alu {
        AluKind::Neural => Some(neural::open(&execution.weights)?),
        _ => None,
    };
    Ok(match (execution.engine, networks) {
        (cli::Engine::Cpu | cli::Engine::Auto, networks) => {
            let with_figures = |networks: Certified| {
                let figures = NeuralFigures::new(&networks.certificate);
                (networks, figures)
            };
            Box::new(Cpu { networks: networks.map(with_figures), lifted_pages: 0 })
        }
        (cli::Engine::Gpu, networks) => {
            let purpose = if networks.is_some() { Purpose::Neural } else { Purpose::One };
            let opening = Opening::begin(purpose).context("cannot start a thread")?;
            Box::new(Gpu::new("gpu", || opening.wait(), networks)?)
        }
        (cli::Engine::GpuEmulated, networks) => {
            Box::new(Gpu::new("gpu-emulated", || Ok(Emulation::default()), networks)?)
        }
    })
}

/// Frames on the host for a machine of so many pages.
pub(crate) fn frames(kind: cli::Engine, pages: u32) -> u32 {
    match kind {
        cli::Engine::Cpu | cli::Engine::Auto => pages,
        // The machine that is fetched takes the place of an older one that is still there.
        cli::Engine::Gpu | cli::Engine::GpuEmulated => pages.saturating_mul(2),
    }
}

/// The processor, with its own arithmetic or that of networks.
struct Cpu {
    networks: Option<(Certified, NeuralFigures)>,
    lifted_pages: u64,
}

impl Engine for Cpu {
    fn name(&self) -> &'static str {
        "cpu"
    }

    fn drive(
        &mut self,
        machine: &mut Machine,
        is_live: bool,
        host: &mut dyn Host,
        folders: &mut Folders,
        rules: Rules,
    ) -> anyhow::Result<Ending> {
        let lifted_pages = &mut self.lifted_pages;
        let Some((networks, figures)) = &mut self.networks else {
            return Ok(on_host(machine, &NativeAlu, is_live, host, folders, rules, lifted_pages));
        };
        let alu = NeuralAlu::new(&networks.cells);
        let ending = on_host(machine, &alu, is_live, host, folders, rules, lifted_pages);
        figures.add(&alu.tallies());
        Ok(ending)
    }

    fn lifted_pages(&self) -> u64 {
        self.lifted_pages
    }

    fn gpu(&self) -> Option<DeviceFigures> {
        None
    }

    fn neural(&self) -> Option<NeuralFigures> {
        self.networks.as_ref().map(|(_, figures)| figures.clone())
    }
}

/// Drives a machine on this processor, and counts the pages of code that were lifted.
fn on_host<A: Alu>(
    machine: &mut Machine,
    alu: &A,
    is_live: bool,
    host: &mut dyn Host,
    folders: &mut Folders,
    rules: Rules,
    lifted_pages: &mut u64,
) -> Ending {
    machine.with_kernel(|kernel| {
        // No part of what is saved and hashed.
        console::set_live(kernel, is_live);
        let ending = drive(kernel, alu, host, folders, rules);
        console::set_live(kernel, false);
        *lifted_pages += kernel.mem.lifted_pages();
        ending
    })
}

/// Waits until a device is open.
type Open<D> = Box<dyn FnOnce() -> Result<D, CudaError>>;

/// A machine on a GPU stays there from its first drive on; copies of it come back.
struct Gpu<D: Device> {
    name: &'static str,
    /// Until the machine has the device.
    open: Option<Open<D>>,
    machine: Option<GpuMachine<D>>,
    networks: Option<(Box<PackedNetworks>, Certificate)>,
}

impl<D: Device> Gpu<D> {
    fn new(
        name: &'static str,
        open: impl FnOnce() -> Result<D, CudaError> + 'static,
        networks: Option<Certified>,
    ) -> anyhow::Result<Gpu<D>> {
        let pack = |networks: Certified| -> anyhow::Result<_> {
            let packed = Box::new(PackedNetworks::new(&networks.networks)?);
            Ok((packed, networks.certificate))
        };
        let networks = networks.map(pack).transpose()?;
        Ok(Gpu { name, open: Some(Box::new(open)), machine: None, networks })
    }
}

impl<D: Device> Engine for Gpu<D> {
    fn name(&self) -> &'static str {
        self.name
    }

    fn drive(
        &mut self,
        machine: &mut Machine,
        is_live: bool,
        host: &mut dyn Host,
        folders: &mut Folders,
        rules: Rules,
    ) -> anyhow::Result<Ending> {
        if let Some(open) = self.open.take() {
            let mut gpu = GpuMachine::new(open()?, machine, is_live)?;
            if let Some((networks, _)) = &self.networks {
                gpu.use_networks(networks)?;
            }
            self.machine = Some(gpu);
        }
        let Some(gpu) = &mut self.machine else {
            anyhow::bail!("the machine could not be put onto the GPU before");
        };
        let mut ending = ncpu_engine::drive_machine(gpu, host, folders, rules);
        match (gpu.fetch(), &ending.reason) {
            (Ok(fetched), _) => *machine = fetched,
            // The machine is as it came back last.
            (Err(_), Reason::Engine(_)) => {}
            (Err(error), _) => ending.reason = Reason::Engine(error.into()),
        }
        Ok(ending)
    }

    fn lifted_pages(&self) -> u64 {
        // A GPU that has failed is reported elsewhere.
        self.machine.as_ref().and_then(|machine| machine.lifted_pages().ok()).unwrap_or(0)
    }

    fn gpu(&self) -> Option<DeviceFigures> {
        self.machine.as_ref().map(GpuMachine::figures)
    }

    fn neural(&self) -> Option<NeuralFigures> {
        let (_, certificate) = self.networks.as_ref()?;
        let mut figures = NeuralFigures::new(certificate);
        // A GPU that has failed is reported elsewhere.
        if let Some(Ok(Some(tallies))) = self.machine.as_ref().map(GpuMachine::tallies) {
            figures.add(&tallies);
        }
        Some(figures)
    }
}
