//! Verifies a bundle: complete, with nothing missing and nothing added, and valid, with every digest as stated.
//!
//! It never stops at the first thing wrong. What it cannot do is tell a bundle from one that somebody made anew
//! with other content and right digests; that needs a signature, or the digest of the bundle written down elsewhere.

use super::{ACTION_LOG_HASH, ACTIONS, FAILURES, HOST, OBJECTS, TOOL, actions};
use crate::Error;
use crate::digest::{Digests, hex};
use crate::file_bytes::FileBytes;
use crate::progress::{Observer, Progress, Step};
use crate::zip::reader::{Directory, Entry};
use evidence::{Bytes, Item};
use rayon::prelude::*;
use std::collections::{BTreeMap, HashSet};
use std::fmt;
use std::io::{BufRead, BufReader, Read};
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

/// What the manifests say, by path.
type Stated = BTreeMap<String, Digest>;

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

/// Verifies a bundle that is open, on the threads of the pool that this runs in.
pub(crate) fn verify_open(
    bytes: &dyn Bytes,
    path: &Path,
    cancel: &AtomicBool,
    observer: &dyn Observer,
) -> Result<VerifyReport, Error> {
    let directory =
        Directory::read(bytes).map_err(|error| Error::NotABundle { path: path.to_owned(), why: error.to_string() })?;
    let root = root_of(&directory).ok_or_else(|| Error::NotABundle {
        path: path.to_owned(),
        why: "there is no bagit.txt in a folder at the top of the archive".to_owned(),
    })?;
    let mut check = Check { bytes, directory: &directory, files: BTreeMap::new(), report: VerifyReport::default() };
    check.report.bag.clone_from(&root);
    for (name, what) in directory.oddities(bytes) {
        check.wrong(name.strip_prefix(&format!("{root}/")).unwrap_or(&name), what);
    }
    check.list(&root);
    let stated = check.manifests();
    check.closed_world(&stated);
    check.digests(&stated, cancel, observer);
    check.metadata(&stated);
    let mut report = check.report;
    report.wrong.sort();
    report.wrong.dedup();
    Ok(report)
}

/// The top folder: the one that `bagit.txt` lies in.
pub(super) fn root_of(directory: &Directory) -> Option<String> {
    let mut roots = directory.entries.iter().filter_map(|entry| entry.name.strip_suffix("/bagit.txt"));
    roots.find(|root| !root.is_empty() && !root.contains('/')).map(str::to_owned)
}

/// Whether a name stays inside the folder that it is unpacked to, on every system.
fn is_safe(name: &str) -> bool {
    !name.contains(['\\', '\0', ':']) && !name.split('/').any(|part| matches!(part, "" | "." | ".."))
}

struct Check<'a> {
    bytes: &'a dyn Bytes,
    directory: &'a Directory,
    /// Files of the bag by their path in it.
    files: BTreeMap<&'a str, &'a Entry>,
    report: VerifyReport,
}

impl<'a> Check<'a> {
    fn wrong(&mut self, path: &str, what: impl Into<String>) {
        self.report.wrong.push(Wrong { path: path.to_owned(), what: what.into() });
    }

    /// Lists the files of the bag; everything outside of it is wrong.
    fn list(&mut self, root: &str) {
        let mut folders = Vec::new();
        for entry in &self.directory.entries {
            let Some(path) = entry.name.strip_prefix(root).and_then(|rest| rest.strip_prefix('/')) else {
                self.wrong(&entry.name, "lies outside of the bag");
                continue;
            };
            if entry.is_folder() {
                if entry.size != 0 || entry.packed_size != 0 {
                    self.wrong(path, "is a folder with content");
                }
                folders.push(path);
                continue;
            }
            if !is_safe(path) {
                self.wrong(path, "its name can lead out of the folder that it is unpacked to");
            }
            if entry.is_link {
                self.wrong(path, "is a symbolic link");
            }
            self.files.insert(path, entry);
        }
        for folder in folders {
            let inside = self.files.range(folder..).next().is_some_and(|(path, _)| path.starts_with(folder));
            if !inside {
                self.wrong(folder, "is a folder without any file, which no bag has");
            }
        }
    }

    fn lines(&self, path: &str) -> Option<BufReader<Box<dyn Read + Send + 'a>>> {
        let entry = self.files.get(path)?;
        Some(BufReader::new(self.directory.open(self.bytes, entry).ok()?))
    }

    /// Calls for each line, without its end, and its number from 1 on. What cannot be read is wrong.
    fn each_line(&mut self, path: &str, mut take: impl FnMut(&mut Self, u64, &str)) {
        let Some(mut reader) = self.lines(path) else {
            if self.files.contains_key(path) {
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

    fn manifests(&mut self) -> Stated {
        let mut stated = Stated::new();
        for name in MANIFESTS {
            if !self.files.contains_key(name) {
                self.wrong(name, "is missing");
                continue;
            }
            self.each_line(name, |check, number, line| {
                let Some((text, path)) = line.split_once("  ").or_else(|| line.split_once(" *")) else {
                    check.wrong(name, format!("line {number} is no manifest entry"));
                    return;
                };
                let path = path.replace("%0D", "\r").replace("%0A", "\n").replace("%25", "%");
                let entry = stated.entry(path.clone()).or_default();
                let is_first = if name.contains("sha256") {
                    let first = entry.sha256.is_none();
                    entry.sha256 = digest(text).or(entry.sha256);
                    first
                } else {
                    let first = entry.sha512.is_none();
                    entry.sha512 = digest(text).or(entry.sha512);
                    first
                };
                if !is_first {
                    check.wrong(&path, format!("is listed twice in {name}"));
                }
            });
        }
        stated
    }

    /// Nothing missing, nothing added, everything listed where it belongs.
    fn closed_world(&mut self, stated: &Stated) {
        for path in stated.keys() {
            if !self.files.contains_key(path.as_str()) {
                self.wrong(path, "is listed in the manifests and missing");
            }
        }
        let files: Vec<&str> = self.files.keys().copied().collect();
        for path in files {
            let listed = stated.get(path);
            let listed = listed.map_or(0, |d| u8::from(d.sha256.is_some()) + u8::from(d.sha512.is_some()));
            // A tag manifest cannot list itself; who changes it has to change what was written down of it elsewhere.
            if path.starts_with("tagmanifest-") && MANIFESTS.contains(&path) {
                if listed != 0 {
                    self.wrong(path, "is listed in a manifest, which no tag manifest can be");
                }
            } else if listed == 0 {
                self.wrong(path, "was added: no manifest lists it");
            } else if listed == 1 {
                self.wrong(path, "is listed for one of the two digests only");
            }
        }
        for path in [OBJECTS, FAILURES, ACTIONS, HOST, TOOL, "bag-info.txt"] {
            if !self.files.contains_key(path) && !stated.contains_key(path) {
                self.wrong(path, "is missing");
            }
        }
    }

    fn digests(&mut self, stated: &Stated, cancel: &AtomicBool, observer: &dyn Observer) {
        let files: Vec<(&str, &Entry)> = self.files.iter().map(|(path, entry)| (*path, *entry)).collect();
        let items_total = files.len() as u64;
        let bytes_total = files.iter().map(|(_, entry)| entry.size).fold(0, u64::saturating_add);
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
        let results: Vec<(bool, Vec<String>)> = files
            .par_iter()
            .map(|(path, entry)| {
                if cancel.load(Ordering::Relaxed) {
                    return (false, Vec::new());
                }
                let result = self.check_file(entry, stated.get(*path), cancel, &|bytes| tell(path, bytes, 0));
                tell(path, 0, 1);
                result
            })
            .collect();
        for ((path, entry), (done, wrong)) in files.into_iter().zip(results) {
            wrong.into_iter().for_each(|what| self.wrong(path, what));
            if !done {
                self.report.interrupted |= cancel.load(Ordering::Relaxed);
            } else if path.starts_with("data/") {
                self.report.files += 1;
                self.report.bytes += entry.size;
            } else {
                self.report.tag_files += 1;
            }
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
        let mut block = vec![0; 1 << 20];
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
    fn metadata(&mut self, stated: &Stated) {
        let mut info = BTreeMap::new();
        self.each_line("bag-info.txt", |_, _, line| {
            if let Some((label, value)) = line.split_once(':') {
                info.insert(label.to_owned(), value.trim().to_owned());
            }
        });
        let payload: Vec<&Entry> =
            self.files.iter().filter(|(path, _)| path.starts_with("data/")).map(|(_, entry)| *entry).collect();
        let octets = payload.iter().map(|entry| entry.size).fold(0, u64::saturating_add);
        let oxum = format!("{octets}.{}", payload.len());
        if info.get("Payload-Oxum").is_some_and(|stated| *stated != oxum) {
            self.wrong("bag-info.txt", format!("its Payload-Oxum is not {oxum}"));
        }
        if let Some(entry) = self.files.get("bagit.txt") {
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
        let mut described = HashSet::new();
        self.each_line(OBJECTS, |check, number, line| {
            let item: Item = match serde_json::from_str(line) {
                Ok(item) => item,
                Err(error) => {
                    check.wrong(OBJECTS, format!("line {number} describes no object: {error}"));
                    return;
                }
            };
            let Some(path) = &item.bundle_path else { return };
            let agrees = stated.get(path).is_some_and(|stated| {
                stated.sha256.is_none_or(|sha256| digest(&item.sha256) == Some(sha256))
                    && stated.sha512.is_none_or(|sha512| digest(&item.sha512) == Some(sha512))
            });
            if !agrees {
                check.wrong(path, "what objects.jsonl says of it is not what the manifests say");
            }
            if check.files.get(path.as_str()).is_some_and(|entry| entry.size != item.stored_size) {
                check.wrong(path, "it is not as long as objects.jsonl says");
            }
            if !described.insert(path.clone()) {
                check.wrong(path, "two objects claim it");
            }
        });
        let undescribed: Vec<&str> =
            self.files.keys().copied().filter(|path| path.starts_with("data/") && !described.contains(*path)).collect();
        for path in undescribed {
            self.wrong(path, "no line of objects.jsonl describes it");
        }
    }
}
