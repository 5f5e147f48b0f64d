//! What a folder of the store holds, as the volume has it: names decoded, and what says where the parts of others belong.

use super::super::idx::{self, Index};
use super::super::layout::percent_decoded;
use super::{
    Child, Entry, Listed, Listing, Listings, MAX_CACHED_NAMES, MAX_KEPT, MIN_CACHED_LISTINGS, Shared, of_name,
    read_problem,
};
use evidence::{Problem, ProblemKind, Stage, name};
use std::collections::{BTreeMap, HashSet};
use std::io;
use std::sync::Arc;

impl Shared {
    pub(super) fn listing(&self, root: usize, folder: &str) -> Result<Listing, Problem> {
        if let Some(known) = self.listings.lock().of.get(folder) {
            return Ok(known.clone());
        }
        let entries = self.list(root, folder).map_err(|error| read_problem(Stage::Locate, "", &error))?;
        let entries = Arc::new(entries);
        let mut listings = self.listings.lock();
        if listings.names > MAX_CACHED_NAMES && listings.of.len() >= MIN_CACHED_LISTINGS {
            *listings = Listings::default();
        }
        // A folder without names costs its own.
        listings.names += entries.kept().len() + 1;
        listings.of.insert(folder.to_owned(), entries.clone());
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
            self.problems.lock().push(Problem::new(
                Stage::Source,
                ProblemKind::LimitReached,
                self.roots[root].place.clone(),
                format!(
                    "a folder has more than {MAX_KEPT} encoded names, names of streams, .idx files and several files of \
                     one name: {unkept} more"
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
        name.contains(['\\', ':'])
            || self.roots[root].encoded && name.contains('%')
            || name.ends_with(idx::ENDING)
            || self.joins && self.store.replaced(child).is_some()
    }

    fn exact(&self, folder: &str, name: &str) -> io::Result<Option<Child>> {
        Ok(self.store.named(folder, name)?.into_iter().find(|child| child.name == name))
    }

    /// Calls for every entry of a folder.
    pub(super) fn each_entry(&self, folder: &str, listing: &Listed, take: &mut dyn FnMut(&Entry)) -> io::Result<()> {
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
    pub(super) fn named(&self, folder: &str, listing: &Listed, name: &str) -> Result<Vec<Entry>, Problem> {
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
            let replaced = if self.joins { self.store.replaced(&child) } else { None };
            let is_replaced = replaced.is_some();
            if let Some(name) = replaced {
                child.name = if self.roots[root].encoded { percent_decoded(&name) } else { name };
            } else if self.roots[root].encoded {
                let decoded = percent_decoded(&child.name);
                // Where two names say the same after decoding, the later one stays as it is stored.
                if taken.insert(decoded.clone()) {
                    child.name = decoded;
                }
            }
            if child.name.contains('\\') {
                child.name = name::component(&child.name).into_owned();
            }
            entries.push(Entry { index: indexes.of.get(&at).cloned(), child, is_replaced });
        }
        entries.sort_by_cached_key(|entry| (name::folded(&entry.child.name), entry.child.name.clone()));
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
            if owner.is_folder || owner.is_link {
                continue;
            }
            let json = self.store.open(&child.key);
            // Other programs have files of this name too. The name alone makes no claim, but beside percent-encoded names it
            // is Velociraptor's, and so is what has the form of such a file.
            let is_claim = self.roots[root].encoded || matches!(&json, Ok(json) if idx::is_index(&**json));
            let index = match json {
                Ok(json) => Index::parse(&*json, owner.size),
                Err(error) => Err(format!("it cannot be read: {error}")),
            };
            match index {
                Ok(index) => {
                    indexes.is_index.insert(at);
                    indexes.of.insert(owner_at, Ok(Arc::new(index)));
                }
                Err(why) if is_claim => {
                    let index = name::shown(&child.name);
                    self.problems.lock().push(Problem::new(
                        Stage::Source,
                        ProblemKind::Inconsistent { a: format!("{index}: {why}"), b: "the upload".into() },
                        name::shown(&owner.name),
                        "its .idx file, which should say where its bytes belong, does not fit it",
                        "if holes were left out of the upload, offsets in it and its length are not those of the original",
                    ));
                    let what = format!("{index}, which should say where its bytes belong, does not fit it: {why}");
                    indexes.of.insert(owner_at, Err(what.into()));
                }
                Err(_) => {}
            }
        }
        indexes
    }
}

#[derive(Default)]
struct Indexes {
    is_index: HashSet<usize>,
    of: BTreeMap<usize, Result<Arc<Index>, Arc<str>>>,
}

/// An entry that is what the store says.
pub(super) fn plain(mut child: Child) -> Entry {
    if child.name.contains('\\') {
        child.name = name::component(&child.name).into_owned();
    }
    Entry { child, index: None, is_replaced: false }
}
