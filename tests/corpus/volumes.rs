//! $MFT and change journals of the corpus through their artifacts: how many records, and what they claim.

use evidence::{Claim, Filetime, Focus, Record, Tells, Value, ValueRef};
use serde_json::Value as Json;

use super::Comparison;
use crate::parsers::parse;

fn everything() -> Focus {
    Focus { everything: true, ..Focus::default() }
}

fn the_tools() -> Focus {
    Focus { names: ["REGASM.EXE", "REGSVCS.EXE"].map(str::to_owned).into(), ..Focus::default() }
}

/// Whether a name is that of one of the tools and no other that contains it.
fn is_a_tool(name: &str) -> bool {
    ["REGASM.EXE", "REGSVCS.EXE"].contains(&name.to_uppercase().as_str())
}

#[test]
#[cfg_attr(not(corpus), ignore = "needs COMTRAIL_CORPUS")]
fn every_named_file_record_is_described_once() {
    let artifact = artifacts::by_id("mft").unwrap();
    let mut comparison = Comparison::of("described file records", &super::folder());
    comparison.each("mft.jsonl", |comparison, line, path| {
        comparison.count();
        let bytes = std::fs::read(path).unwrap();
        let (records, problems) = parse(artifact, r"\$MFT", &bytes, &[], &everything());
        let mut entries: Vec<u64> = records.iter().filter_map(|record| record.fields.number("Entry")).collect();
        entries.sort_unstable();
        comparison.check(entries.is_sorted_by(|a, b| a < b), "a file is described twice");
        for record in &records {
            let complete = ["Path", "Name", "Sequence", "ParentEntry", "InUse"];
            let is_right = complete.iter().all(|name| record.fields.get(name).is_some());
            comparison.check(is_right && record.claims == [Claim::Present], format!("{record:?}"));
        }
        // Their count is of records that bear a name. Ours joins extension records to their base record, so it
        // may be lower by those, never higher; where theirs failed on a torn record, we go on.
        if line["error"].is_string() {
            comparison.check(!problems.is_empty(), "they fail, we find nothing wrong");
        } else {
            comparison.same_number("named", &line["named"], records.len() as u64 + named_extensions(&bytes));
        }
        let Some(theirs) = line["regasm_regsvcs"].as_array() else { return };
        // They list names that contain a tool's, and a file may bear several; we describe a file once.
        let few = parse(artifact, r"\$MFT", &bytes, &[], &the_tools()).0.len();
        let texts = |hit: &Json| hit.as_array().cloned().unwrap_or_else(|| vec![hit.clone()]);
        let is_exact =
            |text: &Json| text.as_str().is_some_and(|text| is_a_tool(text.rsplit(['\\', '/']).next().unwrap()));
        let exact = theirs.iter().filter(|hit| texts(hit).iter().any(is_exact)).count();
        comparison.check(few <= exact && (few > 0) == (exact > 0), format!("{few} of the tools, theirs {theirs:?}"));
    });
    comparison.finish();
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
    let artifact = artifacts::by_id("usn-journal").unwrap();
    let mut comparison = Comparison::of("described changes", &super::folder());
    comparison.each("usn.jsonl", |comparison, line, path| {
        comparison.count();
        let bytes = std::fs::read(path).unwrap();
        let (mut records, _) = parse(artifact, r"\$Extend\$UsnJrnl:$J", &bytes, &[], &everything());
        // One further record says of which time the journal has every change.
        records.retain(|record| record.of.tells == Tells::FileChange);
        comparison.same_number("records", &line["records"], records.len() as u64);
        // A record of version 4 has neither time nor name.
        let mut times = records.iter().filter_map(time);
        let first = times.next();
        for (what, ours) in [("first", first), ("last", times.next_back().or(first))] {
            let is_right = line[what].is_null() || is_time(&line[what], ours);
            comparison.check(is_right, format!("{what}: theirs {}, ours {ours:?}", line[what]));
        }
        drop(records);

        let Some(theirs) = line["regasm_regsvcs"].as_array() else { return };
        let theirs: Vec<&Json> = theirs.iter().filter(|hit| hit[2].as_str().is_some_and(is_a_tool)).collect();
        // A file that once had a tool's name is followed through its other names as well.
        let (mut records, _) = parse(artifact, r"\$Extend\$UsnJrnl:$J", &bytes, &[], &the_tools());
        let mut claims = records.iter().flat_map(|record| record.claims);
        let is_right = claims.all(|claim| matches!(claim, Claim::Present | Claim::Deleted));
        comparison.check(is_right, "a change of a file is never an execution");
        records.retain(|record| record.fields.text("Name").is_some_and(is_a_tool));
        comparison.same("changes of the tools", &theirs.len(), &records.len());
        for (ours, theirs) in records.iter().zip(theirs) {
            let reasons = ours.fields.get("Reasons").map(ValueRef::items).unwrap_or_default();
            let reasons: Vec<&str> = reasons.iter().filter_map(Value::as_text).collect();
            let is_right = ours.fields.number("Usn") == theirs[0].as_u64()
                && is_time(&theirs[1], time(ours))
                && ours.fields.text("Name") == theirs[2].as_str()
                && theirs[3] == format!("USN_REASON.{}", reasons.join("|"));
            comparison.check(is_right, format!("theirs {theirs}, ours {ours:?}"));
        }
    });
    comparison.finish();
}
