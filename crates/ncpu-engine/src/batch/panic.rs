//! Panics that are a case's end and not the batch's.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Keeps a panic from ending the batch.
///
/// # Errors
/// The panic's message.
pub fn guarded<T>(f: impl FnOnce() -> T) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(f)).map_err(|panic| {
        let panic: &(dyn Any + Send) = &*panic;
        let text = panic
            .downcast_ref::<String>()
            .map(String::as_str)
            .or_else(|| panic.downcast_ref::<&str>().copied());
        format!("the machine panicked: {}", text.unwrap_or("no message"))
    })
}
