//! What became of each object, written down as it happens, so that a million of them take no more memory than a thousand.

use super::locate::Key;
use crate::bundle::Sums;
use crate::bundle::journal::Later;
use crate::key_set::KeySet;
use crate::source::Found;
use crate::spill::{Sorter, Spill, Spool};
use evidence::{Item, ItemId, ItemStatus};
use serde::{Deserialize, Serialize};
use std::collections::hash_map::RandomState;
use std::collections::{BTreeMap, BTreeSet};
use std::hash::BuildHasher;
use std::io::{self, BufRead};
use std::ops::Range;

/// Names of records that are kept for one object.
pub(super) const MAX_NAMED_BY: usize = 20;

/// An object that is in the bundle, or that was tried.
#[derive(Serialize, Deserialize)]
pub(crate) struct Kept {
    pub(crate) item: Item,
    pub(crate) volume: usize,
    /// Path from the root of the volume, with the stream.
    pub(crate) full_path: String,
    /// How to find a deleted file again; any other is found by its path.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) deleted: Option<Box<Found>>,
    /// The earlier part of the collection that holds it; it is then not in this bundle.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) held: Option<usize>,
    /// What of it could not be read, in order. It is not read again: it is zeros, as in the bundle.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) unreadable: Vec<Range<u64>>,
}

/// The objects of a collection.
pub(crate) struct Objects {
    lines: Spool,
    count: usize,
    /// Which were tried. A number for each is enough to know one again; nobody can choose names whose numbers agree,
    /// since the numbers are made anew for each run.
    known: KeySet,
    hasher: RandomState,
    later: BTreeMap<Key, Later>,
}

/// The place of an object among the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    at: u64,
    number: usize,
}

impl Objects {
    pub(crate) fn new(spill: &Spill) -> Self {
        Objects {
            lines: Spool::new(spill),
            count: 0,
            known: KeySet::default(),
            hasher: RandomState::new(),
            later: BTreeMap::new(),
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.count
    }

    /// Whether this object was tried.
    pub(crate) fn has(&self, key: &Key) -> bool {
        self.known.contains(self.hasher.hash_one(key))
    }

    /// Where the next one will be.
    pub(crate) fn end(&self) -> Place {
        Place { at: self.lines.len(), number: self.count }
    }

    /// How many there are from this place on.
    pub(crate) fn since(&self, place: Place) -> usize {
        self.count - place.number
    }

    pub(crate) fn push(&mut self, key: &Key, kept: &Kept) -> io::Result<()> {
        self.known.insert(self.hasher.hash_one(key));
        self.count += 1;
        let mut line = serde_json::to_vec(kept)?;
        line.push(b'\n');
        self.lines.push(&line)
    }

    /// Takes what was learned of an object that was tried already.
    pub(crate) fn learn(&mut self, key: Key, more: Later) {
        let later = self.later.entry(key).or_default();
        add_named_by(&mut later.named_by, &more.named_by);
        later.wanted_by.extend(more.wanted_by);
        let left = MAX_NAMED_BY.saturating_sub(later.named_as.len());
        later.named_as.extend(more.named_as.into_iter().take(left));
        later.companions.extend(more.companions);
    }

    /// The objects from this place on, some at a time.
    pub(crate) fn each_batch(
        &mut self,
        from: Place,
        size: usize,
        take: &mut dyn FnMut(Vec<Kept>) -> io::Result<()>,
    ) -> io::Result<()> {
        let mut lines = self.lines.read(from.at)?;
        let mut batch = Vec::new();
        let mut line = Vec::new();
        loop {
            line.clear();
            let at_end = lines.read_until(b'\n', &mut line)? == 0;
            if !at_end {
                batch.push(serde_json::from_slice(&line)?);
            }
            if batch.len() >= size || at_end && !batch.is_empty() {
                take(std::mem::take(&mut batch))?;
            }
            if at_end {
                return Ok(());
            }
        }
    }

    /// The objects in the order of their original paths, each with its number, as lines of `objects.jsonl`; and the payload
    /// files in the order of their paths in the bag.
    pub(crate) fn finish(mut self, spill: &Spill, budget: usize) -> io::Result<(Sorter, Sorter, Sums)> {
        let mut by_path = Sorter::new(spill, budget);
        let later = std::mem::take(&mut self.later);
        let mut sums = Sums::default();
        let start = Place { at: 0, number: 0 };
        self.each_batch(start, 1024, &mut |batch| {
            for kept in batch.into_iter().filter(|kept| kept.held.is_none()) {
                let key = kept.key();
                let mut item = kept.item;
                if let Some(later) = later.get(&key) {
                    later.add_to(&mut item);
                }
                sums.objects += 1;
                sums.bytes += item.stored_size;
                sums.not_complete += u64::from(item.status != ItemStatus::Complete);
                let bundle_path = item.bundle_path.as_deref().unwrap_or_default();
                let key = [item.original_path.as_bytes(), b"\0", bundle_path.as_bytes()].concat();
                by_path.push(&key, &serde_json::to_vec(&item)?)?;
            }
            Ok(())
        })?;
        let mut lines = Sorter::new(spill, budget);
        let mut payload = Sorter::new(spill, budget);
        for (number, row) in by_path.finish()?.enumerate() {
            let mut item: Item = serde_json::from_slice(&row?.1)?;
            let number = u32::try_from(number).unwrap_or(u32::MAX);
            item.id = ItemId(number);
            lines.push(&number.to_be_bytes(), &serde_json::to_vec(&item)?)?;
            if let Some(path) = item.bundle_path {
                sums.payload += 1;
                payload.push(path.as_bytes(), &serde_json::to_vec(&(item.sha256, item.sha512))?)?;
            }
        }
        Ok((lines, payload, sums))
    }
}

impl Kept {
    /// What tells it apart, as [`super::locate::Wanted::key`].
    fn key(&self) -> Key {
        let reference = self.item.recovery.and(self.item.mft_entry.zip(self.item.mft_sequence));
        (self.volume, self.full_path.clone(), reference)
    }
}

impl Later {
    fn add_to(&self, item: &mut Item) {
        for (list, more) in [
            (&mut item.wanted_by, &self.wanted_by),
            (&mut item.named_as, &self.named_as),
            (&mut item.companions, &self.companions),
        ] {
            let mut all: BTreeSet<String> = list.drain(..).collect();
            all.extend(more.iter().cloned());
            *list = all.into_iter().collect();
        }
        let mut names: BTreeSet<String> = item.named_by.drain(..).collect();
        add_named_by(&mut names, &self.named_by);
        item.named_by = names.into_iter().collect();
    }
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
