//! The end of a zip archive and its central directory, entry by entry, without having all of it in memory.
//!
//! Reference: PKWARE, *.ZIP File Format Specification (APPNOTE.TXT)* 4.3 and 4.5.

use super::names::{self, Unflagged};
use crate::file_bytes::Section;
use evidence::le::{u16_or_0, u32_or_0, u64_or_0};
use evidence::{Bytes, Filetime, Macb};
use std::io::{self, BufReader, Read};

pub(super) const LOCAL_HEADER: u32 = 0x0403_4b50;
pub(super) const CENTRAL_HEADER: u32 = 0x0201_4b50;
pub(super) const END_RECORD: u32 = 0x0605_4b50;
pub(super) const ZIP64_END_RECORD: u32 = 0x0606_4b50;
pub(super) const ZIP64_LOCATOR: u32 = 0x0706_4b50;
pub(super) const DATA_DESCRIPTOR: u32 = 0x0807_4b50;

/// One entry of the central directory.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    /// Name as stored, kept reversibly; [`evidence::name`].
    pub(crate) name: String,
    /// Length of the content in bytes, as declared.
    pub(crate) size: u64,
    /// Length of the stored form in bytes.
    pub(crate) packed_size: u64,
    /// Times, only where the entry keeps them in UTC.
    pub(crate) times: Option<Macb>,
    /// Unix file type says that it is a symbolic link.
    pub(crate) is_link: bool,
    pub(super) method: u16,
    pub(super) flags: u16,
    /// The part of the archive that it claims to be in.
    pub(super) part: u16,
    pub(super) crc: u32,
    pub(crate) header_offset: u64,
    /// Its header lay in front of what is left of the archive, and has no offset any more.
    pub(crate) is_lost: bool,
    pub(super) raw_name_hash: u64,
    pub(super) raw_name_length: u64,
    /// In a directory of ours: the archive ends within the entry.
    pub(super) is_cut: bool,
}

/// Set in the internal attributes of an entry in a directory of ours (module `scan`). In others it is reserved.
pub(super) const CUT: u16 = 0x8000;

impl Entry {
    /// Whether it names a folder.
    pub(crate) fn is_folder(&self) -> bool {
        self.name.ends_with('/') || self.name.ends_with('\\')
    }

    /// Whether its flag says that the name is UTF-8.
    pub(crate) fn says_utf8(&self) -> bool {
        self.flags & 0x800 != 0
    }
}

pub(super) fn damaged(what: impl Into<String>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what.into())
}

/// The unsigned extra fields `(id, content)` of an entry.
pub(super) fn extra_fields(mut extra: &[u8]) -> Vec<(u16, &[u8])> {
    let mut fields = Vec::new();
    while extra.len() >= 4 {
        let (id, length) = (u16_or_0(extra, 0), usize::from(u16_or_0(extra, 2)));
        let Some(content) = extra.get(4..4 + length) else { break };
        fields.push((id, content));
        extra = &extra[4 + length..];
    }
    fields
}

fn times_of(fields: &[(u16, &[u8])]) -> Option<Macb> {
    let mut times = Macb::default();
    for (id, content) in fields {
        match id {
            // Extended timestamp: the central directory holds only the modification time.
            0x5455 if content.len() >= 5 && content[0] & 1 != 0 => {
                let seconds = u32_or_0(content, 1).cast_signed();
                times.modified = times.modified.or(Filetime::from_unix_seconds(i64::from(seconds)));
            }
            // NTFS: a tag 1 with three FILETIMEs.
            0x000a if content.len() >= 32 && u16_or_0(content, 4) == 1 => {
                let time = |at| Some(Filetime(u64_or_0(content, at))).filter(|time| time.0 != 0);
                times = Macb { modified: time(8), accessed: time(16), changed: None, born: time(24) };
                break;
            }
            _ => {}
        }
    }
    (times != Macb::default()).then_some(times)
}

pub(super) fn hash_of(name: &[u8]) -> u64 {
    use std::hash::Hasher;
    let mut hasher = std::hash::DefaultHasher::new();
    hasher.write(name);
    hasher.finish()
}

/// What the end of an archive says of its directory.
pub(crate) struct End {
    /// Where the directory begins.
    pub(crate) start: u64,
    /// Its length in bytes.
    pub(crate) size: u64,
    /// How many entries it says to have.
    pub(super) count: u64,
    /// By how many bytes every offset is off: those before the archive, or, below zero, those that it has lost in front.
    pub(crate) shift: i64,
    /// Its comment ends where the bytes end.
    pub(crate) is_exact: bool,
    /// It says to be the last of several parts.
    pub(crate) is_part: bool,
    /// The comment behind its record.
    pub(crate) comment: Vec<u8>,
    /// What is odd about it.
    pub(super) odd: Vec<String>,
}

impl End {
    /// Finds it. An error says that this is not a zip archive or that it has lost its end.
    pub(crate) fn find(bytes: &dyn Bytes) -> io::Result<End> {
        let tail_length = bytes.len().min(22 + 65_535 + 20);
        let tail_start = bytes.len() - tail_length;
        let mut tail = vec![0; tail_length as usize];
        let read = bytes.read_full_at(tail_start, &mut tail)?;
        tail.truncate(read);
        let candidates = (0..tail.len().saturating_sub(21)).rev().filter(|&at| {
            u32_or_0(&tail, at) == END_RECORD && at + 22 + usize::from(u16_or_0(&tail, at + 20)) <= tail.len()
        });
        // An end record whose comment reaches exactly the end of the file is the real one; without such a one
        // the last that looks like one is taken, and the bytes after it are an oddity.
        let mut fallback = None;
        let mut exact = None;
        for at in candidates {
            fallback = fallback.or(Some(at));
            if at + 22 + usize::from(u16_or_0(&tail, at + 20)) == tail.len() {
                exact = Some(at);
                break;
            }
        }
        let at = exact.or(fallback).ok_or_else(|| damaged("no end record of a zip archive"))?;
        let mut odd = Vec::new();
        if exact.is_none() {
            odd.push("bytes follow the end record".to_owned());
        }
        if u16_or_0(&tail, at + 20) != 0 {
            odd.push(format!("the end record has a comment of {} bytes", u16_or_0(&tail, at + 20)));
        }
        let is_part = u16_or_0(&tail, at + 4) != 0 && u16_or_0(&tail, at + 4) != 0xFFFF;
        if u32_or_0(&tail, at + 4) != 0 || u16_or_0(&tail, at + 8) != u16_or_0(&tail, at + 10) {
            odd.push("the archive claims to be one of several parts".to_owned());
        }
        let end_at = tail_start + at as u64;
        let mut count = u64::from(u16_or_0(&tail, at + 10));
        let mut size = u64::from(u32_or_0(&tail, at + 12));
        let mut start = u64::from(u32_or_0(&tail, at + 16));
        let mut directory_end = end_at;
        if at >= 20 && u32_or_0(&tail, at - 20) == ZIP64_LOCATOR {
            let zip64_at = u64_or_0(&tail, at - 12);
            let Some((zip64_at, record)) = zip64_end(bytes, zip64_at, end_at - 20)? else {
                return Err(damaged("the ZIP64 end record is missing"));
            };
            let expected_end = zip64_at.checked_add(12).and_then(|end| end.checked_add(u64_or_0(&record, 4)));
            if expected_end != Some(end_at - 20) {
                odd.push("bytes lie between the ZIP64 end record and its locator".to_owned());
            }
            if u64_or_0(&record, 4) != 44 {
                odd.push("the ZIP64 end record carries extra data".to_owned());
            }
            count = u64_or_0(&record, 32);
            size = u64_or_0(&record, 40);
            start = u64_or_0(&record, 48);
            directory_end = zip64_at;
        }
        // Something may stand before the archive, or its beginning may be lost; then every offset is off.
        let real_start = directory_end.checked_sub(size).ok_or_else(|| damaged("impossible directory size"))?;
        let shift = i64::try_from(i128::from(real_start) - i128::from(start))
            .map_err(|_| damaged("impossible directory offset"))?;
        if shift > 0 {
            odd.push(format!("{shift} bytes stand before the archive or its directory"));
        } else if shift < 0 {
            odd.push(format!("the archive has lost {} bytes before its directory", shift.unsigned_abs()));
        }
        let comment = tail[at + 22..at + 22 + usize::from(u16_or_0(&tail, at + 20))].to_vec();
        Ok(End { start: real_start, size, count, shift, is_exact: exact.is_some(), is_part, comment, odd })
    }

    /// Whether it says that there are so many entries. Programs that know no ZIP64 give the lowest bits of the number.
    pub(crate) fn counts(&self, entries: u64) -> bool {
        self.count == entries || self.count == entries & 0xFFFF
    }

    /// Every entry of its directory, in order.
    pub(crate) fn entries<'a>(&self, bytes: &'a dyn Bytes, unflagged: Unflagged) -> Entries<'a> {
        Entries::new(bytes, self.start, self.size, self.shift, unflagged)
    }
}

/// The ZIP64 end record with its place. Where something stands before the archive, or its beginning is lost, it is not where
/// its locator says, but it still ends where the locator begins.
fn zip64_end(bytes: &dyn Bytes, stated: u64, locator: u64) -> io::Result<Option<(u64, [u8; 56])>> {
    for at in [Some(stated), locator.checked_sub(56)].into_iter().flatten().filter(|at| *at < bytes.len()) {
        let mut record = [0; 56];
        if bytes.read_full_at(at, &mut record)? == 56 && u32_or_0(&record, 0) == ZIP64_END_RECORD {
            return Ok(Some((at, record)));
        }
    }
    Ok(None)
}

/// The entries of a directory with the offset of each in the directory's bytes. Ends after the first error.
pub(crate) struct Entries<'a> {
    reader: BufReader<Section<&'a dyn Bytes>>,
    at: u64,
    left: u64,
    shift: i64,
    unflagged: Unflagged,
}

impl<'a> Entries<'a> {
    /// Those of a directory that lies here. What stands before the archive, or what it has lost there, shifts every offset.
    pub(crate) fn new(bytes: &'a dyn Bytes, start: u64, size: u64, shift: i64, unflagged: Unflagged) -> Self {
        let reader = BufReader::with_capacity(1 << 16, Section::new(bytes, start, size));
        Entries { reader, at: start, left: size, shift, unflagged }
    }
}

impl Iterator for Entries<'_> {
    type Item = io::Result<(u64, Entry)>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.left == 0 {
            return None;
        }
        let before = self.left;
        match Entry::read(&mut self.reader, &mut self.left, self.shift, self.unflagged) {
            Ok(entry) => {
                let at = self.at;
                self.at += before - self.left;
                Some(Ok((at, entry)))
            }
            Err(error) => {
                self.left = 0;
                Some(Err(error))
            }
        }
    }
}

impl Entry {
    /// The one that lies at this offset of a directory.
    pub(crate) fn at(bytes: &dyn Bytes, at: u64, shift: i64, unflagged: Unflagged) -> io::Result<Entry> {
        let mut left = bytes.len().saturating_sub(at);
        // Names are short, so one read gives the whole entry as a rule.
        let mut reader = BufReader::with_capacity(512, Section::new(bytes, at, left));
        Entry::read(&mut reader, &mut left, shift, unflagged)
    }

    fn read(reader: &mut impl Read, left: &mut u64, shift: i64, unflagged: Unflagged) -> io::Result<Entry> {
        let mut header = [0; 46];
        reader.read_exact(&mut header)?;
        if u32_or_0(&header, 0) != CENTRAL_HEADER {
            return Err(damaged("the directory is damaged"));
        }
        let lengths = [28, 30, 32].map(|at| usize::from(u16_or_0(&header, at)));
        let mut rest = vec![0; lengths.iter().sum()];
        reader.read_exact(&mut rest)?;
        *left = left
            .checked_sub(46 + rest.len() as u64)
            .ok_or_else(|| damaged("the directory is longer than its size says"))?;
        let (raw_name, after) = rest.split_at(lengths[0]);
        let fields = extra_fields(&after[..lengths[1]]);
        let mut size = u64::from(u32_or_0(&header, 24));
        let mut packed_size = u64::from(u32_or_0(&header, 20));
        let mut header_offset = u64::from(u32_or_0(&header, 42));
        if let Some((_, content)) = fields.iter().find(|(id, _)| *id == 1) {
            let mut at = 0;
            for value in [&mut size, &mut packed_size, &mut header_offset] {
                if *value == 0xffff_ffff && content.len() >= at + 8 {
                    *value = u64_or_0(content, at);
                    at += 8;
                }
            }
        }
        let unix = u16_or_0(&header, 4) >> 8 == 3;
        let is_lost = header_offset < shift.min(0).unsigned_abs();
        if header_offset.checked_add_signed(shift).is_none() && !is_lost {
            return Err(damaged("impossible offset"));
        }
        Ok(Entry {
            name: names::decode(raw_name, u16_or_0(&header, 8), &fields, unflagged),
            size,
            packed_size,
            times: times_of(&fields),
            is_link: unix && u32_or_0(&header, 38) >> 28 == 0xA,
            method: u16_or_0(&header, 10),
            flags: u16_or_0(&header, 8),
            part: u16_or_0(&header, 34),
            crc: u32_or_0(&header, 16),
            header_offset: if is_lost { u64::MAX } else { header_offset.saturating_add_signed(shift) },
            is_lost,
            raw_name_hash: hash_of(raw_name),
            raw_name_length: raw_name.len() as u64,
            is_cut: u16_or_0(&header, 36) & CUT != 0,
        })
    }
}
