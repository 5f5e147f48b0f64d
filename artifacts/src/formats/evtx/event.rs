//! Instances of templates: the events themselves.

use super::chunk::{RawRecord, u16_at, u32_at};
use super::template::{Definitions, Label, Naming, Part, Piece, Source, Template, Undecodable};
use super::value::{FRAGMENT, RawValue};
use evidence::Filetime;
use std::borrow::Cow;
use std::rc::Rc;

/// Deepest nesting of instances in instances. Windows' own events have two or three levels.
const MAX_NESTING: u32 = 8;
/// Most stored bytes that one event may render, counted each time they are used. A record is smaller than a chunk.
const MAX_BYTES: usize = 256 << 10;
/// Most columns that are looked at for one event, counted in the same way.
const MAX_COLUMNS: usize = 16 << 10;

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

/// One template instance: its definition and the values for it. Nothing is rendered yet.
pub struct Event<'a> {
    template: Rc<Template>,
    values: Vec<RawValue<'a>>,
}

impl Event<'_> {
    fn text<'s>(&'s self, source: &'s Source) -> Cow<'s, str> {
        match source {
            Source::Nowhere => Cow::Borrowed(""),
            Source::Literal(text) => Cow::Borrowed(text),
            Source::Value(index) => {
                let mut text = String::new();
                if let Some(value) = self.values.get(usize::from(*index)) {
                    value.render(&mut text);
                }
                Cow::Owned(text)
            }
        }
    }

    /// EventID.
    pub fn event_id(&self) -> Option<u64> {
        match &self.template.event_id {
            Source::Value(index) => self.values.get(usize::from(*index))?.number(),
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
            Source::Value(index) => self.values.get(usize::from(*index)).and_then(RawValue::filetime),
            _ => None,
        };
        // A forwarded event can carry its time as text.
        stored.or_else(|| Filetime::parse_utc(&self.text(&self.template.time)).map(|time| time.0))
    }
}

/// What is left of an instance whose definition cannot be read: its values, or not even these.
struct Unnamed<'a> {
    error: Undecodable,
    values: Vec<RawValue<'a>>,
}

impl From<Undecodable> for Unnamed<'_> {
    fn from(error: Undecodable) -> Self {
        Unnamed { error, values: Vec::new() }
    }
}

/// The events of one chunk.
pub struct Events<'a> {
    data: &'a [u8],
    definitions: Definitions<'a>,
}

impl<'a> Events<'a> {
    /// No definition is known yet.
    pub fn new(chunk: &'a [u8], naming: Naming) -> Self {
        Events { data: chunk, definitions: Definitions::new(chunk, naming) }
    }

    /// Reads what is needed to decide about a record.
    pub fn open(&mut self, record: &RawRecord) -> Result<Event<'a>, Undecodable> {
        self.instance(record.body, record.end, Part::Root).map_err(|unnamed| unnamed.error)
    }

    /// Renders an event: calls `on_value` for each value in the order of the XML. Members of a [`Label::Numbered`]
    /// array come one by one, and a missing value of that label as `None`, so that the others keep their numbers; the
    /// same for a fragment whose definition is lost. After an error what was handed over is still right.
    pub fn render(
        &mut self,
        event: &Event<'a>,
        on_value: &mut dyn FnMut(&Label, Option<String>),
    ) -> Result<(), Undecodable> {
        let mut budget = Budget { bytes: MAX_BYTES, columns: MAX_COLUMNS };
        self.walk(event, 0, &mut budget, on_value)
    }

    fn walk(
        &mut self,
        event: &Event<'a>,
        nesting: u32,
        budget: &mut Budget,
        on_value: &mut dyn FnMut(&Label, Option<String>),
    ) -> Result<(), Undecodable> {
        if nesting > MAX_NESTING {
            return Err(Undecodable::TooLarge);
        }
        Budget::spend(&mut budget.columns, event.template.columns.len())?;
        let mut outcome = Ok(());
        for column in &event.template.columns {
            if column.label == Label::Numbered
                && let [Piece::Value(index)] = column.pieces[..]
                && let Some(value) = event.values.get(usize::from(index)).filter(|value| value.is_array())
            {
                Budget::spend(&mut budget.bytes, value.data.len())?;
                value.members(&mut |member| on_value(&column.label, Some(member)));
                continue;
            }
            let mut text: Option<String> = None;
            let is_wanted = column.label != Label::Skip;
            for piece in &column.pieces {
                match piece {
                    Piece::Literal(literal) if is_wanted => {
                        Budget::spend(&mut budget.bytes, literal.len())?;
                        text.get_or_insert_default().push_str(literal);
                    }
                    Piece::Literal(_) => {}
                    Piece::Value(index) => match event.values.get(usize::from(*index)) {
                        Some(value) if value.kind == FRAGMENT => {
                            match self.fragment(value, column.inside, nesting + 1, budget, on_value) {
                                Err(Undecodable::Nameless) => outcome = Err(Undecodable::Nameless),
                                inner => inner?,
                            }
                        }
                        Some(value) if is_wanted && !value.is_null() => {
                            Budget::spend(&mut budget.bytes, value.data.len())?;
                            value.render(text.get_or_insert_default());
                        }
                        _ => {}
                    },
                }
            }
            if column.label == Label::Numbered || (is_wanted && text.is_some()) {
                on_value(&column.label, text);
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
        on_value: &mut dyn FnMut(&Label, Option<String>),
    ) -> Result<(), Undecodable> {
        if value.data.is_empty() {
            return Ok(());
        }
        match self.instance(value.offset, value.offset + value.data.len(), part) {
            Ok(inner) => self.walk(&inner, nesting, budget, on_value),
            Err(unnamed) if unnamed.values.is_empty() => Err(unnamed.error),
            Err(unnamed) => {
                Budget::spend(&mut budget.columns, unnamed.values.len())?;
                for value in unnamed.values {
                    Budget::spend(&mut budget.bytes, value.data.len())?;
                    let mut text = String::new();
                    value.render(&mut text);
                    on_value(&Label::Numbered, (!value.is_null()).then_some(text));
                }
                Err(Undecodable::Nameless)
            }
        }
    }

    /// Reads a fragment: optional fragment headers, then a template instance or a plain element.
    fn instance(&mut self, from: usize, to: usize, part: Part) -> Result<Event<'a>, Unnamed<'a>> {
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
            return Ok(Event { template, values: Vec::new() });
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
        let mut values = Vec::with_capacity(count);
        for descriptor in descriptors.chunks_exact(4) {
            let size = usize::from(u16_at(descriptor, 0).ok_or(malformed(offset))?);
            let end = offset + size;
            let data = self.data.get(offset..end).filter(|_| end <= to).ok_or(malformed(offset))?;
            values.push(RawValue { kind: descriptor[2], data, offset });
            offset = end;
        }
        match template {
            Ok(template) => Ok(Event { template, values }),
            Err(error) => Err(Unnamed { error, values }),
        }
    }
}
