//! Programs that only bear a tool's name: one entry for each file, with its runs. What records of different artifacts tell of
//! one run is joined like that of the tools (rules J7, J8 and J18).

use super::computers::Own;
use super::prefetch::{self, Joined, PrefetchFile, Slot};
use super::process::Process;
use super::source::{Cited, Places, Source};
use super::traces::{self, Trace};
use crate::paths::{self, PathKey};
use evidence::{Confidence, Filetime, JoinRule, Lookalike, LookalikeRun};

/// What a prefetch file records later than the start of a process, at most.
const LATE: i64 = 12 * 10_000_000;

/// What is known of programs that only bear a tool's name.
pub(super) struct Others<'p> {
    /// Processes of this host, and why each is not the tool.
    pub(super) here: Vec<(&'p Process, String)>,
    /// The same of other computers, with which no file of this host is joined.
    elsewhere: Vec<(&'p Process, String)>,
    /// Runs in prefetch files that one of the processes here is, by its place there.
    pub(super) slots: Vec<(usize, Slot)>,
    prefetch: Vec<(PrefetchFile, String)>,
    traces: Vec<(Trace, String)>,
}

/// A file with its runs.
struct Entry<'p> {
    computer: Option<&'p str>,
    image: String,
    key: PathKey,
    because: String,
    runs: Vec<Run<'p>>,
}

struct Run<'p> {
    process: Option<&'p Process>,
    started: Option<Filetime>,
    sources: Vec<Cited>,
}

impl Run<'_> {
    fn describe(&self, places: &Places) -> LookalikeRun {
        LookalikeRun {
            pid: self.process.and_then(|process| process.pid),
            started: self.started,
            command_line: self.process.and_then(|process| process.start.command_line.clone()),
            sources: self.sources.iter().map(|cited| places.cite(cited)).collect(),
        }
    }
}

impl<'p> Others<'p> {
    /// Of processes, prefetch files and other traces, each with the reason.
    pub(super) fn new(
        processes: Vec<(&'p Process, String)>,
        prefetch: Vec<(PrefetchFile, String)>,
        traces: Vec<(Trace, String)>,
        own: &Own,
    ) -> Self {
        let (here, elsewhere) = processes.into_iter().partition(|(process, _)| !own.is_other(&process.computer));
        Others { here, elsewhere, slots: Vec::new(), prefetch, traces }
    }

    /// One entry for each file, in the order of time.
    pub(super) fn finish(self, places: &Places) -> Vec<Lookalike> {
        let Others { here, elsewhere, slots, prefetch, traces } = self;
        let mut runs: Vec<Run<'p>> = here
            .iter()
            .map(|(process, _)| Run {
                process: Some(process),
                started: process.started_as_recorded(),
                sources: process.sources.clone(),
            })
            .collect();
        for (at, slot) in slots {
            let joined = slot.sources.into_iter().map(|cited| cited.source.by(JoinRule::J7, Confidence::Strong));
            if let Some(run) = runs.get_mut(at) {
                run.sources.extend(joined);
            }
        }
        let alone = join(prefetch, &here, &mut runs);
        let mut entries: Vec<Entry<'p>> = Vec::new();
        for ((process, because), run) in here.iter().zip(runs) {
            add(&mut entries, None, &process.start.image, because, run);
        }
        for (process, because) in &elsewhere {
            let run = Run {
                process: Some(process),
                started: process.started_as_recorded(),
                sources: process.sources.clone(),
            };
            add(&mut entries, Some(&process.computer), &process.start.image, because, run);
        }
        for (image, because, at, source) in alone {
            let sources = vec![source.by(JoinRule::Anchor, Confidence::Strong)];
            add(&mut entries, None, &image, &because, Run { process: None, started: at, sources });
        }
        for (trace, because) in traces {
            add_trace(&mut entries, &trace, &because);
        }
        let mut found: Vec<Lookalike> = entries.into_iter().map(|entry| entry.describe(places)).collect();
        found.sort_by(|a, b| {
            (a.started.is_none(), a.started, &a.image, a.pid).cmp(&(b.started.is_none(), b.started, &b.image, b.pid))
        });
        found
    }
}

/// Adds the runs of prefetch files to those of the processes that they are, and gives the others.
fn join(
    prefetch: Vec<(PrefetchFile, String)>,
    here: &[(&Process, String)],
    runs: &mut [Run<'_>],
) -> Vec<(String, String, Option<Filetime>, Source)> {
    let timed: Vec<usize> = (0..here.len()).filter(|at| here[*at].0.start_for_joins().is_some()).collect();
    let start = |at: &usize| Some((here[*at].0.start_for_joins()?, here[*at].0.key.clone()));
    let starts: Vec<(Filetime, PathKey)> = timed.iter().filter_map(start).collect();
    let mut alone = Vec::new();
    for (file, because) in prefetch {
        let key = PathKey::new(&file.path);
        let slots: Vec<(Filetime, &PathKey)> = file.runs().map(|(at, _)| (at, &key)).collect();
        let joined = prefetch::join_times(&slots, &starts);
        if slots.is_empty() {
            alone.push((file.path.clone(), because.clone(), None, file.source.clone()));
        }
        for ((at, source), joined) in file.runs().zip(joined) {
            let run =
                if let Joined::To(run) = joined { timed.get(run).and_then(|run| runs.get_mut(*run)) } else { None };
            match run {
                Some(run) => run.sources.push(source.clone().by(JoinRule::J7, Confidence::Strong)),
                None => alone.push((file.path.clone(), because.clone(), Some(at), source.clone())),
            }
        }
    }
    alone
}

fn add<'p>(entries: &mut Vec<Entry<'p>>, computer: Option<&'p str>, image: &str, because: &str, run: Run<'p>) {
    let key = PathKey::new(image);
    let entry = entries.iter_mut().find(|entry| entry.computer == computer && entry.key.same_file(&key));
    let Some(entry) = entry else {
        let (image, because) = (image.to_owned(), because.to_owned());
        return entries.push(Entry { computer, image, key, because, runs: vec![run] });
    };
    // The same run in two copies of a prefetch file is one.
    let is_same = |other: &&mut Run<'_>| run.process.is_none() && run.started.is_some() && other.started == run.started;
    match entry.runs.iter_mut().find(is_same) {
        Some(same) => same.sources.extend(run.sources),
        None => entry.runs.push(run),
    }
}

/// Adds what another record tells: to the last run before its time, or as a run of its own.
fn add_trace(entries: &mut Vec<Entry<'_>>, trace: &Trace, because: &str) {
    let key = PathKey::new(&trace.image);
    let is_name = !trace.image.contains(['\\', '/']);
    let is_of = |entry: &&mut Entry<'_>| match is_name {
        true => paths::file_name(&entry.key.rest) == paths::file_name(&key.rest),
        false => entry.key.same_file(&key),
    };
    let at = trace.not_after().or(trace.started());
    let mut mine: Vec<&mut Entry<'_>> =
        entries.iter_mut().filter(|entry| entry.computer.is_none()).filter(is_of).collect();
    let runs = mine.iter_mut().flat_map(|entry| entry.runs.iter_mut());
    let fits = |run: &&mut Run<'_>| {
        run.started.zip(at).is_some_and(|(started, at)| (-LATE..=traces::APART).contains(&at.ticks_since(started)))
    };
    if let Some(run) = runs.filter(fits).max_by_key(|run| run.started) {
        let cited = trace.sources.iter().map(|source| source.clone().by(trace.rule(), Confidence::Circumstantial));
        return run.sources.extend(cited);
    }
    let sources = trace.sources.iter().map(|source| source.clone().by(JoinRule::Anchor, Confidence::Strong)).collect();
    add(entries, None, &trace.image, because, Run { process: None, started: trace.started(), sources });
}

impl Entry<'_> {
    fn describe(mut self, places: &Places) -> Lookalike {
        self.runs.sort_by_key(|run| (run.started.is_none(), run.started, run.process.and_then(|process| process.pid)));
        let runs: Vec<LookalikeRun> = self.runs.iter().map(|run| run.describe(places)).collect();
        let first = runs.first();
        Lookalike {
            image: self.image,
            pid: first.and_then(|run| run.pid),
            started: first.and_then(|run| run.started),
            command_line: first.and_then(|run| run.command_line.clone()),
            because: self.because,
            sources: runs.iter().flat_map(|run| run.sources.clone()).collect(),
            runs,
        }
    }
}
