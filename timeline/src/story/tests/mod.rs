//! Stories told in records, and what has to come out of them.

mod artifacts;
mod live;
mod objects;
mod place;
mod runs;
mod same_file;
mod traces;
mod unread;
mod verdicts;

use crate::assess::Rules;
use crate::host::Host;
use crate::story::{Correlator, Story};
use crate::testing::{at, in_order, item, logged, map, record, security, sysmon, time, values};
use evidence::{
    Answer, AssemblyState, Confidence, Execution, Fields, FileTimes, Identified, Identity, Item, ItemId, JoinRule,
    Macb, Meaning, Mode, Record, Recovery, Tool, Value,
};
use std::sync::Arc;

const REGASM: &str = r"C:\Windows\Microsoft.NET\Framework\v4.0.30319\RegAsm.exe";
const REGASM64: &str = r"C:\Windows\Microsoft.NET\Framework64\v4.0.30319\RegAsm.exe";
const REGSVCS64: &str = r"C:\Windows\Microsoft.NET\Framework64\v4.0.30319\RegSvcs.exe";
const TEMP: &str = r"C:\Users\jdoe\AppData\Local\Temp";
const DLL: &str = r"C:\Users\jdoe\AppData\Local\Temp\T1218.009.dll";

/// What the tools do of themselves, as the rules that come with the program say.
fn own_acts() -> Arc<crate::story::OwnActs> {
    Rules::own().unwrap().own_acts()
}

type Entries = Vec<(ItemId, Record)>;

/// The logs are items 0 and 1; further items follow.
fn correlate_with(host: Host, more: Vec<Item>, records: &Entries) -> Story {
    let mut items = vec![
        item(0, r"C:\Windows\System32\winevt\Logs\Security.evtx"),
        item(1, r"C:\Windows\System32\winevt\Logs\Microsoft-Windows-Sysmon%4Operational.evtx"),
    ];
    items.extend(more);
    let mut correlator = Correlator::new(host, &items, ::artifacts::ALL, own_acts());
    for event in in_order(records) {
        correlator.observe(&event);
    }
    correlator.finish()
}

fn correlate(more: Vec<Item>, records: &Entries) -> Story {
    correlate_with(Host::default(), more, records)
}

fn only(correlation: &Story) -> &Execution {
    assert_eq!(correlation.executions.len(), 1, "{:#?}", correlation.executions);
    &correlation.executions[0]
}

/// The times of a file that was made then, as the file system has them, and never changed.
fn made_at(when: &str) -> FileTimes {
    let at = Some(time(when));
    let times = Some(Macb { modified: at, accessed: at, changed: at, born: at });
    FileTimes { si: times, file_name: times, container: None }
}

/// A collected lead, made long before every run, with the facts of a managed assembly in which these hooks run.
fn assembly(id: u32, path: &str, hooks: &[&'static str]) -> (Item, (ItemId, Record)) {
    let mut lead = item(id, path);
    lead.wanted_by = vec!["lead".to_owned()];
    lead.times = made_at("2026-01-01 08:00:00");
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
    execution.sources.iter().filter_map(|source| source.rule.map(JoinRule::id)).collect()
}
