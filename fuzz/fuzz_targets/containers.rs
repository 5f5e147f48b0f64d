//! Disk images of any bytes, with a neighbour that can be their parent, extent or next segment. The first byte chooses the
//! names, the second how much of the rest is the neighbour: so many 256ths. Checksums of a VHDX are made right, since
//! nothing behind a wrong one is looked at.
#![no_main]

use collector::{Spill, source::examine_container};
use libfuzzer_sys::fuzz_target;

const NAMES: &[(&str, &str)] = &[
    ("a.vhd", "b.vhd"),
    ("a.vhdx", "b.vhdx"),
    ("a.vmdk", "a-s001.vmdk"),
    ("a.qcow2", "b.qcow2"),
    ("a.vdi", "b.vdi"),
    ("a.001", "a.002"),
    ("a.E01", "a.E02"),
    ("a.Ex01", "a.Ex02"),
];

/// CRC-32C.
fn crc32c(bytes: &[u8]) -> u32 {
    !bytes
        .iter()
        .fold(u32::MAX, |crc, byte| (0..8).fold(crc ^ u32::from(*byte), |crc, _| crc >> 1 ^ (0x82F6_3B78 * (crc & 1))))
}

/// Makes the checksums of headers, region tables and log entries right.
fn sum(image: &mut [u8]) {
    for (magic, length) in [(b"head", 4096), (b"regi", 65536), (b"loge", 0)] {
        for at in (0..image.len()).step_by(4096) {
            if !image[at..].starts_with(magic) {
                continue;
            }
            let stored =
                image.get(at + 8..at + 12).map_or(0, |own| u32::from_le_bytes([own[0], own[1], own[2], own[3]]));
            let length = if length > 0 { length } else { stored as usize };
            if let Some(bytes) = image.get_mut(at..at.saturating_add(length)).filter(|bytes| bytes.len() >= 64) {
                bytes[4..8].fill(0);
                let sum = crc32c(bytes).to_le_bytes();
                bytes[4..8].copy_from_slice(&sum);
            }
        }
    }
}

fuzz_target!(|data: &[u8]| {
    let [names, share, rest @ ..] = data else { return };
    let (name, beside) = NAMES[usize::from(*names) % NAMES.len()];
    let (bytes, other) = rest.split_at(rest.len() - rest.len() * usize::from(*share) / 256);
    let (mut bytes, mut other) = (bytes.to_vec(), other.to_vec());
    if bytes.starts_with(b"vhdxfile") {
        sum(&mut bytes);
        sum(&mut other);
    }
    let files = vec![(name.to_owned(), bytes), (beside.to_owned(), other)];
    let _ = examine_container(files, &Spill::into_folder(&std::env::temp_dir()));
});
