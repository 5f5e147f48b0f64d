//! Scheduled tasks whose action is a tool, and what the scheduler started (rule J16).
//!
//! A task can be made by a command, from a file, or by a program over COM. The audit of a new task has its action, whoever
//! made it; the scheduler's own log has the names of the tasks and the processes that it starts for them.

use super::clock::Stamp;
use super::process::{Process, ProcessId, Processes, Role};
use super::source::Source;
use crate::command::{self, Started};
use crate::paths::{self, PathKey};
use evidence::{Execution, Filetime};

const SECOND: i64 = 10_000_000;
/// What is recorded of one start is so far apart at most.
const APART: i64 = 3 * SECOND;
/// The audit of a task that a process made is written so long after the start of that process at most.
const MAKING: i64 = 60 * SECOND;
/// Most bytes of what is kept.
const MOST_BYTES: usize = 16 << 20;

/// A task that was made or changed.
pub(super) struct Made {
    computer: String,
    /// Its path, lower case and without the first backslash.
    pub(super) task: String,
    /// The same as recorded.
    pub(super) shown: String,
    at: Option<Stamp>,
    /// The process that asked for it, where that is recorded.
    pid: Option<u64>,
    /// What of its action starts a tool, and the action; `None` where only its name is recorded.
    pub(super) action: Option<(Started, String)>,
    pub(super) sources: Vec<Source>,
}

/// A start that the scheduler recorded.
struct Ran {
    computer: String,
    task: String,
    at: Stamp,
    pid: Option<u64>,
    image: String,
}

/// The tasks of the evidence.
#[derive(Default)]
pub(super) struct Scheduled {
    made: Vec<Made>,
    ran: Vec<Ran>,
    bytes: usize,
    pub(super) left_out: u64,
}

/// One spelling of the path of a task.
fn key_of(task: &str) -> String {
    task.trim().trim_matches('"').trim_start_matches('\\').to_lowercase()
}

impl Scheduled {
    fn has_room(&mut self, bytes: usize) -> bool {
        let has_room = self.bytes + bytes <= MOST_BYTES;
        self.bytes += if has_room { bytes } else { 0 };
        self.left_out += u64::from(!has_room);
        has_room
    }

    /// A task was made or changed; its definition is XML, where the record has it.
    pub(super) fn made(
        &mut self,
        computer: &str,
        (task, definition): (&str, Option<&str>),
        pid: Option<u64>,
        at: Option<Stamp>,
        sources: Vec<Source>,
    ) {
        let action = definition.map(|xml| actions(xml).into_iter().find_map(|line| Some((start_of(&line)?, line))));
        // A definition that starts no tool says that this task is none of them.
        if action.as_ref().is_some_and(Option::is_none) || task.is_empty() {
            return;
        }
        let (key, action) = (key_of(task), action.flatten());
        let is_same = |one: &&mut Made| {
            one.computer == computer
                && one.task == key
                && at.zip(one.at).is_some_and(|(at, other)| at.ticks_since(other).abs() <= APART)
        };
        if let Some(one) = self.made.iter_mut().rev().take(64).find(is_same) {
            one.sources.extend(sources);
            one.action = one.action.take().or(action);
            one.pid = one.pid.or(pid);
            return;
        }
        let size = size_of::<Made>() + 2 * task.len() + 2 * action.as_ref().map_or(0, |(_, line)| line.len());
        if self.has_room(size) {
            let (computer, shown) = (computer.to_owned(), task.to_owned());
            self.made.push(Made { computer, task: key, shown, at, pid, action, sources });
        }
    }

    /// The scheduler started a process, or an action, for a task.
    pub(super) fn ran(&mut self, computer: &str, task: &str, image: &str, pid: Option<u64>, at: Option<Stamp>) {
        let Some(at) = at.filter(|_| !task.is_empty()) else { return };
        if self.has_room(size_of::<Ran>() + task.len() + image.len() + computer.len()) {
            let (computer, image) = (computer.to_owned(), image.to_owned());
            self.ran.push(Ran { computer, task: key_of(task), at, pid, image });
        }
    }

    /// Tasks whose action starts a tool.
    pub(super) fn of_tools(&self) -> impl Iterator<Item = &Made> {
        self.made.iter().filter(|one| one.action.is_some())
    }

    /// Tasks of which only the name is recorded.
    pub(super) fn named_only(&self) -> impl Iterator<Item = &Made> {
        self.made.iter().filter(|one| one.action.is_none())
    }

    /// Whether a task started this process, or an anonymous run of this image at this time.
    fn has_started(&self, task: &str, one: &Launch<'_>) -> bool {
        self.ran.iter().filter(|ran| ran.task == task).any(|ran| {
            let same_computer = one.computer.is_none_or(|computer| computer.eq_ignore_ascii_case(&ran.computer));
            let is_near = one.started.is_some_and(|started| ran.at.ticks_since(started).abs() <= APART);
            let same = match (ran.pid, one.pid) {
                (Some(pid), Some(own)) => pid == own,
                _ => paths::file_name(&ran.image).trim_matches('"').eq_ignore_ascii_case(paths::file_name(one.image)),
            };
            same_computer && is_near && same
        })
    }
}

impl Made {
    /// When, as the clock showed it.
    pub(super) fn recorded(&self) -> Option<Filetime> {
        self.at.map(|at| at.recorded)
    }

    /// When, in the order of what happened.
    pub(super) fn made_at(&self) -> Option<Stamp> {
        self.at
    }

    /// Whether it was made before a run started.
    pub(super) fn is_before(&self, chain: &Chain<'_>) -> bool {
        self.at.zip(chain.started()).is_some_and(|(at, started)| started.ticks_since(at) >= 0)
    }

    /// Whether this process made the task: its number is recorded, or its command names the task.
    pub(super) fn is_by(&self, process: &Process) -> bool {
        let after = self.at.zip(process.started).map(|(at, started)| at.ticks_since(started));
        let is_named =
            || process.start.command_line.as_deref().and_then(task_named).is_some_and(|name| name == self.task);
        process.computer == self.computer
            && after.is_some_and(|after| (-SECOND..=MAKING).contains(&after))
            && (self.pid.is_some() && self.pid == process.pid || self.pid.is_none() && is_named())
    }

    /// The process that made it, where its start is known: the last one with that number.
    pub(super) fn maker<'p>(&self, processes: &'p Processes) -> Option<(ProcessId, &'p Process)> {
        let is_one = |one: &Process| {
            one.computer == self.computer
                && one.pid == self.pid
                && one.started.is_some_and(|started| self.at.is_some_and(|at| at.ticks_since(started) >= 0))
                && one.ended.is_none_or(|ended| self.at.is_some_and(|at| ended.ticks_since(at) >= 0))
        };
        self.pid?;
        processes.iter().filter(|(_, one)| is_one(one)).max_by_key(|(id, _)| *id)
    }
}

/// The task that a command line of schtasks names.
pub(super) fn task_named(line: &str) -> Option<String> {
    command::value_behind(line, &["/tn", "-tn"]).map(|name| key_of(&name))
}

/// A process that the scheduler may have started, on the way to a run.
struct Launch<'a> {
    computer: Option<&'a str>,
    pid: Option<u64>,
    started: Option<Stamp>,
    image: &'a str,
    parent: Option<(&'a str, Option<&'a str>)>,
}

impl Launch<'_> {
    fn is_by_the_scheduler(&self) -> bool {
        let Some((image, line)) = self.parent else { return false };
        match paths::stem(image).as_str() {
            // Other services are hosted in the same way; where the command line is recorded it tells them apart.
            "svchost" => line.is_none_or(|line| {
                let line = line.to_lowercase();
                line.contains("schedule") || line.contains("netsvcs")
            }),
            "taskeng" => true,
            _ => false,
        }
    }
}

/// A run with what the scheduler may have started of it: the run itself, and the processes above it.
pub(super) struct Chain<'a> {
    pub(super) execution: &'a Execution,
    /// The nearest first.
    pub(super) above: Vec<(ProcessId, &'a Process)>,
    launches: Vec<Launch<'a>>,
}

impl<'a> Chain<'a> {
    /// Of a run and its process, with the processes above it.
    pub(super) fn new(
        execution: &'a Execution,
        own: Option<&'a Process>,
        above: Vec<(ProcessId, &'a Process)>,
    ) -> Self {
        let parent = execution.parent.as_ref();
        let of_run = Launch {
            computer: own.map(|process| process.computer.as_str()),
            pid: execution.pid,
            started: own.map_or_else(|| execution.started.map(Stamp::steady), |process| process.started),
            image: &execution.image,
            parent: parent.and_then(|one| Some((one.image.as_deref()?, one.command_line.as_deref()))),
        };
        let of = |process: &'a Process| {
            let start = &process.start;
            Launch {
                computer: Some(&process.computer),
                pid: process.pid,
                started: process.started,
                image: &start.image,
                parent: start.parent_image.as_deref().map(|image| (image, start.parent_command_line.as_deref())),
            }
        };
        // What the scheduler started is a wrapper of the run as long as it asks for it.
        let wrappers = above.iter().take_while(|(_, process)| matches!(process.role, Role::Attempt(_)));
        let launches = std::iter::once(of_run).chain(wrappers.map(|(_, process)| of(process))).collect();
        Chain { execution, above, launches }
    }

    /// When the run started.
    fn started(&self) -> Option<Stamp> {
        self.launches.first().and_then(|run| run.started)
    }

    /// Whether it is what a task led to, which starts this command: by the scheduler's own log, or because the scheduler
    /// started that very command.
    pub(super) fn is_of(
        &self,
        task: Option<&str>,
        start: &Started,
        since: Option<Stamp>,
        scheduled: &Scheduled,
    ) -> bool {
        let is_later = self.started().zip(since).is_some_and(|(started, since)| started.ticks_since(since) >= 0);
        is_later
            && self.execution.tool == start.tool
            && (self.is_started_for(task, scheduled)
                || self.launches.iter().any(Launch::is_by_the_scheduler) && self.has_line_of(start))
    }

    /// Whether the scheduler's own log says that it started a process on the way to this run for that task.
    pub(super) fn is_started_for(&self, task: Option<&str>, scheduled: &Scheduled) -> bool {
        task.is_some_and(|task| self.launches.iter().any(|one| scheduled.has_started(task, one)))
    }

    /// Whether the run has the arguments of a command.
    pub(super) fn has_line_of(&self, start: &Started) -> bool {
        self.execution.tool == start.tool
            && self.execution.command_line.as_deref().is_some_and(|line| arguments(line) == arguments(&start.command))
    }
}

/// What stands behind the program of a command line, in one spelling.
fn arguments(line: &str) -> String {
    let words: Vec<String> = command::words_behind_program(line).iter().map(|word| word.to_lowercase()).collect();
    words.join(" ")
}

/// The commands of a task's definition.
fn actions(xml: &str) -> Vec<String> {
    /// Most actions that Windows takes.
    const MOST: usize = 32;
    let element = |text: &str, name: &str| {
        let inner = text.split_once(&format!("<{name}>"))?.1.split_once(&format!("</{name}>"))?.0;
        Some(unescaped(inner).trim().to_owned())
    };
    let parts = xml.split("<Exec").skip(1).take(MOST);
    let line = |part: &str| {
        let part = part.split_once("</Exec>").map_or(part, |(part, _)| part);
        let program = element(part, "Command")?;
        let program = match program.contains(' ') && !program.starts_with('"') {
            true => format!("\"{program}\""),
            false => program,
        };
        let arguments = element(part, "Arguments").unwrap_or_default();
        Some(format!("{program} {arguments}").trim().to_owned())
    };
    parts.filter_map(line).collect()
}

/// Text of XML with its five entities.
fn unescaped(text: &str) -> String {
    let plain = [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&apos;", "'"), ("&amp;", "&")];
    plain.iter().fold(text.to_owned(), |text, (entity, character)| text.replace(entity, character))
}

/// What of a command starts a tool.
fn start_of(line: &str) -> Option<Started> {
    match command::program_tool(line) {
        Some(tool) => Some(Started { tool, command: line.to_owned() }),
        None => command::started_tools(None, line).into_iter().next(),
    }
}

/// Whether a process asks the scheduler for something, as far as its command line shows.
pub(super) fn asks_for_a_task(process: &Process) -> bool {
    let line = process.start.command_line.as_deref().unwrap_or_default().to_lowercase();
    PathKey::new(&process.start.image).rest.ends_with(r"\AT.EXE")
        || line.contains("schtasks")
        || line.contains("at.exe")
}
