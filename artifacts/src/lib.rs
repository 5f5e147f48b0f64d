//! Windows artifacts, one file each: where they are kept, what their records are, what these support.
//!
//! [`ALL`] is the one list that drives collection, parsing, `comtrail artifacts`, `docs/artifacts.md`, the
//! golden tests and the robustness tests.

// Tests may do what the crate may not.
#![cfg_attr(test, allow(clippy::disallowed_macros, clippy::disallowed_methods, clippy::disallowed_types))]

use evidence::{Artifact, Item, RecordType, Tells};

pub mod formats;

mod event_log;
mod files;
mod live;
mod ntfs;
mod registry;

/// Every artifact that comtrail knows, in the order in which people see them.
pub static ALL: &[&Artifact] = &[
    &registry::host::ARTIFACT,
    &event_log::ARTIFACT,
    &registry::event_log_file::ARTIFACT,
    &files::prefetch::ARTIFACT,
    &registry::bam::ARTIFACT,
    &files::usage_log::ARTIFACT,
    &registry::com_registration::ARTIFACT,
    &files::assembly::ARTIFACT,
    &ntfs::mft::ARTIFACT,
    &ntfs::usn_journal::ARTIFACT,
    &live::volatile::ARTIFACT,
];

/// The artifacts that asked for an object.
pub fn asked_for(item: &Item) -> impl Iterator<Item = &'static Artifact> {
    ALL.iter().copied().filter(|artifact| artifact.asked_for(item))
}

/// The artifacts with records that tell this.
pub fn telling(what: Tells) -> impl Iterator<Item = &'static Artifact> {
    ALL.iter().copied().filter(move |artifact| artifact.tells(what))
}

/// The artifact of this id.
pub fn by_id(id: &str) -> Option<&'static Artifact> {
    ALL.iter().copied().find(|artifact| artifact.id == id)
}

/// The type of the records of an event, by the name and the GUID of its provider and its number; `None` when it is not kept.
pub fn event_type(provider: &str, guid: &str, event_id: u64) -> Option<&'static RecordType> {
    event_log::event_type(provider, guid, event_id)
}
