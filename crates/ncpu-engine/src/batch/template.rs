//! From a case to a machine.

use super::{Case, GuestFile};
use crate::machine::{Boot, BootError, Machine, Pool, Program, boot};
use ncpu_linux::{Errno, Limits, vfs};
use std::sync::Arc;

/// Why there is no machine for a case.
#[derive(Debug, thiserror::Error)]
pub enum CaseError {
    /// It could not be made or booted.
    #[error(transparent)]
    Boot(#[from] BootError),
    /// A file could not be put into it.
    #[error("cannot put a file at {path:?}: {source}")]
    File {
        /// Where.
        path: String,
        /// The error that the machine's kernel gave.
        source: std::io::Error,
    },
    /// The template has run before, when its program has its arguments already.
    #[error("a machine from a snapshot cannot be given arguments or variables")]
    Restored,
}

/// How the template was booted.
#[derive(Clone)]
struct Recipe {
    boot: Boot,
    program: Program,
}

/// The machine that those of a batch start as.
pub struct Template {
    machine: Machine,
    recipe: Option<Recipe>,
}

impl Template {
    /// Frames that a pool needs for a template and `lanes` machines of it.
    pub fn frames(limits: Limits, lanes: usize) -> u32 {
        let machines = u32::try_from(lanes).unwrap_or(u32::MAX).saturating_add(1);
        limits.pages.saturating_mul(machines)
    }

    /// Boots a machine, whose standard streams must be no terminal.
    ///
    /// # Errors
    /// As [`boot`].
    pub fn boot(
        pool: &Arc<Pool>,
        limits: Limits,
        boot: Boot,
        program: Program,
    ) -> Result<Template, BootError> {
        let recipe = Recipe { boot, program };
        let machine = recipe.machine(pool, limits)?;
        Ok(Template { machine, recipe: Some(recipe) })
    }

    /// A machine that has run before, as from a snapshot. The inputs of cases are what comes after
    /// that which it has had.
    pub fn restored(machine: Machine) -> Template {
        Template { machine, recipe: None }
    }

    /// The machine itself.
    pub fn machine(&mut self) -> &mut Machine {
        &mut self.machine
    }

    /// Another template of the same, which shares its frames: for another thread.
    ///
    /// # Errors
    /// When the host cannot reserve the memory.
    pub fn fork(&mut self) -> Result<Template, BootError> {
        Ok(Template { machine: self.machine.fork()?, recipe: self.recipe.clone() })
    }

    /// Whether the case's machine starts as a fork of the template, and not with a boot of its own.
    pub fn is_forked_for(case: &Case) -> bool {
        case.arguments.is_none() && case.environment.is_empty()
    }

    /// The machine of a case, before its first instruction. Its input is not in it yet.
    ///
    /// # Errors
    /// When it cannot be made or booted, or a file has no room in it.
    pub fn prepare(&mut self, case: &Case) -> Result<Machine, CaseError> {
        let mut machine = if Template::is_forked_for(case) {
            self.machine.fork()?
        } else {
            let recipe = self.recipe.as_ref().ok_or(CaseError::Restored)?;
            recipe.of(case).machine(self.machine.pool(), self.machine.limits())?
        };
        for file in &case.files {
            provide(&mut machine, file)?;
        }
        Ok(machine)
    }
}

impl Recipe {
    fn machine(&self, pool: &Arc<Pool>, limits: Limits) -> Result<Machine, BootError> {
        let mut machine = Machine::new(pool, limits)?;
        machine.with_kernel(|kernel| boot(kernel, &self.boot, &self.program))?;
        Ok(machine)
    }

    /// The recipe with the case's arguments and variables.
    fn of(&self, case: &Case) -> Recipe {
        let mut recipe = self.clone();
        let program = &mut recipe.program;
        if let Some(arguments) = &case.arguments {
            program.arguments.truncate(1);
            program.arguments.extend_from_slice(arguments);
        }
        for entry in &case.environment {
            let name = |entry: &[u8]| entry.split(|&byte| byte == b'=').next().map(<[u8]>::to_vec);
            match program.environment.iter_mut().find(|other| name(other) == name(entry)) {
                Some(other) => other.clone_from(entry),
                None => program.environment.push(entry.clone()),
            }
        }
        recipe
    }
}

fn provide(machine: &mut Machine, file: &GuestFile) -> Result<(), CaseError> {
    let result =
        machine.with_kernel(|kernel| vfs::provide_file(kernel, &file.path, file.mode, &file.bytes));
    result.map_err(|Errno(number)| CaseError::File {
        path: String::from_utf8_lossy(&file.path).into_owned(),
        source: std::io::Error::from_raw_os_error(i32::from(number)),
    })
}
