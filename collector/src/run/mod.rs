//! One collection: declared locations, then what the acquired objects name, round by round, into one sealed bundle.

mod acquire;
mod lead_path;
mod leads;
mod locate;
mod objects;
mod pattern;
mod store;

pub use lead_path::LeadPath;
pub use locate::{Located, hive_logs, locate};

use crate::bundle::{ActionLog, BagInfo, Destination, Names, Sums, ToolFacts, VerifyReport, Writer, seal, verify_open};
use crate::error::Error;
use crate::file_bytes::FileBytes;
use crate::progress::{Observer, Progress, Step};
use crate::source::{Source, Volume, VolumeKind};
use crate::spill::Spill;
use evidence::{Artifact, Bytes, Filetime, Item, ItemStatus, Problem, ProblemKind, Problems, Stage};
use locate::{Key, Wanted};
use objects::{Kept, Objects};
use rayon::prelude::*;
use std::collections::{BTreeMap, HashMap};
use std::io::BufWriter;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use store::Stored;

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
    /// Its bytes, read from the source when they are asked for.
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
    /// Set to end early; what was collected is then sealed.
    pub cancel: &'a AtomicBool,
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
    let (destination, file) = Destination::create(request.destination, &request.source.files)?;
    let threads = request.threads.max(1);
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(threads)
        .build()
        .map_err(|error| Error::Threads { count: threads, why: error.to_string() })?;
    let failed = |error| Error::write(request.destination, error);
    let sync = file.try_clone().map_err(failed)?;
    let bag = bag_name(request);
    let spill = Spill::beside(destination.partial());
    let (run, head) = pool
        .install(|| -> Result<_, std::io::Error> {
            let output = Box::new(BufWriter::with_capacity(1 << 20, file));
            let mut run = Run {
                request,
                writer: Writer::new(output, &bag, request.sha512, &spill)?,
                root: bag.clone(),
                log: ActionLog::new(&spill),
                names: Names::default(),
                objects: Objects::new(&spill),
                spill: spill.clone(),
                checks: Vec::new(),
                problems: request.source.problems.iter().cloned().collect(),
                damaged_folders: BTreeMap::new(),
                resolved: HashMap::new(),
                bytes_stored: 0,
                bytes_known: 0,
                lead_files: 0,
                lead_bytes: 0,
                rounds: 0,
            };
            run.collect()?;
            run.seal()
        })
        .map_err(failed)?;
    sync.sync_all().map_err(failed)?;
    let check = FileBytes::open(destination.partial()).map_err(failed)?;
    // The read-back is not interrupted: a bundle that nobody checked would be worth less than the wait.
    let verified =
        pool.install(|| verify_open(&check, destination.partial(), &AtomicBool::new(false), request.observer))?;
    drop(check);
    let mut problems = run.problems;
    let path = if verified.is_right() {
        destination.seal()?
    } else {
        problems.push(Problem::new(
            Stage::Bundle,
            ProblemKind::BadChecksum { offset: 0 },
            request.destination.display().to_string(),
            format!(
                "what was read back is not what was written: {}",
                verified.wrong.first().map(ToString::to_string).unwrap_or_default()
            ),
            "the bundle cannot be trusted and keeps its preliminary name; check the medium and collect again",
        ));
        destination.keep_partial()
    };
    Ok(Collected {
        path,
        bag,
        objects: run.sums.objects,
        bytes: run.sums.bytes,
        problems,
        rounds: run.rounds,
        interrupted: request.cancel.load(Ordering::Relaxed),
        verified,
        action_log_hash: head,
    })
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

/// A collection under way.
pub(crate) struct Run<'a> {
    pub(crate) request: &'a CollectRequest<'a>,
    writer: Writer,
    root: String,
    log: ActionLog,
    names: Names,
    pub(crate) objects: Objects,
    spill: Spill,
    /// What the check of the image gave.
    checks: Vec<(String, String)>,
    pub(crate) problems: Problems,
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
struct Sealed {
    sums: Sums,
    problems: Vec<Problem>,
    rounds: u32,
}

/// An object on its way into the bundle.
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

impl Run<'_> {
    pub(crate) fn interrupted(&self) -> bool {
        self.request.cancel.load(Ordering::Relaxed)
    }

    pub(crate) fn act(
        &mut self,
        action: &str,
        object: &str,
        result: &str,
        about: &[(&'static str, serde_json::Value)],
    ) -> std::io::Result<()> {
        self.log.add((self.request.now)(), action, object, result, about)
    }

    fn collect(&mut self) -> std::io::Result<()> {
        let request = self.request;
        let tool = request.tool;
        let command_line = tool.command_line.clone().into();
        let program = tool.sha256.clone().into();
        let name = format!("{} {}", tool.name, tool.version);
        self.act("begin", &name, "ok", &[("command_line", command_line), ("program_sha256", program)])?;
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
            self.problems.extend(checked.problems);
        }
        self.tell(Step::Locate, "", 0, 0);
        let bounds = (self.sorted_at_once(), request.limits.max_object);
        let (declared, problems) = locate::declared(request.source, request.artifacts, &self.spill, bounds)?;
        self.act("locate", "", "ok", &[("objects", declared.count.into()), ("absent", problems.len().into())])?;
        self.problems.extend(problems);
        let mut declared = Some(declared).filter(|declared| declared.count > 0);
        let mut wanted = Vec::new();
        let mut from = self.objects.end();
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
                let (named, problems) = leads::of_objects(request, &mut self.objects, from)?;
                let named = named.len();
                self.problems.extend(problems.into_vec());
                if named > 0 {
                    self.problems.push(Problem::new(
                        Stage::Locate,
                        ProblemKind::LimitReached,
                        "",
                        format!("after {round} rounds the collected objects still name {named} files"),
                        "files that only these objects name are not collected",
                    ));
                }
                break;
            }
            self.tell(Step::Leads, "", 0, self.objects.since(from) as u64);
            let (named, problems) = leads::of_objects(request, &mut self.objects, from)?;
            self.problems.extend(problems.into_vec());
            from = self.objects.end();
            wanted = leads::wanted(self, named)?;
            self.act("leads", "", "ok", &[("round", (round + 1).into()), ("objects", wanted.len().into())])?;
        }
        if self.interrupted() {
            self.problems.push(Problem::new(
                Stage::Acquire,
                ProblemKind::Interrupted,
                "",
                "the collection was ended early: by the user, or because the time that was allowed was over",
                "what it had not reached is not in the bundle; its absence says nothing about the host",
            ));
            self.act("interrupt", "", "interrupted", &[])?;
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
                self.problems.push(Problem::new(
                    Stage::Acquire,
                    ProblemKind::LimitReached,
                    wanted.original_path,
                    format!("{} objects are more than {} in all", count - left, self.request.limits.max_items),
                    "objects from this path on, in the order of their paths, are not collected",
                ));
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
            let found = &wanted.located.found;
            let size = found.size;
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
        self.problems.push(Problem::new(
            Stage::Acquire,
            ProblemKind::Interrupted,
            path,
            format!("the collection was interrupted before this was read{more}"),
            "it is not in the bundle, although it is on the host",
        ));
    }

    /// Prepares several objects on all threads and writes them in order.
    fn flush(&mut self, batch: Vec<Job>, total: u64) -> std::io::Result<()> {
        let request = self.request;
        let root = &self.root;
        let prepared: Vec<_> = batch
            .into_par_iter()
            .map(|job| {
                let prepared = store::prepare(request, root, &job);
                (job, prepared)
            })
            .collect();
        for (job, prepared) in prepared {
            match prepared? {
                store::Prepared::Ready(packed, stored) => {
                    if self.bytes_stored.saturating_add(stored.stored_size()) > request.limits.max_total {
                        let stored = store::over_total(request, &job);
                        self.keep(job, stored, total)?;
                    } else {
                        self.writer.add(packed)?;
                        self.keep(job, stored, total)?;
                    }
                }
                store::Prepared::Failed(stored) => self.keep(job, stored, total)?,
                store::Prepared::TooLong => self.stream(job, total)?,
                store::Prepared::NotReached => self.not_reached(job.wanted.original_path, String::new()),
            }
        }
        Ok(())
    }

    /// Reads one long object straight into the bundle.
    fn stream(&mut self, job: Job, total: u64) -> std::io::Result<()> {
        let request = self.request;
        let already = self.bytes_stored;
        let (done, known) = (self.objects.len() as u64, self.bytes_known);
        let passed = std::sync::atomic::AtomicU64::new(0);
        let path = job.wanted.original_path.clone();
        let tell = |bytes: u64| {
            let passed = passed.fetch_add(bytes, Ordering::Relaxed) + bytes;
            let progress = Progress {
                step: Step::Acquire,
                path: &path,
                bytes_done: already.saturating_add(passed),
                bytes_total: known.max(already.saturating_add(passed)),
                items_done: done,
                items_total: total,
            };
            request.observer.event(progress);
        };
        let room = request.limits.max_total.saturating_sub(already);
        let stored = store::stream(request, &mut self.writer, &job, room, &tell)?;
        self.keep(job, stored, total)
    }

    /// Notes what became of an object.
    fn keep(&mut self, job: Job, stored: Stored, total: u64) -> std::io::Result<()> {
        self.bytes_stored = self.bytes_stored.saturating_add(stored.stored_size());
        let key = job.wanted.key();
        let volume = job.wanted.located.volume;
        let found = &job.wanted.located.found;
        let deleted = found.recovery.is_some().then(|| Box::new(found.clone()));
        let (item, problems) = stored.into_item(self.request.source, job);
        let result = match item.status {
            ItemStatus::Complete => "complete",
            ItemStatus::Partial => "partial",
            ItemStatus::Failed => "failed",
        };
        let mut about = vec![("round", item.round.into()), ("bytes", item.stored_size.into())];
        if item.status != ItemStatus::Failed {
            about.push(("sha256", item.sha256.clone().into()));
        }
        if let Some(problem) = problems.first() {
            about.push(("error", problem.what.clone().into()));
        }
        let path = item.original_path.clone();
        self.act("acquire", &path, result, &about)?;
        self.problems.extend(problems);
        self.objects.push(&key, &Kept { item, volume, full_path: key.1.clone(), deleted })?;
        self.tell(Step::Acquire, &path, self.objects.len() as u64, total);
        Ok(())
    }

    /// Writes everything that describes the bag.
    fn seal(mut self) -> std::io::Result<(Sealed, String)> {
        self.tell(Step::Seal, "", 0, 0);
        if let Some(made) = &self.request.source.made {
            let name = made.name();
            let removed = made.remove();
            self.act("remove", &name, if removed.is_ok() { "ok" } else { "failed" }, &[])?;
            if let Err(error) = removed {
                let what = format!("the {name} could not be removed: {error}");
                let effect = "the host keeps it at most until this program ends; look whether it is gone";
                self.problems.push(Problem::new(Stage::Source, ProblemKind::AccessDenied, name, what, effect));
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
            self.problems.extend(tree.iter().flat_map(|tree| tree.take_problems()));
        }
        // What the reading so far found wrong with the image, also where metadata of its volumes stands.
        self.problems.extend(self.request.source.media.iter().flat_map(|media| media.problems()));
        let problems = self.problems.clone().into_vec();
        let budget = self.sorted_at_once();
        let (objects, payload, sums) =
            std::mem::replace(&mut self.objects, Objects::new(&self.spill)).finish(&self.spill, budget)?;
        let interrupted = self.interrupted();
        let request = self.request;
        let head = seal(
            self.writer,
            &BagInfo {
                source: request.source,
                checks: &self.checks,
                name: request.name,
                host: request.host,
                tool: request.tool,
                artifacts: request.artifacts,
                limits: request.limits.to_json(),
                started: request.started,
                ended: (request.now)(),
                sums,
                spill: &self.spill,
                problems: &problems,
                interrupted,
            },
            objects,
            payload,
            &mut self.log,
        )?;
        Ok((Sealed { sums, problems, rounds: self.rounds }, head))
    }
}

#[cfg(test)]
pub(crate) mod tests;
