//! What an artifact stores, and where exactly.

use crate::claim::{Claim, RunTime};
use crate::schema::{Field, RecordType, Role, Told, told};
use crate::time::{Timestamp, When};
use crate::value::{Fields, Value, ValueRef};

/// What a stored moment means, in the words of plaso's `timestamp_desc`, so that Timesketch users know them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Meaning(pub &'static str);

impl Meaning {
    /// When the provider logged an event record.
    pub const RECORDED: Meaning = Meaning("Event Recorded");
    /// Start of the newest run that a prefetch file, or the task scheduler, records.
    pub const LAST_RUN: Meaning = Meaning("Last Time Executed");
    /// Start of an earlier run.
    pub const PREVIOUS_RUN: Meaning = Meaning("Previous Last Time Executed");
    /// When a program was last seen to be active.
    pub const LAST_ACTIVE: Meaning = Meaning("Last Active Time");
    /// When a registry key was last changed; values have no time of their own.
    pub const KEY_WRITTEN: Meaning = Meaning("Content Modification Time");
    /// File created, $STANDARD_INFORMATION.
    pub const SI_CREATED: Meaning = Meaning("Creation Time");
    /// Content modified, $STANDARD_INFORMATION.
    pub const SI_MODIFIED: Meaning = Meaning("Content Modification Time");
    /// MFT record changed, $STANDARD_INFORMATION.
    pub const SI_CHANGED: Meaning = Meaning("Metadata Modification Time");
    /// Last access, $STANDARD_INFORMATION.
    pub const SI_ACCESSED: Meaning = Meaning("Last Access Time");
    /// File created, $FILE_NAME.
    pub const FN_CREATED: Meaning = Meaning("Creation Time ($FILE_NAME)");
    /// Content modified, $FILE_NAME.
    pub const FN_MODIFIED: Meaning = Meaning("Content Modification Time ($FILE_NAME)");
    /// MFT record changed, $FILE_NAME.
    pub const FN_CHANGED: Meaning = Meaning("Metadata Modification Time ($FILE_NAME)");
    /// Last access, $FILE_NAME.
    pub const FN_ACCESSED: Meaning = Meaning("Last Access Time ($FILE_NAME)");
    /// Change journal record written.
    pub const JOURNAL: Meaning = Meaning("Metadata Modification Time (USN)");
    /// PE TimeDateStamp, where it is a time.
    pub const COMPILED: Meaning = Meaning("Creation Time (PE link)");
    /// A process or connection began, as the system keeps it.
    pub const STARTED: Meaning = Meaning("Start Time");
    /// A scheduled task was registered or changed.
    pub const REGISTERED: Meaning = Meaning("Last Registered Time");
    /// A scheduled task ended with success for the last time.
    pub const COMPLETED: Meaning = Meaning("Last Successful Execution Time");
    /// Live state was taken.
    pub const TAKEN: Meaning = Meaning("Live State Recorded");
    /// Volume created, as a prefetch file stores it.
    pub const VOLUME_CREATED: Meaning = Meaning("Volume Creation Time");
    /// The record has no time.
    pub const NOT_A_TIME: Meaning = Meaning("Not a time");
}

/// One moment of a record.
#[derive(Clone, Debug, PartialEq)]
pub struct Moment {
    /// What it means.
    pub meaning: Meaning,
    /// When.
    pub when: When,
    /// Where this moment is stored, when that is more exact than the record's locator. Boxed, since few moments have one.
    pub locator: Option<Box<Locator>>,
}

impl Moment {
    /// A moment stored where the record's locator points.
    pub fn at(meaning: Meaning, timestamp: Timestamp) -> Self {
        Moment { meaning, when: When::At(timestamp), locator: None }
    }
}

/// Where in an item a record stands, so that another tool can open it there.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Locator {
    /// A byte range of the item.
    ByteRange {
        /// First byte.
        offset: u64,
        /// Number of bytes.
        length: u64,
    },
    /// An event record.
    EvtxRecord {
        /// The record's own number, EventRecordID.
        record_id: u64,
        /// Byte offset of the record in the file.
        offset: u64,
    },
    /// A registry key or value.
    RegistryKey {
        /// Path inside the hive, without its root key's name.
        key: String,
        /// Value name, empty for the default value; `None` for the key itself.
        value: Option<String>,
        /// Byte offset of the key node or value cell in the hive file (after log replay, if that took place).
        offset: u64,
    },
    /// A file record of $MFT.
    MftEntry {
        /// Record number.
        entry: u64,
        /// Sequence number.
        sequence: u16,
        /// Byte offset in $MFT.
        offset: u64,
    },
    /// A change journal record.
    UsnRecord {
        /// Update sequence number.
        usn: u64,
        /// Byte offset in the collected stream.
        offset: u64,
    },
    /// A metadata row of a .NET assembly.
    MetadataToken {
        /// Table in the high byte, row in the rest: `0x06000001`.
        token: u32,
        /// Byte offset of the row in the file.
        offset: u64,
    },
    /// The whole item.
    Whole,
}

impl std::fmt::Display for Locator {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Locator::ByteRange { offset, length } => write!(f, "offset {offset:#x}, {length} bytes"),
            Locator::EvtxRecord { record_id, offset } => write!(f, "record {record_id} at offset {offset:#x}"),
            Locator::RegistryKey { key, value: None, offset } => write!(f, "key {key} at offset {offset:#x}"),
            Locator::RegistryKey { key, value: Some(value), offset } => {
                write!(
                    f,
                    "value {} of key {key} at offset {offset:#x}",
                    if value.is_empty() { "(Default)" } else { value }
                )
            }
            Locator::MftEntry { entry, sequence, offset } => {
                write!(f, "MFT record {entry}-{sequence} at offset {offset:#x}")
            }
            Locator::UsnRecord { usn, offset } => write!(f, "USN {usn} at offset {offset:#x}"),
            Locator::MetadataToken { token, offset } => write!(f, "token {token:#010x} at offset {offset:#x}"),
            Locator::Whole => write!(f, "whole file"),
        }
    }
}

/// `{kind, …}` with the numbers of the variant, and `text` as people read it.
impl serde::Serialize for Locator {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeMap;
        let mut map = serializer.serialize_map(None)?;
        match self {
            Locator::ByteRange { offset, length } => {
                map.serialize_entry("kind", "byte_range")?;
                map.serialize_entry("offset", offset)?;
                map.serialize_entry("length", length)?;
            }
            Locator::EvtxRecord { record_id, offset } => {
                map.serialize_entry("kind", "evtx_record")?;
                map.serialize_entry("record_id", record_id)?;
                map.serialize_entry("offset", offset)?;
            }
            Locator::RegistryKey { key, value, offset } => {
                map.serialize_entry("kind", "registry_key")?;
                map.serialize_entry("key", key)?;
                if let Some(value) = value {
                    map.serialize_entry("value", value)?;
                }
                map.serialize_entry("offset", offset)?;
            }
            Locator::MftEntry { entry, sequence, offset } => {
                map.serialize_entry("kind", "mft_entry")?;
                map.serialize_entry("entry", entry)?;
                map.serialize_entry("sequence", sequence)?;
                map.serialize_entry("offset", offset)?;
            }
            Locator::UsnRecord { usn, offset } => {
                map.serialize_entry("kind", "usn_record")?;
                map.serialize_entry("usn", usn)?;
                map.serialize_entry("offset", offset)?;
            }
            Locator::MetadataToken { token, offset } => {
                map.serialize_entry("kind", "metadata_token")?;
                map.serialize_entry("token", &format!("{token:#010x}"))?;
                map.serialize_entry("offset", offset)?;
            }
            Locator::Whole => map.serialize_entry("kind", "whole")?,
        }
        map.serialize_entry("text", &self.to_string())?;
        map.end()
    }
}

/// How far the stored bytes can be trusted to be a whole record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Integrity {
    /// Read from where the format keeps live records, checks passed.
    Intact,
    /// Live, but a check failed or part of it is missing.
    Corrupted,
    /// Deleted, or found in slack or unallocated space.
    Recovered,
}

impl Integrity {
    /// The stable name.
    pub fn name(self) -> &'static str {
        match self {
            Integrity::Intact => "intact",
            Integrity::Corrupted => "corrupted",
            Integrity::Recovered => "recovered",
        }
    }
}

/// What one artifact stores in one place. Verbatim: paths, users and zones are resolved later, once, with
/// the host that the bundle itself describes.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    /// Id of the artifact, as in [`crate::Artifact::id`].
    pub artifact: &'static str,
    /// Type of the record.
    pub of: &'static RecordType,
    /// What it is about: a path, a key, a process image; verbatim.
    pub subject: String,
    /// SID of the user concerned, verbatim, where the record names one; the account's name where it gives only that.
    pub user: Option<String>,
    /// Every moment that the record stores.
    pub moments: Vec<Moment>,
    /// Every value that the record stores.
    pub fields: Fields,
    /// What it may support.
    pub claims: &'static [Claim],
    /// Where it stands.
    pub locator: Locator,
    /// How whole it is.
    pub integrity: Integrity,
}

impl Record {
    /// What its time is to a run, where it shows one.
    pub fn run_time(&self) -> Option<RunTime> {
        self.claims.iter().find_map(|claim| claim.run_time())
    }

    /// The value in a role.
    pub fn role(&self, role: Role) -> Option<Told<'_>> {
        told(self.of.in_role(role), |name| self.fields.get(name))
    }

    /// The text in a role.
    pub fn text_of(&self, role: Role) -> Option<&str> {
        self.role(role)?.text()
    }
}

impl Field {
    /// Its value in a record.
    pub fn of<'r>(&self, record: &'r Record) -> Option<ValueRef<'r>> {
        record.fields.get(self.name)
    }
}

/// The fields of a record that are kept without it. Serialised, they are a map.
#[derive(Clone, Debug, PartialEq)]
pub struct Facts {
    of: &'static RecordType,
    values: Value,
}

impl Facts {
    /// Those of a record.
    pub fn of(record: &Record) -> Facts {
        let members = record.fields.iter().map(|(name, value)| (name.to_owned(), value.to_value()));
        Facts::new(record.of, Value::Map(members.collect()))
    }

    /// Those of a record of this type, as a map.
    pub fn new(of: &'static RecordType, values: Value) -> Facts {
        Facts { of, values }
    }

    /// The text in a role.
    pub fn text_of(&self, role: Role) -> Option<&str> {
        self.role(role)?.text()
    }

    /// The value in a role.
    pub fn role(&self, role: Role) -> Option<Told<'_>> {
        told(self.of.in_role(role), |name| self.values.get(name).map(Value::view))
    }
}

impl serde::Serialize for Facts {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.values.serialize(serializer)
    }
}
