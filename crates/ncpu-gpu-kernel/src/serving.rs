//! The rounds' second half: system calls, faults, signals and scheduling, until a lane has something to
//! execute or needs the host.
//!
//! Output and input go between the machine's console and buffers of the lane in device memory, at the
//! same moments as a driver on the host's processor moves them, for these moments are part of the
//! machine's history.

use crate::batch::{Batch, Lane, state, stop};
use core::sync::atomic::{AtomicU32, Ordering};
use ncpu_linux::host::Request;
use ncpu_linux::tty::console;
use ncpu_linux::{Kernel, Slice, Stop};
use ncpu_machine::{PAGE_SIZE, Ppn};

/// Most bytes of input given to a machine at a time.
const INPUT_BLOCK: u64 = 1 << 16;
/// Most instructions of a straight line, which ends with its page at the latest.
const LONGEST_LINE: u64 = (PAGE_SIZE / 4) as u64;
/// Bytes before each record of output: stream and length.
const OUTPUT_HEADER: usize = 4;

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

/// Serves the lane if it asks for it.
///
/// # Safety
/// The batch must be complete, and no other thread may use the lane.
pub unsafe fn serve(batch: &Batch, lane: u32) {
    // SAFETY: the caller's promise. The record is also reached through the kernel's memory, but only
    // its allocation state, which this function does not touch.
    let record = unsafe { batch.record(lane) };
    if record.state != state::SERVE {
        return;
    }
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
    let stop = unsafe {
        obey(record, k);
        go_on(record, k)
    };
    record.total = k.header.retired;
    record.now = k.now();
    record.next_deadline = k.header.next_deadline;
    record.console_flags = k.header.console_flags;
    record.paced = k.header.paced;
    record.input_room = console::input_room(k) as u32;
    // SAFETY: the batch is complete.
    let round = unsafe { &mut *batch.round };
    match stop {
        None => {
            record.state = state::RUN;
            round.running = 1;
        }
        Some(why) => {
            record.state = state::STOPPED;
            record.stop = why;
            // SAFETY: a lane stops once between two looks of the host, so the list has room.
            unsafe {
                let at =
                    AtomicU32::from_ptr(&raw mut round.stopped).fetch_add(1, Ordering::Relaxed);
                batch.stopped.add(at as usize).write(lane);
            }
        }
    }
}

/// Does what the host has asked for while the lane was stopped.
///
/// # Safety
/// The lane's buffers must be as its record says.
unsafe fn obey(record: &mut Lane, k: &mut Kernel<'_>) {
    record.stop = 0;
    for at in 0..record.request_count as usize {
        // SAFETY: the caller's promise.
        let exchange = unsafe { &*(record.requests as *const Exchange).add(at) };
        let bytes = &exchange.page[..exchange.length as usize];
        k.answer(exchange.task as usize, exchange.request.result, bytes);
    }
    record.request_count = 0;
    k.header.skipped += core::mem::take(&mut record.skip);
    if core::mem::take(&mut record.skip_idle) != 0 {
        k.skip_to_deadline();
    }
    let window = core::mem::take(&mut record.window);
    if window != 0 {
        console::set_window_size(k, window as u16, (window >> 16) as u16);
    }
    if record.attended != 0 {
        // SAFETY: the caller's promise.
        unsafe { give(record, k) };
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

/// Runs the machine's operating system until there is something to execute, or returns why not.
///
/// # Safety
/// As for [`obey`].
unsafe fn go_on(record: &mut Lane, k: &mut Kernel<'_>) -> Option<u32> {
    loop {
        let retired = k.header.retired;
        let end = retired + (record.stride - retired % record.stride);
        // What is left before the limit has to be executed one by one, at its end.
        if record.limit <= end + LONGEST_LINE {
            return Some(stop::LIMIT);
        }
        let why = match k.next(end) {
            Ok(Slice { task, budget, counter }) => {
                record.task = task as u32;
                (record.budget, record.counter) = (budget, counter);
                (record.retired, record.uops) = (0, 0);
                return None;
            }
            Err(why) => why,
        };
        // SAFETY: the caller's promise.
        unsafe { take_output(record, k) };
        match why {
            Stop::Budget | Stop::Output | Stop::Observer => {
                if record.attended != 0 {
                    return Some(stop::BUDGET);
                }
            }
            // SAFETY: the caller's promise.
            Stop::Input if record.attended == 0 && unsafe { give(record, k) } => {}
            Stop::Input => return Some(stop::INPUT),
            Stop::Idle => return Some(stop::IDLE),
            Stop::Deadlock => return Some(stop::DEADLOCK),
            Stop::Ended(status) => {
                record.exit_status = status;
                return Some(stop::ENDED);
            }
            Stop::Host => {
                // SAFETY: the caller's promise.
                unsafe { ask(record, k) };
                return Some(stop::HOST);
            }
        }
        if record.attended != 0 && record.output_length * 2 > record.output_capacity {
            return Some(stop::OUTPUT);
        }
    }
}

/// Moves output from the machine's console to the lane's room for it.
///
/// # Safety
/// As for [`obey`].
unsafe fn take_output(record: &mut Lane, k: &mut Kernel<'_>) {
    console::drain_output(k, |stream, bytes| {
        let room = record.output_capacity - record.output_length;
        let count = (room as usize).saturating_sub(OUTPUT_HEADER).min(bytes.len());
        record.output_lost += (bytes.len() - count) as u64;
        if count == 0 {
            return;
        }
        let to = (record.output + record.output_length) as *mut u8;
        let header = [stream, 0, count as u8, (count >> 8) as u8];
        // SAFETY: the caller's promise; header and bytes fit in the room.
        unsafe {
            to.copy_from_nonoverlapping(header.as_ptr(), OUTPUT_HEADER);
            to.add(OUTPUT_HEADER).copy_from_nonoverlapping(bytes.as_ptr(), count);
        }
        record.output_length += (OUTPUT_HEADER + count) as u64;
    });
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
