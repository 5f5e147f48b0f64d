//! `comtrail collect`: opens the source, names the host, and collects with the leads that the artifacts and the grammar
//! of the tools give.

use crate::args::{CaseWords, CollectLimits, Common};
use crate::focus;
use crate::hosts;
use crate::memory::Ceiling;
use crate::progress::{Progress, Style};
use crate::{pace, signals};
use anyhow::Context;
use collector::source::{PartitionId, Source, VolumeKind, live};
use collector::{
    AcquiredItem, CollectRequest, Collected, LeadPath, Limits, Located, Observer, Resume, Step, ToolFacts,
    first_located,
};
use evidence::{Filetime, Group, Hive, Input, ProblemKind, Reads, Record, Role, Tells};
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

/// Number of threads that the options ask for.
pub(crate) fn threads(common: &Common) -> usize {
    if common.threads > 0 {
        usize::from(common.threads)
    } else {
        std::thread::available_parallelism().map_or(1, usize::from)
    }
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
        .or_else(|| hosts::named_by_records(&source))
        .unwrap_or_else(|| by_place(&source, path, several));
    Opened { source, name, facts }
}

/// A name for a host that nothing in it names: of several, the folder or archive of the source that it lies in; of one,
/// the source itself.
fn by_place(source: &Source, path: &Path, several: bool) -> String {
    let place = source.facts.iter().find(|(name, _)| several && name == "place in the source");
    let first = place.and_then(|(_, place)| place.split(['/', '\\']).find(|part| !part.is_empty()));
    if let Some(first) = first {
        return first.to_owned();
    }
    path.file_stem().or_else(|| path.file_name()).map_or_else(|| "source".to_owned(), collector::shown)
}

/// The host's own words about itself, by name.
type Facts = Vec<(String, String)>;

/// Those that a bundle has, by their names in it; the name of the host first.
const HOST_FACTS: [(&str, Role); 4] = [
    ("ComputerName", Role::Computer),
    ("Domain", Role::Domain),
    ("ProductName", Role::Product),
    ("Build", Role::Build),
];

/// Hives of one kind that are asked for them.
const MOST_HIVES: usize = 16;

/// Facts of the system volume's hives that describe the bundle, and the drive letters of the partitions. The analysis
/// reads them again, with citations.
fn host_facts(source: &Source) -> (Facts, Vec<(PartitionId, char)>) {
    let (mut facts, mut letters) = (Vec::new(), Vec::new());
    let groups = Group::all_of(artifacts::telling(Tells::HostName));
    let is_present =
        |one: &Located| !matches!(source.volumes[one.volume].0.kind, VolumeKind::ShadowCopy | VolumeKind::OtherCopy);
    for hive in [Hive::System, Hive::Software] {
        for located in first_located(source, &Reads::Key { hive, key: "" }, MOST_HIVES, &is_present).0 {
            let (volume, tree) = &source.volumes[located.volume];
            let Some(Ok(content)) = tree.as_ref().map(|tree| tree.open(&located.found)) else {
                continue;
            };
            let path = located.original_path(volume);
            for group in &groups {
                group.parse(&Input::new(&path, &*content), &mut |_, record| {
                    for (name, role) in HOST_FACTS.iter() {
                        if let Some(value) = record.text_of(*role) {
                            facts.push(((*name).to_owned(), value.to_owned()));
                        }
                    }
                    letters.extend(mounted(&record));
                });
            }
        }
    }
    (facts, letters)
}

/// The partition and its drive letter, where a record of `MountedDevices` has both.
fn mounted(record: &Record) -> Option<(PartitionId, char)> {
    let mut name = record.text_of(Role::Name)?.strip_prefix(r"\DosDevices\")?.chars();
    let letter = name.next().filter(char::is_ascii_alphabetic).filter(|_| name.eq([':']))?;
    let id = match (record.text_of(Role::PartitionGuid), record.text_of(Role::DiskSignature)) {
        (Some(guid), _) => PartitionId::Gpt(guid.to_owned()),
        (None, Some(signature)) => PartitionId::Mbr {
            signature: u32::from_str_radix(signature, 16).ok()?,
            offset: record.role(Role::Offset)?.number()?,
        },
        (None, None) => return None,
    };
    Some((id, letter))
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
    let ceiling = Ceiling::new(common.memory / 2);
    let request = CollectRequest {
        source: &opened.source,
        artifacts: artifacts::ALL,
        leads: &|acquired| leads_of(acquired, &ceiling),
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
        threads: threads(common),
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

/// What going on with a collection begins with.
pub(crate) const EARLIER_PARTS: &str = "verifying the earlier parts";

/// The collection that is gone on with.
pub(crate) fn resume(path: &Path, common: &Common) -> anyhow::Result<Resume> {
    let progress = Progress::new(Style::choose(common.quiet, common.json));
    let shown = Shown { verifying: EARLIER_PARTS, ..Shown::new(progress) };
    let resume = Resume::open(path, threads(common), signals::cancel(), &shown);
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
fn leads_of(acquired: &AcquiredItem<'_>, ceiling: &Ceiling) -> Vec<LeadPath> {
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
            for lead in focus::leads(artifact, &record) {
                named.entry(lead).or_insert_with(|| format!("{}, {}", item.original_path, record.locator));
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn drive_letters_of_mounted_partitions() {
        let of = |entries: &[(&'static str, &str)], offset: Option<u64>| {
            let mut fields = evidence::Fields::new();
            entries.iter().for_each(|(name, value)| fields.push(*name, *value));
            fields.push_some("Offset", offset);
            let of = artifacts::ALL.iter().flat_map(|one| one.records).find(|of| of.tells == Tells::Volume).unwrap();
            mounted(&Record {
                artifact: "host",
                of,
                subject: String::new(),
                user: None,
                moments: Vec::new(),
                fields,
                claims: &[],
                locator: evidence::Locator::Whole,
                integrity: evidence::Integrity::Intact,
            })
        };
        let mbr = [("Name", r"\DosDevices\D:"), ("DiskSignature", "5CBEA03E")];
        let id = PartitionId::Mbr { signature: 0x5CBE_A03E, offset: 1 << 20 };
        assert_eq!(of(&mbr, Some(1 << 20)), Some((id, 'D')));
        assert_eq!(of(&mbr, None), None);
        let gpt = [("Name", r"\DosDevices\C:"), ("PartitionGuid", "{0C5E1A7D-2F3B-4648-9C1D-E2F3A4B5C6D7}")];
        assert_eq!(of(&gpt, None), Some((PartitionId::Gpt("{0C5E1A7D-2F3B-4648-9C1D-E2F3A4B5C6D7}".to_owned()), 'C')));
        for name in [r"\??\Volume{1}", r"\DosDevices\CD:", r"\DosDevices\C", r"\DosDevices\1:"] {
            assert_eq!(of(&[("Name", name), gpt[1]], None), None, "{name}");
        }
    }
}
