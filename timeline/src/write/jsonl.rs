//! `timeline.jsonl`: one JSON object a row, with the field names that Timesketch expects.

use super::row::{ItemText, Row, Rows};
use super::text::Clock;
use super::{Format, Piece, Writer, text};
use crate::merge::{Place, Shape, ValueView};
use evidence::{Encoding, Integrity, Precision, When, Zone};
use foldhash::fast::RandomState;
use std::collections::HashSet;
use std::ops::ControlFlow;

pub(super) static FORMAT: Format = Format {
    name: "jsonl",
    file_name: "timeline.jsonl",
    says: "JSON Lines in Timesketch's field names, with every field of the record",
    writer: || Box::<Jsonl>::default(),
};

#[derive(Default)]
struct Jsonl {
    shapes: Vec<ShapeText>,
}

/// What rows show of a shape.
struct ShapeText {
    head: Vec<u8>,
    keys: Vec<Vec<u8>>,
}

impl Writer for Jsonl {
    fn begin(&mut self, shapes: &mut dyn Iterator<Item = &Shape>, _: &mut Vec<u8>) {
        self.shapes = shapes.map(|shape| ShapeText { head: head(shape), keys: keys(shape) }).collect();
    }

    /// `,"item":"…","item_sha256":"…"`.
    fn item(&self, item: &ItemText) -> Vec<u8> {
        let mut json = Vec::new();
        member("item", &item.path, &mut json);
        member("item_sha256", &item.sha256, &mut json);
        if item.changed {
            member("object_changed", "true", &mut json);
        }
        json
    }

    fn batch(&self, rows: &Rows<'_>, piece: &mut Piece) {
        let (mut clock, mut scratch) = (Clock::default(), Vec::new());
        for row in rows.iter() {
            if let Some(shape) = self.shapes.get(row.event.record.shape_number as usize) {
                write(&row, rows, shape, &mut clock, &mut scratch, &mut piece.bytes);
            }
        }
    }
}

/// Names of the row itself; a field of the record that is called the same gets the prefix `field_`.
const OWN: &[&str] = &[
    "message",
    "datetime",
    "timestamp",
    "timestamp_desc",
    "data_type",
    "artifact",
    "event_id",
    "datetime_exact",
    "datetime_until",
    "time_bound",
    "time_encoding",
    "time_raw",
    "time_precision",
    "time_zone",
    "subject",
    "user",
    "item",
    "item_sha256",
    "locator",
    "integrity",
    "object_changed",
    "other_sources",
    "belongs_to",
];

fn member(name: &str, value: &str, out: &mut Vec<u8>) {
    start(name, out);
    text::json(value, out);
    out.push(b'"');
}

/// `,"name":"`, for names that need no escaping.
fn start(name: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(b",\"");
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"\":\"");
}

fn write(
    row: &Row<'_>,
    rows: &Rows<'_>,
    shape: &ShapeText,
    clock: &mut Clock,
    subject: &mut Vec<u8>,
    out: &mut Vec<u8>,
) {
    let record = &row.event.record;
    // The subject is a path as a rule, full of what must be escaped, and stands in several members.
    subject.clear();
    text::json(row.subject, subject);
    out.extend_from_slice(b"{\"message\":\"");
    match row.message.strip_prefix(row.subject) {
        Some(rest) => {
            out.extend_from_slice(subject);
            text::json(rest, out);
        }
        None => text::json(row.message, out),
    }
    out.push(b'"');
    // A row without a time has neither of them, rather than one that nobody recorded.
    if row.event.time.is_some() {
        start("datetime", out);
        out.extend_from_slice(row.datetime);
        out.extend_from_slice(b"\",\"timestamp\":");
        out.extend_from_slice(row.micros);
    }
    start("timestamp_desc", out);
    out.extend_from_slice(row.meanings);
    out.extend_from_slice(&shape.head);
    out.extend_from_slice(row.id);
    out.push(b'"');
    if let Some(time) = row.event.time {
        start("datetime_exact", out);
        clock.ticks(time, out);
        out.push(b'"');
    }
    precision(row, out);
    start("subject", out);
    out.extend_from_slice(subject);
    out.push(b'"');
    if let Some(user) = record.user {
        member("user", user, out);
    }
    out.extend_from_slice(row.of_item);
    start("locator", out);
    match record.place {
        Place::RegistryKey { .. } => text::json(&String::from_utf8_lossy(row.place), out),
        _ => out.extend_from_slice(row.place),
    }
    out.push(b'"');
    if record.integrity != Integrity::Intact {
        member("integrity", record.integrity.name(), out);
    }
    if !row.belongs_to.is_empty() {
        out.extend_from_slice(b",\"belongs_to\":[\"");
        // Ids are made here, of letters and digits.
        out.extend_from_slice(row.belongs_to.replace("; ", "\",\"").as_bytes());
        out.extend_from_slice(b"\"]");
    }
    fields(row, shape, subject, out);
    others(row, rows, subject, out);
    out.extend_from_slice(b"}\n");
}

/// What the stored time cannot tell, for times that are not simply a FILETIME in UTC.
fn precision(row: &Row<'_>, out: &mut Vec<u8>) {
    let when = row.event.when();
    let (bound, time) = match when {
        When::Undated => return,
        When::At(time) => (None, time),
        When::Between(time, _) => (Some("between"), time),
        When::NotBefore(time) => (Some("not before"), time),
        When::NotAfter(time) => (Some("not after"), time),
    };
    if let Some(bound) = bound {
        member("time_bound", bound, out);
    }
    if let When::Between(_, until) = when {
        member("datetime_until", &until.ticks.to_string(), out);
    }
    if time.encoding != Encoding::Filetime {
        member(
            "time_encoding",
            match time.encoding {
                Encoding::Filetime => "filetime",
                Encoding::UnixSeconds => "unix seconds",
                Encoding::Text => "text",
                Encoding::Dos => "dos",
                Encoding::Systemtime => "systemtime",
            },
            out,
        );
        start("time_raw", out);
        text::number(time.raw, out);
        out.push(b'"');
    }
    let step = match time.precision {
        Precision::Ticks => None,
        Precision::Millisecond => Some("1 ms"),
        Precision::Second => Some("1 s"),
        Precision::TwoSeconds => Some("2 s"),
    };
    if let Some(step) = step {
        member("time_precision", step, out);
    }
    if time.zone == Zone::LocalUnknown {
        member("time_zone", "local time of an unnamed zone", out);
    }
}

/// `","data_type":"…","artifact":"…","event_id":"` of a shape.
fn head(shape: &Shape) -> Vec<u8> {
    let mut out = b"\"".to_vec();
    member("data_type", shape.of.name, &mut out);
    member("artifact", shape.artifact, &mut out);
    start("event_id", &mut out);
    out
}

/// `,"name":` of every field of a shape that has the names.
fn keys(shape: &Shape) -> Vec<Vec<u8>> {
    let mut repeated = Repeated::default();
    let key = |(index, name): (usize, &&'static str)| {
        let mut key = Vec::new();
        write_key(name, index, repeated.is_repeated(name), &mut key);
        key
    };
    shape.fields.iter().flatten().enumerate().map(key).collect()
}

/// The names of a record's fields so far.
#[derive(Default)]
struct Repeated<'a>(HashSet<&'a str, RandomState>);

impl<'a> Repeated<'a> {
    fn is_repeated(&mut self, name: &'a str) -> bool {
        !self.0.insert(name)
    }
}

fn write_key(name: &str, index: usize, repeated: bool, out: &mut Vec<u8>) {
    out.extend_from_slice(b",\"");
    if is_ambiguous(name) {
        out.extend_from_slice(b"field_");
    }
    text::json(name, out);
    if repeated {
        // JSON readers keep one of several equal names; every value must stay.
        out.push(b'#');
        text::number(index, out);
    }
    out.extend_from_slice(b"\":");
}

/// Every field of the record. All values are texts or lists of texts, because a search index takes one type
/// for each name and the artifacts do not agree on it; maps become JSON inside of the text.
fn fields(row: &Row<'_>, shape: &ShapeText, subject: &[u8], out: &mut Vec<u8>) {
    let record = &row.event.record;
    let mut repeated = Repeated::default();
    let mut index = 0;
    record.each_field(|name, value| {
        match shape.keys.get(index) {
            Some(key) => out.extend_from_slice(key),
            None => {
                let name = name.as_str();
                write_key(name, index, repeated.is_repeated(name), out);
            }
        }
        match value {
            ValueView::Text(text) if std::ptr::eq(text, row.subject) => {
                out.push(b'"');
                out.extend_from_slice(subject);
                out.push(b'"');
            }
            ValueView::List(items) => {
                out.push(b'[');
                for (index, item) in items.enumerate() {
                    if index > 0 {
                        out.push(b',');
                    }
                    string(item, out);
                }
                out.push(b']');
            }
            value => string(value, out),
        }
        index += 1;
        ControlFlow::Continue(())
    });
}

/// Whether a field's name could be taken for one of the row's own or for a repeated one.
fn is_ambiguous(name: &str) -> bool {
    // Nearly all names begin with a capital, and none of ours does.
    let capital = name.starts_with(|first: char| first.is_ascii_uppercase());
    name.is_empty() || (!capital && (name.starts_with("field_") || OWN.contains(&name))) || name.contains('#')
}

/// A value as a JSON string.
fn string(value: ValueView<'_>, out: &mut Vec<u8>) {
    out.push(b'"');
    match value {
        ValueView::Text(text) => text::json(text, out),
        ValueView::Unsigned(number) => text::number(number, out),
        ValueView::Signed(number) => text::number(number, out),
        ValueView::Bool(flag) => out.extend_from_slice(if flag { b"true" } else { b"false" }),
        ValueView::Time(time) => out.extend_from_slice(time.to_string().as_bytes()),
        ValueView::List(_) | ValueView::Map(_) => {
            let mut inner = Vec::new();
            nested(value, &mut inner);
            text::json(&String::from_utf8_lossy(&inner), out);
        }
    }
    out.push(b'"');
}

/// A value as JSON of its own.
fn nested(value: ValueView<'_>, out: &mut Vec<u8>) {
    match value {
        ValueView::List(items) => {
            out.push(b'[');
            for (index, item) in items.enumerate() {
                if index > 0 {
                    out.push(b',');
                }
                nested(item, out);
            }
            out.push(b']');
        }
        ValueView::Map(members) => {
            out.push(b'{');
            for (index, (name, value)) in members.enumerate() {
                if index > 0 {
                    out.push(b',');
                }
                out.push(b'"');
                text::json(name, out);
                out.extend_from_slice(b"\":");
                nested(value, out);
            }
            out.push(b'}');
        }
        ValueView::Unsigned(number) => text::number(number, out),
        ValueView::Signed(number) => text::number(number, out),
        ValueView::Bool(flag) => out.extend_from_slice(if flag { b"true" } else { b"false" }),
        ValueView::Text(_) | ValueView::Time(_) => string(value, out),
    }
}

fn others(row: &Row<'_>, rows: &Rows<'_>, scratch: &mut Vec<u8>, out: &mut Vec<u8>) {
    let mut separator: &[u8] = b",\"other_sources\":[{";
    for other in rows.others(row.event) {
        out.extend_from_slice(separator);
        out.extend_from_slice(other.of_item().get(1..).unwrap_or_default());
        start("locator", out);
        text::place_escaped(other.record.place, scratch, out, text::json);
        out.push(b'"');
        member("integrity", other.record.integrity.name(), out);
        separator = b"},{";
    }
    if separator.starts_with(b"}") {
        out.extend_from_slice(b"}]");
    }
}
