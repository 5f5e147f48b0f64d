//! Which objects are read with others, as the artifacts declare it.

use evidence::{Artifact, Beside, Item, ItemId, Items, KeyIndex, Siblings};
use std::borrow::Cow;
use std::collections::HashMap;

/// An object that is read with another one.
pub(super) struct Neighbour<'i> {
    pub(super) item: Cow<'i, Item>,
    /// Most of it that is held in memory, bytes, where its artifact says so.
    pub(super) held: Option<u64>,
}

/// Where the objects are that help to read others.
pub(super) struct Neighbours {
    /// By the folder that they were collected from.
    siblings: Vec<(Siblings, KeyIndex)>,
    /// By their volume, the first of several.
    of_volumes: Vec<(&'static str, HashMap<String, ItemId>)>,
}

impl Neighbours {
    pub(super) fn new(items: &dyn Items, artifacts: &[&Artifact]) -> Self {
        let mut all = Neighbours { siblings: Vec::new(), of_volumes: Vec::new() };
        for artifact in artifacts {
            match artifact.beside {
                Beside::Siblings(one) if all.siblings.iter().all(|(other, _)| *other != one) => {
                    all.siblings.push((one, KeyIndex::default()));
                }
                Beside::OfVolume(path) if all.of_volumes.iter().all(|(other, _)| *other != path) => {
                    all.of_volumes.push((path, HashMap::new()));
                }
                Beside::Nothing | Beside::HiveLogs | Beside::Siblings(_) | Beside::OfVolume(_) => {}
            }
        }
        items.each(&mut |item| all.add(item));
        all.siblings.iter_mut().for_each(|(_, index)| index.sort());
        all
    }

    fn add(&mut self, item: &Item) {
        let path = &item.original_path;
        for (siblings, index) in &mut self.siblings {
            if siblings.has_name(path) && item.bundle_path.is_some() && item.size <= siblings.longest {
                index.add(&folder_of(path).to_ascii_lowercase(), item.id.0);
            }
        }
        for (end, by_volume) in &mut self.of_volumes {
            if path.ends_with(*end) && !by_volume.contains_key(&item.volume) {
                by_volume.insert(item.volume.clone(), item.id);
            }
        }
    }

    /// The objects that are read with an object.
    pub(super) fn of<'i>(&self, items: &'i dyn Items, item: &Item, beside: Beside) -> Vec<Neighbour<'i>> {
        let all = |item| Neighbour { item, held: None };
        match beside {
            Beside::Nothing => Vec::new(),
            Beside::HiveLogs => {
                let logs = item.companions.iter().filter_map(|path| items.by_path(path));
                logs.filter(|log| log.bundle_path.is_some()).map(all).collect()
            }
            Beside::Siblings(siblings) => {
                let folder = folder_of(&item.original_path).to_ascii_lowercase();
                let index = self.siblings.iter().find(|(one, _)| *one == siblings);
                let others = index.into_iter().flat_map(|(_, index)| index.candidates(&folder).map(ItemId));
                let found = others.filter(|id| *id != item.id).filter_map(|id| items.by_id(id));
                found
                    .filter(|one| folder_of(&one.original_path).eq_ignore_ascii_case(&folder))
                    .take(siblings.most)
                    .map(|item| Neighbour { item, held: Some(siblings.held) })
                    .collect()
            }
            Beside::OfVolume(path) => {
                let by_volume = self.of_volumes.iter().find(|(one, _)| *one == path);
                let id = by_volume.and_then(|(_, by_volume)| by_volume.get(&item.volume));
                id.and_then(|id| items.by_id(*id)).map(all).into_iter().collect()
            }
        }
    }

    /// Whether it is read with others of its volume.
    pub(super) fn serves_a_volume(&self, item: &Item) -> bool {
        self.of_volumes.iter().any(|(_, by_volume)| by_volume.get(&item.volume) == Some(&item.id))
    }
}

fn folder_of(path: &str) -> &str {
    path.rsplit_once('\\').map_or("", |(folder, _)| folder)
}
