//! Substitution values: a type and its bytes, rendered as the provider's own tools render them.

use evidence::le::{u16_at, u32_at, u64_at};
use evidence::{Civil, Filetime, name};

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
pub(super) const FRAGMENT: u8 = 0x21;
const TEXT: u8 = 0x01;
const ARRAY: u8 = 0x80;
/// What stands between the members of an array in one text.
const SEPARATOR: &str = ", ";

impl RawValue<'_> {
    /// Whether there is no value at all. A text of no length is a value.
    pub fn is_null(&self) -> bool {
        self.kind == 0 || (self.data.is_empty() && self.kind != TEXT)
    }

    /// Whether there are several values of one type.
    pub fn is_array(&self) -> bool {
        self.kind & ARRAY != 0
    }

    /// The number of an unsigned value: what an event id is stored as.
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

    /// Appends the value as text. Numbers are decimal, `HexInt` and size types `0x…`, GUIDs in braces and lower case,
    /// SIDs `S-1-…`, times RFC 3339, bytes upper-case hexadecimal, members of an array separated by `, `.
    pub fn render(&self, out: &mut String) {
        if !self.is_array() {
            return render_one(self.kind, self.data, out);
        }
        let mut first = true;
        self.members(&mut |member| {
            if !std::mem::take(&mut first) {
                out.push_str(SEPARATOR);
            }
            member.render(out);
        });
    }

    /// Gives every member of an array as a value of its own.
    pub fn members(&self, on_member: &mut dyn FnMut(RawValue<'_>)) {
        let kind = self.kind & !ARRAY;
        let mut member = |data: &[u8]| on_member(RawValue { kind, data, offset: self.offset });
        match kind {
            TEXT => {
                // Each member ends with a zero; the last one may lack it.
                let mut rest = self.data;
                while rest.len() >= 2 {
                    let (units, _) = rest.as_chunks::<2>();
                    let length = units.iter().position(|unit| *unit == [0, 0]).unwrap_or(units.len()) * 2;
                    member(&rest[..length]);
                    rest = rest.get(length + 2..).unwrap_or_default();
                }
            }
            0x02 => self.data.strip_suffix(&[0]).unwrap_or(self.data).split(|byte| *byte == 0).for_each(&mut member),
            0x13 => {
                // A SID says itself how long it is.
                let mut rest = self.data;
                while !rest.is_empty() {
                    let length = 8 + 4 * usize::from(rest.get(1).copied().unwrap_or(0));
                    let (sid, behind) = rest.split_at(length.min(rest.len()));
                    member(sid);
                    rest = behind;
                }
            }
            _ => {
                let width = match kind {
                    0x03 | 0x04 => 1,
                    0x05 | 0x06 => 2,
                    0x07 | 0x08 | 0x0B | 0x0D | 0x14 => 4,
                    0x09 | 0x0A | 0x0C | 0x11 | 0x15 => 8,
                    0x0F | 0x12 => 16,
                    _ => self.data.len().max(1),
                };
                self.data.chunks(width).for_each(&mut member);
            }
        }
    }
}

/// Appends UTF-16 text without the zeros that some providers store behind it; unpaired surrogates become U+FFFD.
pub(super) fn push_utf16(data: &[u8], out: &mut String) {
    let (mut units, _) = data.as_chunks::<2>();
    while let [rest @ .., [0, 0]] = units {
        units = rest;
    }
    // Nearly all text in logs is ASCII, which needs no decoding.
    out.reserve(units.len());
    let mut narrow = [0; 64];
    for piece in units.chunks(narrow.len()) {
        let mut any = [0, 0];
        for (unit, byte) in piece.iter().zip(&mut narrow) {
            any = [any[0] | unit[0], any[1] | unit[1]];
            *byte = unit[0];
        }
        if any[0] >= 0x80 || any[1] != 0 {
            break;
        }
        out.push_str(std::str::from_utf8(&narrow[..piece.len()]).unwrap_or_default());
        units = &units[piece.len()..];
    }
    out.push_str(&name::shown_utf16(units.iter().map(|unit| u16::from_le_bytes(*unit))));
}

/// Windows-1252, the code page of most hosts: the characters of 0x80 to 0x9F, which Latin-1 has not.
const WINDOWS_1252: [char; 32] = [
    '€', '\u{81}', '‚', 'ƒ', '„', '…', '†', '‡', 'ˆ', '‰', 'Š', '‹', 'Œ', '\u{8d}', 'Ž', '\u{8f}', '\u{90}', '‘', '’',
    '“', '”', '•', '–', '—', '˜', '™', 'š', '›', 'œ', '\u{9d}', 'ž', 'Ÿ',
];

fn push_narrow(data: &[u8], out: &mut String) {
    let text = data.split(|byte| *byte == 0).next().unwrap_or_default();
    out.extend(text.iter().map(|byte| match byte {
        0x80..=0x9F => WINDOWS_1252[usize::from(byte - 0x80)],
        _ => char::from(*byte),
    }));
}

fn push_decimal(mut number: u64, out: &mut String) {
    let mut digits = [0u8; 20];
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            break;
        }
    }
    out.push_str(std::str::from_utf8(&digits[at..]).unwrap_or_default());
}

fn push_signed(number: i64, out: &mut String) {
    if number < 0 {
        out.push('-');
    }
    push_decimal(number.unsigned_abs(), out);
}

fn push_hexadecimal(number: u64, out: &mut String) {
    let mut text = *b"0x0000000000000000";
    let digits = (64 - number.leading_zeros()).div_ceil(4).max(1) as usize;
    for (at, digit) in text[2..2 + digits].iter_mut().rev().enumerate() {
        *digit = LOWER[(number >> (at * 4) & 0xF) as usize];
    }
    out.push_str(std::str::from_utf8(&text[..2 + digits]).unwrap_or_default());
}

const LOWER: &[u8; 16] = b"0123456789abcdef";
const UPPER: &[u8; 16] = b"0123456789ABCDEF";

fn push_bytes<'b>(bytes: impl IntoIterator<Item = &'b u8>, digits: &[u8; 16], out: &mut String) {
    for byte in bytes {
        out.push(char::from(digits[usize::from(byte >> 4)]));
        out.push(char::from(digits[usize::from(byte & 0xF)]));
    }
}

/// Appends one value. A length that does not fit the type is shown as bytes, so that nothing is lost.
fn render_one(kind: u8, data: &[u8], out: &mut String) {
    let long = || u32_at(data, 0).unwrap_or(0);
    let quad = || u64_at(data, 0).unwrap_or(0);
    match (kind, data.len()) {
        (0x00, _) => {}
        (TEXT, _) => push_utf16(data, out),
        (0x02, _) => push_narrow(data, out),
        (0x03, 1) => push_signed(i64::from(data[0].cast_signed()), out),
        (0x04, 1) => push_decimal(u64::from(data[0]), out),
        (0x05, 2) => push_signed(i64::from(u16_at(data, 0).unwrap_or(0).cast_signed()), out),
        (0x06, 2) => push_decimal(u64::from(u16_at(data, 0).unwrap_or(0)), out),
        (0x07, 4) => push_signed(i64::from(long().cast_signed()), out),
        (0x08, 4) => push_decimal(u64::from(long()), out),
        (0x09, 8) => push_signed(quad().cast_signed(), out),
        (0x0A, 8) => push_decimal(quad(), out),
        (0x0B, 4) => out.push_str(&f32::from_bits(long()).to_string()),
        (0x0C, 8) => out.push_str(&f64::from_bits(quad()).to_string()),
        (0x0D, 4) => match long() {
            0 => out.push_str("false"),
            1 => out.push_str("true"),
            // Some providers store other numbers as truth; which one is kept.
            other => push_signed(i64::from(other.cast_signed()), out),
        },
        (0x0F, 16) => push_guid(data, out),
        (0x10 | 0x14, 4) => push_hexadecimal(u64::from(long()), out),
        (0x10 | 0x15, 8) => push_hexadecimal(quad(), out),
        (0x11, 8) => out.push_str(&Filetime(quad()).to_string()),
        (0x12, 16) => push_systemtime(data, out),
        (0x13, _) => push_sid(data, out),
        _ => push_bytes(data, UPPER, out),
    }
}

fn push_guid(data: &[u8], out: &mut String) {
    // Where each byte stands: the first three parts are numbers, lowest byte first.
    const PLACES: [usize; 16] = [7, 5, 3, 1, 12, 10, 17, 15, 20, 22, 25, 27, 29, 31, 33, 35];
    let mut text = *b"{00000000-0000-0000-0000-000000000000}";
    for (byte, place) in data.iter().zip(PLACES) {
        text[place] = LOWER[usize::from(byte >> 4)];
        text[place + 1] = LOWER[usize::from(byte & 0xF)];
    }
    out.push_str(std::str::from_utf8(&text).unwrap_or_default());
}

fn push_systemtime(data: &[u8], out: &mut String) {
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
        Some(time) => out.push_str(&time.to_string()),
        None => push_bytes(data, UPPER, out),
    }
}

fn push_sid(data: &[u8], out: &mut String) {
    let count = usize::from(data.get(1).copied().unwrap_or(0));
    if data.len() < 8 || data.len() < 8 + count * 4 {
        return push_bytes(data, UPPER, out);
    }
    out.push_str("S-");
    push_decimal(u64::from(data[0]), out);
    out.push('-');
    push_decimal(data[2..8].iter().fold(0, |value, byte| value << 8 | u64::from(*byte)), out);
    for index in 0..count {
        out.push('-');
        push_decimal(u64::from(u32_at(data, 8 + index * 4).unwrap_or(0)), out);
    }
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
        assert_eq!(
            rendered(0x01, "Jürgen 😀".encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<_>>().as_slice()),
            "Jürgen 😀"
        );
        assert_eq!(rendered(0x01, &[0x00, 0xD8, b'x', 0]), r"\uD800x", "half a pair");
        assert_eq!(rendered(0x02, b"\x80 caf\xe9\0rest"), "€ café");
        assert_eq!(rendered(0x03, &[0x80]), "-128");
        assert_eq!(rendered(0x05, &(-2i16).to_le_bytes()), "-2");
        assert_eq!(rendered(0x06, &0xFFFFu16.to_le_bytes()), "65535");
        assert_eq!(rendered(0x07, &(-5i32).to_le_bytes()), "-5");
        assert_eq!(rendered(0x09, &i64::MIN.to_le_bytes()), "-9223372036854775808");
        assert_eq!(rendered(0x0A, &u64::MAX.to_le_bytes()), "18446744073709551615");
        assert_eq!(rendered(0x10, &0x1000u32.to_le_bytes()), "0x1000");
        assert_eq!(rendered(0x14, &0x1e4cu32.to_le_bytes()), "0x1e4c");
        assert_eq!(rendered(0x15, &0u64.to_le_bytes()), "0x0");
        assert_eq!(rendered(0x15, &u64::MAX.to_le_bytes()), "0xffffffffffffffff");
        assert_eq!(rendered(0x0D, &1u32.to_le_bytes()), "true");
        assert_eq!(rendered(0x0D, &7u32.to_le_bytes()), "7");
        assert_eq!(rendered(0x0E, &[0xDE, 0xAD]), "DEAD");
        assert_eq!(rendered(0x11, &134_171_071_530_000_000u64.to_le_bytes()), "2026-03-04T14:12:33.0000000Z");
        let systemtime: Vec<u8> = [2026u16, 3, 3, 4, 14, 12, 33, 5].into_iter().flat_map(u16::to_le_bytes).collect();
        assert_eq!(rendered(0x12, &systemtime), "2026-03-04T14:12:33.0050000Z");
        let sid = [1, 2, 0, 0, 0, 0, 0, 5, 32, 0, 0, 0, 0x20, 2, 0, 0];
        assert_eq!(rendered(0x13, &sid), "S-1-5-32-544");
        assert_eq!(rendered(0x13, &sid[..9]), "010200000000000520", "a cut SID is shown as bytes");
        let guid = [0x01, 0x5f, 0x38, 0x57, 0x2f, 0xc2, 0xe0, 0x43, 0xbf, 0x4c, 6, 0xf5, 0x69, 0x8f, 0xfb, 0xd9];
        assert_eq!(rendered(0x0F, &guid), "{57385f01-c22f-43e0-bf4c-06f5698ffbd9}");
    }

    #[test]
    fn arrays() {
        assert_eq!(rendered(0x81, b"a\0\0\0b\0\0\0"), "a, b");
        assert_eq!(rendered(0x81, b"a\0\0\0\0\0b\0"), "a, , b", "an empty member keeps its place");
        assert_eq!(rendered(0x82, b"a\0b\0"), "a, b");
        assert_eq!(rendered(0x88, &[1, 0, 0, 0, 2, 0, 0, 0]), "1, 2");
        assert_eq!(rendered(0x88, &[1, 0, 0, 0, 2]), "1, 02", "a cut member is shown as bytes");
        let sids = [1, 1, 0, 0, 0, 0, 0, 5, 18, 0, 0, 0, 1, 1, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0];
        assert_eq!(rendered(0x93, &sids), "S-1-5-18, S-1-1-0");
        assert_eq!(rendered(0x93, &[1, 255, 0]), "01FF00");
    }

    #[test]
    fn a_length_that_does_not_fit_is_shown_as_bytes() {
        for kind in (0x03..=0x15).filter(|kind| !matches!(kind, 0x0E)) {
            assert_eq!(rendered(kind, &[0xAB; 3]), "ABABAB", "{kind:#x}");
        }
        assert_eq!(rendered(0x12, &[0xFF; 16]), "FF".repeat(16), "no such date");
    }
}
