//! What stands at a place of a disk: recognises the volume, opens it where we can, and says what is not seen
//! where we cannot.

pub mod kind;
pub mod ntfs;
pub(crate) mod partitions;
mod shadow;
mod unread;

use self::ntfs::NtfsTree;
use self::partitions::{Partition, Usage};
use super::{OpenedVolume, Volume, VolumeKind};
use crate::file_bytes::Slice;
use evidence::{Bytes, Problem, ProblemKind, Stage, guarded};
use std::sync::Arc;

/// The kind of the volume that begins at this place, by its first sector alone: of a whole disk, the last sector can
/// be the last one of its last volume, and what lies behind the first can be a loader.
pub(crate) fn kind_at(disk: &Arc<dyn Bytes>, offset: u64) -> VolumeKind {
    kind::by_first_sector(&kind::read_sector(disk.as_ref(), offset))
}

/// Opens what can be opened of a partition. The volume has no id yet, since that depends on which one is the system
/// volume.
pub(crate) fn open_partition(disk: &Arc<dyn Bytes>, partition: Partition, problems: &mut Vec<Problem>) -> OpenedVolume {
    let Partition { offset, length, id, usage } = partition;
    let bytes: Arc<dyn Bytes> = Arc::new(Slice::new(disk.clone(), offset, length));
    let kind = unread::kind_of(bytes.as_ref(), usage);
    let volume = Volume { offset, size: length, partition: id, ..Volume::new(format!("volume-at-{offset}"), kind) };
    if kind == VolumeKind::Ntfs {
        return open_ntfs(bytes, volume, usage, problems);
    }
    problems.extend(unread::problem(bytes.as_ref(), offset, kind, usage));
    (volume, None)
}

fn open_ntfs(bytes: Arc<dyn Bytes>, mut volume: Volume, usage: Usage, problems: &mut Vec<Problem>) -> OpenedVolume {
    let item = format!("NTFS volume at byte {}", volume.offset);
    if matches!(usage, Usage::Dynamic | Usage::DynamicDatabase) {
        problems.push(Problem::new(
            Stage::Source,
            ProblemKind::UnsupportedVersion { found: "ldm".to_owned() },
            item.as_str(),
            "it stands on a dynamic disk (LDM), whose database of volumes is not read",
            "other volumes of that disk are not seen, and this one may go on elsewhere; give an image of each volume",
        ));
    }
    problems.extend(shadow::problem(bytes.as_ref(), &item));
    let held = bytes.len();
    match read_ntfs(bytes) {
        Ok(tree) => {
            volume.describe(&tree);
            if tree.size() > held {
                problems.push(Problem::new(
                    Stage::Source,
                    ProblemKind::Truncated { offset: held, expected: tree.size() - held, actual: 0 },
                    item,
                    format!("the volume is {} bytes long, and only {held} bytes of it are in the image", tree.size()),
                    "files and parts of files that are behind these bytes cannot be read",
                ));
            }
            (volume, Some(Arc::new(tree)))
        }
        Err(mut problem) => {
            problem.item = item;
            problems.push(problem);
            (volume, None)
        }
    }
}

fn read_ntfs(bytes: Arc<dyn Bytes>) -> Result<NtfsTree, Problem> {
    guarded(|| NtfsTree::open(bytes)).unwrap_or_else(|| {
        Err(Problem::new(
            Stage::Source,
            ProblemKind::ParserPanicked,
            "",
            "reading the file system panicked",
            "nothing on this volume is seen; this is an error of ours that should be reported",
        ))
    })
}

/// The volumes of a disk as they are found and opened, for programs that try any bytes.
#[doc(hidden)]
pub fn volumes_of(disk: Arc<dyn Bytes>) -> (Vec<OpenedVolume>, Vec<Problem>) {
    let partitions::Partitions { partitions, mut problems, .. } = partitions::find(&disk);
    let volumes = partitions.into_iter().map(|partition| open_partition(&disk, partition, &mut problems)).collect();
    (volumes, problems)
}

#[cfg(test)]
mod tests {
    use super::ntfs::tests::fixture_volume;
    use super::*;

    /// An MBR with one partition.
    fn disk(kind: u8, sectors: u32, volume: &[u8]) -> Arc<dyn Bytes> {
        let mut disk = vec![0; 1 << 20];
        disk[450] = kind;
        disk[454..458].copy_from_slice(&2048u32.to_le_bytes());
        disk[458..462].copy_from_slice(&sectors.to_le_bytes());
        disk[510..512].copy_from_slice(&[0x55, 0xAA]);
        disk.extend(volume);
        Arc::new(disk)
    }

    fn said(problems: &[Problem]) -> String {
        problems.iter().map(|problem| format!("{}: {}; {}\n", problem.item, problem.what, problem.effect)).collect()
    }

    #[test]
    fn a_volume_that_is_longer_than_the_image_is_said() {
        let whole = fixture_volume();
        let (volumes, problems) = volumes_of(Arc::new(whole.clone()));
        assert!(volumes[0].1.is_some() && problems.is_empty(), "{problems:?}");
        let cut = whole.len() / 3 * 2;
        let (volumes, problems) = volumes_of(Arc::new(whole[..cut].to_vec()));
        assert!(volumes[0].1.is_some());
        let size = u64::from_le_bytes(whole[40..48].try_into().unwrap()) * 512;
        let words = format!("NTFS volume at byte 0: the volume is {size} bytes long, and only {cut} bytes of it");
        assert!(said(&problems).contains(&words), "{problems:?}");
        assert!(matches!(problems[0].kind, ProblemKind::Truncated { .. }));
    }

    #[test]
    fn dynamic_disks_are_named_and_what_stands_in_the_table_is_read() {
        let (volumes, problems) = volumes_of(disk(0x42, 4096, &vec![0; 1 << 21]));
        assert!(volumes[0].1.is_none() && volumes[0].0.kind == VolumeKind::Other("ldm"));
        assert!(said(&problems).contains("volume at byte 1048576: it is part of a dynamic disk (LDM)"), "{problems:?}");
        // Windows keeps the entry of the volume that it starts from.
        let volume = fixture_volume();
        let (volumes, problems) = volumes_of(disk(0x42, (volume.len() / 512) as u32, &volume));
        assert!(volumes[0].1.is_some());
        assert!(said(&problems).contains("stands on a dynamic disk (LDM)") && problems.len() == 1, "{problems:?}");
    }

    #[test]
    fn shadow_copies_of_a_volume_are_said() {
        let mut volume = fixture_volume();
        volume[0x1E00..0x1E10].copy_from_slice(&[
            0x6B, 0x87, 0x08, 0x38, 0x76, 0xC1, 0x48, 0x4E, 0xB7, 0xAE, 0x04, 0x04, 0x6E, 0x6C, 0xC7, 0x52,
        ]);
        volume[0x1E31] = 0x40;
        let (volumes, problems) = volumes_of(Arc::new(volume));
        assert!(volumes[0].1.is_some());
        assert!(said(&problems).contains("shadow copies are not searched; earlier logs"), "{problems:?}");
        assert_eq!(problems[0].kind, ProblemKind::NotUnderstood);
    }

    /// Any byte of the first sectors may be anything.
    #[test]
    fn any_table_ends() {
        let volume = fixture_volume();
        let mut good = vec![0; 1 << 16];
        disk(7, 100, &volume[..40_000]).read_full_at(0, &mut good).unwrap();
        good[2048 * 4..2048 * 4 + 512].copy_from_slice(&volume[..512]);
        good[454..458].copy_from_slice(&16u32.to_le_bytes());
        for at in (0..512).chain(8192..8192 + 90) {
            for value in [0, 1, 0x05, 0x0F, 0x42, 0x80, 0xEE, 0xFF] {
                let mut bytes = good.clone();
                bytes[at] = value;
                let (volumes, _) = volumes_of(Arc::new(bytes));
                assert!(!volumes.is_empty() || at == 454 || (455..458).contains(&at), "{at} {value}");
            }
        }
    }
}
