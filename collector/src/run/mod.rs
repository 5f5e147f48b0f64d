//! One collection: declared locations, then what the acquired objects name, round by round, into one sealed bundle.

mod acquire;
mod keep;
mod lead_path;
mod leads;
mod locate;
mod objects;
mod pattern;
mod recognise;
mod recover;
mod resume;
mod seen;
mod store;
mod way_out;

pub use lead_path::LeadPath;
#[cfg(test)]
pub(crate) use locate::locate;
pub use locate::{Located, first_located, hive_logs};
pub use recover::{RecoverRequest, Recovered, recover};
pub use resume::Resume;

use crate::bundle::journal::Line;
use crate::bundle::{
    About, ActionLog, BagInfo, Destination, Names, Need, Status, Sums, ToolFacts, VerifyReport, Writer, host,
    read_back_bytes, refuse_destination, seal, tool,
};
use crate::error::Error;
use crate::file_bytes::FileBytes;
use crate::progress::{Observer, Progress, Step};
use crate::source::{Source, Volume, VolumeKind};
use crate::spill::Spill;
use evidence::{Artifact, Bytes, Filetime, Item, Method, Problem, ProblemKind, Problems, Stage};
use locate::{Key, Wanted};
use objects::Objects;
use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use way_out::{Media, WayOut};

/// What a collection may cost. A limit that bites is a problem in the result.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Bytes of one object.
    pub max_object: u64,
    /// Bytes of all objects together.
    pub max_total: u64,
    /// Objects.
    pub max_items: usize,
    /// Bytes of memory for objects on their way into the bundle.
    pub memory: u64,
    /// Rounds of the leads loop.
    pub max_rounds: u32,
    /// Files that are collected because a record names them.
    pub max_lead_files: usize,
    /// Bytes of these files.
    pub max_lead_bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            max_object: 64 << 30,
            max_total: 1 << 40,
            max_items: u32::MAX as usize,
            memory: 128 << 20,
            max_rounds: 8,
            max_lead_files: 5_000,
            max_lead_bytes: 8 << 30,
        }
    }
}

impl Limits {
    /// By name, for `metadata/tool.json`.
    fn to_json(&self) -> serde_json::Value {
        serde_json::json!({
            "max_object": self.max_object,
            "max_total": self.max_total,
            "max_items": self.max_items,
            "memory": self.memory,
            "max_rounds": self.max_rounds,
            "max_lead_files": self.max_lead_files,
            "max_lead_bytes": self.max_lead_bytes,
        })
    }
}

/// An object that was just acquired, for the one who knows what it may name.
pub struct AcquiredItem<'a> {
    /// The object. Its `id` has no meaning yet.
    pub item: &'a Item,
    /// Its bytes. What is asked for is acquired first, so that each byte is read from the source once.
    pub bytes: &'a dyn Bytes,
    /// The objects that belong to it, by original path.
    pub companions: Vec<(&'a str, &'a dyn Bytes)>,
}

/// What to collect, and where to.
pub struct CollectRequest<'a> {
    /// The evidence.
    pub source: &'a Source,
    /// What is looked for.
    pub artifacts: &'a [&'a Artifact],
    /// What an object names that should be collected too. Called from several threads.
    pub leads: &'a (dyn Fn(&AcquiredItem<'_>) -> Vec<LeadPath> + Sync),
    /// The bundle to be created.
    pub destination: &'a Path,
    /// Name of the host, or of the source where that is not known: the bag is named after it.
    pub name: &'a str,
    /// What is known about the host, for `metadata/host.json`.
    pub host: &'a [(String, String)],
    /// The program, for `metadata/tool.json`.
    pub tool: &'a ToolFacts,
    /// When the run began.
    pub started: Filetime,
    /// The clock.
    pub now: &'a (dyn Fn() -> Filetime + Sync),
    /// What it may cost.
    pub limits: Limits,
    /// Whether SHA-512 is computed beside SHA-256.
    pub sha512: bool,
    /// Whether the whole disk of an image is read first, to compare the digests that the image stores.
    pub check_image: bool,
    /// Threads, at least one.
    pub threads: usize,
    /// The earlier parts of the collection that is gone on with.
    pub resume: Option<&'a Resume>,
    /// Set to end early; what was collected is then sealed.
    pub cancel: &'a AtomicBool,
    /// Set when only seconds are left, because the system ends: the bundle is then not read back, and says so.
    pub in_haste: &'a AtomicBool,
    /// Set before `cancel` when it is the time that ends it, so that the bundle can say so.
    pub time_is_over: &'a AtomicBool,
    /// Gets told what happens.
    pub observer: &'a dyn Observer,
}

/// What came of it.
#[derive(Debug)]
pub struct Collected {
    /// The bundle. It ends in `.partial` when what was read back is not what was written.
    pub path: PathBuf,
    /// Name of the bag, which is the top folder in the bundle.
    pub bag: String,
    /// How many objects.
    pub objects: u64,
    /// Bytes of their payload.
    pub bytes: u64,
    /// What went wrong, also what only became known after the bundle was sealed.
    pub problems: Vec<Problem>,
    /// Rounds that brought something, the one of the declared locations included.
    pub rounds: u32,
    /// Whether it was ended early.
    pub interrupted: bool,
    /// Why the destination took nothing more, if that ended it.
    pub stopped: Option<String>,
    /// Whether the bundle was read back; without that nothing is known of what `verified` has.
    pub read_back: bool,
    /// What reading the bundle back gave.
    pub verified: VerifyReport,
    /// Last hash of the action log, which `bag-info.txt` has too.
    pub action_log_hash: String,
}

impl Collected {
    /// Every object, in the order of the original paths, as the bundle has them.
    pub fn items(&self) -> Result<Vec<Item>, Error> {
        crate::BundleReader::open(&self.path).map(|reader| reader.items().to_vec())
    }
}

/// Collects into a sealed bundle.
pub fn collect(request: &CollectRequest<'_>) -> Result<Collected, Error> {
    refuse_destination(request.destination, &request.source.files)?;
    request.resume.map_or(Ok(()), |resume| resume.refuse_other(request.source, request.name))?;
    let pool = pool(request.threads)?;
    let spill = Spill::beside(request.destination);
    let need = way_out::need_at_first(request);
    let reserve = way_out::keep_room(&spill, need).map_err(|error| Error::no_room(request.destination, error))?;
    let (destination, file, journal) = Destination::create(request.destination, &request.source.files)?;
    let media = Media { bundle: Box::new(file), journal: Box::new(journal), reserve };
    let sealed = pool
        .install(|| collect_into(request, media, need, &spill))
        .map_err(|source| Error::unsealed(destination.partial(), source))?;
    let mut problems = sealed.problems;
    let ReadBack { path, verified, problem } = if sealed.read_back {
        read_back(destination, &pool, request.observer)?
    } else {
        ReadBack { path: destination.seal()?, verified: VerifyReport::default(), problem: None }
    };
    problems.extend(problem);
    Ok(Collected {
        path,
        bag: sealed.bag,
        objects: sealed.sums.objects,
        bytes: sealed.sums.bytes,
        problems,
        rounds: sealed.rounds,
        interrupted: sealed.interrupted,
        stopped: sealed.stopped,
        read_back: sealed.read_back,
        verified,
        action_log_hash: sealed.head,
    })
}

/// Threads, at least one.
pub(crate) fn pool(threads: usize) -> Result<rayon::ThreadPool, Error> {
    let count = threads.max(1);
    let pool = rayon::ThreadPoolBuilder::new().num_threads(count).build();
    pool.map_err(|error| Error::Threads { count, why: error.to_string() })
}

/// Collects and seals into files that are there.
pub(crate) fn collect_into(
    request: &CollectRequest<'_>,
    media: Media,
    need: Need,
    spill: &Spill,
) -> std::io::Result<Sealed> {
    let mut run = Run::new(request, media, need, spill)?;
    if let Err(error) = run.collect() {
        run.stop(&error);
    }
    run.seal()
}

/// What reading a bundle back gave.
pub(crate) struct ReadBack {
    pub(crate) path: PathBuf,
    pub(crate) verified: VerifyReport,
    pub(crate) problem: Option<Problem>,
}

/// Reads a sealed bundle back, and gives it its name if it is right.
pub(crate) fn read_back(
    destination: Destination,
    pool: &rayon::ThreadPool,
    observer: &dyn Observer,
) -> Result<ReadBack, Error> {
    let unsealed = |error| Error::unsealed(destination.partial(), error);
    let check = FileBytes::open(destination.partial()).map_err(unsealed)?;
    let verified = pool.install(|| read_back_bytes(Arc::new(check), destination.partial(), observer))?;
    if verified.is_right() {
        return Ok(ReadBack { path: destination.seal()?, verified, problem: None });
    }
    let first = verified.wrong.first().map(ToString::to_string).unwrap_or_default();
    let problem = Problem::new(
        Stage::Bundle,
        ProblemKind::BadChecksum { offset: 0 },
        destination.partial().display().to_string(),
        format!("what was read back is not what was written: {first}"),
        "the bundle cannot be trusted and keeps its preliminary name; check the medium and collect again",
    );
    Ok(ReadBack { path: destination.partial().to_owned(), verified, problem: Some(problem) })
}

/// What the bag says about itself.
fn about(request: &CollectRequest<'_>, checks: &[(String, String)]) -> About {
    let CollectRequest { source, started, .. } = *request;
    let source_file = source.files.first().and_then(|file| file.file_name()).unwrap_or_default();
    About {
        root: bag_name(request),
        name: request.name.to_owned(),
        started,
        source_kind: source.kind.to_owned(),
        source_name: crate::shown(source_file),
        agent: format!("{} {}", request.tool.name, request.tool.version),
        host: host(source, request.name, request.host, checks),
        tool: tool(request.tool, source, started, request.artifacts, &request.limits.to_json()),
        sha512: request.sha512,
        labels: request.resume.map(Resume::labels).unwrap_or_default(),
    }
}

/// `WS-FIN-07-20260304T141233Z`: letters, digits and `-_.` only, so that it is a name everywhere.
fn bag_name(request: &CollectRequest<'_>) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.') { c } else { '_' };
    let name: String = request.name.chars().take(100).map(plain).collect();
    let name = name.trim_matches('.');
    let t = request.started.civil();
    format!(
        "{}-{:04}{:02}{:02}T{:02}{:02}{:02}Z",
        if name.is_empty() { "host" } else { name },
        t.year,
        t.month,
        t.day,
        t.hour,
        t.minute,
        t.second
    )
}

/// Why it was ended before everything was read, for whoever reads the bundle.
fn why_early(time_is_over: bool, system_ends: bool) -> &'static str {
    match (time_is_over, system_ends) {
        (true, _) => "the collection was ended early, because the time that was allowed for it was over",
        (_, true) => "the collection was ended early, because the console was closed or the system was ending",
        _ => "the collection was ended early, because the program was told to end",
    }
}

/// A collection under way.
pub(crate) struct Run<'a> {
    pub(crate) request: &'a CollectRequest<'a>,
    writer: Writer,
    root: String,
    log: ActionLog,
    names: Names,
    pub(crate) objects: Objects,
    /// What the objects of this round name.
    pub(crate) gathered: leads::Gathered,
    spill: Spill,
    /// What the check of the image gave.
    checks: Vec<(String, String)>,
    pub(crate) problems: Problems,
    way_out: WayOut,
    /// Folders that could not be read whole, and why: by volume and path.
    pub(crate) damaged_folders: BTreeMap<(usize, String), String>,
    /// Leads that were looked for, and the objects that they led to.
    pub(crate) resolved: HashMap<String, Vec<Key>>,
    bytes_stored: u64,
    bytes_known: u64,
    pub(crate) lead_files: usize,
    pub(crate) lead_bytes: u64,
    rounds: u32,
}

/// What is left of a run when the bundle is sealed.
pub(crate) struct Sealed {
    bag: String,
    sums: Sums,
    problems: Vec<Problem>,
    rounds: u32,
    pub(crate) interrupted: bool,
    stopped: Option<String>,
    read_back: bool,
    head: String,
}

/// An object on its way into the bundle.
#[derive(Clone)]
pub(crate) struct Job {
    pub(crate) wanted: Wanted,
    pub(crate) bundle_path: String,
    pub(crate) round: u32,
}

/// Objects up to this length are compressed in memory, several at a time.
pub(crate) const SMALL: u64 = 8 << 20;
/// Objects that are prepared at a time.
const BATCH_ITEMS: usize = 512;
/// Bytes that are sorted in memory at the most.
const SORTED: usize = 8 << 20;
/// Objects that are listed as not reached after an interruption.
const MAX_LISTED: usize = 1000;

impl<'a> Run<'a> {
    fn new(request: &'a CollectRequest<'a>, media: Media, need: Need, spill: &Spill) -> std::io::Result<Self> {
        let Media { bundle, journal, reserve } = media;
        let root = bag_name(request);
        let mut run = Run {
            request,
            writer: Writer::new(bundle, &root, request.sha512, spill)?,
            root,
            log: ActionLog::new(spill),
            names: Names::default(),
            objects: Objects::new(spill),
            gathered: leads::Gathered::default(),
            spill: spill.clone(),
            checks: Vec::new(),
            problems: Problems::default(),
            way_out: WayOut::new(journal, reserve, need),
            damaged_folders: BTreeMap::new(),
            resolved: HashMap::new(),
            bytes_stored: 0,
            bytes_known: 0,
            lead_files: 0,
            lead_bytes: 0,
            rounds: 0,
        };
        run.way_out.journal.add(&Line::About(Box::new(about(request, &[]))))?;
        // Whatever comes, the unfinished bundle can then be told whose it is. A medium that is full stops it later.
        let _ = run.way_out.journal.flush();
        run.note(request.source.problems.iter().cloned());
        Ok(run)
    }
}

/// What the log calls the state of a live host that was written down before there was a bundle.
const EARLY: &str = "early copy of the volatile state";

impl Run<'_> {
    pub(crate) fn interrupted(&self) -> bool {
        self.request.cancel.load(Ordering::Relaxed) || self.way_out.stopped.is_some()
    }

    pub(crate) fn act(
        &mut self,
        action: &str,
        object: &str,
        result: &str,
        about: &[(&'static str, serde_json::Value)],
    ) -> std::io::Result<()> {
        let line = self.log.add((self.request.now)(), action, object, result, about)?;
        self.way_out.journal.add(&Line::Action(line)).map(|_| ())
    }

    /// Writes down who collects what, and checks the image where that was asked for.
    fn begin(&mut self) -> std::io::Result<()> {
        let request = self.request;
        let tool = request.tool;
        let command_line = tool.command_line.clone().into();
        let program = tool.sha256.clone().into();
        let name = format!("{} {}", tool.name, tool.version);
        let mut about = vec![("command_line", command_line), ("program_sha256", program)];
        about.extend(request.resume.map(Resume::about).into_iter().flatten());
        self.act("begin", &name, "ok", &about)?;
        if let Some(made) = &request.source.made {
            self.act("make", &made.name(), "ok", &[])?;
        }
        let is_known = |volume: &Volume| volume.kind != VolumeKind::OtherCopy;
        for (volume, tree) in request.source.volumes.iter().filter(|(volume, _)| is_known(volume)) {
            let result = if tree.is_some() { "searched" } else { "not searched" };
            let about = [("volume_kind", volume.kind.name().into()), ("offset", volume.offset.into())];
            self.act("open volume", &volume.id, result, &about)?;
        }
        if request.check_image {
            let checked = request.source.check_image(request.cancel, request.observer);
            for (name, result) in &checked.facts {
                self.act("check image", name, result, &[])?;
            }
            self.checks = checked.facts;
            self.note(checked.problems);
        }
        Ok(())
    }

    fn collect(&mut self) -> std::io::Result<()> {
        let request = self.request;
        self.begin()?;
        let mut from = self.objects.end();
        self.volatile_first()?;
        self.tell(Step::Locate, "", 0, 0);
        let bounds = (self.sorted_at_once(), request.limits.max_object);
        let (declared, problems) = locate::declared(request.source, request.artifacts, &self.spill, bounds, false)?;
        // Of what a further part finds, the earlier ones hold the most.
        let action = if request.resume.is_some() { "locate again" } else { "locate" };
        self.act(action, "", "ok", &[("objects", declared.count.into()), ("absent", problems.len().into())])?;
        self.note(problems);
        for (_, tree) in &request.source.volumes {
            self.note(tree.iter().flat_map(|tree| tree.take_problems()));
        }
        self.note_image()?;
        let mut declared = Some(declared).filter(|declared| declared.count > 0 || self.objects.since(from) > 0);
        let mut wanted = Vec::new();
        for round in 0.. {
            if declared.is_none() && wanted.is_empty() {
                break;
            }
            self.rounds = round + 1;
            match declared.take() {
                Some(mut declared) => {
                    let (count, bytes) = (declared.count, declared.bytes);
                    self.acquire(&mut declared.each(request.source)?, count, bytes, round)?;
                }
                None => self.acquire_named(std::mem::take(&mut wanted), round)?,
            }
            if self.interrupted() {
                break;
            }
            if round >= request.limits.max_rounds {
                let (named, problems) = leads::of_objects(self, from)?;
                let named = named.len();
                self.note(problems.into_vec());
                if named > 0 {
                    self.note([Problem::new(
                        Stage::Locate,
                        ProblemKind::LimitReached,
                        "",
                        format!("after {round} rounds the collected objects still name {named} files"),
                        "files that only these objects name are not collected",
                    )]);
                }
                break;
            }
            self.tell(Step::Leads, "", 0, self.objects.since(from) as u64);
            let (named, problems) = leads::of_objects(self, from)?;
            self.note(problems.into_vec());
            from = self.objects.end();
            wanted = leads::wanted(self, named)?;
            self.way_out.journal.flush()?;
            self.act("leads", "", "ok", &[("round", (round + 1).into()), ("objects", wanted.len().into())])?;
        }
        if self.interrupted() && self.way_out.stopped.is_none() {
            self.note([Problem::new(
                Stage::Acquire,
                ProblemKind::Interrupted,
                "",
                why_early(request.time_is_over.load(Ordering::Relaxed), request.in_haste.load(Ordering::Relaxed)),
                "what it had not reached is not in the bundle; its absence says nothing about the host",
            )]);
            self.act("interrupt", "", "interrupted", &[])?;
        }
        Ok(())
    }

    /// Acquires the volatile state of a live host and writes it through to the medium, before anything else is read.
    fn volatile_first(&mut self) -> std::io::Result<()> {
        let request = self.request;
        let bounds = (self.sorted_at_once(), request.limits.max_object);
        let (mut volatile, problems) = locate::declared(request.source, request.artifacts, &self.spill, bounds, true)?;
        self.note(problems);
        if volatile.count == 0 {
            return Ok(());
        }
        let (count, bytes) = (volatile.count, volatile.bytes);
        self.rounds = 1;
        self.acquire(&mut volatile.each(request.source)?, count, bytes, 0)?;
        self.sync()?;
        self.act("sync", "volatile state", "ok", &[("objects", self.objects.len().into())])?;
        let Some(early) = &request.source.early else { return Ok(()) };
        let removed = early.remove();
        self.act("remove", EARLY, if removed.is_ok() { "ok" } else { "failed" }, &[])?;
        if let Err(error) = removed {
            let what = format!("the {EARLY} in {} could not be removed: {error}", crate::shown(early.folder()));
            let effect = "it stays beside the bundle, which has the same; it may be removed by hand";
            self.note([Problem::new(Stage::Acquire, ProblemKind::AccessDenied, EARLY, what, effect)]);
        }
        Ok(())
    }

    fn tell(&self, step: Step, path: &str, done: u64, total: u64) {
        self.request.observer.event(Progress {
            step,
            path,
            bytes_done: self.bytes_stored,
            bytes_total: self.bytes_known.max(self.bytes_stored),
            items_done: done,
            items_total: total,
        });
    }

    /// Bytes that are sorted in memory.
    fn sorted_at_once(&self) -> usize {
        usize::try_from(self.request.limits.memory / 16).unwrap_or(SORTED).min(SORTED)
    }

    /// Acquires what records name, in the order of the original paths.
    fn acquire_named(&mut self, mut wanted: Vec<Wanted>, round: u32) -> std::io::Result<()> {
        wanted.sort_unstable_by(|a, b| (&a.original_path, a.key()).cmp(&(&b.original_path, b.key())));
        let sizes = wanted.iter().map(|wanted| wanted.located.found.size.min(self.request.limits.max_object));
        let (count, bytes) = (wanted.len(), sizes.fold(0, u64::saturating_add));
        self.acquire(&mut wanted.into_iter().map(Ok), count, bytes, round)
    }

    /// Acquires one round of so many objects with so many bytes, in the order of the original paths.
    fn acquire(
        &mut self,
        wanted: &mut dyn Iterator<Item = std::io::Result<Wanted>>,
        count: usize,
        bytes: u64,
        round: u32,
    ) -> std::io::Result<()> {
        let left = self.request.limits.max_items.saturating_sub(self.objects.len());
        self.bytes_known = self.bytes_stored.saturating_add(bytes);
        let total = (self.objects.len() + count.min(left)) as u64;
        let budget = (self.request.limits.memory / 4).clamp(SMALL, 64 << 20);
        let (mut batch, mut batch_bytes) = (Vec::new(), 0);
        let mut not_reached = 0;
        for (number, wanted) in wanted.enumerate() {
            let wanted = wanted?;
            if number == left {
                self.note([Problem::new(
                    Stage::Acquire,
                    ProblemKind::LimitReached,
                    wanted.original_path,
                    format!("{} objects are more than {} in all", count - left, self.request.limits.max_items),
                    "objects from this path on, in the order of their paths, are not collected",
                )]);
                break;
            }
            if self.interrupted() {
                self.flush(std::mem::take(&mut batch), total)?;
                not_reached += 1;
                if not_reached <= MAX_LISTED {
                    self.not_reached(wanted.original_path, String::new());
                }
                continue;
            }
            if let Some(kept) = self.request.resume.and_then(|resume| resume.holds(self.request.source, &wanted)) {
                self.objects.push(&wanted.key(), &kept)?;
                continue;
            }
            let found = &wanted.located.found;
            let size = found.size;
            // How much there is to read of a long one is known when it is opened; a member of an archive is unpacked by that.
            if size > self.most_that_is_tried() && (size <= SMALL || found.method == Method::Archive) {
                self.not_taken(wanted.original_path, size);
                continue;
            }
            let volume = &self.request.source.volumes[wanted.located.volume].0.id;
            let bundle_path = self.names.allocate(volume, &found.full_path());
            let job = Job { wanted, bundle_path, round };
            if size > SMALL {
                self.flush(std::mem::take(&mut batch), total)?;
                batch_bytes = 0;
                self.stream(job, total)?;
                continue;
            }
            batch_bytes += size;
            batch.push(job);
            if batch_bytes > budget || batch.len() >= BATCH_ITEMS {
                self.flush(std::mem::take(&mut batch), total)?;
                batch_bytes = 0;
            }
        }
        self.flush(batch, total)?;
        let unlisted = not_reached.saturating_sub(MAX_LISTED);
        if unlisted > 0 {
            self.not_reached(String::new(), format!("; {unlisted} more objects were not reached either"));
        }
        Ok(())
    }

    fn not_reached(&mut self, path: String, more: String) {
        self.note([Problem::new(
            Stage::Acquire,
            ProblemKind::Interrupted,
            path,
            format!("the collection was interrupted before this was read{more}"),
            "it is not in the bundle, although it is on the host",
        )]);
    }

    /// Writes everything that describes the bag.
    fn seal(mut self) -> std::io::Result<Sealed> {
        self.tell(Step::Seal, "", 0, 0);
        if let Some(error) = self.way_out.broken.take() {
            return Err(error);
        }
        self.way_out.reserve.release()?;
        if let Some(made) = &self.request.source.made {
            let name = made.name();
            let removed = made.remove();
            self.act("remove", &name, if removed.is_ok() { "ok" } else { "failed" }, &[])?;
            if let Err(error) = removed {
                let what = format!("the {name} could not be removed: {error}");
                let effect = "the host keeps it at most until this program ends; look whether it is gone";
                self.note([Problem::new(Stage::Source, ProblemKind::AccessDenied, name, what, effect)]);
            }
        }
        // Which files have other copies is known only when they were looked for.
        for (volume, tree) in &self.request.source.volumes {
            if volume.kind == VolumeKind::OtherCopy && volume.is_shown(tree.as_deref()) {
                let about = [("volume_kind", volume.kind.name().into()), ("offset", volume.offset.into())];
                self.act("open volume", &volume.id, "searched", &about)?;
            }
        }
        for (_, tree) in &self.request.source.volumes {
            self.note(tree.iter().flat_map(|tree| tree.take_problems()));
        }
        // What the reading so far found wrong with the image, also where metadata of its volumes stands.
        self.note(self.request.source.media.iter().flat_map(|media| media.problems()));
        self.not_taken_in_all();
        let problems = self.problems.clone().into_vec();
        let budget = self.sorted_at_once();
        let (objects, payload, sums) =
            std::mem::replace(&mut self.objects, Objects::new(&self.spill)).finish(&self.spill, budget)?;
        let why_not_all = self.way_out.why_not_all();
        let status = if self.interrupted() || why_not_all.is_some() { Status::Interrupted } else { Status::Complete };
        let read_back = !self.request.in_haste.load(Ordering::Relaxed);
        // What is not sealed in time can then be recovered. On a full medium the room that was kept back is for the seal.
        if why_not_all.is_none() {
            let _ = self.way_out.journal.flush();
        }
        let request = self.request;
        let head = seal(
            self.writer,
            &BagInfo {
                about: &self::about(request, &self.checks),
                ended: (request.now)(),
                sums,
                spill: &self.spill,
                problems: &problems,
                status,
                read_back,
            },
            objects,
            payload,
            &mut self.log,
        )?;
        Ok(Sealed {
            bag: self.root,
            sums,
            problems,
            rounds: self.rounds,
            interrupted: status != Status::Complete,
            stopped: why_not_all,
            read_back,
            head,
        })
    }
}

#[cfg(test)]
pub(crate) mod tests;
#[cfg(test)]
mod way_out_tests;
