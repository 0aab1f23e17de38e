//! One machine on a device, driven as one on the host's processor is.

#![allow(unsafe_code)]

use crate::error::{GpuError, Result};
use crate::lanes::Lanes;
use crate::memory::Plan;
use crate::pace::Pace;
use crate::plain::Plain;
use ncpu_cuda::Device;
use ncpu_engine::batch::DeviceFigures;
use ncpu_engine::{Driven, Fault, Folders, Machine, Status};
use ncpu_gpu_kernel::batch::{state, stop};
use ncpu_gpu_kernel::packed::PackedNetworks;
use ncpu_gpu_kernel::serving::{INPUT_BLOCK, OUTPUT_HEADER};
use ncpu_gpu_kernel::{Exchange, Given, Lane, exit, serving};
use ncpu_linux::Stop;
use ncpu_linux::tty::console;
use ncpu_machine::{Exit, Outcome};
use ncpu_neural_alu::Tallies;
use std::time::{Duration, Instant};

/// The lane that the machine is.
const LANE: u32 = 0;
/// How often a running machine's host is looked at.
const LOOK: Duration = Duration::from_millis(5);

/// A machine in the memory of a device.
pub struct GpuMachine<D: Device> {
    lanes: Lanes<D>,
    /// The lane's record, with what the machine was told since it stopped.
    record: Lane,
    /// Whether the lane goes on with that, or failed to.
    runs: bool,
    status: Status,
    /// Output that the lane has shown, in records.
    output: Vec<u8>,
    /// Input that was given since it stopped, and where it goes.
    input: Vec<u8>,
    input_at: u64,
    /// Requests that were answered since it stopped, and where they go.
    answers: Vec<Exchange>,
    requests_at: u64,
    /// Requests there that wait.
    waiting: u32,
    pace: Pace,
}

impl<D: Device> GpuMachine<D> {
    /// Puts a booted machine onto a device. `is_live` says that input comes when it comes.
    ///
    /// # Errors
    /// When the device has not enough memory, or a call of the driver fails.
    pub fn new(device: D, machine: &mut Machine, is_live: bool) -> Result<GpuMachine<D>> {
        let limits = machine.limits();
        let plan = Plan {
            lanes: 1,
            spread: false,
            frames: limits.pages.into(),
            staged: 0,
            // A record that wraps round the ring's end comes in two parts.
            output: (limits.console as usize + OUTPUT_HEADER) as u64,
        };
        let mut output = Vec::new();
        let status = machine.with_kernel(|kernel| {
            console::peek_output(kernel, |stream, bytes| {
                output.extend([stream, 0, bytes.len() as u8, (bytes.len() >> 8) as u8]);
                output.extend(bytes);
            });
            console::set_live(kernel, is_live);
            Status::of(kernel)
        });
        let lanes = Lanes::new(device, machine, &plan);
        machine.with_kernel(|kernel| console::set_live(kernel, false));
        let mut lanes = lanes?;
        let input_at = lanes.room(INPUT_BLOCK)?;
        let requests_at = lanes.room(u64::from(limits.tasks) * size_of::<Exchange>() as u64)?;
        let record = Lane {
            attended: 1,
            limit: u64::MAX,
            stride: u64::MAX,
            requests: requests_at,
            ..Lane::default()
        };
        lanes.fork(&[LANE], &record, &[Given { input: input_at, input_length: 0 }])?;
        let record = lanes.lane(LANE)?;
        Ok(GpuMachine {
            lanes,
            record,
            runs: false,
            status,
            output,
            input: Vec::new(),
            input_at,
            answers: Vec::new(),
            requests_at,
            waiting: 0,
            pace: Pace::new(),
        })
    }

    /// Has networks do the arithmetic from now on; see [`Lanes::use_networks`].
    ///
    /// # Errors
    /// As for [`Lanes::use_networks`].
    pub fn use_networks(&mut self, networks: &PackedNetworks) -> Result<()> {
        self.lanes.use_networks(networks)
    }

    /// What networks have computed so far; `None` without networks.
    ///
    /// # Errors
    /// When a call of the driver fails.
    pub fn tallies(&self) -> Result<Option<Tallies>> {
        self.lanes.tallies()
    }

    /// What the device has done so far.
    pub fn figures(&self) -> DeviceFigures {
        DeviceFigures { system_calls: self.record.calls, ..self.lanes.figures() }
    }

    /// Pages of code lifted so far.
    ///
    /// # Errors
    /// When a call of the driver fails.
    pub fn lifted_pages(&self) -> Result<u64> {
        self.lanes.lifted_pages()
    }

    /// A copy of the machine on the host, in the pool of the machine that it was made of. What the
    /// machine was told since it last stopped has happened to the copy. If a call of the driver has
    /// failed, the copy is as far as the lane has come.
    ///
    /// # Errors
    /// When the host has no memory for it, or a call of the driver fails.
    pub fn fetch(&mut self) -> Result<Machine> {
        let mut machine = self.lanes.fetch(LANE)?;
        let mut record = Lane {
            input: self.input.as_ptr().expose_provenance() as u64,
            requests: self.answers.as_ptr().expose_provenance() as u64,
            ..self.record
        };
        let lane = self.lanes.lane(LANE)?;
        machine.with_kernel(|kernel| {
            let is_cut = matches!(lane.state, state::RUN | state::EXACT);
            if is_cut || lane.pending != 0 {
                let exit = if is_cut { Exit::Budget } else { exit::decode(lane.exit) };
                let outcome = Outcome { exit, retired: lane.retired, uops: lane.uops };
                kernel.complete(lane.task as usize, &outcome);
            } else if !self.runs || lane.state == state::SERVE {
                // SAFETY: the record leads to the input and the answers, as long as it says.
                unsafe { serving::obey(&mut record, kernel) };
            }
            console::set_live(kernel, false);
        });
        Ok(machine)
    }

    /// Lets the lane go on with all that it was told.
    fn resume(&mut self) -> Result<()> {
        let device = self.lanes.device();
        if !self.input.is_empty() {
            device.upload(self.input_at, &self.input)?;
        }
        for (at, answer) in (self.requests_at..).step_by(size_of::<Exchange>()).zip(&self.answers) {
            device.upload(at, answer.bytes())?;
        }
        self.runs = true;
        self.lanes.resume(LANE, &self.record)
    }

    /// Runs until the lane stops.
    fn run(&mut self, look: &mut dyn FnMut() -> bool) -> Result<()> {
        self.resume()?;
        let mut looked = Instant::now();
        let mut is_asked_back = false;
        loop {
            let (round, spent) = self.lanes.round(self.pace.slice())?;
            self.pace.after(&round, &spent, 1);
            if round.stopped != 0 {
                return self.stopped();
            }
            if round.running == 0 {
                return Err(GpuError::Stuck);
            }
            if !is_asked_back && looked.elapsed() >= LOOK {
                is_asked_back = look();
                looked = Instant::now();
                if is_asked_back {
                    // The slice ends here, at a taken branch; but 0 would be no end at all, in a machine
                    // whose first code is still being lifted.
                    let record = self.lanes.lane(LANE)?;
                    let until = (record.total + record.retired).max(1);
                    let record = Lane { pending: 1, exit: [0; 3], until, ..record };
                    self.lanes.resume(LANE, &record)?;
                }
            }
        }
    }

    /// Takes note of a stop.
    fn stopped(&mut self) -> Result<()> {
        let record = self.lanes.lane(LANE)?;
        self.output.resize(record.output_length as usize, 0);
        self.lanes.device().download(record.output, &mut self.output)?;
        self.status = Status {
            retired: record.total,
            now: record.now,
            next_deadline: record.next_deadline,
            is_paced: record.paced != 0,
            console_flags: record.console_flags,
            input_room: record.input_room as usize,
            is_output_due: record.output_due != 0,
            exit_status: record.exit_status,
        };
        self.waiting = record.request_count;
        self.record =
            Lane { input_length: 0, input_taken: 0, input_ends: 0, request_count: 0, ..record };
        self.input.clear();
        self.answers.clear();
        self.runs = false;
        Ok(())
    }
}

impl<D: Device> Driven for GpuMachine<D> {
    fn status(&self) -> Status {
        self.status
    }

    fn advance(
        &mut self,
        left: u64,
        limit: Option<u64>,
        look: &mut dyn FnMut() -> bool,
    ) -> std::result::Result<Stop, Fault> {
        let start = self.status.retired;
        self.record.until = start.saturating_add(left);
        self.record.limit = limit.map_or(u64::MAX, |limit| start.saturating_add(limit));
        self.run(look)?;
        Ok(match self.record.stop {
            stop::BUDGET => Stop::Budget,
            stop::HOST => Stop::Host,
            stop::OUTPUT => Stop::Output,
            stop::INPUT => Stop::Input,
            stop::IDLE => Stop::Idle,
            stop::DEADLOCK => Stop::Deadlock,
            stop::ENDED => Stop::Ended(self.record.exit_status),
            stop::LIMIT => Stop::Observer,
            _ => return Err(GpuError::Stuck.into()),
        })
    }

    fn skip(&mut self, nanoseconds: u64) {
        self.record.skip += nanoseconds;
        self.status.now += nanoseconds;
    }

    fn set_window_size(&mut self, rows: u16, columns: u16) {
        self.record.window = 1 << 32 | u64::from(columns) << 16 | u64::from(rows);
    }

    fn push_input(&mut self, bytes: &[u8]) {
        let room = INPUT_BLOCK as usize - self.input.len();
        self.input.extend(&bytes[..bytes.len().min(room)]);
        self.record.input_length = self.input.len() as u64;
    }

    fn close_input(&mut self) {
        self.record.input_ends = 1;
    }

    fn drain_output(&mut self, take: &mut dyn FnMut(u8, &[u8])) {
        serving::for_each_output(&self.output, take);
        self.output.clear();
        self.record.output_taken = 1;
    }

    fn serve(&mut self, folders: &mut Folders) -> std::result::Result<(), Fault> {
        for number in 0..u64::from(self.waiting) {
            let mut exchange = Exchange::default();
            let at = self.requests_at + number * size_of::<Exchange>() as u64;
            self.lanes.device().download(at, exchange.bytes_mut()).map_err(GpuError::from)?;
            let (result, bytes) = folders.respond(&exchange.request, &exchange.page);
            exchange.request.result = result;
            exchange.length = bytes.len() as u32;
            exchange.page[..bytes.len()].copy_from_slice(&bytes);
            self.answers.push(exchange);
        }
        self.record.request_count = std::mem::take(&mut self.waiting);
        Ok(())
    }
}
