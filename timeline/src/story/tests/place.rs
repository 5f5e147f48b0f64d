//! Which computer and which view of its files a command line is about.

use super::*;
use evidence::{Problem, ProblemKind, Stage};

const IN_SYSTEM32: &str = r"C:\Windows\System32\upd.dll";
const IN_SYSWOW64: &str = r"C:\Windows\SysWOW64\upd.dll";

/// A host of which the hives have these records.
fn host(records: &[(&'static str, &[(&'static str, &str)])]) -> Host {
    let of = |(kind, fields): &(&'static str, &[(&'static str, &str)])| {
        (item(0, r"C:\Windows\System32\config\SYSTEM"), record("host", kind, fields))
    };
    Host::from_records(&records.iter().map(of).collect::<Vec<_>>())
}

/// The run of a tool with this command line where these programs were collected, those with a hook first.
fn run_of(host: Host, image: &str, argument: &str, hooked: &[&str], plain: &[&str], failures: &[Problem]) -> Execution {
    let line = format!("{} /U {argument}", image.rsplit('\\').next().unwrap());
    let parent = ("0x1c90", r"C:\x\powershell.exe");
    let mut records = vec![audit("2026-03-04 14:12:33.121", "0x1e4c", image, &line, parent, LABEL_HIGH)];
    let mut items = vec![item(0, r"C:\Windows\System32\winevt\Logs\Security.evtx")];
    let programs = hooked.iter().map(|path| (path, true)).chain(plain.iter().map(|path| (path, false)));
    for (id, (path, is_hooked)) in (5..).zip(programs) {
        let hooks: &[&'static str] = if is_hooked { &["ExecutesOnUnregister"] } else { &[] };
        let (program, facts) = assembly(id, path, hooks);
        items.push(program);
        records.push(facts);
    }
    let mut correlator = Correlator::new(host, &items, ::artifacts::ALL, own_acts()).knowing(failures);
    for event in in_order(&records) {
        correlator.observe(&event);
    }
    only(&correlator.finish()).clone()
}

#[test]
fn j5_the_file_that_the_tool_got_is_judged() {
    let of = |image, argument: &str| run_of(Host::default(), image, argument, &[IN_SYSWOW64], &[IN_SYSTEM32], &[]);
    for (image, argument, path, hash, runs) in [
        (REGASM, IN_SYSTEM32, IN_SYSWOW64, 5, Answer::Yes),
        (REGASM64, IN_SYSTEM32, IN_SYSTEM32, 6, Answer::No),
        (REGASM, r"C:\Windows\Sysnative\upd.dll", IN_SYSTEM32, 6, Answer::No),
        (REGASM, r"\\localhost\ADMIN$\System32\upd.dll", IN_SYSTEM32, 6, Answer::No),
        (REGASM, IN_SYSWOW64, IN_SYSWOW64, 5, Answer::Yes),
    ] {
        let run = of(image, argument);
        assert_eq!(run.assembly.resolved_path.as_deref(), Some(path), "{image} {argument}");
        assert_eq!(run.assembly.sha256, Some(format!("{hash:064x}")), "{image} {argument}");
        assert_eq!(run.method.runs, runs, "{image} {argument}: {}", run.method.because);
    }
    let resolution = of(REGASM, IN_SYSTEM32).assembly.resolution;
    assert!(resolution.contains("File System Redirector"), "{resolution}");
    let run = of(REGASM64, r"C:\Windows\Sysnative\upd.dll");
    assert_eq!((run.assembly.state, run.assembly.sha256), (AssemblyState::Absent, None));
    assert!(run.assembly.resolution.contains("no folder Sysnative"), "{}", run.assembly.resolution);
}

#[test]
fn j5_where_windows_is_not_known_neither_file_is_judged() {
    // Less evidence: nothing lies where only a 64-bit Windows has folders.
    let run = run_of(Host::default(), REGASM, IN_SYSTEM32, &[], &[IN_SYSTEM32], &[]);
    assert_eq!((run.assembly.state, run.assembly.sha256), (AssemblyState::Unresolved, None));
    assert_eq!(run.assembly.candidates, [IN_SYSWOW64, IN_SYSTEM32]);
    assert_eq!(run.method.runs, Answer::Unknown);
    for (kind, fields) in [
        ("windows:host:os", [("BuildLab", "7601.18741.x86fre.win7sp1_gdr.150202-1526"), ("Build", "7601")]),
        ("windows:host:setting", [("Name", "PROCESSOR_ARCHITECTURE"), ("Value", "x86")]),
    ] {
        let run = run_of(host(&[(kind, &fields)]), REGASM, IN_SYSTEM32, &[], &[IN_SYSTEM32], &[]);
        assert_eq!(run.assembly.resolved_path.as_deref(), Some(IN_SYSTEM32));
        assert_eq!(run.method.runs, Answer::No);
    }
    for (kind, fields) in [
        ("windows:host:os", [("BuildLab", "19041.1.amd64fre.vb_release.191206-1406"), ("Build", "19045")]),
        ("windows:host:setting", [("Name", "PROCESSOR_ARCHITECTURE"), ("Value", "AMD64")]),
    ] {
        let run = run_of(host(&[(kind, &fields)]), REGASM, IN_SYSTEM32, &[], &[IN_SYSTEM32], &[]);
        assert_eq!(run.assembly.resolved_path.as_deref(), Some(IN_SYSWOW64));
        assert_eq!((run.assembly.state, run.method.runs), (AssemblyState::Absent, Answer::Unknown));
    }
}

#[test]
fn j9_a_share_of_this_machine_is_a_folder_of_it() {
    const PAYLOAD: &str = r"C:\ProgramData\drop\upd.dll";
    let own = || {
        host(&[
            ("windows:host:system", &[("ComputerName", "WS-FIN-07"), ("Domain", "corp.example")]),
            ("windows:host:share", &[("Name", "Drop"), ("Path", r"C:\ProgramData\drop")]),
            ("windows:host:address", &[("Interface", "{0}"), ("Address", "10.20.5.7")]),
        ])
    };
    for argument in [
        r"\\WS-FIN-07\C$\ProgramData\drop\upd.dll",
        r"\\ws-fin-07.corp.example\c$\ProgramData\drop\upd.dll",
        r"\\127.0.0.1\ADMIN$\..\C$\x.dll",
        r"\\10.20.5.7\C$\ProgramData\drop\upd.dll",
        r"\\localhost\drop\upd.dll",
    ] {
        let wanted = if argument.contains("ADMIN$") { r"C:\Windows\C$\x.dll" } else { PAYLOAD };
        let run = run_of(own(), REGASM64, argument, &[wanted], &[], &[]);
        assert_eq!(run.assembly.state, AssemblyState::Present, "{argument}: {}", run.assembly.resolution);
        assert_eq!(run.method.runs, Answer::Yes, "{argument}");
    }
    for argument in [r"\\WS-FIN-08\C$\ProgramData\drop\upd.dll", r"\\10.20.5.77\drop\upd.dll"] {
        let run = run_of(own(), REGASM64, argument, &[PAYLOAD], &[], &[]);
        assert_eq!((run.assembly.state, run.assembly.sha256), (AssemblyState::Remote, None), "{argument}");
    }
    // Nobody read which folder the share is: it is this machine, and neither another one nor absent.
    let run = run_of(Host::default(), REGASM64, r"\\WS-FIN-07\Drop\upd.dll", &[PAYLOAD], &[], &[]);
    assert_eq!((run.assembly.state, run.assembly.sha256), (AssemblyState::Unresolved, None));
    assert_eq!(run.assembly.candidates, [PAYLOAD]);
    assert!(run.assembly.resolution.contains("a share of this machine"), "{}", run.assembly.resolution);
}

#[test]
fn j9_a_file_that_nobody_looked_for_behind_a_share_is_not_absent() {
    let share = || host(&[("windows:host:share", &[("Name", "Drop"), ("Path", r"C:\ProgramData\drop")])]);
    let state = |failures: &[Problem]| {
        run_of(share(), REGASM64, r"\\WS-FIN-07\Drop\upd.dll", &[], &[], failures).assembly.state
    };
    assert_eq!(state(&[]), AssemblyState::Unknown);
    let path = r"C:\ProgramData\drop\upd.dll";
    let looked = Problem::new(Stage::Locate, ProblemKind::NotFound, path, "a record names it", "");
    assert_eq!(state(&[looked]), AssemblyState::Absent);
}
