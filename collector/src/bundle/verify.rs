//! Verifies a bundle: complete, with nothing missing and nothing added, and valid, with every digest as stated.
//!
//! It never stops at the first thing wrong. What it cannot do is tell a bundle from one that somebody made anew
//! with other content and right digests; that needs a signature, or the digest of the bundle written down elsewhere.

use super::{ACTION_LOG_HASH, ACTIONS, FAILURES, HOST, OBJECTS, TOOL, actions};
use crate::Error;
use crate::digest::{Digests, hex};
use crate::file_bytes::FileBytes;
use crate::progress::{Observer, Progress, Step};
use crate::spill::{Sorter, Spill};
use crate::zip::reader::{Directory, Entry};
use evidence::{Bytes, Item};
use rayon::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// One thing that is wrong with a bundle.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Wrong {
    /// Path in the bag; empty for the archive as a whole.
    pub path: String,
    /// What is wrong with it.
    pub what: String,
}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.path.is_empty() {
            true => f.write_str(&self.what),
            false => write!(f, "{}: {}", self.path, self.what),
        }
    }
}

/// What a verification gave.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct VerifyReport {
    /// Everything that is wrong, what concerns the whole archive first, then by path.
    pub wrong: Vec<Wrong>,
    /// Name of the bag.
    pub bag: String,
    /// Payload files whose digests were computed.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Files that describe the bag whose digests were computed.
    pub tag_files: u64,
    /// Whether it was ended before everything was checked.
    pub interrupted: bool,
}

impl VerifyReport {
    /// Whether everything was checked and nothing is wrong.
    pub fn is_right(&self) -> bool {
        self.wrong.is_empty() && !self.interrupted
    }
}

/// Longest line of a manifest or of metadata.
const MAX_LINE: u64 = 16 << 20;
/// Lines of a manifest.
const MAX_LINES: usize = 4_000_000;

/// Verifies a bundle. An error says that it cannot even be listed.
pub fn verify(
    path: &Path,
    threads: usize,
    cancel: &AtomicBool,
    observer: &dyn Observer,
) -> Result<VerifyReport, Error> {
    let bytes = FileBytes::open(path).map_err(|source| Error::OpenSource { path: path.to_owned(), source })?;
    let count = threads.max(1);
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(count)
        .build()
        .map_err(|error| Error::Threads { count, why: error.to_string() })?;
    pool.install(|| verify_open(&bytes, path, cancel, observer))
}

/// Verifies any bytes, for fuzzing: whether they are a bundle of which nothing is wrong.
#[doc(hidden)]
pub fn examine_bundle(bytes: Vec<u8>) -> bool {
    let report = verify_open(&bytes, Path::new("bundle"), &AtomicBool::new(false), &crate::Silent);
    report.is_ok_and(|report| report.is_right())
}

/// What the manifests say of one file.
#[derive(Default)]
struct Digest {
    sha256: Option<[u8; 32]>,
    sha512: Option<[u8; 64]>,
}

const MANIFESTS: [&str; 4] =
    ["manifest-sha256.txt", "manifest-sha512.txt", "tagmanifest-sha256.txt", "tagmanifest-sha512.txt"];

/// The bytes of a digest in hexadecimal of exactly this length.
fn digest<const N: usize>(text: &str) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    if text.len() != 2 * N || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
        return None;
    }
    for (byte, at) in bytes.iter_mut().zip((0..).step_by(2)) {
        *byte = u8::from_str_radix(&text[at..at + 2], 16).ok()?;
    }
    Some(bytes)
}

/// Bytes of rows that are sorted in memory.
const SORTED: usize = 4 << 20;
/// Files whose digests are computed at a time.
const BATCH: usize = 256;

/// Where the rows go that do not fit into memory: beside the bundle, if there something can be written.
fn room(path: &Path) -> (Spill, usize) {
    let spill = Spill::beside(path);
    let budget = if spill.file().is_ok() { SORTED } else { usize::MAX };
    (spill, budget)
}

/// Verifies a bundle that is open, on the threads of the pool that this runs in.
pub(crate) fn verify_open(
    bytes: &dyn Bytes,
    path: &Path,
    cancel: &AtomicBool,
    observer: &dyn Observer,
) -> Result<VerifyReport, Error> {
    let not_a_bundle = |why: String| Error::NotABundle { path: path.to_owned(), why };
    let failed = |source| Error::OpenSource { path: path.to_owned(), source };
    let mut root = None;
    let directory = Directory::look(bytes, &mut |_, entry| {
        root = root.take().or_else(|| root_in(&entry.name).map(str::to_owned));
        Ok(())
    });
    let directory = directory.map_err(|error| not_a_bundle(error.to_string()))?;
    let root =
        root.ok_or_else(|| not_a_bundle("there is no bagit.txt in a folder at the top of the archive".to_owned()))?;
    let (spill, budget) = room(path);
    let mut check = Check {
        bytes,
        directory: &directory,
        root: &root,
        own: BTreeMap::new(),
        seen: BTreeSet::new(),
        payload: (0, 0),
        report: VerifyReport::default(),
    };
    check.report.bag.clone_from(&root);
    let mut rows = Sorter::new(&spill, budget);
    let totals = check.list(&spill, budget, &mut rows).map_err(failed)?;
    check.manifests(&mut rows).map_err(failed)?;
    check.objects(&mut rows).map_err(failed)?;
    check.join(rows, totals, cancel, observer).map_err(failed)?;
    check.metadata();
    let mut report = check.report;
    report.wrong.sort();
    report.wrong.dedup();
    Ok(report)
}

/// The top folder, if this is its `bagit.txt`.
pub(super) fn root_in(name: &str) -> Option<&str> {
    name.strip_suffix("/bagit.txt").filter(|root| !root.is_empty() && !root.contains('/'))
}

/// Whether a name stays inside the folder that it is unpacked to, on every system.
fn is_safe(name: &str) -> bool {
    !name.contains(['\\', '\0', ':']) && !name.split('/').any(|part| matches!(part, "" | "." | ".."))
}

const EMPTY_FOLDER: &str = "is a folder without any file, which no bag has";

/// The place in the directory that a row has.
fn place(row: &[u8]) -> io::Result<u64> {
    row.try_into().map(u64::from_be_bytes).map_err(io::Error::other)
}

/// The files that are read before the others.
const OWN: [&str; 10] = [
    "bagit.txt",
    "bag-info.txt",
    OBJECTS,
    FAILURES,
    ACTIONS,
    HOST,
    MANIFESTS[0],
    MANIFESTS[1],
    MANIFESTS[2],
    MANIFESTS[3],
];

/// What is said about one path in the bag, row by row: the kinds of rows.
const ENTRY: u8 = 0;
const STATED: u8 = 1;
const OBJECT: u8 = 2;

/// A file that was read: its entry, whether it was read to its end, and what is wrong with it.
type CheckedFile = (Entry, bool, Vec<String>);

/// Everything that is said about one path.
#[derive(Default)]
struct OnePath {
    name: String,
    /// Where the directory lists it; the last one counts.
    at: Option<u64>,
    stated: Option<Digest>,
    /// Lines of objects.jsonl: their digests and the length.
    objects: Vec<Described>,
}

/// What a line of objects.jsonl says of its file.
struct Described {
    sha256: Option<[u8; 32]>,
    sha512: Option<[u8; 64]>,
    stored_size: u64,
}

impl Described {
    fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = vec![OBJECT];
        bytes.extend(self.stored_size.to_le_bytes());
        bytes.push(u8::from(self.sha256.is_some()));
        bytes.extend(self.sha256.unwrap_or([0; 32]));
        bytes.push(u8::from(self.sha512.is_some()));
        bytes.extend(self.sha512.unwrap_or([0; 64]));
        bytes
    }

    /// From what follows the kind of the row.
    fn of(row: &[u8]) -> Option<Self> {
        let (size, row) = row.split_first_chunk::<8>()?;
        let (has_sha256, row) = row.split_first()?;
        let (sha256, row) = row.split_first_chunk::<32>()?;
        let (has_sha512, row) = row.split_first()?;
        let (sha512, _) = row.split_first_chunk::<64>()?;
        Some(Described {
            sha256: Some(*sha256).filter(|_| *has_sha256 == 1),
            sha512: Some(*sha512).filter(|_| *has_sha512 == 1),
            stored_size: u64::from_le_bytes(*size),
        })
    }
}

struct Check<'a> {
    bytes: &'a dyn Bytes,
    directory: &'a Directory,
    root: &'a str,
    /// The files that are read before the others.
    own: BTreeMap<&'static str, Entry>,
    /// Those of them that are there or that a manifest lists.
    seen: BTreeSet<&'static str>,
    /// Payload files and their bytes.
    payload: (u64, u64),
    report: VerifyReport,
}

impl<'a> Check<'a> {
    fn wrong(&mut self, path: &str, what: impl Into<String>) {
        self.report.wrong.push(Wrong { path: path.to_owned(), what: what.into() });
    }

    /// Lists the files of the bag; everything outside of it, and everything that is odd about the archive, is wrong.
    /// Gives how many files there are, and their bytes.
    fn list(&mut self, spill: &Spill, budget: usize, rows: &mut Sorter) -> io::Result<(u64, u64)> {
        let (mut by_name, mut by_place) = (Sorter::new(spill, budget), Sorter::new(spill, budget));
        let mut totals = (0, 0u64);
        Directory::look(self.bytes, &mut |at, entry| {
            by_name.push(entry.name.as_bytes(), &at.to_be_bytes())?;
            by_place.push(&entry.header_offset.to_be_bytes(), &at.to_be_bytes())?;
            if !entry.is_folder() {
                totals = (totals.0 + 1, entry.size.saturating_add(totals.1));
            }
            Ok(())
        })?;
        let prefix = format!("{}/", self.root);
        let (bytes, directory) = (self.bytes, self.directory);
        let mut odd = |name: &str, what: String| self.wrong(name.strip_prefix(&prefix).unwrap_or(name), what);
        directory.odd_places(bytes, by_place.finish()?.map(|row| row.and_then(|row| place(&row.1))), &mut odd)?;
        let mut before: (Box<[u8]>, u64) = Default::default();
        let mut folders: Vec<String> = Vec::new();
        for row in by_name.finish()? {
            let (name, at) = row?;
            if name == before.0 {
                before.1 += 1;
            } else {
                self.told_twice(&before);
                before = (name, 1);
            }
            let at = place(&at)?;
            let entry = directory.entry(bytes, at)?;
            if let Some(path) = self.listed(&entry, &mut folders) {
                let mut value = vec![ENTRY];
                value.extend(at.to_be_bytes());
                rows.push(path.as_bytes(), &value)?;
                if let Some(own) = OWN.into_iter().find(|own| *own == path) {
                    self.own.insert(own, entry);
                }
            }
        }
        self.told_twice(&before);
        folders.iter().for_each(|folder| self.wrong(folder, EMPTY_FOLDER));
        Ok(totals)
    }

    fn told_twice(&mut self, (name, count): &(Box<[u8]>, u64)) {
        if *count > 1 {
            let name = String::from_utf8_lossy(name);
            let path = name.strip_prefix(self.root).and_then(|rest| rest.strip_prefix('/')).unwrap_or(&name);
            self.wrong(path, format!("occurs {count} times in the archive"));
        }
    }

    /// The path in the bag of an entry that is a file of it. Entries come in the order of their names, and `folders` are
    /// those before it that have no file yet.
    fn listed(&mut self, entry: &Entry, folders: &mut Vec<String>) -> Option<String> {
        let Some(path) = entry.name.strip_prefix(self.root).and_then(|rest| rest.strip_prefix('/')) else {
            self.wrong(&entry.name, "lies outside of the bag");
            return None;
        };
        if entry.is_folder() {
            if entry.size != 0 || entry.packed_size != 0 {
                self.wrong(path, "is a folder with content");
            }
            folders.push(path.to_owned());
            return None;
        }
        for folder in folders.drain(..) {
            if !path.starts_with(&folder) {
                self.report.wrong.push(Wrong { path: folder, what: EMPTY_FOLDER.to_owned() });
            }
        }
        if !is_safe(path) {
            self.wrong(path, "its name can lead out of the folder that it is unpacked to");
        }
        if entry.is_link {
            self.wrong(path, "is a symbolic link");
        }
        Some(path.to_owned())
    }

    fn lines(&self, path: &str) -> Option<BufReader<Box<dyn Read + Send + 'a>>> {
        let entry = self.own.get(path)?;
        Some(BufReader::new(self.directory.open(self.bytes, entry).ok()?))
    }

    /// Calls for each line, without its end, and its number from 1 on. What cannot be read is wrong.
    fn each_line(&mut self, path: &str, mut take: impl FnMut(&mut Self, u64, &str)) {
        let Some(mut reader) = self.lines(path) else {
            if self.own.contains_key(path) {
                self.wrong(path, "cannot be read");
            }
            return;
        };
        let mut line = Vec::new();
        for number in 1u64.. {
            line.clear();
            match (&mut reader).take(MAX_LINE).read_until(b'\n', &mut line) {
                Ok(0) => return,
                Ok(_) if number > MAX_LINES as u64 => {
                    self.wrong(path, format!("has more than {MAX_LINES} lines"));
                    return;
                }
                Ok(_) => match std::str::from_utf8(&line) {
                    Ok(text) => take(self, number, text.trim_end_matches(['\n', '\r'])),
                    Err(_) => self.wrong(path, format!("line {number} is not UTF-8")),
                },
                Err(error) => {
                    self.wrong(path, format!("cannot be read: {error}"));
                    return;
                }
            }
        }
    }

    fn manifests(&mut self, rows: &mut Sorter) -> io::Result<()> {
        let mut pushed = Ok(());
        for (index, name) in MANIFESTS.into_iter().enumerate() {
            if !self.own.contains_key(name) {
                self.wrong(name, "is missing");
                continue;
            }
            self.each_line(name, |check, number, line| {
                let Some((text, path)) = line.split_once("  ").or_else(|| line.split_once(" *")) else {
                    check.wrong(name, format!("line {number} is no manifest entry"));
                    return;
                };
                let path = path.replace("%0D", "\r").replace("%0A", "\n").replace("%25", "%");
                let mut row = vec![STATED, index as u8];
                match name.contains("sha256") {
                    true => row.extend(digest::<32>(text).iter().flatten()),
                    false => row.extend(digest::<64>(text).iter().flatten()),
                }
                if pushed.is_ok() {
                    pushed = rows.push(path.as_bytes(), &row);
                }
            });
        }
        pushed
    }

    fn objects(&mut self, rows: &mut Sorter) -> io::Result<()> {
        let mut pushed = Ok(());
        self.each_line(OBJECTS, |check, number, line| {
            let item: Item = match serde_json::from_str(line) {
                Ok(item) => item,
                Err(error) => {
                    check.wrong(OBJECTS, format!("line {number} describes no object: {error}"));
                    return;
                }
            };
            let Some(path) = &item.bundle_path else { return };
            let (sha256, sha512) = (digest(&item.sha256), digest(&item.sha512));
            let described = Described { sha256, sha512, stored_size: item.stored_size };
            if pushed.is_ok() {
                pushed = rows.push(path.as_bytes(), &described.to_bytes());
            }
        });
        pushed
    }

    /// Brings together what is said about each path, and compares it with the file.
    fn join(
        &mut self,
        rows: Sorter,
        totals: (u64, u64),
        cancel: &AtomicBool,
        observer: &dyn Observer,
    ) -> io::Result<()> {
        let (items_total, bytes_total) = totals;
        let (bytes_done, items_done) = (AtomicU64::new(0), AtomicU64::new(0));
        let tell = |path: &str, bytes: u64, items: u64| {
            observer.event(Progress {
                step: Step::Verify,
                path,
                bytes_done: bytes_done.fetch_add(bytes, Ordering::Relaxed) + bytes,
                bytes_total,
                items_done: items_done.fetch_add(items, Ordering::Relaxed) + items,
                items_total,
            });
        };
        let mut batch: Vec<OnePath> = Vec::new();
        let mut last: Option<OnePath> = None;
        for row in rows.finish()? {
            let (name, value) = row?;
            if last.as_ref().is_none_or(|last| last.name.as_bytes() != &*name) {
                batch.extend(last.take());
                if batch.len() >= BATCH {
                    self.check_batch(std::mem::take(&mut batch), cancel, &tell)?;
                }
                let name = String::from_utf8(name.into()).map_err(io::Error::other)?;
                last = Some(OnePath { name, ..OnePath::default() });
            }
            if let Some(last) = &mut last {
                self.add(last, &value)?;
            }
        }
        batch.extend(last);
        self.check_batch(batch, cancel, &tell)?;
        for path in [OBJECTS, FAILURES, ACTIONS, HOST, TOOL, "bag-info.txt"] {
            if !self.seen.contains(path) {
                self.wrong(path, "is missing");
            }
        }
        Ok(())
    }

    /// Adds a row to what is said about its path.
    fn add(&mut self, path: &mut OnePath, row: &[u8]) -> io::Result<()> {
        match row {
            [ENTRY, at @ ..] => path.at = Some(place(at)?),
            [STATED, index, text @ ..] => {
                let name = MANIFESTS.get(usize::from(*index)).copied().unwrap_or_default();
                let entry = path.stated.get_or_insert_default();
                let is_first = if name.contains("sha256") {
                    let first = entry.sha256.is_none();
                    entry.sha256 = text.try_into().ok().or(entry.sha256);
                    first
                } else {
                    let first = entry.sha512.is_none();
                    entry.sha512 = text.try_into().ok().or(entry.sha512);
                    first
                };
                if !is_first {
                    self.wrong(&path.name, format!("is listed twice in {name}"));
                }
            }
            // Two are enough to see that there is more than one.
            [OBJECT, described @ ..] if path.objects.len() < 2 => path.objects.extend(Described::of(described)),
            _ => {}
        }
        Ok(())
    }

    fn check_batch(
        &mut self,
        batch: Vec<OnePath>,
        cancel: &AtomicBool,
        tell: &(dyn Fn(&str, u64, u64) + Sync),
    ) -> io::Result<()> {
        let checked: Vec<(OnePath, Option<CheckedFile>)> = batch
            .into_par_iter()
            .map(|path| {
                let Some(at) = path.at else { return Ok((path, None)) };
                let entry = self.directory.entry(self.bytes, at)?;
                if cancel.load(Ordering::Relaxed) {
                    return Ok((path, Some((entry, false, Vec::new()))));
                }
                let (done, wrong) =
                    self.check_file(&entry, path.stated.as_ref(), cancel, &|bytes| tell(&path.name, bytes, 0));
                tell(&path.name, 0, 1);
                Ok((path, Some((entry, done, wrong))))
            })
            .collect::<io::Result<_>>()?;
        for (path, file) in checked {
            self.closed_world(&path, file.as_ref().map(|(entry, ..)| entry));
            let Some((entry, done, wrong)) = file else { continue };
            wrong.into_iter().for_each(|what| self.wrong(&path.name, what));
            let is_payload = path.name.starts_with("data/");
            if is_payload {
                self.payload = (self.payload.0 + 1, self.payload.1.saturating_add(entry.size));
            }
            if !done {
                self.report.interrupted |= cancel.load(Ordering::Relaxed);
            } else if is_payload {
                self.report.files += 1;
                self.report.bytes += entry.size;
            } else {
                self.report.tag_files += 1;
            }
        }
        Ok(())
    }

    /// Nothing missing, nothing added, everything listed where it belongs, and described as it is.
    fn closed_world(&mut self, path: &OnePath, file: Option<&Entry>) {
        let name = path.name.as_str();
        self.seen.extend(
            [OBJECTS, FAILURES, ACTIONS, HOST, TOOL, "bag-info.txt"]
                .into_iter()
                .find(|own| *own == name && (file.is_some() || path.stated.is_some())),
        );
        if path.stated.is_some() && file.is_none() {
            self.wrong(name, "is listed in the manifests and missing");
        }
        if file.is_some() {
            let listed = path.stated.as_ref();
            let listed = listed.map_or(0, |d| u8::from(d.sha256.is_some()) + u8::from(d.sha512.is_some()));
            // A tag manifest cannot list itself; who changes it has to change what was written down of it elsewhere.
            if name.starts_with("tagmanifest-") && MANIFESTS.contains(&name) {
                if listed != 0 {
                    self.wrong(name, "is listed in a manifest, which no tag manifest can be");
                }
            } else if listed == 0 {
                self.wrong(name, "was added: no manifest lists it");
            } else if listed == 1 {
                self.wrong(name, "is listed for one of the two digests only");
            }
        }
        for described in &path.objects {
            let agrees = path.stated.as_ref().is_some_and(|stated| {
                stated.sha256.is_none_or(|sha256| described.sha256 == Some(sha256))
                    && stated.sha512.is_none_or(|sha512| described.sha512 == Some(sha512))
            });
            if !agrees {
                self.wrong(name, "what objects.jsonl says of it is not what the manifests say");
            }
            if file.is_some_and(|entry| entry.size != described.stored_size) {
                self.wrong(name, "it is not as long as objects.jsonl says");
            }
        }
        if path.objects.len() > 1 {
            self.wrong(name, "two objects claim it");
        }
        if file.is_some() && name.starts_with("data/") && path.objects.is_empty() {
            self.wrong(name, "no line of objects.jsonl describes it");
        }
    }

    /// Whether the file was read to its end, and what is wrong with it.
    fn check_file(
        &self,
        entry: &Entry,
        stated: Option<&Digest>,
        cancel: &AtomicBool,
        passed: &dyn Fn(u64),
    ) -> (bool, Vec<String>) {
        let mut reader = match self.directory.open(self.bytes, entry) {
            Ok(reader) => reader,
            Err(error) => return (false, vec![format!("cannot be read: {error}")]),
        };
        let mut digests = Digests::new(false);
        let mut block = vec![0; entry.size.clamp(1, 1 << 20) as usize];
        loop {
            let mut filled = 0;
            while filled < block.len() {
                match reader.read(&mut block[filled..]) {
                    Ok(0) => break,
                    Ok(read) => filled += read,
                    Err(error) => return (false, vec![format!("cannot be read: {error}")]),
                }
            }
            if filled == 0 {
                break;
            }
            if cancel.load(Ordering::Relaxed) {
                return (false, Vec::new());
            }
            digests.update(&block[..filled]);
            passed(filled as u64);
        }
        let digested = digests.finish();
        let mut wrong = Vec::new();
        let mut compare = |name: &str, stated: Option<&[u8]>, actual: &[u8]| {
            if let Some(stated) = stated.filter(|stated| *stated != actual) {
                wrong.push(format!("its {name} is {}, the manifest says {}", hex(actual), hex(stated)));
            }
        };
        compare("SHA-256", stated.and_then(|d| d.sha256.as_ref()).map(|d| d.as_slice()), &digested.sha256);
        compare("SHA-512", stated.and_then(|d| d.sha512.as_ref()).map(|d| d.as_slice()), &digested.sha512);
        (true, wrong)
    }

    /// What the metadata says has to agree with the manifests and with itself.
    fn metadata(&mut self) {
        let mut info = BTreeMap::new();
        self.each_line("bag-info.txt", |_, _, line| {
            if let Some((label, value)) = line.split_once(':') {
                info.insert(label.to_owned(), value.trim().to_owned());
            }
        });
        let oxum = format!("{}.{}", self.payload.1, self.payload.0);
        if info.get("Payload-Oxum").is_some_and(|stated| *stated != oxum) {
            self.wrong("bag-info.txt", format!("its Payload-Oxum is not {oxum}"));
        }
        if let Some(entry) = self.own.get("bagit.txt") {
            let mut text = String::new();
            let read =
                self.directory.open(self.bytes, entry).and_then(|reader| reader.take(1024).read_to_string(&mut text));
            let lines: Vec<&str> = text.lines().collect();
            if read.is_err() || lines != ["BagIt-Version: 1.0", "Tag-File-Character-Encoding: UTF-8"] {
                self.wrong("bagit.txt", "does not say that this is a bag of version 1.0 in UTF-8");
            }
        }
        if let Some(log) = self.lines(ACTIONS) {
            match actions::check(log) {
                Err((line, why)) => self.wrong(ACTIONS, format!("the chain breaks at line {line}: {why}")),
                Ok(head) if info.get(ACTION_LOG_HASH) != Some(&head) => {
                    self.wrong(ACTIONS, "its last hash is not the one that bag-info.txt has");
                }
                Ok(_) => {}
            }
        }
    }
}
