//! Small records and items for tests.

use crate::event::Event;
use evidence::{
    Fields, FileTimes, Filetime, Integrity, Item, ItemId, ItemStatus, Locator, Logged, Meaning, Method, Moment, Record,
    RecordType, Tells, Timestamp, Value,
};
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};

/// The declared type of an event with these values, or one of which nothing is declared.
pub(crate) fn of_event(fields: &Fields) -> &'static RecordType {
    static OTHER: RecordType = RecordType {
        tells: Tells::Event,
        logged: Some(Logged { provider: "*", ids: &[] }),
        ..RecordType::named("windows:evtx:record")
    };
    let text = |name| fields.text(name).unwrap_or_default();
    let id = fields.number("System.EventID").unwrap_or_default();
    artifacts::event_type(text("System.Provider"), text("System.ProviderGuid"), id).unwrap_or(&OTHER)
}

/// The declared type of this name, or one of the test's own.
pub(crate) fn of(name: &str) -> &'static RecordType {
    static OWN: Mutex<BTreeMap<String, &'static RecordType>> = Mutex::new(BTreeMap::new());
    let declared = artifacts::ALL.iter().flat_map(|artifact| artifact.records).find(|of| of.name == name);
    declared.copied().unwrap_or_else(|| {
        let mut own = OWN.lock();
        own.entry(name.to_owned())
            .or_insert_with(|| Box::leak(Box::new(RecordType::named(Box::leak(name.to_owned().into())))))
    })
}

/// A collected object.
pub(crate) fn item(id: u32, path: &str) -> Item {
    Item {
        id: ItemId(id),
        original_path: path.to_owned(),
        original_path_raw: None,
        bundle_path: Some(format!("data/raw/{id}")),
        wanted_by: vec!["event-log".to_owned()],
        round: 0,
        named_by: Vec::new(),
        named_as: Vec::new(),
        volume: "volume-9A3C11F2".to_owned(),
        mft_entry: None,
        mft_sequence: None,
        size: 1,
        stored_size: 1,
        stored_ranges: Vec::new(),
        sha256: format!("{id:064x}"),
        sha512: String::new(),
        file_sha256: None,
        file_sha256_absent: None,
        sha1: None,
        md5: None,
        times: FileTimes::default(),
        method: Method::RawNtfs,
        status: ItemStatus::Complete,
        recovery: None,
        companions: Vec::new(),
    }
}

/// A record with text fields and no time.
pub(crate) fn record(artifact: &'static str, data_type: &str, fields: &[(&'static str, &str)]) -> Record {
    let mut all = Fields::new();
    for (name, value) in fields {
        all.push(*name, *value);
    }
    values(artifact, data_type, all)
}

/// A record with any fields and no time. Every record stands at another place.
pub(crate) fn values(artifact: &'static str, data_type: &str, fields: Fields) -> Record {
    static PLACE: AtomicU64 = AtomicU64::new(1);
    Record {
        artifact,
        of: if data_type == "windows:evtx:record" { of_event(&fields) } else { of(data_type) },
        subject: String::new(),
        user: None,
        moments: Vec::new(),
        fields,
        claims: &[],
        locator: Locator::ByteRange { offset: PLACE.fetch_add(1, Ordering::Relaxed), length: 1 },
        integrity: Integrity::Intact,
    }
}

/// `2026-03-04 14:12:33.120` as a FILETIME.
pub(crate) fn time(text: &str) -> Filetime {
    Filetime::parse_utc(text).unwrap_or_else(|| panic!("{text}"))
}

/// The record with a moment.
pub(crate) fn at(mut record: Record, meaning: Meaning, when: &str) -> Record {
    record.moments.push(Moment::at(meaning, Timestamp::filetime(time(when).0).unwrap()));
    record
}

/// An event log record of a provider. The item is 0 for Security and 1 for everything else.
pub(crate) fn logged(
    when: &str,
    provider: &str,
    channel: &str,
    id: u64,
    fields: &[(&'static str, &str)],
) -> (ItemId, Record) {
    let mut all = Fields::new();
    all.push("System.Provider", provider);
    all.push("System.EventID", id.to_string());
    all.push("System.Channel", channel);
    all.push("System.Computer", "WS-FIN-07.corp.example");
    for (name, value) in fields {
        all.push(*name, *value);
    }
    let record = at(values("event-log", "windows:evtx:record", all), Meaning::RECORDED, when);
    (ItemId(u32::from(channel != "Security")), record)
}

/// A Security record.
pub(crate) fn security(when: &str, id: u64, fields: &[(&'static str, &str)]) -> (ItemId, Record) {
    logged(when, "Microsoft-Windows-Security-Auditing", "Security", id, fields)
}

/// A Sysmon record.
pub(crate) fn sysmon(when: &str, id: u64, fields: &[(&'static str, &str)]) -> (ItemId, Record) {
    logged(when, "Microsoft-Windows-Sysmon", "Microsoft-Windows-Sysmon/Operational", id, fields)
}

/// A map value.
pub(crate) fn map(members: Vec<(&str, Value)>) -> Value {
    Value::Map(members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
}

/// The events of records in the order in which the correlator gets them.
pub(crate) fn in_order(records: &[(ItemId, Record)]) -> Vec<Event> {
    let mut events: Vec<Event> = records.iter().flat_map(|(item, record)| Event::all_of(*item, record)).collect();
    events.sort_by_key(|event| (event.time.is_none(), event.time));
    events
}
