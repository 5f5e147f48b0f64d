//! What was not examined is not called absent, and logs that are there are not called missing.

use super::*;
use evidence::{LEADS_UNREAD, Problem, ProblemKind, Stage};

/// One run whose command line names a file of which no record tells, after these failures of the collection.
fn run_of(failures: &[Problem]) -> Execution {
    let records = vec![audit(
        "2026-03-04 14:12:33.121",
        "0x1e4c",
        REGASM,
        r"regasm.exe /U C:\w\x.dll",
        ("0x1c90", r"C:\x\powershell.exe"),
        LABEL_HIGH,
    )];
    let items = vec![item(0, r"C:\Windows\System32\winevt\Logs\Security.evtx")];
    let mut correlator = Correlator::new(Host::default(), &items, ::artifacts::ALL, own_acts()).knowing(failures);
    for event in in_order(&records) {
        correlator.observe(&event);
    }
    only(&correlator.finish()).clone()
}

#[test]
fn v9_an_assembly_that_was_not_looked_for_or_could_not_be_read_is_not_absent() {
    let problem = |stage, kind, item: &str, what: &str| Problem::new(stage, kind, item, what, "");
    let not_there = problem(Stage::Locate, ProblemKind::NotFound, r"C:\w\x.dll", "a record names it");
    let left_out = problem(Stage::Acquire, ProblemKind::LimitReached, "", "1 files were left out");
    let security = r"C:\Windows\System32\winevt\Logs\Security.evtx";
    let source_gone = problem(Stage::Acquire, ProblemKind::ReadFailed, security, &format!("{LEADS_UNREAD}: gone"));
    let unreadable = problem(Stage::Acquire, ProblemKind::ReadFailed, r"C:\w\x.dll", "bad sector");

    for failures in [vec![], vec![not_there.clone()], vec![not_there.clone(), left_out.clone()]] {
        let run = run_of(&failures);
        assert_eq!(run.assembly.state, AssemblyState::Absent, "{failures:?}");
        assert!(run.method.because.contains("not in the evidence"), "{}", run.method.because);
    }
    for (failure, words) in
        [(left_out, "was not looked for"), (source_gone, "was not looked for"), (unreadable, "could not be read")]
    {
        let run = run_of(std::slice::from_ref(&failure));
        assert_eq!(run.assembly.state, AssemblyState::Unknown, "{failure:?}");
        assert_eq!(run.assembly.resolved_path.as_deref(), Some(r"C:\w\x.dll"));
        assert!(run.method.because.contains(words), "{}", run.method.because);
        assert!(!run.method.because.contains("not in the evidence"), "{}", run.method.because);
    }
}

fn coverage_of(values_of: &[(&'static str, Value)]) -> evidence::Coverage {
    let mut fields = Fields::new();
    fields.push("Channel", "Security");
    values_of.iter().for_each(|(name, value)| fields.push(*name, value.clone()));
    let records = vec![(ItemId(0), values("event-log", "windows:evtx:channel", fields))];
    let found = correlate(vec![], &records).coverage;
    found.into_iter().find(|one| one.source == "Security").unwrap()
}

#[test]
fn s17_a_log_that_is_cut_off_has_a_gap() {
    let security = coverage_of(&[
        ("Records", 6u64.into()),
        ("MissingRecordIds", vec!["7-13"].into()),
        ("MissingChunks", 2u64.into()),
    ]);
    assert_eq!(security.gaps, ["the records 7-13 are missing", "the log is cut off: 2 of its chunks are missing"]);
    let holes = coverage_of(&[("Records", 0u64.into()), ("Recovered", 1u64.into()), ("MissingChunks", 2u64.into())]);
    assert!(holes.present && holes.records == 1, "what lies behind the missing chunks was read: {holes:?}");
    let empty = coverage_of(&[("Records", 0u64.into()), ("MissingChunks", 1u64.into())]);
    assert!(!empty.meaning.contains("the log is empty"), "{}", empty.meaning);
}

#[test]
fn s12_a_log_of_the_old_format_is_there() {
    let security = coverage_of(&[("Unread", "evt".into())]);
    assert!(security.present && security.meaning.contains("is not read"), "{}", security.meaning);
}

#[test]
fn s11_a_moved_log_that_is_not_in_the_evidence_is_told_with_its_place() {
    let mut fields = Fields::new();
    fields.push("Log", "Security");
    fields.push("File", r"E:\Logs\Security.evtx");
    let moved = values("event-log-file", "windows:registry:event_log_file", fields);
    let correlation = correlate(vec![], &vec![(ItemId(0), moved)]);
    let security = correlation.coverage.iter().find(|one| one.source == "Security").unwrap();
    assert!(!security.present && security.meaning.contains(r"E:\Logs\Security.evtx"), "{}", security.meaning);
}
