//! Bytes of files and of parts of other bytes.
//!
//! Everything is read with positioned reads and never mapped into memory: a failing medium or a file that is cut
//! off while it is read then gives an error that can be reported, where a mapping would end the process.

use evidence::Bytes;
use std::fs::File;
use std::io::{self, Seek};
use std::path::Path;
use std::sync::Arc;

/// A file or a block device.
pub(crate) struct FileBytes {
    file: File,
    length: u64,
}

impl FileBytes {
    /// Opens it; the length of a block device is found by seeking.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
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
        let left = usize::try_from(self.length.saturating_sub(offset)).unwrap_or(usize::MAX);
        let wanted = left.min(buffer.len());
        if wanted == 0 {
            return Ok(0);
        }
        self.inner.read_at(self.offset + offset, &mut buffer[..wanted])
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
}
