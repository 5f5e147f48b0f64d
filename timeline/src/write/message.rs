//! The sentence of a row: what the record says, in words, without interpretation.
//!
//! A sentence is a pattern. `{Name}` is a field, `{A|B}` the first of several that has a value, `{Name:80}`
//! at most so many characters of it, and what stands in `[…]` is left out when a field in it has no value.

use super::file_record::FileFacts;
use super::marks::Marks;
use super::text;
use crate::cited::{MOST_CHARACTERS, MOST_FIELDS};
use crate::merge::{FieldName, Names, Place, RecordView, Seen, Shape, ValueView};
use evidence::{RecordType, Role, Tells};

/// Shown where a sentence needs a value that the record does not have.
const MISSING: &str = "(not recorded)";

/// The fields of a record.
type Fields<'a> = [(FieldName<'a>, ValueView<'a>)];

/// The first value of this name.
fn get<'a>(fields: &Fields<'a>, name: &str) -> Option<ValueView<'a>> {
    fields.iter().find(|(there, _)| there.as_str() == name).map(|(_, value)| *value)
}

fn push(text: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(text.as_bytes());
}

/// The sentences of all shapes whose names are known, by their number.
pub(super) struct Sentences(Vec<Option<Sentence>>);

impl Sentences {
    pub(super) fn new(names: &Names) -> Self {
        let sentence = |shape: &Shape| Some(Sentence::new(shape.of.message, shape.of, shape.fields.as_deref()?));
        Sentences(names.shapes().map(sentence).collect())
    }

    /// Writes the sentence of a record.
    pub(super) fn write(&self, seen: &Seen<'_>, marks: Marks<'_>, out: &mut Vec<u8>) {
        let record = &seen.event.record;
        let of = record.shape.of;
        match (of.tells, of.message, self.0.get(record.shape_number as usize)) {
            (Tells::File, ..) => file(record, out),
            (_, "", _) if of.is_event() => event(record, &record.all_fields(), out),
            (_, "", _) => push(&marks.shown(record.subject), out),
            (_, _, Some(Some(sentence))) => _ = sentence.write(seen, marks, out),
            (_, pattern, _) => {
                let fields = record.all_fields();
                let names: Vec<&str> = fields.iter().map(|(name, _)| name.as_str()).collect();
                Sentence::new(pattern, of, &names).write(seen, marks, out);
            }
        }
    }
}

/// What a record holds in the fields that have a role, which are those that the analysis reads, as people read it.
pub(super) fn known_fields(record: &RecordView<'_>) -> Vec<(String, String)> {
    let of = record.shape.of;
    let is_known =
        |name: &str| of.fields.iter().chain(of.shared).any(|field| field.name == name && field.role.is_some());
    let mut found = Vec::new();
    for (name, value) in record.all_fields() {
        let is_empty = matches!(value, ValueView::Text("" | "-"));
        if is_empty || !is_known(name.as_str()) || found.len() >= MOST_FIELDS {
            continue;
        }
        let mut text = Vec::new();
        push_value(value, MOST_CHARACTERS, &mut text);
        let text = String::from_utf8_lossy(&text);
        found.push((name.as_str().to_owned(), text.chars().take(MOST_CHARACTERS).collect()));
    }
    found
}

/// `4688 of Microsoft-Windows-Security-Auditing`, for a record of a log.
pub(super) fn event_name(record: &RecordView<'_>) -> Option<String> {
    let fields = record.all_fields();
    let told = |role| {
        let value = record.shape.of.in_role(role).find_map(|field| get(&fields, field.name))?;
        let mut text = Vec::new();
        push_value(value, MOST_CHARACTERS, &mut text);
        Some(String::from_utf8_lossy(&text).into_owned())
    };
    record.shape.of.is_event().then(|| Some(format!("{} of {}", told(Role::EventId)?, told(Role::Provider)?))).flatten()
}

/// Whether the places of a record count in the decompressed data of its object.
pub(super) fn is_decompressed(record: &RecordView<'_>) -> bool {
    let fields = record.all_fields();
    let told = record.shape.of.in_role(Role::Decompressed).find_map(|field| get(&fields, field.name));
    matches!(told, Some(ValueView::Bool(true)))
}

/// File records are by far the most, so their sentence is no pattern.
fn file(record: &RecordView<'_>, out: &mut Vec<u8>) {
    push(record.subject, out);
    let FileFacts { directory, in_use, path_certain, size } = FileFacts::of(record);
    push(
        match (in_use, directory) {
            (true, true) => " (folder",
            (true, false) => " (file",
            (false, true) => " (deleted folder",
            (false, false) => " (deleted file",
        },
        out,
    );
    if let (false, Some(size)) = (directory, size) {
        push(", ", out);
        text::number(size, out);
        push(" bytes", out);
    }
    if let Place::MftEntry { entry, sequence, .. } = record.place {
        push(", MFT record ", out);
        text::number(entry, out);
        out.push(b'-');
        text::number(sequence, out);
    }
    push(if path_certain { ")" } else { ", path not certain)" }, out);
}

/// An event without a sentence of its own: its provider, its number and its values.
fn event(record: &RecordView<'_>, fields: &Fields<'_>, out: &mut Vec<u8>) {
    let of = record.shape.of;
    let text = |role| match of.in_role(role).find_map(|field| get(fields, field.name)) {
        Some(ValueView::Text(text)) => Some(text),
        _ => None,
    };
    let start = out.len();
    let provider = text(Role::Provider).unwrap_or("unknown provider");
    let id = text(Role::EventId).unwrap_or("?");
    push(provider, out);
    push(" event ", out);
    push(id, out);
    let mut separator = ": ";
    for (name, value) in fields {
        if of.shared.iter().any(|field| field.name == name.as_str()) {
            continue;
        }
        push(separator, out);
        push(name.as_str(), out);
        out.push(b'=');
        push_value(*value, 120, out);
        separator = ", ";
        if out.len() - start > 600 {
            push(", …", out);
            break;
        }
    }
}

/// A pattern, and where its fields are in the records of a shape.
struct Sentence(Vec<Part>);

enum Part {
    Text(&'static str),
    /// The first of several that has a value, and at most how many characters of it.
    Field(Vec<Of>, usize),
    /// What is left out when a field in it has no value.
    Group(Sentence),
}

enum Of {
    Subject,
    /// The field of this number.
    Field(usize),
    /// The same, which is the number of a process.
    Process(usize),
}

impl Sentence {
    /// For records of this type whose fields have these names.
    fn new(mut pattern: &'static str, of: &RecordType, names: &[&str]) -> Self {
        let mut parts = Vec::new();
        while let Some(at) = pattern.find(['[', '{']) {
            parts.push(Part::Text(&pattern[..at]));
            let (is_group, inside) = (pattern[at..].starts_with('['), &pattern[at + 1..]);
            let end = if is_group { group_end(inside) } else { inside.find('}').unwrap_or(inside.len()) };
            parts.push(match is_group {
                true => Part::Group(Sentence::new(&inside[..end], of, names)),
                false => Part::field(&inside[..end], of, names),
            });
            pattern = inside.get(end + 1..).unwrap_or("");
        }
        parts.push(Part::Text(pattern));
        Sentence(parts)
    }

    /// Writes it, and says whether each of its fields has a value.
    fn write(&self, seen: &Seen<'_>, marks: Marks<'_>, out: &mut Vec<u8>) -> bool {
        let mut is_whole = true;
        for part in &self.0 {
            match part {
                Part::Text(text) => push(text, out),
                Part::Field(of, limit) => {
                    let mut values = of.iter().filter_map(|of| Some((of, of.value(seen)?)));
                    match values.find(|(_, value)| !matches!(value, ValueView::Text("" | "-"))) {
                        Some((of, value)) => match (of.process(value), value) {
                            (Some(number), _) => text::number(number, out),
                            (_, ValueView::Text(text)) => push_value(ValueView::Text(&marks.shown(text)), *limit, out),
                            (_, value) => push_value(value, *limit, out),
                        },
                        None => {
                            push(MISSING, out);
                            is_whole = false;
                        }
                    }
                }
                Part::Group(group) => {
                    let before = out.len();
                    if !group.write(seen, marks, out) {
                        out.truncate(before);
                    }
                }
            }
        }
        is_whole
    }
}

impl Part {
    /// Of what stands in `{…}`.
    fn field(pattern: &'static str, of: &RecordType, names: &[&str]) -> Part {
        let (alternatives, limit) = match pattern.rsplit_once(':') {
            Some((alternatives, limit)) => (alternatives, limit.parse().unwrap_or(usize::MAX)),
            None => (pattern, usize::MAX),
        };
        let in_role = |role, name: &str| of.in_role(role).any(|field| field.name == name);
        let place = |name: &str| {
            let is_process = [Role::Pid, Role::ParentPid].into_iter().any(|role| in_role(role, name));
            match names.iter().position(|there| *there == name) {
                _ if name == "@subject" => Some(Of::Subject),
                Some(number) if is_process => Some(Of::Process(number)),
                number => number.map(Of::Field),
            }
        };
        Part::Field(alternatives.split('|').filter_map(place).collect(), limit)
    }
}

impl Of {
    fn value<'a>(&self, seen: &Seen<'a>) -> Option<ValueView<'a>> {
        match self {
            Of::Subject => Some(ValueView::Text(seen.event.record.subject)),
            Of::Field(number) | Of::Process(number) => seen.value(*number),
        }
    }

    /// The number of a process, which some providers write in hexadecimal digits; `None` of any other field.
    fn process(&self, value: ValueView<'_>) -> Option<u64> {
        let (Of::Process(_), ValueView::Text(text)) = (self, value) else { return None };
        let digits = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X"))?;
        u64::from_str_radix(digits, 16).ok()
    }
}

/// Where a group ends; brackets inside of `{…}` belong to field names.
fn group_end(group: &str) -> usize {
    let mut in_field = false;
    for (at, byte) in group.bytes().enumerate() {
        match byte {
            b'{' => in_field = true,
            b'}' => in_field = false,
            b']' if !in_field => return at,
            _ => {}
        }
    }
    group.len()
}

/// A value as people read it, at most `limit` characters of a text.
fn push_value(value: ValueView<'_>, limit: usize, out: &mut Vec<u8>) {
    match value {
        ValueView::Text(text) => match text.char_indices().nth(limit) {
            None => push(text, out),
            Some((end, _)) => {
                push(&text[..end], out);
                push("…", out);
            }
        },
        ValueView::Unsigned(number) => text::number(number, out),
        ValueView::Signed(number) => text::number(number, out),
        ValueView::Bool(flag) => push(if flag { "yes" } else { "no" }, out),
        ValueView::Time(time) => push(&time.in_words(), out),
        ValueView::List(items) => {
            for (index, item) in items.enumerate() {
                if index > 0 {
                    push(", ", out);
                }
                push_value(item, limit, out);
            }
        }
        ValueView::Map(members) => {
            for (index, (name, value)) in members.enumerate() {
                if index > 0 {
                    push(", ", out);
                }
                push(name, out);
                out.push(b' ');
                push_value(value, limit, out);
            }
        }
    }
}
