//! What stands at a place of a disk: recognises the volume, opens it where we can, and says what is not seen
//! where we cannot.

use super::ntfs::NtfsTree;
use super::volume_kind::probe;
use super::{OpenedVolume, Volume, VolumeKind};
use evidence::{Bytes, Problem, ProblemKind, Stage};
use std::sync::Arc;

/// The kind of the volume whose first sector stands here. Unlike [`probe`] it does not look for a backup boot sector
/// at the end, because the end of a disk is not the end of a volume.
pub(crate) fn kind_at(disk: &Arc<dyn Bytes>, offset: u64) -> VolumeKind {
    let mut boot = vec![0; 512];
    match disk.read_full_at(offset, &mut boot) {
        Ok(512) => probe(&boot),
        _ => VolumeKind::Unknown,
    }
}

/// Opens what can be opened. The volume has no id yet, since that depends on which one is the system volume.
pub(crate) fn open(volume: Arc<dyn Bytes>, offset: u64, size: u64, problems: &mut Vec<Problem>) -> OpenedVolume {
    let kind = probe(&*volume);
    let mut about = Volume {
        id: format!("volume-at-{offset}"),
        letter: None,
        kind,
        label: None,
        serial: None,
        offset,
        size,
        cluster_size: 0,
        is_system: false,
    };
    if kind == VolumeKind::Ntfs {
        match NtfsTree::open(volume) {
            Ok(tree) => {
                about.label = tree.label().map(str::to_owned);
                about.serial = Some(tree.serial());
                about.size = tree.size();
                about.cluster_size = tree.cluster_size();
                return (about, Some(Box::new(tree)));
            }
            Err(problem) => {
                problems.push(problem);
                return (about, None);
            }
        }
    }
    let (what, effect) = match kind {
        VolumeKind::BitLocker => (
            "it is encrypted with BitLocker",
            "nothing on it is seen; decrypt the image, or make one of the unlocked volume",
        ),
        VolumeKind::Refs => ("it is a ReFS volume, which is not read", "nothing on it is seen"),
        VolumeKind::Fat => ("it is a FAT volume, which is not read", "nothing on it is seen"),
        VolumeKind::ExFat => ("it is an exFAT volume, which is not read", "nothing on it is seen"),
        _ => ("its file system is not recognised", "nothing on it is seen; it may also be damaged or encrypted"),
    };
    problems.push(Problem::new(
        Stage::Source,
        ProblemKind::UnsupportedVersion { found: format!("{kind:?}") },
        format!("volume at byte {offset}"),
        what,
        effect,
    ));
    (about, None)
}
