//! The file header, and chunks of 64 KiB with their records.

/// Bytes of a chunk.
pub const CHUNK_SIZE: usize = 0x10000;
/// Bytes of the file header block, and where the first chunk begins.
const HEADER_BLOCK: u64 = 4096;
const RECORD_MAGIC: [u8; 4] = *b"\x2a\x2a\0\0";
const FIRST_RECORD: usize = 512;
/// Record header (24 bytes) and the copy of the size behind the data.
const RECORD_OVERHEAD: usize = 28;

pub(super) fn u16_at(data: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(data.get(at..at.checked_add(2)?)?.try_into().ok()?))
}

pub(super) fn u32_at(data: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(data.get(at..at.checked_add(4)?)?.try_into().ok()?))
}

pub(super) fn u64_at(data: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(data.get(at..at.checked_add(8)?)?.try_into().ok()?))
}

/// Header of an event log file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileHeader {
    /// Number that the next record will get.
    pub next_record: u64,
    /// Chunks that the header knows of; a log that was not closed has more.
    pub chunks: u16,
    /// Not cleanly closed. Normal for a copy of a live log.
    pub dirty: bool,
    /// Whether the checksum of the header is right.
    pub checksum_matches: bool,
    /// Offset of the first chunk.
    pub first_chunk: u64,
}

impl FileHeader {
    /// Reads the header; `None` without its signature.
    pub fn parse(data: &[u8]) -> Option<Self> {
        if data.get(..8)? != b"ElfFile\0" {
            return None;
        }
        Some(FileHeader {
            next_record: u64_at(data, 24)?,
            chunks: u16_at(data, 42)?,
            dirty: u32_at(data, 120)? & 1 != 0,
            checksum_matches: crc32fast::hash(data.get(..120)?) == u32_at(data, 124)?,
            first_chunk: u64::from(u16_at(data, 40)?).max(HEADER_BLOCK),
        })
    }
}

/// One chunk.
#[derive(Clone, Copy, Debug)]
pub struct Chunk<'a> {
    data: &'a [u8],
    free: usize,
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
    /// Found behind the free-space offset: deleted, or left over from before.
    pub in_slack: bool,
}

impl<'a> Chunk<'a> {
    /// Reads the chunk header; `None` without its signature.
    pub fn parse(data: &'a [u8]) -> Option<Self> {
        if data.get(..8)? != b"ElfChnk\0" {
            return None;
        }
        let free = (u32_at(data, 48)? as usize).clamp(FIRST_RECORD, data.len().max(FIRST_RECORD));
        Some(Chunk { data, free })
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
        let mut hasher = crc32fast::Hasher::new();
        hasher.update(header);
        hasher.update(tables);
        u32_at(self.data, 124) == Some(hasher.finalize()) && u32_at(self.data, 52) == Some(crc32fast::hash(records))
    }

    /// Every record, live ones first in stored order, then those in the slack behind them. `gaps` counts places where
    /// something else stood and the next record had to be searched.
    pub fn records(&self, gaps: &mut u32) -> Vec<RawRecord> {
        let mut records = Vec::new();
        self.walk(FIRST_RECORD, self.free, false, &mut records, gaps);
        let mut ignored = 0;
        self.walk(self.free.next_multiple_of(8), self.data.len(), true, &mut records, &mut ignored);
        records
    }

    fn walk(&self, from: usize, to: usize, in_slack: bool, records: &mut Vec<RawRecord>, gaps: &mut u32) {
        let mut at = from;
        while at + RECORD_OVERHEAD <= to {
            match self.record_at(at, in_slack) {
                Some((record, size)) => {
                    records.push(record);
                    at += size;
                }
                None => {
                    if !in_slack {
                        *gaps += 1;
                    }
                    let Some(next) = self
                        .data
                        .get(at + 8..to)
                        .and_then(|rest| rest.chunks_exact(8).position(|word| word[..4] == RECORD_MAGIC))
                    else {
                        return;
                    };
                    at += 8 + next * 8;
                }
            }
        }
    }

    fn record_at(&self, at: usize, in_slack: bool) -> Option<(RawRecord, usize)> {
        if self.data.get(at..at + 4)? != RECORD_MAGIC {
            return None;
        }
        let size = u32_at(self.data, at + 4)? as usize;
        let end = at.checked_add(size)?;
        if size < RECORD_OVERHEAD || !size.is_multiple_of(4) || end > self.data.len() {
            return None;
        }
        // In slack the copy of the size tells a record from stray bytes; a live record with a wrong copy is still read.
        if in_slack && u32_at(self.data, end - 4)? as usize != size {
            return None;
        }
        let record = RawRecord {
            number: u64_at(self.data, at + 8)?,
            written: u64_at(self.data, at + 16)?,
            offset: at,
            body: at + 24,
            end: end - 4,
            in_slack,
        };
        Some((record, size))
    }
}
