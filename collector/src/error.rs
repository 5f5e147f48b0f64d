//! The few reasons for which a collection, a verification or a reading cannot go on at all. Everything about the
//! evidence itself is a [`evidence::Problem`] instead.

use crate::shown;
use std::io;
use std::path::PathBuf;

/// Why the run cannot go on. Every variant says which path it is about and what can be done.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The source cannot be opened.
    #[error("cannot open the source {}: {source}. Check that the path is right and that you may read it", shown(path))]
    OpenSource {
        /// The source.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The source is nothing that can be read.
    #[error("{} is not a source that can be read: {why}", shown(path))]
    NotASource {
        /// The source.
        path: PathBuf,
        /// Why not, and what would do.
        why: String,
    },
    /// The bundle would overwrite something.
    #[error("{} exists already and is never overwritten. Choose another name for the bundle", shown(path))]
    DestinationExists {
        /// The destination.
        path: PathBuf,
    },
    /// The bundle would be written onto the evidence.
    #[error("{} lies on the evidence ({}). Choose a destination on another medium", shown(path), shown(source_path))]
    DestinationOnEvidence {
        /// The destination.
        path: PathBuf,
        /// The source.
        source_path: PathBuf,
    },
    /// The bundle cannot be written.
    #[error("writing {} failed: {source}. {advice}", shown(path))]
    Write {
        /// What was being written.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
        /// What can be done.
        advice: &'static str,
    },
    /// A file that should be a bundle is none.
    #[error("{} is not a bundle: {why}", shown(path))]
    NotABundle {
        /// The file.
        path: PathBuf,
        /// Why not.
        why: String,
    },
    /// A part of the bundle cannot be read as it should be.
    #[error(
        "{item} in {} cannot be used: {why}. Run `verify` on the bundle to see everything that is wrong with it",
        shown(path)
    )]
    DamagedBundle {
        /// The bundle.
        path: PathBuf,
        /// The part.
        item: String,
        /// What is wrong with it.
        why: String,
    },
    /// Threads could not be started.
    #[error("cannot start {count} threads: {why}. Try fewer threads")]
    Threads {
        /// How many.
        count: usize,
        /// Why.
        why: String,
    },
}

impl Error {
    /// A failed write, with advice that fits.
    pub(crate) fn write(path: impl Into<PathBuf>, source: io::Error) -> Self {
        let advice = match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                "The destination is full; the unfinished file was removed. Free space or choose another destination, \
                 then run it again"
            }
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
                "Choose a folder that you may write to"
            }
            io::ErrorKind::NotFound => "Create the folder first",
            _ => "The unfinished file was removed. Check the destination, then run it again",
        };
        Error::Write { path: path.into(), source, advice }
    }
}
