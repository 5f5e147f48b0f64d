//! What is said about one path, row by row, so that a million files are compared without having them in memory.

use super::Member;
use std::io;

/// What the manifests say of one file.
#[derive(Default)]
pub(super) struct Stated {
    pub(super) sha256: Option<[u8; 32]>,
    pub(super) sha512: Option<[u8; 64]>,
    /// Which manifests list it: a bit for each.
    pub(super) lists: u8,
}

/// What a line of objects.jsonl says of its file.
pub(super) struct Described {
    pub(super) sha256: Option<[u8; 32]>,
    pub(super) sha512: Option<[u8; 64]>,
    pub(super) stored_size: u64,
    /// Of an object whose holes were left out: its length and what is stored of it, and the digest with the holes.
    pub(super) whole: Option<Whole>,
}

/// The original of an object whose holes were left out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Whole {
    pub(super) size: u64,
    pub(super) sha256: [u8; 32],
    /// Offset in the original and length of what is stored, one after the other.
    pub(super) ranges: Vec<(u64, u64)>,
}

impl Whole {
    /// Bytes of its holes; `None` if its ranges overlap, are out of order or reach behind its end.
    pub(super) fn holes(&self) -> Option<u64> {
        let mut end = 0;
        let mut stored = 0u64;
        for (offset, length) in &self.ranges {
            if *offset < end {
                return None;
            }
            end = offset.checked_add(*length)?;
            stored += length;
        }
        (end <= self.size).then(|| self.size - stored)
    }
}

/// The kinds of rows.
const FILE: u8 = 0;
const STATED: u8 = 1;
const OBJECT: u8 = 2;

/// One row.
pub(super) enum Row {
    /// The file is there.
    File(Member),
    /// The manifest of this number lists it, with this digest.
    Stated(u8, Vec<u8>),
    /// A line of objects.jsonl describes it.
    Object(Described),
}

impl Row {
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        match self {
            Row::File(Member { at, size }) => {
                bytes.push(FILE);
                [at, size].iter().for_each(|number| bytes.extend(number.to_le_bytes()));
            }
            Row::Stated(manifest, digest) => {
                bytes.extend([STATED, *manifest]);
                bytes.extend(digest);
            }
            Row::Object(described) => {
                bytes.push(OBJECT);
                bytes.extend(described.stored_size.to_le_bytes());
                bytes.push(u8::from(described.sha256.is_some()));
                bytes.extend(described.sha256.unwrap_or([0; 32]));
                bytes.push(u8::from(described.sha512.is_some()));
                bytes.extend(described.sha512.unwrap_or([0; 64]));
                if let Some(whole) = &described.whole {
                    bytes.extend(whole.size.to_le_bytes());
                    bytes.extend(whole.sha256);
                    for (offset, length) in &whole.ranges {
                        bytes.extend(offset.to_le_bytes());
                        bytes.extend(length.to_le_bytes());
                    }
                }
            }
        }
        bytes
    }

    pub(super) fn of(bytes: &[u8]) -> io::Result<Row> {
        let row = match bytes {
            [FILE, rest @ ..] => file(rest).map(Row::File),
            [STATED, manifest, digest @ ..] => Some(Row::Stated(*manifest, digest.to_vec())),
            [OBJECT, rest @ ..] => object(rest).map(Row::Object),
            _ => None,
        };
        row.ok_or_else(|| io::Error::other("a temporary file was changed"))
    }
}

fn number(rest: &mut &[u8]) -> Option<u64> {
    let (number, after) = rest.split_first_chunk()?;
    *rest = after;
    Some(u64::from_le_bytes(*number))
}

fn file(mut rest: &[u8]) -> Option<Member> {
    Some(Member { at: number(&mut rest)?, size: number(&mut rest)? })
}

fn object(mut rest: &[u8]) -> Option<Described> {
    let stored_size = number(&mut rest)?;
    let (has_sha256, rest) = rest.split_first()?;
    let (sha256, rest) = rest.split_first_chunk()?;
    let (has_sha512, rest) = rest.split_first()?;
    let (sha512, mut rest) = rest.split_first_chunk()?;
    let whole = if rest.is_empty() {
        None
    } else {
        let size = number(&mut rest)?;
        let (sha256, mut rest) = rest.split_first_chunk()?;
        let mut ranges = Vec::new();
        while !rest.is_empty() {
            ranges.push((number(&mut rest)?, number(&mut rest)?));
        }
        Some(Whole { size, sha256: *sha256, ranges })
    };
    Some(Described {
        sha256: Some(*sha256).filter(|_| *has_sha256 == 1),
        sha512: Some(*sha512).filter(|_| *has_sha512 == 1),
        stored_size,
        whole,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_comes_back() {
        let whole = Whole { size: 100, sha256: [3; 32], ranges: vec![(0, 5), (50, 6)] };
        assert_eq!(whole.holes(), Some(89));
        let row =
            Row::Object(Described { sha256: Some([1; 32]), sha512: None, stored_size: 11, whole: Some(whole.clone()) });
        let Ok(Row::Object(back)) = Row::of(&row.to_bytes()) else { panic!("another kind") };
        assert_eq!((back.sha256, back.sha512, back.stored_size, back.whole), (Some([1; 32]), None, 11, Some(whole)));
        assert!(Row::of(&[FILE, 1]).is_err() && Row::of(&[9]).is_err());
    }

    #[test]
    fn impossible_ranges_have_no_holes() {
        let of = |size, ranges: &[(u64, u64)]| Whole { size, sha256: [0; 32], ranges: ranges.to_vec() }.holes();
        assert_eq!(of(10, &[]), Some(10));
        assert_eq!(of(10, &[(4, 6)]), Some(4));
        for wrong in [&[(4, 7)][..], &[(4, 2), (5, 1)], &[(u64::MAX, 2)], &[(4, 2), (0, 1)]] {
            assert_eq!(of(10, wrong), None);
        }
    }
}
