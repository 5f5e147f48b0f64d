//! Portable executable files: headers, sections, directories, imports, debug records, image hash.
//!
//! Every offset and count comes from the file and is checked against its length before it is used. What a loader would
//! refuse or what hides something from readers is listed in [`Pe::malformed`]; reading goes on as far as it can.
//!
//! Reference: Microsoft, *PE Format*; *Windows Authenticode Portable Executable Signature Format* for the image hash.

mod version;

pub use version::Version;

use super::pages::Pages;
use evidence::le::{u16_at, u32_at};
use std::ops::Range;

/// Most sections that are read; the loader of Windows takes no more.
const MAX_SECTIONS: usize = 96;
/// Most imported libraries and functions that are read; more than any honest program has.
const MAX_LIBRARIES: usize = 1024;
const MAX_FUNCTIONS: usize = 16_384;
/// Most bytes of their names.
const MAX_NAMES: usize = 2 << 20;
/// Most entries of the debug directory.
const MAX_DEBUG: usize = 32;
/// Length of a debug record before the path of the PDB, and the longest path that is read.
const CODE_VIEW: u64 = 24;
const MAX_PDB_PATH: u64 = 1024;

/// Why bytes are no PE file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotPe {
    /// They do not begin with `MZ`.
    NoDosHeader,
    /// They begin with `MZ`, and where the PE header should stand is something else.
    NoPeHeader {
        /// Where it should stand.
        offset: u64,
    },
    /// The headers end early.
    CutOff {
        /// Where the missing part begins.
        offset: u64,
    },
    /// The optional header is of neither kind that Windows loads.
    UnknownOptionalHeader {
        /// Where it stands.
        offset: u64,
        /// Its magic number.
        magic: u16,
    },
}

/// A section.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Section {
    /// Name, up to eight bytes, each taken as one character.
    pub name: String,
    /// Address in memory, relative to the image base.
    pub address: u32,
    /// Size in memory, bytes.
    pub virtual_size: u32,
    /// Offset in the file.
    pub offset: u32,
    /// Size in the file, bytes.
    pub size: u32,
    /// Characteristics.
    pub flags: u32,
}

/// The debug directory.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Debug {
    /// The record that names a PDB.
    pub code_view: Option<CodeView>,
    /// Whether the build says that it is reproducible (type 16): the link time is then a hash.
    pub is_reproducible: bool,
}

/// A debug record that names a PDB.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CodeView {
    /// GUID of the build, in braces.
    pub guid: String,
    /// Age: how often the PDB was written for this build.
    pub age: u32,
    /// Path of the PDB on the machine that built it. Whoever built the file can set it freely.
    pub path: String,
}

/// Imported libraries, each with its functions; functions without a name as `#ordinal`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Imports {
    /// Libraries in stored order.
    pub libraries: Vec<(String, Vec<String>)>,
    /// Whether there are more than were read.
    pub is_cut: bool,
}

/// What the headers of a PE file say.
#[derive(Clone)]
pub struct Pe<'a> {
    pub(crate) file: &'a Pages<'a>,
    /// Machine code of the COFF header.
    pub machine: u16,
    /// TimeDateStamp of the COFF header: seconds since 1970, or a hash, see [`Debug::is_reproducible`].
    pub timestamp: u32,
    /// File offset of the TimeDateStamp.
    pub timestamp_at: u64,
    /// Characteristics of the COFF header.
    pub characteristics: u16,
    /// Whether this is PE32+.
    pub is_64: bool,
    /// Address of the entry point, 0 when there is none.
    pub entry_point: u32,
    /// Sections.
    pub sections: Vec<Section>,
    /// What is odd about the headers.
    pub malformed: Vec<String>,
    headers_size: u32,
    declared_directories: usize,
    directories: [(u32, u32); 16],
    checksum_at: u64,
    security_entry_at: Option<u64>,
}

/// Index of a data directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Directory {
    /// Import table.
    Import = 1,
    /// Resources.
    Resource = 2,
    /// Certificates; a file offset, not an address.
    Security = 4,
    /// Debug directory.
    Debug = 6,
    /// Thread local storage, whose callbacks run before the entry point.
    Tls = 9,
    /// CLI header.
    Cli = 14,
}

impl<'a> Pe<'a> {
    /// Reads the headers.
    ///
    /// # Errors
    /// When it is no PE file, with the reason.
    pub fn parse(file: &'a Pages<'a>) -> Result<Self, NotPe> {
        if file.array(0) != Some(*b"MZ") {
            return Err(NotPe::NoDosHeader);
        }
        let cut = |offset: u64| NotPe::CutOff { offset };
        let half = |at: u64| file.u16_at(at).ok_or(cut(at));
        let word = |at: u64| file.u32_at(at).ok_or(cut(at));
        let at = u64::from(word(0x3C)?);
        match file.array(at) {
            Some([b'P', b'E', 0, 0]) => {}
            Some(_) => return Err(NotPe::NoPeHeader { offset: at }),
            None => return Err(cut(at)),
        }
        let coff = at + 4;
        let optional = coff + 20;
        let is_64 = match half(optional)? {
            0x10B => false,
            0x20B => true,
            magic => return Err(NotPe::UnknownOptionalHeader { offset: optional, magic }),
        };
        let table = optional + if is_64 { 112 } else { 96 };
        let declared = word(table - 4)? as usize;
        let optional_size = u64::from(half(coff + 16)?);
        let mut malformed = Vec::new();
        if declared != 16 {
            malformed.push(format!("the header declares {declared} data directories instead of 16"));
        }
        // The directories that lie in the optional header are read whatever their declared number is: older versions
        // of the runtime do not look at it, and hiding the CLI header behind it is a known trick.
        let room = ((optional + optional_size).saturating_sub(table) / 8) as usize;
        let mut directories = [(0, 0); 16];
        for (slot, at) in directories.iter_mut().zip((table..).step_by(8)).take(room.max(declared.min(16))) {
            if let (Some(address), Some(size)) = (file.u32_at(at), file.u32_at(at + 4)) {
                *slot = (address, size);
            }
        }
        let mut pe = Pe {
            file,
            machine: half(coff)?,
            timestamp: word(coff + 4)?,
            timestamp_at: coff + 4,
            characteristics: half(coff + 18)?,
            is_64,
            entry_point: word(optional + 16)?,
            sections: Vec::new(),
            malformed,
            headers_size: word(optional + 60)?,
            declared_directories: declared,
            directories,
            checksum_at: optional + 64,
            security_entry_at: (declared > 4).then_some(table + 32),
        };
        pe.read_sections(optional + optional_size, usize::from(half(coff + 2)?));
        Ok(pe)
    }

    fn read_sections(&mut self, first: u64, wanted: usize) {
        for at in (first..).step_by(40).take(wanted.min(MAX_SECTIONS)) {
            let Some(entry) = self.file.array::<40>(at) else { break };
            let word = |at: usize| u32_at(&entry, at).unwrap_or(0);
            let section = Section {
                name: entry[..8].iter().take_while(|byte| **byte != 0).map(|byte| char::from(*byte)).collect(),
                virtual_size: word(8),
                address: word(12),
                size: word(16),
                offset: word(20),
                flags: word(36),
            };
            if u64::from(section.offset) + u64::from(section.size) > self.file.len() {
                self.malformed.push(format!("section {} reaches beyond the end of the file", section.name));
            }
            self.sections.push(section);
        }
        if self.sections.len() < wanted {
            self.malformed.push(format!("{wanted} sections are declared, {} can be read", self.sections.len()));
        }
    }

    /// Address and size of a directory; `None` when it is empty or beyond the declared number of directories.
    pub fn directory(&self, which: Directory) -> Option<(u32, u32)> {
        let index = which as usize;
        self.directories.get(index).copied().filter(|(address, _)| index < self.declared_directories && *address != 0)
    }

    /// Address of the CLI header. One beyond the declared number of directories counts when it leads to the beginning of
    /// a CLI header, because versions of the runtime before 4.5 take it.
    pub fn cli_header(&self) -> Option<u32> {
        let (address, _) = self.directories[Directory::Cli as usize];
        let is_hidden = self.declared_directories <= Directory::Cli as usize;
        let is_plausible = || self.offset_of(address).and_then(|header| self.file.u32_at(header)) == Some(72);
        (address != 0 && (!is_hidden || is_plausible())).then_some(address)
    }

    /// File offset of an address in memory.
    pub fn offset_of(&self, address: u32) -> Option<u64> {
        let section = self.sections.iter().find(|section| {
            let size = section.virtual_size.max(section.size);
            address.checked_sub(section.address).is_some_and(|inside| inside < size)
        });
        let offset = match section {
            Some(section) => u64::from(section.offset) + u64::from(address - section.address),
            // The headers are mapped as they are.
            None if address < self.headers_size => u64::from(address),
            None => return None,
        };
        Some(offset).filter(|offset| *offset < self.file.len())
    }

    /// The first two bytes at an address in memory as a number.
    pub fn u16_at(&self, address: u32) -> Option<u16> {
        self.file.u16_at(self.offset_of(address)?)
    }

    /// Where the bytes of a section lie, as far as the file has them.
    pub fn section_range(&self, section: &Section) -> Range<u64> {
        let start = u64::from(section.offset).min(self.file.len());
        start..(start + u64::from(section.size)).min(self.file.len())
    }

    /// A name of the import table: each byte one character, so that nothing is lost.
    fn name_at(&self, address: u32) -> Option<String> {
        let name = self.file.text(self.offset_of(address)?, 512);
        Some(name.iter().map(|byte| char::from(*byte)).collect())
    }

    /// What the program imports from native libraries.
    pub fn imports(&self) -> Imports {
        let mut imports = Imports::default();
        let table = self.directory(Directory::Import).and_then(|(address, _)| self.offset_of(address));
        let Some(table) = table else { return imports };
        let (mut left, mut names) = (MAX_FUNCTIONS, MAX_NAMES);
        for at in (table..).step_by(20) {
            let Some(entry) = self.file.array::<20>(at) else { break };
            let word = |at: usize| u32_at(&entry, at).unwrap_or(0);
            let (lookup, name, thunk) = (word(0), word(12), word(16));
            if name == 0 {
                break;
            }
            let Some(library) = self.name_at(name) else { break };
            if imports.libraries.len() >= MAX_LIBRARIES {
                imports.is_cut = true;
                break;
            }
            let list = self.offset_of(if lookup != 0 { lookup } else { thunk });
            let functions =
                list.map_or_else(Vec::new, |list| self.functions(list, &mut left, &mut names, &mut imports.is_cut));
            imports.libraries.push((library, functions));
        }
        imports
    }

    /// The functions of one imported library.
    fn functions(&self, list: u64, left: &mut usize, names: &mut usize, is_cut: &mut bool) -> Vec<String> {
        let mut functions = Vec::new();
        let mut at = list;
        loop {
            let slot = match self.is_64 {
                true => self.file.u64_at(at).map(|slot| (slot, slot >> 63 != 0)),
                false => self.file.u32_at(at).map(|slot| (u64::from(slot), slot >> 31 != 0)),
            };
            let Some((slot, is_number)) = slot.filter(|(slot, _)| *slot != 0) else { return functions };
            if *left == 0 || *names == 0 {
                *is_cut = true;
                return functions;
            }
            *left -= 1;
            let low = slot as u32;
            let name = match is_number {
                true => format!("#{}", low & 0xFFFF),
                false => low.checked_add(2).and_then(|address| self.name_at(address)).unwrap_or_default(),
            };
            *names = names.saturating_sub(name.len());
            functions.push(name);
            at += if self.is_64 { 8 } else { 4 };
        }
    }

    /// The version resource.
    pub fn version(&self) -> Option<Version> {
        let (address, _) = self.directory(Directory::Resource)?;
        version::read(self, self.offset_of(address)?)
    }

    /// The debug records: the PDB, and whether the build says that it is reproducible.
    pub fn debug(&self) -> Debug {
        let mut debug = Debug::default();
        let Some((address, size)) = self.directory(Directory::Debug) else { return debug };
        let Some(table) = self.offset_of(address) else { return debug };
        for at in (table..).step_by(28).take(MAX_DEBUG.min(size as usize / 28)) {
            let Some(entry) = self.file.array::<28>(at) else { break };
            let word = |at: usize| u32_at(&entry, at).unwrap_or(0);
            match word(12) {
                2 if debug.code_view.is_none() => {
                    let length = u64::from(word(16)).min(CODE_VIEW + MAX_PDB_PATH);
                    debug.code_view = code_view(&self.file.prefix(u64::from(word(24)), length));
                }
                16 => debug.is_reproducible = true,
                _ => {}
            }
        }
        debug
    }

    /// Where the certificates lie in the file, if they lie in it. Their presence does not mean that they are valid.
    pub fn security(&self) -> Option<Range<u64>> {
        let (offset, size) = self.directory(Directory::Security)?;
        let (start, end) = (u64::from(offset), u64::from(offset) + u64::from(size));
        (end <= self.file.len() && size > 0).then_some(start..end)
    }

    /// The bytes of the image as Authenticode takes them, in order: without the checksum, the certificate entry and the
    /// certificates. A signature and a catalog hold their digest.
    pub fn image_ranges(&self) -> Option<Vec<Range<u64>>> {
        let (length, security) = (self.file.len(), self.security());
        let end = security.as_ref().map_or(length, |range| range.start);
        let after_checksum = self.checksum_at + 4;
        let before = 0..self.checksum_at;
        let mut ranges = match self.security_entry_at {
            Some(entry) => vec![before, after_checksum..entry, entry + 8..end],
            None => vec![before, after_checksum..end],
        };
        ranges.extend(security.map(|range| range.end..length));
        ranges.iter().all(|range| range.start <= range.end && range.end <= length).then_some(ranges)
    }
}

fn code_view(record: &[u8]) -> Option<CodeView> {
    let path = record.get(CODE_VIEW as usize..).filter(|_| record.starts_with(b"RSDS"))?;
    let path = path.split(|byte| *byte == 0).next().unwrap_or(&[]);
    Some(CodeView {
        guid: evidence::guid_text(record.get(4..)?.first_chunk()?),
        age: u32_at(record, 20)?,
        path: String::from_utf8_lossy(path).into_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use sha2::{Digest, Sha256};

    /// A PE32 file of 1024 bytes with one section at address 0x2000, offset 0x200.
    fn small() -> Vec<u8> {
        let mut data = vec![0; 1024];
        data[..2].copy_from_slice(b"MZ");
        put(&mut data, 0x3C, 0x40);
        data[0x40..0x44].copy_from_slice(b"PE\0\0");
        data[0x44..0x46].copy_from_slice(&0x014Cu16.to_le_bytes());
        data[0x46..0x48].copy_from_slice(&1u16.to_le_bytes());
        put(&mut data, 0x48, 0x5E0B_E100);
        data[0x54..0x56].copy_from_slice(&224u16.to_le_bytes());
        data[0x58..0x5A].copy_from_slice(&0x10Bu16.to_le_bytes());
        put(&mut data, 0x58 + 60, 0x200);
        put(&mut data, 0x58 + 92, 16);
        let section = 0x58 + 224;
        data[section..section + 5].copy_from_slice(b".text");
        put(&mut data, section + 8, 0x200);
        put(&mut data, section + 12, 0x2000);
        put(&mut data, section + 16, 0x200);
        put(&mut data, section + 20, 0x200);
        data
    }

    fn put(data: &mut [u8], at: usize, value: u32) {
        data[at..at + 4].copy_from_slice(&value.to_le_bytes());
    }

    /// What is read of the bytes, once held and once in pages.
    fn read<T: PartialEq + std::fmt::Debug>(data: &[u8], with: impl Fn(Result<Pe<'_>, NotPe>) -> T) -> T {
        let bytes = data.to_vec();
        let held = with(Pe::parse(&Pages::program(&bytes, u64::MAX)));
        assert_eq!(held, with(Pe::parse(&Pages::program(&bytes, 0))));
        held
    }

    fn parse<T: PartialEq + std::fmt::Debug>(data: &[u8], with: impl Fn(Pe<'_>) -> T) -> T {
        read(data, |pe| with(pe.unwrap()))
    }

    fn error(data: &[u8]) -> NotPe {
        read(data, |pe| pe.err().unwrap())
    }

    fn image_hash(pe: &Pe<'_>) -> Option<Vec<u8>> {
        let mut hasher = Sha256::new();
        for range in pe.image_ranges()? {
            hasher.update(pe.file.prefix(range.start, range.end - range.start));
        }
        Some(hasher.finalize().to_vec())
    }

    #[test]
    fn headers_and_addresses() {
        let data = small();
        parse(&data, |pe| {
            assert_eq!((pe.machine, pe.timestamp, pe.timestamp_at, pe.is_64), (0x014C, 0x5E0B_E100, 0x48, false));
            assert!(pe.malformed.is_empty(), "{:?}", pe.malformed);
            assert_eq!(pe.sections[0].name, ".text");
            assert_eq!(pe.offset_of(0x2010), Some(0x210));
            assert_eq!(pe.offset_of(0x40), Some(0x40), "headers are mapped as they are");
            assert_eq!((pe.offset_of(0x1FFF), pe.offset_of(0x2200)), (None, None));
        });
    }

    #[test]
    fn what_is_no_pe_file_says_why() {
        let mut data = small();
        assert_eq!(error(b""), NotPe::NoDosHeader);
        assert_eq!(error(b"MZ"), NotPe::CutOff { offset: 0x3C });
        assert_eq!(error(&data[..0x50]), NotPe::CutOff { offset: 0x58 });
        data[0x58] = 7;
        assert_eq!(error(&data), NotPe::UnknownOptionalHeader { offset: 0x58, magic: 0x107 });
        data[0x40] = b'N';
        assert_eq!(error(&data), NotPe::NoPeHeader { offset: 0x40 });
    }

    #[test]
    fn a_cli_header_behind_a_small_number_of_directories_is_found() {
        let mut data = small();
        put(&mut data, 0x58 + 96 + 14 * 8, 0x2000);
        assert_eq!(parse(&data, |pe| pe.cli_header()), Some(0x2000));
        put(&mut data, 0x58 + 92, 14);
        assert_eq!(parse(&data, |pe| pe.cli_header()), None, "leads to no CLI header");
        put(&mut data, 0x200, 72);
        let (header, malformed) = parse(&data, |pe| (pe.cli_header(), pe.malformed));
        assert_eq!(header, Some(0x2000));
        assert_eq!(malformed, ["the header declares 14 data directories instead of 16"]);
    }

    #[test]
    fn the_image_hash_leaves_out_what_signing_changes() {
        let plain = small();
        let hash = |data: &[u8]| parse(data, |pe| image_hash(&pe).unwrap());
        let expected = {
            let mut left = plain.clone();
            left.drain(0x58 + 96 + 32..0x58 + 96 + 40);
            left.drain(0x58 + 64..0x58 + 68);
            Sha256::digest(&left).to_vec()
        };
        assert_eq!(hash(&plain), expected);
        let mut signed = plain.clone();
        signed.extend([0xAA; 64]);
        put(&mut signed, 0x58 + 64, 0x1234_5678);
        put(&mut signed, 0x58 + 96 + 32, 1024);
        put(&mut signed, 0x58 + 96 + 36, 64);
        assert_eq!(hash(&signed), expected);
        put(&mut signed, 0x58 + 96 + 36, 6400);
        assert_eq!(parse(&signed, |pe| pe.security()), None, "certificates beyond the end");
    }

    #[test]
    fn imports_by_name_and_by_number_and_in_a_circle() {
        let mut data = small();
        put(&mut data, 0x58 + 96 + 8, 0x2000);
        put(&mut data, 0x200, 0x2040);
        put(&mut data, 0x20C, 0x2080);
        put(&mut data, 0x240, 0x2090);
        put(&mut data, 0x244, 0x8000_0007);
        data[0x280..0x28B].copy_from_slice(b"kernel32.dl");
        data[0x292..0x299].copy_from_slice(b"LoadLib");
        let imports = parse(&data, |pe| pe.imports());
        assert_eq!(imports.libraries, [("kernel32.dl".into(), vec!["LoadLib".to_owned(), "#7".to_owned()])]);
        // Every descriptor points to a list that never ends.
        let mut circle = vec![0x20; 1 << 20];
        circle[..1024].copy_from_slice(&small());
        put(&mut circle, 0x58 + 96 + 8, 0x2000);
        put(&mut circle, 0x58 + 224 + 8, 1 << 30);
        for at in (0x200..1 << 20).step_by(4) {
            put(&mut circle, at, 0x2000);
        }
        assert!(parse(&circle, |pe| pe.imports().is_cut));
    }

    #[test]
    fn debug_records() {
        let mut data = small();
        put(&mut data, 0x58 + 96 + 48, 0x2000);
        put(&mut data, 0x58 + 96 + 52, 56);
        put(&mut data, 0x200 + 12, 2);
        put(&mut data, 0x200 + 16, 30);
        put(&mut data, 0x200 + 24, 0x300);
        put(&mut data, 0x21C + 12, 16);
        data[0x300..0x304].copy_from_slice(b"RSDS");
        data[0x304..0x314].copy_from_slice(&[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16]);
        put(&mut data, 0x314, 3);
        data[0x318..0x31D].copy_from_slice(b"a.pdb");
        let debug = parse(&data, |pe| pe.debug());
        assert!(debug.is_reproducible);
        let expected = CodeView { guid: "{04030201-0605-0807-090A-0B0C0D0E0F10}".into(), age: 3, path: "a.pdb".into() };
        assert_eq!(debug.code_view, Some(expected));
    }

    #[test]
    fn hostile_headers() {
        let mut data = vec![0xFF; 4096];
        data[..2].copy_from_slice(b"MZ");
        put(&mut data, 0x3C, 64);
        data[64..68].copy_from_slice(b"PE\0\0");
        data[88..90].copy_from_slice(&0x20Bu16.to_le_bytes());
        parse(&data, |pe| {
            assert!(pe.imports().libraries.is_empty());
            assert!(pe.version().is_none());
            assert_eq!((pe.security(), pe.debug()), (None, Debug::default()));
            assert!(pe.malformed.iter().any(|text| text.contains("65535 sections")));
        });
        for end in 0..data.len() {
            let _ = read(&data[..end], |pe| pe.map(|pe| (pe.imports(), pe.version(), image_hash(&pe))));
        }
    }
}
