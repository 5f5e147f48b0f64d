//! The digests of an object, computed while its bytes pass by.

use md5::Md5;
use sha1::Sha1;
use sha2::{Digest, Sha256, Sha512};
use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};

/// Blocks below this length are not worth the handing over to another thread.
const PARALLEL_FROM: usize = 1 << 18;

/// Running digests.
pub(crate) struct Digests {
    sha256: Sha256,
    sha512: Option<Sha512>,
    program: Option<(Sha1, Md5)>,
}

/// A running SHA-512 by itself.
pub(crate) struct Digests512(Sha512);

impl Digests512 {
    /// Takes the next bytes.
    pub(crate) fn update(&mut self, block: &[u8]) {
        self.0.update(block);
    }

    /// Ends.
    pub(crate) fn finish(self) -> [u8; 64] {
        self.0.finalize().into()
    }
}

/// Which digests are computed beside SHA-256.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Which {
    /// SHA-512.
    pub(crate) sha512: bool,
    /// SHA-1 and MD5, which lists of known programs go by.
    pub(crate) program: bool,
}

/// Finished digests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Digested {
    pub(crate) sha256: [u8; 32],
    pub(crate) sha512: Option<[u8; 64]>,
    pub(crate) sha1: Option<[u8; 20]>,
    pub(crate) md5: Option<[u8; 16]>,
}

impl Digests {
    /// SHA-256, and these.
    pub(crate) fn new(which: Which) -> Self {
        Digests {
            sha256: Sha256::new(),
            sha512: which.sha512.then(Sha512::new),
            program: which.program.then(|| (Sha1::new(), Md5::new())),
        }
    }

    /// Takes the next bytes.
    pub(crate) fn update(&mut self, block: &[u8]) {
        let Digests { sha256, sha512, program } = self;
        let short = || {
            sha256.update(block);
            if let Some((sha1, md5)) = program {
                sha1.update(block);
                md5.update(block);
            }
        };
        match sha512 {
            None => {
                let mut short = short;
                short();
            }
            Some(sha512) if block.len() < PARALLEL_FROM => {
                let mut short = short;
                short();
                sha512.update(block);
            }
            Some(sha512) => {
                rayon::join(short, || sha512.update(block));
            }
        }
    }

    /// Two parts that need nothing of each other: SHA-512, where there is one, and the others.
    pub(crate) fn split(mut self) -> (Digests, Option<Digests512>) {
        let sha512 = self.sha512.take().map(Digests512);
        (self, sha512)
    }

    /// Ends.
    pub(crate) fn finish(self) -> Digested {
        let (sha1, md5) = self.program.unzip();
        Digested {
            sha256: self.sha256.finalize().into(),
            sha512: self.sha512.map(|sha512| sha512.finalize().into()),
            sha1: sha1.map(|sha1| sha1.finalize().into()),
            md5: md5.map(|md5| md5.finalize().into()),
        }
    }
}

/// Zeros that are hashed for the holes of one file. More would take minutes for a digest that nobody can compare, since no
/// other program reads so many either.
pub(crate) const MOST_ZEROS: u64 = 64 << 30;

/// SHA-256 of a whole file of which only some ranges are given; what is between them is zeros.
pub(crate) struct WholeDigest {
    sha256: Sha256,
    /// Offset and length of what is still to come.
    ranges: VecDeque<(u64, u64)>,
    at: u64,
    /// Whether the ranges and the bytes fitted so far, and nobody ended it.
    is_right: bool,
}

impl WholeDigest {
    /// The ranges, as offset and length, are those of the bytes that will be given with [`WholeDigest::update`].
    pub(crate) fn new(ranges: impl IntoIterator<Item = (u64, u64)>) -> Self {
        WholeDigest { sha256: Sha256::new(), ranges: ranges.into_iter().collect(), at: 0, is_right: true }
    }

    fn zeros_until(&mut self, end: u64, cancel: &AtomicBool) {
        static ZEROS: [u8; 1 << 16] = [0; 1 << 16];
        self.is_right &= end >= self.at;
        while self.is_right && self.at < end {
            if cancel.load(Ordering::Relaxed) {
                self.is_right = false;
                return;
            }
            let count = (end - self.at).min(ZEROS.len() as u64);
            self.sha256.update(&ZEROS[..count as usize]);
            self.at += count;
        }
    }

    /// Takes bytes that lie here, and the hole before them.
    pub(crate) fn data(&mut self, offset: u64, block: &[u8], cancel: &AtomicBool) {
        self.zeros_until(offset, cancel);
        if self.is_right && !block.is_empty() {
            self.sha256.update(block);
            self.at += block.len() as u64;
        }
    }

    /// Takes the next bytes.
    pub(crate) fn update(&mut self, mut block: &[u8], cancel: &AtomicBool) {
        while self.is_right && !block.is_empty() {
            let Some((offset, left)) = self.ranges.front().copied() else {
                self.is_right = false;
                return;
            };
            let count = usize::try_from(left).unwrap_or(usize::MAX).min(block.len());
            self.data(offset, &block[..count], cancel);
            block = &block[count..];
            if count as u64 == left {
                self.ranges.pop_front();
            } else if let Some(range) = self.ranges.front_mut() {
                *range = (offset.saturating_add(count as u64), left - count as u64);
            }
        }
    }

    /// The digest of a file of this length; none if the bytes were not those of the ranges, or it was ended.
    pub(crate) fn finish(mut self, size: u64, cancel: &AtomicBool) -> Option<[u8; 32]> {
        self.is_right &= self.ranges.iter().all(|(_, length)| *length == 0);
        self.zeros_until(size, cancel);
        self.is_right.then(|| self.sha256.finalize().into())
    }
}

/// SHA-256 of a short text.
pub(crate) fn sha256(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

/// The bytes of a digest in lower-case hexadecimal of exactly this length.
pub(crate) fn of_hex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    if text.len() != 2 * N || !text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')) {
        return None;
    }
    for (byte, at) in bytes.iter_mut().zip((0..).step_by(2)) {
        *byte = u8::from_str_radix(&text[at..at + 2], 16).ok()?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use evidence::hex;

    const ALL: Which = Which { sha512: true, program: true };

    /// The values for `abc` of FIPS 180-2 and RFC 1321.
    #[test]
    fn published_values() {
        let mut digests = Digests::new(ALL);
        digests.update(b"a");
        digests.update(b"bc");
        let done = digests.finish();
        assert_eq!(hex(&done.sha256), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        assert!(hex(&done.sha512.unwrap()).starts_with("ddaf35a193617abacc417349ae204131"));
        assert_eq!(hex(&done.sha1.unwrap()), "a9993e364706816aba3e25717850c26c9cd0d89d");
        assert_eq!(hex(&done.md5.unwrap()), "900150983cd24fb0d6963f7d28e17f72");
        assert_eq!(Digests::new(Which::default()).finish().sha512, None);
    }

    #[test]
    fn long_blocks_give_the_same() {
        let data: Vec<u8> = (0..PARALLEL_FROM * 2).map(|i| (i % 251) as u8).collect();
        let mut whole = Digests::new(ALL);
        whole.update(&data);
        let mut parts = Digests::new(ALL);
        data.chunks(1000).for_each(|part| parts.update(part));
        assert_eq!(whole.finish(), parts.finish());
    }

    /// `(printf 'ab'; head -c 99998 /dev/zero; printf 'c'; head -c 9 /dev/zero) | sha256sum`
    #[test]
    fn a_file_with_holes_has_the_digest_that_other_programs_compute() {
        let never = AtomicBool::new(false);
        let of = |ranges: &[(u64, u64)], size| {
            let mut whole = WholeDigest::new(ranges.iter().copied());
            whole.update(b"a", &never);
            whole.update(b"bc", &never);
            whole.finish(size, &never).map(|digest| hex(&digest))
        };
        let expected = "231978697716e30266999f15b47311214745a91227a68d51d68522644ed7bd3e";
        assert_eq!(of(&[(0, 2), (100_000, 1)], 100_010).as_deref(), Some(expected));
        assert_eq!(of(&[(0, 2), (2, 0), (100_000, 1), (100_010, 0)], 100_010).as_deref(), Some(expected));
        // Ranges that are too short, too long, overlap, or reach behind the end.
        for (ranges, size) in [(&[(0, 2)][..], 10), (&[(0, 4)], 10), (&[(0, 2), (1, 1)], 10), (&[(0, 2), (7, 1)], 7)] {
            assert_eq!(of(ranges, size), None, "{ranges:?}");
        }
        let nothing = WholeDigest::new([]).finish(3, &never).map(|digest| hex(&digest));
        assert_eq!(nothing.as_deref(), Some("709e80c88487a2411e1ee4dfb9f22a861492d20c4765150c0c794abd70f8147c"));
        assert_eq!(WholeDigest::new([]).finish(3, &AtomicBool::new(true)), None);
    }
}
