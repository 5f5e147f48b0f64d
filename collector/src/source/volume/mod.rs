//! What stands at a place of a disk: recognises the volume, opens it where we can, and says what is not seen
//! where we cannot.

pub mod kind;
pub mod ntfs;
pub(crate) mod partitions;

use self::ntfs::NtfsTree;
use super::{OpenedVolume, Volume, VolumeKind};
use crate::file_bytes::Slice;
use evidence::{Bytes, Problem, ProblemKind, Stage, guarded};
use std::sync::Arc;

/// The kind of the volume that begins at this place, by its first sector alone: of a whole disk, the last sector can
/// be the last one of its last volume.
pub(crate) fn kind_at(disk: &Arc<dyn Bytes>, offset: u64) -> VolumeKind {
    kind::probe(&Slice::new(disk.clone(), offset, 512))
}

/// Opens what can be opened. The volume has no id yet, since that depends on which one is the system volume.
pub(crate) fn open(bytes: Arc<dyn Bytes>, offset: u64, size: u64, problems: &mut Vec<Problem>) -> OpenedVolume {
    let kind = kind::probe(bytes.as_ref());
    let mut volume = Volume { offset, size, ..Volume::new(format!("volume-at-{offset}"), kind) };
    let (what, effect) = match volume.kind {
        VolumeKind::Ntfs => match open_ntfs(bytes) {
            Ok(tree) => {
                volume.describe(&tree);
                return (volume, Some(Arc::new(tree)));
            }
            Err(mut problem) => {
                problem.item = format!("NTFS volume at byte {offset}");
                problems.push(problem);
                return (volume, None);
            }
        },
        VolumeKind::BitLocker => (
            "it is encrypted with BitLocker",
            "nothing on it is seen; decrypt the image, or make one of the unlocked volume",
        ),
        VolumeKind::Refs => ("it is a ReFS volume, which is not read", "nothing on it is seen"),
        VolumeKind::Fat => ("it is a FAT volume, which is not read", "nothing on it is seen"),
        VolumeKind::ExFat => ("it is an exFAT volume, which is not read", "nothing on it is seen"),
        VolumeKind::Folder | VolumeKind::Archive | VolumeKind::Live | VolumeKind::ShadowCopy | VolumeKind::Unknown => {
            ("its file system is not recognised", "nothing on it is seen; it may also be damaged or encrypted")
        }
    };
    problems.push(Problem::new(
        Stage::Source,
        ProblemKind::UnsupportedVersion { found: volume.kind.name().to_owned() },
        format!("volume at byte {offset}"),
        what,
        effect,
    ));
    (volume, None)
}

fn open_ntfs(bytes: Arc<dyn Bytes>) -> Result<NtfsTree, Problem> {
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
