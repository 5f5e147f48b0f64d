//! The volatile state of a live host: its clock, processes, connections, names that the resolver remembers, sessions, services,
//! scheduled tasks, and who signed the program files.
//!
//! # What Windows records
//! Nothing of this is stored; it is what the system answered when comtrail asked. The collector wrote each answer down
//! as JSON Lines: a first line with the time, the call and what it answered, then one line for each process,
//! connection, name or service.
//!
//! # When it writes
//! Once, before any file is read, in the order in which the state vanishes.
//!
//! # Where
//! In memory of the running system. In the bundle below `data/raw/live`.
//!
//! # What it supports
//! That a process with this image, command line, account and parent ran when the snapshot was taken, and when it had
//! been started by the kernel's clock; that it owned these connections and had these images loaded. That the scheduler
//! knew this task, with these actions, and when it says that it ran it for the last time.
//!
//! # What it does not
//! A process can rewrite the command line and the directory in its own memory, and a rootkit what the system lists. A
//! process that ended before is not listed. The parent's number can be that of a later process; the parent named is
//! believed only where it started before. The account is that of the token, not of the person. A task's last run says
//! that the scheduler started it, not what the program then did. A signer is a name that anybody can put on a certificate:
//! only the digest is compared, no certificate is verified. No signature in the file does not mean that it is unsigned;
//! most files of Windows are signed in catalogues.
//!
//! # Versions
//! Windows 10 1607 and later, x86-64.
//!
//! # Limits
//! Tasks are read from the scheduler's cache in the registry, not asked of the scheduler; their triggers are kept, not
//! interpreted. Images are listed for regasm, regsvcs, dllhost and their children only. The resolver's cache gives names and types,
//! not addresses.
//!
//! # References
//! Microsoft, *CreateToolhelp32Snapshot*, *NtQueryInformationProcess*, *GetExtendedTcpTable*,
//! *LsaEnumerateLogonSessions*, *EnumServicesStatusExW*, *Windows Time service tools and settings*; RFC 4022 for the states of a connection; libyal, winreg-kb,
//! *Task scheduler*.

mod fields;

use crate::formats::pages::{KEPT, PAGE, Pages, What};
use crate::formats::signature::{Algorithm, signer};
use crate::formats::task_cache::{Action, actions, dynamic_info};
use evidence::{
    Artifact, Beside, Claim, Field, FieldName, Fields, Filetime, Input, Integrity, Lead, Locator, Meaning, Memory,
    Moment, Parse, Phase, ProblemKind, Reads, Record, RecordType, RunTime, Sink, Tells, Timestamp, Tool, Value,
    ValueRef,
};
use serde_json::{Map, Value as Json};

/// The volatile state of a live host.
pub(crate) static ARTIFACT: Artifact = Artifact {
    id: "volatile",
    title: "Volatile state",
    records: &[&CLOCK, &PROCESS, &CONNECTION, &NAME, &SESSION, &SERVICE, &TASK, &IMAGE],
    reads: &[
        Reads::Volatile("clock.jsonl"),
        Reads::Volatile("processes.jsonl"),
        Reads::Volatile("connections.jsonl"),
        Reads::Volatile("dns-cache.jsonl"),
        Reads::Volatile("sessions.jsonl"),
        Reads::Volatile("services.jsonl"),
        Reads::Volatile("tasks.jsonl"),
        Reads::Volatile("images.jsonl"),
    ],
    supports: "That this process ran when the snapshot was taken, with this image, command line, account and parent, and \
               owned these connections; that the scheduler knew this task.",
    does_not_support: "A process that had ended before is not listed. Command line and directory come from the process' \
                       own memory, where it can rewrite them.",
    windows: "Windows 10 1607 and later, live only.",
    references: &[
        "Microsoft, CreateToolhelp32Snapshot, https://learn.microsoft.com/windows/win32/api/tlhelp32/nf-tlhelp32-createtoolhelp32snapshot",
        "libyal, winreg-kb: Task scheduler, https://winreg-kb.readthedocs.io/en/latest/sources/system-keys/Task-scheduler.html",
        "Microsoft, GetExtendedTcpTable, https://learn.microsoft.com/windows/win32/api/iphlpapi/nf-iphlpapi-getextendedtcptable",
    ],
    phase: Phase::Independent,
    older_states: false,
    beside: Beside::Nothing,
    memory: Memory::InParts,
    parse: Some(Parse::Alone(parse)),
    leads: Some(leads),
};

static CLOCK: RecordType = RecordType {
    fields: fields::CLOCK,
    says: "One record per line of the lists that a live collection writes down, here and in all that follow; fields are there where the system answered, and `NAME_error` says why where it did not. None of these times says how far the clock is from the truth. Moment: `Start Time` (kernel's start of the process, creation of the connection, logon) where there is one, else `Live State Recorded` = `Taken`. Locator: byte range of the line.",
    message: "The clock showed {SystemTime}, booted {Booted}[, time zone {TimeZone}][, set by {SetBy}][ from {Servers}][, last known good time {LastKnownGoodTime}]",
    ..RecordType::named("windows:live:clock")
};

static PROCESS: RecordType = RecordType {
    fields: fields::PROCESS,
    says: "`subject`: image. `user`: SID.",
    tells: Tells::LiveProcess,
    claims: &[Claim::Executed(RunTime::Start)],
    message: "Process {ProcessId} {Image|Name} ran[ as {UserSid}][, parent {ParentProcessId}][, command line: {CommandLine}]",
    ..RecordType::named("windows:live:process")
};

static CONNECTION: RecordType = RecordType {
    fields: fields::CONNECTION,
    says: "`subject`: the other end, else the own one.",
    tells: Tells::LiveConnection,
    claims: &[Claim::Connected],
    message: "{Protocol} from {Local}[ to {Remote}][, {State}][, process {ProcessId}]",
    ..RecordType::named("windows:live:connection")
};

static NAME: RecordType = RecordType {
    fields: fields::DNS_NAME,
    message: "The resolver remembered {Name}",
    says: "A name that the resolver kept. Moment: `Live State Recorded`.",
    ..RecordType::named("windows:live:dns_name")
};

static SESSION: RecordType = RecordType {
    fields: fields::SESSION,
    says: "`user`: SID.",
    tells: Tells::LiveSession,
    claims: &[Claim::LoggedOn],
    message: "{Name} was logged on, logon {LogonId}[, type {LogonType}]",
    ..RecordType::named("windows:live:session")
};

static SERVICE: RecordType = RecordType {
    fields: fields::SERVICE,
    says: "Moment: `Live State Recorded`.",
    claims: &[Claim::Installed],
    message: "Service {Name}, state {State}[, process {ProcessId}][: {ServiceCommandLine}]",
    ..RecordType::named("windows:live:service")
};

static TASK: RecordType = RecordType {
    fields: fields::TASK,
    says: "From the scheduler's cache in the registry. Moments: `Content Modification Time` (the key), `Last Registered Time`, `Last Time Executed`, `Last Successful Execution Time`.",
    claims: &[Claim::Persisted],
    message: "Scheduled task {TaskName|TaskId}[: {Actions}][, last result {LastResult}]",
    ..RecordType::named("windows:live:task")
};

static IMAGE: RecordType = RecordType {
    fields: fields::IMAGE_FILE,
    says: "Each program file of a process, and what the tools have loaded. No certificate is verified, and no catalogue looked into.",
    claims: &[Claim::Present],
    message: "Program file {Path}[, signer named {Signer}][, signature: {Signature}][, SHA-256 {Sha256}]",
    ..RecordType::named("windows:live:image")
};

/// Longest line that is read, bytes; the collector writes no longer ones.
const LONGEST_LINE: u64 = 2 << 20;
const STATE: What = What { name: "the file", cost: "what was there is missing from what is known of this state" };

/// What the lines of a file are, and what their members are called in records.
struct Kind {
    file: &'static str,
    of: &'static RecordType,
    subject: &'static [&'static str],
    members: &'static [(&'static str, Field)],
}

static KINDS: [Kind; 8] = [
    Kind {
        file: "processes.jsonl",
        of: &PROCESS,
        subject: &["image", "name"],
        members: &[
            ("pid", fields::PROCESS_ID),
            ("parent_pid", fields::PARENT_PROCESS_ID),
            ("name", fields::PROCESS_NAME),
            ("collector", fields::COLLECTOR),
            ("image", fields::IMAGE),
            ("native_image", fields::NATIVE_IMAGE),
            ("command_line", fields::COMMAND_LINE),
            ("current_directory", fields::CURRENT_DIRECTORY),
            ("user", fields::USER_SID),
            ("integrity", fields::INTEGRITY_SID),
            ("elevation_type", fields::ELEVATION_TYPE),
            ("elevated", fields::ELEVATED),
            ("session", fields::SESSION_ID),
            ("logon_id", fields::LOGON_ID),
            ("modules", fields::MODULES),
        ],
    },
    Kind {
        file: "clock.jsonl",
        of: &CLOCK,
        subject: &["set_by"],
        members: &[
            ("uptime_ms", fields::UPTIME_MS),
            ("time_zone", fields::TIME_ZONE),
            ("active_bias", fields::ACTIVE_TIME_BIAS),
            ("set_by", fields::SET_BY),
            ("servers", fields::SERVERS),
        ],
    },
    Kind {
        file: "connections.jsonl",
        of: &CONNECTION,
        subject: &["remote", "local"],
        members: &[
            ("protocol", fields::PROTOCOL),
            ("local", fields::LOCAL),
            ("remote", fields::REMOTE),
            ("state", fields::CONNECTION_STATE),
            ("pid", fields::OWNER),
        ],
    },
    Kind {
        file: "dns-cache.jsonl",
        of: &NAME,
        subject: &["name"],
        members: &[("name", fields::LOOKED_UP), ("type", fields::DNS_TYPE)],
    },
    Kind {
        file: "sessions.jsonl",
        of: &SESSION,
        subject: &["name"],
        members: &[
            ("logon_id", fields::LOGON_ID),
            ("user", fields::USER_SID),
            ("name", fields::ACCOUNT_NAME),
            ("package", fields::PACKAGE),
            ("logon_type", fields::LOGON_TYPE),
            ("session", fields::SESSION_ID),
        ],
    },
    Kind {
        file: "services.jsonl",
        of: &SERVICE,
        subject: &["name"],
        members: &[
            ("name", fields::SERVICE_NAME),
            ("display_name", fields::DISPLAY_NAME),
            ("type", fields::SERVICE_TYPE),
            ("state", fields::SERVICE_STATE),
            ("pid", fields::SERVICE_PROCESS),
            ("start_type", fields::START_TYPE),
            ("command_line", fields::SERVICE_COMMAND_LINE),
            ("account", fields::ACCOUNT),
        ],
    },
    Kind {
        file: "tasks.jsonl",
        of: &TASK,
        subject: &["path", "id"],
        members: &[
            ("path", fields::TASK_NAME),
            ("id", fields::TASK_ID),
            ("author", fields::AUTHOR),
            ("date", fields::DATE),
            ("source", fields::SOURCE),
            ("in_tree", fields::IN_TREE),
            ("security_descriptor", fields::SECURITY_DESCRIPTOR),
        ],
    },
    Kind {
        file: "images.jsonl",
        of: &IMAGE,
        subject: &["path"],
        members: &[
            ("path", fields::PATH),
            ("size", fields::SIZE),
            ("sha256", fields::SHA256),
            ("image_sha256", fields::IMAGE_SHA256),
            ("image_sha1", fields::IMAGE_SHA1),
        ],
    },
];

fn parse(input: &Input<'_>, sink: &mut Sink<'_>) {
    let lower = input.original_path.to_lowercase();
    let kind = KINDS.iter().find(|kind| lower.ends_with(kind.file)).unwrap_or(&KINDS[0]);
    let file = Pages::holding(STATE, input.bytes, KEPT);
    let mut at = 0;
    let mut head: Option<Map<String, Json>> = None;
    while at < file.len() {
        let line = file.until(b'\n', at, LONGEST_LINE);
        let start = at;
        at += line.len() as u64;
        let is_whole = at == file.len() || file.array(at) == Some(*b"\n");
        if !is_whole && !pass_over(&file, &mut at) {
            break;
        }
        at = (at + 1).min(file.len());
        let locator = Locator::ByteRange { offset: start, length: at - start };
        if !is_whole {
            let what = format!("a line is longer than {LONGEST_LINE} bytes");
            sink.problem(ProblemKind::LimitReached, Some(locator), what, "what it said is not known");
            continue;
        }
        let Ok(Json::Object(members)) = serde_json::from_slice::<Json>(&line) else {
            let raw = file.prefix(start, (at - start).min(32)).escape_ascii().to_string();
            let kind = ProblemKind::OutOfRange { raw };
            sink.problem(kind, Some(locator), "a line is no JSON object", "what it said is not known");
            continue;
        };
        match &head {
            None => head = Some(members),
            Some(head) => sink.record(record(kind, head, &members, locator)),
        }
    }
    let failures = file.take_failures();
    if !failures.is_empty() {
        return failures.into_iter().for_each(|note| note.report(sink));
    }
    let Some(head) = head else {
        let kind = ProblemKind::Truncated { offset: 0, expected: 1, actual: 0 };
        return sink.problem(kind, None, "the file has no first line", "when and how the state was taken is not known");
    };
    if head.get("answer").and_then(Json::as_str) != Some("ok") {
        let answer = head.get("answer").map(Json::to_string).unwrap_or_default();
        let kind = ProblemKind::Inconsistent { a: "the state was asked for".into(), b: answer };
        sink.problem(kind, None, "the system did not answer", "none of this state is known");
    }
}

/// Goes on to where a line ends that is too long to be read, or the file; false where the bytes in between cannot be read.
fn pass_over(file: &Pages<'_>, at: &mut u64) -> bool {
    while *at < file.len() && file.array(*at) != Some(*b"\n") {
        // A hole has no end of a line, and may be longer than any disk.
        let data = file.next_data(*at);
        if data > *at {
            *at = data;
            continue;
        }
        let more = file.until(b'\n', *at, PAGE as u64).len() as u64;
        if more == 0 {
            return false;
        }
        *at += more;
    }
    true
}

fn time(members: &Map<String, Json>, name: &str) -> Option<u64> {
    members.get(name)?.as_u64()
}

fn record(kind: &Kind, head: &Map<String, Json>, line: &Map<String, Json>, locator: Locator) -> Record {
    let said = |name: &str| line.get(name).and_then(Json::as_str);
    let mut fields = Fields::with_capacity(16, 512);
    for (member, field) in kind.members {
        match line.get(*member) {
            None | Some(Json::Null) => {}
            Some(value) => fields.push(field.name, stored(value)),
        }
    }
    // Why something is not known stands beside it.
    for (member, value) in line.iter().filter(|(member, _)| member.ends_with("_error")) {
        fields.push(FieldName::kept(member), stored(value));
    }
    fields.push_some(fields::COMPUTER.name, head.get("computer").and_then(Json::as_str));
    fields.push_some(fields::API.name, head.get("api").and_then(Json::as_str));
    match kind.of {
        of if *of == IMAGE => signature(line, &mut fields),
        of if *of == CLOCK => {
            for (member, field) in [
                ("system_time", fields::SYSTEM_TIME),
                ("booted", fields::BOOTED),
                ("last_known_good", fields::LAST_KNOWN_GOOD_TIME),
            ] {
                fields.push_some(field.name, time(line, member).map(Filetime));
            }
        }
        _ => {}
    }
    let taken = time(head, "taken");
    fields.push_some(fields::TAKEN.name, taken.map(Filetime));
    let began = time(line, "started").or_else(|| time(line, "created"));
    let (meaning, ticks) = match began {
        Some(began) => (Meaning::STARTED, Some(began)),
        None => (Meaning::TAKEN, taken),
    };
    let dated = |meaning, ticks| Timestamp::filetime(ticks).map(|at| Moment::at(meaning, at));
    let mut moments: Vec<Moment> = ticks.and_then(|ticks| dated(meaning, ticks)).into_iter().collect();
    if *kind.of == TASK {
        let mut own: Vec<Moment> =
            time(line, "written").and_then(|ticks| dated(Meaning::KEY_WRITTEN, ticks)).into_iter().collect();
        own.extend(task(line, &mut fields).into_iter().filter_map(|(meaning, time)| dated(meaning, time.0)));
        if !own.is_empty() {
            moments = own;
        }
    }
    Record {
        artifact: ARTIFACT.id,
        of: kind.of,
        subject: kind.subject.iter().find_map(|name| said(name)).unwrap_or_default().to_owned(),
        user: said("user").map(str::to_owned),
        moments,
        fields,
        claims: kind.of.claims,
        locator,
        integrity: Integrity::Intact,
    }
}

/// Bytes that the collector wrote down as hexadecimal digits.
fn bytes(line: &Map<String, Json>, name: &str) -> Option<Vec<u8>> {
    let digits = line.get(name)?.as_str()?;
    digits.as_bytes().chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()).collect()
}

/// Who a program file says has signed it, and whether the digest that was signed is its own.
fn signature(line: &Map<String, Json>, fields: &mut Fields) {
    let Some(certificates) = bytes(line, "certificates") else {
        if line.contains_key("image_sha256") && !line.contains_key("certificates_error") {
            fields.push(fields::SIGNATURE.name, "none in the file");
        }
        return;
    };
    match signer(&certificates) {
        Ok(Some(signer)) => {
            let own = match signer.algorithm {
                Some(Algorithm::Sha256) => bytes(line, "image_sha256"),
                Some(Algorithm::Sha1) => bytes(line, "image_sha1"),
                None => None,
            };
            fields.push(
                fields::SIGNATURE.name,
                match own {
                    Some(own) if own == signer.digest => "signed digest is the file's",
                    Some(_) => "signed digest is another file's",
                    None => "signed digest of an unknown kind",
                },
            );
            fields.push(fields::SIGNER.name, signer.subject);
            fields.push(fields::ISSUER.name, signer.issuer);
            fields.push(fields::SERIAL_NUMBER.name, signer.serial);
        }
        Ok(None) => fields.push(fields::SIGNATURE.name, "none in the file"),
        Err(error) => fields.push("Signature_error", error),
    }
}

/// What the binary values of a task say, and its times.
fn task(line: &Map<String, Json>, fields: &mut Fields) -> Vec<(Meaning, Filetime)> {
    if let Some(value) = bytes(line, "actions") {
        let (actions, complete) = actions(&value);
        fields.push(fields::ACTIONS.name, Value::List(actions.iter().map(described).collect()));
        if !complete {
            fields.push(fields::ACTIONS_INCOMPLETE.name, true);
        }
    }
    let Some(info) = bytes(line, "dynamic_info").as_deref().and_then(dynamic_info) else { return Vec::new() };
    fields.push(fields::LAST_RESULT.name, u64::from(info.last_result));
    let times = [
        (Meaning::REGISTERED, info.registered),
        (Meaning::LAST_RUN, info.last_run),
        (Meaning::COMPLETED, info.last_success),
    ];
    times.into_iter().filter_map(|(meaning, time)| Some((meaning, time?))).collect()
}

fn described(action: &Action) -> Value {
    let member = |field: Field, text: &str| (field.name.to_owned(), Value::from(text));
    Value::Map(match action {
        Action::Start { directory, .. } => {
            let mut members = vec![member(fields::ACTION_COMMAND_LINE, &action.command_line().unwrap_or_default())];
            if !directory.is_empty() {
                members.push(member(fields::DIRECTORY, directory));
            }
            members
        }
        Action::Handler { class, data } => vec![member(fields::CLASS, class), member(fields::DATA, data)],
        Action::Mail => vec![member(fields::KIND, "mail")],
        Action::Message { caption } => vec![member(fields::MESSAGE, caption)],
    })
}

fn stored(value: &Json) -> Value {
    match value {
        Json::String(text) => text.as_str().into(),
        Json::Bool(flag) => (*flag).into(),
        Json::Number(number) => match number.as_u64() {
            Some(number) => number.into(),
            None => number.to_string().into(),
        },
        Json::Array(items) => Value::List(items.iter().map(stored).collect()),
        Json::Null | Json::Object(_) => value.to_string().into(),
    }
}

/// The assemblies on the command lines of a task.
fn leads_of_task(record: &Record) -> Vec<Lead> {
    let actions = fields::ACTIONS.of(record).map(ValueRef::items).unwrap_or_default();
    let lead = |action: &Value| {
        let member = |field: Field| action.get(field.name).and_then(Value::as_text);
        let command_line = member(fields::ACTION_COMMAND_LINE).filter(|line| Tool::is_in(line))?.to_owned();
        Some(Lead::CommandLine {
            image: None,
            command_line,
            current_directory: member(fields::DIRECTORY).map(str::to_owned),
        })
    };
    actions.iter().filter_map(lead).collect()
}

/// The assembly on the command line of a tool that runs, and what it has loaded from outside of Windows.
fn leads(record: &Record) -> Vec<Lead> {
    if *record.of == TASK {
        return leads_of_task(record);
    }
    if *record.of != PROCESS {
        return Vec::new();
    }
    let text = |field: Field| field.of(record).and_then(ValueRef::as_text);
    let image = text(fields::IMAGE);
    let command_line = text(fields::COMMAND_LINE);
    let mut leads = Vec::new();
    if let Some(command_line) = command_line
        && [Some(command_line), image].into_iter().flatten().any(Tool::is_in)
    {
        leads.push(Lead::CommandLine {
            image: image.map(str::to_owned),
            command_line: command_line.to_owned(),
            current_directory: text(fields::CURRENT_DIRECTORY).map(str::to_owned),
        });
    }
    let modules = fields::MODULES.of(record).map(ValueRef::items).unwrap_or_default();
    let foreign = |path: &&str| !path.to_ascii_lowercase().contains(r":\windows\");
    leads.extend(modules.iter().filter_map(Value::as_text).filter(foreign).map(|path| Lead::Path(path.to_owned())));
    leads
}

#[cfg(test)]
mod tests {
    use super::*;
    use evidence::Problem;

    fn read(path: &str, text: &str) -> (Vec<Record>, Vec<Problem>) {
        let mut records = Vec::new();
        let mut keep = |record| records.push(record);
        let mut sink = Sink::new(path, &mut keep);
        let bytes = text.as_bytes().to_vec();
        parse(&Input::new(path, &bytes), &mut sink);
        let problems = sink.finish();
        (records, problems)
    }

    const HEAD: &str = r#"{"taken":134171071530000000,"computer":"WS","api":"X","answer":"ok","lines":1}"#;

    #[test]
    fn a_process_with_its_line() {
        let line = r#"{"pid":7756,"parent_pid":4,"name":"RegAsm.exe","image":"C:\\W\\RegAsm.exe","started":134171071520000000,"command_line":"regasm /U a.dll","current_directory":"C:\\t\\","user":"S-1-5-18","modules":["C:\\t\\a.dll","C:\\Windows\\System32\\ntdll.dll"],"x_error":"no"}"#;
        let (records, problems) = read(r"{live}\processes.jsonl", &format!("{HEAD}\n{line}\n"));
        assert_eq!(problems, []);
        let [record] = &records[..] else { panic!("{records:?}") };
        assert_eq!((record.of, record.subject.as_str()), (&PROCESS, r"C:\W\RegAsm.exe"));
        assert_eq!(record.user.as_deref(), Some("S-1-5-18"));
        assert_eq!(record.moments[0].meaning, Meaning::STARTED);
        assert_eq!(record.fields.number("ProcessId"), Some(7756));
        assert_eq!((record.fields.text("x_error"), record.fields.text("Computer")), (Some("no"), Some("WS")));
        let start = HEAD.len() as u64 + 1;
        assert_eq!(record.locator, Locator::ByteRange { offset: start, length: line.len() as u64 + 1 });
        let found = leads(record);
        assert!(
            matches!(&found[..], [Lead::CommandLine { .. }, Lead::Path(path)] if path == r"C:\t\a.dll"),
            "{found:?}"
        );
    }

    #[test]
    fn long_files_are_read_line_by_line() {
        let line = r#"{"pid":7,"name":"a.exe"}"#;
        // Longer than what is held, with one line that no collector writes.
        let text = format!("{HEAD}\n{}\n{}{line}", "x".repeat(3 << 20), format!("{line}\n").repeat(100_000));
        let (records, problems) = read(r"{live}\processes.jsonl", &text);
        assert_eq!(records.len(), 100_001);
        let offset = HEAD.len() as u64 + 1;
        let [problem] = &problems[..] else { panic!("{problems:?}") };
        assert_eq!(problem.kind, ProblemKind::LimitReached);
        assert_eq!(problem.locator, Some(Locator::ByteRange { offset, length: (3 << 20) + 1 }));
        let last = Locator::ByteRange { offset: (text.len() - line.len()) as u64, length: line.len() as u64 };
        assert_eq!(records[100_000].locator, last);
    }

    #[test]
    fn a_task_with_its_actions_and_times() {
        let text = |text: &str| {
            let units: String =
                text.encode_utf16().map(|unit| format!("{:02x}{:02x}", unit & 0xFF, unit >> 8)).collect();
            format!("{:02x}000000{units}", text.len() * 2)
        };
        let actions = format!(
            "0300{}6666{}{}{}{}0000",
            text("Author"),
            text(""),
            text("regasm.exe"),
            text(r"/u a.dll"),
            text(r"C:\t")
        );
        let info = "03000000e9792df1311cd801b44a8b8d3e1cd801000000000200078000000000000000000000";
        let line = format!(
            r#"{{"id":"{{A}}","path":"\\Vendor\\Up","written":132890000000000000,"actions":"{actions}","dynamic_info":"{info}","security_descriptor":false}}"#
        );
        let (records, problems) = read(r"{live}\tasks.jsonl", &format!("{HEAD}\n{line}\n"));
        assert_eq!(problems, []);
        let [record] = &records[..] else { panic!("{records:?}") };
        assert_eq!((record.of, record.subject.as_str()), (&TASK, r"\Vendor\Up"));
        let moments: Vec<_> = record.moments.iter().map(|one| (one.meaning, one.when.sort_key().unwrap().0)).collect();
        assert_eq!(
            moments,
            [
                (Meaning::KEY_WRITTEN, 132_890_000_000_000_000),
                (Meaning::REGISTERED, 0x01D8_1C31_F12D_79E9),
                (Meaning::LAST_RUN, 0x01D8_1C3E_8D8B_4AB4),
            ]
        );
        assert_eq!(record.fields.number("LastResult"), Some(0x8007_0002));
        let found = leads(record);
        let expected = (r"regasm.exe /u a.dll", Some(r"C:\t"));
        assert!(
            matches!(&found[..], [Lead::CommandLine { command_line, current_directory, .. }]
                if (command_line.as_str(), current_directory.as_deref()) == expected),
            "{found:?}"
        );
    }

    #[test]
    fn what_is_not_known_is_a_problem() {
        let (records, problems) = read("connections.jsonl", "{\"answer\":{\"error\":\"no\"}}\nnot json\n");
        assert_eq!((records.len(), problems.len()), (0, 2));
        assert_eq!(read("processes.jsonl", "").1.len(), 1);
        let (records, _) = read("connections.jsonl", &format!("{HEAD}\n{{\"pid\":3,\"remote\":\"1.2.3.4:5\"}}\n"));
        assert_eq!((records[0].of, records[0].moments[0].meaning), (&CONNECTION, Meaning::TAKEN));
    }
}
