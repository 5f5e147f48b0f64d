//! The merged timeline: the events of every record in the order of time, in bounded memory.
//!
//! Records are encoded as they come and wait in one buffer. When it is full it is sorted and written to a
//! spill file as a *run*, while another buffer takes what comes next; at the end the runs are merged. The
//! order is total (time, item, place, content), so neither the number of threads nor the memory budget
//! changes a byte of the output.

mod codec;
mod order;
mod run;
mod seen;
mod shapes;
mod sorted;
mod view;

pub(crate) use codec::{FieldName, Place, RecordView, ValueView};
pub(crate) use seen::{Eye, Observer, Seen};
pub(crate) use shapes::{Names, Shape};
pub(crate) use sorted::Batch;
pub use sorted::Sorted;
pub(crate) use view::EventView;

#[cfg(test)]
mod tests;

use evidence::{Filetime, ItemId, Record};
use parking_lot::Mutex;
use run::{Buffer, Run};
use shapes::Shapes;
use std::cell::RefCell;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Why the timeline could not be merged. Problems of the evidence are never among these.
#[derive(Debug, thiserror::Error)]
pub enum MergeError {
    /// A spill file could not be written or read, mostly because the disk is full.
    #[error("cannot {doing} a spill file of the timeline in {}: {source}", folder.display())]
    Spill {
        /// `create`, `write` or `read`.
        doing: &'static str,
        /// Folder of the spill files.
        folder: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A spill file does not hold what was written to it.
    #[error("a spill file of the timeline in {} is damaged", folder.display())]
    Damaged {
        /// Folder of the spill files.
        folder: PathBuf,
    },
}

/// Smallest budget that works; less is raised to it.
const LEAST_BUDGET: usize = 1 << 20;

/// Runs that are merged into one before more files would be open than systems allow.
const RUNS_PER_LEVEL: usize = 32;

/// Takes records from any number of threads and gives their events in the order of time.
pub struct Merger {
    folder: PathBuf,
    shapes: Arc<Shapes>,
    /// Bytes of one of the two buffers.
    buffer_bytes: usize,
    filling: Mutex<Filling>,
    /// Held while a full buffer is written, so that there are never more than two buffers.
    spilling: Mutex<Spilling>,
}

struct Filling {
    buffer: Buffer,
    records: u64,
    failed: bool,
}

#[derive(Default)]
struct Spilling {
    /// Runs by level: one of the next level holds [`RUNS_PER_LEVEL`] of the level before.
    levels: Vec<Vec<Run>>,
    spare: Option<Buffer>,
    error: Option<MergeError>,
}

thread_local! {
    static SCRATCH: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// Longest scratch space that a thread keeps.
const SCRATCH_KEPT: usize = 64 << 10;

impl Merger {
    /// A merger that keeps its spill files in `folder` and uses about `budget` bytes of memory. The files
    /// have no name where the system allows it and vanish with the merger.
    pub fn new(folder: impl AsRef<Path>, budget: usize) -> Self {
        // A quarter is left for reading the runs and for the batches on their way to the writers.
        let buffer_bytes = budget.max(LEAST_BUDGET) / 8 * 3;
        Merger {
            folder: folder.as_ref().to_owned(),
            shapes: Arc::default(),
            buffer_bytes,
            filling: Mutex::new(Filling { buffer: Buffer::new(), records: 0, failed: false }),
            spilling: Mutex::default(),
        }
    }

    /// Adds a record of an item. When a spill file could not be written, everything that comes later is
    /// dropped and [`Merger::finish`] gives the error.
    pub fn add(&self, item: ItemId, record: &Record) {
        let times = record.moments.iter().filter_map(|moment| moment.when.sort_key());
        self.add_at(item, record, times);
    }

    /// The same at other times than those that the record stores.
    pub(crate) fn add_at(&self, item: ItemId, record: &Record, times: impl Iterator<Item = Filetime> + Clone) {
        SCRATCH.with_borrow_mut(|scratch| {
            scratch.clear();
            codec::encode(item, record, &self.shapes, scratch);
            self.push(times, scratch);
            if scratch.capacity() > SCRATCH_KEPT {
                *scratch = Vec::new();
            }
        });
    }

    /// How many records were added.
    pub fn records(&self) -> u64 {
        self.filling.lock().records
    }

    fn push(&self, times: impl Iterator<Item = Filetime> + Clone, encoded: &[u8]) {
        let times = || times.clone();
        {
            let mut filling = self.filling.lock();
            filling.records += 1;
            if filling.failed || filling.buffer.push(times(), encoded, self.buffer_bytes) {
                return;
            }
        }
        let mut spilling = self.spilling.lock();
        let mut filling = self.filling.lock();
        // Another thread may have emptied the buffer meanwhile.
        if filling.failed || filling.buffer.push(times(), encoded, self.buffer_bytes) {
            return;
        }
        let spare = spilling.spare.take().unwrap_or_else(Buffer::new);
        let mut full = std::mem::replace(&mut filling.buffer, spare);
        if !filling.buffer.push(times(), encoded, self.buffer_bytes) {
            // Larger than a whole buffer: it goes in alone, and out with the next record.
            filling.buffer.push(times(), encoded, usize::MAX);
        }
        drop(filling);
        match self.spill(&mut spilling, &mut full) {
            Ok(()) => {
                full.clear(self.buffer_bytes);
                spilling.spare = Some(full);
            }
            Err(error) => {
                spilling.error.get_or_insert(error);
                let mut filling = self.filling.lock();
                filling.failed = true;
                filling.buffer = Buffer::new();
            }
        }
    }

    /// Writes a buffer as a run, and merges the runs of a level when there are many.
    fn spill(&self, spilling: &mut Spilling, full: &mut Buffer) -> Result<(), MergeError> {
        full.sort(&self.shapes);
        let mut run = Run::write(&self.folder, full)?;
        for level in 0.. {
            if spilling.levels.len() == level {
                spilling.levels.push(Vec::new());
            }
            let runs = &mut spilling.levels[level];
            runs.push(run);
            if runs.len() < RUNS_PER_LEVEL {
                break;
            }
            run = Run::merge(&self.folder, std::mem::take(runs), &self.shapes)?;
        }
        Ok(())
    }

    /// Every event in the order of time, undated ones last.
    pub fn finish(self) -> Result<Sorted, MergeError> {
        let filling = self.filling.into_inner();
        let spilling = self.spilling.into_inner();
        if let Some(error) = spilling.error {
            return Err(error);
        }
        let mut buffer = filling.buffer;
        buffer.sort(&self.shapes);
        let runs = spilling.levels.into_iter().flatten().collect();
        Sorted::new(self.folder, buffer, runs, self.shapes)
    }
}
