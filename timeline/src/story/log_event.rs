//! What the records of event logs mean for correlation: process starts and ends, what processes did,
//! logons, boots, cleared logs. What an event tells is declared with it ([`Tells`]), and its values are asked for by role.

use crate::event::Happening;
use crate::paths::{self, PathKey};
pub(super) use evidence::Recorder;
use evidence::{Connection, Filetime, JoinRule, Role, Tells, ValueRef};

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
    /// SHA-256 of the file that it is about.
    pub(super) sha256: Option<String>,
}

/// What an activity is to the verdict.
#[derive(Clone, Debug)]
pub(super) enum ActivityKind {
    /// An image was loaded.
    Loaded(String),
    /// A connection that the process opened, to a host of this name, if one is recorded.
    Connected { name: Option<String>, port: Option<u64> },
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
    /// The kernel says that it started, and when.
    Started(Option<Filetime>),
    /// The event log service started.
    LogStarted,
    /// The audit of the system started.
    AuditStarted,
    /// A first process of a boot.
    FirstProcess,
    /// The kernel, or the event log service, ended.
    Stopped,
    /// The previous end was not clean.
    Unclean,
}

/// What a record means.
#[derive(Clone, Debug)]
pub(super) enum LogEvent {
    /// A process started. The path of its image is made comparable with the rest, since that is done on all threads.
    Start(Box<Start>, PathKey),
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
    /// The scheduler started an action of a task.
    TaskAction {
        task: String,
        image: String,
    },
    /// A scheduled task was made or changed, by the process of this number.
    TaskMade {
        task: String,
        definition: Option<String>,
        pid: Option<u64>,
    },
    Logon(Logon),
    Boot(BootSign),
    /// The clock was changed.
    ClockChanged,
    /// A log was cleared; which one, and by whom.
    Cleared {
        channel: String,
        by: Option<String>,
    },
    Other,
}

/// A text that says something: not missing, empty, or the dash that providers write for nothing.
fn meant(text: Option<&str>) -> Option<String> {
    let text = text?.trim();
    (!matches!(text, "" | "-" | "?")).then(|| text.to_owned())
}

/// The same, where it says something.
pub(super) fn said(record: &impl Happening, role: Role) -> Option<String> {
    meant(record.text_of(role))
}

/// The same in a sentence that needs it.
fn or_unknown(record: &impl Happening, role: Role) -> String {
    said(record, role).unwrap_or_else(|| "?".to_owned())
}

fn number(record: &impl Happening, role: Role) -> Option<u64> {
    record.value_of(role).and_then(ValueRef::as_number)
}

/// GUIDs come with and without braces and in either case.
fn guid(record: &impl Happening, role: Role) -> Option<String> {
    let text = said(record, role)?.trim_matches(['{', '}']).to_uppercase();
    let empty = text.bytes().all(|byte| matches!(byte, b'0' | b'-'));
    (!empty).then_some(text)
}

/// Logon ids in one spelling; zero is none.
fn logon_id(number: Option<u64>) -> Option<String> {
    number.filter(|number| *number != 0).map(|number| format!("{number:#x}"))
}

pub(super) fn account(record: &impl Happening, domain: Role, name: Role) -> Option<String> {
    let name = said(record, name)?;
    Some(match said(record, domain) {
        Some(domain) => format!("{domain}\\{name}"),
        None => name,
    })
}

/// Integrity from a label SID or Sysmon's word.
pub(super) fn integrity(label: &str) -> Option<&'static str> {
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
pub(super) fn computer(record: &impl Happening) -> String {
    let name = record.text_of(Role::Computer).unwrap_or_default();
    name.split('.').next().unwrap_or(name).to_uppercase()
}

/// The command line with every character that was recorded.
fn line(text: Option<&str>) -> Option<String> {
    text.filter(|line| !matches!(line.trim(), "" | "-")).map(str::to_owned)
}

/// Reads a record of an event.
pub(super) fn read(record: &impl Happening) -> LogEvent {
    match record.of().tells {
        Tells::ProcessStart(by) => start(record, by),
        Tells::ProcessEnd => LogEvent::End { actor: actor(record), exit: number(record, Role::ExitStatus) },
        Tells::TaskStart => {
            LogEvent::TaskStarted { actor: actor(record), task: said(record, Role::Task).unwrap_or_default() }
        }
        Tells::TaskAction => LogEvent::TaskAction {
            task: said(record, Role::Task).unwrap_or_default(),
            image: said(record, Role::Image).unwrap_or_default(),
        },
        Tells::TaskMade => LogEvent::TaskMade {
            task: said(record, Role::Task).unwrap_or_default(),
            definition: said(record, Role::TaskDefinition),
            pid: number(record, Role::Pid),
        },
        Tells::Logon => match logon_id(number(record, Role::LogonId)) {
            Some(logon_id) => LogEvent::Logon(Logon {
                logon_id,
                kind: number(record, Role::LogonType).unwrap_or(0),
                user: account(record, Role::UserDomain, Role::UserName),
                address: said(record, Role::Address),
            }),
            None => LogEvent::Other,
        },
        Tells::SystemStart => {
            let value = record.value_of(Role::SystemStart);
            let at = value.and_then(|value| value.as_time().or_else(|| Filetime::parse_utc(value.as_text()?)));
            LogEvent::Boot(BootSign::Started(at))
        }
        Tells::LogStart => LogEvent::Boot(BootSign::LogStarted),
        Tells::AuditStart => LogEvent::Boot(BootSign::AuditStarted),
        Tells::SystemStop => LogEvent::Boot(BootSign::Stopped),
        Tells::UncleanStop => LogEvent::Boot(BootSign::Unclean),
        Tells::ClockChange => LogEvent::ClockChanged,
        Tells::LogCleared => LogEvent::Cleared {
            channel: said(record, Role::ClearedLog).unwrap_or_else(|| "an unnamed log".to_owned()),
            by: account(record, Role::ByDomain, Role::ByName),
        },
        _ => match act(record) {
            Some((class, what, rule, kind)) => {
                let sha256 = record.text_of(Role::Hashes).and_then(sha256);
                LogEvent::Activity(Box::new(Activity { actor: actor(record), class, what, rule, kind, sha256 }))
            }
            None => LogEvent::Other,
        },
    }
}

/// The process that a record is about.
fn actor(record: &impl Happening) -> Actor {
    Actor { pid: number(record, Role::Pid), guid: guid(record, Role::ProcessGuid), image: said(record, Role::Image) }
}

fn start(record: &impl Happening, by: Recorder) -> LogEvent {
    let Some(image) = said(record, Role::Image) else { return LogEvent::Other };
    // Where the event names the one who started it as well, the account that the process runs as can be missing or
    // have no session: then it is the same.
    let own = logon_id(number(record, Role::LogonId));
    let (sid, user, logon_id) = if own.is_some() || record.of().in_role(Role::ByLogonId).next().is_none() {
        (said(record, Role::UserSid), account(record, Role::UserDomain, Role::UserName), own)
    } else {
        let logon_id = logon_id(number(record, Role::ByLogonId));
        (said(record, Role::BySid), account(record, Role::ByDomain, Role::ByName), logon_id)
    };
    let key = PathKey::new(&image);
    let start = Start {
        by,
        pid: number(record, Role::Pid),
        guid: guid(record, Role::ProcessGuid),
        image,
        command_line: line(record.text_of(Role::CommandLine)),
        current_directory: said(record, Role::CurrentDirectory),
        parent_pid: number(record, Role::ParentPid),
        parent_guid: guid(record, Role::ParentGuid),
        parent_image: said(record, Role::ParentImage),
        parent_command_line: said(record, Role::ParentCommandLine),
        sid,
        user,
        logon_id,
        integrity: record.text_of(Role::Integrity).and_then(integrity),
        elevation: said(record, Role::ElevationType),
        original_file_name: said(record, Role::OriginalFileName),
        description: said(record, Role::Description),
        company: said(record, Role::Company),
        sha256: record.text_of(Role::Hashes).and_then(sha256),
    };
    LogEvent::Start(Box::new(start), key)
}

/// What a process did, or what was done to it: the class, the words, the rule that joins it, and what it is.
fn act(record: &impl Happening) -> Option<(&'static str, String, JoinRule, ActivityKind)> {
    let or_nothing = |role| said(record, role).unwrap_or_default();
    let end = || format!("{}:{}", or_unknown(record, Role::Address), or_unknown(record, Role::Port));
    let file = |words: &str, deleted| {
        let path = or_nothing(Role::File);
        ("file", format!("{words} {path}"), JoinRule::J1, ActivityKind::File { path, deleted })
    };
    let other = |class, what, rule| (class, what, rule, ActivityKind::Other);
    Some(match record.of().tells {
        Tells::FileWritten(words) | Tells::FileTouched(words) => file(words, false),
        Tells::FileDeleted(words) => file(words, true),
        Tells::Connection(Connection { opened, unsaid, accepted }) => {
            let direction = record.text_of(Role::Direction).map(|text| text.trim_matches('%'));
            let has_opened = direction.map_or(unsaid, |text| text.eq_ignore_ascii_case(opened));
            let (words, kind) = match has_opened {
                true => {
                    let port = number(record, Role::Port);
                    ("connected to", ActivityKind::Connected { name: said(record, Role::AddressName), port })
                }
                false => (accepted, ActivityKind::Other),
            };
            let name = said(record, Role::AddressName).map(|name| format!(" ({name})")).unwrap_or_default();
            ("network", format!("{words} {}{name}", end()), JoinRule::J12, kind)
        }
        Tells::ConnectionBlocked => other("network", format!("connection to {} blocked", end()), JoinRule::J12),
        Tells::PortOpened => other("network", format!("opened the local port {}", end()), JoinRule::J12),
        Tells::ImageLoaded => {
            let image = or_nothing(Role::LoadedImage);
            ("image", format!("loaded {image}"), JoinRule::J1, ActivityKind::Loaded(image))
        }
        Tells::RegistryChange => {
            let (target, event) = (or_nothing(Role::RegistryTarget), or_nothing(Role::RegistryAct));
            let details = record.text_of(Role::RegistryValue).filter(|text| !text.is_empty()).map(str::to_owned);
            let what = match &details {
                Some(details) => format!("{event} {target} = {details}"),
                None => format!("{event} {target}"),
            };
            ("registry", what, JoinRule::J1, ActivityKind::Registry { target, details, event })
        }
        Tells::DnsQuery => {
            let results = said(record, Role::QueryResults).map(|results| format!(": {results}")).unwrap_or_default();
            other("dns", format!("looked up {}{results}", or_nothing(Role::QueryName)), JoinRule::J13)
        }
        Tells::Pipe => other("other", format!("pipe {}", or_nothing(Role::Pipe)), JoinRule::J1),
        Tells::Tampering => {
            let what = format!("image tampering: {}", or_nothing(Role::Tampering));
            ("process", what, JoinRule::J1, ActivityKind::Injected)
        }
        Tells::RemoteThread => {
            let what = format!("{} started a thread in it", or_nothing(Role::SourceImage));
            ("process", what, JoinRule::J1, ActivityKind::Injected)
        }
        Tells::ProcessOpened => {
            let (source, access) = (or_nothing(Role::SourceImage), or_nothing(Role::Access));
            other("process", format!("{source} opened it with access {access}"), JoinRule::J1)
        }
        _ => return None,
    })
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
