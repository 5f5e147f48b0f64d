//! Attempts: processes of other programs whose command would start a tool, and the runs to which they led.

use super::clock::Stamp;
use super::process::{Process, ProcessId, Processes, Role};
use super::run::Run;
use super::scheduled::{self, Chain, Made, Scheduled};
use super::source::Places;
use crate::command::Started;
use crate::paths;
use evidence::{Attempt, Execution, Filetime};
use std::collections::HashMap;

/// What asked where the process that made a task is not recorded.
const SCHEDULER: &str = "Task Scheduler";

/// What attempts are found in. `order` has the runs as the executions stand.
pub(super) struct Asked<'a> {
    processes: &'a Processes,
    runs: &'a [Run],
    order: &'a [usize],
    executions: &'a [Execution],
    scheduled: &'a Scheduled,
    places: &'a Places<'a>,
}

/// The attempts in the order of time.
pub(super) fn attempts(asked: &Asked<'_>) -> Vec<Attempt> {
    let Asked { processes, scheduled, places, .. } = *asked;
    let chains = asked.chains();
    let by_ancestor = asked.led_to(&chains);
    let over_wmi = started_over_wmi(asked.executions);
    let mut made: Vec<&Made> = scheduled.of_tools().collect();
    let mut found: Vec<(Option<Filetime>, Option<ProcessId>, Attempt)> = Vec::new();
    for (id, process) in processes.iter() {
        let Role::Attempt(start) = &process.role else { continue };
        let line = process.start.command_line.clone().unwrap_or_default();
        let mut sources = process.sources.iter().map(|cited| places.cite(cited)).collect::<Vec<_>>();
        // The audit of the task that it made tells of the same.
        let (own, others): (Vec<&Made>, Vec<&Made>) = made.drain(..).partition(|one| one.is_by(process));
        made = others;
        sources.extend(own.iter().flat_map(|one| &one.sources).map(|source| places.plain(source)));
        let task = own.first().map(|one| one.task.clone()).or_else(|| scheduled::task_named(&line));
        let by_task = || {
            let asks = scheduled::asks_for_a_task(process) || !own.is_empty();
            asks.then(|| first_of(&chains, task.as_deref(), start, process.started, scheduled)).flatten()
        };
        let led_to =
            by_ancestor.get(&id).cloned().or_else(|| by_wmi(process, &start.command, &over_wmi)).or_else(by_task);
        found.push((
            process.started_as_recorded(),
            Some(id),
            Attempt {
                id: String::new(),
                command_line: line,
                image: process.start.image.clone(),
                pid: process.pid,
                started: process.started_as_recorded(),
                command: start.command.clone(),
                led_to,
                sources,
            },
        ));
    }
    let of_tasks = made.into_iter().filter_map(|one| asked.of_task(one, &chains));
    found.extend(of_tasks.chain(asked.of_names(&chains)).map(|attempt| (attempt.started, None, attempt)));
    found.sort_by(|a, b| {
        (a.0.is_none(), a.0, a.1, &a.2.command_line).cmp(&(b.0.is_none(), b.0, b.1, &b.2.command_line))
    });
    found.into_iter().enumerate().map(|(at, (.., attempt))| Attempt { id: format!("A{}", at + 1), ..attempt }).collect()
}

/// The first run to which a task that starts this command led.
fn first_of(
    chains: &[Chain<'_>],
    task: Option<&str>,
    start: &Started,
    since: Option<Stamp>,
    scheduled: &Scheduled,
) -> Option<String> {
    let is_of = |chain: &&Chain<'_>| chain.is_of(task, start, since, scheduled);
    chains.iter().filter(is_of).min_by_key(|chain| chain.execution.started).map(|chain| chain.execution.id.clone())
}

impl<'a> Asked<'a> {
    /// Of these processes and runs, and the runs' order in the report.
    pub(super) fn new(
        (processes, runs, order): (&'a Processes, &'a [Run], &'a [usize]),
        executions: &'a [Execution],
        scheduled: &'a Scheduled,
        places: &'a Places<'a>,
    ) -> Self {
        Asked { processes, runs, order, executions, scheduled, places }
    }

    /// Each run with the processes above it that are recorded, the nearest first.
    fn chains(&self) -> Vec<Chain<'a>> {
        /// Wrappers round a wrapper.
        const DEEPEST: usize = 8;
        let chain = |(run, execution): (&usize, &'a Execution)| {
            let own = self.runs[*run].process_in(self.processes);
            let mut above = Vec::new();
            let mut next = own.and_then(|process| process.parent);
            while let Some((id, process)) = next.and_then(|id| Some((id, self.processes.get(id)?)))
                && above.len() < DEEPEST
            {
                above.push((id, process));
                next = process.parent;
            }
            Chain::new(execution, own, above)
        };
        self.order.iter().zip(self.executions).map(chain).collect()
    }

    /// The first execution below each attempt that is its ancestor: with nothing but attempts between, or where what lies
    /// between does not show the command, one with that very command.
    fn led_to(&self, chains: &[Chain<'_>]) -> HashMap<ProcessId, String> {
        let mut led_to: HashMap<ProcessId, String> = HashMap::new();
        for chain in chains {
            let mut is_plain = true;
            for (id, process) in &chain.above {
                match &process.role {
                    Role::Attempt(start) if is_plain || chain.has_line_of(start) => {
                        led_to.entry(*id).or_insert_with(|| chain.execution.id.clone());
                    }
                    _ => is_plain = false,
                }
            }
        }
        led_to
    }

    /// The attempt that a task is whose maker's command line does not show its action.
    fn of_task(&self, made: &Made, chains: &[Chain<'_>]) -> Option<Attempt> {
        let (start, line) = made.action.as_ref()?;
        let maker = made.maker(self.processes).map(|(_, process)| process);
        let words = format!("scheduled task {}: {line}", made.shown);
        Some(Attempt {
            id: String::new(),
            command_line: maker.and_then(|maker| maker.start.command_line.clone()).unwrap_or(words),
            image: maker.map_or_else(|| SCHEDULER.to_owned(), |maker| maker.start.image.clone()),
            pid: maker.and_then(|maker| maker.pid),
            started: made.recorded(),
            command: start.command.clone(),
            led_to: first_of(chains, Some(&made.task), start, made.made_at(), self.scheduled),
            sources: made.sources.iter().map(|source| self.places.plain(source)).collect(),
        })
    }

    /// Tasks of which only the name is recorded, and which the scheduler's log says to have started a tool.
    fn of_names(&self, chains: &[Chain<'_>]) -> impl Iterator<Item = Attempt> {
        let is_told = |task: &str| {
            let mut lines = self.processes.iter().filter_map(|(_, one)| match &one.role {
                Role::Attempt(_) => one.start.command_line.as_deref(),
                _ => None,
            });
            self.scheduled.of_tools().any(|one| one.task == task)
                || lines.any(|line| scheduled::task_named(line).is_some_and(|name| name == task))
        };
        self.scheduled.named_only().filter_map(move |made| {
            let is_of =
                |chain: &&Chain<'_>| made.is_before(chain) && chain.is_started_for(Some(&made.task), self.scheduled);
            let run = chains.iter().filter(is_of).min_by_key(|chain| chain.execution.started)?.execution;
            if is_told(&made.task) {
                return None;
            }
            Some(Attempt {
                id: String::new(),
                command_line: format!("scheduled task {}", made.shown),
                image: SCHEDULER.to_owned(),
                pid: None,
                started: made.recorded(),
                command: run.command_line.clone().unwrap_or_else(|| run.image.clone()),
                led_to: Some(run.id.clone()),
                sources: made.sources.iter().map(|source| self.places.plain(source)).collect(),
            })
        })
    }
}

/// The executions whose parent is the provider host of WMI, by their start.
fn started_over_wmi(executions: &[Execution]) -> Vec<&Execution> {
    let is_over_wmi = |one: &&Execution| {
        let parent = one.parent.as_ref().and_then(|parent| parent.image.as_deref());
        one.started.is_some() && parent.is_some_and(|image| paths::stem(image) == "wmiprvse")
    };
    let mut found: Vec<&Execution> = executions.iter().filter(is_over_wmi).collect();
    found.sort_by_key(|one| one.started);
    found
}

/// A process created over WMI is a child of the provider host, not of the one who asked: the same command
/// within ten seconds is taken for it.
fn by_wmi(process: &Process, command: &str, over_wmi: &[&Execution]) -> Option<String> {
    const WINDOW: i64 = 10 * 10_000_000;
    let same = |one: &str| one.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase();
    let at = process.started_as_recorded()?;
    let from = over_wmi.partition_point(|one| one.started.is_some_and(|started| started < at));
    over_wmi[from..]
        .iter()
        .take_while(|one| one.started.is_some_and(|started| started.ticks_since(at) <= WINDOW))
        .find(|one| one.command_line.as_deref().is_some_and(|line| same(line) == same(command)))
        .map(|one| one.id.clone())
}
