//! What an analysis hands over: the timeline's files, `report.json` and `report.html`.

pub(crate) mod escape;
mod html;
mod model;
mod rows;
mod style;
mod summary;
mod svg;

pub use model::{BundleName, Report, SCHEMA, ToolName};
pub use rows::{Format, Output, TimelineError, TimelineSummary, write_timeline};
