//! Inflates deflate and Deflate64 streams, and can go on from any place that it once was at.
//!
//! The libraries that inflate well hide where in the packed bytes they are, and none of them reads Deflate64, which
//! Windows' own zip folders write for files above 2 GiB. With the exact bit of each symbol a disk image in an archive
//! is read at any offset without a copy of it (module `inflating`).
//!
//! Reference: RFC 1951; PKWARE, *APPNOTE.TXT* 5.5.

use super::huffman::Table;
use evidence::Bytes;
use std::io;
use std::ops::Deref;

/// Which of the two codings it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Coding {
    /// Matches of up to 258 bytes, up to 32 KiB back.
    Deflate,
    /// Matches of up to 65,538 bytes, up to 64 KiB back.
    Deflate64,
}

impl Coding {
    /// How far back a match can reach, in bytes.
    pub(crate) fn window(self) -> usize {
        match self {
            Coding::Deflate => 1 << 15,
            Coding::Deflate64 => 1 << 16,
        }
    }

    fn longest_match(self) -> usize {
        match self {
            Coding::Deflate => 258,
            Coding::Deflate64 => 65_538,
        }
    }

    /// The most bytes that so many packed ones can become; a claim beyond it is a lie.
    pub(crate) fn most(self, packed: u64) -> u64 {
        // One bit each for length and distance; Deflate64 has 16 more in its longest match.
        let ratio = match self {
            Coding::Deflate => 1032,
            Coding::Deflate64 => 29_128,
        };
        packed.saturating_mul(ratio).saturating_add(ratio)
    }
}

/// Bytes that are decoded at a time, at least.
const CHUNK: usize = 1 << 16;
/// Packed bytes that are read at a time.
const INPUT: usize = 1 << 15;

const LENGTH_BASE: [u16; 29] =
    [3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 15, 17, 19, 23, 27, 31, 35, 43, 51, 59, 67, 83, 99, 115, 131, 163, 195, 227, 258];
const LENGTH_BITS: [u8; 29] = [0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0];
const DISTANCE_BASE: [u32; 32] = [
    1, 2, 3, 4, 5, 7, 9, 13, 17, 25, 33, 49, 65, 97, 129, 193, 257, 385, 513, 769, 1025, 1537, 2049, 3073, 4097, 6145,
    8193, 12_289, 16_385, 24_577, 32_769, 49_153,
];
/// The order in which a block gives the lengths of the codes for code lengths.
const ORDER: [usize; 19] = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];

/// A place in the stream from which inflating can go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    /// Bytes that came out so far.
    pub(crate) out: u64,
    /// The bit that comes next, counted from the first of the stream.
    bit: u64,
    /// The first bit of the block that it lies in, or the bit itself between two blocks.
    block: u64,
    /// Bytes that are still to come of a stored block.
    stored_left: u32,
    /// After the last block.
    done: bool,
}

enum State {
    /// A block begins.
    Header,
    /// In a stored block.
    Stored(u32),
    /// In a block of codes.
    Codes,
    /// After the last block.
    Done,
}

/// An inflater. Bytes are decoded some 64 KiB at a time by [`Inflate::fill`].
pub(crate) struct Inflate<B> {
    bytes: B,
    coding: Coding,
    start: u64,
    end: u64,
    input: Vec<u8>,
    /// Where the next input is read.
    input_end: u64,
    /// The next byte of `input`.
    next: usize,
    bits: u64,
    count: u32,
    state: State,
    is_last: bool,
    block: u64,
    literals: Table,
    distances: Table,
    /// What came out: the window, then the new bytes.
    out: Vec<u8>,
    written: u64,
    /// Bytes of `out` that a reader has had.
    given: usize,
    /// What it ended with; nothing after it can be trusted.
    failed: Option<(io::ErrorKind, String)>,
}

fn damaged(what: &str, bit: u64) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("the packed data is damaged at its byte {}: {what}", bit / 8))
}

impl<B> Inflate<B>
where
    B: Deref,
    B::Target: Bytes,
{
    /// The stream that begins at this offset of the bytes and has this length at most.
    pub(crate) fn new(bytes: B, start: u64, length: u64, coding: Coding) -> Self {
        let end = start.saturating_add(length).min(bytes.len());
        Inflate {
            bytes,
            coding,
            start: start.min(end),
            end,
            input: Vec::new(),
            input_end: start.min(end),
            next: 0,
            bits: 0,
            count: 0,
            state: State::Header,
            is_last: false,
            block: 0,
            literals: Table::default(),
            distances: Table::default(),
            out: Vec::new(),
            written: 0,
            given: 0,
            failed: None,
        }
    }

    /// The same, from a place on that it was at before, with the bytes that came out just before.
    pub(crate) fn from(
        bytes: B,
        start: u64,
        length: u64,
        coding: Coding,
        place: Place,
        window: Vec<u8>,
    ) -> io::Result<Self> {
        let mut inflate = Inflate::new(bytes, start, length, coding);
        inflate.seek(place.block)?;
        if place.done {
            inflate.state = State::Done;
        } else if place.bit != place.block {
            inflate.header()?;
            inflate.seek(place.bit)?;
            if let State::Stored(left) = &mut inflate.state {
                *left = place.stored_left;
            }
        }
        inflate.given = window.len();
        inflate.out = window;
        inflate.written = place.out;
        Ok(inflate)
    }

    /// Where it is. Always between two symbols.
    pub(crate) fn place(&self) -> Place {
        let bit = self.bit();
        let (block, stored_left) = match self.state {
            State::Header | State::Done => (bit, 0),
            State::Stored(left) => (self.block, left),
            State::Codes => (self.block, 0),
        };
        Place { out: self.written, bit, block, stored_left, done: self.is_done() }
    }

    /// The bytes before this place that later ones can refer to.
    pub(crate) fn window(&self) -> &[u8] {
        &self.out[self.out.len() - self.out.len().min(self.coding.window())..]
    }

    /// Whether the last block has ended.
    pub(crate) fn is_done(&self) -> bool {
        matches!(self.state, State::Done)
    }

    /// How many packed bytes it has taken, the one that it is in included.
    pub(crate) fn taken(&self) -> u64 {
        self.bit().div_ceil(8)
    }

    /// Decodes some bytes and gives them; none at the end. After an error, what was decoded before it comes first and
    /// the error with the next call.
    pub(crate) fn fill(&mut self) -> io::Result<&[u8]> {
        if let Some((kind, what)) = &self.failed {
            return Err(io::Error::new(*kind, what.clone()));
        }
        let keep = self.window().len();
        let drop = self.out.len() - keep;
        self.out.drain(..drop);
        let before = self.out.len();
        let result = self.decode(before + CHUNK);
        self.written += (self.out.len() - before) as u64;
        if let Err(error) = result {
            self.failed = Some((error.kind(), error.to_string()));
            if self.out.len() == before {
                return Err(error);
            }
        }
        Ok(&self.out[before..])
    }

    /// Decodes until there are so many bytes in `out`, or more by one match.
    fn decode(&mut self, until: usize) -> io::Result<()> {
        self.out.reserve(until + self.coding.longest_match() - self.out.len().min(until));
        while self.out.len() < until {
            match self.state {
                State::Done => return Ok(()),
                State::Header => self.header()?,
                State::Stored(left) => self.stored(left, until)?,
                State::Codes => self.codes(until)?,
            }
        }
        Ok(())
    }

    fn end_block(&mut self) {
        self.state = if self.is_last { State::Done } else { State::Header };
    }

    fn bit(&self) -> u64 {
        let read = self.input_end - (self.input.len() - self.next) as u64;
        (read - self.start) * 8 - u64::from(self.count)
    }

    fn seek(&mut self, bit: u64) -> io::Result<()> {
        self.input.clear();
        self.next = 0;
        self.input_end = self.start.saturating_add(bit / 8).min(self.end);
        (self.bits, self.count) = (0, 0);
        let rest = (bit % 8) as u32;
        if rest > 0 {
            self.take(rest)?;
        }
        Ok(())
    }

    /// Reads more input; false at its end.
    fn more(&mut self) -> io::Result<bool> {
        let wanted = (INPUT as u64).min(self.end - self.input_end) as usize;
        if wanted == 0 {
            return Ok(false);
        }
        self.input.resize(INPUT, 0);
        let read = match self.bytes.read_full_at(self.input_end, &mut self.input[..wanted]) {
            Ok(read) => read,
            Err(error) => {
                // What was read before is used up, so nothing of it may be left behind.
                self.input.clear();
                self.next = 0;
                return Err(error);
            }
        };
        self.input.truncate(read);
        self.next = 0;
        self.input_end += read as u64;
        Ok(read > 0)
    }

    /// Fills the bits as far as there is input: 56 at least, or all that are left.
    #[inline]
    fn refill(&mut self) -> io::Result<()> {
        if let Some(eight) = self.input.get(self.next..self.next + 8) {
            let value =
                u64::from_le_bytes([eight[0], eight[1], eight[2], eight[3], eight[4], eight[5], eight[6], eight[7]]);
            self.bits |= value << self.count;
            let taken = (63 - self.count) / 8;
            self.next += taken as usize;
            self.count += taken * 8;
            // Bits above the count are those of the next byte and would be added twice.
            self.bits &= u64::MAX >> (64 - self.count);
            return Ok(());
        }
        while self.count <= 55 {
            if self.next == self.input.len() && !self.more()? {
                return Ok(());
            }
            self.bits |= u64::from(self.input[self.next]) << self.count;
            self.next += 1;
            self.count += 8;
        }
        Ok(())
    }

    fn ends_early() -> io::Error {
        io::Error::new(io::ErrorKind::UnexpectedEof, "the packed data ends early")
    }

    /// Takes up to 32 bits.
    #[inline]
    fn take(&mut self, count: u32) -> io::Result<u32> {
        if self.count < count {
            self.refill()?;
            if self.count < count {
                return Err(Self::ends_early());
            }
        }
        let value = (self.bits & ((1u64 << count) - 1)) as u32;
        self.bits >>= count;
        self.count -= count;
        Ok(value)
    }

    fn header(&mut self) -> io::Result<()> {
        let block = self.bit();
        self.is_last = self.take(1)? == 1;
        self.state = match self.take(2)? {
            0 => {
                self.take(self.count % 8)?;
                let length = self.take(16)?;
                if self.take(16)? != length ^ 0xFFFF {
                    return Err(damaged("the length of a stored block does not match its complement", block));
                }
                State::Stored(length)
            }
            1 => {
                let mut lengths = [8u8; 288];
                lengths[144..256].fill(9);
                lengths[256..280].fill(7);
                self.literals.build(&lengths);
                self.distances.build(&[5; 32]);
                State::Codes
            }
            2 => {
                self.tables(block)?;
                State::Codes
            }
            _ => return Err(damaged("a block is of no known kind", block)),
        };
        self.block = block;
        Ok(())
    }

    fn tables(&mut self, block: u64) -> io::Result<()> {
        let literals = self.take(5)? as usize + 257;
        let distances = self.take(5)? as usize + 1;
        let given = self.take(4)? as usize + 4;
        let mut lengths = [0u8; 19];
        for place in &ORDER[..given] {
            lengths[*place] = self.take(3)? as u8;
        }
        let mut codes = Table::default();
        if !codes.build(&lengths) {
            return Err(damaged("its code lengths are impossible", block));
        }
        let mut lengths = [0u8; 320];
        let total = literals + distances;
        let mut at = 0;
        while at < total {
            self.refill()?;
            let symbol = self.found(codes.find(self.bits))?;
            let (value, count) = match symbol {
                0..=15 => (symbol as u8, 1),
                16 if at == 0 => return Err(damaged("it repeats a code length before the first", block)),
                16 => (lengths[at - 1], 3 + self.take(2)? as usize),
                17 => (0, 3 + self.take(3)? as usize),
                _ => (0, 11 + self.take(7)? as usize),
            };
            let Some(slots) = lengths[..total].get_mut(at..at + count) else {
                return Err(damaged("it has more code lengths than it says", block));
            };
            slots.fill(value);
            at += count;
        }
        let right = lengths[256] != 0
            && self.literals.build(&lengths[..literals])
            && self.distances.build(&lengths[literals..total]);
        if right { Ok(()) } else { Err(damaged("its codes are impossible", block)) }
    }

    /// Takes the bits of a code that was looked up.
    #[inline]
    fn found(&mut self, found: Option<(u16, u32)>) -> io::Result<usize> {
        let Some((symbol, length)) = found else {
            // Bits behind the end are zeros, which need not be a code.
            return Err(if self.count < 15 {
                Self::ends_early()
            } else {
                damaged("bits that are no code", self.bit())
            });
        };
        if length > self.count {
            return Err(Self::ends_early());
        }
        self.bits >>= length;
        self.count -= length;
        Ok(usize::from(symbol))
    }

    fn stored(&mut self, left: u32, until: usize) -> io::Result<()> {
        let mut left = left as usize;
        while left > 0 && self.out.len() < until {
            // Whole bytes that are among the bits already come first.
            if self.count >= 8 {
                let byte = self.take(8)? as u8;
                self.out.push(byte);
                left -= 1;
            } else if self.next == self.input.len() && !self.more()? {
                return Err(Self::ends_early());
            } else {
                let count = left.min(until - self.out.len()).min(self.input.len() - self.next);
                self.out.extend_from_slice(&self.input[self.next..self.next + count]);
                self.next += count;
                left -= count;
            }
            self.state = State::Stored(left as u32);
        }
        if left == 0 {
            self.end_block();
        }
        Ok(())
    }

    fn codes(&mut self, until: usize) -> io::Result<()> {
        while self.out.len() < until {
            if self.count < 48 {
                self.refill()?;
            }
            let symbol = self.found(self.literals.find(self.bits))?;
            if symbol < 256 {
                self.out.push(symbol as u8);
                continue;
            }
            if symbol == 256 {
                self.end_block();
                return Ok(());
            }
            let length = match (symbol, self.coding) {
                (285, Coding::Deflate64) => 3 + self.take(16)? as usize,
                (257..=285, _) => {
                    usize::from(LENGTH_BASE[symbol - 257]) + self.take(u32::from(LENGTH_BITS[symbol - 257]))? as usize
                }
                _ => return Err(damaged("a length of no known meaning", self.bit())),
            };
            self.refill()?;
            let symbol = self.found(self.distances.find(self.bits))?;
            if symbol > 29 && self.coding == Coding::Deflate || symbol > 31 {
                return Err(damaged("a distance of no known meaning", self.bit()));
            }
            let bits = (symbol as u32 / 2).saturating_sub(1);
            let distance = (DISTANCE_BASE[symbol] + self.take(bits)?) as usize;
            if distance > self.out.len() {
                return Err(damaged("it refers to bytes before its beginning", self.bit()));
            }
            let from = self.out.len() - distance;
            if distance >= length {
                self.out.extend_from_within(from..from + length);
            } else {
                for at in from..from + length {
                    self.out.push(self.out[at]);
                }
            }
        }
        Ok(())
    }
}

/// Reads it from front to back.
impl<B> io::Read for Inflate<B>
where
    B: Deref,
    B::Target: Bytes,
{
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.given == self.out.len() && !buffer.is_empty() {
            let new = self.fill()?.len();
            self.given = self.out.len() - new;
        }
        let count = buffer.len().min(self.out.len() - self.given);
        buffer[..count].copy_from_slice(&self.out[self.given..self.given + count]);
        self.given += count;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};

    /// Text, noise, zeros and repetitions, so that every kind of block occurs.
    fn mixed(length: usize) -> Vec<u8> {
        let mut data = Vec::new();
        let mut state = 7u32;
        while data.len() < length {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            match state >> 29 {
                0 | 1 => {
                    data.extend(b"the quick brown fox jumps over the lazy dog; ".repeat(1 + (state % 90) as usize))
                }
                2 => data.extend(std::iter::repeat_n(0, (state >> 12 & 0xFFFF) as usize)),
                3 | 4 => {
                    for _ in 0..(state >> 10 & 0x7FFF) {
                        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                        data.push((state >> 24) as u8);
                    }
                }
                _ => data.extend(format!("record {state:08X}\r\n").repeat(1 + (state >> 20 & 7) as usize).bytes()),
            }
        }
        data.truncate(length);
        data
    }

    fn packed(data: &[u8], level: u32) -> Vec<u8> {
        let mut encoder = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::new(level));
        encoder.write_all(data).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn what_the_library_packed_comes_out() {
        for length in [0, 1, 100, 70_000, 1_000_000] {
            let data = mixed(length);
            for level in [0, 1, 6, 9] {
                let packed = packed(&data, level);
                let mut inflate = Inflate::new(&packed, 0, packed.len() as u64, Coding::Deflate);
                let mut out = Vec::new();
                inflate.read_to_end(&mut out).unwrap();
                assert!(out == data, "{length} at {level}");
                assert!(inflate.is_done());
                assert_eq!(inflate.taken(), packed.len() as u64);
            }
        }
    }

    #[test]
    fn every_place_is_one_to_go_on_from() {
        let data = mixed(1_500_000);
        for level in [0, 1, 9] {
            let packed = packed(&data, level);
            let length = packed.len() as u64;
            let mut inflate = Inflate::new(&packed, 0, length, Coding::Deflate);
            let mut places = vec![(inflate.place(), Vec::new())];
            while !inflate.fill().unwrap().is_empty() {
                places.push((inflate.place(), inflate.window().to_vec()));
            }
            assert!(places.len() > 20);
            for (place, window) in places {
                let out = place.out as usize;
                let mut again = Inflate::from(&packed, 0, length, Coding::Deflate, place, window).unwrap();
                let next = again.fill().unwrap();
                assert!(
                    *next == data[out..out + next.len()] && (next.len() >= CHUNK || out + next.len() == data.len())
                );
            }
        }
    }

    #[test]
    fn damage_is_an_error_after_what_came_before_it() {
        let data = mixed(300_000);
        let packed = packed(&data, 6);
        for length in (0..packed.len()).step_by(997) {
            let mut out = Vec::new();
            let cut = &packed[..length].to_vec();
            let error = Inflate::new(cut, 0, length as u64, Coding::Deflate).read_to_end(&mut out).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof, "{length}: {error}");
            assert!(data.starts_with(&out));
        }
        for at in (0..packed.len()).step_by(313) {
            for coding in [Coding::Deflate, Coding::Deflate64] {
                let mut bad = packed.clone();
                bad[at] ^= 1 << (at % 8);
                let mut inflate = Inflate::new(&bad, 0, bad.len() as u64, coding);
                let mut total = 0;
                while let Ok(more) = inflate.fill() {
                    total += more.len();
                    if more.is_empty() {
                        break;
                    }
                }
                assert!(total as u64 <= coding.most(bad.len() as u64));
            }
        }
    }
}
