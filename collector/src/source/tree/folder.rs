//! A folder of the analysis machine.

use super::{Child, Store};
use crate::file_bytes::FileBytes;
use crate::source::VolumeKind;
use evidence::{Bytes, Filetime, Macb, Method};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
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

fn child(name: String, key: String, metadata: &std::fs::Metadata) -> Child {
    // Last access is left out: our own reading would change it from one collection to the next.
    let times = Macb {
        modified: metadata.modified().ok().and_then(filetime),
        born: metadata.created().ok().and_then(filetime),
        accessed: None,
        changed: None,
    };
    Child {
        name,
        key,
        is_folder: metadata.is_dir(),
        is_link: metadata.is_symlink() || !(metadata.is_dir() || metadata.is_file()),
        size: if metadata.is_file() { metadata.len() } else { 0 },
        times: Some(times),
    }
}

impl Folder {
    fn path(&self, key: &str) -> PathBuf {
        key.split('/').filter(|name| !name.is_empty()).fold(self.root.clone(), |path, name| path.join(name))
    }
}

impl Store for Folder {
    fn kind(&self) -> VolumeKind {
        VolumeKind::Folder
    }

    fn method(&self) -> Method {
        Method::FileApi
    }

    fn children(&self, folder: &str) -> io::Result<Vec<Child>> {
        let mut children = Vec::new();
        for entry in std::fs::read_dir(self.path(folder))? {
            let entry = entry?;
            // A file that vanishes between the listing and the look at it is simply not there.
            if let Ok(metadata) = entry.metadata() {
                let name = entry.file_name().to_string_lossy().into_owned();
                let key = format!("{folder}/{name}");
                children.push(child(name, key, &metadata));
            }
        }
        Ok(children)
    }

    fn open(&self, file: &str) -> io::Result<Arc<dyn Bytes>> {
        Ok(Arc::new(FileBytes::open(&self.path(file))?))
    }

    fn stream(&self, file: &str, name: &str) -> Option<Child> {
        // Windows, and ntfs-3g with streams_interface=windows, open streams by this name.
        let key = format!("{file}:{name}");
        let metadata = std::fs::symlink_metadata(self.path(&key)).ok()?;
        metadata.is_file().then(|| child(name.to_owned(), key, &metadata))
    }
}
