//! Merges the records of all artifacts into one timeline, finds the executions of the two tools in it,
//! and writes the report.

mod event;
mod merge;

pub use event::{Event, EventSource};
pub use merge::{MergeError, Merger, Sorted};
