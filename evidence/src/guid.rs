//! GUIDs as Windows writes them.

/// A GUID in upper case and braces. The first three parts are stored as numbers, lowest byte first.
pub fn guid_text(guid: &[u8; 16]) -> String {
    let [a0, a1, a2, a3, b0, b1, c0, c1, d @ ..] = guid;
    let first = u32::from_le_bytes([*a0, *a1, *a2, *a3]);
    let (second, third) = (u16::from_le_bytes([*b0, *b1]), u16::from_le_bytes([*c0, *c1]));
    let rest: String = d[2..].iter().map(|byte| format!("{byte:02X}")).collect();
    format!("{{{first:08X}-{second:04X}-{third:04X}-{:02X}{:02X}-{rest}}}", d[0], d[1])
}
