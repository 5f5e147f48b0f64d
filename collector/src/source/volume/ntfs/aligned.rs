//! Reads of any offset and length from a device that serves only whole sectors.

use evidence::Bytes;
use std::io;

/// Most bytes read at once through the intermediate buffer.
const PIECE: usize = 1 << 20;

/// Serves any read with reads whose offset and length are multiples of the sector size, as an opened Windows
/// volume (`\\.\C:`) demands. Reads that are aligned already go straight into the caller's buffer.
///
/// Reference: Microsoft, *CreateFileW*, "Physical Disks and Volumes".
pub struct Aligned<B> {
    device: B,
    sector_size: u64,
}

impl<B: Bytes> Aligned<B> {
    /// Over a device; an impossible sector size becomes 4096, which suits every disk.
    pub fn new(device: B, sector_size: u32) -> Self {
        let possible = sector_size.is_power_of_two() && (256..=65_536).contains(&sector_size);
        Aligned { device, sector_size: if possible { u64::from(sector_size) } else { 4096 } }
    }
}

impl<B: Bytes> Bytes for Aligned<B> {
    fn len(&self) -> u64 {
        self.device.len()
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let left = self.len().saturating_sub(offset);
        let wanted = usize::try_from(left).map_or(buffer.len(), |left| left.min(buffer.len()));
        let buffer = &mut buffer[..wanted];
        if buffer.is_empty() {
            return Ok(0);
        }
        let sector = self.sector_size as usize;
        let skip = (offset % self.sector_size) as usize;
        if skip == 0 && buffer.len() >= sector {
            let whole = buffer.len() / sector * sector;
            return self.device.read_at(offset, &mut buffer[..whole]);
        }
        let length = (skip + buffer.len()).next_multiple_of(sector).min(PIECE.max(sector));
        let mut sectors = vec![0; length];
        let read = self.device.read_full_at(offset - skip as u64, &mut sectors)?;
        let count = read.saturating_sub(skip).min(buffer.len());
        buffer[..count].copy_from_slice(&sectors[skip..skip + count]);
        Ok(count)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A device that refuses what Windows refuses.
    pub(crate) struct Sectors(pub(crate) Vec<u8>);

    impl Bytes for Sectors {
        fn len(&self) -> u64 {
            Bytes::len(&self.0)
        }

        fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
            if !offset.is_multiple_of(512) || !buffer.len().is_multiple_of(512) {
                return Err(io::ErrorKind::InvalidInput.into());
            }
            self.0.read_at(offset, buffer)
        }
    }

    #[test]
    fn every_read_gives_the_same_bytes() {
        let plain: Vec<u8> = (0..512 * 9).map(|n: u32| (n / 3) as u8).collect();
        let aligned = Aligned::new(Sectors(plain.clone()), 512);
        assert!(aligned.device.read_at(1, &mut [0; 512]).is_err());
        for (offset, length) in
            [(0, 512), (0, 1), (511, 2), (512, 1024), (100, 4000), (4607, 1), (4608, 9), (9999, 1), (1024, 9999)]
        {
            let (mut expected, mut actual) = (vec![0; length], vec![0; length]);
            let count = plain.read_full_at(offset, &mut expected).unwrap();
            assert_eq!(aligned.read_full_at(offset, &mut actual).unwrap(), count, "{offset} {length}");
            assert_eq!(actual, expected, "{offset} {length}");
        }
    }
}
