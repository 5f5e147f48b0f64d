//! Volumes that were copied file by file: a mounted volume, and the trees that triage programs leave behind.
//!
//! KAPE and CyLR write `C/Windows/…`. Velociraptor writes `uploads/auto/C%3A/Windows/…` for what it read through
//! the file API and `uploads/ntfs/%5C%5C.%5CC%3A/$MFT` for what it read raw, with every odd character as `%XX`; the
//! two are parts of one volume and are searched as one. acquire writes `fs/C:/…`.

mod archive;
mod folder;

pub(crate) use archive::Archive;
pub(crate) use folder::Folder;

use crate::source::{Content, Found, OpenedVolume, Tree, Volume, VolumeKind};
use evidence::{Bytes, FileTimes, Macb, Method, Problem, ProblemKind, Stage};
use std::collections::{BTreeMap, HashMap};
use std::io;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

/// What a store says about one child of a folder.
#[derive(Clone, Debug)]
pub(crate) struct Child {
    /// Name as stored.
    pub(crate) name: String,
    /// How the store finds it again.
    pub(crate) key: String,
    pub(crate) is_folder: bool,
    /// A symbolic link or the like. It is named, never followed.
    pub(crate) is_link: bool,
    pub(crate) size: u64,
    /// Times that the store keeps.
    pub(crate) times: Option<Macb>,
}

/// Where copied files are: a folder, or an archive. A key names a file or folder in it; the root has the empty one, and
/// any other comes from [`Store::children`].
pub(crate) trait Store: Send + Sync {
    /// Folder or archive.
    fn kind(&self) -> VolumeKind;

    /// How its files are read.
    fn method(&self) -> Method;

    /// What is in a folder.
    fn children(&self, folder: &str) -> io::Result<Vec<Child>>;

    /// The bytes of a file.
    fn open(&self, file: &str) -> io::Result<Arc<dyn Bytes>>;

    /// An alternate stream that the store can open but not list; most cannot.
    fn stream(&self, _file: &str, _name: &str) -> Option<Child> {
        None
    }
}

/// One volume in a store. Several folders of the store can be parts of it; the first that has a name wins.
struct FileTree {
    store: Arc<dyn Store>,
    roots: Vec<String>,
    /// Whether names are percent-encoded, as Velociraptor writes them.
    encoded: bool,
    listings: Mutex<HashMap<String, Listing>>,
    problems: Mutex<Vec<Problem>>,
}

type Listing = Arc<Vec<Child>>;

/// A child with the folder of the volume that it lies in.
type Placed = (String, Child);

/// Listings are kept until this many names are in them, since a pattern walks the same folders again and again; but
/// never fewer than the folders of one path, or a single large folder would be listed anew for each of its files.
const MAX_CACHED_NAMES: usize = 100_000;
const MIN_CACHED_LISTINGS: usize = 16;

/// Undoes `%XX`. What is no such triple stays.
pub(crate) fn percent_decoded(name: &str) -> String {
    let bytes = name.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let digits = bytes.get(at + 1..at + 3).and_then(|digits| std::str::from_utf8(digits).ok());
        match digits.filter(|d| d.bytes().all(|b| b.is_ascii_hexdigit())).and_then(|d| u8::from_str_radix(d, 16).ok()) {
            Some(byte) if bytes[at] == b'%' => {
                decoded.push(byte);
                at += 3;
            }
            _ => {
                decoded.push(bytes[at]);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&decoded).into_owned()
}

/// The drive letter that a folder name stands for: `C`, `C:`, `C%3A`, `\\.\C:` in its encoded forms; and whether
/// names below it are encoded.
fn drive_letter(name: &str) -> Option<(char, bool)> {
    let decoded = percent_decoded(name);
    let plain = decoded.strip_prefix(r"\\.\").or_else(|| decoded.strip_prefix(r"\\?\")).unwrap_or(&decoded);
    let plain = plain.strip_suffix(':').unwrap_or(plain);
    let mut letters = plain.chars();
    match (letters.next(), letters.next()) {
        (Some(letter), None) if letter.is_ascii_alphabetic() => {
            Some((letter.to_ascii_uppercase(), decoded.len() != name.len()))
        }
        _ => None,
    }
}

/// The children whose names are equal without regard to case, as good as that gets without the volume's own upcase
/// table; the one that is spelled the same comes first.
fn of_name<'a>(children: &'a [Child], name: &str) -> Vec<&'a Child> {
    let upper = name.to_uppercase();
    let start = children.partition_point(|child| child.name.to_uppercase() < upper);
    let mut same: Vec<&Child> =
        children[start..].iter().take_while(|child| child.name.to_uppercase() == upper).collect();
    same.sort_by_key(|child| child.name != name);
    same
}

impl FileTree {
    fn new(store: Arc<dyn Store>, roots: Vec<String>, encoded: bool) -> Self {
        FileTree { store, roots, encoded, listings: Mutex::default(), problems: Mutex::default() }
    }

    fn listing(&self, folder: &str) -> Result<Listing, Problem> {
        if let Some(known) = self.listings.lock().unwrap_or_else(PoisonError::into_inner).get(folder) {
            return Ok(known.clone());
        }
        let mut children = self.store.children(folder).map_err(|error| read_problem(Stage::Locate, "", &error))?;
        if self.encoded {
            children.iter_mut().for_each(|child| child.name = percent_decoded(&child.name));
        }
        children.sort_by_cached_key(|child| (child.name.to_uppercase(), child.name.clone()));
        let children = Arc::new(children);
        let mut listings = self.listings.lock().unwrap_or_else(PoisonError::into_inner);
        let names: usize = listings.values().map(|listing| listing.len()).sum();
        if names > MAX_CACHED_NAMES && listings.len() >= MIN_CACHED_LISTINGS {
            listings.clear();
        }
        listings.insert(folder.to_owned(), children.clone());
        Ok(children)
    }

    /// Every folder of the store that is this folder of the volume.
    fn folders(&self, path: &str) -> Result<Vec<String>, Problem> {
        let mut current = self.roots.clone();
        for component in path.split('\\').filter(|component| !component.is_empty()) {
            let mut next = Vec::new();
            for folder in &current {
                let children = self.listing(folder)?;
                let folders = of_name(&children, component).into_iter().filter(|child| child.is_folder);
                next.extend(folders.map(|child| child.key.clone()));
            }
            current = next;
        }
        Ok(current)
    }

    /// The child of this name, or the stream of this name where the store keeps it as a file `name:stream`.
    fn child(&self, folder: &str, name: &str) -> Result<Option<Child>, Problem> {
        for key in self.folders(folder)? {
            let children = self.listing(&key)?;
            if let Some(child) = of_name(&children, name).first() {
                return Ok(Some((*child).clone()));
            }
        }
        Ok(None)
    }

    fn found(&self, folder: &str, child: &Child) -> Found {
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
            size: child.size,
            times: FileTimes { container: child.times, ..FileTimes::default() },
            mft: None,
            recovery: None,
            method: self.store.method(),
        }
    }

    /// The path as the volume spells it, without the last component, and that component.
    fn spelled_folder(&self, folder: &str) -> Result<String, Problem> {
        let mut spelled = String::new();
        for component in folder.split('\\').filter(|component| !component.is_empty()) {
            let name = self.child(&spelled, component)?.map_or_else(|| component.to_owned(), |child| child.name);
            spelled = format!("{spelled}\\{name}");
        }
        Ok(spelled)
    }

    fn find(&self, path: &str) -> Result<Option<Placed>, Problem> {
        let (folder, name) = path.rsplit_once('\\').unwrap_or(("", path));
        if let Some(child) = self.child(folder, name)? {
            return Ok(Some((self.spelled_folder(folder)?, child)));
        }
        let Some((file, stream)) = name.split_once(':') else { return Ok(None) };
        if let Some(owner) = self.child(folder, file)?
            && let Some(mut child) = self.store.stream(&owner.key, stream)
        {
            child.name = format!("{}:{stream}", owner.name);
            return Ok(Some((self.spelled_folder(folder)?, child)));
        }
        // Some programs keep the stream of the change journal under the name of the stream alone.
        if file.eq_ignore_ascii_case("$UsnJrnl")
            && let Some(mut child) = self.child(folder, stream)?
        {
            child.name = format!("$UsnJrnl:{stream}");
            return Ok(Some((self.spelled_folder(folder)?, child)));
        }
        Ok(None)
    }
}

fn read_problem(stage: Stage, path: &str, error: &io::Error) -> Problem {
    let kind = match error.kind() {
        io::ErrorKind::PermissionDenied => ProblemKind::AccessDenied,
        io::ErrorKind::NotFound => ProblemKind::NotFound,
        io::ErrorKind::Unsupported => ProblemKind::UnsupportedVersion { found: error.to_string() },
        _ => ProblemKind::ReadFailed,
    };
    Problem::new(stage, kind, path, format!("cannot be read: {error}"), "what it holds is not known")
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
                method: self.store.method(),
            };
            return Ok(Some(found));
        }
        Ok(self.find(path)?.map(|(folder, child)| self.found(&folder, &child)))
    }

    fn list(&self, folder: &Found) -> Result<Vec<Found>, Problem> {
        let mut listings = Vec::new();
        for key in self.folders(&folder.path)? {
            match self.listing(&key) {
                Ok(listing) => listings.push(listing),
                Err(mut problem) => {
                    problem.item.clone_from(&folder.path);
                    return Err(problem);
                }
            }
        }
        let mut found: Vec<Found> = Vec::with_capacity(listings.iter().map(|listing| listing.len()).sum());
        found.extend(listings.iter().flat_map(|listing| listing.iter()).map(|child| self.found(&folder.path, child)));
        if listings.len() > 1 {
            found.sort_by_cached_key(|found| found.full_path().to_uppercase());
            found.dedup_by(|later, first| later.full_path() == first.full_path());
        }
        Ok(found)
    }

    fn streams(&self, file: &Found) -> Result<Vec<Found>, Problem> {
        let (folder, name) = file.path.rsplit_once('\\').unwrap_or(("", &file.path));
        let prefix = format!("{}:", name.to_uppercase());
        let mut streams = Vec::new();
        for key in self.folders(folder)? {
            for child in self.listing(&key)?.iter() {
                if child.name.contains(':') && child.name.to_uppercase().starts_with(&prefix) && !child.is_folder {
                    streams.push(self.found(folder, child));
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
                ProblemKind::NotFound,
                &path,
                "it is not there any more",
                "it is not collected",
            )
        };
        let (_, child) = self.find(&path)?.ok_or_else(not_there)?;
        if child.is_link {
            return Err(Problem::new(
                Stage::Acquire,
                ProblemKind::AccessDenied,
                &path,
                "it is a link, and links are not followed because they can lead out of the evidence",
                "what it points to is collected only where that lies in the evidence under its own name",
            ));
        }
        let bytes = self.store.open(&child.key).map_err(|error| read_problem(Stage::Acquire, &path, &error))?;
        Ok(Box::new(Whole(bytes)))
    }

    fn take_problems(&self) -> Vec<Problem> {
        std::mem::take(&mut *self.problems.lock().unwrap_or_else(PoisonError::into_inner))
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
}

impl Content for Whole {
    fn data_ranges(&self) -> Vec<Range<u64>> {
        std::iter::once(0..self.0.len()).collect()
    }
}

/// How deep below the root drive letter folders are looked for: `case/host/uploads/auto/C%3A`.
const MAX_DEPTH: u32 = 4;

/// Folders that stand for volumes.
struct Drives {
    /// By drive letter, and whether names below are encoded.
    letters: BTreeMap<(char, bool), Vec<String>>,
    /// Names of folders with the files of shadow copies.
    shadow_copies: Vec<String>,
}

/// Finds the drive letter folders, as deep as triage programs put them.
fn drives(store: &dyn Store, folder: &str, depth: u32, found: &mut Drives) -> io::Result<()> {
    let mut children = store.children(folder)?;
    children.sort_by(|a, b| a.name.cmp(&b.name));
    let mut here = false;
    for child in children.iter().filter(|child| child.is_folder && !child.is_link) {
        if let Some((letter, encoded)) = drive_letter(&child.name) {
            found.letters.entry((letter, encoded)).or_default().push(child.key.clone());
            here = true;
        } else if percent_decoded(&child.name).contains("HarddiskVolumeShadowCopy") {
            found.shadow_copies.push(child.name.clone());
        }
    }
    if !here && depth < MAX_DEPTH {
        for child in children.iter().filter(|child| child.is_folder && !child.is_link).take(64) {
            drives(store, &child.key, depth + 1, found)?;
        }
    }
    Ok(())
}

/// Whether this folder is the root of a volume with Windows on it.
fn has_windows(store: &dyn Store, folder: &str) -> io::Result<bool> {
    Ok(store.children(folder)?.iter().any(|child| child.is_folder && child.name.eq_ignore_ascii_case("Windows")))
}

/// A store that is one volume.
#[cfg_attr(not(windows), allow(dead_code))]
pub(crate) fn of_volume(store: impl Store + 'static) -> Arc<dyn Tree> {
    Arc::new(FileTree::new(Arc::new(store), vec![String::new()], false))
}

/// The volumes of a store.
pub(crate) fn volumes(store: &Arc<dyn Store>, problems: &mut Vec<Problem>) -> io::Result<Vec<OpenedVolume>> {
    let root = String::new();
    let volume = |id: String, letter: Option<char>, is_system: bool| Volume {
        letter,
        is_system,
        ..Volume::new(id, store.kind())
    };
    if has_windows(store.as_ref(), &root)? {
        let tree: Arc<dyn Tree> = Arc::new(FileTree::new(store.clone(), vec![root], false));
        return Ok(vec![(volume("C".to_owned(), Some('C'), true), Some(tree))]);
    }
    let mut found = Drives { letters: BTreeMap::new(), shadow_copies: Vec::new() };
    drives(store.as_ref(), &root, 0, &mut found)?;
    problems.extend(found.shadow_copies.into_iter().map(|name| {
        Problem::new(
            Stage::Source,
            ProblemKind::UnsupportedVersion { found: "files of a volume shadow copy".to_owned() },
            name,
            "the source has files of a shadow copy, which are not searched",
            "earlier versions of files that may be there are not seen",
        )
    }));
    let mut volumes: Vec<OpenedVolume> = Vec::new();
    for ((letter, encoded), roots) in found.letters {
        // Plain names sort before encoded ones. The two never come from one program.
        if volumes.iter().any(|(volume, _)| volume.letter == Some(letter)) {
            problems.push(Problem::new(
                Stage::Source,
                ProblemKind::Inconsistent {
                    a: format!("{letter}: as a folder with plain names"),
                    b: "another with percent-encoded names".to_owned(),
                },
                format!("{letter}:"),
                "two programs seem to have left a tree of this volume",
                "only the one with plain names is searched; give the other folder as a source of its own",
            ));
            continue;
        }
        let tree = FileTree::new(store.clone(), roots, encoded);
        let is_system = tree.lookup(r"\Windows").ok().flatten().is_some_and(|found| found.is_folder);
        volumes.push((volume(letter.to_string(), Some(letter), is_system), Some(Arc::new(tree))));
    }
    if volumes.is_empty() {
        let tree: Arc<dyn Tree> = Arc::new(FileTree::new(store.clone(), vec![root], false));
        problems.push(Problem::new(
            Stage::Source,
            ProblemKind::NotFound,
            "",
            "the source has neither a Windows folder nor drive letter folders",
            "only what is looked for on every volume can be found in it",
        ));
        volumes.push((volume("volume-at-0".to_owned(), None, false), Some(tree)));
    }
    Ok(volumes)
}
