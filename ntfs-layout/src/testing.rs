//! Records and attributes as NTFS would write them, for tests.

use crate::reference::FileReference;

/// A record of 1024 bytes with these attributes, as NTFS would write it.
pub(crate) fn build(sequence: u16, flags: u16, base: u64, attributes: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = vec![0; 1024];
    bytes[..4].copy_from_slice(b"FILE");
    bytes[4..6].copy_from_slice(&48u16.to_le_bytes());
    bytes[6..8].copy_from_slice(&3u16.to_le_bytes());
    bytes[16..18].copy_from_slice(&sequence.to_le_bytes());
    bytes[20..22].copy_from_slice(&56u16.to_le_bytes());
    bytes[22..24].copy_from_slice(&flags.to_le_bytes());
    bytes[28..32].copy_from_slice(&1024u32.to_le_bytes());
    bytes[32..40].copy_from_slice(&base.to_le_bytes());
    let mut at = 56;
    for attribute in attributes {
        bytes[at..at + attribute.len()].copy_from_slice(attribute);
        at += attribute.len();
    }
    bytes[at..at + 4].copy_from_slice(&[0xFF; 4]);
    bytes[24..28].copy_from_slice(&(at as u32 + 8).to_le_bytes());
    bytes[48..50].copy_from_slice(&[7, 0]);
    for part in 0..2 {
        let end = (part + 1) * 512 - 2;
        let kept = [bytes[end], bytes[end + 1]];
        bytes[50 + 2 * part..52 + 2 * part].copy_from_slice(&kept);
        bytes[end..end + 2].copy_from_slice(&[7, 0]);
    }
    bytes
}

fn utf16(text: &str) -> Vec<u8> {
    text.encode_utf16().flat_map(u16::to_le_bytes).collect()
}

/// A resident attribute.
pub(crate) fn resident(kind: u32, name: &str, value: &[u8]) -> Vec<u8> {
    let name = utf16(name);
    let value_at = (24 + name.len()).next_multiple_of(8);
    let mut bytes = vec![0; (value_at + value.len()).next_multiple_of(8)];
    bytes[..4].copy_from_slice(&kind.to_le_bytes());
    let length = bytes.len() as u32;
    bytes[4..8].copy_from_slice(&length.to_le_bytes());
    bytes[9] = (name.len() / 2) as u8;
    bytes[10] = 24;
    bytes[16..20].copy_from_slice(&(value.len() as u32).to_le_bytes());
    bytes[20..22].copy_from_slice(&(value_at as u16).to_le_bytes());
    bytes[24..24 + name.len()].copy_from_slice(&name);
    bytes[value_at..value_at + value.len()].copy_from_slice(value);
    bytes
}

/// The value of a $FILE_NAME.
pub(crate) fn file_name(parent: FileReference, namespace: u8, name: &str) -> Vec<u8> {
    let mut bytes = vec![0; 66];
    bytes[..8].copy_from_slice(&(parent.entry | u64::from(parent.sequence) << 48).to_le_bytes());
    for (at, time) in [(8, 1u64), (16, 2), (24, 3), (32, 0)] {
        bytes[at..at + 8].copy_from_slice(&time.to_le_bytes());
    }
    bytes[64] = name.encode_utf16().count() as u8;
    bytes[65] = namespace;
    bytes.extend(utf16(name));
    bytes
}
