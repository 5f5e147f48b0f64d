//! CLI metadata of .NET assemblies: streams, heaps, tables. Reads, never loads.
//!
//! Malware changes this metadata so that readers stumble while the runtime does not. Nothing is refused that can be
//! read, row counts are believed only as far as the stream has bytes for them, and what is odd is listed in
//! [`Metadata::malformed`]. Tables and heaps are read where they lie, row by row; nothing is allocated in proportion to a
//! number that the file claims, or to its length.
//!
//! Reference: ECMA-335, partition II, sections 22 to 25.

mod attribute;
mod schema;
mod signature;

pub use attribute::{Argument, fixed_arguments};
pub use schema::{Coded, Column, Table, coded};
pub use signature::{MethodShape, ParameterKind, generic_base, method_shape};

use super::pages::Pages;
use super::pe::Pe;
use schema::{COLUMNS, SCHEMAS, width_of};
use std::borrow::Cow;
use std::ops::Range;

/// Most rows of one table that are read.
const MAX_ROWS: u32 = 1 << 24;
/// Longest name that is read, bytes. The runtime itself takes no longer type or member names.
const MAX_NAME: u64 = 1023;
/// Most of a blob that is read, bytes: no key, signature or attribute of an honest file is a tenth of it.
pub(crate) const MAX_BLOB: u64 = 1 << 20;
/// Most streams that are read.
const MAX_STREAMS: usize = 64;
/// Most oddities that are listed.
const MAX_ODD: usize = 50;

/// The CLI header and the metadata behind it.
#[derive(Clone)]
pub struct Metadata<'a> {
    file: &'a Pages<'a>,
    /// Flags of the CLI header: 1 IL only, 2 32-bit, 8 strong-name signed, 16 native entry point.
    pub flags: u32,
    /// Whether the strong name signature directory is there and filled; not that the signature is right.
    pub has_strong_name_signature: bool,
    /// Whether the file says that it is a native image made from an assembly.
    pub is_native_image: bool,
    /// Version of the runtime that the assembly was built for, `v4.0.30319`.
    pub runtime_version: String,
    /// What is odd about the metadata.
    pub malformed: Vec<String>,
    /// Those of them that cost rows or names, so that something may be there that is not seen.
    pub lost: Vec<String>,
    strings: Stream,
    guids: Stream,
    blobs: Stream,
    tables: [Place; 64],
    /// How much of the file could not be read before.
    failed: usize,
}

/// Where a stream lies in the file, as far as the file has it.
#[derive(Clone, Copy, Debug, Default)]
struct Stream {
    offset: u64,
    length: u64,
}

impl Stream {
    /// Where so many bytes stand of which the first is at this index; `None` where they are not all in the stream.
    fn place(self, index: u64, length: u64) -> Option<u64> {
        (index.checked_add(length)? <= self.length).then_some(self.offset + index)
    }
}

/// Where a table lies and how its rows are laid out.
#[derive(Clone, Copy, Debug, Default)]
struct Place {
    rows: u32,
    row_size: u32,
    offset: u64,
    /// Where each column begins in a row, and behind the last one the size of a row.
    columns: [u8; COLUMNS + 1],
}

impl<'a> Metadata<'a> {
    /// Reads the metadata of a PE file that has a CLI header at this address.
    ///
    /// # Errors
    /// What cannot be found.
    pub fn parse(pe: &Pe<'a>, cli_header: u32) -> Result<Self, String> {
        let file = pe.file;
        let header = pe.offset_of(cli_header).ok_or("the CLI header lies outside of the file")?;
        let field = |at: u64| file.u32_at(header + at).ok_or("the CLI header is cut off");
        let root = pe.offset_of(field(8)?).ok_or("the metadata lies outside of the file")?;
        let found = file.prefix(root, 4);
        if *found != *b"BSJB" {
            let found: String = found.iter().map(|byte| format!("{byte:02x}")).collect();
            return Err(format!("at offset {root:#x} stands {found} instead of the signature of metadata"));
        }
        let version_length = u64::from(file.u32_at(root + 12).ok_or("the metadata root is cut off")?);
        if root + 16 + version_length > file.len() {
            return Err("the runtime version is cut off".to_owned());
        }
        let version = file.text(root + 16, version_length.min(255));
        let signature = field(32)?;
        let mut metadata = Metadata {
            file,
            flags: field(16)?,
            has_strong_name_signature: signature != 0
                && pe.offset_of(signature).is_some_and(|at| file.prefix(at, 16).iter().any(|byte| *byte != 0)),
            is_native_image: file.u32_at(header + 64).unwrap_or(0) != 0,
            runtime_version: String::from_utf8_lossy(&version).into_owned(),
            malformed: Vec::new(),
            lost: Vec::new(),
            strings: Stream::default(),
            guids: Stream::default(),
            blobs: Stream::default(),
            tables: [Place::default(); 64],
            failed: file.failed(),
        };
        if field(0)? != 72 {
            metadata.odd(format!("the CLI header says that it has {} bytes instead of 72", field(0)?));
        }
        if file.len() - root < u64::from(field(12)?) {
            metadata.lose("the metadata is said to reach beyond the end of the file");
        }
        metadata.read_streams(root, root + 16 + version_length);
        Ok(metadata)
    }

    fn odd(&mut self, text: impl Into<String>) {
        if self.malformed.len() < MAX_ODD {
            self.malformed.push(text.into());
        }
    }

    fn lose(&mut self, text: impl Into<String>) {
        let text = text.into();
        self.odd(text.clone());
        if self.lost.len() < MAX_ODD {
            self.lost.push(text);
        }
    }

    fn read_streams(&mut self, root: u64, at: u64) {
        let file = self.file;
        let count = usize::from(file.u16_at(at + 2).unwrap_or(0));
        if count > MAX_STREAMS {
            self.lose(format!("{count} streams are declared, the first {MAX_STREAMS} are read"));
        }
        let mut at = at + 4;
        let mut tables = None;
        let mut is_delta = false;
        let mut seen: Vec<Cow<'_, [u8]>> = Vec::new();
        for _ in 0..count.min(MAX_STREAMS) {
            let (Some(offset), Some(size)) = (file.u32_at(at), file.u32_at(at + 4)) else {
                self.lose("the list of streams is cut off");
                break;
            };
            let name = file.text(at + 8, 32);
            at += 8 + (name.len() as u64 + 1).next_multiple_of(4);
            let offset = root + u64::from(offset);
            let stream = Stream { offset, length: file.len().saturating_sub(offset).min(u64::from(size)) };
            if stream.length < u64::from(size) {
                self.lose(format!("stream {} is longer than the file", name.escape_ascii()));
            }
            if seen.contains(&name) {
                self.odd(format!("stream {} stands twice; the last is read, as the runtime does", name.escape_ascii()));
            }
            match &*name {
                b"#Strings" => self.strings = stream,
                b"#GUID" => self.guids = stream,
                b"#Blob" => self.blobs = stream,
                b"#~" => tables = Some(stream),
                b"#-" => {
                    self.odd("the tables are stored as #-, which compilers do not write");
                    tables = Some(stream);
                }
                b"#JTD" => is_delta = true,
                b"#US" | b"#Pdb" => {}
                other => self.odd(format!("unknown stream {}", other.escape_ascii())),
            }
            seen.push(name);
        }
        match tables {
            Some(tables) => self.read_tables(tables, is_delta),
            None => self.lose("there are no tables"),
        }
    }

    fn read_tables(&mut self, stream: Stream, is_delta: bool) {
        let file = self.file;
        let heaps = stream.place(6, 1).and_then(|at| file.array(at));
        let valid = stream.place(8, 8).and_then(|at| file.u64_at(at));
        let (Some([heaps]), Some(valid)) = (heaps, valid) else {
            self.lose("the header of the tables is cut off");
            return;
        };
        let wide_heaps = (heaps & 1 != 0, heaps & 2 != 0, heaps & 4 != 0);
        let mut at = 24u64;
        let mut claimed = [0u32; 64];
        for (index, slot) in claimed.iter_mut().enumerate() {
            if valid >> index & 1 == 1 {
                *slot = stream.place(at, 4).and_then(|at| file.u32_at(at)).unwrap_or(0);
                at += 4;
            }
        }
        if heaps & 0x40 != 0 {
            at += 4;
        }
        for index in (0..64).filter(|index| valid >> index & 1 == 1) {
            let Some(schema) = SCHEMAS.get(index) else {
                self.lose(format!("table {index:#04x} is unknown; it and what is behind it is not read"));
                return;
            };
            let mut place = Place::default();
            let mut size = 0;
            for (slot, column) in place.columns.iter_mut().zip(schema.iter().map(Some).chain([None])) {
                *slot = size;
                // Widths follow from the claimed counts, as in the runtime, also where fewer rows are there.
                size += column.map_or(0, |column| width_of(*column, &claimed, wide_heaps, is_delta));
            }
            let fit = stream.length.saturating_sub(at) / u64::from(size);
            place.row_size = u32::from(size);
            place.rows = u64::from(claimed[index]).min(fit).min(u64::from(MAX_ROWS)) as u32;
            place.offset = stream.offset + at;
            if place.rows < claimed[index] {
                self.lose(format!(
                    "table {index:#04x} claims {} rows, the stream has room for {}",
                    claimed[index], place.rows
                ));
            }
            at += u64::from(claimed[index]) * u64::from(size);
            self.tables[index] = place;
        }
    }

    /// Number of readable rows of a table.
    pub fn rows(&self, table: Table) -> u32 {
        self.tables[table as usize].rows
    }

    /// Number of readable rows of every table, by table number.
    pub fn counts(&self) -> impl Iterator<Item = (usize, u32)> + '_ {
        self.tables.iter().map(|place| place.rows).enumerate()
    }

    /// File offset of a row (1-based), for citations.
    pub fn row_offset(&self, table: Table, row: u32) -> Option<u64> {
        let place = &self.tables[table as usize];
        if row == 0 || row > place.rows {
            return None;
        }
        Some(place.offset + u64::from(row - 1) * u64::from(place.row_size))
    }

    /// One column of a row (1-based).
    pub fn cell(&self, table: Table, row: u32, column: usize) -> Option<u32> {
        let start = self.row_offset(table, row)?;
        let columns = &self.tables[table as usize].columns;
        let (from, to) = (*columns.get(column)?, *columns.get(column + 1)?);
        match to.checked_sub(from)? {
            2 => self.file.u16_at(start + u64::from(from)).map(u32::from),
            4 => self.file.u32_at(start + u64::from(from)),
            _ => None,
        }
    }

    /// Table number and row of a coded index in a column; `None` where the index is null, unused or unreadable.
    pub fn target(&self, table: Table, row: u32, column: usize) -> Option<(u8, u32)> {
        let Some(Column::Coded(coded)) = SCHEMAS[table as usize].get(column) else { return None };
        coded.decode(self.cell(table, row, column)?).filter(|(_, row)| *row != 0)
    }

    /// A name of the #Strings heap as it is stored, empty where the index leads nowhere.
    pub fn name_bytes(&self, index: u32) -> Cow<'a, [u8]> {
        let index = u64::from(index);
        self.file.text(self.strings.offset + index, self.strings.length.saturating_sub(index).min(MAX_NAME))
    }

    /// The name in a column of a row. Bytes that are no UTF-8 become U+FFFD.
    pub fn name(&self, table: Table, row: u32, column: usize) -> String {
        let bytes = self.cell(table, row, column).map(|index| self.name_bytes(index)).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// A GUID of the #GUID heap (1-based).
    pub fn guid(&self, index: u32) -> Option<String> {
        let at = self.guids.place(u64::from(index.checked_sub(1)?) * 16, 16)?;
        Some(evidence::guid_text(&self.file.array(at)?))
    }

    /// A blob of the #Blob heap, of a very long one its beginning; `None` where it is not all there.
    pub fn blob(&self, index: u32) -> Option<Cow<'a, [u8]>> {
        let index = u64::from(index);
        let left = self.blobs.length.checked_sub(index)?;
        let (length, head) = compressed(&self.file.prefix(self.blobs.offset + index, left.min(4)))?;
        let at = self.blobs.place(index + head as u64, u64::from(length))?;
        let length = u64::from(length).min(MAX_BLOB);
        Some(self.file.prefix(at, length)).filter(|blob| blob.len() as u64 == length)
    }

    /// The blob in a column of a row.
    pub fn blob_of(&self, table: Table, row: u32, column: usize) -> Option<Cow<'a, [u8]>> {
        self.blob(self.cell(table, row, column)?)
    }

    /// Whether something of it was asked for and could not be read.
    pub fn is_unread(&self) -> bool {
        self.file.failed() > self.failed
    }

    /// Whether a name begins with this byte.
    pub(crate) fn begins_with(&self, index: u32, byte: u8) -> bool {
        self.strings.place(u64::from(index), 1).and_then(|at| self.file.array(at)) == Some([byte])
    }

    /// Whether the lists of the types lead over MethodPtr, which only uncompressed tables have.
    pub(crate) fn is_indirect(&self) -> bool {
        self.rows(Table::MethodPtr) > 0
    }

    /// The rows that a type's list of methods gives it, of MethodDef or of MethodPtr: from its own index up to that of the
    /// next type.
    pub(crate) fn method_list(&self, type_row: u32) -> Range<u32> {
        let last = self.rows(if self.is_indirect() { Table::MethodPtr } else { Table::MethodDef }) + 1;
        let from = self.cell(Table::TypeDef, type_row, 5).unwrap_or(last).clamp(1, last);
        let to = match type_row < self.rows(Table::TypeDef) {
            true => self.cell(Table::TypeDef, type_row + 1, 5).unwrap_or(last),
            false => last,
        };
        from..to.clamp(from, last)
    }

    /// The MethodDef rows of a type.
    pub fn methods_of(&self, type_row: u32) -> impl Iterator<Item = u32> + '_ {
        let is_indirect = self.is_indirect();
        self.method_list(type_row).map(move |row| match is_indirect {
            true => self.cell(Table::MethodPtr, row, 0).unwrap_or(0),
            false => row,
        })
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

#[cfg(test)]
mod tests {
    use super::*;

    /// A PE file whose only section is the CLI header and these metadata.
    fn file(metadata: &[u8]) -> Vec<u8> {
        let mut data = vec![0; 0x200];
        let mut put = |at: usize, value: u32| data[at..at + 4].copy_from_slice(&value.to_le_bytes());
        put(0, 0x5A4D);
        put(0x3C, 0x40);
        put(0x40, 0x4550);
        put(0x44, 0x0001_014C);
        put(0x54, 224);
        put(0x58, 0x10B);
        put(0x58 + 92, 16);
        put(0x58 + 96 + 14 * 8, 0x2000);
        put(0x138 + 8, 0x1000_0000);
        put(0x138 + 12, 0x2000);
        put(0x138 + 20, 0x200);
        let mut header = [0; 72];
        header[0] = 72;
        header[8..12].copy_from_slice(&(0x2000u32 + 72).to_le_bytes());
        header[16] = 1;
        data.extend(header);
        data.extend(metadata);
        data
    }

    fn root(streams: &[(&str, &[u8])]) -> Vec<u8> {
        let mut out = b"BSJB\x01\0\x01\0\0\0\0\0\x0C\0\0\0v4.0.30319\0\0\0\0".to_vec();
        out.extend((streams.len() as u16).to_le_bytes());
        let headers: usize = streams.iter().map(|(name, _)| 8 + (name.len() + 1).next_multiple_of(4)).sum();
        let mut offset = out.len() + headers;
        for (name, bytes) in streams {
            out.extend((offset as u32).to_le_bytes());
            out.extend((bytes.len() as u32).to_le_bytes());
            out.extend(name.bytes());
            out.resize(out.len() + (name.len() + 1).next_multiple_of(4) - name.len(), 0);
            offset += bytes.len();
        }
        streams.iter().for_each(|(_, bytes)| out.extend(*bytes));
        out
    }

    fn tables(heaps: u8, counts: &[(u8, u32)], rows: &[u8]) -> Vec<u8> {
        let mut out = vec![0, 0, 0, 0, 2, 0, heaps, 1];
        out.extend(counts.iter().fold(0u64, |valid, (table, _)| valid | 1 << table).to_le_bytes());
        out.extend([0; 8]);
        counts.iter().for_each(|(_, count)| out.extend(count.to_le_bytes()));
        out.extend(rows);
        out
    }

    /// What is read of the bytes, once held and once in pages.
    fn read<T: PartialEq + std::fmt::Debug>(data: &[u8], with: impl Fn(Result<Metadata<'_>, String>) -> T) -> T {
        let bytes = data.to_vec();
        let read = |kept| {
            let pages = Pages::program(&bytes, kept);
            with(Metadata::parse(&Pe::parse(&pages).unwrap(), 0x2000))
        };
        let held = read(u64::MAX);
        assert_eq!(held, read(0));
        held
    }

    fn parse<T: PartialEq + std::fmt::Debug>(data: &[u8], with: impl Fn(Metadata<'_>) -> T) -> T {
        read(data, |metadata| with(metadata.unwrap()))
    }

    #[test]
    fn rows_names_guids() {
        let module = [0, 0, 1, 0, 1, 0, 0, 0, 0, 0];
        let data = file(&root(&[
            ("#~", &tables(0, &[(0, 1)], &module)),
            ("#Strings", b"\0a.dll\0"),
            ("#GUID", &[0x11; 16]),
            ("#Blob", &[0, 2, 7, 8]),
        ]));
        parse(&data, |metadata| {
            assert_eq!(metadata.runtime_version, "v4.0.30319");
            assert_eq!(metadata.malformed, [""; 0]);
            assert_eq!((metadata.rows(Table::Module), metadata.rows(Table::TypeDef)), (1, 0));
            assert_eq!(metadata.name(Table::Module, 1, 1), "a.dll");
            assert_eq!(metadata.guid(1).as_deref(), Some("{11111111-1111-1111-1111-111111111111}"));
            assert_eq!((metadata.guid(0), metadata.guid(2), metadata.guid(u32::MAX)), (None, None, None));
            assert_eq!(metadata.blob(1).as_deref(), Some(&[7, 8][..]));
            assert_eq!((metadata.blob(4), metadata.blob(u32::MAX)), (None, None));
            let offset = metadata.row_offset(Table::Module, 1).unwrap() as usize;
            assert_eq!(&data[offset..offset + 10], &module);
            assert_eq!((metadata.cell(Table::Module, 0, 0), metadata.cell(Table::Module, 2, 0)), (None, None));
            assert_eq!(metadata.cell(Table::Module, 1, 5), None);
        });
    }

    #[test]
    fn claimed_rows_cost_nothing() {
        // The widest claim that the format allows, in every table.
        let counts: Vec<(u8, u32)> = (0..45).map(|table| (table, u32::MAX)).collect();
        let data = file(&root(&[("#~", &tables(0xFF, &counts, &[0; 64]))]));
        let (readable, malformed) = parse(&data, |metadata| {
            (metadata.tables.iter().map(|place| u64::from(place.rows)).sum::<u64>(), metadata.malformed)
        });
        assert!(readable < 10, "{readable}");
        assert!(malformed.iter().any(|text| text.contains("claims 4294967295 rows")));
    }

    #[test]
    fn widths_follow_the_claimed_counts() {
        // 0x10000 TypeDefs make the index of a NestedClass four bytes wide; TypeDefOrRef is wide from 0x4000 on.
        let rows = |count: u32, table: Table| {
            let data = file(&root(&[("#~", &tables(0, &[(2, count), (0x29, 1)], &[]))]));
            parse(&data, |metadata| metadata.tables[table as usize].row_size)
        };
        assert_eq!((rows(0xFFFF, Table::NestedClass), rows(0x10000, Table::NestedClass)), (4, 8));
        assert_eq!((rows(0x3FFF, Table::TypeDef), rows(0x4000, Table::TypeDef)), (14, 16));
    }

    #[test]
    fn odd_streams() {
        let first = tables(0, &[(0, 1)], &[0, 0, 1, 0, 0, 0, 0, 0, 0, 0]);
        let data =
            file(&root(&[("#-", &first), ("#Strings", b"\0a\0"), ("#Strings", b"\0b\0"), ("#Bogus", &[1]), ("", &[])]));
        let (name, odd) = parse(&data, |metadata| (metadata.name(Table::Module, 1, 1), metadata.malformed.join("; ")));
        assert_eq!(name, "b");
        for part in ["stored as #-", "#Strings stands twice", "unknown stream #Bogus"] {
            assert!(odd.contains(part), "{odd}");
        }
        assert!(parse(&file(&root(&[])), |metadata| metadata.malformed).contains(&"there are no tables".to_owned()));
        let data = file(&root(&[("#~", &tables(0, &[(0, 1), (50, 9)], &[]))]));
        assert!(parse(&data, |metadata| metadata.malformed).iter().any(|text| text.contains("table 0x32 is unknown")));
    }

    #[test]
    fn methods_through_the_pointer_table() {
        // One type with the list 1.., two MethodPtr rows in turned order, two methods.
        let mut rows = vec![0; 14];
        rows[12] = 1;
        rows.extend([2, 0, 1, 0]);
        rows.extend([0; 28]);
        let data = file(&root(&[("#-", &tables(0, &[(2, 1), (5, 2), (6, 2)], &rows))]));
        assert_eq!(parse(&data, |metadata| metadata.methods_of(1).collect::<Vec<_>>()), [2, 1]);
        assert_eq!(parse(&data, |metadata| metadata.methods_of(9).count()), 0);
    }

    #[test]
    fn what_is_missing_is_named() {
        let whole = file(&root(&[("#~", &tables(0, &[(0, 1)], &[0; 10]))]));
        for end in 0x200..whole.len() {
            if let Some(error) = read(&whole[..end], |metadata| metadata.err()) {
                assert!(!error.is_empty());
            }
        }
        let mut other = whole;
        other[0x200 + 72] = b'X';
        assert_eq!(
            read(&other, |metadata| metadata.err().unwrap()),
            "at offset 0x248 stands 58534a42 instead of the signature of metadata"
        );
    }

    #[test]
    fn compressed_numbers() {
        // The examples of ECMA-335 II.23.2.
        for (bytes, value, length) in [
            (&[0x03][..], 0x03, 1),
            (&[0x7F], 0x7F, 1),
            (&[0x80, 0x80], 0x80, 2),
            (&[0xAE, 0x57], 0x2E57, 2),
            (&[0xBF, 0xFF], 0x3FFF, 2),
            (&[0xC0, 0x00, 0x40, 0x00], 0x4000, 4),
            (&[0xDF, 0xFF, 0xFF, 0xFF], 0x1FFF_FFFF, 4),
        ] {
            assert_eq!(compressed(bytes), Some((value, length)));
            assert_eq!(compressed(&bytes[..length - 1]), None);
        }
    }
}
