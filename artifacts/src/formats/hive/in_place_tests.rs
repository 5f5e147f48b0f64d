//! Hives that are read in place: that both readers give the same, and how little is held of a long one.

use super::long_hive::{LongHive, class_id};
use super::writer::{KeySpec, delete_key, delete_value, dirty, entry, hive, new_log, old_log, utf16};
use super::*;
use crate::formats::pages::{KEPT, PAGE};
use evidence::{Input, Record};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// Everything that a hive shows of its present state, as text.
fn shown(hive: &HiveFile<'_>) -> Vec<String> {
    let reader = hive.reader();
    let mut lines = Vec::new();
    if let Some(root) = reader.root() {
        reader.walk(root, &mut |path, key| {
            let name = key.name().to_string();
            lines.push(format!("{path} {name} {} {} {:?}", key.offset(), key.last_written(), key.class_name()));
            for value in key.values() {
                let (name, bytes) = (value.name().to_string(), value.bytes());
                let at = (value.offset, value.type_code, value.whole, value.data_length());
                lines.push(format!("  {name} {at:?} {} {:?}", marvin32::hash(&bytes), value.text()));
            }
        });
    }
    lines.extend(reader.take_notes().into_iter().map(|note| format!("{note:?}")));
    let deleted = hive.recovered();
    for key in deleted.keys() {
        lines.push(format!("deleted {:?} {} {:?}", key.path(), key.offset(), key.parent_offset()));
        lines.extend(key.values().iter().map(|value| format!("  {} {:?}", value.name(), value.data())));
    }
    for value in deleted.values().filter_map(|value| value.value()) {
        lines.push(format!("deleted value {} {} {:?}", value.name(), value.offset, value.data()));
    }
    lines
}

/// Both states of a hive as each of the two readers shows them.
fn both(bytes: &dyn Bytes, logs: &[&dyn Bytes]) -> [Vec<String>; 2] {
    [HiveFile::load, HiveFile::load_in_place].map(|open| {
        let mut notes = Vec::new();
        let mut lines = Vec::new();
        if let Some(mut hive) = open(bytes, logs, &mut notes) {
            lines = shown(&hive);
            if hive.has_pending_logs() {
                hive.apply_logs(&mut notes);
                lines.extend(shown(&hive));
            }
        }
        lines.extend(notes.into_iter().map(|note| format!("{note:?}")));
        lines
    })
}

/// A hive with everything that a list or value can be, deleted things, and logs of both generations.
fn samples() -> (Vec<u8>, Vec<u8>, Vec<u8>) {
    let mut many = KeySpec::new("many");
    for number in 0..600 {
        many = many.key(KeySpec::new(&format!("{number:03}")));
    }
    let spec = KeySpec::new("ROOT")
        .text("", "the default")
        .key(KeySpec::new("long").value("v", 3, &[7; 40_000]).value("none", 0, &[]).dword("number", 7))
        .key(KeySpec::new("Größe").value("texts", 7, &utf16("one")).text("Schlüssel", "x"))
        .key(KeySpec::new("gone").text("a", "of a deleted key"))
        .key(KeySpec::new("kept").text("a", "stays").text("b", "is deleted"));
    let deleted = |mut bytes: Vec<u8>| {
        let at = |bytes: &Vec<u8>, path: &str| {
            HiveFile::load(bytes, &[], &mut Vec::new()).unwrap().reader().key(path).unwrap().offset() as usize
        };
        let (gone, kept) = (at(&bytes, "gone"), at(&bytes, "kept"));
        delete_value(&mut bytes, kept, "b");
        delete_key(&mut bytes, gone);
        dirty(bytes, 8, 7)
    };
    let before = deleted(hive(&spec.clone().key(many.clone()), 30_000));
    let after = deleted(hive(&spec.key(many).key(KeySpec::new("new").text("v", "2")), 30_000));
    let log = new_log(&before, 8, &[entry(&before, &after, 8)]);
    let old = old_log(&before, &after, 8);
    (before, log, old)
}

#[test]
fn both_readers_give_the_same() {
    let (bytes, new, old) = samples();
    for logs in [&[][..], &[&new as &dyn Bytes], &[&old as &dyn Bytes]] {
        let [strict, in_place] = both(&bytes, logs);
        assert!(strict.len() > 600, "{}", strict.len());
        assert_eq!(strict, in_place);
    }
    let clean = dirty(bytes, 8, 8);
    let [strict, in_place] = both(&clean, &[]);
    assert_eq!(strict, in_place);
}

/// One to four bytes anywhere in the hive or its log are other ones.
#[test]
fn both_readers_give_the_same_of_damaged_hives() {
    let (bytes, new, old) = samples();
    let mut seed = 1u64;
    let mut random = |below: usize| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) as usize % below
    };
    for round in 0..400 {
        let (mut bytes, mut log) = (bytes.clone(), if round % 2 == 0 { new.clone() } else { old.clone() });
        for _ in 0..=random(4) {
            // Most of a hive is data, so what the keys stand on is hit more often than its share.
            let at = if random(3) == 0 { random(bytes.len()) } else { 4096 + random(6_000) };
            bytes[at] = [0, 0xFF, b'n', random(256) as u8][random(4)];
            let at = random(log.len());
            log[at] ^= (random(8) == 0) as u8;
        }
        if random(4) == 0 {
            bytes.truncate(random(bytes.len()));
        }
        let [strict, in_place] = both(&bytes, &[&log]);
        assert_eq!(strict, in_place, "round {round}");
    }
}

fn hives_below(folder: &Path, found: &mut Vec<PathBuf>) {
    for path in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        if path.is_dir() {
            hives_below(&path, found);
        } else if std::fs::read(&path).unwrap().starts_with(b"regf") {
            found.push(path);
        }
    }
}

#[test]
fn both_readers_give_the_same_of_the_fixtures() {
    let mut found = Vec::new();
    hives_below(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures"), &mut found);
    assert!(found.len() >= 5, "{found:?}");
    for path in found {
        let bytes = std::fs::read(&path).unwrap();
        let logs: Vec<Vec<u8>> = std::fs::read(path.with_file_name("log1")).into_iter().collect();
        let logs: Vec<&dyn Bytes> = logs.iter().map(|log| log as &dyn Bytes).collect();
        let [strict, in_place] = both(&bytes, &logs);
        assert_eq!(strict, in_place, "{}", path.display());
    }
}

/// Bytes that count how much of them is asked for.
struct Counted<'a> {
    inner: &'a dyn Bytes,
    longest: AtomicUsize,
    read: AtomicU64,
}

impl<'a> Counted<'a> {
    fn new(inner: &'a dyn Bytes) -> Self {
        Counted { inner, longest: AtomicUsize::new(0), read: AtomicU64::new(0) }
    }
}

impl Bytes for Counted<'_> {
    fn len(&self) -> u64 {
        self.inner.len()
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        self.longest.fetch_max(buffer.len(), Ordering::Relaxed);
        let read = self.inner.read_at(offset, buffer)?;
        self.read.fetch_add(read as u64, Ordering::Relaxed);
        Ok(read)
    }
}

fn registrations(bytes: &dyn Bytes, logs: &[(&'static str, &dyn Bytes)]) -> (Vec<Record>, Vec<evidence::Problem>) {
    let mut records = Vec::new();
    let input = Input { companions: logs.to_vec(), ..Input::new("SOFTWARE", bytes) };
    let artifact = crate::by_id("com-registration").unwrap();
    let problems = artifact.parse_alone(&input, &mut |record| records.push(record));
    (records, problems)
}

#[test]
fn a_hive_of_more_than_a_gibibyte_is_read_in_place() {
    let long = LongHive::new(1_100 << 20, 1_200);
    let counted = Counted::new(&long);
    assert!(counted.len() > 1 << 30);
    let mut notes = Vec::new();
    let hive = HiveFile::load(&counted, &[], &mut notes).unwrap();
    let reader = hive.reader();
    let last = reader.key(r"Classes\CLSID").unwrap().subkeys().last().unwrap();
    assert_eq!(last.name().to_string(), class_id(1_199));
    let filler = reader.key("Filler").unwrap().subkeys().last().unwrap();
    assert!(filler.offset() > 1 << 30, "{}", filler.offset());
    assert_eq!(filler.values().next().unwrap().bytes().len(), 3_000);
    assert_eq!((reader.take_notes(), notes), (vec![], vec![]));
    // What is held is the pages, and no more of the hive than one page is asked for at a time.
    assert!(hive.before.memory().is_none());
    assert!(hive.before.held() <= KEPT as usize, "{}", hive.before.held());
    assert!(counted.longest.load(Ordering::Relaxed) <= PAGE);
}

#[test]
fn registrations_of_a_long_hive() {
    let long = LongHive::new(40 << 20, 3_000);
    let (records, problems) = registrations(&long, &[]);
    assert_eq!(problems, []);
    let subjects: Vec<String> = records.iter().map(|record| record.subject.clone()).collect();
    assert_eq!(subjects, (0..3_000).map(class_id).collect::<Vec<_>>());
    assert!(records.iter().all(|record| record.fields.text("State") == Some("current")));
}

#[test]
fn a_very_long_value_is_read_as_far_as_is_said() {
    let long: Vec<u8> = (0..5 << 20).map(|at: u32| (at / 7) as u8).collect();
    let bytes = hive(&KeySpec::new("ROOT").value("long", 3, &long), 0);
    for open in [HiveFile::load, HiveFile::load_in_place] {
        let hive = open(&bytes, &[], &mut Vec::new()).unwrap();
        let reader = hive.reader();
        let value = reader.root().unwrap().value("long").unwrap();
        assert!(value.whole, "it is all there");
        assert_eq!(reader.take_notes(), [], "nothing is read before it is asked for");
        assert!(*value.bytes() == long[..4 << 20]);
        let notes = reader.take_notes();
        assert!(matches!(notes.as_slice(), [Note { kind: ProblemKind::LimitReached, .. }]), "{notes:?}");
        assert!(notes[0].what.contains("5242880 bytes long; the first 4194304"), "{}", notes[0].what);
    }
}

/// An entry that replaces whole pages of 4 KiB.
fn entry_of(hive: &LongHive, pages: &[(u64, Vec<u8>)], sequence: u32) -> Vec<u8> {
    let mut body = Vec::new();
    for (offset, page) in pages {
        body.extend(((offset - 4096) as u32).to_le_bytes());
        body.extend((page.len() as u32).to_le_bytes());
    }
    pages.iter().for_each(|(_, page)| body.extend(page));
    body.resize((body.len() + 40).next_multiple_of(512) - 40, 0);
    let mut entry = b"HvLE".to_vec();
    for number in [body.len() as u32 + 40, 0, sequence, (hive.len() - 4096) as u32, pages.len() as u32] {
        entry.extend(number.to_le_bytes());
    }
    entry.extend(marvin32::hash(&body).to_le_bytes());
    entry.extend(marvin32::hash(&entry).to_le_bytes());
    entry.extend(body);
    entry
}

#[test]
fn logs_are_laid_over_a_long_hive_without_being_copied() {
    let mut long = LongHive::new(64 << 20, 5_000);
    long.dirty = true;
    // 4,000 changed registrations: 16 MiB of pages, each a place of its own in the hive or following another.
    let changed: Vec<(u64, Vec<u8>)> = (0..5_000)
        .filter(|index| index % 5 != 0)
        .map(|index| (long.registration_offset(index), long.registration(index, "file:///C:/changed.dll")))
        .collect();
    let mut head = vec![0; 512];
    long.read_full_at(0, &mut head).unwrap();
    let log = new_log(
        &head,
        8,
        &changed.chunks(500).zip(8..).map(|(part, at)| entry_of(&long, part, at)).collect::<Vec<_>>(),
    );
    assert!(log.len() > 15 << 20);
    let (counted, log) = (Counted::new(&long), Counted::new(&log));
    let mut hive = HiveFile::load(&counted, &[&log], &mut Vec::new()).unwrap();
    hive.apply_logs(&mut Vec::new());
    let code_base = |reader: &Reader<'_>, index: u64| {
        let path = format!(r"Classes\CLSID\{}\InprocServer32", class_id(index));
        reader.key(&path).unwrap().value("CodeBase").unwrap().text().unwrap()
    };
    let before = hive.reader_before_logs().unwrap();
    for index in [1, 7, 4_999] {
        assert_eq!(code_base(&hive.reader(), index), "file:///C:/changed.dll");
        assert_eq!(code_base(&before, index), "file:///C:/Users/Public/long.dll");
    }
    assert_eq!(code_base(&hive.reader(), 5), "file:///C:/Users/Public/long.dll");
    assert!(hive.before.held() + hive.state().held() <= 2 * KEPT as usize);
    assert!(counted.longest.load(Ordering::Relaxed).max(log.longest.load(Ordering::Relaxed)) <= PAGE);

    let (records, problems) = registrations(&counted, &[("SOFTWARE.LOG1", &log)]);
    assert!(matches!(problems.as_slice(), [evidence::Problem { kind: ProblemKind::Dirty, .. }]), "{problems:?}");
    let of_state = |state: &str| records.iter().filter(|record| record.fields.text("State") == Some(state)).count();
    assert_eq!((of_state("current"), of_state("before_log")), (5_000, 4_000));
}

/// Bytes of which a stretch cannot be read.
struct Failing<'a> {
    inner: &'a dyn Bytes,
    bad: std::ops::Range<u64>,
}

impl Bytes for Failing<'_> {
    fn len(&self) -> u64 {
        self.inner.len()
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        if offset < self.bad.end && offset + buffer.len() as u64 > self.bad.start {
            return Err(io::Error::other("a bad sector"));
        }
        self.inner.read_at(offset, buffer)
    }
}

#[test]
fn a_bad_sector_costs_what_stands_in_it() {
    let (bytes, ..) = samples();
    let hive = dirty(bytes, 8, 8);
    let [whole, _] = both(&hive, &[]);
    let key = HiveFile::load(&hive, &[], &mut Vec::new()).unwrap().reader().key(r"many\300").unwrap().offset();
    let bad = key / 512 * 512;
    let failing = Failing { inner: &hive, bad: bad..bad + 512 };
    // A key node with a name of three letters takes 88 bytes, so seven lie in a sector or reach into it.
    let keys = |lines: &[String]| lines.iter().filter(|line| line.starts_with(r"many\")).count();
    assert_eq!(keys(&whole), 600);
    for lines in both(&failing, &[]) {
        let said = format!("512 bytes of the hive at {bad:#x} could not be read: a bad sector");
        assert!(lines.iter().any(|line| line.contains(&said)), "{lines:#?}");
        assert!((593..=595).contains(&keys(&lines)), "{}", keys(&lines));
    }
    // Without the base block nothing can be said of it.
    let mut notes = Vec::new();
    assert!(HiveFile::load(&Failing { inner: &hive, bad: 0..512 }, &[], &mut notes).is_none());
    assert!(matches!(notes.as_slice(), [Note { kind: ProblemKind::ReadFailed, .. }]), "{notes:?}");
}

#[test]
fn a_hive_that_is_shorter_than_it_says() {
    let note_of = |bytes: &Vec<u8>, logs: &[&dyn Bytes]| {
        let mut notes = Vec::new();
        HiveFile::load(bytes, logs, &mut notes).unwrap();
        notes.into_iter().find(|note| matches!(note.kind, ProblemKind::Truncated { .. }))
    };
    let (bytes, ..) = samples();
    let whole = dirty(bytes, 8, 8);
    assert_eq!(note_of(&whole, &[]), None);
    let cut = whole[..whole.len() - 5_000].to_vec();
    let note = note_of(&cut, &[]).unwrap();
    let (expected, actual) = (whole.len() as u64, cut.len() as u64);
    assert_eq!(note.kind, ProblemKind::Truncated { offset: actual, expected, actual });
    assert!(note.what.contains("5000 bytes of that are missing"), "{}", note.what);
    // What the log brings is not missing.
    let dirty = dirty(cut.clone(), 8, 7);
    let log = new_log(&dirty, 8, &[entry(&cut, &whole, 8)]);
    assert_eq!(note_of(&dirty, &[&log]), None);
    assert!(note_of(&dirty, &[]).is_some());
}
