//! Drive letters.

use super::{text, wide};
use std::ptr::null_mut;
use windows_sys::Win32::Storage::FileSystem::{GetDriveTypeW, GetLogicalDrives, GetVolumeInformationW};

/// What kind of drive a letter is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DriveKind {
    Removable,
    Fixed,
    Network,
    Optical,
    Ram,
    Unknown,
}

/// A drive letter and what is mounted there.
pub(crate) struct Drive {
    pub(crate) letter: char,
    pub(crate) kind: DriveKind,
    /// Name of the file system; empty where none could be asked.
    pub(crate) file_system: String,
    pub(crate) label: String,
    pub(crate) serial: u32,
}

/// Every drive letter that is in use.
pub(crate) fn drives() -> Vec<Drive> {
    // SAFETY: no arguments.
    let mask = unsafe { GetLogicalDrives() };
    let used = ('A'..='Z').enumerate().filter(|(bit, _)| mask >> bit & 1 != 0);
    used.map(|(_, letter)| {
        let root = wide(&format!("{letter}:\\"));
        // SAFETY: the path ends with a zero.
        let kind = match unsafe { GetDriveTypeW(root.as_ptr()) } {
            2 => DriveKind::Removable,
            3 => DriveKind::Fixed,
            4 => DriveKind::Network,
            5 => DriveKind::Optical,
            6 => DriveKind::Ram,
            _ => DriveKind::Unknown,
        };
        let (mut label, mut file_system, mut serial) = ([0u16; 64], [0u16; 64], 0);
        // A drive of the network, or one without a medium, is not asked: it could take minutes.
        if matches!(kind, DriveKind::Fixed | DriveKind::Removable | DriveKind::Ram) {
            // SAFETY: the buffers are as long as is said and live through the call; null where nothing is asked.
            unsafe {
                GetVolumeInformationW(
                    root.as_ptr(),
                    label.as_mut_ptr(),
                    label.len() as u32,
                    &mut serial,
                    null_mut(),
                    null_mut(),
                    file_system.as_mut_ptr(),
                    file_system.len() as u32,
                );
            }
        }
        Drive { letter, kind, file_system: text(&file_system), label: text(&label), serial }
    })
    .collect()
}
