//! What runs the machines. An engine is chosen here and nowhere else.

use crate::run::Guest;
use ncpu_engine::batch::{BatchEngine, CpuBatch, Rules, Template};
use ncpu_engine::{BootError, Pool};
use ncpu_image::RootImage;
use ncpu_linux::Limits;
use std::num::NonZeroUsize;
use std::thread::available_parallelism;

/// Boots the machine that all others start as, and the engine for it; the status to end with when
/// the program cannot be executed.
pub(super) fn start(
    root: RootImage,
    guest: &Guest,
    limits: Limits,
    rules: Rules,
    lanes: Option<NonZeroUsize>,
) -> anyhow::Result<Result<Box<dyn BatchEngine>, u8>> {
    let cores = available_parallelism().unwrap_or(NonZeroUsize::MIN);
    let lanes = lanes.map_or(cores, |lanes| lanes.min(cores));
    let pool = Pool::new(root, Template::frames(limits, lanes.get()))?;
    match Template::boot(&pool, limits, guest.boot.clone(), guest.program.clone()) {
        Ok(template) => Ok(Ok(Box::new(CpuBatch::new(template, rules, lanes)))),
        Err(error @ BootError::Execute { .. }) => Ok(Err(guest.refuse(error, pool.root())?)),
        Err(error) => Err(error.into()),
    }
}
