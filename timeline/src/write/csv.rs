//! `timeline.csv`: the same rows for spreadsheets, without the fields of the record.

use super::{Row, text};
use crate::merge::Place;

/// The first line.
pub(super) const HEADER: &[u8] = b"datetime,timestamp_desc,message,timestamp,data_type,artifact,event_id,user,\
subject,item,item_sha256,locator,integrity,other_sources\r\n";

pub(super) fn write(row: &mut Row<'_>, out: &mut Vec<u8>) {
    let record = &row.event.record;
    out.extend_from_slice(row.datetime);
    out.push(b',');
    row.meanings(out);
    out.push(b',');
    text::cell(row.message, out);
    out.push(b',');
    out.extend_from_slice(row.micros);
    out.extend_from_slice(&row.shape.csv);
    out.extend_from_slice(&row.id);
    out.push(b',');
    if let Some(user) = record.user {
        text::cell(user, out);
    }
    out.push(b',');
    text::cell(record.subject, out);
    out.extend_from_slice(&row.item.csv);
    match record.place {
        Place::RegistryKey { .. } => text::cell(&String::from_utf8_lossy(row.place), out),
        // Its words have a comma.
        Place::ByteRange { .. } => {
            out.push(b'"');
            out.extend_from_slice(row.place);
            out.push(b'"');
        }
        _ => out.extend_from_slice(row.place),
    }
    out.push(b',');
    out.extend_from_slice(record.integrity.name().as_bytes());
    if row.item.changed {
        out.extend_from_slice(b"; object_changed");
    }
    out.push(b',');
    let mut words = std::mem::take(row.scratch);
    words.clear();
    for other in row.event.others() {
        if !words.is_empty() {
            words.extend_from_slice(b"; ");
        }
        words.extend_from_slice(row.items.get(other.item).path.as_bytes());
        words.extend_from_slice(b", ");
        text::place(other.place, &mut words);
    }
    if !words.is_empty() {
        text::cell(&String::from_utf8_lossy(&words), out);
    }
    *row.scratch = words;
    out.extend_from_slice(b"\r\n");
}
