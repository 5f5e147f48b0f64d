//! What a volume is, by its first sector (and NTFS' copy of it in the last).

use crate::source::VolumeKind;
use evidence::Bytes;
use ntfs_layout::BootSector;

/// Recognises a volume by its boot sector. Only bytes decide; a partition's type is not asked.
///
/// References: Microsoft, *How NTFS Works*, *exFAT file system specification*, *FAT32 file system
/// specification*, *[MS-FSA]*; J. Metz, *BitLocker Drive Encryption (BDE) format*.
pub fn probe(volume: &dyn Bytes) -> VolumeKind {
    let sector = read_sector(volume, 0);
    let oem = sector.get(3..11).unwrap_or(&[]);
    let at = |offset: usize, wanted: &[u8]| sector.get(offset..offset + wanted.len()) == Some(wanted);
    match oem {
        b"NTFS    " => VolumeKind::Ntfs,
        b"-FVE-FS-" => VolumeKind::BitLocker,
        // BitLocker To Go keeps a FAT boot sector and is known by this GUID in it.
        _ if at(424, &BITLOCKER_TO_GO) => VolumeKind::BitLocker,
        b"ReFS\0\0\0\0" => VolumeKind::Refs,
        b"EXFAT   " => VolumeKind::ExFat,
        _ if is_fat(&sector) => VolumeKind::Fat,
        _ if ntfs_boot_sector(volume).is_some() => VolumeKind::Ntfs,
        _ => VolumeKind::Unknown,
    }
}

/// 4967d63b-2e29-4ad8-8399-f6a339e3d001 as it is stored.
const BITLOCKER_TO_GO: [u8; 16] =
    [0x3B, 0xD6, 0x67, 0x49, 0x29, 0x2E, 0xD8, 0x4A, 0x83, 0x99, 0xF6, 0xA3, 0x39, 0xE3, 0xD0, 0x01];

/// The boot sector of an NTFS volume, and whether it had to be taken from the copy in the last sector.
pub(crate) fn ntfs_boot_sector(volume: &dyn Bytes) -> Option<(BootSector, bool)> {
    if let Some(boot) = BootSector::parse(&read_sector(volume, 0)) {
        return Some((boot, false));
    }
    [512, 4096].into_iter().find_map(|sector_size| {
        let offset = volume.len().checked_sub(sector_size)?;
        let boot = BootSector::parse(&read_sector(volume, offset))?;
        (u64::from(boot.sector_size) == sector_size).then_some((boot, true))
    })
}

fn read_sector(volume: &dyn Bytes, offset: u64) -> Vec<u8> {
    let mut sector = vec![0; 512];
    let read = volume.read_full_at(offset, &mut sector).unwrap_or(0);
    sector.truncate(read);
    sector
}

/// A FAT boot sector has no signature of its own, so its numbers must all be possible.
fn is_fat(sector: &[u8]) -> bool {
    let (Some(head), Some([0x55, 0xAA])) = (sector.get(..64), sector.get(510..512)) else { return false };
    let bytes_per_sector = u16::from_le_bytes([head[11], head[12]]);
    let reserved_sectors = u16::from_le_bytes([head[14], head[15]]);
    matches!(head[0], 0xEB | 0xE9)
        && bytes_per_sector.is_power_of_two()
        && (512..=4096).contains(&bytes_per_sector)
        && head[13].is_power_of_two()
        && reserved_sectors > 0
        && matches!(head[16], 1 | 2)
        && matches!(head[21], 0xF0 | 0xF8..=0xFF)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bytes and where they stand.
    type Parts<'a> = &'a [(usize, &'a [u8])];

    fn sector(parts: Parts<'_>) -> Vec<u8> {
        let mut bytes = vec![0; 1 << 16];
        for (offset, part) in parts {
            bytes[*offset..*offset + part.len()].copy_from_slice(part);
        }
        bytes
    }

    #[test]
    fn each_kind_by_its_bytes() {
        let fat: Parts<'_> =
            &[(0, &[0xEB, 0x3C, 0x90]), (11, &[0, 2, 4, 1, 0, 2]), (21, &[0xF8]), (510, &[0x55, 0xAA])];
        let mut to_go = fat.to_vec();
        to_go.push((424, &BITLOCKER_TO_GO));
        let cases: [(Parts<'_>, VolumeKind); 8] = [
            (&[(3, b"NTFS    ")], VolumeKind::Ntfs),
            (&[(3, b"-FVE-FS-")], VolumeKind::BitLocker),
            (&to_go, VolumeKind::BitLocker),
            (&[(3, b"ReFS\0\0\0\0"), (16, b"FSRS")], VolumeKind::Refs),
            (&[(3, b"EXFAT   ")], VolumeKind::ExFat),
            (fat, VolumeKind::Fat),
            (&fat[..3], VolumeKind::Unknown),
            (&[], VolumeKind::Unknown),
        ];
        for (parts, kind) in cases {
            assert_eq!(probe(&sector(parts)), kind, "{parts:?}");
        }
        assert_eq!(probe(&Vec::new()), VolumeKind::Unknown);
        assert_eq!(probe(&vec![0xFF; 600]), VolumeKind::Unknown);
    }

    #[test]
    fn the_backup_boot_sector_is_enough() {
        let parts: Parts<'_> =
            &[(0, b"NTFS    "), (8, &[0, 2, 8]), (37, &[127]), (45, &[4]), (61, &[0xF6]), (65, &[1])];
        let at_end: Vec<_> = parts.iter().map(|(offset, part)| ((1 << 16) - 512 + 3 + offset, *part)).collect();
        let volume = sector(&at_end);
        assert_eq!(probe(&volume), VolumeKind::Ntfs);
        let (boot, from_backup) = ntfs_boot_sector(&volume).unwrap();
        assert!(from_backup);
        assert_eq!((boot.cluster_size, boot.mft_lcn, boot.total_sectors), (4096, 4, 127));
    }
}
