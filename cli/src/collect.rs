//! `comtrail collect`: opens the source, names the host, and collects with the leads that the artifacts and the grammar
//! of the tools give.

use crate::args::{CaseWords, CollectLimits, Common, EARLIER_PARTS};
use crate::host_name::{HOST_FACTS, by_place, host_facts, named_by_records};
use crate::memory::Ceiling;
use crate::progress::{Progress, Style};
use crate::renamed::Renamed;
use crate::{pace, signals};
use anyhow::Context;
use collector::source::{Source, live};
use collector::{AcquiredItem, CollectRequest, Collected, LeadPath, Limits, Observer, Resume, Step, ToolFacts};
use evidence::{Filetime, Group, Input, ProblemKind};
use std::collections::BTreeMap;
use std::path::Path;

/// Sets the limits that the options ask for; the end of the time is like an interrupt.
pub(crate) fn keep_to(limits: &CollectLimits) {
    pace::limit(limits.cpu, limits.io, limits.time, signals::end_collecting);
}

/// The time now; before 1601 a clock is broken and everything else fails too.
pub(crate) fn now() -> Filetime {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    let start = Filetime::from_unix_seconds(0).unwrap_or_default();
    start.checked_add_ticks(i64::try_from(since.as_nanos() / 100).unwrap_or(0)).unwrap_or(start)
}

/// An opened source and what it is called.
pub(crate) struct Opened {
    source: Source,
    /// Name of the host, or of the source where no hive tells.
    pub(crate) name: String,
    facts: Vec<(String, String)>,
}

impl Opened {
    /// Refuses a destination that lies on the source.
    pub(crate) fn refuse_destination(&self, path: &Path) -> anyhow::Result<()> {
        Ok(collector::refuse_destination(path, &self.source.files)?)
    }

    /// Whether a newer installation of the same source replaced it.
    pub(crate) fn is_older(&self) -> bool {
        self.source.is_older
    }
}

/// Opens the source and reads each host's name from it, because bundles are named after the host.
pub(crate) fn open(
    path: &Path,
    destination: &Path,
    limits: &CollectLimits,
    common: &Common,
) -> anyhow::Result<Vec<Opened>> {
    // A folder that happens to be called so can be given as ./live.
    let sources = if path.as_os_str() == live::NAME {
        vec![live::open(&live::Request {
            now: &now,
            destination,
            pace: pace::read,
            cancel: signals::cancel(),
            shadow_copies: limits.shadow_copies,
            make_shadow_copy: limits.make_shadow_copy,
        })?]
    } else {
        collector::source::open(path, &collector::Spill::beside(destination))?
    };
    for source in sources.iter().filter(|source| source.is_live() && !common.quiet) {
        // What cannot be had without rights is said at once, while something can be done about it.
        let refused = source.problems.iter().filter(|problem| problem.kind == ProblemKind::AccessDenied);
        for problem in refused.filter(|problem| problem.item == live::NAME) {
            crate::complain(&format!("{}: {}", problem.what, problem.effect));
        }
    }
    let several = sources.len() > 1;
    Ok(sources.into_iter().map(|source| named(source, path, several)).collect())
}

/// Gives a source the name that its registry has, or else its records, or else the place where it was found.
fn named(mut source: Source, path: &Path, several: bool) -> Opened {
    let (facts, letters) = host_facts(&source);
    source.mount(&letters);
    let by_registry = facts.iter().find(|(key, _)| key == HOST_FACTS[0].0).map(|(_, value)| value.clone());
    let name = by_registry
        .filter(|name| !name.is_empty())
        .or_else(|| named_by_records(&source))
        .unwrap_or_else(|| by_place(&source, path, several));
    Opened { source, name, facts }
}

/// Collects into `destination`.
pub(crate) fn collect(
    opened: &Opened,
    destination: &Path,
    (started, resume): (Filetime, Option<&Resume>),
    words: &CaseWords,
    limits: &CollectLimits,
    common: &Common,
) -> anyhow::Result<Collected> {
    let mut host = opened.facts.clone();
    for (name, value) in
        [("CaseId", &words.case_id), ("Examiner", &words.examiner), ("Organization", &words.organization)]
    {
        host.extend(value.iter().map(|value| (name.to_owned(), value.clone())));
    }
    if let Some(reference) = words.reference_time {
        let ahead = started.ticks_since(reference) as f64 / 1e7;
        let side = if ahead < 0.0 { "behind" } else { "ahead of" };
        host.push(("ReferenceTime".to_owned(), reference.to_string()));
        host.push((
            "ClockDifference".to_owned(),
            format!(
                "the clock of the collecting machine was {:.1} seconds {side} the reference when the collection began; \
                 typing the reference took some seconds that are part of this",
                ahead.abs()
            ),
        ));
    }
    let tool = this_program();
    let _collecting = signals::collecting(destination);
    let shown = Shown::new(Progress::new(Style::choose(common.quiet, common.json)));
    let (ceiling, renamed) = (Ceiling::new(common.memory / 2), Renamed::default());
    let request = CollectRequest {
        source: &opened.source,
        artifacts: artifacts::ALL,
        leads: &|acquired| leads_of(acquired, &ceiling, &renamed),
        destination,
        name: &opened.name,
        host: &host,
        tool: &tool,
        started,
        now: &now,
        limits: Limits {
            max_object: limits.max_object,
            max_lead_files: limits.max_leads,
            memory: common.memory / 2,
            ..Limits::default()
        },
        check_image: limits.check_image,
        sha512: limits.sha512,
        threads: common.worker_threads(),
        cancel: signals::cancel(),
        in_haste: signals::haste(),
        time_is_over: signals::time_is_over(),
        resume,
        observer: &shown,
    };
    if let Some(why) = opened.source.why_no_check().filter(|_| limits.check_image) {
        crate::complain(&format!("--check-image: {why}"));
    }
    let collected = collector::collect(&request);
    shown.progress.finish();
    collected.with_context(|| format!("cannot collect into {}", collector::shown(destination)))
}

/// The collection that is gone on with.
pub(crate) fn resume(path: &Path, common: &Common) -> anyhow::Result<Resume> {
    let progress = Progress::new(Style::choose(common.quiet, common.json));
    let shown = Shown { verifying: EARLIER_PARTS, ..Shown::new(progress) };
    let resume = Resume::open(path, common.worker_threads(), signals::cancel(), &shown);
    shown.progress.finish();
    Ok(resume?)
}

/// This program, as a bundle names it.
pub(crate) fn this_program() -> ToolFacts {
    ToolFacts {
        name: "comtrail".to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        sha256: own_hash(),
        features: Vec::new(),
        command_line: std::env::args_os().map(collector::shown).collect(),
    }
}

/// SHA-256 of this program's own file, as an examiner would compute it.
fn own_hash() -> Option<String> {
    file_hash(&std::env::current_exe().ok()?).ok()
}

/// SHA-256 of a file.
pub(crate) fn file_hash(path: &Path) -> std::io::Result<String> {
    use sha2::Digest;
    let mut file = std::fs::File::open(path)?;
    let mut hash = sha2::Sha256::new();
    let mut buffer = vec![0; 1 << 20];
    loop {
        match std::io::Read::read(&mut file, &mut buffer) {
            Ok(0) => break,
            Ok(read) => hash.update(&buffer[..read]),
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(evidence::hex(&hash.finalize()))
}

/// What an acquired object names: its records, through the leads of its artifacts and the grammar of the tools.
fn leads_of(acquired: &AcquiredItem<'_>, ceiling: &Ceiling, renamed: &Renamed) -> Vec<LeadPath> {
    let item = acquired.item;
    let mut named: BTreeMap<(String, Option<&'static str>), String> = BTreeMap::new();
    let companions = acquired.companions.clone();
    let beside = companions.iter().map(|(_, one)| one.len()).fold(0, u64::saturating_add);
    let input = Input { times: item.times, companions, ..Input::new(&item.original_path, acquired.bytes) };
    for group in Group::all_of(artifacts::asked_for(item).filter(|artifact| artifact.leads.is_some())) {
        let _room = ceiling.enter(group.memory(acquired.bytes.len(), beside));
        // What is wrong with the bytes is not lost: the analysis parses them again and reports it. That they could not
        // be read this time the collector tells.
        group.parse(&input, &mut |artifact, record| {
            for (lead, by) in renamed.leads(artifact, item, &record) {
                named.entry(lead).or_insert(by);
            }
        });
    }
    named.into_iter().map(|((path, kept_for), named_by)| LeadPath { path, named_by, kept_for }).collect()
}

/// Shows what the collector tells.
pub(crate) struct Shown {
    pub(crate) progress: Progress,
    /// What verifying is called.
    verifying: &'static str,
    last: parking_lot::Mutex<Option<(Step, u64, u64)>>,
}

impl Shown {
    pub(crate) fn new(progress: Progress) -> Self {
        Shown { progress, verifying: "verifying", last: Default::default() }
    }
}

impl Observer for Shown {
    fn event(&self, now: collector::Progress<'_>) {
        pace::work();
        let mut last = self.last.lock();
        let (done, total) = match *last {
            Some((step, was, known)) if step == now.step => (was, known),
            _ => {
                let phase = match now.step {
                    Step::CheckImage => "checking the image",
                    Step::Locate => "locating",
                    Step::Acquire => "collecting",
                    Step::Leads => "following leads",
                    Step::Seal => "sealing",
                    Step::Verify => self.verifying,
                };
                self.progress.phase(phase, now.bytes_total);
                (0, now.bytes_total)
            }
        };
        if now.bytes_total != total {
            self.progress.total(now.bytes_total);
        }
        self.progress.advance(now.bytes_done.saturating_sub(done), now.path);
        *last = Some((now.step, now.bytes_done.max(done), now.bytes_total));
    }
}
