//! Merges the records of all artifacts into one timeline, finds the executions of the two tools in it,
//! and writes the report.

// Tests may do what the crate may not.
#![cfg_attr(test, allow(clippy::disallowed_macros, clippy::disallowed_methods, clippy::disallowed_types))]

mod assess;
mod cited;
pub mod command;
mod declared;
mod event;
mod host;
mod leads;
mod merge;
mod pass;
mod paths;
mod report;
mod story;
#[cfg(test)]
mod testing;
mod words;
mod write;

pub use assess::{Assessed, Rules, RulesError, Weighed, assess};
pub use cited::{Cited, CitedRecord, Fields};
pub use event::{Event, EventSource};
pub use host::{Boot, Host, HostUser, HostVolume, Setting, TimeZone};
pub use leads::{lead_paths, program_key};
pub use merge::{MergeError, Merger, Sorted};
pub use pass::{show, write_timeline};
pub use report::{
    BundleName, CaseFacts, ChangedBundle, ChangedHosts, INDEX_SCHEMA, Index, IndexedHost, Judged, PAGE_TITLE, PartName,
    RESTS_ON_CHANGED, Report, SCHEMA, Statement, StatementKind, Summary, ToolName,
};
pub use story::{Correlator, OwnActs, Story, tool_of};
pub use write::{Format, Marks, Output, TimelineError, TimelineSummary};
