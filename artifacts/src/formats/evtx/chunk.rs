//! The file header, and chunks of 64 KiB with their records.

use evidence::le::{u16_at, u32_at, u64_at};
use std::ops::RangeInclusive;

/// Bytes of a chunk.
pub const CHUNK_SIZE: usize = 0x10000;
const MAGIC: [u8; 8] = *b"ElfChnk\0";
/// What a chunk says of the size of its own header.
const HEADER_SIZE: u32 = 128;
const RECORD_MAGIC: [u8; 4] = *b"\x2a\x2a\0\0";
const FIRST_RECORD: usize = 512;
/// Flag of a chunk and of a file: the checksums were not computed.
const NO_CHECKSUM: u32 = 4;
/// Record header (24 bytes) and the copy of the size behind the data.
const RECORD_OVERHEAD: usize = 28;

/// Header of an event log file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileHeader {
    /// Number that the next record will get.
    pub next_record: u64,
    /// Chunks that the header knows of; a log that was not closed has more.
    pub chunks: u16,
    /// Not cleanly closed. Normal for a copy of a live log.
    pub dirty: bool,
    /// Whether the checksum of the header is right, or the header says that none was computed.
    pub checksum_matches: bool,
    /// Offset of the first chunk.
    pub first_chunk: u64,
}

impl FileHeader {
    /// Where the first chunk begins, behind the block of the header.
    pub const FIRST_CHUNK: u64 = 4096;

    /// Reads the header; `None` without its signature.
    pub fn parse(data: &[u8]) -> Option<Self> {
        if data.get(..8)? != b"ElfFile\0" {
            return None;
        }
        let flags = u32_at(data, 120)?;
        Some(FileHeader {
            next_record: u64_at(data, 24)?,
            chunks: u16_at(data, 42)?,
            dirty: flags & 1 != 0,
            checksum_matches: flags & NO_CHECKSUM != 0 || crc32fast::hash(data.get(..120)?) == u32_at(data, 124)?,
            first_chunk: u64::from(u16_at(data, 40)?).max(Self::FIRST_CHUNK),
        })
    }
}

/// One chunk.
#[derive(Clone, Debug)]
pub struct Chunk<'a> {
    data: &'a [u8],
    free: usize,
    numbers: RangeInclusive<u64>,
}

/// One record with its undecoded binary XML.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RawRecord {
    /// EventRecordID as the record header has it.
    pub number: u64,
    /// FILETIME of writing.
    pub written: u64,
    /// Offset in the chunk.
    pub offset: usize,
    /// Offset of the binary XML in the chunk.
    pub body: usize,
    /// End of the binary XML in the chunk.
    pub end: usize,
    /// Not one of the chunk's records: deleted, or left over from before.
    pub is_stale: bool,
}

impl<'a> Chunk<'a> {
    /// Whether a chunk's signature stands at the start of these bytes.
    pub fn is_at(data: &[u8]) -> bool {
        data.starts_with(&MAGIC)
    }

    /// Whether a whole header stands there: the signature may also be part of what a record holds.
    pub fn is_header_at(data: &[u8]) -> bool {
        Self::is_at(data)
            && u32_at(data, 40) == Some(HEADER_SIZE)
            && u32_at(data, 48).is_some_and(|free| (FIRST_RECORD..=CHUNK_SIZE).contains(&(free as usize)))
    }

    /// Reads the chunk header; `None` without its signature.
    pub fn parse(data: &'a [u8]) -> Option<Self> {
        if !Self::is_at(data) {
            return None;
        }
        let free = (u32_at(data, 48)? as usize).clamp(FIRST_RECORD, data.len().max(FIRST_RECORD));
        Some(Chunk { data, free, numbers: u64_at(data, 24)?..=u64_at(data, 32)? })
    }

    /// Takes bytes as a chunk that has lost its header: every record in it is stale.
    pub fn without_header(data: &'a [u8]) -> Self {
        Chunk { data, free: 0, numbers: 0..=0 }
    }

    /// The bytes.
    pub fn data(&self) -> &'a [u8] {
        self.data
    }

    /// Whether header and records match their checksums. A chunk that was being written when it was copied may not.
    pub fn checksums_match(&self) -> bool {
        let (Some(header), Some(tables), Some(records)) =
            (self.data.get(..120), self.data.get(128..512), self.data.get(FIRST_RECORD..self.free))
        else {
            return false;
        };
        if u32_at(self.data, 120).is_some_and(|flags| flags & NO_CHECKSUM != 0) {
            return true;
        }
        let mut hasher = crc32fast::Hasher::new();
        hasher.update(header);
        hasher.update(tables);
        u32_at(self.data, 124) == Some(hasher.finalize()) && u32_at(self.data, 52) == Some(crc32fast::hash(records))
    }

    /// Every record: those of the chunk in stored order, then those in the free space behind them. `gaps` counts places
    /// where something else stood and the next record had to be searched.
    pub fn records(&self, gaps: &mut u32) -> Vec<RawRecord> {
        // No allocation by the chunk's own numbers; most chunks have fewer records.
        let mut records = Vec::with_capacity(128);
        let mut at = FIRST_RECORD;
        let mut after_gap = false;
        while at + RECORD_OVERHEAD <= self.free {
            if let Some(mut record) = self.record_at(at, false) {
                // What is found behind a gap by its signature alone need not belong to this chunk.
                record.is_stale = after_gap && !self.numbers.contains(&record.number);
                at = record.end + 4;
                records.push(record);
                continue;
            }
            let rest = self.data.get(at..self.free).unwrap_or_default();
            // A free-space offset that is too large points behind zeros.
            if rest.iter().all(|byte| *byte == 0) {
                break;
            }
            *gaps += 1;
            after_gap = true;
            match memchr::memmem::find(&rest[4..], &RECORD_MAGIC) {
                Some(next) => at += 4 + next,
                None => break,
            }
        }
        let mut at = self.free.max(at).min(self.data.len());
        while let Some(next) = memchr::memmem::find(&self.data[at..], &RECORD_MAGIC) {
            at += next;
            match self.record_at(at, true) {
                Some(record) => {
                    at = record.end + 4;
                    records.push(record);
                }
                None => at += 4,
            }
        }
        records
    }

    fn record_at(&self, at: usize, is_stale: bool) -> Option<RawRecord> {
        if self.data.get(at..at + 4)? != RECORD_MAGIC {
            return None;
        }
        let size = u32_at(self.data, at + 4)? as usize;
        let end = at.checked_add(size)?;
        if size < RECORD_OVERHEAD || end > self.data.len() {
            return None;
        }
        // In free space the copy of the size tells a record from stray bytes; a live record with a wrong copy is read.
        if is_stale && u32_at(self.data, end - 4)? as usize != size {
            return None;
        }
        Some(RawRecord {
            number: u64_at(self.data, at + 8)?,
            written: u64_at(self.data, at + 16)?,
            offset: at,
            body: at + 24,
            end: end - 4,
            is_stale,
        })
    }
}
