//! What an artifact is: where Windows keeps it, what it supports, what is needed to read it, and how it is read.

use crate::format::Format;
use crate::guard::guarded;
use crate::hive::Hive;
use crate::input::Input;
use crate::item::Item;
use crate::lead::Lead;
use crate::name::is_like;
use crate::problem::Problem;
use crate::record::Record;
use crate::schema::{RecordType, Tells};
use crate::sink::{Crew, Shared, Sink};
use std::any::Any;

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
        /// The key inside it, without the name of the hive, which the parser is given where it exists. `CurrentControlSet`
        /// is the set that was in use; `*` stands for any characters of one name, as in `{*}`.
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

impl Reads {
    /// What a pattern below the folder of the system begins with.
    pub const SYSTEM_ROOT: &str = "%SystemRoot%";
    /// What a pattern below the folder of each user begins with.
    pub const USER_PROFILE: &str = "%UserProfile%";
    /// Where the profiles of users are, beside the folder of the system.
    pub const PROFILES_BESIDE: [&str; 2] = [r"\Users\*", r"\Documents and Settings\*"];
    /// Where those of the accounts of services are, below it.
    pub const PROFILES_BELOW: [&str; 3] =
        [r"\System32\config\systemprofile", r"\SysWOW64\config\systemprofile", r"\ServiceProfiles\*"];
    /// What the folder of the system is usually called.
    const SYSTEM_ROOTS: [&str; 2] = [r"\Windows", r"\WINNT"];

    /// The files in which it is kept, by path patterns with their variables.
    pub fn files(&self) -> &[&'static str] {
        match self {
            Reads::File(pattern) | Reads::EveryVolume(pattern) => std::slice::from_ref(pattern),
            Reads::Key { hive, .. } => hive.globs(),
            Reads::Loose(_) | Reads::Lead | Reads::Volatile(_) => &[],
        }
    }

    /// Whether one of these files can lie in a folder, or below it. Folders above a Windows that was copied with them may be
    /// in its path.
    pub fn may_lie_below(&self, folder: &str) -> bool {
        let below_volume = folder.split_once('\\').map_or("", |(_, path)| path);
        let parts: Vec<&str> = below_volume.split('\\').filter(|part| !part.is_empty()).collect();
        let is_above = |pattern: &String| {
            let folders: Vec<&str> = pattern.split('\\').filter(|part| !part.is_empty()).collect();
            let most = parts.len().min(folders.len().saturating_sub(1));
            let begins = |count: usize| {
                let end = parts.iter().skip(parts.len() - count);
                folders.iter().zip(end).all(|(pattern, part)| is_like(pattern, part))
            };
            parts.is_empty() || (1..=most).any(begins)
        };
        self.files().iter().flat_map(|pattern| Reads::spelled_out(pattern)).any(|pattern| is_above(&pattern))
    }

    /// A pattern with what its variable usually stands for.
    fn spelled_out(pattern: &str) -> Vec<String> {
        let roots = Reads::SYSTEM_ROOTS;
        if let Some(rest) = pattern.strip_prefix(Reads::SYSTEM_ROOT) {
            roots.map(|root| format!("{root}{rest}")).into()
        } else if let Some(rest) = pattern.strip_prefix(Reads::USER_PROFILE) {
            let below =
                roots.iter().flat_map(|root| Reads::PROFILES_BELOW.map(|folder| format!("{root}{folder}{rest}")));
            Reads::PROFILES_BESIDE.iter().map(|folder| format!("{folder}{rest}")).chain(below).collect()
        } else {
            vec![pattern.to_owned()]
        }
    }
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

/// How an artifact's bytes become records.
#[derive(Clone, Copy)]
pub enum Parse {
    /// Its objects are its own.
    Alone(fn(&Input<'_>, &mut Sink<'_>)),
    /// Its objects are its own as well, and it cuts them into parts by [`Sink::in_parts`].
    InParts(fn(&Input<'_>, &mut Sink<'_>)),
    /// Its objects are such containers, which give the artifact its part; what that is given to is the container's to know.
    In(&'static Container, &'static (dyn Any + Sync)),
}

impl Parse {
    pub(crate) fn container(self) -> Option<&'static Container> {
        match self {
            Parse::Alone(_) | Parse::InParts(_) => None,
            Parse::In(container, _) => Some(container),
        }
    }
}

/// A kind of file in which several artifacts are kept, as keys are in a hive.
pub struct Container {
    /// Opens an object once and gives each of the artifacts its part, by [`Output::part`].
    pub parse: fn(&[&'static Artifact], &Input<'_>, &mut Output<'_>),
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
        let is_named = || item.is_lead() || item.is_wanted_by(Item::RAN);
        item.is_wanted_by(self.id) || is_named() && self.reads.contains(&Reads::Lead)
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

/// Takes records of artifacts from any thread.
pub(crate) type Take<'t> = dyn Fn(&'static Artifact, Record) + Sync + 't;

/// Takes what the artifacts of a container find.
pub struct Output<'a> {
    item: &'a str,
    on_record: &'a mut dyn FnMut(&'static Artifact, Record),
    shared: Option<(&'a Crew<'a>, &'a Take<'a>)>,
    problems: Vec<Problem>,
}

impl<'a> Output<'a> {
    /// For one item. With a crew, what its threads find goes to the second function.
    pub(crate) fn new(
        item: &'a str,
        on_record: &'a mut dyn FnMut(&'static Artifact, Record),
        shared: Option<(&'a Crew<'a>, &'a Take<'a>)>,
    ) -> Self {
        Output { item, on_record, shared, problems: Vec::new() }
    }

    /// What is wrong.
    pub(crate) fn finish(self) -> Vec<Problem> {
        self.problems
    }

    /// Lets one artifact read its part. A panic becomes a problem and costs the other parts nothing.
    pub fn part(&mut self, artifact: &'static Artifact, read: impl FnOnce(&mut Sink<'_>)) {
        let mut on_record = |record| (self.on_record)(artifact, record);
        let shared = self.shared.map(|(crew, on_record)| (crew, move |record| on_record(artifact, record)));
        let mut sink = Sink::new(self.item, &mut on_record);
        sink.share(shared.as_ref().map(|(crew, on_record)| Shared { crew, on_record }));
        if guarded(|| read(&mut sink)).is_none() {
            sink.gave_up(artifact.title);
        }
        let problems = sink.finish();
        self.take(problems);
    }

    /// Takes what is wrong with the container itself.
    pub fn of_the_container(&mut self, tell: impl FnOnce(&mut Sink<'_>)) {
        let mut no_record = |_| ();
        let mut sink = Sink::new(self.item, &mut no_record);
        tell(&mut sink);
        let problems = sink.finish();
        self.take(problems);
    }

    /// Several parts meet the same damage, which is told once.
    fn take(&mut self, problems: Vec<Problem>) {
        for problem in problems {
            if !self.problems.contains(&problem) {
                self.problems.push(problem);
            }
        }
    }
}
