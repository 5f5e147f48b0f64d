//! The parts of a collection that was interrupted and gone on with, read as one bundle.

use super::items::Builder;
use super::labels::{COUNT, GROUP, value};
use super::reader::BundleReader;
use crate::Error;
use crate::spill::{Sorter, Spill};
use evidence::{Item, ItemId, ItemStatus, Items, Problem, ProblemKind};
use std::collections::HashSet;
use std::io;

/// Bytes that are sorted in memory.
const SORTED: usize = 8 << 20;
/// The bits of a place that say in which part it is.
const PART: u32 = 48;
/// More parts are not read together.
const MOST_PARTS: usize = 1 << 12;

/// In a place: that the payload is not there.
const NOT_THERE: u64 = (1 << PART) - 1;

impl BundleReader {
    /// Which part of which collection it is: the name of the first bag, and the number of the part from 1 on.
    pub fn part(&self) -> Result<(String, usize), Error> {
        let info = self.text("bag-info.txt")?;
        let number = value(&info, COUNT).and_then(|count| count.split(' ').next()?.parse().ok());
        Ok((value(&info, GROUP).unwrap_or_else(|| self.bag()).to_owned(), number.unwrap_or(1)))
    }

    /// Reads the parts of one collection as one bundle: each object once, from the part that has the most of it. Gives the
    /// numbers of the parts that are missing too. An error says that they are not of one collection; whether a further part
    /// names the first one is what their verification says.
    pub fn join(parts: Vec<BundleReader>, spill: &Spill) -> Result<(BundleReader, Vec<usize>), Error> {
        let mut numbered = Vec::new();
        for part in parts {
            let (group, number) = part.part()?;
            numbered.push((number, group, part));
        }
        numbered.sort_by_key(|(number, ..)| *number);
        let mut missing = Vec::new();
        for (index, (number, group, part)) in numbered.iter().enumerate() {
            let before = index.checked_sub(1).map_or(0, |before| numbered[before].0);
            let why = match () {
                () if *group != numbered[0].1 => "it is a part of another collection than the first one".to_owned(),
                () if *number == before && *number > 0 => format!("part {number} is there twice"),
                () if *number > MOST_PARTS || *number == 0 => format!("part {number} is none that can be"),
                () => {
                    missing.extend(before + 1..*number);
                    continue;
                }
            };
            return Err(Error::NotABundle { path: part.path.clone(), why });
        }
        let mut parts: Vec<BundleReader> = numbered.into_iter().map(|(.., part)| part).collect();
        if parts.len() < 2 {
            let only = parts.pop();
            let none = || io::Error::new(io::ErrorKind::InvalidInput, "no part was given");
            return only.map(|only| (only, missing)).ok_or_else(|| Error::write("", none()));
        }
        let failed = |error: io::Error| Error::write(&parts[0].path, error);
        let rows = joined_rows(&parts, spill).map_err(failed)?;
        let mut builder = Builder::new(spill);
        for row in rows {
            let (place, line) = row.map_err(failed)?;
            builder.push(&line, place).map_err(failed)?;
        }
        let items = builder.finish().map_err(failed)?;
        let failures = joined_failures(&parts);
        let mut first = parts.remove(0);
        first.items = items;
        first.failures = failures;
        first.others = parts;
        Ok((first, missing))
    }

    /// How many parts it is read from.
    pub fn parts(&self) -> usize {
        1 + self.others.len()
    }

    /// One of the parts, in the order of their numbers.
    pub fn each_part(&self) -> impl Iterator<Item = &BundleReader> {
        std::iter::once(self).chain(&self.others)
    }

    /// From which of the parts an object is, in the order of their numbers, counted from 0.
    pub fn part_of(&self, item: ItemId) -> usize {
        self.items.place(item).map_or(0, |place| self.place_in_part(place).0)
    }

    fn place_in_part(&self, place: u64) -> (usize, u64) {
        if self.others.is_empty() {
            return (0, place);
        }
        let part = usize::try_from(place >> PART).unwrap_or(usize::MAX);
        (if part > self.others.len() { 0 } else { part }, place & NOT_THERE)
    }

    /// The part that an object is from, and the place of its payload there, where it has one.
    pub(super) fn located(&self, item: ItemId) -> (&BundleReader, Option<u64>) {
        let Some(place) = self.items.place(item) else { return (self, None) };
        let (part, place) = self.place_in_part(place);
        let reader = part.checked_sub(1).and_then(|other| self.others.get(other)).unwrap_or(self);
        (reader, Some(place).filter(|place| *place != NOT_THERE))
    }
}

/// What was not read to its end, by original path.
fn not_ended(part: &BundleReader) -> HashSet<&str> {
    let interrupted = part.failures().iter().filter(|problem| problem.kind == ProblemKind::Interrupted);
    interrupted.map(|problem| problem.item.as_str()).collect()
}

/// How much of an object a part has: nothing, a part that was not read to its end, or all that could be read.
fn rank(item: &Item, not_ended: &HashSet<&str>) -> u8 {
    match item.status {
        ItemStatus::Failed => 0,
        _ if not_ended.contains(item.original_path.as_str()) => 1,
        _ => 2,
    }
}

/// What tells an object apart: volume, exact path, and the file record of a deleted file.
fn identity(item: &Item) -> Vec<u8> {
    let reference = item.recovery.and(item.mft_entry.zip(item.mft_sequence));
    format!("{}\0{}\0{}\0{reference:?}", item.original_path, item.volume, item.exact_path()).into_bytes()
}

type Row = io::Result<(u64, String)>;

/// Each object once, with its new number and its place.
fn joined_rows(parts: &[BundleReader], spill: &Spill) -> io::Result<impl Iterator<Item = Row> + use<>> {
    let mut all = Sorter::new(spill, SORTED);
    for (number, part) in parts.iter().enumerate() {
        let not_ended = not_ended(part);
        let mut pushed = Ok(());
        part.items().each(&mut |item| {
            if pushed.is_ok() {
                // Where the payload is not there, it is not there in that part.
                let place = part.items.place(item.id).filter(|place| *place < NOT_THERE).unwrap_or(NOT_THERE);
                let place = place | (number as u64) << PART;
                // Of two parts that have as much of it, the later one comes last.
                let mut key = identity(item);
                key.push(0);
                key.push(rank(item, &not_ended));
                let value = serde_json::to_vec(&(place, item)).map_err(io::Error::from);
                pushed = value.and_then(|value| all.push(&key, &value));
            }
        });
        pushed?;
        part.items.failure().map_or(Ok(()), Err)?;
    }
    let mut rows = all.finish()?.peekable();
    let mut next = 0u32;
    Ok(std::iter::from_fn(move || {
        loop {
            let (key, value) = match rows.next()? {
                Ok(row) => row,
                Err(error) => return Some(Err(error)),
            };
            let of = |key: &[u8]| key.len().saturating_sub(1);
            if let Some(Ok((later, _))) = rows.peek()
                && later[..of(later)] == key[..of(&key)]
            {
                continue;
            }
            let numbered = serde_json::from_slice(&value).map_err(io::Error::from).and_then(|row: (u64, Item)| {
                let (place, mut item) = row;
                item.id = ItemId(next);
                next = next.checked_add(1).ok_or_else(|| io::Error::other("too many objects"))?;
                Ok((place, serde_json::to_string(&item)?))
            });
            return Some(numbered);
        }
    }))
}

/// What went wrong in any part; not that an object was not reached which a later part has, nor that a part was ended
/// early which a later one went on with.
fn joined_failures(parts: &[BundleReader]) -> Vec<Problem> {
    let mut all = Vec::new();
    for (number, part) in parts.iter().enumerate() {
        let later = &parts[number + 1..];
        let is_done = |problem: &&Problem| {
            let was_ended = problem.kind == ProblemKind::Interrupted;
            let has_it = |part: &BundleReader| {
                let mut ranks = part.items().by_path(&problem.item).into_iter();
                ranks.any(|item| item.status != ItemStatus::Failed)
            };
            was_ended && !later.is_empty() && (problem.item.is_empty() || later.iter().any(has_it))
        };
        all.extend(part.failures().iter().filter(|problem| !is_done(problem)).cloned());
    }
    all.sort();
    all.dedup();
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_bag_info() {
        let info = "Bag-Count: 2 of ?\nBag-Group-Identifier: A-1\nBag-Group: x\n";
        assert_eq!(value(info, GROUP), Some("A-1"));
        assert_eq!(value(info, "Bag"), None);
    }
}
