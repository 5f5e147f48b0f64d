//! Reparse points: junctions, symbolic links, and files that a filter driver keeps compressed.

use crate::name::Name;
use evidence::le::{u16_at, u32_at};

/// The value of a $REPARSE_POINT.
///
/// Reference: Microsoft, *REPARSE_DATA_BUFFER structure* and *[MS-FSCC] 2.1.2*.
#[derive(Clone, Copy, Debug)]
pub struct ReparsePoint<'a> {
    /// The tag, which says what the data means.
    pub tag: u32,
    /// What it leads to, where the tag is one that we read.
    pub target: ReparseTarget<'a>,
}

/// What a reparse point leads to.
#[derive(Clone, Copy, Debug)]
pub enum ReparseTarget<'a> {
    /// A folder, on this or another volume (mount point).
    Junction {
        /// Where the kernel goes, `\??\C:\Users`.
        substitute: Name<'a>,
        /// What people are shown.
        print: Name<'a>,
    },
    /// A symbolic link.
    Symlink {
        /// Where the kernel goes.
        substitute: Name<'a>,
        /// What people are shown.
        print: Name<'a>,
        /// Whether the target is relative to the folder of the link.
        relative: bool,
    },
    /// Compressed content in the stream `WofCompressedData`.
    Wof(WofFile),
    /// Anything else, or data too short for its tag.
    Other,
}

/// How the Windows Overlay Filter stores a file.
///
/// Reference: Microsoft, *WOF_EXTERNAL_INFO* and *FILE_PROVIDER_EXTERNAL_INFO_V1*.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WofFile {
    /// 1: the content is in a WIM archive elsewhere, 2: in the file's own stream.
    pub provider: u32,
    /// For provider 2: 0 XPRESS4K, 1 LZX, 2 XPRESS8K, 3 XPRESS16K.
    pub algorithm: u32,
}

impl<'a> ReparsePoint<'a> {
    /// Junction or volume mount point.
    pub const MOUNT_POINT: u32 = 0xA000_0003;
    /// Symbolic link.
    pub const SYMLINK: u32 = 0xA000_000C;
    /// Windows Overlay Filter.
    pub const WOF: u32 = 0x8000_0017;

    /// Reads the value; `None` when it is shorter than its header.
    pub fn parse(value: &'a [u8]) -> Option<Self> {
        let tag = u32_at(value, 0)?;
        let length = usize::from(u16_at(value, 4)?);
        let data = value.get(8..)?;
        let data = &data[..length.min(data.len())];
        let target = match tag {
            Self::MOUNT_POINT => {
                Self::names(data, 8).map(|(substitute, print)| ReparseTarget::Junction { substitute, print })
            }
            Self::SYMLINK => Self::names(data, 12).and_then(|(substitute, print)| {
                Some(ReparseTarget::Symlink { substitute, print, relative: u32_at(data, 8)? & 1 != 0 })
            }),
            Self::WOF => u32_at(data, 4).map(|provider| {
                ReparseTarget::Wof(WofFile { provider, algorithm: u32_at(data, 12).unwrap_or(u32::MAX) })
            }),
            _ => None,
        };
        Some(ReparsePoint { tag, target: target.unwrap_or(ReparseTarget::Other) })
    }

    fn names(data: &'a [u8], names_at: usize) -> Option<(Name<'a>, Name<'a>)> {
        let name = |at| {
            let (offset, length) = (usize::from(u16_at(data, at)?), usize::from(u16_at(data, at + 2)?));
            data.get(names_at + offset..names_at + offset + length).map(Name::new)
        };
        Some((name(0)?, name(4)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn junction_and_wof() {
        let mut junction = vec![3, 0, 0, 0xA0, 14, 0, 0, 0, 0, 0, 4, 0, 4, 0, 2, 0];
        junction.extend(b"\\\0?\0C\0");
        match ReparsePoint::parse(&junction).unwrap().target {
            ReparseTarget::Junction { substitute, print } => {
                assert_eq!((substitute.to_string().as_str(), print.to_string().as_str()), ("\\?", "C"));
            }
            other => panic!("{other:?}"),
        }
        let wof = [0x17, 0, 0, 0x80, 16, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0];
        let target = ReparsePoint::parse(&wof).unwrap().target;
        assert!(matches!(target, ReparseTarget::Wof(WofFile { provider: 2, algorithm: 1 })));
        for length in 0..junction.len() {
            if let Some(point) = ReparsePoint::parse(&junction[..length]) {
                assert!(matches!(point.target, ReparseTarget::Other), "{length}");
            }
        }
    }
}
