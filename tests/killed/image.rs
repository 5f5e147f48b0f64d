//! A disk image of a host with long logs, of which some chunks cannot be read.

use crate::bundle::containers::{CLUSTER, RECORD, clusters, le32, mapping, with_fixups, without_fixups};
use crate::bundle::images;
use std::io::Write;
use std::path::{Path, PathBuf};

const CHUNK: usize = 32 << 10;
/// Chunks that one table lists at most.
const GROUP: usize = 16_375;
/// Clusters of one run.
const RUN: u64 = 30_000;
const MIB: usize = 1 << 20;

/// Logs that are made long, and a short one with an unreadable chunk.
const LONG: [&str; 4] =
    ["Application.evtx", "Microsoft-Windows-Sysmon%4Operational.evtx", "Security.evtx", "System.evtx"];
const SHORT: &str = "Microsoft-Windows-TaskScheduler%4Operational.evtx";

/// The unnamed data of a file of this name: where its record is in the volume, where the attribute is in the record.
fn data_of(volume: &[u8], name: &str) -> (usize, usize) {
    let wide: Vec<u8> = name.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let table = le32(volume, 48) * CLUSTER;
    for at in (24..200).map(|entry| table + entry * RECORD) {
        if &volume[at..at + 4] != b"FILE" || volume[at + 22] != 1 {
            continue;
        }
        let record = without_fixups(&volume[at..at + RECORD]);
        let (mut place, mut is_it) = (usize::from(u16::from_le_bytes([record[20], record[21]])), false);
        while le32(&record, place) != 0xFFFF_FFFF {
            let length = le32(&record, place + 4);
            let attribute = &record[place..place + length];
            is_it |= le32(attribute, 0) == 0x30 && attribute.ends_with_padded(&wide);
            if is_it && le32(attribute, 0) == 0x80 && attribute[9] == 0 {
                assert_eq!((attribute[8], &attribute[12..14]), (1, &[0, 0][..]), "{name} is plain and not resident");
                return (at, place);
            }
            place += length;
        }
    }
    panic!("{name} is not in the fixture");
}

trait EndsWith {
    fn ends_with_padded(&self, end: &[u8]) -> bool;
}

impl EndsWith for [u8] {
    /// Whether it ends so, but for the bytes to a multiple of eight.
    fn ends_with_padded(&self, end: &[u8]) -> bool {
        (0..8.min(self.len())).any(|padding| self[..self.len() - padding].ends_with(end))
    }
}

/// Gives the file other clusters, from this one on, and this length. Gives the clusters that it had.
fn lengthen(volume: &mut [u8], name: &str, first: u64, count: u64) -> Vec<u64> {
    let (at, place) = data_of(volume, name);
    let mut record = without_fixups(&volume[at..at + RECORD]);
    let length = le32(&record, place + 4);
    let attribute = record[place..place + length].to_vec();
    let old = clusters(&attribute);
    let start = usize::from(u16::from_le_bytes([attribute[32], attribute[33]]));
    let runs: Vec<(u64, u64)> =
        (0..count.div_ceil(RUN)).map(|run| (first + run * RUN, RUN.min(count - run * RUN))).collect();
    let mut new = [&attribute[..start], &mapping(&runs)].concat();
    new.resize(new.len().next_multiple_of(8), 0);
    let new_length = u32::try_from(new.len()).unwrap();
    new[4..8].copy_from_slice(&new_length.to_le_bytes());
    new[24..32].copy_from_slice(&(count - 1).to_le_bytes());
    // Allocated, real and initialised length.
    for field in [40, 48, 56] {
        new[field..field + 8].copy_from_slice(&(count * CLUSTER as u64).to_le_bytes());
    }
    let used = le32(&record, 24) + new.len() - length;
    assert!(used <= RECORD, "{name}");
    record.splice(place..place + length, new);
    record.resize(RECORD, 0);
    record[24..28].copy_from_slice(&u32::try_from(used).unwrap().to_le_bytes());
    volume[at..at + RECORD].copy_from_slice(&with_fixups(record));
    old
}

fn zlib(bytes: &[u8]) -> Vec<u8> {
    let mut out = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
    out.write_all(bytes).unwrap();
    out.finish().unwrap()
}

fn summed(mut bytes: Vec<u8>) -> Vec<u8> {
    bytes.extend(adler2::adler32_slice(&bytes).to_le_bytes());
    bytes
}

/// A section of an image of EnCase 6.
fn section(file: &mut Vec<u8>, name: &str, data: &[u8]) {
    let is_end = name == "done";
    let (at, size) = (file.len() as u64, if is_end { 0 } else { 76 + data.len() as u64 });
    let mut descriptor = name.as_bytes().to_vec();
    descriptor.resize(16, 0);
    descriptor.extend((at + size).to_le_bytes());
    descriptor.extend(size.to_le_bytes());
    descriptor.resize(72, 0);
    file.extend(summed(descriptor));
    file.extend_from_slice(data);
}

fn table(entries: &[u32], base: u64) -> Vec<u8> {
    let mut header = u32::try_from(entries.len()).unwrap().to_le_bytes().to_vec();
    header.extend([0; 4]);
    header.extend(base.to_le_bytes());
    header.extend([0; 4]);
    let mut bytes = summed(header);
    bytes.extend(summed(entries.iter().flat_map(|entry| entry.to_le_bytes()).collect()));
    bytes
}

/// An image in one file of these compressed chunks.
fn image(chunks: &[Vec<u8>]) -> Vec<u8> {
    let mut file = b"EVF\x09\x0D\x0A\xFF\x00\x01\x01\x00\x00\x00".to_vec();
    let mut volume = vec![0; 1048];
    volume[4..8].copy_from_slice(&u32::try_from(chunks.len()).unwrap().to_le_bytes());
    volume[8..12].copy_from_slice(&u32::try_from(CHUNK / 512).unwrap().to_le_bytes());
    volume[12..16].copy_from_slice(&512u32.to_le_bytes());
    volume[16..24].copy_from_slice(&((chunks.len() * CHUNK / 512) as u64).to_le_bytes());
    section(&mut file, "volume", &summed(volume));
    for group in chunks.chunks(GROUP) {
        let base = file.len() as u64;
        let (mut sectors, mut entries) = (Vec::new(), Vec::new());
        for chunk in group {
            entries.push(u32::try_from(76 + sectors.len()).unwrap() | 1 << 31);
            sectors.extend_from_slice(chunk);
        }
        section(&mut file, "sectors", &sectors);
        section(&mut file, "table", &table(&entries, base));
        section(&mut file, "table2", &table(&entries, base));
    }
    section(&mut file, "done", &[]);
    file
}

/// The fixture host as an image of one volume whose long logs have so many MiB together; in each of them several chunks
/// have another checksum than is stored, and so has one of a short log.
pub(super) fn damaged(folder: &Path, mib: usize) -> PathBuf {
    let (disk, place) = images::disk();
    let mut volume = disk[place].to_vec();
    let own = volume.len() / CHUNK;
    let each = mib * MIB / LONG.len() / CHUNK;
    let before = volume.clone();
    let mut chunks: Vec<Vec<u8>> = Vec::new();
    let mut state = 1u32;
    let mut noise = || -> Vec<u8> {
        let next = std::iter::repeat_with(|| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 24) as u8
        });
        zlib(&next.take(CHUNK).collect::<Vec<_>>())
    };
    let (zeros, spread) = (zlib(&vec![0; CHUNK]), noise());
    let mut damage = Vec::new();
    for (number, name) in LONG.iter().enumerate() {
        let first = own + number * each;
        let to_clusters = (CHUNK / CLUSTER) as u64;
        let old = lengthen(&mut volume, name, first as u64 * to_clusters, each as u64 * to_clusters);
        let mut content: Vec<u8> = Vec::new();
        for cluster in old {
            content.extend_from_slice(&before[usize::try_from(cluster).unwrap() * CLUSTER..][..CLUSTER]);
        }
        content.resize(content.len().next_multiple_of(CHUNK), 0);
        let packed: Vec<_> = content.chunks(CHUNK).map(zlib).collect();
        let filler = (packed.len()..each).map(|chunk| if chunk % 32 == 0 { spread.clone() } else { zeros.clone() });
        chunks.extend(packed.into_iter().chain(filler));
        // The second block of the records, some single chunks, two beside each other, and the end.
        damage.extend([1, each / 5, each / 3, each / 3 + 1, each / 2 + number, each - 1].map(|chunk| first + chunk));
    }
    let (at, place) = data_of(&volume, SHORT);
    let record = without_fixups(&volume[at..at + RECORD]);
    let short = clusters(&record[place..place + le32(&record, place + 4)]);
    damage.push(usize::try_from(short[short.len() / 2]).unwrap() * CLUSTER / CHUNK);
    // Behind the volume lies the copy of its first sector.
    let sectors = ((own + chunks.len() + 1) * CHUNK) as u64 / 512 - 1;
    volume[40..48].copy_from_slice(&sectors.to_le_bytes());
    let mut last = vec![0; CHUNK - 512];
    last.extend_from_slice(&volume[..512]);
    chunks.push(zlib(&last));
    let mut all: Vec<Vec<u8>> = volume.chunks(CHUNK).map(zlib).collect();
    all.append(&mut chunks);
    for chunk in damage {
        *all[chunk].last_mut().unwrap() ^= 1;
    }
    let path = folder.join("host.E01");
    std::fs::write(&path, image(&all)).unwrap();
    path
}
