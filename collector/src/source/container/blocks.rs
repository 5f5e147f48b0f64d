//! What all virtual disks have in common: a table says for each block of the disk where it is stored, and a block that is
//! not stored is zeros or its parent disk's. Tables and blocks are read when they are asked for, so that a disk of 64 TiB
//! costs no more memory than one of 64 MiB.

use evidence::Bytes;
use parking_lot::Mutex;
use std::io;
use std::sync::Arc;

/// Where bytes of a disk are.
pub(super) enum Place<'a> {
    /// Nowhere: they are zeros.
    Zero,
    /// Not in this file: they are those of the parent disk, and zeros without one.
    Parent,
    /// In these bytes, from this offset on.
    Stored(&'a dyn Bytes, u64),
    /// In a compressed block whose first byte has this offset on the disk.
    Packed(u64),
}

/// The tables of one kind of virtual disk.
pub(super) trait Layout: Send + Sync {
    /// Length of the disk in bytes.
    fn length(&self) -> u64;

    /// Where the byte at this offset is, and for how many bytes from there on, at least one, this holds.
    fn locate(&self, offset: u64) -> io::Result<(Place<'_>, u64)>;

    /// The content of the compressed block that begins at this offset of the disk.
    fn unpack(&self, _start: u64) -> io::Result<Vec<u8>> {
        Err(io::Error::from(io::ErrorKind::Unsupported))
    }

    /// Length of a compressed block when it is unpacked, the longest that there is.
    fn packed_length(&self) -> u64 {
        1 << 16
    }
}

/// A virtual disk.
pub(super) struct Blocks<L> {
    layout: L,
    parent: Option<Arc<dyn Bytes>>,
    unpacked: Mutex<Vec<Option<Unpacked>>>,
    slots: u64,
}

/// A block's offset on the disk with its content.
type Unpacked = (u64, Arc<Vec<u8>>);

/// Bytes of unpacked blocks that are kept for a disk.
const UNPACKED: u64 = 4 << 20;

/// How many pieces one search for data passes over; what is found by then is a right answer too.
const STEPS: u32 = 1 << 20;

impl<L: Layout> Blocks<L> {
    pub(super) fn new(layout: L, parent: Option<Arc<dyn Bytes>>) -> Self {
        let slots = (UNPACKED / layout.packed_length().max(1)).clamp(1, 64);
        Blocks { layout, parent, unpacked: Mutex::new(Vec::new()), slots }
    }

    fn unpacked(&self, start: u64) -> io::Result<Arc<Vec<u8>>> {
        let slot = usize::try_from(start / self.layout.packed_length().max(1) % self.slots).unwrap_or(0);
        {
            let mut kept = self.unpacked.lock();
            kept.resize(usize::try_from(self.slots).unwrap_or(1), None);
            if let Some((of, block)) = &kept[slot]
                && *of == start
            {
                return Ok(block.clone());
            }
        }
        let block = Arc::new(self.layout.unpack(start)?);
        self.unpacked.lock()[slot] = Some((start, block.clone()));
        Ok(block)
    }

    fn read_parent(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        match &self.parent {
            Some(parent) if offset < parent.len() => read_some(&**parent, offset, buffer),
            // A disk can be longer than its parent; what is beyond the parent's end is zeros.
            _ => {
                buffer.fill(0);
                Ok(buffer.len())
            }
        }
    }
}

/// Reads what should be there; the end of the bytes is an error.
fn read_some(bytes: &dyn Bytes, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
    match bytes.read_at(offset, buffer)? {
        0 if !buffer.is_empty() => Err(io::Error::new(
            io::ErrorKind::UnexpectedEof,
            format!("the block table points to byte {offset}, and the file ends at {}", bytes.len()),
        )),
        read => Ok(read),
    }
}

impl<L: Layout> Bytes for Blocks<L> {
    fn len(&self) -> u64 {
        self.layout.length()
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let left = self.len().saturating_sub(offset);
        if left == 0 || buffer.is_empty() {
            return Ok(0);
        }
        let (place, length) = self.layout.locate(offset)?;
        let count = usize::try_from(length.min(left)).unwrap_or(usize::MAX).min(buffer.len());
        let buffer = &mut buffer[..count];
        match place {
            Place::Zero => buffer.fill(0),
            Place::Parent => return self.read_parent(offset, buffer),
            Place::Stored(bytes, at) => return read_some(bytes, at, buffer),
            Place::Packed(start) => {
                let block = self.unpacked(start)?;
                let stored = usize::try_from(offset.saturating_sub(start)).ok().and_then(|skip| block.get(skip..));
                let stored = stored.filter(|stored| !stored.is_empty()).ok_or_else(|| {
                    invalid(format!("the compressed block of byte {start} of the disk is shorter than it should be"))
                })?;
                return stored.read_at(0, buffer);
            }
        }
        Ok(count)
    }

    fn next_data(&self, mut offset: u64) -> u64 {
        let mut parents_next = 0;
        for _ in 0..STEPS {
            if offset >= self.len() {
                return self.len();
            }
            let Ok((place, length)) = self.layout.locate(offset) else { return offset };
            let end = offset.saturating_add(length.max(1));
            match (place, &self.parent) {
                (Place::Zero, _) | (Place::Parent, None) => offset = end,
                (Place::Parent, Some(parent)) => {
                    if parents_next < offset {
                        parents_next = if offset < parent.len() { parent.next_data(offset) } else { u64::MAX };
                        if parents_next >= parent.len() {
                            parents_next = u64::MAX;
                        }
                    }
                    if parents_next < end {
                        return parents_next.max(offset);
                    }
                    offset = end;
                }
                _ => return offset,
            }
        }
        offset.min(self.len())
    }
}

/// An error in what a disk's own structures say.
pub(super) fn invalid(why: impl Into<String>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why.into())
}

/// Bytes of a page of a table.
const PAGE: usize = 4096;
/// Pages that are kept.
const PAGES: usize = 256;

/// A page's file and number with its bytes.
type Page = (u64, u64, Box<[u8]>);

/// The pages of tables that were read last. The extents of one disk share them, however many there are.
#[derive(Default)]
pub(super) struct Pages {
    kept: Mutex<Vec<Option<Page>>>,
}

/// A file whose tables are read entry by entry, a page at a time, with the last pages kept.
pub(super) struct Table {
    bytes: Arc<dyn Bytes>,
    pages: Arc<Pages>,
    /// The file among those that share the pages.
    file: u64,
}

impl Table {
    pub(super) fn new(bytes: Arc<dyn Bytes>) -> Self {
        Table::sharing(bytes, Arc::default(), 0)
    }

    /// A file of several, each with a number of its own.
    pub(super) fn sharing(bytes: Arc<dyn Bytes>, pages: Arc<Pages>, file: u64) -> Self {
        Table { bytes, pages, file }
    }

    /// The file itself.
    pub(super) fn bytes(&self) -> &dyn Bytes {
        &*self.bytes
    }

    /// The entry at this offset of the file.
    pub(super) fn entry<const N: usize>(&self, offset: u64) -> io::Result<[u8; N]> {
        let mut entry = [0; N];
        let within = usize::try_from(offset % PAGE as u64).unwrap_or(0);
        if within + N > PAGE {
            let read = self.bytes.read_full_at(offset, &mut entry)?;
            return if read == N { Ok(entry) } else { Err(self.ends(offset)) };
        }
        let number = offset / PAGE as u64;
        let slot = usize::try_from(number.wrapping_add(self.file.wrapping_mul(37)) % PAGES as u64).unwrap_or(0);
        let mut kept = self.pages.kept.lock();
        kept.resize_with(PAGES, || None);
        if kept[slot].as_ref().is_none_or(|(file, of, _)| (*file, *of) != (self.file, number)) {
            let mut page = vec![0; PAGE];
            let read = self.bytes.read_full_at(number * PAGE as u64, &mut page)?;
            page.truncate(read);
            kept[slot] = Some((self.file, number, page.into_boxed_slice()));
        }
        let page = kept[slot].as_ref().and_then(|(_, _, page)| page.get(within..within + N));
        entry.copy_from_slice(page.ok_or_else(|| self.ends(offset))?);
        Ok(entry)
    }

    fn ends(&self, offset: u64) -> io::Error {
        let why = format!("the block table should go on at byte {offset}, and the file ends at {}", self.bytes.len());
        io::Error::new(io::ErrorKind::UnexpectedEof, why)
    }
}

/// `N` bytes at this place of a header, zeros where it is shorter.
pub(super) fn array<const N: usize>(header: &[u8], at: usize) -> [u8; N] {
    let mut value = [0; N];
    if let Some(bytes) = header.get(at..at.saturating_add(N)) {
        value.copy_from_slice(bytes);
    }
    value
}

/// A big-endian number of a header.
pub(super) fn be32(header: &[u8], at: usize) -> u32 {
    u32::from_be_bytes(array(header, at))
}

/// A big-endian number of a header.
pub(super) fn be64(header: &[u8], at: usize) -> u64 {
    u64::from_be_bytes(array(header, at))
}

/// A little-endian number of a header.
pub(super) fn le16(header: &[u8], at: usize) -> u16 {
    u16::from_le_bytes(array(header, at))
}

/// A little-endian number of a header.
pub(super) fn le32(header: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(array(header, at))
}

/// A little-endian number of a header.
pub(super) fn le64(header: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(array(header, at))
}

/// A range of a file as it stands in a header; refused before memory is allocated when it is longer than `limit`.
pub(super) fn section(bytes: &dyn Bytes, offset: u64, length: u64, limit: u64) -> io::Result<Vec<u8>> {
    if length > limit {
        return Err(invalid(format!("a header of {length} bytes is longer than any that is written")));
    }
    if offset.checked_add(length).is_none_or(|end| end > bytes.len()) {
        let why = format!("{length} bytes should be at byte {offset}, and the file ends at {}", bytes.len());
        return Err(io::Error::new(io::ErrorKind::UnexpectedEof, why));
    }
    let mut section = vec![0; usize::try_from(length).map_err(io::Error::other)?];
    let read = bytes.read_full_at(offset, &mut section)?;
    section.truncate(read);
    Ok(section)
}

/// UTF-16 text up to its first zero.
pub(super) fn utf16(bytes: &[u8], big_endian: bool) -> String {
    let units = bytes.chunks_exact(2).map(|pair| {
        let pair = [pair[0], pair[1]];
        if big_endian { u16::from_be_bytes(pair) } else { u16::from_le_bytes(pair) }
    });
    let units: Vec<u16> = units.take_while(|unit| *unit != 0).collect();
    String::from_utf16_lossy(&units)
}
