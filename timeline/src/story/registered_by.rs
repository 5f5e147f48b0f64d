//! Which runs wrote a registration (J11), and which assemblies have its class.

use super::computers::Own;
use super::files::{self, Files};
use super::process::{ProcessId, Processes};
use super::registration::Draft;
use super::run::Run;
use super::source::Places;
use crate::paths::{self, PathKey};
use evidence::{Answer, Confidence, JoinRule, Mode, Registration, RegistrationState, Related};
use std::collections::HashMap;

/// The registrations with their runs and assemblies; the runs get what they registered. `ids` are those of the runs.
pub(super) fn tie(
    drafts: Vec<Draft>,
    runs: &mut [Run],
    ids: &[String],
    (processes, own): (&Processes, &Own),
    files: &Files,
    places: &Places,
) -> Vec<Registration> {
    let writers = Writers::of(runs, processes, own, files);
    let of_assemblies = files.by_clsid();
    let mut found = Vec::with_capacity(drafts.len());
    for mut draft in drafts {
        let joined = writers.of_draft(&draft, runs, processes);
        let registration = &mut draft.registration;
        registration.assemblies =
            of_assemblies.get(&registration.clsid.to_uppercase()).into_iter().flatten().cloned().collect();
        registration.executions = joined.iter().filter_map(|(run, _)| ids.get(*run).cloned()).collect();
        let best = joined.iter().map(|(_, confidence)| *confidence).min();
        if let (Some(best), Some(first)) = (best, draft.cited.first_mut()) {
            (first.rule, first.confidence) = (JoinRule::J11, best);
        }
        for (at, confidence) in joined {
            tell_run(&mut runs[at], &draft, confidence, places);
        }
        found.push(draft.into_registration(places));
    }
    found.sort_by(|a, b| key(a).cmp(&key(b)));
    found
}

/// What the registrations are sorted by.
fn key(one: &Registration) -> impl Ord + '_ {
    (&one.clsid, one.view, &one.user, one.state.name(), one.last_written, &one.hive, &one.sources)
}

/// The simple name of a registration's assembly: what stands before the comma.
fn simple_name(registration: &Registration) -> Option<&str> {
    registration.assembly.as_deref().and_then(|text| text.split(',').next()).map(str::trim)
}

/// The runs by what ties a registration to them.
struct Writers {
    by_process: HashMap<ProcessId, usize>,
    by_clsid: HashMap<String, Vec<usize>>,
    by_path: HashMap<String, Vec<usize>>,
    by_name: HashMap<String, Vec<usize>>,
}

impl Writers {
    fn of(runs: &[Run], processes: &Processes, own: &Own, files: &Files) -> Self {
        let mut writers = Writers {
            by_process: runs.iter().enumerate().filter_map(|(at, run)| Some((run.process?, at))).collect(),
            by_clsid: HashMap::new(),
            by_path: HashMap::new(),
            by_name: HashMap::new(),
        };
        for (at, run) in runs.iter().enumerate() {
            // Only these write a registration, as far as is known.
            let writes = matches!(run.mode(), Mode::Register | Mode::CoplusInstall | Mode::Unknown);
            if !writes || run.process_in(processes).is_some_and(|process| own.is_other(&process.computer)) {
                continue;
            }
            for path in run.assembly.resolved_path.iter().chain(&run.named) {
                writers.by_path.entry(PathKey::new(path).rest).or_default().push(at);
            }
            let is_other = run.same.as_ref().is_some_and(|same| same.state == Answer::No);
            if let Some(facts) = run.facts(files).filter(|_| !is_other) {
                for clsid in files::clsids(facts) {
                    writers.by_clsid.entry(clsid.to_uppercase()).or_default().push(at);
                }
                if let Some(name) = files::assembly_name(facts) {
                    writers.by_name.entry(name.to_lowercase()).or_default().push(at);
                }
            }
        }
        writers
    }

    /// The runs that wrote a registration, or may have, and how sure that is. Where the process is known it is that one's;
    /// else the time of the key decides among those that the class, the file or the name leads to.
    fn of_draft(&self, draft: &Draft, runs: &[Run], processes: &Processes) -> Vec<(usize, Confidence)> {
        let registration = &draft.registration;
        if let Some(process) = draft.process {
            return self.by_process.get(&process).map(|run| (*run, Confidence::Direct)).into_iter().collect();
        }
        if registration.state == RegistrationState::Event {
            return Vec::new();
        }
        let candidates = self.candidates(registration);
        let is_in_time = |at: &&usize| {
            let run = &runs[**at];
            let wrote = run.wrote_between(run.process_in(processes)).zip(registration.last_written);
            wrote.is_some_and(|((from, to), at)| (from..=to).contains(&at))
        };
        let in_time: Vec<_> = candidates.iter().filter(is_in_time).map(|run| (*run, Confidence::Strong)).collect();
        if in_time.is_empty() {
            return candidates.into_iter().map(|run| (run, Confidence::Circumstantial)).collect();
        }
        in_time
    }

    /// The runs that the class, the file or the assembly's name leads to, each once, in their order.
    fn candidates(&self, registration: &Registration) -> Vec<usize> {
        let path =
            registration.code_base.as_deref().and_then(paths::from_file_url).map(|path| PathKey::new(&path).rest);
        let candidates = [
            self.by_clsid.get(&registration.clsid.to_uppercase()),
            path.and_then(|path| self.by_path.get(&path)),
            simple_name(registration).and_then(|name| self.by_name.get(&name.to_lowercase())),
        ];
        let mut candidates: Vec<usize> = candidates.into_iter().flatten().flatten().copied().collect();
        candidates.sort_unstable();
        candidates.dedup();
        candidates
    }
}

/// What a registration says of a run that wrote it.
fn tell_run(run: &mut Run, draft: &Draft, confidence: Confidence, places: &Places) {
    if confidence == Confidence::Circumstantial {
        return;
    }
    let Some(cited) = draft.cited.first().map(|cited| cited.source.clone().by(JoinRule::J11, confidence)) else {
        return;
    };
    let registration = &draft.registration;
    if draft.process.is_some()
        && let Some(name) = simple_name(registration)
    {
        run.registered_name = Some(name.to_owned());
    }
    if let Some(when) = registration.last_written {
        let class = registration.class.as_deref().unwrap_or("a class");
        run.registrations.push(Related {
            at: when,
            what: format!("registered {class} as {} ({} view)", registration.clsid, registration.view.name()),
            class: "registry",
            citation: places.cite(&cited),
        });
    }
    if run.registered.is_none() && matches!(run.mode(), Mode::Register | Mode::CoplusInstall) {
        run.registered = Some(cited);
    }
}
