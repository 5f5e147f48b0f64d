//! CLI metadata of .NET assemblies: streams, heaps, tables. Reads, never loads.
//!
//! Malware changes this metadata so that readers stumble while the runtime does not. Nothing is refused that can be
//! read, row counts are believed only as far as the stream has bytes for them, and what is odd is listed.
//!
//! Reference: ECMA-335, partition II, sections 22 to 24.

mod schema;

pub use schema::{Column, Table, coded};

use super::pe::{Directory, Pe, u16_at, u32_at};
use schema::{SCHEMAS, width_of};

/// Most rows of one table that are read.
const MAX_ROWS: u32 = 1 << 24;
/// Longest name that is read.
const MAX_NAME: usize = 4096;

/// The CLI header and the metadata behind it.
#[derive(Clone, Debug)]
pub struct Metadata<'a> {
    file: &'a [u8],
    /// Flags of the CLI header: 1 IL only, 2 32-bit, 8 strong-name signed, 16 native entry point.
    pub flags: u32,
    /// Whether the strong name signature directory is there and filled.
    pub has_strong_name_signature: bool,
    /// Version of the runtime that the assembly was built for, `v4.0.30319`.
    pub runtime_version: String,
    /// What is odd about the metadata.
    pub malformed: Vec<String>,
    strings: &'a [u8],
    guids: &'a [u8],
    blobs: &'a [u8],
    tables: [TablePlace; 64],
    wide: (bool, bool, bool),
    /// Row counts as claimed: the widths of indexes depend on them, also where fewer rows are there.
    claimed: [u32; 64],
}

#[derive(Clone, Copy, Debug, Default)]
struct TablePlace {
    rows: u32,
    row_size: u32,
    offset: usize,
}

impl<'a> Metadata<'a> {
    /// Reads the metadata of a PE file; `None` when it has no CLI header or no metadata root.
    pub fn parse(pe: &Pe<'a>, file: &'a [u8]) -> Option<Self> {
        let (address, _) = pe.directory(Directory::Cli)?;
        let header = pe.at(address)?;
        let root_at = pe.offset_of(u32_at(header, 8)?)?;
        let root = file.get(root_at..)?;
        if root.get(..4)? != b"BSJB" {
            return None;
        }
        let version_length = u32_at(root, 12)? as usize;
        let version = root.get(16..16usize.checked_add(version_length)?)?;
        let version = version.split(|byte| *byte == 0).next().unwrap_or(&[]);
        let signature = u32_at(header, 32).unwrap_or(0);
        let mut metadata = Metadata {
            file,
            flags: u32_at(header, 16)?,
            has_strong_name_signature: signature != 0
                && pe.at(signature).is_some_and(|bytes| bytes.iter().take(16).any(|byte| *byte != 0)),
            runtime_version: String::from_utf8_lossy(&version[..version.len().min(256)]).into_owned(),
            malformed: Vec::new(),
            strings: &[],
            guids: &[],
            blobs: &[],
            tables: [TablePlace::default(); 64],
            wide: (false, false, false),
            claimed: [0; 64],
        };
        metadata.read_streams(root, 16 + version_length);
        Some(metadata)
    }

    fn odd(&mut self, text: impl Into<String>) {
        if self.malformed.len() < 50 {
            self.malformed.push(text.into());
        }
    }

    fn read_streams(&mut self, root: &'a [u8], at: usize) {
        let count = usize::from(u16_at(root, at + 2).unwrap_or(0));
        let mut at = at + 4;
        let mut tables = None;
        let mut seen: Vec<&[u8]> = Vec::new();
        for _ in 0..count.min(64) {
            let (Some(offset), Some(size)) = (u32_at(root, at), u32_at(root, at + 4)) else { break };
            let name = root.get(at + 8..).unwrap_or(&[]);
            let length = name.iter().take(32).position(|byte| *byte == 0).unwrap_or(name.len().min(32));
            let name = &name[..length];
            at += 8 + (length + 1).next_multiple_of(4);
            let bytes = root.get(offset as usize..).unwrap_or(&[]);
            if bytes.len() < size as usize {
                self.odd(format!("stream {} is longer than the file", name.escape_ascii()));
            }
            let bytes = &bytes[..bytes.len().min(size as usize)];
            if seen.contains(&name) {
                self.odd(format!("stream {} stands twice; the first is read", name.escape_ascii()));
                continue;
            }
            seen.push(name);
            match name {
                b"#Strings" => self.strings = bytes,
                b"#GUID" => self.guids = bytes,
                b"#Blob" => self.blobs = bytes,
                b"#~" => tables = Some(bytes),
                b"#-" => {
                    self.odd("the tables are stored as #-, which compilers do not write");
                    tables = Some(bytes);
                }
                b"#US" | b"#Pdb" | b"#JTD" => {}
                other => self.odd(format!("unknown stream {}", other.escape_ascii())),
            }
        }
        match tables {
            Some(tables) => self.read_tables(tables),
            None => self.odd("there are no tables"),
        }
    }

    fn read_tables(&mut self, data: &'a [u8]) {
        let (Some(heaps), Some(low), Some(high)) = (data.get(6).copied(), u32_at(data, 8), u32_at(data, 12)) else {
            self.odd("the header of the tables is cut off");
            return;
        };
        self.wide = (heaps & 1 != 0, heaps & 2 != 0, heaps & 4 != 0);
        let valid = u64::from(low) | u64::from(high) << 32;
        let mut at = 24;
        let mut rows = [0u32; 64];
        for (index, slot) in rows.iter_mut().enumerate() {
            if valid >> index & 1 == 1 {
                *slot = u32_at(data, at).unwrap_or(0);
                at += 4;
            }
        }
        if heaps & 0x40 != 0 {
            at += 4;
        }
        self.claimed = rows;
        let base = (data.as_ptr() as usize).wrapping_sub(self.file.as_ptr() as usize);
        for index in 0..64 {
            if valid >> index & 1 == 0 {
                continue;
            }
            let Some(schema) = SCHEMAS.get(index).filter(|schema| !schema.is_empty()) else {
                self.odd(format!("table {index:#04x} is unknown; tables behind it are not read"));
                return;
            };
            let row_size: u32 = schema.iter().map(|column| width_of(*column, &rows, self.wide)).sum();
            let fit = data.len().saturating_sub(at) as u64 / u64::from(row_size.max(1));
            let there = u64::from(rows[index]).min(fit).min(u64::from(MAX_ROWS)) as u32;
            if there < rows[index] {
                self.odd(format!("table {index:#04x} claims {} rows, the stream has room for {there}", rows[index]));
            }
            self.tables[index] = TablePlace { rows: there, row_size, offset: base.wrapping_add(at) };
            at = at.saturating_add(rows[index] as usize * row_size as usize);
        }
    }

    /// Number of readable rows of a table.
    pub fn rows(&self, table: Table) -> u32 {
        self.tables[table as usize].rows
    }

    /// File offset of a row (1-based), for citations.
    pub fn row_offset(&self, table: Table, row: u32) -> Option<u64> {
        let place = self.tables[table as usize];
        if row == 0 || row > place.rows {
            return None;
        }
        Some(place.offset as u64 + u64::from(row - 1) * u64::from(place.row_size))
    }

    /// One column of a row (1-based).
    pub fn cell(&self, table: Table, row: u32, column: usize) -> Option<u32> {
        let start = usize::try_from(self.row_offset(table, row)?).ok()?;
        let schema = SCHEMAS[table as usize];
        let before: u32 = schema.get(..column)?.iter().map(|one| width_of(*one, &self.claimed, self.wide)).sum();
        let at = start + before as usize;
        match width_of(*schema.get(column)?, &self.claimed, self.wide) {
            2 => u16_at(self.file, at).map(u32::from),
            _ => u32_at(self.file, at),
        }
    }

    /// A name of the #Strings heap, empty where the index leads nowhere.
    pub fn string(&self, index: u32) -> String {
        let bytes = self.strings.get(index as usize..).unwrap_or(&[]);
        let length = bytes.iter().take(MAX_NAME).position(|byte| *byte == 0).unwrap_or(bytes.len().min(MAX_NAME));
        String::from_utf8_lossy(&bytes[..length]).into_owned()
    }

    /// The name in a column of a row.
    pub fn name(&self, table: Table, row: u32, column: usize) -> String {
        self.cell(table, row, column).map(|index| self.string(index)).unwrap_or_default()
    }

    /// A GUID of the #GUID heap (1-based).
    pub fn guid(&self, index: u32) -> Option<String> {
        let at = (index as usize).checked_sub(1)?.checked_mul(16)?;
        Some(super::pe::guid(self.guids.get(at..at + 16)?))
    }

    /// A blob.
    pub fn blob(&self, index: u32) -> Option<&'a [u8]> {
        let bytes = self.blobs.get(index as usize..)?;
        let (length, head) = compressed(bytes)?;
        bytes.get(head..head.checked_add(length as usize)?)
    }

    /// The rows that a list column gives to a row: from its own index up to that of the next row.
    pub fn range(&self, table: Table, row: u32, column: usize, of: Table) -> std::ops::Range<u32> {
        let last = self.rows(of) + 1;
        let from = self.cell(table, row, column).unwrap_or(last).clamp(1, last);
        let to = if row < self.rows(table) { self.cell(table, row + 1, column).unwrap_or(last) } else { last };
        from..to.clamp(from, last)
    }
}

/// A compressed number: its value and how many bytes it takes.
pub fn compressed(bytes: &[u8]) -> Option<(u32, usize)> {
    let first = *bytes.first()?;
    if first & 0x80 == 0 {
        Some((u32::from(first), 1))
    } else if first & 0x40 == 0 {
        Some((u32::from(first & 0x3F) << 8 | u32::from(*bytes.get(1)?), 2))
    } else {
        let rest = bytes.get(1..4)?;
        Some((
            u32::from(first & 0x1F) << 24 | u32::from(rest[0]) << 16 | u32::from(rest[1]) << 8 | u32::from(rest[2]),
            4,
        ))
    }
}
