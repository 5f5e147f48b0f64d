//! Keys and values of one state of a hive.

use super::Note;
use super::base_block::BASE_BLOCK_LENGTH;
use super::cells::{Cells, KeyNode, NO_CELL, Name, SEGMENT_LENGTH, SubkeyOffsets, ValueNode, ValueOffsets};
use super::damage::Damage;
use super::value::Value;
use evidence::{ProblemKind, guarded};
use nt_hive::{KeyValueData, NtHiveNameString};
use std::cell::Cell;
use std::collections::HashMap;

/// Windows allows 512 levels of keys.
const MAX_DEPTH: usize = 512;
/// How many times as many bytes as a hive has are read from it before it is taken for hostile. Looking keys up by
/// name reads their lists again.
const PASSES: u64 = 16;
/// Longest list that the strict reader is given. What it reads of a list is held in memory.
const STRICT_LIST: u64 = 1 << 14;
/// First byte of a cell's content, counted from the cell's offset and the end of the base block.
const CONTENT: u64 = BASE_BLOCK_LENGTH as u64 + 4;
const LOST_KEYS: &str = "keys below it may be missing";
const LOST_VALUES: &str = "values of it may be missing or cut";

/// Reads one state of a hive. Damage that it meets is noted once and read around.
pub struct Reader<'h> {
    cells: Cells<'h>,
    strict: Option<nt_hive::Hive<&'h [u8]>>,
    damage: Damage,
    /// How many bytes of keys and values may still be read, see [`Reader::spend`].
    left: Cell<u64>,
}

/// Subkeys in the stored order. They are read one by one.
pub struct Subkeys<'r> {
    reader: &'r Reader<'r>,
    found: Found<SubkeyOffsets<'r>, Key<'r>>,
}

/// Values in the stored order. They are read one by one.
pub struct Values<'r> {
    reader: &'r Reader<'r>,
    found: Found<ValueOffsets<'r>, Value<'r>>,
}

/// What a list holds.
enum Found<O, T> {
    None,
    /// As the strict reader gave it.
    Strict(std::vec::IntoIter<T>),
    /// To be read from the cells at these offsets.
    Cells(O),
}

/// A key.
#[derive(Clone)]
pub struct Key<'r> {
    reader: &'r Reader<'r>,
    /// The key as the strict reader sees it; `None` for keys that it does not reach.
    strict: Option<nt_hive::KeyNode<'r, &'r [u8]>>,
    node: KeyNode<'r>,
}

impl<'h> Reader<'h> {
    pub(super) fn new(cells: Cells<'h>) -> Self {
        // The strict reader is known to panic on some damage.
        let strict = cells.state.memory();
        let strict = strict.and_then(|bytes| guarded(|| nt_hive::Hive::without_validation(bytes).ok()).flatten());
        let left = (cells.state.len() + (1 << 18)) * PASSES;
        Reader { cells, strict, damage: Damage::default(), left: Cell::new(left) }
    }

    /// Takes bytes from what may still be read, and says whether they were there.
    ///
    /// In a sound hive everything belongs to one key, so reading all of it takes as many bytes as the file has.
    /// In a file made for it, any number of keys share one long list or value, and reading all would never end.
    fn spend(&self, bytes: u64) -> bool {
        let left = self.left.get().checked_sub(bytes);
        self.left.set(left.unwrap_or(0));
        if left.is_none() {
            self.damage.note(Note::new(
                ProblemKind::LimitReached,
                format!("more than {PASSES} times the length of the hive was read from it"),
                "the hive names the same keys or values again and again; what it names later is left out",
            ));
        }
        left.is_some()
    }

    /// The damage met so far, which is forgotten by this.
    pub fn take_notes(&self) -> Vec<Note> {
        let mut notes = self.cells.state.take_failures();
        notes.append(&mut self.damage.take());
        notes
    }

    /// Forgets the damage met so far, so that meeting it again counts as damage.
    pub fn forget_notes(&self) {
        self.damage.forget();
    }

    /// A number that grows whenever damage is met, until the notes are taken.
    pub fn damage(&self) -> usize {
        self.damage.count() + self.cells.state.failed()
    }
}

impl<'r> Reader<'r> {
    /// The root key.
    pub fn root(&'r self) -> Option<Key<'r>> {
        let root_cell = self.cells.state.root_cell;
        let node = self.cells.key_node(root_cell)?;
        let strict = self.strict.as_ref().filter(|_| self.is_sound(root_cell));
        let strict = strict.and_then(|hive| guarded(|| hive.root_key_node().ok()).flatten());
        Some(Key { reader: self, strict, node })
    }

    /// The key whose node is at this byte offset of the hive file, if there is one.
    pub fn key_at(&'r self, offset: u64) -> Option<Key<'r>> {
        let node = self.cells.key_node(u32::try_from(offset.checked_sub(CONTENT)?).ok()?)?;
        Some(Key { reader: self, strict: None, node })
    }

    /// The key at this path below the root, without its name; case does not matter, the path is ASCII.
    pub fn key(&'r self, path: &str) -> Option<Key<'r>> {
        self.root()?.descend(path)
    }

    /// Whether the strict reader can read this cell without a panic.
    fn is_sound(&self, offset: u32) -> bool {
        offset != NO_CELL && self.cells.cell(offset).is_some_and(|cell| cell.allocated && !cell.cut)
    }

    /// Visits every key below and including `top`, parents first, with its path (that of `top` is empty).
    /// A key that is reached twice is visited once, for which a bit is held for every cell near a key.
    pub fn walk(&'r self, top: Key<'r>, visit: &mut dyn FnMut(&str, &Key<'r>)) {
        let mut seen: HashMap<u64, [u64; 8]> = HashMap::new();
        let mut path = String::new();
        visit(&path, &top);
        let mut levels = vec![(0, top.subkeys())];
        while let Some((length, keys)) = levels.last_mut() {
            path.truncate(*length);
            let Some(key) = keys.next() else {
                levels.pop();
                continue;
            };
            // Cells start at multiples of eight, so one bit for each is enough.
            let place = key.node.offset / 8;
            let near = seen.entry(place / 512).or_default();
            let (word, bit) = (&mut near[(place / 64 % 8) as usize], 1u64 << (place % 64));
            if *word & bit != 0 {
                self.damage.note(
                    Note::new(
                        ProblemKind::Inconsistent {
                            a: "a key stands in two lists of subkeys".to_owned(),
                            b: "a key has one parent".to_owned(),
                        },
                        "a key is reached twice",
                        "it is shown at the first place only",
                    )
                    .at(key.node.offset),
                );
                continue;
            }
            *word |= bit;
            if !path.is_empty() {
                path.push('\\');
            }
            key.name().push_to(&mut path);
            visit(&path, &key);
            if key.node.subkey_list() == NO_CELL {
                continue;
            }
            if levels.len() >= MAX_DEPTH {
                self.damage.note(
                    Note::new(
                        ProblemKind::LimitReached,
                        format!("keys are more than {MAX_DEPTH} levels deep"),
                        LOST_KEYS,
                    )
                    .at(key.node.offset),
                );
                continue;
            }
            let length = path.len();
            levels.push((length, key.subkeys()));
        }
    }
}

/// The bytes of a name that the strict reader found, and their place in the hive.
fn place(name: &NtHiveNameString<'_>, bytes: &[u8]) -> Option<u64> {
    let (NtHiveNameString::Latin1(name) | NtHiveNameString::Utf16LE(name)) = name;
    let place = (name.as_ptr() as usize).checked_sub(bytes.as_ptr() as usize)?;
    (place <= bytes.len()).then_some(place as u64)
}

/// By which number other cells name the cell with this name, whose structure has so many bytes before it.
fn cell_of(name: &NtHiveNameString<'_>, bytes: &[u8], header: usize) -> Option<u32> {
    u32::try_from(place(name, bytes)?.checked_sub(header as u64 + CONTENT)?).ok()
}

impl<'r> Key<'r> {
    /// Its name.
    pub fn name(&self) -> Name<'_> {
        let (name, whole) = self.node.name();
        if !whole {
            self.reader.damage.note(
                Note::new(
                    ProblemKind::Truncated {
                        offset: self.node.offset + KeyNode::HEADER as u64,
                        expected: self.node.name_length() as u64,
                        actual: name.bytes.len() as u64,
                    },
                    "the name of a key is longer than its cell",
                    "the name shown is cut",
                )
                .at(self.node.offset),
            );
        }
        name
    }

    /// When the key was last changed, FILETIME: a value set or removed, a subkey added or removed.
    pub fn last_written(&self) -> u64 {
        self.node.last_written()
    }

    /// Byte offset of the key node in the hive file.
    pub fn offset(&self) -> u64 {
        self.node.offset
    }

    /// Notes that the key has more than its caller takes.
    pub fn note_limit(&self, what: impl Into<String>, effect: &'static str) {
        self.reader.damage.note(Note::new(ProblemKind::LimitReached, what, effect).at(self.node.offset));
    }

    /// The class name, which few keys have.
    pub fn class_name(&self) -> Option<String> {
        let (cell, length) = self.node.class_name();
        let cell = self.reader.cells.cell(cell)?;
        (length > 0).then(|| Name { bytes: &cell.content(usize::from(length)), latin1: false }.to_string())
    }

    /// How many subkeys the key node claims.
    pub fn subkey_count(&self) -> u32 {
        self.node.subkey_count()
    }

    /// Its subkeys in the stored order, which is that of their upper-case names. Damage of the list is noted at once.
    pub fn subkeys(&self) -> Subkeys<'r> {
        Subkeys { reader: self.reader, found: self.find_subkeys().unwrap_or(Found::None) }
    }

    fn find_subkeys(&self) -> Option<Found<SubkeyOffsets<'r>, Key<'r>>> {
        let list = self.node.subkey_list();
        if list == NO_CELL || self.node.subkey_count() == 0 || !self.reader.spend(KeyNode::HEADER as u64) {
            return None;
        }
        let Some(offsets) = self.reader.cells.subkey_offsets(list) else {
            self.note_list("the list of subkeys cannot be read", LOST_KEYS);
            return None;
        };
        let (count, whole) = offsets.survey();
        if !self.reader.spend(count.saturating_mul(KeyNode::HEADER as u64)) {
            return None;
        }
        if let Some(strict) = self.strict.as_ref().filter(|_| whole && count <= STRICT_LIST)
            && self.reader.is_sound(list)
            && offsets.clone().all(|offset| self.reader.is_sound(offset))
            && let Some(Some(keys)) = guarded(|| self.strict_subkeys(strict, count as usize))
        {
            return Some(Found::Strict(keys.into_iter()));
        }
        let readable = offsets.clone().filter(|offset| self.reader.cells.is_key_node(*offset)).count() as u64;
        if !whole || readable < count {
            self.note_list(
                &format!("the list of subkeys is damaged; {readable} of {} could be read", self.node.subkey_count()),
                LOST_KEYS,
            );
        }
        Some(Found::Cells(offsets))
    }

    /// The subkeys by the strict reader; `None` at its first error.
    fn strict_subkeys(&self, strict: &nt_hive::KeyNode<'r, &'r [u8]>, count: usize) -> Option<Vec<Key<'r>>> {
        let cells = self.reader.cells;
        let mut keys = Vec::with_capacity(count);
        for key in strict.subkeys()?.ok()? {
            let key = key.ok()?;
            let node = cells.key_node(cell_of(&key.name().ok()?, cells.state.memory()?, KeyNode::HEADER)?)?;
            keys.push(Key { reader: self.reader, strict: Some(key), node });
        }
        Some(keys)
    }

    /// The subkey of this ASCII name in any case.
    pub fn subkey(&self, name: &str) -> Option<Key<'r>> {
        self.subkeys().find(|key| key.node.name().0.is(name))
    }

    /// The key at this ASCII path below; the key itself for an empty path.
    pub fn descend(&self, path: &str) -> Option<Key<'r>> {
        path.split('\\').filter(|name| !name.is_empty()).try_fold(self.clone(), |key, name| key.subkey(name))
    }

    /// Its values in the stored order. Damage of the list is noted at once.
    pub fn values(&self) -> Values<'r> {
        Values { reader: self.reader, found: self.find_values().unwrap_or(Found::None) }
    }

    fn find_values(&self) -> Option<Found<ValueOffsets<'r>, Value<'r>>> {
        if self.node.value_count() == 0 || !self.reader.spend(ValueNode::HEADER as u64) {
            return None;
        }
        let cells = self.reader.cells;
        let (offsets, whole) = cells.value_offsets(&self.node, cells.state.len());
        let count = offsets.count_left();
        let length = |node: ValueNode<'_>| {
            (ValueNode::HEADER + node.name_length()) as u64 + node.data_length().min(cells.state.len())
        };
        if !self.reader.spend(count * 4) {
            return None;
        }
        let nodes = || offsets.clone().filter_map(|offset| cells.value_node(offset));
        if !self.reader.spend(nodes().map(length).fold(0, u64::saturating_add)) {
            return None;
        }
        if let Some(strict) = self.strict.as_ref().filter(|_| whole && count <= STRICT_LIST)
            && self.reader.is_sound(self.node.value_list())
            && offsets.clone().all(|offset| self.reader.is_sound(offset))
            && let Some(Some(values)) = guarded(|| self.strict_values(strict, count as usize))
        {
            return Some(Found::Strict(values.into_iter()));
        }
        let (mut readable, mut all_whole) = (0, true);
        for node in nodes() {
            readable += 1;
            all_whole &= node.name().1 && cells.for_each_piece(&node, &mut |_, _| {});
        }
        if readable != u64::from(self.node.value_count()) || !all_whole {
            self.note_list(
                &format!("the list of values is damaged; {readable} of {} could be read", self.node.value_count()),
                LOST_VALUES,
            );
        }
        Some(Found::Cells(offsets))
    }

    /// The values by the strict reader; `None` at its first error.
    fn strict_values(&self, strict: &nt_hive::KeyNode<'r, &'r [u8]>, count: usize) -> Option<Vec<Value<'r>>> {
        let cells = self.reader.cells;
        let mut values = Vec::with_capacity(count);
        for value in strict.values()?.ok()? {
            let value = value.ok()?;
            let node = cells.value_node(cell_of(&value.name().ok()?, cells.state.memory()?, ValueNode::HEADER)?)?;
            if !self.reader.data_is_sound(&node) {
                return None;
            }
            let bytes = match value.data().ok()? {
                KeyValueData::Small(bytes) => Some(bytes),
                // Many values can name the same pieces, so they are put together only when the data is asked for.
                KeyValueData::Big(pieces) => {
                    for piece in pieces {
                        piece.ok()?;
                    }
                    None
                }
            };
            values.push(Value::of_strict(cells, node, &self.reader.damage, bytes));
        }
        Some(values)
    }

    /// The value of this ASCII name in any case; the default value for an empty name.
    pub fn value(&self, name: &str) -> Option<Value<'r>> {
        self.values().find(|value| value.name().is(name))
    }

    fn note_list(&self, what: &str, effect: &'static str) {
        let (name, _) = self.node.name();
        self.reader
            .damage
            .note(Note::new(ProblemKind::ReadFailed, format!("key {name}: {what}"), effect).at(self.node.offset));
    }
}

impl<'r> Iterator for Subkeys<'r> {
    type Item = Key<'r>;

    fn next(&mut self) -> Option<Key<'r>> {
        match &mut self.found {
            Found::None => None,
            Found::Strict(keys) => keys.next(),
            Found::Cells(offsets) => offsets.find_map(|offset| {
                Some(Key { reader: self.reader, strict: None, node: self.reader.cells.key_node(offset)? })
            }),
        }
    }
}

impl<'r> Iterator for Values<'r> {
    type Item = Value<'r>;

    fn next(&mut self) -> Option<Value<'r>> {
        let cells = self.reader.cells;
        match &mut self.found {
            Found::None => None,
            Found::Strict(values) => values.next(),
            Found::Cells(offsets) => offsets
                .find_map(|offset| cells.value_node(offset))
                .map(|node| Value::of_node(cells, node, Some(&self.reader.damage))),
        }
    }
}

impl Reader<'_> {
    /// Whether the strict reader can follow this value to its data without a panic and as Windows would.
    fn data_is_sound(&self, node: &ValueNode<'_>) -> bool {
        let (size, cell) = node.data_place();
        if size & 0x8000_0000 != 0 {
            return size & 0x7FFF_FFFF <= 4;
        }
        // The strict reader takes every long value for a split one, which it is not in the older format.
        let split = || self.cells.state.minor_version > 3 && self.segments_are_sound(cell);
        size != 0
            && self.is_sound(cell)
            && (size as usize <= SEGMENT_LENGTH || self.cells.for_each_piece(node, &mut |_, _| {}) && split())
    }

    fn segments_are_sound(&self, cell: u32) -> bool {
        let segments = self.cells.cell(cell).and_then(|cell| cell.segments());
        segments.is_some_and(|(list, mut items)| self.is_sound(list) && items.all(|item| self.is_sound(item)))
    }
}
