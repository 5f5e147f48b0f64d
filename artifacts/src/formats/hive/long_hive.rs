//! A SOFTWARE hive of any length that is made where it is read, in bins of 4 KiB. A test reads it without a file, and
//! the example `long_hive` writes it into one.

use evidence::Bytes;
use std::io;

const BIN: u64 = 4096;
const BASE: u64 = 4096;
const NONE: u32 = u32::MAX;
/// Most offsets that a list takes which shares a bin with nothing else.
const LEAF: u64 = 500;

/// The hive.
pub(crate) struct LongHive {
    registrations: u64,
    fillers: u64,
    /// Whether its base block says that it was not cleanly closed.
    pub(crate) dirty: bool,
}

/// A bin that is being filled.
struct Bin {
    bytes: Vec<u8>,
    start: u32,
}

impl Bin {
    fn new(index: u64) -> Self {
        let start = (index * BIN) as u32;
        let mut bytes = b"hbin".to_vec();
        bytes.extend(start.to_le_bytes());
        bytes.extend((BIN as u32).to_le_bytes());
        bytes.resize(32, 0);
        Bin { bytes, start }
    }

    /// Writes an allocated cell and gives its offset.
    fn cell(&mut self, content: &[u8]) -> u32 {
        let offset = self.bytes.len();
        let length = (content.len() + 4).next_multiple_of(8);
        self.bytes.extend((-(length as i32)).to_le_bytes());
        self.bytes.extend(content);
        self.bytes.resize(offset + length, 0);
        self.start + offset as u32
    }

    fn key(&mut self, name: &str, parent: u32, is_root: bool) -> u32 {
        let mut node = b"nk".to_vec();
        node.extend(if is_root { 0x2Cu16 } else { 0x20 }.to_le_bytes());
        node.extend(132_000_000_000_000_000u64.to_le_bytes());
        for number in [0, parent, 0, 0, NONE, NONE, 0, NONE, NONE, NONE] {
            node.extend(number.to_le_bytes());
        }
        node.resize(72, 0);
        node.extend((name.len() as u32).to_le_bytes());
        node.extend(name.as_bytes());
        self.cell(&node)
    }

    fn put(&mut self, cell: u32, at: u32, number: u32) {
        let at = (cell - self.start + 4 + at) as usize;
        self.bytes[at..at + 4].copy_from_slice(&number.to_le_bytes());
    }

    fn subkeys(&mut self, key: u32, count: u64, list: u32) {
        self.put(key, 20, count as u32);
        self.put(key, 28, list);
    }

    fn values(&mut self, key: u32, values: &[(&str, u32, Vec<u8>)]) {
        let mut list = Vec::new();
        for (name, type_code, data) in values {
            let place = self.cell(data);
            let mut node = b"vk".to_vec();
            node.extend((name.len() as u16).to_le_bytes());
            for number in [data.len() as u32, place, *type_code, 1] {
                node.extend(number.to_le_bytes());
            }
            node.extend(name.as_bytes());
            list.extend(self.cell(&node).to_le_bytes());
        }
        let list = self.cell(&list);
        self.put(key, 36, values.len() as u32);
        self.put(key, 40, list);
    }

    /// The whole bin; what is left of it is one free cell.
    fn finish(mut self) -> Vec<u8> {
        let left = BIN as usize - self.bytes.len();
        if left > 0 {
            self.bytes.extend((left as u32).to_le_bytes());
        }
        self.bytes.resize(BIN as usize, 0);
        self.bytes
    }
}

fn text(name: &'static str, text: &str) -> (&'static str, u32, Vec<u8>) {
    (name, 1, text.encode_utf16().chain([0]).flat_map(u16::to_le_bytes).collect())
}

/// The name of a class.
pub(crate) fn class_id(index: u64) -> String {
    format!("{{{index:08X}-0000-0000-0000-000000000000}}")
}

impl LongHive {
    /// A hive of about this length with so many managed classes.
    pub(crate) fn new(length: u64, registrations: u64) -> Self {
        let fillers = (length - BASE) / BIN - registrations;
        LongHive { registrations, fillers: fillers - fillers.div_ceil(LEAF) - 4, dirty: false }
    }

    /// How many keys without meaning are listed; no more than one index root takes.
    fn listed_fillers(&self) -> u64 {
        self.fillers.min(1_000 * LEAF)
    }

    fn leaves(count: u64) -> u64 {
        count.div_ceil(LEAF)
    }

    /// Which bin the first registration is in.
    fn first_registration(&self) -> u64 {
        3 + Self::leaves(self.registrations) + Self::leaves(self.listed_fillers())
    }

    fn bins(&self) -> u64 {
        self.first_registration() + self.registrations + self.fillers
    }

    /// Where in the file the bin of a registration is.
    pub(crate) fn registration_offset(&self, index: u64) -> u64 {
        BASE + BIN * (self.first_registration() + index)
    }

    fn base_block(&self) -> Vec<u8> {
        let mut bytes = vec![0; BASE as usize];
        bytes[..4].copy_from_slice(b"regf");
        let length = (BIN * self.bins()) as u32;
        let second = if self.dirty { 7 } else { 8 };
        for (at, number) in [(4, 8), (8, second), (20, 1), (24, 5), (32, 1), (36, 32), (40, length), (44, 1)] {
            bytes[at..at + 4].copy_from_slice(&u32::to_le_bytes(number));
        }
        let words = bytes[..508].chunks_exact(4);
        let sum = words.fold(0, |sum, word| sum ^ u32::from_le_bytes([word[0], word[1], word[2], word[3]]));
        bytes[508..512].copy_from_slice(&sum.to_le_bytes());
        bytes
    }

    /// The keys above: `Classes\CLSID` and `Filler`.
    fn first_bin(&self) -> Vec<u8> {
        let mut bin = Bin::new(0);
        let root = bin.key("ROOT", NONE, true);
        let classes = bin.key("Classes", root, false);
        let clsid = bin.key("CLSID", classes, false);
        let filler = bin.key("Filler", root, false);
        let list = |keys: &[u32]| {
            let mut list = b"lf".to_vec();
            list.extend((keys.len() as u16).to_le_bytes());
            keys.iter().for_each(|key| list.extend([key.to_le_bytes(), [0; 4]].concat()));
            list
        };
        let of_root = bin.cell(&list(&[classes, filler]));
        let of_classes = bin.cell(&list(&[clsid]));
        bin.subkeys(root, 2, of_root);
        bin.subkeys(classes, 1, of_classes);
        bin.subkeys(clsid, self.registrations, BIN as u32 + 32);
        bin.subkeys(filler, self.listed_fillers(), 2 * BIN as u32 + 32);
        bin.finish()
    }

    fn index_root(index: u64, first_leaf: u64, leaves: u64) -> Vec<u8> {
        let mut list = b"ri".to_vec();
        list.extend((leaves as u16).to_le_bytes());
        (0..leaves).for_each(|leaf| list.extend((((first_leaf + leaf) * BIN) as u32 + 32).to_le_bytes()));
        let mut bin = Bin::new(index);
        bin.cell(&list);
        bin.finish()
    }

    fn leaf(index: u64, leaf: u64, first_bin: u64, count: u64) -> Vec<u8> {
        let keys = leaf * LEAF..((leaf + 1) * LEAF).min(count);
        let mut list = b"lh".to_vec();
        list.extend(((keys.end - keys.start) as u16).to_le_bytes());
        keys.for_each(|key| {
            list.extend([(((first_bin + key) * BIN) as u32 + 32).to_le_bytes(), [0; 4]].concat());
        });
        let mut bin = Bin::new(index);
        bin.cell(&list);
        bin.finish()
    }

    /// The bin of a registration, with this code base.
    pub(crate) fn registration(&self, index: u64, code_base: &str) -> Vec<u8> {
        let mut bin = Bin::new(self.first_registration() + index);
        let class = bin.key(&class_id(index), NONE, false);
        let inproc = bin.key("InprocServer32", class, false);
        let list = bin.cell(&[b"lf\x01\0".as_slice(), &inproc.to_le_bytes(), &[0; 4]].concat());
        bin.subkeys(class, 1, list);
        let values = [
            text("", "mscoree.dll"),
            text("Class", "Long.Hive"),
            text("Assembly", "Long, Version=1.0.0.0, Culture=neutral, PublicKeyToken=null"),
            text("CodeBase", code_base),
        ];
        bin.values(inproc, &values);
        bin.finish()
    }

    fn filler(&self, index: u64) -> Vec<u8> {
        let mut bin = Bin::new(self.first_registration() + self.registrations + index);
        let key = bin.key(&format!("F{index:07}"), NONE, false);
        let data = (0..3_000u32).map(|at| (at as u8).wrapping_mul(31) ^ index as u8).collect();
        bin.values(key, &[("Data", 3, data)]);
        bin.finish()
    }

    /// 4 KiB of the file, by their number.
    fn block(&self, block: u64) -> Vec<u8> {
        let Some(index) = block.checked_sub(1) else { return self.base_block() };
        let (of_classes, of_fillers) = (Self::leaves(self.registrations), Self::leaves(self.listed_fillers()));
        let first = self.first_registration();
        match index {
            0 => self.first_bin(),
            1 => Self::index_root(1, 3, of_classes),
            2 => Self::index_root(2, 3 + of_classes, of_fillers),
            _ if index < 3 + of_classes => Self::leaf(index, index - 3, first, self.registrations),
            _ if index < first => {
                Self::leaf(index, index - 3 - of_classes, first + self.registrations, self.listed_fillers())
            }
            _ if index < first + self.registrations => {
                self.registration(index - first, "file:///C:/Users/Public/long.dll")
            }
            _ => self.filler(index - first - self.registrations),
        }
    }
}

impl Bytes for LongHive {
    fn len(&self) -> u64 {
        BASE + BIN * self.bins()
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        if offset >= self.len() {
            return Ok(0);
        }
        let block = self.block(offset / BIN);
        let rest = &block[(offset % BIN) as usize..];
        let count = rest.len().min(buffer.len());
        buffer[..count].copy_from_slice(&rest[..count]);
        Ok(count)
    }
}
