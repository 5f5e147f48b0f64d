//! Bytes that lie packed, read at any offset without a copy of them.
//!
//! Whoever reads from front to back drives one inflater, the front. Every so often it leaves a mark: the exact bit, and
//! the bytes before it that later ones refer to, in a temporary file. A read behind the front goes on from the last mark
//! before it. So a disk image in an archive costs a few percent of its length, and reading it once costs nothing twice.

use super::inflate::{Coding, Inflate, Place};
use crate::file_bytes::{FileBytes, within};
use crate::spill::Spill;
use evidence::Bytes;
use parking_lot::Mutex;
use std::collections::VecDeque;
use std::io;
use std::ops::Range;
use std::sync::Arc;

/// How far apart the marks are at first, in inflated bytes.
const SPACING: u64 = 1 << 20;
/// Most marks; then every other one is dropped, and further ones are twice as far apart.
const MAX_MARKS: usize = 1 << 15;
/// Decoded pieces that are kept, some 64 KiB each.
const MAX_PIECES: usize = 32;
/// Inflaters behind the front that are kept.
const MAX_FOLLOWERS: usize = 3;
/// How far a stream is followed behind the length that is stated, only to say how long it is.
const FOLLOWED: u64 = 256 << 20;
/// How far a stream is unpacked, when it is opened, to learn its length.
const MEASURED: u64 = 4 << 30;
/// Flaws that are listed.
const MAX_FLAWS: usize = 8;

/// How the bytes are packed.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Packing {
    /// One stream, as a zip archive has it, with what its directory states of it.
    Bare {
        /// The coding.
        coding: Coding,
        /// The stated length.
        size: u64,
        /// The stated length of the packed form.
        packed: u64,
        /// The stated checksum.
        crc: u32,
    },
    /// A gzip file of one or more members.
    Gzip,
}

/// Where the packed bytes lie.
#[derive(Clone)]
struct Packed {
    bytes: Arc<dyn Bytes>,
    start: u64,
    length: u64,
    packing: Packing,
}

/// A place to go on from.
#[derive(Clone, Copy)]
struct Mark {
    /// Bytes before it, those of earlier members included.
    out: u64,
    /// Where the stream begins that it lies in.
    stream: u64,
    place: Place,
    /// Where its window lies in the temporary file, and how long it is.
    window_at: u64,
    window: u32,
}

/// One inflater, which passes from a gzip member to the next.
struct Decoder {
    packed: Packed,
    inflate: Inflate<Arc<dyn Bytes>>,
    /// Where the present stream begins.
    stream: u64,
    out: u64,
    /// Of the present stream as far as it is decoded; only the front has seen all of it.
    crc: flate2::Crc,
    is_front: bool,
    flaws: Vec<String>,
    /// What follows the last member and is none.
    behind: Option<String>,
    last_used: u64,
}

/// How the front ended.
struct End {
    at: u64,
    /// Why there is no more; `None` where the packed data ends as it should.
    error: Option<(io::ErrorKind, String)>,
}

struct State {
    front: Option<Decoder>,
    followers: Vec<Decoder>,
    marks: Vec<Mark>,
    spacing: u64,
    next_mark: u64,
    windows: Option<FileBytes>,
    windows_length: u64,
    pieces: VecDeque<(u64, Vec<u8>)>,
    end: Option<End>,
    flaws: Vec<String>,
    behind: Option<String>,
    ticks: u64,
}

/// The inflated bytes.
pub(crate) struct Inflating {
    packed: Packed,
    length: u64,
    spill: Spill,
    state: Mutex<State>,
}

/// Where the deflate stream of a gzip member begins whose header begins here; `None` where there is no header.
///
/// Reference: RFC 1952, 2.3.
pub(crate) fn gzip_stream(bytes: &dyn Bytes, at: u64) -> io::Result<Option<u64>> {
    let mut header = [0; 10];
    if bytes.read_full_at(at, &mut header)? != 10 || header[..3] != [0x1F, 0x8B, 8] {
        return Ok(None);
    }
    let flags = header[3];
    let mut next = at + 10;
    if flags & 4 != 0 {
        let mut length = [0; 2];
        bytes.read_full_at(next, &mut length)?;
        next += 2 + u64::from(u16::from_le_bytes(length));
    }
    for flag in [8, 16] {
        if flags & flag != 0 {
            next = after_zero(bytes, next)?;
        }
    }
    if flags & 2 != 0 {
        next += 2;
    }
    Ok(Some(next))
}

/// Behind the next zero byte.
fn after_zero(bytes: &dyn Bytes, mut at: u64) -> io::Result<u64> {
    let mut block = [0; 512];
    loop {
        let read = bytes.read_full_at(at, &mut block)?;
        match block[..read].iter().position(|byte| *byte == 0) {
            Some(zero) => return Ok(at + zero as u64 + 1),
            None if read < block.len() => return Ok(at + read as u64),
            None => at += read as u64,
        }
    }
}

impl Packed {
    fn end(&self) -> u64 {
        self.start.saturating_add(self.length).min(self.bytes.len())
    }

    fn coding(&self) -> Coding {
        match self.packing {
            Packing::Bare { coding, .. } => coding,
            Packing::Gzip => Coding::Deflate,
        }
    }

    fn inflate(&self, stream: u64) -> Inflate<Arc<dyn Bytes>> {
        Inflate::new(self.bytes.clone(), stream, self.end().saturating_sub(stream), self.coding())
    }
}

impl Decoder {
    fn new(packed: &Packed, stream: u64, is_front: bool) -> Self {
        Decoder {
            inflate: packed.inflate(stream),
            packed: packed.clone(),
            stream,
            out: 0,
            crc: flate2::Crc::new(),
            is_front,
            flaws: Vec::new(),
            behind: None,
            last_used: 0,
        }
    }

    fn at(packed: &Packed, mark: &Mark, window: Vec<u8>) -> io::Result<Self> {
        let length = packed.end().saturating_sub(mark.stream);
        let inflate = Inflate::from(packed.bytes.clone(), mark.stream, length, packed.coding(), mark.place, window)?;
        Ok(Decoder { inflate, out: mark.out, ..Decoder::new(packed, mark.stream, false) })
    }

    /// The next bytes; none at the end.
    fn next(&mut self) -> io::Result<Vec<u8>> {
        loop {
            let piece = self.inflate.fill()?;
            if !piece.is_empty() {
                if self.is_front {
                    self.crc.update(piece);
                }
                self.out += piece.len() as u64;
                return Ok(piece.to_vec());
            }
            if !matches!(self.packed.packing, Packing::Gzip) || !self.next_member()? {
                return Ok(Vec::new());
            }
        }
    }

    fn flaw(&mut self, what: String) {
        if self.flaws.len() < MAX_FLAWS && self.is_front {
            self.flaws.push(what);
        }
    }

    /// Checks a gzip member that has ended, and goes to the one behind it; false where there is none.
    fn next_member(&mut self) -> io::Result<bool> {
        let trailer_at = self.stream + self.inflate.taken();
        let mut trailer = [0; 8];
        if self.packed.bytes.read_full_at(trailer_at, &mut trailer)? != 8 {
            self.flaw("the gzip file ends before the checksum of its data".to_owned());
            return Ok(false);
        }
        let stated = |at: usize| u32::from_le_bytes([trailer[at], trailer[at + 1], trailer[at + 2], trailer[at + 3]]);
        let crc = self.crc.sum();
        if crc != stated(0) {
            let what = format!("its CRC-32 is {crc:08X}, the gzip file states {:08X}", stated(0));
            self.flaw(what);
        } else if self.crc.amount() != stated(4) {
            self.flaw("it is not as long as the gzip file states".to_owned());
        }
        let next = trailer_at + 8;
        match gzip_stream(&*self.packed.bytes, next)? {
            Some(stream) => {
                let out = self.out;
                let flaws = std::mem::take(&mut self.flaws);
                *self = Decoder { out, flaws, ..Decoder::new(&self.packed.clone(), stream, self.is_front) };
                Ok(true)
            }
            None => {
                if self.is_front && next < self.packed.bytes.len() && !only_zeros(&*self.packed.bytes, next)? {
                    let left = self.packed.bytes.len() - next;
                    self.behind = Some(format!("{left} bytes that are no gzip data follow at offset {next}"));
                }
                Ok(false)
            }
        }
    }
}

/// Whether the next bytes, up to 1 MiB, are zeros, as tapes and block devices leave them behind a file.
fn only_zeros(bytes: &dyn Bytes, at: u64) -> io::Result<bool> {
    let mut block = vec![0; 1 << 16];
    for number in 0..16 {
        let read = bytes.read_full_at(at + number * block.len() as u64, &mut block)?;
        if block[..read].iter().any(|byte| *byte != 0) {
            return Ok(false);
        }
        if read < block.len() {
            break;
        }
    }
    Ok(true)
}

impl State {
    fn piece(&self, offset: u64) -> Option<&[u8]> {
        let (start, piece) =
            self.pieces.iter().rev().find(|(start, piece)| *start <= offset && offset - start < piece.len() as u64)?;
        piece.get(usize::try_from(offset - start).ok()?..)
    }

    fn keep(&mut self, start: u64, piece: Vec<u8>) {
        if self.pieces.len() >= MAX_PIECES {
            self.pieces.pop_front();
        }
        self.pieces.push_back((start, piece));
    }

    /// Leaves a mark where the front is, if it is far enough from the last.
    fn mark(&mut self, front: &Decoder, spill: &Spill) {
        if front.out < self.next_mark {
            return;
        }
        if self.windows.is_none() {
            self.windows = spill.file().and_then(FileBytes::new).ok();
        }
        let Some(windows) = &self.windows else {
            // Without room for marks every byte can still be reached, only more slowly.
            self.next_mark = u64::MAX;
            return;
        };
        let window = front.inflate.window();
        let window_at = self.windows_length;
        if windows.write_at(window_at, window).is_err() {
            self.next_mark = u64::MAX;
            return;
        }
        self.windows_length += window.len() as u64;
        self.marks.push(Mark {
            out: front.out,
            stream: front.stream,
            place: front.inflate.place(),
            window_at,
            window: window.len() as u32,
        });
        if self.marks.len() >= MAX_MARKS {
            let mut number = 0u32;
            self.marks.retain(|_| {
                number += 1;
                number.is_multiple_of(2)
            });
            self.spacing *= 2;
        }
        self.next_mark = front.out.saturating_add(self.spacing);
    }

    /// Decodes one piece with the front.
    fn advance(&mut self, inflating: &Inflating) {
        let Some(mut front) = self.front.take() else { return };
        let start = front.out;
        match front.next() {
            Ok(piece) if piece.is_empty() => {
                self.flaws.append(&mut front.flaws);
                self.behind = front.behind.take();
                self.judge(&front);
                self.end = Some(End { at: start, error: None });
            }
            Ok(piece) => {
                self.keep(start, piece);
                self.mark(&front, &inflating.spill);
                if matches!(inflating.packed.packing, Packing::Bare { .. }) && front.out >= inflating.length {
                    self.finish(front, inflating);
                    return;
                }
                self.front = Some(front);
            }
            Err(error) => {
                self.flaws.append(&mut front.flaws);
                self.flaws.push(format!("{error}; {start} bytes could be unpacked before"));
                self.end = Some(End { at: start, error: Some((error.kind(), error.to_string())) });
            }
        }
    }

    /// All bytes that are asked for are there: whether they are the right ones, and the only ones.
    fn finish(&mut self, mut front: Decoder, inflating: &Inflating) {
        let at = inflating.length;
        self.end = Some(End { at, error: None });
        loop {
            match front.next() {
                Ok(piece) if piece.is_empty() => return self.judge(&front),
                Ok(_) if front.out - at > FOLLOWED => {
                    if let Packing::Bare { size, .. } = front.packed.packing {
                        let what = format!("it has more than {} bytes, the archive states {size}", front.out);
                        self.flaws.push(what);
                    }
                    return;
                }
                Ok(_) => {}
                Err(error) => {
                    self.flaws.push(format!("{error}; {} bytes could be unpacked before", front.out));
                    return;
                }
            }
        }
    }

    /// Compares a stream that ended with what the archive states of it.
    fn judge(&mut self, front: &Decoder) {
        let Packing::Bare { size, packed, crc, .. } = front.packed.packing else { return };
        if front.out != size {
            self.flaws.push(format!("it has {} bytes, the archive states {size}", front.out));
        }
        if front.inflate.taken() != packed {
            let taken = front.inflate.taken();
            self.flaws.push(format!("its packed form has {taken} bytes, the archive states {packed}"));
        }
        if front.crc.sum() != crc {
            self.flaws.push(mismatch(front.crc.sum(), crc));
        }
    }

    /// A decoder that is at or before this offset and nearer than any other, taken from the followers or from a mark.
    fn follower(&mut self, inflating: &Inflating, offset: u64) -> io::Result<Decoder> {
        let index = self.marks.partition_point(|mark| mark.out <= offset);
        let mark = index.checked_sub(1).map(|index| self.marks[index]);
        let from = mark.map_or(0, |mark| mark.out);
        let near = (0..self.followers.len())
            .filter(|at| (from..=offset).contains(&self.followers[*at].out))
            .max_by_key(|at| self.followers[*at].out);
        if let Some(near) = near {
            return Ok(self.followers.swap_remove(near));
        }
        match (mark, &self.windows) {
            (Some(mark), Some(windows)) => {
                let mut window = vec![0; mark.window as usize];
                if windows.read_full_at(mark.window_at, &mut window)? != window.len() {
                    return Err(io::Error::other("a temporary file lost its end"));
                }
                Decoder::at(&inflating.packed, &mark, window)
            }
            _ => Ok(Decoder::new(&inflating.packed, inflating.first_stream()?, false)),
        }
    }

    fn give_back(&mut self, mut follower: Decoder) {
        self.ticks += 1;
        follower.last_used = self.ticks;
        if self.followers.len() >= MAX_FOLLOWERS
            && let Some(oldest) = (0..self.followers.len()).min_by_key(|at| self.followers[*at].last_used)
        {
            self.followers.swap_remove(oldest);
        }
        self.followers.push(follower);
    }
}

pub(super) fn mismatch(sum: u32, stated: u32) -> String {
    format!(
        "its CRC-32 is {sum:08X}, the archive states {stated:08X}: a byte of it, or what is stated, is not what was packed"
    )
}

impl Inflating {
    /// The member of an archive, as the first `length` bytes of what these packed bytes give.
    pub(crate) fn member(
        bytes: Arc<dyn Bytes>,
        range: Range<u64>,
        packing: Packing,
        length: u64,
        spill: &Spill,
    ) -> Self {
        let packed = Packed { bytes, start: range.start, length: range.end.saturating_sub(range.start), packing };
        let front = Decoder::new(&packed, range.start, true);
        Inflating { length, spill: spill.clone(), state: Mutex::new(State::new(front)), packed }
    }

    /// The same where what the archive states cannot be trusted: it is read to its end once, to know how long it is.
    pub(crate) fn measured(bytes: Arc<dyn Bytes>, range: Range<u64>, packing: Packing, spill: &Spill) -> Self {
        Inflating::member(bytes, range, packing, MEASURED, spill).with_real_length()
    }

    /// Reads to the end, or to the greatest length that is looked for, and takes that for the length.
    fn with_real_length(mut self) -> Self {
        let mut state = self.state.lock();
        let end = loop {
            state.advance(&self);
            if let Some(end) = &state.end {
                break end.at;
            }
        };
        drop(state);
        self.length = end;
        self
    }

    /// A gzip file. It is read to its end once, since nothing else says how long it is.
    pub(crate) fn gzip(bytes: Arc<dyn Bytes>, spill: &Spill) -> io::Result<Self> {
        let Some(stream) = gzip_stream(&*bytes, 0)? else {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "it has no gzip header"));
        };
        let length = bytes.len();
        let packed = Packed { bytes, start: 0, length, packing: Packing::Gzip };
        let front = Decoder::new(&packed, stream, true);
        let inflating = Inflating { packed, length: 0, spill: spill.clone(), state: Mutex::new(State::new(front)) };
        Ok(inflating.with_real_length())
    }

    /// What follows a gzip file, which its checksums say nothing of.
    pub(crate) fn behind(&self) -> Option<String> {
        self.state.lock().behind.clone()
    }

    fn first_stream(&self) -> io::Result<u64> {
        match self.packed.packing {
            Packing::Bare { .. } => Ok(self.packed.start),
            Packing::Gzip => Ok(gzip_stream(&*self.packed.bytes, 0)?.unwrap_or_default()),
        }
    }
}

impl State {
    fn new(front: Decoder) -> Self {
        State {
            front: Some(front),
            followers: Vec::new(),
            marks: Vec::new(),
            spacing: SPACING,
            next_mark: SPACING,
            windows: None,
            windows_length: 0,
            pieces: VecDeque::new(),
            end: None,
            flaws: Vec::new(),
            behind: None,
            ticks: 0,
        }
    }
}

impl Bytes for Inflating {
    fn len(&self) -> u64 {
        self.length
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let buffer = within(self.length, offset, buffer);
        if buffer.is_empty() {
            return Ok(0);
        }
        let mut state = self.state.lock();
        loop {
            if let Some(piece) = state.piece(offset) {
                let count = piece.len().min(buffer.len());
                buffer[..count].copy_from_slice(&piece[..count]);
                return Ok(count);
            }
            if let Some(end) = &state.end
                && end.at <= offset
            {
                return match &end.error {
                    None => Ok(0),
                    Some((kind, what)) => Err(io::Error::new(*kind, what.clone())),
                };
            }
            if state.front.as_ref().is_some_and(|front| front.out <= offset) {
                state.advance(self);
                continue;
            }
            let mut follower = state.follower(self, offset)?;
            loop {
                let start = follower.out;
                let piece = follower.next()?;
                if piece.is_empty() {
                    return Err(io::Error::other("the packed data changed while it was read"));
                }
                state.keep(start, piece);
                if follower.out > offset {
                    break;
                }
            }
            state.give_back(follower);
        }
    }

    fn flaw(&self) -> Option<String> {
        let state = self.state.lock();
        (!state.flaws.is_empty()).then(|| state.flaws.join("; "))
    }

    fn check(&self) -> Option<String> {
        let mut state = self.state.lock();
        while state.front.is_some() {
            state.advance(self);
        }
        drop(state);
        self.flaw()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn numbers(count: u32) -> Vec<u8> {
        (0..count).flat_map(|n| format!("{n:08X} {:08X}\n", n.wrapping_mul(2_654_435_761)).into_bytes()).collect()
    }

    fn spill() -> (tempfile::TempDir, Spill) {
        let folder = tempfile::tempdir().unwrap();
        let spill = Spill::into_folder(folder.path());
        (folder, spill)
    }

    fn member(data: &[u8], change: impl FnOnce(&mut Vec<u8>, &mut u64, &mut u32)) -> (tempfile::TempDir, Inflating) {
        let mut encoder = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(data).unwrap();
        let mut packed = encoder.finish().unwrap();
        let mut crc = flate2::Crc::new();
        crc.update(data);
        let (mut size, mut crc) = (data.len() as u64, crc.sum());
        change(&mut packed, &mut size, &mut crc);
        let length = packed.len() as u64;
        let (folder, spill) = spill();
        let packing = Packing::Bare { coding: Coding::Deflate, size, packed: length, crc };
        (folder, Inflating::member(Arc::new(packed), 0..length, packing, size, &spill))
    }

    fn gzipped(data: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(data).unwrap();
        encoder.finish().unwrap()
    }

    fn check_everywhere(bytes: &dyn Bytes, data: &[u8]) {
        let mut state = 99u64;
        let mut buffer = vec![0; 5000];
        for _ in 0..300 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let offset = (state >> 20) as usize % (data.len() + 10);
            let read = bytes.read_full_at(offset as u64, &mut buffer).unwrap();
            let expected = &data[offset.min(data.len())..(offset + 5000).min(data.len())];
            assert!(buffer[..read] == *expected, "at {offset}");
        }
    }

    #[test]
    fn a_member_is_read_at_any_offset() {
        let data = numbers(400_000);
        let (_folder, inflating) = member(&data, |_, _, _| ());
        check_everywhere(&inflating, &data);
        assert!(inflating.state.lock().marks.len() > 3);
        assert!(inflating.read_all(u64::MAX).unwrap().unwrap() == data);
        assert_eq!(inflating.flaw(), None);
    }

    #[test]
    fn what_is_there_of_a_damaged_member_is_read() {
        let data = numbers(100_000);
        let (_folder, wrong) = member(&data, |_, _, crc| *crc ^= 1);
        assert!(wrong.read_all(u64::MAX).unwrap().unwrap() == data);
        assert!(wrong.flaw().unwrap().contains("CRC-32"));
        let (_folder, cut) = member(&data, |packed, _, _| packed.truncate(packed.len() / 2));
        let mut buffer = vec![0; data.len()];
        let mut done = 0;
        while let Ok(read) = cut.read_at(done as u64, &mut buffer[done..]) {
            done += read;
        }
        assert!(done > data.len() / 3 && buffer[..done] == data[..done]);
        assert_eq!(cut.read_at(done as u64, &mut buffer).unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
        assert!(cut.flaw().unwrap().contains(&format!("{done} bytes could be unpacked")), "{:?}", cut.flaw());
        let (_folder, long) = member(&data, |_, size, _| *size += 5);
        assert_eq!(long.read_full_at(data.len() as u64 - 3, &mut buffer).unwrap(), 3);
        assert!(long.flaw().unwrap().contains("states"));
        let (_folder, short) = member(&data, |_, size, _| *size -= 5);
        assert!(short.read_all(u64::MAX).unwrap().unwrap() == data[..data.len() - 5]);
        let stated = data.len() - 5;
        assert!(short.flaw().unwrap().contains(&format!("it has {} bytes, the archive states {stated}", data.len())));
    }

    #[test]
    fn gzip_members_are_one_file() {
        let data = numbers(200_000);
        let (first, second) = data.split_at(1_234_567);
        let mut packed = gzipped(first);
        packed.extend(gzipped(b""));
        packed.extend(gzipped(second));
        let (_folder, spill) = spill();
        let inflating = Inflating::gzip(Arc::new(packed.clone()), &spill).unwrap();
        assert_eq!(inflating.len(), data.len() as u64);
        check_everywhere(&inflating, &data);
        assert_eq!(inflating.flaw(), None);
        let cut = packed[..packed.len() - 50_000].to_vec();
        let inflating = Inflating::gzip(Arc::new(cut), &spill).unwrap();
        let there = inflating.read_all(u64::MAX).unwrap().unwrap();
        assert!(there.len() > 1_234_567 && data.starts_with(&there));
        assert!(inflating.flaw().unwrap().contains("ends early"));
        let at = packed.len() - 8;
        packed[at] ^= 1;
        let inflating = Inflating::gzip(Arc::new(packed), &spill).unwrap();
        assert!(inflating.read_all(u64::MAX).unwrap().unwrap() == data);
        assert!(inflating.flaw().unwrap().contains("CRC-32"));
    }
}
