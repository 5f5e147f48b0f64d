//! NTFS structures of the real corpus against what other people's tools say about them.

use super::{evidence_file, folder, ground_truth};
use evidence::Filetime;
use ntfs_layout::{FileName, MftReader, RecordFault, UsnReader, kind, reason_names};

/// The oracle's names of the tools, as it compares them.
fn names_a_tool(name: &str) -> bool {
    let name = name.to_lowercase();
    name.contains("regasm") || name.contains("regsvcs")
}

/// The oracle counts records that it can read: `segments` those with an intact `FILE` signature, `named` those of
/// them that bear a name. Where it gave up (`error`) it had counted the records before the first torn one.
#[test]
fn mft_records_agree_with_the_oracle() {
    let Some(corpus) = folder() else { return };
    let lines = ground_truth(&corpus, "mft.jsonl");
    assert!(!lines.is_empty(), "no mft.jsonl in the corpus");
    let mut differences = Vec::new();
    for line in &lines {
        let bytes = std::fs::read(evidence_file(&corpus, line)).unwrap();
        let reader = MftReader::new(&bytes);
        let (mut segments, mut named, mut torn) = (0u64, 0u64, 0u64);
        let mut tools: Vec<serde_json::Value> = Vec::new();
        let mut before_first_torn = None;
        let mut pass = reader.pass();
        while let Some(entry) = pass.next_record() {
            let record = match entry.record {
                Ok(record) if record.is_baad() => continue,
                Ok(record) => record,
                Err(RecordFault::Zeroed | RecordFault::BadSignature(_) | RecordFault::Truncated { .. }) => continue,
                Err(other) => panic!("{}: record {}: {other}", line["file"], entry.number),
            };
            if !record.fixups().intact() || record.fixups().already_applied {
                torn += 1;
                before_first_torn.get_or_insert(segments);
            }
            segments += 1;
            let names: Vec<String> = record
                .attributes()
                .map_while(Result::ok)
                .filter(|attribute| attribute.kind == kind::FILE_NAME)
                .filter_map(|attribute| FileName::parse(attribute.resident()?).map(|name| name.name.to_string()))
                .collect();
            named += u64::from(!names.is_empty());
            tools.extend(names.into_iter().filter(|name| names_a_tool(name)).map(Into::into));
        }
        let ours = serde_json::json!({ "segments": segments, "named": named, "tools": tools.len() });
        let theirs = match line.get("error") {
            None => serde_json::json!({
                "segments": line["segments"], "named": line["named"],
                "tools": line["regasm_regsvcs"].as_array().unwrap().len()
            }),
            Some(_) => {
                // The oracle refuses the whole file at its first torn record; we must agree up to there, find
                // that record torn, and go on after it.
                assert_eq!(before_first_torn, line["segments"].as_u64(), "{}", line["file"]);
                assert!(segments > line["segments"].as_u64().unwrap() + torn, "{}", line["file"]);
                continue;
            }
        };
        if ours != theirs || torn > 0 {
            differences.push(format!("{}: theirs {theirs}, ours {ours}, torn {torn}", line["file"]));
        }
    }
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

/// The oracle computes its times in floating point, which misses the stored 100 ns ticks by up to two microseconds
/// (`docs/differences.md`): equal means within that.
fn is_time(theirs: &serde_json::Value, ours: Option<Filetime>) -> bool {
    match (theirs.as_str(), ours) {
        (None, None) => true,
        (Some(text), Some(ours)) => {
            let theirs = Filetime::parse_utc(text.strip_suffix("+00:00").unwrap()).unwrap();
            ours.ticks_since(theirs).abs() <= 30
        }
        _ => false,
    }
}

#[test]
fn journal_records_agree_with_the_oracle() {
    let Some(corpus) = folder() else { return };
    let lines = ground_truth(&corpus, "usn.jsonl");
    assert!(!lines.is_empty(), "no usn.jsonl in the corpus");
    for line in &lines {
        let file = evidence_file(&corpus, line);
        let bytes = std::fs::read(&file).unwrap();
        let mut reader = UsnReader::new(&bytes);
        let (mut records, mut first, mut last, mut hits) = (0u64, None, None, Vec::new());
        while let Some(record) = reader.next_record() {
            records += 1;
            first = first.or(record.time);
            last = record.time;
            let name = record.name.unwrap().to_string();
            if names_a_tool(&name) {
                let reasons = reason_names(record.reason).collect::<Vec<_>>().join("|");
                hits.push((record.usn, record.time, name, format!("USN_REASON.{reasons}")));
            }
        }
        let theirs = line["regasm_regsvcs"].as_array().unwrap();
        assert_eq!((Some(records), hits.len()), (line["records"].as_u64(), theirs.len()), "{}", file.display());
        assert!(is_time(&line["first"], first), "{}: first {first:?}, not {}", file.display(), line["first"]);
        assert!(is_time(&line["last"], last), "{}: last {last:?}, not {}", file.display(), line["last"]);
        for (theirs, (usn, time, name, reasons)) in theirs.iter().zip(hits) {
            let same = theirs[0] == usn && is_time(&theirs[1], time) && theirs[2] == name && theirs[3] == reasons;
            assert!(same, "{}: {theirs}, not {usn} {time:?} {name} {reasons}", file.display());
        }
    }
}
