//! A lenient reader of cells: it gives what is readable of a damaged structure and allocates nothing by a
//! stored count. It also reads free cells, because that is where deleted keys are.
//!
//! Reference: M. Suhanov, *Windows registry file format specification*, "Format of primary files".

use super::base_block::BASE_BLOCK_LENGTH;
use super::bytes_at::{u16_at, u32_at, u64_at};
use std::borrow::Cow;

/// Longest piece of a value that is split over several cells.
pub(super) const SEGMENT_LENGTH: usize = 16_344;
/// Stands for "none" wherever a cell offset may stand.
pub(super) const NO_CELL: u32 = u32::MAX;

/// The bytes of a hive with its base block.
#[derive(Clone, Copy)]
pub(super) struct Cells<'h> {
    pub(super) bytes: &'h [u8],
    /// Minor version of the format, which decides whether long values are split.
    pub(super) minor_version: u32,
}

/// The content of one cell, without its size field.
#[derive(Clone, Copy)]
pub(super) struct Cell<'h> {
    /// Where `content` starts in the file.
    pub(super) offset: usize,
    pub(super) content: &'h [u8],
    pub(super) allocated: bool,
    /// Whether the cell claims more bytes than the file has.
    pub(super) cut: bool,
}

/// A key node (`nk`). `content` is at least 76 bytes long.
#[derive(Clone, Copy)]
pub(super) struct KeyNode<'h> {
    /// Where the signature stands in the file.
    pub(super) offset: usize,
    pub(super) content: &'h [u8],
}

/// A key value (`vk`). `content` is at least 20 bytes long.
#[derive(Clone, Copy)]
pub(super) struct ValueNode<'h> {
    /// Where the signature stands in the file.
    pub(super) offset: usize,
    pub(super) content: &'h [u8],
}

/// A stored name: one byte a character where all are in Latin-1, else UTF-16.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Name<'h> {
    pub(super) bytes: &'h [u8],
    pub(super) latin1: bool,
}

impl Name<'_> {
    /// Whether it is this ASCII name in any case.
    pub fn is(&self, ascii: &str) -> bool {
        if self.latin1 {
            self.bytes.eq_ignore_ascii_case(ascii.as_bytes())
        } else {
            self.bytes.len() == ascii.len() * 2
                && self
                    .bytes
                    .chunks_exact(2)
                    .zip(ascii.bytes())
                    .all(|(unit, byte)| unit[1] == 0 && unit[0].eq_ignore_ascii_case(&byte))
        }
    }

    /// Whether there are no characters; the default value of a key has no name.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Appends it to a text.
    pub fn push_to(&self, text: &mut String) {
        if self.latin1 {
            if self.bytes.is_ascii() {
                text.push_str(&String::from_utf8_lossy(self.bytes));
            } else {
                text.extend(self.bytes.iter().map(|byte| char::from(*byte)));
            }
        } else {
            let units = self.bytes.chunks_exact(2).map(|unit| u16::from_le_bytes([unit[0], unit[1]]));
            text.extend(char::decode_utf16(units).map(|unit| unit.unwrap_or(char::REPLACEMENT_CHARACTER)));
        }
    }
}

impl std::fmt::Display for Name<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut text = String::with_capacity(self.bytes.len());
        self.push_to(&mut text);
        f.pad(&text)
    }
}

impl<'h> Cells<'h> {
    /// The cell at this offset from the end of the base block, free or not.
    pub(super) fn cell(&self, offset: u32) -> Option<Cell<'h>> {
        let at = BASE_BLOCK_LENGTH.checked_add(offset as usize)?;
        let size = u32_at(self.bytes, at)?.cast_signed();
        let length = size.unsigned_abs() as usize;
        if length < 8 || length > i32::MAX as usize {
            return None;
        }
        let rest = self.bytes.get(at + 4..)?;
        let content = rest.get(..length - 4);
        Some(Cell { offset: at + 4, content: content.unwrap_or(rest), allocated: size < 0, cut: content.is_none() })
    }

    pub(super) fn key_node(&self, offset: u32) -> Option<KeyNode<'h>> {
        KeyNode::new(self.cell(offset)?)
    }

    /// The offsets in a list of subkeys, those of an index root in turn. An offset occurs as often as it is
    /// stored. `None` when there is no list of a known kind; `Some(…, false)` when part of it is missing.
    pub(super) fn subkey_offsets(&self, list: u32) -> Option<(Vec<u32>, bool)> {
        let (signature, items, whole) = self.list(list)?;
        if signature != *b"ri" {
            return Some((items, whole));
        }
        let mut offsets = Vec::new();
        let mut complete = whole;
        // Windows never nests index roots, so a list is read at most twice in a hive of its own making. The
        // limit keeps a file from naming one long list 65,535 times.
        let limit = self.bytes.len() / 8;
        for item in items {
            match self.list(item) {
                Some((signature, items, whole)) if signature != *b"ri" && offsets.len() + items.len() <= limit => {
                    offsets.extend(items);
                    complete &= whole;
                }
                _ => complete = false,
            }
        }
        Some((offsets, complete))
    }

    fn list(&self, offset: u32) -> Option<([u8; 2], Vec<u32>, bool)> {
        let cell = self.cell(offset)?;
        let signature: [u8; 2] = *cell.content.first_chunk()?;
        let width = match &signature {
            b"lf" | b"lh" => 8,
            b"li" | b"ri" => 4,
            _ => return None,
        };
        let count = usize::from(u16_at(cell.content, 2)?);
        let items: Vec<u32> =
            cell.content[4..].chunks_exact(width).take(count).filter_map(|item| u32_at(item, 0)).collect();
        let whole = items.len() == count && cell.allocated;
        Some((signature, items, whole))
    }

    /// The first offsets in a key's list of values, at most `limit`, and whether all that it claims are there.
    pub(super) fn value_offsets(&self, node: &KeyNode<'h>, limit: usize) -> (Vec<u32>, bool) {
        let count = node.value_count() as usize;
        if count == 0 || node.value_list() == NO_CELL {
            return (Vec::new(), count == 0);
        }
        let Some(cell) = self.cell(node.value_list()) else { return (Vec::new(), false) };
        let offsets: Vec<u32> =
            cell.content.chunks_exact(4).take(count.min(limit)).filter_map(|item| u32_at(item, 0)).collect();
        let whole = offsets.len() == count;
        (offsets, whole)
    }

    pub(super) fn value_node(&self, offset: u32) -> Option<ValueNode<'h>> {
        ValueNode::new(self.cell(offset)?)
    }

    /// The data of a value as far as it is there, and whether that is all.
    pub(super) fn data(&self, value: &ValueNode<'h>) -> (Cow<'h, [u8]>, bool) {
        let size = u32_at(value.content, 4).unwrap_or(0);
        let length = value.data_length();
        if size & 0x8000_0000 != 0 {
            let inline = &value.content[8..12];
            return (Cow::Borrowed(&inline[..length.min(4)]), length <= 4);
        }
        let none = (Cow::Borrowed(&[][..]), length == 0);
        if length == 0 {
            return none;
        }
        let Some(cell) = u32_at(value.content, 8).and_then(|offset| self.cell(offset)) else { return none };
        let split = self.minor_version > 3 && length > SEGMENT_LENGTH && cell.content.starts_with(b"db");
        if !split {
            let data = cell.content.get(..length);
            return (Cow::Borrowed(data.unwrap_or(cell.content)), data.is_some());
        }
        let count = usize::from(u16_at(cell.content, 2).unwrap_or(0));
        let Some(segments) = u32_at(cell.content, 4).and_then(|offset| self.cell(offset)) else { return none };
        // The same segment may be named many times, so the sum is held to what the file could hold once.
        let limit = length.min(self.bytes.len());
        let mut data = Vec::new();
        for item in segments.content.chunks_exact(4).take(count) {
            let Some(segment) = u32_at(item, 0).and_then(|offset| self.cell(offset)) else { break };
            let wanted = (limit - data.len()).min(SEGMENT_LENGTH);
            data.extend_from_slice(&segment.content[..wanted.min(segment.content.len())]);
            if segment.content.len() < wanted || data.len() >= limit {
                break;
            }
        }
        let whole = data.len() == length;
        (Cow::Owned(data), whole)
    }
}

impl<'h> KeyNode<'h> {
    /// Length of the fields before the name.
    pub(super) const HEADER: usize = 76;
    /// Windows allows 255 characters, which may be two bytes each.
    pub(super) const LONGEST_NAME: usize = 512;
    /// Flag of the root key.
    pub(super) const ROOT: u16 = 0x0004;

    pub(super) fn new(cell: Cell<'h>) -> Option<Self> {
        Self::at(cell.offset, cell.content)
    }

    pub(super) fn at(offset: usize, content: &'h [u8]) -> Option<Self> {
        (content.len() >= Self::HEADER && content.starts_with(b"nk")).then_some(KeyNode { offset, content })
    }

    fn number(&self, offset: usize) -> u32 {
        u32_at(self.content, offset).unwrap_or(NO_CELL)
    }

    pub(super) fn flags(&self) -> u16 {
        u16_at(self.content, 2).unwrap_or(0)
    }

    pub(super) fn last_written(&self) -> u64 {
        u64_at(self.content, 4).unwrap_or(0)
    }

    pub(super) fn parent(&self) -> u32 {
        self.number(16)
    }

    pub(super) fn subkey_count(&self) -> u32 {
        self.number(20)
    }

    pub(super) fn subkey_list(&self) -> u32 {
        self.number(28)
    }

    pub(super) fn value_count(&self) -> u32 {
        self.number(36)
    }

    pub(super) fn value_list(&self) -> u32 {
        self.number(40)
    }

    pub(super) fn name_length(&self) -> usize {
        usize::from(u16_at(self.content, 72).unwrap_or(0))
    }

    /// The name as far as it is there, and whether that is all.
    pub(super) fn name(&self) -> (Name<'h>, bool) {
        let length = self.name_length().min(Self::LONGEST_NAME);
        let (name, whole) = name(&self.content[Self::HEADER..], length, self.flags() & 0x0020 != 0);
        (name, whole && length == self.name_length())
    }
}

impl<'h> ValueNode<'h> {
    /// Length of the fields before the name.
    pub(super) const HEADER: usize = 20;

    pub(super) fn new(cell: Cell<'h>) -> Option<Self> {
        Self::at(cell.offset, cell.content)
    }

    pub(super) fn at(offset: usize, content: &'h [u8]) -> Option<Self> {
        (content.len() >= Self::HEADER && content.starts_with(b"vk")).then_some(ValueNode { offset, content })
    }

    pub(super) fn name_length(&self) -> usize {
        usize::from(u16_at(self.content, 2).unwrap_or(0))
    }

    /// The name as far as it is there, and whether that is all.
    pub(super) fn name(&self) -> (Name<'h>, bool) {
        let latin1 = u16_at(self.content, 16).unwrap_or(0) & 1 != 0;
        name(&self.content[Self::HEADER..], self.name_length(), latin1)
    }

    /// How many bytes of data it claims.
    pub(super) fn data_length(&self) -> usize {
        (u32_at(self.content, 4).unwrap_or(0) & 0x7FFF_FFFF) as usize
    }

    pub(super) fn type_code(&self) -> u32 {
        u32_at(self.content, 12).unwrap_or(0)
    }
}

fn name(bytes: &[u8], length: usize, latin1: bool) -> (Name<'_>, bool) {
    let stored = bytes.get(..length);
    (Name { bytes: stored.unwrap_or(bytes), latin1 }, stored.is_some())
}
