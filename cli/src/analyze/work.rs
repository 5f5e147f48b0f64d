//! Reads every object for the artifacts that asked for it, in parallel.

use super::beside::{Neighbour, Neighbours};
use crate::memory::{Ceiling, SHORT};
use crate::progress::Progress;
use crate::{pace, signals};
use collector::{BundleReader, Spill};
use evidence::{
    Artifact, Bytes, Crew, Focus, Group, Input, Item, ItemId, Items, Phase, Problem, ProblemKind, Problems, Record,
    Stage,
};
use parking_lot::Mutex;
use rayon::prelude::*;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// A piece of work: an object for the artifacts that read it together.
struct Piece {
    group: Group,
    item: ItemId,
    /// How long it is, bytes.
    size: u64,
}

/// The pieces of work that an object is in one phase.
fn pieces(item: &Item, phase: Phase) -> impl Iterator<Item = Piece> {
    let path = &item.original_path;
    let asked = artifacts::asked_for(item);
    let chosen = asked.filter(|one| one.phase == phase && !one.beside.never_alone(path));
    let (id, size) = (item.id, item.stored_size);
    Group::all_of(chosen).into_iter().map(move |group| Piece { group, item: id, size })
}

/// Takes out what so many threads parse together, one after the other: what is so much of all the work that the other
/// threads would wait for the one that parses it. The work is in order, the largest first.
fn take_out_long(work: &mut Vec<Piece>, threads: usize) -> Vec<Piece> {
    let mut rest = work.iter().map(|piece| piece.size).fold(0, u64::saturating_add);
    let share = |size: u64| size.saturating_mul(threads as u64).saturating_mul(2);
    let is_long = |piece: &mut Piece| {
        let is_long = threads > 1 && piece.size > SHORT && piece.group.is_in_parts() && share(piece.size) > rest;
        rest -= if is_long { piece.size } else { 0 };
        is_long
    };
    work.extract_if(.., is_long).collect()
}

/// Reading all objects of a collection.
pub(super) struct Analysis<'a> {
    reader: &'a BundleReader,
    items: &'a dyn Items,
    /// Where objects go that are longer than what is held in memory, and are read back and forth.
    temp: Spill,
    neighbours: Neighbours,
    ceiling: Ceiling,
    progress: Progress,
    problems: Mutex<Problems>,
    /// Why the analysis cannot go on: the machine that analyses has no room, or the bundle was changed.
    cannot: Mutex<Option<collector::Error>>,
    /// Whether there is such a reason, so that the rest need not be read.
    is_ended: AtomicBool,
    /// Objects that were inflated and that others will ask for.
    kept: Mutex<HashMap<ItemId, Arc<dyn Bytes>>>,
}

/// What is done with a record of an artifact, from an object.
type Take<'t> = &'t (dyn Fn(&'static Artifact, &Item, Record) + Sync);

impl<'a> Analysis<'a> {
    /// An analysis of the objects of a bundle with these neighbours, which holds at most so many bytes at a time.
    pub(super) fn new(
        (reader, items, neighbours): (&'a BundleReader, &'a dyn Items, Neighbours),
        temp: Spill,
        memory: u64,
        progress: Progress,
        problems: &[Problem],
    ) -> Self {
        Analysis {
            reader,
            items,
            temp,
            neighbours,
            ceiling: Ceiling::new(memory),
            progress,
            problems: Mutex::new(problems.iter().cloned().collect()),
            cannot: Mutex::new(None),
            is_ended: AtomicBool::new(false),
            kept: Mutex::default(),
        }
    }

    /// Ends it with all problems, or with the reason why it could not go on.
    pub(super) fn finish(self) -> (Progress, Result<Problems, collector::Error>) {
        self.progress.finish();
        let parsed = match self.cannot.into_inner() {
            Some(error) => Err(error),
            None => Ok(self.problems.into_inner()),
        };
        (self.progress, parsed)
    }

    /// Adds a problem.
    pub(super) fn add(&self, problem: Problem) {
        self.problems.lock().extend([problem]);
    }

    /// Whether somebody ended it: what is read from now on is of no use.
    fn is_stopped(&self) -> bool {
        signals::is_stopped() || self.is_ended.load(Ordering::Relaxed)
    }

    fn end(&self, why: collector::Error) {
        self.cannot.lock().get_or_insert(why);
        self.is_ended.store(true, Ordering::Relaxed);
    }

    /// Parses every object for the artifacts of one phase.
    pub(super) fn run(&self, phase: Phase, name: &'static str, focus: &Focus, take: Take<'_>) {
        /// Pieces of work that are put in order at a time.
        const BATCH: usize = 1 << 16;
        let items = self.items;
        let mut bytes = 0;
        items.each(&mut |item| bytes += pieces(item, phase).map(|piece| piece.size).sum::<u64>());
        self.progress.phase(name, bytes);
        let mut work: Vec<Piece> = Vec::new();
        let finish = |work: &mut Vec<Piece>| {
            let parse = |piece: &Piece, threads| {
                let Some(item) = items.by_id(piece.item) else { return };
                self.parse_item(&piece.group, &item, threads, focus, take);
                self.progress.advance(piece.size, &item.original_path);
            };
            // The largest first, so that the threads end together.
            work.sort_by_key(|piece| (std::cmp::Reverse(piece.size), piece.item, piece.group.id()));
            for piece in take_out_long(work, rayon::current_num_threads()) {
                parse(&piece, rayon::current_num_threads());
            }
            work.par_iter().with_max_len(1).for_each(|piece| parse(piece, 1));
            work.clear();
        };
        items.each(&mut |item| {
            work.extend(pieces(item, phase));
            if work.len() >= BATCH {
                finish(&mut work);
            }
        });
        finish(&mut work);
        self.kept.lock().clear();
    }

    /// Parses an object on so many threads, which have nothing else to do if they are several.
    fn parse_item(&self, group: &Group, item: &Item, threads: usize, focus: &Focus, take: Take<'_>) {
        if item.bundle_path.is_none() || self.is_stopped() {
            return;
        }
        let neighbours = self.neighbours.of(self.items, item, group.beside());
        let beside = neighbours.iter().map(|one| one.item.stored_size).fold(0, u64::saturating_add);
        let (parsing, held) = (group.memory(item.stored_size, beside), self.held(item));
        let threads = self.ceiling.times(parsing, held).min(threads);
        let _room = self.ceiling.enter(parsing.saturating_mul(threads as u64).saturating_add(held));
        let Some(bytes) = self.open(item, None) else { return };
        let opened = |one: &Neighbour<'_>| Some((one.item.original_path.clone(), self.open(&one.item, one.held)?));
        let companions: Vec<(String, Arc<dyn Bytes>)> = neighbours.iter().filter_map(opened).collect();
        let input = Input {
            original_path: &item.original_path,
            bytes: &*bytes,
            times: item.times,
            companions: companions.iter().map(|(path, bytes)| (path.as_str(), &**bytes)).collect(),
            focus,
        };
        let take = |artifact, record| {
            pace::work();
            take(artifact, item, record);
        };
        let threads_left = AtomicUsize::new(threads);
        let each = |parse: &(dyn Fn() + Sync)| {
            rayon::broadcast(|_| {
                // Memory may be enough for some of them only.
                if threads_left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok() {
                    parse();
                }
            });
        };
        let crew = Crew { threads, each: &each, is_stopped: &|| self.is_stopped() };
        let problems = group.parse_by(&crew, &input, &take).into_iter();
        // What is odd about a program that is only looked at costs no conclusion; that it could not be read does.
        let is_note = |problem: &Problem| item.is_suspect() && problem.kind != ProblemKind::ReadFailed;
        let problems = problems.map(|problem| if is_note(&problem) { problem.as_note() } else { problem });
        self.problems.lock().extend(problems);
    }

    /// Memory that an object takes while it is open, beside what parsing it takes.
    fn held(&self, item: &Item) -> u64 {
        if item.stored_size > SHORT && item.stored_size <= self.temp.in_memory() { item.stored_size } else { 0 }
    }

    /// Whether an object is so long that it is not held in memory, and is read several times: then it is opened once for
    /// all of them, and costs little memory meanwhile.
    fn is_worth_keeping(&self, item: &Item) -> bool {
        let groups = || Group::all_of(artifacts::asked_for(item)).len();
        item.stored_size > self.temp.in_memory() && (groups() > 1 || self.neighbours.serves_a_volume(item))
    }

    /// An object, of which at most so many bytes are held in memory where that is given.
    fn open(&self, item: &Item, held: Option<u64>) -> Option<Arc<dyn Bytes>> {
        const MOST: usize = 8;
        if let Some(bytes) = self.kept.lock().get(&item.id) {
            return Some(bytes.clone());
        }
        let spill = held.map_or_else(|| self.temp.clone(), |held| self.temp.clone().holding(held));
        let bytes: Arc<dyn Bytes> = self.inflate(item, &spill)?.into();
        let mut kept = self.kept.lock();
        if kept.len() < MOST && self.is_worth_keeping(item) {
            kept.insert(item.id, bytes.clone());
        }
        Some(bytes)
    }

    fn inflate(&self, item: &Item, spill: &Spill) -> Option<Box<dyn Bytes>> {
        match self.reader.open_item_with(item, spill) {
            Ok(bytes) => Some(bytes),
            Err(error @ collector::Error::Write { .. }) => {
                self.end(error);
                None
            }
            Err(error) if self.reader.is_verifying() => {
                self.end(error);
                None
            }
            Err(error) => {
                // Where the bundle lies on this machine is no part of the analysis.
                let what = match error {
                    collector::Error::DamagedBundle { item, why, .. } => format!("{item} cannot be used: {why}"),
                    other => other.to_string(),
                };
                self.problems.lock().push(Problem::new(
                    Stage::Bundle,
                    ProblemKind::ReadFailed,
                    item.original_path.clone(),
                    what,
                    "nothing of this object is analysed",
                ));
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threads_share_what_the_others_would_wait_for() {
        let in_parts = |artifact: &&&'static Artifact| Group::all_of([**artifact])[0].is_in_parts();
        let log = *artifacts::ALL.iter().find(in_parts).unwrap();
        let whole = *artifacts::ALL.iter().find(|artifact| artifact.parse.is_some() && !in_parts(artifact)).unwrap();
        let shared = |mib: &[u64], artifact: &'static Artifact, threads| {
            let piece = |(number, mib): (usize, &u64)| Piece {
                group: Group::all_of([artifact]).remove(0),
                item: ItemId(number as u32),
                size: mib << 20,
            };
            let mut work: Vec<Piece> = mib.iter().enumerate().map(piece).collect();
            let long = take_out_long(&mut work, threads);
            assert_eq!(long.len() + work.len(), mib.len());
            long.iter().map(|piece| piece.size >> 20).collect::<Vec<_>>()
        };
        assert_eq!(shared(&[300], log, 2), [300]);
        assert_eq!(shared(&[300], log, 1), [0; 0]);
        assert_eq!(shared(&[300], whole, 2), [0; 0]);
        assert_eq!(shared(&[300, 20, 20, 20], log, 2), [300, 20, 20, 20]);
        assert_eq!(shared(&[20; 100], log, 16), [0; 0], "each thread has its own");
        assert_eq!(shared(&[8, 1], log, 2), [0; 0], "short ones are not worth it");
    }
}
