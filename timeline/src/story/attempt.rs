//! Attempts: processes of other programs whose command would start a tool, and the runs to which they led.

use super::process::{Process, ProcessId, Processes, Role};
use super::run::Run;
use super::source::Places;
use crate::paths;
use evidence::{Attempt, Execution, Filetime};
use std::collections::HashMap;

/// The attempts in the order of time. `order` has the runs as the executions stand.
pub(super) fn attempts(
    processes: &Processes,
    runs: &[Run],
    order: &[usize],
    executions: &[Execution],
    places: &Places,
) -> Vec<Attempt> {
    let by_ancestor = led_to(processes, runs, order, executions);
    let over_wmi = started_over_wmi(executions);
    let mut found: Vec<(Option<Filetime>, ProcessId, Attempt)> = Vec::new();
    for (id, process) in processes.iter() {
        let Role::Attempt(start) = &process.role else { continue };
        let led_to = by_ancestor.get(&id).cloned().or_else(|| by_wmi(process, &start.command, &over_wmi));
        found.push((
            process.started_as_recorded(),
            id,
            Attempt {
                id: String::new(),
                command_line: process.start.command_line.clone().unwrap_or_default(),
                image: process.start.image.clone(),
                pid: process.pid,
                started: process.started_as_recorded(),
                command: start.command.clone(),
                led_to,
                sources: process.sources.iter().map(|cited| places.cite(cited)).collect(),
            },
        ));
    }
    found.sort_by_key(|a| (a.0.is_none(), a.0, a.1));
    found.into_iter().enumerate().map(|(at, (.., attempt))| Attempt { id: format!("A{}", at + 1), ..attempt }).collect()
}

/// The first execution below each attempt that is its ancestor.
fn led_to(
    processes: &Processes,
    runs: &[Run],
    order: &[usize],
    executions: &[Execution],
) -> HashMap<ProcessId, String> {
    /// Wrappers round a wrapper.
    const DEEPEST: usize = 8;
    let mut led_to: HashMap<ProcessId, String> = HashMap::new();
    for (run, execution) in order.iter().zip(executions) {
        let mut parent = runs[*run].process_in(processes).and_then(|process| process.parent);
        for _ in 0..DEEPEST {
            let Some((id, process)) = parent.and_then(|id| Some((id, processes.get(id)?))) else { break };
            if !matches!(process.role, Role::Attempt(_)) {
                break;
            }
            led_to.entry(id).or_insert_with(|| execution.id.clone());
            parent = process.parent;
        }
    }
    led_to
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
