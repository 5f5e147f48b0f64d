//! The content of an entry at any offset, and as much of it as is there where the entry is damaged.

use super::central::{Entry, LOCAL_HEADER, damaged, hash_of, u16_at, u32_at};
use super::inflate::Coding;
use super::inflating::{Inflating, Packing, mismatch};
use super::names::{self, Unflagged};
use crate::spill::Spill;
use evidence::Bytes;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

/// What is at most so long is unpacked into memory.
const IN_MEMORY: u64 = 8 << 20;

/// What a compression method is called.
///
/// Reference: *APPNOTE.TXT* 4.4.5.
fn method_name(method: u16) -> &'static str {
    match method {
        1 => "Shrink",
        2..=5 => "Reduce",
        6 => "Implode",
        10 => "PKWARE Implode",
        12 => "BZIP2",
        14 => "LZMA",
        16 => "IBM z/OS CMPSC",
        18 => "IBM TERSE",
        19 => "IBM LZ77",
        20 | 93 => "Zstandard",
        94 => "MP3",
        95 => "XZ",
        96 => "JPEG",
        97 => "WavPack",
        98 => "PPMd",
        99 => "AES encryption",
        _ => "unknown",
    }
}

/// How much of an entry is going to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// All of it, at any offset.
    All,
    /// A few bytes, for which not all of it is unpacked.
    Beginning,
}

impl Entry {
    /// Whether it needs a password.
    pub(crate) fn is_encrypted(&self) -> bool {
        self.flags & 1 != 0 || self.method == 99
    }

    fn coding(&self) -> Option<Coding> {
        match self.method {
            8 => Some(Coding::Deflate),
            9 => Some(Coding::Deflate64),
            _ => None,
        }
    }

    /// The stated length, or less where so few packed bytes cannot become as many.
    pub(crate) fn possible_size(&self) -> u64 {
        self.coding().map_or(self.size, |coding| self.size.min(coding.most(self.packed_size)))
    }

    /// The bytes of the archive that it takes at least, from its local header on.
    pub(crate) fn least_extent(&self) -> (u64, u64) {
        let length = 30 + self.raw_name_length;
        (self.header_offset, self.header_offset.saturating_add(length).saturating_add(self.packed_size))
    }

    /// Its name in its local header, where that is another one than in the directory.
    pub(crate) fn other_name(&self, bytes: &dyn Bytes, unflagged: Unflagged) -> io::Result<Option<String>> {
        let mut header = vec![0; 30 + usize::try_from(self.raw_name_length).map_err(io::Error::other)?];
        let read = bytes.read_full_at(self.header_offset, &mut header)?;
        header.truncate(read);
        if read < 30 || u32_at(&header, 0) != LOCAL_HEADER {
            return Ok(None);
        }
        let length = usize::from(u16_at(&header, 26));
        if header.len() < 30 + length {
            let known = header.len();
            header.resize(30 + length, 0);
            let more = bytes.read_full_at(self.header_offset + known as u64, &mut header[known..])?;
            header.truncate(known + more);
        }
        let raw = header.get(30..30 + length).unwrap_or_default();
        let is_other = !raw.is_empty() && hash_of(raw) != self.raw_name_hash;
        Ok(is_other.then(|| names::decode(raw, u16_at(&header, 6), &[], unflagged)))
    }

    /// Where its packed bytes begin, by its local header.
    fn data_at(&self, bytes: &dyn Bytes) -> io::Result<u64> {
        let mut header = [0; 30];
        if bytes.read_full_at(self.header_offset, &mut header)? != 30 {
            return Err(damaged("the archive ends before it"));
        }
        let name_length = u16_at(&header, 26);
        if u32_at(&header, 0) != LOCAL_HEADER {
            // A local header with a wrong bit is still known by the name behind it.
            let mut name = vec![0; usize::from(name_length)];
            let read = bytes.read_full_at(self.header_offset + 30, &mut name)?;
            if hash_of(&name[..read]) != self.raw_name_hash {
                return Err(damaged("no local header where the directory points"));
            }
        }
        Ok(self.header_offset + 30 + u64::from(name_length) + u64::from(u16_at(&header, 28)))
    }

    /// Its content. What is wrong with it, its CRC-32 included, is known once all of it was read ([`Bytes::flaw`]); the
    /// bytes before are what they are. `end` is where the last entry has to end.
    pub(crate) fn content(
        &self,
        bytes: &Arc<dyn Bytes>,
        end: u64,
        wanted: Wanted,
        spill: &Spill,
    ) -> io::Result<Arc<dyn Bytes>> {
        let unsupported = |what: String| io::Error::new(io::ErrorKind::Unsupported, what);
        if self.is_encrypted() {
            let what = "it is encrypted; unpack the archive with its password and give the folder";
            return Err(unsupported(what.to_owned()));
        }
        let start = self.data_at(&**bytes)?.min(end);
        let there = self.packed_size.min(end - start);
        let Some(coding) = self.coding() else {
            if self.method != 0 {
                let name = method_name(self.method);
                let what = format!(
                    "compression method {} ({name}) is not read; unpack the archive and give the folder",
                    self.method
                );
                return Err(unsupported(what));
            }
            return self.stored(bytes, start, there, wanted);
        };
        let packing = Packing::Bare { coding, size: self.size, crc: self.crc };
        let inflating = Inflating::member(bytes.clone(), start, there, packing, spill);
        let inflating: Arc<dyn Bytes> = if wanted == Wanted::All && self.possible_size() <= IN_MEMORY {
            Arc::new(Kept::read(&inflating)?)
        } else {
            Arc::new(inflating)
        };
        Ok(self.marked(inflating))
    }

    fn stored(&self, bytes: &Arc<dyn Bytes>, start: u64, there: u64, wanted: Wanted) -> io::Result<Arc<dyn Bytes>> {
        let odd = (self.size != self.packed_size)
            .then(|| format!("its two lengths differ: {} and {} bytes", self.packed_size, self.size));
        let crc = Mutex::new((0, flate2::Crc::new()));
        let stored = Stored {
            bytes: bytes.clone(),
            start,
            there,
            size: self.size.max(self.packed_size),
            stated: self.crc,
            crc,
            odd,
        };
        let stored: Arc<dyn Bytes> = if wanted == Wanted::All && stored.size <= IN_MEMORY {
            Arc::new(Kept::read(&stored)?)
        } else {
            Arc::new(stored)
        };
        Ok(self.marked(stored))
    }

    fn marked(&self, bytes: Arc<dyn Bytes>) -> Arc<dyn Bytes> {
        if self.is_cut { Arc::new(Cut(bytes)) } else { bytes }
    }
}

/// An entry that is not packed, read where it lies.
struct Stored {
    bytes: Arc<dyn Bytes>,
    start: u64,
    /// Bytes of it that the archive has.
    there: u64,
    size: u64,
    stated: u32,
    /// The checksum of what was read in order so far, and how far that was.
    crc: Mutex<(u64, flate2::Crc)>,
    odd: Option<String>,
}

impl Bytes for Stored {
    fn len(&self) -> u64 {
        self.size
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.there.saturating_sub(offset)).unwrap_or(usize::MAX);
        let wanted = left.min(buffer.len());
        if wanted == 0 {
            return Ok(0);
        }
        let read = self.bytes.read_at(self.start + offset, &mut buffer[..wanted])?;
        let mut crc = self.crc.lock().unwrap_or_else(PoisonError::into_inner);
        if crc.0 == offset {
            crc.1.update(&buffer[..read]);
            crc.0 += read as u64;
        }
        Ok(read)
    }

    fn flaw(&self) -> Option<String> {
        let crc = self.crc.lock().unwrap_or_else(PoisonError::into_inner);
        let wrong = (crc.0 == self.size && crc.1.sum() != self.stated).then(|| mismatch(crc.1.sum(), self.stated));
        let early =
            (self.there < self.size).then(|| format!("the archive has {} of its {} bytes", self.there, self.size));
        let flaws: Vec<String> = [wrong, early, self.odd.clone()].into_iter().flatten().collect();
        (!flaws.is_empty()).then(|| flaws.join("; "))
    }
}

/// A short entry in memory: the bytes, what came behind them, and what is wrong.
struct Kept {
    bytes: Vec<u8>,
    length: u64,
    error: Option<(io::ErrorKind, String)>,
    flaw: Option<String>,
}

impl Kept {
    fn read(from: &dyn Bytes) -> io::Result<Self> {
        let length = from.len();
        let mut kept = Kept { bytes: Vec::new(), length, error: None, flaw: None };
        let mut block = vec![0; (1 << 16).min(usize::try_from(length).unwrap_or(1 << 16).max(1))];
        while (kept.bytes.len() as u64) < length {
            match from.read_at(kept.bytes.len() as u64, &mut block) {
                Ok(0) => break,
                Ok(read) => kept.bytes.extend_from_slice(&block[..read]),
                Err(error) => {
                    kept.error = Some((error.kind(), error.to_string()));
                    break;
                }
            }
        }
        kept.flaw = from.flaw();
        Ok(kept)
    }
}

impl Bytes for Kept {
    fn len(&self) -> u64 {
        self.length
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        match (&self.error, self.bytes.read_at(offset, buffer)?) {
            (Some((kind, what)), 0) if offset < self.length && !buffer.is_empty() => {
                Err(io::Error::new(*kind, what.clone()))
            }
            (_, read) => Ok(read),
        }
    }

    fn as_slice(&self) -> Option<&[u8]> {
        (self.bytes.len() as u64 == self.length).then_some(&self.bytes)
    }

    fn flaw(&self) -> Option<String> {
        self.flaw.clone()
    }
}

/// An entry that the archive's end cuts.
struct Cut(Arc<dyn Bytes>);

impl Bytes for Cut {
    fn len(&self) -> u64 {
        self.0.len()
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read_at(offset, buffer)
    }

    fn flaw(&self) -> Option<String> {
        let cut = "the archive has lost the end of it, so its length and checksum are not known".to_owned();
        Some(self.0.flaw().map_or(cut.clone(), |flaw| format!("{cut}; {flaw}")))
    }
}
