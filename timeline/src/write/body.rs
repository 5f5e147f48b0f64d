//! `timeline.body`: mactime's body file, `MD5|name|inode|mode|UID|GID|size|atime|mtime|ctime|crtime`.
//!
//! A file record gives two lines, its $STANDARD_INFORMATION times and, marked `($FILE_NAME)`, the others.
//! Every other event gives one line with its time in all four places, since mactime shows a place without
//! a time as a row of its own in the year 0. Times are whole seconds, so times before 1970 cannot be shown
//! and undated events have no line.

use super::file_record::{FileFacts, is_file};
use super::row::{Row, Rows};
use super::{Format, Piece, Writer, text};
use crate::merge::Place;
use evidence::{Filetime, Meaning};

pub(super) static FORMAT: Format =
    Format { name: "body", file_name: "timeline.body", says: "mactime's body file", writer: || Box::new(Body) };

struct Body;

impl Writer for Body {
    fn describes(&self) -> bool {
        false
    }

    fn batch(&self, rows: &Rows<'_>, piece: &mut Piece) {
        rows.iter().for_each(|row| write(&row, &mut piece.bytes));
    }
}

fn write(row: &Row<'_>, out: &mut Vec<u8>) {
    let record = &row.event.record;
    if !is_file(record.shape) {
        let Some(time) = row.event.time else { return };
        start(row.message, "", row.item.changed, out);
        out.extend_from_slice(b"|0|0|0|0|0");
        for _ in 0..4 {
            seconds(Some(time), out);
        }
        out.push(b'\n');
        return;
    }
    // The record comes once for each of its times; its lines are written with the first.
    if row.event.time.is_none() || !row.event.is_first {
        return;
    }
    let mut times = [[None; 4]; 2];
    for (meaning, when) in record.moments() {
        let place = match meaning {
            Meaning::SI_ACCESSED => &mut times[0][0],
            Meaning::SI_MODIFIED => &mut times[0][1],
            Meaning::SI_CHANGED => &mut times[0][2],
            Meaning::SI_CREATED => &mut times[0][3],
            Meaning::FN_ACCESSED => &mut times[1][0],
            Meaning::FN_MODIFIED => &mut times[1][1],
            Meaning::FN_CHANGED => &mut times[1][2],
            Meaning::FN_CREATED => &mut times[1][3],
            _ => continue,
        };
        *place = place.or(when.sort_key());
    }
    let FileFacts { directory, in_use, size, .. } = FileFacts::of(record);
    for (times, file_name) in times.into_iter().zip([false, true]) {
        if times == [None; 4] {
            continue;
        }
        let suffix = match (file_name, in_use) {
            (false, true) => "",
            (false, false) => " (deleted)",
            (true, true) => " ($FILE_NAME)",
            (true, false) => " ($FILE_NAME) (deleted)",
        };
        start(record.subject, suffix, row.item.changed, out);
        out.push(b'|');
        match record.place {
            Place::MftEntry { entry, .. } => text::number(entry, out),
            _ => out.push(b'0'),
        }
        out.extend_from_slice(if directory { b"|d/drwxrwxrwx|0|0|" } else { b"|r/rrwxrwxrwx|0|0|" });
        text::number(size.unwrap_or(0), out);
        for time in times {
            seconds(time, out);
        }
        out.push(b'\n');
    }
}

/// The unknown MD5 and the name.
fn start(name: &str, suffix: &str, changed: bool, out: &mut Vec<u8>) {
    out.extend_from_slice(b"0|");
    text::body(name, out);
    out.extend_from_slice(suffix.as_bytes());
    if changed {
        out.extend_from_slice(b" (object changed after sealing)");
    }
}

fn seconds(time: Option<Filetime>, out: &mut Vec<u8>) {
    out.push(b'|');
    let seconds = time.map_or(0, Filetime::unix_seconds);
    text::number(u64::try_from(seconds).unwrap_or(0), out);
}
