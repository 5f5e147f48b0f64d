//! Which text the bytes of a name in a zip archive are.
//!
//! Flag bit 11 says UTF-8. Without it the specification says code page 437; but many programs write UTF-8 and forget the
//! flag. Text in code page 437 with letters beyond ASCII is as good as never also UTF-8 (`ü` would have to be followed by
//! box-drawing characters), so the names without the flag are UTF-8 where all of an archive are, and code page 437 where
//! one of them is not: within one archive two names that differ in their bytes never become one that way. Windows takes
//! the code page of its own language instead of 437, of which an archive says nothing; the letters can then be others than
//! the host had, and stay apart all the same, because each byte has a character of its own.
//!
//! Reference: PKWARE, *APPNOTE.TXT*, appendix D and 4.6.9; Info-ZIP, *extrafld.txt*, 0x7075.

use evidence::name;

/// What the bytes from 0x80 on are in code page 437.
const CP437: &str = "ÇüéâäàåçêëèïîìÄÅÉæÆôöòûùÿÖÜ¢£¥₧ƒáíóúñÑªº¿⌐¬½¼¡«»░▒▓│┤╡╢╖╕╣║╗╝╜╛┐└┴┬├─┼╞╟╚╔╩╦╠═╬╧╨╤╥╙╘╒╓╫╪┘┌█▄▌▐▀αßΓπΣσµτΦΘΩδ∞φε∩≡±≥≤⌠⌡÷≈°∙·√ⁿ²■\u{a0}";

/// What a name without the flag is taken for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unflagged {
    /// UTF-8. What is not is kept byte by byte.
    Utf8,
    /// Code page 437.
    Cp437,
}

/// The name of an entry with these flags and extra fields.
pub(super) fn decode(raw: &[u8], flags: u16, fields: &[(u16, &[u8])], unflagged: Unflagged) -> String {
    if flags & 0x800 == 0 && !raw.is_ascii() {
        if let Some(unicode) = unicode_path(raw, fields) {
            return name::from_bytes(unicode);
        }
        if unflagged == Unflagged::Cp437 {
            let letter = |byte: &u8| match byte {
                0..0x80 => char::from(*byte),
                _ => CP437.chars().nth(usize::from(byte - 0x80)).unwrap_or(char::REPLACEMENT_CHARACTER),
            };
            return raw.iter().map(letter).collect();
        }
    }
    name::from_bytes(raw)
}

/// The field of Info-ZIP with the name in UTF-8, if it was made for these bytes.
fn unicode_path<'a>(raw: &[u8], fields: &[(u16, &'a [u8])]) -> Option<&'a [u8]> {
    let (_, content) = fields.iter().find(|(id, content)| *id == 0x7075 && content.first() == Some(&1))?;
    let stated = content.get(1..5)?;
    let mut crc = flate2::Crc::new();
    crc.update(raw);
    (crc.sum().to_le_bytes() == *stated).then_some(&content[5..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_way_to_say_a_name() {
        assert_eq!(CP437.chars().count(), 128);
        let plain = |raw: &[u8], flags, unflagged| decode(raw, flags, &[], unflagged);
        assert_eq!(plain(b"J\x81rg", 0, Unflagged::Cp437), "Jürg");
        assert_eq!(plain(b"J\x94rg", 0, Unflagged::Cp437), "Jörg");
        assert_eq!(plain(b"\xE1\xFF\xB0", 0, Unflagged::Cp437), "ß\u{a0}░");
        assert_eq!(plain("Jürg".as_bytes(), 0x800, Unflagged::Cp437), "Jürg");
        assert_eq!(plain("Jürg".as_bytes(), 0, Unflagged::Utf8), "Jürg");
        assert_eq!(name::to_bytes(&plain(b"J\x81rg", 0x800, Unflagged::Cp437)), b"J\x81rg");
        // CRC-32 of 4A 81 72 67 by python3's zlib.crc32.
        let mut right = [&[1, 0x7D, 0xF9, 0xC5, 0xFB][..], "Jürg (UTF-8)".as_bytes()].concat();
        assert_eq!(decode(b"J\x81rg", 0, &[(0x7075, &right)], Unflagged::Cp437), "Jürg (UTF-8)");
        right[1] ^= 1;
        assert_eq!(decode(b"J\x81rg", 0, &[(0x7075, &right)], Unflagged::Cp437), "Jürg");
    }
}
