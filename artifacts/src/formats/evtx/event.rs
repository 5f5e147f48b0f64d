//! Instances of templates: the events themselves.

use super::chunk::RawRecord;
use super::template::{Definitions, Label, Naming, Part, Piece, Source, Template, Undecodable};
use super::value::{FRAGMENT, RawValue};
use evidence::Filetime;
use evidence::le::u32_at;
use std::borrow::Cow;
use std::rc::Rc;

/// Deepest nesting of instances in instances. Windows' own events have two or three levels.
const MAX_NESTING: u32 = 8;
/// Most stored bytes that one event may render, counted each time they are used. A record is smaller than a chunk.
const MAX_BYTES: usize = 256 << 10;
/// Most columns that are looked at for one event, counted in the same way.
const MAX_COLUMNS: usize = 16 << 10;

/// Takes the values of an event, each written where the taker wants to have it.
pub trait Values {
    /// Where the text of the next value is appended.
    fn text(&mut self) -> &mut String;
    /// The value of this label is what was appended since the text had the length `start`; nothing for `None`.
    fn end(&mut self, label: &Label, start: Option<usize>);
}

/// What may still be spent on one event.
struct Budget {
    bytes: usize,
    columns: usize,
}

impl Budget {
    fn spend(left: &mut usize, amount: usize) -> Result<(), Undecodable> {
        *left = left.checked_sub(amount).ok_or(Undecodable::TooLarge)?;
        Ok(())
    }
}

/// Type, length and place of one value; its bytes are looked up when it is needed, since of most events few are.
#[derive(Clone, Copy)]
struct Slot {
    kind: u8,
    size: u16,
    offset: u32,
}

/// One template instance: its definition and the values for it. Nothing is rendered yet.
pub struct Event<'a> {
    data: &'a [u8],
    template: Rc<Template>,
    slots: Vec<Slot>,
}

fn value_of<'a>(data: &'a [u8], slot: Slot) -> RawValue<'a> {
    let offset = slot.offset as usize;
    RawValue { kind: slot.kind, data: data.get(offset..offset + usize::from(slot.size)).unwrap_or_default(), offset }
}

/// Where an event comes from, as it is stored: equal bytes mean the same, and need not be rendered again.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Origin<'e>([(u8, &'e [u8]); 3]);

impl Origin<'_> {
    /// A copy that outlives the event.
    pub fn to_owned(self) -> StoredOrigin {
        StoredOrigin(self.0.map(|(kind, bytes)| (kind, bytes.into())))
    }
}

/// An [`Origin`] with its own bytes.
pub struct StoredOrigin([(u8, Box<[u8]>); 3]);

impl PartialEq<Origin<'_>> for StoredOrigin {
    fn eq(&self, other: &Origin<'_>) -> bool {
        self.0.iter().zip(other.0).all(|(own, (kind, bytes))| own.0 == kind && *own.1 == *bytes)
    }
}

impl<'a> Event<'a> {
    fn value(&self, index: u16) -> Option<RawValue<'a>> {
        self.slots.get(usize::from(index)).map(|slot| value_of(self.data, *slot))
    }

    fn text<'s>(&'s self, source: &'s Source) -> Cow<'s, str> {
        match source {
            Source::Nowhere => Cow::Borrowed(""),
            Source::Literal(text) => Cow::Borrowed(text),
            Source::Value(index) => {
                let mut text = String::new();
                if let Some(value) = self.value(*index) {
                    value.render(&mut text);
                }
                Cow::Owned(text)
            }
        }
    }

    /// What decides about provider and channel, undecoded.
    pub fn origin(&self) -> Origin<'_> {
        /// No type of a value.
        const LITERAL: u8 = 0xFF;
        let Template { provider, provider_guid, channel, .. } = &*self.template;
        Origin([provider, provider_guid, channel].map(|source| match source {
            Source::Nowhere => (LITERAL, &[][..]),
            Source::Literal(text) => (LITERAL, text.as_bytes()),
            Source::Value(index) => self.value(*index).map_or((LITERAL, &[][..]), |value| (value.kind, value.data)),
        }))
    }

    /// EventID.
    pub fn event_id(&self) -> Option<u64> {
        match &self.template.event_id {
            Source::Value(index) => self.value(*index)?.number(),
            Source::Literal(text) => text.trim().parse().ok(),
            Source::Nowhere => None,
        }
    }

    /// Name of the provider, empty where there is none.
    pub fn provider(&self) -> Cow<'_, str> {
        self.text(&self.template.provider)
    }

    /// GUID of the provider as it is rendered, empty where there is none.
    pub fn provider_guid(&self) -> Cow<'_, str> {
        self.text(&self.template.provider_guid)
    }

    /// Channel, empty where there is none.
    pub fn channel(&self) -> Cow<'_, str> {
        self.text(&self.template.channel)
    }

    /// TimeCreated in FILETIME ticks.
    pub fn time(&self) -> Option<u64> {
        let stored = match &self.template.time {
            Source::Value(index) => self.value(*index).and_then(|value| value.filetime()),
            _ => None,
        };
        // A forwarded event can carry its time as text.
        stored.or_else(|| Filetime::parse_utc(&self.text(&self.template.time)).map(|time| time.0))
    }
}

/// What is left of an instance whose definition cannot be read: its values, or not even these.
struct Unnamed {
    error: Undecodable,
    slots: Vec<Slot>,
}

impl From<Undecodable> for Unnamed {
    fn from(error: Undecodable) -> Self {
        Unnamed { error, slots: Vec::new() }
    }
}

/// The events of one chunk.
pub struct Events<'a> {
    data: &'a [u8],
    definitions: Definitions<'a>,
    /// Memory of closed events.
    spare: Vec<Vec<Slot>>,
}

impl<'a> Events<'a> {
    /// No definition is known yet.
    pub fn new(chunk: &'a [u8], naming: Naming) -> Self {
        Events { data: chunk, definitions: Definitions::new(chunk, naming), spare: Vec::new() }
    }

    /// Reads what is needed to decide about a record. [`Events::close`] takes it back.
    pub fn open(&mut self, record: &RawRecord) -> Result<Event<'a>, Undecodable> {
        self.instance(record.body, record.end, Part::Root).map_err(|unnamed| unnamed.error)
    }

    /// Takes an event back, to use its memory for the next one.
    pub fn close(&mut self, event: Event<'a>) {
        self.recycle(event.slots);
    }

    fn recycle(&mut self, mut slots: Vec<Slot>) {
        slots.clear();
        self.spare.push(slots);
    }

    /// Renders an event: gives each value in the order of the XML. Members of a [`Label::Numbered`] array come one by
    /// one, and a missing value of that label as `None`, so that the others keep their numbers; the same for a fragment
    /// whose definition is lost. After an error what was handed over is still right.
    pub fn render(&mut self, event: &Event<'a>, out: &mut impl Values) -> Result<(), Undecodable> {
        let mut budget = Budget { bytes: MAX_BYTES, columns: MAX_COLUMNS };
        self.walk(event, 0, &mut budget, out)
    }

    fn walk(
        &mut self,
        event: &Event<'a>,
        nesting: u32,
        budget: &mut Budget,
        out: &mut impl Values,
    ) -> Result<(), Undecodable> {
        if nesting > MAX_NESTING {
            return Err(Undecodable::TooLarge);
        }
        Budget::spend(&mut budget.columns, event.template.columns.len())?;
        let mut outcome = Ok(());
        for column in &event.template.columns {
            if column.label == Label::Numbered
                && let [Piece::Value(index)] = event.template.pieces[column.pieces.clone()]
                && let Some(value) = event.value(index).filter(RawValue::is_array)
            {
                Budget::spend(&mut budget.bytes, value.data.len())?;
                value.members(&mut |member| {
                    let start = out.text().len();
                    member.render(out.text());
                    out.end(&column.label, Some(start));
                });
                continue;
            }
            let is_wanted = column.label != Label::Skip;
            let mut start = None;
            // Text before a fragment in the same element, which Windows itself never writes.
            let mut before = String::new();
            for piece in &event.template.pieces[column.pieces.clone()] {
                match piece {
                    Piece::Literal(literal) if is_wanted => {
                        Budget::spend(&mut budget.bytes, literal.len())?;
                        start.get_or_insert(out.text().len());
                        out.text().push_str(literal);
                    }
                    Piece::Literal(_) => {}
                    Piece::Value(index) => match event.value(*index) {
                        Some(value) if value.kind == FRAGMENT => {
                            if let Some(start) = start.take() {
                                before.push_str(&out.text().split_off(start));
                            }
                            match self.fragment(&value, column.inside, nesting + 1, budget, out) {
                                Err(Undecodable::Nameless) => outcome = Err(Undecodable::Nameless),
                                inner => inner?,
                            }
                            if !before.is_empty() {
                                start = Some(out.text().len());
                                out.text().push_str(&std::mem::take(&mut before));
                            }
                        }
                        Some(value) if is_wanted && !value.is_null() => {
                            Budget::spend(&mut budget.bytes, value.data.len())?;
                            start.get_or_insert(out.text().len());
                            value.render(out.text());
                        }
                        _ => {}
                    },
                }
            }
            if column.label == Label::Numbered || (is_wanted && start.is_some()) {
                out.end(&column.label, start);
            }
        }
        outcome
    }

    fn fragment(
        &mut self,
        value: &RawValue<'a>,
        part: Part,
        nesting: u32,
        budget: &mut Budget,
        out: &mut impl Values,
    ) -> Result<(), Undecodable> {
        if value.data.is_empty() {
            return Ok(());
        }
        match self.instance(value.offset, value.offset + value.data.len(), part) {
            Ok(inner) => {
                let outcome = self.walk(&inner, nesting, budget, out);
                self.close(inner);
                outcome
            }
            Err(unnamed) if unnamed.slots.is_empty() => Err(unnamed.error),
            Err(unnamed) => {
                Budget::spend(&mut budget.columns, unnamed.slots.len())?;
                for slot in &unnamed.slots {
                    let value = value_of(self.data, *slot);
                    Budget::spend(&mut budget.bytes, value.data.len())?;
                    let start = out.text().len();
                    value.render(out.text());
                    out.end(&Label::Numbered, (!value.is_null()).then_some(start));
                }
                self.recycle(unnamed.slots);
                Err(Undecodable::Nameless)
            }
        }
    }

    /// Reads a fragment: optional fragment headers, then a template instance or a plain element.
    fn instance(&mut self, from: usize, to: usize, part: Part) -> Result<Event<'a>, Unnamed> {
        let malformed = |offset| Undecodable::Malformed { offset };
        let mut at = from;
        while self.data.get(at) == Some(&0x0F) {
            at += 4;
        }
        if at >= to || to > self.data.len() {
            return Err(malformed(at).into());
        }
        if self.data[at] != 0x0C {
            let template = Rc::new(self.definitions.element(at, to, part, false)?);
            return Ok(Event { data: self.data, template, slots: Vec::new() });
        }
        let id = u32_at(self.data, at + 2).ok_or(malformed(at))?;
        let definition = u32_at(self.data, at + 6).ok_or(malformed(at))?;
        at += 10;
        // The definition itself follows where it is used for the first time.
        if definition as usize == at {
            let size = u32_at(self.data, at + 20).ok_or(malformed(at))? as usize;
            at = at.checked_add(24 + size).filter(|end| *end <= to).ok_or(malformed(at))?;
        }
        let template = self.definitions.get(definition, id, part);
        let count = u32_at(self.data, at).ok_or(malformed(at))? as usize;
        let table = at + 4;
        let mut offset = count.checked_mul(4).and_then(|size| table.checked_add(size)).ok_or(malformed(at))?;
        let descriptors = self.data.get(table..offset.min(to)).filter(|_| offset <= to).ok_or(malformed(at))?;
        let mut slots = self.spare.pop().unwrap_or_default();
        slots.reserve(count);
        for descriptor in descriptors.chunks_exact(4) {
            let size = u16::from_le_bytes([descriptor[0], descriptor[1]]);
            // A chunk is far smaller than what 32 bits hold.
            slots.push(Slot { kind: descriptor[2], size, offset: offset as u32 });
            offset += usize::from(size);
        }
        if offset > to {
            return Err(malformed(table).into());
        }
        match template {
            Ok(template) => Ok(Event { data: self.data, template, slots }),
            Err(error) => Err(Unnamed { error, slots }),
        }
    }
}
