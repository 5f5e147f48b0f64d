//! File references: which file record, and which of its successive owners.

use std::fmt;

/// A file record number with the sequence number that the record had when the reference was made.
///
/// The sequence number goes up each time the record is freed, so a reference whose number differs from the
/// record's points to an earlier owner of the record. Zero is written by some structures for "not checked".
///
/// Reference: Microsoft, *MFT_SEGMENT_REFERENCE structure*.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FileReference {
    /// File record number, 48 bits.
    pub entry: u64,
    /// Sequence number.
    pub sequence: u16,
}

impl FileReference {
    /// The root folder's file record number.
    pub const ROOT_ENTRY: u64 = 5;

    /// From the stored 64-bit form.
    pub fn from_raw(raw: u64) -> Self {
        FileReference { entry: raw & 0xFFFF_FFFF_FFFF, sequence: (raw >> 48) as u16 }
    }

    /// The sequence number that a record gets when this owner is deleted. Zero is left out.
    pub fn next_sequence(self) -> u16 {
        match self.sequence.wrapping_add(1) {
            0 => 1,
            next => next,
        }
    }
}

impl fmt::Display for FileReference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.entry, self.sequence)
    }
}
