//! The log of a VHDX: changes of its tables that were written down and not yet made when the file was last closed or
//! copied. They are laid over the file in memory; the file is never written.
//!
//! Reference: [MS-VHDX] 2.3, *Log*.

use super::blocks::{array, invalid, le32, le64, section};
use evidence::Bytes;
use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

/// Everything in a log is whole sectors of this length.
const SECTOR: u64 = 4096;
/// The longest log that is replayed; Hyper-V writes 1 MiB.
const MAX_LOG: u64 = 64 << 20;

/// Where a changed range takes its bytes from.
#[derive(Clone, Copy)]
enum Change {
    Zero,
    /// A data sector at this place of the log, whose first eight and last four bytes stand in its descriptor.
    Data {
        log: u64,
        first: [u8; 8],
        last: [u8; 4],
    },
}

/// A file with the changes of its log over it.
pub(super) struct Replayed {
    bytes: Arc<dyn Bytes>,
    log: Circular,
    /// By first byte, with the end. They do not overlap.
    changes: BTreeMap<u64, (u64, Change)>,
    length: u64,
}

/// A range of the file that is written round and round.
struct Circular {
    bytes: Arc<dyn Bytes>,
    offset: u64,
    length: u64,
}

impl Circular {
    fn read(&self, at: u64, length: u64) -> io::Result<Vec<u8>> {
        let at = at % self.length;
        let first = length.min(self.length - at);
        let mut bytes = section(&*self.bytes, self.offset + at, first, MAX_LOG)?;
        bytes.extend(section(&*self.bytes, self.offset, length - first, MAX_LOG)?);
        Ok(bytes)
    }
}

/// One entry of the log that is whole.
struct Entry {
    length: u64,
    tail: u64,
    sequence: u64,
    flushed: u64,
    last: u64,
    descriptors: u64,
}

impl Entry {
    fn read(log: &Circular, at: u64, id: [u8; 16], budget: &mut u64) -> Option<Entry> {
        let header = log.read(at, 64).ok()?;
        let entry = Entry {
            length: u64::from(le32(&header, 8)),
            tail: u64::from(le32(&header, 12)),
            sequence: le64(&header, 16),
            flushed: le64(&header, 48),
            last: le64(&header, 56),
            descriptors: u64::from(le32(&header, 24)),
        };
        let is_entry = header.starts_with(b"loge") && array::<16>(&header, 32) == id;
        let is_aligned = entry.length.is_multiple_of(SECTOR) && entry.tail.is_multiple_of(SECTOR);
        if !is_entry || !is_aligned || entry.length == 0 || entry.length > log.length.min(*budget) {
            return None;
        }
        // What claims to be an entry is summed; a log full of false claims is not summed for ever.
        *budget -= entry.length;
        let whole = log.read(at, entry.length).ok()?;
        (crc32c(&whole, 4) == le32(&whole, 4)).then_some(entry)
    }
}

/// Lays the changes of the log's last whole sequence over the file; with the number of its entries.
pub(super) fn replay(bytes: &Arc<dyn Bytes>, log: (u64, u64), id: [u8; 16]) -> io::Result<(Replayed, usize)> {
    let (offset, length) = log;
    let is_there = offset.checked_add(length).is_some_and(|end| end <= bytes.len());
    if length == 0 || !length.is_multiple_of(SECTOR) || length > MAX_LOG || !is_there {
        return Err(invalid(format!("it should have {length} bytes at byte {offset}, which cannot be")));
    }
    let log = Circular { bytes: bytes.clone(), offset, length };
    let mut budget = length.saturating_mul(16);
    let mut entries = BTreeMap::new();
    for at in (0..length).step_by(SECTOR as usize) {
        if let Some(entry) = Entry::read(&log, at, id, &mut budget) {
            entries.insert(at, entry);
        }
    }
    let sequence = active(&entries, length).ok_or_else(|| invalid("it holds no whole sequence of entries"))?;
    let head = sequence.last().and_then(|at| entries.get(at)).ok_or_else(|| invalid("it is empty"))?;
    if bytes.len() < head.flushed {
        let why = format!("the file had {} bytes when the log was written, and has {}", head.flushed, bytes.len());
        return Err(io::Error::new(io::ErrorKind::UnexpectedEof, why));
    }
    // A file may have been made longer after its log was written; what a crash left out of that is zeros.
    let mut replayed =
        Replayed { bytes: bytes.clone(), log, changes: BTreeMap::new(), length: bytes.len().max(head.last) };
    for at in &sequence {
        if let Some(entry) = entries.get(at) {
            replayed.apply(*at, entry)?;
        }
    }
    Ok((replayed, sequence.len()))
}

/// The places of the entries that count, in order: those from the tail of the newest entry to itself. Where one of them is
/// damaged there is no answer; an older entry that happens to be whole was made long ago and has been overtaken since.
fn active(entries: &BTreeMap<u64, Entry>, length: u64) -> Option<Vec<u64>> {
    let (head, last) = entries.iter().max_by_key(|(_, entry)| entry.sequence)?;
    let mut sequence = Vec::new();
    let mut at = last.tail % length;
    let mut before: Option<u64> = None;
    loop {
        let entry = entries.get(&at)?;
        let follows = before.is_none_or(|before| before.checked_add(1) == Some(entry.sequence));
        if !follows || sequence.len() > entries.len() {
            return None;
        }
        sequence.push(at);
        if at == *head {
            return Some(sequence);
        }
        before = Some(entry.sequence);
        at = (at + entry.length) % length;
    }
}

impl Replayed {
    fn apply(&mut self, at: u64, entry: &Entry) -> io::Result<()> {
        let whole = self.log.read(at, entry.length)?;
        let descriptors = usize::try_from(entry.descriptors).unwrap_or(usize::MAX);
        let area = (64 + entry.descriptors * 32).next_multiple_of(SECTOR);
        if area > entry.length {
            return Err(invalid("an entry has more descriptors than room for them"));
        }
        let mut data = area;
        for descriptor in whole[64..].chunks_exact(32).take(descriptors) {
            let offset = le64(descriptor, 16);
            let is_right = le64(descriptor, 24) == entry.sequence && offset.is_multiple_of(SECTOR);
            let (length, change) = match &array::<4>(descriptor, 0) {
                b"zero" if is_right && le64(descriptor, 8).is_multiple_of(SECTOR) => {
                    (le64(descriptor, 8), Change::Zero)
                }
                b"desc" if is_right && data + SECTOR <= entry.length => {
                    let sector = usize::try_from(data).unwrap_or(usize::MAX);
                    let sector = whole.get(sector..).unwrap_or(&[]);
                    let number = (u64::from(le32(sector, 4)) << 32) | u64::from(le32(sector, 4092));
                    if !sector.starts_with(b"data") || number != entry.sequence {
                        return Err(invalid("a data sector is not of its entry"));
                    }
                    let change =
                        Change::Data { log: at + data, first: array(descriptor, 8), last: array(descriptor, 4) };
                    data += SECTOR;
                    (SECTOR, change)
                }
                _ => return Err(invalid("a descriptor is wrong")),
            };
            let end = offset.checked_add(length).filter(|end| *end <= i64::MAX as u64);
            self.change(offset, end.ok_or_else(|| invalid("a descriptor lies beyond any file"))?, change);
        }
        Ok(())
    }

    /// A later change takes the place of earlier ones, wherever they overlap.
    fn change(&mut self, start: u64, end: u64, change: Change) {
        if start >= end {
            return;
        }
        let before = self.changes.range(..start).next_back().map(|(at, (end, change))| (*at, *end, *change));
        if let Some((at, its_end, its)) = before
            && its_end > start
        {
            self.changes.insert(at, (start, its));
            if its_end > end {
                self.changes.insert(end, (its_end, its));
            }
        }
        let inside: Vec<u64> = self.changes.range(start..end).map(|(at, _)| *at).collect();
        for at in inside {
            if let Some((its_end, its)) = self.changes.remove(&at)
                && its_end > end
            {
                self.changes.insert(end, (its_end, its));
            }
        }
        self.changes.insert(start, (end, change));
        self.length = self.length.max(end);
    }
}

impl Bytes for Replayed {
    fn len(&self) -> u64 {
        self.length
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let wanted = usize::try_from(self.length.saturating_sub(offset)).unwrap_or(usize::MAX).min(buffer.len());
        let buffer = &mut buffer[..wanted];
        if wanted == 0 {
            return Ok(0);
        }
        if let Some((start, (end, change))) = self.changes.range(..=offset).next_back()
            && *end > offset
        {
            let count = usize::try_from(end - offset).unwrap_or(usize::MAX).min(wanted);
            let Change::Data { log, first, last } = change else {
                buffer[..count].fill(0);
                return Ok(count);
            };
            let mut sector = self.log.read(*log, SECTOR)?;
            sector[..8].copy_from_slice(first);
            let from = sector.len() - 4;
            sector[from..].copy_from_slice(last);
            let within = usize::try_from(offset - start).unwrap_or(usize::MAX);
            return sector.get(within..within.saturating_add(count)).unwrap_or(&[]).read_at(0, &mut buffer[..count]);
        }
        let next = self.changes.range(offset..).next().map_or(self.length, |(start, _)| *start);
        let count = usize::try_from(next - offset).unwrap_or(usize::MAX).min(wanted);
        if offset >= self.bytes.len() {
            buffer[..count].fill(0);
            return Ok(count);
        }
        self.bytes.read_at(offset, &mut buffer[..count])
    }
}

/// CRC-32C of a structure whose own checksum, four bytes at this place, counts as zeros.
///
/// Reference: RFC 3720, B.4.
pub(super) fn crc32c(bytes: &[u8], checksum: usize) -> u32 {
    const TABLE: [u32; 256] = {
        let mut table = [0; 256];
        let mut index = 0;
        while index < 256 {
            let (mut value, mut bit) = (index as u32, 0);
            while bit < 8 {
                value = if value & 1 != 0 { value >> 1 ^ 0x82F6_3B78 } else { value >> 1 };
                bit += 1;
            }
            table[index] = value;
            index += 1;
        }
        table
    };
    !bytes.iter().enumerate().fold(u32::MAX, |crc, (at, byte)| {
        let byte = if at.wrapping_sub(checksum) < 4 { 0 } else { *byte };
        crc >> 8 ^ TABLE[usize::from(crc.to_le_bytes()[0] ^ byte)]
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_that_of_the_standard() {
        // RFC 3720, B.4: 32 bytes of zeros, and 32 of ones.
        assert_eq!(crc32c(&[0; 32], 32), 0x8A91_36AA);
        assert_eq!(crc32c(&[0xFF; 32], 32), 0x62A8_AB43);
    }

    #[test]
    fn later_changes_lie_over_earlier_ones() {
        let bytes: Arc<dyn Bytes> = Arc::new(vec![7u8; 12]);
        let log = Circular { bytes: bytes.clone(), offset: 0, length: 12 };
        let mut replayed = Replayed { bytes, log, changes: BTreeMap::new(), length: 12 };
        replayed.change(2, 10, Change::Zero);
        let data = Change::Data { log: 0, first: [1; 8], last: [1; 4] };
        replayed.change(4, 6, data);
        replayed.change(5, 7, Change::Zero);
        let places: Vec<(u64, u64)> = replayed.changes.iter().map(|(start, (end, _))| (*start, *end)).collect();
        assert_eq!(places, [(2, 4), (4, 5), (5, 7), (7, 10)]);
        replayed.change(0, 20, Change::Zero);
        assert_eq!((replayed.changes.len(), replayed.length), (1, 20));
        assert_eq!(replayed.read_all(20).unwrap().unwrap(), [0; 20]);
    }
}
