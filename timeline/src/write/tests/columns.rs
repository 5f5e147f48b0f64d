//! A format with columns: it needs the types of the fields, writes each column of a piece in one go, and has an end that
//! says where everything is.

use super::*;
use crate::merge::{FieldName, ValueView};
use crate::write::row::Row;
use evidence::{Field, FieldKind, RecordType};
use serde_json::json;

static TYPED: RecordType = RecordType {
    fields: &[Field::text("Name", "a name"), Field::number("Size", "a size"), Field::flag("InUse", "whether it is")],
    ..RecordType::named("test:typed")
};

/// Each piece is its columns, a JSON array each; its note is their lengths. The end has the columns, and where each piece
/// is; the last eight bytes are the length of the end.
#[derive(Default)]
struct Columns(Vec<Field>);

impl Writer for Columns {
    fn begin(&mut self, shapes: &mut dyn Iterator<Item = &Shape>, out: &mut Vec<u8>) {
        for field in shapes.flat_map(|shape| shape.of.fields) {
            if !self.0.contains(field) {
                self.0.push(*field);
            }
        }
        self.0.sort_by_key(|field| field.name);
        out.extend_from_slice(b"COLUMNS\n");
    }

    fn batch(&self, rows: &Rows<'_>, piece: &mut Piece) {
        for column in &self.0 {
            let start = piece.bytes.len();
            let values: Vec<Json> = rows.iter().map(|row| value(&row, column)).collect();
            serde_json::to_writer(&mut piece.bytes, &values).unwrap();
            piece.note.extend_from_slice(&((piece.bytes.len() - start) as u64).to_le_bytes());
        }
    }

    fn finish(&self, notes: &[Note], out: &mut Vec<u8>) {
        let columns: Vec<Json> =
            self.0.iter().map(|field| json!({ "name": field.name, "type": format!("{:?}", field.kind) })).collect();
        let lengths = |note: &Note| note.note.as_chunks().0.iter().copied().map(u64::from_le_bytes).collect::<Vec<_>>();
        let pieces: Vec<Json> = notes
            .iter()
            .map(|note| json!({ "offset": note.offset, "rows": note.rows, "lengths": lengths(note) }))
            .collect();
        serde_json::to_writer(&mut *out, &json!({ "columns": columns, "pieces": pieces })).unwrap();
        out.extend_from_slice(&(out.len() as u64).to_le_bytes());
    }
}

/// The value of a row in a column, of the column's type.
fn value(row: &Row<'_>, column: &Field) -> Json {
    let all: Vec<(FieldName<'_>, ValueView<'_>)> = row.event.record.all_fields();
    let found = all.iter().find(|(name, _)| name.as_str() == column.name);
    match (column.kind, found.map(|(_, value)| *value)) {
        (FieldKind::Text, Some(ValueView::Text(text))) => text.into(),
        (FieldKind::Number, Some(ValueView::Unsigned(number))) => number.into(),
        (FieldKind::Flag, Some(ValueView::Bool(flag))) => flag.into(),
        _ => Json::Null,
    }
}

fn typed(number: u64) -> Record {
    let mut fields = Fields::new();
    fields.push("Name", format!("a rather long name of number {number}"));
    fields.push_some("Size", (!number.is_multiple_of(3)).then_some(number));
    fields.push("InUse", number.is_multiple_of(2));
    Record {
        artifact: "test",
        of: &TYPED,
        subject: format!("{number}"),
        user: None,
        moments: vec![Moment::at(Meaning::RECORDED, Timestamp::filetime(1_000_000 + number).unwrap())],
        fields,
        claims: &[],
        locator: Locator::ByteRange { offset: number, length: 1 },
        integrity: Integrity::Intact,
    }
}

/// The file of some records.
fn written(count: u64, threads: usize) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let merger = Merger::new(folder.path(), 0);
    (0..count).for_each(|number| merger.add(ItemId(0), &typed(number)));
    let mut outputs = [Output { format: &body::FORMAT, name: "columns".to_owned(), to: Vec::new() }];
    let writers: Vec<Box<dyn Writer>> = vec![Box::<Columns>::default()];
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
    pool.install(|| {
        let observed: Observed<'_, Everything> = Observed { by: None, tick: &mut || () };
        let mut sorted = merger.finish().unwrap();
        write_with(writers, &mut sorted, &Vec::new(), Marks::default(), &mut outputs, observed).unwrap();
    });
    outputs.map(|output| output.to).concat()
}

#[test]
fn a_format_with_columns_fits() {
    const COUNT: u64 = 5_000;
    let file = written(COUNT, 4);
    assert!(file == written(COUNT, 1), "the bytes depend on the threads");
    let (rest, length) = file.split_last_chunk().unwrap();
    let end = rest.len() - usize::try_from(u64::from_le_bytes(*length)).unwrap();
    let footer: Json = serde_json::from_slice(&rest[end..]).unwrap();
    assert_eq!(
        footer["columns"],
        json!([{"name": "InUse", "type": "Flag"}, {"name": "Name", "type": "Text"}, {"name": "Size", "type": "Number"}])
    );
    let pieces = footer["pieces"].as_array().unwrap();
    assert!(pieces.len() > 4, "{}", pieces.len());
    let mut columns: [Vec<Json>; 3] = Default::default();
    for piece in pieces {
        let mut at = piece["offset"].as_u64().unwrap() as usize;
        for (column, length) in columns.iter_mut().zip(piece["lengths"].as_array().unwrap()) {
            let length = length.as_u64().unwrap() as usize;
            let values: Vec<Json> = serde_json::from_slice(&file[at..at + length]).unwrap();
            assert_eq!(values.len() as u64, piece["rows"].as_u64().unwrap());
            column.extend(values);
            at += length;
        }
    }
    for number in 0..COUNT {
        let row: Vec<&Json> = columns.iter().map(|column| &column[number as usize]).collect();
        let name = format!("a rather long name of number {number}");
        let size = if number.is_multiple_of(3) { Json::Null } else { json!(number) };
        assert_eq!(row, [&json!(number.is_multiple_of(2)), &json!(name), &size]);
    }
}
