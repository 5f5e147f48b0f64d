//! Parent disks: what a differencing disk, a snapshot or an overlay does not hold itself is in another file, which is
//! looked for beside it and nowhere else.

use super::blocks::{Blocks, Layout};
use super::{Candidate, Disk, Integrity, Opened, Refusal};
use crate::source::tree::{Child, Store};
use evidence::{Bytes, Problem, name};
use parking_lot::Mutex;
use std::collections::{HashMap, VecDeque};
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Parents that stand behind each other; VMware and Hyper-V allow fewer.
const MAX_CHAIN: usize = 128;

/// A file beside another.
pub(super) struct Neighbour {
    pub(super) name: String,
    pub(super) key: String,
    pub(super) path: Option<PathBuf>,
    pub(super) bytes: Arc<dyn Bytes>,
}

/// The last component of a path or URL, which is all that counts of it.
pub(super) fn file_name(path: &str) -> &str {
    path.rsplit(['/', '\\']).next().unwrap_or(path)
}

/// The files beside a candidate.
pub(super) fn files(of: &Candidate<'_>) -> io::Result<Vec<Child>> {
    let mut files = Vec::new();
    of.store.each(of.folder, &mut |child| {
        if !child.is_folder && !child.is_link {
            files.push(child);
        }
        Ok(())
    })?;
    Ok(files)
}

/// Opens a file beside a candidate.
pub(super) fn neighbour(of: &Candidate<'_>, child: &Child) -> io::Result<Neighbour> {
    let path = of.store.local_path(&child.key);
    Ok(Neighbour { name: child.name.clone(), key: child.key.clone(), path, bytes: of.store.open(&child.key)? })
}

/// The file beside a candidate that has this name, as it is spelled or else without regard to case. What a disk names as its
/// parent or extent is evidence and can be any path, so only the last component counts: a file elsewhere on this machine
/// is never opened for it.
pub(super) fn named(of: &Candidate<'_>, name: &str) -> io::Result<Option<Neighbour>> {
    Beside::of(of)?.named(name)
}

/// The files beside a candidate, of which many are wanted.
pub(super) struct Beside<'a, 'b> {
    of: &'a Candidate<'b>,
    files: HashMap<String, Child>,
    upper: HashMap<String, String>,
    handles: Arc<Handles>,
}

/// So many parts of a disk are opened once and for all; of more, only the last ones that were read are open, because a
/// system lets a program open about a thousand files.
const OPEN: usize = 128;

impl<'a, 'b> Beside<'a, 'b> {
    pub(super) fn of(of: &'a Candidate<'b>) -> io::Result<Self> {
        let files: HashMap<String, Child> = files(of)?.into_iter().map(|file| (file.name.clone(), file)).collect();
        let upper = files.keys().map(|name| (name::folded(name), name.clone())).collect();
        Ok(Beside { of, files, upper, handles: Handles::of(of) })
    }

    pub(super) fn named(&self, name: &str) -> io::Result<Option<Neighbour>> {
        let name = file_name(name);
        let other = || self.upper.get(&name::folded(name)).and_then(|name| self.files.get(name));
        let Some(child) = self.files.get(name).or_else(other) else { return Ok(None) };
        let path = self.of.store.local_path(&child.key);
        let bytes = self.handles.open(child)?;
        Ok(Some(Neighbour { name: child.name.clone(), key: child.key.clone(), path, bytes }))
    }
}

/// Files of a store of which only some are open at a time.
pub(super) struct Handles {
    store: Arc<dyn Store>,
    count: AtomicUsize,
    open: Mutex<VecDeque<(String, Arc<dyn Bytes>)>>,
}

impl Handles {
    pub(super) fn of(candidate: &Candidate<'_>) -> Arc<Self> {
        Arc::new(Handles { store: candidate.store.clone(), count: AtomicUsize::new(0), open: Mutex::default() })
    }

    /// Opens a file, now or when it is read.
    pub(super) fn open(self: &Arc<Self>, child: &Child) -> io::Result<Arc<dyn Bytes>> {
        if self.count.fetch_add(1, Ordering::Relaxed) < OPEN {
            return self.store.open(&child.key);
        }
        Ok(Arc::new(Later { handles: self.clone(), key: child.key.clone(), length: child.size }))
    }

    fn get(&self, key: &str) -> io::Result<Arc<dyn Bytes>> {
        let mut open = self.open.lock();
        if let Some((_, bytes)) = open.iter().find(|(known, _)| known == key) {
            return Ok(bytes.clone());
        }
        let bytes = self.store.open(key)?;
        if open.len() >= OPEN {
            open.pop_front();
        }
        open.push_back((key.to_owned(), bytes.clone()));
        Ok(bytes)
    }
}

/// A file that is opened when it is read.
struct Later {
    handles: Arc<Handles>,
    key: String,
    length: u64,
}

impl Bytes for Later {
    fn len(&self) -> u64 {
        self.length
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        self.handles.get(&self.key)?.read_at(offset, buffer)
    }
}

/// A parent that is wanted.
pub(super) struct Wanted<'a> {
    /// What it is, in words: `VHD`.
    pub(super) kind: &'static str,
    /// Under which names the child knows it, the likeliest first.
    pub(super) names: Vec<String>,
    /// Which files beside the child are looked at where none of these names fits, by how their names end.
    pub(super) endings: &'a [&'a str],
    /// Whether a file is the disk that the child was made from.
    pub(super) fits: &'a dyn Fn(&dyn Bytes) -> bool,
    /// How the parent is identified, in words.
    pub(super) by: String,
    /// Whether the child says that the parent is a raw image, whatever it looks like.
    pub(super) raw: bool,
}

/// Finds and opens the parent of a disk.
pub(super) fn open(child: &Candidate<'_>, wanted: &Wanted<'_>) -> Result<(String, Disk), Refusal> {
    let cannot = |error: io::Error| {
        Refusal::new(
            format!("its parent disk cannot be read: {error}"),
            "check the files beside it, or copy all of them elsewhere",
        )
    };
    let is_known = |name: &str| name == child.name || child.chain.iter().any(|known| known == name);
    let mut other = None;
    let mut found = None;
    for name in wanted.names.iter().filter(|name| !file_name(name).is_empty()) {
        match named(child, name).map_err(cannot)? {
            Some(parent) if is_known(&parent.name) => other = Some(parent.name),
            Some(parent) if (wanted.fits)(&*parent.bytes) => {
                found = Some(parent);
                break;
            }
            Some(parent) => other = Some(parent.name),
            None => {}
        }
    }
    if found.is_none() && !wanted.endings.is_empty() {
        found = by_identity(child, wanted, &is_known).map_err(cannot)?;
    }
    let Some(parent) = found else { return Err(missing(wanted, other)) };
    if child.chain.len() >= MAX_CHAIN {
        let why = format!("more than {MAX_CHAIN} parent disks are behind each other");
        return Err(Refusal::new(why, "convert it to a raw image and give that"));
    }
    let mut chain = child.chain.clone();
    chain.push(child.name.to_owned());
    let path = parent.path.as_deref();
    let mut candidate =
        Candidate::new(child.store, child.folder, &parent.name, path, parent.bytes.clone(), child.spill)
            .map_err(cannot)?;
    candidate.chain = chain;
    child.parents.borrow_mut().insert(parent.key.clone());
    let raw = || Disk {
        kind: "raw image",
        bytes: parent.bytes.clone(),
        facts: Vec::new(),
        problems: Vec::new(),
        files: parent.path.iter().cloned().collect(),
        integrity: Integrity::default(),
    };
    if wanted.raw {
        return Ok((parent.name.clone(), raw()));
    }
    let opened = super::open(&candidate);
    let parts = candidate.used().into_iter().chain(candidate.parents());
    child.parents.borrow_mut().extend(parts);
    match opened {
        Ok(Some(Opened::Disk(disk))) => Ok((parent.name.clone(), disk)),
        Ok(None) => Ok((parent.name.clone(), raw())),
        Ok(Some(_)) => {
            let why = format!("its parent disk {} is an archive", parent.name);
            Err(Refusal::new(why, "extract it beside the image"))
        }
        Err(refusal) => {
            Err(Refusal::new(format!("of its parent disk {}: {}", parent.name, refusal.why), refusal.advice))
        }
    }
}

/// What is known of a disk beside its bytes.
pub(super) struct Known {
    pub(super) facts: Vec<(String, String)>,
    pub(super) problems: Vec<Problem>,
    pub(super) files: Vec<PathBuf>,
}

/// A disk of blocks over its parent, if it has one, with what that is to it, its name and itself.
pub(super) fn layered(
    kind: &'static str,
    layout: impl Layout + 'static,
    parent: Option<(&str, (String, Disk))>,
    known: Known,
) -> Disk {
    let Known { mut facts, mut problems, mut files } = known;
    let below = parent.map(|(what, (name, disk))| {
        facts.push((what.to_owned(), name));
        files.extend(disk.files);
        problems.extend(disk.problems);
        disk.bytes
    });
    let bytes = Arc::new(Blocks::new(layout, below));
    Disk { kind, bytes, facts, problems, files, integrity: Integrity::default() }
}

fn by_identity(
    child: &Candidate<'_>,
    wanted: &Wanted<'_>,
    is_known: &dyn Fn(&str) -> bool,
) -> io::Result<Option<Neighbour>> {
    for file in files(child)? {
        let name = file.name.to_lowercase();
        if is_known(&file.name) || !wanted.endings.iter().any(|ending| name.ends_with(ending)) {
            continue;
        }
        // A neighbour that cannot be read is not the parent as far as anyone can tell.
        if let Ok(parent) = neighbour(child, &file)
            && (wanted.fits)(&*parent.bytes)
        {
            return Ok(Some(parent));
        }
    }
    Ok(None)
}

fn missing(wanted: &Wanted<'_>, other: Option<String>) -> Refusal {
    let name = wanted.names.iter().map(|name| file_name(name)).find(|name| !name.is_empty());
    let named = name.map_or_else(|| "its parent disk".to_owned(), |name| format!("its parent disk {name}"));
    match other {
        Some(other) => Refusal::new(
            format!(
                "this {} is a difference to a parent disk, and the {other} beside it is not that disk ({})",
                wanted.kind, wanted.by
            ),
            "copy the parent, as it was when the difference was made, beside it",
        ),
        None => Refusal::new(
            format!(
                "this {} is a difference to a parent disk, and {named} is not beside it ({})",
                wanted.kind, wanted.by
            ),
            "copy it there",
        ),
    }
}
