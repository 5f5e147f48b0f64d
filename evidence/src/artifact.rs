//! What an artifact is: where Windows keeps it, what it supports, and what is needed to read it.

use crate::format::Format;
use crate::hive::Hive;
use crate::item::Item;
use crate::parser::{Group, Input, Lead, Parse};
use crate::problem::Problem;
use crate::record::Record;
use crate::schema::{RecordType, Tells};

/// Where an artifact is kept: what is collected, and what its parser is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reads {
    /// Files by path pattern on the system volume: `*` within a component, `**` over components,
    /// `%SystemRoot%` and `%UserProfile%` (every profile). A stream is written `path:stream`.
    File(&'static str),
    /// The same on every NTFS volume, without variables: `\$MFT`.
    EveryVolume(&'static str),
    /// Keys of a hive. The hive file and its logs are collected.
    Key {
        /// The hive.
        hive: Hive,
        /// The key inside it, which the parser is given where it exists. `CurrentControlSet` is the set that was in use;
        /// a name that ends with `*` stands for every key whose name begins so.
        key: &'static str,
    },
    /// Files of this format that lie outside of every tree of Windows. A hive of a key is taken without this.
    Loose(Format),
    /// Files that records name: what the leads loop brings.
    Lead,
    /// Volatile state of a live host, by the name of the file that it is written down in. Other sources have none, and
    /// its absence from them says nothing.
    Volatile(&'static str),
}

/// When in an analysis an artifact can be parsed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Phase {
    /// Needs nothing but its bytes.
    Independent,
    /// Needs to know which files the records of the first phase are about, because it would otherwise
    /// describe every file of the volume.
    Focused,
}

/// Which other objects are read with one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Beside {
    /// None.
    Nothing,
    /// The transaction logs of a hive, which are never read by themselves.
    HiveLogs,
    /// Files of the same folder.
    Siblings(Siblings),
    /// The file with this path on the same volume: `\$MFT`.
    OfVolume(&'static str),
}

impl Beside {
    /// Whether an object of this path is only ever read with another one.
    pub fn never_alone(self, path: &str) -> bool {
        self == Beside::HiveLogs && Hive::is_log(path)
    }
}

/// Which files of a folder are read with one of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Siblings {
    /// How their names end, lower case.
    pub endings: &'static [&'static str],
    /// Longest, bytes.
    pub longest: u64,
    /// How many, the first in the order of the collection.
    pub most: usize,
    /// Most of each that is held in memory, bytes.
    pub held: u64,
}

impl Siblings {
    /// Whether a path ends as theirs do, in any case.
    pub fn has_name(&self, path: &str) -> bool {
        let lower = path.to_ascii_lowercase();
        self.endings.iter().any(|ending| lower.ends_with(ending))
    }
}

/// Memory that reading an object takes. Nothing is refused for it: every object is read in parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Memory {
    /// Some parts of it at a time, whatever its length.
    InParts,
    /// What is short is held as stored and as read, with what lies beside it; at most so many bytes together.
    Twice {
        /// That many.
        most: u64,
    },
    /// The same, with a measure of its own for what lies beside it.
    TwiceEach {
        /// At most so many bytes for the object.
        most: u64,
        /// At most so many bytes for everything beside it.
        beside: u64,
    },
}

impl Memory {
    /// Bytes for an object of this size with so many bytes beside it.
    pub fn of(self, size: u64, beside: u64) -> u64 {
        /// Most that an artifact takes which reads its objects in parts.
        const IN_PARTS: u64 = 16 << 20;
        let twice = |size: u64| size.saturating_mul(2);
        match self {
            Memory::InParts => size.min(IN_PARTS),
            Memory::Twice { most } => twice(size).saturating_add(beside).min(most),
            Memory::TwiceEach { most, beside: most_beside } => twice(size).min(most) + twice(beside).min(most_beside),
        }
    }
}

/// One artifact: a static in one file of the crate `artifacts`.
pub struct Artifact {
    /// Short stable id, `prefetch`.
    pub id: &'static str,
    /// Name for people.
    pub title: &'static str,
    /// Types of the records it gives.
    pub records: &'static [&'static RecordType],
    /// Where it is kept.
    pub reads: &'static [Reads],
    /// What it proves, in sentences.
    pub supports: &'static str,
    /// What it does not prove, in sentences.
    pub does_not_support: &'static str,
    /// Which Windows versions keep it, and whether by default.
    pub windows: &'static str,
    /// Public descriptions of the format and its meaning.
    pub references: &'static [&'static str],
    /// When it can be parsed.
    pub phase: Phase,
    /// Whether the records of an earlier state of its files are true beside those of the present one: what a log recorded
    /// stays recorded, while a registry value that was is not there any more. Earlier states of other artifacts are
    /// collected from shadow copies and not parsed.
    pub older_states: bool,
    /// Which other objects its parser is given.
    pub beside: Beside,
    /// Memory that its parser takes.
    pub memory: Memory,
    /// Bytes to records; `None` where it is collected and not read yet.
    pub parse: Option<Parse>,
    /// Files that a record of this artifact names and that should be collected; `None` where its records never name any.
    pub leads: Option<fn(&Record) -> Vec<Lead>>,
}

impl Artifact {
    /// An artifact of which nothing is declared but its id.
    pub const fn named(id: &'static str) -> Artifact {
        Artifact {
            id,
            title: id,
            records: &[],
            reads: &[],
            supports: "",
            does_not_support: "",
            windows: "",
            references: &[],
            phase: Phase::Independent,
            older_states: false,
            beside: Beside::Nothing,
            memory: Memory::InParts,
            parse: None,
            leads: None,
        }
    }

    /// Whether it asked for an object: by its places, or because it describes what records name.
    pub fn asked_for(&self, item: &Item) -> bool {
        item.wanted_by.iter().any(|id| id == self.id) || item.is_lead() && self.reads.contains(&Reads::Lead)
    }

    /// Parses one object for this artifact by itself, as [`Group::parse`] does.
    pub fn parse_alone(&'static self, input: &Input<'_>, on_record: &mut dyn FnMut(Record)) -> Vec<Problem> {
        let groups = Group::all_of([self]);
        groups.iter().flat_map(|group| group.parse(input, &mut |_, record| on_record(record))).collect()
    }

    /// Whether it has records that tell this.
    pub fn tells(&self, what: Tells) -> bool {
        self.records.iter().any(|of| of.tells == what)
    }

    /// What its records may support, each once.
    pub fn claims(&self) -> Vec<&'static str> {
        let claims: std::collections::BTreeSet<_> = self.records.iter().flat_map(|of| of.claims).collect();
        let mut names: Vec<_> = claims.into_iter().map(|claim| claim.name()).collect();
        names.dedup();
        names
    }
}
