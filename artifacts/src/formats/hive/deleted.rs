//! Keys and values that were deleted, as far as their bytes were not used again.
//!
//! Deleting a key or value only turns the sign of its cell's size and joins the cell with free neighbours; the
//! content stays until the space is given away again. So every place where a cell can start is looked at in
//! free cells, in what known structures leave unused of their cell, and in whatever is no cell at all.
//!
//! What is found may be an older copy of something that still exists under the same path.

use super::base_block::BASE_BLOCK_LENGTH;
use super::cells::{Cell, Cells, KeyNode, NO_CELL, Name, SEGMENT_LENGTH, ValueNode};
use super::value::Value;
use std::ops::Range;

/// Most keys, and most values, that are listed of one hive.
const MAX_RECOVERED: usize = 500_000;
/// Most memory that they take in bytes, while the vector of their places grows.
pub(super) const MEMORY: u64 = (2 * 3 * MAX_RECOVERED * size_of::<Place>() / 2) as u64;
/// Windows allows 512 levels.
const MAX_DEPTH: usize = 512;
const BIN_HEADER: u64 = 32;
/// The unit in which bins are laid out.
const BIN: u64 = 4096;
const BASE: u64 = BASE_BLOCK_LENGTH as u64;

/// What [`super::HiveFile::recovered`] found: places, eight bytes for each.
pub struct Recovered<'h> {
    cells: Cells<'h>,
    keys: Vec<Place>,
    values: Vec<Place>,
    /// Whether there was more than is listed.
    pub limit_reached: bool,
}

/// Where something was found, and how many bytes it may take.
#[derive(Clone, Copy)]
struct Place {
    /// From the end of the base block.
    offset: u32,
    room: u16,
}

impl Place {
    fn at(self) -> (u64, u64) {
        (BASE + u64::from(self.offset), u64::from(self.room))
    }
}

/// A key in free space.
#[derive(Clone)]
pub struct DeletedKey<'h> {
    cells: Cells<'h>,
    node: KeyNode<'h>,
}

/// A value in free space.
#[derive(Clone)]
pub struct DeletedValue<'h> {
    cells: Cells<'h>,
    node: ValueNode<'h>,
}

impl<'h> Recovered<'h> {
    /// How many keys there are.
    pub fn key_count(&self) -> usize {
        self.keys.len()
    }

    /// The key of this number, counted by offset.
    pub fn key(&self, index: usize) -> Option<DeletedKey<'h>> {
        let (offset, room) = self.keys.get(index)?.at();
        Some(DeletedKey { cells: self.cells, node: KeyNode::at(self.cells, offset, room)? })
    }

    /// Keys, by offset.
    pub fn keys(&self) -> impl Iterator<Item = DeletedKey<'h>> + '_ {
        (0..self.keys.len()).filter_map(|index| self.key(index))
    }

    /// Values that no recovered key lists, by offset. Values deleted one by one end here, and nothing in
    /// them tells their key.
    pub fn values(&self) -> impl Iterator<Item = DeletedValue<'h>> + '_ {
        let cells = self.cells;
        self.values.iter().filter_map(move |place| {
            let (offset, room) = place.at();
            Some(DeletedValue { cells, node: ValueNode::at(cells, offset, room)? })
        })
    }
}

impl<'h> DeletedKey<'h> {
    /// Byte offset of the key node in the hive file.
    pub fn offset(&self) -> u64 {
        self.node.offset
    }

    /// Byte offset of the node of the key that it was in, which may be another key by now.
    pub fn parent_offset(&self) -> u64 {
        u64::from(self.node.parent()) + BASE + 4
    }

    /// Its name.
    pub fn name(&self) -> Name<'_> {
        self.node.name().0
    }

    /// When the key was last changed, FILETIME. Deleting its values changed it.
    pub fn last_written(&self) -> u64 {
        self.node.last_written()
    }

    /// Path without the root key's name, rebuilt through the keys' references to their parents, and whether
    /// it reaches the root. A parent's cell may have been given to another key since; then the path is that
    /// key's, and nothing tells.
    pub fn path(&self) -> (String, bool) {
        let mut nodes = vec![self.node.clone()];
        let mut parent = self.node.parent();
        let root = self.cells.state.root_cell;
        let mut reaches_root = self.node.flags() & KeyNode::ROOT != 0;
        while !reaches_root && nodes.len() <= MAX_DEPTH {
            let Some(node) = self.cells.key_node(parent) else { break };
            if node.flags() & KeyNode::ROOT != 0 || root == parent {
                reaches_root = true;
            } else {
                parent = node.parent();
                nodes.push(node);
            }
        }
        let mut path = String::new();
        for node in nodes.iter().rev() {
            if !path.is_empty() {
                path.push('\\');
            }
            node.name().0.push_to(&mut path);
        }
        (path, reaches_root)
    }

    /// The values that it lists and that are still there: of the first 64, those of at most 16,344 bytes. Many
    /// keys may list the same values, so without limits a small file could stand for any amount.
    pub fn values(&self) -> Vec<Value<'h>> {
        let (offsets, _) = self.cells.value_offsets(&self.node, 64);
        offsets
            .into_iter()
            .filter_map(|offset| self.cells.value_node(offset))
            .filter(|node| node.data_length() <= SEGMENT_LENGTH as u64)
            .map(|node| Value::of_node(self.cells, node, None))
            .collect()
    }
}

impl<'h> DeletedValue<'h> {
    /// The value as far as it is there; `None` for one of more than 16,344 bytes, of which a few bytes could
    /// stand for many.
    pub fn value(&self) -> Option<Value<'h>> {
        (self.node.data_length() <= SEGMENT_LENGTH as u64).then(|| Value::of_node(self.cells, self.node.clone(), None))
    }
}

/// A stretch of a hive.
enum Stretch<'h> {
    Cell(Cell<'h>),
    /// No cell: a damaged bin, the rest of one, or what lies behind the last bin.
    Gap(Range<u64>),
}

/// Cells and what lies between them, in the order of the file.
struct Stretches<'h> {
    cells: Cells<'h>,
    /// Where the next cell starts, and where its bin ends.
    at: u64,
    bin_end: u64,
    /// Where the bins end, and the file.
    end: u64,
    length: u64,
}

/// The cells of a hive in the order of the file.
pub(super) fn cells_in_order(cells: Cells<'_>) -> impl Iterator<Item = Cell<'_>> {
    stretches(cells).filter_map(|stretch| match stretch {
        Stretch::Cell(cell) => Some(cell),
        Stretch::Gap(_) => None,
    })
}

fn stretches(cells: Cells<'_>) -> Stretches<'_> {
    let (end, length) = (cells.state.bins_end, cells.state.len());
    Stretches { cells, at: BASE, bin_end: BASE, end, length }
}

impl<'h> Stretches<'h> {
    fn cell(&mut self) -> Stretch<'h> {
        let at = self.at;
        let size = self.cells.state.u32_at(at).unwrap_or(0).cast_signed();
        let length = u64::from(size.unsigned_abs());
        if length < 8 || !length.is_multiple_of(8) || length > self.bin_end - at {
            self.at = self.bin_end;
            return Stretch::Gap(at..self.bin_end);
        }
        self.at += length;
        let (cells, allocated) = (self.cells, size < 0);
        Stretch::Cell(Cell { cells, offset: at + 4, length: length - 4, allocated, cut: false })
    }
}

impl<'h> Iterator for Stretches<'h> {
    type Item = Stretch<'h>;

    fn next(&mut self) -> Option<Stretch<'h>> {
        loop {
            if self.at + 8 <= self.bin_end {
                return Some(self.cell());
            }
            let bin = self.bin_end;
            if bin + BIN_HEADER > self.end {
                self.bin_end = self.length;
                self.at = self.length;
                self.end = self.length;
                return (bin < self.length).then_some(Stretch::Gap(bin..self.length));
            }
            let size = u64::from(self.cells.state.u32_at(bin + 8).unwrap_or(0));
            let is_bin = self.cells.state.array(bin) == Some(*b"hbin") && size != 0 && size.is_multiple_of(BIN);
            if is_bin {
                self.at = bin + BIN_HEADER;
                self.bin_end = (bin + size).min(self.end);
            } else {
                // A hole, which can be gigabytes long, is passed over at once.
                let data = self.cells.state.next_data(bin).min(self.end);
                let bins = ((data - bin) / BIN).max(1);
                self.bin_end = (bin + bins * BIN).min(self.end);
                self.at = self.bin_end;
                return Some(Stretch::Gap(bin..self.bin_end));
            }
        }
    }
}

/// Looks for deleted keys and values.
pub(super) fn sweep(cells: Cells<'_>) -> Recovered<'_> {
    let mut found = Recovered { cells, keys: Vec::new(), values: Vec::new(), limit_reached: false };
    for stretch in stretches(cells) {
        match stretch {
            Stretch::Cell(cell) => {
                let used = if cell.allocated { cell.used().unwrap_or(cell.length) } else { 0 };
                if used < cell.length {
                    look(cells, cell.offset + used..cell.offset + cell.length, &mut found);
                }
            }
            Stretch::Gap(range) => look(cells, range, &mut found),
        }
    }
    // A value takes 24 bytes, so if each is listed once there are no more than this, whatever the keys claim.
    let mut budget = cells.state.len() / 24;
    let mut claimed = vec![false; found.values.len()];
    for key in found.keys() {
        let (offsets, _) = cells.value_offsets(&key.node, budget);
        budget -= offsets.count_left();
        for content in offsets.filter_map(|offset| offset.checked_add(4)) {
            if let Ok(index) = found.values.binary_search_by_key(&content, |place| place.offset) {
                claimed[index] = true;
            }
        }
    }
    let mut claimed = claimed.into_iter();
    found.values.retain(|_| claimed.next() == Some(false));
    found
}

/// Looks for key nodes and values at every place in `range` where a cell's content can start.
fn look(cells: Cells<'_>, range: Range<u64>, found: &mut Recovered<'_>) {
    let header = ValueNode::HEADER as u64;
    let mut at = range.start.saturating_sub(4).next_multiple_of(8) + 4;
    while at + header <= range.end {
        let (start, window, next) = cells.state.window(at, range.end);
        for (index, place) in window.chunks(8).enumerate() {
            let offset = start + 8 * index as u64;
            if offset + header > range.end {
                break;
            }
            match place {
                [b'n', b'k', ..] => look_at_key(cells, offset, range.end, found),
                [b'v', b'k', ..] => look_at_value(cells, offset, range.end, found),
                _ => {}
            }
        }
        at = next.saturating_sub(4).next_multiple_of(8) + 4;
    }
}

fn look_at_key(cells: Cells<'_>, offset: u64, end: u64, found: &mut Recovered<'_>) {
    if KeyNode::at(cells, offset, end - offset).is_some_and(|node| plausible_key(cells, &node)) {
        found.limit_reached |= !note(&mut found.keys, offset, end);
    }
}

fn look_at_value(cells: Cells<'_>, offset: u64, end: u64, found: &mut Recovered<'_>) {
    if ValueNode::at(cells, offset, end - offset).is_some_and(|node| plausible_value(cells, &node)) {
        found.limit_reached |= !note(&mut found.values, offset, end);
    }
}

/// Notes a place, if there is room for it.
fn note(places: &mut Vec<Place>, offset: u64, end: u64) -> bool {
    let Ok(from_base) = u32::try_from(offset - BASE) else { return false };
    // No plausible key or value with its name is longer than the number of 16 bits can say.
    let room = u16::try_from(end - offset).unwrap_or(u16::MAX);
    let there_is_room = places.len() < MAX_RECOVERED;
    if there_is_room {
        places.push(Place { offset: from_base, room });
    }
    there_is_room
}

fn plausible_key(cells: Cells<'_>, node: &KeyNode<'_>) -> bool {
    let (name, whole) = node.name();
    let length = cells.state.len();
    let count_fits = |count: u32, list: u32| list == NO_CELL || u64::from(count) <= length / 4;
    whole
        && (1..=512).contains(&name.bytes.len())
        && node.flags() & 0xC000 == 0
        && u64::from(node.parent()) <= length
        && count_fits(node.subkey_count(), node.subkey_list())
        && count_fits(node.value_count(), node.value_list())
}

fn plausible_value(cells: Cells<'_>, node: &ValueNode<'_>) -> bool {
    let (name, whole) = node.name();
    whole && name.bytes.len() <= 32_766 && node.flags() <= 1 && node.data_length() <= cells.state.len()
}
