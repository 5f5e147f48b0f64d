//! Reads a bundle back, for the analysis.

use super::VerifyReport;
use super::items::{AcceptedItems, Builder, ItemTable, NOWHERE};
use super::stored::{Hashing, Stored};
use super::verify::{folder, root_in, verify_open};
use super::{FAILURES, HOST, OBJECTS, TAG_MANIFEST, TOOL, failures};
use crate::Error;
use crate::digest::hex;
use crate::file_bytes::FileBytes;
use crate::progress::Observer;
use crate::spill::Spill;
use crate::zip::reader::Directory;
use evidence::{Bytes, Item, Items, KeyIndex, Problem, StoredRange};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, HashMap};
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

/// Longest line of metadata.
const MAX_LINE: u64 = 16 << 20;
/// Longest single metadata document.
const MAX_DOCUMENT: u64 = 16 << 20;

/// Most files beside the payload of which a bundle is read.
const MAX_METADATA: usize = 1_000;

/// An opened bundle. Opening does not verify it; each object is checked against its SHA-256 when it is opened.
///
/// What it keeps in memory for an object is a few bytes, so that a bundle can have millions of them.
pub struct BundleReader {
    pub(super) path: PathBuf,
    pub(super) store: Stored,
    root: String,
    /// Where the files beside the payload are listed, by path in the bag.
    metadata: HashMap<String, u64>,
    pub(super) items: ItemTable,
    pub(super) failures: Vec<Problem>,
    host: serde_json::Value,
    tool: serde_json::Value,
    /// The further parts of the collection, where there are any.
    pub(super) others: Vec<BundleReader>,
}

/// A bundle that was opened. Verification and reading of an archive use the same handle, so that nobody can put another
/// file in its place between them. Of a folder see [`BundleReader::is_as_verified`].
pub struct OpenBundle {
    path: PathBuf,
    opened: Opened,
}

enum Opened {
    Archive(FileBytes),
    /// Where the bag lies, and its name.
    Folder(PathBuf, String),
}

impl OpenBundle {
    /// Opens the file, or the folder that a bundle was unpacked to.
    pub fn open(path: &Path) -> Result<Self, Error> {
        if path.is_dir() {
            let (root, name) = folder::locate(path)?;
            return Ok(OpenBundle { path: path.to_owned(), opened: Opened::Folder(root, name) });
        }
        let bytes = FileBytes::open(path).map_err(|source| Error::OpenSource { path: path.to_owned(), source })?;
        Ok(OpenBundle { path: path.to_owned(), opened: Opened::Archive(bytes) })
    }

    /// Verifies it, on the threads of the pool that this runs in. An error says that it cannot even be listed.
    pub fn verify(&self, cancel: &AtomicBool, observer: &dyn Observer) -> Result<VerifyReport, Error> {
        match &self.opened {
            Opened::Archive(bytes) => verify_open(bytes, &self.path, cancel, observer),
            Opened::Folder(..) => folder::verify(&self.path, cancel, observer),
        }
    }

    /// Reads what it says of itself, for the analysis. What does not fit into memory is put where `spill` says.
    pub fn read(self, spill: &Spill) -> Result<BundleReader, Error> {
        match self.opened {
            Opened::Archive(bytes) => BundleReader::of(bytes, &self.path, spill),
            Opened::Folder(root, name) => {
                let store = Stored::of_folder(root, spill);
                let store = store.map_err(|source| Error::OpenSource { path: self.path.clone(), source })?;
                BundleReader::stored(store, &self.path, name, Listing::default(), spill)
            }
        }
    }
}

/// Where the files of a bag are listed in its archive, by path in the bag.
#[derive(Default)]
struct Listing {
    index: KeyIndex,
    places: Vec<u64>,
    /// The files beside the payload.
    metadata: HashMap<String, u64>,
}

impl Listing {
    fn add(&mut self, file: &str, place: u64) -> Result<(), String> {
        let number = u32::try_from(self.places.len()).map_err(|_| "it has too many files".to_owned())?;
        self.index.add(file, number);
        self.places.push(place);
        if !file.starts_with("data/") {
            if self.metadata.len() >= MAX_METADATA {
                return Err(format!("it has more than {MAX_METADATA} files beside the payload"));
            }
            self.metadata.insert(file.to_owned(), place);
        }
        Ok(())
    }

    /// Makes it ready. `name_at` gives the path in the bag of what is listed at a place.
    fn finish(&mut self, name_at: &dyn Fn(u64) -> Option<String>) -> Result<(), String> {
        self.index.sort();
        for group in self.index.groups() {
            let mut names: Vec<String> =
                group.iter().filter_map(|number| name_at(*self.places.get(*number as usize)?)).collect();
            names.sort_unstable();
            // With two entries of one name nobody can tell which one was meant, so there is none to be read.
            if let Some(twice) = names.windows(2).find(|pair| pair[0] == pair[1]) {
                return Err(format!("{} is in it twice", twice[0]));
            }
        }
        Ok(())
    }

    fn find(&self, file: &str, name_at: &dyn Fn(u64) -> Option<String>) -> Option<u64> {
        let places = self.index.candidates(file).filter_map(|number| self.places.get(number as usize).copied());
        places.into_iter().find(|place| name_at(*place).as_deref() == Some(file))
    }
}

impl BundleReader {
    /// Opens a bundle. What does not fit into memory is put beside it.
    pub fn open(path: &Path) -> Result<Self, Error> {
        BundleReader::open_with(path, &Spill::beside(path))
    }

    /// Opens a bundle. What does not fit into memory is put where `spill` says.
    pub fn open_with(path: &Path, spill: &Spill) -> Result<Self, Error> {
        OpenBundle::open(path)?.read(spill)
    }

    /// Reads a bundle that is open.
    fn of(bytes: FileBytes, path: &Path, spill: &Spill) -> Result<Self, Error> {
        let not_a_bundle = |why: String| Error::NotABundle { path: path.to_owned(), why };
        let mut root = None;
        let found = Directory::look(&bytes, &mut |_, entry| {
            root = root.take().or_else(|| root_in(&entry.name).map(str::to_owned));
            Ok(())
        });
        found.map_err(|error| not_a_bundle(error.to_string()))?;
        let root =
            root.ok_or_else(|| not_a_bundle("there is no bagit.txt in a folder at the top of the archive".to_owned()))?;
        let prefix = format!("{root}/");
        let mut listing = Listing::default();
        let directory = Directory::look(&bytes, &mut |place, entry| match entry.name.strip_prefix(&prefix) {
            Some(file) => listing.add(file, place).map_err(io::Error::other),
            None => Ok(()),
        });
        let directory = directory.map_err(|error| not_a_bundle(error.to_string()))?;
        let name_at = |place| directory.entry(&bytes, place).ok()?.name.strip_prefix(&prefix).map(str::to_owned);
        listing.finish(&name_at).map_err(not_a_bundle)?;
        BundleReader::stored(Stored::Archive { bytes, directory }, path, root, listing, spill)
    }

    /// Reads what a bundle says of itself.
    fn stored(store: Stored, path: &Path, root: String, mut listing: Listing, spill: &Spill) -> Result<Self, Error> {
        let metadata = std::mem::take(&mut listing.metadata);
        let empty = Builder::new(spill).finish().map_err(|error| Error::write(path, error))?;
        let mut reader = BundleReader {
            path: path.to_owned(),
            store,
            root,
            metadata,
            items: empty,
            failures: Vec::new(),
            host: serde_json::Value::Null,
            tool: serde_json::Value::Null,
            others: Vec::new(),
        };
        reader.items = reader.read_items(&listing, spill)?;
        let mut problems = Vec::new();
        reader.each_line(FAILURES, &mut |line| {
            let value = serde_json::from_str(line).map_err(|error| error.to_string())?;
            problems.push(failures::from_json(&value).ok_or("it describes no problem")?);
            Ok(())
        })?;
        reader.host = reader.document(HOST)?;
        reader.tool = reader.document(TOOL)?;
        reader.failures = problems;
        Ok(reader)
    }

    fn read_items(&self, listing: &Listing, spill: &Spill) -> Result<ItemTable, Error> {
        let prefix = format!("{}/", self.root);
        let name_at = |place| self.store.name(place)?.strip_prefix(&prefix).map(str::to_owned);
        let is_folder = matches!(self.store, Stored::Folder { .. });
        // In a folder a file is found by its path, whatever the place.
        let find = |file: &str| if is_folder { Some(0) } else { listing.find(file, &name_at) };
        let mut builder = Builder::new(spill);
        self.each_line(OBJECTS, &mut |line| {
            let item: Item = serde_json::from_str(line).map_err(|error| error.to_string())?;
            if item.id.0 as usize != builder.len() {
                return Err(format!("the id {} is not the place of the object", item.id.0));
            }
            let place = item.bundle_path.as_deref().and_then(find).unwrap_or(NOWHERE);
            builder.push(line, place).map_err(|error| error.to_string())
        })?;
        builder.finish().map_err(|error| self.damaged(OBJECTS, error))
    }

    /// The objects as they are where their bytes are not those that were sealed: each such object has the SHA-256 and the
    /// length of what is there. Who asks for this has to say so of everything that rests on them. Objects that cannot be
    /// read, or with holes and of another length, stay as they are described and cannot be opened.
    pub fn accept_changed(&self, is_changed: &dyn Fn(&Item) -> bool) -> AcceptedItems<'_> {
        let mut changed = BTreeMap::new();
        self.items.each(&mut |item| {
            let Some(file) = item.bundle_path.as_deref().filter(|_| is_changed(item)) else { return };
            let (part, place) = self.located(item.id);
            let Ok((size, inner)) = part.stored_at(file, place) else { return };
            if size != item.stored_size && !item.stored_ranges.is_empty() {
                return;
            }
            let mut hashing = Hashing { inner, sha256: Sha256::new() };
            if io::copy(&mut hashing, &mut io::sink()).is_ok() {
                changed.insert(item.id, (hex(&hashing.sha256.finalize()), size));
            }
        });
        AcceptedItems::new(&self.items, changed)
    }

    /// Name of the bag.
    pub fn bag(&self) -> &str {
        &self.root
    }

    /// Every object, in the order of the original paths.
    pub fn items(&self) -> &ItemTable {
        &self.items
    }

    /// What went wrong while it was collected.
    pub fn failures(&self) -> &[Problem] {
        &self.failures
    }

    /// `metadata/host.json`: source, volumes, and what was known about the host.
    pub fn host(&self) -> &serde_json::Value {
        &self.host
    }

    /// `metadata/tool.json`: the program that collected.
    pub fn tool(&self) -> &serde_json::Value {
        &self.tool
    }

    /// SHA-256 of `tagmanifest-sha256.txt` in lower-case hexadecimal: it covers the manifest and so every object.
    pub fn tag_manifest_sha256(&self) -> Result<String, Error> {
        let mut bytes = Vec::new();
        let mut reader = self.read(TAG_MANIFEST)?.take(MAX_DOCUMENT);
        reader.read_to_end(&mut bytes).map_err(|error| self.damaged(TAG_MANIFEST, error))?;
        Ok(hex(&Sha256::digest(&bytes)))
    }

    fn damaged(&self, item: &str, why: impl ToString) -> Error {
        Error::DamagedBundle { path: self.path.clone(), item: item.to_owned(), why: why.to_string() }
    }

    /// Length and content of a file that is listed at a place.
    fn stored_at(&self, file: &str, place: Option<u64>) -> Result<(u64, Box<dyn Read + Send + '_>), Error> {
        let missing = || self.damaged(file, "it is missing");
        let place = place.ok_or_else(missing)?;
        self.store.open(file, place).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => missing(),
            _ => self.damaged(file, error),
        })
    }

    fn read(&self, file: &str) -> Result<Box<dyn Read + Send + '_>, Error> {
        let place = match &self.store {
            Stored::Archive { .. } => self.metadata.get(file).copied(),
            Stored::Folder { described, .. } => described.get(file).map(|_| 0),
        };
        Ok(self.stored_at(file, place)?.1)
    }

    /// Whether what describes it is what this verification of it found valid. Of an archive that is so; the files of a folder
    /// could have been changed after they were verified. Objects are compared with their digests when they are opened.
    pub fn is_as_verified(&self, report: &VerifyReport) -> Result<bool, Error> {
        self.store.is_as_verified(report).map_err(|error| self.damaged(TAG_MANIFEST, error))
    }

    /// A short file that describes the bag.
    pub(crate) fn text(&self, file: &str) -> Result<String, Error> {
        let mut text = String::new();
        let mut reader = self.read(file)?.take(MAX_DOCUMENT);
        reader.read_to_string(&mut text).map_err(|error| self.damaged(file, error))?;
        Ok(text)
    }

    fn each_line(&self, file: &str, take: &mut dyn FnMut(&str) -> Result<(), String>) -> Result<(), Error> {
        let mut reader = BufReader::new(self.read(file)?);
        let mut line = Vec::new();
        for number in 1u64.. {
            line.clear();
            let read = (&mut reader).take(MAX_LINE).read_until(b'\n', &mut line);
            if read.map_err(|error| self.damaged(file, error))? == 0 {
                break;
            }
            let text = std::str::from_utf8(&line).map_err(|error| self.damaged(file, error))?;
            take(text).map_err(|why| self.damaged(file, format!("line {number}: {why}")))?;
        }
        Ok(())
    }

    fn document(&self, file: &str) -> Result<serde_json::Value, Error> {
        serde_json::from_reader(self.read(file)?.take(MAX_DOCUMENT)).map_err(|error| self.damaged(file, error))
    }

    /// The bytes of an object at their original offsets, holes as zeros. Short ones are in memory, long ones in a
    /// file in `temp_folder` that vanishes with them. An error when the SHA-256 is not the one that `objects.jsonl`
    /// states, so nothing is ever analyzed that is not what was collected.
    pub fn open_item(&self, item: &Item, temp_folder: &Path) -> Result<Box<dyn Bytes>, Error> {
        self.open_item_with(item, &Spill::into_folder(temp_folder))
    }

    /// The same, where the spill says how long what stays in memory may be.
    pub fn open_item_with(&self, item: &Item, spill: &Spill) -> Result<Box<dyn Bytes>, Error> {
        let file =
            item.bundle_path.as_deref().ok_or_else(|| self.damaged(&item.original_path, "nothing was collected"))?;
        let (part, place) = self.located(item.id);
        part.open_at(item, file, place, spill)
    }

    fn open_at(&self, item: &Item, file: &str, place: Option<u64>, spill: &Spill) -> Result<Box<dyn Bytes>, Error> {
        let (size, inner) = self.stored_at(file, place)?;
        if size != item.stored_size {
            return Err(self.damaged(file, "it is not as long as objects.jsonl says"));
        }
        let mut hashing = Hashing { inner, sha256: Sha256::new() };
        let bytes = spill.keep(&mut hashing, item.stored_size).map_err(|error| {
            match error.kind() {
                // No fault of the bundle: there is no room for what does not fit into memory.
                io::ErrorKind::StorageFull
                | io::ErrorKind::QuotaExceeded
                | io::ErrorKind::PermissionDenied
                | io::ErrorKind::ReadOnlyFilesystem
                | io::ErrorKind::NotFound => Error::write(spill.folder(), error),
                _ => self.damaged(file, error),
            }
        })?;
        let sha256 = hex(&hashing.sha256.finalize());
        if sha256 != item.sha256 {
            return Err(self.damaged(file, format!("its SHA-256 is {sha256}, objects.jsonl says {}", item.sha256)));
        }
        if item.stored_ranges.is_empty() {
            return Ok(bytes);
        }
        let sparse = Sparse::new(bytes, item.stored_ranges.clone(), item.size)
            .ok_or_else(|| self.damaged(OBJECTS, format!("the stored ranges of {file} are impossible")))?;
        Ok(Box::new(sparse))
    }
}

/// A payload without its holes, at its original offsets.
struct Sparse {
    stored: Box<dyn Bytes>,
    ranges: Vec<StoredRange>,
    size: u64,
}

impl Sparse {
    fn new(stored: Box<dyn Bytes>, ranges: Vec<StoredRange>, size: u64) -> Option<Self> {
        let (mut offset, mut stored_at) = (0, 0);
        for range in &ranges {
            if range.offset < offset || range.stored_at != stored_at {
                return None;
            }
            offset = range.offset.checked_add(range.length)?;
            stored_at = stored_at.checked_add(range.length)?;
        }
        (offset <= size && stored_at == stored.len()).then_some(Sparse { stored, ranges, size })
    }
}

impl Bytes for Sparse {
    fn len(&self) -> u64 {
        self.size
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.size.saturating_sub(offset)).unwrap_or(usize::MAX);
        let wanted = left.min(buffer.len());
        let next = self.ranges.partition_point(|range| range.offset + range.length <= offset);
        let Some(range) = self.ranges.get(next) else {
            buffer[..wanted].fill(0);
            return Ok(wanted);
        };
        if offset < range.offset {
            let hole = usize::try_from(range.offset - offset).unwrap_or(usize::MAX).min(wanted);
            buffer[..hole].fill(0);
            return Ok(hole);
        }
        let inside = offset - range.offset;
        let count = usize::try_from(range.length - inside).unwrap_or(usize::MAX).min(wanted);
        self.stored.read_at(range.stored_at + inside, &mut buffer[..count])
    }

    fn next_data(&self, offset: u64) -> u64 {
        StoredRange::next_data(&self.ranges, self.size, offset)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(offset: u64, stored_at: u64, length: u64) -> StoredRange {
        StoredRange { offset, stored_at, length }
    }

    #[test]
    fn holes_are_zeros_again() {
        let stored = || Box::new(b"abcdef".to_vec()) as Box<dyn Bytes>;
        let sparse = Sparse::new(stored(), vec![range(2, 0, 2), range(7, 2, 4)], 13).unwrap();
        assert_eq!(sparse.read_all(100).unwrap().unwrap(), b"\0\0ab\0\0\0cdef\0\0");
        for offset in 0..14 {
            let mut byte = [9];
            let read = sparse.read_at(offset, &mut byte).unwrap();
            assert_eq!(read, usize::from(offset < 13));
        }
        let next: Vec<u64> = (0..14).map(|offset| sparse.next_data(offset)).collect();
        assert_eq!(next, [2, 2, 2, 3, 7, 7, 7, 7, 8, 9, 10, 13, 13, 13]);
        for ranges in [
            vec![range(2, 0, 7)],
            vec![range(2, 1, 6)],
            vec![range(2, 0, 2), range(3, 2, 4)],
            vec![range(9, 0, 6)],
            vec![range(u64::MAX, 0, 6)],
        ] {
            assert!(Sparse::new(stored(), ranges.clone(), 13).is_none(), "{ranges:?}");
        }
    }
}
