//! Room on the destination that is kept back for the seal.
//!
//! A limit on what is written would not do: other programs write to the same medium, and how much is free is not known
//! on every system. So the room is taken: a nameless file beside the bundle, really written, which is cut to nothing when
//! the medium is full. Its bytes look random, because some file systems store runs of equal bytes in no room at all.

use crate::zip::writer::Output;
use std::io::{self, SeekFrom};

/// What is kept back at first, and always beyond the need: the seal of an empty bag, and whole blocks of the file system.
const LEAST: u64 = 128 << 10;
/// In such steps it grows.
const STEP: u64 = 4 << 10;

/// What the seal will take, as it is known so far.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Need {
    /// Bytes of text that the seal writes and compresses: lines of objects, actions, problems, manifests.
    pub(crate) text: u64,
    /// Bytes of the directory, which is not compressed.
    pub(crate) directory: u64,
    /// Bytes of temporary files in which it sorts.
    pub(crate) sorted: u64,
    /// Bytes that are to be written before anything else, the volatile state of a live host.
    pub(crate) first: u64,
}

impl Need {
    /// Bytes on the medium. Half of the text is hexadecimal digests, which compress to a little more than half; names,
    /// times and the members of JSON compress better.
    fn bytes(self) -> u64 {
        [self.directory, self.sorted, self.first, LEAST].into_iter().fold(self.text / 8 * 5, u64::saturating_add)
    }
}

/// The room that is kept back.
pub(crate) struct Reserve {
    output: Box<dyn Output>,
    held: u64,
    state: u64,
}

impl Reserve {
    /// Nothing is kept back yet.
    pub(crate) fn new(output: Box<dyn Output>) -> Self {
        Reserve { output, held: 0, state: 0x9E37_79B9_7F4A_7C15 }
    }

    /// Keeps back what is needed. An error means that there is not so much room; what was kept before still is.
    pub(crate) fn keep(&mut self, need: Need) -> io::Result<()> {
        let need = need.bytes();
        if need <= self.held {
            return Ok(());
        }
        let mut end = self.held;
        self.output.seek(SeekFrom::Start(end))?;
        while end < need {
            let block = self.block();
            if let Err(error) = self.output.write_all(&block) {
                self.output.cut(self.held)?;
                return Err(error);
            }
            end += STEP;
        }
        self.held = end;
        Ok(())
    }

    /// How much room the medium has beside what is kept back, up to so many bytes: tried, and given back.
    pub(crate) fn room(&mut self, most: u64) -> io::Result<u64> {
        self.output.seek(SeekFrom::Start(self.held))?;
        let mut room = 0;
        while room < most {
            let block = self.block();
            if self.output.write_all(&block).is_err() {
                break;
            }
            room += STEP;
        }
        self.output.cut(self.held)?;
        Ok(room)
    }

    /// Some systems promise room when a file is written and refuse it when it is written through.
    pub(crate) fn sync(&mut self) -> io::Result<()> {
        self.output.sync()
    }

    /// Gives back what is not needed any more.
    pub(crate) fn shrink(&mut self, need: Need) -> io::Result<()> {
        let need = need.bytes().div_ceil(STEP) * STEP;
        if need < self.held {
            self.output.cut(need)?;
            self.held = need;
        }
        Ok(())
    }

    /// Gives all of it back.
    pub(crate) fn release(&mut self) -> io::Result<()> {
        self.held = 0;
        self.output.cut(0)?;
        // Where room becomes free only with what is written through, the seal must not come too early. That a medium
        // refuses this says nothing about the room.
        let _ = self.output.sync();
        Ok(())
    }

    fn block(&mut self) -> Vec<u8> {
        let mut block = Vec::with_capacity(STEP as usize);
        while (block.len() as u64) < STEP {
            self.state ^= self.state << 13;
            self.state ^= self.state >> 7;
            self.state ^= self.state << 17;
            block.extend(self.state.to_le_bytes());
        }
        block
    }
}
