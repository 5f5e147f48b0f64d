//! Names as NTFS stores them: UTF-16, little-endian, not necessarily valid.

use evidence::{FieldName, FieldValue, Fields};
use std::borrow::Cow;
use std::fmt;

/// A name borrowed from its record.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Name<'a>(&'a [u8]);

impl<'a> Name<'a> {
    /// From stored bytes; an odd last byte is left out.
    pub fn new(bytes: &'a [u8]) -> Self {
        Name(&bytes[..bytes.len() & !1])
    }

    /// The 16-bit units.
    pub fn units(self) -> impl Iterator<Item = u16> + 'a {
        self.0.chunks_exact(2).map(|pair| u16::from_le_bytes([pair[0], pair[1]]))
    }

    /// The stored bytes.
    pub fn as_bytes(self) -> &'a [u8] {
        self.0
    }

    /// How many 16-bit units there are.
    pub fn len(self) -> usize {
        self.0.len() / 2
    }

    /// Whether there is none.
    pub fn is_empty(self) -> bool {
        self.0.is_empty()
    }

    /// Appends the name; one that is no text is kept as [`evidence::name`] keeps it, so that two names stay two.
    pub fn push_to(self, text: &mut String) {
        // Nearly every name is ASCII, and this runs once per file of a volume. NTFS has no name above 255 units.
        let mut ascii = [0; 255];
        if let Some(ascii) = ascii.get_mut(..self.len()) {
            let mut other = 0;
            for (byte, pair) in ascii.iter_mut().zip(self.0.chunks_exact(2)) {
                *byte = pair[0];
                other |= pair[1] | pair[0] & 0x80;
            }
            if let (0, Ok(ascii)) = (other, std::str::from_utf8(ascii)) {
                text.push_str(ascii);
                return;
            }
        }
        text.push_str(&evidence::name::from_utf16(self.units()));
    }

    /// Whether the name is this ASCII text, without regard to the case of its letters.
    pub fn eq_ignore_ascii_case(self, text: &str) -> bool {
        self.len() == text.len()
            && self.units().zip(text.bytes()).all(|(unit, byte)| {
                u8::try_from(unit).is_ok_and(|unit| unit.is_ascii() && unit.eq_ignore_ascii_case(&byte))
            })
    }
}

/// A record shows the name as people can read it.
impl FieldValue for Name<'_> {
    fn put(self, field: FieldName, fields: &mut Fields) {
        let start = fields.texts().len();
        self.push_to(fields.texts());
        let texts = fields.texts();
        if let Some(Cow::Owned(shown)) = texts.get(start..).map(evidence::name::shown) {
            texts.truncate(start);
            texts.push_str(&shown);
        }
        fields.push_from(field, start);
    }
}

impl fmt::Display for Name<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = String::with_capacity(self.len());
        self.push_to(&mut text);
        f.pad(&text)
    }
}

impl fmt::Debug for Name<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_are_not_valid_text_are_kept() {
        let names: [&[u8]; 3] =
            [&[b'a', 0, 0x00, 0xD8, b'b', 0, 9], &[b'a', 0, 0x01, 0xD8, b'b', 0], &[b'a', 0, 0xFD, 0xFF, b'b', 0]];
        let kept = names.map(|name| Name::new(name).to_string());
        assert_eq!(kept.each_ref().map(|name| evidence::name::shown(name)), ["a\\uD800b", "a\\uD801b", "a\u{FFFD}b"]);
        for (name, kept) in names.iter().zip(&kept) {
            assert_eq!(evidence::name::to_utf16(kept), Name::new(name).units().collect::<Vec<_>>());
        }
        let mut fields = Fields::default();
        fields.push("Name", Name::new(names[0]));
        fields.push("Next", "plain");
        assert_eq!(fields.text("Name"), Some("a\\uD800b"));
        assert_eq!(fields.text("Next"), Some("plain"));
        assert_eq!(Name::new(&[0x2E, 0x20]).to_string(), "\u{202E}");
        assert!(Name::new(b"\0").is_empty());
    }

    #[test]
    fn ascii_comparison() {
        let name = Name::new(b"$\0J\0");
        assert!(name.eq_ignore_ascii_case("$j"));
        assert!(!name.eq_ignore_ascii_case("$"));
        assert!(!Name::new(&[b'J', 1]).eq_ignore_ascii_case("j"));
    }
}
