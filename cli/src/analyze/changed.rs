//! A bundle that was changed after it was sealed, where the analysis is to go on all the same.

use crate::parts::Collection;
use collector::{AcceptedItems, VerifyReport};
use evidence::{Item, ItemId, Items};
use std::collections::{BTreeSet, HashSet};
use timeline::ChangedBundle;

/// Which objects are not what was sealed.
pub(super) struct Changed<'a> {
    pub(super) said: ChangedBundle,
    pub(super) ids: BTreeSet<ItemId>,
    /// All objects, the changed ones as they are.
    pub(super) items: AcceptedItems<'a>,
}

impl<'a> Changed<'a> {
    /// Finds them, and lets them be read as they are.
    pub(super) fn accept(collection: &'a Collection) -> Self {
        let reader = &collection.reader;
        let of_parts: Vec<ChangedPart<'_>> = collection.verified.iter().map(ChangedPart::of).collect();
        // Two parts can have the same path for different objects.
        let is_changed = |item: &Item| {
            let path = item.bundle_path.as_deref();
            path.zip(of_parts.get(reader.part_of(item.id))).is_some_and(|(path, part)| part.is_changed(path))
        };
        let (mut paths, mut ids) = (BTreeSet::new(), BTreeSet::new());
        reader.items().each(&mut |item| {
            if is_changed(item) {
                paths.insert(item.original_path.clone());
                ids.insert(item.id);
            }
        });
        let said = ChangedBundle::new(&collection.changed_parts(), collection.wrong(), ids.len() as u64, paths);
        Changed { said, ids, items: reader.accept_changed(&is_changed) }
    }
}

/// What of one bundle is not what was sealed.
struct ChangedPart<'a> {
    verified: &'a VerifyReport,
    wrong: HashSet<&'a str>,
    /// Nothing vouches for what is said of the objects, so that all of them are in doubt.
    all: bool,
}

impl<'a> ChangedPart<'a> {
    fn of(verified: &'a VerifyReport) -> Self {
        let wrong: HashSet<&str> = verified.wrong.iter().map(|wrong| wrong.path.as_str()).collect();
        let all = wrong.iter().any(|path| path.starts_with("tagmanifest-") || *path == "metadata/objects.jsonl");
        ChangedPart { verified, wrong, all }
    }

    fn is_changed(&self, path: &str) -> bool {
        self.all || self.wrong.contains(path) || self.verified.is_changed(path)
    }
}
