//! What the transaction logs of a hive would change in it.
//!
//! A plan is made first and names only bytes that are there, so that applying it cannot fail and the hive can
//! be read before and after. Windows applies logs only to a dirty hive, and so does this.
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
use super::bytes_at::{u32_at, u64_at};
use super::{Note, marvin32};
use evidence::ProblemKind;

/// Bytes of a log that belong into the hive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Page {
    log: usize,
    from: usize,
    to: usize,
    length: usize,
}

/// What to change in a hive.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Plan {
    pages: Vec<Page>,
    /// Length of the hive file afterwards; at least what it is now.
    length: usize,
    /// Length of all hive bins afterwards, where the logs tell.
    pub(super) bins_length: Option<usize>,
    /// Which log's base block replaces one that is torn; `None` when the hive's own is sound.
    pub(super) base_block_from: Option<usize>,
    /// How many entries (or, of the old generation, logs) are applied.
    pub(super) entries: usize,
}

impl Plan {
    /// Carries the plan out.
    pub(super) fn apply(&self, hive: &mut Vec<u8>, logs: &[&[u8]]) {
        if hive.len() < self.length {
            hive.resize(self.length, 0);
        }
        for page in &self.pages {
            let source = logs.get(page.log).and_then(|log| log.get(page.from..page.from + page.length));
            let target = hive.get_mut(page.to..page.to + page.length);
            if let (Some(source), Some(target)) = (source, target) {
                target.copy_from_slice(source);
            }
        }
    }
}

/// A log whose base block is sound.
struct Log<'a> {
    index: usize,
    base: BaseBlock,
    bytes: &'a [u8],
}

/// Decides what the logs would change. `base` is that of the hive, `None` when it has no signature.
pub(super) fn plan(hive: &[u8], base: Option<&BaseBlock>, logs: &[&[u8]], notes: &mut Vec<Note>) -> Option<Plan> {
    if base.is_some_and(|base| !base.is_dirty()) {
        return None;
    }
    let trusted = base.filter(|base| base.checksum_valid);
    let mut sound = Vec::new();
    for (index, bytes) in logs.iter().enumerate() {
        // Windows keeps a log file ready that was never written to.
        if bytes.iter().take(CHECKED_LENGTH).all(|byte| *byte == 0) {
            continue;
        }
        match BaseBlock::parse(bytes) {
            Some(base) if base.checksum_valid && base.primary_sequence == base.secondary_sequence => {
                sound.push(Log { index, base, bytes });
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
    let mut plan = match old {
        Some(log) => old_log(hive, log, notes)?,
        None => {
            sound.retain(|log| log.base.file_type == FileType::NewLog);
            new_logs(hive, trusted, &sound, notes)?
        }
    };
    if trusted.is_some() {
        plan.base_block_from = None;
    }
    Some(plan)
}

/// Whether a log of the old generation belongs to this state of the hive: both then carry the same time. Where
/// the base block is torn, that of the first hive bin counts as well, which is written together with it.
fn is_old_log_of(log: &Log<'_>, hive: &[u8], base: Option<&BaseBlock>) -> bool {
    let of_block = base.map(|base| base.last_written);
    let torn = base.is_none_or(|base| !base.checksum_valid);
    let of_first_bin = u64_at(hive, BASE_BLOCK_LENGTH + 20).filter(|_| torn);
    log.base.file_type == FileType::OldLog && [of_block, of_first_bin].contains(&Some(log.base.last_written))
}

fn old_log(hive: &[u8], log: &Log<'_>, notes: &mut Vec<Note>) -> Option<Plan> {
    const PAGE: usize = 512;
    if log.bytes.get(CHECKED_LENGTH..CHECKED_LENGTH + 4) != Some(b"DIRT") {
        notes.push(Note::new(
            ProblemKind::BadSignature {
                offset: CHECKED_LENGTH as u64,
                expected: "DIRT".to_owned(),
                actual: shown(log.bytes.get(CHECKED_LENGTH..CHECKED_LENGTH + 4)),
            },
            format!("transaction log {} has no list of dirty pages", log.index + 1),
            "this log was not applied; changes in it are missing",
        ));
        return None;
    }
    let bitmap_start = CHECKED_LENGTH + 4;
    let bitmap_length = (log.base.bins_length as usize / PAGE).div_ceil(8);
    let Some(bitmap) = log.bytes.get(bitmap_start..bitmap_start + bitmap_length) else {
        notes.push(Note::new(
            ProblemKind::Truncated {
                offset: bitmap_start as u64,
                expected: bitmap_length as u64,
                actual: log.bytes.len().saturating_sub(bitmap_start) as u64,
            },
            format!("the list of dirty pages of transaction log {} ends early", log.index + 1),
            "this log was not applied; changes in it are missing",
        ));
        return None;
    };
    let mut from = (bitmap_start + bitmap_length).next_multiple_of(PAGE);
    let mut plan = Plan { length: hive.len(), base_block_from: Some(log.index), entries: 1, ..Plan::default() };
    for (index, byte) in bitmap.iter().enumerate().filter(|(_, byte)| **byte != 0) {
        for bit in (0..8).filter(|bit| byte & (1 << bit) != 0) {
            let to = BASE_BLOCK_LENGTH + (index * 8 + bit) * PAGE;
            let Some(page) = log.bytes.get(from..from + PAGE) else {
                notes.push(Note::new(
                    ProblemKind::Truncated { offset: from as u64, expected: PAGE as u64, actual: 0 },
                    format!("transaction log {} ends before its last dirty page", log.index + 1),
                    "the hive is a mixture of two states after replay; keys in the missing pages may be wrong",
                ));
                return Some(plan);
            };
            // A page that replaces the start of a hive bin must itself be one, as Windows demands.
            let stored = hive.get(to..to + PAGE).unwrap_or_default();
            if stored.starts_with(b"hbin") && !(page.starts_with(b"hbin") && page[4..8] == stored[4..8]) {
                notes.push(Note::new(
                    ProblemKind::BadSignature {
                        offset: from as u64,
                        expected: "hbin".to_owned(),
                        actual: shown(page.get(..4)),
                    },
                    format!("transaction log {} holds a damaged hive bin", log.index + 1),
                    "replay stopped there, as Windows would; later changes in it are missing",
                ));
                return Some(plan);
            }
            plan.pages.push(Page { log: log.index, from, to, length: PAGE });
            plan.length = plan.length.max(to + PAGE);
            from += PAGE;
        }
    }
    Some(plan)
}

/// One entry of a new log, checked.
struct Entry {
    sequence: u32,
    bins_length: usize,
    pages: Vec<Page>,
}

/// The current entries of a log, in order.
fn entries(log: &Log<'_>, notes: &mut Vec<Note>) -> Vec<Entry> {
    let mut entries: Vec<Entry> = Vec::new();
    let mut at = CHECKED_LENGTH;
    while let Some(header) = log.bytes.get(at..at + 40) {
        if !header.starts_with(b"HvLE") {
            break;
        }
        let sequence = u32_at(header, 12).unwrap_or(0);
        let successor = match entries.last() {
            Some(last) => last.sequence.checked_add(1) == Some(sequence),
            None => sequence >= log.base.primary_sequence,
        };
        if !successor {
            break;
        }
        let Some((entry, length)) = entry(log, at, sequence) else {
            notes.push(Note::new(
                ProblemKind::BadChecksum { offset: at as u64 },
                format!("entry {sequence} of transaction log {} is damaged", log.index + 1),
                "replay stopped before it, as Windows would; its changes and all later ones are missing",
            ));
            break;
        };
        entries.push(entry);
        at += length;
    }
    entries
}

/// The entry at `at` and its length, if both hashes hold and every page is inside it.
fn entry(log: &Log<'_>, at: usize, sequence: u32) -> Option<(Entry, usize)> {
    let size = u32_at(log.bytes, at + 4)? as usize;
    if size < 40 || !size.is_multiple_of(CHECKED_LENGTH) {
        return None;
    }
    let bytes = log.bytes.get(at..at.checked_add(size)?)?;
    if u64_at(bytes, 32)? != marvin32::hash(&bytes[..32]) || u64_at(bytes, 24)? != marvin32::hash(&bytes[40..]) {
        return None;
    }
    let bins_length = u32_at(bytes, 16)? as usize;
    let count = u32_at(bytes, 20)? as usize;
    let references = bytes.get(40..40usize.checked_add(count.checked_mul(8)?)?)?;
    if !bins_length.is_multiple_of(4096) {
        return None;
    }
    let mut from = 40 + references.len();
    let mut pages = Vec::with_capacity(count);
    for reference in references.chunks_exact(8) {
        let to = u32_at(reference, 0)? as usize;
        let length = u32_at(reference, 4)? as usize;
        if to.checked_add(length)? > bins_length || from.checked_add(length)? > bytes.len() {
            return None;
        }
        pages.push(Page { log: log.index, from: at + from, to: BASE_BLOCK_LENGTH + to, length });
        from += length;
    }
    Some((Entry { sequence, bins_length, pages }, size))
}

fn new_logs(hive: &[u8], trusted: Option<&BaseBlock>, logs: &[Log<'_>], notes: &mut Vec<Note>) -> Option<Plan> {
    let first_wanted = trusted.map_or(0, |base| base.secondary_sequence);
    let mut plan = Plan { length: hive.len(), ..Plan::default() };
    let mut chains: Vec<(usize, Vec<Entry>)> = logs.iter().map(|log| (log.index, entries(log, notes))).collect();
    chains.retain(|(_, entries)| !entries.is_empty());
    chains.sort_by_key(|(_, entries)| entries[0].sequence);
    if let (None, [(_, older), (_, newer), ..]) = (trusted, chains.as_slice())
        && older.last().is_some_and(|last| last.sequence.checked_add(1) < Some(newer[0].sequence))
    {
        // Nothing tells how far the hive had come, and the older log does not lead up to the newer one: it is
        // what an earlier round left behind.
        chains.remove(0);
    }
    let mut last = None::<u32>;
    for (index, entries) in chains {
        for entry in entries {
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
            // A hive grows only by bins that the log brings along, so a larger stored length is not believed.
            let end = entry.pages.iter().map(|page| page.to + page.length).max().unwrap_or(0);
            let length = BASE_BLOCK_LENGTH + entry.bins_length;
            if length > plan.length.max(end) {
                notes.push(Note::new(
                    ProblemKind::OutOfRange { raw: entry.bins_length.to_string() },
                    format!(
                        "entry {} of the transaction logs grows the hive without bringing its new bins",
                        entry.sequence
                    ),
                    "the hive was grown only as far as there are bytes",
                ));
            }
            plan.length = plan.length.max(end);
            plan.bins_length = Some(entry.bins_length.min(plan.length - BASE_BLOCK_LENGTH));
            plan.base_block_from.get_or_insert(index);
            plan.pages.extend(entry.pages);
            plan.entries += 1;
            last = Some(entry.sequence);
        }
    }
    (plan.entries > 0).then_some(plan)
}

fn shown(bytes: Option<&[u8]>) -> String {
    bytes.map_or_else(|| "nothing".to_owned(), |bytes| bytes.escape_ascii().to_string())
}
