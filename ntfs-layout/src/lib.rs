//! NTFS on-disk structures as typed values, from bytes: layout without meaning.
//!
//! Everything here is lenient, because damaged volumes are what gets examined: a structure that is partly
//! readable is returned with what is readable, and says what was wrong. Nothing here panics, recurses without
//! a bound, or allocates by a number that the evidence merely claims.
//!
//! Reference: Microsoft, *MFT_SEGMENT_REFERENCE*, *FILE_RECORD_SEGMENT_HEADER*, *ATTRIBUTE_RECORD_HEADER* and
//! *USN_RECORD_V2/V3/V4* (Win32 documentation); the *NTFS Documentation* of the Linux-NTFS project for the rest.

mod attribute;
mod boot;
mod extents;
mod index;
mod mft;
mod name;
mod path;
mod record;
mod reference;
mod reparse;
#[cfg(test)]
mod testing;
mod usn;

pub use attribute::{
    Attribute, AttributeFault, AttributeFlags, AttributeListEntry, Attributes, FileName, Form, Namespace, NonResident,
    StandardInformation, attribute_list, kind,
};
pub use boot::BootSector;
pub use extents::{Extent, Extents, RunFault};
pub use index::{IndexEntries, IndexEntry, IndexNode, index_record, index_root};
pub use mft::{MftPart, MftParts, MftPass, MftReader, PassEntry};
pub use name::Name;
pub use path::{FolderPath, ORPHAN, Paths};
pub use record::{FileRecord, Fixups, RecordFault, apply_fixups};
pub use reference::FileReference;
pub use reparse::{ReparsePoint, ReparseTarget, WofFile};
pub use usn::{UsnExtent, UsnReader, UsnRecord, reason_names, source_names};
