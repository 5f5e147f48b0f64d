//! How parsers see bytes, wherever they come from: a collected file, a volume, an archive member, memory.

use std::io;

/// Random access to bytes of known length. Reading beyond the end gives fewer bytes, never an error; an
/// error means that bytes which should be there could not be read.
pub trait Bytes: Send + Sync {
    /// Length in bytes.
    fn len(&self) -> u64;

    /// Whether there are no bytes at all.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Reads up to `buffer.len()` bytes at `offset`; returns how many were read, 0 only at or past the end.
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize>;

    /// Fills the buffer as far as the bytes reach and returns how many were read.
    fn read_full_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let mut done = 0;
        while done < buffer.len() {
            match self.read_at(offset + done as u64, &mut buffer[done..]) {
                Ok(0) => break,
                Ok(read) => done += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(done)
    }

    /// All bytes, if there are at most `limit`; `None` when there are more, so that hostile sizes never
    /// become allocations.
    fn read_all(&self, limit: u64) -> io::Result<Option<Vec<u8>>> {
        if self.len() > limit {
            return Ok(None);
        }
        let mut buffer = vec![0; usize::try_from(self.len()).map_err(io::Error::other)?];
        let read = self.read_full_at(0, &mut buffer)?;
        buffer.truncate(read);
        Ok(Some(buffer))
    }

    /// Where the next byte is, from this offset on, that need not be zero; the length when the rest is a hole. What is
    /// passed over reads as zeros, and there can be more of it than any disk holds.
    fn next_data(&self, offset: u64) -> u64 {
        offset
    }

    /// Where the next hole begins, from this offset on, of which it is known that it reads as zeros; the length when there
    /// is none. With [`Bytes::next_data`] it gives the parts that hold data.
    fn next_hole(&self, offset: u64) -> u64 {
        self.len().max(offset)
    }

    /// What is wrong with the bytes as a whole, as far as it is known once they were read: a checksum that does not match,
    /// or why they end early. The bytes that could be read stay what they are.
    fn flaw(&self) -> Option<String> {
        None
    }

    /// [`Bytes::flaw`] after whatever is still unread for it was read: all bytes, where there is a checksum over all.
    fn check(&self) -> Option<String> {
        self.flaw()
    }

    /// The bytes as one slice where they already lie in memory, so that a parser need not copy them.
    fn as_slice(&self) -> Option<&[u8]> {
        None
    }
}

impl Bytes for [u8] {
    fn len(&self) -> u64 {
        <[u8]>::len(self) as u64
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let Some(rest) = usize::try_from(offset).ok().and_then(|offset| self.get(offset..)) else {
            return Ok(0);
        };
        let count = rest.len().min(buffer.len());
        buffer[..count].copy_from_slice(&rest[..count]);
        Ok(count)
    }

    fn as_slice(&self) -> Option<&[u8]> {
        Some(self)
    }
}

impl Bytes for Vec<u8> {
    fn len(&self) -> u64 {
        Bytes::len(self.as_slice())
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        self.as_slice().read_at(offset, buffer)
    }

    fn as_slice(&self) -> Option<&[u8]> {
        Some(self)
    }
}
