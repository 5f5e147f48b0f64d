//! Binary XML and chunks, as they should be and as nobody should write them.

use super::writer::{ChunkWriter, Instance, Val, Xml, data, element, event, seal, text, utf16};
use super::*;
use std::time::{Duration, Instant};

/// Labels every value with where it stands.
fn label(place: &Place<'_>) -> Label {
    match (place.part, place.name) {
        (Part::Data, None) if place.element == "Data" && place.attribute.is_none() => Label::Numbered,
        (part, name) => {
            let attribute = place.attribute.map(|attribute| format!("@{attribute}")).unwrap_or_default();
            Label::Named(format!("{part:?}/{}{attribute}", name.unwrap_or(place.element)).into())
        }
    }
}

type Rendered = (Vec<(String, Option<String>)>, Result<(), Undecodable>);

#[derive(Default)]
struct Collected {
    text: String,
    values: Vec<(String, Option<String>)>,
}

impl Values for Collected {
    fn text(&mut self) -> &mut String {
        &mut self.text
    }

    fn end(&mut self, label: &Label, start: Option<usize>) {
        let name = match label {
            Label::Named(name) => name.as_str().to_owned(),
            Label::Numbered => "#".to_owned(),
            Label::Skip => panic!("a skipped value"),
        };
        self.values.push((name, start.map(|start| self.text[start..].to_owned())));
    }
}

fn rendered(chunk: &[u8], record: usize) -> Rendered {
    let records = Chunk::parse(chunk).unwrap().records(&mut 0);
    let mut events = Events::new(chunk, label);
    let mut out = Collected::default();
    let outcome = events.open(&records[record]).and_then(|event| events.render(&event, &mut out));
    (out.values, outcome)
}

/// The values of the provider's part of the only record.
fn data_of(part: Val) -> Vec<(String, Option<String>)> {
    let mut writer = ChunkWriter::new();
    writer.record(1, &event("P", 7, part));
    let (values, outcome) = rendered(&writer.finish(), 0);
    assert_eq!(outcome, Ok(()));
    values.into_iter().filter(|(name, _)| !name.starts_with("System/")).collect()
}

fn some(name: &str, text: &str) -> (String, Option<String>) {
    (name.to_owned(), Some(text.to_owned()))
}

#[test]
fn system_values_decide_without_rendering() {
    let mut writer = ChunkWriter::new();
    writer.record(5, &event("Some-Provider", 4688, Val::Bytes(0, vec![])));
    let chunk = writer.finish();
    let records = Chunk::parse(&chunk).unwrap().records(&mut 0);
    let mut events = Events::new(&chunk, label);
    let event = events.open(&records[0]).unwrap();
    assert_eq!(records[0].number, 5);
    assert_eq!(event.event_id(), Some(4688));
    assert_eq!(event.provider(), "Some-Provider");
    assert_eq!(event.provider_guid(), "");
    assert_eq!(event.channel(), "Test/Log");
    assert_eq!(event.time(), Some(134_171_071_530_000_000));
}

#[test]
fn named_data_in_a_nested_template() {
    let part = Val::Fragment(Instance {
        id: 1,
        root: element("EventData", vec![data("Image", 0), data("Missing", 1), data("Empty", 2), data("Beyond", 9)]),
        values: vec![text(r"C:\a  b.exe"), Val::Bytes(0, vec![]), text("")],
    });
    // What is missing has no field; what is empty has one.
    assert_eq!(data_of(part), [some("Data/Image", r"C:\a  b.exe"), some("Data/Empty", "")]);
}

#[test]
fn unnamed_data_keeps_its_places() {
    let part = Val::Fragment(Instance {
        id: 1,
        root: element("EventData", (0..3).map(|hole| element("Data", vec![Xml::Hole(hole)])).collect()),
        values: vec![Val::Bytes(0x81, utf16("a\0\0b\0")), Val::Bytes(0, vec![]), text("c")],
    });
    assert_eq!(data_of(part), [some("#", "a"), some("#", ""), some("#", "b"), ("#".into(), None), some("#", "c")]);
}

#[test]
fn user_data_and_names_that_repeat() {
    let part = Val::Fragment(Instance {
        id: 1,
        root: element(
            "UserData",
            vec![Xml::Element(
                "LogFileCleared",
                vec![("xmlns", Xml::Text("urn:x"))],
                vec![
                    element("SubjectUserName", vec![Xml::Hole(0)]),
                    element("SubjectUserName", vec![Xml::Text("<"), Xml::Hole(0), Xml::Text(">")]),
                ],
            )],
        ),
        values: vec![text("A")],
    });
    assert_eq!(
        data_of(part),
        [
            some("Data/LogFileCleared@xmlns", "urn:x"),
            some("Data/SubjectUserName", "A"),
            some("Data/SubjectUserName[1]", "<A>")
        ]
    );
}

#[test]
fn an_element_without_a_template() {
    let mut writer = ChunkWriter::new();
    writer.plain(
        1,
        &element(
            "Event",
            vec![
                element("System", vec![element("EventID", vec![Xml::Text("12")])]),
                element("EventData", vec![Xml::Element("Data", vec![("Name", Xml::Text("A"))], vec![Xml::Text("b")])]),
            ],
        ),
    );
    let (values, outcome) = rendered(&writer.finish(), 0);
    assert_eq!((values, outcome), (vec![some("System/EventID", "12"), some("Data/A", "b")], Ok(())));
}

#[test]
fn a_template_of_another_id_is_not_used() {
    let mut writer = ChunkWriter::new();
    let at = writer.record(1, &event("P", 7, Val::Bytes(0, vec![])));
    let mut chunk = writer.finish();
    chunk[at + 30] ^= 1;
    assert!(matches!(rendered(&chunk, 0).1, Err(Undecodable::Malformed { .. })));
}

#[test]
fn a_fragment_without_its_definition_gives_values_by_number() {
    let mut writer = ChunkWriter::new();
    let values = vec![text("a"), Val::Bytes(0, vec![]), Val::Bytes(0x08, 7u32.to_le_bytes().to_vec())];
    let part = Instance { id: 0x0BAD_CAFE, root: element("EventData", vec![data("Image", 0)]), values };
    writer.record(1, &event("P", 7, Val::Fragment(part)));
    let mut chunk = writer.finish();
    let id = chunk.windows(4).position(|window| window == 0x0BAD_CAFEu32.to_le_bytes()).unwrap();
    chunk[id] ^= 1;
    let (values, outcome) = rendered(&chunk, 0);
    assert_eq!(outcome, Err(Undecodable::Nameless));
    assert!(values.contains(&some("System/EventID", "7")));
    assert_eq!(values[values.len() - 3..], [some("#", "a"), ("#".into(), None), some("#", "7")]);
}

/// Renders a record that asks for far more than it holds; it must end soon and with this error.
fn too_large(part: Val) {
    let mut writer = ChunkWriter::new();
    writer.record(1, &event("P", 7, part));
    let started = Instant::now();
    let (values, outcome) = rendered(&writer.finish(), 0);
    assert_eq!(outcome, Err(Undecodable::TooLarge));
    let bytes: usize = values.iter().filter_map(|(_, text)| text.as_ref()).map(String::len).sum();
    assert!(bytes < 4 << 20, "{bytes} bytes");
    assert!(started.elapsed() < Duration::from_secs(5));
}

#[test]
fn values_used_thousands_of_times_are_cut_off() {
    let content = (0..2000).map(|_| Xml::Hole(0)).collect();
    let value = text(&"x".repeat(10_000));
    too_large(Val::Fragment(Instance { id: 1, root: element("EventData", content), values: vec![value] }));
}

#[test]
fn fragments_that_multiply_are_cut_off() {
    // Each level holds the next one sixteen times: 16^7 leaves.
    let mut inner = Instance { id: 1, root: element("Leaf", vec![Xml::Text("x")]), values: vec![] };
    for level in 0..7 {
        let content = (0..16).map(|_| Xml::Hole(0)).collect();
        inner = Instance { id: level + 2, root: element("Level", content), values: vec![Val::Fragment(inner)] };
    }
    too_large(Val::Fragment(inner));
}

#[test]
fn deep_nesting_is_cut_off() {
    let mut deep = Xml::Text("x");
    for _ in 0..40 {
        deep = element("E", vec![deep]);
    }
    too_large(Val::Fragment(Instance { id: 1, root: deep, values: vec![] }));
    let mut inner = Instance { id: 1, root: element("Leaf", vec![Xml::Text("x")]), values: vec![] };
    for level in 0..12 {
        let root = element("Level", vec![Xml::Hole(0)]);
        inner = Instance { id: level + 2, root, values: vec![Val::Fragment(inner)] };
    }
    too_large(Val::Fragment(inner));
}

#[test]
fn counts_beyond_the_record_are_refused() {
    let mut writer = ChunkWriter::new();
    writer.record(1, &Instance { id: 9, root: element("Event", vec![Xml::Hole(0)]), values: vec![text("ab")] });
    let chunk = writer.finish();
    let count = chunk.windows(8).position(|window| window == [1, 0, 0, 0, 4, 0, 1, 0]).unwrap();
    for wrong in [2u32, 0x1000, 0x4000_0000, u32::MAX] {
        let mut chunk = chunk.clone();
        chunk[count..count + 4].copy_from_slice(&wrong.to_le_bytes());
        assert!(matches!(rendered(&chunk, 0).1, Err(Undecodable::Malformed { .. })), "{wrong}");
    }
}

#[test]
fn records_behind_the_free_space_mark_are_stale() {
    let mut writer = ChunkWriter::new();
    writer.record(1, &event("P", 7, Val::Bytes(0, vec![])));
    let second = writer.record(2, &event("P", 8, Val::Bytes(0, vec![])));
    let chunk = writer.finish_with(second);
    let chunk = Chunk::parse(&chunk).unwrap();
    assert!(chunk.checksums_match());
    let records = chunk.records(&mut 0);
    let found: Vec<(u64, bool)> = records.iter().map(|record| (record.number, record.is_stale)).collect();
    assert_eq!(found, [(1, false), (2, true)]);
}

#[test]
fn a_damaged_record_costs_only_itself() {
    let mut writer = ChunkWriter::new();
    let at: Vec<usize> = (1..=4).map(|number| writer.record(number, &event("P", 7, Val::Bytes(0, vec![])))).collect();
    let whole = writer.finish();
    for damage in [at[1]..at[1] + 1, at[1]..at[2], at[1] + 4..at[1] + 8] {
        let mut chunk = whole.clone();
        chunk[damage].fill(0);
        let chunk = Chunk::parse(&chunk).unwrap();
        assert!(!chunk.checksums_match());
        let mut gaps = 0;
        let numbers: Vec<u64> = chunk.records(&mut gaps).iter().map(|record| record.number).collect();
        assert_eq!((numbers, gaps), (vec![1, 3, 4], 1));
    }
}

#[test]
fn what_stands_behind_a_gap_must_have_a_number_of_the_chunk() {
    let mut writer = ChunkWriter::new();
    let at: Vec<usize> =
        [1, 900, 3].into_iter().map(|number| writer.record(number, &event("P", 7, Val::Bytes(0, vec![])))).collect();
    let mut chunk = writer.finish();
    chunk[at[0]] = 0;
    seal(&mut chunk);
    let records = Chunk::parse(&chunk).unwrap().records(&mut 0);
    let found: Vec<(u64, bool)> = records.iter().map(|record| (record.number, record.is_stale)).collect();
    assert_eq!(found, [(900, true), (3, false)]);
}

#[test]
fn every_cut_and_every_flipped_byte_is_survived() {
    let mut writer = ChunkWriter::new();
    let part = || {
        Val::Fragment(Instance {
            id: 1,
            root: element("EventData", vec![data("Image", 0), element("Data", vec![Xml::Hole(1)])]),
            values: vec![text("image"), Val::Bytes(0x81, utf16("a\0b"))],
        })
    };
    writer.record(1, &event("P", 7, part()));
    let end = writer.record(2, &event("P", 8, part()));
    let chunk = writer.finish();
    let survive = |bytes: &[u8]| {
        let Some(chunk) = Chunk::parse(bytes) else { return };
        let _ = chunk.checksums_match();
        let mut events = Events::new(bytes, label);
        for record in chunk.records(&mut 0) {
            if let Ok(event) = events.open(&record) {
                let _ = (event.event_id(), event.provider(), event.time());
                let _ = events.render(&event, &mut Collected::default());
            }
        }
    };
    for length in 0..end + 600 {
        survive(&chunk[..length]);
    }
    for at in 0..end + 600 {
        for value in [0x00, 0xFF, chunk[at] ^ 0x01, chunk[at] ^ 0x80] {
            let mut bytes = chunk.clone();
            bytes[at] = value;
            survive(&bytes);
        }
    }
}
