//! `timeline.csv`: the same rows for spreadsheets, without the fields of the record.

use super::row::{ItemText, Row, Rows};
use super::{Format, Piece, Writer, text};
use crate::merge::{Place, Shape};

pub(super) static FORMAT: Format = Format {
    name: "csv",
    file_name: "timeline.csv",
    says: "CSV in Timesketch's column names, safe to open in a spreadsheet",
    writer: || Box::<Csv>::default(),
};

#[derive(Default)]
struct Csv {
    /// `,data type,artifact,` of each shape.
    shapes: Vec<Vec<u8>>,
}

impl Writer for Csv {
    fn begin(&mut self, shapes: &mut dyn Iterator<Item = &Shape>, out: &mut Vec<u8>) {
        self.shapes = shapes.map(|shape| format!(",{},{},", shape.of.name, shape.artifact).into_bytes()).collect();
        out.extend_from_slice(HEADER);
    }

    /// `,"path",sha256,`.
    fn item(&self, item: &ItemText) -> Vec<u8> {
        let mut csv = vec![b','];
        text::cell(&item.path, &mut csv);
        csv.push(b',');
        text::cell(&item.sha256, &mut csv);
        csv.push(b',');
        csv
    }

    fn batch(&self, rows: &Rows<'_>, piece: &mut Piece) {
        let mut scratch = Vec::new();
        for row in rows.iter() {
            let shape = self.shapes.get(row.event.record.shape_number as usize).map_or(&[][..], Vec::as_slice);
            write(&row, rows, shape, &mut scratch, &mut piece.bytes);
        }
    }
}

/// The first line.
pub(super) const HEADER: &[u8] = b"datetime,timestamp_desc,message,timestamp,data_type,artifact,event_id,user,\
subject,item,item_sha256,locator,integrity,other_sources,belongs_to\r\n";

fn write(row: &Row<'_>, rows: &Rows<'_>, shape: &[u8], words: &mut Vec<u8>, out: &mut Vec<u8>) {
    let record = &row.event.record;
    out.extend_from_slice(row.datetime);
    out.push(b',');
    out.extend_from_slice(row.meanings);
    out.push(b',');
    text::cell(row.message, out);
    out.push(b',');
    out.extend_from_slice(row.micros);
    out.extend_from_slice(shape);
    out.extend_from_slice(row.id);
    out.push(b',');
    if let Some(user) = record.user {
        text::cell(user, out);
    }
    out.push(b',');
    text::cell(row.subject, out);
    out.extend_from_slice(row.of_item);
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
    words.clear();
    for other in rows.others(row.event) {
        if !words.is_empty() {
            words.extend_from_slice(b"; ");
        }
        words.extend_from_slice(other.item().path.as_bytes());
        words.extend_from_slice(b", ");
        text::place(other.record.place, words);
    }
    if !words.is_empty() {
        text::cell(&String::from_utf8_lossy(words), out);
    }
    out.push(b',');
    out.extend_from_slice(row.belongs_to.as_bytes());
    out.extend_from_slice(b"\r\n");
}
