//! A long object of a bundle that is inflated while it is read.
//!
//! Who reads it from front to back needs no copy of it: the last bytes are kept in memory, and that is all. Who reads back
//! and forth gets a temporary file, as only then nothing else helps.

use super::stored::Packed;
use super::verify::{Comparing, Expected};
use super::verifying::Verifying;
use crate::Error;
use crate::file_bytes::{FileBytes, within};
use crate::spill::{Spill, is_no_room};
use crate::zip::reader::Content;
use evidence::Bytes;
use parking_lot::Mutex;
use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;

/// Bytes behind the place that was inflated last that can be read again.
const HELD: usize = 1 << 20;
/// Bytes that are inflated at a time.
const PIECE: usize = 1 << 17;
/// Bytes that are passed over at most before it counts as reading back and forth. What is passed over has to be inflated too.
const PASSED_OVER: u64 = 8 << 20;
/// How often it is read from its beginning before that counts as reading back and forth.
const MOST_PASSES: u32 = 2;

/// Verifies an object while it is read.
pub(super) struct Watch {
    verifying: Arc<Verifying>,
    place: u64,
    expected: Expected,
}

impl Watch {
    /// The object that is listed at this place, and what its bytes have to give.
    pub(super) fn new(verifying: Arc<Verifying>, place: u64, expected: Expected) -> Self {
        Watch { verifying, place, expected }
    }

    fn begin(&self) -> Comparing<Expected> {
        Comparing::new(self.expected.clone(), &self.verifying.zeros)
    }
}

/// The first failure of a bundle of which no parser can know what it means.
#[derive(Clone, Default)]
pub(super) struct Failure(Arc<Mutex<Option<Error>>>);

impl Failure {
    /// Takes the failure.
    pub(super) fn take(&self) -> Option<Error> {
        self.0.lock().take()
    }

    /// The same for one object of the bundle at this path.
    pub(super) fn of(&self, path: &Path, item: &str) -> FailureOf {
        FailureOf { failure: self.clone(), path: path.into(), item: item.into() }
    }
}

/// Where the failure of one object goes.
pub(super) struct FailureOf {
    failure: Failure,
    path: Box<Path>,
    item: Box<str>,
}

/// The object from one place on.
struct Flow {
    content: Content<Arc<dyn Bytes>>,
    /// The last bytes, and where they begin.
    held: Vec<u8>,
    held_at: u64,
    comparing: Option<Comparing<Expected>>,
    passes: u32,
}

impl Flow {
    fn end(&self) -> u64 {
        self.held_at + self.held.len() as u64
    }
}

enum State {
    Flow(Box<Flow>),
    File(Arc<FileBytes>),
    Failed(io::ErrorKind, String),
}

/// The bytes of the object.
pub(super) struct Flowing {
    packed: Packed,
    length: u64,
    spill: Spill,
    watch: Option<Watch>,
    failure: FailureOf,
    state: Mutex<State>,
}

impl Flowing {
    /// Begins. What is wrong with the bytes is known at their end.
    pub(super) fn new(
        packed: Packed,
        length: u64,
        spill: &Spill,
        watch: Option<Watch>,
        failure: FailureOf,
    ) -> io::Result<Self> {
        let content = packed.content()?;
        let comparing = watch.as_ref().map(Watch::begin);
        let flow = Flow { content, held: Vec::new(), held_at: 0, comparing, passes: 1 };
        let state = Mutex::new(State::Flow(Box::new(flow)));
        Ok(Flowing { packed, length, spill: spill.clone(), watch, failure, state })
    }

    /// Inflates the next piece.
    fn advance(&self, flow: &mut Flow) -> io::Result<()> {
        if flow.held.len() >= 2 * HELD {
            let dropped = flow.held.len() - HELD;
            flow.held.drain(..dropped);
            flow.held_at += dropped as u64;
        }
        let (before, end) = (flow.held.len(), flow.end());
        flow.held.resize(before + PIECE, 0);
        let read = flow.content.read(&mut flow.held[before..]);
        flow.held.truncate(before + read.as_ref().map_or(0, |read| *read));
        let read = read?;
        if read == 0 {
            // The bundle's own table said how long it is, and the archive has as much.
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.compare(&mut flow.comparing, &flow.held[before..]);
        if end + read as u64 == self.length {
            // Whether all of it was right is known before its last bytes are given.
            if flow.content.read(&mut [0])? > 0 {
                return Err(io::Error::other("it is longer than objects.jsonl says"));
            }
            self.compared(flow.comparing.take())?;
        }
        Ok(())
    }

    fn compare(&self, comparing: &mut Option<Comparing<Expected>>, block: &[u8]) {
        if let (Some(comparing), Some(watch)) = (comparing, &self.watch) {
            // Longer blocks are hashed on two threads, and who waits for the other one begins with another object.
            block.chunks(1 << 16).for_each(|block| comparing.update(block, watch.verifying.cancel));
        }
    }

    /// All bytes were read.
    fn compared(&self, comparing: Option<Comparing<Expected>>) -> io::Result<()> {
        let (Some(comparing), Some(watch)) = (comparing, &self.watch) else { return Ok(()) };
        let checked = comparing.finish("objects.jsonl", watch.verifying.cancel);
        match checked.wrong.first() {
            Some(wrong) => Err(io::Error::new(io::ErrorKind::InvalidData, wrong.clone())),
            None if !checked.is_done() => Err(io::Error::other("it was not read to its end")),
            None => {
                watch.verifying.done(watch.place);
                Ok(())
            }
        }
    }

    /// All of it in a temporary file, verified on the way where that is not done.
    fn copied(&self) -> io::Result<FileBytes> {
        let comparing = self.watch.as_ref().filter(|watch| !watch.verifying.is_done(watch.place)).map(Watch::begin);
        let mut tapped = Tapped { content: self.packed.content()?, comparing, flowing: self };
        let file = self.spill.copy(&mut tapped)?;
        self.compared(tapped.comparing)?;
        Ok(file)
    }

    /// Goes on so that this offset can be read. What is behind it comes from a new pass, or from a file.
    fn go_to(&self, flow: &mut Flow, offset: u64) -> io::Result<Option<FileBytes>> {
        let is_back = offset < flow.held_at;
        let is_new_pass = is_back && offset < HELD as u64 && flow.passes < MOST_PASSES && flow.end() == self.length;
        if is_new_pass {
            flow.content = self.packed.content()?;
            (flow.held, flow.held_at) = (Vec::new(), 0);
            flow.passes += 1;
        } else if is_back || offset - flow.end().min(offset) > PASSED_OVER {
            return self.copied().map(Some);
        }
        while flow.end() <= offset {
            self.advance(flow)?;
        }
        Ok(None)
    }

    fn failed(&self, error: &io::Error) -> State {
        let FailureOf { failure, path, item } = &self.failure;
        let why = match is_no_room(error) {
            true => Error::write(self.spill.folder(), io::Error::new(error.kind(), error.to_string())),
            false => Error::DamagedBundle { path: path.to_path_buf(), item: item.to_string(), why: error.to_string() },
        };
        failure.0.lock().get_or_insert(why);
        State::Failed(error.kind(), error.to_string())
    }
}

impl Bytes for Flowing {
    fn len(&self) -> u64 {
        self.length
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let buffer = within(self.length, offset, buffer);
        if buffer.is_empty() {
            return Ok(0);
        }
        let mut state = self.state.lock();
        if let State::Flow(flow) = &mut *state
            && !(flow.held_at..flow.end()).contains(&offset)
        {
            match self.go_to(flow, offset) {
                Ok(None) => {}
                Ok(Some(file)) => *state = State::File(Arc::new(file)),
                Err(error) => *state = self.failed(&error),
            }
        }
        match &*state {
            State::Flow(flow) => flow.held.read_at(offset - flow.held_at, buffer),
            State::File(file) => {
                let file = file.clone();
                drop(state);
                file.read_at(offset, buffer)
            }
            State::Failed(kind, what) => Err(io::Error::new(*kind, what.clone())),
        }
    }
}

/// Compares what is copied through it.
struct Tapped<'a> {
    content: Content<Arc<dyn Bytes>>,
    comparing: Option<Comparing<Expected>>,
    flowing: &'a Flowing,
}

impl Read for Tapped<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.content.read(buffer)?;
        self.flowing.compare(&mut self.comparing, &buffer[..read]);
        Ok(read)
    }
}
