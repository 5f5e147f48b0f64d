//! A volume that was copied file by file into one or several folders of a store.

use super::idx::{Index, Restored};
use super::links;
use super::{Child, Store};
use crate::file_bytes::Doubtful;
use crate::source::{Content, Found, Tree};
use copies::Choice;
use evidence::{Bytes, FileTimes, Format, Problem, ProblemKind, Stage, name};
use follow::{LongPaths, Walked};
use parking_lot::Mutex;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::io;
use std::ops::Range;
use std::sync::Arc;

mod copies;
mod follow;
mod listing;
mod readable;

pub(crate) use copies::OtherCopies;

/// A folder of the store that is the root of the volume, or of what is left of it.
#[derive(Clone, Debug)]
pub(super) struct Root {
    /// How the store finds it.
    pub(super) key: String,
    /// Whether names below it are percent-encoded, as Velociraptor writes them.
    pub(super) encoded: bool,
    /// Where it is in the source, for people.
    pub(super) place: String,
}

/// A child as the volume has it.
#[derive(Clone, Debug)]
struct Entry {
    child: Child,
    /// Where its bytes belong, if an upload left out its holes; or what is wrong with the file that should say it.
    index: Option<Result<Arc<Index>, Arc<str>>>,
    /// Whether a later member of the archive has its name.
    is_replaced: bool,
}

impl Entry {
    fn size(&self) -> u64 {
        match &self.index {
            Some(Ok(index)) => index.size,
            _ => self.child.size,
        }
    }
}

/// What is kept of a folder.
enum Listed {
    /// Its entries, in the order of their names.
    Small(Vec<Entry>),
    /// Of a folder with more names than are kept, the entries that differ from what the store says, and the keys of the
    /// children that are such or say something about them.
    Large { odd: Vec<Entry>, keys: HashSet<String> },
}

impl Listed {
    /// The entries that are in memory.
    fn kept(&self) -> &[Entry] {
        match self {
            Listed::Small(entries) | Listed::Large { odd: entries, .. } => entries,
        }
    }

    /// Whether an entry is one of a large folder that is not in memory.
    fn is_unkept(&self, entry: &Entry) -> bool {
        matches!(self, Listed::Large { keys, .. } if !keys.contains(&entry.child.key))
    }

    /// Whether several of the entries in memory have one name, or one is known to have that of another.
    fn has_twins(&self) -> bool {
        let kept = self.kept();
        kept.iter().any(|entry| entry.is_replaced)
            || kept.windows(2).any(|two| name::same(&two[0].child.name, &two[1].child.name))
    }
}

type Listing = Arc<Listed>;

/// Listings that are kept, by the key of their folder.
#[derive(Default)]
struct Listings {
    of: HashMap<String, Listing>,
    /// Names in them.
    names: usize,
}

/// What the trees of one volume have in common.
struct Shared {
    store: Arc<dyn Store>,
    roots: Vec<Root>,
    /// Whether names that a volume of Windows does not tell apart are copies of one file. Otherwise each is its own.
    joins: bool,
    /// Folders that are above the roots and that the store does not have: `Windows`, where only that was given.
    above: Vec<String>,
    listings: Mutex<Listings>,
    /// What long paths lead to.
    long: Mutex<LongPaths>,
    /// Files of which there are several copies, by path in upper case.
    choices: Mutex<BTreeMap<String, Arc<Choice>>>,
    problems: Mutex<Vec<Problem>>,
    /// Links that problems were made of, by path in upper case.
    said: Mutex<HashSet<String>>,
}

/// One volume in a store.
#[derive(Clone)]
pub(crate) struct FileTree {
    shared: Arc<Shared>,
    /// Files that were recognised by their content wherever they lie, by path.
    recognised: Vec<(String, Format)>,
}

/// A child with the folder of the volume that it lies in.
type Placed = (String, Entry);

/// Where a folder of the volume is.
enum Folders {
    /// It is above the roots; so many components of its path are there.
    Above(usize),
    /// These folders of the store, each with the index of its root.
    Here(Vec<(usize, String)>),
}

/// Listings are kept until this many names are in them, since a pattern walks the same folders again and again; but
/// never fewer than a few folders, or two of them would be listed anew for each of their files.
const MAX_CACHED_NAMES: usize = 40_000;
const MIN_CACHED_LISTINGS: usize = 4;
/// Names of one folder that are kept. In a larger one the store looks for a name itself.
const MAX_KEPT: usize = 1 << 13;
/// Bytes of two copies that are compared at a time.
const COMPARED: usize = 1 << 16;

/// The children whose names are equal without regard to case, as good as that gets without the volume's own upcase
/// table; the one that is spelled the same comes first.
fn of_name<'a>(entries: &'a [Entry], name: &str) -> Vec<&'a Entry> {
    let upper = name::folded(name);
    let start = entries.partition_point(|entry| name::folded(&entry.child.name) < upper);
    let mut same: Vec<&Entry> =
        entries[start..].iter().take_while(|entry| name::same(&entry.child.name, name)).collect();
    same.sort_by_key(|entry| entry.child.name != name);
    same
}

fn read_problem(stage: Stage, path: &str, error: &io::Error) -> Problem {
    let kind = match error.kind() {
        io::ErrorKind::PermissionDenied => ProblemKind::AccessDenied,
        io::ErrorKind::Unsupported => ProblemKind::UnsupportedVersion { found: error.to_string() },
        _ => ProblemKind::ReadFailed,
    };
    Problem::new(stage, kind, name::shown(path), format!("cannot be read: {error}"), "what it holds is not known")
}

fn not_there(path: &str) -> Problem {
    Problem::new(
        Stage::Acquire,
        ProblemKind::ReadFailed,
        name::shown(path),
        "it is not there any more",
        "it is not collected",
    )
}

/// Says which folder it was that could not be listed, unless that is said already.
fn of_folder(mut problem: Problem, folder: &str) -> Problem {
    if problem.item.is_empty() {
        problem.item = name::shown(if folder.is_empty() { "\\" } else { folder }).into_owned();
    }
    problem
}

impl Shared {
    fn content(&self, entry: &Entry) -> io::Result<Box<dyn Content>> {
        let bytes = self.store.open(&entry.child.key)?;
        Ok(match &entry.index {
            Some(Ok(index)) => Box::new(Restored { uploaded: bytes, index: index.clone() }),
            Some(Err(why)) => Box::new(Whole(Arc::new(Doubtful { bytes, against: why.to_string() }))),
            None => Box::new(Whole(bytes)),
        })
    }
}

/// A folder above the roots.
fn virtual_folder(name: &str) -> Entry {
    let child =
        Child { name: name.to_owned(), key: String::new(), is_folder: true, is_link: false, size: 0, times: None };
    Entry { child, index: None, is_replaced: false }
}

impl FileTree {
    /// The volume whose root is each of these folders, below folders that the store does not have.
    pub(super) fn new(store: Arc<dyn Store>, roots: Vec<Root>, above: &[&str]) -> Self {
        let shared = Shared {
            store,
            roots,
            joins: true,
            above: above.iter().map(|name| (*name).to_owned()).collect(),
            listings: Mutex::default(),
            long: Mutex::default(),
            choices: Mutex::default(),
            problems: Mutex::default(),
            said: Mutex::default(),
        };
        FileTree { shared: Arc::new(shared), recognised: Vec::new() }
    }

    /// All files of a store, of which no two are taken for copies of each other.
    pub(super) fn apart(store: Arc<dyn Store>, root: Root) -> Self {
        let mut tree = FileTree::new(store, vec![root], &[]);
        if let Some(shared) = Arc::get_mut(&mut tree.shared) {
            shared.joins = false;
        }
        tree
    }

    /// The same with files that are found by their content, by path.
    pub(super) fn with_recognised(self, recognised: Vec<(String, Format)>) -> Self {
        FileTree { recognised, ..self }
    }

    /// For each root, with its place, the files of it that differ from the copy that is used.
    pub(super) fn other_copies(&self) -> Vec<(String, OtherCopies)> {
        let of = |(index, root): (usize, &Root)| (root.place.clone(), OtherCopies::new(self.clone(), index));
        self.shared.roots.iter().enumerate().map(of).collect()
    }

    /// The child of this name, or the stream of this name where the store keeps it as a file `name:stream`.
    fn child(&self, folder: &str, name: &str) -> Result<Option<copies::Copy>, Problem> {
        let mut copies = self.shared.of_name(folder, name).map_err(|problem| of_folder(problem, folder))?;
        if copies.len() < 2 || copies[0].1.child.is_folder {
            return Ok(copies.into_iter().next());
        }
        copies.retain(|(_, copy)| !copy.child.is_folder);
        if copies.len() < 2 {
            return Ok(copies.into_iter().next());
        }
        let choice = self.shared.choose(folder, &copies, || self.spelled_folder(folder))?;
        Ok(copies.into_iter().find(|(_, copy)| copy.child.key == choice.key))
    }

    fn found(&self, folder: &str, entry: &Entry) -> Found {
        let child = &entry.child;
        let (name, stream) = match child.name.split_once(':') {
            Some((name, stream)) if !child.is_folder => {
                let stream = stream.strip_suffix(":$DATA").unwrap_or(stream);
                (name, Some(stream).filter(|stream| !stream.is_empty()))
            }
            _ => (child.name.as_str(), None),
        };
        Found {
            path: format!("{folder}\\{name}"),
            stream: stream.map(str::to_owned),
            is_folder: child.is_folder,
            size: entry.size(),
            times: FileTimes { container: child.times, ..FileTimes::default() },
            mft: None,
            recovery: None,
            method: self.shared.store.method(),
        }
    }

    /// An entry as its folder has it.
    fn listed(&self, folder: &str, entry: &Entry) -> Found {
        let found = self.found(folder, entry);
        if entry.child.is_link { self.listed_link(found) } else { found }
    }

    /// The path as the volume spells it, without the last component, and that component.
    fn spelled_folder(&self, folder: &str) -> Result<String, Problem> {
        if let Some(spelled) = self.shared.long.lock().spelled.get(folder) {
            return Ok(spelled.clone());
        }
        if let Some(spelled) = self.shared.spelled(folder)? {
            let mut long = self.shared.long.lock();
            if long.takes(folder) {
                long.spelled.insert(folder.to_owned(), spelled.clone());
            }
            return Ok(spelled);
        }
        let mut spelled = String::new();
        for component in folder.split('\\').filter(|component| !component.is_empty()) {
            let name =
                self.child(&spelled, component)?.map_or_else(|| component.to_owned(), |(_, entry)| entry.child.name);
            spelled = format!("{spelled}\\{name}");
        }
        Ok(spelled)
    }

    /// The same, for the folder that this entry lies in where several folders are one to the volume.
    fn own_folder(&self, folder: &str, root: usize, entry: &Entry) -> Result<String, Problem> {
        match self.shared.spelled(folder)? {
            Some(_) => self.spelled_folder(folder),
            None => Ok(self.shared.own_folder(&self.spelled_folder(folder)?, root, entry)),
        }
    }

    fn find(&self, path: &str) -> Result<Option<Placed>, Problem> {
        let (folder, name) = path.rsplit_once('\\').unwrap_or(("", path));
        if let Some((root, entry)) = self.child(folder, name)? {
            return Ok(Some((self.own_folder(folder, root, &entry)?, entry)));
        }
        let Some((file, stream)) = name.split_once(':') else { return Ok(None) };
        if let Some((root, owner)) = self.child(folder, file)?
            && let Some(mut child) = self.shared.store.stream(&owner.child.key, stream)
        {
            child.name = format!("{}:{stream}", owner.child.name);
            return Ok(Some((
                self.own_folder(folder, root, &owner)?,
                Entry { child, index: None, is_replaced: false },
            )));
        }
        // Some programs keep the stream of the change journal under the name of the stream alone.
        if file.eq_ignore_ascii_case("$UsnJrnl")
            && let Some((root, mut entry)) = self.child(folder, stream)?
        {
            let folder = self.own_folder(folder, root, &entry)?;
            entry.child.name = format!("$UsnJrnl:{stream}");
            return Ok(Some((folder, entry)));
        }
        Ok(None)
    }

    /// The children of a folder that several folders of the store are. What several of them have is given once.
    fn merged(
        &self,
        folder: &str,
        listings: &[(usize, String, Listing)],
        take: &mut dyn FnMut(Found),
    ) -> Result<(), Problem> {
        let mut failed = Ok(());
        for (_, key, listing) in listings {
            let mut look = |entry: &Entry| {
                match self.of_several(folder, listings, key, entry) {
                    Ok(found) => found.into_iter().for_each(&mut *take),
                    Err(problem) => failed = Err(problem),
                };
            };
            self.shared
                .each_entry(key, listing, &mut look)
                .map_err(|error| read_problem(Stage::Locate, folder, &error))?;
        }
        failed
    }

    /// What an entry of this root stands for: nothing if an earlier one stands for the same.
    fn of_several(
        &self,
        folder: &str,
        listings: &[(usize, String, Listing)],
        own: &str,
        entry: &Entry,
    ) -> Result<Option<Found>, Problem> {
        let name = &entry.child.name;
        let child = || match self.child(folder, name)? {
            Some((root, entry)) => Ok(Some(self.listed(&self.shared.own_folder(folder, root, &entry), &entry))),
            None => Ok(None),
        };
        if let [(_, _, listing)] = listings
            && listing.is_unkept(entry)
        {
            // A large folder is not searched again for each of its names.
            let is_alone = of_name(listing.kept(), name).is_empty();
            return if is_alone { Ok(Some(self.listed(folder, entry))) } else { child() };
        }
        let (mut count, mut first) = (0, None);
        for (_, key, listing) in listings {
            let named = match &listings {
                [_] => of_name(listing.kept(), name).into_iter().cloned().collect(),
                _ => self.shared.named(key, listing, name)?,
            };
            count += named.len();
            // The first by name, whichever way it is spelled here.
            let least = named.into_iter().map(|entry| (entry.child.name, entry.is_replaced, entry.child.key)).min();
            first = first.or_else(|| least.map(|(_, _, child)| (key.clone(), child)));
        }
        if count <= 1 && !entry.is_replaced {
            let root = listings.iter().find(|(_, key, _)| key == own).map_or(0, |(root, ..)| *root);
            let folder = match listings {
                [_] => folder.to_owned(),
                _ => self.shared.own_folder(folder, root, entry),
            };
            return Ok(Some(self.listed(&folder, entry)));
        }
        let is_own = first.is_none_or(|(key, child)| (key.as_str(), &child) == (own, &entry.child.key));
        if is_own { child() } else { Ok(None) }
    }
}

impl Tree for FileTree {
    fn lookup(&self, path: &str) -> Result<Option<Found>, Problem> {
        if path.trim_matches('\\').is_empty() {
            let found = Found {
                path: String::new(),
                stream: None,
                is_folder: true,
                size: 0,
                times: FileTimes::default(),
                mft: None,
                recovery: None,
                method: self.shared.store.method(),
            };
            return Ok(Some(found));
        }
        let Some((folder, entry)) = self.find(path)? else { return Ok(None) };
        let found = self.found(&folder, &entry);
        if entry.child.is_link { self.behind(found).map(Some) } else { Ok(Some(found)) }
    }

    fn link(&self, path: &str) -> Option<String> {
        let components = links::components(path);
        let led = match self.shared.walk(&components) {
            Ok(Walked::Link(led)) => led,
            Ok(Walked::There(_)) => return None,
            Err(_) => return self.shared.on_other_drive(&components),
        };
        // Where it leads nowhere, looking it up says so.
        let is_there = self.shared.folders(&links::path_of(&led.target)).is_ok_and(|folders| !folders.is_empty());
        is_there.then(|| links::path_of(&[led.target, led.rest].concat()))
    }

    fn lies_outside(&self, path: &str) -> bool {
        let mut components = path.split('\\').filter(|component| !component.is_empty());
        self.shared.above.iter().any(|above| components.next().is_some_and(|own| !own.eq_ignore_ascii_case(above)))
    }

    fn each(&self, folder: &Found, take: &mut dyn FnMut(Found)) -> Result<(), Problem> {
        let keys = match self.shared.folders(&folder.path)? {
            Folders::Above(depth) => {
                take(self.found(&folder.path, &virtual_folder(&self.shared.above[depth])));
                return Ok(());
            }
            Folders::Here(keys) => keys,
        };
        let mut listings = Vec::new();
        for (root, key) in keys {
            match self.shared.listing(root, &key) {
                Ok(listing) => listings.push((root, key, listing)),
                Err(problem) => return Err(of_folder(problem, &folder.path)),
            }
        }
        match &listings[..] {
            [(_, key, listing)] if !self.shared.joins || !listing.has_twins() => self
                .shared
                .each_entry(key, listing, &mut |entry| take(self.listed(&folder.path, entry)))
                .map_err(|error| read_problem(Stage::Locate, &folder.path, &error)),
            _ => self.merged(&folder.path, &listings, take),
        }
    }

    fn streams(&self, file: &Found) -> Result<Vec<Found>, Problem> {
        let (folder, name) = file.path.rsplit_once('\\').unwrap_or(("", &file.path));
        let prefix = format!("{}:", name::folded(name));
        let mut streams = Vec::new();
        if let Folders::Here(keys) = self.shared.folders(folder)? {
            for (root, key) in keys {
                let listing = self.shared.listing(root, &key).map_err(|problem| of_folder(problem, folder))?;
                for entry in listing.kept() {
                    let child = &entry.child;
                    if child.name.contains(':') && name::folded(&child.name).starts_with(&prefix) && !child.is_folder {
                        streams.push(self.found(folder, entry));
                    }
                }
            }
        }
        // Mark of the web is the one stream that every browser writes, so it is worth a look by name.
        if streams.is_empty()
            && let Some(zone) = self.lookup(&format!("{}:Zone.Identifier", file.path))?
        {
            streams.push(zone);
        }
        Ok(streams)
    }

    fn lookup_deleted(&self, _path: &str) -> Vec<Found> {
        Vec::new()
    }

    fn open(&self, found: &Found) -> Result<Box<dyn Content>, Problem> {
        let path = found.full_path();
        let (_, entry) = self.find(&path)?.ok_or_else(|| not_there(&path))?;
        if entry.child.is_link {
            return self.content_behind(&path, &entry);
        }
        self.shared.content(&entry).map_err(|error| read_problem(Stage::Acquire, &path, &error))
    }

    fn of_format(&self, wanted: &dyn Fn(Format) -> bool) -> Vec<Result<Found, Problem>> {
        let files = self.recognised.iter().filter(|(_, format)| wanted(*format));
        files.filter_map(|(path, _)| self.lookup(path).transpose()).collect()
    }

    fn take_problems(&self) -> Vec<Problem> {
        std::mem::take(&mut *self.shared.problems.lock())
    }
}

/// A file with the holes that its store knows of.
struct Whole(Arc<dyn Bytes>);

impl Bytes for Whole {
    fn len(&self) -> u64 {
        self.0.len()
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read_at(offset, buffer)
    }

    fn next_data(&self, offset: u64) -> u64 {
        self.0.next_data(offset)
    }

    fn next_hole(&self, offset: u64) -> u64 {
        self.0.next_hole(offset)
    }

    fn as_slice(&self) -> Option<&[u8]> {
        self.0.as_slice()
    }

    fn flaw(&self) -> Option<String> {
        self.0.flaw()
    }
}

/// Parts between holes that are told apart.
const MAX_PARTS: usize = 1 << 20;

impl Content for Whole {
    fn data_ranges(&self) -> Vec<Range<u64>> {
        let (mut ranges, mut at) = (Vec::new(), self.0.next_data(0));
        while at < self.0.len() {
            let hole = if ranges.len() < MAX_PARTS { self.0.next_hole(at) } else { self.0.len() };
            let end = hole.clamp(at + 1, self.0.len());
            ranges.push(at..end);
            at = self.0.next_data(end).max(end);
        }
        ranges
    }
}

#[cfg(test)]
mod tests;
