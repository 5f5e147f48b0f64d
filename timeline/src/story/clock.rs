//! In which order things were, and what the clock of a computer showed meanwhile.
//!
//! A clock is set back, set forward, or wrong after a start; a service writes its records late. Inside one log the number of
//! a record says what was first, whatever the times say. Between logs the times decide, corrected by the changes of the
//! clock that are recorded, and by those that only the order of the numbers shows.
//!
//! Reference: Microsoft, *4616(S): The system time was changed*; *Kernel-General 1*.

use super::log_event;
use super::source::{Places, Source};
use crate::event::{Event, Happening};
use crate::host::ClockChange;
use evidence::{Filetime, Integrity, ItemId, Locator, Role, ValueRef};
use std::collections::HashMap;

const SECOND: i64 = 10_000_000;
/// A change by less moves nothing that is joined: it is the ordinary work of a time service.
const LEAST: i64 = SECOND;
/// Two logs tell of one change with times that differ so much at most, and a service writes in a moment that is wrong by that.
const APART: i64 = 2 * SECOND;
/// Records that a log got late, as those of a start that waited for its service, are out of order by less.
const INVERSION: i64 = 60 * SECOND;
/// Changes of one computer that are told apart, computers, and series of records.
const MOST_STEPS: usize = 1_000;
const MOST_SERIES: usize = 4_096;
/// Records between two files of one series of which nothing was asked, at most.
const MOST_UNSEEN: u64 = 1_000;
/// Names that one computer can have had in one log.
const MOST_NAMES: usize = 16;

/// A moment of a computer: what its clock showed, and its place in the order of what happened there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stamp {
    /// As recorded.
    pub(super) recorded: Filetime,
    /// The same as if the clock had never been changed; the same as recorded where no change is known.
    pub(super) ordered: Filetime,
    /// Whether it is certain between which changes the record is.
    pub(super) is_placed: bool,
    /// Whether records tell of all the changes by which it is corrected.
    is_known: bool,
}

impl Stamp {
    /// A moment of a clock of which no change is known.
    pub(super) fn steady(at: Filetime) -> Self {
        Stamp { recorded: at, ordered: at, is_placed: true, is_known: true }
    }

    /// Another moment that the clock showed then.
    pub(super) fn of_the_same_clock(self, recorded: Filetime) -> Self {
        let ordered = recorded.checked_add_ticks(self.ordered.ticks_since(self.recorded)).unwrap_or(recorded);
        Stamp { recorded, ordered, ..self }
    }

    /// Ticks from an earlier moment to this one.
    pub(super) fn ticks_since(self, earlier: Self) -> i64 {
        self.ordered.ticks_since(earlier.ordered)
    }

    /// What the clock should have shown, where that is known and something else.
    pub(super) fn corrected(self) -> Option<Filetime> {
        (self.is_placed && self.is_known && self.ordered != self.recorded).then_some(self.ordered)
    }
}

/// What a record of a log says of when it was, and its place in the log.
pub(crate) struct Numbered {
    log: ItemId,
    pub(super) computer: String,
    channel: String,
    /// Its number in the log that it is in.
    number_in_log: Option<u64>,
    /// The number that it got when it was first logged; a log that was exported counts anew.
    number: u64,
    /// When it was written.
    written: Option<Filetime>,
    /// When what it tells of happened, where the provider says so.
    said: Option<Filetime>,
    /// A change of the clock that it tells of: before, after.
    change: Option<(Filetime, Filetime)>,
    is_intact: bool,
}

impl Numbered {
    pub(super) fn of(event: &impl Happening) -> Self {
        let at = |role| event.value_of(role).and_then(|value| value.as_time().or_else(|| text_time(value)));
        let number_in_log = match event.locator() {
            Locator::EvtxRecord { record_id, .. } => Some(record_id),
            _ => None,
        };
        let first_number = event.text_of(Role::RecordNumber).and_then(|text| text.parse().ok());
        let change = at(Role::ClockBefore).zip(at(Role::ClockAfter));
        Numbered {
            log: event.item(),
            computer: log_event::computer(event),
            channel: event.text_of(Role::Channel).unwrap_or_default().to_owned(),
            number_in_log,
            number: first_number.or(number_in_log).unwrap_or(0),
            written: event.happened(),
            said: event.value_of(Role::HappenedAt).and_then(text_time).filter(|said| said.is_possible()),
            change: change.filter(|(before, after)| before.is_possible() && after.is_possible()),
            is_intact: event.integrity() == Integrity::Intact,
        }
    }

    /// When what it tells of happened: what its provider says, else when it was written.
    fn happened(&self) -> Option<Filetime> {
        self.said.or(self.written)
    }

    /// Whether the provider says when it was, so that this, and not the number, decides between two changes of the clock.
    pub(super) fn is_said(&self) -> bool {
        self.said.is_some()
    }
}

fn text_time(value: ValueRef<'_>) -> Option<Filetime> {
    Filetime::parse_utc(value.as_text()?)
}

/// The records of one channel of one computer, in whatever files they are: their numbers go on from file to file.
pub(super) type Series = u16;

/// A computer, whatever names it had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Machine(usize);

/// One log file.
struct Log {
    /// Whether others forward into it, so that its records are of several series.
    is_forwarded: bool,
    /// The computer that the last record named.
    computer: String,
    /// Those that records named before it, by their numbers.
    before: Vec<usize>,
    channel: String,
    numbers: (u64, u64),
    times: (Filetime, Filetime),
    /// Whether its numbers have nothing to do with those of the other files of its series.
    is_apart: bool,
}

impl Log {
    /// The computers that its records name, one after the other.
    fn names(&self, last: Option<usize>) -> Vec<usize> {
        self.before.iter().copied().chain(last).collect()
    }
}

/// What is seen of the logs while their records pass in the order of the times.
#[derive(Default)]
pub(super) struct Watch {
    logs: HashMap<ItemId, Log>,
    /// By computer its number; those that are one, since it was renamed, have one root.
    computers: HashMap<String, usize>,
    roots: Vec<usize>,
    is_out_of_order: bool,
}

impl Watch {
    /// Takes a record of a log, of a computer.
    pub(super) fn see(&mut self, record: &Numbered, is_forwarded: impl FnOnce() -> bool) {
        let (Some(number), Some(at)) = (record.number_in_log, record.written) else { return };
        let is_known = self.logs.contains_key(&record.log);
        if !record.is_intact || !is_known && self.logs.len() >= MOST_SERIES {
            return;
        }
        let computer = record.computer.as_str();
        let log = self.logs.entry(record.log).or_insert_with(|| Log {
            is_forwarded: is_forwarded(),
            computer: String::new(),
            before: Vec::new(),
            channel: record.channel.clone(),
            numbers: (number, number),
            times: (at, at),
            is_apart: false,
        });
        let is_late = record.happened().is_some_and(|happened| at.ticks_since(happened).abs() >= LEAST);
        let is_changed = record.change.is_some_and(|(before, after)| after.ticks_since(before).abs() >= LEAST);
        self.is_out_of_order |= is_late || is_changed || number < log.numbers.1 && !log.is_forwarded;
        log.numbers = (log.numbers.0.min(number), log.numbers.1.max(number));
        log.times = (log.times.0.min(at), log.times.1.max(at));
        if log.computer != computer {
            let before = std::mem::replace(&mut log.computer, computer.to_owned());
            self.renamed(record.log, &before, computer);
        }
    }

    /// Takes that the records of a log name another computer from here on. One that was renamed does not get its old name
    /// back soon: where names come again, several computers write into the log, whatever it is called.
    fn renamed(&mut self, log: ItemId, before: &str, now: &str) {
        let (Some(now), before) = (self.computer(now), self.computers.get(before).copied()) else { return };
        let Some(log) = self.logs.get_mut(&log).filter(|log| !log.is_forwarded) else { return };
        log.is_forwarded = log.before.contains(&now) || log.before.len() >= MOST_NAMES;
        log.before.extend(before);
        self.roots = (0..self.roots.len()).collect();
        let names: Vec<Vec<usize>> = self
            .logs
            .values()
            .filter(|log| !log.is_forwarded && !log.before.is_empty())
            .map(|log| log.names(self.computers.get(&log.computer).copied()))
            .collect();
        for pair in names.iter().flat_map(|names| names.windows(2)) {
            let (one, other) = (self.root(pair[0]), self.root(pair[1]));
            self.roots[one.max(other)] = one.min(other);
        }
    }

    fn computer(&mut self, name: &str) -> Option<usize> {
        if let Some(known) = self.computers.get(name) {
            return Some(*known);
        }
        let next = self.roots.len();
        (next < MOST_SERIES).then(|| {
            self.computers.insert(name.to_owned(), next);
            self.roots.push(next);
            next
        })
    }

    fn root(&self, mut at: usize) -> usize {
        while self.roots[at] != at {
            at = self.roots[at];
        }
        at
    }

    /// The computer of this name. One that no log named is like no other.
    pub(super) fn machine(&self, name: &str) -> Machine {
        Machine(self.computers.get(name).map_or(usize::MAX, |at| self.root(*at)))
    }

    /// Whether the order of the times is not that of the records.
    pub(super) fn is_out_of_order(&self) -> bool {
        // Where a log was archived, its numbers go on in another file.
        let goes_back = |one: &Log| {
            let later = |other: &Log| {
                other.channel == one.channel
                    && !one.is_forwarded
                    && !other.is_forwarded
                    && one.numbers.1 < other.numbers.0
                    && other.times.0 < one.times.1
            };
            self.logs.values().any(later)
        };
        self.is_out_of_order || self.logs.values().any(goes_back)
    }

    /// The series of all records. Files of one channel whose numbers began anew, since the log was cleared or is of another
    /// installation, are apart; so are those in which the times go back and the numbers leave a gap, as in the logs of a
    /// machine that was set back to an earlier state.
    pub(super) fn series(mut self) -> AllSeries {
        let of = |log: &Log| Some((self.root(*self.computers.get(&log.computer)?), log.channel.clone()));
        let mut files: HashMap<(usize, String), Vec<ItemId>> = HashMap::new();
        for (item, log) in self.logs.iter().filter(|(_, log)| !log.is_forwarded) {
            if let Some(series) = of(log) {
                files.entry(series).or_default().push(*item);
            }
        }
        let meets = |one: (u64, u64), other: (u64, u64)| one.0 <= other.1 && other.0 <= one.1;
        let mut apart = Vec::new();
        for items in files.into_values() {
            let logs = || items.iter().filter_map(|item| self.logs.get(item));
            let began_anew = |one: &Log| {
                let times = |log: &Log| (log.times.0.0, log.times.1.0);
                logs().any(|other| {
                    let leaves_gap = other.numbers.0.saturating_sub(one.numbers.1) > MOST_UNSEEN;
                    meets(one.numbers, other.numbers) && !meets(times(one), times(other))
                        || one.numbers.1 < other.numbers.0 && leaves_gap && other.times.0 < one.times.1
                })
            };
            if logs().any(began_anew) {
                apart.extend(items);
            }
        }
        for item in apart {
            self.logs.entry(item).and_modify(|log| log.is_apart = true);
        }
        AllSeries { watch: self, numbers: HashMap::new(), computers: Vec::new() }
    }
}

/// The series of all records of logs, each with the computer that it is of.
pub(super) struct AllSeries {
    watch: Watch,
    numbers: HashMap<(usize, String, Option<ItemId>), Series>,
    /// By series.
    computers: Vec<usize>,
}

impl AllSeries {
    /// The series of a record, and its number there.
    pub(super) fn of(&mut self, record: &Numbered) -> Option<(Series, u64)> {
        let key = self.key(record)?;
        let next = Series::try_from(self.numbers.len()).ok().filter(|next| usize::from(*next) < MOST_SERIES);
        let series = match self.numbers.get(&key) {
            Some(known) => *known,
            None => {
                let next = next?;
                self.computers.push(key.0);
                self.numbers.insert(key, next);
                next
            }
        };
        Some((series, record.number))
    }

    fn known(&self, record: &Numbered) -> Option<(Series, u64)> {
        Some((*self.numbers.get(&self.key(record)?)?, record.number))
    }

    fn key(&self, record: &Numbered) -> Option<(usize, String, Option<ItemId>)> {
        let computer = *self.watch.computers.get(&record.computer)?;
        let log = self.watch.logs.get(&record.log)?;
        let channel = if log.is_forwarded { &record.channel } else { &log.channel };
        Some((self.watch.root(computer), channel.clone(), log.is_apart.then_some(record.log)))
    }
}

/// A change of a clock.
#[derive(Clone, Debug)]
struct Step {
    before: Filetime,
    after: Filetime,
    /// Whether a record tells of it. Else it lies between two records of which the later has the earlier time.
    is_recorded: bool,
    by: Option<String>,
    is_by_time_service: bool,
    /// Whether a single time is all that goes before it. Then that record may have had a wrong time, as those of the service
    /// that keeps the logs have at its start, and only a record of the change makes it one.
    is_lone: bool,
    sources: Vec<Source>,
}

impl Step {
    fn ticks(&self) -> i64 {
        self.after.ticks_since(self.before)
    }

    fn is_same(&self, other: &Step) -> bool {
        let near = |one: Filetime, other: Filetime| one.ticks_since(other).abs() <= APART;
        near(self.before, other.before) && near(self.after, other.after)
    }
}

/// What the numbers of one series say: with this record the clock had been changed.
struct Mark {
    number: u64,
    step: Step,
}

/// Reads the records of each series in the order of their numbers, and finds where the clock was changed.
#[derive(Default)]
pub(super) struct Reading {
    marks: HashMap<Series, Vec<Mark>>,
    series: Option<Series>,
    /// The latest time so far in this series, and the one before that.
    latest: Option<Filetime>,
    earlier: Option<Filetime>,
}

impl Reading {
    /// Takes the next record; series come one after the other.
    pub(super) fn take(&mut self, event: &Event, (series, number): (Series, u64)) {
        if self.series != Some(series) {
            (self.series, self.latest, self.earlier) = (Some(series), None, None);
        }
        let marks = self.marks.entry(series).or_default();
        if marks.len() >= MOST_STEPS {
            return;
        }
        let Numbered { change, written: at, is_intact, .. } = Numbered::of(event);
        // The number or the time of what was recovered or is damaged can be anything.
        if !is_intact {
            return;
        }
        let recorded = change.filter(|(before, after)| after.ticks_since(*before).abs() >= LEAST);
        if let Some((before, after)) = recorded {
            let image = log_event::said(event, Role::Image);
            let account = log_event::account(event, Role::ByDomain, Role::ByName);
            let is_service = image.as_deref().is_some_and(|image| crate::paths::stem(image) == "svchost");
            let by = match (account, image) {
                (Some(account), Some(image)) => Some(format!("{account} with {image}")),
                (account, image) => account.or(image),
            };
            let step = Step {
                before,
                after,
                is_recorded: true,
                by,
                is_by_time_service: is_service,
                is_lone: false,
                sources: Source::all_of(event),
            };
            marks.push(Mark { number, step });
            (self.latest, self.earlier) = (at, None);
            return;
        }
        let Some(at) = at else { return };
        let is_far_above = |before: &Filetime| before.ticks_since(at) > INVERSION;
        if let Some(latest) = self.latest.filter(is_far_above) {
            let step = Step {
                before: latest,
                after: at,
                is_recorded: false,
                by: None,
                is_by_time_service: false,
                is_lone: !self.earlier.as_ref().is_some_and(is_far_above),
                sources: vec![Source::of(event)],
            };
            marks.push(Mark { number, step });
            (self.latest, self.earlier) = (Some(at), None);
        } else if self.latest.is_none_or(|latest| latest < at) {
            (self.latest, self.earlier) = (Some(at), self.latest);
        } else if self.latest != Some(at) {
            self.earlier = self.earlier.max(Some(at));
        }
    }

    /// The clocks of all computers.
    pub(super) fn finish(mut self, series: AllSeries) -> Clocks {
        let mut clocks: HashMap<usize, Clock> = HashMap::new();
        let mut all: Vec<(Series, usize)> =
            series.computers.iter().enumerate().map(|(at, computer)| (at as Series, *computer)).collect();
        all.sort_unstable();
        // First what is recorded, then what only the numbers show.
        for is_recorded in [true, false] {
            for (number, computer) in &all {
                let clock = clocks.entry(*computer).or_default();
                let marks = self.marks.entry(*number).or_default();
                let mut from = 0;
                for mark in marks.iter().filter(|mark| mark.step.is_recorded == is_recorded) {
                    let own = clock.marks.entry(*number).or_default();
                    let floor =
                        own.iter().filter(|(at, _)| *at <= mark.number).map(|(_, step)| step + 1).max().unwrap_or(0);
                    from = floor.max(from);
                    let Some(step) = clock.place(&mark.step, from) else { continue };
                    clock.marks.entry(*number).or_default().push((mark.number, step));
                    from = step + 1;
                }
                clock.marks.entry(*number).or_default().sort_unstable();
            }
        }
        Clocks { series: Some(series), clocks }
    }
}

/// What a computer's clock showed over its time, by the changes of it.
#[derive(Default)]
struct Clock {
    steps: Vec<Step>,
    /// By series the numbers of the records by which the clock had been changed, each with the change.
    marks: HashMap<Series, Vec<(u64, usize)>>,
}

impl Clock {
    /// The number of this change, which is not before the `from`th: one that is known already, or a new one. `None` where
    /// it is none, or there is no room for it.
    fn place(&mut self, step: &Step, from: usize) -> Option<usize> {
        let is_it = |known: &Step| match (step.is_recorded, known.is_recorded) {
            (true, _) => known.is_same(step),
            // The records on both sides of it are of any time before and after it.
            (false, true) => {
                known.ticks() < 0
                    && step.before.ticks_since(known.before) <= APART
                    && known.after.ticks_since(step.after) <= APART
            }
            (false, false) => step.after < known.before && known.after < step.before,
        };
        if let Some(found) = (from..self.steps.len()).find(|at| is_it(&self.steps[*at])) {
            let known = &mut self.steps[found];
            if !step.is_recorded && !known.is_recorded {
                known.before = known.before.max(step.before);
                known.after = known.after.min(step.after);
            }
            if step.is_recorded {
                known.by = known.by.take().max(step.by.clone());
                known.is_by_time_service |= step.is_by_time_service;
                known.sources.extend(step.sources.iter().take(4).cloned());
            }
            return Some(found);
        }
        if step.is_lone || self.steps.len() >= MOST_STEPS {
            return None;
        }
        // Before it are the changes after which the clock showed no more than before it.
        let later = |at: &usize| self.steps[*at].after > step.before;
        let at = (from..self.steps.len()).find(later).unwrap_or(self.steps.len());
        self.steps.insert(at, step.clone());
        for (_, step) in self.marks.values_mut().flatten() {
            *step += usize::from(*step >= at);
        }
        Some(at)
    }

    /// The stretch between two changes that a record of a series is in, and whether that is certain.
    fn stretch(&self, series: Series, number: u64, at: Option<Filetime>) -> (usize, bool) {
        let marks = self.marks.get(&series).map_or(&[][..], Vec::as_slice);
        let passed = marks.partition_point(|(of, _)| *of <= number);
        let least = marks[..passed].iter().map(|(_, step)| step + 1).max().unwrap_or(0);
        let most = marks.get(passed).map_or(self.steps.len(), |(_, step)| *step).max(least);
        let Some(at) = at else { return (least, least == most) };
        let fits = |stretch: &usize| {
            let from = stretch.checked_sub(1).and_then(|step| self.steps.get(step));
            let until = self.steps.get(*stretch);
            from.is_none_or(|from| from.after.ticks_since(at) <= APART)
                && until.is_none_or(|until| at.ticks_since(until.before) <= APART)
        };
        let mut fitting = (least..=most).filter(fits);
        let first = fitting.next().unwrap_or(least);
        (first, fitting.next().is_none())
    }

    /// Ticks from what the clock showed in one stretch to what it would have shown in another, and whether all the changes
    /// between them are recorded.
    fn between(&self, from: usize, to: usize) -> (i64, bool) {
        let steps = &self.steps[from.min(to)..from.max(to)];
        let ticks = steps.iter().map(Step::ticks).fold(0, i64::saturating_add);
        (if from <= to { ticks } else { ticks.saturating_neg() }, steps.iter().all(|step| step.is_recorded))
    }

    /// The stretch by whose clock all times are corrected: what a time service set last, else that of the last record.
    fn right(&self) -> usize {
        let service = self.steps.iter().rposition(|step| step.is_by_time_service);
        service.map_or(self.steps.len(), |step| step + 1)
    }
}

/// The clocks of all computers; none where the order of the times is that of the records.
#[derive(Default)]
pub(super) struct Clocks {
    series: Option<AllSeries>,
    clocks: HashMap<usize, Clock>,
}

impl Clocks {
    fn of(&self, record: &Numbered) -> Option<(&Clock, Series, u64)> {
        let series = self.series.as_ref()?;
        let (number, record) = series.known(record)?;
        let computer = series.computers.get(usize::from(number))?;
        Some((self.clocks.get(computer)?, number, record))
    }

    /// When what a record tells of happened.
    pub(super) fn stamp(&self, record: &Numbered) -> Option<Stamp> {
        let recorded = record.happened()?;
        let Some((clock, series, number)) = self.of(record) else { return Some(Stamp::steady(recorded)) };
        let (stretch, is_placed) = clock.stretch(series, number, record.written);
        let (ticks, is_known) = clock.between(stretch, clock.right());
        let ordered = recorded.checked_add_ticks(ticks).unwrap_or(recorded);
        Some(Stamp { recorded, ordered, is_placed, is_known })
    }

    /// The series that a record is in.
    pub(super) fn series_of(&self, record: &Numbered) -> Option<Series> {
        Some(self.series.as_ref()?.known(record)?.0)
    }

    /// The changes, by computer.
    pub(super) fn changes(&self, places: &Places) -> Vec<ClockChange> {
        let Some(series) = &self.series else { return Vec::new() };
        let mut names: Vec<(&String, usize)> = series.watch.computers.iter().map(|(name, at)| (name, *at)).collect();
        names.sort_unstable();
        let mut found = Vec::new();
        let mut told = std::collections::HashSet::new();
        for (name, computer) in names {
            let root = series.watch.root(computer);
            let Some(clock) = self.clocks.get(&root).filter(|_| told.insert(root)) else { continue };
            found.extend(clock.steps.iter().map(|step| ClockChange {
                before: step.before,
                after: step.after,
                is_recorded: step.is_recorded,
                by: step.by.clone(),
                computer: name.clone(),
                sources: step.sources.iter().take(8).map(|source| places.plain(source)).collect(),
            }));
        }
        found
    }
}

/// The place of a record of a log in the order in which its records were numbered, series after series.
pub(super) fn by_number((series, number): (Series, u64)) -> u64 {
    const NUMBERS: u32 = 48;
    u64::from(series) << NUMBERS | number.min((1 << NUMBERS) - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(records: &[(u32, u64, &str)]) -> Watch {
        let mut watch = Watch::default();
        for (at, (log, number, computer)) in records.iter().enumerate() {
            let written = Some(Filetime(130_000_000_000_000_000 + at as u64 * 10_000_000));
            let record = Numbered {
                log: ItemId(*log),
                computer: (*computer).to_owned(),
                channel: "System".to_owned(),
                number_in_log: Some(*number),
                number: *number,
                written,
                said: None,
                change: None,
                is_intact: true,
            };
            watch.see(&record, || false);
        }
        watch
    }

    #[test]
    fn a_computer_that_was_renamed_is_one_and_several_that_write_into_a_log_are_not() {
        let watch = seen(&[(1, 1, "OLD"), (1, 2, "OLD"), (1, 3, "NEW"), (2, 1, "OLD"), (2, 2, "THIRD")]);
        assert_eq!(watch.machine("OLD"), watch.machine("NEW"));
        assert_eq!(watch.machine("OLD"), watch.machine("THIRD"), "another log of it has another new name");
        let watch = seen(&[(1, 1, "A"), (1, 2, "B"), (1, 3, "A"), (1, 4, "C"), (2, 1, "C"), (2, 2, "D")]);
        assert_ne!(watch.machine("A"), watch.machine("B"));
        assert_ne!(watch.machine("A"), watch.machine("C"));
        assert_eq!(watch.machine("C"), watch.machine("D"));
        assert!(!watch.is_out_of_order());
    }
}
