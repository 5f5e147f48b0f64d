//! The reader of cells: it gives what is readable of a damaged structure and allocates nothing by a stored
//! count. It also reads free cells, because that is where deleted keys are.
//!
//! A cell is a place in the hive. What is read of it is copied where the hive is not in memory, so nodes hold no
//! more than the fields and the name that they are read for.
//!
//! Reference: M. Suhanov, *Windows registry file format specification*, "Format of primary files".

use super::base_block::BASE_BLOCK_LENGTH;
use super::state::State;
use evidence::le::{u16_at, u32_at, u64_at};
use std::borrow::Cow;

/// Longest piece of a value that is split over several cells.
pub(super) const SEGMENT_LENGTH: usize = 16_344;
/// Stands for "none" wherever a cell offset may stand.
pub(super) const NO_CELL: u32 = u32::MAX;
const BASE: u64 = BASE_BLOCK_LENGTH as u64;

/// The cells of one state of a hive.
#[derive(Clone, Copy)]
pub(super) struct Cells<'h> {
    pub(super) state: &'h State<'h>,
}

/// The place of the content of one cell, without its size field.
#[derive(Clone, Copy)]
pub(super) struct Cell<'h> {
    pub(super) cells: Cells<'h>,
    /// Where the content starts in the file.
    pub(super) offset: u64,
    /// How much of it is in the file.
    pub(super) length: u64,
    pub(super) allocated: bool,
    /// Whether the cell claims more bytes than the file has.
    pub(super) cut: bool,
}

/// A key node (`nk`). `content` is at least 76 bytes long.
#[derive(Clone)]
pub(super) struct KeyNode<'h> {
    /// Where the signature stands in the file.
    pub(super) offset: u64,
    content: Cow<'h, [u8]>,
}

/// A key value (`vk`). `content` is at least 20 bytes long.
#[derive(Clone, Debug)]
pub(super) struct ValueNode<'h> {
    /// Where the signature stands in the file.
    pub(super) offset: u64,
    content: Cow<'h, [u8]>,
}

/// A list of subkeys, or of such lists.
#[derive(Clone, Copy)]
struct List<'h> {
    cell: Cell<'h>,
    is_root: bool,
    /// Bytes of one item; its first four are an offset.
    width: u64,
    items: u64,
    whole: bool,
}

/// The offsets in a list of subkeys, those of an index root in turn. An offset occurs as often as it is stored.
#[derive(Clone)]
pub(super) struct SubkeyOffsets<'h> {
    /// The index root, where there is one, and how many of its items were taken.
    root: Option<(List<'h>, u64)>,
    /// The list being read, and how many of its items were taken.
    leaf: Option<(List<'h>, u64)>,
    /// How many offsets may still follow.
    left: u64,
    /// Whether nothing was missing so far.
    complete: bool,
}

/// The offsets in a key's list of values.
#[derive(Clone)]
pub(super) struct ValueOffsets<'h> {
    cells: Cells<'h>,
    at: u64,
    left: u64,
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
    pub(super) fn cell(self, offset: u32) -> Option<Cell<'h>> {
        let at = BASE + u64::from(offset);
        self.cell_of_size(at, self.state.u32_at(at)?)
    }

    fn cell_of_size(self, at: u64, size: u32) -> Option<Cell<'h>> {
        let size = size.cast_signed();
        let length = size.unsigned_abs();
        if !(8..=i32::MAX.unsigned_abs()).contains(&length) {
            return None;
        }
        let (claimed, there) = (u64::from(length) - 4, self.state.len() - (at + 4));
        Some(Cell {
            cells: self,
            offset: at + 4,
            length: claimed.min(there),
            allocated: size < 0,
            cut: claimed > there,
        })
    }

    pub(super) fn key_node(self, offset: u32) -> Option<KeyNode<'h>> {
        KeyNode::new(self.cell(offset)?)
    }

    /// Whether there is a key node, without reading it.
    pub(super) fn is_key_node(self, offset: u32) -> bool {
        let at = BASE + u64::from(offset);
        let head: Option<[u8; 6]> = self.state.array(at);
        head.is_some_and(|[a, b, c, d, signature @ ..]| {
            let cell = self.cell_of_size(at, u32::from_le_bytes([a, b, c, d]));
            signature == *b"nk" && cell.is_some_and(|cell| cell.length >= KeyNode::HEADER as u64)
        })
    }

    /// The offsets in a list of subkeys; `None` when there is no list of a known kind.
    pub(super) fn subkey_offsets(self, list: u32) -> Option<SubkeyOffsets<'h>> {
        let list = self.list(list)?;
        Some(if list.is_root {
            // Windows never nests index roots, so a list is read at most twice in a hive of its own making. The
            // limit keeps a file from naming one long list 65,535 times.
            let left = self.state.len() / 8;
            SubkeyOffsets { root: Some((list, 0)), leaf: None, left, complete: list.whole }
        } else {
            SubkeyOffsets { root: None, leaf: Some((list, 0)), left: u64::MAX, complete: list.whole }
        })
    }

    fn list(self, offset: u32) -> Option<List<'h>> {
        let cell = self.cell(offset)?;
        let [first, second, low, high] = self.state.array(cell.offset).filter(|_| cell.length >= 4)?;
        let (width, is_root) = match &[first, second] {
            b"lf" | b"lh" => (8, false),
            b"li" => (4, false),
            b"ri" => (4, true),
            _ => return None,
        };
        let count = u64::from(u16::from_le_bytes([low, high]));
        let items = count.min((cell.length - 4) / width);
        Some(List { cell, is_root, width, items, whole: items == count && cell.allocated })
    }

    /// The first offsets in a key's list of values, at most `limit`, and whether all that it claims are there.
    pub(super) fn value_offsets(self, node: &KeyNode<'_>, limit: u64) -> (ValueOffsets<'h>, bool) {
        let count = u64::from(node.value_count());
        let none = ValueOffsets { cells: self, at: 0, left: 0 };
        if count == 0 || node.value_list() == NO_CELL {
            return (none, count == 0);
        }
        let Some(cell) = self.cell(node.value_list()) else { return (none, false) };
        let left = count.min(limit).min(cell.length / 4);
        (ValueOffsets { cells: self, at: cell.offset, left }, left == count)
    }

    pub(super) fn value_node(self, offset: u32) -> Option<ValueNode<'h>> {
        ValueNode::new(self.cell(offset)?)
    }

    /// Calls `visit` with the place and length of each piece of a value's data as far as it is in the file, and says
    /// whether that is all.
    pub(super) fn for_each_piece(self, value: &ValueNode<'_>, visit: &mut dyn FnMut(u64, u64)) -> bool {
        let size = u32_at(&value.content, 4).unwrap_or(0);
        let length = value.data_length();
        if size & 0x8000_0000 != 0 {
            visit(value.offset + 8, length.min(4));
            return length <= 4;
        }
        if length == 0 {
            return true;
        }
        let Some(cell) = u32_at(&value.content, 8).and_then(|offset| self.cell(offset)) else { return false };
        let split = self.state.minor_version > 3 && length > SEGMENT_LENGTH as u64;
        if !split || self.state.array(cell.offset) != Some(*b"db") {
            visit(cell.offset, length.min(cell.length));
            return length <= cell.length;
        }
        let count = u64::from(cell.u16_at(2).unwrap_or(0));
        let Some(segments) = cell.u32_at(4).and_then(|offset| self.cell(offset)) else { return false };
        // The same segment may be named many times, so the sum is held to what the file could hold once.
        let limit = length.min(self.state.len());
        let mut found = 0;
        for index in 0..count.min(segments.length / 4) {
            let Some(segment) = segments.u32_at(index * 4).and_then(|offset| self.cell(offset)) else { break };
            let wanted = (limit - found).min(SEGMENT_LENGTH as u64);
            visit(segment.offset, wanted.min(segment.length));
            found += wanted.min(segment.length);
            if segment.length < wanted || found >= limit {
                break;
            }
        }
        found == length
    }

    /// The data of a value as far as it is there, at most `most` bytes.
    pub(super) fn data(self, value: &ValueNode<'_>, most: u64) -> Cow<'h, [u8]> {
        let mut data = Cow::Borrowed(&[][..]);
        let mut left = most;
        self.for_each_piece(value, &mut |offset, length| {
            let length = length.min(left);
            left -= length;
            let piece = self.state.prefix(offset, length);
            if data.is_empty() {
                data = piece;
            } else if !piece.is_empty() {
                data.to_mut().extend_from_slice(&piece);
            }
        });
        data
    }
}

impl<'h> Cell<'h> {
    /// Its offset from the end of the base block, by which other cells name it.
    pub(super) fn number(&self) -> Option<u32> {
        u32::try_from(self.offset.checked_sub(BASE + 4)?).ok()
    }

    /// The first bytes of its content, at most so many.
    pub(super) fn content(&self, most: usize) -> Cow<'h, [u8]> {
        self.cells.state.prefix(self.offset, self.length.min(most as u64))
    }

    fn u16_at(&self, offset: u64) -> Option<u16> {
        if offset + 2 > self.length { None } else { self.cells.state.u16_at(self.offset + offset) }
    }

    fn u32_at(&self, offset: u64) -> Option<u32> {
        if offset + 4 > self.length { None } else { self.cells.state.u32_at(self.offset + offset) }
    }

    /// How many bytes its structure uses, where that is known.
    pub(super) fn used(&self) -> Option<u64> {
        let signature: [u8; 2] = self.cells.state.array(self.offset).filter(|_| self.length >= 2)?;
        let (header, count_at, width) = match &signature {
            b"nk" => (KeyNode::HEADER as u64, 72, 1),
            b"vk" => (ValueNode::HEADER as u64, 2, 1),
            b"lf" | b"lh" => (4, 2, 8),
            b"li" | b"ri" => (4, 2, 4),
            _ => return None,
        };
        Some(header + width * u64::from(self.u16_at(count_at)?))
    }

    /// Of a long value's cell (`db`): the cell of the list of its segments, and the offsets in that list.
    pub(super) fn segments(&self) -> Option<(u32, ValueOffsets<'h>)> {
        if self.cells.state.array(self.offset) != Some(*b"db") {
            return None;
        }
        let count = u64::from(self.u16_at(2).unwrap_or(0));
        let number = self.u32_at(4)?;
        let list = self.cells.cell(number)?;
        Some((number, ValueOffsets { cells: self.cells, at: list.offset, left: count.min(list.length / 4) }))
    }
}

impl<'h> SubkeyOffsets<'h> {
    /// Goes to the next list; `false` when there is none.
    fn next_leaf(&mut self) -> bool {
        self.leaf = None;
        while let Some((root, taken)) = &mut self.root
            && *taken < root.items
        {
            let list = root.cell.u32_at(4 + *taken * root.width).and_then(|offset| root.cell.cells.list(offset));
            *taken += 1;
            match list.filter(|list| !list.is_root && list.items <= self.left) {
                Some(list) => {
                    self.left -= list.items;
                    self.complete &= list.whole;
                    self.leaf = Some((list, 0));
                    return true;
                }
                None => self.complete = false,
            }
        }
        false
    }

    /// How many offsets follow, and whether none is missing.
    pub(super) fn survey(&self) -> (u64, bool) {
        let mut all = self.clone();
        let mut count = 0;
        while let Some((list, taken)) = all.leaf {
            count += list.items - taken;
            all.next_leaf();
        }
        while all.next_leaf() {
            count += all.leaf.map_or(0, |(list, _)| list.items);
        }
        (count, all.complete)
    }
}

impl Iterator for SubkeyOffsets<'_> {
    type Item = u32;

    fn next(&mut self) -> Option<u32> {
        loop {
            if let Some((list, taken)) = &mut self.leaf
                && *taken < list.items
            {
                *taken += 1;
                // Where it cannot be read, no cell can be named.
                return Some(list.cell.u32_at(4 + (*taken - 1) * list.width).unwrap_or(NO_CELL));
            }
            if !self.next_leaf() {
                return None;
            }
        }
    }
}

impl ValueOffsets<'_> {
    pub(super) fn count_left(&self) -> u64 {
        self.left
    }
}

impl Iterator for ValueOffsets<'_> {
    type Item = u32;

    fn next(&mut self) -> Option<u32> {
        self.left = self.left.checked_sub(1)?;
        self.at += 4;
        Some(self.cells.state.u32_at(self.at - 4).unwrap_or(NO_CELL))
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
        Self::at(cell.cells, cell.offset, cell.length)
    }

    /// The key node at this offset of the file, if it fits into so many bytes.
    pub(super) fn at(cells: Cells<'h>, offset: u64, room: u64) -> Option<Self> {
        let head: [u8; 76] = cells.state.array(offset).filter(|_| room >= Self::HEADER as u64)?;
        if !head.starts_with(b"nk") {
            return None;
        }
        let name = usize::from(u16_at(&head, 72)?).min(Self::LONGEST_NAME);
        let content = cells.state.prefix(offset, room.min((Self::HEADER + name) as u64));
        (content.len() >= Self::HEADER).then_some(KeyNode { offset, content })
    }

    fn number(&self, offset: usize) -> u32 {
        u32_at(&self.content, offset).unwrap_or(NO_CELL)
    }

    /// Offset of the class name's cell, and the name's length in bytes.
    pub(super) fn class_name(&self) -> (u32, u16) {
        (self.number(48), u16_at(&self.content, 74).unwrap_or(0))
    }

    pub(super) fn flags(&self) -> u16 {
        u16_at(&self.content, 2).unwrap_or(0)
    }

    pub(super) fn last_written(&self) -> u64 {
        u64_at(&self.content, 4).unwrap_or(0)
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
        usize::from(u16_at(&self.content, 72).unwrap_or(0))
    }

    /// The name as far as it is there, and whether that is all.
    pub(super) fn name(&self) -> (Name<'_>, bool) {
        let length = self.name_length().min(Self::LONGEST_NAME);
        let (name, whole) = name(&self.content[Self::HEADER..], length, self.flags() & 0x0020 != 0);
        (name, whole && length == self.name_length())
    }
}

impl<'h> ValueNode<'h> {
    /// Length of the fields before the name.
    pub(super) const HEADER: usize = 20;

    pub(super) fn new(cell: Cell<'h>) -> Option<Self> {
        Self::at(cell.cells, cell.offset, cell.length)
    }

    /// The value at this offset of the file, if it fits into so many bytes.
    pub(super) fn at(cells: Cells<'h>, offset: u64, room: u64) -> Option<Self> {
        let head: [u8; 4] = cells.state.array(offset).filter(|_| room >= Self::HEADER as u64)?;
        if !head.starts_with(b"vk") {
            return None;
        }
        let needed = Self::HEADER as u64 + u64::from(u16::from_le_bytes([head[2], head[3]]));
        let content = cells.state.prefix(offset, room.min(needed));
        (content.len() >= Self::HEADER).then_some(ValueNode { offset, content })
    }

    /// The stored size of the data with its highest bit, and the offset of its cell.
    pub(super) fn data_place(&self) -> (u32, u32) {
        (u32_at(&self.content, 4).unwrap_or(0), u32_at(&self.content, 8).unwrap_or(NO_CELL))
    }

    /// The flags of its name; 1 stands for Latin-1.
    pub(super) fn flags(&self) -> u16 {
        u16_at(&self.content, 16).unwrap_or(2)
    }

    pub(super) fn name_length(&self) -> usize {
        usize::from(u16_at(&self.content, 2).unwrap_or(0))
    }

    /// The name as far as it is there, and whether that is all.
    pub(super) fn name(&self) -> (Name<'_>, bool) {
        let latin1 = self.flags() & 1 != 0;
        name(&self.content[Self::HEADER..], self.name_length(), latin1)
    }

    /// How many bytes of data it claims.
    pub(super) fn data_length(&self) -> u64 {
        u64::from(u32_at(&self.content, 4).unwrap_or(0) & 0x7FFF_FFFF)
    }

    pub(super) fn type_code(&self) -> u32 {
        u32_at(&self.content, 12).unwrap_or(0)
    }
}

fn name(bytes: &[u8], length: usize, latin1: bool) -> (Name<'_>, bool) {
    let stored = bytes.get(..length);
    (Name { bytes: stored.unwrap_or(bytes), latin1 }, stored.is_some())
}
