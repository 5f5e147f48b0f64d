//! Names looked up through the crate `ntfs`, which walks a folder's tree by the volume's own rules.
//!
//! The crate reads a volume through `Read + Seek`, finds $MFT only where its first record has all its runs, and
//! refuses a damaged boot sector. So it gets a virtual volume: the real one with a fresh boot sector in front and
//! the whole $MFT, in one piece, behind its end.

use super::file::File;
use super::folder::index_record_size;
use super::volume::Volume;
use evidence::Bytes;
use ntfs::indexes::NtfsFileNameIndex;
use ntfs::{Ntfs, structured_values::NtfsFileNamespace};
use ntfs_layout::{BootSector, FileReference, Namespace};
use std::io::{self, Read, Seek, SeekFrom};

/// A search visits a handful of index records. One that reads more than this goes in circles.
const MAX_READS: u32 = 4096;

/// The crate's view of the volume, with its table of upper-case letters.
pub(crate) struct Library {
    ntfs: Ntfs,
    boot: Vec<u8>,
    first_record: Vec<u8>,
    /// Where the virtual $MFT begins, in bytes.
    mft_at: u64,
}

impl Library {
    /// `None` where the crate refuses the volume; then every lookup reads the folder itself.
    pub(crate) fn open(volume: &Volume) -> Option<Self> {
        let boot = &volume.boot;
        let cluster = u64::from(boot.cluster_size);
        let mft_at = boot.size().checked_next_multiple_of(cluster)?;
        let mft_clusters = volume.mft.len().div_ceil(cluster);
        let total = mft_at.checked_add(mft_clusters.checked_mul(cluster)?)?;
        let mut library = Library {
            ntfs: Ntfs::new(&mut io::Cursor::new(boot_sector(boot, mft_at / cluster, total))).ok()?,
            boot: boot_sector(boot, mft_at / cluster, total),
            first_record: first_record(boot, mft_at / cluster, mft_clusters, volume.mft.len())?,
            mft_at,
        };
        let mut ntfs = Ntfs::new(&mut library.reader(volume)).ok()?;
        ntfs.read_upcase_table(&mut library.reader(volume)).ok()?;
        library.ntfs = ntfs;
        Some(library)
    }

    fn reader<'a>(&'a self, volume: &'a Volume) -> VirtualVolume<'a> {
        VirtualVolume { library: self, volume, position: 0, reads_left: MAX_READS }
    }

    /// Looks a name up in a folder. An error is the crate's, in words.
    pub(crate) fn find(
        &self,
        volume: &Volume,
        folder: &File,
        name: &str,
    ) -> Result<Option<(FileReference, String, Namespace)>, String> {
        // The crate allocates what the folder claims as the size of its index records.
        if index_record_size(folder).is_none() {
            return Err("the folder states an impossible size of its index records".into());
        }
        let words = |error: ntfs::NtfsError| error.to_string();
        let mut reader = self.reader(volume);
        let file = self.ntfs.file(&mut reader, folder.reference.entry).map_err(words)?;
        let index = file.directory_index(&mut reader).map_err(words)?;
        let mut finder = index.finder();
        let Some(found) = NtfsFileNameIndex::find(&mut finder, &self.ntfs, &mut reader, name) else {
            return Ok(None);
        };
        let found = found.map_err(words)?;
        let reference = found.file_reference();
        let Some(key) = found.key() else { return Ok(None) };
        let key = key.map_err(words)?;
        let namespace = match key.namespace() {
            NtfsFileNamespace::Posix => Namespace::Posix,
            NtfsFileNamespace::Win32 => Namespace::Win32,
            NtfsFileNamespace::Dos => Namespace::Dos,
            NtfsFileNamespace::Win32AndDos => Namespace::Win32AndDos,
        };
        let reference = FileReference { entry: reference.file_record_number(), sequence: reference.sequence_number() };
        Ok(Some((reference, evidence::name::from_utf16(key.name().u16_iter()), namespace)))
    }
}

/// A boot sector that says the same as the real one, except where $MFT lies and how long the volume is.
fn boot_sector(boot: &BootSector, mft_lcn: u64, total: u64) -> Vec<u8> {
    let mut bytes = vec![0; 512];
    let exponent = |size: u32| (size.trailing_zeros() as u8).wrapping_neg();
    let sectors = boot.cluster_size / boot.sector_size;
    bytes[3..11].copy_from_slice(b"NTFS    ");
    bytes[11..13].copy_from_slice(&(boot.sector_size as u16).to_le_bytes());
    bytes[13] = u8::try_from(sectors).ok().filter(|sectors| *sectors <= 128).unwrap_or_else(|| exponent(sectors));
    bytes[40..48].copy_from_slice(&(total / u64::from(boot.sector_size)).to_le_bytes());
    bytes[48..56].copy_from_slice(&mft_lcn.to_le_bytes());
    bytes[56..64].copy_from_slice(&boot.mft_mirror_lcn.to_le_bytes());
    bytes[64] = exponent(boot.record_size);
    bytes[68] = exponent(boot.index_record_size);
    bytes[72..80].copy_from_slice(&boot.serial.to_le_bytes());
    bytes[510..].copy_from_slice(&[0x55, 0xAA]);
    bytes
}

/// A first file record whose only attribute is $DATA: all of $MFT in one run.
fn first_record(boot: &BootSector, lcn: u64, clusters: u64, size: u64) -> Option<Vec<u8>> {
    let length = boot.record_size as usize;
    let parts = length / 512;
    let attribute = (48 + 2 * (parts + 1)).next_multiple_of(8);
    let end = attribute + 88;
    if end + 8 > 510 {
        return None;
    }
    let mut bytes = vec![0; length];
    let mut put = |at: usize, value: &[u8]| bytes[at..at + value.len()].copy_from_slice(value);
    put(0, b"FILE");
    put(4, &48u16.to_le_bytes());
    put(6, &(parts as u16 + 1).to_le_bytes());
    put(16, &1u16.to_le_bytes());
    put(18, &1u16.to_le_bytes());
    put(20, &(attribute as u16).to_le_bytes());
    put(22, &1u16.to_le_bytes());
    put(24, &(end as u32 + 8).to_le_bytes());
    put(28, &boot.record_size.to_le_bytes());
    // The update sequence number is 0, and so are the ends of all parts: nothing has to be replaced.
    put(attribute, &0x80u32.to_le_bytes());
    put(attribute + 4, &88u32.to_le_bytes());
    put(attribute + 8, &[1]);
    put(attribute + 10, &64u16.to_le_bytes());
    put(attribute + 24, &clusters.checked_sub(1)?.to_le_bytes());
    put(attribute + 32, &64u16.to_le_bytes());
    put(attribute + 40, &clusters.checked_mul(u64::from(boot.cluster_size))?.to_le_bytes());
    put(attribute + 48, &size.to_le_bytes());
    put(attribute + 56, &size.to_le_bytes());
    put(attribute + 64, &[0x88]);
    put(attribute + 65, &clusters.to_le_bytes());
    put(attribute + 73, &lcn.to_le_bytes());
    put(end, &[0xFF; 4]);
    Some(bytes)
}

/// What the crate reads.
struct VirtualVolume<'a> {
    library: &'a Library,
    volume: &'a Volume,
    position: u64,
    reads_left: u32,
}

impl Read for VirtualVolume<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.reads_left =
            self.reads_left.checked_sub(1).ok_or_else(|| io::Error::other("the search goes in circles"))?;
        let (boot, first) = (&self.library.boot, &self.library.first_record);
        let (position, mft_at) = (self.position, self.library.mft_at);
        let limit = |until: u64| usize::try_from(until - position).map_or(buffer.len(), |n| n.min(buffer.len()));
        let read = if position < boot.len() as u64 {
            let count = limit(boot.len() as u64);
            boot.as_slice().read_at(position, &mut buffer[..count])?
        } else if position < mft_at {
            let count = limit(mft_at);
            self.volume.bytes.read_at(position, &mut buffer[..count])?
        } else if position - mft_at < first.len() as u64 {
            let count = limit(mft_at + first.len() as u64);
            first.as_slice().read_at(position - mft_at, &mut buffer[..count])?
        } else {
            self.volume.mft.read_at(position - mft_at, buffer)?
        };
        self.position += read as u64;
        Ok(read)
    }
}

impl Seek for VirtualVolume<'_> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let target = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::Current(by) => self.position.checked_add_signed(by),
            SeekFrom::End(by) => self.library.mft_at.saturating_add(self.volume.mft.len()).checked_add_signed(by),
        };
        self.position = target.ok_or(io::ErrorKind::InvalidInput)?;
        Ok(self.position)
    }
}
