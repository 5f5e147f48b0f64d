//! Verifies a bundle: complete, with nothing missing and nothing added; valid, with every digest as stated; and of one
//! piece, with metadata that agrees with itself and with the action log.
//!
//! It never stops at the first thing wrong. What it cannot do is tell a bundle from one that somebody made anew
//! with other content and right digests; that needs a signature, or the bundle's hashes written down elsewhere.
//!
//! One file for each question: what lies in the archive ([`archive`]) or in the folder ([`folder`]) and under which name
//! ([`names`]), what the manifests say ([`manifests`]), what the metadata says ([`metadata`], [`exact`]), what the action log
//! says ([`log`]), and whether the files are what all of these say ([`contents`], [`rows`], [`expected`]).

mod archive;
mod contents;
mod exact;
mod expected;
pub(super) mod folder;
mod log;
mod manifests;
mod metadata;
mod names;
mod report;
mod rows;
mod said;

pub(super) use names::root_in;
pub use report::{Part, VerifyReport, Wrong, WrongKind};

use contents::{Depth, Far};
pub(super) use expected::{ALL_ZEROS, Comparing, Expected};

use super::{ACTIONS, FAILURES, HOST, OBJECTS, TAG_MANIFEST, TOOL};
use crate::digest::Digested;
use crate::progress::Observer;
use crate::spill::{Sorter, Spill};
use crate::zip::reader::Directory;
use evidence::{Bytes, hex};
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// Longest line of a manifest or of metadata.
const MAX_LINE: u64 = 16 << 20;
/// Most lines of a manifest or of metadata.
const MAX_LINES: u64 = 4_000_000;
/// Longest single metadata document.
const MAX_DOCUMENT: u64 = 16 << 20;
/// Bytes of rows that are sorted in memory.
const SORTED: usize = 4 << 20;

/// What a verification gave before any object was read: everything but whether the objects are what is said of them.
pub struct Structure {
    report: VerifyReport,
    unread: Sorter,
    far: Far,
}

impl Structure {
    /// Looks at the archive or the folder, the manifests and all that describes the bag.
    pub(super) fn of(
        store: Store<'_>,
        spill: Spill,
        root: String,
        cancel: &AtomicBool,
        observer: &dyn Observer,
    ) -> io::Result<Self> {
        let mut check = Check::new(store, spill, root);
        let Store::Archive { bytes, .. } = store else {
            check.report.notes.push("unpacked: what the archive itself held is not known".to_owned());
            return check.run(cancel, observer);
        };
        let (structure, hash) = rayon::join(|| check.run(cancel, observer), || hash_of(bytes, cancel));
        let (mut structure, hash) = (structure?, hash?);
        structure.report.interrupted |= hash.is_none();
        structure.report.archive_sha256 = hash;
        Ok(structure)
    }

    /// What is known so far. It may say that nothing is wrong although an object is.
    pub fn so_far(&self) -> &VerifyReport {
        &self.report
    }

    /// Whether the objects have digests of SHA-512 that are to be compared.
    pub(super) fn has_sha512(&self) -> bool {
        self.report.tags.contains_key(MANIFESTS[1])
    }

    /// Reads the objects, and ends the verification. Those that are done were read before, and were right.
    pub(super) fn contents(
        self,
        store: Store<'_>,
        is_done: &dyn Fn(u64) -> bool,
        cancel: &AtomicBool,
        observer: &dyn Observer,
    ) -> io::Result<VerifyReport> {
        self.read(store, Depth::All, is_done, cancel, observer)
    }

    /// The same right after the bundle was written, by one digest of each object. That the checksums of the archive agree
    /// with each other was seen before.
    pub(super) fn written(
        self,
        store: Store<'_>,
        cancel: &AtomicBool,
        observer: &dyn Observer,
    ) -> io::Result<VerifyReport> {
        self.read(store, Depth::OneDigest, &|_| false, cancel, observer)
    }

    fn read(
        self,
        store: Store<'_>,
        depth: Depth,
        is_done: &dyn Fn(u64) -> bool,
        cancel: &AtomicBool,
        observer: &dyn Observer,
    ) -> io::Result<VerifyReport> {
        let Structure { mut report, unread, far } = self;
        if !report.interrupted {
            let zeros = AtomicU64::new(ALL_ZEROS);
            let reading = contents::Reading { store, far: &far, zeros: &zeros, depth, cancel, observer };
            contents::payload(unread, &reading, is_done, &mut report)?;
        }
        report.wrong.sort();
        report.wrong.dedup();
        Ok(report)
    }
}

/// SHA-256 of all the bytes in lower-case hexadecimal; none when it was ended before.
fn hash_of(bytes: &dyn Bytes, cancel: &AtomicBool) -> io::Result<Option<String>> {
    let mut digest = Sha256::new();
    let mut block = vec![0; 1 << 18];
    let mut at = 0;
    while !cancel.load(Ordering::Relaxed) {
        match bytes.read_full_at(at, &mut block)? {
            0 => return Ok(Some(hex(&digest.finalize()))),
            read => {
                digest.update(&block[..read]);
                at += read as u64;
            }
        }
    }
    Ok(None)
}

/// Where the files of a bag lie.
#[derive(Clone, Copy)]
pub(super) enum Store<'a> {
    /// In an archive.
    Archive {
        /// The archive.
        bytes: &'a dyn Bytes,
        /// What it lists.
        directory: &'a Directory,
    },
    /// In a folder, unpacked.
    Folder(&'a Path),
}

/// A file of the bag.
#[derive(Clone, Copy, Debug)]
pub(super) struct Member {
    /// Where the directory of the archive lists it.
    at: u64,
    /// Its length in bytes.
    size: u64,
}

impl<'a> Store<'a> {
    /// The content of a file from front to back.
    fn open(self, path: &str, member: Member) -> io::Result<Box<dyn Read + Send + 'a>> {
        match self {
            Store::Archive { bytes, directory } => {
                Ok(Box::new(directory.open(bytes, &directory.entry(bytes, member.at)?)?))
            }
            Store::Folder(root) => folder::open(root, path),
        }
    }

    /// The same where a digest is going to be compared, which says more than the checksum of the archive.
    fn open_without_crc(self, path: &str, member: Member) -> io::Result<Box<dyn Read + Send + 'a>> {
        match self {
            Store::Archive { bytes, directory } => {
                Ok(Box::new(directory.open_without_crc(bytes, &directory.entry(bytes, member.at)?)?))
            }
            Store::Folder(root) => folder::open(root, path),
        }
    }
}

/// The four manifests, by their number in a row.
const MANIFESTS: [&str; 4] = ["manifest-sha256.txt", "manifest-sha512.txt", TAG_MANIFEST, "tagmanifest-sha512.txt"];
const BAG_INFO: &str = "bag-info.txt";

/// Every file of a bag that is no payload.
const TAG_FILES: [&str; 11] = [
    "bagit.txt",
    BAG_INFO,
    OBJECTS,
    FAILURES,
    ACTIONS,
    HOST,
    TOOL,
    MANIFESTS[0],
    MANIFESTS[1],
    MANIFESTS[2],
    MANIFESTS[3],
];
/// Those that a bag can be without: SHA-512 is computed where it is asked for.
const OPTIONAL: [&str; 2] = [MANIFESTS[1], MANIFESTS[3]];

/// What the metadata comes to.
#[derive(Default)]
struct Sums {
    objects: u64,
    not_complete: u64,
    /// Payload files and their bytes.
    payload: (u64, u64),
    failures: u64,
    /// Some problems are counted there, and not listed.
    counted: bool,
}

/// A verification under way.
struct Check<'a> {
    store: Store<'a>,
    spill: Spill,
    budget: usize,
    root: String,
    /// The tag files that are there.
    tags: BTreeMap<&'static str, Member>,
    /// Digests of those that were read.
    digests: BTreeMap<&'static str, Digested>,
    sums: Sums,
    /// The bundle was made of what a collection left that came to no end: the log can say more than is there.
    is_recovered: bool,
    report: VerifyReport,
}

impl<'a> Check<'a> {
    fn new(store: Store<'a>, spill: Spill, root: String) -> Self {
        // Where nothing can be written, such as on a read-only medium, the rows stay in memory.
        let budget = if spill.file().is_ok() { SORTED } else { usize::MAX };
        let report = VerifyReport { bag: root.clone(), ..VerifyReport::default() };
        Check {
            store,
            spill,
            budget,
            root,
            tags: BTreeMap::new(),
            digests: BTreeMap::new(),
            sums: Sums::default(),
            is_recovered: false,
            report,
        }
    }

    fn run(mut self, cancel: &AtomicBool, observer: &dyn Observer) -> io::Result<Structure> {
        let mut rows = self.sorter();
        let (files_total, bytes_total) = match self.store {
            Store::Archive { bytes, directory } => self.list_archive(bytes, directory, &mut rows)?,
            Store::Folder(root) => self.list_folder(root, &mut rows)?,
        };
        let far = Far { files_total, bytes_total, ..Far::default() };
        for path in TAG_FILES {
            if !self.tags.contains_key(path) && !OPTIONAL.contains(&path) {
                self.wrong(WrongKind::Missing, path, "is missing");
            }
        }
        self.manifests(&mut rows)?;
        let info = self.bag_info();
        self.is_recovered = info.get(metadata::STATUS) == Some("recovered");
        let mut said = self.sorter();
        self.objects(&mut rows, &mut said)?;
        self.failures(&mut said)?;
        let zeros = AtomicU64::new(0);
        let reading =
            contents::Reading { store: self.store, far: &far, zeros: &zeros, depth: Depth::All, cancel, observer };
        let unread = self.paths(rows, &reading)?;
        if !self.report.interrupted {
            self.tag_manifests()?;
            self.metadata(&info, said)?;
        }
        let mut report = self.report;
        report.tags = self.digests.into_iter().map(|(path, digested)| (path, digested.sha256)).collect();
        Ok(Structure { report, unread, far })
    }

    fn sorter(&self) -> Sorter {
        Sorter::new(&self.spill, self.budget)
    }

    fn wrong(&mut self, kind: WrongKind, path: &str, what: impl Into<String>) {
        self.report.add(kind, path, what);
    }

    /// Calls for each line, without its end, and its number from 1 on. What cannot be read is wrong.
    fn each_line(&mut self, path: &'static str, mut take: impl FnMut(&mut Self, u64, &str)) {
        let Some(member) = self.tags.get(path).copied() else { return };
        let mut reader = match self.store.open(path, member) {
            Ok(reader) => BufReader::new(reader),
            // It is said where its digest is computed.
            Err(_) => return,
        };
        let mut line = Vec::new();
        for number in 1u64.. {
            line.clear();
            match (&mut reader).take(MAX_LINE).read_until(b'\n', &mut line) {
                Ok(0) | Err(_) => return,
                Ok(_) if number > MAX_LINES => {
                    self.wrong(WrongKind::Metadata, path, format!("has more than {MAX_LINES} lines"));
                    return;
                }
                Ok(_) => match std::str::from_utf8(&line).map(|text| text.strip_suffix('\n')) {
                    Ok(Some(text)) => take(self, number, text),
                    Ok(None) => {
                        self.wrong(WrongKind::Metadata, path, format!("line {number} has no end or is too long"));
                    }
                    Err(_) => self.wrong(WrongKind::Metadata, path, format!("line {number} is not UTF-8")),
                },
            }
        }
    }

    /// The text of a short file. What cannot be read is said where its digest is computed.
    fn text(&mut self, path: &'static str) -> Option<String> {
        let member = self.tags.get(path).copied()?;
        let mut bytes = Vec::new();
        self.store.open(path, member).ok()?.take(MAX_DOCUMENT + 1).read_to_end(&mut bytes).ok()?;
        if bytes.len() as u64 > MAX_DOCUMENT {
            self.wrong(WrongKind::Metadata, path, "is too long");
            return None;
        }
        let text = String::from_utf8(bytes).ok();
        if text.is_none() {
            self.wrong(WrongKind::Metadata, path, "is not UTF-8");
        }
        text
    }
}

#[cfg(test)]
mod tests;
