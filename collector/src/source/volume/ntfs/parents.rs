//! Which files lie in a folder, by what the files' own records say. A folder's index can be lost; each file still names
//! its folder.

use super::volume::Volume;
use evidence::ProblemKind;
use ntfs_layout::{FileName, FileReference, RecordFault, kind};

/// Most pairs of folder and file that are kept, eight bytes each: 16 MiB.
const MAX_PAIRS: usize = 2 << 20;
/// Most passes over $MFT. One is enough below two million files, then the folders share the passes.
const MAX_PASSES: u32 = 64;

/// The files of some folders by number: those of all folders whose number leaves `rest` when divided by `share`.
pub(crate) struct Parents {
    /// Folder and file, in order.
    pairs: Vec<(u32, u32)>,
    share: u32,
    rest: u32,
    passes: u32,
    most: usize,
}

impl Default for Parents {
    fn default() -> Self {
        Parents { pairs: Vec::new(), share: 1, rest: 0, passes: 0, most: MAX_PAIRS }
    }
}

/// Whether a name's folder is this one. Zero is written for "not checked", and stands for a folder whose record is lost.
pub(crate) fn is_parent(parent: FileReference, folder: FileReference) -> bool {
    let unchecked = parent.sequence == 0 || folder.sequence == 0;
    parent.entry == folder.entry && (unchecked || parent.sequence == folder.sequence)
}

impl Parents {
    /// The numbers of the records in use that name this folder by its number; the name itself is still to be looked at.
    pub(crate) fn children(&mut self, volume: &Volume, folder: u64) -> Vec<u64> {
        let Ok(folder) = u32::try_from(folder) else { return Vec::new() };
        if self.passes == 0 || folder % self.share != self.rest {
            if self.passes >= MAX_PASSES {
                volume.problem(
                    ProblemKind::LimitReached,
                    r"\$MFT",
                    format!("$MFT was searched {MAX_PASSES} times for the files of folders whose index is damaged"),
                    "of further such folders only those files are seen that the index still names",
                );
                return Vec::new();
            }
            self.passes += 1;
            self.pass(volume, folder);
        }
        let first = self.pairs.partition_point(|(parent, _)| *parent < folder);
        let own = self.pairs[first..].iter().take_while(|(parent, _)| *parent == folder);
        own.map(|(_, file)| u64::from(*file)).collect()
    }

    /// One pass over $MFT, for this folder and those that share its rest.
    fn pass(&mut self, volume: &Volume, folder: u32) {
        self.pairs.clear();
        self.rest = folder % self.share;
        let (mut left_out, mut unreadable) = (0u64, 0u64);
        let records = volume.records();
        let mut pass = records.pass();
        while let Some(entry) = pass.next_record() {
            let record = match entry.record {
                Ok(record) if record.in_use() => record,
                Err(RecordFault::Unreadable(_)) => {
                    unreadable += 1;
                    continue;
                }
                _ => continue,
            };
            // A name in an extension record is the name of the base record.
            let owner = record.base().map_or(entry.number, |base| base.entry);
            for attribute in record.attributes().map_while(Result::ok).filter(|a| a.kind == kind::FILE_NAME) {
                let Some(name) = attribute.resident().and_then(FileName::parse) else { continue };
                let (Ok(parent), Ok(owner)) = (u32::try_from(name.parent.entry), u32::try_from(owner)) else {
                    left_out += 1;
                    continue;
                };
                if parent % self.share != self.rest || self.pairs.last() == Some(&(parent, owner)) {
                    continue;
                }
                while self.pairs.len() >= self.most && self.share <= u32::MAX / 2 {
                    self.share *= 2;
                    self.rest = folder % self.share;
                    let (share, rest) = (self.share, self.rest);
                    self.pairs.retain(|(parent, _)| parent % share == rest);
                }
                if parent % self.share != self.rest {
                    continue;
                }
                match self.pairs.len() < self.most {
                    true => self.pairs.push((parent, owner)),
                    false => left_out += 1,
                }
            }
        }
        self.pairs.sort_unstable();
        self.pairs.dedup();
        if left_out > 0 {
            let what = format!("{left_out} files are left out of a folder whose index is damaged");
            volume.problem(ProblemKind::LimitReached, r"\$MFT", what, "files among them are not found");
        }
        if unreadable > 0 {
            let what = format!("{unreadable} file records could not be read");
            let effect = "files among them are missing, though they may exist";
            volume.problem(ProblemKind::ReadFailed, r"\$MFT", what, effect);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::*;
    use super::*;
    use std::sync::Arc;

    #[test]
    fn many_files_take_several_passes_and_never_more_memory() {
        let mut image = Image::new(64, 60);
        image.root(&[]);
        for entry in 20..60u64 {
            // Folders 8 to 11 have ten files each.
            let file = record(1, 1, None, &[named(at(8 + entry % 4, 1), &format!("file {entry}"))]);
            image.put(entry, file);
        }
        let volume = Volume::open(Arc::new(image.build())).unwrap();
        let mut parents = Parents { most: 12, ..Parents::default() };
        for folder in (8..12).chain(8..12) {
            let expected: Vec<u64> = (20..60).filter(|entry| 8 + entry % 4 == folder).collect();
            assert_eq!(parents.children(&volume, folder), expected);
            assert!(parents.pairs.len() <= 12 && parents.pairs.capacity() <= 16);
        }
        assert_eq!((parents.share, parents.passes), (4, 8), "one folder at a time");
        let mut whole = Parents::default();
        assert_eq!(whole.children(&volume, 9).len() + whole.children(&volume, 10).len(), 20);
        assert_eq!(whole.passes, 1);
        let mut little = Parents { most: 3, ..Parents::default() };
        assert_eq!(little.children(&volume, 8).len(), 3);
        assert_eq!(volume.take_problems().len(), 1, "the files left out are said");
    }

    #[test]
    fn a_folder_of_another_time_is_another_folder() {
        assert!(is_parent(at(5, 5), at(5, 5)) && is_parent(at(5, 0), at(5, 5)) && is_parent(at(5, 7), at(5, 0)));
        assert!(!is_parent(at(5, 6), at(5, 5)) && !is_parent(at(6, 5), at(5, 5)));
    }
}
