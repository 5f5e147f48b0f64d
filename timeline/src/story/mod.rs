//! From events in the order of time to runs of the tools, attempts, registrations, assemblies and coverage.
//!
//! Everything that is joined is joined by a rule with a number ([`JoinRule`]), which stands on the citation.
//! The presence of a file, a name in a list or in a command line is never a run: a run is a process record,
//! or a trace that only a running process leaves, whose image is the tool.

mod boot;
mod computers;
mod coverage;
mod files;
mod identity;
mod live;
mod log_event;
mod neighbourhood;
mod prefetch;
mod process;
mod registration;
mod run;
mod source;
#[cfg(test)]
mod tests;
mod traces;
mod unread;
mod verdict;

use crate::declared::Declared;
use crate::event::{Event, Glance, Happening};
use crate::host::Host;
use crate::merge::{Observer, Seen as Encoded};
use crate::paths::{self, PathKey};
use boot::Boots;
use computers::{Computers, Own};
use coverage::{Cleared, Seen};
use evidence::{
    Artifact, AssemblyFile, Attempt, Confidence, Coverage, Execution, Filetime, Items, JoinRule, Lookalike, Meaning,
    Mode, Problem, ProblemKind, Registration, RegistrationState, Related, Stage, Tells,
};
use files::Files;
use identity::Verdict;
pub(crate) use identity::in_framework;
use log_event::{ActivityKind, BootSign, LogEvent};
use neighbourhood::Neighbourhood;
use prefetch::{Joined, Prefetch};
use process::{Process, ProcessId, Processes, Role};
use registration::{Draft, Registrations};
use run::{Context, Run};
use source::{Places, Source};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use traces::Traces;
use unread::Unread;

/// What the events of a host come to: whole, and read-only for those who judge it and those who write it down.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Story {
    /// What was declared of the sources.
    pub(crate) declared: Declared,
    /// The host, with its boots.
    pub host: Host,
    /// Runs of the tools, in the order of time.
    pub executions: Vec<Execution>,
    /// Processes of other programs whose command would start a tool, in the order of time.
    pub attempts: Vec<Attempt>,
    /// Programs that bear a tool's name and are something else.
    pub lookalikes: Vec<Lookalike>,
    /// COM registrations of managed classes.
    pub registrations: Vec<Registration>,
    /// Collected programs.
    pub assemblies: Vec<AssemblyFile>,
    /// How far every source reaches.
    pub coverage: Vec<Coverage>,
    /// What the processes around the runs did.
    pub(crate) neighbourhood: Neighbourhood,
    /// What had to be left out.
    pub problems: Vec<Problem>,
}

/// Takes events in the order of time, undated ones last, and finds the runs in them. Memory is bounded: what
/// is kept has limits, and a limit that was reached is a problem of the result.
pub struct Correlator<'a> {
    declared: Declared,
    host: Host,
    items: &'a dyn Items,
    places: Places<'a>,
    processes: Processes,
    computers: Computers,
    boots: Boots,
    files: Files<'a>,
    unread: Unread,
    prefetch: Prefetch,
    traces: Traces,
    registrations: Registrations,
    seen: Seen,
}

/// Whether more is made of an event than a row and a number.
fn asks(event: &impl Happening) -> bool {
    match event.of().tells {
        Tells::Event => false,
        Tells::File => Files::asks_for_file_record(event),
        Tells::Row => event.claims().iter().any(|claim| claim.run_time().is_some()),
        tells => !tells.is_of_the_host(),
    }
}

impl Observer for Correlator<'_> {
    fn asks(event: &Encoded<'_>) -> bool {
        asks(event)
    }

    fn count(&mut self, glance: &Glance) {
        self.seen.count(glance);
    }

    fn observe(&mut self, event: &Encoded<'_>) {
        if !self.take_file(event) {
            self.take(&event.event.to_event());
        }
    }
}

impl<'a> Correlator<'a> {
    /// A correlator for the host that the evidence describes and the objects that were collected; `artifacts` are all that
    /// the program knows.
    pub fn new(host: Host, items: &'a dyn Items, artifacts: &'static [&'static Artifact]) -> Self {
        let declared = Declared::new(artifacts);
        let suspects = Files::suspects(items);
        Correlator {
            declared,
            host,
            items,
            places: Places::new(items),
            processes: Processes::new(suspects.clone()),
            computers: Computers::default(),
            boots: Boots::default(),
            files: Files::new(items),
            unread: Unread::default(),
            prefetch: Prefetch::new(suspects.clone()),
            traces: Traces::new(suspects),
            registrations: Registrations::default(),
            seen: Seen::new(declared),
        }
    }

    /// The same with what went wrong when the objects were collected: what could not be examined is not called absent.
    #[must_use]
    pub fn knowing(mut self, failures: &[Problem]) -> Self {
        self.unread = Unread::new(failures);
        self
    }

    /// The same with the artifacts that the collection looked for, where that is known: what nobody looked for is not called
    /// absent either.
    #[must_use]
    pub fn having_searched(mut self, artifacts: Option<BTreeSet<String>>) -> Self {
        self.seen.searched(artifacts);
        self
    }

    /// Takes an event.
    pub fn observe(&mut self, event: &Event) {
        self.seen.count(&Glance::of(event));
        if asks(event) && !self.take_file(event) {
            self.take(event);
        }
    }

    /// Takes an event of a file, of which there are very many; nothing else.
    fn take_file(&mut self, event: &impl Happening) -> bool {
        match event.of().tells {
            Tells::FileChange => self.files.add_journal(event),
            Tells::File => self.files.add_file_record(event),
            _ => return false,
        }
        true
    }

    fn take(&mut self, event: &Event) {
        match event.record.of.tells {
            Tells::Log => self.seen.channel(event),
            Tells::LogPlace => self.seen.moved(event),
            Tells::LiveProcess => {
                // Without its start it is not known which of the processes with this number it was.
                // Nor is the collection itself anything that happened on the host.
                if event.meanings().any(|meaning| meaning == Meaning::STARTED)
                    && event.record.role(evidence::Role::Collector).is_none()
                    && let Some(start) = live::process(&event.record)
                {
                    let computer = live::computer(&event.record);
                    self.computers.is_this(&computer);
                    self.processes.start(computer, start, event.happened(), Source::all_of(event));
                }
            }
            Tells::LiveSession => {
                if event.meanings().any(|meaning| meaning == Meaning::STARTED)
                    && let (Some(logon), Some(at)) = (live::session(&event.record), event.happened())
                {
                    self.processes.live_logon(&live::computer(&event.record), logon, at, Source::of(event));
                }
            }
            Tells::LiveConnection => {
                if let Some(activity) = live::connection(&event.record) {
                    let computer = live::computer(&event.record);
                    self.processes.act(&computer, &activity, event.happened(), &Source::of(event));
                }
            }
            Tells::Prefetch => self.prefetch.add(event),
            Tells::ComClass => self.registrations.add_hive(event, &self.places),
            Tells::ProgramFile => self.files.add_facts(event),
            Tells::Stream => self.files.add_stream(event),
            _ if event.record.of.is_event() => self.observe_log(event),
            _ => self.traces.add(event),
        }
    }

    fn observe_log(&mut self, event: &Event) {
        let read = log_event::read(&event.record);
        if matches!(read, LogEvent::Other) {
            return;
        }
        let computer = log_event::computer(&event.record);
        let at = event.happened();
        self.computers.see(event.item, &computer, at);
        let source = Source::of(event);
        match read {
            LogEvent::Start(start) => {
                let name = paths::stem(&start.image);
                // The session manager is started by the kernel once in each boot.
                if let Some(at) = at
                    && (name == "smss" && start.parent_pid == Some(4)
                        || name == "registry" && !start.image.contains('\\'))
                {
                    self.boot_sign(&computer, BootSign::FirstProcess, at, source);
                }
                self.processes.start(computer, *start, at, Source::all_of(event));
            }
            LogEvent::End { actor, exit } => self.processes.end(&computer, &actor, exit, at, Source::all_of(event)),
            LogEvent::Activity(activity) => {
                let process = self.processes.act(&computer, &activity, at, &source);
                match &activity.kind {
                    ActivityKind::File { path, deleted } => {
                        let who = activity.actor.image.as_deref().unwrap_or("a process");
                        let what = format!("{who} {}", activity.what);
                        self.files.add_activity(path, at, what, *deleted, source);
                    }
                    kind @ ActivityKind::Registry { .. } => {
                        let actor = &activity.actor;
                        let writer = actor.guid.clone().unwrap_or_else(|| {
                            format!(
                                "{computer} {} {}",
                                actor.pid.unwrap_or(0),
                                actor.image.as_deref().unwrap_or_default()
                            )
                        });
                        self.registrations.add_write(process, &writer, kind, at, &source);
                    }
                    _ => {}
                }
            }
            LogEvent::TaskStarted { actor, task } => self.processes.task(&computer, &actor, &task, at, &source),
            LogEvent::Logon(logon) => {
                if let Some(at) = at {
                    self.processes.logon(&computer, logon, at, source);
                }
            }
            LogEvent::Boot(sign) => {
                if let Some(at) = at {
                    self.boot_sign(&computer, sign, at, source);
                }
            }
            LogEvent::Cleared { channel, by } => {
                self.seen.cleared(channel, Cleared { at, by, sources: Source::all_of(event) });
            }
            LogEvent::Other => {}
        }
    }

    fn boot_sign(&mut self, computer: &str, sign: BootSign, at: Filetime, source: Source) {
        if self.boots.sign(computer, sign, at, source) {
            self.processes.boot(computer);
        }
    }

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
            boots,
            files,
            unread,
            prefetch,
            traces,
            registrations,
            seen,
        } = self;
        let (prefetch, slots, prefetch_lookalikes) = prefetch.finish(&files);
        let (traces, lookalike_traces) = traces.finish(&host, &files);
        let here = Context { host: &host, files: &files, unread: &unread, prefetch: &prefetch, places: &places };
        // What is known of another computer is in its records alone.
        let own = computers.own(host.name.as_deref(), items, declared);
        let (no_host, no_items, no_unread) = (Host::default(), Vec::new(), Unread::default());
        let no_files = Files::new(&no_items);
        let elsewhere =
            Context { host: &no_host, files: &no_files, unread: &no_unread, prefetch: &[], places: &places };
        let context_of = |process: Option<&Process>| match process {
            Some(process) if own.is_other(&process.computer) => &elsewhere,
            _ => &here,
        };

        let mut lookalikes = Vec::new();
        let mut tools = Vec::new();
        for (id, process) in processes.iter().filter(|(_, process)| matches!(process.role, Role::Tool | Role::Suspect))
        {
            match identity::decide(process, context_of(Some(process)).files) {
                Verdict::Tool(tool, basis) => tools.push((id, process, tool, basis)),
                Verdict::Lookalike(because) => lookalikes.push(lookalike(process, because, &places)),
                Verdict::Other => {}
            }
        }
        lookalikes.extend(prefetch_lookalikes.into_iter().map(|(file, because)| Lookalike {
            image: file.path.clone(),
            pid: None,
            started: file.last_run(),
            command_line: None,
            because,
            sources: vec![places.plain(&file.source)],
        }));
        lookalikes.extend(lookalike_traces.into_iter().map(|(trace, because)| Lookalike {
            image: trace.image.clone(),
            pid: None,
            started: trace.started(),
            command_line: None,
            because,
            sources: trace.sources.iter().map(|source| places.plain(source)).collect(),
        }));
        lookalikes.sort_by(|a, b| {
            (a.started.is_none(), a.started, &a.image, a.pid).cmp(&(b.started.is_none(), b.started, &b.image, b.pid))
        });

        let timed: Vec<usize> = (0..tools.len())
            .filter(|at| tools[*at].1.start_for_joins().is_some() && !own.is_other(&tools[*at].1.computer))
            .collect();
        let starts: Vec<(Filetime, PathKey)> =
            timed.iter().filter_map(|at| Some((tools[*at].1.start_for_joins()?, tools[*at].1.key.clone()))).collect();
        let joined = prefetch::join(&slots, &starts);
        let mut merged: HashMap<usize, Vec<prefetch::Slot>> = HashMap::new();
        let mut alone = Vec::new();
        for (slot, joined) in slots.into_iter().zip(joined) {
            match joined {
                Joined::To(run) => merged.entry(timed[run]).or_default().push(slot),
                Joined::Alone(runs) => alone.push((slot, runs.into_iter().map(|run| timed[run]).collect::<Vec<_>>())),
            }
        }
        let mut runs: Vec<Run> = Vec::with_capacity(tools.len() + alone.len());
        for (at, (id, process, tool, basis)) in tools.iter().enumerate() {
            let slots = merged.remove(&at).unwrap_or_default();
            runs.push(Run::of_process(*id, process, *tool, basis.clone(), slots, context_of(Some(process))));
        }
        for (slot, could_be) in alone {
            runs.push(Run::of_slot(slot, could_be, &here));
        }

        let joined = traces::join(&traces, &candidates(&runs, &processes, &own, &host, &boots));
        let alone = run::tie_traces(traces, joined, &mut runs);
        runs.extend(alone.into_iter().filter_map(Run::of_traces));

        let process_of = |run: &Run| run.process.and_then(|id| processes.get(id));
        let order = order(&runs, &processes);
        let ids: BTreeMap<usize, String> =
            order.iter().enumerate().map(|(place, run)| (*run, format!("E{}", place + 1))).collect();
        let id_of = |run: usize| ids.get(&run).cloned().unwrap_or_default();

        let drafts = registrations.finish(&places);
        let registrations = tie(drafts, &mut runs, &processes, &own, &files, &places, &id_of);

        let mut executions = Vec::with_capacity(runs.len());
        for at in &order {
            let run = &runs[*at];
            let process = process_of(run);
            let mut execution = run.describe(id_of(*at), process, context_of(process));
            if let Some(computer) = process.map(|process| &process.computer).filter(|name| own.is_other(name)) {
                execution.warnings.push(own.warning(computer, host.name.as_deref()));
            }
            execution.merge_candidates = run.could_be.iter().map(|run| id_of(*run)).collect();
            let left_out = Run::left_out(process);
            if left_out > 0 {
                problems.push(limit(
                    format!("{left_out} more activities of process {} are not listed", execution.pid.unwrap_or(0)),
                    "the picture of this run is not complete; its verdict is not affected",
                ));
            }
            executions.push(execution);
        }
        let attempts = attempts(&processes, &runs, &order, &executions, &places);
        let mut by_hash: HashMap<&str, Vec<(PathKey, &str)>> = HashMap::new();
        for one in &executions {
            if let (Some(sha256), Some(path)) = (&one.assembly.sha256, &one.assembly.resolved_path) {
                by_hash.entry(sha256).or_default().push((PathKey::new(path), &one.id));
            }
        }
        let named = |path: &str, sha256: &str| {
            let key = PathKey::new(path);
            let found = by_hash.get(sha256).into_iter().flatten().filter(|(path, _)| path.same_file(&key));
            found.map(|(_, id)| (*id).to_owned()).collect()
        };
        let assemblies = files.report(&places, &named);
        let coverage = seen.finish(items, &host, &places);
        let mut neighbourhood = Neighbourhood::default();
        for (at, execution) in order.iter().zip(&executions) {
            if let Some(process) = process_of(&runs[*at]) {
                neighbourhood.add(&execution.id, process, &places);
            }
        }
        host.boots = boots.finish(&places);
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

    /// The limits that were reached.
    fn limits(&self) -> Vec<Problem> {
        let counts = [
            (
                self.processes.forgotten,
                "processes were forgotten to bound memory",
                "a parent or an activity of a process that started long before may not have been joined",
            ),
            (
                self.processes.not_kept,
                "processes that are or may be the tool were not kept",
                "executions and attempts are missing from the result",
            ),
            (
                self.files.traces_left_out,
                "traces of files were left out",
                "the history of an assembly may not be complete",
            ),
            (self.files.facts_left_out, "collected programs were left out", "facts of an assembly may be missing"),
            (self.prefetch.left_out, "prefetch files were left out", "anonymous executions may be missing"),
            (self.traces.left_out, "traces of runs were left out", "anonymous executions may be missing"),
            (
                self.seen.left_out(),
                "event logs are not in the coverage",
                "how far they reach is not told; their records were used",
            ),
            (
                self.registrations.left_out,
                "registrations were left out",
                "a registration of an assembly may be missing",
            ),
        ];
        counts
            .into_iter()
            .filter(|(count, ..)| *count > 0)
            .map(|(count, what, effect)| limit(format!("{count} {what}"), effect))
            .collect()
    }
}

fn limit(what: String, effect: &str) -> Problem {
    Problem::new(Stage::Correlate, ProblemKind::LimitReached, "", what, effect)
}

fn lookalike(process: &Process, because: String, places: &Places) -> Lookalike {
    Lookalike {
        image: process.start.image.clone(),
        pid: process.pid,
        started: process.started,
        command_line: process.start.command_line.clone(),
        because,
        sources: process.sources.iter().map(|cited| places.cite(cited)).collect(),
    }
}

/// The runs of this host to which a trace can belong.
fn candidates<'r>(
    runs: &'r [Run],
    processes: &'r Processes,
    own: &Own,
    host: &'r Host,
    boots: &Boots,
) -> Vec<traces::Candidate<'r>> {
    let of = |(place, run): (usize, &'r Run)| {
        let process = run.process.and_then(|id| processes.get(id));
        let start = process.map(|process| &process.start);
        let named = start.and_then(|start| start.sid.as_deref().or_else(|| host.sid_of(start.user.as_deref()?)));
        let key = process.map(|process| &process.key).or_else(|| run.slots.first().map(|slot| &slot.key))?;
        let computer = process.map(|process| process.computer.as_str());
        (!computer.is_some_and(|computer| own.is_other(computer))).then_some(())?;
        let started = run.start?;
        Some(traces::Candidate {
            run: place,
            key,
            user: named,
            started,
            ended: process.and_then(|process| process.ended),
            until: boots.end_after(computer, started),
        })
    };
    runs.iter().enumerate().filter_map(of).collect()
}

/// The runs in the order of time, undated ones last; what else decides is stable.
fn order(runs: &[Run], processes: &Processes) -> Vec<usize> {
    let key = |at: usize| {
        let run = &runs[at];
        let process = run.process.and_then(|id| processes.get(id));
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

/// Ties registrations to runs (J11) and to assemblies.
fn tie(
    drafts: Vec<Draft>,
    runs: &mut [Run],
    processes: &Processes,
    own: &Own,
    files: &Files,
    places: &Places,
    id_of: &dyn Fn(usize) -> String,
) -> Vec<Registration> {
    let by_process: HashMap<ProcessId, usize> =
        runs.iter().enumerate().filter_map(|(at, run)| Some((run.process?, at))).collect();
    let mut by_clsid: HashMap<String, Vec<usize>> = HashMap::new();
    let mut by_path: HashMap<String, Vec<usize>> = HashMap::new();
    let mut by_name: HashMap<String, Vec<usize>> = HashMap::new();
    for (at, run) in runs.iter().enumerate() {
        // Only these write a registration, as far as is known.
        let writes = matches!(run.mode(), Mode::Register | Mode::CoplusInstall | Mode::Unknown);
        let process = run.process.and_then(|id| processes.get(id));
        if !writes || process.is_some_and(|process| own.is_other(&process.computer)) {
            continue;
        }
        if let Some(path) = &run.assembly.resolved_path {
            by_path.entry(PathKey::new(path).rest).or_default().push(at);
        }
        if let Some(facts) = run.facts(files) {
            for clsid in files::clsids(facts) {
                by_clsid.entry(clsid.to_uppercase()).or_default().push(at);
            }
            if let Some(name) = files::assembly_name(facts) {
                by_name.entry(name.to_lowercase()).or_default().push(at);
            }
        }
    }
    let of_assemblies = files.by_clsid();
    let mut found = Vec::with_capacity(drafts.len());
    for mut draft in drafts {
        let registration = &mut draft.registration;
        registration.assemblies =
            of_assemblies.get(&registration.clsid.to_uppercase()).into_iter().flatten().cloned().collect();
        let name = registration
            .assembly
            .as_deref()
            .and_then(|text| text.split(',').next())
            .map(|name| name.trim().to_lowercase());
        let mut joined: Vec<(usize, Confidence)> = Vec::new();
        if let Some(process) = draft.process {
            joined.extend(by_process.get(&process).map(|run| (*run, Confidence::Direct)));
        } else if registration.state != RegistrationState::Event {
            let path =
                registration.code_base.as_deref().and_then(paths::from_file_url).map(|path| PathKey::new(&path).rest);
            let candidates = [
                by_clsid.get(&registration.clsid.to_uppercase()),
                path.and_then(|path| by_path.get(&path)),
                name.as_ref().and_then(|name| by_name.get(name)),
            ];
            let mut candidates: Vec<usize> = candidates.into_iter().flatten().flatten().copied().collect();
            candidates.sort_unstable();
            candidates.dedup();
            let in_time: Vec<usize> = candidates
                .iter()
                .copied()
                .filter(|at| {
                    let process = runs[*at].process.and_then(|id| processes.get(id));
                    runs[*at]
                        .wrote_between(process)
                        .zip(registration.last_written)
                        .is_some_and(|((from, to), at)| (from..=to).contains(&at))
                })
                .collect();
            if in_time.is_empty() {
                joined.extend(candidates.into_iter().map(|run| (run, Confidence::Circumstantial)));
            } else {
                joined.extend(in_time.into_iter().map(|run| (run, Confidence::Strong)));
            }
        }
        joined.sort_by_key(|(run, _)| *run);
        registration.executions = joined.iter().map(|(run, _)| id_of(*run)).collect();
        let best = joined.iter().map(|(_, confidence)| *confidence).min();
        if let (Some(best), Some(first)) = (best, draft.cited.first_mut()) {
            (first.rule, first.confidence) = (JoinRule::J11, best);
        }
        for (at, confidence) in joined {
            let Some(cited) = draft.cited.first().map(|cited| cited.source.clone().by(JoinRule::J11, confidence))
            else {
                continue;
            };
            let run = &mut runs[at];
            if confidence != Confidence::Circumstantial {
                if draft.process.is_some() && name.is_some() {
                    run.registered_name = draft
                        .registration
                        .assembly
                        .as_deref()
                        .and_then(|text| text.split(',').next())
                        .map(|name| name.trim().to_owned());
                }
                let writes = matches!(run.mode(), Mode::Register | Mode::CoplusInstall);
                if run.registered.is_none() && writes {
                    run.registered = Some(cited.clone());
                }
            }
            if let Some(when) = draft.registration.last_written.filter(|_| confidence != Confidence::Circumstantial) {
                let class = draft.registration.class.as_deref().unwrap_or("a class");
                run.registrations.push(Related {
                    at: when,
                    what: format!(
                        "registered {class} as {} ({} view)",
                        draft.registration.clsid,
                        draft.registration.view.name()
                    ),
                    class: "registry",
                    citation: places.cite(&cited),
                });
            }
        }
        found.push(draft.into_registration(places));
    }
    found.sort_by(|a, b| {
        (&a.clsid, a.view, &a.user, a.state.name(), a.last_written, &a.hive, &a.sources).cmp(&(
            &b.clsid,
            b.view,
            &b.user,
            b.state.name(),
            b.last_written,
            &b.hive,
            &b.sources,
        ))
    });
    found
}

/// The attempts, and the runs to which they led.
fn attempts(
    processes: &Processes,
    runs: &[Run],
    order: &[usize],
    executions: &[Execution],
    places: &Places,
) -> Vec<Attempt> {
    /// Wrappers round a wrapper.
    const DEEPEST: usize = 8;
    let mut led_to: HashMap<ProcessId, String> = HashMap::new();
    for (run, execution) in order.iter().zip(executions) {
        let mut parent = runs[*run].process.and_then(|id| processes.get(id)).and_then(|process| process.parent);
        for _ in 0..DEEPEST {
            let Some((id, process)) = parent.and_then(|id| Some((id, processes.get(id)?))) else { break };
            if !matches!(process.role, Role::Attempt(_)) {
                break;
            }
            led_to.entry(id).or_insert_with(|| execution.id.clone());
            parent = process.parent;
        }
    }
    let mut over_wmi: Vec<&Execution> = executions
        .iter()
        .filter(|one| {
            let parent = one.parent.as_ref().and_then(|parent| parent.image.as_deref());
            one.started.is_some() && parent.is_some_and(|image| paths::stem(image) == "wmiprvse")
        })
        .collect();
    over_wmi.sort_by_key(|one| one.started);
    let mut found: Vec<(Option<Filetime>, ProcessId, Attempt)> = Vec::new();
    for (id, process) in processes.iter() {
        let Role::Attempt(start) = &process.role else { continue };
        let led_to = led_to.get(&id).cloned().or_else(|| by_wmi(process, &start.command, &over_wmi));
        found.push((
            process.started,
            id,
            Attempt {
                id: String::new(),
                command_line: process.start.command_line.clone().unwrap_or_default(),
                image: process.start.image.clone(),
                pid: process.pid,
                started: process.started,
                command: start.command.clone(),
                led_to,
                sources: process.sources.iter().map(|cited| places.cite(cited)).collect(),
            },
        ));
    }
    found.sort_by_key(|a| (a.0.is_none(), a.0, a.1));
    found.into_iter().enumerate().map(|(at, (.., attempt))| Attempt { id: format!("A{}", at + 1), ..attempt }).collect()
}

/// A process created over WMI is a child of the provider host, not of the one who asked: the same command
/// within ten seconds is taken for it.
fn by_wmi(process: &Process, command: &str, over_wmi: &[&Execution]) -> Option<String> {
    const WINDOW: i64 = 10 * 10_000_000;
    let same = |one: &str| one.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase();
    let at = process.started?;
    let from = over_wmi.partition_point(|one| one.started.is_some_and(|started| started < at));
    over_wmi[from..]
        .iter()
        .take_while(|one| one.started.is_some_and(|started| started.ticks_since(at) <= WINDOW))
        .find(|one| one.command_line.as_deref().is_some_and(|line| same(line) == same(command)))
        .map(|one| one.id.clone())
}
