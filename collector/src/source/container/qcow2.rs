//! QEMU's QCOW2, versions 2 and 3: compressed clusters, subclusters, external data files, backing files.
//!
//! Reference: QEMU, `docs/interop/qcow2.txt`. Numbers are big-endian.

use super::blocks::{Layout, Place, Table, be32, be64, invalid, section};
use super::parent::{self, Known, Wanted};
use super::{Candidate, Disk, Refusal, item};
use evidence::{Bytes, Problem, ProblemKind, Stage, guarded};
use std::io::{self, Read};
use std::sync::Arc;

const ADVICE: &str = "convert it to a raw image (qemu-img convert -O raw) and give that";
/// Bits 9 to 55 of a table entry are an offset.
const OFFSET: u64 = 0x00FF_FFFF_FFFF_FE00;
const COMPRESSED: u64 = 1 << 62;

/// Whether it begins as a QCOW does.
pub(super) fn probe(candidate: &Candidate<'_>) -> bool {
    candidate.head.starts_with(b"QFI\xfb")
}

/// What the header says.
struct Header {
    version: u32,
    cluster_bits: u32,
    size: u64,
    level1: u64,
    level1_entries: u64,
    incompatible: u64,
    is_zstd: bool,
    snapshots: u32,
    backing: Option<String>,
    backing_format: String,
    data_file: Option<String>,
}

impl Header {
    fn read(candidate: &Candidate<'_>) -> Result<Header, Refusal> {
        let head = &candidate.head;
        let version = be32(head, 4);
        if !(2..=3).contains(&version) {
            return Err(Refusal::new(format!("this is a QCOW of version {version}, which is not read"), ADVICE));
        }
        let name = |at: u64, length: u64| {
            section(&*candidate.bytes, at, length, 4096).map(|name| String::from_utf8_lossy(&name).into_owned())
        };
        let cannot = |error: io::Error| Refusal::new(format!("the header of this QCOW2 is damaged: {error}"), ADVICE);
        let is_new = version == 3;
        let mut header = Header {
            version,
            cluster_bits: be32(head, 20),
            size: be64(head, 24),
            level1: be64(head, 40),
            level1_entries: u64::from(be32(head, 36)),
            incompatible: if is_new { be64(head, 72) } else { 0 },
            is_zstd: false,
            snapshots: be32(head, 60),
            backing: None,
            backing_format: String::new(),
            data_file: None,
        };
        let (backing, length) = (be64(head, 8), u64::from(be32(head, 16)));
        if backing != 0 && length != 0 {
            header.backing = Some(name(backing, length).map_err(cannot)?);
        }
        let own = if is_new { u64::from(be32(head, 100)) } else { 72 };
        header.is_zstd = header.incompatible & 8 != 0 && own > 104 && head.get(104) == Some(&1);
        let mut at = own;
        // The extensions lie in the first cluster, before the backing file's name.
        while at.saturating_add(8) <= head.len() as u64 {
            let here = usize::try_from(at).unwrap_or(usize::MAX);
            let (kind, length) = (be32(head, here), u64::from(be32(head, here + 4)));
            match kind {
                0 => break,
                0xE279_2ACA => header.backing_format = name(at + 8, length).map_err(cannot)?,
                0x4441_5441 => header.data_file = Some(name(at + 8, length).map_err(cannot)?),
                _ => {}
            }
            at += 8 + length.next_multiple_of(8);
        }
        header.check(be32(head, 32))?;
        Ok(header)
    }

    fn check(&self, encryption: u32) -> Result<(), Refusal> {
        let refuse = |why: &str| Err(Refusal::new(why, ADVICE));
        if encryption != 0 {
            return refuse("this QCOW2 is encrypted, and what is in it cannot be read without its key");
        }
        // Dirty, corrupt, external data file, compression type, extended entries.
        if self.incompatible & !0x1F != 0 {
            return refuse("this QCOW2 has a feature that is not known and without which it cannot be read rightly");
        }
        let has_subclusters = self.incompatible & 16 != 0;
        let smallest = if has_subclusters { 14 } else { 9 };
        if !(smallest..=21).contains(&self.cluster_bits) || self.size > i64::MAX as u64 {
            return refuse("the header of this QCOW2 is damaged: sizes in it cannot be");
        }
        Ok(())
    }
}

/// Opens it with its backing files.
pub(super) fn open(candidate: &Candidate<'_>) -> Result<Disk, Refusal> {
    let header = Header::read(candidate)?;
    let mut facts = vec![("QCOW2 version".to_owned(), header.version.to_string())];
    let mut files: Vec<_> = candidate.path().map(ToOwned::to_owned).into_iter().collect();
    let mut problems = Vec::new();
    let mut problem = |kind: ProblemKind, what: String, effect: &str| {
        problems.push(Problem::new(Stage::Source, kind, item(candidate), what, effect));
    };
    if header.incompatible & 2 != 0 {
        let kind = ProblemKind::OutOfRange { raw: format!("incompatible features {:#x}", header.incompatible) };
        problem(
            kind,
            "QEMU has marked this QCOW2 as corrupt".to_owned(),
            "parts of the disk may be wrong or unreadable",
        );
    }
    if header.snapshots > 0 {
        let what = format!("{} internal snapshots of the QCOW2 were not opened", header.snapshots);
        problem(ProblemKind::NotUnderstood, what, "earlier states of the disk were not examined");
    }
    let data = match &header.data_file {
        Some(name) if header.incompatible & 4 != 0 => {
            let refuse = |why: String| Refusal::new(why, "copy it there");
            let found = parent::named(candidate, name);
            let found = found.map_err(|error| refuse(format!("its data file {name} cannot be read: {error}")))?;
            let missing = || format!("this QCOW2 has its data in {}, which is not beside it", parent::file_name(name));
            let data = found.ok_or_else(|| refuse(missing()))?;
            candidate.uses(&data.key);
            facts.push(("data file".to_owned(), data.name));
            files.extend(data.path);
            Some(data.bytes)
        }
        None if header.incompatible & 4 != 0 => {
            return Err(Refusal::new("this QCOW2 has its data in another file and does not name it", ADVICE));
        }
        _ => None,
    };
    let mut parent = None;
    if let Some(backing) = &header.backing {
        if backing.starts_with("json:") {
            let why = "this QCOW2 is a difference to something that is described by options instead of a file name";
            return Err(Refusal::new(why, ADVICE));
        }
        let wanted = Wanted {
            kind: "QCOW2",
            names: vec![backing.clone()],
            endings: &[],
            fits: &|_| true,
            by: format!("the backing file {backing}"),
            raw: header.backing_format == "raw",
        };
        parent = Some(("backing file", parent::open(candidate, &wanted)?));
    }
    let layout = Qcow2 { file: Table::new(candidate.bytes.clone()), data, header };
    Ok(parent::layered("QCOW2 image", layout, parent, Known { facts, problems, files }))
}

struct Qcow2 {
    file: Table,
    data: Option<Arc<dyn Bytes>>,
    header: Header,
}

impl Qcow2 {
    fn cluster(&self) -> u64 {
        1 << self.header.cluster_bits
    }

    fn has_subclusters(&self) -> bool {
        self.header.incompatible & 16 != 0
    }

    /// The entry of a cluster in the second table, with its bitmap; or for how many bytes from this offset on there is no
    /// second table.
    fn entry(&self, offset: u64) -> io::Result<Result<(u64, u64), u64>> {
        let width = if self.has_subclusters() { 16 } else { 8 };
        let in_table = self.cluster() / width;
        let number = offset >> self.header.cluster_bits;
        let (first, second) = (number / in_table, number % in_table);
        if first >= self.header.level1_entries {
            let why =
                format!("the QCOW2's table has {} entries and none for byte {offset}", self.header.level1_entries);
            return Err(invalid(why));
        }
        let nowhere = || invalid("the QCOW2's table lies nowhere");
        let at = self.header.level1.checked_add(first * 8).ok_or_else(nowhere)?;
        let table = u64::from_be_bytes(self.file.entry(at)?) & OFFSET;
        if table == 0 {
            let reach = self.cluster() * in_table;
            return Ok(Err(reach - offset % reach));
        }
        let entry = u64::from_be_bytes(self.file.entry(table + second * width)?);
        let bitmap = match self.has_subclusters() {
            true => u64::from_be_bytes(self.file.entry(table + second * width + 8)?),
            false => 0,
        };
        Ok(Ok((entry, bitmap)))
    }

    fn stored(&self, at: u64) -> Place<'_> {
        Place::Stored(self.data.as_deref().unwrap_or(self.file.bytes()), at)
    }

    /// The place of a byte in a cluster with subclusters: low bits for those that are stored, high ones for zeros.
    fn in_subclusters(&self, entry: u64, bitmap: u64, within: u64) -> io::Result<(Place<'_>, u64)> {
        let subcluster = self.cluster() / 32;
        let state = |index: u64| (bitmap >> index & 1, bitmap >> (index + 32) & 1);
        let first = within / subcluster;
        let mut end = first + 1;
        while end < 32 && state(end) == state(first) {
            end += 1;
        }
        let place = match state(first) {
            (0, 0) => Place::Parent,
            (0, 1) => Place::Zero,
            (1, 0) => self.stored((entry & OFFSET) + within),
            _ => return Err(invalid("the QCOW2's table calls a subcluster both stored and zeros")),
        };
        Ok((place, end * subcluster - within))
    }
}

impl Layout for Qcow2 {
    fn length(&self) -> u64 {
        self.header.size
    }

    fn packed_length(&self) -> u64 {
        self.cluster()
    }

    fn locate(&self, offset: u64) -> io::Result<(Place<'_>, u64)> {
        let (entry, bitmap) = match self.entry(offset)? {
            Ok(found) => found,
            Err(length) => return Ok((Place::Parent, length)),
        };
        let within = offset % self.cluster();
        let length = self.cluster() - within;
        if entry & COMPRESSED != 0 {
            return Ok((Place::Packed(offset - within), length));
        }
        if self.has_subclusters() {
            return self.in_subclusters(entry, bitmap, within);
        }
        // Offset 0 is a real one in an external data file, where every cluster that is there is marked as such.
        let is_there = entry & OFFSET != 0 || (self.data.is_some() && entry >> 63 != 0);
        let place = match (self.header.version == 3 && entry & 1 != 0, is_there) {
            (true, _) => Place::Zero,
            (false, true) => self.stored((entry & OFFSET) + within),
            (false, false) => Place::Parent,
        };
        Ok((place, length))
    }

    fn unpack(&self, start: u64) -> io::Result<Vec<u8>> {
        let Ok((entry, _)) = self.entry(start)? else { return Err(invalid("the QCOW2's table has changed")) };
        let bits = 62 - (self.header.cluster_bits - 8);
        let at = entry & ((1 << bits) - 1);
        let sectors = (entry & (COMPRESSED - 1)) >> bits;
        let length = (sectors + 1) * 512 - at % 512;
        // The last sectors need not be there: the count is of whole sectors, the file ends with the data.
        let length = length.min(self.file.bytes().len().saturating_sub(at));
        let packed = section(self.file.bytes(), at, length, 2 * self.cluster() + 1024)?;
        let cluster = usize::try_from(self.cluster()).map_err(io::Error::other)?;
        let mut unpacked = Vec::with_capacity(cluster);
        let limit = self.cluster();
        if self.header.is_zstd {
            unzstd(&packed, limit, &mut unpacked)?;
        } else {
            flate2::read::DeflateDecoder::new(&packed[..]).take(limit).read_to_end(&mut unpacked)?;
        }
        if unpacked.len() < cluster {
            return Err(invalid(format!("the compressed cluster of byte {start} of the disk ends early")));
        }
        Ok(unpacked)
    }
}

/// Unpacks a cluster of zstd; frames may lie behind each other, and nothing tells where the last one ends but the length.
fn unzstd(packed: &[u8], limit: u64, unpacked: &mut Vec<u8>) -> io::Result<()> {
    let mut rest = packed;
    while (unpacked.len() as u64) < limit && !rest.is_empty() {
        // The unpacker sets memory aside for what the frame says; a cluster needs no more than its own length.
        if zstd_window(rest) > 2 * limit.max(1 << 20) {
            return Err(invalid("a compressed cluster wants more memory than a cluster can need"));
        }
        let left = limit - unpacked.len() as u64;
        let frame = guarded(|| -> io::Result<Vec<u8>> {
            let mut frame = Vec::new();
            let decoder = ruzstd::decoding::StreamingDecoder::new(&mut rest);
            let decoder = decoder.map_err(|error| invalid(format!("a compressed cluster is damaged: {error}")))?;
            decoder.take(left).read_to_end(&mut frame)?;
            Ok(frame)
        });
        let frame = frame.ok_or_else(|| invalid("a compressed cluster is damaged: the unpacker panicked"))??;
        if frame.is_empty() {
            break;
        }
        unpacked.extend(frame);
    }
    Ok(())
}

/// The memory that a frame says its unpacking needs.
///
/// Reference: RFC 8878, 3.1.1.1.
fn zstd_window(frame: &[u8]) -> u64 {
    let byte = |at: usize| u64::from(frame.get(at).copied().unwrap_or(0));
    let flags = byte(4);
    if flags & 0x20 == 0 {
        let base = 1u64 << (10 + (byte(5) >> 3));
        return base + base / 8 * (byte(5) & 7);
    }
    let at = 5 + [0, 1, 2, 4][usize::from(frame.get(4).copied().unwrap_or(0) & 3)];
    match flags >> 6 {
        0 => byte(at),
        1 => byte(at) + (byte(at + 1) << 8) + 256,
        2 => (0..4).map(|place| byte(at + place) << (8 * place)).sum(),
        _ => u64::MAX,
    }
}
