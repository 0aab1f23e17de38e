//! The rounds' second half: system calls, faults, signals and scheduling, until a lane has something to
//! execute or needs the host.
//!
//! Output and input go between the machine's console and buffers of the lane in device memory, at the
//! same moments as a driver on the host's processor moves them, for these moments are part of the
//! machine's history. An attended lane leaves these moments to its host: it shows its output whenever it
//! stops, and does what it was told when it goes on.

use crate::batch::{Batch, Lane, WARP, state, stop};
use core::mem::take;
use core::sync::atomic::{AtomicU32, Ordering};
use ncpu_linux::host::Request;
use ncpu_linux::tty::console;
use ncpu_linux::{Kernel, LONGEST_LINE, Slice, Stop};
use ncpu_machine::{PAGE_SIZE, Ppn};

/// Most bytes of input given to a machine at a time.
pub const INPUT_BLOCK: u64 = 1 << 16;
/// Bytes before each record of output: stream and length.
pub const OUTPUT_HEADER: usize = 4;

/// A request to the host on its way out or back.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Exchange {
    /// The task that asks.
    pub task: u32,
    /// Host: bytes of the answer in `page`.
    pub length: u32,
    /// The request; the host sets its `result`.
    pub request: Request,
    /// The request's page of bytes.
    pub page: [u8; PAGE_SIZE],
}

impl Default for Exchange {
    fn default() -> Self {
        Exchange { task: 0, length: 0, request: Request::default(), page: [0; PAGE_SIZE] }
    }
}

/// For so long, in nanoseconds, a launch takes lanes up to serve them: the display and other users of the GPU wait for
/// its end.
const LONGEST: u64 = 4_000_000;

/// Serves lanes that wait, one after the other, until none is left, or for [`LONGEST`]: the first thread of each warp
/// does, and no other. Where several threads of a warp served machines that went ways of their own, bytes that they
/// had stored on their stacks were lost on an H200 (docs/measurements/lanes.md).
///
/// # Safety
/// The batch must be complete, and all lanes have executed.
pub unsafe fn serve_waiting(batch: &Batch, thread: u32) {
    if !thread.is_multiple_of(WARP) {
        return;
    }
    // SAFETY: the caller's promise. Other threads touch the number in this way only, and each lane is on
    // the list once.
    unsafe {
        let (count, start) = ((*batch.round).waiting, nanoseconds());
        let served = AtomicU32::from_ptr(&raw mut (*batch.round).served);
        while nanoseconds() - start < LONGEST {
            let at = served.fetch_add(1, Ordering::Relaxed);
            if at >= count {
                return;
            }
            serve(batch, *batch.waiting.add(at as usize));
        }
    }
}

/// A GPU's clock. On the host, where nobody waits, time stands still.
fn nanoseconds() -> u64 {
    #[cfg(target_arch = "nvptx64")]
    {
        unsafe extern "unadjusted" {
            #[link_name = "llvm.nvvm.read.ptx.sreg.globaltimer"]
            fn global_timer() -> u64;
        }
        // SAFETY: reading this register has no conditions.
        unsafe { global_timer() }
    }
    #[cfg(not(target_arch = "nvptx64"))]
    0
}

/// Serves a lane that waits for it.
///
/// # Safety
/// The batch must be complete, and no other thread may use the lane.
unsafe fn serve(batch: &Batch, lane: u32) {
    // SAFETY: the caller's promise. The record is also reached through the kernel's memory, but only
    // its allocation state, which this function does not touch.
    let record = unsafe { batch.record(lane) };
    // SAFETY: the caller's promise.
    let Some(mut kernel) = (unsafe { batch.kernel(lane) }) else { return };
    let k = &mut kernel;
    if record.pending != 0 {
        record.pending = 0;
        if matches!(record.outcome().exit, ncpu_machine::Exit::SystemCall(_)) {
            record.calls += 1;
        }
        k.complete(record.task as usize, &record.outcome());
    }
    // SAFETY: the lane's buffers are as the host has described them.
    let next = unsafe {
        obey(record, k);
        go_on(record, k)
    };
    record.total = k.header.retired;
    record.now = k.now();
    record.next_deadline = k.header.next_deadline;
    record.console_flags = k.header.console_flags;
    record.output_due = (k.header.inside_line == console::OUTPUT_DUE) as u32;
    record.paced = k.header.paced;
    record.input_room = console::input_room(k) as u32;
    // SAFETY: the batch is complete.
    let round = unsafe { &mut *batch.round };
    // SAFETY: a number of the round, which other lanes touch in this way only.
    let count =
        |number: &mut u32| unsafe { AtomicU32::from_ptr(number).fetch_add(1, Ordering::Relaxed) };
    match next {
        Ok(state) => {
            record.state = state;
            round.running = 1;
            if state == state::EXACT {
                round.exact = 1;
            }
        }
        Err(why) => {
            record.state = state::STOPPED;
            record.stop = why;
            let at = count(&mut round.stopped);
            // SAFETY: a lane stops once between two looks of the host, so the list has room.
            unsafe { batch.stopped.add(at as usize).write(lane) };
        }
    }
}

/// Makes each chosen lane, which must have stopped, go on with an empty room for output: one thread for
/// each.
///
/// # Safety
/// The batch must be complete, and no lane run.
pub unsafe fn resume(batch: &Batch, at: u32) {
    // SAFETY: the caller's promise; each thread has its own lane.
    unsafe {
        if at < batch.chosen_count {
            let record = batch.record(*batch.chosen.add(at as usize));
            record.output_length = 0;
            record.state = state::SERVE;
        }
    }
}

/// Makes each chosen lane, which must not have stopped, stop at its limit in the next round, wherever it
/// is then: one thread for each.
///
/// # Safety
/// As for [`resume`].
pub unsafe fn cut(batch: &Batch, at: u32) {
    // SAFETY: the caller's promise; each thread has its own lane.
    unsafe {
        if at < batch.chosen_count {
            let record = batch.record(*batch.chosen.add(at as usize));
            record.limit = 0;
            record.budget = record.retired;
        }
    }
}

/// Does what the host has asked for while the lane was stopped.
///
/// # Safety
/// Input and requests must be where the record says.
pub unsafe fn obey(record: &mut Lane, k: &mut Kernel<'_>) {
    record.stop = 0;
    if take(&mut record.output_taken) != 0 {
        console::drain_output(k, |_, _| {});
    }
    for at in 0..take(&mut record.request_count) as usize {
        // SAFETY: the caller's promise.
        let exchange = unsafe { &*(record.requests as *const Exchange).add(at) };
        let bytes = &exchange.page[..exchange.length as usize];
        k.answer(exchange.task as usize, exchange.request.result, bytes);
    }
    if record.attended != 0 {
        // SAFETY: the caller's promise.
        unsafe { give(record, k) };
    }
    k.header.skipped += take(&mut record.skip);
    let window = take(&mut record.window);
    if window != 0 {
        console::set_window_size(k, window as u16, (window >> 16) as u16);
    }
}

/// Gives the machine the next block of its input, or the end of it; says whether there was either.
///
/// # Safety
/// As for [`obey`].
unsafe fn give(record: &mut Lane, k: &mut Kernel<'_>) -> bool {
    let left = record.input_length - record.input_taken;
    let count = left.min(console::input_room(k) as u64).min(INPUT_BLOCK);
    if count != 0 {
        let from = (record.input + record.input_taken) as *const u8;
        // SAFETY: the caller's promise.
        let bytes = unsafe { core::slice::from_raw_parts(from, count as usize) };
        record.input_taken += console::push_input(k, bytes) as u64;
        return true;
    }
    if left == 0 && record.input_ends != 0 {
        console::close_input(k);
        return true;
    }
    false
}

/// Runs the machine's operating system until there is something to execute, and says in which state, or
/// returns why not.
///
/// What happens at the multiples of a slice and at the limit is what `drive` of `ncpu-engine` does.
///
/// # Safety
/// As for [`obey`].
unsafe fn go_on(record: &mut Lane, k: &mut Kernel<'_>) -> Result<u32, u32> {
    loop {
        let retired = k.header.retired;
        let is_cut = k.header.inside_line != 0;
        if retired >= record.limit && (is_cut || record.until == 0) {
            if record.until != 0 && retired >= record.until {
                k.header.inside_line = console::OUTPUT_DUE;
            }
            // SAFETY: the caller's promise.
            return Err(unsafe { stop_at_limit(record, k) });
        }
        if record.until == 0 {
            let left = match k.header.inside_line {
                console::OUTPUT_DUE => 0,
                _ => record.stride - retired % record.stride,
            };
            record.until = retired + left;
        }
        // Counting every instruction takes time, so that is only done where a line may cross the limit.
        let near = record.limit.saturating_sub(LONGEST_LINE);
        let (then, end) = if retired < near {
            (state::RUN, record.until.min(near))
        } else {
            (state::EXACT, record.until.min(record.limit))
        };
        let why = match k.next(end) {
            Ok(Slice { task, budget, counter }) => {
                record.task = task as u32;
                (record.budget, record.counter) = (budget, counter);
                (record.retired, record.uops) = (0, 0);
                return Ok(then);
            }
            Err(why) => why,
        };
        let retired = k.header.retired;
        let is_over = retired >= record.limit;
        let is_due = why == Stop::Budget && retired >= record.until;
        if why == Stop::Budget && retired >= end && !is_due && !is_over {
            // No more than the way to the limit is over.
            continue;
        }
        record.until = 0;
        if is_over && !is_due && !matches!(why, Stop::Ended(_)) {
            // SAFETY: the caller's promise.
            return Err(unsafe { stop_at_limit(record, k) });
        }
        // SAFETY: the caller's promise.
        unsafe { take_output(record, k) };
        match why {
            Stop::Budget | Stop::Output | Stop::Observer => {
                if record.attended != 0 {
                    return Err(if why == Stop::Output { stop::OUTPUT } else { stop::BUDGET });
                }
            }
            // SAFETY: the caller's promise.
            Stop::Input if record.attended == 0 && unsafe { give(record, k) } => {}
            Stop::Input => return Err(stop::INPUT),
            Stop::Idle => return Err(stop::IDLE),
            Stop::Deadlock => return Err(stop::DEADLOCK),
            Stop::Ended(status) => {
                record.exit_status = status;
                return Err(stop::ENDED);
            }
            Stop::Host => {
                // SAFETY: the caller's promise.
                unsafe { ask(record, k) };
                return Err(stop::HOST);
            }
        }
        // Whatever comes next, its output will have room.
        if record.output_capacity - record.output_length < most_output(k) {
            return Err(stop::OUTPUT);
        }
    }
}

/// The most bytes that output of the machine takes in the lane's room: what the console's ring holds,
/// and the header of a record that goes round its end.
fn most_output(k: &Kernel<'_>) -> u64 {
    (k.console_out.len() + OUTPUT_HEADER) as u64
}

/// What is to be done at the limit. A machine that only pauses there goes on later as if nothing had
/// happened, so its output is taken when it is due.
///
/// # Safety
/// As for [`obey`].
unsafe fn stop_at_limit(record: &mut Lane, k: &mut Kernel<'_>) -> u32 {
    record.until = 0;
    if record.pauses == 0 {
        // SAFETY: the caller's promise.
        unsafe { take_output(record, k) };
    }
    stop::LIMIT
}

/// Moves output from the machine's console to the lane's room for it, which has enough left; or shows it
/// there, for a host that decides when it is taken.
///
/// # Safety
/// As for [`obey`].
unsafe fn take_output(record: &mut Lane, k: &mut Kernel<'_>) {
    if record.attended != 0 {
        record.output_length = 0;
        // SAFETY: the caller's promise.
        console::peek_output(k, |stream, bytes| unsafe { put(record, stream, bytes) });
    } else {
        // SAFETY: the caller's promise.
        console::drain_output(k, |stream, bytes| unsafe { put(record, stream, bytes) });
    }
}

/// Puts output into the lane's room for it.
///
/// # Safety
/// The room must be as the record says.
unsafe fn put(record: &mut Lane, stream: u8, bytes: &[u8]) {
    let count = bytes.len();
    let length = (OUTPUT_HEADER + count) as u64;
    if count == 0 || length > record.output_capacity - record.output_length {
        return;
    }
    let to = (record.output + record.output_length) as *mut u8;
    let header = [stream, 0, count as u8, (count >> 8) as u8];
    // SAFETY: the caller's promise; header and bytes fit in the room.
    unsafe {
        to.copy_from_nonoverlapping(header.as_ptr(), OUTPUT_HEADER);
        let room = core::slice::from_raw_parts_mut(to.add(OUTPUT_HEADER), count);
        ncpu_linux::copy(room, bytes);
    }
    record.output_length += length;
}

/// Calls `take` with the stream and the bytes of every record of a lane's output.
pub fn for_each_output(mut output: &[u8], mut take: impl FnMut(u8, &[u8])) {
    while let Some((&[stream, _, low, high], rest)) = output.split_first_chunk::<OUTPUT_HEADER>() {
        let (bytes, after) = rest.split_at(rest.len().min(u16::from_le_bytes([low, high]).into()));
        take(stream, bytes);
        output = after;
    }
}

/// Puts all waiting requests where the host finds them.
///
/// # Safety
/// As for [`obey`].
unsafe fn ask(record: &mut Lane, k: &mut Kernel<'_>) {
    let mut count = 0;
    for task in 0..k.requests.len() {
        let request = k.requests[task];
        if request.operation == 0 || request.done != 0 || record.requests == 0 {
            continue;
        }
        // SAFETY: the room has a place for each task.
        let exchange = unsafe { &mut *(record.requests as *mut Exchange).add(count) };
        exchange.task = task as u32;
        exchange.request = request;
        k.mem.read_page(Ppn(request.page), 0, &mut exchange.page);
        count += 1;
    }
    record.request_count = count as u32;
}
