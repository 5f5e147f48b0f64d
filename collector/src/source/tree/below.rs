//! What lies in the tree of a host and belongs to another: further trees of Windows, archives and images of disks.

use super::layout::drive_letter;
use super::survey::{Survey, Visit, is_of_windows};
use super::{Child, Store};
use evidence::{Problem, ProblemKind, Stage, name};
use std::io;
use std::sync::Arc;

/// Folders of one tree that are looked through. The volume of a host can have any number.
const MAX_FOLDERS: usize = 20_000;
/// Archives and images that are named one by one.
const MAX_NAMED: usize = 20;
/// How archives and images of disks end.
const ENDINGS: [&str; 22] = [
    ".ZIP", ".7Z", ".RAR", ".TAR", ".TGZ", ".GZ", ".E01", ".EX01", ".L01", ".LX01", ".AFF", ".AFF4", ".DD", ".RAW",
    ".001", ".VHD", ".VHDX", ".VMDK", ".QCOW2", ".VDI", ".WIM", ".AD1",
];

fn not_examined(path: &str, what: String) -> Problem {
    let effect = "what it holds is not examined; if it can be evidence, give it as a source of its own";
    Problem::new(Stage::Source, ProblemKind::NotUnderstood, name::shown(path), what, effect)
}

fn is_archive(child: &Child) -> bool {
    let upper = child.name.to_uppercase();
    !child.is_folder && !child.is_link && child.size > 0 && ENDINGS.iter().any(|ending| upper.ends_with(ending))
}

/// What is looked at of a folder: its folders, and the archives by their names.
#[derive(Default)]
struct Inside {
    folders: Vec<Child>,
    archives: Vec<String>,
    more: u64,
}

impl Inside {
    fn of(store: &Arc<dyn Store>, folder: &str) -> io::Result<Self> {
        let mut inside = Inside::default();
        store.each(folder, &mut |child| {
            if is_archive(&child) {
                match inside.archives.len() < MAX_NAMED {
                    true => inside.archives.push(child.name),
                    false => inside.more += 1,
                }
            } else if child.is_folder && !child.is_link {
                inside.folders.push(child);
            }
            Ok(())
        })?;
        inside.folders.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        inside.archives.sort_unstable();
        Ok(inside)
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
    /// at in turn, and for archives and images, which are named. No file is opened.
    pub(super) fn below(&mut self, store: &Arc<dyn Store>, root: &Visit, left: &mut Vec<Visit>) {
        let (mut folders, mut named, mut more) = (0, 0, 0u64);
        let (key, path, name) = (root.key.clone(), root.path.clone(), root.name.clone());
        let mut waiting = vec![Visit { key, path, name, within: None }];
        while let Some(folder) = waiting.pop() {
            folders += 1;
            if folders > MAX_FOLDERS {
                let what = format!("more than {MAX_FOLDERS} folders are in this tree outside of those of Windows");
                self.problems.push(not_examined(&root.path, format!("{what}; further ones were not looked into")));
                break;
            }
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
            more += inside.more;
            for archive in &inside.archives {
                named += 1;
                if named > MAX_NAMED {
                    more += 1;
                    continue;
                }
                let what =
                    "by its name it is an archive or an image, and it lies in the tree of a host; it was not opened";
                self.problems.push(not_examined(&path(archive), what.to_owned()));
            }
            for child in inside.folders.into_iter().rev().filter(|child| !is_root || !is_of_windows(&child.name)) {
                waiting.push(Visit { path: path(&child.name), key: child.key, name: child.name, within: None });
            }
        }
        if more > 0 {
            let what = format!("{more} more archives or images lie in this tree; they were not opened");
            self.problems.push(not_examined(&root.path, what));
        }
    }
}
