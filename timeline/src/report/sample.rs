//! A report with everything in it, after the one real run of both tools in public data: two runs, one attempt, one
//! registration by events. What the real evidence lacks (the assembly, hives, problems) is made up around it.

use super::{BundleName, CaseFacts, Report, ToolName};
use crate::assess::{Rules, assess};
use crate::host::{Boot, Host, HostUser, HostVolume, Setting, TimeZone};
use crate::story::Story;
use evidence::{
    Answer, AssemblyFile, AssemblyReference, AssemblyState, Attempt, Citation, Clearing, Confidence, Coverage,
    Execution, Facts, Filetime, Identified, Identity, JoinRule, Locator, Lookalike, MethodVerdict, Mode, Parent,
    Problem, ProblemKind, Proof, Reasoned, Registration, RegistrationState, RegistryView, Related, Stage, Tool, User,
    Value,
};

const SYSMON: &str = r"C:\Windows\System32\winevt\Logs\Microsoft-Windows-Sysmon%4Operational.evtx";
const FRAMEWORK: &str = r"C:\Windows\Microsoft.NET\Framework\v4.0.30319";
const ASSEMBLY: &str = r"C:\AtomicRedTeam\T1121.dll";
const CLSID: &str = "{17C7DA62-8517-3DF1-A67C-BD4BCD2C5C3F}";

pub(super) fn at(text: &str) -> Filetime {
    Filetime::parse_utc(text).unwrap()
}

fn cite(
    artifact: &str,
    item: &str,
    locator: Locator,
    rule: impl Into<Option<JoinRule>>,
    confidence: Confidence,
) -> Citation {
    let sha256: String = item.bytes().cycle().take(32).map(|byte| format!("{byte:02x}")).collect();
    Citation {
        artifact: artifact.to_owned(),
        item: item.to_owned(),
        sha256,
        locator,
        rule: rule.into(),
        confidence: Some(confidence),
        event_id: None,
        recovered: false,
    }
}

fn record(record_id: u64, rule: impl Into<Option<JoinRule>>) -> Citation {
    let locator = Locator::EvtxRecord { record_id, offset: 4096 + record_id * 1400 };
    cite("event-log", SYSMON, locator, rule, Confidence::Direct)
}

fn assembly_citation() -> Citation {
    cite(
        "assembly",
        ASSEMBLY,
        Locator::MetadataToken { token: 0x0600_0002, offset: 0x2a0 },
        JoinRule::J10,
        Confidence::Strong,
    )
}

fn related(time: &str, class: &'static str, what: &str, record_id: u64, rule: JoinRule) -> Related {
    Related { at: at(time), what: what.to_owned(), class, citation: record(record_id, rule) }
}

fn elevated() -> Reasoned {
    Reasoned {
        state: Answer::Yes,
        because: "the integrity level of the process is high".to_owned(),
        citations: vec![record(43, JoinRule::Anchor)],
    }
}

fn user() -> User {
    User {
        sid: Some("S-1-5-21-3461203602-4096304019-2269080069-1000".to_owned()),
        name: Some(r"MSEDGEWIN10\IEUser".to_owned()),
        integrity: Some("high".to_owned()),
        elevated: elevated(),
        logon_id: Some("0x3de67".to_owned()),
        named_by: None,
    }
}

fn unregister() -> Execution {
    Execution {
        id: "E1".to_owned(),
        tool: Tool::Regasm,
        image: format!(r"{FRAMEWORK}\RegAsm.exe"),
        renamed: false,
        patched: false,
        identity: Identity::Proven,
        identity_because: "it lies in a .NET framework directory, and Sysmon recorded OriginalFileName RegAsm.exe when it started; the file itself was not collected, so neither its hash nor its signature was checked".to_owned(),
        identified: Identified::Full,
        command_line: Some(format!(r"{FRAMEWORK}\regasm.exe  /U T1121.dll")),
        current_directory: Some(r"C:\AtomicRedTeam\".to_owned()),
        started: Some(at("2019-07-19T14:45:55.6992930")),
        started_corrected: Some(at("2019-07-19T14:45:55.7000000")),
        started_local: Some("2019-07-19T07:45:55.6992190-07:00".to_owned()),
        not_after: None,
        ended: Some(at("2019-07-19T14:45:56.1035520")),
        exit_code: Some(100),
        pid: Some(6176),
        process_guid: Some("{747f3d96-d6f3-5d31-0000-001012d52e00}".to_owned()),
        computer: Some("MSEDGEWIN10".to_owned()),
        another_computer: Answer::No,
        parent: Some(Parent {
            image: Some(r"C:\Windows\System32\cmd.exe".to_owned()),
            command_line: Some(format!(r#""C:\Windows\system32\cmd.exe" /c "{FRAMEWORK}\regasm.exe /U T1121.dll""#)),
            pid: Some(5800),
        }),
        user: Some(user()),
        mode: Mode::Unregister,
        options: vec!["/U: unregister".to_owned()],
        warnings: vec!["two spaces stand between the program and its first argument".to_owned()],
        assembly: AssemblyReference {
            argument: Some("T1121.dll".to_owned()),
            resolved_path: Some(ASSEMBLY.to_owned()),
            resolution: "relative to the working folder of the process".to_owned(),
            sha256: Some(assembly_citation().sha256),
            state: AssemblyState::Present,
            candidates: vec![r"C:\Windows\System32\T1121.dll".to_owned()],
            judged: None,
            same_file: None,
        },
        method: MethodVerdict {
            runs: Answer::Yes,
            which: Some("unregister"),
            because: "regsvcser.Bypass.UnRegisterClass bears ComUnregisterFunction, is public and static, and regasm \
                      calls it before it removes the keys."
                .to_owned(),
            citations: vec![assembly_citation()],
            if_same_file: None,
        },
        proof: Proof {
            level: evidence::Step::L3,
            shown: evidence::Step::L3,
            expected: evidence::Step::L3,
            statement: "The tool ran with this assembly, and the assembly was among the images that it loaded."
                .to_owned(),
            inferred: Vec::new(),
            next_needs: "a trace of the method itself, such as a child process or a connection.".to_owned(),
        },
        sources: vec![record(43, JoinRule::Anchor), record(47, JoinRule::J1)],
        related: vec![
            related(
                "2019-07-19T14:31:02.1100000",
                "file",
                r"powershell.exe created C:\AtomicRedTeam\T1121.dll",
                12,
                JoinRule::J10,
            ),
            related("2019-07-19T14:45:55.6812190", "process", "cmd.exe started as its parent", 42, JoinRule::J1),
            related("2019-07-19T14:45:55.9012190", "image", "regasm.exe loaded mscoree.dll", 44, JoinRule::J1),
            related("2019-07-19T14:45:55.9312190", "image", "regasm.exe loaded clr.dll", 45, JoinRule::J1),
            related("2019-07-19T14:45:56.0212190", "image", r"regasm.exe loaded C:\AtomicRedTeam\T1121.dll", 46, JoinRule::J1),
            related("2019-07-19T14:45:56.1035520", "process", "regasm.exe ended", 47, JoinRule::J1),
        ],
        confidence: Confidence::Direct,
        merge_candidates: Vec::new(),
    }
}

fn install() -> Execution {
    let mut run = unregister();
    run.id = "E2".to_owned();
    run.tool = Tool::Regsvcs;
    run.image = format!(r"{FRAMEWORK}\RegSvcs.exe");
    run.identity = Identity::ByPath;
    run.identity_because = "it lies in a .NET framework directory under the tool's name; nothing that it says of itself was recorded or collected".to_owned();
    run.command_line = Some(format!(r#""{FRAMEWORK}\regsvcs.exe" T1121.dll"#));
    run.started = Some(at("2019-07-19T14:46:19.4843160"));
    run.started_corrected = None;
    run.started_local = Some("2019-07-19T07:46:19.4840000-07:00".to_owned());
    run.ended = None;
    run.exit_code = None;
    run.pid = Some(1060);
    run.parent = Some(Parent {
        image: Some(r"C:\Windows\System32\WindowsPowerShell\v1.0\powershell.exe".to_owned()),
        command_line: Some("powershell.exe".to_owned()),
        pid: Some(3912),
    });
    run.mode = Mode::CoplusInstall;
    run.options = Vec::new();
    run.warnings = Vec::new();
    run.method = MethodVerdict {
        runs: Answer::Unknown,
        which: Some("register"),
        because: "The file bears a Zone.Identifier of zone 3, and version 4 of the CLR may refuse to load it."
            .to_owned(),
        citations: vec![assembly_citation()],
        if_same_file: None,
    };
    run.proof = Proof {
        level: evidence::Step::L5,
        shown: evidence::Step::L5,
        expected: evidence::Step::L5,
        statement: "The registration of the assembly's class was written by this process.".to_owned(),
        inferred: vec![evidence::Step::L3],
        next_needs: String::new(),
    };
    run.sources = vec![record(48, JoinRule::Anchor)];
    run.related = (49..59u64)
        .map(|number| {
            let key = format!(r"HKCR\WOW6432Node\CLSID\{CLSID}\InprocServer32");
            related(
                &format!("2019-07-19T14:46:20.{}0000", 767 + (number - 49) * 10),
                "registry",
                &format!("set {key}\\value{number}"),
                number,
                JoinRule::J1,
            )
        })
        .chain([
            related("2019-07-19T14:46:20.9000000", "network", "connection to 192.0.2.7:443", 60, JoinRule::J12),
            related("2019-07-19T14:46:20.8950000", "dns", "looked up example.test", 59, JoinRule::J13),
            related("2019-07-19T12:02:11.0000000", "logon", "IEUser logged on, type 2", 3, JoinRule::J5),
            related("2019-07-19T14:46:21.5000000", "other", "the COM+ catalog was changed", 61, JoinRule::J1),
        ])
        .collect();
    run.merge_candidates = vec!["E1".to_owned()];
    run
}

fn registration() -> Registration {
    Registration {
        id: String::new(),
        clsid: CLSID.to_owned(),
        view: RegistryView::Bits32,
        hive: SYSMON.to_owned(),
        user: None,
        server: Some("mscoree.dll".to_owned()),
        class: Some("regsvcser.Bypass".to_owned()),
        assembly: Some("T1121, Version=0.0.0.0, Culture=neutral, PublicKeyToken=cb1364609f40a1dc".to_owned()),
        runtime_version: Some("v4.0.30319".to_owned()),
        code_base: Some("file:///C:/AtomicRedTeam/T1121.DLL".to_owned()),
        loads: None,
        threading_model: Some("Both".to_owned()),
        prog_id: Some("regsvcser.Bypass".to_owned()),
        last_written: Some(at("2019-07-19T14:46:20.7670000")),
        state: RegistrationState::Event,
        versions: vec![Value::Map(vec![("Version".to_owned(), Value::from("0.0.0.0"))])],
        categories: vec!["{62C8FE65-4EBB-45e7-B440-6E39B2CDBF29}".to_owned()],
        executions: vec!["E2".to_owned()],
        assemblies: vec![assembly_citation().sha256],
        sources: (49..59).map(|number| record(number, JoinRule::J11)).collect(),
    }
}

/// Like the many that Windows brings along.
pub(super) fn framework_registration(number: u64) -> Registration {
    let item = r"C:\Windows\System32\config\SOFTWARE";
    let key = format!(r"Classes\CLSID\{{{number:08X}-0000-3000-8000-000000000000}}");
    Registration {
        id: String::new(),
        clsid: format!("{{{number:08X}-0000-3000-8000-000000000000}}"),
        view: RegistryView::Bits64,
        hive: item.to_owned(),
        user: None,
        server: Some(r"C:\Windows\System32\mscoree.dll".to_owned()),
        class: Some(format!("System.Class{number}")),
        assembly: Some("mscorlib, Version=4.0.0.0, Culture=neutral, PublicKeyToken=b77a5c561934e089".to_owned()),
        runtime_version: Some("v4.0.30319".to_owned()),
        code_base: None,
        loads: None,
        threading_model: Some("Both".to_owned()),
        prog_id: None,
        last_written: Some(at("2018-09-15T07:20:11.1234567")),
        state: RegistrationState::Current,
        versions: Vec::new(),
        categories: vec!["{62C8FE65-4EBB-45E7-B440-6E39B2CDBF29}".to_owned()],
        executions: Vec::new(),
        assemblies: Vec::new(),
        sources: vec![cite(
            "com-registration",
            item,
            Locator::RegistryKey { key, value: None, offset: 4096 + number * 120 },
            None,
            Confidence::Direct,
        )],
    }
}

fn map(members: &[(&str, Value)]) -> Value {
    Value::Map(members.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect())
}

/// What a record of this type says.
fn facts(of: &str, members: &[(&str, Value)]) -> Facts {
    Facts::new(crate::testing::of(of), map(members))
}

fn state(state: &str, because: &str) -> Value {
    map(&[("State", Value::from(state)), ("Because", Value::from(because))])
}

fn assembly() -> AssemblyFile {
    let method = |token: u64, name: &str| {
        map(&[
            ("Token", Value::from(format!("{token:#010x}"))),
            ("Method", Value::from(name)),
            ("DeclaredBy", Value::from("regsvcser.Bypass")),
            ("Runs", Value::from("yes")),
            ("Because", Value::from("public and static, with one text parameter")),
        ])
    };
    let bypass = map(&[
        ("Name", Value::from("regsvcser.Bypass")),
        ("Token", Value::from("0x02000002")),
        ("Registrable", Value::Bool(true)),
        ("Clsid", Value::from(CLSID)),
        ("ClsidFrom", Value::from("derived")),
        ("ServicedComponent", Value::from("yes")),
        ("Register", method(0x0600_0001, "RegisterClass")),
        ("Unregister", method(0x0600_0002, "UnRegisterClass")),
    ]);
    let hidden = map(&[("Name", Value::from("<Module>")), ("Registrable", Value::Bool(false))]);
    let cli = map(&[
        ("RuntimeVersion", Value::from("v4.0.30319")),
        ("Mvid", Value::from("{0D4F8F5C-5B0E-4B77-9E55-0C6E8F0A4D11}")),
        (
            "Assembly",
            map(&[(
                "DisplayName",
                Value::from("T1121, Version=0.0.0.0, Culture=neutral, PublicKeyToken=cb1364609f40a1dc"),
            )]),
        ),
        ("TypeLibId", Value::from("{C0D7BDFD-A3AC-3883-AE88-5FD65B1233D7}")),
        ("Types", Value::List(vec![hidden, bypass])),
    ]);
    AssemblyFile {
        path: ASSEMBLY.to_owned(),
        sha256: assembly_citation().sha256,
        state: "complete".to_owned(),
        facts: facts(
            "windows:pe:file",
            &[
                ("Kind", Value::from("managed")),
                ("Sha1", Value::from("0123456789abcdef0123456789abcdef01234567")),
                ("Md5", Value::from("0123456789abcdef0123456789abcdef")),
                ("Machine", Value::from("x86")),
                ("Size", Value::Unsigned(4608)),
                (
                    "Timestamp",
                    map(&[("Reading", Value::from("time")), ("Time", Value::Time(at("2019-07-19T14:30:58")))]),
                ),
                ("Version", map(&[("OriginalFilename", Value::from("T1121.dll"))])),
                ("Cli", cli),
                ("ExecutesOnRegister", state("yes", "regsvcser.Bypass.RegisterClass")),
                ("ExecutesOnUnregister", state("yes", "regsvcser.Bypass.UnRegisterClass")),
                ("ExecutesForRegsvcs", state("yes", "regsvcser.Bypass.RegisterClass")),
                ("ExecutesOnLoad", state("no", "it has managed code only")),
            ],
        ),
        executions: vec!["E1".to_owned(), "E2".to_owned()],
        streams: vec![facts(
            "windows:ntfs:stream",
            &[("Name", Value::from("Zone.Identifier")), ("Text", Value::from("[ZoneTransfer]\r\nZoneId=3\r\n"))],
        )],
        sources: vec![assembly_citation()],
    }
}

fn coverage() -> Vec<Coverage> {
    let log = |source: &str, meaning: &str| Coverage {
        source: source.to_owned(),
        state: evidence::CoverageState::Absent,
        meaning: meaning.to_owned(),
        ..Coverage::default()
    };
    vec![
        Coverage {
            source: "Microsoft-Windows-Sysmon/Operational".to_owned(),
            state: evidence::CoverageState::Read,
            partly: Some("the records 120-121 are missing".to_owned()),
            present: true,
            item: Some(SYSMON.to_owned()),
            records: 565,
            first: Some(at("2019-07-19T14:42:51.4460000")),
            last: Some(at("2019-07-19T15:12:05.1130000")),
            gaps: vec!["the records 120-121 are missing".to_owned()],
            cleared: vec![record(1, None)],
            clearings: vec![Clearing {
                at: Some(at("2019-07-19T14:42:51.4460000")),
                by: Some(r"MSEDGEWIN10\IEUser".to_owned()),
                citation: record(1, None),
            }],
            meaning: "a missing record means something only from 14:42:51 to 15:12:05, and only if Sysmon was told to \
                      record such events"
                .to_owned(),
        },
        log("Security", "not in the evidence, so a missing record means nothing"),
        log("prefetch", "not in the evidence; Windows keeps the last eight starts of a program"),
    ]
}

pub(super) fn problem(number: u64) -> Problem {
    let kind = ProblemKind::Truncated { offset: 65_536 * number, expected: 65_536, actual: 1234 };
    Problem::new(
        Stage::Parse,
        kind,
        format!(r"C:\Windows\System32\winevt\Logs\Log{number}.evtx"),
        "the last chunk is cut off",
        "events of the missing part are not in the timeline",
    )
    .at(Locator::ByteRange { offset: 65_536 * number, length: 1234 })
}

pub(super) fn names() -> (ToolName, BundleName) {
    (
        ToolName { name: "comtrail".to_owned(), version: "0.1.0".to_owned() },
        BundleName {
            file: "MSEDGEWIN10-20190719T153000Z.zip".to_owned(),
            bag: "MSEDGEWIN10-20190719T153000Z".to_owned(),
            archive_sha256: Some("a1b2".repeat(16)),
            sha256: "5f7c".repeat(16),
            source: vec!["/evidence/msedgewin10.E01".to_owned()],
            checks: vec!["check of the stored MD5: matches".to_owned()],
            collected: Some(at("2019-07-20T08:00:00")),
            objects: 184,
            events: 20_391,
            full_timeline: false,
            parts: Vec::new(),
        },
    )
}

fn time_zone() -> TimeZone {
    let mut zone = TimeZone::default();
    zone.name = Some("Pacific Standard Time".to_owned());
    zone.bias = Some(480);
    zone.active_bias = Some(420);
    zone.daylight_time = true;
    zone.rules_from = "the rules that the host keeps for this zone".to_owned();
    zone
}

pub(super) fn host() -> Host {
    Host {
        name: Some("MSEDGEWIN10".to_owned()),
        domain: Some("WORKGROUP".to_owned()),
        product: Some("Windows 10 Enterprise Evaluation".to_owned()),
        build: Some("17763".to_owned()),
        build_lab: None,
        shares: Vec::new(),
        addresses: Vec::new(),
        time_zone: Some(time_zone()),
        control_set: Some(1),
        clock_changes: Vec::new(),
        boots: vec![Boot {
            started: Some(at("2019-07-19T11:58:02")),
            started_corrected: None,
            ended: None,
            ended_corrected: None,
            inferred: false,
            because: "Kernel-General 12 says that the system started".to_owned(),
            computer: Some("MSEDGEWIN10".to_owned()),
            sources: vec![record(2, None)],
        }],
        users: vec![HostUser {
            sid: "S-1-5-21-3461203602-4096304019-2269080069-1000".to_owned(),
            name: Some("IEUser".to_owned()),
            profile: Some(r"C:\Users\IEUser".to_owned()),
        }],
        volumes: vec![HostVolume {
            letter: Some("C:".to_owned()),
            identity: "disk signature 12345678, offset 1048576".to_owned(),
            names: vec![r"\Volume{00000000-0000-0000-0000-100000000000}".to_owned()],
        }],
        settings: vec![Setting { name: "ProcessCreationIncludeCmdLine_Enabled".to_owned(), value: "1".to_owned() }],
        records: 0,
        ..Host::default()
    }
}

/// Everything that the evidence of this host could come to.
pub(crate) fn story() -> Story {
    let command_line = format!(r#""C:\Windows\system32\cmd.exe" /c "{FRAMEWORK}\regasm.exe /U T1121.dll""#);
    Story {
        declared: crate::declared::Declared::new(artifacts::ALL),
        host: host(),
        executions: vec![unregister(), install()],
        attempts: vec![Attempt {
            id: "A1".to_owned(),
            command_line,
            image: r"C:\Windows\System32\cmd.exe".to_owned(),
            pid: Some(5800),
            started: Some(at("2019-07-19T14:45:55.6812190")),
            command: format!(r"{FRAMEWORK}\regasm.exe /U T1121.dll"),
            led_to: Some("E1".to_owned()),
            sources: vec![record(42, JoinRule::Anchor)],
        }],
        lookalikes: vec![Lookalike {
            image: r"C:\Users\Public\RegAsm.exe".to_owned(),
            pid: Some(4242),
            started: Some(at("2019-07-19T15:01:00")),
            command_line: Some("RegAsm.exe -x".to_owned()),
            because: "its version resource names another program".to_owned(),
            runs: Vec::new(),
            sources: vec![record(300, JoinRule::Anchor)],
        }],
        registrations: std::iter::once(registration()).chain((0..12).map(framework_registration)).collect(),
        assemblies: vec![assembly()],
        coverage: coverage(),
        problems: vec![Problem::new(
            Stage::Locate,
            ProblemKind::NotFound,
            r"C:\Windows\Prefetch\*.pf",
            "nothing is there",
            "runs that only prefetch files would show are not known",
        )],
        ..Story::default()
    }
}

/// The full report.
pub(super) fn report() -> Report {
    let (tool, bundle) = names();
    let story = story();
    let assessed = assess(&story, &Rules::own().unwrap());
    let mut report = Report::new(tool, bundle, story, assessed, (0..5).map(problem).collect());
    report.case = CaseFacts {
        id: Some("IR-2041".to_owned()),
        examiner: Some("A. Lee".to_owned()),
        organization: Some("Example CERT".to_owned()),
        reference_time: Some("2019-07-20T08:00:00.0000000Z".to_owned()),
        clock_difference: Some("the clock of the collecting machine was 0.4 seconds ahead of the reference".to_owned()),
    };
    report
}
