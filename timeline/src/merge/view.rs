//! Events whose records are still encoded.

use super::codec::{RecordView, Unread};
use super::shapes::Names;
use crate::event::{Event, EventSource};
use evidence::{Filetime, Meaning, When};
use std::ops::Range;
use std::sync::Arc;

/// A moment of an event: its number in the record and its meaning.
pub(crate) type MomentView = (usize, Meaning);

/// The encoded records of a batch, of which each is a range: those that stay in memory, shared by all batches, and behind
/// them those that were read for this one.
#[derive(Default)]
pub(super) struct Pool {
    memory: Arc<Vec<u8>>,
    read: Vec<u8>,
}

impl Pool {
    /// Keeps nothing but what stays in memory.
    pub(super) fn empty(&mut self, memory: Arc<Vec<u8>>) {
        self.memory = memory;
        self.read.clear();
    }

    /// Adds a record that was read.
    pub(super) fn add(&mut self, encoded: &[u8]) -> Range<usize> {
        let start = self.memory.len() + self.read.len();
        self.read.extend_from_slice(encoded);
        start..start + encoded.len()
    }

    pub(super) fn get(&self, range: &Range<usize>) -> Option<&[u8]> {
        match range.start.checked_sub(self.memory.len()) {
            Some(start) => self.read.get(start..start + range.len()),
            None => self.memory.get(range.clone()),
        }
    }
}

/// An event whose record is still encoded.
#[derive(Clone, Copy)]
pub(crate) struct EventView<'a> {
    pub(crate) time: Option<Filetime>,
    /// The first moment of this time in full.
    first: Option<Unread<'a>>,
    pub(crate) record: RecordView<'a>,
    /// Encoded records of the other places.
    others: &'a [Range<usize>],
    pool: &'a Pool,
    names: &'a Names,
    /// Whether it is the first event of its record.
    pub(crate) is_first: bool,
}

impl<'a> EventView<'a> {
    /// Reads the event whose encoded record is at `encoded` in the pool, as are the `others`. `moments` becomes the moments
    /// of this time in stored order; one [`Meaning::NOT_A_TIME`] for a record without any.
    pub(super) fn new(
        time: u64,
        encoded: &Range<usize>,
        others: &'a [Range<usize>],
        pool: &'a Pool,
        names: &'a Names,
        moments: &mut Vec<MomentView>,
    ) -> Option<Self> {
        moments.clear();
        let (mut dated, mut earliest, mut first) = (false, Filetime(u64::MAX), None);
        let record = RecordView::with_moments(pool.get(encoded)?, names, |index, meaning, at, unread| {
            if let (Some(at), false) = (at, dated) {
                // Those without a time do not count beside one with it.
                moments.clear();
                (dated, earliest, first) = (true, at, None);
            }
            if at == Some(Filetime(time)) || (at.is_none() && !dated) {
                first = first.or(Some(unread));
                moments.push((index, meaning));
            }
            earliest = earliest.min(at.unwrap_or(earliest));
        })?;
        if moments.is_empty() {
            moments.push((0, Meaning::NOT_A_TIME));
        }
        Some(EventView {
            time: dated.then_some(Filetime(time)),
            is_first: !dated || earliest == Filetime(time),
            first,
            record,
            others,
            pool,
            names,
        })
    }

    /// The first moment as it is stored.
    pub(crate) fn when(&self) -> When {
        self.first.and_then(Unread::when).unwrap_or(When::Undated)
    }

    /// Other places of the same record.
    pub(crate) fn others(&self) -> impl Iterator<Item = RecordView<'a>> + 'a {
        let (pool, names) = (self.pool, self.names);
        self.others.iter().filter_map(move |range| RecordView::new(pool.get(range)?, names))
    }

    /// Whether it happened at a time that a clock can have shown, and when.
    pub(crate) fn happened(&self) -> Option<Filetime> {
        self.time.filter(|time| time.is_possible())
    }

    /// The event itself.
    pub(crate) fn to_event(self) -> Event {
        let mut event = Event::at(self.record.item, self.record.to_record(), self.time);
        event.other_sources = self.copies().collect();
        event
    }

    /// Those places, for the event itself.
    pub(crate) fn copies(&self) -> impl Iterator<Item = EventSource> {
        self.others().map(|other| EventSource {
            item: other.item,
            locator: other.place.to_locator(),
            integrity: other.integrity,
        })
    }
}
