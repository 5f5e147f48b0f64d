//! The leads loop: what the acquired objects name is evidence too.

mod by_name;
#[cfg(test)]
mod tests;

use super::acquire::Take;
use super::lead_path::{self, LeadPath};
use super::locate::{Key, Located, Wanted, local_path, on_volume};
use super::objects::{Kept, MAX_NAMED_BY, Place, add_named_by};
use super::resume::Resume;
use super::seen::{Seen, read_again};
use crate::bundle::journal::Later;
use crate::run::{AcquiredItem, CollectRequest, Job, Run};
use crate::source::{Content, Found, Source, Tree, Volume, VolumeKind};
use evidence::{
    Artifact, Bytes, Item, ItemStatus, LEADS_UNREAD, Problem, ProblemKind, Problems, Stage, StoredRange, name,
};
use rayon::prelude::*;
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::ops::Range;
use std::sync::OnceLock;
use std::sync::atomic::Ordering;

/// Alternate streams of one file that are collected.
const MAX_STREAMS: usize = 64;
/// Longest program that is looked at only because it ran, bytes: the tools have less than a hundredth of it.
const MAX_SUSPECT: u64 = 64 << 20;
/// Deleted files of one path that are collected.
const MAX_DELETED: usize = 8;

/// Content that is opened when somebody asks for it; most objects are never asked.
struct Lazy<'a> {
    source: &'a Source,
    volume: usize,
    /// From the root of the volume, with the stream.
    path: Cow<'a, str>,
    deleted: Option<&'a Found>,
    opened: OnceLock<Result<Box<dyn Content>, String>>,
    size: u64,
    stored_ranges: &'a [StoredRange],
    /// What could not be read when it was acquired: zeros here, as in the bundle, and not tried again.
    unreadable: &'a [Range<u64>],
    /// The first error of reading.
    failed: OnceLock<String>,
    /// The earlier part of the collection that holds it, and the object there.
    earlier: Option<(&'a Resume, usize, Cow<'a, Item>)>,
}

impl<'a> Lazy<'a> {
    fn new(source: &'a Source, resume: Option<&'a Resume>, kept: &'a Kept) -> Self {
        Lazy {
            source,
            volume: kept.volume,
            path: Cow::Borrowed(&kept.full_path),
            deleted: kept.deleted.as_deref(),
            opened: OnceLock::new(),
            size: kept.item.size,
            stored_ranges: &kept.item.stored_ranges,
            unreadable: &kept.unreadable,
            failed: OnceLock::new(),
            earlier: resume.zip(kept.held).map(|(resume, part)| (resume, part, Cow::Borrowed(&kept.item))),
        }
    }

    /// What belongs to an object and lies on the same volume, if it is there.
    /// `exact_path` is as [`evidence::Item::exact_path`] has it; its original path comes back too.
    fn companion(
        source: &'a Source,
        resume: Option<&'a Resume>,
        (of_volume, full_path): (usize, &str),
        exact_path: &'a str,
    ) -> Option<(Cow<'a, str>, Self)> {
        let (volume, tree) = &source.volumes[of_volume];
        if let Some(resume) = resume
            && let Some((part, item)) = resume.find(&volume.id, exact_path, None)
        {
            let lazy = Lazy {
                source,
                volume: of_volume,
                path: Cow::Borrowed(exact_path),
                deleted: None,
                opened: OnceLock::new(),
                size: item.size,
                stored_ranges: &[],
                unreadable: &[],
                failed: OnceLock::new(),
                earlier: None,
            };
            let name = Cow::Owned(item.original_path.clone());
            return Some((name, Lazy { earlier: Some((resume, part, Cow::Owned(item))), ..lazy }));
        }
        let tree = tree.as_deref()?;
        let lazy = |path: Cow<'a, str>, size: u64| Lazy {
            source,
            volume: of_volume,
            path,
            deleted: None,
            opened: OnceLock::new(),
            size,
            stored_ranges: &[],
            unreadable: &[],
            failed: OnceLock::new(),
            earlier: None,
        };
        // What cannot be looked up is not called missing.
        let unread = |problem: Problem| {
            let lazy = lazy(Cow::Borrowed(local_path(volume, exact_path)), 0);
            lazy.failed.get_or_init(|| problem.what);
            Some((Cow::Borrowed(exact_path), lazy))
        };
        let (name, path, found) = if exact_path.starts_with(&volume.original_path("\\")) {
            let path = local_path(volume, exact_path);
            match tree.lookup(path) {
                Ok(found) => (Cow::Borrowed(exact_path), Cow::Borrowed(path), found?),
                Err(problem) => return unread(problem),
            }
        } else {
            // A path that is no text is not looked up by what stands for it. Whatever belongs to a file lies beside it.
            let folder = full_path.rsplit_once('\\').map_or("", |(folder, _)| folder);
            let mut beside = None;
            let mut look = |found| {
                let located = Located { volume: of_volume, found };
                if beside.is_none() && located.exact_path(volume) == exact_path {
                    beside = Some(located);
                }
            };
            match tree.lookup(folder).and_then(|found| found.map(|found| tree.each(&found, &mut look)).transpose()) {
                Ok(listed) => listed?,
                Err(problem) => return unread(problem),
            }
            let located = beside?;
            let path = located.found.full_path();
            (Cow::Owned(located.original_path(volume)), Cow::Owned(path), located.found)
        };
        if found.is_folder {
            return None;
        }
        Some((name, lazy(path, found.size)))
    }

    fn open(&self) -> Result<Box<dyn Content>, String> {
        if let Some((resume, part, item)) = &self.earlier {
            return resume.open_item(*part, item);
        }
        let tree = self.source.volumes[self.volume].1.as_deref().ok_or("its volume cannot be read")?;
        let found = match self.deleted {
            Some(found) => found.clone(),
            None => tree.lookup(&self.path).map_err(|problem| problem.what)?.ok_or("it is not there any more")?,
        };
        tree.open(&found).map_err(|problem| problem.what)
    }

    fn content(&self) -> io::Result<&dyn Content> {
        self.opened.get_or_init(|| self.open()).as_deref().map_err(|what| {
            self.failed.get_or_init(|| what.clone());
            io::Error::other(what.clone())
        })
    }

    /// That it could not be read, though it could when it was acquired.
    fn problem(&self) -> Option<Problem> {
        self.failed.get().map(|error| unread(&self.source.volumes[self.volume].0, &self.path, error))
    }
}

/// That what names files could not be read, though it could when it was acquired.
fn unread(volume: &Volume, path: &str, error: &str) -> Problem {
    Problem::new(
        Stage::Acquire,
        ProblemKind::ReadFailed,
        name::shown(&volume.original_path(path)),
        format!("{LEADS_UNREAD}: {error}"),
        "files that only these records name were not looked for, so that such a file is not in the bundle says nothing \
         about the host",
    )
}

impl Bytes for Lazy<'_> {
    fn len(&self) -> u64 {
        self.size
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        read_again(self.content()?, self.unreadable, offset, buffer).inspect_err(|error| {
            if error.kind() != io::ErrorKind::Interrupted {
                self.failed.get_or_init(|| error.to_string());
            }
        })
    }

    fn next_data(&self, offset: u64) -> u64 {
        StoredRange::next_data(self.stored_ranges, self.size, offset)
    }

    fn as_slice(&self) -> Option<&[u8]> {
        if !self.unreadable.is_empty() {
            return None;
        }
        self.content().ok()?.as_slice()
    }
}

/// A path that is named.
pub(crate) struct NamedPath {
    /// Its spelling where it is named first.
    path: String,
    /// The place of the object that names it first.
    first: usize,
    /// What names it.
    named_by: BTreeSet<String>,
    /// What asks for it: ids of the artifacts that it is kept for, or [`Item::LEAD`].
    wanted_by: BTreeSet<&'static str>,
}

/// Named paths by their upper case.
pub(crate) type Named = BTreeMap<String, NamedPath>;

impl NamedPath {
    /// Whether it is a program that is only looked at, to see whether it is a tool under another name.
    fn is_suspect(&self) -> bool {
        self.wanted_by.iter().all(|one| *one == Item::RAN)
    }
}

/// What an object names, and what of it could not be read for that.
#[derive(Default)]
pub(crate) struct Leads {
    named: Vec<LeadPath>,
    unread: Vec<Problem>,
}

/// What the objects of a round name.
#[derive(Default)]
pub(crate) struct Gathered {
    named: Named,
    unread: Problems,
}

impl Gathered {
    /// Adds what the object at this place names.
    pub(super) fn add(&mut self, place: usize, leads: Leads) {
        self.unread.extend(leads.unread);
        for lead in leads.named {
            let entry = self.named.entry(name::folded(&lead.path)).or_insert_with(|| NamedPath {
                path: lead.path.clone(),
                first: place,
                named_by: BTreeSet::new(),
                wanted_by: BTreeSet::new(),
            });
            if place < entry.first {
                (entry.path, entry.first) = (lead.path, place);
            }
            entry.named_by.insert(lead.named_by);
            entry.wanted_by.insert(lead.kept_for.unwrap_or(Item::LEAD));
        }
    }
}

/// Objects that are asked at a time.
const BATCH: usize = 512;

/// What the objects from this place on name, with what could not be read on the way. The others were asked when they were
/// acquired; those that an earlier part of the collection holds are asked now.
pub(crate) fn of_objects(run: &mut Run<'_>, from: Place) -> io::Result<(Named, Problems)> {
    let mut gathered = std::mem::take(&mut run.gathered);
    let request = run.request;
    if request.resume.is_some() {
        let mut place = run.objects.len() - run.objects.since(from);
        run.objects.each_batch(from, BATCH, &mut |batch| {
            let held: Vec<Option<Leads>> =
                batch.par_iter().map(|kept| kept.held.map(|_| of_held(request, kept))).collect();
            for leads in held {
                if let Some(leads) = leads {
                    gathered.add(place, leads);
                }
                place += 1;
            }
            Ok(())
        })?;
    }
    Ok((gathered.named, gathered.unread))
}

fn of_held(request: &CollectRequest<'_>, kept: &Kept) -> Leads {
    if kept.item.status == ItemStatus::Failed {
        return Leads::default();
    }
    let lazy = Lazy::new(request.source, request.resume, kept);
    let mut leads = named_by(request, &kept.item, (kept.volume, &kept.full_path), &lazy);
    leads.unread.splice(0..0, lazy.problem());
    leads
}

/// What an object names that is being acquired.
pub(super) fn of_seen<T: Take>(request: &CollectRequest<'_>, item: &Item, job: &Job, seen: &Seen<'_, T>) -> Leads {
    let located = &job.wanted.located;
    let path = located.found.full_path();
    let mut leads = named_by(request, item, (located.volume, &path), seen);
    let unread = seen.failed().map(|error| unread(&request.source.volumes[located.volume].0, &path, error));
    leads.unread.splice(0..0, unread);
    leads
}

fn named_by(request: &CollectRequest<'_>, item: &Item, place: (usize, &str), bytes: &dyn Bytes) -> Leads {
    if request.cancel.load(Ordering::Relaxed) {
        return Leads::default();
    }
    let (source, resume) = (request.source, request.resume);
    let companions: Vec<(Cow<'_, str>, Lazy<'_>)> =
        item.companions.iter().filter_map(|path| Lazy::companion(source, resume, place, path)).collect();
    let beside = companions.iter().map(|(path, lazy)| (path.as_ref(), lazy as &dyn Bytes)).collect();
    let named = (request.leads)(&AcquiredItem { item, bytes, companions: beside });
    Leads { named, unread: companions.iter().filter_map(|(_, lazy)| lazy.problem()).collect() }
}

/// Most junctions and links that a path goes through.
const MOST_LINKS: usize = 16;

/// The files, existing or deleted, that a path leads to, with what belongs to them; and in which words that is to be
/// told: found where it was named, or elsewhere.
fn find(run: &mut Run<'_>, path: &str, with_more: bool) -> Result<Vec<(Located, String)>, Problem> {
    let mut meant = path.to_owned();
    for _ in 0..MOST_LINKS {
        match follow(run, &meant) {
            None => return find_file(run, &meant, with_more),
            Some(Ok(target)) => meant = target,
            Some(Err(what)) => {
                let effect = "what it holds is not known, because that place was not given: collect it from there";
                return Err(Problem::new(Stage::Locate, ProblemKind::NotUnderstood, path, what, effect));
            }
        }
    }
    Err(not_found(path, "a record names it, but its junctions or links lead in a circle".to_owned()))
}

/// The path that is meant where this one goes through a junction or link, on whichever volume of the source; an error
/// where that is on none.
fn follow(run: &Run<'_>, path: &str) -> Option<Result<String, String>> {
    let source = run.request.source;
    let volumes: Vec<&Volume> = source.volumes.iter().map(|(volume, _)| volume).collect();
    let places = lead_path::places(path, &volumes).ok()?;
    places.volumes.iter().find_map(|index| {
        let (volume, tree) = &source.volumes[*index];
        let target = tree.as_deref()?.link(&places.path)?;
        let target = match (target.starts_with('\\'), volume.letter) {
            (true, Some(letter)) => format!("{letter}:{target}"),
            _ => target,
        };
        let is_there = |other: &usize| {
            let there = |path: &str| {
                let tree = source.volumes[*other].1.as_deref()?;
                Some(tree.link(path).is_some() || tree.lookup(path).ok().flatten().is_some())
            };
            // What is missing in a folder is not there; a volume without the folder can be another one.
            let folder = |path: &str| path.rsplit_once('\\').map_or_else(String::new, |(folder, _)| folder.to_owned());
            lead_path::places(&target, &volumes)
                .is_ok_and(|places| there(&places.path) == Some(true) || there(&folder(&places.path)) == Some(true))
        };
        let leads = |why: &str| format!("{LEADS_OFF}, to {target}: {why}");
        Some(match lead_path::places(&target, &volumes) {
            Ok(there) if there.volumes.contains(index) || there.volumes.iter().any(is_there) => Ok(target),
            Ok(_) => Err(leads("no volume of the source has that folder")),
            Err(why) => Err(leads(why)),
        })
    })
}

/// How it begins of a file behind a junction or link that leads to no volume of the source.
const LEADS_OFF: &str = "a record names it, and a junction or link on its path leads off the volume";

/// How it begins of a file on a part of the volume that was not given.
const OUTSIDE: &str = "a record names it, and it lies outside of what was given";

fn not_found(path: &str, what: String) -> Problem {
    let effect = "what it holds is not known: it may have been deleted, renamed or never have been on this host";
    Problem::new(Stage::Locate, ProblemKind::NotFound, path, what, effect)
}

/// Says of a file that an artifact keeps there, and that is missing, what that artifact lacks: unlike a program that comes
/// and goes, it should be there.
fn lacking(request: &CollectRequest<'_>, named: &NamedPath, problem: &mut Problem) {
    let is_kept_for = |artifact: &&&Artifact| named.wanted_by.contains(artifact.id);
    let titles: Vec<&str> = request.artifacts.iter().filter(is_kept_for).map(|artifact| artifact.title).collect();
    if titles.is_empty() || problem.kind != ProblemKind::NotFound {
        return;
    }
    let a = format!("Windows was told to keep a file of {} there", titles.join(", "));
    // Of what was not given nothing was examined.
    problem.kind = match problem.what.starts_with(OUTSIDE) {
        true => ProblemKind::NotUnderstood,
        false => ProblemKind::Inconsistent { a, b: "it is not in this evidence".to_owned() },
    };
    problem.effect =
        "what it records is not known, and that is no sign that nothing happened; if it lies on another volume \
                      or machine, collect it from there"
            .to_owned();
}

fn find_file(run: &mut Run<'_>, path: &str, with_more: bool) -> Result<Vec<(Located, String)>, Problem> {
    let source = run.request.source;
    let not_found = |what: String| not_found(path, what);
    let volumes: Vec<&Volume> = source.volumes.iter().map(|(volume, _)| volume).collect();
    let places = lead_path::places(path, &volumes).map_err(|why| not_found(why.to_owned()))?;
    let belongings = |run: &mut Run<'_>, index: usize, tree: &dyn Tree, files: Vec<Found>| match with_more {
        true => with_belongings(run, index, tree, files),
        false => files.into_iter().map(|found| (Located { volume: index, found }, String::new())).collect(),
    };
    let (mut is_folder, mut failed) = (false, None);
    for index in &places.volumes {
        let Some(tree) = source.volumes[*index].1.as_deref() else { continue };
        for path in lead_path::on_volume(volumes[*index], &places.path) {
            match tree.lookup(&path) {
                Ok(Some(found)) if !found.is_folder => {
                    let others = other_copies(source, *index, &found);
                    // A file that had the path before can be the one that is meant.
                    let before = deleted(tree, &path).into_iter().map(|found| {
                        (Located { volume: *index, found }, "deleted file of a path that has another now".to_owned())
                    });
                    let mut found = belongings(run, *index, tree, vec![found]);
                    found.extend(others.into_iter().chain(before));
                    return Ok(found);
                }
                Ok(Some(_)) => is_folder = true,
                Ok(None) => {}
                Err(problem) => failed = Some(problem.what),
            }
        }
    }
    for index in &places.volumes {
        let Some(tree) = source.volumes[*index].1.as_deref() else { continue };
        for path in lead_path::on_volume(volumes[*index], &places.path) {
            let deleted = deleted(tree, &path);
            if !deleted.is_empty() {
                return Ok(belongings(run, *index, tree, deleted));
            }
        }
    }
    let failed = failed.or_else(|| places.volumes.iter().find_map(|index| damaged_folder(run, *index, &places.path)));
    if let Some(what) = failed {
        let what = format!("a record names it, and whether it is there could not be read: {what}");
        let effect = "that it is not in the bundle does not mean that it was not there";
        return Err(Problem::new(Stage::Acquire, ProblemKind::ReadFailed, path, what, effect));
    }
    let is_outside =
        |index: &usize| source.volumes[*index].1.as_deref().is_some_and(|tree| tree.lies_outside(&places.path));
    Err(not_found(match is_folder {
        true => "a record names it, but it is a folder".to_owned(),
        false if !places.volumes.is_empty() && places.volumes.iter().all(is_outside) => OUTSIDE.to_owned(),
        // What was handed over of a volume as files says nothing of what else was on it.
        false => match places.volumes.iter().all(|index| volumes[*index].kind.is_file_system()) {
            true => {
                format!("a record names it, but it is not on {}, not even deleted", names(&volumes, &places.volumes))
            }
            false => format!(
                "a record names it, but it is not among the files of {}, and whether it was there no file system tells",
                names(&volumes, &places.volumes)
            ),
        },
    }))
}

/// The copies of a file that differ from it, which lie on the volumes of such copies behind its own.
fn other_copies(source: &Source, volume: usize, file: &Found) -> Vec<(Located, String)> {
    let path = file.full_path();
    let own_path = Located { volume, found: file.clone() }.original_path(&source.volumes[volume].0);
    let of_copies = source.volumes.iter().enumerate().skip(volume + 1);
    let of_copies = of_copies.take_while(|(_, (other, _))| other.kind == VolumeKind::OtherCopy);
    of_copies
        .filter_map(|(index, (_, tree))| Some((index, tree.as_deref()?)))
        .flat_map(|(index, tree)| {
            let first = tree.lookup(&path).ok().flatten().filter(|found| !found.is_folder);
            first.into_iter().chain(tree.further(&path)).map(move |found| (index, found))
        })
        .map(|(volume, found)| (Located { volume, found }, format!("another copy of {own_path}")))
        .collect()
}

/// What could not be read of the folders on a path, so that a file in them may be missed.
fn damaged_folder(run: &mut Run<'_>, volume: usize, path: &str) -> Option<String> {
    const MOST: usize = 100_000;
    let tree = run.request.source.volumes[volume].1.as_deref()?;
    for problem in tree.take_problems() {
        let is_of_folder = problem.kind == ProblemKind::ReadFailed && problem.item.starts_with('\\');
        if is_of_folder && problem.stage == Stage::Source && run.damaged_folders.len() < MOST {
            run.damaged_folders.insert((volume, problem.item.clone()), problem.what.clone());
        }
        run.note([problem]);
    }
    let path = name::folded(path);
    let is_above = |folder: &str| {
        let folder = name::folded(folder.trim_end_matches('\\'));
        path.strip_prefix(&folder).is_some_and(|rest| rest.starts_with('\\'))
    };
    let of_volume = run.damaged_folders.iter().filter(|((of, folder), _)| *of == volume && is_above(folder));
    of_volume.map(|((_, folder), what)| format!("{folder}: {what}")).next()
}

fn names(volumes: &[&Volume], indexes: &[usize]) -> String {
    indexes.iter().map(|index| volumes[*index].id.as_str()).collect::<Vec<_>>().join(", ")
}

fn deleted(tree: &dyn Tree, path: &str) -> Vec<Found> {
    let mut deleted: Vec<Found> = tree.lookup_deleted(path).into_iter().filter(|found| !found.is_folder).collect();
    deleted.truncate(MAX_DELETED);
    deleted
}

fn with_belongings(run: &mut Run<'_>, volume: usize, tree: &dyn Tree, files: Vec<Found>) -> Vec<(Located, String)> {
    let mut all = Vec::new();
    for file in files {
        let locate = |found: Found| Located { volume, found };
        let own_path = locate(file.clone()).original_path(&run.request.source.volumes[volume].0);
        let mut belongings: Vec<(Found, String)> = Vec::new();
        match tree.streams(&file) {
            Ok(streams) => belongings
                .extend(streams.into_iter().take(MAX_STREAMS).map(|stream| (stream, format!("stream of {own_path}")))),
            Err(problem) => run.note([on_volume(problem, &run.request.source.volumes[volume].0)]),
        }
        for sibling in lead_path::siblings(&file.path) {
            let found = match tree.lookup(&sibling) {
                Ok(Some(found)) if !found.is_folder => vec![found],
                Ok(Some(_)) => Vec::new(),
                Ok(None) => deleted(tree, &sibling),
                Err(problem) => {
                    run.note([on_volume(problem, &run.request.source.volumes[volume].0)]);
                    Vec::new()
                }
            };
            belongings.extend(found.into_iter().map(|found| (found, format!("belongs to {own_path}"))));
        }
        all.push((locate(file), String::new()));
        all.extend(belongings.into_iter().map(|(found, why)| (locate(found), why)));
    }
    all
}

/// Turns named paths into objects to acquire. What is collected already only learns who else names it.
pub(crate) fn wanted(run: &mut Run<'_>, named: Named) -> io::Result<Vec<Wanted>> {
    let mut wanted: BTreeMap<Key, Wanted> = BTreeMap::new();
    let mut left_out = 0u64;
    if run.request.limits.max_lead_files == 0 && !named.is_empty() {
        run.note([Problem::new(
            Stage::Locate,
            ProblemKind::LimitReached,
            "",
            "the files that records name (leads) were not looked for: --max-leads 0",
            format!("{} of them are named; whether they are there and what they hold is not known", named.len()),
        )]);
        return Ok(Vec::new());
    }
    // What records name counts for more than what merely ran.
    let (suspects, named): (Named, Named) = named.into_iter().partition(|(_, named)| named.is_suspect());
    let suspects = by_name::places(run, suspects, &named);
    for (upper, named) in named.into_iter().chain(suspects) {
        let keys = match run.resolved.get(&upper) {
            Some(keys) => keys.clone(),
            None => {
                let keys = resolve(run, &named, &mut wanted, &mut left_out)?;
                // Where it is named later on, what belongs to it is looked for as well.
                if !named.is_suspect() {
                    run.resolved.insert(upper, keys.clone());
                }
                keys
            }
        };
        let NamedPath { path, named_by, wanted_by, .. } = named;
        // The first is the named file itself; what belongs to it says so on its own.
        for key in keys {
            if run.objects.has(&key) {
                let volume = &run.request.source.volumes[key.0].0;
                let is_another = is_another_name(&path, &volume.original_path(&key.1), volume);
                let named_as = is_another.then(|| path.clone()).into_iter().collect();
                let wanted_by = wanted_by.iter().map(|id| (*id).to_owned()).collect();
                let named_by = named_by.clone();
                run.learn(key, Later { wanted_by, named_by, named_as, ..Later::default() })?;
            } else if let Some(wanted) = wanted.get_mut(&key) {
                add_named_by(&mut wanted.named_by, &named_by);
                wanted.wanted_by.extend(&wanted_by);
                wanted.wanted_by.sort_unstable();
                wanted.wanted_by.dedup();
                let volume = &run.request.source.volumes[wanted.located.volume].0;
                let more = wanted.named_as.len() < MAX_NAMED_BY;
                if more && is_another_name(&path, &wanted.original_path, volume) {
                    wanted.named_as.insert(path.clone());
                }
            }
        }
    }
    if left_out > 0 {
        let limits = &run.request.limits;
        run.note([Problem::new(
            Stage::Locate,
            ProblemKind::LimitReached,
            "",
            format!(
                "{left_out} files that records name were left out: they are more than the limit of {} leads, or of {} bytes",
                limits.max_lead_files, limits.max_lead_bytes
            ),
            "what they hold is not known, though they are there; raise the limit to have them",
        )]);
    }
    Ok(wanted.into_values().collect())
}

/// Whether a record's path is not simply the file's own, with its volume said in another way.
fn is_another_name(named: &str, original: &str, volume: &Volume) -> bool {
    let from_root = |path: &str| lead_path::places(path, &[volume]).map(|places| name::folded(&places.path)).ok();
    let own = original.split_once('}').filter(|_| original.starts_with('{')).map_or(original, |(_, path)| path);
    // A name on another drive, from which a junction leads here, is none of this volume.
    from_root(own).is_some_and(|own| from_root(named).is_none_or(|named| named != own))
}

/// Looks for one path; gives the keys of the named files themselves.
fn resolve(
    run: &mut Run<'_>,
    named: &NamedPath,
    wanted: &mut BTreeMap<Key, Wanted>,
    left_out: &mut u64,
) -> io::Result<Vec<Key>> {
    let path = named.path.as_str();
    let by = named.named_by.iter().next().cloned().unwrap_or_default();
    let is_named_only = named.wanted_by.contains(Item::LEAD);
    let found = match find(run, path, is_named_only) {
        Ok(found) => found,
        Err(mut problem) => {
            let result = if problem.kind == ProblemKind::NotFound { "not found" } else { "failed" };
            problem.what = format!("{} (named by {by})", problem.what);
            lacking(run.request, named, &mut problem);
            run.act("follow lead", path, result, &[("named_by", by.into()), ("error", problem.what.clone().into())])?;
            // Programs come and go; how many of those that ran are not there, coverage says.
            if !(named.is_suspect() && result == "not found") {
                run.note([problem]);
            }
            return Ok(Vec::new());
        }
    };
    let mut keys = Vec::new();
    let first = found.first().map(|(located, _)| located.original_path(&run.request.source.volumes[located.volume].0));
    let about = [("named_by", by.into()), ("found_as", first.into())];
    run.act("follow lead", path, "found", &about)?;
    let mut own_companions: BTreeMap<Key, BTreeSet<String>> = BTreeMap::new();
    for (located, why) in found {
        let is_copy = run.request.source.volumes[located.volume].0.kind == VolumeKind::OtherCopy;
        let mut new = Wanted::new(run.request.source, located);
        let key = new.key();
        if why.is_empty() {
            keys.push(key.clone());
        } else if let (Some(owner), false) = (keys.last(), is_copy) {
            own_companions
                .entry(owner.clone())
                .or_default()
                .insert(new.original_path_raw.clone().unwrap_or_else(|| new.original_path.clone()));
        }
        if run.objects.has(&key) || wanted.contains_key(&key) {
            continue;
        }
        let size = new.located.found.size;
        if named.is_suspect() && size > MAX_SUSPECT {
            run.act("follow lead", path, "left out", &[("why", "it is longer than any copy of a tool".into())])?;
            continue;
        }
        // Programs that merely ran leave room for what the records of later rounds name.
        let share = if named.is_suspect() { 2 } else { 1 };
        let limits = &run.request.limits;
        let has_room = run.lead_files < limits.max_lead_files.div_ceil(share)
            && run.lead_bytes.saturating_add(size) <= limits.max_lead_bytes / share as u64;
        if !has_room {
            *left_out += 1;
            continue;
        }
        run.lead_files += 1;
        run.lead_bytes += size;
        match is_copy {
            true => new.wanted_by.push(Item::OTHER_COPY),
            false => new.wanted_by.extend(&named.wanted_by),
        }
        new.as_program = is_named_only;
        if !why.is_empty() {
            new.named_by.insert(why);
        }
        wanted.insert(key, new);
    }
    for (owner, companions) in own_companions {
        if let Some(wanted) = wanted.get_mut(&owner) {
            wanted.companions.extend(companions);
        } else if run.objects.has(&owner) {
            run.learn(owner, Later { companions, ..Later::default() })?;
        }
    }
    Ok(keys)
}
