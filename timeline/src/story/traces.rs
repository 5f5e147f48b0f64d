//! Runs that a record shows by its claim, whatever artifact it comes from (rules J8 and J18).
//!
//! A process record, and a run in a prefetch file, say more of a run and have readers of their own. Any other record whose
//! type claims that a program ran is taken here, so that an artifact which declares that claim reaches the answer. It has
//! no process id: it is one of the runs that are known by better records, or a run of its own.

use super::files::Files;
use super::identity::{self, Basis, Verdict};
use super::source::{Places, Source};
use super::word;
use crate::command;
use crate::event::Event;
use crate::host::Host;
use crate::paths::{self, PathKey};
use evidence::{Confidence, Filetime, Hive, JoinRule, Role, RunTime, Tells, Tool};
use std::collections::HashSet;

const SECOND: i64 = 10_000_000;
/// A trace whose time is a start belongs to a run that started so long before it at most …
const BEFORE: i64 = 12 * SECOND;
/// … or after it.
const AFTER: i64 = SECOND;
/// What a program leaves when it ends is written so long after its recorded end at most.
const AFTER_END: i64 = 60 * SECOND;
/// Clocks of two records of one end differ so much at most.
const BEFORE_END: i64 = 5 * SECOND;
/// What two artifacts last noticed of one run, of which nothing else is known, is so far apart at most.
pub(super) const APART: i64 = 24 * 60 * 60 * SECOND;
/// Most traces that are kept.
const MOST: usize = 10_000;

/// What a record says of a run.
#[derive(Clone, Debug)]
pub(super) struct Trace {
    /// Id of the artifact.
    pub(super) artifact: &'static str,
    /// Path of the program, or only its name, verbatim.
    pub(super) image: String,
    key: PathKey,
    /// SID.
    pub(super) user: Option<String>,
    /// Folder of the user's profile, as far as the record or its place tells that.
    profile: Option<String>,
    /// 32 or 64.
    bits: Option<u64>,
    time: RunTime,
    /// First and last moment of the record; the same where it has one.
    from: Filetime,
    to: Filetime,
    pub(super) sources: Vec<Source>,
}

/// What a record says of a run of a tool.
pub(super) struct ToolTrace {
    pub(super) trace: Trace,
    pub(super) tool: Tool,
    /// Why the program is the tool.
    pub(super) basis: Basis,
}

/// The traces of runs that are or may be the tool's.
#[derive(Default)]
pub(super) struct Traces {
    seen: Vec<Trace>,
    suspects: HashSet<String>,
    pub(super) left_out: u64,
}

impl Traces {
    pub(super) fn new(suspects: HashSet<String>) -> Self {
        Traces { suspects, ..Traces::default() }
    }

    /// Takes one moment of a record that has no reader of its own.
    pub(super) fn add(&mut self, event: &Event) {
        let record = &event.record;
        let Some(time) = record.run_time().filter(|time| time.shows_a_run()) else { return };
        if record.of.tells != Tells::Row || (time == RunTime::Window && !event.is_first()) {
            return;
        }
        let image = record.role(Role::Image).and_then(|image| image.text()).unwrap_or(&record.subject);
        let key = PathKey::new(image);
        if command::tool_named(image).is_none() && !self.suspects.contains(&key.rest) {
            return;
        }
        let possible = |time: &Filetime| time.is_possible();
        let (from, to) = match time {
            RunTime::Window => {
                let times = || record.moments.iter().filter_map(|moment| moment.when.sort_key()).filter(possible);
                let Some(window) = times().min().zip(times().max()) else { return };
                window
            }
            _ => match event.happened() {
                Some(at) => (at, at),
                None => return,
            },
        };
        if self.seen.len() >= MOST {
            self.left_out += 1;
            return;
        }
        let trace = Trace {
            artifact: record.artifact,
            image: image.to_owned(),
            key,
            user: record.user.clone(),
            profile: record.text_of(Role::Profile).map(str::to_owned),
            bits: record.role(Role::Bits).and_then(|bits| bits.number()),
            time,
            from,
            to,
            sources: Source::all_of(event),
        };
        self.seen.push(trace);
    }

    /// The traces of the tools, each once, and those of programs that only bear a tool's name.
    pub(super) fn finish(
        self,
        host: &Host,
        files: &Files<'_>,
        places: &Places<'_>,
    ) -> (Vec<ToolTrace>, Vec<(Trace, String)>) {
        let (mut traces, mut lookalikes): (Vec<ToolTrace>, Vec<(Trace, String)>) = (Vec::new(), Vec::new());
        for mut trace in self.seen.into_iter().flat_map(|trace| trace.of_each_profile(places)) {
            if trace.user.is_none() {
                let of_profile = trace.profile.as_deref().and_then(|folder| host.sid_of_profile(folder));
                trace.user = of_profile.map(str::to_owned);
            }
            let of_user = trace.profile.as_deref().and_then(|profile| paths::in_profile(&trace.image, profile));
            trace.key = of_user.map_or(trace.key, |path| PathKey::new(&path));
            match identity::decide_path(&trace.image, &trace.key, Some(trace.to), files) {
                // The same in two copies of one object, or in two control sets, is one trace.
                Verdict::Tool(tool, basis) => match traces.iter_mut().find(|other| other.trace.is_same(&trace)) {
                    Some(other) => other.trace.sources.extend(trace.sources),
                    None => traces.push(ToolTrace { trace, tool, basis }),
                },
                Verdict::Lookalike(because) => lookalikes.push((trace, because)),
                Verdict::Other => {}
            }
        }
        traces.sort_by(|ToolTrace { trace: a, .. }, ToolTrace { trace: b, .. }| {
            (a.to, a.from, &a.key, &a.sources).cmp(&(b.to, b.from, &b.key, &b.sources))
        });
        (traces, lookalikes)
    }
}

impl Trace {
    /// The same for each user in whose hives the record is: those of two users can hold one value.
    fn of_each_profile(self, places: &Places<'_>) -> Vec<Trace> {
        if self.profile.is_some() {
            return vec![self];
        }
        let mut found: Vec<Trace> = Vec::new();
        for source in &self.sources {
            let path = places.path(source.item);
            let profile = Hive::profile_of(&path).map(str::to_owned);
            let one = Trace { profile, sources: vec![source.clone()], ..self.clone() };
            match found.iter_mut().find(|other| other.can_be_of_the_user_of(&one)) {
                Some(other) => other.sources.push(source.clone()),
                None => found.push(one),
            }
        }
        found
    }

    fn is_same(&self, other: &Trace) -> bool {
        (self.artifact, self.from, self.to, &self.key, &self.user, self.bits)
            == (other.artifact, other.from, other.to, &other.key, &other.user, other.bits)
            && self.can_be_of_the_user_of(other)
    }

    /// Whether the profiles, where both are known, do not exclude that both are of one user. Which volume it was of is
    /// not compared: a copy of an earlier state has another name of it.
    fn can_be_of_the_user_of(&self, other: &Trace) -> bool {
        let both = self.profile.as_deref().zip(other.profile.as_deref());
        both.is_none_or(|(one, other)| PathKey::new(one).rest == PathKey::new(other).rest)
    }

    /// The rule by which it is joined: its path, or only its name.
    pub(super) fn rule(&self) -> JoinRule {
        if self.is_name() { JoinRule::J8 } else { JoinRule::J18 }
    }

    fn is_name(&self) -> bool {
        !self.image.contains(['\\', '/'])
    }

    /// When the run started, where the trace says that.
    pub(super) fn started(&self) -> Option<Filetime> {
        match self.time {
            RunTime::Start => Some(self.from),
            RunTime::Window => Some(self.from).filter(|from| *from < self.to),
            _ => None,
        }
    }

    /// The moment at which, or before which, the run started.
    pub(super) fn not_after(&self) -> Option<Filetime> {
        Some(self.to).filter(|_| self.time != RunTime::Start)
    }

    /// Whether another trace can be of the same program, account and kind.
    fn is_of(&self, key: &PathKey, user: Option<&str>, bits: Option<u64>) -> bool {
        let same_image = match self.is_name() {
            true => paths::file_name(&self.key.rest) == paths::file_name(&key.rest),
            false => self.key.same_file(key),
        };
        let agree = |one: Option<&str>, other: Option<&str>| {
            one.zip(other).is_none_or(|(one, other)| one.eq_ignore_ascii_case(other))
        };
        same_image && agree(self.user.as_deref(), user) && self.bits.zip(bits).is_none_or(|(one, other)| one == other)
    }

    /// How sure it is that a run left it.
    fn fits(&self, run: &Candidate<'_>) -> Option<Confidence> {
        let Candidate { started, ended, until, .. } = *run;
        if self.time == RunTime::Start {
            let after = self.from.ticks_since(started);
            let is_near = after <= BEFORE || !run.start_is_known && ended.is_some_and(|ended| self.from <= ended);
            return (after >= -AFTER && is_near).then_some(Confidence::Strong);
        }
        let is_after_start = |at: Filetime| at.ticks_since(started) >= -SECOND;
        if self.time == RunTime::Before {
            return is_after_start(self.to).then_some(Confidence::Circumstantial);
        }
        let Some(ended) = ended else {
            // It can have run until the machine stopped, so the time fits many an end.
            let fits = is_after_start(self.to) && until.is_none_or(|until| self.to <= until);
            return fits.then_some(Confidence::Circumstantial);
        };
        let near_end = |at: Filetime| (-BEFORE_END..=AFTER_END).contains(&at.ticks_since(ended));
        match self.time {
            RunTime::Window => (near_end(self.to) || near_end(self.from)).then_some(Confidence::Strong),
            _ if !is_after_start(self.to) => None,
            _ if self.to.ticks_since(ended) <= BEFORE_END => Some(Confidence::Strong),
            // Noticed late, or a further run just after that nothing else shows.
            _ => near_end(self.to).then_some(Confidence::Circumstantial),
        }
    }
}

/// A run that a trace can be of.
pub(super) struct Candidate<'a> {
    /// Its place among all runs.
    pub(super) run: usize,
    pub(super) key: &'a PathKey,
    pub(super) user: Option<&'a str>,
    /// When it started; where only its end is recorded, when the boot or the day before it did.
    pub(super) started: Filetime,
    pub(super) start_is_known: bool,
    pub(super) ended: Option<Filetime>,
    /// When the machine next stopped or started, as far as that is recorded.
    pub(super) until: Option<Filetime>,
}

/// For each trace the run that it is of: of several the one that started last, since the trace is that of the last
/// activity.
pub(super) fn join(traces: &[ToolTrace], runs: &[Candidate<'_>]) -> Vec<Option<(usize, Confidence)>> {
    let of = |trace: &Trace| {
        let fits = |run: &Candidate<'_>| {
            if !trace.is_of(run.key, run.user, bits_of(run.key)) {
                return None;
            }
            let sure = |confidence| if run.start_is_known { confidence } else { Confidence::Circumstantial };
            trace.fits(run).map(sure)
        };
        let all = runs.iter().filter_map(|run| Some((run.started, run.run, fits(run)?)));
        let all: Vec<(Filetime, usize, Confidence)> = all.collect();
        // A recorded end that fits is better than no end at all.
        let sure = all.iter().filter(|(.., confidence)| *confidence == Confidence::Strong).max();
        sure.or_else(|| all.iter().max()).map(|(_, at, confidence)| (*at, *confidence))
    };
    traces.iter().map(|found| of(&found.trace)).collect()
}

/// The bits of a framework's program, by its folder.
fn bits_of(key: &PathKey) -> Option<u64> {
    let is_framework = word::in_framework(key);
    is_framework.then(|| if key.rest.contains(r"\FRAMEWORK64\") { 64 } else { 32 })
}

/// Puts together the traces that no better record explains: those of different artifacts that can be of one run are one.
/// `until` gives the end of the boot of a moment, as far as that is recorded.
pub(super) fn gather(alone: Vec<ToolTrace>, until: &dyn Fn(Filetime) -> Option<Filetime>) -> Vec<Vec<ToolTrace>> {
    let mut gathered: Vec<Vec<ToolTrace>> = Vec::new();
    // Those with a path first, so that a mere name joins them.
    let (names, with_path): (Vec<_>, Vec<_>) = alone.into_iter().partition(|found| found.trace.is_name());
    for found in with_path.into_iter().chain(names) {
        let trace = &found.trace;
        let is_one = |group: &&mut Vec<ToolTrace>| {
            group.iter().all(|ToolTrace { trace: one, .. }| {
                let bits = one.bits.or_else(|| bits_of(&one.key));
                one.artifact != trace.artifact
                    && (trace.is_of(&one.key, one.user.as_deref(), bits)
                        || one.is_of(&trace.key, trace.user.as_deref(), trace.bits))
                    && one.can_be_of_the_user_of(trace)
                    && one.can_be_with(trace, until)
            })
        };
        // They are in the order of time, and a trace is that of the last activity.
        match gathered.iter_mut().rev().find(is_one) {
            Some(group) => group.push(found),
            None => gathered.push(vec![found]),
        }
    }
    gathered
}

impl Trace {
    /// Whether one run can have left both: a start is not after the other's last time, and what was last noticed of it is
    /// of one boot, and not days apart.
    fn can_be_with(&self, other: &Trace, until: &dyn Fn(Filetime) -> Option<Filetime>) -> bool {
        let starts_before =
            |one: &Trace, other: &Trace| one.started().is_none_or(|start| start.ticks_since(other.to) <= BEFORE);
        let one_start =
            self.started().zip(other.started()).is_none_or(|(one, other)| one.ticks_since(other).abs() <= BEFORE);
        starts_before(self, other) && starts_before(other, self) && one_start && self.is_near(other, until)
    }

    fn is_near(&self, other: &Trace, until: &dyn Fn(Filetime) -> Option<Filetime>) -> bool {
        let (first, last) = if self.to <= other.to { (self, other) } else { (other, self) };
        let (from, to) = (first.to, last.to);
        // How long before its time the run was, such a record does not say.
        last.time == RunTime::Before
            || to.ticks_since(from) <= APART && until(from).is_none_or(|end| to <= end)
            || last.time == RunTime::Window && last.from < from
    }
}
