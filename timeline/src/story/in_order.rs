//! The story again, in the order in which things were.
//!
//! Events come in the order of the times that they have. Where that is not the order in which they were recorded, since the
//! clock was changed or a record was written late, the records of logs are sorted by their numbers, which shows the changes
//! of the clock, and then by the corrected times; only then are processes, boots and sessions told from them.

use super::clock::{self, AllSeries, Numbered, Reading};
use super::log_event::{self, LogEvent};
use super::{Correlator, Taken, asks};
use crate::event::{Event, Glance, Happening, distinct_times};
use crate::merge::{Eye, MergeError, Merger, Observer, Sorted};
use evidence::{Filetime, Record, Tells};
use std::collections::HashMap;

/// Bytes that each of the two sorters may take.
const BUDGET: usize = 8 << 20;

/// Sorts what depends on the order of records, and hands on the rest.
struct Sorting<'s, 'a> {
    to: &'s mut Correlator<'a>,
    series: &'s mut AllSeries,
    /// By series and number.
    by_number: &'s Merger,
    /// By time.
    by_time: &'s Merger,
}

impl Observer for Sorting<'_, '_> {
    type Taken = Event;

    fn eye(&self) -> Eye<Event> {
        let focus = self.to.focus.clone();
        Box::new(move |event| asks(event, focus.as_deref()).then(|| event.to_event()))
    }

    fn count(&mut self, glance: &Glance) {
        self.to.count(glance);
    }

    fn observe(&mut self, event: Event) {
        let is_live = matches!(event.record.of.tells, Tells::LiveProcess | Tells::LiveSession | Tells::LiveConnection);
        if event.record.of.is_event() {
            if matches!(log_event::read(&event), LogEvent::Other) {
                return;
            }
            match self.series.of(&Numbered::of(&event)) {
                Some(place) => add(self.by_number, &event, Filetime(clock::by_number(place))),
                None => add_in_time(self.by_time, &event),
            }
        } else if is_live {
            add_in_time(self.by_time, &event);
        } else {
            self.to.take(Taken::Whole(event));
        }
    }
}

/// Adds an event, and its copies in other objects, at a place of the order.
fn add(to: &Merger, event: &Event, place: Filetime) {
    to.add_at(event.item, &event.record, std::iter::once(place));
    for other in &event.other_sources {
        let (locator, integrity) = (other.locator.clone(), other.integrity);
        to.add_at(other.item, &Record { locator, integrity, ..event.record.clone() }, std::iter::once(place));
    }
}

/// The same at its own time.
fn add_in_time(to: &Merger, event: &Event) {
    add(to, event, event.time.unwrap_or(Filetime(u64::MAX)));
}

/// An event of a log that was sorted by something else, at the time that it has.
fn as_recorded(event: Event) -> Event {
    if !event.record.of.is_event() {
        return event;
    }
    let time = distinct_times(&event.record).first().copied().flatten();
    Event { other_sources: event.other_sources, ..Event::at(event.item, event.record, time) }
}

impl Correlator<'_> {
    /// Tells the story again where the order of the times was not that of the records.
    pub(crate) fn in_order(&mut self, sorted: &mut Sorted) -> Result<(), MergeError> {
        if !self.watch.is_out_of_order() {
            return Ok(());
        }
        let mut series = std::mem::take(&mut self.watch).series();
        self.begin_again();
        let (by_number, by_time) = (Merger::new(sorted.folder(), BUDGET), Merger::new(sorted.folder(), BUDGET));
        sorted.rewind()?;
        sorted.show(&mut Sorting { to: self, series: &mut series, by_number: &by_number, by_time: &by_time })?;

        let mut numbered = by_number.finish()?;
        let mut reading = Reading::default();
        for event in numbered.by_ref() {
            let event = as_recorded(event?);
            if let Some(place) = series.of(&Numbered::of(&event)) {
                reading.take(&event, place);
            }
        }
        self.clocks = reading.finish(series);
        numbered.rewind()?;
        // Inside a series nothing comes before what has a smaller number.
        let mut reached: HashMap<clock::Series, Filetime> = HashMap::new();
        for event in numbered {
            let event = as_recorded(event?);
            let record = Numbered::of(&event);
            let at = self.clocks.stamp(&record).map(|stamp| stamp.ordered);
            let reached = self.clocks.series_of(&record).map(|series| reached.entry(series).or_default());
            let place = match (reached, record.is_said()) {
                (Some(reached), false) => {
                    *reached = (*reached).max(at.unwrap_or_default());
                    *reached
                }
                _ => at.unwrap_or_default(),
            };
            add(&by_time, &event, place);
        }
        for event in by_time.finish()? {
            if let Some(taken) = Taken::of(&as_recorded(event?), None) {
                self.take(taken);
            }
        }
        Ok(())
    }
}
