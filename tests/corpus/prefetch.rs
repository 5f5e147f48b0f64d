//! Every real prefetch file against libscca.

use std::collections::BTreeMap;

use super::Comparison;
use evidence::{Fields, Input, Record, Value, ValueRef};
use serde_json::{Value as Json, json};

/// What `parse` gives for a file: records and problems.
fn parse(path: &str, bytes: &[u8]) -> (Vec<Record>, Vec<evidence::Problem>) {
    let mut records = Vec::new();
    let bytes = bytes.to_vec();
    let input = Input::new(path, &bytes);
    let artifact = artifacts::by_id("prefetch").unwrap();
    let problems = artifact.parse_alone(&input, &mut |record| records.push(record));
    (records, problems)
}

/// A record in the words of the ground truth.
fn as_ground_truth(record: &Record) -> Json {
    let fields: &Fields = &record.fields;
    let texts = |list: &str, member: &str| -> Vec<String> {
        let items = fields.get(list).map(ValueRef::items).unwrap_or_default();
        items.iter().filter_map(|item| item.get(member)?.as_text().map(str::to_owned)).collect()
    };
    let volumes: Vec<Json> = fields
        .get("Volumes")
        .map(ValueRef::items)
        .unwrap_or_default()
        .iter()
        .map(|volume| {
            json!({
                "path": volume.get("DevicePath").and_then(Value::as_text),
                "serial": volume.get("Serial").and_then(Value::as_text),
                "created": volume.get("Created").and_then(Value::as_time).map_or(0, |time| time.0),
            })
        })
        .collect();
    let run_times: Vec<u64> =
        record.moments.iter().filter_map(|moment| moment.when.sort_key()).map(|time| time.0).collect();
    json!({
        "version": fields.number("Version"),
        "executable": fields.text("Executable"),
        "hash": fields.text("Hash"),
        "run_count": fields.number("RunCount"),
        "last_run_filetimes": run_times,
        "files": texts("Files", "Path"),
        "volumes": volumes,
    })
}

/// The versions that libscca reads.
const KNOWN: [u64; 5] = [17, 23, 26, 30, 31];

#[test]
#[cfg_attr(not(corpus), ignore = "needs COMTRAIL_CORPUS")]
fn every_prefetch_file_as_libscca_reads_it() {
    let mut comparison = Comparison::of("prefetch files", &super::folder());
    let mut checks: BTreeMap<String, u64> = BTreeMap::new();
    comparison.each("prefetch.jsonl", |comparison, line, path| {
        comparison.count();
        let name = line["file"].as_str().unwrap();
        let (records, problems) = parse(name, &std::fs::read(path).unwrap());
        if line.get("error").is_some() {
            // What it cannot read, we may read with a word about what is wrong, or as a version that it does not know.
            let version = records.first().and_then(|record| record.fields.number("Version"));
            let is_new = version.is_some_and(|version| !KNOWN.contains(&version));
            comparison.check(is_new || !problems.is_empty(), "libscca cannot read it, and we find nothing wrong");
            return;
        }
        let [record] = &records[..] else {
            return comparison.differ(format!("{} records, {problems:?}", records.len()));
        };
        for (field, ours) in as_ground_truth(record).as_object().unwrap() {
            if let Some(theirs) = line.get(field) {
                comparison.same(field, theirs, ours);
            }
        }
        for problem in &problems {
            comparison.differ(format!("libscca reads it without complaint: {problem:?}"));
        }
        let matches = record.fields.text("HashMatches").unwrap();
        *checks.entry(matches.to_owned()).or_default() += 1;
        if matches == "no" {
            println!("{name}: the hash is not that of {:?}", record.fields.text("Path"));
        }
    });
    println!("path hashes {checks:?}");
    comparison.finish();
}
