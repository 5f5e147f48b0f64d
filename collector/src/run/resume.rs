//! A further part of a collection that was interrupted: it takes from the same source what the earlier parts do not hold
//! whole, and names them.

use super::locate::Wanted;
use super::objects::Kept;
use crate::bundle::{ACTION_LOG_HASH, BundleReader, COUNT, FIRST_PART, FIRST_PART_LOG, GROUP, value, verify};
use crate::error::Error;
use crate::progress::Observer;
use crate::source::{Content, Source, VolumeKind};
use evidence::{Bytes, Item, ItemId, ItemStatus, Items, ProblemKind, hex};
use sha2::{Digest, Sha256};
use std::collections::hash_map::RandomState;
use std::collections::{HashMap, HashSet};
use std::hash::BuildHasher;
use std::io::{self, Read};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

/// An earlier part of the collection.
struct Part {
    reader: BundleReader,
    archive_sha256: String,
    log_head: String,
}

/// The earlier parts of a collection, and what they hold.
pub struct Resume {
    first: PathBuf,
    parts: Vec<Part>,
    /// Part and number of each object that was read to its end. A number for each name is enough to know it again; what
    /// is found by it is compared.
    held: HashMap<u64, (usize, ItemId)>,
    hasher: RandomState,
    temp: PathBuf,
}

/// The name of a part: `X.zip`, `X-part2.zip`, `X-part3.zip`.
fn part_path(first: &Path, number: usize) -> PathBuf {
    if number < 2 {
        return first.to_owned();
    }
    let mut name = first.file_stem().unwrap_or_default().to_owned();
    name.push(format!("-part{number}"));
    if let Some(extension) = first.extension() {
        name.push(".");
        name.push(extension);
    }
    first.with_file_name(name)
}

/// The first part, by the name of any.
fn first_of(path: &Path) -> PathBuf {
    let stem = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
    let Some((stem, number)) = stem.rsplit_once("-part") else { return path.to_owned() };
    if number.is_empty() || !number.bytes().all(|byte| byte.is_ascii_digit()) {
        return path.to_owned();
    }
    let mut name = std::ffi::OsString::from(stem);
    if let Some(extension) = path.extension() {
        name.push(".");
        name.push(extension);
    }
    path.with_file_name(name)
}

impl Resume {
    /// Opens the parts that are there: the bundle that is given, and those beside it that belong to it by their names. Each
    /// is verified. An error says which cannot be gone on from.
    pub fn open(path: &Path, threads: usize, cancel: &AtomicBool, observer: &dyn Observer) -> Result<Self, Error> {
        let first = first_of(path);
        let temp = std::path::absolute(&first).unwrap_or_else(|_| first.clone());
        let temp = temp.parent().unwrap_or(Path::new(".")).to_owned();
        let mut resume = Resume { first, parts: Vec::new(), held: HashMap::new(), hasher: RandomState::new(), temp };
        let mut status = String::new();
        for number in 1.. {
            let path = part_path(&resume.first, number);
            if number > 1 && path.symlink_metadata().is_err() {
                break;
            }
            let refused = |why: &str| Error::NotResumable { path: path.clone(), why: why.to_owned() };
            if !verify(&path, threads, cancel, observer)?.is_right() {
                return Err(refused(
                    "it is not valid, so that nobody knows what it holds; `verify` says what is wrong",
                ));
            }
            let part = Part::open(&path)?;
            let info = part.reader.text("bag-info.txt")?;
            let group = value(&info, GROUP).map(str::to_owned);
            if number > 1 && group.as_deref() != Some(resume.group()) {
                return Err(refused("it is called as a part of this collection, and is none"));
            }
            status = value(&info, "Collector-Status").unwrap_or_default().to_owned();
            resume.take(part);
        }
        match status.as_str() {
            "interrupted" | "recovered" => Ok(resume),
            _ => Err(Error::NotResumable {
                path: path.to_owned(),
                why: format!("its last part is {status}, so that nothing is left to be collected"),
            }),
        }
    }

    /// Where the further part goes.
    pub fn destination(&self) -> PathBuf {
        part_path(&self.first, self.parts.len() + 1)
    }

    /// What all parts share: the name of the first bag.
    fn group(&self) -> &str {
        self.parts.first().map_or("", |part| part.reader.bag())
    }

    fn take(&mut self, part: Part) {
        let number = self.parts.len();
        // What was not read to its end is read again.
        let ended: HashSet<&str> = part
            .reader
            .failures()
            .iter()
            .filter(|problem| problem.kind == ProblemKind::Interrupted)
            .map(|problem| problem.item.as_str())
            .collect();
        part.reader.items().each(&mut |item| {
            let is_whole = item.status != ItemStatus::Failed && !ended.contains(item.original_path.as_str());
            if is_whole && item.bundle_path.is_some() {
                self.held.insert(self.hasher.hash_one(key_of(item)), (number, item.id));
            }
        });
        drop(ended);
        self.parts.push(part);
    }

    /// Says why this is not the source that the earlier parts were collected from, if it is not.
    pub(crate) fn refuse_other(&self, source: &Source, name: &str) -> Result<(), Error> {
        let Some(part) = self.parts.first() else { return Ok(()) };
        let other = |why: String| Err(Error::NotResumable { path: self.first.clone(), why });
        let host = part.reader.host();
        let was = host["name"].as_str().unwrap_or_default();
        if was != name && host["source"]["kind"] != "not known" {
            return other(format!("it is of the host {was}, and this source is of {name}"));
        }
        for volume in host["volumes"].as_array().into_iter().flatten() {
            let id = volume["id"].as_str().unwrap_or_default();
            let kind = volume["kind"].as_str().unwrap_or_default();
            // What the live system answers, and what its services export, is made anew each time.
            if [VolumeKind::Live.name(), VolumeKind::Loose.name()].contains(&kind) {
                continue;
            }
            let Some((now, _)) = source.volumes.iter().find(|(now, _)| now.id == id) else {
                return other(format!("it has a volume {id}, which this source has not"));
            };
            let serial = now.serial.map(|serial| format!("{serial:016X}"));
            if volume["serial"].as_str() != serial.as_deref() {
                let (a, b) = (volume["serial"].as_str().unwrap_or("none"), serial.as_deref().unwrap_or("none"));
                return other(format!("its volume {id} has the serial number {a}, here it is {b}"));
            }
            if volume["size"].as_u64() != Some(now.size) {
                return other(format!("its volume {id} has {} bytes, here it has {}", volume["size"], now.size));
            }
        }
        Ok(())
    }

    /// What the first action says of the earlier parts.
    pub(super) fn about(&self) -> Vec<(&'static str, serde_json::Value)> {
        let mut about = vec![("part", (self.parts.len() + 1).into())];
        if let Some(first) = self.parts.first() {
            about.push(("first_part", first.reader.bag().into()));
            about.push(("first_part_archive_sha256", first.archive_sha256.clone().into()));
            about.push((FIRST_PART_LOG, first.log_head.clone().into()));
        }
        if let Some(last) = self.parts.last().filter(|_| self.parts.len() > 1) {
            about.push(("part_before", last.reader.bag().into()));
            about.push(("part_before_archive_sha256", last.archive_sha256.clone().into()));
            about.push(("part_before_log_sha256", last.log_head.clone().into()));
        }
        about
    }

    /// Lines of `bag-info.txt` that the further part has.
    pub(super) fn labels(&self) -> Vec<(String, String)> {
        let mut labels = vec![
            (GROUP.to_owned(), self.group().to_owned()),
            (COUNT.to_owned(), format!("{} of ?", self.parts.len() + 1)),
        ];
        if let Some(first) = self.parts.first() {
            labels.push((FIRST_PART.to_owned(), first.archive_sha256.clone()));
        }
        labels
    }

    /// The object, if an earlier part holds it whole.
    pub(super) fn holds(&self, source: &Source, wanted: &Wanted) -> Option<Kept> {
        let volume = wanted.located.volume;
        let exact = wanted.original_path_raw.as_ref().unwrap_or(&wanted.original_path);
        let (_, full_path, deleted) = wanted.key();
        let (part, item) = self.find(&source.volumes[volume].0.id, exact, deleted)?;
        let deleted = deleted.is_some().then(|| Box::new(wanted.located.found.clone()));
        Some(Kept { item, volume, full_path, deleted, held: Some(part), unreadable: Vec::new() })
    }

    /// The object of this path that an earlier part holds whole, and which part that is.
    pub(super) fn find(&self, volume: &str, path: &str, deleted: Option<(u64, u16)>) -> Option<(usize, Item)> {
        let (part, id) = *self.held.get(&self.hasher.hash_one((volume, path, deleted)))?;
        let item = self.parts[part].reader.items().by_id(id)?.into_owned();
        (key_of(&item) == (volume, path, deleted)).then_some((part, item))
    }

    /// The bytes of an object that an earlier part holds.
    pub(super) fn open_item(&self, part: usize, item: &Item) -> Result<Box<dyn Content>, String> {
        let part = self.parts.get(part).ok_or("there is no such part")?;
        let bytes = part.reader.open_item(item, &self.temp).map_err(|error| error.to_string())?;
        Ok(Box::new(Earlier(bytes)))
    }
}

/// What tells an object apart: volume, path, and the file record of a deleted file.
fn key_of(item: &Item) -> (&str, &str, Option<(u64, u16)>) {
    let reference = item.recovery.and(item.mft_entry.zip(item.mft_sequence));
    (&item.volume, item.exact_path(), reference)
}

impl Part {
    fn open(path: &Path) -> Result<Self, Error> {
        let failed = |source| Error::OpenSource { path: path.to_owned(), source };
        let reader = BundleReader::open(path)?;
        let info = reader.text("bag-info.txt")?;
        let log_head = value(&info, ACTION_LOG_HASH).unwrap_or_default().to_owned();
        let mut file = std::fs::File::open(path).map_err(failed)?;
        let (mut sha256, mut buffer) = (Sha256::new(), vec![0; 1 << 20]);
        loop {
            match file.read(&mut buffer) {
                Ok(0) => break,
                Ok(read) => sha256.update(&buffer[..read]),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(failed(error)),
            }
        }
        Ok(Part { reader, archive_sha256: hex(&sha256.finalize()), log_head })
    }
}

/// An object of an earlier part.
struct Earlier(Box<dyn Bytes>);

impl Bytes for Earlier {
    fn len(&self) -> u64 {
        self.0.len()
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read_at(offset, buffer)
    }

    fn next_data(&self, offset: u64) -> u64 {
        self.0.next_data(offset)
    }

    fn as_slice(&self) -> Option<&[u8]> {
        self.0.as_slice()
    }
}

impl Content for Earlier {
    fn data_ranges(&self) -> Vec<Range<u64>> {
        std::iter::once(0..self.0.len()).collect()
    }
}
