//! Reads zip archives: the bundle itself and triage archives that serve as a source.
//!
//! One reader for both, and not the library that writes our bundles, because verifying must see what is really in
//! the file: entries that occur twice, bytes between entries, names that differ between the two places where a zip
//! archive keeps them. Such things are invisible through an interface that offers a map of names.
//!
//! Reference: PKWARE, *.ZIP File Format Specification (APPNOTE.TXT)* 4.3 and 4.5.

pub(crate) use super::central::Entry;
use super::central::{
    DATA_DESCRIPTOR, End, LOCAL_HEADER, Section, damaged, extra_fields, hash_of, u16_at, u32_at, u64_at,
};
use super::names::Unflagged;
use evidence::Bytes;
use std::io::{self, BufReader, Read};

/// Most entries that are listed; each costs memory before anything of it is needed.
const MAX_ENTRIES: u64 = 8_000_000;

/// The directory of an archive.
pub(crate) struct Directory {
    /// Where the central directory begins.
    start: u64,
    /// Length of what stands before the archive, by which every offset is off.
    shift: i64,
    /// What is odd about the end of the archive, for [`Directory::odd_places`].
    odd_ends: Vec<String>,
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
        Ok(Directory { start: end.start, shift: end.shift, odd_ends })
    }

    /// The entry that is listed at this place.
    pub(crate) fn entry(&self, bytes: &dyn Bytes, at: u64) -> io::Result<Entry> {
        Entry::at(bytes, at, self.shift, Unflagged::Utf8)
    }

    /// Where the stored form of an entry lies, and the length of its local header.
    fn data_start(&self, bytes: &dyn Bytes, entry: &Entry) -> io::Result<u64> {
        let mut header = [0; 30];
        if bytes.read_full_at(entry.header_offset, &mut header)? != 30 || u32_at(&header, 0) != LOCAL_HEADER {
            return Err(damaged("no local header where the directory points"));
        }
        let names = u64::from(u16_at(&header, 26)) + u64::from(u16_at(&header, 28));
        let start = entry.header_offset + 30 + names;
        match start.checked_add(entry.packed_size) {
            Some(end) if end <= self.start => Ok(start),
            _ => Err(damaged("the entry reaches into the directory")),
        }
    }

    /// The content of an entry, from front to back. Ends with an error when it is longer than declared, ends
    /// early or does not match its CRC-32.
    pub(crate) fn open<'a>(&self, bytes: &'a dyn Bytes, entry: &Entry) -> io::Result<Box<dyn Read + Send + 'a>> {
        if entry.flags & 1 != 0 {
            return Err(io::Error::new(io::ErrorKind::Unsupported, "the entry is encrypted"));
        }
        // Deflate makes at most 1,032 bytes of one, so a small archive cannot claim a size that fills a disk.
        if entry.size > entry.packed_size.saturating_mul(1032).saturating_add(1032) {
            return Err(damaged("it claims to be longer than compression allows"));
        }
        let stored = Section::new(bytes, self.data_start(bytes, entry)?, entry.packed_size);
        let inner: Box<dyn Read + Send + 'a> = match entry.method {
            0 => Box::new(stored),
            8 => Box::new(flate2::bufread::DeflateDecoder::new(BufReader::with_capacity(1 << 16, stored))),
            other => {
                let what = format!("compression method {other} is not supported");
                return Err(io::Error::new(io::ErrorKind::Unsupported, what));
            }
        };
        Ok(Box::new(Checked { inner, left: entry.size, crc: flate2::Crc::new(), expected: entry.crc }))
    }

    /// What is odd about the places of the entries in the archive: everything through which bytes could be hidden in it or
    /// through which two programs could see two different contents. Each with the entry's name, or an empty one. Takes
    /// where the entries are listed, in the order in which they lie.
    pub(crate) fn odd_places(
        &self,
        bytes: &dyn Bytes,
        order: impl Iterator<Item = io::Result<u64>>,
        odd: &mut dyn FnMut(&str, String),
    ) -> io::Result<()> {
        self.odd_ends.iter().for_each(|what| odd("", what.clone()));
        let mut expected = 0;
        for at in order {
            let entry = self.entry(bytes, at?)?;
            if entry.header_offset != expected {
                let what = format!(
                    "begins at offset {}, where {expected} is due: bytes are hidden or shared",
                    entry.header_offset
                );
                odd(&entry.name, what);
            }
            match self.local_end(bytes, &entry) {
                Ok(end) => expected = end,
                Err(error) => {
                    odd(&entry.name, error.to_string());
                    expected = entry.header_offset;
                }
            }
        }
        if expected != self.start {
            let what =
                format!("the directory begins at offset {}, where {expected} is due: bytes are hidden", self.start);
            odd("", what);
        }
        Ok(())
    }

    /// Where the local part of an entry ends, its data descriptor included; an error when the local header
    /// says something else than the directory.
    fn local_end(&self, bytes: &dyn Bytes, entry: &Entry) -> io::Result<u64> {
        let mut header = [0; 30];
        let data = self.data_start(bytes, entry)?;
        bytes.read_full_at(entry.header_offset, &mut header)?;
        let mut names = vec![0; (data - entry.header_offset - 30) as usize];
        bytes.read_full_at(entry.header_offset + 30, &mut names)?;
        let name_length = usize::from(u16_at(&header, 26)).min(names.len());
        if hash_of(&names[..name_length]) != entry.raw_name_hash {
            return Err(damaged("its local header has another name than the directory"));
        }
        if entry.part != 0 {
            return Err(damaged("it claims to be in another part of the archive"));
        }
        let local = (u16_at(&header, 6), u16_at(&header, 8), u32_at(&header, 10));
        if local != (entry.flags, entry.method, entry.dos_time) {
            return Err(damaged("its local header has other flags, method or time than the directory"));
        }
        let end = data + entry.packed_size;
        if entry.flags & 8 == 0 {
            let fields = extra_fields(&names[name_length..]);
            let (mut size, mut packed) = (u64::from(u32_at(&header, 22)), u64::from(u32_at(&header, 18)));
            let zip64 = fields.iter().find(|(id, _)| *id == 1).map(|(_, content)| *content);
            let mut zip64_at = 0;
            for value in [&mut size, &mut packed] {
                if *value == 0xffff_ffff
                    && let Some(content) = zip64.filter(|content| content.len() >= zip64_at + 8)
                {
                    *value = u64_at(content, zip64_at);
                    zip64_at += 8;
                }
            }
            if (size, packed, u32_at(&header, 14)) != (entry.size, entry.packed_size, entry.crc) {
                return Err(damaged("its local header has other sizes or another CRC than the directory"));
            }
            return Ok(end);
        }
        let mut descriptor = [0; 24];
        bytes.read_full_at(end, &mut descriptor)?;
        let signed = usize::from(u32_at(&descriptor, 0) == DATA_DESCRIPTOR) * 4;
        let small = u32_at(&descriptor, signed) == entry.crc
            && u64::from(u32_at(&descriptor, signed + 4)) == entry.packed_size
            && u64::from(u32_at(&descriptor, signed + 8)) == entry.size;
        let large = u32_at(&descriptor, signed) == entry.crc
            && u64_at(&descriptor, signed + 4) == entry.packed_size
            && u64_at(&descriptor, signed + 12) == entry.size;
        // The long form is tried first: of an empty file the short form is its beginning.
        match (large, small) {
            (true, _) if entry.size != 0 => Ok(end + signed as u64 + 20),
            (_, true) => Ok(end + signed as u64 + 12),
            (true, _) => Ok(end + signed as u64 + 20),
            _ => Err(damaged("its data descriptor does not match the directory")),
        }
    }
}

/// Never gives more bytes than declared, and says at the end whether they are the right ones.
struct Checked<R> {
    inner: R,
    left: u64,
    crc: flate2::Crc,
    expected: u32,
}

impl<R: Read> Read for Checked<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        let read = self.inner.read(buffer)?;
        if read as u64 > self.left {
            return Err(damaged("the entry is longer than it says"));
        }
        self.left -= read as u64;
        self.crc.update(&buffer[..read]);
        if read == 0 && self.left > 0 {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, format!("{} bytes are missing", self.left)));
        }
        if read == 0 && self.crc.sum() != self.expected {
            return Err(damaged("the CRC-32 does not match"));
        }
        Ok(read)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::super::central::{CENTRAL_HEADER, END_RECORD};
    use super::*;
    use std::io::{Cursor, Write};

    fn archive(files: &[(&str, &[u8])]) -> Vec<u8> {
        let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
        for (name, content) in files {
            zip.start_file(*name, zip::write::SimpleFileOptions::default()).unwrap();
            zip.write_all(content).unwrap();
        }
        zip.finish().unwrap().into_inner()
    }

    /// What is odd about the places of the entries.
    pub(crate) fn oddities(bytes: &[u8]) -> Vec<(String, String)> {
        let bytes = bytes.to_vec();
        let (mut order, mut odd) = (Vec::new(), Vec::new());
        let directory = Directory::look(&bytes, &mut |at, entry| {
            order.push((entry.header_offset, at));
            Ok(())
        });
        order.sort_unstable();
        let order = order.into_iter().map(|(_, at)| Ok(at));
        let mut take = |name: &str, what| odd.push((name.to_owned(), what));
        directory.and_then(|directory| directory.odd_places(&bytes, order, &mut take)).unwrap();
        odd
    }

    /// The directory and all of its entries, in order.
    pub(crate) fn listing(bytes: &[u8]) -> io::Result<(Directory, Vec<Entry>)> {
        let mut entries = Vec::new();
        let directory = Directory::look(&bytes.to_vec(), &mut |_, entry| {
            entries.push(entry);
            Ok(())
        })?;
        Ok((directory, entries))
    }

    fn content(bytes: &[u8], (directory, entries): &(Directory, Vec<Entry>), index: usize) -> io::Result<Vec<u8>> {
        let bytes = bytes.to_vec();
        let mut all = Vec::new();
        directory.open(&bytes, &entries[index])?.read_to_end(&mut all)?;
        Ok(all)
    }

    #[test]
    fn reads_what_another_program_wrote() {
        let long = b"abc".repeat(10_000);
        let bytes = archive(&[("a/one.txt", b"one"), ("empty", b""), ("long", &long)]);
        let directory = listing(&bytes).unwrap();
        assert_eq!(directory.1.iter().map(|e| e.name.as_str()).collect::<Vec<_>>(), ["a/one.txt", "empty", "long"]);
        assert_eq!(content(&bytes, &directory, 0).unwrap(), b"one");
        assert_eq!(content(&bytes, &directory, 1).unwrap(), b"");
        assert_eq!(content(&bytes, &directory, 2).unwrap(), long);
        assert_eq!(oddities(&bytes), []);
    }

    #[test]
    fn bytes_before_between_and_after_are_odd() {
        let good = archive(&[("a", b"one"), ("b", b"two")]);
        let mut before = b"hidden".to_vec();
        before.extend(&good);
        assert!(!oddities(&before).is_empty());
        let mut after = good.clone();
        after.extend(b"hidden");
        assert!(!oddities(&after).is_empty());
        // A third entry whose directory line is cut out leaves its local part behind.
        let three = archive(&[("a", b"one"), ("b", b"two"), ("c", b"six")]);
        let cut = three.windows(4).rposition(|w| w == CENTRAL_HEADER.to_le_bytes()).unwrap();
        let end = three.windows(4).rposition(|w| w == END_RECORD.to_le_bytes()).unwrap();
        let mut hidden = three[..cut].to_vec();
        hidden.extend(&three[end..]);
        let end = hidden.len() - 22;
        hidden[end + 8] = 2;
        hidden[end + 10] = 2;
        let size = u32_at(&hidden, end + 12) - (three.len() - 22 - cut) as u32;
        hidden[end + 12..end + 16].copy_from_slice(&size.to_le_bytes());
        let odd = oddities(&hidden);
        assert!(odd.iter().any(|(_, what)| what.contains("hidden")), "{odd:?}");
    }

    #[test]
    fn damage_is_an_error_and_never_a_panic() {
        let good = archive(&[("a/one.txt", b"one"), ("long", &b"abc".repeat(1000))]);
        for length in 0..good.len() {
            let cut = good[..length].to_vec();
            if listing(&cut).is_ok() {
                let _ = oddities(&cut);
            }
        }
        for at in 0..good.len() {
            for value in [0, 0xff, good[at] ^ 1] {
                let mut bad = good.clone();
                bad[at] = value;
                if let Ok(directory) = listing(&bad) {
                    let _ = oddities(&bad);
                    for index in 0..directory.1.len() {
                        let _ = content(&bad, &directory, index);
                    }
                }
            }
        }
        let mut bomb = listing(&good).unwrap();
        bomb.1[1].size = 1 << 40;
        assert!(content(&good, &bomb, 1).unwrap_err().to_string().contains("longer than compression allows"));
        let mut wrong = good.clone();
        wrong[30 + 9] ^= 1;
        let directory = listing(&wrong).unwrap();
        assert!(content(&wrong, &directory, 0).is_err());
    }
}
