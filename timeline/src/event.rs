//! One moment of one record: the row of a timeline.

use evidence::{Filetime, ItemId, Meaning, Record};

/// One moment of one record. A record without times gives one undated event.
#[derive(Clone, Debug)]
pub struct Event {
    /// When, in UTC; `None` for undated records, which sort last.
    pub time: Option<Filetime>,
    /// What the time means.
    pub meaning: Meaning,
    /// The object that the record stands in.
    pub item: ItemId,
    /// The record, complete.
    pub record: Record,
}
