mod columns;

use super::*;
use crate::event::{Event, Happening};
use crate::merge::{Eye, Merger};
use crate::pass::write_timeline;
pub(super) use crate::testing::item;
use evidence::{Claim, Fields, Filetime, Integrity, ItemId, Locator, Meaning, Moment, Record, Timestamp, Value, When};
use serde_json::Value as Json;
use sha2::{Digest, Sha256};

fn moment(meaning: Meaning, text: &str) -> Moment {
    Moment::at(meaning, Timestamp::filetime(Filetime::parse_utc(text).unwrap().0).unwrap())
}

fn process_start() -> Record {
    let mut fields = Fields::new();
    for (name, value) in [
        ("System.Provider", "Microsoft-Windows-Sysmon"),
        ("System.EventID", "1"),
        ("ProcessId", "6176"),
        ("Image", r"C:\Windows\Microsoft.NET\Framework\v4.0.30319\RegAsm.exe"),
        ("CommandLine", r#""C:\…\regasm.exe"  /U T1121.dll"#),
        ("User", r"MSEDGEWIN10\IEUser"),
    ] {
        fields.push(name, value);
    }
    Record {
        artifact: "event-log",
        of: crate::testing::of_event(&fields),
        subject: r"C:\Windows\Microsoft.NET\Framework\v4.0.30319\RegAsm.exe".to_owned(),
        user: Some("S-1-5-18".to_owned()),
        moments: vec![moment(Meaning::RECORDED, "2019-07-19T14:45:55.6992939")],
        fields,
        claims: &[Claim::Executed(evidence::RunTime::Start)],
        locator: Locator::EvtxRecord { record_id: 43, offset: 0x1200 },
        integrity: Integrity::Intact,
    }
}

fn file() -> Record {
    let mut fields = Fields::new();
    fields.push("Path", r"\a|b%.dll");
    fields.push("InUse", false);
    fields.push("Size", 4096u64);
    Record {
        artifact: "mft",
        of: crate::testing::of("windows:ntfs:file"),
        subject: r"\a|b%.dll".to_owned(),
        user: None,
        moments: vec![
            moment(Meaning::SI_MODIFIED, "2020-01-01T00:00:00"),
            moment(Meaning::SI_ACCESSED, "2020-01-02T00:00:00"),
            moment(Meaning::SI_CHANGED, "2020-01-02T00:00:00"),
            moment(Meaning::SI_CREATED, "2019-12-31T23:59:59.9999999"),
            moment(Meaning::FN_CREATED, "2019-12-31T23:59:59.9999999"),
        ],
        fields,
        claims: &[Claim::Present],
        locator: Locator::MftEntry { entry: 77, sequence: 2, offset: 0x13400 },
        integrity: Integrity::Recovered,
    }
}

fn undated(subject: &str, fields: Fields) -> Record {
    Record {
        artifact: "host",
        of: crate::testing::of("test:undated"),
        subject: subject.to_owned(),
        user: None,
        moments: Vec::new(),
        fields,
        claims: &[],
        locator: Locator::RegistryKey { key: "K\"ey".to_owned(), value: None, offset: 1 },
        integrity: Integrity::Intact,
    }
}

fn all_formats() -> [Output<Vec<u8>>; 3] {
    [&jsonl::FORMAT, &csv::FORMAT, &body::FORMAT].map(|format| Output {
        format,
        name: format.file_name.to_owned(),
        to: Vec::new(),
    })
}

fn texts(outputs: [Output<Vec<u8>>; 3]) -> [String; 3] {
    outputs.map(|output| String::from_utf8(output.to).unwrap())
}

/// Asks for everything.
struct Everything {
    counted: u64,
    events: Vec<Event>,
}

impl Observer for Everything {
    type Taken = Event;

    fn eye(&self) -> Eye<Event> {
        Box::new(|event| Some(owned(event)))
    }

    fn count(&mut self, _: &Glance) {
        self.counted += 1;
    }

    fn observe(&mut self, taken: Event) {
        self.events.push(taken);
    }
}

/// What is asked of an event before it is owned is the same as afterwards.
fn owned(event: &Seen<'_>) -> Event {
    let own = event.event.to_event();
    assert_eq!(own.meanings().collect::<Vec<_>>(), event.meanings().collect::<Vec<_>>());
    assert_eq!(own.is_first(), Happening::is_first(event));
    assert_eq!((own.record.of, own.record.claims, own.item), (event.of(), event.claims(), event.item()));
    let declared = own.record.of.fields.iter().chain(own.record.of.shared);
    for role in declared.filter_map(|field| field.role) {
        assert_eq!(Happening::value_of(&own, role), event.value_of(role));
    }
    assert_eq!(Happening::locator(&own), event.locator());
    assert_eq!(Happening::copies(&own).collect::<Vec<_>>(), event.copies().collect::<Vec<_>>());
    own
}

fn observed(
    merger: Merger,
    items: &dyn Items,
    outputs: &mut [Output<Vec<u8>>],
    events: &mut Vec<Event>,
) -> TimelineSummary {
    let writers = outputs.iter().map(|output| (output.format.writer)()).collect();
    let (mut everything, mut ticks) = (Everything { counted: 0, events: Vec::new() }, 0);
    let observed = Observed { by: Some(&mut everything), tick: &mut || ticks += 1 };
    let summary =
        write_with(writers, &mut merger.finish().unwrap(), items, Marks::default(), outputs, observed).unwrap();
    assert_eq!((everything.counted, ticks), (summary.events, summary.events));
    events.append(&mut everything.events);
    summary
}

/// The files of some records, and the events that an observer of everything saw.
fn written(records: &[(u32, Record)], threads: usize) -> ([String; 3], Vec<Event>, TimelineSummary) {
    let items = [item(0, r"C:\$MFT"), item(1, r"C:\Logs\a.evtx"), item(2, r"C:\=Archive, b.evtx")];
    let folder = tempfile::tempdir().unwrap();
    let merger = Merger::new(folder.path(), 0);
    records.iter().for_each(|(item, record)| merger.add(ItemId(*item), record));
    let mut outputs = all_formats();
    let mut events = Vec::new();
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
    let summary = pool.install(|| observed(merger, &items.to_vec(), &mut outputs, &mut events));
    (texts(outputs), events, summary)
}

fn lines(text: &str) -> Vec<Json> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn json_lines_have_what_timesketch_needs_and_every_field() {
    let ([jsonl, ..], events, summary) = written(&[(1, process_start()), (0, file())], 1);
    assert_eq!(summary.events, 4);
    assert_eq!(events.len(), 4);
    let rows = lines(&jsonl);
    assert_eq!(rows.len(), 4);
    let start = &rows[0];
    assert_eq!(start["datetime"], "2019-07-19T14:45:55.699293+00:00");
    assert_eq!(start["datetime_exact"], "2019-07-19T14:45:55.6992939Z");
    assert_eq!(start["timestamp"], 1_563_547_555_699_293_i64);
    assert_eq!(start["timestamp_desc"], "Event Recorded");
    assert_eq!(
        start["message"],
        r#"Process 6176 C:\Windows\Microsoft.NET\Framework\v4.0.30319\RegAsm.exe started by MSEDGEWIN10\IEUser, command line: "C:\…\regasm.exe"  /U T1121.dll"#
    );
    assert_eq!(start["user"], "S-1-5-18");
    assert_eq!(start["item"], r"C:\Logs\a.evtx");
    assert_eq!(start["item_sha256"], format!("{:064x}", 1));
    assert_eq!(start["locator"], "record 43 at offset 0x1200");
    for (name, value) in process_start().fields.iter() {
        assert_eq!(start[name], value.as_text().unwrap(), "{name}");
    }
    assert_eq!(rows[1]["timestamp_desc"], "Creation Time; Creation Time ($FILE_NAME)");
    assert_eq!(rows[1]["integrity"], "recovered");
    assert_eq!(rows[1]["message"], r"\a|b%.dll (deleted file, 4096 bytes, MFT record 77-2)");
    assert_eq!((&rows[1]["InUse"], &rows[1]["Size"]), (&Json::from("false"), &Json::from("4096")));
}

#[test]
fn a_long_sentence_is_cut_by_its_own_length() {
    let records: Vec<(u32, Record)> = (1..30)
        .map(|number| {
            let mut record = process_start();
            record.of = crate::testing::of_event(&Fields::new());
            record.locator = Locator::EvtxRecord { record_id: number, offset: 0 };
            record.fields = Fields::new();
            (0..30).for_each(|at| record.fields.push(format!("Name{at}"), "x".repeat(number as usize)));
            (1, record)
        })
        .collect();
    let ([jsonl, ..], ..) = written(&records, 1);
    for (number, row) in (1..).zip(lines(&jsonl)) {
        let message = row["message"].as_str().unwrap();
        // 24 bytes before the values, 170 for their names, 90 for the signs between them, and the values: 614 bytes for
        // those of eleven characters.
        assert_eq!(message.ends_with(", …"), number >= 11, "{number}: {message}");
        assert!(message.len() > 300, "{number}: {message}");
    }
}

#[test]
fn a_name_of_the_evidence_changes_no_sentence() {
    let mut with_own = process_start();
    // A name that comes from the evidence, so that all names of this record stand beside its values.
    let mut fields = Fields::new();
    fields.push("Own\n".to_owned(), "x");
    process_start().fields.iter().for_each(|(name, value)| fields.push(name.to_owned(), value.to_value()));
    with_own.fields = fields;
    with_own.locator = Locator::EvtxRecord { record_id: 2, offset: 0 };
    let ([jsonl, ..], ..) = written(&[(1, process_start()), (1, with_own)], 1);
    let messages: Vec<_> = lines(&jsonl).into_iter().map(|row| row["message"].clone()).collect();
    assert_eq!(messages.len(), 2);
    assert_eq!(messages[0], messages[1]);
    assert!(messages[0].as_str().unwrap().contains("RegAsm.exe started"), "{}", messages[0]);
}

#[test]
fn event_ids_can_be_computed_again() {
    let ([jsonl, csv, _], ..) = written(&[(1, process_start())], 1);
    let text = format!(
        "{:064x}\nrecord 43 at offset 0x1200\n{}",
        1,
        Filetime::parse_utc("2019-07-19T14:45:55.6992939").unwrap().0
    );
    let digest = Sha256::digest(text);
    let id: String = digest.iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(lines(&jsonl)[0]["event_id"], id);
    assert!(csv.contains(&id));
}

#[test]
fn names_and_values_of_the_evidence_change_no_row() {
    let mut fields = Fields::new();
    fields.push("message".to_owned(), "not ours");
    fields.push("".to_owned(), "nameless");
    fields.push("Data\"\n".to_owned(), "a\u{202e}b\0");
    fields.push("Twice", 1u64);
    fields.push("Twice#4".to_owned(), 2u64);
    fields.push("Twice", 3u64);
    fields.push("field_message".to_owned(), "x");
    let map = |number: u64| {
        Value::Map(vec![("Pa\"th".to_owned(), Value::from("p")), ("n".to_owned(), Value::Unsigned(number))])
    };
    fields.push("Files", Value::List(vec![map(1), map(2)]));
    fields.push("Names", Value::List(vec![Value::from("a"), Value::from("b")]));
    let ([jsonl, csv, body], ..) = written(&[(2, undated("=1+\u{202e}\"2", fields))], 1);
    assert_eq!(
        jsonl.lines().next().unwrap(),
        concat!(
            r#"{"message":"=1+"#,
            "\u{202e}",
            r#"\"2","timestamp_desc":"Not a time","#,
            r#""data_type":"test:undated","artifact":"host","event_id":"2a48e0c70893ff5b05999e9608c3ddf0","subject":"=1+"#,
            "\u{202e}",
            r#"\"2","item":"C:\\=Archive, b.evtx","item_sha256":"0000000000000000000000000000000000000000000000000000000000000002","#,
            r#""locator":"key K\"ey at offset 0x1","field_message":"not ours","field_":"nameless","Data\"\n":"a"#,
            "\u{202e}",
            r#"b\u0000","Twice":"1","field_Twice#4":"2","Twice#5":"3","field_field_message":"x","#,
            r#""Files":["{\"Pa\\\"th\":\"p\",\"n\":1}","{\"Pa\\\"th\":\"p\",\"n\":2}"],"Names":["a","b"]}"#
        )
    );
    let mut reader = ::csv::Reader::from_reader(csv.as_bytes());
    let row = reader.records().next().unwrap().unwrap();
    assert_eq!((&row[0], &row[3]), ("", ""));
    assert_eq!(&row[2], "'=1+\\u{202e}\"2");
    assert_eq!(&row[9], r"C:\=Archive, b.evtx");
    assert_eq!(body, "", "an undated event has no place in a body file");
}

#[test]
fn csv_has_timesketch_columns_first() {
    let ([_, csv, _], ..) = written(&[(1, process_start()), (2, process_start())], 1);
    let mut reader = ::csv::Reader::from_reader(csv.as_bytes());
    let header = reader.headers().unwrap().clone();
    assert_eq!(header.iter().take(3).collect::<Vec<_>>(), ["datetime", "timestamp_desc", "message"]);
    let rows: Vec<_> = reader.records().collect::<Result<_, _>>().unwrap();
    assert_eq!(rows.len(), 1, "the same record of two items is one row");
    assert_eq!(&rows[0][13], r"C:\=Archive, b.evtx, record 43 at offset 0x1200");
    assert_eq!(&rows[0][7], "S-1-5-18");
}

#[test]
fn other_sources_stand_in_the_row() {
    let ([jsonl, ..], events, summary) = written(&[(1, process_start()), (2, process_start())], 1);
    assert_eq!((summary.events, summary.joined), (1, 1));
    assert_eq!(events[0].other_sources.len(), 1);
    let others = &lines(&jsonl)[0]["other_sources"];
    assert_eq!(
        *others,
        serde_json::json!([{
            "item": r"C:\=Archive, b.evtx",
            "item_sha256": format!("{:064x}", 2),
            "locator": "record 43 at offset 0x1200",
            "integrity": "intact",
        }])
    );
}

#[test]
fn body_lines_are_what_mactime_reads() {
    let ([_, _, body], ..) = written(&[(1, process_start()), (0, file())], 1);
    let lines: Vec<&str> = body.lines().collect();
    assert_eq!(
        lines[1..],
        [
            "0|\\a%7Cb%25.dll (deleted)|77|r/rrwxrwxrwx|0|0|4096|1577923200|1577836800|1577923200|1577836799",
            "0|\\a%7Cb%25.dll ($FILE_NAME) (deleted)|77|r/rrwxrwxrwx|0|0|4096|0|0|0|1577836799",
        ]
    );
    assert!(
        lines[0].starts_with("0|Process 6176 ")
            && lines[0].ends_with("|0|0|0|0|0|1563547555|1563547555|1563547555|1563547555")
    );
}

#[test]
fn bytes_do_not_depend_on_threads() {
    let records: Vec<(u32, Record)> = (0..6_000u64)
        .map(|number| {
            let mut record = file();
            record.subject = format!(r"\f{number}");
            record.locator = Locator::MftEntry { entry: number, sequence: 1, offset: number * 1024 };
            for (index, moment) in record.moments.iter_mut().enumerate() {
                moment.when = When::At(Timestamp::filetime(1 + number * 7919 % 5000 * index as u64).unwrap());
            }
            (0, record)
        })
        .collect();
    let (one, events, summary) = written(&records, 1);
    let (four, same_events, _) = written(&records, 4);
    assert!(one == four);
    assert!(events == same_events);
    assert_eq!(events.len() as u64, summary.events);
    assert!(events.is_sorted_by_key(|event| event.time));
    assert_eq!(lines(&one[0]).len(), events.len());
    assert_eq!(one[2].lines().count(), 2 * records.len());
}

#[test]
fn a_full_disk_is_a_clear_error() {
    struct Full;
    impl Write for Full {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::StorageFull.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let folder = tempfile::tempdir().unwrap();
    let merger = Merger::new(folder.path(), 0);
    merger.add(ItemId(0), &file());
    let mut outputs = [Output { format: &body::FORMAT, name: "timeline.body".to_owned(), to: Full }];
    let error =
        write_timeline(merger.finish().unwrap(), &Vec::new(), Marks::default(), &mut outputs, &mut || ()).unwrap_err();
    assert!(error.to_string().starts_with("cannot write timeline.body: "), "{error}");
}

#[test]
fn rows_of_a_changed_object_say_so() {
    let folder = tempfile::tempdir().unwrap();
    let merger = Merger::new(folder.path(), 1 << 20);
    let items: Vec<_> = (0..2).map(|id| item(id, &format!(r"C:\\{id}.evtx"))).collect();
    merger.add(ItemId(0), &process_start());
    merger.add(ItemId(1), &file());
    let mut outputs = all_formats();
    let changed = [ItemId(1)].into();
    let marks = Marks { changed: Some(&changed), cited: None, host: None };
    write_timeline(merger.finish().unwrap(), &items, marks, &mut outputs, &mut || ()).unwrap();
    let [jsonl, csv, body] = texts(outputs);
    let marked = |text: &str, mark: &str| text.lines().filter(|line| line.contains(mark)).count();
    assert_eq!(csv.lines().next().unwrap().as_bytes(), csv::HEADER.trim_ascii_end());
    // The process has one row, the file one for each of its three times; in the body file two lines.
    assert_eq!((jsonl.lines().count(), marked(&jsonl, r#""object_changed":"true""#)), (4, 3));
    assert_eq!((csv.lines().count(), marked(&csv, "; object_changed,")), (5, 3));
    assert_eq!((body.lines().count(), marked(&body, " (object changed after sealing)|")), (3, 2));
    assert!(jsonl.lines().all(|line| line.contains("1.evtx") == line.contains("object_changed")));
}
