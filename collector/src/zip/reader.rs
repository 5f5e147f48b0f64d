//! Reads zip archives: the bundle itself and triage archives that serve as a source.
//!
//! One reader for both, and not the library that writes our bundles, because verifying must see what is really in
//! the file: entries that occur twice, bytes between entries, names that differ between the two places where a zip
//! archive keeps them. Such things are invisible through an interface that offers a map of names.
//!
//! Reference: PKWARE, *.ZIP File Format Specification (APPNOTE.TXT)* 4.3 and 4.5.

pub(crate) use super::central::Entry;
use super::central::{End, LOCAL_HEADER, damaged};
use super::names::Unflagged;
use crate::file_bytes::Section;
use evidence::Bytes;
use evidence::le::{u16_or_0, u32_or_0};
use std::io::{self, BufReader, Read};
use std::ops::Deref;

/// Most entries that are listed; each costs memory before anything of it is needed.
const MAX_ENTRIES: u64 = 8_000_000;

/// The directory of an archive.
#[derive(Clone)]
pub(crate) struct Directory {
    /// Where the central directory begins.
    pub(super) start: u64,
    /// Its length in bytes.
    pub(super) size: u64,
    /// Length of what stands before the archive, by which every offset is off.
    pub(super) shift: i64,
    /// What is odd about the end of the archive, for `strict`.
    pub(super) odd_ends: Vec<String>,
}

impl Directory {
    /// Reads the central directory and calls for every entry, with the place where it is listed. An error says that this is
    /// not a zip archive or that it cannot be listed.
    pub(crate) fn look(bytes: &dyn Bytes, take: &mut dyn FnMut(u64, Entry) -> io::Result<()>) -> io::Result<Directory> {
        let end = End::find(bytes)?;
        let mut count = 0u64;
        for entry in end.entries(bytes, Unflagged::Utf8) {
            if count >= MAX_ENTRIES {
                return Err(damaged(format!("more than {MAX_ENTRIES} entries")));
            }
            count += 1;
            let (at, entry) = entry?;
            take(at, entry)?;
        }
        if end.shift < 0 {
            return Err(damaged("impossible directory offset"));
        }
        let mut odd_ends = end.odd;
        if end.count != count {
            odd_ends.push(format!("the end record counts {} entries, the directory has {count}", end.count));
        }
        Ok(Directory { start: end.start, size: end.size, shift: end.shift, odd_ends })
    }

    /// Where it begins, and its length in bytes: entries are listed at places in it.
    pub(crate) fn extent(&self) -> (u64, u64) {
        (self.start, self.size)
    }

    /// The entry that is listed at this place.
    pub(crate) fn entry(&self, bytes: &dyn Bytes, at: u64) -> io::Result<Entry> {
        Entry::at(bytes, at, self.shift, Unflagged::Utf8)
    }

    /// Where the stored form of an entry lies.
    pub(super) fn data_start(&self, bytes: &(impl Bytes + ?Sized), entry: &Entry) -> io::Result<u64> {
        let mut header = [0; 30];
        if bytes.read_full_at(entry.header_offset, &mut header)? != 30 || u32_or_0(&header, 0) != LOCAL_HEADER {
            return Err(damaged("no local header where the directory points"));
        }
        let names = u64::from(u16_or_0(&header, 26)) + u64::from(u16_or_0(&header, 28));
        let start = entry.header_offset + 30 + names;
        match start.checked_add(entry.packed_size) {
            Some(end) if end <= self.start => Ok(start),
            _ => Err(damaged("the entry reaches into the directory")),
        }
    }

    /// The content of an entry, from front to back. Ends with an error when it is longer than declared, ends
    /// early or does not match its CRC-32.
    pub(crate) fn open<B>(&self, bytes: B, entry: &Entry) -> io::Result<Content<B>>
    where
        B: Deref<Target: Bytes>,
    {
        self.content(bytes, entry, Some(flate2::Crc::new()))
    }

    /// The same without the CRC-32, for whoever compares a digest.
    pub(crate) fn open_without_crc<B>(&self, bytes: B, entry: &Entry) -> io::Result<Content<B>>
    where
        B: Deref<Target: Bytes>,
    {
        self.content(bytes, entry, None)
    }

    fn content<B>(&self, bytes: B, entry: &Entry, crc: Option<flate2::Crc>) -> io::Result<Content<B>>
    where
        B: Deref<Target: Bytes>,
    {
        if entry.flags & 1 != 0 {
            return Err(io::Error::new(io::ErrorKind::Unsupported, "the entry is encrypted"));
        }
        // Deflate makes at most 1,032 bytes of one, so a small archive cannot claim a size that fills a disk.
        if entry.size > entry.packed_size.saturating_mul(1032).saturating_add(1032) {
            return Err(damaged("it claims to be longer than compression allows"));
        }
        let start = self.data_start(&*bytes, entry)?;
        let stored = Section::new(bytes, start, entry.packed_size);
        let inner = match entry.method {
            0 => Packed::Stored(stored),
            8 => {
                let decoder = flate2::bufread::DeflateDecoder::new(BufReader::with_capacity(1 << 16, stored));
                Packed::Deflated(Box::new(decoder), entry.packed_size)
            }
            other => {
                let what = format!("compression method {other} is not supported");
                return Err(io::Error::new(io::ErrorKind::Unsupported, what));
            }
        };
        Ok(Content { inner, left: entry.size, crc, expected: entry.crc })
    }
}

/// The stored form of an entry.
enum Packed<B> {
    Stored(Section<B>),
    /// With its length.
    Deflated(Box<flate2::bufread::DeflateDecoder<BufReader<Section<B>>>>, u64),
}

impl<B: Deref<Target: Bytes>> Packed<B> {
    /// How many bytes of the stored form are not part of it.
    fn behind(&self) -> u64 {
        match self {
            Packed::Stored(_) => 0,
            Packed::Deflated(decoder, length) => length.saturating_sub(decoder.total_in()),
        }
    }
}

impl<B: Deref<Target: Bytes>> Read for Packed<B> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Packed::Stored(stored) => stored.read(buffer),
            Packed::Deflated(decoder, _) => decoder.read(buffer),
        }
    }
}

/// The content of an entry. Never gives more bytes than declared, and says at the end whether they are the right ones.
pub(crate) struct Content<B> {
    inner: Packed<B>,
    left: u64,
    /// None where nobody asks.
    crc: Option<flate2::Crc>,
    expected: u32,
}

impl<B: Deref<Target: Bytes>> Read for Content<B> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        let read = self.inner.read(buffer)?;
        if read as u64 > self.left {
            return Err(damaged("the entry is longer than it says"));
        }
        self.left -= read as u64;
        if let Some(crc) = &mut self.crc {
            crc.update(&buffer[..read]);
        }
        if read == 0 && self.left > 0 {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, format!("{} bytes are missing", self.left)));
        }
        if read == 0 && self.crc.as_ref().is_some_and(|crc| crc.sum() != self.expected) {
            return Err(damaged("the CRC-32 does not match"));
        }
        let behind = if read == 0 { self.inner.behind() } else { 0 };
        if behind > 0 {
            return Err(damaged(format!("{behind} bytes are hidden behind its compressed data")));
        }
        Ok(read)
    }
}
