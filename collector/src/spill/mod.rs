//! Where what does not fit into memory goes: nameless files beside the destination, readable by their owner only, that
//! vanish with the program. Never the system's temporary folder, which can be small, shared or part of the evidence.

mod sorter;

pub(crate) use sorter::Sorter;

use crate::file_bytes::FileBytes;
use evidence::Bytes;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Write};
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

/// Bytes that are appended and read back later from the front: in memory while they are few, else in a file.
pub(crate) struct Spool {
    spill: Spill,
    memory: Vec<u8>,
    file: Option<File>,
    length: u64,
}

/// What a spool keeps in memory.
const SPOOLED: usize = 1 << 18;

impl Spool {
    /// An empty one.
    pub(crate) fn new(spill: &Spill) -> Self {
        Spool { spill: spill.clone(), memory: Vec::new(), file: None, length: 0 }
    }

    /// How many bytes were appended.
    pub(crate) fn len(&self) -> u64 {
        self.length
    }

    /// Appends.
    pub(crate) fn push(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.memory.extend_from_slice(bytes);
        self.length += bytes.len() as u64;
        if self.memory.len() >= SPOOLED {
            self.flush()?;
        }
        Ok(())
    }

    fn flush(&mut self) -> io::Result<&mut File> {
        let file = match &mut self.file {
            Some(file) => file,
            none => none.insert(self.spill.file()?),
        };
        file.write_all(&self.memory)?;
        self.memory.clear();
        Ok(file)
    }

    /// Everything, to be read at any place.
    pub(crate) fn into_bytes(mut self) -> io::Result<Box<dyn Bytes>> {
        if self.file.is_none() {
            return Ok(Box::new(self.memory));
        }
        Ok(Box::new(FileBytes::new(self.flush()?.try_clone()?)?))
    }

    /// Everything from this byte on. What is appended afterwards is not part of it.
    pub(crate) fn read(&mut self, from: u64) -> io::Result<Box<dyn BufRead + Send + '_>> {
        if self.file.is_none() {
            let from = usize::try_from(from).unwrap_or(usize::MAX).min(self.memory.len());
            return Ok(Box::new(&self.memory[from..]));
        }
        self.flush()?;
        let bytes = FileBytes::new(self.flush()?.try_clone()?)?;
        Ok(Box::new(BufReader::with_capacity(SPOOLED, Owned { bytes, at: from })))
    }
}

/// Reads a file without moving the place at which it is written.
struct Owned {
    bytes: FileBytes,
    at: u64,
}

impl Read for Owned {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.bytes.read_at(self.at, buffer)?;
        self.at += read as u64;
        Ok(read)
    }
}
