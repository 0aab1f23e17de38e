//! futex(2) and robust lists.
//!
//! A waiter is a task with a place in the queue (`futex_order`); the key of what it waits for and
//! the bits that a wake must share are in its record too. A wake takes waiters out of the queue in
//! order of arrival and marks them; when they run again they see the mark.

use super::{Task, state, task_by_tid};
use crate::image::{Kernel, Record};
use crate::mm;
use crate::time;
use crate::{Block, Channel, Errno, SysResult};

const FUTEX_WAIT: u32 = 0;
const FUTEX_WAKE: u32 = 1;
const FUTEX_REQUEUE: u32 = 3;
const FUTEX_CMP_REQUEUE: u32 = 4;
const FUTEX_WAKE_OP: u32 = 5;
const FUTEX_LOCK_PI: u32 = 6;
const FUTEX_UNLOCK_PI: u32 = 7;
const FUTEX_TRYLOCK_PI: u32 = 8;
const FUTEX_WAIT_BITSET: u32 = 9;
const FUTEX_WAKE_BITSET: u32 = 10;
const FUTEX_LOCK_PI2: u32 = 13;
const FUTEX_PRIVATE_FLAG: u32 = 128;
const FUTEX_CLOCK_REALTIME: u32 = 256;
const MATCH_ANY: u32 = u32::MAX;

/// A PI or robust futex has waiters.
const FUTEX_WAITERS: u32 = 0x8000_0000;
/// The owner of a PI or robust futex has died.
const FUTEX_OWNER_DIED: u32 = 0x4000_0000;
/// The owner's thread number in a PI or robust futex.
const FUTEX_TID_MASK: u32 = 0x3fff_ffff;

fn check_aligned(address: u64) -> Result<(), Errno> {
    if address & 3 == 0 { Ok(()) } else { Err(Errno::EINVAL) }
}

fn key_of(k: &mut Kernel<'_>, address: u64, shared: bool) -> Result<u64, Errno> {
    check_aligned(address)?;
    mm::futex_key(k, address, shared)
}

/// The first waiter of the queue of `key` that shares a bit with `bits`.
fn first_waiter(k: &Kernel<'_>, key: u64, bits: u32) -> Option<usize> {
    let end = k.header.task_end as usize;
    k.tasks[..end]
        .iter()
        .enumerate()
        .filter(|(_, t)| {
            t.state != state::FREE
                && t.futex_order != 0
                && t.futex_key == key
                && t.futex_bits & bits != 0
        })
        .min_by_key(|(_, t)| t.futex_order)
        .map(|(task, _)| task)
}

/// Takes a waiter out of its queue and lets it go on.
fn release_waiter(k: &mut Kernel<'_>, task: usize) {
    let t = &mut k.tasks[task];
    t.futex_order = 0;
    t.futex_woken = 1;
    k.wake_task(task);
}

/// Wakes up to `count` waiters and says how many; those of futex_waitv count too.
fn wake(k: &mut Kernel<'_>, key: u64, count: u32, bits: u32) -> u32 {
    let mut woken = 0;
    while woken < count {
        let single = first_waiter(k, key, bits);
        let vector = first_vector(k, key);
        let order = |task: Option<usize>, k: &Kernel<'_>| {
            task.map_or(u64::MAX, |task| k.tasks[task].futex_order)
        };
        match (single, vector) {
            (None, None) => break,
            (single, Some(place)) if k.futex_vectors[place].order < order(single, k) => {
                release_vector(k, place);
            }
            (Some(task), _) => release_waiter(k, task),
            (None, Some(place)) => release_vector(k, place),
        }
        woken += 1;
    }
    woken
}

/// Wakes waiters of the word at an address of the current memory, private or shared.
pub(super) fn wake_at(k: &mut Kernel<'_>, address: u64, count: u32) {
    let private = key_of(k, address, false);
    let shared = key_of(k, address, true).ok().filter(|key| private != Ok(*key));
    for key in private.ok().into_iter().chain(shared) {
        wake(k, key, count, MATCH_ANY);
    }
}

/// Puts the current task into the queue of `key`.
fn enqueue(k: &mut Kernel<'_>, key: u64, bits: u32) {
    let order = k.next_order();
    let t = k.task();
    t.futex_key = key;
    t.futex_bits = bits;
    t.futex_order = order;
    t.futex_woken = 0;
}

/// The absolute virtual deadline of a call; `absolute` and `real` say how the timespec counts.
fn deadline(
    k: &mut Kernel<'_>,
    timeout: u64,
    absolute: bool,
    real: bool,
) -> Result<Option<u64>, Errno> {
    if timeout == 0 {
        return Ok(None);
    }
    if k.task().call_deadline == 0 {
        let at = time::read_timeout(k, timeout)?;
        let at = match (absolute, real) {
            (false, _) => k.now().saturating_add(at),
            (true, false) => at,
            (true, true) => time::at_wall_time(k, at),
        };
        k.task().call_deadline = at.max(1);
    }
    Ok(Some(k.task().call_deadline))
}

fn wait(
    k: &mut Kernel<'_>,
    address: u64,
    shared: bool,
    expected: u32,
    deadline: Option<u64>,
    bits: u32,
) -> SysResult {
    if bits == 0 {
        return Err(Errno::EINVAL.into());
    }
    if k.task().futex_woken != 0 {
        return Ok(0);
    }
    if k.task().futex_order == 0 {
        let key = key_of(k, address, shared)?;
        if k.read_record::<u32>(address)? != expected {
            return Err(Errno::EAGAIN.into());
        }
        enqueue(k, key, bits);
    }
    if deadline.is_some_and(|deadline| k.now() >= deadline) {
        return Err(Errno::ETIMEDOUT.into());
    }
    let channel = Channel::Futex(k.task().futex_key);
    if deadline.is_some() {
        Err(Block::SleepOnce(channel, deadline))
    } else {
        Err(Block::Sleep(channel, None))
    }
}

/// Moves up to `count` waiters from one queue to another and says how many.
fn requeue(k: &mut Kernel<'_>, from: u64, to: u64, count: u32) -> u32 {
    let mut moved = 0;
    while moved < count && from != to {
        let Some(task) = first_waiter(k, from, MATCH_ANY) else { break };
        let order = k.next_order();
        let t = &mut k.tasks[task];
        t.futex_key = to;
        t.futex_order = order;
        moved += 1;
    }
    moved
}

/// The operation of FUTEX_WAKE_OP: changes the word and says whether the old value compares true.
fn wake_operation(k: &mut Kernel<'_>, address: u64, code: u32) -> Result<bool, Errno> {
    let sign_extend = |field: u32| ((field & 0xfff) << 20) as i32 >> 20;
    let (operation, comparison) = (code >> 28 & 7, code >> 24 & 15);
    let (operand, limit) = (sign_extend(code >> 12), sign_extend(code));
    let operand = if code >> 31 != 0 { 1 << (operand & 31) } else { operand };
    let old = k.read_record::<i32>(address)?;
    let new = match operation {
        0 => operand,
        1 => old.wrapping_add(operand),
        2 => old | operand,
        3 => old & !operand,
        4 => old ^ operand,
        _ => return Err(Errno::ENOSYS),
    };
    k.write_record(address, &new)?;
    match comparison {
        0 => Ok(old == limit),
        1 => Ok(old != limit),
        2 => Ok(old < limit),
        3 => Ok(old <= limit),
        4 => Ok(old > limit),
        5 => Ok(old >= limit),
        _ => Err(Errno::ENOSYS),
    }
}

fn lock_pi(
    k: &mut Kernel<'_>,
    address: u64,
    shared: bool,
    deadline: Option<u64>,
    wait: bool,
) -> SysResult {
    if k.task().futex_woken != 0 {
        // Whoever unlocked it has made this task the owner.
        return Ok(0);
    }
    let key = key_of(k, address, shared)?;
    let tid = k.task().tid;
    let word = k.read_record::<u32>(address)?;
    if k.task().futex_order == 0 {
        let owner = word & FUTEX_TID_MASK;
        if owner == 0 {
            let waiters = if first_waiter(k, key, MATCH_ANY).is_some() { FUTEX_WAITERS } else { 0 };
            k.write_record(address, &(tid | waiters | word & FUTEX_OWNER_DIED))?;
            return Ok(0);
        }
        if owner == tid {
            return Err(Errno::EDEADLK.into());
        }
        if !wait {
            return Err(Errno::EAGAIN.into());
        }
        if task_by_tid(k, owner).is_none() {
            return Err(Errno::ESRCH.into());
        }
        k.write_record(address, &(word | FUTEX_WAITERS))?;
        enqueue(k, key, MATCH_ANY);
    }
    if deadline.is_some_and(|deadline| k.now() >= deadline) {
        return Err(Errno::ETIMEDOUT.into());
    }
    Err(Block::Sleep(Channel::Futex(key), deadline))
}

fn unlock_pi(k: &mut Kernel<'_>, address: u64, shared: bool) -> SysResult {
    let key = key_of(k, address, shared)?;
    let word = k.read_record::<u32>(address)?;
    if word & FUTEX_TID_MASK != k.task().tid {
        return Err(Errno::EPERM.into());
    }
    pass_on(k, address, key, 0)?;
    Ok(0)
}

/// Makes the first waiter the owner of a PI futex, or leaves it free, with `flags` in the word.
fn pass_on(k: &mut Kernel<'_>, address: u64, key: u64, flags: u32) -> Result<(), Errno> {
    let Some(next) = first_waiter(k, key, MATCH_ANY) else {
        return k.write_record(address, &flags);
    };
    let tid = k.tasks[next].tid;
    release_waiter(k, next);
    let more = if first_waiter(k, key, MATCH_ANY).is_some() { FUTEX_WAITERS } else { 0 };
    k.write_record(address, &(tid | more | flags))
}

/// futex(2).
pub fn futex(
    k: &mut Kernel<'_>,
    address: u64,
    operation: u32,
    value: u32,
    timeout: u64,
    other: u64,
    value3: u32,
) -> SysResult {
    let command = operation & !(FUTEX_PRIVATE_FLAG | FUTEX_CLOCK_REALTIME);
    let shared = operation & FUTEX_PRIVATE_FLAG == 0;
    let real = operation & FUTEX_CLOCK_REALTIME != 0;
    if real && !matches!(command, FUTEX_WAIT_BITSET | FUTEX_LOCK_PI2) {
        return Err(Errno::ENOSYS.into());
    }
    // For the operations that wake, the timeout is a second count.
    let count = timeout as u32;
    match command {
        FUTEX_WAIT => {
            let deadline = deadline(k, timeout, false, false)?;
            wait(k, address, shared, value, deadline, MATCH_ANY)
        }
        FUTEX_WAIT_BITSET => {
            let deadline = deadline(k, timeout, true, real)?;
            wait(k, address, shared, value, deadline, value3)
        }
        FUTEX_WAKE | FUTEX_WAKE_BITSET => {
            let bits = if command == FUTEX_WAKE { MATCH_ANY } else { value3 };
            if bits == 0 {
                return Err(Errno::EINVAL.into());
            }
            let key = key_of(k, address, shared)?;
            // Linux wakes one for a count of zero or less.
            Ok(u64::from(wake(k, key, (value as i32).max(1) as u32, bits)))
        }
        FUTEX_REQUEUE | FUTEX_CMP_REQUEUE => {
            if (value as i32) < 0 || (count as i32) < 0 {
                return Err(Errno::EINVAL.into());
            }
            let (from, to) = (key_of(k, address, shared)?, key_of(k, other, shared)?);
            if command == FUTEX_CMP_REQUEUE && k.read_record::<u32>(address)? != value3 {
                return Err(Errno::EAGAIN.into());
            }
            let woken = wake(k, from, value, MATCH_ANY);
            let moved = requeue(k, from, to, count);
            Ok(u64::from(woken + moved))
        }
        FUTEX_WAKE_OP => {
            let (first, second) = (key_of(k, address, shared)?, key_of(k, other, shared)?);
            let also = wake_operation(k, other, value3)?;
            let mut woken = wake(k, first, (value as i32).max(1) as u32, MATCH_ANY);
            if also {
                woken += wake(k, second, (count as i32).max(1) as u32, MATCH_ANY);
            }
            Ok(u64::from(woken))
        }
        FUTEX_LOCK_PI => {
            // Its timeout has always been on the wall clock.
            let deadline = deadline(k, timeout, true, true)?;
            lock_pi(k, address, shared, deadline, true)
        }
        FUTEX_LOCK_PI2 => {
            let deadline = deadline(k, timeout, true, real)?;
            lock_pi(k, address, shared, deadline, true)
        }
        FUTEX_TRYLOCK_PI => lock_pi(k, address, shared, None, false),
        FUTEX_UNLOCK_PI => unlock_pi(k, address, shared),
        _ => Err(Errno::ENOSYS.into()),
    }
}

/// One futex of a task that waits for several (futex_waitv).
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct Vector {
    /// Waiting task (index + 1), 0 when the record is free.
    pub task: u32,
    /// Position in the task's list.
    pub index: u32,
    /// Key of the futex.
    pub key: u64,
    /// Place in the queue of waiters.
    pub order: u64,
}

// SAFETY: integers only.
unsafe impl Record for Vector {}

fn first_vector(k: &Kernel<'_>, key: u64) -> Option<usize> {
    if k.header.vector_waiters == 0 {
        return None;
    }
    k.futex_vectors
        .iter()
        .enumerate()
        .filter(|(_, v)| v.task != 0 && v.key == key)
        .min_by_key(|(_, v)| v.order)
        .map(|(place, _)| place)
}

/// Lets a task that waits for several futexes go on because of this one.
fn release_vector(k: &mut Kernel<'_>, place: usize) {
    let Vector { task, index, .. } = k.futex_vectors[place];
    let task = task as usize - 1;
    forget_vectors(k, task);
    k.tasks[task].futex_woken = index + 1;
    k.wake_task(task);
}

/// Takes a task out of all the queues of futex_waitv.
fn forget_vectors(k: &mut Kernel<'_>, task: usize) {
    for place in 0..k.futex_vectors.len() {
        if k.futex_vectors[place].task as usize == task + 1 {
            k.futex_vectors[place] = Vector::default();
            k.header.vector_waiters = k.header.vector_waiters.saturating_sub(1);
        }
    }
}

/// Takes a task out of all queues, when its call or the task itself ends.
pub fn forget(k: &mut Kernel<'_>, task: usize) {
    if k.header.vector_waiters != 0 {
        forget_vectors(k, task);
    }
    let t: &mut Task = &mut k.tasks[task];
    t.futex_order = 0;
    t.futex_woken = 0;
}

/// futex_waitv(2).
pub fn futex_waitv(
    k: &mut Kernel<'_>,
    waiters: u64,
    count: u32,
    flags: u32,
    timeout: u64,
    clock: i32,
) -> SysResult {
    const MOST: u32 = 128;
    const FUTEX_32: u32 = 2;
    const CLOCK_REALTIME: i32 = 0;
    const CLOCK_MONOTONIC: i32 = 1;
    if flags != 0 || count == 0 || count > MOST || waiters == 0 {
        return Err(Errno::EINVAL.into());
    }
    if timeout != 0 && !matches!(clock, CLOCK_REALTIME | CLOCK_MONOTONIC) {
        return Err(Errno::EINVAL.into());
    }
    let deadline = deadline(k, timeout, true, clock == CLOCK_REALTIME)?;
    let task = k.current();
    match k.tasks[task].futex_woken {
        0 => {}
        place => return Ok(u64::from(place - 1)),
    }
    if k.tasks[task].call_state[0] == 0 {
        for index in 0..count {
            let at = waiters.wrapping_add(24 * u64::from(index));
            let [value, address] = k.read_record::<[u64; 2]>(at)?;
            let [flags, reserved] = k.read_record::<[u32; 2]>(at.wrapping_add(16))?;
            if flags & !FUTEX_PRIVATE_FLAG != FUTEX_32 || reserved != 0 {
                forget_vectors(k, task);
                return Err(Errno::EINVAL.into());
            }
            if let Err(errno) = queue_vector(k, task, index, address, flags, value) {
                forget_vectors(k, task);
                return Err(errno.into());
            }
        }
        k.tasks[task].call_state[0] = 1;
    }
    if deadline.is_some_and(|deadline| k.now() >= deadline) {
        return Err(Errno::ETIMEDOUT.into());
    }
    Err(Block::SleepOnce(Channel::Time, deadline))
}

fn queue_vector(
    k: &mut Kernel<'_>,
    task: usize,
    index: u32,
    address: u64,
    flags: u32,
    value: u64,
) -> Result<(), Errno> {
    let key = key_of(k, address, flags & FUTEX_PRIVATE_FLAG == 0)?;
    if u64::from(k.read_record::<u32>(address)?) != value {
        return Err(Errno::EAGAIN);
    }
    let place = k.futex_vectors.iter().position(|v| v.task == 0).ok_or(Errno::ENOMEM)?;
    let order = k.next_order();
    k.futex_vectors[place] = Vector { task: task as u32 + 1, index, key, order };
    k.header.vector_waiters += 1;
    Ok(())
}

/// Bytes of `struct robust_list_head`.
const ROBUST_HEAD: u64 = 24;

/// set_robust_list(2).
pub fn set_robust_list(k: &mut Kernel<'_>, head: u64, size: u64) -> SysResult {
    if size != ROBUST_HEAD {
        return Err(Errno::EINVAL.into());
    }
    k.task().robust_list = head;
    Ok(0)
}

/// get_robust_list(2).
pub fn get_robust_list(k: &mut Kernel<'_>, tid: i32, head: u64, size: u64) -> SysResult {
    let task =
        if tid == 0 { k.current() } else { task_by_tid(k, tid as u32).ok_or(Errno::ESRCH)? };
    let value = k.tasks[task].robust_list;
    k.write_record(size, &ROBUST_HEAD)?;
    k.write_record(head, &value)?;
    Ok(0)
}

/// Marks the robust futexes that a dying thread holds and wakes a waiter of each
/// (Documentation/locking/robust-futex-ABI in the kernel's sources).
pub(super) fn leave_robust_list(k: &mut Kernel<'_>, task: usize) {
    const LIMIT: u32 = 2048;
    let head = k.tasks[task].robust_list;
    k.tasks[task].robust_list = 0;
    if head == 0 {
        return;
    }
    let Ok([first, offset]) = k.read_record::<[u64; 2]>(head) else { return };
    let Ok(pending) = k.read_record::<u64>(head.wrapping_add(16)) else { return };
    let tid = k.tasks[task].tid;
    let mut entry = first;
    for _ in 0..LIMIT {
        // The lowest bit says that the lock is a PI futex.
        let at = entry & !1;
        if at == head {
            break;
        }
        let Ok(next) = k.read_record::<u64>(at) else { return };
        if at != pending & !1
            && owner_died(k, at.wrapping_add(offset), tid, entry & 1 != 0).is_err()
        {
            return;
        }
        entry = next;
    }
    if pending & !1 != 0 {
        // Nothing more can be done about a lock that cannot be written.
        let _ = owner_died(k, (pending & !1).wrapping_add(offset), tid, pending & 1 != 0);
    }
}

fn owner_died(k: &mut Kernel<'_>, address: u64, tid: u32, pi: bool) -> Result<(), Errno> {
    check_aligned(address)?;
    let word = k.read_record::<u32>(address)?;
    if word & FUTEX_TID_MASK != tid {
        return Ok(());
    }
    if pi {
        let key = key_of(k, address, true)?;
        let key = if first_waiter(k, key, MATCH_ANY).is_some() {
            key
        } else {
            key_of(k, address, false)?
        };
        return pass_on(k, address, key, FUTEX_OWNER_DIED);
    }
    k.write_record(address, &(word & FUTEX_WAITERS | FUTEX_OWNER_DIED))?;
    if word & FUTEX_WAITERS != 0 {
        wake_at(k, address, 1);
    }
    Ok(())
}
