//! Bytes of files and of parts of other bytes.
//!
//! Everything is read with positioned reads and never mapped into memory: a failing medium or a file that is cut
//! off while it is read then gives an error that can be reported, where a mapping would end the process.

use evidence::Bytes;
use parking_lot::{Mutex, RwLock};
use std::collections::VecDeque;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek};
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Weak};

/// What a block device is called, the one thing beside a file that can be read from any place.
pub(crate) const BLOCK_DEVICE: &str = "a block device";

/// What something is that is neither file nor folder, in words.
pub(crate) fn special(kind: std::fs::FileType) -> Option<&'static str> {
    if kind.is_file() || kind.is_dir() {
        return None;
    }
    #[cfg(unix)]
    {
        use std::os::unix::fs::FileTypeExt;
        if kind.is_fifo() {
            return Some("a named pipe (FIFO)");
        } else if kind.is_socket() {
            return Some("a socket");
        } else if kind.is_block_device() {
            return Some(BLOCK_DEVICE);
        } else if kind.is_char_device() {
            return Some("a character device");
        }
    }
    Some("a link")
}

/// What the path leads to, links followed, where it is neither a file nor a folder: `a named pipe (FIFO)`, say. Whoever
/// wants a file asks this before opening it, since opening a pipe waits for ever.
pub fn special_file(path: &Path) -> Option<&'static str> {
    special(std::fs::metadata(path).ok()?.file_type())
}

/// A file or a block device.
pub(crate) struct FileBytes {
    file: File,
    length: u64,
}

impl FileBytes {
    /// Opens it; the length of a block device is found by seeking. Whatever else is no file is refused before it is
    /// opened: opening a pipe waits for somebody to write into it, and some devices have no end.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        let kind = std::fs::metadata(path)?.file_type();
        if let Some(what) = special(kind).filter(|what| *what != BLOCK_DEVICE) {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, format!("it is {what}, not a file")));
        }
        let mut file = File::open(path)?;
        let length = file.seek(io::SeekFrom::End(0))?;
        Ok(FileBytes { file, length })
    }

    /// The same for a file that is open already.
    pub(crate) fn new(mut file: File) -> io::Result<Self> {
        let length = file.seek(io::SeekFrom::End(0))?;
        Ok(FileBytes { file, length })
    }

    /// The same file with the length that it has now.
    pub(crate) fn longer(self) -> io::Result<Self> {
        FileBytes::new(self.file)
    }

    /// Writes all of it at this offset of a temporary file of ours.
    pub(crate) fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        #[cfg(unix)]
        {
            std::os::unix::fs::FileExt::write_all_at(&self.file, bytes, offset)
        }
        #[cfg(windows)]
        {
            let mut done = 0;
            while done < bytes.len() {
                let at = offset + done as u64;
                match std::os::windows::fs::FileExt::seek_write(&self.file, &bytes[done..], at)? {
                    0 => return Err(io::ErrorKind::WriteZero.into()),
                    written => done += written,
                }
            }
            Ok(())
        }
    }
}

/// Reads a range of some bytes from front to back.
pub(crate) struct Section<B> {
    bytes: B,
    at: u64,
    end: u64,
}

impl<B: Deref<Target: Bytes>> Section<B> {
    pub(crate) fn new(bytes: B, start: u64, length: u64) -> Self {
        let end = start.saturating_add(length).min(bytes.len());
        Section { bytes, at: start, end }
    }
}

impl<B: Deref<Target: Bytes>> Read for Section<B> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = match within(self.end, self.at, buffer) {
            [] => 0,
            buffer => self.bytes.read_at(self.at, buffer)?,
        };
        self.at += read as u64;
        Ok(read)
    }
}

/// The path of something that is there, without links and relative steps. Not every system resolves every path that it
/// can use, such as long ones; then it is the path from the root as given.
pub fn real_path(path: &Path) -> io::Result<PathBuf> {
    match path.canonicalize() {
        Err(error) if path.metadata().is_ok() => std::path::absolute(path).map_err(|_| error),
        resolved => resolved,
    }
}

/// Creates a file that is not there yet, never through a link, readable by its owner only: the hives of accounts are
/// nobody's business but that of whoever collects them.
pub(crate) fn create_private(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

/// Files of a source that are open at once. An image can have thousands of segments, and a system allows a program about
/// a thousand open files as a rule.
const MOST_OPEN: usize = 256;

/// The files that are open, the one that was opened last at the end.
static OPEN: Mutex<VecDeque<Arc<FileBytes>>> = Mutex::new(VecDeque::new());

/// A file of which there can be any number: it is closed while many others are read, and opened again when it is read.
pub(crate) struct ManyFiles {
    path: PathBuf,
    length: u64,
    file: RwLock<Weak<FileBytes>>,
}

impl ManyFiles {
    /// Opens a file.
    pub(crate) fn open(path: PathBuf) -> io::Result<Self> {
        let file = Arc::new(FileBytes::open(&path)?);
        let one = ManyFiles { path, length: file.len(), file: RwLock::new(Arc::downgrade(&file)) };
        keep_open(file);
        Ok(one)
    }

    fn file(&self) -> io::Result<Arc<FileBytes>> {
        let opened = self.file.read().upgrade();
        if let Some(file) = opened {
            return Ok(file);
        }
        let file = Arc::new(FileBytes::open(&self.path)?);
        if file.len() != self.length {
            let what = format!("it is {} bytes long now, and was {} when it was found", file.len(), self.length);
            return Err(io::Error::other(what));
        }
        *self.file.write() = Arc::downgrade(&file);
        keep_open(Arc::clone(&file));
        Ok(file)
    }
}

/// Keeps a file open until many others were opened after it.
fn keep_open(file: Arc<FileBytes>) {
    let mut open = OPEN.lock();
    open.push_back(file);
    let closed = if open.len() > MOST_OPEN { open.pop_front() } else { None };
    drop(open);
    drop(closed);
}

impl Drop for ManyFiles {
    fn drop(&mut self) {
        let file = self.file.read().upgrade();
        if let Some(file) = file {
            OPEN.lock().retain(|one| !Arc::ptr_eq(one, &file));
        }
    }
}

impl Bytes for ManyFiles {
    fn len(&self) -> u64 {
        self.length
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        self.file()?.read_at(offset, buffer)
    }
}

impl Bytes for FileBytes {
    fn len(&self) -> u64 {
        self.length
    }

    #[cfg(unix)]
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        std::os::unix::fs::FileExt::read_at(&self.file, buffer, offset)
    }

    #[cfg(windows)]
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        std::os::windows::fs::FileExt::seek_read(&self.file, buffer, offset)
    }
}

/// The part of a buffer for which there are bytes from this offset on, where there are so many in all.
pub(crate) fn within(length: u64, offset: u64, buffer: &mut [u8]) -> &mut [u8] {
    let left = usize::try_from(length.saturating_sub(offset)).unwrap_or(usize::MAX);
    let wanted = left.min(buffer.len());
    &mut buffer[..wanted]
}

/// Bytes against which something speaks that they do not know themselves.
pub(crate) struct Doubtful {
    /// The bytes.
    pub(crate) bytes: Arc<dyn Bytes>,
    /// What speaks against them.
    pub(crate) against: String,
}

impl Doubtful {
    fn with(&self, flaw: Option<String>) -> String {
        flaw.map_or(self.against.clone(), |flaw| format!("{}; {flaw}", self.against))
    }
}

impl Bytes for Doubtful {
    fn len(&self) -> u64 {
        self.bytes.len()
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        self.bytes.read_at(offset, buffer)
    }

    fn next_data(&self, offset: u64) -> u64 {
        self.bytes.next_data(offset)
    }

    fn next_hole(&self, offset: u64) -> u64 {
        self.bytes.next_hole(offset)
    }

    fn as_slice(&self) -> Option<&[u8]> {
        self.bytes.as_slice()
    }

    fn flaw(&self) -> Option<String> {
        Some(self.with(self.bytes.flaw()))
    }

    fn check(&self) -> Option<String> {
        Some(self.with(self.bytes.check()))
    }
}

/// A part of other bytes, such as a partition.
pub(crate) struct Slice {
    inner: Arc<dyn Bytes>,
    offset: u64,
    length: u64,
}

impl Slice {
    /// The part that begins at `offset`; it ends where the whole ends.
    pub(crate) fn new(inner: Arc<dyn Bytes>, offset: u64, length: u64) -> Self {
        let length = length.min(inner.len().saturating_sub(offset));
        Slice { inner, offset, length }
    }
}

impl Bytes for Slice {
    fn len(&self) -> u64 {
        self.length
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        match within(self.length, offset, buffer) {
            [] => Ok(0),
            buffer => self.inner.read_at(self.offset + offset, buffer),
        }
    }

    fn next_data(&self, offset: u64) -> u64 {
        let next = self.inner.next_data(self.offset.saturating_add(offset));
        next.saturating_sub(self.offset).min(self.length).max(offset)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slice_ends_with_the_whole() {
        let whole: Arc<dyn Bytes> = Arc::new(b"0123456789".to_vec());
        let slice = Slice::new(whole.clone(), 4, 3);
        assert_eq!(slice.read_all(10).unwrap().unwrap(), b"456");
        assert_eq!(Slice::new(whole.clone(), 8, 100).read_all(10).unwrap().unwrap(), b"89");
        assert_eq!(Slice::new(whole, 80, 100).len(), 0);
    }

    #[test]
    fn any_number_of_files_is_read_with_few_of_them_open() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().canonicalize().unwrap();
        let files: Vec<ManyFiles> = (0..3 * MOST_OPEN)
            .map(|number| {
                let path = folder.join(number.to_string());
                std::fs::write(&path, number.to_string()).unwrap();
                ManyFiles::open(path).unwrap()
            })
            .collect();
        for _ in 0..2 {
            for (number, file) in files.iter().enumerate() {
                assert_eq!(file.read_all(10).unwrap().unwrap(), number.to_string().as_bytes());
            }
        }
        #[cfg(target_os = "linux")]
        {
            let open =
                std::fs::read_dir("/proc/self/fd").unwrap().filter_map(|link| link.unwrap().path().read_link().ok());
            let open = open.filter(|path| path.starts_with(&folder)).count();
            assert!((1..=MOST_OPEN).contains(&open), "{open}");
        }
        // A file that became another one is not read on.
        std::fs::write(folder.join("0"), "longer").unwrap();
        assert!(files[0].read_all(10).is_err());
        drop(files);
        #[cfg(target_os = "linux")]
        {
            let open =
                std::fs::read_dir("/proc/self/fd").unwrap().filter_map(|link| link.unwrap().path().read_link().ok());
            assert_eq!(open.filter(|path| path.starts_with(&folder)).count(), 0);
        }
    }
}
