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
use crate::parts::{Collection, Given, refuse_changed};
use crate::place::{self, hash_of};
use crate::progress::{Progress, Style};
use crate::signals;
use anyhow::Context;
use artifacts::SIBLING_HELD;
use collector::{AcceptedItems, BundleReader, OpenBundle, Spill, VerifyReport};
use evidence::{
    Artifact, Bytes, Focus, Input, Item, ItemId, Items, KeyIndex, Phase, Problem, ProblemKind, Problems, Reads, Record,
    Stage, hex,
};
use parking_lot::Mutex;
use rayon::prelude::*;
use sha2::{Digest, Sha256};
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use timeline::{
    BundleName, CaseFacts, ChangedBundle, Correlator, Format, Host, Merger, Output, Report, Rules, TimelineSummary,
    ToolName,
};

/// What of the analysis is recorded beside it, because it decides what comes out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Options {
    pub(crate) full_timeline: bool,
    pub(crate) accept_changed: bool,
}

/// What is to be analysed, and where to.
pub(crate) struct Request<'a> {
    /// One, or the parts of one collection.
    pub(crate) bundles: &'a [PathBuf],
    pub(crate) folder: &'a Path,
    pub(crate) options: Options,
    /// Whether an analysis that is there gives way.
    pub(crate) replace: bool,
    /// What reading the only bundle back gave, where this program wrote it just now.
    pub(crate) read_back: Option<&'a VerifyReport>,
    pub(crate) common: &'a Common,
}

/// What the analysis came to.
pub(crate) struct Analyzed {
    pub(crate) report: Report,
    /// SHA-256 of the list of all its files.
    pub(crate) manifest_sha256: String,
    /// The bundles, the first part of a collection first.
    pub(crate) bundles: Vec<Sealed>,
    /// Serial numbers of the volumes that were read.
    pub(crate) serials: Vec<String>,
    /// Folder of the host's Windows.
    pub(crate) windows: Option<String>,
}

/// A bundle, by what is written down of it.
pub(crate) struct Sealed {
    /// Name of the bag.
    pub(crate) bag: String,
    /// SHA-256 of its file.
    pub(crate) archive_sha256: Option<String>,
    /// Last hash of its action log.
    pub(crate) log_head: Option<String>,
}

/// Analyses a bundle, or the parts of one collection, into a folder.
pub(crate) fn analyze(request: &Request<'_>) -> anyhow::Result<Analyzed> {
    let _analysing = signals::analysing(request.bundles, request.folder);
    // A bundle that is not there, or is none, leaves no folder behind.
    let mut opened = Vec::new();
    for path in request.bundles {
        opened.push((path, OpenBundle::open(path)?));
    }
    place::folder(request.folder)?;
    place::refuse_bag(request.folder)?;
    place::refuse_analysis(request.folder, request.replace)?;
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads(request.common)).build()?;
    pool.install(|| {
        let mut given = Vec::new();
        for (path, opened) in opened {
            let accepts = request.options.accept_changed;
            let part = match request.read_back {
                Some(read_back) => Given::verified(path, opened, read_back.clone()),
                // What was changed has to be known before anything rests on it.
                None if accepts => Given::verify(path, opened, request.common)?,
                None => Given::begin(path, opened, request.common)?,
            };
            if !accepts {
                refuse_changed(path, &part.verified)?;
            }
            given.push(part);
        }
        // Everything is made aside and gets its name when all is whole.
        let aside = place::temporary(request.folder)?;
        let analyzed = make(given, aside.path(), request.options, request.common)?;
        publish(aside.path(), request.folder, place::hashed_files(), request.replace)?;
        Ok(analyzed)
    })
}

/// Gives the files of an analysis their names. The manifest comes last, so that without it an analysis is never taken for
/// whole.
pub(crate) fn publish(
    aside: &Path,
    folder: &Path,
    names: impl IntoIterator<Item = &'static str>,
    replace: bool,
) -> anyhow::Result<()> {
    let manifest = folder.join(place::MANIFEST);
    if replace && manifest.symlink_metadata().is_ok() {
        std::fs::remove_file(&manifest).with_context(|| format!("cannot replace {}", collector::shown(&manifest)))?;
    }
    for name in names.into_iter().chain([place::MANIFEST]) {
        place::publish(&aside.join(name), &folder.join(name), replace)?;
    }
    Ok(())
}

/// Makes every file of an analysis in a folder: the same bytes for the same bundles, options and version.
pub(crate) fn make(given: Vec<Given>, folder: &Path, options: Options, common: &Common) -> anyhow::Result<Analyzed> {
    let collection = Collection::read(given, options.accept_changed, &Spill::into_folder(folder))?;
    let changed = (!collection.is_valid()).then(|| Changed::accept(&collection));
    let mut hashes = Hashes::default();
    let rules = Rules::own()?;
    let work = Work { collection: &collection, changed: changed.as_ref(), folder, options, rules, common };
    let report = work.report(&mut hashes)?;
    hashes.write(folder, place::ANALYSIS, &about(&report, options)?)?;
    hashes.write(folder, "report.json", &report.to_json()?)?;
    hashes.write(folder, "report.html", report.to_html().as_bytes())?;
    let manifest = hashes.manifest();
    place::write(folder, place::MANIFEST, manifest.as_bytes())?;
    let sealed = |(part, verified): (&BundleReader, &VerifyReport)| Sealed {
        bag: part.bag().to_owned(),
        archive_sha256: verified.archive_sha256.clone(),
        log_head: verified.log_head.clone(),
    };
    let volumes = collection.reader.host()["volumes"].as_array();
    let of_volumes = |name: &'static str| {
        volumes.into_iter().flatten().filter_map(move |volume| Some(volume[name].as_str()?.to_owned()))
    };
    let (serials, windows) = (of_volumes("serial").collect(), of_volumes("windows").next());
    let bundles = collection.reader.each_part().zip(&collection.verified).map(sealed).collect();
    Ok(Analyzed { report, manifest_sha256: hash_of(manifest.as_bytes()), bundles, serials, windows })
}

/// `analysis.json`: of which bundle, by which version and with which options. No time, path or name of the machine that
/// analyses stands in it, so that the same bundle gives the same bytes.
fn about(report: &Report, options: Options) -> anyhow::Result<Vec<u8>> {
    let mut about = serde_json::Map::new();
    if let Some(changed) = &report.changed {
        about.insert("changed_after_sealing".to_owned(), serde_json::to_value(changed)?);
    }
    about.insert("schema".to_owned(), "comtrail-analysis/1".into());
    about.insert("tool".to_owned(), serde_json::to_value(&report.tool)?);
    about.insert(
        "bundle".to_owned(),
        serde_json::json!({
            "bag": report.bundle.bag,
            "archive_sha256": report.bundle.archive_sha256,
            "tag_manifest_sha256": report.bundle.sha256,
        }),
    );
    if !report.bundle.parts.is_empty() {
        about.insert("parts".to_owned(), serde_json::to_value(&report.bundle.parts)?);
    }
    let Options { full_timeline, accept_changed } = options;
    about.insert(
        "options".to_owned(),
        serde_json::json!({ "full_timeline": full_timeline, "accept_changed": accept_changed }),
    );
    let rules = report.rules.as_ref().map_or("none", |rules| &rules.sha256);
    about.insert("rules_sha256".to_owned(), rules.into());
    let mut bytes = serde_json::to_vec_pretty(&about)?;
    bytes.push(b'\n');
    Ok(bytes)
}

/// Which objects are not what was sealed.
struct Changed<'a> {
    said: ChangedBundle,
    ids: BTreeSet<ItemId>,
    /// All objects, the changed ones as they are.
    items: AcceptedItems<'a>,
}

impl<'a> Changed<'a> {
    /// Finds them, and lets them be read as they are.
    fn accept(collection: &'a Collection) -> Self {
        let reader = &collection.reader;
        let of_parts: Vec<ChangedPart<'_>> = collection.verified.iter().map(ChangedPart::of).collect();
        // Two parts can have the same path for different objects.
        let is_changed = |item: &Item| {
            let path = item.bundle_path.as_deref();
            path.zip(of_parts.get(reader.part_of(item.id))).is_some_and(|(path, part)| part.is_changed(path))
        };
        let (mut paths, mut ids) = (BTreeSet::new(), BTreeSet::new());
        reader.items().each(&mut |item| {
            if is_changed(item) {
                paths.insert(item.original_path.clone());
                ids.insert(item.id);
            }
        });
        let said = ChangedBundle::new(&collection.changed_parts(), collection.wrong(), ids.len() as u64, paths);
        Changed { said, ids, items: reader.accept_changed(&is_changed) }
    }
}

/// What of one bundle is not what was sealed.
struct ChangedPart<'a> {
    verified: &'a VerifyReport,
    wrong: HashSet<&'a str>,
    /// Nothing vouches for what is said of the objects, so that all of them are in doubt.
    all: bool,
}

impl<'a> ChangedPart<'a> {
    fn of(verified: &'a VerifyReport) -> Self {
        let wrong: HashSet<&str> = verified.wrong.iter().map(|wrong| wrong.path.as_str()).collect();
        let all = wrong.iter().any(|path| path.starts_with("tagmanifest-") || *path == "metadata/objects.jsonl");
        ChangedPart { verified, wrong, all }
    }

    fn is_changed(&self, path: &str) -> bool {
        self.all || self.wrong.contains(path) || self.verified.is_changed(path)
    }
}

/// Names and digests of the files of an analysis.
#[derive(Default)]
struct Hashes(BTreeMap<&'static str, String>);

impl Hashes {
    fn write(&mut self, folder: &Path, name: &'static str, bytes: &[u8]) -> anyhow::Result<()> {
        place::write(folder, name, bytes)?;
        self.0.insert(name, hash_of(bytes));
        Ok(())
    }

    fn manifest(&self) -> String {
        self.0.iter().map(|(name, sha256)| place::manifest_line(name, sha256)).collect()
    }
}

/// A file whose digest is computed while it is written.
struct Hashed {
    file: File,
    sha256: Sha256,
}

impl Write for Hashed {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        let written = self.file.write(buffer)?;
        self.sha256.update(&buffer[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// What a report is made of.
struct Work<'a> {
    collection: &'a Collection,
    changed: Option<&'a Changed<'a>>,
    /// Where the timeline's files and what does not fit into memory go.
    folder: &'a Path,
    options: Options,
    rules: Rules,
    common: &'a Common,
}

impl Work<'_> {
    fn report(&self, hashes: &mut Hashes) -> anyhow::Result<Report> {
        let (reader, memory) = (&self.collection.reader, self.common.memory);
        let failures: Vec<Problem> = reader.failures().iter().chain(&self.collection.missing).cloned().collect();
        let items: &dyn Items = self.changed.map_or(reader.items() as &dyn Items, |changed| &changed.items);
        let analysis = Analysis {
            reader,
            items,
            temp: self.folder,
            beside: Beside::new(items),
            ceiling: Ceiling::new(memory / 2),
            progress: Progress::new(Style::choose(self.common.quiet, self.common.json)),
            problems: Mutex::new(failures.iter().cloned().collect()),
            cannot: Mutex::new(None),
            is_ended: AtomicBool::new(false),
            kept: Mutex::default(),
        };
        let host = analysis.host();
        let merger = Merger::new(self.folder, usize::try_from(memory / 8).unwrap_or(32 << 20));
        let focus = Mutex::new(focus::on_the_tools());
        analysis.run(Phase::Independent, "parsing", &Focus::default(), &|artifact, item, record| {
            for path in focus::lead_paths(artifact, &record) {
                focus::add_path(&mut focus.lock(), &path);
            }
            merger.add(item.id, &record);
        });
        let mut focus = focus.into_inner();
        focus::add_items(&mut focus, items);
        focus.everything = self.options.full_timeline;
        analysis.kept.lock().clear();
        let phase = "parsing the file system";
        analysis.run(Phase::Focused, phase, &focus, &|_, item, record| merger.add(item.id, &record));

        let uninterrupted = || {
            anyhow::ensure!(!signals::is_stopped(), signals::STOPPED);
            Ok(())
        };
        analysis.kept.lock().clear();
        uninterrupted()?;
        analysis.progress.finish();
        match analysis.cannot.lock().take() {
            Some(error @ collector::Error::Write { .. }) => return Err(error.into()),
            other => {
                // Says all that is wrong with a bundle of which an object is not what was sealed.
                self.collection.end_verifying(self.common)?;
                other.map_or(Ok(()), Err)?;
            }
        }
        analysis.progress.phase("merging and correlating", 0);
        let mut correlator = Correlator::new(host, items).knowing(&failures);
        let summary = self.timeline(merger, items, &mut correlator, hashes)?;
        if let Some(error) = reader.items().failure() {
            return Err(error).context("a temporary file could not be read back");
        }
        uninterrupted()?;
        let mut problems = analysis.problems.into_inner();
        problems.extend(summary.problems);
        analysis.progress.finish();
        let tool = ToolName { name: "comtrail".to_owned(), version: env!("CARGO_PKG_VERSION").to_owned() };
        let bundle = self.bundle(summary.events)?;
        let story = correlator.finish();
        let assessed = timeline::assess(&story, &self.rules);
        let mut report = Report::new(tool, bundle, story, assessed, problems.into_vec());
        report.case = case_facts(reader);
        report.changed = self.changed.map(|changed| changed.said.clone());
        Ok(report)
    }

    /// Writes the files of the timeline, while the correlator looks on.
    fn timeline(
        &self,
        merger: Merger,
        items: &dyn Items,
        correlator: &mut Correlator<'_>,
        hashes: &mut Hashes,
    ) -> anyhow::Result<TimelineSummary> {
        let mut outputs = Vec::new();
        for format in Format::ALL {
            let Output { format, name, to } = Output::create(self.folder, format)?;
            outputs.push(Output { format, name, to: Hashed { file: to, sha256: Sha256::new() } });
        }
        let none = BTreeSet::new();
        let changed = self.changed.map_or(&none, |changed| &changed.ids);
        let observe = &mut |event: timeline::Event| {
            pace::work();
            correlator.observe(&event);
        };
        let summary =
            timeline::write_timeline_marking(merger.finish()?, items, changed, &mut outputs, &|_| true, observe)?;
        for Output { format, name, to } in outputs {
            to.file.sync_all().with_context(|| format!("cannot write {name}"))?;
            hashes.0.insert(format.file_name(), hex(&to.sha256.finalize()));
        }
        Ok(summary)
    }

    fn bundle(&self, events: u64) -> anyhow::Result<BundleName> {
        let Collection { reader, verified, names, .. } = self.collection;
        let collecting = |name: &str| reader.tool().get(name).cloned().unwrap_or_default();
        Ok(BundleName {
            file: format!("{}.zip", reader.bag()),
            bag: reader.bag().to_owned(),
            archive_sha256: verified.first().and_then(|first| first.archive_sha256.clone()),
            sha256: reader.tag_manifest_sha256()?,
            source: serde_json::from_value(collecting("source")).unwrap_or_default(),
            checks: image_checks(reader),
            collected: serde_json::from_value(collecting("started")).ok(),
            objects: reader.items().count() as u64,
            events,
            full_timeline: self.options.full_timeline,
            parts: names.clone(),
        })
    }
}

/// What was said about the case when it was collected.
fn case_facts(reader: &BundleReader) -> CaseFacts {
    let fact = |name: &str| Some(reader.host().pointer("/facts")?.get(name)?.as_str()?.to_owned());
    CaseFacts {
        id: fact("CaseId"),
        examiner: fact("Examiner"),
        organization: fact("Organization"),
        reference_time: fact("ReferenceTime"),
        clock_difference: fact("ClockDifference"),
    }
}

/// What the check of the image gave, where there was one.
fn image_checks(reader: &BundleReader) -> Vec<String> {
    let facts = reader.host().pointer("/source/facts").and_then(serde_json::Value::as_object);
    let checks = facts.into_iter().flatten().filter(|(name, _)| name.starts_with("check of the "));
    checks.map(|(name, result)| format!("{name}: {}", result.as_str().unwrap_or_default())).collect()
}

fn folder_of(path: &str) -> &str {
    path.rsplit_once('\\').map_or("", |(folder, _)| folder)
}

/// Whether a path is that of a hive's transaction log, which is read with its hive.
fn is_log(path: &str) -> bool {
    let upper = path.to_uppercase();
    [".LOG", ".LOG1", ".LOG2"].iter().any(|ending| upper.ends_with(ending))
}

/// A piece of work: an object for an artifact, and how long it is.
type Piece = (&'static Artifact, ItemId, u64);

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
    items: &'a dyn Items,
    temp: &'a Path,
    beside: Beside,
    ceiling: Ceiling,
    progress: Progress,
    problems: Mutex<Problems>,
    /// Why the analysis cannot go on: the machine that analyses has no room, or the bundle was changed.
    cannot: Mutex<Option<collector::Error>>,
    /// Whether there is such a reason, so that the rest need not be read.
    is_ended: AtomicBool,
    /// Objects that were inflated and that others will ask for.
    kept: Mutex<HashMap<ItemId, Arc<dyn Bytes>>>,
}

impl Analysis<'_> {
    /// Whether somebody ended it: what is read from now on is of no use.
    fn is_stopped(&self) -> bool {
        signals::is_stopped() || self.is_ended.load(Ordering::Relaxed)
    }

    fn end(&self, why: collector::Error) {
        self.cannot.lock().get_or_insert(why);
        self.is_ended.store(true, Ordering::Relaxed);
    }

    /// The host as its own hives describe it.
    fn host(&self) -> Host {
        let mut records = Vec::new();
        self.items.each(&mut |item| {
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
        let items = self.items;
        let mut bytes = 0;
        items.each(&mut |item| bytes += item.stored_size * chosen(item).count() as u64);
        self.progress.phase(name, bytes);
        let mut work: Vec<Piece> = Vec::new();
        let finish = |work: &mut Vec<Piece>| {
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

    fn memory_for(&self, artifact: &Artifact, item: &Item, siblings: &[Cow<'_, Item>]) -> u64 {
        let logs = item.companions.iter().filter_map(|path| self.items.by_path(path)).map(|log| log.stored_size);
        let companions = logs.chain(siblings.iter().map(|sibling| sibling.size)).fold(0, u64::saturating_add);
        of_parsing(artifact, item.stored_size, companions)
    }

    fn parse_item(&self, artifact: &Artifact, item: &Item, focus: &Focus, on_record: &mut dyn FnMut(Record)) {
        if item.bundle_path.is_none() || self.is_stopped() {
            return;
        }
        // A base class of an assembly can lie in another file beside it.
        let siblings = match artifact.reads.contains(&Reads::Lead) {
            true => self.beside.of(self.items, item),
            false => Vec::new(),
        };
        let _room = self.ceiling.enter(self.memory_for(artifact, item, &siblings));
        let Some(bytes) = self.open(item) else { return };
        let mut companions: Vec<(String, Arc<dyn Bytes>)> = Vec::new();
        for path in &item.companions {
            if let Some(companion) = self.items.by_path(path).filter(|one| one.bundle_path.is_some()) {
                companions.extend(self.open(&companion).map(|bytes| (companion.original_path.clone(), bytes)));
            }
        }
        for sibling in &siblings {
            let bytes = self.open_from(sibling, &Spill::into_folder(self.temp).holding(SIBLING_HELD));
            companions.extend(bytes.map(|bytes| (sibling.original_path.clone(), bytes)));
        }
        // A change journal names parents by record number only; the file records of its volume have their paths.
        if artifact.phase == Phase::Focused && !item.original_path.ends_with("$MFT") {
            let mft = self.beside.mft_of(&item.volume).and_then(|id| self.items.by_id(id));
            companions.extend(mft.and_then(|mft| Some((mft.original_path.clone(), self.open(&mft)?))));
        }
        let input = Input {
            original_path: &item.original_path,
            bytes: &*bytes,
            companions: companions.iter().map(|(path, bytes)| (path.as_str(), &**bytes)).collect(),
            focus,
        };
        let problems = parse(artifact, &input, on_record);
        self.problems.lock().extend(problems);
    }

    /// Whether an object is so long that it lies in a temporary file, and several artifacts read it: then it is inflated once
    /// for all of them, and costs no memory meanwhile.
    fn is_worth_keeping(&self, item: &Item) -> bool {
        const LONG: u64 = 8 << 20;
        let is_asked_for_again =
            || wanting(&item.wanted_by).len() > 1 || self.beside.mft_of(&item.volume) == Some(item.id);
        item.stored_size > LONG && is_asked_for_again()
    }

    fn open(&self, item: &Item) -> Option<Arc<dyn Bytes>> {
        self.open_from(item, &Spill::into_folder(self.temp))
    }

    fn open_from(&self, item: &Item, spill: &Spill) -> Option<Arc<dyn Bytes>> {
        const MOST: usize = 8;
        if let Some(bytes) = self.kept.lock().get(&item.id) {
            return Some(bytes.clone());
        }
        let bytes: Arc<dyn Bytes> = self.inflate(item, spill)?.into();
        let mut kept = self.kept.lock();
        if kept.len() < MOST && self.is_worth_keeping(item) {
            kept.insert(item.id, bytes.clone());
        }
        Some(bytes)
    }

    fn inflate(&self, item: &Item, spill: &Spill) -> Option<Box<dyn Bytes>> {
        match self.reader.open_item_with(item, spill) {
            Ok(bytes) => Some(bytes),
            Err(error @ collector::Error::Write { .. }) => {
                self.end(error);
                None
            }
            Err(error) if self.reader.is_verifying() => {
                self.end(error);
                None
            }
            Err(error) => {
                // Where the bundle lies on this machine is no part of the analysis.
                let what = match error {
                    collector::Error::DamagedBundle { item, why, .. } => format!("{item} cannot be used: {why}"),
                    other => other.to_string(),
                };
                self.problems.lock().push(Problem::new(
                    Stage::Bundle,
                    ProblemKind::ReadFailed,
                    item.original_path.clone(),
                    what,
                    "nothing of this object is analysed",
                ));
                None
            }
        }
    }
}
