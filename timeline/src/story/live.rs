//! What the records of a live host say, in the words of the story.

use super::log_event::{Activity, ActivityKind, Actor, Logon, Recorder, Start, integrity};
use evidence::{JoinRule, Record, Role, Told};

/// The text in a role, where it says something: not empty, nor a dash for nothing.
fn text(record: &Record, role: Role) -> Option<String> {
    let text = record.text_of(role)?.trim();
    (!matches!(text, "" | "-" | "?")).then(|| text.to_owned())
}

/// The number of the logon session in its one spelling.
fn logon_id(record: &Record) -> Option<String> {
    number(record, Role::LogonId).filter(|number| *number != 0).map(|number| format!("{number:#x}"))
}

/// The command line with every character that was recorded.
fn command_line(record: &Record) -> Option<String> {
    let line = record.text_of(Role::CommandLine)?;
    (!matches!(line.trim(), "" | "-")).then(|| line.to_owned())
}

fn number(record: &Record, role: Role) -> Option<u64> {
    record.role(role).and_then(Told::number)
}

/// A process that ran when a live host was looked at.
pub(super) fn process(record: &Record) -> Option<Start> {
    let text = |role| text(record, role);
    let elevation = number(record, Role::ElevationType).filter(|kind| (1..=3).contains(kind));
    Some(Start {
        by: Recorder::Live,
        pid: number(record, Role::Pid),
        image: text(Role::Image)?,
        command_line: command_line(record),
        current_directory: text(Role::CurrentDirectory),
        parent_pid: number(record, Role::ParentPid),
        sid: text(Role::UserSid),
        logon_id: logon_id(record),
        integrity: record.text_of(Role::Integrity).and_then(integrity),
        elevation: elevation.map(|kind| format!("%%{}", 1935 + kind)),
        ..Start::default()
    })
}

/// A connection that a process of a live host had open; a port that only listens is none.
pub(super) fn connection(record: &Record) -> Option<Activity> {
    let remote = text(record, Role::Remote)?;
    let state = text(record, Role::ConnectionState).map(|state| format!(", {state}")).unwrap_or_default();
    let local = text(record, Role::Local).unwrap_or_default();
    Some(Activity {
        actor: Actor { pid: number(record, Role::Pid), guid: None, image: None },
        class: "network",
        what: format!("had a connection from {local} to {remote}{state}"),
        rule: JoinRule::J12,
        kind: ActivityKind::Connected {
            name: None,
            port: remote.rsplit_once(':').and_then(|(_, port)| port.parse().ok()),
        },
        sha256: None,
    })
}

/// A session that was open when a live host was looked at.
pub(super) fn session(record: &Record) -> Option<Logon> {
    Some(Logon {
        logon_id: logon_id(record)?,
        kind: number(record, Role::LogonType).unwrap_or(0),
        user: text(record, Role::UserName),
        address: None,
    })
}

/// The computer of a live record.
pub(super) fn computer(record: &Record) -> String {
    record.text_of(Role::Computer).unwrap_or_default().to_uppercase()
}
