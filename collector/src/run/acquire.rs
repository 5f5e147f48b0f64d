//! Reads one object from front to back, once: the digests, the compressor and the counter of progress all see the
//! same block while it is in the cache. Bytes that cannot be read are looked for sector by sector and stand as zeros.

use crate::digest::{Digested, Digests, Digests512, MOST_ZEROS, WholeDigest};
use crate::pipeline::{Bringing, Buffers, Part};
use crate::source::Content;
use crate::zip::blocks::Block;
use crate::zip::writer::{Output, Streaming};
use evidence::StoredRange;
use std::io::{self, Write};
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Bytes read at a time.
pub(crate) const BLOCK: usize = 1 << 20;
/// The unit in which unreadable parts are searched.
const SECTOR: usize = 512;
/// Sectors of one object that are given up singly; a medium that is gone would otherwise take days to say so.
const MAX_BAD_SECTORS: u32 = 4096;
/// Separate unreadable ranges of one object that are listed.
const MAX_BAD_RANGES: usize = 1000;
/// Holes are left out of the payload when they add up to this.
const SPARSE_FROM: u64 = 1 << 20;
/// Holes shorter than this are kept as zeros inside a stored range.
const SHORT_HOLE: u64 = 1 << 16;

/// An object that is being read.
pub(crate) struct Reading<'a> {
    content: &'a dyn Content,
    /// What is still to be read.
    ranges: std::vec::IntoIter<Range<u64>>,
    current: Range<u64>,
    stored_ranges: Vec<StoredRange>,
    sparse: bool,
    bad: Vec<Range<u64>>,
    /// Why each of these could not be read: the first error.
    reasons: Vec<String>,
    bad_sectors: u32,
    /// A read did not return in time; no further one is tried.
    gave_up: bool,
    bad_ranges_left_out: bool,
    truncated_at: Option<u64>,
    first: Vec<u8>,
    /// Where the block that was read last lies in the object.
    block_at: u64,
    stored: u64,
}

/// What came of reading an object.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) digested: Digested,
    pub(crate) stored_size: u64,
    /// Empty for a plain payload.
    pub(crate) stored_ranges: Vec<StoredRange>,
    /// Ranges of the original that could not be read.
    pub(crate) bad: Vec<Range<u64>>,
    /// The first error of each of them.
    pub(crate) reasons: Vec<String>,
    /// Whether there are more of them than are listed.
    pub(crate) more_bad: bool,
    /// Where the object ended although it should not.
    pub(crate) truncated_at: Option<u64>,
    /// Ranges that the source does not have.
    pub(crate) missing: Vec<Range<u64>>,
    pub(crate) interrupted: bool,
    /// What the container says against the bytes now that all were read.
    pub(crate) flaw: Option<String>,
    /// Where holes were left out: SHA-256 of the whole file with them, or why it is not known.
    pub(crate) whole: Option<Result<[u8; 32], &'static str>>,
}

impl Outcome {
    /// Whether every byte was read and nothing speaks against it.
    pub(crate) fn is_whole(&self) -> bool {
        self.bad.is_empty()
            && self.missing.is_empty()
            && self.truncated_at.is_none()
            && !self.interrupted
            && self.flaw.is_none()
    }

    /// With what speaks against everything on its volume.
    pub(crate) fn doubted(mut self, doubt: Option<&str>) -> Self {
        if let Some(doubt) = doubt {
            self.flaw = Some(self.flaw.map_or_else(|| doubt.to_owned(), |flaw| format!("{flaw}; {doubt}")));
            self.whole = self.whole.map(|_| Err("what the source gives of the file can be wrong"));
        }
        self
    }
}

/// The ranges to read: everything, or what holds data where the holes are worth leaving out.
fn ranges_to_read(content: &dyn Content) -> (Vec<Range<u64>>, bool) {
    let size = content.len();
    let mut merged: Vec<Range<u64>> = Vec::new();
    // Ranges out of order would make the arithmetic below wrong, so the object is then read as a whole.
    let mut in_order = true;
    for range in content.data_ranges() {
        let range = range.start.min(size)..range.end.min(size);
        match merged.last_mut() {
            _ if range.is_empty() => {}
            Some(last) if range.start < last.end.saturating_add(SHORT_HOLE) => {
                in_order &= range.start >= last.end;
                last.end = last.end.max(range.end);
            }
            _ => merged.push(range),
        }
    }
    let data: u64 = merged.iter().map(|range| range.end - range.start).sum();
    if in_order && size.saturating_sub(data) >= SPARSE_FROM {
        (merged, true)
    } else {
        (std::iter::once(0..size).collect(), false)
    }
}

/// Bytes that reading this object will store at most.
pub(crate) fn bytes_to_store(content: &dyn Content) -> u64 {
    ranges_to_read(content).0.iter().map(|range| range.end - range.start).sum()
}

/// The ranges that reading this object will store if all can be read; none for a plain payload.
pub(crate) fn ranges_to_store(content: &dyn Content) -> Vec<StoredRange> {
    let (ranges, sparse) = ranges_to_read(content);
    let mut stored_at = 0;
    let stored = ranges.into_iter().filter(|_| sparse).map(|range| {
        let length = range.end - range.start;
        stored_at += length;
        StoredRange { offset: range.start, stored_at: stored_at - length, length }
    });
    stored.collect()
}

impl<'a> Reading<'a> {
    /// Reads the first block. An error means that nothing of the object can be read at all.
    pub(crate) fn begin(content: &'a dyn Content) -> io::Result<Self> {
        let (ranges, sparse) = ranges_to_read(content);
        let mut reading = Reading {
            content,
            ranges: ranges.into_iter(),
            current: 0..0,
            stored_ranges: Vec::new(),
            sparse,
            bad: Vec::new(),
            reasons: Vec::new(),
            bad_sectors: 0,
            gave_up: false,
            bad_ranges_left_out: false,
            truncated_at: None,
            first: Vec::new(),
            block_at: 0,
            stored: 0,
        };
        let mut first = Vec::new();
        reading.next(&mut first);
        let all_bad =
            !first.is_empty() && reading.bad.iter().map(|bad| bad.end - bad.start).sum::<u64>() >= first.len() as u64;
        if reading.gave_up {
            return Err(io::Error::new(io::ErrorKind::TimedOut, "its first read did not return in time"));
        }
        if all_bad && let Some(error) = reading.nothing_readable() {
            return Err(error);
        }
        reading.first = first;
        Ok(reading)
    }

    /// The error of every one of some places spread over the object, if all give one.
    fn nothing_readable(&self) -> Option<io::Error> {
        let length = self.content.len();
        let mut last = None;
        for part in 0..16 {
            let mut sector = [0; SECTOR];
            match self.content.read_at(length / 16 * part, &mut sector) {
                Ok(_) => return None,
                Err(error) => last = Some(error),
            }
        }
        last
    }

    /// Whether it begins as a DOS or Windows program does.
    pub(crate) fn is_program(&self) -> bool {
        self.first.starts_with(b"MZ")
    }

    /// Whether compressing it would be in vain: it is tiny, or its bytes are spread as those of compressed or
    /// encrypted data are.
    pub(crate) fn is_incompressible(&self) -> bool {
        const SAMPLE: usize = 1 << 16;
        let sample = &self.first[..self.first.len().min(SAMPLE)];
        if sample.len() < 2048 {
            return sample.len() < 64;
        }
        let mut counts = [0u32; 256];
        sample.iter().for_each(|byte| counts[usize::from(*byte)] += 1);
        let length = sample.len() as f64;
        let entropy: f64 = counts
            .iter()
            .filter(|count| **count > 0)
            .map(|count| {
                let share = f64::from(*count) / length;
                -share * share.log2()
            })
            .sum();
        // A finite sample of evenly spread bytes stays this much below 8 bits on average (Miller's correction).
        entropy + 255.0 / (2.0 * std::f64::consts::LN_2 * length) > 7.97
    }

    fn mark_bad(&mut self, range: Range<u64>, why: &dyn std::fmt::Display) {
        let full = self.bad.len() >= MAX_BAD_RANGES;
        match self.bad.last_mut() {
            Some(last) if last.end == range.start => last.end = range.end,
            _ if full => self.bad_ranges_left_out = true,
            _ => {
                self.bad.push(range);
                self.reasons.push(why.to_string());
            }
        }
    }

    /// Fills the buffer with the next block, empty at the end.
    fn next(&mut self, buffer: &mut Vec<u8>) {
        buffer.clear();
        if self.truncated_at.is_some() {
            return;
        }
        while self.current.is_empty() {
            match self.ranges.next() {
                Some(range) => self.current = range,
                None => return,
            }
            if self.sparse {
                self.stored_ranges.push(StoredRange { offset: self.current.start, stored_at: self.stored, length: 0 });
            }
        }
        let start = self.current.start;
        self.block_at = start;
        let wanted = usize::try_from(self.current.end - start).unwrap_or(usize::MAX).min(BLOCK);
        buffer.resize(wanted, 0);
        let tried = if self.gave_up { None } else { Some(self.content.read_full_at(start, buffer)) };
        let read = match tried {
            None => self.leave_out(start, buffer, &"an earlier read did not return in time"),
            Some(Ok(read)) => read,
            Some(Err(error)) if error.kind() == io::ErrorKind::TimedOut => {
                self.gave_up = true;
                self.leave_out(start, buffer, &error)
            }
            Some(Err(_)) => self.read_sectors(start, buffer),
        };
        buffer.truncate(read);
        if read < wanted {
            self.truncated_at = Some(start + read as u64);
        }
        self.current.start += read as u64;
        self.stored += read as u64;
        if let Some(range) = self.stored_ranges.last_mut() {
            range.length += read as u64;
        }
    }

    /// Zeros in the place of a block that is not read.
    fn leave_out(&mut self, start: u64, buffer: &mut [u8], why: &dyn std::fmt::Display) -> usize {
        buffer.fill(0);
        self.mark_bad(start..start + buffer.len() as u64, why);
        buffer.len()
    }

    /// Reads what can be read of a block, sector by sector. The rest stays zero.
    fn read_sectors(&mut self, start: u64, buffer: &mut [u8]) -> usize {
        let mut done = 0;
        while done < buffer.len() {
            let wanted = SECTOR.min(buffer.len() - done);
            let at = start + done as u64;
            if self.bad_sectors >= MAX_BAD_SECTORS {
                buffer[done..].fill(0);
                let why = "too many sectors before it could not be read, so this part was not tried";
                self.mark_bad(at..start + buffer.len() as u64, &why);
                return buffer.len();
            }
            match self.content.read_full_at(at, &mut buffer[done..done + wanted]) {
                Ok(read) => {
                    done += read;
                    if read < wanted {
                        return done;
                    }
                }
                Err(error) => {
                    buffer[done..done + wanted].fill(0);
                    self.mark_bad(at..at + wanted as u64, &error);
                    self.bad_sectors += 1;
                    done += wanted;
                }
            }
        }
        done
    }

    /// Whether the digest of the whole file is computed, where holes are left out of what is stored.
    fn whole_digest(&self) -> Option<Result<(), &'static str>> {
        let size = self.content.len();
        let stored: u64 = ranges_to_read(self.content).0.iter().map(|range| range.end - range.start).sum();
        let has_few_holes = size.saturating_sub(stored) <= MOST_ZEROS;
        self.sparse.then_some(if has_few_holes { Ok(()) } else { Err("its holes are more than 64 GiB") })
    }

    /// What computes these digests of it. `cancel` ends the digest of the holes.
    pub(crate) fn hashing<'c>(&self, digests: Digests, cancel: &'c AtomicBool) -> Hashing<'c> {
        let whole = matches!(self.whole_digest(), Some(Ok(()))).then(|| WholeDigest::new([]));
        Hashing { digests, whole, cancel }
    }

    fn is_done(&self) -> bool {
        self.truncated_at.is_some() || self.current.is_empty() && self.ranges.len() == 0
    }
}

/// What takes the blocks of an object, one after the other.
pub(crate) trait Take: Send {
    /// The next block, which lies here in the object. An error is one of writing.
    fn take(&mut self, offset: u64, block: &Arc<Vec<u8>>) -> io::Result<()>;

    /// The end of the object. Gives the digest of the whole file of this length too, if it is computed and nobody ended it.
    fn end(&mut self, size: u64) -> io::Result<(Digested, Option<[u8; 32]>)>;
}

/// The digests of an object, that of a whole file with its holes among them.
pub(crate) struct Hashing<'a> {
    pub(crate) digests: Digests,
    pub(crate) whole: Option<WholeDigest>,
    /// Ends the digest of the holes.
    pub(crate) cancel: &'a AtomicBool,
}

impl Hashing<'_> {
    fn update(&mut self, offset: u64, block: &[u8]) {
        // Of longer blocks two digests are computed on two threads, and a worker that waits for the other one begins with
        // another object: it could then wait for the memory that this one holds.
        block.chunks(1 << 16).for_each(|part| self.digests.update(part));
        if let Some(whole) = &mut self.whole {
            whole.data(offset, block, self.cancel);
        }
    }

    fn finish(self, size: u64) -> (Digested, Option<[u8; 32]>) {
        let whole = self.whole.and_then(|whole| whole.finish(size, self.cancel));
        (self.digests.finish(), whole)
    }
}

/// Hashes and writes each block at once.
pub(crate) struct AtOnce<'a, W> {
    hashing: Option<Hashing<'a>>,
    /// What it is written to.
    pub(crate) sink: W,
}

impl<'a, W> AtOnce<'a, W> {
    /// Into this.
    pub(crate) fn new(hashing: Hashing<'a>, sink: W) -> Self {
        AtOnce { hashing: Some(hashing), sink }
    }
}

impl<W: Write + Send> Take for AtOnce<'_, W> {
    fn take(&mut self, offset: u64, block: &Arc<Vec<u8>>) -> io::Result<()> {
        if let Some(hashing) = &mut self.hashing {
            hashing.update(offset, block);
        }
        self.sink.write_all(block)
    }

    fn end(&mut self, size: u64) -> io::Result<(Digested, Option<[u8; 32]>)> {
        let hashing = self.hashing.take().ok_or_else(|| io::Error::other("it was ended before"))?;
        Ok(hashing.finish(size))
    }
}

/// A digest that sees every block in its turn.
pub(crate) enum Digesting<'a> {
    Short(Box<Digests>),
    Sha512(Digests512),
    Whole(WholeDigest, &'a AtomicBool),
}

impl<'a> Hashing<'a> {
    /// Parts that need nothing of each other.
    pub(crate) fn parts(self) -> Vec<Digesting<'a>> {
        let (short, sha512) = self.digests.split();
        let whole = self.whole.map(|whole| Digesting::Whole(whole, self.cancel));
        std::iter::once(Digesting::Short(Box::new(short))).chain(sha512.map(Digesting::Sha512)).chain(whole).collect()
    }
}

impl Part for Digesting<'_> {
    fn block(&mut self, offset: u64, block: &[u8]) {
        match self {
            Digesting::Short(digests) => digests.update(block),
            Digesting::Sha512(sha512) => sha512.update(block),
            Digesting::Whole(whole, cancel) => whole.data(offset, block, cancel),
        }
    }
}

/// Hashes and writes blocks on several threads.
pub(crate) struct Together<'p, 'a, S> {
    bringing: Bringing<'p, 'a, Digesting<'a>, Block>,
    /// What they are written to.
    pub(crate) sink: S,
}

impl<'p, 'a, S> Together<'p, 'a, S> {
    /// Into this.
    pub(crate) fn new(bringing: Bringing<'p, 'a, Digesting<'a>, Block>, sink: S) -> Self {
        Together { bringing, sink }
    }
}

impl<W: Output> Take for Together<'_, '_, Streaming<'_, W>> {
    fn take(&mut self, offset: u64, block: &Arc<Vec<u8>>) -> io::Result<()> {
        let sink = &mut self.sink;
        self.bringing.bring(offset, block, &mut |packed| sink.add(packed))
    }

    fn end(&mut self, size: u64) -> io::Result<(Digested, Option<[u8; 32]>)> {
        let sink = &mut self.sink;
        let (mut digested, mut sha512, mut of_whole) = (None, None, None);
        for part in self.bringing.end(&mut |packed| sink.add(packed))? {
            match part {
                Digesting::Short(digests) => digested = Some(digests.finish()),
                Digesting::Sha512(digest) => sha512 = Some(digest.finish()),
                Digesting::Whole(whole, cancel) => of_whole = whole.finish(size, cancel),
            }
        }
        let digested = digested.ok_or_else(|| io::Error::other("it was ended before"))?;
        Ok((Digested { sha512, ..digested }, of_whole))
    }
}

/// An object that is being read into something.
pub(crate) struct Acquiring<'a, T> {
    reading: Reading<'a>,
    take: T,
    block: Vec<u8>,
    blocks: Buffers,
    cancel: &'a AtomicBool,
    interrupted: bool,
    passed: &'a (dyn Fn(u64) + Sync),
}

impl<'a, T: Take> Acquiring<'a, T> {
    /// Begins with the block that was read first. `cancel` ends it, and `passed` gets told how many bytes are through.
    pub(crate) fn new(
        mut reading: Reading<'a>,
        take: T,
        cancel: &'a AtomicBool,
        passed: &'a (dyn Fn(u64) + Sync),
    ) -> Self {
        let block = std::mem::take(&mut reading.first);
        Acquiring { reading, take, block, blocks: Buffers::default(), cancel, interrupted: false, passed }
    }

    /// Whether it was ended early.
    pub(crate) fn is_interrupted(&self) -> bool {
        self.interrupted
    }

    /// What could not be read so far, in order.
    pub(crate) fn unreadable(&self) -> &[Range<u64>] {
        &self.reading.bad
    }

    /// One block further; gives the block and where it lies, or nothing at the end. An error is one of writing, never one of
    /// the evidence.
    pub(crate) fn step(&mut self) -> io::Result<Option<(u64, Arc<Vec<u8>>)>> {
        if self.block.is_empty() {
            return Ok(None);
        }
        let (offset, block) = (self.reading.block_at, self.blocks.share(std::mem::take(&mut self.block)));
        self.take.take(offset, &block)?;
        if !self.reading.is_done() {
            if self.cancel.load(Ordering::Relaxed) {
                self.interrupted = true;
            } else {
                self.block = self.blocks.free();
                self.reading.next(&mut self.block);
            }
        }
        (self.passed)(block.len() as u64);
        Ok(Some((offset, block)))
    }

    /// Reads to the end.
    pub(crate) fn finish(mut self) -> io::Result<(Outcome, T)> {
        while self.step()?.is_some() {}
        let Acquiring { mut reading, mut take, interrupted, .. } = self;
        let content = reading.content;
        let (digested, whole) = take.end(content.len())?;
        if reading.sparse && reading.stored_ranges.is_empty() {
            // Nothing but a hole; the empty range says that this is known, not forgotten.
            reading.stored_ranges.push(StoredRange { offset: content.len(), stored_at: 0, length: 0 });
        }
        let (is_sparse, has_digest) = (reading.sparse, reading.whole_digest());
        let mut outcome = Outcome {
            digested,
            stored_size: reading.stored,
            stored_ranges: if is_sparse { reading.stored_ranges } else { Vec::new() },
            bad: reading.bad,
            reasons: reading.reasons,
            more_bad: reading.bad_ranges_left_out,
            truncated_at: reading.truncated_at,
            missing: content.missing(),
            interrupted,
            flaw: content.flaw(),
            whole: None,
        };
        outcome.whole = has_digest.map(|has_digest| {
            if !outcome.missing.is_empty() {
                return Err("the source left holes out, and whether there were zeros is not known");
            }
            if !outcome.is_whole() {
                return Err("not every byte of the file was read");
            }
            has_digest.and(whole.ok_or("the collection was ended before its holes were hashed"))
        });
        Ok((outcome, take))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::Which;
    use crate::source::faulty::Faulty;
    use evidence::hex;
    use sha2::{Digest, Sha256};

    fn read(content: &dyn Content) -> (Outcome, Vec<u8>) {
        let mut payload = Vec::new();
        let never = AtomicBool::new(false);
        let reading = Reading::begin(content).unwrap();
        let take = AtOnce::new(reading.hashing(Digests::new(Which::default()), &never), &mut payload);
        let (outcome, _) = Acquiring::new(reading, take, &never, &|_| ()).finish().unwrap();
        assert_eq!(outcome.stored_size, payload.len() as u64);
        assert_eq!(hex(&outcome.digested.sha256), hex(&Sha256::digest(&payload)));
        (outcome, payload)
    }

    fn noise(length: usize) -> Vec<u8> {
        let mut state = 1u32;
        (0..length)
            .map(|_| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (state >> 24) as u8
            })
            .collect()
    }

    #[test]
    fn plain_content_is_read_once_and_whole() {
        for length in [0, 1, SECTOR, BLOCK - 1, BLOCK, BLOCK + 1, 3 * BLOCK + 7] {
            let content = Faulty::new(noise(length));
            let (outcome, payload) = read(&content);
            assert_eq!(payload, noise(length), "{length}");
            assert!(outcome.bad.is_empty() && outcome.truncated_at.is_none() && outcome.stored_ranges.is_empty());
            assert_eq!(content.bytes_read(), length as u64, "{length}");
        }
    }

    #[test]
    fn bad_sectors_stand_as_zeros() {
        let data = noise(2 * BLOCK + 100);
        let bad = [1024..1536, BLOCK as u64..BLOCK as u64 + 1024, 2 * BLOCK as u64 + 90..2 * BLOCK as u64 + 91];
        let (outcome, payload) = read(&Faulty::new(data.clone()).bad(&bad));
        let expected_bad = [1024..1536, BLOCK as u64..BLOCK as u64 + 1024, 2 * BLOCK as u64..2 * BLOCK as u64 + 100];
        assert_eq!(outcome.bad, expected_bad);
        let mut expected = data;
        for range in expected_bad {
            expected[range.start as usize..range.end as usize].fill(0);
        }
        assert!(payload == expected);
    }

    #[test]
    fn a_removed_device_ends_soon() {
        let content = Faulty::new(noise(BLOCK * 20)).gone_after(3 * BLOCK as u64);
        let (outcome, payload) = read(&content);
        assert_eq!(payload.len(), BLOCK * 20);
        assert_eq!(outcome.bad.last().unwrap().end, BLOCK as u64 * 20);
        assert!(content.calls() < 20_000, "{}", content.calls());
        let gone = Faulty::new(noise(BLOCK * 20)).gone_after(0);
        assert!(Reading::begin(&gone).is_err());
    }

    #[test]
    fn a_read_that_does_not_return_is_the_last_one() {
        let data = noise(5 * BLOCK);
        let content = Faulty::new(data.clone()).stuck_at(2 * BLOCK as u64 + 9);
        let (outcome, payload) = read(&content);
        assert_eq!(outcome.bad, std::slice::from_ref(&(2 * BLOCK as u64..5 * BLOCK as u64)));
        assert_eq!(content.calls(), 3);
        assert!(payload[..2 * BLOCK] == data[..2 * BLOCK] && payload[2 * BLOCK..].iter().all(|byte| *byte == 0));
        assert!(Reading::begin(&Faulty::new(data).stuck_at(0)).is_err());
    }

    #[test]
    fn short_reads_and_an_early_end() {
        let (outcome, payload) = read(&Faulty::new(noise(BLOCK * 2)).short(7777));
        assert!(payload == noise(BLOCK * 2) && outcome.truncated_at.is_none());
        let (outcome, payload) = read(&Faulty::new(noise(BLOCK * 2)).ends_at(BLOCK as u64 + 5));
        assert_eq!((outcome.truncated_at, payload.len()), (Some(BLOCK as u64 + 5), BLOCK + 5));
    }

    #[test]
    fn large_holes_are_left_out_and_small_ones_kept() {
        let mut data = vec![0; 4 * BLOCK];
        data[10] = 1;
        data[3 * BLOCK..].fill(7);
        let holes = Faulty::new(data.clone()).ranges(&[0..4096, 3 * BLOCK as u64..4 * BLOCK as u64]);
        let (outcome, payload) = read(&holes);
        assert_eq!(payload.len(), 4096 + BLOCK);
        let ranges = [(0, 0, 4096), (3 * BLOCK as u64, 4096, BLOCK as u64)];
        let got: Vec<_> = outcome.stored_ranges.iter().map(|r| (r.offset, r.stored_at, r.length)).collect();
        assert_eq!(got, ranges);
        // The other hash is that of what any program reads of the file, computed by another library call over all of it.
        let whole: [u8; 32] = Sha256::digest(&data).into();
        assert_eq!(outcome.whole, Some(Ok(whole)));
        let small = Faulty::new(data.clone()).ranges(&[0..4096, 8192..4 * BLOCK as u64]);
        let (outcome, payload) = read(&small);
        assert!(outcome.stored_ranges.is_empty() && payload == data);
        // Nothing but holes, and ranges that lie.
        let (outcome, payload) = read(&Faulty::new(data.clone()).ranges(&[]));
        assert!(payload.is_empty() && outcome.stored_ranges.len() == 1 && outcome.truncated_at.is_none());
        assert_eq!(outcome.whole, Some(Ok(Sha256::digest(vec![0; 4 * BLOCK]).into())));
        let (_, payload) = read(&Faulty::new(data.clone()).ranges(&[2 * BLOCK as u64..u64::MAX, 0..10]));
        assert_eq!(payload.len(), data.len());
    }

    #[test]
    fn compression_is_left_out_where_it_is_in_vain() {
        let incompressible = |data: Vec<u8>| Reading::begin(&Faulty::new(data)).unwrap().is_incompressible();
        assert!(incompressible(noise(BLOCK)) && incompressible(noise(4096)) && incompressible(vec![0; 10]));
        assert!(!incompressible(vec![7; 10_000]) && !incompressible(b"text ".repeat(2000)));
    }
}
