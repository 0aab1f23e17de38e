//! Clocks and flags of the time calls (`clock_gettime(2)`, `timer_create(2)`).

/// The wall clock.
pub const CLOCK_REALTIME: i32 = 0;
/// Time since boot.
pub const CLOCK_MONOTONIC: i32 = 1;
/// CPU time of the process.
pub const CLOCK_PROCESS_CPUTIME_ID: i32 = 2;
/// CPU time of the thread.
pub const CLOCK_THREAD_CPUTIME_ID: i32 = 3;
/// Time since boot without adjustment.
pub const CLOCK_MONOTONIC_RAW: i32 = 4;
/// The wall clock, coarse.
pub const CLOCK_REALTIME_COARSE: i32 = 5;
/// Time since boot, coarse.
pub const CLOCK_MONOTONIC_COARSE: i32 = 6;
/// Time since boot, with suspended time.
pub const CLOCK_BOOTTIME: i32 = 7;
/// The wall clock, waking from suspend.
pub const CLOCK_REALTIME_ALARM: i32 = 8;
/// Time since boot, waking from suspend.
pub const CLOCK_BOOTTIME_ALARM: i32 = 9;
/// International atomic time.
pub const CLOCK_TAI: i32 = 11;

/// The time given is absolute.
pub const TIMER_ABSTIME: u32 = 1;

/// Timer expiry sends a signal.
pub const SIGEV_SIGNAL: u32 = 0;
/// Timer expiry does nothing.
pub const SIGEV_NONE: u32 = 1;
/// Timer expiry starts a thread; the C library's business, a signal for the kernel.
pub const SIGEV_THREAD: u32 = 2;
/// Timer expiry sends a signal to one thread.
pub const SIGEV_THREAD_ID: u32 = 4;

/// Nanoseconds in a second.
pub const SECOND: u64 = 1_000_000_000;
