//! Bytes that are read in pages, of which few are kept: a hive of any length takes the same memory.

use super::Note;
use super::base_block::BASE_BLOCK_LENGTH;
use super::overlay::Overlay;
use evidence::{Bytes, ProblemKind};
use std::cell::{Cell, RefCell};
use std::io;
use std::ops::Range;
use std::rc::Rc;

/// Length of a page. It is a multiple of eight, so no signature of a cell lies across two.
pub(super) const PAGE: usize = 16 << 10;
const SETS: usize = 64;
const WAYS: usize = 4;
/// Most bytes of pages that are kept of one state of a hive.
pub(super) const KEPT: usize = SETS * WAYS * PAGE;
/// The unit that storage fails in.
const SECTOR: usize = 512;
/// Most places that could not be read which are listed.
const MAX_FAILURES: usize = 100;

/// A page as far as it could be read.
pub(super) struct Page {
    bytes: Vec<u8>,
    /// What could not be read, in order.
    gaps: Vec<Range<usize>>,
}

impl Page {
    /// The bytes from here to the next that could not be read, at most up to `end`.
    pub(super) fn from(&self, start: usize, end: usize) -> &[u8] {
        let end = self.gap_at_or_after(start).map_or(end, |gap| gap.start.min(end)).min(self.bytes.len());
        self.bytes.get(start..end.max(start)).unwrap_or_default()
    }

    /// Where the bytes go on that can be read, if none can here.
    pub(super) fn gap_end(&self, start: usize) -> Option<usize> {
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

/// A file in pages, with what its logs put in the place of some of its bytes.
pub(super) struct Pages<'a> {
    /// What it is, for notes.
    what: &'static str,
    source: &'a dyn Bytes,
    /// Length of what is read; more than the file has where the logs grow it.
    length: u64,
    logs: Vec<&'a dyn Bytes>,
    overlay: Overlay,
    kept: RefCell<Vec<Slot>>,
    clock: Cell<u64>,
    failures: RefCell<Failures>,
    /// How often something was looked for where nothing could be read.
    failed: Cell<usize>,
}

impl<'a> Pages<'a> {
    /// The first `length` bytes of a file.
    pub(super) fn new(what: &'static str, source: &'a dyn Bytes, length: u64) -> Self {
        Pages::with_logs(what, source, length, Vec::new(), Overlay::default())
    }

    /// The same with bytes of logs laid over. What lies behind the file and in no log is zero.
    pub(super) fn with_logs(
        what: &'static str,
        source: &'a dyn Bytes,
        length: u64,
        logs: Vec<&'a dyn Bytes>,
        overlay: Overlay,
    ) -> Self {
        Pages {
            what,
            source,
            length,
            logs,
            overlay,
            kept: RefCell::default(),
            clock: Cell::new(0),
            failures: RefCell::default(),
            failed: Cell::new(0),
        }
    }

    pub(super) fn len(&self) -> u64 {
        self.length
    }

    /// All bytes as one slice, where they already lie in memory so.
    pub(super) fn as_slice(&self) -> Option<&'a [u8]> {
        self.source.as_slice().filter(|bytes| self.overlay.is_empty() && bytes.len() as u64 == self.length)
    }

    /// Gives up the pages that are held.
    pub(super) fn release(&self) {
        self.kept.take();
    }

    /// How many bytes of pages are held.
    #[cfg(test)]
    pub(super) fn held(&self) -> usize {
        self.kept.borrow().iter().map(|slot| slot.page.bytes.capacity()).sum()
    }

    /// How often something was looked for where nothing could be read.
    pub(super) fn failed(&self) -> usize {
        self.failed.get()
    }

    /// What could not be read so far, which is forgotten by this.
    pub(super) fn take_failures(&self) -> Vec<Note> {
        let Failures { mut notes, unlisted } = std::mem::take(&mut *self.failures.borrow_mut());
        if unlisted > 0 {
            notes.push(Note::new(
                ProblemKind::LimitReached,
                format!("{} could not be read at {unlisted} more places", self.what),
                "it has more unreadable places than are shown",
            ));
        }
        notes
    }

    fn fail(&self, offset: u64, length: usize, error: &io::Error) {
        let note = Note::new(
            ProblemKind::ReadFailed,
            format!("{length} bytes of {} at {offset:#x} could not be read: {error}", self.what),
            "what stands there is missing from what is read of the hive",
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
    pub(super) fn next_data(&self, offset: u64) -> u64 {
        let base = BASE_BLOCK_LENGTH as u64;
        let from = u32::try_from(offset.saturating_sub(base)).unwrap_or(u32::MAX);
        let of_logs = self.overlay.next(from).map_or(u64::MAX, |to| (u64::from(to) + base).max(offset));
        self.source.next_data(offset).min(of_logs).min(self.length)
    }

    /// The page of this number, as far as it can be read.
    pub(super) fn page(&self, number: u64) -> Rc<Page> {
        let now = self.clock.get() + 1;
        self.clock.set(now);
        let set = (number as usize % SETS) * WAYS;
        let mut kept = self.kept.borrow_mut();
        if kept.is_empty() {
            let empty = Rc::new(Page { bytes: Vec::new(), gaps: Vec::new() });
            kept.extend((0..SETS * WAYS).map(|_| Slot {
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
        let length = self.length.saturating_sub(start).min(PAGE as u64) as usize;
        let mut bytes = vec![0; length];
        let in_file = self.source.len().saturating_sub(start).min(length as u64) as usize;
        let mut gaps = fill(self.source, start, &mut bytes[..in_file]);
        let base = BASE_BLOCK_LENGTH as u64;
        let from_base = |offset: u64| u32::try_from(offset.saturating_sub(base)).unwrap_or(u32::MAX);
        for (to, piece) in self.overlay.within(from_base(start)..from_base(start + length as u64)) {
            let at = (u64::from(to) + base - start) as usize;
            let range = at..at + piece.length as usize;
            let (Some(log), Some(target)) = (self.logs.get(usize::from(piece.log)), bytes.get_mut(range)) else {
                continue;
            };
            // The log says what stands there, so bytes of the file are not left in the place of its own.
            let of_log = fill(*log, u64::from(piece.from), target);
            gaps.extend(of_log.into_iter().map(|(gap, error)| (gap.start + at..gap.end + at, error)));
        }
        for (gap, error) in &gaps {
            self.fail(start + gap.start as u64, gap.len(), error);
        }
        let mut gaps: Vec<Range<usize>> = gaps.into_iter().map(|(gap, _)| gap).collect();
        gaps.sort_by_key(|gap| gap.start);
        Page { bytes, gaps }
    }

    /// Copies bytes from this offset on, as far as they can be read, and says how many.
    pub(super) fn read(&self, offset: u64, buffer: &mut [u8]) -> usize {
        let mut done = 0;
        while done < buffer.len() {
            let at = offset + done as u64;
            if at >= self.length {
                break;
            }
            let page = self.page(at / PAGE as u64);
            let start = (at % PAGE as u64) as usize;
            let part = page.from(start, start + (buffer.len() - done));
            if part.is_empty() {
                self.failed.set(self.failed.get() + 1);
                break;
            }
            buffer[done..done + part.len()].copy_from_slice(part);
            done += part.len();
        }
        done
    }

    /// As many bytes from this offset on, at most `length`, as can be read.
    pub(super) fn prefix(&self, offset: u64, length: u64) -> Vec<u8> {
        let there = self.length.saturating_sub(offset).min(length);
        let mut bytes = vec![0; there as usize];
        let read = self.read(offset, &mut bytes);
        bytes.truncate(read);
        bytes
    }

    /// So many bytes at an offset, if they are all there.
    pub(super) fn array<const N: usize>(&self, offset: u64) -> Option<[u8; N]> {
        // Most of what is asked for lies within a page that is held.
        let (number, start) = (offset / PAGE as u64, (offset % PAGE as u64) as usize);
        let kept = self.kept.borrow();
        let set = (number as usize % SETS) * WAYS;
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

    pub(super) fn u32_at(&self, offset: u64) -> Option<u32> {
        self.array(offset).map(u32::from_le_bytes)
    }

    pub(super) fn u64_at(&self, offset: u64) -> Option<u64> {
        self.array(offset).map(u64::from_le_bytes)
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
