//! Every real prefetch file against libscca.

use std::collections::BTreeMap;

use evidence::{Fields, Focus, Input, Record, Sink, Value, ValueRef};
use serde_json::{Value as Json, json};

/// What `parse` gives for a file: records and problems.
fn parse(path: &str, bytes: &[u8]) -> (Vec<Record>, Vec<evidence::Problem>) {
    let mut records = Vec::new();
    let mut keep = |record| records.push(record);
    let mut sink = Sink::new(path, &mut keep);
    let bytes = bytes.to_vec();
    let input = Input { original_path: path, bytes: &bytes, companions: Vec::new(), focus: &Focus::default() };
    (artifacts::by_id("prefetch").unwrap().parse)(&input, &mut sink);
    let problems = sink.finish();
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

#[test]
#[cfg_attr(not(corpus), ignore = "needs COMTRAIL_CORPUS")]
fn every_prefetch_file_as_libscca_reads_it() {
    let corpus = super::folder();
    let lines = super::ground_truth(&corpus, "prefetch.jsonl");
    assert!(!lines.is_empty(), "no ground truth for prefetch files");
    let mut differences = Vec::new();
    let mut checks: BTreeMap<String, u64> = BTreeMap::new();
    for line in &lines {
        let name = line["file"].as_str().unwrap();
        let bytes = std::fs::read(super::evidence_file(&corpus, line)).unwrap();
        let (records, problems) = parse(name, &bytes);
        if line.get("error").is_some() {
            assert!(records.is_empty() && !problems.is_empty(), "{name}: libscca cannot read it");
            continue;
        }
        let [record] = &records[..] else {
            differences.push(format!("{name}: {} records, {problems:?}", records.len()));
            continue;
        };
        let ours = as_ground_truth(record);
        for (field, ours) in ours.as_object().unwrap() {
            if *ours != line[field] {
                differences.push(format!("{name}: {field}: theirs {}, ours {ours}", line[field]));
            }
        }
        for problem in &problems {
            differences.push(format!("{name}: libscca reads it without complaint: {problem:?}"));
        }
        let matches = record.fields.text("HashMatches").unwrap();
        *checks.entry(matches.to_owned()).or_default() += 1;
        if matches == "no" {
            println!("{name}: the hash is not that of {:?}", record.fields.text("Path"));
        }
    }
    println!("{} files, path hashes {checks:?}", lines.len());
    assert!(differences.is_empty(), "{} differences:\n{}", differences.len(), differences.join("\n"));
}
