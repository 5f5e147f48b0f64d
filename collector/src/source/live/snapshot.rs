//! The volatile state of the host, in the order in which it vanishes, as JSON Lines.
//!
//! The first line of each file says when it was taken, by which call, and what the system answered; every further line
//! is one process, connection, name or service. Times are FILETIME ticks, UTC.

use super::memory_tree::MemoryFile;
use super::sys;
use evidence::{Filetime, Problem, ProblemKind, Stage};
use serde_json::{Map, Value, json};
use std::collections::HashSet;
use std::io;

/// Names of the programs whose loaded images are listed, and those of their children.
const TOOLS: [&str; 3] = ["regasm.exe", "regsvcs.exe", "dllhost.exe"];

/// Takes everything.
pub(super) fn take(now: &dyn Fn() -> Filetime, problems: &mut Vec<Problem>) -> Vec<MemoryFile> {
    let computer = sys::computer_name().ok();
    let mut files = Vec::new();
    let mut keep = |name, api, lines: &dyn Fn(&mut Vec<Problem>) -> io::Result<Vec<Value>>| {
        let taken = now();
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
    keep("processes.jsonl", "CreateToolhelp32Snapshot", &processes);
    keep("connections.jsonl", "GetExtendedTcpTable, GetExtendedUdpTable", &|_| connections());
    keep("dns-cache.jsonl", "DnsGetCacheDataTable", &|_| dns_cache());
    keep("sessions.jsonl", "LsaEnumerateLogonSessions", &sessions);
    keep("services.jsonl", "EnumServicesStatusExW", &|_| services());
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
    let is_tool = |name: &str| TOOLS.iter().any(|tool| name.eq_ignore_ascii_case(tool));
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
        })
    };
    Ok(sys::services()?.into_iter().map(line).collect())
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
