//! From the folders of a store to hosts: which drives belong together, and which Windows each host is.

use super::Store;
use super::file_tree::{FileTree, OtherCopies, Root};
use super::install::{Installation, has_profiles, installations};
use super::survey::{Drive, Survey};
use crate::source::{OpenedVolume, Tree, Volume, VolumeKind};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// A host with its volumes.
pub(crate) struct Host {
    pub(crate) volumes: Vec<OpenedVolume>,
    pub(crate) is_older: bool,
    /// Where it is in the store, for people.
    pub(crate) place: String,
}

/// One volume of a collection.
struct Unit {
    letter: Option<char>,
    tree: Arc<FileTree>,
    /// The copies of its files that differ from those that are used.
    others: Vec<(String, Arc<OtherCopies>)>,
    installed: Vec<Installation>,
    in_accessor: bool,
    place: String,
}

impl Unit {
    fn new(store: &Arc<dyn Store>, drives: Vec<Drive>) -> Unit {
        let first = &drives[0];
        let (letter, above, in_accessor) = (first.letter, first.above, first.in_accessor);
        let place = first.root.place.clone();
        let recognised = drives.iter().flat_map(|drive| drive.recognised.iter().cloned()).collect();
        let roots: Vec<Root> = drives.into_iter().map(|drive| drive.root).collect();
        let tree = FileTree::new(store.clone(), roots, above).with_recognised(recognised);
        let installed = installations(&tree);
        let others = tree.other_copies().into_iter().map(|(place, tree)| (place, Arc::new(tree))).collect();
        Unit { letter, tree: Arc::new(tree), others, installed, in_accessor, place }
    }

    /// Adds this volume, and its other copies, to those of a host.
    fn add_to(&self, host: &mut Builder, windows: Option<&str>) {
        let letter = self.letter.or(windows.map(|_| 'C')).filter(|letter| !host.letters.contains(letter));
        host.letters.extend(letter);
        let wanted = letter.or(self.letter).map_or_else(|| "volume".to_owned(), |letter| letter.to_string());
        let id = host.id(&wanted);
        let volume = Volume {
            letter,
            is_system: windows.is_some(),
            windows: windows.unwrap_or(r"\Windows").to_owned(),
            ..Volume::new(id.clone(), host.kind)
        };
        let tree: Arc<dyn Tree> = self.tree.clone();
        host.volumes.push((volume.clone(), Some(tree)));
        for (place, tree) in &self.others {
            let is_alone = self.others.len() == 1;
            let accessor = place.rsplit('/').nth(1).filter(|_| !is_alone).unwrap_or("copy");
            let id = host.id(&format!("{id}-{accessor}"));
            let copy = Volume { id, letter: None, kind: VolumeKind::OtherCopy, ..volume.clone() };
            let tree: Arc<dyn Tree> = tree.clone();
            host.volumes.push((copy, Some(tree)));
        }
    }
}

/// The volumes of a host while they are gathered.
struct Builder {
    kind: VolumeKind,
    letters: BTreeSet<char>,
    ids: BTreeSet<String>,
    volumes: Vec<OpenedVolume>,
}

impl Builder {
    fn id(&mut self, wanted: &str) -> String {
        let numbered = (2u32..).map(|number| format!("{wanted}-{number}"));
        let mut ids = std::iter::once(wanted.to_owned()).chain(numbered);
        // The numbers do not end before the names do.
        let id = ids.find(|id| !self.ids.contains(id)).unwrap_or_else(|| wanted.to_owned());
        self.ids.insert(id.clone());
        id
    }
}

/// The drives of a collection as volumes: those of one letter in several accessors' folders are one.
fn units(store: &Arc<dyn Store>, drives: Vec<Drive>) -> Vec<Unit> {
    let mut together: BTreeMap<Option<char>, Vec<Drive>> = BTreeMap::new();
    let mut units = Vec::new();
    for drive in drives {
        if drive.in_accessor {
            together.entry(drive.letter).or_default().push(drive);
        } else {
            units.push(Unit::new(store, vec![drive]));
        }
    }
    units.extend(together.into_values().map(|drives| Unit::new(store, drives)));
    units
}

/// Every host of a store.
pub(crate) fn hosts(store: &Arc<dyn Store>, survey: &mut Survey) -> Vec<Host> {
    let mut hosts = Vec::new();
    let build = || Builder { kind: store.kind(), letters: BTreeSet::new(), ids: BTreeSet::new(), volumes: Vec::new() };
    for (_, drives) in survey.collections() {
        let mut units = units(store, drives);
        // Profiles on a drive beside Windows are of its users.
        if units.iter().all(|unit| unit.installed.is_empty()) {
            for unit in units.iter_mut().filter(|unit| has_profiles(&*unit.tree)) {
                unit.installed.push(Installation { is_older: false, windows: r"\Windows".to_owned() });
            }
        }
        let mut any = false;
        for (index, unit) in units.iter().enumerate() {
            for installed in &unit.installed {
                any = true;
                let mut host = build();
                unit.add_to(&mut host, Some(&installed.windows));
                // A folder with a Windows of its own beside this one can be another computer's.
                for (_, other) in units.iter().enumerate().filter(|(other_index, other)| {
                    *other_index != index && (other.installed.is_empty() || other.in_accessor && unit.in_accessor)
                }) {
                    other.add_to(&mut host, None);
                }
                hosts.push(Host { volumes: host.volumes, is_older: installed.is_older, place: unit.place.clone() });
            }
        }
        if !any {
            // Drives without Windows: only what is looked for on every volume can be found there.
            let mut host = build();
            units.iter().for_each(|unit| unit.add_to(&mut host, None));
            let place = units.first().map(|unit| unit.place.clone()).unwrap_or_default();
            hosts.push(Host { volumes: host.volumes, is_older: false, place });
        }
    }
    hosts
}
