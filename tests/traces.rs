//! Runs that one artifact alone shows, from the source to the answer, and the same beside a better record of the run.

use crate::program::{list, run};
use serde_json::Value;
use std::path::{Path, PathBuf};

const JDOE: &str = "S-1-5-21-1004336348-1177238915-682003330-1104";
const SYSTEM: &str = "C/Windows/System32/config/SYSTEM";

/// A triage tree of these fixtures, each at its place.
fn tree(folder: &Path, files: &[(&str, &str)]) -> PathBuf {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures");
    let source = folder.join("triage");
    for (from, to) in files {
        let to = source.join(to);
        std::fs::create_dir_all(to.parent().unwrap()).unwrap();
        std::fs::copy(fixtures.join(from).join("input"), to).unwrap();
    }
    source
}

/// The execution that a trace of this time is cited for.
fn at<'r>(report: &'r Value, time: &str) -> &'r Value {
    let is_it = |one: &&Value| {
        ["started", "not_after"].iter().any(|name| one[name].as_str().is_some_and(|at| at.starts_with(time)))
    };
    list(report, "executions").iter().find(is_it).unwrap_or_else(|| panic!("no run at {time}: {report:#}"))
}

fn statements(report: &Value, about: &Value) -> Vec<String> {
    let all = report["summary"]["statements"].as_array().unwrap().iter();
    all.filter(|one| one["about"] == about["id"]).map(|one| one["text"].as_str().unwrap().to_owned()).collect()
}

fn sources<'r>(execution: &'r Value, artifact: &str) -> Vec<&'r Value> {
    list(execution, "sources").iter().filter(|source| source["artifact"] == artifact).collect()
}

/// Six entries of the hive are of programs with the name of a tool, one of them outside of the framework's folders.
#[test]
fn a_run_that_only_an_activity_moderator_shows_is_in_the_answer() {
    let folder = tempfile::tempdir().unwrap();
    let (report, _case) = run(&tree(folder.path(), &[("bam/state", SYSTEM)]), &[]);
    let answer = report["summary"]["answer"].as_str().unwrap();
    assert!(answer.contains("runs were found") && !answer.to_lowercase().contains("no run"), "{answer}");
    let found = at(&report, "2026-05-06T08:00:01.1184567");
    assert_eq!((&found["tool"], &found["identified"]), (&Value::from("regasm"), &Value::from("anonymous")));
    assert_eq!((&found["started"], &found["pid"]), (&Value::Null, &Value::Null));
    assert_eq!((&found["user"]["sid"], &found["user"]["named_by"]), (&Value::from(JDOE), &Value::from("bam")));
    let [source] = sources(found, "bam")[..] else { panic!("{found:#}") };
    assert_eq!(source["item"], r"C:\Windows\System32\config\SYSTEM");
    assert_eq!(source["rule"], "anchor");
    assert_eq!(
        source["locator"]["key"],
        format!(r"ControlSet001\Services\bam\State\UserSettings\{JDOE}"),
        "the other control set has a run of its own"
    );
    let said = statements(&report, found);
    assert!(said.iter().any(|text| text.contains("2026-05-06 08:00:01")), "{said:?}");
    let runs: Vec<&str> =
        list(&report, "executions").iter().map(|one| one["not_after"].as_str().unwrap().get(..19).unwrap()).collect();
    for time in ["2026-04-30T10:00:00", "2026-05-06T03:00:00", "2026-05-06T08:00:01", "2026-05-06T09:15:30"] {
        assert!(runs.contains(&time), "{runs:?}");
    }
    let coverage = list(&report, "coverage").iter().find(|one| one["source"] == "bam").expect("a row for BAM");
    assert_eq!(coverage["records"], 7);
    assert!(coverage["meaning"].as_str().unwrap().contains("a missing record means nothing"), "{coverage}");
}

#[test]
fn an_activity_beside_the_process_record_of_its_run_is_no_second_run() {
    let runs_at_eight = |log: &str, to: &str| {
        let folder = tempfile::tempdir().unwrap();
        let (report, _case) = run(&tree(folder.path(), &[("bam/state", SYSTEM), (log, to)]), &[]);
        let executions = list(&report, "executions").iter().filter(|one| {
            let time = |name: &str| one[name].as_str().is_some_and(|at| at.starts_with("2026-05-06T08:00:01"));
            time("started") || time("not_after")
        });
        executions.cloned().collect::<Vec<Value>>()
    };
    const LOGS: &str = "C/Windows/System32/winevt/Logs/";
    let found = runs_at_eight("event-log/sysmon", &format!("{LOGS}Microsoft-Windows-Sysmon%4Operational.evtx"));
    let [only] = &found[..] else { panic!("{found:#?}") };
    assert_eq!(only["pid"], 7712);
    // Sysmon has no end of the run.
    let [source] = sources(only, "bam")[..] else { panic!("{only:#}") };
    assert_eq!((&source["rule"], &source["confidence"]), (&Value::from("J18"), &Value::from("circumstantial")));
    // The log of the audit names the account, which is another one.
    assert_eq!(runs_at_eight("event-log/security", &format!("{LOGS}Security.evtx")).len(), 2);
}
