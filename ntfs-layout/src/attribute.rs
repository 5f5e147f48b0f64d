//! Attributes of a file record, and the values of the ones that every file has.

use crate::name::Name;
use crate::reference::FileReference;
use evidence::le::{u8_at, u16_at, u32_at, u64_at};
use evidence::{Filetime, Macb};
use std::fmt;

/// Type codes of attributes.
pub mod kind {
    /// $STANDARD_INFORMATION.
    pub const STANDARD_INFORMATION: u32 = 0x10;
    /// $ATTRIBUTE_LIST: where the attributes are that do not fit in the base record.
    pub const ATTRIBUTE_LIST: u32 = 0x20;
    /// $FILE_NAME: one name of the file in one folder.
    pub const FILE_NAME: u32 = 0x30;
    /// $OBJECT_ID.
    pub const OBJECT_ID: u32 = 0x40;
    /// $SECURITY_DESCRIPTOR.
    pub const SECURITY_DESCRIPTOR: u32 = 0x50;
    /// $VOLUME_NAME.
    pub const VOLUME_NAME: u32 = 0x60;
    /// $VOLUME_INFORMATION.
    pub const VOLUME_INFORMATION: u32 = 0x70;
    /// $DATA: the content, or a named stream.
    pub const DATA: u32 = 0x80;
    /// $INDEX_ROOT.
    pub const INDEX_ROOT: u32 = 0x90;
    /// $INDEX_ALLOCATION.
    pub const INDEX_ALLOCATION: u32 = 0xA0;
    /// $BITMAP.
    pub const BITMAP: u32 = 0xB0;
    /// $REPARSE_POINT.
    pub const REPARSE_POINT: u32 = 0xC0;
    /// The end marker.
    pub const END: u32 = 0xFFFF_FFFF;
}

/// Flags of an attribute.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AttributeFlags(pub u16);

impl AttributeFlags {
    /// Compressed by NTFS (LZNT1).
    pub fn compressed(self) -> bool {
        self.0 & 0x00FF != 0
    }

    /// Encrypted by EFS.
    pub fn encrypted(self) -> bool {
        self.0 & 0x4000 != 0
    }

    /// Sparse: ranges without clusters read as zeros.
    pub fn sparse(self) -> bool {
        self.0 & 0x8000 != 0
    }
}

/// Where an attribute's value is on the disk. A value with many fragments has several of these, in different
/// records, each for its own range of clusters; sizes stand only in the one that begins at cluster 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NonResident<'a> {
    /// First cluster of the value that the runs describe.
    pub first_vcn: u64,
    /// Last cluster; `first_vcn - 1` where there is none.
    pub last_vcn: u64,
    /// The encoded data runs, see [`crate::Extents`].
    pub runs: &'a [u8],
    /// Power of two of the clusters per compression unit, 0 where the value is not compressed.
    pub compression_unit: u8,
    /// Bytes allocated, holes of a sparse or compressed value included.
    pub allocated: u64,
    /// Length of the value in bytes.
    pub size: u64,
    /// Length that was written; everything after it reads as zeros whatever the clusters hold.
    pub initialized: u64,
}

/// The value of an attribute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form<'a> {
    /// In the record itself.
    Resident(&'a [u8]),
    /// In clusters.
    NonResident(NonResident<'a>),
}

/// One attribute.
///
/// Reference: Microsoft, *ATTRIBUTE_RECORD_HEADER structure*.
#[derive(Clone, Copy, Debug)]
pub struct Attribute<'a> {
    /// Byte offset in the record.
    pub offset: usize,
    /// Type code, see [`kind`].
    pub kind: u32,
    /// Number that is unique within the record.
    pub id: u16,
    /// Flags.
    pub flags: AttributeFlags,
    /// Name, empty for the unnamed one.
    pub name: Name<'a>,
    /// Value.
    pub form: Form<'a>,
}

impl<'a> Attribute<'a> {
    /// The value where it is resident.
    pub fn resident(&self) -> Option<&'a [u8]> {
        match self.form {
            Form::Resident(value) => Some(value),
            Form::NonResident(_) => None,
        }
    }

    /// Length of the value in bytes. For a value in several parts only the first part knows it.
    pub fn size(&self) -> u64 {
        match self.form {
            Form::Resident(value) => value.len() as u64,
            Form::NonResident(place) => place.size,
        }
    }

    fn parse(bytes: &'a [u8], offset: usize) -> Result<(Self, usize), &'static str> {
        let rest = bytes.get(offset..).unwrap_or(&[]);
        let length = u32_at(rest, 4).ok_or("its header lies outside the record")? as usize;
        if length < 24 || !length.is_multiple_of(8) {
            return Err("its length is impossible");
        }
        let own = rest.get(..length).ok_or("it reaches beyond the record")?;
        let ended = "its header is cut short";
        let name_at = usize::from(u16_at(own, 10).ok_or(ended)?);
        let name_length = usize::from(u8_at(own, 9).ok_or(ended)?) * 2;
        let name = match name_length {
            0 => &[],
            _ => own.get(name_at..name_at + name_length).ok_or("its name lies outside it")?,
        };
        let form = if u8_at(own, 8).ok_or(ended)? == 0 {
            let (at, length) = (u16_at(own, 20).ok_or(ended)?, u32_at(own, 16).ok_or(ended)?);
            let value = own.get(usize::from(at)..).and_then(|rest| rest.get(..length as usize));
            Form::Resident(value.ok_or("its value lies outside it")?)
        } else {
            let number = |at| u64_at(own, at).ok_or(ended);
            Form::NonResident(NonResident {
                first_vcn: number(16)?,
                last_vcn: number(24)?,
                runs: own.get(usize::from(u16_at(own, 32).ok_or(ended)?)..).ok_or("its runs lie outside it")?,
                compression_unit: u8_at(own, 34).ok_or(ended)?,
                allocated: number(40)?,
                size: number(48)?,
                initialized: number(56)?,
            })
        };
        let attribute = Attribute {
            offset,
            kind: u32_at(own, 0).ok_or(ended)?,
            id: u16_at(own, 14).ok_or(ended)?,
            flags: AttributeFlags(u16_at(own, 12).ok_or(ended)?),
            name: Name::new(name),
            form,
        };
        Ok((attribute, length))
    }
}

/// An attribute that cannot be read. What follows it in the record cannot be found either.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AttributeFault {
    /// Byte offset in the record.
    pub offset: usize,
    /// What is wrong with it.
    pub what: &'static str,
}

impl fmt::Display for AttributeFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the attribute at byte {} of the record cannot be read: {}", self.offset, self.what)
    }
}

/// The attributes of a record in order. Ends after the end marker or after the first fault.
#[derive(Clone, Debug)]
pub struct Attributes<'a> {
    bytes: &'a [u8],
    offset: usize,
    ended: bool,
}

impl<'a> Attributes<'a> {
    pub(crate) fn new(bytes: &'a [u8], offset: usize) -> Self {
        Attributes { bytes, offset, ended: false }
    }
}

impl<'a> Iterator for Attributes<'a> {
    type Item = Result<Attribute<'a>, AttributeFault>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended || u32_at(self.bytes, self.offset) == Some(kind::END) {
            return None;
        }
        match Attribute::parse(self.bytes, self.offset) {
            Ok((attribute, length)) => {
                self.offset += length;
                Some(Ok(attribute))
            }
            Err(what) => {
                self.ended = true;
                Some(Err(AttributeFault { offset: self.offset, what }))
            }
        }
    }
}

fn macb(bytes: &[u8], offset: usize) -> Option<Macb> {
    let time = |at| u64_at(bytes, offset + at).map(|raw| (raw != 0).then_some(Filetime(raw)));
    Some(Macb { born: time(0)?, modified: time(8)?, changed: time(16)?, accessed: time(24)? })
}

/// $STANDARD_INFORMATION. Programs may set its times freely; NTFS updates them as programs work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StandardInformation {
    /// The four times; a stored zero is absent.
    pub times: Macb,
    /// File attributes (read-only 1, hidden 2, system 4, …).
    pub attributes: u32,
    /// Id in $Secure, from NTFS 3.0 on.
    pub security_id: Option<u32>,
    /// Number of the last change journal record about the file, from NTFS 3.0 on; 0 when there is none.
    pub usn: Option<u64>,
}

impl StandardInformation {
    /// Reads the value; `None` when it is too short.
    pub fn parse(value: &[u8]) -> Option<Self> {
        Some(StandardInformation {
            times: macb(value, 0)?,
            attributes: u32_at(value, 32)?,
            security_id: u32_at(value, 52),
            usn: u64_at(value, 64),
        })
    }
}

/// Which rules a name obeys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Namespace {
    /// Any character, case matters.
    Posix,
    /// A long name; its 8.3 name stands in another attribute.
    Win32,
    /// An 8.3 name of a file that has a long name too.
    Dos,
    /// A long name that is its own 8.3 name.
    Win32AndDos,
    /// A value that is not defined.
    Unknown(u8),
}

/// $FILE_NAME: a name of the file in one folder. Its times are set by NTFS itself when the name is made or
/// moved, and hardly ever afterwards; sizes are not kept up to date in it.
#[derive(Clone, Copy, Debug)]
pub struct FileName<'a> {
    /// The folder.
    pub parent: FileReference,
    /// The four times; a stored zero is absent.
    pub times: Macb,
    /// Bytes allocated when the name was made.
    pub allocated: u64,
    /// Length of the content when the name was made.
    pub size: u64,
    /// File attributes; 0x1000_0000 marks a folder.
    pub attributes: u32,
    /// Reparse tag where `attributes` has 0x400, otherwise the size of extended attributes.
    pub reparse_tag: u32,
    /// Which rules the name obeys.
    pub namespace: Namespace,
    /// The name.
    pub name: Name<'a>,
}

impl<'a> FileName<'a> {
    /// Reads the value, also as an index stores it; `None` when it is too short for its name.
    pub fn parse(value: &'a [u8]) -> Option<Self> {
        let length = usize::from(u8_at(value, 64)?) * 2;
        Some(FileName {
            parent: FileReference::from_raw(u64_at(value, 0)?),
            times: macb(value, 8)?,
            allocated: u64_at(value, 40)?,
            size: u64_at(value, 48)?,
            attributes: u32_at(value, 56)?,
            reparse_tag: u32_at(value, 60)?,
            namespace: match u8_at(value, 65)? {
                0 => Namespace::Posix,
                1 => Namespace::Win32,
                2 => Namespace::Dos,
                3 => Namespace::Win32AndDos,
                other => Namespace::Unknown(other),
            },
            name: Name::new(value.get(66..66 + length)?),
        })
    }

    /// Whether the name is that of a folder.
    pub fn is_folder(&self) -> bool {
        self.attributes & 0x1000_0000 != 0
    }
}

/// One line of an $ATTRIBUTE_LIST.
///
/// Reference: Microsoft, *ATTRIBUTE_LIST_ENTRY structure*.
#[derive(Clone, Copy, Debug)]
pub struct AttributeListEntry<'a> {
    /// Type code.
    pub kind: u32,
    /// Name.
    pub name: Name<'a>,
    /// First cluster of the value that the attribute describes.
    pub first_vcn: u64,
    /// The record that holds the attribute.
    pub record: FileReference,
    /// The attribute's id in that record.
    pub id: u16,
}

/// The entries of an $ATTRIBUTE_LIST's value, up to the first that cannot be read.
pub fn attribute_list(value: &[u8]) -> impl Iterator<Item = AttributeListEntry<'_>> {
    let mut rest = value;
    std::iter::from_fn(move || {
        let length = usize::from(u16_at(rest, 4)?);
        let own = rest.get(..length).filter(|own| own.len() >= 26)?;
        rest = &rest[length..];
        let (name_length, name_at) = (usize::from(own[6]) * 2, usize::from(own[7]));
        Some(AttributeListEntry {
            kind: u32_at(own, 0)?,
            name: Name::new(if name_length == 0 { &[] } else { own.get(name_at..name_at + name_length)? }),
            first_vcn: u64_at(own, 8)?,
            record: FileReference::from_raw(u64_at(own, 16)?),
            id: u16_at(own, 24)?,
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::FileRecord;
    use crate::testing::{build, file_name, resident};

    #[test]
    fn attributes_in_order_until_the_first_fault() {
        let parent = FileReference { entry: 5, sequence: 5 };
        let name = resident(kind::FILE_NAME, "", &file_name(parent, 3, "gone.dll"));
        let stream = resident(kind::DATA, "Zone.Identifier", b"[ZoneTransfer]");
        let mut bytes = build(1, 1, 0, &[name.clone(), stream]);
        let broken_at = 56 + name.len();
        let mut broken = bytes.clone();

        let record = FileRecord::parse(7, &mut bytes).unwrap();
        let found: Vec<_> = record.attributes().map(Result::unwrap).collect();
        let parsed = FileName::parse(found[0].resident().unwrap()).unwrap();
        assert_eq!((parsed.parent, parsed.namespace), (parent, Namespace::Win32AndDos));
        assert_eq!((parsed.name.to_string().as_str(), parsed.times.born), ("gone.dll", Some(Filetime(1))));
        assert_eq!((parsed.times.modified, parsed.times.accessed), (Some(Filetime(2)), None));
        assert!(found[1].name.eq_ignore_ascii_case("zone.identifier"));
        assert_eq!(found[1].resident(), Some(&b"[ZoneTransfer]"[..]));

        broken[broken_at + 4] = 0;
        let record = FileRecord::parse(7, &mut broken).unwrap();
        let found: Vec<_> = record.attributes().collect();
        assert_eq!(found.len(), 2);
        assert_eq!(found[1].as_ref().unwrap_err().offset, broken_at);
    }

    #[test]
    fn every_byte_of_a_record_may_be_anything() {
        let name = resident(kind::FILE_NAME, "", &file_name(FileReference::default(), 1, "a name.dll"));
        let good = build(1, 1, 0, &[name, resident(kind::DATA, "s", b"text")]);
        for at in 0..good.len() {
            for value in [0, 1, 0x7F, 0x80, 0xFF] {
                let mut bytes = good.clone();
                bytes[at] = value;
                if let Ok(record) = FileRecord::parse(0, &mut bytes) {
                    let attributes = record.attributes().filter_map(Result::ok).filter_map(|a| a.resident());
                    assert!(
                        attributes.map(|value| FileName::parse(value).map_or(0, |n| n.name.len())).sum::<usize>() < 999
                    );
                }
            }
        }
    }

    #[test]
    fn attribute_list_lines_end_with_the_value() {
        let mut line = vec![0; 32];
        line[..4].copy_from_slice(&kind::DATA.to_le_bytes());
        line[4] = 32;
        line[8] = 9;
        line[16] = 44;
        line[22] = 2;
        let value = [line.clone(), line.clone(), line[..20].to_vec()].concat();
        let entries: Vec<_> = attribute_list(&value).collect();
        assert_eq!(entries.len(), 2);
        assert_eq!((entries[1].first_vcn, entries[1].record), (9, FileReference { entry: 44, sequence: 2 }));
        assert_eq!(attribute_list(&[0; 64]).count(), 0, "a length of zero ends the list");
    }
}
