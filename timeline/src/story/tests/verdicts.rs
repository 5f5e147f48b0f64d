//! Whether a method ran: what the tool does itself is no effect (V1), and which CLR loads which assembly (V2).

use super::*;
use evidence::Step;

const DLL_HERE: &str = r"C:\w\x.dll";
const REGASM2: &str = r"C:\Windows\Microsoft.NET\Framework\v2.0.50727\RegAsm.exe";

/// A child of the tool.
fn child(image: &str, tool: &str) -> (ItemId, Record) {
    audit("2026-03-04 10:00:01", "0x108", image, "its line", ("0x100", tool), LABEL_HIGH)
}

/// A connection that the tool opened.
fn connection(tool: &str, name: &str, port: &str) -> (ItemId, Record) {
    let fields = [
        ("ProcessId", "256"),
        ("Image", tool),
        ("Initiated", "true"),
        ("DestinationIp", "198.51.100.7"),
        ("DestinationPort", port),
        ("DestinationHostname", name),
    ];
    sysmon("2026-03-04 10:00:01", 3, &fields)
}

/// A run of the tool with this command line and what else is recorded of it, and an assembly with these hooks, if one was
/// collected.
fn run(tool: &str, line: &str, label: &str, hooks: Option<&[&'static str]>, more: &[(ItemId, Record)]) -> Execution {
    let mut records = vec![audit("2026-03-04 10:00:00", "0x100", tool, line, ("0x4", ""), label)];
    records.extend(more.iter().cloned());
    let mut items = Vec::new();
    if let Some(hooks) = hooks {
        let (lead, facts) = assembly(3, DLL_HERE, hooks);
        items.push(lead);
        records.push(facts);
    }
    only(&correlate(items, &records)).clone()
}

/// A registration with an elevated token and no success: expected is neither that the method ran nor that it did not.
fn registration(hooks: Option<&[&'static str]>, more: (ItemId, Record)) -> Execution {
    let end = exited("2026-03-04 10:00:02", "0x100", REGASM64, "0x64");
    run(REGASM64, &format!("regasm {DLL_HERE}"), LABEL_HIGH, hooks, &[more, end])
}

const HOOK: Option<&[&str]> = Some(&["ExecutesOnRegister"]);

#[test]
fn v1_children_of_the_tool_itself_are_no_effect() {
    use Answer::{Unknown, Yes};
    for (image, runs) in [
        (r"C:\Windows\System32\conhost.exe", Unknown),
        (r"\Device\HarddiskVolume3\Windows\System32\conhost.exe", Unknown),
        (r"C:\Windows\SysWOW64\WerFault.exe", Unknown),
        (r"C:\WINDOWS\system32\wermgr.exe", Unknown),
        (r"C:\Windows\Microsoft.NET\Framework64\v4.0.30319\csc.exe", Unknown),
        (r"C:\Windows\Microsoft.NET\Framework\v2.0.50727\vbc.exe", Unknown),
        (r"C:\Windows\Microsoft.NET\Framework64\v4.0.30319\CVTRES.EXE", Unknown),
        (r"C:\Windows\Microsoft.NET\Framework64\v4.0.30319\ngen.exe", Unknown),
        (r"C:\Windows\Microsoft.NET\Framework64\v4.0.30319\mscorsvw.exe", Unknown),
        (r"C:\Program Files\Common Files\Microsoft Shared\DW\DW20.EXE", Unknown),
        (r"C:\Program Files (x86)\MSBuild\14.0\Bin\csc.exe", Unknown),
        // The same names elsewhere are other programs.
        (r"C:\Users\Public\csc.exe", Yes),
        (r"C:\Windows\Temp\conhost.exe", Yes),
        (r"C:\Windows\System32\spool\drivers\color\conhost.exe", Yes),
        (r"C:\Windows\System32\csc.exe", Yes),
        (r"C:\Windows\Microsoft.NET\Framework64\v4.0.30319\conhost.exe", Yes),
        (r"C:\Windows\Microsoft.NET\Framework64\v4.0.30319\Temporary\csc.exe", Yes),
        (r"C:\Windows\System32\conhost.exe:x.exe", Yes),
        (r"D:\Windows\System32\conhost.exe", Yes),
        (r"\\server\C$\Windows\System32\conhost.exe", Yes),
        (r"C:\Windows\System32\cmd.exe", Yes),
        // Only a name: it may be the one of the system.
        ("conhost.exe", Unknown),
        ("cmd.exe", Yes),
    ] {
        let run = registration(HOOK, child(image, REGASM64));
        assert_eq!(run.method.runs, runs, "{image}: {}", run.method.because);
        assert_eq!(run.proof.level == Step::L5, runs == Yes, "{image}");
    }
}

#[test]
fn v1_checks_of_certificates_are_no_effect() {
    use Answer::{Unknown, Yes};
    for (name, port, runs, says) in [
        ("ocsp.digicert.com", "80", Unknown, "whether it failed before or after is not recorded."),
        ("CRL.Microsoft.com.", "80", Unknown, "whether it failed before or after is not recorded."),
        // Who that is, no record says.
        ("", "80", Unknown, "the host is not named"),
        ("-", "80", Unknown, "the host is not named"),
        ("198.51.100.7", "80", Unknown, "the host is not named"),
        ("a23-1-2-3.deploy.static.akamaitechnologies.com", "80", Unknown, "serves others too"),
        ("cdn.attacker.example", "80", Yes, "which the tool itself does not do"),
        ("ocsp.digicert.com.attacker.example", "80", Yes, "which the tool itself does not do"),
        ("xocsp.digicert.com", "80", Yes, "which the tool itself does not do"),
        ("ocsp.digicert.com", "8443", Yes, "which the tool itself does not do"),
        ("", "443", Yes, "which the tool itself does not do"),
    ] {
        let run = registration(HOOK, connection(REGASM64, name, port));
        assert_eq!(run.method.runs, runs, "{name}:{port}: {}", run.method.because);
        assert!(run.method.because.contains(says), "{name}:{port}: {}", run.method.because);
        assert_eq!(run.proof.level == Step::L5, runs == Yes, "{name}:{port}");
    }
}

/// Where the prediction is yes, a connection of which nobody knows whose it is makes no step of it.
#[test]
fn v1_an_unclear_connection_is_never_the_proof() {
    let line = format!("regasm {DLL_HERE}");
    let more = [connection(REGASM64, "", "80"), exited("2026-03-04 10:00:02", "0x100", REGASM64, "0x0")];
    let ran = run(REGASM64, &line, LABEL_HIGH, HOOK, &more);
    assert_eq!((ran.method.runs, ran.proof.level), (Answer::Yes, Step::L4));
    // A token without elevation: expected is no, and the connection may be the method's.
    let run = run(REGASM64, &line, LABEL_MEDIUM, HOOK, &more[..1]);
    assert_eq!(run.method.runs, Answer::Unknown, "{}", run.method.because);
}

/// What a process does where no method can run is other code's doing, and less evidence never makes it a method's.
#[test]
fn v1_an_effect_without_a_method_is_other_code() {
    use Answer::{No, Unknown, Yes};
    const CMD: &str = r"C:\Windows\System32\cmd.exe";
    let none: Option<&[&'static str]> = Some(&[]);
    let (plain, asm_only) = (format!("regasm {DLL_HERE}"), format!("regasm /u {DLL_HERE}"));
    for (line, label, hooks, runs, other) in [
        (plain.as_str(), LABEL_HIGH, HOOK, Yes, false),
        (&plain, LABEL_HIGH, none, No, true),
        (&plain, LABEL_HIGH, None, Unknown, false),
        // The hook of the other mode is none of this one.
        (&asm_only, LABEL_HIGH, HOOK, No, true),
        (&asm_only, LABEL_MEDIUM, Some(&["ExecutesOnUnregister"]), Yes, false),
        (&asm_only, LABEL_MEDIUM, None, Unknown, false),
        ("regasm", LABEL_HIGH, HOOK, No, true),
        (r"regasm C:\w\x.dll /regfile", LABEL_HIGH, HOOK, No, true),
        (r"regasm /r C:\w\x.dll", LABEL_HIGH, HOOK, No, true),
        // Without its command line nobody knows what ran.
        ("", LABEL_HIGH, HOOK, Unknown, false),
    ] {
        for effect in [child(CMD, REGASM64), connection(REGASM64, "cdn.attacker.example", "443")] {
            let run = run(REGASM64, line, label, hooks, &[effect]);
            let because = &run.method.because;
            assert_eq!((run.method.runs, because.contains("other code ran in it")), (runs, other), "{line}: {because}");
            assert_eq!(run.proof.level == Step::L5, runs == Yes, "{line}");
        }
    }
    // Of regsvcs the token decides which method it is; where it is not known, both have to be there.
    for (label, hooks, runs) in [
        (LABEL_HIGH, &["ExecutesForRegsvcs"][..], Yes),
        (LABEL_HIGH, &["ExecutesForRegsvcsRollback"], No),
        (LABEL_MEDIUM, &["ExecutesForRegsvcsRollback"], Yes),
        (LABEL_MEDIUM, &["ExecutesForRegsvcs"], No),
        ("-", &["ExecutesForRegsvcs"], Unknown),
        ("-", &["ExecutesForRegsvcs", "ExecutesForRegsvcsRollback"], Yes),
    ] {
        let run = run(REGSVCS64, &format!("regsvcs {DLL_HERE}"), label, Some(hooks), &[child(CMD, REGSVCS64)]);
        assert_eq!(run.method.runs, runs, "{label} {hooks:?}: {}", run.method.because);
    }
}

/// An assembly with both hooks that was built for a version of the CLR, and refers to a core library.
fn built_for(metadata: &str, core: &str) -> (Item, (ItemId, Record)) {
    let (lead, (id, mut record)) = assembly(3, DLL_HERE, &["ExecutesOnRegister", "ExecutesOnUnregister"]);
    let mut cli = vec![("Assembly", map(vec![("Name", Value::from("x"))]))];
    if !metadata.is_empty() {
        cli.push(("RuntimeVersion", Value::from(metadata)));
    }
    if !core.is_empty() {
        let display = format!("mscorlib, Version={core}, Culture=neutral, PublicKeyToken=b77a5c561934e089");
        cli.push(("References", Value::List(vec![Value::from(display.as_str())])));
    }
    let mut fields = Fields::new();
    for (name, value) in record.fields.iter() {
        if name != "Cli" {
            fields.push(name.to_owned(), value.to_value());
        }
    }
    fields.push("Cli", map(cli));
    record.fields = fields;
    (lead, (id, record))
}

#[test]
fn v2_the_clr_of_the_tool_and_that_of_the_assembly() {
    use Answer::{No, Unknown, Yes};
    const REGASM1: &str = r"C:\Windows\Microsoft.NET\Framework\v1.1.4322\RegAsm.exe";
    const COPY: &str = r"C:\v4.0\RegAsm.exe";
    for (tool, metadata, core, exit, runs) in [
        (REGASM2, "v4.0.30319", "4.0.0.0", Some("0x64"), No),
        (REGASM2, "v4.0.30319", "", None, No),
        (REGASM2, "", "4.0.0.0", Some("0x64"), No),
        // What contradicts the rule leaves it open.
        (REGASM2, "v4.0.30319", "4.0.0.0", Some("0x0"), Unknown),
        (REGASM2, "v2.0.50727", "4.0.0.0", None, Unknown),
        (REGASM2, "v2.0.50727", "2.0.0.0", Some("0x0"), Yes),
        (REGASM2, "v1.1.4322", "1.0.5000.0", Some("0x0"), Yes),
        (REGASM2, "", "", Some("0x0"), Unknown),
        (REGASM2, "Standard CLI 2005", "", Some("0x0"), Unknown),
        (REGASM1, "v2.0.50727", "2.0.0.0", Some("0x64"), No),
        (REGASM1, "v1.1.4322", "1.0.5000.0", Some("0x0"), Yes),
        // Version 4 loads what was built for any.
        (REGASM, "v2.0.50727", "2.0.0.0", Some("0x0"), Yes),
        (REGASM, "v4.0.30319", "4.0.0.0", Some("0x0"), Yes),
        (REGASM, "", "", Some("0x0"), Yes),
        // Of what only bears the tool's name nothing is expected.
        (COPY, "v4.0.30319", "4.0.0.0", Some("0x0"), Unknown),
        (COPY, "v2.0.50727", "2.0.0.0", Some("0x0"), Unknown),
        (COPY, "v1.1.4322", "1.0.5000.0", Some("0x0"), Unknown),
    ] {
        let (lead, facts) = built_for(metadata, core);
        let line = format!("regasm {DLL_HERE}");
        let mut records = vec![audit("2026-03-04 10:00:00", "0x100", tool, &line, ("0x4", ""), LABEL_HIGH), facts];
        records.extend(exit.map(|exit| exited("2026-03-04 10:00:01", "0x100", tool, exit)));
        let correlation = correlate(vec![lead], &records);
        let run = only(&correlation);
        let case = format!("{tool} {metadata} {core} {exit:?}");
        assert_eq!(run.method.runs, runs, "{case}: {}", run.method.because);
        assert_eq!(run.proof.level == Step::L4, runs == Yes && exit.is_some(), "{case}");
        assert!(runs != No || run.method.because.contains("0x8013101B"), "{case}: {}", run.method.because);
    }
}

/// What a process does in which the CLR refused the assembly is not the assembly's doing, unless the tool ran under another CLR.
#[test]
fn v2_an_effect_is_not_that_of_an_assembly_that_was_refused() {
    let line = format!("regasm /u {DLL_HERE}");
    for (more, runs) in [
        (child(r"C:\Windows\System32\cmd.exe", REGASM2), Answer::Unknown),
        (child(r"C:\Windows\System32\conhost.exe", REGASM2), Answer::No),
        (connection(REGASM2, "", "80"), Answer::No),
    ] {
        let (lead, facts) = built_for("v4.0.30319", "4.0.0.0");
        let start = audit("2026-03-04 10:00:00", "0x100", REGASM2, &line, ("0x4", ""), LABEL_MEDIUM);
        let correlation = correlate(vec![lead], &vec![start, more, facts]);
        let run = only(&correlation);
        assert_eq!(run.method.runs, runs, "{}", run.method.because);
        assert_ne!(run.proof.level, Step::L5);
    }
}

/// The matrix of modes, tokens and exit codes: `regasm` tells 0 or 100, `regsvcs` 0, 1 or what COM+ said.
#[test]
fn v2_the_mode_the_token_and_the_exit_code() {
    use Answer::{No, Unknown, Yes};
    const ALL: Option<&[&str]> =
        Some(&["ExecutesOnRegister", "ExecutesOnUnregister", "ExecutesForRegsvcs", "ExecutesForRegsvcsRollback"]);
    let (register, unregister) = (Some("register"), Some("unregister"));
    for (tool, options, label, exit, runs, which) in [
        (REGASM64, "", LABEL_HIGH, Some("0x0"), Yes, register),
        (REGASM64, "", LABEL_HIGH, Some("0x64"), Unknown, register),
        (REGASM64, "", LABEL_MEDIUM, Some("0x64"), No, register),
        (REGASM64, "", LABEL_MEDIUM, Some("0x0"), Unknown, register),
        (REGASM64, "/tlb ", LABEL_HIGH, Some("0x0"), Yes, register),
        (REGASM64, "/codebase ", LABEL_MEDIUM, Some("0x64"), No, register),
        (REGASM64, "/u ", LABEL_HIGH, Some("0x0"), Yes, unregister),
        (REGASM64, "/u ", LABEL_HIGH, Some("0x64"), Unknown, unregister),
        (REGASM64, "/u ", LABEL_MEDIUM, Some("0x64"), Yes, unregister),
        (REGASM64, "/u ", LABEL_MEDIUM, None, Yes, unregister),
        (REGASM64, "/regfile ", LABEL_HIGH, Some("0x0"), No, None),
        (REGASM64, "/? ", LABEL_HIGH, Some("0x0"), No, None),
        (REGASM64, "/regfile /u ", LABEL_HIGH, Some("0x64"), No, None),
        (REGSVCS64, "", LABEL_HIGH, Some("0x0"), Yes, register),
        (REGSVCS64, "", LABEL_HIGH, Some("0x1"), Unknown, register),
        (REGSVCS64, "", LABEL_MEDIUM, Some("0x1"), Yes, unregister),
        (REGSVCS64, "", LABEL_MEDIUM, Some("0x80070005"), Yes, unregister),
        (REGSVCS64, "", LABEL_MEDIUM, Some("0x0"), Unknown, unregister),
        (REGSVCS64, "", "-", Some("0x1"), Unknown, None),
        (REGSVCS64, "/u ", LABEL_HIGH, Some("0x0"), Yes, unregister),
        (REGSVCS64, "/u ", LABEL_HIGH, Some("0x1"), Unknown, unregister),
    ] {
        let line = format!("tool {options}{DLL_HERE}");
        let end: Vec<_> = exit.map(|exit| exited("2026-03-04 10:00:01", "0x100", tool, exit)).into_iter().collect();
        let run = run(tool, &line, label, ALL, &end);
        let case = format!("{tool} {options}{label} {exit:?}: {}", run.method.because);
        assert_eq!((run.method.runs, run.method.which), (runs, which), "{case}");
    }
}
