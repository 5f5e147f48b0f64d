//! What a live host told when it was looked at.

use super::*;

const TAKEN: &str = "2026-03-04 14:20:00";

fn live(kind: &'static str, meaning: Meaning, when: &str, fields: &[(&'static str, &str)]) -> (ItemId, Record) {
    let mut all = vec![("Computer", "WS-FIN-07")];
    all.extend(fields);
    (ItemId(0), at(record("volatile", kind, &all), meaning, when))
}

fn process(when: &str, pid: &str, parent: &str, image: &str, more: &[(&'static str, &str)]) -> (ItemId, Record) {
    let mut fields = vec![("ProcessId", pid), ("ParentProcessId", parent), ("Image", image)];
    fields.extend(more);
    live("windows:live:process", Meaning::STARTED, when, &fields)
}

const LINE: &str = r"regasm /U C:\Users\jdoe\AppData\Local\Temp\T1218.009.dll";

fn story() -> Entries {
    let session =
        [("LogonId", "318450"), ("LogonType", "10"), ("Name", r"CORP\jdoe"), ("UserSid", "S-1-5-21-1-2-3-1104")];
    let mine = [
        ("CommandLine", LINE),
        ("CurrentDirectory", TEMP),
        ("UserSid", "S-1-5-21-1-2-3-1104"),
        ("IntegritySid", "S-1-16-12288"),
        ("ElevationType", "2"),
        ("LogonId", "318450"),
    ];
    vec![
        live("windows:live:session", Meaning::STARTED, "2026-03-04 13:00:00", &session),
        process("2026-03-04 14:00:00", "4000", "700", r"C:\Windows\System32\cmd.exe", &[]),
        process("2026-03-04 14:12:33.120", "7756", "4000", REGASM, &mine),
        live(
            "windows:live:connection",
            Meaning::STARTED,
            "2026-03-04 14:12:34",
            &[
                ("ProcessId", "7756"),
                ("Local", "10.0.0.7:50000"),
                ("Remote", "203.0.113.9:443"),
                ("State", "established"),
            ],
        ),
    ]
}

#[test]
fn a_running_tool_is_an_execution_with_parent_account_session_and_connection() {
    let found = correlate(vec![], &story());
    let run = only(&found);
    assert_eq!((run.pid, run.mode, run.command_line.as_deref()), (Some(7756), Mode::Unregister, Some(LINE)));
    assert_eq!(run.started, Some(time("2026-03-04 14:12:33.120")));
    let (parent, user) = (run.parent.as_ref().unwrap(), run.user.as_ref().unwrap());
    assert_eq!(parent.image.as_deref(), Some(r"C:\Windows\System32\cmd.exe"));
    assert_eq!(user.sid.as_deref(), Some("S-1-5-21-1-2-3-1104"));
    assert_eq!(user.elevated.state, Answer::Yes);
    assert!(run.warnings.is_empty(), "{:?}", run.warnings);
    let around: Vec<&str> = run.related.iter().map(|one| one.what.as_str()).collect();
    assert!(around.iter().any(|what| what.contains("203.0.113.9:443, established")), "{around:?}");
    assert!(around.iter().any(|what| what.contains(r"CORP\jdoe logged on by remote desktop")), "{around:?}");
}

#[test]
fn the_log_and_the_live_list_tell_of_one_run() {
    // Either can be the earlier one: the audit's time is that of writing.
    for written in ["2026-03-04 14:12:33.110", "2026-03-04 14:12:33.125"] {
        let mut records = story();
        records.push(security(
            written,
            4688,
            &[("NewProcessId", "0x1e4c"), ("NewProcessName", REGASM), ("CommandLine", LINE), ("ProcessId", "0xfa0")],
        ));
        let found = correlate(vec![], &records);
        let artifacts: Vec<&str> = only(&found).sources.iter().map(|one| one.artifact.as_str()).collect();
        assert!(artifacts.contains(&"volatile") && artifacts.contains(&"event-log"), "{artifacts:?}");
    }
}

#[test]
fn the_kind_of_token_tells_whether_it_was_elevated() {
    for (kind, elevated) in [("2", Answer::Yes), ("3", Answer::No)] {
        let fields = [("CommandLine", LINE), ("UserSid", "S-1-5-21-1-2-3-1104"), ("ElevationType", kind)];
        let found = correlate(vec![], &vec![process("2026-03-04 14:12:33.120", "7756", "4000", REGASM, &fields)]);
        assert_eq!(only(&found).user.as_ref().unwrap().elevated.state, elevated, "type {kind}");
    }
}

#[test]
fn nothing_is_concluded_from_the_collection_itself_or_from_a_process_whose_start_is_not_known() {
    let line = [("CommandLine", "cmd /c regasm x.dll"), ("Collector", "true")];
    let own = process("2026-03-04 14:19:00", "8000", "4000", r"C:\Windows\System32\cmd.exe", &line);
    let unknown = live(
        "windows:live:process",
        Meaning::TAKEN,
        TAKEN,
        &[("ProcessId", "7756"), ("Image", REGASM), ("CommandLine", LINE)],
    );
    let found = correlate(vec![], &vec![own, unknown]);
    assert_eq!((found.executions.len(), found.attempts.len()), (0, 0), "{found:#?}");
}
