//! What stands at a place of a disk: recognises the volume, opens it where we can, and says what is not seen
//! where we cannot.

use super::{OpenedVolume, Volume, VolumeKind};
use evidence::{Bytes, Problem, ProblemKind, Stage};
use std::sync::Arc;

/// The kind of the volume that begins here.
pub(crate) fn kind_at(disk: &Arc<dyn Bytes>, offset: u64) -> VolumeKind {
    let mut boot = [0; 512];
    match disk.read_full_at(offset, &mut boot) {
        Ok(512) => {}
        _ => return VolumeKind::Unknown,
    }
    match &boot[3..11] {
        b"NTFS    " => VolumeKind::Ntfs,
        b"-FVE-FS-" => VolumeKind::BitLocker,
        b"ReFS\0\0\0\0" => VolumeKind::Refs,
        b"EXFAT   " => VolumeKind::ExFat,
        _ if boot[54..57] == *b"FAT" || boot[82..85] == *b"FAT" => VolumeKind::Fat,
        _ => VolumeKind::Unknown,
    }
}

/// Opens what can be opened. The volume has no id yet, since that depends on which one is the system volume.
pub(crate) fn open(volume: Arc<dyn Bytes>, offset: u64, size: u64, problems: &mut Vec<Problem>) -> OpenedVolume {
    let kind = kind_at(&volume, 0);
    let about = Volume {
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
