//! A bundle of what a collection left behind that never came to its seal.
//!
//! The journal says what was read and what its digest was; the unfinished bundle has the bytes. What is whole in it gets
//! exactly the description that the seal would have given it. What is not whole is named. The unfinished bundle is only
//! read, and stays.

use super::objects::{Kept, Objects};
use super::recognise::{Undescribed, volume_called};
use super::{ReadBack, pool, read_back};
use crate::bundle::journal::{self, Line, Noted, journal_of};
use crate::bundle::{
    About, ActionLog, BagInfo, Destination, Status, Sums, ToolFacts, VerifyReport, Writer, seal, verify_bytes,
};
use crate::digest::{Digested, Digests, Which};
use crate::error::Error;
use crate::file_bytes::FileBytes;
use crate::progress::{Observer, Progress, Step};
use crate::spill::Spill;
use crate::zip::salvage::Local;
use evidence::{
    Artifact, Bytes, FORMAT_HEAD, FileTimes, Filetime, Item, ItemId, ItemStatus, Method, Problem, ProblemKind,
    Problems, Stage, StoredRange, hex, name,
};
use serde_json::{Value, json};
use std::collections::{BTreeMap, HashSet};
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// What to recover, and where to.
pub struct RecoverRequest<'a> {
    /// The unfinished bundle, `NAME.zip.partial`. Its journal lies beside it.
    pub partial: &'a Path,
    /// The bundle to be created.
    pub destination: &'a Path,
    /// What the objects may be wanted for, where nothing says it.
    pub artifacts: &'a [&'a Artifact],
    /// The program.
    pub tool: &'a ToolFacts,
    /// The clock.
    pub now: &'a (dyn Fn() -> Filetime + Sync),
    /// Threads, at least one.
    pub threads: usize,
    /// Gets told what happens.
    pub observer: &'a dyn Observer,
}

/// What came of it.
#[derive(Debug)]
pub struct Recovered {
    /// The bundle.
    pub path: PathBuf,
    /// `Collector-Status` of a bundle that was sealed already and had only not got its name: it was copied as it is.
    pub sealed: Option<String>,
    /// Whether there was a journal.
    pub journal: bool,
    /// Objects that are as the uninterrupted collection would have them.
    pub whole: u64,
    /// Objects of which it is not known whether all was read.
    pub not_known: u64,
    /// Objects that had been read and are not in the bundle.
    pub lost: u64,
    /// Bytes of payload.
    pub bytes: u64,
    /// What went wrong, then and now.
    pub problems: Vec<Problem>,
    /// What reading the bundle back gave.
    pub verified: VerifyReport,
    /// Last hash of the action log.
    pub action_log_hash: String,
}

/// Makes a bundle of an unfinished one.
pub fn recover(request: &RecoverRequest<'_>) -> Result<Recovered, Error> {
    let open =
        |path: &Path| FileBytes::open(path).map_err(|source| Error::OpenSource { path: path.to_owned(), source });
    let bytes = open(request.partial)?;
    let journal_path = journal_of(request.partial);
    let journal = match FileBytes::open(&journal_path) {
        Ok(journal) => Some(journal),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(source) => return Err(Error::OpenSource { path: journal_path, source }),
    };
    let unreadable = |source| Error::OpenSource { path: request.partial.to_owned(), source };
    let pool = pool(request.threads)?;
    let evidence = [request.partial.to_owned(), journal_path];
    if let Some(sealed) = sealed(request, &pool) {
        return copy(request, &sealed, &evidence, &pool);
    }
    let known = root_of(request.partial, &bytes, journal.as_ref()).map_err(unreadable)?;
    let (root, sha512) = known.ok_or_else(|| Error::NotUnfinished {
        path: request.partial.to_owned(),
        why: "it does not begin as an unfinished bundle does, and there is no journal beside it".to_owned(),
    })?;
    let (destination, file, _) = Destination::create(request.destination, &evidence)?;
    let spill = Spill::beside(destination.partial());
    let done = pool.install(|| -> io::Result<Done> {
        let writer = Writer::new(Box::new(file), &root, sha512, &spill)?;
        let mut salvage = Salvage::new(request, &bytes, (root, sha512), writer, &spill);
        if let Some(journal) = &journal {
            salvage.by_journal(journal)?;
        }
        salvage.beyond_journal()?;
        salvage.seal()
    });
    let done = done.map_err(|error| Error::write(request.destination, error))?;
    let ReadBack { path, verified, problem } = read_back(destination, &pool, request.observer)?;
    let mut problems = done.problems;
    problems.extend(problem);
    Ok(Recovered {
        path,
        sealed: None,
        journal: journal.is_some(),
        whole: done.counts.whole,
        not_known: done.counts.not_known,
        lost: done.counts.lost,
        bytes: done.sums.bytes,
        problems,
        verified,
        action_log_hash: done.head,
    })
}

/// What verifying the file gives, where it is a valid bundle: the program ended between the seal and the renaming.
fn sealed(request: &RecoverRequest<'_>, pool: &rayon::ThreadPool) -> Option<VerifyReport> {
    let bytes = FileBytes::open(request.partial).ok()?;
    let never = AtomicBool::new(false);
    let verified = pool.install(|| verify_bytes(Arc::new(bytes), request.partial, &never, request.observer));
    verified.ok().filter(VerifyReport::is_right)
}

/// Copies a bundle that is sealed, byte for byte, and reads the copy back.
fn copy(
    request: &RecoverRequest<'_>,
    sealed: &VerifyReport,
    evidence: &[PathBuf],
    pool: &rayon::ThreadPool,
) -> Result<Recovered, Error> {
    let (destination, mut file, _) = Destination::create(request.destination, evidence)?;
    let copied = File::open(request.partial).and_then(|mut from| io::copy(&mut from, &mut file));
    copied.and_then(|_| file.sync_all()).map_err(|error| Error::write(request.destination, error))?;
    let ReadBack { path, verified, problem } = read_back(destination, pool, request.observer)?;
    Ok(Recovered {
        path,
        sealed: sealed.status.clone(),
        journal: evidence.iter().skip(1).any(|journal| journal.is_file()),
        whole: verified.files,
        not_known: 0,
        lost: 0,
        bytes: verified.bytes,
        problems: problem.into_iter().collect(),
        action_log_hash: verified.log_head.clone().unwrap_or_default(),
        verified,
    })
}

/// The folder of the bag, and whether it has SHA-512, as the journal or the first entry names it. Where the program was killed before it wrote
/// anything, the bag is called as the file is.
fn root_of(partial: &Path, bytes: &FileBytes, journal: Option<&FileBytes>) -> io::Result<Option<(String, bool)>> {
    let (mut root, mut sha512) = (None, false);
    if let Some(journal) = journal {
        // Only the first line is looked at.
        let first = crate::file_bytes::Section::new(journal, 0, journal.len().min(FIRST_LINE));
        journal::each(first, &mut |line| {
            if let Line::About(about) = line {
                sha512 = about.sha512;
                root = root.take().or(Some(about.root));
            }
            Ok(())
        })?;
    }
    let first = Local::at(bytes, 0)?.and_then(|first| first.name.strip_suffix("/bagit.txt").map(str::to_owned));
    let is_root = |root: &String| is_plain(root) && !root.contains('/');
    let named = root.filter(is_root).or(first.filter(is_root));
    let stem = || {
        let name = crate::shown(partial.file_name().unwrap_or_default());
        let plain = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.') { c } else { '_' };
        let name: String = name.trim_end_matches(".partial").trim_end_matches(".zip").chars().map(plain).collect();
        Some(name).filter(is_root)
    };
    Ok(named.or_else(|| stem().filter(|_| bytes.is_empty())).map(|root| (root, sha512)))
}

/// What the first line of a journal is at most long.
const FIRST_LINE: u64 = 16 << 20;

/// Whether a path in the bag is one that this program gives out: printable ASCII, and no way out of the folder.
fn is_plain(path: &str) -> bool {
    let safe = |part: &str| !matches!(part, "" | "." | "..") && part.bytes().all(|byte| matches!(byte, b' '..=b'~'));
    path.split('/').all(safe) && !path.contains(['\\', ':'])
}

#[derive(Clone, Copy, Default)]
struct Counts {
    whole: u64,
    not_known: u64,
    lost: u64,
}

struct Done {
    counts: Counts,
    sums: Sums,
    problems: Vec<Problem>,
    head: String,
}

/// What came of copying an entry.
struct Copied {
    digested: Digested,
    length: u64,
    /// How it begins.
    head: Vec<u8>,
    /// Why the reading ended before the end.
    error: Option<String>,
}

/// Why the digest of a whole file is not there.
const ENDED: &str = "the collection was ended before all of it was read";
/// The action by which an object is acquired.
const ACQUIRE: &str = "acquire";

const NOT_KNOWN: &str = "it was recovered from a bundle that was never finished, and it is not known whether all of it was \
                         read, nor which of its bytes could not be";

struct Salvage<'a> {
    request: &'a RecoverRequest<'a>,
    bytes: &'a FileBytes,
    root: String,
    sha512: bool,
    writer: Writer,
    spill: &'a Spill,
    about: Option<Box<About>>,
    log: ActionLog,
    /// Lines of the action log that do not continue it.
    broken_actions: u64,
    objects: Objects,
    problems: Problems,
    /// What was wrong with the image as a whole.
    image: Vec<Problem>,
    taken: HashSet<String>,
    /// Objects whose action has not been seen yet.
    unlogged: BTreeMap<String, Vec<Item>>,
    undescribed: Undescribed,
    /// Objects that were begun, by where they lie.
    begun: BTreeMap<u64, Box<Noted>>,
    /// Where what the journal describes ends.
    end: u64,
    /// Lines of the journal, and whether it was whole.
    journal: Option<(u64, bool)>,
    counts: Counts,
}

impl<'a> Salvage<'a> {
    fn new(
        request: &'a RecoverRequest<'a>,
        bytes: &'a FileBytes,
        (root, sha512): (String, bool),
        writer: Writer,
        spill: &'a Spill,
    ) -> Self {
        Salvage {
            request,
            bytes,
            root,
            sha512,
            writer,
            spill,
            about: None,
            log: ActionLog::new(spill),
            broken_actions: 0,
            objects: Objects::new(spill),
            problems: Problems::default(),
            image: Vec::new(),
            taken: HashSet::new(),
            unlogged: BTreeMap::new(),
            undescribed: Undescribed::default(),
            begun: BTreeMap::new(),
            end: 0,
            journal: None,
            counts: Counts::default(),
        }
    }

    fn by_journal(&mut self, journal: &FileBytes) -> io::Result<()> {
        let reader = crate::file_bytes::Section::new(journal, 0, journal.len());
        let read = journal::each(reader, &mut |line| {
            match line {
                Line::About(about) if self.about.is_none() && about.root == self.root => self.about = Some(about),
                Line::About(_) => {}
                Line::Action(action) => {
                    // What an action that is not taken says of an object is said anew at the end.
                    if self.broken_actions == 0 && self.log.follow(&action)? {
                        self.logged(&action);
                    } else {
                        self.broken_actions += 1;
                    }
                }
                Line::Learned(learned) => self.objects.learn((0, learned.path, learned.mft), learned.more),
                Line::Image(problems) => self.image = journal::problems(&problems),
                Line::Problem(problem) => self.problems.extend(crate::bundle::problem_of(&problem)),
                Line::Reading(noted) => {
                    self.begun.insert(noted.at.unwrap_or_default(), noted);
                }
                Line::Object(noted) => self.object(*noted)?,
            }
            Ok(())
        })?;
        self.journal = Some(read);
        Ok(())
    }

    /// An action that acquires an object: the log then has it.
    fn logged(&mut self, action: &Value) {
        if action["action"] == ACQUIRE {
            let path = action["object"].as_str().unwrap_or_default();
            if let Some(items) = self.unlogged.get_mut(path) {
                items.pop();
                if items.is_empty() {
                    self.unlogged.remove(path);
                }
            }
        }
    }

    /// The journal has an object before its action, which can then be missing for the last of them.
    fn log_the_rest(&mut self) -> io::Result<()> {
        for item in std::mem::take(&mut self.unlogged).into_values().flatten() {
            let about: [(&'static str, Value); 3] =
                [("round", item.round.into()), ("bytes", item.stored_size.into()), ("sha256", item.sha256.into())];
            let result = if item.status == ItemStatus::Complete { "complete" } else { "partial" };
            self.log.add((self.request.now)(), ACQUIRE, &item.original_path, result, &about)?;
        }
        Ok(())
    }

    /// An object of which the journal says what came of it.
    fn object(&mut self, noted: Noted) -> io::Result<()> {
        self.problems.extend(noted.problems());
        let at = noted.at.unwrap_or_default();
        self.begun.remove(&at);
        let mut item = noted.item;
        let Some(bundle_path) = item.bundle_path.clone() else { return self.keep(item) };
        let copied = self.copy(at, &bundle_path, item.stored_size, &|copied| {
            copied.error.is_none() && hex(&copied.digested.sha256) == item.sha256
        })?;
        match copied {
            Ok(_) => {
                self.counts.whole += 1;
                self.unlogged.entry(item.original_path.clone()).or_default().push(item.clone());
                self.keep(item)
            }
            Err(why) => {
                self.counts.lost += 1;
                self.problems.push(Problem::new(
                    Stage::Bundle,
                    ProblemKind::ReadFailed,
                    item.original_path.clone(),
                    format!(
                        "it had been read, but what stands of it in the unfinished bundle is not what was read: {why}"
                    ),
                    "it is not in this bundle; what is left of it is in the unfinished one, which is kept",
                ));
                item.bundle_path = None;
                item.status = ItemStatus::Failed;
                item.stored_size = 0;
                item.stored_ranges.clear();
                (item.sha256, item.sha512) = Default::default();
                (item.file_sha256, item.file_sha256_absent) = Default::default();
                (item.sha1, item.md5) = (None, None);
                self.keep(item)
            }
        }
    }

    /// What was begun without that the journal says how it ended, and what lies behind everything that it describes.
    fn beyond_journal(&mut self) -> io::Result<()> {
        for (at, noted) in std::mem::take(&mut self.begun) {
            let Some(bundle_path) = noted.item.bundle_path.clone() else { continue };
            self.of_unknown_state(noted.item, at, &bundle_path)?;
        }
        let prefix = format!("{}/data/raw/", self.root);
        let mut at = self.end;
        while let Some((found, local)) = Local::find(self.bytes, at, &prefix)? {
            at = local.end().unwrap_or(found + 4).max(found + 4);
            let bundle_path = local.name[self.root.len() + 1..].to_owned();
            if self.taken.contains(&bundle_path) {
                continue;
            }
            let item = undescribed(&bundle_path);
            self.of_unknown_state(item, found, &bundle_path)?;
        }
        Ok(())
    }

    /// An object of which nobody wrote down what came of it: what is there of it is kept.
    fn of_unknown_state(&mut self, mut item: Item, at: u64, bundle_path: &str) -> io::Result<()> {
        let copied = self.copy(at, bundle_path, u64::MAX, &|copied| copied.length > 0 || copied.error.is_none())?;
        let said =
            |kind, what: String, effect| Problem::new(Stage::Bundle, kind, item.original_path.clone(), what, effect);
        match copied {
            Ok(Copied { digested, length, head, error }) => {
                let ended = error.map(|error| format!("; what is there of it ends at byte {length}: {error}"));
                let what = format!("{NOT_KNOWN}{}", ended.unwrap_or_default());
                let effect = "its absence of anything says nothing; its digest is that of the bytes that are there";
                self.problems.push(said(ProblemKind::Interrupted, what, effect));
                self.counts.not_known += 1;
                if item.wanted_by.is_empty() {
                    let (volume, path) = original_path(bundle_path);
                    self.undescribed.add(&volume, &path, length, &head);
                }
                item.bundle_path = Some(bundle_path.to_owned());
                item.status = ItemStatus::Partial;
                item.stored_size = length;
                item.size = item.size.max(length);
                cut(&mut item.stored_ranges, length);
                item.sha256 = hex(&digested.sha256);
                item.sha512 = digested.sha512.map(|sha512| hex(&sha512)).unwrap_or_default();
                item.file_sha256 = None;
                item.file_sha256_absent = (!item.stored_ranges.is_empty()).then(|| ENDED.to_owned());
                self.keep(item)
            }
            Err(why) => {
                let what = format!("it was being read when the collection ended, and nothing of it is there: {why}");
                let effect = "it is not in the bundle, although it is on the host";
                self.problems.push(said(ProblemKind::Interrupted, what, effect));
                self.counts.lost += 1;
                item.bundle_path = None;
                item.status = ItemStatus::Failed;
                item.stored_ranges.clear();
                self.keep(item)
            }
        }
    }

    /// Copies an entry, if it is acceptable; else says why not. An error is one of writing.
    fn copy(
        &mut self,
        at: u64,
        bundle_path: &str,
        size: u64,
        accept: &dyn Fn(&Copied) -> bool,
    ) -> io::Result<Result<Copied, String>> {
        let local = match Local::at(self.bytes, at) {
            Ok(Some(local)) if local.name == format!("{}/{bundle_path}", self.root) => local,
            Ok(_) => return Ok(Err("nothing of it is there".to_owned())),
            Err(error) => return Ok(Err(error.to_string())),
        };
        if !bundle_path.starts_with("data/raw/") || !is_plain(bundle_path) {
            return Ok(Err("its name in the bag is none that this program gives".to_owned()));
        }
        if !self.taken.insert(bundle_path.to_owned()) {
            return Ok(Err("another object has the same name in the bag".to_owned()));
        }
        self.request.observer.event(Progress {
            step: Step::Acquire,
            path: bundle_path,
            bytes_done: at,
            bytes_total: self.bytes.len(),
            items_done: self.objects.len() as u64,
            items_total: self.objects.len() as u64,
        });
        // One byte more than wanted shows that it is too long.
        let mut content = local.content(self.bytes).take(size.saturating_add(1));
        let mut stream = self.writer.stream(bundle_path, size, local.is_stored())?;
        let (mut digests, mut crc) = (Digests::new(Which { sha512: self.sha512, program: false }), flate2::Crc::new());
        let (mut length, mut head, mut error) = (0, Vec::new(), None);
        let mut buffer = vec![0; 1 << 18];
        loop {
            match content.read(&mut buffer) {
                Ok(0) => break,
                Ok(read) => {
                    digests.update(&buffer[..read]);
                    crc.update(&buffer[..read]);
                    let missing = FORMAT_HEAD - head.len().min(FORMAT_HEAD);
                    head.extend_from_slice(&buffer[..read.min(missing)]);
                    length += read as u64;
                    stream.write_all(&buffer[..read])?;
                }
                Err(failed) if failed.kind() == io::ErrorKind::Interrupted => {}
                Err(failed) => {
                    error = Some(failed.to_string());
                    break;
                }
            }
        }
        let is_as_stated = match local.stated() {
            Some((stated, sum)) => stated == length && crc.sum() == sum,
            // The header was not completed; a known length and digest decide alone.
            None => size != u64::MAX,
        };
        if error.is_none() && !is_as_stated {
            error = Some("it ends early, or its checksum is another".to_owned());
        }
        if error.is_none() && size != u64::MAX && length != size {
            error = Some(format!("it has {length} bytes instead of {size}"));
        }
        let copied = Copied { digested: digests.finish(), length, head, error };
        if accept(&copied) {
            stream.finish()?;
            self.end = self.end.max(local.end().unwrap_or(at + 4));
            return Ok(Ok(copied));
        }
        drop(stream);
        self.writer.undo()?;
        self.taken.remove(bundle_path);
        Ok(Err(copied.error.unwrap_or_else(|| "its SHA-256 is another".to_owned())))
    }

    fn keep(&mut self, item: Item) -> io::Result<()> {
        let full_path = item.exact_path().to_owned();
        let key = (0, full_path.clone(), item.recovery.and(item.mft_entry.zip(item.mft_sequence)));
        self.objects.push(&key, &Kept { item, volume: 0, full_path, deleted: None, held: None, unreadable: Vec::new() })
    }

    fn seal(mut self) -> io::Result<Done> {
        let (request, counts) = (self.request, self.counts);
        let file = crate::shown(request.partial.file_name().unwrap_or_default());
        let (what, effect) = (
            "the collection came to no end; this bundle was made of what it left",
            "what it had not reached is not in the bundle; its absence says nothing about the host",
        );
        let of_bag =
            |what: String, effect: &str| Problem::new(Stage::Acquire, ProblemKind::Interrupted, "", what, effect);
        self.problems.push(of_bag(what.to_owned(), effect));
        match self.journal {
            None => self.problems.push(of_bag(
                "there was no journal beside the unfinished bundle".to_owned(),
                "of no object it is known where exactly it was, what its times were and whether all of it was read",
            )),
            Some((lines, false)) => self.problems.push(of_bag(
                format!("the journal ends within its line {}", lines + 1),
                "what was written into it after that is not known",
            )),
            Some(_) => {}
        }
        if self.broken_actions > 0 {
            self.problems.push(of_bag(
                format!("{} lines of the action log in the journal do not continue it", self.broken_actions),
                "they are not in this bundle's action log",
            ));
        }
        let result = if self.journal.is_some() { "with the journal" } else { "without a journal" };
        let by = format!("{} {}", request.tool.name, request.tool.version);
        let about: [(&'static str, Value); 5] = [
            ("whole", counts.whole.into()),
            ("not_known", counts.not_known.into()),
            ("lost", counts.lost.into()),
            ("by", by.clone().into()),
            ("command_line", request.tool.command_line.clone().into()),
        ];
        let host = self.about.as_ref().map(|about| &about.host);
        let (undescribed, objects) = (std::mem::take(&mut self.undescribed), &mut self.objects);
        undescribed.recognised(request.artifacts, host, self.spill, &mut |path, more| {
            objects.learn((0, path, None), more);
        })?;
        self.log.add((request.now)(), "recover", &file, result, &about)?;
        self.log_the_rest()?;
        self.problems.extend(self.image);
        let problems = self.problems.into_vec();
        let (objects, payload, sums) = self.objects.finish(self.spill, 8 << 20)?;
        let mut about = self.about.unwrap_or_else(|| Box::new(unknown_bag(&self.root, request)));
        about.labels.push(("Collector-Recovered-From".to_owned(), file));
        about.labels.push(("Collector-Recovered-By".to_owned(), by));
        let ended = (request.now)();
        let status = Status::Recovered;
        let info =
            BagInfo { about: &about, ended, sums, spill: self.spill, problems: &problems, status, read_back: true };
        let head = seal(self.writer, &info, objects, payload, &mut self.log)?;
        Ok(Done { counts, sums, problems, head })
    }
}

/// Leaves of the ranges what so many stored bytes hold.
fn cut(ranges: &mut Vec<StoredRange>, length: u64) {
    ranges.retain(|range| range.stored_at < length);
    if let Some(last) = ranges.last_mut() {
        last.length = last.length.min(length - last.stored_at);
    }
}

/// An object of which only its name in the bag is known.
fn undescribed(bundle_path: &str) -> Item {
    let (volume, path) = original_path(bundle_path);
    let path = volume_called(&volume).original_path(&path);
    Item {
        id: ItemId(0),
        original_path: name::shown(&path).into_owned(),
        original_path_raw: name::raw(&path),
        bundle_path: Some(bundle_path.to_owned()),
        wanted_by: Vec::new(),
        round: 0,
        named_by: Vec::new(),
        named_as: Vec::new(),
        volume,
        mft_entry: None,
        mft_sequence: None,
        size: 0,
        stored_size: 0,
        stored_ranges: Vec::new(),
        sha256: String::new(),
        sha512: String::new(),
        file_sha256: None,
        file_sha256_absent: None,
        sha1: None,
        md5: None,
        times: FileTimes::default(),
        method: Method::Unknown,
        status: ItemStatus::Partial,
        recovery: None,
        companions: Vec::new(),
    }
}

/// The volume, and the path from its root, that a name in the bag stands for.
fn original_path(bundle_path: &str) -> (String, String) {
    let mut parts = bundle_path.trim_start_matches("data/raw/").split('/').map(decoded);
    let volume = parts.next().unwrap_or_default();
    (volume, parts.map(|part| format!("\\{part}")).collect())
}

/// A name as it was before it was encoded. What follows `=~` was not part of it.
fn decoded(part: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = part.split("=~").next().unwrap_or_default().as_bytes();
    while let Some((first, more)) = rest.split_first() {
        let code = more.get(..2).and_then(|code| std::str::from_utf8(code).ok());
        match code.and_then(|code| u8::from_str_radix(code, 16).ok()).filter(|_| *first == b'=') {
            Some(byte) => {
                bytes.push(byte);
                rest = &more[2..];
            }
            None => {
                bytes.push(*first);
                rest = more;
            }
        }
    }
    name::from_bytes(&bytes)
}

/// What is known of a bag without a journal: its name, and when it was begun, which is part of it.
fn unknown_bag(root: &str, request: &RecoverRequest<'_>) -> About {
    let (name, stamp) = root.rsplit_once('-').unwrap_or((root, ""));
    let digits = |range: std::ops::Range<usize>| stamp.get(range).unwrap_or("00");
    let started = format!(
        "{}-{}-{}T{}:{}:{}Z",
        digits(0..4),
        digits(4..6),
        digits(6..8),
        digits(9..11),
        digits(11..13),
        digits(13..15)
    );
    let started = Filetime::parse_utc(&started).unwrap_or_default();
    let tool = request.tool;
    About {
        root: root.to_owned(),
        name: name.to_owned(),
        started,
        source_kind: "not known".to_owned(),
        source_name: "not known".to_owned(),
        agent: format!("{} {}", tool.name, tool.version),
        host: json!({
            "name": name, "facts": {}, "source": {"kind": "not known", "facts": {}}, "volumes": [],
        }),
        tool: json!({
            "name": tool.name, "version": tool.version, "sha256": tool.sha256, "features": tool.features,
            "command_line": tool.command_line, "source": [], "started": started.to_string(), "artifacts": [],
            "limits": {},
        }),
        sha512: false,
        labels: Vec::new(),
    }
}
