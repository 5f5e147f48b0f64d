//! Where the chunks of a log lie.
//!
//! Windows puts them one behind the other after the block of the file header. A log that was carved, shifted or cut in
//! the middle has them elsewhere, so they are searched by their signature at every 512 bytes.

use super::shortfall::Held;
use crate::formats::evtx::{CHUNK_SIZE, Chunk, FileHeader};
use evidence::{Bytes, Locator};
use std::io;
use std::ops::Range;

/// A chunk begins at a multiple of this, wherever it was moved to: the smallest unit in which media are written.
const STEP: usize = 512;
const CHUNK: u64 = CHUNK_SIZE as u64;

/// What stands at one place of a log.
pub(super) enum Piece<'a> {
    /// Bytes with a chunk's signature, fewer than a chunk where the file ends or another chunk begins.
    Chunk {
        /// The bytes.
        data: &'a [u8],
        /// Whether a log that was closed does not count it any more.
        is_uncounted: bool,
    },
    /// Bytes where a chunk should be, without its signature.
    Headless(&'a [u8]),
    /// Bytes that could not be read, and why.
    Unreadable(&'a str),
}

/// The same where it was found.
enum Found<'a> {
    Chunk(&'a [u8]),
    Headless(&'a [u8]),
    Unreadable(io::Error),
}

/// A walk over a log, chunk by chunk.
pub(super) struct Pieces<'a> {
    bytes: &'a dyn Bytes,
    at: u64,
    has_header: bool,
    /// The bytes from `at` on, where they do not lie in memory already.
    buffer: Vec<u8>,
}

impl<'a> Pieces<'a> {
    /// Begins behind the file header, or at the start of the file where there is none. `head` are the first bytes.
    pub(super) fn new(bytes: &'a dyn Bytes, head: &[u8], has_header: bool) -> Self {
        let first = if has_header { STEP } else { 0 };
        let at = match start_in(head, first, Chunk::is_at) {
            Some(at) => at as u64,
            None if has_header => FileHeader::FIRST_CHUNK,
            None => 0,
        };
        Pieces { bytes, at, has_header, buffer: Vec::new() }
    }

    /// The next piece that is not all zeros, and its offset in the file.
    fn next(&mut self) -> Option<(u64, Found<'_>)> {
        loop {
            let step = STEP as u64;
            // A hole has no chunks.
            self.at += self.bytes.next_data(self.at).saturating_sub(self.at) / step * step;
            let at = self.at;
            if at >= self.bytes.len() {
                return None;
            }
            let read = match self.read(at) {
                Ok(read) => read,
                Err(error) => {
                    self.at = at.saturating_add(CHUNK);
                    return Some((at, Found::Unreadable(error)));
                }
            };
            let data = self.data(at, read);
            let is_chunk = Chunk::is_at(data);
            let length = match is_chunk {
                true => length_of_chunk(data),
                false => match start_in(data, STEP, Chunk::is_at) {
                    Some(next) => next,
                    None if is_empty(data) => read,
                    None => self.length_of_headless(at, read),
                },
            };
            self.at = at.saturating_add(length as u64);
            if !is_chunk && is_empty(self.data(at, length)) {
                continue;
            }
            let data = self.data(at, length);
            return Some((at, if is_chunk { Found::Chunk(data) } else { Found::Headless(data) }));
        }
    }

    /// Reads up to one chunk; gives the number of bytes.
    fn read(&mut self, at: u64) -> io::Result<usize> {
        if self.bytes.as_slice().is_some() {
            return Ok(usize::try_from(self.bytes.len().saturating_sub(at).min(CHUNK)).unwrap_or(CHUNK_SIZE));
        }
        self.buffer.resize(CHUNK_SIZE, 0);
        let read = self.bytes.read_full_at(at, &mut self.buffer)?;
        // The file is shorter than it said.
        if read == 0 { Err(io::ErrorKind::UnexpectedEof.into()) } else { Ok(read) }
    }

    /// The first bytes of what was read last, at `at`.
    fn data(&self, at: u64, length: usize) -> &[u8] {
        match self.bytes.as_slice() {
            Some(whole) => {
                let rest = usize::try_from(at).ok().and_then(|at| whole.get(at..)).unwrap_or_default();
                &rest[..rest.len().min(length)]
            }
            None => &self.buffer[..self.buffer.len().min(length)],
        }
    }

    /// How much of `read` bytes without any chunk's signature is one piece: as much as makes the pieces behind it end
    /// where the next chunk begins, so that no record is torn.
    fn length_of_headless(&self, at: u64, read: usize) -> usize {
        if read < CHUNK_SIZE {
            return read;
        }
        let mut ahead = vec![0; CHUNK_SIZE];
        let there = at.checked_add(CHUNK).map(|next| self.bytes.read_full_at(next, &mut ahead));
        if let Some(Ok(there)) = there
            && let Some(next) = start_in(&ahead[..there], 0, Chunk::is_at)
        {
            return if next == 0 { CHUNK_SIZE } else { next };
        }
        // Where nothing else tells, the chunks are where Windows puts them.
        if at == 0 && !self.has_header { FileHeader::FIRST_CHUNK as usize } else { CHUNK_SIZE }
    }
}

/// Bytes of a log in one part: so many that cutting costs nothing beside reading them, and so few that a part for every
/// thread is little.
const PART: usize = 16 * CHUNK_SIZE;

/// Some of the pieces of a log, in their order, apart from the log.
pub(super) struct Part {
    data: Vec<u8>,
    /// Where each begins in the log, where its bytes are in `data`, and what it is.
    pieces: Vec<(u64, Range<usize>, Kept)>,
}

/// A piece without its bytes.
enum Kept {
    Chunk { is_uncounted: bool },
    Headless,
    Unreadable(String),
}

impl Part {
    /// The part that follows and where it lies; `None` behind the last one.
    pub(super) fn next(pieces: &mut Pieces<'_>, held: &mut Held) -> Option<(Locator, Part)> {
        let mut part = Part { data: Vec::new(), pieces: Vec::new() };
        while part.data.len() < PART && part.pieces.len() < PART / CHUNK_SIZE {
            let Some((at, found)) = pieces.next() else { break };
            let start = part.data.len();
            let kept = match found {
                Found::Chunk(data) => {
                    part.data.extend_from_slice(data);
                    Kept::Chunk { is_uncounted: held.chunk(at) }
                }
                Found::Headless(data) => {
                    part.data.extend_from_slice(data);
                    held.headless(data.len() as u64);
                    Kept::Headless
                }
                Found::Unreadable(error) => {
                    held.unreadable();
                    Kept::Unreadable(error.to_string())
                }
            };
            part.pieces.push((at, start..part.data.len(), kept));
        }
        let offset = part.pieces.first()?.0;
        Some((Locator::ByteRange { offset, length: pieces.at.saturating_sub(offset) }, part))
    }

    /// Each piece and its offset in the file.
    pub(super) fn pieces(&self) -> impl Iterator<Item = (u64, Piece<'_>)> {
        self.pieces.iter().map(|(at, place, kept)| {
            let data = self.data.get(place.clone()).unwrap_or_default();
            let piece = match kept {
                Kept::Chunk { is_uncounted } => Piece::Chunk { data, is_uncounted: *is_uncounted },
                Kept::Headless => Piece::Headless(data),
                Kept::Unreadable(error) => Piece::Unreadable(error),
            };
            (*at, piece)
        })
    }
}

fn is_empty(data: &[u8]) -> bool {
    data.iter().all(|byte| *byte == 0)
}

/// Where in these bytes a chunk begins, from `first` on.
fn start_in(data: &[u8], first: usize, is_start: fn(&[u8]) -> bool) -> Option<usize> {
    (first..data.len()).step_by(STEP).find(|at| is_start(&data[*at..]))
}

/// A chunk ends where another begins, unless its checksums say that this belongs to it.
fn length_of_chunk(data: &[u8]) -> usize {
    let Some(next) = start_in(data, STEP, Chunk::is_header_at) else { return data.len() };
    match Chunk::parse(data) {
        Some(chunk) if data.len() == CHUNK_SIZE && chunk.checksums_match() => data.len(),
        _ => next,
    }
}
