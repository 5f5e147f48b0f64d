//! Records of the change journal, $UsnJrnl:$J.

use crate::name::Name;
use crate::reference::FileReference;
use evidence::le::{u16_at, u32_at, u64_at, u128_at};
use evidence::{Bytes, Filetime};
use std::io;
use std::ops::Range;

/// Bytes read at once.
const CHUNK: usize = 1 << 20;
/// Bytes read at once where reading fails.
const PAGE: usize = 4096;
/// A record with a name of 255 units takes less than 1 KiB; version 4 with many ranges takes more.
const MAX_RECORD: usize = 64 << 10;

/// A range of a file that changed (version 4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UsnExtent {
    /// Byte offset in the file.
    pub offset: i64,
    /// Length in bytes.
    pub length: i64,
}

/// One record of the change journal, versions 2, 3 and 4.
///
/// Reference: Microsoft, *USN_RECORD_V2*, *USN_RECORD_V3*, *USN_RECORD_V4* structures.
#[derive(Clone, Copy, Debug)]
pub struct UsnRecord<'a> {
    /// Byte offset in the stream.
    pub offset: u64,
    /// Length in bytes as stored.
    pub length: u32,
    /// Major version: 2, 3 or 4.
    pub version: u16,
    /// Minor version.
    pub minor: u16,
    /// The file. Versions 3 and 4 have 128 bits, of which NTFS uses 64.
    pub file_id: u128,
    /// The folder.
    pub parent_id: u128,
    /// Number of the record: its byte offset in the journal since the journal was made.
    pub usn: u64,
    /// When the record was written; version 4 has none.
    pub time: Option<Filetime>,
    /// What happened, see [`reason_names`]. Reasons add up from the opening of the file to its closing.
    pub reason: u32,
    /// Who caused it, see [`source_names`]; 0 for ordinary programs.
    pub source: u32,
    /// Id in $Secure; versions 2 and 3.
    pub security_id: Option<u32>,
    /// File attributes; versions 2 and 3.
    pub attributes: Option<u32>,
    /// Name of the file without its folder; version 4 has none.
    pub name: Option<Name<'a>>,
    extents: &'a [u8],
}

impl<'a> UsnRecord<'a> {
    /// Reads the record at the start of `bytes`, which begin at byte `offset` of the stream; `None` when no
    /// sound record begins there.
    pub fn parse(bytes: &'a [u8], offset: u64) -> Option<Self> {
        let length = u32_at(bytes, 0)?;
        let own = bytes.get(..length as usize)?;
        if !length.is_multiple_of(8) || own.len() > MAX_RECORD {
            return None;
        }
        let (version, minor) = (u16_at(own, 4)?, u16_at(own, 6)?);
        let common = |file_id, parent_id, usn, reason, source| UsnRecord {
            offset,
            length,
            version,
            minor,
            file_id,
            parent_id,
            usn,
            time: None,
            reason,
            source,
            security_id: None,
            attributes: None,
            name: None,
            extents: &[],
        };
        match version {
            2 | 3 => {
                // Version 3 is version 2 with references of 16 in place of 8 bytes.
                let (file_id, parent_id, rest) = if version == 2 {
                    (u128::from(u64_at(own, 8)?), u128::from(u64_at(own, 16)?), 24)
                } else {
                    (u128_at(own, 8)?, u128_at(own, 24)?, 40)
                };
                let (name_length, name_at) = (u16_at(own, rest + 32)?, usize::from(u16_at(own, rest + 34)?));
                if name_at < rest + 36 || !name_length.is_multiple_of(2) || name_length > 510 {
                    return None;
                }
                let name = own.get(name_at..name_at + usize::from(name_length))?;
                Some(UsnRecord {
                    time: Some(Filetime(u64_at(own, rest + 8)?)),
                    security_id: Some(u32_at(own, rest + 24)?),
                    attributes: Some(u32_at(own, rest + 28)?),
                    name: Some(Name::new(name)),
                    ..common(file_id, parent_id, u64_at(own, rest)?, u32_at(own, rest + 16)?, u32_at(own, rest + 20)?)
                })
            }
            4 => {
                let (count, size) = (usize::from(u16_at(own, 60)?), usize::from(u16_at(own, 62)?));
                if size != 16 {
                    return None;
                }
                Some(UsnRecord {
                    extents: own.get(64..64 + count * size)?,
                    ..common(u128_at(own, 8)?, u128_at(own, 24)?, u64_at(own, 40)?, u32_at(own, 48)?, u32_at(own, 52)?)
                })
            }
            _ => None,
        }
    }

    /// The file as NTFS numbers it.
    pub fn file(&self) -> FileReference {
        FileReference::from_raw(self.file_id as u64)
    }

    /// The folder as NTFS numbers it.
    pub fn parent(&self) -> FileReference {
        FileReference::from_raw(self.parent_id as u64)
    }

    /// The changed ranges of version 4.
    pub fn extents(&self) -> impl Iterator<Item = UsnExtent> + 'a {
        self.extents
            .chunks_exact(16)
            .filter_map(|bytes| Some(UsnExtent { offset: u64_at(bytes, 0)? as i64, length: u64_at(bytes, 8)? as i64 }))
    }

    /// Whether a record found without a predecessor is believable: after damage, random bytes must not
    /// become evidence.
    fn is_believable(&self) -> bool {
        let (head, name) = match self.version {
            2 => (60, self.name.map_or(0, Name::len)),
            3 => (76, self.name.map_or(0, Name::len)),
            _ => (64 + self.extents.len(), 0),
        };
        self.length as usize == (head + 2 * name).next_multiple_of(8)
            && self.minor == 0
            && self.usn.is_multiple_of(8)
            && self.reason != 0
            // From 1990 to 2150; damage seldom hits this range, journals always do.
            && self.time.is_none_or(|time| (122_000_000_000_000_000..173_000_000_000_000_000).contains(&time.0))
            && (self.version == 4 || name > 0)
    }
}

const REASONS: [(u32, &str); 24] = [
    (0x0000_0001, "DATA_OVERWRITE"),
    (0x0000_0002, "DATA_EXTEND"),
    (0x0000_0004, "DATA_TRUNCATION"),
    (0x0000_0010, "NAMED_DATA_OVERWRITE"),
    (0x0000_0020, "NAMED_DATA_EXTEND"),
    (0x0000_0040, "NAMED_DATA_TRUNCATION"),
    (0x0000_0100, "FILE_CREATE"),
    (0x0000_0200, "FILE_DELETE"),
    (0x0000_0400, "EA_CHANGE"),
    (0x0000_0800, "SECURITY_CHANGE"),
    (0x0000_1000, "RENAME_OLD_NAME"),
    (0x0000_2000, "RENAME_NEW_NAME"),
    (0x0000_4000, "INDEXABLE_CHANGE"),
    (0x0000_8000, "BASIC_INFO_CHANGE"),
    (0x0001_0000, "HARD_LINK_CHANGE"),
    (0x0002_0000, "COMPRESSION_CHANGE"),
    (0x0004_0000, "ENCRYPTION_CHANGE"),
    (0x0008_0000, "OBJECT_ID_CHANGE"),
    (0x0010_0000, "REPARSE_POINT_CHANGE"),
    (0x0020_0000, "STREAM_CHANGE"),
    (0x0040_0000, "TRANSACTED_CHANGE"),
    (0x0080_0000, "INTEGRITY_CHANGE"),
    (0x0100_0000, "DESIRED_STORAGE_CLASS_CHANGE"),
    (0x8000_0000, "CLOSE"),
];

const SOURCES: [(u32, &str); 4] = [
    (1, "DATA_MANAGEMENT"),
    (2, "AUXILIARY_DATA"),
    (4, "REPLICATION_MANAGEMENT"),
    (8, "CLIENT_REPLICATION_MANAGEMENT"),
];

/// The names of the reasons that are set, without Microsoft's prefix `USN_REASON_`, from the lowest bit up.
/// Bits without a name are left out.
pub fn reason_names(reason: u32) -> impl Iterator<Item = &'static str> {
    REASONS.iter().filter(move |(bit, _)| reason & bit != 0).map(|(_, name)| *name)
}

/// The names of the sources that are set, without Microsoft's prefix `USN_SOURCE_`.
pub fn source_names(source: u32) -> impl Iterator<Item = &'static str> {
    SOURCES.iter().filter(move |(bit, _)| source & bit != 0).map(|(_, name)| *name)
}

/// Reads the records of a journal stream in order. Holes and zeros are passed over quickly; after damage it
/// goes on with the next believable record and counts what it passed over.
pub struct UsnReader<'a> {
    bytes: &'a dyn Bytes,
    /// Ranges that hold data, still to be read, the next one last.
    ranges: Vec<Range<u64>>,
    buffer: Vec<u8>,
    /// Stream offset of the buffer's first byte.
    start: u64,
    /// How many bytes of the buffer are filled, and where in it the next record is looked for.
    filled: usize,
    at: usize,
    in_step: bool,
    /// How much is read at once.
    piece: usize,
    skipped: Vec<(Range<u64>, ())>,
    unreadable: Vec<(Range<u64>, io::Error)>,
}

/// Most damaged ranges listed; more are added to the last one.
const MAX_NOTED: usize = 256;

impl<'a> UsnReader<'a> {
    /// Over the whole stream.
    pub fn new(bytes: &'a dyn Bytes) -> Self {
        Self::over(bytes, std::iter::once(0..bytes.len()))
    }

    /// Over the ranges of the stream that hold data, in order; a journal is a hole of many gigabytes with its
    /// records at the end.
    pub fn over(bytes: &'a dyn Bytes, ranges: impl IntoIterator<Item = Range<u64>>) -> Self {
        let mut ranges: Vec<_> = ranges.into_iter().filter(|range| range.start < range.end).collect();
        ranges.reverse();
        UsnReader {
            bytes,
            ranges,
            buffer: Vec::new(),
            start: 0,
            filled: 0,
            at: 0,
            in_step: false,
            piece: CHUNK,
            skipped: Vec::new(),
            unreadable: Vec::new(),
        }
    }

    /// Ranges that are neither zero nor records, so far. The start of a journal is usually the rest of a
    /// record whose beginning was given up.
    pub fn skipped(&self) -> impl Iterator<Item = Range<u64>> + '_ {
        self.skipped.iter().map(|(range, ())| range.clone())
    }

    /// Ranges that could not be read, so far.
    pub fn unreadable(&self) -> &[(Range<u64>, io::Error)] {
        &self.unreadable
    }

    /// The next record; `None` at the end. (Not an `Iterator`, because records borrow the buffer.)
    pub fn next_record(&mut self) -> Option<UsnRecord<'_>> {
        let (offset, bytes) = self.next_bytes()?;
        UsnRecord::parse(bytes, offset)
    }

    /// Where the next record is in the stream, and its bytes.
    pub fn next_bytes(&mut self) -> Option<(u64, &[u8])> {
        loop {
            if self.at >= self.filled && !self.refill() {
                return None;
            }
            let rest = &self.buffer[self.at..self.filled];
            // Records begin at multiples of eight, and no length is zero, so zero words are padding or holes.
            let zeros = zero_words(rest);
            if zeros > 0 {
                self.at += zeros;
                continue;
            }
            let offset = self.start + self.at as u64;
            if let Some(record) = UsnRecord::parse(rest, offset).filter(|record| self.in_step || record.is_believable())
            {
                let length = record.length as usize;
                self.in_step = true;
                self.at += length;
                // The borrow checker cannot see that the record above is not used when the loop goes on.
                return Some((offset, &self.buffer[self.at - length..self.at]));
            }
            if rest.len() < MAX_RECORD
                && u32_at(rest, 0).is_none_or(|length| length as usize > rest.len())
                && self.refill()
            {
                continue;
            }
            self.in_step = false;
            self.skip(8);
        }
    }

    /// Keeps the unread rest of the buffer and reads on; `false` when nothing came that continues it.
    fn refill(&mut self) -> bool {
        if self.buffer.is_empty() {
            self.buffer.resize(CHUNK + MAX_RECORD, 0);
        }
        while let Some(range) = self.ranges.last().cloned() {
            let rest = self.filled - self.at;
            if rest == 0 {
                // A hole has no records.
                let hole = (self.bytes.next_data(range.start).min(range.end) - range.start) & !7;
                if hole > 0 {
                    self.advance(hole);
                    continue;
                }
            }
            // A new range has nothing to do with the rest of the one before.
            if rest > 0 && range.start != self.start + self.filled as u64 {
                return false;
            }
            self.buffer.copy_within(self.at..self.filled, 0);
            (self.at, self.filled, self.start) = (0, rest, range.start - rest as u64);
            let room = (self.buffer.len() - rest).min(self.piece);
            let want = usize::try_from(range.end - range.start).map_or(room, |left| left.min(room));
            if want == 0 {
                return false;
            }
            match self.bytes.read_full_at(range.start, &mut self.buffer[rest..rest + want]) {
                Ok(read) => {
                    self.filled += read;
                    self.advance(if read == want { want as u64 } else { range.end - range.start });
                    self.piece = (self.piece * 2).min(CHUNK);
                    if read > 0 {
                        return true;
                    }
                }
                // One bad sector must cost a page, not the whole piece.
                Err(_) if want > PAGE => self.piece = PAGE,
                Err(error) => {
                    self.skip(rest);
                    self.in_step = false;
                    self.advance(want as u64);
                    note(&mut self.unreadable, range.start..range.start + want as u64, error);
                }
            }
        }
        false
    }

    /// Takes `length` bytes off the front of the current range.
    fn advance(&mut self, length: u64) {
        if let Some(range) = self.ranges.last_mut() {
            range.start += length;
            if range.start >= range.end {
                self.ranges.pop();
            }
        }
    }

    fn skip(&mut self, length: usize) {
        let from = self.start + self.at as u64;
        let length = length.min(self.filled - self.at);
        self.at += length;
        if length > 0 {
            note(&mut self.skipped, from..from + length as u64, ());
        }
    }
}

/// Adds a range to a list of bounded length, to its last range where it continues that or the list is full.
fn note<T>(list: &mut Vec<(Range<u64>, T)>, range: Range<u64>, why: T) {
    let full = list.len() >= MAX_NOTED;
    match list.last_mut() {
        Some((last, _)) if last.end == range.start || full => last.end = range.end,
        _ => list.push((range, why)),
    }
}

/// How many bytes at the start are whole words of zeros.
fn zero_words(bytes: &[u8]) -> usize {
    let mut at = 0;
    // Whole kilobytes first, because holes are long.
    while bytes.get(at..at + 1024).is_some_and(|block| block.iter().all(|byte| *byte == 0)) {
        at += 1024;
    }
    while at < bytes.len() {
        let end = (at + 8).min(bytes.len());
        if bytes[at..end].iter().any(|byte| *byte != 0) {
            break;
        }
        at = end;
    }
    at
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A record as Windows writes it.
    fn record(version: u16, usn: u64, name: &str, reason: u32) -> Vec<u8> {
        let wide = usize::from(version - 2) * 8;
        let name: Vec<u8> = name.encode_utf16().flat_map(u16::to_le_bytes).collect();
        let (rest, head) = (24 + 2 * wide, 60 + 2 * wide);
        let mut bytes = vec![0; (head + name.len()).next_multiple_of(8)];
        let length = bytes.len() as u32;
        bytes[..4].copy_from_slice(&length.to_le_bytes());
        bytes[4..6].copy_from_slice(&version.to_le_bytes());
        bytes[8..16].copy_from_slice(&(77 | 3u64 << 48).to_le_bytes());
        bytes[16 + wide..24 + wide].copy_from_slice(&(5 | 5u64 << 48).to_le_bytes());
        bytes[rest..rest + 8].copy_from_slice(&usn.to_le_bytes());
        bytes[rest + 8..rest + 16].copy_from_slice(&132_000_000_000_000_000u64.to_le_bytes());
        bytes[rest + 16..rest + 20].copy_from_slice(&reason.to_le_bytes());
        bytes[rest + 28] = 0x20;
        bytes[rest + 32..rest + 34].copy_from_slice(&(name.len() as u16).to_le_bytes());
        bytes[rest + 34..rest + 36].copy_from_slice(&(head as u16).to_le_bytes());
        bytes[head..head + name.len()].copy_from_slice(&name);
        bytes
    }

    fn usns(mut reader: UsnReader<'_>) -> Vec<u64> {
        std::iter::from_fn(|| reader.next_record().map(|record| record.usn)).collect()
    }

    #[test]
    fn versions_two_three_and_four() {
        for version in [2, 3] {
            let bytes = record(version, 4096, "RegAsm.exe", 0x8000_0400);
            let record = UsnRecord::parse(&bytes, 9).unwrap();
            assert_eq!(record.file(), FileReference { entry: 77, sequence: 3 });
            assert_eq!(record.parent(), FileReference { entry: 5, sequence: 5 });
            assert_eq!(record.name.unwrap().to_string(), "RegAsm.exe");
            assert_eq!((record.usn, record.offset, record.attributes), (4096, 9, Some(0x20)));
            assert_eq!(reason_names(record.reason).collect::<Vec<_>>(), ["EA_CHANGE", "CLOSE"]);
            for length in 0..bytes.len() {
                assert!(UsnRecord::parse(&bytes[..length], 0).is_none(), "{length}");
            }
        }
        let mut four = vec![0; 96];
        (four[0], four[4], four[8], four[24], four[40], four[48], four[60], four[62]) = (96, 4, 77, 5, 8, 1, 2, 16);
        (four[64], four[80], four[88]) = (1, 2, 3);
        let record = UsnRecord::parse(&four, 0).unwrap();
        assert_eq!((record.file().entry, record.time, record.name), (77, None, None));
        let extents: Vec<_> = record.extents().collect();
        assert_eq!(extents, [UsnExtent { offset: 1, length: 0 }, UsnExtent { offset: 2, length: 3 }]);
        four[60] = 3;
        assert!(UsnRecord::parse(&four, 0).is_none(), "a range outside the record");
    }

    #[test]
    fn holes_padding_and_piece_borders() {
        let mut bytes = vec![0; 3 << 20];
        let mut expected = Vec::new();
        while bytes.len() < 6 << 20 {
            let usn = bytes.len() as u64;
            let next = record(2, usn, &"n".repeat(1 + usn as usize / 8 % 90), 1);
            if bytes.len() % 4096 + next.len() > 4096 {
                bytes.resize(bytes.len().next_multiple_of(4096), 0);
                continue;
            }
            expected.push(usn);
            bytes.extend(next);
        }
        assert_eq!(usns(UsnReader::new(&bytes)), expected);
        let ranges = [3 << 20..4 << 20, 4 << 20..bytes.len() as u64];
        assert_eq!(usns(UsnReader::over(&bytes, ranges)), expected);
        assert_eq!(usns(UsnReader::over(&bytes, [0..64, 3 << 20..u64::MAX])), expected);
    }

    #[test]
    fn damage_is_passed_over_and_noted() {
        let good = |usn| record(2, usn, "a name.dll", 1);
        let length = good(0).len() as u64;
        let damage = vec![0xA5; 40];
        let bytes = [good(8)[16..].to_vec(), good(16), damage, good(24), good(32)[..40].to_vec()].concat();
        let mut reader = UsnReader::new(&bytes);
        assert_eq!(reader.next_record().map(|record| record.usn), Some(16));
        assert_eq!(reader.next_record().map(|record| record.usn), Some(24));
        assert!(reader.next_record().is_none());
        let last = 3 * length - 16 + 40;
        assert_eq!(
            reader.skipped().collect::<Vec<_>>(),
            [0..length - 16, 2 * length - 16..2 * length + 24, last..last + 40]
        );
        for fill in [0u8, 1, 2, 0x3C, 0xFF] {
            assert_eq!(usns(UsnReader::new(&vec![fill; 100_001])), [0; 0], "{fill}");
        }
        assert_eq!(usns(UsnReader::new(&Vec::new())), [0; 0]);
    }

    struct BadPage(Vec<u8>, Range<u64>);

    impl Bytes for BadPage {
        fn len(&self) -> u64 {
            Bytes::len(&self.0)
        }

        fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
            if offset < self.1.end && offset + buffer.len() as u64 > self.1.start {
                return Err(io::Error::other("bad sector"));
            }
            self.0.read_at(offset, buffer)
        }
    }

    #[test]
    fn an_unreadable_page_costs_its_records() {
        let one = record(2, 64, "sixteen chars.dl", 1);
        assert_eq!(4096 % one.len(), 4096 - one.len() * (4096 / one.len()));
        let mut page = one.repeat(4096 / one.len());
        let per_page = 4096 / one.len();
        page.resize(4096, 0);
        let bytes = BadPage(page.repeat(1000), 500 * 4096 + 100..500 * 4096 + 200);
        let mut reader = UsnReader::new(&bytes);
        let mut count = 0;
        while reader.next_record().is_some() {
            count += 1;
        }
        assert_eq!(count, 999 * per_page);
        assert_eq!(reader.unreadable().len(), 1);
        assert_eq!(reader.unreadable()[0].0, 500 * 4096..501 * 4096);
    }
}
