//! Reads a bundle back, for the analysis.

use super::VerifyReport;
use super::flowing::{Failure, Flowing, Watch};
use super::items::{AcceptedItems, Builder, ItemTable, NOWHERE};
use super::stored::{Stored, sha256_of};
use super::verify::{Comparing, Expected, Store, Structure, folder, root_in};
use super::verifying::Verifying;
use super::{FAILURES, HOST, OBJECTS, TAG_MANIFEST, TOOL, failures};
use crate::Error;
use crate::file_bytes::FileBytes;
use crate::progress::Observer;
use crate::spill::{Spill, is_no_room};
use crate::zip::reader::Directory;
use evidence::{Bytes, Item, Items, KeyIndex, Problem, StoredRange, hex};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, HashMap};
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64};

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
    /// SHA-256 of the files that describe the bag, as they were read.
    described: BTreeMap<&'static str, [u8; 32]>,
    /// Of a bundle whose objects are verified while they are read: how far that is.
    verifying: Option<Arc<Verifying>>,
    /// All of its archive was verified: of an object that is opened only the checksum of the archive is compared.
    is_verified: bool,
    /// Why the bytes of an object that was opened already could not be had, where no parser is to blame.
    failure: Failure,
    /// The further parts of the collection, where there are any.
    pub(super) others: Vec<BundleReader>,
}

/// A bundle that was opened. Verification and reading of an archive use the same handle, so that nobody can put another
/// file in its place between them. The files of a folder are compared with their digests whenever they are read.
pub struct OpenBundle {
    path: PathBuf,
    /// Name of the bag.
    root: String,
    opened: Opened,
}

enum Opened {
    Archive(Arc<dyn Bytes>, Directory),
    /// Where the bag lies.
    Folder(PathBuf),
}

impl OpenBundle {
    /// Opens the file, or the folder that a bundle was unpacked to.
    pub fn open(path: &Path) -> Result<Self, Error> {
        if path.is_dir() {
            let (place, root) = folder::locate(path)?;
            return Ok(OpenBundle { path: path.to_owned(), root, opened: Opened::Folder(place) });
        }
        let bytes = FileBytes::open(path).map_err(|source| Error::OpenSource { path: path.to_owned(), source })?;
        OpenBundle::of(Arc::new(bytes), path)
    }

    /// The bundle in these bytes.
    pub(super) fn of(bytes: Arc<dyn Bytes>, path: &Path) -> Result<Self, Error> {
        let not_a_bundle = |why: String| Error::NotABundle { path: path.to_owned(), why };
        let mut root = None;
        let directory = Directory::look(&*bytes, &mut |_, entry| {
            root = root.take().or_else(|| root_in(&entry.name).map(str::to_owned));
            Ok(())
        });
        let directory = directory.map_err(|error| not_a_bundle(error.to_string()))?;
        let root =
            root.ok_or_else(|| not_a_bundle("there is no bagit.txt in a folder at the top of the archive".to_owned()))?;
        Ok(OpenBundle { path: path.to_owned(), root, opened: Opened::Archive(bytes, directory) })
    }

    fn store(&self) -> Store<'_> {
        match &self.opened {
            Opened::Archive(bytes, directory) => Store::Archive { bytes: &**bytes, directory },
            Opened::Folder(root) => Store::Folder(root),
        }
    }

    fn failed(&self) -> impl Fn(io::Error) -> Error + use<> {
        let path = self.path.clone();
        move |source| Error::OpenSource { path: path.clone(), source }
    }

    /// Verifies everything but the objects, on the threads of the pool that this runs in.
    pub fn structure(&self, cancel: &AtomicBool, observer: &dyn Observer) -> Result<Structure, Error> {
        let spill = match &self.opened {
            Opened::Archive(..) => Spill::beside(&self.path),
            // Rows that do not fit into memory go beside the folder, never into it.
            Opened::Folder(root) => Spill::beside(root),
        };
        Structure::of(self.store(), spill, self.root.clone(), cancel, observer).map_err(self.failed())
    }

    /// Verifies the objects, where nobody else reads them.
    pub fn contents(
        &self,
        structure: Structure,
        cancel: &AtomicBool,
        observer: &dyn Observer,
    ) -> Result<VerifyReport, Error> {
        structure.contents(self.store(), &|_| false, cancel, observer).map_err(self.failed())
    }

    /// Verifies all of it right after it was written, by one digest of each object.
    pub(super) fn written(&self, cancel: &AtomicBool, observer: &dyn Observer) -> Result<VerifyReport, Error> {
        let structure = self.structure(cancel, observer)?;
        structure.written(self.store(), cancel, observer).map_err(self.failed())
    }

    /// Verifies all of it. An error says that it cannot even be listed.
    pub fn verify(&self, cancel: &AtomicBool, observer: &dyn Observer) -> Result<VerifyReport, Error> {
        self.contents(self.structure(cancel, observer)?, cancel, observer)
    }

    /// Reads what it says of itself, for the analysis. What does not fit into memory is put where `spill` says.
    pub fn read(self, spill: &Spill) -> Result<BundleReader, Error> {
        let failed = self.failed();
        let OpenBundle { path, root, opened } = self;
        match opened {
            Opened::Archive(bytes, directory) => BundleReader::of(bytes, directory, &path, root, spill),
            Opened::Folder(place) => {
                let store = Stored::of_folder(place, spill).map_err(failed)?;
                BundleReader::stored(store, &path, root, Listing::default(), spill)
            }
        }
    }

    /// The same for a bundle of which only the structure was verified: every object is verified when it is opened for the
    /// first time, and [`BundleReader::verified`] reads what nobody opened. Whoever sets `cancel` ends it.
    pub fn read_verifying(
        self,
        structure: Structure,
        spill: &Spill,
        cancel: &'static AtomicBool,
    ) -> Result<BundleReader, Error> {
        let mut reader = self.read(spill)?;
        let verifying = Verifying::new(structure, &reader.store, reader.items.count(), cancel);
        reader.verifying = Some(Arc::new(verifying));
        Ok(reader)
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
    fn of(
        bytes: Arc<dyn Bytes>,
        directory: Directory,
        path: &Path,
        root: String,
        spill: &Spill,
    ) -> Result<Self, Error> {
        let not_a_bundle = |why: String| Error::NotABundle { path: path.to_owned(), why };
        let prefix = format!("{root}/");
        let mut listing = Listing::default();
        let listed = Directory::look(&*bytes, &mut |place, entry| match entry.name.strip_prefix(&prefix) {
            Some(file) => listing.add(file, place).map_err(io::Error::other),
            None => Ok(()),
        });
        listed.map_err(|error| not_a_bundle(error.to_string()))?;
        let name_at = |place| directory.entry(&*bytes, place).ok()?.name.strip_prefix(&prefix).map(str::to_owned);
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
            described: BTreeMap::new(),
            verifying: None,
            is_verified: false,
            failure: Failure::default(),
            others: Vec::new(),
        };
        let (items, of_objects) = reader.read_items(&listing, spill)?;
        let mut problems = Vec::new();
        let of_failures = reader.each_line(FAILURES, &mut |line| {
            let value = serde_json::from_str(line).map_err(|error| error.to_string())?;
            problems.push(failures::from_json(&value).ok_or("it describes no problem")?);
            Ok(())
        })?;
        let (host, of_host) = reader.document(HOST)?;
        let (tool, of_tool) = reader.document(TOOL)?;
        let read = [(OBJECTS, of_objects), (FAILURES, of_failures), (HOST, of_host), (TOOL, of_tool)];
        reader.described = read.into();
        (reader.items, reader.failures, reader.host, reader.tool) = (items, problems, host, tool);
        Ok(reader)
    }

    fn read_items(&self, listing: &Listing, spill: &Spill) -> Result<(ItemTable, [u8; 32]), Error> {
        let prefix = format!("{}/", self.root);
        let name_at = |place| self.store.name(place)?.strip_prefix(&prefix).map(str::to_owned);
        let is_folder = matches!(self.store, Stored::Folder { .. });
        // In a folder a file is found by its path; its place is the number of the object.
        let find = |file: &str, number| if is_folder { Some(number) } else { listing.find(file, &name_at) };
        let mut builder = Builder::new(spill);
        let sha256 = self.each_line(OBJECTS, &mut |line| {
            let item: Item = serde_json::from_str(line).map_err(|error| error.to_string())?;
            if item.id.0 as usize != builder.len() {
                return Err(format!("the id {} is not the place of the object", item.id.0));
            }
            let number = u64::from(item.id.0);
            let place = item.bundle_path.as_deref().and_then(|file| find(file, number)).unwrap_or(NOWHERE);
            builder.push(line, place).map_err(|error| error.to_string())
        })?;
        Ok((builder.finish().map_err(|error| self.damaged(OBJECTS, error))?, sha256))
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
            if let Ok(sha256) = sha256_of(inner) {
                changed.insert(item.id, (hex(&sha256), size));
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

    /// Whether what describes it is what this verification of it found valid.
    pub fn is_as_verified(&self, report: &VerifyReport) -> Result<bool, Error> {
        let mut read = self.described.clone();
        for file in ["bag-info.txt", TAG_MANIFEST] {
            // Those that are missing are not in the report either.
            if let Ok(reader) = self.read(file) {
                read.insert(file, sha256_of(reader).map_err(|error| self.damaged(file, error))?);
            }
        }
        Ok(read.iter().all(|(file, sha256)| report.tags.get(file) == Some(sha256)))
    }

    /// The same; where it is so, and nothing was wrong with any object, none of the archive is hashed again when it is
    /// opened. Its length and its CRC-32 are still compared, which a medium that fails meanwhile does not pass.
    pub fn rely_on(&mut self, report: &VerifyReport) -> Result<bool, Error> {
        let is_same = self.is_as_verified(report)?;
        let is_archive = matches!(self.store, Stored::Archive { .. });
        self.is_verified = is_same && is_archive && self.verifying.is_none() && report.is_right();
        Ok(is_same)
    }

    /// Where the bundle lies.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether objects are verified when they are opened. An error of opening one then says that it is not what was sealed.
    pub fn is_verifying(&self) -> bool {
        self.verifying.is_some()
    }

    /// Verifies the objects that nobody opened, and ends the verification. One whose bytes were wrong when it was opened is
    /// read again, so that the report says what is wrong with it. An error also where it was verified before.
    pub fn end_verifying(&self, cancel: &AtomicBool, observer: &dyn Observer) -> Result<VerifyReport, Error> {
        let begun = self.verifying.as_ref().ok_or_else(|| io::Error::other("it was verified before"));
        let report = begun.and_then(|verifying| verifying.end(self.store.as_store(), cancel, observer));
        report.map_err(|source| Error::OpenSource { path: self.path.clone(), source })
    }

    /// A short file that describes the bag.
    pub(crate) fn text(&self, file: &str) -> Result<String, Error> {
        let mut text = String::new();
        let mut reader = self.read(file)?.take(MAX_DOCUMENT);
        reader.read_to_string(&mut text).map_err(|error| self.damaged(file, error))?;
        Ok(text)
    }

    /// Calls for each line; gives the SHA-256 of all of them.
    fn each_line(&self, file: &str, take: &mut dyn FnMut(&str) -> Result<(), String>) -> Result<[u8; 32], Error> {
        let mut reader = BufReader::new(self.read(file)?);
        let (mut line, mut sha256) = (Vec::new(), Sha256::new());
        for number in 1u64.. {
            line.clear();
            let read = (&mut reader).take(MAX_LINE).read_until(b'\n', &mut line);
            if read.map_err(|error| self.damaged(file, error))? == 0 {
                break;
            }
            sha256.update(&line);
            let text = std::str::from_utf8(&line).map_err(|error| self.damaged(file, error))?;
            take(text).map_err(|why| self.damaged(file, format!("line {number}: {why}")))?;
        }
        Ok(sha256.finalize().into())
    }

    /// A JSON file and its SHA-256.
    fn document(&self, file: &str) -> Result<(serde_json::Value, [u8; 32]), Error> {
        let mut bytes = Vec::new();
        self.read(file)?.take(MAX_DOCUMENT).read_to_end(&mut bytes).map_err(|error| self.damaged(file, error))?;
        let document = serde_json::from_slice(&bytes).map_err(|error| self.damaged(file, error))?;
        Ok((document, Sha256::digest(&bytes).into()))
    }

    /// The bytes of an object at their original offsets, holes as zeros. Short ones are in memory, long ones in a
    /// file in `temp_folder` that vanishes with them. An error when the SHA-256 is not the one that `objects.jsonl`
    /// states, so nothing is ever analyzed that is not what was collected.
    ///
    /// Long objects of a bundle that is verified, or that is being verified while it is read, are inflated as they are
    /// read, and go to a file only where they are read back and forth. What is wrong with them is then known when they
    /// were read to their end: [`BundleReader::end_verifying`] and [`BundleReader::failure`] say it.
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
        let verifying = self.verifying.as_ref().zip(place).filter(|(verifying, place)| !verifying.is_done(*place));
        let is_verified = self.is_verified || self.verifying.is_some() && verifying.is_none();
        let expected = match verifying {
            Some((verifying, _)) => verifying.expected(item),
            None => Expected { sha512: None, whole: None, ..Expected::of(item) },
        };
        if expected.sha256.is_none() {
            return Err(self.damaged(file, "objects.jsonl has no SHA-256 of it"));
        }
        let watch = verifying.map(|(verifying, place)| Watch::new(verifying.clone(), place, expected.clone()));
        let is_long = item.stored_size > spill.in_memory() && (is_verified || watch.is_some());
        let packed = place.filter(|_| is_long).map_or(Ok(None), |place| self.store.packed(place));
        let bytes: Box<dyn Bytes> = match packed.map_err(|error| self.damaged(file, error))? {
            Some(packed) => {
                let flowing = Flowing::new(packed, item.stored_size, spill, watch, self.failure.of(&self.path, file));
                Box::new(flowing.map_err(|error| self.damaged(file, error))?)
            }
            None if is_verified => self.keep(&mut { inner }, item, file, spill)?,
            None => self.keep_compared(inner, item, file, (expected, verifying), spill)?,
        };
        if item.stored_ranges.is_empty() {
            return Ok(bytes);
        }
        let sparse = Sparse::new(bytes, item.stored_ranges.clone(), item.size)
            .ok_or_else(|| self.damaged(OBJECTS, format!("the stored ranges of {file} are impossible")))?;
        Ok(Box::new(sparse))
    }
}

impl BundleReader {
    /// The bytes in memory, or in a temporary file.
    fn keep(&self, from: &mut dyn Read, item: &Item, file: &str, spill: &Spill) -> Result<Box<dyn Bytes>, Error> {
        spill.keep(from, item.stored_size).map_err(|error| match is_no_room(&error) {
            true => Error::write(spill.folder(), error),
            false => self.damaged(file, error),
        })
    }

    /// The same, where they are those that are expected.
    fn keep_compared(
        &self,
        inner: Box<dyn Read + Send + '_>,
        item: &Item,
        file: &str,
        (expected, verifying): (Expected, Option<(&Arc<Verifying>, u64)>),
        spill: &Spill,
    ) -> Result<Box<dyn Bytes>, Error> {
        let (zeros, cancel) =
            verifying.map_or((&NO_ZEROS, &NEVER), |(verifying, _)| (&verifying.zeros, verifying.cancel));
        let mut hashing = Hashing { inner, comparing: Comparing::new(&expected, zeros), cancel };
        let bytes = self.keep(&mut hashing, item, file, spill)?;
        let checked = hashing.comparing.finish("objects.jsonl", cancel);
        if let Some(wrong) = checked.wrong.first() {
            return Err(self.damaged(file, wrong));
        }
        if !checked.is_done() {
            return Err(self.damaged(file, "it was not read to its end"));
        }
        if let Some((verifying, place)) = verifying {
            verifying.done(place);
        }
        Ok(bytes)
    }

    /// Why the bytes of an object that was opened already could not be had afterwards: there was no room for a temporary
    /// file, or the bundle is not any more what it was. What was made of them is then worth nothing.
    pub fn failure(&self) -> Option<Error> {
        let of_items = || self.items.failure().map(|error| Error::write(&self.path, error));
        self.failure.take().or_else(of_items).or_else(|| self.others.iter().find_map(BundleReader::failure))
    }
}

/// Of an object that was verified before, holes are not hashed again.
static NO_ZEROS: AtomicU64 = AtomicU64::new(0);
static NEVER: AtomicBool = AtomicBool::new(false);

/// Compares what is read through it.
struct Hashing<'a, R> {
    inner: R,
    comparing: Comparing<&'a Expected>,
    cancel: &'a AtomicBool,
}

impl<R: Read> Read for Hashing<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        // Longer blocks are hashed on two threads, and a worker that waits for the other one begins with another object: it
        // could then wait for the memory that this one holds.
        buffer[..read].chunks(1 << 16).for_each(|block| self.comparing.update(block, self.cancel));
        Ok(read)
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
