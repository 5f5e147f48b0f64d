//! The few reasons for which a collection, a verification or a reading cannot go on at all. Everything about the
//! evidence itself is a [`evidence::Problem`] instead.

use crate::bundle::{Kept, kept};
use crate::shown;
use std::io;
use std::path::{Path, PathBuf};

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
    #[error(
        "{} exists already and is never overwritten. {}Choose another name for the bundle",
        shown(path),
        left_over(path).map_or_else(String::new, |left| format!("{left}. "))
    )]
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
    /// There is not so much room on the destination that anything could be begun.
    #[error(
        "there is not enough room for {}: {source}. Nothing was read. Free some space or choose another destination",
        shown(path)
    )]
    NoRoom {
        /// The destination.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The collection could not be sealed. Everything that was written is kept.
    #[error(
        "{} could not be sealed: {source}. It stays there with its journal, and nothing that was written is lost: \
         `{}` makes a bundle of what is whole",
        shown(partial),
        recover_command(partial)
    )]
    Unsealed {
        /// The unfinished bundle.
        partial: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A collection cannot be gone on with.
    #[error("the collection of {} cannot be resumed: {why}", shown(path))]
    NotResumable {
        /// The bundle of the first part, or the part that it is about.
        path: PathBuf,
        /// Why not.
        why: String,
    },
    /// A file that should be a bundle is none.
    #[error(
        "{} is not a bundle: {why}{}",
        shown(path),
        left_over(path).map_or_else(String::new, |left| format!(". {left}"))
    )]
    NotABundle {
        /// The file.
        path: PathBuf,
        /// Why not.
        why: String,
    },
    /// A file that should be an unfinished bundle is none.
    #[error("nothing can be recovered from {}: {why}", shown(path))]
    NotUnfinished {
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
                "The destination is full. Free space or choose another destination, then run it again"
            }
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
                "Choose a folder that you may write to"
            }
            io::ErrorKind::NotFound => "Create the folder first",
            _ => "Check the destination, then run it again",
        };
        Error::Write { path: path.into(), source, advice }
    }
    /// There is no room for even the seal and what is volatile; other errors as [`Error::write`] tells them.
    pub(crate) fn no_room(path: &Path, source: io::Error) -> Self {
        use io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull, WriteZero};
        match source.kind() {
            StorageFull | QuotaExceeded | FileTooLarge | WriteZero => Error::NoRoom { path: path.to_owned(), source },
            _ => Error::write(path, source),
        }
    }

    /// A seal that failed.
    pub(crate) fn unsealed(partial: &Path, source: io::Error) -> Self {
        Error::Unsealed { partial: partial.to_owned(), source }
    }
}

/// How an unfinished bundle is made into a bundle: the command, with the name of a bundle beside it.
pub fn recover_command(partial: &Path) -> String {
    let text = plain(partial);
    let stem = text.strip_suffix(".partial").unwrap_or(&text);
    let stem = stem.strip_suffix(".zip").unwrap_or(stem);
    format!("comtrail recover {} -o {}", quoted(&text), quoted(&format!("{stem}-recovered.zip")))
}

/// What to do with a file that an unfinished collection left, or with its journal; none where the file is neither.
pub fn left_over(path: &Path) -> Option<String> {
    let partial = match path.to_str().and_then(|text| text.strip_suffix(".log")) {
        Some(partial) if partial.ends_with(".partial") => PathBuf::from(partial),
        _ => path.to_owned(),
    };
    if !partial.is_file() || kept(&partial) != Some(Kept::Partial) {
        return None;
    }
    let command = recover_command(&partial);
    Some(format!("{} was left by an unfinished collection: `{command}` makes a bundle of it", plain(&partial)))
}

/// The command that goes on with an interrupted collection of a source, and of one of its hosts where it has several.
pub fn resume_command(source: &Path, host: Option<&str>, bundle: &Path) -> String {
    let host = host.map_or_else(String::new, |host| format!(" --host {}", quoted(host)));
    format!("comtrail collect {}{host} --resume {}", quoted(&plain(source)), quoted(&plain(bundle)))
}

/// A path without the mark by which Windows knows one of any length.
fn plain(path: &Path) -> String {
    let text = shown(path);
    text.strip_prefix(r"\\?\").filter(|rest| !rest.starts_with("UNC")).map_or(text.clone(), str::to_owned)
}

/// A path as a shell takes it.
fn quoted(path: &str) -> String {
    let is_plain = |c: char| c.is_alphanumeric() || "/\\:._-+=@,".contains(c);
    match (path.chars().all(is_plain), path.contains(['"', '$', '`', '!'])) {
        (true, _) => path.to_owned(),
        (_, false) => format!("\"{path}\""),
        _ => format!("'{}'", path.replace('\'', r"'\''")),
    }
}
