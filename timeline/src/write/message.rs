//! The sentence of a row: what the record says, in words, without interpretation.
//!
//! A sentence is a pattern. `{Name}` is a field, `{A|B}` the first of several that has a value, `{Name:80}`
//! at most so many characters of it, and what stands in `[…]` is left out when a field in it has no value.

use super::file_record::FileFacts;
use super::marks::Marks;
use super::text;
use crate::cited::{MOST_CHARACTERS, MOST_FIELDS};
use crate::merge::{FieldName, Place, RecordView, ValueView};
use evidence::{Role, Tells};

/// Shown where a sentence needs a value that the record does not have.
const MISSING: &str = "(not recorded)";

/// The fields of a record.
type Fields<'a> = [(FieldName<'a>, ValueView<'a>)];

/// A record, and what its sentence is made with.
struct Told<'a> {
    record: &'a RecordView<'a>,
    fields: &'a Fields<'a>,
    marks: Marks<'a>,
}

impl<'a> Told<'a> {
    /// The number of a process, which some providers write in hexadecimal digits; `None` of any other field.
    fn process(&self, name: &str, value: ValueView<'_>) -> Option<u64> {
        let of = self.record.shape.of;
        let is_process = |role| of.in_role(role).any(|field| field.name == name);
        let ValueView::Text(text) = value else { return None };
        let digits = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X"))?;
        [Role::Pid, Role::ParentPid].into_iter().any(is_process).then(|| u64::from_str_radix(digits, 16).ok()).flatten()
    }
}

/// The first value of this name.
fn get<'a>(fields: &Fields<'a>, name: &str) -> Option<ValueView<'a>> {
    fields.iter().find(|(there, _)| there.as_str() == name).map(|(_, value)| *value)
}

fn push(text: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(text.as_bytes());
}

/// Writes the sentence of a record.
pub(super) fn write(record: &RecordView<'_>, marks: Marks<'_>, out: &mut Vec<u8>) {
    let of = record.shape.of;
    match (of.tells, of.message) {
        (Tells::File, _) => file(record, out),
        (_, "") if of.is_event() => event(record, &record.all_fields(), out),
        (_, "") => push(&marks.shown(record.subject), out),
        (_, pattern) => fill(pattern, &Told { record, fields: &record.all_fields(), marks }, out),
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

/// Fills a pattern.
fn fill(pattern: &str, told: &Told<'_>, out: &mut Vec<u8>) {
    // Outside of a group, and at most one group deep.
    let mut rest = pattern;
    while let Some(at) = rest.find(['[', '{']) {
        push(&rest[..at], out);
        if rest[at..].starts_with('{') {
            rest = field(&rest[at..], told, out).unwrap_or_else(|after| {
                push(MISSING, out);
                after
            });
            continue;
        }
        let group = &rest[at + 1..];
        let end = group_end(group);
        let before = out.len();
        let mut inside = &group[..end];
        while let Some(at) = inside.find('{') {
            push(&inside[..at], out);
            match field(&inside[at..], told, out) {
                Ok(after) => inside = after,
                Err(_) => {
                    out.truncate(before);
                    inside = "";
                }
            }
        }
        push(inside, out);
        rest = group.get(end + 1..).unwrap_or("");
    }
    push(rest, out);
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

/// Writes the field that a pattern starts with; gives the rest of the pattern, as an error when the field
/// has no value.
fn field<'a>(pattern: &'a str, told: &Told<'_>, out: &mut Vec<u8>) -> Result<&'a str, &'a str> {
    let end = pattern.find('}').unwrap_or(pattern.len());
    let rest = pattern.get(end + 1..).unwrap_or("");
    let name = pattern.get(1..end).unwrap_or("");
    let (names, limit) = match name.rsplit_once(':') {
        Some((names, limit)) => (names, limit.parse().unwrap_or(usize::MAX)),
        None => (name, usize::MAX),
    };
    for name in names.split('|') {
        let value = match name {
            "@subject" => Some(ValueView::Text(told.record.subject)),
            name => get(told.fields, name),
        };
        match value {
            None | Some(ValueView::Text("" | "-")) => {}
            Some(value) => {
                match (told.process(name, value), value) {
                    (Some(number), _) => text::number(number, out),
                    (None, ValueView::Text(text)) => push_value(ValueView::Text(&told.marks.shown(text)), limit, out),
                    (None, value) => push_value(value, limit, out),
                }
                return Ok(rest);
            }
        }
    }
    Err(rest)
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
