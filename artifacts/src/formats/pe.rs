//! Portable executable files: headers, sections, directories, imports, version resource, debug records.
//!
//! Every offset and count comes from the file and is checked against its length before it is used.
//!
//! Reference: Microsoft, *PE Format*; *Windows Authenticode Portable Executable Signature Format* for the image hash.

use sha2::{Digest, Sha256};
use std::ops::Range;

/// Most sections, imports and version strings that are read; more than any honest program has.
const MAX_SECTIONS: usize = 96;
const MAX_IMPORTS: usize = 4096;
const MAX_STRINGS: usize = 256;

/// A number at an offset, if the bytes are there.
pub fn u16_at(data: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(data.get(at..at.checked_add(2)?)?.try_into().ok()?))
}

/// A number at an offset, if the bytes are there.
pub fn u32_at(data: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(data.get(at..at.checked_add(4)?)?.try_into().ok()?))
}

/// A section.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Section {
    /// Name.
    pub name: String,
    /// Address in memory.
    pub address: u32,
    /// Size in memory.
    pub virtual_size: u32,
    /// Offset in the file.
    pub offset: u32,
    /// Size in the file.
    pub size: u32,
}

/// A debug record that names a PDB.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CodeView {
    /// GUID of the build, in braces.
    pub guid: String,
    /// Age.
    pub age: u32,
    /// Path of the PDB on the machine that built it.
    pub path: String,
}

/// What the headers of a PE file say.
#[derive(Clone, Debug)]
pub struct Pe<'a> {
    data: &'a [u8],
    /// Machine code of the COFF header.
    pub machine: u16,
    /// TimeDateStamp of the COFF header.
    pub timestamp: u32,
    /// Characteristics of the COFF header.
    pub characteristics: u16,
    /// Whether this is PE32+.
    pub is_64: bool,
    /// Sections.
    pub sections: Vec<Section>,
    directories: Vec<(u32, u32)>,
    checksum_at: usize,
    security_entry_at: usize,
}

/// Index of a data directory.
#[derive(Clone, Copy, Debug)]
pub enum Directory {
    /// Import table.
    Import = 1,
    /// Resources.
    Resource = 2,
    /// Certificates; a file offset, not an address.
    Security = 4,
    /// Debug directory.
    Debug = 6,
    /// CLI header.
    Cli = 14,
}

impl<'a> Pe<'a> {
    /// Reads the headers; `None` when this is no PE file.
    pub fn parse(data: &'a [u8]) -> Option<Self> {
        if data.get(..2)? != b"MZ" {
            return None;
        }
        let at = u32_at(data, 0x3C)? as usize;
        if data.get(at..at.checked_add(4)?)? != b"PE\0\0" {
            return None;
        }
        let coff = at + 4;
        let optional = coff + 20;
        let is_64 = match u16_at(data, optional)? {
            0x10B => false,
            0x20B => true,
            _ => return None,
        };
        let table = optional + if is_64 { 112 } else { 96 };
        let count = (u32_at(data, table - 4)? as usize).min(16);
        let directories: Vec<(u32, u32)> = (0..count)
            .map_while(|index| Some((u32_at(data, table + index * 8)?, u32_at(data, table + index * 8 + 4)?)))
            .collect();
        let first = optional + usize::from(u16_at(data, coff + 16)?);
        let wanted = usize::from(u16_at(data, coff + 2)?).min(MAX_SECTIONS);
        let sections = (0..wanted)
            .map_while(|index| {
                let entry = data.get(first + index * 40..first + index * 40 + 40)?;
                Some(Section {
                    name: entry[..8].iter().take_while(|byte| **byte != 0).map(|byte| char::from(*byte)).collect(),
                    virtual_size: u32_at(entry, 8)?,
                    address: u32_at(entry, 12)?,
                    size: u32_at(entry, 16)?,
                    offset: u32_at(entry, 20)?,
                })
            })
            .collect();
        Some(Pe {
            data,
            machine: u16_at(data, coff)?,
            timestamp: u32_at(data, coff + 4)?,
            characteristics: u16_at(data, coff + 18)?,
            is_64,
            sections,
            directories,
            checksum_at: optional + 64,
            security_entry_at: table + 32,
        })
    }

    /// Address and size of a directory; `None` when it is empty.
    pub fn directory(&self, which: Directory) -> Option<(u32, u32)> {
        self.directories.get(which as usize).copied().filter(|(address, _)| *address != 0)
    }

    /// File offset of an address in memory.
    pub fn offset_of(&self, address: u32) -> Option<usize> {
        let section = self.sections.iter().find(|section| {
            let size = section.virtual_size.max(section.size);
            address.checked_sub(section.address).is_some_and(|inside| inside < size)
        })?;
        let offset = u64::from(section.offset) + u64::from(address - section.address);
        usize::try_from(offset).ok().filter(|offset| *offset < self.data.len())
    }

    /// Bytes from an address in memory on, as far as the file goes.
    pub fn at(&self, address: u32) -> Option<&'a [u8]> {
        self.data.get(self.offset_of(address)?..)
    }

    /// Imported libraries, each with its functions; functions without a name as `#ordinal`.
    pub fn imports(&self) -> Vec<(String, Vec<String>)> {
        let mut imports = Vec::new();
        let mut left = MAX_IMPORTS;
        let Some(table) = self.directory(Directory::Import).and_then(|(address, _)| self.at(address)) else {
            return imports;
        };
        for entry in table.chunks_exact(20).take(MAX_SECTIONS * 4) {
            let (Some(lookup), Some(name), Some(thunk)) = (u32_at(entry, 0), u32_at(entry, 12), u32_at(entry, 16))
            else {
                break;
            };
            if name == 0 {
                break;
            }
            let Some(library) = self.at(name).map(ascii) else { break };
            let mut functions = Vec::new();
            let width = if self.is_64 { 8 } else { 4 };
            let list = self.at(if lookup != 0 { lookup } else { thunk }).unwrap_or(&[]);
            for slot in list.chunks_exact(width) {
                let low = u32_at(slot, 0).unwrap_or(0);
                let is_ordinal = slot[width - 1] & 0x80 != 0;
                if slot.iter().all(|byte| *byte == 0) || left == 0 {
                    break;
                }
                left -= 1;
                functions.push(if is_ordinal {
                    format!("#{}", low & 0xFFFF)
                } else {
                    low.checked_add(2).and_then(|address| self.at(address)).map(ascii).unwrap_or_default()
                });
            }
            imports.push((library, functions));
        }
        imports
    }

    /// Strings of the version resource, in stored order.
    pub fn version_strings(&self) -> Vec<(String, String)> {
        let mut strings = Vec::new();
        let Some((address, _)) = self.directory(Directory::Resource) else { return strings };
        let Some(root) = self.at(address) else { return strings };
        // Three levels: type 16 is the version, then the first name and the first language.
        let entry = |table: usize, wanted: Option<u32>| -> Option<u32> {
            let count = usize::from(u16_at(root, table + 12)?) + usize::from(u16_at(root, table + 14)?);
            (0..count.min(4096)).find_map(|index| {
                let id = u32_at(root, table + 16 + index * 8)?;
                let place = u32_at(root, table + 20 + index * 8)?;
                wanted.is_none_or(|wanted| id == wanted).then_some(place)
            })
        };
        let resource = (|| {
            let names = entry(0, Some(16))? & 0x7FFF_FFFF;
            let languages = entry(names as usize, None)? & 0x7FFF_FFFF;
            let leaf = entry(languages as usize, None)? as usize;
            let size = u32_at(root, leaf + 4)? as usize;
            let data = self.at(u32_at(root, leaf)?)?;
            Some(&data[..size.min(data.len())])
        })();
        if let Some(resource) = resource {
            version_block(resource, 0, &mut strings);
        }
        strings
    }

    /// The debug records: the PDB, and whether the build says that it is reproducible.
    pub fn debug(&self) -> (Option<CodeView>, bool) {
        let (mut code_view, mut reproducible) = (None, false);
        if let Some((address, size)) = self.directory(Directory::Debug)
            && let Some(table) = self.at(address)
        {
            for entry in table[..table.len().min(size as usize)].chunks_exact(28).take(32) {
                match u32_at(entry, 12) {
                    Some(2) => {
                        let from = u32_at(entry, 24).unwrap_or(0) as usize;
                        let length = u32_at(entry, 16).unwrap_or(0) as usize;
                        let record = self.data.get(from..).map(|rest| &rest[..length.min(rest.len())]);
                        if let Some(record) = record.filter(|record| record.len() >= 24 && record.starts_with(b"RSDS"))
                        {
                            let path = record[24..].split(|byte| *byte == 0).next().unwrap_or(&[]);
                            code_view = Some(CodeView {
                                guid: guid(&record[4..20]),
                                age: u32_at(record, 20).unwrap_or(0),
                                path: String::from_utf8_lossy(path).into_owned(),
                            });
                        }
                    }
                    Some(16) => reproducible = true,
                    _ => {}
                }
            }
        }
        (code_view, reproducible)
    }

    /// Where the certificates lie in the file.
    pub fn security(&self) -> Option<Range<usize>> {
        let (offset, size) = self.directory(Directory::Security)?;
        let end = (offset as usize).checked_add(size as usize)?;
        (end <= self.data.len() && size > 0).then_some(offset as usize..end)
    }

    /// SHA-256 of the image as Authenticode takes it: without the checksum, the certificate entry and the certificates.
    pub fn image_sha256(&self) -> Option<[u8; 32]> {
        let end = self.security().map_or(self.data.len(), |range| range.start);
        let mut hasher = Sha256::new();
        hasher.update(self.data.get(..self.checksum_at)?);
        hasher.update(self.data.get(self.checksum_at + 4..self.security_entry_at)?);
        hasher.update(self.data.get(self.security_entry_at + 8..end)?);
        if let Some(range) = self.security() {
            hasher.update(self.data.get(range.end..)?);
        }
        Some(hasher.finalize().into())
    }
}

/// One block of a version resource: length, value length, type, key, then children or a value.
fn version_block(data: &[u8], depth: u32, strings: &mut Vec<(String, String)>) {
    let mut at = 0;
    while depth < 5 && strings.len() < MAX_STRINGS {
        let Some(length) = u16_at(data, at).map(usize::from).filter(|length| *length >= 6) else { return };
        let Some(block) = data.get(at..at + length).or_else(|| data.get(at..)) else { return };
        let value_length = usize::from(u16_at(block, 2).unwrap_or(0));
        let key_units = block[6..].chunks_exact(2).take_while(|unit| **unit != [0, 0]).count();
        let key = utf16(&block[6..6 + key_units * 2]);
        let value_at = (6 + key_units * 2 + 2).next_multiple_of(4);
        let rest = block.get(value_at..).unwrap_or(&[]);
        match depth {
            // VS_VERSION_INFO holds a fixed structure, then StringFileInfo with one table for each language.
            0 => version_block(rest.get(value_length.next_multiple_of(4)..).unwrap_or(&[]), 1, strings),
            1 if key == "StringFileInfo" => version_block(rest, 2, strings),
            2 => version_block(rest, 3, strings),
            3 => {
                let units = rest.chunks_exact(2).take_while(|unit| **unit != [0, 0]).count();
                strings.push((key, utf16(&rest[..units * 2])));
            }
            _ => {}
        }
        at += length.next_multiple_of(4);
    }
}

fn ascii(data: &[u8]) -> String {
    data.iter().take(512).take_while(|byte| **byte != 0).map(|byte| char::from(*byte)).collect()
}

fn utf16(data: &[u8]) -> String {
    char::decode_utf16(data.chunks_exact(2).map(|unit| u16::from_le_bytes([unit[0], unit[1]])))
        .map(|unit| unit.unwrap_or(char::REPLACEMENT_CHARACTER))
        .collect()
}

/// A GUID as Windows stores it, in braces and upper case. `data` has at least 16 bytes.
pub fn guid(data: &[u8]) -> String {
    let tail: String = data.get(8..16).unwrap_or(&[]).iter().map(|byte| format!("{byte:02X}")).collect();
    let (head, rest) = tail.split_at(tail.len().min(4));
    format!(
        "{{{:08X}-{:04X}-{:04X}-{head}-{rest}}}",
        u32_at(data, 0).unwrap_or(0),
        u16_at(data, 4).unwrap_or(0),
        u16_at(data, 6).unwrap_or(0)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_headers() {
        assert!(Pe::parse(b"").is_none());
        assert!(Pe::parse(b"MZ").is_none());
        let mut data = vec![0xFF; 4096];
        data[..2].copy_from_slice(b"MZ");
        data[0x3C..0x40].copy_from_slice(&64u32.to_le_bytes());
        data[64..68].copy_from_slice(b"PE\0\0");
        data[88..90].copy_from_slice(&0x20Bu16.to_le_bytes());
        let pe = Pe::parse(&data).unwrap();
        assert!(pe.imports().is_empty());
        assert!(pe.version_strings().is_empty());
        let _ = (pe.debug(), pe.security(), pe.image_sha256());
    }
}
