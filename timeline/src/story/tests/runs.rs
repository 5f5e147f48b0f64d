//! Process records: joins, verdicts, reuse of process ids, wrappers.

use super::*;

/// Scenario M1: unregister by a standard user, from a script.
pub(super) fn m1() -> (Vec<Item>, Entries) {
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
    assert!(run.identity_because.starts_with("it lies in a .NET framework directory, and Sysmon recorded"));
    assert!(run.identity_because.ends_with("neither its hash nor its signature was checked"));
    assert_eq!(run.started, Some(time("2026-03-04 14:12:33.120")), "Sysmon's record is the anchor");
    assert_eq!(run.ended, Some(time("2026-03-04 14:12:34.002")));
    assert_eq!(run.exit_code, Some(100));
    assert_eq!(run.mode, Mode::Unregister);
    assert_eq!(run.assembly.resolved_path.as_deref(), Some(DLL));
    assert_eq!(run.assembly.state, AssemblyState::Recovered);
    assert_eq!(run.assembly.sha256.as_deref(), Some(format!("{:064x}", 3).as_str()));
    assert_eq!((run.method.runs, run.method.which), (Answer::Yes, Some("unregister")), "{}", run.method.because);
    assert!(run.method.because.contains("100"));
    assert_eq!(run.proof.level, evidence::Step::L4);
    assert_eq!((run.proof.shown, run.proof.expected), (evidence::Step::L3, evidence::Step::L4), "prefetch lists it");
    assert_eq!(rules(run), ["anchor", "J2", "J3", "J1", "J7"]);
    let user = run.user.as_ref().unwrap();
    assert_eq!((user.sid.as_deref(), user.name.as_deref()), (Some("S-1-5-21-1-2-3-1104"), Some(r"CORP\jdoe")));
    assert_eq!((user.integrity.as_deref(), user.elevated.state), (Some("medium"), Answer::No));
    assert_eq!(run.parent.as_ref().unwrap().pid, Some(7312));
    assert!(run.related.iter().any(|one| one.class == "logon" && one.citation.rule.map(JoinRule::id) == Some("J5")));
    assert!(run.related.iter().any(|one| one.class == "file" && one.what.contains("deleted")));
    assert_eq!(run.confidence, Confidence::Direct);
    assert_eq!(correlation.assemblies[0].executions, ["E1"]);
    assert!(correlation.assemblies[0].state.starts_with("recovered"));
    assert!(correlation.attempts.is_empty() && correlation.lookalikes.is_empty() && correlation.problems.is_empty());
}

/// The record names the file through a junction or with its short name; the collector says under which name it found it.
#[test]
fn a_file_that_is_named_by_another_path_is_the_assembly_of_the_run() {
    let (mut items, records) = m1();
    let lead = items.iter_mut().find(|item| item.original_path == DLL).unwrap();
    lead.original_path = r"C:\Real\Somewhere.dll".to_owned();
    assert_eq!(only(&correlate(items.clone(), &records)).assembly.sha256, None);
    items.iter_mut().find(|item| item.original_path.starts_with(r"C:\Real")).unwrap().named_as = vec![DLL.to_owned()];
    let correlation = correlate(items, &records);
    let run = only(&correlation);
    assert_eq!(run.assembly.sha256.as_deref(), Some(format!("{:064x}", 3).as_str()));
    assert_eq!(run.method.runs, Answer::Yes, "{}", run.method.because);
}

#[test]
fn m1_twin_without_a_reachable_method_did_not_run() {
    let (mut items, mut records) = m1();
    records.pop();
    items.pop();
    let (lead, facts) = assembly(3, DLL, &[]);
    items.push(Item { recovery: Some(Recovery::ClustersFree), ..lead });
    records.push(facts);
    let correlation = correlate(items, &records);
    assert_eq!(only(&correlation).method.runs, Answer::No);
    assert_eq!(only(&correlation).proof.level, evidence::Step::L3, "the prefetch file of a single run lists it");
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
    assert_eq!(run.proof.level, evidence::Step::L2);
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
    assert_eq!(run.proof.level, evidence::Step::L1);
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
    assert!(run.method.because.contains("other code ran in it") && run.method.because.contains("from outside"));
    assert!(run.related.iter().any(|one| one.class == "network" && one.citation.rule.map(JoinRule::id) == Some("J12")));
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
    assert_eq!(run.proof.level, evidence::Step::L1);
    assert!(run.proof.next_needs.contains("command line"));
    let related: Vec<(&str, &str)> =
        run.related.iter().map(|one| (one.class, one.citation.rule.map(JoinRule::id).unwrap())).collect();
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
    let correlation = correlate(vec![lead.clone()], &vec![start(LABEL_HIGH), facts.clone()]);
    assert_eq!(only(&correlation).method.which, Some("register"));
    // A copy of the file has no streams. What the file table lists says whether it had the mark.
    let mut copied = lead;
    copied.method = evidence::Method::FileApi;
    let table = item(5, r"C:\$MFT");
    let listed = |streams: &[&str]| {
        let mut listed = record("mft", "windows:ntfs:file", &[("Path", r"\w\Ledger.dll"), ("Name", "Ledger.dll")]);
        listed.fields.push("InUse", true);
        listed.fields.push("Streams", streams.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>());
        (ItemId(5), listed)
    };
    let end = exited("2026-03-09 17:05:41", "0x1890", REGSVCS64, "0x1");
    for (records, expected, says) in [
        (vec![], Answer::Unknown, "does not show the alternate streams"),
        (vec![listed(&["Zone.Identifier"])], Answer::Unknown, "the file table lists a Zone.Identifier"),
        (vec![listed(&[])], Answer::Yes, ""),
    ] {
        let records = [vec![start(LABEL_MEDIUM), end.clone(), facts.clone()], records].concat();
        let correlation = correlate(vec![copied.clone(), table.clone()], &records);
        let method = &only(&correlation).method;
        assert_eq!(method.runs, expected, "{}", method.because);
        assert!(method.because.contains(says), "{}", method.because);
    }
}

#[test]
fn an_observed_effect_beats_the_prediction() {
    let dll = r"C:\w\x.dll";
    let (lead, facts) = assembly(3, dll, &["ExecutesOnRegister"]);
    let records = vec![
        audit("2026-03-04 10:00:00", "0x100", REGASM64, &format!("regasm {dll}"), ("0x4", ""), LABEL_MEDIUM),
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
    assert_eq!((run.method.runs, run.proof.level), (Answer::Yes, evidence::Step::L5));
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
    assert_eq!(correlation.host.boots.len(), 1);
    assert!(!correlation.host.boots[0].inferred);
}

#[test]
fn a_missing_boot_record_is_inferred() {
    let records = vec![
        audit("2026-03-04 10:00:00", "0x100", REGASM64, r"regasm C:\w\a.dll", ("0x4", ""), LABEL_MEDIUM),
        audit("2026-03-04 12:00:00", "0x1a8", r"C:\Windows\System32\smss.exe", "", ("0x4", ""), "-"),
        exited("2026-03-04 12:30:00", "0x100", REGASM64, "0x0"),
    ];
    let correlation = correlate(vec![], &records);
    assert_eq!(correlation.host.boots.len(), 1);
    assert!(correlation.host.boots[0].inferred);
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
        run.related
            .iter()
            .any(|one| one.what.contains("started by") && one.citation.rule.map(JoinRule::id) == Some("J4"))
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
