//! Opens a source of evidence, finds the declared locations in it, acquires them, and writes and verifies
//! the bundle. It never interprets an artifact.
//!
//! The way in is [`source::open`], then [`collect`] with a [`CollectRequest`]; [`verify`] checks a bundle, and
//! [`BundleReader`] gives its objects to the analysis.

mod acquire;
mod bundle;
mod collect;
mod digest;
mod error;
mod lead_path;
mod leads;
mod locate;
mod pattern;
mod progress;
pub mod source;
mod store;
mod zip_reader;
mod zip_writer;

pub use bundle::{BundleReader, VerifyReport, Wrong, verify};
pub use collect::{AcquiredItem, CollectRequest, Collected, Limits, ToolFacts, collect};
pub use error::Error;
pub use lead_path::LeadPath;
pub use locate::{Located, hive_logs, locate};
pub use progress::{Observer, Progress, Silent, Step};
