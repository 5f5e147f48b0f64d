//! Files outside of trees whose names say what they should be, while their first bytes do not.

use crate::source::container;
use std::io;

/// How far the first chunk of an event log is looked for: one that lacks its header and its first chunk has the next
/// within two chunks.
const SEARCHED: usize = 4096 + 2 * 65_536;
/// Chunks lie at multiples of a sector also where the header is lost or something stands before it.
const STEP: usize = 512;

/// What a file of this name should be, in words.
pub(crate) fn should_be(name: &str) -> Option<&'static str> {
    const HIVES: [&str; 7] = ["SYSTEM", "SOFTWARE", "SECURITY", "SAM", "NTUSER.DAT", "USRCLASS.DAT", "AMCACHE.HVE"];
    let upper = name.to_ascii_uppercase();
    match upper.rsplit_once('.') {
        Some((_, "EVTX")) => Some("an event log"),
        Some((_, "PF")) => Some("a prefetch file"),
        _ => HIVES.contains(&upper.as_str()).then_some("a registry hive"),
    }
}

/// What a file that holds nothing should be by its name, an archive or an image included.
pub(crate) fn empty(name: &str) -> Option<&'static str> {
    should_be(name).or_else(|| container::named(name))
}

/// What a file should be by its name that is none of the known kinds by these first bytes. Any program may call a text
/// `SYSTEM`, which says nothing; the endings of Windows are less common.
pub(crate) fn misnamed(name: &str, head: &[u8]) -> Option<&'static str> {
    should_be(name).filter(|what| *what != "a registry hive" || !is_text(head))
}

/// Whether the beginning of a file is text.
pub(crate) fn is_text(head: &[u8]) -> bool {
    let printable = |c: char| !c.is_control() || matches!(c, '\n' | '\r' | '\t' | '\u{c}');
    let (utf16, first) = match head {
        [0xFF, 0xFE, rest @ ..] => (rest, u16::from_le_bytes as fn([u8; 2]) -> u16),
        [0xFE, 0xFF, rest @ ..] => (rest, u16::from_be_bytes as fn([u8; 2]) -> u16),
        _ => {
            let text = match std::str::from_utf8(head) {
                Ok(text) => text,
                // A character can be cut at the end of what was read.
                Err(error) if error.error_len().is_none() => {
                    std::str::from_utf8(&head[..error.valid_up_to()]).unwrap_or_default()
                }
                Err(_) => return false,
            };
            return !text.is_empty() && text.chars().all(printable);
        }
    };
    let units = utf16.chunks_exact(2).map(|unit| first([unit[0], unit[1]]));
    let mut text: Vec<_> = char::decode_utf16(units).collect();
    // So can the second half of one.
    text.pop_if(|last| last.is_err());
    !text.is_empty() && text.iter().all(|unit| unit.as_ref().is_ok_and(|c| printable(*c)))
}

/// Whether a file that is named like an event log and does not begin like one has chunks of one. `head` gives its first
/// bytes, as many as it is asked for.
pub(crate) fn has_chunks(name: &str, head: impl FnOnce(usize) -> io::Result<Vec<u8>>) -> bool {
    should_be(name) == Some("an event log")
        && head(SEARCHED).is_ok_and(|head| head.chunks(STEP).any(|sector| sector.starts_with(b"ElfChnk\0")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_no_damaged_hive() {
        let text = b"ip=10.0.0.1\r\n";
        let utf16 =
            [&[0xFF, 0xFE][..], &"Ger\u{e4}t\r\n".encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<u8>>()];
        for head in [&text[..], &utf16.concat(), "\u{feff}Ger\u{e4}t".as_bytes()] {
            assert!(is_text(head), "{head:?}");
            assert_eq!((misnamed("SAM", head), misnamed("system", head)), (None, None));
        }
        assert_eq!(misnamed("SAM", b"\0\0\0\0hbin"), Some("a registry hive"));
        assert_eq!(misnamed("SAM", &[0xFF, 0xFE, 1, 0]), Some("a registry hive"));
        assert_eq!(misnamed("a.evtx", text), Some("an event log"));
        assert_eq!(misnamed("notes", b"\0"), None);
    }
}
