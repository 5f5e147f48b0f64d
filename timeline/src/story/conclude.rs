//! The conclusions, drawn when every event was seen: which processes are the tools, their runs, and what belongs to each.

use super::attempt::{Asked, attempts};
use super::boot::Boots;
use super::clock::Watch;
use super::computers::Own;
use super::files::Files;
use super::identity::{self, Basis, Verdict};
use super::lookalike::Others;
use super::neighbourhood::Neighbourhood;
use super::place;
use super::prefetch::{self, Joined, Slot};
use super::process::{Process, ProcessId, Processes, Role};
use super::registered_by;
use super::run::{self, Context, Run};
use super::source::Places;
use super::traces;
use super::unread::Unread;
use super::{Correlator, Story, limit};
use crate::host::Host;
use crate::paths::PathKey;
use evidence::{Answer, AssemblyFile, Execution, Filetime, Problem, Tool};
use std::collections::HashMap;

impl Correlator<'_> {
    /// Ends the input and draws the conclusions.
    pub fn finish(self) -> Story {
        let mut problems = self.limits();
        let Correlator {
            declared,
            mut host,
            items,
            places,
            processes,
            computers,
            watch,
            clocks,
            copies,
            boots,
            mut files,
            unread,
            prefetch,
            traces,
            registrations,
            scheduled,
            seen,
            focus: _,
        } = self;
        files.settle();
        let (prefetch, slots, other_prefetch) = prefetch.finish(&files);
        let (traces, other_traces) = traces.finish(&host, &files, &places);
        let own = computers.own(host.name.as_deref(), items, declared);
        let (no_host, no_items, no_unread) = (Host::default(), Vec::new(), Unread::default());
        let no_files = Files::new(&no_items, declared);
        let machine = place::machine(&host, &own, items, &processes, &prefetch);
        let contexts = Contexts {
            here: Context {
                host: &host,
                machine,
                files: &files,
                unread: &unread,
                prefetch: &prefetch,
                places: &places,
                own: &own,
            },
            elsewhere: Context::elsewhere(&no_host, &no_files, &no_unread, &places, &own),
            own: &own,
        };

        let (tools, others) = decide(&processes, &contexts);
        let mut others = Others::new(others, other_prefetch, other_traces, &own);
        let mut runs = runs(tools, slots, &mut others, &contexts);
        let joined = traces::join(&traces, &candidates(&runs, &processes, &own, &host, (&boots, &watch)));
        let alone = run::tie_traces(traces, joined, &mut runs, &|at| boots.end_after(None, at));
        runs.extend(alone.into_iter().filter_map(Run::of_traces));

        let order = order(&runs, &processes);
        let ids = ids(&order);
        let written = registrations.finish(declared, &places);
        let registrations = registered_by::tie(written, &mut runs, &ids, (&processes, &own), &files, &places);
        let executions = executions(&runs, &order, &ids, &processes, &contexts);
        problems.extend(not_listed(&runs, &processes));
        let neighbourhood = neighbourhood(&order, &executions, &runs, &processes, &places);
        let attempts = attempts(&Asked::new((&processes, &runs, &order), &executions, &scheduled, &places));
        let lookalikes = others.finish(&places);
        let assemblies = assemblies(&files, &executions, &places);
        let coverage = [seen.finish(items, &host, &places), vec![copies.finish(&files)]].concat();
        host.boots = boots.finish(&places);
        host.clock_changes = clocks.changes(&places);
        let named = computers.named(&own, items, declared);
        host.takes_names(named.this, named.others);
        problems.sort();
        Story {
            declared,
            host,
            executions,
            attempts,
            lookalikes,
            registrations,
            assemblies,
            coverage,
            neighbourhood,
            problems,
        }
    }
}

/// What the processes of the runs did; `order` has the runs as the executions stand.
fn neighbourhood(
    order: &[usize],
    executions: &[Execution],
    runs: &[Run],
    processes: &Processes,
    places: &Places,
) -> Neighbourhood {
    let mut neighbourhood = Neighbourhood::default();
    for (at, execution) in order.iter().zip(executions) {
        if let Some(process) = runs[*at].process_in(processes) {
            neighbourhood.add(&execution.id, process, places);
        }
    }
    neighbourhood
}

/// What runs are described with.
struct Contexts<'a> {
    /// For the runs of this host.
    here: Context<'a>,
    /// For those of other computers: what is known of them is in their records alone.
    elsewhere: Context<'a>,
    own: &'a Own,
}

impl<'a> Contexts<'a> {
    fn of(&self, process: Option<&Process>) -> &Context<'a> {
        match process {
            Some(process) if self.own.is_other(&process.computer) => &self.elsewhere,
            _ => &self.here,
        }
    }
}

/// A process that is a tool.
struct ToolProcess<'p> {
    id: ProcessId,
    process: &'p Process,
    tool: Tool,
    basis: Basis,
}

/// The processes that are tools, and those that only bear a tool's name, each with the reason.
fn decide<'p>(processes: &'p Processes, contexts: &Contexts<'_>) -> (Vec<ToolProcess<'p>>, Vec<(&'p Process, String)>) {
    let (mut tools, mut others) = (Vec::new(), Vec::new());
    for (id, process) in processes.iter().filter(|(_, process)| matches!(process.role, Role::Tool | Role::Suspect)) {
        match identity::decide(process, contexts.of(Some(process)).files) {
            Verdict::Tool(tool, basis) => tools.push(ToolProcess { id, process, tool, basis }),
            Verdict::Lookalike(because) => others.push((process, because)),
            Verdict::Other => {}
        }
    }
    (tools, others)
}

/// The runs that processes show, each with its slots in prefetch files, and those that only a slot shows. A slot can be the run
/// of a process that is not the tool as well, although nothing says so of the file.
fn runs(tools: Vec<ToolProcess<'_>>, slots: Vec<Slot>, others: &mut Others<'_>, contexts: &Contexts<'_>) -> Vec<Run> {
    let is_here = |tool: &ToolProcess<'_>| !contexts.own.is_other(&tool.process.computer);
    let timed: Vec<usize> =
        (0..tools.len()).filter(|at| tools[*at].process.start_for_joins().is_some() && is_here(&tools[*at])).collect();
    let start = |at: &usize| Some((tools[*at].process.start_for_joins()?, tools[*at].process.key.clone()));
    let mut starts: Vec<(Filetime, PathKey)> = timed.iter().filter_map(start).collect();
    let of_tools = starts.len();
    let is_timed = |at: &usize| others.here[*at].0.start_for_joins().is_some();
    let other_timed: Vec<usize> = (0..others.here.len()).filter(is_timed).collect();
    let start = |at: &usize| Some((others.here[*at].0.start_for_joins()?, others.here[*at].0.key.clone()));
    starts.extend(other_timed.iter().filter_map(start));
    let joined = prefetch::join(&slots, &starts);
    let mut merged: HashMap<usize, Vec<Slot>> = HashMap::new();
    let mut alone = Vec::new();
    for (slot, joined) in slots.into_iter().zip(joined) {
        match joined {
            Joined::To(run) if run < of_tools => merged.entry(timed[run]).or_default().push(slot),
            Joined::To(run) => others.slots.push((other_timed[run - of_tools], slot)),
            Joined::Alone(could_be) => {
                let runs = could_be.into_iter().filter(|run| *run < of_tools);
                alone.push((slot, runs.map(|run| timed[run]).collect()));
            }
        }
    }
    let mut runs = Vec::with_capacity(tools.len() + alone.len());
    for (at, ToolProcess { id, process, tool, basis }) in tools.into_iter().enumerate() {
        let slots = merged.remove(&at).unwrap_or_default();
        runs.push(Run::of_process(id, process, tool, basis, slots, contexts.of(Some(process))));
    }
    runs.extend(alone.into_iter().map(|(slot, could_be)| Run::of_slot(slot, could_be, &contexts.here)));
    runs
}

/// The runs of this host to which a trace can belong.
fn candidates<'r>(
    runs: &'r [Run],
    processes: &'r Processes,
    own: &Own,
    host: &'r Host,
    (boots, watch): (&Boots, &Watch),
) -> Vec<traces::Candidate<'r>> {
    let of = |(place, run): (usize, &'r Run)| {
        let process = run.process_in(processes);
        let start = process.map(|process| &process.start);
        let named = start.and_then(|start| start.sid.as_deref().or_else(|| host.sid_meant(start.user.as_deref()?)));
        let key = process.map(|process| &process.key).or_else(|| run.slots.first().map(|slot| &slot.key))?;
        let computer = process.map(|process| process.computer.as_str());
        (!computer.is_some_and(|computer| own.is_other(computer))).then_some(())?;
        let ended = process.and_then(Process::ended_as_recorded);
        let machine = computer.map(|computer| watch.machine(computer));
        let started = run.start.or_else(|| boots.change_before(machine, ended?, traces::APART))?;
        Some(traces::Candidate {
            run: place,
            key,
            user: named,
            started,
            start_is_known: run.start.is_some(),
            ended,
            until: boots.end_after(machine, started),
        })
    };
    runs.iter().enumerate().filter_map(of).collect()
}

/// The runs in the order of time, undated ones last; what else decides is stable.
fn order(runs: &[Run], processes: &Processes) -> Vec<usize> {
    let key = |at: usize| {
        let run = &runs[at];
        let process = run.process_in(processes);
        let slot = run.slots.first().and_then(|slot| slot.sources.first()).map(|cited| cited.source.clone());
        let trace = run.traces.first().and_then(|(trace, _)| trace.sources.first()).cloned();
        let source = process.and_then(|process| process.sources.first()).map(|cited| cited.source.clone());
        let source = source.or(slot).or(trace);
        let time = run.start.or_else(|| run.not_after());
        (time.is_none(), time, process.is_none(), process.and_then(|process| process.pid), source)
    };
    let mut order: Vec<usize> = (0..runs.len()).collect();
    order.sort_by_cached_key(|at| key(*at));
    order
}

/// What each run is called in the report, by their order.
fn ids(order: &[usize]) -> Vec<String> {
    let mut ids = vec![String::new(); order.len()];
    for (place, run) in order.iter().enumerate() {
        ids[*run] = format!("E{}", place + 1);
    }
    ids
}

/// The runs as the report shows them, in their order.
fn executions(
    runs: &[Run],
    order: &[usize],
    ids: &[String],
    processes: &Processes,
    contexts: &Contexts<'_>,
) -> Vec<Execution> {
    let describe = |at: &usize| {
        let run = &runs[*at];
        let process = run.process_in(processes);
        let mut execution = run.describe(ids[*at].clone(), process, contexts.of(process));
        execution.another_computer = match process {
            Some(process) => contexts.own.is_another(&process.computer),
            None => Answer::No,
        };
        if let Some(computer) = process.map(|process| &process.computer).filter(|name| contexts.own.is_other(name)) {
            execution.warnings.push(contexts.own.warning(computer, contexts.here.host.name.as_deref()));
        }
        execution.merge_candidates = run.could_be.iter().filter_map(|run| ids.get(*run).cloned()).collect();
        execution
    };
    order.iter().map(describe).collect()
}

/// That activities of the runs were too many to list.
fn not_listed<'r>(runs: &'r [Run], processes: &'r Processes) -> impl Iterator<Item = Problem> + 'r {
    runs.iter().filter_map(|run| {
        let process = run.process_in(processes);
        let left_out = Some(Run::left_out(process)).filter(|count| *count > 0)?;
        let pid = process.and_then(|process| process.pid).unwrap_or(0);
        Some(limit(
            format!("{left_out} more activities of process {pid} are not listed"),
            "the picture of this run is not complete; its verdict is not affected",
        ))
    })
}

/// The collected programs, each with the runs that it is the assembly of.
fn assemblies(files: &Files<'_>, executions: &[Execution], places: &Places) -> Vec<AssemblyFile> {
    let mut by_hash: HashMap<&str, Vec<(PathKey, &str)>> = HashMap::new();
    let is_other = |one: &&Execution| one.assembly.same_file.as_ref().is_some_and(|same| same.state == Answer::No);
    for one in executions.iter().filter(|one| !is_other(one)) {
        let path = one.assembly.judged.as_ref().or(one.assembly.resolved_path.as_ref());
        if let (Some(sha256), Some(path)) = (&one.assembly.sha256, path) {
            by_hash.entry(sha256).or_default().push((PathKey::new(path), &one.id));
        }
    }
    let named = |path: &str, sha256: &str| {
        let key = PathKey::new(path);
        let found = by_hash.get(sha256).into_iter().flatten().filter(|(path, _)| path.same_file(&key));
        found.map(|(_, id)| (*id).to_owned()).collect()
    };
    files.report(places, &named)
}
