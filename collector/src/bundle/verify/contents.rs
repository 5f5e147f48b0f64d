//! Whether each file is what the manifests and `objects.jsonl` say of it.
//!
//! What describes the bag is read and compared first, with all that is said of the payload. The payload itself is read
//! afterwards: by the verification, or by the analysis, which then leaves to the verification what it did not read.

use super::expected::{Checked, Comparing, Expected, number};
use super::rows::{Described, Row, Stated};
use super::{Check, MANIFESTS, Member, Store, TAG_FILES, VerifyReport, WrongKind};
use crate::pipeline::{Buffers, Part, Pipeline};
use crate::progress::{Observer, Progress, Step};
use crate::spill::Sorter;
use rayon::prelude::*;
use std::io::{self, Read};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// Files whose digests are computed at a time, and what may be said of them in bytes.
const BATCH: usize = 256;
const BATCH_BYTES: usize = 8 << 20;
/// Bytes that are read at a time.
const BLOCK: usize = 1 << 20;
/// Files from this length on are worth a second thread.
const LONG: u64 = 8 << 20;

/// Everything that is said about one path.
#[derive(Default)]
struct OnePath {
    name: String,
    /// The last one counts, where there are several.
    file: Option<Member>,
    stated: Option<Stated>,
    /// Lines of objects.jsonl; two are enough to see that there is more than one.
    objects: Vec<Described>,
}

impl OnePath {
    fn is_payload(&self) -> bool {
        self.name.starts_with("data/")
    }
}

/// A file that is there and is to be read.
pub(super) struct Unread {
    name: String,
    file: Member,
    expected: Expected,
}

impl Unread {
    /// The file, if it is there. `mark` tells it from the other files of a folder, which has no directory with places.
    fn of(path: OnePath, mark: impl FnOnce(&OnePath, Member) -> u64) -> Option<Self> {
        let file = path.file?;
        let file = Member { at: mark(&path, file), ..file };
        let stated = path.stated.unwrap_or_default();
        let whole = path.objects.into_iter().next().and_then(|object| object.expected.whole);
        let expected = Expected { sha256: stated.sha256, sha512: stated.sha512, whole };
        Some(Unread { name: path.name, file, expected })
    }

    fn push(&self, rows: &mut Sorter) -> io::Result<()> {
        let mut row = Vec::new();
        [self.file.at, self.file.size].iter().for_each(|number| row.extend(number.to_le_bytes()));
        self.expected.write(&mut row);
        rows.push(self.name.as_bytes(), &row)
    }

    fn from_row(name: Box<[u8]>, mut row: &[u8]) -> io::Result<Self> {
        let name = String::from_utf8(name.into()).map_err(io::Error::other)?;
        let mut read = || {
            let file = Member { at: number(&mut row)?, size: number(&mut row)? };
            Some((file, Expected::read(row)?))
        };
        let (file, expected) = read().ok_or_else(|| io::Error::other("a temporary file was changed"))?;
        Ok(Unread { name, file, expected })
    }
}

/// How far it is.
#[derive(Default)]
pub(super) struct Far {
    pub(super) files_total: u64,
    pub(super) bytes_total: u64,
    pub(super) files: AtomicU64,
    pub(super) bytes: AtomicU64,
}

/// What the bytes of each object are compared with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Depth {
    /// Everything that is stated of them.
    All,
    /// One digest.
    OneDigest,
}

/// What everything that is read needs.
pub(super) struct Reading<'a> {
    pub(super) store: Store<'a>,
    pub(super) far: &'a Far,
    pub(super) zeros: &'a AtomicU64,
    pub(super) depth: Depth,
    pub(super) cancel: &'a AtomicBool,
    pub(super) observer: &'a dyn Observer,
}

impl Reading<'_> {
    fn is_cancelled(&self) -> bool {
        self.cancel.load(Ordering::Relaxed)
    }

    fn tell(&self, path: &str, bytes: u64, files: u64) {
        self.observer.event(Progress {
            step: Step::Verify,
            path,
            bytes_done: self.far.bytes.fetch_add(bytes, Ordering::Relaxed) + bytes,
            bytes_total: self.far.bytes_total,
            items_done: self.far.files.fetch_add(files, Ordering::Relaxed) + files,
            items_total: self.far.files_total,
        });
    }

    /// Reads the files of a batch, each to its end.
    fn batch(&self, batch: Vec<Unread>) -> Vec<(Unread, Checked)> {
        let all = batch.into_par_iter().map(|unread| {
            let checked = if self.is_cancelled() { Checked::default() } else { self.one(&unread) };
            self.tell(&unread.name, 0, 1);
            (unread, checked)
        });
        all.collect()
    }

    /// Reads a file to its end and compares its digests.
    fn one(&self, unread: &Unread) -> Checked {
        let opened = match self.depth {
            Depth::All => self.store.open(&unread.name, unread.file),
            Depth::OneDigest => self.store.open_without_crc(&unread.name, unread.file),
        };
        let mut reader = match opened {
            Ok(reader) => reader,
            Err(error) => return unreadable(&error),
        };
        let mut comparing = Comparing::new(&unread.expected, self.zeros);
        let is_long = unread.file.size >= LONG && rayon::current_num_threads() > 1;
        // With SHA-512 two threads are busy with each block already.
        if is_long && unread.expected.sha512.is_none() {
            return self.long(reader, comparing, unread);
        }
        let mut block = vec![0; unread.file.size.clamp(1, BLOCK as u64) as usize];
        loop {
            match filled(&mut *reader, &mut block) {
                Ok(0) => return comparing.finish("the manifest", self.cancel),
                Ok(_) if self.is_cancelled() => return Checked::default(),
                Ok(filled) => {
                    comparing.update(&block[..filled], self.cancel);
                    self.tell(&unread.name, filled as u64, 0);
                }
                Err(error) => return unreadable(&error),
            }
        }
    }

    /// The same of a long file: while one thread inflates it, another one hashes what was inflated.
    fn long(&self, mut reader: Box<dyn Read + Send + '_>, comparing: Comparing<&Expected>, unread: &Unread) -> Checked {
        let pipeline = Pipeline::new(vec![Compared(comparing, self.cancel)], &|_, _, _| Ok(()), 4);
        let read = pipeline.run(1, |mut bringing| -> io::Result<Option<Compared<'_>>> {
            let mut blocks = Buffers::default();
            loop {
                let mut block = blocks.free();
                block.resize(BLOCK, 0);
                let filled = filled(&mut *reader, &mut block)?;
                if filled == 0 {
                    return Ok(bringing.end(&mut |_| Ok(()))?.pop());
                }
                if self.is_cancelled() {
                    return Ok(None);
                }
                block.truncate(filled);
                bringing.bring(0, &blocks.share(block), &mut |_| Ok(()))?;
                self.tell(&unread.name, filled as u64, 0);
            }
        });
        match read {
            Ok(Some(Compared(comparing, _))) => comparing.finish("the manifest", self.cancel),
            Ok(None) => Checked::default(),
            Err(error) => unreadable(&error),
        }
    }
}

/// Compares every block in its turn.
struct Compared<'a>(Comparing<&'a Expected>, &'a AtomicBool);

impl Part for Compared<'_> {
    fn block(&mut self, _: u64, block: &[u8]) {
        self.0.update(block, self.1);
    }
}

/// Fills the block as far as there are bytes, and gives how many there were.
fn filled(reader: &mut dyn Read, block: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < block.len() {
        match reader.read(&mut block[filled..])? {
            0 => break,
            read => filled += read,
        }
    }
    Ok(filled)
}

fn unreadable(error: &io::Error) -> Checked {
    Checked { wrong: vec![format!("cannot be read: {error}")], ..Checked::default() }
}

impl Check<'_> {
    /// Brings together what is said about each path and compares it; reads what describes the bag. Gives the payload files,
    /// which are still to be read.
    pub(super) fn paths(&mut self, rows: Sorter, reading: &Reading<'_>) -> io::Result<Sorter> {
        let mut unread = self.sorter();
        let (mut batch, mut batch_bytes): (Vec<Unread>, usize) = (Vec::new(), 0);
        let mut last: Option<OnePath> = None;
        for row in rows.finish()? {
            let (name, value) = row?;
            if last.as_ref().is_none_or(|last| last.name.as_bytes() != &*name) {
                if let Some(path) = last.take() {
                    self.one_path(path, &mut batch, &mut unread)?;
                }
                if batch.len() >= BATCH || batch_bytes > BATCH_BYTES {
                    self.read_tags(reading.batch(std::mem::take(&mut batch)), reading);
                    batch_bytes = 0;
                }
                let name = String::from_utf8(name.into()).map_err(io::Error::other)?;
                last = Some(OnePath { name, ..OnePath::default() });
            }
            if let Some(last) = &mut last {
                batch_bytes += if last.is_payload() { 0 } else { value.len() };
                self.add(last, &value)?;
            }
        }
        if let Some(path) = last {
            self.one_path(path, &mut batch, &mut unread)?;
        }
        self.read_tags(reading.batch(batch), reading);
        Ok(unread)
    }

    fn one_path(&mut self, path: OnePath, batch: &mut Vec<Unread>, unread: &mut Sorter) -> io::Result<()> {
        self.closed_world(&path);
        if !path.is_payload() {
            batch.extend(Unread::of(path, |_, file| file.at));
            return Ok(());
        }
        let is_folder = matches!(self.store, Store::Folder(_));
        let mark = |path: &OnePath, file: Member| match path.objects.first() {
            Some(object) if is_folder => object.number.into(),
            _ => file.at,
        };
        let Some(payload) = Unread::of(path, mark) else { return Ok(()) };
        let (files, bytes) = self.sums.payload;
        self.sums.payload = (files + 1, bytes.saturating_add(payload.file.size));
        payload.push(unread)
    }

    /// Takes what reading the files gave that describe the bag.
    fn read_tags(&mut self, files: Vec<(Unread, Checked)>, reading: &Reading<'_>) {
        for (file, checked) in files {
            for what in checked.wrong {
                self.wrong(WrongKind::Changed, &file.name, what);
            }
            match checked.digested {
                None => self.report.interrupted |= reading.is_cancelled(),
                Some(digested) => {
                    self.report.tag_files += 1;
                    if let Some(tag) = TAG_FILES.into_iter().find(|tag| *tag == file.name) {
                        self.digests.insert(tag, digested);
                    }
                }
            }
        }
    }

    /// Adds a row to what is said about its path.
    fn add(&mut self, path: &mut OnePath, row: &[u8]) -> io::Result<()> {
        match Row::of(row)? {
            Row::File(member) => path.file = Some(member),
            Row::Stated(manifest, digest) => {
                let name = MANIFESTS.get(usize::from(manifest)).copied().unwrap_or_default();
                let stated = path.stated.get_or_insert_default();
                if stated.lists & 1 << manifest != 0 {
                    self.wrong(WrongKind::Metadata, &path.name, format!("is listed twice in {name}"));
                }
                stated.lists |= 1 << manifest;
                match name.contains("sha256") {
                    true => stated.sha256 = digest.try_into().ok().or(stated.sha256),
                    false => stated.sha512 = digest.try_into().ok().or(stated.sha512),
                }
            }
            Row::Object(described) if path.objects.len() < 2 => path.objects.push(described),
            Row::Object(_) => {}
        }
        Ok(())
    }

    /// Nothing missing, nothing added, everything listed where it belongs, and described as it is.
    fn closed_world(&mut self, path: &OnePath) {
        let name = path.name.as_str();
        let lists = path.stated.as_ref().map_or(0, |stated| stated.lists);
        let is_payload = path.is_payload();
        if path.file.is_none() && lists != 0 {
            self.wrong(WrongKind::Missing, name, "is listed in the manifests and missing");
        }
        if path.file.is_some() {
            let wanted: u8 = match (is_payload, self.tags.contains_key(MANIFESTS[1])) {
                (true, true) => 0b0011,
                (true, false) => 0b0001,
                (false, true) => 0b1100,
                (false, false) => 0b0100,
            };
            // A tag manifest cannot list itself; who changes it has to change what was written down of it elsewhere.
            if name.starts_with("tagmanifest-") && MANIFESTS.contains(&name) {
                if lists != 0 {
                    self.wrong(WrongKind::Metadata, name, "is listed in a manifest, which no tag manifest can be");
                }
            } else if lists & wanted == 0 {
                self.wrong(WrongKind::Added, name, "was added: no manifest in which it belongs lists it");
            } else if lists & wanted != wanted {
                self.wrong(WrongKind::Metadata, name, "is listed for one of the two digests only");
            }
        }
        for described in &path.objects {
            let agrees = path.stated.as_ref().is_some_and(|stated| {
                stated.sha256 == described.expected.sha256
                    && (stated.sha512.is_none() || stated.sha512 == described.expected.sha512)
            });
            if !agrees {
                let what = "what objects.jsonl says of it is not what the manifests say";
                self.wrong(WrongKind::Described, name, what);
            }
            if path.file.is_some_and(|file| file.size != described.stored_size) {
                self.wrong(WrongKind::Described, name, "it is not as long as objects.jsonl says");
            }
        }
        if path.objects.len() > 1 {
            self.wrong(WrongKind::Described, name, "two objects claim it");
        }
        if path.file.is_some() && is_payload && path.objects.is_empty() {
            self.wrong(WrongKind::Described, name, "no line of objects.jsonl describes it");
        }
        if path.file.is_none() && lists == 0 && !path.objects.is_empty() {
            self.wrong(WrongKind::Missing, name, "an object has it as its file, and it is missing");
        }
    }
}

/// Reads the payload and says in the report what is wrong with it. What is done was read before, and was right.
pub(super) fn payload(
    unread: Sorter,
    reading: &Reading<'_>,
    is_done: &dyn Fn(u64) -> bool,
    report: &mut VerifyReport,
) -> io::Result<()> {
    let mut not_computed = 0u64;
    let mut finish = |batch: &mut Vec<Unread>, report: &mut VerifyReport| {
        for (file, checked) in reading.batch(std::mem::take(batch)) {
            for what in checked.wrong {
                report.add(WrongKind::Changed, &file.name, what);
            }
            not_computed += u64::from(checked.not_computed);
            match checked.digested {
                None => report.interrupted |= reading.is_cancelled(),
                Some(_) => report.count(file.file.size),
            }
        }
    };
    let (mut batch, mut batch_bytes) = (Vec::new(), 0);
    for row in unread.finish()? {
        let (name, value) = row?;
        let mut file = Unread::from_row(name, &value)?;
        if reading.depth == Depth::OneDigest {
            file.expected = file.expected.one_digest();
        }
        if is_done(file.file.at) {
            report.count(file.file.size);
            reading.tell(&file.name, file.file.size, 1);
            continue;
        }
        batch.push(file);
        batch_bytes += value.len();
        if batch.len() >= BATCH || batch_bytes > BATCH_BYTES {
            finish(&mut batch, report);
            batch_bytes = 0;
        }
    }
    finish(&mut batch, report);
    if not_computed > 0 {
        let note = format!("the digest of {not_computed} whole files was not computed anew, because of their holes");
        report.notes.push(note);
    }
    Ok(())
}
