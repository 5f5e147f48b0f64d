//! The merged events: equal ones joined, in batches for the writers or one by one.

use super::MergeError;
use super::codec::{self, RecordView};
use super::run::{Buffer, Merged, Run};
use super::seen::{Observer, Seen};
use super::shapes::{Names, Shapes};
use super::view::{EventView, MomentView, Pool};
use crate::event::{Event, Glance};
use evidence::{Problem, ProblemKind, RecordType, Stage};
use std::collections::HashMap;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Encoded bytes after which a batch ends with the next change of time. The rows of a batch take some times as much, and
/// are still in the processor's cache when they are written.
const BATCH_BYTES: usize = 32 << 10;

/// Encoded bytes after which a batch ends although the time goes on. Equal records in different batches
/// are not found.
const MOST_BATCH_BYTES: usize = 4 << 20;
/// The same for their number: short records can have long rows.
const MOST_BATCH_EVENTS: usize = 8_192;

/// Every event of a timeline in the order of time; an iterator.
pub struct Sorted {
    merged: Merged,
    names: Names,
    joined: u64,
    /// Time and item of the part that the last batch ended with, when the time went on.
    unfinished: Option<(u64, u32)>,
    /// Times whose events of several items were compared in parts.
    split: u64,
    /// For the iterator.
    batch: Batch,
    next: usize,
}

/// Some consecutive events.
#[derive(Default)]
pub(crate) struct Batch {
    pool: Pool,
    /// Bytes of its encoded records.
    size: usize,
    slots: Vec<Slot>,
    others: Vec<Range<usize>>,
}

struct Slot {
    time: u64,
    encoded: Range<usize>,
    others: Range<usize>,
}

impl Sorted {
    pub(super) fn new(
        folder: PathBuf,
        buffer: Buffer,
        runs: Vec<Run>,
        shapes: Arc<Shapes>,
    ) -> Result<Self, MergeError> {
        let names = shapes.names();
        let merged = Merged::new(folder, buffer, runs, shapes)?;
        Ok(Sorted { merged, names, joined: 0, unfinished: None, split: 0, batch: Batch::default(), next: 0 })
    }

    /// Begins again with the first event.
    pub(crate) fn rewind(&mut self) -> Result<(), MergeError> {
        self.merged.rewind()?;
        (self.joined, self.unfinished, self.split) = (0, None, 0);
        (self.batch, self.next) = (Batch::default(), 0);
        Ok(())
    }

    /// Shows an observer every event that is left.
    pub(crate) fn show(&mut self, observer: &mut impl Observer) -> Result<(), MergeError> {
        let (names, eye) = (self.names(), observer.eye());
        let (mut batch, mut moments) = (Batch::default(), Vec::new());
        loop {
            self.next_batch(&mut batch)?;
            if batch.is_empty() {
                return Ok(());
            }
            for index in 0..batch.len() {
                let event = batch.event(index, &names, &mut moments).ok_or_else(|| self.damaged())?;
                let seen = Seen::new(event, &moments);
                observer.count(&Glance::of(&seen));
                if let Some(taken) = eye(&seen) {
                    observer.observe(taken);
                }
            }
        }
    }

    /// Folder of the spill files.
    pub(crate) fn folder(&self) -> &Path {
        self.merged.folder()
    }

    /// The texts that batches refer to.
    pub(crate) fn names(&self) -> Names {
        self.names.clone()
    }

    /// The error for bytes that make no sense.
    pub(crate) fn damaged(&self) -> MergeError {
        MergeError::Damaged { folder: self.folder().to_owned() }
    }

    /// How many events were joined to an equal one so far.
    pub fn joined(&self) -> u64 {
        self.joined
    }

    /// What a limit of the merge cost, once everything was read.
    pub fn problems(&self) -> Vec<Problem> {
        if self.split == 0 {
            return Vec::new();
        }
        let what = format!(
            "{} times have more than {MOST_BATCH_EVENTS} events or {} MiB of them each, which were compared in parts",
            self.split,
            MOST_BATCH_BYTES >> 20
        );
        let effect = "a record that was collected twice can be in the timeline twice at these times";
        vec![Problem::new(Stage::Correlate, ProblemKind::LimitReached, "", what, effect)]
    }

    /// Fills the batch with the next events; it stays empty at the end. Where batches end depends on the
    /// events alone.
    pub(crate) fn next_batch(&mut self, batch: &mut Batch) -> Result<(), MergeError> {
        batch.pool.empty(self.merged.memory());
        batch.clear();
        while batch.size < BATCH_BYTES && batch.slots.len() < MOST_BATCH_EVENTS {
            let Some(time) = self.merged.peek() else { break };
            let first = batch.slots.len();
            while self.merged.peek() == Some(time) {
                if batch.size >= MOST_BATCH_BYTES || batch.slots.len() >= MOST_BATCH_EVENTS {
                    break;
                }
                self.merged.next(|time, encoded, in_memory| batch.push(time, encoded, in_memory))?;
            }
            let last_item = batch.slots.last().and_then(|slot| batch.item(slot)).unwrap_or(0);
            let before = self.unfinished.take().filter(|(earlier, _)| *earlier == time);
            if before.is_some_and(|(_, item)| item != last_item) {
                self.split += 1;
            } else if self.merged.peek() == Some(time) {
                self.unfinished = before.or(Some((time, last_item)));
            }
            self.joined += batch.join_equal(first, &self.names);
        }
        Ok(())
    }
}

impl Batch {
    /// Takes its events away.
    pub(crate) fn clear(&mut self) {
        self.size = 0;
        self.slots.clear();
        self.others.clear();
    }

    fn push(&mut self, time: u64, encoded: &[u8], in_memory: Option<Range<usize>>) {
        let encoded = in_memory.unwrap_or_else(|| self.pool.add(encoded));
        self.size += encoded.len();
        self.slots.push(Slot { time, encoded, others: 0..0 });
    }

    /// Number of the item of an event.
    fn item(&self, slot: &Slot) -> Option<u32> {
        self.pool.get(&slot.encoded)?.first_chunk().map(|number| u32::from_be_bytes(*number))
    }

    /// Whether there are so many events that no other batch should be rendered beside it.
    pub(crate) fn is_large(&self) -> bool {
        self.size > 2 * BATCH_BYTES || self.slots.len() >= MOST_BATCH_EVENTS / 4
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    pub(crate) fn len(&self) -> usize {
        self.slots.len()
    }

    /// The event at a place of the batch, and the moments of its time; `None` if it is damaged.
    pub(crate) fn event<'a>(
        &'a self,
        index: usize,
        names: &'a Names,
        moments: &mut Vec<MomentView>,
    ) -> Option<EventView<'a>> {
        let slot = self.slots.get(index)?;
        let others = self.others.get(slot.others.clone())?;
        EventView::new(slot.time, &slot.encoded, others, &self.pool, names, moments)
    }

    /// Joins the events from `first` on, which share a time, where the same record stands in several
    /// items. Two equal records in one item stay two: the n-th of one item is joined with the n-th of the
    /// other. What was recovered is joined with the record of its number, which stays the row. Returns how many were joined.
    fn join_equal(&mut self, first: usize, names: &Names) -> u64 {
        struct Kept {
            slots: Vec<usize>,
            item: u32,
            next: usize,
        }
        let group = &self.slots[first..];
        let item = |slot: Option<&Slot>| slot.and_then(|slot| self.item(slot));
        let is_recovered = |slot: &Slot| self.pool.get(&slot.encoded).is_some_and(codec::is_recovered);
        if group.len() < 2 {
            return 0;
        }
        let recovered: Vec<bool> = group.iter().map(is_recovered).collect();
        let has_recovered = recovered.contains(&true);
        if !has_recovered && item(group.first()) == item(group.last()) {
            return 0;
        }
        let mut order: Vec<usize> = (0..group.len()).collect();
        order.sort_by_key(|index| recovered[*index]);
        let mut by_number: HashMap<(*const RecordType, u64), usize> = HashMap::new();
        let mut by_content: HashMap<&[u8], Kept> = HashMap::new();
        let mut joined: Vec<(usize, usize)> = Vec::new();
        for index in order {
            let record = self.pool.get(&group[index].encoded).and_then(|encoded| RecordView::new(encoded, names));
            let Some(record) = record else { continue };
            if has_recovered && let Some(number) = record.number() {
                let to = *by_number.entry(number).or_insert(index);
                if recovered[index] {
                    if to != index {
                        joined.push((to, index));
                    }
                    continue;
                }
            }
            let kept =
                by_content.entry(record.content()).or_insert(Kept { slots: Vec::new(), item: record.item.0, next: 0 });
            if kept.item != record.item.0 {
                kept.item = record.item.0;
                kept.next = 0;
            }
            match kept.slots.get(kept.next) {
                Some(to) => joined.push((*to, index)),
                None => kept.slots.push(index),
            }
            kept.next += 1;
        }
        if joined.is_empty() {
            return 0;
        }
        // What a recovered copy was joined with can be joined with another itself.
        let first_of: HashMap<usize, usize> = joined.iter().map(|(to, index)| (*index, *to)).collect();
        for (to, _) in &mut joined {
            while let Some(first) = first_of.get(to) {
                *to = *first;
            }
        }
        joined.sort_unstable();
        let count = joined.len() as u64;
        let mut gone = vec![false; group.len()];
        for same in joined.chunk_by(|a, b| a.0 == b.0) {
            let start = self.others.len();
            for (_, index) in same {
                gone[*index] = true;
                self.others.push(self.slots[first + index].encoded.clone());
            }
            self.slots[first + same[0].0].others = start..self.others.len();
        }
        let mut index = 0;
        self.slots.retain(|_| {
            index += 1;
            index <= first || !gone[index - 1 - first]
        });
        count
    }
}

/// The events one by one. After an error there is nothing more.
impl Iterator for Sorted {
    type Item = Result<Event, MergeError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.next >= self.batch.len() {
            let mut batch = std::mem::take(&mut self.batch);
            self.next = 0;
            if let Err(error) = self.next_batch(&mut batch) {
                self.merged.stop();
                return Some(Err(error));
            }
            self.batch = batch;
        }
        if self.batch.is_empty() {
            return None;
        }
        let event = self.batch.event(self.next, &self.names, &mut Vec::new()).map(EventView::to_event);
        self.next += 1;
        Some(event.ok_or_else(|| self.damaged()))
    }
}
