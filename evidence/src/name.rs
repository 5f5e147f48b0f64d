//! File names that are no text, kept reversibly in text.
//!
//! Linux names files with any bytes, NTFS with any 16-bit units. A name that is valid text is itself. In any other, each
//! byte or unit that is no text becomes one character of the last private plane, and what already is a character of that
//! range is kept as its bytes; so two different names never become one, and each can be had back exactly.

/// Stands for byte 0x80; the next ones follow, up to 0xFF. Byte 0x5C is there too, see [`component`].
const BYTE: u32 = 0x10_FF80 - 0x80;
/// Stands for the unpaired surrogate 0xD800; the next ones follow, up to 0xDFFF.
const SURROGATE: u32 = 0x10_F000;

/// What a character stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Char(char),
    Byte(u8),
    Unit(u16),
}

fn part(c: char) -> Part {
    let code = u32::from(c);
    match code {
        0x10_F000..=0x10_F7FF => Part::Unit(u16::try_from(code - SURROGATE + 0xD800).unwrap_or_default()),
        0x10_FF5C | 0x10_FF80..=0x10_FFFF => Part::Byte(u8::try_from(code - BYTE).unwrap_or_default()),
        _ => Part::Char(c),
    }
}

fn push_bytes(name: &mut String, bytes: &[u8]) {
    name.extend(
        bytes.iter().map(|byte| char::from_u32(BYTE + u32::from(*byte)).unwrap_or(char::REPLACEMENT_CHARACTER)),
    );
}

fn push_char(name: &mut String, c: char) {
    match part(c) {
        Part::Char(c) => name.push(c),
        _ => push_bytes(name, c.encode_utf8(&mut [0; 4]).as_bytes()),
    }
}

/// The name that these bytes are.
pub fn from_bytes(bytes: &[u8]) -> String {
    let mut name = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        chunk.valid().chars().for_each(|c| push_char(&mut name, c));
        push_bytes(&mut name, chunk.invalid());
    }
    name
}

/// The name that these UTF-16 units are.
pub fn from_utf16(units: impl IntoIterator<Item = u16>) -> String {
    let mut name = String::new();
    for decoded in char::decode_utf16(units) {
        match decoded {
            Ok(c) => push_char(&mut name, c),
            Err(error) => {
                let code = SURROGATE + u32::from(error.unpaired_surrogate()) - 0xD800;
                name.push(char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER));
            }
        }
    }
    name
}

/// The bytes of a name as Linux has it. An unpaired surrogate becomes the three bytes that WTF-8 gives it.
pub fn to_bytes(name: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(name.len());
    for c in name.chars() {
        match part(c) {
            Part::Char(c) => bytes.extend(c.encode_utf8(&mut [0; 4]).as_bytes()),
            Part::Byte(byte) => bytes.push(byte),
            Part::Unit(unit) => {
                let low = |shift: u16, bits: u16| u8::try_from((unit >> shift) & bits).unwrap_or_default();
                bytes.extend([0xE0 | low(12, 0x0F), 0x80 | low(6, 0x3F), 0x80 | low(0, 0x3F)]);
            }
        }
    }
    bytes
}

/// One name as a component of a path of Windows. A backslash in it, which Linux allows, is not the separator.
pub fn component(name: &str) -> std::borrow::Cow<'_, str> {
    if name.contains('\\') { name.replace('\\', "\u{10ff5c}").into() } else { name.into() }
}

/// What the system has in the place of a name that is no text, in lower-case hexadecimal: the bytes, or where it has
/// unpaired surrogates the UTF-16 units in little-endian order. `None` for text.
pub fn raw(name: &str) -> Option<String> {
    use std::fmt::Write;
    if is_text(name) {
        return None;
    }
    let has_units = name.chars().any(|c| matches!(part(c), Part::Unit(_)));
    let bytes =
        if has_units { to_utf16(name).into_iter().flat_map(u16::to_le_bytes).collect() } else { to_bytes(name) };
    Some(bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    }))
}

/// The UTF-16 units of a name as NTFS has it. A byte that is no text, which only names of Linux have, stays the character
/// that stands for it.
pub fn to_utf16(name: &str) -> Vec<u16> {
    let mut units = Vec::with_capacity(name.len());
    let mut bytes = Vec::new();
    // The bytes of a character of our own range come one by one and are joined again.
    let flush = |bytes: &mut Vec<u8>, units: &mut Vec<u16>| {
        for chunk in bytes.utf8_chunks() {
            units.extend(chunk.valid().encode_utf16());
            let kept = chunk.invalid().iter().filter_map(|byte| char::from_u32(BYTE + u32::from(*byte)));
            kept.for_each(|c| units.extend_from_slice(c.encode_utf16(&mut [0; 2])));
        }
        bytes.clear();
    };
    for c in name.chars() {
        match part(c) {
            Part::Byte(byte) => bytes.push(byte),
            Part::Char(c) => {
                flush(&mut bytes, &mut units);
                units.extend_from_slice(c.encode_utf16(&mut [0; 2]));
            }
            Part::Unit(unit) => {
                flush(&mut bytes, &mut units);
                units.push(unit);
            }
        }
    }
    flush(&mut bytes, &mut units);
    units
}

/// Whether a name is text as it is.
pub fn is_text(name: &str) -> bool {
    // The characters that stand for something are all of the last plane, and in UTF-8 those begin with this byte.
    !name.as_bytes().contains(&0xF4) || name.chars().all(|c| matches!(part(c), Part::Char(_)))
}

/// The name for people: a byte that is no text as `\xFC`, an unpaired surrogate as `\uD800`. Two names can look alike so.
pub fn shown(name: &str) -> std::borrow::Cow<'_, str> {
    use std::fmt::Write;
    if is_text(name) {
        return name.into();
    }
    let mut shown = String::with_capacity(name.len());
    for c in name.chars() {
        let _ = match part(c) {
            Part::Char(c) => write!(shown, "{c}"),
            Part::Byte(byte) => write!(shown, "\\x{byte:02X}"),
            Part::Unit(unit) => write!(shown, "\\u{unit:04X}"),
        };
    }
    shown.into()
}

/// Text of UTF-16 units as it is shown: an unpaired surrogate as `\uD800`. Registry values and events have such text.
pub fn shown_utf16(units: impl IntoIterator<Item = u16>) -> String {
    use std::fmt::Write;
    let mut shown = String::new();
    for decoded in char::decode_utf16(units) {
        match decoded {
            Ok(c) => shown.push(c),
            Err(error) => {
                let _ = write!(shown, "\\u{:04X}", error.unpaired_surrogate());
            }
        }
    }
    shown
}

/// The same without copying a name that is text.
pub fn into_shown(name: String) -> String {
    match shown(&name) {
        std::borrow::Cow::Owned(shown) => shown,
        std::borrow::Cow::Borrowed(_) => name,
    }
}

/// A character in upper case as NTFS compares names: one UTF-16 unit becomes one unit, by the table $UpCase. So `ß` is no
/// `SS`, and characters outside of the first plane stay as they are.
///
/// Reference: $UpCase as `mkntfs` of ntfs-3g 2022.10.3 writes it, unit by unit. Older tables, as that of exFAT, have Σ for ς.
pub fn upper(c: char) -> char {
    if c.is_ascii() {
        return c.to_ascii_uppercase();
    }
    let code = u32::from(c);
    let moved = |by: u32| char::from_u32(code + by).unwrap_or(c);
    match code {
        // The micro sign, the dotless i, the long s and the final sigma are no lower case of another letter's capital there.
        0xB5 | 0x131 | 0x17F | 0x3C2 => c,
        // Digraphs in title case, and variants of Greek and Latin letters, which only Unicode takes for the same letter.
        0x1C5 | 0x1C8 | 0x1CB | 0x1F2 | 0x345 | 0x3D0 | 0x3D1 | 0x3D5 | 0x3D6 | 0x3F0 | 0x3F1 | 0x3F5 | 0x1E9B
        | 0x1FBE => c,
        // Letters whose capital came into Unicode after the table was made.
        0x19B
        | 0x23F
        | 0x240
        | 0x252
        | 0x25C
        | 0x261
        | 0x264..=0x266
        | 0x26A
        | 0x26C
        | 0x282
        | 0x287
        | 0x29D
        | 0x29E
        | 0x3F3
        | 0x525..=0x52F
        | 0x10D0..=0x10FF
        | 0x13F8..=0x13FD
        | 0x1C80..=0x1C8F
        | 0x1D8E
        | 0x2C5F
        | 0x2CEC..=0x2CF3
        | 0x2D27
        | 0x2D2D
        | 0xA661
        | 0xA699..=0xA69B
        | 0xA791..=0xABBF => c,
        // With an iota below, of which Unicode's full mapping makes two letters.
        0x1F80..=0x1F87 | 0x1F90..=0x1F97 | 0x1FA0..=0x1FA7 => moved(8),
        0x1FB3 | 0x1FC3 | 0x1FF3 => moved(9),
        0x1_0000.. => c,
        _ => {
            let mut mapped = c.to_uppercase();
            mapped.next().filter(|one| mapped.next().is_none() && u32::from(*one) < 0x1_0000).unwrap_or(c)
        }
    }
}

/// Whether a name is as a pattern says, without regard to case: `*` stands for any characters, `?` for one.
pub fn is_like(pattern: &str, name: &str) -> bool {
    let pattern: Vec<char> = pattern.chars().map(upper).collect();
    let name: Vec<char> = name.chars().map(upper).collect();
    let (mut p, mut n) = (0, 0);
    // Where to go on when a star has to take one more character. One such place is enough: a later star makes
    // the earlier ones irrelevant, so the time stays bounded by the product of the lengths.
    let mut retry: Option<(usize, usize)> = None;
    while n < name.len() {
        match pattern.get(p) {
            Some('*') => {
                retry = Some((p, n));
                p += 1;
            }
            Some(c) if *c == '?' || *c == name[n] => {
                p += 1;
                n += 1;
            }
            _ => match retry {
                Some((star, taken)) => {
                    retry = Some((star, taken + 1));
                    p = star + 1;
                    n = taken + 1;
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|c| *c == '*')
}

/// A name or path in upper case by [`upper`], to compare it with others.
pub fn folded(name: &str) -> String {
    // Nearly every name is ASCII, and this runs for each of the millions of an archive.
    if name.is_ascii() { name.to_ascii_uppercase() } else { name.chars().map(upper).collect() }
}

/// Whether two names or paths are one to NTFS.
pub fn same(a: &str, b: &str) -> bool {
    a.eq_ignore_ascii_case(b) || !(a.is_ascii() && b.is_ascii()) && a.chars().map(upper).eq(b.chars().map(upper))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The expected values are those of $UpCase as `mkntfs` writes it.
    #[test]
    fn names_are_compared_as_ntfs_does() {
        let apart = [
            ("Weiß", "Weiss"),
            ("Weiß", "Weiẞ"),
            ("irmak", "ırmak"),
            ("fi", "ﬁ"),
            ("sam", "ſam"),
            ("Σ", "ς"),
            ("σ", "ς"),
            ("\u{b5}", "\u{3bc}"),
            ("\u{b5}", "\u{39c}"),
            ("ŉ", "ʼN"),
            ("\u{1c6}", "\u{1c5}"),
            ("β", "ϐ"),
            ("ა", "Ა"),
            ("ꭰ", "Ꭰ"),
            ("\u{10428}", "\u{10400}"),
            ("i", "İ"),
            ("k", "\u{212a}"),
            ("å", "\u{212b}"),
            ("é", "e\u{301}"),
        ];
        for (a, b) in apart {
            assert!(!same(a, b) && !same(b, a) && folded(a) != folded(b), "{a} {b}");
        }
        let one = [
            ("Regasm.EXE", "REGASM.exe"),
            ("größe", "GRÖßE"),
            ("σ", "Σ"),
            ("\u{3bc}", "\u{39c}"),
            ("ÿ", "Ÿ"),
            ("жук", "ЖУК"),
            ("\u{1c6}", "\u{1c4}"),
            ("ᾳ", "ᾼ"),
            ("ᾀ", "ᾈ"),
            ("ａ", "Ａ"),
            ("ⓐ", "Ⓐ"),
            ("i", "I"),
        ];
        for (a, b) in one {
            assert!(same(a, b) && same(b, a) && folded(a) == folded(b), "{a} {b}");
        }
        assert_eq!(folded("Ab\u{10ff81}ß\u{1f600}ä"), "AB\u{10ff81}ß\u{1f600}Ä");
        assert!(!same("a", "ab") && !same("ä", "äb") && !same("a", "ä"));
    }

    #[test]
    fn any_bytes_come_back_and_stay_apart() {
        let names: [&[u8]; 7] = [
            b"plain",
            b"J\x81rg",
            b"J\x94rg",
            "J\u{fffd}rg".as_bytes(),
            "\u{10ff81}".as_bytes(),
            b"\x81",
            b"\xf0\x9f\x98",
        ];
        let kept: Vec<String> = names.iter().map(|name| from_bytes(name)).collect();
        for (name, kept) in names.iter().zip(&kept) {
            assert_eq!(&to_bytes(kept), name);
        }
        let different: std::collections::BTreeSet<&String> = kept.iter().collect();
        assert_eq!(different.len(), names.len());
        assert_eq!(shown(&kept[1]), "J\\x81rg");
        assert_eq!(kept[0], "plain");
        assert!(is_text(&kept[3]) && !is_text(&kept[1]));
    }

    #[test]
    fn no_unit_of_a_text_is_lost() {
        assert_eq!(shown_utf16("WS-\u{1f5a5}".encode_utf16()), "WS-\u{1f5a5}");
        assert_eq!(shown_utf16([0x57, 0xD800, 0x2D, 0xDC01]), r"W\uD800-\uDC01");
    }

    #[test]
    fn what_the_system_has_can_be_had_back() {
        assert_eq!(raw("plain \u{e9}"), None);
        assert_eq!(raw(&from_bytes(b"J\x81rg")).as_deref(), Some("4a817267"));
        // The letter a, then D800, each in little-endian order.
        assert_eq!(raw(&from_utf16([0x61, 0xD800])).as_deref(), Some("610000d8"));
        let backslash = component("a\\b");
        assert_eq!((to_bytes(&backslash), shown(&backslash).as_ref()), (b"a\\b".to_vec(), r"a\x5Cb"));
        assert_ne!(from_bytes("\u{10ff5c}".as_bytes()), "\u{10ff5c}");
        let pair: Vec<u16> = "a\u{1f600}".encode_utf16().chain([0xDC01]).collect();
        assert_eq!(to_utf16(&from_utf16(pair.clone())), pair);
    }

    #[test]
    fn surrogates_without_their_pair_are_kept() {
        let pair: Vec<u16> = "a\u{1f600}".encode_utf16().collect();
        assert_eq!(from_utf16(pair), "a\u{1f600}");
        let (high, low) = (from_utf16([0x61, 0xD800]), from_utf16([0x61, 0xDC00]));
        assert_ne!(high, low);
        assert_eq!(shown(&high), "a\\uD800");
        assert_eq!(to_bytes(&high), [0x61, 0xED, 0xA0, 0x80]);
        // Pairs, halves in the wrong order, and characters that stand for something here: all come back.
        let own: Vec<u16> = "\u{10f000}\u{10ff80}\u{10ffff}".encode_utf16().collect();
        let names: [&[u16]; 6] =
            [&[0x61, 0xD800], &[0xDC00, 0xD800, 0x62], &[0xD83D, 0xDE00], &own, &[0xD800, 0xD83D, 0xDE00], &own[..3]];
        for units in names {
            assert_eq!(to_utf16(&from_utf16(units.iter().copied())), units);
        }
        let kept: std::collections::BTreeSet<String> = names.iter().map(|n| from_utf16(n.iter().copied())).collect();
        assert_eq!(kept.len(), names.len());
        assert!(!is_text(&from_utf16(own)) && is_text("\u{10ef00}\u{1f600}"));
    }
}
