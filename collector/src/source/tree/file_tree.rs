//! A volume that was copied file by file into one or several folders of a store.

use super::idx::{self, Index, Restored};
use super::layout::percent_decoded;
use super::links;
use super::{Child, Store};
use crate::source::{Content, Found, Tree};
use evidence::{Bytes, FileTimes, Format, Problem, ProblemKind, Stage, name};
use follow::Walked;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::io;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

mod follow;

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
    /// Where its bytes belong, if an upload left out its holes.
    index: Option<Arc<Index>>,
}

impl Entry {
    fn size(&self) -> u64 {
        self.index.as_ref().map_or(self.child.size, |index| index.size)
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
}

type Listing = Arc<Listed>;

/// Which root's copy of a file is used, and which other roots have one that differs.
#[derive(Clone, Debug, Default)]
struct Choice {
    best: usize,
    others: Vec<usize>,
}

/// What the trees of one volume have in common.
struct Shared {
    store: Arc<dyn Store>,
    roots: Vec<Root>,
    /// Folders that are above the roots and that the store does not have: `Windows`, where only that was given.
    above: Vec<String>,
    listings: Mutex<HashMap<String, Listing>>,
    /// Files of which several roots have a copy, by path in upper case.
    choices: Mutex<HashMap<String, Choice>>,
    problems: Mutex<Vec<Problem>>,
    /// Links that problems were made of, by path in upper case.
    said: Mutex<HashSet<String>>,
}

/// Which of several copies of a file are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shows {
    /// The whole one.
    Best,
    /// Those of this root that differ from the one that is used.
    OtherOf(usize),
}

/// One volume in a store.
pub(crate) struct FileTree {
    shared: Arc<Shared>,
    shows: Shows,
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

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The children whose names are equal without regard to case, as good as that gets without the volume's own upcase
/// table; the one that is spelled the same comes first.
fn of_name<'a>(entries: &'a [Entry], name: &str) -> Vec<&'a Entry> {
    let upper = name.to_uppercase();
    let start = entries.partition_point(|entry| entry.child.name.to_uppercase() < upper);
    let mut same: Vec<&Entry> =
        entries[start..].iter().take_while(|entry| entry.child.name.to_uppercase() == upper).collect();
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

/// Says which folder it was that could not be listed, unless that is said already.
fn of_folder(mut problem: Problem, folder: &str) -> Problem {
    if problem.item.is_empty() {
        problem.item = name::shown(if folder.is_empty() { "\\" } else { folder }).into_owned();
    }
    problem
}

impl Shared {
    fn listing(&self, root: usize, folder: &str) -> Result<Listing, Problem> {
        if let Some(known) = lock(&self.listings).get(folder) {
            return Ok(known.clone());
        }
        let entries = self.list(root, folder).map_err(|error| read_problem(Stage::Locate, "", &error))?;
        let entries = Arc::new(entries);
        let mut listings = lock(&self.listings);
        let names: usize = listings.values().map(|listing| listing.kept().len()).sum();
        if names > MAX_CACHED_NAMES && listings.len() >= MIN_CACHED_LISTINGS {
            listings.clear();
        }
        listings.insert(folder.to_owned(), entries.clone());
        Ok(entries)
    }

    fn list(&self, root: usize, folder: &str) -> io::Result<Listed> {
        let (mut children, mut count, mut unkept) = (Vec::new(), 0, 0u64);
        let is_odd = |child: &Child| self.is_odd(root, child);
        self.store.each(folder, &mut |child| {
            count += 1;
            if count == MAX_KEPT + 1 {
                children.retain(is_odd);
            }
            if count <= MAX_KEPT || is_odd(&child) && children.len() < MAX_KEPT {
                children.push(child);
            } else if is_odd(&child) {
                unkept += 1;
            }
            Ok(())
        })?;
        if count <= MAX_KEPT {
            return Ok(Listed::Small(self.entries(root, children, HashSet::new())));
        }
        if unkept > 0 {
            lock(&self.problems).push(Problem::new(
                Stage::Source,
                ProblemKind::LimitReached,
                self.roots[root].place.clone(),
                format!(
                    "a folder has more than {MAX_KEPT} encoded names, names of streams and .idx files: {unkept} more"
                ),
                "these are examined as the files that they are, under the names that they have in the source",
            ));
        }
        // What the names of the odd ones lead to: owners of .idx files, and files that have a decoded name themselves.
        let mut taken = HashSet::new();
        for at in 0..children.len() {
            let name = &children[at].name;
            let decoded = if self.roots[root].encoded { percent_decoded(name) } else { name.clone() };
            let owner = name.strip_suffix(idx::ENDING).map(str::to_owned);
            if decoded != *name && self.exact(folder, &decoded)?.is_some() {
                taken.insert(decoded);
            }
            if let Some(owner) = owner
                && children.iter().all(|child| child.name != owner)
            {
                children.extend(self.exact(folder, &owner)?);
            }
        }
        let keys = children.iter().map(|child| child.key.clone()).collect();
        Ok(Listed::Large { odd: self.entries(root, children, taken), keys })
    }

    /// Whether a child cannot be told by what the store says of it alone.
    fn is_odd(&self, root: usize, child: &Child) -> bool {
        let name = child.name.as_str();
        name.contains(['\\', ':']) || self.roots[root].encoded && name.contains('%') || name.ends_with(idx::ENDING)
    }

    fn exact(&self, folder: &str, name: &str) -> io::Result<Option<Child>> {
        Ok(self.store.named(folder, name)?.into_iter().find(|child| child.name == name))
    }

    /// Calls for every entry of a folder.
    fn each_entry(&self, folder: &str, listing: &Listed, take: &mut dyn FnMut(&Entry)) -> io::Result<()> {
        listing.kept().iter().for_each(&mut *take);
        let Listed::Large { keys, .. } = listing else { return Ok(()) };
        self.store.each(folder, &mut |child| {
            if !keys.contains(&child.key) {
                take(&plain(child));
            }
            Ok(())
        })
    }

    /// The entries of this name in a folder, the one that is spelled the same first.
    fn named(&self, folder: &str, listing: &Listed, name: &str) -> Result<Vec<Entry>, Problem> {
        let mut named: Vec<Entry> = of_name(listing.kept(), name).into_iter().cloned().collect();
        if let Listed::Large { keys, .. } = listing {
            let more = self.store.named(folder, name).map_err(|error| read_problem(Stage::Locate, name, &error))?;
            named.extend(more.into_iter().filter(|child| !keys.contains(&child.key)).map(plain));
            named.sort_by(|a, b| (a.child.name != name, &a.child.name).cmp(&(b.child.name != name, &b.child.name)));
        }
        Ok(named)
    }

    /// The children of a folder as the volume names them, in the order of their names. Names that are taken are not given
    /// again.
    fn entries(&self, root: usize, mut children: Vec<Child>, mut taken: HashSet<String>) -> Vec<Entry> {
        children.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        let indexes = self.indexes(root, &children);
        let mut entries: Vec<Entry> = Vec::with_capacity(children.len());
        for (at, mut child) in children.into_iter().enumerate() {
            if indexes.is_index.contains(&at) {
                continue;
            }
            if self.roots[root].encoded {
                let decoded = percent_decoded(&child.name);
                // Where two names say the same after decoding, the later one stays as it is stored.
                if taken.insert(decoded.clone()) {
                    child.name = decoded;
                }
            }
            if child.name.contains('\\') {
                child.name = name::component(&child.name).into_owned();
            }
            entries.push(Entry { index: indexes.of.get(&at).cloned(), child });
        }
        entries.sort_by_cached_key(|entry| (entry.child.name.to_uppercase(), entry.child.name.clone()));
        entries
    }

    /// The files that say where the parts of others belong, by position in the sorted children.
    fn indexes(&self, root: usize, children: &[Child]) -> Indexes {
        let mut indexes = Indexes::default();
        let is_index = |child: &Child| !child.is_folder && !child.is_link && child.name.ends_with(idx::ENDING);
        for (at, child) in children.iter().enumerate().filter(|(_, child)| is_index(child)) {
            let owner = &child.name[..child.name.len() - idx::ENDING.len()];
            let Ok(owner_at) = children.binary_search_by(|other| other.name.as_str().cmp(owner)) else { continue };
            let owner = &children[owner_at];
            if owner.is_folder || owner.is_link || child.size > idx::LONGEST {
                continue;
            }
            let json = match self.store.open(&child.key).and_then(|bytes| bytes.read_all(idx::LONGEST)) {
                Ok(Some(json)) if json.trim_ascii_start().starts_with(b"{") => json,
                // Other programs have files of this name too.
                _ => continue,
            };
            match Index::parse(&json, owner.size) {
                Ok(index) => {
                    indexes.is_index.insert(at);
                    indexes.of.insert(owner_at, Arc::new(index));
                }
                // The name alone makes no claim, but beside percent-encoded names it is Velociraptor's.
                Err(why) if self.roots[root].encoded => lock(&self.problems).push(Problem::new(
                    Stage::Source,
                    ProblemKind::Inconsistent {
                        a: format!("{}: {why}", name::shown(&child.name)),
                        b: "the upload".into(),
                    },
                    name::shown(&owner.name),
                    "its .idx file, which should say where its bytes belong, does not fit it",
                    "if holes were left out of the upload, offsets in it and its length are not those of the original",
                )),
                Err(_) => {}
            }
        }
        indexes
    }

    /// The children of this name, the first of each folder of the store.
    fn of_name(&self, folder: &str, name: &str) -> Result<Vec<(usize, Entry)>, Problem> {
        let keys = match self.folders(folder)? {
            Folders::Above(depth) => {
                let above = &self.above[depth];
                return Ok(match above.eq_ignore_ascii_case(name) {
                    true => vec![(0, virtual_folder(above))],
                    false => Vec::new(),
                });
            }
            Folders::Here(keys) => keys,
        };
        let mut found = Vec::new();
        for (root, key) in keys {
            let listing = self.listing(root, &key)?;
            found.extend(self.named(&key, &listing, name)?.into_iter().next().map(|entry| (root, entry)));
        }
        Ok(found)
    }

    /// Which of several copies of a file is used. What differs is said once.
    fn choose(&self, folder: &str, copies: &[(usize, Entry)]) -> Choice {
        let path = format!("{folder}\\{}", copies[0].1.child.name);
        if let Some(known) = lock(&self.choices).get(&path.to_uppercase()) {
            return known.clone();
        }
        let copies = &self.first_of_each_root(&path, copies)[..];
        let mut best = 0;
        for (index, (_, copy)) in copies.iter().enumerate().skip(1) {
            if copy.size() > copies[best].1.size() {
                best = index;
            }
        }
        let mut others = Vec::new();
        for (index, (root, copy)) in copies.iter().enumerate() {
            if index == best || *root == copies[best].0 {
                continue;
            }
            match self.equal(&copies[best].1, copy) {
                Ok(true) => {}
                Ok(false) => others.push((*root, copy.size(), String::new())),
                Err(error) => others.push((*root, copy.size(), format!(", which cannot be compared: {error}"))),
            }
        }
        let choice = Choice { best: copies[best].0, others: others.iter().map(|(root, ..)| *root).collect() };
        if !others.is_empty() {
            let place = |root: usize, size: u64| format!("{size} bytes in {}", self.roots[root].place);
            let other: Vec<String> =
                others.iter().map(|(root, size, why)| format!("{}{why}", place(*root, *size))).collect();
            lock(&self.problems).push(Problem::new(
                Stage::Source,
                ProblemKind::Inconsistent { a: place(choice.best, copies[best].1.size()), b: other.join(" and ") },
                name::shown(&path),
                "the source has several copies of it, which differ",
                "the longest is used under its path; the others are collected beside it and not analysed",
            ));
        }
        lock(&self.choices).insert(path.to_uppercase(), choice.clone());
        choice
    }

    /// Whether two copies of a file have the same bytes.
    fn equal(&self, one: &Entry, other: &Entry) -> io::Result<bool> {
        if one.size() != other.size() {
            return Ok(false);
        }
        if one.child.is_link || other.child.is_link {
            return Ok(false);
        }
        let (one, other) = (self.content(one)?, self.content(other)?);
        let (mut left, mut right) = (vec![0; COMPARED], vec![0; COMPARED]);
        let mut at = 0;
        while at < one.len() {
            let (a, b) = (one.read_full_at(at, &mut left)?, other.read_full_at(at, &mut right)?);
            if left[..a] != right[..b] {
                return Ok(false);
            }
            if a == 0 {
                break;
            }
            at += a as u64;
        }
        Ok(true)
    }

    fn content(&self, entry: &Entry) -> io::Result<Box<dyn Content>> {
        let bytes = self.store.open(&entry.child.key)?;
        Ok(match &entry.index {
            Some(index) => Box::new(Restored { uploaded: bytes, index: index.clone() }),
            None => Box::new(Whole(bytes)),
        })
    }
}

#[derive(Default)]
struct Indexes {
    is_index: std::collections::HashSet<usize>,
    of: BTreeMap<usize, Arc<Index>>,
}

/// An entry that is what the store says.
fn plain(mut child: Child) -> Entry {
    if child.name.contains('\\') {
        child.name = name::component(&child.name).into_owned();
    }
    Entry { child, index: None }
}

/// A folder above the roots.
fn virtual_folder(name: &str) -> Entry {
    let child =
        Child { name: name.to_owned(), key: String::new(), is_folder: true, is_link: false, size: 0, times: None };
    Entry { child, index: None }
}

impl FileTree {
    /// The volume whose root is each of these folders, below folders that the store does not have.
    pub(super) fn new(store: Arc<dyn Store>, roots: Vec<Root>, above: &[&str]) -> Self {
        let shared = Shared {
            store,
            roots,
            above: above.iter().map(|name| (*name).to_owned()).collect(),
            listings: Mutex::default(),
            choices: Mutex::default(),
            problems: Mutex::default(),
            said: Mutex::default(),
        };
        FileTree { shared: Arc::new(shared), shows: Shows::Best, recognised: Vec::new() }
    }

    /// The same with files that are found by their content, by path.
    pub(super) fn with_recognised(self, recognised: Vec<(String, Format)>) -> Self {
        FileTree { recognised, ..self }
    }

    /// For each further root, with its place, the files of it that differ from the copy that is used.
    pub(super) fn other_copies(&self) -> Vec<(String, FileTree)> {
        if self.shared.roots.len() < 2 {
            return Vec::new();
        }
        let of = |(index, root): (usize, &Root)| {
            (
                root.place.clone(),
                FileTree { shared: self.shared.clone(), shows: Shows::OtherOf(index), recognised: Vec::new() },
            )
        };
        self.shared.roots.iter().enumerate().map(of).collect()
    }

    /// The child of this name, or the stream of this name where the store keeps it as a file `name:stream`.
    fn child(&self, folder: &str, name: &str) -> Result<Option<Entry>, Problem> {
        let mut copies = self.shared.of_name(folder, name).map_err(|problem| of_folder(problem, folder))?;
        if let Shows::OtherOf(root) = self.shows {
            let Some(own) = copies.iter().position(|(of, _)| *of == root) else { return Ok(None) };
            if copies[own].1.child.is_folder {
                return Ok(Some(copies.swap_remove(own).1));
            }
            copies.retain(|(_, copy)| !copy.child.is_folder);
            if copies.len() < 2 || !self.shared.choose(folder, &copies).others.contains(&root) {
                return Ok(None);
            }
            return Ok(copies.into_iter().find(|(of, _)| *of == root).map(|(_, copy)| copy));
        }
        if copies.len() < 2 || copies[0].1.child.is_folder {
            return Ok(copies.into_iter().next().map(|(_, copy)| copy));
        }
        copies.retain(|(_, copy)| !copy.child.is_folder);
        let best = self.shared.choose(folder, &copies).best;
        Ok(copies.into_iter().find(|(root, _)| *root == best).map(|(_, copy)| copy))
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
        let mut spelled = String::new();
        for component in folder.split('\\').filter(|component| !component.is_empty()) {
            let name = self.child(&spelled, component)?.map_or_else(|| component.to_owned(), |entry| entry.child.name);
            spelled = format!("{spelled}\\{name}");
        }
        Ok(spelled)
    }

    fn find(&self, path: &str) -> Result<Option<Placed>, Problem> {
        let (folder, name) = path.rsplit_once('\\').unwrap_or(("", path));
        if let Some(entry) = self.child(folder, name)? {
            return Ok(Some((self.spelled_folder(folder)?, entry)));
        }
        let Some((file, stream)) = name.split_once(':') else { return Ok(None) };
        if let Some(owner) = self.child(folder, file)?
            && let Some(mut child) = self.shared.store.stream(&owner.child.key, stream)
        {
            child.name = format!("{}:{stream}", owner.child.name);
            return Ok(Some((self.spelled_folder(folder)?, Entry { child, index: None })));
        }
        // Some programs keep the stream of the change journal under the name of the stream alone.
        if file.eq_ignore_ascii_case("$UsnJrnl")
            && let Some(mut entry) = self.child(folder, stream)?
        {
            entry.child.name = format!("$UsnJrnl:{stream}");
            return Ok(Some((self.spelled_folder(folder)?, entry)));
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
        for (root, key, listing) in listings {
            let mut look = |entry: &Entry| {
                match self.of_several(folder, listings, (*root, key), entry) {
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
        own: (usize, &str),
        entry: &Entry,
    ) -> Result<Option<Found>, Problem> {
        let name = &entry.child.name;
        let (mut is_alone, mut first) = (true, None);
        for (root, key, listing) in listings {
            let named = self.shared.named(key, listing, name)?;
            is_alone &= *root == own.0 || named.is_empty();
            // The first by name, whichever way it is spelled here.
            let least = named.iter().map(|entry| (&entry.child.name, &entry.child.key)).min();
            first = first.or_else(|| least.map(|(_, child)| (*root, key.clone(), child.clone())));
        }
        if self.shows == Shows::Best && is_alone {
            return Ok(Some(self.listed(folder, entry)));
        }
        if first.is_some_and(|(root, key, child)| (root, key.as_str(), &child) != (own.0, own.1, &entry.child.key)) {
            return Ok(None);
        }
        Ok(self.child(folder, name)?.map(|entry| self.listed(folder, &entry)))
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
        let Ok(Walked::Link(led)) = self.shared.walk(&links::components(path)) else { return None };
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
            [(_, key, listing)] if self.shared.roots.len() == 1 => self
                .shared
                .each_entry(key, listing, &mut |entry| take(self.listed(&folder.path, entry)))
                .map_err(|error| read_problem(Stage::Locate, &folder.path, &error)),
            _ => self.merged(&folder.path, &listings, take),
        }
    }

    fn streams(&self, file: &Found) -> Result<Vec<Found>, Problem> {
        let (folder, name) = file.path.rsplit_once('\\').unwrap_or(("", &file.path));
        let prefix = format!("{}:", name.to_uppercase());
        let mut streams = Vec::new();
        if let Folders::Here(keys) = self.shared.folders(folder)? {
            for (root, key) in keys {
                let listing = self.shared.listing(root, &key).map_err(|problem| of_folder(problem, folder))?;
                for entry in listing.kept() {
                    let child = &entry.child;
                    if child.name.contains(':') && child.name.to_uppercase().starts_with(&prefix) && !child.is_folder {
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
        let not_there = || {
            Problem::new(
                Stage::Acquire,
                ProblemKind::ReadFailed,
                name::shown(&path),
                "it is not there any more",
                "it is not collected",
            )
        };
        let (_, entry) = self.find(&path)?.ok_or_else(not_there)?;
        if entry.child.is_link {
            return Err(Problem::new(
                Stage::Acquire,
                ProblemKind::AccessDenied,
                name::shown(&path),
                match self.shared.store.what(&entry.child.key) {
                    None | Some("a link") => {
                        "it is a link, and links are not followed because they can lead out of the evidence".to_owned()
                    }
                    Some(what) => format!("it is {what}, which is not opened"),
                },
                "what it leads to is collected only where that lies in the evidence under its own name",
            ));
        }
        self.shared.content(&entry).map_err(|error| read_problem(Stage::Acquire, &path, &error))
    }

    fn of_format(&self, wanted: &dyn Fn(Format) -> bool) -> Vec<Result<Found, Problem>> {
        let files = self.recognised.iter().filter(|(_, format)| wanted(*format));
        files.filter_map(|(path, _)| self.lookup(path).transpose()).collect()
    }

    fn take_problems(&self) -> Vec<Problem> {
        std::mem::take(&mut *lock(&self.shared.problems))
    }
}

/// A file without holes that we would know of.
struct Whole(Arc<dyn Bytes>);

impl Bytes for Whole {
    fn len(&self) -> u64 {
        self.0.len()
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read_at(offset, buffer)
    }

    fn as_slice(&self) -> Option<&[u8]> {
        self.0.as_slice()
    }

    fn flaw(&self) -> Option<String> {
        self.0.flaw()
    }
}

impl Content for Whole {
    fn data_ranges(&self) -> Vec<Range<u64>> {
        std::iter::once(0..self.0.len()).collect()
    }
}

#[cfg(test)]
mod tests;
