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

/// Sentences have the titles of the artifacts, not their ids, and say once that a missing record means nothing.
fn check_words(report: &Value) {
    for statement in report["summary"]["statements"].as_array().unwrap() {
        let text = statement["text"].as_str().unwrap();
        // The others are words of English as well.
        let ids = artifacts::ALL.iter().filter(|one| !matches!(one.id, "host" | "assembly" | "prefetch"));
        for artifact in ids {
            let is_id = |word: &str| word.trim_matches(|c: char| c.is_ascii_punctuation()) == artifact.id;
            assert!(!text.split(' ').any(is_id), "{text}");
        }
    }
    for row in list(report, "coverage").iter().filter(|row| row["source"] == "bam" || row["source"] == "usage-log") {
        let times = row["meaning"].as_str().unwrap().matches("a missing record means nothing").count();
        assert_eq!(times, 1, "{row}");
    }
}

fn sources<'r>(execution: &'r Value, artifact: &str) -> Vec<&'r Value> {
    list(execution, "sources").iter().filter(|source| source["artifact"] == artifact).collect()
}

/// Six entries of the hive are of programs with the name of a tool, one of them outside of the framework's folders.
#[test]
fn a_run_that_only_an_activity_moderator_shows_is_in_the_answer() {
    let folder = tempfile::tempdir().unwrap();
    let (report, case) = run(&tree(folder.path(), &[("bam/state", SYSTEM)]), &[]);
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
    let sentence = "Established by activity moderators (BAM and DAM): regasm ran on or before 2026-05-06 08:00:01";
    assert!(said.iter().any(|text| text.starts_with(sentence)), "{said:?}");
    check_words(&report);
    let page = std::fs::read_to_string(case.path().join("case/report.html")).unwrap();
    assert!(page.contains("Named by activity moderators (BAM and DAM)"));
    let runs: Vec<&str> =
        list(&report, "executions").iter().map(|one| one["not_after"].as_str().unwrap().get(..19).unwrap()).collect();
    for time in ["2026-04-30T10:00:00", "2026-05-06T03:00:00", "2026-05-06T08:00:01", "2026-05-06T09:15:30"] {
        assert!(runs.contains(&time), "{runs:?}");
    }
    let coverage = list(&report, "coverage").iter().find(|one| one["source"] == "bam").expect("a row for BAM");
    assert_eq!(coverage["records"], 7);
    assert!(coverage["meaning"].as_str().unwrap().starts_with("a missing record means nothing; "), "{coverage}");
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

const USAGE: &str = "AppData/Local/Microsoft/CLR_v4.0/UsageLogs";

/// Sets the last change of a file, which is all that a copy keeps of its times.
fn changed(file: &Path, at: &str) {
    // 100 ns since 1601, and from then to 1970.
    let ticks = evidence::Filetime::parse_utc(at).unwrap().0 - 116_444_736_000_000_000;
    let at = std::time::UNIX_EPOCH + std::time::Duration::from_nanos(ticks * 100);
    let file = std::fs::File::options().write(true).open(file).unwrap();
    file.set_times(std::fs::FileTimes::new().set_modified(at)).unwrap();
}

#[test]
fn a_run_that_only_a_usage_log_shows_is_in_the_answer() {
    let folder = tempfile::tempdir().unwrap();
    let name = format!("C/Windows/System32/config/systemprofile/{USAGE}/RegSvcs.exe.log");
    let source = tree(folder.path(), &[("usage-log/system-64", &name), ("host/system", SYSTEM)]);
    changed(&source.join(&name), "2026-03-11 02:11:59.5");
    let (report, _case) = run(&source, &[]);
    let answer = report["summary"]["answer"].as_str().unwrap();
    assert!(
        answer.contains("One run was found: one of regsvcs") && !answer.to_lowercase().contains("no run"),
        "{answer}"
    );
    let found = at(&report, "2026-03-11T02:11:59.5");
    // When a copy was created says nothing of a first run.
    assert_eq!((&found["identified"], &found["started"]), (&Value::from("anonymous"), &Value::Null));
    assert_eq!(found["identity"], "by_name", "the file has no path of the program");
    assert_eq!(
        (&found["user"]["sid"], &found["user"]["named_by"]),
        (&Value::from("S-1-5-18"), &Value::from("usage-log"))
    );
    let [source] = sources(found, "usage-log")[..] else { panic!("{found:#}") };
    assert!(source["item"].as_str().unwrap().ends_with(r"\CLR_v4.0\UsageLogs\RegSvcs.exe.log"), "{source}");
    assert!(!statements(&report, found).is_empty());
    let coverage = list(&report, "coverage").iter().find(|one| one["source"] == "usage-log").expect("a row");
    assert_eq!(coverage["records"], 1);
    check_words(&report);
}

#[test]
fn a_usage_log_beside_the_process_record_of_its_run_is_no_second_run() {
    let runs = |runtime: &str| {
        let folder = tempfile::tempdir().unwrap();
        let name = format!("C/Users/jdoe/AppData/Local/Microsoft/{runtime}/UsageLogs/RegAsm.exe.log");
        let source = tree(folder.path(), &[("usage-log/user-64", &name)]);
        let folders = [r"\Windows\System32\config", r"\Windows\System32\winevt\Logs"];
        crate::hosts::copy(&*crate::hosts::volume(), &folders, &source);
        // Just after the end of the first run of the host's story, which was one of the 32-bit program.
        changed(&source.join(&name), "2026-03-04 14:12:34.0021234");
        list(&run(&source, &[]).0, "executions").clone()
    };
    let executions = runs("CLR_v4.0_32");
    assert_eq!(executions.len(), 5, "{executions:#?}");
    let with: Vec<&Value> = executions.iter().filter(|one| !sources(one, "usage-log").is_empty()).collect();
    let [only] = with[..] else { panic!("{with:#?}") };
    assert_eq!(only["pid"], 7756);
    let joined = sources(only, "usage-log")[0];
    assert_eq!((&joined["rule"], &joined["confidence"]), (&Value::from("J8"), &Value::from("strong")));
    // The log of a 64-bit process is that of another run.
    assert_eq!(runs("CLR_v4.0").len(), 6);
}

/// The beginning of a tree in which no trace of the tools is: every hive but SYSTEM, and a prefetch file of another program,
/// whose name is as long.
fn without_a_run(folder: &Path, files: &[(&str, &str)]) -> PathBuf {
    let name = "C/Windows/Prefetch/NOTEPAD.EXE-0A1B2C3D.pf";
    let source = folder.join("triage");
    crate::hosts::copy(&*crate::hosts::volume(), &[r"\Windows\System32\config", r"\Users\jdoe"], &source);
    for file in std::fs::read_dir(source.join(SYSTEM).parent().unwrap()).unwrap().flatten() {
        if file.file_name().to_str().unwrap().starts_with("SYSTEM") {
            std::fs::remove_file(file.path()).unwrap();
        }
    }
    tree(folder, &[&[("prefetch/regsvcs-23", name)], files].concat());
    let mut prefetch = std::fs::read(source.join(name)).unwrap();
    let [tool, other] = ["REGSVCS", "NOTEPAD"].map(|name| name.encode_utf16().flat_map(u16::to_le_bytes).collect());
    let (tool, other): (Vec<u8>, Vec<u8>) = (tool, other);
    let places: Vec<usize> = (0..prefetch.len()).filter(|at| prefetch[*at..].starts_with(&tool)).collect();
    assert!(!places.is_empty());
    places.iter().for_each(|at| prefetch[*at..*at + other.len()].copy_from_slice(&other));
    std::fs::write(source.join(name), prefetch).unwrap();
    source
}

/// That no run was found is said where everything was read that can show one. What could not be read is the reason why it
/// is not known, and what need not be there is none.
#[test]
fn no_run_is_said_only_where_every_trace_of_runs_was_asked() {
    /// Files of the tree, what is done to them, and what the answer gives for its reason.
    type Case<'c> = (&'c [(&'c str, &'c str)], &'c dyn Fn(&Path), Option<String>);
    let log = format!("C/Users/jdoe/{USAGE}/powershell.exe.log");
    let at_hive: fn(&Path) -> PathBuf = |source| source.join(SYSTEM);
    let cut = |source: &Path| {
        let hive = std::fs::File::options().write(true).open(at_hive(source)).unwrap();
        hive.set_len(hive.metadata().unwrap().len() / 2).unwrap();
    };
    let overwritten = |source: &Path| {
        let mut hive = std::fs::read(at_hive(source)).unwrap();
        hive[..8192].fill(0);
        std::fs::write(at_hive(source), hive).unwrap();
    };
    let emptied = |source: &Path| std::fs::write(source.join(&log), "").unwrap();
    let as_it_is = |_: &Path| {};
    let hive = ("host/system", SYSTEM);
    let not_whole = "which could not be read, or not whole";
    let cases: [Case<'_>; 7] = [
        (&[hive], &as_it_is, None),
        (&[hive, ("usage-log/user-64", &log)], &as_it_is, None),
        (&[], &as_it_is, Some("SYSTEM, which was not found".to_owned())),
        (&[hive], &cut, Some(format!("SYSTEM, {not_whole}"))),
        (&[hive], &overwritten, Some(format!("SYSTEM, {not_whole}"))),
        // The run is in the transaction log, which is not there.
        (&[("bam/log-only", SYSTEM)], &as_it_is, Some(format!("SYSTEM, {not_whole}"))),
        (&[hive, ("usage-log/user-64", &log)], &emptied, Some(format!("powershell.exe.log, {not_whole}"))),
    ];
    for (files, change, reason) in cases {
        let folder = tempfile::tempdir().unwrap();
        let source = without_a_run(folder.path(), files);
        change(&source);
        let (report, _case) = run(&source, &[]);
        let answer = report["summary"]["answer"].as_str().unwrap();
        let Some(reason) = reason else {
            assert!(answer.starts_with("No run of regasm or regsvcs was found"), "{files:?}: {answer}");
            continue;
        };
        assert!(report["summary"]["not_examined"].as_array().unwrap().contains(&reason.as_str().into()), "{answer}");
        assert!(
            answer.starts_with("Not examined: ") && answer.contains("Whether regasm or regsvcs ran is not known"),
            "{files:?}: {answer}"
        );
    }
    // With nothing else the reason is named as well.
    let folder = tempfile::tempdir().unwrap();
    let source = tree(folder.path(), &[hive]);
    overwritten(&source);
    let (report, case) = run(&source, &[]);
    let page = std::fs::read_to_string(case.path().join("case/report.html")).unwrap();
    assert!(page.contains("Not read whole: C:\\Windows\\System32\\config\\SYSTEM"), "the row of coverage says it too");
    let answer = report["summary"]["answer"].as_str().unwrap();
    assert!(answer.contains(&format!("SYSTEM, {not_whole}")) && answer.contains("is not known"), "{answer}");
    // An entry that is cut short shows no run, and may have been one.
    let folder = tempfile::tempdir().unwrap();
    let (report, _case) = run(&without_a_run(folder.path(), &[("bam/damaged", SYSTEM)]), &[]);
    assert_eq!(report["summary"]["not_examined"], serde_json::json!([format!("SYSTEM, {not_whole}")]));
}
