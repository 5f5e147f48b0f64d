//! What is said about one path, row by row, so that a million files are compared without having them in memory.

use super::Member;
use super::expected::{Expected, number};
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
    /// The number of the object.
    pub(super) number: u32,
    pub(super) stored_size: u64,
    pub(super) expected: Expected,
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
                bytes.extend(described.number.to_le_bytes());
                bytes.extend(described.stored_size.to_le_bytes());
                described.expected.write(&mut bytes);
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

fn file(mut rest: &[u8]) -> Option<Member> {
    Some(Member { at: number(&mut rest)?, size: number(&mut rest)? })
}

fn object(rest: &[u8]) -> Option<Described> {
    let (which, mut rest) = rest.split_first_chunk()?;
    let stored_size = number(&mut rest)?;
    Some(Described { number: u32::from_le_bytes(*which), stored_size, expected: Expected::read(rest)? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_comes_back() {
        let expected = Expected { sha256: Some([1; 32]), ..Expected::default() };
        let row = Row::Object(Described { number: 7, stored_size: 11, expected: expected.clone() });
        let Ok(Row::Object(back)) = Row::of(&row.to_bytes()) else { panic!("another kind") };
        assert_eq!((back.number, back.stored_size, back.expected), (7, 11, expected));
        assert!(Row::of(&[FILE, 1]).is_err() && Row::of(&[9]).is_err() && Row::of(&[OBJECT, 1]).is_err());
    }
}
