//! What takes every byte of a file: its hashes and the entropy of its sections, in one pass over it.

use crate::formats::pages::Pages;
use crate::formats::pe::Pe;
use evidence::{Fields, hex};
use sha2::{Digest, Sha256};
use std::io;
use std::ops::Range;

/// Bytes that are handed to all that take them; they stay in the cache for each.
const PIECE: usize = 64 << 10;

/// Hashes and entropies of a file.
#[derive(Default)]
pub(super) struct Pass {
    sha256: Sha256,
    sha1: sha1::Sha1,
    md5: md5::Md5,
    image: Option<Sha256>,
    image_ranges: Vec<Range<u64>>,
    counts: Counts,
}

impl Pass {
    /// Reads all of a file.
    ///
    /// # Errors
    /// When some of it cannot be read.
    pub(super) fn over(file: &Pages<'_>, pe: Option<&Pe<'_>>) -> io::Result<Pass> {
        let ranges = pe.and_then(Pe::image_ranges);
        let mut pass = Pass {
            image: ranges.as_ref().map(|_| Sha256::new()),
            image_ranges: ranges.unwrap_or_default(),
            counts: Counts::new(pe.into_iter().flat_map(|pe| pe.sections.iter().map(|one| pe.section_range(one)))),
            ..Pass::default()
        };
        file.each_piece(|offset, bytes| {
            for (at, piece) in (offset..).step_by(PIECE).zip(bytes.chunks(PIECE)) {
                pass.take(at, piece);
            }
        })?;
        Ok(pass)
    }

    fn take(&mut self, offset: u64, piece: &[u8]) {
        self.sha256.update(piece);
        self.sha1.update(piece);
        self.md5.update(piece);
        if let Some(image) = &mut self.image {
            let end = offset + piece.len() as u64;
            for range in &self.image_ranges {
                let (from, to) = (range.start.max(offset), range.end.min(end));
                if from < to {
                    image.update(&piece[(from - offset) as usize..(to - offset) as usize]);
                }
            }
        }
        self.counts.take(offset, piece);
    }

    pub(super) fn push_hashes(&self, fields: &mut Fields) {
        fields.push(super::fields::SHA256.name, hex(&self.sha256.clone().finalize()));
        fields.push(super::fields::SHA1.name, hex(&self.sha1.clone().finalize()));
        fields.push(super::fields::MD5.name, hex(&self.md5.clone().finalize()));
        fields.push_some(super::fields::IMAGE_SHA256.name, self.image.clone().map(|image| hex(&image.finalize())));
    }

    /// Shannon entropy of a section in bits for each byte, two decimals: 0.00 for one value only, 8.00 for noise.
    pub(super) fn entropy(&self, section: Range<u64>) -> String {
        let (before, after) = (self.counts.up_to(section.start), self.counts.up_to(section.end));
        let total = (section.end - section.start) as f64;
        let bits: f64 = std::iter::zip(before, after)
            .map(|(before, after)| after - before)
            .filter(|count| *count > 0)
            .map(|count| count as f64 / total)
            .map(|share| -share * share.log2())
            .sum();
        format!("{:.2}", bits.abs())
    }
}

/// How often each byte occurs up to where sections begin and end. However many of them lie over one another, the file is
/// counted once.
struct Counts {
    /// Where sections begin and end, in order.
    bounds: Vec<u64>,
    /// The counts up to each of them, as far as they were passed.
    passed: Vec<[u64; 256]>,
    // Four tables, so that runs of one value do not wait for each other.
    now: [[u64; 256]; 4],
}

impl Default for Counts {
    fn default() -> Self {
        Counts::new(std::iter::empty())
    }
}

impl Counts {
    fn new(sections: impl Iterator<Item = Range<u64>>) -> Self {
        let mut bounds: Vec<u64> = sections.flat_map(|section| [section.start, section.end]).collect();
        bounds.sort_unstable();
        bounds.dedup();
        Counts { bounds, passed: Vec::new(), now: [[0; 256]; 4] }
    }

    fn take(&mut self, mut offset: u64, mut piece: &[u8]) {
        // Up to the first bound nothing is asked for.
        while let Some(bound) = self.bounds.get(self.passed.len()).copied() {
            let here = (bound - offset).min(piece.len() as u64);
            let (counted, rest) = piece.split_at(here as usize);
            if !self.passed.is_empty() {
                self.count(counted);
            }
            (offset, piece) = (offset + here, rest);
            if offset < bound {
                return;
            }
            self.passed.push(self.sum());
        }
    }

    fn count(&mut self, bytes: &[u8]) {
        let mut quads = bytes.chunks_exact(4);
        for quad in &mut quads {
            for (table, byte) in self.now.iter_mut().zip(quad) {
                table[usize::from(*byte)] += 1;
            }
        }
        quads.remainder().iter().for_each(|byte| self.now[0][usize::from(*byte)] += 1);
    }

    fn sum(&self) -> [u64; 256] {
        std::array::from_fn(|value| self.now.iter().map(|table| table[value]).sum())
    }

    fn up_to(&self, bound: u64) -> [u64; 256] {
        let passed = self.bounds.binary_search(&bound).ok().and_then(|index| self.passed.get(index));
        passed.copied().unwrap_or([0; 256])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entropy_of_sections_that_overlap() {
        // Every value as often as any other, then as many zeros.
        const HALF: u64 = 256 << 10;
        let bytes: Vec<u8> = (0..2 * HALF).map(|at| if at < HALF { at as u8 } else { 0 }).collect();
        let sections = [0..HALF, HALF..2 * HALF, 0..2 * HALF, 256..512, 0..0, 2 * HALF..2 * HALF];
        let mut pass = Pass { counts: Counts::new(sections.iter().cloned()), ..Pass::default() };
        for (at, piece) in (0..).step_by(1000).zip(bytes.chunks(1000)) {
            pass.take(at, piece);
        }
        // Of all, zero has a share of 257/512 and each other value of 1/512: 0.50 + 4.48 bits.
        assert_eq!(sections.map(|section| pass.entropy(section)), ["8.00", "0.00", "4.98", "8.00", "0.00", "0.00"]);
    }
}
