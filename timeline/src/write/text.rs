//! Numbers, times and escaped texts, appended to bytes without allocating.

use crate::merge::Place;
use crate::report::escape::is_deceptive;
use evidence::Filetime;

/// A decimal number, with its sign.
pub(super) fn number(number: impl itoa::Integer, out: &mut Vec<u8>) {
    out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
}

/// A decimal number with leading zeros up to `N` digits.
fn padded<const N: usize>(number: u32, out: &mut Vec<u8>) {
    let mut digits = itoa::Buffer::new();
    let digits = digits.format(number);
    out.extend_from_slice(&[b'0'; N][digits.len().min(N)..]);
    out.extend_from_slice(digits.as_bytes());
}

/// `0x` and a hexadecimal number.
fn hexadecimal(number: u64, out: &mut Vec<u8>) {
    out.extend_from_slice(b"0x");
    let digits = (64 - number.leading_zeros()).div_ceil(4).max(1);
    for digit in (0..digits).rev() {
        out.push(b"0123456789abcdef"[(number >> (digit * 4) & 15) as usize]);
    }
}

/// The words of [`evidence::Locator`]'s display.
pub(super) fn place(place: Place<'_>, out: &mut Vec<u8>) {
    let offset = match place {
        Place::ByteRange { offset, length } => {
            out.extend_from_slice(b"offset ");
            hexadecimal(offset, out);
            out.extend_from_slice(b", ");
            number(length, out);
            out.extend_from_slice(b" bytes");
            return;
        }
        Place::Whole => {
            out.extend_from_slice(b"whole file");
            return;
        }
        Place::EvtxRecord { record_id, offset } => {
            out.extend_from_slice(b"record ");
            number(record_id, out);
            offset
        }
        Place::RegistryKey { key, value, offset } => {
            if let Some(value) = value {
                out.extend_from_slice(b"value ");
                out.extend_from_slice(if value.is_empty() { "(Default)" } else { value }.as_bytes());
                out.extend_from_slice(b" of ");
            }
            out.extend_from_slice(b"key ");
            out.extend_from_slice(key.as_bytes());
            offset
        }
        Place::MftEntry { entry, sequence, offset } => {
            out.extend_from_slice(b"MFT record ");
            number(entry, out);
            out.push(b'-');
            number(sequence, out);
            offset
        }
        Place::UsnRecord { usn, offset } => {
            out.extend_from_slice(b"USN ");
            number(usn, out);
            offset
        }
        Place::MetadataToken { token, offset } => {
            out.extend_from_slice(b"token 0x");
            for digit in (0..8).rev() {
                out.push(b"0123456789abcdef"[(token >> (digit * 4) & 15) as usize]);
            }
            offset
        }
    };
    out.extend_from_slice(b" at offset ");
    hexadecimal(offset, out);
}

/// The words of a place, with the text of the evidence in them escaped.
pub(super) fn place_escaped(
    of: Place<'_>,
    scratch: &mut Vec<u8>,
    out: &mut Vec<u8>,
    escape: impl FnOnce(&str, &mut Vec<u8>),
) {
    if !matches!(of, Place::RegistryKey { .. }) {
        place(of, out);
        return;
    }
    scratch.clear();
    place(of, scratch);
    escape(&String::from_utf8_lossy(scratch), out);
}

/// Dates and times; remembers the last second, because rows come in order.
#[derive(Default)]
pub(super) struct Clock {
    second: Option<u64>,
    text: Vec<u8>,
}

impl Clock {
    /// `2019-07-19T14:45:55`.
    fn seconds(&mut self, time: Filetime, out: &mut Vec<u8>) {
        let second = time.0 / 10_000_000;
        if self.second != Some(second) {
            let civil = time.civil();
            self.text.clear();
            if civil.year < 10_000 {
                padded::<4>(civil.year as u32, &mut self.text);
            } else {
                number(civil.year, &mut self.text);
            }
            for (sign, part) in
                [(b'-', civil.month), (b'-', civil.day), (b'T', civil.hour), (b':', civil.minute), (b':', civil.second)]
            {
                self.text.push(sign);
                padded::<2>(part, &mut self.text);
            }
            self.second = Some(second);
        }
        out.extend_from_slice(&self.text);
    }

    /// `2019-07-19T14:45:55.699293+00:00`, rounded down.
    pub(super) fn micros(&mut self, time: Filetime, out: &mut Vec<u8>) {
        self.seconds(time, out);
        out.push(b'.');
        padded::<6>((time.0 % 10_000_000 / 10) as u32, out);
        out.extend_from_slice(b"+00:00");
    }

    /// `2019-07-19T14:45:55.6992930Z`.
    pub(super) fn ticks(&mut self, time: Filetime, out: &mut Vec<u8>) {
        self.seconds(time, out);
        out.push(b'.');
        padded::<7>((time.0 % 10_000_000) as u32, out);
        out.push(b'Z');
    }
}

const ONES: u64 = 0x0101_0101_0101_0101;
const HIGHS: u64 = 0x8080_8080_8080_8080;

/// Bytes of a word that are below a limit of at most 0x80, as their high bits; exact up to the lowest hit.
fn below(word: u64, limit: u8) -> u64 {
    word.wrapping_sub(ONES * u64::from(limit)) & !word & HIGHS
}

/// Bytes of a word that equal another byte, as their high bits; exact up to the lowest hit.
fn equal(word: u64, byte: u8) -> u64 {
    below(word ^ (ONES * u64::from(byte)), 1)
}

/// How many bytes from the start can be copied as they are; eight at a time.
fn plain(bytes: &[u8], special: impl Fn(u64) -> u64) -> usize {
    let (words, rest) = bytes.as_chunks();
    for (index, word) in words.iter().enumerate() {
        let hits = special(u64::from_le_bytes(*word));
        if hits != 0 {
            return index * 8 + hits.trailing_zeros() as usize / 8;
        }
    }
    let mut last = [b' '; 8];
    last[..rest.len()].copy_from_slice(rest);
    let hits = special(u64::from_le_bytes(last));
    words.len() * 8 + (hits.trailing_zeros() as usize / 8).min(rest.len())
}

/// Appends what `special` does not stop at, and what `replace` makes of each character that it does.
fn escaped(text: &str, out: &mut Vec<u8>, special: impl Fn(u64) -> u64, replace: impl Fn(char, &str, &mut Vec<u8>)) {
    let mut rest = text;
    loop {
        let count = plain(rest.as_bytes(), &special);
        // Every special byte is ASCII or starts a character, since `special` stops at the first of any.
        let (head, tail) = rest.split_at(count);
        out.extend_from_slice(head.as_bytes());
        let mut characters = tail.chars();
        let Some(character) = characters.next() else { break };
        rest = characters.as_str();
        replace(character, &tail[..tail.len() - rest.len()], out);
    }
}

/// The inside of a JSON string. Nothing but what JSON demands is changed.
pub(super) fn json(text: &str, out: &mut Vec<u8>) {
    let special = |word| below(word, 0x20) | equal(word, b'"') | equal(word, b'\\');
    escaped(text, out, special, |character, _, out| match character {
        '"' => out.extend_from_slice(b"\\\""),
        '\\' => out.extend_from_slice(b"\\\\"),
        '\n' => out.extend_from_slice(b"\\n"),
        '\r' => out.extend_from_slice(b"\\r"),
        '\t' => out.extend_from_slice(b"\\t"),
        _ => {
            out.extend_from_slice(b"\\u00");
            out.push(if (character as u32) < 0x10 { b'0' } else { b'1' });
            out.push(b"0123456789abcdef"[character as usize & 15]);
        }
    });
}

/// A quoted CSV cell that no spreadsheet takes for a formula, with deceptive characters visible.
pub(super) fn cell(text: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    if text.starts_with(['=', '+', '-', '@', '\t', '\r', '\n', '＝', '＋', '－', '＠']) {
        out.push(b'\'');
    }
    let special = |word| below(word, 0x20) | equal(word, b'"') | equal(word, 0x7F) | word & HIGHS;
    escaped(text, out, special, |character, itself, out| match character {
        '"' => out.extend_from_slice(b"\"\""),
        _ if is_deceptive(character) => out.extend(character.escape_unicode().map(|character| character as u8)),
        _ => out.extend_from_slice(itself.as_bytes()),
    });
    out.push(b'"');
}

/// A name in a body file: mactime reads `%7C` as `|`, so the percent sign is written that way as well.
pub(super) fn body(text: &str, out: &mut Vec<u8>) {
    let special = |word| below(word, 0x20) | equal(word, b'|') | equal(word, b'%') | equal(word, 0x7F) | word & HIGHS;
    escaped(text, out, special, |character, itself, out| match character {
        '|' => out.extend_from_slice(b"%7C"),
        '%' => out.extend_from_slice(b"%25"),
        _ if is_deceptive(character) => out.extend(character.escape_unicode().map(|character| character as u8)),
        _ => out.extend_from_slice(itself.as_bytes()),
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use evidence::Locator;

    fn made(make: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        make(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn numbers() {
        let edges = (0..20).map(|power| 10u64.pow(power)).flat_map(|edge| [edge - 1, edge, edge + 1]);
        for one in edges.chain([7, 90_807, 1_203_040_506, u64::MAX]) {
            assert_eq!(made(|out| number(one, out)), one.to_string());
            assert_eq!(made(|out| hexadecimal(one, out)), format!("{one:#x}"));
        }
        assert_eq!(made(|out| number(i64::MIN, out)), i64::MIN.to_string());
        assert_eq!(made(|out| padded::<4>(7, out)), "0007");
        assert_eq!(made(|out| padded::<2>(59, out)), "59");
    }

    #[test]
    fn places_read_like_locators() {
        for locator in [
            Place::ByteRange { offset: 16, length: 8 },
            Place::EvtxRecord { record_id: 43, offset: 0 },
            Place::RegistryKey { key: "A\\B", value: None, offset: 5 },
            Place::RegistryKey { key: "A\\B", value: Some(""), offset: 5 },
            Place::RegistryKey { key: "A\\B", value: Some("v"), offset: u64::MAX },
            Place::MftEntry { entry: 12, sequence: 3, offset: 1 },
            Place::UsnRecord { usn: 9, offset: 255 },
            Place::MetadataToken { token: 0x0600_0001, offset: 2 },
            Place::Whole,
        ] {
            let expected: Locator = locator.to_locator();
            assert_eq!(made(|out| place(locator, out)), expected.to_string());
        }
    }

    #[test]
    fn times() {
        let mut clock = Clock::default();
        let time = Filetime::parse_utc("2019-07-19T14:45:55.6992939Z").unwrap();
        assert_eq!(made(|out| clock.micros(time, out)), "2019-07-19T14:45:55.699293+00:00");
        for time in [time, Filetime(0), Filetime(u64::MAX), Filetime(9_999_999), Filetime(10_000_000)] {
            assert_eq!(made(|out| clock.ticks(time, out)), time.to_string());
        }
    }

    #[test]
    fn json_is_what_a_json_library_writes() {
        let mut texts = vec![String::new(), r#"C:\a "b" c\"#.to_owned(), "é\u{202e}漢😀".to_owned()];
        for code in 0..0x100u32 {
            let character = char::from_u32(code).unwrap();
            texts.extend((0..9).map(|before| format!("{}{character}tail of it", "x".repeat(before))));
        }
        for text in texts {
            let ours = made(|out| {
                out.push(b'"');
                json(&text, out);
                out.push(b'"');
            });
            assert_eq!(serde_json::from_str::<String>(&ours).unwrap(), text);
        }
    }

    #[test]
    fn cells_are_no_formulas_and_read_back() {
        for (text, expected) in [
            ("plain, text", r#""plain, text""#),
            ("=cmd|' /C calc'!A0", r#""'=cmd|' /C calc'!A0""#),
            ("+1", r#""'+1""#),
            ("-1", r#""'-1""#),
            ("@x", r#""'@x""#),
            ("\tx", r#""'\u{9}x""#),
            ("say \"a\"", r#""say ""a""""#),
            ("gnp\u{202e}exe\r\nx", r#""gnp\u{202e}exe\u{d}\u{a}x""#),
            ("é\u{7f}漢\u{85}", r#""é\u{7f}漢\u{85}""#),
        ] {
            assert_eq!(made(|out| cell(text, out)), expected);
        }
    }

    #[test]
    fn body_names_keep_their_columns() {
        assert_eq!(made(|out| body("a|b%41\nc", out)), r"a%7Cb%2541\u{a}c");
    }
}
