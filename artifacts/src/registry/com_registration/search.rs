//! The registrations of one state of a hive, one by one, and how one that was met before is found again.

use super::super::for_each_key;
use super::class::Registration;
use super::{ARTIFACT, Views, name_of};
use crate::formats::hive::{Key, Note, Reader};
use evidence::{Integrity, ProblemKind, RegistryView};
use std::collections::BTreeSet;

/// Most registrations that are found again. A Windows with much software has some thousands.
const MOST_FOUND_AGAIN: usize = 1 << 18;

/// Most keys of one name that are. Windows has one in each view.
const MOST_OF_ONE_NAME: usize = 64;

/// A key whose subkeys are registrations.
struct List {
    path: String,
    view: RegistryView,
    of_classes: bool,
}

/// The registrations of one state of a hive.
pub(super) struct Registrations<'r> {
    reader: &'r Reader<'r>,
    /// Reads again what was met before.
    look_up: &'r Reader<'r>,
    views: Views,
    lists: Vec<List>,
    /// What was met: part of a hash of the name with the number of its list, and how far the key is from the first
    /// place of the format. Eight bytes for each, whatever a registration holds.
    met: BTreeSet<(u32, u32)>,
    /// Whether there were more than can be found again.
    pub(super) full: bool,
}

/// That some registrations could not be compared.
pub(super) fn full_note() -> Note {
    let what = format!(
        "the hive has more than {MOST_FOUND_AGAIN} registrations of managed classes, or more than {MOST_OF_ONE_NAME} of \
         one name"
    );
    let effect = "those beyond were not compared with other copies of them, with deleted ones and with those before the \
                  transaction logs; what only those before the logs had is left out";
    Note::new(ProblemKind::LimitReached, what, effect)
}

impl<'r> Registrations<'r> {
    pub(super) fn new(reader: &'r Reader<'r>, look_up: &'r Reader<'r>, views: Views) -> Self {
        Registrations { reader, look_up, views, lists: Vec::new(), met: BTreeSet::new(), full: false }
    }

    /// Visits every registration in the order of the hive.
    pub(super) fn for_each(&mut self, visit: &mut dyn FnMut(Registration)) {
        for_each_key(self.reader, self.views.hive, &ARTIFACT, &mut |found| {
            let (view, name) = (self.views.of_path(&found.path), found.name());
            let of_classes = name.eq_ignore_ascii_case("CLSID");
            let path =
                found.path.rsplit_once('\\').map_or_else(|| name.clone(), |(above, _)| format!("{above}\\{name}"));
            self.lists.push(List { path, view, of_classes });
            for entry in found.key.subkeys() {
                let new = self.new_ones(&entry);
                if !new.is_empty() {
                    self.remember(&entry);
                    new.into_iter().for_each(&mut *visit);
                }
            }
        });
    }

    /// The registrations of a key of the last list that are not copies of others.
    fn new_ones(&self, entry: &Key<'_>) -> Vec<Registration> {
        let Some(list) = self.lists.last() else { return Vec::new() };
        let damage = self.reader.damage();
        let found = list.registrations(entry);
        let damaged = self.reader.damage() > damage;
        let mut new: Vec<Registration> = Vec::new();
        for mut registration in found {
            if damaged {
                registration.integrity = Integrity::Corrupted;
            }
            // The two 32-bit keys are one on a running system; a copy of the same content says nothing new.
            let is_copy = new.iter().any(|other| registration.repeats(other))
                || self.met_before(&registration.id, Some(list.view)).any(|other| registration.repeats(&other));
            if !is_copy {
                new.push(registration);
            }
        }
        new
    }

    fn remember(&mut self, entry: &Key<'_>) {
        let mark = mark(&name_of(entry).to_uppercase(), self.lists.len() - 1);
        let of_name = self.met.range((mark, 0)..=(mark, u32::MAX)).take(MOST_OF_ONE_NAME).count();
        if self.met.len() >= MOST_FOUND_AGAIN || of_name >= MOST_OF_ONE_NAME {
            self.full = true;
        } else if let Ok(offset) = u32::try_from(entry.offset() - FIRST_KEY) {
            self.met.insert((mark, offset));
        }
    }

    fn met_before(&self, id: &str, view: Option<RegistryView>) -> impl Iterator<Item = Registration> + '_ {
        let id = id.to_owned();
        let lists = self.lists.iter().enumerate().filter(move |(_, list)| view.is_none_or(|view| list.view == view));
        lists.flat_map(move |(index, list)| {
            let mark = mark(&id, index);
            let keys = self.met.range((mark, 0)..=(mark, u32::MAX));
            let id = id.clone();
            keys.flat_map(move |(_, offset)| {
                self.look_up.forget_notes();
                let damage = self.look_up.damage();
                let key = self.look_up.key_at(u64::from(*offset) + FIRST_KEY);
                let mut found = key.map(|key| list.registrations(&key)).unwrap_or_default();
                let damaged = self.look_up.damage() > damage;
                found.retain(|registration| registration.id == id);
                for registration in found.iter_mut().filter(|_| damaged) {
                    registration.integrity = Integrity::Corrupted;
                }
                found
            })
        })
    }

    /// The registrations of this class or value type, by its name in upper case.
    pub(super) fn of_id(&self, id: &str) -> impl Iterator<Item = Registration> + '_ {
        self.met_before(id, None)
    }

    /// The registration that has the same key in this state of the hive.
    pub(super) fn at_key(&self, registration: &Registration) -> Option<Registration> {
        let key = registration.key.to_uppercase();
        self.of_id(&registration.id).find(|other| other.key.to_uppercase() == key)
    }
}

impl List {
    fn registrations(&self, entry: &Key<'_>) -> Vec<Registration> {
        if self.of_classes {
            Registration::of_class(entry, &self.path, self.view).into_iter().collect()
        } else {
            Registration::of_record(entry, &self.path, self.view)
        }
    }
}

/// The lowest offset that a key can have.
const FIRST_KEY: u64 = 4096 + 4;

/// 24 bits of a hash of a name, and the number of its list; there are at most ten. Keys with the same mark are told
/// apart by reading them.
fn mark(name: &str, list: usize) -> u32 {
    let hash = name.bytes().fold(0x811C_9DC5u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
    (hash ^ hash >> 24) << 8 | list as u32 & 0xFF
}
