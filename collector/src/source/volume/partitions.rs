//! Finds the volumes of a disk: one bare volume, an MBR with extended partitions, or a GPT with its backup.
//!
//! References: UEFI Specification 2.10, chapter 5 (GPT, protective MBR); T. Brouwer, *Properties of partition
//! tables* (MBR, EBR chain).

use super::kind_at;
use crate::source::{PartitionId, VolumeKind};
use evidence::le::{u32_or_0, u64_or_0};
use evidence::{Bytes, Problem, ProblemKind, Stage, guid_text};
use std::collections::BTreeSet;
use std::io;
use std::sync::Arc;

/// One partition, or the whole disk where there are none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Partition {
    /// First byte.
    pub(crate) offset: u64,
    /// Length in bytes.
    pub(crate) length: u64,
    /// By what Windows knows it.
    pub(crate) id: Option<PartitionId>,
    /// What the table says it is for.
    pub(crate) usage: Usage,
}

/// What a partition is for, where its bytes alone do not say it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Usage {
    /// The table does not say more than its bytes do.
    #[default]
    Ordinary,
    /// The firmware starts the system from here.
    EfiSystem,
    /// Room that Windows keeps without a file system.
    MicrosoftReserved,
    /// Part of a dynamic disk: the database of the Logical Disk Manager.
    DynamicDatabase,
    /// Part of a dynamic disk: volumes, by a database elsewhere on the disk.
    Dynamic,
    /// Part of a storage pool.
    StorageSpaces,
}

impl Usage {
    /// By the type of a GPT entry, as it is stored.
    ///
    /// Reference: UEFI Specification 2.10, 5.3.3; Microsoft, *CREATE_PARTITION_PARAMETERS*, *PARTITION_INFORMATION_GPT*.
    fn of_gpt(kind: &[u8; 16]) -> Self {
        match guid_text(kind).as_str() {
            "{C12A7328-F81F-11D2-BA4B-00A0C93EC93B}" => Usage::EfiSystem,
            "{E3C9E316-0B5C-4DB8-817D-F92DF00215AE}" => Usage::MicrosoftReserved,
            "{5808C8AA-7E8F-42E0-85D2-E1E90434CFB3}" => Usage::DynamicDatabase,
            "{AF9B60A0-1431-4F62-BC68-3311714A69AD}" => Usage::Dynamic,
            "{E75CAF8F-F680-4CEE-AFA3-B001E56EFC2D}" => Usage::StorageSpaces,
            _ => Usage::Ordinary,
        }
    }

    /// By the type of an MBR entry.
    fn of_mbr(kind: u8) -> Self {
        match kind {
            0x42 => Usage::Dynamic,
            0xEF => Usage::EfiSystem,
            _ => Usage::Ordinary,
        }
    }
}

/// What a disk consists of.
#[derive(Debug)]
pub(crate) struct Partitions {
    /// The scheme in words.
    pub(crate) scheme: String,
    /// In the order of their offsets.
    pub(crate) partitions: Vec<Partition>,
    /// What is wrong with the tables.
    pub(crate) problems: Vec<Problem>,
}

/// Most partitions that are followed.
const MAX_PARTITIONS: usize = 256;
const SECTOR_SIZES: [u64; 2] = [512, 4096];

/// Reads exactly this many bytes, or says that they are not there.
fn read(bytes: &dyn Bytes, offset: u64, length: usize) -> io::Result<Option<Vec<u8>>> {
    let mut buffer = vec![0; length];
    Ok((bytes.read_full_at(offset, &mut buffer)? == length).then_some(buffer))
}

fn problem(kind: ProblemKind, what: impl Into<String>, effect: &str) -> Problem {
    Problem::new(Stage::Source, kind, "partition table", what, effect)
}

/// Finds the volumes of a disk.
pub(crate) fn find(disk: &Arc<dyn Bytes>) -> Partitions {
    let mut problems = Vec::new();
    let whole = vec![Partition { offset: 0, length: disk.len(), id: None, usage: Usage::Ordinary }];
    if kind_at(disk, 0) != VolumeKind::Unknown {
        return Partitions { scheme: "none, one bare volume".to_owned(), partitions: whole, problems };
    }
    if let Some(found) = find_gpt(disk.as_ref(), &mut problems) {
        return Partitions { scheme: found.0, partitions: found.1, problems };
    }
    let mut candidates = Vec::new();
    for sector in SECTOR_SIZES {
        let mut notes = Vec::new();
        let found = find_mbr(disk.as_ref(), sector, &mut notes);
        let known = found.iter().filter(|p| kind_at(disk, p.offset) != VolumeKind::Unknown).count();
        candidates.push((known, found, notes, sector));
    }
    // The MBR does not say in which unit it counts; the one by which volumes are where it says is the right one.
    candidates.sort_by_key(|(known, ..)| std::cmp::Reverse(*known));
    let (_, found, notes, sector) = candidates.swap_remove(0);
    if found.is_empty() {
        return Partitions { scheme: "none recognised".to_owned(), partitions: whole, problems };
    }
    problems.extend(notes);
    Partitions { scheme: format!("MBR, {sector}-byte sectors"), partitions: found, problems }
}

/// Keeps what lies on the disk, in order, each place once.
fn tidy(disk: &dyn Bytes, mut partitions: Vec<Partition>, problems: &mut Vec<Problem>) -> Vec<Partition> {
    partitions.sort_by_key(|partition| (partition.offset, partition.length));
    partitions.dedup_by_key(|partition| partition.offset);
    partitions.retain(|partition| {
        let inside = partition.offset < disk.len();
        if !inside {
            problems.push(problem(
                ProblemKind::OutOfRange { raw: partition.offset.to_string() },
                format!(
                    "a partition begins at byte {}, behind the end of the image at {}",
                    partition.offset,
                    disk.len()
                ),
                "that partition is not in the image and nothing of it is seen",
            ));
        } else if partition.offset.saturating_add(partition.length) > disk.len() {
            problems.push(problem(
                ProblemKind::Truncated {
                    offset: partition.offset,
                    expected: partition.length,
                    actual: disk.len() - partition.offset,
                },
                format!("the partition at byte {} reaches beyond the end of the image", partition.offset),
                "files in its missing part cannot be read",
            ));
        }
        inside
    });
    if partitions.len() > MAX_PARTITIONS {
        partitions.truncate(MAX_PARTITIONS);
        problems.push(problem(
            ProblemKind::LimitReached,
            format!("more than {MAX_PARTITIONS} partitions"),
            "the further ones are not searched",
        ));
    }
    partitions
}

/// CRC-32 as GPT uses it.
fn crc32(bytes: &[u8]) -> u32 {
    let mut crc = flate2::Crc::new();
    crc.update(bytes);
    crc.sum()
}

struct GptHeader {
    sector: u64,
    alternate: u64,
    entries_at: u64,
    count: u32,
    entry_size: u32,
    entries_crc: u32,
    intact: bool,
}

fn gpt_header(disk: &dyn Bytes, sector: u64, lba: u64) -> Option<GptHeader> {
    let mut block = read(disk, lba.checked_mul(sector)?, 512).ok()??;
    if &block[..8] != b"EFI PART" {
        return None;
    }
    let length = u32_or_0(&block, 12) as usize;
    let stored = u32_or_0(&block, 16);
    block[16..20].fill(0);
    let intact = (92..=512).contains(&length) && crc32(&block[..length]) == stored && u64_or_0(&block, 24) == lba;
    Some(GptHeader {
        sector,
        alternate: u64_or_0(&block, 32),
        entries_at: u64_or_0(&block, 72),
        count: u32_or_0(&block, 80),
        entry_size: u32_or_0(&block, 84),
        entries_crc: u32_or_0(&block, 88),
        intact,
    })
}

impl GptHeader {
    /// The partitions, and whether the checksum over them is right.
    fn partitions(&self, disk: &dyn Bytes) -> Option<(Vec<Partition>, bool)> {
        let (count, size) = (usize::try_from(self.count).ok()?, usize::try_from(self.entry_size).ok()?);
        // 128 entries of 128 bytes are usual; a mebibyte is more than any program writes.
        let length = count.checked_mul(size).filter(|length| (1..=1 << 20).contains(length))?;
        if size < 128 {
            return None;
        }
        let table = read(disk, self.entries_at.checked_mul(self.sector)?, length).ok()??;
        let partitions = table
            .chunks_exact(size)
            .filter(|entry| entry[..16] != [0; 16])
            .filter_map(|entry| {
                let (first, last) = (u64_or_0(entry, 32), u64_or_0(entry, 40));
                let sectors = last.checked_sub(first)?.checked_add(1)?;
                Some(Partition {
                    offset: first.checked_mul(self.sector)?,
                    length: sectors.checked_mul(self.sector)?,
                    id: <&[u8; 16]>::try_from(&entry[16..32]).ok().map(|guid| PartitionId::Gpt(guid_text(guid))),
                    usage: <&[u8; 16]>::try_from(&entry[..16]).map(Usage::of_gpt).unwrap_or_default(),
                })
            })
            .collect();
        Some((partitions, crc32(&table) == self.entries_crc))
    }
}

fn find_gpt(disk: &dyn Bytes, problems: &mut Vec<Problem>) -> Option<(String, Vec<Partition>)> {
    // Best first: a whole primary header, a whole backup, then whichever is there at all.
    let mut damaged = Vec::new();
    for sector in SECTOR_SIZES {
        let primary = gpt_header(disk, sector, 1);
        let mut backups = vec![(disk.len() / sector).saturating_sub(1)];
        backups.extend(primary.as_ref().map(|header| header.alternate));
        let backup = backups.into_iter().filter(|lba| *lba > 1).find_map(|lba| gpt_header(disk, sector, lba));
        for (name, header) in [("primary", primary), ("backup", backup)] {
            let Some(header) = header else { continue };
            let Some((partitions, entries_intact)) = header.partitions(disk) else { continue };
            if header.intact && entries_intact {
                let intact_primary = name == "primary";
                if !intact_primary {
                    problems.push(problem(
                        ProblemKind::BadChecksum { offset: sector },
                        "the primary GPT header or its entries are damaged or missing; the backup is used",
                        "the partitions are those of the backup, which the system keeps identical",
                    ));
                }
                let which = if intact_primary { "" } else { ", backup header" };
                let scheme = format!("GPT, {sector}-byte sectors{which}");
                return Some((scheme, tidy(disk, partitions, problems)));
            }
            damaged.push((name, header, partitions));
        }
    }
    let (name, header, partitions) = damaged.into_iter().next()?;
    problems.push(problem(
        ProblemKind::BadChecksum { offset: header.sector },
        format!("no GPT header has a right checksum; the {name} one is used as it stands"),
        "partitions may be missing or misplaced",
    ));
    let scheme = format!("GPT, {}-byte sectors, {name} header, checksum wrong", header.sector);
    Some((scheme, tidy(disk, partitions, problems)))
}

fn find_mbr(disk: &dyn Bytes, sector: u64, problems: &mut Vec<Problem>) -> Vec<Partition> {
    let mut partitions = Vec::new();
    let Ok(Some(mbr)) = read(disk, 0, 512) else { return partitions };
    if mbr[510..] != [0x55, 0xAA] {
        return partitions;
    }
    let mut extended = Vec::new();
    for slot in 0..4 {
        let at = 446 + slot * 16;
        // A partition table has 0x00 or 0x80 here; other boot sectors have code.
        if !matches!(mbr[at], 0 | 0x80) {
            return Vec::new();
        }
        let (kind, first, sectors) = (mbr[at + 4], u32_or_0(&mbr, at + 8), u32_or_0(&mbr, at + 12));
        match kind {
            0 => {}
            _ if sectors == 0 => {}
            0x05 | 0x0F | 0x85 => extended.push(first),
            0xEE => problems.push(problem(
                ProblemKind::NotUnderstood,
                "a protective MBR announces a GPT, but there is no GPT header at either end of the image",
                "the partitions of this disk are not known, so nothing on it is seen",
            )),
            _ => partitions.push(Partition {
                offset: u64::from(first) * sector,
                length: u64::from(sectors) * sector,
                id: None,
                usage: Usage::of_mbr(kind),
            }),
        }
    }
    for base in extended {
        follow_ebrs(disk, sector, u64::from(base), &mut partitions, problems);
    }
    let signature = u32_or_0(&mbr, 440);
    for partition in &mut partitions {
        partition.id = Some(PartitionId::Mbr { signature, offset: partition.offset });
    }
    tidy(disk, partitions, problems)
}

/// Follows the chain of extended boot records. Each holds one logical partition, counted from itself, and where
/// the next record lies, counted from the first.
fn follow_ebrs(disk: &dyn Bytes, sector: u64, base: u64, partitions: &mut Vec<Partition>, problems: &mut Vec<Problem>) {
    let mut visited = BTreeSet::new();
    let mut at = base;
    loop {
        if !visited.insert(at) || visited.len() > MAX_PARTITIONS {
            problems.push(problem(
                ProblemKind::Inconsistent {
                    a: format!("the extended boot record at sector {at} is next in the chain"),
                    b: "it was already followed, or the chain has no end".to_owned(),
                },
                "the chain of logical partitions runs in a circle",
                "logical partitions may be missing",
            ));
            return;
        }
        let record = match read(disk, at * sector, 512) {
            Ok(Some(record)) if record[510..] == [0x55, 0xAA] => record,
            _ => {
                problems.push(problem(
                    ProblemKind::BadSignature {
                        offset: at.saturating_mul(sector).saturating_add(510),
                        expected: "55 aa".to_owned(),
                        actual: "something else, or nothing".to_owned(),
                    },
                    "an extended boot record is missing or damaged",
                    "logical partitions may be missing",
                ));
                return;
            }
        };
        let (first, sectors) = (u64::from(u32_or_0(&record, 454)), u64::from(u32_or_0(&record, 458)));
        if record[450] != 0 && sectors != 0 {
            let usage = Usage::of_mbr(record[450]);
            let (offset, length) = ((at + first) * sector, sectors * sector);
            partitions.push(Partition { offset, length, id: None, usage });
        }
        if record[466] == 0 || u32_or_0(&record, 474) == 0 {
            return;
        }
        at = base + u64::from(u32_or_0(&record, 470));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(kind: u8, first: u32, sectors: u32) -> [u8; 16] {
        let mut entry = [0; 16];
        entry[4] = kind;
        entry[8..12].copy_from_slice(&first.to_le_bytes());
        entry[12..].copy_from_slice(&sectors.to_le_bytes());
        entry
    }

    fn table(disk: &mut [u8], sector: usize, entries: &[[u8; 16]]) {
        for (slot, entry) in entries.iter().enumerate() {
            disk[sector * 512 + 446 + slot * 16..][..16].copy_from_slice(entry);
        }
        disk[sector * 512 + 510..][..2].copy_from_slice(&[0x55, 0xAA]);
    }

    #[test]
    fn logical_partitions_and_a_chain_that_loops() {
        let mut disk = vec![0; 512 * 1000];
        table(&mut disk, 0, &[entry(7, 10, 20), entry(0x0F, 100, 800)]);
        table(&mut disk, 100, &[entry(7, 5, 50), entry(5, 200, 100)]);
        table(&mut disk, 300, &[entry(7, 5, 60), [0; 16]]);
        let good: Arc<dyn Bytes> = Arc::new(disk.clone());
        let found = find(&good);
        let at: Vec<u64> = found.partitions.iter().map(|p| p.offset / 512).collect();
        assert_eq!((at, found.problems.len()), (vec![10, 105, 305], 0));
        table(&mut disk, 300, &[entry(7, 5, 60), entry(5, 0, 100)]);
        let looped: Arc<dyn Bytes> = Arc::new(disk);
        let found = find(&looped);
        assert_eq!((found.partitions.len(), found.problems.len()), (3, 1));
    }

    fn gpt(sector: usize) -> Vec<u8> {
        let sectors = 400;
        let mut disk = vec![0; sector * sectors];
        table(&mut disk, 0, &[entry(0xEE, 1, u32::MAX)]);
        let mut entries = vec![0; 128 * 128];
        entries[0] = 1;
        entries[16..20].copy_from_slice(b"ABCD");
        entries[32..40].copy_from_slice(&64u64.to_le_bytes());
        entries[40..48].copy_from_slice(&99u64.to_le_bytes());
        for (lba, other, entries_at) in [(1, sectors - 1, 2), (sectors - 1, 1, sectors - 1 - entries.len() / sector)] {
            let mut header = vec![0; 92];
            header[..8].copy_from_slice(b"EFI PART");
            header[12..16].copy_from_slice(&92u32.to_le_bytes());
            header[24..32].copy_from_slice(&(lba as u64).to_le_bytes());
            header[32..40].copy_from_slice(&(other as u64).to_le_bytes());
            header[72..80].copy_from_slice(&(entries_at as u64).to_le_bytes());
            header[80..84].copy_from_slice(&128u32.to_le_bytes());
            header[84..88].copy_from_slice(&128u32.to_le_bytes());
            header[88..92].copy_from_slice(&crc32(&entries).to_le_bytes());
            let crc = crc32(&header);
            header[16..20].copy_from_slice(&crc.to_le_bytes());
            disk[lba * sector..][..92].copy_from_slice(&header);
            disk[entries_at * sector..][..entries.len()].copy_from_slice(&entries);
        }
        disk
    }

    #[test]
    fn gpt_of_both_sector_sizes_and_its_backup() {
        for sector in [512, 4096] {
            let expected = Partition {
                offset: 64 * sector as u64,
                length: 36 * sector as u64,
                id: Some(PartitionId::Gpt("{44434241-0000-0000-0000-000000000000}".to_owned())),
                usage: Usage::Ordinary,
            };
            let disk = gpt(sector);
            let found = find(&(Arc::new(disk.clone()) as Arc<dyn Bytes>));
            assert_eq!(
                (found.partitions.as_slice(), found.problems.len()),
                ([expected.clone()].as_slice(), 0),
                "{sector}"
            );
            // Each of these costs the primary table: its header, its entries, its signature.
            for at in [sector + 72, sector * 2 + 32, sector] {
                let mut damaged = disk.clone();
                damaged[at] ^= 1;
                let found = find(&(Arc::new(damaged) as Arc<dyn Bytes>));
                assert_eq!(found.partitions, std::slice::from_ref(&expected), "{sector} {at}");
                assert_eq!(found.problems.len(), 1);
                assert!(found.scheme.contains("backup"));
            }
        }
    }

    #[test]
    fn what_a_partition_is_for() {
        let stored: [([u8; 16], Usage); 4] = [
            (*b"\x28\x73\x2A\xC1\x1F\xF8\xD2\x11\xBA\x4B\x00\xA0\xC9\x3E\xC9\x3B", Usage::EfiSystem),
            (*b"\x16\xE3\xC9\xE3\x5C\x0B\xB8\x4D\x81\x7D\xF9\x2D\xF0\x02\x15\xAE", Usage::MicrosoftReserved),
            (*b"\x8F\xAF\x5C\xE7\x80\xF6\xEE\x4C\xAF\xA3\xB0\x01\xE5\x6E\xFC\x2D", Usage::StorageSpaces),
            (*b"\xA2\xA0\xD0\xEB\xE5\xB9\x33\x44\x87\xC0\x68\xB6\xB7\x26\x99\xC7", Usage::Ordinary),
        ];
        for (kind, usage) in stored {
            assert_eq!(Usage::of_gpt(&kind), usage);
        }
        assert_eq!([7, 0x42, 0xEF].map(Usage::of_mbr), [Usage::Ordinary, Usage::Dynamic, Usage::EfiSystem]);
    }

    #[test]
    fn any_bytes_end() {
        let base = gpt(512);
        for length in [0, 1, 511, 512, 513, 1024, 5000] {
            let cut: Arc<dyn Bytes> = Arc::new(base[..length].to_vec());
            find(&cut);
        }
        for fill in [0u8, 0xFF] {
            let filled: Arc<dyn Bytes> = Arc::new(vec![fill; 100_000]);
            assert_eq!(find(&filled).partitions.len(), 1);
        }
    }
}
