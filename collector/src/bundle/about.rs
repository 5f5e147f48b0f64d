//! What is said of a bag as a whole: by which program it is made, of what, and how its collection ended.

use evidence::Filetime;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The program that collects, as the bundle names it.
#[derive(Clone, Debug, Default)]
pub struct ToolFacts {
    /// Name.
    pub name: String,
    /// Version.
    pub version: String,
    /// SHA-256 of its own file, where it could be read.
    pub sha256: Option<String>,
    /// Features that it was built with.
    pub features: Vec<String>,
    /// How it was called.
    pub command_line: Vec<String>,
}

/// What the objects come to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sums {
    pub(crate) objects: u64,
    pub(crate) bytes: u64,
    pub(crate) not_complete: u64,
    pub(crate) payload: u64,
}

/// How a collection came to its end, as `bag-info.txt` says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Status {
    /// Everything that was wanted was tried.
    Complete,
    /// It was ended early, and sealed with what it had.
    Interrupted,
    /// It came to no end; the bundle was made later of what it left.
    Recovered,
}

impl Status {
    /// The word for it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Status::Complete => "complete",
            Status::Interrupted => "interrupted",
            Status::Recovered => "recovered",
        }
    }
}

/// What is known of the bag before anything is in it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct About {
    /// The folder in the archive.
    pub(crate) root: String,
    /// Name of the host, or of the source where that is not known.
    pub(crate) name: String,
    pub(crate) started: Filetime,
    pub(crate) source_kind: String,
    pub(crate) source_name: String,
    /// The program and its version.
    pub(crate) agent: String,
    /// `metadata/host.json`.
    pub(crate) host: Value,
    /// `metadata/tool.json`.
    pub(crate) tool: Value,
    /// Whether every file has a SHA-512 too.
    #[serde(default)]
    pub(crate) sha512: bool,
    /// Further lines of `bag-info.txt`.
    #[serde(default)]
    pub(crate) labels: Vec<(String, String)>,
}
