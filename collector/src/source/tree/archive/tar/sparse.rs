//! The bytes of a tar member, with its holes.

use super::header::{BLOCK, Described, Holes, behind};
use crate::file_bytes::within;
use evidence::Bytes;
use std::io;
use std::sync::Arc;

/// Parts of one file between its holes; each costs memory.
const MAX_PARTS: usize = 1 << 20;
/// Bytes of a map that is text: two numbers and their line feeds each.
const MAX_TEXT: usize = MAX_PARTS * 42;

fn damaged(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what.to_owned())
}

/// A number of twelve octal digits.
fn octal(field: &[u8]) -> u64 {
    if field[0] & 0x80 != 0 {
        return field[4..].iter().fold(0, |value, byte| value << 8 | u64::from(*byte));
    }
    field.iter().filter(|byte| (b'0'..=b'7').contains(byte)).fold(0, |value, byte| value << 3 | u64::from(byte - b'0'))
}

/// Takes the pairs of offset and length of a GNU map.
fn pairs(map: &[u8], parts: &mut Vec<(u64, u64)>) -> io::Result<()> {
    for pair in map.chunks_exact(24).filter(|pair| pair[0] != 0) {
        if parts.len() >= MAX_PARTS {
            return Err(damaged("it has more holes than can be read"));
        }
        parts.push((octal(&pair[..12]), octal(&pair[12..])));
    }
    Ok(())
}

/// The blocks in which the map of a GNU member goes on; gives where its data begins.
pub(super) fn gnu_map(bytes: &dyn Bytes, described: &Described, parts: &mut Vec<(u64, u64)>) -> io::Result<u64> {
    let Holes::Gnu { first, more } = &described.holes else { return Ok(described.data) };
    pairs(first, parts)?;
    let (mut at, mut more) = (described.data, *more);
    while more {
        let mut block = [0; BLOCK];
        if bytes.read_full_at(at, &mut block)? != BLOCK {
            return Err(damaged("the map of its holes ends early"));
        }
        pairs(&block[..504], parts)?;
        more = block[504] != 0;
        at += BLOCK as u64;
    }
    Ok(at)
}

/// A map before the data: how many parts, then offset and length of each, a number a line.
fn text_map(bytes: &dyn Bytes, described: &Described, parts: &mut Vec<(u64, u64)>) -> io::Result<u64> {
    let mut text = Vec::new();
    let mut at = described.data;
    loop {
        let lines = text.iter().filter(|byte| **byte == b'\n').count();
        let count = text
            .split(|byte| *byte == b'\n')
            .next()
            .filter(|_| lines > 0)
            .and_then(|line| std::str::from_utf8(line).ok()?.parse::<usize>().ok());
        match count {
            Some(count) if count > MAX_PARTS => return Err(damaged("it has more holes than can be read")),
            Some(count) if lines > count * 2 => break,
            None if lines > 0 => return Err(damaged("the map of its holes cannot be read")),
            _ => {}
        }
        // The map grows by half each time, so that looking at it again and again costs little.
        let wanted = (text.len() / 2).next_multiple_of(BLOCK).max(BLOCK);
        let end = behind(described.data, described.stored).unwrap_or(u64::MAX);
        let wanted = wanted.min(usize::try_from(end.saturating_sub(at)).unwrap_or(wanted));
        let mut block = vec![0; wanted];
        let read = bytes.read_full_at(at, &mut block)?;
        if read == 0 || text.len() > MAX_TEXT {
            return Err(damaged("the map of its holes ends early"));
        }
        text.extend_from_slice(&block[..read]);
        at += read as u64;
    }
    let mut used = 0;
    let mut numbers = Vec::new();
    let mut lines = text.split(|byte| *byte == b'\n');
    let mut next = || -> Option<u64> {
        let line = lines.next()?;
        used += line.len() + 1;
        std::str::from_utf8(line).ok()?.parse().ok()
    };
    let bad = || damaged("the map of its holes cannot be read");
    let count = next().ok_or_else(bad)?;
    for _ in 0..count * 2 {
        numbers.push(next().ok_or_else(bad)?);
    }
    parts.extend(numbers.chunks_exact(2).map(|pair| (pair[0], pair[1])));
    behind(described.data, used as u64).ok_or_else(bad)
}

/// The bytes of a member.
pub(super) fn open(bytes: &Arc<dyn Bytes>, described: &Described) -> io::Result<Arc<dyn Bytes>> {
    let mut parts = Vec::new();
    let data = match &described.holes {
        Holes::None => {
            let (start, length) = (described.data, described.member.size);
            return Ok(Arc::new(Part { bytes: bytes.clone(), start, length }));
        }
        Holes::Gnu { .. } => gnu_map(&**bytes, described, &mut parts)?,
        Holes::Listed(listed) => {
            parts.clone_from(listed);
            described.data
        }
        Holes::Text => text_map(&**bytes, described, &mut parts)?,
    };
    Ok(Arc::new(Sparse::new(bytes.clone(), data, described.member.size, &parts)?))
}

/// A part of other bytes that can end before it should; then reading ends there too.
struct Part {
    bytes: Arc<dyn Bytes>,
    start: u64,
    length: u64,
}

impl Bytes for Part {
    fn len(&self) -> u64 {
        self.length
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        match within(self.length, offset, buffer) {
            [] => Ok(0),
            buffer => self.bytes.read_at(self.start.saturating_add(offset), buffer),
        }
    }
}

/// A file with holes, which read as zeros.
struct Sparse {
    bytes: Arc<dyn Bytes>,
    length: u64,
    /// Offset, length and place in the archive of each part, in order.
    parts: Vec<(u64, u64, u64)>,
}

impl Sparse {
    fn new(bytes: Arc<dyn Bytes>, data: u64, length: u64, listed: &[(u64, u64)]) -> io::Result<Self> {
        let bad = || damaged("the map of its holes is impossible");
        let (mut end, mut at) = (0, data);
        let mut parts = Vec::new();
        for (offset, part) in listed {
            let part_end = offset.checked_add(*part).ok_or_else(bad)?;
            if *offset < end || part_end > length {
                return Err(bad());
            }
            if *part > 0 {
                parts.push((*offset, *part, at));
            }
            end = part_end;
            at = at.checked_add(*part).ok_or_else(bad)?;
        }
        Ok(Sparse { bytes, length, parts })
    }

    /// Index of the first part that ends behind this offset.
    fn part(&self, offset: u64) -> usize {
        self.parts.partition_point(|(start, length, _)| start + length <= offset)
    }
}

impl Bytes for Sparse {
    fn len(&self) -> u64 {
        self.length
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        match self.parts.get(self.part(offset)) {
            Some((start, length, at)) if *start <= offset => match within(start + length, offset, buffer) {
                [] => Ok(0),
                buffer => self.bytes.read_at(at + (offset - start), buffer),
            },
            hole => {
                let buffer = within(hole.map_or(self.length, |(start, ..)| *start), offset, buffer);
                buffer.fill(0);
                Ok(buffer.len())
            }
        }
    }

    fn next_data(&self, offset: u64) -> u64 {
        self.parts.get(self.part(offset)).map_or(self.length, |(start, ..)| offset.max(*start).min(self.length))
    }

    fn next_hole(&self, offset: u64) -> u64 {
        let mut hole = offset;
        // Parts can touch each other.
        for (start, length, _) in &self.parts[self.part(offset)..] {
            if *start > hole {
                break;
            }
            hole = start + length;
        }
        hole
    }
}
