//! What a volume is, by its first sectors (and NTFS' copy of its first in the last).

use crate::source::VolumeKind;
use evidence::Bytes;
use ntfs_layout::BootSector;

/// A file system or use that is recognised and not read.
struct Known {
    /// The stable name.
    name: &'static str,
    /// In words.
    title: &'static str,
    /// Where its mark stands.
    at: u64,
    mark: &'static [u8],
}

const fn known(name: &'static str, title: &'static str, at: u64, mark: &'static [u8]) -> Known {
    Known { name, title, at, mark }
}

/// What else stands on disks. Marks of two bytes only are asked last.
///
/// References: the file systems' own documentation in the Linux kernel (`Documentation/filesystems`, `ondisk-format`);
/// Apple, *Technical Note TN1150*, *Apple File System Reference*; *LUKS2 On-Disk Format Specification*; `lvm2`, `label.h`;
/// ECMA-119, ECMA-167.
const KNOWN: &[Known] = &[
    known("xfs", "an XFS volume", 0, b"XFSB"),
    known("btrfs", "a Btrfs volume", 0x1_0040, b"_BHRfS_M"),
    known("f2fs", "an F2FS volume", 1024, &[0x10, 0x20, 0xF5, 0xF2]),
    known("apfs", "an APFS container", 32, b"NXSB"),
    known("hfsplus", "an HFS+ volume", 1024, b"H+\0\x04"),
    known("hfsplus", "an HFSX volume", 1024, b"HX\0\x05"),
    known("luks", "encrypted with LUKS", 0, b"LUKS\xBA\xBE"),
    known("lvm", "a physical volume of Linux' LVM", 512 + 24, b"LVM2 001"),
    known("lvm", "a physical volume of Linux' LVM", 24, b"LVM2 001"),
    known("swap", "a swap area of Linux", 4096 - 10, b"SWAPSPACE2"),
    known("swap", "a swap area of Linux", 65_536 - 10, b"SWAPSPACE2"),
    known("linux_raid", "a part of a RAID of Linux", 4096, &[0xFC, 0x4E, 0x2B, 0xA9, 1, 0, 0, 0]),
    known("iso9660", "an ISO 9660 volume", 0x8001, b"CD001"),
    known("udf", "a UDF volume", 0x8001, b"BEA01"),
    known("storage_spaces", "a part of a storage pool (Storage Spaces)", 0, b"SPACEDB"),
    known("storage_spaces", "a part of a storage pool (Storage Spaces)", 4096, b"SPACEDB"),
    known("ldm", "a dynamic disk (LDM)", 0, b"PRIVHEAD"),
    known("ext", "an ext2, ext3 or ext4 volume", 1080, &[0x53, 0xEF]),
];

/// The words for what is recognised and not read.
pub(crate) fn title(name: &str) -> &'static str {
    KNOWN.iter().find(|known| known.name == name).map_or("of a kind that is not read", |known| known.title)
}

fn other(volume: &dyn Bytes) -> Option<VolumeKind> {
    let mut found = [0; 16];
    let fits = |known: &&Known| {
        let part = &mut found[..known.mark.len()];
        volume.read_full_at(known.at, part).is_ok_and(|read| read == part.len()) && part == known.mark
    };
    KNOWN.iter().find(fits).map(|known| VolumeKind::Other(known.name))
}

/// Recognises a volume. Only bytes decide; a partition's type is not asked.
///
/// References: Microsoft, *How NTFS Works*, *exFAT file system specification*, *FAT32 file system
/// specification*, *[MS-FSA]*; J. Metz, *BitLocker Drive Encryption (BDE) format*.
pub fn probe(volume: &dyn Bytes) -> VolumeKind {
    match by_first_sector(&read_sector(volume, 0)) {
        VolumeKind::Unknown if ntfs_boot_sector(volume).is_some() => VolumeKind::Ntfs,
        VolumeKind::Unknown => other(volume).unwrap_or(VolumeKind::Unknown),
        kind => kind,
    }
}

/// The kind of the volume that begins with this sector, as far as the sector alone tells.
pub(crate) fn by_first_sector(sector: &[u8]) -> VolumeKind {
    let oem = sector.get(3..11).unwrap_or(&[]);
    let at = |offset: usize, wanted: &[u8]| sector.get(offset..offset + wanted.len()) == Some(wanted);
    match oem {
        b"NTFS    " => VolumeKind::Ntfs,
        b"-FVE-FS-" => VolumeKind::BitLocker,
        // BitLocker To Go keeps a FAT boot sector and is known by this GUID in it.
        _ if at(424, &BITLOCKER_TO_GO) => VolumeKind::BitLocker,
        b"ReFS\0\0\0\0" => VolumeKind::Refs,
        b"EXFAT   " => VolumeKind::ExFat,
        _ if is_fat(sector) => VolumeKind::Fat,
        _ => VolumeKind::Unknown,
    }
}

/// 4967d63b-2e29-4ad8-8399-f6a339e3d001 as it is stored.
const BITLOCKER_TO_GO: [u8; 16] =
    [0x3B, 0xD6, 0x67, 0x49, 0x29, 0x2E, 0xD8, 0x4A, 0x83, 0x99, 0xF6, 0xA3, 0x39, 0xE3, 0xD0, 0x01];

/// Whether a BitLocker volume says that only its used space is encrypted, by the GUID of its boot sector,
/// 92a84d3b-dd80-4d0e-9e4e-b1e3284eaed8. The free space may then hold deleted content in the clear.
pub(crate) fn is_used_space_only(volume: &dyn Bytes) -> bool {
    const USED_SPACE_ONLY: [u8; 16] =
        [0x3B, 0x4D, 0xA8, 0x92, 0x80, 0xDD, 0x0E, 0x4D, 0x9E, 0x4E, 0xB1, 0xE3, 0x28, 0x4E, 0xAE, 0xD8];
    read_sector(volume, 0).get(160..176) == Some(&USED_SPACE_ONLY)
}

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

pub(crate) fn read_sector(volume: &dyn Bytes, offset: u64) -> Vec<u8> {
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
        let mut bytes = vec![0; (1 << 16) + 512];
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
        let cases: [(Parts<'_>, VolumeKind); 17] = [
            (&[(0, b"XFSB")], VolumeKind::Other("xfs")),
            (&[(0x10040, b"_BHRfS_M")], VolumeKind::Other("btrfs")),
            (&[(1080, &[0x53, 0xEF])], VolumeKind::Other("ext")),
            (&[(32, b"NXSB")], VolumeKind::Other("apfs")),
            (&[(0, b"LUKS\xBA\xBE\0\x02")], VolumeKind::Other("luks")),
            (&[(512, b"LABELONE"), (536, b"LVM2 001")], VolumeKind::Other("lvm")),
            (&[(4086, b"SWAPSPACE2")], VolumeKind::Other("swap")),
            (&[(0x8000, b"\x01CD001")], VolumeKind::Other("iso9660")),
            (&[(4096, b"SPACEDB ")], VolumeKind::Other("storage_spaces")),
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
        let at_end: Vec<_> = parts.iter().map(|(offset, part)| ((1 << 16) + 3 + offset, *part)).collect();
        let volume = sector(&at_end);
        assert_eq!(probe(&volume), VolumeKind::Ntfs);
        let (boot, from_backup) = ntfs_boot_sector(&volume).unwrap();
        assert!(from_backup);
        assert_eq!((boot.cluster_size, boot.mft_lcn, boot.total_sectors), (4096, 4, 127));
    }
}
