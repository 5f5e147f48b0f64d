//! File records: header and fixups.

use crate::attribute::Attributes;
use crate::reference::FileReference;
use evidence::le::{u16_at, u32_at, u64_at};
use std::fmt;

/// Fixups protect every 512 bytes, whatever the sector size of the disk.
const STRIDE: usize = 512;

/// What the update sequence array says about each 512-byte part of a record.
///
/// NTFS replaces the last two bytes of each part with the same number before writing, and keeps the replaced
/// bytes in an array in the header. A part that ends in another number was not written together with the rest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Fixups {
    /// Parts whose number does not match, part 0 in the lowest bit. Their bytes are left as they were read.
    pub torn: u128,
    /// The array is missing, lies outside the record or covers it only partly. Parts that it does not cover
    /// are left as they were read.
    pub malformed: bool,
    /// No part carries the number, but each ends in the bytes that the array keeps for it: the bytes went
    /// through a program that had undone the replacement already, so nothing is torn.
    pub already_applied: bool,
}

impl Fixups {
    /// Whether every part is as it was written.
    pub fn intact(self) -> bool {
        self.torn == 0 && !self.malformed
    }

    /// The torn parts in order.
    pub fn torn_parts(self) -> impl Iterator<Item = u32> {
        (0..128).filter(move |part| self.torn >> part & 1 == 1)
    }
}

/// Undoes the replacement in place. `bytes` is one record with a multi-sector header (`FILE`, `INDX`).
/// Records of more than 64 KiB do not exist; what lies beyond is not touched and counts as malformed.
pub fn apply_fixups(bytes: &mut [u8]) -> Fixups {
    let malformed = Fixups { malformed: true, ..Fixups::default() };
    let (Some(array), Some(count)) = (u16_at(bytes, 4), u16_at(bytes, 6)) else { return malformed };
    let (array, parts) = (usize::from(array), usize::from(count).saturating_sub(1));
    let covered = parts.min(bytes.len() / STRIDE).min(128);
    let Some(number) = u16_at(bytes, array) else { return malformed };
    // The array must lie before the end of the first part, or applying it would change itself.
    if array < 8 || array + 2 * (covered + 1) > STRIDE - 2 {
        return malformed;
    }
    let mut fixups = Fixups { malformed: parts * STRIDE != bytes.len(), ..Fixups::default() };
    let mut undone_before = covered > 0;
    for part in 0..covered {
        let (end, kept) = ((part + 1) * STRIDE - 2, array + 2 * (part + 1));
        let stored = [bytes[kept], bytes[kept + 1]];
        if u16_at(bytes, end) == Some(number) {
            bytes[end..end + 2].copy_from_slice(&stored);
            undone_before = false;
        } else {
            fixups.torn |= 1 << part;
            undone_before &= bytes[end..end + 2] == stored;
        }
    }
    if undone_before {
        fixups.torn = 0;
        fixups.already_applied = true;
    }
    fixups
}

/// Why there is no file record where one could be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RecordFault {
    /// Only zeros: never used.
    Zeroed,
    /// Neither `FILE` nor `BAAD`.
    BadSignature([u8; 4]),
    /// The stream ends inside it.
    Truncated {
        /// Bytes of a whole record.
        expected: usize,
        /// Bytes that are there.
        actual: usize,
    },
    /// The bytes could not be read; the message of the reader.
    Unreadable(String),
}

impl fmt::Display for RecordFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RecordFault::Zeroed => write!(f, "the file record holds only zeros"),
            RecordFault::BadSignature(found) => write!(f, "the file record begins with {}", found.escape_ascii()),
            RecordFault::Truncated { expected, actual } => write!(f, "{actual} of {expected} bytes are there"),
            RecordFault::Unreadable(why) => write!(f, "the file record could not be read: {why}"),
        }
    }
}

/// One file record, fixups undone.
///
/// A file whose attributes do not fit has extension records beside its base record; each of them is a
/// `FileRecord` whose [`base`](Self::base) is set.
///
/// Reference: Microsoft, *FILE_RECORD_SEGMENT_HEADER structure*.
#[derive(Clone, Copy, Debug)]
pub struct FileRecord<'a> {
    bytes: &'a [u8],
    number: u64,
    fixups: Fixups,
}

impl<'a> FileRecord<'a> {
    /// Reads the record with this number, undoing fixups in place. `bytes` is exactly one record.
    pub fn parse(number: u64, bytes: &'a mut [u8]) -> Result<Self, RecordFault> {
        match bytes.get(..4) {
            Some(b"FILE" | b"BAAD") if bytes.len() >= 48 => {}
            Some(_) if bytes.iter().all(|byte| *byte == 0) => return Err(RecordFault::Zeroed),
            Some(signature) if bytes.len() >= 48 => {
                let mut found = [0; 4];
                found.copy_from_slice(signature);
                return Err(RecordFault::BadSignature(found));
            }
            _ => return Err(RecordFault::Truncated { expected: 48, actual: bytes.len() }),
        }
        let fixups = apply_fixups(bytes);
        Ok(FileRecord { bytes, number, fixups })
    }

    /// Which record this is, by its place in $MFT.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// The record number that the record states about itself, from Windows XP on; lower 32 bits.
    pub fn stated_number(&self) -> Option<u32> {
        (u16_at(self.bytes, 4)? >= 48).then(|| u32_at(self.bytes, 44)).flatten()
    }

    /// What its fixups say.
    pub fn fixups(&self) -> Fixups {
        self.fixups
    }

    /// Whether NTFS itself marked it as torn (`BAAD`).
    pub fn is_baad(&self) -> bool {
        self.bytes.starts_with(b"BAAD")
    }

    /// Sequence number: how often the record was freed, from 1. Zero is left out when it wraps.
    pub fn sequence(&self) -> u16 {
        u16_at(self.bytes, 16).unwrap_or(0)
    }

    /// Reference to this record.
    pub fn reference(&self) -> FileReference {
        FileReference { entry: self.number, sequence: self.sequence() }
    }

    /// $LogFile sequence number of the last change.
    pub fn lsn(&self) -> u64 {
        u64_at(self.bytes, 8).unwrap_or(0)
    }

    /// Number of names in folders. A name with an 8.3 name beside it counts twice.
    pub fn link_count(&self) -> u16 {
        u16_at(self.bytes, 18).unwrap_or(0)
    }

    fn flags(&self) -> u16 {
        u16_at(self.bytes, 22).unwrap_or(0)
    }

    /// Whether the record belongs to a file that exists. Cleared on deletion; the rest stays until reuse.
    pub fn in_use(&self) -> bool {
        self.flags() & 1 != 0
    }

    /// Whether the file has an index of names: it is, or was, a folder.
    pub fn is_folder(&self) -> bool {
        self.flags() & 2 != 0
    }

    /// The base record, when this is an extension record.
    pub fn base(&self) -> Option<FileReference> {
        let raw = u64_at(self.bytes, 32).unwrap_or(0);
        (raw != 0).then(|| FileReference::from_raw(raw))
    }

    /// Bytes in use as the header states them; not more than there are.
    pub fn used(&self) -> usize {
        (u32_at(self.bytes, 24).unwrap_or(0) as usize).min(self.bytes.len())
    }

    /// The whole record, slack included.
    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// The attributes, up to the end marker or the first that cannot be read.
    pub fn attributes(&self) -> Attributes<'a> {
        Attributes::new(self.bytes, usize::from(u16_at(self.bytes, 20).unwrap_or(0)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::build;

    #[test]
    fn fixups_are_undone_and_torn_parts_reported() {
        let mut bytes = build(3, 1, 0, &[]);
        bytes[50..54].copy_from_slice(b"abcd");
        let written = bytes.clone();
        let record = FileRecord::parse(9, &mut bytes).unwrap();
        assert!(record.fixups().intact() && record.in_use() && !record.is_folder());
        assert_eq!((&record.bytes()[510..512], &record.bytes()[1022..]), (&b"ab"[..], &b"cd"[..]));
        assert_eq!((record.sequence(), record.base()), (3, None));

        let mut torn = written.clone();
        torn[1022..].copy_from_slice(&[6, 0]);
        let record = FileRecord::parse(9, &mut torn).unwrap();
        assert_eq!(record.fixups().torn_parts().collect::<Vec<_>>(), [1]);
        assert_eq!(&record.bytes()[1022..], &[6, 0], "the bytes stay as they were read");

        let mut applied = bytes.clone();
        let record = FileRecord::parse(9, &mut applied).unwrap();
        assert!(record.fixups().already_applied && record.fixups().intact());
    }

    #[test]
    fn arrays_outside_the_record_change_nothing() {
        for (offset, count) in [(0u16, 3u16), (508, 3), (1022, 3), (0xFFFF, 3), (48, 0), (48, 0xFFFF)] {
            let mut bytes = build(1, 1, 0, &[]);
            bytes[4..6].copy_from_slice(&offset.to_le_bytes());
            bytes[6..8].copy_from_slice(&count.to_le_bytes());
            assert!(FileRecord::parse(0, &mut bytes).unwrap().fixups().malformed, "{offset} {count}");
        }
    }

    #[test]
    fn what_is_not_a_record_says_so() {
        assert_eq!(FileRecord::parse(0, &mut [0; 1024]).unwrap_err(), RecordFault::Zeroed);
        assert_eq!(FileRecord::parse(0, &mut [1; 1024]).unwrap_err(), RecordFault::BadSignature([1; 4]));
        assert!(matches!(FileRecord::parse(0, &mut b"FILE".to_owned()).unwrap_err(), RecordFault::Truncated { .. }));
        assert!(FileRecord::parse(0, &mut []).is_err());
        let mut baad = build(1, 1, 0, &[]);
        baad[..4].copy_from_slice(b"BAAD");
        assert!(FileRecord::parse(0, &mut baad).unwrap().is_baad());
    }
}
