//! Writes chunks for tests, from the published format and without looking at the reader.

use super::chunk::CHUNK_SIZE;

/// XML with holes.
pub(crate) enum Xml {
    Text(&'static str),
    /// A hole for the value of this index.
    Hole(u16),
    Element(&'static str, Vec<(&'static str, Xml)>, Vec<Xml>),
}

/// An element without attributes.
pub(crate) fn element(name: &'static str, content: Vec<Xml>) -> Xml {
    Xml::Element(name, Vec::new(), content)
}

/// A `Data` element of this name.
pub(crate) fn data(name: &'static str, hole: u16) -> Xml {
    Xml::Element("Data", vec![("Name", Xml::Text(name))], vec![Xml::Hole(hole)])
}

/// A substitution value.
pub(crate) enum Val {
    Bytes(u8, Vec<u8>),
    Fragment(Instance),
}

pub(crate) fn text(value: &str) -> Val {
    Val::Bytes(0x01, utf16(value))
}

pub(crate) fn utf16(value: &str) -> Vec<u8> {
    value.encode_utf16().flat_map(u16::to_le_bytes).collect()
}

/// A template with its values.
pub(crate) struct Instance {
    pub(crate) id: u32,
    pub(crate) root: Xml,
    pub(crate) values: Vec<Val>,
}

/// The usual outer template: System with holes 0 (event id) and 1 (time), and the provider's part in hole 2.
pub(crate) fn event(provider: &'static str, event_id: u16, part: Val) -> Instance {
    let system = element(
        "System",
        vec![
            Xml::Element("Provider", vec![("Name", Xml::Text(provider))], vec![]),
            element("EventID", vec![Xml::Hole(0)]),
            Xml::Element("TimeCreated", vec![("SystemTime", Xml::Hole(1))], vec![]),
            element("Channel", vec![Xml::Text("Test/Log")]),
        ],
    );
    Instance {
        id: 0x1111_0000 | u32::from(event_id),
        root: element("Event", vec![system, Xml::Hole(2)]),
        values: vec![
            Val::Bytes(0x06, event_id.to_le_bytes().to_vec()),
            Val::Bytes(0x11, 134_171_071_530_000_000u64.to_le_bytes().to_vec()),
            part,
        ],
    }
}

/// One chunk being written.
pub(crate) struct ChunkWriter {
    bytes: Vec<u8>,
    numbers: Option<(u64, u64)>,
}

impl ChunkWriter {
    pub(crate) fn new() -> Self {
        ChunkWriter { bytes: vec![0; 512], numbers: None }
    }

    fn put(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    fn patch(&mut self, at: usize, value: u32) {
        self.bytes[at..at + 4].copy_from_slice(&value.to_le_bytes());
    }

    /// Leaves room for a size; gives where.
    fn size(&mut self) -> usize {
        self.put(&[0; 4]);
        self.bytes.len() - 4
    }

    /// Fills in the number of bytes written since.
    fn sized(&mut self, at: usize) {
        self.patch(at, (self.bytes.len() - at - 4) as u32);
    }

    fn name(&mut self, name: &str) {
        let at = self.bytes.len() as u32 + 4;
        self.put(&at.to_le_bytes());
        let hash = name.encode_utf16().fold(0u32, |hash, unit| hash.wrapping_mul(65_599).wrapping_add(u32::from(unit)));
        self.put(&[0; 4]);
        self.put(&hash.to_le_bytes()[..2]);
        self.put(&(name.encode_utf16().count() as u16).to_le_bytes());
        self.put(&utf16(name));
        self.put(&[0; 2]);
    }

    fn xml(&mut self, xml: &Xml, in_definition: bool) {
        match xml {
            Xml::Text(text) => {
                self.put(&[0x05, 0x01]);
                self.put(&(text.encode_utf16().count() as u16).to_le_bytes());
                self.put(&utf16(text));
            }
            Xml::Hole(index) => {
                self.put(&[0x0E]);
                self.put(&index.to_le_bytes());
                self.put(&[0x01]);
            }
            Xml::Element(name, attributes, content) => {
                self.put(&[if attributes.is_empty() { 0x01 } else { 0x41 }]);
                if in_definition {
                    self.put(&[0xFF, 0xFF]);
                }
                let size = self.size();
                self.name(name);
                if !attributes.is_empty() {
                    let list = self.size();
                    for (name, value) in attributes {
                        self.put(&[0x06]);
                        self.name(name);
                        self.xml(value, in_definition);
                    }
                    self.sized(list);
                }
                if content.is_empty() {
                    self.put(&[0x03]);
                } else {
                    self.put(&[0x02]);
                    for child in content {
                        self.xml(child, in_definition);
                    }
                    self.put(&[0x04]);
                }
                self.sized(size);
            }
        }
    }

    fn instance(&mut self, instance: &Instance) {
        self.put(&[0x0F, 1, 1, 0, 0x0C, 1]);
        self.put(&instance.id.to_le_bytes());
        let definition = self.bytes.len() as u32 + 4;
        self.put(&definition.to_le_bytes());
        self.put(&[0; 4]);
        self.put(&instance.id.to_le_bytes());
        self.put(&[0; 12]);
        let size = self.size();
        self.put(&[0x0F, 1, 1, 0]);
        self.xml(&instance.root, true);
        self.put(&[0]);
        self.sized(size);
        self.put(&(instance.values.len() as u32).to_le_bytes());
        let table = self.bytes.len();
        self.put(&vec![0; instance.values.len() * 4]);
        for (index, value) in instance.values.iter().enumerate() {
            let from = self.bytes.len();
            let kind = match value {
                Val::Bytes(kind, bytes) => {
                    self.put(bytes);
                    *kind
                }
                Val::Fragment(inner) => {
                    self.instance(inner);
                    0x21
                }
            };
            let length = (self.bytes.len() - from) as u32;
            self.patch(table + index * 4, length | u32::from(kind) << 16);
        }
    }

    fn framed(&mut self, number: u64, body: impl FnOnce(&mut Self)) -> usize {
        let at = self.bytes.len();
        self.put(b"\x2a\x2a\0\0\0\0\0\0");
        self.put(&number.to_le_bytes());
        self.put(&(134_171_071_530_000_000 + number).to_le_bytes());
        body(self);
        while !(self.bytes.len() - at + 4).is_multiple_of(8) {
            self.put(&[0]);
        }
        let size = (self.bytes.len() - at + 4) as u32;
        self.put(&size.to_le_bytes());
        self.patch(at + 4, size);
        let first = self.numbers.map_or(number, |(first, _)| first);
        self.numbers = Some((first, number));
        at
    }

    /// Writes a record; gives its offset in the chunk.
    pub(crate) fn record(&mut self, number: u64, instance: &Instance) -> usize {
        self.framed(number, |writer| writer.instance(instance))
    }

    /// Writes a record whose body is an element without a template.
    pub(crate) fn plain(&mut self, number: u64, xml: &Xml) -> usize {
        self.framed(number, |writer| {
            writer.put(&[0x0F, 1, 1, 0]);
            writer.xml(xml, false);
        })
    }

    /// The chunk, whose free space begins here.
    pub(crate) fn finish(self) -> Vec<u8> {
        let free = self.bytes.len();
        self.finish_with(free)
    }

    /// The chunk with a header that puts its free space at `free`.
    pub(crate) fn finish_with(mut self, free: usize) -> Vec<u8> {
        let (first, last) = self.numbers.unwrap_or((u64::MAX, u64::MAX));
        self.bytes.resize(CHUNK_SIZE, 0);
        self.bytes[..8].copy_from_slice(b"ElfChnk\0");
        for (at, number) in [(8, first), (16, last), (24, first), (32, last)] {
            self.bytes[at..at + 8].copy_from_slice(&number.to_le_bytes());
        }
        self.patch(40, 128);
        self.patch(48, free as u32);
        seal(&mut self.bytes);
        self.bytes
    }
}

/// Writes the checksums of a chunk.
pub(crate) fn seal(chunk: &mut [u8]) {
    let free = u32::from_le_bytes([chunk[48], chunk[49], chunk[50], chunk[51]]) as usize;
    let records = crc32fast::hash(&chunk[512..free]);
    chunk[52..56].copy_from_slice(&records.to_le_bytes());
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&chunk[..120]);
    hasher.update(&chunk[128..512]);
    chunk[124..128].copy_from_slice(&hasher.finalize().to_le_bytes());
}

/// A log of these chunks, whose header does not know of any record.
pub(crate) fn file(chunks: &[Vec<u8>], counted: u16, dirty: bool) -> Vec<u8> {
    file_before(0, chunks, counted, dirty)
}

/// A log of these chunks, whose header has this number for the next record.
pub(crate) fn file_before(next_record: u64, chunks: &[Vec<u8>], counted: u16, dirty: bool) -> Vec<u8> {
    let mut bytes = vec![0; 4096];
    bytes[..8].copy_from_slice(b"ElfFile\0");
    bytes[24..32].copy_from_slice(&next_record.to_le_bytes());
    bytes[40..42].copy_from_slice(&4096u16.to_le_bytes());
    bytes[42..44].copy_from_slice(&counted.to_le_bytes());
    bytes[120] = u8::from(dirty);
    let sum = crc32fast::hash(&bytes[..120]);
    bytes[124..128].copy_from_slice(&sum.to_le_bytes());
    bytes.extend(chunks.iter().flatten());
    bytes
}
