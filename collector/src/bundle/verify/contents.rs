//! Whether each file is what the manifests and `objects.jsonl` say of it.

use super::rows::{Described, Row, Stated, Whole};
use super::{Check, MANIFESTS, Member, TAG_FILES, WrongKind};
use crate::digest::{Digested, Digests, MOST_ZEROS, Which, WholeDigest, hex};
use crate::progress::{Observer, Progress, Step};
use crate::spill::Sorter;
use rayon::prelude::*;
use std::io::{self, Read};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// Files whose digests are computed at a time, and what may be said of them in bytes.
const BATCH: usize = 256;
const BATCH_BYTES: usize = 8 << 20;
/// Zeros that are hashed for all objects; a bundle can claim any number of holes.
const ALL_ZEROS: u64 = 1 << 40;

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

/// A file that was read.
#[derive(Default)]
struct Checked {
    /// Its digests, if it was read to its end.
    digested: Option<Digested>,
    /// What is wrong with its bytes.
    wrong: Vec<String>,
    /// The digest of the whole original was left out, because there are too many holes.
    not_computed: bool,
}

/// Tells how far it is.
type Tell<'a> = &'a (dyn Fn(&str, u64, u64) + Sync);

impl Check<'_> {
    /// Brings together what is said about each path, and compares it with the file.
    pub(super) fn contents(
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
        let zeros = AtomicU64::new(ALL_ZEROS);
        let mut not_computed = 0u64;
        let (mut batch, mut batch_bytes): (Vec<OnePath>, usize) = (Vec::new(), 0);
        let mut last: Option<OnePath> = None;
        for row in rows.finish()? {
            let (name, value) = row?;
            if last.as_ref().is_none_or(|last| last.name.as_bytes() != &*name) {
                batch.extend(last.take());
                if batch.len() >= BATCH || batch_bytes > BATCH_BYTES {
                    not_computed += self.check_batch(std::mem::take(&mut batch), cancel, &tell, &zeros)?;
                    batch_bytes = 0;
                }
                let name = String::from_utf8(name.into()).map_err(io::Error::other)?;
                last = Some(OnePath { name, ..OnePath::default() });
            }
            if let Some(last) = &mut last {
                batch_bytes += value.len();
                self.add(last, &value)?;
            }
        }
        batch.extend(last);
        not_computed += self.check_batch(batch, cancel, &tell, &zeros)?;
        if not_computed > 0 {
            let note =
                format!("the digest of {not_computed} whole files was not computed anew, because of their holes");
            self.report.notes.push(note);
        }
        Ok(())
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

    /// Gives for how many files the digest of the whole original was not computed.
    fn check_batch(
        &mut self,
        batch: Vec<OnePath>,
        cancel: &AtomicBool,
        tell: Tell<'_>,
        zeros: &AtomicU64,
    ) -> io::Result<u64> {
        let store = self.store;
        let checked: Vec<(OnePath, Checked)> = batch
            .into_par_iter()
            .map(|path| {
                let read = match path.file {
                    Some(file) if !cancel.load(Ordering::Relaxed) => {
                        let opened = store.open(&path.name, file);
                        let read = opened.map(|reader| read(reader, file, &path, cancel, tell, zeros));
                        read.unwrap_or_else(|error| unreadable(&error))
                    }
                    _ => Checked::default(),
                };
                tell(&path.name, 0, u64::from(path.file.is_some()));
                (path, read)
            })
            .collect();
        let mut not_computed = 0;
        for (path, read) in checked {
            self.closed_world(&path);
            for what in read.wrong {
                self.wrong(WrongKind::Changed, &path.name, what);
            }
            not_computed += u64::from(read.not_computed);
            let Some(file) = path.file else { continue };
            let is_payload = path.name.starts_with("data/");
            if is_payload {
                let (files, bytes) = self.sums.payload;
                self.sums.payload = (files + 1, bytes.saturating_add(file.size));
            }
            match read.digested {
                None => self.report.interrupted |= cancel.load(Ordering::Relaxed),
                Some(_) if is_payload => {
                    self.report.files += 1;
                    self.report.bytes = self.report.bytes.saturating_add(file.size);
                }
                Some(digested) => {
                    self.report.tag_files += 1;
                    if let Some(tag) = TAG_FILES.into_iter().find(|tag| *tag == path.name) {
                        self.digests.insert(tag, digested);
                    }
                }
            }
        }
        Ok(not_computed)
    }

    /// Nothing missing, nothing added, everything listed where it belongs, and described as it is.
    fn closed_world(&mut self, path: &OnePath) {
        let name = path.name.as_str();
        let lists = path.stated.as_ref().map_or(0, |stated| stated.lists);
        let is_payload = name.starts_with("data/");
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
                stated.sha256 == described.sha256 && (stated.sha512.is_none() || stated.sha512 == described.sha512)
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

fn unreadable(error: &io::Error) -> Checked {
    Checked { wrong: vec![format!("cannot be read: {error}")], ..Checked::default() }
}

/// Reads a file to its end and compares its digests.
fn read(
    mut reader: Box<dyn Read + Send + '_>,
    file: Member,
    path: &OnePath,
    cancel: &AtomicBool,
    tell: Tell<'_>,
    zeros: &AtomicU64,
) -> Checked {
    let stated = path.stated.as_ref();
    let sha512 = stated.is_some_and(|stated| stated.sha512.is_some());
    let mut digests = Digests::new(Which { sha512, program: false });
    let (mut whole, not_computed) = whole_of(path, zeros);
    let mut block = vec![0; file.size.clamp(1, 1 << 20) as usize];
    loop {
        let mut filled = 0;
        while filled < block.len() {
            match reader.read(&mut block[filled..]) {
                Ok(0) => break,
                Ok(read) => filled += read,
                Err(error) => return unreadable(&error),
            }
        }
        if filled == 0 {
            break;
        }
        if cancel.load(Ordering::Relaxed) {
            return Checked::default();
        }
        digests.update(&block[..filled]);
        if let Some(whole) = &mut whole {
            whole.update(&block[..filled], cancel);
        }
        tell(&path.name, filled as u64, 0);
    }
    let digested = digests.finish();
    let mut wrong = Vec::new();
    let mut compare = |name: &str, stated: Option<&[u8]>, actual: &[u8]| {
        if let Some(stated) = stated.filter(|stated| *stated != actual) {
            wrong.push(format!("its {name} is {}, the manifest says {}", hex(actual), hex(stated)));
        }
    };
    let of = |stated: Option<&Stated>| stated.and_then(|stated| stated.sha256);
    compare("SHA-256", of(stated).as_ref().map(|sha256| sha256.as_slice()), &digested.sha256);
    if let (Some(stated), Some(actual)) = (stated.and_then(|stated| stated.sha512.as_ref()), &digested.sha512) {
        compare("SHA-512", Some(stated), actual);
    }
    if let (Some(whole), Some(stated)) = (whole, path.objects.first().and_then(|object| object.whole.as_ref())) {
        let actual = whole.finish(stated.size, cancel);
        if cancel.load(Ordering::Relaxed) {
            return Checked::default();
        }
        if actual != Some(stated.sha256) {
            wrong
                .push("the digest of the whole file, holes included, is not the one that objects.jsonl has".to_owned());
        }
    }
    Checked { digested: Some(digested), wrong, not_computed }
}

/// What computes the digest of the whole original, where one is recorded and the holes are not too many.
fn whole_of(path: &OnePath, zeros: &AtomicU64) -> (Option<WholeDigest>, bool) {
    let Some(whole) = path.objects.first().and_then(|object| object.whole.as_ref()) else { return (None, false) };
    let Whole { ranges, .. } = whole;
    let begin = || WholeDigest::new(ranges.iter().copied());
    match whole.holes() {
        None => (None, true),
        Some(holes) if holes > MOST_ZEROS => (None, true),
        Some(holes) => {
            let take = |left: u64| left.checked_sub(holes);
            let is_left = zeros.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take).is_ok();
            (is_left.then(begin), !is_left)
        }
    }
}
