//! `comtrail analyze`: from a bundle to the timeline and the report.
//!
//! The host first, then every independent artifact in parallel, then the artifacts that describe only what the others
//! are about, then one pass over the merged events.

use crate::args::Common;
use crate::collect::{threads, wanting};
use crate::focus;
use crate::memory::{Ceiling, of_parsing, reads_hives};
use crate::pace;
use crate::parse::parse;
use crate::progress::{Progress, Style};
use anyhow::Context;
use collector::{BundleReader, Spill};
use evidence::{
    Artifact, Bytes, Focus, Input, Item, ItemId, Items, KeyIndex, Location, Phase, Problem, ProblemKind, Problems,
    Record, Stage,
};
use rayon::prelude::*;
use std::borrow::Cow;
use std::collections::HashMap;
use std::path::Path;
use std::sync::Mutex;
use timeline::{BundleName, Correlator, Format, Host, Merger, Output, Report, ToolName};

/// What the analysis came to.
pub(crate) struct Analyzed {
    pub(crate) report: Report,
}

/// Analyses a bundle into a folder.
pub(crate) fn analyze(bundle: &Path, folder: &Path, full_timeline: bool, common: &Common) -> anyhow::Result<Analyzed> {
    std::fs::create_dir_all(folder).with_context(|| format!("cannot create {}", collector::shown(folder)))?;
    for name in ["report.html", "report.json"].into_iter().chain(Format::ALL.map(Format::file_name)) {
        let path = folder.join(name);
        anyhow::ensure!(!path.exists(), "{} is there already; choose another folder", collector::shown(&path));
    }
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads(common)).build()?;
    pool.install(|| analyze_here(bundle, folder, full_timeline, common))
}

fn analyze_here(bundle: &Path, folder: &Path, full_timeline: bool, common: &Common) -> anyhow::Result<Analyzed> {
    let reader = BundleReader::open_with(bundle, &Spill::into_folder(folder))?;
    let temp = tempfile::Builder::new()
        .prefix(".comtrail-")
        .tempdir_in(folder)
        .with_context(|| format!("cannot write into {}", collector::shown(folder)))?;
    let analysis = Analysis {
        reader: &reader,
        temp: temp.path(),
        beside: Beside::new(reader.items()),
        ceiling: Ceiling::new(common.memory / 2),
        progress: Progress::new(Style::choose(common.quiet, common.json)),
        problems: Mutex::new(reader.failures().iter().cloned().collect()),
    };
    let host = analysis.host();
    let merger = Merger::new(temp.path(), usize::try_from(common.memory / 8).unwrap_or(32 << 20));
    let focus = Mutex::new(focus::on_the_tools());
    analysis.run(Phase::Independent, "parsing", &Focus::default(), &|artifact, item, record| {
        for path in focus::lead_paths(artifact, &record) {
            focus::add_path(&mut lock(&focus), &path);
        }
        merger.add(item.id, &record);
    });
    let mut focus = focus.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    focus::add_items(&mut focus, reader.items());
    focus.everything = full_timeline;
    analysis.run(Phase::Focused, "parsing the file system", &focus, &|_, item, record| merger.add(item.id, &record));

    analysis.progress.phase("merging and correlating", 0);
    let mut correlator = Correlator::new(host.clone(), reader.items()).knowing(reader.failures());
    let mut outputs =
        Format::ALL.into_iter().map(|format| Output::create(folder, format)).collect::<Result<Vec<_>, _>>()?;
    let summary = timeline::write_timeline(merger.finish()?, reader.items(), &mut outputs, &|_| true, &mut |event| {
        pace::work();
        correlator.observe(&event);
    })?;
    if let Some(error) = reader.items().failure() {
        return Err(error).context("a temporary file could not be read back");
    }
    let mut problems = analysis.problems.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    problems.extend(summary.problems);
    analysis.progress.finish();

    let tool = ToolName { name: "comtrail".to_owned(), version: env!("CARGO_PKG_VERSION").to_owned() };
    let collecting = |name: &str| reader.tool().get(name).cloned().unwrap_or_default();
    let bundle = BundleName {
        file: bundle.file_name().map(collector::shown).unwrap_or_default(),
        bag: reader.bag().to_owned(),
        sha256: reader.tag_manifest_sha256()?,
        source: serde_json::from_value(collecting("source")).unwrap_or_default(),
        checks: image_checks(&reader),
        collected: serde_json::from_value(collecting("started")).ok(),
        objects: reader.items().count() as u64,
        events: summary.events,
        full_timeline,
    };
    let report = Report::new(tool, bundle, host, correlator.finish(), problems.into_vec());
    write(folder, "report.json", &report.to_json()?)?;
    write(folder, "report.html", report.to_html().as_bytes())?;
    Ok(Analyzed { report })
}

/// What the check of the image gave, where there was one.
fn image_checks(reader: &BundleReader) -> Vec<String> {
    let facts = reader.host().pointer("/source/facts").and_then(serde_json::Value::as_object);
    let checks = facts.into_iter().flatten().filter(|(name, _)| name.starts_with("check of the "));
    checks.map(|(name, result)| format!("{name}: {}", result.as_str().unwrap_or_default())).collect()
}

/// Writes a file of the case.
pub(crate) fn write(folder: &Path, name: &str, bytes: &[u8]) -> anyhow::Result<()> {
    let path = folder.join(name);
    std::fs::write(&path, bytes).with_context(|| format!("cannot write {}", collector::shown(&path)))
}

fn folder_of(path: &str) -> &str {
    path.rsplit_once('\\').map_or("", |(folder, _)| folder)
}

/// Whether a path is that of a hive's transaction log, which is read with its hive.
fn is_log(path: &str) -> bool {
    let upper = path.to_uppercase();
    [".LOG", ".LOG1", ".LOG2"].iter().any(|ending| upper.ends_with(ending))
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// A piece of work: an object for an artifact, and how long it is.
type Work = (&'static Artifact, ItemId, u64);

/// Which objects help to read others.
struct Beside {
    /// Programs, by the folder that they were collected from; streams and large files are left out.
    programs: KeyIndex,
    /// The file records of each volume.
    mft: HashMap<String, ItemId>,
}

impl Beside {
    fn new(items: &dyn Items) -> Self {
        const LARGEST: u64 = 8 << 20;
        let mut beside = Beside { programs: KeyIndex::default(), mft: HashMap::new() };
        items.each(&mut |item| {
            let path = &item.original_path;
            let is_program = [".dll", ".exe"].iter().any(|end| path.to_lowercase().ends_with(end));
            if is_program && item.bundle_path.is_some() && item.size <= LARGEST {
                beside.programs.add(&folder_of(path).to_ascii_lowercase(), item.id.0);
            }
            if path.ends_with(r"\$MFT") && !beside.mft.contains_key(&item.volume) {
                beside.mft.insert(item.volume.clone(), item.id);
            }
        });
        beside.programs.sort();
        beside
    }

    /// The other programs from the folder of an object.
    fn of<'i>(&self, items: &'i dyn Items, item: &Item) -> Vec<Cow<'i, Item>> {
        const MOST: usize = 16;
        let folder = folder_of(&item.original_path).to_ascii_lowercase();
        let others = self.programs.candidates(&folder).map(ItemId).filter(|id| *id != item.id);
        let found = others.filter_map(|id| items.by_id(id));
        found.filter(|one| folder_of(&one.original_path).eq_ignore_ascii_case(&folder)).take(MOST).collect()
    }

    fn mft_of(&self, volume: &str) -> Option<ItemId> {
        self.mft.get(volume).copied()
    }
}

struct Analysis<'a> {
    reader: &'a BundleReader,
    temp: &'a Path,
    beside: Beside,
    ceiling: Ceiling,
    progress: Progress,
    problems: Mutex<Problems>,
}

impl Analysis<'_> {
    /// The host as its own hives describe it.
    fn host(&self) -> Host {
        let mut records = Vec::new();
        self.reader.items().each(&mut |item| {
            if is_log(&item.original_path) {
                return;
            }
            for artifact in wanting(&item.wanted_by).into_iter().filter(|artifact| artifact.id == "host") {
                self.parse_item(artifact, item, &Focus::default(), &mut |record| records.push((item.clone(), record)));
            }
        });
        Host::from_records(&records)
    }

    /// Parses every object for the artifacts of one phase.
    fn run(&self, phase: Phase, name: &'static str, focus: &Focus, take: &(dyn Fn(&Artifact, &Item, Record) + Sync)) {
        /// Pieces of work that are put in order at a time.
        const BATCH: usize = 1 << 16;
        let chosen = |item: &Item| {
            let is_log = is_log(&item.original_path);
            let wanting = wanting(&item.wanted_by).into_iter();
            wanting.filter(move |one| one.phase == phase && one.id != "host" && !(reads_hives(one) && is_log))
        };
        let items = self.reader.items();
        let mut bytes = 0;
        items.each(&mut |item| bytes += item.stored_size * chosen(item).count() as u64);
        self.progress.phase(name, bytes);
        let mut work: Vec<Work> = Vec::new();
        let finish = |work: &mut Vec<Work>| {
            // The largest first, so that the threads end together.
            work.sort_by_key(|(artifact, item, size)| (std::cmp::Reverse(*size), *item, artifact.id));
            work.par_iter().with_max_len(1).for_each(|(artifact, id, size)| {
                let Some(item) = items.by_id(*id) else { return };
                self.parse_item(artifact, &item, focus, &mut |record| {
                    pace::work();
                    take(artifact, &item, record);
                });
                self.progress.advance(*size, &item.original_path);
            });
            work.clear();
        };
        items.each(&mut |item| {
            work.extend(chosen(item).map(|artifact| (artifact, item.id, item.stored_size)));
            if work.len() >= BATCH {
                finish(&mut work);
            }
        });
        finish(&mut work);
    }

    fn memory_for(&self, artifact: &Artifact, item: &Item) -> u64 {
        let logs = item.companions.iter().filter_map(|path| self.reader.items().by_path(path));
        of_parsing(artifact, item.stored_size, logs.map(|log| log.stored_size).fold(0, u64::saturating_add))
    }

    fn parse_item(&self, artifact: &Artifact, item: &Item, focus: &Focus, on_record: &mut dyn FnMut(Record)) {
        if item.bundle_path.is_none() {
            return;
        }
        let _room = self.ceiling.enter(self.memory_for(artifact, item));
        let Some(bytes) = self.open(item) else { return };
        let mut companions: Vec<(String, Box<dyn Bytes>)> = Vec::new();
        for path in &item.companions {
            if let Some(companion) = self.reader.items().by_path(path).filter(|one| one.bundle_path.is_some()) {
                companions.extend(self.open(&companion).map(|bytes| (companion.original_path.clone(), bytes)));
            }
        }
        // A base class of an assembly can lie in another file beside it.
        if artifact.locations.contains(&Location::Lead) {
            for sibling in self.beside.of(self.reader.items(), item) {
                companions.extend(self.open(&sibling).map(|bytes| (sibling.original_path.clone(), bytes)));
            }
        }
        // A change journal names parents by record number only; the file records of its volume have their paths.
        if artifact.phase == Phase::Focused && !item.original_path.ends_with("$MFT") {
            let mft = self.beside.mft_of(&item.volume).and_then(|id| self.reader.items().by_id(id));
            companions.extend(mft.and_then(|mft| Some((mft.original_path.clone(), self.open(&mft)?))));
        }
        let input = Input {
            original_path: &item.original_path,
            bytes: &*bytes,
            companions: companions.iter().map(|(path, bytes)| (path.as_str(), &**bytes)).collect(),
            focus,
        };
        let problems = parse(artifact, &input, on_record);
        lock(&self.problems).extend(problems);
    }

    fn open(&self, item: &Item) -> Option<Box<dyn Bytes>> {
        match self.reader.open_item(item, self.temp) {
            Ok(bytes) => Some(bytes),
            Err(error) => {
                lock(&self.problems).push(Problem::new(
                    Stage::Bundle,
                    ProblemKind::ReadFailed,
                    item.original_path.clone(),
                    error.to_string(),
                    "nothing of this object is analysed",
                ));
                None
            }
        }
    }
}
