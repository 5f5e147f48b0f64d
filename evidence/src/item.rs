//! An acquired object: where it came from, how it was read, and what it hashes to.

use crate::time::Filetime;
use serde::{Deserialize, Serialize};

/// Index of an item in its bundle.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ItemId(pub u32);

/// The four times that one NTFS attribute keeps for a file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Macb {
    /// Content modified.
    pub modified: Option<Filetime>,
    /// Last access. Windows updates it late or never, depending on its settings.
    pub accessed: Option<Filetime>,
    /// File record changed.
    pub changed: Option<Filetime>,
    /// Created ("born").
    pub born: Option<Filetime>,
}

/// File system times of an object. A folder source knows only some, and says so by their absence.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileTimes {
    /// $STANDARD_INFORMATION.
    #[serde(rename = "standard_information", default, skip_serializing_if = "Option::is_none")]
    pub si: Option<Macb>,
    /// $FILE_NAME, of the long name.
    #[serde(rename = "file_name", default, skip_serializing_if = "Option::is_none")]
    pub file_name: Option<Macb>,
    /// Times that a folder or archive keeps; how they were set is unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub container: Option<Macb>,
}

/// How the bytes were obtained.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Method {
    /// Through the file system of the analysis machine or of the live host.
    FileApi,
    /// By reading NTFS structures ourselves.
    RawNtfs,
    /// From a member of an archive.
    Archive,
    /// From an existing volume shadow copy.
    ShadowCopy,
    /// What a call of the live system answered, as it was written down.
    SystemCall,
    /// Not known: it was recovered from a bundle that never became whole, and nothing says how it was read.
    Unknown,
}

/// Whether the whole object was obtained.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ItemStatus {
    /// Every byte.
    Complete,
    /// Some bytes could not be read; they stand as zeros and the problem says which.
    Partial,
    /// Nothing was obtained.
    Failed,
}

/// A range of the original that is stored; everything between the ranges is a hole of zeros.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredRange {
    /// Offset in the original.
    pub offset: u64,
    /// Offset in the stored payload.
    pub stored_at: u64,
    /// Length in bytes.
    pub length: u64,
}

impl StoredRange {
    /// [`crate::Bytes::next_data`] of an object of this size with these ranges; without any, everything is stored.
    pub fn next_data(ranges: &[StoredRange], size: u64, offset: u64) -> u64 {
        if ranges.is_empty() {
            return offset;
        }
        let next = ranges.partition_point(|range| range.offset.saturating_add(range.length) <= offset);
        ranges.get(next).map_or(size, |range| range.offset).max(offset)
    }
}

/// How sure it is that recovered bytes are the deleted file's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Recovery {
    /// The content is inside the deleted file record itself.
    Resident,
    /// Every cluster is still free, so nothing is known to have overwritten it. Content that was written
    /// and freed in between cannot be excluded.
    ClustersFree,
    /// Some clusters are in use by other files now; the bytes are at least partly someone else's.
    ClustersReused,
}

/// One acquired object. A line of `metadata/objects.jsonl`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Item {
    /// Index in the bundle, in the order of the original paths.
    pub id: ItemId,
    /// Path on the host, verbatim: `C:\Windows\Prefetch\X.pf`, a stream as `C:\a.dll:name`. Volumes whose
    /// letter is not known start with their id instead: `{volume-9A3C11F2}\a.dll`.
    pub original_path: String,
    /// The path as the system has it where it is no text, in hexadecimal: its bytes, or its UTF-16 units in
    /// little-endian order. `original_path` then shows such a byte as `\xFC` and such a unit as `\uD800`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub original_path_raw: Option<String>,
    /// Path inside the bundle, starting with `data/`; absent when nothing was obtained.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bundle_path: Option<String>,
    /// Ids of the artifacts whose locations asked for it, or for which Windows was told to keep it there; `lead` when a
    /// record named it; in order.
    pub wanted_by: Vec<String>,
    /// Round of the leads loop in which it was acquired, 0 for declared locations.
    pub round: u32,
    /// What named it, when it was no declared location: a sentence with the citing item and place.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub named_by: Vec<String>,
    /// Other paths by which records name it: with short names, or through a junction or link.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub named_as: Vec<String>,
    /// Id of the volume it lies on.
    pub volume: String,
    /// File reference on NTFS: record number and sequence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mft_entry: Option<u64>,
    /// Sequence number of the file record.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mft_sequence: Option<u16>,
    /// Length of the original in bytes, holes included.
    pub size: u64,
    /// Length of the stored payload; differs from `size` only for sparse or partial objects.
    pub stored_size: u64,
    /// Present when holes were left out of the payload.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub stored_ranges: Vec<StoredRange>,
    /// SHA-256 of the stored payload, lower-case hexadecimal, computed while reading.
    pub sha256: String,
    /// SHA-512 of the stored payload, where it was asked for.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub sha512: String,
    /// SHA-256 of the whole file with its holes as zeros, as any other program computes it; only where `stored_ranges` leaves
    /// holes out. Everywhere else `sha256` is that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file_sha256: Option<String>,
    /// Why `file_sha256` is not there although holes were left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file_sha256_absent: Option<String>,
    /// SHA-1 and MD5, only for programs, where intelligence feeds ask for them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha1: Option<String>,
    /// See `sha1`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub md5: Option<String>,
    /// File system times.
    pub times: FileTimes,
    /// How it was read.
    pub method: Method,
    /// How much was obtained.
    pub status: ItemStatus,
    /// Present for a deleted file that was recovered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recovery: Option<Recovery>,
    /// Original paths of the objects that belong to it: a hive's logs, a file's streams. Where such an object has an
    /// `original_path_raw`, that.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub companions: Vec<String>,
}

impl Item {
    /// In [`Item::wanted_by`], for what a record named. No artifact has one of these marks for its id, hence what only they
    /// ask for is kept and not parsed.
    pub const LEAD: &str = "lead";
    /// There, for a program of which a record says that it ran, and which may be a tool under another name.
    pub const RAN: &str = "ran";
    /// There, for what is kept because it is another copy of a file that is wanted.
    pub const OTHER_COPY: &str = "other-copy";
    /// There, for what is kept because a shadow copy has it.
    pub const SHADOW_COPY: &str = "shadow-copy";

    /// Whether an artifact asked for it, or it has this mark.
    pub fn is_wanted_by(&self, id: &str) -> bool {
        self.wanted_by.iter().any(|one| one == id)
    }

    /// Whether it was collected because a record named it.
    pub fn is_lead(&self) -> bool {
        self.is_wanted_by(Item::LEAD)
    }

    /// Whether it was collected only to see whether it is a tool under another name.
    pub fn is_suspect(&self) -> bool {
        !self.wanted_by.is_empty() && self.wanted_by.iter().all(|one| one == Item::RAN)
    }

    /// The SHA-256 that stands for the object: that of the whole file where it is known, else that of what is stored.
    pub fn cited_sha256(&self) -> &str {
        self.file_sha256.as_deref().unwrap_or(&self.sha256)
    }

    /// What tells its path apart from every other: the path itself, or what the system has where that is no text.
    pub fn exact_path(&self) -> &str {
        self.original_path_raw.as_deref().unwrap_or(&self.original_path)
    }
}
