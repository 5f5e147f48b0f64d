//! Event logs.
//!
//! # What Windows records
//! Providers write events with named values into channels; each channel is a file. For this technique the process
//! records of Security (4688, 4689) and Sysmon (1, 5) carry the command line, the account and the parent; Sysmon 12 and
//! 13 the registration; logon, task, service, installer, PowerShell and Defender events what stands around them.
//!
//! # When it writes
//! Immediately, into memory; a chunk of 64 KiB reaches the file within a minute or when it is full. A copy of a live
//! log is therefore marked dirty and may lack the last records.
//!
//! # Where
//! `%SystemRoot%\System32\winevt\Logs\*.evtx`, archived logs beside them.
//!
//! # What it supports
//! That the provider logged this at this time; for 4688 and Sysmon 1 that a process with this image started.
//!
//! # What it does not
//! A missing record proves nothing until the channel was enabled, the audit policy was on and the log reaches back that
//! far. A command line can be forged by the process that starts another. `TimeCreated` is when it was logged; Sysmon's
//! `UtcTime` is when its driver saw it.
//!
//! # Versions
//! Windows Vista and later. Fields come by name from the record's own template, so an event version with fewer or more
//! of them is not an error.
//!
//! # Limits
//! Only events of a list are kept ([`wanted`]); the channel record counts all. Messages are not rendered: their texts
//! stand in files of the host that are localised. Records behind the free-space mark of a chunk are recovered and
//! labelled; they may be older than they seem.
//!
//! # References
//! See the references of [`ARTIFACT`].

mod wanted;

use crate::formats::evtx::{CHUNK_SIZE, Chunk, FileHeader, RawRecord, RenderError, SystemValues, Templates};
use evidence::{
    Artifact, Claim, Fields, Filetime, Input, Integrity, Lead, Location, Locator, Meaning, Moment, Phase, ProblemKind,
    Record, Sink, Timestamp, Value,
};
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::Arc;
use wanted::{SUBJECTS, USERS, claims, is_sysmon, is_wanted};

/// Event logs.
pub(crate) static ARTIFACT: Artifact = Artifact {
    id: "event-log",
    title: "Event logs",
    data_types: &[RECORD, CHANNEL],
    locations: &[
        Location::File(r"%SystemRoot%\System32\winevt\Logs\*.evtx"),
        Location::File(r"%SystemRoot%\System32\config\*.evtx"),
    ],
    claims: &[
        Claim::Executed,
        Claim::LoggedOn,
        Claim::Connected,
        Claim::Installed,
        Claim::Persisted,
        Claim::Present,
        Claim::Deleted,
    ],
    supports: "That a provider logged this event, with these values, at this time. Security 4688 and Sysmon 1 are records \
               of a process start with its image, account, parent and, where the policy or Sysmon gives it, command \
               line; Sysmon 12 and 13 of registry writes with the process that made them.",
    does_not_support: "A missing record proves nothing unless the channel was enabled, the audit policy on and the log \
                       reaches back that far: see the coverage table. A recorded command line is what the parent gave, \
                       which a process can forge. A recovered record has lost its place in the order of the log.",
    windows: "Windows Vista and later. Security 4688 needs the audit policy, its command line another one; Sysmon is an \
              add-on; TaskScheduler/Operational and DNS Client/Operational are off by default.",
    references: &[
        "libyal, Windows XML Event Log (EVTX) format, https://github.com/libyal/libevtx",
        "Microsoft, [MS-EVEN6] EventLog Remoting Protocol, section 2.2.12 BinXml",
        "Microsoft, 4688(S): A new process has been created, https://learn.microsoft.com/windows/security/threat-protection/auditing/event-4688",
        "Microsoft, Sysmon, https://learn.microsoft.com/sysinternals/downloads/sysmon",
    ],
    phase: Phase::Independent,
    parse,
    leads,
};

const RECORD: &str = "windows:evtx:record";
const CHANNEL: &str = "windows:evtx:channel";
/// Most ranges of missing record numbers that are listed.
const MAX_GAPS: usize = 100;
/// Most separate runs of record numbers that are remembered while a log is read; a log has one, a damaged one hundreds.
const MAX_RUNS: usize = 100_000;

/// What is seen of a log as a whole.
#[derive(Default)]
struct Summary {
    channels: BTreeMap<String, u64>,
    live: u64,
    recovered: u64,
    undecodable: u64,
    times: Option<(u64, u64)>,
    /// Runs of consecutive record numbers, in stored order.
    runs: Vec<(u64, u64)>,
}

impl Summary {
    fn number(&mut self, number: u64) {
        if let Some((_, last)) = self.runs.last_mut()
            && last.checked_add(1) == Some(number)
        {
            *last = number;
        } else if self.runs.len() < MAX_RUNS {
            self.runs.push((number, number));
        }
    }

    fn time(&mut self, ticks: u64) {
        let (first, last) = self.times.get_or_insert((ticks, ticks));
        *first = ticks.min(*first);
        *last = ticks.max(*last);
    }
}

fn parse(input: &Input<'_>, sink: &mut Sink<'_>) {
    let size = input.bytes.len();
    let mut head = [0u8; 128];
    let read = match input.bytes.read_full_at(0, &mut head) {
        Ok(read) => read,
        Err(error) => return unreadable(sink, 0, &error),
    };
    let header = FileHeader::parse(&head[..read]);
    match header {
        None => sink.problem(
            ProblemKind::BadSignature {
                offset: 0,
                expected: "ElfFile".into(),
                actual: head[..read.min(8)].escape_ascii().to_string(),
            },
            None,
            "the file header of an event log is missing",
            "chunks are searched at their usual places; records between them would not be found",
        ),
        Some(header) if !header.checksum_matches => sink.problem(
            ProblemKind::BadChecksum { offset: 0 },
            None,
            "the file header does not match its checksum",
            "the header may have been changed; the chunks are read independently of it",
        ),
        Some(_) => {}
    }
    let mut summary = Summary::default();
    let mut buffer = vec![0u8; CHUNK_SIZE];
    let mut at = header.map_or(4096, |header| header.first_chunk);
    while at < size {
        let read = match input.bytes.read_full_at(at, &mut buffer) {
            Ok(read) => read,
            Err(error) => {
                unreadable(sink, at, &error);
                at += CHUNK_SIZE as u64;
                continue;
            }
        };
        if let Some(chunk) = Chunk::parse(&buffer[..read]) {
            if read < CHUNK_SIZE {
                sink.problem(
                    ProblemKind::Truncated { offset: at, expected: CHUNK_SIZE as u64, actual: read as u64 },
                    None,
                    "the last chunk is cut off",
                    "records behind the cut are missing",
                );
            }
            parse_chunk(&chunk, at, &mut summary, sink);
        } else if buffer[..read].iter().any(|byte| *byte != 0) {
            sink.problem(
                ProblemKind::BadSignature {
                    offset: at,
                    expected: "ElfChnk".into(),
                    actual: buffer[..read.min(8)].escape_ascii().to_string(),
                },
                None,
                "a chunk has lost its header",
                "its records are searched by their signature and rendered as far as their templates are there",
            );
            salvage(&buffer[..read], at, &mut summary, sink);
        }
        at += CHUNK_SIZE as u64;
    }
    describe(input, header, summary, sink);
}

fn unreadable(sink: &mut Sink<'_>, offset: u64, error: &std::io::Error) {
    let place = Locator::ByteRange { offset, length: CHUNK_SIZE as u64 };
    let what = format!("reading failed: {error}");
    sink.problem(ProblemKind::ReadFailed, Some(place), what, "the records of this chunk are missing");
}

fn parse_chunk(chunk: &Chunk<'_>, at: u64, summary: &mut Summary, sink: &mut Sink<'_>) {
    let whole = chunk.checksums_match();
    if !whole {
        sink.problem(
            ProblemKind::BadChecksum { offset: at },
            None,
            "a chunk does not match its checksums",
            "it was being written when it was copied, or was changed; its records are read and marked as corrupted",
        );
    }
    let mut gaps = 0;
    let records = chunk.records(&mut gaps);
    if gaps > 0 {
        sink.problem(
            ProblemKind::Inconsistent {
                a: format!("the chunk at offset {at} should hold records only"),
                b: format!("something else stands in {gaps} places"),
            },
            None,
            "a chunk is damaged between its records",
            "records that stood there are missing",
        );
    }
    let mut templates = Templates::new(chunk.data());
    let mut seen: Vec<u64> = Vec::with_capacity(records.len());
    for record in &records {
        let integrity = match (record.in_slack, whole) {
            (true, _) => Integrity::Recovered,
            (false, true) => Integrity::Intact,
            (false, false) => Integrity::Corrupted,
        };
        // The slack often still holds the first writing of a record that lives in the chunk.
        if record.in_slack && seen.contains(&record.number) {
            continue;
        }
        if !record.in_slack {
            seen.push(record.number);
        }
        parse_record(chunk.data(), at, record, integrity, &mut templates, summary, sink);
    }
}

/// A chunk without header: everything in it counts as recovered.
fn salvage(data: &[u8], at: u64, summary: &mut Summary, sink: &mut Sink<'_>) {
    let mut patched = data.to_vec();
    if patched.len() < 512 {
        return;
    }
    patched[..8].copy_from_slice(b"ElfChnk\0");
    patched[48..52].copy_from_slice(&512u32.to_le_bytes());
    let Some(chunk) = Chunk::parse(&patched) else { return };
    let mut templates = Templates::new(chunk.data());
    for record in chunk.records(&mut 0) {
        parse_record(chunk.data(), at, &record, Integrity::Recovered, &mut templates, summary, sink);
    }
}

fn parse_record(
    data: &[u8],
    at: u64,
    record: &RawRecord,
    integrity: Integrity,
    templates: &mut Templates<'_>,
    summary: &mut Summary,
    sink: &mut Sink<'_>,
) {
    let locator = Locator::EvtxRecord { record_id: record.number, offset: at + record.offset as u64 };
    let is_live = integrity != Integrity::Recovered;
    let read = match templates.system(record.body, record.end) {
        Ok(system) => Ok((system, None)),
        Err(error) if is_live => {
            second_reader(data, record).map(|(system, fields)| (system, Some(fields))).ok_or(Some(error))
        }
        // Slack is full of fragments that only look like records.
        Err(_) => Err(None),
    };
    if is_live {
        summary.live += 1;
        summary.number(record.number);
        summary.time(read.as_ref().ok().and_then(|(system, _)| system.time).unwrap_or(record.written));
    } else if read.is_ok() {
        summary.recovered += 1;
    }
    let (system, fallback) = match read {
        Ok(read) => read,
        Err(None) => return,
        Err(Some(error)) => {
            summary.undecodable += 1;
            undecodable(sink, locator, error);
            return;
        }
    };
    if !system.channel.is_empty() && integrity != Integrity::Recovered {
        match summary.channels.get_mut(&system.channel) {
            Some(count) => *count += 1,
            None => {
                summary.channels.insert(system.channel.clone(), 1);
            }
        }
    }
    if !is_wanted(&system.provider, &system.provider_guid, system.event_id) {
        return;
    }
    let fields = match fallback {
        Some(fields) => fields,
        None => {
            let mut fields = Fields::new();
            let mut unnamed = 0;
            let outcome = templates.render(record.body, record.end, &mut |path, name, text| {
                push_value(&mut fields, &mut unnamed, path, name, text);
            });
            if let Err(error) = outcome {
                undecodable(sink, locator.clone(), error);
            }
            fields
        }
    };
    let sysmon = is_sysmon(&system.provider, &system.provider_guid);
    let subject = SUBJECTS.iter().find_map(|name| fields.text(name)).unwrap_or(&system.channel).to_owned();
    let user = USERS
        .iter()
        .find_map(|name| fields.text(name).filter(|sid| sid.starts_with("S-1-") && *sid != "S-1-0-0"))
        .map(str::to_owned);
    let time = Timestamp::filetime(system.time.unwrap_or(record.written));
    sink.record(Record {
        artifact: ARTIFACT.id,
        data_type: RECORD,
        subject,
        user,
        moments: time.map(|time| Moment::at(Meaning::RECORDED, time)).into_iter().collect(),
        claims: claims(&system.provider, sysmon, system.event_id),
        fields,
        locator,
        integrity,
    });
}

fn undecodable(sink: &mut Sink<'_>, locator: Locator, error: RenderError) {
    let kind = match error {
        RenderError::Malformed { offset } => {
            ProblemKind::OutOfRange { raw: format!("binary XML at chunk offset {offset}") }
        }
        RenderError::TooLarge => ProblemKind::LimitReached,
    };
    sink.problem(kind, Some(locator), "a record could not be decoded", "what this record says is not known");
}

/// Names a value as docs/records.md says: `System.` before the names of the System part, unnamed data by its place.
fn push_value(fields: &mut Fields, unnamed: &mut usize, path: &[Rc<str>], name: Option<&str>, text: String) {
    let last = path.last().map_or("", |last| &**last);
    match path.get(1).map(|part| &**part) {
        Some("System") => {
            let field = match (path.get(2).map(|part| &**part), last) {
                (Some("Provider"), "@Name") => "System.Provider".into(),
                (Some("Provider"), "@Guid") => "System.ProviderGuid".into(),
                (Some("Security"), "@UserID") => "System.UserID".into(),
                (Some("TimeCreated"), _) => return,
                (_, last) => format!("System.{}", last.trim_start_matches('@')),
            };
            fields.push(field, text);
        }
        _ if last == "@xmlns" || last.starts_with("@xmlns:") => {}
        _ => match (name, last) {
            (Some(name), _) => fields.push(name.to_owned(), text),
            (None, "Data") => {
                fields.push(format!("Data[{unnamed}]"), text);
                *unnamed += 1;
            }
            (None, last) => {
                let name = last.trim_start_matches('@');
                // Nested user data can use a name twice.
                if fields.get(name).is_some() {
                    fields.push(path[1..].join("."), text);
                } else {
                    fields.push(name.to_owned(), text);
                }
            }
        },
    }
}

/// The crate `evtx` reads what our own reader does not: templates with tokens that Windows' own never have.
fn second_reader(data: &[u8], record: &RawRecord) -> Option<(SystemValues, Fields)> {
    let json = catch_unwind(AssertUnwindSafe(|| -> Option<serde_json::Value> {
        let mut padded = data.to_vec();
        padded.resize(CHUNK_SIZE, 0);
        let mut chunk = evtx::EvtxChunkData::new(padded, false).ok()?;
        let mut chunk = chunk.parse(Arc::new(evtx::ParserSettings::new())).ok()?;
        for found in chunk.iter() {
            let found = found.ok()?;
            if found.event_record_id == record.number {
                return Some(found.into_json_value().ok()?.data);
            }
        }
        None
    }))
    .ok()??;
    let event = json.get("Event")?;
    let system = event.get("System")?;
    let text = |value: Option<&serde_json::Value>| match value {
        Some(serde_json::Value::String(text)) => text.clone(),
        Some(serde_json::Value::Object(members)) => {
            members.get("#text").map(|text| text.to_string()).unwrap_or_default()
        }
        Some(other) => other.to_string(),
        None => String::new(),
    };
    let provider = system.pointer("/Provider/#attributes/Name");
    let values = SystemValues {
        event_id: text(system.get("EventID")).parse().ok()?,
        provider: text(provider),
        provider_guid: text(system.pointer("/Provider/#attributes/Guid")),
        channel: text(system.get("Channel")),
        time: text(system.pointer("/TimeCreated/#attributes/SystemTime")).parse().ok().or_else(|| {
            Filetime::parse_utc(&text(system.pointer("/TimeCreated/#attributes/SystemTime"))).map(|time| time.0)
        }),
    };
    let mut fields = Fields::new();
    for (name, value) in [
        ("System.Provider", provider),
        ("System.EventID", system.get("EventID")),
        ("System.Channel", system.get("Channel")),
        ("System.Computer", system.get("Computer")),
        ("System.EventRecordID", system.get("EventRecordID")),
    ] {
        fields.push_some(name, value.map(|value| text(Some(value))));
    }
    for part in ["EventData", "UserData"] {
        if let Some(serde_json::Value::Object(members)) = event.get(part) {
            for (name, value) in members {
                fields.push(name.clone(), text(Some(value)));
            }
        }
    }
    Some((values, fields))
}

/// The record about the log as a whole.
fn describe(input: &Input<'_>, header: Option<FileHeader>, mut summary: Summary, sink: &mut Sink<'_>) {
    let mut fields = Fields::new();
    let channel = summary.channels.iter().max_by_key(|(_, count)| **count).map(|(name, _)| name.clone());
    // An empty log says nothing about its channel; the file name does.
    let from_name = input.original_path.rsplit(['\\', '/']).next().map(|name| {
        let stem =
            name.get(..name.len().saturating_sub(5)).filter(|_| name.to_lowercase().ends_with(".evtx")).unwrap_or(name);
        stem.replace("%4", "/")
    });
    fields.push_some("Channel", channel.or(from_name));
    fields.push("Records", summary.live);
    fields.push("Recovered", summary.recovered);
    fields.push("Undecodable", summary.undecodable);
    summary.runs.sort_unstable();
    if let (Some((first, _)), Some(last)) = (summary.runs.first(), summary.runs.iter().map(|(_, last)| last).max()) {
        fields.push("FirstRecordId", *first);
        fields.push("LastRecordId", *last);
    }
    if let Some((first, last)) = summary.times {
        fields.push("First", Filetime(first));
        fields.push("Last", Filetime(last));
    }
    let mut missing = Vec::new();
    let mut covered: Option<u64> = None;
    for (first, last) in &summary.runs {
        if let Some(covered) = covered
            && *first > covered.saturating_add(1)
        {
            missing.push(format!("{}-{}", covered + 1, first - 1));
        }
        covered = Some(covered.map_or(*last, |covered| covered.max(*last)));
    }
    let more = missing.len().saturating_sub(MAX_GAPS);
    missing.truncate(MAX_GAPS);
    if more > 0 {
        missing.push(format!("and {more} more ranges"));
    }
    fields.push("MissingRecordIds", missing);
    fields.push("Dirty", header.is_some_and(|header| header.dirty));
    fields.push(
        "Channels",
        Value::Map(summary.channels.iter().map(|(name, count)| (name.clone(), (*count).into())).collect()),
    );
    sink.record(Record {
        artifact: ARTIFACT.id,
        data_type: CHANNEL,
        subject: fields.text("Channel").unwrap_or_default().to_owned(),
        user: None,
        moments: Vec::new(),
        fields,
        claims: &[],
        locator: Locator::Whole,
        integrity: Integrity::Intact,
    });
}

fn names_a_tool(text: &str) -> bool {
    let lower = text.to_lowercase();
    lower.contains("regasm") || lower.contains("regsvcs")
}

fn in_framework(path: &str) -> bool {
    path.to_lowercase().contains(r"\microsoft.net\framework")
}

/// What the process records and the registry writes of the tools name.
fn leads(record: &Record) -> Vec<Lead> {
    let fields = &record.fields;
    let mut leads = Vec::new();
    let command_line = fields.text("CommandLine");
    let image = fields.text("NewProcessName").or_else(|| fields.text("Image"));
    let original = fields.text("OriginalFileName");
    if let Some(command_line) = command_line
        && [Some(command_line), image, original].into_iter().flatten().any(names_a_tool)
    {
        leads.push(Lead::CommandLine {
            image: image.map(str::to_owned),
            command_line: command_line.to_owned(),
            current_directory: fields.text("CurrentDirectory").map(str::to_owned),
        });
    }
    let is_tool = image.is_some_and(names_a_tool) || original.is_some_and(names_a_tool);
    if let Some(image) = image.filter(|image| is_tool && !in_framework(image)) {
        leads.push(Lead::Path(image.to_owned()));
    }
    if is_tool {
        for name in ["ImageLoaded", "TargetFilename"] {
            if let Some(path) = fields.text(name).filter(|path| !is_of_windows(path)) {
                leads.push(Lead::Path(path.to_owned()));
            }
        }
    }
    if fields.text("TargetObject").is_some_and(|key| key.to_lowercase().ends_with(r"\codebase")) {
        leads.extend(fields.text("Details").map(|details| Lead::Path(details.to_owned())));
    }
    leads
}

/// Windows' own libraries, which every managed program loads.
fn is_of_windows(path: &str) -> bool {
    let lower = path.to_lowercase();
    [
        r"c:\windows\system32\",
        r"c:\windows\syswow64\",
        r"c:\windows\assembly\",
        r"c:\windows\winsxs\",
        r"c:\windows\microsoft.net\",
    ]
    .iter()
    .any(|folder| lower.starts_with(folder))
}

#[cfg(test)]
mod tests {
    use super::*;
    use evidence::{Focus, Problem};

    fn parsed(bytes: &[u8]) -> (Vec<Record>, Vec<Problem>) {
        let mut records = Vec::new();
        let mut on_record = |record| records.push(record);
        let mut sink = Sink::new("test", &mut on_record);
        let focus = Focus::default();
        let bytes = bytes.to_vec();
        let input =
            Input { original_path: r"C:\x\Empty%4Log.evtx", bytes: &bytes, companions: Vec::new(), focus: &focus };
        parse(&input, &mut sink);
        let problems = sink.finish();
        (records, problems)
    }

    #[test]
    fn an_empty_file_is_described_and_complained_about() {
        let (records, problems) = parsed(&[]);
        assert_eq!(records.len(), 1);
        assert_eq!(records[0].fields.text("Channel"), Some("Empty/Log"));
        assert_eq!(problems.len(), 1);
    }

    #[test]
    fn leads_of_a_registration_and_of_a_command() {
        let mut fields = Fields::new();
        fields.push("Image", r"C:\Windows\Microsoft.NET\Framework\v4.0.30319\RegSvcs.exe");
        fields.push("TargetObject", r"HKCR\CLSID\{X}\InprocServer32\CodeBase");
        fields.push("Details", "file:///C:/a/b.DLL");
        let mut record = Record {
            artifact: "event-log",
            data_type: RECORD,
            subject: String::new(),
            user: None,
            moments: Vec::new(),
            fields,
            claims: &[],
            locator: Locator::Whole,
            integrity: Integrity::Intact,
        };
        assert_eq!(leads(&record), [Lead::Path("file:///C:/a/b.DLL".into())]);
        record.fields = Fields::new();
        record.fields.push("Image", r"C:\x\copy.exe");
        record.fields.push("OriginalFileName", "RegAsm.exe");
        record.fields.push("CommandLine", "copy.exe /u a.dll");
        assert_eq!(leads(&record).len(), 2);
        record.fields = Fields::new();
        record.fields.push("CommandLine", "notepad.exe a.txt");
        assert_eq!(leads(&record), []);
    }
}
