//! Which Windows are installed on a volume, or what a collection has of them.

use crate::source::{Found, Tree};
use evidence::{Format, Problem, ProblemKind, Stage, name};

/// A Windows on a volume.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Installation {
    /// Whether an update has put it aside: it lies below `Windows.old`.
    pub(crate) is_older: bool,
    /// Its folder from the root of the volume, `\Windows`.
    pub(crate) windows: String,
}

/// Hives and logs of an installation that have one place each, below its folder.
const FILES: [&str; 9] = [
    r"System32\config\SYSTEM",
    r"System32\config\SOFTWARE",
    r"System32\config\SAM",
    r"System32\config\SECURITY",
    r"System32\config\DEFAULT",
    r"System32\config\SysEvent.Evt",
    r"System32\config\SecEvent.Evt",
    r"System32\config\AppEvent.Evt",
    r"System32\ntoskrnl.exe",
];
/// Folders of logs and prefetch files below it, and how such files end.
const FOLDERS: [(&str, &str); 3] =
    [(r"System32\winevt\Logs", ".EVTX"), (r"System32\config", ".EVTX"), ("Prefetch", ".PF")];
/// Files of such a folder that are tried: the first ones can be links that lead nowhere.
const TRIED: usize = 16;
/// Folders of one folder that are looked into.
const MAX_FOLDERS: usize = 10_000;
/// Folders of users' profiles beside it.
const PROFILES: [&str; 2] = [r"\Users", r"\Documents and Settings"];

fn last(path: &str) -> &str {
    path.rsplit('\\').next().unwrap_or(path)
}

fn folder(tree: &dyn Tree, path: &str) -> Option<Found> {
    tree.lookup(path).ok().flatten().filter(|found| found.is_folder)
}

/// The children of a folder that are such; at most so many, which is more than a volume has.
fn children(tree: &dyn Tree, path: &str, most: usize, is_wanted: &dyn Fn(&Found) -> bool) -> Vec<Found> {
    let mut children = Vec::new();
    let mut take = |child| {
        if children.len() < most && is_wanted(&child) {
            children.push(child);
        }
    };
    match folder(tree, path).map(|folder| tree.each(&folder, &mut take)) {
        Some(Ok(())) => children,
        _ => Vec::new(),
    }
}

fn is_file(found: &Found) -> bool {
    !found.is_folder && found.stream.is_none()
}

/// The hives, logs and prefetch files of the installation in this folder, as far as it takes to know that there are any.
fn marks(tree: &dyn Tree, windows: &str) -> Vec<Found> {
    let mut marks: Vec<Found> = FILES
        .iter()
        .filter_map(|path| tree.lookup(&format!("{windows}\\{path}")).ok().flatten())
        .filter(is_file)
        .collect();
    for (path, ending) in FOLDERS {
        let is_mark = |found: &Found| is_file(found) && name::folded(&found.path).ends_with(ending);
        marks.extend(children(tree, &format!("{windows}\\{path}"), TRIED, &is_mark));
    }
    let beside = windows.rsplit_once('\\').map_or("", |(beside, _)| beside);
    marks.extend(profile_hive(tree, beside));
    marks
}

/// Whether a volume without Windows has the hive of a user that can be opened.
pub(crate) fn has_profiles(tree: &dyn Tree) -> bool {
    profile_hive(tree, "").is_some_and(|hive| can_be_opened(tree, vec![hive]))
}

/// The hive of a user whose profile lies in this folder of a volume.
fn profile_hive(tree: &dyn Tree, beside: &str) -> Option<Found> {
    PROFILES.iter().find_map(|profiles| {
        children(tree, &format!("{beside}{profiles}"), MAX_FOLDERS, &|profile| profile.is_folder)
            .into_iter()
            .find_map(|profile| tree.lookup(&format!("{}\\NTUSER.DAT", profile.path)).ok().flatten().filter(is_file))
    })
}

/// Whether one of these files can be opened. An archive can hold a Windows of which every file is encrypted.
fn can_be_opened(tree: &dyn Tree, mut marks: Vec<Found>) -> bool {
    // Members of archives are unpacked when they are opened, so the short ones come first.
    marks.sort_by_key(|mark| mark.size);
    marks.iter().any(|mark| tree.open(mark).is_ok())
}

/// Whether a file is what its place says.
fn is_readable(tree: &dyn Tree, found: &Found) -> bool {
    let mut head = [0; 512];
    let read = tree.open(found).and_then(|content| {
        content.read_full_at(0, &mut head).map_err(|error| {
            Problem::new(Stage::Source, ProblemKind::ReadFailed, name::shown(&found.path), error.to_string(), "")
        })
    });
    read.is_ok_and(|read| Format::of(&head[..read], last(&found.path)).is_some())
}

/// Every Windows on this volume of which there is a hive, a log or a prefetch file, the present ones first.
pub(crate) fn installations(tree: &dyn Tree) -> Vec<Installation> {
    let is_folder = |child: &Found| child.is_folder && child.stream.is_none();
    let mut names: Vec<String> =
        children(tree, "", MAX_FOLDERS, &is_folder).into_iter().map(|child| last(&child.path).to_owned()).collect();
    // Folders of names that differ in case only are one folder.
    names.sort_by_cached_key(|name| (name::folded(name), name.clone()));
    names.dedup_by(|a, b| name::same(a, b));
    if names.is_empty() {
        names = ["Windows", "WINNT", "Windows.old"].map(str::to_owned).into();
    }
    let mut found: Vec<Installation> = Vec::new();
    for name in names {
        let upper = name::folded(&name);
        if upper.starts_with("WINDOWS.OLD") {
            for inner in ["Windows", "WINNT"] {
                let Some(inner) = folder(tree, &format!("\\{name}\\{inner}")) else { continue };
                // Updates leave empty shells of it, which say nothing.
                if marks(tree, &inner.path).iter().any(|mark| is_readable(tree, mark)) {
                    found.push(Installation { is_older: true, windows: inner.path });
                }
            }
            continue;
        }
        let path = format!("\\{name}");
        let is_likely = matches!(upper.as_str(), "WINDOWS" | "WINNT");
        if (is_likely || folder(tree, &format!(r"{path}\System32\config")).is_some())
            && can_be_opened(tree, marks(tree, &path))
        {
            found.push(Installation { is_older: false, windows: path });
        }
    }
    // The profiles beside several folders of one volume belong to each; `Windows` is the one that Windows itself makes.
    found.sort_by_key(|one| (one.is_older, !one.windows.eq_ignore_ascii_case(r"\Windows"), one.windows.clone()));
    found.dedup();
    found
}
