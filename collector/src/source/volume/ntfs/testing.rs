//! NTFS volumes made by hand for tests: clusters of 4096 bytes, records of 1024.

use ntfs_layout::FileReference;
use std::collections::BTreeMap;

pub(crate) const CLUSTER: usize = 4096;
const RECORD: usize = 1024;

pub(crate) fn utf16(text: &str) -> Vec<u8> {
    evidence::name::to_utf16(text).into_iter().flat_map(u16::to_le_bytes).collect()
}

fn raw(reference: FileReference) -> [u8; 8] {
    (reference.entry | u64::from(reference.sequence) << 48).to_le_bytes()
}

pub(crate) fn at(entry: u64, sequence: u16) -> FileReference {
    FileReference { entry, sequence }
}

/// The header that both forms of an attribute share, and the name behind it.
fn header(kind: u32, name: &str, fixed: usize, flags: u16) -> Vec<u8> {
    let name = utf16(name);
    let mut bytes = vec![0; (fixed + name.len()).next_multiple_of(8)];
    bytes[..4].copy_from_slice(&kind.to_le_bytes());
    bytes[9] = (name.len() / 2) as u8;
    bytes[10] = fixed as u8;
    bytes[12..14].copy_from_slice(&flags.to_le_bytes());
    bytes[fixed..fixed + name.len()].copy_from_slice(&name);
    bytes
}

fn finish(mut bytes: Vec<u8>) -> Vec<u8> {
    bytes.resize(bytes.len().next_multiple_of(8), 0);
    let length = bytes.len() as u32;
    bytes[4..8].copy_from_slice(&length.to_le_bytes());
    bytes
}

/// A resident attribute.
pub(crate) fn resident(kind: u32, name: &str, value: &[u8]) -> Vec<u8> {
    let mut bytes = header(kind, name, 24, 0);
    let start = bytes.len() as u16;
    bytes[16..20].copy_from_slice(&(value.len() as u32).to_le_bytes());
    bytes[20..22].copy_from_slice(&start.to_le_bytes());
    bytes.extend(value);
    finish(bytes)
}

/// A non-resident attribute.
#[derive(Clone, Default)]
pub(crate) struct Clusters<'a> {
    pub(crate) kind: u32,
    pub(crate) name: &'a str,
    pub(crate) flags: u16,
    pub(crate) unit: u8,
    pub(crate) first_vcn: u64,
    pub(crate) size: u64,
    /// Where it differs from `size`.
    pub(crate) initialized: Option<u64>,
    /// (cluster of the volume, count); `None` for holes.
    pub(crate) runs: &'a [(Option<u64>, u64)],
}

impl Clusters<'_> {
    pub(crate) fn build(&self) -> Vec<u8> {
        let mut bytes = header(self.kind, self.name, 64, self.flags);
        let total: u64 = self.runs.iter().map(|(_, count)| count).sum();
        let start = bytes.len() as u16;
        let mut put = |at: usize, value: u64| bytes[at..at + 8].copy_from_slice(&value.to_le_bytes());
        put(16, self.first_vcn);
        put(24, (self.first_vcn + total).wrapping_sub(1));
        put(40, total * CLUSTER as u64);
        put(48, self.size);
        put(56, self.initialized.unwrap_or(self.size));
        bytes[8] = 1;
        bytes[32..34].copy_from_slice(&start.to_le_bytes());
        bytes[34] = self.unit;
        let mut last = 0;
        for (lcn, count) in self.runs {
            bytes.push(if lcn.is_some() { 0x84 } else { 0x04 });
            bytes.extend(&(*count as u32).to_le_bytes());
            if let Some(lcn) = lcn {
                bytes.extend(&(*lcn as i64 - last).to_le_bytes());
                last = *lcn as i64;
            }
        }
        bytes.push(0);
        finish(bytes)
    }
}

/// The value of a $FILE_NAME.
pub(crate) fn file_name(parent: FileReference, namespace: u8, name: &str) -> Vec<u8> {
    let mut bytes = vec![0; 66];
    bytes[..8].copy_from_slice(&raw(parent));
    for (at, time) in [(8, 11u64), (16, 12), (24, 13), (32, 14)] {
        bytes[at..at + 8].copy_from_slice(&time.to_le_bytes());
    }
    bytes[64] = (utf16(name).len() / 2) as u8;
    bytes[65] = namespace;
    bytes.extend(utf16(name));
    bytes
}

/// A $FILE_NAME attribute.
pub(crate) fn named(parent: FileReference, name: &str) -> Vec<u8> {
    resident(0x30, "", &file_name(parent, 1, name))
}

fn index_entry(file: FileReference, key: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0; 16];
    bytes[..8].copy_from_slice(&raw(file));
    bytes[10..12].copy_from_slice(&(key.len() as u16).to_le_bytes());
    bytes.extend(key);
    bytes.resize(bytes.len().next_multiple_of(8), 0);
    let length = bytes.len() as u16;
    bytes[8..10].copy_from_slice(&length.to_le_bytes());
    bytes
}

fn node(entries: &[u8], last: &[u8], start: usize) -> Vec<u8> {
    let mut bytes = vec![0; start];
    bytes[0] = start as u8;
    bytes.extend(entries);
    bytes.extend(last);
    let used = bytes.len() as u32;
    bytes[4..8].copy_from_slice(&used.to_le_bytes());
    bytes[8..12].copy_from_slice(&used.to_le_bytes());
    bytes
}

const LAST: [u8; 16] = [0, 0, 0, 0, 0, 0, 0, 0, 16, 0, 0, 0, 2, 0, 0, 0];

/// An $INDEX_ROOT attribute with these names; `below` is the node to which its last entry points.
pub(crate) fn index_root(parent: FileReference, names: &[(FileReference, &str)], below: Option<u64>) -> Vec<u8> {
    let entries: Vec<u8> =
        names.iter().flat_map(|(file, name)| index_entry(*file, &file_name(parent, 1, name))).collect();
    let mut value = vec![0x30, 0, 0, 0, 1, 0, 0, 0, 0, 0x10, 0, 0, 1, 0, 0, 0];
    let mut last = LAST.to_vec();
    if let Some(vcn) = below {
        (last[8], last[12]) = (24, 3);
        last.extend(vcn.to_le_bytes());
    }
    let mut root = node(&entries, &last, 16);
    root[12] = u8::from(below.is_some());
    value.extend(root);
    resident(0x90, "$I30", &value)
}

/// One index record of 4096 bytes with these names.
pub(crate) fn index_record(
    vcn: u64,
    parent: FileReference,
    names: &[(FileReference, &str)],
    below: Option<u64>,
) -> Vec<u8> {
    let entries: Vec<u8> =
        names.iter().flat_map(|(file, name)| index_entry(*file, &file_name(parent, 1, name))).collect();
    let mut last = LAST.to_vec();
    if let Some(vcn) = below {
        (last[8], last[12]) = (24, 3);
        last.extend(vcn.to_le_bytes());
    }
    let mut bytes = vec![0; 24];
    bytes[..4].copy_from_slice(b"INDX");
    bytes[16..24].copy_from_slice(&vcn.to_le_bytes());
    // The update sequence array lies between the node's header and its first entry.
    let mut rest = node(&entries, &last, 40);
    rest[12] = u8::from(below.is_some());
    bytes.extend(rest);
    assert!(bytes.len() <= 4096, "too many names for one index record");
    bytes.resize(4096, 0);
    protect(&mut bytes, 40);
    bytes
}

/// Puts an update sequence array at `array`.
fn protect(bytes: &mut [u8], array: usize) {
    let parts = bytes.len() / 512;
    bytes[4..6].copy_from_slice(&(array as u16).to_le_bytes());
    bytes[6..8].copy_from_slice(&(parts as u16 + 1).to_le_bytes());
    bytes[array..array + 2].copy_from_slice(&[9, 0]);
    for part in 0..parts {
        let (end, kept) = ((part + 1) * 512 - 2, array + 2 * (part + 1));
        bytes.copy_within(end..end + 2, kept);
        bytes[end..end + 2].copy_from_slice(&[9, 0]);
    }
}

/// A file record.
pub(crate) fn record(sequence: u16, flags: u16, base: Option<FileReference>, attributes: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = vec![0; 56];
    bytes[..4].copy_from_slice(b"FILE");
    bytes[16..18].copy_from_slice(&sequence.to_le_bytes());
    bytes[20] = 56;
    bytes[22..24].copy_from_slice(&flags.to_le_bytes());
    bytes[28..32].copy_from_slice(&(RECORD as u32).to_le_bytes());
    bytes[32..40].copy_from_slice(&base.map_or([0; 8], raw));
    bytes.extend(attributes.concat());
    bytes.extend([0xFF, 0xFF, 0xFF, 0xFF, 0, 0, 0, 0]);
    let used = bytes.len() as u32;
    bytes[24..28].copy_from_slice(&used.to_le_bytes());
    assert!(bytes.len() <= RECORD, "the attributes do not fit in a record");
    bytes.resize(RECORD, 0);
    protect(&mut bytes, 48);
    bytes
}

/// A line of an $ATTRIBUTE_LIST.
pub(crate) fn list_line(kind: u32, first_vcn: u64, record: FileReference) -> Vec<u8> {
    let mut bytes = vec![0; 32];
    bytes[..4].copy_from_slice(&kind.to_le_bytes());
    (bytes[4], bytes[7]) = (32, 26);
    bytes[8..16].copy_from_slice(&first_vcn.to_le_bytes());
    bytes[16..24].copy_from_slice(&raw(record));
    bytes
}

/// A volume in the making. $MFT begins in cluster 4.
pub(crate) struct Image {
    pub(crate) bytes: Vec<u8>,
    records: BTreeMap<u64, Vec<u8>>,
    /// Where $MFT lies: (cluster, count).
    pub(crate) mft: Vec<(u64, u64)>,
}

impl Image {
    pub(crate) fn new(clusters: u64, records: u64) -> Self {
        let mut bytes = vec![0; clusters as usize * CLUSTER + 512];
        bytes[3..11].copy_from_slice(b"NTFS    ");
        (bytes[12], bytes[13], bytes[64], bytes[68]) = (2, 8, 0xF6, 0xF4);
        bytes[40..48].copy_from_slice(&(clusters * 8).to_le_bytes());
        (bytes[48], bytes[56]) = (4, 2);
        bytes[72..80].copy_from_slice(&0x1234_5678_9ABC_DEF0u64.to_le_bytes());
        bytes[510..512].copy_from_slice(&[0x55, 0xAA]);
        bytes.copy_within(..512, clusters as usize * CLUSTER);
        Image { bytes, records: BTreeMap::new(), mft: vec![(4, records.div_ceil(4))] }
    }

    /// Writes content into clusters.
    pub(crate) fn write(&mut self, cluster: u64, content: &[u8]) -> &mut Self {
        let at = cluster as usize * CLUSTER;
        self.bytes[at..at + content.len()].copy_from_slice(content);
        self
    }

    /// Sets a file record.
    pub(crate) fn put(&mut self, entry: u64, record: Vec<u8>) -> &mut Self {
        self.records.insert(entry, record);
        self
    }

    /// The root folder with these names.
    pub(crate) fn root(&mut self, names: &[(FileReference, &str)]) -> &mut Self {
        let root = at(5, 5);
        self.put(5, record(5, 3, None, &[named(root, "."), index_root(root, names, None)]))
    }

    /// The whole volume. Record 0 is made where none was set.
    pub(crate) fn build(&mut self) -> Vec<u8> {
        let clusters: u64 = self.mft.iter().map(|(_, count)| count).sum();
        if !self.records.contains_key(&0) {
            let runs: Vec<_> = self.mft.iter().map(|(lcn, count)| (Some(*lcn), *count)).collect();
            let size = clusters * CLUSTER as u64;
            let data = Clusters { kind: 0x80, size, runs: &runs, ..Clusters::default() }.build();
            self.put(0, record(1, 1, None, &[data]));
        }
        let places: Vec<usize> = self
            .mft
            .iter()
            .flat_map(|(lcn, count)| (0..count * 4).map(move |n| *lcn as usize * CLUSTER + n as usize * RECORD))
            .collect();
        for (entry, record) in &self.records {
            let place = places[*entry as usize];
            self.bytes[place..place + RECORD].copy_from_slice(record);
        }
        let first = self.records[&0].clone();
        self.write(2, &first);
        self.bytes.clone()
    }
}
