//! Where what does not fit into memory goes: nameless files beside the destination, readable by their owner only, that
//! vanish with the program. Never the system's temporary folder, which can be small, shared or part of the evidence.

use crate::file_bytes::FileBytes;
use evidence::Bytes;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// What is at most so long stays in memory.
const IN_MEMORY: u64 = 8 << 20;

/// A folder for temporary files.
#[derive(Clone, Debug)]
pub struct Spill {
    folder: PathBuf,
}

impl Spill {
    /// Beside a destination, whose folder need not be there yet: in the nearest folder above it that is.
    pub fn beside(destination: &Path) -> Self {
        let absolute = std::path::absolute(destination).unwrap_or_else(|_| destination.to_owned());
        let folder = absolute.ancestors().skip(1).find(|folder| folder.is_dir()).unwrap_or(Path::new("."));
        Spill { folder: folder.to_owned() }
    }

    /// In this folder.
    pub fn into_folder(folder: &Path) -> Self {
        Spill { folder: folder.to_owned() }
    }

    /// A new empty file without a name. The error says where there is no room.
    pub fn file(&self) -> io::Result<File> {
        tempfile::tempfile_in(&self.folder).map_err(|error| {
            io::Error::new(error.kind(), format!("no temporary file can be made in {}: {error}", self.folder.display()))
        })
    }

    /// The bytes of a reader, in memory or in a temporary file that vanishes with them. Never more than `size`, which
    /// is what the archive says; the reader gives an error when it has more or less.
    pub(crate) fn keep(&self, reader: &mut dyn Read, size: u64) -> io::Result<Box<dyn Bytes>> {
        let mut limited = reader.take(size.saturating_add(1));
        if size <= IN_MEMORY {
            let mut bytes = Vec::new();
            limited.read_to_end(&mut bytes)?;
            return Ok(Box::new(bytes));
        }
        let mut file = self.file()?;
        io::copy(&mut limited, &mut file)?;
        Ok(Box::new(FileBytes::new(file)?))
    }
}
