//! The sparse extents of a VMDK: hosted ones (`KDMV`), compressed or not, and those of ESX (`COWD`).
//!
//! Reference: VMware, *Virtual Disk Format 5.0*, "Hosted Sparse Extents", "ESX Server Sparse Extents" and
//! "Stream-Optimized Compressed Sparse Extents". Numbers are little-endian and count in sectors of 512 bytes.

use super::Refusal;
use super::blocks::{Pages, Place, Table, invalid, le16, le32, le64, section};
use evidence::Bytes;
use std::io::{self, Read};
use std::sync::Arc;

pub(super) const ADVICE: &str = "convert it to a raw image (qemu-img convert) and give that";
pub(super) const SECTOR: u64 = 512;
const HOSTED: &[u8] = b"KDMV";
const ESX: &[u8] = b"COWD";
/// Flags: 1 in a table means zeros; grains are compressed; grains have markers.
const HAS_ZERO_GRAINS: u32 = 1 << 2;
const IS_COMPRESSED: u32 = 1 << 16;
/// The directory stands at the end of the file, since it was written as a stream.
const AT_END: u64 = u64::MAX;
/// The longest grain, in sectors: 16 MiB, of which VMware writes 64 KiB.
const MAX_GRAIN: u64 = 1 << 15;

/// Whether it begins as a sparse extent does.
pub(super) fn is_sparse(head: &[u8]) -> bool {
    head.len() >= 512 && (head.starts_with(HOSTED) || head.starts_with(ESX))
}

/// Whether it is an extent of VMware's programs for workstations, which can stand alone.
pub(super) fn is_hosted(head: &[u8]) -> bool {
    head.starts_with(HOSTED)
}

/// Where a hosted extent has its own descriptor, in bytes, if it has one.
pub(super) fn descriptor(head: &[u8]) -> Option<(u64, u64)> {
    let (at, length) = (le64(head, 28), le64(head, 36));
    let is_there = head.starts_with(HOSTED) && at != 0 && length != 0;
    is_there.then(|| (at.saturating_mul(SECTOR), length.saturating_mul(SECTOR)))
}

/// One extent: a directory of tables of grains.
pub(super) struct Sparse {
    file: Table,
    /// Bytes.
    length: u64,
    /// Bytes.
    grain: u64,
    /// Where the directory begins, in bytes.
    directory: u64,
    /// Entries of each table.
    entries: u64,
    flags: u32,
}

impl Sparse {
    /// Opens an extent, the one of this number among those of a disk, which share the pages of their tables.
    pub(super) fn open(bytes: Arc<dyn Bytes>, pages: &Arc<Pages>, number: u64) -> Result<Sparse, Refusal> {
        let damaged = |why: &str| Refusal::new(format!("an extent of this VMDK is damaged: {why}"), ADVICE);
        let cannot = |error: io::Error| damaged(&error.to_string());
        let mut header = section(&*bytes, 0, SECTOR, SECTOR).map_err(cannot)?;
        if header.starts_with(HOSTED) && le64(&header, 56) == AT_END {
            // The last three sectors are a marker, the same header with the directory's place, and an end marker.
            let at = bytes.len().saturating_sub(2 * SECTOR);
            header = section(&*bytes, at, SECTOR, SECTOR).map_err(cannot)?;
            if !header.starts_with(HOSTED) || le64(&header, 56) == AT_END {
                return Err(damaged("it was written as a stream and its end, where its directory is, is missing"));
            }
        }
        let (capacity, grain, directory, entries, flags) = if header.starts_with(HOSTED) {
            let flags = le32(&header, 8);
            if flags & IS_COMPRESSED != 0 && le16(&header, 77) != 1 {
                return Err(damaged("it is compressed with a method that is not known"));
            }
            (le64(&header, 12), le64(&header, 20), le64(&header, 56), u64::from(le32(&header, 44)), flags)
        } else {
            let number = |at: usize| u64::from(le32(&header, at));
            (number(12), number(16), number(20), 4096, 0)
        };
        let is_grain = grain.is_power_of_two() && grain <= MAX_GRAIN;
        let length = capacity.checked_mul(SECTOR).filter(|length| *length <= i64::MAX as u64);
        let (Some(length), Some(directory)) = (length, directory.checked_mul(SECTOR)) else {
            return Err(damaged("sizes in its header cannot be"));
        };
        if !is_grain || entries == 0 || entries > 1 << 16 {
            return Err(damaged("sizes in its header cannot be"));
        }
        Ok(Sparse {
            file: Table::sharing(bytes, pages.clone(), number),
            length,
            grain: grain * SECTOR,
            directory,
            entries,
            flags,
        })
    }

    /// Length in bytes.
    pub(super) fn length(&self) -> u64 {
        self.length
    }

    /// Bytes of a grain.
    pub(super) fn grain(&self) -> u64 {
        self.grain
    }

    /// The sector of a grain; 0 where it is not stored. Or for how many bytes from this offset on none is.
    fn sector(&self, offset: u64) -> io::Result<Result<u64, u64>> {
        if offset >= self.length {
            return Err(invalid(format!("an extent of the VMDK ends at its byte {}", self.length)));
        }
        let reach = self.grain * self.entries;
        let at = self
            .directory
            .checked_add(offset / reach * 4)
            .ok_or_else(|| invalid("the VMDK's directory lies nowhere"))?;
        let table = u64::from(u32::from_le_bytes(self.file.entry(at)?));
        if table == 0 {
            return Ok(Err(reach - offset % reach));
        }
        let at = table * SECTOR + offset % reach / self.grain * 4;
        Ok(Ok(u64::from(u32::from_le_bytes(self.file.entry(at)?))))
    }

    /// As that of a whole disk; offsets are those of the extent.
    pub(super) fn locate(&self, offset: u64) -> io::Result<(Place<'_>, u64)> {
        let within = offset % self.grain;
        let left = self.grain - within;
        let place = match self.sector(offset)? {
            Err(length) => return Ok((Place::Parent, length)),
            Ok(0) => Place::Parent,
            Ok(1) if self.flags & HAS_ZERO_GRAINS != 0 => Place::Zero,
            Ok(_) if self.flags & IS_COMPRESSED != 0 => Place::Packed(offset - within),
            Ok(sector) => Place::Stored(self.file.bytes(), sector * SECTOR + within),
        };
        Ok((place, left))
    }

    /// The content of the compressed grain that begins at this offset of the extent.
    pub(super) fn unpack(&self, start: u64) -> io::Result<Vec<u8>> {
        let Ok(sector) = self.sector(start)? else { return Err(invalid("the VMDK's directory has changed")) };
        let at = sector * SECTOR;
        let marker = section(self.file.bytes(), at, 12, 12)?;
        let (number, length) = (le64(&marker, 0), u64::from(le32(&marker, 8)));
        if number != start / SECTOR {
            let why =
                format!("the table has the grain of sector {} where that of sector {number} stands", start / SECTOR);
            return Err(invalid(why));
        }
        let packed = section(self.file.bytes(), at + 12, length, 2 * self.grain + 4096)?;
        // One byte more than a grain is asked for, so that the checksum behind the data is read too.
        let mut unpacked = Vec::with_capacity(usize::try_from(self.grain).unwrap_or(0));
        flate2::read::ZlibDecoder::new(&packed[..]).take(self.grain + 1).read_to_end(&mut unpacked)?;
        let expected = self.grain.min(self.length - start);
        if (unpacked.len() as u64) < expected || unpacked.len() as u64 > self.grain {
            let why =
                format!("a compressed grain of the VMDK has {} bytes, and {expected} are expected", unpacked.len());
            return Err(invalid(why));
        }
        Ok(unpacked)
    }
}
