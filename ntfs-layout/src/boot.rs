//! The boot sector of an NTFS volume.

use evidence::le::{u8_at, u16_at, u32_at, u64_at};

/// The numbers by which everything else on the volume is found. Validated: sizes are powers of two within
/// NTFS' limits, so that arithmetic with them cannot go astray.
///
/// Reference: Microsoft, *How NTFS Works*, "NTFS Boot Sector".
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BootSector {
    /// Bytes per sector, 256 to 4096.
    pub sector_size: u32,
    /// Bytes per cluster, up to 2 MiB.
    pub cluster_size: u32,
    /// Number of sectors. The last sector of the partition, where the backup boot sector lies, is not counted.
    pub total_sectors: u64,
    /// Cluster in which $MFT begins.
    pub mft_lcn: u64,
    /// Cluster in which $MFTMirr begins.
    pub mft_mirror_lcn: u64,
    /// Bytes per file record, 512 to 65536.
    pub record_size: u32,
    /// Bytes per index record, 512 to 65536.
    pub index_record_size: u32,
    /// Volume serial number, all 64 bits; Windows shows the lower half.
    pub serial: u64,
}

/// A size stored as a number of clusters or, when negative, as a power of two of bytes.
fn record_size(raw: u8, cluster_size: u32) -> Option<u32> {
    let raw = raw as i8;
    let size = if raw >= 0 {
        cluster_size.checked_mul(u32::from(raw.unsigned_abs()))?
    } else {
        1u32.checked_shl(u32::from(raw.unsigned_abs()))?
    };
    (size.is_power_of_two() && (512..=65_536).contains(&size)).then_some(size)
}

impl BootSector {
    /// Reads it; `None` when this is not an NTFS boot sector or its numbers are impossible. The end marker
    /// 55 AA is not demanded, because nothing depends on it.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        if bytes.get(3..11)? != b"NTFS    " {
            return None;
        }
        let sector_size = u32::from(u16_at(bytes, 11)?);
        if !sector_size.is_power_of_two() || !(256..=4096).contains(&sector_size) {
            return None;
        }
        // Values above 0x80 are negative powers of two, for clusters of more than 64 KiB.
        let sectors_per_cluster = match u8_at(bytes, 13)? {
            raw @ 0..=0x80 => u32::from(raw),
            raw => 1u32.checked_shl(u32::from(raw.wrapping_neg()))?,
        };
        let cluster_size = sector_size.checked_mul(sectors_per_cluster)?;
        if !cluster_size.is_power_of_two() || cluster_size > 2 << 20 {
            return None;
        }
        let boot = BootSector {
            sector_size,
            cluster_size,
            total_sectors: u64_at(bytes, 40)?,
            mft_lcn: u64_at(bytes, 48)?,
            mft_mirror_lcn: u64_at(bytes, 56)?,
            record_size: record_size(u8_at(bytes, 64)?, cluster_size)?,
            index_record_size: record_size(u8_at(bytes, 68)?, cluster_size)?,
            serial: u64_at(bytes, 72)?,
        };
        u32_at(bytes, 80)?;
        let size = boot.total_sectors.checked_mul(u64::from(sector_size))?;
        (boot.mft_lcn.checked_mul(u64::from(cluster_size))? < size).then_some(boot)
    }

    /// Length of the volume in bytes, without the sector of the backup boot sector.
    pub fn size(&self) -> u64 {
        self.total_sectors.saturating_mul(u64::from(self.sector_size))
    }

    /// Number of whole clusters.
    pub fn clusters(&self) -> u64 {
        self.size() / u64::from(self.cluster_size)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sector() -> Vec<u8> {
        let mut bytes = vec![0; 512];
        bytes[3..11].copy_from_slice(b"NTFS    ");
        bytes[11..13].copy_from_slice(&512u16.to_le_bytes());
        bytes[13] = 8;
        bytes[40..48].copy_from_slice(&8191u64.to_le_bytes());
        bytes[48..56].copy_from_slice(&4u64.to_le_bytes());
        bytes[56..64].copy_from_slice(&511u64.to_le_bytes());
        bytes[64] = 0xF6;
        bytes[68] = 1;
        bytes[72..80].copy_from_slice(&0x1122_3344_5566_7788u64.to_le_bytes());
        bytes
    }

    #[test]
    fn sizes_in_clusters_and_in_powers_of_two() {
        let boot = BootSector::parse(&sector()).unwrap();
        assert_eq!((boot.cluster_size, boot.record_size, boot.index_record_size), (4096, 1024, 4096));
        assert_eq!((boot.clusters(), boot.serial), (1023, 0x1122_3344_5566_7788));
        let mut large = sector();
        large[13] = 0xF8; // 2^8 sectors of 512 bytes
        large[68] = 0xF4;
        large[48..56].copy_from_slice(&1u64.to_le_bytes());
        assert_eq!(BootSector::parse(&large).unwrap().cluster_size, 131_072);
    }

    #[test]
    fn impossible_numbers_are_refused() {
        for (offset, value) in [(3, b'X'), (11, 1), (13, 3), (13, 0x81), (64, 0x80), (64, 0), (68, 0xE0), (48, 0xFF)] {
            let mut bytes = sector();
            bytes[offset] = value;
            if offset == 48 {
                bytes[55] = 0xFF;
            }
            assert_eq!(BootSector::parse(&bytes), None, "{offset} {value:#x}");
        }
        for length in 0..84 {
            assert_eq!(BootSector::parse(&sector()[..length]), None, "{length}");
        }
    }
}
