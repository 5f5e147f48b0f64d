//! What the transaction logs of a hive would change in it.
//!
//! A plan is made first and names only bytes that are there, so that applying it cannot fail and the hive can
//! be read before and after. It says where in the logs the bytes are and holds none of them: logs are read in
//! pages, twice, first to check their hashes and then to note their places. Windows applies logs only to a
//! dirty hive, and so does this.
//!
//! Two generations exist. The old one (`DIRT`) is a bitmap of 512-byte pages followed by the pages. The new
//! one (`HvLE`, Windows 8.1 and later) is a sequence of numbered entries, each protected by two hashes, that
//! may begin in either of the two files and go on in the other.
//!
//! Entries of an earlier round may follow the current ones in a file. They are told apart by their numbers:
//! the first current entry is not older than the log's base block, and each further one is its successor.
//!
//! Reference: M. Suhanov, *Windows registry file format specification*, "Format of transaction log files".

use super::base_block::{BASE_BLOCK_LENGTH, BaseBlock, CHECKED_LENGTH, FileType};
use super::overlay::{MOST_PLACES, Overlay, Piece};
use super::{Note, marvin32};
use crate::formats::pages::{KEPT, PAGE, Pages, What};
use evidence::{Bytes, ProblemKind};

const LOG: What = What { name: "a transaction log", cost: super::HIVE.cost };
/// Length of the fields of an entry before the references to its pages.
const ENTRY_HEADER: u64 = 40;
const BASE: u64 = BASE_BLOCK_LENGTH as u64;

/// What to change in a hive.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Plan {
    /// Where the bytes are that change.
    pub(super) overlay: Overlay,
    /// Length of the hive file afterwards; at least what it is now.
    pub(super) length: u64,
    /// Length of all hive bins afterwards, where the logs tell.
    pub(super) bins_length: Option<u64>,
    /// Which log's base block replaces one that is torn; `None` when the hive's own is sound.
    pub(super) base_block_from: Option<usize>,
    /// How many entries (or, of the old generation, logs) are applied.
    pub(super) entries: usize,
    /// Whether the logs are of the generation that is kept in two files, of which one goes on where the other ends.
    pub(super) is_of_two: bool,
}

impl Plan {
    /// Lays bytes of a log over the hive, `to` counted from the end of the base block. `false` when there is no room
    /// to note them, which is said.
    fn lay(&mut self, log: usize, to: u64, from: u64, length: u64, notes: &mut Vec<Note>) -> bool {
        let number = |number| u32::try_from(number).ok();
        let piece = || Some(Piece { log: u16::try_from(log).ok()?, from: number(from)?, length: number(length)? });
        let laid = number(to + length).and(number(to)).zip(piece());
        let laid = laid.is_some_and(|(to, piece)| self.overlay.lay(to, piece).is_ok());
        if laid {
            self.length = self.length.max(BASE + to + length);
        } else {
            notes.push(Note::new(
                ProblemKind::LimitReached,
                format!("the transaction logs change more than {} places of the hive", MOST_PLACES - 2),
                "replay stopped there; the hive is a mixture of two states, and later changes are missing",
            ));
        }
        laid
    }
}

/// A log whose base block is sound.
struct Log<'a> {
    index: usize,
    base: BaseBlock,
    pages: Pages<'a>,
}

/// Decides what the logs would change. `base` is that of the hive, `None` when it has no signature.
pub(super) fn plan(
    hive: &Pages<'_>,
    base: Option<&BaseBlock>,
    logs: &[&dyn Bytes],
    notes: &mut Vec<Note>,
) -> Option<Plan> {
    if base.is_some_and(|base| !base.is_dirty()) {
        return None;
    }
    let trusted = base.filter(|base| base.checksum_valid);
    let mut sound = Vec::new();
    for (index, bytes) in logs.iter().enumerate() {
        let pages = Pages::new(LOG, *bytes, bytes.len(), KEPT);
        let head = pages.prefix(0, CHECKED_LENGTH as u64);
        if pages.failed() > 0 {
            notes.extend(pages.take_failures());
            continue;
        }
        // Windows keeps a log file ready that was never written to.
        if head.iter().all(|byte| *byte == 0) {
            continue;
        }
        match BaseBlock::parse(&head) {
            Some(base) if base.checksum_valid && base.primary_sequence == base.secondary_sequence => {
                sound.push(Log { index, base, pages });
            }
            _ => notes.push(Note::new(
                ProblemKind::BadChecksum { offset: 0 },
                format!("the base block of transaction log {} is damaged", index + 1),
                "this log was not applied, as Windows would not either; changes in it are missing",
            )),
        }
    }
    sound.sort_by_key(|log| log.base.primary_sequence);
    let old = sound.iter().find(|log| is_old_log_of(log, hive, base));
    let plan = match old {
        Some(log) => old_log(hive, log, notes),
        None => {
            sound.retain(|log| log.base.file_type == FileType::NewLog);
            new_logs(hive, trusted, &sound, notes)
        }
    };
    notes.extend(sound.iter().flat_map(|log| log.pages.take_failures()));
    let mut plan = plan?;
    if trusted.is_some() {
        plan.base_block_from = None;
    }
    Some(plan)
}

/// Whether a log of the old generation belongs to this state of the hive: both then carry the same time. Where
/// the base block is torn, that of the first hive bin counts as well, which is written together with it.
fn is_old_log_of(log: &Log<'_>, hive: &Pages<'_>, base: Option<&BaseBlock>) -> bool {
    let of_block = base.map(|base| base.last_written);
    let torn = base.is_none_or(|base| !base.checksum_valid);
    let of_first_bin = hive.u64_at(BASE + 20).filter(|_| torn);
    log.base.file_type == FileType::OldLog && [of_block, of_first_bin].contains(&Some(log.base.last_written))
}

fn old_log(hive: &Pages<'_>, log: &Log<'_>, notes: &mut Vec<Note>) -> Option<Plan> {
    const LENGTH: u64 = 512;
    let signature = log.pages.prefix(CHECKED_LENGTH as u64, 4);
    if *signature != *b"DIRT" {
        notes.push(Note::new(
            ProblemKind::BadSignature {
                offset: CHECKED_LENGTH as u64,
                expected: "DIRT".to_owned(),
                actual: shown(&signature),
            },
            format!("transaction log {} has no list of dirty pages", log.index + 1),
            "this log was not applied; changes in it are missing",
        ));
        return None;
    }
    let bitmap_start = CHECKED_LENGTH as u64 + 4;
    // At most 1 MiB, because the length of the bins has 32 bits.
    let bitmap_length = (u64::from(log.base.bins_length) / LENGTH).div_ceil(8);
    let bitmap = log.pages.prefix(bitmap_start, bitmap_length);
    if (bitmap.len() as u64) < bitmap_length {
        notes.push(Note::new(
            ProblemKind::Truncated {
                offset: bitmap_start,
                expected: bitmap_length,
                actual: log.pages.len().saturating_sub(bitmap_start),
            },
            format!("the list of dirty pages of transaction log {} ends early", log.index + 1),
            "this log was not applied; changes in it are missing",
        ));
        return None;
    }
    let mut from = (bitmap_start + bitmap_length).next_multiple_of(LENGTH);
    let mut plan = Plan { length: hive.len(), base_block_from: Some(log.index), entries: 1, ..Plan::default() };
    for (index, byte) in bitmap.iter().enumerate().filter(|(_, byte)| **byte != 0) {
        for bit in (0..8).filter(|bit| byte & (1 << bit) != 0) {
            let to = (index as u64 * 8 + bit) * LENGTH;
            if from + LENGTH > log.pages.len() {
                notes.push(Note::new(
                    ProblemKind::Truncated { offset: from, expected: LENGTH, actual: 0 },
                    format!("transaction log {} ends before its last dirty page", log.index + 1),
                    "the hive is a mixture of two states after replay; keys in the missing pages may be wrong",
                ));
                return Some(plan);
            }
            // A page that replaces the start of a hive bin must itself be one, as Windows demands.
            let stored = hive.prefix(BASE + to, 8);
            let page = log.pages.prefix(from, 8);
            if stored.starts_with(b"hbin") && page != stored {
                notes.push(Note::new(
                    ProblemKind::BadSignature {
                        offset: from,
                        expected: "hbin".to_owned(),
                        actual: shown(page.get(..4).unwrap_or_default()),
                    },
                    format!("transaction log {} holds a damaged hive bin", log.index + 1),
                    "replay stopped there, as Windows would; later changes in it are missing",
                ));
                return Some(plan);
            }
            if !plan.lay(log.index, to, from, LENGTH, notes) {
                return Some(plan);
            }
            from += LENGTH;
        }
    }
    Some(plan)
}

/// The head of one entry of a new log.
#[derive(Clone, Copy)]
struct Entry {
    at: u64,
    sequence: u32,
    size: u64,
    bins_length: u64,
    pages: u64,
}

/// A page that an entry brings.
#[derive(Clone, Copy)]
struct DirtyPage {
    to: u64,
    from: u64,
    length: u64,
}

impl Log<'_> {
    /// The head of the entry at `at`, if the log is long enough for what it says.
    fn entry(&self, at: u64) -> Option<Entry> {
        let field = |offset| self.pages.u32_at(at + offset);
        let entry = Entry {
            at,
            sequence: field(12)?,
            size: u64::from(field(4)?),
            bins_length: u64::from(field(16)?),
            pages: u64::from(field(20)?),
        };
        let fits = entry.size >= ENTRY_HEADER
            && entry.size.is_multiple_of(CHECKED_LENGTH as u64)
            && at + entry.size <= self.pages.len()
            && ENTRY_HEADER + entry.pages * 8 <= entry.size
            && entry.bins_length.is_multiple_of(4096);
        fits.then_some(entry)
    }

    /// The pages of an entry; `None` for one that is not inside it.
    fn dirty_pages(&self, entry: Entry) -> impl Iterator<Item = Option<DirtyPage>> + '_ {
        let mut from = ENTRY_HEADER + entry.pages * 8;
        (0..entry.pages).map(move |index| {
            let reference = entry.at + ENTRY_HEADER + index * 8;
            let to = u64::from(self.pages.u32_at(reference)?);
            let length = u64::from(self.pages.u32_at(reference + 4)?);
            let page = DirtyPage { to, from: entry.at + from, length };
            from += length;
            (to + length <= entry.bins_length && from <= entry.size).then_some(page)
        })
    }

    fn hash(&self, mut at: u64, end: u64) -> Option<u64> {
        let mut hasher = marvin32::Hasher::new();
        while at < end {
            let page = self.pages.page(at / PAGE as u64);
            let start = (at % PAGE as u64) as usize;
            let part = page.from(start, start.saturating_add((end - at) as usize));
            if part.is_empty() {
                return None;
            }
            hasher.update(part);
            at += part.len() as u64;
        }
        Some(hasher.finish())
    }

    /// The entry at `at`, if both hashes hold and every page is inside it.
    fn checked_entry(&self, at: u64) -> Option<Entry> {
        let entry = self.entry(at)?;
        let sound = self.pages.u64_at(at + 32)? == self.hash(at, at + 32)?
            && self.pages.u64_at(at + 24)? == self.hash(at + ENTRY_HEADER, at + entry.size)?
            && self.dirty_pages(entry).all(|page| page.is_some());
        sound.then_some(entry)
    }
}

/// The current entries of a log, which follow one another from its base block on.
struct Chain<'l, 'a> {
    log: &'l Log<'a>,
    first: u32,
    count: u32,
}

impl Chain<'_, '_> {
    fn last(&self) -> u32 {
        self.first + (self.count - 1)
    }

    fn entries(&self) -> impl Iterator<Item = Entry> + '_ {
        let mut at = CHECKED_LENGTH as u64;
        (0..self.count).map_while(move |_| {
            let entry = self.log.entry(at)?;
            at += entry.size;
            Some(entry)
        })
    }
}

/// Checks the current entries of a log; `None` when it has none.
fn chain<'l, 'a>(log: &'l Log<'a>, notes: &mut Vec<Note>) -> Option<Chain<'l, 'a>> {
    let mut chain: Option<Chain<'l, 'a>> = None;
    let mut at = CHECKED_LENGTH as u64;
    while at + ENTRY_HEADER <= log.pages.len() && *log.pages.prefix(at, 4) == *b"HvLE" {
        let Some(sequence) = log.pages.u32_at(at + 12) else { break };
        let successor = match &chain {
            Some(chain) => chain.last().checked_add(1) == Some(sequence),
            None => sequence >= log.base.primary_sequence,
        };
        if !successor {
            break;
        }
        let Some(entry) = log.checked_entry(at) else {
            if log.pages.failed() == 0 {
                notes.push(Note::new(
                    ProblemKind::BadChecksum { offset: at },
                    format!("entry {sequence} of transaction log {} is damaged", log.index + 1),
                    "replay stopped before it, as Windows would; its changes and all later ones are missing",
                ));
            }
            break;
        };
        chain.get_or_insert(Chain { log, first: sequence, count: 0 }).count += 1;
        at += entry.size;
    }
    if log.pages.failed() > 0 {
        notes.push(Note::new(
            ProblemKind::ReadFailed,
            format!("transaction log {} could not be read to its end", log.index + 1),
            "replay stopped at the place that could not be read; later changes are missing",
        ));
    }
    chain
}

fn new_logs(hive: &Pages<'_>, trusted: Option<&BaseBlock>, logs: &[Log<'_>], notes: &mut Vec<Note>) -> Option<Plan> {
    let first_wanted = trusted.map_or(0, |base| base.secondary_sequence);
    let mut plan = Plan { length: hive.len(), is_of_two: true, ..Plan::default() };
    let mut chains: Vec<Chain<'_, '_>> = logs.iter().filter_map(|log| chain(log, notes)).collect();
    chains.sort_by_key(|chain| chain.first);
    if let (None, [older, newer, ..]) = (trusted, chains.as_slice())
        && older.last().checked_add(1) < Some(newer.first)
    {
        // Nothing tells how far the hive had come, and the older log does not lead up to the newer one: it is
        // what an earlier round left behind.
        chains.remove(0);
    }
    let mut last = None::<u32>;
    for chain in &chains {
        for entry in chain.entries() {
            if entry.sequence < first_wanted || last.is_some_and(|last| entry.sequence <= last) {
                continue;
            }
            if let Some(last) = last.filter(|last| last.checked_add(1) != Some(entry.sequence)) {
                notes.push(Note::new(
                    ProblemKind::Inconsistent {
                        a: format!("the transaction logs go on with entry {}", entry.sequence),
                        b: format!("the last entry before is {last}"),
                    },
                    "entries of the transaction logs are missing",
                    "replay stopped at the gap, as Windows would; later changes are missing",
                ));
                return Some(plan);
            }
            let whole = add_entry(&mut plan, chain.log, entry, notes);
            last = Some(entry.sequence);
            if !whole {
                return Some(plan);
            }
        }
    }
    (plan.entries > 0).then_some(plan)
}

/// Adds an entry to the plan; `false` when there was no room for all of it.
fn add_entry(plan: &mut Plan, log: &Log<'_>, entry: Entry, notes: &mut Vec<Note>) -> bool {
    let before = plan.length;
    let end = log.dirty_pages(entry).flatten().map(|page| BASE + page.to + page.length).max().unwrap_or(0);
    // A hive grows only by bins that the log brings along, so a larger stored length is not believed.
    if BASE + entry.bins_length > before.max(end) {
        notes.push(Note::new(
            ProblemKind::OutOfRange { raw: entry.bins_length.to_string() },
            format!("entry {} of the transaction logs grows the hive without bringing its new bins", entry.sequence),
            "the hive was grown only as far as there are bytes",
        ));
    }
    plan.length = before.max(end);
    plan.bins_length = Some(entry.bins_length.min(plan.length - BASE));
    plan.base_block_from.get_or_insert(log.index);
    plan.entries += 1;
    log.dirty_pages(entry).flatten().all(|page| plan.lay(log.index, page.to, page.from, page.length, notes))
}

fn shown(bytes: &[u8]) -> String {
    if bytes.len() < 4 { "nothing".to_owned() } else { bytes.escape_ascii().to_string() }
}
