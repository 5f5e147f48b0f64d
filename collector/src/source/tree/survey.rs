//! Looks through a folder or an archive for everything that is evidence of a host: trees of Windows in the layout of any
//! triage program, files of Windows outside of them, and further archives and images.
//!
//! KAPE and CyLR write `C/Windows/…`. Velociraptor writes `uploads/auto/C%3A/Windows/…` for what it read through the file
//! API and `uploads/ntfs/%5C%5C.%5CC%3A/$MFT` for what it read raw, with every odd character as `%XX`; the two are parts of
//! one volume. acquire writes `fs/C:/…`, FTK and UAC `[root]/…`.

use super::file_tree::{FileTree, Root};
use super::install::{self, installations};
use super::layout::{drive_letter, is_accessor, is_shadow_copy, percent_decoded};
use super::{Child, Store, named};
use crate::source::Tree;
use evidence::{FORMAT_HEAD, Format, Problem, ProblemKind, Stage, name};
use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

/// A folder that is the root of a volume, or what is left of one.
#[derive(Debug)]
pub(crate) struct Drive {
    pub(super) root: Root,
    /// By its name; a root without one is taken for C.
    pub(super) letter: Option<char>,
    /// Folders that are above it and that the store does not have.
    pub(super) above: &'static [&'static str],
    /// Path of the folder that holds everything of its collection.
    pub(super) collection: String,
    /// Whether it lies in a folder of an accessor, so that others of its letter are parts of the same volume.
    pub(super) in_accessor: bool,
    /// Whether Windows, users' profiles or the file system's own files are in it. Otherwise it only bears a letter.
    pub(super) is_tree: bool,
    /// Files on it that were recognised by their content, by path from its root, if it is a drive of data.
    pub(super) recognised: Vec<(String, Format)>,
    /// Its path in the store.
    path: String,
    /// The lettered folder that it lies in.
    within: Option<usize>,
    /// Whether a tree was found inside, so that its name is no drive letter.
    is_folder: bool,
}

/// Names that are looked at and problems that are kept of one kind.
const MAX_LISTED: usize = 100;

/// How deep a folder that only bears a letter is taken for a drive. Each is kept with its path, and what lies in one that is
/// deeper is looked at all the same.
const MAX_LETTERED: usize = 64;

/// What was found in a store.
#[derive(Default)]
pub(crate) struct Survey {
    pub(super) drives: Vec<Drive>,
    /// Files outside of trees that were recognised, by path, with the lettered folder that they lie in.
    loose: Vec<(String, Format, Option<usize>)>,
    pub(crate) problems: Vec<Problem>,
    /// Files outside of trees that were looked at.
    pub(crate) files: u64,
    /// Folders that were listed.
    pub(crate) folders: u64,
    links: usize,
    /// The whole store, for where links lead.
    whole: Option<FileTree>,
    unreadable: usize,
}

/// A file that may be an archive or an image.
pub(crate) struct Unknown<'a> {
    pub(crate) folder: &'a str,
    pub(crate) child: &'a Child,
    /// Path in the source.
    pub(crate) path: &'a str,
    /// Its first bytes.
    pub(crate) head: &'a [u8],
    /// It is a program and taken as one, and can carry an archive behind its own bytes.
    pub(crate) is_program: bool,
}

/// A folder that is still to be looked at.
pub(super) struct Visit {
    pub(super) key: String,
    pub(super) path: String,
    pub(super) name: String,
    pub(super) within: Option<usize>,
}

/// Looks through a store whose root has this name. What is neither a tree nor a file of Windows goes to `unknown`.
pub(crate) fn survey(store: &Arc<dyn Store>, root: &str, unknown: &mut dyn FnMut(&Unknown<'_>)) -> Survey {
    let mut found = Survey::default();
    let mut left = vec![Visit { key: String::new(), path: String::new(), name: root.to_owned(), within: None }];
    while let Some(visit) = left.pop() {
        found.visit(store, &visit, &mut left, unknown);
    }
    if found.unreadable > MAX_LISTED {
        let what = format!("{} more files cannot be read", found.unreadable - MAX_LISTED);
        found.problems.push(unreadable("", what));
    }
    if found.links > MAX_LISTED {
        found.problems.push(link(&format!("{} more", found.links - MAX_LISTED), "a link"));
    }
    found
}

fn unreadable(path: &str, what: String) -> Problem {
    let effect = "what it is and what it holds is not known";
    Problem::new(Stage::Source, ProblemKind::NotUnderstood, name::shown(path), what, effect)
}

fn unlisted(path: &str, error: &io::Error) -> Problem {
    let what = format!("this folder cannot be listed: {error}");
    let effect = "what lies in it and below is not examined";
    Problem::new(Stage::Source, ProblemKind::NotUnderstood, name::shown(path), what, effect)
}

fn link(path: &str, what: &str) -> Problem {
    Problem::new(
        Stage::Source,
        ProblemKind::AccessDenied,
        name::shown(path),
        format!("it is {what}, which is not opened"),
        "what it leads to is examined only where that lies in the source itself",
    )
}

/// A pipe, device or socket.
fn special(path: &str, what: &str) -> Problem {
    let effect = "what it holds or gives out is not examined";
    let what = format!("it is {what}, which is not opened");
    Problem::new(Stage::Source, ProblemKind::AccessDenied, name::shown(path), what, effect)
}

/// The folders of a path above the last one.
fn parent(path: &str) -> &str {
    path.rsplit_once('\\').map_or("", |(parent, _)| parent)
}

fn last(path: &str) -> &str {
    path.rsplit('\\').next().unwrap_or(path)
}

/// Whether a folder of this name at the root of a volume is one of Windows.
pub(super) fn is_of_windows(name: &str) -> bool {
    const OWN: [&str; 8] = [
        "WINDOWS",
        "WINNT",
        "USERS",
        "DOCUMENTS AND SETTINGS",
        "PROGRAM",
        "$",
        "RECYCLER",
        "SYSTEM VOLUME INFORMATION",
    ];
    let upper = name::folded(name);
    OWN.iter().any(|own| upper.starts_with(own))
}

/// Whether a folder with Windows in it is the root of a volume as it was, and not one in which somebody collected files.
fn is_volume_root(name: &str, children: &[Child]) -> bool {
    name.eq_ignore_ascii_case("[root]")
        || children.iter().any(|child| OF_VOLUME.iter().any(|own| child.name.eq_ignore_ascii_case(own)))
}

/// What is kept of the children of a folder while it is looked at.
struct Children {
    /// The folders, in the order of their names.
    folders: Vec<Child>,
    /// Those whose names say what the folder is.
    telling: Vec<Child>,
    /// The other ones, in the order of their names; `None` if they are many.
    others: Option<Vec<Child>>,
}

/// Children of a folder that are kept beside its folders.
const MAX_KEPT: usize = 1 << 13;

impl Children {
    fn of(store: &Arc<dyn Store>, folder: &str) -> io::Result<Self> {
        let (mut folders, mut telling, mut others) = (Vec::new(), Vec::new(), Some(Vec::new()));
        store.each(folder, &mut |child| {
            if telling.len() < MAX_KEPT && is_telling(&child) {
                telling.push(child.clone());
            }
            if child.is_folder && !child.is_link {
                folders.push(child);
            } else if let Some(kept) = &mut others {
                kept.push(child);
                if kept.len() > MAX_KEPT {
                    others = None;
                }
            }
            Ok(())
        })?;
        for children in [Some(&mut folders), Some(&mut telling), others.as_mut()].into_iter().flatten() {
            children.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        }
        Ok(Children { folders, telling, others })
    }

    /// Calls for everything that is no folder.
    fn each(&self, store: &Arc<dyn Store>, folder: &str, take: &mut dyn FnMut(&Child)) -> io::Result<()> {
        match &self.others {
            Some(others) => others.iter().for_each(take),
            None => store.each(folder, &mut |child| {
                if !child.is_folder || child.is_link {
                    take(&child);
                }
                Ok(())
            })?,
        }
        Ok(())
    }
}

/// Folders whose names, or their beginnings, say that a folder is a volume, the folder of Windows, or in it.
const TREES: [&str; 4] = ["WINDOWS", "WINNT", "USERS", "DOCUMENTS AND SETTINGS"];
const BELOW: [&str; 3] = ["SYSTEM32", "CONFIG", "WINEVT"];
/// Files at the root of a volume.
const OF_VOLUME: [&str; 7] =
    ["PROGRAM FILES", "$MFT", "$EXTEND", "PAGEFILE.SYS", "HIBERFIL.SYS", "$RECYCLE.BIN", "SYSTEM VOLUME INFORMATION"];
/// Files of the file system.
const OF_FILE_SYSTEM: [&str; 4] = ["$MFT", "$Extend", "$LogFile", "$UsnJrnl"];

/// Whether the name says something about the folder that it lies in.
fn is_telling(child: &Child) -> bool {
    let name = percent_decoded(&child.name);
    let own = |own: &&str| child.name.eq_ignore_ascii_case(own) || name.eq_ignore_ascii_case(own);
    let upper = name::folded(&name);
    child.is_folder && TREES.iter().chain(&BELOW).any(|wanted| upper.starts_with(wanted))
        || OF_VOLUME.iter().chain(&OF_FILE_SYSTEM).any(own)
}

impl Survey {
    fn visit(
        &mut self,
        store: &Arc<dyn Store>,
        visit: &Visit,
        left: &mut Vec<Visit>,
        unknown: &mut dyn FnMut(&Unknown<'_>),
    ) {
        self.folders += 1;
        let children = match Children::of(store, &visit.key) {
            Ok(children) => children,
            Err(error) => {
                self.problems.push(unlisted(&visit.path, &error));
                return;
            }
        };
        let mut within = visit.within;
        let mut of_tree = false;
        let is_likely = |drive: &Drive| drive.is_tree || visit.path.split('\\').count() <= MAX_LETTERED;
        if let Some(drive) = self.drive(store, visit, &children.telling).filter(is_likely) {
            let is_tree = drive.is_tree;
            let is_below_windows = !drive.above.is_empty();
            // A folder of cases can have a folder `Windows` beside other things, a volume has nothing but its own.
            of_tree =
                drive.letter.is_none() && drive.above.is_empty() && !is_volume_root(&visit.name, &children.telling);
            self.drives.push(drive);
            if is_tree {
                self.found_tree_in(within);
                if !of_tree {
                    if !is_below_windows {
                        self.below(store, visit, left);
                    }
                    return;
                }
            } else {
                within = Some(self.drives.len() - 1);
            }
        }
        let read = children.each(store, &visit.key, &mut |child| {
            let name = name::component(&child.name);
            let path = format!("{}\\{name}", visit.path);
            if child.is_link {
                self.link(store, child, &path);
            } else if !child.is_folder {
                self.file(store, visit, child, &path, within, unknown);
            }
        });
        if let Err(error) = read {
            self.problems.push(unlisted(&visit.path, &error));
        }
        for child in children.folders.iter().rev() {
            let name = name::component(&child.name);
            let path = format!("{}\\{name}", visit.path);
            if of_tree && is_of_windows(&child.name) {
                continue;
            }
            if is_shadow_copy(&child.name) {
                self.problems.push(Problem::new(
                    Stage::Source,
                    ProblemKind::UnsupportedVersion { found: "files of a volume shadow copy".to_owned() },
                    name::shown(&child.name),
                    "the source has files of a shadow copy, which are not searched",
                    "earlier versions of files that may be there are not seen",
                ));
                continue;
            }
            left.push(Visit { key: child.key.clone(), path, name: child.name.clone(), within });
        }
    }

    /// Says of a link that leads out of the source, or of what is neither file nor folder, that it is not opened. What a link
    /// leads to in the source is looked at where it lies.
    fn link(&mut self, store: &Arc<dyn Store>, child: &Child, path: &str) {
        let what = store.what(&child.key).filter(|what| *what != "a link");
        let problem = match what {
            Some(what) => special(path, what),
            None => {
                let whole = || {
                    FileTree::apart(store.clone(), Root { key: String::new(), encoded: false, place: String::new() })
                };
                match self.whole.get_or_insert_with(whole).lookup(path) {
                    Ok(Some(_)) => return,
                    Ok(None) => link(path, "a link"),
                    Err(problem) => Problem { stage: Stage::Source, ..problem },
                }
            }
        };
        self.links += 1;
        if self.links <= MAX_LISTED {
            self.problems.push(problem);
        }
    }

    /// Says of every lettered folder around a tree that it is a plain folder.
    fn found_tree_in(&mut self, mut within: Option<usize>) {
        while let Some(index) = within {
            self.drives[index].is_folder = true;
            within = self.drives[index].within;
        }
    }

    /// Whether the folder stands beside the drive of a host that was found.
    fn is_data_drive(&self, index: usize) -> bool {
        let own = &self.drives[index];
        !own.is_folder && self.drives.iter().any(|drive| drive.is_tree && drive.collection == own.collection)
    }

    /// What this folder is, if it is a volume or bears the name of one.
    fn drive(&self, store: &Arc<dyn Store>, visit: &Visit, children: &[Child]) -> Option<Drive> {
        let has = |names: &[&str]| {
            children.iter().any(|child| {
                let name = name::folded(&percent_decoded(&child.name));
                child.is_folder && names.iter().any(|wanted| name.starts_with(wanted))
            })
        };
        let named = drive_letter(&visit.name);
        let encoded = named.is_some_and(|(_, encoded)| encoded);
        let root = Root { key: visit.key.clone(), encoded, place: name::shown(&visit.path).replace('\\', "/") };
        let test = |above: &'static [&'static str]| {
            let tree = FileTree::new(store.clone(), vec![root.clone()], above);
            !installations(&tree).is_empty() || install::has_profiles(&tree)
        };
        let above: Option<&'static [&'static str]> = match name::folded(&visit.name).as_str() {
            "WINDOWS.OLD" if test(&["Windows.old"]) => Some(&["Windows.old"]),
            _ if has(&TREES) && test(&[]) => Some(&[]),
            "WINNT" if test(&["WINNT"]) => Some(&["WINNT"]),
            "WINDOWS" if test(&["Windows"]) => Some(&["Windows"]),
            "SYSTEM32" if has(&["CONFIG", "WINEVT"]) && test(&["Windows", "System32"]) => {
                Some(&["Windows", "System32"])
            }
            _ if has(&["SYSTEM32"]) && test(&["Windows"]) => Some(&["Windows"]),
            _ => None,
        };
        // A file that cannot be read gives nothing; what is wrong with it is told with the files outside of trees.
        let of_file_system = |child: &Child| {
            let name = percent_decoded(&child.name);
            OF_FILE_SYSTEM.iter().any(|own| name.eq_ignore_ascii_case(own))
                && (child.is_folder || store.head(&child.key, 1).is_ok())
        };
        let is_tree = above.is_some() || named.is_some() && children.iter().any(of_file_system);
        if named.is_none() && !is_tree {
            return None;
        }
        // Below `uploads` Velociraptor has a folder for each accessor, and new accessors are made now and then.
        let in_accessor = named.is_some()
            && !parent(&visit.path).is_empty()
            && (is_accessor(last(parent(&visit.path)))
                || last(parent(parent(&visit.path))).eq_ignore_ascii_case("uploads"));
        let collection = match (named, in_accessor) {
            (Some(_), true) => parent(parent(&visit.path)).to_owned(),
            (Some(_), false) if !visit.path.is_empty() => parent(&visit.path).to_owned(),
            // The root of the source has nothing above; no path of a folder looks like this one.
            _ if visit.path.is_empty() => r"\".to_owned(),
            _ => visit.path.clone(),
        };
        Some(Drive {
            root,
            letter: named.map(|(letter, _)| letter),
            above: above.unwrap_or_default(),
            collection,
            in_accessor,
            is_tree,
            recognised: Vec::new(),
            path: visit.path.clone(),
            within: visit.within,
            is_folder: false,
        })
    }

    /// Looks at a file outside of every tree.
    fn file(
        &mut self,
        store: &Arc<dyn Store>,
        visit: &Visit,
        child: &Child,
        path: &str,
        within: Option<usize>,
        unknown: &mut dyn FnMut(&Unknown<'_>),
    ) {
        self.files += 1;
        if child.size == 0 {
            if let Some(what) = named::empty(&child.name) {
                self.unreadable += 1;
                if self.unreadable <= MAX_LISTED {
                    self.problems.push(unreadable(path, format!("it is named like {what}, and is empty")));
                }
            }
            return;
        }
        let head = match store.head(&child.key, FORMAT_HEAD) {
            Ok(head) => head,
            Err(error) => {
                self.unreadable += 1;
                if self.unreadable <= MAX_LISTED {
                    self.problems.push(unreadable(path, format!("this file cannot be read: {error}")));
                }
                return;
            }
        };
        let by_chunks = || {
            let is_log = named::has_chunks(&child.name, |length| store.head(&child.key, length));
            is_log.then_some(Format::EventLog)
        };
        let format = Format::of(&head, &child.name).or_else(by_chunks);
        self.loose.extend(format.map(|format| (path.to_owned(), format, within)));
        let is_program = format == Some(Format::Assembly);
        if format.is_none() || is_program {
            unknown(&Unknown { folder: &visit.key, child, path, head: &head, is_program });
        }
    }

    /// The recognised files that are in no drive of a host. Logs and prefetch files on a drive of data stay with it.
    pub(crate) fn loose(&mut self) -> BTreeMap<String, Format> {
        let mut loose = BTreeMap::new();
        for (path, format, mut within) in std::mem::take(&mut self.loose) {
            let mut data_drive = None;
            while let Some(index) = within {
                data_drive = data_drive.or_else(|| self.is_data_drive(index).then_some(index));
                within = self.drives[index].within;
            }
            match (data_drive, format) {
                (Some(index), Format::EventLog | Format::Prefetch) => {
                    let drive = &mut self.drives[index];
                    let below = path.strip_prefix(drive.path.as_str()).unwrap_or(&path);
                    let decoded = |path: &str| path.split('\\').map(percent_decoded).collect::<Vec<_>>().join("\\");
                    let below = if drive.root.encoded { decoded(below) } else { below.to_owned() };
                    drive.recognised.push((below, format));
                }
                // Programs on a drive of data are looked for where a record names them.
                (Some(_), Format::Assembly) => {}
                // A hive on a drive of data need not be one of this host.
                _ => {
                    loose.insert(path, format);
                }
            }
        }
        loose
    }

    /// The drives of each collection, without folders that only look like one.
    pub(super) fn collections(&mut self) -> BTreeMap<String, Vec<Drive>> {
        let mut collections: BTreeMap<String, Vec<Drive>> = BTreeMap::new();
        for drive in std::mem::take(&mut self.drives).into_iter().filter(|drive| !drive.is_folder) {
            collections.entry(drive.collection.clone()).or_default().push(drive);
        }
        collections.retain(|_, drives| drives.iter().any(|drive| drive.is_tree));
        collections
    }
}
