//! The volatile state on the destination before there is a bundle. Opening volumes, copying logs and reading hives for the
//! host's name takes a while; what is volatile would be gone for good if the program ended meanwhile.

use super::memory_tree::MemoryFile;
use crate::file_bytes::create_private;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// A folder with a file for each kind of state. It stays until [`Early::remove`]: a program that ends before leaves it.
pub struct Early {
    folder: PathBuf,
}

impl Early {
    /// Writes the files through to the medium, in a new folder beside a destination that need not be there yet.
    #[cfg_attr(not(windows), allow(dead_code))]
    pub(crate) fn keep(destination: &Path, files: &[MemoryFile]) -> io::Result<Self> {
        let absolute = std::path::absolute(destination)?;
        let beside = absolute.ancestors().skip(1).find(|folder| folder.is_dir()).unwrap_or(Path::new("."));
        let folder = tempfile::Builder::new().prefix("comtrail-volatile-").tempdir_in(beside)?.keep();
        let early = Early { folder };
        for file in files {
            let mut out = create_private(&early.folder.join(file.name))?;
            out.write_all(&file.bytes)?;
            out.sync_all()?;
        }
        Ok(early)
    }

    /// Where it is.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Removes it, because a bundle has what it held.
    pub(crate) fn remove(&self) -> io::Result<()> {
        std::fs::remove_dir_all(&self.folder)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_lies_beside_the_destination_until_it_is_removed() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name, bytes: &[u8]| MemoryFile { name, bytes: bytes.into(), taken: None };
        let files = [file("processes.jsonl", b"{}\n"), file("connections.jsonl", b"")];
        let destination = folder.path().join("not/yet/there");
        let early = Early::keep(&destination, &files).unwrap();
        assert_eq!(early.folder().parent(), Some(std::path::absolute(folder.path()).unwrap().as_path()));
        assert_eq!(std::fs::read(early.folder().join("processes.jsonl")).unwrap(), b"{}\n");
        assert_eq!(std::fs::read(early.folder().join("connections.jsonl")).unwrap(), b"");
        let place = early.folder().to_owned();
        drop(early);
        assert!(place.is_dir(), "a program that ends leaves it");
        Early { folder: place.clone() }.remove().unwrap();
        assert!(!place.exists());
    }
}
