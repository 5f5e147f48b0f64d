//! Event logs of the real corpus against what other people's tools say about them.

use super::{evidence_file, folder, ground_truth};
use evidence::{Filetime, Focus, Input, Record, Sink};

fn parse(bytes: &Vec<u8>) -> Vec<Record> {
    let artifact = artifacts::by_id("event-log").unwrap();
    let mut records = Vec::new();
    let mut on_record = |record| records.push(record);
    let mut sink = Sink::new("log", &mut on_record);
    let focus = Focus::default();
    let input = Input { original_path: r"C:\log.evtx", bytes, companions: Vec::new(), focus: &focus };
    (artifact.parse)(&input, &mut sink);
    sink.finish();
    records
}

/// Their times have microseconds; how they round differs by one.
fn is_near(theirs: &serde_json::Value, ours: Option<Filetime>) -> bool {
    match (theirs.as_str().and_then(Filetime::parse_utc), ours) {
        (Some(theirs), Some(ours)) => theirs.ticks_since(ours).abs() <= 20,
        (None, _) => true,
        (Some(_), None) => false,
    }
}

#[test]
fn every_log_has_the_records_and_hits_that_others_see() {
    let Some(corpus) = folder() else { return };
    let lines = ground_truth(&corpus, "evtx.jsonl");
    assert!(!lines.is_empty());
    let mut wrong = Vec::new();
    for line in &lines {
        let file = evidence_file(&corpus, line);
        let Ok(bytes) = std::fs::read(&file) else {
            wrong.push(format!("{}: is not there", file.display()));
            continue;
        };
        let records = parse(&bytes);
        let summary = records.iter().find(|record| record.data_type == "windows:evtx:channel").unwrap();
        let ours = summary.fields.number("Records").unwrap();
        let (theirs, errors) = (line["records"].as_u64().unwrap_or(0), line["record_errors"].as_u64().unwrap_or(0));
        // Of a damaged log we see at least what they see; where they stop at an error we may see more.
        let counted = if errors == 0 { ours == theirs } else { ours >= theirs };
        if !counted {
            wrong.push(format!("{}: {ours} records, they have {theirs} and {errors} errors", file.display()));
        }
        let time = |name: &str| summary.fields.get(name).and_then(evidence::Value::as_time);
        if errors == 0
            && theirs > 0
            && !(is_near(&line["first"], time("First")) && is_near(&line["last"], time("Last")))
        {
            wrong.push(format!(
                "{}: {:?} to {:?}, they have {} to {}",
                file.display(),
                time("First").map(|time| time.to_string()),
                time("Last").map(|time| time.to_string()),
                line["first"],
                line["last"]
            ));
        }
        // Every record that they find to name a tool is kept, with the same command line.
        for hit in line["regasm_regsvcs"].as_array().into_iter().flatten() {
            let event = &hit["json"]["Event"];
            let Some(id) = event["System"]["EventRecordID"].as_u64() else { continue };
            let kept = records.iter().find(|record| record.fields.number("System.EventRecordID") == Some(id));
            match (kept, event["EventData"]["CommandLine"].as_str()) {
                (None, _) => wrong.push(format!("{}: record {id} names a tool and is not kept", file.display())),
                (Some(kept), Some(command_line)) if kept.fields.text("CommandLine") != Some(command_line) => {
                    wrong.push(format!("{}: record {id}: {:?}", file.display(), kept.fields.text("CommandLine")));
                }
                _ => {}
            }
        }
    }
    assert!(wrong.is_empty(), "{} of {} lines differ:\n{}", wrong.len(), lines.len(), wrong.join("\n"));
}
