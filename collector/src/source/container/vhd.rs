//! Virtual PC's and Hyper-V's VHD: fixed, dynamic and differencing.
//!
//! Reference: Microsoft, *Virtual Hard Disk Image Format Specification*, version 1.0. Numbers are big-endian.

use super::blocks::{Layout, Place, Table, array, be32, be64, invalid, section, utf16};
use super::parent::{self, Known, Wanted};
use super::{Candidate, Disk, Integrity, Refusal, item};
use crate::file_bytes::Slice;
use evidence::{Bytes, Problem, ProblemKind, Stage, guid_text};
use std::io;
use std::sync::Arc;

const COOKIE: &[u8] = b"conectix";
const SECTOR: u64 = 512;
const ADVICE: &str = "convert it to a raw image (qemu-img convert) and give that";

/// The last sector of the file, of which a dynamic disk has a copy in its first one.
struct Footer {
    is_sum_right: bool,
    header: u64,
    size: u64,
    kind: u32,
    id: [u8; 16],
}

impl Footer {
    /// Old programs wrote 511 bytes; the last one is reserved.
    fn read(bytes: &[u8]) -> Option<Footer> {
        let is_footer = bytes.len() >= 511 && bytes.starts_with(COOKIE);
        is_footer.then(|| Footer {
            is_sum_right: sum_without(bytes, 64) == be32(bytes, 64),
            header: be64(bytes, 16),
            size: be64(bytes, 48),
            kind: be32(bytes, 60),
            id: array(bytes, 68),
        })
    }

    fn at_end(tail: &[u8]) -> Option<(Footer, u64)> {
        [512, 511].into_iter().find_map(|length: usize| {
            let from = tail.len().checked_sub(length)?;
            Some((Footer::read(&tail[from..])?, length as u64))
        })
    }
}

/// The complement of the sum of all bytes but the four of the checksum.
fn sum_without(bytes: &[u8], at: usize) -> u32 {
    let sum = |part: &[u8]| part.iter().fold(0u32, |sum, byte| sum.wrapping_add(u32::from(*byte)));
    !sum(bytes).wrapping_sub(sum(bytes.get(at..at + 4).unwrap_or(&[])))
}

/// Whether it begins or ends as a VHD does.
pub(super) fn probe(candidate: &Candidate<'_>) -> bool {
    Footer::read(&candidate.head).is_some() || Footer::at_end(&candidate.tail).is_some()
}

/// Opens it with its parents.
pub(super) fn open(candidate: &Candidate<'_>) -> Result<Disk, Refusal> {
    let mut problems = Vec::new();
    let mut problem = |kind: ProblemKind, what: &str, effect: &str| {
        problems.push(Problem::new(Stage::Source, kind, item(candidate), what, effect));
    };
    // Of a member of an archive the end is not read before it is opened.
    let from = candidate.bytes.len().saturating_sub(SECTOR);
    let tail = section(&*candidate.bytes, from, candidate.bytes.len() - from, SECTOR).unwrap_or_default();
    let end = Footer::at_end(&tail);
    let footer_length = end.as_ref().map_or(0, |(_, length)| *length);
    let end = end.map(|(footer, _)| footer);
    let copy = Footer::read(candidate.head.get(..512).unwrap_or(&candidate.head));
    if end.as_ref().is_none_or(|footer| !footer.is_sum_right) {
        let kind = ProblemKind::BadChecksum { offset: candidate.bytes.len().saturating_sub(SECTOR) };
        problem(
            kind,
            "the VHD's footer at the end of the file is missing or damaged",
            "the file may be cut short; blocks that it does not hold cannot be read",
        );
    }
    let right = |footer: &Footer| footer.is_sum_right;
    let sound = [&end, &copy].into_iter().flatten().find(|footer| right(footer));
    let footer = sound.or(end.as_ref()).or(copy.as_ref()).ok_or_else(|| Refusal::new("it is not a VHD", ADVICE))?;
    if footer.size > i64::MAX as u64 {
        return Err(Refusal::new("this VHD gives a size that no disk has", ADVICE));
    }
    let mut facts = Vec::new();
    let files: Vec<_> = candidate.path().map(ToOwned::to_owned).into_iter().collect();
    let kind = match footer.kind {
        2 => "fixed",
        3 => "dynamic",
        4 => "differencing",
        other => return Err(Refusal::new(format!("this VHD is of type {other}, which is not known"), ADVICE)),
    };
    facts.push(("VHD type".to_owned(), kind.to_owned()));
    facts.push(("VHD identifier".to_owned(), guid_text(&swapped(footer.id))));
    if kind == "fixed" {
        let stored = candidate.bytes.len() - footer_length;
        if footer.size > stored {
            let kind = ProblemKind::Truncated { offset: 0, expected: footer.size, actual: stored };
            problem(
                kind,
                "the file is shorter than the disk that its footer describes",
                "the rest of the disk is lost",
            );
        }
        let bytes = Arc::new(Slice::new(candidate.bytes.clone(), 0, footer.size.min(stored)));
        return Ok(Disk { kind: "VHD image", bytes, facts, problems, files, integrity: Integrity::default() });
    }
    let cannot = |error: io::Error| Refusal::new(format!("this VHD has no readable header: {error}"), ADVICE);
    let header = section(&*candidate.bytes, footer.header, 1024, 1024).map_err(cannot)?;
    let layout = Dynamic::read(candidate.bytes.clone(), footer, &header)?;
    if sum_without(&header, 36) != be32(&header, 36) {
        let kind = ProblemKind::BadChecksum { offset: footer.header };
        problem(kind, "the checksum of the VHD's header is wrong", "blocks may be taken from the wrong place");
    }
    let mut parent = None;
    if kind == "differencing" {
        parent = Some(("parent disk", open_parent(candidate, &header)?));
    }
    Ok(parent::layered("VHD image", layout, parent, Known { facts, problems, files }))
}

/// The identifier is stored big-endian; a GUID's first three numbers are written little-endian elsewhere.
fn swapped(mut id: [u8; 16]) -> [u8; 16] {
    id[..4].reverse();
    id[4..6].reverse();
    id[6..8].reverse();
    id
}

fn open_parent(candidate: &Candidate<'_>, header: &[u8]) -> Result<(String, Disk), Refusal> {
    let id: [u8; 16] = array(header, 40);
    let fits = |bytes: &dyn Bytes| {
        let from = bytes.len().saturating_sub(SECTOR);
        let end = section(bytes, from, bytes.len() - from, SECTOR).unwrap_or_default();
        let begin = section(bytes, 0, SECTOR, SECTOR).unwrap_or_default();
        let footer = Footer::at_end(&end).map(|(footer, _)| footer).or_else(|| Footer::read(&begin));
        footer.is_some_and(|footer| footer.id == id)
    };
    let wanted = Wanted {
        kind: "VHD",
        names: parent_names(&*candidate.bytes, header),
        endings: &[".vhd", ".avhd"],
        fits: &fits,
        by: format!("its identifier is {}", guid_text(&swapped(id))),
        raw: false,
    };
    parent::open(candidate, &wanted)
}

/// Under what names the parent is known: in the locators, and in the header.
fn parent_names(bytes: &dyn Bytes, header: &[u8]) -> Vec<String> {
    let mut names = Vec::new();
    for at in (576..768).step_by(24) {
        let length = u64::from(be32(header, at + 8));
        let Ok(data) = section(bytes, be64(header, at + 16), length, 1 << 16) else { continue };
        match &array::<4>(header, at) {
            b"W2ru" | b"W2ku" => names.push(utf16(&data, false)),
            b"MacX" => names.push(String::from_utf8_lossy(&data).into_owned()),
            _ => {}
        }
    }
    names.push(utf16(header.get(64..576).unwrap_or(&[]), true));
    names.retain(|name| !name.is_empty());
    names
}

/// Blocks of a dynamic or differencing disk, each with a bitmap of its sectors before it.
struct Dynamic {
    file: Table,
    size: u64,
    table: u64,
    entries: u64,
    block: u64,
    /// Bytes of the bitmap, whole sectors.
    bitmap: u64,
    is_differencing: bool,
}

impl Dynamic {
    fn read(bytes: Arc<dyn Bytes>, footer: &Footer, header: &[u8]) -> Result<Self, Refusal> {
        if !header.starts_with(b"cxsparse") {
            return Err(Refusal::new("this VHD has no header of a dynamic disk where its footer points", ADVICE));
        }
        let block = u64::from(be32(header, 32));
        if block == 0 || !block.is_multiple_of(SECTOR) {
            return Err(Refusal::new(format!("this VHD gives its blocks {block} bytes, which cannot be"), ADVICE));
        }
        Ok(Dynamic {
            file: Table::new(bytes),
            size: footer.size,
            table: be64(header, 16),
            entries: u64::from(be32(header, 28)),
            block,
            bitmap: (block / SECTOR).div_ceil(8).next_multiple_of(SECTOR),
            is_differencing: footer.kind == 4,
        })
    }

    /// Whether a sector of a block is stored, and for how many sectors from there on that holds.
    fn run(&self, bitmap: u64, sector: u64) -> io::Result<(bool, u64)> {
        let first = self.file.entry::<1>(bitmap + sector / 8)?[0];
        let is_stored = |byte: u8, sector: u64| byte & (0x80 >> (sector % 8)) != 0;
        let stored = is_stored(first, sector);
        let mut end = sector + 1;
        let reach = (self.block / SECTOR).min(sector + 4096);
        let mut byte = first;
        while end < reach {
            if end.is_multiple_of(8) {
                byte = self.file.entry::<1>(bitmap + end / 8)?[0];
            }
            if is_stored(byte, end) != stored {
                break;
            }
            end += 1;
        }
        Ok((stored, end - sector))
    }
}

impl Layout for Dynamic {
    fn length(&self) -> u64 {
        self.size
    }

    fn locate(&self, offset: u64) -> io::Result<(Place<'_>, u64)> {
        let (index, within) = (offset / self.block, offset % self.block);
        if index >= self.entries {
            return Err(invalid(format!(
                "the VHD's block table has {} entries and none for byte {offset}",
                self.entries
            )));
        }
        let at = self.table.checked_add(index * 4).ok_or_else(|| invalid("the VHD's block table lies nowhere"))?;
        let entry = u32::from_be_bytes(self.file.entry(at)?);
        if entry == u32::MAX {
            return Ok((Place::Parent, self.block - within));
        }
        let bitmap = u64::from(entry) * SECTOR;
        let stored = Place::Stored(self.file.bytes(), bitmap + self.bitmap + within);
        // In a dynamic disk a block that is there is whole; its bitmap says which of its sectors were ever written.
        if !self.is_differencing {
            return Ok((stored, self.block - within));
        }
        let (is_stored, sectors) = self.run(bitmap, within / SECTOR)?;
        let length = sectors * SECTOR - within % SECTOR;
        Ok((if is_stored { stored } else { Place::Parent }, length))
    }
}
