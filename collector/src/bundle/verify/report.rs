//! What a verification gives.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// What kind of thing is wrong with a bundle.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum WrongKind {
    /// The archive holds something beside its files, or shows them differently to different programs.
    Archive,
    /// A file that the bundle names is not in it.
    Missing,
    /// A file is in the bundle that nothing names.
    Added,
    /// The bytes of a file are not those that were sealed, or cannot be read.
    Changed,
    /// Two places of the bundle say different things of one file.
    Described,
    /// A file of metadata is not in its form, or contradicts another.
    Metadata,
    /// The action log is not whole, or the bundle is not what it says.
    ActionLog,
    /// A hash is not the one that was expected.
    Expected,
}

impl WrongKind {
    /// Its name in JSON.
    pub fn name(self) -> &'static str {
        match self {
            WrongKind::Archive => "archive",
            WrongKind::Missing => "missing",
            WrongKind::Added => "added",
            WrongKind::Changed => "changed",
            WrongKind::Described => "described",
            WrongKind::Metadata => "metadata",
            WrongKind::ActionLog => "action_log",
            WrongKind::Expected => "expected",
        }
    }
}

/// One thing that is wrong with a bundle.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Wrong {
    /// Path in the bag; empty for the archive as a whole.
    pub path: String,
    /// Which kind of thing it is.
    pub kind: WrongKind,
    /// What is wrong, in words.
    pub what: String,
}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.path.is_empty() {
            true => f.write_str(&self.what),
            false => write!(f, "{}: {}", self.path, self.what),
        }
    }
}

/// Which part of a collection a bundle is, where that was interrupted and gone on with.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Part {
    /// Name of the first bag.
    pub of: String,
    /// Its number, from 1 on.
    pub number: u64,
    /// SHA-256 of the archive of the first part, where this is a further one.
    pub first_sha256: Option<String>,
    /// Last hash of the action log of the first part, where this is a further one.
    pub first_log: Option<String>,
}

/// Most wrong things that are listed, and most changed files that are named.
const MOST: usize = 20_000;

/// What a verification gave.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct VerifyReport {
    /// What is wrong, what concerns the whole archive first, then by path. At most 20,000 things are listed.
    pub wrong: Vec<Wrong>,
    /// How many wrong things are not listed.
    pub more_wrong: u64,
    /// Name of the bag.
    pub bag: String,
    /// Payload files whose digests were computed.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Files that describe the bag whose digests were computed.
    pub tag_files: u64,
    /// Whether the verification was ended before everything was checked.
    pub interrupted: bool,
    /// SHA-256 of the archive in lower-case hexadecimal; none of a bundle that was unpacked.
    pub archive_sha256: Option<String>,
    /// The last hash of the action log, where the chain holds up to its end.
    pub log_head: Option<String>,
    /// SHA-256 of `tagmanifest-sha256.txt`, which covers every other file.
    pub tag_manifest_sha256: Option<String>,
    /// `Collector-Status` of `bag-info.txt`: `complete`, `interrupted` or `recovered`.
    pub status: Option<String>,
    /// Which part of which collection it is; the first one has the number 1 and its own name as the collection's.
    pub part: Part,
    /// What is to be known of a bundle although it makes it no less valid.
    pub notes: Vec<String>,
    /// Files whose bytes are not those that were sealed, by their paths in the bag.
    pub(super) changed: BTreeSet<String>,
    pub(super) more_changed: bool,
    /// SHA-256 of the files that describe the bag, as they were when they were compared.
    pub(in crate::bundle) tags: BTreeMap<&'static str, [u8; 32]>,
}

impl VerifyReport {
    /// Whether everything was checked and nothing is wrong.
    pub fn is_valid(&self) -> bool {
        self.wrong.is_empty() && self.more_wrong == 0 && !self.interrupted
    }

    /// The same; what is valid is right.
    pub fn is_right(&self) -> bool {
        self.is_valid()
    }

    /// Whether it is valid and holds all that was to be collected.
    pub fn is_complete(&self) -> bool {
        self.is_valid() && self.status.as_deref() == Some("complete")
    }

    /// Files that are missing or whose bytes are not those that were sealed, by their paths in the bag.
    pub fn changed(&self) -> impl Iterator<Item = &str> {
        self.changed.iter().map(String::as_str)
    }

    /// Whether this file, by its path in the bag, is missing or its bytes are not those that were sealed. Of a bundle
    /// with more such files than can be named it says so of every file.
    pub fn is_changed(&self, bundle_path: &str) -> bool {
        self.more_changed || self.changed.contains(bundle_path)
    }

    /// Whether this part names that first part: by its archive or, where that was unpacked, by the last hash of its action
    /// log. A bundle that goes on with none does so with any.
    pub fn goes_on_with(&self, first: &VerifyReport) -> bool {
        let Some(archive) = &self.part.first_sha256 else { return true };
        match &first.archive_sha256 {
            Some(actual) => archive == actual,
            None => self.part.first_log.is_some() && self.part.first_log == first.log_head,
        }
    }

    /// Compares with what was written down when the bundle was made: the SHA-256 of the archive, and the last hash of the
    /// action log, both in lower-case hexadecimal.
    pub fn expect(&mut self, archive_sha256: Option<&str>, log_head: Option<&str>) {
        for (what, expected, actual) in [
            ("SHA-256 of the bundle", archive_sha256, self.archive_sha256.clone()),
            ("last hash of the action log", log_head, self.log_head.clone()),
        ] {
            if let Some(expected) = expected.filter(|expected| actual.as_deref() != Some(*expected)) {
                let actual = actual.unwrap_or_else(|| "not known".to_owned());
                self.add(WrongKind::Expected, "", format!("the {what} is {actual}, and {expected} was expected"));
            }
        }
    }

    /// Counts a payload file whose digests were computed.
    pub(super) fn count(&mut self, bytes: u64) {
        self.files += 1;
        self.bytes = self.bytes.saturating_add(bytes);
    }

    /// Adds what is wrong.
    pub(super) fn add(&mut self, kind: WrongKind, path: &str, what: impl Into<String>) {
        if matches!(kind, WrongKind::Changed | WrongKind::Missing | WrongKind::Described) && !path.is_empty() {
            if self.changed.len() < MOST {
                self.changed.insert(path.to_owned());
            } else {
                self.more_changed |= !self.changed.contains(path);
            }
        }
        if self.wrong.len() < MOST {
            self.wrong.push(Wrong { path: path.to_owned(), kind, what: what.into() });
        } else {
            self.more_wrong += 1;
        }
    }
}
