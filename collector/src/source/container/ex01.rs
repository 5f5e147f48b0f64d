//! Ex01 images: the second version of the Expert Witness Compression Format, which EnCase 7 and later write.
//!
//! Nothing of it grows with the image: what a chunk needs is read from the tables when it is asked for. A table says which
//! chunk is its first, so that a lost segment file moves no other chunk.
//!
//! ```text
//! file        header 32 bytes · sections
//! section     data · padding · descriptor 64 bytes, which names the descriptor before it
//! table       header 32 bytes · entries of 16 bytes · checksum
//! ```
//!
//! Reference: Joachim Metz, "Expert Witness Compression Format version 2", libewf documentation.

use super::ewf::chunks::{self, Broken, Cache, Flaw, MOST_CHUNK, Recorder};
use super::ewf::segment::SegmentFile;
use evidence::{Bytes, Problem, ProblemKind, Stage};
use md5::{Digest, Md5};
use std::io::{self, Read};
use std::sync::Arc;

/// What begins a segment file.
pub(super) const SIGNATURE: &[u8; 8] = b"EVF2\x0d\x0a\x81\x00";

const HEADER_SIZE: u64 = 32;
const DESCRIPTOR_SIZE: usize = 64;
const TABLE_HEADER_SIZE: u64 = 32;
const ENTRY_SIZE: u64 = 16;

/// Sizes of what is read whole; the texts of a case take some hundred bytes.
const MOST_TEXT: u64 = 1 << 20;
/// Most sections of a segment file.
const MOST_SECTIONS: usize = 1 << 16;
/// Most unreadable places that are named one by one.
const MOST_ERRORS: u32 = 100;

mod section {
    pub(super) const DEVICE_INFORMATION: u32 = 1;
    pub(super) const CASE_DATA: u32 = 2;
    pub(super) const SECTOR_TABLE: u32 = 4;
    pub(super) const ERROR_TABLE: u32 = 5;
    pub(super) const MD5: u32 = 8;
    pub(super) const SHA1: u32 = 9;
    pub(super) const DONE: u32 = 15;
}

/// Data flag of a section: its descriptor has the MD5 of its data.
const HASHED: u32 = 1;
/// Data flag of a section: its data is encrypted.
const ENCRYPTED: u32 = 2;

mod chunk {
    pub(super) const COMPRESSED: u32 = 1;
    pub(super) const CHECKSUM: u32 = 2;
    pub(super) const PATTERN: u32 = 4;
}

/// How the chunks are compressed.
fn method(number: u16) -> Result<chunks::Method, String> {
    match number {
        // Without compression there can still be chunks that are, which are deflated then.
        0 | 1 => Ok(chunks::Method::Zlib),
        2 => Ok(chunks::Method::Bzip2),
        other => Err(format!("its chunks are compressed by an unknown method ({other})")),
    }
}

/// A part of the chunks: where their entries stand.
struct Table {
    first_chunk: u64,
    entries: u64,
    segment: usize,
    offset: u64,
    /// Whether its entries have their checksum.
    is_sound: bool,
}

/// An opened image.
pub(super) struct Ex01 {
    segments: Vec<SegmentFile>,
    method: chunks::Method,
    /// In the order of their chunks.
    tables: Vec<Table>,
    chunk_size: u64,
    size: u64,
    cache: Cache,
    recorder: Arc<Recorder>,
}

/// What else the image says.
pub(super) struct About {
    pub(super) facts: Vec<(String, String)>,
    pub(super) problems: Vec<Problem>,
    pub(super) recorder: Arc<Recorder>,
}

fn le32(bytes: &[u8], at: usize) -> u32 {
    bytes.get(at..).and_then(<[u8]>::first_chunk).map_or(0, |number| u32::from_le_bytes(*number))
}

fn le64(bytes: &[u8], at: usize) -> u64 {
    bytes.get(at..).and_then(<[u8]>::first_chunk).map_or(0, |number| u64::from_le_bytes(*number))
}

fn exactly<const N: usize>(file: &dyn Bytes, offset: u64) -> Result<[u8; N], String> {
    let mut bytes = [0; N];
    match file.read_full_at(offset, &mut bytes) {
        Ok(read) if read == N => Ok(bytes),
        Ok(_) => Err(format!("it ends at offset {offset:#x}, in the middle of a structure")),
        Err(error) => Err(format!("{N} bytes at offset {offset:#x} could not be read: {error}")),
    }
}

struct Segment {
    file: SegmentFile,
    number: u32,
    method: u16,
    set: [u8; 16],
}

impl Segment {
    fn open(file: SegmentFile) -> Result<Self, String> {
        let header: [u8; HEADER_SIZE as usize] =
            exactly(&file, 0).map_err(|error| format!("segment file {}: {error}", file.name))?;
        if !header.starts_with(SIGNATURE) {
            return Err(format!("segment file {} does not begin as one does", file.name));
        }
        let number = le32(&header, 12);
        if let Some(by_name) = file.by_name.filter(|by_name| *by_name != number) {
            return Err(format!(
                "{} is segment {by_name} by its name, but says that it is segment {number}",
                file.name
            ));
        }
        let mut set = [0; 16];
        set.copy_from_slice(&header[16..]);
        let method = u16::from_le_bytes([header[10], header[11]]);
        Ok(Segment { file, number, method, set })
    }

    fn words(&self) -> String {
        format!("segment {} ({})", self.number, self.file.name)
    }

    /// Where the sections stand, first to last, and why some are missing. Each descriptor follows its data and names the
    /// one before, so the last one is found at the end of the file.
    fn sections(&self) -> (Vec<Section>, Result<(), String>) {
        let mut sections = Vec::new();
        let done = self.chain(&mut sections);
        sections.reverse();
        (sections, done)
    }

    fn chain(&self, sections: &mut Vec<Section>) -> Result<(), String> {
        let mut end = self.file.len();
        while let Some(at) = end.checked_sub(DESCRIPTOR_SIZE as u64).filter(|at| *at >= HEADER_SIZE) {
            let descriptor: [u8; DESCRIPTOR_SIZE] = exactly(&self.file, at)?;
            if adler2::adler32_slice(&descriptor[..60]) != le32(&descriptor, 60) {
                return Err(format!(
                    "the section descriptor at offset {at:#x} is damaged, or the file was cut off before it was complete"
                ));
            }
            let before = le64(&descriptor, 8);
            // The chain only ever leads back, and sections do not overlap, so that all of it is read at most once.
            let start = if before == 0 { HEADER_SIZE } else { before.saturating_add(DESCRIPTOR_SIZE as u64) };
            let size = le64(&descriptor, 16);
            let Some(offset) = at.checked_sub(size).filter(|offset| *offset >= start) else {
                return Err(format!("the section before offset {at:#x} overlaps another"));
            };
            if sections.len() >= MOST_SECTIONS {
                return Err(format!("it has more than {MOST_SECTIONS} sections"));
            }
            let (kind, flags) = (le32(&descriptor, 0), le32(&descriptor, 4));
            let md5 = (flags & HASHED != 0).then(|| descriptor[32..].first_chunk().copied()).flatten();
            sections.push(Section { kind, flags, offset, size, md5 });
            if before == 0 {
                return Ok(());
            }
            end = start;
        }
        Err("its first section is missing".to_owned())
    }
}

struct Section {
    kind: u32,
    flags: u32,
    offset: u64,
    size: u64,
    /// Of its data, where it is recorded.
    md5: Option<[u8; 16]>,
}

/// The columns of a section of text: UTF-16 in lines, of which the third has names and the fourth values. `None` where it
/// is damaged.
fn columns(file: &dyn Bytes, section: &Section) -> Option<Vec<(String, String)>> {
    let mut stored = vec![0; usize::try_from(section.size.min(MOST_TEXT)).ok()?];
    let read = file.read_full_at(section.offset, &mut stored).ok()?;
    stored.truncate(read);
    if section.md5.is_some_and(|md5| <[u8; 16]>::from(Md5::digest(&stored)) != md5) {
        return None;
    }
    let mut bytes = Vec::new();
    if stored.starts_with(&[0xFF, 0xFE]) {
        // Small texts stand uncompressed.
        bytes = stored;
    } else {
        flate2::read::ZlibDecoder::new(&*stored).take(MOST_TEXT).read_to_end(&mut bytes).ok()?;
    }
    let units = bytes.chunks_exact(2).map(|pair| u16::from_le_bytes([pair[0], pair[1]]));
    let text: String = char::decode_utf16(units).map(|unit| unit.unwrap_or(char::REPLACEMENT_CHARACTER)).collect();
    let mut lines = text.trim_start_matches('\u{feff}').lines().skip(2);
    let (names, values) = (lines.next()?, lines.next()?);
    Some(names.split('\t').zip(values.split('\t')).map(|(name, value)| (name.to_owned(), value.to_owned())).collect())
}

/// What the sections say, as they are read.
struct Reading {
    /// The image, for problems.
    image: String,
    facts: Vec<(String, String)>,
    problems: Vec<Problem>,
    sectors: u64,
    /// Of a chunk; 0 until the case data says it.
    sectors_per_chunk: u64,
    /// 0 until the device information says it.
    sector_size: u64,
    tables: Vec<Table>,
}

impl Reading {
    fn problem(&mut self, kind: ProblemKind, what: String, effect: &str) {
        self.problems.push(Problem::new(Stage::Source, kind, self.image.clone(), what, effect));
    }

    fn fact(&mut self, name: &str, value: String) {
        if !value.is_empty() && !self.facts.iter().any(|(there, _)| there == name) {
            self.facts.push((name.to_owned(), value));
        }
    }

    fn section(&mut self, index: usize, segment: &Segment, section: &Section) -> Result<(), String> {
        let file: &dyn Bytes = &segment.file;
        match section.kind {
            section::DEVICE_INFORMATION => {
                for (name, value) in columns(file, section).ok_or("the device information is damaged")? {
                    match &*name {
                        "ts" => self.sectors = value.parse().unwrap_or(self.sectors),
                        "bp" => self.sector_size = value.parse().unwrap_or(self.sector_size),
                        "sn" => self.fact("serial number of the drive", value),
                        "md" => self.fact("model of the drive", value),
                        _ => {}
                    }
                }
            }
            section::CASE_DATA => {
                for (name, value) in columns(file, section).ok_or("the case data is damaged")? {
                    match &*name {
                        "nm" => self.fact("description", value),
                        "cn" => self.fact("case number", value),
                        "en" => self.fact("evidence number", value),
                        "ex" => self.fact("examiner", value),
                        "nt" => self.fact("notes", value),
                        "av" => self.fact("acquisition software", value),
                        "os" => self.fact("acquisition system", value),
                        "at" => self.fact("acquisition date, seconds since 1970", value),
                        "tt" => self.fact("system date, seconds since 1970", value),
                        "sb" => self.sectors_per_chunk = value.parse().unwrap_or(self.sectors_per_chunk),
                        _ => {}
                    }
                }
            }
            section::SECTOR_TABLE => self.table(index, segment, section)?,
            section::ERROR_TABLE => {
                let header: [u8; TABLE_HEADER_SIZE as usize] = exactly(file, section.offset)?;
                for at in 0..u64::from(le32(&header, 0).min(MOST_ERRORS)) {
                    let entry: [u8; ENTRY_SIZE as usize] =
                        exactly(file, section.offset + TABLE_HEADER_SIZE + at * ENTRY_SIZE)?;
                    let (sectors, first) = (le32(&entry, 8), le64(&entry, 0));
                    let what =
                        format!("{sectors} sectors from sector {first} on could not be read when the image was made");
                    let effect = "they are zeros in the image; files that are there are damaged";
                    self.problem(ProblemKind::ReadFailed, what, effect);
                }
            }
            section::MD5 => self.digest("stored MD5", &exactly::<20>(file, section.offset)?)?,
            section::SHA1 => self.digest("stored SHA-1", &exactly::<24>(file, section.offset)?)?,
            _ => {}
        }
        Ok(())
    }

    /// A digest with the checksum behind it.
    fn digest(&mut self, name: &str, stored: &[u8]) -> Result<(), String> {
        let sound = stored
            .split_last_chunk::<4>()
            .filter(|(digest, sum)| adler2::adler32_slice(digest) == u32::from_le_bytes(**sum));
        let (digest, _) = sound.ok_or_else(|| format!("the {name} does not have its checksum"))?;
        self.fact(name, evidence::hex(digest));
        Ok(())
    }

    fn table(&mut self, index: usize, segment: &Segment, section: &Section) -> Result<(), String> {
        let file: &dyn Bytes = &segment.file;
        let header: [u8; TABLE_HEADER_SIZE as usize] = exactly(file, section.offset)?;
        let place = format!("the table of chunks at offset {:#x}", section.offset);
        if adler2::adler32_slice(&header[..16]) != le32(&header, 16) {
            return Err(format!("the header of {place} does not have its checksum"));
        }
        let entries = u64::from(le32(&header, 8));
        let offset = section.offset + TABLE_HEADER_SIZE;
        let mut table = Table { first_chunk: le64(&header, 0), entries, segment: index, offset, is_sound: false };
        if section.size < TABLE_HEADER_SIZE + entries * ENTRY_SIZE {
            return Err(format!("{place} ends early"));
        }
        table.is_sound = table.has_its_checksum(file, section);
        if !table.is_sound {
            let what = format!("{}: {place} does not have its checksum", segment.words());
            let kind = ProblemKind::BadChecksum { offset: section.offset };
            self.problem(
                kind,
                what,
                "its chunks cannot be read; they are zeros in what is collected, which is then partial",
            );
        }
        self.tables.push(table);
        Ok(())
    }

    /// Reads what the segment files say, in the order of their numbers.
    fn all(&mut self, segments: &[Segment]) -> Result<(), String> {
        let lost = "what is in it cannot be read";
        let (mut number, mut last) = (0u32, 0);
        for (index, segment) in segments.iter().enumerate() {
            let name = segment.words();
            if segment.number > number.saturating_add(1) {
                let what = match (number.saturating_add(1), segment.number - 1) {
                    (from, to) if from == to => format!("segment {from} is missing or not used"),
                    (from, to) => format!("segments {from} to {to} are missing or not used"),
                };
                self.problem(ProblemKind::ReadFailed, what, "what is in missing segments cannot be read");
            }
            number = segment.number;
            let (sections, done) = segment.sections();
            if let Err(why) = done {
                self.problem(ProblemKind::ReadFailed, format!("{name}: {why}"), lost);
            }
            for section in &sections {
                if section.flags & ENCRYPTED != 0 {
                    return Err(format!("{name} is encrypted; decrypt it with the program that made it"));
                }
                if let Err(why) = self.section(index, segment, section) {
                    self.problem(ProblemKind::BadChecksum { offset: section.offset }, format!("{name}: {why}"), lost);
                }
            }
            last = sections.last().map_or(0, |section| section.kind);
        }
        if last != section::DONE {
            let what = "the last segment file that is there is not the last one of the image".to_owned();
            self.problem(ProblemKind::ReadFailed, what, "what is in the missing segments cannot be read");
        }
        Ok(())
    }
}

impl Ex01 {
    /// Opens an image from its segment files, in any order.
    pub(super) fn open(files: Vec<SegmentFile>, image: String) -> Result<(Self, About), String> {
        let mut reading = Reading {
            image,
            facts: Vec::new(),
            problems: Vec::new(),
            sectors: 0,
            sectors_per_chunk: 0,
            sector_size: 0,
            tables: Vec::new(),
        };
        let unused = "it is not used; what is in it cannot be read";
        let mut segments = Vec::new();
        for file in files {
            match Segment::open(file) {
                Ok(segment) => segments.push(segment),
                Err(why) => reading.problem(ProblemKind::NotUnderstood, why, unused),
            }
        }
        segments.sort_by_key(|segment| segment.number);
        let why = |reading: &Reading| reading.problems.first().map(|first| first.what.clone()).unwrap_or_default();
        let Some(first) = segments.first() else { return Err(format!("there is no segment file: {}", why(&reading))) };
        let (set, method) = (first.set, method(first.method)?);
        segments.retain(|segment| {
            if segment.set != set {
                let what = format!("{} is a segment of another image", segment.words());
                reading.problem(ProblemKind::NotUnderstood, what, unused);
            }
            segment.set == set
        });
        reading.fact("segments", segments.len().to_string());
        reading.all(&segments)?;
        let Reading { sectors, sectors_per_chunk, sector_size, .. } = reading;
        if sectors_per_chunk == 0 || sector_size == 0 {
            return Err(format!("nothing says how it is divided into chunks: {}", why(&reading)));
        }
        let chunk_size = sectors_per_chunk.saturating_mul(sector_size);
        if chunk_size > MOST_CHUNK {
            return Err(format!("it has chunks of {sectors_per_chunk} sectors of {sector_size} bytes"));
        }
        reading.tables.sort_by_key(|table| table.first_chunk);
        let chunks = reading.tables.last().map_or(0, |table| table.first_chunk.saturating_add(table.entries));
        let described = chunks.saturating_mul(chunk_size);
        // Half of what a number can hold, so that places near the end can be reckoned with.
        let size = if sectors == 0 { described } else { sectors.saturating_mul(sector_size) }.min(u64::MAX / 2);
        if described < size {
            reading.problem(
                ProblemKind::Truncated { offset: described, expected: size - described, actual: 0 },
                "its tables describe fewer sectors than it says it has".to_owned(),
                "nothing in the missing part can be read; a segment file may be missing, or the copy be cut off",
            );
        }
        let words = segments.iter().map(Segment::words).collect();
        let recorder = Arc::new(Recorder::new(reading.image, words, chunk_size, method));
        let image = Ex01 {
            segments: segments.into_iter().map(|segment| segment.file).collect(),
            method,
            tables: reading.tables,
            chunk_size,
            size,
            cache: Cache::new(chunk_size),
            recorder: recorder.clone(),
        };
        Ok((image, About { facts: reading.facts, problems: reading.problems, recorder }))
    }

    /// A decompressed chunk.
    fn chunk(&self, number: u64) -> Result<Arc<Vec<u8>>, Broken> {
        let before = self.tables.partition_point(|table| table.first_chunk <= number);
        let table = before.checked_sub(1).map(|index| &self.tables[index]);
        let Some(table) = table.filter(|table| number - table.first_chunk < table.entries) else {
            return Err(Broken::new(Flaw::Absent, format!("chunk {number} of the image is in none of its tables")));
        };
        self.cache.get(number, || {
            let read = self.read_chunk(table, number);
            read.map_err(|broken| self.recorder.broken(table.segment, number, broken))
        })
    }

    fn read_chunk(&self, table: &Table, number: u64) -> Result<Vec<u8>, Broken> {
        if !table.is_sound {
            return Err(Broken::new(Flaw::Table, format!("the table of chunk {number} does not have its checksum")));
        }
        let file: &dyn Bytes = &self.segments[table.segment];
        let at = table.offset + (number - table.first_chunk) * ENTRY_SIZE;
        let entry: [u8; ENTRY_SIZE as usize] = exactly(file, at).map_err(|why| Broken::new(Flaw::Read, why))?;
        let (offset, stored, flags) = (le64(&entry, 0), u64::from(le32(&entry, 8)), le32(&entry, 12));
        let wanted = self.chunk_size.min(self.size - number * self.chunk_size);
        if flags & chunk::COMPRESSED != 0 && flags & chunk::PATTERN != 0 {
            // The place of the data holds the pattern itself.
            return Ok(entry[..8].iter().copied().cycle().take(wanted as usize).collect());
        }
        // Compression makes no chunk twice as long.
        if stored > 2 * self.chunk_size + 64 {
            return Err(Broken::new(Flaw::Length, format!("chunk {number} is longer than a chunk can be")));
        }
        if offset.checked_add(stored).is_none_or(|end| end > file.len()) {
            return Err(Broken::new(Flaw::Cut, format!("chunk {number} lies beyond the end of its segment file")));
        }
        let mut data = vec![0; stored as usize];
        if file.read_full_at(offset, &mut data).map_err(|error| Broken::read(&error))? < data.len() {
            return Err(Broken::new(Flaw::Cut, format!("chunk {number} lies beyond the end of its segment file")));
        }
        if flags & chunk::COMPRESSED != 0 {
            data = chunks::decompress(self.method, &data, self.chunk_size, number)?;
        } else if flags & chunk::CHECKSUM != 0 {
            data = chunks::stored(data, number)?;
        }
        let length = data.len() as u64;
        // Only the last chunk can be shorter.
        if length != self.chunk_size && !(length >= wanted && wanted < self.chunk_size) {
            return Err(Broken::new(
                Flaw::Length,
                format!("chunk {number} has {length} bytes instead of {}", self.chunk_size),
            ));
        }
        data.truncate(wanted as usize);
        Ok(data)
    }
}

impl Table {
    /// Whether the entries have the checksum that follows them.
    fn has_its_checksum(&self, file: &dyn Bytes, section: &Section) -> bool {
        let length = self.entries * ENTRY_SIZE;
        if TABLE_HEADER_SIZE + length + 4 > section.size {
            return false;
        }
        let mut sum = adler2::Adler32::new();
        let mut block = vec![0; length.min(1 << 20) as usize];
        let mut done = 0;
        while done < length {
            let wanted = block.len().min((length - done) as usize);
            match file.read_full_at(self.offset + done, &mut block[..wanted]) {
                Ok(read) if read == wanted => sum.write_slice(&block[..wanted]),
                _ => return false,
            }
            done += wanted as u64;
        }
        exactly::<4>(file, self.offset + length).is_ok_and(|stored| sum.checksum() == u32::from_le_bytes(stored))
    }
}

impl Bytes for Ex01 {
    fn len(&self) -> u64 {
        self.size
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        if offset >= self.size || buffer.is_empty() {
            return Ok(0);
        }
        let chunk = self.chunk(offset / self.chunk_size)?;
        let rest = chunk.get((offset % self.chunk_size) as usize..).unwrap_or_default();
        let count = rest.len().min(buffer.len());
        buffer[..count].copy_from_slice(&rest[..count]);
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    const SECTORS: u64 = 5;
    const CHUNK: usize = 1024;

    /// Two chunks of two sectors and one of one sector.
    fn content() -> Vec<u8> {
        let mut bytes: Vec<u8> = (0..CHUNK).map(|at| (at % 251) as u8).collect();
        bytes.extend(b"pattern!".iter().cycle().take(CHUNK));
        bytes.extend([7; 512]);
        bytes
    }

    /// Appends a section and gives the place of its descriptor.
    fn section(out: &mut Vec<u8>, kind: u32, flags: u32, data: &[u8], before: u64) -> u64 {
        out.extend_from_slice(data);
        let at = out.len() as u64;
        let mut descriptor = vec![0; 60];
        descriptor[..4].copy_from_slice(&kind.to_le_bytes());
        descriptor[4..8].copy_from_slice(&flags.to_le_bytes());
        descriptor[8..16].copy_from_slice(&before.to_le_bytes());
        descriptor[16..24].copy_from_slice(&(data.len() as u64).to_le_bytes());
        descriptor[24] = 64;
        out.extend_from_slice(&descriptor);
        out.extend_from_slice(&adler2::adler32_slice(&descriptor).to_le_bytes());
        at
    }

    fn text(names: &str, values: &str) -> Vec<u8> {
        let text = format!("\u{feff}1\nmain\n{names}\n{values}\n\n");
        text.encode_utf16().flat_map(u16::to_le_bytes).collect()
    }

    fn zlib(bytes: &[u8]) -> Vec<u8> {
        let mut out = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
        out.write_all(bytes).unwrap();
        out.finish().unwrap()
    }

    fn bzip2(bytes: &[u8]) -> Vec<u8> {
        let mut out = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::fast());
        out.write_all(bytes).unwrap();
        out.finish().unwrap()
    }

    fn header(method: u16, number: u32) -> Vec<u8> {
        let mut out = SIGNATURE.to_vec();
        out.extend([2, 1]);
        out.extend(method.to_le_bytes());
        out.extend(number.to_le_bytes());
        out.extend([9; 16]);
        out
    }

    fn table(first: u64, entries: &[(u64, u32, u32)]) -> Vec<u8> {
        let mut out = first.to_le_bytes().to_vec();
        out.extend((entries.len() as u64).to_le_bytes());
        out.extend(adler2::adler32_slice(&out).to_le_bytes());
        out.resize(TABLE_HEADER_SIZE as usize, 0);
        let of = |(offset, size, flags): &(u64, u32, u32)| {
            [&offset.to_le_bytes()[..], &size.to_le_bytes(), &flags.to_le_bytes()].concat()
        };
        let rows: Vec<u8> = entries.iter().flat_map(of).collect();
        out.extend_from_slice(&rows);
        out.extend(adler2::adler32_slice(&rows).to_le_bytes());
        out.extend([0; 12]);
        out
    }

    /// An image of two segments: a stored chunk with its checksum, a pattern and the facts; then a compressed chunk.
    fn segments(method: u16, compress: fn(&[u8]) -> Vec<u8>, section_flags: u32) -> [Vec<u8>; 2] {
        let content = content();
        let mut first = header(method, 1);
        let device = section(&mut first, section::DEVICE_INFORMATION, 0, &zlib(&text("sn\tts\tbp", "S1\t5\t512")), 0);
        let case = section(&mut first, section::CASE_DATA, 0, &text("nm\tcn\tsb", "about\tIR-1\t2"), device);
        let mut stored = content[..CHUNK].to_vec();
        stored.extend(adler2::adler32_slice(&stored).to_le_bytes());
        let at = first.len() as u64;
        let data = section(&mut first, 3, section_flags, &stored, case);
        let entries = [
            (at, CHUNK as u32 + 4, chunk::CHECKSUM),
            (u64::from_le_bytes(*b"pattern!"), 8, chunk::COMPRESSED | chunk::PATTERN),
        ];
        let table_at = section(&mut first, section::SECTOR_TABLE, 0, &table(0, &entries), data);
        section(&mut first, 13, 0, &[], table_at);

        let mut second = header(method, 2);
        let compressed = compress(&content[2 * CHUNK..]);
        let at = second.len() as u64;
        let data = section(&mut second, 3, 0, &compressed, 0);
        let entries = [(at, compressed.len() as u32, chunk::COMPRESSED)];
        let table_at = section(&mut second, section::SECTOR_TABLE, 0, &table(2, &entries), data);
        let mut errors = 1u32.to_le_bytes().to_vec();
        errors.resize(TABLE_HEADER_SIZE as usize, 0);
        errors.extend(3u64.to_le_bytes());
        errors.extend(1u64.to_le_bytes());
        let errors = section(&mut second, section::ERROR_TABLE, 0, &errors, table_at);
        let mut digest = vec![0xAB; 16];
        digest.extend(adler2::adler32_slice(&digest).to_le_bytes());
        let md5 = section(&mut second, section::MD5, 0, &digest, errors);
        section(&mut second, section::DONE, 0, &[], md5);
        [first, second]
    }

    fn open(files: &[&[u8]]) -> Result<(Ex01, About), String> {
        let files = files.iter().enumerate().map(|(index, bytes)| SegmentFile::of(&format!("d{index}"), None, bytes));
        Ex01::open(files.collect(), "d.Ex01".to_owned())
    }

    #[test]
    fn stored_pattern_and_compressed_chunks_over_segments() {
        for (method, compress) in [(1, zlib as fn(&[u8]) -> Vec<u8>), (2, bzip2)] {
            let [first, second] = segments(method, compress, 0);
            // In any order.
            let (image, about) = open(&[&second, &first]).unwrap();
            assert_eq!(image.len(), SECTORS * 512);
            assert_eq!(image.read_all(1 << 20).unwrap().unwrap(), content(), "method {method}");
            let mut across = [0; 16];
            assert_eq!(image.read_full_at(2 * CHUNK as u64 - 8, &mut across).unwrap(), 16);
            assert_eq!(&across, b"pattern!\x07\x07\x07\x07\x07\x07\x07\x07");
            assert_eq!(image.read_at(SECTORS * 512, &mut across).unwrap(), 0);
            let fact = |name| about.facts.iter().find(|(there, _)| there == name).map(|(_, value)| value.as_str());
            assert_eq!(fact("case number"), Some("IR-1"));
            assert_eq!(fact("serial number of the drive"), Some("S1"));
            assert_eq!(fact("stored MD5"), Some("ab".repeat(16).as_str()));
            let [unread] = &about.problems[..] else { panic!("{:?}", about.problems) };
            assert!(unread.what.starts_with("1 sectors from sector 3 on"), "{unread:?}");
        }
    }

    #[test]
    fn a_missing_segment_costs_what_stands_in_it() {
        let [first, second] = segments(1, zlib, 0);
        let (image, about) = open(&[&first]).unwrap();
        let said: Vec<&str> = about.problems.iter().map(|problem| problem.kind.name()).collect();
        assert_eq!(said, ["read_failed", "truncated"]);
        let mut bytes = vec![0; 2 * CHUNK];
        assert_eq!(image.read_full_at(0, &mut bytes).unwrap(), 2 * CHUNK);
        assert_eq!(bytes, content()[..2 * CHUNK]);
        let error = image.read_at(2 * CHUNK as u64, &mut bytes).unwrap_err();
        assert!(error.to_string().contains("chunk 2 of the image is in none of its tables"), "{error}");

        // How the disk is divided into chunks stands in the first segment only.
        let error = open(&[&second]).map(|_| ()).unwrap_err();
        assert!(error.contains("segment 1 is missing"), "{error}");
    }

    #[test]
    fn damage_is_an_error_of_its_chunk_or_said_at_once() {
        let [first, second] = segments(1, zlib, 0);
        let stored = first.windows(4).position(|bytes| bytes == [1, 2, 3, 4]).unwrap();
        let mut flipped = first.clone();
        flipped[stored] ^= 0x10;
        let (image, about) = open(&[&flipped, &second]).unwrap();
        assert_eq!(about.problems.len(), 1);
        let error = image.read_at(0, &mut [0; 8]).unwrap_err();
        assert!(
            error.to_string().contains("segment 1 (d0): the checksum (Adler-32) of chunk 0 does not match"),
            "{error}"
        );
        assert!(image.read_at(CHUNK as u64, &mut [0; 8]).is_ok());

        let pattern = first.windows(8).rposition(|bytes| bytes == b"pattern!").unwrap();
        let mut damaged = first.clone();
        damaged[pattern] ^= 1;
        let (image, about) = open(&[&damaged, &second]).unwrap();
        assert_eq!(about.problems[0].kind.name(), "bad_checksum", "{:?}", about.problems);
        assert!(image.read_at(CHUNK as u64, &mut [0; 8]).is_err(), "the pattern stands in the damaged table");

        let refused = |files: &[&[u8]]| open(files).map(|_| ()).unwrap_err();
        assert!(refused(&[&first[..first.len() - 1], &second]).contains("cut off"));
        let (image, about) = open(&[&first, &second[..second.len() - 1]]).unwrap();
        assert!(about.problems[0].what.starts_with("segment 2 (d1)"), "{:?}", about.problems);
        assert!(image.read_at(0, &mut [0; 8]).is_ok() && image.read_at(2 * CHUNK as u64, &mut [0; 8]).is_err());
        let encrypted = segments(1, zlib, ENCRYPTED);
        assert!(refused(&[&encrypted[0]]).contains("encrypted"));
        assert!(refused(&[&segments(7, zlib, 0)[0]]).contains("unknown method (7)"));
        let mut foreign = second.clone();
        foreign[16] = 8;
        let (image, about) = open(&[&first, &foreign]).unwrap();
        assert!(about.problems[0].what.contains("segment of another image"), "{:?}", about.problems);
        assert!(image.read_at(2 * CHUNK as u64, &mut [0; 8]).is_err());
    }

    /// Whatever bits change, with descriptors made right again: an error or a problem, no panic, no endless reading.
    #[test]
    fn hostile_sections_end() {
        let [first, second] = segments(1, zlib, 0);
        let mut state = 1u64;
        let mut random = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) as usize
        };
        for _ in 0..3000 {
            let mut damaged = first.clone();
            for _ in 0..1 + random() % 4 {
                let at = random() % damaged.len();
                damaged[at] = [0, 0xFF, random() as u8][random() % 3];
            }
            let mut end = damaged.len();
            while let Some(at) = end.checked_sub(DESCRIPTOR_SIZE) {
                let sum = adler2::adler32_slice(&damaged[at..at + 60]);
                damaged[at + 60..at + 64].copy_from_slice(&sum.to_le_bytes());
                let before = le64(&damaged, at + 8) as usize;
                if before == 0 || before >= at {
                    break;
                }
                end = before + DESCRIPTOR_SIZE;
            }
            if let Ok((image, _)) = open(&[&damaged, &second]) {
                for offset in (0..SECTORS * 512).step_by(512) {
                    let _ = image.read_at(offset, &mut [0; 512]);
                }
                let _ = image.read_at(image.len() - 1, &mut [0; 2]);
            }
        }
    }
}
