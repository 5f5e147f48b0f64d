//! The objects of a bundle that is read: in memory while they are few, else in a file, a few bytes of memory for each.

use crate::file_bytes::Section;
use crate::spill::{Spill, Spool};
use evidence::{Bytes, Item, ItemId, Items, KeyIndex};
use parking_lot::Mutex;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io::{self, BufReader, Read};

/// Bytes of descriptions up to which all objects are in memory.
const HELD: u64 = 8 << 20;

/// Where the payload of an object is listed in the archive; for an object without one, and for one whose payload is not in
/// the archive, a place where nothing is.
pub(super) const NOWHERE: u64 = u64::MAX;

/// What is at the front of each description: its length, and the place of its payload.
const HEAD: usize = 12;

/// Rows of a group.
const GROUP: usize = 16;

/// The objects while they are being read.
pub(super) struct Builder {
    rows: Spool,
    count: usize,
    groups: Vec<u64>,
}

/// The objects of a bundle.
pub struct ItemTable {
    kept: Kept,
    /// By exact path.
    by_path: KeyIndex,
    /// The first error of reading the file back, of which those who only look up an object are not told.
    failure: Mutex<Option<io::Error>>,
}

enum Kept {
    Held {
        items: Vec<Item>,
        places: Vec<u64>,
    },
    /// Where each group of rows begins; the others are found by the lengths of those before them.
    Spilled {
        rows: Box<dyn Bytes>,
        count: usize,
        groups: Vec<u64>,
    },
}

impl Builder {
    pub(super) fn new(spill: &Spill) -> Self {
        Builder { rows: Spool::new(spill), count: 0, groups: Vec::new() }
    }

    pub(super) fn len(&self) -> usize {
        self.count
    }

    /// Takes the next object, as it is described, and the place of its payload.
    pub(super) fn push(&mut self, line: &str, place: u64) -> io::Result<()> {
        if self.count.is_multiple_of(GROUP) {
            self.groups.push(self.rows.len());
        }
        self.count += 1;
        let length = u32::try_from(line.len()).map_err(io::Error::other)?;
        self.rows.push(&length.to_le_bytes())?;
        self.rows.push(&place.to_le_bytes())?;
        self.rows.push(line.as_bytes())
    }

    pub(super) fn finish(self) -> io::Result<ItemTable> {
        let few = self.rows.len() <= HELD;
        let rows = self.rows.into_bytes()?;
        let mut by_path = KeyIndex::default();
        let (mut items, mut places) = (Vec::new(), Vec::new());
        let mut number = 0;
        walk(&*rows, &mut |item, place| {
            by_path.add(item.exact_path(), number);
            number += 1;
            if few {
                items.push(item);
                places.push(place);
            }
        })?;
        by_path.sort();
        let Builder { count, groups, .. } = self;
        let kept = if few { Kept::Held { items, places } } else { Kept::Spilled { rows, count, groups } };
        Ok(ItemTable { kept, by_path, failure: Mutex::new(None) })
    }
}

fn walk(rows: &dyn Bytes, take: &mut dyn FnMut(Item, u64)) -> io::Result<()> {
    let mut reader = BufReader::with_capacity(1 << 16, Section::new(rows, 0, rows.len()));
    let mut head = [0; HEAD];
    let mut line = Vec::new();
    let mut at = 0;
    while at < rows.len() {
        reader.read_exact(&mut head)?;
        let (length, place) = read_head(head);
        line.resize(length, 0);
        reader.read_exact(&mut line)?;
        take(serde_json::from_slice(&line)?, place);
        at += (HEAD + length) as u64;
    }
    Ok(())
}

fn read_head(head: [u8; HEAD]) -> (usize, u64) {
    let [a, b, c, d, place @ ..] = head;
    (u32::from_le_bytes([a, b, c, d]) as usize, u64::from_le_bytes(place))
}

impl ItemTable {
    /// Where the payload of an object is listed in the archive.
    pub(super) fn place(&self, id: ItemId) -> Option<u64> {
        let place = match &self.kept {
            Kept::Held { places, .. } => places.get(id.0 as usize).copied(),
            Kept::Spilled { .. } => self.row(id).map(|(_, place)| place),
        };
        place.filter(|place| *place != NOWHERE)
    }

    /// Every object, where there is room for all of them: for tests and small tools.
    pub fn to_vec(&self) -> Vec<Item> {
        let mut all = Vec::new();
        self.each(&mut |item| all.push(item.clone()));
        all
    }

    /// The error by which an object was taken for none, if there was one: the temporary file could not be read back.
    pub fn failure(&self) -> Option<io::Error> {
        self.failure.lock().take()
    }

    fn failed(&self, error: io::Error) {
        self.failure.lock().get_or_insert(error);
    }

    fn row(&self, id: ItemId) -> Option<(Vec<u8>, u64)> {
        let Kept::Spilled { rows, count, groups } = &self.kept else { return None };
        let number = Some(id.0 as usize).filter(|number| number < count)?;
        let mut at = *groups.get(number / GROUP)?;
        let exact = |at: u64, buffer: &mut [u8]| match rows.read_full_at(at, buffer)? == buffer.len() {
            true => Ok(()),
            false => Err(io::Error::from(io::ErrorKind::UnexpectedEof)),
        };
        let mut read = || -> io::Result<(Vec<u8>, u64)> {
            let mut head = [0; HEAD];
            for _ in 0..number % GROUP {
                exact(at, &mut head)?;
                at += (HEAD + read_head(head).0) as u64;
            }
            exact(at, &mut head)?;
            let (length, place) = read_head(head);
            let mut line = vec![0; length];
            exact(at + HEAD as u64, &mut line)?;
            Ok((line, place))
        };
        read().map_err(|error| self.failed(error)).ok()
    }
}

impl Items for ItemTable {
    fn count(&self) -> usize {
        match &self.kept {
            Kept::Held { items, .. } => items.len(),
            Kept::Spilled { count, .. } => *count,
        }
    }

    fn by_id(&self, id: ItemId) -> Option<Cow<'_, Item>> {
        match &self.kept {
            Kept::Held { items, .. } => items.get(id.0 as usize).map(Cow::Borrowed),
            Kept::Spilled { .. } => {
                let read = serde_json::from_slice(&self.row(id)?.0);
                read.map_err(|error| self.failed(error.into())).ok().map(Cow::Owned)
            }
        }
    }

    fn by_path(&self, exact_path: &str) -> Option<Cow<'_, Item>> {
        let candidates = self.by_path.candidates(exact_path).rev();
        candidates.filter_map(|id| self.by_id(ItemId(id))).find(|item| item.exact_path() == exact_path)
    }

    fn each(&self, take: &mut dyn FnMut(&Item)) {
        match &self.kept {
            Kept::Held { items, .. } => items.iter().for_each(take),
            Kept::Spilled { rows, .. } => {
                if let Err(error) = walk(&**rows, &mut |item, _| take(&item)) {
                    self.failed(error);
                }
            }
        }
    }
}

/// The objects of a bundle that was changed, each as it is now.
pub struct AcceptedItems<'a> {
    all: &'a ItemTable,
    /// SHA-256 and length of what is there.
    changed: BTreeMap<ItemId, (String, u64)>,
}

impl<'a> AcceptedItems<'a> {
    pub(super) fn new(all: &'a ItemTable, changed: BTreeMap<ItemId, (String, u64)>) -> Self {
        AcceptedItems { all, changed }
    }

    fn as_it_is<'i>(&self, item: Cow<'i, Item>) -> Cow<'i, Item> {
        let Some((sha256, length)) = self.changed.get(&item.id) else { return item };
        let mut item = item.into_owned();
        if item.stored_ranges.is_empty() {
            item.size = *length;
        }
        item.sha256.clone_from(sha256);
        item.stored_size = *length;
        // What was said of the whole file is not known of the changed one.
        item.file_sha256 = None;
        Cow::Owned(item)
    }
}

impl Items for AcceptedItems<'_> {
    fn count(&self) -> usize {
        self.all.count()
    }

    fn by_id(&self, id: ItemId) -> Option<Cow<'_, Item>> {
        self.all.by_id(id).map(|item| self.as_it_is(item))
    }

    fn by_path(&self, exact_path: &str) -> Option<Cow<'_, Item>> {
        self.all.by_path(exact_path).map(|item| self.as_it_is(item))
    }

    fn each(&self, take: &mut dyn FnMut(&Item)) {
        self.all.each(&mut |item| take(&self.as_it_is(Cow::Borrowed(item))));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use evidence::{FileTimes, ItemStatus, Method};

    fn item(number: u32) -> Item {
        Item {
            id: ItemId(number),
            // Every third has the path of the one before it, as deleted files can.
            original_path: format!(r"C:\Windows\System32\winevt\Logs\x{}.evtx", number - u32::from(number % 3 == 1)),
            original_path_raw: (number % 10 == 5).then(|| format!("{number:x}")),
            bundle_path: None,
            wanted_by: vec!["event-log".to_owned()],
            round: 0,
            named_by: Vec::new(),
            named_as: Vec::new(),
            volume: "v".to_owned(),
            mft_entry: None,
            mft_sequence: None,
            size: u64::from(number),
            stored_size: 0,
            stored_ranges: Vec::new(),
            sha256: String::new(),
            sha512: String::new(),
            file_sha256: None,
            file_sha256_absent: None,
            sha1: None,
            md5: None,
            times: FileTimes::default(),
            method: Method::Archive,
            status: ItemStatus::Complete,
            recovery: None,
            companions: Vec::new(),
        }
    }

    #[test]
    fn many_objects_are_found_like_few() {
        let folder = tempfile::tempdir().unwrap();
        for count in [0, 1, 1_000, 60_000] {
            let all: Vec<Item> = (0..count).map(item).collect();
            let mut builder = Builder::new(&Spill::into_folder(folder.path()));
            for (number, item) in all.iter().enumerate() {
                let place = if number % 2 == 0 { number as u64 * 7 } else { NOWHERE };
                builder.push(&serde_json::to_string(item).unwrap(), place).unwrap();
            }
            let table = builder.finish().unwrap();
            assert_eq!(matches!(table.kept, Kept::Spilled { .. }), count == 60_000);
            assert_eq!((table.count(), table.to_vec() == all), (all.len(), true));
            for number in (0..count).step_by(997) {
                let id = ItemId(number);
                assert_eq!(table.by_id(id).as_deref(), all.get(number as usize));
                assert_eq!(table.place(id), (number % 2 == 0).then_some(u64::from(number) * 7));
                let path = all[number as usize].exact_path();
                let last = all.iter().rev().find(|item| item.exact_path() == path);
                assert_eq!(table.by_path(path).as_deref(), last);
            }
            assert!(table.by_id(ItemId(count)).is_none() && table.by_path("no such path").is_none());
            assert!(table.failure().is_none());
        }
    }
}
