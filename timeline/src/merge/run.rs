//! A buffer of encoded records, and the sorted runs that it becomes.

use super::MergeError;
use super::order::order;
use super::shapes::Shapes;
use evidence::Filetime;
use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;
use std::collections::binary_heap::PeekMut;
use std::fs::File;
use std::io::{self, BufRead, BufReader, BufWriter, Read, Seek, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// One event in a buffer: its time and where the encoded record begins.
#[derive(Clone, Copy)]
struct Entry {
    time: u64,
    offset: u32,
    length: u32,
}

impl Entry {
    /// Where the encoded record stands.
    fn range(&self) -> Range<usize> {
        let start = self.offset as usize;
        start..start + self.length as usize
    }
}

/// Time of undated events. A record can hold this very number as a time; nothing is lost then, because
/// whether an event is undated is asked of the record.
const UNDATED: u64 = u64::MAX;

/// Encoded records and the events that they give.
pub(super) struct Buffer {
    bytes: Vec<u8>,
    entries: Vec<Entry>,
}

impl Buffer {
    pub(super) fn new() -> Self {
        Buffer { bytes: Vec::new(), entries: Vec::new() }
    }

    /// Adds a record with one event for each distinct time, or says that it does not fit.
    pub(super) fn push(
        &mut self,
        times: impl Iterator<Item = Filetime> + Clone,
        encoded: &[u8],
        budget: usize,
    ) -> bool {
        let most_events = times.clone().count().max(1);
        let needed = self.bytes.len() + encoded.len() + (self.entries.len() + most_events) * size_of::<Entry>();
        let (Ok(offset), Ok(length)) = (u32::try_from(self.bytes.len()), u32::try_from(encoded.len())) else {
            return false;
        };
        if needed > budget {
            return false;
        }
        reserve(&mut self.bytes, encoded.len(), budget);
        reserve(&mut self.entries, most_events, budget);
        self.bytes.extend_from_slice(encoded);
        let first = self.entries.len();
        for Filetime(time) in times {
            if !self.entries[first..].iter().any(|entry| entry.time == time) {
                self.entries.push(Entry { time, offset, length });
            }
        }
        if self.entries.len() == first {
            self.entries.push(Entry { time: UNDATED, offset, length });
        }
        true
    }

    pub(super) fn sort(&mut self, shapes: &Shapes) {
        let bytes = &self.bytes;
        let of = |entry: &Entry| &bytes[entry.range()];
        // On this thread alone: one that waits for others begins with another object meanwhile, and could fill a buffer that
        // it cannot write, as it is about to write this one.
        self.entries.sort_unstable_by_key(|entry| (entry.time, entry.offset));
        // Parsers give records in the order of their places as a rule, so most of one time are in order already.
        for same in self.entries.chunk_by_mut(|a, b| a.time == b.time) {
            if !same.is_sorted_by(|a, b| order(shapes, of(a), of(b)).is_le()) {
                same.sort_unstable_by(|a, b| order(shapes, of(a), of(b)));
            }
        }
    }

    pub(super) fn clear(&mut self, budget: usize) {
        self.bytes.clear();
        self.entries.clear();
        // A single record beyond the budget must not stay as capacity.
        self.bytes.shrink_to(budget);
    }
}

/// Grows by an eighth of the budget at least and by doubling at most to the budget, so that a growing
/// buffer never holds twice of it.
fn reserve<T>(vector: &mut Vec<T>, more: usize, budget: usize) {
    let wanted = vector.len() + more;
    if wanted > vector.capacity() {
        let most = (budget / size_of::<T>()).max(wanted);
        let target = (vector.capacity() * 2).clamp(wanted, most);
        vector.reserve_exact(target - vector.len());
    }
}

/// A sorted spill file: `time u64 · length u32 · encoded record`, in order.
pub(super) struct Run {
    file: File,
}

fn error(folder: &Path, doing: &'static str) -> impl Fn(io::Error) -> MergeError {
    move |source| MergeError::Spill { doing, folder: folder.to_owned(), source }
}

const WRITE_BUFFER: usize = 256 << 10;
const READ_BUFFER: usize = 64 << 10;

fn write_event(out: &mut impl Write, time: u64, encoded: &[u8]) -> io::Result<()> {
    let length = u32::try_from(encoded.len()).map_err(io::Error::other)?;
    out.write_all(&time.to_le_bytes())?;
    out.write_all(&length.to_le_bytes())?;
    out.write_all(encoded)
}

impl Run {
    pub(super) fn write(folder: &Path, buffer: &Buffer) -> Result<Run, MergeError> {
        Self::write_with(folder, |out| {
            buffer.entries.iter().try_for_each(|entry| write_event(out, entry.time, &buffer.bytes[entry.range()]))
        })
    }

    fn write_with(folder: &Path, fill: impl FnOnce(&mut BufWriter<File>) -> io::Result<()>) -> Result<Run, MergeError> {
        let file = tempfile::tempfile_in(folder).map_err(error(folder, "create"))?;
        let mut out = BufWriter::with_capacity(WRITE_BUFFER, file);
        fill(&mut out).map_err(error(folder, "write"))?;
        let mut file = out.into_inner().map_err(|failed| error(folder, "write")(failed.into_error()))?;
        file.rewind().map_err(error(folder, "read"))?;
        Ok(Run { file })
    }

    /// Many runs as one.
    pub(super) fn merge(folder: &Path, runs: Vec<Run>, shapes: &Arc<Shapes>) -> Result<Run, MergeError> {
        let mut merged = Merged::new(folder.to_owned(), Buffer::new(), runs, Arc::clone(shapes))?;
        let mut failed = None;
        let run = Self::write_with(folder, |out| {
            loop {
                match merged.next(|time, encoded, _| write_event(out, time, encoded)) {
                    Ok(Some(written)) => written?,
                    Ok(None) => return Ok(()),
                    Err(error) => {
                        failed = Some(error);
                        return Ok(());
                    }
                }
            }
        })?;
        failed.map_or(Ok(run), Err)
    }
}

/// The newest event of a source.
struct Head {
    time: u64,
    encoded: Vec<u8>,
    source: usize,
    shapes: Arc<Shapes>,
}

impl Ord for Head {
    fn cmp(&self, other: &Self) -> Ordering {
        let by_time = self.time.cmp(&other.time);
        let by_record = || order(&self.shapes, &self.encoded, &other.encoded);
        by_time.then_with(by_record).then_with(|| self.source.cmp(&other.source))
    }
}

impl PartialOrd for Head {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Head {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Head {}

/// Replaces the head by the next event of its file; false at the end.
fn advance(file: &mut BufReader<File>, head: &mut Head) -> io::Result<bool> {
    head.encoded.clear();
    if file.fill_buf()?.is_empty() {
        return Ok(false);
    }
    let mut number = [0; 8];
    file.read_exact(&mut number)?;
    head.time = u64::from_le_bytes(number);
    let mut length = [0; 4];
    file.read_exact(&mut length)?;
    let length = u64::from(u32::from_le_bytes(length));
    if file.take(length).read_to_end(&mut head.encoded)? as u64 != length {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(true)
}

/// Several sorted sources as one: the last buffer, which stays in memory, and the runs.
pub(super) struct Merged {
    folder: PathBuf,
    memory: Arc<Vec<u8>>,
    entries: Vec<Entry>,
    /// The next event in memory.
    next: usize,
    files: Vec<BufReader<File>>,
    heads: BinaryHeap<Reverse<Head>>,
    shapes: Arc<Shapes>,
}

impl Merged {
    pub(super) fn new(
        folder: PathBuf,
        buffer: Buffer,
        runs: Vec<Run>,
        shapes: Arc<Shapes>,
    ) -> Result<Self, MergeError> {
        let files: Vec<_> = runs.into_iter().map(|run| BufReader::with_capacity(READ_BUFFER, run.file)).collect();
        let heads = BinaryHeap::with_capacity(files.len());
        let Buffer { bytes, entries } = buffer;
        let mut merged = Merged { folder, memory: Arc::new(bytes), entries, next: 0, files, heads, shapes };
        merged.rewind()?;
        Ok(merged)
    }

    /// Begins again with the first event.
    pub(super) fn rewind(&mut self) -> Result<(), MergeError> {
        self.next = 0;
        self.heads.clear();
        for (source, file) in self.files.iter_mut().enumerate() {
            let mut head = Head { time: 0, encoded: Vec::new(), source, shapes: Arc::clone(&self.shapes) };
            let first = file.rewind().and_then(|()| advance(file, &mut head));
            if first.map_err(error(&self.folder, "read"))? {
                self.heads.push(Reverse(head));
            }
        }
        Ok(())
    }

    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// The encoded records that stay in memory.
    pub(super) fn memory(&self) -> Arc<Vec<u8>> {
        self.memory.clone()
    }

    /// Gives nothing more.
    pub(super) fn stop(&mut self) {
        self.heads.clear();
        self.next = self.entries.len();
    }

    /// Time of the next event.
    pub(super) fn peek(&self) -> Option<u64> {
        let in_memory = self.entries.get(self.next).map(|entry| entry.time);
        let in_file = self.heads.peek().map(|Reverse(head)| head.time);
        in_memory.into_iter().chain(in_file).min()
    }

    /// Hands the next event to `take`: its time, its encoded record, and where in the memory that stands if it stays
    /// there.
    pub(super) fn next<T>(
        &mut self,
        take: impl FnOnce(u64, &[u8], Option<Range<usize>>) -> T,
    ) -> Result<Option<T>, MergeError> {
        let top = self.heads.peek_mut();
        if let Some(entry) = self.entries.get(self.next) {
            let encoded = &self.memory[entry.range()];
            let is_first = |head: &Head| {
                let by_time = entry.time.cmp(&head.time);
                by_time.then_with(|| order(&self.shapes, encoded, &head.encoded)).is_le()
            };
            if top.as_ref().is_none_or(|top| is_first(&top.0)) {
                self.next += 1;
                return Ok(Some(take(entry.time, encoded, Some(entry.range()))));
            }
        }
        let Some(mut top) = top else { return Ok(None) };
        let head = &mut top.0;
        let taken = take(head.time, &head.encoded, None);
        if !advance(&mut self.files[head.source], head).map_err(error(&self.folder, "read"))? {
            PeekMut::pop(top);
        }
        Ok(Some(taken))
    }
}
