//! Keys and values of one state of a hive.

use super::base_block::BASE_BLOCK_LENGTH;
use super::cells::{Cells, KeyNode, NO_CELL, Name, ValueNode};
use super::{Note, cells};
use evidence::{ProblemKind, guarded};
use nt_hive::{KeyValueData, NtHiveNameString};
use std::borrow::Cow;
use std::cell::{Cell, RefCell};

/// Windows allows 512 levels of keys.
const MAX_DEPTH: usize = 512;
/// Most places of damage that one reader lists.
const MAX_NOTES: usize = 100;
/// How many times as many bytes as a hive has are read from it before it is taken for hostile. Looking keys up by
/// name reads their lists again.
const PASSES: u64 = 16;
const LOST_KEYS: &str = "keys below it may be missing";
const LOST_VALUES: &str = "values of it may be missing or cut";

/// Reads one state of a hive. Damage that it meets is noted once and read around.
pub struct Reader<'h> {
    cells: Cells<'h>,
    strict: Option<nt_hive::Hive<&'h [u8]>>,
    notes: RefCell<Vec<Note>>,
    /// How many notes there was no room for.
    unlisted: Cell<usize>,
    /// How many bytes of keys and values may still be read, see [`Reader::spend`].
    left: Cell<u64>,
}

/// A key.
#[derive(Clone)]
pub struct Key<'r> {
    reader: &'r Reader<'r>,
    /// The key as the strict reader sees it; `None` for keys that it does not reach.
    strict: Option<nt_hive::KeyNode<'r, &'r [u8]>>,
    node: KeyNode<'r>,
}

/// A value.
#[derive(Clone, Debug)]
pub struct Value<'r> {
    /// Name; empty for the default value of the key.
    pub name: Name<'r>,
    /// Stored type number, 1 for REG_SZ. Any number occurs.
    pub type_code: u32,
    /// The bytes.
    pub bytes: Cow<'r, [u8]>,
    /// Byte offset of the value's structure in the hive file.
    pub offset: u64,
    /// Whether name and data are all there.
    pub whole: bool,
}

/// A value's data as its type says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Data {
    /// REG_SZ, REG_EXPAND_SZ, REG_LINK: up to the first NUL.
    Text(String),
    /// REG_MULTI_SZ.
    Texts(Vec<String>),
    /// REG_DWORD, REG_DWORD_BIG_ENDIAN, REG_QWORD of their full length.
    Number(u64),
    /// Anything else.
    Bytes(Vec<u8>),
}

impl<'h> Reader<'h> {
    pub(super) fn new(cells: Cells<'h>) -> Self {
        // The strict reader is known to panic on some damage.
        let strict = guarded(|| nt_hive::Hive::without_validation(cells.bytes).ok()).flatten();
        let left = (cells.bytes.len() as u64 + (1 << 18)) * PASSES;
        Reader { cells, strict, notes: RefCell::new(Vec::new()), unlisted: Cell::new(0), left: Cell::new(left) }
    }

    /// Takes bytes from what may still be read, and says whether they were there.
    ///
    /// In a sound hive everything belongs to one key, so reading all of it takes as many bytes as the file has.
    /// In a file made for it, any number of keys share one long list or value, and reading all would never end.
    fn spend(&self, bytes: usize) -> bool {
        let left = self.left.get().checked_sub(bytes as u64);
        self.left.set(left.unwrap_or(0));
        if left.is_none() {
            self.note(Note::new(
                ProblemKind::LimitReached,
                format!("more than {PASSES} times the length of the hive was read from it"),
                "the hive names the same keys or values again and again; what it names later is left out",
            ));
        }
        left.is_some()
    }

    /// The damage met so far, which is forgotten by this.
    pub fn take_notes(&self) -> Vec<Note> {
        let mut notes = std::mem::take(&mut *self.notes.borrow_mut());
        let unlisted = self.unlisted.take();
        if unlisted > 0 {
            notes.push(Note::new(
                ProblemKind::LimitReached,
                format!("{unlisted} more times something damaged was met in the hive"),
                "the hive is damaged in more places than are shown",
            ));
        }
        notes
    }

    /// How often damage was met since the notes were last taken.
    pub fn damage(&self) -> usize {
        self.notes.borrow().len() + self.unlisted.get()
    }

    fn note(&self, note: Note) {
        let mut notes = self.notes.borrow_mut();
        // Reaching a limit costs most of all, so it is listed whatever was met before.
        if notes.contains(&note) {
            return;
        }
        if notes.len() < MAX_NOTES || note.kind == ProblemKind::LimitReached && notes.len() < 2 * MAX_NOTES {
            notes.push(note);
        } else {
            self.unlisted.set(self.unlisted.get() + 1);
        }
    }
}

impl<'r> Reader<'r> {
    /// The root key.
    pub fn root(&'r self) -> Option<Key<'r>> {
        let root_cell = cells_root(self.cells.bytes);
        let node = self.cells.key_node(root_cell)?;
        let strict = self.strict.as_ref().filter(|_| self.is_sound(root_cell));
        let strict = strict.and_then(|hive| guarded(|| hive.root_key_node().ok()).flatten());
        Some(Key { reader: self, strict, node })
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
    /// A key that is reached twice is visited once.
    pub fn walk(&'r self, top: Key<'r>, visit: &mut dyn FnMut(&str, &Key<'r>)) {
        let mut seen = vec![0u64; self.cells.bytes.len() / 512 + 1];
        let mut path = String::new();
        visit(&path, &top);
        let mut levels = vec![(0, top.subkeys().into_iter())];
        while let Some((length, keys)) = levels.last_mut() {
            path.truncate(*length);
            let Some(key) = keys.next() else {
                levels.pop();
                continue;
            };
            // Cells start at multiples of eight, so one bit for each is enough.
            let place = key.node.offset / 8;
            let (word, bit) = (&mut seen[place / 64], 1u64 << (place % 64));
            if *word & bit != 0 {
                self.note(
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
                self.note(
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
            levels.push((length, key.subkeys().into_iter()));
        }
    }
}

fn cells_root(bytes: &[u8]) -> u32 {
    super::bytes_at::u32_at(bytes, 36).unwrap_or(NO_CELL)
}

/// The bytes of a name that the strict reader found, and their place in the hive.
fn place(name: &NtHiveNameString<'_>, bytes: &[u8]) -> Option<usize> {
    let (NtHiveNameString::Latin1(name) | NtHiveNameString::Utf16LE(name)) = name;
    (name.as_ptr() as usize).checked_sub(bytes.as_ptr() as usize).filter(|place| *place <= bytes.len())
}

impl<'r> Key<'r> {
    /// Its name.
    pub fn name(&self) -> Name<'r> {
        let (name, whole) = self.node.name();
        if !whole {
            self.reader.note(
                Note::new(
                    ProblemKind::Truncated {
                        offset: (self.node.offset + KeyNode::HEADER) as u64,
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
        self.node.offset as u64
    }

    /// The class name, which few keys have.
    pub fn class_name(&self) -> Option<String> {
        let length = usize::from(super::bytes_at::u16_at(self.node.content, 74)?);
        let cell = self.reader.cells.cell(super::bytes_at::u32_at(self.node.content, 48)?)?;
        (length > 0)
            .then(|| Name { bytes: cell.content.get(..length).unwrap_or(cell.content), latin1: false }.to_string())
    }

    /// How many subkeys the key node claims.
    pub fn subkey_count(&self) -> u32 {
        self.node.subkey_count()
    }

    /// Its subkeys in the stored order, which is that of their upper-case names.
    pub fn subkeys(&self) -> Vec<Key<'r>> {
        let list = self.node.subkey_list();
        if list == NO_CELL || self.node.subkey_count() == 0 {
            return Vec::new();
        }
        if !self.reader.spend(KeyNode::HEADER) {
            return Vec::new();
        }
        let cells = self.reader.cells;
        let Some((offsets, whole)) = cells.subkey_offsets(list) else {
            self.note_list("the list of subkeys cannot be read", LOST_KEYS);
            return Vec::new();
        };
        if !self.reader.spend(offsets.len() * KeyNode::HEADER) {
            return Vec::new();
        }
        let sound = whole && self.reader.is_sound(list) && offsets.iter().all(|offset| self.reader.is_sound(*offset));
        if let Some(strict) = self.strict.as_ref().filter(|_| sound)
            && let Some(Some(keys)) = guarded(|| self.strict_subkeys(strict, offsets.len()))
        {
            return keys;
        }
        let keys: Vec<Key<'r>> = offsets
            .iter()
            .filter_map(|offset| Some(Key { reader: self.reader, strict: None, node: cells.key_node(*offset)? }))
            .collect();
        if !whole || keys.len() < offsets.len() {
            self.note_list(
                &format!(
                    "the list of subkeys is damaged; {} of {} could be read",
                    keys.len(),
                    self.node.subkey_count()
                ),
                LOST_KEYS,
            );
        }
        keys
    }

    /// The subkeys by the strict reader; `None` at its first error.
    fn strict_subkeys(&self, strict: &nt_hive::KeyNode<'r, &'r [u8]>, count: usize) -> Option<Vec<Key<'r>>> {
        let bytes = self.reader.cells.bytes;
        let mut keys = Vec::with_capacity(count);
        for key in strict.subkeys()?.ok()? {
            let key = key.ok()?;
            let offset = place(&key.name().ok()?, bytes)?.checked_sub(KeyNode::HEADER)?;
            let node = KeyNode::new(cells::Cell {
                offset,
                ..self.reader.cells.cell(u32::try_from(offset.checked_sub(BASE_BLOCK_LENGTH + 4)?).ok()?)?
            })?;
            keys.push(Key { reader: self.reader, strict: Some(key), node });
        }
        Some(keys)
    }

    /// The subkey of this ASCII name in any case.
    pub fn subkey(&self, name: &str) -> Option<Key<'r>> {
        self.subkeys().into_iter().find(|key| key.node.name().0.is(name))
    }

    /// The key at this ASCII path below; the key itself for an empty path.
    pub fn descend(&self, path: &str) -> Option<Key<'r>> {
        path.split('\\').filter(|name| !name.is_empty()).try_fold(self.clone(), |key, name| key.subkey(name))
    }

    /// Its values in the stored order.
    pub fn values(&self) -> Vec<Value<'r>> {
        if self.node.value_count() == 0 {
            return Vec::new();
        }
        let cells = self.reader.cells;
        if !self.reader.spend(ValueNode::HEADER) {
            return Vec::new();
        }
        let (offsets, whole) = cells.value_offsets(&self.node, cells.bytes.len());
        let nodes = offsets.iter().filter_map(|offset| cells.value_node(*offset));
        let length =
            |node: ValueNode<'_>| ValueNode::HEADER + node.name_length() + node.data_length().min(cells.bytes.len());
        if !self.reader.spend(offsets.len() * 4) || !self.reader.spend(nodes.map(length).sum()) {
            return Vec::new();
        }
        let sound = whole
            && self.reader.is_sound(self.node.value_list())
            && offsets.iter().all(|offset| self.reader.is_sound(*offset));
        if let Some(strict) = self.strict.as_ref().filter(|_| sound)
            && let Some(Some(values)) = guarded(|| self.strict_values(strict, offsets.len()))
        {
            return values;
        }
        let values: Vec<Value<'r>> = offsets
            .iter()
            .filter_map(|offset| cells.value_node(*offset))
            .map(|node| Value::of_node(cells, &node))
            .collect();
        if values.len() as u64 != u64::from(self.node.value_count()) || values.iter().any(|value| !value.whole) {
            self.note_list(
                &format!(
                    "the list of values is damaged; {} of {} could be read",
                    values.len(),
                    self.node.value_count()
                ),
                LOST_VALUES,
            );
        }
        values
    }

    /// The values by the strict reader; `None` at its first error.
    fn strict_values(&self, strict: &nt_hive::KeyNode<'r, &'r [u8]>, count: usize) -> Option<Vec<Value<'r>>> {
        let cells = self.reader.cells;
        let mut values = Vec::with_capacity(count);
        for value in strict.values()?.ok()? {
            let value = value.ok()?;
            let offset = place(&value.name().ok()?, cells.bytes)?.checked_sub(ValueNode::HEADER)?;
            let node = cells.value_node(u32::try_from(offset.checked_sub(BASE_BLOCK_LENGTH + 4)?).ok()?)?;
            if !self.reader.data_is_sound(&node) {
                return None;
            }
            let bytes = match value.data().ok()? {
                KeyValueData::Small(bytes) => Cow::Borrowed(bytes),
                KeyValueData::Big(pieces) => {
                    let mut bytes = Vec::new();
                    for piece in pieces {
                        bytes.extend_from_slice(piece.ok()?);
                    }
                    Cow::Owned(bytes)
                }
            };
            values.push(Value {
                name: node.name().0,
                type_code: node.type_code(),
                bytes,
                offset: offset as u64,
                whole: true,
            });
        }
        Some(values)
    }

    /// The value of this ASCII name in any case; the default value for an empty name.
    pub fn value(&self, name: &str) -> Option<Value<'r>> {
        self.values().into_iter().find(|value| value.name.is(name))
    }

    fn note_list(&self, what: &str, effect: &'static str) {
        let (name, _) = self.node.name();
        self.reader.note(
            Note::new(
                ProblemKind::Inconsistent {
                    a: format!(
                        "the key names {} subkeys and {} values",
                        self.node.subkey_count(),
                        self.node.value_count()
                    ),
                    b: "not all of them are there".to_owned(),
                },
                format!("key {name}: {what}"),
                effect,
            )
            .at(self.node.offset),
        );
    }
}

impl<'h> Reader<'h> {
    /// Whether the strict reader can follow this value to its data without a panic and as Windows would.
    fn data_is_sound(&self, node: &ValueNode<'_>) -> bool {
        let size = super::bytes_at::u32_at(node.content, 4).unwrap_or(0);
        if size & 0x8000_0000 != 0 {
            return size & 0x7FFF_FFFF <= 4;
        }
        let cell = super::bytes_at::u32_at(node.content, 8).unwrap_or(NO_CELL);
        size != 0
            && self.is_sound(cell)
            && (size as usize <= 16_344 || self.cells.data(node).1 && self.segments_are_sound(cell))
    }

    fn segments_are_sound(&self, cell: u32) -> bool {
        let Some(big) = self.cells.cell(cell).filter(|cell| cell.content.starts_with(b"db")) else { return false };
        let list = super::bytes_at::u32_at(big.content, 4).unwrap_or(NO_CELL);
        let count = usize::from(super::bytes_at::u16_at(big.content, 2).unwrap_or(0));
        self.is_sound(list)
            && self.cells.cell(list).is_some_and(|list| {
                list.content
                    .chunks_exact(4)
                    .take(count)
                    .all(|item| self.is_sound(super::bytes_at::u32_at(item, 0).unwrap_or(NO_CELL)))
            })
    }
}

impl<'h> Value<'h> {
    pub(super) fn of_node(cells: Cells<'h>, node: &ValueNode<'h>) -> Self {
        let (name, whole_name) = node.name();
        let (bytes, whole_data) = cells.data(node);
        Value { name, type_code: node.type_code(), bytes, offset: node.offset as u64, whole: whole_name && whole_data }
    }

    /// The data as its type says. Data that does not fit its type stays bytes.
    pub fn data(&self) -> Data {
        let bytes = &self.bytes;
        match (self.type_code, bytes.len()) {
            (1 | 2 | 6, _) => Data::Text(text(bytes)),
            (7, _) => Data::Texts(texts(bytes)),
            (4, 4) => Data::Number(u64::from(u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]))),
            (5, 4) => Data::Number(u64::from(u32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]))),
            (11, 8) => Data::Number(super::bytes_at::u64_at(bytes, 0).unwrap_or(0)),
            _ => Data::Bytes(bytes.to_vec()),
        }
    }

    /// The text of a text value; `None` for other types.
    pub fn text(&self) -> Option<String> {
        matches!(self.type_code, 1 | 2 | 6).then(|| text(&self.bytes))
    }

    /// The number of a numeric value; `None` for other types.
    pub fn number(&self) -> Option<u64> {
        match self.data() {
            Data::Number(number) if self.type_code != 3 => Some(number),
            _ => None,
        }
    }
}

/// UTF-16 up to the first NUL; an odd last byte is dropped as Windows drops it.
fn text(bytes: &[u8]) -> String {
    let units = bytes.chunks_exact(2).map(|unit| u16::from_le_bytes([unit[0], unit[1]])).take_while(|unit| *unit != 0);
    char::decode_utf16(units).map(|unit| unit.unwrap_or(char::REPLACEMENT_CHARACTER)).collect()
}

fn texts(bytes: &[u8]) -> Vec<String> {
    let units: Vec<u16> = bytes.chunks_exact(2).map(|unit| u16::from_le_bytes([unit[0], unit[1]])).collect();
    let mut texts: Vec<String> = units.split(|unit| *unit == 0).map(String::from_utf16_lossy).collect();
    while texts.last().is_some_and(String::is_empty) {
        texts.pop();
    }
    texts
}
