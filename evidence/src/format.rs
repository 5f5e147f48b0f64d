//! What a file is by its first bytes, for files that lie outside of every tree of Windows, where no path says it.

use crate::hive::Hive;
use crate::le::{u16_at, u32_at};

/// A format of Windows that is recognised wherever a file of it lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Format {
    /// An event log of Windows Vista or later.
    EventLog,
    /// An event log of Windows XP or Server 2003.
    OldEventLog,
    /// A prefetch file, compressed or not.
    Prefetch,
    /// A registry hive; which one, where its base block or its name says so.
    Hive(Option<Hive>),
    /// The file records of an NTFS volume.
    FileRecords,
    /// A program or library of .NET.
    Assembly,
}

/// Bytes of a file that are enough to recognise it.
pub const FORMAT_HEAD: usize = 4096;

impl Format {
    /// What a file is by its first bytes ([`FORMAT_HEAD`] are enough); the name counts only for which hive a hive is.
    pub fn of(head: &[u8], name: &str) -> Option<Format> {
        let at = |offset: usize, magic: &[u8]| head.get(offset..).is_some_and(|rest| rest.starts_with(magic));
        if at(0, b"ElfFile\0") || at(0, b"ElfChnk\0") {
            Some(Format::EventLog)
        } else if at(4, b"LfLe") && u32_at(head, 0) == Some(0x30) {
            Some(Format::OldEventLog)
        } else if at(0, b"MAM\x04") || at(4, b"SCCA") {
            Some(Format::Prefetch)
        } else if at(0, b"regf") {
            // A transaction log begins as its hive does, and is read with it.
            u32_at(head, 28).is_none_or(|kind| kind == 0).then(|| Format::Hive(Hive::of(head, name)))
        } else if at(0, b"FILE") && is_first_file_record(head) {
            Some(Format::FileRecords)
        } else if at(0, b"MZ") && is_assembly(head).unwrap_or(false) {
            Some(Format::Assembly)
        } else {
            None
        }
    }

    /// In words, for people.
    pub fn name(self) -> &'static str {
        match self {
            Format::EventLog => "event log",
            Format::OldEventLog => "event log of Windows XP or Server 2003",
            Format::Prefetch => "prefetch file",
            Format::Hive(_) => "registry hive",
            Format::FileRecords => "$MFT",
            Format::Assembly => ".NET assembly",
        }
    }
}

/// Whether a file record is the first one of a volume, which is called `$MFT`.
fn is_first_file_record(record: &[u8]) -> bool {
    let name: [u8; 8] = [b'$', 0, b'M', 0, b'F', 0, b'T', 0];
    record.get(..1024).is_some_and(|record| record.windows(8).any(|part| part == name))
}

/// Whether a program has the header of the common language runtime.
///
/// Reference: Microsoft, *PE Format*, optional header data directories.
fn is_assembly(head: &[u8]) -> Option<bool> {
    const RUNTIME_HEADER: usize = 14;
    let header = usize::try_from(u32_at(head, 0x3C)?).ok()?;
    if head.get(header..header.checked_add(4)?)? != b"PE\0\0" {
        return Some(false);
    }
    let optional = header.checked_add(24)?;
    let directories = match u16_at(head, optional)? {
        0x10B => optional.checked_add(96)?,
        0x20B => optional.checked_add(112)?,
        _ => return Some(false),
    };
    let count = u32_at(head, directories.checked_sub(4)?)?;
    Some(count > RUNTIME_HEADER as u32 && u32_at(head, directories.checked_add(RUNTIME_HEADER * 8)?)? != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Parts of a file and where they stand; everything else is zero.
    type Parts<'a> = &'a [(usize, &'a [u8])];

    fn file(parts: Parts<'_>) -> Vec<u8> {
        let mut bytes = vec![0; FORMAT_HEAD];
        for (at, part) in parts {
            bytes[*at..*at + part.len()].copy_from_slice(part);
        }
        bytes
    }

    #[test]
    fn each_format_by_its_bytes() {
        let wide: Vec<u8> = "\\Config\\SOFTWARE".encode_utf16().flat_map(u16::to_le_bytes).collect();
        let mft: Vec<u8> = "$MFT".encode_utf16().flat_map(u16::to_le_bytes).collect();
        let cases: [(Parts<'_>, Option<Format>); 12] = [
            (&[(0, b"ElfFile\0")], Some(Format::EventLog)),
            (&[(0, &[0x30, 0, 0, 0]), (4, b"LfLe")], Some(Format::OldEventLog)),
            (&[(0, &[0x31, 0, 0, 0]), (4, b"LfLe")], None),
            (&[(0, b"MAM\x04")], Some(Format::Prefetch)),
            (&[(0, &[23, 0, 0, 0]), (4, b"SCCA")], Some(Format::Prefetch)),
            (&[(0, b"regf"), (48, &wide)], Some(Format::Hive(Some(Hive::Software)))),
            (&[(0, b"regf")], Some(Format::Hive(Some(Hive::Sam)))),
            (&[(0, b"regf"), (28, &[6])], None),
            (&[(0, b"FILE0"), (0xF2, &mft)], Some(Format::FileRecords)),
            (&[(0, b"FILE0")], None),
            (&[(0, b"a text")], None),
            (&[], None),
        ];
        for (parts, expected) in cases {
            assert_eq!(Format::of(&file(parts), "sam"), expected, "{parts:?}");
        }
        assert_eq!(Format::of(&file(&[(0, b"regf")]), "BCD"), Some(Format::Hive(None)));
        assert_eq!(Format::of(b"", "SYSTEM"), None);
    }

    #[test]
    fn an_assembly_is_a_program_with_a_runtime_header() {
        for (magic, directories) in [(0x10Bu16, 96), (0x20B, 112)] {
            let optional = 0x80 + 24;
            let parts = |count: u32, runtime: u32| {
                file(&[
                    (0, b"MZ"),
                    (0x3C, &0x80u32.to_le_bytes()),
                    (0x80, b"PE\0\0"),
                    (optional, &magic.to_le_bytes()),
                    (optional + directories - 4, &count.to_le_bytes()),
                    (optional + directories + 14 * 8, &runtime.to_le_bytes()),
                ])
            };
            assert_eq!(Format::of(&parts(16, 0x2008), ""), Some(Format::Assembly));
            assert_eq!(Format::of(&parts(16, 0), ""), None, "a program without the runtime");
            assert_eq!(Format::of(&parts(14, 0x2008), ""), None, "no such directory");
        }
        assert_eq!(Format::of(&file(&[(0, b"MZ"), (0x3C, &u32::MAX.to_le_bytes())]), ""), None);
    }
}
