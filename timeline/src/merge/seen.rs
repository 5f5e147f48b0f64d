//! What is asked of an event while its record is still encoded, and who is shown it.

use super::codec::{ValueView, Values};
use super::view::{EventView, MomentView};
use crate::event::{Event, EventSource, Glance, Happening};
use evidence::{Claim, Filetime, Integrity, ItemId, Locator, Meaning, RecordType, Role, ValueRef};
use std::cell::RefCell;

/// An event whose record is still encoded, with the moments of its time.
pub(crate) struct Seen<'a> {
    pub(crate) event: EventView<'a>,
    pub(crate) moments: &'a [MomentView],
    values: RefCell<Values<'a>>,
}

impl<'a> Seen<'a> {
    pub(crate) fn new(event: EventView<'a>, moments: &'a [MomentView]) -> Self {
        Seen { event, moments, values: RefCell::new(Values::new(event.record)) }
    }

    /// The value of the field of this number.
    pub(crate) fn value(&self, number: usize) -> Option<ValueView<'a>> {
        self.values.borrow_mut().get(number)
    }
}

/// Looks on while the merged events pass, in their order.
pub(crate) trait Observer: Send {
    /// What it needs of an event for which it asks.
    type Taken: Send;

    /// What takes that out of an event, on any thread; of one for which it does not ask, nothing.
    fn eye(&self) -> Eye<Self::Taken>;

    /// Counts an event. Each is counted before it is shown.
    fn count(&mut self, glance: &Glance);

    /// Gets what was taken out of an event.
    fn observe(&mut self, taken: Self::Taken);
}

/// Looks at an event.
pub(crate) type Eye<T> = Box<dyn Fn(&Seen<'_>) -> Option<T> + Send + Sync>;

impl Happening for Seen<'_> {
    fn of(&self) -> &'static RecordType {
        self.event.record.shape.of
    }

    fn claims(&self) -> &'static [Claim] {
        self.event.record.shape.claims
    }

    fn artifact(&self) -> &'static str {
        self.event.record.shape.artifact
    }

    fn item(&self) -> ItemId {
        self.event.record.item
    }

    fn happened(&self) -> Option<Filetime> {
        self.event.happened()
    }

    fn is_first(&self) -> bool {
        self.event.is_first
    }

    fn meanings(&self) -> impl Iterator<Item = Meaning> {
        self.moments.iter().map(|(_, meaning)| *meaning)
    }

    fn value_of(&self, role: Role) -> Option<ValueRef<'_>> {
        self.values.borrow_mut().role(role)?.single()
    }

    fn locator(&self) -> Locator {
        let moment = self.moments.first().map(|(index, _)| *index);
        let mut places = self.event.record.moment_places();
        let own = places.find(|(index, _)| Some(*index) == moment).map(|(_, place)| place);
        own.unwrap_or(self.event.record.place).to_locator()
    }

    fn integrity(&self) -> Integrity {
        self.event.record.integrity
    }

    fn copies(&self) -> impl Iterator<Item = EventSource> {
        self.event.copies()
    }

    fn to_event(&self) -> Event {
        self.event.to_event()
    }
}
