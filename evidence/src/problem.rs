//! What went wrong with the evidence, where, and what that costs the conclusion.
//!
//! A problem is part of the output. It never ends the run.

use crate::record::Locator;

/// The step in which the problem arose.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Stage {
    /// Opening the source.
    Source,
    /// Looking for declared locations.
    Locate,
    /// Reading and hashing.
    Acquire,
    /// Writing, reading back or verifying the bundle.
    Bundle,
    /// Turning bytes into records.
    Parse,
    /// Merging and correlating.
    Correlate,
    /// Writing the report.
    Report,
}

/// What kind of problem it is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ProblemKind {
    /// Nothing at an optional place, which is always a note.
    NotFound,
    /// The source, or a part of it, was not understood, so nothing in it was examined.
    NotUnderstood,
    /// The system refused.
    AccessDenied,
    /// Held by another process.
    Locked,
    /// Reading failed; bytes that should be there could not be read.
    ReadFailed,
    /// The data ends early.
    Truncated {
        /// Where the missing part begins.
        offset: u64,
        /// How many bytes were wanted there.
        expected: u64,
        /// How many were there.
        actual: u64,
    },
    /// A signature is not what the format demands.
    BadSignature {
        /// Where it should stand.
        offset: u64,
        /// What should stand there.
        expected: String,
        /// What stands there.
        actual: String,
    },
    /// A checksum does not match.
    BadChecksum {
        /// Where the checked data begins.
        offset: u64,
    },
    /// A version or variant that we do not read.
    UnsupportedVersion {
        /// The version found.
        found: String,
    },
    /// A value that cannot be what it claims to be.
    OutOfRange {
        /// The value as stored.
        raw: String,
    },
    /// Two parts of the evidence contradict each other.
    Inconsistent {
        /// What one says.
        a: String,
        /// What the other says.
        b: String,
    },
    /// Not cleanly closed when it was written; what we did about it is in the effect.
    Dirty,
    /// A limit of ours was reached, so part of the evidence was left out.
    LimitReached,
    /// A parser of ours or of a library panicked; the item's remaining records are lost.
    ParserPanicked,
    /// Collection was interrupted before this was reached.
    Interrupted,
}

impl ProblemKind {
    /// The stable name used in `report.json` and `failures.jsonl`.
    pub fn name(&self) -> &'static str {
        match self {
            ProblemKind::NotFound => "not_found",
            ProblemKind::NotUnderstood => "not_understood",
            ProblemKind::AccessDenied => "access_denied",
            ProblemKind::Locked => "locked",
            ProblemKind::ReadFailed => "read_failed",
            ProblemKind::Truncated { .. } => "truncated",
            ProblemKind::BadSignature { .. } => "bad_signature",
            ProblemKind::BadChecksum { .. } => "bad_checksum",
            ProblemKind::UnsupportedVersion { .. } => "unsupported_version",
            ProblemKind::OutOfRange { .. } => "out_of_range",
            ProblemKind::Inconsistent { .. } => "inconsistent",
            ProblemKind::Dirty => "dirty",
            ProblemKind::LimitReached => "limit_reached",
            ProblemKind::ParserPanicked => "parser_panicked",
            ProblemKind::Interrupted => "interrupted",
        }
    }

    /// The particulars in words, empty where the name says it all.
    pub fn particulars(&self) -> String {
        match self {
            ProblemKind::Truncated { offset, expected, actual } => {
                format!("{expected} bytes wanted at offset {offset}, {actual} there")
            }
            ProblemKind::BadSignature { offset, expected, actual } => {
                format!("expected {expected} at offset {offset}, found {actual}")
            }
            ProblemKind::BadChecksum { offset } => format!("data at offset {offset}"),
            ProblemKind::UnsupportedVersion { found } => format!("found {found}"),
            ProblemKind::OutOfRange { raw } => format!("stored value {raw}"),
            ProblemKind::Inconsistent { a, b } => format!("{a}, but {b}"),
            _ => String::new(),
        }
    }
}

/// How a problem begins that says that an object could not be read again for what its records name.
pub const LEADS_UNREAD: &str = "reading it once more for what its records name failed";

/// One problem.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    /// In which step.
    pub stage: Stage,
    /// What kind.
    pub kind: ProblemKind,
    /// Original path of the item, or the location that was looked for; empty when it concerns the whole run.
    pub item: String,
    /// Where in the item.
    pub locator: Option<Locator>,
    /// What happened, in a sentence for people.
    pub what: String,
    /// What it costs the conclusion, in a sentence for people.
    pub effect: String,
    /// Whether it is a note: what Windows always leaves, or an optional place with nothing in it, where everything that was
    /// meant to be read was read. Who makes the problem declares it; notes are listed and change no exit status.
    pub is_note: bool,
}

impl Problem {
    /// A problem without a place inside the item.
    pub fn new(
        stage: Stage,
        kind: ProblemKind,
        item: impl Into<String>,
        what: impl Into<String>,
        effect: impl Into<String>,
    ) -> Self {
        let is_note = kind == ProblemKind::NotFound;
        Problem { stage, kind, item: item.into(), locator: None, what: what.into(), effect: effect.into(), is_note }
    }

    /// The same as a note: everything that was meant to be read was read all the same.
    #[must_use]
    pub fn as_note(mut self) -> Self {
        self.is_note = true;
        self
    }

    /// The same with a place inside the item.
    #[must_use]
    pub fn at(mut self, locator: Locator) -> Self {
        self.locator = Some(locator);
        self
    }
}

impl Stage {
    /// The stable name used in `report.json` and `failures.jsonl`.
    pub fn name(self) -> &'static str {
        match self {
            Stage::Source => "source",
            Stage::Locate => "locate",
            Stage::Acquire => "acquire",
            Stage::Bundle => "bundle",
            Stage::Parse => "parse",
            Stage::Correlate => "correlate",
            Stage::Report => "report",
        }
    }
}

/// `{stage, kind, item, locator?, what, particulars?, effect, note?}`.
impl serde::Serialize for Problem {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeMap;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("stage", self.stage.name())?;
        map.serialize_entry("kind", self.kind.name())?;
        map.serialize_entry("item", &self.item)?;
        if let Some(locator) = &self.locator {
            map.serialize_entry("locator", locator)?;
        }
        map.serialize_entry("what", &self.what)?;
        let particulars = self.kind.particulars();
        if !particulars.is_empty() {
            map.serialize_entry("particulars", &particulars)?;
        }
        map.serialize_entry("effect", &self.effect)?;
        if self.is_note {
            map.serialize_entry("note", &true)?;
        }
        map.end()
    }
}
