//! A folder of the analysis machine.

use super::VolumeKind;
use super::file_tree::{Child, Store};
use super::image::FileBytes;
use evidence::{Bytes, Filetime, Macb, Method};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

/// The folder.
pub(crate) struct Folder {
    root: PathBuf,
}

impl Folder {
    pub(crate) fn new(root: &Path) -> Self {
        Folder { root: root.to_owned() }
    }
}

fn filetime(time: SystemTime) -> Option<Filetime> {
    let (seconds, nanos) = match time.duration_since(UNIX_EPOCH) {
        Ok(after) => (i64::try_from(after.as_secs()).ok()?, after.subsec_nanos()),
        Err(before) => {
            // A time before 1970 counts back; its fraction still counts forward.
            let before = before.duration();
            let whole = i64::try_from(before.as_secs()).ok()?;
            match before.subsec_nanos() {
                0 => (-whole, 0),
                nanos => (-whole - 1, 1_000_000_000 - nanos),
            }
        }
    };
    Filetime::from_unix_seconds(seconds)?.checked_add_ticks(i64::from(nanos / 100))
}

fn child(name: String, path: PathBuf, metadata: &std::fs::Metadata) -> Child<PathBuf> {
    // Last access is left out: our own reading would change it from one collection to the next.
    let times = Macb {
        modified: metadata.modified().ok().and_then(filetime),
        born: metadata.created().ok().and_then(filetime),
        accessed: None,
        changed: None,
    };
    Child {
        name,
        key: path,
        is_folder: metadata.is_dir(),
        is_link: metadata.is_symlink() || !(metadata.is_dir() || metadata.is_file()),
        size: if metadata.is_file() { metadata.len() } else { 0 },
        times: Some(times),
    }
}

impl Store for Folder {
    type Key = PathBuf;
    const KIND: VolumeKind = VolumeKind::Folder;
    const METHOD: Method = Method::FileApi;

    fn root(&self) -> PathBuf {
        self.root.clone()
    }

    fn children(&self, folder: &PathBuf) -> io::Result<Vec<Child<PathBuf>>> {
        let mut children = Vec::new();
        for entry in std::fs::read_dir(folder)? {
            let entry = entry?;
            // A file that vanishes between the listing and the look at it is simply not there.
            if let Ok(metadata) = entry.metadata() {
                children.push(child(entry.file_name().to_string_lossy().into_owned(), entry.path(), &metadata));
            }
        }
        Ok(children)
    }

    fn open(&self, file: &PathBuf) -> io::Result<Box<dyn Bytes>> {
        Ok(Box::new(FileBytes::open(file)?))
    }

    fn stream(&self, file: &PathBuf, name: &str) -> Option<Child<PathBuf>> {
        // Windows, and ntfs-3g with streams_interface=windows, open streams by this name.
        let mut path = file.clone().into_os_string();
        path.push(":");
        path.push(name);
        let path = PathBuf::from(path);
        let metadata = std::fs::symlink_metadata(&path).ok()?;
        metadata.is_file().then(|| child(name.to_owned(), path, &metadata))
    }
}
