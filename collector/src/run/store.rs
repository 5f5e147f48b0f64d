//! From a located object to a payload in the bundle: opened, read, packed, and described.

use super::acquire::{Acquiring, AtOnce, BLOCK, Outcome, Reading, Together, bytes_to_store, ranges_to_store};
use super::leads::{self, Leads};
use super::seen::Seen;
use crate::bundle::Writer;
use crate::digest::{Digests, Which};
use crate::pipeline::Pipeline;
use crate::run::{CollectRequest, Job, SMALL};
use crate::source::{Content, Found, Source};
use crate::zip::blocks::Block;
use crate::zip::writer::Packed;
use evidence::{Item, ItemId, ItemStatus, Locator, Method, Problem, ProblemKind, Stage, hex};
use std::io;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// What became of an object.
pub(crate) struct Stored {
    size: u64,
    outcome: Option<Outcome>,
    problem: Option<Problem>,
    /// What it names.
    leads: Leads,
}

/// What became of a short object.
pub(crate) enum Prepared {
    /// To be written.
    Ready(Packed, Stored),
    /// Nothing was obtained.
    Failed(Stored),
    /// Longer than it was said to be.
    TooLong,
    /// Interrupted before.
    NotReached,
}

fn open(request: &CollectRequest<'_>, job: &Job) -> Result<Box<dyn Content>, Problem> {
    let found = &job.wanted.located.found;
    // A member of an archive is inflated when it is opened, so its length is looked at before.
    if found.method == Method::Archive && found.size > request.limits.max_object {
        return Err(over_limit(request, job, found.size));
    }
    let tree = request.source.volumes[job.wanted.located.volume].1.as_deref();
    let opened = match tree {
        Some(tree) => tree.open(found),
        None => Err(Problem::new(
            Stage::Acquire,
            ProblemKind::ReadFailed,
            "",
            "its volume cannot be read",
            "it is not collected",
        )),
    };
    opened.map_err(|mut problem| {
        problem.item.clone_from(&job.wanted.original_path);
        problem
    })
}

fn problem(job: &Job, kind: ProblemKind, what: impl Into<String>, effect: &str) -> Problem {
    Problem::new(Stage::Acquire, kind, job.wanted.original_path.clone(), what, effect)
}

fn failed(size: u64, problem: Problem) -> Stored {
    Stored { size, outcome: None, problem: Some(problem), leads: Leads::default() }
}

/// An object for which there is no room any more.
pub(crate) fn over_total(request: &CollectRequest<'_>, job: &Job) -> Stored {
    let what = format!("the limit of {} bytes for the whole collection is reached", request.limits.max_total);
    failed(job.wanted.located.found.size, problem(job, ProblemKind::LimitReached, what, "it is not collected"))
}

fn over_limit(request: &CollectRequest<'_>, job: &Job, bytes: u64) -> Problem {
    let what = format!("its {bytes} bytes are more than the limit of {} for one object", request.limits.max_object);
    problem(job, ProblemKind::LimitReached, what, "it is not collected")
}

fn unreadable(job: &Job, size: u64, error: &io::Error) -> Stored {
    let what = format!("nothing of it can be read: {error}");
    failed(size, problem(job, ProblemKind::ReadFailed, what, "it is not collected, and what it holds is not known"))
}

/// How a file of a live host stands at this moment; `None` for sources that do not change, and for files that are gone.
fn standing(request: &CollectRequest<'_>, job: &Job) -> Option<Found> {
    let found = &job.wanted.located.found;
    if !request.source.is_live() || found.method == Method::SystemCall {
        return None;
    }
    request.source.volumes[job.wanted.located.volume].1.as_deref()?.lookup(&found.full_path()).ok()?
}

/// Whether a file of a live host is another one, by its length and times, than before it was read.
fn changed(request: &CollectRequest<'_>, job: &Job, before: &Found) -> Option<Problem> {
    if !request.source.is_live() || before.method == Method::SystemCall {
        return None;
    }
    let words = |one: &Found| {
        let modified = [one.times.si, one.times.container].into_iter().flatten().find_map(|times| times.modified);
        format!("{} bytes, modified {}", one.size, modified.map_or_else(|| "?".to_owned(), |time| time.to_string()))
    };
    let now = match standing(request, job) {
        Some(now) if now.size == before.size && now.times == before.times => return None,
        Some(now) => words(&now),
        None => "it is not there any more".to_owned(),
    };
    Some(problem(
        job,
        ProblemKind::Inconsistent { a: words(before), b: now },
        "it changed while it was read",
        "the collected copy can hold parts of before and of after; its hash is that of the copy",
    ))
}

fn digests(request: &CollectRequest<'_>, job: &Job, reading: &Reading<'_>) -> Digests {
    Digests::new(Which { sha512: request.sha512, program: job.wanted.as_program && reading.is_program() })
}

/// What speaks against everything on the volume of an object.
fn doubt<'a>(request: &'a CollectRequest<'_>, job: &Job) -> Option<&'a str> {
    request.source.volumes[job.wanted.located.volume].0.doubt.as_deref()
}

/// Reads and packs a short object in memory; once more if it changed meanwhile. An error is one of packing, never one of
/// the evidence.
pub(crate) fn prepare(request: &CollectRequest<'_>, root: &str, job: &Job) -> io::Result<Prepared> {
    let first = prepare_once(request, root, job, &job.wanted.located.found)?;
    let Prepared::Ready(_, Stored { problem: Some(change), .. }) = &first else { return Ok(first) };
    let Some(now) = standing(request, job) else { return Ok(first) };
    match prepare_once(request, root, job, &now)? {
        Prepared::Ready(packed, Stored { problem: None, size, outcome, leads }) => {
            let mut change = change.clone();
            change.what = "it changed before it was read, or meanwhile; read again, it did not".to_owned();
            change.effect = "the collected copy is the second one, of one moment".to_owned();
            Ok(Prepared::Ready(packed, Stored { problem: Some(change), size, outcome, leads }))
        }
        _ => Ok(first),
    }
}

fn prepare_once(request: &CollectRequest<'_>, root: &str, job: &Job, before: &Found) -> io::Result<Prepared> {
    if request.cancel.load(Ordering::Relaxed) {
        return Ok(Prepared::NotReached);
    }
    let content = match open(request, job) {
        Ok(content) => content,
        Err(problem) => return Ok(Prepared::Failed(failed(job.wanted.located.found.size, problem))),
    };
    let bytes = bytes_to_store(content.as_ref());
    if bytes > request.limits.max_object {
        return Ok(Prepared::Failed(failed(job.wanted.located.found.size, over_limit(request, job, bytes))));
    }
    if bytes > SMALL {
        return Ok(Prepared::TooLong);
    }
    let size = content.len();
    let reading = match Reading::begin(content.as_ref()) {
        Ok(reading) => reading,
        Err(error) => return Ok(Prepared::Failed(unreadable(job, size, &error))),
    };
    let packing = Writer::prepare(root, &job.bundle_path, reading.is_incompressible());
    let hashing = reading.hashing(digests(request, job, &reading), request.cancel);
    // A short object is finished once it is begun, so it ignores the interruption; but its holes can be long.
    let acquiring = Acquiring::new(reading, AtOnce::new(hashing, packing), &NEVER, &|_| ());
    let seen = Seen::new(content.as_ref(), acquiring, kept_of(request));
    let leads = leads::of_seen(request, &being_read(request.source, job.clone(), content.as_ref()), job, &seen);
    let (outcome, taken) = seen.finish()?;
    let packed = taken.sink.finish()?;
    let problem = changed(request, job, before);
    let outcome = Some(outcome.doubted(doubt(request, job)));
    Ok(Prepared::Ready(packed, Stored { size, outcome, problem, leads }))
}

/// Nothing ends it.
static NEVER: AtomicBool = AtomicBool::new(false);

/// Bytes of an object that are kept in memory on each thread while it is looked at for what it names.
fn kept_of(request: &CollectRequest<'_>) -> usize {
    let share = request.limits.memory / (4 * request.threads.max(1) as u64);
    usize::try_from(share.clamp(1 << 20, SMALL)).unwrap_or(1 << 20)
}

/// Blocks of a long object that are on their way at once, each with what is made of it.
fn on_their_way(request: &CollectRequest<'_>) -> usize {
    let share = request.limits.memory / 8 / BLOCK as u64;
    usize::try_from(share).unwrap_or(usize::MAX).clamp(2, 4 * request.threads.max(1))
}

/// Gets told how many bytes are through, and before the first of them what is being read.
pub(crate) type Told<'a> = (&'a (dyn Fn(u64) + Sync), &'a mut dyn FnMut(Item) -> io::Result<()>);

/// Reads a long object into the bundle, which may still become longer by the first of these numbers, and for which the
/// second is the most that is tried: nothing is given where the object is longer. An error is one of writing.
pub(crate) fn stream(
    request: &CollectRequest<'_>,
    writer: &mut Writer,
    job: &Job,
    (room, tried): (u64, u64),
    (passed, begin): Told<'_>,
) -> io::Result<Option<Stored>> {
    let content = match open(request, job) {
        Ok(content) => content,
        Err(problem) => return Ok(Some(failed(job.wanted.located.found.size, problem))),
    };
    let bytes = bytes_to_store(content.as_ref());
    if bytes > request.limits.max_object {
        return Ok(Some(failed(job.wanted.located.found.size, over_limit(request, job, bytes))));
    }
    if bytes > room {
        return Ok(Some(over_total(request, job)));
    }
    if bytes > tried {
        return Ok(None);
    }
    let size = content.len();
    let reading = match Reading::begin(content.as_ref()) {
        Ok(reading) => reading,
        Err(error) => return Ok(Some(unreadable(job, size, &error))),
    };
    let hashing = reading.hashing(digests(request, job, &reading), request.cancel);
    let item = being_read(request.source, job.clone(), content.as_ref());
    begin(item.clone())?;
    let is_stored = reading.is_incompressible();
    let sink = writer.stream_blocks(&job.bundle_path, bytes, is_stored)?;
    let pack = |block: &Arc<Vec<u8>>, before: Option<&[u8]>, spare: Option<Block>| match is_stored {
        true => Ok(Block::stored(block)),
        false => Block::deflated(block, before, spare),
    };
    let pipeline = Pipeline::new(hashing.parts(), &pack, on_their_way(request));
    let (leads, outcome, taken) = pipeline.run(request.threads.max(1) - 1, |bringing| -> io::Result<_> {
        let acquiring = Acquiring::new(reading, Together::new(bringing, sink), request.cancel, passed);
        let seen = Seen::new(content.as_ref(), acquiring, kept_of(request));
        let leads = leads::of_seen(request, &item, job, &seen);
        let (outcome, taken) = seen.finish()?;
        Ok((leads, outcome, taken.sink))
    })?;
    taken.finish()?;
    let problem = changed(request, job, &job.wanted.located.found);
    let outcome = Some(outcome.doubted(doubt(request, job)));
    Ok(Some(Stored { size, outcome, problem, leads }))
}

/// The object as it is known while it is being read: everything but what will come of it.
fn being_read(source: &Source, job: Job, content: &dyn Content) -> Item {
    let bundle_path = job.bundle_path.clone();
    let nothing = Stored { size: content.len(), outcome: None, problem: None, leads: Leads::default() };
    let (item, _) = nothing.into_item(source, job);
    let stored_ranges = ranges_to_store(content);
    Item { bundle_path: Some(bundle_path), status: ItemStatus::Partial, stored_ranges, ..item }
}

/// Unreadable ranges that get a problem of their own.
const MAX_LISTED: usize = 16;

impl Stored {
    /// Bytes in the payload.
    pub(crate) fn stored_size(&self) -> u64 {
        self.outcome.as_ref().map_or(0, |outcome| outcome.stored_size)
    }

    /// Length of the original.
    pub(crate) fn size(&self) -> u64 {
        self.size
    }

    /// What it names, which is then taken.
    pub(crate) fn leads(&mut self) -> Leads {
        std::mem::take(&mut self.leads)
    }

    /// What of the object could not be read.
    pub(crate) fn unreadable(&self) -> Vec<Range<u64>> {
        self.outcome.as_ref().map(|outcome| outcome.bad.clone()).unwrap_or_default()
    }

    fn problems(&self, job: &Job) -> Vec<Problem> {
        let mut problems: Vec<Problem> = self.problem.iter().cloned().collect();
        let Some(outcome) = &self.outcome else { return problems };
        for (range, why) in outcome.bad.iter().zip(&outcome.reasons).take(MAX_LISTED) {
            let length = range.end - range.start;
            let what = format!("{length} bytes at offset {} could not be read: {why}", range.start);
            let effect = "they are zeros in the collected copy, and what was there is not known";
            let locator = Locator::ByteRange { offset: range.start, length };
            problems.push(problem(job, ProblemKind::ReadFailed, what, effect).at(locator));
        }
        if outcome.bad.len() > MAX_LISTED || outcome.more_bad {
            let rest = outcome.bad.len().saturating_sub(MAX_LISTED);
            let more = if outcome.more_bad { "at least " } else { "" };
            let what = format!("{more}{rest} further ranges could not be read");
            problems.push(problem(job, ProblemKind::ReadFailed, what, "they are zeros too"));
        }
        for range in outcome.missing.iter().take(MAX_LISTED) {
            let length = range.end - range.start;
            let what = format!("{length} bytes at offset {} are a hole that the source left out", range.start);
            let effect = "they are zeros, and whether the original had zeros there is not known";
            let kind = ProblemKind::Truncated { offset: range.start, expected: length, actual: 0 };
            problems.push(problem(job, kind, what, effect).at(Locator::ByteRange { offset: range.start, length }));
        }
        if outcome.missing.len() > MAX_LISTED {
            let what = format!("{} further holes were left out", outcome.missing.len() - MAX_LISTED);
            let kind = ProblemKind::Truncated { offset: 0, expected: self.size, actual: outcome.stored_size };
            problems.push(problem(job, kind, what, "they are zeros too"));
        }
        if let Some(offset) = outcome.truncated_at {
            let expected = self.size.saturating_sub(offset);
            let kind = ProblemKind::Truncated { offset, expected, actual: 0 };
            problems.push(problem(job, kind, "it ends early", "its end is missing"));
        }
        if let Some(flaw) = &outcome.flaw {
            let effect = "the bytes that could be read are collected as they are; some of them can be wrong or missing";
            problems.push(problem(job, ProblemKind::BadChecksum { offset: 0 }, flaw, effect));
        }
        if outcome.interrupted {
            let effect = "its end is missing from the bundle, although it is on the host";
            problems.push(problem(
                job,
                ProblemKind::Interrupted,
                "the collection was interrupted while it was read",
                effect,
            ));
        }
        problems
    }

    /// The object as the bundle describes it, and what went wrong with it.
    pub(crate) fn into_item(self, source: &Source, job: Job) -> (Item, Vec<Problem>) {
        let problems = self.problems(&job);
        let Job { wanted, bundle_path, round } = job;
        let found = wanted.located.found;
        let status = match &self.outcome {
            None => ItemStatus::Failed,
            Some(outcome) if outcome.is_whole() => ItemStatus::Complete,
            Some(_) => ItemStatus::Partial,
        };
        let outcome = self.outcome;
        let digested = outcome.as_ref().map(|outcome| &outcome.digested);
        let (file_sha256, file_sha256_absent) = match outcome.as_ref().and_then(|outcome| outcome.whole.as_ref()) {
            Some(Ok(whole)) => (Some(hex(whole)), None),
            Some(Err(why)) => (None, Some((*why).to_owned())),
            None => (None, None),
        };
        let item = Item {
            id: ItemId(0),
            original_path: wanted.original_path,
            original_path_raw: wanted.original_path_raw,
            bundle_path: outcome.is_some().then_some(bundle_path),
            wanted_by: wanted.wanted_by.into_iter().map(str::to_owned).collect(),
            round,
            named_by: wanted.named_by.into_iter().collect(),
            named_as: wanted.named_as.into_iter().collect(),
            volume: source.volumes[wanted.located.volume].0.id.clone(),
            mft_entry: found.mft.map(|(entry, _)| entry),
            mft_sequence: found.mft.map(|(_, sequence)| sequence),
            size: self.size,
            stored_size: outcome.as_ref().map_or(0, |outcome| outcome.stored_size),
            sha256: digested.map(|digested| hex(&digested.sha256)).unwrap_or_default(),
            sha512: digested.and_then(|digested| digested.sha512).map(|sha512| hex(&sha512)).unwrap_or_default(),
            file_sha256,
            file_sha256_absent,
            sha1: digested.and_then(|digested| digested.sha1).map(|sha1| hex(&sha1)),
            md5: digested.and_then(|digested| digested.md5).map(|md5| hex(&md5)),
            stored_ranges: outcome.map(|outcome| outcome.stored_ranges).unwrap_or_default(),
            times: found.times,
            method: found.method,
            status,
            recovery: found.recovery,
            companions: wanted.companions.into_iter().collect(),
        };
        (item, problems)
    }
}
