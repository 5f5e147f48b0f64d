//! Volumes that were copied file by file: a mounted volume, and the trees that triage programs leave behind.

pub(crate) mod archive;
mod below;
mod file_tree;
mod folder;
mod hosts;
mod idx;
pub(crate) mod install;
mod layout;
mod links;
mod loose;
pub(crate) mod named;
mod survey;

pub(crate) use crate::file_bytes::special;
pub(crate) use folder::{Folder, kept};
pub(crate) use hosts::hosts;
pub(crate) use install::{Installation, has_profiles, installations};
pub(crate) use loose::LooseFiles;
pub(crate) use survey::{Unknown, survey};

use crate::source::{Tree, VolumeKind};
use evidence::{Bytes, Macb, Method, name};
use file_tree::{FileTree, Root};
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

/// Whether a bundle of this program lies here, or in the only folder here.
pub(crate) fn is_bundle(store: &dyn Store) -> bool {
    let children = |folder: &str, name: &str| store.named(folder, name).unwrap_or_default();
    let is_bag = |folder: &str| {
        !children(folder, "bagit.txt").is_empty()
            && children(folder, "metadata").iter().any(|own| !children(&own.key, "objects.jsonl").is_empty())
    };
    let mut folders = Vec::new();
    let listed = store.each("", &mut |child| {
        if child.is_folder && !child.is_link && folders.len() < 2 {
            folders.push(child.key);
        }
        Ok(())
    });
    is_bag("") || listed.is_ok() && matches!(&folders[..], [only] if is_bag(only))
}

/// What a store says about one child of a folder.
#[derive(Clone, Debug)]
pub(crate) struct Child {
    /// Name as stored, kept as [`evidence::name`] keeps names.
    pub(crate) name: String,
    /// How the store finds it again.
    pub(crate) key: String,
    pub(crate) is_folder: bool,
    /// A symbolic link, or something else that is neither file nor folder. The store never follows it.
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

    /// Calls for everything in a folder, in any order: a folder can have millions of names.
    fn each(&self, folder: &str, take: &mut dyn FnMut(Child) -> io::Result<()>) -> io::Result<()>;

    /// What is in a folder that is known to be small.
    fn children(&self, folder: &str) -> io::Result<Vec<Child>> {
        let mut children = Vec::new();
        self.each(folder, &mut |child| {
            children.push(child);
            Ok(())
        })?;
        Ok(children)
    }

    /// The children of a folder that have this name, without regard to case.
    fn named(&self, folder: &str, name: &str) -> io::Result<Vec<Child>> {
        let mut named = Vec::new();
        self.each(folder, &mut |child| {
            if name::same(&child.name, name) {
                named.push(child);
            }
            Ok(())
        })?;
        Ok(named)
    }

    /// The bytes of a file.
    fn open(&self, file: &str) -> io::Result<Arc<dyn Bytes>>;

    /// The first bytes of a file, at most so many.
    fn head(&self, file: &str, length: usize) -> io::Result<Vec<u8>> {
        let mut head = vec![0; length];
        let read = self.open(file)?.read_full_at(0, &mut head)?;
        head.truncate(read);
        Ok(head)
    }

    /// The name that an earlier member of an archive has, where a later one of that name took it.
    fn replaced(&self, _child: &Child) -> Option<String> {
        None
    }

    /// An alternate stream that the store can open but not list; most cannot.
    fn stream(&self, _file: &str, _name: &str) -> Option<Child> {
        None
    }

    /// What a child is that is neither file nor folder, in words: `a socket`.
    fn what(&self, _child: &str) -> Option<&'static str> {
        None
    }

    /// Where a link leads, as it is stored; `None` where that is not known, or where it is none.
    fn link(&self, _child: &str) -> Option<String> {
        None
    }

    /// Where a file or folder is on this machine.
    fn local_path(&self, _key: &str) -> Option<PathBuf> {
        None
    }
}

/// A store that is one volume.
#[cfg_attr(not(windows), allow(dead_code))]
pub(crate) fn of_volume(store: impl Store + 'static) -> Arc<dyn Tree> {
    let root = Root { key: String::new(), encoded: false, place: String::new() };
    Arc::new(FileTree::new(Arc::new(store), vec![root], &[]))
}

/// One file as a store: what a compressor packed.
pub(crate) struct Single {
    pub(crate) name: String,
    pub(crate) bytes: Arc<dyn Bytes>,
}

impl Store for Single {
    fn kind(&self) -> VolumeKind {
        VolumeKind::Archive
    }

    fn method(&self) -> Method {
        Method::Archive
    }

    fn each(&self, folder: &str, take: &mut dyn FnMut(Child) -> io::Result<()>) -> io::Result<()> {
        if !folder.is_empty() {
            return Ok(());
        }
        let (name, size) = (self.name.clone(), self.bytes.len());
        take(Child { name, key: "file".to_owned(), is_folder: false, is_link: false, size, times: None })
    }

    fn open(&self, _file: &str) -> io::Result<Arc<dyn Bytes>> {
        Ok(self.bytes.clone())
    }
}
