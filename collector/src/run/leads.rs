//! The leads loop: what the acquired objects name is evidence too.

use super::lead_path::{self, LeadPath};
use super::locate::{Key, Located, Wanted, local_path};
use super::objects::{Kept, Objects, Place};
use crate::run::{AcquiredItem, CollectRequest, Run};
use crate::source::{Content, Found, Source, Tree, Volume};
use evidence::{Bytes, ItemStatus, Problem, ProblemKind, Stage, StoredRange};
use rayon::prelude::*;
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::OnceLock;
use std::sync::atomic::Ordering;

/// In `wanted_by`, for what a record names.
const LEAD: &str = "lead";
/// Names of records that are kept for one object.
const MAX_NAMED_BY: usize = 20;
/// Alternate streams of one file that are collected.
const MAX_STREAMS: usize = 64;
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
}

impl<'a> Lazy<'a> {
    fn new(source: &'a Source, kept: &'a Kept) -> Self {
        Lazy {
            source,
            volume: kept.volume,
            path: Cow::Borrowed(&kept.full_path),
            deleted: kept.deleted.as_deref(),
            opened: OnceLock::new(),
            size: kept.item.size,
            stored_ranges: &kept.item.stored_ranges,
        }
    }

    /// What belongs to an object and lies on the same volume, if it is there.
    /// `exact_path` is as [`evidence::Item::exact_path`] has it; its original path comes back too.
    fn companion(source: &'a Source, kept: &Kept, exact_path: &'a str) -> Option<(Cow<'a, str>, Self)> {
        let (volume, tree) = &source.volumes[kept.volume];
        let tree = tree.as_deref()?;
        let (name, path, found) = if exact_path.starts_with(&volume.original_path("\\")) {
            let path = local_path(volume, exact_path);
            (Cow::Borrowed(exact_path), Cow::Borrowed(path), tree.lookup(path).ok().flatten()?)
        } else {
            // A path that is no text is not looked up by what stands for it. Whatever belongs to a file lies beside it.
            let folder = kept.full_path.rsplit_once('\\').map_or("", |(folder, _)| folder);
            let beside = tree.list(&tree.lookup(folder).ok().flatten()?).ok()?;
            let mut located = beside.into_iter().map(|found| Located { volume: kept.volume, found });
            let located = located.find(|located| located.exact_path(volume) == exact_path)?;
            let path = located.found.full_path();
            (Cow::Owned(located.original_path(volume)), Cow::Owned(path), located.found)
        };
        if found.is_folder {
            return None;
        }
        let (opened, stored_ranges) = (OnceLock::new(), &[][..]);
        let lazy = Lazy { source, volume: kept.volume, path, deleted: None, opened, size: found.size, stored_ranges };
        Some((name, lazy))
    }

    fn open(&self) -> Result<Box<dyn Content>, String> {
        let tree = self.source.volumes[self.volume].1.as_deref().ok_or("its volume cannot be read")?;
        let found = match self.deleted {
            Some(found) => found.clone(),
            None => tree.lookup(&self.path).map_err(|problem| problem.what)?.ok_or("it is not there any more")?,
        };
        tree.open(&found).map_err(|problem| problem.what)
    }

    fn content(&self) -> io::Result<&dyn Content> {
        self.opened.get_or_init(|| self.open()).as_deref().map_err(|what| io::Error::other(what.clone()))
    }
}

impl Bytes for Lazy<'_> {
    fn len(&self) -> u64 {
        self.size
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        self.content()?.read_at(offset, buffer)
    }

    fn next_data(&self, offset: u64) -> u64 {
        StoredRange::next_data(self.stored_ranges, self.size, offset)
    }

    fn as_slice(&self) -> Option<&[u8]> {
        self.content().ok()?.as_slice()
    }
}

/// Paths in upper case with their first spelling, and what names them.
pub(crate) type Named = BTreeMap<String, (String, BTreeSet<String>)>;

/// Objects that are asked at a time.
const BATCH: usize = 512;

/// Asks what the objects from this place on name.
pub(crate) fn of_objects(request: &CollectRequest<'_>, objects: &mut Objects, from: Place) -> io::Result<Named> {
    let mut all = Named::new();
    objects.each_batch(from, BATCH, &mut |batch| {
        let named: Vec<Vec<LeadPath>> = batch.par_iter().map(|kept| of_object(request, kept)).collect();
        for lead in named.into_iter().flatten() {
            let entry = all.entry(lead.path.to_uppercase()).or_insert_with(|| (lead.path, BTreeSet::new()));
            entry.1.insert(lead.named_by);
        }
        Ok(())
    })?;
    Ok(all)
}

fn of_object(request: &CollectRequest<'_>, kept: &Kept) -> Vec<LeadPath> {
    if kept.item.status == ItemStatus::Failed || request.cancel.load(Ordering::Relaxed) {
        return Vec::new();
    }
    let lazy = Lazy::new(request.source, kept);
    let companions: Vec<(Cow<'_, str>, Lazy<'_>)> =
        kept.item.companions.iter().filter_map(|path| Lazy::companion(request.source, kept, path)).collect();
    let companions = companions.iter().map(|(path, lazy)| (path.as_ref(), lazy as &dyn Bytes)).collect();
    (request.leads)(&AcquiredItem { item: &kept.item, bytes: &lazy, companions })
}

pub(super) fn add_named_by(names: &mut BTreeSet<String>, more: &BTreeSet<String>) {
    for name in more {
        if names.len() >= MAX_NAMED_BY && !names.contains(name) {
            names.insert("and more".to_owned());
            return;
        }
        names.insert(name.clone());
    }
}

/// Most junctions and links that a path goes through.
const MOST_LINKS: usize = 16;

/// The files, existing or deleted, that a path leads to, with what belongs to them; and in which words that is to be
/// told: found where it was named, or elsewhere.
fn find(run: &mut Run<'_>, path: &str) -> Result<Vec<(Located, String)>, Problem> {
    let mut meant = path.to_owned();
    for _ in 0..MOST_LINKS {
        match follow(run, &meant) {
            None => return find_file(run, &meant),
            Some(Ok(target)) => meant = target,
            Some(Err(what)) => return Err(not_found(path, what)),
        }
    }
    Err(not_found(path, "a record names it, but its junctions or links lead in a circle".to_owned()))
}

/// The path that is meant where this one goes through a junction or link; an error where that leads off its volume.
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
        Some(match lead_path::places(&target, &volumes) {
            Ok(there) if there.volumes.contains(index) => Ok(target),
            _ => Err(format!(
                "a record names it, and a junction or link leads off the volume, to {target}, which is not followed"
            )),
        })
    })
}

fn not_found(path: &str, what: String) -> Problem {
    let effect = "what it holds is not known: it may have been deleted, renamed or never have been on this host";
    Problem::new(Stage::Locate, ProblemKind::NotFound, path, what, effect)
}

fn find_file(run: &mut Run<'_>, path: &str) -> Result<Vec<(Located, String)>, Problem> {
    let source = run.request.source;
    let not_found = |what: String| not_found(path, what);
    let volumes: Vec<&Volume> = source.volumes.iter().map(|(volume, _)| volume).collect();
    let places = lead_path::places(path, &volumes).map_err(|why| not_found(why.to_owned()))?;
    let mut is_folder = false;
    for index in &places.volumes {
        let Some(tree) = source.volumes[*index].1.as_deref() else { continue };
        for path in lead_path::on_volume(volumes[*index], &places.path) {
            match tree.lookup(&path) {
                Ok(Some(found)) if !found.is_folder => return Ok(with_belongings(run, *index, tree, vec![found])),
                Ok(Some(_)) => is_folder = true,
                Ok(None) => {}
                Err(problem) => run.problems.push(problem),
            }
        }
    }
    for index in &places.volumes {
        let Some(tree) = source.volumes[*index].1.as_deref() else { continue };
        for path in lead_path::on_volume(volumes[*index], &places.path) {
            let deleted = deleted(tree, &path);
            if !deleted.is_empty() {
                return Ok(with_belongings(run, *index, tree, deleted));
            }
        }
    }
    Err(not_found(match is_folder {
        true => "a record names it, but it is a folder".to_owned(),
        false => format!("a record names it, but it is not on {}, not even deleted", names(&volumes, &places.volumes)),
    }))
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
            Err(problem) => run.problems.push(problem),
        }
        for sibling in lead_path::siblings(&file.path) {
            let found = match tree.lookup(&sibling) {
                Ok(Some(found)) if !found.is_folder => vec![found],
                Ok(Some(_)) => Vec::new(),
                Ok(None) => deleted(tree, &sibling),
                Err(problem) => {
                    run.problems.push(problem);
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
        run.problems.push(Problem::new(
            Stage::Locate,
            ProblemKind::LimitReached,
            "",
            "the files that records name (leads) were not looked for: --max-leads 0",
            format!("{} of them are named; whether they are there and what they hold is not known", named.len()),
        ));
        return Ok(Vec::new());
    }
    for (upper, (path, named_by)) in named {
        let keys = match run.resolved.get(&upper) {
            Some(keys) => keys.clone(),
            None => {
                let keys = resolve(run, &path, &named_by, &mut wanted, &mut left_out)?;
                run.resolved.insert(upper, keys.clone());
                keys
            }
        };
        // The first is the named file itself; what belongs to it says so on its own.
        for key in keys {
            if run.objects.has(&key) {
                let volume = &run.request.source.volumes[key.0].0;
                let later = run.objects.later(&key);
                add_named_by(&mut later.named_by, &named_by);
                later.wanted_by.insert(LEAD.to_owned());
                if later.named_as.len() < MAX_NAMED_BY && is_another_name(&path, &volume.original_path(&key.1), volume)
                {
                    later.named_as.insert(path.clone());
                }
            } else if let Some(wanted) = wanted.get_mut(&key) {
                add_named_by(&mut wanted.named_by, &named_by);
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
        run.problems.push(Problem::new(
            Stage::Locate,
            ProblemKind::LimitReached,
            "",
            format!(
                "{left_out} files that records name (leads) are more than the limit of {} files or {} bytes",
                limits.max_lead_files, limits.max_lead_bytes
            ),
            "they are not collected; raise the limit to have them",
        ));
    }
    Ok(wanted.into_values().collect())
}

/// Whether a record's path is not simply the file's own, with its volume said in another way.
fn is_another_name(named: &str, original: &str, volume: &Volume) -> bool {
    let from_root = |path: &str| lead_path::places(path, &[volume]).map(|places| places.path.to_uppercase()).ok();
    let own = original.split_once('}').filter(|_| original.starts_with('{')).map_or(original, |(_, path)| path);
    from_root(named).is_some_and(|named| from_root(own).is_some_and(|own| named != own))
}

/// Looks for one path; gives the keys of the named files themselves.
fn resolve(
    run: &mut Run<'_>,
    path: &str,
    named_by: &BTreeSet<String>,
    wanted: &mut BTreeMap<Key, Wanted>,
    left_out: &mut u64,
) -> io::Result<Vec<Key>> {
    let by = named_by.iter().next().cloned().unwrap_or_default();
    let found = match find(run, path) {
        Ok(found) => found,
        Err(mut problem) => {
            problem.what = format!("{} (named by {by})", problem.what);
            run.act(
                "follow lead",
                path,
                "not found",
                &[("named_by", by.into()), ("error", problem.what.clone().into())],
            )?;
            run.problems.push(problem);
            return Ok(Vec::new());
        }
    };
    let mut keys = Vec::new();
    let first = found.first().map(|(located, _)| located.original_path(&run.request.source.volumes[located.volume].0));
    let about = [("named_by", by.into()), ("found_as", first.into())];
    run.act("follow lead", path, "found", &about)?;
    let mut own_companions: BTreeMap<Key, BTreeSet<String>> = BTreeMap::new();
    for (located, why) in found {
        let mut new = Wanted::new(run.request.source, located);
        let key = new.key();
        if why.is_empty() {
            keys.push(key.clone());
        } else if let Some(owner) = keys.last() {
            own_companions
                .entry(owner.clone())
                .or_default()
                .insert(new.original_path_raw.clone().unwrap_or_else(|| new.original_path.clone()));
        }
        if run.objects.has(&key) || wanted.contains_key(&key) {
            continue;
        }
        let size = new.located.found.size;
        let limits = &run.request.limits;
        if run.lead_files >= limits.max_lead_files || run.lead_bytes.saturating_add(size) > limits.max_lead_bytes {
            *left_out += 1;
            continue;
        }
        run.lead_files += 1;
        run.lead_bytes += size;
        new.wanted_by.push(LEAD);
        new.as_program = true;
        if !why.is_empty() {
            new.named_by.insert(why);
        }
        wanted.insert(key, new);
    }
    for (owner, companions) in own_companions {
        if let Some(wanted) = wanted.get_mut(&owner) {
            wanted.companions.extend(companions);
        } else if run.objects.has(&owner) {
            run.objects.later(&owner).companions.extend(companions);
        }
    }
    Ok(keys)
}
