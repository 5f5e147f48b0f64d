//! Every real event log against what the evtx library counts in it, and every kept value against how it renders it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;
use std::path::Path;

use super::Comparison;
use evidence::{Fields, Filetime, Input, Integrity, Lead, Locator, Problem, Record, ValueRef};
use serde_json::Value as Json;
use sha2::{Digest, Sha256};

const CHUNK: u64 = 0x10000;

/// Events that show a process or a registration: those that name a tool must be kept.
const ALWAYS_KEPT: [&str; 5] = [
    "Security:4688",
    "Microsoft-Windows-Sysmon/Operational:1",
    "Microsoft-Windows-Sysmon/Operational:5",
    "Microsoft-Windows-Sysmon/Operational:12",
    "Microsoft-Windows-Sysmon/Operational:13",
];

/// What `parse` gives for a file: kept records, the record about the channel, problems.
fn parse(path: &str, bytes: Vec<u8>) -> (Vec<Record>, Record, Vec<Problem>) {
    let mut records = Vec::new();
    let input = Input::new(path, &bytes);
    let artifact = artifacts::by_id("event-log").unwrap();
    let problems = artifact.parse_alone(&input, &mut |record| records.push(record));
    let channel = records.pop().unwrap();
    assert_eq!(channel.of.name, "windows:evtx:channel");
    (records, channel, problems)
}

fn record_id(record: &Record) -> u64 {
    match record.locator {
        Locator::EvtxRecord { record_id, .. } => record_id,
        _ => panic!("a record without its place"),
    }
}

/// Whether any value of a record names one of the tools.
fn names_a_tool(record: &Record) -> bool {
    record.fields.iter().filter_map(|(_, value)| value.as_text()).any(|text| {
        let lower = text.to_lowercase();
        lower.contains("regasm") || lower.contains("regsvcs")
    })
}

/// Times of the ground truth have microseconds, in one case more digits than a FILETIME; ours are ticks.
fn micros(time: Option<Filetime>) -> Option<u64> {
    time.map(|time| time.0 / 10)
}

/// The records of a log by the evtx library of the version that the workspace has.
#[derive(Default)]
struct ByEvtx {
    /// Rendered records by the offset of their binary XML in the file.
    rendered: BTreeMap<u64, Json>,
    /// How many of them are live.
    live: u64,
    /// Live records that it finds and cannot decode.
    failed: u64,
    /// Records carved from free space, without earlier writings of live ones.
    carved: u64,
}

fn by_evtx(bytes: Vec<u8>) -> ByEvtx {
    let mut found = ByEvtx::default();
    let settings = evtx::ParserSettings::new().recover_records(true).num_threads(1);
    let Ok(parser) = evtx::EvtxParser::from_buffer(bytes) else { return found };
    let mut parser = parser.with_configuration(settings.clone());
    let settings = std::sync::Arc::new(settings);
    for chunk in parser.chunks() {
        let Ok(mut chunk) = chunk else { continue };
        let at = 4096 + chunk.number.unwrap() * CHUNK;
        let Ok(mut chunk) = chunk.parse(settings.clone()) else { continue };
        let mut live = BTreeSet::new();
        for record in chunk.iter() {
            match record {
                Ok(record) => {
                    let (offset, recovered) = (at + record.binxml_offset, record.recovered);
                    let is_known = !live.insert((record.event_record_id, record.timestamp));
                    let Ok(json) = record.into_json_value() else { continue };
                    // Carving also finds stretches of zeros that look like records without any event.
                    if json.data["Event"].is_null() {
                        continue;
                    }
                    found.rendered.insert(offset, json.data);
                    if !recovered {
                        found.live += 1;
                    } else if !is_known {
                        found.carved += 1;
                    }
                }
                Err(evtx::err::EvtxError::FailedToParseRecord { .. }) => found.failed += 1,
                Err(_) => {}
            }
        }
    }
    found
}

/// Reads the log of a line of the ground truth; false where it is another file than the one that was described.
fn read_described(comparison: &mut Comparison, line: &Json, path: &Path) -> Option<Vec<u8>> {
    let bytes = std::fs::read(path).unwrap();
    let digest: String = Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    let is_right = line["sha256"].is_null() || line["sha256"] == digest;
    comparison.check(is_right, "not the file of the ground truth");
    is_right.then_some(bytes)
}

/// Takes what was compared, whether it is right, theirs and ours.
type Differ<'d> = dyn FnMut(&str, bool, &dyn Debug, &dyn Debug) + 'd;

/// The first and the last time of a log.
fn compare_reach(line: &Json, fields: &Fields, is_damaged: bool, differ: &mut Differ<'_>) {
    for (what, ours) in [("first", "First"), ("last", "Last")] {
        let Some(theirs) = line.get(what) else { continue };
        let theirs = micros(theirs.as_str().and_then(Filetime::parse_utc));
        let ours = micros(fields.get(ours).and_then(ValueRef::as_time));
        let is_right = match what {
            _ if !is_damaged => theirs == ours,
            _ if theirs.is_none() => true,
            "first" => ours <= theirs,
            _ => ours >= theirs,
        };
        differ(what, is_right, &theirs, &ours);
    }
}

/// How many records of each event a log has.
fn compare_events(line: &Json, fields: &Fields, is_damaged: bool, differ: &mut Differ<'_>) {
    if !line["event_ids"].is_object() {
        return;
    }
    let theirs: BTreeMap<String, u64> = serde_json::from_value(line["event_ids"].clone()).unwrap();
    let Some(ValueRef::Map(ours)) = fields.get("Events") else { panic!("no counts") };
    // Events without a channel are under `?` there.
    let key = |key: &str| if key.starts_with(':') { format!("?{key}") } else { key.to_owned() };
    let ours: BTreeMap<String, u64> =
        ours.iter().map(|(name, count)| (key(name), count.as_number().unwrap())).collect();
    if is_damaged {
        let fewer: Vec<_> = theirs.iter().filter(|(key, count)| ours.get(*key) < Some(*count)).collect();
        differ("events", fewer.is_empty(), &fewer, &"fewer");
    } else {
        differ("events", theirs == ours, &theirs, &ours);
    }
}

/// The channel and the number of an event.
fn kind(record: &Record) -> String {
    let text = |name| record.fields.text(name).unwrap_or_default();
    format!("{}:{}", text("System.Channel"), text("System.EventID"))
}

/// The live records that name a tool by the ground truth. Only events of a list are kept, so what is of another kind is
/// nothing that we could name.
fn named_by_theirs<'t>(hits: &'t [Json], kept: &[Record]) -> Vec<(u64, &'t str)> {
    let kinds: BTreeSet<String> =
        ALWAYS_KEPT.iter().map(|&kind| kind.to_owned()).chain(kept.iter().map(kind)).collect();
    let hits = hits.iter().filter_map(|hit| Some((hit["record"].as_u64()?, hit["what"].as_str()?)));
    hits.filter(|(_, what)| kinds.contains(*what)).collect()
}

/// The same of ours.
fn named_by_ours(kept: &[Record]) -> Vec<(u64, String)> {
    let named = kept.iter().filter(|record| record.integrity != Integrity::Recovered && names_a_tool(record));
    named.map(|record| (record_id(record), kind(record))).collect()
}

#[test]
#[cfg_attr(not(corpus), ignore = "needs COMTRAIL_CORPUS")]
fn every_log_as_the_evtx_library_counts_it() {
    let mut comparison = Comparison::of("event logs", &super::folder());
    let (mut records, mut recovered, mut carved, mut hits) = (0, 0, 0, 0);
    comparison.each("evtx.jsonl", |comparison, line, path| {
        let name = line["file"].as_str().unwrap();
        let Some(bytes) = read_described(comparison, line, path) else { return };
        comparison.count();
        let current = by_evtx(bytes.clone());
        let (kept, channel, problems) = parse(name, bytes);
        let mut differ = |what: &str, is_right: bool, theirs: &dyn Debug, ours: &dyn Debug| {
            comparison.check(is_right, format!("{what}: {theirs:?} by evtx, {ours:?} by us"));
        };
        let fields = &channel.fields;
        let number = |name: &str| fields.number(name).unwrap();
        records += number("Records");
        recovered += number("Recovered");
        carved += current.carved;
        differ("carved", number("Recovered") >= current.carved, &current.carved, &number("Recovered"));
        // The ground truth's version of the library left a damaged chunk at its first error. The current one goes on and
        // must find the same records as we do; it counts those that it cannot decode as errors.
        let is_damaged = line["record_errors"].as_u64().is_some_and(|errors| errors > 0);
        if is_damaged {
            differ("records", number("Records") == current.live + current.failed, &current.live, &number("Records"));
            differ("problems", !problems.is_empty(), &line["record_errors"], &0);
        } else {
            let is_right = line["records"].is_null() || line["records"] == number("Records");
            differ("records", is_right, &line["records"], &number("Records"));
            differ("undecodable", number("Undecodable") == 0, &0, &number("Undecodable"));
        }
        compare_reach(line, fields, is_damaged, &mut differ);
        compare_events(line, fields, is_damaged, &mut differ);
        let Some(theirs) = line["regasm_regsvcs"].as_array() else { return };
        let (theirs, mut ours) = (named_by_theirs(theirs, &kept), named_by_ours(&kept));
        hits += ours.len();
        if is_damaged {
            ours.retain(|(id, what)| theirs.contains(&(*id, what)));
        }
        let is_right = theirs.iter().copied().eq(ours.iter().map(|(id, what)| (*id, what.as_str())));
        differ("records that name the tools", is_right, &theirs, &ours);
    });
    println!("{records} records, {recovered} recovered ({carved} by evtx), {hits} name the tools");
    comparison.finish();
}

/// The text of a JSON scalar.
fn text(value: &Json) -> Option<String> {
    match value {
        Json::Null => None,
        Json::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    }
}

/// Flattens an element of the library's JSON to names and texts, in the words of docs/records.md.
fn flatten(part: &str, element: &str, value: &Json, out: &mut Vec<(String, String)>) {
    match value {
        Json::Object(members) => {
            for (member, value) in members {
                match member.as_str() {
                    "#attributes" => {
                        for (attribute, value) in value.as_object().unwrap() {
                            if attribute == "xmlns" || attribute.starts_with("xmlns:") {
                                continue;
                            }
                            let name = match (part, element, attribute.as_str()) {
                                ("System", "TimeCreated", _) => continue,
                                ("System", "Provider", "Name") => "System.Provider".to_owned(),
                                ("System", "Provider", "Guid") => "System.ProviderGuid".to_owned(),
                                ("System", _, attribute) => format!("System.{attribute}"),
                                _ => format!("{element}.{attribute}"),
                            };
                            out.extend(text(value).map(|text| (name, text)));
                        }
                    }
                    "#text" => flatten(part, element, value, out),
                    _ => flatten(part, member, value, out),
                }
            }
        }
        Json::Array(members) if element == "Data" => {
            for (number, member) in members.iter().enumerate() {
                out.extend(text(member).map(|text| (format!("Data[{number}]"), text)));
            }
        }
        Json::Array(members) => {
            let joined: Vec<String> = members.iter().filter_map(text).collect();
            out.push((element.to_owned(), joined.join(", ")));
        }
        scalar => {
            let name = match part {
                "System" => format!("System.{element}"),
                _ if element == "Data" => "Data[0]".to_owned(),
                _ => element.to_owned(),
            };
            out.extend(text(scalar).map(|text| (name, text)));
        }
    }
}

/// The differences in spelling that are known, each with its reason; `None` for a value that one of the two leaves out.
fn spelled_alike(theirs: &(String, String), ours: &(String, String)) -> bool {
    // A name that a template uses again: the library writes `Name_1`, we `Name[1]`.
    let (name, number) = theirs.0.rsplit_once('_').unwrap_or((&theirs.0, ""));
    let alike = theirs.1 == ours.1 || theirs.1.contains('\u{fffd}') && theirs.1 == without_half_pairs(&ours.1);
    alike && (theirs.0 == ours.0 || ours.0 == format!("{name}[{number}]"))
}

/// Half a pair of UTF-16 units: the library writes U+FFFD for each, we the unit as `\uD940`, so that none becomes another.
fn without_half_pairs(text: &str) -> String {
    let mut parts = text.split("\\u");
    let mut result = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        match part.get(..4).filter(|unit| unit.starts_with('D') && unit.bytes().all(|byte| byte.is_ascii_hexdigit())) {
            Some(_) => result.extend(["\u{fffd}", &part[4..]]),
            None => result.extend(["\\u", part]),
        }
    }
    result
}

#[test]
#[cfg_attr(not(corpus), ignore = "needs COMTRAIL_CORPUS")]
fn every_kept_value_as_the_evtx_library_renders_it() {
    let mut comparison = Comparison::of("values of event logs", &super::folder());
    let (mut compared, mut values, mut nameless) = (0, 0, 0);
    comparison.each("evtx.jsonl", |comparison, line, path| {
        let name = line["file"].as_str().unwrap();
        let Some(bytes) = read_described(comparison, line, path) else { return };
        comparison.count();
        let theirs = by_evtx(bytes.clone());
        let (kept, _, _) = parse(name, bytes);
        for record in &kept {
            let Locator::EvtxRecord { record_id, offset } = record.locator else { panic!("no place") };
            let place = format!("record {record_id} at {offset:#x}, {}", record.integrity.name());
            let mut ours: Vec<(String, String)> = record
                .fields
                .iter()
                .map(|(name, value)| (name.to_owned(), value.as_text().unwrap().to_owned()))
                .collect();
            // The definition of a recovered record's fields may have been overwritten. The library then gives the record
            // up, or takes the names from whatever definition stands there by now although its id is another one (a
            // pipe's name as `SourceThreadId`). We keep the values by number.
            let is_nameless = record.integrity == Integrity::Recovered
                && ours.iter().all(|(name, _)| name.starts_with("System.") || name.starts_with("Data["));
            let Some(json) = theirs.rendered.get(&(offset + 24)) else {
                nameless += 1;
                if !is_nameless {
                    comparison.differ(format!("{place}: not by evtx"));
                }
                continue;
            };
            let mut expected = Vec::new();
            for (part, value) in json["Event"].as_object().unwrap() {
                if part != "#attributes" {
                    flatten(part, part, value, &mut expected);
                }
            }
            if is_nameless
                && expected.iter().any(|(name, _)| !name.starts_with("System.") && !name.starts_with("Data["))
            {
                nameless += 1;
                expected.retain(|(name, _)| name.starts_with("System."));
                ours.retain(|(name, _)| name.starts_with("System."));
            }
            compared += 1;
            values += ours.len();
            // The library has no way to write an element of UserData with an empty text.
            ours.retain(|ours| !ours.1.is_empty() || expected.iter().any(|theirs| theirs.0 == ours.0));
            if ours.len() != expected.len()
                || !expected.iter().zip(&ours).all(|(theirs, ours)| spelled_alike(theirs, ours))
            {
                let theirs: Vec<_> = expected.iter().filter(|pair| !ours.contains(pair)).collect();
                let ours: Vec<_> = ours.iter().filter(|pair| !expected.contains(pair)).collect();
                comparison.differ(format!("{place}\n  evtx {theirs:?}\n  ours {ours:?}"));
            }
        }
    });
    println!("{compared} records with {values} values compared, {nameless} recovered without their names");
    comparison.finish();
}

/// Reads the logs of real executions, found by their records and not by their names.
#[test]
#[cfg_attr(not(corpus), ignore = "needs COMTRAIL_CORPUS")]
fn real_executions_with_every_character() {
    let mut comparison = Comparison::of("records that name the tools", &super::folder());
    comparison.each("evtx.jsonl", |comparison, line, path| {
        let Some(hits) = line["regasm_regsvcs"].as_array().filter(|hits| !hits.is_empty()) else { return };
        let (kept, ..) = parse(line["file"].as_str().unwrap(), std::fs::read(path).unwrap());
        for hit in hits {
            let Some(theirs) = hit["json"]["Event"]["EventData"].as_object() else { continue };
            // An event of a kind that is not kept is no record.
            let Some(record) = kept.iter().find(|record| record_id(record) == hit["record"]) else { continue };
            comparison.count();
            for (name, value) in theirs.iter().filter(|(_, value)| !value.is_object() && !value.is_array()) {
                // The older version of the library writes GUIDs in upper case and without braces.
                let expected = text(value).unwrap_or_default();
                let ours = record.fields.text(name).unwrap_or_default();
                let is_guid = name.ends_with("Guid") && ours.trim_matches(['{', '}']).eq_ignore_ascii_case(&expected);
                let is_right = is_guid || ours == expected;
                comparison.check(is_right, format!("record {}: {name}: {expected:?}, {ours:?}", hit["record"]));
            }
            if hit["what"].as_str().is_none_or(|what| !what.contains("Sysmon")) {
                continue;
            }
            let of = artifacts::by_id("event-log").unwrap().leads;
            let leads: Vec<Lead> = of.into_iter().flat_map(|leads| leads(record)).collect();
            let member = |name: &str| theirs.get(name).and_then(text);
            let expected = match (member("CommandLine"), member("TargetObject")) {
                (Some(command_line), _) => Lead::CommandLine {
                    image: member("Image"),
                    command_line,
                    current_directory: member("CurrentDirectory"),
                },
                (_, Some(key)) if key.ends_with("CodeBase") => Lead::Path(member("Details").unwrap()),
                _ => continue,
            };
            comparison.check(leads == [expected], format!("record {}: {leads:?}", hit["record"]));
        }
    });
    comparison.finish();
}
