//! What is said of a volume that is not read: what it is, by which bytes, and what can be given instead.

use super::kind;
use super::partitions::Usage;
use crate::source::VolumeKind;
use evidence::{Bytes, Problem, ProblemKind, Stage};

/// How much of a volume is read to say that it holds zeros.
const LOOKED_AT: u64 = 16 << 20;
const LDM: &str = "ldm";
const STORAGE_SPACES: &str = "storage_spaces";
const RESERVED: &str = "microsoft_reserved";

/// What a partition is, by its bytes, and where these say nothing by its table.
pub(super) fn kind_of(bytes: &dyn Bytes, usage: Usage) -> VolumeKind {
    match (kind::probe(bytes), usage) {
        (VolumeKind::Unknown, Usage::MicrosoftReserved) => VolumeKind::Other(RESERVED),
        (VolumeKind::Unknown, Usage::StorageSpaces) => VolumeKind::Other(STORAGE_SPACES),
        (VolumeKind::Unknown, Usage::Dynamic | Usage::DynamicDatabase) => VolumeKind::Other(LDM),
        (kind, _) => kind,
    }
}

/// The problem that this volume is not read; none of room that Windows keeps on every disk.
pub(super) fn problem(bytes: &dyn Bytes, offset: u64, kind: VolumeKind, usage: Usage) -> Option<Problem> {
    let is_firmware = usage == Usage::EfiSystem && kind == VolumeKind::Fat;
    let (what, effect) = match kind {
        VolumeKind::Other(RESERVED) => return None,
        VolumeKind::Fat if is_firmware => (
            "it is the EFI system partition, a FAT volume, which is not read".to_owned(),
            "what the firmware starts is not seen; Windows keeps no logs and no users' files there".to_owned(),
        ),
        VolumeKind::BitLocker => {
            let used = if kind::is_used_space_only(bytes) { ", its used space only" } else { "" };
            (
                format!("it is encrypted with BitLocker{used}"),
                "nothing on it is seen; unlock it with its key and make an image of the unlocked volume, or decrypt the \
                 image, and give that instead"
                    .to_owned(),
            )
        }
        VolumeKind::Refs => not_read("a ReFS volume"),
        VolumeKind::Fat => not_read("a FAT volume"),
        VolumeKind::ExFat => not_read("an exFAT volume"),
        VolumeKind::Other(LDM) => (
            "it is part of a dynamic disk (LDM), whose database of volumes is not read".to_owned(),
            "no volume of that disk is seen; where the disk is attached, make an image of each of its volumes, and give \
             these instead"
                .to_owned(),
        ),
        VolumeKind::Other(STORAGE_SPACES) => (
            "it is part of a storage pool (Storage Spaces), which is not read".to_owned(),
            "no volume of the pool is seen; where the pool is attached, make an image of each of its volumes, and give \
             these instead"
                .to_owned(),
        ),
        VolumeKind::Other("luks") => (
            "it is encrypted with LUKS".to_owned(),
            "nothing in it is seen; open it with its key, and give what is inside instead".to_owned(),
        ),
        VolumeKind::Other("swap") => not_read(kind::title("swap")),
        VolumeKind::Other(name) => not_read(kind::title(name)),
        _ => unknown(bytes),
    };
    // What is on nearly every disk and holds nothing that is looked for is no failure.
    let said = match is_firmware {
        true => ProblemKind::NotFound,
        false => ProblemKind::UnsupportedVersion { found: kind.name().to_owned() },
    };
    Some(Problem::new(Stage::Source, said, format!("volume at byte {offset}"), what, effect))
}

fn not_read(title: &str) -> (String, String) {
    (
        format!("it is {title}, which is not read"),
        "nothing on it is seen; where evidence is on it, mount it, and give the folder instead".to_owned(),
    )
}

/// What can be said of bytes that are not recognised.
fn unknown(bytes: &dyn Bytes) -> (String, String) {
    let nothing = "nothing on it is seen".to_owned();
    let mut head = [0; 16];
    match bytes.read_full_at(0, &mut head) {
        Err(error) => {
            return (format!("its first bytes cannot be read ({error}), so it is not known what it is"), nothing);
        }
        Ok(0) => return ("no byte of it is in the image".to_owned(), nothing),
        Ok(read) if head[..read].iter().any(|byte| *byte != 0) => {
            let hex: Vec<String> = head[..read].iter().map(|byte| format!("{byte:02X}")).collect();
            return (
                format!(
                    "its file system is not recognised: no file system that this program knows begins with the bytes {}",
                    hex.join(" ")
                ),
                format!("{nothing}; where another program opens it, export the files, and give these instead"),
            );
        }
        Ok(_) => {}
    }
    let what = match zeros(bytes) {
        Ok(end) if end == bytes.len() => format!("it holds zeros only, {end} bytes"),
        Ok(end) if end >= LOOKED_AT => {
            format!("its file system is not recognised: its first {} MiB hold zeros only", LOOKED_AT >> 20)
        }
        Ok(end) => format!(
            "its file system is not recognised: it begins with {end} zeros, as no file system does that this program knows"
        ),
        Err(error) => format!("its file system is not recognised: it begins with zeros, then reading failed ({error})"),
    };
    (what, format!("{nothing}; give another image, where this one should hold files"))
}

/// Where the zeros at the beginning end; looks no further than a limit, but passes over holes.
fn zeros(bytes: &dyn Bytes) -> std::io::Result<u64> {
    let mut buffer = vec![0; 64 << 10];
    let (mut at, mut looked) = (0, 0);
    loop {
        at = bytes.next_data(at).min(bytes.len());
        if at >= bytes.len() || looked >= LOOKED_AT {
            return Ok(at);
        }
        let read = bytes.read_full_at(at, &mut buffer)?;
        if let Some(first) = buffer[..read].iter().position(|byte| *byte != 0) {
            return Ok(at + first as u64);
        }
        if read == 0 {
            return Ok(at);
        }
        at += read as u64;
        looked += read as u64;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(bytes: &[u8], usage: Usage) -> Option<(ProblemKind, String)> {
        let bytes = bytes.to_vec();
        problem(&bytes, 1 << 20, kind_of(&bytes, usage), usage)
            .map(|problem| (problem.kind, format!("{} {}; {}", problem.item, problem.what, problem.effect)))
    }

    fn with(parts: &[(usize, &[u8])]) -> Vec<u8> {
        let mut bytes = vec![0; 1 << 17];
        parts.iter().for_each(|(at, part)| bytes[*at..*at + part.len()].copy_from_slice(part));
        bytes
    }

    #[test]
    fn each_kind_is_named_with_the_way_round() {
        let guid = [0x3B, 0x4D, 0xA8, 0x92, 0x80, 0xDD, 0x0E, 0x4D, 0x9E, 0x4E, 0xB1, 0xE3, 0x28, 0x4E, 0xAE, 0xD8];
        let cases: [(Vec<u8>, Usage, &str); 9] = [
            (with(&[(3, b"-FVE-FS-")]), Usage::Ordinary, "encrypted with BitLocker; nothing on it is seen; unlock it"),
            (with(&[(3, b"-FVE-FS-"), (160, &guid)]), Usage::Ordinary, "BitLocker, its used space only;"),
            (with(&[(3, b"ReFS\0\0\0\0")]), Usage::Ordinary, "a ReFS volume, which is not read"),
            (with(&[(1080, &[0x53, 0xEF])]), Usage::Ordinary, "an ext2, ext3 or ext4 volume"),
            (with(&[]), Usage::Dynamic, "dynamic disk (LDM)"),
            (with(&[(0, b"PRIVHEAD")]), Usage::DynamicDatabase, "dynamic disk (LDM)"),
            (with(&[(9, b"x")]), Usage::StorageSpaces, "Storage Spaces"),
            (with(&[]), Usage::Ordinary, "volume at byte 1048576 it holds zeros only, 131072 bytes"),
            (with(&[(0, b"text of any kind")]), Usage::Ordinary, "74 65 78 74 20 6F 66 20 61 6E 79 20 6B 69 6E 64"),
        ];
        for (bytes, usage, words) in cases {
            let (kind, said) = said(&bytes, usage).unwrap();
            assert!(said.contains(words) && kind != ProblemKind::NotFound, "{said}");
            assert!(!said.contains("may be damaged"), "{said}");
        }
        assert!(said(&with(&[(70_000, b"x")]), Usage::Ordinary).unwrap().1.contains("begins with 70000 zeros"));
        assert!(said(&vec![0; 17 << 20], Usage::Ordinary).unwrap().1.contains("first 16 MiB hold zeros only"));
    }

    #[test]
    fn what_is_on_every_disk_is_no_failure() {
        let fat: &[(usize, &[u8])] =
            &[(0, &[0xEB, 0x3C, 0x90]), (11, &[0, 2, 4, 1, 0, 2]), (21, &[0xF8]), (510, &[0x55, 0xAA])];
        assert_eq!(said(&with(&[]), Usage::MicrosoftReserved), None);
        assert_eq!(said(&with(fat), Usage::EfiSystem).unwrap().0, ProblemKind::NotFound);
        // The same volume as a place for data, and an EFI partition that holds something else.
        assert_ne!(said(&with(fat), Usage::Ordinary).unwrap().0, ProblemKind::NotFound);
        assert_ne!(said(&with(&[(9, b"x")]), Usage::EfiSystem).unwrap().0, ProblemKind::NotFound);
        assert_eq!(kind_of(&with(&[(3, b"NTFS    ")]), Usage::Dynamic), VolumeKind::Ntfs);
    }
}
