//! What an analysis hands over: the timeline's files, `report.json` and `report.html`.

mod answer;
mod assembled;
mod changed;
mod clock;
pub(crate) mod escape;
mod examined;
mod html;
mod index;
mod model;
mod order;
mod records;
#[cfg(test)]
pub(crate) mod sample;
#[cfg(test)]
mod tests;

pub use changed::RESTS_ON_CHANGED;
pub use html::PAGE_TITLE;
pub use index::{ChangedHosts, INDEX_SCHEMA, Index, IndexedHost};
pub use model::{
    BundleName, CaseFacts, ChangedBundle, Judged, PartName, Report, SCHEMA, Statement, StatementKind, Summary, ToolName,
};
