//! Calls into code that may panic on damaged bytes.

use std::panic::{AssertUnwindSafe, catch_unwind};

/// What the call gives; `None` when it panicked. What the call has changed until then must be of use, or not be used.
pub fn guarded<T>(call: impl FnOnce() -> T) -> Option<T> {
    catch_unwind(AssertUnwindSafe(call)).ok()
}
