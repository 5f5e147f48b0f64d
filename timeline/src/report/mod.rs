//! What an analysis hands over: the timeline's files, `report.json` and `report.html`.

pub(crate) mod escape;
mod rows;

pub use rows::{Format, Output, TimelineError, TimelineSummary, write_timeline};
