//! From events in the order of time to runs of the tools, attempts, registrations, assemblies and coverage.
//!
//! Everything that is joined is joined by a rule with a number ([`evidence::JoinRule`]), which stands on the citation.
//! The presence of a file, a name in a list or in a command line is never a run: a run is a process record,
//! or a trace that only a running process leaves, whose image is the tool.

mod attempt;
mod boot;
mod clock;
mod computers;
mod conclude;
mod copies;
mod coverage;
mod file_history;
mod files;
mod identity;
mod in_order;
mod live;
mod log_event;
mod lookalike;
mod neighbourhood;
mod own;
mod place;
mod prefetch;
mod process;
mod registered_by;
mod registration;
mod run;
mod same_file;
mod scheduled;
mod settle;
mod source;
#[cfg(test)]
mod tests;
mod traces;
mod unread;
mod verdict;
mod word;

use crate::declared::Declared;
use crate::event::{Event, Glance, Happening};
use crate::host::Host;
use crate::merge::{Eye, Observer};
use crate::paths;
use boot::Boots;
use clock::{Clocks, Numbered, Stamp, Watch};
use computers::Computers;
use copies::Copies;
use coverage::{Cleared, Seen};
use evidence::{
    Artifact, AssemblyFile, Attempt, Coverage, Execution, Facts, Focus, ItemId, Items, Lookalike, Meaning, Problem,
    ProblemKind, Record, Registration, Role, Stage, Tells, Tool,
};
use files::Files;
use log_event::{ActivityKind, BootSign, LogEvent};
use neighbourhood::Neighbourhood;
pub use own::OwnActs;
use prefetch::Prefetch;
use process::Processes;
use registration::Registrations;
use scheduled::Scheduled;
use source::{Places, Source};
use std::collections::BTreeSet;
use std::sync::Arc;
use traces::Traces;
use unread::Unread;
pub(crate) use word::in_framework;

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

/// The tool that the record of a program file says it is, whatever the file is called.
pub fn tool_of(record: &Record) -> Option<Tool> {
    Some(record)
        .filter(|record| record.of.tells == Tells::ProgramFile)
        .and_then(|record| word::tool_of(&Facts::of(record)))
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
    watch: Watch,
    clocks: Clocks,
    copies: Copies,
    boots: Boots,
    files: Files<'a>,
    unread: Unread,
    prefetch: Prefetch,
    traces: Traces,
    registrations: Registrations,
    scheduled: Scheduled,
    seen: Seen,
    focus: Option<Arc<Focus>>,
}

/// Whether more is made of an event than a row and a number. Of files only those are asked for that the focus names, if there
/// is one.
fn asks(event: &impl Happening, focus: Option<&Focus>) -> bool {
    match event.of().tells {
        Tells::Event => false,
        Tells::File => Files::asks_for_file_record(event) && Files::is_meant(event, focus),
        Tells::FileChange => event.is_set(Role::Followed) || Files::is_meant(event, focus),
        Tells::Row => event.claims().iter().any(|claim| claim.run_time().is_some()),
        tells => !tells.is_of_the_host(),
    }
}

/// What is taken of an event.
pub(crate) enum Taken {
    /// Of one of a log, what it tells.
    Logged(Logged),
    /// Any other, whole.
    Whole(Event),
}

/// What an event of a log tells, when, and where it stands.
pub(crate) struct Logged {
    told: LogEvent,
    record: Numbered,
    sources: Vec<Source>,
}

impl Taken {
    /// Takes of an event what is asked for, if it is.
    fn of(event: &impl Happening, focus: Option<&Focus>) -> Option<Self> {
        if !asks(event, focus) {
            return None;
        }
        if !event.of().is_event() {
            return Some(Taken::Whole(event.to_event()));
        }
        match log_event::read(event) {
            LogEvent::Other => None,
            told => Some(Taken::Logged(Logged { told, record: Numbered::of(event), sources: Source::all_of(event) })),
        }
    }
}

impl Observer for Correlator<'_> {
    type Taken = Taken;

    fn eye(&self) -> Eye<Taken> {
        let focus = self.focus.clone();
        Box::new(move |event| Taken::of(event, focus.as_deref()))
    }

    fn count(&mut self, glance: &Glance) {
        self.seen.count(glance);
    }

    fn observe(&mut self, taken: Taken) {
        self.take(taken);
    }
}

impl<'a> Correlator<'a> {
    /// A correlator for the host that the evidence describes and the objects that were collected; `artifacts` are all that
    /// the program knows, and `own` what the tools do of themselves, from the rules.
    pub fn new(host: Host, items: &'a dyn Items, artifacts: &'static [&'static Artifact], own: Arc<OwnActs>) -> Self {
        let declared = Declared::new(artifacts);
        let suspects = Files::suspects(items, &declared.is_program());
        Correlator {
            declared,
            host,
            items,
            places: Places::new(items),
            processes: Processes::new(suspects.clone(), own),
            computers: Computers::default(),
            watch: Watch::default(),
            clocks: Clocks::default(),
            copies: Copies::default(),
            boots: Boots::default(),
            files: Files::new(items, declared),
            unread: Unread::default(),
            prefetch: Prefetch::new(suspects.clone()),
            traces: Traces::new(suspects),
            registrations: Registrations::default(),
            scheduled: Scheduled::default(),
            seen: Seen::new(declared),
            focus: None,
        }
    }

    /// The same where it is known which objects say of themselves that they are a tool: of all programs that were collected,
    /// only those are looked for under other names.
    #[must_use]
    pub fn suspecting(mut self, tools: &BTreeSet<ItemId>) -> Self {
        let suspects = Files::suspects(self.items, &|item| tools.contains(&item.id));
        self.processes.suspects.clone_from(&suspects);
        self.prefetch = Prefetch::new(suspects.clone());
        self.traces = Traces::new(suspects);
        self
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

    /// The same where the timeline has every file: those that the focus does not name are rows, and nothing is made of them.
    #[must_use]
    pub fn within(mut self, focus: Option<Focus>) -> Self {
        self.focus = focus.map(Arc::new);
        self
    }

    /// Forgets every event.
    fn begin_again(&mut self) {
        let suspects = self.processes.suspects.clone();
        self.processes = Processes::new(suspects.clone(), self.processes.own());
        self.computers = Computers::default();
        self.copies = Copies::default();
        self.scheduled = Scheduled::default();
        self.boots = Boots::default();
        self.files = Files::new(self.items, self.declared);
        self.prefetch = Prefetch::new(suspects.clone());
        self.traces = Traces::new(suspects);
        self.registrations = Registrations::default();
        self.seen.begin_again();
    }

    /// Takes an event.
    pub fn observe(&mut self, event: &Event) {
        self.seen.count(&Glance::of(event));
        if let Some(taken) = Taken::of(event, self.focus.as_deref()) {
            self.take(taken);
        }
    }

    fn take(&mut self, taken: Taken) {
        let event = &match taken {
            Taken::Logged(logged) => return self.take_logged(logged),
            Taken::Whole(event) => event,
        };
        let steady = event.happened().map(Stamp::steady);
        match event.record.of.tells {
            Tells::FileChange => self.files.add_journal(event),
            Tells::FileChanges => self.files.add_reach(event),
            Tells::File => self.files.add_file_record(event),
            Tells::Log => self.seen.channel(event),
            Tells::LogPlace => self.seen.moved(event),
            Tells::LiveProcess => {
                // Without its start it is not known which of the processes with this number it was.
                // Nor is the collection itself anything that happened on the host.
                if event.meanings().any(|meaning| meaning == Meaning::STARTED)
                    && event.record.role(Role::Collector).is_none()
                    && let Some(start) = live::process(&event.record)
                {
                    let computer = live::computer(&event.record);
                    self.computers.is_this(&computer);
                    let key = paths::PathKey::new(&start.image);
                    self.processes.start(computer, start, key, steady, Source::all_of(event));
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
                    self.processes.act(&computer, &activity, steady, &Source::of(event));
                }
            }
            Tells::Prefetch => {
                self.copies.trace(event);
                self.prefetch.add(event);
            }
            Tells::ComClass => self.registrations.add_hive(event, &self.places),
            Tells::ProgramFile => self.files.add_facts(event),
            Tells::Stream => self.files.add_stream(event),
            _ => {
                self.copies.trace(event);
                self.traces.add(event);
            }
        }
    }

    fn take_logged(&mut self, Logged { told, record, sources }: Logged) {
        let Some(source) = sources.first().cloned() else { return };
        let (declared, items) = (self.declared, self.items);
        let is_forwarded = || items.by_id(source.item).is_some_and(|log| declared.is_forwarded(&log.original_path));
        self.watch.see(&record, is_forwarded);
        let stamp = self.clocks.stamp(&record);
        let at = stamp.map(|stamp| stamp.recorded);
        let computer = record.computer;
        self.computers.see(source.item, &computer, stamp.map(|stamp| stamp.ordered));
        match told {
            LogEvent::Start(start, key) => {
                let is_named = |name| paths::stem(&start.image) == name;
                // The session manager is started by the kernel once in each boot.
                if let Some(at) = stamp
                    && (start.parent_pid == Some(4) && is_named("smss")
                        || !start.image.contains('\\') && is_named("registry"))
                {
                    self.boot_sign(&computer, BootSign::FirstProcess, at, source);
                }
                self.copies.start(&start);
                self.processes.start(computer, *start, key, stamp, sources);
            }
            LogEvent::End { actor, exit } => self.processes.end(&computer, &actor, exit, stamp, sources),
            LogEvent::Activity(activity) => {
                let process = self.processes.act(&computer, &activity, stamp, &source);
                match &activity.kind {
                    ActivityKind::File { path, deleted } => {
                        let who = activity.actor.image.as_deref().unwrap_or("a process");
                        let what = format!("{who} {}", activity.what);
                        let sha256 = activity.sha256.as_deref();
                        self.files.add_activity(path, (at, &computer), what, (*deleted, sha256), source);
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
            LogEvent::TaskStarted { actor, task } => {
                self.scheduled.ran(&computer, &task, actor.image.as_deref().unwrap_or_default(), actor.pid, stamp);
                self.processes.task(&computer, &actor, &task, stamp, &source);
            }
            LogEvent::TaskAction { task, image } => self.scheduled.ran(&computer, &task, &image, None, stamp),
            LogEvent::TaskMade { task, definition, pid } => {
                self.scheduled.made(&computer, (&task, definition.as_deref()), pid, stamp, sources);
            }
            LogEvent::Logon(logon) => {
                if let Some(at) = at {
                    self.processes.logon(&computer, logon, at, source);
                }
            }
            LogEvent::Boot(sign) => {
                if let Some(at) = stamp {
                    self.boot_sign(&computer, sign, at, source);
                }
            }
            LogEvent::Cleared { channel, by } => {
                self.seen.cleared(channel, Cleared { at, by, sources });
            }
            LogEvent::ClockChanged | LogEvent::Other => {}
        }
    }

    fn boot_sign(&mut self, computer: &str, sign: BootSign, at: Stamp, source: Source) {
        let machine = self.watch.machine(computer);
        if self.boots.sign((machine, computer), sign, at, source) {
            self.processes.boot(&|name| self.watch.machine(name) == machine);
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
            (
                self.scheduled.left_out,
                "records of scheduled tasks were left out",
                "that a task led to a run may not be told",
            ),
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
            .chain(self.copies.limit())
            .collect()
    }
}

fn limit(what: String, effect: &str) -> Problem {
    Problem::new(Stage::Correlate, ProblemKind::LimitReached, "", what, effect)
}
