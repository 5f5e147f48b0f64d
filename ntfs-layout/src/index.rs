//! Folder indexes ($I30): the names in a folder.

use crate::attribute::{FileName, kind};
use crate::record::{Fixups, apply_fixups};
use crate::reference::FileReference;
use evidence::le::{u16_at, u32_at, u64_at};

/// One name in a folder.
#[derive(Clone, Copy, Debug)]
pub struct IndexEntry<'a> {
    /// The file that bears the name.
    pub file: FileReference,
    /// A copy of its $FILE_NAME; sizes and times in it are updated, unlike those in the file record.
    pub file_name: FileName<'a>,
}

/// One node of an index: the part in $INDEX_ROOT, or an index record of $INDEX_ALLOCATION.
#[derive(Clone, Copy, Debug)]
pub struct IndexNode<'a> {
    /// Bytes from the node header on.
    bytes: &'a [u8],
    /// What the fixups say; always intact for $INDEX_ROOT.
    pub fixups: Fixups,
    /// The cluster (or 512-byte block, where records are smaller than clusters) that the record states for
    /// itself within $INDEX_ALLOCATION; `None` for $INDEX_ROOT.
    pub vcn: Option<u64>,
}

/// The node in an $INDEX_ROOT, with the size of the index records below it; `None` when the value is too
/// short or does not index names.
pub fn index_root(value: &[u8]) -> Option<(IndexNode<'_>, u32)> {
    if u32_at(value, 0)? != kind::FILE_NAME {
        return None;
    }
    let node = IndexNode { bytes: value.get(16..)?, fixups: Fixups::default(), vcn: None };
    Some((node, u32_at(value, 8)?))
}

/// The node in one index record, fixups undone in place; `None` when it does not begin with `INDX` (the record
/// was never used, or is damaged).
pub fn index_record(bytes: &mut [u8]) -> Option<IndexNode<'_>> {
    if !bytes.starts_with(b"INDX") {
        return None;
    }
    let fixups = apply_fixups(bytes);
    Some(IndexNode { vcn: u64_at(bytes, 16), bytes: bytes.get(24..)?, fixups })
}

impl<'a> IndexNode<'a> {
    /// Whether names of the index stand in nodes below this one.
    pub fn has_children(&self) -> bool {
        self.bytes.get(12).is_some_and(|flags| flags & 1 != 0)
    }

    /// The names of this node, not of the nodes below it, in stored order.
    pub fn entries(&self) -> IndexEntries<'a> {
        let start = u32_at(self.bytes, 0).unwrap_or(u32::MAX) as usize;
        let used = u32_at(self.bytes, 4).unwrap_or(0) as usize;
        IndexEntries { bytes: &self.bytes[..used.min(self.bytes.len())], offset: start, ended: false, damaged: false }
    }
}

/// Iterates over the names of a node.
#[derive(Clone, Debug)]
pub struct IndexEntries<'a> {
    bytes: &'a [u8],
    offset: usize,
    ended: bool,
    damaged: bool,
}

impl IndexEntries<'_> {
    /// Whether the iteration met an entry that cannot be read; names after it are lost.
    pub fn is_damaged(&self) -> bool {
        self.damaged
    }
}

impl<'a> Iterator for IndexEntries<'a> {
    type Item = IndexEntry<'a>;

    fn next(&mut self) -> Option<IndexEntry<'a>> {
        while !self.ended {
            let rest = self.bytes.get(self.offset..).unwrap_or(&[]);
            let (Some(length), Some(key), Some(flags)) = (u16_at(rest, 8), u16_at(rest, 10), u16_at(rest, 12)) else {
                (self.ended, self.damaged) = (true, true);
                break;
            };
            if flags & 2 != 0 {
                self.ended = true;
                break;
            }
            let own = rest.get(..usize::from(length)).filter(|own| own.len() >= 16);
            let Some(own) = own else {
                (self.ended, self.damaged) = (true, true);
                break;
            };
            self.offset += own.len();
            let name = own.get(16..16 + usize::from(key)).and_then(FileName::parse);
            match (name, u64_at(own, 0)) {
                (Some(file_name), Some(raw)) => {
                    return Some(IndexEntry { file: FileReference::from_raw(raw), file_name });
                }
                // The length is sound, so the entries after this one can still be found.
                _ => self.damaged = true,
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::file_name;

    fn entry(entry: u64, name: &str) -> Vec<u8> {
        let key = file_name(FileReference::default(), 1, name);
        let mut bytes = vec![0; (16 + key.len()).next_multiple_of(8)];
        bytes[..8].copy_from_slice(&entry.to_le_bytes());
        let length = bytes.len() as u16;
        bytes[8..10].copy_from_slice(&length.to_le_bytes());
        bytes[10..12].copy_from_slice(&(key.len() as u16).to_le_bytes());
        bytes[16..16 + key.len()].copy_from_slice(&key);
        bytes
    }

    fn root(entries: &[Vec<u8>]) -> Vec<u8> {
        let mut bytes = vec![0; 32];
        bytes[0] = 0x30;
        bytes[8..12].copy_from_slice(&4096u32.to_le_bytes());
        bytes[16] = 16;
        bytes.extend(entries.concat());
        let mut end = vec![0; 16];
        (end[8], end[12]) = (16, 2);
        bytes.extend(end);
        let used = (bytes.len() - 16) as u32;
        bytes[20..24].copy_from_slice(&used.to_le_bytes());
        bytes
    }

    #[test]
    fn names_until_the_end_entry() {
        let bytes = root(&[entry(40, "a.dll"), entry(41, "b.dll")]);
        let (node, size) = index_root(&bytes).unwrap();
        let mut entries = node.entries();
        let names: Vec<_> = entries.by_ref().map(|e| (e.file.entry, e.file_name.name.to_string())).collect();
        assert_eq!(names, [(40, "a.dll".to_owned()), (41, "b.dll".to_owned())]);
        assert!(!entries.is_damaged());
        assert_eq!(size, 4096);
    }

    #[test]
    fn damage_is_seen_and_bounded() {
        let good = root(&[entry(40, "a.dll"), entry(41, "b.dll")]);
        let mut zero_length = good.clone();
        zero_length[32 + 8] = 0;
        let mut entries = index_root(&zero_length).unwrap().0.entries();
        assert_eq!(entries.by_ref().count(), 0);
        assert!(entries.is_damaged());
        let mut bad_name = good.clone();
        bad_name[32 + 16 + 64] = 200;
        let mut entries = index_root(&bad_name).unwrap().0.entries();
        assert_eq!(entries.by_ref().count(), 1, "the second name is still there");
        assert!(entries.is_damaged());
        for at in 0..good.len() {
            let mut bytes = good.clone();
            bytes[at] ^= 0xFF;
            if let Some((node, _)) = index_root(&bytes) {
                assert!(node.entries().count() < 99);
            }
        }
        assert!(index_record(&mut [0; 4096]).is_none());
        assert!(index_record(b"INDX".to_owned().as_mut()).is_none());
    }
}
