//! One moment of one record: the row of a timeline.

use evidence::{Claim, Filetime, Integrity, ItemId, Locator, Meaning, Record, RecordType, Role, ValueRef};

/// One moment of one record. A record without times gives one undated event.
///
/// A record that stores several moments with the same time gives one event for them, and every meaning of
/// that time stands in it. The record itself is always complete, so an observer that wants each record
/// once acts on events for which [`Event::is_first`] holds.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// When, in UTC; `None` for undated records, which sort last.
    pub time: Option<Filetime>,
    /// What the time means.
    pub meaning: Meaning,
    /// What else the same time means in this record, in stored order; mostly nothing.
    pub also: Vec<Meaning>,
    /// The object that the record stands in.
    pub item: ItemId,
    /// The record, complete.
    pub record: Record,
    /// Other places where the same record stands: a log that was collected twice, or archived.
    pub other_sources: Vec<EventSource>,
}

/// Another place that holds the same record.
#[derive(Clone, Debug, PartialEq)]
pub struct EventSource {
    /// The object.
    pub item: ItemId,
    /// Where in it.
    pub locator: Locator,
    /// How whole the record is there.
    pub integrity: Integrity,
}

impl Event {
    /// Where the moment is stored: at a place of its own, or with the record.
    pub(crate) fn locator(&self) -> Locator {
        let mut here = self.record.moments.iter();
        let exact = here.find(|moment| moment.when.sort_key() == self.time && moment.meaning == self.meaning);
        let exact = exact.and_then(|moment| moment.locator.as_deref());
        exact.unwrap_or(&self.record.locator).clone()
    }

    /// The events of a record: one for each distinct time that it stores, in the order of the times.
    pub fn all_of(item: ItemId, record: &Record) -> Vec<Event> {
        distinct_times(record).into_iter().map(|time| Event::at(item, record.clone(), time)).collect()
    }

    /// The event of a record at one of its distinct times.
    pub(crate) fn at(item: ItemId, record: Record, time: Option<Filetime>) -> Event {
        let mut meanings =
            record.moments.iter().filter(|moment| moment.when.sort_key() == time).map(|moment| moment.meaning);
        let meaning = meanings.next().unwrap_or(Meaning::NOT_A_TIME);
        let also = meanings.collect();
        Event { time, meaning, also, item, record, other_sources: Vec::new() }
    }

    /// When it happened, as far as the time is one that a clock can have shown.
    pub fn happened(&self) -> Option<Filetime> {
        self.time.filter(|time| time.is_possible())
    }

    /// Every meaning of the time, in stored order.
    pub fn meanings(&self) -> impl Iterator<Item = Meaning> + '_ {
        std::iter::once(self.meaning).chain(self.also.iter().copied())
    }

    /// Whether this is the first event that its record gives, in the order of time. Exactly one event of
    /// every record is.
    pub fn is_first(&self) -> bool {
        let earliest = self.record.moments.iter().filter_map(|moment| moment.when.sort_key()).min();
        self.time == earliest
    }
}

/// What of an event is counted, whoever asks for it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Glance {
    /// Id of the artifact.
    pub(crate) artifact: &'static str,
    /// The object that the record is in.
    pub(crate) item: ItemId,
    /// See [`Event::happened`].
    pub(crate) happened: Option<Filetime>,
    /// See [`Event::is_first`].
    pub(crate) is_first: bool,
}

impl Glance {
    pub(crate) fn of(event: &impl Happening) -> Glance {
        Glance {
            artifact: event.artifact(),
            item: event.item(),
            happened: event.happened(),
            is_first: event.is_first(),
        }
    }
}

/// What is asked of any event before its record is needed as a whole: of one that is still encoded, and of an owned one.
pub(crate) trait Happening {
    /// The type of the record.
    fn of(&self) -> &'static RecordType;
    /// What the record itself may support.
    fn claims(&self) -> &'static [Claim];
    /// Id of the artifact.
    fn artifact(&self) -> &'static str;
    /// The object that the record is in.
    fn item(&self) -> ItemId;
    /// See [`Event::happened`].
    fn happened(&self) -> Option<Filetime>;
    /// See [`Event::is_first`].
    fn is_first(&self) -> bool;
    /// See [`Event::meanings`].
    fn meanings(&self) -> impl Iterator<Item = Meaning>;
    /// The value in a role, where it is one value and not several.
    fn value_of(&self, role: Role) -> Option<ValueRef<'_>>;
    /// See [`Event::locator`].
    fn locator(&self) -> Locator;
    /// How whole the record is.
    fn integrity(&self) -> Integrity;
    /// Where else the record stands.
    fn copies(&self) -> impl Iterator<Item = EventSource>;
    /// The event itself.
    fn to_event(&self) -> Event;

    /// The text in a role.
    fn text_of(&self, role: Role) -> Option<&str> {
        self.value_of(role)?.as_text()
    }

    /// Whether the flag in a role is there, and set.
    fn is_set(&self, role: Role) -> bool {
        self.value_of(role).and_then(ValueRef::as_bool) == Some(true)
    }
}

impl Happening for Event {
    fn of(&self) -> &'static RecordType {
        self.record.of
    }

    fn claims(&self) -> &'static [Claim] {
        self.record.claims
    }

    fn artifact(&self) -> &'static str {
        self.record.artifact
    }

    fn item(&self) -> ItemId {
        self.item
    }

    fn happened(&self) -> Option<Filetime> {
        Event::happened(self)
    }

    fn is_first(&self) -> bool {
        Event::is_first(self)
    }

    fn meanings(&self) -> impl Iterator<Item = Meaning> {
        Event::meanings(self)
    }

    fn value_of(&self, role: Role) -> Option<ValueRef<'_>> {
        let value = self.record.role(role)?.value;
        (!matches!(value, ValueRef::List(_) | ValueRef::Map(_))).then_some(value)
    }

    fn locator(&self) -> Locator {
        Event::locator(self)
    }

    fn integrity(&self) -> Integrity {
        self.record.integrity
    }

    fn copies(&self) -> impl Iterator<Item = EventSource> {
        self.other_sources.iter().cloned()
    }

    fn to_event(&self) -> Event {
        self.clone()
    }
}

/// The distinct times of a record, in order; one `None` where it has no time at all.
pub(crate) fn distinct_times(record: &Record) -> Vec<Option<Filetime>> {
    let mut times: Vec<_> = record.moments.iter().filter_map(|moment| moment.when.sort_key()).collect();
    times.sort_unstable();
    times.dedup();
    if times.is_empty() { vec![None] } else { times.into_iter().map(Some).collect() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use evidence::{Fields, Moment, Timestamp, When};

    fn record(moments: Vec<Moment>) -> Record {
        Record {
            artifact: "mft",
            of: crate::testing::of("windows:ntfs:file"),
            subject: r"\a.dll".to_owned(),
            user: None,
            moments,
            fields: Fields::new(),
            claims: &[],
            locator: Locator::Whole,
            integrity: Integrity::Intact,
        }
    }

    fn moment(meaning: Meaning, ticks: u64) -> Moment {
        Moment::at(meaning, Timestamp::filetime(ticks).unwrap())
    }

    #[test]
    fn a_time_that_no_clock_showed_is_none() {
        for (ticks, is_possible) in [
            (1, false),
            (119_600_063_999_999_999, false),
            (119_600_064_000_000_000, true),
            (0x7FFF_FFFF_FFFF_FFFF, false),
        ] {
            let record = record(vec![moment(Meaning::LAST_RUN, ticks)]);
            let event = Event::all_of(ItemId(1), &record).remove(0);
            assert_eq!((event.time.is_some(), event.happened().is_some()), (true, is_possible), "{ticks}");
        }
    }

    #[test]
    fn same_time_gives_one_event_with_every_meaning() {
        let record = record(vec![
            moment(Meaning::SI_MODIFIED, 20),
            moment(Meaning::SI_CREATED, 10),
            moment(Meaning::FN_CREATED, 10),
        ]);
        let events = Event::all_of(ItemId(3), &record);
        assert_eq!(events.len(), 2);
        assert_eq!(events[0].meanings().collect::<Vec<_>>(), [Meaning::SI_CREATED, Meaning::FN_CREATED]);
        assert_eq!(events[1].meanings().collect::<Vec<_>>(), [Meaning::SI_MODIFIED]);
        assert_eq!(events.iter().map(Event::is_first).collect::<Vec<_>>(), [true, false]);
    }

    #[test]
    fn a_record_without_times_gives_one_undated_event() {
        let undated = Moment { meaning: Meaning::LAST_RUN, when: When::Undated, locator: None };
        for record in [record(vec![]), record(vec![undated])] {
            let events = Event::all_of(ItemId(0), &record);
            assert_eq!(events.len(), 1);
            assert_eq!(events[0].time, None);
            assert!(events[0].is_first());
        }
    }
}
