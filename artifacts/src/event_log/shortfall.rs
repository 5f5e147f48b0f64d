//! What a log should hold by its header, and does not.

use super::summary::Summary;
use crate::formats::evtx::{CHUNK_SIZE, FileHeader};
use evidence::{Filetime, ProblemKind, Sink};

const CHUNK: u64 = CHUNK_SIZE as u64;
/// Ranges of record numbers that a problem names; the record about the channel has more.
const MOST_NAMED: usize = 10;

/// What of the log is there.
pub(super) struct Held {
    header: Option<FileHeader>,
    size: u64,
    /// Places of chunks that hold something, whether it could be read or not.
    chunks: u64,
    /// Whether some of them have lost their header, so that their records are recovered and not counted.
    has_headless: bool,
    /// Chunks that do not stand where the header puts them.
    misplaced: u64,
}

/// What of the log is missing.
pub(super) struct Shortfall {
    header: Option<FileHeader>,
    size: u64,
    misplaced: u64,
    /// Chunks that the header counts and that are not there.
    pub(super) chunks: u64,
    /// Whether the last records are missing by the number that the header has for the next one.
    is_cut: bool,
    /// Ranges of record numbers, between the records and behind them.
    pub(super) record_ids: Vec<String>,
    last: Option<(u64, u64)>,
}

impl Held {
    pub(super) fn new(header: Option<FileHeader>, size: u64) -> Self {
        Held { header, size, chunks: 0, has_headless: false, misplaced: 0 }
    }

    /// Chunks that the header counts. It has 16 bits for them, which the largest logs exceed.
    fn counted(&self) -> Option<u64> {
        let header = self.header.filter(|_| self.size / CHUNK <= u64::from(u16::MAX))?;
        Some(u64::from(header.chunks))
    }

    /// A chunk at this offset; gives whether a log that was closed does not count it any more.
    pub(super) fn chunk(&mut self, at: u64) -> bool {
        self.chunks += 1;
        let Some(header) = self.header else { return false };
        if !at.abs_diff(header.first_chunk).is_multiple_of(CHUNK) || at < header.first_chunk {
            self.misplaced += 1;
        }
        let number = (at.saturating_sub(header.first_chunk) + CHUNK / 2) / CHUNK;
        // A log that was not closed has chunks that its header does not count yet.
        !header.dirty && self.counted().is_some_and(|counted| number >= counted)
    }

    /// So many bytes where chunks should be, without header.
    pub(super) fn headless(&mut self, length: u64) {
        self.chunks += (length + CHUNK / 2) / CHUNK;
        self.has_headless = true;
    }

    /// A chunk that could not be read.
    pub(super) fn unreadable(&mut self) {
        self.chunks += 1;
    }

    /// Compares with what the header says. The header of a log that was not closed lags behind, so it says too little and
    /// never too much.
    pub(super) fn shortfall(&self, summary: &Summary) -> Shortfall {
        let header = self.header.filter(|header| header.checksum_matches);
        let chunks = header.and(self.counted()).unwrap_or(0).saturating_sub(self.chunks);
        let last = summary.last();
        let next_record = header.map_or(0, |header| header.next_record);
        // Without any record it is not known where the numbers of this log begin.
        let is_cut = !self.has_headless && last.is_some_and(|(last, _)| next_record > last.saturating_add(1));
        Shortfall {
            header,
            size: self.size,
            misplaced: if self.header.is_some() { self.misplaced } else { 0 },
            chunks,
            is_cut,
            record_ids: match last {
                None if chunks > 0 && next_record > 1 => vec![format!("up to {}", next_record - 1)],
                _ => summary.missing(if is_cut { next_record } else { 0 }),
            },
            last,
        }
    }
}

impl Shortfall {
    /// Tells what is missing and what that costs.
    pub(super) fn tell(&self, sink: &mut Sink<'_>) {
        if self.misplaced > 0 {
            sink.problem(
                ProblemKind::Inconsistent {
                    a: "the file header says where the first chunk begins, and each is 64 KiB long".into(),
                    b: format!("{} chunks begin elsewhere", self.misplaced),
                },
                None,
                "chunks are not where the header of the log puts them",
                "they were found by their signature and read; Windows itself may not be able to open this log",
            );
        }
        let Some(header) = self.header.filter(|_| self.chunks > 0 || self.is_cut) else { return };
        let end = header.first_chunk.saturating_add(u64::from(header.chunks) * CHUNK);
        let kind = if self.size < end {
            let missing = (self.chunks * CHUNK).max(end - self.size);
            let offset = end.saturating_sub(missing);
            ProblemKind::Truncated { offset, expected: missing, actual: self.size.saturating_sub(offset) }
        } else {
            let last = match self.last {
                Some((last, _)) => format!("the last record is {last}"),
                None => "there is no record".to_owned(),
            };
            ProblemKind::Inconsistent {
                a: format!(
                    "the header counts {} chunks and says that the next record is {}",
                    header.chunks, header.next_record
                ),
                b: match self.chunks {
                    0 => last,
                    empty => format!("{empty} of these chunks are empty, and {last}"),
                },
            }
        };
        let what = match (self.chunks, header.chunks) {
            (0, _) => "the last records of the log are not there".to_owned(),
            (chunks, all) => {
                format!("the log is cut off: {chunks} of the {all} chunks that its header counts are missing")
            }
        };
        sink.problem(kind, None, format!("{what}; {}", self.records()), self.effect());
    }

    fn records(&self) -> String {
        let named = self.record_ids.iter().take(MOST_NAMED).cloned().collect::<Vec<_>>().join(", ");
        match self.record_ids.len() {
            0 => "which records were there is not known".to_owned(),
            more if more > MOST_NAMED => {
                format!("the records {named} and {} more ranges are missing", more - MOST_NAMED)
            }
            _ => format!("the records {named} are missing"),
        }
    }

    fn effect(&self) -> String {
        match self.last {
            Some((_, time)) if self.is_cut => format!(
                "what was logged after {} was there: that this log has no record of it does not mean that nothing \
                 happened",
                Filetime(time)
            ),
            _ => {
                "what was logged there is lost: that this log has no record of something does not mean that it did not \
                  happen"
                    .to_owned()
            }
        }
    }
}
