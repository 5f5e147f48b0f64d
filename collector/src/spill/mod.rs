//! Where what does not fit into memory goes: nameless files beside the destination, readable by their owner only, that
//! vanish with the program. Never the system's temporary folder, which can be small, shared or part of the evidence.

mod sorter;

pub(crate) use sorter::Sorter;

use crate::file_bytes::FileBytes;
use evidence::Bytes;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

/// What is at most so long stays in memory, where nothing else is said.
const IN_MEMORY: u64 = 8 << 20;

/// Bytes that are copied at a time.
const COPIED: usize = 1 << 18;

/// A folder for temporary files.
#[derive(Clone, Debug)]
pub struct Spill {
    folder: PathBuf,
    in_memory: u64,
}

impl Spill {
    /// Beside a destination, whose folder need not be there yet: in the nearest folder above it that is.
    pub fn beside(destination: &Path) -> Self {
        let absolute = std::path::absolute(destination).unwrap_or_else(|_| destination.to_owned());
        let folder = absolute.ancestors().skip(1).find(|folder| folder.is_dir()).unwrap_or(Path::new("."));
        Spill { folder: folder.to_owned(), in_memory: IN_MEMORY }
    }

    /// In this folder.
    pub fn into_folder(folder: &Path) -> Self {
        Spill { folder: folder.to_owned(), in_memory: IN_MEMORY }
    }

    /// The same, where only what has at most so many bytes stays in memory.
    pub fn holding(self, in_memory: u64) -> Self {
        Spill { in_memory, ..self }
    }

    /// Bytes up to which something stays in memory.
    pub fn in_memory(&self) -> u64 {
        self.in_memory
    }

    /// Where the files go.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// A new empty file without a name. The error says where there is no room.
    pub fn file(&self) -> io::Result<File> {
        tempfile::tempfile_in(&self.folder).map_err(|error| {
            io::Error::new(error.kind(), format!("no temporary file can be made in {}: {error}", self.folder.display()))
        })
    }

    /// The bytes of a reader, in a temporary file.
    pub(crate) fn copy(&self, reader: &mut dyn Read) -> io::Result<FileBytes> {
        let mut file = self.file()?;
        let mut block = vec![0; COPIED];
        loop {
            match reader.read(&mut block) {
                Ok(0) => return FileBytes::new(file),
                Ok(read) => file.write_all(&block[..read])?,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// The bytes of a reader, in memory or in a temporary file that vanishes with them. Never more than `size`, which
    /// is what the archive says; the reader gives an error when it has more or less.
    pub(crate) fn keep(&self, reader: &mut dyn Read, size: u64) -> io::Result<Box<dyn Bytes>> {
        let mut limited = reader.take(size.saturating_add(1));
        if size <= self.in_memory {
            let mut bytes = Vec::with_capacity(size as usize);
            limited.read_to_end(&mut bytes)?;
            return Ok(Box::new(bytes));
        }
        Ok(Box::new(self.copy(&mut limited)?))
    }
}

/// Bytes that are appended and read back later from the front: in memory while they are few, else in a file.
pub(crate) struct Spool {
    spill: Spill,
    /// What is not in the file yet.
    memory: Vec<u8>,
    file: Option<File>,
    /// Bytes that are in the file.
    written: u64,
}

/// What a spool keeps in memory.
const SPOOLED: usize = 1 << 18;
/// What it keeps there at most while no file takes it: a full medium must not cost what was written down already.
const UNSPOOLED: usize = 1 << 24;

impl Spool {
    /// An empty one.
    pub(crate) fn new(spill: &Spill) -> Self {
        Spool { spill: spill.clone(), memory: Vec::new(), file: None, written: 0 }
    }

    /// How many bytes were appended.
    pub(crate) fn len(&self) -> u64 {
        self.written + self.memory.len() as u64
    }

    /// Appends. What the medium does not take stays in memory; an error only where that is too much, and then nothing
    /// was appended.
    pub(crate) fn push(&mut self, bytes: &[u8]) -> io::Result<()> {
        if self.memory.len() >= SPOOLED
            && let Err(error) = self.flush()
            && self.memory.len() + bytes.len() > UNSPOOLED
        {
            return Err(error);
        }
        self.memory.extend_from_slice(bytes);
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        let file = match &mut self.file {
            Some(file) => file,
            none => none.insert(self.spill.file()?),
        };
        // An earlier try may have written a part of it.
        file.seek(SeekFrom::Start(self.written))?;
        file.write_all(&self.memory)?;
        self.written += self.memory.len() as u64;
        self.memory.clear();
        Ok(())
    }

    /// Everything, to be read at any place.
    pub(crate) fn into_bytes(mut self) -> io::Result<Box<dyn Bytes>> {
        if self.file.is_none() {
            return Ok(Box::new(self.memory));
        }
        self.flush()?;
        match self.file {
            Some(file) => Ok(Box::new(FileBytes::new(file)?)),
            None => Ok(Box::new(self.memory)),
        }
    }

    /// Everything from this byte on. What is appended afterwards is not part of it.
    pub(crate) fn read(&mut self, from: u64) -> io::Result<Box<dyn BufRead + Send + '_>> {
        let held = usize::try_from(from.saturating_sub(self.written)).unwrap_or(usize::MAX).min(self.memory.len());
        let memory = &self.memory[held..];
        let Some(file) = &self.file else { return Ok(Box::new(memory)) };
        let file =
            Owned { bytes: FileBytes::new(file.try_clone()?)?, at: from }.take(self.written.saturating_sub(from));
        Ok(Box::new(BufReader::with_capacity(SPOOLED, file).chain(memory)))
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

/// Whether an error of a temporary file is no fault of what is read: there is no room for what does not fit into memory.
pub(crate) fn is_no_room(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::StorageFull
            | io::ErrorKind::QuotaExceeded
            | io::ErrorKind::PermissionDenied
            | io::ErrorKind::ReadOnlyFilesystem
            | io::ErrorKind::NotFound
    )
}
