//! Opens a source of evidence, finds the declared locations in it, acquires them, and writes and verifies
//! the bundle. It never interprets an artifact.
//!
//! The way in is [`source::open`], then [`collect`] with a [`CollectRequest`]; [`verify`] checks a bundle, and
//! [`BundleReader`] gives its objects to the analysis.

// Tests may do what the crate may not.
#![cfg_attr(test, allow(clippy::disallowed_macros, clippy::disallowed_methods, clippy::disallowed_types))]

mod bundle;
mod digest;
mod error;
mod file_bytes;
mod key_set;
mod pipeline;
mod progress;
mod run;
mod shown;
pub mod source;
mod spill;
mod zip;

#[doc(hidden)]
pub use bundle::examine_bundle;
pub use bundle::{
    AcceptedItems, BundleReader, ItemTable, Kept, OpenBundle, Part, Structure, ToolFacts, VerifyReport, Wrong,
    WrongKind, encoded_name, kept, refuse_destination, verify,
};
pub use error::{Error, left_over, recover_command, resume_command};
pub use file_bytes::{real_path, special_file};
pub use progress::{Observer, Progress, Silent, Step};
pub use run::{
    AcquiredItem, CollectRequest, Collected, LeadPath, Limits, Located, RecoverRequest, Recovered, Resume, collect,
    first_located, hive_logs, recover,
};
pub use shown::shown;
pub use spill::Spill;
