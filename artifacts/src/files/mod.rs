//! What is a file of its own.

pub(crate) mod assembly;
pub(crate) mod prefetch;
pub(crate) mod usage_log;
