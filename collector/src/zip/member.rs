//! The content of an entry at any offset, and as much of it as is there where the entry is damaged.

use super::central::{Entry, LOCAL_HEADER, damaged, extra_fields, hash_of};
use super::inflate::Coding;
use super::inflating::{Inflating, Packing, mismatch};
use super::names::{self, Unflagged};
use crate::file_bytes::{Doubtful, within};
use crate::spill::Spill;
use evidence::Bytes;
use evidence::le::{u16_or_0, u32_or_0, u64_or_0};
use parking_lot::Mutex;
use std::io;
use std::ops::Range;
use std::sync::Arc;

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

/// What stands in the place of a length that is in the field of ZIP64.
const IN_ZIP64: u64 = 0xFFFF_FFFF;

/// What the local header of an entry says of it.
struct Local {
    /// Where its packed bytes begin.
    data_at: u64,
    size: u64,
    packed: u64,
    crc: u32,
    /// Lengths and checksum do not follow behind the data.
    is_final: bool,
}

/// The archive around an entry.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Around {
    /// Where the entry has to end: where the next one begins, or the directory.
    pub(crate) end: u64,
    /// The directory is one that the local headers gave, which cannot contradict them.
    pub(crate) is_rebuilt: bool,
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
        if self.is_lost {
            return Ok(None);
        }
        let mut header = vec![0; 30 + usize::try_from(self.raw_name_length).map_err(io::Error::other)?];
        let read = bytes.read_full_at(self.header_offset, &mut header)?;
        header.truncate(read);
        if read < 30 || u32_or_0(&header, 0) != LOCAL_HEADER {
            return Ok(None);
        }
        let length = usize::from(u16_or_0(&header, 26));
        if header.len() < 30 + length {
            let known = header.len();
            header.resize(30 + length, 0);
            let more = bytes.read_full_at(self.header_offset + known as u64, &mut header[known..])?;
            header.truncate(known + more);
        }
        let raw = header.get(30..30 + length).unwrap_or_default();
        let is_other = !raw.is_empty() && hash_of(raw) != self.raw_name_hash;
        Ok(is_other.then(|| names::decode(raw, u16_or_0(&header, 6), &[], unflagged)))
    }

    /// The length for a listing. What is stated to be empty is looked at more closely, since it would be passed over.
    pub(crate) fn listed_size(&self, bytes: &dyn Bytes) -> u64 {
        if self.size > 0 || self.is_folder() {
            return self.possible_size();
        }
        let Ok(local) = self.local(bytes) else { return 0 };
        let packed = self.packed_size.max(local.packed);
        match self.coding() {
            // The shortest stream, that of nothing, has two bytes.
            Some(_) if packed <= 2 => 0,
            Some(coding) => local.size.max(packed).min(coding.most(packed)),
            None => packed,
        }
    }

    /// Whether its own header, with its name, is where the directory points.
    pub(crate) fn has_header(&self, bytes: &dyn Bytes) -> bool {
        let mut magic = [0; 4];
        let is_there = !self.is_lost && bytes.read_full_at(self.header_offset, &mut magic).is_ok_and(|read| read == 4);
        is_there
            && u32_or_0(&magic, 0) == LOCAL_HEADER
            && self.other_name(bytes, Unflagged::Utf8).is_ok_and(|other| other.is_none())
    }

    /// What its local header says.
    fn local(&self, bytes: &dyn Bytes) -> io::Result<Local> {
        if self.is_lost {
            return Err(damaged("it lay at the beginning of the archive, which is lost"));
        }
        let mut header = [0; 30];
        if bytes.read_full_at(self.header_offset, &mut header)? != 30 {
            return Err(damaged("the archive ends before it"));
        }
        let name_length = u16_or_0(&header, 26);
        if u32_or_0(&header, 0) != LOCAL_HEADER {
            // A local header with a wrong bit is still known by the name behind it.
            let mut name = vec![0; usize::from(name_length)];
            let read = bytes.read_full_at(self.header_offset + 30, &mut name)?;
            if hash_of(&name[..read]) != self.raw_name_hash {
                return Err(damaged("no local header where the directory points"));
            }
        }
        let names = u64::from(name_length) + u64::from(u16_or_0(&header, 28));
        let mut local = Local {
            data_at: self.header_offset + 30 + names,
            size: u64::from(u32_or_0(&header, 22)),
            packed: u64::from(u32_or_0(&header, 18)),
            crc: u32_or_0(&header, 14),
            is_final: u16_or_0(&header, 6) & 8 == 0,
        };
        if local.size == IN_ZIP64 || local.packed == IN_ZIP64 {
            let mut extra = vec![0; usize::from(u16_or_0(&header, 28))];
            let read = bytes.read_full_at(self.header_offset + 30 + u64::from(name_length), &mut extra)?;
            if let Some((_, content)) = extra_fields(&extra[..read]).into_iter().find(|(id, _)| *id == 1) {
                let mut at = 0;
                for value in [&mut local.size, &mut local.packed] {
                    if *value == IN_ZIP64 && content.len() >= at + 8 {
                        *value = u64_or_0(content, at);
                        at += 8;
                    }
                }
            }
        }
        Ok(local)
    }

    /// In what its local header contradicts the directory.
    fn contradiction(&self, local: &Local) -> Option<String> {
        let crc = |crc: u32| format!("CRC-32 {crc:08X}");
        let differing: Vec<(String, String)> =
            [(local.size, self.size, "length of"), (local.packed, self.packed_size, "packed length of")]
                .into_iter()
                // Where the lengths stand behind the data, they can be missing in front of it.
                .filter(|(own, stated, _)| own != stated && (local.is_final || *own != 0))
                .map(|(own, stated, what)| (format!("{what} {own} bytes"), format!("{stated}")))
                .chain(
                    (local.crc != self.crc && (local.is_final || local.crc != 0))
                        .then(|| (crc(local.crc), crc(self.crc))),
                )
                .collect();
        let said: Vec<String> = differing
            .iter()
            .map(|(own, stated)| format!("its own header states a {own}, the directory {stated}"))
            .collect();
        (!said.is_empty()).then(|| said.join("; "))
    }

    /// Its content. What is wrong with it, its CRC-32 included, is known once all of it was read ([`Bytes::flaw`]); the
    /// bytes before are what they are.
    pub(crate) fn content(
        &self,
        bytes: &Arc<dyn Bytes>,
        around: Around,
        wanted: Wanted,
        spill: &Spill,
    ) -> io::Result<Arc<dyn Bytes>> {
        let unsupported = |what: String| io::Error::new(io::ErrorKind::Unsupported, what);
        if self.is_encrypted() {
            let what = "it is encrypted; unpack the archive with its password and give the folder";
            return Err(unsupported(what.to_owned()));
        }
        let local = self.local(&**bytes)?;
        let start = local.data_at.min(around.end);
        let said = if around.is_rebuilt { None } else { self.contradiction(&local) };
        // Of two lengths the greater is read, as far as no other entry begins; a stream ends by itself.
        let packed = if said.is_some() { self.packed_size.max(local.packed) } else { self.packed_size };
        let range = start..start + packed.min(around.end - start);
        let Some(coding) = self.coding() else {
            if self.method != 0 {
                let name = method_name(self.method);
                let what = format!(
                    "compression method {} ({name}) is not read; unpack the archive and give the folder",
                    self.method
                );
                return Err(unsupported(what));
            }
            let content = self.stored(bytes, range, packed, wanted)?;
            return Ok(self.marked(content, said));
        };
        let packing = Packing::Bare { coding, size: self.size, packed: self.packed_size, crc: self.crc };
        let member = |length| Inflating::member(bytes.clone(), range.clone(), packing, length, spill);
        if wanted == Wanted::Beginning {
            return Ok(Arc::new(member(coding.most(packed))));
        }
        let possible = self.size.min(coding.most(packed));
        // One byte more than is kept shows that what is stated to be short is not.
        let kept = if possible <= IN_MEMORY { Some(Kept::read(&member(IN_MEMORY + 1), possible)?) } else { None };
        let content: Arc<dyn Bytes> = match kept {
            Some(kept) if kept.bytes.len() as u64 <= IN_MEMORY => Arc::new(kept),
            None if said.is_none() && possible == self.size => Arc::new(member(possible)),
            _ => Arc::new(Inflating::measured(bytes.clone(), range.clone(), packing, spill)),
        };
        Ok(self.marked(content, said))
    }

    fn stored(
        &self,
        bytes: &Arc<dyn Bytes>,
        range: Range<u64>,
        packed: u64,
        wanted: Wanted,
    ) -> io::Result<Arc<dyn Bytes>> {
        let odd = (self.size != self.packed_size)
            .then(|| format!("its two lengths differ: {} and {} bytes", self.packed_size, self.size));
        let crc = Mutex::new((0, flate2::Crc::new()));
        let stored = Stored {
            bytes: bytes.clone(),
            start: range.start,
            there: range.end - range.start,
            size: self.size.max(packed),
            stated: self.crc,
            crc,
            odd,
        };
        Ok(if wanted == Wanted::All && stored.size <= IN_MEMORY {
            Arc::new(Kept::read(&stored, stored.size)?)
        } else {
            Arc::new(stored)
        })
    }

    /// The content with what else speaks against it.
    fn marked(&self, bytes: Arc<dyn Bytes>, said: Option<String>) -> Arc<dyn Bytes> {
        const CUT: &str = "the archive has lost the end of it, so its length and checksum are not known";
        let against: Vec<String> = self.is_cut.then(|| CUT.to_owned()).into_iter().chain(said).collect();
        if against.is_empty() { bytes } else { Arc::new(Doubtful { bytes, against: against.join("; ") }) }
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
        let buffer = within(self.there, offset, buffer);
        if buffer.is_empty() {
            return Ok(0);
        }
        let read = self.bytes.read_at(self.start + offset, buffer)?;
        let mut crc = self.crc.lock();
        if crc.0 == offset {
            crc.1.update(&buffer[..read]);
            crc.0 += read as u64;
        }
        Ok(read)
    }

    fn flaw(&self) -> Option<String> {
        let crc = self.crc.lock();
        let wrong = (crc.0 == self.size && crc.1.sum() != self.stated).then(|| mismatch(crc.1.sum(), self.stated));
        let early =
            (self.there < self.size).then(|| format!("the archive has {} of its {} bytes", self.there, self.size));
        let flaws: Vec<String> = [wrong, early, self.odd.clone()].into_iter().flatten().collect();
        (!flaws.is_empty()).then(|| flaws.join("; "))
    }

    fn check(&self) -> Option<String> {
        let mut block = vec![0; 1 << 20];
        loop {
            let summed = self.crc.lock().0;
            match self.read_at(summed, &mut block) {
                Ok(0) => return self.flaw(),
                Ok(_) => {}
                Err(error) => return Some(format!("its CRC-32 cannot be compared: {error}")),
            }
        }
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
    /// Reads to the end. Where that comes too early, it is still as long as is stated.
    fn read(from: &dyn Bytes, stated: u64) -> io::Result<Self> {
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
        kept.length = stated.max(kept.bytes.len() as u64);
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
