//! Windows artifacts, one file each: where they are kept, what their records are, what these support.
//!
//! [`ALL`] is the one list that drives collection, parsing, `comtrail artifacts`, `docs/artifacts.md`, the
//! golden tests and the robustness tests.

use evidence::Artifact;

pub mod formats;

mod assembly;
mod com_registration;
mod event_log;
mod event_log_file;
mod host;
mod mft;
mod prefetch;
mod usn_journal;
mod volatile;
mod wanted;

pub use assembly::{PROGRAM_MEMORY, SIBLING_HELD, SIBLINGS_MEMORY};

/// Every artifact that comtrail knows, in the order in which people see them.
pub static ALL: &[&Artifact] = &[
    &host::ARTIFACT,
    &event_log::ARTIFACT,
    &event_log_file::ARTIFACT,
    &prefetch::ARTIFACT,
    &com_registration::ARTIFACT,
    &assembly::ARTIFACT,
    &mft::ARTIFACT,
    &usn_journal::ARTIFACT,
    &volatile::ARTIFACT,
];

/// The artifact of this id.
pub fn by_id(id: &str) -> Option<&'static Artifact> {
    ALL.iter().copied().find(|artifact| artifact.id == id)
}
