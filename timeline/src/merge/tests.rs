use super::*;
use crate::event::Event;
use evidence::{
    Claim, Encoding, Fields, Filetime, Integrity, Locator, Meaning, Moment, Precision, RecordType, Timestamp, Value,
    When, Zone,
};

/// A small generator of numbers, so that the tests need no random ones.
pub(super) struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }
}

fn time(ticks: u64) -> Timestamp {
    Timestamp {
        ticks: Filetime(ticks),
        encoding: Encoding::Filetime,
        raw: ticks,
        precision: Precision::Ticks,
        zone: Zone::Utc,
    }
}

fn file(numbers: &mut Numbers, entry: u64) -> Record {
    let mut fields = Fields::new();
    fields.push("Path", format!(r"\Users\x\file{entry}.dll"));
    fields.push("Entry", entry);
    fields.push("InUse", entry.is_multiple_of(2));
    fields.push(format!("Given{}", entry % 5), Value::List(vec![Value::from("a"), Value::Signed(-4)]));
    let meanings = [Meaning::SI_CREATED, Meaning::SI_MODIFIED, Meaning::FN_CREATED];
    Record {
        artifact: "mft",
        of: crate::testing::of("windows:ntfs:file"),
        subject: format!(r"\Users\x\file{entry}.dll"),
        user: entry.is_multiple_of(3).then(|| "S-1-5-18".to_owned()),
        moments: meanings.map(|meaning| Moment::at(meaning, time(100 + numbers.below(40)))).to_vec(),
        fields,
        claims: &[Claim::Present],
        locator: Locator::MftEntry { entry, sequence: 1, offset: entry * 1024 },
        integrity: Integrity::Intact,
    }
}

fn named(subject: &str, moments: Vec<Moment>, locator: Locator) -> Record {
    Record {
        artifact: "event-log",
        of: crate::testing::of("windows:evtx:record"),
        subject: subject.to_owned(),
        user: None,
        moments,
        fields: Fields::new(),
        claims: &[],
        locator,
        integrity: Integrity::Intact,
    }
}

fn all(merger: Merger) -> Vec<Event> {
    merger.finish().unwrap().collect::<Result<_, _>>().unwrap()
}

fn merger(budget: usize) -> (tempfile::TempDir, Merger) {
    let folder = tempfile::tempdir().unwrap();
    let merger = Merger::new(folder.path(), budget);
    (folder, merger)
}

#[test]
fn every_kind_of_value_and_place_comes_back() {
    let stamp = Timestamp {
        ticks: Filetime(600_000_000),
        encoding: Encoding::Dos,
        raw: 77,
        precision: Precision::TwoSeconds,
        zone: Zone::LocalUnknown,
    };
    let mut fields = Fields::new();
    fields.push("Text", "");
    fields.push("Max", u64::MAX);
    fields.push("Negative", Value::Signed(i64::MIN));
    fields.push("Yes", true);
    fields.push("At", Filetime(5));
    fields.push("Map", Value::Map(vec![("k".to_owned(), Value::List(vec![Value::Bool(false)]))]));
    fields.push("own\u{202e}".to_owned(), "ü");
    let key = r"Classes\CLSID".to_owned();
    let locators = [
        Locator::ByteRange { offset: 1, length: 2 },
        Locator::EvtxRecord { record_id: 42, offset: u64::MAX },
        Locator::RegistryKey { key: key.clone(), value: None, offset: 3 },
        Locator::RegistryKey { key, value: Some(String::new()), offset: 3 },
        Locator::MftEntry { entry: 7, sequence: 65535, offset: 8 },
        Locator::UsnRecord { usn: 9, offset: 10 },
        Locator::MetadataToken { token: 0x0600_0001, offset: 11 },
        Locator::Whole,
    ];
    for locator in &locators {
        let whens = [
            When::At(stamp),
            When::Between(stamp, time(9)),
            When::NotBefore(stamp),
            When::NotAfter(stamp),
            When::Undated,
        ];
        let moments =
            whens.map(|when| Moment { meaning: Meaning::LAST_RUN, when, locator: Some(Box::new(locator.clone())) });
        let record = Record {
            artifact: "prefetch",
            of: crate::testing::of("windows:prefetch:execution"),
            subject: "a".to_owned(),
            user: Some("S-1-5-18".to_owned()),
            moments: moments.to_vec(),
            fields: fields.clone(),
            claims: &[Claim::Executed(evidence::RunTime::Start), Claim::Present],
            locator: locator.clone(),
            integrity: Integrity::Recovered,
        };
        let (_folder, merger) = merger(0);
        merger.add(ItemId(4), &record);
        assert_eq!(all(merger), Event::all_of(ItemId(4), &record));
    }
}

/// What the merge has to give, computed without it.
fn expected(records: &[(ItemId, Record)]) -> Vec<Event> {
    let mut events: Vec<Event> = records.iter().flat_map(|(item, record)| Event::all_of(*item, record)).collect();
    events.sort_by_key(|event| {
        let undated = event.time.is_none();
        (undated, event.time, event.item, event.record.locator.clone())
    });
    events
}

#[test]
fn order_does_not_depend_on_threads_or_memory() {
    let mut numbers = Numbers(1);
    let mut records: Vec<(ItemId, Record)> =
        (0..40_000).map(|entry| (ItemId((entry % 3) as u32), file(&mut numbers, entry))).collect();
    records.push((ItemId(1), named("undated", vec![], Locator::Whole)));
    let expected = expected(&records);
    for (threads, budget) in [(1, 64 << 20), (1, 0), (3, 0)] {
        let (_folder, merger) = merger(budget);
        std::thread::scope(|scope| {
            for thread in 0..threads {
                let (records, merger) = (&records, &merger);
                scope.spawn(move || {
                    for (item, record) in records.iter().skip(thread).step_by(threads) {
                        merger.add(*item, record);
                    }
                });
            }
        });
        assert_eq!(merger.records(), 40_001);
        assert_eq!(merger.spilling.lock().levels.is_empty(), budget > 0, "{threads} {budget}");
        let events = all(merger);
        assert_eq!(events.len(), expected.len());
        assert!(events == expected, "{threads} threads, budget {budget}");
    }
}

/// Two types of one name, as the rows of one log have, and records of both at one place and time.
#[test]
fn order_does_not_depend_on_which_kind_came_first() {
    static ONE: RecordType = RecordType { message: "one", ..RecordType::named("windows:evtx:record") };
    static TWO: RecordType = RecordType { message: "two", ..RecordType::named("windows:evtx:record") };
    let locator = Locator::EvtxRecord { record_id: 1, offset: 512 };
    let record = |of, subject: &str, name: &str| {
        let mut record = named(subject, vec![Moment::at(Meaning::RECORDED, time(50))], locator.clone());
        record.of = of;
        record.fields.push(name.to_owned(), 1u64);
        record
    };
    let records = [record(&TWO, "b", "A"), record(&ONE, "b", "A"), record(&TWO, "a", "B"), record(&ONE, "b", "B")];
    let order = |turned: usize, budget: usize| {
        let (_folder, merger) = merger(budget);
        let mut records = records.clone();
        records.rotate_left(turned);
        for record in records {
            merger.add(ItemId(1), &record);
            // So that each is in a run of its own.
            let filler = named(&"x".repeat(1 << 20), vec![], Locator::Whole);
            (0..usize::from(budget == 0)).for_each(|_| merger.add(ItemId(2), &filler));
        }
        let events = all(merger);
        let told = |event: &Event| {
            let record = &event.record;
            let names: Vec<_> = record.fields.iter().map(|(name, _)| name.to_owned()).collect();
            (record.of.message, record.subject.clone(), names.concat())
        };
        events.iter().filter(|event| event.item == ItemId(1)).map(told).collect::<Vec<_>>()
    };
    let first = order(0, 64 << 20);
    assert_eq!(first.len(), 4);
    for (turned, budget) in [(1, 64 << 20), (2, 64 << 20), (3, 64 << 20), (0, 0), (1, 0), (3, 0)] {
        assert_eq!(order(turned, budget), first, "{turned} {budget}");
    }
}

#[test]
fn many_runs_are_merged_by_levels() {
    let mut numbers = Numbers(2);
    let (_folder, merger) = merger(0);
    for entry in 0..200_000 {
        merger.add(ItemId(0), &file(&mut numbers, entry));
    }
    let levels: Vec<usize> = merger.spilling.lock().levels.iter().map(Vec::len).collect();
    assert!(levels.len() > 1 && levels.iter().all(|runs| *runs < RUNS_PER_LEVEL), "{levels:?}");
    let events = all(merger);
    assert!(events.is_sorted_by_key(|event| (event.time, event.item, event.record.locator.clone())));
    assert_eq!(events.iter().filter(|event| event.is_first()).count(), 200_000);
}

#[test]
fn a_record_larger_than_the_budget_passes() {
    let (_folder, merger) = merger(0);
    for number in 0..3 {
        let text = "x".repeat(3 << 20);
        merger.add(ItemId(0), &named(&text, vec![], Locator::EvtxRecord { record_id: number, offset: 0 }));
        merger.add(ItemId(0), &named("small", vec![], Locator::EvtxRecord { record_id: number, offset: 1 }));
    }
    let sizes: Vec<usize> = all(merger).iter().map(|event| event.record.subject.len()).collect();
    assert_eq!(sizes, [3 << 20, 5, 3 << 20, 5, 3 << 20, 5]);
}

#[test]
fn the_same_record_of_two_items_is_one_event_with_both_sources() {
    let at = |record_id, offset| Locator::EvtxRecord { record_id, offset };
    let moment = || vec![Moment::at(Meaning::RECORDED, time(50))];
    let (_folder, merger) = merger(0);
    // An archived copy holds the record at another offset; two equal records of one log stay two.
    merger.add(ItemId(2), &named("run", moment(), at(1, 512)));
    merger.add(ItemId(1), &named("run", moment(), at(1, 4608)));
    merger.add(ItemId(1), &named("run", moment(), at(2, 9000)));
    merger.add(ItemId(1), &named("other", moment(), at(3, 9100)));
    let sorted = merger.finish().unwrap();
    let events: Vec<Event> = sorted.collect::<Result<_, _>>().unwrap();
    let places: Vec<_> = events
        .iter()
        .map(|event| {
            let others: Vec<_> = event.other_sources.iter().map(|other| (other.item, &other.locator)).collect();
            (event.record.subject.as_str(), &event.record.locator, others)
        })
        .collect();
    assert_eq!(
        places,
        [
            ("run", &at(1, 4608), vec![(ItemId(2), &at(1, 512))]),
            ("run", &at(2, 9000), vec![]),
            ("other", &at(3, 9100), vec![]),
        ]
    );
}

#[test]
fn j_10_a_recovered_copy_is_joined_with_the_intact_record_of_its_number() {
    let at = |record_id, offset| Locator::EvtxRecord { record_id, offset };
    let moment = || vec![Moment::at(Meaning::RECORDED, time(50))];
    let kept = |subject, place, integrity| Record { integrity, ..named(subject, moment(), place) };
    let (_folder, merger) = merger(0);
    // It stands before the intact one, and has lost some of its values.
    merger.add(ItemId(1), &kept("ru", at(7, 600), Integrity::Recovered));
    merger.add(ItemId(1), &kept("run", at(7, 9000), Integrity::Intact));
    merger.add(ItemId(2), &kept("run", at(7, 512), Integrity::Intact));
    // Another one is a record of its own, and its two copies are one.
    merger.add(ItemId(1), &kept("run", at(8, 700), Integrity::Recovered));
    merger.add(ItemId(2), &kept("run", at(8, 800), Integrity::Recovered));
    let events: Vec<Event> = merger.finish().unwrap().collect::<Result<_, _>>().unwrap();
    let mut places: Vec<_> = events
        .iter()
        .map(|event| {
            let others: Vec<_> = event.other_sources.iter().map(|other| (&other.locator, other.integrity)).collect();
            (&event.record.locator, event.record.integrity, others)
        })
        .collect();
    places.sort_by_key(|(place, ..)| format!("{place:?}"));
    let (intact, recovered) = (Integrity::Intact, Integrity::Recovered);
    assert_eq!(
        places,
        [
            (&at(7, 9000), intact, vec![(&at(7, 600), recovered), (&at(7, 512), intact)]),
            (&at(8, 700), recovered, vec![(&at(8, 800), recovered)]),
        ]
    );
}

#[test]
fn a_folder_that_takes_no_files_is_a_clear_error() {
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("missing");
    let merger = Merger::new(&missing, 0);
    let mut numbers = Numbers(3);
    for entry in 0..20_000 {
        merger.add(ItemId(0), &file(&mut numbers, entry));
    }
    let error = merger.finish().err().unwrap().to_string();
    assert!(error.starts_with("cannot create a spill file of the timeline in ") && error.contains("missing"));
}

#[test]
fn damaged_bytes_are_noticed() {
    let mut encoded = Vec::new();
    let shapes = Shapes::default();
    codec::encode(ItemId(1), &file(&mut Numbers(4), 9), &shapes, &mut encoded);
    let names = shapes.names();
    let whole = codec::RecordView::new(&encoded, &names).unwrap();
    let fields = whole.all_fields().len();
    for length in 0..encoded.len() {
        let short = codec::RecordView::new(&encoded[..length], &names);
        assert!(short.is_none_or(|view| view.all_fields().len() < fields), "{length}");
    }
    for index in 0..encoded.len() {
        for value in [0, 0xFF, encoded[index] ^ 0x10] {
            let mut broken = encoded.clone();
            broken[index] = value;
            if let Some(view) = codec::RecordView::new(&broken, &names) {
                view.to_record();
                _ = [evidence::Role::Path, evidence::Role::InUse]
                    .map(|role| codec::Values::new(view).role(role).is_some());
            }
        }
    }
}
