//! An object that is looked at for what it names while it is being acquired.
//!
//! Who looks drives: what is asked for is acquired first, and the last blocks of it are kept in memory. So an object is not
//! opened, unpacked or decrypted a second time for its leads, and nothing has to wait for anything. What lies further back is
//! read from the source again.

use super::acquire::{Acquiring, Outcome, Take, ranges_to_store};
use crate::file_bytes::within;
use crate::source::Content;
use evidence::{Bytes, StoredRange};
use parking_lot::Mutex;
use std::collections::VecDeque;
use std::io;
use std::ops::Range;
use std::sync::{Arc, OnceLock};

/// The bytes of an object on its way into the bundle.
pub(crate) struct Seen<'a, T> {
    content: &'a dyn Content,
    stored_ranges: Vec<StoredRange>,
    /// Bytes that are kept.
    most: usize,
    state: Mutex<State<'a, T>>,
    /// The first error of reading something again.
    failed: OnceLock<String>,
}

struct State<'a, T> {
    acquiring: Acquiring<'a, T>,
    /// The last blocks, and where they lie.
    blocks: VecDeque<(u64, Arc<Vec<u8>>)>,
    kept: usize,
    /// Where the next block begins, or a hole before it.
    next: u64,
    /// There is nothing more to be acquired.
    is_done: bool,
    /// What kept it from being written.
    error: Option<io::Error>,
    /// A block is on its way.
    is_busy: bool,
}

impl<T: Take> State<'_, T> {
    /// Acquires one more block.
    fn step(&mut self, most: usize) {
        self.is_busy = true;
        match self.acquiring.step() {
            Ok(Some((offset, block))) => {
                self.next = offset.saturating_add(block.len() as u64);
                self.kept += block.len();
                self.blocks.push_back((offset, block));
                while self.kept > most
                    && self.blocks.len() > 1
                    && let Some((_, block)) = self.blocks.pop_front()
                {
                    self.kept -= block.len();
                }
            }
            Ok(None) => self.is_done = true,
            Err(error) => (self.error, self.is_done) = (Some(error), true),
        }
        self.is_busy = false;
    }

    fn block(&self, offset: u64) -> Option<&[u8]> {
        let (start, block) =
            self.blocks.iter().rev().find(|(start, block)| *start <= offset && offset - start < block.len() as u64)?;
        block.get(usize::try_from(offset - start).ok()?..)
    }
}

impl<'a, T: Take> Seen<'a, T> {
    /// An object of which nothing is acquired but its first block, and of which so many bytes are kept in memory.
    pub(crate) fn new(content: &'a dyn Content, acquiring: Acquiring<'a, T>, most: usize) -> Self {
        let state =
            State { acquiring, blocks: VecDeque::new(), kept: 0, next: 0, is_done: false, error: None, is_busy: false };
        let stored_ranges = ranges_to_store(content);
        Seen { content, stored_ranges, most, state: Mutex::new(state), failed: OnceLock::new() }
    }

    /// That something of it could not be read again, though it could when it was acquired.
    pub(crate) fn failed(&self) -> Option<&str> {
        self.failed.get().map(String::as_str)
    }

    /// Acquires what is left. An error is one of writing.
    pub(crate) fn finish(self) -> io::Result<(Outcome, T)> {
        let State { acquiring, error, is_busy, .. } = self.state.into_inner();
        // Whoever looked at it may have given up in the middle of a block, and only then.
        assert!(!is_busy, "an object was left in the middle of a block");
        match error {
            Some(error) => Err(error),
            None => acquiring.finish(),
        }
    }
}

/// Reads bytes again of which some could not be read before: these are zeros, as in the bundle, and not tried again.
pub(super) fn read_again(
    bytes: &dyn Bytes,
    unreadable: &[Range<u64>],
    offset: u64,
    mut buffer: &mut [u8],
) -> io::Result<usize> {
    if let Some(range) = unreadable.iter().find(|range| offset < range.end) {
        let is_bad = range.start <= offset;
        let end = if is_bad { range.end } else { range.start };
        let most = usize::try_from(end - offset).unwrap_or(usize::MAX).min(buffer.len());
        buffer = &mut buffer[..most];
        if is_bad {
            buffer.fill(0);
            return Ok(most);
        }
    }
    bytes.read_at(offset, buffer)
}

impl<T: Take> Bytes for Seen<'_, T> {
    fn len(&self) -> u64 {
        self.content.len()
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let buffer = within(self.len(), offset, buffer);
        if buffer.is_empty() {
            return Ok(0);
        }
        let mut state = self.state.lock();
        loop {
            if let Some(block) = state.block(offset) {
                let count = block.len().min(buffer.len());
                buffer[..count].copy_from_slice(&block[..count]);
                return Ok(count);
            }
            if offset < state.next || state.is_done {
                break;
            }
            state.step(self.most);
        }
        if offset >= state.next && (state.error.is_some() || state.acquiring.is_interrupted()) {
            return Err(io::Error::other("it was not acquired so far"));
        }
        let unreadable = state.acquiring.unreadable().to_vec();
        drop(state);
        read_again(self.content, &unreadable, offset, buffer).inspect_err(|error| {
            if error.kind() != io::ErrorKind::Interrupted {
                self.failed.get_or_init(|| error.to_string());
            }
        })
    }

    fn next_data(&self, offset: u64) -> u64 {
        StoredRange::next_data(&self.stored_ranges, self.len(), offset)
    }
}
