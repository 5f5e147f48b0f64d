//! The sections of an E01 segment file.
//!
//! ```text
//! file        header 13 bytes · sections
//! section     descriptor 76 bytes, which names the next one · data
//! table       header 24 bytes · entries of 4 bytes · checksum
//! ```
//!
//! Reference: Joachim Metz, "Expert Witness Compression Format", libewf documentation.

use super::chunks::MOST_CHUNK;
use evidence::Bytes;
use std::io::Read;

/// What begins a segment file.
pub(crate) const SIGNATURE: &[u8; 8] = b"EVF\x09\x0d\x0a\xff\x00";

const HEADER_SIZE: u64 = 13;
const DESCRIPTOR_SIZE: u64 = 76;
const TABLE_HEADER_SIZE: u64 = 24;
const ERROR_HEADER_SIZE: u64 = 520;
/// Most sections of a segment file; the longest have some thousands.
const MOST_SECTIONS: usize = 1 << 20;
/// Size of what is read whole; the texts of a case take some hundred bytes.
const MOST_TEXT: u64 = 1 << 20;
/// Most unreadable places that are named one by one.
const MOST_ERRORS: u64 = 100;

pub(super) fn le32(bytes: &[u8], at: usize) -> u32 {
    bytes.get(at..).and_then(<[u8]>::first_chunk).map_or(0, |number| u32::from_le_bytes(*number))
}

pub(super) fn le64(bytes: &[u8], at: usize) -> u64 {
    bytes.get(at..).and_then(<[u8]>::first_chunk).map_or(0, |number| u64::from_le_bytes(*number))
}

/// So many bytes at this place; `None` where the file ends before or cannot be read.
pub(super) fn exactly<const N: usize>(file: &dyn Bytes, offset: u64) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    file.read_full_at(offset, &mut bytes).is_ok_and(|read| read == N).then_some(bytes)
}

/// Whether the last four bytes are the Adler-32 of those before.
fn is_summed(bytes: &[u8]) -> bool {
    bytes.split_last_chunk::<4>().is_some_and(|(data, sum)| adler2::adler32_slice(data) == u32::from_le_bytes(*sum))
}

/// How the disk is cut into chunks, as a volume, disk or data section says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Geometry {
    pub(super) chunks: u64,
    pub(super) sectors_per_chunk: u64,
    pub(super) sector_size: u64,
    pub(super) sectors: u64,
    /// The identifier of the set of segment files; zeros where there is none.
    pub(super) set: [u8; 16],
    /// Whether it has its checksum.
    pub(super) is_sound: bool,
}

impl Geometry {
    fn read(file: &dyn Bytes, at: u64, size: u64) -> Option<Self> {
        // SMART writes a short form, in which the number of sectors takes four bytes.
        let (bytes, is_short) = match exactly::<1052>(file, at).filter(|_| size >= DESCRIPTOR_SIZE + 1052 || size == 0)
        {
            Some(bytes) => (bytes.to_vec(), false),
            None => (exactly::<94>(file, at)?.to_vec(), true),
        };
        let mut set = [0; 16];
        if !is_short {
            set.copy_from_slice(&bytes[64..80]);
        }
        Some(Geometry {
            chunks: le32(&bytes, 4).into(),
            sectors_per_chunk: le32(&bytes, 8).into(),
            sector_size: le32(&bytes, 12).into(),
            sectors: if is_short { le32(&bytes, 16).into() } else { le64(&bytes, 16) },
            set,
            is_sound: is_summed(&bytes),
        })
    }

    /// Bytes of a chunk, where it can be one.
    pub(super) fn chunk_size(&self) -> Option<u64> {
        let size = self.sectors_per_chunk.checked_mul(self.sector_size)?;
        (size > 0 && size <= MOST_CHUNK).then_some(size)
    }

    /// Bytes of the disk.
    pub(super) fn size(&self) -> u64 {
        // Half of what a number can hold, so that places near the end can be reckoned with.
        self.sectors.saturating_mul(self.sector_size).min(u64::MAX / 2)
    }

    /// The number of chunks, where the section does not contradict itself.
    pub(super) fn certain_chunks(&self) -> Option<u64> {
        let of_sectors = self.sectors.checked_div(self.sectors_per_chunk)?;
        let rest = u64::from(!self.sectors.is_multiple_of(self.sectors_per_chunk));
        (self.chunks > 0 && self.chunks == of_sectors + rest).then_some(self.chunks)
    }

    /// Whether the two can describe one image. What is zero is not known.
    pub(super) fn fits(&self, other: &Geometry) -> bool {
        let alike = |a: u64, b: u64| a == b || a == 0 || b == 0;
        (self.set == other.set || self.set == [0; 16] || other.set == [0; 16])
            && alike(self.chunks, other.chunks)
            && alike(self.sectors, other.sectors)
            && alike(self.sectors_per_chunk, other.sectors_per_chunk)
            && alike(self.sector_size, other.sector_size)
    }
}

/// A table or its copy.
#[derive(Clone, Debug)]
pub(super) struct Table {
    /// Where its section begins.
    pub(super) section: u64,
    /// Where the entries stand.
    pub(super) entries: u64,
    /// Where its section ends.
    pub(super) end: u64,
    pub(super) count: u64,
    pub(super) base: u64,
}

impl Table {
    /// `None` where its header does not have its checksum, or cannot be true.
    fn read(file: &dyn Bytes, section: u64, end: u64) -> Option<Self> {
        let header = exactly::<{ TABLE_HEADER_SIZE as usize }>(file, section + DESCRIPTOR_SIZE)?;
        let entries = section + DESCRIPTOR_SIZE + TABLE_HEADER_SIZE;
        let count = u64::from(le32(&header, 0));
        let fits = count.checked_mul(4)?.checked_add(entries)? <= end.min(file.len());
        (is_summed(&header) && fits).then(|| Table { section, entries, end, count, base: le64(&header, 8) })
    }
}

/// Chunks that follow each other: what one table and its copy describe.
#[derive(Clone, Debug)]
pub(super) struct Group {
    pub(super) count: u64,
    pub(super) tables: Vec<Table>,
}

/// What of the chunks a segment file has, in their order.
#[derive(Clone, Debug)]
pub(super) enum Part {
    Group(Group),
    /// An unknown number of chunks is lost here; why.
    Lost(String),
}

/// What a segment file says.
#[derive(Default)]
pub(super) struct Sections {
    pub(super) parts: Vec<Part>,
    pub(super) geometries: Vec<Geometry>,
    /// The texts of header and header2 sections.
    pub(super) header: Option<String>,
    pub(super) header2: Option<String>,
    pub(super) md5: Option<[u8; 16]>,
    pub(super) sha1: Option<[u8; 20]>,
    /// First sector and number of sectors that could not be read when the image was made.
    pub(super) errors: Vec<(u32, u32)>,
    /// Whether it ends as the last segment file does.
    pub(super) is_last: bool,
    /// Whether tables have copies and stand behind their chunks, as of EnCase 2.
    pub(super) has_copies: bool,
    /// What is wrong and costs nothing known: section descriptors and others without their checksums.
    pub(super) notes: Vec<String>,
}

/// The number in the header of a segment file.
pub(super) fn segment_number(file: &dyn Bytes) -> Result<u32, String> {
    let header = exactly::<{ HEADER_SIZE as usize }>(file, 0).ok_or("its header cannot be read")?;
    if !header.starts_with(SIGNATURE) {
        return Err("it does not begin as a segment file does".to_owned());
    }
    Ok(u32::from(u16::from_le_bytes([header[9], header[10]])))
}

struct Descriptor {
    at: u64,
    name: String,
    next: u64,
    size: u64,
}

impl Descriptor {
    /// Whether it is sound stands beside it.
    fn read(file: &dyn Bytes, at: u64) -> Option<(Self, bool)> {
        let bytes = exactly::<{ DESCRIPTOR_SIZE as usize }>(file, at)?;
        let length = bytes[..16].iter().position(|byte| *byte == 0).unwrap_or(16);
        let name = String::from_utf8_lossy(&bytes[..length]).into_owned();
        Some((Descriptor { at, name, next: le64(&bytes, 16), size: le64(&bytes, 24) }, is_summed(&bytes)))
    }

    fn data(&self) -> u64 {
        self.at + DESCRIPTOR_SIZE
    }

    fn is_end(&self) -> bool {
        self.name == "next" || self.name == "done"
    }
}

/// The section after one whose descriptor is damaged: where either of its two numbers leads to a sound descriptor.
fn after_damaged(file: &dyn Bytes, damaged: &Descriptor) -> Option<Descriptor> {
    [damaged.next, damaged.at.saturating_add(damaged.size)].into_iter().find_map(|at| {
        let forward = at >= damaged.data();
        forward.then(|| Descriptor::read(file, at)).flatten().filter(|(_, is_sound)| *is_sound).map(|(next, _)| next)
    })
}

impl Sections {
    /// Reads all sections. What is damaged is said in the parts and notes.
    pub(super) fn read(file: &dyn Bytes) -> Self {
        let mut sections = Sections::default();
        let mut at = HEADER_SIZE;
        let mut before = String::new();
        for _ in 0..MOST_SECTIONS {
            let Some((descriptor, is_sound)) = Descriptor::read(file, at) else {
                let length = file.len();
                sections.parts.push(Part::Lost(match at >= length || length - at < DESCRIPTOR_SIZE {
                    true => format!("it was cut off: it ends at byte {length}, before its last section"),
                    false => format!("the section descriptor at byte {at} could not be read"),
                }));
                return sections;
            };
            let descriptor = if is_sound {
                descriptor
            } else {
                let Some(next) = after_damaged(file, &descriptor) else {
                    sections
                        .parts
                        .push(Part::Lost(format!("the section descriptor at byte {at} does not have its checksum")));
                    return sections;
                };
                sections.skipped(file, at, &before, &next);
                before = String::new();
                next
            };
            at = descriptor.at;
            if descriptor.is_end() {
                sections.is_last = descriptor.name == "done";
                return sections;
            }
            // The chain only ever leads forward, so it has an end.
            if descriptor.next < descriptor.data() {
                let what = format!("the section `{}` at byte {at} does not lead to a next one", descriptor.name);
                sections.parts.push(Part::Lost(what));
                return sections;
            }
            sections.section(file, &descriptor, &before);
            at = descriptor.next;
            before = descriptor.name;
        }
        sections.parts.push(Part::Lost(format!("it has more than {MOST_SECTIONS} sections")));
        sections
    }

    /// A section with a damaged descriptor was passed over. The order of sections tells whether it was a table that has no
    /// copy, and so whether chunks are lost; where it does not tell, they count as lost.
    fn skipped(&mut self, file: &dyn Bytes, at: u64, before: &str, next: &Descriptor) {
        let what = format!("the section descriptor at byte {at} does not have its checksum");
        let none_lost = match (before, next.name.as_str()) {
            // It was the copy of the table before, or the table of the copy after.
            ("table", _) => self.has_copies,
            (_, "table2") => true,
            ("sectors", _) => false,
            // It was what holds the chunks of the table after.
            (_, "table") => Descriptor::read(file, next.next).is_some_and(|(copy, _)| copy.name == "table2"),
            (_, "sectors") => true,
            (_, "header" | "header2" | "volume" | "disk") => self.parts.is_empty(),
            _ => self.has_copies,
        };
        if none_lost { self.notes.push(what) } else { self.parts.push(Part::Lost(what)) }
    }

    fn section(&mut self, file: &dyn Bytes, section: &Descriptor, before: &str) {
        match section.name.as_str() {
            "volume" | "disk" | "data" => {
                self.geometries.extend(Geometry::read(file, section.data(), section.size));
            }
            "sectors" => self.has_copies = true,
            "table" => self.table(file, section, false),
            "table2" => {
                self.has_copies = true;
                self.table(file, section, before == "table");
            }
            "header" if self.header.is_none() => {
                self.header = text(file, section).map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
            }
            "header2" if self.header2.is_none() => self.header2 = text(file, section).map(|bytes| utf16(&bytes)),
            "hash" => match exactly::<36>(file, section.data()) {
                Some(hash) if is_summed(&hash) => self.md5 = self.md5.or_else(|| hash.first_chunk().copied()),
                _ => self.notes.push(format!("the stored hash at byte {} does not have its checksum", section.at)),
            },
            "digest" => match exactly::<80>(file, section.data()) {
                Some(digest) if is_summed(&digest) => {
                    let (md5, sha1) = (digest.first_chunk().copied(), digest[16..].first_chunk().copied());
                    // Zeros stand for one that was not computed.
                    self.md5 = md5.filter(|md5| *md5 != [0; 16]).or(self.md5);
                    self.sha1 = sha1.filter(|sha1| *sha1 != [0; 20]).or(self.sha1);
                }
                _ => self.notes.push(format!("the stored hashes at byte {} do not have their checksum", section.at)),
            },
            "error2" => self.errors(file, section),
            _ => {}
        }
    }

    fn table(&mut self, file: &dyn Bytes, section: &Descriptor, is_copy: bool) {
        let table = Table::read(file, section.at, section.next);
        if !is_copy {
            self.parts.push(match table {
                Some(table) => Part::Group(Group { count: table.count, tables: vec![table] }),
                None => Part::Lost(format!("the header of the table at byte {} is damaged", section.at)),
            });
            return;
        }
        let Some(table) = table else {
            self.notes
                .push(format!("the header of the table at byte {} is damaged; the other copy was used", section.at));
            return;
        };
        match self.parts.last_mut() {
            Some(Part::Group(group)) if group.count == table.count => group.tables.push(table),
            Some(Part::Group(_)) => {
                let what = format!("the table at byte {} and the one before it count different chunks", section.at);
                self.parts.pop();
                self.parts.push(Part::Lost(what));
            }
            last => {
                let group = Part::Group(Group { count: table.count, tables: vec![table] });
                self.notes.push(format!("the table before byte {} is damaged; its copy was used", section.at));
                match last {
                    Some(lost) => *lost = group,
                    None => self.parts.push(group),
                }
            }
        }
    }

    fn errors(&mut self, file: &dyn Bytes, section: &Descriptor) {
        let Some(header) = exactly::<{ ERROR_HEADER_SIZE as usize }>(file, section.data()) else { return };
        if !is_summed(&header) {
            self.notes.push(format!("the list of read errors at byte {} does not have its checksum", section.at));
        }
        for index in 0..u64::from(le32(&header, 0)).min(MOST_ERRORS) {
            let at = section.data() + ERROR_HEADER_SIZE + index * 8;
            let Some(entry) = exactly::<8>(file, at).filter(|_| at + 8 <= section.next) else { return };
            self.errors.push((le32(&entry, 0), le32(&entry, 4)));
        }
    }
}

fn text(file: &dyn Bytes, section: &Descriptor) -> Option<Vec<u8>> {
    let length = section.next.min(file.len()).checked_sub(section.data())?.min(MOST_TEXT);
    let mut stored = vec![0; usize::try_from(length).ok()?];
    let read = file.read_full_at(section.data(), &mut stored).ok()?;
    let mut text = Vec::new();
    flate2::read::ZlibDecoder::new(&stored[..read]).take(MOST_TEXT).read_to_end(&mut text).ok()?;
    Some(text)
}

fn utf16(bytes: &[u8]) -> String {
    let is_big = bytes.starts_with(&[0xFE, 0xFF]);
    let unit = |pair: &[u8]| match is_big {
        true => u16::from_be_bytes([pair[0], pair[1]]),
        false => u16::from_le_bytes([pair[0], pair[1]]),
    };
    let units = bytes.chunks_exact(2).map(unit);
    let text: String = char::decode_utf16(units).map(|unit| unit.unwrap_or(char::REPLACEMENT_CHARACTER)).collect();
    text.trim_start_matches('\u{feff}').to_owned()
}
