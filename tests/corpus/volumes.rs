//! $MFT and change journals of the corpus through their artifacts: how many records, and what they claim.

use evidence::{Claim, Filetime, Focus, Record, Value, ValueRef};
use serde_json::Value as Json;

use crate::parsers::parse;

fn everything() -> Focus {
    Focus { everything: true, ..Focus::default() }
}

fn the_tools() -> Focus {
    Focus { names: ["REGASM.EXE", "REGSVCS.EXE"].map(str::to_owned).into(), ..Focus::default() }
}

#[test]
#[cfg_attr(not(corpus), ignore = "needs COMTRAIL_CORPUS")]
fn every_named_file_record_is_described_once() {
    let corpus = super::folder();
    let artifact = artifacts::by_id("mft").unwrap();
    for line in super::ground_truth(&corpus, "mft.jsonl") {
        let file = super::evidence_file(&corpus, &line);
        let bytes = std::fs::read(&file).unwrap();
        let (records, problems) = parse(artifact, r"\$MFT", &bytes, &[], &everything());
        let mut entries: Vec<u64> = records.iter().filter_map(|record| record.fields.number("Entry")).collect();
        entries.sort_unstable();
        assert!(entries.is_sorted_by(|a, b| a < b), "{}: a file is described twice", file.display());
        for record in &records {
            let complete = ["Path", "Name", "Sequence", "ParentEntry", "InUse"];
            assert!(complete.iter().all(|name| record.fields.get(name).is_some()), "{record:?}");
            assert_eq!(record.claims, [Claim::Present]);
        }
        // Their count is of records that bear a name. Ours joins extension records to their base record, so it
        // may be lower by those, never higher; where theirs failed on a torn record, we go on.
        println!("{}: {} of {} described, {} problems", file.display(), records.len(), line["named"], problems.len());
        if let Some(named) = line["named"].as_u64() {
            let extensions = named_extensions(&bytes);
            assert_eq!(records.len() as u64 + extensions, named, "{}", file.display());
        } else {
            assert!(!problems.is_empty() && !records.is_empty(), "{}", file.display());
        }
        let (few, _) = parse(artifact, r"\$MFT", &bytes, &[], &the_tools());
        assert_eq!(few.len(), line["regasm_regsvcs"].as_array().map_or(0, Vec::len), "{}", file.display());
    }
}

/// Extension records (those with a base record) that bear a name, by the bytes of their headers.
fn named_extensions(mft: &[u8]) -> u64 {
    let mft = mft.to_vec();
    let reader = ntfs_layout::MftReader::new(&mft);
    let mut pass = reader.pass();
    let mut count = 0;
    while let Some(entry) = pass.next_record() {
        let Ok(record) = entry.record else { continue };
        let named = record.attributes().map_while(Result::ok).any(|one| one.kind == ntfs_layout::kind::FILE_NAME);
        count += u64::from(named && record.base().is_some());
    }
    count
}

/// Their times are computed in floating point and miss the stored ones by up to two microseconds.
fn is_time(theirs: &Json, ours: Option<Filetime>) -> bool {
    let theirs = theirs.as_str().and_then(Filetime::parse_utc);
    ours.zip(theirs).is_some_and(|(ours, theirs)| ours.ticks_since(theirs).abs() <= 30)
}

fn time(record: &Record) -> Option<Filetime> {
    record.moments.first().and_then(|moment| moment.when.sort_key())
}

#[test]
#[cfg_attr(not(corpus), ignore = "needs COMTRAIL_CORPUS")]
fn every_change_is_described_and_no_change_of_a_tool_is_an_execution() {
    let corpus = super::folder();
    let artifact = artifacts::by_id("usn-journal").unwrap();
    for line in super::ground_truth(&corpus, "usn.jsonl") {
        let file = super::evidence_file(&corpus, &line);
        let bytes = std::fs::read(&file).unwrap();
        let (records, _) = parse(artifact, r"\$Extend\$UsnJrnl:$J", &bytes, &[], &everything());
        assert_eq!(Some(records.len() as u64), line["records"].as_u64(), "{}", file.display());
        assert!(is_time(&line["first"], time(&records[0])), "{}: first {:?}", file.display(), records[0]);
        assert!(is_time(&line["last"], records.last().and_then(time)), "{}: last", file.display());
        drop(records);

        let (records, _) = parse(artifact, r"\$Extend\$UsnJrnl:$J", &bytes, &[], &the_tools());
        let theirs = line["regasm_regsvcs"].as_array().unwrap();
        assert_eq!(records.len(), theirs.len(), "{}", file.display());
        for (ours, theirs) in records.iter().zip(theirs) {
            let reasons = ours.fields.get("Reasons").map(ValueRef::items).unwrap_or_default();
            let reasons: Vec<&str> = reasons.iter().filter_map(Value::as_text).collect();
            assert_eq!(ours.fields.number("Usn"), theirs[0].as_u64(), "{}", file.display());
            assert!(is_time(&theirs[1], time(ours)), "{theirs}: {ours:?}");
            assert_eq!(ours.fields.text("Name"), theirs[2].as_str());
            assert_eq!(Some(format!("USN_REASON.{}", reasons.join("|")).as_str()), theirs[3].as_str());
            assert_eq!(ours.claims, [Claim::Present], "a change of a file is never an execution");
        }
    }
}
