//! What is a file of its own.

pub(crate) mod assembly;
pub(crate) mod prefetch;
