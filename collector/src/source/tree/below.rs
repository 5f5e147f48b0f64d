//! What lies in the tree of a host and belongs to another: further trees of Windows.

use super::layout::drive_letter;
use super::survey::{Survey, Visit, is_of_windows};
use super::{Child, Store};
use evidence::{Problem, ProblemKind, Stage, name};
use std::io;
use std::sync::Arc;

fn not_examined(path: &str, what: String) -> Problem {
    let effect = "what it holds is not examined; if it can be evidence, give it as a source of its own";
    Problem::new(Stage::Source, ProblemKind::NotUnderstood, name::shown(path), what, effect)
}

/// The folders of a folder.
struct Inside {
    folders: Vec<Child>,
}

impl Inside {
    fn of(store: &Arc<dyn Store>, folder: &str) -> io::Result<Self> {
        let mut folders = Vec::new();
        store.each(folder, &mut |child| {
            if child.is_folder && !child.is_link {
                folders.push(child);
            }
            Ok(())
        })?;
        folders.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        Ok(Inside { folders })
    }

    /// Whether there is a Windows, by the names.
    fn has_windows(&self, store: &Arc<dyn Store>) -> bool {
        let is = |child: &Child, name: &str| child.name.eq_ignore_ascii_case(name);
        self.folders.iter().filter(|child| is(child, "Windows") || is(child, "WINNT")).any(|windows| {
            store.named(&windows.key, "System32").is_ok_and(|named| named.iter().any(|child| child.is_folder))
        })
    }

    /// Whether there is a drive of a collection with a Windows. Its other drives lie beside it.
    fn has_drive(&self, store: &Arc<dyn Store>) -> bool {
        let drives = self.folders.iter().filter(|child| drive_letter(&child.name).is_some());
        drives.filter_map(|drive| Inside::of(store, &drive.key).ok()).any(|inside| inside.has_windows(store))
    }
}

impl Survey {
    /// Looks below the root of a tree, outside of the folders of Windows itself, for trees of other hosts, which are looked
    /// at in turn. Archives there are files of the host like any other.
    pub(super) fn below(&mut self, store: &Arc<dyn Store>, root: &Visit, left: &mut Vec<Visit>) {
        let (key, path, name) = (root.key.clone(), root.path.clone(), root.name.clone());
        let mut waiting = vec![Visit { key, path, name, within: None }];
        while let Some(folder) = waiting.pop() {
            let inside = match Inside::of(store, &folder.key) {
                Ok(inside) => inside,
                Err(error) => {
                    self.problems.push(not_examined(&folder.path, format!("this folder cannot be listed: {error}")));
                    continue;
                }
            };
            let is_root = folder.key == root.key;
            if !is_root && (inside.has_windows(store) || inside.has_drive(store)) {
                left.push(folder);
                continue;
            }
            let path = |name: &str| format!("{}\\{}", folder.path, name::component(name));
            for child in inside.folders.into_iter().rev().filter(|child| !is_root || !is_of_windows(&child.name)) {
                waiting.push(Visit { path: path(&child.name), key: child.key, name: child.name, within: None });
            }
        }
    }
}
