//! Which bytes of a hive stand in its transaction logs instead: where they are, never the bytes themselves.

use super::base_block::BASE_BLOCK_LENGTH;
use evidence::Bytes;
use std::collections::BTreeMap;
use std::io;
use std::ops::Range;

/// Most places that are kept. With the pages of 512 bytes that Windows writes, alternately dirty and clean, they stand
/// for 64 MiB of logs; pages that follow one another are one place.
pub(super) const MOST_PLACES: usize = 1 << 17;

/// Bytes of a log that belong into the hive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Piece {
    /// Which log.
    pub(super) log: u16,
    /// Offset in the log.
    pub(super) from: u32,
    pub(super) length: u32,
}

/// There are more places than are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Full;

/// Pieces that do not overlap, by their offset from the end of the hive's base block.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Overlay {
    pieces: BTreeMap<u32, Piece>,
}

impl Overlay {
    /// Lays a piece over what was laid before. The caller has checked that `to + length` is a number of 32 bits.
    pub(super) fn lay(&mut self, to: u32, piece: Piece) -> Result<(), Full> {
        if piece.length == 0 {
            return Ok(());
        }
        if self.pieces.len() + 2 > MOST_PLACES {
            return Err(Full);
        }
        let end = to.saturating_add(piece.length);
        // What begins before and reaches in is cut; what it has behind the new piece stays.
        let before = self.pieces.range(..to).next_back().map(|(start, piece)| (*start, *piece));
        if let Some((start, old)) = before.filter(|(start, old)| start + old.length > to) {
            self.pieces.insert(start, Piece { length: to - start, ..old });
            self.keep_rest(start, old, end);
        }
        while let Some((start, old)) = self.pieces.range(to..end).next().map(|(start, old)| (*start, *old)) {
            self.pieces.remove(&start);
            self.keep_rest(start, old, end);
        }
        match self.pieces.range_mut(..to).next_back() {
            Some((start, before))
                if *start + before.length == to
                    && before.log == piece.log
                    && before.from + before.length == piece.from =>
            {
                before.length += piece.length;
            }
            _ => {
                self.pieces.insert(to, piece);
            }
        }
        Ok(())
    }

    fn keep_rest(&mut self, start: u32, old: Piece, end: u32) {
        if let Some(rest) = (start + old.length).checked_sub(end).filter(|rest| *rest > 0) {
            let from = old.from + (end - start);
            self.pieces.insert(end, Piece { from, length: rest, ..old });
        }
    }

    /// Where the first byte of a piece is, from this offset on.
    pub(super) fn next(&self, from: u32) -> Option<u32> {
        self.within(from..u32::MAX).next().map(|(start, _)| start)
    }

    /// The parts of pieces that lie in a range, with their offsets.
    pub(super) fn within(&self, range: Range<u32>) -> impl Iterator<Item = (u32, Piece)> + '_ {
        let first = self.pieces.range(..range.start).next_back().map_or(range.start, |(start, _)| *start);
        self.pieces.range(first..range.end.max(first)).filter_map(move |(start, piece)| {
            let begin = (*start).max(range.start);
            let end = (start + piece.length).min(range.end);
            let length = end.checked_sub(begin).filter(|length| *length > 0)?;
            Some((begin, Piece { from: piece.from + (begin - start), length, ..*piece }))
        })
    }
}

/// A hive with what its logs put in the place of some of its bytes.
pub(super) struct Overlaid<'a> {
    pub(super) file: &'a dyn Bytes,
    /// Length of the hive; more than the file has where the logs grow it. What lies behind the file and in no log is zero.
    pub(super) length: u64,
    pub(super) logs: Vec<&'a dyn Bytes>,
    pub(super) overlay: Overlay,
}

const BASE: u64 = BASE_BLOCK_LENGTH as u64;

fn from_base(offset: u64) -> u32 {
    u32::try_from(offset.saturating_sub(BASE)).unwrap_or(u32::MAX)
}

fn read_exact(bytes: &dyn Bytes, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
    match bytes.read_full_at(offset, buffer)? {
        read if read == buffer.len() => Ok(()),
        _ => Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the bytes end there")),
    }
}

impl Bytes for Overlaid<'_> {
    fn len(&self) -> u64 {
        self.length
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.length.saturating_sub(offset).min(buffer.len() as u64) as usize;
        let in_file = self.file.len().saturating_sub(offset).min(count as u64) as usize;
        let (stored, behind) = buffer[..count].split_at_mut(in_file);
        behind.fill(0);
        read_exact(self.file, offset, stored)?;
        for (to, piece) in self.overlay.within(from_base(offset)..from_base(offset + count as u64)) {
            let at = (u64::from(to) + BASE - offset) as usize;
            let target = buffer.get_mut(at..at + piece.length as usize);
            // The log says what stands there, so bytes of the file are not left in the place of its own.
            if let (Some(log), Some(target)) = (self.logs.get(usize::from(piece.log)), target) {
                read_exact(*log, u64::from(piece.from), target)?;
            }
        }
        Ok(count)
    }

    fn next_data(&self, offset: u64) -> u64 {
        let of_logs = self.overlay.next(from_base(offset)).map_or(u64::MAX, |to| (u64::from(to) + BASE).max(offset));
        self.file.next_data(offset).min(of_logs)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn piece(log: u16, from: u32, length: u32) -> Piece {
        Piece { log, from, length }
    }

    /// Against a plain array of where each byte comes from.
    #[test]
    fn the_last_piece_wins() {
        let mut seed = 7u32;
        let mut random = |below: u32| {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (seed >> 8) % below
        };
        for _ in 0..200 {
            let mut overlay = Overlay::default();
            let mut plain = [None; 64];
            for _ in 0..20 {
                let (to, log, from) = (random(60), random(2) as u16, random(100));
                let length = random(64 - to);
                overlay.lay(to, piece(log, from, length)).unwrap();
                for step in 0..length {
                    plain[(to + step) as usize] = Some((log, from + step));
                }
                let begin = random(64);
                let range = begin..begin + random(64 - begin);
                let mut seen = [None; 64];
                for (to, piece) in overlay.within(range.clone()) {
                    for step in 0..piece.length {
                        seen[(to + step) as usize] = Some((piece.log, piece.from + step));
                    }
                }
                let range = range.start as usize..range.end as usize;
                assert_eq!(seen[range.clone()], plain[range]);
            }
        }
    }

    #[test]
    fn pages_that_follow_one_another_are_one_place() {
        let mut overlay = Overlay::default();
        for page in 0..1_000 {
            overlay.lay(512 * page, piece(0, 4_096 + 512 * page, 512)).unwrap();
        }
        assert_eq!(overlay.pieces.len(), 1);
    }

    #[test]
    fn there_is_a_most() {
        let mut overlay = Overlay::default();
        let laid = (0..u32::MAX / 1_024).take_while(|page| overlay.lay(1_024 * page, piece(0, 0, 512)).is_ok()).count();
        assert_eq!(laid, MOST_PLACES - 1);
    }
}
