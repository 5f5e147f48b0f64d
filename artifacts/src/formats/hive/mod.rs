//! Registry hives: what a hive file and its transaction logs hold, before and after the logs are applied.
//!
//! A hive is read in place, cell by cell, through [`evidence::Bytes`] (`cells` over `state`), so that the longest hive
//! takes no more memory than a short one. Evidence is often both dirty and damaged:
//!
//! * The logs are laid over the hive: it is noted where in them each changed page is ([`HiveFile::apply_logs`]), and
//!   nothing is copied. The hive can be read before and after.
//! * What is readable of a damaged structure is given, and each such place is a [`Note`]. Free cells are read as well,
//!   because that is where deleted keys are (`deleted`).
//!
//! Hives of at most [`SMALL_HIVE`] bytes are held in memory and read by the crate `nt-hive`, which knows what Windows
//! accepts. It is strict: it refuses a hive that was not cleanly closed, stops at the first damaged entry of a list, and
//! stops the program on two kinds of damage. So the base block of our copy is made that of a cleanly closed hive, times
//! and offsets are read from the nodes that it finds, and what it cannot give is read from the cells as in longer hives.
//!
//! Reference: M. Suhanov, *Windows registry file format specification*,
//! <https://github.com/msuhanov/regf>.

mod base_block;
mod cells;
mod damage;
mod deleted;
#[cfg(test)]
mod in_place_tests;
mod logs;
#[cfg(test)]
mod long_hive;
mod marvin32;
mod overlay;
mod reader;
mod root;
mod state;
#[cfg(test)]
mod tests;
mod value;
#[cfg(test)]
pub(crate) mod writer;

pub use super::note::Note;
pub use base_block::{BaseBlock, FileType};
pub use cells::Name;
pub use deleted::{DeletedKey, DeletedValue, Recovered};
pub use reader::{Key, Reader, Subkeys, Values};
pub use value::{Data, MAX_DATA, Value};

use super::pages::{KEPT, Pages, What};
use base_block::{BASE_BLOCK_LENGTH, CHECKED_LENGTH};
use cells::Cells;
use evidence::{Bytes, ProblemKind};
use overlay::{MOST_PLACES, Overlaid};
use state::{Block, State};

/// Longest hive that is held in memory and read by the strict reader.
pub const SMALL_HIVE: u64 = 8 << 20;
/// Most memory that an opened hive takes in bytes, whatever its length: both its states in pages or, where it is small,
/// as a whole; the places of its logs' pages; and the places of deleted keys and values while a vector of them grows.
pub const MEMORY: u64 = {
    let state = if KEPT > SMALL_HIVE { KEPT } else { SMALL_HIVE };
    2 * state + 32 * MOST_PLACES as u64 + deleted::MEMORY
};
/// Where the format ends: the offset of a cell has 32 bits.
const MAX_HIVE: u64 = (1 << 32) + BASE_BLOCK_LENGTH as u64;
const HIVE: What = What { name: "the hive", cost: "what was there is missing from what is read of the hive" };
/// Longest log that is read.
const MAX_LOG: u64 = u32::MAX as u64;

/// A hive file with what its logs would change.
pub struct HiveFile<'a> {
    hive: &'a dyn Bytes,
    logs: Vec<&'a dyn Bytes>,
    base: Option<BaseBlock>,
    block: Block,
    /// Longest hive that is held in memory.
    small: u64,
    plan: Option<logs::Plan>,
    /// The hive as stored.
    before: State<'a>,
    /// The hive with its logs applied, once they are.
    after: Option<State<'a>>,
}

impl<'a> HiveFile<'a> {
    /// Opens a hive and its logs, in any order. `None` when there is nothing that could be read; the notes say why. A
    /// dirty or damaged hive is not refused.
    pub fn load(hive: &'a dyn Bytes, logs: &[&'a dyn Bytes], notes: &mut Vec<Note>) -> Option<HiveFile<'a>> {
        HiveFile::open(hive, logs, SMALL_HIVE, notes)
    }

    /// The same without holding short hives in memory, so that `nt-hive` has no part in it. Both ways give the same.
    pub fn load_in_place(hive: &'a dyn Bytes, logs: &[&'a dyn Bytes], notes: &mut Vec<Note>) -> Option<HiveFile<'a>> {
        HiveFile::open(hive, logs, 0, notes)
    }

    fn open(hive: &'a dyn Bytes, logs: &[&'a dyn Bytes], small: u64, notes: &mut Vec<Note>) -> Option<HiveFile<'a>> {
        if hive.len() > MAX_HIVE {
            notes.push(Note::new(
                ProblemKind::LimitReached,
                format!("the hive is {} bytes long; at most {MAX_HIVE} are read", hive.len()),
                "no cell can lie behind; what is there was not looked at",
            ));
        }
        let pages = Pages::new(HIVE, hive, hive.len().min(MAX_HIVE), KEPT);
        let block = pages.prefix(0, BASE_BLOCK_LENGTH as u64).into_owned();
        if pages.failed() > 0 {
            let failures = pages.take_failures();
            notes.extend(failures.into_iter().map(|note| Note { effect: "nothing was read from it", ..note }));
            return None;
        }
        let base = base_block(&block, notes)?;
        let logs: Vec<&'a dyn Bytes> = logs.iter().copied().filter(|log| is_short_enough(*log, notes)).collect();
        let before = notes.len();
        let plan = logs::plan(&pages, base.as_ref(), &logs, notes);
        // Whatever is said of a log means that changes may be missing.
        let all_applied = notes.len() == before;
        if let Some(base) = &base {
            if base.is_dirty() {
                notes.push(dirty_note(base, plan.as_ref(), logs.len(), all_applied));
            }
            cut_note(base, pages.len(), plan.as_ref(), notes);
        }
        let minor_version = base.as_ref().map_or(5, |base| base.minor_version);
        let block = Block { bytes: block, minor_version, has_base: base.is_some() };
        let before = State::new(pages, &block, small, notes);
        Some(HiveFile { hive, logs, base, block, small, plan, before, after: None })
    }

    /// The base block as stored in the file, `None` when it has no signature.
    pub fn base_block(&self) -> Option<&BaseBlock> {
        self.base.as_ref()
    }

    /// Whether there are changes in the logs that were not applied yet.
    pub fn has_pending_logs(&self) -> bool {
        self.plan.is_some()
    }

    /// Applies what the logs hold. Afterwards [`HiveFile::reader`] gives the later state.
    pub fn apply_logs(&mut self, notes: &mut Vec<Note>) {
        let Some(plan) = self.plan.take() else { return };
        let mut block = self.block.clone();
        let of_log = plan.base_block_from.and_then(|index| self.logs.get(index)).and_then(|log| {
            let mut head = [0; CHECKED_LENGTH];
            (log.read_full_at(0, &mut head).ok()? == CHECKED_LENGTH).then_some(head)
        });
        if let Some(head) = of_log {
            block.bytes[..CHECKED_LENGTH].copy_from_slice(&head);
            block.minor_version = BaseBlock::fields(&head).minor_version;
        }
        if let Some(length) = plan.bins_length.and_then(|length| u32::try_from(length).ok()) {
            block.bytes[40..44].copy_from_slice(&length.to_le_bytes());
        }
        let logs = std::mem::take(&mut self.logs);
        let later = Overlaid { file: self.hive, length: plan.length, logs, overlay: plan.overlay };
        let pages = Pages::owning(HIVE, Box::new(later), KEPT);
        self.after = Some(State::new(pages, &block, self.small, notes));
    }

    fn state(&self) -> &State<'a> {
        self.after.as_ref().unwrap_or(&self.before)
    }

    /// A reader of the present state.
    pub fn reader(&self) -> Reader<'_> {
        Reader::new(Cells { state: self.state() })
    }

    /// A reader of the hive as stored, where logs were applied to it.
    pub fn reader_before_logs(&self) -> Option<Reader<'_>> {
        self.after.as_ref().map(|_| Reader::new(Cells { state: &self.before }))
    }

    /// What could not be read so far of both states and was not told by a reader of them.
    pub fn take_failures(&self) -> Vec<Note> {
        let mut failures = self.state().take_failures();
        for failure in self.before.take_failures() {
            if !failures.contains(&failure) {
                failures.push(failure);
            }
        }
        failures
    }

    /// Keys and values that were deleted but whose bytes are still there, in the order of their offsets.
    pub fn recovered(&self) -> Recovered<'_> {
        deleted::sweep(Cells { state: self.state() })
    }
}

/// The base block of a file that may be a hive. The inner `None` is one without a signature, the outer one a file of
/// which nothing can be read.
fn base_block(block: &[u8], notes: &mut Vec<Note>) -> Option<Option<BaseBlock>> {
    let base = BaseBlock::parse(block);
    match &base {
        None if block.len() >= BASE_BLOCK_LENGTH => notes.push(Note::new(
            ProblemKind::BadSignature {
                offset: 0,
                expected: "regf".to_owned(),
                actual: block[..4].escape_ascii().to_string(),
            },
            "the base block has no signature",
            "the hive was read without it; what is found may not be a registry hive",
        )),
        Some(base) if matches!(base.file_type, FileType::OldLog | FileType::NewLog) => {
            notes.push(Note::new(
                ProblemKind::UnsupportedVersion { found: "a transaction log".to_owned() },
                "the file is a transaction log, not a hive",
                "nothing was read from it by itself",
            ));
            return None;
        }
        _ => {}
    }
    if block.len() < BASE_BLOCK_LENGTH {
        notes.push(Note::new(
            ProblemKind::Truncated { offset: 0, expected: BASE_BLOCK_LENGTH as u64, actual: block.len() as u64 },
            "the file is shorter than the base block of a hive",
            "nothing could be read from this hive",
        ));
        return None;
    }
    Some(base)
}

fn is_short_enough(log: &dyn Bytes, notes: &mut Vec<Note>) -> bool {
    let is_short = log.len() <= MAX_LOG;
    if !is_short {
        notes.push(Note::new(
            ProblemKind::LimitReached,
            format!("a transaction log is {} bytes long; at most {MAX_LOG} are read", log.len()),
            "nothing was read from it",
        ));
    }
    is_short
}

/// Tells of a hive that has less than its base block says. What the logs bring of it is there.
fn cut_note(base: &BaseBlock, length: u64, plan: Option<&logs::Plan>, notes: &mut Vec<Note>) {
    let claimed = BASE_BLOCK_LENGTH as u64 + u64::from(base.bins_length);
    // The length is one of the things that a torn block may have wrong.
    if !base.checksum_valid || claimed <= length {
        return;
    }
    let from_base = |offset: u64| u32::try_from(offset - BASE_BLOCK_LENGTH as u64).unwrap_or(u32::MAX);
    let brought = plan.map_or(0, |plan| {
        let pieces = plan.overlay.within(from_base(length)..from_base(claimed));
        pieces.map(|(_, piece)| u64::from(piece.length)).sum()
    });
    let missing = claimed - length - brought;
    if missing > 0 {
        notes.push(Note::new(
            ProblemKind::Truncated { offset: length, expected: claimed, actual: length },
            format!(
                "the hive is cut off: its base block says that it is {claimed} bytes long, and {missing} bytes of that \
                 are missing at its end"
            ),
            "keys and values in the missing part are not found; that something is not in this hive proves nothing",
        ));
    }
}

/// A hive that was not cleanly closed, as those of a running Windows are. It costs nothing where every log that Windows
/// keeps of it is there and was applied to its end.
fn dirty_note(base: &BaseBlock, plan: Option<&logs::Plan>, logs: usize, all_applied: bool) -> Note {
    let how = if base.checksum_valid {
        format!("sequence numbers {} and {} differ", base.primary_sequence, base.secondary_sequence)
    } else {
        "the checksum of its base block is wrong".to_owned()
    };
    let applied = |plan: &logs::Plan| {
        let entries = if plan.entries == 1 { "entry was" } else { "entries were" };
        format!("the hive was not cleanly closed ({how}); {} log {entries} applied", plan.entries)
    };
    let (what, effect) = match plan {
        // Entries of the new generation go on in the other file.
        Some(plan) if plan.is_of_two && logs < 2 => (
            format!("{}, and the other of its two logs is not there", applied(plan)),
            "the newest changes may be missing",
        ),
        Some(plan) => {
            let effect = "records say whether they are in the hive as stored, only in its logs, or both";
            let note = Note::new(ProblemKind::Dirty, applied(plan), effect);
            return Note { costs_nothing: all_applied, ..note };
        }
        None if logs == 0 => (
            format!("the hive was not cleanly closed ({how}) and its transaction logs are not there"),
            "the newest changes may be missing",
        ),
        None => (
            format!("the hive was not cleanly closed ({how}) and its transaction logs hold nothing applicable"),
            "the newest changes may be missing",
        ),
    };
    Note::new(ProblemKind::Dirty, what, effect)
}
