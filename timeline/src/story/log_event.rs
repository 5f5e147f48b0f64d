//! What the records of event logs mean for correlation: process starts and ends, what processes did,
//! logons, boots, cleared logs.
//!
//! Reference: Microsoft, *4688(S): A new process has been created* and its neighbours; *Sysmon*.

use crate::paths;
use evidence::{Fields, Filetime, JoinRule, Record};

/// Sysmon's driver and service may be renamed, its provider keeps this id.
const SYSMON_PROVIDER: &str = "5770385f-c22a-43e0-bf4c-06f5698ffbd9";

/// What recorded a process start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Recorder {
    /// Security 4688.
    #[default]
    Audit,
    Sysmon,
    /// The list of running processes of a live host.
    Live,
}

/// A process start.
#[derive(Clone, Debug, Default)]
pub(super) struct Start {
    /// What recorded it.
    pub(super) by: Recorder,
    pub(super) pid: Option<u64>,
    pub(super) guid: Option<String>,
    pub(super) image: String,
    pub(super) command_line: Option<String>,
    pub(super) current_directory: Option<String>,
    pub(super) parent_pid: Option<u64>,
    pub(super) parent_guid: Option<String>,
    pub(super) parent_image: Option<String>,
    pub(super) parent_command_line: Option<String>,
    pub(super) sid: Option<String>,
    pub(super) user: Option<String>,
    pub(super) logon_id: Option<String>,
    pub(super) integrity: Option<&'static str>,
    /// `%%1936` to `%%1938`.
    pub(super) elevation: Option<String>,
    pub(super) original_file_name: Option<String>,
    pub(super) description: Option<String>,
    pub(super) company: Option<String>,
    pub(super) sha256: Option<String>,
}

/// A process that a record names.
#[derive(Clone, Debug, Default)]
pub(super) struct Actor {
    pub(super) pid: Option<u64>,
    pub(super) guid: Option<String>,
    pub(super) image: Option<String>,
}

/// What a process did, or what was done to it.
#[derive(Clone, Debug)]
pub(super) struct Activity {
    pub(super) actor: Actor,
    /// Class of [`evidence::Related`].
    pub(super) class: &'static str,
    pub(super) what: String,
    /// Rule by which it is joined when the process id, not a GUID, says whose it is.
    pub(super) rule: JoinRule,
    pub(super) kind: ActivityKind,
}

/// What an activity is to the verdict.
#[derive(Clone, Debug)]
pub(super) enum ActivityKind {
    /// An image was loaded.
    Loaded(String),
    /// A connection that the process opened.
    Connected,
    /// A file was created, deleted or changed.
    File { path: String, deleted: bool },
    /// A registry value was set, or a key created or deleted.
    Registry { target: String, details: Option<String>, event: String },
    /// Another process wrote into it or replaced its image.
    Injected,
    /// Anything else.
    Other,
}

/// A logon.
#[derive(Clone, Debug)]
pub(super) struct Logon {
    pub(super) logon_id: String,
    pub(super) kind: u64,
    pub(super) user: Option<String>,
    pub(super) address: Option<String>,
}

/// A sign of the machine starting or stopping.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BootSign {
    /// Kernel-General 12.
    Started(Option<Filetime>),
    /// The event log service started.
    LogStarted,
    /// A first process of a boot.
    FirstProcess,
    /// Kernel-General 13 or the end of the event log service.
    Stopped,
    /// The previous end was not clean.
    Unclean,
}

/// What a record means.
#[derive(Clone, Debug)]
pub(super) enum LogEvent {
    Start(Box<Start>),
    End {
        actor: Actor,
        exit: Option<u64>,
    },
    Activity(Box<Activity>),
    /// A process id that the task scheduler gave.
    TaskStarted {
        actor: Actor,
        task: String,
    },
    Logon(Logon),
    Boot(BootSign),
    /// A log was cleared; which one, and by whom.
    Cleared {
        channel: String,
        by: Option<String>,
    },
    Other,
}

/// A field that says something: not missing, empty, or the dash that providers write for nothing.
fn said(fields: &Fields, name: &str) -> Option<String> {
    let text = fields.text(name)?.trim();
    (!matches!(text, "" | "-" | "?")).then(|| text.to_owned())
}

/// GUIDs come with and without braces and in either case.
fn guid(fields: &Fields, name: &str) -> Option<String> {
    let text = said(fields, name)?.trim_matches(['{', '}']).to_uppercase();
    let empty = text.bytes().all(|byte| matches!(byte, b'0' | b'-'));
    (!empty).then_some(text)
}

/// Logon ids in one spelling.
fn logon_id(fields: &Fields, name: &str) -> Option<String> {
    let number = fields.number(name)?;
    (number != 0).then(|| format!("{number:#x}"))
}

fn account(fields: &Fields, domain: &str, name: &str) -> Option<String> {
    let name = said(fields, name)?;
    Some(match said(fields, domain) {
        Some(domain) => format!("{domain}\\{name}"),
        None => name,
    })
}

/// Integrity from a label SID or Sysmon's word.
fn integrity(label: &str) -> Option<&'static str> {
    Some(match label.to_ascii_lowercase().as_str() {
        "s-1-16-0" | "untrusted" => "untrusted",
        "s-1-16-4096" | "low" | "appcontainer" => "low",
        "s-1-16-8192" | "medium" => "medium",
        "s-1-16-8448" | "mediumplus" | "medium plus" => "medium_plus",
        "s-1-16-12288" | "high" => "high",
        "s-1-16-16384" | "system" => "system",
        _ => return None,
    })
}

fn sha256(hashes: &str) -> Option<String> {
    hashes.split(',').find_map(|hash| paths::strip_prefix_any_case(hash.trim(), "SHA256=")).map(str::to_lowercase)
}

/// The computer of a record, so that a NetBIOS name and its full name agree.
pub(super) fn computer(record: &Record) -> String {
    let name = record.fields.text("System.Computer").unwrap_or_default();
    name.split('.').next().unwrap_or(name).to_uppercase()
}

/// Reads a record.
pub(super) fn read(record: &Record) -> LogEvent {
    let fields = &record.fields;
    let provider = fields.text("System.Provider").unwrap_or_default();
    let Some(id) = fields.number("System.EventID") else { return LogEvent::Other };
    let is = |name: &str| provider.eq_ignore_ascii_case(name);
    let is_sysmon = is("Microsoft-Windows-Sysmon")
        || fields
            .text("System.ProviderGuid")
            .is_some_and(|guid| guid.trim_matches(['{', '}']).eq_ignore_ascii_case(SYSMON_PROVIDER));
    if is_sysmon {
        return sysmon(fields, id);
    }
    if is("Microsoft-Windows-Security-Auditing") {
        return security(fields, id);
    }
    if is("Microsoft-Windows-Eventlog") {
        let channel = match id {
            1102 => "Security".to_owned(),
            104 => said(fields, "Channel").unwrap_or_else(|| "an unnamed log".to_owned()),
            _ => return LogEvent::Other,
        };
        let domain = said(fields, "SubjectDomainName");
        let by = said(fields, "SubjectUserName")
            .map(|name| domain.map_or_else(|| name.clone(), |domain| format!("{domain}\\{name}")));
        return LogEvent::Cleared { channel, by };
    }
    match id {
        6005 if is("EventLog") => LogEvent::Boot(BootSign::LogStarted),
        6006 if is("EventLog") => LogEvent::Boot(BootSign::Stopped),
        6008 if is("EventLog") => LogEvent::Boot(BootSign::Unclean),
        12 if is("Microsoft-Windows-Kernel-General") => {
            let text = fields.get("StartTime");
            let start = text.and_then(|value| value.as_time().or_else(|| Filetime::parse_utc(value.as_text()?)));
            LogEvent::Boot(BootSign::Started(start))
        }
        13 if is("Microsoft-Windows-Kernel-General") => LogEvent::Boot(BootSign::Stopped),
        41 if is("Microsoft-Windows-Kernel-Power") => LogEvent::Boot(BootSign::Unclean),
        129 if is("Microsoft-Windows-TaskScheduler") => LogEvent::TaskStarted {
            actor: Actor { pid: fields.number("ProcessID"), guid: None, image: said(fields, "Path") },
            task: said(fields, "TaskName").unwrap_or_default(),
        },
        _ => LogEvent::Other,
    }
}

fn security(fields: &Fields, id: u64) -> LogEvent {
    match id {
        4688 => {
            let Some(image) = said(fields, "NewProcessName") else { return LogEvent::Other };
            // The target is the account that the process runs as, where there is one; it also names no one
            // with a logon id of zero.
            let (sid, user, logon) = if logon_id(fields, "TargetLogonId").is_some() {
                (said(fields, "TargetUserSid"), account(fields, "TargetDomainName", "TargetUserName"), "TargetLogonId")
            } else {
                (
                    said(fields, "SubjectUserSid"),
                    account(fields, "SubjectDomainName", "SubjectUserName"),
                    "SubjectLogonId",
                )
            };
            LogEvent::Start(Box::new(Start {
                pid: fields.number("NewProcessId"),
                image,
                command_line: said_line(fields),
                parent_pid: fields.number("ProcessId"),
                parent_image: said(fields, "ParentProcessName"),
                sid,
                user,
                logon_id: logon_id(fields, logon),
                integrity: fields.text("MandatoryLabel").and_then(integrity),
                elevation: said(fields, "TokenElevationType"),
                ..Start::default()
            }))
        }
        4689 => LogEvent::End {
            actor: Actor { pid: fields.number("ProcessId"), guid: None, image: said(fields, "ProcessName") },
            exit: fields.number("Status"),
        },
        4624 => match logon_id(fields, "TargetLogonId") {
            Some(logon_id) => LogEvent::Logon(Logon {
                logon_id,
                kind: fields.number("LogonType").unwrap_or(0),
                user: account(fields, "TargetDomainName", "TargetUserName"),
                address: said(fields, "IpAddress"),
            }),
            None => LogEvent::Other,
        },
        5156..=5158 => {
            let image = said(fields, "Application");
            let outbound = fields.text("Direction").is_some_and(|direction| direction.contains("14593"));
            let end = |address: &str, port: &str| {
                format!(
                    "{}:{}",
                    said(fields, address).unwrap_or_else(|| "?".to_owned()),
                    said(fields, port).unwrap_or_else(|| "?".to_owned())
                )
            };
            let what = match (id, outbound) {
                (5158, _) => format!("opened the local port {}", end("SourceAddress", "SourcePort")),
                (5157, _) => format!("connection to {} blocked", end("DestAddress", "DestPort")),
                (_, true) => format!("connected to {}", end("DestAddress", "DestPort")),
                (_, false) => format!("accepted a connection from {}", end("DestAddress", "DestPort")),
            };
            activity(
                Actor { pid: fields.number("ProcessID"), guid: None, image },
                "network",
                what,
                JoinRule::J12,
                if id == 5156 && outbound { ActivityKind::Connected } else { ActivityKind::Other },
            )
        }
        _ => LogEvent::Other,
    }
}

/// The command line with every character that was recorded.
fn said_line(fields: &Fields) -> Option<String> {
    let line = fields.text("CommandLine")?;
    (!matches!(line.trim(), "" | "-")).then(|| line.to_owned())
}

fn activity(actor: Actor, class: &'static str, what: String, rule: JoinRule, kind: ActivityKind) -> LogEvent {
    LogEvent::Activity(Box::new(Activity { actor, class, what, rule, kind }))
}

fn sysmon(fields: &Fields, id: u64) -> LogEvent {
    let actor =
        Actor { pid: fields.number("ProcessId"), guid: guid(fields, "ProcessGuid"), image: said(fields, "Image") };
    let target_file = || said(fields, "TargetFilename").unwrap_or_default();
    let file = |words: &str, deleted: bool| {
        let path = target_file();
        activity(actor.clone(), "file", format!("{words} {path}"), JoinRule::J1, ActivityKind::File { path, deleted })
    };
    match id {
        1 => {
            let Some(image) = actor.image else { return LogEvent::Other };
            LogEvent::Start(Box::new(Start {
                by: Recorder::Sysmon,
                pid: actor.pid,
                guid: actor.guid,
                image,
                command_line: said_line(fields),
                current_directory: said(fields, "CurrentDirectory"),
                parent_pid: fields.number("ParentProcessId"),
                parent_guid: guid(fields, "ParentProcessGuid"),
                parent_image: said(fields, "ParentImage"),
                parent_command_line: said(fields, "ParentCommandLine"),
                sid: None,
                user: said(fields, "User"),
                logon_id: logon_id(fields, "LogonId"),
                integrity: fields.text("IntegrityLevel").and_then(integrity),
                elevation: None,
                original_file_name: said(fields, "OriginalFileName"),
                description: said(fields, "Description"),
                company: said(fields, "Company"),
                sha256: fields.text("Hashes").and_then(sha256),
            }))
        }
        5 => LogEvent::End { actor, exit: None },
        2 => file("changed the creation time of", false),
        11 => file("created", false),
        15 => file("created the stream", false),
        23 | 26 => file("deleted", true),
        27..=29 => file("wrote the program", false),
        3 => {
            let place = said(fields, "DestinationIp").unwrap_or_else(|| "?".to_owned());
            let port = said(fields, "DestinationPort").unwrap_or_else(|| "?".to_owned());
            let name = said(fields, "DestinationHostname").map(|name| format!(" ({name})")).unwrap_or_default();
            // Without the field nothing says who opened it; Sysmon's default is the process itself.
            let opened = fields.text("Initiated").is_none_or(|text| text.eq_ignore_ascii_case("true"));
            let words = if opened { "connected to" } else { "accepted a connection at" };
            let kind = if opened { ActivityKind::Connected } else { ActivityKind::Other };
            activity(actor, "network", format!("{words} {place}:{port}{name}"), JoinRule::J12, kind)
        }
        7 => {
            let image = said(fields, "ImageLoaded").unwrap_or_default();
            activity(actor, "image", format!("loaded {image}"), JoinRule::J1, ActivityKind::Loaded(image))
        }
        12..=14 => {
            let target = said(fields, "TargetObject").unwrap_or_default();
            let event = said(fields, "EventType").unwrap_or_default();
            let details = fields.text("Details").filter(|text| !text.is_empty()).map(str::to_owned);
            let what = match &details {
                Some(details) => format!("{event} {target} = {details}"),
                None => format!("{event} {target}"),
            };
            activity(actor, "registry", what, JoinRule::J1, ActivityKind::Registry { target, details, event })
        }
        22 => {
            let results = said(fields, "QueryResults").map(|results| format!(": {results}")).unwrap_or_default();
            let what = format!("looked up {}{results}", said(fields, "QueryName").unwrap_or_default());
            activity(actor, "dns", what, JoinRule::J13, ActivityKind::Other)
        }
        17 | 18 => {
            let what = format!("pipe {}", said(fields, "PipeName").unwrap_or_default());
            activity(actor, "other", what, JoinRule::J1, ActivityKind::Other)
        }
        25 => {
            let what = format!("image tampering: {}", said(fields, "Type").unwrap_or_default());
            activity(actor, "process", what, JoinRule::J1, ActivityKind::Injected)
        }
        8 | 10 => {
            let source = said(fields, "SourceImage").unwrap_or_default();
            let target = Actor {
                pid: fields.number("TargetProcessId"),
                guid: guid(fields, "TargetProcessGuid").or_else(|| guid(fields, "TargetProcessGUID")),
                image: said(fields, "TargetImage"),
            };
            let (words, kind) = if id == 8 {
                (format!("{source} started a thread in it"), ActivityKind::Injected)
            } else {
                let access = said(fields, "GrantedAccess").unwrap_or_default();
                (format!("{source} opened it with access {access}"), ActivityKind::Other)
            };
            activity(target, "process", words, JoinRule::J1, kind)
        }
        _ => LogEvent::Other,
    }
}

/// A process that ran when a live host was looked at.
pub(super) fn live_process(record: &Record) -> Option<Start> {
    let fields = &record.fields;
    let elevation = fields.number("ElevationType").filter(|kind| (1..=3).contains(kind));
    Some(Start {
        by: Recorder::Live,
        pid: fields.number("ProcessId"),
        image: said(fields, "Image")?,
        command_line: said_line(fields),
        current_directory: said(fields, "CurrentDirectory"),
        parent_pid: fields.number("ParentProcessId"),
        sid: said(fields, "UserSid"),
        logon_id: logon_id(fields, "LogonId"),
        integrity: fields.text("IntegritySid").and_then(integrity),
        elevation: elevation.map(|kind| format!("%%{}", 1935 + kind)),
        ..Start::default()
    })
}

/// A connection that a process of a live host had open; a port that only listens is none.
pub(super) fn live_connection(record: &Record) -> Option<Activity> {
    let fields = &record.fields;
    let remote = said(fields, "Remote")?;
    let state = said(fields, "State").map(|state| format!(", {state}")).unwrap_or_default();
    let local = said(fields, "Local").unwrap_or_default();
    Some(Activity {
        actor: Actor { pid: fields.number("ProcessId"), guid: None, image: None },
        class: "network",
        what: format!("had a connection from {local} to {remote}{state}"),
        rule: JoinRule::J12,
        kind: ActivityKind::Connected,
    })
}

/// A session that was open when a live host was looked at.
pub(super) fn live_session(record: &Record) -> Option<Logon> {
    let fields = &record.fields;
    Some(Logon {
        logon_id: logon_id(fields, "LogonId")?,
        kind: fields.number("LogonType").unwrap_or(0),
        user: said(fields, "Name"),
        address: None,
    })
}

/// The computer of a live record.
pub(super) fn live_computer(record: &Record) -> String {
    record.fields.text("Computer").unwrap_or_default().to_uppercase()
}

/// Words for a logon type.
pub(super) fn logon_kind(kind: u64) -> &'static str {
    match kind {
        2 => "at the console",
        3 => "over the network",
        4 => "for a scheduled task",
        5 => "for a service",
        7 => "unlocking the console",
        8 => "over the network with a clear-text password",
        9 => "with other credentials for the network only",
        10 => "by remote desktop",
        11 => "at the console with cached credentials",
        12 => "by remote desktop with cached credentials",
        13 => "unlocking with cached credentials",
        _ => "in an unlisted way",
    }
}

/// The start that a Sysmon process GUID encodes, in whole seconds.
pub(super) fn start_in_guid(guid: &str) -> Option<Filetime> {
    let mut groups = guid.split('-').skip(1);
    let low = u32::from_str_radix(groups.next()?, 16).ok()?;
    let high = u32::from_str_radix(groups.next()?, 16).ok()?;
    if low > 0xFFFF || high > 0xFFFF {
        return None;
    }
    Filetime::from_unix_seconds(i64::from(high << 16 | low))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_start_in_a_guid() {
        // The catalogue's example: 2025-02-21 10:18:20 UTC.
        let start = start_in_guid("C6FBCDD5-52EC-67B8-3F04-000000001500").unwrap();
        assert_eq!(start.to_string(), "2025-02-21T10:18:20.0000000Z");
        assert_eq!(start_in_guid("x"), None);
        assert_eq!(start_in_guid("C6FBCDD5-FFFFF-67B8"), None);
    }
}
