//! The volatile state of the host, in the order in which it vanishes, as JSON Lines.
//!
//! The first line of each file says when it was taken, by which call, and what the system answered; every further line
//! is one process, connection, name or service. Times are FILETIME ticks, UTC.

use super::memory_tree::MemoryFile;
use super::sys;
use super::watched::{DEADLINE, Watched};
use super::{Request, images};
use crate::file_bytes::FileBytes;
use evidence::{Problem, ProblemKind, Stage, Tool};
use serde_json::{Map, Value, json};
use std::cell::RefCell;
use std::collections::{BTreeSet, HashSet};
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// Beside the tools, the program whose loaded images are listed, and those of its children.
const HOST_OF_CLASSES: &str = "dllhost.exe";

/// Takes everything.
pub(super) fn take(request: &Request<'_>, problems: &mut Vec<Problem>) -> Vec<MemoryFile> {
    let computer = sys::computer_name().ok();
    let mut files = Vec::new();
    let mut keep = |name, api, lines: &dyn Fn(&mut Vec<Problem>) -> io::Result<Vec<Value>>| {
        let taken = (request.now)();
        let (answer, lines) = match lines(problems) {
            Ok(lines) => (json!("ok"), lines),
            Err(error) => {
                let what = format!("{api} failed: {error}");
                let effect = "this part of the live state is not known; that is no sign that there was none";
                problems.push(Problem::new(Stage::Source, ProblemKind::ReadFailed, name, what, effect));
                (json!({ "error": error.to_string(), "code": error.raw_os_error() }), Vec::new())
            }
        };
        let head = json!({
            "taken": taken.0,
            "computer": computer,
            "api": api,
            "answer": answer,
            "lines": lines.len(),
        });
        let mut bytes = Vec::new();
        for line in std::iter::once(&head).chain(&lines) {
            bytes.extend_from_slice(line.to_string().as_bytes());
            bytes.push(b'\n');
        }
        files.push(MemoryFile { name, bytes: bytes.into(), taken: Some(taken) });
    };
    keep("clock.jsonl", "GetSystemTimeAsFileTime, GetTickCount64, RegQueryValueExW", &|_| Ok(vec![clock(request)]));
    let running = RefCell::new(BTreeSet::new());
    keep("processes.jsonl", "CreateToolhelp32Snapshot", &|problems| {
        let lines = processes(problems)?;
        running.borrow_mut().extend(lines.iter().flat_map(images_of));
        Ok(lines)
    });
    keep("connections.jsonl", "GetExtendedTcpTable, GetExtendedUdpTable", &|_| connections());
    keep("dns-cache.jsonl", "DnsGetCacheDataTable", &|_| dns_cache());
    keep("sessions.jsonl", "LsaEnumerateLogonSessions", &sessions);
    keep("services.jsonl", "EnumServicesStatusExW, QueryServiceConfigW", &|_| services());
    keep("tasks.jsonl", "RegEnumKeyExW, RegQueryValueExW of the task scheduler's cache", &tasks);
    let running = running.into_inner();
    keep("images.jsonl", "CreateFileW, ReadFile", &|problems| Ok(program_files(&running, request, problems)));
    files
}

/// A value, or under the same name with `_error` why it is not known.
fn put<T: Into<Value>>(line: &mut Map<String, Value>, name: &str, value: io::Result<T>) {
    match value {
        Ok(value) => line.insert(name.to_owned(), value.into()),
        Err(error) => line.insert(format!("{name}_error"), error.to_string().into()),
    };
}

fn processes(problems: &mut Vec<Problem>) -> io::Result<Vec<Value>> {
    let listed = sys::processes()?;
    let is_tool = |name: &str| Tool::named(name).is_some() || name.eq_ignore_ascii_case(HOST_OF_CLASSES);
    let tools: HashSet<u32> = listed.iter().filter(|one| is_tool(&one.name)).map(|one| one.pid).collect();
    let mut lines = Vec::new();
    for one in &listed {
        let mut line = Map::new();
        line.insert("pid".to_owned(), one.pid.into());
        line.insert("parent_pid".to_owned(), one.parent_pid.into());
        line.insert("name".to_owned(), one.name.clone().into());
        if one.pid == std::process::id() {
            line.insert("collector".to_owned(), true.into());
        }
        // The idle process and the kernel's own have nothing to open.
        if one.pid > 4 {
            look_at(one, &mut line, problems);
            if tools.contains(&one.pid) || tools.contains(&one.parent_pid) {
                put(&mut line, "modules", sys::modules(one.pid));
            }
        }
        lines.push(Value::Object(line));
    }
    Ok(lines)
}

/// What the system answers for a number that no process has.
const NO_SUCH_PROCESS: i32 = 87;

/// Everything that an open process tells, or why it cannot be opened.
fn look_at(one: &sys::Listed, line: &mut Map<String, Value>, problems: &mut Vec<Problem>) {
    let (pid, name) = (one.pid, &one.name);
    let ended = || (ProblemKind::NotFound, format!("process {pid} ({name}) ended before it was looked at"));
    let (kind, what) = match sys::Process::open(pid) {
        Ok(process) => {
            describe(&process, line);
            // Its memory is gone, but the system keeps its account and times while somebody holds it.
            if !process.has_ended() {
                return;
            }
            line.insert("ended".to_owned(), true.into());
            ended()
        }
        Err(error) => {
            line.insert("open_error".to_owned(), error.to_string().into());
            match error.raw_os_error() {
                Some(NO_SUCH_PROCESS) => ended(),
                _ => (ProblemKind::AccessDenied, format!("process {pid} ({name}) could not be opened: {error}")),
            }
        }
    };
    let effect =
        "its command line, account and start are not known from its memory; records of its start may have them";
    problems.push(Problem::new(Stage::Source, kind, "processes.jsonl", what, effect));
}

fn describe(process: &sys::Process, line: &mut Map<String, Value>) {
    // A process that was started a moment ago answers only after it has been set up.
    let mut parameters = process.parameters();
    for _ in 0..5 {
        if parameters.is_ok() || process.has_ended() {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(20));
        parameters = process.parameters();
    }
    put(line, "image", process.image(false));
    put(line, "native_image", process.image(true));
    put(line, "started", process.started());
    match parameters {
        Ok(parameters) => {
            line.insert("command_line".to_owned(), parameters.command_line.into());
            line.insert("current_directory".to_owned(), parameters.current_directory.into());
        }
        Err(error) => {
            line.insert("command_line_error".to_owned(), error.to_string().into());
        }
    }
    match process.identity() {
        Ok(identity) => {
            let mut known = |name: &str, value: Option<Value>| {
                line.extend(value.map(|value| (name.to_owned(), value)));
            };
            known("user", identity.user.map(Value::from));
            known("integrity", identity.integrity.map(Value::from));
            known("elevation_type", identity.elevation_type.map(Value::from));
            known("elevated", identity.elevated.map(Value::from));
            known("session", identity.session.map(Value::from));
            known("logon_id", identity.logon_id.map(Value::from));
        }
        Err(error) => {
            line.insert("user_error".to_owned(), error.to_string().into());
        }
    }
}

/// What this host's clock shows, since when it runs, in which zone, and by what it is set. The comparison with a trusted
/// clock is the examiner's.
fn clock(request: &Request<'_>) -> Value {
    let mut line = Map::new();
    let (now, uptime) = ((request.now)().0, sys::uptime_ms());
    line.insert("system_time".to_owned(), now.into());
    line.insert("uptime_ms".to_owned(), uptime.into());
    line.insert("booted".to_owned(), now.saturating_sub(uptime.saturating_mul(10_000)).into());
    let control = r"SYSTEM\CurrentControlSet\Control\TimeZoneInformation";
    let service = r"SYSTEM\CurrentControlSet\Services\W32Time";
    let mut text = |member: &str, key: &str, value: &str| {
        if let Some(text) = sys::Key::of_machine(key).and_then(|key| key.text(value)).transpose() {
            put(&mut line, member, text);
        }
    };
    text("time_zone", control, "TimeZoneKeyName");
    text("set_by", &format!(r"{service}\Parameters"), "Type");
    text("servers", &format!(r"{service}\Parameters"), "NtpServer");
    let mut number = |member: &str, key: &str, value: &str| {
        if let Some(number) = sys::Key::of_machine(key).and_then(|key| key.number(value)).transpose() {
            put(&mut line, member, number);
        }
    };
    number("active_bias", control, "ActiveTimeBias");
    number("last_known_good", &format!(r"{service}\Config"), "LastKnownGoodTime");
    Value::Object(line)
}

/// The states of a TCP connection by number. Reference: RFC 4022, tcpConnectionState.
const STATES: [&str; 13] = [
    "",
    "closed",
    "listen",
    "syn_sent",
    "syn_received",
    "established",
    "fin_wait_1",
    "fin_wait_2",
    "close_wait",
    "closing",
    "last_ack",
    "time_wait",
    "delete_tcb",
];

fn connections() -> io::Result<Vec<Value>> {
    let line = |one: sys::Connection| {
        json!({
            "protocol": one.protocol,
            "local": one.local.to_string(),
            "remote": one.remote.filter(|remote| remote.port() != 0).map(|remote| remote.to_string()),
            "state": STATES.get(one.state as usize).filter(|state| !state.is_empty()),
            "pid": one.pid,
            "created": (one.created != 0).then_some(one.created),
        })
    };
    Ok(sys::connections()?.into_iter().map(line).collect())
}

fn dns_cache() -> io::Result<Vec<Value>> {
    Ok(sys::dns_cache()?.into_iter().map(|one| json!({ "name": one.name, "type": one.kind })).collect())
}

fn sessions(problems: &mut Vec<Problem>) -> io::Result<Vec<Value>> {
    let (sessions, refused) = sys::sessions()?;
    if refused > 0 {
        let what = format!("{refused} logon sessions were not described");
        let effect = "who is behind them, and since when, is not known";
        problems.push(Problem::new(Stage::Source, ProblemKind::AccessDenied, "sessions.jsonl", what, effect));
    }
    let line = |one: sys::Session| {
        json!({
            "logon_id": one.logon_id,
            "user": one.sid,
            "name": format!("{}\\{}", one.domain, one.user),
            "package": one.package,
            "logon_type": one.kind,
            "session": one.session,
            "started": (one.logon != 0).then_some(one.logon),
        })
    };
    Ok(sessions.into_iter().map(line).collect())
}

fn services() -> io::Result<Vec<Value>> {
    let line = |one: sys::Service| {
        json!({
            "name": one.name,
            "display_name": one.display_name,
            "type": one.kind,
            "state": one.state,
            "pid": one.pid,
            "start_type": one.start_type,
            "command_line": one.command_line,
            "account": one.account,
        })
    };
    Ok(sys::services()?.into_iter().map(line).collect())
}

/// The program files in the line of a process: its image, and what it has loaded where that is listed.
fn images_of(line: &Value) -> Vec<String> {
    let loaded = line["modules"].as_array().into_iter().flatten();
    loaded.chain([&line["image"]]).filter_map(|path| path.as_str().map(str::to_owned)).collect()
}

/// The program files that run, with their hashes and what stands in them of a signature.
fn program_files(paths: &BTreeSet<String>, request: &Request<'_>, problems: &mut Vec<Problem>) -> Vec<Value> {
    let step = |bytes| {
        if request.cancel.load(Ordering::Relaxed) {
            return Err(io::Error::new(io::ErrorKind::Interrupted, "the collection was interrupted"));
        }
        (request.pace)(bytes);
        Ok(())
    };
    let drives = sys::drives();
    let is_elsewhere = |path: &str| {
        let path = path.strip_prefix(r"\\?\").unwrap_or(path);
        let Some(letter) = path.chars().next().filter(|letter| path[letter.len_utf8()..].starts_with(":\\")) else {
            return true;
        };
        let on = |drive: &&sys::Drive| drive.letter.eq_ignore_ascii_case(&letter);
        drives.iter().find(on).is_some_and(|drive| drive.kind == sys::DriveKind::Network)
    };
    let mut unread = 0;
    let mut lines = Vec::new();
    for path in paths {
        let mut line = Map::new();
        line.insert("path".to_owned(), path.as_str().into());
        let read = if is_elsewhere(path) {
            Err(io::Error::other("it lies on no disk of this host"))
        } else {
            let watched = |file| Watched::new(Arc::new(file), DEADLINE);
            FileBytes::open(Path::new(path)).and_then(|file| images::describe(&watched(file), &step, &mut line))
        };
        if let Err(error) = read {
            unread += 1;
            line.insert("read_error".to_owned(), error.to_string().into());
        }
        lines.push(Value::Object(line));
    }
    if unread > 0 {
        let what = format!("{unread} of {} program files that run could not be read to their end", paths.len());
        let effect = "their hashes and signers are not known; the lines of images.jsonl say why";
        problems.push(Problem::new(Stage::Source, ProblemKind::ReadFailed, "images.jsonl", what, effect));
    }
    lines
}

/// Where the scheduler keeps what it works with; the files of the tasks are only read when it starts.
const TASK_CACHE: &str = r"SOFTWARE\Microsoft\Windows NT\CurrentVersion\Schedule\TaskCache";

/// Most folders inside of each other, and most tasks.
const DEEPEST: usize = 64;
const MOST_TASKS: usize = 100_000;

/// The scheduled tasks. The scheduler itself is not asked: that would load a COM class into this program, from a
/// registration that an intruder may have changed, and it hides tasks without a security descriptor.
fn tasks(problems: &mut Vec<Problem>) -> io::Result<Vec<Value>> {
    let cache = match sys::Key::of_machine(TASK_CACHE) {
        Ok(cache) => cache,
        // Without the key there is no task.
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let (mut lines, mut listed, mut refused) = (Vec::new(), HashSet::new(), 0);
    // Every key of the tree with an id is a task, whatever lies below it.
    let mut folders = vec![(cache.open("Tree")?, String::new(), 0)];
    while let Some((folder, path, depth)) = folders.pop() {
        let Ok(names) = folder.names() else {
            refused += 1;
            continue;
        };
        for name in names {
            let Ok(key) = folder.open(&name) else {
                refused += 1;
                continue;
            };
            let path = format!("{path}\\{name}");
            if let Ok(Some(id)) = key.text("Id") {
                let mut line = task(&cache, &id);
                line.insert("path".to_owned(), path.clone().into());
                let descriptor = key.value("SD").map(|descriptor| descriptor.is_some());
                put(&mut line, "security_descriptor", descriptor);
                lines.push(Value::Object(line));
                listed.insert(id.to_lowercase());
            }
            if depth < DEEPEST && lines.len() < MOST_TASKS {
                folders.push((key, path, depth + 1));
            } else {
                refused += 1;
            }
        }
    }
    // What is in no folder is shown by no tool of Windows.
    for id in cache.open("Tasks")?.names()? {
        if !listed.contains(&id.to_lowercase()) && lines.len() < MOST_TASKS {
            let mut line = task(&cache, &id);
            line.insert("in_tree".to_owned(), false.into());
            lines.push(Value::Object(line));
        }
    }
    if refused > 0 {
        let what = format!("{refused} keys of the task scheduler's cache were not read");
        let effect = "tasks below them are not listed";
        problems.push(Problem::new(Stage::Source, ProblemKind::AccessDenied, "tasks.jsonl", what, effect));
    }
    Ok(lines)
}

/// What the scheduler keeps of a task; its binary values as they stand.
fn task(cache: &sys::Key, id: &str) -> Map<String, Value> {
    let mut line = Map::new();
    line.insert("id".to_owned(), id.into());
    let key = match cache.open(&format!("Tasks\\{id}")) {
        Ok(key) => key,
        Err(error) => {
            line.insert("open_error".to_owned(), error.to_string().into());
            return line;
        }
    };
    put(&mut line, "written", key.written());
    for (name, value) in [("path", "Path"), ("author", "Author"), ("date", "Date"), ("source", "Source")] {
        if let Some(text) = key.text(value).transpose() {
            put(&mut line, name, text);
        }
    }
    for (name, value) in [("actions", "Actions"), ("dynamic_info", "DynamicInfo"), ("triggers", "Triggers")] {
        if let Some(bytes) = key.value(value).transpose() {
            put(&mut line, name, bytes.map(|bytes| evidence::hex(&bytes)));
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(pid: u32) -> (Map<String, Value>, Vec<Problem>) {
        let (mut line, mut problems) = (Map::new(), Vec::new());
        look_at(&sys::Listed { pid, parent_pid: 0, name: "gone.exe".to_owned() }, &mut line, &mut problems);
        (line, problems)
    }

    #[test]
    fn a_process_that_has_vanished_is_said_and_one_that_runs_is_described() {
        let shell = std::env::var_os("ComSpec").unwrap();
        let mut child = std::process::Command::new(shell).args(["/c", "exit"]).spawn().unwrap();
        let pid = child.id();
        child.wait().unwrap();
        drop(child);
        let (line, problems) = asked(pid);
        assert!(line.contains_key("open_error") || line["ended"] == true, "{line:?}");
        let [problem] = &problems[..] else { panic!("{problems:?}") };
        assert_eq!(problem.kind.name(), "not_found");
        assert_eq!(problem.what, format!("process {pid} (gone.exe) ended before it was looked at"));

        let (line, problems) = asked(std::process::id());
        assert_eq!(problems, []);
        assert!(line["image"].as_str().unwrap().ends_with(".exe"), "{line:?}");
        assert!(line["started"].as_u64().unwrap() > 0);
        assert!(line["user"].as_str().unwrap().starts_with("S-1-"), "{line:?}");
    }
}
