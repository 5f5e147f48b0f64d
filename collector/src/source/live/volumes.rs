//! The volumes of the live host by drive letter.

use super::sys::{self, Drive, DriveKind};
use super::watched::{DEADLINE, Watched};
use crate::source::tree::{self, Folder};
use crate::source::volume::ntfs::{Aligned, NtfsTree};
use crate::source::{Made, OpenedVolume, Tree, Volume, VolumeKind};
use evidence::{Bytes, Problem, ProblemKind, Stage};
use std::fs::File;
use std::io;
use std::os::windows::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

/// Sectors are at most this long; reads that suit this length suit every shorter one.
const SECTOR: u32 = 4096;

/// The letter of the volume that Windows runs from.
fn system_letter() -> char {
    let windows = sys::windows_folder().ok().and_then(|folder| folder.chars().next());
    windows.map_or('C', |letter| letter.to_ascii_uppercase())
}

/// A shadow copy of the system volume that this collection made.
pub(super) struct OwnCopy {
    letter: char,
    copy: sys::ShadowCopy,
}

impl Made for OwnCopy {
    fn name(&self) -> String {
        format!("shadow copy {} of {}: ({})", self.copy.id(), self.letter, self.copy.device)
    }

    fn remove(&self) -> io::Result<()> {
        self.copy.delete()
    }
}

/// Makes a shadow copy of the system volume.
pub(super) fn make_shadow_copy(problems: &mut Vec<Problem>) -> Option<OwnCopy> {
    let letter = system_letter();
    match sys::ShadowCopy::of(letter) {
        Ok(copy) => Some(OwnCopy { letter, copy }),
        Err(error) => {
            let name = format!("{letter}:");
            let what = format!("no shadow copy of {name} could be made: {error}");
            let effect = "the volume itself is read, where files can change meanwhile; those that did are named";
            problems.push(Problem::new(Stage::Source, ProblemKind::ReadFailed, name, what, effect));
            None
        }
    }
}

/// Opens every volume that has a letter, but the one that the bundle goes to; the system volume from the copy of it, if
/// one was made.
pub(super) fn open(
    destination: Option<char>,
    own: Option<&OwnCopy>,
    pace: fn(usize),
    problems: &mut Vec<Problem>,
) -> Vec<OpenedVolume> {
    let system = system_letter();
    let mut opened = Vec::new();
    for drive in sys::drives() {
        // What the responder brought is no evidence, and writing to it while it is read would change it.
        if destination == Some(drive.letter) && drive.letter != system {
            continue;
        }
        let own = own.filter(|own| own.letter == drive.letter);
        opened.push(open_drive(&drive, drive.letter == system, own, pace, problems));
    }
    opened
}

fn open_drive(
    drive: &Drive,
    is_system: bool,
    own: Option<&OwnCopy>,
    pace: fn(usize),
    problems: &mut Vec<Problem>,
) -> OpenedVolume {
    let mut volume = Volume {
        letter: Some(drive.letter),
        label: Some(drive.label.clone()).filter(|label| !label.is_empty()),
        serial: Some(u64::from(drive.serial)).filter(|serial| *serial != 0),
        is_system,
        ..Volume::new(drive.letter, VolumeKind::Unknown)
    };
    let name = format!("{}:", drive.letter);
    // The system volume is read whatever the system calls it.
    if !is_system && !matches!(drive.kind, DriveKind::Fixed | DriveKind::Removable | DriveKind::Ram) {
        let what = match drive.kind {
            DriveKind::Network => "a drive of the network, which is not read",
            DriveKind::Optical => "an optical drive, which is not read",
            _ => "a drive of a kind that the system does not name, which is not read",
        };
        problems.push(Problem::new(
            Stage::Source,
            ProblemKind::UnsupportedVersion { found: format!("{:?}", drive.kind).to_lowercase() },
            name,
            what,
            "what lies there is not seen",
        ));
        return (volume, None);
    }
    let device = own.map_or_else(|| format!(r"\\.\{}:", drive.letter), |own| own.copy.device.clone());
    match open_raw(&device, pace) {
        Ok(tree) => {
            volume.kind = VolumeKind::Ntfs;
            volume.describe(&tree);
            (volume, Some(Arc::new(tree)))
        }
        Err(why) => {
            problems.push(Problem::new(
                Stage::Source,
                ProblemKind::AccessDenied,
                name.clone(),
                format!("{name} could not be read raw ({why}); the file API is used"),
                "locked files, deleted files and $MFT are not collected from it, and times are those that the API gives",
            ));
            volume.kind = match drive.file_system.as_str() {
                "FAT" | "FAT32" => VolumeKind::Fat,
                "exFAT" => VolumeKind::ExFat,
                "ReFS" => VolumeKind::Refs,
                _ => VolumeKind::Folder,
            };
            let tree: Arc<dyn Tree> = tree::of_volume(Folder::new(Path::new(&format!("{name}\\"))));
            (volume, Some(tree))
        }
    }
}

fn open_raw(device: &str, pace: fn(usize)) -> Result<NtfsTree, String> {
    open_device(Device::open(device, pace).map_err(|error| error.to_string())?)
}

fn open_device(device: Device) -> Result<NtfsTree, String> {
    NtfsTree::open(Arc::new(Aligned::new(Watched::new(Arc::new(device), DEADLINE), SECTOR)))
        .map_err(|problem| problem.what)
}

/// Most numbers in a row that no shadow copy has before the search ends; the system counts on and never fills gaps.
const GAP: u32 = 64;

/// Every shadow copy that is there already, and not the one that was made now.
pub(super) fn shadow_copies(own: Option<&OwnCopy>, pace: fn(usize), problems: &mut Vec<Problem>) -> Vec<OpenedVolume> {
    let mut found = Vec::new();
    let mut missing = 0;
    for number in 1.. {
        if missing >= GAP {
            break;
        }
        let name = format!("HarddiskVolumeShadowCopy{number}");
        if own.is_some_and(|own| own.copy.device.ends_with(&name)) {
            missing = 0;
            continue;
        }
        let device = Device::open(&format!(r"\\?\GLOBALROOT\Device\{name}"), pace)
            .or_else(|_| Device::open(&format!(r"\\.\{name}"), pace));
        let device = match device {
            Ok(device) => device,
            Err(_) => {
                missing += 1;
                continue;
            }
        };
        missing = 0;
        let mut volume = Volume::new(format!("{}{number}", super::SHADOW_COPY), VolumeKind::ShadowCopy);
        match open_device(device) {
            Ok(tree) => {
                volume.describe(&tree);
                found.push((volume, Some(Arc::new(tree.of_shadow_copy()) as Arc<dyn Tree>)));
            }
            Err(why) => {
                let effect = "what this shadow copy holds is not seen";
                problems.push(Problem::new(Stage::Source, ProblemKind::ReadFailed, name, why, effect));
                found.push((volume, None));
            }
        }
    }
    found
}

/// An opened volume. It serves whole sectors only, so it stands behind [`Aligned`].
struct Device {
    file: File,
    length: u64,
    pace: fn(usize),
}

impl Device {
    fn open(path: &str, pace: fn(usize)) -> io::Result<Device> {
        let file = File::open(path)?;
        // The length stands in the boot sector; the backup of that sector lies behind what it counts.
        let mut boot = vec![0u8; SECTOR as usize];
        let mut read = 0;
        while read < 512 {
            match file.seek_read(&mut boot[read..], read as u64)? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                more => read += more,
            }
        }
        if &boot[3..11] != b"NTFS    " {
            return Err(io::Error::new(io::ErrorKind::Unsupported, "it is not NTFS"));
        }
        let bytes_per_sector = u64::from(u16::from_le_bytes([boot[11], boot[12]]));
        let sectors = boot[0x28..0x30].first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes));
        let length = sectors.checked_add(1).and_then(|sectors| sectors.checked_mul(bytes_per_sector));
        let length = length.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "its boot sector is damaged"))?;
        Ok(Device { file, length, pace })
    }
}

impl Bytes for Device {
    fn len(&self) -> u64 {
        self.length
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        (self.pace)(buffer.len());
        self.file.seek_read(buffer, offset)
    }
}
