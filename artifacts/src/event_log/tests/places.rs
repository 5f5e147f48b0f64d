//! Chunks that do not stand where Windows puts them, and logs that end early.

use super::*;
use crate::formats::evtx::writer::{file_before, seal};
use evidence::{Crew, Group};
use std::sync::Mutex;

/// Numbers and integrity of the kept records, without the record about the channel.
fn found(records: &[Record]) -> Vec<(u64, Integrity)> {
    integrities(&records[..records.len() - 1])
}

fn numbers(records: &[Record]) -> Vec<u64> {
    found(records).iter().map(|(number, _)| *number).collect()
}

fn missing(records: &[Record]) -> Option<Value> {
    records.last().and_then(|channel| channel.fields.get("MissingRecordIds")).map(ValueRef::to_value)
}

/// What the file looks like to a parser that cannot have it as a slice.
fn on_disk(bytes: Vec<u8>) -> (Vec<Record>, Vec<Problem>) {
    parsed_from(&Disk { bytes, bad: u64::MAX..u64::MAX })
}

fn three_chunks() -> Vec<Vec<u8>> {
    vec![chunk_of(1..=2), chunk_of(3..=4), chunk_of(5..=6)]
}

const ALL: [(u64, Integrity); 6] = [
    (1, Integrity::Intact),
    (2, Integrity::Intact),
    (3, Integrity::Intact),
    (4, Integrity::Intact),
    (5, Integrity::Intact),
    (6, Integrity::Intact),
];

#[test]
fn s17_a_carved_chunk_at_the_start_of_a_file_is_found() {
    for parse in [parsed, on_disk] {
        let (records, problems) = parse(chunk_of(1..=2));
        assert_eq!(found(&records), ALL[..2]);
        assert_eq!(kinds(&problems), ["bad_signature"], "that the file header is missing");
        assert_eq!(records[0].locator, Locator::EvtxRecord { record_id: 1, offset: 512 });
    }
}

#[test]
fn s17_chunks_are_found_at_any_step_of_512_bytes_and_only_once() {
    let chunks = three_chunks().concat();
    for before in [0, 512, 1024, 3584, 4096, 4608, 65_024, 65_536, 66_048, 69_632, 130_560, 135_168] {
        for filler in [0u8, b'x'] {
            let mut bytes = vec![filler; before];
            bytes.extend(&chunks);
            for parse in [parsed, on_disk] {
                let (records, problems) = parse(bytes.clone());
                assert_eq!(found(&records), ALL, "{before} bytes of {filler} before");
                assert_eq!(problems[0].kind.name(), "bad_signature");
            }
        }
    }
}

#[test]
fn s17_a_log_that_was_shifted_is_read_and_told() {
    let whole = file_before(7, &three_chunks(), 3, false);
    for (from, to) in [(4096, 4608), (4096, 9216), (3584, 3072)] {
        let mut bytes = whole[..4096.min(to)].to_vec();
        bytes.resize(to, 0);
        bytes.extend(&whole[4096..]);
        let (records, problems) = parsed(bytes);
        assert_eq!(found(&records), ALL, "moved from {from} to {to}");
        assert_eq!(kinds(&problems), ["inconsistent"]);
    }
    // The header points elsewhere.
    let mut elsewhere = whole;
    elsewhere[40..42].copy_from_slice(&61_440u16.to_le_bytes());
    let sum = crc32fast::hash(&elsewhere[..120]);
    elsewhere[124..128].copy_from_slice(&sum.to_le_bytes());
    let (records, problems) = parsed(elsewhere);
    assert_eq!(found(&records), ALL);
    assert_eq!(kinds(&problems), ["inconsistent"]);
}

#[test]
fn s17_a_chunk_that_is_cut_by_the_next_costs_only_what_was_cut() {
    let second = Chunk::parse(&chunk_of(1..=2)).unwrap().records(&mut 0)[1];
    let cut = second.offset.next_multiple_of(512);
    assert!(second.offset < cut && second.end > cut, "the second record is torn");
    let mut bytes = file(&three_chunks()[..1], 3, true);
    bytes.truncate(4096 + cut);
    bytes.extend(three_chunks()[1..].concat());
    for parse in [parsed, on_disk] {
        let (records, problems) = parse(bytes.clone());
        assert_eq!(numbers(&records), [1, 3, 4, 5, 6]);
        assert_eq!(problems[0].kind, ProblemKind::Truncated { offset: 4096, expected: 65_536, actual: cut as u64 });
    }
}

#[test]
fn s17_what_only_looks_like_a_chunk_inside_another_is_not_read_as_one() {
    let inner = chunk_of(40..=41);
    // In the free space of a chunk whose checksums are right, and as a bare signature where they are not.
    let mut whole = chunk_of(1..=2);
    whole[32_768..].copy_from_slice(&inner[..32_768]);
    let mut torn = chunk_of(3..=4);
    torn[32_768..32_776].copy_from_slice(b"ElfChnk\0");
    torn[52] ^= 1;
    let (records, _) = parsed(file(&[whole, torn], 2, false));
    assert_eq!(found(&records), [ALL[0], ALL[1], (3, Integrity::Corrupted), (4, Integrity::Corrupted)]);
}

#[test]
fn s17_records_of_chunks_without_header_are_not_torn_by_a_lost_file_header() {
    let mut chunk = chunk_of(1..=56);
    let records = Chunk::parse(&chunk).unwrap().records(&mut 0);
    assert!(
        records.iter().any(|record| record.offset < 61_440 && record.end > 61_440),
        "one lies over 64 KiB of the file"
    );
    chunk[..8].fill(0);
    seal(&mut chunk);
    let mut bytes = vec![0xAA; 4096];
    bytes.extend(&chunk);
    bytes.extend(chunk_of(57..=58));
    let (kept, _) = parsed(bytes);
    assert_eq!(kept.len(), records.len() + 2 + 1);
}

#[test]
fn s17_a_log_that_ends_between_two_chunks_is_told_with_what_is_missing() {
    let whole = file_before(14, &three_chunks(), 4, false);
    let cut = whole[..4096 + 2 * 65_536].to_vec();
    let (records, problems) = parsed(cut.clone());
    assert_eq!(numbers(&records), [1, 2, 3, 4]);
    let [problem] = &problems[..] else { panic!("{problems:?}") };
    assert_eq!(problem.kind, ProblemKind::Truncated { offset: 4096 + 2 * 65_536, expected: 2 * 65_536, actual: 0 });
    assert!(problem.what.contains("2 of the 4 chunks") && problem.what.contains("5-13"), "{}", problem.what);
    assert_eq!(missing(&records), Some(vec!["5-13"].into()));
    assert_eq!(records.last().unwrap().fields.number("MissingChunks"), Some(2));
    // The same bytes with zeros where the rest stood: the length of the file says nothing.
    let mut zeros = cut;
    zeros.resize(4096 + 4 * 65_536, 0);
    let (records, problems) = parsed(zeros);
    assert_eq!((kinds(&problems), missing(&records)), (vec!["inconsistent"], Some(vec!["5-13"].into())));
    // Nothing but the header.
    let (records, problems) = parsed(whole[..4096].to_vec());
    assert_eq!((kinds(&problems), missing(&records)), (vec!["truncated"], Some(vec!["up to 13"].into())));
}

#[test]
fn s17_an_open_log_whose_header_lags_behind_is_not_called_cut() {
    for (next, chunks, counted, dirty) in [(3, 3, 1, true), (7, 3, 3, false), (7, 3, 3, true), (1, 0, 0, false)] {
        let mut bytes = file_before(next, &three_chunks()[..chunks], counted, dirty);
        let (_, problems) = parsed(bytes.clone());
        assert_eq!(kinds(&problems), [""; 0], "{next} {chunks} {counted} {dirty}");
        // Windows makes files longer than what they hold.
        bytes.resize(bytes.len() + 20 * 65_536, 0);
        assert_eq!(kinds(&parsed(bytes).1), [""; 0]);
    }
    // A header that somebody changed does not count.
    let mut changed = file_before(99, &three_chunks(), 9, false);
    changed[124] ^= 1;
    assert_eq!(kinds(&parsed(changed).1), ["bad_checksum"]);
}

#[test]
fn s12_a_log_of_the_old_format_is_named_and_not_taken_for_a_damaged_one() {
    // Header of an .Evt log: its size, signature, version 1.1, then offsets; and its size again at the end.
    let mut bytes = vec![0u8; 0x1_0000];
    bytes[..16].copy_from_slice(b"\x30\0\0\0LfLe\x01\0\0\0\x01\0\0\0");
    bytes[0x2C] = 0x30;
    let (records, problems) = parsed(bytes);
    let [record] = &records[..] else { panic!("{records:?}") };
    assert_eq!((record.subject.as_str(), record.fields.text("Unread")), ("Empty/Log", Some("evt")));
    assert_eq!(kinds(&problems), ["unsupported_version"]);
}

#[test]
fn a_lost_last_chunk_header_is_not_called_a_cut() {
    let mut chunks = three_chunks();
    chunks[2][..8].fill(0);
    let (records, problems) = parsed(file_before(7, &chunks, 3, false));
    assert_eq!(numbers(&records), [1, 2, 3, 4, 5, 6]);
    assert_eq!(kinds(&problems), ["bad_signature"]);
}

/// Records and problems as four threads find them, the records in the order of their places.
fn by_a_crew(bytes: &dyn Bytes) -> (Vec<Record>, Vec<Problem>) {
    let each = |work: &(dyn Fn() + Sync)| rayon::scope(|scope| (0..4).for_each(|_| scope.spawn(|_| work())));
    let crew = Crew { threads: 4, each: &each, is_stopped: &|| false };
    let records = Mutex::new(Vec::new());
    let group = &Group::all_of([&ARTIFACT])[0];
    let input = Input::new(r"C:\x\Empty%4Log.evtx", bytes);
    let problems = group.parse_by(&crew, &input, &|_, record| records.lock().unwrap().push(record));
    let mut records = records.into_inner().unwrap();
    let place = |record: &Record| match record.locator {
        Locator::EvtxRecord { offset, .. } => offset,
        _ => u64::MAX,
    };
    records.sort_by_key(place);
    (records, problems)
}

#[test]
fn a_log_of_several_parts_is_one_log() {
    // Two records in each of 50 chunks, which are four parts.
    let mut chunks: Vec<Vec<u8>> = (0..50).map(|chunk| chunk_of(chunk * 2 + 1..=chunk * 2 + 2)).collect();
    // The last chunk of a part and the first of the next do not match their checksums, and one has lost its header.
    for damaged in [15, 16] {
        chunks[damaged][130] ^= 1;
    }
    chunks[32][..8].fill(b'x');
    // Zeros, so no chunk: what follows moves to other parts.
    chunks[3].fill(0);
    let whole = file_before(101, &chunks, 50, true);
    let bad = 4096 + 40 * 65_536..4096 + 41 * 65_536;
    let disk = Disk { bytes: whole, bad };
    let (records, problems) = by_a_crew(&disk);
    let expected: Vec<(u64, Integrity)> = (1..=100)
        .filter(|number| !matches!(number, 7..=8 | 81..=82))
        .map(|number| match number {
            31..=34 => (number, Integrity::Corrupted),
            65..=66 => (number, Integrity::Recovered),
            _ => (number, Integrity::Intact),
        })
        .collect();
    assert_eq!(found(&records), expected);
    let channel = &records.last().unwrap().fields;
    let number = |name| channel.number(name);
    assert_eq!((number("Records"), number("Recovered")), (Some(94), Some(2)));
    assert_eq!((number("FirstRecordId"), number("LastRecordId")), (Some(1), Some(100)));
    assert_eq!(missing(&records), Some(vec!["7-8", "65-66", "81-82"].into()));
    assert_eq!(kinds(&problems)[..4], ["bad_checksum", "bad_checksum", "bad_signature", "read_failed"]);
    let mut alone = Vec::new();
    let input = Input::new(r"C:\x\Empty%4Log.evtx", &disk);
    let said_alone = ARTIFACT.parse_alone(&input, &mut |record| alone.push(record));
    assert_eq!(said_alone, problems, "one thread says the same");
    assert!(alone == records, "one thread finds the same");
}
