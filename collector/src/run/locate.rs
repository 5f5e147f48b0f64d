//! Declared locations on a source: what is there, and what is not.

#[cfg(test)]
mod tests;

use super::lead_path;
use super::pattern::Pattern;
use crate::source::{Found, Source, Tree, Volume, VolumeKind};
use crate::spill::{Sorter, Spill, Spool};
use evidence::{Artifact, Format, Hive, Item, Problem, ProblemKind, Reads, Stage, name};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, BufRead};

/// A file or stream on one of the volumes of a source.
#[derive(Clone, Debug)]
pub struct Located {
    /// Index of the volume in [`Source::volumes`].
    pub volume: usize,
    /// The file.
    pub found: Found,
}

const LEGACY_PROFILES: &str = r"\Documents and Settings";

impl Located {
    /// The path as evidence names it: `C:\a.dll`, or `{volume-9A3C11F2}\a.dll` where the letter is not known. What is no
    /// text in it is shown as `\xFC` or `\uD800`.
    pub fn original_path(&self, volume: &Volume) -> String {
        name::shown(&volume.original_path(&self.found.full_path())).into_owned()
    }

    /// The same path as the system has it, see [`name::raw`]; `None` where it is text.
    pub(crate) fn original_path_raw(&self, volume: &Volume) -> Option<String> {
        name::raw(&volume.original_path(&self.found.full_path()))
    }

    /// What tells its path apart from every other, see [`evidence::Item::exact_path`].
    pub(crate) fn exact_path(&self, volume: &Volume) -> String {
        self.original_path_raw(volume).unwrap_or_else(|| self.original_path(volume))
    }
}

/// The path from the root of the volume in an original path of that volume that is text.
pub(crate) fn local_path<'a>(volume: &Volume, original_path: &'a str) -> &'a str {
    let prefix = match volume.letter {
        Some(_) => 2,
        None => volume.id.len() + 2,
    };
    original_path.get(prefix..).unwrap_or_default()
}

/// A folder on one of the volumes: the index of the volume, and the path from its root.
type Place = (usize, String);

/// Most junctions and links that a path goes through.
const MOST_LINKS: usize = 16;

/// Where the junctions and links on a folder's path lead: the folder itself where there are none. An error says where
/// they lead, if that is not in the source.
fn behind_links(source: &Source, volume: usize, folder: &str) -> Result<Place, String> {
    let volumes: Vec<&Volume> = source.volumes.iter().map(|(volume, _)| volume).collect();
    let tree = |index: usize| source.volumes.get(index).and_then(|(_, tree)| tree.as_deref());
    let mut place = (volume, folder.to_owned());
    for _ in 0..MOST_LINKS {
        let Some(target) = tree(place.0).and_then(|tree| tree.link(&place.1)) else { return Ok(place) };
        if target.starts_with('\\') {
            place.1 = target;
            continue;
        }
        let missing =
            name::shown(&format!("{} leads to {target}", volumes[place.0].original_path(&place.1))).into_owned();
        let there = lead_path::places(&target, &volumes).map_err(|why| format!("{missing}: {why}"))?;
        let is_there = |index: &&usize| {
            let found = tree(**index).and_then(|tree| tree.lookup(&there.path).ok().flatten());
            found.is_some_and(|found| found.is_folder)
                || tree(**index).is_some_and(|tree| tree.link(&there.path).is_some())
        };
        // A link names its own volume by letter as well.
        let own = there.volumes.iter().find(|index| **index == place.0);
        let Some(index) = own.or_else(|| there.volumes.iter().find(is_there)) else {
            return Err(format!("{missing}, which is on no volume of the source"));
        };
        place = (*index, there.path);
    }
    Err(name::shown(&format!("{} leads through junctions in a circle", volumes[volume].original_path(folder)))
        .into_owned())
}

/// The problem with the name of the volume before the path from its root.
pub(crate) fn on_volume(mut problem: Problem, volume: &Volume) -> Problem {
    if problem.item.is_empty() {
        problem.item = "\\".to_owned();
    }
    if problem.item.starts_with('\\') && problem.stage == Stage::Locate {
        problem.item = volume.original_path(&problem.item);
    }
    problem
}

/// The same; what leads nowhere is a problem.
fn follow(source: &Source, volume: usize, folder: &str, problems: &mut Vec<Problem>) -> Option<Place> {
    match behind_links(source, volume, folder) {
        Ok(place) => Some(place),
        Err(what) => {
            let kind = ProblemKind::Inconsistent { a: what, b: "what lies there is not in this evidence".to_owned() };
            let what = "a folder that is looked into is a junction or link, and where it leads could not be searched";
            let effect = "what it holds is not known; if it lies on another volume, collect it from there";
            let problem = Problem::new(Stage::Locate, kind, folder, what, effect);
            problems.push(on_volume(problem, &source.volumes[volume].0));
            None
        }
    }
}

/// Gives the folders that a component with a wildcard, or a plain path, stands for. A folder that was gone through already
/// by another name is passed over.
fn each_folder(
    source: &Source,
    volume: usize,
    pattern: &str,
    seen: &mut BTreeSet<Place>,
    problems: &mut Vec<Problem>,
    take: &mut dyn FnMut(Place, &mut Vec<Problem>),
) {
    let (parent, is_plain) = match pattern.strip_suffix(r"\*") {
        None => (pattern, true),
        Some(parent) => (parent, false),
    };
    // Windows' own link for programs from before Vista leads to where is looked anyway.
    let mut unsaid = Vec::new();
    let said = if parent.ends_with(LEGACY_PROFILES) { &mut unsaid } else { &mut *problems };
    let Some((volume, path)) = follow(source, volume, parent, said) else { return };
    let Some(tree) = source.volumes[volume].1.as_deref() else { return };
    let found = match tree.lookup(&path) {
        Ok(found) => found.filter(|found| found.is_folder),
        Err(problem) => {
            said.push(on_volume(problem, &source.volumes[volume].0));
            None
        }
    };
    let Some(found) = found.filter(|found| seen.insert((volume, found.path.clone()))) else { return };
    if is_plain {
        return take((volume, found.path), problems);
    }
    let listed = tree.each(&found, &mut |child| {
        if child.is_folder && child.stream.is_none() {
            take((volume, child.path), problems);
        }
    });
    problems.extend(listed.err().map(|problem| on_volume(problem, &source.volumes[volume].0)));
}

/// Gets what is located, as it is found.
type Take<'a> = &'a mut dyn FnMut(Located);

/// What a pattern stands for below a folder, through the junctions and links on the part of it that has no wildcard.
fn below(source: &Source, base: &Place, rest: &str, problems: &mut Vec<Problem>, take: Take<'_>) {
    let last = rest.rfind('\\').unwrap_or(0);
    let wild = rest.find(['*', '?']).map_or(last, |at| rest[..at].rfind('\\').unwrap_or(0));
    let (fixed, more) = rest.split_at(wild.min(last));
    let Some((volume, folder)) = follow(source, base.0, &format!("{}{fixed}", base.1), problems) else {
        return;
    };
    let Some(tree) = source.volumes[volume].1.as_deref() else { return };
    let mut unlisted = Vec::new();
    Pattern::new(more).each(tree, &folder, &mut unlisted, &mut |found| take(Located { volume, found }));
    problems.extend(unlisted.into_iter().map(|problem| on_volume(problem, &source.volumes[volume].0)));
}

fn expand(source: &Source, index: usize, pattern: &str, problems: &mut Vec<Problem>, take: Take<'_>) {
    let volume = &source.volumes[index].0;
    let windows = volume.windows.as_str();
    if let Some(rest) = pattern.strip_prefix(Reads::SYSTEM_ROOT) {
        return below(source, &(index, windows.to_owned()), rest, problems, take);
    }
    if let Some(rest) = pattern.strip_prefix(Reads::USER_PROFILE) {
        let beside = volume.beside_windows();
        let patterns = Reads::PROFILES_BESIDE.map(|pattern| format!("{beside}{pattern}"));
        let places = Reads::PROFILES_BELOW.map(|pattern| format!("{windows}{pattern}"));
        let mut seen = BTreeSet::new();
        for pattern in patterns.iter().chain(&places) {
            each_folder(source, index, pattern, &mut seen, problems, &mut |profile, problems| {
                below(source, &profile, rest, problems, take);
            });
        }
        return;
    }
    below(source, &(index, String::new()), pattern, problems, take);
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
    /// Files outside of every tree of Windows.
    Loose,
}

fn trees(source: &Source, on: On) -> impl Iterator<Item = (usize, &dyn Tree)> {
    source
        .volumes
        .iter()
        .enumerate()
        .filter(move |(_, (volume, _))| match on {
            // Of a shadow copy it is not asked what it is a copy of: what is not there is not found.
            On::System => volume.is_system || volume.kind == VolumeKind::ShadowCopy,
            On::Every => !matches!(volume.kind, VolumeKind::Live | VolumeKind::Loose),
            On::Live => volume.kind == VolumeKind::Live,
            On::Loose => volume.kind == VolumeKind::Loose,
        })
        .filter_map(|(index, (_, tree))| Some((index, tree.as_deref()?)))
}

fn patterns(location: &Reads) -> (Vec<&'static str>, On) {
    match location {
        Reads::File(pattern) => (vec![*pattern], On::System),
        Reads::EveryVolume(pattern) => (vec![*pattern], On::Every),
        Reads::Key { hive, .. } => (hive.globs().to_vec(), On::System),
        Reads::Loose(_) => (Vec::new(), On::Loose),
        Reads::Lead => (Vec::new(), On::System),
        Reads::Volatile(name) => (vec![*name], On::Live),
    }
}

/// Whether profiles on this volume can be of the users of the host: it has no Windows that they could be of instead.
fn may_have_profiles(source: &Source, index: usize, tree: &dyn Tree) -> bool {
    let volume = &source.volumes[index].0;
    let is_data = !volume.is_system && !matches!(volume.kind, VolumeKind::ShadowCopy | VolumeKind::OtherCopy);
    let has = |folder: &str| tree.lookup(&format!(r"\{folder}\System32\config")).is_ok_and(|found| found.is_some());
    is_data && !has("Windows") && !has("WINNT")
}

/// Whether a file that lies outside of every tree of Windows is for this location by its format.
fn is_for(location: &Reads, format: Format) -> bool {
    match location {
        Reads::Loose(wanted) => *wanted == format,
        // A hive that does not say which it is may be any.
        Reads::Key { hive, .. } => matches!(format, Format::Hive(which) if which.is_none_or(|which| which == *hive)),
        _ => false,
    }
}

/// The first so many that are wanted of what is at a declared location, in a stable order, and what went wrong while
/// looking. For a key it is the hive files; their logs are found with [`hive_logs`].
pub fn first_located(
    source: &Source,
    location: &Reads,
    most: usize,
    is_wanted: &dyn Fn(&Located) -> bool,
) -> (Vec<Located>, Vec<Problem>) {
    let mut first = BTreeMap::new();
    let problems = each_located(source, location, &mut |pattern, one| {
        if is_wanted(&one) {
            first.insert((pattern, one.volume, one.found.path.clone(), one.found.stream.clone()), one);
        }
        // There can be millions of them.
        if first.len() > most {
            first.pop_last();
        }
    });
    (first.into_values().collect(), problems)
}

#[cfg(test)]
pub(crate) fn locate(source: &Source, location: &Reads) -> (Vec<Located>, Vec<Problem>) {
    first_located(source, location, usize::MAX, &|_| true)
}

/// What is at a declared location, as it is found: with the number of the pattern that it was found by, and some of it
/// several times.
fn each_located(source: &Source, location: &Reads, take: &mut dyn FnMut(usize, Located)) -> Vec<Problem> {
    let (patterns, on) = patterns(location);
    let mut problems = Vec::new();
    let mut number = 0;
    for (index, _) in trees(source, on) {
        for pattern in &patterns {
            expand(source, index, pattern, &mut problems, &mut |one| take(number, one));
            number += 1;
        }
    }
    if on == On::System {
        for (index, _) in trees(source, On::Every).filter(|(index, tree)| may_have_profiles(source, *index, *tree)) {
            for pattern in patterns.iter().filter(|pattern| pattern.starts_with(Reads::USER_PROFILE)) {
                expand(source, index, pattern, &mut problems, &mut |one| take(number, one));
                number += 1;
            }
        }
    }
    if on == On::Live {
        return problems;
    }
    // Files on a drive of data are recognised as those outside of every tree are.
    for (volume, tree) in trees(source, On::Loose).chain(trees(source, On::Every)) {
        for found in tree.of_format(&|format| is_for(location, format)) {
            match found {
                Ok(found) => take(number, Located { volume, found }),
                Err(problem) => problems.push(problem),
            }
        }
    }
    problems
}

/// The transaction logs beside a hive file.
pub fn hive_logs(source: &Source, hive: &Located) -> Vec<Located> {
    let Some(tree) = source.volumes.get(hive.volume).and_then(|(_, tree)| tree.as_deref()) else { return Vec::new() };
    Hive::LOGS
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
    pub(crate) original_path_raw: Option<String>,
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
        let volume = &source.volumes[located.volume].0;
        Wanted {
            original_path: located.original_path(volume),
            original_path_raw: located.original_path_raw(volume),
            located,
            wanted_by: Vec::new(),
            named_by: BTreeSet::new(),
            named_as: BTreeSet::new(),
            companions: BTreeSet::new(),
            as_program: false,
        }
    }

    pub(crate) fn key(&self) -> Key {
        let found = &self.located.found;
        (self.located.volume, found.full_path(), found.recovery.and(found.mft))
    }
}

/// What is wanted of one file by one location.
#[derive(Serialize, Deserialize)]
struct Row {
    volume: usize,
    found: Found,
    /// Which of the sets of artifacts wants it.
    set: usize,
    companions: Vec<String>,
    as_program: bool,
}

/// Everything that the artifacts declare, each object once, in the order of the original paths: on disk if it is much.
pub(crate) struct Declared {
    lines: Spool,
    /// How many objects.
    pub(crate) count: usize,
    /// Their bytes, no more than so many of each.
    pub(crate) bytes: u64,
    sets: Vec<Vec<&'static str>>,
}

/// An object that is wanted, as a line.
#[derive(Serialize, Deserialize)]
struct Line {
    volume: usize,
    found: Found,
    sets: BTreeSet<usize>,
    companions: BTreeSet<String>,
    as_program: bool,
}

impl Declared {
    /// Sorts and merges what was located.
    fn new(rows: Sorter, sets: Vec<Vec<&'static str>>, spill: &Spill, max_object: u64) -> io::Result<Self> {
        let mut declared = Declared { lines: Spool::new(spill), count: 0, bytes: 0, sets };
        let mut last: Option<Line> = None;
        for row in rows.finish()? {
            let Row { volume, found, set, companions, as_program } = serde_json::from_slice(&row?.1)?;
            match &mut last {
                Some(line) if identity(line.volume, &line.found) == identity(volume, &found) => {
                    line.sets.insert(set);
                    line.companions.extend(companions);
                    line.as_program |= as_program;
                }
                _ => {
                    declared.add(last.take(), max_object)?;
                    let (sets, companions) = (BTreeSet::from([set]), companions.into_iter().collect());
                    last = Some(Line { volume, found, sets, companions, as_program });
                }
            }
        }
        declared.add(last, max_object)?;
        Ok(declared)
    }

    fn add(&mut self, line: Option<Line>, max_object: u64) -> io::Result<()> {
        let Some(line) = line else { return Ok(()) };
        self.count += 1;
        self.bytes = self.bytes.saturating_add(line.found.size.min(max_object));
        let mut text = serde_json::to_vec(&line)?;
        text.push(b'\n');
        self.lines.push(&text)
    }

    /// The objects in order.
    pub(crate) fn each<'a>(
        &'a mut self,
        source: &'a Source,
    ) -> io::Result<impl Iterator<Item = io::Result<Wanted>> + 'a> {
        let sets = &self.sets;
        let lines = self.lines.read(0)?.split(b'\n');
        Ok(lines.map(move |line| {
            let Line { volume, found, sets: by, companions, as_program } = serde_json::from_slice(&line?)?;
            let mut wanted = Wanted::new(source, Located { volume, found });
            wanted.wanted_by = by.iter().flat_map(|set| sets[*set].iter().copied()).collect();
            wanted.wanted_by.sort_unstable();
            wanted.wanted_by.dedup();
            wanted.companions = companions;
            wanted.as_program = as_program;
            Ok(wanted)
        }))
    }
}

/// The same for two files that are one object.
fn identity(volume: usize, found: &Found) -> (usize, &str, Option<&str>, Option<(u64, u16)>) {
    (volume, &found.path, found.stream.as_deref(), found.recovery.and(found.mft))
}

/// Bytes that are in the order in which objects are acquired.
fn sort_key(source: &Source, located: &Located) -> Vec<u8> {
    let mut key = located.original_path(&source.volumes[located.volume].0).into_bytes();
    key.push(0);
    key.extend((located.volume as u64).to_be_bytes());
    key.extend(located.found.full_path().bytes());
    key.push(0);
    if let Some((entry, sequence)) = located.found.recovery.and(located.found.mft) {
        key.extend(entry.to_be_bytes());
        key.extend(sequence.to_be_bytes());
    }
    // A stream and a file with a colon in its name can have one full path.
    key.push(u8::from(located.found.stream.is_some()));
    key
}

/// The locations of these artifacts by what is looked for there.
fn asked_for<'a>(artifacts: &[&'a Artifact]) -> BTreeMap<String, (Reads, Vec<&'a Artifact>)> {
    let mut asked: BTreeMap<String, (Reads, Vec<&Artifact>)> = BTreeMap::new();
    for artifact in artifacts {
        for location in artifact.reads.iter().filter(|location| **location != Reads::Lead) {
            // Two artifacts often live in one place: several keys of one hive.
            let place = match location {
                Reads::Key { hive, .. } => hive.globs().join(" and "),
                Reads::File(pattern) => (*pattern).to_owned(),
                Reads::EveryVolume(pattern) => format!("{pattern} on every volume"),
                Reads::Volatile(name) => format!("{name} of the live host"),
                Reads::Loose(format) => format!("{} outside of a Windows folder", format.name()),
                Reads::Lead => continue,
            };
            let entry = asked.entry(place).or_insert_with(|| (*location, Vec::new()));
            if !entry.1.iter().any(|other| other.id == artifact.id) {
                entry.1.push(artifact);
            }
        }
    }
    asked
}

/// Everything that the artifacts declare of the volatile state of a live host, or of everything else; each object once,
/// and a problem for each location that has none.
pub(crate) fn declared(
    source: &Source,
    artifacts: &[&Artifact],
    spill: &Spill,
    (budget, max_object): (usize, u64),
    volatile: bool,
) -> io::Result<(Declared, Vec<Problem>)> {
    let mut problems = Vec::new();
    let mut rows = Sorter::new(spill, budget);
    let mut sets = Vec::new();
    for (place, (location, artifacts)) in asked_for(artifacts) {
        if volatile != matches!(location, Reads::Volatile(_)) {
            continue;
        }
        let as_program = artifacts.iter().any(|artifact| artifact.reads.contains(&Reads::Lead));
        let first = sets.len();
        sets.push(artifacts.iter().map(|artifact| artifact.id).collect());
        let older = |artifact: &&Artifact| if artifact.older_states { artifact.id } else { Item::SHADOW_COPY };
        sets.push(artifacts.iter().map(older).collect());
        let older = |artifact: &&Artifact| if artifact.older_states { artifact.id } else { Item::OTHER_COPY };
        sets.push(artifacts.iter().map(older).collect());
        sets.push(vec![Item::OTHER_COPY]);
        let is_whole = |located: &Located| {
            source.volumes[located.volume].1.as_deref().is_some_and(|tree| tree.is_whole(&located.found))
        };
        let mut add = |located: Located, companions: Vec<String>| {
            let set = match source.volumes[located.volume].0.kind {
                VolumeKind::ShadowCopy => first + 1,
                VolumeKind::OtherCopy if is_whole(&located) => first + 2,
                VolumeKind::OtherCopy => first + 3,
                _ => first,
            };
            let key = sort_key(source, &located);
            let row = Row { volume: located.volume, found: located.found, set, companions, as_program };
            rows.push(&key, &serde_json::to_vec(&row)?)
        };
        let (mut is_there, mut added) = (false, Ok(()));
        let went_wrong = each_located(source, &location, &mut |_, located| {
            is_there = true;
            let logs = match location {
                Reads::Key { .. } => hive_logs(source, &located),
                _ => Vec::new(),
            };
            let volume = &source.volumes[located.volume].0;
            let paths = logs.iter().map(|log| log.exact_path(volume)).collect();
            if added.is_ok() {
                added = add(located, paths).and_then(|()| logs.into_iter().try_for_each(|log| add(log, Vec::new())));
            }
        });
        added?;
        // Of a place that could not be looked at nobody knows whether it is empty.
        let is_known = !went_wrong.iter().any(|problem| problem.stage == Stage::Locate);
        problems.extend(went_wrong);
        let may_be_absent = match location {
            Reads::Volatile(_) => trees(source, On::Live).next().is_none(),
            Reads::Loose(_) => true,
            _ => false,
        };
        if !is_there && !may_be_absent && is_known {
            problems.push(absence(source, &place, &artifacts));
        }
    }
    problems.sort();
    problems.dedup();
    Ok((Declared::new(rows, sets, spill, max_object)?, problems))
}

fn absence(source: &Source, place: &str, artifacts: &[&Artifact]) -> Problem {
    let what = if trees(source, On::Every).next().is_none() {
        "no volume of the source can be searched"
    } else if trees(source, On::System).next().is_none() {
        "no volume with Windows on it was found"
    } else {
        "nothing is at this place"
    };
    // What one place alone would have told is not declared, and most artifacts have several.
    let mut effect =
        "what only this place would tell is not known, and that it is empty is no sign that nothing happened"
            .to_owned();
    let is_other = |location: &Reads| !matches!(location, Reads::Lead | Reads::Loose(_));
    let elsewhere: Vec<&str> = artifacts
        .iter()
        .filter(|artifact| artifact.reads.iter().filter(|location| is_other(location)).count() > 1)
        .map(|artifact| artifact.title)
        .collect();
    if !elsewhere.is_empty() {
        effect.push_str(&format!(
            ". Other places of this kind of evidence were looked for as well: {}",
            elsewhere.join(", ")
        ));
    }
    Problem::new(Stage::Locate, ProblemKind::NotFound, place, what, effect)
}
