//! Where the files of a bundle that is read lie: in its archive, or in the folder that it was unpacked to.

use super::verify::{Store, folder};
use super::{FAILURES, HOST, OBJECTS, TAG_MANIFEST, TOOL};
use crate::file_bytes::Section;
use crate::spill::Spill;
use crate::zip::reader::{Content, Directory, Entry};
use evidence::Bytes;
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The files of a folder that describe the bag and that are read.
const DESCRIBING: [&str; 6] = ["bag-info.txt", OBJECTS, FAILURES, HOST, TOOL, TAG_MANIFEST];

/// The files of a bundle.
pub(super) enum Stored {
    /// In an archive.
    Archive {
        /// The archive.
        bytes: Arc<dyn Bytes>,
        /// What it lists.
        directory: Directory,
    },
    /// In a folder.
    Folder {
        /// The one that `bagit.txt` lies in.
        root: PathBuf,
        /// What describes the bag, as it was when it was opened.
        described: HashMap<&'static str, Box<dyn Bytes>>,
    },
}

impl Stored {
    /// Opens a folder. What describes the bag is copied, so that it is read as it was at this moment.
    pub(super) fn of_folder(root: PathBuf, spill: &Spill) -> io::Result<Self> {
        let mut described = HashMap::new();
        for file in DESCRIBING {
            let (size, mut reader) = match within(&root, file) {
                Ok(found) => found,
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(error),
            };
            described.insert(file, spill.keep(&mut reader, size)?);
        }
        Ok(Stored::Folder { root, described })
    }

    /// Length and content of a file, by its path in the bag and the place where the archive lists it.
    pub(super) fn open(&self, file: &str, place: u64) -> io::Result<(u64, Box<dyn Read + Send + '_>)> {
        match self {
            Stored::Archive { bytes, directory } => {
                let entry = directory.entry(&**bytes, place)?;
                Ok((entry.size, Box::new(directory.open(&**bytes, &entry)?)))
            }
            Stored::Folder { root, described } => match described.get(file) {
                Some(bytes) => Ok((bytes.len(), Box::new(Section::new(&**bytes, 0, bytes.len())))),
                None => within(root, file),
            },
        }
    }

    /// A file of an archive, to be inflated while it is read, by the place where the archive lists it.
    pub(super) fn packed(&self, place: u64) -> io::Result<Option<Packed>> {
        match self {
            Stored::Archive { bytes, directory } => {
                let entry = directory.entry(&**bytes, place)?;
                Ok(Some(Packed { bytes: bytes.clone(), directory: directory.clone(), entry }))
            }
            Stored::Folder { .. } => Ok(None),
        }
    }

    /// The path in the archive of what is listed at a place.
    pub(super) fn name(&self, place: u64) -> Option<String> {
        match self {
            Stored::Archive { bytes, directory } => Some(directory.entry(&**bytes, place).ok()?.name),
            Stored::Folder { .. } => None,
        }
    }

    /// The same, for the verification.
    pub(super) fn as_store(&self) -> Store<'_> {
        match self {
            Stored::Archive { bytes, directory } => Store::Archive { bytes: &**bytes, directory },
            Stored::Folder { root, .. } => Store::Folder(root),
        }
    }
}

/// A file in an archive.
pub(super) struct Packed {
    bytes: Arc<dyn Bytes>,
    directory: Directory,
    entry: Entry,
}

impl Packed {
    /// Its content, from front to back.
    pub(super) fn content(&self) -> io::Result<Content<Arc<dyn Bytes>>> {
        self.directory.open(self.bytes.clone(), &self.entry)
    }
}

/// A file of the bag: one below the folder, to which no link leads.
fn within(root: &Path, file: &str) -> io::Result<(u64, Box<dyn Read + Send>)> {
    let mut path = root.to_owned();
    let mut folders = file.split('/').peekable();
    while let Some(name) = folders.next() {
        if matches!(name, "" | "." | "..") || name.contains(['\\', ':', '\0']) {
            return Err(io::Error::other("its path is none that a bag has"));
        }
        path.push(name);
        if folders.peek().is_some() && !path.symlink_metadata()?.is_dir() {
            return Err(io::Error::other("a link leads to it"));
        }
    }
    let size = path.symlink_metadata()?.len();
    Ok((size, folder::open(root, file)?))
}

/// SHA-256 of all that is left to read.
pub(super) fn sha256_of(mut reader: impl Read) -> io::Result<[u8; 32]> {
    let mut sha256 = Sha256::new();
    let mut block = vec![0; 1 << 16];
    loop {
        match reader.read(&mut block) {
            Ok(0) => return Ok(sha256.finalize().into()),
            Ok(read) => sha256.update(&block[..read]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_outside_of_the_folder_is_read() {
        let above = tempfile::tempdir().unwrap();
        let root = above.path().join("bag");
        std::fs::create_dir_all(root.join("data/raw")).unwrap();
        std::fs::write(root.join("data/raw/a"), b"abc").unwrap();
        std::fs::write(above.path().join("secret"), b"secret").unwrap();
        let read = |file: &str| within(&root, file).and_then(|(_, reader)| io::read_to_string(reader));
        assert_eq!(read("data/raw/a").unwrap(), "abc");
        for file in ["../secret", "data/../../secret", "/etc/hostname", "", "data/raw", r"..\secret", "data//raw/a"] {
            assert!(read(file).is_err(), "{file}");
        }
        #[cfg(unix)]
        {
            std::os::unix::fs::symlink(above.path(), root.join("data/link")).unwrap();
            std::os::unix::fs::symlink(above.path().join("secret"), root.join("data/raw/b")).unwrap();
            assert!(read("data/link/secret").is_err() && read("data/raw/b").is_err());
        }
    }
}
