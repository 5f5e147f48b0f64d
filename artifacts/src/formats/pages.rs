//! A file that is read where it is: all of it where it is short, else in pages of which few are kept. So a file of any
//! length takes the same memory.

use super::note::Note;
use evidence::{Bytes, ProblemKind};
use std::borrow::Cow;
use std::cell::{Cell, RefCell};
use std::io;
use std::ops::Range;
use std::rc::Rc;

/// Length of a page. It is a multiple of eight, so no signature of a cell lies across two.
pub const PAGE: usize = 16 << 10;
const WAYS: usize = 4;
/// Most bytes that are kept of a file, where its reader asks for no other number.
pub const KEPT: u64 = 4 << 20;
/// The unit that storage fails in.
const SECTOR: usize = 512;
/// Most places that could not be read which are listed.
const MAX_FAILURES: usize = 100;

/// A page as far as it could be read.
pub(crate) struct Page {
    bytes: Vec<u8>,
    /// What could not be read, in order.
    gaps: Vec<Range<usize>>,
}

impl Page {
    /// The bytes from here to the next that could not be read, at most up to `end`.
    pub(crate) fn from(&self, start: usize, end: usize) -> &[u8] {
        let end = self.gap_at_or_after(start).map_or(end, |gap| gap.start.min(end)).min(self.bytes.len());
        self.bytes.get(start..end.max(start)).unwrap_or_default()
    }

    /// Where the bytes go on that can be read, if none can here.
    pub(crate) fn gap_end(&self, start: usize) -> Option<usize> {
        self.gap_at_or_after(start).filter(|gap| gap.start <= start).map(|gap| gap.end)
    }

    fn gap_at_or_after(&self, start: usize) -> Option<&Range<usize>> {
        self.gaps.iter().find(|gap| gap.end > start)
    }
}

struct Slot {
    number: u64,
    used: Cell<u64>,
    page: Rc<Page>,
}

/// What pages could not be read.
#[derive(Default)]
struct Failures {
    notes: Vec<Note>,
    unlisted: usize,
}

enum Source<'a> {
    Borrowed(&'a dyn Bytes),
    Owned(Box<dyn Bytes + 'a>),
}

/// What a file is, and what it costs where it cannot be read, for problems.
#[derive(Clone, Copy)]
pub(crate) struct What {
    pub(crate) name: &'static str,
    pub(crate) cost: &'static str,
}

/// A file that is read where it is.
pub struct Pages<'a> {
    what: What,
    source: Source<'a>,
    /// Length of what is read.
    length: u64,
    /// All of it, once it is held.
    memory: Option<Cow<'a, [u8]>>,
    sets: usize,
    kept: RefCell<Vec<Slot>>,
    clock: Cell<u64>,
    failures: RefCell<Failures>,
    /// How often something was looked for where nothing could be read.
    failed: Cell<usize>,
}

impl<'a> Pages<'a> {
    /// The first `length` bytes of a file, of which about `kept` are kept.
    pub(crate) fn new(what: What, source: &'a dyn Bytes, length: u64, kept: u64) -> Self {
        Pages::of(what, Source::Borrowed(source), length, kept)
    }

    /// The same of bytes that nobody else holds.
    pub(crate) fn owning(what: What, source: Box<dyn Bytes + 'a>, kept: u64) -> Self {
        let length = source.len();
        Pages::of(what, Source::Owned(source), length, kept)
    }

    /// A file by this name. At most `kept` bytes of it are held: the whole where it is no longer.
    pub(crate) fn holding(what: What, source: &'a dyn Bytes, kept: u64) -> Self {
        let mut pages = Pages::new(what, source, source.len(), kept);
        if pages.length <= kept {
            pages.hold();
        }
        pages
    }

    /// A program file. At most `kept` bytes of it are held: the whole where it is no longer.
    pub fn program(source: &'a dyn Bytes, kept: u64) -> Self {
        let what = What { name: "the file", cost: "what was there is missing from what is read of the file" };
        Pages::holding(what, source, kept)
    }

    fn of(what: What, source: Source<'a>, length: u64, kept: u64) -> Self {
        Pages {
            what,
            source,
            length,
            memory: None,
            sets: (kept.min(length) as usize).div_ceil(WAYS * PAGE).max(1),
            kept: RefCell::default(),
            clock: Cell::new(0),
            failures: RefCell::default(),
            failed: Cell::new(0),
        }
    }

    fn source(&self) -> &dyn Bytes {
        match &self.source {
            Source::Borrowed(bytes) => *bytes,
            Source::Owned(bytes) => &**bytes,
        }
    }

    /// Length in bytes.
    pub fn len(&self) -> u64 {
        self.length
    }

    /// Whether there are no bytes.
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// Holds all of it from now on, without a copy where it lies in memory already. Where some of it cannot be read,
    /// nothing changes.
    pub(crate) fn hold(&mut self) {
        let in_memory = match &self.source {
            Source::Borrowed(bytes) => bytes.as_slice().filter(|bytes| bytes.len() as u64 == self.length),
            Source::Owned(_) => None,
        };
        self.memory = match in_memory {
            Some(bytes) => Some(Cow::Borrowed(bytes)),
            None => {
                let mut bytes = vec![0; self.length as usize];
                let is_whole = self.source().read_full_at(0, &mut bytes).is_ok_and(|read| read == bytes.len());
                is_whole.then_some(Cow::Owned(bytes))
            }
        };
        if self.memory.is_some() {
            self.kept.take();
        }
    }

    /// All bytes, where they are held.
    pub(crate) fn memory(&self) -> Option<&[u8]> {
        self.memory.as_deref()
    }

    /// The same, to be changed.
    pub(crate) fn memory_mut(&mut self) -> Option<&mut Cow<'a, [u8]>> {
        self.memory.as_mut()
    }

    /// How many bytes of pages are held.
    #[cfg(test)]
    pub(crate) fn held(&self) -> usize {
        self.kept.borrow().iter().map(|slot| slot.page.bytes.capacity()).sum()
    }

    /// How often something was looked for where nothing could be read.
    pub(crate) fn failed(&self) -> usize {
        self.failed.get()
    }

    /// What could not be read so far, which is forgotten by this.
    pub(crate) fn take_failures(&self) -> Vec<Note> {
        let Failures { mut notes, unlisted } = std::mem::take(&mut *self.failures.borrow_mut());
        if unlisted > 0 {
            notes.push(Note::new(
                ProblemKind::LimitReached,
                format!("{} could not be read at {unlisted} more places", self.what.name),
                "it has more unreadable places than are shown",
            ));
        }
        notes
    }

    fn fail(&self, offset: u64, length: usize, error: &io::Error) {
        let note = Note::new(
            ProblemKind::ReadFailed,
            format!("{length} bytes of {} at {offset:#x} could not be read: {error}", self.what.name),
            self.what.cost,
        )
        .at(offset);
        let mut failures = self.failures.borrow_mut();
        if failures.notes.contains(&note) {
            return;
        }
        if failures.notes.len() < MAX_FAILURES {
            failures.notes.push(note);
        } else {
            failures.unlisted += 1;
        }
    }

    /// Where the next byte is, from this offset on, that need not be zero.
    pub(crate) fn next_data(&self, offset: u64) -> u64 {
        if self.memory.is_some() { offset } else { self.source().next_data(offset).min(self.length) }
    }

    /// The page of this number, as far as it can be read.
    pub(crate) fn page(&self, number: u64) -> Rc<Page> {
        let now = self.clock.get() + 1;
        self.clock.set(now);
        let set = (number as usize % self.sets) * WAYS;
        let mut kept = self.kept.borrow_mut();
        if kept.is_empty() {
            let empty = Rc::new(Page { bytes: Vec::new(), gaps: Vec::new() });
            kept.extend((0..self.sets * WAYS).map(|_| Slot {
                number: u64::MAX,
                used: Cell::new(0),
                page: Rc::clone(&empty),
            }));
        }
        let ways = &mut kept[set..set + WAYS];
        if let Some(slot) = ways.iter().find(|slot| slot.number == number) {
            slot.used.set(now);
            return Rc::clone(&slot.page);
        }
        let page = Rc::new(self.read_page(number));
        if let Some(slot) = ways.iter_mut().min_by_key(|slot| slot.used.get()) {
            *slot = Slot { number, used: Cell::new(now), page: Rc::clone(&page) };
        }
        page
    }

    fn read_page(&self, number: u64) -> Page {
        let start = number.saturating_mul(PAGE as u64);
        let mut bytes = vec![0; self.length.saturating_sub(start).min(PAGE as u64) as usize];
        let gaps = fill(self.source(), start, &mut bytes);
        for (gap, error) in &gaps {
            self.fail(start + gap.start as u64, gap.len(), error);
        }
        Page { bytes, gaps: gaps.into_iter().map(|(gap, _)| gap).collect() }
    }

    /// Copies bytes from this offset on, as far as they can be read, and says how many.
    fn read(&self, offset: u64, buffer: &mut [u8]) -> usize {
        let mut done = 0;
        while let Some((page, range)) = self.piece(offset.saturating_add(done as u64), (buffer.len() - done) as u64) {
            let part = page.from(range.start, range.end);
            buffer[done..done + part.len()].copy_from_slice(part);
            done += part.len();
        }
        done
    }

    /// A page with the bytes from this offset on, as far as they lie together in it; `None` where there are none.
    fn piece(&self, offset: u64, length: u64) -> Option<(Rc<Page>, Range<usize>)> {
        if offset >= self.length || length == 0 {
            return None;
        }
        let page = self.page(offset / PAGE as u64);
        let start = (offset % PAGE as u64) as usize;
        let range = start..start + length.min(PAGE as u64) as usize;
        if page.from(range.start, range.end).is_empty() {
            self.failed.set(self.failed.get() + 1);
            return None;
        }
        Some((page, range))
    }

    /// As many bytes from this offset on, at most `length`, as can be read.
    pub fn prefix(&self, offset: u64, length: u64) -> Cow<'_, [u8]> {
        if let Some(bytes) = &self.memory {
            let start = usize::try_from(offset).unwrap_or(usize::MAX).min(bytes.len());
            let end = usize::try_from(offset.saturating_add(length)).unwrap_or(usize::MAX).min(bytes.len());
            return Cow::Borrowed(&bytes[start..end]);
        }
        let there = self.length.saturating_sub(offset).min(length);
        let mut bytes = vec![0; there as usize];
        let read = self.read(offset, &mut bytes);
        bytes.truncate(read);
        Cow::Owned(bytes)
    }

    /// The same up to the first zero byte, which is left out.
    pub(crate) fn text(&self, offset: u64, length: u64) -> Cow<'_, [u8]> {
        self.until(0, offset, length)
    }

    /// The same up to the first of this byte, which is left out.
    pub(crate) fn until(&self, byte: u8, offset: u64, length: u64) -> Cow<'_, [u8]> {
        if self.memory.is_some() {
            let Cow::Borrowed(bytes) = self.prefix(offset, length) else { return Cow::default() };
            return Cow::Borrowed(memchr::memchr(byte, bytes).map_or(bytes, |end| &bytes[..end]));
        }
        let mut found = Vec::new();
        loop {
            let done = found.len() as u64;
            let Some((page, range)) = self.piece(offset.saturating_add(done), length - done) else { break };
            let part = page.from(range.start, range.end);
            let end = memchr::memchr(byte, part);
            found.extend_from_slice(&part[..end.unwrap_or(part.len())]);
            if end.is_some() {
                break;
            }
        }
        Cow::Owned(found)
    }

    /// So many bytes at an offset, if they are all there.
    pub(crate) fn array<const N: usize>(&self, offset: u64) -> Option<[u8; N]> {
        if let Some(bytes) = &self.memory {
            return bytes.get(usize::try_from(offset).ok()?..)?.first_chunk().copied();
        }
        // Most of what is asked for lies within a page that is held.
        let (number, start) = (offset / PAGE as u64, (offset % PAGE as u64) as usize);
        let kept = self.kept.borrow();
        let set = (number as usize % self.sets) * WAYS;
        let held = kept.get(set..set + WAYS).and_then(|ways| ways.iter().find(|slot| slot.number == number));
        if let Some(slot) = held
            && let Some(bytes) = slot.page.from(start, start + N).first_chunk()
        {
            slot.used.set(self.clock.get());
            return Some(*bytes);
        }
        drop(kept);
        let mut bytes = [0; N];
        (self.read(offset, &mut bytes) == N).then_some(bytes)
    }

    /// A number of 16 bits at an offset, if the bytes are there.
    pub fn u16_at(&self, offset: u64) -> Option<u16> {
        self.array(offset).map(u16::from_le_bytes)
    }

    /// A number of 32 bits at an offset, if the bytes are there.
    pub fn u32_at(&self, offset: u64) -> Option<u32> {
        self.array(offset).map(u32::from_le_bytes)
    }

    /// A number of 64 bits at an offset, if the bytes are there.
    pub(crate) fn u64_at(&self, offset: u64) -> Option<u64> {
        self.array(offset).map(u64::from_le_bytes)
    }

    /// Hands all bytes over in order, each time with where they stand: those that are held at once, else piece by piece.
    ///
    /// # Errors
    /// When some of them cannot be read.
    pub(crate) fn each_piece(&self, mut take: impl FnMut(u64, &[u8])) -> io::Result<()> {
        if let Some(bytes) = &self.memory {
            take(0, bytes);
            return Ok(());
        }
        let mut buffer = vec![0; 16 * PAGE];
        let mut offset = 0;
        while offset < self.length {
            let wanted = (self.length - offset).min(buffer.len() as u64) as usize;
            let read = self.source().read_full_at(offset, &mut buffer[..wanted])?;
            take(offset, &buffer[..read]);
            if read < wanted {
                return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the bytes end there"));
            }
            offset += read as u64;
        }
        Ok(())
    }
}

/// Fills a buffer and gives the parts of it that could not be read.
fn fill(source: &dyn Bytes, offset: u64, buffer: &mut [u8]) -> Vec<(Range<usize>, io::Error)> {
    if source.read_full_at(offset, buffer).is_ok_and(|read| read == buffer.len()) {
        return Vec::new();
    }
    // One bad sector must not cost the good ones beside it.
    let mut gaps: Vec<(Range<usize>, io::Error)> = Vec::new();
    let mut start = 0;
    for sector in buffer.chunks_mut(SECTOR) {
        let end = start + sector.len();
        let (read, error) = match source.read_full_at(offset + start as u64, sector) {
            Ok(read) => (read, io::Error::new(io::ErrorKind::UnexpectedEof, "the bytes end there")),
            Err(error) => (0, error),
        };
        match gaps.last_mut().filter(|(gap, _)| gap.end == start && read == 0) {
            Some((gap, _)) => gap.end = end,
            None if start + read < end => gaps.push((start + read..end, error)),
            None => {}
        }
        start = end;
    }
    gaps
}
