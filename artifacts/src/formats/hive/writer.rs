//! A small writer of hives and logs for tests, by the format's description, and what Windows does to the bytes
//! when a key or value is deleted.

use super::base_block::{BASE_BLOCK_LENGTH, checksum};
use super::marvin32;
use evidence::le::{u16_at, u32_at};

/// A key to be written.
#[derive(Clone, Debug, Default)]
pub(crate) struct KeySpec {
    name: String,
    written: u64,
    values: Vec<(String, u32, Vec<u8>)>,
    subkeys: Vec<KeySpec>,
}

impl KeySpec {
    pub(crate) fn new(name: &str) -> Self {
        KeySpec { name: name.to_owned(), written: 132_000_000_000_000_000, ..KeySpec::default() }
    }

    pub(crate) fn written(mut self, filetime: u64) -> Self {
        self.written = filetime;
        self
    }

    pub(crate) fn value(mut self, name: &str, type_code: u32, data: &[u8]) -> Self {
        self.values.push((name.to_owned(), type_code, data.to_vec()));
        self
    }

    /// A REG_SZ value.
    pub(crate) fn text(self, name: &str, text: &str) -> Self {
        self.value(name, 1, &utf16(text))
    }

    pub(crate) fn dword(self, name: &str, number: u32) -> Self {
        self.value(name, 4, &number.to_le_bytes())
    }

    pub(crate) fn key(mut self, key: KeySpec) -> Self {
        self.subkeys.push(key);
        self
    }

    /// Puts a key at a path below, making the keys on the way.
    pub(crate) fn at(mut self, path: &str, key: KeySpec) -> Self {
        match path.split_once('\\') {
            None if path.is_empty() => self.key(key),
            None => self.at_child(path, |child| child.key(key)),
            Some((first, rest)) => {
                self = self.at_child(first, |child| child.at(rest, key));
                self
            }
        }
    }

    fn at_child(mut self, name: &str, change: impl FnOnce(KeySpec) -> KeySpec) -> Self {
        let found = self.subkeys.iter().position(|key| key.name == name);
        let child = found.map_or_else(|| KeySpec::new(name), |index| self.subkeys.remove(index));
        self.subkeys.push(change(child));
        self
    }
}

/// UTF-16 with a closing NUL.
pub(crate) fn utf16(text: &str) -> Vec<u8> {
    text.encode_utf16().chain([0]).flat_map(u16::to_le_bytes).collect()
}

struct Writer {
    /// Hive bins data, starting with the header of the one bin.
    data: Vec<u8>,
}

impl Writer {
    /// Writes an allocated cell and gives its offset.
    fn cell(&mut self, content: &[u8]) -> u32 {
        let offset = self.data.len();
        let length = (content.len() + 4).next_multiple_of(8);
        self.data.extend((-(length as i32)).to_le_bytes());
        self.data.extend(content);
        self.data.resize(offset + length, 0);
        offset as u32
    }

    fn data_cell(&mut self, data: &[u8]) -> u32 {
        if data.len() <= 16_344 {
            return self.cell(data);
        }
        let segments: Vec<u8> =
            data.chunks(16_344).map(|segment| self.cell(segment)).flat_map(u32::to_le_bytes).collect();
        let list = self.cell(&segments);
        let mut big = b"db".to_vec();
        big.extend(((segments.len() / 4) as u16).to_le_bytes());
        big.extend(list.to_le_bytes());
        big.extend([0; 4]);
        self.cell(&big)
    }

    fn value(&mut self, name: &str, type_code: u32, data: &[u8]) -> u32 {
        let (stored_name, latin1) = stored_name(name);
        let (size, place) = match data.len() {
            0 => (0x8000_0000, 0),
            length @ 1..=4 => {
                let mut inline = [0; 4];
                inline[..length].copy_from_slice(data);
                (0x8000_0000 | length as u32, u32::from_le_bytes(inline))
            }
            length => (length as u32, self.data_cell(data)),
        };
        let mut node = b"vk".to_vec();
        node.extend((stored_name.len() as u16).to_le_bytes());
        node.extend(size.to_le_bytes());
        node.extend(place.to_le_bytes());
        node.extend(type_code.to_le_bytes());
        node.extend(u16::from(latin1).to_le_bytes());
        node.extend([0; 2]);
        node.extend(stored_name);
        self.cell(&node)
    }

    fn leaf(&mut self, subkeys: &[u32]) -> u32 {
        let mut list = b"lh".to_vec();
        list.extend((subkeys.len() as u16).to_le_bytes());
        subkeys.iter().for_each(|key| list.extend([key.to_le_bytes(), [0; 4]].concat()));
        self.cell(&list)
    }

    fn key(&mut self, spec: &KeySpec, parent: u32, root: bool) -> u32 {
        let (name, latin1) = stored_name(&spec.name);
        let mut node = b"nk".to_vec();
        let flags = if root { 0x0C } else { 0 } | if latin1 { 0x20 } else { 0 };
        node.extend((flags as u16).to_le_bytes());
        node.extend(spec.written.to_le_bytes());
        node.extend([0; 4]);
        node.extend(parent.to_le_bytes());
        node.extend((spec.subkeys.len() as u32).to_le_bytes());
        node.extend([0; 4]);
        for place in [u32::MAX, u32::MAX, spec.values.len() as u32, u32::MAX, u32::MAX, u32::MAX] {
            node.extend(place.to_le_bytes());
        }
        node.resize(72, 0);
        node.extend((name.len() as u16).to_le_bytes());
        node.extend([0; 2]);
        node.extend(name);
        let key = self.cell(&node);
        if !spec.values.is_empty() {
            let values: Vec<u32> =
                spec.values.iter().map(|(name, type_code, data)| self.value(name, *type_code, data)).collect();
            let list = self.cell(&values.into_iter().flat_map(u32::to_le_bytes).collect::<Vec<_>>());
            self.put(key, 40, list);
        }
        if !spec.subkeys.is_empty() {
            let mut sorted: Vec<&KeySpec> = spec.subkeys.iter().collect();
            sorted.sort_by_key(|key| key.name.to_uppercase());
            let subkeys: Vec<u32> = sorted.into_iter().map(|subkey| self.key(subkey, key, false)).collect();
            let list = if subkeys.len() <= 500 {
                self.leaf(&subkeys)
            } else {
                let leaves: Vec<u32> = subkeys.chunks(500).map(|part| self.leaf(part)).collect();
                let mut root = b"ri".to_vec();
                root.extend((leaves.len() as u16).to_le_bytes());
                leaves.iter().for_each(|leaf| root.extend(leaf.to_le_bytes()));
                self.cell(&root)
            };
            self.put(key, 28, list);
        }
        key
    }

    fn put(&mut self, cell: u32, at: usize, number: u32) {
        let at = cell as usize + 4 + at;
        self.data[at..at + 4].copy_from_slice(&number.to_le_bytes());
    }
}

fn stored_name(name: &str) -> (Vec<u8>, bool) {
    if name.is_ascii() {
        (name.as_bytes().to_vec(), true)
    } else {
        (name.encode_utf16().flat_map(u16::to_le_bytes).collect(), false)
    }
}

/// A cleanly closed hive in one bin, with `free` bytes of free space at its end.
pub(crate) fn hive(root: &KeySpec, free: usize) -> Vec<u8> {
    let mut writer = Writer { data: vec![0; 32] };
    let root = writer.key(root, u32::MAX, true);
    let used = writer.data.len();
    let length = (used + free + 8).next_multiple_of(4096);
    writer.data.extend(((length - used) as u32).to_le_bytes());
    writer.data.resize(length, 0);
    writer.data[..4].copy_from_slice(b"hbin");
    writer.data[8..12].copy_from_slice(&(length as u32).to_le_bytes());
    let mut bytes = vec![0; BASE_BLOCK_LENGTH];
    bytes[..4].copy_from_slice(b"regf");
    for (at, number) in [(4, 7), (8, 7), (20, 1), (24, 5), (32, 1), (36, root), (40, length as u32), (44, 1)] {
        bytes[at..at + 4].copy_from_slice(&number.to_le_bytes());
    }
    bytes.extend(writer.data);
    seal(&mut bytes);
    bytes
}

/// Puts the right checksum into a base block.
pub(crate) fn seal(bytes: &mut [u8]) {
    let sum = checksum(bytes);
    bytes[508..512].copy_from_slice(&sum.to_le_bytes());
}

/// Marks a hive as not cleanly closed.
pub(crate) fn dirty(mut bytes: Vec<u8>, primary: u32, secondary: u32) -> Vec<u8> {
    bytes[4..8].copy_from_slice(&primary.to_le_bytes());
    bytes[8..12].copy_from_slice(&secondary.to_le_bytes());
    seal(&mut bytes);
    bytes
}

/// Frees the cell whose content is at this file offset, as Windows does.
pub(crate) fn free(bytes: &mut [u8], content: usize) {
    let size = u32_at(bytes, content - 4).unwrap().cast_signed().wrapping_abs();
    bytes[content - 4..content].copy_from_slice(&size.to_le_bytes());
}

fn content(cell: u32) -> usize {
    BASE_BLOCK_LENGTH + 4 + cell as usize
}

/// Deletes a value of the key at this file offset: frees it and its data, and closes the gap in the list.
pub(crate) fn delete_value(bytes: &mut [u8], key: usize, name: &str) {
    let count = u32_at(bytes, key + 36).unwrap() as usize;
    let list = content(u32_at(bytes, key + 40).unwrap());
    let value = |bytes: &[u8], index: usize| content(u32_at(bytes, list + 4 * index).unwrap());
    let is_it = |bytes: &[u8], at: usize| {
        let length = usize::from(u16_at(bytes, at + 2).unwrap());
        &bytes[at + 20..at + 20 + length] == name.as_bytes()
    };
    let index = (0..count).find(|index| is_it(bytes, value(bytes, *index))).unwrap();
    let node = value(bytes, index);
    if u32_at(bytes, node + 4).unwrap() & 0x8000_0000 == 0 {
        free(bytes, content(u32_at(bytes, node + 8).unwrap()));
    }
    free(bytes, node);
    bytes.copy_within(list + 4 * (index + 1)..list + 4 * count, list + 4 * index);
    bytes[key + 36..key + 40].copy_from_slice(&(count as u32 - 1).to_le_bytes());
    if count == 1 {
        free(bytes, list);
        bytes[key + 40..key + 44].copy_from_slice(&u32::MAX.to_le_bytes());
    }
}

/// Deletes a key at a file offset, which has no subkeys left, from its parent. Its values are freed with it.
pub(crate) fn delete_key(bytes: &mut [u8], key: usize) {
    let count = u32_at(bytes, key + 36).unwrap() as usize;
    if count > 0 {
        let list = content(u32_at(bytes, key + 40).unwrap());
        for index in 0..count {
            let node = content(u32_at(bytes, list + 4 * index).unwrap());
            if u32_at(bytes, node + 4).unwrap() & 0x8000_0000 == 0 {
                free(bytes, content(u32_at(bytes, node + 8).unwrap()));
            }
            free(bytes, node);
        }
        free(bytes, list);
    }
    let parent = content(u32_at(bytes, key + 16).unwrap());
    let list = content(u32_at(bytes, parent + 28).unwrap());
    let subkeys = usize::from(u16_at(bytes, list + 2).unwrap());
    let index = (0..subkeys).find(|index| content(u32_at(bytes, list + 4 + 8 * index).unwrap()) == key).unwrap();
    bytes.copy_within(list + 4 + 8 * (index + 1)..list + 4 + 8 * subkeys, list + 4 + 8 * index);
    bytes[list + 2..list + 4].copy_from_slice(&(subkeys as u16 - 1).to_le_bytes());
    bytes[parent + 20..parent + 24].copy_from_slice(&(subkeys as u32 - 1).to_le_bytes());
    if subkeys == 1 {
        free(bytes, list);
        bytes[parent + 28..parent + 32].copy_from_slice(&u32::MAX.to_le_bytes());
    }
    free(bytes, key);
}

/// The base block that heads a log.
fn log_head(hive: &[u8], file_type: u32, sequence: u32) -> Vec<u8> {
    let mut head = hive[..512].to_vec();
    for (at, number) in [(4, sequence), (8, sequence), (28, file_type)] {
        head[at..at + 4].copy_from_slice(&number.to_le_bytes());
    }
    seal(&mut head);
    head
}

/// Ranges of 512-byte pages of the hive bins that differ between two states, and those that are new.
fn changed_pages(before: &[u8], after: &[u8]) -> Vec<usize> {
    let page = |bytes: &[u8], index: usize| {
        let at = BASE_BLOCK_LENGTH + 512 * index;
        bytes.get(at..at + 512).map(<[u8]>::to_vec)
    };
    let pages = (after.len() - BASE_BLOCK_LENGTH) / 512;
    (0..pages).filter(|index| page(before, *index) != page(after, *index)).collect()
}

/// One entry of a new log that leads from one state to another.
pub(crate) fn entry(before: &[u8], after: &[u8], sequence: u32) -> Vec<u8> {
    let pages = changed_pages(before, after);
    let mut body = Vec::new();
    for page in &pages {
        body.extend((512 * *page as u32).to_le_bytes());
        body.extend(512u32.to_le_bytes());
    }
    for page in &pages {
        let at = BASE_BLOCK_LENGTH + 512 * page;
        body.extend(&after[at..at + 512]);
    }
    body.resize((body.len() + 40).next_multiple_of(512) - 40, 0);
    let mut entry = b"HvLE".to_vec();
    let bins = (after.len() - BASE_BLOCK_LENGTH) as u32;
    for number in [body.len() as u32 + 40, 0, sequence, bins, pages.len() as u32] {
        entry.extend(number.to_le_bytes());
    }
    entry.extend(marvin32::hash(&body).to_le_bytes());
    entry.extend(marvin32::hash(&entry).to_le_bytes());
    entry.extend(body);
    entry
}

/// A log of the new generation.
pub(crate) fn new_log(hive: &[u8], sequence: u32, entries: &[Vec<u8>]) -> Vec<u8> {
    let mut log = log_head(hive, 6, sequence);
    entries.iter().for_each(|entry| log.extend(entry));
    log
}

/// A log of the old generation that leads from one state to another.
pub(crate) fn old_log(before: &[u8], after: &[u8], sequence: u32) -> Vec<u8> {
    let mut log = log_head(after, 1, sequence);
    let pages = changed_pages(before, after);
    log.extend(b"DIRT");
    let mut bitmap = vec![0u8; (after.len() - BASE_BLOCK_LENGTH) / 4096];
    pages.iter().for_each(|page| bitmap[page / 8] |= 1 << (page % 8));
    log.extend(bitmap);
    log.resize(log.len().next_multiple_of(512), 0);
    for page in pages {
        let at = BASE_BLOCK_LENGTH + 512 * page;
        log.extend(&after[at..at + 512]);
    }
    log
}
