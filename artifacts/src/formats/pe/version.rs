//! The version resource of a PE file: fixed numbers and named texts.
//!
//! Reference: Microsoft, *VS_VERSIONINFO*, *VS_FIXEDFILEINFO*, *StringFileInfo*.

use super::{Pe, u16_at, u32_at};

/// Most texts that are read.
const MAX_STRINGS: usize = 256;
/// Most entries of a resource directory that are searched.
const MAX_ENTRIES: usize = 4096;
/// Type number of a version resource.
const VERSION: u32 = 16;

/// What the version resource says. Whoever built the file can set all of it freely.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Version {
    /// File version of the fixed part, `4.8.9037.0`.
    pub file_version: Option<String>,
    /// Product version of the fixed part.
    pub product_version: Option<String>,
    /// Texts in stored order. A name that a second language gives another text has the language behind it.
    pub strings: Vec<(String, String)>,
}

/// Longest resource that is read: its length has 16 bits.
const MAX_VERSION: u64 = u16::MAX as u64;

/// Reads the first version resource below the resource directory at this offset.
pub(super) fn read(pe: &Pe<'_>, root: u64) -> Option<Version> {
    let file = pe.file;
    // Three levels: type, then the first name, then the first language.
    let entry = |table: u64, wanted: Option<u32>| -> Option<u64> {
        let count = usize::from(file.u16_at(table + 12)?) + usize::from(file.u16_at(table + 14)?);
        (table + 16..).step_by(8).take(count.min(MAX_ENTRIES)).find_map(|at| {
            let (id, place) = (file.u32_at(at)?, file.u32_at(at + 4)?);
            wanted.is_none_or(|wanted| id == wanted).then_some(root + u64::from(place & 0x7FFF_FFFF))
        })
    };
    let names = entry(root, Some(VERSION))?;
    let languages = entry(names, None)?;
    let leaf = entry(languages, None)?;
    let size = u64::from(file.u32_at(leaf + 4)?).min(MAX_VERSION);
    let data = file.prefix(pe.offset_of(file.u32_at(leaf)?)?, size);
    let mut version = Version::default();
    for block in blocks(&data).take(1) {
        let dotted = |high: usize| {
            let (high, low) = (u32_at(block.value, high)?, u32_at(block.value, high + 4)?);
            Some(format!("{}.{}.{}.{}", high >> 16, high & 0xFFFF, low >> 16, low & 0xFFFF))
        };
        if u32_at(block.value, 0) == Some(0xFEEF_04BD) {
            version.file_version = dotted(8);
            version.product_version = dotted(16);
        }
        for info in blocks(block.children).filter(|info| info.key == "StringFileInfo") {
            for language in blocks(info.children) {
                for text in blocks(language.children) {
                    add(&mut version.strings, &language.key, text);
                }
            }
        }
    }
    Some(version)
}

fn add(strings: &mut Vec<(String, String)>, language: &str, block: Block<'_>) {
    let units = block.value.chunks_exact(2).take_while(|unit| **unit != [0, 0]).count();
    let text = utf16(&block.value[..units * 2]);
    let known = strings.iter().find(|(name, _)| *name == block.key).map(|(_, known)| *known == text);
    let name = match known {
        Some(true) => return,
        Some(false) => format!("{} ({language})", block.key),
        None => block.key,
    };
    if strings.len() < MAX_STRINGS {
        strings.push((name, text));
    }
}

struct Block<'a> {
    key: String,
    value: &'a [u8],
    children: &'a [u8],
}

/// Blocks that follow each other: length, length of the value, type, key, value, children; each on a multiple of four.
fn blocks(mut data: &[u8]) -> impl Iterator<Item = Block<'_>> {
    std::iter::from_fn(move || {
        let length = u16_at(data, 0).map(usize::from).filter(|length| *length >= 6)?;
        let block = &data[..length.min(data.len())];
        data = data.get(length.next_multiple_of(4)..).unwrap_or(&[]);
        let value_length = usize::from(u16_at(block, 2)?);
        // The length of a text counts characters, that of other values bytes; some compilers confuse the two, so a
        // text is taken up to its end.
        let is_text = u16_at(block, 4)? == 1;
        let key_units = block[6..].chunks_exact(2).take_while(|unit| **unit != [0, 0]).count();
        let rest = block.get((6 + key_units * 2 + 2).next_multiple_of(4)..).unwrap_or(&[]);
        let value = if is_text { rest } else { &rest[..value_length.min(rest.len())] };
        let children = if is_text && value_length == 0 {
            rest
        } else {
            rest.get(value_length.next_multiple_of(4)..).unwrap_or(&[])
        };
        Some(Block { key: utf16(&block[6..6 + key_units * 2]), value, children })
    })
}

fn utf16(data: &[u8]) -> String {
    char::decode_utf16(data.chunks_exact(2).map(|unit| u16::from_le_bytes([unit[0], unit[1]])))
        .map(|unit| unit.unwrap_or(char::REPLACEMENT_CHARACTER))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(key: &str, is_text: bool, value: &[u8], children: &[Vec<u8>]) -> Vec<u8> {
        let mut out = vec![0; 6];
        let count = if is_text { value.len() / 2 } else { value.len() };
        out[2..4].copy_from_slice(&(count as u16).to_le_bytes());
        out[4] = u8::from(is_text);
        out.extend(key.encode_utf16().chain([0]).flat_map(u16::to_le_bytes));
        out.resize(out.len().next_multiple_of(4), 0);
        out.extend(value);
        for child in children {
            out.resize(out.len().next_multiple_of(4), 0);
            out.extend(child);
        }
        let length = out.len() as u16;
        out[..2].copy_from_slice(&length.to_le_bytes());
        out
    }

    fn text(key: &str, value: &str) -> Vec<u8> {
        let value: Vec<u8> = value.encode_utf16().chain([0]).flat_map(u16::to_le_bytes).collect();
        block(key, true, &value, &[])
    }

    #[test]
    fn texts_of_two_languages() {
        let tables = [
            block("040904B0", true, &[], &[text("OriginalFilename", "RegAsm.exe"), text("Empty", "")]),
            block("040704B0", true, &[], &[text("OriginalFilename", "RegAsm.exe"), text("Empty", "leer")]),
        ];
        let data = block("StringFileInfo", true, &[], &tables);
        let mut strings = Vec::new();
        for info in blocks(&data) {
            for language in blocks(info.children) {
                for text in blocks(language.children) {
                    add(&mut strings, &language.key, text);
                }
            }
        }
        let expected = [("OriginalFilename", "RegAsm.exe"), ("Empty", ""), ("Empty (040704B0)", "leer")];
        assert_eq!(strings, expected.map(|(name, text)| (name.to_owned(), text.to_owned())));
    }

    #[test]
    fn blocks_that_lie_about_their_length() {
        for length in [0u16, 5, 6, 7, 0xFFFF] {
            let mut data = vec![0x41; 64];
            data[..2].copy_from_slice(&length.to_le_bytes());
            assert!(blocks(&data).count() <= 12);
        }
    }
}
