//! Whether the bytes of a file are what is said of them, seen while they are read for whatever reason.

use crate::digest::{Digested, Digests, MOST_ZEROS, Which, WholeDigest, of_hex};
use evidence::{Item, hex};
use std::borrow::Borrow;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// Zeros that are hashed for all objects; a bundle can claim any number of holes.
pub(in crate::bundle) const ALL_ZEROS: u64 = 1 << 40;

/// What the bytes of a file have to give.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::bundle) struct Expected {
    pub(in crate::bundle) sha256: Option<[u8; 32]>,
    pub(in crate::bundle) sha512: Option<[u8; 64]>,
    /// Of an object whose holes were left out: its length and what is stored of it, and the digest with the holes.
    pub(in crate::bundle) whole: Option<Whole>,
}

/// The original of an object whose holes were left out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::bundle) struct Whole {
    pub(super) size: u64,
    pub(super) sha256: [u8; 32],
    /// Offset in the original and length of what is stored, one after the other.
    pub(super) ranges: Vec<(u64, u64)>,
}

impl Whole {
    /// The original of an object; its digest is zeros where none is recorded.
    pub(super) fn of(item: &Item) -> Self {
        let ranges = item.stored_ranges.iter().map(|range| (range.offset, range.length)).collect();
        let sha256 = item.file_sha256.as_deref().and_then(of_hex).unwrap_or_default();
        Whole { size: item.size, sha256, ranges }
    }

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

impl Expected {
    /// What a line of objects.jsonl says of its file.
    pub(in crate::bundle) fn of(item: &Item) -> Self {
        let has_whole = item.file_sha256.as_deref().and_then(of_hex::<32>).is_some();
        Expected {
            sha256: of_hex(&item.sha256),
            sha512: of_hex(&item.sha512),
            whole: has_whole.then(|| Whole::of(item)).filter(|whole| whole.holes().is_some()),
        }
    }

    /// What is enough to see that the bytes are those that were written: of bytes that have the right SHA-256 every other
    /// digest is right too, since all were computed of the same bytes.
    pub(super) fn one_digest(self) -> Self {
        if self.sha256.is_some() { Expected { sha512: None, whole: None, ..self } } else { self }
    }

    /// Appends it to a row, of which it is the last.
    pub(super) fn write(&self, bytes: &mut Vec<u8>) {
        bytes.push(u8::from(self.sha256.is_some()));
        bytes.extend(self.sha256.unwrap_or([0; 32]));
        bytes.push(u8::from(self.sha512.is_some()));
        bytes.extend(self.sha512.unwrap_or([0; 64]));
        if let Some(whole) = &self.whole {
            bytes.extend(whole.size.to_le_bytes());
            bytes.extend(whole.sha256);
            for (offset, length) in &whole.ranges {
                bytes.extend(offset.to_le_bytes());
                bytes.extend(length.to_le_bytes());
            }
        }
    }

    /// What was written.
    pub(super) fn read(rest: &[u8]) -> Option<Self> {
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
        Some(Expected {
            sha256: Some(*sha256).filter(|_| *has_sha256 == 1),
            sha512: Some(*sha512).filter(|_| *has_sha512 == 1),
            whole,
        })
    }
}

/// The next number.
pub(super) fn number(rest: &mut &[u8]) -> Option<u64> {
    let (number, after) = rest.split_first_chunk()?;
    *rest = after;
    Some(u64::from_le_bytes(*number))
}

/// A file that was read.
#[derive(Default)]
pub(in crate::bundle) struct Checked {
    /// Its digests, if it was read to its end.
    pub(super) digested: Option<Digested>,
    /// What is wrong with its bytes.
    pub(in crate::bundle) wrong: Vec<String>,
    /// The digest of the whole original was left out, because there are too many holes.
    pub(super) not_computed: bool,
}

impl Checked {
    /// Whether it was read to its end.
    pub(in crate::bundle) fn is_done(&self) -> bool {
        self.digested.is_some()
    }
}

/// Computes the digests of a file while it is read, and compares them at its end.
pub(in crate::bundle) struct Comparing<E> {
    expected: E,
    digests: Digests,
    whole: Option<WholeDigest>,
    not_computed: bool,
}

impl<E: Borrow<Expected>> Comparing<E> {
    /// Begins. `zeros` is how many zeros may still be hashed, for this file and for the others.
    pub(in crate::bundle) fn new(expected: E, zeros: &AtomicU64) -> Self {
        let digests = Digests::new(Which { sha512: expected.borrow().sha512.is_some(), program: false });
        let (whole, not_computed) = whole_of(expected.borrow(), zeros);
        Comparing { expected, digests, whole, not_computed }
    }

    /// Takes the next bytes.
    pub(in crate::bundle) fn update(&mut self, block: &[u8], cancel: &AtomicBool) {
        self.digests.update(block);
        if let Some(whole) = &mut self.whole {
            whole.update(block, cancel);
        }
    }

    /// The file is at its end. `says` names what has the digests.
    pub(in crate::bundle) fn finish(self, says: &str, cancel: &AtomicBool) -> Checked {
        let digested = self.digests.finish();
        let mut wrong = Vec::new();
        let mut compare = |name: &str, stated: Option<&[u8]>, actual: Option<&[u8]>| {
            if let (Some(stated), Some(actual)) = (stated, actual)
                && stated != actual
            {
                wrong.push(format!("its {name} is {}, {says} says {}", hex(actual), hex(stated)));
            }
        };
        let Expected { sha256, sha512, whole } = self.expected.borrow();
        compare("SHA-256", sha256.as_ref().map(|stated| &stated[..]), Some(&digested.sha256));
        let actual = digested.sha512.as_ref().map(|actual| &actual[..]);
        compare("SHA-512", sha512.as_ref().map(|stated| &stated[..]), actual);
        if let (Some(computed), Some(stated)) = (self.whole, whole) {
            let actual = computed.finish(stated.size, cancel);
            if cancel.load(Ordering::Relaxed) {
                return Checked::default();
            }
            if actual != Some(stated.sha256) {
                let what = "the digest of the whole file, holes included, is not the one that objects.jsonl has";
                wrong.push(what.to_owned());
            }
        }
        Checked { digested: Some(digested), wrong, not_computed: self.not_computed }
    }
}

/// What computes the digest of the whole original, where one is recorded and the holes are not too many.
fn whole_of(expected: &Expected, zeros: &AtomicU64) -> (Option<WholeDigest>, bool) {
    let Some(whole) = &expected.whole else { return (None, false) };
    let begin = || WholeDigest::new(whole.ranges.iter().copied());
    match whole.holes() {
        None => (None, true),
        Some(holes) if holes > MOST_ZEROS => (None, true),
        Some(holes) => {
            let take = |left: u64| left.checked_sub(holes);
            let is_left = zeros.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take).is_ok();
            (is_left.then(begin), !is_left)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_comes_back() {
        let whole = Whole { size: 100, sha256: [3; 32], ranges: vec![(0, 5), (50, 6)] };
        assert_eq!(whole.holes(), Some(89));
        let with_whole = Expected { sha256: Some([1; 32]), sha512: None, whole: Some(whole) };
        let with_both = Expected { sha512: Some([2; 64]), whole: None, ..with_whole.clone() };
        for expected in [Expected::default(), with_whole, with_both] {
            let mut bytes = Vec::new();
            expected.write(&mut bytes);
            assert_eq!(Expected::read(&bytes), Some(expected));
            assert_eq!(Expected::read(&bytes[..bytes.len() - 1]), None);
        }
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
