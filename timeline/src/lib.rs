//! Merges the records of all artifacts into one timeline, finds the executions of the two tools in it,
//! and writes the report.

pub mod command;
mod event;
mod leads;
mod merge;
mod paths;

pub use event::{Event, EventSource};
pub use leads::lead_paths;
pub use merge::{MergeError, Merger, Sorted};
