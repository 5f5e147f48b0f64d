//! What is asked of an event while its record is still encoded, and who is shown it.

use super::codec::{RecordView, ValueView};
use super::view::{EventView, MomentView};
use crate::event::{Glance, Happening};
use evidence::{Claim, Filetime, ItemId, Meaning, RecordType, Role};
use std::ops::ControlFlow;

/// An event whose record is still encoded, with the moments of its time.
#[derive(Clone, Copy)]
pub(crate) struct Seen<'a> {
    pub(crate) event: EventView<'a>,
    pub(crate) moments: &'a [MomentView],
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

impl<'a> RecordView<'a> {
    /// The value in a role.
    fn role(&self, role: Role) -> Option<ValueView<'a>> {
        self.shape.of.in_role(role).find_map(|field| {
            let mut found = None;
            self.each_field(|name, value| {
                if name.as_str() == field.name {
                    found = Some(value);
                    return ControlFlow::Break(());
                }
                ControlFlow::Continue(())
            });
            found
        })
    }
}

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

    fn text_of(&self, role: Role) -> Option<&str> {
        match self.event.record.role(role)? {
            ValueView::Text(text) => Some(text),
            _ => None,
        }
    }

    fn is_set(&self, role: Role) -> bool {
        matches!(self.event.record.role(role), Some(ValueView::Bool(true)))
    }
}
