//! Declared locations on a source: what is there, and what is not.

use super::pattern::Pattern;
use crate::source::{Found, Source, Tree, Volume, VolumeKind};
use evidence::{Artifact, Location, Problem, ProblemKind, Stage};
use std::collections::{BTreeMap, BTreeSet};

/// A file or stream on one of the volumes of a source.
#[derive(Clone, Debug)]
pub struct Located {
    /// Index of the volume in [`Source::volumes`].
    pub volume: usize,
    /// The file.
    pub found: Found,
}

/// Where the profiles of users and of the accounts of services lie.
const PROFILES: [&str; 5] = [
    r"\Users\*",
    r"\Windows\System32\config\systemprofile",
    r"\Windows\SysWOW64\config\systemprofile",
    r"\Windows\ServiceProfiles\*",
    r"\Documents and Settings\*",
];

/// What the logs of a hive are called.
const HIVE_LOGS: [&str; 3] = [".LOG", ".LOG1", ".LOG2"];

impl Located {
    /// The path as evidence names it: `C:\a.dll`, or `{volume-9A3C11F2}\a.dll` where the letter is not known.
    pub fn original_path(&self, volume: &Volume) -> String {
        volume.original_path(&self.found.full_path())
    }
}

/// The path from the root of the volume in an original path of that volume.
pub(crate) fn local_path<'a>(volume: &Volume, original_path: &'a str) -> &'a str {
    let prefix = match volume.letter {
        Some(_) => 2,
        None => volume.id.len() + 2,
    };
    original_path.get(prefix..).unwrap_or_default()
}

/// The folders that a component with a wildcard, or a plain path, stands for.
fn folders(tree: &dyn Tree, pattern: &str, problems: &mut Vec<Problem>) -> Vec<String> {
    let mut look = |path: &str| match tree.lookup(path) {
        Ok(found) => found.filter(|found| found.is_folder),
        Err(problem) => {
            problems.push(problem);
            None
        }
    };
    match pattern.strip_suffix(r"\*") {
        None => look(pattern).map(|found| found.path).into_iter().collect(),
        Some(parent) => {
            let Some(parent) = look(parent) else { return Vec::new() };
            match tree.list(&parent) {
                Ok(children) => children
                    .into_iter()
                    .filter(|child| child.is_folder && child.stream.is_none())
                    .map(|child| child.path)
                    .collect(),
                Err(problem) => {
                    problems.push(problem);
                    Vec::new()
                }
            }
        }
    }
}

fn expand(tree: &dyn Tree, pattern: &str, problems: &mut Vec<Problem>) -> Vec<Found> {
    if let Some(rest) = pattern.strip_prefix("%SystemRoot%") {
        return Pattern::new(rest).expand(tree, r"\Windows", problems);
    }
    if let Some(rest) = pattern.strip_prefix("%UserProfile%") {
        let mut profiles = BTreeSet::new();
        for pattern in PROFILES {
            profiles.extend(folders(tree, pattern, problems));
        }
        return profiles.iter().flat_map(|profile| Pattern::new(rest).expand(tree, profile, problems)).collect();
    }
    Pattern::new(pattern).expand(tree, "", problems)
}

/// Which volumes a location is looked for on.
#[derive(Clone, Copy, PartialEq, Eq)]
enum On {
    /// Those with Windows on them.
    System,
    /// Every one that holds files.
    Every,
    /// The state of a live host.
    Live,
}

fn trees(source: &Source, on: On) -> impl Iterator<Item = (usize, &dyn Tree)> {
    source
        .volumes
        .iter()
        .enumerate()
        .filter(move |(_, (volume, _))| match on {
            // Of a shadow copy it is not asked what it is a copy of: what is not there is not found.
            On::System => volume.is_system || volume.kind == VolumeKind::ShadowCopy,
            On::Every => volume.kind != VolumeKind::Live,
            On::Live => volume.kind == VolumeKind::Live,
        })
        .filter_map(|(index, (_, tree))| Some((index, tree.as_deref()?)))
}

fn patterns(location: &Location) -> (Vec<&'static str>, On) {
    match location {
        Location::File(pattern) => (vec![*pattern], On::System),
        Location::EveryVolume(pattern) => (vec![*pattern], On::Every),
        Location::Key { hive, .. } => (hive.globs().to_vec(), On::System),
        Location::Lead => (Vec::new(), On::System),
        Location::Volatile(name) => (vec![*name], On::Live),
    }
}

/// What is at a declared location, in a stable order, and what went wrong while looking. For a key it is the
/// hive files; their logs are found with [`hive_logs`].
pub fn locate(source: &Source, location: &Location) -> (Vec<Located>, Vec<Problem>) {
    let (patterns, on) = patterns(location);
    let mut located = Vec::new();
    let mut problems = Vec::new();
    for (volume, tree) in trees(source, on) {
        for pattern in &patterns {
            let found = expand(tree, pattern, &mut problems);
            located.extend(found.into_iter().map(|found| Located { volume, found }));
        }
    }
    (located, problems)
}

/// The transaction logs beside a hive file.
pub fn hive_logs(source: &Source, hive: &Located) -> Vec<Located> {
    let Some(tree) = source.volumes.get(hive.volume).and_then(|(_, tree)| tree.as_deref()) else { return Vec::new() };
    HIVE_LOGS
        .iter()
        .filter_map(|suffix| tree.lookup(&format!("{}{suffix}", hive.found.path)).ok().flatten())
        .filter(|found| !found.is_folder)
        .map(|found| Located { volume: hive.volume, found })
        .collect()
}

/// One object to collect, and who wants it.
#[derive(Clone, Debug)]
pub(crate) struct Wanted {
    pub(crate) located: Located,
    pub(crate) original_path: String,
    pub(crate) wanted_by: Vec<&'static str>,
    pub(crate) named_by: BTreeSet<String>,
    pub(crate) named_as: BTreeSet<String>,
    pub(crate) companions: BTreeSet<String>,
    /// Whether SHA-1 and MD5 are wanted if it is a program.
    pub(crate) as_program: bool,
}

/// What tells objects apart: the volume, the path as spelled there, and the file record of a deleted file.
pub(crate) type Key = (usize, String, Option<(u64, u16)>);

impl Wanted {
    pub(crate) fn new(source: &Source, located: Located) -> Self {
        let original_path = located.original_path(&source.volumes[located.volume].0);
        Wanted {
            located,
            original_path,
            wanted_by: Vec::new(),
            named_by: BTreeSet::new(),
            named_as: BTreeSet::new(),
            companions: BTreeSet::new(),
            as_program: false,
        }
    }

    /// The same as its key, as far as it takes to compare.
    fn identity(&self) -> (usize, &str, Option<&str>, Option<(u64, u16)>) {
        let found = &self.located.found;
        (self.located.volume, &found.path, found.stream.as_deref(), found.recovery.and(found.mft))
    }

    pub(crate) fn key(&self) -> Key {
        let found = &self.located.found;
        (self.located.volume, found.full_path(), found.recovery.and(found.mft))
    }
}

/// Everything that the artifacts declare, each object once, and a problem for each location that has none.
pub(crate) fn declared(source: &Source, artifacts: &[&Artifact]) -> (Vec<Wanted>, Vec<Problem>) {
    let mut wanted: Vec<Wanted> = Vec::new();
    let mut problems = Vec::new();
    let mut asked: BTreeMap<String, (Location, Vec<&Artifact>)> = BTreeMap::new();
    for artifact in artifacts {
        for location in artifact.locations.iter().filter(|location| **location != Location::Lead) {
            // Two artifacts often live in one place: several keys of one hive.
            let place = match location {
                Location::Key { hive, .. } => hive.globs().join(" and "),
                Location::File(pattern) => (*pattern).to_owned(),
                Location::EveryVolume(pattern) => format!("{pattern} on every volume"),
                Location::Volatile(name) => format!("{name} of the live host"),
                Location::Lead => continue,
            };
            let entry = asked.entry(place).or_insert_with(|| (*location, Vec::new()));
            if !entry.1.iter().any(|other| other.id == artifact.id) {
                entry.1.push(artifact);
            }
        }
    }
    for (place, (location, artifacts)) in asked {
        let (located, mut went_wrong) = locate(source, &location);
        problems.append(&mut went_wrong);
        let is_volatile = matches!(location, Location::Volatile(_));
        if located.is_empty() && !(is_volatile && trees(source, On::Live).next().is_none()) {
            problems.push(absence(source, &place, &artifacts));
        }
        let as_program = artifacts.iter().any(|artifact| artifact.locations.contains(&Location::Lead));
        let ids: Vec<&'static str> = artifacts.iter().map(|artifact| artifact.id).collect();
        // No artifact is called so, hence what only this asks for is kept and not parsed.
        let older: Vec<&'static str> =
            artifacts.iter().map(|artifact| if artifact.older_states { artifact.id } else { "shadow-copy" }).collect();
        let mut add = |located: Located, companions: &[String]| {
            let mut new = Wanted::new(source, located);
            new.wanted_by.clone_from(if is_older(source, &new) { &older } else { &ids });
            new.companions.extend(companions.iter().cloned());
            new.as_program = as_program;
            wanted.push(new);
        };
        for located in located {
            let logs = match location {
                Location::Key { .. } => hive_logs(source, &located),
                _ => Vec::new(),
            };
            let volume = &source.volumes[located.volume].0;
            let paths: Vec<String> = logs.iter().map(|log| log.original_path(volume)).collect();
            add(located, &paths);
            logs.into_iter().for_each(|log| add(log, &[]));
        }
    }
    problems.sort();
    problems.dedup();
    wanted.sort_by(|a, b| a.identity().cmp(&b.identity()));
    wanted.dedup_by(|later, first| {
        let same = later.identity() == first.identity();
        if same {
            first.wanted_by.append(&mut later.wanted_by);
            first.companions.append(&mut later.companions);
            first.as_program |= later.as_program;
        }
        same
    });
    for wanted in &mut wanted {
        wanted.wanted_by.sort_unstable();
        wanted.wanted_by.dedup();
    }
    (wanted, problems)
}

/// Whether an object is of an earlier moment.
fn is_older(source: &Source, wanted: &Wanted) -> bool {
    source.volumes[wanted.located.volume].0.kind == VolumeKind::ShadowCopy
}

fn absence(source: &Source, place: &str, artifacts: &[&Artifact]) -> Problem {
    let titles: Vec<&str> = artifacts.iter().map(|artifact| artifact.title).collect();
    let what = if trees(source, On::Every).next().is_none() {
        "no volume of the source can be searched"
    } else if trees(source, On::System).next().is_none() {
        "no volume with Windows on it was found"
    } else {
        "nothing is there"
    };
    let supports: Vec<&str> =
        artifacts.iter().map(|artifact| artifact.supports).filter(|text| !text.is_empty()).collect();
    let mut effect =
        format!("{} cannot say anything here, and that is no sign that nothing happened", titles.join(", "));
    if !supports.is_empty() {
        effect.push_str(". What is lost with it: ");
        effect.push_str(&supports.join(" "));
    }
    Problem::new(Stage::Locate, ProblemKind::NotFound, place, what, effect)
}
