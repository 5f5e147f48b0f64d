//! Merges the records of all artifacts into one timeline, finds the executions of the two tools in it,
//! and writes the report.

pub mod command;
mod correlate;
mod event;
mod host;
mod leads;
mod merge;
mod paths;
mod report;

pub use correlate::{Correlation, Correlator};
pub use event::{Event, EventSource};
pub use host::{Boot, Host, HostUser, HostVolume, Setting, TimeZone};
pub use leads::lead_paths;
pub use merge::{MergeError, Merger, Sorted};
pub use report::{
    BundleName, CaseFacts, ChangedBundle, ChangedHosts, Format, INDEX_SCHEMA, Index, IndexedHost, Output, PartName,
    RESTS_ON_CHANGED, Report, SCHEMA, Statement, StatementKind, Summary, TimelineError, TimelineSummary, ToolName,
    write_timeline, write_timeline_marking,
};
