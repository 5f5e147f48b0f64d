//! Several copies of one file: of several roots, of one archive, or under names that differ in case only. The one that can
//! be read as what it should be is used; those that differ from it are kept beside it.

use super::readable::{Readable, State, readable};
use super::{COMPARED, Entry, FileTree, Folders, Listed, Shared, read_problem, virtual_folder};
use crate::source::tree::archive::{numbered, unnumbered};
use crate::source::tree::layout::is_raw_accessor;
use crate::source::tree::links;
use crate::source::{Content, Found, Tree};
use evidence::{FileTimes, Problem, ProblemKind, Stage, name};
use std::cmp::Reverse;
use std::io;
use std::ops::Bound;
use std::sync::Arc;

/// Copies of one file that are looked at.
const MOST_COPIES: usize = 64;

/// An entry with the index of its root.
pub(super) type Copy = (usize, Entry);

/// Which copy of a file is used, and which others differ from it.
pub(super) struct Choice {
    /// The folder of the copy that is used, as that one's root spells it.
    folder: String,
    /// The root of the copy that is used, and how the store finds it.
    pub(super) root: usize,
    pub(super) key: String,
    others: Vec<Other>,
}

/// A copy that is not used.
struct Other {
    root: usize,
    /// Its folder, as its own root spells it.
    folder: String,
    /// Its name among the other copies of its folder.
    name: String,
    entry: Entry,
    /// Whether it can be read as what it should be, all of it.
    is_whole: bool,
}

impl Choice {
    fn of(&self, root: usize) -> impl Iterator<Item = &Other> {
        self.others.iter().filter(move |other| other.root == root)
    }
}

/// What is known of a copy that may be used.
struct Rated<'a> {
    copy: &'a Copy,
    /// Its folder, as its own root spells it.
    folder: String,
    readable: Readable,
    /// Whether it lies beside the hive whose log it is.
    is_beside: bool,
}

impl Shared {
    /// Every entry of this name: copies of one file, or folders.
    pub(super) fn of_name(&self, folder: &str, name: &str) -> Result<Vec<Copy>, Problem> {
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
            let mut named = self.named(&key, &listing, name)?;
            // The files of a large folder are listed one by one, so each is found by its own name.
            if matches!(*listing, Listed::Large { .. }) && named.iter().any(|entry| entry.child.name == name) {
                named.retain(|entry| entry.child.name == name);
            }
            found.extend(named.into_iter().map(|entry| (root, entry)));
        }
        if !self.joins {
            found.sort_by_key(|(_, entry)| entry.child.name != name);
            found.truncate(1);
        }
        Ok(found)
    }

    /// Which of several copies of a file is used. What differs is said once. `spelled` gives the folder as the volume
    /// spells it.
    pub(super) fn choose(
        &self,
        folder: &str,
        copies: &[Copy],
        spelled: impl FnOnce() -> Result<String, Problem>,
    ) -> Result<Arc<Choice>, Problem> {
        let path = format!("{folder}\\{}", copies[0].1.child.name);
        let upper = name::folded(&path);
        if let Some(known) = self.choices.lock().get(&upper) {
            return Ok(known.clone());
        }
        let left_out = copies.len().saturating_sub(MOST_COPIES);
        let copies = &copies[..copies.len() - left_out];
        let spelled = spelled()?;
        let rated = self.rated(&upper, copies, &spelled);
        let used = &rated[0];
        let mut others = Vec::new();
        for copy in copies.iter().filter(|copy| copy.1.child.key != used.copy.1.child.key) {
            match self.equal(&used.copy.1, &copy.1) {
                Ok(true) => {}
                Ok(false) => others.push((copy, String::new())),
                Err(error) => others.push((copy, format!(", which cannot be compared: {error}"))),
            }
        }
        if !others.is_empty() {
            let path = format!("{}\\{}", used.folder, used.copy.1.child.name);
            self.problems.lock().push(self.differing(&path, &rated, &others));
        }
        if left_out > 0 {
            self.problems.lock().push(Problem::new(
                Stage::Source,
                ProblemKind::LimitReached,
                name::shown(&path),
                format!("the source has more than {MOST_COPIES} copies of it: {left_out} more"),
                "these are neither compared nor collected",
            ));
        }
        let mut choice = Choice {
            folder: used.folder.clone(),
            root: used.copy.0,
            key: used.copy.1.child.key.clone(),
            others: Vec::new(),
        };
        for ((root, entry), _) in others {
            let own = rated.iter().find(|rated| rated.copy.1.child.key == entry.child.key);
            let folder = own.map_or_else(|| spelled.clone(), |rated| rated.folder.clone());
            let is_same = |other: &&Other| other.folder == folder && other.entry.child.name == entry.child.name;
            let same = choice.of(*root).filter(is_same).count();
            let name = numbered(&entry.child.name, u16::try_from(same).unwrap_or(u16::MAX));
            let is_whole = own.is_some_and(|rated| rated.readable.state == State::Whole);
            choice.others.push(Other { root: *root, folder, name, entry: entry.clone(), is_whole });
        }
        let choice = Arc::new(choice);
        self.choices.lock().insert(upper, choice.clone());
        Ok(choice)
    }

    /// The copies, the one that is used first: the most readable, then one that belongs to the hive that is used, then the
    /// longest, then one that was read below the file system.
    fn rated<'a>(&self, upper: &str, copies: &'a [Copy], spelled: &str) -> Vec<Rated<'a>> {
        let hive = [".LOG1", ".LOG2", ".LOG"].iter().find_map(|ending| upper.strip_suffix(ending));
        let hive = hive.and_then(|hive| self.choices.lock().get(hive).cloned());
        // Bytes that are all the same need not be understood.
        let all_equal = copies[1..].iter().all(|copy| self.equal(&copies[0].1, &copy.1).unwrap_or(false));
        let rate = |copy: &'a Copy| {
            let folder = self.own_folder(spelled, copy.0, &copy.1);
            Rated {
                copy,
                readable: if all_equal { Readable::default() } else { self.readable(&copy.1) },
                is_beside: hive.as_ref().is_some_and(|hive| (hive.root, &hive.folder) == (copy.0, &folder)),
                folder,
            }
        };
        let mut rated: Vec<Rated<'a>> = copies.iter().map(rate).collect();
        // Of equal ones the first by root and name, whichever was asked for.
        rated.sort_by_cached_key(|Rated { copy: (root, entry), folder, readable, is_beside }| {
            let is_raw = is_raw_accessor(&self.roots[*root].place);
            let worth = (readable.state, *is_beside, readable.intact, entry.size(), is_raw, !entry.is_replaced);
            (Reverse(worth), *root, folder.clone(), entry.child.name.clone())
        });
        rated
    }

    /// The folders of one root that this folder of the volume is, with their paths as the root spells them; none behind a
    /// link. Those whose names differ in case only are one folder to the volume, yet each has its own files.
    pub(super) fn own_folders(&self, folder: &str, root: usize) -> Result<Vec<(String, String)>, Problem> {
        let components = links::components(folder);
        let Some((above, below)) = components.split_at_checked(self.above.len()) else { return Ok(Vec::new()) };
        let mut folders = vec![(self.roots[root].key.clone(), links::path_of(above))];
        for component in below {
            let mut next = Vec::new();
            for (key, spelled) in folders {
                let named = self.named(&key, &*self.listing(root, &key)?, component)?;
                let inner = named.into_iter().map(|entry| entry.child).filter(|child| child.is_folder);
                next.extend(inner.map(|child| (child.key, format!("{spelled}\\{}", child.name))));
            }
            folders = next;
        }
        Ok(folders)
    }

    /// The folder of a copy as its own root spells it; `spelled` where that cannot be told.
    pub(super) fn own_folder(&self, spelled: &str, root: usize, entry: &Entry) -> String {
        let folders = self.own_folders(spelled, root).unwrap_or_default();
        let holds = |key: &str| {
            let listing = self.listing(root, key).ok()?;
            let named = self.named(key, &listing, &entry.child.name).ok()?;
            named.iter().any(|own| own.child.key == entry.child.key).then_some(())
        };
        let own = match &folders[..] {
            [only] => Some(only),
            several => several.iter().find(|(key, _)| holds(key).is_some()),
        };
        own.map_or_else(|| spelled.to_owned(), |(_, folder)| folder.clone())
    }

    fn readable(&self, entry: &Entry) -> Readable {
        match entry.child.is_link {
            true => Readable::default(),
            false => {
                self.content(entry).map_or_else(|_| Readable::default(), |bytes| readable(&entry.child.name, &*bytes))
            }
        }
    }

    /// That copies of a file differ, and why which is used.
    fn differing(&self, path: &str, rated: &[Rated<'_>], others: &[(&Copy, String)]) -> Problem {
        let used = &rated[0];
        let place = |copy: &Copy| {
            let (root, entry) = copy;
            let place = match self.roots[*root].place.as_str() {
                "" => "the source",
                place => place,
            };
            let link = if entry.child.is_link { ", a link" } else { "" };
            let earlier = if entry.is_replaced { ", an earlier member of this name" } else { "" };
            let own = rated.iter().find(|rated| std::ptr::eq(rated.copy, copy));
            let name = match own {
                Some(own) if own.folder != used.folder => {
                    format!(" as {}", name::shown(&format!("{}\\{}", own.folder, entry.child.name)))
                }
                _ if entry.child.name == used.copy.1.child.name => String::new(),
                _ => format!(" as {}", name::shown(&entry.child.name)),
            };
            format!("{} bytes in {place}{name}{earlier}{link}", entry.size())
        };
        let other: Vec<String> = others.iter().map(|(copy, why)| format!("{}{why}", place(copy))).collect();
        let is_other = |rated: &&Rated<'_>| others.iter().any(|(copy, _)| copy.1.child.key == rated.copy.1.child.key);
        let next = rated[1..].iter().filter(is_other).map(|rated| rated.readable).max().unwrap_or_default();
        let reason = match (used.readable.state, next.state) {
            (State::Whole, other) if other < State::Whole => {
                "its signature, and the lengths and checksums that its format has, hold, and those of the others do not"
            }
            (own, other) if own > other => "more of it can be read as what it should be than of the others",
            _ if used.is_beside => "it lies beside the hive that is used",
            _ if used.readable.intact > next.intact => "more of it is intact than of the others",
            _ if others.iter().all(|(copy, _)| copy.1.size() < used.copy.1.size()) => "it is the longest",
            _ if is_raw_accessor(&self.roots[used.copy.0].place) => "it was read from the volume itself",
            _ => "nothing tells which of them is the right one, and it comes first",
        };
        Problem::new(
            Stage::Source,
            ProblemKind::Inconsistent { a: place(used.copy), b: other.join(" and ") },
            name::shown(path),
            "the source has several copies of it, which differ",
            format!(
                "the first one named is used under its path: {reason}. The others are collected beside it; of those only \
                 whole event logs are analysed"
            ),
        )
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
        // Bytes that are said to be wrong are no copy of those that are right.
        Ok(one.flaw() == other.flaw())
    }
}

/// The copies of one root that differ from those that are used, as far as these were looked for.
pub(crate) struct OtherCopies {
    tree: FileTree,
    root: usize,
}

impl OtherCopies {
    pub(super) fn new(tree: FileTree, root: usize) -> Self {
        OtherCopies { tree, root }
    }

    fn choice(&self, path: &str) -> Option<Arc<Choice>> {
        let choice = self.tree.shared.choices.lock().get(&name::folded(path)).cloned();
        choice.filter(|choice| choice.of(self.root).next().is_some())
    }

    /// The choices of files below this folder of which this root has other copies, with their paths in upper case.
    fn below(&self, folder: &str) -> Vec<(String, Arc<Choice>)> {
        let start = format!("{}\\", name::folded(folder.trim_end_matches('\\')));
        let choices = self.tree.shared.choices.lock();
        let from = choices.range::<str, _>((Bound::Included(start.as_str()), Bound::Unbounded));
        let below = from.take_while(|(path, _)| path.starts_with(&start));
        below
            .filter(|(_, choice)| choice.of(self.root).next().is_some())
            .map(|(path, choice)| (path.clone(), choice.clone()))
            .collect()
    }

    fn found(&self, other: &Other) -> Found {
        let mut entry = other.entry.clone();
        entry.child.name.clone_from(&other.name);
        self.tree.found(&other.folder, &entry)
    }

    fn folder(&self, path: &str) -> Found {
        Found {
            path: path.to_owned(),
            stream: None,
            is_folder: true,
            size: 0,
            times: FileTimes::default(),
            mft: None,
            recovery: None,
            method: self.tree.shared.store.method(),
        }
    }

    /// Works with the copy that has this path.
    fn with<T>(&self, path: &str, work: impl FnOnce(&Other) -> T) -> Option<T> {
        let (folder, name) = path.rsplit_once('\\')?;
        if let Some(choice) = self.choice(path) {
            let exact = choice.of(self.root).find(|other| other.folder == folder && other.name == name);
            let named = exact.or_else(|| choice.of(self.root).find(|other| other.name == name));
            return named.or_else(|| choice.of(self.root).next()).map(work);
        }
        let (base, _) = unnumbered(name)?;
        let choice = self.choice(&format!("{folder}\\{base}"))?;
        let named = || choice.of(self.root).filter(|other| other.name == name);
        named().find(|other| other.folder == folder).or_else(|| named().next()).map(work)
    }
}

impl Tree for OtherCopies {
    fn lookup(&self, path: &str) -> Result<Option<Found>, Problem> {
        if path.trim_matches('\\').is_empty() {
            return Ok(Some(self.folder("")));
        }
        if let Some(found) = self.with(path, |other| self.found(other)) {
            return Ok(Some(found));
        }
        let depth = path.matches('\\').count();
        let spelled = |folder: &str| folder.split('\\').take(depth + 1).collect::<Vec<_>>().join("\\");
        let below = self.below(path);
        let first = below.first().and_then(|(_, choice)| choice.of(self.root).next());
        Ok(first.map(|other| self.folder(&spelled(&other.folder))))
    }

    fn further(&self, path: &str) -> Vec<Found> {
        let Some(choice) = self.choice(path) else { return Vec::new() };
        let first = self.with(path, |other| (other.folder.clone(), other.name.clone()));
        choice
            .of(self.root)
            .filter(|other| first.as_ref().is_none_or(|(folder, name)| (folder, name) != (&other.folder, &other.name)))
            .map(|other| self.found(other))
            .collect()
    }

    fn each(&self, folder: &Found, take: &mut dyn FnMut(Found)) -> Result<(), Problem> {
        let depth = folder.path.matches('\\').count();
        let mut last = String::new();
        for (path, choice) in self.below(&folder.path) {
            match path.split('\\').nth(depth + 2) {
                None => choice.of(self.root).for_each(|other| take(self.found(other))),
                Some(_) => {
                    let Some(other) = choice.of(self.root).next() else { continue };
                    let inner = other.folder.split('\\').take(depth + 2).collect::<Vec<_>>().join("\\");
                    if name::folded(&inner) != last {
                        last = name::folded(&inner);
                        take(self.folder(&inner));
                    }
                }
            }
        }
        Ok(())
    }

    fn is_whole(&self, found: &Found) -> bool {
        self.with(&found.full_path(), |other| other.is_whole).unwrap_or(false)
    }

    fn streams(&self, _file: &Found) -> Result<Vec<Found>, Problem> {
        Ok(Vec::new())
    }

    fn lookup_deleted(&self, _path: &str) -> Vec<Found> {
        Vec::new()
    }

    fn open(&self, found: &Found) -> Result<Box<dyn Content>, Problem> {
        let path = found.full_path();
        let opened = self.with(&path, |other| match other.entry.child.is_link {
            true => self.tree.content_behind(&path, &other.entry),
            false => {
                let content = self.tree.shared.content(&other.entry);
                content.map_err(|error| read_problem(Stage::Acquire, &path, &error))
            }
        });
        opened.unwrap_or_else(|| Err(super::not_there(&path)))
    }

    fn take_problems(&self) -> Vec<Problem> {
        Vec::new()
    }
}
