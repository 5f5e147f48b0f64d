//! What became of files: their records in $MFT, their changes in the change journal, and what processes did to them. It is
//! kept so that it can be said whether the file now at a path is the one that was there when a tool ran.

use super::source::Source;
use crate::event::Event;
use crate::paths::{self, PathKey};
use evidence::{Filetime, Item, ItemId, Items, KeyIndex, Meaning, Role, Told};
use std::collections::{BTreeMap, HashMap};
use std::fmt;

/// A file as the NTFS of its volume numbers it. The sequence number tells it apart from files that had its record before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Reference {
    entry: u64,
    sequence: u64,
}

impl Reference {
    /// The one that a record has in its fields.
    fn of(event: &Event) -> Option<Self> {
        let number = |role| event.record.role(role).and_then(Told::number);
        Some(Reference { entry: number(Role::FileEntry)?, sequence: number(Role::FileSequence)? })
    }

    pub(super) fn new(entry: u64, sequence: u64) -> Self {
        Reference { entry, sequence }
    }

    /// What the file had while it was there: deletion counts the number in its record up, and leaves out zero.
    fn before_deletion(self) -> Self {
        let sequence = if self.sequence <= 1 { u64::from(u16::MAX) } else { self.sequence - 1 };
        Reference { sequence, ..self }
    }

    /// That of a collected file.
    pub(super) fn of_item(item: &Item) -> Option<Self> {
        let stored = Reference { entry: item.mft_entry?, sequence: item.mft_sequence?.into() };
        Some(if item.recovery.is_some() { stored.before_deletion() } else { stored })
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.entry, self.sequence)
    }
}

/// What the change journal calls a change, as far as it counts here.
pub(super) mod reason {
    /// The content was written over, made longer or cut.
    pub(in crate::story) const DATA: u16 = 1 | 2 | 4;
    /// A stream beside the content was changed.
    pub(in crate::story) const STREAM: u16 = 8;
    pub(in crate::story) const CREATE: u16 = 16;
    pub(in crate::story) const DELETE: u16 = 32;
    pub(in crate::story) const RENAME_OLD: u16 = 64;
    pub(in crate::story) const RENAME_NEW: u16 = 128;
    pub(in crate::story) const LINK: u16 = 256;
    pub(in crate::story) const REPARSE: u16 = 512;
    pub(super) const CLOSE: u16 = 1024;
    /// A path gets or loses its file.
    pub(in crate::story) const NAME: u16 = CREATE | DELETE | RENAME_OLD | RENAME_NEW | LINK | REPARSE;

    pub(super) fn named(name: &str) -> u16 {
        match name {
            "DATA_OVERWRITE" => 1,
            "DATA_EXTEND" => 2,
            "DATA_TRUNCATION" => 4,
            "NAMED_DATA_OVERWRITE" | "NAMED_DATA_EXTEND" | "NAMED_DATA_TRUNCATION" | "STREAM_CHANGE" => STREAM,
            "FILE_CREATE" => CREATE,
            "FILE_DELETE" => DELETE,
            "RENAME_OLD_NAME" => RENAME_OLD,
            "RENAME_NEW_NAME" => RENAME_NEW,
            "HARD_LINK_CHANGE" => LINK,
            "REPARSE_POINT_CHANGE" => REPARSE,
            "CLOSE" => CLOSE,
            _ => 0,
        }
    }
}

/// A record of $MFT.
#[derive(Debug)]
pub(super) struct FileRecord {
    /// Id of the volume.
    volume: String,
    pub(super) reference: Reference,
    pub(super) in_use: bool,
    pub(super) is_folder: bool,
    /// With the volume, as people write it.
    pub(super) path: String,
    pub(super) times: Vec<(Meaning, Filetime)>,
    pub(super) source: Source,
}

/// A record of the change journal.
#[derive(Debug)]
pub(super) struct Change {
    volume: String,
    usn: u64,
    pub(super) at: Filetime,
    pub(super) reference: Reference,
    name: String,
    /// Behind the volume, in upper case; where the folder is known.
    pub(super) rest: Option<String>,
    /// With the volume, as people write it; of a change that gives the name.
    pub(super) new_path: Option<String>,
    /// Everything since the file was opened.
    reasons: u16,
    /// What was not so in the record before.
    pub(super) fresh: u16,
    pub(super) source: Source,
}

/// What a process did to a file.
#[derive(Debug)]
pub(super) struct Act {
    key: PathKey,
    /// The stream, where it is one.
    pub(super) stream: Option<String>,
    pub(super) at: Filetime,
    /// In words, with the process.
    pub(super) what: String,
    pub(super) deleted: bool,
    pub(super) sha256: Option<String>,
    pub(super) computer: String,
    pub(super) source: Source,
}

/// Of which time a change journal has the changes.
#[derive(Debug)]
pub(super) struct Reach {
    volume: String,
    first: Filetime,
    is_whole: bool,
    pub(super) source: Source,
}

#[derive(Default)]
pub(super) struct FileHistory {
    records: Vec<FileRecord>,
    records_by_path: HashMap<String, Vec<usize>>,
    records_by_reference: HashMap<Reference, Vec<usize>>,
    /// In stored order, once it is settled.
    changes: Vec<Change>,
    changes_by_path: HashMap<String, Vec<usize>>,
    changes_by_name: HashMap<String, Vec<usize>>,
    changes_by_reference: HashMap<Reference, Vec<usize>>,
    acts: HashMap<String, Vec<Act>>,
    reaches: Vec<Reach>,
    /// How paths on a volume begin, by its id.
    volumes: BTreeMap<String, String>,
}

/// A place in a table, with its key.
const PLACE: usize = 64;

impl FileHistory {
    /// Remembers how the paths of a volume begin.
    fn meet(&mut self, item: &Item) {
        if !self.volumes.contains_key(&item.volume) {
            self.volumes.insert(item.volume.clone(), PathKey::new(&on_volume_of(item, "\\")).volume);
        }
    }

    /// The volumes on which a path can be.
    pub(super) fn volumes_of(&self, key: &PathKey) -> Vec<&str> {
        let on = |volume: &String| PathKey { volume: volume.clone(), rest: key.rest.clone() };
        self.volumes.iter().filter(|(_, begin)| on(begin).same_file(key)).map(|(id, _)| id.as_str()).collect()
    }

    /// A record of $MFT, once. Gives the bytes that it takes.
    pub(super) fn add_record(&mut self, event: &Event, table: &Item) -> usize {
        self.meet(table);
        let record = &event.record;
        let (Some(stored), Some(path)) = (Reference::of(event), record.text_of(Role::Path)) else { return 0 };
        let flag = |role| record.role(role).and_then(Told::flag) == Some(true);
        let in_use = flag(Role::InUse);
        let reference = if in_use { stored } else { stored.before_deletion() };
        let links = record.role(Role::Links).into_iter().flat_map(Told::texts);
        let times = record.moments.iter().filter_map(|moment| Some((moment.meaning, moment.when.sort_key()?)));
        let place = self.records.len();
        let mut bytes = size_of::<FileRecord>() + PLACE;
        for name in std::iter::once(path).chain(links) {
            let rest = PathKey::new(name).rest;
            bytes += PLACE + rest.len();
            self.records_by_path.entry(rest).or_default().push(place);
        }
        self.records_by_reference.entry(reference).or_default().push(place);
        let record = FileRecord {
            volume: table.volume.clone(),
            reference,
            in_use,
            is_folder: flag(Role::Directory),
            path: on_volume_of(table, path),
            times: times.filter(|(_, at)| at.is_possible()).collect(),
            source: Source { locator: record.locator.clone(), ..Source::of(event) },
        };
        bytes += record.path.len() + record.volume.len() + record.times.len() * size_of::<(Meaning, Filetime)>();
        self.records.push(record);
        bytes
    }

    /// A record of the change journal. Gives the bytes that it takes.
    pub(super) fn add_change(&mut self, event: &Event, journal: &Item) -> usize {
        let record = &event.record;
        let (Some(reference), Some(name), Some(at)) =
            (Reference::of(event), record.text_of(Role::Name), event.happened())
        else {
            return 0;
        };
        let evidence::Locator::UsnRecord { usn, .. } = record.locator else { return 0 };
        let reasons = record.role(Role::Reasons).into_iter().flat_map(Told::texts);
        let reasons = reasons.map(reason::named).fold(0, |all, one| all | one);
        let path = record.text_of(Role::Path);
        let shown = path.map_or_else(|| name.to_owned(), |path| on_volume_of(journal, path));
        let change = Change {
            volume: journal.volume.clone(),
            usn,
            at,
            reference,
            name: paths::fold(name),
            rest: path.map(|path| PathKey::new(path).rest),
            new_path: (reasons & reason::RENAME_NEW != 0).then_some(shown),
            reasons,
            fresh: 0,
            source: Source::of(event),
        };
        let path = change.rest.as_ref().map_or(0, String::len) + change.new_path.as_ref().map_or(0, String::len);
        let bytes = size_of::<Change>() + 3 * PLACE + change.volume.len() + 2 * (change.name.len() + path);
        self.changes.push(change);
        bytes
    }

    /// What one change journal holds.
    pub(super) fn add_reach(&mut self, event: &Event, journal: &Item) {
        self.meet(journal);
        let record = &event.record;
        let is_whole = record.role(Role::Whole).and_then(Told::flag) == Some(true);
        if let Some(first) = record.role(Role::FirstRecord).and_then(Told::time) {
            self.reaches.push(Reach { volume: journal.volume.clone(), first, is_whole, source: Source::of(event) });
        }
    }

    /// What a process did to a file. Gives the bytes that it takes.
    pub(super) fn add_act(
        &mut self,
        path: &str,
        (at, computer): (Filetime, &str),
        what: String,
        (deleted, sha256): (bool, Option<String>),
        source: Source,
    ) -> usize {
        let (file, stream) = paths::split_stream(path);
        let key = PathKey::new(file);
        let bytes = size_of::<Act>() + PLACE + what.len() + 2 * path.len() + computer.len();
        let stream = stream.map(str::to_owned);
        let computer = computer.to_owned();
        let list = self.acts.entry(key.rest.clone()).or_default();
        list.push(Act { key, stream, at, what, deleted, sha256, computer, source });
        bytes
    }

    /// Ends the input: the changes of each file are put in their order.
    pub(super) fn settle(&mut self) {
        self.changes.sort_by(|a, b| (&a.volume, a.usn, &a.source).cmp(&(&b.volume, b.usn, &b.source)));
        // A journal that was collected twice tells of each change once.
        self.changes.dedup_by(|a, b| (&a.volume, a.usn, a.reference) == (&b.volume, b.usn, b.reference));
        let mut open: HashMap<(String, Reference), u16> = HashMap::new();
        for (place, change) in self.changes.iter_mut().enumerate() {
            let before = open.entry((change.volume.clone(), change.reference)).or_default();
            change.fresh = change.reasons & !*before;
            // The old name and the new one are two records of one change, and a file can be renamed again while it is open.
            if *before & reason::RENAME_OLD != 0 {
                change.fresh |= change.reasons & reason::RENAME_NEW;
            }
            *before = if change.reasons & reason::CLOSE == 0 { change.reasons } else { 0 };
            self.changes_by_reference.entry(change.reference).or_default().push(place);
            match &change.rest {
                Some(rest) => self.changes_by_path.entry(rest.clone()).or_default().push(place),
                None => self.changes_by_name.entry(change.name.clone()).or_default().push(place),
            }
        }
        for acts in self.acts.values_mut() {
            acts.sort_by(|a, b| (a.at, &a.source).cmp(&(b.at, &b.source)));
        }
        self.reaches.sort_by(|a, b| (&a.volume, a.first, &a.source).cmp(&(&b.volume, b.first, &b.source)));
    }

    /// The records of files that have or had this path on a volume.
    pub(super) fn records_at(&self, volume: &str, rest: &str) -> Vec<&FileRecord> {
        let places = self.records_by_path.get(rest).into_iter().flatten();
        places.map(|place| &self.records[*place]).filter(|record| record.volume == volume).collect()
    }

    /// The record of a file of a volume.
    pub(super) fn record_of(&self, volume: &str, reference: Reference) -> Option<&FileRecord> {
        let mut places = self.records_by_reference.get(&reference)?.iter();
        places.find_map(|place| Some(&self.records[*place]).filter(|record| record.volume == volume))
    }

    /// The changes after `start` of what has this path, is of this number, or has this name where the folder is not known,
    /// in their order.
    pub(super) fn changes_after(
        &self,
        (volume, start): (&str, Filetime),
        rest: &str,
        reference: Option<Reference>,
    ) -> Vec<&Change> {
        let name = rest.rsplit('\\').next().unwrap_or(rest);
        let of_path = self.changes_by_path.get(rest);
        let of_name = self.changes_by_name.get(name);
        let of_file = reference.and_then(|reference| self.changes_by_reference.get(&reference));
        let mut places: Vec<usize> = [of_path, of_name, of_file].into_iter().flatten().flatten().copied().collect();
        places.sort_unstable();
        places.dedup();
        let changes = places.into_iter().map(|place| &self.changes[place]);
        changes.filter(|change| change.volume == volume && change.at > start).collect()
    }

    /// What processes did to a file after `start`, or before, in the order of time.
    pub(super) fn acts_on<'h>(&'h self, key: &'h PathKey) -> impl Iterator<Item = &'h Act> {
        self.acts.get(&key.rest).into_iter().flatten().filter(move |act| act.key.same_file(key))
    }

    /// The change journal of a volume that has every change since `start`. Without the $MFT that gives its records their
    /// paths, what becomes of folders and of the other names of a file is not seen in it.
    pub(super) fn journal_since(&self, volume: &str, start: Filetime) -> Option<&Reach> {
        self.records.iter().find(|record| record.volume == volume)?;
        self.reaches.iter().find(|reach| reach.volume == volume && reach.is_whole && reach.first <= start)
    }
}

/// A path in a file record or journal, which has no volume, with that of the object that it stands in.
pub(super) fn on_volume_of(item: &Item, path: &str) -> String {
    let volume = item.original_path.split('\\').next().unwrap_or_default();
    match path.strip_prefix('\\') {
        Some(rest) => format!("{volume}\\{rest}"),
        None => path.to_owned(),
    }
}

/// The collected program that was this file.
pub(super) fn item_of(items: &dyn Items, by_record: &KeyIndex, volume: &str, reference: Reference) -> Option<ItemId> {
    let mut ids = by_record.candidates(&(volume, reference.entry)).map(ItemId);
    ids.find(|id| {
        let item = items.by_id(*id);
        item.is_some_and(|item| item.volume == volume && Reference::of_item(&item) == Some(reference))
    })
}
