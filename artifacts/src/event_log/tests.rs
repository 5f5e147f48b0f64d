//! Whole logs, written for the tests: what is kept, how it is labelled, and what is complained about.

mod places;

use super::*;
use crate::formats::evtx::writer::{ChunkWriter, Instance, Val, Xml, data, element, event, file, text};
use evidence::{Bytes, Claim, Problem, RunTime, StoredRange, Value, ValueRef};

/// Bytes that do not lie in memory in one piece, with a stretch that cannot be read.
struct Disk {
    bytes: Vec<u8>,
    bad: std::ops::Range<u64>,
}

impl Bytes for Disk {
    fn len(&self) -> u64 {
        self.bytes.len() as u64
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> std::io::Result<usize> {
        if self.bad.contains(&offset) {
            return Err(std::io::Error::other("bad sector"));
        }
        self.bytes.read_at(offset, buffer)
    }
}

fn parsed_from(bytes: &dyn Bytes) -> (Vec<Record>, Vec<Problem>) {
    let mut records = Vec::new();
    let mut on_record = |record| records.push(record);
    let mut sink = Sink::new("test", &mut on_record);
    let input = Input::new(r"C:\x\Empty%4Log.evtx", bytes);
    parse(&input, &mut sink);
    let problems = sink.finish();
    (records, problems)
}

fn parsed(bytes: Vec<u8>) -> (Vec<Record>, Vec<Problem>) {
    parsed_from(&bytes)
}

const SECURITY: &str = "Microsoft-Windows-Security-Auditing";

fn start(image: &str) -> Instance {
    let sid = |last: u8| Val::Bytes(0x13, vec![1, 1, 0, 0, 0, 0, 0, 5, last, 0, 0, 0]);
    let nobody = Val::Bytes(0x13, vec![1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    event(
        SECURITY,
        4688,
        Val::Fragment(Instance {
            id: 77,
            root: element(
                "EventData",
                vec![
                    data("SubjectUserSid", 0),
                    data("NewProcessId", 1),
                    data("NewProcessName", 2),
                    data("TokenElevationType", 3),
                    data("TargetUserSid", 4),
                ],
            ),
            values: vec![
                sid(18),
                Val::Bytes(0x15, 0x1820u64.to_le_bytes().to_vec()),
                text(image),
                text("%%1936"),
                nobody,
            ],
        }),
    )
}

fn noise(event_id: u16) -> Instance {
    event("Nobody-Cares", event_id, Val::Bytes(0, vec![]))
}

fn chunk_of(numbers: std::ops::RangeInclusive<u64>) -> Vec<u8> {
    let mut writer = ChunkWriter::new();
    for number in numbers {
        writer.record(number, &start(&format!(r"C:\{number}.exe")));
    }
    writer.finish()
}

fn integrities(records: &[Record]) -> Vec<(u64, Integrity)> {
    let number = |record: &Record| match record.locator {
        Locator::EvtxRecord { record_id, .. } => record_id,
        _ => 0,
    };
    records.iter().map(|record| (number(record), record.integrity)).collect()
}

fn kinds(problems: &[Problem]) -> Vec<&'static str> {
    problems.iter().map(|problem| problem.kind.name()).collect()
}

#[test]
fn an_empty_file_is_described_and_complained_about() {
    let (records, problems) = parsed(Vec::new());
    assert_eq!(records.len(), 1);
    assert_eq!(records[0].fields.text("Channel"), Some("Empty/Log"));
    assert_eq!(kinds(&problems), ["bad_signature"]);
}

#[test]
fn a_process_start() {
    let mut writer = ChunkWriter::new();
    let at = writer.record(41, &start(r"C:\a.exe"));
    let (records, problems) = parsed(file(&[writer.finish()], 1, false));
    assert_eq!(kinds(&problems), [""; 0]);
    let record = &records[0];
    let fields: Vec<_> = record.fields.iter().map(|(name, value)| (name, value.as_text().unwrap())).collect();
    assert_eq!(
        fields,
        [
            ("System.Provider", SECURITY),
            ("System.EventID", "4688"),
            ("System.Channel", "Test/Log"),
            ("SubjectUserSid", "S-1-5-18"),
            ("NewProcessId", "0x1820"),
            ("NewProcessName", r"C:\a.exe"),
            ("TokenElevationType", "%%1936"),
            ("TargetUserSid", "S-1-0-0"),
        ]
    );
    assert_eq!(record.subject, r"C:\a.exe");
    assert_eq!(record.user.as_deref(), Some("S-1-5-18"), "nobody is not the user");
    assert_eq!(record.claims, [Claim::Executed(RunTime::Start)]);
    assert_eq!(record.integrity, Integrity::Intact);
    assert_eq!(record.locator, Locator::EvtxRecord { record_id: 41, offset: 4096 + at as u64 });
    let time = record.moments[0].when.sort_key().unwrap();
    assert_eq!((record.moments.len(), time.0), (1, 134_171_071_530_000_000));
}

#[test]
fn every_record_is_counted_and_only_wanted_ones_are_kept() {
    let mut writer = ChunkWriter::new();
    for number in [3, 4, 7] {
        writer.record(number, &noise(12));
    }
    writer.record(8, &start(r"C:\a.exe"));
    let (records, problems) = parsed(file(&[writer.finish()], 1, true));
    assert_eq!((records.len(), problems.len()), (2, 0), "a log that was not closed is nothing to complain about");
    let channel = &records[1];
    assert_eq!(channel.of.name, "windows:evtx:channel");
    assert_eq!(channel.subject, "Test/Log");
    let fields = &channel.fields;
    let number = |name: &str| fields.number(name).unwrap();
    assert_eq!((number("Records"), number("FirstRecordId"), number("LastRecordId")), (4, 3, 8));
    assert_eq!((number("Recovered"), number("Undecodable")), (0, 0));
    assert_eq!(fields.get("MissingRecordIds").map(ValueRef::to_value), Some(vec!["5-6"].into()));
    assert_eq!(fields.get("Dirty").map(ValueRef::to_value), Some(true.into()));
    let events = [("Test/Log:12", 3u64), ("Test/Log:4688", 1)];
    assert_eq!(
        fields.get("Events").map(ValueRef::to_value),
        Some(Value::Map(events.map(|(key, count)| (key.into(), count.into())).into()))
    );
}

#[test]
fn what_the_log_does_not_hold_any_more_is_recovered() {
    let mut writer = ChunkWriter::new();
    writer.record(1, &start(r"C:\1.exe"));
    let free = writer.record(2, &start(r"C:\2.exe"));
    let slack = writer.finish_with(free);
    let mut headless = chunk_of(9..=9);
    headless[..8].fill(0);
    let expected =
        [(1, Integrity::Intact), (2, Integrity::Recovered), (9, Integrity::Recovered), (5, Integrity::Recovered)];
    let (records, problems) = parsed(file(&[slack.clone(), headless.clone(), chunk_of(5..=5)], 2, false));
    assert_eq!(integrities(&records)[..4], expected);
    assert_eq!(kinds(&problems), ["bad_signature"]);
    assert_eq!((records[4].fields.number("Records"), records[4].fields.number("Recovered")), (Some(1), Some(3)));
    // A log that was not closed does not count its last chunks yet.
    let (records, _) = parsed(file(&[slack, headless, chunk_of(5..=5)], 2, true));
    assert_eq!(integrities(&records)[3], (5, Integrity::Intact));
}

#[test]
fn an_earlier_writing_of_a_live_record_is_not_told_twice() {
    let mut writer = ChunkWriter::new();
    writer.record(1, &start(r"C:\1.exe"));
    let free = writer.record(1, &start(r"C:\1.exe"));
    let (records, _) = parsed(file(&[writer.finish_with(free)], 1, false));
    assert_eq!(integrities(&records), [(1, Integrity::Intact), (0, Integrity::Intact)]);
}

#[test]
fn a_chunk_that_does_not_match_its_checksum_is_read_and_marked() {
    let mut chunk = chunk_of(1..=2);
    chunk[52] ^= 1;
    let (records, problems) = parsed(file(&[chunk], 1, false));
    assert_eq!(integrities(&records)[..2], [(1, Integrity::Corrupted), (2, Integrity::Corrupted)]);
    assert_eq!(kinds(&problems), ["bad_checksum"]);
}

#[test]
fn an_unreadable_chunk_costs_only_itself() {
    let bytes = file(&[chunk_of(1..=2), chunk_of(3..=4), chunk_of(5..=6)], 3, false);
    let bad = 4096 + 65_536..4096 + 2 * 65_536;
    let (records, problems) = parsed_from(&Disk { bytes, bad });
    assert_eq!(integrities(&records).iter().map(|(number, _)| *number).collect::<Vec<_>>(), [1, 2, 5, 6, 0]);
    assert_eq!(kinds(&problems), ["read_failed"]);
    assert_eq!(records[4].fields.get("MissingRecordIds").map(ValueRef::to_value), Some(vec!["3-4"].into()));
}

#[test]
fn a_hole_is_passed_over_and_what_comes_after_it_is_read() {
    /// The whole bytes, a hole up to `then`, and the chunk that stands there.
    struct Holed {
        whole: Vec<u8>,
        then: u64,
        chunk: Vec<u8>,
    }
    impl Bytes for Holed {
        fn len(&self) -> u64 {
            1 << 60
        }
        fn read_at(&self, offset: u64, buffer: &mut [u8]) -> std::io::Result<usize> {
            match offset.checked_sub(self.then) {
                Some(inside) => self.chunk.read_at(inside, buffer),
                None => self.whole.read_at(offset, buffer),
            }
        }
        fn next_data(&self, offset: u64) -> u64 {
            let range = |offset, bytes: &[u8]| StoredRange { offset, stored_at: 0, length: bytes.len() as u64 };
            StoredRange::next_data(&[range(0, &self.whole), range(self.then, &self.chunk)], Bytes::len(self), offset)
        }
    }
    let whole = file(&[chunk_of(1..=2)], 2, true);
    let then = 4096 + (65_536 << 30);
    let (records, problems) = parsed_from(&Holed { whole, then, chunk: chunk_of(3..=4) });
    assert_eq!(integrities(&records).iter().map(|(number, _)| *number).collect::<Vec<_>>(), [1, 2, 3, 4, 0]);
    assert_eq!(kinds(&problems), [""; 0]);
}

#[test]
fn a_cut_file_gives_what_is_left() {
    let whole = file(&[chunk_of(1..=3)], 1, false);
    let third = 4096 + Chunk::parse(&chunk_of(1..=3)).unwrap().records(&mut 0)[2].offset;
    let (records, problems) = parsed(whole[..third + 100].to_vec());
    assert_eq!(integrities(&records)[..2], [(1, Integrity::Corrupted), (2, Integrity::Corrupted)]);
    assert_eq!(kinds(&problems), ["truncated", "bad_checksum", "inconsistent"]);
}

#[test]
fn what_was_decoded_before_an_error_is_kept() {
    let mut writer = ChunkWriter::new();
    let broken =
        Instance { id: 5, root: element("Level", vec![Xml::Hole(0)]), values: vec![Val::Bytes(0x21, vec![9; 12])] };
    writer.record(1, &event(SECURITY, 4688, Val::Fragment(broken)));
    writer.record(2, &start(r"C:\2.exe"));
    let (records, problems) = parsed(file(&[writer.finish()], 1, false));
    assert_eq!(integrities(&records)[..2], [(2, Integrity::Intact), (1, Integrity::Corrupted)]);
    assert_eq!(records[1].fields.text("System.EventID"), Some("4688"));
    assert_eq!(kinds(&problems), ["out_of_range"]);
    assert_eq!(records[2].fields.number("Records"), Some(2));
}

#[test]
fn damage_in_free_space_is_a_note_and_in_the_log_a_problem() {
    let broken = |number| {
        let level = element("Level", vec![Xml::Hole(0)]);
        let values = vec![Val::Bytes(0x21, vec![number; 12])];
        event(SECURITY, 4688, Val::Fragment(Instance { id: 5, root: level, values }))
    };
    let mut writer = ChunkWriter::new();
    writer.record(1, &broken(1));
    let free = writer.record(2, &broken(2));
    let (_, problems) = parsed(file(&[writer.finish_with(free)], 1, false));
    let said: Vec<(bool, &str)> = problems.iter().map(|one| (one.is_note, one.what.as_str())).collect();
    let expected = [(false, "a record could not be decoded"), (true, "a record in free space could not be decoded")];
    assert_eq!(said, expected);
}

#[test]
fn the_second_reader_says_the_same() {
    let mut writer = ChunkWriter::new();
    writer.record(1, &start(r"C:\a.exe"));
    writer.record(2, &start(r"C:\b & c.exe"));
    let chunk = writer.finish();
    let raw = Chunk::parse(&chunk).unwrap().records(&mut 0);
    let decoded = second_reader::decode(&chunk, &raw);
    assert_eq!(decoded.len(), 2);
    let (records, _) = parsed(file(std::slice::from_ref(&chunk), 1, false));
    for (raw, ours) in raw.iter().zip(&records) {
        let theirs = &decoded[&raw.body];
        assert_eq!(theirs.fields, ours.fields);
        assert_eq!((theirs.provider.as_str(), theirs.event_id), (SECURITY, 4688));
        assert_eq!((theirs.channel.as_str(), theirs.time), ("Test/Log", Some(134_171_071_530_000_000)));
    }
    assert_eq!(second_reader::decode(&chunk[..700], &raw), Default::default(), "a cut chunk gives nothing");
}
