//! What a log holds as a whole: the record about the channel.

use super::channels::CHANNELS;
use super::{ARTIFACT, CHANNEL};
use crate::formats::evtx::FileHeader;
use evidence::{Channel, Field, Fields, Filetime, Integrity, Locator, ProblemKind, Record, Role, Sink, Value};
use foldhash::fast::RandomState;
use std::collections::{BTreeMap, HashMap};

/// Most ranges of missing record numbers that are listed.
const MAX_GAPS: usize = 100;
/// Most separate runs of record numbers that are remembered; a log has one or two, a damaged one hundreds.
const MAX_RUNS: usize = 100_000;
/// Most kinds of events that are counted; a large log has some hundreds.
const MAX_EVENTS: usize = 10_000;

pub(super) const CHANNEL_NAME: Field = Field::text("Channel", "the channel").role(Role::Channel);
const RECORDS: Field = Field::number("Records", "how many records the log holds").role(Role::Records);
const RECOVERED: Field = Field::number("Recovered", "records from where the log keeps none").role(Role::Recovered);
const UNDECODABLE: Field = Field::number("Undecodable", "records of which it is not known what they say");
const UNDECODABLE_RECOVERED: Field = Field::number(
    "UndecodableRecovered",
    "records from where the log keeps none, of which it is not known what they say",
);
const FIRST_ID: Field = Field::number("FirstRecordId", "the lowest number of a record");
const LAST_ID: Field = Field::number("LastRecordId", "the highest number of a record");
const FIRST: Field = Field::time("First", "time of the first record").role(Role::FirstRecord);
const LAST: Field = Field::time("Last", "time of the last record").role(Role::LastRecord);
const MISSING_IDS: Field =
    Field::list("MissingRecordIds", "ranges of numbers of which the log has no record").role(Role::MissingRecords);
const MISSING_CHUNKS: Field =
    Field::number("MissingChunks", "chunks that the log should have and has not").role(Role::MissingChunks);
const DIRTY: Field = Field::flag("Dirty", "whether the log was not closed");
const EVENTS: Field = Field::map("Events", &[], "how many records there are of each channel and event id");
pub(super) const UNREAD: Field = Field::text("Unread", "the format, where it is not read").role(Role::UnreadFormat);

/// What the record about the channel can hold.
pub(super) const FIELDS: &[Field] = &[
    CHANNEL_NAME,
    RECORDS,
    RECOVERED,
    UNDECODABLE,
    UNDECODABLE_RECOVERED,
    FIRST_ID,
    LAST_ID,
    FIRST,
    LAST,
    MISSING_IDS,
    MISSING_CHUNKS,
    DIRTY,
    EVENTS,
    UNREAD,
];

/// What is seen of a log as a whole. Only live records count, but for `recovered`.
#[derive(Default)]
pub(super) struct Summary {
    live: u64,
    recovered: u64,
    undecodable: u64,
    undecodable_recovered: u64,
    times: Option<(u64, u64)>,
    /// Runs of consecutive record numbers, in stored order.
    runs: Vec<(u64, u64)>,
    runs_left_out: bool,
    channels: HashMap<String, usize>,
    /// By number of the channel and event id: how many came before that are of another kind, and how many there are.
    events: HashMap<(usize, u64), (usize, u64), RandomState>,
    events_left_out: bool,
}

impl Summary {
    /// Adds what was counted in the part of the log that follows. A part is short; only of the log as a whole there can be so
    /// much that some is left out.
    pub(super) fn add(&mut self, part: Summary) {
        self.live += part.live;
        self.recovered += part.recovered;
        self.undecodable += part.undecodable;
        self.undecodable_recovered += part.undecodable_recovered;
        if let Some((part_first, part_last)) = part.times {
            let (first, last) = self.times.get_or_insert((part_first, part_last));
            (*first, *last) = (part_first.min(*first), part_last.max(*last));
        }
        part.runs.into_iter().for_each(|run| self.run(run));
        let mut channels: Vec<(String, usize)> = part.channels.into_iter().collect();
        channels.sort_unstable_by_key(|(_, number)| *number);
        let numbers: Vec<Option<usize>> = channels.into_iter().map(|(name, _)| self.channel(name)).collect();
        let mut events: Vec<_> = part.events.into_iter().collect();
        events.sort_unstable_by_key(|(_, (before, _))| *before);
        for ((channel, event_id), (_, count)) in events {
            let next = self.events.len();
            let channel = numbers.get(channel).copied().flatten();
            match channel.map(|channel| (channel, event_id)) {
                Some(kind) if next < MAX_EVENTS || self.events.contains_key(&kind) => {
                    self.events.entry(kind).or_insert((next, 0)).1 += count;
                }
                _ => self.events_left_out = true,
            }
        }
    }

    /// Adds consecutive record numbers.
    fn run(&mut self, (first, last): (u64, u64)) {
        let is_full = self.runs.len() >= MAX_RUNS;
        match self.runs.last_mut() {
            Some(before) if before.1.checked_add(1) == Some(first) => before.1 = last,
            Some(before) if is_full => {
                self.runs_left_out = true;
                // What goes on where the last run ends is counted all the same.
                if before.1.checked_add(1).is_some_and(|next| (first..=last).contains(&next)) {
                    before.1 = last;
                }
            }
            _ => self.runs.push((first, last)),
        }
    }

    /// The number that a channel of the whole log is counted under; `None` when there are too many.
    fn channel(&mut self, name: String) -> Option<usize> {
        let next = self.channels.len();
        match self.channels.get(&name) {
            Some(number) => Some(*number),
            None if next < MAX_EVENTS => Some(*self.channels.entry(name).or_insert(next)),
            None => None,
        }
    }

    /// Counts a live record.
    pub(super) fn live(&mut self, number: u64, ticks: u64) {
        self.live += 1;
        match self.runs.last_mut() {
            Some((_, last)) if last.checked_add(1) == Some(number) => *last = number,
            _ => self.runs.push((number, number)),
        }
        let (first, last) = self.times.get_or_insert((ticks, ticks));
        *first = ticks.min(*first);
        *last = ticks.max(*last);
    }

    /// The number that a channel is counted under in this part.
    pub(super) fn channel_number(&mut self, channel: &str) -> usize {
        let next = self.channels.len();
        match self.channels.get(channel) {
            Some(number) => *number,
            None => *self.channels.entry(channel.to_owned()).or_insert(next),
        }
    }

    /// Counts what a live record is about, where that could be read.
    pub(super) fn event(&mut self, channel: usize, event_id: u64) {
        let next = self.events.len();
        self.events.entry((channel, event_id)).or_insert((next, 0)).1 += 1;
    }

    /// Counts a record from where the log keeps none.
    pub(super) fn recovered(&mut self) {
        self.recovered += 1;
    }

    /// Counts a live record of which it is not known what it is about.
    pub(super) fn undecodable(&mut self) {
        self.undecodable += 1;
    }

    /// Counts a record from where the log keeps none, and of which it is not known what it says.
    pub(super) fn undecodable_recovered(&mut self) {
        self.undecodable_recovered += 1;
    }

    /// How many of them there are.
    pub(super) fn count_of_undecodable_recovered(&self) -> u64 {
        self.undecodable_recovered
    }

    /// The number and the time of the last live record.
    pub(super) fn last(&self) -> Option<(u64, u64)> {
        Some((self.runs.iter().map(|(_, last)| *last).max()?, self.times?.1))
    }

    /// Ranges of record numbers of which the log has none: between its records, and after them by its header.
    pub(super) fn missing(&self, next_record: u64) -> Vec<String> {
        let mut runs = self.runs.clone();
        runs.sort_unstable();
        if next_record > 0 && !runs.is_empty() {
            runs.push((next_record, next_record));
        }
        missing(&runs)
    }

    /// Hands over the record about the log, with the number of chunks and the record numbers that it should have and has not.
    pub(super) fn describe(
        self,
        original_path: &str,
        header: Option<FileHeader>,
        (missing_chunks, missing_ids): (u64, Vec<String>),
        sink: &mut Sink<'_>,
    ) {
        for (left_out, what) in
            [(self.runs_left_out, "runs of record numbers"), (self.events_left_out, "kinds of events")]
        {
            if left_out {
                sink.problem(
                    ProblemKind::LimitReached,
                    None,
                    format!("the log has more {what} than are counted"),
                    "the record about the channel is incomplete",
                );
            }
        }
        let mut fields = Fields::new();
        fields.push_some(CHANNEL_NAME.name, self.main_channel().or_else(|| channel_of_file(original_path)));
        fields.push(RECORDS.name, self.live);
        fields.push(RECOVERED.name, self.recovered);
        fields.push(UNDECODABLE.name, self.undecodable);
        if self.undecodable_recovered > 0 {
            fields.push(UNDECODABLE_RECOVERED.name, self.undecodable_recovered);
        }
        if let (Some(first), Some(last)) =
            (self.runs.iter().map(|(first, _)| first).min(), self.runs.iter().map(|(_, last)| last).max())
        {
            fields.push(FIRST_ID.name, *first);
            fields.push(LAST_ID.name, *last);
        }
        if let Some((first, last)) = self.times {
            fields.push(FIRST.name, Filetime(first));
            fields.push(LAST.name, Filetime(last));
        }
        fields.push(MISSING_IDS.name, missing_ids);
        if missing_chunks > 0 {
            fields.push(MISSING_CHUNKS.name, missing_chunks);
        }
        fields.push_some(DIRTY.name, header.map(|header| header.dirty));
        fields
            .push(EVENTS.name, Value::Map(self.counts().into_iter().map(|(key, count)| (key, count.into())).collect()));
        sink.record(Record {
            artifact: ARTIFACT.id,
            of: &CHANNEL,
            subject: fields.text(CHANNEL_NAME.name).unwrap_or_default().to_owned(),
            user: None,
            moments: Vec::new(),
            fields,
            claims: &[],
            locator: Locator::Whole,
            integrity: Integrity::Intact,
        });
    }

    /// The channel of most records.
    fn main_channel(&self) -> Option<String> {
        let count = |number: usize| {
            self.events.iter().filter(|((of, _), _)| *of == number).map(|(_, (_, count))| count).sum::<u64>()
        };
        let (_, _, name) = self
            .channels
            .iter()
            .filter(|(name, _)| !name.is_empty())
            .map(|(name, number)| (count(*number), std::cmp::Reverse(*number), name))
            .max()?;
        Some(name.clone())
    }

    /// Counts by `channel:event id`.
    fn counts(&self) -> BTreeMap<String, u64> {
        let names: HashMap<usize, &str> = self.channels.iter().map(|(name, number)| (*number, name.as_str())).collect();
        self.events
            .iter()
            .filter_map(|((number, event_id), (_, count))| Some((format!("{}:{event_id}", names.get(number)?), *count)))
            .collect()
    }
}

/// An empty log says nothing about its channel; its file name does: `%4` stands for a slash.
pub(super) fn channel_of_file(path: &str) -> Option<String> {
    let name = path.rsplit(['\\', '/']).next()?;
    let lower = name.to_lowercase();
    // The three logs of every Windows were called otherwise before Vista.
    let before_vista = |channel: &&Channel| channel.before_vista.map(|old| old.to_lowercase() + ".evt");
    if let Some(channel) = CHANNELS.iter().find(|channel| before_vista(channel).as_deref() == Some(&lower)) {
        return Some(channel.name.to_owned());
    }
    let endings = [".evtx", ".evt"];
    let ending = endings.iter().find(|ending| lower.ends_with(*ending) && lower.len() == name.len());
    let stem = ending.and_then(|ending| name.get(..name.len() - ending.len()));
    Some(stem.unwrap_or(name).replace("%4", "/"))
}

/// Ranges of numbers that sorted runs leave out between the first and the last.
fn missing(runs: &[(u64, u64)]) -> Vec<String> {
    let mut ranges = Vec::new();
    let mut more = 0;
    let mut covered: Option<u64> = None;
    for (first, last) in runs {
        if let Some(covered) = covered
            && *first > covered.saturating_add(1)
        {
            if ranges.len() < MAX_GAPS {
                ranges.push(format!("{}-{}", covered + 1, first - 1));
            } else {
                more += 1;
            }
        }
        covered = covered.max(Some(*last));
    }
    if more > 0 {
        ranges.push(format!("and {more} more ranges"));
    }
    ranges
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaps_between_runs() {
        assert_eq!(missing(&[]), Vec::<String>::new());
        assert_eq!(missing(&[(1, 5), (4, 9), (12, 12), (14, 20)]), ["10-11", "13-13"]);
        assert_eq!(missing(&[(u64::MAX, u64::MAX)]), Vec::<String>::new());
        let many: Vec<(u64, u64)> = (0..150).map(|number| (number * 2, number * 2)).collect();
        let ranges = missing(&many);
        assert_eq!((ranges.len(), ranges[100].as_str()), (101, "and 49 more ranges"));
    }

    /// What is counted of records with these numbers and channels that come in parts of so many.
    fn counted(records: &[(u64, String)], part: usize) -> Summary {
        let mut whole = Summary::default();
        for records in records.chunks(part) {
            let mut part = Summary::default();
            for (number, channel) in records {
                part.live(*number, 0);
                let channel = part.channel_number(channel);
                part.event(channel, 1);
            }
            whole.add(part);
        }
        whole
    }

    #[test]
    fn the_limits_are_those_of_the_whole_log() {
        // Every other number is a run, and every record a channel, of which the first comes again at the end.
        let limit = MAX_RUNS as u64;
        let mut records: Vec<(u64, String)> = (0..limit + 5).map(|one| (one * 2, one.to_string())).collect();
        // The last run that has room ends at 2 * limit - 2. It goes on, although that number itself comes once more.
        let last = limit * 2 - 2;
        records.extend([(last, "0".to_owned()), (last + 1, "0".to_owned()), (last + 2, "0".to_owned())]);
        for part in [1, 2, 999, 37_000] {
            let whole = counted(&records, part);
            let (runs, counts) = (&whole.runs, whole.counts());
            assert_eq!(
                (runs.len(), runs.last(), whole.runs_left_out),
                (MAX_RUNS, Some(&(last, last + 2)), true),
                "{part}"
            );
            assert_eq!(
                (counts.len(), counts.get("0:1"), whole.events_left_out),
                (MAX_EVENTS, Some(&4), true),
                "{part}"
            );
            assert!(counts.contains_key("9999:1") && !counts.contains_key("10000:1"), "the first are counted: {part}");
        }
        assert!(!counted(&records[..10_000], 37).runs_left_out);
    }

    #[test]
    fn channels_from_file_names() {
        assert_eq!(channel_of_file(r"C:\x\A%4Operational.evtx").as_deref(), Some("A/Operational"));
        assert_eq!(channel_of_file("Security.EVTX").as_deref(), Some("Security"));
        assert_eq!(channel_of_file("x").as_deref(), Some("x"));
        assert_eq!(channel_of_file(r"C:\WINDOWS\system32\config\SecEvent.Evt").as_deref(), Some("Security"));
        assert_eq!(channel_of_file("DnsEvent.Evt").as_deref(), Some("DnsEvent"));
    }
}
