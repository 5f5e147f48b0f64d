//! All file records of an $MFT stream, in one pass or singly.

use crate::record::{FileRecord, RecordFault};
use evidence::Bytes;
use std::ops::Range;

/// Bytes read at once in a pass: few calls, and little enough to stay in the processor's cache until it is parsed.
const CHUNK: usize = 256 << 10;

/// Reads the content of $MFT, wherever it comes from: a volume or a collected copy.
pub struct MftReader<'a> {
    bytes: &'a dyn Bytes,
    record_size: usize,
}

/// What a file record states as its own length, if that is possible.
fn stated_size(head: &[u8]) -> Option<usize> {
    if !head.starts_with(b"FILE") && !head.starts_with(b"BAAD") {
        return None;
    }
    let size = evidence::le::u32_at(head, 28)? as usize;
    (size.is_power_of_two() && (512..=65_536).contains(&size)).then_some(size)
}

impl<'a> MftReader<'a> {
    /// Finds out the record size by the first record that states it; 1024 where none does.
    pub fn new(bytes: &'a dyn Bytes) -> Self {
        let mut head = vec![0; 65_536];
        let read = bytes.read_full_at(0, &mut head).unwrap_or(0);
        let size = head[..read].chunks(512).find_map(stated_size).unwrap_or(1024);
        Self::with_record_size(bytes, size)
    }

    /// With the record size of the boot sector; 1024 in place of an impossible one.
    pub fn with_record_size(bytes: &'a dyn Bytes, record_size: usize) -> Self {
        let possible = record_size.is_power_of_two() && (512..=65_536).contains(&record_size);
        MftReader { bytes, record_size: if possible { record_size } else { 1024 } }
    }

    /// Bytes per record.
    pub fn record_size(&self) -> usize {
        self.record_size
    }

    /// Number of records; a last one that is cut short counts.
    pub fn count(&self) -> u64 {
        self.bytes.len().div_ceil(self.record_size as u64)
    }

    /// Reads one record into `buffer`, which is reused between calls.
    pub fn record<'b>(&self, number: u64, buffer: &'b mut Vec<u8>) -> Result<FileRecord<'b>, RecordFault> {
        let expected = self.record_size;
        buffer.resize(expected, 0);
        let outside = RecordFault::Truncated { expected, actual: 0 };
        let offset = number.checked_mul(expected as u64).filter(|offset| *offset < self.bytes.len()).ok_or(outside)?;
        match self.bytes.read_full_at(offset, buffer) {
            Ok(actual) if actual < expected => Err(RecordFault::Truncated { expected, actual }),
            Ok(_) => FileRecord::parse(number, buffer),
            Err(error) => Err(RecordFault::Unreadable(error.to_string())),
        }
    }

    /// A pass over all records.
    pub fn pass(&self) -> MftPass<'a> {
        self.pass_over(0..self.count())
    }

    /// A pass over some records.
    fn pass_over(&self, records: Range<u64>) -> MftPass<'a> {
        MftPass {
            bytes: self.bytes,
            record_size: self.record_size,
            next: records.start,
            end: records.end.min(self.count()),
            buffer: Vec::new(),
            filled: 0..0,
            singly_until: None,
        }
    }

    /// All records in parts, so that several threads share a pass.
    pub fn parts(&self) -> MftParts<'a> {
        MftParts { mft: MftReader { bytes: self.bytes, record_size: self.record_size }, next: 0 }
    }

    /// A pass over the records of a part.
    pub fn pass_of(&self, part: MftPart) -> MftPass<'a> {
        let MftPart { records, read } = part;
        // What could not be read at once is read again record by record.
        let singly_until = read.is_none().then(|| records.end * self.record_size as u64);
        let buffer = read.unwrap_or_default();
        let filled = 0..buffer.len();
        MftPass { buffer, filled, singly_until, ..self.pass_over(records) }
    }
}

/// Some file records one behind the other, with their bytes.
pub struct MftPart {
    records: Range<u64>,
    /// `None` where some of them could not be read.
    read: Option<Vec<u8>>,
}

impl MftPart {
    /// Most records of a part.
    pub const RECORDS: usize = 1024;
    /// Most bytes of a part, whatever length the records say that they have.
    const BYTES: u64 = 1 << 20;

    /// Numbers of its records.
    pub fn records(&self) -> Range<u64> {
        self.records.clone()
    }
}

/// Reads an $MFT part by part, from front to back.
pub struct MftParts<'a> {
    mft: MftReader<'a>,
    next: u64,
}

impl Iterator for MftParts<'_> {
    type Item = MftPart;

    fn next(&mut self) -> Option<MftPart> {
        let MftReader { bytes, record_size } = self.mft;
        // A hole has no records.
        let offset = self.next * record_size as u64;
        let first = self.next + (bytes.next_data(offset) - offset) / record_size as u64;
        let most = (MftPart::BYTES / record_size as u64).clamp(1, MftPart::RECORDS as u64);
        let records = first..self.mft.count().min(first + most);
        if records.is_empty() {
            return None;
        }
        self.next = records.end;
        let wanted = (records.end - first) * record_size as u64;
        let mut read = vec![0; usize::try_from(wanted).ok()?];
        let filled = bytes.read_full_at(first * record_size as u64, &mut read);
        Some(MftPart {
            records,
            read: filled.ok().map(|filled| {
                read.truncate(filled);
                read
            }),
        })
    }
}

/// One step of a pass.
pub struct PassEntry<'b> {
    /// Record number.
    pub number: u64,
    /// Byte offset in $MFT.
    pub offset: u64,
    /// The record, or why there is none.
    pub record: Result<FileRecord<'b>, RecordFault>,
}

/// A pass over file records in order. Reads large pieces into one buffer and allocates nothing per record.
pub struct MftPass<'a> {
    bytes: &'a dyn Bytes,
    record_size: usize,
    next: u64,
    end: u64,
    buffer: Vec<u8>,
    /// Which part of the buffer has not been handed out.
    filled: Range<usize>,
    /// Byte offset up to which records are read singly, because the piece could not be read at once.
    singly_until: Option<u64>,
}

impl MftPass<'_> {
    /// The next record; `None` after the last. (Not an `Iterator`, because records borrow the buffer.)
    pub fn next_record(&mut self) -> Option<PassEntry<'_>> {
        if self.filled.is_empty() {
            // A hole has no records.
            let offset = self.next * self.record_size as u64;
            self.next += (self.bytes.next_data(offset) - offset) / self.record_size as u64;
        }
        if self.next >= self.end {
            return None;
        }
        let number = self.next;
        let offset = number * self.record_size as u64;
        self.next += 1;
        let single = self.singly_until.is_some_and(|until| offset < until);
        if self.filled.is_empty() {
            let left = usize::try_from((self.end - number).saturating_mul(self.record_size as u64)).unwrap_or(CHUNK);
            let want = if single { self.record_size } else { CHUNK.min(left) };
            if self.buffer.len() < want {
                self.buffer.resize(want, 0);
            }
            match self.bytes.read_full_at(offset, &mut self.buffer[..want]) {
                Ok(read) => self.filled = 0..read,
                // One bad sector must cost one record, not the thousand records of the piece.
                Err(_) if !single && want > self.record_size => {
                    self.singly_until = Some(offset + want as u64);
                    self.next = number;
                    return self.next_record();
                }
                Err(error) => {
                    return Some(PassEntry { number, offset, record: Err(RecordFault::Unreadable(error.to_string())) });
                }
            }
        }
        let start = self.filled.start;
        let end = self.filled.end.min(start + self.record_size);
        self.filled.start = end;
        let record = if end - start < self.record_size {
            Err(RecordFault::Truncated { expected: self.record_size, actual: end - start })
        } else {
            FileRecord::parse(number, &mut self.buffer[start..end])
        };
        Some(PassEntry { number, offset, record })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::build;
    use std::io;

    #[test]
    fn every_record_once_with_its_number() {
        let mut bytes = Vec::new();
        for sequence in 0..3000u16 {
            bytes.extend(if sequence % 7 == 3 { vec![0; 1024] } else { build(sequence, 1, 0, &[]) });
        }
        bytes.extend(&build(1, 1, 0, &[])[..700]);
        let reader = MftReader::new(&bytes);
        assert_eq!((reader.record_size(), reader.count()), (1024, 3001));
        let (mut pass, mut seen) = (reader.pass(), 0);
        while let Some(entry) = pass.next_record() {
            assert_eq!((entry.number, entry.offset), (seen, seen * 1024));
            match entry.record {
                Ok(record) => assert_eq!(u64::from(record.sequence()), seen),
                Err(RecordFault::Zeroed) => assert_eq!(seen % 7, 3),
                Err(RecordFault::Truncated { actual, .. }) => assert_eq!((seen, actual), (3000, 700)),
                Err(other) => panic!("{other}"),
            }
            seen += 1;
        }
        assert_eq!(seen, 3001);
        let mut buffer = Vec::new();
        assert_eq!(reader.record(2998, &mut buffer).unwrap().sequence(), 2998);
        assert!(reader.record(3001, &mut buffer).is_err());
        assert!(reader.record(u64::MAX, &mut buffer).is_err());
        let mut part = reader.pass_over(10..12);
        assert_eq!(part.next_record().map(|e| e.number), Some(10));
        assert_eq!(part.next_record().map(|e| e.number), Some(11));
        assert!(part.next_record().is_none());
    }

    #[test]
    fn parts_have_every_record_once_and_are_short_whatever_the_records_say() {
        for (size, in_a_part) in [(512, 1024), (1024, 1024), (4096, 256), (65_536, 16)] {
            let bytes = vec![0; 40 * 65_536 - 700];
            let reader = MftReader::with_record_size(&bytes, size);
            let parts: Vec<_> = reader.parts().map(|part| part.records()).collect();
            assert_eq!(parts[0], 0..in_a_part.min(reader.count()), "{size}");
            let ends = parts.windows(2).all(|pair| pair[0].end == pair[1].start);
            assert!(ends && parts.last().unwrap().end == reader.count(), "{size}: {parts:?}");
            let mut numbers = Vec::new();
            for part in reader.parts() {
                let mut pass = reader.pass_of(part);
                while let Some(entry) = pass.next_record() {
                    assert_eq!(entry.offset, entry.number * size as u64);
                    numbers.push(entry.number);
                }
            }
            assert!(numbers.into_iter().eq(0..reader.count()), "{size}");
        }
    }

    /// Bytes of which one sector cannot be read.
    struct BadSector(Vec<u8>, u64);

    impl Bytes for BadSector {
        fn len(&self) -> u64 {
            Bytes::len(&self.0)
        }

        fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
            if offset < self.1 + 512 && offset + buffer.len() as u64 > self.1 {
                return Err(io::Error::other("bad sector"));
            }
            self.0.read_at(offset, buffer)
        }
    }

    #[test]
    fn a_bad_sector_costs_one_record() {
        let bytes = BadSector((0..2100).flat_map(|n| build(n, 1, 0, &[])).collect(), 1500 * 1024);
        let reader = MftReader::new(&bytes);
        let (mut pass, mut good, mut bad) = (reader.pass(), 0, Vec::new());
        while let Some(entry) = pass.next_record() {
            match entry.record {
                Ok(record) => {
                    assert_eq!(u64::from(record.sequence()), entry.number);
                    good += 1;
                }
                Err(_) => bad.push(entry.number),
            }
        }
        assert_eq!((good, bad), (2099, vec![1500]));
    }

    #[test]
    fn the_record_size_is_found_behind_damage() {
        let mut bytes = vec![0xEE; 4096];
        let mut record = build(1, 1, 0, &[]);
        record.resize(4096, 0);
        record[28..32].copy_from_slice(&4096u32.to_le_bytes());
        bytes.extend(record);
        assert_eq!(MftReader::new(&bytes).record_size(), 4096);
        assert_eq!(MftReader::new(&Vec::new()).count(), 0);
    }
}
