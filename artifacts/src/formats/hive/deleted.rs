//! Keys and values that were deleted, as far as their bytes were not used again.
//!
//! Deleting a key or value only turns the sign of its cell's size and joins the cell with free neighbours; the
//! content stays until the space is given away again. So every place where a cell can start is looked at in
//! free cells, in what known structures leave unused of their cell, and in whatever is no cell at all.
//!
//! What is found may be an older copy of something that still exists under the same path.

use super::base_block::BASE_BLOCK_LENGTH;
use super::bytes_at::{u16_at, u32_at};
use super::cells::{Cell, Cells, KeyNode, NO_CELL, Name, SEGMENT_LENGTH, ValueNode};
use super::reader::Value;

/// Most keys, and most values, that are listed of one hive.
const MAX_RECOVERED: usize = 500_000;
/// Windows allows 512 levels.
const MAX_DEPTH: usize = 512;
const BIN_HEADER: usize = 32;

/// What [`super::HiveFile::recovered`] found.
pub struct Recovered<'h> {
    /// Keys, by offset.
    pub keys: Vec<DeletedKey<'h>>,
    /// Values that no recovered key lists, by offset. Values deleted one by one end here, and nothing in
    /// them tells their key.
    pub values: Vec<DeletedValue<'h>>,
    /// Whether there was more than is listed.
    pub limit_reached: bool,
}

/// A key in free space.
#[derive(Clone, Copy)]
pub struct DeletedKey<'h> {
    cells: Cells<'h>,
    node: KeyNode<'h>,
}

/// A value in free space.
#[derive(Clone, Copy)]
pub struct DeletedValue<'h> {
    cells: Cells<'h>,
    node: ValueNode<'h>,
}

impl<'h> DeletedKey<'h> {
    /// Byte offset of the key node in the hive file.
    pub fn offset(&self) -> u64 {
        self.node.offset as u64
    }

    /// Byte offset of the node of the key that it was in, which may be another key by now.
    pub fn parent_offset(&self) -> u64 {
        u64::from(self.node.parent()) + (BASE_BLOCK_LENGTH + 4) as u64
    }

    /// Its name.
    pub fn name(&self) -> Name<'h> {
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
        let mut names = vec![self.node.name().0];
        let mut parent = self.node.parent();
        let root = u32_at(self.cells.bytes, 36);
        let mut reaches_root = self.node.flags() & KeyNode::ROOT != 0;
        while !reaches_root && names.len() <= MAX_DEPTH {
            let Some(node) = self.cells.key_node(parent) else { break };
            if node.flags() & KeyNode::ROOT != 0 || root == Some(parent) {
                reaches_root = true;
            } else {
                names.push(node.name().0);
                parent = node.parent();
            }
        }
        let mut path = String::new();
        for name in names.iter().rev() {
            if !path.is_empty() {
                path.push('\\');
            }
            name.push_to(&mut path);
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
            .filter(|node| node.data_length() <= SEGMENT_LENGTH)
            .map(|node| Value::of_node(self.cells, &node))
            .collect()
    }
}

impl<'h> DeletedValue<'h> {
    /// The value as far as it is there; `None` for one of more than 16,344 bytes, of which a few bytes could
    /// stand for many.
    pub fn value(&self) -> Option<Value<'h>> {
        (self.node.data_length() <= SEGMENT_LENGTH).then(|| Value::of_node(self.cells, &self.node))
    }
}

/// A stretch of a hive.
enum Stretch<'h> {
    /// A cell, and the file offset of its size field.
    Cell(usize, Cell<'h>),
    /// No cell: a damaged bin, the rest of one, or what lies behind the last bin.
    Gap(std::ops::Range<usize>),
}

/// Calls `visit` with every cell and the file offset of its size field.
pub(super) fn for_each_cell<'h>(cells: Cells<'h>, visit: &mut dyn FnMut(usize, Cell<'h>)) {
    for_each_stretch(cells, &mut |stretch| {
        if let Stretch::Cell(offset, cell) = stretch {
            visit(offset, cell);
        }
    });
}

fn for_each_stretch<'h>(cells: Cells<'h>, visit: &mut dyn FnMut(Stretch<'h>)) {
    let bytes = cells.bytes;
    let stored = u32_at(bytes, 40).unwrap_or(0) as usize;
    let end = if stored == 0 { bytes.len() } else { bytes.len().min(BASE_BLOCK_LENGTH.saturating_add(stored)) };
    let mut bin = BASE_BLOCK_LENGTH;
    while bin + BIN_HEADER <= end {
        let size = u32_at(bytes, bin + 8).unwrap_or(0) as usize;
        if !bytes[bin..].starts_with(b"hbin") || size == 0 || !size.is_multiple_of(4096) {
            let next = (bin + 4096).min(end);
            visit(Stretch::Gap(bin..next));
            bin = next;
            continue;
        }
        let bin_end = bin.saturating_add(size).min(end);
        let mut at = bin + BIN_HEADER;
        while at + 8 <= bin_end {
            let length = u32_at(bytes, at).unwrap_or(0).cast_signed().unsigned_abs() as usize;
            if length < 8 || !length.is_multiple_of(8) || length > bin_end - at {
                visit(Stretch::Gap(at..bin_end));
                break;
            }
            let content = &bytes[at + 4..at + length];
            let allocated = bytes[at + 3] & 0x80 != 0;
            visit(Stretch::Cell(at, Cell { offset: at + 4, content, allocated, cut: false }));
            at += length;
        }
        bin = bin_end;
    }
    if bin < bytes.len() {
        visit(Stretch::Gap(bin..bytes.len()));
    }
}

/// How many bytes of an allocated cell its structure uses, where that is known.
fn used(content: &[u8]) -> Option<usize> {
    let length = match content.first_chunk()? {
        b"nk" => KeyNode::HEADER + usize::from(u16_at(content, 72)?),
        b"vk" => ValueNode::HEADER + usize::from(u16_at(content, 2)?),
        b"lf" | b"lh" => 4 + 8 * usize::from(u16_at(content, 2)?),
        b"li" | b"ri" => 4 + 4 * usize::from(u16_at(content, 2)?),
        _ => return None,
    };
    Some(length)
}

/// Looks for deleted keys and values.
pub(super) fn sweep(cells: Cells<'_>) -> Recovered<'_> {
    let mut found = Recovered { keys: Vec::new(), values: Vec::new(), limit_reached: false };
    for_each_stretch(cells, &mut |stretch| match stretch {
        Stretch::Cell(at, cell) if !cell.allocated => look(cells, at + 4..at + 4 + cell.content.len(), &mut found),
        Stretch::Cell(at, cell) => {
            if let Some(used) = used(cell.content).filter(|used| *used < cell.content.len()) {
                look(cells, at + 4 + used..at + 4 + cell.content.len(), &mut found);
            }
        }
        Stretch::Gap(range) => look(cells, range, &mut found),
    });
    // A value takes 24 bytes, so if each is listed once there are no more than this, whatever the keys claim.
    let mut budget = cells.bytes.len() / 24;
    let mut claimed = Vec::new();
    for key in &found.keys {
        let (offsets, _) = cells.value_offsets(&key.node, budget);
        budget -= offsets.len();
        claimed.extend(offsets.into_iter().map(|offset| BASE_BLOCK_LENGTH + offset as usize + 4));
    }
    claimed.sort_unstable();
    found.values.retain(|value| claimed.binary_search(&value.node.offset).is_err());
    found
}

/// Looks for key nodes and values at every place in `range` where a cell's content can start.
fn look<'h>(cells: Cells<'h>, range: std::ops::Range<usize>, found: &mut Recovered<'h>) {
    let mut at = range.start.saturating_sub(4).next_multiple_of(8) + 4;
    while at + ValueNode::HEADER <= range.end {
        let content = &cells.bytes[at..range.end];
        match content {
            [b'n', b'k', ..] => {
                if let Some(node) = KeyNode::at(at, content).filter(|node| plausible_key(cells, node)) {
                    if found.keys.len() < MAX_RECOVERED {
                        found.keys.push(DeletedKey { cells, node });
                    } else {
                        found.limit_reached = true;
                    }
                }
            }
            [b'v', b'k', ..] => {
                if let Some(node) = ValueNode::at(at, content).filter(|node| plausible_value(cells, node)) {
                    if found.values.len() < MAX_RECOVERED {
                        found.values.push(DeletedValue { cells, node });
                    } else {
                        found.limit_reached = true;
                    }
                }
            }
            _ => {}
        }
        at += 8;
    }
}

fn plausible_key(cells: Cells<'_>, node: &KeyNode<'_>) -> bool {
    let (name, whole) = node.name();
    let count_fits = |count: u32, list: u32| list == NO_CELL || count as usize <= cells.bytes.len() / 4;
    whole
        && (1..=512).contains(&name.bytes.len())
        && node.flags() & 0xC000 == 0
        && node.parent() as usize <= cells.bytes.len()
        && count_fits(node.subkey_count(), node.subkey_list())
        && count_fits(node.value_count(), node.value_list())
}

fn plausible_value(cells: Cells<'_>, node: &ValueNode<'_>) -> bool {
    let (name, whole) = node.name();
    let length = u32_at(node.content, 4).unwrap_or(0) & 0x7FFF_FFFF;
    whole
        && name.bytes.len() <= 32_766
        && u16_at(node.content, 16).unwrap_or(2) <= 1
        && length as usize <= cells.bytes.len()
}
