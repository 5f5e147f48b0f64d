//! Renamed tools, prefetch, registrations, files, coverage and limits.

use super::runs::m1;
use super::*;

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
            (Some(8804), true, Identity::ByName, Mode::Unregister),
            (Some(0x10), false, Identity::ByName, Mode::Unregister)
        ]
    );
    assert_eq!(correlation.executions[1].confidence, Confidence::Circumstantial);
    // Anybody can write this name into a file, and nobody looked into this one.
    assert_eq!(
        correlation.executions[0].identity_because,
        "Sysmon recorded OriginalFileName RegAsm.exe when it started; the file itself was not collected, so neither its \
         hash nor its signature was checked"
    );
    assert_eq!(correlation.executions[0].proof.inferred, [evidence::Step::L0, evidence::Step::L1]);
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
    assert_eq!((run.tool, run.renamed, run.identity), (Tool::Regsvcs, true, Identity::ByName));
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
    assert_eq!((run.mode, run.method.runs, run.proof.level), (Mode::Unknown, Answer::Unknown, evidence::Step::L3));
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
    assert_eq!(run.proof.level, evidence::Step::L3);
    assert_eq!(correlation.registrations.len(), 1);
    let one = &correlation.registrations[0];
    assert_eq!(one.clsid, "{17C7DA62-8517-3DF1-A67C-BD4BCD2C5C3F}");
    assert_eq!((one.view.name(), one.state.name()), ("32", "event"));
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
    let subject = [("SubjectUserName", "adm-lk"), ("SubjectDomainName", "CORP")];
    let records = vec![
        (ItemId(0), values("event-log", "windows:evtx:channel", fields)),
        logged("2026-03-02 12:01:00", "Microsoft-Windows-Eventlog", "Security", 1102, &subject),
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
    assert!(security.meaning.contains("was cleared") && security.meaning.contains("2026-03-02 12:01:00.000 UTC"));
    for name in ["System", "Microsoft-Windows-Sysmon/Operational", "prefetch", "mft", "usn-journal", "com-registration"]
    {
        assert!(!of(name).present && of(name).meaning.starts_with("not in the evidence"), "{name}");
    }
    let other = of("Windows PowerShell");
    assert_eq!((other.cleared.len(), other.clearings.len()), (1, 1));
    let [clearing] = security.clearings.as_slice() else { panic!("{:?}", security.clearings) };
    assert_eq!((clearing.at, clearing.by.as_deref()), (Some(time("2026-03-02 12:01:00")), Some(r"CORP\adm-lk")));
    assert_eq!((other.clearings[0].by.as_deref(), &clearing.citation), (None, &security.cleared[0]));
}

/// How many of so many processes with command lines of this length are still known at the end.
fn known_of(count: u64, line: usize) -> u64 {
    let items = Vec::new();
    let mut correlator = Correlator::new(Host::default(), &items, ::artifacts::ALL, own_acts());
    let (program, line) = (r"C:\Windows\System32\svchost.exe", "x".repeat(line));
    for number in 0..count {
        let (item, one) = audit("2026-03-04 10:00:00", &number.to_string(), program, &line, ("0x4", ""), LABEL_HIGH);
        correlator.observe(&crate::event::Event::all_of(item, &one).remove(0));
    }
    let correlation = correlator.finish();
    assert_eq!(correlation.problems.len(), 1, "{:?}", correlation.problems);
    let what = &correlation.problems[0].what;
    count - what.strip_suffix(" processes were forgotten to bound memory").unwrap().parse::<u64>().unwrap()
}

#[test]
fn many_processes_stay_bounded_by_what_they_take() {
    let known = known_of(60_000, 100);
    assert!((10_000..50_000).contains(&known), "{known}");
    // No more than 32 MiB of their command lines alone.
    let known = known_of(1_000, 64 << 10);
    assert!((200..=512).contains(&known), "{known}");
}

/// Names of fields that somebody asks for.
const NAMES: &[&str] = &[
    "System.Provider",
    "System.EventID",
    "System.Computer",
    "ProcessGuid",
    "ProcessId",
    "NewProcessId",
    "Image",
    "NewProcessName",
    "CommandLine",
    "CurrentDirectory",
    "TargetObject",
    "Details",
    "EventType",
    "TargetFilename",
    "Hashes",
    "LogonId",
    "TargetLogonId",
    "StartTime",
    "Channel",
    "Executable",
    "Path",
    "Files",
    "Clsid",
    "CodeBase",
    "Assembly",
    "Versions",
    "Kind",
    "Cli",
    "Name",
    "Reasons",
    "Text",
    "Records",
    "First",
    "Sha256",
];

/// Artifacts and types of records whose fields are read.
const KINDS: &[(&str, &str)] = &[
    ("event-log", "windows:evtx:record"),
    ("event-log", "windows:evtx:channel"),
    ("prefetch", "windows:prefetch:execution"),
    ("com-registration", "windows:registry:com_class"),
    ("assembly", "windows:pe:file"),
    ("assembly", "windows:ntfs:stream"),
    ("usn-journal", "windows:ntfs:usn"),
    ("mft", "windows:ntfs:file"),
];

/// Values that no parser gives in such a field.
fn odd_values() -> Vec<Value> {
    vec![
        Value::from(""),
        Value::from("\\"),
        Value::from(":"),
        Value::from("\u{202e}ä\0{"),
        Value::from("regasm"),
        Value::from(r"C:\Windows\Microsoft.NET\Framework\v4.0.30319\RegAsm.exe"),
        Value::from("a".repeat(40_000)),
        Value::from(u64::MAX),
        Value::Signed(i64::MIN),
        Value::from(true),
        Value::from(evidence::Filetime(u64::MAX)),
        Value::List(vec![Value::from(1u64); 50]),
        map(vec![("Path", Value::from("x")), ("Assembly", map(vec![]))]),
    ]
}

#[test]
fn hostile_records_end_in_a_result() {
    let providers = [
        ("Microsoft-Windows-Sysmon", 1..30u64),
        ("Microsoft-Windows-Security-Auditing", 4688..4690),
        ("Microsoft-Windows-Kernel-General", 12..14),
    ];
    let mut records = Entries::new();
    for (number, value) in odd_values().iter().enumerate() {
        for (artifact, kind) in KINDS {
            let mut fields = Fields::new();
            for name in NAMES {
                fields.push(*name, value.clone());
            }
            records.push((
                ItemId(number as u32),
                at(values(artifact, kind, fields), Meaning::LAST_RUN, "2026-03-04 10:00:00"),
            ));
        }
        for (provider, ids) in &providers {
            for id in ids.clone() {
                let (item, mut one) = logged("2026-03-04 10:00:00", provider, "x", id, &[]);
                for name in NAMES.iter().filter(|name| !name.starts_with("System")) {
                    one.fields.push(*name, value.clone());
                }
                records.push((item, one));
            }
        }
    }
    // Times at both ends of what can be stored.
    for ticks in [1, u64::MAX] {
        let (item, mut one) = audit("2026-03-04 10:00:00", "0x100", REGASM, "regasm x.dll", ("0x4", ""), LABEL_HIGH);
        one.moments = vec![evidence::Moment::at(Meaning::RECORDED, evidence::Timestamp::filetime(ticks).unwrap())];
        records.push((item, one));
    }
    let correlation = correlate(vec![item(2, "\\"), item(3, ""), item(4, "C:")], &records);
    assert!(correlation.executions.len() >= 3);
    assert!(serde_json::to_string(&correlation.executions).is_ok());
}
