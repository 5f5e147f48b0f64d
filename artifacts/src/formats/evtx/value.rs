//! Substitution values: a type and its bytes, rendered as the provider's own tools render them.

use super::chunk::{u16_at, u32_at, u64_at};
use evidence::{Civil, Filetime};
use std::fmt::Write;

/// One substitution value of a template instance.
#[derive(Clone, Copy, Debug)]
pub struct RawValue<'a> {
    /// Type code of binary XML.
    pub kind: u8,
    /// Stored bytes.
    pub data: &'a [u8],
    /// Offset of the bytes in the chunk.
    pub offset: usize,
}

/// The type code of an embedded binary XML fragment.
pub(super) const BINXML: u8 = 0x21;

impl RawValue<'_> {
    /// Whether there is no value at all.
    pub fn is_null(&self) -> bool {
        self.kind == 0 || (self.data.is_empty() && self.kind != 0x01)
    }

    /// The number of a small unsigned value: what an event id is stored as.
    pub fn number(&self) -> Option<u64> {
        match (self.kind, self.data.len()) {
            (0x04, 1) => Some(u64::from(self.data[0])),
            (0x06, 2) => u16_at(self.data, 0).map(u64::from),
            (0x08 | 0x14, 4) => u32_at(self.data, 0).map(u64::from),
            (0x0A | 0x15, 8) => u64_at(self.data, 0),
            _ => None,
        }
    }

    /// The moment of a FILETIME.
    pub fn filetime(&self) -> Option<u64> {
        if self.kind == 0x11 { u64_at(self.data, 0) } else { None }
    }

    /// Appends the value as text. Numbers are decimal, `Hex` types `0x…`, GUIDs in braces and upper case, SIDs `S-1-…`,
    /// times RFC 3339, bytes upper-case hexadecimal, members of an array separated by `, `.
    pub fn render(&self, out: &mut String) {
        if self.kind & 0x80 != 0 {
            self.render_array(out);
        } else {
            render_one(self.kind, self.data, out);
        }
    }

    fn render_array(&self, out: &mut String) {
        let kind = self.kind & 0x7F;
        if kind == 0x01 {
            let mut rest = text(self.data);
            while rest.ends_with('\0') {
                rest.pop();
            }
            out.push_str(&rest.replace('\0', ", "));
            return;
        }
        let width = match kind {
            0x03 | 0x04 => 1,
            0x05 | 0x06 => 2,
            0x07 | 0x08 | 0x0B | 0x0D | 0x14 => 4,
            0x09 | 0x0A | 0x0C | 0x11 | 0x15 => 8,
            0x0F | 0x12 => 16,
            _ => self.data.len().max(1),
        };
        for (index, member) in self.data.chunks(width).enumerate() {
            if index > 0 {
                out.push_str(", ");
            }
            render_one(kind, member, out);
        }
    }
}

fn text(data: &[u8]) -> String {
    char::decode_utf16(data.chunks_exact(2).map(|unit| u16::from_le_bytes([unit[0], unit[1]])))
        .map(|unit| unit.unwrap_or(char::REPLACEMENT_CHARACTER))
        .collect()
}

/// Appends UTF-16 text, without the zeros that some providers store behind it.
pub(super) fn push_text(data: &[u8], out: &mut String) {
    let mut end = data.len() & !1;
    while end >= 2 && data[end - 2..end] == [0, 0] {
        end -= 2;
    }
    let data = &data[..end];
    if data.chunks_exact(2).all(|unit| unit[1] == 0 && unit[0] < 0x80) {
        out.extend(data.chunks_exact(2).map(|unit| char::from(unit[0])));
    } else {
        out.push_str(&text(data));
    }
}

fn hexadecimal(data: &[u8], out: &mut String) {
    for byte in data {
        let _ = write!(out, "{byte:02X}");
    }
}

/// Appends one value. A length that does not fit the type is shown as bytes, so that nothing is lost.
fn render_one(kind: u8, data: &[u8], out: &mut String) {
    let written = match (kind, data.len()) {
        (0x00, _) => Ok(()),
        (0x01, _) => {
            push_text(data, out);
            Ok(())
        }
        (0x02, _) => {
            out.extend(data.iter().take_while(|byte| **byte != 0).map(|byte| char::from(*byte)));
            Ok(())
        }
        (0x03, 1) => write!(out, "{}", i8::from_le_bytes([data[0]])),
        (0x04, 1) => write!(out, "{}", data[0]),
        (0x05, 2) => write!(out, "{}", i16::from_le_bytes([data[0], data[1]])),
        (0x06, 2) => write!(out, "{}", u16::from_le_bytes([data[0], data[1]])),
        (0x07, 4) => write!(out, "{}", u32_at(data, 0).unwrap_or(0).cast_signed()),
        (0x08, 4) => write!(out, "{}", u32_at(data, 0).unwrap_or(0)),
        (0x09, 8) => write!(out, "{}", u64_at(data, 0).unwrap_or(0).cast_signed()),
        (0x0A, 8) => write!(out, "{}", u64_at(data, 0).unwrap_or(0)),
        (0x0B, 4) => write!(out, "{}", f32::from_bits(u32_at(data, 0).unwrap_or(0))),
        (0x0C, 8) => write!(out, "{}", f64::from_bits(u64_at(data, 0).unwrap_or(0))),
        (0x0D, 4) => write!(out, "{}", u32_at(data, 0) != Some(0)),
        (0x0F, 16) => guid(data, out),
        (0x10 | 0x14, 4) => write!(out, "{:#x}", u32_at(data, 0).unwrap_or(0)),
        (0x10 | 0x15, 8) => write!(out, "{:#x}", u64_at(data, 0).unwrap_or(0)),
        (0x11, 8) => write!(out, "{}", Filetime(u64_at(data, 0).unwrap_or(0))),
        (0x12, 16) => systemtime(data, out),
        (0x13, _) => sid(data, out),
        _ => {
            hexadecimal(data, out);
            Ok(())
        }
    };
    debug_assert!(written.is_ok(), "a string takes everything");
}

fn guid(data: &[u8], out: &mut String) -> std::fmt::Result {
    write!(
        out,
        "{{{:08X}-{:04X}-{:04X}-{:02X}{:02X}-{:02X}{:02X}{:02X}{:02X}{:02X}{:02X}}}",
        u32_at(data, 0).unwrap_or(0),
        u16_at(data, 4).unwrap_or(0),
        u16_at(data, 6).unwrap_or(0),
        data[8],
        data[9],
        data[10],
        data[11],
        data[12],
        data[13],
        data[14],
        data[15]
    )
}

fn systemtime(data: &[u8], out: &mut String) -> std::fmt::Result {
    let word = |index: usize| u16_at(data, index * 2).unwrap_or(0);
    let civil = Civil {
        year: i64::from(word(0)),
        month: u32::from(word(1)),
        day: u32::from(word(3)),
        hour: u32::from(word(4)),
        minute: u32::from(word(5)),
        second: u32::from(word(6)),
        ticks: u32::from(word(7)) * 10_000,
    };
    match civil.to_filetime() {
        Some(time) => write!(out, "{time}"),
        None => {
            hexadecimal(data, out);
            Ok(())
        }
    }
}

fn sid(data: &[u8], out: &mut String) -> std::fmt::Result {
    let count = usize::from(data.get(1).copied().unwrap_or(0));
    if data.len() < 8 || data.len() < 8 + count * 4 {
        hexadecimal(data, out);
        return Ok(());
    }
    let authority = data[2..8].iter().fold(0u64, |value, byte| value << 8 | u64::from(*byte));
    write!(out, "S-{}-{authority}", data[0])?;
    for index in 0..count {
        write!(out, "-{}", u32_at(data, 8 + index * 4).unwrap_or(0))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rendered(kind: u8, data: &[u8]) -> String {
        let mut out = String::new();
        RawValue { kind, data, offset: 0 }.render(&mut out);
        out
    }

    #[test]
    fn every_type() {
        assert_eq!(rendered(0x01, b"a\0b\0\0\0"), "ab");
        assert_eq!(rendered(0x07, &(-5i32).to_le_bytes()), "-5");
        assert_eq!(rendered(0x14, &0x1e4cu32.to_le_bytes()), "0x1e4c");
        assert_eq!(rendered(0x15, &0u64.to_le_bytes()), "0x0");
        assert_eq!(rendered(0x0D, &1u32.to_le_bytes()), "true");
        assert_eq!(rendered(0x0E, &[0xDE, 0xAD]), "DEAD");
        assert_eq!(rendered(0x11, &134_171_071_530_000_000u64.to_le_bytes()), "2026-03-04T14:12:33.0000000Z");
        let sid = [1, 2, 0, 0, 0, 0, 0, 5, 32, 0, 0, 0, 0x20, 2, 0, 0];
        assert_eq!(rendered(0x13, &sid), "S-1-5-32-544");
        assert_eq!(rendered(0x13, &sid[..9]), "010200000000000520", "a cut SID is shown as bytes");
        assert_eq!(rendered(0x81, b"a\0\0\0b\0\0\0"), "a, b");
        assert_eq!(rendered(0x88, &[1, 0, 0, 0, 2, 0, 0, 0]), "1, 2");
        let guid = [0x01, 0x5f, 0x38, 0x57, 0x2f, 0xc2, 0xe0, 0x43, 0xbf, 0x4c, 6, 0xf5, 0x69, 0x8f, 0xfb, 0xd9];
        assert_eq!(rendered(0x0F, &guid), "{57385F01-C22F-43E0-BF4C-06F5698FFBD9}");
    }
}
