//! Parent disks: what a differencing disk, a snapshot or an overlay does not hold itself is in another file, which is
//! looked for beside it and nowhere else.

use super::{Candidate, Disk, Opened, Refusal};
use crate::source::tree::Child;
use evidence::Bytes;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

/// Parents that stand behind each other; VMware and Hyper-V allow fewer.
const MAX_CHAIN: usize = 128;

/// A file beside another.
pub(super) struct Neighbour {
    pub(super) name: String,
    pub(super) path: Option<PathBuf>,
    pub(super) bytes: Arc<dyn Bytes>,
}

/// The last component of a path or URL, which is all that counts of it.
pub(super) fn file_name(path: &str) -> &str {
    path.rsplit(['/', '\\']).next().unwrap_or(path)
}

/// The files beside a candidate.
pub(super) fn files(of: &Candidate<'_>) -> io::Result<Vec<Child>> {
    let children = of.store.children(of.folder)?;
    Ok(children.into_iter().filter(|child| !child.is_folder && !child.is_link).collect())
}

/// Opens a file beside a candidate.
pub(super) fn neighbour(of: &Candidate<'_>, child: &Child) -> io::Result<Neighbour> {
    let path = of.path().map(|path| path.with_file_name(&child.name));
    Ok(Neighbour { name: child.name.clone(), path, bytes: of.store.open(&child.key)? })
}

/// The file beside a candidate that has this name, as it is spelled or else without regard to case. What a disk names as its
/// parent or extent is evidence and can be any path, so only the last component counts: a file elsewhere on this machine
/// is never opened for it.
pub(super) fn named(of: &Candidate<'_>, name: &str) -> io::Result<Option<Neighbour>> {
    let name = file_name(name);
    let files = files(of)?;
    let upper = name.to_uppercase();
    let same = files.iter().find(|child| child.name == name);
    let same = same.or_else(|| files.iter().find(|child| child.name.to_uppercase() == upper));
    same.map(|child| neighbour(of, child)).transpose()
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
        let why = format!("more than {MAX_CHAIN} parent disks stand behind each other");
        return Err(Refusal::new(why, "convert it to a raw image and give that"));
    }
    let mut chain = child.chain.clone();
    chain.push(child.name.to_owned());
    let path = parent.path.as_deref();
    let mut candidate =
        Candidate::new(child.store, child.folder, &parent.name, path, parent.bytes.clone(), child.spill)
            .map_err(cannot)?;
    candidate.chain = chain;
    let raw = || Disk {
        kind: "raw image",
        bytes: parent.bytes.clone(),
        facts: Vec::new(),
        problems: Vec::new(),
        files: parent.path.iter().cloned().collect(),
    };
    if wanted.raw {
        return Ok((parent.name.clone(), raw()));
    }
    match super::open(&candidate) {
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
