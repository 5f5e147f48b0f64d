//! The first 4,096 bytes of a hive file, and the first 512 of a log, which are a copy of them.
//!
//! Reference: M. Suhanov, *Windows registry file format specification*, "Base block".

use evidence::le::{u32_at, u64_at};

/// Length of the base block of a primary file; cell offsets count from its end.
pub(super) const BASE_BLOCK_LENGTH: usize = 4096;
/// Length of the part that the checksum covers and that a log repeats.
pub(super) const CHECKED_LENGTH: usize = 512;
const CHECKSUM_OFFSET: usize = 508;

/// What kind of file a base block says it heads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileType {
    /// The hive itself.
    Primary,
    /// A log in the form of Windows before 8.1: a bitmap of dirty pages, then the pages.
    OldLog,
    /// A log in the form of Windows 8.1 and later: a sequence of hashed entries.
    NewLog,
    /// Something else.
    Other(u32),
}

/// The fields of a base block that reading needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BaseBlock {
    /// Raised before a write to the file begins.
    pub primary_sequence: u32,
    /// Raised to the same number when the write has ended.
    pub secondary_sequence: u32,
    /// When the hive was last written, FILETIME; later Windows versions store zero.
    pub last_written: u64,
    /// Minor version; the major one is always 1. Values over 16,344 bytes are split from 4 on.
    pub minor_version: u32,
    /// Kind of file.
    pub file_type: FileType,
    /// Offset of the root key's cell, from the end of the base block.
    pub root_cell: u32,
    /// Length of all hive bins in bytes.
    pub bins_length: u32,
    /// The end of the path under which the hive was loaded, as stored; it may name another place than the
    /// file was found in.
    pub file_name: String,
    /// Whether the stored checksum is that of the bytes.
    pub checksum_valid: bool,
}

impl BaseBlock {
    /// Reads a base block; `None` when it is shorter than 512 bytes or lacks the signature `regf`.
    pub(super) fn parse(bytes: &[u8]) -> Option<BaseBlock> {
        let block = bytes.get(..CHECKED_LENGTH)?;
        if !block.starts_with(b"regf") {
            return None;
        }
        Some(BaseBlock::fields(block))
    }

    /// The same without asking for the signature.
    pub(super) fn fields(block: &[u8]) -> BaseBlock {
        let number = |offset| u32_at(block, offset).unwrap_or(0);
        let file_name: Vec<u16> = block
            .get(48..112)
            .unwrap_or_default()
            .chunks_exact(2)
            .map(|unit| u16::from_le_bytes([unit[0], unit[1]]))
            .take_while(|unit| *unit != 0)
            .collect();
        BaseBlock {
            primary_sequence: number(4),
            secondary_sequence: number(8),
            last_written: u64_at(block, 12).unwrap_or(0),
            minor_version: number(24),
            file_type: match number(28) {
                0 => FileType::Primary,
                1 | 2 => FileType::OldLog,
                6 => FileType::NewLog,
                other => FileType::Other(other),
            },
            root_cell: number(36),
            bins_length: number(40),
            file_name: String::from_utf16_lossy(&file_name),
            checksum_valid: checksum(block) == number(CHECKSUM_OFFSET),
        }
    }

    /// Whether a write to the file had begun and not ended, or the block itself is torn.
    pub fn is_dirty(&self) -> bool {
        !self.checksum_valid || self.primary_sequence != self.secondary_sequence
    }
}

/// XOR of the first 127 words; the two results that mean "none" are replaced by their neighbours.
pub(super) fn checksum(block: &[u8]) -> u32 {
    let words = block.get(..CHECKSUM_OFFSET).unwrap_or_default().chunks_exact(4);
    match words.fold(0, |sum, word| sum ^ u32::from_le_bytes([word[0], word[1], word[2], word[3]])) {
        0 => 1,
        u32::MAX => u32::MAX - 1,
        sum => sum,
    }
}

/// How much of a hive of this length holds hive bins, by what its base block says and what is there.
pub(super) fn bins_length(stored: u32, hive_length: u64) -> u64 {
    let available = hive_length.saturating_sub(BASE_BLOCK_LENGTH as u64);
    let length = if stored == 0 { available } else { u64::from(stored).min(available) };
    length / 4096 * 4096
}

/// Writes into our copy the base block that a cleanly closed hive with this root and length would have, so
/// that a strict reader accepts it. What was stored is kept in [`BaseBlock`].
pub(super) fn make_clean(bytes: &mut [u8], root_cell: u32, minor_version: u32) {
    let length = bins_length(u32_at(bytes, 40).unwrap_or(0), bytes.len() as u64);
    let Some(block) = bytes.get_mut(..BASE_BLOCK_LENGTH) else { return };
    let sequence = u32_at(block, 4).unwrap_or(1);
    block[..4].copy_from_slice(b"regf");
    let mut put = |offset: usize, number: u32| block[offset..offset + 4].copy_from_slice(&number.to_le_bytes());
    put(8, sequence);
    put(20, 1);
    put(24, minor_version.clamp(3, 6));
    put(28, 0);
    put(32, 1);
    put(36, root_cell);
    put(40, u32::try_from(length).unwrap_or(0));
    put(44, 1);
    let sum = checksum(block);
    block[CHECKSUM_OFFSET..CHECKED_LENGTH].copy_from_slice(&sum.to_le_bytes());
}
