//! Registry hives: what a hive file and its transaction logs hold, before and after the logs are applied.
//!
//! The reader is the crate `nt-hive`. It is strict: it refuses a hive that was not cleanly closed, stops at the
//! first damaged entry of a list, and stops the program on two kinds of damage. Evidence is often both dirty
//! and damaged, so three things are done around it.
//!
//! * The logs are applied in memory first ([`HiveFile::apply_logs`]) and the base block of our copy is made
//!   that of a cleanly closed hive. The hive can be read before and after.
//! * `nt-hive` does not tell times and offsets; they are read from the key nodes that it finds.
//! * Where a list is damaged, the entries that `nt-hive` cannot give are read by a lenient reader of cells
//!   (`cells`), which is also what reads free cells for [`deleted`]. Each such place is a [`Note`].
//!
//! Reference: M. Suhanov, *Windows registry file format specification*,
//! <https://github.com/msuhanov/regf>.

mod base_block;
mod bytes_at;
mod cells;
mod deleted;
mod logs;
mod marvin32;
mod reader;
#[cfg(test)]
mod tests;
#[cfg(test)]
pub(crate) mod writer;

pub use base_block::{BaseBlock, FileType};
pub use cells::Name;
pub use deleted::{DeletedKey, DeletedValue, Recovered};
pub use reader::{Data, Key, Reader, Value};

use base_block::{BASE_BLOCK_LENGTH, CHECKED_LENGTH};
use cells::{Cells, KeyNode};
use evidence::{Bytes, Locator, ProblemKind, Sink};
use std::borrow::Cow;

/// Largest hive that is read. The format ends at 4 GiB, Windows' own hives stay far below this.
const MAX_HIVE: u64 = 1 << 30;
/// Largest log that is read.
const MAX_LOG: u64 = 1 << 28;

/// Something about a hive that a reader of the report should know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// What kind of problem.
    pub kind: ProblemKind,
    /// Byte offset in the hive file, where there is one.
    pub offset: Option<u64>,
    /// What is wrong, in a sentence.
    pub what: String,
    /// What it costs, in a sentence.
    pub effect: &'static str,
}

impl Note {
    fn new(kind: ProblemKind, what: impl Into<String>, effect: &'static str) -> Self {
        Note { kind, offset: None, what: what.into(), effect }
    }

    fn at(mut self, offset: usize) -> Self {
        self.offset = Some(offset as u64);
        self
    }

    /// Hands it over as a problem of the item being parsed.
    pub fn report(self, sink: &mut Sink<'_>) {
        let locator = self.offset.map(|offset| Locator::ByteRange { offset, length: 4 });
        sink.problem(self.kind, locator, self.what, self.effect);
    }
}

/// A hive file in memory, with what its logs would change.
pub struct HiveFile<'a> {
    bytes: Cow<'a, [u8]>,
    base: Option<BaseBlock>,
    minor_version: u32,
    logs: Vec<Cow<'a, [u8]>>,
    plan: Option<logs::Plan>,
}

impl<'a> HiveFile<'a> {
    /// Reads a hive and its logs, in any order, into memory. `None` when there is nothing that could be read;
    /// the notes say why. A dirty or damaged hive is not refused.
    pub fn load(bytes: &'a dyn Bytes, logs: &[&'a dyn Bytes], notes: &mut Vec<Note>) -> Option<HiveFile<'a>> {
        let bytes = load(bytes, MAX_HIVE, "the hive", notes)?;
        let logs: Vec<_> = logs.iter().filter_map(|log| load(*log, MAX_LOG, "a transaction log", notes)).collect();
        let base = BaseBlock::parse(&bytes);
        match &base {
            None if bytes.len() >= BASE_BLOCK_LENGTH => notes.push(Note::new(
                ProblemKind::BadSignature {
                    offset: 0,
                    expected: "regf".to_owned(),
                    actual: bytes[..4].escape_ascii().to_string(),
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
        if bytes.len() < BASE_BLOCK_LENGTH {
            notes.push(Note::new(
                ProblemKind::Truncated { offset: 0, expected: BASE_BLOCK_LENGTH as u64, actual: bytes.len() as u64 },
                "the file is shorter than the base block of a hive",
                "nothing could be read from this hive",
            ));
            return None;
        }
        let slices: Vec<&[u8]> = logs.iter().map(AsRef::as_ref).collect();
        let plan = logs::plan(&bytes, base.as_ref(), &slices, notes);
        if let Some(base) = &base
            && base.is_dirty()
        {
            dirty_note(base, plan.as_ref(), logs.is_empty(), notes);
        }
        let minor_version = base.as_ref().map_or(5, |base| base.minor_version);
        let mut hive = HiveFile { bytes, base, minor_version, logs, plan };
        hive.make_clean(notes);
        Some(hive)
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
        let slices: Vec<&[u8]> = self.logs.iter().map(AsRef::as_ref).collect();
        let bytes = self.bytes.to_mut();
        if let Some(log) = plan.base_block_from.and_then(|index| slices.get(index))
            && let Some(block) = log.get(..CHECKED_LENGTH)
        {
            bytes[..CHECKED_LENGTH].copy_from_slice(block);
            self.minor_version = BaseBlock::fields(block).minor_version;
        }
        plan.apply(bytes, &slices);
        if let Some(length) = plan.bins_length.and_then(|length| u32::try_from(length).ok()) {
            bytes[40..44].copy_from_slice(&length.to_le_bytes());
        }
        self.logs.clear();
        self.make_clean(notes);
    }

    /// The bytes of the present state, with the base block of a cleanly closed hive.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// A reader of the present state.
    pub fn reader(&self) -> Reader<'_> {
        Reader::new(self.cells())
    }

    /// Keys and values that were deleted but whose bytes are still there, in the order of their offsets.
    pub fn recovered(&self) -> Recovered<'_> {
        deleted::sweep(self.cells())
    }

    fn cells(&self) -> Cells<'_> {
        Cells { bytes: &self.bytes, minor_version: self.minor_version }
    }

    /// Gives our copy the base block of a cleanly closed hive, and finds the root key where the stored offset
    /// does not lead to one. A hive that needs neither is not copied.
    fn make_clean(&mut self, notes: &mut Vec<Note>) {
        let block = BaseBlock::fields(&self.bytes);
        let cells = self.cells();
        let mut root = block.root_cell;
        if cells.key_node(root).is_none() {
            let found = find_root(cells);
            notes.push(
                Note::new(
                    ProblemKind::Inconsistent {
                        a: format!("the base block puts the root key at {:#x}", u64::from(root) + 4096),
                        b: match found {
                            Some(cell) => format!("a root key is at {:#x}", u64::from(cell) + 4096),
                            None => "there is no root key".to_owned(),
                        },
                    },
                    "the root key is not where it should be",
                    match found {
                        Some(_) => "the hive was read from the root key that was found",
                        None => "live keys could not be read; deleted ones may still be found",
                    },
                )
                .at(36),
            );
            root = found.unwrap_or(root);
        }
        let strictly_clean = self.base.is_some() && root == block.root_cell && nt_hive::Hive::new(&*self.bytes).is_ok();
        if !strictly_clean {
            base_block::make_clean(self.bytes.to_mut(), root, self.minor_version);
        }
    }
}

fn load<'a>(bytes: &'a dyn Bytes, limit: u64, what: &str, notes: &mut Vec<Note>) -> Option<Cow<'a, [u8]>> {
    if bytes.len() > limit {
        notes.push(Note::new(
            ProblemKind::LimitReached,
            format!("{what} is {} bytes long; at most {limit} are read", bytes.len()),
            "nothing was read from it",
        ));
        return None;
    }
    if let Some(slice) = bytes.as_slice() {
        return Some(Cow::Borrowed(slice));
    }
    match bytes.read_all(limit) {
        Ok(read) => read.map(Cow::Owned),
        Err(error) => {
            notes.push(Note::new(
                ProblemKind::ReadFailed,
                format!("{what} could not be read: {error}"),
                "nothing was read from it",
            ));
            None
        }
    }
}

fn dirty_note(base: &BaseBlock, plan: Option<&logs::Plan>, no_logs: bool, notes: &mut Vec<Note>) {
    let how = if base.checksum_valid {
        format!("sequence numbers {} and {} differ", base.primary_sequence, base.secondary_sequence)
    } else {
        "the checksum of its base block is wrong".to_owned()
    };
    let (what, effect) = match plan {
        Some(plan) => (
            format!("the hive was not cleanly closed ({how}); {} log entries were applied", plan.entries),
            "records say whether they are in the hive as stored, only in its logs, or both",
        ),
        None if no_logs => (
            format!("the hive was not cleanly closed ({how}) and its transaction logs are not there"),
            "the newest changes may be missing",
        ),
        None => (
            format!("the hive was not cleanly closed ({how}) and its transaction logs hold nothing applicable"),
            "the newest changes may be missing",
        ),
    };
    notes.push(Note::new(ProblemKind::Dirty, what, effect));
}

/// The first key node with the flag of a root key that stands in an allocated cell.
fn find_root(cells: Cells<'_>) -> Option<u32> {
    let mut found = None;
    deleted::for_each_cell(cells, &mut |offset, cell| {
        if found.is_none() && cell.allocated && KeyNode::new(cell).is_some_and(|node| node.flags() & KeyNode::ROOT != 0)
        {
            found = u32::try_from(offset - BASE_BLOCK_LENGTH).ok();
        }
    });
    found
}
