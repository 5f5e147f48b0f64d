//! One state of a hive: before its logs are applied, or after.

use super::Note;
use crate::formats::pages::{PAGE, Page, Pages};
use std::borrow::Cow;
use std::ops::{Deref, Range};
use std::rc::Rc;

/// One state of a hive, to be read in any order.
pub(super) struct State<'a> {
    /// All of a small hive is held, with the base block of a cleanly closed one, so that the strict reader can read it.
    pub(super) pages: Pages<'a>,
    /// Offset of the root key's cell from the end of the base block.
    pub(super) root_cell: u32,
    /// Where the hive bins end in the file.
    pub(super) bins_end: u64,
    /// Minor version of the format, which decides whether long values are split.
    pub(super) minor_version: u32,
}

/// The base block of a state.
#[derive(Clone)]
pub(super) struct Block {
    pub(super) bytes: Vec<u8>,
    pub(super) minor_version: u32,
    /// Whether it has the signature of one.
    pub(super) has_base: bool,
}

/// Bytes that lie together in memory.
pub(super) enum Window<'h> {
    Borrowed(&'h [u8]),
    Page(Rc<Page>, Range<usize>),
}

impl Deref for Window<'_> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Window::Borrowed(bytes) => bytes,
            Window::Page(page, range) => page.from(range.start, range.end),
        }
    }
}

impl<'a> State<'a> {
    /// Holds all of it, with this base block.
    pub(super) fn hold(&mut self, block: &[u8]) {
        self.pages.hold();
        if let Some(bytes) = self.pages.memory_mut()
            && bytes.get(..block.len()).is_some_and(|stored| stored != block)
        {
            bytes.to_mut()[..block.len()].copy_from_slice(block);
        }
    }

    /// Length of the file in this state.
    pub(super) fn len(&self) -> u64 {
        self.pages.len()
    }

    /// The whole, where it lies in memory.
    pub(super) fn memory(&self) -> Option<&[u8]> {
        self.pages.memory()
    }

    /// How many bytes of pages are held.
    #[cfg(test)]
    pub(super) fn held(&self) -> usize {
        self.pages.held()
    }

    /// How often something was looked for where nothing could be read.
    pub(super) fn failed(&self) -> usize {
        self.pages.failed()
    }

    /// What could not be read so far, which is forgotten by this.
    pub(super) fn take_failures(&self) -> Vec<Note> {
        self.pages.take_failures()
    }

    /// As many bytes from this offset on, at most `length`, as are there.
    pub(super) fn prefix(&self, offset: u64, length: u64) -> Cow<'_, [u8]> {
        self.pages.prefix(offset, length)
    }

    pub(super) fn array<const N: usize>(&self, offset: u64) -> Option<[u8; N]> {
        self.pages.array(offset)
    }

    pub(super) fn u16_at(&self, offset: u64) -> Option<u16> {
        self.array(offset).map(u16::from_le_bytes)
    }

    pub(super) fn u32_at(&self, offset: u64) -> Option<u32> {
        self.array(offset).map(u32::from_le_bytes)
    }

    /// Where the next byte is, from this offset on, that need not be zero.
    pub(super) fn next_data(&self, offset: u64) -> u64 {
        self.pages.next_data(offset)
    }

    /// Bytes from `offset` on, at most up to `end`, as far as they lie together, and where to go on after them. What
    /// cannot be read and long stretches of zeros are passed over.
    pub(super) fn window(&self, offset: u64, end: u64) -> (u64, Window<'_>, u64) {
        if let Some(bytes) = self.pages.memory() {
            let range = offset as usize..(end as usize).min(bytes.len());
            return (offset, Window::Borrowed(bytes.get(range).unwrap_or_default()), end);
        }
        let page = PAGE as u64;
        // Only whole pages are passed over, so that places keep their distance of eight bytes.
        let data = self.pages.next_data(offset).min(end) / page * page;
        let offset = if data > offset { data + offset % 8 } else { offset };
        let found = self.pages.page(offset / page);
        let start = (offset % page) as usize;
        if let Some(gap_end) = found.gap_end(start) {
            return (offset, Window::Borrowed(&[]), offset + (gap_end - start) as u64);
        }
        let next = ((offset / page + 1) * page).min(end.max(offset));
        let range = start..start + (next - offset) as usize;
        let next = offset + found.from(range.start, range.end).len().max(1) as u64;
        (offset, Window::Page(found, range), next)
    }
}
