//! Programs of which a record has only the name: they are looked for where a copy of a tool can be put.

use super::{Item, Named, NamedPath, name};
use crate::run::Run;
use crate::source::{Found, Tree, VolumeKind};
use evidence::technique::lies_elsewhere;
use evidence::{Problem, ProblemKind, Stage};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::atomic::Ordering;

/// Most files and folders that are looked at.
const MOST: usize = 500_000;
/// Most files of one name.
const MOST_OF_ONE: usize = 8;

/// Replaces bare names by the files that are called so outside of the folders of Windows and of installed programs. A name of
/// which another record has the path is left to that one.
pub(super) fn places(run: &mut Run<'_>, suspects: Named, named: &Named) -> Named {
    let (mut suspects, bare): (Named, Named) = suspects.into_iter().partition(|(upper, _)| upper.contains('\\'));
    let known: BTreeSet<String> =
        suspects.keys().chain(named.keys()).map(|upper| file_name(upper).to_owned()).collect();
    let wanted: BTreeMap<String, NamedPath> = bare.into_iter().filter(|(upper, _)| !known.contains(upper)).collect();
    if wanted.is_empty() {
        return suspects;
    }
    let (found, is_cut_off) = look(run, &wanted);
    if is_cut_off {
        run.note([Problem::new(
            Stage::Locate,
            ProblemKind::LimitReached,
            "",
            format!(
                "programs of which a record has only the name were looked for among {MOST} files, and {MOST_OF_ONE} of one \
                 name were taken; there are more"
            ),
            "a tool under another name, and what it was given, may not have been collected",
        )]);
    }
    for (upper, path) in found {
        let Some(named) = wanted.get(&upper) else { continue };
        suspects.entry(name::folded(&path)).or_insert_with(|| NamedPath {
            path,
            first: named.first,
            named_by: named.named_by.clone(),
            wanted_by: BTreeSet::from([Item::RAN]),
        });
    }
    suspects
}

fn file_name(path: &str) -> &str {
    path.rsplit('\\').next().unwrap_or(path)
}

/// The files that are called so, by their names, and whether not all files were looked at.
fn look(run: &Run<'_>, wanted: &BTreeMap<String, NamedPath>) -> (Vec<(String, String)>, bool) {
    let mut found: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let (mut left, mut is_cut_off) = (MOST, false);
    for (volume, tree) in &run.request.source.volumes {
        let Some(tree) = tree.as_deref() else { continue };
        if !volume.is_system && !matches!(volume.kind, VolumeKind::Ntfs) {
            continue;
        }
        walk(tree, &mut left, &|| run.request.cancel.load(Ordering::Relaxed), &mut |file| {
            let upper = name::folded(file_name(&file.path));
            if wanted.contains_key(&upper) {
                let places = found.entry(upper).or_default();
                is_cut_off |= places.len() == MOST_OF_ONE;
                if places.len() < MOST_OF_ONE {
                    places.push(volume.original_path(&file.path));
                }
            }
        });
    }
    let each = |(upper, places): (String, Vec<String>)| places.into_iter().map(move |place| (upper.clone(), place));
    (found.into_iter().flat_map(each).collect(), is_cut_off || left == 0)
}

/// Gives every file of a tree outside of the folders in which no copy can be put, as far as the number allows.
fn walk(tree: &dyn Tree, left: &mut usize, is_stopped: &dyn Fn() -> bool, take: &mut dyn FnMut(&Found)) {
    let root = tree.lookup("\\").ok().flatten();
    let mut folders: VecDeque<Found> = root.into_iter().collect();
    while let Some(folder) = folders.pop_front() {
        if *left == 0 || is_stopped() {
            return;
        }
        if tree.link(&folder.path).is_some() {
            continue;
        }
        // What cannot be listed is said where it is looked for by its path; here nothing is concluded from it.
        let _ = tree.each(&folder, &mut |child| {
            *left = left.saturating_sub(1);
            if *left == 0
                || child.stream.is_some()
                || !lies_elsewhere(&format!("{}\\", child.path.trim_end_matches('\\')))
            {
                return;
            }
            match child.is_folder {
                true if !is_of_the_volume(&child.path) => folders.push_back(child),
                true => {}
                false => take(&child),
            }
        });
    }
}

/// Whether a folder is the volume's own: NTFS' files.
fn is_of_the_volume(path: &str) -> bool {
    path.get(..8).is_some_and(|start| start.eq_ignore_ascii_case(r"\$Extend"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::volume::ntfs::NtfsTree;
    use crate::source::volume::ntfs::tests::volume_with_links;
    use std::sync::Arc;

    #[test]
    fn j_2_a_bare_name_is_looked_for_outside_of_the_folders_of_windows() {
        let tree = NtfsTree::open(Arc::new(volume_with_links())).unwrap();
        let names_within = |mut left: usize| {
            let mut names = Vec::new();
            walk(&tree, &mut left, &|| false, &mut |file| names.push(file.path.clone()));
            names
        };
        let names = names_within(MOST);
        assert!(!names.is_empty() && names.iter().all(|path| lies_elsewhere(path)), "{names:?}");
        assert_eq!(names_within(0), [""; 0]);
    }
}
