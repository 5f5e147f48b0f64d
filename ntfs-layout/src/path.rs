//! Full paths from parent references.

use crate::attribute::{FileName, Namespace, attribute_list, kind};
use crate::mft::MftReader;
use crate::name::Name;
use crate::record::FileRecord;
use crate::reference::FileReference;
use foldhash::fast::RandomState;
use std::collections::HashMap;
use std::sync::Arc;

/// What the path of a file starts with whose folder is not known.
pub const ORPHAN: &str = "{orphan}";

/// Folders nested deeper than this are cut off as orphans; Windows cannot reach half of it.
const MAX_DEPTH: usize = 1024;
/// Longest path that is rebuilt, in bytes. Windows' own limit is 32,767 units.
const MAX_PATH: usize = 96 << 10;
/// Text kept for folders already resolved, in bytes; when it is full the cache starts anew.
const MAX_CACHE: usize = 24 << 20;
/// Most folders of which the record came by that are kept; the others are read again.
const MAX_MET: usize = 1 << 17;

/// A folder's path, without a trailing backslash: empty for the root folder, `\Windows`, `{orphan}`,
/// `{orphan}\Temp`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FolderPath {
    /// The path.
    pub path: Arc<str>,
    /// Whether every reference on the way named the present owner of its record, or one that was deleted
    /// and whose record nobody used since.
    pub certain: bool,
}

/// Rebuilds paths over an $MFT. Keeps the folders that it resolved.
pub struct Paths<'a> {
    mft: &'a MftReader<'a>,
    cache: HashMap<FileReference, FolderPath, RandomState>,
    cached_bytes: usize,
    /// Folders whose records came by, by number.
    met: HashMap<u64, Met, RandomState>,
    buffer: Vec<u8>,
}

/// What a folder's record says about its place.
struct Met {
    reference: FileReference,
    in_use: bool,
    parent: FileReference,
    name: String,
}

/// What is known about one folder on the way up.
enum Step {
    Root,
    Folder { parent: FileReference, name: String, certain: bool },
    Unknown,
}

impl<'a> Paths<'a> {
    /// Over this $MFT.
    pub fn new(mft: &'a MftReader<'a>) -> Self {
        Paths { mft, cache: HashMap::default(), cached_bytes: 0, met: HashMap::default(), buffer: Vec::new() }
    }

    /// The full path of a file with this name in this folder, and whether it is certain.
    pub fn path(&mut self, parent: FileReference, name: Name<'_>) -> (String, bool) {
        let join = |folder: &FolderPath| {
            let mut path = String::with_capacity(folder.path.len() + 1 + name.len());
            path.push_str(&folder.path);
            path.push('\\');
            name.push_to(&mut path);
            (path, folder.certain)
        };
        match self.cache.get(&parent) {
            Some(known) => join(known),
            None => join(&self.folder(parent)),
        }
    }

    /// The path of the folder that this reference means.
    pub fn folder(&mut self, reference: FileReference) -> FolderPath {
        if let Some(known) = self.cache.get(&reference) {
            return known.clone();
        }
        // Up to the root, to a folder that is known already, or to where the chain breaks; then down again.
        let mut chain: Vec<(FileReference, String, bool)> = Vec::new();
        let mut at = reference;
        let mut folder = loop {
            if let Some(known) = self.cache.get(&at) {
                break known.clone();
            }
            if chain.len() >= MAX_DEPTH || chain.iter().any(|(seen, ..)| seen.entry == at.entry) {
                break FolderPath { path: ORPHAN.into(), certain: false };
            }
            match self.step(at) {
                Step::Root => break FolderPath { path: "".into(), certain: true },
                Step::Unknown => {
                    let orphan = FolderPath { path: ORPHAN.into(), certain: false };
                    if chain.is_empty() {
                        self.keep(at, orphan.clone());
                    }
                    break orphan;
                }
                Step::Folder { parent, name, certain } => {
                    chain.push((at, name, certain));
                    at = parent;
                }
            }
        };
        while let Some((reference, name, certain)) = chain.pop() {
            folder = if folder.path.len() + name.len() > MAX_PATH {
                FolderPath { path: format!("{ORPHAN}\\{name}").into(), certain: false }
            } else {
                FolderPath { path: format!("{}\\{name}", folder.path).into(), certain: folder.certain && certain }
            };
            self.keep(reference, folder.clone());
        }
        folder
    }

    fn keep(&mut self, reference: FileReference, folder: FolderPath) {
        if self.cached_bytes > MAX_CACHE {
            self.cache.clear();
            self.cached_bytes = 0;
        }
        self.cached_bytes += folder.path.len() + 96;
        self.cache.insert(reference, folder);
    }

    /// Takes note of a record that is at hand, so that it is not read again when a path leads through it.
    pub fn meet(&mut self, record: &FileRecord<'_>) {
        if !record.is_folder() || record.base().is_some() || self.met.len() >= MAX_MET {
            return;
        }
        if let Some(name) = long_name(record) {
            let (reference, in_use, parent) = (record.reference(), record.in_use(), name.parent);
            self.met.insert(record.number(), Met { reference, in_use, parent, name: name.name.to_string() });
        }
    }

    fn step(&mut self, reference: FileReference) -> Step {
        if reference.entry == FileReference::ROOT_ENTRY {
            return Step::Root;
        }
        if let Some(met) = self.met.get(&reference.entry) {
            return match owner(reference, met.reference, met.in_use) {
                Some(certain) => Step::Folder { parent: met.parent, name: met.name.clone(), certain },
                None => Step::Unknown,
            };
        }
        let Ok(record) = self.mft.record(reference.entry, &mut self.buffer) else { return Step::Unknown };
        let Some(certain) = owner(reference, record.reference(), record.in_use()) else { return Step::Unknown };
        if record.base().is_some() || !record.is_folder() {
            return Step::Unknown;
        }
        let found = long_name(&record).map(|name| (name.parent, name.name.to_string()));
        let (parent, name) = match found {
            Some(found) => found,
            None => {
                let elsewhere: Vec<FileReference> = record
                    .attributes()
                    .map_while(Result::ok)
                    .filter(|attribute| attribute.kind == kind::ATTRIBUTE_LIST)
                    .filter_map(|attribute| attribute.resident())
                    .flat_map(attribute_list)
                    .filter(|entry| entry.kind == kind::FILE_NAME && entry.record.entry != reference.entry)
                    .map(|entry| entry.record)
                    .collect();
                match self.name_in(&elsewhere, reference.entry) {
                    Some(found) => found,
                    None => return Step::Unknown,
                }
            }
        };
        Step::Folder { parent, name, certain }
    }

    /// The name of a folder whose $FILE_NAME did not fit in its base record.
    fn name_in(&mut self, records: &[FileReference], base: u64) -> Option<(FileReference, String)> {
        records.iter().find_map(|reference| {
            let record = self.mft.record(reference.entry, &mut self.buffer).ok()?;
            record.base().filter(|owner| owner.entry == base)?;
            long_name(&record).map(|name| (name.parent, name.name.to_string()))
        })
    }
}

/// Whether the record that is there is the one that a reference means, and if so, whether that is certain.
fn owner(meant: FileReference, there: FileReference, in_use: bool) -> Option<bool> {
    let same = there.sequence == meant.sequence
        // Deletion counts the sequence up and leaves the rest: the last owner is still the one meant.
        || !in_use && there.sequence == meant.next_sequence();
    // A sequence of zero is not a statement about the owner; the folder that is there now is a guess.
    (same || meant.sequence == 0).then_some(same)
}

/// The name that people see: the long one where there is one, else whichever there is.
fn long_name<'r>(record: &FileRecord<'r>) -> Option<FileName<'r>> {
    let mut best: Option<FileName<'r>> = None;
    for attribute in record.attributes().map_while(Result::ok).filter(|attribute| attribute.kind == kind::FILE_NAME) {
        let Some(name) = attribute.resident().and_then(FileName::parse) else { continue };
        if name.namespace != Namespace::Dos {
            return Some(name);
        }
        best = best.or(Some(name));
    }
    best
}

impl<'a> FileRecord<'a> {
    /// The name that people see: the first that is not an 8.3 name, else whichever there is. A file with hard
    /// links has more of them, and names in extension records are not seen here.
    pub fn long_name(&self) -> Option<FileName<'a>> {
        long_name(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{build, file_name, resident};

    fn folder(sequence: u16, flags: u16, parent: (u64, u16), name: &str) -> Vec<u8> {
        let parent = FileReference { entry: parent.0, sequence: parent.1 };
        let names = [
            resident(kind::FILE_NAME, "", &file_name(parent, 2, "SHORT~1")),
            resident(kind::FILE_NAME, "", &file_name(parent, 1, name)),
        ];
        build(sequence, flags, 0, &names)
    }

    fn mft() -> Vec<u8> {
        let mut bytes = vec![0; 5 * 1024];
        bytes.extend(folder(5, 3, (5, 5), "."));
        bytes.extend(folder(2, 3, (5, 5), "Windows")); // 6
        bytes.extend(folder(9, 3, (6, 2), "Temp folder")); // 7
        bytes.extend(folder(4, 2, (7, 9), "deleted")); // 8: deleted, had sequence 3
        bytes.extend(folder(1, 3, (10, 1), "loop a")); // 9
        bytes.extend(folder(1, 3, (9, 1), "loop b")); // 10
        bytes.extend(folder(1, 3, (6, 1), "stale")); // 11: parent's record belongs to another now
        bytes.extend(folder(1, 1, (5, 5), "a file")); // 12
        bytes
    }

    #[test]
    fn paths_with_their_certainty() {
        let bytes = mft();
        let reader = MftReader::new(&bytes);
        let (read, mut met) = (Paths::new(&reader), Paths::new(&reader));
        let mut pass = reader.pass();
        while let Some(entry) = pass.next_record() {
            entry.record.iter().for_each(|record| met.meet(record));
        }
        assert_eq!(met.met.len(), 7, "all folders");
        let name = Name::new(b"x\0.\0");
        for mut paths in [read, met] {
            let mut path = |entry, sequence| paths.path(FileReference { entry, sequence }, name);
            assert_eq!(path(5, 5), ("\\x.".to_owned(), true));
            assert_eq!(path(7, 9), ("\\Windows\\Temp folder\\x.".to_owned(), true));
            assert_eq!(path(8, 3), ("\\Windows\\Temp folder\\deleted\\x.".to_owned(), true), "deleted, not reused");
            assert_eq!(path(8, 2), ("{orphan}\\x.".to_owned(), false), "reused once before");
            assert_eq!(path(7, 8), ("{orphan}\\x.".to_owned(), false));
            assert_eq!(path(7, 0), ("\\Windows\\Temp folder\\x.".to_owned(), false), "no sequence stated");
            assert_eq!(path(11, 1), ("{orphan}\\stale\\x.".to_owned(), false));
            assert_eq!(path(12, 1), ("{orphan}\\x.".to_owned(), false), "a file is no folder");
            assert_eq!(path(99, 1), ("{orphan}\\x.".to_owned(), false));
            let (looped, certain) = path(9, 1);
            assert!(looped.starts_with("{orphan}\\loop") && !certain, "{looped}");
            assert_eq!(path(7, 9), ("\\Windows\\Temp folder\\x.".to_owned(), true), "known already");
        }
    }

    #[test]
    fn deep_chains_are_cut() {
        let mut bytes = mft();
        for entry in 13..3000u64 {
            bytes.extend(folder(1, 3, (entry - 1, 1), &"d".repeat(200)));
        }
        let reader = MftReader::new(&bytes);
        let mut paths = Paths::new(&reader);
        for entry in (13..3000).rev() {
            assert!(paths.folder(FileReference { entry, sequence: 1 }).path.len() <= MAX_PATH + 256);
        }
        assert!(paths.cached_bytes <= MAX_CACHE + MAX_PATH + 512);
    }
}
