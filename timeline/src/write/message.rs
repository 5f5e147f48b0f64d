//! The sentence of a row: what the record says, in words, without interpretation.
//!
//! A sentence is a pattern. `{Name}` is a field, `{A|B}` the first of several that has a value, `{Name:80}`
//! at most so many characters of it, and what stands in `[…]` is left out when a field in it has no value.

use super::{FileFacts, text};
use crate::merge::{FieldName, Place, RecordView, ValueView};
use evidence::{RecordType, Tells};

/// Patterns of event records by the end of the provider's name and the event id.
const BY_EVENT: &[(&str, &str, &str)] = &[
    ("Security-Auditing", "4616", "The clock was changed from {PreviousTime} to {NewTime}[ by {ProcessName}]"),
    (
        "Security-Auditing",
        "4624",
        "{TargetDomainName}\\{TargetUserName} logged on, type {LogonType}, logon {TargetLogonId}[ from {IpAddress}]",
    ),
    ("Security-Auditing", "4634", "{TargetDomainName}\\{TargetUserName} logged off, logon {TargetLogonId}"),
    ("Security-Auditing", "4647", "{TargetDomainName}\\{TargetUserName} asked to log off, logon {TargetLogonId}"),
    (
        "Security-Auditing",
        "4648",
        "{SubjectUserName} used the credentials of {TargetDomainName}\\{TargetUserName}[ in {ProcessName}][ for {TargetServerName}]",
    ),
    (
        "Security-Auditing",
        "4657",
        "Registry value {ObjectValueName} of {ObjectName} was set[ by {ProcessName}][, process {ProcessId}]",
    ),
    ("Security-Auditing", "4663", "{ObjectName} was accessed[ by {ProcessName}][, process {ProcessId}]"),
    (
        "Security-Auditing",
        "4672",
        "Special privileges for {SubjectDomainName}\\{SubjectUserName}, logon {SubjectLogonId}",
    ),
    (
        "Security-Auditing",
        "4688",
        "Process {NewProcessId} {NewProcessName} started[ by {SubjectDomainName}\\{SubjectUserName}][, parent {ProcessId}][ {ParentProcessName}][, command line: {CommandLine}]",
    ),
    ("Security-Auditing", "4689", "Process {ProcessId} {ProcessName} ended[ with status {Status}]"),
    ("Security-Auditing", "4697", "Service {ServiceName} was installed: {ServiceFileName}"),
    ("Security-Auditing", "4698", "Scheduled task {TaskName} was created[ by {SubjectUserName}]"),
    ("Security-Auditing", "4699", "Scheduled task {TaskName} was deleted[ by {SubjectUserName}]"),
    ("Security-Auditing", "4702", "Scheduled task {TaskName} was changed[ by {SubjectUserName}]"),
    ("Security-Auditing", "4719", "The audit policy was changed[ by {SubjectUserName}][: {AuditPolicyChanges}]"),
    (
        "Security-Auditing",
        "5156",
        "Connection allowed for {Application}, process {ProcessID|ProcessId}, {SourceAddress}:{SourcePort} and {DestAddress}:{DestPort}",
    ),
    ("Security-Auditing", "5140", "Share {ShareName} was opened[ from {IpAddress}]"),
    ("Security-Auditing", "5145", "{RelativeTargetName} of share {ShareName} was opened[ from {IpAddress}]"),
    ("Windows-Eventlog", "1102", "The Security log was cleared[ by {SubjectDomainName}\\{SubjectUserName}]"),
    ("Windows-Eventlog", "104", "The log {Channel} was cleared[ by {SubjectDomainName}\\{SubjectUserName}]"),
    (
        "Sysmon",
        "1",
        "Process {ProcessId} {Image} started[ by {User}][, parent {ParentProcessId}][ {ParentImage}][, command line: {CommandLine}]",
    ),
    (
        "Sysmon",
        "2",
        "{Image}, process {ProcessId}, changed the creation time of {TargetFilename} from {PreviousCreationUtcTime} to {CreationUtcTime}",
    ),
    (
        "Sysmon",
        "3",
        "{Image}, process {ProcessId}, connection {Protocol} {SourceIp}:{SourcePort} to {DestinationIp}:{DestinationPort}[ {DestinationHostname}]",
    ),
    ("Sysmon", "5", "Process {ProcessId} {Image} ended"),
    ("Sysmon", "6", "Driver {ImageLoaded} was loaded"),
    ("Sysmon", "7", "{Image}, process {ProcessId}, loaded {ImageLoaded}"),
    (
        "Sysmon",
        "8",
        "{SourceImage}, process {SourceProcessId}, started a thread in {TargetImage}, process {TargetProcessId}",
    ),
    ("Sysmon", "9", "{Image}, process {ProcessId}, read the disk {Device}"),
    (
        "Sysmon",
        "10",
        "{SourceImage}, process {SourceProcessId}, opened {TargetImage}, process {TargetProcessId}[, access {GrantedAccess}]",
    ),
    ("Sysmon", "11", "{Image}, process {ProcessId}, created {TargetFilename}"),
    ("Sysmon", "12", "{Image}, process {ProcessId}: {EventType} {TargetObject}"),
    ("Sysmon", "13", "{Image}, process {ProcessId}, set {TargetObject} to {Details:300}"),
    ("Sysmon", "14", "{Image}, process {ProcessId}, renamed {TargetObject} to {NewName}"),
    ("Sysmon", "15", "{Image}, process {ProcessId}, created the stream {TargetFilename}[: {Contents:300}]"),
    ("Sysmon", "17", "{Image}, process {ProcessId}, created the pipe {PipeName}"),
    ("Sysmon", "18", "{Image}, process {ProcessId}, connected to the pipe {PipeName}"),
    ("Sysmon", "22", "{Image}, process {ProcessId}, looked up {QueryName}[: {QueryResults:300}]"),
    ("Sysmon", "23", "{Image}, process {ProcessId}, deleted {TargetFilename}"),
    ("Sysmon", "25", "{Image}, process {ProcessId}, was tampered with: {Type}"),
    ("Sysmon", "26", "{Image}, process {ProcessId}, deleted {TargetFilename}"),
    ("Sysmon", "29", "{Image}, process {ProcessId}, wrote the program {TargetFilename}"),
    ("Sysmon", "4", "Sysmon is {State}"),
    ("Sysmon", "16", "The configuration of Sysmon was changed: {Configuration}"),
    ("Service Control Manager", "7045", "Service {ServiceName} was installed: {ImagePath}"),
    ("Service Control Manager", "7036", "Service {param1} is now {param2}"),
    ("Kernel-General", "1", "The clock was changed from {OldTime} to {NewTime}"),
    ("Kernel-General", "12", "The system started[ at {StartTime}]"),
    ("Kernel-General", "13", "The system stopped[ at {StopTime}]"),
    ("EventLog", "6005", "The event log service started"),
    ("EventLog", "6006", "The event log service stopped"),
    ("EventLog", "6008", "The last shutdown was unexpected"),
    (".NET Runtime", "1026", "A .NET program failed: {Data[0]:300}"),
    (
        "Application Error",
        "1000",
        "{AppName|Data[0]} failed in {ModuleName|Data[3]}, exception {ExceptionCode|Data[6]}",
    ),
    ("Windows Error Reporting", "1001", "Error report {EventName|Data[2]}: {P1|Data[5]}"),
    ("TaskScheduler", "106", "Scheduled task {TaskName} was registered[ by {UserContext}]"),
    ("TaskScheduler", "129", "Scheduled task {TaskName} started process {ProcessID} {Path}"),
    ("TaskScheduler", "140", "Scheduled task {TaskName} was changed[ by {UserName}]"),
    ("TaskScheduler", "141", "Scheduled task {TaskName} was deleted[ by {UserName}]"),
    ("TaskScheduler", "200", "Scheduled task {TaskName} started the action {ActionName}"),
    ("TaskScheduler", "201", "Scheduled task {TaskName} ended the action {ActionName}[ with {ResultCode}]"),
    ("PowerShell", "400", "PowerShell started: {Data[2]:300}"),
    ("PowerShell", "4103", "PowerShell ran: {Payload:300}"),
    ("PowerShell", "4104", "PowerShell script[ {Path}], part {MessageNumber} of {MessageTotal}: {ScriptBlockText:300}"),
    ("WMI-Activity", "5857", "WMI provider {ProviderName} was loaded from {ProviderPath}"),
    ("WMI-Activity", "5861", "WMI binding {CONSUMER} in {Namespace}"),
    ("Windows Defender", "1116", "Defender detected {Threat Name} in {Path}[, process {Process Name}]"),
    ("Windows Defender", "1117", "Defender acted on {Threat Name} in {Path}: {Action Name}"),
    ("Windows Defender", "1121", "Defender blocked {Path} by rule {ID}[, process {Process Name}]"),
    ("Windows Defender", "5007", "The configuration of Defender was changed to {New Value}"),
    ("DNS-Client", "3006", "Name lookup of {QueryName}"),
    ("DNS-Client", "3008", "Name lookup of {QueryName} ended with {QueryStatus}[: {QueryResults}]"),
    ("LocalSessionManager", "21", "{User} logged on to session {SessionID}[ from {Address}]"),
    ("LocalSessionManager", "24", "{User} disconnected session {SessionID}[ from {Address}]"),
    ("LocalSessionManager", "25", "{User} reconnected session {SessionID}[ from {Address}]"),
    ("RemoteConnectionManager", "1149", "Remote desktop authentication of {Param2}\\{Param1} from {Param3}"),
];

/// Shown where a sentence needs a value that the record does not have.
const MISSING: &str = "(not recorded)";

/// The fields of a record.
type Fields<'a> = [(FieldName<'a>, ValueView<'a>)];

/// The first value of this name.
fn get<'a>(fields: &Fields<'a>, name: &str) -> Option<ValueView<'a>> {
    fields.iter().find(|(there, _)| there.as_str() == name).map(|(_, value)| *value)
}

fn push(text: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(text.as_bytes());
}

/// Writes the sentence of a record.
pub(super) fn write(record: &RecordView<'_>, out: &mut Vec<u8>) {
    let RecordType { tells, message, .. } = record.shape.of;
    match (tells, *message) {
        (Tells::File, _) => file(record, out),
        (Tells::Event, _) => event_record(record, &record.all_fields(), out),
        (_, "") => push(record.subject, out),
        (_, pattern) => fill(pattern, record, &record.all_fields(), out),
    }
}

/// File records are by far the most, so their sentence is no pattern.
fn file(record: &RecordView<'_>, out: &mut Vec<u8>) {
    push(record.subject, out);
    let FileFacts { directory, in_use, path_certain, size } = FileFacts::of(record);
    push(
        match (in_use, directory) {
            (true, true) => " (folder",
            (true, false) => " (file",
            (false, true) => " (deleted folder",
            (false, false) => " (deleted file",
        },
        out,
    );
    if let (false, Some(size)) = (directory, size) {
        push(", ", out);
        text::decimal(size, out);
        push(" bytes", out);
    }
    if let Place::MftEntry { entry, sequence, .. } = record.place {
        push(", MFT record ", out);
        text::decimal(entry, out);
        out.push(b'-');
        text::decimal(u64::from(sequence), out);
    }
    push(if path_certain { ")" } else { ", path not certain)" }, out);
}

fn event_record(record: &RecordView<'_>, fields: &Fields<'_>, out: &mut Vec<u8>) {
    let text = |name| match get(fields, name) {
        Some(ValueView::Text(text)) => Some(text),
        _ => None,
    };
    let provider = text("System.Provider").unwrap_or("unknown provider");
    let id = text("System.EventID").unwrap_or("?");
    let known = BY_EVENT.iter().find(|(end, number, _)| *number == id && provider.ends_with(end));
    if let Some((_, _, pattern)) = known {
        fill(pattern, record, fields, out);
        return;
    }
    push(provider, out);
    push(" event ", out);
    push(id, out);
    let mut separator = ": ";
    for (name, value) in fields {
        if name.as_str().starts_with("System.") {
            continue;
        }
        push(separator, out);
        push(name.as_str(), out);
        out.push(b'=');
        push_value(*value, 120, out);
        separator = ", ";
        if out.len() > 600 {
            push(", …", out);
            break;
        }
    }
}

/// Fills a pattern.
fn fill(pattern: &str, record: &RecordView<'_>, fields: &Fields<'_>, out: &mut Vec<u8>) {
    // Outside of a group, and at most one group deep.
    let mut rest = pattern;
    while let Some(at) = rest.find(['[', '{']) {
        push(&rest[..at], out);
        if rest[at..].starts_with('{') {
            rest = field(&rest[at..], record, fields, out).unwrap_or_else(|after| {
                push(MISSING, out);
                after
            });
            continue;
        }
        let group = &rest[at + 1..];
        let end = group_end(group);
        let before = out.len();
        let mut inside = &group[..end];
        while let Some(at) = inside.find('{') {
            push(&inside[..at], out);
            match field(&inside[at..], record, fields, out) {
                Ok(after) => inside = after,
                Err(_) => {
                    out.truncate(before);
                    inside = "";
                }
            }
        }
        push(inside, out);
        rest = group.get(end + 1..).unwrap_or("");
    }
    push(rest, out);
}

/// Where a group ends; brackets inside of `{…}` belong to field names.
fn group_end(group: &str) -> usize {
    let mut in_field = false;
    for (at, byte) in group.bytes().enumerate() {
        match byte {
            b'{' => in_field = true,
            b'}' => in_field = false,
            b']' if !in_field => return at,
            _ => {}
        }
    }
    group.len()
}

/// Writes the field that a pattern starts with; gives the rest of the pattern, as an error when the field
/// has no value.
fn field<'a>(
    pattern: &'a str,
    record: &RecordView<'_>,
    fields: &Fields<'_>,
    out: &mut Vec<u8>,
) -> Result<&'a str, &'a str> {
    let end = pattern.find('}').unwrap_or(pattern.len());
    let rest = pattern.get(end + 1..).unwrap_or("");
    let name = pattern.get(1..end).unwrap_or("");
    let (names, limit) = match name.rsplit_once(':') {
        Some((names, limit)) => (names, limit.parse().unwrap_or(usize::MAX)),
        None => (name, usize::MAX),
    };
    for name in names.split('|') {
        let value = match name {
            "@subject" => Some(ValueView::Text(record.subject)),
            name => get(fields, name),
        };
        match value {
            None | Some(ValueView::Text("" | "-")) => {}
            Some(value) => {
                push_value(value, limit, out);
                return Ok(rest);
            }
        }
    }
    Err(rest)
}

/// A value as people read it, at most `limit` characters of a text.
fn push_value(value: ValueView<'_>, limit: usize, out: &mut Vec<u8>) {
    match value {
        ValueView::Text(text) => match text.char_indices().nth(limit) {
            None => push(text, out),
            Some((end, _)) => {
                push(&text[..end], out);
                push("…", out);
            }
        },
        ValueView::Unsigned(number) => text::decimal(number, out),
        ValueView::Signed(number) => text::signed(number, out),
        ValueView::Bool(flag) => push(if flag { "yes" } else { "no" }, out),
        ValueView::Time(time) => push(&time.to_string(), out),
        ValueView::List(items) => {
            for (index, item) in items.enumerate() {
                if index > 0 {
                    push(", ", out);
                }
                push_value(item, limit, out);
            }
        }
        ValueView::Map(members) => {
            for (index, (name, value)) in members.enumerate() {
                if index > 0 {
                    push(", ", out);
                }
                push(name, out);
                out.push(b' ');
                push_value(value, limit, out);
            }
        }
    }
}
