//! Stories told in records, and what has to come out of them.

use super::builder::{at, in_order, item, logged, map, record, security, sysmon, time, values};
use super::{Correlation, Correlator};
use crate::host::Host;
use evidence::{
    Answer, AssemblyState, Confidence, Execution, Fields, Identified, Identity, Item, ItemId, Meaning, Mode, Record,
    Recovery, Tool, Value,
};

const REGASM: &str = r"C:\Windows\Microsoft.NET\Framework\v4.0.30319\RegAsm.exe";
const REGASM64: &str = r"C:\Windows\Microsoft.NET\Framework64\v4.0.30319\RegAsm.exe";
const REGSVCS64: &str = r"C:\Windows\Microsoft.NET\Framework64\v4.0.30319\RegSvcs.exe";
const TEMP: &str = r"C:\Users\jdoe\AppData\Local\Temp";
const DLL: &str = r"C:\Users\jdoe\AppData\Local\Temp\T1218.009.dll";

type Entries = Vec<(ItemId, Record)>;

/// The logs are items 0 and 1; further items follow.
fn correlate_with(host: Host, more: Vec<Item>, records: &Entries) -> Correlation {
    let mut items = vec![
        item(0, r"C:\Windows\System32\winevt\Logs\Security.evtx"),
        item(1, r"C:\Windows\System32\winevt\Logs\Microsoft-Windows-Sysmon%4Operational.evtx"),
    ];
    items.extend(more);
    let mut correlator = Correlator::new(host, &items);
    for event in in_order(records) {
        correlator.observe(&event);
    }
    correlator.finish()
}

fn correlate(more: Vec<Item>, records: &Entries) -> Correlation {
    correlate_with(Host::default(), more, records)
}

fn only(correlation: &Correlation) -> &Execution {
    assert_eq!(correlation.executions.len(), 1, "{:#?}", correlation.executions);
    &correlation.executions[0]
}

/// A collected lead with the facts of a managed assembly in which these hooks run.
fn assembly(id: u32, path: &str, hooks: &[&'static str]) -> (Item, (ItemId, Record)) {
    let mut lead = item(id, path);
    lead.wanted_by = vec!["lead".to_owned()];
    let mut fields = Fields::new();
    fields.push("Kind", "managed");
    fields.push("Sha256", lead.sha256.as_str());
    fields.push(
        "Cli",
        map(vec![
            ("Assembly", map(vec![("Name", Value::from("T1218.009"))])),
            ("Types", Value::List(vec![map(vec![("Clsid", Value::from("{465B520D-4EEB-3570-A4E5-E58DD78B9994}"))])])),
        ]),
    );
    for name in [
        "ExecutesOnRegister",
        "ExecutesOnUnregister",
        "ExecutesForRegsvcs",
        "ExecutesForRegsvcsRollback",
        "ExecutesOnLoad",
    ] {
        let state = if hooks.contains(&name) { "yes" } else { "no" };
        fields.push(name, map(vec![("State", Value::from(state)), ("Because", Value::from("as the reader says"))]));
    }
    (lead, (ItemId(id), values("assembly", "windows:pe:file", fields)))
}

const LABEL_HIGH: &str = "S-1-16-12288";
const LABEL_MEDIUM: &str = "S-1-16-8192";

/// A 4688 of version 2.
fn audit(when: &str, pid: &str, image: &str, line: &str, parent: (&str, &str), label: &str) -> (ItemId, Record) {
    security(
        when,
        4688,
        &[
            ("SubjectUserSid", "S-1-5-21-1-2-3-1104"),
            ("SubjectUserName", "jdoe"),
            ("SubjectDomainName", "CORP"),
            ("SubjectLogonId", "0x4a1f2"),
            ("NewProcessId", pid),
            ("NewProcessName", image),
            ("TokenElevationType", if label == LABEL_HIGH { "%%1937" } else { "%%1936" }),
            ("ProcessId", parent.0),
            ("CommandLine", line),
            ("TargetUserSid", "S-1-0-0"),
            ("TargetUserName", "-"),
            ("TargetDomainName", "-"),
            ("TargetLogonId", "0x0"),
            ("ParentProcessName", parent.1),
            ("MandatoryLabel", label),
        ],
    )
}

fn exited(when: &str, pid: &str, image: &str, status: &str) -> (ItemId, Record) {
    security(when, 4689, &[("ProcessId", pid), ("ProcessName", image), ("Status", status)])
}

struct Sysmon1<'a> {
    guid: &'a str,
    pid: &'a str,
    image: &'a str,
    line: &'a str,
    directory: &'a str,
    level: &'a str,
    original: &'a str,
    parent: (&'a str, &'a str, &'a str),
}

fn started(when: &str, one: &Sysmon1<'_>) -> (ItemId, Record) {
    sysmon(
        when,
        1,
        &[
            ("ProcessGuid", one.guid),
            ("ProcessId", one.pid),
            ("Image", one.image),
            ("OriginalFileName", one.original),
            ("CommandLine", one.line),
            ("CurrentDirectory", one.directory),
            ("User", r"CORP\jdoe"),
            ("LogonId", "0x4a1f2"),
            ("IntegrityLevel", one.level),
            ("ParentProcessGuid", one.parent.0),
            ("ParentProcessId", one.parent.1),
            ("ParentImage", one.parent.2),
        ],
    )
}

fn prefetch_file(path: &str, runs: &[&str], count: u64, files: &[&str]) -> (ItemId, Record) {
    let mut fields = Fields::new();
    fields.push("Executable", crate::paths::file_name(path).to_uppercase());
    fields.push("RunCount", count);
    fields.push("Path", path);
    fields.push("Files", Value::List(files.iter().map(|file| map(vec![("Path", Value::from(*file))])).collect()));
    let mut one = values("prefetch", "windows:prefetch:execution", fields);
    for (place, run) in runs.iter().enumerate() {
        one = at(one, if place == 0 { Meaning::LAST_RUN } else { Meaning::PREVIOUS_RUN }, run);
    }
    (ItemId(2), one)
}

const PF_REGASM: &str = r"\VOLUME{01da2f77-9a3c11f2}\WINDOWS\MICROSOFT.NET\FRAMEWORK\V4.0.30319\REGASM.EXE";

fn rules(execution: &Execution) -> Vec<&str> {
    execution.sources.iter().filter_map(|source| source.rule.as_deref()).collect()
}

/// Scenario M1: unregister by a standard user, from a script.
fn m1() -> (Vec<Item>, Entries) {
    let (mut lead, facts) = assembly(3, DLL, &["ExecutesOnRegister", "ExecutesOnUnregister"]);
    lead.recovery = Some(Recovery::ClustersFree);
    let guid = "{5a1c77e0-3dd1-69a8-4b07-000000002c00}";
    let records = vec![
        security(
            "2026-03-04 13:02:11",
            4624,
            &[
                ("TargetLogonId", "0x4a1f2"),
                ("TargetUserName", "jdoe"),
                ("TargetDomainName", "CORP"),
                ("LogonType", "2"),
                ("IpAddress", "-"),
            ],
        ),
        audit(
            "2026-03-04 14:12:33.121",
            "0x1e4c",
            REGASM,
            "regasm.exe /U T1218.009.dll",
            ("0x1c90", r"C:\x\powershell.exe"),
            LABEL_MEDIUM,
        ),
        started(
            "2026-03-04 14:12:33.120",
            &Sysmon1 {
                guid,
                pid: "7756",
                image: &REGASM.to_lowercase(),
                line: "regasm.exe /U T1218.009.dll",
                directory: &format!("{TEMP}\\"),
                level: "Medium",
                original: "RegAsm.exe",
                parent: ("{5a1c77e0-0000-69a8-4b07-000000002c00}", "7312", r"C:\x\powershell.exe"),
            },
        ),
        exited("2026-03-04 14:12:34.002", "0x1e4c", REGASM, "0x64"),
        sysmon("2026-03-04 14:12:34.010", 5, &[("ProcessGuid", guid), ("ProcessId", "7756"), ("Image", REGASM)]),
        sysmon(
            "2026-03-04 14:15:00",
            23,
            &[
                ("ProcessGuid", "{5a1c77e0-0000-69a8-4b07-000000002c00}"),
                ("ProcessId", "7312"),
                ("Image", r"C:\x\powershell.exe"),
                ("TargetFilename", DLL),
            ],
        ),
        prefetch_file(
            PF_REGASM,
            &["2026-03-04 14:12:33"],
            1,
            &[PF_REGASM, r"\VOLUME{01da2f77-9a3c11f2}\USERS\JDOE\APPDATA\LOCAL\TEMP\T1218.009.DLL"],
        ),
        facts,
    ];
    (vec![item(2, r"C:\Windows\Prefetch\REGASM.EXE-13EF66F9.pf"), lead], records)
}

#[test]
fn m1_unregister_ran_although_the_tool_failed() {
    let (items, records) = m1();
    let correlation = correlate(items, &records);
    let run = only(&correlation);
    assert_eq!((run.id.as_str(), run.tool, run.pid), ("E1", Tool::Regasm, Some(7756)));
    assert_eq!((run.identity, run.identified, run.renamed), (Identity::Proven, Identified::Full, false));
    assert_eq!(run.started, Some(time("2026-03-04 14:12:33.120")), "Sysmon's record is the anchor");
    assert_eq!(run.ended, Some(time("2026-03-04 14:12:34.002")));
    assert_eq!(run.exit_code, Some(100));
    assert_eq!(run.mode, Mode::Unregister);
    assert_eq!(run.assembly.resolved_path.as_deref(), Some(DLL));
    assert_eq!(run.assembly.state, AssemblyState::Recovered);
    assert_eq!(run.assembly.sha256.as_deref(), Some(format!("{:064x}", 3).as_str()));
    assert_eq!((run.method.runs, run.method.which), (Answer::Yes, Some("unregister")), "{}", run.method.because);
    assert!(run.method.because.contains("100"));
    assert_eq!(run.proof.level, "L4");
    assert_eq!(rules(run), ["anchor", "J2", "J3", "J1", "J7"]);
    let user = run.user.as_ref().unwrap();
    assert_eq!((user.sid.as_deref(), user.name.as_deref()), (Some("S-1-5-21-1-2-3-1104"), Some(r"CORP\jdoe")));
    assert_eq!((user.integrity.as_deref(), user.elevated.state), (Some("medium"), Answer::No));
    assert_eq!(run.parent.as_ref().unwrap().pid, Some(7312));
    assert!(run.related.iter().any(|one| one.class == "logon" && one.citation.rule.as_deref() == Some("J5")));
    assert!(run.related.iter().any(|one| one.class == "file" && one.what.contains("deleted")));
    assert_eq!(run.confidence, Confidence::Direct);
    assert_eq!(correlation.assemblies[0].executions, ["E1"]);
    assert!(correlation.assemblies[0].state.starts_with("recovered"));
    assert!(correlation.attempts.is_empty() && correlation.lookalikes.is_empty() && correlation.problems.is_empty());
}

#[test]
fn m1_twin_without_a_reachable_method_did_not_run() {
    let (mut items, mut records) = m1();
    records.pop();
    items.pop();
    let (lead, facts) = assembly(3, DLL, &[]);
    items.push(lead);
    records.push(facts);
    let correlation = correlate(items, &records);
    assert_eq!(only(&correlation).method.runs, Answer::No);
    assert_eq!(only(&correlation).proof.level, "L3", "the prefetch file of a single run lists it");
}

#[test]
fn the_order_of_the_two_start_records_does_not_matter() {
    let (items, mut records) = m1();
    for (item, record) in &mut records {
        if item.0 == 0 {
            // The audit's records a second earlier than Sysmon's.
            for moment in &mut record.moments {
                if let evidence::When::At(stamp) = &mut moment.when {
                    stamp.ticks = stamp.ticks.checked_add_ticks(-10_000_000).unwrap();
                }
            }
        }
    }
    let correlation = correlate(items, &records);
    let run = only(&correlation);
    assert_eq!(run.started, Some(time("2026-03-04 14:12:33.120")));
    assert_eq!(rules(run)[..2], ["anchor", "J2"]);
}

#[test]
fn plain_registration_with_a_limited_token_does_not_reach_the_method() {
    let dll = r"C:\w\x.dll";
    let line = format!("regasm {dll}");
    for (label, status, runs, which) in [
        (LABEL_MEDIUM, Some("0x64"), Answer::No, Some("register")),
        (LABEL_MEDIUM, None, Answer::No, Some("register")),
        (LABEL_MEDIUM, Some("0x0"), Answer::Unknown, Some("register")),
        (LABEL_HIGH, Some("0x0"), Answer::Yes, Some("register")),
        (LABEL_HIGH, None, Answer::Yes, Some("register")),
        (LABEL_HIGH, Some("0x64"), Answer::Unknown, Some("register")),
        ("-", Some("0x0"), Answer::Yes, Some("register")),
        ("-", None, Answer::Unknown, Some("register")),
    ] {
        let (lead, facts) = assembly(3, dll, &["ExecutesOnRegister"]);
        let mut records = vec![audit("2026-03-04 10:00:00", "0x100", REGASM64, &line, ("0x4", ""), label), facts];
        records.extend(status.map(|status| exited("2026-03-04 10:00:01", "0x100", REGASM64, status)));
        let correlation = correlate(vec![lead], &records);
        let run = only(&correlation);
        assert_eq!((run.method.runs, run.method.which), (runs, which), "{label} {status:?}: {}", run.method.because);
    }
}

#[test]
fn without_the_assembly_the_method_is_not_known() {
    let records =
        vec![audit("2026-03-04 10:00:00", "0x100", REGASM64, r"regasm /u C:\w\x.dll", ("0x4", ""), LABEL_MEDIUM)];
    let correlation = correlate(vec![], &records);
    let run = only(&correlation);
    assert_eq!(run.assembly.state, AssemblyState::Absent);
    assert_eq!((run.method.runs, run.method.which), (Answer::Unknown, Some("unregister")));
    assert_eq!(run.proof.level, "L2");
    assert_eq!(run.identity, Identity::ByPath);
}

#[test]
fn no_argument_runs_nothing() {
    let mut records = vec![
        audit(
            "2026-03-06 10:18:20.509",
            "0x19fc",
            REGASM,
            "\"C:\\x\\RegAsm.exe\"",
            ("0x19f4", r"C:\Users\jdoe\Desktop\Invoice-8841.exe"),
            LABEL_MEDIUM,
        ),
        exited("2026-03-06 10:18:20.800", "0x19fc", REGASM, "0x0"),
    ];
    let correlation = correlate(vec![], &records);
    let run = only(&correlation);
    assert_eq!((run.mode, run.method.runs, run.method.which), (Mode::Usage, Answer::No, None));
    assert_eq!(run.assembly.argument, None);
    assert_eq!(run.proof.level, "L1");
    // M4: hollowed, connected for an hour.
    records.pop();
    records.push(sysmon(
        "2026-03-06 10:18:21",
        25,
        &[("ProcessId", "6652"), ("Image", REGASM), ("Type", "Image is replaced")],
    ));
    records.push(sysmon(
        "2026-03-06 10:18:30",
        3,
        &[
            ("ProcessId", "6652"),
            ("Image", REGASM),
            ("Initiated", "true"),
            ("DestinationIp", "192.0.2.25"),
            ("DestinationPort", "587"),
        ],
    ));
    records.push(exited("2026-03-06 11:47:02", "0x19fc", REGASM, "0x0"));
    let correlation = correlate(vec![], &records);
    let run = only(&correlation);
    assert_eq!(run.method.runs, Answer::No);
    assert!(run.method.because.contains("another program's code") && run.method.because.contains("from outside"));
    assert!(run.related.iter().any(|one| one.class == "network" && one.citation.rule.as_deref() == Some("J12")));
}

#[test]
fn m7_without_a_command_line() {
    let records = vec![
        audit(
            "2026-03-10 19:22:05",
            "0x1a90",
            REGASM64,
            "",
            ("0x2c8", r"C:\Windows\System32\wbem\WmiPrvSE.exe"),
            LABEL_HIGH,
        ),
        security(
            "2026-03-10 19:22:06",
            5156,
            &[
                ("ProcessID", "6800"),
                ("Application", r"\device\harddiskvolume2\windows\microsoft.net\framework64\v4.0.30319\regasm.exe"),
                ("Direction", "%%14593"),
                ("DestAddress", "10.20.5.77"),
                ("DestPort", "4444"),
            ],
        ),
        audit(
            "2026-03-10 19:22:09",
            "0x200",
            r"C:\Windows\System32\rundll32.exe",
            "",
            ("0x1a90", REGASM64),
            LABEL_HIGH,
        ),
    ];
    let correlation = correlate(vec![], &records);
    let run = only(&correlation);
    assert_eq!((run.mode, run.method.runs), (Mode::Unknown, Answer::Unknown));
    assert_eq!(run.assembly.state, AssemblyState::Unknown);
    assert_eq!(run.command_line, None);
    assert_eq!(run.proof.level, "L1");
    assert!(run.proof.next_needs.contains("command line"));
    let related: Vec<(&str, &str)> =
        run.related.iter().map(|one| (one.class, one.citation.rule.as_deref().unwrap())).collect();
    assert_eq!(related, [("network", "J12"), ("process", "J4")]);
}

#[test]
fn regsvcs_rolls_back_and_motw_makes_it_doubtful() {
    let dll = r"C:\w\Ledger.dll";
    let line = format!("regsvcs {dll}");
    let start = |label| audit("2026-03-09 17:05:40", "0x1890", REGSVCS64, &line, ("0x4", ""), label);
    let (lead, facts) = assembly(3, dll, &["ExecutesForRegsvcs", "ExecutesForRegsvcsRollback"]);
    let end = exited("2026-03-09 17:05:41", "0x1890", REGSVCS64, "0x1");
    let correlation = correlate(vec![lead.clone()], &vec![start(LABEL_MEDIUM), end.clone(), facts.clone()]);
    let run = only(&correlation);
    assert_eq!((run.tool, run.mode), (Tool::Regsvcs, Mode::CoplusInstall));
    assert_eq!((run.method.runs, run.method.which), (Answer::Yes, Some("unregister")), "{}", run.method.because);
    let stream = item(4, &format!("{dll}:Zone.Identifier"));
    let zone = (
        ItemId(4),
        record(
            "assembly",
            "windows:ntfs:stream",
            &[("Name", "Zone.Identifier"), ("Text", "[ZoneTransfer]\r\nZoneId=3\r\n")],
        ),
    );
    let correlation = correlate(vec![lead.clone(), stream], &vec![start(LABEL_MEDIUM), end, facts.clone(), zone]);
    let run = only(&correlation);
    assert_eq!((run.method.runs, run.method.which), (Answer::Unknown, Some("unregister")));
    assert!(run.method.because.contains("0x80131515"));
    assert_eq!(correlation.assemblies[0].streams.len(), 1);
    let correlation = correlate(vec![lead], &vec![start(LABEL_HIGH), facts]);
    assert_eq!(only(&correlation).method.which, Some("register"));
}

#[test]
fn an_observed_effect_beats_the_prediction() {
    let dll = r"C:\w\x.dll";
    let (lead, facts) = assembly(3, dll, &[]);
    let records = vec![
        audit("2026-03-04 10:00:00", "0x100", REGASM64, &format!("regasm /u {dll}"), ("0x4", ""), LABEL_MEDIUM),
        audit(
            "2026-03-04 10:00:00.500",
            "0x104",
            r"C:\Windows\System32\conhost.exe",
            "conhost",
            ("0x100", REGASM64),
            LABEL_MEDIUM,
        ),
        audit(
            "2026-03-04 10:00:01",
            "0x108",
            r"C:\Windows\System32\calc.exe",
            "calc.exe",
            ("0x100", REGASM64),
            LABEL_MEDIUM,
        ),
        facts,
    ];
    let correlation = correlate(vec![lead], &records);
    let run = only(&correlation);
    assert_eq!((run.method.runs, run.proof.level), (Answer::Yes, "L5"));
    assert!(run.method.because.contains("calc.exe") && run.method.because.contains("What would be expected"));
}

#[test]
fn process_ids_are_reused() {
    let one = |when, line: &str| audit(when, "0x100", REGASM64, line, ("0x4", ""), LABEL_MEDIUM);
    let records = vec![
        one("2026-03-04 10:00:00", r"regasm C:\w\a.dll"),
        exited("2026-03-04 10:00:01", "0x100", REGASM64, "0x64"),
        // The same id for another program, then for the tool again.
        audit("2026-03-04 10:05:00", "0x100", r"C:\Windows\notepad.exe", "notepad", ("0x4", ""), LABEL_MEDIUM),
        audit(
            "2026-03-04 10:05:01",
            "0x104",
            r"C:\Windows\calc.exe",
            "calc",
            ("0x100", r"C:\Windows\notepad.exe"),
            LABEL_MEDIUM,
        ),
        exited("2026-03-04 10:06:00", "0x100", r"C:\Windows\notepad.exe", "0x0"),
        one("2026-03-04 10:10:00", r"regasm C:\w\b.dll"),
        // The machine restarts; the end of a process with this id is another one's.
        logged(
            "2026-03-04 11:00:00",
            "Microsoft-Windows-Kernel-General",
            "System",
            12,
            &[("StartTime", "2026-03-04T11:00:00.0000000Z")],
        ),
        audit("2026-03-04 11:01:00", "0x200", r"C:\Windows\calc.exe", "calc", ("0x100", ""), LABEL_MEDIUM),
        exited("2026-03-04 11:02:00", "0x100", r"C:\Windows\explorer.exe", "0x0"),
        one("2026-03-04 11:10:00", r"regasm C:\w\c.dll"),
    ];
    let correlation = correlate(vec![], &records);
    let lines: Vec<_> =
        correlation.executions.iter().map(|run| (run.command_line.clone().unwrap(), run.exit_code)).collect();
    assert_eq!(
        lines,
        [
            (r"regasm C:\w\a.dll".to_owned(), Some(100)),
            (r"regasm C:\w\b.dll".to_owned(), None),
            (r"regasm C:\w\c.dll".to_owned(), None)
        ]
    );
    assert!(correlation.executions.iter().all(|run| run.related.iter().all(|one| !one.what.contains("calc"))));
    assert_eq!(correlation.boots.len(), 1);
    assert!(!correlation.boots[0].inferred);
}

#[test]
fn a_missing_boot_record_is_inferred() {
    let records = vec![
        audit("2026-03-04 10:00:00", "0x100", REGASM64, r"regasm C:\w\a.dll", ("0x4", ""), LABEL_MEDIUM),
        audit("2026-03-04 12:00:00", "0x1a8", r"C:\Windows\System32\smss.exe", "", ("0x4", ""), "-"),
        exited("2026-03-04 12:30:00", "0x100", REGASM64, "0x0"),
    ];
    let correlation = correlate(vec![], &records);
    assert_eq!(correlation.boots.len(), 1);
    assert!(correlation.boots[0].inferred);
    // The end after the boot is a run of its own: its start was not recorded.
    assert_eq!(correlation.executions.len(), 2);
    assert_eq!(correlation.executions[0].ended, None);
    let trace = correlation.executions.iter().find(|run| run.started.is_none()).unwrap();
    assert_eq!((trace.ended, trace.exit_code), (Some(time("2026-03-04 12:30:00")), Some(0)));
    assert!(trace.warnings.iter().any(|warning| warning.starts_with("no_start_record")));
}

#[test]
fn a_chain_of_wrappers_gives_one_attempt_each() {
    let ps = r"C:\Windows\System32\WindowsPowerShell\v1.0\powershell.exe";
    let cmd = r"C:\Windows\System32\cmd.exe";
    let records = vec![
        audit(
            "2026-03-04 10:00:00",
            "0x10",
            ps,
            "powershell -c \"cmd /c regasm /u x.dll\"",
            ("0x8", r"C:\Windows\explorer.exe"),
            LABEL_MEDIUM,
        ),
        audit("2026-03-04 10:00:00.100", "0x14", cmd, "cmd /c regasm /u x.dll", ("0x10", ps), LABEL_MEDIUM),
        audit("2026-03-04 10:00:00.200", "0x18", REGASM64, "regasm /u x.dll", ("0x14", cmd), LABEL_MEDIUM),
        audit(
            "2026-03-04 10:01:00",
            "0x1c",
            cmd,
            "cmd /c \"regasm /u missing.dll\"",
            ("0x8", r"C:\Windows\explorer.exe"),
            LABEL_MEDIUM,
        ),
        audit(
            "2026-03-04 10:02:00",
            "0x20",
            cmd,
            "cmd /c findstr regasm x",
            ("0x8", r"C:\Windows\explorer.exe"),
            LABEL_MEDIUM,
        ),
        audit(
            "2026-03-04 10:03:00",
            "0x24",
            r"C:\Windows\notepad.exe",
            "notepad regasm.txt",
            ("0x8", ""),
            LABEL_MEDIUM,
        ),
        audit("2026-03-04 10:04:00", "0x28", cmd, r"cmd /c copy C:\x\regasm.exe x.exe", ("0x8", ""), LABEL_MEDIUM),
    ];
    let correlation = correlate(vec![], &records);
    assert_eq!(only(&correlation).pid, Some(0x18));
    let attempts: Vec<_> =
        correlation.attempts.iter().map(|one| (one.id.as_str(), one.pid, one.led_to.as_deref())).collect();
    assert_eq!(attempts, [("A1", Some(0x10), Some("E1")), ("A2", Some(0x14), Some("E1")), ("A3", Some(0x1c), None)]);
    assert_eq!(correlation.attempts[2].command, "regasm /u missing.dll");
    let run = only(&correlation);
    assert_eq!(run.assembly.state, AssemblyState::Unresolved, "the directory is not recorded");
    assert!(
        run.related.iter().any(|one| one.what.contains("started by") && one.citation.rule.as_deref() == Some("J4"))
    );
}

#[test]
fn a_start_over_wmi_is_found_by_its_command() {
    let records = vec![
        audit(
            "2026-03-04 10:00:00",
            "0x10",
            r"C:\Windows\System32\wbem\WMIC.exe",
            "wmic process call create \"regasm /u x.dll\"",
            ("0x8", ""),
            LABEL_MEDIUM,
        ),
        audit(
            "2026-03-04 10:00:01",
            "0x18",
            REGASM64,
            "regasm  /u x.dll",
            ("0x30", r"C:\Windows\System32\wbem\WmiPrvSE.exe"),
            LABEL_MEDIUM,
        ),
    ];
    let correlation = correlate(vec![], &records);
    assert_eq!(correlation.attempts[0].led_to.as_deref(), Some("E1"));
}

#[test]
fn renamed_tools_and_lookalikes() {
    let helper = r"C:\ProgramData\Intel\svchelper.exe";
    let plain = |guid, pid, image, line, original| Sysmon1 {
        guid,
        pid,
        image,
        line,
        directory: r"C:\w\",
        level: "High",
        original,
        parent: ("{5a1c77e0-0000-0000-0000-000000000001}", "8", r"C:\Windows\System32\svchost.exe"),
    };
    let records = vec![
        started(
            "2026-03-10 03:30:00",
            &plain(
                "{5a1c77e0-9038-69af-020a-000000002c00}",
                "8804",
                helper,
                r"svchelper.exe /u C:\ProgramData\Intel\svcore.ocx",
                "RegAsm.exe",
            ),
        ),
        started(
            "2026-03-10 03:31:00",
            &plain("{5a1c77e0-9039-69af-020a-000000002c00}", "8808", r"C:\Temp\RegAsm.exe", "RegAsm.exe", "evil.exe"),
        ),
        audit("2026-03-10 03:32:00", "0x10", r"C:\Temp\RegAsm.exe", "RegAsm.exe /u x.dll", ("0x8", ""), LABEL_HIGH),
    ];
    let correlation = correlate(vec![], &records);
    let found: Vec<_> =
        correlation.executions.iter().map(|run| (run.pid, run.renamed, run.identity, run.mode)).collect();
    assert_eq!(
        found,
        [
            (Some(8804), true, Identity::Proven, Mode::Unregister),
            (Some(0x10), false, Identity::ByName, Mode::Unregister)
        ]
    );
    assert_eq!(correlation.executions[1].confidence, Confidence::Circumstantial);
    assert_eq!(correlation.lookalikes.len(), 1);
    assert!(correlation.lookalikes[0].because.contains("evil.exe"));
}

#[test]
fn a_collected_image_tells_what_a_process_was() {
    let copy = r"C:\Temp\tool.exe";
    let image = |id, path: &str, name: &str, token: &str| {
        let mut lead = item(id, path);
        lead.wanted_by = vec!["lead".to_owned()];
        let mut fields = Fields::new();
        fields.push("Kind", "managed");
        fields.push(
            "Cli",
            map(vec![("Assembly", map(vec![("Name", Value::from(name)), ("PublicKeyToken", Value::from(token))]))]),
        );
        (lead, (ItemId(id), values("assembly", "windows:pe:file", fields)))
    };
    let (tool, tool_facts) = image(3, copy, "RegSvcs", "b03f5f7f11d50a3a");
    let (fake, fake_facts) = image(4, r"C:\Temp\regasm.exe", "regasm", "");
    let records = vec![
        audit("2026-03-10 03:30:00", "0x10", copy, "tool x.dll", ("0x8", ""), LABEL_HIGH),
        audit("2026-03-10 03:31:00", "0x14", r"C:\Temp\regasm.exe", "regasm x.dll", ("0x8", ""), LABEL_HIGH),
        tool_facts,
        fake_facts,
    ];
    let correlation = correlate(vec![tool, fake], &records);
    let run = only(&correlation);
    assert_eq!((run.tool, run.renamed, run.identity), (Tool::Regsvcs, true, Identity::Proven));
    assert_eq!(correlation.lookalikes.len(), 1);
    assert!(correlation.lookalikes[0].because.contains("public key token none"));
}

#[test]
fn prefetch_alone_gives_anonymous_runs() {
    let dll = r"\VOLUME{01da2f77-9a3c11f2}\USERS\PUBLIC\LIBRARIES\UPD.DLL";
    let system = r"\VOLUME{01da2f77-9a3c11f2}\WINDOWS\SYSTEM32\MSCOREE.DLL";
    let records = vec![
        prefetch_file(PF_REGASM, &["2026-03-12 01:31:40", "2026-03-11 00:00:00"], 2, &[PF_REGASM, dll, system]),
        (
            ItemId(3),
            at(
                record(
                    "usn-journal",
                    "windows:ntfs:usn",
                    &[("Name", "upd.dll"), ("Path", r"\Users\Public\Libraries\upd.dll")],
                ),
                Meaning::JOURNAL,
                "2026-03-12 01:31:12",
            ),
        ),
        (
            ItemId(3),
            at(
                {
                    let mut one = record(
                        "usn-journal",
                        "windows:ntfs:usn",
                        &[("Name", "upd.dll"), ("Path", r"\Users\Public\Libraries\upd.dll")],
                    );
                    one.fields.push("Reasons", vec!["FILE_DELETE", "CLOSE"]);
                    one
                },
                Meaning::JOURNAL,
                "2026-03-12 01:50:03",
            ),
        ),
    ];
    let items = vec![item(2, r"C:\Windows\Prefetch\REGASM.EXE-13EF66F9.pf"), item(3, r"C:\$Extend\$UsnJrnl:$J")];
    let correlation = correlate(items, &records);
    assert_eq!(correlation.executions.len(), 2);
    let run = &correlation.executions[1];
    assert_eq!((run.identified, run.pid, run.identity), (Identified::Anonymous, None, Identity::ByPath));
    assert_eq!(run.user, None);
    assert_eq!(run.started, Some(time("2026-03-12 01:31:40")));
    assert_eq!(run.confidence, Confidence::Strong);
    assert_eq!(run.assembly.resolved_path.as_deref(), Some(dll));
    assert_eq!(run.assembly.state, AssemblyState::Deleted);
    assert_eq!((run.mode, run.method.runs, run.proof.level), (Mode::Unknown, Answer::Unknown, "L3"));
    assert_eq!(rules(run), ["anchor"]);
    assert_eq!(run.related.iter().filter(|one| one.class == "file").count(), 2);
}

#[test]
fn two_slots_and_one_process_stay_two_runs() {
    let records = vec![
        audit("2026-03-04 14:12:33", "0x1e4c", REGASM, r"regasm C:\w\x.dll", ("0x8", ""), LABEL_MEDIUM),
        prefetch_file(PF_REGASM, &["2026-03-04 14:12:33.400", "2026-03-04 14:12:33.000"], 2, &[]),
    ];
    let correlation = correlate(vec![item(2, r"C:\Windows\Prefetch\REGASM.EXE-13EF66F9.pf")], &records);
    assert_eq!(correlation.executions.len(), 2);
    assert_eq!(rules(&correlation.executions[0]), ["anchor", "J7"]);
    assert_eq!(correlation.executions[1].identified, Identified::Anonymous);
    assert_eq!(correlation.executions[1].merge_candidates, ["E1"]);
}

/// The registry writes of the corpus' regsvcs run, with the spelling of its records.
#[test]
fn registry_events_become_a_registration() {
    let guid = "747F3D96-D7BB-5D31-0000-0010D5092A00";
    let image = r"C:\Windows\Microsoft.NET\Framework\v4.0.30319\regsvcs.exe";
    let key = r"HKCR\WOW6432Node\CLSID\{17C7DA62-8517-3DF1-A67C-BD4BCD2C5C3F}\InprocServer32";
    let identity = "T1121, Version=0.0.0.0, Culture=neutral, PublicKeyToken=cb1364609f40a1dc";
    let mut records = vec![sysmon(
        "2019-07-19 14:46:19.484316",
        1,
        &[
            ("ProcessGuid", guid),
            ("ProcessId", "1060"),
            ("Image", r"C:\Windows\Microsoft.NET\Framework\v4.0.30319\RegSvcs.exe"),
            ("Description", "Microsoft .NET Services Installation Utility"),
            ("CommandLine", r#""C:\Windows\Microsoft.NET\Framework\v4.0.30319\regsvcs.exe" T1121.dll"#),
            ("CurrentDirectory", r"C:\AtomicRedTeam\"),
            ("IntegrityLevel", "High"),
        ],
    )];
    for (step, (name, details)) in [
        (r"(Default)", "mscoree.dll"),
        ("ThreadingModel", "Both"),
        ("Class", "regsvcser.Bypass"),
        ("Assembly", identity),
        ("RuntimeVersion", "v4.0.30319"),
        ("CodeBase", "file:///C:/AtomicRedTeam/T1121.DLL"),
        (r"0.0.0.0\Class", "regsvcser.Bypass"),
        (r"0.0.0.0\Assembly", identity),
        (r"0.0.0.0\RuntimeVersion", "v4.0.30319"),
        (r"0.0.0.0\CodeBase", "file:///C:/AtomicRedTeam/T1121.DLL"),
    ]
    .into_iter()
    .enumerate()
    {
        records.push(sysmon(
            &format!("2019-07-19 14:46:20.{:03}", 767 + step),
            13,
            &[
                ("EventType", "SetValue"),
                ("ProcessGuid", guid),
                ("ProcessId", "1060"),
                ("Image", image),
                ("TargetObject", &format!("{key}\\{name}")),
                ("Details", details),
            ],
        ));
    }
    // The file that lies there now is another assembly.
    let (lead, facts) = assembly(3, r"C:\AtomicRedTeam\T1121.dll", &["ExecutesForRegsvcs"]);
    records.push(facts);
    let correlation = correlate(vec![lead], &records);
    let run = only(&correlation);
    assert_eq!(run.identity, Identity::Proven, "the version resource's description was recorded");
    assert_eq!(run.assembly.resolved_path.as_deref(), Some(r"C:\AtomicRedTeam\T1121.dll"));
    assert_eq!((run.method.runs, run.method.which), (Answer::Unknown, Some("register")));
    assert!(run.method.because.contains("another assembly"), "{}", run.method.because);
    assert_eq!(run.proof.level, "L3");
    assert_eq!(correlation.registrations.len(), 1);
    let one = &correlation.registrations[0];
    assert_eq!(one.clsid, "{17C7DA62-8517-3DF1-A67C-BD4BCD2C5C3F}");
    assert_eq!((one.view.as_str(), one.state.as_str()), ("32", "event"));
    assert_eq!(one.server.as_deref(), Some("mscoree.dll"));
    assert_eq!(one.class.as_deref(), Some("regsvcser.Bypass"));
    assert_eq!(one.assembly.as_deref(), Some(identity));
    assert_eq!(one.runtime_version.as_deref(), Some("v4.0.30319"));
    assert_eq!(one.code_base.as_deref(), Some("file:///C:/AtomicRedTeam/T1121.DLL"));
    assert_eq!(one.threading_model.as_deref(), Some("Both"));
    assert_eq!(one.last_written, Some(time("2019-07-19 14:46:20.767")));
    assert_eq!(one.versions.len(), 1);
    assert_eq!(one.executions, ["E1"]);
    assert_eq!(one.sources.len(), 10);
    assert!(one.hive.ends_with("Sysmon%4Operational.evtx"));
}

fn com_class(clsid: &str, code_base: &str, when: &str, state: &str) -> (ItemId, Record) {
    let one = record(
        "com-registration",
        "windows:registry:com_class",
        &[
            ("Clsid", clsid),
            ("View", "64"),
            ("Server", "mscoree.dll"),
            ("Class", "a.b"),
            ("Assembly", "x, Version=1.0.0.0"),
            ("CodeBase", code_base),
            ("State", state),
        ],
    );
    (ItemId(5), at(at(one, Meaning::KEY_WRITTEN, when), Meaning::KEY_WRITTEN, "2026-01-01 00:00:00"))
}

#[test]
fn hive_registrations_are_tied_by_path_class_id_and_time() {
    let dll = r"C:\w\x.dll";
    let (lead, facts) = assembly(3, dll, &["ExecutesOnRegister"]);
    let hive = item(5, r"C:\Windows\System32\config\SOFTWARE");
    let run = |when, pid| audit(when, pid, REGASM64, r"regasm /codebase C:\w\x.dll", ("0x4", ""), LABEL_HIGH);
    let records = vec![
        run("2026-03-04 10:00:00", "0x100"),
        exited("2026-03-04 10:00:02", "0x100", REGASM64, "0x0"),
        run("2026-03-05 10:00:00", "0x104"),
        com_class("{AAAAAAAA-0000-3000-8000-000000000001}", "file:///C:/w/x.dll", "2026-03-04 10:00:01", "current"),
        com_class("{465B520D-4EEB-3570-A4E5-E58DD78B9994}", "file:///C:/other/y.dll", "2026-02-01 00:00:00", "deleted"),
        com_class("{BBBBBBBB-0000-3000-8000-000000000001}", "file:///C:/other/z.dll", "2026-03-04 10:00:01", "current"),
        facts,
    ];
    let correlation = correlate(vec![lead, hive], &records);
    let found: Vec<_> = correlation
        .registrations
        .iter()
        .map(|one| (one.clsid[..9].to_owned(), one.executions.clone(), one.sources[0].confidence, one.assemblies.len()))
        .collect();
    assert_eq!(
        found,
        [
            ("{465B520D".to_owned(), vec!["E1".to_owned(), "E2".to_owned()], Some(Confidence::Circumstantial), 1),
            ("{AAAAAAAA".to_owned(), vec!["E1".to_owned()], Some(Confidence::Strong), 0),
            ("{BBBBBBBB".to_owned(), vec![], None, 0),
        ]
    );
    assert_eq!(correlation.registrations[1].last_written, Some(time("2026-03-04 10:00:01")));
    assert_eq!(correlation.executions[0].method.runs, Answer::Yes);
    assert!(correlation.executions[0].related.iter().any(|one| one.class == "registry"));
}

#[test]
fn where_an_assembly_may_be() {
    let state = |line: &str, more: Vec<(ItemId, Record)>| {
        let mut records = vec![started(
            "2026-03-04 10:00:00",
            &Sysmon1 {
                guid: "{5a1c77e0-9038-69af-020a-000000002c00}",
                pid: "16",
                image: REGASM64,
                line,
                directory: r"C:\w\",
                level: "Medium",
                original: "RegAsm.exe",
                parent: ("", "8", ""),
            },
        )];
        records.extend(more);
        let correlation = correlate(vec![], &records);
        let run = only(&correlation);
        (run.assembly.state, run.assembly.resolved_path.clone().unwrap_or_default())
    };
    assert_eq!(state("regasm x.dll", vec![]), (AssemblyState::Absent, r"C:\w\x.dll".to_owned()));
    assert_eq!(
        state(r"regasm \\10.0.0.1\c$\u.dll", vec![]),
        (AssemblyState::Remote, r"\\10.0.0.1\c$\u.dll".to_owned())
    );
    let mut fields = Fields::new();
    fields.push("Path", r"\w\x.dll");
    fields.push("Name", "x.dll");
    fields.push("InUse", false);
    let gone = (ItemId(6), at(values("mft", "windows:ntfs:file", fields), Meaning::SI_CREATED, "2026-03-04 09:59:00"));
    assert_eq!(state("regasm x.dll", vec![gone]), (AssemblyState::Deleted, r"C:\w\x.dll".to_owned()));
    assert_eq!(state("regasm \"x, Version=1.0.0.0\"", vec![]), (AssemblyState::Unresolved, String::new()));
}

#[test]
fn accounts_of_old_and_new_records() {
    let fields = [
        ("SubjectUserSid", "S-1-5-18"),
        ("SubjectUserName", "WS$"),
        ("SubjectDomainName", "CORP"),
        ("SubjectLogonId", "0x3e7"),
        ("NewProcessId", "0x100"),
        ("NewProcessName", REGASM64),
        ("TokenElevationType", "%%1938"),
        ("ProcessId", "0x8"),
    ];
    // Version 0 has neither a command line nor a target nor a parent's name: the parent is joined by its id.
    let parent =
        audit("2026-03-04 09:59:00", "0x8", r"C:\Windows\services.exe", "services", ("0x4", ""), "S-1-16-16384");
    let old = security("2026-03-04 10:00:00", 4688, &fields);
    let correlation = correlate(vec![], &vec![parent, old]);
    let run = only(&correlation);
    let user = run.user.as_ref().unwrap();
    assert_eq!((user.sid.as_deref(), user.elevated.state), (Some("S-1-5-18"), Answer::No));
    assert_eq!(run.parent.as_ref().unwrap().image.as_deref(), Some(r"C:\Windows\services.exe"));
    let mut more = fields.to_vec();
    more.extend([
        ("TargetUserSid", "S-1-5-21-1-2-3-500"),
        ("TargetUserName", "Administrator"),
        ("TargetDomainName", "CORP"),
        ("TargetLogonId", "0x7777"),
    ]);
    let correlation = correlate(vec![], &vec![security("2026-03-04 10:00:00", 4688, &more)]);
    let user = only(&correlation).user.as_ref().unwrap();
    assert_eq!((user.sid.as_deref(), user.logon_id.as_deref()), (Some("S-1-5-21-1-2-3-500"), Some("0x7777")));
}

#[test]
fn presence_is_never_a_run() {
    let journal = record(
        "usn-journal",
        "windows:ntfs:usn",
        &[("Name", "RegAsm.exe"), ("Path", r"\Windows\Microsoft.NET\Framework\v4.0.30319\RegAsm.exe")],
    );
    let file = record("mft", "windows:ntfs:file", &[("Name", "RegAsm.exe"), ("Path", r"\Windows\WinSxS\x\RegAsm.exe")]);
    let other = record(
        "prefetch",
        "windows:prefetch:execution",
        &[("Executable", "NOTEPAD.EXE"), ("Path", r"\WINDOWS\NOTEPAD.EXE")],
    );
    let records = vec![
        (ItemId(3), at(journal, Meaning::JOURNAL, "2026-03-04 10:00:00")),
        (ItemId(4), at(file, Meaning::SI_CREATED, "2026-03-04 10:00:00")),
        (ItemId(2), at(other, Meaning::LAST_RUN, "2026-03-04 10:00:00")),
        (ItemId(1), record("event-log", "windows:evtx:record", &[])),
    ];
    let correlation = correlate(vec![], &records);
    assert!(correlation.executions.is_empty() && correlation.attempts.is_empty() && correlation.lookalikes.is_empty());
}

#[test]
fn the_same_log_twice_changes_nothing_but_citations() {
    let (mut items, mut records) = m1();
    let once = correlate(items.clone(), &records);
    items.push(item(9, r"C:\Windows\System32\winevt\Logs\Archive-Security.evtx"));
    let copies: Vec<_> =
        records.iter().filter(|(item, _)| item.0 <= 1).map(|(_, record)| (ItemId(9), record.clone())).collect();
    records.extend(copies);
    let twice = correlate(items, &records);
    assert_eq!(twice.executions.len(), 1);
    let (one, other) = (&once.executions[0], &twice.executions[0]);
    assert_eq!((one.started, one.ended, one.exit_code), (other.started, other.ended, other.exit_code));
    assert!(other.sources.len() > one.sources.len());
}

#[test]
fn coverage_says_what_is_missing() {
    let mut fields = Fields::new();
    fields.push("Channel", "Security");
    fields.push("Records", 10u64);
    fields.push("First", time("2026-03-02 12:01:00"));
    fields.push("Last", time("2026-03-11 12:00:00"));
    fields.push("MissingRecordIds", vec!["17-19"]);
    let records = vec![
        (ItemId(0), values("event-log", "windows:evtx:channel", fields)),
        logged("2026-03-02 12:01:00", "Microsoft-Windows-Eventlog", "Security", 1102, &[]),
        logged(
            "2026-03-02 12:01:01",
            "Microsoft-Windows-Eventlog",
            "System",
            104,
            &[("Channel", "Windows PowerShell")],
        ),
    ];
    let correlation = correlate(vec![], &records);
    let of =
        |name: &str| correlation.coverage.iter().find(|one| one.source == name).unwrap_or_else(|| panic!("{name}"));
    let security = of("Security");
    assert!(security.present && security.cleared.len() == 1 && security.gaps.len() == 1);
    assert!(security.meaning.contains("was cleared") && security.meaning.contains("2026-03-02T12:01:00"));
    for name in ["System", "Microsoft-Windows-Sysmon/Operational", "prefetch", "mft", "usn-journal", "com-registration"]
    {
        assert!(!of(name).present && of(name).meaning.starts_with("not in the evidence"), "{name}");
    }
    assert_eq!(of("Windows PowerShell").cleared.len(), 1);
}

#[test]
fn many_processes_stay_bounded() {
    let mut correlator = Correlator::new(Host::default(), &[]);
    let events: Vec<_> = (0..120_000u64)
        .map(|number| {
            let (item, one) = audit(
                "2026-03-04 10:00:00",
                &number.to_string(),
                r"C:\Windows\System32\svchost.exe",
                "svchost",
                ("0x4", ""),
                LABEL_HIGH,
            );
            crate::event::Event::all_of(item, &one).remove(0)
        })
        .collect();
    for event in &events {
        correlator.observe(event);
    }
    let correlation = correlator.finish();
    assert_eq!(correlation.problems.len(), 1, "{:?}", correlation.problems);
    assert!(correlation.problems[0].what.starts_with("20000 processes were forgotten"));
}
