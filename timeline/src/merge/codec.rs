//! Records as compact bytes: how they wait in memory and in spill files, and how rows read them without
//! building a [`Record`].
//!
//! ```text
//! place    item u32 · locator · integrity u8 · count, then (moment u8…, locator) for moments with their own
//! content  shape u32 · times of the moments · subject · user · values of the fields, with their number and names
//!          where the shape has none
//! ```
//!
//! Numbers in the place are big-endian, so that comparing bytes orders records by item and locator; equal
//! content bytes mean equal records. The format never leaves the process that wrote it.

use super::shapes::{Names, Shape, Shapes};
use evidence::{
    Encoding, Fields, Filetime, Integrity, ItemId, Locator, Meaning, Moment, Precision, Record, RecordType, Role,
    Timestamp, Value, ValueRef, When, Zone,
};
use std::ops::ControlFlow;

/// Appends the bytes of a record.
pub(super) fn encode(item: ItemId, record: &Record, shapes: &Shapes, out: &mut Vec<u8>) {
    out.extend_from_slice(&item.0.to_be_bytes());
    put_locator(&record.locator, out);
    out.push(match record.integrity {
        Integrity::Intact => 0,
        Integrity::Corrupted => 1,
        Integrity::Recovered => 2,
    });
    put_number(record.moments.iter().filter(|moment| moment.locator.is_some()).count() as u64, out);
    for (index, moment) in record.moments.iter().enumerate() {
        if let Some(locator) = &moment.locator {
            put_number(index as u64, out);
            put_locator(locator, out);
        }
    }
    let (shape, named) = shapes.number(record);
    out.extend_from_slice(&shape.to_le_bytes());
    let mut before = Filetime(0);
    for moment in &record.moments {
        match moment.when {
            When::Undated => out.push(0),
            When::At(time) if Timestamp::filetime(time.ticks.0) == Some(time) => {
                if time.ticks == before {
                    out.push(PLAIN_AGAIN);
                } else {
                    out.push(PLAIN);
                    out.extend_from_slice(&time.ticks.0.to_le_bytes());
                    before = time.ticks;
                }
            }
            When::At(time) => put_times(1, &[time], &mut before, out),
            When::Between(from, to) => put_times(2, &[from, to], &mut before, out),
            When::NotBefore(time) => put_times(3, &[time], &mut before, out),
            When::NotAfter(time) => put_times(4, &[time], &mut before, out),
        }
    }
    put_text(&record.subject, out);
    match &record.user {
        None => out.push(0),
        Some(user) => {
            out.push(1);
            put_text(user, out);
        }
    }
    if !named {
        put_number(record.fields.len() as u64, out);
    }
    for (name, value) in record.fields.iter() {
        if !named {
            put_text(name, out);
        }
        match value {
            // Most subjects stand in a field as well.
            ValueRef::Text(text) if text == record.subject => out.push(SUBJECT),
            value => put_value(value, out),
        }
    }
}

/// The place of an encoded record.
pub(super) fn place_of(bytes: &[u8]) -> Option<&[u8]> {
    let mut reader = Reader(bytes);
    reader.array::<4>()?;
    reader.place()?;
    reader.byte()?;
    for _ in 0..reader.count()? {
        reader.number()?;
        reader.place()?;
    }
    bytes.get(..bytes.len() - reader.0.len())
}

/// Whether an encoded record was recovered from where nothing counts it any more.
pub(super) fn is_recovered(bytes: &[u8]) -> bool {
    let mut reader = Reader(bytes);
    let integrity = reader.array::<4>().and_then(|_| reader.place()).and_then(|_| reader.byte());
    integrity == Some(2)
}

/// Tag of a field whose value is the subject.
const SUBJECT: u8 = 8;

/// Tags of a moment that is a FILETIME and nothing else, as nearly all are, and of one equal to the time before it.
const PLAIN: u8 = 5;
const PLAIN_AGAIN: u8 = 6;

/// LEB128.
fn put_number(mut number: u64, out: &mut Vec<u8>) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

fn put_text(text: &str, out: &mut Vec<u8>) {
    put_number(text.len() as u64, out);
    out.extend_from_slice(text.as_bytes());
}

fn put_locator(locator: &Locator, out: &mut Vec<u8>) {
    match locator {
        Locator::ByteRange { offset, length } => put_pair(0, *offset, *length, out),
        Locator::EvtxRecord { record_id, offset } => put_pair(1, *record_id, *offset, out),
        Locator::RegistryKey { key, value, offset } => {
            out.push(if value.is_some() { 3 } else { 2 });
            out.extend_from_slice(&offset.to_be_bytes());
            put_text(key, out);
            if let Some(value) = value {
                put_text(value, out);
            }
        }
        Locator::MftEntry { entry, sequence, offset } => {
            put_pair(4, *entry, *offset, out);
            out.extend_from_slice(&sequence.to_be_bytes());
        }
        Locator::UsnRecord { usn, offset } => put_pair(5, *usn, *offset, out),
        Locator::MetadataToken { token, offset } => put_pair(6, u64::from(*token), *offset, out),
        Locator::Whole => out.push(7),
    }
}

fn put_pair(tag: u8, first: u64, second: u64, out: &mut Vec<u8>) {
    out.push(tag);
    out.extend_from_slice(&first.to_be_bytes());
    out.extend_from_slice(&second.to_be_bytes());
}

/// Times are often equal to the one before, which then is not written again.
fn put_times(tag: u8, times: &[Timestamp], before: &mut Filetime, out: &mut Vec<u8>) {
    out.push(tag);
    for time in times {
        let encoding = match time.encoding {
            Encoding::Filetime => 0,
            Encoding::UnixSeconds => 1,
            Encoding::Text => 2,
            Encoding::Dos => 3,
            Encoding::Systemtime => 4,
        };
        let precision = match time.precision {
            Precision::Ticks => 0,
            Precision::Millisecond => 1,
            Precision::Second => 2,
            Precision::TwoSeconds => 3,
        };
        let local = u8::from(time.zone == Zone::LocalUnknown);
        let raw_is_ticks = time.raw == time.ticks.0;
        let again = time.ticks == *before;
        let flags = u8::from(raw_is_ticks) << 6 | u8::from(again) << 7;
        out.push(encoding | precision << 3 | local << 5 | flags);
        if !again {
            out.extend_from_slice(&time.ticks.0.to_le_bytes());
        }
        if !raw_is_ticks {
            out.extend_from_slice(&time.raw.to_le_bytes());
        }
        *before = time.ticks;
    }
}

fn put_value(value: ValueRef<'_>, out: &mut Vec<u8>) {
    match value {
        ValueRef::Text(text) => {
            out.push(0);
            put_text(text, out);
        }
        ValueRef::Unsigned(number) => {
            out.push(1);
            put_number(number, out);
        }
        ValueRef::Signed(number) => {
            out.push(2);
            out.extend_from_slice(&number.to_le_bytes());
        }
        ValueRef::Bool(flag) => out.push(3 + u8::from(flag)),
        ValueRef::Time(time) => {
            out.push(5);
            out.extend_from_slice(&time.0.to_le_bytes());
        }
        ValueRef::List(items) => {
            out.push(6);
            put_number(items.len() as u64, out);
            items.iter().for_each(|item| put_value(item.view(), out));
        }
        ValueRef::Map(members) => {
            out.push(7);
            put_number(members.len() as u64, out);
            for (name, value) in members {
                put_text(name, out);
                put_value(value.view(), out);
            }
        }
    }
}

/// Reads what [`encode`] wrote. Every method gives `None` where the bytes end early or make no sense, which
/// can only mean that the spill file was damaged.
#[derive(Clone, Copy)]
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn bytes(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (taken, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*taken)
    }

    #[inline(always)]
    fn number(&mut self) -> Option<u64> {
        let (first, rest) = self.0.split_first()?;
        // Nearly every length is short.
        if *first < 0x80 {
            self.0 = rest;
            return Some(u64::from(*first));
        }
        self.long_number()
    }

    fn long_number(&mut self) -> Option<u64> {
        let mut number = 0u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            number |= u64::from(byte & 0x7F) << shift;
            if byte < 0x80 {
                return Some(number);
            }
        }
        None
    }

    fn count(&mut self) -> Option<usize> {
        // Everything counted takes at least a byte, so a count beyond the bytes left is damage.
        usize::try_from(self.number()?).ok().filter(|count| *count <= self.0.len())
    }

    #[inline(always)]
    fn text(&mut self) -> Option<&'a str> {
        let count = self.count()?;
        std::str::from_utf8(self.bytes(count)?).ok()
    }

    fn be64(&mut self) -> Option<u64> {
        self.array().map(u64::from_be_bytes)
    }

    fn le64(&mut self) -> Option<u64> {
        self.array().map(u64::from_le_bytes)
    }

    fn le32(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }

    fn place(&mut self) -> Option<Place<'a>> {
        Some(match self.byte()? {
            0 => Place::ByteRange { offset: self.be64()?, length: self.be64()? },
            1 => Place::EvtxRecord { record_id: self.be64()?, offset: self.be64()? },
            tag @ (2 | 3) => {
                let offset = self.be64()?;
                let key = self.text()?;
                let value = if tag == 3 { Some(self.text()?) } else { None };
                Place::RegistryKey { key, value, offset }
            }
            4 => {
                let (entry, offset) = (self.be64()?, self.be64()?);
                Place::MftEntry { entry, offset, sequence: self.array().map(u16::from_be_bytes)? }
            }
            5 => Place::UsnRecord { usn: self.be64()?, offset: self.be64()? },
            6 => Place::MetadataToken { token: u32::try_from(self.be64()?).ok()?, offset: self.be64()? },
            7 => Place::Whole,
            _ => return None,
        })
    }

    fn timestamp(&mut self, before: &mut Filetime) -> Option<Timestamp> {
        let packed = self.byte()?;
        let ticks = if packed & 0x80 != 0 { before.0 } else { self.le64()? };
        *before = Filetime(ticks);
        Some(Timestamp {
            ticks: Filetime(ticks),
            encoding: match packed & 7 {
                0 => Encoding::Filetime,
                1 => Encoding::UnixSeconds,
                2 => Encoding::Text,
                3 => Encoding::Dos,
                4 => Encoding::Systemtime,
                _ => return None,
            },
            raw: if packed & 0x40 != 0 { ticks } else { self.le64()? },
            precision: match packed >> 3 & 3 {
                0 => Precision::Ticks,
                1 => Precision::Millisecond,
                2 => Precision::Second,
                _ => Precision::TwoSeconds,
            },
            zone: if packed & 0x20 == 0 { Zone::Utc } else { Zone::LocalUnknown },
        })
    }

    /// The time after the tag of a plain moment.
    fn plain(&mut self, tag: u8, before: &mut Filetime) -> Option<Filetime> {
        if tag == PLAIN {
            *before = Filetime(self.le64()?);
        }
        Some(*before)
    }

    fn moment(&mut self, before: &mut Filetime) -> Option<When> {
        Some(match self.byte()? {
            0 => When::Undated,
            1 => When::At(self.timestamp(before)?),
            2 => When::Between(self.timestamp(before)?, self.timestamp(before)?),
            3 => When::NotBefore(self.timestamp(before)?),
            4 => When::NotAfter(self.timestamp(before)?),
            tag @ (PLAIN | PLAIN_AGAIN) => When::At(Timestamp::filetime(self.plain(tag, before)?.0)?),
            _ => return None,
        })
    }

    /// Passes over a moment and gives the time by which it is sorted.
    fn moment_key(&mut self, before: &mut Filetime) -> Option<Option<Filetime>> {
        match self.0.first()? {
            &tag @ (PLAIN | PLAIN_AGAIN) => {
                self.byte()?;
                self.plain(tag, before).map(Some)
            }
            _ => self.moment(before).map(|when| when.sort_key()),
        }
    }

    #[inline(always)]
    fn value(&mut self) -> Option<ValueView<'a>> {
        Some(match self.byte()? {
            0 => ValueView::Text(self.text()?),
            1 => ValueView::Unsigned(self.number()?),
            2 => ValueView::Signed(self.array().map(i64::from_le_bytes)?),
            3 => ValueView::Bool(false),
            4 => ValueView::Bool(true),
            5 => ValueView::Time(Filetime(self.le64()?)),
            tag => return self.many(tag),
        })
    }

    /// The value after the tag of a list or map.
    fn many(&mut self, tag: u8) -> Option<ValueView<'a>> {
        Some(match tag {
            6 => {
                let count = self.count()?;
                let start = *self;
                for _ in 0..count {
                    self.value()?;
                }
                ValueView::List(Items { left: count, reader: start })
            }
            7 => {
                let count = self.count()?;
                let start = *self;
                for _ in 0..count {
                    self.text()?;
                    self.value()?;
                }
                ValueView::Map(Members { left: count, reader: start })
            }
            _ => return None,
        })
    }
}

/// A [`Locator`] that borrows its texts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Place<'a> {
    ByteRange { offset: u64, length: u64 },
    EvtxRecord { record_id: u64, offset: u64 },
    RegistryKey { key: &'a str, value: Option<&'a str>, offset: u64 },
    MftEntry { entry: u64, sequence: u16, offset: u64 },
    UsnRecord { usn: u64, offset: u64 },
    MetadataToken { token: u32, offset: u64 },
    Whole,
}

impl Place<'_> {
    /// The same with its own texts.
    pub(crate) fn to_locator(self) -> Locator {
        match self {
            Place::ByteRange { offset, length } => Locator::ByteRange { offset, length },
            Place::EvtxRecord { record_id, offset } => Locator::EvtxRecord { record_id, offset },
            Place::RegistryKey { key, value, offset } => {
                Locator::RegistryKey { key: key.to_owned(), value: value.map(str::to_owned), offset }
            }
            Place::MftEntry { entry, sequence, offset } => Locator::MftEntry { entry, sequence, offset },
            Place::UsnRecord { usn, offset } => Locator::UsnRecord { usn, offset },
            Place::MetadataToken { token, offset } => Locator::MetadataToken { token, offset },
            Place::Whole => Locator::Whole,
        }
    }
}

/// A [`Value`] that borrows its texts.
#[derive(Clone, Copy)]
pub(crate) enum ValueView<'a> {
    Text(&'a str),
    Unsigned(u64),
    Signed(i64),
    Bool(bool),
    Time(Filetime),
    List(Items<'a>),
    Map(Members<'a>),
}

/// The values of a list.
#[derive(Clone, Copy)]
pub(crate) struct Items<'a> {
    left: usize,
    reader: Reader<'a>,
}

impl<'a> Iterator for Items<'a> {
    type Item = ValueView<'a>;

    fn next(&mut self) -> Option<Self::Item> {
        self.left = self.left.checked_sub(1)?;
        self.reader.value()
    }
}

/// The names and values of a map.
#[derive(Clone, Copy)]
pub(crate) struct Members<'a> {
    left: usize,
    reader: Reader<'a>,
}

impl<'a> Iterator for Members<'a> {
    type Item = (&'a str, ValueView<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        self.left = self.left.checked_sub(1)?;
        Some((self.reader.text()?, self.reader.value()?))
    }
}

impl<'a> ValueView<'a> {
    /// The same where it is one value, and not several.
    pub(super) fn single(self) -> Option<ValueRef<'a>> {
        Some(match self {
            ValueView::Text(text) => ValueRef::Text(text),
            ValueView::Unsigned(number) => ValueRef::Unsigned(number),
            ValueView::Signed(number) => ValueRef::Signed(number),
            ValueView::Bool(flag) => ValueRef::Bool(flag),
            ValueView::Time(time) => ValueRef::Time(time),
            ValueView::List(_) | ValueView::Map(_) => return None,
        })
    }

    fn to_value(self) -> Value {
        match self {
            ValueView::Text(text) => Value::Text(text.to_owned()),
            ValueView::Unsigned(number) => Value::Unsigned(number),
            ValueView::Signed(number) => Value::Signed(number),
            ValueView::Bool(flag) => Value::Bool(flag),
            ValueView::Time(time) => Value::Time(time),
            ValueView::List(items) => Value::List(items.map(ValueView::to_value).collect()),
            ValueView::Map(members) => {
                Value::Map(members.map(|(name, value)| (name.to_owned(), value.to_value())).collect())
            }
        }
    }
}

/// An encoded record, read in place.
#[derive(Clone, Copy)]
pub(crate) struct RecordView<'a> {
    /// Number of its shape.
    pub(crate) shape_number: u32,
    pub(crate) shape: &'a Shape,
    pub(crate) item: ItemId,
    pub(crate) place: Place<'a>,
    pub(crate) integrity: Integrity,
    moment_places: Reader<'a>,
    content: &'a [u8],
    moments: Reader<'a>,
    pub(crate) subject: &'a str,
    pub(crate) user: Option<&'a str>,
    field_count: usize,
    fields: Reader<'a>,
}

impl<'a> RecordView<'a> {
    /// Reads an encoded record, and hands over each moment's place, meaning and time on the way, with what is needed to
    /// read it in full; `None` if it is damaged.
    pub(super) fn with_moments(
        bytes: &'a [u8],
        names: &'a Names,
        mut each: impl FnMut(usize, Meaning, Option<Filetime>, Unread<'a>),
    ) -> Option<Self> {
        let mut reader = Reader(bytes);
        let item = ItemId(u32::from_be_bytes(reader.array()?));
        let place = reader.place()?;
        let integrity = match reader.byte()? {
            0 => Integrity::Intact,
            1 => Integrity::Corrupted,
            2 => Integrity::Recovered,
            _ => return None,
        };
        let moment_places = reader;
        for _ in 0..reader.count()? {
            reader.number()?;
            reader.place()?;
        }
        let content = reader.0;
        let shape_number = reader.le32()?;
        let shape = names.shape(shape_number)?;
        let moments = reader;
        let mut before = Filetime(0);
        for (index, meaning) in shape.meanings.iter().enumerate() {
            let unread = Unread { reader, before };
            each(index, Meaning(meaning), reader.moment_key(&mut before)?, unread);
        }
        let subject = reader.text()?;
        let user = match reader.byte()? {
            0 => None,
            1 => Some(reader.text()?),
            _ => return None,
        };
        let field_count = match &shape.fields {
            Some(names) => names.len(),
            None => reader.count()?,
        };
        Some(RecordView {
            shape_number,
            shape,
            item,
            place,
            integrity,
            moment_places,
            content,
            moments,
            subject,
            user,
            field_count,
            fields: reader,
        })
    }

    /// Reads an encoded record; `None` if it is damaged.
    pub(super) fn new(bytes: &'a [u8], names: &'a Names) -> Option<Self> {
        Self::with_moments(bytes, names, |_, _, _, _| ())
    }

    /// Every moment in stored order.
    pub(crate) fn moments(&self) -> impl Iterator<Item = (Meaning, When)> + 'a {
        let mut reader = self.moments;
        let mut before = Filetime(0);
        self.shape.meanings.iter().map_while(move |meaning| Some((Meaning(meaning), reader.moment(&mut before)?)))
    }

    /// Locators of the moments that have their own.
    pub(crate) fn moment_places(&self) -> impl Iterator<Item = (usize, Place<'a>)> + 'a {
        let mut reader = self.moment_places;
        let count = reader.count().unwrap_or(0);
        (0..count).map_while(move |_| Some((usize::try_from(reader.number()?).ok()?, reader.place()?)))
    }

    /// Hands over every field in stored order until `each` says that it has enough. No iterator, because records come by
    /// the hundred thousand and handing the fields through one takes as long as reading them.
    #[inline(always)]
    pub(crate) fn each_field(&self, mut each: impl FnMut(FieldName<'a>, ValueView<'a>) -> ControlFlow<()>) {
        let mut reader = self.fields;
        for index in 0..self.field_count {
            let name = match &self.shape.fields {
                Some(names) => names.get(index).map(|name| FieldName::Static(name)),
                None => reader.text().map(FieldName::Own),
            };
            let Some(name) = name else { return };
            let Some(value) = self.value(&mut reader) else { return };
            if each(name, value).is_break() {
                return;
            }
        }
    }

    /// Reads the value of a field.
    #[inline(always)]
    fn value(&self, reader: &mut Reader<'a>) -> Option<ValueView<'a>> {
        match reader.0.split_first()? {
            (&SUBJECT, rest) => {
                reader.0 = rest;
                Some(ValueView::Text(self.subject))
            }
            _ => reader.value(),
        }
    }

    /// Every field in stored order.
    pub(crate) fn all_fields(&self) -> Vec<(FieldName<'a>, ValueView<'a>)> {
        let mut all = Vec::with_capacity(self.field_count);
        self.each_field(|name, value| {
            all.push((name, value));
            ControlFlow::Continue(())
        });
        all
    }

    /// What its log numbers it by, with its type: a recovered copy has the same, though some of its values may be lost.
    pub(super) fn number(&self) -> Option<(*const RecordType, u64)> {
        match self.place.to_locator() {
            Locator::EvtxRecord { record_id, .. } => Some((self.shape.of, record_id)),
            _ => None,
        }
    }

    /// What makes it the same record wherever it is.
    pub(super) fn content(&self) -> &'a [u8] {
        self.content
    }

    /// The record itself.
    pub(crate) fn to_record(self) -> Record {
        let mut moments: Vec<Moment> =
            self.moments().map(|(meaning, when)| Moment { meaning, when, locator: None }).collect();
        for (index, place) in self.moment_places() {
            if let Some(moment) = moments.get_mut(index) {
                moment.locator = Some(Box::new(place.to_locator()));
            }
        }
        let mut fields = Fields::with_capacity(self.field_count, 0);
        for (name, value) in self.all_fields() {
            match name {
                FieldName::Static(name) => fields.push(name, value.to_value()),
                FieldName::Own(name) => fields.push(name.to_owned(), value.to_value()),
            }
        }
        Record {
            artifact: self.shape.artifact,
            of: self.shape.of,
            subject: self.subject.to_owned(),
            user: self.user.map(str::to_owned),
            moments,
            fields,
            claims: self.shape.claims,
            locator: self.place.to_locator(),
            integrity: self.integrity,
        }
    }
}

/// The values of a record's fields, read as far as somebody asked for them.
pub(crate) struct Values<'a> {
    record: RecordView<'a>,
    rest: Reader<'a>,
    read: Vec<ValueView<'a>>,
}

impl<'a> Values<'a> {
    pub(crate) fn new(record: RecordView<'a>) -> Self {
        Values { record, rest: record.fields, read: Vec::new() }
    }

    /// The value of the field of this number.
    pub(crate) fn get(&mut self, number: usize) -> Option<ValueView<'a>> {
        self.read.reserve(if self.read.is_empty() { self.record.field_count } else { 0 });
        while self.read.len() <= number && self.read.len() < self.record.field_count {
            if self.record.shape.fields.is_none() {
                self.rest.text()?;
            }
            self.read.push(self.record.value(&mut self.rest)?);
        }
        self.read.get(number).copied()
    }

    /// The value in a role.
    pub(crate) fn role(&mut self, role: Role) -> Option<ValueView<'a>> {
        let shape = self.record.shape;
        if shape.fields.is_some() {
            return self.get(shape.in_role(role)?);
        }
        let fields = self.record.all_fields();
        let named = |name| fields.iter().find(|(there, _)| there.as_str() == name).map(|(_, value)| *value);
        shape.of.in_role(role).find_map(|field| named(field.name))
    }
}

/// Name of a field.
#[derive(Clone, Copy)]
pub(crate) enum FieldName<'a> {
    /// One that the program knows.
    Static(&'static str),
    /// One that the evidence gave.
    Own(&'a str),
}

impl<'a> FieldName<'a> {
    /// The text.
    pub(crate) fn as_str(self) -> &'a str {
        match self {
            FieldName::Static(name) => name,
            FieldName::Own(name) => name,
        }
    }
}

/// Where a moment stands that was passed over, and the time before it.
#[derive(Clone, Copy)]
pub(super) struct Unread<'a> {
    reader: Reader<'a>,
    before: Filetime,
}

impl Unread<'_> {
    pub(super) fn when(mut self) -> Option<When> {
        self.reader.moment(&mut self.before)
    }
}
