//! Hyper-V's VHDX: fixed, dynamic and differencing, with its log replayed in memory.
//!
//! Reference: [MS-VHDX], *Virtual Hard Disk v2 (VHDX) File Format*. Numbers are little-endian.

use super::blocks::{Layout, Place, Table, array, invalid, le16, le32, le64, section, utf16};
use super::parent::{self, Known, Wanted};
use super::vhdx_log::{self, crc32c};
use super::{Candidate, Disk, Refusal, item};
use evidence::{Bytes, Problem, ProblemKind, Stage, guid_text};
use std::io;
use std::sync::Arc;

const ADVICE: &str = "convert it to a raw image (qemu-img convert) and give that";
const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;

/// A GUID as it is stored.
const fn stored_guid(a: u32, b: u16, c: u16, d: [u8; 8]) -> [u8; 16] {
    let ([a0, a1, a2, a3], [b0, b1], [c0, c1]) = (a.to_le_bytes(), b.to_le_bytes(), c.to_le_bytes());
    [a0, a1, a2, a3, b0, b1, c0, c1, d[0], d[1], d[2], d[3], d[4], d[5], d[6], d[7]]
}

const BAT: [u8; 16] = stored_guid(0x2DC2_7766, 0xF623, 0x4200, [0x9D, 0x64, 0x11, 0x5E, 0x9B, 0xFD, 0x4A, 0x08]);
const METADATA: [u8; 16] = stored_guid(0x8B7C_A206, 0x4790, 0x4B9A, [0xB8, 0xFE, 0x57, 0x5F, 0x05, 0x0F, 0x88, 0x6E]);
const PARAMETERS: [u8; 16] = stored_guid(0xCAA1_6737, 0xFA36, 0x4D43, [0xB3, 0xB6, 0x33, 0xF0, 0xAA, 0x44, 0xE7, 0x6B]);
const DISK_SIZE: [u8; 16] = stored_guid(0x2FA5_4224, 0xCD1B, 0x4876, [0xB2, 0x11, 0x5D, 0xBE, 0xD8, 0x3B, 0xF4, 0xB8]);
const SECTOR_SIZE: [u8; 16] =
    stored_guid(0x8141_BF1D, 0xA96F, 0x4709, [0xBA, 0x47, 0xF2, 0x33, 0xA8, 0xFA, 0xAB, 0x5F]);
const PARENT: [u8; 16] = stored_guid(0xA8D3_5F2D, 0xB30B, 0x454D, [0xAB, 0xF7, 0xD3, 0xD8, 0x48, 0x34, 0xAB, 0x0C]);

/// Whether it begins as a VHDX does.
pub(super) fn probe(candidate: &Candidate<'_>) -> bool {
    candidate.head.starts_with(b"vhdxfile")
}

/// One of the two headers; the one with the higher sequence number counts.
struct Header {
    sequence: u64,
    /// Changes whenever the disk's content does; by it a child knows its parent.
    data: [u8; 16],
    log_id: [u8; 16],
    log: (u64, u64),
}

impl Header {
    fn current(bytes: &dyn Bytes) -> Option<Header> {
        let read = |offset: u64| {
            let bytes = section(bytes, offset, 4 * KIB, 4 * KIB).ok()?;
            (bytes.starts_with(b"head") && crc32c(&bytes, 4) == le32(&bytes, 4)).then(|| Header {
                sequence: le64(&bytes, 8),
                data: array(&bytes, 32),
                log_id: array(&bytes, 48),
                log: (le64(&bytes, 72), u64::from(le32(&bytes, 68))),
            })
        };
        let headers = [read(64 * KIB), read(128 * KIB)];
        headers.into_iter().flatten().max_by_key(|header| header.sequence)
    }
}

/// Opens it with its parents.
pub(super) fn open(candidate: &Candidate<'_>) -> Result<Disk, Refusal> {
    let header = Header::current(&*candidate.bytes)
        .ok_or_else(|| Refusal::new("both headers of this VHDX are damaged", ADVICE))?;
    let mut facts = Vec::new();
    let files: Vec<_> = candidate.path().map(ToOwned::to_owned).into_iter().collect();
    let mut problems = Vec::new();
    let mut bytes = candidate.bytes.clone();
    if header.log_id != [0; 16] {
        match vhdx_log::replay(&bytes, header.log, header.log_id) {
            Ok((replayed, entries)) => {
                facts.push(("VHDX log".to_owned(), format!("{entries} entries replayed in memory")));
                bytes = Arc::new(replayed);
            }
            Err(error) => problems.push(Problem::new(
                Stage::Source,
                ProblemKind::ReadFailed,
                item(candidate),
                format!("the log of the VHDX cannot be replayed: {error}"),
                "the last changes before the disk was taken are missing, and parts of it may be wrong",
            )),
        }
    }
    let damaged = |error: io::Error| Refusal::new(format!("this VHDX is damaged: {error}"), ADVICE);
    let regions = regions(&*bytes).map_err(damaged)?;
    let metadata = Metadata::read(&*bytes, regions.metadata).map_err(damaged)?;
    let kind = match (metadata.has_parent, metadata.is_fixed) {
        (true, _) => "differencing",
        (false, true) => "fixed",
        (false, false) => "dynamic",
    };
    facts.push(("VHDX type".to_owned(), kind.to_owned()));
    let mut parent = None;
    if metadata.has_parent {
        parent = Some(("parent disk", open_parent(candidate, &metadata.locator)?));
    }
    let layout = Vhdx {
        file: Table::new(bytes),
        table: regions.bat.0,
        entries: regions.bat.1 / 8,
        ratio: (1 << 23) * metadata.sector / metadata.block,
        metadata,
    };
    Ok(parent::layered("VHDX image", layout, parent, Known { facts, problems, files }))
}

fn open_parent(candidate: &Candidate<'_>, locator: &[(String, String)]) -> Result<(String, Disk), Refusal> {
    let values = |keys: &[&str]| -> Vec<String> {
        let of = |key: &&str| locator.iter().find(|(name, _)| name == *key).map(|(_, value)| value.clone());
        keys.iter().filter_map(of).collect()
    };
    let linkage: Vec<String> =
        values(&["parent_linkage", "parent_linkage2"]).into_iter().map(|id| id.to_uppercase()).collect();
    let fits = |bytes: &dyn Bytes| {
        let is_vhdx = section(bytes, 0, 8, 8).is_ok_and(|magic| magic == b"vhdxfile");
        is_vhdx && Header::current(bytes).is_some_and(|header| linkage.contains(&guid_text(&header.data)))
    };
    let wanted = Wanted {
        kind: "VHDX",
        names: values(&["relative_path", "absolute_win32_path", "volume_path"]),
        endings: &[".vhdx", ".avhdx"],
        fits: &fits,
        by: format!("the identifier of its data is {}", linkage.join(" or ")),
        raw: false,
    };
    parent::open(candidate, &wanted)
}

/// Offset and length of the two regions that matter.
struct Regions {
    bat: (u64, u64),
    metadata: (u64, u64),
}

fn regions(bytes: &dyn Bytes) -> io::Result<Regions> {
    let mut why = invalid("it has no region table");
    for offset in [192 * KIB, 256 * KIB] {
        match regions_at(bytes, offset) {
            Ok(regions) => return Ok(regions),
            Err(error) => why = error,
        }
    }
    Err(why)
}

fn regions_at(bytes: &dyn Bytes, offset: u64) -> io::Result<Regions> {
    let table = section(bytes, offset, 64 * KIB, 64 * KIB)?;
    if !table.starts_with(b"regi") || crc32c(&table, 4) != le32(&table, 4) {
        return Err(invalid("its region tables are wrong"));
    }
    let count = usize::try_from(le32(&table, 8)).unwrap_or(usize::MAX).min(2047);
    let entries: Vec<&[u8]> = table[16..].chunks_exact(32).take(count).collect();
    let region = |id: [u8; 16]| {
        let entry = entries.iter().find(|entry| entry.starts_with(&id))?;
        Some((le64(entry, 16), u64::from(le32(entry, 24))))
    };
    if entries.iter().any(|entry| !entry.starts_with(&BAT) && !entry.starts_with(&METADATA) && le32(entry, 28) & 1 != 0)
    {
        return Err(invalid("it needs a region that is not known"));
    }
    let missing = || invalid("its block table or its metadata are not there");
    Ok(Regions { bat: region(BAT).ok_or_else(missing)?, metadata: region(METADATA).ok_or_else(missing)? })
}

/// What the metadata say about the disk.
struct Metadata {
    size: u64,
    block: u64,
    sector: u64,
    has_parent: bool,
    /// Whether its blocks stay where they are once they are there.
    is_fixed: bool,
    locator: Vec<(String, String)>,
}

impl Metadata {
    fn read(bytes: &dyn Bytes, region: (u64, u64)) -> io::Result<Metadata> {
        let table = section(bytes, region.0, 64 * KIB, 64 * KIB)?;
        if !table.starts_with(b"metadata") {
            return Err(invalid("its metadata table is wrong"));
        }
        let count = usize::from(le16(&table, 10)).min(2047);
        let value = |id: [u8; 16]| -> io::Result<Vec<u8>> {
            let entry = table[32..].chunks_exact(32).take(count).find(|entry| entry.starts_with(&id));
            let entry = entry.ok_or_else(|| invalid(format!("its metadata lack {}", guid_text(&id))))?;
            let (offset, length) = (u64::from(le32(entry, 16)), u64::from(le32(entry, 20)));
            section(bytes, region.0.saturating_add(offset), length, MIB)
        };
        let parameters = value(PARAMETERS)?;
        let metadata = Metadata {
            size: le64(&value(DISK_SIZE)?, 0),
            block: u64::from(le32(&parameters, 0)),
            sector: u64::from(le32(&value(SECTOR_SIZE)?, 0)),
            has_parent: le32(&parameters, 4) & 2 != 0,
            is_fixed: le32(&parameters, 4) & 1 != 0,
            locator: Vec::new(),
        };
        let is_block = metadata.block.is_power_of_two() && (MIB..=256 * MIB).contains(&metadata.block);
        if !is_block || !matches!(metadata.sector, 512 | 4096) || metadata.size > i64::MAX as u64 {
            return Err(invalid("sizes in its metadata cannot be"));
        }
        let locator = if metadata.has_parent { locator(&value(PARENT)?) } else { Vec::new() };
        Ok(Metadata { locator, ..metadata })
    }
}

/// Keys and values of a parent locator.
fn locator(item: &[u8]) -> Vec<(String, String)> {
    let count = usize::from(le16(item, 18));
    let text = |at: usize, length: usize| utf16(item.get(at..at.saturating_add(length)).unwrap_or(&[]), false);
    let entries = item.get(20..).unwrap_or(&[]).chunks_exact(12).take(count);
    entries
        .map(|entry| {
            let place = |at: usize| usize::try_from(le32(entry, at)).unwrap_or(usize::MAX);
            let key = text(place(0), usize::from(le16(entry, 8)));
            (key, text(place(4), usize::from(le16(entry, 10))))
        })
        .collect()
}

struct Vhdx {
    file: Table,
    metadata: Metadata,
    table: u64,
    entries: u64,
    /// Blocks for which one bitmap of sectors speaks; after so many entries comes that of the bitmap.
    ratio: u64,
}

impl Vhdx {
    fn entry(&self, index: u64, offset: u64) -> io::Result<u64> {
        if index >= self.entries {
            return Err(invalid(format!(
                "the VHDX's block table has {} entries and none for byte {offset}",
                self.entries
            )));
        }
        let at = self.table.checked_add(index * 8).ok_or_else(|| invalid("the VHDX's block table lies nowhere"))?;
        Ok(u64::from_le_bytes(self.file.entry(at)?))
    }

    /// Where a sector of a partly stored block is, and for how many sectors that holds.
    fn run(&self, block: u64, sector: u64, offset: u64) -> io::Result<(bool, u64)> {
        let chunk = block / self.ratio;
        let entry = self.entry(chunk * (self.ratio + 1) + self.ratio, offset)?;
        if entry & 7 != 6 {
            return Err(invalid(format!("the VHDX has no bitmap for the partly stored block of byte {offset}")));
        }
        let sectors = self.metadata.block / self.metadata.sector;
        let bitmap = place(entry);
        let first = block % self.ratio * sectors;
        let byte = |sector: u64| self.file.entry::<1>(bitmap + (first + sector) / 8).map(|[byte]| byte);
        let is_stored = |byte: u8, sector: u64| byte >> ((first + sector) % 8) & 1 != 0;
        let mut at = byte(sector)?;
        let stored = is_stored(at, sector);
        let mut end = sector + 1;
        while end < sectors.min(sector + 4096) {
            if (first + end).is_multiple_of(8) {
                at = byte(end)?;
            }
            if is_stored(at, end) != stored {
                break;
            }
            end += 1;
        }
        Ok((stored, end - sector))
    }
}

/// The file offset in a table entry, which counts in MiB.
fn place(entry: u64) -> u64 {
    entry & !(MIB - 1)
}

impl Layout for Vhdx {
    fn length(&self) -> u64 {
        self.metadata.size
    }

    fn locate(&self, offset: u64) -> io::Result<(Place<'_>, u64)> {
        let size = self.metadata.block;
        let (block, within) = (offset / size, offset % size);
        let entry = self.entry(block + block / self.ratio, offset)?;
        let stored = || match place(entry).checked_add(within) {
            Some(at) if entry >= MIB => Ok(Place::Stored(self.file.bytes(), at)),
            _ => Err(invalid(format!("the VHDX's block table points nowhere for byte {offset}"))),
        };
        let length = size - within;
        Ok(match entry & 7 {
            0 => (Place::Parent, length),
            // Undefined, zeros, unmapped: a guest reads zeros.
            1..=3 => (Place::Zero, length),
            6 => (stored()?, length),
            7 => {
                let sector = self.metadata.sector;
                let (is_stored, sectors) = self.run(block, within / sector, offset)?;
                (if is_stored { stored()? } else { Place::Parent }, sectors * sector - within % sector)
            }
            state => {
                return Err(invalid(format!(
                    "the VHDX's block of byte {offset} is in state {state}, which is not known"
                )));
            }
        })
    }
}
