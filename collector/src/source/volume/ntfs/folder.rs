//! The names in a folder, read from all of its index rather than along its tree.
//!
//! A search along the tree is lost behind the first damaged node, and runs in circles when a node points to
//! itself. Reading every index record in the order of the disk is immune to both.

use super::file::{Body, File};
use super::volume::Volume;
use ntfs_layout::{FileReference, IndexNode, Namespace, index_record, index_root, kind};

/// Most names of one folder.
const MAX_NAMES: usize = 4_000_000;
/// Longest index that is read: ten million names and more.
const MAX_INDEX: u64 = 2 << 30;

/// One name in a folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) name: String,
    pub(crate) file: FileReference,
    pub(crate) namespace: Namespace,
}

/// The index of a folder, its names in stored order.
#[derive(Default)]
pub(crate) struct Folder {
    pub(crate) entries: Vec<Entry>,
    /// What could not be read of it, in words.
    pub(crate) faults: Vec<String>,
}

/// The index record size that a folder states, if NTFS could have written it.
pub(crate) fn index_record_size(folder: &File) -> Option<usize> {
    let Body::Resident(root) = &folder.value(kind::INDEX_ROOT, "$I30")?.body else { return None };
    let (_, size) = index_root(root)?;
    let size = size as usize;
    (size.is_power_of_two() && (512..=65_536).contains(&size)).then_some(size)
}

impl Folder {
    /// Reads the whole index.
    pub(crate) fn read(volume: &Volume, file: &File) -> Folder {
        let mut folder = Folder::default();
        let mut has_records = false;
        match file.value(kind::INDEX_ROOT, "$I30").map(|value| &value.body) {
            Some(Body::Resident(root)) => match index_root(root) {
                Some((node, _)) => {
                    has_records = node.has_children();
                    folder.take(file, &node, "the root of its index");
                }
                None => folder.faults.push("the root of its index is malformed".into()),
            },
            _ => folder.faults.push("it has no root of an index".into()),
        }
        let Some(allocation) = file.value(kind::INDEX_ALLOCATION, "$I30") else {
            if has_records {
                folder.fault("its index records are not to be found".into());
            }
            return folder;
        };
        let size = index_record_size(file).unwrap_or(volume.boot.index_record_size as usize);
        // The bitmap says which index records are in use; others hold names of the past.
        let used = file
            .value(kind::BITMAP, "$I30")
            .and_then(|bitmap| bitmap.stored(volume).read_all(MAX_INDEX / 512 / 8).ok().flatten());
        let content = allocation.stored(volume);
        let length = content.len().min(MAX_INDEX);
        if content.len() > MAX_INDEX {
            folder.faults.push(format!("its index claims {} bytes, of which {MAX_INDEX} are read", content.len()));
        }
        let mut buffer = vec![0; size];
        for range in content.data_ranges() {
            let (first, end) = (range.start / size as u64, range.end.min(length).div_ceil(size as u64));
            for number in first..end {
                let in_use = used.as_ref().is_none_or(|used| {
                    let byte = usize::try_from(number / 8).ok().and_then(|byte| used.get(byte)).copied().unwrap_or(0);
                    byte >> (number % 8) & 1 == 1
                });
                if !in_use {
                    continue;
                }
                has_records = false;
                if folder.entries.len() >= MAX_NAMES {
                    folder.faults.push(format!("it has more than {MAX_NAMES} names"));
                    return folder;
                }
                match content.read_full_at(number * size as u64, &mut buffer) {
                    Ok(read) if read == size => {}
                    Ok(_) => {
                        folder.fault(format!("index record {number} is cut short"));
                        continue;
                    }
                    Err(error) => {
                        folder.fault(format!("index record {number}: {error}"));
                        continue;
                    }
                }
                match index_record(&mut buffer) {
                    Some(node) => folder.take(file, &node, &format!("index record {number}")),
                    None => folder.fault(format!("index record {number} does not begin with INDX")),
                }
            }
        }
        if has_records {
            folder.fault("none of its index records is marked as in use".into());
        }
        folder
    }

    fn fault(&mut self, what: String) {
        const MAX_FAULTS: usize = 20;
        if self.faults.len() < MAX_FAULTS {
            self.faults.push(what);
        }
    }

    fn take(&mut self, file: &File, node: &IndexNode<'_>, what: &str) {
        if !node.fixups.intact() {
            self.fault(format!("{what} is torn"));
        }
        let mut entries = node.entries();
        let mut strangers = 0;
        for entry in entries.by_ref() {
            // An index record of another folder, left there or put there, must not lend its names.
            if entry.file_name.parent.entry != file.reference.entry {
                strangers += 1;
                continue;
            }
            self.entries.push(Entry {
                name: entry.file_name.name.to_string(),
                file: entry.file,
                namespace: entry.file_name.namespace,
            });
        }
        if entries.is_damaged() {
            self.fault(format!("{what} is damaged, names are missing"));
        }
        if strangers > 0 {
            self.fault(format!("{what} holds {strangers} names of another folder"));
        }
    }
}
