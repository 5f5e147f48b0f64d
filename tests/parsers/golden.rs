//! Fixtures against the records and problems that were reviewed, and against what other tools read in them.
//!
//! `UPDATE_EXPECT=1` rewrites every `expected.jsonl`; the review is the difference.

use evidence::{Field, FieldKind, Problem, Record, Timestamp, ValueRef, When};
use serde_json::{Value as Json, json};

fn moment(timestamp: Timestamp) -> Json {
    json!({
        "time": timestamp.ticks.to_string(),
        "raw": timestamp.raw,
        "encoding": format!("{:?}", timestamp.encoding),
        "precision": format!("{:?}", timestamp.precision),
        "zone": format!("{:?}", timestamp.zone),
    })
}

fn when(when: When) -> Json {
    match when {
        When::At(one) => json!({ "at": moment(one) }),
        When::Between(first, last) => json!({ "from": moment(first), "to": moment(last) }),
        When::NotBefore(first) => json!({ "not_before": moment(first) }),
        When::NotAfter(last) => json!({ "not_after": moment(last) }),
        When::Undated => json!("undated"),
    }
}

/// A record as one line: every member, so that nothing changes unseen.
fn record_line(record: &Record) -> Json {
    let moments: Vec<Json> = record
        .moments
        .iter()
        .map(|one| json!({ "meaning": one.meaning.0, "when": when(one.when), "locator": one.locator }))
        .collect();
    json!({
        "artifact": record.artifact,
        "data_type": record.of.name,
        "subject": record.subject,
        "user": record.user,
        "moments": moments,
        "fields": record.fields,
        "claims": record.claims.iter().map(|claim| claim.name()).collect::<Vec<_>>(),
        "locator": record.locator,
        "integrity": record.integrity.name(),
    })
}

fn lines(records: &[Record], problems: &[Problem]) -> Vec<Json> {
    let problems = problems.iter().map(|problem| json!({ "problem": problem }));
    records.iter().map(record_line).chain(problems).collect()
}

#[test]
fn every_fixture_gives_what_was_reviewed() {
    let mut wrong = Vec::new();
    let mut without: Vec<&str> = artifacts::ALL.iter().map(|artifact| artifact.id).collect();
    for case in super::cases() {
        without.retain(|id| *id != case.artifact.id);
        let name = case.folder.display();
        let (records, problems) = case.parse();
        let lines = lines(&records, &problems);
        let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
        let path = case.folder.join("expected.jsonl");
        if std::env::var_os("UPDATE_EXPECT").is_some() {
            std::fs::write(&path, &text).unwrap();
        }
        let expected = std::fs::read_to_string(&path).unwrap_or_default();
        for (number, (ours, theirs)) in text.lines().zip(expected.lines()).enumerate() {
            if ours != theirs {
                wrong.push(format!("{name}: line {}:\n  reviewed {theirs}\n  now      {ours}", number + 1));
            }
        }
        let (now, reviewed) = (text.lines().count(), expected.lines().count());
        if now != reviewed {
            wrong.push(format!("{name}: {now} lines, {reviewed} were reviewed"));
        }
        for independent in &case.origin.independent {
            let stands = lines.get(independent.line).and_then(|line| line.pointer(&independent.pointer));
            let stands = stands.map(|value| value.as_str().map_or_else(|| value.to_string(), str::to_owned));
            if stands.as_ref() != Some(&independent.value) {
                wrong.push(format!(
                    "{name}: line {} {}: {} says {}, we say {stands:?}",
                    independent.line, independent.pointer, independent.tool, independent.value
                ));
            }
        }
    }
    assert!(without.is_empty(), "no fixture in fixtures/<artifact>/ for {without:?}");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Number and time of every record of a log as the evtx library gives them.
fn by_evtx(log: &[u8]) -> Vec<(u64, u64)> {
    let mut parser = evtx::EvtxParser::from_buffer(log.to_vec()).unwrap();
    let records = parser.records_json_value().map(Result::unwrap);
    records
        .map(|record| {
            let text = record.data["Event"]["System"]["TimeCreated"]["#attributes"]["SystemTime"].as_str().unwrap();
            (record.event_record_id, evidence::Filetime::parse_utc(text).unwrap().0 / 10)
        })
        .collect()
}

/// The evidence of our builder must be evidence to a reader that is not ours.
#[test]
fn fabricated_logs_hold_the_same_to_the_evtx_library() {
    let mut compared = 0;
    for case in super::cases().iter().filter(|case| case.artifact.id == "event-log") {
        let theirs = by_evtx(&case.input);
        let focus = evidence::Focus::default();
        let (records, problems) = super::parse(case.artifact, &case.origin.original_path, &case.input, &[], &focus);
        assert_eq!(problems, [], "{:?}", case.folder);
        let (channel, kept) = records.split_last().unwrap();
        assert_eq!(channel.fields.number("Records"), Some(theirs.len() as u64));
        assert!(kept.len() > 1);
        for record in kept {
            let evidence::Locator::EvtxRecord { record_id, .. } = record.locator else { panic!("{record:?}") };
            let time = record.moments[0].when.sort_key().unwrap().0 / 10;
            assert!(theirs.contains(&(record_id, time)), "{record_id} at {time}: {theirs:?}");
            compared += 1;
        }
    }
    assert!(compared > 0);
}

/// Keys and values below a key, by the crate nt-hive.
fn by_nt_hive(key: &nt_hive::KeyNode<'_, &[u8]>) -> (usize, usize) {
    let mut count = (1, key.values().map_or(0, |values| values.unwrap().count()));
    for child in key.subkeys().into_iter().flat_map(Result::unwrap) {
        let below = by_nt_hive(&child.unwrap());
        count = (count.0 + below.0, count.1 + below.1);
    }
    count
}

#[test]
fn fabricated_hives_are_hives_to_nt_hive() {
    let mut hives = 0;
    for case in super::folders(&super::fixtures()).iter().flat_map(|folder| super::folders(folder)) {
        let bytes = std::fs::read(case.join("input")).unwrap_or_default();
        if !bytes.starts_with(b"regf") {
            continue;
        }
        hives += 1;
        // What is only in a log is not in the hive as stored, and its numbers say that it was not closed.
        let hive = match case.join("log1").exists() {
            true => nt_hive::Hive::without_validation(&bytes[..]).unwrap(),
            false => nt_hive::Hive::new(&bytes[..]).unwrap(),
        };
        let (keys, values) = by_nt_hive(&hive.root_key_node().unwrap());
        assert!(keys > 1 && values > 0, "{case:?}: {keys} keys, {values} values");
    }
    assert!(hives > 0);
}

/// What a type does not declare of a value: names that it does not know, and values of another kind. The names in some
/// maps come from the evidence.
fn undeclared<'v>(
    values: &mut dyn Iterator<Item = (&'v str, ValueRef<'v>)>,
    fields: &[Field],
    place: &str,
    found: &mut Vec<String>,
) {
    const OPEN: [&str; 4] = ["Events", "Other", "Version", "Versions"];
    for (name, value) in values {
        let place = format!("{place}.{name}");
        let Some(field) = fields.iter().find(|field| field.name == name) else {
            let is_open = OPEN.iter().any(|open| place.contains(&format!(".{open}.")));
            // Why a live system did not give a value.
            if !is_open && !name.ends_with("_error") {
                found.push(place);
            }
            continue;
        };
        let fits = match field.kind {
            // A setting has the type that its value in the registry has.
            FieldKind::Text if place.ends_with(":setting.Value") => true,
            FieldKind::Text => matches!(value, ValueRef::Text(_)),
            // The lists of a live host have negative numbers as text.
            FieldKind::Number => match value {
                ValueRef::Text(text) => text.parse::<i64>().is_ok(),
                other => matches!(other, ValueRef::Unsigned(_) | ValueRef::Signed(_)),
            },
            FieldKind::Time => matches!(value, ValueRef::Time(_)),
            FieldKind::Flag => matches!(value, ValueRef::Bool(_)),
            FieldKind::Map(_) => matches!(value, ValueRef::Map(_)),
            FieldKind::List | FieldKind::Maps(_) => matches!(value, ValueRef::List(_)),
        };
        if !fits {
            found.push(format!("{place} is no {:?}", field.kind));
        }
        let items = value.items().iter().map(evidence::Value::view);
        for inner in std::iter::once(value).chain(items) {
            if let ValueRef::Map(members) = inner {
                let mut members = members.iter().map(|(name, value)| (name.as_str(), value.view()));
                undeclared(&mut members, field.members(), &place, found);
            }
        }
    }
}

#[test]
fn every_field_of_a_record_is_declared() {
    let mut found = Vec::new();
    for case in super::cases() {
        let (records, _) = case.parse();
        // The providers name the values of events.
        for record in records.iter().filter(|record| !record.of.is_event()) {
            undeclared(&mut record.fields.iter(), record.of.fields, record.of.name, &mut found);
        }
    }
    found.sort();
    found.dedup();
    assert_eq!(found, Vec::<String>::new());
}
